"""Sums of indices as subscripts: x[i + a], x[2i], x[n − 1 − i]. Every result is held to that of the unrolled graph."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray
from sympy import Expr, Idx, IndexedBase, Piecewise, Sum, Symbol, exp, sin, tanh

import codegen
from codegen import Equation, Graph, GraphError, Index, Reduction, Variable, padded, sample_extent
from codegen.emit.numpy import numpy_function
from codegen.ir.ranges import defined
from codegen.numeric.evaluate import evaluate
from codegen.numeric.oracle import evaluate_exactly, rounded
from tests.codegen.derivatives import by_complex_step, directions, reals, second_by_complex_step
from tests.codegen.networks import Arrays, distance, random_values

pytestmark = pytest.mark.values

S, n = sample_extent("S"), sample_extent("n")
s, t = Index("s", S), Index("t", n)
x, w, y, A, X = (
    Variable("x", (6,)),
    Variable("w", (3,)),
    Variable("y", (4,)),
    Variable("A", (5, 5)),
    Variable("X", (S, 6)),
)
i, j, k, a, b, c = Index("i", 4), Index("j", 6), Index("k", 3), Index("a", 3), Index("b", 2), Index("c", 2)
u, z = Variable("u", (n,)), Variable("z", (6,))


def total(target: Expr, body: Expr, *reduced: Index) -> Equation:
    return Equation(target, body, Reduction.SUM, reduced)


def within(value: Expr, condition: object) -> Expr:
    return Piecewise((value, condition), (0, True))


def of(*equations: Equation) -> Graph:
    """A graph of the inputs that are read, with the last equation's variable as its output."""
    given = (x, w, A, X, u, Variable("K", (2, 2, 2)), Variable("I", (S, 2, 5)))
    assigned = {equation.name for equation in equations}
    used = {access.cell.name for equation in equations for access in equation.reads} - assigned
    return Graph(tuple(v for v in given if v.name in used), equations, (equations[-1].name,))


K, I, P, Q = Variable("K", (2, 2, 2)), Variable("I", (S, 2, 5)), Variable("P", (S, 2, 4)), Variable("Q", (3, 3))
o, p, d = Index("o", 2), Index("p", 4), Index("d", 2)
g, h = Index("g", 3), Index("h", 3)

GRAPHS: Mapping[str, Graph] = {
    "a neighbour": of(Equation(y[i], sin(x[i + 1]) * x[i])),
    "one that was computed": of(Equation(z[j], x[j] ** 2), Equation(y[i], exp(z[i + 2]) + z[i])),
    "the other way round": of(Equation(z[j], x[5 - j] ** 2 * (j + 1))),
    "a convolution": of(total(y[i], w[a] * x[i + a], a)),
    "one with every second element": of(total(Variable("v", (2,))[b], w[a] * tanh(x[2 * b + a]), a)),
    "every second element": of(Equation(Variable("v", (3,))[k], x[2 * k] ** 3)),
    "padded": of(total(z[j], within(w[a] * x[j + a - 1], (j + a >= 1) & (j + a <= 6)), a)),
    "padded in a function": of(Equation(z[j], tanh(within(x[j - 1], j > 0)) * x[j])),
    "what is there otherwise": of(Equation(z[j], Piecewise((x[j - 1] * x[j], j > 0), (x[j] ** 2, True)))),
    "two dimensions": of(total(Q[g, h], A[g + a, h + b] * A[g + b, h] * w[a], a, b)),
    "along a diagonal": of(Equation(w.__class__("v", (3,))[k], A[k + 1, k + 2] * A[k, 4 - k])),
    "a channel of samples": of(total(P[s, o, p], K[o, c, d] * I[s, c, p + d], c, d)),
    "samples of a layer": of(
        total(P[s, o, p], K[o, c, d] * I[s, c, p + d], c, d),
        Equation(Variable("T", (S, 2, 4))[s, o, p], tanh(P[s, o, p])),
        total(Variable("F", (S, 2, 2))[s, o, b], Variable("T", (S, 2, 4))[s, o, 2 * b + d], d),
    ),
    "a sum to an index": of(total(z[j], within(x[k] * w[k], k <= j), k)),
    "a band": of(total(z[j], within(x[k] * x[j], (k >= j - 1) & (k <= j + 1)), k)),
    "a sum of differences": of(total(z[j], within(w[k] * x[j - k], k <= j), k)),
    "an axis of any length": of(Equation(Variable("v", (n,))[t], within(u[t + 1] * u[t], t < n - 1) + u[n - 1 - t])),
    "the last element": of(Equation(Variable("v", (n,))[t], u[n - 1] * u[t])),
    "the first element": of(Equation(Variable("v", (n,))[t], u[0] * u[t])),
    "a part of an axis": of(Equation(y[i], x[i] ** 2)),
    "an array assigned by elements": of(
        Equation(Variable("v", (3,))[0], x[0] ** 2),
        Equation(Variable("v", (3,))[1], x[1] * x[2]),
        Equation(Variable("v", (3,))[2], x[5]),
        Equation(Variable("q", (2,))[b], Variable("v", (3,))[b + 1] * Variable("v", (3,))[b]),
    ),
    "a maximum": of(Equation(y[i], x[i + a], Reduction.MAX, (a,))),
}
QUICK = ("a convolution", "one with every second element", "padded in a function", "two dimensions", "a band",
         "an axis of any length", "an array assigned by elements")  # fmt: skip
