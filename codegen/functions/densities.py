"""xᵃ⁻¹·exp(−x)/Γ(a), whose factors are out of range far earlier than it is, by its saddle point (Loader 2000).

With b = a − 1 it is exp(−b·(t − log(1 + t)) − s(b))/√(2π·b) for t = (x − b)/b and s, what Stirling's formula lacks of
log Γ(b + 1): nothing is large and cancels, neither near x = b nor far from it.
"""

from __future__ import annotations

from typing import Any

from sympy import Expr, Integer, Rational, exp, gamma, log, loggamma, pi, polygamma, sqrt

from codegen.functions.digamma import DIGAMMA, STEPS, stirling
from codegen.functions.kinks import equal, select
from codegen.functions.primitive import Approximation
from codegen.functions.quotients import exp_remainder
from codegen.functions.series import horner
from codegen.functions.smooth import log1p

__all__ = ["gamma_density", "log_gamma_density", "log_less_digamma"]


def _by_size(a: Expr, large: Expr, small: Expr) -> Expr:
    """By the asymptotic series of Γ and ψ from where these have all digits."""
    if a.is_number:
        return large if a >= STEPS else small
    return select(a - STEPS, large, small)


def _exponent(b: Expr, x: Expr) -> Expr:
    return -b * exp_remainder(log1p((x - b) / b)) - stirling(b)


class gamma_density(Approximation):  # noqa: N801 - functions keep their mathematical names
    """xᵃ⁻¹·exp(−x)/Γ(a) for a > 0 and x ≥ 0, by which P(a, x) grows; of k + 1 and λ the probability of k events."""

    nargs = 2

    @classmethod
    def eval(cls, a: Expr, x: Expr) -> Expr | None:
        return Integer(0) if isinstance(a, Integer) and a <= 0 else None

    @classmethod
    def formula(cls, a: Expr, x: Expr) -> Expr:
        b = a - 1
        return _by_size(a, exp(_exponent(b, x)) / sqrt(2 * pi * b), x**b * exp(-x) / gamma(a))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        a, x = self.args
        b = a - 1
        # Where x is small its powers are taken one by one: those of (b − x)/x cancel in the next derivative.
        by_x = select(x - b / 2, self * (b - x) / x, gamma_density(b, x) - self)
        return by_x * x.diff(symbol) + self.by_shape() * a.diff(symbol)

    def by_shape(self) -> Expr:
        """The derivative by a, 0 where the density is, at x = 0 too."""
        return select(equal(self, 0), Integer(0), self * log_less_digamma(*self.args))

    @staticmethod
    def value(mp: Any, a: Any, x: Any) -> Any:
        if not x:
            return mp.mpf(a == 1) if a >= 1 else mp.inf
        return mp.exp((a - 1) * mp.log(x) - x) * mp.rgamma(a) if x > 0 else mp.nan


class log_gamma_density(Approximation):  # noqa: N801
    """The logarithm of xᵃ⁻¹·exp(−x)/Γ(a)."""

    nargs = 2

    @classmethod
    def formula(cls, a: Expr, x: Expr) -> Expr:
        b = a - 1
        return _by_size(a, _exponent(b, x) - log(2 * pi * b) / 2, b * log(x) - x - loggamma(a))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        a, x = self.args
        return (a - 1 - x) / x * x.diff(symbol) + log_less_digamma(a, x) * a.diff(symbol)

    @staticmethod
    def value(mp: Any, a: Any, x: Any) -> Any:
        return (a - 1) * mp.log(x) - x - mp.loggamma(a)


class log_less_digamma(Approximation):  # noqa: N801
    """log(x) − ψ(a), which cancels for large a and x = a, where it is 1/(2a)."""

    nargs = 2

    @classmethod
    def formula(cls, a: Expr, x: Expr) -> Expr:
        large = log1p((x - a) / a) + (Rational(1, 2) + horner(DIGAMMA, a**-2) / a) / a
        return _by_size(a, large, log(x) - polygamma(0, a))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        a, x = self.args
        return x.diff(symbol) / x - polygamma(1, a) * a.diff(symbol)

    @staticmethod
    def value(mp: Any, a: Any, x: Any) -> Any:
        return mp.log(x) - mp.digamma(a)
