"""Data sets: read, checked, split into three parts and standardised before a network sees them.

Files are untrusted: nothing is unpickled or evaluated, and whatever is wrong with one ends as a
:class:`~symnn.errors.DataError` of one line that names the file, the row and the column.
"""

import csv
import io
import os
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from symnn.errors import DataError
from symnn.files import file_path
from symnn.scaling import Scaling
from symnn.suggest import quote, suggest

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Task = Literal["auto", "classification", "regression"]

# Eighteen digits fit int64, and int() refuses to parse thousands of them.
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")

# `task="auto"` takes a column for labels when it has at most this many distinct values.
_MOST_CLASSES = 20


# eq=False: comparing arrays gives an array, so the generated == would raise.
@dataclass(frozen=True, eq=False)
class Split:
    """One part of a data set.

    x: float64 (S, D), C-contiguous. y: int64 labels (S,), or float64 targets (S, T).
    """

    x: Floats
    y: Integers | Floats


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set in three parts whose features are standardised: (raw − mean) / scale.

    mean, scale: float64 (D,), taken from the training part only, so that nothing of the validation and
    test parts leaks into training. classes: the label names in the order of their numbers, or None for
    regression. Its targets stand here as they are; ``target_scaling``, of the training part too, is what
    training standardises them by where the loss allows it, None where it shall not.
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

    @classmethod
    def from_arrays(
        cls,
        x: object,
        y: object,
        *,
        task: Task = "auto",
        classes: Sequence[str] | None = None,
        feature_names: Sequence[str] | None = None,
        name: str = "arrays",
        seed: int = 0,
        validation_fraction: float = 0.15,
        test_fraction: float = 0.2,
    ) -> "Dataset":
        """The data set of raw features (S, D), or (S,) for one, and labels (S,) or targets (S,) or (S, T).

        Both are what NumPy makes an array of. feature_names: those of the columns of a data frame, or ``x[0]``,
        ``x[1]``, …, unless given. task, classes and the fractions are as :func:`load_file` takes them.

        Raises DataError naming the array, the row and the column.

        >>> x = np.linspace(-1, 1, 40).reshape(20, 2)
        >>> flowers = Dataset.from_arrays(x, ["rose", "daisy"] * 10)
        >>> flowers.classes, len(flowers.train.x), len(flowers.validation.x), len(flowers.test.x)
        (('daisy', 'rose'), 13, 3, 4)
        >>> Dataset.from_arrays(x, x.sum(axis=1)).train.y.shape
        (13, 1)
        """
        table = _array_table(name, x, y, feature_names)
        return _from_table(table, name, task, classes, seed, validation_fraction, test_fraction)

    @property
    def features(self) -> int:
        """D, the number of inputs of a network for this data."""
        return len(self.feature_names)

    @property
    def targets(self) -> int:
        """The number of outputs of a network for this data: the number of classes, or T."""
        return int(self.train.y.shape[1]) if self.classes is None else len(self.classes)


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
    try:
        from sklearn import datasets
    except ImportError:
        raise DataError(
            "the digits come with scikit-learn, which is not installed: pip install 'symnn[sklearn]'"
        ) from None
    raw = datasets.load_digits()
    return _dataset(
        "digits",
        "digits",
        np.asarray(raw.data, dtype=np.float64),
        np.asarray(raw.target, dtype=np.int64),
        feature_names=tuple(raw.feature_names),
        classes=tuple(map(str, raw.target_names)),
        seed=seed,
        validation_fraction=validation_fraction,
        test_fraction=test_fraction,
    )


BUILTIN: dict[str, Callable[..., Dataset]] = {"digits": load_digits}


