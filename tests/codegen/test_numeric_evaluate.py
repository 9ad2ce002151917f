"""The NumPy evaluator: every function against mpmath at the points where users live, every form of an equation."""

from __future__ import annotations

import re
import tracemalloc
from collections.abc import Sequence
from functools import cache
from itertools import product

import numpy as np
import pytest
import sympy
from hypothesis import strategies as st
from numpy.typing import ArrayLike
from sympy import Expr, Integer, Piecewise, Rational

from codegen import CheckError, Equation, Graph, Index, Reduction, Variable, from_expressions, gradient, sample_extent
from codegen import functions as f
from codegen.derive import Method
from codegen.numeric import check_gradient, complex_step, evaluate, evaluate_exactly, rounded
from tests.codegen.networks import index_graphs, lecture, mlp, random_values
from tests.properties import holds_for

INF, NAN = np.inf, np.nan
TINY = 5e-324

x, y = sympy.symbols("x y", real=True)


def agree(found: ArrayLike, expected: ArrayLike, tolerance: float = 1e-12) -> bool:
    """|a − b|/max(1, |a|, |b|) within the tolerance, and the same infinities and nans."""
    a, b = np.asarray(found), np.asarray(expected)
    assert a.shape == b.shape
    finite = np.isfinite(a) & np.isfinite(b)
    a_finite, b_finite = np.where(finite, a, 0), np.where(finite, b, 0)
    size = np.maximum(1, np.maximum(np.abs(a_finite), np.abs(b_finite)))
    same = np.array_equal(np.where(finite, 0, a), np.where(finite, 0, b), equal_nan=True)
    return same and bool((np.abs(a_finite - b_finite) <= tolerance * size).all())


# --- functions ----------------------------------------------------------------------------------------------------

POINTS = (
    *(0.0, 1.0, -1.0, 0.5, -0.3, 2.0, -2.5, 3.0, 6.0, -7.0, 30.0, -30.0, 100.0, -100.0, 709.0, -745.0, 800.0, -800.0),
    *(1000.0, -1000.0, TINY, -TINY, 1e-310, -1e-310, 1e-300, 1e-8, -1e-8, 1e10, INF, -INF, NAN),
)
FEW = (0.0, 1.0, -0.3, 2.0, -7.0, 30.0, -745.0, 1000.0, -1000.0, -TINY, 1e-310, 1e-8, INF, -INF, NAN)
"""One or two of every kind."""


def at(few: Sequence[float]) -> pytest.MarkDecorator:
    """These points, and in the slow suite the others."""
    others = [point for point in POINTS if point not in few]
    return pytest.mark.parametrize("points", [few, pytest.param(others, marks=pytest.mark.slow)], ids=["few", "others"])


UNARY = (
    *(function for function in f.SYMPY_FUNCTIONS if function is not sympy.atan2),
    *(f.sigmoid, f.softplus, f.expm1, f.log1p, f.normal_cdf, f.step, f.relu, f.sign, f.absolute, f.stop_gradient),
    *(f.silu, f.gelu, f.gelu_tanh, f.log_sigmoid, f.relu6, f.hard_tanh, f.log_sum_exp, f.maximum, f.minimum),
    *(sympy.Abs, sympy.sign, sympy.Heaviside),
    *(sympy.sec, sympy.csc, sympy.cot, sympy.asec, sympy.acsc, sympy.acot),
    *(sympy.sech, sympy.csch, sympy.coth),
    *(sympy.gamma, sympy.loggamma, sympy.digamma, sympy.trigamma),
)

FORMULAS = (
    *(f.leaky_relu(x, Rational(1, 10)), f.elu(x, Rational(3, 2)), f.clip(x, Integer(-2), Integer(3)), f.equal(x, 1)),
    *(x**2, x**3, x**-1, x**-2, sympy.sqrt(x), x ** Rational(-1, 2), x ** Rational(3, 2), x**2.5, 2**x),
    *(f.select(x, sympy.log(x), x), f.maximum(x, Integer(1)), sympy.Min(x, 2), x / 3, sympy.pi * x),
    Piecewise((sympy.sqrt(x), x > 0), (x**2, x >= -2), (-x, True)),
    Piecewise((x, (x > 0) & (x < 2)), (2 * x, (x > 5) | sympy.Eq(x, 3)), (-x, ~(x < -1))),
    Piecewise((x, sympy.Ne(x, 1)), (Integer(7), True)),
)

OF_ONE = (*(function(x) for function in UNARY), *FORMULAS)

