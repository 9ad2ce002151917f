"""Reverse, forward, paths and the unrolled graph agree, with the textbook's formulas and with the complex step."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from sympy import Abs, Expr, Max, cos, exp, log, sin, symbols, tanh

import codegen
from codegen import Equation, Graph, Index, Reduction, Variable, from_expressions, gradient
from codegen.derive import METHODS, Method
from codegen.errors import CodegenError
from codegen.functions import equal, relu, sigmoid, stop_gradient
from codegen.numeric.evaluate import evaluate
from codegen.passes import optimise
from tests.codegen.networks import (
    ENDINGS,
    S,
    complex_step,
    distance,
    index_graphs,
    lecture,
    linear_classifier,
    mlp,
    outputs,
    parameters,
    random_values,
    s,
)
from tests.properties import holds_for
from tests.sweeps import one_in

SUM, MAX = Reduction.SUM, Reduction.MAX
A, B, v, w, x = (Variable(n, e) for n, e in [("A", (3, 3)), ("B", (3, 3)), ("v", (3,)), ("w", (2,)), ("x", (S, 3))])
L, m, c = Variable("L"), Variable("m"), Variable("c")
i, j, k, n = Index("i", 3), Index("j", 3), Index("k", 3), Index("n", 2)


def derived(graph: Graph, of: str, wrt: Sequence[str] | None = None, method: Method = "reverse") -> list[str]:
    """The equations that the gradient adds."""
    return [str(equation) for equation in gradient(graph, of, wrt, method).equations[len(graph.equations) :]]


def system(*equations: Equation) -> Graph:
    """A graph over A, B, v, w and x that ends in L."""
    used = {str(reference).split("[")[0] for equation in equations for reference in equation.references}
    return Graph(tuple(u for u in (A, B, v, w, x) if u.name in used), equations, (equations[-1].name,))


def total(body: Expr, *over: Index) -> Equation:
    return Equation(L.symbol, body, SUM if over else None, over)


# --- closed forms -------------------------------------------------------------------------------------------------


def test_the_gradient_of_softmax_regression_is_the_textbooks() -> None:
    found, _ = optimise(gradient(linear_classifier(4, 3), "loss", ["W1", "b1"]))
    assert [str(equation) for equation in found.equations][-3:] == [
        "dloss/du1[s, t] = (-equal(y[s], t) + p[s, t])/S",
        "dloss/dW1[t, d] = Σ_s dloss/du1[s, t]*x[s, d]",
        "dloss/db1[t] = Σ_s dloss/du1[s, t]",
    ]


def test_backpropagation_through_a_softmax_network_is_the_textbooks() -> None:
    graph = mlp([5, 4, 3])
    found, _ = optimise(gradient(graph, "loss", parameters(graph)))
    assert [str(equation) for equation in found.equations if equation.name.startswith("d")] == [
        "dloss/du2[s, t] = (-equal(y[s], t) + p[s, t])/S",
        "dloss/da1[s, h1] = Σ_t W2[t, h1]*dloss/du2[s, t]",
        "dloss/du1[s, h1] = (1 - a1[s, h1]**2)*dloss/da1[s, h1]",
        "dloss/dW1[h1, d] = Σ_s dloss/du1[s, h1]*x[s, d]",
        "dloss/db1[h1] = Σ_s dloss/du1[s, h1]",
        "dloss/dW2[t, h1] = Σ_s a1[s, h1]*dloss/du2[s, t]",
        "dloss/db2[t] = Σ_s dloss/du2[s, t]",
    ]


CLOSED: dict[str, tuple[Graph, str, list[str]]] = {
    "xᵀAx, A in both orders": (
        system(total(v[i] * A[i, j] * v[j], i, j)),
        "v",
        [
            "dL/dL = 1",
            "dL/dv#1[i] = Σ_j dL/dL*A[i, j]*v[j]",
            "dL/dv#2[i] = Σ_i_1 dL/dL*A[i_1, i]*v[i_1]",
            "dL/dv[i] = dL/dv#1[i] + dL/dv#2[i]",
        ],
    ),
    "a matrix and its transpose": (
        system(total(A[i, j] * A[j, i] ** 2, i, j)),
        "A",
        ["dL/dL = 1", "dL/dA[j, i] = dL/dL*A[i, j]**2 + 2*dL/dL*A[i, j]*A[j, i]"],
    ),
    "the diagonal": (
        system(total(A[i, i], i)),
        "A",
        ["dL/dL = 1", "dL/dA[i0, i1] = dL/dL*equal(i1, i0)"],
    ),
    "a column of a whole array": (
        system(Equation(Variable("q", (S,))[s], x[s, 0] * x[s, 1]), total(Variable("q", (S,))[s] + x[s, j], s, j)),
        "x",
        [
            "dL/dL = 1",
            "dL/dq[s] = 3*dL/dL",
            "dL/dx[s, j] = dL/dL + equal(j, 0)*dL/dq[s]*x[s, 1] + equal(j, 1)*dL/dq[s]*x[s, 0]",
        ],
    ),
}


@pytest.mark.parametrize("case", CLOSED)
def test_closed_forms(case: str) -> None:
    graph, wrt, expected = CLOSED[case]
    found = derived(graph, "L", [wrt])
    assert found == expected


def test_vertices_are_written_with_the_subscripts_of_their_own_equation_or_first_use() -> None:
    graph = mlp([2, 2])
    found = {equation.split("[")[0]: equation.split(" = ")[0] for equation in derived(graph, "loss")}
    assert found["dloss/dW1"] == "dloss/dW1[t, d]"
    assert found["dloss/du1"] == "dloss/du1[s, t]"


# --- all methods, numerically -------------------------------------------------------------------------------------

q, r = Variable("q", (3,)), Variable("r", (3, 3))
GRAPHS: dict[str, Graph] = {
    **{f"mlp, {ending.__name__}": mlp([3, 4, 3], tanh, ending) for ending in ENDINGS},
    "mlp, three layers": mlp([2, 3, 3, 2], sigmoid),
    "mlp, extents of 1": mlp([1, 1, 1]),
    "mlp, equal extents": mlp([3, 3, 3]),
    "quadratic form": system(total(v[i] * A[i, j] * v[j], i, j)),
    "matrix and transpose": system(total(tanh(A[i, j] * A[j, i] ** 2), i, j)),
    "diagonal": system(Equation(q[i], A[i, i] * v[i]), total(q[i] ** 2, i)),
    "diagonal and whole": system(total(A[i, i] * sin(A[i, j]) * A[j, 2], i, j)),
    "twice reduced diagonal": system(Equation(r[i, j], A[i, j] * A[j, i]), total(r[i, i] * r[i, j], i, j)),
    "columns by number": system(Equation(c.symbol, x[s, 0] * sin(x[s, 1]), SUM, (s,)), total(c.symbol * x[s, j], s, j)),
    "elements by number only": system(
        Equation(c.symbol, A[0, 1] * v[2]), Equation(L.symbol, c.symbol * A[2, 2] * v[2])
    ),
    "row by number": system(Equation(q[j], A[1, j] * v[j]), total(q[j] * A[j, 1], j)),
    "assigned by elements, read whole": system(
        Equation(q[0], v[1] ** 2),
        Equation(q[1], w[0] * w[1]),
        Equation(q[2], v[0] * 2),
        total(tanh(q[i]) * A[i, j], i, j),
    ),
    "assigned by rows, read by columns": system(
        *[Equation(r[row, j], v[j] ** (row + 1)) for row in range(3)], total(r[i, 1] * r[i, j] * B[j, i], i, j)
    ),
    "rows of which one depends on v, read along the diagonal": system(
        Equation(r[0, j], w[0] + A[0, j]),
        Equation(r[1, j], v[j] ** 2),
        Equation(r[2, j], A[j, 2]),
        Equation(q[i], r[i, i] * r[i, 1]),
        total(q[i] ** 2, i),
    ),
    "the target index is the name of another reduced index": system(
        Equation(q[j], A[j, i] * v[i], SUM, (i,)),
        Equation(m.symbol, q[i] * B[j, i], SUM, (i, j)),
        Equation(L.symbol, m.symbol * A[j, i] * q[j] * v[i], SUM, (j, i)),
    ),
    "one index name for two ranges": system(
        Equation(q[i], A[i, j] * v[j], SUM, (j,)),
        total(q[Index("j", 3)] * w[Index("i", 2)], Index("j", 3), Index("i", 2)),
    ),
    "names that are taken already": system(
        Equation(q[i], A[i, Index("i_1", 3)] * v[Index("i_1", 3)], SUM, (Index("i_1", 3),)),
        total(q[Index("i_1", 3)] * A[i, Index("i_1", 3)] * v[i], i, Index("i_1", 3)),
    ),
    "an integer subscript beside an axis of that name": system(
        Equation(q[i], A[i, j], SUM, (j,)), total(w[n] * A[0, 1] * v[j] * q[j], n, j)
    ),
    "maximum": system(Equation(q[i], A[i, j] * v[j], MAX, (j,)), total(q[i] ** 2, i)),
    "maximum over two indices": system(
        Equation(m.symbol, A[i, j] * x[s, j], MAX, (i, j, s)), total(m.symbol * v[i], i)
    ),
    "indices in a body": system(total(v[i] ** (i + 1) * (j + 2) * A[i, j], i, j)),
    "broadcasting": system(Equation(r[i, j], v[i]), Equation(q[i], 2), total(r[i, j] * q[j] * A[j, i], i, j)),
    "a bracket": system(
        total(equal(i, j) * A[i, j] * v[j], i, j),
    ),
    "a bracket of two ranges": system(total(equal(i, n) * v[i] * w[n], i, n)),
    "a bracket out of range": system(total(equal(n, 2) * w[n] + w[n] ** 2, n)),
    "a power of a product": system(total((v[i] * w[n]) ** 3 / (1 + v[i] ** 2), i, n)),
}

OTHER_LOSSES = ("mlp, hinge", "mlp, squared_error", "mlp, logistic")
"""The slow suite has them."""


@pytest.mark.parametrize(
    "case", one_in(2, (pytest.param(n, marks=pytest.mark.slow) if n in OTHER_LOSSES else n for n in GRAPHS))
)
def test_every_method_gives_the_derivative(case: str) -> None:
    graph = GRAPHS[case]
    of, wrt = graph.outputs[0], [variable.name for variable in graph.inputs if variable.kind == "real"]
    values = random_values(graph, seed=1)
    by_reverse = outputs(gradient(graph, of), values)
    for name, slope in zip(wrt, by_reverse[1:]):
        direction, expected = complex_step(graph, of, name, values)
        assert np.sum(direction * slope) == pytest.approx(expected, rel=1e-12, abs=1e-12)
    for method in ("forward", "paths"):
        assert distance(outputs(gradient(graph, of, method=method), values), by_reverse) <= 1e-12
    unrolled = graph.unroll()
    assert distance(outputs(gradient(unrolled, of), values), by_reverse) <= 1e-12
    assert distance(outputs(gradient(unrolled, of, method="forward"), values), by_reverse) <= 1e-12


@holds_for(index_graphs(), quick=8, slow=60)
def test_every_method_gives_the_derivative_of_a_random_graph(graph: Graph) -> None:
    values = random_values(graph)
    by_reverse = outputs(gradient(graph, "L"), values)
    for variable, slope in zip(graph.inputs, by_reverse[1:]):
        direction, expected = complex_step(graph, "L", variable.name, values)
        assert np.sum(direction * slope) == pytest.approx(expected, rel=1e-11, abs=1e-11)
    for method in ("forward", "paths"):
        assert distance(outputs(gradient(graph, "L", method=method), values), by_reverse) <= 1e-12
    assert distance(outputs(gradient(graph.unroll(), "L"), values), by_reverse) <= 1e-12


@holds_for(index_graphs(), quick=8, slow=30)
def test_the_derivative_by_an_intermediate_vertex_is_that_of_the_graph_in_which_it_is_an_input(graph: Graph) -> None:
    name = graph.equations[0].name
    rest = tuple(equation for equation in graph.equations if equation.name != name)
    cut = Graph((*graph.inputs, graph.variable(name)), rest, ("L",))
    values = random_values(graph)
    cut_values = {**values, name: evaluate(graph, values)[name]}
    expected = outputs(gradient(cut, "L", [name]), cut_values)
    for method in METHODS:
        found = outputs(gradient(graph, "L", [name], method), values)  # type: ignore[arg-type]
        assert distance(found, expected) <= 1e-12


# --- special vertices ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_a_vertex_that_the_result_does_not_depend_on_has_derivative_0(method: Method) -> None:
    graph = system(Equation(q[i], A[i, j] * v[j], SUM, (j,)), total(B[i, j] ** 2, i, j))
    found = gradient(graph, "L", ["v", "q", "A", "B"], method)
    values = random_values(graph)
    slopes = outputs(found, values)[1:]
    assert [slope.shape for slope in slopes] == [(3,), (3,), (3, 3), (3, 3)]
    assert not any(slope.any() for slope in slopes[:3])
    np.testing.assert_allclose(slopes[3], 2 * values["B"])


@pytest.mark.parametrize("method", METHODS)
def test_the_derivative_of_an_input_is_1_by_itself_and_0_by_others(method: Method) -> None:
    found = gradient(lecture(), "a", ["a", "b"], method)
    assert found.outputs == ("a", "da/da", "da/db")
    assert [float(value) for value in outputs(found, {"a": np.float64(5), "b": np.float64(7)})] == [5, 1, 0]


@pytest.mark.parametrize("method", METHODS)
def test_the_derivative_by_intermediate_and_own_vertices(method: Method) -> None:
    found = gradient(lecture(), "e", ["c", "e", "b", "d"], method)
    assert [float(value) for value in outputs(found, {"a": np.float64(2), "b": np.float64(1)})] == [6, 2, 1, 5, 3]


@pytest.mark.parametrize("method", METHODS)
def test_tied_maxima_share_the_derivative(method: Method) -> None:
    graph = system(Equation(q[i], A[i, j], MAX, (j,)), total(q[i] * v[i], i))
    values = {"A": np.array([[1.0, 1, 0], [2, 2, 2], [3, 0, 1]]), "v": np.array([1.0, 3, 5])}
    expected = [[0.5, 0.5, 0], [1, 1, 1], [5, 0, 0]]
    for one in (graph, graph.unroll()):
        np.testing.assert_allclose(outputs(gradient(one, "L", ["A"], method), values)[1], expected)


@pytest.mark.parametrize("method", METHODS)
def test_ties_are_counted_over_all_that_is_reduced(method: Method) -> None:
    graph = system(Equation(m.symbol, relu(v[i]) * w[n], MAX, (i, n)), total(3 * m.symbol))
    values = {"v": np.array([1.0, -2, 1]), "w": np.array([2.0, 2])}
    _, by_v, by_w = outputs(gradient(graph, "L", ["v", "w"], method), values)
    np.testing.assert_allclose(by_v, [3, 0, 3])  # 4 of 6 elements are the largest: a quarter of 3·w each, twice
    np.testing.assert_allclose(by_w, [1.5, 1.5])


@pytest.mark.parametrize("method", METHODS)
def test_what_is_held_constant_passes_no_derivative_on(method: Method) -> None:
    graph = system(Equation(m.symbol, stop_gradient(v[i]), MAX, (i,)), total(v[i] * m.symbol, i))
    values = {"v": np.array([1.0, 5, 2])}
    np.testing.assert_allclose(outputs(gradient(graph, "L", method=method), values)[1], [5, 5, 5])


def test_a_subscript_that_is_summed_over_a_bracket_is_picked() -> None:
    graph = system(Equation(q[i], equal(i, j) * v[j] ** 2, SUM, (j,)), total(q[i], i))
    assert derived(graph, "L", ["v"])[-1] == "dL/dv[j] = 2*dL/dq[j]*v[j]"


def test_the_gradient_of_the_gradient() -> None:
    a, b = symbols("a b")
    first = gradient(from_expressions({"e": a**3 * b**2}, [a, b]), "e", ["a"])
    second = gradient(first, "de/da", ["a", "b"])
    assert second.outputs == ("de/da", "dde/da/da", "dde/da/db")
    assert [float(value) for value in outputs(second, {"a": np.float64(2), "b": np.float64(3)})] == [108, 108, 72]


@pytest.mark.parametrize("second", METHODS)
@pytest.mark.parametrize("first", METHODS)
def test_every_method_differentiates_the_result_of_every_other(first: Method, second: Method) -> None:
    graph = system(Equation(q[i], tanh(A[i, j] * v[j]), SUM, (j,)), Equation(m.symbol, q[i] ** 2, MAX, (i,)))
    slopes = gradient(graph, "m", ["v"], first)
    d = Variable("dm/dv", (3,))
    once = slopes.with_equations([*slopes.equations, Equation(c.symbol, d[k] ** 2, SUM, (k,))], ["c"])
    values = random_values(graph, seed=2)
    direction, expected = complex_step(once, "c", "v", values)
    found = outputs(gradient(once, "c", ["v"], second), values)[1]
    assert np.sum(direction * found) == pytest.approx(expected, rel=1e-12)


def test_names_that_are_taken_get_a_prime() -> None:
    graph = gradient(lecture(), "e", ["a"])
    again = gradient(graph, "e", ["a", "b"])
    assert again.outputs == ("e", "de/da'", "de/db")
    values = {"a": np.float64(2), "b": np.float64(1)}
    assert [float(value) for value in outputs(again, values)] == [6, 2, 5]


def test_sympys_own_functions_follow_the_convention_at_kinks_too() -> None:
    a = Variable("a")
    graph = Graph((a,), (Equation(L.symbol, Abs(a.symbol) + Max(a.symbol, 0)),), ("L",))
    assert derived(graph, "L")[-1] == "dL/da = dL/dL*(select(-a, 0, select(equal(0, a), 1/2, 1)) + sign(a))"
    assert outputs(gradient(graph, "L"), {"a": np.float64(0)})[1] == 0.5


# --- stabilised first ---------------------------------------------------------------------------------------------


def test_the_gradient_of_a_naive_log_sum_exp_is_finite() -> None:
    Z = Variable("Z", (S,))
    graph = Graph((x,), (Equation(Z[s], exp(x[s, j]), SUM, (j,)), Equation(L.symbol, log(Z[s]), SUM, (s,))), ("L",))
    values = {"x": np.array([[1000.0, 0, -1000], [-1000, -1000, -1001]])}
    value, slope = outputs(gradient(graph, "L"), values)
    tail = np.exp([0, 0, -1]) / np.exp([0, 0, -1]).sum()
    np.testing.assert_allclose(value, 1000 - 1000 + np.log(np.exp([0, 0, -1]).sum()), atol=1e-12)
    np.testing.assert_allclose(slope, [[1, 0, 0], tail], rtol=1e-13)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("wrt", ["e", "Z", "p", "l", "u1"])
def test_a_vertex_of_a_naive_softmax_keeps_its_derivative(wrt: str, method: Method) -> None:
    graph = mlp([3, 3], tanh, ENDINGS[1])
    values = random_values(graph)
    cut = Graph((*graph.inputs, graph.variable(wrt)), tuple(e for e in graph.equations if e.name != wrt), ("loss",))
    at = {**values, wrt: evaluate(graph, values)[wrt]}
    direction, expected = complex_step(cut, "loss", wrt, at)
    found = outputs(gradient(graph, "loss", [wrt], method), values)[1]
    assert np.sum(direction * found) == pytest.approx(expected, rel=1e-12)


def test_the_lectures_graphs_are_differentiated_as_they_are() -> None:
    a, b = symbols("a b")
    for graph in (lecture(), from_expressions({"e": 1 / (1 + exp(-a * b))}, [a, b], decompose=True), mlp([2, 3, 2])):
        of = graph.outputs[-1]
        assert gradient(graph, of).equations[: len(graph.equations)] == graph.equations


def test_sympys_derivative_of_the_composed_expression_agrees() -> None:
    a, b = symbols("a b", real=True)
    expression = sin(a * b) * cos(a) ** 2 + log(1 + a**2) / (b**2 + 1) + tanh(a / b) ** 3
    found = evaluate(gradient(from_expressions({"e": expression}, [a, b]), "e"), {"a": 0.7, "b": -1.3})
    for symbol in (a, b):
        expected = expression.diff(symbol).subs({a: 0.7, b: -1.3})
        assert found[f"de/d{symbol}"] == pytest.approx(float(expected), rel=1e-13)


@pytest.mark.parametrize("name", ["gradient", "partials", "count_paths", "hvp", "optimise", "compile", "FlatFunction"])
def test_what_is_no_graph_is_refused(name: str) -> None:
    with pytest.raises(CodegenError, match="graph: found an int, expected a Graph"):
        getattr(codegen, name)(*[5, "e"][: 1 if name in ("partials", "optimise", "compile") else 2])
