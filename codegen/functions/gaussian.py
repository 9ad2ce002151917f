"""The family of the normal distribution, exact far out: its integral, the scaled complement, their logarithms."""

from __future__ import annotations

from functools import lru_cache, reduce
from typing import Any

import sympy
from sympy import Expr, Integer, Rational, exp, log, pi, rf, sqrt

from codegen.functions import arrays
from codegen.functions.kinks import absolute, select
from codegen.functions.operation import NAN, SMALL, Operation, Points
from codegen.functions.primitive import Approximation, Composite, Primitive
from codegen.functions.series import convolved, horner
from codegen.functions.smooth import log1p
from codegen.functions.special_arrays import slope_of_erfcinv, to_first_order


class normal_cdf(Primitive):  # noqa: N801
    """Φ(x) = erfc(−x/√2)/2, accurate in both tails, with Φ' = exp(−x²/2)/√(2π).

    SymPy turns erfc(−x) into 2 − erfc(x), which cancels for x < 0; hence a function of its own.
    """

    nargs = 1
    row = Operation(arrays.normal_cdf, step=True, points=Points())

    def fdiff(self, argindex: int = 1) -> Expr:
        return exp(-(self.args[0] ** 2) / 2) / sqrt(2 * pi)

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return mp.erfc(-x / mp.sqrt(2)) / 2


