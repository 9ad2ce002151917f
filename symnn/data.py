"""Data sets: columns of a table as features and targets, split into three parts and standardised."""

import gzip
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from symnn.arrays import Floats, Integers, as_array, real
from symnn.errors import DataError
from symnn.files import file_path
from symnn.given import called, constructed, names, one_of, whole_number
from symnn.scaling import Scaling
from symnn.sequences import checked_lengths, firsts, is_sequences, one_below_the_other, rows_of, steps_of
from symnn.shown import shows
from symnn.suggest import quote
from symnn.tables import (
    Column,
    Features,
    Layout,
    Missing,
    Table,
    from_arrays,
    from_frame,
    is_frame,
    missing_rows,
    number_columns,
    read_table,
)
from symnn.tables.table import find_columns, first, listed
from symnn.tables.targets import labels_of, looks_like_labels, missing_targets, numbers_of, refuse_either

Task = Literal["auto", "classification", "regression"]


# eq=False: comparing arrays gives an array, so the generated == would raise.
@dataclass(frozen=True, eq=False)
class Split:
    """One part of a data set.

    x: float64 (S, D), C-contiguous. y: int64 labels (S,), or float64 targets (S, T). weights: float64 (S,), how much
    each row counts, or None where all count alike. lengths: of sequences, int64 (S,), how many steps each has; the rows
    of all others are then their steps, one sequence below the other, and what is said of a sequence stands in each.

    >>> part = Dataset.from_arrays(np.arange(20.0)[:, None], np.arange(20.0), task="regression").train
    >>> part.x.shape, part.y.shape, part.samples
    ((13, 1), (13, 1), 13)
    """

    x: Floats
    y: Integers | Floats
    weights: Floats | None = None
    lengths: Integers | None = None

    @property
    def samples(self) -> int:
        """How many rows, or sequences, there are."""
        return len(self.x) if self.lengths is None else len(self.lengths)


