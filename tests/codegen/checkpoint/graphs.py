"""Recurrences whose way back reads all steps, and their programs without and with checkpoints."""

from __future__ import annotations

from typing import Any

import numpy as np
from sympy import Expr, Integer, sin, tanh

import codegen
from codegen import Equation, Graph, Index, Reduction, Variable, sample_extent
from codegen.functions.eliminations import solved
from codegen.schedule import Program, schedule
from codegen.schedule.checkpoint import checkpointed
from codegen.walk import elements
from tests.benchmarks.shifts import lstm_graph, ode_graph
from tests.codegen.networks import Lazy
from tests.codegen.test_scan import S


def recurrence(steps: Any) -> Graph:
    """h[t + 1] = tanh(a·h[t] + y[t]), h[0] = h0, and the sum of squares of all, or of the last two."""
    t, a, h0, y = Index("t", steps), Variable("a"), Variable("h0"), Variable("y", (steps,))
    h, all_, last = Variable("h", (steps + 1,)), Variable("all"), Variable("last")
    return Graph(
        (a, h0, y),
        (
            Equation(h[0], h0.symbol),
            Equation(h[t + 1], tanh(a.symbol * h[t] + y[t])),
            Equation(all_.symbol, h[t + 1] ** 2, Reduction.SUM, (t,)),
            Equation(last.symbol, h[steps] ** 2 + h[steps - 1]),
        ),
        ("all", "last"),
    )


def two_layers(steps: int) -> Graph:
    """One recurrent layer on the other, an error at every step."""
    units = 3
    s, t, i, j = Index("s", S), Index("t", steps), Index("i", units), Index("j", units)
    x, y, w = Variable("x", (S, steps, units)), Variable("y", (S, steps)), Variable("w", (units,))
    error, loss = Variable("error", (S, steps)), Variable("loss")
    equations, matrices, below = [], [], x[s, t, i]
    for layer in "pq":
        U, V = Variable(f"U{layer}", (units, units)), Variable(f"V{layer}", (units, units))
        h, z, v = Variable(f"h{layer}", (S, steps + 1, units)), *(Variable(n + layer, (S, steps, units)) for n in "zv")
        matrices += [U, V]
        equations += [
            Equation(h[s, 0, i], Integer(0)),
            Equation(z[s, t, i], V[i, j] * below.subs(i, j), Reduction.SUM, (j,)),
            Equation(v[s, t, i], U[i, j] * h[s, t, j], Reduction.SUM, (j,)),
            Equation(h[s, t + 1, i], tanh(z[s, t, i] + v[s, t, i])),
        ]
        below = h[s, t + 1, i]
    equations += [
        Equation(error[s, t], w[i] * below, Reduction.SUM, (i,)),
        Equation(loss.symbol, (error[s, t] - y[s, t]) ** 2 / S, Reduction.SUM, (s, t)),
    ]
    return Graph((x, y, w, *matrices), tuple(equations), ("loss",))


def two_lengths() -> Graph:
    """Samples and steps of lengths that each call decides, two recurrences that read each other."""
    s, t, i, j = Index("s", S), Index("t", N), Index("i", 2), Index("j", 2)
    x, w, loss = Variable("x", (S, N, 2)), Variable("w", (2, 2)), Variable("loss")
    h, c, v = Variable("h", (S, N + 1, 2)), Variable("c", (S, N + 1, 2)), Variable("v", (S, N, 2))
    equations = (
        Equation(h[s, 0, i], Integer(0)),
        Equation(c[s, 0, i], Integer(1)),
        Equation(v[s, t, i], w[i, j] * c[s, t, j], Reduction.SUM, (j,)),
        Equation(h[s, t + 1, i], tanh(v[s, t, i] + x[s, t, i])),
        Equation(c[s, t + 1, i], sin(h[s, t, i]) * c[s, t, i]),
        Equation(loss.symbol, h[s, t + 1, i] ** 2 * c[s, t + 1, i], Reduction.SUM, (s, t, i)),
    )
    return Graph((x, w), equations, ("loss",))


def field(steps: Any, along: Any, samples: tuple[Index, ...] = ()) -> Graph:
    """h[t + 1, z + 1] = tanh(a·h[t + 1, z] + h[t, z + 1]·x[t, z]), what is on the edges given, and its squares' sum."""
    of, (t, z), (p, q) = samples, (Index("t", steps), Index("z", along)), (Index("p", steps + 1), Index("q", along + 1))
    extents = tuple(S for _ in of)
    x, h = Variable("x", (*extents, steps, along)), Variable("h", (*extents, steps + 1, along + 1))
    a, left, top, loss = Variable("a"), Variable("left", (steps + 1,)), Variable("top", (along,)), Variable("loss")
    inside = tanh(a.symbol * h[(*of, t + 1, z)] + h[(*of, t, z + 1)] * x[(*of, t, z)])
    equations = (
        Equation(h[(*of, p, 0)], left[p]),
        Equation(h[(*of, 0, z + 1)], sin(top[z])),
        Equation(h[(*of, t + 1, z + 1)], inside),
        Equation(loss.symbol, h[(*of, p, q)] ** 2, Reduction.SUM, (*of, p, q)),
    )
    return Graph((x, a, left, top), equations, ("loss",))


