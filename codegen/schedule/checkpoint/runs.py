"""Which loops go in blocks of steps, and which of them go through the same blocks one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sympy import Idx

from codegen.schedule.checkpoint.accesses import Access, accesses
from codegen.schedule.checkpoint.levels import Level, Loops, levels
from codegen.schedule.program import (
    Accumulate,
    Fill,
    Kernel,
    Loop,
    Place,
    Program,
    Statement,
    StorageKey,
    Vector,
    walk,
)
from codegen.walk import indices, subscripts


@dataclass(eq=False)
class Run:
    """Loops that run through the same blocks, one after the other: each reads what those before it have computed."""

    level: Level
    members: list[Loops]
    step: int
    """1 forward, −1 backward, 0 for either."""


class Runs:
    """The runs of a program, and what it reads and writes in them."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.lanes = False
        """Whether some add up steps in lanes: a block is whole vectors long."""
        found = list(levels(program.statements))
        of_loops = {id(loop): loops for level in found for loops in level.loops for loop in loops.parts}
        self.by_key: dict[StorageKey, list[Access]] = {}
        self.by_loops: dict[Loops, list[Access]] = {loops: [] for loops in of_loops.values()}
        for access in accesses(program, program.statements, of_loops):
            self.by_key.setdefault(access.key, []).append(access)
            if access.loops is not None:
                self.by_loops[access.loops].append(access)
        self.index: dict[Loops, Idx] = {}
        """What counts the steps of loops that may run in blocks."""
        self.of: dict[Loops, Run] = {}
        self.fills: dict[Loops, tuple[Fill, ...]] = {}
        """What begins the sums that loops add to, right before them."""
        for level in found:
            self.find_steps(level)
            self.join(level)

    @property
    def all(self) -> tuple[Run, ...]:
        """Each once."""
        return tuple(dict.fromkeys(self.of.values()))

    def offset(self, access: Access, axis: int) -> int | None:
        """How far a subscript is from the index of the steps around."""
        return None if access.loops is None else access.offset(axis, self.index.get(access.loops))

    def run_of(self, access: Access) -> Run | None:
        """The loops that a read or write is in."""
        return None if access.loops is None else self.of.get(access.loops)

    def inside(self, run: Run) -> list[Access]:
        """What loops read and write."""
        return [access for loops in run.members for access in self.by_loops[loops]]

    def order(self, run: Run) -> int:
        """The rank of loops in the text."""
        return min(access.order for access in self.by_loops[run.members[0]])

    # --- which loops run in blocks ------------------------------------------------------------------------------------

    def find_steps(self, level: Level) -> None:
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

    def note(self, loops: Loops, axes: dict[StorageKey, int | None]) -> None:
        """The axis along which loops go of what they read and write; None for what they know otherwise."""
        for access in self.by_loops[loops]:
            if self.program.storage[access.key].place in (Place.INPUT, Place.LOCAL):
                continue
            along = [
                axis for axis, _ in enumerate(subscripts(access.reference)) if self.offset(access, axis) is not None
            ]
            if len(along) == 1:
                axes.setdefault(access.key, along[0])
            elif indices(access.reference):
                axes.setdefault(access.key, None)

    def steps_in(self, loops: Loops, axes: Mapping[StorageKey, int | None]) -> Idx | None:
        """The index of one of some loops inside each other by which all that scans know is read and written."""
        known = [access for access in self.by_loops[loops] if axes.get(access.key) is not None]
        for loop in loops.chain:
            offsets = [access.offset(axes[access.key] or 0, loop.index) for access in known]
            if not any(offset is not None for offset in offsets):
                continue
            if all(o is not None or t.place(axes[t.key] or 0) is not None for o, t in zip(offsets, known)):
                return loop.index if self.adds_in_order(loops, loop) else None
        return None

    def adds_in_order(self, loops: Loops, steps: Loop) -> bool:
        """Whether what steps add to the same sums they add in the same order when they run in blocks."""
        if not _adds_outside(steps):
            return True
        in_lanes = isinstance(steps.mode, Vector)
        if loops.parts[0] is not steps or (in_lanes and not steps.is_whole):
            return False
        self.lanes |= in_lanes
        return True

    # --- which loops go through the same blocks -----------------------------------------------------------------------

    def join(self, level: Level) -> None:
        """Let loops go through blocks with those before them that compute what they read, where nothing forbids it."""
        found: list[Run] = []
        fills: list[Fill] = []
        for place, loops in enumerate(level.statements):
            if isinstance(loops, Fill):
                fills.append(loops)
                continue
            if isinstance(loops, Loops) and loops in self.index:
                self.fills[loops] = tuple(fills)
                run = next((run for run in found if self.can_join(run, loops, place)), None)
                if run is None:
                    run = Run(level, [], loops.step or self.adds(loops))
                    found.append(run)
                run.members.append(loops)
                run.step = run.step or loops.step or self.adds(loops)
                self.of[loops] = run
            fills = []

    def adds(self, loops: Loops) -> int:
        """1 for loops that add up what all steps compute, which they do forward."""
        return int(any(map(_adds_outside, loops.parts)))

    def can_join(self, run: Run, loops: Loops, place: int) -> bool:
        """Whether loops may run block by block after others, rather than after all of their blocks."""
        step = loops.step or self.adds(loops)
        if step and run.step and step != run.step:
            return False
        before = {access.key: access for access in self.inside(run) if access.writes}
        if not self.reads_steps(run, loops, step or run.step or 1, before):
            return False
        own = self.by_loops[loops]
        begun = {self.program.key_of(fill.target) for fill in self.fills[loops]}
        accessed, written = {t.key for t in own} | begun, {t.key for t in own if t.writes} | begun
        level = run.level.statements
        first = level.index(run.members[0])
        skipped = set(map(id, self.fills[loops]))
        for part in level[first:place]:
            if part in run.members or id(part) in skipped:
                continue
            for access in self.by_loops[part] if isinstance(part, Loops) else self.alone(part):
                if access.key in written or (access.writes and access.key in accessed):
                    return False
        return True

    def alone(self, statement: Statement) -> Iterator[Access]:
        """What one statement of a level reads and writes."""
        return accesses(self.program, [statement], {})

    def reads_steps(self, run: Run, loops: Loops, step: int, before: Mapping[StorageKey, Access]) -> bool:
        """Whether loops read what others compute, no later than these do in the same block."""
        found = False
        for access in self.by_loops[loops]:
            if (written := before.get(access.key)) is None:
                continue
            if access.writes:
                return False
            axes = range(len(subscripts(access.reference)))
            pairs = [(self.offset(written, axis), self.offset(access, axis)) for axis in axes]
            known = [(a, b) for a, b in pairs if a is not None]
            if len(known) != 1 or known[0][1] is None or step * (known[0][1] - known[0][0]) > 0:
                return False
            found = True
        return found


def _adds_outside(loop: Loop) -> bool:
    """Whether a loop adds to sums that have been begun outside of it."""
    inside = {s.target for s, _ in walk(loop.body) if isinstance(s, Fill)}
    return any(
        (isinstance(s, Accumulate) and s.target not in inside and loop.index not in indices(s.target))
        or (isinstance(s, Kernel) and s.kind.adds)
        for s, _ in walk(loop.body)
    )
