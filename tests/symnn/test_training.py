"""Training: what a run computes, when it ends, what it keeps, and which data it takes."""

import io
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sympy import tanh

import symnn
from symnn import descent, scoring
from symnn.data import Dataset, Split, load_digits, load_frame, minibatches
from symnn.errors import DataError, SymnnError
from symnn.losses import LOSSES
from symnn.network import Network, dense
from symnn.optimisers import OPTIMISERS
from symnn.scaling import Scaling
from symnn.spec import TrainingSpec
from symnn.training import Epoch, TrainingResult, evaluate, targets_for, train

pytestmark = pytest.mark.values

Array = NDArray[Any]

CLASSIFIER = Network(2, (dense(2),), "softmax_cross_entropy")
REGRESSION = Network(2, (dense(1),), "mean_squared_error")
EMPTY = Split(np.empty((0, 2)), np.empty(0, dtype=np.int64))


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def dataset(parts: list[Split], classes: tuple[str, ...] | None) -> Dataset:
    train, validation, test = parts
    return Dataset("toy", train, validation, test, ("x0", "x1"), classes, np.zeros(2), np.ones(2))


def blobs(classes: int = 2, counts: tuple[int, int, int] = (40, 12, 12), spread: float = 0.7) -> Dataset:
    """Points around as many corners of a polygon as there are classes."""
    random = generator()

    def part(count: int) -> Split:
        labels = random.integers(classes, size=count)
        angles = 2 * np.pi * labels / classes
        centres = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        return Split(centres + spread * random.normal(size=(count, 2)), labels)

    return dataset([part(count) for count in counts], tuple("abcdefgh"[:classes]))


def plane(counts: tuple[int, int, int] = (40, 12, 12)) -> Dataset:
    """y = 3·x0 − x1 + 0.5, one column."""
    random = generator()

    def part(count: int) -> Split:
        x = random.normal(size=(count, 2))
        return Split(x, x @ np.array([[3.0], [-1.0]]) + 0.5)

    return dataset([part(count) for count in counts], None)


def with_column(data: Dataset, values: Callable[[Array], Array]) -> Dataset:
    """The data with targets that are rows of ``values(x)``."""
    train, validation, test = (Split(part.x, values(part.x)) for part in (data.train, data.validation, data.test))
    return replace(data, train=train, validation=validation, test=test, classes=None)


def settings(**changes: Any) -> TrainingSpec:
    return TrainingSpec(**{"epochs": 5, "batch_size": 8, **changes})


def same_bits(one: TrainingResult, other: TrainingResult) -> bool:
    def figures(result: TrainingResult) -> list[Epoch]:
        return [replace(epoch, seconds=0) for epoch in result.history]

    return bool((one.theta == other.theta).all()) and figures(one) == figures(other)


