"""Tails of the normal distribution, and what overflows although the truth is finite: values and two derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy
from sympy import Expr, Rational, erf, erfc, exp, expand, log, pi, sinh, sqrt, symbols

from codegen import Equation, Graph, Index, Variable, compile, from_expressions, mixed_partials, sample_extent
from codegen.functions import canonical, hypot, xlog1py, xlogy
from codegen.numeric.oracle import evaluate_exactly, rounded

x, y, u, z = symbols("x y u z", real=True)
S, K, T, r, sigma = symbols("S K T r sigma", real=True)

FAR = np.array(
    [-1e6, -1e3, -40, -27, -20, -9, -6, -3, -1, -0.49, -1e-8, 0, 1e-3, 0.5, 0.7, 1, 3, 6, 9, 20, 30, 1e3, 1e6]
)
POSITIVE = np.array([1e-10, 1e-3, 0.3, 0.7, 1.0, 2.0, 30.0, 700.0, 800.0, 1e6])

#: A formula of x and where it is taken.
FORMULAS: dict[str, tuple[Callable[[Expr], Expr], Any]] = {
    "Φ by erf": (lambda x: (1 + erf(x / sqrt(2))) / 2, FAR),
    "1 + erf": (lambda x: 1 + erf(x), FAR),
    "1 − erf": (lambda x: 1 - erf(x), FAR),
    "2 − erfc": (lambda x: erfc(-x), FAR),
    "1 − erfc": (lambda x: 1 - erfc(x), FAR),
    "log Φ": (lambda x: log(erfc(-x / sqrt(2)) / 2), FAR),
    "log erfc": (lambda x: log(erfc(x)), FAR),
    "log(erfc/2)": (lambda x: log(erfc(x) / 2), FAR),
    "log(3·erfc)": (lambda x: log(3 * erfc(x)), FAR),
    "log(1 − erf)": (lambda x: log(1 - erf(x)), FAR),
    "log(1 + erf)": (lambda x: log(1 + erf(x)), FAR),
    "φ/Φ": (lambda x: exp(-(x**2) / 2) / sqrt(2 * pi) / (erfc(-x / sqrt(2)) / 2), FAR),
    "exp(−x²)/erfc": (lambda x: exp(-(x**2)) / erfc(x), FAR),
    "exp(x²)·erfc": (lambda x: exp(x**2) * erfc(x), FAR[FAR > -26]),
    "log(exp − 1)": (lambda x: log(exp(x) - 1), POSITIVE),
    "log(1 − exp)": (lambda x: log(1 - exp(-x)), POSITIVE),
    "log(exp − exp)": (lambda x: log(exp(x) - exp(-x / 3)), POSITIVE),
    "log sinh": (lambda x: log(sinh(x)), POSITIVE),
    "log cosh": (lambda x: log(sympy.cosh(x)), POSITIVE),
    "T·log(exp(3/T) − 1)": (lambda x: x * log(exp(3 / x) - 1), POSITIVE),
    "hypot": (lambda x: sqrt(x**2 + (2 * x + 1) ** 2), np.array([-1e200, -1e160, -1.0, -0.5, 0, 1e-200, 2.0, 1e200])),
}


def derived(formula: Callable[[Expr], Expr]) -> Graph:
    extent = sample_extent()
    s, a, b = Index("s", extent), Variable("a", (extent,)), Variable("b", (extent,))
    return mixed_partials(Graph((a,), (Equation(b[s], canonical(formula(a[s]))),), ("b",)), "b", ["a", "aa"])


def metric(found: Any, truth: Any) -> Any:
    """|a − b|/max(1, |a|, |b|), and infinite where one is not finite and the other is another."""
    with np.errstate(invalid="ignore"):
        apart = np.abs(found - truth) / np.maximum(1, np.maximum(np.abs(found), np.abs(truth)))
    return np.where(found == truth, 0, np.where(np.isnan(apart), np.inf, apart))


@pytest.mark.parametrize(("emitter", "dtype"), [("vector", "float64"), ("numba", "float64"), ("vector", "float32")])
@pytest.mark.parametrize("name", FORMULAS)
def test_value_and_derivatives_are_right_over_the_whole_range(name: str, emitter: Any, dtype: Any) -> None:
    formula, points = FORMULAS[name]
    if dtype == "float32":
        # What is left of the truth is within the range of float32, parts of its second derivative included.
        points = points[(np.abs(points) < 1e30) & ((points == 0) | (np.abs(points) > 1e-9))]
    graph = derived(formula)
    points = points.astype(dtype)
    # The graph as it was derived is stable: at more digits it is the truth.
    exact = evaluate_exactly(graph, {"a": points.astype(float)}, digits=80)
    tolerance = 1e-12 if dtype == "float64" else 5e-4
    for output, found in zip(graph.outputs, compile(graph, emitter=emitter, dtype=dtype)(points)):
        truth = rounded(exact[output])
        within = np.abs(truth) < np.finfo(dtype).max
        apart = np.where(within, metric(found.astype(float), truth), 0)
        assert apart.max() <= tolerance, (output, points[apart.argmax()], apart.max())


@pytest.mark.parametrize("name", [name for name in FORMULAS if name != "hypot"])
def test_what_is_derived_is_the_derivative_of_what_was_written(name: str) -> None:
    formula, points = FORMULAS[name]
    # At 1/1000 exp(−3/x), 10⁻¹³⁰³, is below the digits that what was written keeps.
    points = points[(np.abs(points) <= 30) & ((points <= 0) | (points > 1e-3))]
    given = formula(sympy.Symbol("a", real=True))
    written = [given, given.diff(), given.diff().diff()]
    naive = from_expressions(dict(zip("bcd", written)), list(given.free_symbols))
    graph = derived(formula)
    exact = evaluate_exactly(graph, {"a": points}, digits=450)
    for output, name in zip(graph.outputs, "bcd"):
        truth = [evaluate_exactly(naive, {"a": float(point)}, digits=450)[name][()] for point in points]
        for point, one, other in zip(points, exact[output], truth):
            assert abs(one - other) <= 1e-40 * abs(other), (output, point)


d1 = (log(S / K) + (r + sigma**2 / 2) * T) / (sigma * sqrt(T))
d2 = d1 - sigma * sqrt(T)
CALL = S * (1 + erf(d1 / sqrt(2))) / 2 - K * exp(-r * T) * (1 + erf(d2 / sqrt(2))) / 2
MARKET = {S: 60, K: 100, sigma: 0.2, T: 0.1, r: 0.01}

#: A formula, where, its variable, value and derivative: mpmath at 50 digits.
VALUES: dict[str, tuple[Expr, dict[Expr, float], Expr, float, float]] = {
    "log Φ(−9)": (log(erfc(-u / sqrt(2)) / 2), {u: -9}, u, -43.628149113, 9.108523105002869),
    "1 − erf(6)": (1 - erf(x), {x: 6}, x, 2.1519736712e-17, -2.6172761e-16),
    "log(erfc(30)/2)": (log(erfc(z) / 2), {z: 30}, z, -904.66695, -60.03327),
    "Mills(20)": (exp(-(z**2)) / erfc(z), {z: 20}, z, 35.49328, 1.77025473),
    "Black and Scholes": (CALL, MARKET, S, 2.2304490507e-16, 4.8964030371e-16),
    "expanded": (expand(CALL), MARKET, S, 2.2304490507e-16, 4.8964030371e-16),
}


@pytest.mark.parametrize("case", VALUES)
def test_values_that_users_asked_for(case: str) -> None:
    formula, at, by, value, slope = VALUES[case]
    graph = from_expressions({"e": formula}, list(at))
    found = compile(mixed_partials(graph, "e", [by.name]))(*map(float, at.values()))
    assert [float(number) for number in found] == pytest.approx(
        [value, slope], rel=1e-6 if value < -1 or value > 1 else 1e-8
    )


def test_the_tail_of_an_option_keeps_the_digits_that_its_condition_leaves() -> None:
    """S·∂C/∂S/C is 132, and d₂·S·φ(d₁)/C is 8,700: half an ULP of d₂ is 10⁻¹² of the price."""
    graph = from_expressions({"e": CALL}, list(MARKET))
    values = {symbol.name: float(value) for symbol, value in MARKET.items()}
    truth = float(evaluate_exactly(graph, values, digits=80)["e"][()])
    assert float(compile(graph)(*values.values())) == pytest.approx(truth, rel=4e-12)


def test_norms_neither_overflow_nor_vanish() -> None:
    graph = mixed_partials(from_expressions({"e": sqrt(x**2 + y**2)}, [x, y]), "e", ["x", "xx", "xy"])
    for scale in (1e200, 1.0, 1e-200):
        found = [float(v) for v in compile(graph)(3 * scale, 4 * scale)]
        assert found == pytest.approx([5 * scale, 0.6, 0.128 / scale, -0.096 / scale], rel=1e-15, abs=0)
    assert [float(v) for v in compile(graph)(0.0, 0.0)][:2] == [0, 0]
    assert canonical(hypot(x, y)).diff(x).subs({x: 3, y: 4}).evalf() == pytest.approx(0.6)


@pytest.mark.parametrize(
    ("function", "pole", "at", "expected"),
    [
        (xlogy, 0.0, (0.0, 0.0), (0, -np.inf, 0)),
        (xlogy, 0.0, (0.0, 2.0), (0, np.log(2), 0)),
        (xlogy, 0.0, (3.0, 2.0), (3 * np.log(2), np.log(2), 1.5)),
        (xlogy, 0.0, (0.0, np.nan), (np.nan, np.nan, np.nan)),
        (xlog1py, -1.0, (0.0, -1.0), (0, -np.inf, 0)),
        (xlog1py, -1.0, (2.0, 1e-20), (2e-20, 1e-20, 2)),
    ],
)
def test_x_log_y(function: Any, pole: float, at: Any, expected: Any) -> None:
    graph = mixed_partials(from_expressions({"e": function(x, y)}, [x, y]), "e", ["x", "y"])
    for emitter in ("vector", "numba"):
        assert [float(v) for v in compile(graph, emitter=emitter)(*at)] == pytest.approx(
            expected, rel=1e-15, nan_ok=True
        )
    assert function(x, y).subs({x: Rational(0), y: Rational(2)}).evalf() == 0
