"""Backpropagation: the derivative of one vertex by every other, each edge touched once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from sympy import Integer

from codegen.derive.accumulation import Accumulator, Terms, Totals, slope
from codegen.derive.edges import active_edges
from codegen.derive.local import pull_back
from codegen.derive.seeds import Direction
from codegen.derive.system import System
from codegen.ir.graph import Cell, Equation, Graph
from codegen.ir.order import Scan
from codegen.ir.ranges import guarded
from codegen.ir.summation import Summand


def reverse(graph: Graph, of: str, wrt: Sequence[str]) -> Graph:
    """Append, for every vertex v between ``wrt`` and the scalar ``of``, the equation of d of/d v."""
    totals = Totals(graph)
    direction = Direction({of: lambda reference: [Integer(1)]}, (), lambda name: slope(of, name))
    propagate(graph, of, wrt, direction, totals)
    return graph.with_equations(totals.equations, [of, *(totals.named(slope(of, name)) for name in wrt)])


def adjoints(graph: Graph, of: str, wrt: Sequence[str], direction: Direction) -> tuple[System, Mapping[Cell, Terms]]:
    """The derivatives of ``of``, which has axes, or of its product with an array, by the vertices of ``wrt``.

    The adjoint of a vertex has its subscripts and the indices of ``of`` that it depends on: what is 0 but where an
    index of ``of`` is one of the vertex is kept as that diagonal.
    """
    system = System(graph, keep=wrt)
    return system, propagate(graph, of, wrt, direction, system)


def propagate(graph: Graph, of: str, wrt: Sequence[str], direction: Direction, into: Accumulator) -> dict[Cell, Terms]:
    """The adjoints of ``wrt``.

    Vertices are visited in reverse order; each hands (its own derivative) × (local derivative) to the vertices it
    reads, summed over the indices that the reference lacks.
    """
    edges, active = active_edges(graph, of, wrt)
    pending: dict[Cell, list[Summand]] = defaultdict(list)
    for cell in graph.cells[of]:
        pending[cell].extend(Summand(term) for term in direction.seeds[of](graph.variable(of)[graph.keys[cell]]))
    found: dict[Cell, Terms] = {}

    def visit(cell: Cell) -> Terms:
        """The adjoint of a vertex, now that all that reads it has been visited."""
        found[cell] = into.settle(graph.variable(cell.name)[graph.keys[cell]], pending.pop(cell, []), direction)
        return found[cell]

    def handed(equation: Equation, adjoint: Terms) -> Iterator[tuple[Cell, Summand]]:
        """What an equation with this adjoint hands to the vertices that it reads."""
        if equation.cell not in edges or not adjoint:
            return
        for reference, local in edges[equation.cell].items():
            multiplied = into.multiplier(equation, reference, local)
            products = [into.guards.product(multiplied, term) for term in adjoint]
            if equation.cell in graph.over_steps:
                products = [guarded(product) for product in products]
            for cell in graph.read_at(equation, reference):
                if cell in active:
                    for body in products:
                        new = pull_back(body, equation.domain_of(reference, local), reference, cell, graph.keys[cell])
                        if new is not None:
                            yield cell, new

    def visit_scan(scan: Scan) -> None:
        """The adjoints of equations that read each other: they read each other the other way round."""
        members = {e.cell for e in scan.equations if e.cell in pending or e.name in wrt}
        inside = {e.cell for e in scan.equations}
        reached = -1
        while reached < len(members):
            reached = len(members)
            for e in [e for e in scan.equations if e.cell in members]:
                read = (other for reference in edges.get(e.cell, ()) for other in graph.read_at(e, reference))
                members.update(other for other in read if other in inside and other in active)
        equations = [e for e in scan.equations if e.cell in members]
        given = {cell: pending.pop(cell, []) for cell in members}

        def contributions(adjoint: Mapping[Cell, Terms]) -> Mapping[Cell, Sequence[Summand]]:
            total = {e.cell: list(given[e.cell]) for e in reversed(equations)}
            for e in equations:
                for cell, new in handed(e, adjoint[e.cell]):
                    if cell in total:
                        total[cell].append(new)
            return total

        vertices = {e.cell: e.target for e in reversed(equations)}
        found.update(into.settle_together(vertices, contributions, direction))
        for e in equations:
            for cell, new in handed(e, found[e.cell]):
                if cell not in members:
                    pending[cell].append(new)

    for step in reversed(graph.steps):
        if isinstance(step, Scan):
            visit_scan(step)
        elif step.cell in pending or step.name in wrt:
            for cell, new in handed(step, visit(step.cell)):
                pending[cell].append(new)
    for variable in graph.inputs:
        if variable.name in wrt:
            for cell in graph.cells[variable.name]:
                visit(cell)
    return {cell: terms for cell, terms in found.items() if cell.name in wrt}