def load_file(
    path: str | os.PathLike[str],
    target: str | Sequence[str],
    *,
    task: Task = "auto",
    classes: Sequence[str] | None = None,
    seed: int = 0,
    validation_fraction: float = 0.15,
    test_fraction: float = 0.2,
) -> Dataset:
    """The data set in a `.csv` file with a header, or in the arrays of an `.npz` file.

    target: the column (or array) to predict, or several for regression; all others are features. In an
    `.npz` a 1-D array is one column, a 2-D array several.
    task: "auto" means classification when the target is text or integers with at most 20 distinct
    values that are fewer than half the rows, and regression otherwise.
    classes: the classes in order, say of a trained network; any other label is then an error. Without
    it they are the labels found, sorted (integers by value).

    Raises DataError for anything that is wrong with the file, naming file, row and column. Rows of a
    `.csv` are counted as an editor does, the header being line 1; rows of arrays from 0.

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
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise DataError(f"{path}: found the ending {path.suffix!r}, expected one of {', '.join(_READERS)}")
    _check_task(task, classes)
    targets = _column_names("target", target)
    table = read(str(path), _bytes(path), targets)
    return _from_table(table, path.stem, task, classes, seed, validation_fraction, test_fraction)


def _column_names(option: str, given: object) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, Iterable) else (given,)
    if not all(isinstance(name, str) for name in names):
        raise DataError(f"{option}: found {quote(given)}, expected the name of a column, or several")
    return names


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
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise DataError(f"seed: found {seed!r}, expected an integer of at least 0")
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
    by_class = order[np.argsort(labels[order], kind="stable")]
    rank = np.empty(len(labels), dtype=np.int64)  # of each row within its class
    rank[by_class] = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    part = (rank < held[labels]).astype(np.int64) + (rank < test[labels])
    train, validation, tested = (order[part[order] == p] for p in range(3))
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
    x, y = _real(f"{name}: x", split.x), _real(f"{name}: y", split.y)
    if x.ndim != 2 or x.shape[1] != features:
        raise DataError(f"{name}: x has shape {x.shape}, expected (rows, {features})")
    if y.ndim not in (1, 2) or (y.ndim == 2 and y.shape[1] != targets):
        raise DataError(f"{name}: y has shape {y.shape}, expected (rows,) for labels or (rows, {targets}) for targets")
    if len(x) != len(y):
        raise DataError(f"{name}: x has {len(x)} rows and y has {len(y)}, expected as many")
    if len(x) == 0:
        raise DataError(f"{name}: x has no rows, expected at least one")
    for letter, values in (("x", x), ("y", y)):
        if bad := _first(~np.isfinite(values)):
            column = "".join(f", column {j}" for j in bad[1:])
            raise DataError(
                f"{name}: {letter}, row {bad[0]} (from 0){column}: found {values[bad]}, expected a finite number"
            )
    return Split(x, y if y.ndim == 2 else _checked_labels(y, targets, name))


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


@dataclass(frozen=True, eq=False)
class _Table:
    """A file's contents, before anything is known about the task.

    x: (S, D). target: text as written, one a row, or numbers (S, T). rows: where each row stands in the
    file, counted in `unit`.
    """

    source: str
    unit: str
    rows: Sequence[int]
    x: Floats
    feature_names: tuple[str, ...]
    target: list[str] | Floats
    target_names: tuple[str, ...]

    def where(self, row: int, column: str) -> str:
        return f"{self.source}: {self.unit} {self.rows[row]}, column {quote(column)}"


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read: {reason}") from None


def _read_csv(source: str, data: bytes, targets: tuple[str, ...]) -> _Table:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{source}: line {line}: found {error.reason}, expected UTF-8 text") from None
    rows = _csv_rows(source, text)
    names = _csv_header(source, next(rows, (1, []))[1])
    _check_columns(f"{source}: line 1", names, targets)
    features = [j for j, name in enumerate(names) if name not in targets]
    # A single target may turn out to be labels, so it stays text; several can only be numbers.
    numeric = features if len(targets) == 1 else features + [names.index(name) for name in targets]
    numeric_names = [names[j] for j in numeric]
    single = names.index(targets[0])
    numbers, labels, lines = array("d"), [], []
    for line, row in rows:
        if not row:
            continue  # a blank line
        if len(row) != len(names):
            raise DataError(f"{source}: line {line} has {len(row)} cells, expected {len(names)} as in line 1")
        numbers.extend(_numbers([row[j] for j in numeric], partial(_csv_cell, source, line, numeric_names)))
        labels.append(row[single].strip())
        lines.append(line)
    if not lines:
        raise DataError(f"{source}: found a header but no rows, expected rows of data below it")
    values = np.array(numbers).reshape(len(lines), len(numeric))
    return _Table(
        source,
        "line",
        lines,
        values[:, : len(features)],
        tuple(names[j] for j in features),
        labels if len(targets) == 1 else np.ascontiguousarray(values[:, len(features) :]),
        targets,
    )


def _csv_rows(source: str, text: str) -> Iterator[tuple[int, list[str]]]:
    """Every row with its first line: a quoted cell may span several."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise DataError(f"{source}: line {line}: not valid CSV: {error}") from None
        if row is None:
            return
        yield line, row
        line = reader.line_num + 1


