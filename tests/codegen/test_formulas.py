"""Formulas with indices, sums, products and matrices: what they mean in NumPy, and gradients held to mpmath."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
import sympy
from numpy.typing import ArrayLike
from scipy import special
from sympy import (
    Abs,
    Eq,
    Idx,
    IndexedBase,
    Matrix,
    MatrixSymbol,
    Max,
    Min,
    Ne,
    Piecewise,
    Product,
    Sum,
    Symbol,
    Trace,
    atan2,
    cos,
    erf,
    exp,
    gamma,
    log,
    loggamma,
    sin,
    sqrt,
    symbols,
    tanh,
)

from codegen import Graph, GraphError, Variable, compile, from_expressions, gradient, hessian
from codegen.emit.numpy import numpy_function
from codegen.numeric import check_gradient, evaluate, evaluate_exactly, rounded
from tests.sweeps import one_in

pytestmark = pytest.mark.values

a, b, c = symbols("a b c")
n, k, m = Symbol("n"), Symbol("k", integer=True), Symbol("m", integer=True)
i, j = Idx("i", n), Idx("j", 3)
x, y, r, u, w = (IndexedBase(name) for name in "xyruw")
p = IndexedBase("p", shape=(5,))
A, B = MatrixSymbol("A", 3, 3), MatrixSymbol("B", 3, 3)
v, q = MatrixSymbol("v", 3, 1), MatrixSymbol("q", n, 1)
M, F = MatrixSymbol("M", n, 3), MatrixSymbol("F", 4, 4)

X, Y = np.array([0.3, -1.2, 2.5, 0.0]), np.array([1.0, 0.5, -0.7, 2.0])
P = np.array([0.4, 1.3, -0.8, 2.1, 0.7])
AA = np.array([[0.2, -1.0, 0.5], [1.5, 0.3, 0.0], [-0.4, 0.8, 1.1]])
BB = np.array([[1.0, 0.6, -0.2], [0.1, -0.9, 0.4], [0.0, 2.0, 0.3]])
FF = np.array([[1.0, 0.3, -0.5, 0.2], [0.1, -1.2, 0.4, 0.0], [0.7, 0.2, 0.9, -0.3], [0.0, 0.6, -0.1, 1.4]])
V, Q = np.array([[0.5], [-1.5], [2.0]]), np.array([[0.3], [1.2]])
MM = np.array([[1.0, -0.5, 0.2], [0.4, 2.0, -1.0]])


@dataclass(frozen=True)
class Row:
    """A scalar formula ``L``, the values of its inputs, and what it is in NumPy."""

    outputs: dict[Any, Any]
    inputs: list[Any]
    values: dict[str, ArrayLike]
    expected: Callable[[], ArrayLike]


FORMULAS: dict[str, Row] = {
    "a sum over a symbolic range": Row(
        {"L": Sum((y[i] - a * x[i]) ** 2, i)}, [a, x, y], {"a": 0.7, "x": X, "y": Y}, lambda: ((Y - 0.7 * X) ** 2).sum()
    ),
    "a mean": Row({"L": Sum(x[i] ** 2, (i, 0, n - 1)) / n}, [x], {"x": X}, lambda: (X**2).mean()),
    "a range from 1": Row(
        {"L": Sum(k * x[k - 1] ** 2, (k, 1, n))}, [x], {"x": X}, lambda: (np.arange(1, 5) * X**2).sum()
    ),
    "an index that runs from 1": Row(
        {"L": Sum(p[Idx("t", (1, 4))] ** 3, Idx("t", (1, 4)))}, [p], {"p": P}, lambda: (P[1:] ** 3).sum()
    ),
    "an indexed entry that is read later": Row(
        {r[i]: y[i] - b * (1 - exp(-c * x[i])), "L": Sum(r[i] ** 2, i)},
        [b, c, x, y],
        {"b": 1.5, "c": 0.4, "x": X, "y": Y},
        lambda: ((Y - 1.5 * (1 - np.exp(-0.4 * X))) ** 2).sum(),
    ),
    "a sum of sums": Row(
        {"L": Sum(sin(Sum(M[i, k] * w[k], (k, 0, 2))) * x[i], i)},
        [M, w, x],
        {"M": MM, "w": V[:, 0], "x": X[:2]},
        lambda: (np.sin(MM @ V[:, 0]) * X[:2]).sum(),
    ),
    "a double sum": Row(
        {"L": Sum(x[i] * tanh(x[i] - w[k]), (k, 0, 2), (i, 0, n - 1))},
        [x, IndexedBase("w", shape=(3,))],
        {"x": X, "w": V[:, 0]},
        lambda: (X[:, None] * np.tanh(X[:, None] - V[:, 0])).sum(),
    ),
    "one name bound twice": Row(
        {"L": Sum(w[k] * Sum(w[k] ** 2, (k, 0, 2)), (k, 0, 2)) * Sum(w[k], (k, 0, 2))},
        [IndexedBase("w", shape=(3,))],
        {"w": V[:, 0]},
        lambda: V.sum() ** 2 * (V**2).sum(),
    ),
    "neighbours": Row(
        {"L": Sum(100 * (p[k + 1] - p[k] ** 2) ** 2 + (1 - p[k]) ** 2, (k, 0, 3))},
        [p],
        {"p": P},
        lambda: (100 * (P[1:] - P[:-1] ** 2) ** 2 + (1 - P[:-1]) ** 2).sum(),
    ),
    "backwards": Row({"L": Sum(p[k] * sin(p[4 - k]), (k, 0, 4))}, [p], {"p": P}, lambda: (P * np.sin(P[::-1])).sum()),
    "a part of an axis": Row({"L": Sum(p[k] ** 2, (k, 0, 2))}, [p], {"p": P}, lambda: (P[:3] ** 2).sum()),
    "neighbours inside the range": Row(
        {"L": Sum(Piecewise((p[k + 1] * p[k], k < 4), (p[k] ** 2, True)), (k, 0, 4))},
        [p],
        {"p": P},
        lambda: (P[1:] * P[:-1]).sum() + P[-1] ** 2,
    ),
    "an empty sum": Row({"L": a + Sum(p[k], (k, 0, -1))}, [a, p], {"a": 2.0, "p": P}, lambda: 2.0),
    "a sum over an index that is not there": Row({"L": Sum(a**2, (k, 0, 3))}, [a], {"a": 1.5}, lambda: 9.0),
    "a product": Row({"L": Product(p[k], (k, 0, 4))}, [p], {"p": P}, lambda: P.prod()),
    "a product with a zero": Row({"L": Product(p[k], (k, 0, 4))}, [p], {"p": [2.0, 0.0, 3.0, -1.0, 0.5]}, lambda: 0.0),
    "a product with two zeros": Row(
        {"L": Product(p[k], (k, 0, 4))}, [p], {"p": [2.0, 0.0, 3.0, 0.0, 0.5]}, lambda: 0.0
    ),
    "a product for each element of a sum": Row(
        {"L": Sum(Product(x[i] - w[k], (k, 0, 2)), i)},
        [x, IndexedBase("w", shape=(3,))],
        {"x": X, "w": [0.3, 1.0, -2.0]},
        lambda: np.prod(X[:, None] - np.array([0.3, 1.0, -2.0]), axis=1).sum(),
    ),
    "a power series at 0": Row(
        {"L": Sum(w[k] * a**k, (k, 0, 2))},
        [a, IndexedBase("w", shape=(3,))],
        {"a": 0.0, "w": V[:, 0]},
        lambda: V[0, 0],
    ),
    "a quadratic form": Row({"L": v.T * A * v}, [A, v], {"A": AA, "v": V}, lambda: (V.T @ AA @ V)[0, 0]),
    "a squared residual": Row(
        {"r": M * v - q, "L": Sum(MatrixSymbol("r", n, 1)[k, 0] ** 2, (k, 0, n - 1))},
        [M, v, q],
        {"M": MM, "v": V, "q": Q},
        lambda: ((MM @ V - Q) ** 2).sum(),
    ),
    "a trace": Row(
        {"L": Trace(A * B.T * A) + a}, [A, B, a], {"A": AA, "B": BB, "a": 2.0}, lambda: np.trace(AA @ BB.T @ AA) + 2
    ),
    "matrix powers and identities": Row(
        {"L": Trace(a * A**3 + sympy.Identity(3) - A.T)},
        [A, a],
        {"A": AA, "a": 0.5},
        lambda: np.trace(0.5 * AA @ AA @ AA + np.eye(3) - AA.T),
    ),
    "elementwise": Row(
        {"L": Trace(sympy.hadamard_product(A, B) * A.applyfunc(sin))},
        [A, B],
        {"A": AA, "B": BB},
        lambda: np.trace((AA * BB) @ np.sin(AA)),
    ),
    "a matrix written out": Row(
        {"L": Trace(Matrix([[cos(a), -sin(a), 0], [sin(a), cos(a), b], [0, 0, 1]]) * A)},
        [A, a, b],
        {"A": AA, "a": 0.3, "b": 2.0},
        lambda: np.trace(np.array([[np.cos(0.3), -np.sin(0.3), 0], [np.sin(0.3), np.cos(0.3), 2], [0, 0, 1]]) @ AA),
    ),
    "an element of a matrix": Row(
        {"L": Sum(A[k, 0] * A[2, k] + A[k, k], (k, 0, 2))},
        [A],
        {"A": AA},
        lambda: (AA[:, 0] * AA[2] + np.diag(AA)).sum(),
    ),
    "a recurrence": Row(
        {u[0]: a, u[1]: sin(u[0]) + b, u[2]: u[1] * u[0], "L": Sum(u[j] ** 2, j)},
        [a, b],
        {"a": 0.5, "b": 0.2},
        lambda: 0.25 + (np.sin(0.5) + 0.2) ** 2 + ((np.sin(0.5) + 0.2) * 0.5) ** 2,
    ),
    "integers in an array": Row(
        {"L": Sum(Piecewise((log(x[i]), Eq(w[i], 1)), (x[i] ** 2, True)), i)},
        [x, IndexedBase("w", integer=True)],
        {"x": [0.5, -2.0, 3.0], "w": np.array([1, 0, 1])},
        lambda: np.log(0.5) + 4 + np.log(3),
    ),
    "special functions": Row(
        {"L": Sum(loggamma(x[i]) * gamma(x[i]) + sympy.digamma(x[i] + 1) + erf(x[i]), i)},
        [x],
        {"x": [0.4, 1.0, 3.7]},
        lambda: sum(
            special.gammaln(t) * special.gamma(t) + special.digamma(t + 1) + special.erf(t) for t in (0.4, 1.0, 3.7)
        ),
    ),
    "a sum up to another index": Row(
        {"L": Sum(Sum(x[k] ** 2, (k, 0, i)) * x[i], i)}, [x], {"x": X}, lambda: (np.cumsum(X**2) * X).sum()
    ),
    "a sum from another index": Row(
        {r[i]: Sum(exp(x[k]), (k, i, n - 1)), "L": Sum(r[i] ** 2, i)},
        [IndexedBase("x", shape=(n,))],
        {"x": X},
        lambda: (np.cumsum(np.exp(X[::-1])) ** 2).sum(),
    ),
    "pairs": Row(
        {"L": Sum(p[k] * sin(p[m]), (m, 0, k - 1), (k, 0, 4))},
        [p],
        {"p": P},
        lambda: sum(P[s] * np.sin(P[t]) for s in range(5) for t in range(s)),
    ),
    "a product up to another index": Row(
        {w[Idx("t", 5)]: Product(p[k], (k, 0, Idx("t", 5))), "L": Sum(w[k] ** 2, (k, 0, 4))},
        [p],
        {"p": [0.4, 0.0, -0.8, 0.0, 0.7]},
        lambda: 0.16,
    ),
    "a product of products": Row(
        {"L": Product(p[m] + k, (m, 0, k), (k, 0, 3))},
        [p],
        {"p": P},
        lambda: np.prod([P[t] + s for s in range(4) for t in range(s + 1)]),
    ),
    "a symbolic axis without its last element": Row(
        {"L": Sum(log(x[k]), (k, 0, n - 2))},
        [IndexedBase("x", shape=(n,))],
        {"x": [0.3, 1.2, 2.5, -1.0]},
        lambda: np.log([0.3, 1.2, 2.5]).sum(),
    ),
    "differences of neighbours": Row(
        {"L": Sum((x[k + 1] - x[k]) ** 2, (k, 0, n - 2))},
        [IndexedBase("x", shape=(n,))],
        {"x": X},
        lambda: (np.diff(X) ** 2).sum(),
    ),
    "second differences of rows": Row(
        {"L": Sum(tanh(M[k + 1, m] - 2 * M[k, m] + M[k - 1, m]), (m, 0, 2), (k, 1, n - 2))},
        [M],
        {"M": np.arange(12.0).reshape(4, 3) ** 1.5 / 9},
        lambda: np.tanh(np.diff(np.arange(12.0).reshape(4, 3) ** 1.5 / 9, 2, axis=0)).sum(),
    ),
    "neighbours under a condition": Row(
        {"L": Sum(Piecewise((x[i + 1] * x[i], i < n - 1), (x[0], True)), i)},
        [x],
        {"x": X},
        lambda: (X[1:] * X[:-1]).sum() + X[0],
    ),
    "the ends of a symbolic axis": Row(
        {"L": x[0] ** 2 * x[n - 1] + Sum(x[i] * x[n - 1 - i], i)},
        [x],
        {"x": X + 1},
        lambda: (X[0] + 1) ** 2 * (X[-1] + 1) + ((X + 1) * (X[::-1] + 1)).sum(),
    ),
    "a product over a symbolic range": Row(
        {"L": Product(x[i] * a + 1, i)}, [x, a], {"x": X, "a": 1.5}, lambda: np.prod(X * 1.5 + 1)
    ),
    "a product of symbolic length for each sample": Row(
        {r[i]: Product(x[k] - w[k], (k, 0, i)), "L": Sum(r[i] ** 2, i)},
        [x[i], w[i]],
        {"x": X, "w": Y},
        lambda: (np.cumprod(X - Y) ** 2).sum(),
    ),
    "a product without its first factor": Row(
        {"L": Product(x[k], (k, 1, n - 1)) * Product(2, (k, 0, n - 1))},
        [IndexedBase("x", shape=(n,))],
        {"x": X - 3},
        lambda: np.prod(X[1:] - 3) * 16,
    ),
    "determinants": Row(
        {"L": sympy.det(A * B + a * A) * sympy.det(MatrixSymbol("C", 2, 2)) + sympy.det(MatrixSymbol("d", 1, 1))},
        [A, B, a, MatrixSymbol("C", 2, 2), MatrixSymbol("d", 1, 1)],
        {"A": AA, "B": BB, "a": 0.3, "C": AA[:2, 1:].copy(), "d": [[2.0]]},
        lambda: np.linalg.det(AA @ BB + 0.3 * AA) * np.linalg.det(AA[:2, 1:]) + 2,
    ),
    "a linear system": Row(
        {"L": v.T * A.inv() * (B * v)},
        [A, B, v],
        {"A": AA, "B": BB, "v": V},
        lambda: (V.T @ np.linalg.solve(AA, BB @ V)).item(),
    ),
    # SymPy writes the inverse out; that of a matrix of 3 takes it 4 s.
    "an element of an inverse": Row(
        {"L": MatrixSymbol("C", 2, 2).inv()[0, 1]},
        [MatrixSymbol("C", 2, 2)],
        {"C": AA[:2, 1:].copy()},
        lambda: np.linalg.inv(AA[:2, 1:])[0, 1],
    ),
    "powers of an inverse": Row(
        {"L": Trace((A + B) ** -2)},
        [A, B],
        {"A": AA, "B": BB},
        lambda: np.trace(np.linalg.inv(AA + BB) @ np.linalg.inv(AA + BB)),
    ),
    "the inverse of a matrix of 4": Row(
        {"L": Trace(F.inv() * F.T) + sympy.log(sympy.Abs(sympy.det(F)))},
        [F],
        {"F": FF},
        lambda: np.trace(np.linalg.inv(FF) @ FF.T) + np.log(abs(np.linalg.det(FF))),
    ),
    "joined conditions": Row(
        {
            "L": Sum(
                Piecewise(
                    (x[i] ** 2, sympy.Xor(x[i] > 0, y[i] > 0, y[i] > 1)),
                    (y[i], sympy.ITE(x[i] > 0, y[i] > 0, False)),
                    (exp(y[i]), sympy.Implies(x[i] < 0, y[i] < 0)),
                    (1 / y[i], sympy.Equivalent(x[i] > 5, y[i] > 5)),
                    (1, True),
                ),
                i,
            )
        },
        [x, y],
        {"x": [2.0, 1.5, -3.0, -1.0, 0.0], "y": [-1.0, 0.5, -0.5, 2.0, -3.0]},
        lambda: 4.0 + 0.5 + np.exp(-0.5) + 0.5 + np.exp(-3.0),
    ),
    "functions with kinks": Row(
        {"L": Sum(Max(x[i], y[i], 0) * Abs(x[i]) + Min(y[i], 1) * atan2(y[i], x[i]), i)},
        [x, y],
        {"x": [0.3, -1.2, 2.5], "y": [1.5, 0.5, -0.7]},
        lambda: sum(
            max(s, t, 0) * abs(s) + min(t, 1) * np.arctan2(t, s) for s, t in ((0.3, 1.5), (-1.2, 0.5), (2.5, -0.7))
        ),
    ),
}


Write = Callable[[Graph], Callable[..., Any]]


def computed(derived: Graph, row: Row, write: Write) -> dict[str, Any]:
    """The value and the gradient of a row by the function that is written for it."""
    arguments = [
        np.asarray(row.values[variable.name], np.int64 if variable.kind == "integer" else np.float64)
        for variable in derived.inputs
    ]
    results = write(derived)(*[value if value.shape else value[()] for value in arguments])
    return dict(zip(derived.outputs, results if isinstance(results, tuple) else (results,)))


@cache
def derived(name: str) -> tuple[Graph, Graph]:
    """The graph of a row and that of its gradient."""
    graph = from_expressions(FORMULAS[name].outputs, FORMULAS[name].inputs)
    return graph, gradient(graph.with_outputs("L"), "L")


READABLE = (
    "a sum from another index",
    "second differences of rows",
    "neighbours under a condition",
    "the ends of a symbolic axis",
    "a product without its first factor",
    "a product of symbolic length for each sample",
)
"""Without vector form, as two others whose readable code is compiled in the quick suite: a second each."""
WRITTEN = [
    *one_in(2, (pytest.param(n, compile, marks=[pytest.mark.slow] * (n in READABLE), id=n) for n in FORMULAS)),
    *(pytest.param(name, numpy_function, id=f"{name}, in NumPy") for name in READABLE),
]


@pytest.mark.parametrize(("name", "write"), WRITTEN)
def test_value_and_gradient(name: str, write: Write) -> None:
    row = FORMULAS[name]
    graph, slopes = derived(name)
    found = computed(slopes, row, write)
    assert float(found["L"]) == pytest.approx(float(np.asarray(row.expected())), rel=1e-12, abs=1e-14)
    assert float(rounded(evaluate_exactly(graph, row.values)["L"])) == pytest.approx(
        float(found["L"]), rel=1e-12, abs=1e-14
    )
    claim = {v.name: found[f"dL/d{v.name}"] for v in graph.inputs if v.kind == "real"}
    check_gradient(
        graph.with_outputs("L"), "L", row.values, gradient=claim, methods=("central", "exact")
    ).raise_if_failed()


@pytest.mark.parametrize("name", FORMULAS)
def test_the_numpy_emitter_agrees(name: str) -> None:
    row, (_, slopes) = FORMULAS[name], derived(name)
    found = numpy_function(slopes)(*[np.asarray(row.values[variable.name]) for variable in slopes.inputs])
    reference = evaluate(slopes, row.values)
    for output, value in zip(slopes.outputs, found):
        np.testing.assert_allclose(value, reference[output], rtol=1e-12, atol=1e-13)


# --- branches -----------------------------------------------------------------------------------------------------

UNTAKEN: dict[str, tuple[Any, dict[str, ArrayLike], float, dict[str, ArrayLike]]] = {
    "a logarithm": (
        Sum(Piecewise((log(p[k]), p[k] > 0), (p[k], True)), (k, 0, 4)),
        {"p": [-1.0, 0.0, 1.0, -2.0, 1.0]}, -3.0, {"p": [1, 1, 1, 1, 1]},
    ),
    "a sum in the branch": (
        Piecewise((Sum(sqrt(p[k]), (k, 0, 4)), p[0] > 0), (p[0] ** 2, True)),
        {"p": [-2.0, -1.0, 0.0, 1.0, 4.0]}, 4.0, {"p": [-4, 0, 0, 0, 0]},
    ),
    "a product in the branch": (
        Piecewise((p[0], p[0] < 0), (Product(log(p[k]), (k, 0, 4)), True)),
        {"p": [-2.0, -1.0, 0.0, 1.0, 4.0]}, -2.0, {"p": [1, 0, 0, 0, 0]},
    ),
    "a root at 0": (
        Sum(Piecewise((sqrt(p[k]), p[k] > 0), (0, True)), (k, 0, 4)),
        {"p": [0.0, 1.0, 4.0, 0.0, -1.0]}, 3.0, {"p": [0, 0.5, 0.25, 0, 0]},
    ),
    "a division by 0": (
        Piecewise((sin(p[0]) / p[0], sympy.Ne(p[0], 0)), (1, True)),
        {"p": [0.0, 1.0, 1.0, 1.0, 1.0]}, 1.0, {"p": [0, 0, 0, 0, 0]},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNTAKEN)
def test_a_branch_that_is_not_taken_leaks_nothing(name: str) -> None:
    expression, values, expected, slopes = UNTAKEN[name]
    row = Row({"L": expression}, [p], values, lambda: expected)
    found = computed(gradient(from_expressions(row.outputs, row.inputs), "L"), row, compile)
    assert float(found["L"]) == expected
    np.testing.assert_array_equal(found["dL/dp"], slopes["p"])


FACTORS = {
    "none": [0.3, -1.2, 2.5, -0.7],
    "one": [0.3, 0.0, 2.5, -1.0],
    "two": [0.0, 0.5, 2.5, 0.0],
    "three": [0.0, 0.0, 2.0, 0.0],
    "all": [0.0, 0.0, 0.0, 0.0],
}


@cache
def product_of_symbolic_length(write: Write) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Its gradient and its Hessian matrix; to compile their readable code takes seconds."""
    graph = from_expressions({"L": Product(x[i], i)}, [x])
    return write(gradient(graph, "L")), write(hessian(graph, "L"))


