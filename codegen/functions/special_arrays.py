"""Special functions of NumPy arrays, by SciPy; in the complex step by their slopes."""

from __future__ import annotations

import operator
from functools import reduce
from typing import Any

import numpy as np

from codegen.functions.arrays import Array, Function, complex_array

BRANCH_POINT, ABOVE_IT = -0.36787944117144233, 1.2428753672788363e-17
"""The float nearest to −1/e, which counts as it, and how far −1/e lies above it."""
NEAR_BRANCH_POINT = (
    -1, 1, -1 / 3, 11 / 72, -43 / 540, 769 / 17280, -221 / 8505, 680863 / 43545600, -1963 / 204120,
    226287557 / 37623398400,
)  # fmt: skip
"""W as a power series in ±√(2·(e·x + 1)) (Corless, Gonnet, Hare, Jeffrey, Knuth 1996, equation 4.22)."""


def to_first_order(value: Function, *slopes: Function) -> Function:
    """A function of SciPy's with its slopes by its last arguments, which are all that the complex step uses.

    SciPy has no continuation of some, and loses the imaginary part in that of others. All functions are called as
    ``value(special, x, …)`` on real arrays.
    """

    def call(*arguments: Array) -> Any:
        from scipy import special  # 0.15 s to import, and few graphs need it

        at = [a.real for a in arguments]
        found = value(special, *at)
        if np.result_type(*arguments).kind != "c":
            return found
        moved = list(zip(arguments, [None] * (len(arguments) - len(slopes)) + list(slopes)))
        terms = [np.where(z.imag == 0, 0, z.imag * slope(special, *at)) for z, slope in moved if slope is not None]
        return complex_array(np.asarray(found), np.asarray(reduce(operator.add, terms)))

    return call


def loggamma(special: Any, x: Array) -> Any:
    """log Γ(x), nan for negative x; −log x where SciPy has inf already."""
    return np.where(x < 0, np.nan, np.where((x > 0) & (x < 1e-300), -np.log(x), special.gammaln(x)))


def polygamma(special: Any, n: Array, x: Array) -> Any:
    """ψ⁽ⁿ⁾(x); SciPy has −inf also where an even derivative changes its sign."""
    order = np.asarray(n, int)
    undefined = (x == np.floor(x)) & ((x < 0) & (order % 2 == 0) | (x == -np.inf))
    return np.where(undefined, np.nan, special.polygamma(order, x))


def bessel(letter: str, before: float, after: float) -> Function:
    """A Bessel function, whose slope is a combination of its neighbours."""

    def value(special: Any, order: Array, x: Array) -> Any:
        order, x = np.broadcast_arrays(order, x)
        found = getattr(special, f"{letter}v")(order, x)
        for whole in (0, 1):  # which are more accurate
            at = order == whole
            found = np.where(at, getattr(special, f"{letter}{whole}")(np.where(at, x, 1)), found) if at.any() else found
        if letter in "jy":  # which die away, where SciPy has nan
            found = np.where((np.abs(x) if letter == "j" else x) == np.inf, 0, found)
        half = x / 2
        if letter in "ji":  # SciPy has 0 or nan near 0
            return np.where((np.abs(x) < 1e-10) & (order != 0), half**order / special.gamma(order + 1), found)
        factor = 0.5 if letter == "k" else -1 / np.pi
        near = (x > 0) & (x < 1e-300) & (order > 0) & (order != np.floor(order))
        return np.where(near, factor * special.gamma(order) * half**-order, found)

    return to_first_order(value, lambda s, n, x: before * value(s, n - 1, x) + after * value(s, n + 1, x))


FAR = 1e9
"""Beyond, exp(−|x|)·Iₙ(x) is exp(−n²/(2·|x|)) of that of order 0 but for n²/(4x²); SciPy has nan from 1.1·10⁹ on."""


def scaled_bessel(special: Any, n: Array, x: Array) -> Any:
    """exp(−|x|)·Iₙ(x)."""
    size = np.abs(x)
    far = special.i0e(x) * np.exp(-n * (n / np.maximum(2 * size, 1))) * np.where((x < 0) & (n % 2 == 1), -1, 1)
    return np.where(size > FAR, far, special.ive(n, x))


def spherical_bessel(special: Any, n: Array | int, x: Array) -> Any:
    """jₙ(x); near 0, where SciPy has nan at subnormal numbers, the first term of its series."""
    order = int(n)
    return np.where(np.abs(x) < 1e-100, _first_term(order, x), special.spherical_jn(order, x))


