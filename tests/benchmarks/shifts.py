"""Cases K to S, shifted subscripts and recurrences: ``python -m tests.benchmarks.shifts``.

Value and gradient of convolutions, recurrent networks, a neural ODE, ADBench's LSTM (``--adbench FOLDER``), an
integrator and differences of neighbours: one thread, both dtypes, beside jitted JAX (its convolutions and ``scan``),
eager PyTorch, and PyTensor by its Numba backend (its ``scan``). In float64 everybody's gradient is held to ours at 1e-9
before its time counts; medians of interleaved calls, and seconds of processor time to derive and to compile. Two more
tables: the same recurrence of 30 and of 3,000 steps, and the same formula with integer and with symbolic extents.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.benchmarks import machine
from tests.benchmarks.cases import Dtype
from tests.benchmarks.peers import LeftOut

if TYPE_CHECKING:
    from codegen import Graph

Arrays = dict[str, np.ndarray]
Loss = Callable[[Mapping[str, Any]], Any]

TOLERANCE: Mapping[Dtype, float] = {"float64": 1e-9, "float32": 2e-3}
"""Of the value, and of the gradient beside its largest number. A thousand steps of single precision lose some more."""

FROZEN = 1e-11
"""How far ADBench's LSTM may be from the gradient that its own tests hold frozen."""


@dataclass(frozen=True)
class Row:
    """A formula in each library. ``asked`` is how many times faster than the best peer it should be."""

    name: str
    what: str
    asked: float
    arrays: Callable[[], Arrays]
    """Parameters and data in float64 and integers."""
    parameters: Sequence[str]
    graph: Callable[[], Graph]
    """Its first output is the value."""
    jax: Loss | None = None
    torch: Loss | None = None
    pytensor: Loss | None = None


@dataclass(frozen=True)
class Contender:
    """``call()`` is what is timed; ``read`` makes value and flat gradient of what it returned."""

    call: Callable[[], Any]
    read: Callable[[Any], np.ndarray]
    derive: float
    compile: float
    how: str = ""


def stopwatch() -> Callable[[], float]:
    """Seconds of processor time since it was last asked."""
    last = time.process_time()

    def lap() -> float:
        nonlocal last
        before, last = last, time.process_time()
        return last - before

    return lap


def flat(parts: Iterable[Any]) -> np.ndarray:
    """All numbers in a row, in double precision."""
    return np.concatenate([np.ravel(np.asarray(part, np.float64)) for part in parts])


# Contenders


def ours(row: Row, values: Arrays, dtype: Dtype) -> Contender:
    """Compiled without a cache; the call is bound to its arrays."""
    import codegen
    from tests.benchmarks.peers.ours import first_use

    first_use()
    graph = row.graph()
    lap = stopwatch()
    derived = codegen.gradient(graph, graph.outputs[0], row.parameters)
    seconds = lap()
    function = codegen.compile(derived, dtype=dtype, cache=False)
    arguments = [values[slot.name] for slot in function.layout.arguments]
    out = [np.empty_like(values[name]) for name in row.parameters if values[name].ndim]
    call = function.bind(*arguments, out=out)
    compiled = lap()
    report = function.report
    return Contender(call, flat, seconds, compiled, f"{report.schedule}, {report.emitter}, {len(derived.equations)}")


def in_jax(row: Row, values: Arrays, dtype: Dtype) -> Contender:
    """``value_and_grad`` in one jitted function, its arguments on the device beforehand."""
    import jax

    from tests.benchmarks.peers.jax_jit import first_use

    if row.jax is None:
        raise LeftOut("not written")
    loss = row.jax
    first_use()
    data = {name: jax.numpy.asarray(value) for name, value in values.items()}
    given = [data.pop(name) for name in row.parameters]
    step = jax.jit(jax.value_and_grad(lambda given, data: loss({**dict(zip(row.parameters, given)), **data})))
    lap = stopwatch()
    lowered = step.lower(given, data)
    seconds = lap()
    lowered.compile()
    compiled = lap()

    def read(returned: Any) -> np.ndarray:
        return flat([returned[0], *returned[1]])

    return Contender(lambda: jax.block_until_ready(step(given, data)), read, seconds, compiled)


def in_torch(row: Row, values: Arrays, dtype: Dtype) -> Contender:
    """Eager, by autograd."""
    import torch

    if row.torch is None:
        raise LeftOut("its steps would be a loop of Python")
    loss = row.torch
    torch.set_num_threads(1)
    data = {name: torch.tensor(value) for name, value in values.items()}
    given = [data[name].requires_grad_() for name in row.parameters]

    def call() -> Any:
        value = loss(data)
        return value, torch.autograd.grad(value, given)

    return Contender(call, lambda found: flat([found[0].item(), *(g.detach() for g in found[1])]), 0.0, 0.0)


