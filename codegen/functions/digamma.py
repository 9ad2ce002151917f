"""(ψ(x + h) − ψ(x))/h, to all digits however small h is and however large x: the slopes of Γ(x + h)/Γ(x) and of B."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sympy import Add, Dummy, Expr, Integer, Rational, bernoulli, gamma, log, loggamma, polygamma

from codegen.functions.kinks import maximum, minimum, select
from codegen.functions.primitive import Approximation, Composite
from codegen.functions.quotients import log1p_over
from codegen.functions.series import horner
from codegen.functions.smooth import log1p

__all__ = [
    "DIGAMMA",
    "STEPS",
    "digamma_difference",
    "digamma_quotient",
    "log_beta",
    "log_gamma",
    "slope_of_quotient",
    "stirling",
]

STEPS, TERMS = 10, 7
"""x is raised by so many, where the next terms of the asymptotic series are below 2·10⁻¹⁶."""
STIRLING = [bernoulli(2 * k) / (2 * k * (2 * k - 1)) for k in range(1, TERMS + 1)]
DIGAMMA = [bernoulli(2 * k) / (2 * k) for k in range(1, TERMS + 1)]
"""log Γ(a) − (a − ½)·log a + a − ½·log 2π and log a − ψ(a) − 1/(2a) in powers of 1/a² (Abramowitz, Stegun 1964)."""


class digamma_quotient(Approximation):  # noqa: N801 - functions keep their mathematical names
    """(ψ(x + h) − ψ(x))/h for x > 0 and x + h > 0, ψ′(x) at h = 0.

    Every term of ψ is divided by h as it stands: 1/x − 1/(x + h) is h·p·q of the reciprocals, the difference of two
    values of a polynomial in p² is p² − q² times another.
    """

    nargs = 2

    @classmethod
    def formula(cls, x: Expr, h: Expr) -> Expr:
        below = [1 / ((x + k) * (x + k + h)) for k in range(STEPS)]
        p, q = 1 / (x + STEPS), 1 / (x + STEPS + h)
        series = _divided([Integer(0), *DIGAMMA], p**2, q**2)
        return Add(*below, p * log1p_over(0, h * p), p * q * (Rational(1, 2) + (p + q) * series))

    @staticmethod
    def value(mp: Any, x: Any, h: Any) -> Any:
        if not (x > 0 and x + h > 0):
            return mp.nan
        if not h:
            return mp.psi(1, x)
        with mp.workprec(mp.prec + 16 + max(0, int(mp.mag(x)) - int(mp.mag(h)))):
            found = (mp.psi(0, x + h) - mp.psi(0, x)) / h
        return +found


def _divided(coefficients: Sequence[Expr], x: Expr, y: Expr) -> Expr:
    """(f(x) − f(y))/(x − y) of a polynomial, by Horner's scheme."""
    value = quotient = Integer(0)
    for c in reversed(coefficients):
        value, quotient = value * x + c, quotient * y + value
    return quotient


def slope_of_quotient(argument: int, *arguments: Expr) -> Expr:
    """The derivative of (ψ(x + h) − ψ(x))/h by x or h."""
    variables = [Dummy(real=True) for _ in arguments]
    slope = digamma_quotient(*variables).diff(variables[argument])
    return slope.xreplace(dict(zip(variables, arguments)))


class digamma_difference(Composite):  # noqa: N801
    """ψ(x + h) − ψ(x) for x > 0 and x + h > 0, with derivative ψ′(x + h) by h."""

    nargs = 2

    @classmethod
    def formula(cls, x: Expr, h: Expr) -> Expr:
        return h * digamma_quotient(x, h)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        x, h = self.args
        return h * slope_of_quotient(0, x, h) * x.diff(symbol) + polygamma(1, x + h) * h.diff(symbol)


class log_gamma(Composite):  # noqa: N801
    """log Γ(x) where Γ(x) is positive, for x > 0 where it is out of range too."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return select(x, loggamma(x), log(gamma(x)))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return polygamma(0, self.args[0]) * self.args[0].diff(symbol)


class log_beta(Approximation):  # noqa: N801
    """log B(a, b) for a, b > 0, by Stirling's formula for the larger one from STEPS on."""

    nargs = 2

    @classmethod
    def formula(cls, a: Expr, b: Expr) -> Expr:
        p, q = minimum(a, b), maximum(a, b)
        t = p + q
        large = loggamma(p) - p * log(q) + p - (t - Rational(1, 2)) * log1p(p / q) + stirling(q) - stirling(t)
        return select(q - STEPS, large, loggamma(a) + loggamma(b) - loggamma(a + b))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        a, b = self.args
        return -digamma_difference(a, b) * a.diff(symbol) - digamma_difference(b, a) * b.diff(symbol)

    @staticmethod
    def value(mp: Any, a: Any, b: Any) -> Any:
        return mp.loggamma(a) + mp.loggamma(b) - mp.loggamma(a + b)


def stirling(x: Expr) -> Expr:
    """What Stirling's formula lacks of log Γ(x)."""
    return horner(STIRLING, x**-2) / x
