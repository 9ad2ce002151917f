"""What a power is: SymPy writes quotients, square roots and products of equal factors all as ``Pow``."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import TypeVar

from sympy import Expr, Float, Integer, Pow, Rational
from sympy.core.basic import Basic

V = TypeVar("V")
MOST_FACTORS = 64
"""Up to this exponent a whole power is computed by multiplications."""


def is_reciprocal(node: Basic) -> bool:
    """x⁻ⁿ for a number n > 0: as a factor it stands in the denominator of its product."""
    return isinstance(node, Pow) and isinstance(node.exp, (Rational, Float)) and node.exp.is_negative is True


def is_inverse(node: Basic) -> bool:
    """1/x, the reciprocal that code divides by as it stands."""
    return isinstance(node, Pow) and node.exp == -1 and not node.is_number


def is_root(exponent: Expr) -> bool:
    """Whether a power is a square root, or one over it."""
    return exponent in (Rational(1, 2), Rational(-1, 2))


def is_whole(exponent: Expr) -> bool:
    """Whether a power is a product of equal factors, or one over it."""
    return isinstance(exponent, Integer)


def is_multiplied(exponent: Expr) -> bool:
    """Whether it is a whole one of so few factors that code multiplies them."""
    return isinstance(exponent, Integer) and abs(int(exponent)) <= MOST_FACTORS


def raised(times: Callable[[V, V], V], base: V, exponent: int) -> V:
    """x³ as x·x·x; higher powers by repeated squaring.

    >>> raised("({}·{})".format, "x", 4), raised("({}·{})".format, "x", 3)
    ('((x·x)·(x·x))', '((x·x)·x)')
    """
    if exponent <= 3:
        return reduce(times, [base] * exponent)
    half = raised(times, base, exponent // 2)
    squared = times(half, half)
    return times(squared, base) if exponent % 2 else squared