def interrupt_at(call: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Ctrl-C in the middle of a certain call, counted from 1."""

    def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
        calls = iter(range(1, sys.maxsize))

        def interrupted(*arguments: Any, **options: Any) -> Any:
            result = function(*arguments, **options)
            if next(calls) == call:
                raise KeyboardInterrupt
            return result

        return interrupted

    return wrap


# ------------------------------------------------------------------------------------------- the loop


def test_a_run_is_the_textbooks_loop() -> None:
    """Gradient descent on a linear regression, batch by batch."""
    data = plane()
    result = train(REGRESSION, data, settings(optimiser="gradient_descent", learning_rate=0.1))
    batches = generator()
    w, b = (part.copy() for part in REGRESSION.split(REGRESSION.initial_parameters(0)).values())
    for _ in range(5):
        for rows in minibatches(40, 8, batches):
            x, y = data.train.x[rows], data.train.y[rows]
            error = x @ w.T + b - y
            w = w - 0.1 * 2 * error.T @ x / len(x)
            b = b - 0.1 * 2 * error.mean(axis=0)
    assert result.best_epoch == 5
    np.testing.assert_allclose(result.theta, [*w.ravel(), *b], rtol=1e-12)


def test_rows_that_weigh_two_are_rows_given_twice() -> None:
    data, random = blobs(), generator(1)
    weights = {name: random.integers(1, 3, len(getattr(data, name).x)) for name in ("train", "validation", "test")}

    def parts(change: Callable[[Split, Array], Split]) -> Dataset:
        return replace(data, **{name: change(getattr(data, name), w) for name, w in weights.items()})

    twice = parts(lambda part, w: Split(part.x.repeat(w, axis=0), part.y.repeat(w)))
    weighted = parts(lambda part, w: replace(part, weights=w.astype(float)))
    one, other = (train(CLASSIFIER, found, settings(batch_size=100)) for found in (weighted, twice))
    np.testing.assert_allclose(one.theta, other.theta, rtol=1e-12)
    assert one.test_loss == pytest.approx(other.test_loss, rel=1e-12)
    assert one.test_accuracy == pytest.approx(other.test_accuracy, rel=1e-12)
    number = {"a": 2.0, "b": 0.5}
    by_class = train(CLASSIFIER, data, settings(class_weights=number))
    given = {"epochs": np.int64(5), "batch_size": 8, "class_weights": {0: 2, np.int64(1): 0.5}}
    numbered = train(CLASSIFIER, replace(data, classes=("0", "1")), given)
    np.testing.assert_array_equal(by_class.theta, numbered.theta)
    by_row = replace(data, train=replace(data.train, weights=np.array([2.0, 0.5])[data.train.y]))
    np.testing.assert_array_equal(by_class.theta, train(CLASSIFIER, by_row, settings()).theta)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"weights": np.ones(3)}, r"weights: found an array with shape \(3,\), expected \(40,\)"),
        ({"weights": np.zeros(40)}, r"weights, row 0 \(from 0\): found 0, expected a number above 0"),
        ({"settings": {"class_weights": {"left": 2.0}}}, "class_weights: unknown class 'left'"),
    ],
)
def test_weights_that_do_not_fit_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        train(CLASSIFIER, POINTS, SIDES, **arguments)


def test_a_schedule_says_the_rate_of_each_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[float] = []
    mean = descent.Descent.mean

    def noting(self: descent.Descent, passed: descent.Passed) -> float:
        found.append(self.numbers["learning_rate"])
        return mean(self, passed)

    monkeypatch.setattr(descent.Descent, "mean", noting)
    train(CLASSIFIER, blobs(), settings(learning_rate=0.8, schedule={"step": {"every": 2, "factor": 0.5}}))
    assert found == [0.8, 0.8, 0.4, 0.4, 0.2]
    for schedule in ("cosine", "plateau"):
        assert train(CLASSIFIER, blobs(), settings(schedule=schedule)).stopped == "finished"
    assert found[5:10] == pytest.approx([settings().learning_rate * (1 + np.cos(np.pi * k / 5)) / 2 for k in range(5)])


def test_lbfgs_finds_the_least_squares() -> None:
    data = plane()
    result = train(REGRESSION, data, settings(optimiser="lbfgs", epochs=40))
    assert result.test_loss is not None
    assert result.test_loss < 1e-12
    np.testing.assert_allclose(result.theta, [3, -1, 0.5], rtol=1e-6)
    assert result.history[-1].training_loss < 1e-3 * result.history[0].training_loss


def test_clipped_gradients_make_steps_that_are_no_longer() -> None:
    clip: dict[str, Any] = {"optimiser": "gradient_descent", "learning_rate": 0.1, "epochs": 1, "batch_size": 40}
    start = np.array([10.0, 10.0, 10.0])
    theta = train(REGRESSION, plane((40, 0, 0)), settings(gradient_clip=0.5, **clip), initial=start).theta
    assert np.linalg.norm(theta - start) == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("loss", "dtype"),
    [
        *((loss, "float64") for loss in LOSSES),
        *(
            pytest.param(loss, "float32", marks=() if loss in ("huber", "binary_cross_entropy") else pytest.mark.slow)
            for loss in LOSSES
        ),
    ],
)
def test_every_loss_trains_in_every_dtype(loss: str, dtype: Any) -> None:
    network = Network(2, (dense(2),), loss)
    data = blobs()
    if loss == "binary_cross_entropy":
        data = with_column(data, lambda x: (x > 0).astype(float))
    result = train(network, data, settings(epochs=8, learning_rate=0.05), model=network.compile(dtype))
    losses = [epoch.validation_loss for epoch in result.history]
    assert result.theta.dtype == dtype
    assert result.stopped == "finished"
    assert losses[0] is not None
    assert min(loss for loss in losses if loss is not None) < 0.95 * losses[0]
    assert (result.test_accuracy is None) == (network.reading == "values")
    assert result.test_accuracy is None or result.test_accuracy > 0.7


def test_two_classes_and_a_single_logit_train_with_binary_cross_entropy() -> None:
    result = train(Network(2, (dense(1),), "binary_cross_entropy"), blobs(spread=0.3), settings())
    assert result.test_accuracy == 1


def test_a_run_repeats_itself_and_another_seed_does_not() -> None:
    first, again, other = (train(CLASSIFIER, blobs(), settings(seed=seed)) for seed in (0, 0, 1))
    assert same_bits(first, again)
    assert not same_bits(first, other)
    longer = train(CLASSIFIER, blobs(), settings(epochs=6))
    assert longer.history[2].training_loss == first.history[2].training_loss


def test_training_begins_where_it_is_told() -> None:
    start = np.array([5.0, -5, 5, -5, 1, -1])
    seen = train(CLASSIFIER, blobs(), settings(epochs=1, learning_rate=1e-300), initial=start)
    np.testing.assert_array_equal(seen.theta, start)
    np.testing.assert_array_equal(start, [5.0, -5, 5, -5, 1, -1])


def test_the_training_loss_weights_batches_by_their_size() -> None:
    """A learning rate of next to nothing: each batch sees the same parameters, also the last, which is smaller."""
    data = blobs(counts=(10, 12, 12))
    result = train(CLASSIFIER, data, settings(epochs=1, batch_size=4, learning_rate=1e-300))
    expected, _ = evaluate(CLASSIFIER.compile(), CLASSIFIER.initial_parameters(0), data.train)
    assert result.history[0].training_loss == pytest.approx(expected, rel=1e-14)


def test_the_result_holds_the_best_epoch_and_its_figures() -> None:
    data, told = blobs(), list[Epoch]()
    result = train(CLASSIFIER, data, settings(epochs=10, learning_rate=1.0), on_epoch=told.append)
    assert list(result.history) == told
    assert [epoch.number for epoch in told] == list(range(1, 11))
    scores = [epoch.score for epoch in told]
    assert scores == [epoch.validation_loss for epoch in told]
    assert result.best_epoch == 1 + int(np.argmin(scores))
    model = CLASSIFIER.compile()
    best = told[result.best_epoch - 1]
    assert evaluate(model, result.theta, data.validation) == (best.validation_loss, best.validation_accuracy)
    assert evaluate(model, result.theta, data.test) == (result.test_loss, result.test_accuracy)
    assert all(epoch.seconds > 0 for epoch in told)
    assert result.samples_per_second > 0


def test_the_settings_are_those_of_the_spec_unless_given() -> None:
    spec = {"inputs": 2, "layers": [{"dense": 2}], "loss": "softmax_cross_entropy", "training": {"epochs": 2}}
    network = Network.from_spec(spec)
    assert len(train(network, blobs()).history) == 2
    assert len(train(network, blobs(), settings(epochs=3)).history) == 3


def test_digits_are_read_at_96_percent() -> None:
    spec = {
        "inputs": 64,
        "layers": [{"dense": 32, "activation": "tanh"}, {"dense": 10}],
        "loss": "softmax_cross_entropy",
        "training": {"optimiser": "nesterov", "learning_rate": 0.1, "momentum": 0.9, "batch_size": 32, "epochs": 30},
    }
    result = train(Network.from_spec(spec), load_digits())
    assert result.test_accuracy is not None
    assert result.test_accuracy >= 0.96


# ------------------------------------------------------------------------------------------- regression


def in_other_units(data: Dataset) -> Dataset:
    """Targets such as prices: 3·10⁵ + 10⁵·y, with the scaling that a data set has of its training rows."""
    data = with_column(data, lambda x: 3e5 + 1e5 * (np.tanh(x[:, :1]) + 0.1 * np.sin(9 * x)[:, 1:]))
    return replace(data, target_scaling=Scaling.of(data.train.y))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_regression_does_not_depend_on_the_unit_of_its_targets(dtype: Any) -> None:
    data = in_other_units(plane())
    network = Network(2, (dense(8, "tanh"), dense(1)), "mean_squared_error")
    result = train(network, data, settings(epochs=50), model=network.compile(dtype))
    assert result.test_fit is not None
    y = data.test.y
    squares = (result.predict(data.test.x) - y) ** 2  # the toy data has mean 0 and scale 1
    np.testing.assert_allclose(result.test_fit.error, np.sqrt(squares.mean(axis=0)), rtol=1e-3)
    np.testing.assert_allclose(result.test_fit.r2, 1 - squares.mean(axis=0) / y.var(axis=0), rtol=1e-3)
    np.testing.assert_allclose(result.test_fit.baseline, np.sqrt(((y - data.train.y.mean()) ** 2).mean(axis=0)))
    assert result.test_fit.r2 > 0.8


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "mean_squared_error"])
def test_classes_have_no_r2(loss: str) -> None:
    assert train(Network(2, (dense(2),), loss), blobs(), settings(epochs=1)).test_fit is None


@pytest.mark.parametrize(
    ("chosen", "seeds", "least"),
    [({"optimiser": "adam", "learning_rate": 0.01, "epochs": 100}, 1, 0.45), ({}, 10, 0.43)],
    ids=["adam", "defaults"],
)
def test_diabetes_is_predicted_as_well_as_by_others(chosen: dict[str, Any], seeds: int, least: float) -> None:
    raw = pytest.importorskip("sklearn.datasets").load_diabetes()
    data = Dataset.from_arrays(raw.data, raw.target)
    network = Network(10, (dense(16, "tanh"), dense(1)), "mean_squared_error")
    model = network.compile()
    fits = [train(network, data, {**chosen, "seed": seed}, model=model).test_fit for seed in range(seeds)]
    assert np.mean([fit.r2 for fit in fits if fit is not None]) >= least


# ------------------------------------------------------------------------------------------- going on


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_ten_epochs_and_ten_more_are_twenty_to_the_bit(optimiser: str, dtype: Any) -> None:
    chosen = settings(optimiser=optimiser, epochs=10, learning_rate=0.01)
    model = CLASSIFIER.compile(dtype)
    half = train(CLASSIFIER, blobs(), chosen, model=model)
    whole = train(CLASSIFIER, blobs(), chosen, model=model, initial=half)
    assert same_bits(whole, train(CLASSIFIER, blobs(), settings(**{**dict(chosen), "epochs": 20}), model=model))
    assert [epoch.number for epoch in whole.history] == list(range(1, 21))


@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
def test_three_steps_of_lbfgs_and_three_more_are_six_to_the_bit(dtype: Any) -> None:
    x = np.random.default_rng(0).normal(size=(200, 2))
    network = Network(2, (dense(8, "tanh"), dense(2)), "softmax_cross_entropy")
    given = {"network": network, "data": x, "y": (x[:, 0] * x[:, 1] > 0).astype(int), "model": network.compile(dtype)}
    three = train(**given, settings={"optimiser": "lbfgs", "epochs": 3})
    whole = train(**given, settings={"optimiser": "lbfgs", "epochs": 3}, initial=three)
    assert same_bits(whole, train(**given, settings={"optimiser": "lbfgs", "epochs": 6}))
    assert [epoch.number for epoch in whole.history] == list(range(1, 7))


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_run_that_was_broken_off_goes_on_where_its_last_epoch_ended(error: type[BaseException]) -> None:
    def stop(epoch: Epoch) -> None:
        if epoch.number == 3:
            raise error

    try:
        broken = train(CLASSIFIER, blobs(), settings(), on_epoch=stop)
    except RuntimeError as raised:
        broken = raised.result  # type: ignore[attr-defined]
    whole = train(CLASSIFIER, blobs(), settings(epochs=2), initial=broken)
    assert same_bits(whole, train(CLASSIFIER, blobs(), settings()))


def test_a_run_that_diverges_when_it_goes_on_keeps_the_best_of_before() -> None:
    first = train(REGRESSION, plane(), settings())
    second = train(REGRESSION, plane(), settings(learning_rate=1e6, epochs=100), initial=first)
    assert (second.stopped, second.improved, second.best_epoch) == ("diverged", True, first.best_epoch)
    np.testing.assert_array_equal(second.theta, first.theta)


def test_only_a_training_of_the_same_kind_can_go_on() -> None:
    first = train(CLASSIFIER, blobs(), settings(epochs=1))
    with pytest.raises(SymnnError, match="initial: found a training by nesterov, expected one by adam"):
        train(CLASSIFIER, blobs(), settings(optimiser="adam"), initial=first)
    with pytest.raises(SymnnError, match="initial: found a training in float64, expected one in float32"):
        train(CLASSIFIER, blobs(), settings(), initial=first, model=CLASSIFIER.compile("float32"))


# ------------------------------------------------------------------------------------------- raw arrays

POINTS = np.random.default_rng(0).normal(size=(40, 2))
SIDES = (POINTS[:, 0] > 0).astype(int)
ARRAYS: dict[str, tuple[str, int, Any, tuple[str, ...] | None]] = {
    "labels": ("softmax_cross_entropy", 2, SIDES, ("0", "1")),
    "whole floats": ("softmax_cross_entropy", 2, SIDES.astype(float), ("0", "1")),
    "a class that no row has": ("softmax_cross_entropy", 3, 2 * SIDES, ("0", "1", "2")),
    "names": ("softmax_cross_entropy", 2, np.where(SIDES == 1, "right", "left"), ("left", "right")),
    "yes and no": ("binary_cross_entropy", 1, SIDES, ("0", "1")),
    "a column of yes and no": ("binary_cross_entropy", 1, SIDES[:, None], ("0", "1")),
    "probabilities": ("binary_cross_entropy", 1, 0.25 + 0.5 * SIDES, None),
    "rows of probabilities": ("softmax_cross_entropy_rows", 2, np.eye(2)[SIDES], None),
    "numbers": ("mean_squared_error", 1, POINTS.sum(axis=1), None),
    "whole numbers": ("mean_squared_error", 1, SIDES, None),
    "a list": ("mean_squared_error", 1, POINTS.sum(axis=1).tolist(), None),
}


@pytest.mark.parametrize("what", ARRAYS)
def test_raw_arrays_are_taken_as_the_loss_wants_them(what: str) -> None:
    loss, outputs, y, classes = ARRAYS[what]
    result = train(Network(2, (dense(outputs),), loss), 1e3 + 10 * POINTS, y, {"epochs": 20, "learning_rate": 0.01})
    assert result.dataset.classes == classes
    assert result.improved
    assert result.predict(1e3 + 10 * POINTS).shape == (40, outputs)


@pytest.mark.parametrize("dtype", [pytest.param("float64", marks=pytest.mark.slow), "float32"])
def test_a_result_is_saved_with_all_that_predicting_needs(dtype: str, tmp_path: Path) -> None:
    flowers = {"size": [*range(20)], "colour": ["red", "blue"] * 10, "kind": ["rose", "daisy"] * 10}
    network = Network(3, (dense(4, lambda x: x * tanh(x)), dense(2)), "softmax_cross_entropy")
    result = train(network, load_frame(flowers, "kind"), {"epochs": 5}, model=network.compile(dtype))
    result.save(tmp_path / "a.safetensors")
    found = symnn.load(tmp_path / "a.safetensors")
    assert found.classes == ("daisy", "rose")
    assert found.theta.dtype == np.dtype(dtype)
    assert found.predict(flowers).tolist() == result.predict(flowers).tolist()


# ------------------------------------------------------------------------------------------- how it ends


def misleading() -> Dataset:
    """Validation labels are swapped: what is learned makes the validation loss worse."""
    data = blobs(spread=0.3)
    return replace(data, validation=Split(data.validation.x, 1 - data.validation.y))


def test_a_run_whose_patience_is_over_does_not_go_on() -> None:
    chosen = settings(epochs=3, patience=3)
    half = train(CLASSIFIER, misleading(), chosen, initial=np.zeros(6))
    whole = train(CLASSIFIER, misleading(), settings(epochs=6, patience=3), initial=np.zeros(6))
    assert same_bits(train(CLASSIFIER, misleading(), chosen, initial=half), whole)


def test_patience_ends_a_run_that_no_longer_helps() -> None:
    result = train(CLASSIFIER, misleading(), settings(epochs=50, patience=3), initial=np.zeros(6))
    assert result.stopped == "early"
    assert (result.best_epoch, len(result.history)) == (0, 3)


def test_without_validation_rows_the_loss_on_the_training_rows_after_the_epoch_decides() -> None:
    data = replace(misleading(), validation=EMPTY, test=EMPTY)
    result = train(CLASSIFIER, data, settings(epochs=10, patience=3))
    scores = [epoch.score for epoch in result.history]
    assert scores == [epoch.fitted_loss for epoch in result.history]
    assert result.best_epoch == 1 + int(np.argmin(scores)) > 1
    assert evaluate(CLASSIFIER.compile(), result.theta, data.train) == (
        min(scores),
        result.history[result.best_epoch - 1].fitted_accuracy,
    )
    assert result.history[0].validation_loss is None
    assert (result.test_loss, result.test_accuracy) == (None, None)


@pytest.mark.parametrize("held_out", [True, False])
@pytest.mark.parametrize(("learning_rate", "epochs", "stopped"), [(20.0, 1000, "diverged"), (1.5, 5, "finished")])
def test_where_no_epoch_is_better_than_the_start_the_start_is_kept(
    learning_rate: float, epochs: int, stopped: str, held_out: bool
) -> None:
    chosen = settings(optimiser="gradient_descent", learning_rate=learning_rate, epochs=epochs, batch_size=40)
    data = plane() if held_out else replace(plane(), validation=EMPTY)
    result = train(REGRESSION, data, chosen)
    assert (result.stopped, result.improved, result.best_epoch) == (stopped, False, 0)
    np.testing.assert_array_equal(result.theta, REGRESSION.initial_parameters(0))
    assert result.test_loss is not None
    assert np.isfinite(result.test_loss)


def test_an_overflow_in_the_very_last_update_is_noticed() -> None:
    data = replace(plane(), validation=EMPTY)
    one_step = settings(optimiser="gradient_descent", learning_rate=1.7e308, epochs=1, batch_size=40)
    result = train(REGRESSION, data, one_step)
    assert result.stopped == "diverged"
    assert result.best_epoch == 0
    np.testing.assert_array_equal(result.theta, REGRESSION.initial_parameters(0))


@pytest.mark.parametrize("how", ["raised", "signalled"])
def test_ctrl_c_between_epochs_keeps_the_best_so_far(how: str) -> None:
    def on_epoch(epoch: Epoch) -> None:
        if epoch.number == 3 and how == "raised":
            raise KeyboardInterrupt
        if epoch.number == 3:
            signal.raise_signal(signal.SIGINT)

    # A shell that starts the tests in the background has them ignore the signal.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        result = train(CLASSIFIER, blobs(), settings(epochs=1000), on_epoch=on_epoch)
    finally:
        signal.signal(signal.SIGINT, handler)
    assert result.stopped == "interrupted"
    assert same_bits(result, train(CLASSIFIER, blobs(), settings(epochs=3)))
    assert result.test_loss is not None


def raises(error: type[Exception]) -> object:
    raise error("from on_epoch")


@pytest.mark.parametrize("wish", [lambda: True, lambda: np.True_, lambda: raises(StopIteration)])
def test_on_epoch_may_end_a_run(wish: Callable[[], object]) -> None:
    result = train(CLASSIFIER, blobs(), settings(), on_epoch=lambda epoch: wish() if epoch.number == 3 else False)
    assert result.stopped == "callback"
    assert same_bits(result, train(CLASSIFIER, blobs(), settings(epochs=3)))
    assert result.test_loss is not None


@pytest.mark.parametrize("answer", [None, 1, "yes", np.ones(2)])
def test_an_answer_of_on_epoch_that_is_not_true_is_none(answer: object) -> None:
    assert train(CLASSIFIER, blobs(), settings(), on_epoch=lambda _: answer).stopped == "finished"


@pytest.mark.parametrize("error", [RuntimeError, SystemExit, MemoryError])
def test_an_error_of_on_epoch_carries_the_best_so_far(error: type[Exception]) -> None:
    with pytest.raises(error, match="from on_epoch") as raised:
        train(CLASSIFIER, blobs(), settings(), on_epoch=lambda epoch: epoch.number == 3 and raises(error))
    result = raised.value.result  # type: ignore[attr-defined]
    assert result.stopped == "interrupted"
    assert same_bits(result, train(CLASSIFIER, blobs(), settings(epochs=3)))
    assert "attribute `result`" in raised.value.__notes__[0]


@pytest.mark.parametrize(("step", "epochs"), [(1, 0), (5, 0), (6, 1), (14, 2)])
def test_ctrl_c_within_an_epoch_keeps_the_epochs_before(
    step: int, epochs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five steps an epoch; before the first has ended there are only the initial parameters."""
    interrupt = interrupt_at(step)
    monkeypatch.setattr(descent, "CALL_SECONDS", 0)  # a step a call
    monkeypatch.setattr(descent.Minibatches, "run", interrupt(descent.Minibatches.run))
    result = train(CLASSIFIER, blobs(), settings())
    monkeypatch.undo()
    assert result.stopped == "interrupted"
    assert len(result.history) == epochs
    if epochs:
        assert same_bits(result, train(CLASSIFIER, blobs(), settings(epochs=epochs)))
    else:
        assert (result.best_epoch, result.samples_per_second) == (0, 0)
        np.testing.assert_array_equal(result.theta, CLASSIFIER.initial_parameters(0))


def test_ctrl_c_in_the_final_evaluation_keeps_everything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = train(CLASSIFIER, blobs(), settings(epochs=2))
    # One call before the first epoch, one in each of two epochs, the fourth on the test rows.
    monkeypatch.setattr(scoring.Scores, "__call__", interrupt_at(4)(scoring.Scores.__call__))
    result = train(CLASSIFIER, blobs(), settings(epochs=2))
    assert (result.stopped, result.test_loss, result.test_accuracy) == ("finished", None, None)
    assert same_bits(result, whole)


# ------------------------------------------------------------------------------------------- evaluation


def test_accuracy_counts_what_the_loss_calls_right() -> None:
    x = np.array([[1.0, 0], [0, 1], [1, 0], [0, 1]])
    identity = np.array([1.0, 0, 0, 1, 0, 0])  # outputs are the inputs
    cases: list[tuple[str, Array, float | None]] = [
        ("softmax_cross_entropy", np.array([0, 1, 1, 1]), 0.75),
        ("softmax_cross_entropy_rows", np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.7, 0.3]]), 0.5),
        ("binary_cross_entropy", np.array([[1.0, 0], [1, 1], [0, 0], [0, 1]]), 0.75),
        ("mean_squared_error", x, None),
    ]
    for loss, y, accuracy in cases:
        model = Network(2, (dense(2),), loss).compile()
        assert evaluate(model, identity, Split(x, y))[1] == accuracy


