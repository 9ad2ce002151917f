"""Checkpoints: a network, its parameters, and how its inputs are read and standardised, in one safetensors file.

Files are untrusted: nothing is unpickled or evaluated, every tensor is checked, and the network has to give the
outputs that were stored with it. Whatever is wrong with a file ends as a :class:`~symnn.errors.CheckpointError` of
one line that names the file and the tensor.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import DTypeLike
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_bytes

from codegen import CodegenError
from codegen.cached import cached_property
from codegen.dtypes import Dtype, dtype_name
from codegen.errors import EmitError
from codegen.numeric.evaluate import evaluate
from codegen.passes.stabilise import stabilise
from symnn.arrays import Floats, Integers, read_vector
from symnn.data import Dataset
from symnn.errors import CheckpointError, DataError, SpecError, SymnnError
from symnn.evaluation import ClassEvaluation, Evaluation, NumberEvaluation, probabilities
from symnn.files import file_path, replacing, require_regular, write_synced
from symnn.given import called
from symnn.graph_text import is_quick, plain_graph, read_graph
from symnn.network import Network
from symnn.parametrised import GivenGraph, Model, Parametrised, columns
from symnn.portable import spec_of
from symnn.rows import Samples, as_rows, check_integers, checked_rows, in_rows
from symnn.safetensors_header import CODES, canonical
from symnn.scaling import Scaling
from symnn.shown import shows
from symnn.spec import MAX_BYTES
from symnn.suggest import listing, quote
from symnn.tables import Column, Features, Table, from_arrays, from_frame, is_frame, number_columns, read_table
from symnn.tables.table import find_columns, first
from symnn.tables.targets import labels_of
from symnn.tables.text import Layout

FORMAT = "symnn 1"

TOLERANCE: Mapping[str, float] = {"float64": 1e-12, "float32": 5e-4}
"""By how much the stored outputs may be missed: |found − stored| / max(1, |found|, |stored|)."""

_CHECKED_ROWS = 4
_CHECKED_STEPS = 3
"""Of each of these, where each call decides how many."""
_MAX_FEATURE_BYTES = 32_000_000  # a million names are allowed
_X, _OUTPUT = "check.x", "check.output"
_INPUTS = ("standardisation.mean", "standardisation.scale")
_TARGETS = ("standardisation.target_mean", "standardisation.target_scale")


# eq=False: comparing arrays gives an array, so the generated == would raise.
@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A trained network. theta: its flat parameters, in the dtype in which it computes.

    mean, scale: float64 (inputs,), those of the training data; None for inputs that are taken as they are.
    classes: the names of the labels in the order of their numbers, or None. target_scaling: float64 (outputs,), by
    which the targets it was trained on were standardised; None for outputs that are taken as they are. features: the
    columns that the inputs are read from, or None for inputs that have no names. target_names: the columns of the
    targets, where they are known.

    >>> from symnn.network import Network, dense
    >>> line = Checkpoint(Network(1, (dense(1),), "mean_squared_error"), np.array([2.0, 1.0]))
    >>> line.predict([[3.0]])
    array([[7.]])
    """

    network: Parametrised
    theta: np.ndarray
    mean: Floats | None = None
    scale: Floats | None = None
    classes: tuple[str, ...] | None = None
    target_scaling: Scaling | None = None
    features: Features | None = None
    target_names: tuple[str, ...] = ()

    @classmethod
    def of(cls, network: Parametrised, theta: np.ndarray, dataset: Dataset) -> Checkpoint:
        """The network as it was trained on a data set."""
        targets = target_scaling(network, dataset)
        dataset = network.arranged(dataset)
        scaled = Scaling(dataset.mean, dataset.scale).only(~network.whole)
        mean, scale = (None, None) if network.whole.all() else (scaled.mean, scaled.scale)
        return cls(network, theta, mean, scale, dataset.classes, targets, dataset.columns, dataset.target_names)

    def __repr__(self) -> str:
        kind = "" if self.classes is None else f", {len(self.classes)} classes"
        return f"<{type(self).__name__}: {repr(self.network)[1:-1]}, {self.theta.dtype}{kind}>"

    _repr_html_ = shows("checkpoint_html")

    @property
    def scaling(self) -> Scaling | None:
        """``mean`` and ``scale``."""
        return Scaling(self.mean, self.scale) if self.mean is not None and self.scale is not None else None

    @property
    def layered(self) -> Network:
        """The network of layers. Raises :class:`DataError` for a graph."""
        if not isinstance(self.network, Network):
            raise DataError("found a graph, expected a network of layers")
        return self.network

    @cached_property
    def model(self) -> Model:
        """The compiled functions of the network; what they take is standardised already."""
        return self.network.compile(cast(Dtype, self.theta.dtype.name))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as :func:`save` does, with all that predicting needs: :func:`load` gives the same again.

        >>> from tempfile import TemporaryDirectory
        >>> from symnn.network import dense
        >>> line = Checkpoint(Network(1, (dense(1),), "mean_squared_error"), np.array([2.0, 1.0]))
        >>> with TemporaryDirectory() as folder:
        ...     line.save(f"{folder}/line.safetensors")
        ...     load(f"{folder}/line.safetensors").theta
        array([2., 1.])
        """
        path = file_path(path, CheckpointError)
        _write(path, _written(self.network, path), self)

    def read(self, table: Any) -> Floats:
        """The raw inputs (S, inputs) in a frame, a mapping from names to columns, a :class:`Table` or a data file.

        Columns are found by their names, in whatever order they are; others may be there. Of a network that was trained
        on an array they are taken in their order, with a warning, if they are as many and called otherwise. Raises
        :class:`DataError` naming a column that is lacking, or the row and column of a cell that cannot be read.

        >>> from symnn.network import dense
        >>> features = Features((Column("width"), Column("colour", ("blue", "red"))))
        >>> network = Network(3, (dense(1),), "mean_squared_error")
        >>> Checkpoint(network, np.zeros(4), features=features).read({"colour": ["red"], "width": [2.5]})
        array([[2.5, 0. , 1. ]])
        """
        return self._encoded(self._table(table))

    def _encoded(self, table: Table, targets: tuple[str, ...] = ()) -> Floats:
        if self.features is None:
            raise DataError("x: found columns with names, expected an array: this checkpoint knows no names")
        features = self.features.by_place(table, (*targets, *self.target_names))
        return features.encode(table, " (a network trained with missing: mean fills such cells)")

    @property
    def sequences(self) -> str | None:
        """The column, or array, that says of which sequence a row is a step, where rows are steps."""
        return None if self.features is None else self.features.sequences

    def layout(self, separator: str | None = None, decimal: str | None = None) -> Layout:
        """How a file is read as the one that it was trained on."""
        return Layout(separator, decimal or ".", self.sequences, self.target_names)

    def _table(self, given: Any, targets: tuple[str, ...] = ()) -> Table:
        """The table that a file or a frame is, its rows steps of sequences where the network was trained on some."""
        sequences = self.sequences
        if isinstance(given, str | os.PathLike):
            return read_table(given, targets, self.layout())
        table = given if isinstance(given, Table) else from_frame(given, targets)
        return table if sequences is None or table.lengths is not None else table.in_sequences(sequences)

    def predict(self, x: Any) -> Any:
        """The outputs (S, outputs) for raw inputs (S, inputs), in the units of the targets it was trained on.

        Of a classifier they are scores; the name of the likeliest class of row s is
        ``model.classes[model.predict_proba(x)[s].argmax()]``.

        x: an array, several of them by name, or whatever :meth:`read` takes. Sequences whose lengths each call decides
        are a list of arrays (T, features), or an array (S, T, features) where all are of one length; outputs for each
        step come as x does, of a table as a list. Raises :class:`DataError` for an array of
        another shape, or one that does not hold real numbers, and for sequences with numbers that are not finite.
        """
        return self._outputs(self.samples(x))

    def _outputs(self, samples: Samples) -> Any:
        found = [cast(np.ndarray, self.model.predict(self.theta, *part.arrays)) for part in samples.parts]
        return samples.together([self._restored(outputs) for outputs in found])

    def predict_proba(self, x: Any) -> Floats:
        """The probability of each class (S, classes), or of a yes for each of several questions (S, outputs).

        x: as for :meth:`predict`. Raises :class:`DataError` for a network whose outputs are numbers.
        """
        if self.network.reading == "values":
            raise DataError("predict_proba: found a network whose outputs are numbers, expected one of classes")
        return probabilities(self.predict(x), self.network.reading)

    def evaluate(self, x: Any, y: Any = None, *, targets: tuple[str, ...] = ()) -> Evaluation:
        """How good the predictions for x are, given the classes, by name or number (S,), or the numbers (S, T), y.

        x: as for :meth:`predict`. Without y the targets are columns of x, those of training unless ``targets`` says
        which. Raises :class:`DataError` as :meth:`predict` does, for targets that cannot be read, and for classes that
        the network does not know.

        >>> from symnn.network import dense
        >>> trained = Checkpoint(Network(1, (dense(2),), "softmax_cross_entropy"), np.array([0.0, 1.0, 0.0, 0.0]))
        >>> trained.evaluate(np.array([[-1.0], [2.0], [3.0]]), [0, 1, 0]).confusion
        array([[1, 1],
               [0, 1]])
        """
        if y is not None:
            outputs = in_rows(self.network, self.predict(x))
            given = from_arrays("evaluate", {"y": in_rows(self.network, y)}, ("y",))
            return self.compared(outputs, given, given.groups["y"])
        names = targets or self.target_names
        if not names or not (is_frame(x) or isinstance(x, Table | str | os.PathLike)):
            reason = "an array" if names else "a network that does not know the names of its targets"
            raise DataError(f"evaluate: found no y, and {reason}; expected y, or targets among the columns of x")
        table = self._table(x, names)
        find_columns(table.source, names, table.names)
        outputs = self._outputs(self._samples_in(table, names))
        if table.lengths is not None and self.network.plain_targets:
            return self.compared(outputs, table.of_sequences(names), names)
        return self.compared(in_rows(self.network, outputs), table, names)

    def compared(self, outputs: np.ndarray, table: Table, names: tuple[str, ...]) -> Evaluation:
        """Predictions, as :meth:`predict` gives them, beside the targets in the columns of these names."""
        network = self.network
        single = network.plain_targets or network.takes_sequences  # each row is a step
        outputs = outputs if single else outputs.reshape(len(outputs), -1)
        if network.reading != "values" and not single:
            raise DataError("evaluate: found a network of labels for each step, expected one of classes")
        if len(table.rows) != len(outputs):
            raise DataError(f"y: found {len(table.rows)} rows, expected {len(outputs)}, as x has")
        if network.reading == "values" and self.classes is None:
            y = number_columns(table, names)
            if y.shape != outputs.shape:
                raise DataError(
                    f"y: found {len(names)} columns, expected {network.outputs}, the outputs of the network"
                )
            mean = None if self.target_scaling is None else self.target_scaling.mean
            return NumberEvaluation.of(self.target_names or names, y, outputs, mean)
        chances = probabilities(outputs, network.reading)
        if network.reading == "logits" and network.outputs > 1:
            raise DataError("evaluate: found a network that answers several questions a row, expected one of classes")
        classes = self.classes or tuple(map(str, range(chances.shape[1])))
        truth, _ = labels_of(table, names, classes)
        return ClassEvaluation.of(
            classes, truth, chances.argmax(axis=1), None if network.reading == "values" else chances
        )

    def evaluated(self, x: Any) -> Any:
        """What :meth:`predict` gives for an array, up to rounding: by NumPy, an equation at a time.

        For a few rows: compiling takes 0.3 s, this some milliseconds.
        """
        return self._evaluated(self.samples(x))

    def outputs_of(self, rows: np.ndarray, lengths: Integers | None) -> Any:
        """The same for raw rows of features, the steps of sequences of these lengths where each call decides them."""
        return self._evaluated(self.samples_of(rows, lengths))

    def _evaluated(self, samples: Samples) -> Any:
        graph = stabilise(self.network.forward_graph)
        names = [variable.name for variable in self.network.input_variables]
        theta, found = self.network.unmerged(self.theta), []
        for part in samples.parts:
            outputs = evaluate(graph, {**theta, **dict(zip(names, part.arrays))}, self.theta.dtype)[graph.outputs[0]]
            found.append(self._restored(outputs))
        return samples.together(found)

    def _restored(self, outputs: np.ndarray) -> np.ndarray:
        """Outputs in the units of the targets."""
        return outputs if self.target_scaling is None else self._narrow(self.target_scaling.restore(outputs))

    def standardise(self, x: np.ndarray) -> np.ndarray:
        """Raw inputs (S, features), or of the shape of x, as the network takes them: (x − mean) / scale.

        They are in the dtype of ``theta``.

        Raises :class:`DataError` as :meth:`predict` does.
        """
        (part,) = self.samples(x).parts
        (found,) = part.arrays
        return found

    def samples(self, x: Any) -> Samples:
        """Whatever :meth:`predict` takes, read and standardised, as arrays of one length each.

        Raises :class:`DataError` as :meth:`predict` does.
        """
        network = self.network
        by_name = isinstance(x, Mapping) and {*x} == {variable.name for variable in network.input_variables}
        reads = is_frame(x) or isinstance(x, Table | str | os.PathLike)
        if reads and not (by_name and self.features is None):
            return self._samples_in(self._table(x))
        raw, lengths = as_rows(network, x)
        return self.samples_of(checked_rows("x", raw, network.features), lengths)

    def _samples_in(self, table: Table, targets: tuple[str, ...] = ()) -> Samples:
        raw = checked_rows("x", self._encoded(table, targets), self.network.features)
        return self.samples_of(raw, table.lengths)

    def samples_of(self, raw: np.ndarray, lengths: Integers | None) -> Samples:
        """The same for raw rows of features."""
        network = self.network
        check_integers(network, raw)
        fills = self.features is not None and bool(self.features.fills)
        if lengths is not None and not fills and (bad := first(~np.isfinite(raw))):
            row, column = bad
            sequence = int(np.searchsorted(np.cumsum(lengths), row, side="right"))
            step = row - int(np.sum(lengths[:sequence]))
            raise DataError(
                f"x: sequence {sequence} (from 0), step {step}, column {column}: found {raw[bad]}, "
                "expected a finite number"
            )
        values = raw if self.scaling is None else self.scaling.standardise(raw)
        if fills:
            values = np.where(np.isnan(values), 0.0, values)  # a missing cell is taken for the mean
        with np.errstate(all="ignore"):  # infinite and huge numbers go through as IEEE says
            return Samples.of(network, values, lengths, self.theta.dtype)

    def standardise_targets(self, y: np.ndarray) -> np.ndarray:
        """Targets (S, outputs) as the loss takes them.

        Raises :class:`DataError` as :meth:`predict` does.
        """
        raw = checked_rows("y", y, self.network.outputs)
        return self._narrow(raw if self.target_scaling is None else self.target_scaling.standardise(raw))

    def _narrow(self, values: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):  # infinite and huge numbers go through as IEEE says
            return np.ascontiguousarray(values, dtype=self.theta.dtype)


def target_scaling(network: Parametrised, dataset: Dataset) -> Scaling | None:
    """By what the network's targets are standardised when it is trained on a data set; None where they are not."""
    return dataset.target_scaling if network.standardises_targets else None


