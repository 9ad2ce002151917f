"""Layers against those of JAX and PyTorch, the weights carried over: values, first and second derivatives to 1e-12."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import codegen
import symnn
from codegen import Graph
from codegen.numeric.evaluate import evaluate
from symnn.network import Network
from symnn.samples import example

pytestmark = pytest.mark.values

Array = NDArray[Any]
TOLERANCE = 1e-12


def _lstm_by_jax(p: Any, x: Any, j: Any, n: Any) -> Any:
    def step(state: Any, x: Any) -> Any:
        h, c = state
        i, f, g, o = n.split(x @ p["W1"].T + p["b1"] + h @ p["U1"].T, 4, axis=1)
        c = j.nn.sigmoid(f) * c + j.nn.sigmoid(i) * n.tanh(g)
        h = j.nn.sigmoid(o) * n.tanh(c)
        return (h, c), h

    zeros = n.zeros((len(x), p["U1"].shape[1]))
    return j.lax.scan(step, (zeros, zeros), n.swapaxes(x, 0, 1))[1].swapaxes(0, 1)


def _gru_by_jax(p: Any, x: Any, j: Any, n: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        (a, b, m), (d, e, v) = (n.split(y, 3, axis=1) for y in (x @ p["W1"].T + p["b1"], h @ p["U1"].T + p["c1"]))
        r, z = j.nn.sigmoid(a + d), j.nn.sigmoid(b + e)
        h = (1 - z) * n.tanh(m + r * v) + z * h
        return h, h

    return j.lax.scan(step, n.zeros((len(x), p["U1"].shape[1])), n.swapaxes(x, 0, 1))[1].swapaxes(0, 1)


def _recurrent_by_jax(p: Any, x: Any, j: Any, n: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        h = n.tanh(x @ p["W1"].T + p["b1"] + h @ p["U1"].T)
        return h, h

    return j.lax.scan(step, n.zeros((len(x), p["U1"].shape[1])), n.swapaxes(x, 0, 1))[1].swapaxes(0, 1)


def _steps(t: Any, kind: Any, p: Any, x: Any, units: int, second: Any) -> Any:
    """A recurrent layer of PyTorch with our weights in it as they are."""
    layer = kind(x.shape[-1], units, batch_first=True, dtype=t.float64)
    zeros = t.zeros_like(p["b1"])
    given = {
        "weight_ih_l0": p["W1"], "weight_hh_l0": p["U1"], "bias_ih_l0": p["b1"],
        "bias_hh_l0": zeros if second is None else second,
    }  # fmt: skip
    return t.func.functional_call(layer, given, (x,))[0]


SEQUENCE = {"time": 5, "features": 4}

# A name, inputs, layers, and the same in JAX (j is jax, n is jax.numpy) and in PyTorch (t is torch, f its functional).
LAYERS: list[tuple[str, Any, list[Any], Callable[..., Any] | None, Callable[..., Any] | None]] = [
    ("dense", 3, [{"dense": 4, "activation": "tanh"}, {"dense": 2}],
     lambda p, x, j, n: n.tanh(x @ p["W1"].T + p["b1"]) @ p["W2"].T + p["b2"],
     lambda p, x, t, f: f.linear(t.tanh(f.linear(x, p["W1"], p["b1"])), p["W2"], p["b2"])),
    ("convolution", [2, 6, 5], [{"convolution": 3, "kernel": 3, "activation": "tanh"}],
     lambda p, x, j, n: n.tanh(j.lax.conv_general_dilated(x, p["W1"], (1, 1), "VALID") + p["b1"][:, None, None]),
     lambda p, x, t, f: t.tanh(f.conv2d(x, p["W1"], p["b1"]))),
    ("convolution, same", [2, 6, 5], [{"convolution": 3, "kernel": [3, 2], "padding": "same"}],
     lambda p, x, j, n: j.lax.conv_general_dilated(x, p["W1"], (1, 1), "SAME") + p["b1"][:, None, None],
     lambda p, x, t, f: f.conv2d(x, p["W1"], p["b1"], padding="same")),
    ("convolution, same with strides", [1, 6, 7], [{"convolution": 2, "kernel": 3, "stride": 2, "padding": "same"}],
     lambda p, x, j, n: j.lax.conv_general_dilated(x, p["W1"], (2, 2), "SAME") + p["b1"][:, None, None],
     # PyTorch refuses padding='same' with strides: the zeros of 6 and 7 places, one behind the rows, one on each side.
     lambda p, x, t, f: f.conv2d(f.pad(x, (1, 1, 0, 1)), p["W1"], p["b1"], stride=2)),
    ("convolution, strides, zeros, dilated", [2, 7, 6],
     [{"convolution": 2, "kernel": 2, "stride": [2, 1], "padding": [1, 2], "dilation": 2}],
     lambda p, x, j, n: j.lax.conv_general_dilated(
         x, p["W1"], (2, 1), [(1, 1), (2, 2)], rhs_dilation=(2, 2)) + p["b1"][:, None, None],
     lambda p, x, t, f: f.conv2d(x, p["W1"], p["b1"], stride=(2, 1), padding=(1, 2), dilation=2)),
    ("convolution, same, dilated with strides", [1, 7, 5],
     [{"convolution": 2, "kernel": 3, "stride": 2, "dilation": 2, "padding": "same"}],
     lambda p, x, j, n: j.lax.conv_general_dilated(
         x, p["W1"], (2, 2), "SAME", rhs_dilation=(2, 2)) + p["b1"][:, None, None],
     lambda p, x, t, f: f.conv2d(x, p["W1"], p["b1"], stride=2, padding=2, dilation=2)),
    ("convolution in groups", [4, 4, 3], [{"convolution": 6, "kernel": 2, "groups": 2}],
     lambda p, x, j, n: j.lax.conv_general_dilated(
         x, p["W1"], (1, 1), "VALID", feature_group_count=2) + p["b1"][:, None, None],
     lambda p, x, t, f: f.conv2d(x, p["W1"], p["b1"], groups=2)),
    ("convolution of a signal", [2, 9], [{"convolution": 3, "kernel": 3, "stride": 2, "padding": 1}],
     lambda p, x, j, n: j.lax.conv_general_dilated(x, p["W1"], (2,), [(1, 1)]) + p["b1"][:, None],
     lambda p, x, t, f: f.conv1d(x, p["W1"], p["b1"], stride=2, padding=1)),
    ("convolution of a signal, same, dilated, in groups", [4, 9],
     [{"convolution": 6, "kernel": 3, "padding": "same", "dilation": 2, "groups": 2}],
     lambda p, x, j, n: j.lax.conv_general_dilated(
         x, p["W1"], (1,), "SAME", rhs_dilation=(2,), feature_group_count=2) + p["b1"][:, None],
     lambda p, x, t, f: f.conv1d(x, p["W1"], p["b1"], padding="same", dilation=2, groups=2)),
    ("pools of a signal", [2, 9], [{"convolution": 2, "kernel": 2}, {"max_pool": 2}, {"average_pool": 3, "stride": 1}],
     lambda p, x, j, n: j.lax.reduce_window(
         j.lax.reduce_window(
             j.lax.conv_general_dilated(x, p["W1"], (1,), "VALID") + p["b1"][:, None],
             -n.inf, j.lax.max, (1, 1, 2), (1, 1, 2), "VALID"),
         0.0, j.lax.add, (1, 1, 3), (1, 1, 1), "VALID") / 3,
     lambda p, x, t, f: f.avg_pool1d(f.max_pool1d(f.conv1d(x, p["W1"], p["b1"]), 2), 3, stride=1)),
    ("pools", [1, 8, 8], [{"convolution": 2, "kernel": 3}, {"max_pool": 2}, {"average_pool": [2, 3], "stride": 1}],
     lambda p, x, j, n: j.lax.reduce_window(
         j.lax.reduce_window(
             j.lax.conv_general_dilated(x, p["W1"], (1, 1), "VALID") + p["b1"][:, None, None],
             -n.inf, j.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID"),
         0.0, j.lax.add, (1, 1, 2, 3), (1, 1, 1, 1), "VALID") / 6,
     lambda p, x, t, f: f.avg_pool2d(f.max_pool2d(f.conv2d(x, p["W1"], p["b1"]), 2), (2, 3), stride=1)),
    ("flatten", [1, 4, 4], [{"convolution": 2, "kernel": 2}, "flatten", {"dense": 3, "activation": "softmax"}],
     lambda p, x, j, n: j.nn.softmax(
         (j.lax.conv_general_dilated(x, p["W1"], (1, 1), "VALID") + p["b1"][:, None, None]).reshape(len(x), -1)
         @ p["W2"].T + p["b2"]),
     lambda p, x, t, f: t.softmax(f.linear(f.conv2d(x, p["W1"], p["b1"]).flatten(1), p["W2"], p["b2"]), 1)),
    ("layer_norm", SEQUENCE, [{"dense": 3}, "layer_norm"],
     lambda p, x, j, n: j.nn.standardize(x @ p["W1"].T + p["b1"], epsilon=1e-5) * p["g2"] + p["b2"],
     lambda p, x, t, f: f.layer_norm(f.linear(x, p["W1"], p["b1"]), (3,), p["g2"], p["b2"])),
    ("batch_norm", 3, [{"dense": 4}, "batch_norm", {"activation": "tanh"}, {"dense": 1}],
     lambda p, x, j, n: n.tanh(j.nn.standardize(x @ p["W1"].T + p["b1"], axis=0, epsilon=1e-5) * p["g2"] + p["b2"])
     @ p["W3"].T + p["b3"],
     lambda p, x, t, f: f.linear(t.tanh(f.batch_norm(
         f.linear(x, p["W1"], p["b1"]), None, None, p["g2"], p["b2"], training=True)), p["W3"], p["b3"])),
    ("batch_norm of channels", [1, 4, 4], [{"convolution": 2, "kernel": 2}, "batch_norm"],
     lambda p, x, j, n: j.nn.standardize(
         j.lax.conv_general_dilated(x, p["W1"], (1, 1), "VALID"), axis=(0, 2, 3), epsilon=1e-5)
     * p["g2"][:, None, None] + p["b2"][:, None, None],
     lambda p, x, t, f: f.batch_norm(f.conv2d(x, p["W1"], p["b1"]), None, None, p["g2"], p["b2"], training=True)),
    ("residual, scale, concatenate", 3,
     [{"residual": [{"dense": 5, "activation": "tanh"}, {"dense": 3}, {"scale": 0.5}]},
      {"concatenate": [[{"dense": 2}], []]}],
     lambda p, x, j, n: (lambda r: n.hstack([r @ p["W3"].T + p["b3"], r]))(
         x + 0.5 * (n.tanh(x @ p["W1"].T + p["b1"]) @ p["W2"].T + p["b2"])),
     lambda p, x, t, f: (lambda r: t.hstack([f.linear(r, p["W3"], p["b3"]), r]))(
         x + 0.5 * f.linear(t.tanh(f.linear(x, p["W1"], p["b1"])), p["W2"], p["b2"]))),
    ("activation", 3, [{"dense": 4}, {"activation": "silu"}, {"dense": 2}],
     lambda p, x, j, n: j.nn.silu(x @ p["W1"].T + p["b1"]) @ p["W2"].T + p["b2"],
     lambda p, x, t, f: f.linear(f.silu(f.linear(x, p["W1"], p["b1"])), p["W2"], p["b2"])),
    ("scale that is learnt", [2, 3], [{"scale": 0.5, "learned": True}, {"activation": "tanh"}],
     lambda p, x, j, n: n.tanh(p["g1"][:, None] * x),
     lambda p, x, t, f: t.tanh(p["g1"][:, None] * x)),
    ("dropout, in training", 3, [{"dense": 4, "activation": "tanh"}, {"dropout": 0.4}, {"dense": 2}],
     lambda p, x, j, n: (n.tanh(x @ p["W1"].T + p["b1"]) * p["mask1"]) @ p["W2"].T + p["b2"],
     lambda p, x, t, f: f.linear(t.tanh(f.linear(x, p["W1"], p["b1"])) * p["mask1"], p["W2"], p["b2"])),
    ("noise, in training", 3, [{"noise": 0.4}, {"dense": 2, "activation": "tanh"}],
     lambda p, x, j, n: n.tanh(p["n0"] @ p["W1"].T + p["b1"]),
     lambda p, x, t, f: t.tanh(f.linear(p["n0"], p["W1"], p["b1"]))),
    ("embedding", {"time": 5}, [{"embedding": 3, "vocabulary": 4}, {"dense": 2, "activation": "tanh"}],
     lambda p, x, j, n: n.tanh(p["E1"][x] @ p["W2"].T + p["b2"]),
     lambda p, x, t, f: t.tanh(f.linear(f.embedding(x, p["E1"]), p["W2"], p["b2"]))),
    ("take, again", 3, [{"dense": 3, "activation": "tanh", "name": "half"}, {"again": "half"},
                        {"residual": [{"take": "x"}]}],
     lambda p, x, j, n: x + n.tanh(n.tanh(x @ p["W1"].T + p["b1"]) @ p["W1"].T + p["b1"]),
     lambda p, x, t, f: x + t.tanh(f.linear(t.tanh(f.linear(x, p["W1"], p["b1"])), p["W1"], p["b1"]))),
    ("several inputs", {"left": 3, "right": 2},
     [{"take": "left"}, {"dense": 4, "activation": "tanh"}, {"concatenate": [[], [{"take": "right"}, {"dense": 2}]]},
      {"dense": 2, "activation": "tanh"}],
     lambda p, x, j, n: n.tanh(n.hstack([
         n.tanh(x["left"] @ p["W1"].T + p["b1"]), x["right"] @ p["W2"].T + p["b2"]]) @ p["W3"].T + p["b3"]),
     lambda p, x, t, f: t.tanh(f.linear(t.hstack([
         t.tanh(f.linear(x["left"], p["W1"], p["b1"])), f.linear(x["right"], p["W2"], p["b2"])]), p["W3"], p["b3"]))),
    ("recurrent", SEQUENCE, [{"recurrent": 3}, {"dense": 2}],
     lambda p, x, j, n: _recurrent_by_jax(p, x, j, n)[:, -1] @ p["W2"].T + p["b2"],
     lambda p, x, t, f: f.linear(_steps(t, t.nn.RNN, p, x, 3, None)[:, -1], p["W2"], p["b2"])),
    ("lstm", SEQUENCE, [{"lstm": 3, "output": "all"}], _lstm_by_jax,
     lambda p, x, t, f: _steps(t, t.nn.LSTM, p, x, 3, None)),
    ("lstm, the last step", SEQUENCE, [{"lstm": 3}, {"dense": 2}],
     lambda p, x, j, n: _lstm_by_jax(p, x, j, n)[:, -1] @ p["W2"].T + p["b2"],
     lambda p, x, t, f: f.linear(_steps(t, t.nn.LSTM, p, x, 3, None)[:, -1], p["W2"], p["b2"])),
    ("gru", SEQUENCE, [{"gru": 3, "output": "all"}], _gru_by_jax,
     lambda p, x, t, f: _steps(t, t.nn.GRU, p, x, 3, p["c1"])),
    ("attention", SEQUENCE, [{"attention": 2}],
     lambda p, x, j, n: _attention_by_jax(p, x, j, n, True),
     lambda p, x, t, f: _attention(p, x, t, f, None)),
    ("attention, causal", SEQUENCE, [{"attention": 2, "causal": True}],
     lambda p, x, j, n: _attention_by_jax(p, x, j, n, n.tri(x.shape[1], dtype=bool)),
     lambda p, x, t, f: _attention(p, x, t, f, t.triu(t.ones(x.shape[1], x.shape[1], dtype=t.bool), 1))),
]  # fmt: skip

#: Those that predict otherwise than they are trained: by the averages that they have kept.
PREDICTED = [
    ("batch_norm", 3, [{"dense": 4}, "batch_norm", {"activation": "tanh"}, {"dense": 1}],
     lambda p, x, j, n: n.tanh(
         (x @ p["W1"].T + p["b1"] - p["mean2"]) / n.sqrt(p["variance2"] + 1e-5) * p["g2"] + p["b2"])
     @ p["W3"].T + p["b3"],
     lambda p, x, t, f: f.linear(t.tanh(f.batch_norm(
         f.linear(x, p["W1"], p["b1"]), p["mean2"].detach(), p["variance2"].detach(), p["g2"], p["b2"])),
         p["W3"], p["b3"])),
]  # fmt: skip


def _attention(p: Any, x: Any, t: Any, f: Any, mask: Any) -> Any:
    x = x.transpose(0, 1)
    found, _ = f.multi_head_attention_forward(
        x, x, x, x.shape[-1], 2, p["W1"], p["b1"], None, None, False, 0.0, p["U1"], p["c1"],
        attn_mask=mask, need_weights=True,  # its other way has no second derivative
    )  # fmt: skip
    return found.transpose(0, 1)


def _attention_by_jax(p: Any, x: Any, j: Any, n: Any, seen: Any) -> Any:
    """Written out: jax.nn.dot_product_attention takes float64 and computes in float32."""
    q, k, v = (part.reshape(*x.shape[:2], 2, -1) for part in n.split(x @ p["W1"].T + p["b1"], 3, axis=-1))
    match = n.einsum("sthe,suhe->shtu", q, k) / q.shape[-1] ** 0.5
    weight = j.nn.softmax(n.where(seen, match, -n.inf))
    return n.einsum("shtu,suhe->sthe", weight, v).reshape(x.shape) @ p["U1"].T + p["c1"]


def ours(found: Network, graph: Graph, theta: Array, data: dict[str, Array], along: Array) -> list[Array]:
    """Loss, gradient, and its derivative along a direction."""
    names = list(found.layout)
    directions = {f"v_{name}": part for name, part in found.unmerged(along).items()}
    values = {**found.unmerged(theta), **data}
    gradient = codegen.gradient(graph, "loss", names)
    first = evaluate(gradient, values)
    derived = codegen.hvp(graph, "loss", names)
    second = evaluate(derived, values | directions)
    outputs = gradient.outputs[1:], derived.outputs[-len(names) :]
    return [
        np.asarray(first["loss"]),
        np.concatenate([first[name].ravel() for name in outputs[0]]),
        np.concatenate([second[name].ravel() for name in outputs[1]]),
    ]


def drawn_in(network: Network, data: dict[str, Array]) -> dict[str, Array]:
    """The mask of a training, and x with its noise, which the libraries take as they are."""
    graph = network.training_graph
    names = [name for name in ("mask1", "n0") if name in graph.definitions and network.draws]
    if not names:
        return {}
    found = evaluate(graph.with_outputs(*names), {**network.unmerged(network.initial_parameters()), **data})
    return {name: np.asarray(found[name]) for name in names}


def inputs_of(found: Network, data: dict[str, Array], array: Callable[[Any], Any]) -> Any:
    """x, or several inputs by name."""
    given = {variable.name: array(data[variable.name]) for variable in found.input_variables}
    return given["x"] if list(given) == ["x"] else given


def by_jax(layer: Callable[..., Any], found: Network, theta: Array, data: dict[str, Array], along: Array) -> list[Any]:
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        numpy = jax.numpy
        drawn = {name: numpy.asarray(values) for name, values in drawn_in(found, data).items()}

        def loss(theta: Any) -> Any:
            parts = {name: theta[p.where].reshape(p.shape) for name, p in found.layout.items()} | drawn
            return ((layer(parts, inputs_of(found, data, numpy.asarray), jax, numpy) - data["y"]) ** 2).mean()

        gradient, curvature = jax.jvp(jax.grad(loss), (numpy.asarray(theta),), (numpy.asarray(along),))
        return [np.asarray(part) for part in (loss(numpy.asarray(theta)), gradient, curvature)]


def by_torch(
    layer: Callable[..., Any], found: Network, theta: Array, data: dict[str, Array], along: Array
) -> list[Any]:
    torch = pytest.importorskip("torch")
    x, y = inputs_of(found, data, torch.tensor), torch.tensor(data["y"])
    drawn = {name: torch.tensor(values) for name, values in drawn_in(found, data).items()}

    def loss(theta: Any) -> Any:
        parts = {name: theta[p.where].reshape(p.shape) for name, p in found.layout.items()} | drawn
        return ((layer(parts, x, torch, torch.nn.functional) - y) ** 2).mean()

    at = torch.tensor(theta, requires_grad=True)
    value = loss(at)
    (gradient,) = torch.autograd.grad(value, at, create_graph=True)
    (curvature,) = torch.autograd.grad((gradient * torch.tensor(along)).sum(), at)
    return [part.detach().numpy() for part in (value, gradient, curvature)]


def cases() -> Iterable[Any]:
    for rows, form in ((LAYERS, "training_graph"), (PREDICTED, "graph")):
        for name, inputs, layers, jax, torch in rows:
            for library, layer, run in (("jax", jax, by_jax), ("torch", torch, by_torch)):
                if layer is not None:
                    yield pytest.param(inputs, layers, form, layer, run, id=f"{name}, {form} by {library}")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Using padding='same'")
@pytest.mark.parametrize(("inputs", "layers", "form", "layer", "run"), [*cases()])
def test_a_layer_is_that_of_the_library(inputs: Any, layers: Any, form: str, layer: Any, run: Any) -> None:
    found = Network.from_spec({"inputs": inputs, "layers": layers, "loss": "mean_squared_error"})
    generator = np.random.Generator(np.random.PCG64(0))
    theta = found.initial_parameters() + 0.1 * generator.normal(size=found.parameter_count)
    along = generator.normal(size=theta.shape)
    along[found.averages] = 0
    data = example(found, generator, 6)
    expected = run(layer, found, theta, data, along)
    weights = found.averages.start if form == "graph" else None  # PyTorch has no derivative by averages
    for one, other in zip(ours(found, getattr(found, form), theta, data, along), expected):
        one, other = (part[:weights] if part.ndim else part for part in (one, other))
        np.testing.assert_allclose(one, other, rtol=TOLERANCE, atol=TOLERANCE)


def test_every_kind_is_held_to_both_libraries() -> None:
    def kinds(layers: Any) -> set[str]:
        if isinstance(layers, str):
            return {layers}
        if isinstance(layers, dict):
            return {
                *layers,
                *(kind for content in layers.values() if isinstance(content, list) for kind in kinds(content)),
            }
        return {kind for layer in layers for kind in kinds(layer)} if isinstance(layers, list) else set()

    assert {*symnn.layers.KINDS} <= {kind for _, _, layers, *_ in LAYERS for kind in kinds(layers)}
    assert [name for name, _, _, *layer in LAYERS if None in layer] == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_weights_of_pytorch_go_in_as_they_are(kind: str) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    module = getattr(torch.nn, kind)(4, 3, batch_first=True, dtype=torch.float64)
    given = {name: value.detach().numpy() for name, value in module.named_parameters()}
    b, c = given["bias_ih_l0"], given["bias_hh_l0"]
    ours = {"W1": given["weight_ih_l0"], "U1": given["weight_hh_l0"]}
    ours |= {"b1": b, "c1": c} if kind == "GRU" else {"b1": b + c}
    layer = {"RNN": symnn.recurrent, "LSTM": symnn.lstm, "GRU": symnn.gru}[kind](3, output="all")
    network = Network({"time": "any", "features": 4}, [layer], "mean_squared_error")
    theta = np.concatenate([ours[name].ravel() for name in network.layout])
    x = np.random.Generator(np.random.PCG64(0)).normal(size=(6, 7, 4))
    expected = module(torch.tensor(x))[0].detach().numpy()
    found = evaluate(network.forward_graph, {**network.unmerged(theta), "x": x})["output"]
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize(("loss", "steps"), [("softmax_cross_entropy", "lengths"), ("mean_squared_error", "mask")])
@pytest.mark.parametrize("kind", ["recurrent", "gru", "lstm"])
def test_the_loss_of_the_steps_that_count_is_that_of_jax_with_two_derivatives(kind: str, loss: str, steps: Any) -> None:
    jax = pytest.importorskip("jax")
    numpy = jax.numpy
    layer = {"recurrent": symnn.recurrent, "gru": symnn.gru, "lstm": symnn.lstm}[kind]
    by_step = {"recurrent": _recurrent_by_jax, "gru": _gru_by_jax, "lstm": _lstm_by_jax}[kind]
    layers = (layer(3, output="all"), symnn.dense(2))
    network = Network({"time": 4, "features": 2}, layers, loss, steps=steps, weighted=steps == "mask")
    generator = np.random.Generator(np.random.PCG64(0))
    theta = network.initial_parameters() + 0.1 * generator.normal(size=network.parameter_count)
    along = generator.normal(size=theta.shape)
    values = example(network, generator, 5)
    lengths = 4 - np.arange(5) % 4
    given = lengths if steps == "lengths" else np.arange(4) < lengths[:, None]
    np.testing.assert_array_equal(values[steps], given)

    def masked(theta: Any) -> Any:
        p = network.split(theta)
        output, y = by_step(p, numpy.asarray(values["x"]), jax, numpy) @ p["W2"].T + p["b2"], values["y"]
        if loss == "mean_squared_error":
            each = ((output - y) ** 2).mean(axis=-1)
        else:
            each = -numpy.take_along_axis(jax.nn.log_softmax(output), y[..., None], axis=-1)[..., 0]
        counts = (np.arange(4) < lengths[:, None]) * values.get("w", np.ones(5))[:, None]
        return (counts * each).sum() / counts.sum()

    with jax.enable_x64(True):
        expected, slope = jax.value_and_grad(masked)(numpy.asarray(theta))
        curvature = jax.jvp(jax.grad(masked), (numpy.asarray(theta),), (numpy.asarray(along),))[1]
    model = network.compile()
    found, gradient = model.value_and_grad(theta, *(values[variable.name] for variable in network.data))
    assert found == pytest.approx(float(expected), rel=TOLERANCE)
    np.testing.assert_allclose(gradient, slope, rtol=TOLERANCE, atol=TOLERANCE)
    second = ours(network, network.training_graph, theta, values, along)[2]
    np.testing.assert_allclose(second, curvature, rtol=TOLERANCE, atol=TOLERANCE)
    # What padding holds makes no difference at all.
    padded = np.arange(4) >= lengths[:, None]
    values["x"][padded], values["y"][padded] = 1e6, 1
    again = model.value_and_grad(theta, *(values[variable.name] for variable in network.data))
    assert again[0] == found
    np.testing.assert_array_equal(again[1], gradient)
