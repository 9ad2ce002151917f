"""Modified Bessel functions that are divided by what makes them overflow: log I₀(x) is 797 where I₀(x) is out of range.

With r(x) = I_{ν+1}(x)/I_ν(x) everything follows from Riccati's equation r' = 1 − r² − (2ν + 1)·r/x (Watson 1922, 3.71),
whose power series in x and in 1/x are known to any number of terms. The order ν is a number: 0, 1, 2, … or ½, for which
r is Langevin's function coth(x) − 1/x and Γ(3/2)·√(2/x)·I_½(x) is sinh(x)/x.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar

from sympy import Expr, Integer, Rational, exp, factorial, log, pi, sqrt

from codegen.functions import absolute, coth, csch, expm1, select, sign
from codegen.functions.cylindrical import besseli, besselj, besselk, decayed_bessel, scaled_bessel
from codegen.functions.kinks import held
from codegen.functions.primitive import Approximation
from codegen.functions.series import convolved, horner

__all__ = [
    "bessel_ratio",
    "bessel_ratio_slope",
    "besseli_over_power",
    "besselj_over_power",
    "damped_bessel",
    "damped_besselk",
    "log_bessel",
    "log_besselk",
]

NEAR, TERMS_NEAR = Rational(1, 2), 13
"""Up to here the power series is taken: the next term is 10⁻¹⁷ of it."""
NEAR_QUOTIENT = 1
"""Up to here Iₙ(x)/xⁿ is taken from as many terms."""
FAR, TERMS_FAR = 24, 32
"""From FAR + ν² on the series in 1/x is taken for r': before, its formula keeps twelve digits."""

FAR_FOR_K = 20
"""The same for Kₙ, which falls: what is left of its second derivative's digits before is 4·10⁻¹³."""


class log_bessel(Approximation):  # noqa: N801 - functions keep their mathematical names
    """log(Γ(ν + 1)·(2/x)^ν·I_ν(x)), which is 0 at 0 and even, with derivative I_{ν+1}/I_ν: log I₀, log(sinh(x)/x)."""

    nargs = 2

    @classmethod
    def formula(cls, order: Expr, x: Expr) -> Expr:
        size, square = absolute(x), x**2
        near = square * horner([a / (2 * k + 2) for k, a in enumerate(_series_near(order))], square)
        if order.is_Integer:
            far = size + log(scaled_bessel(order, size)) + (log(factorial(order)) - order * log(size / 2))
        else:
            far = size + log(-expm1(-2 * size) / (2 * size))
        return select(size - NEAR, far, near)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        order, x = self.args
        return bessel_ratio(order, x) * x.diff(symbol)

    @staticmethod
    def value(mp: Any, order: Any, x: Any) -> Any:
        size = abs(x)
        if not size or not mp.isfinite(size):
            return size
        normalised = mp.log(decayed_bessel(mp, order, size)) + mp.log(mp.gamma(order + 1))
        return size + normalised + order * mp.log(2 / size)


class bessel_ratio(Approximation):  # noqa: N801
    """r(x) = I_{ν+1}(x)/I_ν(x), odd, from −1 to 1: the mean of a von Mises distribution, Langevin's function."""

    nargs = 2

    @classmethod
    def formula(cls, order: Expr, x: Expr) -> Expr:
        near = x * horner(_series_near(order), x**2)
        if order.is_Integer:
            return select(absolute(x) - NEAR, scaled_bessel(order + 1, x) / scaled_bessel(order, x), near)
        return select(absolute(x) - NEAR, coth(x) - 1 / x, near)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        order, x = self.args
        return bessel_ratio_slope(order, x) * x.diff(symbol)

    @staticmethod
    def value(mp: Any, order: Any, x: Any) -> Any:
        if not x or x != x:
            return x
        if mp.isinf(x):
            return mp.sign(x)
        return mp.sign(x) * decayed_bessel(mp, order + 1, abs(x)) / decayed_bessel(mp, order, abs(x))


class bessel_ratio_slope(Approximation):  # noqa: N801
    """r'(x) = 1 − r² − (2ν + 1)·r/x, which cancels far out, where it is (ν + ½)/x², and near 0."""

    nargs = 2

    @classmethod
    def formula(cls, order: Expr, x: Expr) -> Expr:
        near = horner([(2 * k + 1) * a for k, a in enumerate(_series_near(order))], x**2)
        if not order.is_Integer:
            return select(absolute(x) - NEAR, 1 / x**2 - csch(x) ** 2, near)
        inverse, ratio = 1 / absolute(x), bessel_ratio(order, x)
        far = inverse**2 * horner([-k * b for k, b in enumerate(_series_far(order))][1:], inverse)
        return _by_size(order, x, far, 1 - ratio**2 - (2 * order + 1) * ratio / x, near)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        order, x = self.args
        if not order.is_Integer:
            return super()._eval_derivative(symbol)
        # As the formula would give it, without the derivatives of nested polynomials.
        near = x * horner([2 * k * (2 * k + 1) * a for k, a in enumerate(_series_near(order))][1:], x**2)
        inverse, ratio = 1 / absolute(x), bessel_ratio(order, x)
        far = sign(x) * inverse**3 * horner([k * (k + 1) * b for k, b in enumerate(_series_far(order))][1:], inverse)
        between = -2 * ratio * self - (2 * order + 1) * (self / x - ratio / x**2)
        return _by_size(order, x, far, between, near) * x.diff(symbol)

    @staticmethod
    def value(mp: Any, order: Any, x: Any) -> Any:
        if not x:
            return 1 / (2 * order + 2)
        if mp.isinf(x):
            return mp.mpf(0)
        ratio = bessel_ratio.value(mp, order, x)
        return 1 - ratio**2 - (2 * order + 1) * ratio / x