def in_pytensor(row: Row, values: Arrays, dtype: Dtype) -> Contender:
    """By its Numba backend, its arguments trusted and its results borrowed."""
    if row.pytensor is None:
        raise LeftOut("not written")
    import pytensor
    from pytensor import tensor

    from tests.benchmarks.peers.ours import first_use

    first_use()
    given = {name: tensor.tensor(name, dtype=value.dtype, shape=value.shape) for name, value in values.items()}
    with pytensor.config.change_flags(floatX=dtype):
        lap = stopwatch()
        loss = row.pytensor(given)
        results = [loss, *tensor.grad(loss, [given[name] for name in row.parameters])]
        seconds = lap()
        function = pytensor.function(
            [pytensor.In(variable, borrow=True) for variable in given.values()],
            [pytensor.Out(result, borrow=True) for result in results],
            mode="NUMBA",
            on_unused_input="ignore",
        )
    function.trust_input = True
    arguments = [*values.values()]
    function(*arguments)  # compiled at the first call
    return Contender(lambda: function(*arguments), flat, seconds, lap())


CONTENDERS: Mapping[str, Callable[[Row, Arrays, Dtype], Contender]] = {
    "symnn": ours,
    "JAX": in_jax,
    "PyTorch": in_torch,
    "PyTensor": in_pytensor,
}


# K, L: convolutions


def images(channels: int, side: int, network: Callable[[], Any]) -> Arrays:
    rng, found = np.random.default_rng(0), network()
    x, y = rng.normal(size=(64, channels, side, side)), rng.integers(0, 10, 64)
    parameters = found.split(found.initial_parameters(0))
    shaped = {name: value.reshape(found.graph.variable(name).shape) for name, value in parameters.items()}
    return {**shaped, "x": x, "y": y}


def digits() -> Any:
    import symnn

    layers = (
        symnn.convolution(8, kernel=3, activation="tanh"),
        symnn.convolution(16, kernel=3, activation="tanh"),
        symnn.average_pool(2),
        symnn.flatten(),
        symnn.dense(10),
    )
    return symnn.Network((1, 8, 8), layers, "softmax_cross_entropy")


def lenet() -> Any:
    import symnn

    layers = (
        symnn.convolution(6, kernel=5, activation="tanh"),
        symnn.average_pool(2),
        symnn.convolution(16, kernel=5, activation="tanh"),
        symnn.average_pool(2),
        symnn.flatten(),
        symnn.dense(120, "tanh"),
        symnn.dense(84, "tanh"),
        symnn.dense(10),
    )
    return symnn.Network((1, 28, 28), layers, "softmax_cross_entropy")


DIGITS = ("conv", "conv", "pool", "dense")
LENET = ("conv", "pool", "conv", "pool", "dense", "tanh", "dense", "tanh", "dense")


def convolved_in_jax(kinds: Sequence[str], given: Mapping[str, Any]) -> Any:
    import jax
    from jax import lax

    a, number = given["x"], 0
    for kind in kinds:
        if kind in ("conv", "dense"):
            number += 1
            w, b = given[f"W{number}"], given[f"b{number}"]
        if kind == "conv":
            a = jax.numpy.tanh(lax.conv(a, w, (1, 1), "VALID") + b[:, None, None])
        elif kind == "pool":
            a = lax.reduce_window(a, 0.0, lax.add, (1, 1, 2, 2), (1, 1, 2, 2), "VALID") / 4
        elif kind == "tanh":
            a = jax.numpy.tanh(a)
        else:
            a = a.reshape(len(a), -1) @ w.reshape(len(w), -1).T + b
    return jax.numpy.mean(jax.nn.logsumexp(a, axis=1) - a[jax.numpy.arange(len(a)), given["y"]])


def convolved_in_torch(kinds: Sequence[str], given: Mapping[str, Any]) -> Any:
    import torch
    from torch.nn import functional

    a, number = given["x"], 0
    for kind in kinds:
        if kind in ("conv", "dense"):
            number += 1
            w, b = given[f"W{number}"], given[f"b{number}"]
        if kind == "conv":
            a = torch.tanh(functional.conv2d(a, w, b))
        elif kind == "pool":
            a = functional.avg_pool2d(a, 2)
        elif kind == "tanh":
            a = torch.tanh(a)
        else:
            a = functional.linear(a.flatten(1), w.flatten(1), b)
    return functional.cross_entropy(a, given["y"])


