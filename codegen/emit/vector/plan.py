"""What the vector emitter decides before it writes: segments, the loops that run in lanes, and the workspace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from sympy import Add, Idx, Integer, Mul
from sympy.core.basic import Basic

from codegen.emit.numba import Dtype
from codegen.expression import Extent, base_name, extent, is_reference, postorder, references, subscripts
from codegen.functions import equal
from codegen.graph import Cell, cell_of
from codegen.schedule.program import Accumulate, Contract, Fill, Loop, Place, Program, Set, Statement, Store, walk

NATIVE: Mapping[Dtype, int] = {"float64": 8, "float32": 16}
"""Lanes of a 512-bit register; narrower machines get the same program in more registers."""


@dataclass(frozen=True)
class Region:
    """Part of the workspace: ``shape`` elements of ``lanes`` numbers each."""

    lanes: int
    shape: tuple[Extent, ...]


@dataclass(frozen=True)
class Plan:
    """How a program runs in lanes."""

    program: Program
    dtype: Dtype
    width: int
    segments: tuple[tuple[Statement, ...], ...]
    """The statements between the matrix products; each segment is one intrinsic."""
    vector_loops: frozenset[int]
    """The loops that run in lanes, by identity."""
    lane_elements: frozenset[int]
    """Work arrays whose elements are vectors: the lane index is one of the axes that need no storage."""
    lane_sums: Mapping[Cell, tuple[Extent, ...]]
    """Arrays that are summed over the lane index, and their shapes: kept as native vectors until its loop ends."""
    lane_totals: frozenset[Cell]
    """Every vertex that is added to inside lanes."""
    tiles: Mapping[int, tuple[str, ...]]
    """By loop, the inputs that it reads along its lane index and others: copied to vectors, one tile at a time."""
    shared: Mapping[int, int]
    """Locals that outlive their segment or are results, by number: their places in the first region."""

    @property
    def workspace(self) -> str:
        """The number of elements of the workspace, as a formula of the symbolic extents, rounding left out."""
        return str(Add(*[Mul(region.lanes, *region.shape) for region in self.regions]))

    @cached_property
    def native(self) -> int:
        """The lanes of one register."""
        return min(self.width, NATIVE[self.dtype])

    @cached_property
    def tiled(self) -> tuple[str, ...]:
        """Every input that is copied to tiles."""
        return tuple(dict.fromkeys(name for names in self.tiles.values() for name in names))

    @cached_property
    def regions(self) -> tuple[Region, ...]:
        """The workspace in order: shared locals, work arrays, lane sums, tiles."""
        work = [Region(self.width if n in self.lane_elements else 1, s) for n, s in enumerate(self.program.work)]
        sums = [Region(self.native, shape) for shape in self.lane_sums.values()]
        tiles = [Region(self.width, self.program.graph.variable(name).shape[1:]) for name in self.tiled]
        return (Region(1, (max(len(self.shared), 1),)), *work, *sums, *tiles)

    def region_of_work(self, number: int) -> int:
        """The region of a work array."""
        return 1 + number

    def region_of_sum(self, cell: Cell) -> int:
        """The region of a lane sum."""
        return 1 + len(self.program.work) + list(self.lane_sums).index(cell)

    def region_of_tile(self, name: str) -> int:
        """The region of a tile."""
        return 1 + len(self.program.work) + len(self.lane_sums) + self.tiled.index(name)


def fits(plan: Plan) -> bool:
    """Whether the writer knows how to run every equation in lanes, and the storage suits it.

    It does not know pairs of samples, where a loop over one symbolic extent lies inside the lanes of another, nor the
    derivative of a maximum, which compares real numbers for equality.
    """
    equations = plan.program.graph.equations
    pairs = any(sum(1 for i in e.domain if not isinstance(extent(i), int)) > 1 for e in equations)
    ties = any(_compares_reals(plan.program, node) for e in equations for node in postorder(e.body))
    return not (pairs or ties or _mixed(plan))


def _mixed(plan: Plan) -> bool:
    """Whether a work array is shared by vertices whose elements are vectors and others whose elements are numbers."""
    lanes_of: dict[int, set[bool]] = {}
    for statement, around in walk(plan.program.statements):
        lane = next((loop.index for loop in around if id(loop) in plan.vector_loops), None)
        if isinstance(statement, (Set, Accumulate)):
            for reference in (*references(statement.value), statement.target):
                storage, key = plan.program.storage_of(reference), subscripts(reference)
                if storage.place is Place.WORK:
                    dropped = lane is not None and lane in key and key.index(lane) not in storage.axes
                    lanes_of.setdefault(storage.number, set()).add(dropped)
    return any(len(kinds) > 1 for kinds in lanes_of.values())


def _compares_reals(program: Program, node: Basic) -> bool:
    def is_real(argument: Basic) -> bool:
        if not is_reference(argument):
            return not isinstance(argument, (Idx, Integer))
        return program.graph.variable(base_name(argument)).kind == "real"

    return isinstance(node, equal) and any(is_real(argument) for argument in node.args)


def lanes(program: Program, dtype: Dtype) -> int:
    """How many lanes: one register of straight-line code, two where loop bodies leave registers free.

    Two hide the latency of a chain of fused multiply-adds; four are faster still for large batches (2-16-3 at 4,096
    samples: 105 µs with two, 96 with four), but cost a single sample half as much again.
    """
    return NATIVE[dtype] * (2 if program.schedule == "loops" else 1)


def plan(program: Program, dtype: Dtype, width: int) -> Plan:
    """Choose the loops that run in lanes and lay out the workspace.

    They are the loops over a symbolic extent, where no matrix product divides the nest, and the innermost ones
    elsewhere.
    """
    samples = not any(isinstance(s, Contract) for s in program.statements)
    loops = frozenset(id(loop) for loop in _vector_loops(program.statements, samples))
    placed = list(walk(program.statements))
    fills = {cell_of(s.target): (s, around) for s, around in placed if isinstance(s, Fill)}
    elements: set[int] = set()
    sums: dict[Cell, tuple[Extent, ...]] = {}
    totals: set[Cell] = set()
    tiles: dict[int, dict[str, None]] = {}
    for statement, around in placed:
        lane = next((loop for loop in around if id(loop) in loops), None)
        if not isinstance(statement, (Set, Accumulate)) or lane is None:
            continue
        for reference in (*references(statement.value), statement.target):
            storage, key = program.storage_of(reference), subscripts(reference)
            if storage.place is Place.WORK and lane.index in key and key.index(lane.index) not in storage.axes:
                elements.add(storage.number)
            real = program.graph.variable(base_name(reference)).kind == "real"
            if (
                samples
                and storage.place is Place.INPUT
                and real
                and len(key) > 1
                and key[0] == lane.index not in key[1:]
            ):
                tiles.setdefault(id(lane), {})[base_name(reference)] = None
        if isinstance(statement, Accumulate):
            cell = cell_of(statement.target)
            totals.add(cell)
            fill, outside = fills[cell]
            if fill.over and lane not in outside and lane.index not in subscripts(statement.target):
                sums[cell] = program.storage_of(statement.target).shape
    segments = tuple(_segments(program.statements))
    return Plan(
        program=program,
        dtype=dtype,
        width=width,
        segments=segments,
        vector_loops=loops,
        lane_elements=frozenset(elements),
        lane_sums=sums,
        lane_totals=frozenset(totals),
        tiles={loop: tuple(names) for loop, names in tiles.items()},
        shared=_shared(program, segments),
    )


def _vector_loops(statements: Sequence[Statement], samples: bool) -> Iterator[Loop]:
    for statement in statements:
        if isinstance(statement, Loop):
            inner = any(isinstance(s, Loop) for s in statement.body)
            if not inner or (samples and not isinstance(extent(statement.index), int)):
                yield statement
            else:
                yield from _vector_loops(statement.body, samples)


def _segments(statements: Sequence[Statement]) -> Iterator[tuple[Statement, ...]]:
    """The runs of statements between the matrix products, empty ones included."""
    current: list[Statement] = []
    for statement in statements:
        if isinstance(statement, Contract):
            yield tuple(current)
            current = []
        else:
            current.append(statement)
    yield tuple(current)


def _shared(program: Program, segments: Sequence[Sequence[Statement]]) -> dict[int, int]:
    used: dict[int, set[int]] = {}
    for number, segment in enumerate(segments):
        for statement, _ in walk(segment):
            if isinstance(statement, (Set, Accumulate)):
                for reference in (*references(statement.value), statement.target):
                    storage = program.storage_of(reference)
                    if storage.place is Place.LOCAL:
                        used.setdefault(storage.number, set()).add(number)
            elif isinstance(statement, (Fill, Store)):
                storage = program.storage_of(statement.target)
                if storage.place is Place.LOCAL:
                    used.setdefault(storage.number, set()).add(number)
    scalars = (program.graph.variable(name) for name in program.graph.outputs)
    results = {s.number for v in scalars if not v.shape and (s := program.storage_of(v.symbol)).place is Place.LOCAL}
    crossing = sorted({n for n, where in used.items() if len(where) > 1} | results)
    return {number: place for place, number in enumerate(crossing)}