def test_chunks_of_rows_give_the_mean_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(2, (dense(2),), "softmax_cross_entropy", weight_decay=0.3)
    model, theta, rows = network.compile(), network.initial_parameters(0), blobs(counts=(43, 1, 1)).train
    whole = evaluate(model, theta, rows)
    monkeypatch.setattr(scoring, "CHUNK_NUMBERS", 40)  # ten rows of two inputs and two units
    loss, accuracy = evaluate(model, theta, rows)
    assert loss == pytest.approx(whole[0], rel=1e-14)
    assert accuracy == whole[1]


def test_an_evaluation_needs_rows() -> None:
    with pytest.raises(DataError, match="without rows"):
        evaluate(CLASSIFIER.compile(), CLASSIFIER.initial_parameters(0), EMPTY)


# ------------------------------------------------------------------------------------------- targets


@pytest.mark.parametrize(
    ("loss", "outputs", "classes", "expected"),
    [
        ("softmax_cross_entropy", 3, 3, lambda labels: labels),
        ("softmax_cross_entropy_rows", 3, 3, lambda labels: np.eye(3)[labels]),
        ("mean_squared_error", 3, 3, lambda labels: np.eye(3)[labels]),
        ("binary_cross_entropy", 1, 2, lambda labels: labels[:, None].astype(float)),
    ],
)
def test_labels_become_what_the_loss_takes(
    loss: str, outputs: int, classes: int, expected: Callable[[Array], Array]
) -> None:
    network, data = Network(2, (dense(outputs),), loss), blobs(classes)
    fitted = targets_for(network, data)
    for part, raw in [(fitted.train, data.train), (fitted.validation, data.validation), (fitted.test, data.test)]:
        np.testing.assert_array_equal(part.y, expected(raw.y))
        assert part.y.dtype == expected(raw.y).dtype
        np.testing.assert_array_equal(part.x, raw.x)
    np.testing.assert_array_equal(targets_for(network, fitted).train.y, fitted.train.y)


