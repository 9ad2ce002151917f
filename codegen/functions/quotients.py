"""f(x)/xᵏ of functions that have a zero of that order at 0, sinh(x)/x and log(cosh(x))/x², with all their derivatives.

As they are written their derivatives are differences of what grows as 1/xⁿ, and have no digits near 0. Here the n-th
derivative of f(b·c)/bᵏ by b is cⁿ⁺ᵏ times that of the quotient, and by c it is that of f′(b·c)/bᵏ⁻¹: the family is
closed under differentiation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import sympy
from sympy import (
    Add,
    Expr,
    Integer,
    Rational,
    S,
    binomial,
    erf,
    factorial,
    ff,
    oo,
    pi,
    rf,
    sqrt,
)

from codegen.functions.exponentials import coefficient_of_log_cosh, exponential_over, log_cosh, log_cosh_intercept
from codegen.functions.kinks import absolute, held, select
from codegen.functions.primitive import Approximation
from codegen.functions.removable import Removable
from codegen.functions.series import derivative, horner
from codegen.functions.smooth import expm1, log1p, log_cosh_slope

__all__ = ["OVER_POWERS", "Quotient", "exp_remainder", "exprel", "sinh_over"]


class Quotient(Removable):
    """Of n, b, c the n-th derivative of f(b·c)/bᵏ by b, of n and x that of f(x)/xᵏ."""

    nargs = (2, 3)
    power: ClassVar[int] = 1
    """k"""
    dividend: ClassVar[Any]
    """f, in a form whose derivatives are stable."""
    slope: ClassVar[type[Quotient] | None] = None
    """f′(x)/xᵏ⁻¹, where k is more than 1."""
    limit: ClassVar[float] = 0
    """At ∞."""

    @staticmethod
    def exact(mp: Any, x: Any) -> Any:
        """f on mpmath numbers of the context ``mp``."""
        raise NotImplementedError

    @classmethod
    def of(cls, b: Expr, c: Expr) -> Expr:
        """f(b·c)/bᵏ."""
        return cls(0, b) if c == 1 else cls(0, b, c)

    @classmethod
    def elsewhere(cls, order: int, x: Expr) -> Expr:
        return _far(cls.dividend, cls.power, order, x)

    @classmethod
    def formula(cls, order: Expr, x: Expr, scale: Expr = S.One) -> Expr:
        return scale ** (order + cls.power) * super().formula(order, x * scale)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        order, x, *scales = self.args
        slope = self.func(order + 1, x, *scales) * x.diff(symbol)
        return slope + Add(*[self._by_scale() * c.diff(symbol) for c in scales])

    def _by_scale(self) -> Expr:
        order, x, c = self.args
        return self.slope(*self.args) if self.slope else c**order * derivative(self.dividend, int(order) + 1, x * c)

    @classmethod
    def value(cls, mp: Any, order: Any, x: Any, scale: Any = 1) -> Any:
        n, x = int(order), x * scale
        factor = scale ** (n + cls.power)
        if x != x:
            return x
        if mp.isinf(x):
            return factor * (cls.limit if not n else 0)
        if not x:
            first = not (n - cls.lowest) % cls.step
            return factor * (factorial(n) * cls.coefficient(n) if first else Integer(0))._to_mpmath(mp.prec)
        with mp.workprec(mp.prec + 32 + (n + cls.power + 4) * max(0, 2 - int(mp.mag(x)))):
            slopes = [mp.diff(lambda t: cls.exact(mp, t), x, j) for j in range(n + 1)]
            found = sum(_by_leibniz(slopes, cls.power, 1 / x), mp.mpf(0)) * factor
        return +found


def _by_leibniz(slopes: Sequence[Any], power: int, inverse: Any) -> list[Any]:
    """The terms of the n-th derivative of f(x)·x⁻ᵏ, of f and its n derivatives."""
    n = len(slopes) - 1
    factors = [(-1) ** j * int(ff(n, j) * rf(power, j) / factorial(j)) for j in range(n + 1)]
    return [factor * slope * inverse ** (power + j) for j, (factor, slope) in enumerate(zip(factors, reversed(slopes)))]


def _far(dividend: Callable[[Expr], Expr], power: int, order: int, x: Expr) -> Expr:
    """The n-th derivative of f(x)·x⁻ᵏ."""
    return Add(*_by_leibniz([derivative(dividend, j, x) for j in range(order + 1)], power, 1 / x))


class exprel(Quotient):  # noqa: N801 - functions keep their mathematical names
    """(exp(x) − 1)/x, 1 at 0; its n-th derivative is the mean of tⁿ·exp(x·t) over 0 ≤ t ≤ 1."""

    dividend = expm1

    @classmethod
    def elsewhere(cls, order: int, x: Expr) -> Expr:
        return exponential_over(Integer(order), x) - derivative(_inverse, order, x)

    @classmethod
    def coefficient(cls, k: int) -> Expr:
        return 1 / factorial(k + 1)

    @classmethod
    def value(cls, mp: Any, order: Any, x: Any, scale: Any = 1) -> Any:
        n, x = int(order), x * scale
        if x != x or mp.isinf(x):
            return x if not x < 0 else mp.mpf(0)
        with mp.workprec(mp.prec + 16):
            found = mp.hyp1f1(n + 1, n + 2, x) / (n + 1) * scale ** (n + 1)
        return +found


def _inverse(x: Expr) -> Expr:
    return 1 / x


class exp_remainder(Approximation):  # noqa: N801
    """exp(x) − 1 − x without cancellation near 0; its derivative is exp(x) − 1."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        near = held(x, Integer(1))
        return select(absolute(x) - 1, expm1(x) - x, near**2 * horner([1 / factorial(k) for k in range(2, 20)], near))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return expm1(self.args[0]) * self.args[0].diff(symbol)

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        if not x or not mp.isfinite(x):
            return mp.inf if mp.isinf(x) else x
        with mp.workprec(mp.prec + 16 + max(0, -int(mp.mag(x)))):
            found = mp.expm1(x) - x
        return +found


