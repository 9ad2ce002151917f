"""What statements read and write: which vertex, at which subscripts, in which loops, in the order of the text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sympy import Expr, Idx, expand

from codegen.ir.affine import affine
from codegen.schedule.checkpoint.levels import Loops
from codegen.schedule.program import (
    Accumulate,
    Contract,
    Fill,
    Kernel,
    Loop,
    One,
    Program,
    Routine,
    Samples,
    Set,
    Statement,
    StorageKey,
    Store,
)
from codegen.walk import references, reindex, subscripts

Values = Mapping[Idx, Expr]
"""What the indices of loops are that have one value."""


class Access(NamedTuple):
    """One read or write."""

    key: StorageKey
    reference: Expr
    writes: bool
    loops: Loops | None
    """Those of a level that it is in."""
    order: int
    values: Values

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


def along(reference: Expr, axis: int, values: Values) -> Expr:
    return expand(reindex(subscripts(reference)[axis], values))


def accesses(program: Program, statements: Sequence[Statement], loops: Mapping[int, Loops]) -> Iterator[Access]:
    """Every read and write in the order of the text; ``loops`` by their identities."""
    order = 0

    def visit(block: Sequence[Statement], inside: Loops | None, values: Values) -> Iterator[Access]:
        nonlocal order
        for statement in block:
            order += 1
            here = loops.get(id(statement), inside)
            match statement:
                case Loop(mode=One(value)):
                    yield from visit(statement.body, here, {**values, statement.index: reindex(value, values)})
                case Loop():
                    yield from visit(statement.body, here, values)
                case Samples():
                    yield from visit((*statement.fills, *statement.body, *statement.stores), None, values)
                case _:
                    for reference, writes in named(statement):
                        yield Access(program.key_of(reference), reference, writes, inside, order, values)

    return visit(statements, None, {})


def named(statement: Statement) -> Iterator[tuple[Expr, bool]]:
    """What a statement reads, and what it writes."""
    match statement:
        case Set() | Accumulate():
            yield from ((reference, False) for reference in references(statement.value))
            yield statement.target, True
        case Contract() | Kernel():
            yield from ((operand, False) for operand in statement.operands)
            yield statement.equation.target, True
        case Routine():
            yield from ((operand, False) for operand in statement.operands)
            yield statement.target, True
        case Fill():
            yield statement.target, True
        case Store():
            yield statement.target, False
