"""Vector mathematics against mpmath: the error in units in the last place, and the special values."""

from __future__ import annotations

import math
from collections.abc import Callable

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray

from codegen.emit.lanes import elementwise
from codegen.emit.vectormath import TABLE

Reals = NDArray[np.floating]

#: function: (range of interest, largest error in ULP that is accepted)
FUNCTIONS: dict[str, tuple[float, float, float]] = {
    "exp": (-746, 710, 2),
    "expm1": (-40, 710, 3),
    "log": (0, 10, 3),
    "log1p": (-1, 10, 3),
    "tanh": (-20, 20, 2),
    "sigmoid": (-746, 40, 2),
    "softplus": (-746, 40, 3),
    "sin": (-1000, 1000, 3),
    "cos": (-1000, 1000, 3),
    "erf": (-6, 6, 4),
    "erfc": (-6, 26.5, 4),
    "normal_cdf": (-37, 9, 4),
    "sinh": (-700, 700, 4),
    "cosh": (-700, 700, 4),
    "tan": (-100, 100, 5),
    "asin": (-1, 1, 4),
    "acos": (-1, 1, 4),
    "atan": (-10, 10, 4),
    "asinh": (-100, 100, 4),
    "acosh": (1, 100, 4),
    "atanh": (-1, 1, 4),
}

EXACT: dict[str, Callable[[mpmath.mpf], mpmath.mpf]] = {
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "normal_cdf": lambda x: mpmath.erfc(-x / mpmath.sqrt(2)) / 2,
    "log1p": mpmath.log1p,
    "expm1": mpmath.expm1,
}


def apply(name: str, x: Reals, width: int) -> Reals:
    """The function over an array, compiled for a number of lanes."""
    out = np.empty_like(x)
    elementwise(TABLE[name], str(x.dtype), width)(x, out)  # type: ignore[arg-type]
    return out


def points(name: str, dtype: str, count: int) -> Reals:
    """Points over the range of interest, near 0, and of every exponent."""
    low, high, _ = FUNCTIONS[name]
    if dtype == "float32":
        low, high = max(low, -103.0), min(high, 88.0)
    generator = np.random.Generator(np.random.PCG64(7))
    near = generator.uniform(max(low, -2), min(high, 2), count)
    scales = np.exp2(generator.uniform(-1070 if dtype == "float64" else -148, 3, count))
    tiny = scales * (generator.choice([-1.0, 1.0], count) if low < 0 else 1.0)
    found = np.concatenate([generator.uniform(low, high, count), near, tiny[(tiny > low) & (tiny < high)]])
    found = found.astype(dtype)
    return found[(found >= low) & (found <= high)]


def ulps(name: str, x: Reals, found: Reals) -> float:
    """The largest error in units in the last place of the exact value."""
    exact = EXACT.get(name) or getattr(mpmath, name)
    smallest = np.finfo(x.dtype).smallest_subnormal
    digits = np.finfo(x.dtype).nmant
    worst = 0.0
    with mpmath.workdps(60):
        for argument, value in zip(x.tolist(), found.tolist()):
            wanted = exact(mpmath.mpf(argument))
            rounded = float(wanted) if x.dtype == np.float64 else float(np.float32(float(wanted)))
            if not math.isfinite(rounded):
                assert value == rounded, (name, argument)
                continue
            exponent = mpmath.frexp(wanted)[1] if wanted else -2000
            unit = max(mpmath.ldexp(1, exponent - digits - 1), mpmath.mpf(float(smallest)))
            worst = max(worst, float(abs(mpmath.mpf(value) - wanted) / unit))
    return worst


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_error_is_within_the_bound(name: str, dtype: str) -> None:
    x = points(name, dtype, 700)
    with np.errstate(all="ignore"):
        assert ulps(name, x, apply(name, x, 8)) <= FUNCTIONS[name][2]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_error_is_within_the_bound_at_many_points(name: str, dtype: str) -> None:
    x = points(name, dtype, 20_000)
    with np.errstate(all="ignore"):
        assert ulps(name, x, apply(name, x, 8)) <= FUNCTIONS[name][2]


INF, NAN = math.inf, math.nan
SPECIALS: dict[str, list[tuple[float, float]]] = {
    "exp": [(0.0, 1), (-0.0, 1), (INF, INF), (-INF, 0), (710.0, INF), (-746.0, 0)],
    "expm1": [(0.0, 0), (-0.0, -0.0), (INF, INF), (-INF, -1)],
    "log": [(1.0, 0), (0.0, -INF), (-0.0, -INF), (INF, INF), (-1.0, NAN), (-INF, NAN)],
    "log1p": [(0.0, 0), (-0.0, -0.0), (-1.0, -INF), (INF, INF), (-2.0, NAN)],
    "tanh": [(0.0, 0), (-0.0, -0.0), (INF, 1), (-INF, -1), (1000.0, 1), (-1000.0, -1)],
    "sigmoid": [(0.0, 0.5), (INF, 1), (-INF, 0), (1000.0, 1), (-1000.0, 0)],
    "softplus": [(INF, INF), (-INF, 0), (1000.0, 1000), (-1000.0, 0)],
    "sin": [(0.0, 0), (-0.0, -0.0), (INF, NAN), (-INF, NAN)],
    "cos": [(0.0, 1), (INF, NAN)],
    "erf": [(0.0, 0), (-0.0, -0.0), (INF, 1), (-INF, -1)],
    "erfc": [(0.0, 1), (INF, 0), (-INF, 2)],
    "normal_cdf": [(0.0, 0.5), (INF, 1), (-INF, 0)],
    "sinh": [(0.0, 0), (-0.0, -0.0), (INF, INF), (-INF, -INF)],
    "cosh": [(0.0, 1), (INF, INF), (-INF, INF)],
    "asin": [(0.0, 0), (2.0, NAN)],
    "acos": [(1.0, 0), (2.0, NAN)],
    "atan": [(0.0, 0), (-0.0, -0.0)],
    "acosh": [(1.0, 0), (0.5, NAN)],
    "atanh": [(0.0, 0), (1.0, INF), (-1.0, -INF), (2.0, NAN)],
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", SPECIALS)
def test_special_values_are_exact_and_nan_stays_nan(name: str, dtype: str) -> None:
    points, values = zip(*SPECIALS[name], strict=True)
    x = np.array([*points, NAN], dtype)
    found = apply(name, x, 4)
    expected = np.array([*values, NAN], dtype)
    np.testing.assert_array_equal(found, expected)
    assert (np.signbit(found[:-1]) == np.signbit(expected[:-1]))[~np.isnan(expected[:-1])].all()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", ["exp", "tanh", "sigmoid", "log", "sin", "erfc"])
def test_a_lane_has_the_same_bits_whatever_the_width(name: str, dtype: str) -> None:
    x = points(name, dtype, 50)[:101]
    reference = apply(name, x, 1)
    for width in (2, 8, 16):
        np.testing.assert_array_equal(apply(name, x, width), reference)


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9])
def test_nothing_beyond_the_end_is_written(length: int) -> None:
    x, out = np.ones(length + 8), np.full(length + 8, 5.0)
    elementwise(TABLE["exp"], "float64", 8)(x[:length], out[:length])
    assert (out[length:] == 5.0).all()
    assert out[:length] == pytest.approx(math.e)