def _csv_header(source: str, header: list[str]) -> tuple[str, ...]:
    names = tuple(name.strip() for name in header)
    if not names:
        raise DataError(f"{source}: line 1 is empty, expected a header with the names of the columns")
    if "" in names:
        raise DataError(
            f"{source}: line 1, column {names.index('') + 1} has no name, expected one "
            "(if it is an index that pandas wrote: to_csv(..., index=False))"
        )
    return names


def _csv_cell(source: str, line: int, names: Sequence[str], j: int) -> str:
    return f"{source}: line {line}, column {quote(names[j])}"


def _read_npz(source: str, data: bytes, targets: tuple[str, ...]) -> _Table:
    arrays = _npz_arrays(source, data)
    _check_columns(source, tuple(name for name, _ in arrays), targets)
    by_name = dict(arrays)
    for name, values in arrays:
        if values.ndim not in (1, 2):
            raise DataError(
                f"{source}: array {quote(name)} has shape {values.shape}, expected (rows,) or (rows, columns)"
            )
    rows = len(by_name[targets[0]])
    for name, values in arrays:
        if len(values) != rows:
            raise DataError(
                f"{source}: array {quote(name)} has {len(values)} rows, "
                f"expected {rows} as in the target {quote(targets[0])}"
            )
    if rows == 0:
        raise DataError(f"{source}: the arrays have no rows, expected at least one")
    features = [_columns(source, name, values) for name, values in arrays if name not in targets]
    target, target_names = _npz_target(source, [(name, by_name[name]) for name in targets])
    x = np.hstack([values for _, values in features])
    return _Table(
        source,
        "row (from 0)",
        range(rows),
        x,
        tuple(name for names, _ in features for name in names),
        target,
        target_names,
    )