@pytest.mark.parametrize(
    "write", [numpy_function, pytest.param(compile, marks=pytest.mark.slow)], ids=["NumPy", "code"]
)
@pytest.mark.parametrize("zeros", FACTORS)
def test_derivatives_of_a_product_of_symbolic_length_are_right_at_zeros(zeros: str, write: Write) -> None:
    factors = np.array(FACTORS[zeros])
    first, second = product_of_symbolic_length(write)
    value, slope, curvature = (*first(factors), second(factors)[1])
    others = [[np.prod(np.delete(factors, [s, t])) * (s != t) for t in range(4)] for s in range(4)]
    for found, expected in [
        (value, np.prod(factors)), (slope, [np.prod(np.delete(factors, s)) for s in range(4)]), (curvature, others),
    ]:  # fmt: skip
        np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13)


def test_a_product_of_symbolic_length_has_the_nan_of_a_factor() -> None:
    assert np.isnan(compile(from_expressions({"L": Product(x[i], i)}, [x]))(np.array([2.0, np.nan])))


@pytest.mark.parametrize("emitter", ["vector", "numba"])
def test_nan_differs_from_every_number(emitter: Any) -> None:
    graph = from_expressions({r[i]: Piecewise((1, sympy.Ne(x[i], 2)), (0, True))}, [x])
    assert compile(graph, emitter=emitter)(np.array([np.nan, 2.0, 3.0])).tolist() == [1, 0, 1]


