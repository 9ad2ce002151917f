"""Tails of the normal distribution, and what overflows although the truth is finite: values and two derivatives."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import mpmath
import numpy as np
import pytest
import sympy
from sympy import (
    Expr,
    LambertW,
    Rational,
    besseli,
    cosh,
    erf,
    erfc,
    exp,
    expand,
    log,
    pi,
    sinh,
    sqrt,
    symbols,
    tanh,
)

from codegen import (
    Equation,
    Graph,
    Index,
    Variable,
    compile,
    from_expressions,
    gradient,
    hessian,
    mixed_partials,
    optimise,
    sample_extent,
)
from codegen.functions import canonical, erfcx_skew, hypot, xlog1py, xlogy
from codegen.functions.bessel import bessel_ratio
from codegen.numeric.evaluate import evaluate
from codegen.numeric.oracle import evaluate_exactly, rounded
from codegen.passes.stable_forms import stable
from tests.sweeps import one_in

pytestmark = pytest.mark.values

x, y, u, z = symbols("x y u z", real=True)
S, K, T, r, sigma = symbols("S K T r sigma", real=True)

FAR = np.array(
    [-1e6, -1e3, -40, -27, -20, -9, -6, -3, -1, -0.49, -1e-8, 0, 1e-3, 0.5, 0.7, 1, 3, 6, 9, 20, 30, 1e3, 1e6]
)
VAST = np.array([-1e200, -1e160, -1.0, -0.5, 0, 1e-200, 2.0, 1e160, 1e200])
POSITIVE = np.array([1e-10, 1e-3, 0.3, 0.7, 1.0, 2.0, 30.0, 700.0, 800.0, 1e6])
COLD = np.array([1e-300, 1e-155, 1e-16, 1e-5, 4e-3, 0.02, 0.3, 1.0, 30.0, 1e6])
COLDEST = np.append(COLD, [1e-308, 1e10])
STEEP = np.array([-300, -30, -9, -1, 0, 1e-3, 0.3, 3, 30, 300])
NEAR_AND_FAR = np.array([-200, -30, -1.01, -0.99, -1e-10, 1e-300, 1e-9, 0.5, 0.99, 1.01, 3, 20, 200])

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
    "log cosh": (lambda x: log(cosh(x)), POSITIVE),
    "log cosh of small": (lambda x: log(cosh(x)), np.array([-1e-8, 1e-150, 1e-3, 0.5, 1.5])),
    "T·log(exp(3/T) − 1)": (lambda x: x * log(exp(3 / x) - 1), POSITIVE),
    "T·log(exp(3/T) + 1)": (lambda x: x * log(exp(3 / x) + 1), COLD),
    "T·log Σ exp(c/T)": (lambda x: x * log(exp(3 / x) + exp(2 / x) + 2 * exp(-1 / x)), COLDEST),
    "T·log Σ exp(−c/T), negated": (lambda x: -x * log(exp(-3 / x) + exp(-2 / x)), COLDEST),
    "T·log cosh(3/T)": (lambda x: x * log(cosh(3 / x)), COLD[2:]),
    "log(2 + exp)": (lambda x: log(2 + exp(x)), STEEP),
    "log(exp + exp)": (lambda x: log(exp(x) + exp(3 - x)), STEEP),
    "log(1 + exp(−x))": (lambda x: -log(1 + exp(-3 * x)), STEEP),
    "log(sinh/x)": (lambda x: log(sinh(x) / x), POSITIVE),
    "log(expm1/x)": (lambda x: log((exp(x) - 1) / x), POSITIVE),
    "expm1/x": (lambda x: (exp(x) - 1) / x, NEAR_AND_FAR),
    "(1 − exp(−3x))/x": (lambda x: (1 - exp(-3 * x)) / x, NEAR_AND_FAR),
    "x/(exp − 1)": (lambda x: x / (exp(x) - 1), NEAR_AND_FAR),
    "x³/(exp − 1)": (lambda x: x**3 / (exp(x) - 1), NEAR_AND_FAR[NEAR_AND_FAR > 0]),
    "log(x·sinh)": (lambda x: log(x * sinh(x)), POSITIVE),
    "log sinh²": (lambda x: log(sinh(x) ** 2), np.hstack([POSITIVE, -POSITIVE])),
    "log(cosh − 1)": (lambda x: log(cosh(x) - 1), np.hstack([POSITIVE, -POSITIVE])),
    "log tanh": (lambda x: log(tanh(x)), POSITIVE),
    "log(1 − tanh)": (lambda x: log(1 - tanh(x)), POSITIVE),
    "log I₀": (lambda x: log(besseli(0, x)), POSITIVE),
    "log I₃": (lambda x: log(besseli(3, x)), POSITIVE),
    "I₁/I₀": (lambda x: besseli(1, x) / besseli(0, x), np.hstack([POSITIVE, -POSITIVE])),
    "W(exp)": (lambda x: LambertW(exp(x)), np.array([-800, -30, -1, 0, 0.9, 1.1, 20, 800, 1e5, 1e100])),
    "W(3·exp)": (lambda x: LambertW(3 * exp(2 * x + 1)), np.array([-800, -1, 0, 20, 800, 1e5])),
    "hypot": (lambda x: sqrt(x**2 + (2 * x + 1) ** 2), VAST),
    "√(x² + 1)": (lambda x: sqrt(x**2 + 1), VAST),
    "x/√(x² + 1)": (lambda x: x / sqrt(x**2 + 1), VAST),
    "log(x² + 2)": (lambda x: log(x**2 + 2), VAST),
    "log(x + √(x² + 1))": (lambda x: log(x + sqrt(x**2 + 1)), VAST[np.abs(VAST) < 1e100]),
    "log(√(4x² + 9)/2 − x)": (lambda x: log(sqrt(4 * x**2 + 9) / 2 - x), FAR),
    "√(exp + 1)": (lambda x: sqrt(exp(2 * x) + 1), np.array([-400, -30, -1, 0, 0.5, 30, 400, 700])),
    "log(1 − erf²)": (lambda x: log(1 - erf(x) ** 2), FAR),
    "1 − erf²": (lambda x: 1 - erf(x) ** 2, np.array([-20, -9, -3, 0, 1e-8, 0.3, 2, 9, 25])),
    "1 − tanh": (lambda x: 1 - tanh(x), STEEP),
    "3·tanh + 3": (lambda x: 3 * tanh(x) + 3, STEEP),
    "1 − σ": (lambda x: 1 - 1 / (1 + exp(-x)), STEEP),
    "log(1 − tanh²)": (lambda x: log(1 - tanh(x) ** 2), FAR),
    "log(x²)": (lambda x: log(3 * x**2), VAST[VAST != 0]),
}

RELATIVE = {
    "φ/Φ",
    "exp(−x²)/erfc",
    "1 − erf²",
    "log(1 − erf²)",
    "log(1 − exp)",
    "log cosh of small",
    "log cosh",
    "log(1 + exp(−x))",
    "T·log(exp(3/T) + 1)",
    "expm1/x",
    "(1 − exp(−3x))/x",
    "x/(exp − 1)",
    "x³/(exp − 1)",
    "log(sinh/x)",
    "log(expm1/x)",
    "log sinh²",
    "log(cosh − 1)",
    "log tanh",
    "log I₀",
    "W(exp)",
    "W(3·exp)",
    "√(exp + 1)",
    "√(x² + 1)",
}
"""Values and both derivatives have 12 digits, however small they are."""


INEXACT = ("hypot", "log(x²)", "I₁/I₀")
"""Their derivatives at 0 are agreed upon or infinite; the third one of log I₀ is that of a formula of 17 digits."""


def derived(formula: Callable[[Expr], Expr]) -> Graph:
    extent = sample_extent()
    s, a, b = Index("s", extent), Variable("a", (extent,)), Variable("b", (extent,))
    return mixed_partials(Graph((a,), (Equation(b[s], canonical(formula(a[s]))),), ("b",)), "b", ["a", "aa"])


def errors(name: str, found: Any, truth: Any, dtype: Any) -> Any:
    """|a − b|/max(1, |a|, |b|), relative where that is asked for, and infinite where one alone is finite."""
    least = 1e-300 if name in RELATIVE and dtype == "float64" else 1
    with np.errstate(invalid="ignore", over="ignore"):
        truth = truth.astype(dtype).astype(float)
        apart = np.abs(found - truth) / np.maximum(least, np.maximum(np.abs(found), np.abs(truth)))
    same = (found == truth) | np.isnan(found) & np.isnan(truth)
    return np.where(same, 0, np.where(np.isnan(apart), np.inf, apart))


def by_passes(graph: Graph, points: Any, dtype: Any) -> Any:
    found = evaluate(optimise(graph)[0], {"a": points})
    return [found[name] for name in graph.outputs]


def by_vectors(graph: Graph, points: Any, dtype: Any) -> Any:
    return compile(graph, dtype=dtype)(points)


def by_the_readable_form(graph: Graph, points: Any, dtype: Any) -> Any:
    return compile(graph, emitter="numba", dtype=dtype)(points)


#: How values are computed, in which type, and for which formulas each time: others cost 10 to 90 s of processor time.
WAYS: list[tuple[Callable[..., Any], str, Collection[str]]] = [
    (by_passes, "float64", [*FORMULAS][::2]),
    (
        by_vectors,
        "float64",
        ["log Φ", "exp(x²)·erfc", "log(sinh/x)", "log I₀", "W(exp)"],
    ),
    (by_vectors, "float32", ["log erfc", "log(cosh − 1)", "hypot"]),
    (by_the_readable_form, "float64", ["√(x² + 1)"]),
]
TOLERANCE = {"float64": 1e-12, "float32": 5e-4}


@pytest.mark.parametrize(
    ("name", "way", "dtype"),
    [
        pytest.param(name, way, dtype, marks=() if name in each_time else pytest.mark.slow)
        for way, dtype, each_time in WAYS
        for name in FORMULAS
    ],
)
def test_value_and_derivatives_are_right_over_the_whole_range(name: str, way: Any, dtype: Any) -> None:
    formula, points = FORMULAS[name]
    if dtype == "float32":
        points = points[(np.abs(points) < 1e15) & ((points == 0) | (np.abs(points) > 1e-9))]
    graph, points = derived(formula), points.astype(dtype)
    # The graph as it was derived is stable: at more digits it is the truth.
    exact = evaluate_exactly(graph, {"a": points.astype(float)}, digits=80)
    truths = [rounded(exact[output]) for output in graph.outputs]
    if dtype == "float32":
        # What is left is within the range of float32, and so is what is x times as large, parts of second derivatives.
        parts = np.max(np.abs(truths), axis=0) * np.maximum(1, np.abs(points.astype(float)))
        kept = ~np.isfinite(truths).all(axis=0) | (parts <= np.finfo(dtype).max)
        points, truths = points[kept], [truth[kept] for truth in truths]
    for output, found, truth in zip(graph.outputs, way(graph, points, dtype), truths, strict=True):
        apart = errors(name, found.astype(float), truth, dtype)
        assert apart.max() <= TOLERANCE[dtype], (output, points[apart.argmax()], apart.max())


@pytest.mark.parametrize("digits", [110, pytest.param(450, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", one_in(3, (name for name in FORMULAS if name not in INEXACT)))
def test_what_is_derived_is_the_derivative_of_what_was_written(name: str, digits: int) -> None:
    formula, points = FORMULAS[name]
    # Beyond 30 erfc is below the digits that what was written keeps, and so are numbers below 10⁻³⁰ beside 1, and
    # exp(−3/x) at 1/1000, 10⁻¹³⁰³.
    least = 1e-2 if name.startswith("T·log") else 1e-30
    points = points[(np.abs(points) <= (9 if digits < 450 else 30)) & ((np.abs(points) > least) | (points == 0))]
    given = formula(sympy.Symbol("a", real=True))
    naive = from_expressions({"b": given, "c": given.diff(), "d": given.diff().diff()}, list(given.free_symbols))
    graph = derived(formula)
    exact = evaluate_exactly(graph, {"a": points}, digits=digits)
    last = mpmath.mpf(10) ** (10 - digits)  # all that is left of a 0 that what was written has as a difference
    for n, point in enumerate(points):
        truth = evaluate_exactly(naive, {"a": float(point)}, digits=digits)
        for output, slope in zip(graph.outputs, "bcd"):
            other = truth[slope][()]
            assert abs(exact[output][n] - other) <= 1e-40 * abs(other) + last, (output, point)


@pytest.mark.parametrize("formula", [sympy.Ei, lambda x: (exp(x) - 1) / x], ids=["Ei", "expm1/x"])
def test_what_is_divided_by_x_is_in_range_where_its_exponential_is_not(formula: Callable[[Expr], Expr]) -> None:
    """exp(x)/x from 710 to 716, and then infinite as all of its derivatives are; in float32 from 89 to 93."""
    graph = mixed_partials(from_expressions({"e": formula(x)}, [x]), "e", ["x", "xx"])
    compiled = {dtype: compile(graph, dtype=dtype) for dtype in ("float64", "float32")}
    for dtype, point in (("float64", 711.0), ("float64", 715.9), ("float32", 92.0)):
        exact = evaluate_exactly(graph, {"x": point}, digits=60)
        truth = [float(exact[name][()]) for name in graph.outputs[1:]]  # SciPy's Ei itself is infinite from 710 on
        assert compiled[dtype](point)[1:] == pytest.approx(truth, rel=1e-14 if dtype == "float64" else 1e-6)
    assert [*compiled["float64"](720.0), *compiled["float32"](600.0)] == [np.inf] * 6


def test_derivatives_of_the_rate_of_erfcx_keep_their_digits() -> None:
    """rate' = rate² + 2x·rate − 2: by it a rounding grows by 2·(x + rate) with every derivative."""
    graph = mixed_partials(from_expressions({"e": erfcx_skew(x)}, [x]), "e", ["x", "xx"])
    points = np.array([-5.0, 0.5, 1.0, 1.01, 1.9, 2.1, 3.0, 5.0, 7.9, 8.1, 20.0, 1e3])
    rows, exact = [evaluate(graph, {"x": point}) for point in points], []
    with mpmath.workdps(80):
        for point in map(mpmath.mpf, points):
            if point > 100:
                rate = mpmath.mpf(0)
                for n in range(40, 0, -1):
                    rate = 2 * n / (2 * point + rate)
            else:
                rate = 2 * mpmath.exp(-(point**2)) / (mpmath.sqrt(mpmath.pi) * mpmath.erfc(point)) - 2 * point
            slopes = [rate, rate**2 + 2 * point * rate - 2]
            for n in range(1, 4):
                squares = sum(mpmath.binomial(n, k) * slopes[k] * slopes[n - k] for k in range(n + 1))
                slopes.append(squares + 2 * point * slopes[n] + 2 * n * slopes[n - 1])
            exact.append([float(slope) for slope in slopes[2:]])
    for name, truth in zip(graph.outputs, zip(*exact), strict=True):
        found = np.array([row[name] for row in rows])
        np.testing.assert_allclose(found, truth, rtol=1e-12, atol=0)
        np.testing.assert_allclose(found[points > 1], np.array(truth)[points > 1], rtol=1e-14, atol=0)


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