class bessel_gap(Approximation):  # noqa: N801
    """1 − I_{ν+1}(x)/I_ν(x) of a whole ν, which cancels far out, where it is (ν + ½)/x."""

    nargs = 2

    @classmethod
    def formula(cls, order: Expr, x: Expr) -> Expr:
        inverse = 1 / x
        far = inverse * horner([-b for b in _series_far(order)][1:], inverse)
        return select(x - FAR - order**2, far, 1 - bessel_ratio(order, x))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return -bessel_ratio_slope(*self.args) * self.args[1].diff(symbol)

    @staticmethod
    def value(mp: Any, order: Any, x: Any) -> Any:
        with mp.workprec(mp.prec + 16 + (max(0, int(mp.mag(x))) if x and mp.isfinite(x) else 0)):
            found = 1 - bessel_ratio.value(mp, order, x)
        return +found


class damped_bessel(Approximation):  # noqa: N801
    """exp(−x)·Iₙ(x), which falls as 1/√(2π·x); its derivative is −exp(−x)·Iₙ(x)·(1 − I_{n+1}/Iₙ − n/x)."""

    nargs = 2

    @classmethod
    def formula(cls, order: Expr, x: Expr) -> Expr:
        return exp(absolute(x) - x) * scaled_bessel(order, x)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        n, x = self.args
        slope = -self * bessel_gap(n, x)
        if n:
            near = (damped_bessel(n - 1, x) + damped_bessel(n + 1, x)) / 2 - self
            slope = select(absolute(x) - 1, slope + self * n / x, near)
        return slope * x.diff(symbol)

    @staticmethod
    def value(mp: Any, order: Any, x: Any) -> Any:
        return mp.exp(abs(x) - x) * scaled_bessel.value(mp, order, x)


class log_besselk(Approximation):  # noqa: N801
    """log Kₙ(x) of a whole n for x > 0, also where Kₙ vanishes, with derivative −besselk_rate(n, x)."""

    nargs = 2

    @classmethod
    def formula(cls, order: Expr, x: Expr) -> Expr:
        far = log(pi / 2) / 2 - log(x) / 2 - x + _log_rest_of_k(order, x)
        return select(x - FAR_FOR_K - order**2, far, log(besselk(order, x)))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return -besselk_rate(*self.args) * self.args[1].diff(symbol)

    @staticmethod
    def value(mp: Any, order: Any, x: Any) -> Any:
        return mp.log(besselk.value(mp, order, x))


class damped_besselk(Approximation):  # noqa: N801
    """exp(x)·Kₙ(x) of a whole n for x > 0, which falls as √(π/(2x)); its derivative is that times 1 + Kₙ'/Kₙ."""

    nargs = 2

    @classmethod
    def formula(cls, order: Expr, x: Expr) -> Expr:
        far = exp(_log_rest_of_k(order, x)) * sqrt(pi / 2) / sqrt(x)
        return select(x - FAR_FOR_K - order**2, far, exp(x) * besselk(order, x))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return -self * besselk_excess(*self.args) * self.args[1].diff(symbol)

    @staticmethod
    def value(mp: Any, order: Any, x: Any) -> Any:
        return mp.exp(x) * besselk.value(mp, order, x)


class besselk_excess(Approximation):  # noqa: N801
    """−Kₙ'(x)/Kₙ(x) − 1, which is 1/(2x) far out."""

    nargs = 2

    @classmethod
    def formula(cls, order: Expr, x: Expr) -> Expr:
        far = horner(_series_of_rate(order)[1:], 1 / x) / x
        return select(x - FAR_FOR_K - order**2, far, besselk_rate(order, x) - 1)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return besselk_rate_slope(*self.args) * self.args[1].diff(symbol)

    @staticmethod
    def value(mp: Any, order: Any, x: Any) -> Any:
        with mp.workprec(mp.prec + 16 + (max(0, int(mp.mag(x))) if x and mp.isfinite(x) else 0)):
            found = besselk_rate.value(mp, order, x) - 1
        return +found


