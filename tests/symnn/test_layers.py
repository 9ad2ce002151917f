"""Layers: what each kind computes, what shapes it takes, and that a new kind is one file and one row."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sympy import Idx, IndexedBase, Sum, Symbol

import codegen
import symnn
from codegen.numeric.evaluate import evaluate
from symnn.errors import SpecError
from symnn.evaluation import probabilities
from symnn.network import Network

pytestmark = pytest.mark.values

Array = NDArray[Any]


def random(seed: int = 0) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def network(inputs: Any, *layers: Any, loss: Any = "mean_squared_error") -> Network:
    return Network.from_spec({"inputs": inputs, "layers": list(layers), "loss": loss})


def output(found: Network, theta: Array, x: Array) -> Array:
    """The forward pass by NumPy, equation by equation: compiling takes a second."""
    return evaluate(found.forward_graph, {**found.unmerged(theta), "x": x})["output"]


def assert_gradient(found: Network, steps: int = 1) -> None:
    """The derived gradient is that of differences, in two directions."""
    generator, S = random(2), {"S": 4, "T": steps}
    theta = found.initial_parameters() + 0.1 * generator.normal(size=found.parameter_count)
    shapes = {v.name: tuple(n if isinstance(n, int) else S[n.name] for n in v.shape) for v in found.data}
    data = {
        v.name: generator.integers(v.below or 1000, size=shapes[v.name])
        if v.kind == "integer"
        else generator.normal(size=shapes[v.name])
        for v in found.data
    }

    def loss(theta: Array) -> float:
        return float(evaluate(found.training_graph, {**found.unmerged(theta), **data})["loss"])

    at = evaluate(found.gradient_graph, {**found.unmerged(theta), **data})
    gradient = np.concatenate([at[name].ravel() for name in found.gradient_graph.outputs[1:]])
    for _ in range(2):
        direction = generator.normal(size=theta.shape)
        above, below = (loss(theta + h * direction) for h in (1e-6, -1e-6))
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
        return place.activated(z, self.activation, features)


def blend(first, activation=None):
    return Blend(blend=first, activation=activation)
'''


def test_a_new_kind_of_layer_is_a_file_and_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In specs and in Python, differentiated, saved and loaded, printed."""
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
        assert_gradient(found)
        symnn.checkpoint.save(tmp_path / "a.safetensors", built, theta)
        np.testing.assert_allclose(symnn.load(tmp_path / "a.safetensors").evaluated(x), expected, rtol=1e-13)
        assert "tanh(z2[s,h])" in symnn.inspect.formulas(built)
        with pytest.raises(SpecError, match=r"layers\[0\]: unknown field 'blnd'; did you mean 'blend'\?"):
            network(3, {"blend": 1.0, "blnd": 2})
    finally:
        sys.modules.pop("symnn.layers.blend", None)
        symnn.layers.layer.kind_of.cache_clear()


# ------------------------------------------------------------------------------------------- what each kind computes

Given = Mapping[str, Array]
STEPS = {"time": "any", "features": 3}


def normal(x: Array, axes: Any, g: Array, b: Array, epsilon: float = 1e-5) -> Array:
    mean, variance = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True)
    found: Array = g * (x - mean) / np.sqrt(variance + epsilon) + b
    return found


def softmax(x: Array, axis: int = -1) -> Array:
    e = np.exp(x)
    found: Array = e / e.sum(axis=axis, keepdims=True)
    return found


def dense(p: Given, number: int, x: Array) -> Array:
    found: Array = x @ p[f"W{number}"].T + p[f"b{number}"]
    return found


