"""f(x + d) − f(x) of roots, logarithms and reciprocals, of which nothing is left where d is small beside x.

Their derivatives by d are f′(x + d), and by x the same differences of f′.
"""

from __future__ import annotations

from sympy import Add, Expr, Integer, Rational, log, sqrt

from codegen.functions.kinks import absolute, select
from codegen.functions.primitive import Composite
from codegen.functions.smooth import log1p, ratio

__all__ = ["log_difference", "reciprocal_difference", "root_difference"]


class CloseDifference(Composite):
    """f(x + d) − f(x) of x and d."""

    nargs = 2

    def _eval_derivative(self, symbol: Expr) -> Expr:
        x, d = self.args
        return self.by_place(x, d) * x.diff(symbol) + self.slope(x + d) * d.diff(symbol)

    @classmethod
    def slope(cls, x: Expr) -> Expr:
        """f′"""
        raise NotImplementedError

    @classmethod
    def by_place(cls, x: Expr, d: Expr) -> Expr:
        """f′(x + d) − f′(x)"""
        raise NotImplementedError


class log_difference(CloseDifference):  # noqa: N801 - functions keep their mathematical names
    """log(x + d) − log(x), by log(1 + d/x) where d is small beside x.

    >>> log_difference("x", "d").diff("d"), log_difference(1e10, 1).evalf(8)
    (1/(d + x), 1.0000000e-10)
    """

    @classmethod
    def formula(cls, x: Expr, d: Expr) -> Expr:
        return select(x - 2 * (abs(d) if d.is_number else absolute(d)), log1p(d / x), log(x + d) - log(x))

    @classmethod
    def slope(cls, x: Expr) -> Expr:
        return 1 / x

    @classmethod
    def by_place(cls, x: Expr, d: Expr) -> Expr:
        return reciprocal_difference(Integer(1), x, d)


class reciprocal_difference(Composite):  # noqa: N801
    """1/(x + d)ⁿ − 1/xⁿ of a whole n, x and d: −d/(x + d)/x times what is left of the powers.

    >>> reciprocal_difference(1, "x", "d").diff("d"), reciprocal_difference(1, 1e10, 1).evalf(8)
    (-1/(d + x)**2, -1.0000000e-20)
    """

    nargs = 3

    @classmethod
    def formula(cls, n: Expr, x: Expr, d: Expr) -> Expr:
        # Divided twice, of a d that varies: the product of x and x + d is out of range earlier.
        u = x + d
        share = d / u if d.is_number else select(absolute(u), ratio(d, u), d / u)
        return -share / x * Add(*[u**-k * x ** (k + 1 - n) for k in range(int(n))])

    def _eval_derivative(self, symbol: Expr) -> Expr:
        n, x, d = self.args
        by_place = -n * reciprocal_difference(n + 1, x, d)
        return by_place * x.diff(symbol) - n / (x + d) ** (n + 1) * d.diff(symbol)


class root_difference(CloseDifference):  # noqa: N801
    """√(x + d) − √x = d/(√(x + d) + √x).

    >>> root_difference("x", "d").diff("d"), root_difference(1e10, 1).evalf(8)
    (1/(2*sqrt(d + x)), 5.0000000e-6)
    """

    @classmethod
    def formula(cls, x: Expr, d: Expr) -> Expr:
        size = sqrt(x + d) + sqrt(x)
        return d / size if d.is_number else ratio(d, size)

    @classmethod
    def slope(cls, x: Expr) -> Expr:
        return 1 / (2 * sqrt(x))

    @classmethod
    def by_place(cls, x: Expr, d: Expr) -> Expr:
        return reciprocal_root_difference(x, d) / 2


class reciprocal_root_difference(CloseDifference):  # noqa: N801
    """1/√(x + d) − 1/√x."""

    @classmethod
    def formula(cls, x: Expr, d: Expr) -> Expr:
        return -root_difference(x, d) / (sqrt(x) * sqrt(x + d))

    @classmethod
    def slope(cls, x: Expr) -> Expr:
        return x ** Rational(-3, 2) / -2

    @classmethod
    def by_place(cls, x: Expr, d: Expr) -> Expr:
        powers = 1 / (x + d) + 1 / (sqrt(x) * sqrt(x + d)) + 1 / x
        return -reciprocal_root_difference(x, d) * powers / 2