CASES = [case if case in QUICK else pytest.param(case, marks=pytest.mark.slow) for case in GRAPHS]
"""Every graph has its gradient in the quick suite; these have everything else."""
FIXED = [name for name, graph in GRAPHS.items() if not graph.extents or n not in graph.extents]


def values_of(graph: Graph) -> Arrays:
    return random_values(graph, samples=3)


def scalar(graph: Graph) -> Graph:
    """½ Σ out²."""
    of = graph.variable(graph.outputs[0])
    index = tuple(Index(f"o{axis}", extent) for axis, extent in enumerate(of.shape))
    return graph.with_equations([*graph.equations, total(Variable("L").symbol, of[index] ** 2 / 2, *index)], ["L"])


@pytest.mark.parametrize("case", GRAPHS)
def test_every_evaluator_has_the_value(case: str) -> None:
    graph = GRAPHS[case]
    values, name = values_of(graph), graph.outputs[0]
    exact = rounded(evaluate_exactly(graph, values, 30)[name])
    given = [values[variable.name] for variable in graph.inputs]
    assert not np.isnan(exact).any()
    assert distance([evaluate(graph, values)[name]], [exact]) <= 1e-15
    assert distance([numpy_function(graph)(*given)[0]], [exact]) <= 1e-15
    if case in FIXED:
        assert distance([evaluate(graph.unroll(), values)[name]], [exact]) <= 1e-15


@pytest.mark.parametrize("mode", ["forward", "reverse"])
@pytest.mark.parametrize("case", CASES)
def test_jacobians(case: str, mode: str) -> None:
    graph = GRAPHS[case]
    values, name, wrt = values_of(graph), graph.outputs[0], reals(graph)
    derived = codegen.jacobian(graph, name, wrt, mode=mode)  # type: ignore[arg-type]
    found = evaluate(codegen.optimise(derived)[0], values)
    expected = [by_complex_step(graph, [name], one, values)[0] for one in wrt]
    assert distance([found[output] for output in derived.outputs[1:]], expected) <= 1e-14


@pytest.mark.parametrize("case", GRAPHS)
def test_gradients(case: str) -> None:
    _check_gradient(case, "reverse")


@pytest.mark.parametrize("method", ["forward", "paths"])
@pytest.mark.parametrize("case", CASES)
def test_gradients_by_other_methods(case: str, method: str) -> None:
    _check_gradient(case, method)


def _check_gradient(case: str, method: str) -> None:
    graph = scalar(GRAPHS[case])
    values, wrt = values_of(graph), reals(graph)
    derived = codegen.gradient(graph, "L", wrt, method=method)  # type: ignore[arg-type]
    found = evaluate(codegen.optimise(derived)[0], values)
    expected = [by_complex_step(graph, ["L"], one, values)[0] for one in wrt]
    assert distance([found[output] for output in derived.outputs[1:]], expected) <= 1e-14


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.slow) if case == "two dimensions" else case for case in CASES]
)
def test_second_derivatives(case: str) -> None:
    graph = scalar(GRAPHS[case])
    values, wrt = values_of(graph), reals(graph)
    given = {**values, **directions(graph, wrt, values)}
    hessian = codegen.hessian(graph, "L", wrt)
    found = evaluate(codegen.optimise(hessian)[0], values)
    expected = second_by_complex_step(graph, "L", wrt, values)
    assert distance([found[output] for output in hessian.outputs[1:]], expected) <= 1e-13
    products = {
        "hvp": codegen.hvp(graph, "L", wrt),
        "jvp": codegen.jvp(codegen.gradient(graph, "L", wrt), f"dL/d{wrt[0]}", wrt),
    }
    along = [evaluate(codegen.optimise(one)[0], given)[one.outputs[1]] for one in products.values()]
    first = np.shape(values[wrt[0]])
    full = sum(_times(block, given[f"v_{other}"], first) for block, other in zip(expected, wrt))
    assert distance(along, [full, full]) <= 1e-13


