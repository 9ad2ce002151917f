"""Vector mathematics in jitted code of one's own: the same bits as from Python, for numbers and arrays alike."""

from __future__ import annotations

import doctest
from typing import Any

import mpmath
import numpy as np
import pytest
from numba import njit

from codegen import vectormath

EXACT = {
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "normal_cdf": mpmath.ncdf,
}
RANGES = {"log": (0.01, 9), "log1p": (-0.9, 9), "acosh": (1, 9), "asin": (-1, 1), "acos": (-1, 1), "atanh": (-0.9, 0.9)}


@pytest.mark.parametrize("name", ["exp", "erf", *(pytest.param(n, marks=pytest.mark.slow) for n in vectormath.NAMES)])
def test_a_function_is_as_near_as_it_says(name: str) -> None:
    x = np.linspace(*RANGES.get(name, (-6, 6)), 101)
    function = EXACT.get(name) or getattr(mpmath, name)
    with mpmath.workdps(40):
        exact = [function(mpmath.mpf(float(value))) for value in x]
        distance = [abs(mpmath.mpf(float(f)) - e) for f, e in zip(getattr(vectormath, name)(x), exact)]
    error = np.array(distance, float) / np.spacing(np.abs(np.array(exact, float)))
    assert error.max() <= vectormath.ULP[name]["float64"]


@pytest.mark.parametrize("name", ["softplus", *(pytest.param(n, marks=pytest.mark.slow) for n in vectormath.NAMES)])
def test_the_example_of_a_function_runs(name: str) -> None:
    function = getattr(vectormath, name)
    example = doctest.DocTestParser().get_doctest(function.__doc__, {name: function, "np": np}, name, None, 0)
    assert len(example.examples) == 1
    assert doctest.DocTestRunner().run(example).failed == 0


def test_jitted_code_and_python_give_the_same_bits_for_arrays_and_numbers() -> None:
    @njit
    def jitted(x: Any, single: Any, number: float, out: Any) -> Any:
        vectormath.exp(x, out)
        return vectormath.exp(x), vectormath.exp(x[::2]), vectormath.exp(single), vectormath.exp(number)

    x = np.random.default_rng(0).normal(size=(7, 5))
    out = np.empty_like(x)
    whole, half, single, number = jitted(x, x.astype(np.float32), float(x[3, 2]), out)
    np.testing.assert_array_equal(whole, vectormath.exp(x))
    np.testing.assert_array_equal(out, whole)
    np.testing.assert_array_equal(half, whole[::2])
    assert single.dtype == np.float32
    assert number == whole[3, 2] == vectormath.exp(float(x[3, 2]))
    assert vectormath.exp(1) == vectormath.exp(1.0)


def test_what_is_no_number_and_what_is_no_function_is_named() -> None:
    with pytest.raises(TypeError, match="exp: found complex128, expected float64, float32 or whole numbers"):
        vectormath.exp(1j)
    with pytest.raises(TypeError, match="out has to be an array of float64"):
        vectormath.exp(np.ones(3), out=np.ones(4))
    with pytest.raises(AttributeError, match="has no attribute 'gama'"):
        vectormath.gama  # noqa: B018


def test_jitted_code_may_be_the_first_to_ask_for_a_function() -> None:
    vars(vectormath).pop("cosh", None)
    vectormath._function.cache_clear()

    @njit
    def jitted(x: float) -> Any:
        return vectormath.cosh(x)

    assert jitted(1.0) == vectormath.cosh(1.0)