r = sqrt(x**2 + y**2)

#: A formula and its degree: f(c·x, c·y) = cⁿ·f(x, y).
HOMOGENEOUS: dict[str, tuple[Expr, int]] = {
    "x/r": (x / r, 0),
    "r": (r, 1),
    "1/r": (1 / r, -1),
    "r³": (r**3, 3),
    "x/r³": (x / r**3, -2),
    "(2x − y)/r": ((2 * x - y) / r, 0),
    "of differences": ((y - 2 * x) / sqrt((2 * x - y) ** 2 + 4 * y**2), 0),
    "three": (y / sqrt(x**2 + y**2 + (x - y) ** 2), 0),
    "four": (sqrt(x**2 + y**2 + (x - y) ** 2 + (x + y) ** 2), 1),
    "logarithms": (log(x**2 + y**2) - 2 * log(x) + x / r, 0),
}


def test_norms_and_what_is_divided_by_them_neither_overflow_nor_vanish() -> None:
    by = ["x", "y", "xx", "xy", "yy"]
    for name, (formula, degree) in HOMOGENEOUS.items():
        graph = optimise(mixed_partials(from_expressions({"e": formula}, [x, y]), "e", by))[0]
        slopes = [formula, *(formula.diff(*map({"x": x, "y": y}.get, variables)) for variables in by)]
        truth = [slope.evalf(30, subs={x: 1.5, y: -2}) for slope in slopes]
        for exponent in (200, 160, 90, 0, -90, -160, -200):
            found = evaluate(graph, {"x": 1.5 * 10.0**exponent, "y": -2.0 * 10.0**exponent})
            for output, order, one in zip(graph.outputs, (0, 1, 1, 2, 2, 2), truth):
                power = exponent * (degree - order)
                if abs(power) < 300:
                    right = float(one * 10 ** sympy.Integer(power))
                    assert found[output] == pytest.approx(right, rel=1e-13, abs=0), (name, output, exponent)


