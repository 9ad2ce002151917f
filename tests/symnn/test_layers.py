"""Layers: what each kind computes, what shapes it takes, and that a new kind is one file and one row."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import symnn
from codegen.numeric.evaluate import evaluate
from symnn.errors import SpecError
from symnn.network import Network

Array = NDArray[Any]


def random(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def network(inputs: Any, *layers: Any, loss: Any = "mean_squared_error") -> Network:
    return Network.from_spec({"inputs": inputs, "layers": list(layers), "loss": loss})


def output(found: Network, theta: Array, x: Array) -> Array:
    """The forward pass by NumPy, equation by equation: compiling takes a second."""
    return evaluate(found.forward_graph, {**found.unmerged(theta), "x": x})["output"]


def assert_gradient(found: Network, steps: int = 1) -> None:
    """The derived gradient is that of differences, in three directions."""
    generator, S = random(2), {"S": 4, "T": steps}
    theta = found.initial_parameters() + 0.1 * generator.normal(size=found.parameter_count)
    shapes = {v.name: tuple(n if isinstance(n, int) else S[n.name] for n in v.shape) for v in found.data}
    data = {
        v.name: generator.integers(v.below, size=shapes[v.name]) if v.below else generator.normal(size=shapes[v.name])
        for v in found.data
    }

    def value(theta: Array) -> dict[str, Array]:
        return evaluate(found.gradient_graph, {**found.unmerged(theta), **data})

    at = value(theta)
    gradient = np.concatenate([at[name].ravel() for name in found.gradient_graph.outputs[1:]])
    for _ in range(3):
        direction = generator.normal(size=theta.shape)
        above, below = (float(value(theta + h * direction)["loss"]) for h in (1e-6, -1e-6))
        assert (above - below) / 2e-6 == pytest.approx(gradient @ direction, rel=2e-8, abs=2e-8)


# ------------------------------------------------------------------------------------------- a kind of one's own

BLEND = '''
"""A kind that this package does not have: each feature times a weight of its own, and an activation."""

from symnn.layers.layer import ActivationField, Layer
from symnn.layers.writing import filled


class Blend(Layer):
    blend: float
    activation: ActivationField = None

    def parameters(self, given, feeds=None):
        return {"v": filled((given[-1],), self.blend)}

    def write(self, place, x):
        _, features = place.split(x)
        z = place.map("z", x.indices, place.parameters["v"][features] * x.here)
        return place.activated(z, self.activation)


def blend(first, activation=None):
    return Blend(blend=first, activation=activation)
'''


def test_a_new_kind_of_layer_is_a_file_and_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In specs and in Python, trained, checked, saved and loaded, printed."""
    (tmp_path / "blend.py").write_text(BLEND)
    monkeypatch.setattr("symnn.layers.__path__", [*symnn.layers.__path__, str(tmp_path)])
    monkeypatch.setattr("symnn.layers.KINDS", ("blend", *symnn.layers.KINDS))
    try:
        found = network(3, {"dense": 2}, {"blend": 0.5, "activation": "tanh"}, {"dense": 1})
        from symnn.layers.blend import blend  # type: ignore[import-not-found]

        built = Network(3, [symnn.dense(2), blend(0.5, "tanh"), symnn.dense(1)], "mean_squared_error")
        assert found.graph == built.graph
        assert [*found.layout] == ["W1", "b1", "v2", "W3", "b3"]
        theta, x = found.initial_parameters(), random().normal(size=(5, 3))
        p = found.split(theta)
        expected = np.tanh((x @ p["W1"].T + p["b1"]) * 0.5) @ p["W3"].T + p["b3"]
        np.testing.assert_allclose(output(found, theta, x), expected, rtol=1e-13)
        result = symnn.train(built, x, x.sum(axis=1), {"epochs": 2})
        result.save(tmp_path / "a.safetensors")
        np.testing.assert_array_equal(symnn.load(tmp_path / "a.safetensors").predict(x), result.predict(x))
        assert "tanh(z2[s,h])" in symnn.inspect.formulas(built)
        with pytest.raises(SpecError, match=r"layers\[0\]: unknown field 'blnd'; did you mean 'blend'\?"):
            network(3, {"blend": 1.0, "blnd": 2})
    finally:
        sys.modules.pop("symnn.layers.blend", None)
        symnn.layers.layer.kind_of.cache_clear()


# ------------------------------------------------------------------------------------------- shapes


