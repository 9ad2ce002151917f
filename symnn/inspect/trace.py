"""Backpropagation with nothing left out: a vertex of its own for every local derivative and every contribution.

The gradient adds up, at each vertex, what arrives over the edges that leave it; here each arrival can be looked at.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from sympy import Add, Expr, Integer

from codegen.derive.accumulation import granted, slope, ties
from codegen.derive.edges import active_edges
from codegen.derive.local import pull_back
from codegen.ir.equation import Equation, Variable, over
from codegen.ir.graph import Cell, Graph, Index
from codegen.ir.names import Names
from codegen.ir.summation import Summand
from codegen.walk import indices


@dataclass(frozen=True)
class Edge:
    """∂vertex/∂reference: its formula, and the variable that holds its value."""

    vertex: Equation
    reference: Expr
    formula: Expr
    local: str


@dataclass(frozen=True)
class Arrival:
    """What one edge contributes to the derivative by the vertex that it reads."""

    edge: Edge
    equation: Equation


@dataclass(frozen=True)
class Trace:
    """The graph with all of that as equations, and where to find them, by vertex."""

    graph: Graph
    edges: Mapping[Cell, Sequence[Edge]]
    arrivals: Mapping[Cell, Sequence[Arrival]]
    totals: Mapping[Cell, Expr]


def trace(graph: Graph, of: str, wrt: Sequence[str]) -> Trace:
    """Append the local derivatives, the contributions and their totals, from ``of`` back to ``wrt``.

    >>> from codegen import from_expressions
    >>> from sympy import symbols
    >>> a, b, c = symbols("a b c")
    >>> traced = trace(from_expressions({"c": a * b, "e": c + b}, [a, b]), "e", ["b"])
    >>> print(traced.graph)
    inputs a, b
    c = a*b
    e = b + c
    de/de = 1
    local 1 = 1
    arrival 1 = 1
    local 2 = 1
    arrival 2 = 1
    de/dc = arrival 2
    local 3 = a
    arrival 3 = a*de/dc
    de/db = arrival 1 + arrival 3
    outputs e, de/db
    """
    found, active = active_edges(graph, of, wrt)
    names, numbers = Names(graph.variables), defaultdict[str, "count[int]"](lambda: count(1))
    derived: list[Equation] = []
    edges: dict[Cell, list[Edge]] = defaultdict(list)
    arrivals: dict[Cell, list[Arrival]] = defaultdict(list)
    totals: dict[Cell, Expr] = {}

    def define(kind: str, term: Summand, free: Sequence[Index]) -> Equation:
        name = names(f"{kind} {next(numbers[kind])}")
        target = over(name, free)
        derived.append(Equation.total(target, term))
        return derived[-1]

    def settle(cell: Cell) -> Expr:
        variable = graph.variable(cell.name)
        target = Variable(names(slope(of, variable.name)), variable.shape)[graph.keys[cell]]
        total = Add(*[arrival.equation.target for arrival in arrivals[cell]]) + Integer(cell == (of, ()))
        derived.append(Equation(target, total))
        totals[cell] = target
        return target

    def pass_on(edge: Edge, adjoint: Expr, cell: Cell) -> None:
        body = adjoint * edge.formula
        term = pull_back(body, edge.vertex.domain, edge.reference, cell, graph.keys[cell])
        if term is not None:
            free = [i for i in graph.keys[cell] if isinstance(i, Index)]
            arrivals[cell].append(Arrival(edge, define("arrival", term, free)))

    for equation in reversed(graph.equations):
        cell = equation.cell
        if cell != (of, ()) and not arrivals[cell] and equation.name not in wrt:
            continue
        total = settle(cell)
        adjoint = Integer(1) if cell == (of, ()) else total
        share, counting = ties(equation, names)
        derived.extend(counting if cell in found else ())
        for reference, local in found.get(cell, {}).items():
            slope_of_edge = granted(equation, share, local)
            value = define("local", Summand(slope_of_edge), indices(slope_of_edge))
            edge = Edge(equation, reference, slope_of_edge, value.name)
            edges[cell].append(edge)
            for source in graph.resolve(reference):
                if source in active:
                    pass_on(edge, adjoint, source)
    for variable in graph.inputs:
        if variable.name in wrt:
            for cell in graph.cells[variable.name]:
                settle(cell)
    outputs = dict.fromkeys([of, *(names(slope(of, name)) for name in wrt)])
    return Trace(graph.with_equations([*graph.equations, *derived], list(outputs)), edges, arrivals, totals)
