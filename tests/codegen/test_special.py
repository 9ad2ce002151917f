"""Special functions in jitted code: the stated errors against mpmath, and the ends of the number line."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal

import mpmath
import numpy as np
import pytest
import sympy
from numba import njit
from sympy import FallingFactorial, Rational, RisingFactorial, gamma

from codegen import DerivationError, compile, from_expressions, gradient, hessian, jacobian
from codegen.emit import special
from codegen.emit.numpy import numpy_function
from codegen.functions import special as special_functions
from codegen.numeric.evaluate import evaluate
from codegen.numeric.oracle import evaluate_exactly

pytestmark = pytest.mark.values

INF, NAN = math.inf, math.nan
ULP = 2.0**-52
ROOT = 1.4616321449683622


@njit
def loggamma(x: float) -> float:
    return special.loggamma(x)


@cache
def of_order(name: str, n: int) -> Callable[[float], float]:
    """A function of a family, whose order is a literal."""
    family = getattr(special, name)
    function: Callable[[float], float] = njit(lambda x: family(n, x))
    return function


def polygamma(n: int, x: float) -> float:
    return of_order("polygamma", n)(x)


def positive(largest: float = 1e300) -> np.ndarray:
    """Every order of magnitude, the zero of ψ, and where one method hands over to the next."""
    random = np.random.Generator(np.random.PCG64(0))
    top = math.log10(largest)
    near = [*random.uniform(0, 3, 150), *random.uniform(0, 40, 150), *np.geomspace(9, 17, 40)]
    return np.array([*10 ** random.uniform(-top, top, 150), *near, *(ROOT + 1e-3 * random.normal(size=30)), ROOT, 1, 2])


def negative() -> np.ndarray:
    random = np.random.Generator(np.random.PCG64(1))
    halves = -np.arange(20) - 0.5
    offsets = np.outer([1e-12, -1e-7, 1e-3], np.ones(20)).ravel()
    return np.array(
        [*-random.uniform(0, 30, 150), *-(10 ** random.uniform(-10, 3, 100)), *halves, *np.tile(halves, 3) + offsets]
    )


def worst(
    found: Callable[[float], float],
    exact: Callable[[mpmath.mpf], mpmath.mpf],
    points: np.ndarray,
    scale: Callable[[mpmath.mpf, mpmath.mpf], mpmath.mpf],
) -> float:
    """The largest error in units of 2⁻⁵² of the scale, over the points at which the value is a normal number."""
    with mpmath.workdps(50):
        errors = [
            abs(found(float(point)) - value) / scale(mpmath.mpf(float(point)), value)
            for point in points
            if np.finfo(float).tiny < abs(value := exact(mpmath.mpf(float(point)))) < np.finfo(float).max
        ]
        return float(max(errors)) / ULP


def at_least_one(_: mpmath.mpf, value: mpmath.mpf) -> mpmath.mpf:
    return max(1, abs(value))


def test_loggamma_for_positive_arguments() -> None:
    assert worst(loggamma, mpmath.loggamma, positive(), at_least_one) <= 2


def test_digamma_for_positive_arguments() -> None:
    assert worst(lambda x: polygamma(0, x), mpmath.digamma, positive(), at_least_one) <= 2


BETWEEN = [pytest.param(order, marks=pytest.mark.slow) for order in (2, 3)]


@pytest.mark.parametrize("order", [1, *BETWEEN, 4])
def test_polygamma_for_positive_arguments(order: int) -> None:
    points = positive(10.0 ** (300 / (order + 1)))
    assert worst(lambda x: polygamma(order, x), lambda x: mpmath.psi(order, x), points, lambda _, v: abs(v)) <= 4


@pytest.mark.parametrize("order", [0, 1, *BETWEEN, 4])
def test_polygamma_for_negative_arguments(order: int) -> None:
    def larger(x: mpmath.mpf, value: mpmath.mpf) -> mpmath.mpf:
        return max(abs(value), abs(mpmath.psi(order, 1 - x)), 1 if order == 0 else 0)

    assert worst(lambda x: polygamma(order, x), lambda x: mpmath.psi(order, x), negative(), larger) <= 6


def test_trigamma_far_out_is_the_reciprocal() -> None:
    assert polygamma(1, 1e200) == pytest.approx(1e-200, rel=1e-15)
    assert polygamma(1, 1e-200) == INF


@pytest.mark.parametrize(
    ("order", "x", "expected"),
    [
        (0, 0.0, -INF), (0, -0.0, INF), (0, -3.0, NAN), (0, INF, INF), (0, -INF, NAN), (0, NAN, NAN),
        (1, 0.0, INF), (1, -3.0, INF), (1, INF, 0), (1, -INF, NAN), (1, NAN, NAN),
        (2, 0.0, -INF), (2, -3.0, NAN), (2, INF, -0.0), (2, -INF, NAN), (2, NAN, NAN),
    ],
)  # fmt: skip
def test_polygamma_at_poles_and_ends(order: int, x: float, expected: float) -> None:
    np.testing.assert_equal(polygamma(order, x), expected)


@pytest.mark.parametrize(
    ("x", "expected"), [(0.0, INF), (1.0, 0), (2.0, 0), (-0.5, NAN), (-1.0, NAN), (INF, INF), (-INF, NAN), (NAN, NAN)]
)
def test_loggamma_at_poles_and_ends(x: float, expected: float) -> None:
    np.testing.assert_equal(loggamma(x), expected)


def test_the_result_has_the_type_of_the_argument() -> None:
    @njit
    def of_single(x: np.ndarray) -> np.ndarray:
        out = np.empty((2, x.size), np.float32)
        for i in range(x.size):
            value = special.loggamma(x[i])
            out[0, i] = value
            out[1, i] = special.polygamma(1, x[i])
        return out

    x = np.array([0.3, 2.5, 40], np.float32)
    exact = [[float(mpmath.loggamma(float(v))) for v in x], [float(mpmath.psi(1, float(v))) for v in x]]
    np.testing.assert_array_equal(of_single(x), np.array(exact, np.float32))


X, Y = sympy.symbols("x y", real=True)
POINTS = np.array([0.03, 0.31, 0.97, 1.0, 2.5, 7.0, 40.0])
# Their arguments are exact in float32 too.
FORMULAS = {
    "J0, J1": (sympy.besselj(0, X), lambda x: mpmath.besselj(0, x)),
    "J5": (sympy.besselj(5, X), lambda x: mpmath.besselj(5, x)),
    "Y2": (sympy.bessely(2, X), lambda x: mpmath.bessely(2, x)),
    "I3": (sympy.besseli(3, X), lambda x: mpmath.besseli(3, x)),
    "K1": (sympy.besselk(1, X), lambda x: mpmath.besselk(1, x)),
    "E2": (sympy.expint(2, X), lambda x: mpmath.expint(2, x)),
    "Ei": (sympy.Ei(X), mpmath.ei),
    "Si": (sympy.Si(X), mpmath.si),
    "Ci": (sympy.Ci(X), mpmath.ci),
    "sinc": (sympy.sinc(X), mpmath.sinc),
    "W": (sympy.LambertW(X), mpmath.lambertw),
    "ω": (sympy.LambertW(sympy.exp(X)), lambda x: mpmath.lambertw(mpmath.exp(x))),
    "I₁, I₃ scaled": (
        special_functions.scaled_bessel(1, X) + special_functions.scaled_bessel(3, X),
        lambda x: (mpmath.besseli(1, x) + mpmath.besseli(3, x)) * mpmath.exp(-x),
    ),
    "γ": (sympy.lowergamma(Rational(3, 4), X), lambda x: mpmath.gammainc(0.75, 0, x)),
    "Γ": (sympy.uppergamma(Rational(3, 4), X), lambda x: mpmath.gammainc(0.75, x)),
    "B": (sympy.beta(X, X / 2), lambda x: mpmath.beta(x, x / 2)),
    "binomial": (sympy.binomial(X, X / 4), lambda x: mpmath.binomial(x, x / 4)),
    "erfinv": (sympy.erfinv(X / 64), lambda x: mpmath.erfinv(x / 64)),
}


@cache
def compiled(emitter: Literal["vector", "numba"], dtype: Literal["float64", "float32"]) -> tuple[np.ndarray, ...]:
    """Every formula at the points."""
    i = sympy.Idx("i", sympy.Symbol("n", integer=True))
    x, outputs = sympy.IndexedBase("x"), [sympy.IndexedBase(f"y{n}") for n in range(len(FORMULAS))]
    entries = {y[i]: formula.subs(X, x[i]) for y, (formula, _) in zip(outputs, FORMULAS.values())}
    graph = from_expressions(entries, [x])
    function = compile(graph, emitter=emitter, dtype=dtype)
    found: tuple[np.ndarray, ...] = function(POINTS.astype(dtype))
    return found


@pytest.mark.parametrize(
    ("emitter", "dtype"),
    [
        ("vector", "float64"),
        ("vector", "float32"),
        pytest.param("numba", "float64", marks=pytest.mark.slow),
        pytest.param("numba", "float32", marks=pytest.mark.slow),
    ],
)
def test_functions_of_scipy_and_our_own(
    emitter: Literal["vector", "numba"], dtype: Literal["float64", "float32"]
) -> None:
    for (name, (_, exact)), found in zip(FORMULAS.items(), compiled(emitter, dtype)):
        with mpmath.workdps(40):
            wanted = [exact(mpmath.mpf(float(x))) for x in POINTS.astype(dtype)]
        expected = np.array([float(mpmath.re(w)) for w in wanted])
        error = np.abs(found - expected) / np.maximum(1, np.abs(expected))
        assert error.max() <= (1e-14 if dtype == "float64" else 2e-7), name


SHAPES = (0.003, 0.4, 1.7, 9.99, 10.0, 60.0, 3e3)
"""First arguments of the incomplete gamma functions, on both sides of where Γ and ψ become series."""
PLACES = (1e-4, 0.02, 0.5, 0.9, 0.999, 1.001, 1.2, 2.0, 8.0, 50.0)
"""Second arguments as parts of the first: both tails, and beside the mean."""


def by_shape(shape: mpmath.mpf, x: mpmath.mpf) -> mpmath.mpf:
    """∂P/∂a as a difference quotient of what is the smaller one of P and 1 − P, with enough digits."""
    if x < shape:
        return mpmath.diff(lambda a: mpmath.gammainc(a, 0, x, regularized=True), shape)
    return -mpmath.diff(lambda a: mpmath.gammainc(a, x, regularized=True), shape)


def test_incomplete_gamma_functions_have_derivatives_by_both_arguments() -> None:
    i = sympy.Idx("i", sympy.Symbol("n", integer=True))
    a, x = (sympy.IndexedBase(name)[i] for name in "ax")
    results = []
    for function in (sympy.lowergamma, sympy.uppergamma):
        total = sympy.Sum(function(a, x) / sympy.gamma(a), i)
        results.append(gradient(from_expressions({"e": total}, [a, x]), "e", ["a"]))
    shapes, points = (np.array(part) for part in zip(*((s, s * p) for s in SHAPES for p in PLACES)))
    lower, upper = (compile(graph)(shapes, points)[1] for graph in results)
    with mpmath.workdps(40):
        exact = np.array([float(by_shape(mpmath.mpf(s), mpmath.mpf(p))) for s, p in zip(shapes, points)])
    kept = np.abs(exact) > 1e-290
    assert kept.sum() > 50
    np.testing.assert_allclose(lower[kept], exact[kept], rtol=1e-12)
    np.testing.assert_array_equal(upper, -lower)


def test_a_censored_likelihood_has_its_mixed_second_derivative() -> None:
    a, x = sympy.symbols("a x", positive=True)
    survival = from_expressions({"e": sympy.log(sympy.uppergamma(a, x) / sympy.gamma(a))}, [a, x])
    mixed = jacobian(gradient(survival, "e", ["a"]), "de/da", ["x"])
    with mpmath.workdps(25):
        exact = [
            mpmath.diff(lambda a, x: mpmath.log(mpmath.gammainc(a, x, regularized=True)), (2.5, 4.0), order)
            for order in ((1, 0), (1, 1))
        ]
    np.testing.assert_allclose(compile(mixed)(2.5, 4.0), np.array(exact, float), rtol=1e-13)
    alone = gradient(from_expressions({"e": sympy.uppergamma(a, x)}, [a, x]), "e", ["a"])
    with pytest.raises(DerivationError, match="no second derivative of lowergamma and uppergamma by their first"):
        jacobian(alone, "de/da", ["a"])


def test_the_derivative_by_the_shape_at_its_ends() -> None:
    found = compile(from_expressions({"e": special_functions.regularised_gamma_slope(X, Y)}, [X, Y]))
    ends = [(2.0, 0.0), (2.0, INF), (-1.0, 1.0), (0.0, 1.0), (NAN, 1.0), (1.0, NAN), (1.0, -1.0)]
    np.testing.assert_equal([found(*end) for end in ends], [0, 0, NAN, NAN, NAN, NAN, NAN])


SECOND = """
import sympy, codegen
x = sympy.Symbol("x", real=True)
graph = codegen.from_expressions({"e": sympy.besselj(3, x) * sympy.Si(x) + sympy.loggamma(x) * sympy.digamma(x)}, [x])
for emitter in ("vector", "numba"):
    function = codegen.compile(graph, emitter=emitter)
    print(function(1.5), function.report.cache_hit)
