"""Keep what the steps of a scan leave at every so many of them alone, and compute the rest again where it is read.

What is read at all steps of a scan, as on the way back, is kept for all of them. With checkpoints every scan goes in
blocks of k steps. What it computes lies in windows, of the places that one block knows; the places that a block takes
over from the one before it are kept block by block, and what reads a scan runs its block again from there, just before
its own. So T/k checkpoints and k steps are in memory instead of T steps, for the time of a second way forward (Griewank
1992; Chen, Xu, Zhang and Guestrin 2016: k = √T). The same statements run in the same order, in the same lanes: results
are the same to the bit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isqrt
from reprlib import repr as short
from typing import Literal, NamedTuple

from sympy import Add, Expr, Idx, Integer, Min, Mul, expand, floor
from sympy.core.basic import Basic

from codegen.cached import cached_property
from codegen.errors import EmitError
from codegen.ir.affine import affine
from codegen.ir.cells import cell_of
from codegen.ir.equation import Equation, Variable
from codegen.ir.names import Names
from codegen.ir.ranges import NOTHING
from codegen.schedule.lanes import holds_vectors, lane_of, work
from codegen.schedule.program import (
    Accumulate,
    Bound,
    Contract,
    Fill,
    Kernel,
    Loop,
    One,
    Place,
    Program,
    Samples,
    Scan,
    Set,
    Statement,
    Storage,
    StorageKey,
    Store,
    Vector,
    nested,
    walk,
)
from codegen.schedule.storage import shared
from codegen.walk import (
    Extent,
    as_extent,
    extent,
    fold,
    fresh_index,
    indices,
    rebuild,
    references,
    reindex,
    subscripts,
    symbol_of,
)

Checkpoint = int | Literal["sqrt"] | None
"""The number of steps from one checkpoint to the next, or its square root of all; None keeps all steps."""


LONGEST = 2**48
"""More steps than an address space has numbers: a block of so many has all of them."""


def checkpoint_of(given: object) -> Checkpoint:
    """A user's wish, checked; raises :class:`EmitError` for what is none.

    >>> checkpoint_of(100), checkpoint_of("sqrt"), checkpoint_of(10**30) == LONGEST
    (100, 'sqrt', True)
    """
    if given is None:
        return None
    if isinstance(given, str) and given == "sqrt":
        return "sqrt"
    if isinstance(given, int) and not isinstance(given, bool) and given >= 1:
        return min(given, LONGEST)
    # Python writes no integer of more than 4,300 digits.
    shown = "a number below 0" if isinstance(given, int) and given < -LONGEST else short(given)
    raise EmitError(f"checkpoint: found {shown}, expected a whole number of steps of at least 1, 'sqrt' or None")


def checkpointed(program: Program, checkpoint: Checkpoint) -> Program:
    """The program whose scans keep what they leave every so many steps; itself where none is kept for all of them.

    What is an output, or read at all steps by what is no scan, stays as it is. Raises :class:`EmitError` where a scan
    reads another at all steps and none of it can be computed again.
    """
    if checkpoint is None:
        return program
    few = None if program.few is None else checkpointed(program.few, checkpoint)
    plan = _Plan(program, checkpoint)
    if not plan.windows:
        if plan.fault is not None:
            raise EmitError(f"checkpoint: {plan.fault}")
        return program if few is program.few else replace(program, few=few)
    blocks = _Blocks(plan)
    statements = blocks.of(program.statements, {})
    storage = {**program.storage, **blocks.storage}
    vectors = _of_vectors(replace(program, statements=statements, storage=storage))
    places, sizes = shared(program.graph, statements, storage, vectors)
    return replace(program, statements=statements, storage=places, work=sizes, few=few)


IN_WORK = (Place.WORK, Place.TILE)


def _of_vectors(program: Program) -> set[StorageKey]:
    """What is kept in work arrays whose elements are vectors."""
    found: set[StorageKey] = set()
    for statement, around in walk(program.statements):
        if isinstance(statement, (Set, Accumulate)):
            lane = lane_of(around)
            for reference in work(statement).moved:
                if holds_vectors(program.storage_of(reference), reference, lane):
                    found.add(_key(program.storage, reference))
    return found


def _key(storage: Mapping[StorageKey, Storage], reference: Expr) -> StorageKey:
    name, pattern = cell_of(reference)
    return (name, pattern) if (name, pattern) in storage else (name, ())


# --- what is read and written where -----------------------------------------------------------------------------------

Values = Mapping[Idx, Expr]
"""What the indices of loops are that have one value."""


@dataclass(frozen=True, eq=False)
class _Loops:
    """The loops of a block that are the parts of one scan; or one statement, loops inside each other."""

    parts: tuple[Loop, ...]
    step: int
    """Of a scan; 0 for another."""

    @property
    def chain(self) -> tuple[Loop, ...]:
        """The loops from the outside in, for as long as there is nothing else in one."""
        found = [self.parts[0]]
        while not self.step and len(self.parts) == len(found[-1].body) == 1 and isinstance(found[-1].body[0], Loop):
            found.append(found[-1].body[0])
        return tuple(found)


@dataclass(frozen=True, eq=False)
class _Level:
    """A block of statements with scans in it."""

    statements: tuple[Statement | _Loops, ...]
    samples: Samples | None
    """The pass over the samples that it is in."""

    @cached_property
    def loops(self) -> tuple[_Loops, ...]:
        """All loops."""
        return tuple(part for part in self.statements if isinstance(part, _Loops))


@dataclass(eq=False)
class _Run:
    """Loops that run through the same blocks, one after the other: each reads what those before it have computed."""

    level: _Level
    members: list[_Loops]
    step: int
    """1 forward, −1 backward, 0 for either."""


class _Touch(NamedTuple):
    """One read or write."""

    key: StorageKey
    reference: Expr
    writes: bool
    loops: _Loops | None
    """Those of a level that it is in."""
    order: int
    values: Values

    def offset(self, axis: int, index: Idx | None) -> int | None:
        """How far a subscript is from an index; None for any other subscript."""
        form = affine(_along(self.reference, axis, self.values))
        if form is None or index is None or form.coefficients != ((index, 1),):
            return None
        return int(form.constant) if form.constant.is_Integer else None

    def place(self, axis: int) -> Expr | None:
        """The one place along an axis, whatever the indices around are; None for any other."""
        form = affine(_along(self.reference, axis, self.values))
        return None if form is None or form.coefficients else form.constant


def _along(reference: Expr, axis: int, values: Values) -> Expr:
    return expand(reindex(subscripts(reference)[axis], values))


def _levels(statements: Sequence[Statement], samples: Samples | None = None) -> Iterator[_Level]:
    """The blocks with scans in them, but for those inside of scans."""
    parts = tuple(_parts(statements))
    if any(isinstance(part, _Loops) and part.step for part in parts):
        yield _Level(parts, samples)
    for statement in statements:
        if isinstance(statement, Samples):
            yield from _levels(statement.body, statement)
        elif isinstance(statement, Loop) and not isinstance(statement.mode, Scan):
            yield from _levels(statement.body, samples)


def _parts(statements: Sequence[Statement]) -> Iterator[_Loops | Statement]:
    """The statements of a block, the loops over the parts of one range together."""
    found: list[Loop] = []
    for statement in statements:
        if found and not (isinstance(statement, Loop) and statement.follows):
            yield _of_one_range(found)
            found = []
        if isinstance(statement, Loop):
            found.append(statement)
        else:
            yield statement
    if found:
        yield _of_one_range(found)


def _of_one_range(parts: Sequence[Loop]) -> _Loops:
    mode = parts[0].mode
    return _Loops(tuple(parts), mode.step if isinstance(mode, Scan) else 0)


def _touches(
    storage: Mapping[StorageKey, Storage], statements: Sequence[Statement], loops: Mapping[int, _Loops]
) -> Iterator[_Touch]:
    """Every read and write in the order of the text; ``loops`` by their identities."""
    order = 0

    def visit(block: Sequence[Statement], inside: _Loops | None, values: Values) -> Iterator[_Touch]:
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
                    for reference, writes in _named(statement):
                        yield _Touch(_key(storage, reference), reference, writes, inside, order, values)

    return visit(statements, None, {})


def _named(statement: Statement) -> Iterator[tuple[Expr, bool]]:
    """What a statement reads, and what it writes."""
    match statement:
        case Set() | Accumulate():
            yield from ((reference, False) for reference in references(statement.value))
            yield statement.target, True
        case Contract() | Kernel():
            yield from ((operand, False) for operand in statement.operands)
            yield statement.equation.target, True
        case Fill():
            yield statement.target, True
        case Store():
            yield statement.target, False
        case _:
            raise AssertionError(statement)


# --- windows ----------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class _Window:
    """A variable of which those places along an axis are kept that one block of its scan knows."""

    key: StorageKey
    run: _Run
    axis: int
    target: Expr
    """What its scan writes."""
    offset: int
    """How far that is from the index of the scan."""
    outside: Mapping[Expr, int]
    """The places that are written outside of the scan, by the rank in the text at which they are."""
    single: frozenset[Expr]
    """The places that are read or written by themselves."""
    back: int = 0
    """How many places a block takes over from the one before it."""
    first: int = 0
    """The first place of a block, from its first step on."""
    last: int = 0
    """What the last place is before, from the step after the last of the block on."""

    def reach(self, low: int, high: int) -> None:
        """Hold these places too: from the first step of a block on, and from the step after its last."""
        self.first, self.last = min(self.first, low), max(self.last, high)

    def take_over(self, places: int) -> None:
        """Take over so many places at least."""
        self.back = max(self.back, places)
        if self.run.step >= 0:
            self.reach(self.offset - self.back, self.last)
        else:
            self.reach(self.first, self.offset + self.back)


@dataclass(frozen=True)
class _Part:
    """A block of loops as it is run before that of others, or of themselves: so many steps more at either end."""

    run: _Run
    low: int
    high: int
    touches: tuple[_Touch, ...]
    targets: frozenset[StorageKey] | None = None
    """What is needed of it; None for all."""


class _Plan:
    """Which loops run in blocks together, which variables have windows, and what each block computes again."""

    def __init__(self, program: Program, checkpoint: int | Literal["sqrt"]) -> None:
        self.program, self.checkpoint = program, checkpoint
        self.fault: str | None = None
        self.lanes = False
        """Whether some add up steps in lanes: a block is whole vectors long."""
        levels = list(_levels(program.statements))
        of_loops = {id(loop): loops for level in levels for loops in level.loops for loop in loops.parts}
        self.by_key: dict[StorageKey, list[_Touch]] = {}
        self.by_loops: dict[_Loops, list[_Touch]] = {loops: [] for loops in of_loops.values()}
        for touch in _touches(program.storage, program.statements, of_loops):
            self.by_key.setdefault(touch.key, []).append(touch)
            if touch.loops is not None:
                self.by_loops[touch.loops].append(touch)
        self.index: dict[_Loops, Idx] = {}
        """What counts the steps of loops that may run in blocks."""
        self.runs: dict[_Loops, _Run] = {}
        self.fills: dict[_Loops, tuple[Fill, ...]] = {}
        """What begins the sums that loops add to, right before them."""
        for level in levels:
            self.find_steps(level)
            self.join(level)
        found = (self.window(key) for key in self.by_key)
        self.windows = {window.key: window for window in found if window is not None}
        for run in self.again:
            self.windows.update({window.key: window for window in self.carried(run)})
        self.parts = {run: self.parts_of(run) for run in self.runs.values()}

    def offset(self, touch: _Touch, axis: int) -> int | None:
        """How far a subscript is from the index of the steps around."""
        return None if touch.loops is None else touch.offset(axis, self.index.get(touch.loops))

    def run_of(self, touch: _Touch) -> _Run | None:
        """The loops that a read or write is in."""
        return None if touch.loops is None else self.runs.get(touch.loops)

    def inside(self, run: _Run) -> list[_Touch]:
        """What loops read and write."""
        return [touch for loops in run.members for touch in self.by_loops[loops]]

    def order(self, run: _Run) -> int:
        """The rank of loops in the text."""
        return min(touch.order for touch in self.by_loops[run.members[0]])

    # --- which loops run in blocks ------------------------------------------------------------------------------------

    def find_steps(self, level: _Level) -> None:
        """The index of steps of scans, and of what goes along with what scans compute or read at all steps."""
        axes: dict[StorageKey, int | None] = {}
        for loops in level.loops:
            if loops.step:
                self.index[loops] = loops.parts[0].index
                self.note(loops, axes)
        for loops in level.loops:
            if loops not in self.index and (index := self.steps_in(loops, axes)) is not None:
                self.index[loops] = index
                self.note(loops, axes)

    def note(self, loops: _Loops, axes: dict[StorageKey, int | None]) -> None:
        """The axis along which loops go of what they read and write; None for what they know otherwise."""
        for touch in self.by_loops[loops]:
            if self.program.storage[touch.key].place in (Place.INPUT, Place.LOCAL):
                continue
            along = [axis for axis, _ in enumerate(subscripts(touch.reference)) if self.offset(touch, axis) is not None]
            if len(along) == 1:
                axes.setdefault(touch.key, along[0])
            elif indices(touch.reference):
                axes.setdefault(touch.key, None)

    def steps_in(self, loops: _Loops, axes: Mapping[StorageKey, int | None]) -> Idx | None:
        """The index of one of some loops inside each other by which all that scans know is read and written."""
        known = [touch for touch in self.by_loops[loops] if axes.get(touch.key) is not None]
        for loop in loops.chain:
            offsets = [touch.offset(axes[touch.key] or 0, loop.index) for touch in known]
            if not any(offset is not None for offset in offsets):
                continue
            if all(o is not None or t.place(axes[t.key] or 0) is not None for o, t in zip(offsets, known)):
                return loop.index if self.adds_in_order(loops, loop) else None
        return None

    def adds_in_order(self, loops: _Loops, steps: Loop) -> bool:
        """Whether what steps add to the same sums they add in the same order when they run in blocks."""
        if not _adds_outside(steps):
            return True
        in_lanes = isinstance(steps.mode, Vector)
        if loops.parts[0] is not steps or (in_lanes and not steps.is_whole):
            return False
        self.lanes |= in_lanes
        return True

    # --- which loops go through the same blocks -----------------------------------------------------------------------

    def join(self, level: _Level) -> None:
        """Let loops go through blocks with those before them that compute what they read, where nothing forbids it."""
        found: list[_Run] = []
        fills: list[Fill] = []
        for place, loops in enumerate(level.statements):
            if isinstance(loops, Fill):
                fills.append(loops)
                continue
            if isinstance(loops, _Loops) and loops in self.index:
                self.fills[loops] = tuple(fills)
                run = next((run for run in found if self.can_join(run, loops, place)), None)
                if run is None:
                    run = _Run(level, [], loops.step or self.adds(loops))
                    found.append(run)
                run.members.append(loops)
                run.step = run.step or loops.step or self.adds(loops)
                self.runs[loops] = run
            fills = []

    def adds(self, loops: _Loops) -> int:
        """1 for loops that add up what all steps compute, which they do forward."""
        return int(any(map(_adds_outside, loops.parts)))

    def can_join(self, run: _Run, loops: _Loops, place: int) -> bool:
        """Whether loops may run block by block after others, rather than after all of their blocks."""
        step = loops.step or self.adds(loops)
        if step and run.step and step != run.step:
            return False
        before = {touch.key: touch for touch in self.inside(run) if touch.writes}
        if not self.reads_steps(run, loops, step or run.step or 1, before):
            return False
        own = self.by_loops[loops]
        begun = {_key(self.program.storage, fill.target) for fill in self.fills[loops]}
        touched, written = {t.key for t in own} | begun, {t.key for t in own if t.writes} | begun
        level = run.level.statements
        first = level.index(run.members[0])
        skipped = set(map(id, self.fills[loops]))
        for part in level[first:place]:
            if part in run.members or id(part) in skipped:
                continue
            for touch in self.by_loops[part] if isinstance(part, _Loops) else self.alone(part):
                if touch.key in written or (touch.writes and touch.key in touched):
                    return False
        return True

    def alone(self, statement: Statement) -> Iterator[_Touch]:
        """What one statement of a level reads and writes."""
        return _touches(self.program.storage, [statement], {})

    def reads_steps(self, run: _Run, loops: _Loops, step: int, before: Mapping[StorageKey, _Touch]) -> bool:
        """Whether loops read what others compute, no later than these do in the same block."""
        found = False
        for touch in self.by_loops[loops]:
            if (written := before.get(touch.key)) is None:
                continue
            if touch.writes:
                return False
            axes = range(len(subscripts(touch.reference)))
            pairs = [(self.offset(written, axis), self.offset(touch, axis)) for axis in axes]
            known = [(a, b) for a, b in pairs if a is not None]
            if len(known) != 1 or known[0][1] is None or step * (known[0][1] - known[0][0]) > 0:
                return False
            found = True
        return found

    # --- what has a window --------------------------------------------------------------------------------------------

    @cached_property
    def again(self) -> tuple[_Run, ...]:
        """The loops of which blocks are run again, since others read what they compute."""
        found = (
            window.run
            for window in self.windows.values()
            for touch in self.by_key[window.key]
            if self.run_of(touch) not in (window.run, None) and self.offset(touch, window.axis) is not None
        )
        return tuple(dict.fromkeys(found))

    def window(self, key: StorageKey) -> _Window | None:
        """The window of a variable that is kept for all steps of the loops that compute it; None for any other."""
        where, touches = self.program.storage[key], self.by_key[key]
        writers = (run for touch in touches if touch.writes and (run := self.run_of(touch)) is not None)
        writing = tuple(dict.fromkeys(writers))
        if not writing or where.place in (Place.INPUT, Place.LOCAL):
            return None
        run, *others = writing
        written = [touch for touch in touches if touch.writes and self.run_of(touch) is run]
        axes = [axis for axis in where.axes if any(self.offset(touch, axis) is not None for touch in written)]
        if not axes:
            return None
        reason = "its elements are not computed one a step"
        if not others and len(axes) == 1 and len({self.offset(touch, axes[0]) for touch in written}) == 1:
            found = self.reason(key, run, axes[0])
            if found is None:
                return self.made(key, run, axes[0])
            reason = found
        back = (other for touch in touches if not touch.writes and (other := self.run_of(touch)) is not None)
        ways = {-run.step for run in writing} - {0}
        if self.fault is None and any(other.step in ways for other in back):
            self.fault = f"{key[0]!r}, which the way back reads, is kept for all steps: {reason}"
        return None

    def reason(self, key: StorageKey, run: _Run, axis: int) -> str | None:
        """Why all steps of a variable are kept; None where that is not so."""
        if self.program.storage[key].place is Place.OUTPUT:
            return "it is an output"
        touches = self.by_key[key]
        outside = {touch.place(axis) for touch in touches if touch.writes and self.run_of(touch) is not run}
        for touch in touches:
            here, place, offset = self.run_of(touch), touch.place(axis), self.offset(touch, axis)
            if here is run:
                fits = touch.writes or offset is not None or place in outside
            elif here is not None and here.level is run.level and self.order(here) > self.order(run):
                fits = place is not None or (offset is not None and not touch.writes)
            else:
                fits = place is not None
            if not fits:
                return f"it is {'written' if touch.writes else 'read'} as {touch.reference}"
        return None

    def carried(self, run: _Run) -> Iterator[_Window]:
        """Windows for what the steps of a scan leave to each other in one place."""
        for key in dict.fromkeys(touch.key for touch in self.inside(run) if touch.writes):
            where, touches = self.program.storage[key], self.by_key[key]
            if key in self.windows or where.place not in IN_WORK:
                continue
            if any(self.run_of(touch) is not run for touch in touches):
                continue
            for axis in range(len(subscripts(touches[0].reference))):
                offsets = {self.offset(touch, axis) for touch in touches}
                if axis not in where.axes and None not in offsets and len(offsets) > 1:
                    yield self.made(key, run, axis)

    def made(self, key: StorageKey, run: _Run, axis: int) -> _Window:
        touches = self.by_key[key]
        written = next(touch for touch in touches if touch.writes and self.run_of(touch) is run)
        offset = self.offset(written, axis)
        assert offset is not None
        outside: dict[Expr, int] = {}
        for touch in touches:
            place = touch.place(axis)
            if touch.writes and place is not None:
                outside[place] = min(touch.order, outside.get(place, touch.order))
        places = (touch.place(axis) for touch in touches)
        single = frozenset(place for place in places if place is not None)
        return _Window(key, run, axis, written.reference, offset, outside, single, first=offset, last=offset)

    # --- what is computed again ---------------------------------------------------------------------------------------

    def parts_of(self, run: _Run) -> tuple[_Part, ...]:
        """What is run for a block of loops: the blocks of others that they read, from their checkpoints, and theirs."""
        found = [_Part(run, 0, 0, tuple(self.inside(run)))]
        others = {other for other in self.runs.values() if other.level is run.level}
        before = [other for other in others if self.order(other) < self.order(run)]
        for other in sorted(before, key=self.order, reverse=True):
            reads = [(part, *read) for part in found for read in self.reads(part.touches, other)]
            if reads:
                ahead = (part.high + offset for part, _, offset in reads)
                behind = (part.low - offset for part, _, offset in reads)
                low, high = (0, max(0, *ahead)) if other.step >= 0 else (max(0, *behind), 0)
                targets = self.needed(other, {window.key for _, window, _ in reads})
                inside = self.inside(other)
                wanted = {touch.order for touch in inside if touch.writes and touch.key in targets}
                touches = tuple(touch for touch in inside if touch.order in wanted)
                found.append(_Part(other, low, high, touches, frozenset(targets)))
        for part in found:
            self.fit(part)
        return tuple(sorted(found, key=lambda part: self.order(part.run)))

    def reads(self, touches: Sequence[_Touch], run: _Run) -> Iterator[tuple[_Window, int]]:
        """What is read of the windows of loops, and how far from what these write at the same step."""
        for touch in touches:
            window = self.windows.get(touch.key)
            if window is not None and window.run is run and not touch.writes:
                offset = self.offset(touch, window.axis)
                if offset is not None:
                    yield window, offset - window.offset

    def needed(self, run: _Run, targets: set[StorageKey]) -> set[StorageKey]:
        """What loops have to compute for these targets: what lies in no window and is known to others is there."""
        inside = self.inside(run)
        reads: dict[StorageKey, set[StorageKey]] = {}
        written = {touch.order: touch.key for touch in inside if touch.writes}
        for touch in inside:
            if touch.order in written:
                reads.setdefault(written[touch.order], set()).add(touch.key)
        own = {key for key in reads if all(self.run_of(touch) is run for touch in self.by_key[key])}
        own |= {key for key, window in self.windows.items() if window.run is run}
        found: set[StorageKey] = set()
        left = list(targets)
        while left:
            key = left.pop()
            if key not in found:
                found.add(key)
                left += reads[key] & own
        return found

    def fit(self, part: _Part) -> None:
        """Make the windows large enough for a part."""
        for touch in part.touches:
            window = self.windows.get(touch.key)
            offset = None if window is None else self.offset(touch, window.axis)
            if window is None or offset is None:
                continue
            window.reach(offset - part.low, offset + part.high)
            ago = offset - window.offset
            own = window.run is part.run
            if window.run.step >= 0:
                window.take_over((0 if own else part.low) - ago)
            else:
                window.take_over((0 if own else part.high) + ago)

    # --- lengths ------------------------------------------------------------------------------------------------------

    def steps(self, level: _Level) -> int:
        """The steps of a block."""
        longest = self.longest_of(level)
        if self.checkpoint == "sqrt":
            if not isinstance(longest, int):
                each = "is one of each call: give the number of steps from one checkpoint to the next"
                raise EmitError(f"checkpoint='sqrt': the number of steps, {longest}, {each}")
            steps = isqrt(longest - 1) + 1
        else:
            steps = min(self.checkpoint, longest) if isinstance(longest, int) else self.checkpoint
        return -(-steps // self.program.width) * self.program.width if self.lanes else steps

    def longest_of(self, level: _Level) -> Extent:
        """The most steps that loops of a level have."""
        return self.longest([loops for loops in level.loops if loops in self.index])

    def longest(self, members: Sequence[_Loops]) -> Extent:
        """The most steps that loops have."""
        first, *others = (extent(self.index[loops]) for loops in members)
        for n in others:
            if _is_less(first, n):
                first = n
            elif not _is_less(n, first):
                raise EmitError(f"checkpoint: of {first} and {n} steps none is known to be more")
        return first


def _is_less(a: Extent, b: Extent) -> bool:
    """Whether a length is less than another, or the same, whatever the symbols in them are."""
    form = affine(expand(Integer(1) * b - a))
    return form is not None and NOTHING.says(form)


def _adds_outside(loop: Loop) -> bool:
    """Whether a loop adds to sums that have been begun outside of it."""
    inside = {s.target for s, _ in walk(loop.body) if isinstance(s, Fill)}
    return any(
        (isinstance(s, Accumulate) and s.target not in inside and loop.index not in indices(s.target))
        or (isinstance(s, Kernel) and s.kind.adds)
        for s, _ in walk(loop.body)
    )


# --- the statements ---------------------------------------------------------------------------------------------------


class _Blocks:
    """Writes the statements of a program anew, its scans in blocks."""

    def __init__(self, plan: _Plan) -> None:
        self.plan, self.program = plan, plan.program
        graph = plan.program.graph
        self.names = Names(graph.variables)
        loops = [s.index.name for s, _ in walk(plan.program.statements) if isinstance(s, Loop)]
        self.taken = {*graph.index_names, *loops}
        self.storage: dict[StorageKey, Storage] = {}
        self.steps = {w.run.level: plan.steps(w.run.level) for w in plan.windows.values()}
        self.blocked: dict[int, _Run] = {}
        """The loops of runs that have windows, and what begins their sums, by their identities."""
        for run in plan.parts:
            if len(plan.parts[run]) > 1 or any(window.run is run for window in plan.windows.values()):
                self.blocked.update({id(loop): run for loops in run.members for loop in loops.parts})
                self.blocked.update({id(f): run for loops in run.members[1:] for f in plan.fills[loops]})
        self.longest = {level: plan.longest_of(level) for level in self.steps}
        self.counts = {level: _blocks(self.longest[level], steps) for level, steps in self.steps.items()}
        self.kept = {key: self.checkpoint(window) for key, window in plan.windows.items() if window.back}
        self.places = {key: self.single(window) for key, window in plan.windows.items()}
        for window in plan.windows.values():
            self.storage[window.key] = self.stored(window, self.places_of(window))

    # --- where things are ---------------------------------------------------------------------------------------------

    def stored(self, window: _Window, places: Extent) -> Storage:
        """So many places along the axis of a window, everything else as it is."""
        old = self.program.storage[window.key]
        shape = dict(zip(old.axes, old.shape))
        shape[window.axis] = places
        axes = tuple(sorted(shape))
        return replace(old, axes=axes, shape=tuple(shape[axis] for axis in axes))

    def places_of(self, window: _Window) -> Extent:
        """The places of a window: no more than all steps need, where blocks are longer."""
        steps = Min(self.size(window), self.longest[window.run.level])
        return as_extent(steps + window.last - window.first)

    def checkpoint(self, window: _Window) -> Variable:
        """What each block takes over: for all blocks where some are run again."""
        again = window.run in self.plan.again
        blocks = as_extent(self.counts[window.run.level] + 1) if again else 1
        row = self.stored(window, window.back)
        variable = self.named(f"{window.key[0]} kept", (blocks, *self.shape(window)))
        axes = (0, *(axis + 1 for axis in row.axes))
        self.storage[variable.name, ()] = replace(row, axes=axes, shape=(blocks, *row.shape))
        return variable

    def single(self, window: _Window) -> Mapping[Expr, Variable]:
        """The places that are read or written by themselves."""
        found = {}
        for place in sorted(window.single, key=str):
            found[place] = self.named(f"{window.key[0]} at {place}", self.shape(window))
            self.storage[found[place].name, ()] = self.stored(window, 1)
        return found

    def named(self, name: str, shape: tuple[Extent, ...]) -> Variable:
        return Variable(self.names.new(name), shape)

    def shape(self, window: _Window) -> tuple[Extent, ...]:
        return self.program.graph.variable(window.key[0]).shape

    def index(self, name: str, n: Extent) -> Idx:
        """An index of a name that no other has."""
        return fresh_index(Idx(name, n), self.taken)

    # --- statements ---------------------------------------------------------------------------------------------------

    def of(self, statements: Sequence[Statement], values: Values, start: Expr | None = None) -> tuple[Statement, ...]:
        """Statements with windows for what has one; ``start`` is the first step of the block that they are in."""
        found: list[Statement] = []
        for statement in statements:
            run = self.blocked.get(id(statement)) if start is None else None
            if run is not None:
                if statement is run.members[0].parts[0]:
                    found += self.in_blocks(run)
            elif isinstance(statement, Loop):
                inner = values
                if isinstance(statement.mode, One):
                    inner = {**values, statement.index: reindex(statement.mode.value, values)}
                found.append(replace(statement, body=self.of(statement.body, inner, start)))
            elif isinstance(statement, Samples):
                # What the samples are summed into has no window.
                found.append(replace(statement, body=self.of(statement.body, {})))
            else:
                found.append(self.moved(statement, values, start))
        return tuple(found)

    def moved(self, statement: Statement, values: Values, start: Expr | None) -> Statement:
        """A statement with windows for what has one."""
        there = {reference: self.there(reference, values, start) for reference, _ in _named(statement)}
        match statement:
            case Set() | Accumulate():
                value = _in_order(statement.value, there)
                return replace(statement, target=there[statement.target], value=value)
            case Fill() | Store():
                return replace(statement, target=there[statement.target])
            case Kernel(equation=equation):
                body = _in_order(equation.body, there)
                equation = Equation(there[equation.target], body, equation.reduction, equation.reduced)
                operands = tuple(there[operand] for operand in statement.operands)
                loops = self.of(statement.loops, values, start)
                return replace(statement, equation=equation, operands=operands, loops=loops)
            case _:
                return statement

    def there(self, reference: Expr, values: Values, start: Expr | None) -> Expr:
        """Where a vertex is: in its window, or by itself."""
        window = self.plan.windows.get(_key(self.program.storage, reference))
        if window is None:
            return reference
        key = list(subscripts(reference))
        form = affine(_along(reference, window.axis, values))
        assert form is not None
        if not form.coefficients:
            key[window.axis] = Integer(0)
            return self.places[window.key][form.constant][tuple(key)]
        assert start is not None
        key[window.axis] = expand(key[window.axis] - start - window.first)
        return symbol_of(reference)[tuple(key)]

    # --- blocks -------------------------------------------------------------------------------------------------------

    def in_blocks(self, run: _Run) -> Iterator[Statement]:
        """Loops block by block, after what begins their sums."""
        for loops in run.members[1:]:
            yield from (self.moved(fill, {}, None) for fill in self.plan.fills[loops])
        steps, n = self.steps[run.level], self.plan.longest(run.members)
        count = _blocks(n, steps)
        block = self.index("block", count if isinstance(count, int) else n)
        stop = () if isinstance(count, int) else (Bound(n + steps - 1, steps),)
        body: list[Statement] = []
        for part in self.plan.parts[run]:
            windows = [window for window in self.plan.windows.values() if window.run is part.run]
            for window in windows:
                body += self.taken_over(window, block)
            for window in windows:
                body += self.put(window, steps * block, self.plan.order(run))
            body += self.steps_of(part, steps * block)
        own = [window for window in self.plan.windows.values() if window.run is run]
        for window in own:
            body += self.taken_out(window, steps * block)
        for window in own:
            body += self.left(window, block)
        yield Loop(block, tuple(body), Scan(run.step or 1), stop=stop)

    def steps_of(self, part: _Part, start: Expr) -> Iterator[Statement]:
        """The steps of a block."""
        first = Bound(expand(start - part.low))
        last = Bound(expand(start + self.steps[part.run.level] + part.high))
        for loops in part.run.members:
            parts = loops.parts if part.targets is None else tuple(self.only(loops.parts, part.targets))
            for loop in parts:
                assert isinstance(loop, Loop)
                (bounded,) = self.of([_between(loop, self.plan.index[loops], first, last)], {}, start)
                yield bounded

    def only(self, statements: Sequence[Statement], targets: Collection[StorageKey]) -> Iterator[Statement]:
        """What computes some targets."""
        goes_on = False
        for statement in statements:
            if isinstance(statement, Loop):
                goes_on = goes_on and statement.follows
                if body := tuple(self.only(statement.body, targets)):
                    yield replace(statement, body=body, follows=goes_on)
                    goes_on = True
            else:
                goes_on = False
                written = (reference for reference, writes in _named(statement) if writes)
                if any(_key(self.program.storage, reference) in targets for reference in written):
                    yield statement

    # --- what blocks leave to each other ------------------------------------------------------------------------------

    def taken_over(self, window: _Window, block: Idx) -> Iterator[Statement]:
        """Put what the block before has left where this one expects it."""
        if window.back:
            before = block if window.run.step >= 0 else block + 1
            start = window.offset - window.back if window.run.step >= 0 else self.size(window) + window.offset
            yield self.copied(window, start, before, out=False)

    def left(self, window: _Window, block: Idx) -> Iterator[Statement]:
        """Keep what the next block takes over."""
        if window.back:
            after = block + 1 if window.run.step >= 0 else block
            start = self.size(window) + window.offset - window.back if window.run.step >= 0 else window.offset
            yield self.copied(window, start, after, out=True)

    def copied(self, window: _Window, start: int, block: Expr, out: bool) -> Statement:
        """Copy the places from ``start`` on, seen from the first step of a block, to or from a checkpoint."""
        first = start - window.first
        place = self.index("place", self.longest[window.run.level] + window.last - window.first)
        key, around = self.others(window)
        kept_key, there = list(key), list(key)
        kept_key[window.axis], there[window.axis] = place - first, place
        slot = block if window.run in self.plan.again else Integer(0)
        kept = self.kept[window.key][(slot, *kept_key)]
        inside = symbol_of(window.target)[tuple(there)]
        target, value = (kept, inside) if out else (inside, kept)
        body = nested(around, Set(Equation(target, value), target, value))
        return Loop(place, (body,), start=(Bound(Integer(first)),), stop=(Bound(Integer(first + window.back)),))

    def put(self, window: _Window, start: Expr, order: int) -> Iterator[Statement]:
        """Put the places that are written by themselves before a scan where its block may read them."""
        for place, rank in window.outside.items():
            if rank < order:
                stop = start + self.size(window) + window.last
                yield self.at(window, place, start, (start + window.first, stop), out=False)

    def taken_out(self, window: _Window, start: Expr) -> Iterator[Statement]:
        """Copy the places that are read by themselves where the block of a scan has computed them."""
        for place in sorted(window.single - window.outside.keys(), key=str):
            if window.run.step >= 0:
                ends = start + window.first, start + self.size(window) + window.offset
            else:
                ends = start + window.offset, start + self.size(window) + window.last
            yield self.at(window, place, start, ends, out=True)

    def at(self, window: _Window, place: Expr, start: Expr, ends: tuple[Expr, Expr], out: bool) -> Statement:
        """Copy one place, where it is one of those from the first of ``ends`` to before the second."""
        here = self.index("place", self.shape(window)[window.axis])
        key, around = self.others(window)
        single, there = list(key), list(key)
        single[window.axis], there[window.axis] = Integer(0), expand(here - start - window.first)
        alone = self.places[window.key][place][tuple(single)]
        inside = symbol_of(window.target)[tuple(there)]
        target, value = (alone, inside) if out else (inside, alone)
        body = nested(around, Set(Equation(target, value), target, value))
        first, last, end = (Bound(expand(e)) for e in (*ends, start + self.longest[window.run.level] + window.last))
        return Loop(here, (body,), start=(first, Bound(place)), stop=(last, end, Bound(place + 1)))

    def others(self, window: _Window) -> tuple[tuple[Expr, ...], tuple[Idx, ...]]:
        """Subscripts along all axes of a window, and the indices of loops for those along stored ones."""
        samples = window.run.level.samples
        key = list(subscripts(window.target))
        around: list[Idx] = []
        for axis, n in enumerate(self.shape(window)):
            if axis != window.axis and axis in self.storage[window.key].axes:
                over_samples = samples is not None and not isinstance(n, int)
                key[axis] = samples.index if over_samples and samples is not None else self.index(f"axis{axis}", n)
                around.append(key[axis])
        return tuple(key), tuple(around)

    def size(self, window: _Window) -> int:
        """The steps of a block."""
        return self.steps[window.run.level]


def _in_order(expression: Expr, replacements: Mapping[Expr, Expr]) -> Expr:
    """Other references in place of some, terms and factors in the order they had: SymPy's may be another for new ones.

    The order in which numbers are multiplied decides about the last bit.
    """

    def step(node: Basic, arguments: list[Basic]) -> Basic:
        if node in replacements:
            return replacements[node]
        if isinstance(node, (Add, Mul)) and any(a is not b for a, b in zip(arguments, node.args)):
            return node.func(*arguments, evaluate=False)
        return rebuild(node, arguments)

    return fold(expression, step)


def _between(loop: Loop, index: Idx, first: Bound, last: Bound) -> Loop:
    """A loop, or the one in it over an index, between bounds."""
    if loop.index == index:
        return replace(loop, start=(*loop.start, first), stop=(*loop.stop, last))
    (inner,) = loop.body
    assert isinstance(inner, Loop)
    return replace(loop, body=(_between(inner, index, first, last),))


def _blocks(n: Extent, steps: int) -> Extent:
    """The number of blocks of so many steps."""
    return -(-n // steps) if isinstance(n, int) else floor((n + steps - 1) / steps)
