"""Of which variables one block knows a few places alone, and which loops are run again for those that read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sympy import Expr

from codegen.schedule.checkpoint.runs import Run, Runs
from codegen.schedule.program import Place, StorageKey
from codegen.walk import subscripts

IN_WORK = (Place.WORK, Place.TILE)


@dataclass(eq=False)
class Window:
    """A variable of which those places along an axis are kept that one block of its scan knows."""

    key: StorageKey
    run: Run
    axis: int
    target: Expr
    """What its scan writes."""
    offset: int
    """How far that is from the index of the scan."""
    outside: Mapping[Expr, int]
    """The places that are written outside of the scan, by the rank in the text at which they are."""
    shared: frozenset[Expr]
    """Those of them of which its scan writes other elements."""
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


class Windows:
    """The windows of the variables that runs compute."""

    def __init__(self, runs: Runs) -> None:
        self.runs = runs
        self.fault: str | None = None
        """Why something that the way back reads has none."""
        found = (self.window(key) for key in runs.by_key)
        self.by_key = {window.key: window for window in found if window is not None}
        self.again = self.read_by_others()
        """The loops of which blocks are run again, since others read what they compute."""
        for run in self.again:
            self.by_key.update({window.key: window for window in self.carried(run)})

    def of(self, run: Run) -> list[Window]:
        """Those of what some loops compute."""
        return [window for window in self.by_key.values() if window.run is run]

    def read_by_others(self) -> tuple[Run, ...]:
        """The loops of which blocks are run again, since others read what they compute."""
        found = (
            window.run
            for window in self.by_key.values()
            for access in self.runs.by_key[window.key]
            if self.runs.run_of(access) not in (window.run, None) and self.runs.offset(access, window.axis) is not None
        )
        return tuple(dict.fromkeys(found))

    def window(self, key: StorageKey) -> Window | None:
        """The window of a variable that is kept for all steps of the loops that compute it; None for any other."""
        where, accesses = self.runs.program.storage[key], self.runs.by_key[key]
        writers = (run for access in accesses if access.writes and (run := self.runs.run_of(access)) is not None)
        writing = tuple(dict.fromkeys(writers))
        if not writing or where.place in (Place.INPUT, Place.LOCAL):
            return None
        run, *others = writing
        written = [access for access in accesses if access.writes and self.runs.run_of(access) is run]
        axes = [axis for axis in where.axes if any(self.runs.offset(access, axis) is not None for access in written)]
        if not axes:
            return None
        reason = "its elements are not computed one a step"
        if not others and len(axes) == 1 and len({self.runs.offset(access, axes[0]) for access in written}) == 1:
            found = self.reason(key, run, axes[0])
            if found is None:
                return self.made(key, run, axes[0])
            reason = found
        back = (other for access in accesses if not access.writes and (other := self.runs.run_of(access)) is not None)
        ways = {-run.step for run in writing} - {0}
        if self.fault is None and any(other.step in ways for other in back):
            self.fault = f"{key[0]!r}, which the way back reads, is kept for all steps: {reason}"
        return None

    def reason(self, key: StorageKey, run: Run, axis: int) -> str | None:
        """Why all steps of a variable are kept; None where that is not so."""
        if self.runs.program.storage[key].place is Place.OUTPUT:
            return "it is an output"
        accesses = self.runs.by_key[key]
        outside = {access.place(axis) for access in accesses if access.writes and self.runs.run_of(access) is not run}
        for access in accesses:
            here, place, offset = self.runs.run_of(access), access.place(axis), self.runs.offset(access, axis)
            if here is run:
                fits = access.writes or offset is not None or place in outside
            elif here is not None and here.level is run.level and self.runs.order(here) > self.runs.order(run):
                fits = place is not None or (offset is not None and not access.writes)
            else:
                fits = place is not None
            if not fits:
                return f"it is {'written' if access.writes else 'read'} as {access.reference}"
        return None

    def carried(self, run: Run) -> Iterator[Window]:
        """Windows for what the steps of a scan leave to each other in one place."""
        for key in dict.fromkeys(access.key for access in self.runs.inside(run) if access.writes):
            where, accesses = self.runs.program.storage[key], self.runs.by_key[key]
            if key in self.by_key or where.place not in IN_WORK:
                continue
            if any(self.runs.run_of(access) is not run for access in accesses):
                continue
            for axis in range(len(subscripts(accesses[0].reference))):
                offsets = {self.runs.offset(access, axis) for access in accesses}
                if axis not in where.axes and None not in offsets and len(offsets) > 1:
                    yield self.made(key, run, axis)

    def made(self, key: StorageKey, run: Run, axis: int) -> Window:
        accesses = self.runs.by_key[key]
        written = next(access for access in accesses if access.writes and self.runs.run_of(access) is run)
        offset = self.runs.offset(written, axis)
        assert offset is not None
        outside: dict[Expr, int] = {}
        for access in accesses:
            place = access.place(axis)
            if access.writes and place is not None:
                outside[place] = min(access.order, outside.get(place, access.order))
        own = [access for access in accesses if access.writes and self.runs.run_of(access) is run]
        shared = frozenset(place for place in outside if not all(access.misses(axis, place) for access in own))
        places = (access.place(axis) for access in accesses)
        single = frozenset(place for place in places if place is not None)
        return Window(key, run, axis, written.reference, offset, outside, shared, single, first=offset, last=offset)