@called(CheckpointError)
def save(
    path: str | os.PathLike[str],
    network: Parametrised,
    theta: np.ndarray,
    *,
    dataset: Dataset | None = None,
    dtype: DTypeLike = "float64",
) -> None:
    """Write a checkpoint, replacing any file of that name; when anything fails, that file stays as it was.

    theta: the flat parameters (parameter_count,), stored in ``dtype``. dataset: the one it was trained on, whose
    standardisation, feature and class names go with it. The file holds a tensor for each parameter (``W1``, ``b1``, …),
    ``standardisation.mean`` and ``.scale``, for a regression ``.target_mean`` and ``.target_scale``, and four inputs
    with their outputs, ``check.x`` and ``check.output``; its metadata the format, the spec, the classes and the
    features as JSON. The same arguments give the same bytes.

    A network built in Python is saved by the spec that :func:`symnn.portable.spec_of` finds for it, a graph by the
    text of its equations that :func:`symnn.graph_text.plain_graph` finds.

    Raises :class:`CheckpointError` for a network that no spec describes, or a graph that no such text does, for
    parameters or a data set that do not fit it, for numbers that are not finite, and for a path that cannot be written.

    >>> from tempfile import TemporaryDirectory
    >>> spec = {"inputs": 2, "layers": [{"dense": 1, "bias": False}], "loss": "mean_squared_error"}
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "sum.safetensors")
    ...     save(path, Network.from_spec(spec), np.array([1.0, 1.0]))
    ...     load(path).predict(np.array([[2.0, 3.0]]))
    array([[5.]])
    """
    path = file_path(path, CheckpointError)
    network = network.network if isinstance(network, Model) else network
    if not isinstance(network, Parametrised):
        raise CheckpointError(f"network: found {quote(network)}, expected a Network")
    written = _written(network, path)
    _write(path, written, _trained(path, network, theta, dataset, dtype))


