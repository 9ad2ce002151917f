"""Arrays in index notation: what each axis is made of, and a formula for the element at these indices.

An axis is a tuple of indices, the last of which varies fastest: one index for a plain axis, several for one that was
made of several, none for an axis of length 1. Reshaping, transposing and broadcasting change nothing but these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Literal, TypeAlias

import numpy as np
from sympy import And, Expr, Integer, Max, Min, Mul, Or, Rational, expand, sympify
from sympy.logic.boolalg import Boolean

from codegen import Index
from codegen.ir.affine import affine
from codegen.ir.ranges import is_natural
from codegen.walk import Extent, as_extent, extent, is_reference, parts, reindex

Kind: TypeAlias = Literal["real", "integer", "boolean"]
"""Of booleans the formula is 0 or 1."""
Axis: TypeAlias = tuple[Index, ...]


@dataclass(frozen=True)
class Known:
    """Numbers that a file holds: weights, and whatever shapes are computed from, which may be lengths too."""

    values: np.ndarray
    kind: Kind
    name: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Its shape."""
        return self.values.shape


@dataclass(frozen=True)
class Array:
    """An element of an array at its indices.

    >>> i, j = Index("i", 2), Index("j", 3)
    >>> from codegen import Variable
    >>> x = Array(((i,), (), (j,)), Variable("x", (2, 3))[i, j])
    >>> x.shape, x.at({i: 2 * j, j: i}).body
    ((2, 1, 3), x[2*j, i])
    """

    axes: tuple[Axis, ...]
    body: Expr
    kind: Kind = "real"

    @property
    def shape(self) -> tuple[Extent, ...]:
        """The length of each axis."""
        return tuple(map(length, self.axes))

    @property
    def indices(self) -> tuple[Index, ...]:
        """All indices, in the order of the axes."""
        return tuple(index for axis in self.axes for index in axis)

    @property
    def is_plain(self) -> bool:
        """Whether its element is that of a variable, or a number."""
        return is_reference(self.body) or not self.body.args

    def at(self, values: Mapping[Index, Expr], axes: Iterable[Axis] | None = None) -> Array:
        """With other subscripts in place of indices."""
        changed = {index: value for index, value in values.items() if index != value}
        body = reindex(self.body, changed) if changed else self.body
        return replace(self, body=body, axes=self.axes if axes is None else tuple(axes))

    def with_body(self, body: Expr, kind: Kind = "real") -> Array:
        """Another element at the same indices."""
        return Array(self.axes, body, kind)


Value: TypeAlias = "Array | Known"


def length(axis: Axis) -> Extent:
    """How many places an axis has."""
    return product(map(extent, axis))


def product(extents: Iterable[Extent]) -> Extent:
    """The number of elements of an array of this shape.

    >>> from codegen import sample_extent
    >>> product([2, 3]), product([sample_extent(), 3])
    (6, 3*S)
    """
    found = [*extents]
    return prod(found) if all(isinstance(n, int) for n in found) else as_extent(expand(Mul(*found)))


def number(value: float) -> Expr:
    """The number as a fraction that rounds back to it."""
    return Integer(int(value)) if float(value).is_integer() else Rational(repr(float(value)))


def divided(n: Extent, by: Extent) -> Extent | None:
    """The quotient of two lengths; None where it is no length.

    >>> from codegen import sample_extent
    >>> S = sample_extent()
    >>> divided(6, 3), divided(6, 4), divided(4 * S, 2), divided(3 * S, S)
    (2, None, 2*S, 3)
    """
    if n == by or by == 0:
        return None if by == 0 else 1
    if isinstance(n, int):
        return n // by if isinstance(by, int) and n % by == 0 else None
    if isinstance(by, int):
        constant, terms = parts(n)
        factors = [constant, *(factor for _, factor in terms)]
        return as_extent(expand(n / by)) if all(factor % by == 0 for factor in factors) else None
    found = expand(n / by)
    return int(found) if found.is_Integer else None


def is_place(given: Expr) -> bool:
    """Whether an integer is a sum of indices and lengths, or the greatest or least of some."""
    return affine(given) is not None or (isinstance(given, (Max, Min)) and all(map(is_place, given.args)))