def apart() -> Graph:
    """Two recurrences of lengths that each call decides, neither of which reads the other."""
    inputs, equations = [], []
    for name, steps in (("p", N), ("q", M)):
        t, y, h, loss = (
            Index(f"t{name}", steps),
            Variable(f"y{name}", (steps,)),
            Variable(name, (steps + 1,)),
            Variable(f"L{name}"),
        )
        inputs.append(y)
        equations += [
            Equation(h[0], Integer(0)),
            Equation(h[t + 1], tanh(h[t] + y[t])),
            Equation(loss.symbol, h[t + 1] ** 2, Reduction.SUM, (t,)),
        ]
    product = Equation(Variable("loss").symbol, Variable("Lp").symbol * Variable("Lq").symbol)
    return Graph(tuple(inputs), (*equations, product), ("loss",))


def eliminated(steps: int) -> Graph:
    """h[t + 1] = tanh(v[t]), where (A + h[t]·h[t]ᵀ)·v[t] = h[t], and the sum of squares of all."""
    size = 2
    t, i, j, p, q = (Index(name, n) for name, n in zip("tijpq", (steps, size, size, size, size)))
    A, h0, h = Variable("A", (size, size)), Variable("h0", (size,)), Variable("h", (steps + 1, size))
    M, v, loss = Variable("M", (steps, size, size)), Variable("v", (steps, size)), Variable("loss")
    equations = (
        Equation(h[0, i], h0[i]),
        Equation(M[t, i, j], A[i, j] + h[t, i] * h[t, j]),
        Equation.eliminating(v[t, i], solved(M[t, p, q], h[t, p], p, q, i)),
        Equation(h[t + 1, i], tanh(v[t, i])),
        Equation(loss.symbol, h[t + 1, i] ** 2, Reduction.SUM, (t, i)),
    )
    return Graph((A, h0), equations, ("loss",))


N, M = sample_extent("N"), sample_extent("M")
LONG = Lazy(
    {
        "all steps": lambda: codegen.gradient(recurrence(37), "all", ["a", "h0"]),
        "each step's own": lambda: codegen.gradient(recurrence(37), "all"),
        "the last step": lambda: codegen.gradient(recurrence(37).with_outputs("last"), "last", ["a", "h0"]),
        "any length": lambda: codegen.gradient(recurrence(N), "all"),
        "a neural equation": lambda: codegen.gradient(ode_graph(11, True), "loss", ["W", "b", "V"]),
        "an LSTM": lambda: codegen.gradient(lstm_graph(3, 8, 11), "loss", ["W", "U", "b"]),
        "a solution each step": lambda: codegen.gradient(eliminated(9), "loss"),
        "two layers": lambda: codegen.gradient(two_layers(9), "loss"),
        "samples apart": lambda: codegen.per_sample_gradients(two_layers(9), "loss", ["Up"]),
        "curvature": lambda: codegen.hvp(recurrence(37), "all", ["a", "y"]),
        "two lengths": lambda: codegen.gradient(two_lengths(), "loss"),
        "a direction": lambda: codegen.jvp(recurrence(37), "all", ["a", "y"]),
        "a field": lambda: codegen.gradient(field(9, 3, (Index("s", S),)), "loss"),
        "curvature of a field": lambda: codegen.hvp(field(9, 3), "loss", ["a", "left"]),
    }
)


def ways(graph: Graph) -> tuple[str, ...]:
    return ("loops", "tiled") if S in graph.extents else ("loops",)


def programs(graph: Graph, way: str, every: int) -> tuple[Program, Program]:
    """A program without and with checkpoints."""
    whole = schedule(codegen.optimise(graph)[0], way)  # type: ignore[arg-type]
    return whole, checkpointed(whole, every)


def sines(graph: Graph, lengths: dict[Any, int]) -> dict[str, np.ndarray]:
    """Values of the inputs, for lengths that a call decides."""
    shapes = {
        one.name: [int(Integer(1) * n.subs(lengths)) if isinstance(n, Expr) else n for n in one.shape]
        for one in graph.inputs
    }
    return {name: np.sin(1 + np.arange(np.prod(shape, dtype=int))).reshape(shape) for name, shape in shapes.items()}


def numbers(program: Program, samples: int = 1) -> int:
    return sum(elements(shape, samples) for shape in program.work)


def assert_same(found: list[Any], expected: list[Any]) -> None:
    assert [np.asarray(one).tobytes() for one in found] == [np.asarray(one).tobytes() for one in expected]