def _write(path: Path, written: Mapping[str, str], checkpoint: Checkpoint) -> None:
    metadata = {"format": FORMAT, **written}
    tensors = checkpoint.network.split(checkpoint.theta)
    for names, scaling in ((_INPUTS, checkpoint.scaling), (_TARGETS, checkpoint.target_scaling)):
        if scaling is not None:
            tensors |= dict(zip(names, (scaling.mean, scaling.scale), strict=True))
    if checkpoint.classes is not None:
        metadata["classes"] = json.dumps(checkpoint.classes)
    if checkpoint.features is not None:
        columns = [[column.name, column.categories] for column in checkpoint.features.columns]
        content = {"columns": columns, "fills": checkpoint.features.fills}
        if (sequences := checkpoint.features.sequences) is not None:
            content["sequences"] = sequences
        metadata["features"] = json.dumps(content)
    if checkpoint.target_names:
        metadata["targets"] = json.dumps(checkpoint.target_names)
    data = canonical(to_bytes({**tensors, **_example(checkpoint)}, metadata))
    try:
        with replacing(path) as temporary:
            write_synced(temporary, data)
            _read(temporary, str(path))  # what cannot be loaded is not worth replacing a file that can
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written: {error.strerror or error}") from None


@called(CheckpointError)
def load(path: str | os.PathLike[str]) -> Checkpoint:
    """Read and check a checkpoint: what :meth:`TrainingResult.save` or ``symnn train --out`` wrote.

    Raises :class:`CheckpointError` for anything that is not as :func:`save` writes it, naming file and tensor.

    >>> from tempfile import TemporaryDirectory
    >>> from symnn.network import Network, dense
    >>> network = Network(1, (dense(1),), "mean_squared_error")
    >>> with TemporaryDirectory() as folder:
    ...     save(f"{folder}/line.safetensors", network, np.array([2.0, 1.0]))
    ...     found = load(f"{folder}/line.safetensors")
    >>> found.theta
    array([2., 1.])
    """
    return _read(file_path(path, CheckpointError), os.fspath(path))


