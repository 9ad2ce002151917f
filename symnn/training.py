"""Training: seeded minibatches, one compiled gradient and one compiled update a step, the best parameters kept."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from math import inf, isfinite, nan
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from symnn.data import Dataset, Integers, Split, check_split, minibatches
from symnn.errors import DataError, SymnnError
from symnn.losses import Loss
from symnn.network import Model, Network, resolve_loss
from symnn.optimisers import OPTIMISERS
from symnn.spec import TrainingSpec

if TYPE_CHECKING:  # imported when a bar is shown: it takes longer than a small training
    from rich.progress import Progress, TaskID

Stopped = Literal["finished", "early", "interrupted", "diverged"]
"""Why training ended: all epochs done, patience lost, Ctrl-C, or a loss that is not finite."""

REDRAW_SECONDS = 0.1
"""The least time between two drawings of the progress bar."""

CHUNK_NUMBERS = 2**22
"""Numbers in all layers that an evaluation holds at once: 32 MB in float64, whatever the size of the data set."""


@dataclass(frozen=True)
class Epoch:
    """One pass over the training rows.

    training_loss: the mean over the batches, weighted by size, of the loss before each update; where a batch gave none
    that is finite, that one, and the epoch ended there. validation_loss and validation_accuracy are of the parameters
    after the epoch, None without validation rows, without a notion of accuracy, or after a loss that is not finite.
    """

    number: int
    training_loss: float
    validation_loss: float | None
    validation_accuracy: float | None
    seconds: float

    @property
    def score(self) -> float:
        """What the best epoch has the least of: the validation loss, or the training loss without validation rows."""
        return self.training_loss if self.validation_loss is None else self.validation_loss


# eq=False: comparing arrays gives an array, so the generated == would raise.
@dataclass(frozen=True, eq=False)
class TrainingResult:
    """The best parameters, and how they were found.

    theta: the parameters after epoch ``best_epoch``, in the dtype of the model; epoch 0 are the initial ones.
    test_loss, test_accuracy: theirs; None without test rows, or when Ctrl-C came while they were computed.
    samples_per_second: of the training steps alone, without compilation and evaluation; 0 if no epoch was finished.
    """

    theta: np.ndarray
    history: tuple[Epoch, ...]
    best_epoch: int
    stopped: Stopped
    test_loss: float | None
    test_accuracy: float | None
    samples_per_second: float


def train(
    network: Network,
    data: Dataset,
    settings: TrainingSpec | None = None,
    *,
    model: Model | None = None,
    initial: np.ndarray | None = None,
    progress: bool | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> TrainingResult:
    """Minimise the loss over the training rows. The same arguments give the same bits.

    settings: those of the network's spec, or the defaults. model: the network, compiled; in float64 unless given.
    initial: the parameters to start from, instead of ``network.initial_parameters(settings.seed)``.
    progress: whether to draw a bar on standard error; None draws it where that is a terminal.
    on_epoch: called after every epoch.

    Training ends early after ``settings.patience`` epochs without a better :attr:`Epoch.score`, and at the first loss
    that is not finite. Ctrl-C ends it too, and is not raised again: the best parameters so far are returned.

    Raises :class:`DataError` for data that do not fit the network, and :class:`SymnnError` for a model or initial
    parameters of another network.

    >>> from symnn.data import load_digits
    >>> from symnn.network import dense
    >>> result = train(Network(64, (dense(10),), "softmax_cross_entropy"), load_digits(), TrainingSpec(epochs=5))
    >>> result.stopped, len(result.history), result.test_accuracy > 0.9
    ('finished', 5, True)
    """
    settings = settings or (network.spec.training if network.spec else TrainingSpec())
    model = _checked_model(network, model)
    data = _fitted(model, data)
    record = _Record(_starting_point(model, initial, settings.seed))
    try:
        stopped = _run(model, data, settings, record, _is_terminal() if progress is None else progress, on_epoch)
    except KeyboardInterrupt:
        stopped = "interrupted"
    try:
        test_loss, test_accuracy = _evaluated(model, record.theta, data.test)
    except KeyboardInterrupt:
        test_loss, test_accuracy = None, None
    return TrainingResult(
        theta=record.theta,
        history=tuple(record.history),
        best_epoch=record.best_epoch,
        stopped=stopped,
        test_loss=test_loss,
        test_accuracy=test_accuracy,
        samples_per_second=record.samples / record.seconds if record.seconds else 0.0,
    )


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
    theta = np.ascontiguousarray(theta, dtype=model.dtype)
    count_hits = _HITS[model.network.reading]
    loss, hits = 0.0, 0.0
    for part in _chunks(model, split):
        loss += model.loss(theta, part.x, part.y) * len(part.x)
        if count_hits is not None:
            hits += count_hits(model.predict(theta, part.x), part.y)
    rows = len(split.x)
    return loss / rows, hits / rows if count_hits is not None else None


def targets_for(network: Network, dataset: Dataset) -> Dataset:
    """The data set with targets as the network's loss takes them: labels (S,), or rows (S, outputs).

    Labels become one-hot rows for a loss over rows, and one column of 0 and 1 for ``binary_cross_entropy`` with two
    classes and a single output. Parts without rows are let through, except for training.

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
    if dataset.features != network.inputs:
        raise DataError(
            f"{dataset.name}: found {dataset.features} features, expected {network.inputs}, the inputs of the network"
        )
    targets, encode = _encoding(network, dataset)

    def fit(part: Split, name: str) -> Split:
        if part.y.ndim != dataset.train.y.ndim:
            raise DataError(f"{name}: y has shape {part.y.shape}, expected as many axes as in the training part")
        checked = check_split(part, network.inputs, targets, name)
        return Split(checked.x, _in_range(network, encode(checked.y), name))

    return replace(
        dataset,
        train=fit(dataset.train, f"{dataset.name}: train"),
        validation=fit(dataset.validation, f"{dataset.name}: validation") if len(dataset.validation.x) else _NO_ROWS,
        test=fit(dataset.test, f"{dataset.name}: test") if len(dataset.test.x) else _NO_ROWS,
    )


