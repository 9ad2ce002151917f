"""Training: epochs in compiled code over seeded minibatches, evaluation after each, the best parameters kept."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from inspect import Parameter, signature
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike

from codegen.errors import of_type
from symnn.callbacks import hand_over
from symnn.checkpoint import target_scaling
from symnn.course import Best, Epoch
from symnn.data import Dataset, Split
from symnn.descent import checked_parameters
from symnn.errors import DataError, SymnnError
from symnn.evaluation import NumberEvaluation, mean_of_rows
from symnn.given import called, function
from symnn.parametrised import Model, Parametrised
from symnn.resuming import INTERRUPTED, Keeping, keeping_for
from symnn.scoring import Parts, Scores, chunks, count_of
from symnn.spec import LBFGS, TrainingSpec
from symnn.suggest import canonical, quote, unknown
from symnn.training.descents import Run
from symnn.training.given import data_and_settings, settings_of
from symnn.training.record import Record
from symnn.training.result import Fit, Stopped, TrainingResult
from symnn.training.rows import cast, fitted
from symnn.training.targets import targets_for

__all__ = [
    "Epoch",
    "Fit",
    "Stopped",
    "TrainingResult",
    "data_and_settings",
    "evaluate",
    "settings_of",
    "targets_for",
    "train",
]


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
    >>> from symnn.network import Network, dense
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
    rows, validation, test = fitted(model, data, settings.class_weights)
    trained = model if rows[0].w is None else model.weighted
    keeping = keeping_for(state)
    with keeping:
        record = _started(model, data, settings, initial, keeping)
        if keeping.path is not None and settings.optimiser != LBFGS:
            arrays = [array for part in (*rows, *validation, *test) for array in part.arrays]
            record.resume(settings, arrays, count_of(rows), resume)
        try:
            with _one_blas_thread(trained):
                stopped = Run(trained, rows, validation, settings, record, progress, on_epoch)()
        except KeyboardInterrupt:
            stopped = INTERRUPTED
            record.keep()
        except BaseException as error:
            hand_over(error, "result", record.result(INTERRUPTED))
            raise
        try:
            with _one_blas_thread(trained):
                evaluated = Scores(trained, test)(record.best.theta) if count_of(test) else (None, None)
                tested = (*evaluated, _fit(trained, record.best.theta, data, rows, test))
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
        if name in TrainingSpec.belonging_elsewhere:
            raise SymnnError(f"train: found {name}, expected it {TrainingSpec.belonging_elsewhere[name]}")
        known = [key for key, p in signature(train).parameters.items() if p.kind is Parameter.KEYWORD_ONLY]
        raise SymnnError(unknown("argument", name, known))


def _started(model: Model, data: Dataset, settings: TrainingSpec, initial: Any, keeping: Keeping) -> Record:
    """The record of a training that begins, or of one that goes on."""
    if not isinstance(initial, TrainingResult):
        start = model.network.initial_parameters(settings.seed) if initial is None else initial
        return Record(model, data, keeping, Best(checked_parameters(model, start, "initial")), settings.epochs)
    position = initial.position
    best = checked_parameters(model, initial.theta, "initial")
    if position is None:
        return Record(model, data, keeping, Best(best), settings.epochs)
    if position.optimiser != settings.optimiser:
        raise SymnnError(
            f"initial: found a training by {position.optimiser}, expected one by {settings.optimiser}, as the settings "
            "say; initial=result.theta begins anew with its parameters"
        )
    if position.theta.dtype != np.dtype(model.dtype):
        raise SymnnError(f"initial: found a training in {position.theta.dtype}, expected one in {model.dtype}")
    scores = {epoch.number: epoch.score for epoch in initial.history}
    return Record(
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

    >>> from symnn.network import Network, dense
    >>> network = Network(1, (dense(2, bias=False),), "softmax_cross_entropy")
    >>> split = Split(np.array([[1.0], [-1.0], [2.0]]), np.array([0, 1, 1]))
    >>> loss, accuracy = evaluate(network.compile(), np.array([1.0, -1.0]), split)
    >>> round(loss, 4), round(accuracy, 4)  # log(1 + exp(-2)), log(1 + exp(-2)) and log(1 + exp(4))
    (1.424, 0.6667)
    """
    if len(split.x) == 0:
        raise DataError("evaluate: found a split without rows, expected at least one")
    chosen = model if split.weights is None else model.weighted
    return Scores(chosen, cast(chosen, split, "evaluate"))(checked_parameters(chosen, theta, "theta"))


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


def _checked_model(network: Parametrised, model: Model | None) -> Model:
    model = network.compile() if model is None else model
    if not isinstance(model, Model):
        raise SymnnError(f"model: found {quote(model)}, expected a Model, as network.compile() gives it")
    if model.network is not network and model.network.graph != network.graph:
        raise SymnnError("model: found the functions of another network, expected those of the network to be trained")
    return model
