"""Bessel functions of real order: the derivative of one is half a sum of those of the neighbouring orders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy
from sympy import Expr, Integer, Number, cos, pi, sin
from sympy.core.function import ArgumentIndexError

from codegen.functions import special_arrays as arrays
from codegen.functions.operation import called_by_name
from codegen.functions.primitive import Primitive
from codegen.functions.special_arrays import to_first_order


class Bessel(Primitive):
    """A Bessel function of real order ν, whose derivative is half a sum of those of the orders ν − 1 and ν + 1.

    It is real for x > 0, and for x < 0 if the order is whole, J and I then only.
    """

    nargs = 2
    before: int
    after: int
    """The factors of its neighbours."""

    def fdiff(self, argindex: int = 2) -> Expr:
        order, x = self.args
        if argindex == 1:
            raise ArgumentIndexError(self, argindex)
        kind = type(self)
        return (self.before * kind(order - 1, x) + self.after * kind(order + 1, x)) / 2


class besselj(Bessel):  # noqa: N801
    """J_ν(x)."""

    row = called_by_name(arrays.bessel("j", 0.5, -0.5), "besselj", "j0", "j1", "jv", numpy="special.jv")

    before, after = 1, -1

    @classmethod
    def eval(cls, order: Expr, x: Expr) -> Expr | None:
        return (-1) ** order * cls(-order, x) if isinstance(order, Integer) and order < 0 else None

    @staticmethod
    def value(mp: Any, order: Any, x: Any) -> Any:
        return _real_order(mp, order, x, lambda size: mp.mpf(0) if mp.isinf(size) else mp.besselj(order, size))


class bessely(Bessel):  # noqa: N801
    """Y_ν(x) for x > 0."""

    row = called_by_name(arrays.bessel("y", 0.5, -0.5), "bessely", "y0", "y1", "yv", numpy="special.yv")

    before, after = 1, -1

    @classmethod
    def eval(cls, order: Expr, x: Expr) -> Expr | None:
        """Of a negative order J and Y of the positive one: SciPy's is inf where Y_ν overflows and Y₋ν does not."""
        if not (isinstance(order, Number) and order < 0):
            return None
        turn = -order * pi
        return cos(turn) * cls(-order, x) + (0 if isinstance(order, Integer) else sin(turn) * besselj(-order, x))

    @staticmethod
    def value(mp: Any, order: Any, x: Any) -> Any:
        if x == 0:
            return -mp.inf if order >= 0 else mp.nan
        if x == mp.inf:
            return mp.mpf(0)
        return mp.bessely(order, x) if x > 0 else mp.nan


class besseli(Bessel):  # noqa: N801
    """I_ν(x)."""

    row = called_by_name(arrays.bessel("i", 0.5, 0.5), "besseli", "i0", "i1", "iv", numpy="special.iv")

    before, after = 1, 1

    @classmethod
    def eval(cls, order: Expr, x: Expr) -> Expr | None:
        return cls(-order, x) if isinstance(order, Integer) and order < 0 else None

    @staticmethod
    def value(mp: Any, order: Any, x: Any) -> Any:
        def value(size: Any) -> Any:
            return mp.besseli(order, size) if size < FAR else mp.inf

        return _real_order(mp, order, x, value)


class besselk(Bessel):  # noqa: N801
    """K_ν(x) = K₋ν(x) for x > 0."""

    row = called_by_name(arrays.bessel("k", -0.5, -0.5), "besselk", "k0", "k1", "kv", numpy="special.kv")

    before, after = -1, -1

    @classmethod
    def eval(cls, order: Expr, x: Expr) -> Expr | None:
        return cls(-order, x) if isinstance(order, Number) and order < 0 else None

    @staticmethod
    def value(mp: Any, order: Any, x: Any) -> Any:
        if x == 0:
            return mp.inf
        if x == mp.inf:
            return mp.mpf(0)
        return mp.besselk(order, x) if x > 0 else mp.nan


FAR = 10**6
"""From here on I_ν(x) is taken for infinite."""


def _real_order(mp: Any, order: Any, x: Any, value: Callable[[Any], Any]) -> Any:
    """J or I: odd or even for a whole order, otherwise real for x > 0 only; at 0 as xᵛ/Γ(ν + 1) has it."""
    if x != x or order != order:
        return mp.nan
    whole = mp.isint(order)
    if x == 0:
        if order == 0:
            return mp.mpf(1)
        return mp.mpf(0) if order > 0 or whole else mp.inf * mp.sign(mp.gamma(order + 1))
    if x < 0 and not whole:
        return mp.nan
    return value(abs(x)) * (-1 if x < 0 and order % 2 else 1)


class scaled_bessel(Primitive):  # noqa: N801
    """exp(−|x|)·Iₙ(x), which falls as 1/√(2π·|x|) where Iₙ is out of range."""

    nargs = 2
    row = called_by_name(
        to_first_order(
            arrays.scaled_bessel,
            lambda s, n, x: (
                (arrays.scaled_bessel(s, abs(n - 1), x) + arrays.scaled_bessel(s, n + 1, x)) / 2
                - np.sign(x) * arrays.scaled_bessel(s, n, x)
            ),
        ),
        "scaled_bessel",
        "i0e",
        "i1e",
        "ive",
        numpy="special.ive",
    )

    def fdiff(self, argindex: int = 2) -> Expr:
        n, x = self.args
        if argindex == 1:
            raise ArgumentIndexError(self, argindex)
        neighbours = scaled_bessel(abs(n - 1), x) + scaled_bessel(n + 1, x)
        return neighbours / 2 - sympy.sign(x) * self

    @staticmethod
    def value(mp: Any, n: Any, x: Any) -> Any:
        size = decayed_bessel(mp, n, abs(x))
        return -size if x < 0 and n % 2 else size


def decayed_bessel(mp: Any, order: Any, x: Any) -> Any:
    """exp(−x)·I(x) of an order for x ≥ 0, beyond SERIES_FROM by Hankel's series (Abramowitz, Stegun 1964, 9.7.1)."""
    if x != x or mp.isinf(x):
        return 1 / x
    if x <= SERIES_FROM:
        return mp.besseli(order, x) * mp.exp(-x)
    term = total = mp.mpf(1)
    for k in range(1, mp.dps + 10):
        term *= ((2 * k - 1) ** 2 - 4 * order**2) / (8 * k * x)
        total += term
    return total / mp.sqrt(2 * mp.pi * x)


SERIES_FROM = 1000
"""Beyond, the oracle takes Iₙ from a series, of which each term gives a digit and more."""
