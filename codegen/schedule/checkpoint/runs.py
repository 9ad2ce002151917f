"""Which loops go in blocks of steps, and which of them go through the same blocks one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

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
    Use,
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
    before: list[Statement | Loops] = field(default_factory=list)
    """What is done before it that stands between its loops: what they read, and what begins their sums."""


class Joining(NamedTuple):
    """How loops go through the blocks of others."""

    shift: int
    """How many steps later they begin."""
    before: tuple[Loops, ...]
    """What is to be done before all of the blocks."""


class Runs:
    """The runs of a program, and what it reads and writes in them."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.in_lanes: set[Loops] = set()
        """Those that add up steps in lanes: a block is whole vectors long, and begins with their first lane."""
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
        self.shift: dict[Loops, int] = {}
        """How many steps of its run are done before the first of loops."""
        self.of: dict[Loops, Run] = {}
        for level in found:
            self.find_steps(level)
            self.join(level)

    @property
    def all(self) -> tuple[Run, ...]:
        """Each once."""
        return tuple(dict.fromkeys(self.of.values()))

    def offset(self, access: Access, axis: int) -> int | None:
        """How far a subscript is from the step of the run around."""
        if access.loops is None:
            return None
        offset = access.offset(axis, self.index.get(access.loops))
        return None if offset is None else offset - self.shift.get(access.loops, 0)

    def run_of(self, access: Access) -> Run | None:
        """The loops that a read or write is in."""
        return None if access.loops is None else self.of.get(access.loops)

    def inside(self, run: Run) -> list[Access]:
        """What loops read and write."""
        return [access for loops in run.members for access in self.by_loops[loops]]

    def order(self, run: Run) -> int:
        """The rank of loops in the text, after what is done before them."""
        first = min(access.order for access in self.by_loops[run.members[0]])
        return max([first, *(a.order for part in run.before if isinstance(part, Loops) for a in self.by_loops[part])])

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
        outermost = steps is loops.parts[0]
        adding = [loop for loop in (loops.parts if outermost else (steps,)) if _adds_outside(loop)]
        in_lanes = [loop for loop in adding if isinstance(loop.mode, Vector)]
        if (adding and not outermost) or not all(loop.is_whole for loop in in_lanes):
            return False
        if in_lanes:
            self.in_lanes.add(loops)
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
                joins = ((run, self.joining(run, loops, place, fills)) for run in found)
                run, joining = next((join for join in joins if join[1] is not None), (None, None))
                if run is None or joining is None:
                    run, joining = Run(level, [], loops.step or self.adds(loops)), Joining(0, ())
                    found.append(run)
                else:
                    run.before += (*joining.before, *fills)
                run.members.append(loops)
                run.step = run.step or loops.step or self.adds(loops)
                self.of[loops], self.shift[loops] = run, joining.shift
            fills = []
        for run in found:
            least = min(self.shift[loops] for loops in run.members)
            self.shift.update({loops: self.shift[loops] - least for loops in run.members})

    def adds(self, loops: Loops) -> int:
        """1 for loops that add up what all steps compute, which they do forward."""
        return int(any(map(_adds_outside, loops.parts)))

    def joining(self, run: Run, loops: Loops, place: int, fills: Sequence[Fill]) -> Joining | None:
        """How loops may run block by block after others; None where they run after all of their blocks."""
        step = loops.step or self.adds(loops)
        if step and run.step and step != run.step:
            return None
        shift = self.aligned(run, loops, step or run.step or 1)
        if shift is None or not self.keeps_lanes(run, loops, shift):
            return None
        level = run.level.statements
        left: list[Statement | Loops] = []
        moved: list[Loops] = []
        for part in level[level.index(run.members[0]) : place]:
            if part in run.before or any(part is fill for fill in fills):
                continue
            if part not in run.members and (self.needs(loops, part) or any(self.needs(fill, part) for fill in fills)):
                if not isinstance(part, Loops) or part in self.index or any(self.needs(part, other) for other in left):
                    return None
                moved.append(part)
            else:
                left.append(part)
        return Joining(shift, tuple(moved))

    def keeps_lanes(self, run: Run, loops: Loops, shift: int) -> bool:
        """Whether what adds up steps in lanes goes on doing so in the same ones."""
        shifts = {**{member: self.shift[member] for member in run.members}, loops: shift}
        least = min(shifts.values())
        return all((shifts[one] - least) % self.program.width == 0 for one in shifts if one in self.in_lanes)

    def needs(self, later: Statement | Loops, earlier: Statement | Loops) -> bool:
        """Whether something has to stay behind what stands before it; of one variable both write their own elements."""
        return any(
            {one.use, two.use} != {Use.WRITE} and (two.writes or one.use is Use.ADD) and one.meets(two)
            for one in self.accesses(later)
            for two in self.accesses(earlier)
        )

    def accesses(self, part: Statement | Loops) -> Sequence[Access]:
        """What a part of a level reads and writes."""
        return self.by_loops[part] if isinstance(part, Loops) else tuple(accesses(self.program, [part], {}))

    def aligned(self, run: Run, loops: Loops, step: int) -> int | None:
        """After how many steps loops begin that read what others compute, none of it later than these compute it.

        What both write they write at the same step. None where there is no such number, or they read nothing of it.
        """
        pairs: list[tuple[Access, int, int]] = []
        for access in self.by_loops[loops]:
            for written in (a for a in self.inside(run) if a.writes and a.key == access.key):
                if access.writes and {access.use, written.use} != {Use.WRITE}:
                    return None
                axes = range(len(subscripts(access.reference)))
                offsets = [(self.offset(written, axis), self.offset(access, axis)) for axis in axes]
                known = [(a, b) for a, b in offsets if a is not None]
                if len(known) != 1 or known[0][1] is None:
                    return None
                pairs.append((access, known[0][0], known[0][1]))
        shifts = {own - other for access, other, own in pairs if access.writes} or {0}
        if not pairs or len(shifts) > 1:
            return None
        (shift,) = shifts
        return None if any(step * (own - shift - other) > 0 for _, other, own in pairs) else shift


def _adds_outside(loop: Loop) -> bool:
    """Whether a loop adds to sums that have been begun outside of it."""
    inside = {s.target for s, _ in walk(loop.body) if isinstance(s, Fill)}
    return any(
        (isinstance(s, Accumulate) and s.target not in inside and loop.index not in indices(s.target))
        or (isinstance(s, Kernel) and s.kind.adds)
        for s, _ in walk(loop.body)
    )
