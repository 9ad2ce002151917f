"""Functions that are 0/0 at 0 as they are written, with all their derivatives: f(n, x) is the n-th one.

Up to ``near`` they are their power series, which is differentiated term by term, beyond the formula that is written,
whose n-th derivative loses a digit or two for each order.
"""

from __future__ import annotations

from itertools import count, islice
from typing import ClassVar

from sympy import Expr, Integer, ff

from codegen.functions.kinks import absolute, held, select
from codegen.functions.primitive import Approximation
from codegen.functions.series import horner

__all__ = ["Removable"]


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