def test_a_compiled_norm_and_cosine_keep_their_digits() -> None:
    function = compile(mixed_partials(from_expressions({"e": x / r}, [x, y]), "e", ["x"]))
    for scale in (1e200, 1e-200):
        assert [float(v) for v in function(3 * scale, 4 * scale)] == pytest.approx(
            [0.6, 0.128 / scale], rel=1e-15, abs=0
        )


def test_ratios_of_bessel_functions_are_those_of_neighbours() -> None:
    """I₀/I₂ = 1/(r₀·r₁), where neither overflows."""
    assert stable(canonical(besseli(0, x) / besseli(2, x))) == 1 / (bessel_ratio(0, x) * bessel_ratio(1, x))


def test_at_the_origin_the_cosine_of_a_direction_is_0_as_the_slope_of_a_norm_is() -> None:
    for emitter in ("vector", "numba"):
        assert compile(from_expressions({"e": x / r}, [x, y]), emitter=emitter)(0.0, 0.0) == 0
    graph = mixed_partials(from_expressions({"e": r}, [x, y]), "e", ["x"])
    assert [float(v) for v in compile(graph)(0.0, 0.0)] == [0, 0]
    assert canonical(hypot(x, y)).diff(x).subs({x: 3, y: 4}).evalf() == pytest.approx(0.6)