def convolutional(
    name: str, what: str, asked: float, network: Callable[[], Any], side: int, kinds: Sequence[str]
) -> Row:
    weighted = sum(kind in ("conv", "dense") for kind in kinds)
    return Row(
        name,
        what,
        asked,
        partial(images, 1, side, network),
        [f"{letter}{number}" for number in range(1, weighted + 1) for letter in "Wb"],
        lambda: network().graph,
        partial(convolved_in_jax, kinds),
        partial(convolved_in_torch, kinds),
    )


# M, N: LSTM, its gates in the order i f g o


def lstm_arrays(features: int, units: int, steps: int, sequences: int) -> Arrays:
    rng = np.random.default_rng(1)
    return {
        "W": rng.normal(size=(4 * units, features)) / features**0.5,
        "U": rng.normal(size=(4 * units, units)) / units**0.5,
        "b": rng.normal(size=4 * units) / 4,
        "x": rng.normal(size=(sequences, steps, features)),
    }


def lstm_graph(features: int, units: int, steps: int) -> Graph:
    """The mean square of the last state; ``h[s, t]`` and ``c[s, t]`` are those before step t.

    Each gate's weights are vertices, so that their gradients are sums over all of their elements.
    """
    from sympy import Integer, tanh

    from codegen import Equation, Graph, Index, Reduction, Variable, sample_extent
    from codegen.functions import sigmoid

    S, D, H, T = sample_extent(), features, units, steps
    s, t, i, j, d = Index("s", S), Index("t", T), Index("i", H), Index("j", H), Index("d", D)
    W, U, b, x = Variable("W", (4 * H, D)), Variable("U", (4 * H, H)), Variable("b", (4 * H,)), Variable("x", (S, T, D))
    h, c, loss = Variable("h", (S, T + 1, H)), Variable("c", (S, T + 1, H)), Variable("loss")
    equations, gates = [Equation(h[s, 0, i], Integer(0)), Equation(c[s, 0, i], Integer(0))], []
    for number, (name, function) in enumerate((("i", sigmoid), ("f", sigmoid), ("g", tanh), ("o", sigmoid))):
        w, r, v = Variable(f"W_{name}", (H, D)), Variable(f"U_{name}", (H, H)), Variable(f"b_{name}", (H,))
        z, back, u, gate = (Variable(f"{stem}_{name}", (S, T, H)) for stem in ("z", "v", "u", "a"))
        equations += [
            Equation(w[i, d], W[i + number * H, d]),
            Equation(r[i, j], U[i + number * H, j]),
            Equation(v[i], b[i + number * H]),
            Equation(z[s, t, i], w[i, d] * x[s, t, d], Reduction.SUM, (d,)),
            Equation(back[s, t, i], r[i, j] * h[s, t, j], Reduction.SUM, (j,)),
            Equation(u[s, t, i], z[s, t, i] + back[s, t, i] + v[i]),
            Equation(gate[s, t, i], function(u[s, t, i])),
        ]
        gates.append(gate[s, t, i])
    written, kept, change, put_out = gates
    equations += [
        Equation(c[s, t + 1, i], kept * c[s, t, i] + written * change),
        Equation(h[s, t + 1, i], put_out * tanh(c[s, t + 1, i])),
        Equation(loss.symbol, h[s, T, i] ** 2 / (H * S), Reduction.SUM, (s, i)),
    ]
    return Graph((W, U, b, x), tuple(equations), ("loss",))


