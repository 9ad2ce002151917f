"""The mpmath oracle: IEEE's answers at the ends of the number line, exact inputs, and a precision of its own."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import product

import mpmath
import numpy as np
import pytest
import sympy
from sympy import Rational

from codegen import CheckError, from_expressions
from codegen import functions as f
from codegen.numeric import evaluate_exactly, rounded
from codegen.numeric.ieee import ENDS, Ieee
from tests.codegen.networks import mlp, random_values

INF, NAN, PI = math.inf, math.nan, math.pi
x, y = sympy.symbols("x y", real=True)

AT_THE_ENDS: dict[str, dict[float, float]] = {
    "exp": {-INF: 0, INF: INF, -1e7: 0, 1e7: INF},
    "expm1": {-INF: -1, INF: INF, 1e7: INF},
    "log": {-INF: NAN, INF: INF, 0.0: -INF, -1.0: NAN},
    "log1p": {-INF: NAN, INF: INF, -1.0: -INF, -2.0: NAN},
    "sqrt": {-INF: NAN, INF: INF, 0.0: 0, -1.0: NAN},
    "sinh": {-INF: -INF, INF: INF, -1e300: -INF},
    "cosh": {-INF: INF, INF: INF, -1e300: INF},
    "tanh": {-INF: -1, INF: 1, 1e300: 1},
    "sin": {-INF: NAN, INF: NAN},
    "cos": {-INF: NAN, INF: NAN},
    "tan": {-INF: NAN, INF: NAN},
    "asin": {-INF: NAN, INF: NAN, 1.0: PI / 2, 1.5: NAN, -1.5: NAN},
    "acos": {-INF: NAN, INF: NAN, 1.0: 0, 1.5: NAN, -1.5: NAN},
    "atan": {-INF: -PI / 2, INF: PI / 2},
    "asinh": {-INF: -INF, INF: INF},
    "acosh": {-INF: NAN, INF: INF, 1.0: 0, 0.5: NAN},
    "atanh": {-INF: NAN, INF: NAN, 1.0: INF, -1.0: -INF, 1.5: NAN},
    "erf": {-INF: -1, INF: 1, 1e300: 1},
    "erfc": {-INF: 2, INF: 0, 1e300: 0},
    "ei": {-INF: 0, INF: INF, 0.0: -INF, 1e7: INF},
    "ci": {-INF: NAN, INF: 0, 0.0: -INF, -1.0: NAN},
    "shi": {-INF: -INF, INF: INF, 0.0: 0, 1e7: INF},
    "chi": {-INF: NAN, INF: INF, 0.0: -INF, -1.0: NAN},
    "erfi": {-INF: -INF, INF: INF, 0.0: 0},
    "fresnels": {-INF: -0.5, INF: 0.5},
    "fresnelc": {-INF: -0.5, INF: 0.5},
    "airyai": {-INF: 0, INF: 0, 1e7: 0},
    "airybi": {-INF: 0, INF: INF, 1e7: INF},
    "airyaiprime": {-INF: NAN, INF: 0},
    "airybiprime": {-INF: NAN, INF: INF},
    "erfinv": {-INF: NAN, INF: NAN, 1.0: INF, -1.0: -INF, 1.5: NAN},
    "loggamma": {-INF: NAN, INF: INF, 0.0: INF, -1.5: NAN},
}


def same(found: object, expected: float) -> bool:
    return float(found) == expected or (math.isnan(float(found)) and math.isnan(expected))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ENDS)
def test_functions_at_the_ends_of_their_domain(name: str) -> None:
    ieee = Ieee(30)
    for point, expected in {**AT_THE_ENDS[name], NAN: NAN}.items():
        assert same(getattr(ieee, name)(ieee.mpf(point)), expected), point


def test_arithmetic_with_infinities() -> None:
    ieee = Ieee(30)
    zero, one, inf, nan = map(ieee.mpf, (0, 1, INF, NAN))
    table = [
        *((ieee.divide(one, zero), INF), (ieee.divide(-one, zero), -INF), (ieee.divide(zero, zero), NAN)),
        *((ieee.divide(inf, zero), INF), (ieee.divide(one, inf), 0), (ieee.divide(inf, inf), NAN)),
        *((inf * zero, NAN), (inf - inf, NAN), (inf + one, INF), (nan + one, NAN), (ieee.divide(nan, zero), NAN)),
    ]
    assert all(same(found, expected) for found, expected in table), table
    assert not any((nan < one, nan > one, nan <= nan, nan >= one, nan == nan))
    assert nan != nan


def test_powers_are_those_of_c() -> None:
    ieee = Ieee(30)
    bases = (0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -8.0, INF, -INF, NAN)
    exponents = (0.0, 1.0, -1.0, 2.0, -2.0, 3.0, 1.5, -1.5, 1e10, INF, -INF, NAN)
    for base, exponent in product(bases, exponents):
        with np.errstate(all="ignore"):
            expected = float(np.power(np.float64(base), np.float64(exponent)))
        found = float(ieee.power(ieee.mpf(base), ieee.mpf(exponent)))
        assert same(found, expected) or found == pytest.approx(expected), (base, exponent)


def test_angles_are_those_of_c() -> None:
    ieee = Ieee(30)
    for a, b in product((0.0, 1.0, -2.0, INF, -INF, NAN), repeat=2):
        found = float(ieee.atan2(ieee.mpf(a), ieee.mpf(b)))
        assert same(found, math.atan2(a, b)) or found == pytest.approx(math.atan2(a, b)), (a, b)


def test_inputs_are_the_exact_values_of_the_floats() -> None:
    graph = from_expressions({"f": x - Rational(1, 10)}, [x])
    difference = evaluate_exactly(graph, {"x": 0.1})["f"][()]
    assert float(difference) == pytest.approx(float(Fraction(0.1) - Fraction(1, 10)), rel=1e-15, abs=0)


def test_more_digits_are_more_digits() -> None:
    graph = from_expressions({"f": sympy.exp(x) + sympy.pi / 3}, [x])
    found = evaluate_exactly(graph, {"x": 0.1}, digits=100)["f"][()]
    with mpmath.workdps(120):
        assert abs(mpmath.mpf(found) - (mpmath.exp(mpmath.mpf(0.1)) + mpmath.pi / 3)) < mpmath.mpf(10) ** -99


def test_fewer_digits_than_a_float_has_are_refused() -> None:
    with pytest.raises(CheckError, match="digits: found 10, expected at least 17"):
        evaluate_exactly(from_expressions({"f": x}, [x]), {"x": 1}, digits=10)


def test_nothing_overflows_on_the_way() -> None:
    graph = from_expressions({"f": sympy.log(1 + sympy.exp(x))}, [x])
    assert float(evaluate_exactly(graph, {"x": 1000})["f"][()]) == 1000
    assert rounded(evaluate_exactly(from_expressions({"f": sympy.exp(x)}, [x]), {"x": 1000})["f"]) == INF


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (f.select(x, sympy.log(x), -x), 1),
        (f.select(x, 1 / x, sympy.log(-x - 1)), -INF),
        (sympy.Piecewise((sympy.log(x), x > 0), (sympy.sqrt(-x), True)), 1),
        (sympy.Piecewise((sympy.log(x), x > 0), (sympy.sqrt(-x), x < -1)), NAN),
    ],
)
def test_branches_that_are_not_taken_do_not_matter(expression: sympy.Expr, expected: float) -> None:
    graph = from_expressions({"f": expression}, [x])
    assert same(evaluate_exactly(graph, {"x": -1})["f"][()], expected)


def test_a_tower_of_exponentials_ends() -> None:
    """sin of it would need as many bits of π as its exponent has."""
    tower = sympy.sin(sympy.exp(sympy.exp(sympy.exp(x))))
    assert math.isnan(float(evaluate_exactly(from_expressions({"f": tower}, [x]), {"x": 5})["f"][()]))


def test_the_global_precision_is_neither_read_nor_changed() -> None:
    graph, values = mlp([2, 3, 3]), random_values(mlp([2, 3, 3]))
    expected = evaluate_exactly(graph, values)["loss"][()]
    before = mpmath.mp.prec
    with mpmath.workdps(5):
        found = evaluate_exactly(graph, values)["loss"][()]
        assert mpmath.mp.dps == 5
    assert mpmath.mp.prec == before
    assert found == expected


def test_threads_with_different_precisions_do_not_meet() -> None:
    graph = from_expressions({"f": sympy.sin(x) + sympy.pi * sympy.log(2 + x**2)}, [x])
    digits = [20 + 7 * (n % 40) for n in range(80)]
    alone = [evaluate_exactly(graph, {"x": 0.7}, n)["f"][()] for n in digits]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda n: evaluate_exactly(graph, {"x": 0.7}, n)["f"][()], digits))
    assert together == alone


def test_labels_and_indices_are_numbers_too() -> None:
    graph, values = mlp([2, 3]), random_values(mlp([2, 3]))
    found = evaluate_exactly(graph, values)
    assert [int(label) for label in found["y"]] == values["y"].tolist()
    assert found["loss"].shape == ()