def _times(block: NDArray[np.float64], v: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    return (block.reshape(int(np.prod(shape)), -1) @ v.reshape(-1)).reshape(shape)


@pytest.mark.parametrize(
    "case", ["padded", *(pytest.param(c, marks=pytest.mark.slow) for c in GRAPHS if c != "padded")]
)
def test_what_is_compiled(case: str) -> None:
    graph = scalar(GRAPHS[case])
    values = values_of(graph)
    derived = codegen.gradient(graph, "L")
    expected = evaluate(derived, values)
    for emitter in ("auto", "numba"):
        found = codegen.compile(derived, emitter=emitter)(*[values[v.name] for v in derived.inputs])  # type: ignore[arg-type]
        assert distance([np.asarray(f) for f in found], [expected[name] for name in derived.outputs]) <= 1e-13


# --- formulas -----------------------------------------------------------------------------------------------------

m = Symbol("i", integer=True)
ROW, COLUMN = Idx("r", 3), Idx("q", 4)
x_, W_, v_, r_ = IndexedBase("x", shape=(6,)), IndexedBase("W", shape=(3, 9)), IndexedBase("v"), IndexedBase("r")
READ = {
    "a sum of differences": ({"L": Sum((x_[m + 1] - x_[m]) ** 2, (m, 0, 4))}, [x_], ["L = Σ_i (x[i + 1] - x[i])**2"]),
    "a slice": ({v_[ROW, COLUMN]: W_[ROW, COLUMN + 5]}, [W_], ["v[r, q] = W[r, q + 5]"]),
    "padded": (
        {r_[Idx("k", 6)]: padded(x_[Idx("k", 6) - 1], 2) + padded(x_[2 * Idx("k", 6)])},
        [x_],
        ["r[k] = Piecewise((x[2*k], k <= 2), (0, True)) + Piecewise((x[k - 1], k >= 1), (2, True))"],
    ),
    "a product of indices": (
        {"L": Sum(x_[m] * x_[m**2], (m, 0, 2))},
        [x_],
        ["v1[0] = x[0]", "v1[1] = x[1]", "v1[2] = x[4]", "L = Σ_i v1[i]*x[i]"],
    ),
}


@pytest.mark.parametrize("case", READ)
def test_subscripts_are_kept(case: str) -> None:
    outputs, inputs, expected = READ[case]
    assert [*map(str, codegen.from_expressions(outputs, inputs).equations)] == expected


@pytest.mark.parametrize("length", [6, 5000, Symbol("n")])
def test_the_equations_do_not_depend_on_lengths(length: object) -> None:
    x = IndexedBase("x", shape=(length,))
    graph = codegen.from_expressions({"L": Sum((x[m + 1] - x[m]) ** 2, (m, 0, length - 2))}, [x])  # type: ignore[operator]
    assert [e.name for e in codegen.optimise(codegen.gradient(graph, "L"))[0].equations] == ["L", "dL/dx"]


def test_what_is_padded_has_a_shape() -> None:
    with pytest.raises(codegen.GraphError, match="padded: found v, an IndexedBase, expected an element of an array"):
        padded(v_)


# --- what is printed ----------------------------------------------------------------------------------------------

PRINTED = {
    "a convolution": [
        "dL/dx[i] = Σ_a Piecewise((w[a]*y[-a + i], (a <= i) & (i <= a + 3)), (0, True))",
        "dL/dw[a] = Σ_i x[a + i]*y[i]",
    ],
    "one with every second element": [
        "dL/dx[a] = Σ_b Piecewise((4*sigmoid_slope(2*x[a])*v[b]*w[a - 2*b], (a >= 2*b) & (a <= 2*b + 2)), (0, True))",
        "dL/dw[a] = Σ_b c1[b, a]*v[b]",
    ],
    "a sum to an index": [
        "dL/dx[k] = Σ_j Piecewise((w[k]*z[j], (k <= 2) & (j >= k)), (0, True))",
        "dL/dw[k] = Σ_j Piecewise((x[k]*z[j], j >= k), (0, True))",
    ],
    "the last element": ["dL/du[t] = dL/du#1[t] + u[n - 1]*v[t]"],
}


@pytest.mark.parametrize("case", PRINTED)
def test_gradients_as_they_are_printed(case: str) -> None:
    derived = codegen.optimise(codegen.gradient(scalar(GRAPHS[case]), "L"))[0]
    assert [str(e) for e in derived.equations if e.name in derived.outputs[1:]] == PRINTED[case]


def test_a_condition_on_a_length_says_that_an_element_is_there() -> None:
    n = Symbol("n")
    y = IndexedBase("y", shape=(n,))
    graph = codegen.from_expressions({"a": Piecewise((y[1], n > 1), (0, True))}, [y])
    assert [float(evaluate(graph, {"y": np.arange(1.0, k)})["a"]) for k in (2, 4)] == [0, 2]
    with pytest.raises(GraphError, match="has values from 1 to 1 on an axis of n"):
        codegen.from_expressions({"a": Piecewise((y[1], y[0] > 1), (0, True))}, [y])


@pytest.mark.parametrize("least", [1, 2, 3])
def test_what_is_read_in_two_branches_is_there_in_both(least: int) -> None:
    """A condition of one of them does not hold in the other."""
    body = Piecewise((x[j - 1] * x[j - 2], j >= least), (x[j - 1] ** 2 + 1, True))
    graph = Graph((x,), (Equation(z[j], defined(body)),), ("z",))
    values = np.arange(1.0, 7.0)
    back = {n: values[n - 1] if n else 0.0 for n in range(6)}
    expected = [back[n] * back.get(n - 1, 0.0) if n >= least else back[n] ** 2 + 1 for n in range(6)]
    expected[1] = 0.0 if least == 1 else expected[1]
    assert evaluate(graph, {"x": values})["z"].tolist() == expected


def full_convolution() -> Graph:
    """o[k] = Σ_i x[i]·h[k − i] of n + m − 1 elements, and the gradient of the sum of their sines."""
    n, m = sample_extent("n"), sample_extent("m")
    x, h, o = IndexedBase("x", shape=(n,)), IndexedBase("h", shape=(m,)), IndexedBase("o")
    i, k = Idx("i", n), Idx("k", n + m - 1)
    terms = {o[k]: Sum(padded(h[k - i]) * x[i], i), "L": Sum(sin(o[k]), (k, 0, n + m - 2))}
    return codegen.gradient(codegen.from_expressions(terms, [x, h]), "L").with_outputs("o", "L", "dL/dx", "dL/dh")


@pytest.mark.parametrize("emitter", ["vector", "numba"])
def test_axes_of_outputs_are_sums_of_lengths(emitter: str) -> None:
    function = codegen.compile(full_convolution(), emitter=emitter)  # type: ignore[arg-type]
    numbers = np.random.default_rng(1)
    for sizes in ((9, 4), (3, 8), (1, 1)):
        x, h = (numbers.normal(size=size) for size in sizes)
        o = np.convolve(x, h)
        back = [np.convolve(np.cos(o), h[::-1], "full")[len(h) - 1 :][: len(x)] for h, x in ((h, x), (x, h))]
        assert distance(list(function(x=x, h=h)), [o, np.sin(o).sum(), *back]) <= 1e-14


def test_a_sum_may_have_as_many_terms_as_lengths_add_up_to() -> None:
    n = Symbol("n")
    y, k = IndexedBase("y", shape=(n,)), Idx("k", 2 * n)
    graph = codegen.from_expressions({"a": Sum(Piecewise((y[k] ** 2, k < n), (y[2 * n - 1 - k], True)), k)}, [y])
    values = np.arange(1.0, 5.0)
    found = codegen.compile(codegen.gradient(graph, "a"))(values)
    assert distance(list(found), [np.sum(values**2 + values), 2 * values + 1]) <= 1e-14
    with pytest.raises(GraphError, match="expected an integer or a sum of lengths, never negative"):
        codegen.from_expressions({"a": Sum(y[0] * k, (k, 0, 3 - n))}, [y])