def _npz_arrays(source: str, data: bytes) -> list[tuple[str, NDArray[Any]]]:
    """Every array of the archive, in its order."""
    member = None
    try:
        archive = np.load(io.BytesIO(data), allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise DataError(f"{source}: found a single array (.npy), expected an archive of named arrays (.npz)")
        arrays = []
        with archive:
            for member in archive.files:
                arrays.append((member, archive[member]))
    except DataError:
        raise
    except Exception as error:
        # Damaged bytes surface as BadZipFile, zlib.error, EOFError, struct.error, ValueError, RuntimeError,
        # NotImplementedError, OverflowError, MemoryError, SyntaxError, … from three libraries.
        if "Object arrays" in str(error):
            reason = "it holds Python objects, which are never unpickled; expected numbers or text"
        else:
            reason = f"damaged, or not an .npz file ({type(error).__name__})"
        raise DataError(f"{source}: {f'array {quote(member)}: ' if member else ''}{reason}") from None
    for name, values in arrays:
        if not isinstance(values, np.ndarray):
            raise DataError(f"{source}: member {quote(name)} is not an array, expected .npy members only")
    return arrays


def _npz_target(source: str, targets: list[tuple[str, NDArray[Any]]]) -> tuple[list[str] | Floats, tuple[str, ...]]:
    name, values = targets[0]
    if len(targets) == 1 and values.dtype.kind in "biuU" and values.size == len(values):
        values = values.astype(np.int64) if values.dtype.kind == "b" else values
        return [str(value).strip() for value in values.ravel().tolist()], (name,)
    columns = [_columns(source, name, values) for name, values in targets]
    return np.hstack([values for _, values in columns]), tuple(name for names, _ in columns for name in names)


def _columns(source: str, name: str, values: NDArray[Any]) -> tuple[tuple[str, ...], Floats]:
    """The columns that an array stands for: their names, and float64 (S, number of names)."""
    numbers = _real(f"{source}: array {quote(name)}", values)
    if numbers.ndim == 1:
        return (name,), numbers[:, None]
    if numbers.shape[1] == 0:
        raise DataError(f"{source}: array {quote(name)} has shape {numbers.shape}, expected at least one column")
    return tuple(f"{name}[{j}]" for j in range(numbers.shape[1])), numbers


def _array_table(source: str, x: object, y: object, feature_names: Sequence[str] | None) -> _Table:
    """The arrays of :meth:`Dataset.from_arrays`, as if they had been read from a file."""
    given = getattr(x, "columns", None) if feature_names is None else feature_names  # those of a data frame
    names, features = _columns(source, "x", _array(source, "x", x))
    if given is not None:
        names, expected = tuple(map(str, given)), len(names)
        if len(names) != expected or len(set(names)) != expected:
            raise DataError(
                f"{source}: feature_names: found {_listed(names)}, expected {expected} different names, "
                "one for each column of x"
            )
    values = _array(source, "y", y)
    if len(values) != len(features):
        raise DataError(f"{source}: x has {len(features)} rows and y has {len(values)}, expected as many")
    if len(values) == 0:
        raise DataError(f"{source}: the arrays have no rows, expected at least one")
    target, target_names = _npz_target(source, [("y", values)])
    return _Table(source, "row (from 0)", range(len(values)), features, names, target, target_names)


def _array(source: str, name: str, given: object) -> NDArray[Any]:
    """What NumPy makes of an argument, with rows; texts that are objects become texts."""
    try:
        values = np.asarray(given)
    except ValueError:  # nested lists of different lengths
        raise DataError(f"{source}: array {quote(name)}: not a rectangular array") from None
    if values.dtype.kind == "O" and all(isinstance(value, str) for value in values.ravel()):
        values = values.astype(str)
    if values.ndim not in (1, 2):
        raise DataError(f"{source}: array {quote(name)} has shape {values.shape}, expected (rows,) or (rows, columns)")
    return values


_READERS: dict[str, Callable[[str, bytes, tuple[str, ...]], _Table]] = {
    ".csv": _read_csv,
    ".npz": _read_npz,
}


def _check_columns(where: str, names: tuple[str, ...], targets: tuple[str, ...]) -> None:
    """Names are unique, every target is one of them, and some are left as features."""
    for sort, group in (("column", names), ("target", targets)):
        for name, count in Counter(group).items():
            if count > 1:
                raise DataError(f"{where}: found {sort} {quote(name)} {count} times, expected it once")
    if not targets:
        raise DataError(f"{where}: no target is given, expected one of the columns {_listed(names)}")
    for target in targets:
        if target not in names:
            raise DataError(
                f"{where}: found no column {quote(target)}, expected one of {_listed(names)}"
                f"{suggest(str(target), names)}"
            )
    if len(names) == len(targets):
        raise DataError(f"{where}: found only the target, expected at least one feature column beside it")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(quote, names[:12]))
    return shown if len(names) <= 12 else f"{shown}, … ({len(names)} in all)"