class erfcx(Primitive):  # noqa: N801
    """exp(x²)·erfc(x), which falls as 1/(x·√π) where both factors are out of range; its derivative is −erfcx·rate.

    Its reciprocal is Mills' ratio turned over: φ(x)/Φ(x) = √(2/π)/erfcx(−x/√2).
    """

    nargs = 1
    row = Operation(
        arrays.erfcx, written=lambda x: _written_erfcx(x), points=Points(special=(*SMALL, 1000.0, -20.0, *NAN))
    )

    def fdiff(self, argindex: int = 1) -> Expr:
        return -self * erfcx_rate(self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        if x < -FAR:
            return mp.inf  # beyond any float
        return 2 / (mp.sqrt(mp.pi) * (2 * x + _fraction(mp, x, 1))) if x > FAR else mp.exp(x * x) * mp.erfc(x)


class erfcx_rate(Primitive):  # noqa: N801
    """−d/dx log erfcx(x) = 2/(√π·erfcx(x)) − 2x, a difference that cancels for large x, where it is 1/x.

    It is √2·E[Z − u | Z > u] of a standard normal Z, u = √2·x: positive and falling.
    """

    nargs = 1
    row = Operation(arrays.erfcx_rate, written=lambda x: _written_rate(x), points=Points())

    def fdiff(self, argindex: int = 1) -> Expr:
        return -erfcx_curvature(self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return _fraction(mp, x, 1) if x > FAR else 2 / (mp.sqrt(mp.pi) * erfcx.value(mp, x)) - 2 * x


class erfcx_curvature(Primitive):  # noqa: N801
    """d²/dx² log erfcx(x) = 2 − rate·(2x + rate), which cancels for large x, where it is 1/x².

    It is 2·Var[Z | Z > u] of a standard normal Z, u = √2·x: between 2 and 0.
    """

    nargs = 1
    row = Operation(arrays.erfcx_curvature, written=lambda x: _written_curvature(x), points=Points())

    def fdiff(self, argindex: int = 1) -> Expr:
        return -erfcx_skew(self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        rate = erfcx_rate.value(mp, x)
        if x > FAR:
            return rate * (_fraction(mp, x, 2) - rate)
        if x < -FAR:
            return mp.mpf(2)  # to more digits than any that are asked for
        return 2 - 2 * rate / (mp.sqrt(mp.pi) * erfcx.value(mp, x))


FAR = 1000
"""Beyond, the oracle takes erfcx and its kin from their continued fraction."""


def _fraction(mp: Any, x: Any, first: int) -> Any:
    """2n/(2x + 2(n + 1)/(2x + …)) from n = first (Abramowitz, Stegun 1964, 7.1.14): four digits a term beyond FAR."""
    return reduce(lambda value, n: 2 * n / (2 * x + value), range(mp.dps // 4 + 8, first - 1, -1), mp.mpf(0))


TAIL = 2
"""Where exp(x²)·erfc(x) gives way to its continued fraction: before, it and its kin are within 10⁻¹³."""
FRACTION_TERMS = 50
"""Of the continued fraction: 3·10⁻¹⁶ at TAIL, and less beyond."""


def _written_fraction(x: Expr, first: int) -> Expr:
    """2n/(2x + 2(n + 1)/(2x + …)) from n = first, the rest of it as if it did not depend on n any more."""
    value = sqrt(x**2 + 2 * FRACTION_TERMS + 2) - x
    for n in range(FRACTION_TERMS, first - 1, -1):
        value = 2 * n / (2 * x + value)
    return value


def _written_erfc(x: Expr) -> Expr:
    return 2 * normal_cdf(-sqrt(2) * x)  # which SymPy does not turn into 2 − erfc(−x)


def _written_hazard(x: Expr) -> Expr:
    return 2 * exp(-(x**2)) / (sqrt(pi) * _written_erfc(x))


def _written_erfcx(x: Expr) -> Expr:
    far = 2 / (sqrt(pi) * (2 * x + _written_fraction(x, 1)))
    return select(x - TAIL, far, exp(x**2) * _written_erfc(x))


def _written_rate(x: Expr) -> Expr:
    return select(x - TAIL, _written_fraction(x, 1), _written_hazard(x) - 2 * x)


def _written_curvature(x: Expr) -> Expr:
    far, near = _written_fraction(x, 1), _written_hazard(x)
    return select(x - TAIL, far * (_written_fraction(x, 2) - far), 2 - near * (near - 2 * x))


class erfcinv(Primitive):  # noqa: N801
    """The w at which erfc(w) is x, without the cancellation of erfinv(1 − x) for a small x."""

    nargs = 1
    row = Operation(
        to_first_order(lambda s, x: s.erfcinv(x), slope_of_erfcinv),
        "special.erfcinv",
        "special.erfcinv",
        calls=("erfcinv",),
        points=Points((0.03, 0.4, 1.3, 1.96), (1e-17, 1.0, 3.0, -1.0, *NAN)),
    )

    def fdiff(self, argindex: int = 1) -> Expr:
        return erfcinv_slope(self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        if x == 0 or x == 2:
            return mp.inf if x == 0 else -mp.inf
        if not 0 < x < 2:
            return mp.nan
        with mp.workprec(mp.prec + 8 + max(0, -int(mp.mag(x)))):  # as many bits more as 1 − x loses
            found = mp.erfinv(1 - x)
        return +found


class erfc_pair(Composite):  # noqa: N801
    """erfc(x)·erfc(−x) = 1 − erf²(x), with derivative −4/√π·erf(x)·exp(−x²)."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return 4 * normal_cdf(sqrt(2) * x) * normal_cdf(-sqrt(2) * x)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        (x,) = self.args
        return -4 / sqrt(pi) * sympy.erf(x) * exp(-(x**2)) * x.diff(symbol)


class log_erfc_pair(Composite):  # noqa: N801
    """log(1 − erf²(x)) = log erfc(|x|) + log(1 + erf|x|), also where erf is ±1; log1p(−erf²(x)) where that is small."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        size = absolute(x)
        far = log_erfc(size) + log1p(sympy.erf(size))
        return select(size - Rational(1, 2), far, log1p(-(sympy.erf(x) ** 2)))


class inverse_erfcx(Composite):  # noqa: N801
    """1/erfcx(x), √π/2 times the hazard of the normal distribution, with derivative inverse_erfcx(x)·erfcx_rate(x)."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return 1 / erfcx(x)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return inverse_erfcx_slope(self.args[0]) * self.args[0].diff(symbol)


class inverse_erfcx_slope(Composite):  # noqa: N801
    """The derivative of 1/erfcx(x), between 0 and √π. Its own is a multiple of erfcx_skew, as erfcx_rate is one of
    1/erfcx(x) but for −2x."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return erfcx_rate(x) / erfcx(x)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return sqrt(pi) / 2 * erfcx_skew(self.args[0]) * self.args[0].diff(symbol)


class erfcx_skew(Approximation):  # noqa: N801
    """−d³/dx³ log erfcx(x) = 2/(√π·erfcx)·(rate² − curvature), which cancels for large x, where it is 2/x³.

    It is 2·√2·E[(Z − E[Z | Z > u])³ | Z > u] of a standard normal Z, u = √2·x: positive. From SKEW on it is the second
    derivative of the series that solves Riccati's equation for the rate, rate' = rate² + 2x·rate − 2.
    """

    nargs = 1
    row = Operation(points=Points())

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        slope = inverse_erfcx_slope(x)
        near = 2 / sqrt(pi) * (slope * erfcx_rate(x) - erfcx_curvature(x) / erfcx(x))
        return select(x - SKEW, _derivative_of_rate(2, x), near)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        (x,) = self.args
        rate, slope = erfcx_rate(x), inverse_erfcx_slope(x)
        near = slope * (rate**2 - 3 * erfcx_curvature(x)) + self / erfcx(x)
        return select(x - SKEW, _derivative_of_rate(3, x), 2 / sqrt(pi) * near) * x.diff(symbol)

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        rate = erfcx_rate.value(mp, x)
        if x > FAR:
            second, third, fourth = (_fraction(mp, x, n) for n in (2, 3, 4))
            bend = 4 * (6 / (2 * x + fourth) - 4 / (2 * x + third)) / ((2 * x + second) * (2 * x + third))
            return (2 * x + rate) * rate * bend
        if x < -FAR:
            return mp.mpf(0)  # below any float
        return 2 / (mp.sqrt(mp.pi) * erfcx.value(mp, x)) * (rate**2 - erfcx_curvature.value(mp, x))


SKEW, TERMS = 8, 24
"""From here on the series of the rate is taken, to so many terms: before, rate² − curvature keeps 13 digits."""


def _derivative_of_rate(order: int, x: Expr) -> Expr:
    inverse = 1 / x
    terms = [(-1) ** order * rf(2 * k + 1, order) * b for k, b in enumerate(_series_of_rate())]
    return inverse ** (order + 1) * horner(terms, inverse**2)


@lru_cache(maxsize=1)
def _series_of_rate() -> tuple[Expr, ...]:
    """The b of erfcx_rate(x) = b₀/x + b₁/x³ + …"""
    found: list[Expr] = [Integer(1)]
    for k in range(1, TERMS):
        found.append(-((2 * k - 1) * found[-1] + convolved(found)) / 2)
    return tuple(found)


class log_erfc(Composite):  # noqa: N801
    """log erfc(x) = log erfcx(x) − x², with derivative −2/(√π·erfcx(x)); log1p(−erf(x)) where that is small."""

    nargs = 1
    row = Operation(points=Points())

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return select(x - Rational(1, 2), log(erfcx(x)) - x**2, log1p(-sympy.erf(x)))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        (x,) = self.args
        return -2 / sqrt(pi) * inverse_erfcx(x) * x.diff(symbol)


class log_normal_cdf(Composite):  # noqa: N801
    """log Φ(x) = log(erfcx(−x/√2)/2) − x²/2, with derivative φ(x)/Φ(x); log1p(−Φ(−x)) where that is small."""

    nargs = 1
    row = Operation(points=Points())

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        tail = log(erfcx(-x / sqrt(2)) / 2) - x**2 / 2
        return select(-1 - x, tail, log1p(-normal_cdf(-x)))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        (x,) = self.args
        return sqrt(2 / pi) * inverse_erfcx(-x / sqrt(2)) * x.diff(symbol)


class erfcinv_slope(Composite):  # noqa: N801
    """−√π/2·exp(w²) of w = erfcinv(x), its derivative 2·w times its square.

    exp(w²) is erfcx(w)/x: the square would amplify the error of w, 1,400-fold at x = 1e-300.
    """

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        w = erfcinv(x)
        return -sqrt(pi) / 2 * select(x, erfcx(w) / x, exp(w**2))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        (x,) = self.args
        return 2 * erfcinv(x) * self**2 * x.diff(symbol)