def test_rows_of_targets_stay_as_they_are() -> None:
    data = plane()
    np.testing.assert_array_equal(targets_for(REGRESSION, data).train.y, data.train.y)


def test_labels_need_no_names() -> None:
    data = replace(blobs(), classes=None)
    np.testing.assert_array_equal(targets_for(CLASSIFIER, data).train.y, data.train.y)


COUNTS = Dataset.from_arrays(np.eye(2)[[0, 1] * 10], [4, 5, 6, 5] * 5, name="toy")
FLOATS = Dataset.from_arrays(np.eye(2)[[0, 1] * 10], [1.0, 0.0] * 10, name="toy")


@pytest.mark.parametrize(
    ("network", "data", "message"),
    [
        (Network(5, (dense(2),), "softmax_cross_entropy"), blobs(), "toy: found 2 features, expected 5, the inputs"),
        (Network(2, (dense(3),), "softmax_cross_entropy"), blobs(), "toy: found 2 classes, expected 3, the outputs"),
        (Network(2, (dense(3),), "mean_squared_error"), blobs(), "toy: found 2 classes, expected 3, the outputs"),
        (
            Network(2, (dense(2),), "binary_cross_entropy"),
            blobs(),
            "toy: found labels of 2 classes for 2 outputs, expected 2 classes for a single output",
        ),
        (
            Network(2, (dense(1),), "binary_cross_entropy"),
            blobs(3),
            "toy: found labels of 3 classes for 1 outputs, expected 2 classes for a single output",
        ),
        (CLASSIFIER, plane(), "toy: found 1 columns of targets, expected labels for the loss softmax_cross_entropy"),
        (Network(2, (dense(3),), "huber"), plane(), "toy: found 1 columns of targets, expected 3, the outputs"),
        (
            Network(2, (dense(1),), "huber"),
            COUNTS,
            "toy: found 3 .*; if they are numbers, say task='regression'",
        ),
        (CLASSIFIER, FLOATS, "toy: found 1 columns of .*; if they are labels, say task='classification'"),
        (
            Network(2, (dense(1),), "binary_cross_entropy"),
            with_column(plane(), lambda x: np.full((len(x), 1), 1.5)),
            r"toy: train: y, row 0 \(from 0\), column 0: found 1.5, expected a number from 0 to 1",
        ),
        (
            Network(2, (dense(2),), "softmax_cross_entropy_rows"),
            with_column(plane(), lambda x: np.full((len(x), 2), -0.5)),
            "toy: train: y, row 0 .*: found -0.5, expected a number from 0 to inf",
        ),
        (CLASSIFIER, replace(blobs(), train=EMPTY), "toy: train: x has no rows"),
        (
            CLASSIFIER,
            replace(blobs(), test=Split(np.full((1, 2), np.nan), np.array([0]))),
            "toy: test: x, row 0 .*: found nan",
        ),
        (
            CLASSIFIER,
            replace(blobs(), validation=Split(np.ones((1, 2)), np.array([2]))),
            "toy: validation: y, row 0 .*: found label 2, expected a whole number from 0 to 1",
        ),
        (
            CLASSIFIER,
            replace(blobs(), validation=plane().validation),
            "toy: validation: y has shape .*, expected as many axes as in the training part",
        ),
    ],
)
def test_data_that_do_not_fit_are_refused(network: Network, data: Dataset, message: str) -> None:
    with pytest.raises(DataError, match=f"^{message}"):
        train(network, data)