#: x and y; the value and its derivatives by them.
X_LOG_Y: dict[Any, dict[tuple[float, float], tuple[float, float, float]]] = {
    xlogy: {
        (0.0, 0.0): (0, -np.inf, 0),
        (0.0, 2.0): (0, np.log(2), 0),
        (3.0, 2.0): (3 * np.log(2), np.log(2), 1.5),
        (0.0, np.nan): (np.nan, np.nan, np.nan),
    },
    xlog1py: {
        (0.0, -1.0): (0, -np.inf, 0),
        (0.0, 2.0): (0, np.log(3), 0),
        (2.0, 1e-20): (2e-20, 1e-20, 2),
    },
}


@pytest.mark.parametrize("emitter", ["vector", "numba"])
@pytest.mark.parametrize("function", X_LOG_Y)
def test_x_log_y(function: Any, emitter: Any) -> None:
    compiled = compile(
        mixed_partials(from_expressions({"e": function(x, y)}, [x, y]), "e", ["x", "y"]), emitter=emitter
    )
    for at, expected in X_LOG_Y[function].items():
        assert [float(v) for v in compiled(*at)] == pytest.approx(expected, rel=1e-15, abs=0, nan_ok=True), at


@pytest.mark.parametrize("function", X_LOG_Y)
def test_x_log_y_is_0_to_sympy_too_where_x_is(function: Any) -> None:
    assert function(x, y).subs({x: Rational(0), y: Rational(2)}).evalf() == 0


