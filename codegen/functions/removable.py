"""Functions that are 0/0 at 0 as they are written, with all their derivatives: f(n, x) is the n-th one.

Up to ``near`` they are their power series, which is differentiated term by term, beyond the formula that is written,
whose n-th derivative loses a digit or two for each order.
"""

from __future__ import annotations

from itertools import count, islice
from typing import Any, ClassVar

from sympy import Expr, Integer, Rational, bernoulli, factorial, ff

from codegen.functions.formulas import bose, coth
from codegen.functions.kinks import absolute, held, select
from codegen.functions.primitive import Approximation
from codegen.functions.series import derivative, horner

__all__ = ["Removable", "x_over_expm1", "x_over_tanh"]


class Removable(Approximation):
    """The n-th derivative of a function that is given by a formula, but at 0, and by its power series about 0."""

    nargs: ClassVar[int | tuple[int, ...]] = 2
    near: ClassVar[Expr] = Integer(1)
    terms: ClassVar[int] = 24
    """Where the series ends, and how many terms it has: further ones are below 10⁻¹⁷ there."""
    lowest: ClassVar[int] = 0
    step: ClassVar[int] = 1
    """The first power in the series, and from one to the next."""

    @classmethod
    def elsewhere(cls, order: int, x: Expr) -> Expr:
        """The n-th derivative, not at 0."""
        raise NotImplementedError

    @classmethod
    def coefficient(cls, k: int) -> Expr:
        """The factor of xᵏ."""
        raise NotImplementedError

    @classmethod
    def formula(cls, order: Expr, x: Expr) -> Expr:
        n, little = int(order), held(x, cls.near)
        first, coefficients = _series(cls, n)
        near = little ** (first - n) * horner(coefficients, little**cls.step)
        return select(absolute(x) - cls.near, cls.elsewhere(n, x), near)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        order, x = self.args
        return self.func(order + 1, x) * x.diff(symbol)


def _series(function: type[Removable], n: int) -> tuple[int, tuple[Expr, ...]]:
    """The first power of the series that n derivatives leave something of, and what is left of the coefficients."""
    first = next(k for k in count(function.lowest, function.step) if k >= n)
    powers = islice(count(first, function.step), function.terms)
    return first, tuple(ff(k, n) * function.coefficient(k) for k in powers)


class x_over_expm1(Removable):  # noqa: N801
    """x/(exp(x) − 1), 1 at 0, the generating function of Bernoulli's numbers: Planck's law is x² times it."""

    @classmethod
    def elsewhere(cls, order: int, x: Expr) -> Expr:
        return derivative(_planck, order, x)

    @classmethod
    def coefficient(cls, k: int) -> Expr:
        return Rational(-1, 2) if k == 1 else bernoulli(k) / factorial(k)

    @staticmethod
    def value(mp: Any, order: Any, x: Any) -> Any:
        n = int(order)
        if x != x:
            return x
        if not x:
            return mp.mpf(1) if not n else -mp.mpf(1) / 2 if n == 1 else mp.bernoulli(n)
        if mp.isinf(x):
            return mp.mpf(0) if x > 0 else (mp.inf, mp.mpf(-1), mp.mpf(0))[min(n, 2)]
        # x·b + n·b' for b = bose(x), whose derivatives b·(1 + b)·Q(b) are as large as 1/xⁿ⁺¹.
        with mp.workprec(mp.prec + 16 + (n + 2) * max(0, 2 - int(mp.mag(x)))):
            b, above = 1 / mp.expm1(x), -1 / mp.expm1(-x)
            found = x * _bose_derivative(n, b, above) + (n * _bose_derivative(n - 1, b, above) if n else 0)
        return +found


def _bose_derivative(order: int, b: Any, above: Any) -> Any:
    """The n-th derivative of b = 1/(exp(x) − 1), b·(1 + b)·Qₙ(b) with 1 + b = above: b' = −b·(1 + b)."""
    if order == 0:
        return b
    q = [-1]
    for _ in range(order - 1):
        # (b + b²)·Q becomes −((1 + 2b)·Q + (b + b²)·Q')·(b + b²).
        q = [-((k + 1) * c + (k + 1) * d) for k, (c, d) in enumerate(zip([*q, 0], [0, *q]))]
    return b * above * sum(c * b**k for k, c in enumerate(q))


def _planck(x: Expr) -> Expr:
    return x * bose(x)


class x_over_tanh(Removable):  # noqa: N801
    """x/tanh(x), 1 at 0, which is x + 2x/(exp(2x) − 1)."""

    step = 2

    @classmethod
    def elsewhere(cls, order: int, x: Expr) -> Expr:
        return derivative(_langevin, order, x)

    @classmethod
    def coefficient(cls, k: int) -> Expr:
        return Integer(2) ** k * bernoulli(k) / factorial(k)

    @staticmethod
    def value(mp: Any, order: Any, x: Any) -> Any:
        n, size = int(order), abs(x)
        if x != x:
            return x
        if not x:
            return 2**n * mp.bernoulli(n) if n % 2 == 0 else mp.mpf(0)
        with mp.workprec(mp.prec + 16 + (2 * max(0, 2 - int(mp.mag(size))) if mp.isfinite(x) else 0)):
            found = 2**n * x_over_expm1.value(mp, order, 2 * size) + (size if n == 0 else n == 1)
        return found if x > 0 or n % 2 == 0 else -found


def _langevin(x: Expr) -> Expr:
    return x * coth(x)