OF_TWO = (
    *(f.maximum(x, y), f.minimum(x, y), f.equal(x, y), f.log_sum_exp(x, y), f.select(x, y, x * y), f.clip(x, y, 2 * y)),
    *(sympy.atan2(x, y), x * y, x - y, x + y, sympy.Max(x, y), Piecewise((x, x < y), (y, True))),
)


@cache
def derived(expression: Expr) -> Graph:
    return gradient(from_expressions({"f": expression}, [x]), "f")


# Functions alone are slow: tests/comparison holds each of them to mpmath, with its derivative.
@at(FEW)
@pytest.mark.parametrize(
    "expression", [*FORMULAS, *(pytest.param(function(x), marks=pytest.mark.slow) for function in UNARY)], ids=str
)
def test_value_and_derivative_agree_with_mpmath(expression: Expr, points: Sequence[float]) -> None:
    graph = derived(expression)
    for point in points:
        found, exact = evaluate(graph, {"x": point}), evaluate_exactly(graph, {"x": point})
        for name in graph.outputs:
            assert agree(found[name], rounded(exact[name])), (name, point, found[name], exact[name])


@pytest.mark.parametrize(
    "points",
    [
        (0.0, -3.0, 1000.0, INF, NAN),
        pytest.param((0.0, 1.0, -1.0, 0.5, -3.0, 1000.0, -1000.0, INF, -INF, NAN), marks=pytest.mark.slow),
    ],
    ids=["few", "all"],
)
@pytest.mark.parametrize("expression", OF_TWO, ids=str)
def test_value_and_derivative_in_two_variables_agree_with_mpmath(expression: Expr, points: Sequence[float]) -> None:
    graph = gradient(from_expressions({"f": expression}, [x, y]), "f")
    for a, b in product(points, repeat=2):
        found, exact = evaluate(graph, {"x": a, "y": b}), evaluate_exactly(graph, {"x": a, "y": b})
        for name in graph.outputs:
            assert agree(found[name], rounded(exact[name])), (name, a, b, found[name], exact[name])


@pytest.mark.parametrize("expression", [e for e in OF_ONE if not e.has(f.stop_gradient)], ids=str)
def test_the_complex_step_gives_the_derivative_off_kinks(expression: Expr) -> None:
    graph = derived(expression)
    for point in (0.31, -0.7, 0.99, 1.7, -2.6, 4.5, 30.5, -30.5, 1000.0, -1000.0, 1e-300, -1e-12):
        found = evaluate(graph, {"x": point})
        estimate = complex_step(graph, "f", "x", {"x": point})
        # 1e-300 is too close to a singularity at 0, which the estimated error says.
        if np.isfinite(found["f"]) and np.isfinite(found["df/dx"]) and estimate.error <= 1e-12:
            assert agree(estimate.value, found["df/dx"]), point
        else:
            assert not np.isfinite(estimate.value) or point == 1e-300


@pytest.mark.parametrize("expression", OF_TWO, ids=str)
def test_the_complex_step_gives_the_partial_derivatives_off_kinks(expression: Expr) -> None:
    graph = gradient(from_expressions({"f": expression}, [x, y]), "f")
    for a, b in ((0.3, 0.7), (-2.0, 0.5), (1.5, -40.0), (-3.0, -0.2)):
        values = {"x": a, "y": b}
        found = evaluate(graph, values)
        for name in ("x", "y"):
            assert agree(complex_step(graph, "f", name, values).value, found[f"df/d{name}"]), (name, a, b)


@pytest.mark.parametrize("expression", OF_ONE, ids=str)
def test_float32_is_computed_in_float32(expression: Expr) -> None:
    graph = from_expressions({"f": expression}, [x])
    for point in (0.25, -0.5, 3.0, -30.0):
        single, double = evaluate(graph, {"x": point}, np.float32), evaluate(graph, {"x": point})
        assert single["f"].dtype == np.float32
        assert agree(single["f"], double["f"], 2e-6), point
    assert evaluate(from_expressions({"f": sympy.exp(x) / 10**5}, [x]), {"x": 89.0}, np.float32)["f"] == INF


@pytest.mark.slow
@at((0.0, -0.3, 30.0))
@pytest.mark.parametrize("expression", [e for e in OF_ONE if not e.has(f.stop_gradient)], ids=str)
def test_the_derivative_is_the_limit_of_differences_in_mpmath(expression: Expr, points: Sequence[float]) -> None:
    """At every finite point that is not a kink; outside the domain, and at its ends, differences know nothing."""
    graph = from_expressions({"f": expression}, [x])
    for point in filter(np.isfinite, points):
        report = check_gradient(graph, "f", {"x": point}, methods=["exact"])
        assert not report.failures, str(report)
        assert not report.undecided or point == 0 or np.isnan(evaluate(graph, {"x": point})["f"]), str(report)


