"""Values, first and second derivatives far out, against mpmath: finite and right wherever the truth is finite."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import sympy
from sympy import Expr, Rational, cosh, exp, log, sinh, sqrt, tanh

from codegen import Equation, Graph, Index, Variable, compile, mixed_partials, sample_extent
from codegen.functions import canonical, sigmoid, softplus
from codegen.numeric.oracle import evaluate_exactly, rounded

pytestmark = pytest.mark.values

SIZES = (1e-200, 1e-110, 1e-30, 1e-5, 0.5, 2.0, 30.0, 89.0, 110.0, 355.0, 400.0, 709.5, 711.0, 746.0, 800.0, 1e3, 1e4)
FAR = np.array(sorted({sign * size for size in SIZES for sign in (1, -1)}))

FORMULAS: dict[str, Callable[[Expr], Expr]] = {
    "exp": exp,
    "sigmoid": sigmoid,
    "softplus": softplus,
    "tanh": tanh,
    "sech": sympy.sech,
    "csch": sympy.csch,
    "coth": sympy.coth,
    "asinh": sympy.asinh,
    "atan": sympy.atan,
    "asec": sympy.asec,
    "acsc": sympy.acsc,
    "acot": sympy.acot,
    "asech": sympy.asech,
    "acsch": sympy.acsch,
    "acoth": sympy.acoth,
    "erf": sympy.erf,
    "erfc": sympy.erfc,
    "1/cosh": lambda x: 1 / cosh(x),
    "1/sinh": lambda x: 1 / sinh(x),
    "1/tanh": lambda x: 1 / tanh(x),
    "cosh⁻³": lambda x: cosh(x) ** -3,
    "cosh^(−1/2)": lambda x: 1 / sqrt(cosh(x)),
    "sinh/cosh": lambda x: sinh(x) / cosh(x),
    "sinh/cosh²": lambda x: sinh(x) / cosh(x) ** 2,
    "sinh²/cosh³": lambda x: sinh(x) ** 2 / cosh(x) ** 3,
    "cosh/sinh": lambda x: cosh(x) / sinh(x),
    "log cosh": lambda x: log(cosh(x)),
    "exp/cosh": lambda x: exp(x) / cosh(x),
    "exp/cosh²": lambda x: exp(x) / cosh(x) ** 2,
    "1/(exp − exp)": lambda x: 1 / (exp(x) - exp(-x)),
    "1/(exp + exp)": lambda x: 1 / (exp(x) + exp(-x)),
    "1/(exp − 1)": lambda x: 1 / (exp(x) - 1),
    "exp/(exp − 1)": lambda x: exp(x) / (exp(x) - 1),
    "1/(exp + 2)": lambda x: 1 / (exp(x) + 2),
    "logistic growth": lambda x: 10 / (1 + 9 * exp(-x / 2)),
    "log(2 + exp)": lambda x: log(2 + exp(x)),
    "x·exp(−x)": lambda x: x * exp(-x),
    "x^(−3/2)": lambda x: x ** Rational(-3, 2),
}


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        *((name, "float64") for name in [*FORMULAS][::3]),
        *((name, "float32") for name in [*FORMULAS][::6]),
        *(pytest.param(name, "float64", marks=pytest.mark.slow) for name in FORMULAS if name not in [*FORMULAS][::3]),
        *(pytest.param(n, "float32", marks=pytest.mark.slow) for number, n in enumerate(FORMULAS) if number % 6),
    ],
)
def test_a_formula_and_its_derivatives_are_finite_wherever_the_truth_is(name: str, dtype: str) -> None:
    S = sample_extent()
    s, x, y = Index("s", S), Variable("x", (S,)), Variable("y", (S,))
    graph = Graph((x,), (Equation(y[s], canonical(FORMULAS[name](x[s]))),), ("y",))
    points = FAR[np.abs(FAR) > np.finfo(dtype).tiny].astype(dtype)
    derived = mixed_partials(graph, "y", ["x", "xx"])
    found = compile(derived, dtype=dtype)(points)
    exact = evaluate_exactly(derived, {"x": points.astype(float)}, digits=450)
    for output, value in zip(derived.outputs, found):
        truth = rounded(exact[output])
        within = np.abs(truth) < np.finfo(dtype).max
        value, truth, at = value[within].astype(float), truth[within], points[within]
        wrong = ~(np.abs(value - truth) <= ERROR[dtype] * np.maximum(1, np.abs(truth)))
        assert not wrong.any(), f"{output} at {at[wrong]}: {value[wrong]}, expected {truth[wrong]}"


ERROR = {"float64": 1e-12, "float32": 1e-4}
