"""Which loops run in lanes: the cheapest level of each nest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf, prod
from typing import TypeAlias

from sympy import Add, Expr, Idx, Integer, expand

from codegen.schedule.program import (
    SERIAL,
    Accumulate,
    Loop,
    One,
    Place,
    Program,
    Samples,
    Set,
    Statement,
    Storage,
    Vector,
    walk,
)
from codegen.walk import base_name, is_leaf, postorder, references, size, subscripts

FUNCTION_COST = 20
"""Instructions of an elementary function, roughly; of everything else one."""
UNKNOWN_EXTENT = 64
"""What a symbolic extent is taken for."""

Steps: TypeAlias = Mapping[Idx, Expr]
"""How much more an index is in each lane than in the one before: the indices that differ between lanes."""


def in_lanes(program: Program, width: int, samples_in_lanes: bool = True) -> Program:
    """The program with loops in lanes: of each nest the cheapest level.

    Samples are apart in memory where features are neighbours, so that a loop over the samples runs in lanes where it
    computes more than it moves, and loops inside it do elsewhere. Few samples do not fill the lanes.
    """
    choice = _Choice(program, width)

    def over_samples(samples: Samples) -> tuple[Statement, ...]:
        if not samples_in_lanes:
            return tuple(
                replace(step, body=choice.best(step.body)[1]) if isinstance(step, Loop) else step
                for step in samples.body
            )
        cheapest = choice.best(samples.body)[1]
        if not is_mixed(replace(program, statements=cheapest)):
            return cheapest
        return tuple(
            replace(step, mode=choice.vector(step))
            if isinstance(step, Loop) and step.index == samples.index and step.mode == SERIAL
            else step
            for step in samples.body
        )

    return replace(
        program,
        statements=tuple(
            replace(statement, body=over_samples(statement))
            if isinstance(statement, Samples)
            else choice.best([statement])[1][0]
            for statement in program.statements
        ),
    )


def is_mixed(program: Program) -> bool:
    """Whether a work array is shared by vertices whose elements are vectors and others whose elements are numbers."""
    lanes_of: dict[int, set[bool]] = {}
    for statement, around in walk(program.statements):
        lane = lane_of(around)
        if isinstance(statement, (Set, Accumulate)):
            for reference in (*references(statement.value), statement.target):
                storage = program.storage_of(reference)
                if storage.place in (Place.WORK, Place.TILE):
                    lanes_of.setdefault(storage.number, set()).add(holds_vectors(storage, reference, lane))
    return any(len(kinds) > 1 for kinds in lanes_of.values())


def lane_of(around: Sequence[Loop]) -> Idx | None:
    """The index that differs between lanes inside these loops."""
    return next((loop.index for loop in around if isinstance(loop.mode, Vector)), None)


def holds_vectors(storage: Storage, reference: Expr, lane: Idx | None) -> bool:
    """Whether an element is a vector: the lane index is an axis that needs no storage."""
    key = subscripts(reference)
    return lane is not None and lane in key and key.index(lane) not in storage.axes


def is_gathered(program: Program, reference: Expr, lane: Idx) -> bool:
    """Whether a loop over samples in lanes reads an input across its rows, features inside: it copies them first."""
    samples, key = program.samples, subscripts(reference)
    return (
        samples is not None
        and lane == samples.index
        and program.storage_of(reference).place is Place.INPUT
        and program.graph.variable(base_name(reference)).kind == "real"
        and len(key) > 1
        and key[0] == lane not in key[1:]
    )


def copied_columns(program: Program, names: Sequence[str]) -> int:
    """The numbers in a row of these inputs."""
    return sum(prod(int(n) for n in program.graph.variable(name).shape[1:]) for name in names)


@dataclass(frozen=True)
class _Choice:
    """The cheapest way to run statements, by counting instructions."""

    program: Program
    width: int

    def best(self, statements: Sequence[Statement]) -> tuple[float, tuple[Statement, ...]]:
        """The cost of statements, and the statements with loops in lanes."""
        cost = 0.0
        chosen: list[Statement] = []
        for statement in statements:
            if not isinstance(statement, Loop):
                cost += self.instructions(statement, {})
                chosen.append(statement)
                continue
            inner, body = self.best(statement.body)
            if isinstance(statement.mode, One):
                cost += inner + 1
                chosen.append(replace(statement, body=body))
                continue
            n, mode = size([statement.index], UNKNOWN_EXTENT), self.vector(statement)
            copied = copied_columns(self.program, mode.copied) * (2.0 * self.width + 1)
            scalar = n * (inner + 1)
            lanes = ceil(n / self.width) * (self.in_lanes(statement.body, {statement.index: Integer(1)}) + copied + 1)
            lanes += self.across(statement)
            cost += min(scalar, lanes)
            chosen.append(replace(statement, mode=mode) if lanes < scalar else replace(statement, body=body))
        return cost, tuple(chosen)

    def vector(self, loop: Loop) -> Vector:
        """How a loop runs in lanes."""
        read = (r for s, _ in walk(loop.body) if isinstance(s, (Set, Accumulate)) for r in references(s.value))
        copied = dict.fromkeys(base_name(r) for r in read if is_gathered(self.program, r, loop.index))
        return Vector(self.width, tuple(copied))

    def in_lanes(self, statements: Sequence[Statement], varying: Steps) -> float:
        """The cost of statements inside a loop in lanes."""
        total = 0.0
        for statement in statements:
            if not isinstance(statement, Loop):
                total += self.instructions(statement, varying)
            elif not isinstance(statement.mode, One):
                total += size([statement.index], UNKNOWN_EXTENT) * (self.in_lanes(statement.body, varying) + 1)
            else:
                step = Add(*[expand(statement.mode.value).coeff(i) * step for i, step in varying.items()])
                inside = {**varying, statement.index: step} if step != 0 else varying
                total += self.in_lanes(statement.body, inside) + 1
        return total

    def across(self, loop: Loop) -> float:
        """What it costs to combine the lanes of sums that run along them."""
        steps = 2 * self.width.bit_length()
        found = {
            s.target for s, _ in walk(loop.body) if isinstance(s, Accumulate) and loop.index not in subscripts(s.target)
        }
        return steps * len(found)

    def instructions(self, statement: Statement, varying: Steps) -> float:
        """Instructions for one pass through a statement."""
        if not isinstance(statement, (Set, Accumulate)):
            return 1.0
        operations = sum(
            1 if not node.is_Function else FUNCTION_COST for node in postorder(statement.value) if not is_leaf(node)
        )
        moved = [*references(statement.value), statement.target]
        return operations + sum(self.moves(reference, varying) for reference in moved)

    def moves(self, reference: Expr, varying: Steps) -> float:
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
        if not along or any(is_gathered(self.program, reference, index) for index in varying):
            return 1.0
        if len(along) == 1 and key[-1] == along[0] and abs(varying[along[0]]) == 1 and not dropped:
            return 1.0
        return 2.0 * self.width
