"""The part of a graph that a derivative runs over."""

from __future__ import annotations

from collections.abc import Sequence

from sympy import Expr

from codegen.derive.local import local_derivatives
from codegen.ir.graph import Cell, Graph

Edges = dict[Cell, dict[Expr, Expr]]
"""The local derivatives of each vertex, by the reference that they are taken with respect to."""


def active_edges(graph: Graph, of: str, wrt: Sequence[str]) -> tuple[Edges, set[Cell]]:
    """The local derivatives that matter, by the vertex they belong to, and the vertices that depend on ``wrt``.

    An edge matters if its vertex leads to ``of``, its reference depends on ``wrt``, and its derivative is not 0.
    """
    needed = graph.upstream(of)
    active = {cell for name in wrt for cell in graph.cells[name]}
    edges: Edges = {}
    before = -1
    while before < len(active):
        before = len(active) if graph.scans else len(graph.equations) + len(active)
        for equation in graph.equations:
            if equation.cell not in needed:
                continue
            reading = {r for r, cells in graph.read_by(equation) if any(cell in active for cell in cells)}
            if reading and (found := local_derivatives(equation, reading)):
                edges[equation.cell] = found
                active.add(equation.cell)
    return edges, active
