"""Blocks of statements with scans in them, the loops over the parts of one range taken together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from codegen.cached import cached_property
from codegen.schedule.program import Loop, Samples, Scan, Statement


@dataclass(frozen=True, eq=False)
class Loops:
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
class Level:
    """A block of statements with scans in it."""

    statements: tuple[Statement | Loops, ...]
    samples: Samples | None
    """The pass over the samples that it is in."""

    @cached_property
    def loops(self) -> tuple[Loops, ...]:
        """All loops."""
        return tuple(part for part in self.statements if isinstance(part, Loops))


def levels(statements: Sequence[Statement], samples: Samples | None = None) -> Iterator[Level]:
    """The blocks with scans in them, but for those inside of scans."""
    parts = tuple(_parts(statements))
    if any(isinstance(part, Loops) and part.step for part in parts):
        yield Level(parts, samples)
    for statement in statements:
        if isinstance(statement, Samples):
            yield from levels(statement.body, statement)
        elif isinstance(statement, Loop) and not isinstance(statement.mode, Scan):
            yield from levels(statement.body, samples)


def _parts(statements: Sequence[Statement]) -> Iterator[Loops | Statement]:
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


def _of_one_range(parts: Sequence[Loop]) -> Loops:
    mode = parts[0].mode
    return Loops(tuple(parts), mode.step if isinstance(mode, Scan) else 0)
