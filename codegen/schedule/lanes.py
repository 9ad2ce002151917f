"""Which loops run in lanes: the cheapest level of each nest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as Set_
from dataclasses import dataclass, field, replace
from functools import partial
from math import ceil, inf
from typing import TypeAlias

from sympy import Add, Expr, Idx, Integer, expand, oo
from sympy.core.function import Application

from codegen.cached import once
from codegen.functions import Price, operation
from codegen.ir.affine import affine
from codegen.ir.cells import Cell, cell_of
from codegen.schedule.program import (
    SERIAL,
    UNKNOWN_EXTENT,
    Accumulate,
    Fill,
    Kernel,
    Loop,
    One,
    Place,
    Program,
    Routine,
    Samples,
    Scan,
    Serial,
    Set,
    Statement,
    Storage,
    StorageKey,
    Vector,
    walk,
)
from codegen.walk import (
    base_name,
    elements,
    extent,
    indices,
    is_leaf,
    is_symbolic,
    postorder,
    references,
    size,
    subscripts,
)

SHORT = 5
"""So few products are added up in lanes without counting: Σ_t W[t, h]·δ[t, s] of 5 terms takes three fifths of the time
for half a register."""
FUNCTION_COST = 20
"""Instructions of an elementary function, roughly; of everything else one."""


@dataclass(frozen=True)
class Work:
    """What a statement does: functions, those that are called for one number after the other, and other operations."""

    functions: int
    calls: int
    operations: int
    moved: tuple[Expr, ...]
    """What it reads and writes."""


@once
def work(statement: Set | Accumulate) -> Work:
    """What one pass through a statement does."""
    heads = [type(node) for node in postorder(statement.value) if not is_leaf(node)]
    called = [operation(head) for head in heads if issubclass(head, Application)]
    calls = sum(1 for one in called if one.calls)
    functions = sum(1 for one in called if one.price is Price.FUNCTION and not one.calls)
    return Work(functions, calls, len(heads) - functions - calls, (*references(statement.value), statement.target))


Steps: TypeAlias = Mapping[Idx, Expr]
"""How much more an index is in each lane than in the one before: the indices that differ between lanes."""


def in_lanes(program: Program, width: int, samples_in_lanes: bool = True) -> Program:
    """The program with loops in lanes, so many: of each nest the cheapest level.

    Samples are apart in memory where features are neighbours, so that a loop over the samples runs in lanes where it
    computes more than it moves, and loops inside it do elsewhere. Few samples do not fill the lanes.
    """
    choice = _Choice(program, width)

    def over_samples(samples: Samples) -> tuple[Statement, ...]:
        if not samples_in_lanes or any(isinstance(statement, Routine) for statement, _ in walk(samples.body)):
            return tuple(
                replace(step, body=choice.best(step.body)[1]) if isinstance(step, Loop) else step
                for step in samples.body
            )
        cheapest = choice.best(samples.body)[1]
        if not is_mixed(replace(program, statements=cheapest)):
            return cheapest
        return tuple(forced(step, samples.index) for step in samples.body)

    def forced(step: Statement, index: Idx) -> Statement:
        """A statement with its loops over the samples in lanes."""
        if not isinstance(step, Loop):
            return step
        if step.index == index and step.mode == SERIAL:
            return replace(step, mode=choice.vector(step))
        return replace(step, body=tuple(forced(inner, index) for inner in step.body))

    statements = tuple(
        chosen
        for statement in program.statements
        for chosen in (
            [replace(statement, body=over_samples(statement))]
            if isinstance(statement, Samples)
            else choice.best([statement])[1]
        )
    )
    settled = _settled(replace(program, width=width, statements=statements))
    choice = _Choice(settled, width)
    return replace(settled, statements=tuple(choice.written_out(statement, {}) for statement in settled.statements))


def in_turn(program: Program) -> Program:
    """The program without lanes."""
    return _in_turn(program, lambda _: True)


def is_mixed(program: Program) -> bool:
    """Whether a work array is shared by vertices whose elements are vectors and others whose elements are numbers."""
    return bool(_mixed(program))


def _mixed(program: Program) -> Set_[int]:
    """The numbers of these work arrays."""
    lanes_of: dict[int, set[bool]] = {}
    for key, vectors in kept(program):
        lanes_of.setdefault(program.storage[key].number, set()).add(vectors)
    return {number for number, kinds in lanes_of.items() if len(kinds) > 1}


def kept(program: Program) -> Iterator[tuple[StorageKey, bool]]:
    """What is kept in work arrays, and whether its elements are vectors, at each place where it is moved."""
    for statement, around in walk(program.statements):
        lane = lane_of(around)
        if isinstance(statement, (Set, Accumulate)):
            for reference in work(statement).moved:
                key = program.key_of(reference)
                if program.storage[key].place in (Place.WORK, Place.TILE):
                    yield key, holds_vectors(program.storage[key], reference, lane)


def _settled(program: Program) -> Program:
    """The program with all that is kept either as vectors or as numbers: work arrays apart, else loops one by one."""
    program = _apart(_in_turn(program, partial(_runs_along, _crossed(program))))
    while mixed := _mixed(program):
        program = _in_turn(program, partial(_moves, program, mixed))
    return program


def _crossed(program: Program) -> Set_[Cell]:
    """The sums that have a part for each lane where one loop adds up lanes, and that another goes along in lanes."""
    ways: dict[Cell, set[bool]] = {}
    for statement, around in walk(program.statements):
        lane = lane_of(around)
        if isinstance(statement, Accumulate) and lane is not None:
            ways.setdefault(cell_of(statement.target), set()).add(lane in indices(statement.target))
    return {cell for cell, found in ways.items() if len(found) > 1}


def _runs_along(sums: Set_[Cell], loop: Loop) -> bool:
    """Whether a loop goes along any of some sums."""
    added = (inner.target for inner, _ in walk(loop.body) if isinstance(inner, Accumulate))
    return any(loop.index in indices(target) and cell_of(target) in sums for target in added)


def _in_turn(program: Program, wanted: Callable[[Loop], bool]) -> Program:
    """The program with those of its loops in lanes that are wanted so one value after the other."""

    def serial(statement: Statement) -> Statement:
        if not isinstance(statement, (Loop, Samples)):
            return statement
        if isinstance(statement, Loop) and isinstance(statement.mode, Vector) and wanted(statement):
            statement = replace(statement, mode=SERIAL)
        return replace(statement, body=tuple(map(serial, statement.body)))

    return replace(program, statements=tuple(map(serial, program.statements)))


def _moves(program: Program, numbers: Set_[int], loop: Loop) -> bool:
    """Whether a loop moves any of some work arrays."""
    simple = (inner for inner, _ in walk(loop.body) if isinstance(inner, (Set, Accumulate)))
    storages = (program.storage_of(reference) for inner in simple for reference in work(inner).moved)
    return any(storage.place in (Place.WORK, Place.TILE) and storage.number in numbers for storage in storages)


def _apart(program: Program) -> Program:
    """The program with work arrays of their own for vertices whose elements are vectors, where they shared others."""
    if not is_mixed(program):
        return program
    found = [(key, program.storage[key].number, vectors) for key, vectors in kept(program)]
    mixed = {number for _, number, vectors in found if vectors} & {number for _, number, v in found if not v}
    moving = {key for key, number, vectors in found if vectors and number in mixed}
    new = {number: len(program.work) + place for place, number in enumerate(sorted(mixed))}
    storage = {
        key: replace(place, number=new[place.number]) if key in moving else place
        for key, place in program.storage.items()
    }
    work = (*program.work, *(program.work[number] for number in sorted(mixed)))
    return replace(program, storage=storage, work=work)


def lane_of(around: Sequence[Loop]) -> Idx | None:
    """The index that differs between lanes inside these loops."""
    return next((loop.index for loop in around if isinstance(loop.mode, Vector)), None)


def holds_vectors(storage: Storage, reference: Expr, lane: Idx | None) -> bool:
    """Whether an element is a vector: the lane index is along an axis that needs no storage."""
    return lane is not None and any(lane in indices(subscript) for subscript in _not_stored(storage, reference))


def _not_stored(storage: Storage, reference: Expr) -> Iterator[Expr]:
    """The subscripts along the axes that need no storage."""
    return (subscript for axis, subscript in enumerate(subscripts(reference)) if axis not in storage.axes)


def said_by_data(around: Sequence[Loop]) -> frozenset[Idx]:
    """The indices of which data say the one value of each lane."""
    varying: Steps = {}
    for loop in around:
        if isinstance(loop.mode, Vector):
            varying = {loop.index: Integer(1)}
        elif isinstance(loop.mode, One) and (step := _step(loop.mode.value, varying)) != 0:
            varying = {**varying, loop.index: step}
    return frozenset(index for index, step in varying.items() if step == oo)


def _step(value: Expr, varying: Steps) -> Expr:
    """How much more a sum of integers is in each lane than in the one before, ∞ where data say it."""
    if any(i in varying for reference in references(value) for i in indices(reference)):
        return oo
    return Add(*[expand(value).coeff(i) * step for i, step in varying.items()])


def is_gathered(program: Program, reference: Expr, lane: Idx) -> bool:
    """Whether a loop over samples in lanes reads an input across its rows, features inside: it copies them first."""
    samples, key = program.samples, subscripts(reference)
    return (
        samples is not None
        and lane == samples.index
        and program.storage_of(reference).place is Place.INPUT
        and base_name(reference) not in program.graph.integers
        and len(key) > 1
        and key[0] == lane
        and not any(lane in indices(subscript) for subscript in key[1:])
    )


def steps_of(key: Sequence[Expr], varying: Steps) -> list[Expr]:
    """How much more each subscript is in each lane than in the one before.

    >>> i, j = Idx("i", 5), Idx("j", 5)
    >>> steps_of([i, 2 * i + j, j], {i: Integer(1)})
    [1, 2, 0]
    """

    def step(subscript: Expr) -> Expr:
        if isinstance(subscript, Idx):
            return varying.get(subscript, Integer(0))
        form = affine(subscript)
        return oo if form is None else Add(*[factor * varying.get(index, 0) for index, factor in form.coefficients])

    return [step(subscript) for subscript in key]


def copied_columns(program: Program, names: Sequence[str]) -> int:
    """The numbers in a row of these inputs."""
    return sum(elements(program.graph.variable(name).shape[1:], UNKNOWN_EXTENT) for name in names)


@dataclass(frozen=True)
class _Choice:
    """The cheapest way to run statements, by counting instructions."""

    program: Program
    width: int
    moved: dict[tuple[Expr, tuple[tuple[Idx, Expr], ...]], float] = field(default_factory=dict)
    """What :meth:`moves` has found; each level of a nest asks it again."""

    def best(self, statements: Sequence[Statement]) -> tuple[float, tuple[Statement, ...]]:
        """The cost of statements, and the statements with loops in lanes."""
        cost = 0.0
        chosen: list[Statement] = []
        for run in _runs(statements):
            split = self.split(run[0]) if len(run) == 1 and isinstance(run[0], Loop) else None
            ways = [self.of_run(run)] if split is None else [self.of_run(run), self.best(split)]
            each, cheapest = min(ways, key=lambda way: way[0])
            cost += each
            chosen += cheapest
        return cost, tuple(chosen)

    def of_run(self, run: Sequence[Statement]) -> tuple[float, Sequence[Statement]]:
        """The cost of one statement, or of the loops over the parts of one range, with loops in lanes."""
        loops = [statement for statement in run if isinstance(statement, Loop)]
        if not loops:
            return self.instructions(run[0], {}), run
        inner = [self.best(loop.body) for loop in loops]
        serial = [replace(loop, body=body) for loop, (_, body) in zip(loops, inner)]
        if isinstance(loops[0].mode, One):
            return inner[0][0] + 1, serial
        scalar = sum(loop.passes(UNKNOWN_EXTENT) * (each + 1) for loop, (each, _) in zip(loops, inner))
        if isinstance(loops[0].mode, Scan):
            return scalar, serial
        modes = [self.vector(loop) for loop in loops]
        lanes = sum(self.vectors(loop, mode) for loop, mode in zip(loops, modes)) + self.across(loops)
        if lanes < scalar:
            return lanes, [replace(loop, mode=mode) for loop, mode in zip(loops, modes)]
        return scalar, serial

    def split(self, loop: Loop) -> tuple[Loop, Loop] | None:
        """A loop as two, the second for matrices that its rows are added to: these have their columns in lanes.

        None where there are none, or where the second would read what the first does not keep for all rows.
        """
        own = [isinstance(statement, Loop) and _adds_to_rows(statement, loop.index) for statement in loop.body]
        if loop.mode != SERIAL or loop.follows or not any(own) or all(own):
            return None
        first, second = (tuple(s for s, is_own in zip(loop.body, own) if is_own == which) for which in (False, True))
        written = {s.target for s, _ in walk(first) if isinstance(s, (Set, Accumulate, Fill, Routine))}
        names = {base_name(target) for target in written}
        for statement, _ in walk(second):
            if not isinstance(statement, Accumulate):
                continue
            if base_name(statement.target) in names:
                return None
            for reference in work(statement).moved[:-1]:
                storage = self.program.storage_of(reference)
                kept = storage.place is not Place.LOCAL and not holds_vectors(storage, reference, loop.index)
                if base_name(reference) in names and not kept:
                    return None
        return replace(loop, body=first), replace(loop, body=second)

    def vectors(self, loop: Loop, mode: Vector) -> float:
        """The cost of a loop in lanes."""
        copied = copied_columns(self.program, mode.copied) * (2.0 * self.width + 1)
        passes = ceil(loop.passes(UNKNOWN_EXTENT) / self.width)
        return passes * (self.in_lanes(loop.body, {loop.index: Integer(1)}) + copied + 1)

    def vector(self, loop: Loop) -> Vector:
        """How a loop runs in lanes."""
        read = (r for s, _ in walk(loop.body) if isinstance(s, (Set, Accumulate)) for r in work(s).moved[:-1])
        copied = dict.fromkeys(base_name(r) for r in read if is_gathered(self.program, r, loop.index))
        return Vector(self.width, tuple(copied))

    def in_lanes(self, statements: Sequence[Statement], varying: Steps) -> float:
        """The cost of statements inside a loop in lanes; infinite where the lanes of a loop inside differ in length."""
        total = 0.0
        for statement in statements:
            if isinstance(statement, (Kernel, Routine)):
                return inf
            if not isinstance(statement, Loop):
                total += self.instructions(statement, varying)
            elif any(i in varying for bound in (*statement.start, *statement.stop) for i in indices(bound.over)):
                return inf
            elif not isinstance(statement.mode, One):
                total += statement.passes(UNKNOWN_EXTENT) * (self.in_lanes(statement.body, varying) + 1)
            else:
                step = _step(statement.mode.value, varying)
                inside = {**varying, statement.index: step} if step != 0 else varying
                total += self.in_lanes(statement.body, inside) + 1
        return total

    def written_out(self, statement: Statement, varying: Steps) -> Statement:
        """A statement with its short sums in lanes written out."""
        if not isinstance(statement, (Loop, Samples)):
            return statement
        if isinstance(statement, Loop):
            if varying and statement.mode == SERIAL and self.is_short(statement, varying):
                return replace(statement, mode=Serial(counted=False))
            varying = {statement.index: Integer(1)} if isinstance(statement.mode, Vector) else varying
        return replace(statement, body=tuple(self.written_out(inner, varying) for inner in statement.body))

    def is_short(self, loop: Loop, varying: Steps) -> bool:
        """Whether a loop adds up so little that counting takes as long: a few products of neighbours."""
        if not loop.is_whole or is_symbolic(extent(loop.index)) or size([loop.index]) > SHORT:
            return False
        sums = [work(inner) for inner in loop.body if isinstance(inner, Accumulate)]
        cheap = all(not done.functions and not done.calls for done in sums)
        near = all(self.moves(reference, varying) <= 1 for done in sums for reference in done.moved)
        return len(sums) == len(loop.body) and cheap and near

    def across(self, loops: Sequence[Loop]) -> float:
        """What it costs to combine the lanes of sums that run along them."""
        steps = 2 * self.width.bit_length()
        found = {
            s.target
            for loop in loops
            for s, _ in walk(loop.body)
            if isinstance(s, Accumulate) and loop.index not in indices(s.target)
        }
        return steps * len(found)

    def instructions(self, statement: Statement, varying: Steps) -> float:
        """Instructions for one pass through a statement."""
        if not isinstance(statement, (Set, Accumulate)):
            return 1.0
        done = work(statement)
        instructions = done.operations + FUNCTION_COST * (done.functions + done.calls)
        return instructions + sum(self.moves(reference, varying) for reference in done.moved)

    def moves(self, reference: Expr, varying: Steps) -> float:
        """Instructions to load or store a vertex: two a lane where lanes do not lie next to each other.

        Infinitely many for an element of a diagonal of which a lane holds its own row only.
        """
        key = reference, tuple(varying.items())
        if key not in self.moved:
            self.moved[key] = self._moves(reference, varying)
        return self.moved[key]

    def _moves(self, reference: Expr, varying: Steps) -> float:
        storage = self.program.storage_of(reference)
        if storage.place is Place.LOCAL:
            return 0.0
        steps = steps_of(subscripts(reference), varying)
        along = [steps[axis] for axis in storage.axes]
        dropped = {i for subscript in _not_stored(storage, reference) for i in indices(subscript) if i in varying}
        if dropped & {i for axis in storage.axes for i in indices(subscripts(reference)[axis])}:
            return inf
        if not any(along) or any(is_gathered(self.program, reference, index) for index in varying):
            return 1.0
        if not any(along[:-1]) and abs(along[-1]) == 1 and not dropped:
            return 1.0
        return 2.0 * self.width


def _adds_to_rows(loop: Loop, row: Idx) -> bool:
    """Whether a loop is over the columns of matrices whose rows it adds to, and nothing else."""
    return all(isinstance(s, Accumulate) and {row, loop.index} <= {*indices(s.target)} for s, _ in walk(loop.body))


def _runs(statements: Sequence[Statement]) -> Iterator[list[Statement]]:
    """The parts of a range together, every other statement alone."""
    run: list[Statement] = []
    for statement in statements:
        if run and not (isinstance(statement, Loop) and statement.follows):
            yield run
            run = []
        run.append(statement)
    if run:
        yield run