def modified_spherical_bessel(special: Any, n: Array | int, x: Array) -> Any:
    """iₙ(x), likewise, and far out by a scaled function."""
    order, size = int(n), np.abs(x)
    scaled = np.sqrt(np.pi / 2 / size) * special.ive(order + 0.5, size)
    found = np.where(size == np.inf, np.inf, scaled * np.exp(size / 2) * np.exp(size / 2))
    signed = np.copysign(found, x) if order % 2 else found
    return np.where(size < 1e-10, _first_term(order, x), signed)


def _first_term(n: int, x: Array) -> Any:
    return x**n / float(np.prod(np.arange(1.0, 2 * n + 2, 2)))


def spherical_slope(value: Function, sign: int) -> Function:
    def slope(special: Any, n: Array, x: Array) -> Any:
        above = (n + 1) * value(special, n + 1, x)
        return ((n * value(special, n - 1, x) if n > 0 else 0) + sign * above) / (2 * n + 1)

    return slope


def lambert_w(branch: int) -> Function:
    """A branch of W; near −1/e, where SciPy loses half its digits, as a series in √(2·(e·x + 1))."""

    def value(scipy: Any, x: Array) -> Any:
        distance = np.maximum(x - BRANCH_POINT - ABOVE_IT, 0)
        root = np.sqrt(2 * np.e * distance) * (1 if branch == 0 else -1)
        series = np.polynomial.Polynomial(NEAR_BRANCH_POINT)(root)
        real = (x >= BRANCH_POINT) & ((branch == 0) | (x <= 0))
        found = np.where(np.abs(root) < 0.05, series, scipy.lambertw(x, branch).real)
        if branch and (tiny := (x < 0) & (x > -1e-300)).any():  # SciPy has −inf at subnormal numbers
            moved = np.log(np.where(tiny, -x, 1))
            found = np.where(tiny, reduce(lambda w, _: moved - np.log(np.maximum(-w, 1)), range(8), moved), found)
        return np.where(real, found, np.nan)

    return value


def slope_of_lambert_w(branch: int) -> Function:
    def slope(special: Any, x: Array) -> Any:
        w = lambert_w(branch)(special, x)
        return np.exp(-w) / (1 + w)

    return slope


def slope_of_erfcinv(special: Any, x: Array) -> Any:
    w = special.erfcinv(x)
    return -np.sqrt(np.pi) / 2 * np.where(x > 0, special.erfcx(w) / x, np.exp(w * w))


def airy(number: int) -> Function:
    """Ai, Ai', Bi or Bi', whose slopes are Ai', x·Ai, Bi' and x·Bi."""

    def slope(special: Any, x: Array) -> Any:
        return special.airy(x)[number + 1] if number % 2 == 0 else x * special.airy(x)[number - 1]

    return to_first_order(lambda s, x: s.airy(x)[number], slope)


def cosine_integral(name: str, slope: Function) -> Function:
    """Ci or Chi, the second of the two that SciPy has under one name; nan below 0."""
    return to_first_order(lambda s, x: np.where(x < 0, np.nan, getattr(s, name)(x)[1]), slope)


def density(special: Any, a: Array, x: Array) -> Any:
    return np.exp(special.xlogy(a - 1, x) - x - special.gammaln(a))


def _is_pole(x: Array) -> Any:
    return (x <= 0) & (x == np.floor(x))


def regular_digamma(special: Any, x: Array) -> Any:
    return special.digamma(np.where(_is_pole(x), 1 - x, x))


def crossing(special: Any, x: Array) -> Any:
    return np.where(_is_pole(x), np.cos(np.pi * x) * special.gamma(1 - x), 0)


def slope_of_reciprocal_gamma(special: Any, x: Array) -> Any:
    left = x < 0.5
    there = np.where(left, 1 - x, x)
    crossing = np.where(left, special.gamma(np.where(left, there, 1)) * np.cos(np.pi * x), 0)
    return crossing - special.rgamma(x) * special.digamma(there)


def beta_crossing(special: Any, a: Array, b: Array) -> Any:
    return np.where(_is_pole(a + b), special.gamma(a) * special.gamma(b) * crossing(special, a + b), 0)


def binomial(special: Any, n: Array, k: Array) -> Any:
    turned = _is_pole(n + 1) & (k >= 0) & (k == np.floor(k))
    return np.where(turned, np.cos(np.pi * k) * special.binom(k - n - 1, k), special.binom(n, k))


def binomial_crossing(special: Any, n: Array, k: Array) -> Any:
    below = n - k + 1
    size = np.cos(np.pi * below) * special.beta(n + 1, k - n)
    return np.where(_is_pole(below) & ~_is_pole(n + 1), size, 0)


def by_upper(special: Any, n: Array, k: Array) -> Any:
    return regular_digamma(special, n + 1) - regular_digamma(special, n - k + 1)


def by_lower(special: Any, n: Array, k: Array) -> Any:
    return regular_digamma(special, n - k + 1) - regular_digamma(special, k + 1)