@pytest.mark.parametrize(("size", "words"), [(1e200, r"\S+e\+200 to \S+e\+200"), (1e-200, r"\S+e-200 to \S+e-200")])
def test_a_target_whose_deviation_cannot_be_held_is_named_before_training(size: float, words: str) -> None:
    frame = {"a": POINTS[:, 0], "b": POINTS[:, 1], "weight": POINTS[:, 0], "price": size * POINTS[:, 1]}
    data = load_frame(frame, ["weight", "price"])
    network = Network(2, (dense(2),), "mean_squared_error")
    with pytest.raises(DataError, match=f"column 'price': found values from {words}, expected ones that can be"):
        train(network, data, settings(), on_epoch=lambda _: raises(AssertionError))
    with pytest.raises(DataError, match="column 1 of the targets: found"):
        train(network, replace(data, target_names=()), settings())


def test_numbers_that_a_dtype_cannot_hold_are_refused() -> None:
    data = plane()
    huge = replace(data, test=Split(data.test.x, np.full((12, 1), 1e200)))
    with pytest.raises(DataError, match=r"toy: test: y: found 1e\+200, expected numbers that float32 can hold"):
        train(REGRESSION, huge, settings(epochs=1), model=REGRESSION.compile("float32"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"initial": np.zeros(5)}, r"initial: found an array of float64 with shape \(5,\), expected .* shape \(6,\)"),
        ({"initial": np.array(["a"] * 6)}, "initial: found an array of <U1"),
        ({"initial": np.array([0, 0, np.nan, 0, 0, 0])}, "initial: entry 2: found nan"),
        ({"model": REGRESSION.compile()}, "model: found the functions of another network"),
    ],
)
def test_a_start_that_does_not_fit_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(SymnnError, match=f"^{message}"):
        train(CLASSIFIER, blobs(), settings(), **arguments)


# ------------------------------------------------------------------------------------------- the progress bar


class Terminal(io.StringIO):
    """Standard error of somebody who looks on."""

    def isatty(self) -> bool:
        return True


def test_no_terminal_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    train(CLASSIFIER, blobs(), settings())
    assert capsys.readouterr() == ("", "")


def test_the_bar_is_drawn_ten_times_a_second_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    started = time.perf_counter()
    train(CLASSIFIER, blobs(), settings(epochs=50), on_epoch=lambda _: time.sleep(0.01))
    seconds = time.perf_counter() - started
    drawings = terminal.getvalue().count("epoch ")
    assert 4 <= drawings <= 10 * seconds + 2  # and once each at the beginning and at the end
    last = terminal.getvalue().split("epoch ")[-1]
    assert last.startswith("50/50  loss 0.")
    assert "accuracy 91.7%" in last
    assert "0:00:00" in last


def test_a_terminal_can_be_spared_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    train(CLASSIFIER, blobs(), settings(), progress=False)
    assert terminal.getvalue() == ""