# --- targets ------------------------------------------------------------------------------------------------------

Encode = Callable[[np.ndarray], np.ndarray]

_NO_ROWS = Split(np.empty((0, 0)), np.empty(0))


def _encoding(network: Network, dataset: Dataset) -> tuple[int, Encode]:
    """How many classes (or columns) the targets have to have, and what makes of them what the loss takes."""
    name, outputs, loss = dataset.name, network.outputs, resolve_loss(network.loss)[0]
    if dataset.train.y.ndim != 1:
        columns = dataset.train.y.shape[-1]
        if loss.target == "labels":
            raise DataError(f"{name}: found {columns} columns of targets, expected labels for the loss {loss.name}")
        if columns != outputs:
            raise DataError(
                f"{name}: found {columns} columns of targets, expected {outputs}, the outputs of the network"
            )
        return outputs, lambda y: y
    classes = outputs if dataset.classes is None else len(dataset.classes)
    if _is_binary(loss):
        if (classes, outputs) != (2, 1):
            raise DataError(
                f"{name}: found labels of {classes} classes for {outputs} outputs, expected 2 classes for a single "
                f"output, or rows of targets for the loss {loss.name}"
            )
        return 2, lambda y: y[:, None].astype(np.float64)
    if classes != outputs:
        raise DataError(f"{name}: found {classes} classes, expected {outputs}, the outputs of the network")
    return outputs, (lambda y: y) if loss.target == "labels" else np.eye(outputs).__getitem__


def _is_binary(loss: Loss) -> bool:
    return loss.target == "rows" and loss.reading == "logits"


