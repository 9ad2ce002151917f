"""Which loops run in lanes: over the samples where there are many, elsewhere the cheapest level of each nest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

from sympy import Expr, Idx

from codegen.expression import extent, indices, is_leaf, postorder, references, subscripts
from codegen.schedule.program import Accumulate, Loop, Place, Program, Samples, Set, Statement, walk

FUNCTION_COST = 20
"""Instructions of an elementary function, roughly; of everything else one."""
UNKNOWN_EXTENT = 64
"""What a symbolic extent is taken for."""


def vector_loops(program: Program, width: int, samples_in_lanes: bool = True) -> Iterator[Loop]:
    """The loops that run in lanes.

    Inside the pass over the samples these are the loops over them, or, for few samples, loops inside those.
    """
    for statement in program.statements:
        if not isinstance(statement, Samples):
            yield from _Choice(program, width).best([statement])[1]
        elif samples_in_lanes:
            loops = [s for s, _ in walk(statement.body) if isinstance(s, Loop) and s.index == statement.index]
            yield from (loop for loop in loops if loop.only is None)
        else:
            for loop in statement.body:
                yield from _Choice(program, width).best(loop.body if isinstance(loop, Loop) else [loop])[1]


@dataclass(frozen=True)
class _Choice:
    """The cheapest way to run statements, by counting instructions."""

    program: Program
    width: int

    def best(self, statements: Sequence[Statement]) -> tuple[float, list[Loop]]:
        """The cost of statements and the loops among them that run in lanes."""
        cost = 0.0
        chosen: list[Loop] = []
        for statement in statements:
            if not isinstance(statement, Loop):
                cost += self.instructions(statement, frozenset())
                continue
            inner, inside = self.best(statement.body)
            if statement.only is not None:
                cost, chosen = cost + inner + 1, chosen + inside
                continue
            n, index = _size(statement.index), frozenset([statement.index])
            scalar, lanes = n * (inner + 1), -(-n // self.width) * (self.in_lanes(statement.body, index) + 1)
            lanes += self.across(statement)
            cost += min(scalar, lanes)
            chosen += [statement] if lanes < scalar else inside
        return cost, chosen

    def in_lanes(self, statements: Sequence[Statement], varying: frozenset[Idx]) -> float:
        """The cost of statements inside a loop in lanes, whose index and those that depend on it are ``varying``."""
        total = 0.0
        for statement in statements:
            if not isinstance(statement, Loop):
                total += self.instructions(statement, varying)
            elif statement.only is None:
                total += _size(statement.index) * (self.in_lanes(statement.body, varying) + 1)
            else:
                follows = not varying.isdisjoint(indices(statement.only))
                inside = varying | {statement.index} if follows else varying
                total += self.in_lanes(statement.body, inside) + 1
        return total

    def across(self, loop: Loop) -> float:
        """What it costs to combine the lanes of sums that run along them."""
        steps = 2 * self.width.bit_length()
        found = {
            s.target for s, _ in walk(loop.body) if isinstance(s, Accumulate) and loop.index not in subscripts(s.target)
        }
        return steps * len(found)

    def instructions(self, statement: Statement, varying: frozenset[Idx]) -> float:
        """Instructions for one pass through a statement."""
        if not isinstance(statement, (Set, Accumulate)):
            return 1.0
        operations = sum(
            1 if not node.is_Function else FUNCTION_COST for node in postorder(statement.value) if not is_leaf(node)
        )
        moved = [*references(statement.value), statement.target]
        return operations + sum(self.moves(reference, varying) for reference in moved)

    def moves(self, reference: Expr, varying: frozenset[Idx]) -> float:
        """Instructions to load or store a vertex: two a lane where lanes do not lie next to each other.

        Infinitely many for an element of a diagonal of which a lane holds its own row only.
        """
        storage = self.program.storage_of(reference)
        if storage.place is Place.LOCAL:
            return 0.0
        subscript = subscripts(reference)
        key = [subscript[axis] for axis in storage.axes]
        along = [i for i in key if i in varying]
        dropped = [i for axis, i in enumerate(subscript) if axis not in storage.axes and i in varying]
        if set(dropped) & set(along):
            return inf
        if not along or (len(along) == 1 and key[-1] == along[0] and not dropped):
            return 1.0
        return 2.0 * self.width


def _size(index: Idx) -> int:
    n = extent(index)
    return n if isinstance(n, int) else UNKNOWN_EXTENT
