"""Vertices as keys: a variable's name and which of its elements one equation assigns."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from sympy import Expr, Idx, Integer, Mul, expand

from codegen.ir.affine import affine
from codegen.ir.ranges import is_natural
from codegen.walk import Extent, as_extent, base_name, extent, is_fixed, shape, subscripts

Part = tuple[int, Extent]
"""The subscripts from the first up to, and without, the second."""
Pattern = tuple[int | Part | None, ...]
"""An axis at a time, the integer subscript, a range of them, or None for the whole axis."""


class Cell(NamedTuple):
    """A vertex as a key: the variable's name and the pattern of the elements."""

    name: str
    pattern: Pattern


def cell_of(reference: Expr) -> Cell:
    """The key of a reference: integer subscripts kept, indices and sums of them blanked.

    >>> from sympy import Idx, IndexedBase
    >>> cell_of(IndexedBase("W", shape=(3, 2))[1, Idx("d", 2)])
    Cell(name='W', pattern=(1, None))
    """
    pattern = tuple([int(i) if isinstance(i, Integer) else None for i in subscripts(reference)])
    return Cell(base_name(reference), pattern)


def target_cell(target: Expr) -> Cell:
    """The key of what is assigned: where an index does not run along its whole axis, the range of the subscript.

    >>> from sympy import Idx, IndexedBase
    >>> target_cell(IndexedBase("h", shape=(5, 2))[Idx("t", 4) + 1, Idx("d", 2)])
    Cell(name='h', pattern=((1, 5), None))
    """
    pattern = tuple(
        int(i) if isinstance(i, Integer) else None if isinstance(i, Idx) and extent(i) == n else _part(i, n)
        for i, n in zip(subscripts(target), shape(target))
    )
    return Cell(base_name(target), pattern)


def _part(subscript: Expr, axis: Extent) -> Part | None:
    form = affine(subscript)
    if form is None or len(form.coefficients) != 1 or not form.constant.is_Integer:
        return None
    start, n = int(form.constant), extent(form.indices[0])
    return None if n == axis and start == 0 else (start, as_extent(start + n))


def overlap(a: Pattern, b: Pattern) -> bool:
    """Whether two patterns of one variable share an element, or do for some lengths."""
    return all(m is None or n is None or m == n or _meet(m, n) for m, n in zip(a, b))


def _meet(a: int | Part, b: int | Part) -> bool:
    if isinstance(a, int) and isinstance(b, int):
        return a == b
    (start, stop), (other, end) = _range(a), _range(b)
    return not _is_at_most(stop, other) and not _is_at_most(end, start)


def _range(part: int | Part) -> Part:
    return (part, part + 1) if isinstance(part, int) else part


def _is_at_most(a: Extent, b: Extent) -> bool:
    return a <= b if isinstance(a, int) and isinstance(b, int) else is_natural(expand(b - a))


def meet(a: Pattern, b: Pattern) -> Pattern:
    """The elements that two overlapping patterns share."""
    return tuple(_both(m, n) for m, n in zip(a, b))


def _both(a: int | Part | None, b: int | Part | None) -> int | Part | None:
    if a is None or b is None:
        return b if a is None else a
    if isinstance(a, int) or isinstance(b, int):
        return a if isinstance(a, int) else b
    return max(a[0], b[0]), a[1] if _is_at_most(a[1], b[1]) else b[1]


def size(pattern: Pattern, extents: tuple[Extent, ...]) -> Extent:
    """The number of elements.

    >>> size((None, (1, 5), 3), (4, 5, 6))
    16
    """
    counts = [n if m is None else 1 if isinstance(m, int) else m[1] - m[0] for m, n in zip(pattern, extents)]
    return prod(counts) if is_fixed(counts) else as_extent(expand(Mul(*counts)))


def show(pattern: Pattern) -> str:
    """As NumPy would write it.

    >>> show((3, None, (1, 5)))
    '[3, :, 1:5]'
    """
    return (
        "[" + ", ".join(":" if m is None else str(m) if isinstance(m, int) else f"{m[0]}:{m[1]}" for m in pattern) + "]"
    )
