"""Special functions in jitted code: the stated errors against mpmath, and the ends of the number line."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import mpmath
import numpy as np
import pytest
from numba import njit

from codegen.emit import special

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


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_polygamma_for_positive_arguments(order: int) -> None:
    points = positive(10.0 ** (300 / (order + 1)))
    assert worst(lambda x: polygamma(order, x), lambda x: mpmath.psi(order, x), points, lambda _, v: abs(v)) <= 4


@pytest.mark.parametrize("order", [0, 1, 2, 3, 4])
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