def test_a_layer_without_weights_takes_arrays_of_any_shape() -> None:
    found = network([2, 3, 4], {"activation": "sigmoid"}, "flatten", {"dense": 2})
    theta, x = random().normal(size=50), random(1).normal(size=(5, 2, 3, 4))
    p = found.split(theta)
    expected = 1 / (1 + np.exp(-x.reshape(5, 24))) @ p["W1"].T + p["b1"]
    assert p["W1"].shape == (2, 24)
    np.testing.assert_allclose(output(found, theta, x), expected, rtol=1e-13)
    assert_gradient(found)


def test_dense_layers_act_on_each_step_of_a_sequence() -> None:
    for time in (7, "any"):
        found = network({"time": time, "features": 3}, {"dense": 4, "activation": "tanh"}, {"dense": 2})
        theta, x = random().normal(size=found.parameter_count), random(1).normal(size=(5, 7, 3))
        p = found.split(theta)
        expected = np.tanh(x @ p["W1"].T + p["b1"]) @ p["W2"].T + p["b2"]
        np.testing.assert_allclose(output(found, theta, x), expected, rtol=1e-13)
    assert_gradient(found, 7)


REFUSED: list[tuple[Any, list[Any], str]] = [
    ([1, 8, 8], [{"dense": 3}], "spec: layers[0]: dense takes features last, as 'flatten' makes them, found values of "
     "shape (channel 1, row 8, column 8)"),
    ({"time": "any", "features": 2}, ["flatten", {"dense": 3}], "layers[0]: flatten takes axes of known lengths, found "
     "values of shape (time any, feature 2)"),
    ([8], [{"dense": 3}], "inputs: expected channels and positions, such as [3, 100], or channels, rows and columns"),
    ([1, 8.0], [{"dense": 3}], "inputs[1]: expected a whole number, found 8.0"),
    ({"features": 3}, [{"dense": 3}], "inputs: expected 'time', the number of steps or any, beside 'features'"),
    ({"time": "some"}, [{"dense": 3}], "inputs.time: expected a whole number or any, found 'some'"),
    ({"tiem": 3}, [{"dense": 3}], "inputs: unknown axis 'tiem'; did you mean 'time'?"),
    (3, ["flaten", {"dense": 3}], "layers[0]: unknown layer 'flaten'; did you mean 'flatten'?"),
    (3, [{"flatten": {"axis": 1}}, {"dense": 3}], "layers[0]: unknown field 'axis' (known: none)"),
    (3, [{"flatten": 3}, {"dense": 3}], "layers[0].flatten: expected a mapping of fields, found 3"),
    (3, [{"dense": 3, "flatten": {}}], "layers[0]: found 'dense' and 'flatten', expected an entry of its own for each"),
]  # fmt: skip


@pytest.mark.parametrize(("inputs", "layers", "message"), REFUSED)
def test_what_does_not_fit_is_told_with_the_layer_and_the_shape(inputs: Any, layers: Any, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        network(inputs, *layers)
    assert message in str(caught.value)


def test_a_spec_says_shapes_and_reads_back() -> None:
    for inputs in (3, [1, 4, 4], [2, 9], {"time": 5, "features": 2}, {"time": "any", "features": 2}):
        layers = ["flatten", {"dense": 1}] if isinstance(inputs, list) else [{"dense": 1}]
        spec = symnn.load_spec({"inputs": inputs, "layers": layers, "loss": "mean_squared_error"})
        assert spec.to_dict()["inputs"] == inputs
        assert spec.to_dict()["layers"] == layers
        assert symnn.load_spec(spec.to_dict()) == spec


def test_images_are_trained_as_rows_of_a_table(tmp_path: Path) -> None:
    digits = symnn.load_digits()
    flat = Network(64, [symnn.dense(10)], "softmax_cross_entropy")
    image = Network((1, 8, 8), [symnn.flatten(), symnn.dense(10)], "softmax_cross_entropy")
    expected, found = (symnn.train(each, digits, {"epochs": 2}) for each in (flat, image))
    np.testing.assert_allclose(found.theta, expected.theta, rtol=1e-9, atol=1e-12)
    found.save(tmp_path / "a.safetensors")
    again, rows = symnn.load(tmp_path / "a.safetensors"), digits.test.x
    np.testing.assert_array_equal(again.predict(rows.reshape(-1, 1, 8, 8)), found.predict(rows))
