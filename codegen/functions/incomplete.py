"""Γ(a, x) of an order below 0 and Eₚ(x) of any: x^(1−p)·Γ(p, x), which recurrences lose far out."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from sympy import Add, Expr, Float, Integer, Mul, Rational, exp, expint, factorial, gamma, log, sqrt

from codegen.functions.gammas import regularised_lower_gamma, regularised_upper_gamma
from codegen.functions.kinks import equal, held, select
from codegen.functions.primitive import Approximation
from codegen.functions.series import horner
from codegen.functions.smooth import expm1

__all__ = ["generalised_exponential_integral", "incomplete_gamma", "upper_gamma"]

FAR, LEVELS = 2, 36
"""From where on the continued fraction is taken, and its levels: 2·10⁻¹⁴ at FAR for p = 2, and less beyond."""
TERMS = 26
"""Of the power series: the next one is 2²⁶/26! = 2·10⁻¹⁹ at FAR."""


class generalised_exponential_integral(Approximation):  # noqa: N801 - functions keep their mathematical names
    """Eₚ(x) = ∫₁^∞ exp(−x·t)/tᵖ dt for x > 0, of a number p from ½ on, with derivative −Eₚ₋₁(x).

    >>> generalised_exponential_integral(Rational(9, 4), "x").diff("x")
    -generalised_exponential_integral(5/4, x)
    """

    nargs = 2

    @classmethod
    def eval(cls, p: Expr, x: Expr) -> Expr | None:
        if p.is_integer:
            return expint(Integer(p), x)
        if p.is_number and p < Rational(1, 2):
            return x ** (p - 1) * incomplete_gamma(regularised_upper_gamma, 1 - p, x)
        return None

    @classmethod
    def formula(cls, p: Expr, x: Expr) -> Expr:
        p = Rational(p) if isinstance(p, Float) else p
        return select(x - FAR, _far(p, x), _near(p, x))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        p, x = self.args
        return -generalised_exponential_integral(p - 1, x) * x.diff(symbol)

    @staticmethod
    def value(mp: Any, p: Any, x: Any) -> Any:
        if not x > 0:
            return 1 / (p - 1) if x == 0 and p > 1 else mp.inf if x == 0 else mp.nan
        return mp.expint(p, x).real if mp.isfinite(x) else mp.mpf(0)


class upper_gamma(Approximation):  # noqa: N801
    """Γ(a, x) = xᵃ·E₁₋ₐ(x) for x > 0, of a number a < ½, with derivative −xᵃ⁻¹·exp(−x)."""

    nargs = 2

    @classmethod
    def formula(cls, a: Expr, x: Expr) -> Expr:
        return x**a * generalised_exponential_integral(1 - a, x)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        a, x = self.args
        return -(x ** (a - 1)) * exp(-x) * x.diff(symbol)

    @staticmethod
    def value(mp: Any, a: Any, x: Any) -> Any:
        return x**a * generalised_exponential_integral.value(mp, 1 - a, x) if x > 0 else mp.inf if x == 0 else mp.nan


def _far(p: Expr, x: Expr) -> Expr:
    """exp(−x)/(x + p − p/(x + p + 2 − 2·(p + 1)/(x + p + 4 − …))) (Abramowitz, Stegun 1964, 5.1.22 contracted).

    The rest of the fraction is taken as if its numbers did not change any more.
    """
    n = LEVELS + 1
    level, number = x + p + 2 * n, n * (n + p - 1)
    rest = 2 * number / (level + sqrt(level**2 - 4 * number))
    for n in range(LEVELS, 0, -1):
        rest = n * (n + p - 1) / (x + p + 2 * n - rest)
    return exp(-x) / (x + p - rest)


def _near(p: Expr, x: Expr) -> Expr:
    """Γ(1 − p)·xᵖ⁻¹ − Σ (−x)ᵏ/(k!·(k + 1 − p)), of which two terms are large where p is beside a whole number.

    With m next to p − 1 and ε = m + 1 − p they are (−x)ᵐ/m!·(g·x^(−ε) − 1)/ε, where g is 1 for ε = 0.
    """
    little = held(x, Integer(FAR))
    m = int((p - 1 + Rational(1, 2)) // 1)
    series = -horner(_coefficients(p, m), little)
    if m >= TERMS:
        return series
    offset = m + 1 - p
    factor, rest = _beside_pole(m, offset)
    positive = select(equal(x, 0), Integer(1), x) if m else x
    power = expm1(-offset * log(positive))
    return series + Rational((-1) ** m, factorial(m)) * little**m * (rest + factor / offset * power)


@lru_cache(maxsize=64)
def _coefficients(p: Expr, m: int) -> tuple[Expr, ...]:
    found = [(-1) ** k / (factorial(k) * (k + 1 - p)) if k != m else Integer(0) for k in range(TERMS)]
    return tuple(_number(c) for c in found)


@lru_cache(maxsize=64)
def _beside_pole(m: int, offset: Expr) -> tuple[Expr, Expr]:
    """g = (−1)ᵐ·m!·ε·Γ(ε − m) and (g − 1)/ε."""
    factor = gamma(1 + offset) / Mul(*[1 - offset / j for j in range(1, m + 1)])
    return _number(factor), _number(Add(factor, -1) / offset)


def _number(exact: Expr) -> Expr:
    return exact if exact.is_Rational and exact.q < 2**53 else exact.evalf(20)


def incomplete_gamma(regularised: type[regularised_lower_gamma], a: Expr, x: Expr) -> Expr:
    """Γ(a)·P(a, x) or Γ(a)·Q(a, x), which take a > 0. For a number a < 0 γ is (γ(a + 1, x) + xᵃ·exp(−x))/a.

    Γ is a difference then, of what is nearly equal far out, and has a form of its own.
    """
    if not (a.is_number and a.is_extended_real and a <= 0):
        return gamma(a) * regularised(a, x)
    if regularised is regularised_upper_gamma:
        return x ** Integer(a) * expint(1 - Integer(a), x) if a.is_integer else upper_gamma(a, x)
    return (incomplete_gamma(regularised, a + 1, x) + x**a * exp(-x)) / a
