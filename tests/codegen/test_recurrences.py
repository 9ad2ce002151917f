"""Recurrences: what they are is what their unrolled graphs are, every derivative included."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from sympy import Expr, Piecewise, sin, tanh

import codegen
from codegen import Equation, Graph, Index, Reduction, Variable, sample_extent
from codegen.ir.order import Scan
from codegen.numeric.evaluate import evaluate
from codegen.numeric.oracle import evaluate_exactly, rounded
from tests.codegen.derivatives import by_complex_step, directions, reals
from tests.codegen.networks import Arrays, distance, random_values

S = sample_extent("S")
s, T = Index("s", S), 4
t, w, i, j, b = Index("t", T - 1), Index("w", T), Index("i", 2), Index("j", 2), Index("b", T - 2)
x, h0, U, W = Variable("x", (S, T)), Variable("h0", (2,)), Variable("U", (2, 2)), Variable("W", (2,))
h, v, g, c = Variable("h", (S, T, 2)), Variable("v", (S, T - 1, 2)), Variable("g", (S, T, 2)), Variable("c", (S, T, 2))
a, y, u, p, q = Variable("a"), Variable("y", (T,)), Variable("u", (T,)), Variable("p", (T,)), Variable("q", (T, T))
k, m, r = Variable("k", (T, 3)), Index("m", 3), Index("r", 2)
SUM = Reduction.SUM


def total(target: Expr, body: Expr, *reduced: Index) -> Equation:
    return Equation(target, body, SUM, reduced)


def of(*equations: Equation, output: str) -> Graph:
    """A graph of the inputs that are read."""
    used = {access.cell.name for equation in equations for access in equation.reads}
    assigned = {equation.name for equation in equations}
    return Graph(tuple(n for n in (x, h0, U, W, a, y, k) if n.name in used - assigned), equations, (output,))


GRAPHS: Mapping[str, Graph] = {
    "a recurrent layer": of(
        Equation(h[s, 0, i], h0[i]),
        total(v[s, t, i], U[i, j] * h[s, t, j], j),
        Equation(h[s, t + 1, i], tanh(v[s, t, i] + W[i] * x[s, t + 1])),
        output="h",
    ),
    "two gates and a state": of(
        Equation(c[s, 0, i], h0[i]),
        Equation(h[s, 0, i], tanh(h0[i])),
        total(v[s, t, i], U[i, j] * h[s, t, j], j),
        Equation(g[s, w, i], sin(W[i] * x[s, w])),
        Equation(c[s, t + 1, i], c[s, t, i] * tanh(v[s, t, i]) + g[s, t + 1, i]),
        Equation(h[s, t + 1, i], g[s, t + 1, i] * tanh(c[s, t + 1, i])),
        output="h",
    ),
    "the last state alone": of(
        Equation(h[s, 0, i], h0[i]),
        total(h[s, t + 1, i], U[i, j] * sin(h[s, t, j]) * x[s, t], j),
        Equation(Variable("e", (S, 2))[s, i], h[s, T - 1, i] ** 2),
        output="e",
    ),
    "prefix sums": of(Equation(u[0], y[0]), Equation(u[t + 1], u[t] + y[t + 1] ** 2), output="u"),
    "two steps back": of(
        Equation(u[0], a.symbol), Equation(u[1], y[1]), Equation(u[b + 2], u[b + 1] * u[b] + y[b]), output="u"
    ),
    "from the end": of(Equation(u[T - 1], a.symbol), Equation(u[t], u[t + 1] ** 2 + y[t]), output="u"),
    "by a condition": of(Equation(u[w], Piecewise((u[w - 1] * y[w], w > 0), (a.symbol, True))), output="u"),
    "in two directions": of(
        Equation(q[w, 0], y[w]),
        Equation(q[0, t + 1], sin(y[t])),
        Equation(q[t + 1, Index("z", T - 1) + 1], q[t, Index("z", T - 1) + 1] * q[t + 1, Index("z", T - 1)] + a.symbol),
        output="q",
    ),
    "one after the other": of(
        Equation(u[0], a.symbol),
        Equation(u[t + 1], sin(u[t]) + y[t]),
        Equation(p[T - 1], u[T - 1]),
        Equation(p[t], p[t + 1] * u[t]),
        output="p",
    ),
    "a step of a rule": of(
        Equation(u[0], a.symbol),
        Equation(Variable("k1", (T - 1,))[t], sin(u[t])),
        Equation(Variable("k2", (T - 1,))[t], sin(u[t] + Variable("k1", (T - 1,))[t] / 2) * y[t]),
        Equation(u[t + 1], u[t] + (Variable("k1", (T - 1,))[t] + Variable("k2", (T - 1,))[t]) / 4),
        output="u",
    ),
}
QUICK = ("a recurrent layer", "two steps back", "in two directions", "by a condition")
CASES = [case if case in QUICK else pytest.param(case, marks=pytest.mark.slow) for case in GRAPHS]


def values_of(graph: Graph) -> Arrays:
    return random_values(graph, samples=2)


def scalar(graph: Graph) -> Graph:
    """½ Σ out²."""
    out = graph.variable(graph.outputs[0])
    index = tuple(Index(f"o{axis}", extent) for axis, extent in enumerate(out.shape))
    return graph.with_equations([*graph.equations, total(Variable("L").symbol, out[index] ** 2 / 2, *index)], ["L"])


@pytest.mark.parametrize("case", GRAPHS)
def test_values(case: str) -> None:
    graph = GRAPHS[case]
    values, name = values_of(graph), graph.outputs[0]
    assert any(isinstance(step, Scan) for step in graph.steps)
    expected = evaluate(graph.unroll(), values)[name]
    assert not graph.unroll().scans
    assert distance([evaluate(graph, values)[name]], [expected]) <= 1e-15
    assert distance([rounded(evaluate_exactly(graph, values, 30)[name])], [expected]) <= 1e-15


@pytest.mark.parametrize("case", GRAPHS)
def test_gradients(case: str) -> None:
    graph = scalar(GRAPHS[case])
    values, wrt = values_of(graph), reals(graph)
    expected = [by_complex_step(graph, ["L"], one, values)[0] for one in wrt]
    for method in ("reverse", "forward"):
        derived = codegen.gradient(graph, "L", wrt, method=method)  # type: ignore[arg-type]
        found = evaluate(codegen.optimise(derived)[0], values)
        assert distance([found[output] for output in derived.outputs[1:]], expected) <= 1e-14


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("case", CASES)
def test_jacobians(case: str, mode: str) -> None:
    graph = GRAPHS[case]
    values, name, wrt = values_of(graph), graph.outputs[0], reals(graph)
    derived = codegen.jacobian(graph, name, wrt, mode=mode)  # type: ignore[arg-type]
    found = evaluate(codegen.optimise(derived)[0], values)
    expected = [by_complex_step(graph, [name], one, values)[0] for one in wrt]
    assert distance([found[output] for output in derived.outputs[1:]], expected) <= 1e-14


@pytest.mark.parametrize("case", CASES)
def test_products(case: str) -> None:
    graph, looped = GRAPHS[case], scalar(GRAPHS[case])
    wrt, name = reals(graph), graph.outputs[0]
    values = values_of(graph)
    along, back = directions(graph, wrt, values), {f"v_{name}": evaluate(graph, values)[name]}
    for transform, whole, of_, given in (
        (codegen.jvp, graph, name, along),
        (codegen.vjp, graph, name, back),
        (codegen.hvp, looped, "L", along),
    ):
        one, written = transform(whole, of_, wrt), transform(whole.unroll(), of_, wrt)  # type: ignore[operator]
        found, expected = evaluate(codegen.optimise(one)[0], values | given), evaluate(written, values | given)
        assert distance([found[n] for n in one.outputs], [expected[n] for n in written.outputs]) <= 1e-13


@pytest.mark.parametrize("case", CASES)
def test_hessians(case: str) -> None:
    graph = scalar(GRAPHS[case])
    values, wrt = values_of(graph), reals(graph)[:2]
    derived = codegen.hessian(graph, "L", wrt)
    written = codegen.hessian(graph.unroll(), "L", wrt)
    found, expected = evaluate(codegen.optimise(derived)[0], values), evaluate(written, values)
    assert distance([found[n] for n in derived.outputs], [expected[n] for n in written.outputs]) <= 1e-13