def _in_range(network: Network, y: np.ndarray, name: str) -> np.ndarray:
    """Targets of losses that fall without end when a target lies outside their range."""
    low, high = _RANGES[network.reading]
    bad = np.argwhere((y < low) | (y > high)) if y.ndim == 2 else ()
    if len(bad):
        row, column = (int(i) for i in bad[0])
        raise DataError(
            f"{name}: y, row {row} (from 0), column {column}: found {y[row, column]}, expected a number from {low:g} "
            f"to {high:g} for the loss {resolve_loss(network.loss)[0].name}"
        )
    return y


_RANGES: Mapping[str, tuple[float, float]] = {"classes": (0, inf), "logits": (0, 1), "values": (-inf, inf)}
"""The least and the greatest target in a row, by how the loss reads its outputs."""


def _class_hits(output: np.ndarray, y: np.ndarray) -> float:
    labels = y if y.ndim == 1 else y.argmax(axis=1)
    return float((output.argmax(axis=1) == labels).sum())


def _logit_hits(output: np.ndarray, y: np.ndarray) -> float:
    return float(((output > 0) == (y > 0.5)).mean(axis=1).sum())


_HITS: Mapping[str, Callable[[np.ndarray, np.ndarray], float] | None] = {
    "classes": _class_hits,
    "logits": _logit_hits,
    "values": None,
}
"""How many rows are right, by how the loss reads its outputs."""


def _chunks(model: Model, split: Split) -> Iterator[Split]:
    """The split in the dtypes of the model, so many rows at a time that their layers fit in a chunk's memory."""
    width = model.network.inputs + sum(layer.dense or 0 for layer in model.network.layers)
    rows = max(1, CHUNK_NUMBERS // width)
    for start in range(0, len(split.x), rows):
        yield _cast(model, Split(split.x[start : start + rows], split.y[start : start + rows]), "evaluate")


def _cast(model: Model, split: Split, name: str) -> Split:
    """The arrays as the model's functions take them; nothing is copied that is so already."""
    y_dtype = np.dtype(np.int64 if split.y.ndim == 1 else model.dtype)
    with np.errstate(over="ignore"):  # reported below
        x, y = np.ascontiguousarray(split.x, dtype=model.dtype), np.ascontiguousarray(split.y, dtype=y_dtype)
    for letter, values in (("x", x), ("y", y)):
        if not np.isfinite(values).all():
            largest = np.abs(getattr(split, letter)).max()
            raise DataError(f"{name}: {letter}: found {largest:g}, expected numbers that {values.dtype} can hold")
    return Split(x, y)


# --- the loop -----------------------------------------------------------------------------------------------------


@dataclass
class _Record:
    """What training has come to: always whole, so that Ctrl-C may come at any time."""

    theta: np.ndarray
    best_epoch: int = 0
    best_score: float = inf
    history: list[Epoch] = field(default_factory=list)
    samples: int = 0
    seconds: float = 0.0

    def add(self, epoch: Epoch, theta: np.ndarray) -> None:
        self.history.append(epoch)
        if epoch.score < self.best_score:
            self.theta, self.best_epoch, self.best_score = theta.copy(), epoch.number, epoch.score


def _run(
    model: Model,
    data: Dataset,
    settings: TrainingSpec,
    record: _Record,
    shown: bool,
    on_epoch: Callable[[Epoch], None] | None,
) -> Stopped:
    """Train epoch by epoch, note each in the record, and say why it ended."""
    descent = _Descent(model, settings, record.theta, data.train)
    model.loss, model.predict  # noqa: B018 - compiled here, so that no epoch's seconds hold it
    generator = np.random.Generator(np.random.PCG64(settings.seed))
    with _bar(shown, settings.epochs, len(data.train.x)) as bar:
        for number in range(1, settings.epochs + 1):
            started = perf_counter()
            loss = descent.run(minibatches(len(data.train.x), settings.batch_size, generator), bar)
            trained = perf_counter()
            ...
    return "finished"
