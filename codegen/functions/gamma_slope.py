"""∂P(a, x)/∂a of the regularised incomplete gamma function by quadrature: the numbers, and NumPy's form of it.

∂P/∂a is the integral of (s − ψ(a))·exp(a·s − eˢ)/Γ(a) over s = log t below log x, and minus that above: the mean of
s is ψ(a). On the side of x that has not the mean in it the integrand has one sign, so nothing cancels, in either tail:

    ∂P/∂a = −xᵃ·exp(−x)/Γ(a)·∫₀ᴸ (δ + |log x − ψ(a)|)·exp(−E(δ)) dδ,   E = x·φ(±δ) ± (x − a)·δ,   φ(δ) = exp(δ) − 1 − δ,

with + above and − below. L, where E is END, is bounded by steps that come down to it; Gauss and Legendre's rule of
NODES points has all digits there. Up to x = 1 the power series of P in x is differentiated instead.
"""

from __future__ import annotations

from math import factorial
from typing import Any

import numpy as np

from codegen.functions.arrays import Array

END = 40.0
"""exp(−END) of the integrand is left out."""
STEPS = 3
BEYOND = 1e150
"""Larger x count as infinite: their squares are."""
_POINTS, _PARTS = np.polynomial.legendre.leggauss(32)
NODES, WEIGHTS = tuple(map(float, (_POINTS + 1) / 2)), tuple(map(float, _PARTS / 2))
"""Of the rule on [0, 1]."""
SERIES = 18
"""Terms of the power series up to x = 1: the next is 10⁻¹⁷."""
LARGE = 10.0
"""From here on Γ(a) and ψ(a) are taken from their asymptotic series, apart from what cancels."""
STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156)
"""log Γ(a) − (a − ½)·log a + a − ½·log 2π in odd powers of 1/a (Abramowitz, Stegun 1964, 6.1.41)."""
DIGAMMA = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12)
"""log a − ψ(a) − 1/(2a) in even powers of 1/a (6.3.18)."""
PHI = tuple(1 / factorial(k) for k in range(2, 19))
"""φ(δ)/δ² as a power series, for |δ| ≤ 1."""


def slope_by_shape(special: Any, a: Array, x: Array) -> Any:
    """∂P(a, x)/∂a for a > 0 and x ≥ 0."""
    a, x = np.broadcast_arrays(a, x)
    inside = (a > 0) & (x >= 0)
    a, x = np.where(inside, a, np.nan), np.where(inside, x, np.nan)
    found = np.where(x <= 1, _near(special, a, np.minimum(x, 1)), _far(special, a, np.clip(x, 1, BEYOND)))
    return np.where((a > 0) & ((x == 0) | (x > BEYOND)), 0.0, found)


def _near(special: Any, a: Array, x: Array) -> Any:
    term, first, second = np.ones_like(x), np.zeros_like(x), np.zeros_like(x)
    for k in range(1, SERIES + 1):
        term = -term * x / k
        first, second = first + term / (a + k), second + term / (a + k) ** 2
    distance = np.log(x) - special.digamma(1 + a)
    return np.exp(a * np.log(x)) * special.rgamma(1 + a) * (distance * (1 + a * first) + first - a * second)


def _far(special: Any, a: Array, x: Array) -> Any:
    is_large = a >= LARGE
    small, large = np.where(is_large, 1, a), np.where(is_large, a, LARGE)
    # Far below a there are no digits of x in x − a.
    moved = np.where(x > large / 8, np.log1p((x - large) / large), np.log(x) - np.log(large))
    inverse = 1 / large
    square = inverse**2
    corrected = large * _phi(moved) + inverse * np.polynomial.Polynomial(STIRLING)(square)
    of_large = np.sqrt(large / (2 * np.pi)) * np.exp(-corrected)
    of_small = np.exp(small * np.log(x)) * np.exp(-x) * special.rgamma(small)
    beside = moved + inverse / 2 + square * np.polynomial.Polynomial(DIGAMMA)(square)
    distance = np.where(is_large, beside, np.log(x) - special.digamma(small))
    above = distance > 0
    sign = np.where(above, 1.0, -1.0)
    slope, far = sign * (x - a), np.abs(distance)
    end = np.where(above, _end_above(a, x, slope), _end_below(a, x, slope))
    total = sum(
        weight * (node * end + far) * np.exp(-x * _phi(sign * node * end) - slope * node * end)
        for node, weight in zip(NODES, WEIGHTS)
    )
    return -np.where(is_large, of_large, of_small) * end * total


def _end_above(a: Array, x: Array, slope: Array) -> Any:
    end = 2 * END / (slope + np.sqrt(slope**2 + 2 * END * x))
    for _ in range(STEPS):
        end = np.minimum(end, np.log1p((END + a * end) / x))
    return end


def _end_below(a: Array, x: Array, slope: Array) -> Any:
    short = 2 * END / (slope + np.sqrt(slope**2 + 4 * END / 3 * x))
    end = (END + x) / a
    for _ in range(STEPS):
        end = (END - x * np.expm1(-end)) / a
    return np.where(short <= 1, np.minimum(short, end), end)


def _phi(x: Array) -> Any:
    return np.where(np.abs(x) <= 1, x * x * np.polynomial.Polynomial(PHI)(x), np.exp(x) - 1 - x)