# --- what the graphs look like ------------------------------------------------------------------------------------


def text(outputs: dict[Any, Any], inputs: list[Any]) -> list[str]:
    return str(from_expressions(outputs, inputs)).splitlines()[1:-1]


def test_the_product_of_matrices_begins_at_the_vector() -> None:
    assert text({"L": A * B * v}, [A, B, v]) == [
        "v1[k] = Σ_k_1 B[k, k_1]*v[k_1, 0]",
        "L[i, 0] = Σ_k A[i, k]*v1[k]",
    ]


def test_a_sum_of_a_sum_is_one_sum() -> None:
    inner = Sum(M[i, k], (k, 0, 2))
    assert text({"L": Sum(inner, i)}, [M]) == ["L = Σ_i,k M[i, k]"]


def test_equal_sums_are_one_vertex() -> None:
    total = Sum(exp(x[k]), (k, 0, n - 1))
    assert text({r[i]: exp(x[i]) / total, "e": total**2}, [x]) == [
        "v1 = Σ_k exp(x[k])",
        "r[i] = exp(x[i])/v1",
        "e = v1**2",
    ]


def test_shapes_follow_from_indices_and_declarations() -> None:
    t = Idx("t", 4)
    graph = from_expressions({w[i, t]: x[i] * y[t] * A[0, 0]}, [x, y[t], A])
    assert [(v.name, tuple(map(str, v.shape))) for v in graph.variables.values()] == [
        ("x", ("n",)), ("y", ("4",)), ("A", ("3", "3")), ("w", ("n", "4")),
    ]  # fmt: skip


