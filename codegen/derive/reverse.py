"""Backpropagation: the total derivative of one scalar with respect to every vertex, each edge touched once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sympy import Expr, Integer

from codegen.derive.edges import active_edges, ancestors
from codegen.derive.local import accumulate, pull_back, ties
from codegen.derive.names import Names
from codegen.graph import Cell, Equation, Graph, Variable
from codegen.summation import Summand


def reverse(graph: Graph, of: str, wrt: Sequence[str]) -> Graph:
    """Append, for every vertex v between ``wrt`` and ``of``, the equation of d of/d v.

    Vertices are visited in reverse order; each hands (its own derivative) × (local derivative) to the vertices it
    reads, summed over the indices that the reference lacks.
    """
    edges, active = active_edges(graph, of, wrt)
    names = Names(graph)
    pending: dict[Cell, list[Summand]] = defaultdict(list, {(of, ()): [Summand(Integer(1))]})
    derived: list[Equation] = []

    def settle(cell: Cell) -> Expr:
        """The equation of d of/d vertex, now that all that reads the vertex has been visited."""
        variable = graph.variable(cell[0])
        target = Variable(names.total(of, variable.name), variable.shape)[graph.keys[cell]]
        derived.extend(accumulate(target, pending[cell], names))
        return target

    for equation in reversed(graph.equations):
        if equation.cell not in pending and equation.name not in wrt:
            continue
        adjoint = settle(equation.cell)
        if equation.cell not in edges:
            continue
        share, counting = ties(equation, names(f"ties({equation.name})"))
        derived.extend(counting)
        for reference, local in edges[equation.cell].items():
            for cell in graph.resolve(reference):
                if cell in active:
                    term = pull_back(adjoint * share * local, equation.domain, reference, cell, graph.keys[cell])
                    if term is not None:
                        pending[cell].append(term)
    for variable in graph.inputs:
        if variable.name in wrt:
            for cell in graph.cells[variable.name]:
                settle(cell)
    return graph.with_equations([*graph.equations, *derived], [of, *(names.total(of, name) for name in wrt)])


__all__ = ["active_edges", "ancestors", "reverse"]
