"""How many steps loops have, a block of them, and how many blocks that makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from sympy import Integer, ceiling, expand, floor, sqrt

from codegen.errors import EmitError
from codegen.ir.affine import affine
from codegen.ir.ranges import NOTHING
from codegen.schedule.checkpoint.levels import Loops
from codegen.schedule.checkpoint.runs import Runs
from codegen.walk import Extent, as_extent, extent


def steps_of(runs: Runs, checkpoint: int | Literal["sqrt"], n: Extent) -> Extent:
    """The steps of a block, of at most ``n`` in all."""
    if checkpoint == "sqrt":
        steps = as_extent(ceiling(sqrt(n)))
    else:
        steps = min(checkpoint, n) if isinstance(n, int) else checkpoint
    width = runs.program.width
    return as_extent(width * floor((steps + Integer(width - 1)) / width)) if runs.in_lanes else steps


def longest(runs: Runs, members: Sequence[Loops]) -> Extent:
    """The most steps that loops have."""
    first, *others = (as_extent(extent(runs.index[loops]) + Integer(runs.shift[loops])) for loops in members)
    for n in others:
        if _is_less(first, n):
            first = n
        elif not _is_less(n, first):
            raise EmitError(f"checkpoint: of {first} and {n} steps none is known to be more")
    return first


def blocks_of(n: Extent, steps: Extent) -> Extent:
    """The number of blocks of so many steps; as many as the square root of all for blocks of as many steps or more."""
    if not isinstance(steps, int):
        return ceiling(sqrt(n))
    return -(-n // steps) if isinstance(n, int) else floor((n + steps - 1) / steps)


def _is_less(a: Extent, b: Extent) -> bool:
    """Whether a length is less than another, or the same, whatever the symbols in them are."""
    form = affine(expand(Integer(1) * b - a))
    return form is not None and NOTHING.says(form)