def lstm_in_jax(given: Mapping[str, Any]) -> Any:
    import jax
    import jax.numpy as jnp

    x, U = given["x"], given["U"]
    z = jnp.swapaxes(x @ given["W"].T + given["b"], 0, 1)

    def step(state: Any, z: Any) -> Any:
        h, c = state
        i, f, g, o = jnp.split(z + h @ U.T, 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None

    zero = jnp.zeros((len(x), U.shape[1]), x.dtype)
    (h, _), _ = jax.lax.scan(step, (zero, zero), z)
    return jnp.mean(h**2)


def lstm_in_torch(given: Mapping[str, Any]) -> Any:
    import torch

    x, U, b = given["x"], given["U"], given["b"]
    zero = torch.zeros((1, len(x), U.shape[1]), dtype=x.dtype)
    weights = [given["W"], U, b, torch.zeros_like(b)]
    _, h, _ = torch.lstm(x, (zero, zero), weights, True, 1, 0.0, True, False, True)
    return (h**2).mean()


def lstm_in_pytensor(given: Mapping[str, Any]) -> Any:
    import pytensor
    from pytensor import tensor

    x, U = given["x"], given["U"]
    units = U.type.shape[1]
    z = tensor.swapaxes(x @ given["W"].T + given["b"], 0, 1)

    def step(z: Any, h: Any, c: Any, U: Any) -> Any:
        u = z + h @ U.T
        i, f, g, o = (u[:, number * units : (number + 1) * units] for number in range(4))
        c = tensor.sigmoid(f) * c + tensor.sigmoid(i) * tensor.tanh(g)
        return tensor.sigmoid(o) * tensor.tanh(c), c

    zero = tensor.zeros((x.type.shape[0], units), dtype=x.dtype)
    h, _ = pytensor.scan(step, [z], [zero, zero], [U], return_updates=False)
    return (h[-1] ** 2).mean()


def lstm(name: str, asked: float, features: int, units: int, steps: int, sequences: int) -> Row:
    return Row(
        name,
        f"LSTM {features}-{units}, {steps} steps, {sequences} sequence{'s' * (sequences > 1)}",
        asked,
        partial(lstm_arrays, features, units, steps, sequences),
        ("W", "U", "b"),
        partial(lstm_graph, features, units, steps),
        lstm_in_jax,
        lstm_in_torch,
        lstm_in_pytensor,
    )


# O: a neural ODE


STEP = 0.005


def ode_arrays(starts: int | None) -> Arrays:
    rng = np.random.default_rng(2)
    shape = (2,) if starts is None else (starts, 2)
    return {
        "W": rng.normal(size=(16, 2)),
        "b": rng.normal(size=16) / 2,
        "V": rng.normal(size=(2, 16)) / 4,
        "y0": rng.normal(size=shape),
    }


def ode_graph(steps: int, batch: bool) -> Graph:
    """The sum of squares of the last state of y' = V·tanh(W·y + b), by Runge and Kutta's rule of four stages."""
    from sympy import Rational, tanh

    from codegen import Equation, Graph, Index, Reduction, Variable, sample_extent

    extents, lead = ((sample_extent(),), (Index("s", sample_extent()),)) if batch else ((), ())
    t, d, e, i = Index("t", steps), Index("d", 2), Index("e", 2), Index("i", 16)
    W, b, V, start = Variable("W", (16, 2)), Variable("b", (16,)), Variable("V", (2, 16)), Variable("y0", (*extents, 2))
    y, loss, step = Variable("y", (*extents, steps + 1, 2)), Variable("loss"), Rational(str(STEP))
    equations, slopes = [Equation(y[*lead, 0, d], start[*lead, d])], []
    for number, ahead in enumerate((0, step / 2, step / 2, step), 1):
        shape = (*extents, steps)
        p, z = Variable(f"p{number}", (*shape, 2)), Variable(f"z{number}", (*shape, 16))
        a, k = Variable(f"a{number}", (*shape, 16)), Variable(f"k{number}", (*shape, 2))
        at = (*lead, t)
        equations += [
            Equation(p[*at, d], y[*at, d] + (ahead * slopes[-1][*at, d] if slopes else 0)),
            Equation(z[*at, i], W[i, d] * p[*at, d], Reduction.SUM, (d,)),
            Equation(a[*at, i], tanh(z[*at, i] + b[i])),
            Equation(k[*at, e], V[e, i] * a[*at, i], Reduction.SUM, (i,)),
        ]
        slopes.append(k)
    k1, k2, k3, k4 = (k[*lead, t, d] for k in slopes)
    equations += [
        Equation(y[*lead, t + 1, d], y[*lead, t, d] + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)),
        Equation(loss.symbol, y[*lead, steps, d] ** 2, Reduction.SUM, (*lead, d)),
    ]
    return Graph((W, b, V, start), tuple(equations), ("loss",))


def ode_in_jax(steps: int, given: Mapping[str, Any]) -> Any:
    import jax
    import jax.numpy as jnp

    def slope(y: Any) -> Any:
        return jnp.tanh(y @ given["W"].T + given["b"]) @ given["V"].T

    def step(y: Any, _: Any) -> Any:
        k1 = slope(y)
        k2 = slope(y + STEP / 2 * k1)
        k3 = slope(y + STEP / 2 * k2)
        k4 = slope(y + STEP * k3)
        return y + STEP / 6 * (k1 + 2 * k2 + 2 * k3 + k4), None

    y, _ = jax.lax.scan(step, given["y0"], None, length=steps)
    return jnp.sum(y**2)


def ode_in_pytensor(steps: int, given: Mapping[str, Any]) -> Any:
    import pytensor
    from pytensor import tensor

    def step(y: Any, W: Any, b: Any, V: Any) -> Any:
        def slope(y: Any) -> Any:
            return tensor.tanh(y @ W.T + b) @ V.T

        # Numbers in the dtype of y: a float of Python would widen single precision.
        half, whole, sixth = (tensor.constant(value, dtype=y.dtype) for value in (STEP / 2, STEP, STEP / 6))
        k1 = slope(y)
        k2 = slope(y + half * k1)
        k3 = slope(y + half * k2)
        k4 = slope(y + whole * k3)
        return y + sixth * (k1 + 2 * k2 + 2 * k3 + k4)

    weights = [given[name] for name in ("W", "b", "V")]
    y = pytensor.scan(step, None, [given["y0"]], weights, n_steps=steps, return_updates=False)
    return (y[-1] ** 2).sum()


