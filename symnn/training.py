"""Training: epochs in compiled code over seeded minibatches, evaluation after each, the best parameters kept."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from inspect import Parameter, signature
from itertools import groupby
from math import inf, isfinite, prod
from time import perf_counter
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from codegen import Variable
from codegen.errors import of_type
from codegen.runtime.fingerprint import fingerprint
from symnn.arrays import as_array
from symnn.callbacks import asks_to_stop, hand_over
from symnn.checkpoint import Checkpoint, save, target_scaling
from symnn.course import Best, Course, Epoch, Position
from symnn.data import Dataset, Split, check_split
from symnn.descent import Checked, Descent, Passed, checked_parameters
from symnn.errors import DataError, SymnnError
from symnn.evaluation import NumberEvaluation, mean_of_rows
from symnn.given import called, function
from symnn.lbfgs import Standing, lbfgs
from symnn.linesearch import Iterate
from symnn.network import Network
from symnn.optimisers import OPTIMISERS
from symnn.parametrised import Model, Parametrised, apart, columns, varies
from symnn.progress import Report, reporting
from symnn.resuming import INTERRUPTED, Keeping, State, digest, keeping_for
from symnn.rows import as_parts, as_rows, check_integers, require_lengths
from symnn.schedules import SCHEDULES
from symnn.scoring import Parts, Rows, Scores, chunks, count_of
from symnn.sequences import by_length, firsts, rows_of, steps_of
from symnn.shown import shows
from symnn.spec import LBFGS, TrainingSpec, read_spec
from symnn.suggest import canonical, quote, unknown
from symnn.tables import is_frame
from symnn.tables.table import listed

Stopped = Literal["finished", "early", "interrupted", "diverged", "callback"]
"""Why training ended: all epochs done, patience lost, Ctrl-C, a loss that is not finite, or at ``on_epoch``'s wish."""


@dataclass(frozen=True, eq=False)
class Fit:
    """How near the outputs of a regression come to its targets: float64 (T,), one number for each target.

    r2: 1 − Σ(y − output)² / Σ(y − mean y)², 1 at best, 0 for the mean of these rows, nan where all of them are equal.
    error: the root mean square of y − output. baseline: that of y − the mean of the training rows, which is what
    there is to say without looking at x. Both are in the units of the targets.
    """

    r2: np.ndarray
    error: np.ndarray
    baseline: np.ndarray


