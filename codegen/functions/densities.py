"""Products of gamma functions and powers whose factors are out of range far earlier than they are.

xᵃ⁻¹·exp(−x)/Γ(a) is taken by its saddle point (Loader 2000).

With b = a − 1 it is exp(−b·(t − log(1 + t)) − s(b))/√(2π·b) for t = (x − b)/b and s, what Stirling's formula lacks of
log Γ(b + 1): nothing is large and cancels, neither near x = b nor far from it. Densities on a simplex,
as beta and binomial ones are, are products of these.
"""

from __future__ import annotations

from typing import Any

from sympy import Add, Expr, Integer, Mul, Rational, exp, gamma, log, loggamma, pi, polygamma, sqrt

from codegen.functions.digamma import DIGAMMA, STEPS, digamma_difference, stirling
from codegen.functions.kinks import equal, minimum, select
from codegen.functions.primitive import Approximation, Composite
from codegen.functions.quotients import exp_remainder
from codegen.functions.series import horner
from codegen.functions.smooth import log1p

__all__ = [
    "by_logarithm",
    "exponential",
    "gamma_density",
    "log_dirichlet_density",
    "log_gamma_density",
    "log_gamma_ratio",
    "log_less_digamma",
    "plain_product",
]

DIGITS = 20
"""Of logarithms of numbers."""


def _by_size(a: Expr, large: Expr, small: Expr) -> Expr:
    """By the asymptotic series of Γ and ψ from where these have all digits."""
    if a.is_number:
        return large if a >= STEPS else small
    return select(a - STEPS, large, small)


def _log_of_ratio(x: Expr, b: Expr) -> Expr:
    """log(x/b), far below b as a difference: x has no digits in x − b, and x/b may be below any float."""
    return select(x - b / 8, log1p((x - b) / b), log(x) - log(b))


def _exponent(b: Expr, x: Expr) -> Expr:
    return -b * exp_remainder(_log_of_ratio(x, b)) - stirling(b)


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
    """The logarithm of xᵃ⁻¹·exp(−x)/Γ(a), of numbers a number."""

    nargs = 2

    @classmethod
    def eval(cls, a: Expr, x: Expr) -> Expr | None:
        return cls(a, x, evaluate=False).evalf(DIGITS) if a.is_Number and x.is_Number else None

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
        large = _log_of_ratio(x, a) + (Rational(1, 2) + horner(DIGAMMA, a**-2) / a) / a
        return _by_size(a, large, log(x) - polygamma(0, a))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        a, x = self.args
        return x.diff(symbol) / x - polygamma(1, a) * a.diff(symbol)

    @staticmethod
    def value(mp: Any, a: Any, x: Any) -> Any:
        return mp.log(x) - mp.digamma(a)


class log_dirichlet_density(Approximation):  # noqa: N801
    """log(Γ(n)·Π xᵢ^(aᵢ − 1)/Γ(aᵢ)) of a₁, x₁, a₂, x₂, … for n = Σ aᵢ and Σ xᵢ = 1: of two a beta density.

    With g(a, x) for xᵃ⁻¹·exp(−x)/Γ(a) and k arguments the density is nᵏ⁻¹·Π g(aᵢ, n·xᵢ)/g(n, n).
    """

    @classmethod
    def formula(cls, *arguments: Expr) -> Expr:
        shapes, places = arguments[::2], arguments[1::2]
        n = Add(*shapes)
        parts = [log_gamma_density(a, n * x) for a, x in zip(shapes, places)]
        return Add(*parts, -log_gamma_density(n, n), (len(shapes) - 1) * log(n))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        shapes, places = self.args[::2], self.args[1::2]
        n = Add(*shapes)
        by_place = [(a - 1) / x * x.diff(symbol) for a, x in zip(shapes, places)]
        by_shape = [
            (log_less_digamma(a, n * x) - log_less_digamma(n, n)) * a.diff(symbol) for a, x in zip(shapes, places)
        ]
        return Add(*by_place, *by_shape)

    @staticmethod
    def value(mp: Any, *arguments: Any) -> Any:
        shapes, places = arguments[::2], arguments[1::2]
        parts = [(a - 1) * mp.log(x) - mp.loggamma(a) for a, x in zip(shapes, places)]
        return mp.loggamma(sum(shapes)) + sum(parts)


class log_gamma_ratio(Approximation):  # noqa: N801
    """log(Γ(v + h)/Γ(v)) of v and h for v > 0 and v + h > 0, by Stirling's formula where both are from STEPS on."""

    nargs = 2

    @classmethod
    def formula(cls, v: Expr, h: Expr) -> Expr:
        u = v + h
        large = (u - Rational(1, 2)) * log1p(h / v) + h * log(v) - h + stirling(u) - stirling(v)
        return select(minimum(u, v) - STEPS, large, loggamma(u) - loggamma(v))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        v, h = self.args
        return digamma_difference(v, h) * v.diff(symbol) + polygamma(0, v + h) * h.diff(symbol)

    @staticmethod
    def value(mp: Any, v: Any, h: Any) -> Any:
        return mp.loggamma(v + h) - mp.loggamma(v)


class sum_of_logarithms(Composite):  # noqa: N801
    """A sum that is a vertex where it is an argument of ``exponential``."""

    @classmethod
    def formula(cls, *terms: Expr) -> Expr:
        return Add(*terms)


class exponential(Composite):  # noqa: N801
    """exp(x) of a sum of logarithms, of which SymPy's exp makes a product, whose factors are out of range."""

    nargs = 1

    @classmethod
    def formula(cls, x: Expr) -> Expr:
        return exp(x)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return self * self.args[0].diff(symbol)


class by_logarithm(Composite):  # noqa: N801
    """Of a condition, l and p: exp(l) where the condition is above 0, which is p as it stands elsewhere."""

    nargs = 3

    @classmethod
    def formula(cls, condition: Expr, logarithm: Expr, product: Expr) -> Expr:
        return select(condition, exponential(sum_of_logarithms(logarithm)), product)


class plain_product(Composite):  # noqa: N801
    """A product that is to stay as it is."""

    @classmethod
    def formula(cls, *factors: Expr) -> Expr:
        return Mul(*factors)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        before = self.args
        return Add(*[plain_product(*before[:n], f.diff(symbol), *before[n + 1 :]) for n, f in enumerate(before)])