def below(one: Expr, other: Expr) -> bool:
    """Whether a place is never beyond another one, whatever the steps and the lengths are.

    >>> from codegen import sample_extent
    >>> t = Index("t", sample_extent())
    >>> below(t, sample_extent() - 1), below(t - 1, Integer(0)), below(Min(t + 1, 3), Integer(3))
    (True, False, True)
    """
    for whole, joins in ((one, {Max: all, Min: any}), (other, {Max: any, Min: all})):
        if isinstance(whole, (Max, Min)):
            return joins[type(whole)](
                below(part, other) if whole is one else below(one, part) for part in whole.args
            )  # fmt: skip
    form = affine(other - one)
    return form is not None and is_natural(form.ends()[0])


def exceeds(one: Expr, other: Expr) -> Boolean:
    """Where a place is at least another one."""
    for whole, joins in ((one, {Max: Or, Min: And}), (other, {Max: And, Min: Or})):
        if isinstance(whole, (Max, Min)):
            return joins[type(whole)](
                *(exceeds(part, other) if whole is one else exceeds(one, part) for part in whole.args)
            )
    return one >= other


def greater(one: Any, other: Any) -> Any:
    """The greater of two integers or places.

    >>> t = Index("t", 9)
    >>> greater(t - 1, 0), greater(t, 0), greater(2, 3)
    (Max(0, t - 1), t, 3)
    """
    return _farther(one, other, 1)


def lesser(one: Any, other: Any) -> Any:
    """The lesser of two integers or places."""
    return _farther(one, other, -1)


def _farther(one: Any, other: Any, way: int) -> Any:
    if not isinstance(one, Expr) and not isinstance(other, Expr):
        return max(one, other) if way > 0 else min(one, other)
    a, b = (expand(sympify(each, strict=True)) for each in (one, other))
    if below(b, a):
        return a if way > 0 else b
    return (b if way > 0 else a) if below(a, b) else (Max if way > 0 else Min)(a, b)


def refined(one: Sequence[Extent], other: Sequence[Extent]) -> list[Extent] | None:
    """The fewest lengths that both are made of, one after the other; None if there are none.

    >>> refined([4, 6], [8, 3]), refined([6], [2, 3]), refined([2, 3], [3, 2])
    ([4, 2, 3], [2, 3], None)
    """
    left, right = [n for n in one if n != 1], [n for n in other if n != 1]
    found: list[Extent] = []
    while left and right:
        a, b = left.pop(), right.pop()
        if a == b:
            found.append(a)
        elif (rest := divided(a, b)) is not None:
            found.append(b)
            left.append(rest)
        elif (rest := divided(b, a)) is not None:
            found.append(a)
            right.append(rest)
        else:
            return None
    return None if left or right else found[::-1]


def split(indices: Sequence[Index], into: Sequence[Index]) -> dict[Index, Expr] | None:
    """What indices are of finer ones that they are made of; None where a subscript would be no sum of these.

    >>> i, p, q = Index("i", 6), Index("p", 2), Index("q", 3)
    >>> split([i], [p, q])
    {i: 3*p + q}
    """
    found: dict[Index, Expr] = {}
    left = list(into)
    for index in reversed(indices):
        stride: Extent = 1
        value: Expr = Integer(0)
        while stride != extent(index):
            part = left.pop()
            if not isinstance(stride, int):
                return None
            value, stride = value + stride * part, product([stride, extent(part)])
        found[index] = value
    return dict(reversed(found.items()))


def cut(indices: Sequence[Index], lengths: Iterable[Extent]) -> list[Axis] | None:
    """The axes of these lengths that indices make up, in order; None where an index would be in two.

    >>> cut([Index("p", 2), Index("q", 3)], [1, 6])
    [(), (p, q)]
    """
    found, left = [], list(indices)
    for n in lengths:
        axis: list[Index] = []
        while length(tuple(axis)) != n:
            if not left:
                return None
            axis.append(left.pop(0))
        found.append(tuple(axis))
    return None if left else found


def plain_values(known: Known) -> list[Any]:
    """The numbers of a list of integers or lengths."""
    return [int(v) if isinstance(v, (int, np.integer, np.bool_)) else v for v in known.values.ravel().tolist()]
