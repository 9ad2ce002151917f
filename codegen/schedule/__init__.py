"""How a graph is computed: straight-line code for small graphs, matrix products and fused loops for others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Literal, TypeVar

from codegen.errors import EmitError
from codegen.expression import extent
from codegen.graph import Cell, Equation, Graph
from codegen.passes.hoist import hoist
from codegen.passes.simplify import simplify
from codegen.schedule.contraction import isolate
from codegen.schedule.loops import nest
from codegen.schedule.program import Contract, Fill, Kernel, KernelKind, Program, Samples, Statement, Store
from codegen.schedule.samples import phases
from codegen.schedule.storage import plan
from codegen.schedule.tiled import KernelPlan, tile_graph

ScheduleName = Literal["auto", "unrolled", "loops", "tiled", "blas"]

UNROLLED_STATEMENTS = 100
"""``auto`` unrolls graphs of up to this many scalar equations. Beyond, loops are as fast and compile in half the time:
2-16-3 with 64 samples takes 2.3 µs unrolled and 2.1 µs in loops."""
TILE = 64
"""Samples a tile."""
CHUNK = 512
"""Samples a chunk."""


def unrolled(graph: Graph) -> Program:
    """One straight line of scalar code, inside a single loop over the samples if there are any."""
    # Shared and hoisted before: unrolling a graph that has been through the passes finds next to nothing new.
    return _in_phases(simplify(hoist(graph).unroll()), "unrolled", None, {})


def loops(graph: Graph) -> Program:
    """Fused loops alone."""
    return _in_phases(hoist(graph), "loops", None, {})


def tiled(graph: Graph) -> Program:
    """Tiles of samples, each through the whole graph with matrix kernels of our own.

    Raises :class:`EmitError` for a graph without samples, or whose samples depend on each other.
    """
    found = tile_graph(hoist(graph))
    if found is None:
        raise EmitError("the tiled schedule needs one symbolic extent, over which the samples are independent")
    return _in_phases(found[0], "tiled", TILE, found[1])


def blas(graph: Graph) -> Program:
    """Matrix products over the whole batch by BLAS, everything between them in fused loops."""
    isolated, products = isolate(hoist(graph))
    statements: list[Statement] = []
    for equations, contractions in _stages(isolated, isolated.equations, products):
        statements += nest(isolated, equations)
        statements += [Contract(p.equation, p.left, p.right) for p in contractions]
    return _program(isolated, "blas", statements)


SCHEDULES: Mapping[str, Callable[[Graph], Program]] = {
    "unrolled": unrolled,
    "loops": loops,
    "tiled": tiled,
    "blas": blas,
}


def for_few_samples(graph: Graph, program: Program) -> Program | None:
    """The program for so few samples that features are better in lanes; None where that makes no difference."""
    return loops(graph) if program.samples is not None and program.schedule != "unrolled" else None


def schedule(graph: Graph, name: ScheduleName = "auto") -> Program:
    """Schedule a graph by name, or by size.

    Raises :class:`EmitError` for a name that is not known.
    """
    if name == "auto":
        name = _by_size(graph)
    if name not in SCHEDULES:
        raise EmitError(f"unknown schedule {name!r}, expected one of auto, {', '.join(SCHEDULES)}")
    return SCHEDULES[name](graph)


def _by_size(graph: Graph) -> ScheduleName:
    """Straight-line code up to a size, loops as long as no matrix product is worth a call of BLAS."""
    if scalar_equations(graph) <= UNROLLED_STATEMENTS:
        return "unrolled"
    return "blas" if isolate(graph)[1] else "loops"


def scalar_equations(graph: Graph) -> int:
    """How many scalar equations the graph unrolls to."""
    return sum(prod(n for i in e.free if isinstance(n := extent(i), int)) for e in graph.equations)


def _program(graph: Graph, name: str, statements: Sequence[Statement]) -> Program:
    storage, work, locals_ = plan(graph, statements)
    return Program(graph, name, tuple(statements), storage, work, locals_)


def _in_phases(graph: Graph, name: str, tile: int | None, kernels: Mapping[Cell, KernelPlan]) -> Program:
    """What needs no samples, the pass over the samples, what follows; one nest of all where that cannot be told."""
    found = phases(graph)
    if found is None:
        return _program(graph, name, nest(graph, graph.equations))
    fills: list[Fill] = []
    stores: list[Store] = []
    body: list[Statement] = []
    for equations, plans in _stages(graph, found.inside, kernels):
        for statement in nest(graph, equations):
            match statement:
                case Fill():
                    fills.append(statement)
                case Store():
                    stores.append(statement)
                case _:
                    body.append(statement)
        for kernel in plans:
            if kernel.kind is KernelKind.OVER_SAMPLES:
                fills.append(Fill(kernel.equation, kernel.equation.target, kernel.equation.free))
            loops = tuple(s for s in nest(graph, [kernel.equation]) if not isinstance(s, Fill))
            body.append(Kernel(kernel.kind, kernel.equation, kernel.left, kernel.right, loops))
    over = Samples(found.index, tile, CHUNK, tuple(fills), tuple(body), tuple(stores))
    return _program(graph, name, [*nest(graph, found.before), over, *nest(graph, found.after)])


_T = TypeVar("_T")


def _stages(
    graph: Graph, equations: Sequence[Equation], steps: Mapping[Cell, _T]
) -> list[tuple[Sequence[Equation], Sequence[_T]]]:
    """Equations by the number of steps of their own on the way to them: all of one stage are ready at once."""
    depth: dict[Cell, int] = {}
    stages: dict[int, tuple[list[Equation], list[_T]]] = {}
    for equation in equations:
        before = [
            depth[cell] + (cell in steps)
            for reference in equation.references
            for cell in graph.resolve(reference)
            if cell in depth
        ]
        depth[equation.cell] = level = max(before, default=0)
        ready, own = stages.setdefault(level, ([], []))
        if equation.cell in steps:
            own.append(steps[equation.cell])
        else:
            ready.append(equation)
    return [stages[level] for level in sorted(stages)]


__all__ = ["SCHEDULES", "TILE", "UNROLLED_STATEMENTS", "Program", "ScheduleName", "for_few_samples", "schedule"]