def convolved(
    x: Array, W: Array, stride: tuple[int, ...] = (1, 1), zeros: Any = 0, dilation: int = 1, groups: int = 1
) -> Array:
    """Every window by itself; ``zeros`` are the numbers of them before and after each axis."""
    space = x.ndim - 2
    stride = stride[:space]
    x = np.pad(x, [(0, 0), (0, 0), *np.broadcast_to(zeros, (space, 2)).tolist()])
    reach = [dilation * (k - 1) + 1 for k in W.shape[2:]]
    counts = [(n - r) // s + 1 for n, r, s in zip(x.shape[2:], reach, stride)]
    found = np.zeros((len(x), len(W), *counts))
    for at in np.ndindex(*counts):
        where = tuple(slice(i * s, i * s + r, dilation) for i, s, r in zip(at, stride, reach))
        for g in range(groups):
            out = slice(g * len(W) // groups, (g + 1) * len(W) // groups)
            channels = x[:, g * W.shape[1] : (g + 1) * W.shape[1]][(slice(None), slice(None), *where)]
            axes = [*range(1, space + 2)]
            found[(slice(None), out, *at)] = np.tensordot(channels, W[out], axes=(axes, axes))
    return found


def pooled(x: Array, size: tuple[int, int], stride: tuple[int, int], over: Callable[..., Array]) -> Array:
    counts = [(n - k) // s + 1 for n, k, s in zip(x.shape[2:], size, stride)]
    found = np.zeros((*x.shape[:2], *counts))
    for i, j in np.ndindex(*counts):
        (p, q), (k, m) = (i * stride[0], j * stride[1]), size
        found[..., i, j] = over(x[..., p : p + k, q : q + m], axis=(-2, -1))
    return found


def attended(p: Given, x: Array, heads: int, causal: bool) -> Array:
    S, T, _ = x.shape
    q, k, v = (part.reshape(S, T, heads, -1).swapaxes(1, 2) for part in np.split(x @ p["W1"].T + p["b1"], 3, axis=-1))
    match = q @ k.swapaxes(2, 3) / np.sqrt(q.shape[-1])
    if causal:
        match = np.where(np.tri(T, dtype=bool), match, -np.inf)
    found: Array = (softmax(match) @ v).swapaxes(1, 2).reshape(S, T, -1) @ p["U1"].T + p["c1"]
    return found


def sigmoid(x: Array) -> Array:
    found: Array = 1 / (1 + np.exp(-x))
    return found


def stepped(x: Array, units: int, step: Callable[[Array, Array, Array], tuple[Array, Array]]) -> Array:
    """What every step of a recurrence has; ``step(x[t], h, c)`` gives the new h and c."""
    h = c = np.zeros((len(x), units))
    found = []
    for t in range(x.shape[1]):
        h, c = step(x[:, t], h, c)
        found.append(h)
    return np.stack(found, axis=1)


def lstm(p: Given, x: Array, units: int) -> Array:
    def step(x: Array, h: Array, c: Array) -> tuple[Array, Array]:
        i, f, g, o = np.split(x @ p["W1"].T + p["b1"] + h @ p["U1"].T, 4, axis=1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        return sigmoid(o) * np.tanh(c), c

    return stepped(x, units, step)


def gru(p: Given, x: Array, units: int) -> Array:
    def step(x: Array, h: Array, c: Array) -> tuple[Array, Array]:
        (a, b, n), (d, e, m) = (np.split(y, 3, axis=1) for y in (x @ p["W1"].T + p["b1"], h @ p["U1"].T + p["c1"]))
        r, z = sigmoid(a + d), sigmoid(b + e)
        return (1 - z) * np.tanh(n + r * m) + z * h, c

    return stepped(x, units, step)


def gru_reset_before(p: Given, x: Array, units: int) -> Array:
    def step(x: Array, h: Array, c: Array) -> tuple[Array, Array]:
        (a, b, n), (d, e, m) = np.split(x @ p["W1"].T + p["b1"], 3, axis=1), np.split(p["U1"].T, 3, axis=1)
        r, z = sigmoid(a + h @ d), sigmoid(b + h @ e)
        return (1 - z) * np.tanh(n + (r * h) @ m) + z * h, c

    return stepped(x, units, step)


def elman(p: Given, x: Array, units: int) -> Array:
    return stepped(x, units, lambda x, h, c: (np.tanh(x @ p["W1"].T + p["b1"] + h @ p["U1"].T), c))


# A name, inputs, layers, and what comes out by NumPy.
COMPUTED: list[tuple[str, Any, list[Any], Callable[[Given, Array], Array]]] = [
    ("dense", 3, [{"dense": 2, "activation": "tanh"}], lambda p, x: np.tanh(dense(p, 1, x))),
    ("dense on steps", STEPS, [{"dense": 2}, {"dense": 4}], lambda p, x: dense(p, 2, dense(p, 1, x))),
    ("activation", [2, 3, 4], [{"activation": "tanh"}, "flatten", {"dense": 2}],
     lambda p, x: dense(p, 1, np.tanh(x.reshape(len(x), -1)))),
    ("softmax", 3, [{"dense": 4, "activation": "softmax"}], lambda p, x: softmax(dense(p, 1, x))),
    ("softmax of channels", [2, 3], [{"scale": 2.0, "learned": True}, {"activation": "softmax"}],
     lambda p, x: softmax(p["g1"][:, None] * x, 1)),
    ("softmax of what is flattened", [2, 3], [{"scale": 2.0, "learned": True}, "flatten", {"activation": "softmax"}],
     lambda p, x: softmax((p["g1"][:, None] * x).reshape(len(x), -1))),
    ("flatten at the end", [2, 3], [{"scale": 2.0, "learned": True}, "flatten"],
     lambda p, x: (p["g1"][:, None] * x).reshape(len(x), -1)),
    ("convolution", [2, 5, 4], [{"convolution": 3, "kernel": 3, "activation": "tanh"}],
     lambda p, x: np.tanh(convolved(x, p["W1"]) + p["b1"][:, None, None])),
    ("convolution, two", [1, 5, 5], [{"convolution": 2, "kernel": [2, 3]}, {"convolution": 2, "kernel": 2}, "flatten",
                                     {"dense": 2}],
     lambda p, x: dense(p, 3, (convolved(convolved(x, p["W1"]) + p["b1"][:, None, None], p["W2"])
                               + p["b2"][:, None, None]).reshape(len(x), -1))),
    ("convolution of a signal", [2, 9], [{"convolution": 3, "kernel": 3, "stride": 2, "padding": "same"}],
     lambda p, x: convolved(x, p["W1"], (2,), (1, 1)) + p["b1"][:, None]),
    ("convolution, same", [1, 4, 5], [{"convolution": 2, "kernel": [3, 2], "padding": "same", "bias": False}],
     lambda p, x: convolved(x, p["W1"], zeros=[(1, 1), (0, 1)])),
    ("convolution, strides and zeros", [1, 6, 5],
     [{"convolution": 2, "kernel": 3, "stride": [2, 1], "padding": [2, 0]}],
     lambda p, x: convolved(x, p["W1"], (2, 1), [(2, 2), (0, 0)]) + p["b1"][:, None, None]),
    ("convolution, dilated", [1, 7, 6], [{"convolution": 2, "kernel": 2, "dilation": 3}],
     lambda p, x: convolved(x, p["W1"], dilation=3) + p["b1"][:, None, None]),
    ("convolution, same, dilated with strides", [1, 7, 5],
     [{"convolution": 2, "kernel": 3, "stride": 2, "dilation": 2, "padding": "same"}],
     lambda p, x: convolved(x, p["W1"], (2, 2), [(2, 2), (2, 2)], dilation=2) + p["b1"][:, None, None]),
    ("convolution in groups", [4, 3, 3], [{"convolution": 6, "kernel": 2, "groups": 2}],
     lambda p, x: convolved(x, p["W1"], groups=2) + p["b1"][:, None, None]),
    ("convolution of each channel", [3, 4, 3], [{"convolution": 3, "kernel": 2, "groups": 3}],
     lambda p, x: convolved(x, p["W1"], groups=3) + p["b1"][:, None, None]),
    ("max_pool", [2, 5, 4], [{"scale": 1.5, "learned": True}, {"max_pool": 2}],
     lambda p, x: pooled(p["g1"][:, None, None] * x, (2, 2), (2, 2), np.max)),
    ("average_pool", [2, 5, 6], [{"scale": 1.5, "learned": True}, {"average_pool": [2, 3], "stride": [1, 2]}],
     lambda p, x: pooled(p["g1"][:, None, None] * x, (2, 3), (1, 2), np.mean)),
    ("embedding", {"time": 4}, [{"embedding": 3, "vocabulary": 5}, {"dense": 2}],
     lambda p, x: dense(p, 2, p["E1"][x])),
    ("embedding of any length", {"time": "any"}, [{"embedding": 2, "vocabulary": 3}], lambda p, x: p["E1"][x]),
    ("recurrent", {"time": 4, "features": 3}, [{"recurrent": 2}], lambda p, x: elman(p, x, 2)[:, -1]),
    ("recurrent, all steps", STEPS, [{"recurrent": 3, "output": "all"}], lambda p, x: elman(p, x, 3)),
    ("recurrent, one step", {"time": 1, "features": 3}, [{"recurrent": 2}], lambda p, x: elman(p, x, 2)[:, -1]),
    ("lstm", {"time": 4, "features": 3}, [{"lstm": 2}, {"dense": 1}],
     lambda p, x: dense(p, 2, lstm(p, x, 2)[:, -1])),
    ("recurrent, backward", {"time": 4, "features": 3}, [{"recurrent": 2, "backward": True, "output": "all"}],
     lambda p, x: elman(p, x[:, ::-1], 2)[:, ::-1]),
    ("lstm, backward", STEPS, [{"lstm": 2, "backward": True}, {"dense": 1}],
     lambda p, x: dense(p, 2, lstm(p, x[:, ::-1], 2)[:, -1])),
    ("gru, backward", {"time": 3, "features": 2}, [{"gru": 2, "backward": True}],
     lambda p, x: gru(p, x[:, ::-1], 2)[:, -1]),
    ("lstm, all steps", STEPS, [{"lstm": 2, "output": "all"}], lambda p, x: lstm(p, x, 2)),
    ("gru", {"time": 4, "features": 3}, [{"gru": 2}], lambda p, x: gru(p, x, 2)[:, -1]),
    ("gru, reset before", {"time": 4, "features": 3}, [{"gru": 2, "reset": "before"}],
     lambda p, x: gru_reset_before(p, x, 2)[:, -1]),
    ("recurrent without an activation", {"time": 2, "features": 3}, [{"recurrent": 2, "activation": None}],
     lambda p, x: x[:, 1] @ p["W1"].T + p["b1"] + (x[:, 0] @ p["W1"].T + p["b1"]) @ p["U1"].T),
    ("gru, two of them", STEPS, [{"gru": 3, "output": "all"}, {"gru": 2}],
     lambda p, x: gru({name[0] + "1": p[name] for name in ("W2", "U2", "b2", "c2")}, gru(p, x, 3), 2)[:, -1]),
    ("attention", {"time": 4, "features": 6}, [{"attention": 2}], lambda p, x: attended(p, x, 2, False)),
    ("attention, small heads", {"time": 3, "features": 4}, [{"attention": 2, "size": 3}],
     lambda p, x: attended(p, x, 2, False)),
    ("attention, causal", {"time": 4, "features": 4}, [{"attention": 2, "causal": True}],
     lambda p, x: attended(p, x, 2, True)),
    ("attention of any length", STEPS, [{"attention": 3, "causal": True}], lambda p, x: attended(p, x, 3, True)),
    ("attention between others", {"time": 3, "features": 2}, [{"dense": 4}, {"attention": 2}, {"dense": 1}],
     lambda p, x: dense(p, 3, attended({name[0] + "1": p[name] for name in ("W2", "b2", "U2", "c2")}, dense(p, 1, x), 2,
                                       False))),
    ("concatenate", 3, [{"concatenate": [[{"dense": 2, "activation": "tanh"}], [], [{"dense": 4}]]}, {"dense": 2}],
     lambda p, x: dense(p, 3, np.hstack([np.tanh(dense(p, 1, x)), x, dense(p, 2, x)]))),
    ("concatenate channels", [2, 3, 3], [{"concatenate": [[{"convolution": 1, "kernel": 1}], []]}],
     lambda p, x: np.concatenate([convolved(x, p["W1"]) + p["b1"][:, None, None], x], axis=1)),
    ("concatenate steps", STEPS, [{"concatenate": [[{"dense": 2}], [{"dense": 1}]]}],
     lambda p, x: np.concatenate([dense(p, 1, x), dense(p, 2, x)], axis=-1)),
    ("layer_norm", 4, ["layer_norm"], lambda p, x: normal(x, -1, p["g1"], p["b1"])),
    ("layer_norm of steps", STEPS, [{"layer_norm": {"epsilon": 0.1}}],
     lambda p, x: normal(x, -1, p["g1"], p["b1"], 0.1)),
    ("layer_norm of images", [2, 3, 2], ["layer_norm"], lambda p, x: normal(x, (1, 2, 3), p["g1"], p["b1"])),
    ("layer_norm over channels", [3, 2, 2], [{"layer_norm": {"over": "channels"}}],
     lambda p, x: normal(x, (1,), p["g1"][:, None, None], p["b1"][:, None, None])),
    ("layer_norm of what is flattened", [2, 3], ["flatten", "layer_norm", {"dense": 1}],
     lambda p, x: dense(p, 2, normal(x.reshape(len(x), -1), -1, p["g1"], p["b1"]))),
    ("batch_norm", 4, ["batch_norm"],
     lambda p, x: p["g1"] * (x - p["mean1"]) / np.sqrt(p["variance1"] + 1e-5) + p["b1"]),
    ("batch_norm of channels", [2, 3, 2], ["batch_norm"],
     lambda p, x: np.moveaxis(p["g1"] * (np.moveaxis(x, 1, -1) - p["mean1"]) / np.sqrt(p["variance1"] + 1e-5)
                              + p["b1"], -1, 1)),
    ("dropout", 3, [{"dense": 2}, {"dropout": 0.5}], lambda p, x: dense(p, 1, x)),
    ("noise", 3, [{"dense": 2}, {"noise": 0.5}], lambda p, x: dense(p, 1, x)),
    ("scale", 3, [{"dense": 2}, {"scale": 0.25}], lambda p, x: 0.25 * dense(p, 1, x)),
    ("scale that is learnt", STEPS, [{"scale": 0.25, "learned": True}], lambda p, x: p["g1"] * x),
    ("residual", 3, [{"residual": [{"dense": 5, "activation": "tanh"}, {"dense": 3}]}],
     lambda p, x: x + dense(p, 2, np.tanh(dense(p, 1, x)))),
    ("residual of residuals", 3, [{"residual": [{"dense": 3}, {"residual": [{"dense": 3}]}, "layer_norm"]}],
     lambda p, x: x + normal(dense(p, 1, x) + dense(p, 2, dense(p, 1, x)), -1, p["g3"], p["b3"])),
    ("take, again", 3, [{"take": "x"}, {"dense": 3, "activation": "tanh", "name": "half"}, {"again": "half"},
                        {"concatenate": [[{"take": "x"}], [{"take": "half"}], []]}],
     lambda p, x: np.hstack([x, np.tanh(dense(p, 1, x)), np.tanh(dense(p, 1, np.tanh(dense(p, 1, x))))])),
    ("residual of what is flattened", [2, 3], ["flatten", {"residual": [{"dense": 6}]}, {"dense": 1}],
     lambda p, x: dense(p, 2, x.reshape(len(x), -1) + dense(p, 1, x.reshape(len(x), -1)))),
]  # fmt: skip


SLOW = (
    "gru, two of them", "lstm, all steps", "recurrent, all steps", "attention between others", "concatenate steps",
    "attention of any length", "convolution, two", "residual of residuals", "embedding of any length",
)  # fmt: skip
CASES = [pytest.param(*row, id=row[0], marks=[pytest.mark.slow] * (row[0] in SLOW)) for row in COMPUTED]


@pytest.mark.parametrize(("name", "inputs", "layers", "expected"), CASES)
def test_a_layer_computes_its_formula_and_its_gradient_is_that_of_differences(
    name: str, inputs: Any, layers: list[Any], expected: Callable[[Given, Array], Array]
) -> None:
    found = network(inputs, *layers)
    generator = random(1)
    theta = found.initial_parameters() + 0.1 * generator.normal(size=found.parameter_count)
    given = found.input_variables[0]
    size = (5, *(n if isinstance(n, int) else 7 for n in given.shape[1:]))
    x = generator.normal(size=size) if given.below is None else generator.integers(given.below, size=size)
    np.testing.assert_allclose(output(found, theta, x), expected(found.split(theta), x), rtol=1e-12, atol=1e-14)
    assert_gradient(found)


def test_every_kind_is_in_the_table_of_what_is_computed() -> None:
    used = {
        name
        for _, _, layers, _ in COMPUTED
        for layer in layers
        for name in ([layer] if isinstance(layer, str) else layer)
    }
    assert set(symnn.layers.KINDS) <= used


def test_every_kind_is_described() -> None:
    text = Path(__file__).parents[2].joinpath("docs", "layers.md").read_text()
    assert [kind for kind in symnn.layers.KINDS if not re.search(rf"`{{?{kind}[:`]", text)] == []


@pytest.mark.parametrize("layers", [row[2] for row in COMPUTED], ids=[row[0] for row in COMPUTED])
def test_a_layer_is_read_and_written_back(layers: list[Any]) -> None:
    read = [symnn.layers.layer.read_layer(layer) for layer in layers]
    assert [layer.to_plain() for layer in read] == layers


@pytest.mark.slow
def test_sequences_of_integers_are_trained_as_rows_of_a_table(tmp_path: Path) -> None:
    found = network({"time": 3}, {"embedding": 2, "vocabulary": 4}, "flatten", {"dense": 1})
    x = random().integers(4, size=(40, 3))
    result = symnn.train(found, x, (x == 2).sum(axis=1), {"epochs": 3})
    assert result.improved
    result.save(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(symnn.load(tmp_path / "a.safetensors").predict(x), result.predict(x))
    with pytest.raises(
        symnn.DataError, match=r"x, row 0 .from 0., column 2: found 4, expected a whole number from 0 to 3"
    ):
        result.predict([[0, 1, 4]])


# ------------------------------------------------------------------------------------------- networks that are no chain


def two_inputs() -> Network:
    image, extra = symnn.inputs(image=(1, 3, 3), extra=4)
    shared = symnn.dense(3, "tanh")
    both = symnn.concatenate(shared(symnn.dense(4)(symnn.flatten()(image))), shared(extra), extra)
    return Network.of(symnn.dense(2)(both), "mean_squared_error")


def test_layers_are_called_on_named_inputs_and_share_their_weights() -> None:
    found = two_inputs()
    assert [variable.name for variable in found.data] == ["image", "extra", "y"]
    assert [*found.layout] == ["W1", "b1", "W2", "b2", "W3", "b3"]
    generator = random(1)
    theta = generator.normal(size=found.parameter_count)
    image, extra = generator.normal(size=(5, 1, 3, 3)), generator.normal(size=(5, 4))
    p = found.split(theta)
    one = np.tanh(dense(p, 2, dense(p, 1, image.reshape(5, 9))))
    expected = dense(p, 3, np.hstack([one, np.tanh(dense(p, 2, extra)), extra]))
    values = {**found.unmerged(theta), "image": image, "extra": extra}
    np.testing.assert_allclose(evaluate(found.forward_graph, values)["output"], expected, rtol=1e-12)
    assert_gradient(found)
    assert "dense: 3, activation: tanh" in found.summary()


@pytest.mark.slow
def test_a_network_of_several_inputs_is_trained_by_arrays() -> None:
    model, generator = two_inputs().compile(), random()
    image, extra, y = (generator.normal(size=(8, *shape)) for shape in ((1, 3, 3), (4,), (2,)))
    descent = symnn.Descent(model, model.network.initial_parameters(), "gradient_descent", learning_rate=0.1)
    first = model.loss(model.network.initial_parameters(), image, extra, y)
    assert descent.epoch((image, extra), y) == pytest.approx(first, rel=1e-12)
    assert descent.epoch((image, extra), y) < first
    with pytest.raises(
        symnn.DataError, match="found 2 arrays of rows, expected 3, which the model takes: image, extra, y"
    ):
        descent.epoch(image, y)


def test_several_inputs_are_arrays_by_name_each_scaled_and_split_as_rows() -> None:
    left, code = symnn.inputs(left=2, code={"time": 1})
    embedded = symnn.flatten()(symnn.embedding(2, vocabulary=5)(code))
    network = Network.of(symnn.dense(1)(symnn.concatenate(left, embedded)), "mean_squared_error")
    generator = random(3)
    x = {"code": generator.integers(5, size=(40, 1)), "left": generator.normal(5.0, 2.0, size=(40, 2))}
    y = x["left"][:, 0] + x["code"][:, 0]
    result = symnn.train(network, x, y, {"epochs": 5, "optimiser": "gradient_descent"}, progress=False)
    data = symnn.training.targets_for(network, result.dataset)
    train = data.train.x
    np.testing.assert_allclose([train[:, :2].mean(axis=0), train[:, :2].std(axis=0)], [[0, 0], [1, 1]], atol=1e-12)
    assert {*train[:, 2]} == {0.0, 1.0, 2.0, 3.0, 4.0}
    np.testing.assert_array_equal(
        np.sort(np.concatenate([p.x[:, 2] for p in (data.train, data.validation, data.test)])), np.sort(x["code"][:, 0])
    )
    scale, shift = result.dataset.target_scaling.scale, result.dataset.target_scaling.mean  # type: ignore[union-attr]
    inputs = (x["left"] - result.dataset.arranged([("left", 2), ("code", 1)]).mean[:2]) / result.dataset.scale[1:]
    values = {**network.unmerged(result.theta), "left": inputs, "code": x["code"]}
    expected = shift + scale * evaluate(network.forward_graph, values)["output"]
    trained = symnn.Checkpoint.of(network, result.theta, result.dataset)
    np.testing.assert_allclose(trained.evaluated(x), expected, rtol=1e-12)
    assert result.history[-1].training_loss < result.history[0].training_loss
    table = symnn.Dataset.from_arrays(x, y, standardise=["left"])
    assert table.inputs == (("code", 1), ("left", 2))
    again = symnn.train(
        network, table, {"epochs": 5, "optimiser": "gradient_descent"}, progress=False, model=result.model
    )
    np.testing.assert_array_equal(again.theta, result.theta)
    with pytest.raises(
        symnn.DataError, match=r"code, row 0 \(from 0\), column 0: found 7.0, expected a whole number from 0"
    ):
        result.predict({"left": x["left"], "code": np.full((40, 1), 7)})


def test_what_has_been_flattened_is_added() -> None:
    """Its axes are one from there on, for layers that hold something of each feature."""
    left, right = symnn.inputs(left=(2, 1, 2), right=(2, 1, 2))
    both = symnn.flatten()(left) + symnn.flatten()(right)
    network = Network.of(symnn.dense(1)(symnn.layer_norm()(both)), "huber")
    x = np.random.default_rng(0).normal(size=(2, 3, 2, 1, 2))
    theta = network.initial_parameters(0)
    values = {**network.unmerged(theta), "left": x[0], "right": x[1]}
    flat = x.sum(0).reshape(3, 4)
    normal = (flat - flat.mean(1, keepdims=True)) / np.sqrt(flat.var(1, keepdims=True) + 1e-5)
    found = network.split(theta)
    expected = normal @ found["W2"].T + found["b2"]
    np.testing.assert_allclose(evaluate(network.forward_graph, values)["output"], expected, rtol=1e-12)


MISTAKES: list[tuple[Callable[[], Any], str]] = [
    (lambda: symnn.inputs(y=3), "inputs: found the name 'y', expected another one"),
    (lambda: symnn.inputs(x=0), "inputs: x: expected a number of at least 1, found 0"),
    (lambda: Network.of(symnn.dense(3), "huber"), "output: found Dense"),
    (lambda: Network.of(sum_of(3, 4), "huber"), "found the sum of values of shapes (feature 3) and (feature 4)"),
    (
        lambda: Network.of(twice(symnn.dense(2)), "huber"),
        "dense: found values of shapes (feature 3) and (feature 4) for",
    ),
    (
        lambda: symnn.train(two_inputs(), np.ones((5, 4)), np.ones((5, 2))),
        "found the features x of 4, expected the inputs image of 9, extra of 4",
    ),
    (
        lambda: symnn.train(two_inputs(), {"image": np.ones((5, 1, 3, 3)), "extra": np.ones((4, 4))}, np.ones((5, 2))),
        "column 'extra[0]' has 4 rows, expected 5",
    ),
    (
        lambda: symnn.checkpoint.Checkpoint(two_inputs(), np.zeros(75)).predict({"image": np.ones((2, 9)), "extra": 1}),
        "image: found shape (2, 9), expected (S, 1, 3, 3)",
    ),
    (lambda: Network({"W1": 2, "b": 2}, [symnn.concatenate([symnn.take("W1")], [symnn.take("b")]), symnn.dense(1)],
                     "huber"), "inputs: found the name 'W1', which parameters have, expected another one"),
]  # fmt: skip


TWO: dict[str, Any] = {
    "inputs": {"image": [1, 3, 3], "extra": [4]},
    "layers": [
        {"concatenate": [
            [{"take": "image"}, "flatten", {"dense": 4}, {"dense": 3, "activation": "tanh", "name": "shared"}],
            [{"take": "extra"}, {"again": "shared"}],
            [{"take": "extra"}],
        ]},
        {"dense": 2},
    ],
    "loss": "mean_squared_error",
}  # fmt: skip


def test_a_spec_has_several_inputs_and_shared_weights_and_so_has_a_checkpoint(tmp_path: Path) -> None:
    built, read = two_inputs(), Network.from_spec(TWO)
    assert read.graph == built.graph
    assert symnn.load_spec(read.spec.to_dict()) == read.spec  # type: ignore[union-attr]
    assert read.summary().count("shared") == 2
    assert "total" in read.summary()
    assert f"{read.parameter_count}  " in read.summary()
    generator = random(1)
    x = {"image": generator.normal(size=(40, 1, 3, 3)), "extra": generator.normal(size=(40, 4))}
    data = symnn.Dataset.from_arrays(x, generator.normal(size=(40, 2)))
    theta = generator.normal(size=read.parameter_count)
    for number, network in enumerate((built, read)):
        path = tmp_path / f"{number}.safetensors"
        symnn.checkpoint.save(path, network, theta, dataset=data)
        loaded = symnn.load(path)
        assert loaded.network.graph == built.graph
        np.testing.assert_array_equal(loaded.evaluated(x), symnn.Checkpoint.of(network, theta, data).evaluated(x))
    table = {f"{name}[{k}]": part[:, k] for name, part in x.items() for part in [part.reshape(40, -1)]
             for k in range(part.shape[1])}  # fmt: skip
    np.testing.assert_allclose(loaded.evaluated(loaded.read(table)), loaded.evaluated(x), rtol=1e-14)


def value_used_twice() -> Network:
    (x,) = symnn.inputs(x=3)
    half = symnn.dense(3, "tanh")
    twice = half(half(x))
    return Network.of(symnn.dense(2)(twice + half(twice) + x), "mean_squared_error")


def inputs_of_awkward_names() -> Network:
    inputs = symnn.inputs(mean=2, s=2, z1=2, v1=2, element=2, S=2)
    shared = symnn.dense(2)
    first, *others = (shared(each) for each in inputs)
    return Network.of(sum(others, first), "mean_squared_error", 0.1)


FLOWS = [two_inputs, value_used_twice, inputs_of_awkward_names]


@pytest.mark.parametrize("make", FLOWS)
def test_a_network_that_is_no_chain_is_the_spec_that_describes_it(make: Callable[[], Network]) -> None:
    network = make()
    again = Network.from_spec(symnn.portable.spec_of(network).to_dict())
    assert again.graph == network.graph
    assert again.gradient_graph == network.gradient_graph
    assert_gradient(network)


def test_layers_used_again_may_hold_others() -> None:
    residual = {"residual": [{"dense": 3, "activation": "tanh"}], "name": "step"}
    found = network(3, residual, {"again": "step"}, {"again": "step"})
    theta, x = random().normal(size=found.parameter_count), random(1).normal(size=(5, 3))
    expected = x
    for _ in range(3):
        expected = expected + np.tanh(dense(found.split(theta), 1, expected))
    np.testing.assert_allclose(output(found, theta, x), expected, rtol=1e-12)


READ: list[tuple[Any, list[Any], str]] = [
    ({"a": 2, "b": 2}, [{"dense": 1}], "layers[0]: expected an input before it, as {take: a}, found none"),
    ({"a": 2, "b": 2}, [{"take": "a"}, {"dense": 1}], "layers: found no layer that takes the input 'b', expected one"),
    ({"a": 2}, [{"take": "b"}], "layers[0].take: unknown input or layer 'b'"),
    (2, [{"dense": 2, "name": "one"}, {"again": "on"}], "layers[1].again: unknown layer with a name 'on'; did you"),
    (2, [{"dense": 2, "name": "x"}, {"take": "x"}], "layers: found the name 'x' 2 times, expected each input and"),
    ({"a": 2, "b": 3}, [{"concatenate": [[{"take": "a"}], [{"take": "b"}, {"residual": [{"take": "a"}]}]]}],
     "layers[0].concatenate[1][1]: residual adds what its layers give, values of shape (feature 2)"),
    ({"a": 2, "b": 3}, [{"concatenate": [[{"take": "a"}, {"dense": 1, "name": "one"}], [{"take": "b"},
                                                                                      {"again": "one"}]]}],
     "dense: found values of shapes (feature 2) and (feature 3) for the same weights"),
    ({"a": 2, "b": 2}, [{"concatenate": [[], [{"take": "b"}]]}], "layers[0].concatenate[0]: expected {take: a} or"),
    ({"loss": 2}, [{"take": "loss"}], "inputs.loss: found the name 'loss', expected another one"),
    ({"a": {"steps": 3}}, [{"take": "a"}], "inputs.a: unknown axis 'steps'"),
    (2, [{"residual": [{"dense": 2}], "name": "n0"},
         *({"residual": [{"again": f"n{k}"}, {"again": f"n{k}"}], "name": f"n{k + 1}"} for k in range(12))],
     "expected at most 1,000 layers, those used again counted anew, found more"),
    (2, [{"concatenate": [[], []], "name": "n"}, *[{"again": "n"}] * 40, {"dense": 1}],
     "expected at most 100,000,000 numbers a sample"),
]  # fmt: skip


@pytest.mark.parametrize(("inputs", "layers", "message"), READ, ids=[message[:40] for _, _, message in READ])
def test_a_mistake_in_a_spec_that_takes_by_name_is_one_sentence(inputs: Any, layers: list[Any], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        network(inputs, *layers)
    assert message in str(caught.value)


def test_targets_stay_as_they_are_behind_an_activation_in_a_network_that_is_no_chain_too() -> None:
    (x,) = symnn.inputs(x=3)
    last = {"plain": symnn.dense(1)(x), "bounded": symnn.dropout(0.1)(symnn.dense(1, "sigmoid")(x))}
    found = {name: Network.of(value, "mean_squared_error").standardises_targets for name, value in last.items()}
    assert found == {"plain": True, "bounded": False}


def sum_of(*sizes: int) -> Any:
    a, b = symnn.inputs(a=sizes[0], b=sizes[1])
    return symnn.dense(1)(a + b)


def twice(shared: Any) -> Any:
    a, b = symnn.inputs(a=3, b=4)
    return shared(a) + shared(b)


@pytest.mark.parametrize(("make", "message"), MISTAKES, ids=[message[:30] for _, message in MISTAKES])
def test_a_mistake_in_a_network_that_is_no_chain_is_one_sentence(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(symnn.SymnnError) as caught:
        make()
    assert message in str(caught.value)


# ---------------------------------------------------------------------------------- sequences of unequal lengths


@pytest.mark.parametrize("loss", ["softmax_cross_entropy", "mean_squared_error"])
def test_sequences_of_unequal_lengths_are_together_what_they_are_alone(loss: str) -> None:
    layers = (symnn.recurrent(2, output="all"), symnn.dense(2))
    generator, lengths = random(4), np.array([3, 2])
    x = generator.normal(size=(2, 3, 2))
    y = generator.integers(2, size=(2, 3)) if "softmax" in loss else generator.normal(size=(2, 3, 2))
    networks = {which: Network({"time": 3, "features": 2}, layers, loss, steps=which) for which in ("mask", "lengths")}
    theta = networks["mask"].initial_parameters() + 0.1

    def derived(network: Network, **data: np.ndarray) -> list[np.ndarray]:
        found = evaluate(network.gradient_graph, {**network.unmerged(theta), **data})
        return [found[name] for name in network.gradient_graph.outputs]

    parts = []
    for number, length in enumerate(lengths):
        alone = Network({"time": int(length), "features": 2}, layers, loss)
        rows = slice(number, number + 1)
        parts.append(derived(alone, x=x[rows, :length], y=y[rows, :length]))
    expected = [sum(n * part for n, part in zip(lengths, each)) / lengths.sum() for each in zip(*parts)]
    mask = np.arange(3) < lengths[:, None]
    x[~mask], y[~mask] = 1e3, 1
    for which, given in (("mask", mask.astype(float)), ("lengths", lengths)):
        for found, wanted in zip(derived(networks[which], x=x, y=y, **{which: given}), expected):
            np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)


def test_steps_that_count_are_weighed_scored_and_kept(tmp_path: Path) -> None:
    spec = {
        "inputs": {"time": 3, "features": 1},
        "layers": [{"dense": 2}],
        "loss": "softmax_cross_entropy",
        "steps": "lengths",
    }
    network, generator = Network.from_spec(spec), random(5)
    x, lengths = generator.normal(size=(30, 3, 1)), 1 + np.arange(30) % 3
    y = (x[..., 0] > 0).astype(int)
    with pytest.raises(symnn.DataError, match=r"y: found 'y', expected by name what the loss takes: 'y', 'lengths'"):
        symnn.train(network, x, y)
    with pytest.raises(symnn.DataError, match=r"column 3: found 9.0, expected a number from 0 to 3"):
        symnn.train(network, x, {"y": y, "lengths": np.full(30, 9)})
    settings = {"optimiser": "adam", "learning_rate": 0.2, "epochs": 40}
    result = symnn.train(network, x, {"y": y, "lengths": lengths}, settings, progress=False)
    rows = symnn.training.targets_for(network, result.dataset).test
    trained = symnn.Checkpoint.of(network, result.theta, result.dataset)
    hits = trained.evaluated(rows.x).argmax(axis=-1) == rows.y[:, :3]
    counts = np.arange(3) < rows.y[:, 3:]
    assert result.test_accuracy == pytest.approx(hits[counts].mean())
    assert result.test_accuracy > 0.8
    result.save(tmp_path / "steps.safetensors")
    assert symnn.load(tmp_path / "steps.safetensors").network == network
    assert probabilities(trained.evaluated(x), "classes").sum(axis=-1) == pytest.approx(np.ones((30, 3)))
    with pytest.raises(symnn.SpecError, match=r"steps: found 'mask' for outputs \(feature 2\), expected those of each"):
        Network(3, (symnn.dense(2),), "softmax_cross_entropy", steps="mask")


# ------------------------------------------------------------------------------------------- forms of a training


def test_in_training_a_batch_is_normalised_by_its_own_mean_and_variance() -> None:
    found = network(3, {"dense": 2}, "batch_norm", {"dense": 1})
    theta, x, y = found.initial_parameters(), random().normal(size=(6, 3)), np.zeros((6, 1))
    p = found.split(theta)
    assert p["variance2"].tolist() == [1, 1]
    values = {**found.unmerged(theta), "x": x, "y": y}
    z = dense(p, 1, x)
    expected = dense(p, 3, normal(z, 0, p["g2"], p["b2"]))
    at = evaluate(found.step_graph, values)
    assert at["loss"] == pytest.approx((expected**2).mean(), rel=1e-12)
    batch = [at[name] for name in found.step_graph.outputs[-2:]]
    np.testing.assert_allclose(batch, [z.mean(axis=0), z.var(axis=0)], rtol=1e-12, atol=1e-15)
    assert_gradient(found)
    gradient = evaluate(found.gradient_graph, values)
    assert [gradient[name].tolist() for name in found.gradient_graph.outputs[-2:]] == [[0, 0], [0, 0]]


@pytest.mark.parametrize("optimiser", ["gradient_descent", pytest.param("momentum", marks=pytest.mark.slow)])
def test_running_averages_move_by_a_tenth_and_nothing_else_moves_them(optimiser: str) -> None:
    model = network(2, "batch_norm", {"dense": 1}).compile()
    found, x, y = model.network, random().normal(size=(8, 2)), random(1).normal(size=(8, 1))
    numbers = {"momentum": 0.9} if optimiser == "momentum" else {}
    descent = symnn.Descent(model, found.initial_parameters(), optimiser, learning_rate=0.1, **numbers)
    for _ in range(3):
        descent.epoch(x, y)
    p = found.split(descent.theta)
    np.testing.assert_allclose(p["mean1"], (1 - 0.9**3) * x.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(p["variance1"], 0.9**3 + (1 - 0.9**3) * x.var(axis=0), rtol=1e-12)
    assert not np.array_equal(p["g1"], [1, 1])


def uniform(rows: int, width: int, stream: int, seed: int, first: int = 0) -> np.ndarray:
    """The uniform numbers of samples, each of which begins with a block of four."""
    blocks = -(-width // 4)
    philox = np.random.Philox(key=np.array([seed, stream], np.uint64), counter=first * blocks)
    return np.random.Generator(philox).random((rows, 4 * blocks))[:, :width]


def drawn(found: symnn.Network, rows: int, seed: int, first: int, *names: str) -> list[np.ndarray]:
    """Vertices of the form for training."""
    graph = found.training_graph.with_outputs(*names)
    given = {"x": np.zeros((rows, *found.input_variables[0].shape[1:])), "seed": seed, "first": first}
    values = {**found.unmerged(found.initial_parameters()), "y": np.zeros((rows, 1)), **given}
    return [evaluate(graph, values)[name] for name in names]


def test_masks_leave_out_a_fraction_and_depend_on_seed_layer_and_sample_alone() -> None:
    found = network(3, {"dense": 30}, {"dropout": 0.25}, {"dense": 5}, {"dropout": 0.5}, {"dense": 1})
    masks = drawn(found, 1000, 3, 0, "mask1", "mask2")
    for number, (mask, rate, width) in enumerate(zip(masks, (0.25, 0.5), (30, 5))):
        assert set(np.unique(mask)) == {0, 1 / (1 - rate)}
        assert (mask == 0).mean() == pytest.approx(rate, abs=0.02)
        np.testing.assert_array_equal(mask == 0, uniform(1000, width, number, 3) < rate)
    for first in (0, 1, 7, 500):
        for whole, part in zip(masks, drawn(found, 100, 3, first, "mask1", "mask2")):
            np.testing.assert_array_equal(part, whole[first : first + 100])
    assert not np.array_equal(masks[0], *drawn(found, 1000, 4, 0, "mask1"))


def test_a_graph_that_is_given_draws_by_seed_and_first_too() -> None:
    s, a, b, w = Idx("s", Symbol("S")), IndexedBase("x"), IndexedBase("t"), Symbol("w")
    seed, before = (Symbol(name, integer=True) for name in ("seed", "first"))
    loss = Sum((w * a[s] * codegen.random_uniform(seed, before + s) - b[s]) ** 2, s)
    graph = codegen.from_expressions({"loss": loss}, [w, a, b, before, seed])
    model = symnn.Model.from_graph(graph, ["w"], ["x"])
    descent = symnn.Descent(model, np.ones(1), "gradient_descent", learning_rate=0.01, seed=3)
    x, t = random().normal(size=(2, 7))
    for first in (0, 7):
        value, _ = model.value_and_grad(descent.theta, x, t, 3, first)
        assert descent.epoch(x, t) == value
    with pytest.raises(symnn.SymnnError, match="found a graph whose loss draws random numbers, also for validation"):
        symnn.train(model, x, t)


def test_masks_of_steps_whose_number_each_call_decides() -> None:
    found = network({"time": "any", "features": 2}, {"dropout": 0.5}, {"recurrent": 3}, {"dense": 1})
    steps = np.zeros((6, 5, 2))
    values = {**found.unmerged(found.initial_parameters()), "x": steps, "y": np.zeros((6, 1)), "seed": 3, "first": 2}
    mask = evaluate(found.training_graph, values)["mask0"]
    np.testing.assert_array_equal(mask == 0, uniform(6, 10, 0, 3, 2).reshape(6, 5, 2) < 0.5)
    assert_gradient(found)


def test_noise_is_normal_and_in_training_alone() -> None:
    found = network(3, {"noise": 0.5}, {"dense": 1})
    (noisy,) = drawn(found, 20_000, 3, 0, "n0")
    assert noisy.mean() == pytest.approx(0, abs=0.01)
    assert noisy.std() == pytest.approx(0.5, abs=0.01)
    u = uniform(20_000, 6, 0, 3).reshape(-1, 3, 2)
    np.testing.assert_allclose(noisy, 0.5 * np.sqrt(-2 * np.log1p(-u[..., 0])) * np.cos(2 * np.pi * u[..., 1]))
    assert "n0" not in found.graph.variables
    assert_gradient(network(3, {"dense": 2, "activation": "tanh"}, {"noise": 0.5}, {"dense": 1}))


def test_dropout_is_in_the_loss_of_a_training_alone() -> None:
    found = network(3, {"dense": 4, "activation": "tanh"}, {"dropout": 0.5}, {"dense": 1})
    theta, x, y = found.initial_parameters(), random().normal(size=(6, 3)), np.zeros((6, 1))
    mask = 2 * (uniform(6, 4, 0, 9, 5) >= 0.5)
    p, values = found.split(theta), {**found.unmerged(theta), "x": x, "y": y}
    hidden = np.tanh(dense(p, 1, x))
    in_training = evaluate(found.gradient_graph, {**values, "seed": 9, "first": 5})["loss"]
    assert in_training == pytest.approx((dense(p, 2, hidden * mask) ** 2).mean(), rel=1e-12)
    assert evaluate(found.graph, values)["loss"] == pytest.approx((dense(p, 2, hidden) ** 2).mean(), rel=1e-12)
    assert_gradient(found)


def test_a_training_with_dropout_is_the_same_in_pieces_of_any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network(2, {"dense": 3, "activation": "tanh"}, {"dropout": 0.5}, {"dense": 1}).compile()
    x, y = random().normal(size=(40, 2)), random(1).normal(size=(40, 1))
    found = []
    for seconds in (1.0, 0.0):
        monkeypatch.setattr("symnn.descent.CALL_SECONDS", seconds)
        descent = symnn.Descent(
            model, model.network.initial_parameters(), "gradient_descent", seed=5, learning_rate=0.1
        )
        found.append([descent.epoch(x, y, batch_size=8) for _ in range(3)])
        found[-1] += descent.theta.tolist()
    assert found[0] == found[1]
    for seed, key in ((5, 5), (2**64 - 1, -1)):
        first, _ = model.value_and_grad(model.network.initial_parameters(), x[:8], y[:8], key, 0)
        again = symnn.Descent(
            model, model.network.initial_parameters(), "gradient_descent", seed=seed, learning_rate=0.1
        )
        assert again.epoch(x[:8], y[:8]) == first
        second, _ = model.value_and_grad(again.theta, x[8:16], y[8:16], key, 8)
        assert again.epoch(x[8:16], y[8:16]) == second


# ------------------------------------------------------------------------------------------- shapes


REFUSED: list[tuple[Any, list[Any], str]] = [
    ([1, 8, 8], [{"dense": 3}], "spec: layers[0]: dense takes features last, as 'flatten' makes them, found values of "
     "shape (channel 1, row 8, column 8)"),
    ({"time": "any", "features": 2}, ["flatten", {"dense": 3}], "layers[0]: flatten takes axes of known lengths, found "
     "values of shape (time any, feature 2)"),
    ([], [{"dense": 3}], "inputs: expected channels and positions, such as [3, 100], or channels, rows and columns"),
    ([1, 8.0], [{"dense": 3}], "inputs[1]: expected a whole number, found 8.0"),
    ({"features": 3}, [{"dense": 3}], "inputs: expected 'time', the number of steps or any, beside 'features'"),
    ({"time": "some"}, [{"dense": 3}], "inputs.time: expected a whole number or any, found 'some'"),
    ({"tiem": 3}, [{"dense": 3}], "inputs: unknown axis 'tiem'; did you mean 'time'?"),
    (3, ["flaten", {"dense": 3}], "layers[0]: unknown layer 'flaten'; did you mean 'flatten'?"),
    (3, [{"flatten": {"axis": 1}}, {"dense": 3}], "layers[0].flatten: unknown field 'axis' (known: name)"),
    (3, [{"flatten": 3}, {"dense": 3}], "layers[0].flatten: expected a mapping of fields, found 3"),
    (3, [{"residual": [{"dense": 2}]}, {"dense": 1}], "layers[0]: residual adds what its layers give, values of shape "
     "(feature 2), to what they are given, values of shape (feature 3); expected the same shape"),
    ([1, 2, 2], [{"residual": ["flatten", {"dense": 2}]}], "layers[0]: residual adds"),
    ([1, 2, 2], [{"residual": [{"dense": 2}]}], "layers[0].residual[0]: dense takes features last"),
    (3, [{"residual": [{"dense": 3, "activation": "tahn"}]}], "layers[0].residual[0].activation: unknown activation"),
    (3, [{"residual": {"dense": 3}}], "layers[0].residual: expected a list, found {'dense': 3}"),
    (64, [{"convolution": 3, "kernel": 3}], "layers[0]: convolution takes an image or a signal, channels first, found "
     "values of shape (feature 64)"),
    ([1, 2, 4], [{"convolution": 3, "kernel": 3}], "layers[0]: convolution has a kernel that reaches over 3 places, "
     "found (channel 1, row 2, column 4)"),
    ([1, 4, 4], [{"convolution": 3, "kernel": [3]}], "layers[0]: convolution has 1 numbers for kernel, found"),
    ([1, 4, 4], [{"convolution": 3, "kernel": [3, 3.5]}], "layers[0].kernel: expected a whole number, found 3.5"),
    ([1, 4, 4], [{"convolution": 3, "kernel": 0}], "layers[0].kernel: expected a number of at least 1, found 0"),
    ([1, 4, 4], [{"convolution": 3}], "layers[0]: missing field 'kernel'; expected the size of the kernel, such as 3"),
    ([1, 4, 4], [{"convolution": 3, "kernel": 2, "padding": "some"}], "layers[0].padding: expected valid, same or a"),
    ([3, 4, 4], [{"convolution": 4, "kernel": 2, "groups": 2}], "layers[0]: convolution has 2 groups, found 3 channels "
     "that come in and 4 that come out; expected multiples of it"),
    ([1, 4, 4], [{"convolution": 3, "kernel": 2}, {"max_pool": 4}], "layers[1]: max_pool has a kernel that reaches "
     "over 4 places, found (channel 3, row 3, column 3)"),
    ([1, 4, 4], [{"concatenate": [[], ["flatten"]]}], "layers[0]: concatenate joins values that differ in one axis, "
     "found shapes (channel 1, row 4, column 4) and (feature 16)"),
    (3, [{"concatenate": [[{"dense": 2}], [{"max_pool": 2}]]}], "layers[0].concatenate[1][0]: max_pool takes an image"),
    (3, [{"concatenate": [[{"dense": 2}], {"dense": 2}]}], "layers[0].concatenate[1]: expected a list, found"),
    (3, [{"lstm": 2}], "layers[0]: lstm takes a sequence of features, found values of shape (feature 3)"),
    (STEPS, [{"gru": 2, "output": "first"}], "layers[0].output: expected 'last' or 'all', found 'first'"),
    (3, [{"embedding": 2, "vocabulary": 5}], "layers[0]: embedding takes the inputs of a network that are said as "
     "{time: 50}, without features, found values of shape (feature 3)"),
    (3, [{"attention": 2}], "layers[0]: attention takes a sequence of features, found values of shape (feature 3)"),
    (STEPS, [{"attention": 2}], "layers[0]: attention has 2 heads, found feature 3; expected a multiple of it"),
    (3, [{"dropout": 1}], "layers[0].dropout: expected a number below 1.0, found 1"),
    (3, [{"layer_norm": {"epsilon": 0}}], "layers[0].layer_norm.epsilon: expected a number above 0.0, found 0"),
    ({"time": 3, "features": 2}, [{"recurrent": 2, "activation": "softmax"}], "layers[0].activation: expected a "
     "function of one number, found 'softmax', which is of all features together"),
    ({"time": "any"}, ["layer_norm", {"embedding": 2, "vocabulary": 3}], "layers: found parameters for each time, of "
     "which each call decides the number"),
    ({"time": 3}, [{"concatenate": [[], []]}, "flatten", {"dense": 1}], "layers[0]: concatenate takes features or "
     "channels, found values of shape (time 3)"),
    (3, ["scale"], "layers[0]: missing field 'scale'; expected the factor"),
    (3, [{"dense": 3, "flatten": {}}], "layers[0]: found 'dense' and 'flatten', expected an entry of its own for each"),
]  # fmt: skip


@pytest.mark.parametrize(("inputs", "layers", "message"), REFUSED)
def test_what_does_not_fit_is_told_with_the_layer_and_the_shape(inputs: Any, layers: Any, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        network(inputs, *layers)
    assert message in str(caught.value)


def test_an_embedding_of_anything_but_inputs_is_refused() -> None:
    """Its inputs would be real numbers, of which no row is that of a whole one."""
    rows = {"embedding": 2, "vocabulary": 3}
    for layers in ([{"dropout": 0.5}, {"scale": 2.0}, rows], [{"concatenate": [[rows], [rows]]}]):
        with pytest.raises(SpecError, match="embedding: found real numbers, expected the integers of inputs"):
            _ = network({"time": 4}, *layers, {"dense": 1}).graph


def test_a_spec_says_shapes_and_reads_back() -> None:
    for inputs in (3, [1, 4, 4], [2, 9], {"time": 3, "features": 2}, {"time": "any", "features": 2}):
        layers = ["flatten", {"dense": 1}] if isinstance(inputs, list) else [{"dense": 1}]
        spec = symnn.load_spec({"inputs": inputs, "layers": layers, "loss": "mean_squared_error"})
        assert spec.to_dict()["inputs"] == inputs
        assert spec.to_dict()["layers"] == layers
        assert symnn.load_spec(spec.to_dict()) == spec


@pytest.mark.slow
def test_images_are_trained_as_rows_of_a_table(tmp_path: Path) -> None:
    x = random().normal(size=(40, 6))
    flat = Network(6, [symnn.dense(1)], "mean_squared_error")
    image = Network((1, 2, 3), [symnn.flatten(), symnn.dense(1)], "mean_squared_error")
    expected, found = (symnn.train(each, x, x.sum(axis=1), {"epochs": 2}) for each in (flat, image))
    np.testing.assert_allclose(found.theta, expected.theta, rtol=1e-9, atol=1e-12)
    found.save(tmp_path / "a.safetensors")
    again = symnn.load(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(again.predict(x.reshape(-1, 1, 2, 3)), found.predict(x))