@constructed(DataError)
@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set in three parts whose features are standardised: (raw − mean) / scale.

    mean, scale: float64 (D,), taken from the training part only, so that nothing of the validation and
    test parts leaks into training. classes: the label names in the order of their numbers, or None for
    regression. Its targets stand here as they are; ``target_scaling``, of the training part too, is what
    training standardises them by where the loss allows it, None where it shall not. columns: how the features
    are read from a table, None for features that come from none. dropped: the rows left out because a cell of
    theirs was missing. target_names: those of the columns of y, where they are known. inputs: the arrays or columns
    that the features were given as, by name, and how many features each has.

    >>> data = Dataset.from_arrays(np.arange(20.0)[:, None], ["low", "high"] * 10, task="classification")
    >>> data.classes, data.features, data.train.samples, data.validation.samples, data.test.samples
    (('high', 'low'), 1, 13, 3, 4)
    """

    name: str
    train: Split
    validation: Split
    test: Split
    feature_names: tuple[str, ...]
    classes: tuple[str, ...] | None
    mean: Floats
    scale: Floats
    target_scaling: Scaling | None = None
    columns: Features | None = None
    dropped: int = 0
    target_names: tuple[str, ...] = ()
    inputs: tuple[tuple[str, int], ...] = ()

    @classmethod
    @called(DataError)
    def from_arrays(
        cls,
        x: object,
        y: object = None,
        *,
        task: Task = "auto",
        classes: Sequence[str] | None = None,
        missing: Missing = "refuse",
        ignore: Sequence[str] = (),
        categorical: Sequence[str] = (),
        feature_names: Sequence[str] | None = None,
        weights: object = None,
        lengths: object = None,
        standardise: bool | Sequence[str] = True,
        name: str = "arrays",
        seed: int = 0,
        validation_fraction: float = 0.15,
        test_fraction: float = 0.2,
    ) -> "Dataset":
        """The data set of raw features (S, D), or (S,) for one, and labels (S,) or targets (S,) or (S, T).

        Both are what NumPy makes an array of; x may be a frame or a mapping from names to columns too, with text in it.
        Arrays in a mapping may have several axes, the first of them the rows: ``{"x": …, "z": …}`` are the inputs of a
        network that has several, and a mapping y the targets of one whose loss takes several. Without y there are none.
        standardise: whether the features are, or those of them that are.
        feature_names: those of the columns of a frame, or ``x[0]``, ``x[1]``, …, unless given. weights: how much each
        row counts (S,), above 0. lengths: where samples are sequences of unequal lengths, how many rows of x each has,
        one sequence below the other; y has a row for each step, or for each sequence, as weights have. A list of arrays
        (T, D) of different lengths says as much. The other arguments are as :func:`load_file` takes them.

        task: "auto" means what the type of y says: floats are numbers, booleans labels. Integers are labels where they
        are at most 20 distinct ones that are fewer than half the rows, and numbers where they are more than 20; those
        of a few rows may be either, and are refused until ``task`` says which.

        Raises DataError naming the array, the row and the column.

        >>> x = np.linspace(-1, 1, 40).reshape(20, 2)
        >>> flowers = Dataset.from_arrays(x, ["rose", "daisy"] * 10)
        >>> flowers.classes, len(flowers.train.x), len(flowers.validation.x), len(flowers.test.x)
        (('daisy', 'rose'), 13, 3, 4)
        >>> Dataset.from_arrays(x, x.sum(axis=1)).train.y.shape
        (13, 1)
        >>> Dataset.from_arrays({"size": x[:, 0], "colour": ["red", "blue"] * 10}, x[:, 1]).feature_names
        ('size', 'colour=blue', 'colour=red')
        >>> Dataset.from_arrays({"left": x, "right": x[:, 0]}, x[:, 1]).inputs
        (('left', 2), ('right', 1))
        >>> walks = Dataset.from_arrays([np.zeros((3 + n % 4, 2)) for n in range(20)], [0, 1] * 10)
        >>> walks.test.lengths, walks.test.x.shape, walks.test.y
        (array([3, 6, 5, 4]), (18, 2), array([0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 1]))
        """
        parts = _Parts(seed, validation_fraction, test_fraction)
        choices = _Choices(task, classes, missing, ignore, categorical, parts)
        if lengths is None and is_sequences(x):
            x, lengths = one_below_the_other("x", x)
        table, targets = _array_table(name, x, y, feature_names, lengths)
        if table.labels is not None and not isinstance(y, Mapping):
            choices = replace(choices, dtype=as_array("y", y).dtype.kind)
        return _from_table(
            name,
            table,
            targets,
            choices,
            _checked_weights(weights, table.lengths, len(table.rows)),
            _standardised(standardise),
        )

    _repr_html_ = shows("dataset_html")

    def __repr__(self) -> str:
        parts = ", ".join(f"{getattr(self, part).samples:,} {part}" for part in ("train", "validation", "test"))
        targets = f"{self.targets} targets" if self.classes is None else f"{len(self.classes)} classes"
        return f"<Dataset {self.name}: {parts}, {self.features} features, {targets}>"

    @property
    def features(self) -> int:
        """D, the number of inputs of a network for this data."""
        return len(self.feature_names)

    def arranged(self, inputs: Sequence[tuple[str, int]]) -> "Dataset":
        """The same, the features in the order of these inputs, each a name and a number of features.

        Raises DataError unless they are those of the data set.

        >>> x = np.arange(20.0).reshape(10, 2)
        >>> both = Dataset.from_arrays({"x": x, "z": x[:, 0]}, x[:, 1])
        >>> both.arranged([("z", 1), ("x", 2)]).feature_names
        ('z', 'x[0]', 'x[1]')
        """
        if tuple(inputs) == self.inputs:
            return self
        ends = np.cumsum([count for _, count in self.inputs]).tolist()
        known, places = {name for name, _ in inputs}, dict[str, list[int]]()
        for (name, count), end in zip(self.inputs, ends):
            # Columns ``m[0]``, ``m[1]``, … of a table of text are those of m.
            group = name if name in known else re.sub(r"\[\d+\]$", "", name)
            places.setdefault(group, []).extend(range(end - count, end))
        found = {name: len(place) for name, place in places.items()}
        if found != dict(inputs):
            expected, had = (
                ", ".join(f"{name} of {count}" for name, count in pairs) for pairs in (inputs, found.items())
            )
            raise DataError(f"{self.name}: found the features {had or 'without names'}, expected the inputs {expected}")
        order = [place for name, _ in inputs for place in places[name]]

        def part(split: Split) -> Split:
            return replace(split, x=np.ascontiguousarray(split.x[:, order]))

        return replace(
            self,
            train=part(self.train),
            validation=part(self.validation),
            test=part(self.test),
            feature_names=tuple(self.feature_names[place] for place in order),
            mean=self.mean[order],
            scale=self.scale[order],
            columns=None if self.columns is None else self.columns.arranged([name for name, _ in inputs]),
            inputs=tuple(inputs),
        )

    def misfit(self, inputs: int) -> str:
        """What is wrong with it for a network of so many inputs."""
        names = listed(self.feature_names)
        return f"found {self.features} features, expected {inputs}, the inputs of the network; they are {names}"

    @property
    def targets(self) -> int:
        """The number of outputs of a network for this data: the number of classes, or T."""
        return int(self.train.y.shape[1]) if self.classes is None else len(self.classes)


@called(DataError)
def load_digits(seed: int = 0, validation_fraction: float = 0.15, test_fraction: float = 0.2) -> Dataset:
    """Scikit-learn's handwritten digits: 1,797 scans of 8×8 pixels in ten classes.

    Source: Alpaydin and Kaynak, "Optical Recognition of Handwritten Digits", UCI (1998).
    Raises DataError when scikit-learn is missing or a fraction is out of range.

    >>> digits = load_digits()
    >>> digits.train.x.shape, digits.validation.x.shape, digits.test.x.shape
    ((1168, 64), (270, 64), (359, 64))
    >>> digits.features, digits.targets
    (64, 10)
    """
    installed = find_spec("sklearn")
    if installed is None or not installed.submodule_search_locations:
        raise DataError("the digits come with scikit-learn, which is not installed: pip install 'symnn[sklearn]'")
    # Its file, without it: importing scikit-learn takes 1.2 s, as much as training ten networks.
    file = Path(installed.submodule_search_locations[0], "datasets", "data", "digits.csv.gz")
    with gzip.open(file, "rt", encoding="ascii") as rows:
        table = np.loadtxt(rows, delimiter=",")
    names = tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8))
    return _dataset(
        "digits",
        "digits",
        np.ascontiguousarray(table[:, :-1]),
        table[:, -1].astype(np.int64),
        feature_names=names,
        classes=tuple(map(str, range(10))),
        columns=Features(tuple(map(Column, names))),
        parts=_Parts(seed, validation_fraction, test_fraction),
    )


BUILTIN: dict[str, Callable[..., Dataset]] = {"digits": load_digits}


@called(DataError)
def load_file(
    path: str | os.PathLike[str],
    target: str | Sequence[str],
    *,
    task: Task = "auto",
    classes: Sequence[str] | None = None,
    separator: str | None = None,
    decimal: str = ".",
    missing: Missing = "refuse",
    ignore: Sequence[str] = (),
    categorical: Sequence[str] = (),
    sequences: str | None = None,
    weights: str | None = None,
    seed: int = 0,
    validation_fraction: float = 0.15,
    test_fraction: float = 0.2,
) -> Dataset:
    """The data set in a ``.csv``, ``.tsv`` or ``.parquet`` file, or in the arrays of an ``.npz`` file.

    target: the column (or array) to predict, or several for regression; all others are features, but those in
    ``ignore``. In an ``.npz`` a 1-D array is one column, a 2-D array several.
    task: "auto" means classification when the target is text or integers with at most 20 distinct
    values that are fewer than half the rows, and regression otherwise.
    classes: the classes in order, say of a trained network; any other label is then an error. Without
    it they are the labels found, sorted (integers by value).
    separator: a comma, a semicolon, a tab, a bar or blanks, as a character or by these names; the header and the first
    rows show it unless it is said. decimal: "," where numbers are written 1,5.
    missing: what is done about rows with missing cells (empty, ?, NA, NaN or null): "refuse" names the first,
    "drop" leaves the rows out, "mean" fills each with the mean of its column in the training part.
    sequences: where each row is a step of a sequence, the column that says of which; rows of one stand one below the
    other. In an ``.npz`` it is the array of the lengths (S,), and the others are (N, D), all steps one below the other,
    (S, T, D), padded to the longest, or (S,), a number of each sequence.
    weights: the column of numbers above 0 by which rows count.

    A feature of text becomes one input for each of its categories, at most 100, sorted; so does one of numbers in
    ``categorical``. True and False become 1 and 0.

    Raises DataError for anything that is wrong with the file, naming file, row and column. Rows of text are counted as
    an editor does, the header being line 1; rows of arrays from 0.

    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> rows = "".join(f"{i},{i % 7},{'odd' if i % 2 else 'even'}\\n" for i in range(40))
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "parity.csv")
    ...     _ = path.write_text("number,rest,parity\\n" + rows)
    ...     parity = load_file(path, target="parity")
    >>> parity.feature_names, parity.classes
    (('number', 'rest'), ('even', 'odd'))
    >>> len(parity.train.y), len(parity.validation.y), len(parity.test.y)
    (26, 6, 8)
    """
    path = file_path(path, DataError)
    parts = _Parts(seed, validation_fraction, test_fraction)
    choices = _Choices(task, classes, missing, ignore, categorical, parts, weights)
    targets = names("target", target, "columns", DataError)
    return _predicting(path.stem, read_table(path, targets, Layout(separator, decimal, sequences)), targets, choices)


@called(DataError)
def load_frame(
    frame: Any,
    target: str | Sequence[str],
    *,
    task: Task = "auto",
    classes: Sequence[str] | None = None,
    missing: Missing = "refuse",
    ignore: Sequence[str] = (),
    categorical: Sequence[str] = (),
    sequences: str | None = None,
    weights: str | None = None,
    seed: int = 0,
    validation_fraction: float = 0.15,
    test_fraction: float = 0.2,
    name: str = "frame",
) -> Dataset:
    """The data set in a frame of pandas or polars, or in a mapping from names to columns; see :func:`load_file`.

    >>> frame = {"size": list(range(20)), "kind": ["a", "b"] * 10, "price": [i / 2 for i in range(20)]}
    >>> load_frame(frame, "price").feature_names
    ('size', 'kind=a', 'kind=b')
    """
    parts = _Parts(seed, validation_fraction, test_fraction)
    choices = _Choices(task, classes, missing, ignore, categorical, parts, weights)
    targets = names("target", target, "columns", DataError)
    table = from_frame(frame, targets, name)
    return _predicting(name, table if sequences is None else table.in_sequences(sequences), targets, choices)


def _array_table(
    source: str, x: object, y: object, feature_names: Sequence[str] | None, lengths: object
) -> tuple[Table, tuple[str, ...]]:
    """The columns of x and those of y behind them, and the names of the targets, others where x has them too."""
    features = from_frame(x, source=source) if is_frame(x) else from_arrays(source, {"x": x})
    if feature_names is not None:
        if isinstance(feature_names, str) or not isinstance(feature_names, Iterable):
            raise DataError(f"feature_names: found {quote(feature_names)}, expected a list of names")
        features = features.renamed(tuple(map(str, feature_names)), "feature_names")
    if lengths is not None:
        features = replace(features, lengths=checked_lengths("lengths", lengths, len(features.rows)))
    if y is None:
        return features, ()
    given = {name: _rows(values) for name, values in y.items()} if isinstance(y, Mapping) else {"y": y}
    given = {name: _of_steps(name, values, features.lengths) for name, values in given.items()}
    targets = {_fresh(str(name), features.names): values for name, values in given.items()}
    return features.beside(from_arrays(source, targets, (*targets,))), (*targets,)


def _fresh(name: str, taken: Sequence[str]) -> str:
    while any(other == name or other.startswith(f"{name}[") for other in taken):
        name += "'"
    return name


def _rows(values: object) -> NDArray[Any]:
    """An array of more axes as rows of numbers."""
    array = as_array("y", values)
    return array.reshape(len(array), -1) if array.ndim > 2 else array


def _of_steps(where: str, values: Any, lengths: Integers | None) -> Any:
    """What is given of each step, or of each sequence, as that of each step; of samples that are none as it is."""
    if lengths is None:
        return values
    if is_sequences(values):
        return steps_of(where, values, lengths)
    array = as_array(where, values)
    return np.repeat(array, lengths, axis=0) if array.ndim and len(array) == len(lengths) else array


def _standardised(given: object) -> Callable[[str], bool]:
    """Whether the features of this name are standardised."""
    if isinstance(given, bool):
        return lambda _: given
    chosen = frozenset(names("standardise", given, "inputs", DataError))
    return chosen.__contains__


@dataclass(frozen=True)
class _Parts:
    """How the rows are spread over the three parts, as :func:`split_rows` takes it."""

    seed: int
    validation_fraction: float
    test_fraction: float


@dataclass(frozen=True)
class _Choices:
    """What a user says of a table beside its target; see :func:`load_file`."""

    task: Task
    classes: Sequence[str] | None
    missing: Missing
    ignore: Sequence[str]
    categorical: Sequence[str]
    parts: _Parts
    weights: str | None = None
    dtype: str = ""
    """What NumPy calls the kind of the target of an array: b for booleans."""

    def __post_init__(self) -> None:
        one_of("task", self.task, get_args(Task), DataError)
        if self.classes is not None and self.task == "regression":
            raise DataError("classes: found a list of classes, expected none for task='regression'")
        if self.classes is not None and (isinstance(self.classes, str) or not isinstance(self.classes, Iterable)):
            raise DataError(f"classes: found {quote(self.classes)}, expected a list of names")
        one_of("missing", self.missing, get_args(Missing), DataError)


def _checked_weights(given: object, lengths: Integers | None, rows: int) -> Floats | None:
    """How much each row counts, if that is said."""
    if given is None:
        return None
    weights: Floats = _of_steps("weights", real("weights", given), lengths)
    if weights.shape != (rows,):
        raise DataError(f"weights: found an array with shape {weights.shape}, expected ({rows},), one for each row")
    if bad := first(~((weights > 0) & np.isfinite(weights))):
        raise DataError(f"weights, row {bad[0]} (from 0): found {weights[bad]:g}, expected a number above 0")
    return weights


def _column_of_weights(table: Table, column: tuple[str, ...]) -> Floats:
    """How much each row counts, by a column."""
    (name,) = column
    (found,) = number_columns(table, column).T
    if bad := first(~((found > 0) & np.isfinite(found))):
        raise DataError(f"{table.where(bad[0], name)}: found the weight {found[bad]:g}, expected a number above 0")
    return np.ascontiguousarray(found)


def _predicting(name: str, table: Table, targets: tuple[str, ...], choices: _Choices) -> Dataset:
    """The columns of a table, some of which are to be predicted."""
    if not targets:
        raise DataError(f"{table.source}: no target is given, expected one of the columns {listed([*table.groups])}")
    return _from_table(name, table, targets, choices)


def _from_table(
    name: str,
    table: Table,
    targets: tuple[str, ...],
    choices: _Choices,
    weights: Floats | None = None,
    standardised: Callable[[str], bool] = lambda _: True,
) -> Dataset:
    """The columns of a table as features and targets, split and standardised."""
    target_names = tuple(column for target in targets for column in table.groups[target])
    ignored = names("ignore", choices.ignore, "columns", DataError)
    find_columns(f"{table.source}: ignore", ignored, table.names)
    if table.lengths is not None and choices.missing == "drop":
        raise DataError(f"{table.source}: missing: found 'drop' for steps of sequences, expected 'refuse' or 'mean'")
    counting = names("weights", choices.weights, "columns", DataError) if choices.weights is not None else ()
    find_columns(f"{table.source}: weights", counting, table.names)
    others = frozenset((*target_names, *ignored, *counting, table.sequences))
    chosen = [column for column in table.names if column not in others]
    if not chosen:
        raise DataError(f"{table.source}: found only the target, expected at least one feature column beside it")
    count = len(table.rows)
    if choices.missing == "drop":
        kept = ~missing_rows(table, (*chosen, *counting)) & ~missing_targets(table, target_names)
        table, weights = table.only(kept), None if weights is None else weights[kept]
        if not len(table.rows):
            raise DataError(f"{table.source}: found a missing cell in every row, expected rows without")
    if counting:
        weights = _column_of_weights(table, counting)
    said = names("categorical", choices.categorical, "columns", DataError)
    features = Features.found(table, chosen, said, fills=choices.missing == "mean")
    x = features.encode(table)
    y: Integers | Floats
    labelled = choices.classes is not None or choices.task == "classification"
    if not labelled and choices.task == "auto":
        if choices.dtype in ("i", "u"):
            refuse_either(table)
        labelled = choices.dtype == "b" or looks_like_labels(table)
    if labelled:
        y, found = labels_of(table, target_names, choices.classes)
    else:
        y, found = numbers_of(table, target_names), None
    source, dropped, lengths = table.source, count - len(table.rows), table.lengths
    inputs = _inputs(table, features)
    del table  # what its numbers were copied from is not needed any more
    return _dataset(
        name,
        source,
        x,
        y,
        feature_names=features.inputs,
        classes=found,
        columns=features,
        dropped=dropped,
        target_names=target_names,
        parts=choices.parts,
        weights=weights,
        lengths=lengths,
        inputs=inputs,
        standardised=np.repeat([standardised(name) for name, _ in inputs], [count for _, count in inputs]),
    )


def _inputs(table: Table, features: Features) -> tuple[tuple[str, int], ...]:
    """What the features were given as, by name, and how many features each has."""
    counts = {column.name: len(column.inputs) for column in features.columns}
    found = {
        group: sum(counts.pop(name, 0) for name in members)
        for group, members in table.groups.items()
        if not counts.keys().isdisjoint(members)
    }
    return tuple(found.items())


def split_rows(
    labels: Integers, seed: int, validation_fraction: float, test_fraction: float
) -> tuple[Integers, Integers, Integers]:
    """Row numbers of the training, validation and test parts, each shuffled, each with every class's share.

    labels: int64 (S,), zeros for data without classes. A class is spread over the parts to within a row
    of its share, and always has a row in the training part. The same seed gives the same parts.
    A set too small to give each part a row that is asked for is not split: all of it is the training part.
    Raises DataError when a fraction or the seed is out of range.

    >>> train, validation, test = split_rows(np.repeat([0, 1], 10), 0, 0.2, 0.2)
    >>> len(train), len(validation), len(test)
    (12, 4, 4)
    """
    _check_fractions(validation_fraction, test_fraction)
    seed = whole_number("seed", seed, refused=DataError)
    counts = np.bincount(labels)
    held_fraction = validation_fraction + test_fraction
    # Shares are rounded on the running total: rounding class by class would leave data with many
    # small classes without a validation part.
    held = np.minimum(_steps(held_fraction * np.cumsum(counts)), np.maximum(counts - 1, 0))
    test = _steps(test_fraction / (held_fraction or 1) * np.cumsum(held))
    shares = ((test_fraction, test.sum()), (validation_fraction, held.sum() - test.sum()))
    if any(fraction > 0 and rows == 0 for fraction, rows in shares):
        held, test = np.zeros_like(held), np.zeros_like(test)
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(labels))
    # Of each class the first rows in that order are the test part, the next ones the validation part.
    shares_by_class = np.column_stack([test, held - test, counts - held]).ravel()
    part_by_class = np.repeat(np.tile(np.array([2, 1, 0], dtype=np.int8), len(counts)), shares_by_class)
    part = np.empty_like(part_by_class)
    part[np.argsort(labels[order], kind="stable") if len(counts) > 1 else slice(None)] = part_by_class
    train, validation, tested = (order[part == p] for p in range(3))
    return train, validation, tested


def check_split(split: Split, features: int, targets: int, name: str) -> Split:
    """The split as a network with `features` inputs and `targets` outputs takes it, or a DataError.

    Labels (y of shape (S,)) have to be whole numbers from 0 to targets − 1; targets (S, T) finite, with
    T = targets. The result has the dtypes and the layout that :class:`Split` promises. Errors begin
    with `name` and count rows from 0.

    >>> check_split(Split(np.ones((2, 3)), np.array([0, 4])), features=3, targets=4, name="train")
    Traceback (most recent call last):
    symnn.errors.DataError: train: y, row 1 (from 0): found label 4, expected a whole number from 0 to 3
    (regression takes y of shape (rows, 4))
    """
    x, y = real(f"{name}: x", split.x), real(f"{name}: y", split.y)
    if x.ndim != 2 or x.shape[1] != features:
        raise DataError(f"{name}: x has shape {x.shape}, expected (rows, {features})")
    if y.ndim not in (1, 2) or (y.ndim == 2 and y.shape[1] != targets):
        raise DataError(f"{name}: y has shape {y.shape}, expected (rows,) for labels or (rows, {targets}) for targets")
    if len(x) != len(y):
        raise DataError(f"{name}: x has {len(x)} rows and y has {len(y)}, expected as many")
    if len(x) == 0:
        raise DataError(f"{name}: x has no rows, expected at least one")
    for letter, values in (("x", x), ("y", y)):
        if bad := first(~np.isfinite(values)):
            column = "".join(f", column {j}" for j in bad[1:])
            raise DataError(
                f"{name}: {letter}, row {bad[0]} (from 0){column}: found {values[bad]}, expected a finite number"
            )
    lengths = None if split.lengths is None else checked_lengths(f"{name}: lengths", split.lengths, len(x))
    weights = _checked_weights(split.weights, None, len(x))
    return Split(x, y if y.ndim == 2 else _checked_labels(y, targets, name), weights, lengths)


def minibatches(count: int, batch_size: int, generator: np.random.Generator) -> Iterator[Integers]:
    """The rows 0 … count − 1 in a fresh random order, cut in batches; the last may be smaller.

    Raises DataError for a batch size below 1.

    >>> generator = np.random.Generator(np.random.PCG64(0))
    >>> [len(rows) for rows in minibatches(10, 4, generator)]
    [4, 4, 2]
    """
    if batch_size < 1:
        raise DataError(f"batch_size: found {batch_size}, expected at least 1")
    order = generator.permutation(count)
    return (order[start : start + batch_size] for start in range(0, count, batch_size))


def _checked_labels(y: Floats, targets: int, name: str) -> Integers:
    if bad := first((y != np.rint(y)) | (y < 0) | (y >= targets)):
        raise DataError(
            f"{name}: y, row {bad[0]} (from 0): found label {y[bad]:g}, "
            f"expected a whole number from 0 to {targets - 1} (regression takes y of shape (rows, {targets}))"
        )
    return y.astype(np.int64)


def _check_fractions(validation_fraction: float, test_fraction: float) -> None:
    fractions = {"validation_fraction": validation_fraction, "test_fraction": test_fraction}
    for name, fraction in fractions.items():
        if not isinstance(fraction, int | float | np.floating) or not 0 <= fraction < 1:
            raise DataError(f"{name}: found {quote(fraction)}, expected a number of at least 0 and below 1")
    if validation_fraction + test_fraction >= 1:
        raise DataError(
            f"validation_fraction + test_fraction: found {validation_fraction:g} + {test_fraction:g}, "
            "expected a sum below 1, so that rows are left to train on"
        )


def _steps(totals: NDArray[np.floating[Any]]) -> Integers:
    """Whole numbers whose running totals are the given ones, rounded."""
    rounded: Integers = np.rint(totals).astype(np.int64)
    rounded[1:] -= rounded[:-1].copy()
    return rounded


def _dataset(
    name: str,
    source: str,
    x: Floats,
    y: Integers | Floats,
    *,
    feature_names: tuple[str, ...],
    classes: tuple[str, ...] | None,
    parts: _Parts,
    columns: Features | None = None,
    dropped: int = 0,
    target_names: tuple[str, ...] = (),
    weights: Floats | None = None,
    lengths: Integers | None = None,
    inputs: tuple[tuple[str, int], ...] = (),
    standardised: NDArray[np.bool_] | None = None,
) -> Dataset:
    labels = np.zeros(len(y), dtype=np.int64) if classes is None else y.astype(np.int64, copy=False)
    rows = split_rows(
        labels if lengths is None else labels[firsts(lengths)],
        parts.seed,
        parts.validation_fraction,
        parts.test_fraction,
    )
    steps = [None if lengths is None else lengths[part] for part in rows]
    if lengths is not None:
        train, validation, test = (rows_of(part, lengths) for part in rows)
        rows = train, validation, test
    if columns is not None and columns.fills:
        x = _filled(x, rows[0], source, feature_names)
    features = [np.ascontiguousarray(x[part]) for part in rows]
    by_part = [None if weights is None else weights[part] for part in rows]
    scaling = Scaling.of(features[0], by_part[0]).only(standardised)
    for part in features:
        scaling.standardise(part, out=part)
    # Values near 1e308 or 1e-308 overflow here, though each is finite; so does a test row that lies
    # hundreds of orders of magnitude outside the training part. A deviation overflows from 1e154 on.
    overflows = ~scaling.is_representable | ~np.all([np.isfinite(part).all(axis=0) for part in features], axis=0)
    if bad := first(overflows):
        (j,) = bad
        low, high = x[:, j].min(), x[:, j].max()
        raise DataError(
            f"{source}: column {quote(feature_names[j])}: found values from {low:g} to {high:g}, "
            "expected ones that can be standardised in float64"
        )
    targets = [_rows_of(y, part) for part in rows]
    trained, validated, tested = map(Split, features, targets, by_part, steps)
    return Dataset(
        name,
        trained,
        validated,
        tested,
        feature_names,
        classes,
        scaling.mean,
        scaling.scale,
        target_scaling=None
        if classes is not None
        else Scaling.of(*_once(targets[0].astype(np.float64, copy=False), by_part[0], steps[0])),
        columns=columns,
        dropped=dropped,
        target_names=target_names,
        inputs=inputs,
    )


def _once(y: Floats, weights: Floats | None, lengths: Integers | None) -> tuple[Floats, Floats | None]:
    """Targets and weights of each sequence where all of its steps have the same; else as they are."""
    if lengths is None or (y != np.repeat(y[firsts(lengths)], lengths, axis=0)).any():
        return y, weights
    return y[firsts(lengths)], None if weights is None else weights[firsts(lengths)]


def _rows_of(y: NDArray[Any], rows: Integers) -> NDArray[Any]:
    return np.ascontiguousarray(y[rows])


def _filled(x: Floats, train: Integers, source: str, names: Sequence[str]) -> Floats:
    """Every nan replaced by the mean of its column over the training part, which standardisation then takes to 0."""
    missing = np.isnan(x)
    present = ~missing[train]
    counts = present.sum(axis=0)
    if bad := first(counts == 0):
        raise DataError(
            f"{source}: column {quote(names[bad[0]])}: found no cell in the training part that is not missing, "
            "expected some to take the mean of (ignore: leaves the column out)"
        )
    with np.errstate(over="ignore"):  # reported where values are standardised
        means = np.where(present, x[train], 0.0).sum(axis=0) / counts
    return np.where(missing, means, x)
