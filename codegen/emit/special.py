"""log Γ and the polygamma functions as Numba functions: generated modules that need them import this one.

SciPy has them as pointers into its libraries, which Numba cannot keep in a cache on disk; these are compiled into the
module that calls them. Γ itself is ``math.gamma``. Largest errors against mpmath at 50 digits, in units of 2⁻⁵², where
the value is a normal number (measured in ``tests/codegen/test_special.py``): loggamma 2 and ψ 2, relative to
max(1, |value|), x > 0; ψ⁽ⁿ⁾ for n from 1 to 4 and x > 0 4, relative to the value; for x < 0, where the reflection takes
the difference of two terms, 6, relative to the larger of |ψ⁽ⁿ⁾(x)| and |ψ⁽ⁿ⁾(1 − x)|, and of 1 for n = 0.

They are computed in float64 and rounded to the type of the argument.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import overload

ROOT, ROOT_LOW = 1.4616321449683622, 9.549995429965697e-17
"""The zero of ψ between 1 and 2 and what is missing from the float nearest to it."""
NEAR_ROOT = (
    0.9510558760318328, -0.4236274212814606, 0.24054248424078697, -0.14840492305388092, 0.09498872445289039,
    -0.06192213327548831, 0.040760833940846085, -0.026975796659787055, 0.017907248317313294, -0.011908220105959716,
    0.007927021796868154, -0.005279937255532708, 0.003518106563802472, -0.0023454947397380833, 0.0015633696313653504,
    -0.0010364584817312839, 0.0006909255761282986, -0.00048595039220036254, 0.00032395945401345196,
    -0.00014480643368061614, 9.653646261410062e-05, -0.0001782188548855923, 0.00011881232908510335,
)  # fmt: skip
"""ψ(x)/(x − root) on [1, 2] as a polynomial in x − 3/2 (``mpmath.chebyfit``, largest error 3.4e-18)."""
DIGAMMA_TAIL = (
    0.08333333333333333, -0.008333333333333333, 0.003968253968253968, -0.004166666666666667, 0.007575757575757576,
    -0.021092796092796094, 0.08333333333333333, -0.4432598039215686,
)  # fmt: skip
"""B₂ₖ/2k, of the asymptotic series of ψ."""
ZETA_TAIL = (
    0.08333333333333333, -0.001388888888888889, 3.306878306878307e-05, -8.267195767195768e-07, 2.08767569878681e-08,
    -5.284190138687493e-10, 1.3382536530684679e-11, -3.3896802963225827e-13, 8.586062056277845e-15,
    -2.174868698558062e-16,
)  # fmt: skip
"""B₂ₖ/(2k)!, of the Euler-Maclaurin series of the Hurwitz zeta function."""
ASYMPTOTIC = 10.0
"""Above, the asymptotic series has the full precision."""


def loggamma(x: float) -> float:
    """log Γ(x) for x ≥ 0; nan for x < 0, where SymPy's ``loggamma`` is complex. In jitted code only."""
    raise NotImplementedError("loggamma is for jitted code")


def polygamma(n: float, x: float) -> float:
    """ψ⁽ⁿ⁾(x), the n-th derivative of ψ = Γ'/Γ, for whole n ≥ 0 and any real x. In jitted code only."""
    raise NotImplementedError("polygamma is for jitted code")


@njit
def _loggamma(x: float) -> float:
    return math.nan if x < 0 else math.lgamma(x)


@njit
def _digamma(x: float) -> float:
    """ψ(x): near its zero a polynomial, far out a series, elsewhere by ψ(x + 1) = ψ(x) + 1/x."""
    if x == 0:
        return math.copysign(math.inf, -x)
    total = 0.0
    if x < 0:
        if x == math.floor(x):
            return math.nan
        total = -math.pi * _cotangent(x)
        x = 1 - x
    if x >= ASYMPTOTIC:
        inverse = 1 / x
        square, tail = inverse * inverse, 0.0
        for coefficient in DIGAMMA_TAIL[::-1]:
            tail = coefficient + square * tail
        return total + ((math.log(x) - 0.5 * inverse) - square * tail)
    if x < 1:
        total -= 1 / x
        x += 1
    while x > 2:
        x -= 1
        total += 1 / x
    ratio = 0.0
    for coefficient in NEAR_ROOT[::-1]:
        ratio = coefficient + (x - 1.5) * ratio
    return total + ((x - ROOT) - ROOT_LOW) * ratio


@njit
def _zeta(s: float, x: float) -> float:
    """Σₖ (x + k)^(−s) for x > 0, s ≥ 2: the first terms one by one, the rest by Euler-Maclaurin."""
    total: float = 0.0
    while x < ASYMPTOTIC + s:
        total += x**-s
        x += 1
    inverse = 1 / x
    term, tail = s * inverse * inverse, 0.0
    for k, coefficient in enumerate(ZETA_TAIL):
        tail += coefficient * term
        term *= (s + 2 * k + 1) * (s + 2 * k + 2) * inverse * inverse
    total += x ** (1 - s) * ((tail + 0.5 * inverse) + 1 / (s - 1))
    return total


@njit
def _cotangent(x: float) -> float:
    """cot πx, exact in its relative error where it is 0 too: x − ½ is exact there and π/2 is not."""
    x -= np.rint(x)
    if abs(x) <= 0.25:
        return 1 / math.tan(math.pi * x)
    return math.copysign(math.tan(math.pi * (0.5 - abs(x))), x)


@njit
def _cotangent_derivative(n: int, c: float) -> float:
    """The n-th derivative of cot, a polynomial in c = cot: P₀ = c, Pₙ₊₁ = −(1 + c²)·Pₙ'."""
    polynomial = np.zeros(n + 2)
    polynomial[1] = 1.0
    for degree in range(1, n + 1):
        slope = polynomial[1:] * np.arange(1, n + 2)
        polynomial[:] = 0
        polynomial[:degree] -= slope[:degree]
        polynomial[2 : degree + 2] -= slope[:degree]
    value = 0.0
    for coefficient in polynomial[::-1]:
        value = coefficient + c * value
    return value


@njit
def _polygamma(order: float, x: float) -> float:
    """(−1)ⁿ⁺¹·n!·ζ(n + 1, x) for n > 0 and x > 0, reflected for x < 0."""
    n = int(order)
    if n == 0:
        value: float = _digamma(x)
        return value
    odd = n % 2 == 1
    if x <= 0 and x == math.floor(x):
        if odd and x > -math.inf:
            return math.inf
        return -math.copysign(math.inf, x) if x == 0 else math.nan
    if x < 0:
        turned = math.pi ** (n + 1) * _cotangent_derivative(n, _cotangent(x))
        value = -math.gamma(n + 1.0) * _zeta(n + 1.0, 1 - x) - turned
    else:
        value = (1.0 if odd else -1.0) * math.gamma(n + 1.0) * _zeta(n + 1.0, x)
    return value


def _rounding(argument: Any) -> type[np.generic]:
    return np.float32 if argument == types.float32 else np.float64


@overload(loggamma, strict=False)
def _loggamma_of_type(x: Any) -> Callable[..., Any]:
    result = _rounding(x)
    return lambda x: result(_loggamma(np.float64(x)))


@overload(polygamma, strict=False)
def _polygamma_of_type(n: Any, x: Any) -> Callable[..., Any]:
    result = _rounding(x)
    return lambda n, x: result(_polygamma(np.float64(n), np.float64(x)))
