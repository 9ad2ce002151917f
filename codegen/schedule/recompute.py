"""Compute again what is cheaper than to load: a tile of many arrays lies in the second-level cache."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

from sympy import Add, Mul, Pow

from codegen.functions.powers import is_whole
from codegen.ir.equation import called
from codegen.ir.graph import Cell, Equation, Graph
from codegen.ir.names import Names
from codegen.passes.share import cost
from codegen.schedule.units import is_scan, units
from codegen.walk import base_name, is_leaf, postorder, subscripts, substitute

CHEAP = 2
"""Operations that take no longer than a load."""


def stages(
    graph: Graph, equations: Sequence[Equation], steps: Collection[Cell], earliest: Mapping[Cell, int]
) -> dict[Cell, int]:
    """The number of ``steps`` on the way to each equation, its own not counted, or more where ``earliest`` says so.

    Equations that depend on each other have one number, and are a step if one of them is.
    """
    found: dict[Cell, int] = {}
    together: set[Cell] = set()
    for unit in units(graph, equations, steps):
        read = (c for equation in unit for _, cells in graph.read_by(equation) for c in cells if c in found)
        before = max((found[cell] + (cell in steps or cell in together) for cell in read), default=0)
        level = max([before, *(earliest.get(equation.cell, 0) for equation in unit)])
        found.update(dict.fromkeys([equation.cell for equation in unit], level))
        if is_scan(graph, unit) and any(equation.cell in steps for equation in unit):
            together.update(equation.cell for equation in unit)
    return found


def recompute(graph: Graph, equations: Sequence[Equation], steps: Collection[Cell]) -> tuple[Graph, dict[Cell, int]]:
    """Give each later stage its own copy of cheap vertices whose operands it loads anyway; and the copies' stages.

    ``equations`` are those over the samples, ``steps`` those among them that end a stage. Where 1 − a² is needed again
    on the way back, a is too. A vertex that no equation of its own stage reads is left with its copies alone.
    """
    level = stages(graph, equations, steps, {})
    by_cell = {equation.cell: equation for equation in equations}
    reads: dict[int, set[Cell]] = defaultdict(set)
    wanted: dict[Cell, set[int]] = defaultdict(set)

    def read(equation: Equation, at: int) -> None:
        for _, cells in graph.read_by(equation):
            reads[at].update(cells)
            for cell in cells:
                wanted[cell].add(at)

    for equation in equations:
        if equation.cell not in steps:
            read(equation, level[equation.cell])
    copied: dict[tuple[Cell, int], Equation] = {}
    names = Names(graph.variables)
    for equation in reversed(equations):
        if not _is_cheap(graph, equation) or equation.cell in steps or equation.cell in graph.scans:
            continue
        operands = [cell for _, cells in graph.read_by(equation) for cell in cells if cell in by_cell]
        for at in sorted(wanted[equation.cell] - {level[equation.cell]}):
            if len(operands) == 1 or all(cell in reads[at] for cell in operands):
                target = called(names.new(f"{equation.name}'"), equation.target)
                copied[equation.cell, at] = Equation(target, equation.body)
                read(equation, at)
    new = [
        _reading_copies(graph, equation, copied, at)
        for equation, at in [
            *((e, None if e.cell in steps else level.get(e.cell)) for e in graph.equations),
            *((copy, at) for (_, at), copy in copied.items()),
        ]
    ]
    used = {base_name(r) for equation in new for r in equation.references} | set(graph.outputs)
    kept = [e for e in new if e.name in used or e.cell in steps]
    return graph.with_equations(kept), {copy.cell: at for (_, at), copy in copied.items()}


def _is_cheap(graph: Graph, equation: Equation) -> bool:
    nodes = [node for node in postorder(equation.body) if not is_leaf(node)]
    plain = all(isinstance(n, (Add, Mul)) or (isinstance(n, Pow) and is_whole(n.exp) and n.exp > 0) for n in nodes)
    whole = len(graph.definitions[equation.name]) == 1
    return (
        equation.is_map
        and whole
        and equation.name not in graph.outputs
        and plain
        and 0 < sum(map(cost, nodes)) <= CHEAP
    )


def _reading_copies(
    graph: Graph, equation: Equation, copied: Mapping[tuple[Cell, int], Equation], at: int | None
) -> Equation:
    """The equation with references to the copies of its own stage."""
    if at is None:
        return equation
    hits = {}
    for reference, cells in graph.read_by(equation):
        for cell in cells:
            if (cell, at) in copied:
                target = copied[cell, at].target
                hits[reference] = target.base[subscripts(reference)]
    return equation.with_body(substitute(equation.body, hits)) if hits else equation