def ode(asked: float, starts: int | None, steps: int = 1000) -> Row:
    return Row(
        "O",
        f"neural ODE 2-16-2, {steps:,} steps, {starts or 1} start{'s' * (starts is not None)}",
        asked,
        partial(ode_arrays, starts),
        ("W", "b", "V"),
        partial(ode_graph, steps, starts is not None),
        partial(ode_in_jax, steps),
        pytensor=partial(ode_in_pytensor, steps),
    )


# P: ADBench's LSTM


def adbench_arrays(file: Path) -> Arrays:
    """What is in the benchmark's file: a line of sizes l, c, b; 2·l rows of 4·b numbers, 3 + 2·l + c of b numbers."""
    sizes, *lines = (line.split() for line in file.read_text(encoding="ascii").splitlines() if line.strip())
    layers, characters, bits = map(int, sizes)
    rows = [np.array(line, np.float64) for line in lines]
    counts = (2 * layers, 3, 2 * layers, characters)
    main, extra, state, text = (np.array(rows[end - n : end]) for n, end in zip(counts, np.cumsum(counts)))
    if main.shape[1] != 4 * bits or text.shape != (characters, bits):
        raise ValueError(f"{file}: the rows do not have the lengths that its first line says")
    return {"main": main, "extra": extra, "state": state, "text": text}


def adbench_graph(layers: int, characters: int, bits: int) -> Graph:
    from sympy import Integer, exp, log, tanh

    from codegen import Equation, Graph, Index, Reduction, Variable
    from codegen.functions import sigmoid

    B, T = bits, characters - 1
    t, i, j = Index("t", T), Index("i", B), Index("j", B)
    main, extra = Variable("main", (2 * layers, 4 * B)), Variable("extra", (3, B))
    state, text = Variable("state", (2 * layers, B)), Variable("text", (characters, B))
    equations, below = [], text[t, i] * extra[0, i]
    for layer in range(layers):
        h, c = Variable(f"h{layer}", (T + 1, B)), Variable(f"c{layer}", (T + 1, B))
        equations += [Equation(h[0, i], state[2 * layer, i]), Equation(c[0, i], state[2 * layer + 1, i])]
        gates = []
        before = h[t, i]
        parts = (
            ("forget", below, sigmoid),
            ("ingate", before, sigmoid),
            ("outgate", below, sigmoid),
            ("change", before, tanh),
        )
        for number, (name, x, function) in enumerate(parts):
            w, v = Variable(f"w_{name}{layer}", (B,)), Variable(f"v_{name}{layer}", (B,))
            u, gate = Variable(f"u_{name}{layer}", (T, B)), Variable(f"{name}{layer}", (T, B))
            equations += [
                Equation(w[i], main[2 * layer, i + number * B]),
                Equation(v[i], main[2 * layer + 1, i + number * B]),
                Equation(u[t, i], x * w[i] + v[i]),
                Equation(gate[t, i], function(u[t, i])),
            ]
            gates.append(gate[t, i])
        forget, ingate, outgate, change = gates
        equations += [
            Equation(c[t + 1, i], c[t, i] * forget + ingate * change),
            Equation(h[t + 1, i], outgate * tanh(c[t + 1, i])),
        ]
        below = h[t + 1, i]
    y, e, total, loss = Variable("y", (T, B)), Variable("e", (T,)), Variable("lse", (T,)), Variable("loss")
    equations += [
        Equation(y[t, i], below * extra[1, i] + extra[2, i]),
        Equation(e[t], exp(y[t, j]), Reduction.SUM, (j,)),
        Equation(total[t], log(2 + e[t])),
        Equation(loss.symbol, text[t + 1, i] * (total[t] - y[t, i]) / Integer(B * T), Reduction.SUM, (t, i)),
    ]
    return Graph((main, extra, state, text), tuple(equations), ("loss",))


