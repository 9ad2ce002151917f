"""What a schedule knows of the machine that a program is for: one small value, and the rules that follow from it."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

from codegen.dtypes import ITEM, Dtype
from codegen.errors import EmitError

KILOBYTE = 1024
WAYS = ("unrolled", "loops", "tiled", "blas")


@dataclass(frozen=True)
class Target:
    """A processor and what is written for it: all that shapes a program besides the graph, its dtype and the schedule.

    Sizes are bytes: of a vector ``register``, of which there are ``registers``, of the ``first`` and the ``second``
    level of cache that one core has for data. ``ways`` are the schedules there are. With ``vectors`` loops in lanes and
    kernels are written as such; where they are not, a compiler makes vectors of loops.

    Rates are not measured: what is decided are ratios, and a measurement on a busy machine gives other code, with other
    last bits, from one day to the next.

    Raises :class:`EmitError` for sizes that no processor has.

    >>> Target(register=32, registers=16).lanes("float64"), Target(register=64).lanes("float32")
    (4, 16)
    """

    register: int = 64
    registers: int = 32
    first: int = 32 * KILOBYTE
    second: int = 1024 * KILOBYTE
    ways: tuple[str, ...] = WAYS
    vectors: bool = True

    def __post_init__(self) -> None:
        for name, lowest in (("register", 8), ("registers", 8), ("first", KILOBYTE), ("second", KILOBYTE)):
            found = getattr(self, name)
            if type(found) is not int or not lowest <= found <= 2**40:
                raise EmitError(f"target: found {name}={found!r}, expected a whole number of at least {lowest}")
        if self.register & (self.register - 1) or self.register > 256:
            raise EmitError(f"target: found register={self.register}, expected a power of two of at most 256")
        if unknown := [way for way in self.ways if way not in WAYS] or not self.ways:
            raise EmitError(f"target: found ways={unknown}, expected some of {', '.join(WAYS)}")

    def lanes(self, dtype: Dtype) -> int:
        """The numbers in a register."""
        return max(1, self.register // ITEM[dtype])

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
        """Samples a tile whose arrays have so many bytes for each of them, and that adds to so many bytes of sums."""
        if sums > 2 * self.second:
            return 2 * TILE
        return next((n for n in (TILE, TILE // 2) if arrays * n <= self.second), TILE // 4)


TILE = 64
"""Samples a tile, where its arrays are not too large for the second-level cache."""
PORTABLE = Target(vectors=False)
"""For readable code: the same whatever the machine that it is written on."""