STABLE = (
    (f.sigmoid(x), 800, 1, 0),
    (f.sigmoid(x), -800, 0, 0),
    (f.softplus(x), 800, 800, 1),
    (f.softplus(x), -800, 0, 0),
    (f.log_sigmoid(x), -800, -800, 1),
    (f.relu(x), 0, 0, 0),
    (f.absolute(x), 0, 0, 0),
    (f.leaky_relu(x, Rational(1, 10)), 0, 0, 0.1),
    (f.relu6(x), 6, 6, 0),
    (f.hard_tanh(x), -1, -1, 0),
    (f.maximum(x, Integer(2)), 2, 2, 0.5),
    (f.sign(x), 0, 0, 0),
)


@pytest.mark.parametrize(("expression", "at", "value", "derivative"), STABLE, ids=str)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_table_of_stable_values_and_kinks(
    expression: Expr, at: float, value: float, derivative: float, dtype: type[np.floating]
) -> None:
    found = evaluate(gradient(from_expressions({"f": expression}, [x]), "f"), {"x": at}, dtype)
    assert [found["f"], found["df/dx"]] == [dtype(value), dtype(derivative)]


def test_a_quotient_of_subnormal_numbers_is_a_quotient() -> None:
    """As a product with a reciprocal, which overflows, it would be nan and inf."""
    graph = from_expressions({"f": x / y}, [x, y])
    assert evaluate(graph, {"x": 0.0, "y": TINY})["f"] == 0
    assert evaluate(graph, {"x": 3e-310, "y": 1e-310})["f"] == pytest.approx(3)


# --- forms of equations -------------------------------------------------------------------------------------------

S = sample_extent()
s, h, d = Index("s", S), Index("h", 3), Index("d", 2)
X, W, V, A = Variable("x", (S, 2)), Variable("W", (3, 2)), Variable("v", (3,)), Variable("A", (3, 3))
Y = Variable("y", (S,), "integer")
VALUES: dict[str, ArrayLike] = {
    "x": [[1.0, 2.0], [3.0, 4.0], [-1.0, 0.5], [0.0, 7.0]],
    "W": [[1.0, -2.0], [0.5, 3.0], [4.0, 0.25]],
    "v": [1.0, 2.0, 4.0],
    "A": [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]],
    "y": [0, 2, 1, 2],
}
x_, W_, v_, A_ = (np.array(VALUES[name], float) for name in "xWvA")
labels = np.array(VALUES["y"], int)
e, k = Index("e", 3), Index("k", 2)


