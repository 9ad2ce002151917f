"""What a program costs, in nanoseconds: what it does is counted, and every count has a measured price.

The prices come from ``python -m tests.benchmarks.prices``, which times many networks by every schedule and fits them.
They belong to one machine; what is decided by them are ratios, which differ less between machines than times do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from math import ceil, log2, prod

from sympy import Expr, Idx, Integer, oo

from codegen.dtypes import ITEM
from codegen.schedule.lanes import copied_columns, is_gathered, lane_of, said_by_data, steps_of, work
from codegen.schedule.program import (
    UNKNOWN_EXTENT,
    Accumulate,
    Chunk,
    Contract,
    Kernel,
    KernelKind,
    Loop,
    One,
    Place,
    Program,
    Samples,
    Scan,
    Serial,
    Set,
    Vector,
    walk,
)
from codegen.walk import Extent, elements, extent, is_symbolic, lengths_in, shape, size, subscripts

REGISTER = 64
"""Bytes of the vectors that prices are for: one of half the size takes half the time, as the same units work at it."""
PRICES: Mapping[str, float] = {
    "call": 135.0,
    "kernel": 24.6,
    "kernel_product": 0.304,
    "transposed": 0.448,
    "lane_operation": 0.154,
    "lane_function": 4.6,
    "lane_loop": 6.4,
    "gathered": 0.0241,
    "scalar_operation": 0.301,
    "scalar_function": 6.0,
    "external_function": 60.0,
    "blas": 109.0,
    "blas_product": 0.383,
}
"""Nanoseconds for: a call; a kernel on a tile, a vector of products in it, a vector of numbers transposed; elsewhere,
for a vector or a number, an operation and a function; a loop in lanes inside another loop, whose last lanes need a mask
as its ends are not known; a number gathered; a call of BLAS, a vector of products in it. A function of SciPy takes from
10 (Si) to 250 (J₂)."""


OF_VECTORS = frozenset({"kernel_product", "transposed", "lane_operation", "lane_function", "blas_product"})
"""The prices that are of a vector."""


@dataclass(frozen=True)
class _Lengths:
    """How many values indices have: so many of the extent that a program is cut at, of others the usual number."""

    samples: int
    cut: Extent | None

    def number(self, index: Idx) -> int:
        """The values of one index."""
        return size([index], self.samples if self._is_cut(extent(index)) else UNKNOWN_EXTENT)

    def combinations(self, indices: Iterable[Idx]) -> int:
        """The values of several."""
        return prod(map(self.number, indices))

    def passes(self, loop: Loop) -> int:
        """How often a loop runs."""
        return loop.passes(self.samples if self._is_cut(extent(loop.index)) else UNKNOWN_EXTENT)

    def _is_cut(self, n: Extent) -> bool:
        return self.cut is None or set(lengths_in(self.cut)) <= set(lengths_in(n))


def estimate(program: Program, samples: int) -> float:
    """Nanoseconds for one call with so many samples."""
    return sum(PRICES[kind] * number for kind, number in counts(program, samples).items())


def counts(program: Program, samples: int) -> dict[str, float]:
    """What a call does, by the kinds of :data:`PRICES`."""
    share = program.native * ITEM[program.dtype] / REGISTER
    return {kind: number * (share if kind in OF_VECTORS else 1.0) for kind, number in _counts(program, samples).items()}


def _counts(program: Program, samples: int) -> dict[str, float]:
    native, width = program.native, program.width
    over = program.samples
    lengths = _Lengths(samples, None if over is None else extent(over.index))
    tiles = ceil(samples / over.tile) if over is not None and over.tile else 1
    found: dict[str, float] = defaultdict(float, call=1.0)

    def times(around: tuple[Loop, ...]) -> float:
        """How often a statement runs, in vectors of one register if it is in lanes."""

        def passes(loop: Loop) -> int:
            match loop.mode:
                case One():
                    return 1
                case Vector():
                    return ceil(lengths.passes(loop) / width) * (width // native)
                case Serial() | Scan():
                    return lengths.passes(loop)

        return prod(map(passes, around))

    for statement, around in walk(program.statements):
        match statement:
            case Kernel():
                number = times(around)
                found["kernel"] += tiles * number
                kind = "transposed" if statement.kind is KernelKind.TRANSPOSE else "kernel_product"
                found[kind] += _vectors(statement, lengths, tiles, native) * number
            case Contract():
                found["blas"] += 1
                *rows, last = statement.equation.free
                each = lengths.combinations([*rows, *statement.equation.reduced])
                found["blas_product"] += each * ceil(lengths.number(last) / native)
            case Loop(mode=Vector()) if around and not statement.is_known:
                found["lane_loop"] += times(around)
            case Loop(mode=Vector(copied=copied)):
                found["gathered"] += copied_columns(program, copied) * lengths.number(statement.index)
            case Set() | Accumulate():
                lane = lane_of(around)
                number, kind = times(around), "scalar" if lane is None else "lane"
                done = work(statement)
                said = said_by_data(around)
                found[f"{kind}_function"] += done.functions * number
                found["external_function"] += done.calls * number * (1 if lane is None else native)
                found[f"{kind}_operation"] += (done.operations + isinstance(statement, Accumulate)) * number
                for reference in done.moved:
                    if (move := _move(program, reference, lane, said)) is not None:
                        found[move if move == "gathered" else f"{kind}_operation"] += number * (
                            native if move == "gathered" else 1
                        )
            case _:
                pass
    return found


ACROSS = 22
"""Shuffles and additions for the sums of the lanes of a register full of accumulators."""


def _vectors(kernel: Kernel, lengths: _Lengths, tiles: int, native: int) -> float:
    """The vectors that a kernel computes with; what lies across lanes is rounded up to whole ones."""
    samples = lengths.samples
    if kernel.kind is KernelKind.TRANSPOSE:
        features = (i for i in subscripts(kernel.equation.target)[-2:] if extent(i) != lengths.cut)
        return lengths.combinations(features) * ceil(samples / native)
    rows, columns = size(kernel.rows), size(kernel.columns)
    if kernel.kind is KernelKind.OVER_SAMPLES:
        return rows * ceil(columns / native) * samples
    each = prod(map(lengths.passes, kernel.sums))
    if kernel.kind is KernelKind.OVER_LANES:
        return rows * each * ceil(samples / native)
    if kernel.kind is KernelKind.ALONG_ROWS:
        return rows * samples * (ceil(each / native) + ACROSS / native)
    products = len(kernel.operands) // 2
    return rows * columns * (products * each * ceil(samples / native) + tiles * ACROSS / native)


def _move(program: Program, reference: Expr, lane: Idx | None, said: Collection[Idx]) -> str | None:
    """How a vertex is loaded or stored, ``said`` the indices that data say; None for one that stays in a register."""
    storage = program.storage_of(reference)
    if storage.place is Place.LOCAL:
        return None
    if lane is None or is_gathered(program, reference, lane):
        return "moved"
    varying = {lane: Integer(1), **dict.fromkeys(said, oo)}
    steps = steps_of([subscripts(reference)[axis] for axis in storage.axes], varying)
    return "moved" if not any(steps) or (not any(steps[:-1]) and abs(steps[-1]) == 1) else "gathered"


SMALLEST_CHUNK = 64
"""Samples."""
BREAK_EVEN = 50_000.0
"""Nanoseconds of work that are worth a thread of their own: waking it takes 5 to 20 µs."""
COMBINING = 50
"""The work of a chunk is at least so many times that of adding its sums to those of the others."""
COMBINED = 0.25
"""Nanoseconds to add one number of the sums of a chunk, which no longer lie in cache if they are many."""


def chunk_of(program: Program) -> Chunk:
    """Samples a chunk: worth a thread, their sums cheap to add to those of others, and whole tiles.

    A power of two where calls do not decide it by other lengths.
    """
    over, many = program.samples, 1024
    assert over is not None
    each = (estimate(program, many) - PRICES["call"]) / many
    sums = tuple(shape(fill.target) for fill in over.fills)
    least, combining = max(SMALLEST_CHUNK, over.tile or 1), COMBINING * COMBINED
    along = _lengths_inside(over)
    chunk = Chunk(least, each / UNKNOWN_EXTENT ** len(along), along, sums, BREAK_EVEN, combining)
    if not chunk.is_fixed:
        return chunk
    wanted = max(BREAK_EVEN, combining * sum(map(elements, sums))) / each
    return Chunk(max(least, 1 << max(0, ceil(log2(wanted)))))


def _lengths_inside(over: Samples) -> tuple[Extent, ...]:
    """The lengths that calls decide, of the loops around what runs most often for each sample."""
    found = (
        tuple(n for loop in around if loop.index != over.index and is_symbolic(n := extent(loop.index)))
        for statement, around in walk(over.body)
        if not isinstance(statement, Loop)
    )
    return max(found, key=len, default=())