class exp_remainder_over_square(Quotient):  # noqa: N801
    """(exp(x) − 1 − x)/x²."""

    dividend, power, slope = exp_remainder, 2, exprel
    limit = oo

    @classmethod
    def elsewhere(cls, order: int, x: Expr) -> Expr:
        return _far(lambda a: expm1(a) - a, 2, order, x)

    @classmethod
    def coefficient(cls, k: int) -> Expr:
        return 1 / factorial(k + 2)

    @staticmethod
    def exact(mp: Any, x: Any) -> Any:
        return exp_remainder.value(mp, x)


class sinh_over(Quotient):  # noqa: N801
    """sinh(x)/x, in range up to 716."""

    dividend = sympy.sinh
    step = 2
    limit = oo

    @classmethod
    def elsewhere(cls, order: int, x: Expr) -> Expr:
        n = Integer(order)
        return (exponential_over(n, x) + (-1) ** n * exponential_over(n, -x)) / 2

    @classmethod
    def coefficient(cls, k: int) -> Expr:
        return 1 / factorial(k + 1)

    @staticmethod
    def exact(mp: Any, x: Any) -> Any:
        return mp.sinh(x)


class tanh_over(Quotient):  # noqa: N801
    """tanh(x)/x."""

    dividend = log_cosh_slope
    near, step = Rational(1, 2), 2

    @classmethod
    def coefficient(cls, k: int) -> Expr:
        return (k + 2) * coefficient_of_log_cosh(k + 2)

    @staticmethod
    def exact(mp: Any, x: Any) -> Any:
        return mp.tanh(x)


