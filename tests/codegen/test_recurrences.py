"""Recurrences: what they are is what their unrolled graphs are, every derivative included."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from scipy.linalg import solve_triangular
from sympy import Expr, Idx, IndexedBase, Piecewise, Sum, Symbol, sin, tanh

import codegen
from codegen import Equation, Graph, GraphError, Index, Reduction, Variable, sample_extent
from codegen.emit.numpy import numpy_function
from codegen.ir.order import Scan
from codegen.numeric.evaluate import evaluate
from codegen.numeric.oracle import evaluate_exactly, rounded
from tests.codegen.derivatives import by_complex_step, directions, reals
from tests.codegen.networks import Arrays, distance, random_values

pytestmark = pytest.mark.values

S = sample_extent("S")
s, T = Index("s", S), 4
t, w, i, j, b = Index("t", T - 1), Index("w", T), Index("i", 2), Index("j", 2), Index("b", T - 2)
Z = Index("z", T - 1)
x, h0, U, W = Variable("x", (S, T)), Variable("h0", (2,)), Variable("U", (2, 2)), Variable("W", (2,))
h, v, g, c = Variable("h", (S, T, 2)), Variable("v", (S, T - 1, 2)), Variable("g", (S, T, 2)), Variable("c", (S, T, 2))
a, y, u, p, q = Variable("a"), Variable("y", (T,)), Variable("u", (T,)), Variable("p", (T,)), Variable("q", (T, T))
k, m, r = Variable("k", (T, 3)), Index("m", 3), Index("r", 2)
M, l = Variable("M", (T, T)), Index("l", T)
SUM = Reduction.SUM


def total(target: Expr, body: Expr, *reduced: Index) -> Equation:
    return Equation(target, body, SUM, reduced)


def of(*equations: Equation, output: str) -> Graph:
    """A graph of the inputs that are read."""
    used = {access.cell.name for equation in equations for access in equation.reads}
    assigned = {equation.name for equation in equations}
    return Graph(tuple(n for n in (x, h0, U, W, a, y, k, M) if n.name in used - assigned), equations, (output,))


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
    "two steps from the end": of(
        Equation(u[T - 1], a.symbol),
        Equation(u[T - 2], y[0]),
        Equation(u[b], u[b + 1] ** 2 + u[b + 2] ** 2 * y[b]),
        output="u",
    ),
    "by a condition": of(Equation(u[w], Piecewise((u[w - 1] * y[w], w > 0), (a.symbol, True))), output="u"),
    "in two directions": of(
        Equation(q[w, 0], y[w]),
        Equation(q[0, t + 1], sin(y[t])),
        Equation(q[t + 1, Z + 1], q[t, Z + 1] * q[t + 1, Z] + a.symbol),
        output="q",
    ),
    "functions in two directions": of(
        Equation(q[w, 0], y[w]),
        Equation(q[0, t + 1], sin(y[t])),
        Equation(q[t + 1, Z + 1], tanh(q[t, Z + 1] * y[Z] + a.symbol * q[t + 1, Z])),
        output="q",
    ),
    "one after the other": of(
        Equation(u[0], a.symbol),
        Equation(u[t + 1], sin(u[t]) + y[t]),
        Equation(p[T - 1], u[T - 1]),
        Equation(p[t], p[t + 1] * u[t]),
        output="p",
    ),
    "all earlier steps": of(
        total(p[w], Piecewise((M[w, l] * u[l], l < w), (0, True)), l),
        Equation(u[w], (y[w] - p[w]) * M[w, w]),
        output="u",
    ),
    "functions of all later steps": of(
        total(p[w], Piecewise((sin(M[w, l] * u[l]) * y[l], l > w), (0, True)), l),
        Equation(u[w], p[w] + y[w]),
        output="u",
    ),
    "a step of a rule": of(
        Equation(u[0], a.symbol),
        Equation(Variable("k1", (T - 1,))[t], sin(u[t])),
        Equation(Variable("k2", (T - 1,))[t], sin(u[t] + Variable("k1", (T - 1,))[t] / 2) * y[t]),
        Equation(u[t + 1], u[t] + (Variable("k1", (T - 1,))[t] + Variable("k2", (T - 1,))[t]) / 4),
        output="u",
    ),
}
QUICK = ("a recurrent layer", "two steps back", "two steps from the end", "in two directions", "by a condition")
CASES = [case if case in QUICK else pytest.param(case, marks=pytest.mark.slow) for case in GRAPHS]
SHORT = QUICK[1:]


@pytest.mark.parametrize("case", ["a recurrent layer", "functions in two directions"])
def test_steps_back_evaluate_no_function_of_those_forward_again(case: str) -> None:
    """Nor where they read what the step before had, under the condition that there was one."""
    derived = codegen.optimise(codegen.gradient(scalar(GRAPHS[case]), "L"))[0]
    backward = [e for step in derived.steps if isinstance(step, Scan) and step.step < 0 for e in step.equations]
    assert backward
    assert not any(equation.body.has(tanh) for equation in backward)


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


@pytest.mark.parametrize("case", [c if c in SHORT else pytest.param(c, marks=pytest.mark.slow) for c in GRAPHS])
def test_hessians(case: str) -> None:
    graph = scalar(GRAPHS[case])
    values, wrt = values_of(graph), reals(graph)[:2]
    derived = codegen.hessian(graph, "L", wrt)
    written = codegen.hessian(graph.unroll(), "L", wrt)
    found, expected = evaluate(codegen.optimise(derived)[0], values), evaluate(written, values)
    assert distance([found[n] for n in derived.outputs], [expected[n] for n in written.outputs]) <= 1e-13


@pytest.mark.parametrize("case", ["prefix sums", "two steps from the end"])
def test_matrices_of_elements_that_several_equations_assign(case: str) -> None:
    graph = GRAPHS[case]
    values, wrt, name = values_of(graph), reals(graph), graph.outputs[0]
    slopes = [by_complex_step(graph, [name], one, values)[0].reshape(T, -1) for one in wrt]
    for mode in ("forward", "reverse"):
        found = codegen.sparse_jacobian(graph, name, wrt, mode=mode)  # type: ignore[arg-type]
        computed = evaluate(found.graph, values)
        assembled = found.assemble(*[computed[output] for output in found.graph.outputs])
        assert distance([assembled.toarray()], [np.hstack(slopes)]) <= 1e-14
    squared = codegen.gauss_newton(graph, name, wrt[:1])
    product = evaluate(squared, values)[squared.outputs[1]].reshape(slopes[0].shape[1], -1)
    assert distance([product], [slopes[0].T @ slopes[0]]) <= 1e-14


@pytest.mark.parametrize("case", GRAPHS)
def test_as_plain_numpy(case: str) -> None:
    graph = codegen.gradient(scalar(GRAPHS[case]), "L")
    values = values_of(graph)
    expected = evaluate(graph, values)
    found = numpy_function(graph)(*[values[variable.name] for variable in graph.inputs])
    assert distance(list(found), [expected[name] for name in graph.outputs]) <= 1e-14


def test_what_is_compiled() -> None:
    graph = codegen.gradient(scalar(GRAPHS["two steps back"]), "L")
    values = values_of(graph)
    expected = evaluate(graph, values)
    found = codegen.compile(graph)(*[values[variable.name] for variable in graph.inputs])
    assert distance([np.asarray(f) for f in found], [expected[name] for name in graph.outputs]) <= 1e-13


# --- formulas -----------------------------------------------------------------------------------------------------

A, B, ROW, B2 = Idx("a", 4), Idx("b", 4), Idx("i", 2), Idx("b", 2)
Y, Q, V = IndexedBase("y", shape=(4,)), IndexedBase("q"), IndexedBase("u", shape=(4,))
START, H = IndexedBase("h0", shape=(2,)), IndexedBase("h")
READ = {
    "a first value": ({Q[A]: Q[A - 1] + Y[A], Q[0]: Y[0]}, ["q[0] = y[0]", "q[a + 1] = q[a] + y[a + 1]"]),
    "a shifted target": (
        {Q[0]: Y[0], Q[Idx("a", 3) + 1]: Q[Idx("a", 3)] * 2},
        ["q[0] = y[0]", "q[a + 1] = 2*q[a]"],
    ),
    "a last value": ({V[A]: V[A + 1] * Y[A], V[3]: Y[3]}, ["u[3] = y[3]", "u[a] = u[a + 1]*y[a]"]),
    "two first values": (
        {V[A]: V[A - 1] + V[A - 2], V[0]: Y[0], V[1]: Y[1]},
        ["u[1] = y[1]", "u[0] = y[0]", "u[a + 2] = u[a + 1] + u[a]"],
    ),
    "the sides of a square": (
        {Q[A, B]: Q[A - 1, B] + Q[A, B - 1], Q[0, B]: Y[B], Q[A, 0]: 2 * Y[A]},
        ["q[a + 1, 0] = 2*y[a + 1]", "q[0, b] = y[b]", "q[a + 1, b + 1] = q[a + 1, b] + q[a, b + 1]"],
    ),
    "a condition": (
        {Q[A]: Piecewise((Q[A - 1] * Y[A], A > 0), (1, True))},
        ["q[a] = Piecewise((q[a - 1]*y[a], a > 0), (1, True))"],
    ),
}


@pytest.mark.parametrize("case", READ)
def test_formulas(case: str) -> None:
    outputs, expected = READ[case]
    assert [*map(str, codegen.from_expressions(outputs, [Y]).equations)] == expected


NUMBER = Symbol("n")
PLACE, LATER = Idx("a", NUMBER), Idx("a", NUMBER - 2)
LONG = IndexedBase("y", shape=(NUMBER,))
STARTS = {
    "two first values": {Q[0]: LONG[0], Q[1]: 3 * LONG[1], Q[PLACE]: Q[PLACE - 1] / 2 + Q[PLACE - 2] + LONG[PLACE]},
    "in another order": {Q[PLACE]: Q[PLACE - 1] / 2 + Q[PLACE - 2] + LONG[PLACE], Q[1]: 3 * LONG[1], Q[0]: LONG[0]},
    "a shifted target": {Q[0]: LONG[0], Q[1]: 3 * LONG[1], Q[LATER + 2]: Q[LATER + 1] / 2 + Q[LATER] + LONG[LATER + 2]},
}


def _two_steps_back(y: np.ndarray) -> np.ndarray:
    found = [y[0], *(3 * y[1:2])]
    for value in y[2:]:
        found.append(found[-1] / 2 + found[-2] + value)
    return np.array(found)


@pytest.mark.parametrize("case", STARTS)
def test_first_values_of_any_number_of_steps(case: str) -> None:
    graph = codegen.from_expressions(STARTS[case], [LONG])
    assert [*map(str, graph.equations)][1] == (
        "q[a + 1] = Piecewise((3*y[1], Eq(a, 0)), (q[a - 1] + q[a]/2 + y[a + 1], True))"
    )
    for steps in (1, 2, 3, 6):
        y = np.sin(np.arange(1.0, steps + 1))
        assert distance([evaluate(graph, {"y": y})["q"]], [_two_steps_back(y)]) <= 1e-15


def test_values_from_the_end() -> None:
    """Those that are counted from it, along with another axis whose index has another name."""
    other = Idx("z", 2)
    step = Sum(ROW * H[PLACE + 1, ROW], (ROW, 0, 1)) * START[B2] + H[PLACE + 2, B2]
    entries = {
        H[PLACE, B2]: sin(step) + LONG[PLACE],
        H[NUMBER - 1, other]: START[other] * LONG[NUMBER - 1],
        H[NUMBER - 2, other]: LONG[0] + other,
    }
    graph = codegen.from_expressions(entries, [LONG, START])
    start = np.array([0.3, -0.7])
    for steps in (1, 2, 5):
        y = np.sin(np.arange(1.0, steps + 1))
        rows = [start * y[-1], y[0] + np.arange(2.0)][:steps]
        for t in range(steps - 3, -1, -1):
            rows.append(np.sin(rows[-1][1] * start + rows[-2]) + y[t])
        assert distance([evaluate(graph, {"y": y, "h0": start})["h"]], [np.array(rows[::-1])]) <= 1e-15
    with pytest.raises(GraphError, match="assigned from its end alone"):
        codegen.from_expressions({Q[NUMBER - 1]: LONG[0]}, [LONG])
    with pytest.raises(GraphError, match="nor one less than the length n of the axis"):
        codegen.from_expressions({Q[Symbol("m") - 1]: LONG[0], Q[PLACE]: LONG[PLACE]}, [LONG])


REFUSED = {
    "both ways": {V[A]: Piecewise((V[A - 1], A > 0), (0, True)) + Piecewise((V[A + 1], A < 3), (0, True))},
    "from the other end": {V[A]: V[3 - A]},
    "itself": {V[A]: V[A] + 1},
}


@pytest.mark.parametrize("case", REFUSED)
def test_other_cycles_are_refused(case: str) -> None:
    with pytest.raises(GraphError, match=r"cycle, u\[a\] depends on itself; there is no axis along which u\[a\] read"):
        codegen.from_expressions(REFUSED[case], [Y])


LIST, ROWS = IndexedBase("b", shape=(NUMBER,)), IndexedBase("M", shape=(NUMBER, NUMBER))
BEFORE = Idx("j", NUMBER)
SUMS: Mapping[str, tuple[Expr, Callable[[np.ndarray, np.ndarray, np.ndarray, int], float], bool]] = {
    "all earlier ones": (Sum(LIST[BEFORE], (BEFORE, 0, PLACE - 1)), lambda b, y, M, i: b[:i].sum(), True),
    "up to two before, weighted": (
        Sum(LIST[BEFORE] * LONG[BEFORE] * LONG[PLACE], (BEFORE, 1, PLACE - 2)),
        lambda b, y, M, i: (b[1 : max(i - 1, 0)] * y[1 : max(i - 1, 0)]).sum() * y[i],
        True,
    ),
    "functions of all later ones": (
        Sum(sin(LIST[BEFORE]), (BEFORE, PLACE + 1, NUMBER - 1)),
        lambda b, y, M, i: np.sin(b[i + 1 :]).sum(),
        True,
    ),
    "a triangle": (
        Sum(ROWS[PLACE, BEFORE] * LIST[BEFORE], (BEFORE, 0, PLACE - 1)),
        lambda b, y, M, i: M[i, :i] @ b[:i],
        False,
    ),
    "functions of an upper triangle": (
        Sum(sin(ROWS[PLACE, BEFORE] * LIST[BEFORE]), (BEFORE, PLACE + 1, NUMBER - 1)),
        lambda b, y, M, i: np.sin(M[i, i + 1 :] * b[i + 1 :]).sum(),
        False,
    ),
    "a band": (
        Sum(Piecewise((ROWS[PLACE, BEFORE] * LIST[BEFORE], BEFORE >= PLACE - 2), (0, True)), (BEFORE, 0, PLACE - 1)),
        lambda b, y, M, i: M[i, max(i - 2, 0) : i] @ b[max(i - 2, 0) : i],
        False,
    ),
}
MUCH_ALIKE = ("a band", "functions of an upper triangle")


@pytest.mark.parametrize("case", [pytest.param(c, marks=pytest.mark.slow) if c in MUCH_ALIKE else c for c in SUMS])
def test_sums_over_all_steps_before(case: str) -> None:
    """Terms that are the same at every step are added one a step; a triangle is summed again at each."""
    body, expected, grows = SUMS[case]
    entries = {LIST[PLACE]: LONG[PLACE] - body / 2, "L": Sum(LIST[PLACE] ** 3, PLACE)}
    graph = codegen.from_expressions(entries, [LONG, ROWS] if body.has(ROWS) else [LONG])
    y, M = np.sin(np.arange(1.0, 8.0)), np.cos(np.arange(49.0)).reshape(7, 7)
    b, backward = np.zeros(7), "later" in case or "upper" in case
    for place in reversed(range(7)) if backward else range(7):
        b[place] = y[place] - expected(b, y, M, place) / 2
    values = {name: {"y": y, "M": M}[name] for name in (variable.name for variable in graph.inputs)}
    assert distance([evaluate(graph, values)["b"]], [b]) <= 1e-15
    inside = [e for step in graph.steps if isinstance(step, Scan) for e in step.equations]
    assert all(equation.is_map for equation in inside) is grows
    derived = codegen.gradient(graph, "L")
    found = evaluate(derived, values)
    for name in values:
        assert distance([found[f"dL/d{name}"]], by_complex_step(graph, ["L"], name, values)) <= 1e-14
    products, along = codegen.hvp(graph, "L"), directions(graph, [*values], values)
    twice = evaluate(products, values | along)
    for schedule in ("loops", "unrolled"):
        function = codegen.compile(products, schedule=schedule, cache=False)  # type: ignore[arg-type]
        assert distance([*map(np.asarray, function(**values, **along))], [twice[n] for n in products.outputs]) <= 1e-14


def test_a_triangular_system_and_its_transposed_one() -> None:
    """The adjoint of L·b = y is Lᵀ·λ = b̄: the same loops the other way round."""
    solved = (LONG[PLACE] - Sum(ROWS[PLACE, BEFORE] * LIST[BEFORE], (BEFORE, 0, PLACE - 1))) / ROWS[PLACE, PLACE]
    graph = codegen.from_expressions({LIST[PLACE]: solved, "L": Sum(LIST[PLACE] ** 2, PLACE)}, [LONG, ROWS])
    y, M = np.sin(np.arange(1.0, 41.0)), np.cos(np.arange(1600.0)).reshape(40, 40) / 8 + 2 * np.eye(40)
    b = solve_triangular(M, y, lower=True)
    adjoint = solve_triangular(M.T, 2 * b, lower=False)
    expected = [b @ b, adjoint, -np.tril(np.outer(adjoint, b))]
    derived = codegen.gradient(graph, "L")
    for checkpoint in (None, 7):
        function = codegen.compile(derived, checkpoint=checkpoint, cache=False)
        assert distance([*map(np.asarray, function(y=y, M=M))], expected) <= 1e-14


def _triangular_jacobian() -> Graph:
    """The steps go backward inside a loop whose index had the name of theirs."""
    place, before = Idx("i", 4), Idx("j", 4)
    found, given, rows = (IndexedBase(n, shape=(4,) * axes) for n, axes in (("b", 1), ("x", 1), ("L", 2)))
    solved = (given[place] - Sum(rows[place, before] * found[before], (before, 0, place - 1))) / rows[place, place]
    return codegen.jacobian(codegen.from_expressions({found[place]: solved}, [given, rows]), "b", ["L"])


def _triangular_vectors() -> Graph:
    """At the last step lanes add up, at the others they go along what is added to."""
    place, before, to, of_ = Idx("i", 4), Idx("j", 4), Idx("d", 2), Idx("f", 2)
    found, given, square, rows = (
        IndexedBase(n, shape=shape) for n, shape in (("h", (4, 2)), ("x", (4, 2)), ("W", (2, 2)), ("L", (4, 4)))
    )
    sums = Sum(rows[place, before] * square[to, of_] * found[before, of_], (before, 0, place - 1), (of_, 0, 1))
    graph = codegen.from_expressions({found[place, to]: given[place, to] - sums}, [given, square, rows])
    return codegen.vjp(graph, "h", ["W"])


@pytest.mark.parametrize("derived", [_triangular_jacobian, _triangular_vectors], ids=["a Jacobian", "vectors"])
def test_triangular_systems_backward(derived: Callable[[], Graph]) -> None:
    graph = derived()
    values = random_values(graph)
    expected = evaluate(graph, values)
    found = codegen.compile(graph, emitter="vector", cache=False)(**values)
    assert distance([*map(np.asarray, found)], [expected[name] for name in graph.outputs]) <= 1e-13


def test_a_sum_over_all_steps_is_refused() -> None:
    q = Idx("q", 4)
    with pytest.raises(GraphError, match=r"read each other at fixed distances, or over all steps before"):
        codegen.from_expressions({V[A]: Sum(V[q] * Y[A], (q, 0, 3))}, [Y])


def test_paths_are_those_of_the_written_out_graph() -> None:
    graph = scalar(GRAPHS["prefix sums"])
    values = random_values(graph)
    found, expected = (codegen.gradient(graph, "L", method=method) for method in ("paths", "reverse"))
    names = expected.outputs[1:]
    first, second = evaluate(found, values), evaluate(expected, values)
    assert distance([first[name] for name in names], [second[name] for name in names]) <= 1e-14


def layer(steps: object, samples: object) -> Graph:
    """A recurrent layer as formulas, and half the sum of its squares."""
    given = IndexedBase("x", shape=(samples, steps)), IndexedBase("U", shape=(2, 2)), START
    x, U, _ = given
    s, t, j = Idx("s", samples), Idx("t", steps), Symbol("j", integer=True)
    state = tanh(Sum(U[ROW, j] * H[s, t - 1, j], (j, 0, 1)) + x[s, t])
    loss = Sum(H[s, t, ROW] ** 2 / 2, (s, 0, samples - 1), (t, 0, steps - 1), (ROW, 0, 1))  # type: ignore[operator]
    return codegen.from_expressions({H[s, t, ROW]: state, H[s, 0, ROW]: START[ROW], "L": loss}, given)


@pytest.mark.parametrize("steps", [1, pytest.param(2, marks=pytest.mark.slow), 5])
def test_any_number_of_steps(steps: int) -> None:
    general = layer(Symbol("T"), Symbol("S"))
    written = layer(steps, Symbol("S")) if steps > 1 else None
    values = {"x": np.sin(np.arange(3.0 * steps)).reshape(3, steps), "U": np.array([[0.5, -1.0], [0.25, 2.0]])}
    values["h0"] = np.array([0.3, -0.7])
    for transform in (codegen.gradient, codegen.hvp):
        derived = transform(general, "L", ["U", "h0"])  # type: ignore[operator]
        given = values | {"v_U": np.ones((2, 2)), "v_h0": np.ones(2)}
        given = {name: given[name] for name in (variable.name for variable in derived.inputs)}
        found = evaluate(codegen.optimise(derived)[0], given)
        plain = numpy_function(derived)(*given.values())
        assert distance(list(plain), [found[name] for name in derived.outputs]) <= 1e-14
        if written is not None:
            one = transform(written.unroll(), "L", ["U", "h0"])  # type: ignore[operator]
            expected = evaluate(one, given)
            assert distance([found[n] for n in derived.outputs], [expected[n] for n in one.outputs]) <= 1e-13


@pytest.mark.parametrize("steps", [1, 2, pytest.param(5, marks=pytest.mark.slow)])
def test_the_last_of_any_number_of_steps(steps: int) -> None:
    """Its second derivative reads what is there from two steps on."""

    def last(n: object) -> Graph:
        given = IndexedBase("y", shape=(n,)), IndexedBase("U", shape=(2, 2))
        y, U = given
        t, j = Idx("t", n), Symbol("j", integer=True)
        state = tanh(Sum(U[ROW, j] * H[t - 1, j], (j, 0, 1)) + y[t])
        loss = Sum(H[n - 1, ROW] ** 2, (ROW, 0, 1))  # type: ignore[operator]
        return codegen.from_expressions({H[t, ROW]: state, H[0, ROW]: sin(y[0]) * U[ROW, 0], "L": loss}, given)

    general = codegen.hvp(last(Symbol("T", integer=True)), "L")
    values = {"y": np.sin(np.arange(1.0, steps + 1)), "U": np.array([[0.5, -1.0], [0.25, 2.0]])}
    given = values | {f"v_{name}": np.cos(value) for name, value in values.items()}
    found = evaluate(general, given)
    written = codegen.hvp(last(steps).unroll(), "L")
    expected = evaluate(written, given)
    assert distance([found[n] for n in general.outputs], [expected[n] for n in written.outputs]) <= 1e-14
    plain = numpy_function(general)(*[given[variable.name] for variable in general.inputs])
    assert distance(list(plain), [found[name] for name in general.outputs]) <= 1e-14


def test_second_derivatives_run_as_vector_code() -> None:
    """Loops that would keep in vectors what others keep as numbers run one element after the other."""
    t, i, j = Idx("t", 5), Idx("i", 2), Symbol("j", integer=True)
    W, y, z = IndexedBase("W", shape=(2, 2)), IndexedBase("y", shape=(5, 2)), IndexedBase("z")
    state = {z[0, i]: tanh(y[0, i]), z[t, i]: tanh(Sum(W[i, j] * z[t - 1, j], (j, 0, 1)) + y[t, i])}
    hessian = codegen.hessian(codegen.from_expressions({**state, "L": Sum(z[t, i] ** 3, t, i)}, [W, y]), "L")
    function = codegen.compile(hessian, cache=False)
    assert function.report.emitter == "vector"
    values = {"W": np.array([[0.5, -1.0], [0.25, 2.0]]), "y": np.sin(np.arange(10.0)).reshape(5, 2)}
    expected = evaluate(hessian, values)
    assert distance(list(function(**values)), [expected[name] for name in hessian.outputs]) <= 1e-13


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_forward_and_then_backward_along_any_number_of_steps(steps: int) -> None:
    """The last of the first is the first of the second: where there is one step alone, there is no second one."""
    n, y = Symbol("T", integer=True), IndexedBase("y", shape=(Symbol("T", integer=True),))
    t, f, g = Idx("t", n), IndexedBase("f"), IndexedBase("g")
    there = {f[0]: y[0], f[t]: sin(f[t - 1]) + y[t]}
    back = {g[n - 1]: f[n - 1], g[t]: g[t + 1] * f[t]}
    general = codegen.from_expressions({**there, **back, "L": Sum(f[t] * g[t], t)}, [y])
    derived, values = codegen.gradient(general, "L"), {"y": np.cos(np.arange(1.0, steps + 1))}
    (expected,) = by_complex_step(general, ["L"], "y", values)
    assert distance([evaluate(derived, values)[derived.outputs[1]]], [expected]) <= 1e-14


def test_the_gradient_goes_the_other_way() -> None:
    derived = codegen.optimise(codegen.gradient(layer(Symbol("T"), Symbol("S")), "L", ["U"]))[0]
    assert [step.step for step in derived.steps if isinstance(step, Scan)] == [1, -1]
    assert len(derived.equations) == len(
        codegen.optimise(codegen.gradient(layer(9, Symbol("S")), "L", ["U"]))[0].equations
    )


def test_each_sample_has_its_own_steps() -> None:
    graph = layer(4, Symbol("S"))
    values = {"x": np.sin(np.arange(12.0)).reshape(3, 4), "U": np.array([[0.5, -1.0], [0.25, 2.0]])}
    values["h0"] = np.array([0.3, -0.7])
    rows = codegen.per_sample_gradients(graph, "L", ["U"])
    slopes = codegen.jacobian(graph, "h", ["x"], mode="reverse", samples=True)
    written = codegen.jacobian(graph, "h", ["x"], mode="reverse")
    total_ = evaluate(codegen.gradient(graph, "L", ["U"]), values)["dL/dU"]
    assert distance([evaluate(rows, values)[rows.outputs[1]].sum(axis=0)], [total_]) <= 1e-14
    found, full = (evaluate(one, values)[one.outputs[1]] for one in (slopes, written))
    assert distance([found], [np.einsum("stisp->stip", full)]) <= 1e-14


def test_samples_of_steps_whose_number_calls_decide() -> None:
    """The steps of a sample are mixed, the samples are not."""
    n, m, a_ = Symbol("n", integer=True), Symbol("m", integer=True), Symbol("a")
    s_, t_ = Idx("s", n), Idx("t", m)
    given, state = (IndexedBase(name, shape=(n, m)) for name in "xh")
    step = tanh(a_ * codegen.padded(state[s_, t_ - 1], 0) + given[s_, t_])
    loss = Sum(state[s_, t_] ** 2, (s_, 0, n - 1), (t_, 0, m - 1))
    graph = codegen.from_expressions({state[s_, t_]: step, "L": loss}, [a_, given])
    values = {"a": np.array(0.7), "x": np.sin(np.arange(1.0, 13.0)).reshape(3, 4)}
    slopes = [by_complex_step(graph, ["L"], name, values)[0] for name in ("a", "x")]
    each = codegen.per_sample_gradients(graph, "L", ["a", "x"])
    found = evaluate(each, values)
    by_a, by_x = (found[name] for name in each.outputs[1:])
    assert by_a.shape == (3,)
    assert distance([by_a.sum(), by_x], slopes) <= 1e-14
    of_samples = codegen.jacobian(graph, "h", ["x"], samples=True)
    whole = evaluate(codegen.jacobian(graph, "h", ["x"]), values)["dh/dx"]
    assert distance([evaluate(of_samples, values)["dh/dx"]], [np.einsum("stsu->stu", whole)]) <= 1e-15
