"""What the workspace of a program in lanes holds, and what becomes a function each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sympy import Add, Mul, Symbol

from codegen.cached import cached_property
from codegen.dtypes import Dtype
from codegen.emit.layout import Layout
from codegen.emit.vector.assembly import Assembly, is_possible
from codegen.ir.graph import Cell, Graph, Reduction, cell_of
from codegen.schedule.lanes import kept, lane_of, said_by_data
from codegen.schedule.line import Blocks, Line, cut, line
from codegen.schedule.program import (
    Accumulate,
    Fill,
    Loop,
    Place,
    Program,
    Samples,
    Set,
    Statement,
    Storage,
    Vector,
    uses,
    walk,
)
from codegen.schedule.target import Target
from codegen.walk import Extent, base_name, indices, is_leaf, postorder

PIECE = 500
"""Operations of straight-line code in one function: 2,700 compile in 4 s instead of 10, and 10,800 in 16 s instead of
86; calls take as long."""


@dataclass(frozen=True)
class Region:
    """Part of a workspace: ``shape`` elements of ``lanes`` numbers each."""

    lanes: int
    shape: tuple[Extent, ...]


@dataclass(frozen=True)
class Plan:
    """How a program runs in lanes."""

    program: Program
    lane_elements: frozenset[int]
    """Work arrays whose elements are vectors: the lane index is one of the axes that need no storage."""
    lane_sums: Mapping[Cell, tuple[Extent, ...]]
    """Arrays that are summed over the lane index, and their shapes: kept as native vectors until its loop ends."""
    lane_totals: frozenset[Cell]
    """Every vertex that is added to inside lanes."""
    copied: tuple[str, ...]
    """The inputs of which some loop copies rows to vectors, one group at a time."""
    shared_locals: Mapping[int, int]
    """Locals that outlive the function they are set in, or are results, by number: their places in memory."""
    sums: tuple[Storage, ...]
    """What the pass over the samples adds to, in the order in which chunks of samples are combined."""

    @property
    def dtype(self) -> Dtype:
        return self.program.dtype

    @property
    def width(self) -> int:
        """Lanes of a loop."""
        return self.program.width

    @property
    def native(self) -> int:
        """Lanes of a register."""
        return self.program.native

    @property
    def extents(self) -> tuple[Symbol, ...]:
        """The symbolic extents."""
        return self.program.extents

    @property
    def samples(self) -> Samples | None:
        """The statement over the samples, if the program has one."""
        return self.program.samples

    @property
    def workspace(self) -> str:
        """The numbers in the workspace of a call, as a formula of the symbolic extents, rounding left out."""
        regions = (r for regions in (self.shared, self.private, self.scratch) for r in regions.values())
        return str(Add(*[Mul(region.lanes, *region.shape) for region in regions]))

    @cached_property
    def shared(self) -> Mapping[object, Region]:
        """The part of the workspace that the passes over chunks of samples have in common, by what it holds."""
        numbers = self._work(Place.WORK)
        return {"locals": Region(1, (max(len(self.shared_locals), 1),)), **{n: self._region(n) for n in numbers}}

    @cached_property
    def private(self) -> Mapping[object, Region]:
        """The part that each pass over samples, and each of the functions around it, has of its own."""
        return {
            **{n: self._region(n) for n in self._work(Place.TILE)},
            **{cell: Region(self.native, shape) for cell, shape in self.lane_sums.items()},
            **{name: Region(self.width, self.program.graph.variable(name).shape[1:]) for name in self.copied},
        }

    @cached_property
    def scratch(self) -> Mapping[object, Region]:
        """Sums of one chunk of samples, before they are added to those of the chunks before it."""
        return {storage: Region(1, storage.shape) for storage in self.sums} if self.program.samples else {}

    def reduction(self, storage: Storage) -> Reduction:
        """How the values of what the samples are summed into are combined."""
        samples = self.program.samples
        for fill in samples.fills if samples else ():
            if self.program.storage_of(fill.target) == storage or base_name(fill.target) in self._names(storage):
                return fill.equation.monoid
        return Reduction.SUM

    def _names(self, storage: Storage) -> set[str]:
        return {name for (name, _), found in self.program.storage.items() if found == storage}

    def _work(self, place: Place) -> list[int]:
        return sorted({s.number for s in self.program.storage.values() if s.place is place})

    def _region(self, number: int) -> Region:
        return Region(self.width if number in self.lane_elements else 1, self.program.work[number])


@dataclass(frozen=True)
class StraightPlan:
    """A program without loops, as instructions."""

    graph: Graph
    """After the passes."""
    dtype: Dtype
    target: Target
    layout: Layout

    @cached_property
    def line(self) -> Line:
        formulas = self.graph.formulas
        assert formulas is not None
        # What is written out of arrays assigns those between too, which have no place in memory.
        results = {cell: node for cell, node in formulas.assigned.items() if cell.name in self.graph.outputs}
        return line(replace(formulas, assigned=results), self.native)

    @cached_property
    def blocks(self) -> Blocks:
        """The line as LLVM takes it."""
        return cut(self.line)

    @cached_property
    def assembly(self) -> Assembly | None:
        """The line as machine code of ours, where that is written."""
        if not self.target.assembly or not is_possible(self.line, self.layout, self.dtype):
            return None
        return Assembly(self.line, self.layout, self.dtype, self.target)

    @property
    def llvm(self) -> StraightPlan:
        """The same for LLVM."""
        return replace(self, target=replace(self.target, assembly=False))

    @property
    def room(self) -> int:
        """The numbers in the workspace."""
        return self.blocks.room if self.assembly is None else self.assembly.room

    @property
    def native(self) -> int:
        """Lanes of a register."""
        return self.target.lanes(self.dtype)

    @property
    def width(self) -> int:
        """Lanes of functions."""
        return self.native

    @cached_property
    def program(self) -> Program:
        """What it is a program of; there are no statements."""
        return Program(self.graph, "unrolled", (), {}, (), 0)

    @property
    def extents(self) -> tuple[Symbol, ...]:
        return ()

    @property
    def samples(self) -> Samples | None:
        return None

    @property
    def workspace(self) -> str:
        """The numbers in the workspace of a call."""
        return str(self.room)

    @property
    def shared(self) -> Mapping[object, Region]:
        return {"values": Region(1, (max(self.room, 1),))}

    @property
    def private(self) -> Mapping[object, Region]:
        return {}

    @property
    def scratch(self) -> Mapping[object, Region]:
        return {}


def plan(program: Program) -> Plan:
    """Lay out the workspace of a program, whose loops in lanes are marked."""
    placed = list(walk(program.statements))
    fills = {cell_of(s.target): (s, around) for s, around in placed if isinstance(s, Fill)}
    sums: dict[Cell, tuple[Extent, ...]] = {}
    totals: set[Cell] = set()
    for statement, around in placed:
        lane = lane_of(around)
        if not isinstance(statement, Accumulate) or lane is None:
            continue
        cell = cell_of(statement.target)
        totals.add(cell)
        fill, outside = fills[cell]
        target = set(indices(statement.target))
        if fill.over and lane_of(outside) is None and lane not in target and not target & said_by_data(around):
            sums[cell] = program.storage_of(statement.target).shape
    summed, modes = tuple(_sums(program)), [s.mode for s, _ in placed if isinstance(s, Loop)]
    return Plan(
        program=program,
        lane_elements=frozenset(program.storage[key].number for key, vectors in kept(program) if vectors),
        lane_sums=sums,
        lane_totals=frozenset(totals),
        copied=tuple(dict.fromkeys(name for mode in modes if isinstance(mode, Vector) for name in mode.copied)),
        shared_locals=_shared_locals(program, summed),
        sums=summed,
    )


def segments(program: Program) -> tuple[tuple[Statement, ...], Samples | None, tuple[Statement, ...]]:
    """The statements before the samples, that over the samples, and those after."""
    samples = program.samples
    if samples is None:
        return program.statements, None, ()
    place = next(n for n, statement in enumerate(program.statements) if statement is samples)
    return program.statements[:place], samples, program.statements[place + 1 :]


def pieces(statements: Sequence[Statement]) -> list[tuple[Statement, ...]]:
    """What becomes a function each: LLVM takes time that grows with the square of a function's length.

    A sum is not parted from the loop that it is over.
    """
    found: list[list[Statement]] = [[]]
    whole, length = True, 0
    for statement in statements:
        if whole and length >= PIECE:
            found.append([])
            length = 0
        found[-1].append(statement)
        length += _operations(statement)
        whole = isinstance(statement, Loop) or (whole and not isinstance(statement, Fill))
    return [tuple(piece) for piece in found if piece]


def _operations(statement: Statement) -> int:
    values = (s.value for s, _ in walk([statement]) if isinstance(s, (Set, Accumulate)))
    return sum(1 for value in values for node in postorder(value) if not is_leaf(node))


def _sums(program: Program) -> Iterator[Storage]:
    """What the samples are summed into: the arrays and locals of the fills, or the outputs they are stored to."""
    if (samples := program.samples) is None:
        return
    stored = {cell_of(s.target) for s in samples.stores}
    targets = [s.target for s in samples.fills if cell_of(s.target) not in stored]
    found = [program.storage_of(target) for target in targets]
    found += [program.storage[base_name(s.target), ()] for s in samples.stores]
    yield from dict.fromkeys(found)


def _shared_locals(program: Program, summed: Sequence[Storage]) -> dict[int, int]:
    """Locals in memory: results, what several functions know, and sums over the samples, which are added by chunk."""
    used: dict[int, set[int]] = {}
    before, samples, after = segments(program)
    parts = (*pieces(before), () if samples is None else (samples,), *pieces(after))
    for number, segment in enumerate(parts):
        for statement, _ in walk(segment):
            for storage in (program.storage_of(reference) for reference, _ in uses(statement)):
                if storage.place is Place.LOCAL:
                    used.setdefault(storage.number, set()).add(number)
    scalars = (program.graph.variable(name) for name in program.graph.outputs)
    results = {s.number for v in scalars if not v.shape and (s := program.storage_of(v.symbol)).place is Place.LOCAL}
    sums = {storage.number for storage in summed if storage.place is Place.LOCAL}
    crossing = sorted({n for n, where in used.items() if len(where) > 1} | results | sums)
    return {number: place for place, number in enumerate(crossing)}
