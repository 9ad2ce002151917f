"""Sequences of lengths that each call decides: trained in batches of one length, or padded, from lists and files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import symnn
from codegen.numeric.evaluate import evaluate
from symnn.descent import Checked
from symnn.network import Network
from symnn.training import descents
from symnn.training.rows import fitted

pytestmark = pytest.mark.values

Array = NDArray[Any]
LENGTHS = np.array([3, 1, 4, 3, 1, 2, 4, 3])
STEPS = {"time": "any", "features": 2}


def walks(lengths: Array = LENGTHS, seed: int = 0) -> list[Array]:
    generator = np.random.Generator(np.random.PCG64(seed))
    return [generator.normal(size=(n, 2)) for n in lengths]


def last(**settings: Any) -> Network:
    return Network(STEPS, [symnn.recurrent(3), symnn.dense(2)], "softmax_cross_entropy", **settings)


def each(**settings: Any) -> Network:
    return Network(STEPS, [symnn.recurrent(3, output="all"), symnn.dense(2)], "softmax_cross_entropy", **settings)


def signs(x: list[Array]) -> Array:
    return np.array([int(walk[:, 0].sum() > 0) for walk in x])


def sign_of_each(x: list[Array]) -> list[Array]:
    return [(walk[:, 0].cumsum() > 0).astype(int) for walk in x]


def all_of(x: Any, y: Any) -> symnn.Dataset:
    """Nothing is held out, and nothing scaled."""
    y = y if isinstance(y, np.ndarray) else np.concatenate(y)[:, None]
    options: dict[str, Any] = {"standardise": False, "validation_fraction": 0, "test_fraction": 0}
    return symnn.Dataset.from_arrays(x, y, task="classification" if y.ndim == 1 else "regression", **options)


def alone(network: Network, theta: Array, x: Array, y: Any) -> tuple[float, Array]:
    """Loss and gradient of one sequence, of a network of just that length, by NumPy."""
    fixed = Network({"time": len(x), "features": 2}, network.layers, network.loss)
    values = {**fixed.unmerged(theta), "x": x[None], "y": np.asarray(y)[None]}
    found = evaluate(fixed.gradient_graph, values)
    loss, *gradient = (found[name] for name in fixed.gradient_graph.outputs)
    return float(loss), np.concatenate([part.ravel() for part in gradient])


STEP = {"optimiser": "gradient_descent", "learning_rate": 0.5, "batch_size": 100, "epochs": 1}


@pytest.mark.parametrize("network", [pytest.param(last(), marks=pytest.mark.slow), each()], ids=["last", "each"])
def test_a_batch_is_of_one_length_and_its_gradient_is_the_mean_of_those_of_its_sequences(network: Network) -> None:
    x = walks()
    y: Any = signs(x) if network.plain_targets else sign_of_each(x)
    theta = network.initial_parameters()
    result = symnn.train(network, all_of(x, y), STEP, initial=theta, progress=False)
    losses = []
    for length in (1, 2, 3, 4):  # each fills no batch, so they come at the end, the shortest first
        found = [alone(network, theta, x[k], y[k]) for k in np.flatnonzero(length == LENGTHS)]
        losses += [loss for loss, _ in found]
        theta = theta - 0.5 * np.mean([gradient for _, gradient in found], axis=0)
    assert result.position is not None
    np.testing.assert_allclose(result.position.theta, theta, rtol=1e-12, atol=1e-14)
    assert result.history[0].training_loss == pytest.approx(np.mean(losses), rel=1e-12)
    fitted = np.mean([alone(network, theta, *pair)[0] for pair in zip(x, y)])
    assert result.history[0].fitted_loss == pytest.approx(fitted, rel=1e-12)
    trained = symnn.Checkpoint(network, theta)
    for walk, outputs in zip(x, trained.evaluated(x)):
        np.testing.assert_allclose(outputs, trained.evaluated(walk[None])[0], rtol=1e-12, atol=1e-14)


@pytest.mark.filterwarnings("ignore::codegen.errors.ReadableCodeWarning")
@pytest.mark.slow
@pytest.mark.parametrize("steps", ["lengths", "mask"])
def test_padded_sequences_have_the_loss_and_the_gradient_of_all_steps_of_those_that_are_not(steps: Any) -> None:
    x, network = walks(), each(steps=steps)
    y, theta = sign_of_each(x), network.initial_parameters()
    result = symnn.train(network, all_of(x, y), STEP, initial=theta, progress=False)
    found = [alone(each(), theta, *pair) for pair in zip(x, y)]
    loss = np.average([loss for loss, _ in found], weights=LENGTHS)
    gradient = np.average([gradient for _, gradient in found], weights=LENGTHS, axis=0)
    assert result.position is not None
    np.testing.assert_allclose(result.position.theta, theta - 0.5 * gradient, rtol=1e-12, atol=1e-14)
    assert result.history[0].training_loss == pytest.approx(loss, rel=1e-12)


@pytest.mark.slow
def test_the_gradient_of_sequences_is_that_of_jax() -> None:
    jax = pytest.importorskip("jax")
    numpy, x, network = jax.numpy, walks(), last()
    y, theta = signs(x), last().initial_parameters() + 0.1

    def loss(theta: Any) -> Any:
        p, total = network.split(theta), 0.0
        for walk, label in zip(x, y):
            h = numpy.zeros(3)
            for step in walk:
                h = numpy.tanh(p["W1"] @ step + p["b1"] + p["U1"] @ h)
            total -= jax.nn.log_softmax(p["W2"] @ h + p["b2"])[label]
        return total / len(x)

    with jax.enable_x64(True):
        expected, slope = jax.value_and_grad(loss)(numpy.asarray(theta))
    model = network.compile()
    rows, *_ = fitted(model, all_of(x, y), None)
    found, gradient = descents._objective(model, rows)(theta)
    assert found == pytest.approx(float(expected), rel=1e-12)
    np.testing.assert_allclose(gradient, slope, rtol=1e-12, atol=1e-13)


def test_batches_come_in_a_drawn_order_full_ones_first_and_none_is_of_two_lengths() -> None:
    parts = [Checked((np.zeros((n, 1)),), {}) for n in (3, 5)]
    order = np.array([7, 0, 3, 1, 4, 2, 5, 6])
    found = [(int(part is parts[1]), rows.tolist()) for part, rows in descents._batches(parts, order, 2)]
    assert found == [(1, [4, 0]), (0, [0, 1]), (1, [1, 2]), (0, [2]), (1, [3])]
    (only,) = descents._batches(parts[1:], order[:5], 2)
    assert only[1].tolist() == [7, 0, 3, 1, 4]


@pytest.mark.parametrize("dropped", [0.0, pytest.param(0.4, marks=pytest.mark.slow)])
def test_a_training_goes_on_to_the_bit_and_what_is_saved_predicts_the_same_bits(dropped: float, tmp_path: Path) -> None:
    layers = [symnn.recurrent(3, output="all"), *([symnn.dropout(dropped)] if dropped else []), symnn.dense(2)]
    network = Network(STEPS, layers, "softmax_cross_entropy")
    x = walks(np.arange(40) % 5 + 1)
    y, settings = sign_of_each(x), {"optimiser": "adam", "learning_rate": 0.05, "batch_size": 3, "seed": 1}
    model = network.compile()
    six = symnn.train(model, x, y, {**settings, "epochs": 6}, progress=False)
    three = symnn.train(model, x, y, {**settings, "epochs": 3}, progress=False)
    again = symnn.train(model, x, y, {**settings, "epochs": 3}, initial=three, progress=False)
    assert [e.training_loss for e in again.history] == [e.training_loss for e in six.history]
    np.testing.assert_array_equal(again.theta, six.theta)
    six.save(tmp_path / "a.safetensors")
    for one, other in zip(symnn.load(tmp_path / "a.safetensors").predict(x), six.predict(x)):
        np.testing.assert_array_equal(one, other)


def test_lengths_of_steps_are_held_to_the_steps_that_a_call_has() -> None:
    network = Network({"time": "any", "features": 2}, [symnn.dense(2)], "softmax_cross_entropy", steps="lengths")
    theta, x, y = network.initial_parameters(), np.ones((3, 5, 2)), np.ones((3, 5), int)
    model = network.compile()
    descent = symnn.Descent(model, theta, "gradient_descent", learning_rate=0.1)
    assert np.isfinite(model.value_and_grad(theta, x, y, np.array([5, 1, 3]))[0])
    assert np.isfinite(descent.epoch(x, (y, np.array([5, 1, 3]))))
    for lengths in ([6, 1, 1], [-1, 2, 3], [2**62, 1, 1]):
        with pytest.raises(ValueError, match=r"'lengths' must hold integers from 0 to 5, as T \+ 1 is 6, found"):
            model.value_and_grad(theta, x, y, np.array(lengths))
        with pytest.raises(symnn.SymnnError, match=r"^lengths, row 0: found label -?\d+, expected 0 to 5$"):
            descent.epoch(x, (y, np.array(lengths)))


# ----------------------------------------------------------------------------------------------------- files and lists


def tables(folder: Path, x: list[Array], y: Array) -> dict[str, tuple[Path, str]]:
    """The same data as rows of text, as arrays one below the other, and as padded arrays."""
    names = np.array(["down", "up"])[y]
    lengths = np.array([len(walk) for walk in x])
    lines = [f"w{k},{a!r},{b!r},{names[k]}" for k, walk in enumerate(x) for a, b in walk.tolist()]
    (folder / "walks.csv").write_text("\n".join(["walk,x[0],x[1],kind", *lines, ""]))
    np.savez(folder / "flat.npz", x=np.concatenate(x), lengths=lengths, kind=names)
    padded = np.full((len(x), lengths.max(), 2), 99.0)
    padded[np.arange(lengths.max()) < lengths[:, None]] = np.concatenate(x)
    np.savez(folder / "padded.npz", kind=names, x=padded, lengths=lengths)
    return {"csv": (folder / "walks.csv", "walk"), "flat": (folder / "flat.npz", "lengths"),
            "padded": (folder / "padded.npz", "lengths")}  # fmt: skip


def test_a_table_of_steps_and_arrays_with_lengths_are_one_data_set(tmp_path: Path) -> None:
    x = walks(np.arange(30) % 4 + 1)
    y = signs(x)
    files = tables(tmp_path, x, y)
    listed = symnn.Dataset.from_arrays(x, y)
    read = [symnn.data.load_file(path, "kind", sequences=name) for path, name in files.values()]
    for found in read:
        assert found.classes == ("down", "up")
        assert found.feature_names == ("x[0]", "x[1]")
        for part in ("train", "validation", "test"):
            one, other = getattr(found, part), getattr(listed, part)
            np.testing.assert_array_equal(one.x, other.x)
            np.testing.assert_array_equal(one.y, other.y)
            np.testing.assert_array_equal(one.lengths, other.lengths)
    trained = symnn.Checkpoint.of(last(), last().initial_parameters(), read[0])
    expected = trained.evaluated(x)
    assert trained.sequences == "walk"
    np.testing.assert_array_equal(trained.evaluated(files["csv"][0]), expected)
    evaluation = trained.evaluate(files["csv"][0]), trained.evaluate(x, np.array(["down", "up"])[y])
    np.testing.assert_array_equal(evaluation[0].confusion, evaluation[1].confusion)  # type: ignore[union-attr]
    symnn.checkpoint.save(tmp_path / "a.safetensors", last(), trained.theta, dataset=read[1])
    loaded = symnn.load(tmp_path / "a.safetensors")
    assert loaded.sequences == "lengths"
    np.testing.assert_array_equal(loaded.evaluated(files["padded"][0]), expected)


MISTAKES: list[tuple[Callable[[], Any], str]] = [
    (lambda: symnn.train(last(), np.ones((4, 2)), [0, 1, 0, 1]),
     "x: found sequences of shape (T,), expected (T, 2)"),
    (lambda: symnn.train(last(), [np.ones((2, 3)), np.ones((1, 3))], [0, 1]),
     "x: found sequences of shape (T, 3), expected (T, 2)"),
    (lambda: symnn.train(last(), [np.ones((2, 2)), np.ones((0, 2))], [0, 1]), "x[1]: found shape (0, 2), expected (T"),
    (lambda: symnn.train(each(), walks(), [np.zeros(2, int)] * 8), "y[0]: found 2 steps, expected 3, as many as x has"),
    (lambda: symnn.train(last(), symnn.Dataset.from_arrays(np.ones((8, 2)), [0, 1] * 4)),
     "arrays: found rows, expected sequences of steps"),
    (lambda: symnn.train(Network(2, [symnn.dense(2)], "softmax_cross_entropy"), walks(), signs(walks())),
     "x: found sequences of steps, expected a network of inputs {time: any}"),
    (lambda: symnn.train(last(), symnn.Dataset.from_arrays(walks(), [k % 2 for k in range(21)])),
     "in the same sequence, expected one target for each sequence"),
    (lambda: symnn.Dataset.from_arrays(np.ones((5, 2)), np.ones(5), lengths=[2, 2]),
     "lengths: found 4 steps in all, expected 5, as there are rows"),
    (lambda: symnn.Dataset.from_arrays(np.ones((5, 2)), np.ones(5), lengths=[5, 0]),
     "lengths: found [5, 0], expected a whole number of at least 1 for each sequence"),
    (lambda: symnn.data.load_frame({"walk": [1, 1, 2, 1], "a": [0.0] * 4, "y": [0.0] * 4}, "y", sequences="walk"),
     "row (from 0) 3, column 'walk': found a sequence again, expected its rows one below the other"),
    (lambda: symnn.data.load_frame({"walk": [1, 1], "a": [0.0] * 2, "y": [0.0] * 2}, "y", sequences="wlk"),
     "found no column 'wlk'; the table has 'walk', 'a', 'y'; did you mean 'walk'?"),
    (lambda: symnn.Checkpoint(last(), last().initial_parameters()).predict([np.ones((3, 2)), [[0, 1], [np.nan, 1]]]),
     "x: sequence 1 (from 0), step 1, column 0: found nan, expected a finite number"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "message"), MISTAKES, ids=[message[:40] for _, message in MISTAKES])
def test_a_mistake_about_sequences_is_one_sentence(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(symnn.SymnnError) as caught:
        make()
    assert message in str(caught.value)


ARRAYS: list[tuple[dict[str, Any], str]] = [
    ({"x": np.ones((3, 2)), "n": [2, 2]}, "array 'x' has shape (3, 2), expected 2 sequences, or their 4 steps"),
    ({"x": np.ones((2, 3, 1)), "n": [4, 1]}, "array 'n': found 4 steps, expected at most 3, which 'x' has"),
    ({"x": np.ones((2, 3, 1)), "n": [2.5, 1]}, "array 'n': found array([2.5, 1. ]), expected a whole number"),
    ({"x": np.ones((2, 3, 1)), "n": [2**62, 2**62]}, "expected a whole number of at least 1 for each sequence"),
    ({"x": np.ones((2, 2)), "n": [2**30, 2**30]}, "million bytes, expected at most 1,000"),
    ({"x": np.ones((2, 3, 1)), "m": [1, 1]}, "found no column 'n'"),
]


@pytest.mark.parametrize(("arrays", "message"), ARRAYS, ids=[message[:40] for _, message in ARRAYS])
def test_arrays_that_are_no_sequences_are_refused_before_they_take_memory(
    arrays: dict[str, Any], message: str, tmp_path: Path
) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(symnn.DataError) as caught:
        symnn.data.load_file(tmp_path / "a.npz", "x", sequences="n")
    assert message in str(caught.value)
