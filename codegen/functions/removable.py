"""Functions that are 0/0 at 0 as they are written, with all their derivatives: f(n, x) is the n-th one.

Up to NEAR they are their power series, which is differentiated term by term, beyond the formula that is written, whose
n-th derivative loses a digit or less for each order.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from sympy import Dummy, Expr, Rational, bernoulli, factorial, ff

from codegen.functions import absolute, bose, select
from codegen.functions.exponentials import exponential_over
from codegen.functions.primitive import Approximation
from codegen.functions.series import horner

__all__ = ["Removable", "exprel", "x_over_expm1"]

NEAR, TERMS = 1, 24
"""Where the series ends, whose further terms are below 10⁻¹⁷ there."""


class Removable(Approximation):
    """The n-th derivative of a function that is given by a formula, but at 0, and by its power series about 0."""

    nargs = 2

    @classmethod
    def elsewhere(cls, x: Expr) -> Expr:
        """The function, not at 0."""
        raise NotImplementedError

    @classmethod
    def coefficient(cls, k: int) -> Expr:
        """The factor of xᵏ."""
        raise NotImplementedError

    @classmethod
    def formula(cls, order: Expr, x: Expr) -> Expr:
        a, far, near = _derivative(cls.elsewhere, cls.coefficient, int(order))
        return select(absolute(x) - NEAR, far.xreplace({a: x}), horner(near, x))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        order, x = self.args
        return self.func(order + 1, x) * x.diff(symbol)


@lru_cache(maxsize=64)
def _derivative(
    elsewhere: Callable[[Expr], Expr], coefficient: Callable[[int], Expr], n: int
) -> tuple[Dummy, Expr, tuple[Expr, ...]]:
    """A variable, the n-th derivative by it far from 0, and the coefficients of the one near 0."""
    x = Dummy(real=True)
    near = tuple(ff(k, n) * coefficient(k) for k in range(n, n + TERMS))
    return x, elsewhere(x).diff(x, n), near


class exprel(Removable):  # noqa: N801 - functions keep their mathematical names
    """(exp(x) − 1)/x, 1 at 0; its n-th derivative is the mean of tⁿ·exp(x·t) over 0 ≤ t ≤ 1."""

    @classmethod
    def elsewhere(cls, x: Expr) -> Expr:
        return exponential_over(0, x) - 1 / x

    @classmethod
    def coefficient(cls, k: int) -> Expr:
        return 1 / factorial(k + 1)

    @staticmethod
    def value(mp: Any, order: Any, x: Any) -> Any:
        if x != x:
            return x
        if mp.isinf(x):
            return mp.inf if x > 0 else mp.mpf(0)
        n = int(order)
        with mp.workprec(mp.prec + 16):
            found = mp.hyp1f1(n + 1, n + 2, x) / (n + 1)
        return +found


class x_over_expm1(Removable):  # noqa: N801
    """x/(exp(x) − 1), 1 at 0, the generating function of Bernoulli's numbers: Planck's law is x² times it."""

    @classmethod
    def elsewhere(cls, x: Expr) -> Expr:
        return x * bose(x)

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