def test_variables_of_a_graph_are_inputs_too() -> None:
    label = Variable("y", (3,), "integer", below=2)
    assert from_expressions({"L": Sum(y[k] * a, (k, 0, 2))}, [label, a]).inputs[0] is label


def test_an_array_may_be_decomposed_to_one_operation_a_vertex() -> None:
    graph = from_expressions({r[i]: sin(x[i] * a) + a}, [x, a], decompose=True)
    assert [str(e) for e in graph.equations] == ["v1[i] = a*x[i]", "v2[i] = sin(v1[i])", "r[i] = a + v2[i]"]


LONG = IndexedBase("x", shape=(n,))
INSIDE, LEFT, RIGHT = LONG[i + 1] - 2 * LONG[i] + LONG[i - 1], LONG[i + 1] - 2 * LONG[i], LONG[i - 1] - 2 * LONG[i]
SECOND = [X[1] - 2 * X[0], X[0] - 2 * X[1] + X[2], X[1] - 2 * X[2] + X[3], X[2] - 2 * X[3]]

BRANCHES: dict[str, tuple[Any, list[float]]] = {
    "both ends first": (Piecewise((LEFT, i < 1), (RIGHT, i > n - 2), (INSIDE, True)), SECOND),
    "equations for both ends": (Piecewise((LEFT, Eq(i, 0)), (RIGHT, Eq(i, n - 1)), (INSIDE, True)), SECOND),
    "one branch for both ends": (Piecewise((0, (i < 1) | (i > n - 2)), (INSIDE, True)), [0, *SECOND[1:3], 0]),
    "neither end": (Piecewise((INSIDE, ~(Eq(i, 0) | Eq(i, n - 1))), (0, True)), [0, *SECOND[1:3], 0]),
    "all but the last": (Piecewise((0, Eq(i, n - 1)), (LONG[i + 1], True)), [*X[1:], 0]),
    "all but the first": (Piecewise((LONG[i - 1], Ne(i, 0)), (0, True)), [0, *X[:3]]),
    "all but the last two": (Piecewise((0, Eq(i, n - 2)), (0, Eq(n - 1, i)), (LONG[i + 2], True)), [*X[2:], 0, 0]),
    "a periodic axis": (Piecewise((LONG[n - 1], Eq(i, 0)), (LONG[i - 1], True)), [X[3], *X[:3]]),
}


