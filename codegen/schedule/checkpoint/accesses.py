"""What statements read and write: which vertex, at which subscripts, in which loops, in the order of the text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sympy import Expr, Idx, expand

from codegen.ir.affine import affine
from codegen.ir.ranges import NOTHING
from codegen.schedule.checkpoint.levels import Loops
from codegen.schedule.program import Loop, One, Program, Samples, Statement, StorageKey, Use, uses
from codegen.walk import reindex, subscripts

Values = Mapping[Idx, Expr]
"""What the indices of loops are that have one value."""


class Access(NamedTuple):
    """One read or write."""

    key: StorageKey
    reference: Expr
    use: Use
    loops: Loops | None
    """Those of a level that it is in."""
    order: int
    values: Values
    around: tuple[Loop, ...]

    @property
    def writes(self) -> bool:
        """Whether it is no mere read."""
        return self.use is not Use.READ

    def offset(self, axis: int, index: Idx | None) -> int | None:
        """How far a subscript is from an index; None for any other subscript."""
        form = affine(along(self.reference, axis, self.values))
        if form is None or index is None or form.coefficients != ((index, 1),):
            return None
        return int(form.constant) if form.constant.is_Integer else None

    def place(self, axis: int) -> Expr | None:
        """The one place along an axis, whatever the indices around are; None for any other."""
        form = affine(along(self.reference, axis, self.values))
        return None if form is None or form.coefficients else form.constant

    def misses(self, axis: int, place: Expr) -> bool:
        """Whether it is known never to be at a place along an axis."""
        own = self.place(axis)
        if own is not None:
            return _is_natural(own - place - 1) or _is_natural(place - own - 1)
        loops = [(loop, offset) for loop in self.around if (offset := self.offset(axis, loop.index)) is not None]
        return any(
            any(start.divisor == 1 and _is_natural(start.over + offset - place - 1) for start in loop.starts)
            or any(stop.divisor == 1 and _is_natural(place - stop.over - offset) for stop in loop.stops)
            for loop, offset in loops
        )

    def meets(self, other: Access) -> bool:
        """Whether it may be to what another is to; of one at a single place that is known."""
        if self.key != other.key:
            return False
        axes = range(len(subscripts(self.reference)))
        places = ((one, two, axis, one.place(axis)) for one, two in ((self, other), (other, self)) for axis in axes)
        return not any(place is not None and two.misses(axis, place) for _, two, axis, place in places)


def _is_natural(value: Expr) -> bool:
    form = affine(value)
    return form is not None and NOTHING.says(form)


def along(reference: Expr, axis: int, values: Values) -> Expr:
    return expand(reindex(subscripts(reference)[axis], values))


def accesses(program: Program, statements: Sequence[Statement], loops: Mapping[int, Loops]) -> Iterator[Access]:
    """Every read and write in the order of the text; ``loops`` by their identities."""
    order = 0

    def visit(
        block: Sequence[Statement], inside: Loops | None, values: Values, around: tuple[Loop, ...]
    ) -> Iterator[Access]:
        nonlocal order
        for statement in block:
            order += 1
            here = loops.get(id(statement), inside)
            match statement:
                case Loop(mode=One(value)):
                    inner = {**values, statement.index: reindex(value, values)}
                    yield from visit(statement.body, here, inner, around)
                case Loop():
                    yield from visit(statement.body, here, values, (*around, statement))
                case Samples():
                    yield from visit((*statement.fills, *statement.body, *statement.stores), None, values, around)
                case _:
                    for reference, use in uses(statement):
                        yield Access(program.key_of(reference), reference, use, inside, order, values, around)

    return visit(statements, None, {}, ())
