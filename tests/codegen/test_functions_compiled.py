"""Every function and its derivative as compiled code, at special points, against mpmath."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy
from numpy.typing import ArrayLike
from sympy import (
    Abs,
    Idx,
    IndexedBase,
    Sum,
    Symbol,
    cos,
    erf,
    exp,
    gamma,
    log,
    loggamma,
    sin,
    sqrt,
    tanh,
)

from codegen import compile, from_expressions, gradient, partials
from codegen.numeric import evaluate_exactly, rounded

pytestmark = pytest.mark.values

n, k = Symbol("n"), Symbol("k", integer=True)
i = Idx("i", n)
x, y, r = (IndexedBase(name) for name in "xyr")

UNARY = (
    *(exp, log, sqrt, sin, cos, tanh, erf, gamma, loggamma, Abs, sympy.sign, sympy.erfc, sympy.Heaviside),
    *(
        sympy.tan,
        sympy.cot,
        sympy.sec,
        sympy.csc,
        sympy.asin,
        sympy.acos,
        sympy.atan,
        sympy.acot,
        sympy.asec,
        sympy.acsc,
    ),
    *(sympy.sinh, sympy.cosh, sympy.sech, sympy.csch, sympy.coth, sympy.asinh, sympy.acosh, sympy.atanh),
    *(sympy.asech, sympy.acsch, sympy.acoth, sympy.digamma, sympy.trigamma, sympy.factorial, sympy.cbrt),
)
POINTS = np.array(
    [0.0, 1.0, -1.0, 0.5, -0.5, 2.0, 1.4616, 3.7, -3.7, 12.5, -12.5, 30.0, 100.0, -100.0, 1000.0, -1000.0]
)


def metric(found: ArrayLike, expected: ArrayLike) -> float:
    """The largest |a − b|/max(1, |a|, |b|); infinite where one is not finite and the other is different."""
    p, q = np.asarray(found, float), np.asarray(expected, float)
    same = (p == q) | (np.isnan(p) & np.isnan(q))
    with np.errstate(invalid="ignore"):
        errors = np.where(same, 0, np.abs(p - q) / np.maximum(1, np.maximum(np.abs(p), np.abs(q))))
    return float(np.where(np.isnan(errors), np.inf, errors).max())


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float64", 1e-12), pytest.param("float32", 5e-4, marks=pytest.mark.slow)]
)
def test_every_function_and_its_derivative_at_special_points(dtype: Any, tolerance: float) -> None:
    X, F = IndexedBase("X", shape=(len(UNARY), n)), IndexedBase("F", shape=(len(UNARY), n))
    rows = {F[number, i]: f(X[number, i]) for number, f in enumerate(UNARY)}
    graph = from_expressions({**rows, "L": Sum(F[k, i], (k, 0, len(UNARY) - 1), (i, 0, n - 1))}, [X])
    derived = gradient(graph, "L").with_outputs("F", "dL/dX")
    points = np.tile(POINTS.astype(dtype), (len(UNARY), 1))
    exact = evaluate_exactly(derived, {"X": points.astype(np.float64)})
    for name, found in zip(derived.outputs, compile(derived, emitter="numba", dtype=dtype)(points)):
        for function, values, expected in zip(UNARY, found, rounded(exact[name])):
            if dtype == "float32":  # what it can hold
                values, expected = (np.where(np.abs(expected) < 1e30, array, 0) for array in (values, expected))
            assert metric(values, expected) <= tolerance, (function, name, values, expected)


@pytest.mark.parametrize("schedule", ["unrolled", "loops"])
def test_powers_with_a_variable_exponent(schedule: Any) -> None:
    base, exponent = np.array([0.0, 0.0, 2.0, -2.0, 0.5, 0.0, 3.0]), np.array([0.0, 2.0, 3.0, 3.0, -1.5, 1.0, 0.0])
    graph = partials(from_expressions({r[i]: x[i] ** y[i]}, [x, y]))
    found = compile(graph.with_equations(graph.equations, ["r", *graph.outputs]), schedule=schedule)(base, exponent)
    with np.errstate(all="ignore"):
        expected = [
            base**exponent,
            np.where((base == 0) & (exponent == 0), 0, exponent * base ** (exponent - 1)),
            np.where((base == 0) & (exponent > 0), 0, base**exponent * np.log(base)),
        ]
    for values, wanted in zip(found, expected):
        assert metric(values, wanted) <= 1e-14