def adbench_in_jax(layers: int, given: Mapping[str, Any]) -> Any:
    import jax
    import jax.numpy as jnp

    main, extra, text = given["main"], given["extra"], given["text"]

    def step(states: Any, now: Any) -> Any:
        character, following = now
        x, after = character * extra[0], []
        for layer, (h, c) in enumerate(states):
            w, v = jnp.split(main[2 * layer], 4), jnp.split(main[2 * layer + 1], 4)
            forget, ingate = jax.nn.sigmoid(x * w[0] + v[0]), jax.nn.sigmoid(h * w[1] + v[1])
            outgate, change = jax.nn.sigmoid(x * w[2] + v[2]), jnp.tanh(h * w[3] + v[3])
            c = c * forget + ingate * change
            x = outgate * jnp.tanh(c)
            after.append((x, c))
        y = x * extra[1] + extra[2]
        return tuple(after), jnp.sum(following * (y - jnp.log(2 + jnp.sum(jnp.exp(y)))))

    first = tuple((given["state"][2 * layer], given["state"][2 * layer + 1]) for layer in range(layers))
    _, terms = jax.lax.scan(step, first, (text[:-1], text[1:]))
    return -jnp.sum(terms) / text[1:].size


def adbench(folder: Path) -> Row:
    arrays = adbench_arrays(folder / "lstm_l2_c1024.txt")
    layers, (characters, bits) = len(arrays["main"]) // 2, arrays["text"].shape
    return Row(
        "P",
        f"ADBench's LSTM, {layers} layers, {characters:,} characters",
        13,
        lambda: arrays,
        ("main", "extra"),
        partial(adbench_graph, layers, characters, bits),
        partial(adbench_in_jax, layers),
    )


def adbench_distance(folder: Path, found: np.ndarray) -> float:
    """How far value (of eight digits) and gradient are from the frozen ones, for the gradient."""
    frozen = json.loads((folder / "lstm_frozen.json").read_text(encoding="ascii"))
    if not abs(found[0] - frozen["objective"]) <= 5e-9:
        raise ArithmeticError(f"ADBench's LSTM: the objective is {found[0]}, not {frozen['objective']}")
    return float(np.max(np.abs(found[1:] - frozen["gradient"])))


# Q: an embedding


def embedding_arrays(vocabulary: int) -> Arrays:
    rng = np.random.default_rng(3)
    return {
        "E": rng.normal(size=(vocabulary, 16)),
        "w": rng.normal(size=16),
        "y": rng.integers(0, vocabulary, 64),
    }


def embedding_graph(vocabulary: int) -> Graph:
    from codegen import Equation, Graph, Index, Reduction, Variable, sample_extent

    S = sample_extent()
    s, d = Index("s", S), Index("d", 16)
    E, w, loss = Variable("E", (vocabulary, 16)), Variable("w", (16,)), Variable("loss")
    y = Variable("y", (S,), "integer", vocabulary)
    body = (E[y[s], d] * w[d]) ** 2
    return Graph((E, w, y), (Equation(loss.symbol, body, Reduction.SUM, (s, d)),), ("loss",))


def embedding_in_jax(given: Mapping[str, Any]) -> Any:
    return ((given["E"][given["y"]] * given["w"]) ** 2).sum()


def embedding(vocabulary: int) -> Row:
    return Row(
        "Q",
        f"64 rows of 16 out of {vocabulary:,}",
        1,
        partial(embedding_arrays, vocabulary),
        ("E",),
        partial(embedding_graph, vocabulary),
        embedding_in_jax,
        embedding_in_jax,
        embedding_in_jax,
    )


# R: an explicit integrator, S: differences of neighbours


def integrator_arrays(n: int) -> Arrays:
    rng = np.random.default_rng(4)
    return {"a": np.array(0.7), "f": rng.normal(size=n)}


def integrator_graph(n: int) -> Graph:
    """The sum of squares of y[i] = y[i − 1] + h·(f[i] − a·y[i − 1]), y[0] = f[0]."""
    from sympy import Rational

    from codegen import Equation, Graph, Index, Reduction, Variable

    a, f, y, loss = Variable("a"), Variable("f", (n,)), Variable("y", (n,)), Variable("loss")
    i, j = Index("i", n - 1), Index("j", n)
    return Graph(
        (a, f),
        (
            Equation(y[0], f[0]),
            Equation(y[i + 1], y[i] + Rational(1, 100) * (f[i + 1] - a.symbol * y[i])),
            Equation(loss.symbol, y[j] ** 2, Reduction.SUM, (j,)),
        ),
        ("loss",),
    )


def integrator_in_jax(given: Mapping[str, Any]) -> Any:
    import jax

    a, f = given["a"], given["f"]

    def step(y: Any, f: Any) -> Any:
        y = y + 0.01 * (f - a * y)
        return y, y

    _, y = jax.lax.scan(step, f[0], f[1:])
    return f[0] ** 2 + (y**2).sum()


def integrator_in_pytensor(given: Mapping[str, Any]) -> Any:
    import pytensor
    from pytensor import tensor

    a, f = given["a"], given["f"]

    def step(f: Any, y: Any, a: Any) -> Any:
        return y + tensor.constant(0.01, dtype=y.dtype) * (f - a * y)

    y = pytensor.scan(step, [f[1:]], [f[0]], [a], return_updates=False)
    return f[0] ** 2 + (y**2).sum()