SUM, MAX = Reduction.SUM, Reduction.MAX
FORMS = {
    "contraction": ((s, h), W[h, d] * X[s, d], SUM, (d,), x_ @ W_.T),
    "scaled contraction": ((s, h), W[h, d] * X[s, d] / S, SUM, (d,), x_ @ W_.T / 4),
    "three factors": ((h,), W[h, d] * X[s, d] * V[h], SUM, (s, d), (x_ @ W_.T).sum(0) * v_),
    "with a quotient": ((h, d), X[s, d] * W[h, k] * X[s, k] / V[h], SUM, (s, k), (x_ @ W_.T / v_).T @ x_),
    "absent target index": ((h, s), W[e, d] * X[s, d], SUM, (e, d), np.tile((x_ @ W_.T).sum(1), (3, 1))),
    "diagonal": ((h,), A[h, h], None, (), np.diag(A_)),
    "trace": ((), A[h, h], SUM, (h,), 15.0),
    "transposition": ((h, e), A[e, h], None, (), A_.T),
    "outer": ((h, e), V[h] * V[e], None, (), np.outer(v_, v_)),
    "integer subscripts": ((h,), A[1, h] + A[h, 2] + V[0], None, (), A_[1] + A_[:, 2] + v_[0]),
    "an index as a number": ((h,), V[h] * h + 1, None, (), v_ * [0, 1, 2] + 1),
    "Kronecker delta": ((h, e), f.equal(h, e), None, (), np.eye(3)),
    "one-hot": ((s, h), f.equal(Y[s], h), None, (), np.eye(3)[labels]),
    "the extent": ((s,), X[s, 0] / S, None, (), x_[:, 0] / 4),
    "broadcast constant": ((s, h), Integer(2), None, (), np.full((4, 3), 2.0)),
    "maximum": ((s,), X[s, d] * W[h, d], MAX, (h, d), (x_[:, None] * W_).max((1, 2))),
    "sum of a function": ((), f.relu(X[s, d]) / S, SUM, (s, d), np.maximum(x_, 0).sum() / 4),
    "sum of a constant factor": ((s,), X[s, 1] * f.equal(h, 1), SUM, (h,), x_[:, 1]),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_an_equation(form: str) -> None:
    key, body, reduction, reduced, expected = FORMS[form]
    shape = tuple({s: S, h: 3, e: 3, d: 2, k: 2}[i] for i in key)
    target = Variable("r", shape)[key]
    graph = Graph((X, W, V, A, Y), (Equation(target, body, reduction, reduced),), ("r",))
    for dtype in (np.float64, np.float32, np.complex128):
        found = evaluate(graph, VALUES, dtype)["r"]
        assert found.dtype == dtype
        assert found.flags.writeable
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert agree(rounded(evaluate_exactly(graph, VALUES)["r"]), np.asarray(expected, float))


def test_single_elements_are_assigned_one_by_one_and_the_rest_is_nan() -> None:
    r, total = Variable("r", (S, 3)), Variable("total")
    elements = Equation(r[s, 2], X[s, 0] * 2), Equation(r[s, 0], X[s, 1])
    graph = Graph((X,), (*elements, Equation(total.symbol, r[s, 2], SUM, (s,))), ("total",))
    for found in (evaluate(graph, {"x": x_})["r"], rounded(evaluate_exactly(graph, {"x": x_})["r"])):
        np.testing.assert_array_equal(found, np.stack([x_[:, 1], np.full(4, NAN), 2 * x_[:, 0]], 1))


def test_every_variable_is_returned_and_inputs_are_as_given() -> None:
    found = evaluate(mlp([2, 3, 3]), random_values(mlp([2, 3, 3])))
    assert set(found) == set(mlp([2, 3, 3]).variables)
    assert found["y"].dtype == np.int64


def test_a_contraction_does_not_store_its_domain() -> None:
    n = 200
    i, j, l = Index("i", n), Index("j", n), Index("l", n)
    P, Q, R = Variable("P", (n, n)), Variable("Q", (n, n)), Variable("R", (n, n))
    graph = Graph((P, Q), (Equation(R[i, j], P[i, l] * Q[l, j] * 3, SUM, (l,)),), ("R",))
    p, q = np.random.Generator(np.random.PCG64(0)).standard_normal((2, n, n))
    evaluate(graph, {"P": p, "Q": q})
    tracemalloc.start()
    found = evaluate(graph, {"P": p, "Q": q})["R"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert agree(found, 3 * p @ q)
    assert peak < 10 * p.nbytes  # the domain would be 200 times an array


def test_zero_times_infinity_is_nan_in_a_contraction() -> None:
    graph = Graph((X, W), (Equation(Variable("r", (S, 3))[s, h], W[h, d] * X[s, d], SUM, (d,)),), ("r",))
    weights = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]])
    found = evaluate(graph, {"x": [[INF, 2.0], [1.0, 2.0]], "W": weights})["r"]
    np.testing.assert_array_equal(found, [[NAN, INF, NAN], [2.0, 1.0, 0.0]])


# --- networks -----------------------------------------------------------------------------------------------------


def test_softmax_cross_entropy_at_large_logits() -> None:
    """At logits (0, 1000, 0), label 0, the loss is 1000 and its gradient (−1, 1, 0)."""
    graph = gradient(mlp([1, 3]), "loss")
    values: dict[str, ArrayLike] = {"x": [[0.0]], "y": [0], "W1": np.zeros((3, 1)), "b1": [0.0, 1000.0, 0.0]}
    for found in (evaluate(graph, values), evaluate(graph, values, np.float32)):
        assert found["loss"] == 1000
        np.testing.assert_array_equal(found["dloss/db1"], [-1, 1, 0])
    exact = evaluate_exactly(graph, values)
    assert rounded(exact["loss"]) == 1000
    np.testing.assert_array_equal(rounded(exact["dloss/db1"]), [-1, 1, 0])


@pytest.mark.parametrize("method", ["reverse", "forward", "paths"])
@pytest.mark.parametrize("unrolled", [False, True])
def test_all_derivations_agree_with_the_oracle(method: Method, unrolled: bool) -> None:
    graph = mlp([2, 3, 3], f.softplus)
    values = random_values(graph, samples=3)
    names = ["W1", "b1", "W2", "b2"]
    exact = evaluate_exactly(gradient(graph, "loss", names), values)
    found = evaluate(gradient(graph.unroll() if unrolled else graph, "loss", names, method), values)
    for name in ("loss", *(f"dloss/d{name}" for name in names)):
        assert agree(found[name], rounded(exact[name])), name


