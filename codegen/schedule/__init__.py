"""How a graph is computed: straight-line code for small graphs, matrix products and fused loops for others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import TypeVar

from codegen.cached import once
from codegen.dtypes import ITEM, Dtype
from codegen.errors import EmitError
from codegen.ir.graph import Cell, Equation, Graph
from codegen.ir.lookups import looks_up, term_by_term, told
from codegen.ir.unrolling import scalar_equations, terms
from codegen.ir.unrolling import unrolled as unrolled_equations
from codegen.passes.factorise import factorise
from codegen.passes.hoist import hoist
from codegen.passes.lookup import without_lookups
from codegen.passes.prune import prune
from codegen.passes.simplify import simplify
from codegen.schedule.contraction import isolate
from codegen.schedule.cost import SMALLEST_CHUNK, chunk_of, estimate
from codegen.schedule.lanes import in_lanes, in_turn, is_mixed
from codegen.schedule.loops import nest
from codegen.schedule.program import (
    UNKNOWN_EXTENT,
    Chunk,
    Contract,
    Fill,
    Kernel,
    KernelKind,
    Place,
    Program,
    Samples,
    Statement,
    Store,
    walk,
)
from codegen.schedule.recompute import recompute, stages
from codegen.schedule.samples import phases, samples_of
from codegen.schedule.stepped import inside_loops, scan_steps
from codegen.schedule.storage import allocate
from codegen.schedule.sums import merge_sums
from codegen.schedule.target import PORTABLE, TILE, ScheduleName, Target
from codegen.schedule.tiled import tile_graph
from codegen.schedule.turned import turned
from codegen.schedule.units import Unit, is_scan, units
from codegen.walk import Extent, elements, is_sample, size, subscripts

UNROLLED_STATEMENTS = 100
"""``auto`` considers straight-line code for graphs of up to this many scalar equations: beyond, LLVM takes long."""
UNROLLED_TERMS = 1_000
"""And of up to this many terms: a sum is one equation however long it is, and loops are as fast from 64 terms on."""
WRITTEN_OUT = 100_000
"""Equations of single elements at most."""
FEW = 3
"""Up to so many samples run one after the other with features in lanes."""


def schedule(graph: Graph, name: ScheduleName = "auto", target: Target = PORTABLE, dtype: Dtype = "float64") -> Program:
    """The program of a graph for a machine and a dtype, by the schedule of this name or by the one that costs least.

    Raises :class:`EmitError` for a schedule that the target does not have or that does not suit the graph.
    """
    if name == "auto":
        found = min(_suitable(graph, target, dtype), key=lambda program: estimate(program, UNKNOWN_EXTENT))
    elif name not in target.ways:
        raise EmitError(f"unknown schedule {name!r}, expected one of auto, {', '.join(target.ways)}")
    elif eliminates(graph) and name != "loops":
        raise EmitError(f"the {name} schedule has no elimination of matrices: use loops, or auto")
    elif (made := SCHEDULES[name](graph, target, dtype)) is None:
        raise EmitError(f"the {name} schedule needs one symbolic extent, over which the samples are independent")
    else:
        found = _decided(made, target, dtype)
    return replace(found, few=_for_few_samples(graph, found)) if target.vectors else in_turn(found)


def eliminates(graph: Graph) -> bool:
    """Whether some equation eliminates a matrix."""
    return any(equation.eliminates for equation in graph.equations)


def _suitable(graph: Graph, target: Target, dtype: Dtype) -> Iterator[Program]:
    """The programs of a graph by each schedule that suits it."""
    for name in target.ways:
        if eliminates(graph) and name != "loops":
            continue
        if name != "unrolled" or _is_short(without_lookups(graph)):
            made = SCHEDULES[name](graph, target, dtype)
            if made is not None and _differs(made):
                yield _decided(made, target, dtype)


def _differs(program: Program) -> bool:
    """Whether a program has what its schedule is for: BLAS without products is loops."""
    if program.schedule == "blas":
        return any(isinstance(statement, Contract) for statement, _ in walk(program.statements))
    return program.schedule != "tiled" or _has_rows(program)


def _has_rows(program: Program) -> bool:
    """Whether what is turned round for the products in tiles is read for several rows of theirs.

    For the product of a matrix and a vector loops take a quarter to a half of the time. Rows of a length that each call
    decides do not stay in cache; no kernel is known for them.
    """
    kernels = [statement for statement, _ in walk(program.statements) if isinstance(statement, Kernel)]
    products = [kernel for kernel in kernels if kernel.kind is not KernelKind.TRANSPOSE]
    if products:
        return any(kernel.rows or kernel.outer for kernel in products)
    return not any(all(map(is_sample, subscripts(kernel.equation.target)[-2:])) for kernel in kernels)


def _decided(program: Program, target: Target, dtype: Dtype) -> Program:
    """The program with its loops in lanes and its samples in chunks.

    Two registers hide the latency of a chain. A tile is whole vectors long, so that a small one has one register.
    """
    over, lanes = program.samples, target.lanes(dtype)
    several = 2 if over is not None and program.schedule != "unrolled" and (over.tile or TILE) >= 2 * lanes else 1
    program = in_lanes(replace(program, target=target, dtype=dtype), several * lanes)
    over = program.samples
    return program if over is None else _with_samples(program, replace(over, chunk=chunk_of(program)))


def _for_few_samples(graph: Graph, program: Program) -> Program | None:
    """The program for so few samples that features are better in lanes; None where that makes no difference."""
    if program.schedule == "unrolled" or not program.samples_in_lanes:
        return None
    found = in_lanes(replace(_loops(graph), target=program.target, dtype=program.dtype), program.native, False)
    over, own = found.samples, program.samples
    if over is None or own is None or over.index.upper != own.index.upper or is_mixed(found):
        return None
    return _with_samples(found, replace(over, most=FEW))


# --- the schedules ----------------------------------------------------------------------------------------------------


def unrolled(graph: Graph, target: Target, dtype: Dtype) -> Program:
    """One straight line of scalar code, inside a single loop over the samples if there are any."""
    graph = written_out(graph)
    return _in_phases(graph, "unrolled", samples_of(graph))


def loops(graph: Graph, target: Target, dtype: Dtype) -> Program:
    """Fused loops alone."""
    return _loops(graph)


def tiled(graph: Graph, target: Target, dtype: Dtype) -> Program | None:
    """Tiles of samples, each through the whole graph with matrix kernels of our own.

    None for a graph without samples, or whose samples depend on each other.
    """
    samples = samples_of(_hoisted(graph))
    found = None if samples is None else tile_graph(_hoisted(graph), samples)
    if found is None:
        return None
    merged, kernels = merge_sums(*found), found[1]
    inside = phases(merged, samples)
    assert inside is not None
    again, earliest = recompute(merged, inside.inside, kernels)
    program = _in_phases(again, "tiled", samples, TILE, kernels, earliest)
    over = program.samples
    assert over is not None
    places = {storage.number for storage in program.storage.values() if storage.place is Place.TILE}
    numbers = sum(elements(program.work[n], UNKNOWN_EXTENT) for n in places)
    sums = sum(size(kernel.equation.free) for kernel in kernels.values() if kernel.kind.adds)
    tile = max(target.tile(numbers * ITEM[dtype] // TILE, sums * ITEM[dtype]), target.lanes(dtype))
    if tile == TILE:
        return program
    program = _with_samples(program, replace(over, tile=tile))
    return _program(again, "tiled", program.statements)


def blas(graph: Graph, target: Target, dtype: Dtype) -> Program:
    """Matrix products over the whole batch by BLAS, everything between them in fused loops."""
    isolated, products = isolate(_hoisted(graph))
    if not products:
        return replace(_loops(graph), schedule="blas")
    statements: list[Statement] = []
    for equations, contractions in _stages(isolated, isolated.equations, products):
        statements += nest(isolated, equations)
        statements += contractions
    return _program(isolated, "blas", statements)


SCHEDULES: Mapping[str, Callable[[Graph, Target, Dtype], Program | None]] = {
    "unrolled": unrolled,
    "loops": loops,
    "tiled": tiled,
    "blas": blas,
}


def written_out(graph: Graph) -> Graph:
    """The graph without indices but those of samples; one that has none as it is."""
    if graph.formulas is not None:
        return graph
    # Shared and hoisted before: unrolling a graph that has been through the passes finds next to nothing new.
    # Of an array of which some elements are read, the others go. Rows that the data say are read at their address.
    hoisted = _hoisted(graph)
    scalars = unrolled_equations(hoisted.equations, WRITTEN_OUT, partial(told, integers=graph.whole))
    simple = simplify(hoisted.with_equations(scalars))
    return prune(simple.with_equations([term_by_term(equation, graph.whole) for equation in simple.equations]))


@once
def _hoisted(graph: Graph) -> Graph:
    """What every schedule begins with: no lookups, and what depends on fewer indices by itself."""
    return hoist(without_lookups(factorise(graph)))


@once
def _loops(graph: Graph) -> Program:
    graph = merge_sums(turned(_hoisted(graph)))
    return _in_phases(graph, "loops", samples_of(graph))


def _is_short(graph: Graph) -> bool:
    """Whether there are few equations of single elements, and no row of a table is read, of which all would be.

    Where all loops are over several lengths that each call decides, there is nothing to write out.
    """
    if len(graph.extents) > 1 and all(is_sample(i) for equation in graph.equations for i in equation.domain):
        return False
    tables = any(looks_up(equation, graph.whole) for equation in graph.equations)
    few = scalar_equations(graph.equations) <= UNROLLED_STATEMENTS and terms(graph.equations) <= UNROLLED_TERMS
    return few and not tables


def _program(graph: Graph, name: str, statements: Sequence[Statement]) -> Program:
    storage, work, locals_ = allocate(graph, statements)
    return Program(graph, name, tuple(statements), storage, work, locals_)


def _with_samples(program: Program, samples: Samples) -> Program:
    """The program with another statement over its samples."""
    return replace(program, statements=tuple(samples if isinstance(s, Samples) else s for s in program.statements))


def _in_phases(
    graph: Graph,
    name: str,
    samples: Extent | None,
    tile: int | None = None,
    kernels: Mapping[Cell, Kernel] = MappingProxyType({}),
    earliest: Mapping[Cell, int] = MappingProxyType({}),
) -> Program:
    """What needs no samples, the pass over the samples, what follows; one nest of all where that cannot be told."""
    found = None if samples is None else phases(graph, samples)
    if found is None:
        return _program(graph, name, nest(graph, graph.equations))
    fills: list[Fill] = []
    stores: list[Store] = []
    body: list[Statement] = []
    with_kernels = _with_kernels(graph, found.inside, kernels)
    stepped = {equation.cell for scan in with_kernels for equation in scan}
    for equations, plans in _stages(graph, found.inside, kernels, earliest):
        here = {*(e.cell for e in equations), *(plan.equation.cell for plan in plans)}
        scans = [scan for scan in with_kernels if scan[0].cell in here]
        for statement in nest(graph, [e for e in equations if e.cell not in stepped], found.index):
            match statement:
                case Fill():
                    fills.append(statement)
                case Store():
                    stores.append(statement)
                case _:
                    body.append(statement)
        for kernel in plans:
            if kernel.kind.adds:
                fills.append(Fill(kernel.equation, kernel.equation.target, kernel.equation.free))
            if kernel.equation.cell not in stepped:
                begins = kernel.kind.adds and {*kernel.outer} <= {*kernel.equation.free}
                body.append(inside_loops(graph, replace(kernel, begins=begins), found.index))
        for scan in scans:
            sums = [e for e in scan if e.cell not in kernels and e.is_sum and found.index in e.reduced]
            fills += [Fill(e, e.target, e.free) for e in sums]
            body += scan_steps(graph, scan, kernels, found.index)
    before, after = nest(graph, found.before), nest(graph, found.after)
    over = Samples(found.index, tile, Chunk(SMALLEST_CHUNK), tuple(fills), tuple(body), tuple(stores))
    return _program(graph, name, [*before, over, *after])


def _with_kernels(graph: Graph, equations: Sequence[Equation], kernels: Mapping[Cell, Kernel]) -> list[Unit]:
    """The scans among equations of which a part is computed by kernels."""
    scans = [unit for unit in units(graph, equations, kernels) if is_scan(graph, unit)]
    return [unit for unit in scans if any(equation.cell in kernels for equation in unit)]


_T = TypeVar("_T")


def _stages(
    graph: Graph,
    equations: Sequence[Equation],
    steps: Mapping[Cell, _T],
    earliest: Mapping[Cell, int] = MappingProxyType({}),
) -> list[tuple[Sequence[Equation], Sequence[_T]]]:
    """Equations by the number of steps of their own on the way to them: all of one stage are ready at once."""
    found: dict[int, tuple[list[Equation], list[_T]]] = {}
    level = stages(graph, equations, steps, earliest)
    for equation in equations:
        ready, own = found.setdefault(level[equation.cell], ([], []))
        if equation.cell in steps:
            own.append(steps[equation.cell])
        else:
            ready.append(equation)
    return [found[number] for number in sorted(found)]


__all__ = [
    "PORTABLE",
    "SCHEDULES",
    "TILE",
    "UNROLLED_STATEMENTS",
    "Program",
    "ScheduleName",
    "Target",
    "schedule",
    "written_out",
]