class besselk_rate(Approximation):  # noqa: N801
    """q(x) = −Kₙ'(x)/Kₙ(x), with q' = q² − q/x − 1 − n²/x²."""

    nargs = 2

    @classmethod
    def formula(cls, order: Expr, x: Expr) -> Expr:
        near = besselk(order - 1, x) / besselk(order, x) + order / x
        return select(x - FAR_FOR_K - order**2, horner(_series_of_rate(order), 1 / x), near)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return besselk_rate_slope(*self.args) * self.args[1].diff(symbol)

    @staticmethod
    def value(mp: Any, order: Any, x: Any) -> Any:
        return besselk.value(mp, abs(order - 1), x) / besselk.value(mp, order, x) + order / x


class besselk_rate_slope(Approximation):  # noqa: N801
    """q' = q² − q/x − 1 − n²/x², which cancels far out, where it is −1/(2x²)."""

    nargs = 2

    @classmethod
    def formula(cls, order: Expr, x: Expr) -> Expr:
        inverse, rate = 1 / x, besselk_rate(order, x)
        far = inverse**2 * horner([-k * c for k, c in enumerate(_series_of_rate(order))][1:], inverse)
        near = rate**2 - rate / x - 1 - (order / x) ** 2
        return select(x - FAR_FOR_K - order**2, far, near)

    @staticmethod
    def value(mp: Any, order: Any, x: Any) -> Any:
        with mp.workprec(mp.prec + 16 + 2 * abs(int(mp.mag(x))) if x and mp.isfinite(x) else mp.prec):
            rate = besselk_rate.value(mp, order, x)
            found = rate**2 - rate / x - 1 - (order / x) ** 2
        return +found


class besselj_over_power(Approximation):  # noqa: N801
    """Jₙ(x)/xⁿ of a whole n, with derivative −x·Jₙ₊₁(x)/xⁿ⁺¹, which does not cancel beside 0 (Watson 1922, 3.2)."""

    nargs = 2
    function: ClassVar[type[Expr]] = besselj
    sense: ClassVar[int] = -1

    @classmethod
    def formula(cls, order: Expr, x: Expr) -> Expr:
        first = 1 / (Integer(2) ** order * factorial(order))
        terms = [Integer(1)]
        for k in range(1, TERMS_NEAR):
            terms.append(terms[-1] * Rational(cls.sense, 4 * k * (order + k)))
        near = first * horner(terms, held(x, Integer(NEAR_QUOTIENT)) ** 2)
        return select(absolute(x) - NEAR_QUOTIENT, cls.function(order, x) / x**order, near)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        order, x = self.args
        return self.sense * x * self.func(order + 1, x) * x.diff(symbol)

    @classmethod
    def value(cls, mp: Any, order: Any, x: Any) -> Any:
        return cls.function.value(mp, order, x) / x**order if x else 1 / (mp.mpf(2) ** order * mp.factorial(order))


class besseli_over_power(besselj_over_power):  # noqa: N801
    """Iₙ(x)/xⁿ of a whole n, with derivative x·Iₙ₊₁(x)/xⁿ⁺¹."""

    function = besseli
    sense = 1


def _by_size(order: Expr, x: Expr, far: Expr, between: Expr, near: Expr) -> Expr:
    return select(absolute(x) - FAR - order**2, far, select(absolute(x) - NEAR, between, near))


def _log_rest_of_k(order: Expr, x: Expr) -> Expr:
    """log(√(2x/π)·exp(x)·Kₙ(x)) far out."""
    c, inverse = _series_of_rate(order), 1 / x
    return inverse * horner([c[k] / (k - 1) for k in range(2, len(c))], inverse)


@lru_cache(maxsize=64)
def _series_near(order: Expr) -> tuple[Expr, ...]:
    """The a of r(x) = a₀·x + a₁·x³ + …"""
    found = [1 / (2 * order + 2)]
    for k in range(1, TERMS_NEAR):
        found.append(-convolved(found) / (2 * (k + order + 1)))
    return tuple(found)


@lru_cache(maxsize=64)
def _series_far(order: Expr) -> tuple[Expr, ...]:
    """The b of r(x) = 1 + b₁/x + b₂/x² + …"""
    found: list[Expr] = [Integer(1)]
    for k in range(1, TERMS_FAR):
        found.append(((k - 2 - 2 * order) * found[-1] - convolved(found[1:])) / 2)
    return tuple(found)


@lru_cache(maxsize=64)
def _series_of_rate(order: Expr) -> tuple[Expr, ...]:
    """The c of q(x) = 1 + c₁/x + c₂/x² + …"""
    found: list[Expr] = [Integer(1)]
    for m in range(1, TERMS_FAR):
        found.append(((2 - m) * found[-1] - convolved(found[1:]) + (order**2 if m == 2 else 0)) / 2)
    return tuple(found)