def differences_arrays(n: int) -> Arrays:
    return {"x": np.random.default_rng(5).normal(size=n)}


def differences_graph(extent: Any) -> Graph:
    """Σ (x[i + 1] − x[i])², as it is read from a formula."""
    from sympy import Sum

    import codegen
    from codegen import Index, Variable

    x, i = Variable("x", (extent,)), Index("i", extent - 1)
    return codegen.from_expressions({"loss": Sum((x[i + 1] - x[i]) ** 2, (i, 0, extent - 2))}, [x])


def differences_of(given: Mapping[str, Any]) -> Any:
    x = given["x"]
    return ((x[1:] - x[:-1]) ** 2).sum()


def slices_arrays(n: int) -> Arrays:
    rng = np.random.default_rng(6)
    return {"W": rng.normal(size=(8, 2 * n)), "v": rng.normal(size=n)}


def slices_graph(extent: Any) -> Graph:
    """Σ v[i]·(W[w, i + n] − W[w, i])² of eight rows, as it is read from a formula."""
    from sympy import Sum

    import codegen
    from codegen import Index, Variable

    W, v = Variable("W", (8, 2 * extent)), Variable("v", (extent,))
    w, i = Index("w", 8), Index("i", extent)
    body = v[i] * (W[w, i + extent] - W[w, i]) ** 2
    return codegen.from_expressions({"loss": Sum(body, (w, 0, 7), (i, 0, extent - 1))}, [W, v])


def slices_of(given: Mapping[str, Any]) -> Any:
    W, v = given["W"], given["v"]
    n = v.shape[0]
    return (v * (W[:, n:] - W[:, :n]) ** 2).sum()


def slices_in_pytensor(given: Mapping[str, Any]) -> Any:
    W, v = given["W"], given["v"]
    n = v.type.shape[0]
    return (v * (W[:, n:] - W[:, :n]) ** 2).sum()


ROWS = (
    convolutional("K", "digits 8×8, two convolutions, batch 64", 4, digits, 8, DIGITS),
    convolutional("L", "LeNet-5 on 28×28, batch 64", 3, lenet, 28, LENET),
    lstm("M", 2.2, 16, 32, 50, 32),
    lstm("N", 6, 4, 16, 200, 1),
    ode(5, None),
    ode(12, 64),
    embedding(2_000),
    embedding(200_000),
    Row(
        "R",
        "integrator on a vector, n = 1,000",
        3,
        partial(integrator_arrays, 1000),
        ("a", "f"),
        partial(integrator_graph, 1000),
        integrator_in_jax,
        pytensor=integrator_in_pytensor,
    ),
    Row(
        "S",
        "Σ(x[i+1] − x[i])², n = 2,500",
        1,
        partial(differences_arrays, 2500),
        ("x",),
        partial(differences_graph, 2500),
        differences_of,
        differences_of,
        differences_of,
    ),
    Row(
        "S",
        "slices W[w, i + n] of 8 rows, n = 500",
        1,
        partial(slices_arrays, 500),
        ("W",),
        partial(slices_graph, 500),
        slices_of,
        slices_of,
        slices_in_pytensor,
    ),
)


# The tables


def cast(arrays: Arrays, dtype: Dtype) -> Arrays:
    """Real arrays in a dtype, integer ones as they are."""
    return {name: a.astype(dtype) if a.dtype.kind == "f" else a for name, a in arrays.items()}


def distance(found: np.ndarray, expected: np.ndarray) -> float:
    """Of the values, relative; of the gradients, relative to the largest number."""
    value = abs(found[0] - expected[0]) / abs(expected[0])
    return float(max(value, np.max(np.abs(found[1:] - expected[1:])) / np.max(np.abs(expected[1:]))))


