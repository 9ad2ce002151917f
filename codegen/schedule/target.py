"""What a schedule knows of the machine that a program is for: one small value, and the rules that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import Literal, get_args

from codegen.dtypes import ITEM, Dtype
from codegen.errors import EmitError

ScheduleName = Literal["auto", "unrolled", "loops", "tiled", "blas"]
WAYS: tuple[str, ...] = get_args(ScheduleName)[1:]
"""Every schedule by name; ``auto`` is the one of them that costs least."""


@dataclass(frozen=True)
class Target:
    """A processor and what is written for it: all that shapes a program besides the graph, its dtype and the schedule.

    ``register`` are the bytes of a vector register, of which there are ``registers``; ``cache`` are those of the
    second-level cache that one core has. ``ways`` are the schedules there are. With ``vectors`` loops in lanes and
    kernels are written as such; without, a compiler makes vectors of loops. With ``lapack`` its library can be called.
    With ``assembly`` straight lines are written as machine code of x86-64 with AVX2, for System V's calls.

    What is not here decides nothing. The first-level cache: tiles that fit it take as long as larger ones (20-20-20-20
    and 64-64-64 with 16 to 64 samples, 32 KB). Rates: what is decided are ratios of times, and measuring them on a busy
    machine would give other code, whose sums have other last bits, from one day to the next.

    Raises :class:`EmitError` for sizes that no processor has, and unknown schedules.

    >>> Target(register=32, registers=16).lanes("float64"), Target(register=64).lanes("float32")
    (4, 16)
    """

    register: int = 64
    registers: int = 32
    cache: int = 1 << 20
    ways: tuple[str, ...] = WAYS
    vectors: bool = True
    lapack: bool = True
    assembly: bool = False

    def __post_init__(self) -> None:
        for name, lowest in (("register", 16), ("registers", 8), ("cache", 1024)):
            found = getattr(self, name)
            if type(found) is not int or found < lowest:
                raise EmitError(f"target: found {name}={found!r}, expected a whole number of at least {lowest}")
        if self.register & (self.register - 1) or self.register > 256:
            raise EmitError(f"target: found register={self.register}, expected a power of two of at most 256")
        if not self.ways or not set(self.ways) <= set(WAYS):
            raise EmitError(f"target: found ways={self.ways}, expected some of {', '.join(WAYS)}")

    def lanes(self, dtype: Dtype) -> int:
        """The numbers in a register."""
        return self.register // ITEM[dtype]

    @property
    def accumulators(self) -> int:
        """The vectors of sums that a block of a matrix product keeps in registers; the others hold what it multiplies.

        >>> [(t.accumulators, t.vectors_a_row) for t in (Target(registers=16), Target(registers=32))]
        [(12, 3), (24, 4)]
        """
        return 3 * self.registers // 4

    @property
    def vectors_a_row(self) -> int:
        """The vectors of them in each row: as many as rows, or fewer, so that the least is loaded for a product."""
        return isqrt(self.accumulators)

    def rows(self, vectors: int) -> int:
        """The rows of a block of so many vectors each."""
        return max(1, self.accumulators // vectors)

    def tile(self, arrays: int, sums: int) -> int:
        """Samples a tile whose arrays have so many bytes for each of them, and that adds to so many bytes of sums.

        As many as have their arrays in the second-level cache, from 16 to 64. Sums of more than twice its size are
        passed over in memory further away for each tile, as seldom as may be.

        >>> [Target().tile(arrays << 10, sums=0) for arrays in (16, 17, 32, 33)], Target().tile(33 << 10, sums=1 << 22)
        ([64, 32, 32, 16], 64)
        """
        if sums > 2 * self.cache:
            return TILE
        return next((n for n in (TILE, TILE // 2) if arrays * n <= self.cache), TILE // 4)

    def is_far(self, array: int) -> bool:
        """Whether an array of so many bytes may no longer lie in the second-level cache when it is needed again.

        >>> [Target().is_far(size << 10) for size in (256, 257)]
        [False, True]
        """
        return 4 * array > self.cache


TILE = 64
"""Samples a tile, where its arrays are not too large for the second-level cache."""
PORTABLE = Target(vectors=False, lapack=False)
"""For readable code: the same whatever the machine that it is written on."""