@pytest.mark.parametrize(("body", "expected"), BRANCHES.values(), ids=BRANCHES)
def test_the_branches_before_bound_the_subscripts_of_a_branch(body: Any, expected: list[float]) -> None:
    graph = from_expressions({r[i]: body}, [LONG])
    np.testing.assert_allclose(evaluate(graph, {"x": X})["r"], expected, rtol=1e-15)


@pytest.mark.parametrize(
    "body", [Piecewise((0, Eq(i, 0)), (LONG[i + 1], True)), Piecewise((LONG[i - 1], i < 2), (0, True))]
)
def test_a_branch_that_reads_beyond_an_end_is_refused(body: Any) -> None:
    with pytest.raises(GraphError, match="on an axis of n; read it as padded"):
        from_expressions({r[i]: body}, [LONG])


# --- refusals -----------------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[dict[Any, Any], list[Any], str]] = {
    "an index that is not bound": (
        {r[i]: x[i] * y[j]}, [x, y[j]], "the output 'r[i]' contains the index j, which is neither in its key",
    ),
    "a range beyond an axis": (
        {"L": Sum(x[k], (k, 0, n + 1))}, [IndexedBase("x", shape=(n,))],
        "the subscript k has values from 0 to n + 1 on an axis of n",
    ),
    "a range that ends before it begins": ({"L": Sum(p[k], (k, 4, 1))}, [p], "over k from 4 to 1, which has -2 values"),
    "a range up to the square of an index": (
        {"L": Sum(p[k] * p[m], (k, 0, m**2), (m, 0, 2))}, [p],
        "over k from 0 to m**2, expected limits that are sums of numbers and indices outside it",
    ),
    "neighbours beyond the end of a symbolic axis": (
        {"L": Sum(x[k + 1], (k, 0, n - 1))}, [IndexedBase("x", shape=(n,))],
        "the output 'L' contains x[k + 1]: the subscript k + 1 has values from 1 to n on an axis of n; read",
    ),
    "an element that a symbolic axis may not have": (
        {"L": x[4]}, [IndexedBase("x", shape=(n,))], "contains x[4]: the subscript 4 has values from 4 to 4 on an axis",
    ),
    "half an index on a symbolic axis": (
        {"L": Sum(x[k / 2], (k, 0, n - 1))}, [IndexedBase("x", shape=(n,))],
        "the subscript k/2 of an axis of n is no sum of indices, lengths and numbers",
    ),
    "a symbolic axis of unknown length": (
        {"L": Sum(x[k], (k, 0, n - 2))}, [x], "the input x is read with no plain index on axis 0: give it a shape",
    ),
    "a condition that is a number": (
        {"L": Piecewise((a, b), (c, True))}, [a, b, c], "contains the condition b, which is no relation; cond",
    ),
    "a condition that is a set": (
        {"L": Piecewise((a, sympy.Contains(a, sympy.Interval(0, 1))), (c, True))}, [a, c],
        "contains sympy's Contains, which has no translation into real scalar code; conditions are relations such as a",
    ),
    "a choice of values by ITE": (
        {"L": sympy.ITE(a > 0, b, c)}, [a, b, c],
        "is an ITE, expected a scalar SymPy expression; a choice is Piecewise((a, condition), (b, True))",
    ),
    "an element outside": (
        {"L": Sum(p[k + 1], (k, 0, 4))}, [p], "contains p[k + 1]: at k = 4 it is element 5 of an axis of 5; read",
    ),
    "a subscript that is a value": ({"L": Sum(p[a * k], (k, 0, 4))}, [p, a], "the subscript a*k is neither an index"),
    "a subscript that is data": (
        {r[i]: x[y[i]]}, [x, y], "the output 'r[i]' contains x[y[i]]: the subscript y[i] is real, expected sums of",
    ),
    "a subscript that is data of a known shape": (
        {r[j]: p[y[j]]}, [p, y[j]], "the output 'r[j]' contains p[y[j]]: the subscript y[j] is real",
    ),
    "too few subscripts": ({"L": IndexedBase("A")[0]}, [A], "contains A[0] with 1 subscripts, but A has 2 axes"),
    "an array as a scalar": ({"L": Symbol("p") + 1}, [p], "contains the symbol 'p', which is an array"),
    "a matrix to a half": ({"L": Trace(A ** sympy.Rational(1, 2))}, [A], "contains the matrix power 1/2, expected a"),
    "a norm inside a sum": (
        {"L": Sum(sympy.zeta(p[k]), (k, 0, 4))}, [p], "the output 'L' contains sympy's zeta",
    ),
    "an unknown matrix expression": (
        {"L": sympy.KroneckerProduct(A, B)}, [A, B], "contains sympy's KroneckerProduct, a matrix that has no",
    ),
    "two lengths": ({"L": Sum(x[k], (k, 0, 2)) + Sum(x[k], (k, 0, 3))}, [x], "the input x is read with lengths 3, 4"),
    "no length": ({"L": x[0]}, [x], "the input x is read with no plain index on axis 0: give it a shape"),
    "a key that counts from 1": (
        {r[Idx("i", (1, 3))]: a}, [a], "the output 'r[i]': the index i runs from 1, expected one from 0",
    ),
    "a key without a range": ({r[Idx("i")]: a}, [a], "the output 'r[i]': the index i has no range"),
    "a key with a sum": ({r[i + 1]: x[i]}, [x], "the output 'r' has elements that no equation assigns"),
    "a matrix under an index": ({r[i]: A * v}, [A, v], "the output 'r[i]' is a MatMul, expected a scalar"),
    "a name that is an array": ({r[i]: x[i], "r": a}, [x, a], "the output 'r' is also a key with indices"),
    "an array that refers to itself": ({r[j]: r[j] + 1}, [a], "cycle, r[j] depends on itself"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_translation_is_refused_by_name(name: str) -> None:
    outputs, inputs, message = REFUSED[name]
    with pytest.raises(GraphError, match=re.escape(message)):
        from_expressions(outputs, inputs)


@pytest.mark.parametrize("rows", [4, 6])
def test_a_packed_triangle_is_read_by_rows(rows: int) -> None:
    """Element j of row i at i·(i − 1)/2 + j: a vertex with an equation a row, and the derivative finds its way back."""
    i, j = Idx("i", rows), Idx("j", rows)
    packed, v = IndexedBase("T", shape=(rows * (rows - 1) // 2,)), IndexedBase("v", shape=(rows,))
    w = IndexedBase("w")
    product = Sum(packed[i * (i - 1) / 2 + j] * v[j], (j, 0, i - 1))
    graph = gradient(from_expressions({w[i]: product, "L": Sum(w[i] ** 2 * (i + 1), i)}, [packed, v]), "L")
    assert len(graph.equations) < 4 * rows + 10
    rng = np.random.default_rng(0)
    given = {"T": rng.normal(size=rows * (rows - 1) // 2), "v": rng.normal(size=rows)}
    dense = np.zeros((rows, rows))
    dense[np.tril_indices(rows, -1)] = given["T"]
    weighted = 2 * (dense @ given["v"]) * np.arange(1, rows + 1)
    loss, by_packed, by_v = compile(graph)(*given.values())
    assert abs(loss - weighted @ (dense @ given["v"]) / 2) <= 1e-12 * abs(loss)
    assert np.allclose(by_packed, np.outer(weighted, given["v"])[np.tril_indices(rows, -1)], rtol=1e-12, atol=1e-12)
    assert np.allclose(by_v, dense.T @ weighted, rtol=1e-12, atol=1e-12)
