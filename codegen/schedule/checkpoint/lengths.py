"""How many steps loops have, a block of them, and how many blocks that makes."""

from __future__ import annotations

from collections.abc import Sequence
from math import isqrt
from typing import Literal

from sympy import Integer, expand, floor

from codegen.errors import EmitError
from codegen.ir.affine import affine
from codegen.ir.ranges import NOTHING
from codegen.schedule.checkpoint.levels import Level, Loops
from codegen.schedule.checkpoint.runs import Runs
from codegen.walk import Extent, extent


def steps_of(runs: Runs, checkpoint: int | Literal["sqrt"], level: Level) -> int:
    """The steps of a block."""
    longest = longest_of(runs, level)
    if checkpoint == "sqrt":
        if not isinstance(longest, int):
            each = "is one of each call: give the number of steps from one checkpoint to the next"
            raise EmitError(f"checkpoint='sqrt': the number of steps, {longest}, {each}")
        steps = isqrt(longest - 1) + 1
    else:
        steps = min(checkpoint, longest) if isinstance(longest, int) else checkpoint
    return -(-steps // runs.program.width) * runs.program.width if runs.lanes else steps


def longest_of(runs: Runs, level: Level) -> Extent:
    """The most steps that loops of a level have."""
    return longest(runs, [loops for loops in level.loops if loops in runs.index])


def longest(runs: Runs, members: Sequence[Loops]) -> Extent:
    """The most steps that loops have."""
    first, *others = (extent(runs.index[loops]) for loops in members)
    for n in others:
        if _is_less(first, n):
            first = n
        elif not _is_less(n, first):
            raise EmitError(f"checkpoint: of {first} and {n} steps none is known to be more")
    return first


def blocks_of(n: Extent, steps: int) -> Extent:
    """The number of blocks of so many steps."""
    return -(-n // steps) if isinstance(n, int) else floor((n + steps - 1) / steps)


def _is_less(a: Extent, b: Extent) -> bool:
    """Whether a length is less than another, or the same, whatever the symbols in them are."""
    form = affine(expand(Integer(1) * b - a))
    return form is not None and NOTHING.says(form)