def measure(row: Row, dtype: Dtype, seconds: float, say: Callable[[str], None]) -> dict[str, str]:
    """A line of the table; raises :class:`ArithmeticError` if somebody's gradient is another."""
    from tests.benchmarks.rendering import NOTHING
    from tests.benchmarks.timing import interleaved

    values = cast(row.arrays(), dtype)
    ready: dict[str, Contender] = {}
    expected: np.ndarray | None = None
    for name, prepare in CONTENDERS.items():
        try:
            one = prepare(row, values, dtype)
        except ModuleNotFoundError as error:
            say(f"{row.name}, {dtype}: {name} is left out: {error.name} is not installed")
            continue
        except LeftOut as reason:
            say(f"{row.name}, {dtype}: {name} is left out: {reason}")
            continue
        found = one.read(one.call())
        expected = found.copy() if expected is None else expected
        if not (off := distance(found, expected)) <= TOLERANCE[dtype]:
            raise ArithmeticError(f"{row.name} ({row.what}), {dtype}: {name} differs from ours by {off:.1e}")
        ready[name] = one
    times = interleaved({name: one.call for name, one in ready.items()}, seconds, time.process_time)
    best = min((name for name in times if name != "symnn"), key=times.__getitem__, default=None)
    mine = ready["symnn"]
    return {
        "row": row.name,
        "what": row.what,
        "dtype": dtype,
        "how, equations": mine.how,
        **{name: f"{times[name]:,.1f}" if name in times else NOTHING for name in CONTENDERS},
        "× best": f"{times[best] / times['symnn']:.2f}" if best else NOTHING,
        "asked": f"{row.asked:g}",
        "derive + compile, s": f"{mine.derive:.2f} + {mine.compile:.2f}",
        "JAX's, s": f"{ready['JAX'].derive:.2f} + {ready['JAX'].compile:.2f}" if "JAX" in ready else NOTHING,
    }


def built(row: Row) -> tuple[float, float, str]:
    """Seconds to derive and to compile, and how."""
    mine = ours(row, row.arrays(), "float64")
    return mine.derive, mine.compile, mine.how


def sizes(rows: Mapping[str, Row]) -> list[dict[str, str]]:
    """What deriving and compiling cost, the least of three runs in turn."""
    found: dict[str, list[tuple[float, float, str]]] = {name: [] for name in rows}
    for _ in range(3):
        for name, row in rows.items():
            found[name].append(built(row))
    return [
        {
            "what": name,
            "derive, s": f"{min(one[0] for one in runs):.3f}",
            "compile, s": f"{min(one[1] for one in runs):.3f}",
            "how, equations": runs[0][2],
        }
        for name, runs in found.items()
    ]


def of_symbolic_length(row: Row, graph: Callable[[Any], Graph]) -> Row:
    """The same row, its length one of each call."""
    from codegen import sample_extent

    return replace(row, graph=partial(graph, sample_extent("n")))


def main(arguments: Sequence[str], say: Callable[[str], None]) -> int:
    """Prints the tables; returns 1 if a row could not be measured or a value was another."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.shifts", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="about how long each row is timed (4)")
    parser.add_argument("--rows", default="KLMNOPQRS", help="their letters (KLMNOPQRS)")
    parser.add_argument("--dtypes", nargs="+", choices=list(TOLERANCE), default=list(TOLERANCE))
    files = "lstm_l2_c1024.txt and lstm_frozen.json"
    parser.add_argument("--adbench", type=Path, help=f"the folder of ADBench's LSTM: {files}")
    chosen = parser.parse_args(arguments)
    failed = False
    with tempfile.TemporaryDirectory() as caches:
        machine.prepare(1, caches)
        from tests.benchmarks.rendering import table

        rows = [row for row in ROWS if row.name in chosen.rows]
        if chosen.adbench is None:
            say("P is left out: --adbench says where its data is")
        elif "P" in chosen.rows:
            rows.append(adbench(chosen.adbench))
        lines = []
        for row in rows:
            for dtype in chosen.dtypes:
                try:
                    lines.append(measure(row, dtype, chosen.seconds, say))
                except Exception as error:  # one failure is not worth the rest of a long run
                    failed = True
                    say(f"{row.name} ({row.what}), {dtype}: {type(error).__name__}: {error}".splitlines()[0])
        if chosen.adbench is not None and "P" in chosen.rows:
            mine = ours(rows[-1], rows[-1].arrays(), "float64")
            off = adbench_distance(chosen.adbench, mine.read(mine.call()))
            failed |= not off <= FROZEN
            say(f"P: {off:.1e} from the frozen gradient (asked: {FROZEN:.0e})")
        say(f"\nMicroseconds a call. Load of the machine: {os.getloadavg()[0]:.1f}.\n")
        say(table(lines))
        say("\nThe same recurrence of few and of many steps, the same formula of integer and of symbolic length.\n")
        steps = {f"LSTM 16-32 of {n:,} steps": lstm("M", 1, 16, 32, n, 4) for n in (30, 3000)}
        lengths = {
            "Σ(x[i+1] − x[i])², n = 2,500": ROWS[-2],
            "of symbolic length": of_symbolic_length(ROWS[-2], differences_graph),
            "slices W[w, i + n], n = 500": ROWS[-1],
            "slices of symbolic length": of_symbolic_length(ROWS[-1], slices_graph),
        }
        say(table(sizes({**steps, **lengths})))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], lambda text: print(text, flush=True)))