def _number(cell: str) -> float:
    if "_" in cell:  # float() reads 1_5 as Python does: 15
        raise ValueError(cell)
    return float(cell)


def _is_number(cell: str) -> bool:
    try:
        _number(cell)
    except ValueError:
        return False
    return True


def _numbers(cells: Sequence[str], where: Callable[[int], str], hint: str = "") -> list[float]:
    try:
        return [_number(cell) for cell in cells]
    except ValueError:
        bad = next(i for i, cell in enumerate(cells) if not _is_number(cell))
        found = quote(cells[bad]) if cells[bad].strip() else "an empty cell"
        raise DataError(f"{where(bad)}: found {found}, expected a number{hint}") from None


def _real(where: str, values: Any) -> Floats:
    """The array as C-contiguous float64, if it holds real numbers."""
    try:
        values = np.asarray(values)
    except ValueError:  # nested lists of different lengths
        raise DataError(f"{where}: not a rectangular array of numbers") from None
    if values.dtype.kind not in "biuf":
        raise DataError(f"{where} has dtype {values.dtype}, expected real numbers")
    with np.errstate(over="ignore"):  # a longdouble beyond float64 becomes inf, and is reported as that
        return np.ascontiguousarray(values, dtype=np.float64)


def _first(mask: NDArray[np.bool_]) -> tuple[int, ...] | None:
    """The index of the first true entry."""
    if not mask.any():
        return None
    return tuple(int(i) for i in np.unravel_index(mask.argmax(), mask.shape))


def _check_finite(table: _Table, values: Floats, names: Sequence[str]) -> None:
    if bad := _first(~np.isfinite(values)):
        row, j = bad
        raise DataError(f"{table.where(row, names[j])}: found {values[bad]}, expected a finite number")


def _from_table(
    table: _Table,
    name: str,
    task: Task,
    classes: Sequence[str] | None,
    seed: int,
    validation_fraction: float,
    test_fraction: float,
) -> Dataset:
    _check_task(task, classes)
    _check_finite(table, table.x, table.feature_names)
    y: Integers | Floats
    if classes is not None or task == "classification" or (task == "auto" and _looks_like_labels(table)):
        y, found = _labels(table, classes)
    else:
        y, found = _values(table), None
    return _dataset(
        name,
        table.source,
        table.x,
        y,
        feature_names=table.feature_names,
        classes=found,
        seed=seed,
        validation_fraction=validation_fraction,
        test_fraction=test_fraction,
    )


def _check_task(task: str, classes: Sequence[str] | None) -> None:
    if task not in ("auto", "classification", "regression"):
        raise DataError(f"task: found {quote(task)}, expected 'auto', 'classification' or 'regression'")
    if classes is not None and task == "regression":
        raise DataError("classes: found a list of classes, expected none for task='regression'")


def _looks_like_labels(table: _Table) -> bool:
    if not isinstance(table.target, list):
        return False
    distinct = set(table.target)
    few = len(distinct) <= _MOST_CLASSES and 2 * len(distinct) < len(table.target)
    # Text with numbers among it is more likely a column of numbers with a slip in it than labels:
    # taken for regression, the slip is reported by its row.
    return few and (_all_integers(distinct) or not any(map(_is_number, distinct)))


def _all_integers(cells: Iterable[str]) -> bool:
    return all(_INTEGER.fullmatch(cell) for cell in cells)


def _values(table: _Table) -> Floats:
    """Regression targets, float64 (S, T)."""
    values = table.target
    if isinstance(values, list):
        hint = "; if these are labels, say task='classification'"
        cells = _numbers(values, lambda row: table.where(row, table.target_names[0]), hint)
        values = np.array(cells)[:, None]
    _check_finite(table, values, table.target_names)
    return values


