"""Vertices as keys: a variable's name and which of its elements one equation assigns."""

from __future__ import annotations

from typing import NamedTuple

from sympy import Expr, Integer

from codegen.walk import Extent, base_name, elements, subscripts

Pattern = tuple[int | None, ...]
"""An axis at a time, the integer subscript, or None for the whole axis."""


class Cell(NamedTuple):
    """A vertex as a key: the variable's name and the pattern of the elements."""

    name: str
    pattern: Pattern


def cell_of(reference: Expr) -> Cell:
    """The key of a target or reference: integer subscripts kept, indices blanked.

    >>> from sympy import Idx, IndexedBase
    >>> cell_of(IndexedBase("W", shape=(3, 2))[1, Idx("d", 2)])
    Cell(name='W', pattern=(1, None))
    """
    pattern = tuple([int(i) if isinstance(i, Integer) else None for i in subscripts(reference)])
    return Cell(base_name(reference), pattern)


def overlap(a: Pattern, b: Pattern) -> bool:
    """Whether two patterns of one variable share an element."""
    return all(m is None or n is None or m == n for m, n in zip(a, b))


def meet(a: Pattern, b: Pattern) -> Pattern:
    """The elements that two overlapping patterns share."""
    return tuple(n if m is None else m for m, n in zip(a, b))


def size(pattern: Pattern, extents: tuple[Extent, ...]) -> int:
    """The number of elements, a symbolic extent counted as 1: such an axis is never cut."""
    return elements(n for m, n in zip(pattern, extents) if m is None)


def show(pattern: Pattern) -> str:
    """As NumPy would write it.

    >>> show((3, None))
    '[3, :]'
    """
    return "[" + ", ".join(":" if m is None else str(m) for m in pattern) + "]"
