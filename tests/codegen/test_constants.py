"""Constants that are no finite real number: in a branch they have their value there and nowhere else."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np
import pytest
from sympy import (
    Add,
    And,
    Eq,
    Expr,
    I,
    Idx,
    IndexedBase,
    Interval,
    Max,
    Min,
    Or,
    Piecewise,
    Sum,
    Symbol,
    asin,
    exp,
    log,
    nan,
    oo,
    sqrt,
    symbols,
    zoo,
)

from codegen import Graph, GraphError, compile, from_expressions, gradient, hvp
from codegen.emit.numpy import numpy_function
from codegen.functions import select
from codegen.numeric.evaluate import evaluate
from codegen.numeric.oracle import evaluate_exactly, rounded

pytestmark = pytest.mark.values

n = Symbol("n", integer=True, positive=True)
i, x = Idx("i", n), IndexedBase("x", shape=(n,), real=True)
X = x[i]

#: A formula; its value, derivative and second derivative at −2, where the branch is taken, and at 2.
BRANCHES: dict[str, tuple[Expr, tuple[float, ...], tuple[float, ...]]] = {
    "−∞": (Piecewise((-oo, X < 0), (X**3, True)), (-np.inf, 0, 0), (8, 12, 12)),
    "∞": (Piecewise((X**3, X > 0), (oo, True)), (np.inf, 0, 0), (8, 12, 12)),
    "the infinite one of 1/0": (Piecewise((zoo, X < 0), (X**3, True)), (np.nan, 0, 0), (8, 12, 12)),
    "nan": (Piecewise((nan, X < 0), (X**3, True)), (np.nan, 0, 0), (8, 12, 12)),
    "log(−2)": (Piecewise((log(-2), X < 0), (X**3, True)), (np.nan, 0, 0), (8, 12, 12)),
    "√−2": (Piecewise((sqrt(-2), X < 0), (X**3, True)), (np.nan, 0, 0), (8, 12, 12)),
    "asin(2)": (Piecewise((asin(2), X < 0), (X**3, True)), (np.nan, 0, 0), (8, 12, 12)),
    "x²·√−2": (Piecewise((sqrt(-2) * X**2, X < 0), (X**3, True)), (np.nan,) * 3, (8, 12, 12)),
    "x²·log(−2)": (Piecewise((log(-2) * X**2, X < 0), (X**3, True)), (np.nan,) * 3, (8, 12, 12)),
    "x² + log(−2)": (Piecewise((log(-2) + X**2, X < 0), (X**3, True)), (np.nan, -4, 2), (8, 12, 12)),
    "a branch of a branch": (
        Piecewise((Piecewise((-oo, X > -3), (log(-2), True)), X < 0), (X**3, True)),
        (-np.inf, 0, 0),
        (8, 12, 12),
    ),
    "a term": (X**2 + Piecewise((oo, X < 0), (X**3, True)), (np.inf, -4, 2), (12, 16, 14)),
    "exp(−∞)": (exp(Piecewise((-oo, X < 0), (3 * X, True))), (0, 0, 0), (np.exp(6), 3 * np.exp(6), 9 * np.exp(6))),
    "a square": (Piecewise((oo, X < 0), (X, True)) ** 2, (np.inf, 0, 0), (4, 4, 2)),
    "1/∞": (1 / Piecewise((oo, X < 0), (X, True)), (0, 0, 0), (1 / 2, -1 / 4, 1 / 4)),
    "a minimum": (Min(Piecewise((oo, X < 0), (X**3, True)), 5 * X**2), (20, -20, 10), (8, 12, 12)),
    "a maximum": (Max(Piecewise((-oo, X < 0), (X**3, True)), X), (-2, 1, 0), (8, 12, 12)),
    "select": (select(X, X**3, -oo), (-np.inf, 0, 0), (8, 12, 12)),
    "a condition": (Piecewise((3.0, Piecewise((oo, X < 0), (X, True)) > 5), (X**3, True)), (3, 0, 0), (8, 12, 12)),
}


COMPILED: list[Any] = [
    *(("vector", "float64", tuple(BRANCHES)[first : first + 4]) for first in range(0, len(BRANCHES), 4)),
    ("vector", "float32", ("−∞", "√−2", "x² + log(−2)", "1/∞", "a maximum")),
    pytest.param("numba", "float64", ("x²·log(−2)",), marks=pytest.mark.slow),
    pytest.param("numba", "float32", ("−∞",), marks=pytest.mark.slow),
]
"""What is compiled how: readable code takes seconds a formula."""


@cache
def derived(names: tuple[str, ...]) -> Graph:
    """Formulas, each of an input of its own, the gradient of their sum and its derivative along a direction."""
    formulas: dict[Any, Expr] = {}
    inputs = []
    for number, name in enumerate(names):
        inputs.append(IndexedBase(f"x{number}", shape=(n,), real=True))
        formulas[IndexedBase(f"e{number}", shape=(n,))[i]] = BRANCHES[name][0].subs(X, inputs[-1][i])
    total = Add(*(Sum(element, i) for element in formulas))
    graph = hvp(from_expressions({**formulas, "L": total}, inputs), "L")
    return graph.with_outputs([name for number in range(len(names)) for name in results(number)])


def results(number: int) -> tuple[str, str, str]:
    """The names of a value, its derivative and its second derivative."""
    return f"e{number}", f"dL/dx{number}", f"ddL/dx{number}/dv"


@pytest.mark.parametrize(("emitter", "dtype", "names"), COMPILED, ids=lambda given: given if len(given) < 9 else "")
def test_a_branch_has_its_value_and_derivatives_where_it_is_taken(
    emitter: Any, dtype: Any, names: tuple[str, ...]
) -> None:
    graph = derived(names)
    at = np.array([-2, 2, -2, 2], dtype)
    values = {v.name: at if v.name.startswith("x") else np.ones_like(at) for v in graph.inputs}
    exact = {name: rounded(array) for name, array in evaluate_exactly(graph, values).items()}
    evaluated = evaluate(graph, values)
    compiled = dict(zip(graph.outputs, compile(graph, dtype=dtype, emitter=emitter)(*values.values())))
    for number, name in enumerate(names):
        _, taken, other = BRANCHES[name]
        wanted = np.array([taken, other, taken, other]).T
        for output, want in zip(results(number), wanted):
            np.testing.assert_allclose(exact[output], want, rtol=1e-15, err_msg=name)
            np.testing.assert_allclose(evaluated[output], want, rtol=1e-14, err_msg=name)
            np.testing.assert_allclose(compiled[output], want, rtol=1e-14 if dtype == "float64" else 1e-5, err_msg=name)


C = Symbol("c", real=True)
EXTENTS: list[tuple[Expr, Any]] = [
    (Sum(X / n, i), lambda k, v, c: v.sum() / k),
    (C * sqrt(n), lambda k, v, c: c * np.sqrt(k)),
    (C + log(n), lambda k, v, c: c + np.log(k)),
    (C**n, lambda k, v, c: c**k),
    (Piecewise((C, n > 2), (2 * C, True)), lambda k, v, c: c if k > 2 else 2 * c),
    (C * n**3, lambda k, v, c: c * float(k) ** 3),
]
"""A formula, and its value for an extent k, an array v of that length, and c."""


@pytest.mark.parametrize("emitter", ["vector", "numba"])
def test_an_extent_is_a_number(emitter: Any) -> None:
    graph = from_expressions({f"y{number}": formula for number, (formula, _) in enumerate(EXTENTS)}, [x, C])
    function = compile(graph, emitter=emitter)
    for k in (1, 2, 3):
        v = np.arange(1.0, k + 1)
        np.testing.assert_allclose(function(v, 1.5), [value(k, v, 1.5) for _, value in EXTENTS], rtol=1e-14)


def test_the_derivative_by_the_factor_of_an_extent_is_a_float() -> None:
    graph = gradient(from_expressions({"L": C * n + Sum(X, i)}, [x, C]), "L")
    found = dict(zip(graph.outputs, compile(graph, emitter="numba")(np.ones(3), 2.0)))
    assert type(found["dL/dc"]) is float
    assert found["dL/dc"] == 3


a, b = symbols("a b")

REFUSED: dict[str, tuple[Expr, str]] = {
    "∞ in a sum": (Piecewise((-oo, a < 0), (a, True)) + Add(b, -oo, evaluate=False), "-oo, which is not a finite real"),
    "the same number outside": (Piecewise((log(-2), a < 0), (a, True)) + b * log(-2), "the imaginary unit"),
    "asin(2) outside": (Piecewise((asin(2), a < 0), (a, True)) + b * asin(2), "asin(2), which is not a real number"),
    "a condition": (Piecewise((a, asin(2) * b > a), (b, True)), "asin(2), which is not a real number"),
    "a complex formula": (Piecewise((exp(I * a), a < 0), (a, True)), "the imaginary unit, which has no translation"),
    "too large a number": (Piecewise((a + 10**400, a < 0), (a, True)), "beyond the range of float64"),
}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (Piecewise((a**2, Interval(-oo, 1).as_relational(a)), (b, True)), Piecewise((a**2, a <= 1), (b, True))),
        (Piecewise((a**2, And(-oo < a, a < b)), (b, True)), Piecewise((a**2, a < b), (b, True))),
        (Piecewise((a**2, exp(a) < oo), (b, True)), a**2),
        (Piecewise((a**2, Or(Eq(a, oo), a <= -oo)), (b, True)), b),
        (b * Sum(Piecewise((i, i * a > -oo), (b, True)), (i, 0, 2)), 3 * b),
        (Max(-oo, a, b, evaluate=False), Max(a, b)),
        (Min(a, oo, evaluate=False) * b, a * b),
    ],
)  # fmt: skip
def test_a_real_number_is_between_the_infinities(written: Expr, meant: Expr) -> None:
    found, expected = (
        evaluate(from_expressions({"e": e}, [a, b]), {"a": 0.5, "b": 3.0})["e"] for e in (written, meant)
    )
    assert found == expected


@pytest.mark.parametrize("name", REFUSED)
def test_elsewhere_they_are_refused_by_name(name: str) -> None:
    expression, message = REFUSED[name]
    with pytest.raises(GraphError, match="the output 'e' contains .*" + re.escape(message)):
        from_expressions({"e": expression}, [a, b])


def test_numpy_code_writes_them_too() -> None:
    evaluate = numpy_function(
        from_expressions({"e": Piecewise((-oo, a < 0), (oo, a > 5), (log(-2), a > 3), (a, True))}, [a])
    )
    np.testing.assert_array_equal([evaluate(v)[0] for v in (-1.0, 6.0, 4.0, 2.0)], [-np.inf, np.inf, np.nan, 2])