def test_a_maximum_softened_by_a_temperature_is_right_down_to_the_smallest_one() -> None:
    """T·log Σ exp(cᵢ/T) over an index: its largest, with derivatives of which none is nan."""
    k, cold, levels = sympy.Idx("k", 3), sympy.Symbol("T"), sympy.IndexedBase("c", shape=(3,))
    graph = from_expressions({"e": cold * log(sympy.Sum(exp(levels[k] / cold), k))}, [cold, levels])
    compiled = compile(hessian(graph, "e", ["T", "c"]))
    first = compile(gradient(graph, "e", ["T", "c"]))
    given = [0.75, 0.5, -2.0]
    for point in (1e-308, 1e-160, 1e-100):
        value, by_temperature, parts = first(point, given)
        assert (value, by_temperature, *parts) == pytest.approx((0.75, 0, 1, 0, 0), rel=1e-15)
    for point in (1e-300, 1e-160, 1e-100):
        # 0, but for one rounding of the terms p/T, whose sum it is.
        assert all(np.all(np.abs(block) <= 2.3e-16 / point) for block in compiled(point, given)[1:])
    for point in (0.1, -0.1, 1e10):
        p = np.exp(np.array(given) / point - max(np.array(given) / point))
        p, v = p / p.sum(), np.array(given) / point
        squares, mixed, by_levels = compiled(point, given)[1:]
        mean = p @ v
        assert squares == pytest.approx(p @ (v - mean) ** 2 / point, rel=1e-6)
        assert mixed == pytest.approx(-p * (v - mean) / point, rel=1e-6)
        assert by_levels == pytest.approx((np.diag(p) - np.outer(p, p)) / point, rel=1e-12)


def test_second_derivatives_by_temperature_and_level_are_0_in_the_cold() -> None:
    """T·log(sinh(c/T)): with y = c/T they are −y²/sinh²(y)/T, y/sinh²(y)/T and −1/sinh²(y)/T."""
    cold, level = sympy.symbols("T c", real=True)
    compiled = compile(hessian(from_expressions({"e": cold * log(sinh(level / cold))}, [cold, level]), "e"))
    for point in (1e-308, 1e-300, 1e-155, 1e-3, 0.02, 0.5, 30.0, 1e10):
        for sense in (1, -1):
            ratio = mpmath.mpf(1.25) / point
            decay = mpmath.csch(ratio) ** 2 / point
            wanted = [float(term) for term in (-(ratio**2) * decay, sense * ratio * decay, -decay)]
            assert list(compiled(sense * point, 1.25)[1:]) == [
                pytest.approx(sense * value, rel=1e-12, abs=1e-300) for value in wanted
            ], sense * point
