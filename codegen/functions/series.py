"""Power series with known coefficients."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from sympy import Expr, Integer

__all__ = ["convolved", "horner"]


def horner(coefficients: Sequence[Expr], x: Expr) -> Expr:
    """c₀ + x·(c₁ + x·(c₂ + …)).

    >>> from sympy import Symbol
    >>> horner([1, 2, 3], Symbol("x"))
    x*(3*x + 2) + 1
    """
    return reduce(lambda value, c: c + x * value, reversed(coefficients[:-1]), coefficients[-1])


def convolved(found: Sequence[Expr]) -> Expr:
    """Σ aᵢ·aⱼ over all i + j = n − 1, the next coefficient of a square."""
    return sum((a * b for a, b in zip(found, reversed(found))), Integer(0))