def _require(given: object, kind: type, name: str) -> None:
    if not isinstance(given, kind):
        raise CheckpointError(f"{name}: found {quote(given)}, expected a {kind.__name__}")


def _example(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    """A few raw rows and their outputs; nothing where nothing is predicted of rows."""
    network = checkpoint.network
    if not _is_checked(network):
        return {}
    x = np.random.Generator(np.random.PCG64(0)).standard_normal((_checked_rows(network), network.features))
    limits = [v.below if isinstance(v.below, int) else 1 for v in network.input_variables]
    below = np.repeat(limits, [*map(columns, network.input_variables)])
    x = np.where(network.whole, np.floor(np.abs(x) * 10) % below, x)
    if checkpoint.scaling is not None:
        x = checkpoint.scaling.restore(x)
    return {_X: x, _OUTPUT: _checked_outputs(checkpoint, x)}


def _checked_rows(network: Parametrised) -> int:
    """The rows of the inputs that the file holds."""
    return _CHECKED_ROWS * (_CHECKED_STEPS if network.takes_sequences else 1)


def _checked_outputs(checkpoint: Checkpoint, x: np.ndarray) -> np.ndarray:
    lengths = np.full(_CHECKED_ROWS, _CHECKED_STEPS) if checkpoint.network.takes_sequences else None
    return np.asarray(checkpoint.outputs_of(x, lengths))


def _is_checked(network: Parametrised) -> bool:
    """Whether the file holds outputs."""
    if isinstance(network, Network):
        return True
    return network.has_output and network.takes_rows and is_quick(network.forward_graph)


# --- writing ------------------------------------------------------------------------------------------------------


def _written(network: Parametrised, path: Path) -> dict[str, str]:
    """What says which equations these are: a spec, or a graph."""
    try:
        if isinstance(network, GivenGraph):
            return {"graph": json.dumps(plain_graph(network))}
        assert isinstance(network, Network)
        if network.spec is None:
            return {"spec": json.dumps(spec_of(network).to_dict())}
    except SpecError as error:
        what = "graph that cannot be written" if isinstance(network, GivenGraph) else "network that no spec describes"
        raise CheckpointError(f"{path}: found a {what}: {error}") from None
    if Network.from_spec(network.spec) != network:
        raise CheckpointError(f"{path}: found a network that differs from its spec, expected one as its spec says")
    return {"spec": json.dumps(network.spec.to_dict())}


def _trained(
    path: Path, network: Parametrised, theta: np.ndarray, dataset: Dataset | None, dtype: DTypeLike
) -> Checkpoint:
    try:
        dtype = dtype_name(dtype)
    except EmitError:
        raise CheckpointError(f"dtype: found {quote(dtype)}, expected one of {', '.join(TOLERANCE)}") from None
    given = read_vector(f"{path}: theta", theta, network.parameter_count, CheckpointError)
    with np.errstate(over="ignore"):  # reading the file back reports it
        parameters = given.astype(dtype)
    if dataset is None:
        return Checkpoint(network, parameters)
    _require(dataset, Dataset, "dataset")
    if dataset.features != network.features:
        raise CheckpointError(f"{path}: dataset: {dataset.misfit(network.features)}")
    return Checkpoint.of(network, parameters, dataset)


# --- reading ------------------------------------------------------------------------------------------------------


def _read(path: Path, name: str) -> Checkpoint:
    try:
        require_regular(path, CheckpointError)
        with safe_open(path, framework="numpy") as file:
            return _checked(file, name)
    except SafetensorError as error:
        reason = str(error).removeprefix("Error while deserializing header: ")
        raise CheckpointError(f"{name}: damaged, or not a safetensors file: {quote(reason)}") from None
    except OSError as error:
        raise CheckpointError(f"{name}: cannot be read: {error.strerror or error}") from None


def _checked(file: Any, name: str) -> Checkpoint:
    """The checkpoint in an open safetensors file."""
    metadata: Mapping[str, str] = file.metadata() or {}
    if metadata.get("format") != FORMAT:
        raise CheckpointError(f"{name}: metadata 'format': found {quote(metadata.get('format'))}, expected {FORMAT!r}")
    network = _given(metadata["graph"], name) if "graph" in metadata else _network(metadata.get("spec"), name)
    classes = _classes(metadata["classes"], network, name) if "classes" in metadata else None
    tensors = _tensors(file, network, name)
    theta = np.concatenate([tensors[parameter].ravel() for parameter in network.layout])
    features = _features(metadata["features"], network, name) if "features" in metadata else None
    mean, scale = (tensors.get(tensor) for tensor in _INPUTS)
    targets = Scaling(*(tensors[tensor] for tensor in _TARGETS)) if _TARGETS[0] in tensors else None
    names = _target_names(metadata["targets"], name) if "targets" in metadata else ()
    checkpoint = Checkpoint(network, theta, mean, scale, classes, targets, features, names)
    if _X in tensors:
        _check_outputs(checkpoint, tensors[_X], tensors[_OUTPUT], name)
    return checkpoint


def _given(text: str, name: str) -> GivenGraph:
    content = _json(text, "graph", name)
    try:
        return read_graph(content)
    except (SymnnError, CodegenError) as error:
        raise CheckpointError(f"{name}: metadata 'graph': {error}") from None


def _network(text: str | None, name: str) -> Network:
    content = _json(text, "spec", name)
    if not isinstance(content, dict):
        raise CheckpointError(f"{name}: metadata 'spec': found {quote(content)}, expected the fields of a spec")
    try:
        return Network.from_spec(content)
    except SpecError as error:
        raise CheckpointError(f"{name}: metadata 'spec': {str(error).removeprefix('spec: ')}") from None


def _classes(text: str, network: Parametrised, name: str) -> tuple[str, ...]:
    content = _json(text, "classes", name)
    count = max(2, network.outputs)  # a single output tells two classes apart
    if not isinstance(content, list) or not all(isinstance(label, str) for label in content) or len(content) != count:
        raise CheckpointError(f"{name}: metadata 'classes': found {quote(content)}, expected {count} names")
    return tuple(content)


def _target_names(text: str, name: str) -> tuple[str, ...]:
    content = _json(text, "targets", name, _MAX_FEATURE_BYTES)
    if not isinstance(content, list) or not all(isinstance(column, str) for column in content):
        raise CheckpointError(f"{name}: metadata 'targets': found {quote(content)}, expected a list of names")
    return tuple(content)


def _features(text: str, network: Parametrised, name: str) -> Features:
    where = f"{name}: metadata 'features'"
    content = _json(text, "features", name, _MAX_FEATURE_BYTES)
    match content:
        case {"columns": list(columns), "fills": bool(fills), **rest} if {*rest} <= {"sequences"}:
            sequences = rest.get("sequences")
            if not (sequences is None or isinstance(sequences, str)):
                raise CheckpointError(f"{where}: sequences: found {quote(sequences)}, expected the name of a column")
            features = Features(tuple(_column(column, where) for column in columns), fills, sequences)
        case _:
            raise CheckpointError(f"{where}: found {quote(content)}, expected 'columns' and 'fills'")
    names = [column.name for column in features.columns]
    if len(features.inputs) != network.features or len(set(names)) != len(names):
        raise CheckpointError(
            f"{where}: found {len(features.inputs)} inputs in {len(set(names))} columns, expected {network.features} "
            f"in {len(names)} of different names"
        )
    return features


def _column(content: object, where: str) -> Column:
    match content:
        case [str(name), None]:
            return Column(name)
        case [str(name), list(texts)] if texts and all(isinstance(text, str) for text in texts):
            return Column(name, tuple(texts))
    raise CheckpointError(f"{where}: found {quote(content)}, expected a column's name and its categories, or null")


def _json(text: str | None, key: str, name: str, most: int = MAX_BYTES) -> object:
    if text is None or len(text) > most:
        found = "nothing" if text is None else f"{len(text):,} characters"
        raise CheckpointError(f"{name}: metadata {key!r}: found {found}, expected JSON of at most {most:,}")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise CheckpointError(f"{name}: metadata {key!r}: found {quote(text)}, expected JSON") from None


def _tensors(file: Any, network: Parametrised, name: str) -> dict[str, np.ndarray]:
    """Every tensor that belongs to the network, and no others, with the shapes and dtypes that they should have."""
    found = set(file.keys())
    first = next(iter(network.layout))
    code = file.get_slice(first).get_dtype() if first in found else "F64"
    if code not in CODES.values():
        raise CheckpointError(
            f"{name}: tensor {first!r}: found dtype {code}, expected one of {', '.join(CODES.values())}"
        )
    expected = _expected(network, code, found)
    if missing := [tensor for tensor in expected if tensor not in found]:
        raise CheckpointError(f"{name}: tensor {missing[0]!r} is missing, expected {_described(*expected[missing[0]])}")
    if surplus := sorted(found - set(expected)):
        raise CheckpointError(f"{name}: found an unexpected tensor {quote(surplus[0])} {listing(expected)}")
    for tensor, (dtype, shape) in expected.items():
        part = file.get_slice(tensor)
        if (part.get_dtype(), tuple(part.get_shape())) != (dtype, shape):
            raise CheckpointError(
                f"{name}: tensor {tensor!r}: found {_described(part.get_dtype(), tuple(part.get_shape()))}, "
                f"expected {_described(dtype, shape)}"
            )
    tensors = {tensor: file.get_tensor(tensor) for tensor in expected}
    for tensor, values in tensors.items():
        if tensor != _OUTPUT:  # a network with a logarithm in it may give nan
            _check_entries(f"{name}: tensor {tensor!r}", values, np.isfinite(values), lambda _: "a finite number")
    for tensor in (_INPUTS[1], _TARGETS[1]):
        if tensor in tensors:
            scale = tensors[tensor]
            _check_entries(f"{name}: tensor {tensor!r}", scale, scale > 0, lambda _: "a number above 0")
    return tensors


def _expected(network: Parametrised, code: str, found: Set[str]) -> dict[str, tuple[str, tuple[int, ...]]]:
    """The dtype and shape of each tensor of a checkpoint; one half of a scaling that is found asks for the other."""
    parameters = {p.name: (code, p.shape) for p in network.layout.values()}
    if not _is_checked(network):
        return parameters
    widths = ((_INPUTS, network.features), (_TARGETS, network.outputs))
    shape = network.output_variable.shape[1:]
    scalings = {tensor: ("F64", (width,)) for pair, width in widths if not found.isdisjoint(pair) for tensor in pair}
    check = {
        _X: ("F64", (_checked_rows(network), network.features)),
        _OUTPUT: (code, (_CHECKED_ROWS, *(n if isinstance(n, int) else _CHECKED_STEPS for n in shape))),
    }
    return {**parameters, **scalings, **check}


def _described(code: str, shape: tuple[int, ...]) -> str:
    return f"{code} with shape {shape}"


def _check_outputs(checkpoint: Checkpoint, x: np.ndarray, stored: np.ndarray, name: str) -> None:
    """The network has to give what it gave when it was saved, nan and infinities at the same places."""
    found = _checked_outputs(checkpoint, x)
    with np.errstate(all="ignore"):
        error = np.abs(found - stored) / np.maximum(1, np.maximum(np.abs(found), np.abs(stored)))
    same = (found == stored) | (np.isnan(found) & np.isnan(stored))
    tolerance = TOLERANCE[checkpoint.theta.dtype.name]
    _check_entries(
        f"{name}: tensor {_OUTPUT!r}",
        stored,
        same | (error <= tolerance),
        lambda entry: f"{found[entry]} as the network gives, within {tolerance:g}",
    )


def _check_entries(
    where: str, values: np.ndarray, good: np.ndarray, expected: Callable[[tuple[int, ...]], str]
) -> None:
    if not good.all():
        entry = tuple(int(i) for i in np.argwhere(~good)[0])
        raise CheckpointError(f"{where}, entry {entry}: found {values[entry]}, expected {expected(entry)}")