def _labels(table: _Table, classes: Sequence[str] | None) -> tuple[Integers, tuple[str, ...]]:
    """Class numbers, int64 (S,), and the classes they count through."""
    cells = _label_cells(table)
    # Labels 1, +1 and 01 are one integer, but "01" is itself among labels such as "01" and "3a".
    if _all_integers(set(cells) if classes is None else [str(name) for name in classes]):
        cells = [str(int(cell)) if _INTEGER.fullmatch(cell) else cell for cell in cells]
    if classes is None:
        distinct = set(cells)
        known = tuple(sorted(distinct, key=int) if _all_integers(distinct) else sorted(distinct))
    else:
        known = tuple(map(str, classes))
    if len(set(known)) != len(known) or len(known) < 2:
        raise DataError(
            f"{table.source}: column {quote(table.target_names[0])}: found the classes {_listed(known)}, "
            "expected at least two different ones"
        )
    numbers = {name: number for number, name in enumerate(known)}
    for row, cell in enumerate(cells):
        if cell not in numbers:
            raise DataError(
                f"{table.where(row, table.target_names[0])}: found label {quote(cell)}, "
                f"expected one of {_listed(known)}"
            )
    return np.array([numbers[cell] for cell in cells], dtype=np.int64), known


def _label_cells(table: _Table) -> list[str]:
    """The target as the text of one label a row."""
    if len(table.target_names) > 1:
        raise DataError(
            f"{table.source}: found {len(table.target_names)} target columns, "
            f"expected one column of labels for classification"
        )
    name, cells = table.target_names[0], table.target
    if not isinstance(cells, list):
        _check_finite(table, cells, table.target_names)
        values = cells[:, 0]
        if bad := _first(values != np.rint(values)):
            raise DataError(f"{table.where(bad[0], name)}: found {values[bad]}, expected a whole number as label")
        return [str(int(value)) for value in values.tolist()]
    if "" in cells:
        raise DataError(f"{table.where(cells.index(''), name)}: found an empty cell, expected a label")
    return cells


def _checked_labels(y: Floats, targets: int, name: str) -> Integers:
    if bad := _first((y != np.rint(y)) | (y < 0) | (y >= targets)):
        raise DataError(
            f"{name}: y, row {bad[0]} (from 0): found label {y[bad]:g}, "
            f"expected a whole number from 0 to {targets - 1} (regression takes y of shape (rows, {targets}))"
        )
    return y.astype(np.int64)


def _check_fractions(validation_fraction: float, test_fraction: float) -> None:
    fractions = {"validation_fraction": validation_fraction, "test_fraction": test_fraction}
    for name, fraction in fractions.items():
        if not isinstance(fraction, int | float | np.floating) or not 0 <= fraction < 1:
            raise DataError(f"{name}: found {fraction!r}, expected a number of at least 0 and below 1")
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
    seed: int,
    validation_fraction: float,
    test_fraction: float,
) -> Dataset:
    labels = np.zeros(len(y), dtype=np.int64) if classes is None else y.astype(np.int64)
    parts = split_rows(labels, seed, validation_fraction, test_fraction)
    scaling = Scaling.of(x[parts[0]])
    standardised = scaling.standardise(x)
    # Values near 1e308 or 1e-308 overflow here, though each is finite; so does a test row that lies
    # hundreds of orders of magnitude outside the training part.
    if bad := _first(~np.isfinite(standardised)):
        j = bad[1]
        low, high = x[:, j].min(), x[:, j].max()
        raise DataError(
            f"{source}: column {quote(feature_names[j])}: found values from {low:g} to {high:g}, "
            "expected ones that can be standardised in float64"
        )
    train, validation, test = (Split(np.ascontiguousarray(standardised[rows]), y[rows]) for rows in parts)
    targets = None if classes is not None else Scaling.of(y[parts[0]].astype(np.float64))
    return Dataset(name, train, validation, test, feature_names, classes, scaling.mean, scaling.scale, targets)