"""


@pytest.mark.slow  # two processes, for readable code 3 s; test_cache has what is kept of other code
def test_another_process_finds_the_functions_at_its_own_addresses(tmp_path: Path) -> None:
    environment = {**os.environ, "SYMNN_CACHE_DIR": str(tmp_path)}
    first, second = (
        subprocess.run(
            [sys.executable, "-c", SECOND], env=environment, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    )
    assert first.count("False") == 2
    assert second == first.replace("False", "True")
    expected = mpmath.besselj(3, 1.5) * mpmath.si(1.5) + mpmath.loggamma(1.5) * mpmath.digamma(1.5)
    assert [float(line.split()[0]) for line in first.splitlines()] == pytest.approx([float(expected)] * 2, rel=1e-14)


@pytest.mark.parametrize("n", [1, 2, 3])
def test_what_scipy_loses_near_zero(n: int) -> None:
    """SciPy has nan for iv and spherical_jn at subnormal numbers, and for j0 at infinity."""
    first = 5e-324 if n == 1 else 0.0
    assert of_order("besseli", n)(1e-323) == first
    assert of_order("spherical_bessel", n)(1e-323) == pytest.approx(first, abs=5e-324)
    assert of_order("besselj", n)(INF) == 0


AT_INFINITY = {
    sympy.besselj(2, X): (0, 0), sympy.besselj(3, X): (0, 0), sympy.bessely(2, X): (NAN, 0),
    sympy.besseli(2, X): (INF, INF), sympy.besseli(3, X): (-INF, INF), sympy.besselk(2, X): (NAN, 0),
}  # fmt: skip
"""At −∞ and at +∞."""


def test_bessel_functions_at_infinity() -> None:
    graph = from_expressions({f"y{n}": formula for n, formula in enumerate(AT_INFINITY)}, [X])
    compiled = compile(graph)
    for x, expected in zip((-INF, INF), zip(*AT_INFINITY.values())):
        exact = evaluate_exactly(graph, {"x": x})
        np.testing.assert_equal([float(exact[name][()]) for name in graph.outputs], expected)
        np.testing.assert_equal(compiled(x), expected)


SMALL = np.array([1e-310, 1e-300, 1e-160, 1e-40, 1e-9, 0.3, 2.5])


@pytest.mark.parametrize(
    "formula",
    [
        sympy.erfcinv(X), sympy.besselj(Rational(1, 2), X), sympy.besseli(Rational(1, 3), X), sympy.besseli(2, X),
        sympy.besselk(Rational(1, 2), X), sympy.bessely(Rational(1, 3), X), sympy.LambertW(-X / 7, -1), sympy.Shi(X),
    ],
    ids=str,
)  # fmt: skip
def test_small_arguments_keep_their_digits(formula: sympy.Expr) -> None:
    """SciPy has 0, infinity or nan for some of them."""
    graph = gradient(from_expressions({"e": formula}, [X]), "e")
    for x in SMALL:
        exact = evaluate_exactly(graph, {"x": x})
        for name, found in evaluate(graph, {"x": x}).items():
            expected = float(exact[name][()])
            assert found == pytest.approx(expected, rel=1e-12, abs=0, nan_ok=True), (name, x)


AT_POLES: dict[str, tuple[sympy.Expr, Callable[..., Any], list[tuple[float, float]]]] = {
    "C(x, 2)": (sympy.binomial(X, 2), lambda x, y: mpmath.binomial(x, 2), [(-1, 0), (1, 0), (0.3, 0)]),
    "C(x, 7)": (sympy.binomial(X, 7), lambda x, y: mpmath.binomial(x, 7), [(-1, 0), (1, 0), (6.5, 0)]),
    "C(x, 25)": (sympy.binomial(X, 25), lambda x, y: mpmath.binomial(x, 25), [(-2, 0), (1, 0), (26.5, 0)]),
    "C(6, x)": (sympy.binomial(6, X), lambda x, y: mpmath.binomial(6, x), [(7, 0), (-2, 0), (2.5, 0)]),
    "C(x, 5/2)": (sympy.binomial(X, Rational(5, 2)), lambda x, y: mpmath.binomial(x, 2.5), [(0.5, 0), (1.5, 0)]),
    "C(x, y)": (sympy.binomial(X, Y), mpmath.binomial, [(0.5, 2.5), (6, 8), (5.5, -1), (3.25, 1.5), (300, 301)]),
    "B(x, y)": (sympy.beta(X, Y), mpmath.beta, [(-0.5, -0.5), (0.25, -2.25), (0.75, 1.5)]),
    "C(x, y) beside": (sympy.binomial(X, Y), mpmath.binomial, [(0.5, 1.5 + 1e-9), (2.3, 1e-8 - 2), (3.5, 4.5 - 1e-7)]),
    "B(x, y) beside": (sympy.beta(X, Y), mpmath.beta, [(-0.3, -0.7 + 1e-9), (-0.3, 0.3 + 1e-9), (0.25, -2.25 + 1e-7)]),
    "B(x, y) beside both": (sympy.beta(X, Y), mpmath.beta, [(1e-9 - 2, 1), (1e-9 - 2, 2), (1e-5 - 3, 1 + 1e-9)]),
    "(x)ₖ": (RisingFactorial(X, Y), mpmath.rf, [(-2, 3), (0.5, 2.5), (-0.5, 3)]),
    "x₍ₖ₎": (FallingFactorial(X, Y), mpmath.ff, [(2, 3), (0.5, 1.5), (4.5, 2)]),
    "1/Γ²": (X / gamma(Y) ** 2, lambda x, y: x * mpmath.rgamma(y) ** 2, [(2, -3), (2, 0), (2, 1.5), (2, -1.5)]),
    "1/Γ": (X / gamma(Y), lambda x, y: x * mpmath.rgamma(y), [(2, -2), (2, 1e-8), (2, 1e-8 - 2), (2, 0.5), (2, -1e-4)]),
}
"""Where a denominator has a pole and the function crosses 0, and elsewhere."""
LONG = {"C(6, x)", "B(x, y)", "(x)ₖ", "x₍ₖ₎", "1/Γ²", *(name for name in AT_POLES if "beside" in name)}
"""C(x, y) and 1/Γ are of their family; code of B(x, y) and 1/Γ² is held to the oracle in the quick suite."""


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n in LONG else n for n in AT_POLES])
def test_functions_of_gamma_are_smooth_where_a_denominator_has_a_pole(name: str) -> None:
    formula, exact, points = AT_POLES[name]
    graph = from_expressions({"e": formula}, [X, Y])
    first, second = gradient(graph, "e"), hessian(graph, "e")
    for point in points:
        values = dict(zip("xy", point))
        with mpmath.workdps(40):
            orders = [(1, 0), (0, 1), (2, 0), (1, 1), (0, 2)]
            slopes = [float(mpmath.diff(exact, point, order)) for order in orders]
            wanted = [pytest.approx(v, rel=1e-11, abs=1e-13) for v in [float(exact(*point)), *slopes]]
        once, twice, exactly = evaluate(first, values), evaluate(second, values), evaluate_exactly(first, values)
        assert [once[key] for key in first.outputs] == wanted[:3]
        assert [twice[key] for key in second.outputs[1:]] == wanted[3:]
        assert [float(exactly[key][()]) for key in first.outputs] == wanted[:3]


def test_a_binomial_coefficient_of_a_negative_whole_number_has_no_derivative_by_the_lower_one() -> None:
    graph = gradient(from_expressions({"e": sympy.binomial(X, Y)}, [X, Y]), "e")
    found = evaluate(graph, {"x": -2, "y": 3})
    assert [found[name] for name in graph.outputs] == pytest.approx([-4, 13 / 3, NAN], rel=1e-14, nan_ok=True)


@pytest.mark.parametrize("emitter", ["vector", "numpy"])
def test_code_crosses_zero_with_the_slope_of_the_oracle(emitter: str) -> None:
    names = ["C(x, y)", "B(x, y)", "1/Γ²"]
    graph = gradient(from_expressions({"e": sum(AT_POLES[name][0] for name in names)}, [X, Y]), "e")
    function = compile(graph) if emitter == "vector" else numpy_function(graph)
    for x, y in [(0.5, 2.5), (-0.5, -0.5), (3.25, 1.5), (6.0, 8.0)]:
        exact = evaluate_exactly(graph, {"x": x, "y": y})
        wanted = [float(exact[name][()]) for name in graph.outputs]
        assert list(function(x, y)) == pytest.approx(wanted, rel=1e-13, nan_ok=True), (x, y)