# eq=False: comparing arrays gives an array, so the generated == would raise.
@dataclass(frozen=True, eq=False)
class TrainingResult:
    """The best parameters, and how they were found.

    theta: the parameters after epoch ``best_epoch``, in the dtype of the model; epoch 0 are the initial ones, which are
    kept where no epoch has a better :attr:`Epoch.score` than they.
    test_loss, test_accuracy, test_fit: theirs; None without test rows, where there is none of the kind, or when Ctrl-C
    came while they were computed. The losses are those of standardised targets where targets are standardised.
    samples_per_second: of the training steps alone, without compilation and evaluation; 0 if no epoch was finished.
    model, dataset: what was trained, and on what. position: where ``train(…, initial=result)`` goes on; None where no
    epoch was begun.
    """

    theta: np.ndarray
    history: tuple[Epoch, ...]
    best_epoch: int
    stopped: Stopped
    test_loss: float | None
    test_accuracy: float | None
    test_fit: Fit | None
    samples_per_second: float
    model: Model = field(repr=False)
    dataset: Dataset = field(repr=False)
    position: Position | None = field(repr=False)

    def __repr__(self) -> str:
        figures = {"test loss": self.test_loss, "test accuracy": self.test_accuracy}
        shown = [f"{name} {value:.4g}" for name, value in figures.items() if value is not None]
        course = f"{self.stopped} after {len(self.history)} epochs, best epoch {self.best_epoch}"
        return f"<TrainingResult {', '.join([course, *shown])}>"

    _repr_html_ = shows("training_html")
    _repr_svg_ = shows("training_svg")

    @property
    def improved(self) -> bool:
        """Whether any epoch was better than the parameters that training started from."""
        return self.best_epoch > 0

    def predict(self, x: Any) -> Any:
        """The outputs (S, outputs) for raw inputs (S, inputs), several by name, or a frame or file, read and scaled as
        :meth:`~symnn.checkpoint.Checkpoint.predict` does, which a saved network gives to the bit.

        Sequences are lists of arrays, and so are outputs for each of their steps.

        Raises :class:`DataError` for an array of another shape, one that does not hold real numbers, and columns that
        cannot be read.
        """
        return Checkpoint.of(self.model.network, self.theta, self.dataset).predict(x)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network as ``symnn train --out`` does, with the data set's scaling, classes and features.

        :func:`symnn.load` reads it again, ``symnn predict`` too, and what it predicts are the same bits. Raises
        :class:`CheckpointError` as :func:`symnn.checkpoint.save` does.

        >>> from pathlib import Path
        >>> from tempfile import TemporaryDirectory
        >>> import symnn
        >>> network = symnn.Network(1, (symnn.dense(1),), "mean_squared_error")
        >>> result = train(network, [[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0], {"epochs": 100})
        >>> with TemporaryDirectory() as folder:
        ...     result.save(Path(folder, "line.safetensors"))
        ...     symnn.load(Path(folder, "line.safetensors")).predict([[3.0]]).round(2)
        array([[7.]])
        """
        save(path, self.model.network, self.theta, dataset=self.dataset, dtype=self.model.dtype)


@overload
def train(
    network: Parametrised | Model,
    data: Dataset,
    settings: TrainingSpec | Mapping[str, Any] | None = None,
    *,
    model: Model | None = None,
    initial: np.ndarray | TrainingResult | None = None,
    progress: bool | None = None,
    on_epoch: Callable[[Epoch], object] | None = None,
    state: str | os.PathLike[str] | Keeping | None = None,
    resume: bool = False,
) -> TrainingResult: ...
@overload
def train(
    network: Parametrised | Model,
    data: ArrayLike,
    y: ArrayLike,
    settings: TrainingSpec | Mapping[str, Any] | None = None,
    *,
    model: Model | None = None,
    weights: ArrayLike | None = None,
    initial: np.ndarray | TrainingResult | None = None,
    progress: bool | None = None,
    on_epoch: Callable[[Epoch], object] | None = None,
    state: str | os.PathLike[str] | Keeping | None = None,
    resume: bool = False,
) -> TrainingResult: ...
@called(SymnnError)  # type: ignore[misc]  # mypy wants one name for the third, which is settings or y
def train(
    network: Any,
    data: Any = None,
    y: Any = None,
    settings: Any = None,
    *,
    model: Model | None = None,
    weights: ArrayLike | None = None,
    initial: np.ndarray | TrainingResult | None = None,
    progress: bool | None = None,
    on_epoch: Callable[[Epoch], object] | None = None,
    state: str | os.PathLike[str] | Keeping | None = None,
    resume: bool = False,
    **others: object,
) -> TrainingResult:
    """Minimise the loss over the training rows. The same arguments give the same bits.

    ``train(network, data, settings)`` takes a :class:`Dataset`, ``train(network, x, y, settings)`` raw arrays, of which
    :meth:`Dataset.from_arrays` makes one, or a frame x; ``result.predict`` takes these too. Several inputs are arrays
    by name, ``train(network, {"x": …, "z": …}, y)``, and so is y where the loss takes more than one target.

    network: a network, or a model, of a network or of any graph over samples (:meth:`Model.from_graph`). A graph is
    taken as it is: neither its inputs nor its targets are standardised.

    settings: a :class:`TrainingSpec` or a mapping of its fields; those of the network's spec, or the defaults, unless
    given. model: the network, compiled; in float64 unless given. weights: how much each row of x counts (S,), as
    :meth:`Dataset.from_arrays` takes them; the loss is Σ w·ℓ / Σ w, and rows that are right are counted by their
    weights. ``class_weights`` of the settings multiply them.
    initial: the parameters to start from, instead of ``network.initial_parameters(settings.seed)``; or the result of a
    training with the same optimiser, which then goes on for ``settings.epochs`` more, with its optimiser's state,
    random numbers, history and best epoch: 10 epochs and 10 more on the same data are 20, to the bit.
    progress: False shows none; otherwise a bar on a terminal or in a notebook, a line every few seconds elsewhere.
    on_epoch: called after every epoch; training ends if it returns True or raises ``StopIteration``.

    Targets of a regression are standardised as :attr:`Network.standardises_targets` says, by the mean and the standard
    deviation that the data set has of its training rows; the losses are then of those.

    With the optimiser ``lbfgs`` an epoch is one step of L-BFGS on all training rows. It keeps nothing in the file of
    ``state``: resumed from there it begins anew, to the same bits.

    Training ends early after ``settings.patience`` epochs without a better :attr:`Epoch.score`, and at the first loss
    that is not finite. Ctrl-C ends it too, and is not raised again: the best parameters so far are returned. Any other
    exception, of ``on_epoch`` say, has them too: ``error.result`` is the :class:`TrainingResult` until then.

    state: a file that keeps, once a minute and after Ctrl-C, all that the rest of the run depends on; it is removed
    when the run has ended. With ``resume`` the same call goes on from it, also after kill −9, to the bits of a run that
    was never broken off; where there is no such file it begins. Without, a file that is there is refused.

    Raises :class:`DataError` for data that do not fit the network, :class:`SymnnError` for a model or initial
    parameters of another network, and :class:`CheckpointError` for a state that cannot be read or written, or of a run
    that was begun with another network, other settings, parameters or data.

    >>> from symnn.data import load_digits
    >>> from symnn.network import dense
    >>> result = train(Network(64, (dense(10),), "softmax_cross_entropy"), load_digits(), TrainingSpec(epochs=5))
    >>> result.stopped, len(result.history), result.test_accuracy > 0.9
    ('finished', 5, True)
    >>> xor = Network(2, (dense(8, "tanh"), dense(2)), "softmax_cross_entropy")
    >>> result = train(xor, [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0], {"epochs": 100})
    >>> result.predict([[0, 1], [1, 1]]).argmax(axis=1)
    array([1, 0])
    >>> train(xor, [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0], state="xor.state", resume=True).stopped
    'finished'
    """
    if isinstance(network, Model):
        network, model = network.network, network if model is None else model
    if not isinstance(network, Parametrised):
        raise SymnnError(f"network: found {of_type(network)}, expected a Network: train(network, data)")
    network.require_samples()
    if network.draws and not network.differs:
        raise SymnnError(
            "network: found a graph whose loss draws random numbers, also for validation; expected one that does not, "
            "or layers with a form for predictions; symnn.Descent takes it"
        )
    _refuse(others)
    if on_epoch is not None:
        function("on_epoch", on_epoch, "a function of an Epoch")
    data, given = data_and_settings(network, data, y, settings, weights)
    settings = settings_of(network, given)
    model = _checked_model(network, model)
    rows, validation, test = _fitted(model, data, settings.class_weights)
    trained = model if rows[0].w is None else model.weighted
    keeping = keeping_for(state)
    with keeping:
        record = _started(model, data, settings, initial, keeping)
        if keeping.path is not None and settings.optimiser != LBFGS:
            arrays = [array for part in (*rows, *validation, *test) for array in part.arrays]
            record.resume(settings, arrays, count_of(rows), resume)
        try:
            with _one_blas_thread(trained):
                run = _descend if settings.optimiser == LBFGS else _run
                stopped = run(trained, rows, validation, settings, record, progress, on_epoch or _ignore)
        except KeyboardInterrupt:
            stopped = INTERRUPTED
            record.keep()
        except BaseException as error:
            hand_over(error, "result", record.result(INTERRUPTED))
            raise
        try:
            with _one_blas_thread(trained):
                tested = (
                    *_evaluated(trained, record.best.theta, test),
                    _fit(trained, record.best.theta, data, rows, test),
                )
        except KeyboardInterrupt:
            tested = None, None, None
        if keeping is not state:  # else whoever keeps it has something to save first
            keeping.end(stopped)
        return record.result(stopped, *tested)


def _refuse(others: Mapping[str, object]) -> None:
    """Settings that stand beside the data, where others have them, and what is no argument at all."""
    for name, value in others.items():
        if canonical("field", name) in TrainingSpec.model_fields:
            raise SymnnError(
                f"train: found {name}={quote(value)}, expected settings together: train(network, x, y, "
                f"{{{name!r}: {quote(value)}}})"
            )
        known = [key for key, p in signature(train).parameters.items() if p.kind is Parameter.KEYWORD_ONLY]
        raise SymnnError(unknown("argument", name, known))


def data_and_settings(network: Parametrised, data: Any, y: Any, settings: Any, weights: Any) -> tuple[Dataset, Any]:
    """What stands behind the network: a data set and settings, or x, y and settings."""
    if isinstance(data, Dataset):
        if weights is not None:
            raise SymnnError(
                "weights: found weights beside a data set, expected it to hold them, as from_arrays makes it"
            )
        if y is not None and settings is not None:
            raise SymnnError("train: found a data set, y and settings, expected train(network, data, settings)")
        return data, settings if y is None else y
    if y is None and network.target_variables:
        found = "none" if data is None else of_type(data)
        raise SymnnError(f"data: found {found}, expected a Dataset, or arrays: train(network, x, y)")
    if isinstance(y, TrainingSpec) or (isinstance(y, Mapping) and {*map(str, y)} <= {*TrainingSpec.model_fields}):
        raise SymnnError("y: found settings, expected an array: train(network, x, y, settings)")
    return _from_arrays(network, data, y, weights), settings


def settings_of(network: Parametrised, given: Any) -> TrainingSpec:
    if given is None:
        return network.spec.training if network.spec else TrainingSpec()
    if isinstance(given, TrainingSpec):
        return given
    if isinstance(given, Mapping):
        return read_spec(TrainingSpec, given, "settings")
    raise SymnnError(f"settings: found {of_type(given)}, expected a TrainingSpec or a mapping of its fields")


def _from_arrays(network: Parametrised, x: Any, y: Any, weights: Any) -> Dataset:
    """Labels or numbers, as the loss wants them; whole numbers are the classes that the outputs count through."""
    lengths, names = None, {variable.name for variable in network.input_variables}
    if network.takes_sequences and isinstance(x, Mapping) and {*x} == names:
        x, lengths = as_parts(network, x)
    elif not is_frame(x):
        x, lengths = as_rows(network, x)
    reals = [variable.name for variable in network.input_variables if variable.kind == "real"]
    standardise = (network.standardises_inputs or _is_padded(network, y)) and (reals if len(names) > 1 else True)
    given = partial(Dataset.from_arrays, x, weights=weights, lengths=lengths, standardise=standardise)
    if not isinstance(network, Network) or not network.plain_targets:
        return given(_targets(network, y, lengths), task="regression")
    values = as_array("y", y)
    single = values.ndim == 1 or values.shape[-1:] == (1,)
    numbers = values.dtype.kind in "biuf"
    whole = bool(not numbers or (values == np.rint(values)).all())
    labels = network.loss_row.target == "labels" or (network.reading == "logits" and single and whole)
    if not labels:
        return given(y, task="regression")
    count = max(2, network.outputs)  # a single output tells two classes apart
    counted = numbers and single and whole and values.size > 0 and values.min() >= 0 and values.max() < count
    classes = [str(number) for number in range(count)] if counted else None
    return given(y, task="classification", classes=classes)


def _is_padded(network: Parametrised, y: Any) -> bool:
    """Whether sequences are made one length here, and which of their steps count is known from their own lengths."""
    counted = isinstance(network, Network) and network.steps != "all"
    return counted and network.takes_sequences and not isinstance(y, Mapping)


def _targets(network: Parametrised, y: Any, lengths: np.ndarray | None) -> Mapping[str, Any] | None:
    """What the loss takes, by name and in its order."""
    taken = network.target_variables[:1] if _is_padded(network, y) else network.target_variables
    names = [variable.name for variable in taken]
    if y is None and not names:
        return None
    given = y if isinstance(y, Mapping) else {"y" if len(names) != 1 else names[0]: y}
    if set(given) != set(names):
        raise DataError(f"y: found {listed([*map(str, given)])}, expected by name what the loss takes: {listed(names)}")
    return {v.name: steps_of(v.name, given[v.name], lengths) if varies(v) else given[v.name] for v in taken}


def _started(model: Model, data: Dataset, settings: TrainingSpec, initial: Any, keeping: Keeping) -> _Record:
    """The record of a training that begins, or of one that goes on."""
    if not isinstance(initial, TrainingResult):
        start = model.network.initial_parameters(settings.seed) if initial is None else initial
        return _Record(model, data, keeping, Best(checked_parameters(model, start, "initial")), settings.epochs)
    position = initial.position
    best = checked_parameters(model, initial.theta, "initial")
    if position is None:
        return _Record(model, data, keeping, Best(best), settings.epochs)
    if position.optimiser != settings.optimiser:
        raise SymnnError(
            f"initial: found a training by {position.optimiser}, expected one by {settings.optimiser}, as the settings "
            "say; initial=result.theta begins anew with its parameters"
        )
    if position.theta.dtype != np.dtype(model.dtype):
        raise SymnnError(f"initial: found a training in {position.theta.dtype}, expected one in {model.dtype}")
    scores = {epoch.number: epoch.score for epoch in initial.history}
    return _Record(
        model,
        data,
        keeping,
        Best(best, initial.best_epoch, scores.get(initial.best_epoch, position.untrained)),
        position.number + settings.epochs,
        [epoch for epoch in initial.history if epoch.number <= position.number],
        position.samples,
        position.seconds,
        position,
    )


@contextmanager
def _one_blas_thread(model: Model) -> Iterator[None]:
    """OpenBLAS's threads make a batch of 270 rows take 8 ms instead of 0.2 ms on two cores."""
    # Compiled first: the BLAS that their code calls, if it calls one, has to be loaded to be told.
    _ = model.step, model.loss_and_output if model.network.has_output else model.loss
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield


def evaluate(model: Model, theta: np.ndarray, split: Split) -> tuple[float, float | None]:
    """The loss, weight decay included, and the accuracy over a split as :func:`targets_for` gives it.

    The accuracy is the fraction of rows whose largest output is at the label (at the largest target, where targets are
    rows), the fraction of logits on the right side of 0, or None for a loss whose outputs are values.
    Large splits go through in chunks of rows. Raises :class:`DataError` for a split without rows.

    >>> from symnn.network import dense
    >>> network = Network(1, (dense(2, bias=False),), "softmax_cross_entropy")
    >>> split = Split(np.array([[1.0], [-1.0], [2.0]]), np.array([0, 1, 1]))
    >>> loss, accuracy = evaluate(network.compile(), np.array([1.0, -1.0]), split)
    >>> round(loss, 4), round(accuracy, 4)  # log(1 + exp(-2)), log(1 + exp(-2)) and log(1 + exp(4))
    (1.424, 0.6667)
    """
    if len(split.x) == 0:
        raise DataError("evaluate: found a split without rows, expected at least one")
    chosen = model if split.weights is None else model.weighted
    return Scores(chosen, _cast(chosen, split, "evaluate"))(checked_parameters(chosen, theta, "theta"))


def targets_for(network: Parametrised, dataset: Dataset) -> Dataset:
    """The data set with targets as the network's loss takes them: labels (S,), or rows (S, outputs).

    What else a loss takes, such as the steps of a sequence and a mask, stands side by side in the rows.

    Labels become one-hot rows for a loss over rows, and one column of 0 and 1 for ``binary_cross_entropy`` with two
    classes and a single output. Targets of a regression are standardised by the data set's ``target_scaling`` where
    :attr:`Network.standardises_targets` holds, and no others. Parts without rows are let through, except for training.

    Raises :class:`DataError` naming the data set, what was found and what the network expects.

    >>> from symnn.data import load_digits
    >>> from symnn.network import dense
    >>> digits = load_digits()
    >>> digits.train.y.shape
    (1168,)
    >>> targets_for(Network(64, (dense(10),), "mean_squared_error"), digits).train.y.shape
    (1168, 10)
    >>> targets_for(Network(64, (dense(3),), "mean_squared_error"), digits)
    Traceback (most recent call last):
    symnn.errors.DataError: digits: found 10 classes, expected 3, the outputs of the network
    """
    dataset = network.arranged(dataset)
    if dataset.features != network.features:
        raise DataError(f"{dataset.name}: {dataset.misfit(network.features)}")
    require_lengths(network, dataset.name, dataset.train.lengths)
    whole = network.whole
    targets, encode = _encoding(network, dataset)

    def fit(part: Split, name: str) -> Split:
        if part.y.ndim != dataset.train.y.ndim:
            raise DataError(f"{name}: y has shape {part.y.shape}, expected as many axes as in the training part")
        checked = check_split(part, network.features, targets, name)
        x = checked.x
        if whole.any():  # a data set standardises all columns
            x = np.where(whole, np.rint(x * dataset.scale + dataset.mean), x)
            check_integers(network, x)
        y = _in_range(network, encode(checked.y), name)
        _require_once(network, y, checked.lengths, name)
        return Split(x, y, checked.weights, checked.lengths)

    return replace(
        dataset,
        train=fit(dataset.train, f"{dataset.name}: train"),
        validation=fit(dataset.validation, f"{dataset.name}: validation") if len(dataset.validation.x) else _NO_ROWS,
        test=fit(dataset.test, f"{dataset.name}: test") if len(dataset.test.x) else _NO_ROWS,
    )


# --- targets ------------------------------------------------------------------------------------------------------

Encode = Callable[[np.ndarray], np.ndarray]

_NO_ROWS = Split(np.empty((0, 0)), np.empty(0))


def _encoding(network: Parametrised, dataset: Dataset) -> tuple[int, Encode]:
    """How many classes (or columns) the targets have to have, and what makes of them what the loss takes."""
    if isinstance(network, Network) and network.plain_targets:
        return _plain_encoding(network, dataset)
    if dataset.train.y.ndim == 1:  # whole numbers may be what the only target is
        if dataset.classes is not None and len(dataset.classes) > network.outputs:
            found = f"{dataset.name}: found {len(dataset.classes)} classes"
            raise DataError(f"{found}, expected at most {network.outputs}, the outputs of the network")
        return max(2, dataset.targets), lambda y: y[:, None].astype(np.float64)
    found = dataset.train.y.shape[1]
    count = sum(map(columns, _targets_in(network, found)))
    if found != count:
        taken = ", ".join(f"{variable.name} of {columns(variable)}" for variable in network.target_variables)
        raise DataError(f"{dataset.name}: found {found} columns of targets, expected {count}: {taken or 'none'}")
    return count, lambda y: y


def _targets_in(network: Parametrised, count: int) -> tuple[Variable, ...]:
    """What so many columns of targets are: not which steps count, where the lengths of sequences say so."""
    targets = network.target_variables
    counted = isinstance(network, Network) and network.steps != "all" and network.takes_sequences
    return targets[:1] if counted and count == columns(targets[0]) else targets


def _require_once(network: Parametrised, y: np.ndarray, lengths: np.ndarray | None, name: str) -> None:
    """Raise :class:`DataError` where a target of each sequence is another one in another step."""
    if lengths is None:
        return
    rows = y.reshape(len(y), -1)
    targets = _targets_in(network, rows.shape[1])
    once = np.repeat(np.array([not varies(v) for v in targets], np.bool_), _widths(targets))
    expected = np.repeat(rows[firsts(lengths)], lengths, axis=0)
    if (bad := np.argwhere((rows != expected)[:, once])).size:
        row = int(bad[0][0])
        raise DataError(
            f"{name}: y, row {row} (from 0): found {rows[row]} after {expected[row]} in the same sequence, expected "
            "one target for each sequence, as the network has one output for it"
        )


def _plain_encoding(network: Network, dataset: Dataset) -> tuple[int, Encode]:
    name, outputs, loss = dataset.name, network.outputs, network.loss_row
    y: np.ndarray = dataset.train.y
    if y.ndim != 1:
        columns = y.shape[-1]
        if loss.target == "labels":
            raise DataError(f"{name}: found {columns} columns of targets, expected labels for the loss {loss.name}")
        if columns != outputs:
            raise DataError(
                f"{name}: found {columns} columns of targets, expected {outputs}, the outputs of the network"
            )
        scaling = target_scaling(network, dataset)
        if scaling is not None and not scaling.is_representable.all():
            column = int(np.argmin(scaling.is_representable))
            target = repr(dataset.target_names[column]) if dataset.target_names else f"{column} of the targets"
            low, high = y[:, column].min(), y[:, column].max()
            raise DataError(
                f"{name}: column {target}: found values from {low:g} to {high:g}, expected ones that can be "
                "standardised in float64"
            )
        return outputs, (lambda y: y) if scaling is None else scaling.standardise
    classes = outputs if dataset.classes is None else len(dataset.classes)
    if loss.reading == "logits":
        if (classes, outputs) != (2, 1):
            raise DataError(
                f"{name}: found labels of {classes} classes for {outputs} outputs, expected 2 classes for a single "
                f"output, or rows of targets for the loss {loss.name}"
            )
        return 2, lambda y: y[:, None].astype(np.float64)
    if classes != outputs:
        raise DataError(f"{name}: found {classes} classes, expected {outputs}, the outputs of the network")
    return outputs, (lambda y: y) if loss.target == "labels" else (lambda y: np.eye(outputs)[y])


def _in_range(network: Parametrised, y: np.ndarray, name: str) -> np.ndarray:
    """Targets of losses that fall without end when a target lies outside their range."""
    if y.ndim == 1:  # labels: they have been checked
        return y
    targets = _targets_in(network, y.shape[1])
    low, high = _limits(network, targets)
    bad = np.argwhere(~((y >= low) & (y <= high)))
    if len(bad):
        row, column = (int(i) for i in bad[0])
        raise DataError(
            f"{name}: y, row {row} (from 0), column {column}: found {y[row, column]}, expected a number from "
            f"{low[column]:g} to {high[column]:g} for the loss {network.loss_row.name}"
        )
    whole = np.repeat(np.array([v.kind == "integer" for v in targets], np.bool_), _widths(targets))
    if not (y[:, whole] == np.rint(y[:, whole])).all():
        row, column = (int(i) for i in np.argwhere(whole & (y != np.rint(y)))[0])
        found = f"{name}: y, row {row} (from 0), column {column}: found {y[row, column]}"
        raise DataError(f"{found}, expected a whole number")
    return y


def _widths(variables: Sequence[Variable]) -> np.ndarray:
    return np.array([columns(variable) for variable in variables], np.int64)


def _limits(network: Parametrised, targets: Sequence[Variable]) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest number in each column of the targets."""
    found = [
        _RANGES["values" if number else network.reading]
        if variable.kind == "real"
        # What is below a length of each call, each call says.
        else (0.0 if variable.below else -inf, variable.below - 1 if isinstance(variable.below, int) else inf)
        for number, variable in enumerate(targets)
    ]
    low, high = np.repeat(np.array(found).reshape(-1, 2).T, _widths(targets), axis=1)
    return low, high


_RANGES: Mapping[str, tuple[float, float]] = {"classes": (0, inf), "logits": (0, 1), "values": (-inf, inf)}
"""The least and the greatest target in a row, by how the loss reads its outputs."""


# --- arrays in the dtypes of the model -----------------------------------------------------------------------------


def _fit(model: Model, theta: np.ndarray, data: Dataset, train: Parts, test: Parts) -> Fit | None:
    """How well the test rows of a regression are predicted; None for other data, and without test rows."""
    network = model.network
    if network.reading != "values" or not network.plain_targets or data.classes is not None or not count_of(test):
        return None
    (y, weights), (known, by_train) = (_targets_and_weights(parts) for parts in (test, train))
    output = np.concatenate([model.loss_and_output(theta, *rows.arrays)[1] for rows in chunks(model, test)])
    with np.errstate(all="ignore"):  # huge numbers overflow as IEEE says
        mean = mean_of_rows(known, by_train)
        found = NumberEvaluation.of(data.target_names, y, output, mean, weights)
        scaling = target_scaling(model.network, data)
        unit = 1.0 if scaling is None else scaling.scale
        return Fit(found.r2, unit * found.rmse, unit * found.baseline)


def _targets_and_weights(parts: Parts) -> tuple[np.ndarray, np.ndarray | None]:
    """Those of all parts, one behind the other."""
    weights = [rows.w for rows in parts if rows.w is not None]
    y = np.concatenate([rows.y[0] for rows in parts]).astype(np.float64)
    return y, np.concatenate(weights) if weights else None


def _fitted(model: Model, data: Dataset, class_weights: ClassWeights) -> tuple[Parts, Parts, Parts]:
    """The three parts of the data with targets that fit the loss, cast once and for all."""
    fitted = targets_for(model.network, data)
    by_class = _by_class(model.network, data, class_weights)
    parts = {"train": fitted.train, "validation": fitted.validation, "test": fitted.test}
    splits = {name: _weighted(part, getattr(data, name).y, by_class) for name, part in parts.items()}
    if any(split.weights is not None for split in splits.values()):
        splits = {name: split if split.weights is not None else _alike(split) for name, split in splits.items()}
    train, validation, test = (_cast(model, split, f"{data.name}: {name}") for name, split in splits.items())
    return train, validation, test


def _alike(split: Split) -> Split:
    """Rows that all count as much."""
    return replace(split, weights=np.ones(len(split.x)))


ClassWeights = Literal["balanced"] | Mapping[str, float] | None


def _by_class(network: Parametrised, data: Dataset, given: ClassWeights) -> np.ndarray | None:
    """How much the rows of each class count, by its number."""
    if given is None:
        return None
    if not network.plain_targets:
        raise DataError(f"{data.name}: found class_weights, expected none for targets of each step")
    if data.classes is None:
        raise DataError(f"{data.name}: found targets that are numbers, expected classes for class_weights")
    if given == "balanced":
        at = slice(None) if data.train.lengths is None else firsts(data.train.lengths)
        weights = None if data.train.weights is None else data.train.weights[at]
        counts = np.bincount(data.train.y.astype(np.int64)[at], weights, len(data.classes))
        present = counts > 0
        found: np.ndarray = np.divide(counts.sum() / present.sum(), counts, where=present, out=np.ones(len(counts)))
        return found
    assert isinstance(given, Mapping)
    for name in given:
        if name not in data.classes:
            raise DataError(f"class_weights: {unknown('class', name, data.classes)}")
    return np.array([given.get(name, 1.0) for name in data.classes])


def _weighted(part: Split, labels: np.ndarray, by_class: np.ndarray | None) -> Split:
    """The rows, each with its weight times that of its class."""
    if by_class is None or not len(part.x):
        return part
    weights = by_class[labels]
    return replace(part, weights=weights if part.weights is None else weights * part.weights)


def _cast(model: Model, split: Split, name: str) -> Parts:
    """The rows as the model's functions take them, in parts of one length each."""
    network = model.network
    if split.lengths is None:
        return (_cast_part(model, split, None, name),)
    width = prod(split.y.shape[1:])
    if len(_targets_in(network, width)) < len(network.target_variables):
        return (_cast_part(model, _padded(network, split), int(split.lengths.max()), name),)
    return tuple(
        _cast_part(model, _only(split, rows_of(which, split.lengths)), length, name)
        for length, which in by_length(split.lengths)
    )


def _only(split: Split, rows: np.ndarray) -> Split:
    return Split(split.x[rows], split.y[rows], None if split.weights is None else split.weights[rows])


def _padded(network: Parametrised, split: Split) -> Split:
    """Sequences with zeros behind them to the longest, and which of their steps count beside the targets."""
    assert split.lengths is not None
    lengths, longest = split.lengths, int(split.lengths.max())
    counts = np.arange(longest) < lengths[:, None]

    def longer(values: np.ndarray) -> np.ndarray:
        found = np.zeros((len(lengths) * longest, *values.shape[1:]))
        found[counts.ravel()] = values
        return found

    which = network.target_variables[1]
    said = counts.ravel() if varies(which) else np.repeat(lengths, longest)
    y = np.column_stack([longer(split.y.reshape(len(split.y), -1)), said])
    weights = None if split.weights is None else np.repeat(split.weights[firsts(lengths)], longest)
    return Split(longer(split.x), y, weights)


def _cast_part(model: Model, rows: Split, steps: int | None, name: str) -> Rows:
    """The same of samples of so many rows each."""
    network, dtype = model.network, model.dtype
    x, y = rows.x, rows.y
    if not len(x):  # a part without rows has no columns either
        x, y = x.reshape(0, network.features), y.reshape(0, _widths(network.target_variables).sum())
        steps = 1 if network.takes_sequences else None
    with np.errstate(over="ignore"):  # reported below
        inputs = network.inputs_of(x, dtype, steps)
        targets = apart(y.reshape(len(y), prod(y.shape[1:])), network.target_variables, dtype, steps)
        weights = None if rows.weights is None else rows.weights[::steps].astype(dtype)
    found = Rows(inputs, targets, weights, steps or 1)
    for variable, array in zip(network.data, found.arrays):
        if not np.isfinite(array).all():
            given = rows.weights if array is weights else x if any(array is one for one in inputs) else y
            largest = np.inf if given is None else np.abs(given).max()
            raise DataError(f"{name}: {variable.name}: found {largest:g}, expected numbers that {dtype} can hold")
    return found


# --- the loop -----------------------------------------------------------------------------------------------------


@dataclass
class _Record:
    """What training has come to. Each change is one assignment, so that it is whole whenever Ctrl-C comes."""

    model: Model
    data: Dataset
    keeping: Keeping
    best: Best
    last: int
    """The number of the last epoch that was asked for."""
    history: list[Epoch] = field(default_factory=list)
    samples: int = 0
    seconds: float = 0.0
    position: Position | None = None
    begun_with: Mapping[str, str] = field(default_factory=dict)
    written: int = 0
    """The steps that had been made when the state of the run was last written."""

    def resume(self, settings: TrainingSpec, arrays: Sequence[np.ndarray], count: int, wanted: bool) -> None:
        """Go on where the state that is kept says, if there is one and it is wanted."""
        at = self.position
        stood: list[str | np.ndarray]
        stood = [] if at is None else [at.theta, *at.state.values(), json.dumps([at.number, at.steps, at.generator])]
        self.begun_with = {
            "network": digest(fingerprint(self.model.network.graph)),
            "settings": digest(json.dumps(settings.model_dump(), sort_keys=True), str(self.model.dtype)),
            "parameters": digest(self.best.theta, *stood),
            "data": digest(*arrays),
        }
        course = Course.read(
            self.keeping, wanted, self.begun_with, settings.optimiser, self.best.theta, count, self.last
        )
        if course is not None:
            self.best, self.history, self.position = course.best, list(course.history), course.position
            self.samples, self.seconds, self.written = self.position.samples, self.position.seconds, self.position.steps

    def state(self, position: Position) -> State:
        """All that the run depends on from there; its epochs so far may be one more."""
        self.written = position.steps
        return Course(tuple(self.history[: position.number]), self.best, position).state(self.begun_with)

    def pause(self, position: Callable[[], Position]) -> None:
        """The run may be broken off here, if its parameters are finite: else it ends with the next batch."""

        def state() -> State | None:
            at = position()
            return self.state(at) if np.isfinite(at.theta).all() else None

        self.keeping.pause(state)

    def keep(self) -> None:
        """Keep what is known of the last place where the run can go on, unless something later is kept."""
        at = self.position
        if at is not None and at.standing is None and at.steps > self.written:
            self.keeping.write(self.state(at))

    def add(self, epoch: Epoch, theta: np.ndarray) -> None:
        self.history.append(epoch)
        if epoch.score < self.best.score:
            self.best = Best(theta.copy(), epoch.number, epoch.score)

    def has_lost(self, patience: int | None) -> bool:
        """Whether so many epochs in turn have not been better than the best."""
        return patience is not None and self.history[-1].number - self.best.number >= patience

    def result(
        self,
        stopped: Stopped,
        test_loss: float | None = None,
        test_accuracy: float | None = None,
        test_fit: Fit | None = None,
    ) -> TrainingResult:
        return TrainingResult(
            theta=self.best.theta,
            history=tuple(self.history),
            best_epoch=self.best.number,
            stopped=stopped,
            test_loss=test_loss,
            test_accuracy=test_accuracy,
            test_fit=test_fit,
            samples_per_second=self.samples / self.seconds if self.seconds else 0.0,
            model=self.model,
            dataset=self.data,
            position=self.position,
        )


def _run(
    model: Model,
    rows: Parts,
    validation: Parts,
    settings: TrainingSpec,
    record: _Record,
    shown: bool | None,
    on_epoch: Callable[[Epoch], object],
) -> Stopped:
    """Train epoch by epoch, note each in the record, and say why training ended."""
    count = count_of(rows)
    optimiser = OPTIMISERS[settings.optimiser]
    if settings.gradient_clip is not None:
        optimiser = optimiser.clipped
    numbers = {name: getattr(settings, name) for name in optimiser.settings}
    generator = np.random.Generator(np.random.PCG64(settings.seed))
    before = record.position
    start = record.best.theta if before is None else before.theta
    descent = Descent(model, start, optimiser, seed=settings.seed, **numbers)
    parts = [descent.checked(part.x, part.y, part.w) for part in rows if len(part)]
    if before is not None:
        descent.resume(before.state, before.steps, before.samples)
        generator.bit_generator.state = dict(before.generator)
    held = count_of(validation) > 0
    score = Scores(model, validation if held else rows)
    schedule = settings.schedule
    rate, rates = SCHEDULES[schedule.name].start(
        settings.learning_rate, record.last, (epoch.score for epoch in record.history), **dict(schedule.parameters)
    )
    # Before the first epoch, so that no epoch's seconds hold compiling, and that only what is better is kept.
    loss, _ = score(descent.theta)
    untrained = before.untrained if before else loss if isfinite(loss) else inf
    if before is None:
        record.best = replace(record.best, score=untrained)
    done, passed, begun = (before.number, before.passed, before.begun) if before else (0, Passed(), 0.0)
    with reporting(shown) as report:
        progress = _Progress(report, record.last, count)
        for number in range(done + 1, record.last + 1):
            started = perf_counter() - begun
            stood = partial(
                Position.of,
                descent,
                number=number - 1,
                seconds=record.seconds,
                generator=generator.bit_generator.state,
                untrained=untrained,
            )
            descent.numbers["learning_rate"] = rate
            order = generator.permutation(count)
            for passed in _pieces(descent, parts, order, settings.batch_size, passed):  # noqa: B020
                progress.reach((number - 1) * count + passed.rows)
                if isfinite(passed.total):
                    record.pause(partial(stood, passed=passed, begun=perf_counter() - started))
            loss = descent.mean(passed)
            passed, begun = Passed(), 0.0
            record.samples, record.seconds = descent.samples, record.seconds + perf_counter() - started
            found = score(descent.theta) if isfinite(loss) else _NOTHING
            epoch = _epoch(number, loss, found, held, perf_counter() - started)
            record.add(epoch, descent.theta)
            if isfinite(epoch.score):
                generated = generator.bit_generator.state
                record.position = stood(number=number, seconds=record.seconds, generator=generated)
            rate = rates.send(epoch.score)
            progress.show(epoch)
            asked = asks_to_stop(on_epoch, epoch)
            if not isfinite(epoch.score):
                return "diverged"
            if asked:
                return "callback"
            if record.has_lost(settings.patience):
                return "early"
    return "finished"


def _pieces(
    descent: Descent, parts: Sequence[Checked], order: np.ndarray, size: int, begun: Passed
) -> Iterator[Passed]:
    """An epoch over the rows in this order, in batches of one length each: how far it is after each piece."""
    done = 0
    for part, rows in _batches(parts, order, size):
        if done + len(rows) > begun.rows:
            at = Passed(max(0, begun.rows - done), begun.total)
            for found in descent.over(part, rows, size, at):
                begun = Passed(done + found.rows, found.total)
                yield begun
            if not isfinite(begun.total):
                return
        done += len(rows)


def _batches(parts: Sequence[Checked], order: np.ndarray, size: int) -> Iterator[tuple[Checked, np.ndarray]]:
    """The rows of each part in the order drawn, cut into batches that come when they are full, what is left at the end.

    Batches of one part that follow each other are given together.
    """
    if len(parts) == 1:
        yield parts[0], order
        return
    ends = np.cumsum([part.rows for part in parts])
    of_part = np.searchsorted(ends, order, side="right")
    batches = []
    for number, part in enumerate(parts):
        places = np.flatnonzero(of_part == number)
        rows = order[places] - (ends[number] - part.rows)
        for start in range(0, len(rows), size):
            batch = rows[start : start + size]
            full = places[start + size - 1] if len(batch) == size else len(order)
            batches.append((full, number, batch))
    batches.sort(key=lambda batch: batch[:2])
    for number, same in groupby(batches, key=lambda batch: batch[1]):
        yield parts[number], np.concatenate([batch for _, _, batch in same])


def _descend(
    model: Model,
    rows: Parts,
    validation: Parts,
    settings: TrainingSpec,
    record: _Record,
    shown: bool | None,
    on_epoch: Callable[[Epoch], object],
) -> Stopped:
    """The same by steps of L-BFGS, each on all rows."""
    count, held = count_of(rows), count_of(validation) > 0
    score = Scores(model, validation if held else rows)
    objective = _objective(model, rows)
    before = record.position
    if before is not None and before.standing is not None:
        untrained, done, start = before.untrained, before.number, before.standing
    else:
        theta = record.best.theta
        loss, _ = score(theta)
        untrained, done = loss if isfinite(loss) else inf, 0
        first = Iterate(theta.astype(np.float64), *objective(theta))
        start = Standing(first, first.theta)
        record.best = replace(record.best, score=untrained)
    here = start.here
    if not here.is_finite:
        record.add(Epoch(1, here.loss, None, None, 0.0), record.best.theta)
        return "diverged"
    steps = lbfgs(lambda theta: Iterate(theta, *objective(theta)), start)
    with reporting(shown) as report:
        progress = _Progress(report, record.last, count)
        for number in range(done + 1, record.last + 1):
            started, loss = perf_counter(), here.loss
            at = next(steps, None)
            if at is None:
                break
            here = at.here
            theta = here.theta.astype(model.dtype)
            record.samples, record.seconds = record.samples + count, record.seconds + perf_counter() - started
            found = score(theta)
            epoch = _epoch(number, loss, found, held, perf_counter() - started)
            record.add(epoch, theta)
            record.position = Position(
                LBFGS, theta, {}, number, number, record.samples, record.seconds, {}, untrained, standing=at
            )
            progress.reach(number * count)
            progress.show(epoch)
            if asks_to_stop(on_epoch, epoch):
                return "callback"
            if record.has_lost(settings.patience):
                return "early"
    return "finished"


def _objective(model: Model, parts: Parts) -> Callable[[np.ndarray], tuple[float, np.ndarray]]:
    """Loss and gradient on all rows, those of the parts by what these count."""
    objectives = [model.objective(*part.arrays) for part in parts]
    if len(parts) == 1:
        return objectives[0]
    counts = np.array([model.network.counts(part.y, part.w).sum(dtype=np.float64) for part in parts])
    shares = counts / counts.sum()

    def evaluate(theta: np.ndarray) -> tuple[float, np.ndarray]:
        found = [objective(theta) for objective in objectives]
        loss = sum(share * loss for share, (loss, _) in zip(shares.tolist(), found))
        return loss, np.sum([share * gradient for share, (_, gradient) in zip(shares, found)], axis=0)

    return evaluate


_Found = tuple[float | None, float | None]
"""A loss, and an accuracy where there is a notion of it."""
_NOTHING: _Found = (None, None)
"""Those of rows that are not there."""


def _epoch(number: int, loss: float, found: _Found, held: bool, seconds: float) -> Epoch:
    """An epoch whose parameters have been evaluated on the validation rows, or on those of training if none are."""
    validated, fitted = (found, _NOTHING) if held else (_NOTHING, found)
    return Epoch(number, loss, *validated, seconds, *fitted)


def _evaluated(model: Model, theta: np.ndarray, rows: Parts) -> _Found:
    return Scores(model, rows)(theta) if count_of(rows) else _NOTHING


def _checked_model(network: Parametrised, model: Model | None) -> Model:
    model = network.compile() if model is None else model
    if not isinstance(model, Model):
        raise SymnnError(f"model: found {quote(model)}, expected a Model, as network.compile() gives it")
    if model.network is not network and model.network.graph != network.graph:
        raise SymnnError("model: found the functions of another network, expected those of the network to be trained")
    return model


def _ignore(epoch: Epoch) -> None:
    """Who trains without ``on_epoch`` does not care."""


class _Progress:
    """How many rows have been trained on, and how the last epoch went."""

    def __init__(self, report: Report, epochs: int, rows: int) -> None:
        self._report = report
        self._epochs = epochs
        self._rows = epochs * rows
        self._done = 0
        self._last: Epoch | None = None

    def reach(self, rows: int) -> None:
        self._done = rows
        self._report(self._done / self._rows, self._text)

    def show(self, epoch: Epoch) -> None:
        self._last = epoch
        self._report(self._done / self._rows, self._text)

    def _text(self) -> str:
        last = self._last
        if last is None:
            return f"epoch 0/{self._epochs}"
        texts = [f"epoch {last.number}/{self._epochs}", f"loss {last.training_loss:.3g}"]
        if last.validation_loss is not None:
            texts.append(f"validation {last.validation_loss:.3g}")
        if last.validation_accuracy is not None:
            texts.append(f"accuracy {last.validation_accuracy:.1%}")
        return "  ".join(texts)
