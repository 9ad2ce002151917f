"""Convolutions and recurrences, value and gradient: ``python -m tests.benchmarks.indices [K,L,M,N,O,O64,R,S]``.

A row is a graph and a dtype: the schedule, seconds of processor time to compile, microseconds a call with one thread.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from sympy import Expr, Integer, Rational, exp, log, tanh

import codegen
from codegen import Equation, Graph, Index, Reduction, Variable, gradient, sample_extent
from codegen.functions import equal, sigmoid

S = sample_extent()
s = Index("s", S)


@dataclass
class Layers:
    """Equations, and the parameters that they read, under way."""

    equations: list[Equation] = field(default_factory=list)
    parameters: list[Variable] = field(default_factory=list)

    def parameter(self, name: str, *shape: int) -> Variable:
        self.parameters.append(Variable(name, shape))
        return self.parameters[-1]

    def map(self, target: Expr, body: Expr) -> None:
        self.equations.append(Equation(target, body))

    def sum(self, target: Expr, body: Expr, *over: Index) -> None:
        self.equations.append(Equation(target, body, Reduction.SUM, over))

    def convolution(self, name: str, x: Variable, channels: int, kernel: int) -> Variable:
        """tanh of a convolution of images (S, channels, height, width)."""
        _, before, high, wide = (n if isinstance(n, int) else 0 for n in x.shape)
        high, wide = high - kernel + 1, wide - kernel + 1
        W, b = self.parameter(f"W{name}", channels, before, kernel, kernel), self.parameter(f"b{name}", channels)
        z, u = (Variable(f"{letter}{name}", (S, channels, high, wide)) for letter in "zu")
        o, i, j, c = Index("o", channels), Index("i", high), Index("j", wide), Index("c", before)
        p, q = Index("p", kernel), Index("q", kernel)
        self.sum(z[s, o, i, j], W[o, c, p, q] * x[s, c, i + p, j + q], c, p, q)
        self.map(u[s, o, i, j], tanh(z[s, o, i, j] + b[o]))
        return u

    def average(self, name: str, x: Variable) -> Variable:
        """The averages of windows of 2 × 2."""
        _, channels, high, wide = (n if isinstance(n, int) else 0 for n in x.shape)
        v = Variable(f"v{name}", (S, channels, high // 2, wide // 2))
        c, i, j, p, q = (Index(n, e) for n, e in zip("cijpq", (channels, high // 2, wide // 2, 2, 2)))
        self.sum(v[s, c, i, j], x[s, c, 2 * i + p, 2 * j + q] / 4, p, q)
        return v

    def cross_entropy(self, x: Variable, labels: Variable, classes: int) -> None:
        """A dense layer, and the mean cross-entropy of softmax."""
        shape = tuple(n for n in x.shape[1:] if isinstance(n, int))
        V, d = self.parameter("V", classes, *shape), self.parameter("d", classes)
        z, u = Variable("logits", (S, classes)), Variable("shifted", (S, classes))
        m, e, r, loss = (Variable(name, (S,)) for name in ("m", "e", "r", "l"))
        k, over = Index("k", classes), tuple(Index(name, n) for name, n in zip("cij", shape))
        self.sum(z[s, k], V[(k, *over)] * x[(s, *over)], *over)
        self.map(u[s, k], z[s, k] + d[k])
        self.equations.append(Equation(m[s], u[s, k], Reduction.MAX, (k,)))
        self.sum(e[s], exp(u[s, k] - m[s]), k)
        self.sum(r[s], u[s, k] * equal(labels[s], k), k)
        self.map(loss[s], log(e[s]) + m[s] - r[s])
        self.sum(Variable("loss").symbol, loss[s] / S, s)

    def graph(self, *inputs: Variable) -> Graph:
        """The loss and its gradient with respect to the parameters."""
        whole = Graph((*inputs, *self.parameters), tuple(self.equations), ("loss",))
        return gradient(whole, "loss", [parameter.name for parameter in self.parameters])


def images(size: int, channels: tuple[int, int], kernel: int, pools: tuple[bool, bool]) -> Graph:
    """Two convolutions, an average after some, and ten classes."""
    layers, x, y = Layers(), Variable("x", (S, 1, size, size)), Variable("y", (S,), "integer", 10)
    found = x
    for number, (count, pooled) in enumerate(zip(channels, pools), 1):
        found = layers.convolution(str(number), found, count, kernel)
        found = layers.average(str(number), found) if pooled else found
    layers.cross_entropy(found, y, 10)
    return layers.graph(x, y)


def lstm(inputs: int, units: int, steps: int) -> Graph:
    """A long short-term memory, gates in the order i f g o, and the mean square of its last state."""
    layers, x = Layers(), Variable("x", (S, steps, inputs))
    W, U = layers.parameter("W", 4 * units, inputs), layers.parameter("U", 4 * units, units)
    b = layers.parameter("b", 4 * units)
    t, g, i, j, d = (Index(n, e) for n, e in zip("tgijd", (steps, 4 * units, units, units, inputs)))
    zx, zh, a = (Variable(name, (S, steps, 4 * units)) for name in ("zx", "zh", "a"))
    h, c = Variable("h", (S, steps + 1, units)), Variable("c", (S, steps + 1, units))
    layers.sum(zx[s, t, g], W[g, d] * x[s, t, d], d)
    layers.map(h[s, 0, i], Integer(0))
    layers.map(c[s, 0, i], Integer(0))
    layers.sum(zh[s, t, g], U[g, j] * h[s, t, j], j)
    layers.map(a[s, t, g], zx[s, t, g] + zh[s, t, g] + b[g])
    gate, forget, new, out = (a[s, t, i + n * units] for n in range(4))
    layers.map(c[s, t + 1, i], sigmoid(forget) * c[s, t, i] + sigmoid(gate) * tanh(new))
    layers.map(h[s, t + 1, i], sigmoid(out) * tanh(c[s, t + 1, i]))
    layers.sum(Variable("loss").symbol, h[s, steps, i] ** 2 / S, s, i)
    return layers.graph(x)


def neural_ode(units: int, steps: int) -> Graph:
    """x′ = B·tanh(A·x + a) + b in the plane by Runge and Kutta's rule, and the mean square distance of its end."""
    layers, start, end = Layers(), Variable("start", (S, 2)), Variable("end", (S, 2))
    A, a = layers.parameter("A", units, 2), layers.parameter("a", units)
    B, b = layers.parameter("B", 2, units), layers.parameter("b", 2)
    t, i, d, e, step = Index("t", steps), Index("i", units), Index("d", 2), Index("e", 2), Rational(1, 100)
    x, slopes = Variable("x", (S, steps + 1, 2)), list[Variable]()
    layers.map(x[s, 0, d], start[s, d])
    for number, part in enumerate((0, Rational(1, 2), Rational(1, 2), 1)):
        p, k, r = (Variable(f"{name}{number}", (S, steps, 2)) for name in "pkr")
        z, u = (Variable(f"{name}{number}", (S, steps, units)) for name in "zu")
        layers.map(p[s, t, e], x[s, t, e] + (step * part * slopes[-1][s, t, e] if slopes else 0))
        layers.sum(z[s, t, i], A[i, e] * p[s, t, e], e)
        layers.map(u[s, t, i], tanh(z[s, t, i] + a[i]))
        layers.sum(r[s, t, d], B[d, i] * u[s, t, i], i)
        layers.map(k[s, t, d], r[s, t, d] + b[d])
        slopes.append(k)
    k1, k2, k3, k4 = (k[s, t, d] for k in slopes)
    layers.map(x[s, t + 1, d], x[s, t, d] + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4))
    layers.sum(Variable("loss").symbol, (x[s, steps, d] - end[s, d]) ** 2 / S, s, d)
    return layers.graph(start, end)


