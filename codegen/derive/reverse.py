"""Backpropagation: the derivative of one vertex by every other, each edge touched once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from sympy import Expr, Integer

from codegen.derive.edges import active_edges
from codegen.derive.local import accumulate, pull_back, slope, ties
from codegen.derive.seeds import Direction, Seed
from codegen.derive.system import System
from codegen.ir.equation import called
from codegen.ir.graph import Cell, Equation, Graph
from codegen.ir.names import Names
from codegen.ir.summation import Summand
from codegen.walk import base_name

Terms = tuple[Expr, ...]
Settle = Callable[[Expr, Sequence[Summand]], Terms]
"""From a vertex and the contributions to its adjoint to the terms that the adjoint is."""
Factor = Callable[[Equation, Expr, Expr], Expr]
"""From an equation, a reference and the local derivative to what the adjoint is multiplied by."""


def reverse(graph: Graph, of: str, wrt: Sequence[str]) -> Graph:
    """Append, for every vertex v between ``wrt`` and the scalar ``of``, the equation of d of/d v."""
    names = Names(graph.variables)
    derived: list[Equation] = []

    def settle(vertex: Expr, contributions: Sequence[Summand]) -> Terms:
        target = called(names(slope(of, base_name(vertex))), vertex)
        derived.extend(accumulate(target, contributions, names))
        return (target,)

    def factor(equation: Equation, reference: Expr, local: Expr) -> Expr:
        return local

    def share(equation: Equation) -> Expr:
        share, counting = ties(equation, names)
        derived.extend(counting)
        return share

    propagate(graph, of, wrt, lambda reference: [Integer(1)], settle, factor, share)
    return graph.with_equations([*graph.equations, *derived], [of, *(names(slope(of, name)) for name in wrt)])


def adjoints(graph: Graph, of: str, wrt: Sequence[str], direction: Direction) -> tuple[System, Mapping[Cell, Terms]]:
    """The derivatives of ``of``, which has axes, or of its product with an array, by the vertices of ``wrt``.

    The adjoint of a vertex has its subscripts and the indices of ``of`` that it depends on: what is 0 but where an
    index of ``of`` is one of the vertex is kept as that diagonal.
    """
    system = System(graph, keep=wrt)

    def settle(vertex: Expr, contributions: Sequence[Summand]) -> Terms:
        wanted, seeds = direction.label(base_name(vertex)), direction.indices
        return system.collect(wanted, vertex, contributions, seeds, seeds, seeds_first=True)

    def share(equation: Equation) -> Expr:
        share, counting = ties(equation, system.names.new)
        for one in counting:
            system.append(one)
        return share

    found = propagate(graph, of, wrt, direction.seeds[of], settle, system.companion, share)
    return system, found


def propagate(
    graph: Graph,
    of: str,
    wrt: Sequence[str],
    seed: Seed,
    settle: Settle,
    factor: Factor,
    share: Callable[[Equation], Expr],
) -> dict[Cell, Terms]:
    """The adjoints of ``wrt``.

    Vertices are visited in reverse order; each hands (its own derivative) × (local derivative) to the vertices it
    reads, summed over the indices that the reference lacks.
    """
    edges, active = active_edges(graph, of, wrt)
    pending: dict[Cell, list[Summand]] = defaultdict(list)
    for cell in graph.cells[of]:
        pending[cell].extend(Summand(term) for term in seed(graph.variable(of)[graph.keys[cell]]))
    found: dict[Cell, Terms] = {}

    def visit(cell: Cell) -> Terms:
        """The adjoint of a vertex, now that all that reads it has been visited."""
        found[cell] = settle(graph.variable(cell.name)[graph.keys[cell]], pending.pop(cell, []))
        return found[cell]

    for equation in reversed(graph.equations):
        if equation.cell not in pending and equation.name not in wrt:
            continue
        adjoint = visit(equation.cell)
        if equation.cell not in edges or not adjoint:
            continue
        shared = share(equation)
        for reference, local in edges[equation.cell].items():
            multiplied = shared * factor(equation, reference, local)
            for cell in graph.resolve(reference):
                if cell in active:
                    for term in adjoint:
                        new = pull_back(term * multiplied, equation.domain, reference, cell, graph.keys[cell])
                        if new is not None:
                            pending[cell].append(new)
    for variable in graph.inputs:
        if variable.name in wrt:
            for cell in graph.cells[variable.name]:
                visit(cell)
    return {cell: terms for cell, terms in found.items() if cell.name in wrt}
