"""What each block computes again: the blocks of others that it reads, so many steps more at either end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from codegen.schedule.checkpoint.accesses import Access
from codegen.schedule.checkpoint.runs import Run
from codegen.schedule.checkpoint.windows import Window, Windows
from codegen.schedule.program import StorageKey


@dataclass(frozen=True)
class Part:
    """A block of loops as it is run before that of others, or of themselves: so many steps more at either end."""

    run: Run
    low: int
    high: int
    accesses: tuple[Access, ...]
    targets: frozenset[StorageKey] | None = None
    """What is needed of it; None for all."""


def parts_of(windows: Windows, run: Run) -> tuple[Part, ...]:
    """What is run for a block of loops: the blocks of others that they read, from their checkpoints, and theirs."""
    runs = windows.runs
    found = [Part(run, 0, 0, tuple(runs.inside(run)))]
    others = {other for other in runs.all if other.level is run.level}
    before = [other for other in others if runs.order(other) < runs.order(run)]
    for other in sorted(before, key=runs.order, reverse=True):
        reads = [(part, *read) for part in found for read in _reads(windows, part.accesses, other)]
        if reads:
            ahead = (part.high + offset for part, _, offset in reads)
            behind = (part.low - offset for part, _, offset in reads)
            low, high = (0, max(0, *ahead)) if other.step >= 0 else (max(0, *behind), 0)
            targets = _needed(windows, other, {window.key for _, window, _ in reads})
            inside = runs.inside(other)
            wanted = {access.order for access in inside if access.writes and access.key in targets}
            accesses = tuple(access for access in inside if access.order in wanted)
            found.append(Part(other, low, high, accesses, frozenset(targets)))
    for part in found:
        _fit(windows, part)
    return tuple(sorted(found, key=lambda part: runs.order(part.run)))


def together(parts: Mapping[Run, Sequence[Part]]) -> tuple[tuple[Run, ...], ...]:
    """The loops that have the same blocks, since some run those of others again."""
    found: list[tuple[Run, ...]] = []
    for run in parts:
        group = tuple(part.run for part in parts[run])
        joined = [other for other in found if not {*other}.isdisjoint(group)]
        found = [other for other in found if other not in joined]
        found.append(tuple(dict.fromkeys(one for runs in (*joined, group) for one in runs)))
    return tuple(found)


def _reads(windows: Windows, accesses: Sequence[Access], run: Run) -> Iterator[tuple[Window, int]]:
    """What is read of the windows of loops, and how far from what these write at the same step."""
    for access in accesses:
        window = windows.by_key.get(access.key)
        if window is not None and window.run is run and not access.writes:
            offset = windows.runs.offset(access, window.axis)
            if offset is not None:
                yield window, offset - window.offset


def _needed(windows: Windows, run: Run, targets: set[StorageKey]) -> set[StorageKey]:
    """What loops have to compute for these targets: what lies in no window and is known to others is there."""
    runs = windows.runs
    inside = runs.inside(run)
    reads: dict[StorageKey, set[StorageKey]] = {}
    written = {access.order: access.key for access in inside if access.writes}
    for access in inside:
        if access.order in written:
            reads.setdefault(written[access.order], set()).add(access.key)
    own = {key for key in reads if all(runs.run_of(access) is run for access in runs.by_key[key])}
    own |= {window.key for window in windows.of(run)}
    found: set[StorageKey] = set()
    left = list(targets)
    while left:
        key = left.pop()
        if key not in found:
            found.add(key)
            left += reads[key] & own
    return found


def _fit(windows: Windows, part: Part) -> None:
    """Make the windows large enough for a part."""
    for access in part.accesses:
        window = windows.by_key.get(access.key)
        offset = None if window is None else windows.runs.offset(access, window.axis)
        if window is None or offset is None:
            continue
        window.reach(offset - part.low, offset + part.high)
        ago = offset - window.offset
        own = window.run is part.run
        if window.run.step >= 0:
            window.take_over((0 if own else part.low) - ago)
        else:
            window.take_over((0 if own else part.high) + ago)