def integrator(length: int) -> Graph:
    """u[i] = u[i − 1] + (k[i] − u[i − 1])/100, and Σ u²."""
    layers, u, t, w = Layers(), Variable("u", (length,)), Index("t", length - 1), Index("w", length)
    k = layers.parameter("k", length)
    layers.map(u[0], k[0])
    layers.map(u[t + 1], u[t] + (k[t + 1] - u[t]) / 100)
    layers.sum(Variable("loss").symbol, u[w] ** 2, w)
    return layers.graph()


def differences(length: int) -> Graph:
    """Σ (x[i + 1] − x[i])²."""
    layers, i = Layers(), Index("i", length - 1)
    x = layers.parameter("x", length)
    layers.sum(Variable("loss").symbol, (x[i + 1] - x[i]) ** 2, i)
    return layers.graph()


ROWS: Mapping[str, tuple[int, Callable[[], Graph]]] = {
    "K": (64, lambda: images(8, (8, 16), 3, (False, True))),
    "L": (64, lambda: images(28, (6, 16), 5, (True, True))),
    "M": (32, lambda: lstm(16, 32, 50)),
    "N": (1, lambda: lstm(4, 16, 200)),
    "O": (1, lambda: neural_ode(16, 1000)),
    "O64": (64, lambda: neural_ode(16, 1000)),
    "R": (1, lambda: integrator(1000)),
    "S": (1, lambda: differences(5000)),
}
"""Samples and graph by the letter of the row."""


def main(names: list[str]) -> None:
    """Print the rows of these names."""
    for name in names:
        samples, made = ROWS[name]
        graph = made()
        generator = np.random.Generator(np.random.PCG64(0))
        values = []
        for variable in graph.inputs:
            shape = tuple(n if isinstance(n, int) else samples for n in variable.shape)
            values.append(generator.integers(0, 10, shape) if variable.below else generator.normal(0, 0.3, shape))
        for dtype in ("float64", "float32"):
            started = time.process_time()
            function = codegen.compile(graph, dtype=dtype, cache=False)
            compiled = time.process_time() - started
            given = [value.astype(dtype) if value.dtype == float else value for value in values]
            times = []
            while sum(times) < 1 and len(times) < 1000:
                started = time.perf_counter()
                function(*given)
                times.append(time.perf_counter() - started)
            report = function.report
            print(f"{name} {dtype} {report.schedule} {report.emitter} {compiled:.2f} s {min(times) * 1e6:,.1f} µs")


if __name__ == "__main__":
    main(sys.argv[1].split(",") if len(sys.argv) > 1 else list(ROWS))