class sin_over(Quotient):  # noqa: N801
    """sin(x)/x."""

    dividend = sympy.sin
    step = 2

    @classmethod
    def coefficient(cls, k: int) -> Expr:
        return Integer(-1) ** (k // 2) / factorial(k + 1)

    @staticmethod
    def exact(mp: Any, x: Any) -> Any:
        return mp.sin(x)


class erf_over(Quotient):  # noqa: N801
    """erf(x)/x."""

    dividend = erf
    step = 2

    @classmethod
    def coefficient(cls, k: int) -> Expr:
        return 2 / sqrt(pi) * Integer(-1) ** (k // 2) / (factorial(k // 2) * (k + 1))

    @staticmethod
    def exact(mp: Any, x: Any) -> Any:
        return mp.erf(x)


class log1p_over(Quotient):  # noqa: N801
    """log(1 + x)/x."""

    dividend = log1p
    near, terms = Rational(1, 4), 32

    @classmethod
    def coefficient(cls, k: int) -> Expr:
        return Integer(-1) ** k / (k + 1)

    @staticmethod
    def exact(mp: Any, x: Any) -> Any:
        return mp.log1p(x)


class atan_over(Quotient):  # noqa: N801
    """atan(x)/x."""

    dividend = sympy.atan
    near, step, terms = Rational(1, 4), 2, 16

    @classmethod
    def coefficient(cls, k: int) -> Expr:
        return Integer(-1) ** (k // 2) / (k + 1)

    @staticmethod
    def exact(mp: Any, x: Any) -> Any:
        return mp.atan(x)


class tan_over(Quotient):  # noqa: N801
    """tan(x)/x."""

    dividend = sympy.tan
    near, step = Rational(1, 2), 2

    @classmethod
    def coefficient(cls, k: int) -> Expr:
        return Integer(-1) ** (k // 2) * tanh_over.coefficient(k)

    @staticmethod
    def exact(mp: Any, x: Any) -> Any:
        return mp.tan(x)


class atanh_over(Quotient):  # noqa: N801
    """atanh(x)/x."""

    dividend = sympy.atanh
    near, step, terms = Rational(1, 4), 2, 16

    @classmethod
    def coefficient(cls, k: int) -> Expr:
        return Integer(1) / (k + 1)

    @staticmethod
    def exact(mp: Any, x: Any) -> Any:
        return mp.atanh(x)


class asin_over(Quotient):  # noqa: N801
    """asin(x)/x."""

    dividend = sympy.asin
    near, step, terms = Rational(1, 4), 2, 16

    @classmethod
    def coefficient(cls, k: int) -> Expr:
        return Integer(-1) ** (k // 2) * asinh_over.coefficient(k)

    @staticmethod
    def exact(mp: Any, x: Any) -> Any:
        return mp.asin(x)


class asinh_over(Quotient):  # noqa: N801
    """asinh(x)/x."""

    dividend = sympy.asinh
    near, step, terms = Rational(1, 4), 2, 16

    @classmethod
    def coefficient(cls, k: int) -> Expr:
        return binomial(Rational(-1, 2), k // 2) / (k + 1)

    @staticmethod
    def exact(mp: Any, x: Any) -> Any:
        return mp.asinh(x)


class log_cosh_over(Quotient):  # noqa: N801
    """log(cosh(x))/x."""

    dividend = log_cosh
    near, lowest, step = Rational(1, 2), 1, 2
    limit = 1

    @classmethod
    def elsewhere(cls, order: int, x: Expr) -> Expr:
        # x·tanh(x) − log cosh(x) is log 2 far out.
        if order == 0:
            return log_cosh(x) / x
        return -_far(log_cosh_intercept, 2, order - 1, x)

    @classmethod
    def coefficient(cls, k: int) -> Expr:
        return coefficient_of_log_cosh(k + 1)

    @staticmethod
    def exact(mp: Any, x: Any) -> Any:
        return mp.log(mp.cosh(x))


class log_cosh_over_square(Quotient):  # noqa: N801
    """log(cosh(x))/x²."""

    dividend = log_cosh
    near, step = Rational(1, 2), 2
    power, slope = 2, tanh_over

    @classmethod
    def coefficient(cls, k: int) -> Expr:
        return coefficient_of_log_cosh(k + 2)

    @staticmethod
    def exact(mp: Any, x: Any) -> Any:
        return mp.log(mp.cosh(x))


OVER_POWERS: Mapping[type[Expr], tuple[type[Quotient], ...]] = {
    expm1: (exprel,),
    exp_remainder: (exp_remainder_over_square,),
    sympy.sinh: (sinh_over,),
    sympy.tanh: (tanh_over,),
    sympy.sin: (sin_over,),
    erf: (erf_over,),
    log1p: (log1p_over,),
    sympy.tan: (tan_over,),
    sympy.atan: (atan_over,),
    sympy.atanh: (atanh_over,),
    sympy.asin: (asin_over,),
    sympy.asinh: (asinh_over,),
    log_cosh: (log_cosh_over_square, log_cosh_over),
}
"""The highest power first."""