@holds_for(index_graphs(), st.integers(0, 2**32), quick=12, slow=50)
def test_random_systems_agree_with_the_oracle(graph: Graph, seed: int) -> None:
    values = random_values(graph, seed, samples=2)
    derived = gradient(graph, "L")
    found, exact = evaluate(derived, values), evaluate_exactly(derived, values)
    assert set(found) == set(exact)
    for name in derived.outputs:
        assert agree(found[name], rounded(exact[name]), 1e-11), name


CONSTANTS = st.sampled_from([Integer(2), Rational(1, 3), Integer(-1), sympy.pi])
SMOOTH = (sympy.sin, sympy.cos, sympy.tanh, f.sigmoid, f.softplus, sympy.atan, sympy.asinh, sympy.erf, f.silu, f.expm1)


def expressions() -> st.SearchStrategy[Expr]:
    def extend(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
        return st.one_of(
            st.builds(lambda g, a: g(a), st.sampled_from(SMOOTH), inner),
            st.builds(lambda a, b: a + b, inner, inner),
            st.builds(lambda a, b: a * b, inner, inner),
            st.builds(lambda a, b: a / (1 + b**2), inner, inner),
        )

    return st.recursive(st.one_of(st.sampled_from([x, y]), CONSTANTS), extend, max_leaves=8)


@holds_for(expressions(), st.floats(-4, 4), st.floats(-4, 4), quick=25, slow=100)
def test_random_expressions_agree_with_the_oracle(expression: Expr, a: float, b: float) -> None:
    graph = gradient(from_expressions({"f": expression}, [x, y]), "f")
    found, exact = evaluate(graph, {"x": a, "y": b}), evaluate_exactly(graph, {"x": a, "y": b})
    for name in graph.outputs:
        # Errors grow along an expression: sin(expm1(4)·…) has a condition number of some hundreds.
        assert agree(found[name], rounded(exact[name]), 1e-9), name


# --- errors -------------------------------------------------------------------------------------------------------

BAD_INPUTS: dict[str, tuple[str, dict[str, ArrayLike]]] = {
    "input 'b': found no value, expected an array of shape ()": ("scalar", {"a": 1}),
    "input 'c': found a value, but the graph has only the inputs a, b": ("scalar", {"a": 1, "b": 2, "c": 3}),
    "input 'a': found an array of shape (1,), expected ()": ("scalar", {"a": [1], "b": 2}),
    "input 'a': found the type <U1, expected real numbers": ("scalar", {"a": "1", "b": 2}),
    "input 'a': found the type complex128, expected real numbers": ("scalar", {"a": 1j, "b": 2}),
    "input 'W1': found an array of shape (3, 2), expected (3, 4)": ("network", {"W1": np.zeros((3, 2))}),
    "input 'x': found an array of shape (4,), expected (S, 4)": ("network", {"x": np.zeros(4)}),
    "input 'x': found rows of different lengths, expected an array": ("network", {"x": [[1.0], [1.0, 2.0]]}),
    "input 'y': found an array of shape (5,), expected (S,) with S = 4, as in input 'x'": (
        "network",
        {"y": np.zeros(5, int)},
    ),
    "input 'x': found an array of shape (0, 4), expected (S, 4) with S at least 1: there are no samples": (
        "network",
        {"x": np.zeros((0, 4)), "y": np.zeros(0, int)},
    ),
    "input 'y': found values that are not whole, expected integers": ("network", {"y": [0.5, 0, 1, 2]}),
    "input 'y': found values that are not whole": ("network", {"y": [NAN, 0, 1, 2]}),
}


@pytest.mark.parametrize("message", BAD_INPUTS)
def test_inputs_that_do_not_fit_are_named(message: str) -> None:
    kind, changes = BAD_INPUTS[message]
    graph = mlp([4, 3]) if kind == "network" else lecture()
    values: dict[str, ArrayLike] = {**random_values(graph), **changes} if kind == "network" else changes
    for function in (evaluate, evaluate_exactly):
        with pytest.raises(CheckError, match=re.escape(message)):
            function(graph, values)


def test_unknown_things_are_named() -> None:
    class mystery(f.Primitive):  # noqa: N801
        nargs = 1

    graph = from_expressions({"r": mystery(x)}, [x])
    with pytest.raises(CheckError, match=r"equation of r: mystery has no translation into NumPy"):
        evaluate(graph, {"x": 1})
    with pytest.raises(CheckError, match="dtype: found int64, expected one of float64, float32, complex128"):
        evaluate(lecture(), {"a": 1, "b": 2}, np.int64)
