"""Backpropagation: the total derivative of one scalar with respect to every vertex, each edge touched once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sympy import Expr, Integer

from codegen.derive.local import (
    Summand,
    accumulate,
    local_derivatives,
    pull_back,
    ties,
    total_name,
)
from codegen.graph import Cell, Equation, Graph, Variable


def reverse(graph: Graph, of: str, wrt: Sequence[str]) -> Graph:
    """Append, for every vertex v between ``wrt`` and ``of``, the equation of d of/d v.

    Vertices are visited in reverse order; each hands (its own derivative) × (local derivative) to the vertices it
    reads, summed over the indices that the reference lacks.
    """
    locals_, active = active_edges(graph, of, wrt)
    pending: dict[Cell, list[Summand]] = defaultdict(list)
    pending[(of, ())].append(Summand(Integer(1)))
    derived: list[Equation] = []

    def settle(cell: Cell) -> Expr:
        variable = graph.variable(cell[0])
        target = Variable(total_name(of, variable.name), variable.shape)[graph.keys[cell]]
        derived.extend(accumulate(target, pending[cell]))
        return target

    for equation in reversed(graph.equations):
        if equation.cell not in pending and equation.name not in wrt:
            continue
        adjoint = settle(equation.cell)
        if equation.cell not in locals_:
            continue
        share, counting = ties(equation, of)
        derived.extend(counting)
        for reference, local in locals_[equation.cell].items():
            for cell in graph.resolve(reference):
                if cell in active:
                    key = graph.keys[cell]
                    term = pull_back(adjoint * share * local, equation.domain, reference, cell, key)
                    if term is not None:
                        pending[cell].append(term)
    for variable in graph.inputs:
        if variable.name in wrt:
            for cell in graph.cells[variable.name]:
                settle(cell)
    return graph.with_equations([*graph.equations, *derived], [of, *(total_name(of, name) for name in wrt)])


def active_edges(graph: Graph, of: str, wrt: Sequence[str]) -> tuple[dict[Cell, dict[Expr, Expr]], set[Cell]]:
    """The local derivatives that matter, by the vertex they belong to, and the vertices that depend on ``wrt``.

    An edge matters if its vertex leads to ``of``, its reference depends on ``wrt``, and its derivative is not 0.
    """
    needed = ancestors(graph, of)
    active = {cell for name in wrt for cell in graph.cells[name]}
    edges: dict[Cell, dict[Expr, Expr]] = {}
    for equation in graph.equations:
        if equation.cell not in needed:
            continue
        if not any(cell in active for r in equation.references for cell in graph.resolve(r)):
            continue
        found = {
            reference: local
            for reference, local in local_derivatives(equation).items()
            if any(cell in active for cell in graph.resolve(reference))
        }
        if found:
            edges[equation.cell] = found
            active.add(equation.cell)
    return edges, active


def ancestors(graph: Graph, of: str) -> set[Cell]:
    """The vertices that ``of`` is computed from, itself included."""
    needed = set(graph.cells[of])
    for equation in reversed(graph.equations):
        if equation.cell in needed:
            needed.update(cell for r in equation.references for cell in graph.resolve(r))
    return needed
