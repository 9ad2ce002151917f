"""Power series with known coefficients, and derivatives of formulas in one variable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, reduce

from sympy import Dummy, Expr, Integer

__all__ = ["convolved", "derivative", "horner", "in_pairs"]


def horner(coefficients: Sequence[Expr], x: Expr) -> Expr:
    """c₀ + x·(c₁ + x·(c₂ + …)).

    >>> from sympy import Symbol
    >>> horner([1, 2, 3], Symbol("x"))
    x*(3*x + 2) + 1
    """
    return reduce(lambda value, c: c + x * value, reversed(coefficients[:-1]), coefficients[-1])


def in_pairs(arguments: Sequence[Expr]) -> list[tuple[Expr, Expr]]:
    """c₁ and x₁, c₂ and x₂, … of functions that have them one after the other."""
    return list(zip(arguments[::2], arguments[1::2]))


def convolved(found: Sequence[Expr]) -> Expr:
    """Σ aᵢ·aⱼ over all i + j = n − 1, the next coefficient of a square."""
    return sum((a * b for a, b in zip(found, reversed(found))), Integer(0))


def derivative(formula: Callable[[Expr], Expr], n: int, x: Expr) -> Expr:
    """The n-th derivative of a formula at x.

    >>> from sympy import Symbol, exp
    >>> derivative(lambda a: exp(2 * a), 3, Symbol("x"))
    8*exp(2*x)
    """
    a, found = _derived(formula, n)
    return found.xreplace({a: x})


@lru_cache(maxsize=256)
def _derived(formula: Callable[[Expr], Expr], n: int) -> tuple[Dummy, Expr]:
    a = Dummy(real=True)
    return a, formula(a).diff(a, n)
