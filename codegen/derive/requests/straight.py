"""Derivatives of large formulas without indices, taken on interned nodes.

What people read is derived as equations, a vertex each; of more operations than anybody reads only their number counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations_with_replacement
from math import prod

from sympy import Add, Mul, Pow, acos, acosh, asin, asinh, atan, atan2, atanh, cos, exp, log, sin, tan, tanh

from codegen.derive.accumulation import slope
from codegen.derive.nodes import Derivation, Slopes, is_differentiable
from codegen.functions import (
    absolute,
    direction_cosine,
    hypot,
    log1p,
    power,
    ratio,
    sigmoid,
    sigmoid_slope,
    silu,
    softplus,
    softplus_slope,
)
from codegen.ir.cells import Cell
from codegen.ir.equation import Variable
from codegen.ir.formulas import Formulas, is_settled, places
from codegen.ir.graph import Graph
from codegen.ir.nodes import Node, Nodes
from codegen.passes.stabilise import stabilise
from codegen.passes.straight import is_large
from codegen.walk import fresh_name, is_fixed

PLAIN = frozenset(
    {Add, Mul, Pow, exp, log, sin, cos, tan, asin, acos, atan, atan2, tanh, asinh, acosh, atanh}
    | {absolute, direction_cosine, hypot, log1p, power, ratio, sigmoid, silu, softplus, softplus_slope, sigmoid_slope}
)
"""What is differentiated node by node. Not what chooses, whose branches have derivatives that must not meet others, nor
tails, whose derivatives are stable as whole formulas only."""


class Straight:
    """Large formulas, in a table of their own that derivatives are appended to."""

    def __init__(self, graph: Graph, formulas: Formulas) -> None:
        self.graph, self.found = graph, formulas
        self.nodes: Nodes = formulas.nodes.copy()
        self.outputs: list[Variable] = []
        self.assigned: dict[Cell, Node] = {}

    @staticmethod
    def of(graph: Graph, of: str, wrt: Sequence[str]) -> Straight | None:
        """The formulas of a graph that are differentiated here; None for all others."""
        given = graph.formulas
        inputs = {variable.name for variable in graph.inputs}
        if given is None or not is_large(graph) or of in inputs or not inputs.issuperset(wrt):
            return None
        stable = given.stable or is_settled(given.nodes)
        formulas = given if stable else stabilise(graph, keep=[of, *wrt]).formulas
        if formulas is None or not is_fixed(graph.variable(of).shape):
            return None
        roots = formulas.of_variable(of)
        if not PLAIN.issuperset(formulas.nodes.operations(roots)) or not _are_differentiable(formulas.nodes, roots):
            return None
        straight = Straight(graph, formulas)
        straight.put(graph.variable(of), roots)
        return straight

    def put(self, variable: Variable, elements: Iterable[Node]) -> None:
        """Another output."""
        self.outputs.append(variable)
        self.assigned.update((Cell(variable.name, place), node) for place, node in zip(places(variable), elements))

    def derived(self) -> Graph:
        """The graph of the outputs."""
        known = {**self.found.variables, **{variable.name: variable for variable in self.outputs}}
        formulas = Formulas(self.nodes, known, {**self.found.assigned, **self.assigned}, stable=True)
        return Graph.of_formulas(self.graph.inputs, formulas, self.outputs)

    def name(self, wanted: str) -> str:
        return fresh_name(wanted, {*self.found.variables, *(variable.name for variable in self.outputs)})

    def columns(self, wrt: Sequence[str]) -> list[tuple[Variable, tuple[int, ...]]]:
        """The elements of some inputs, one after the other."""
        variables = [self.graph.variable(name) for name in wrt]
        return [(variable, place) for variable in variables for place in places(variable)]

    def slopes(self, results: Sequence[Node], wrt: Sequence[str], mode: str) -> list[Slopes]:
        """The derivatives of each result by the elements of some inputs, by number."""
        leaves = self.found.leaves
        cells = [Cell(variable.name, place) for variable, place in self.columns(wrt)]
        numbers = [number for number, cell in enumerate(cells) if cell in leaves]
        derivation = Derivation(self.nodes, results, [leaves[cells[number]] for number in numbers])
        return [{numbers[n]: node for n, node in row.items()} for row in derivation.slopes(mode)]


def _are_differentiable(nodes: Nodes, roots: Sequence[Node]) -> bool:
    return all(is_differentiable(nodes, node) for node in nodes.postorder(roots))


def gradient(straight: Straight, of: str, wrt: Sequence[str]) -> Graph:
    """The graph with outputs ``of`` and d of/d w for each w of ``wrt``."""
    (row,) = straight.slopes(straight.found.of_variable(of), wrt, "reverse")
    for variable, start in _pieces(straight, wrt):
        elements = [row.get(start + n, straight.nodes.zero) for n in range(_size(variable))]
        straight.put(Variable(straight.name(slope(of, variable.name)), variable.shape), elements)
    return straight.derived()


def jacobian(straight: Straight, of: str, wrt: Sequence[str], mode: str) -> Graph:
    """The graph with outputs ``of`` and d of/d w for each w of ``wrt``, zeros included."""
    rows = straight.slopes(straight.found.of_variable(of), wrt, mode)
    for variable, start in _pieces(straight, wrt):
        target = Variable(straight.name(slope(of, variable.name)), straight.graph.variable(of).shape + variable.shape)
        columns = range(start, start + _size(variable))
        straight.put(target, [row.get(column, straight.nodes.zero) for row in rows for column in columns])
    return straight.derived()


def entries(
    straight: Straight, of: str, wrt: Sequence[str], mode: str
) -> list[tuple[Variable, list[tuple[tuple[int, int], Node]]]]:
    """For each input the derivatives of ``of`` by it that are not 0, each with its row and column."""
    rows = straight.slopes(straight.found.of_variable(of), wrt, mode)
    found = []
    for variable, start in _pieces(straight, wrt):
        columns = range(start, start + _size(variable))
        own = [
            ((n, column - start), row[column])
            for n, row in enumerate(rows)
            for column in sorted(row)
            if column in columns
        ]
        found.append((variable, own))
    return found


def hessian(straight: Straight, of: str, wrt: Sequence[str]) -> Graph | None:
    """The graph with outputs ``of`` and the blocks of its Hessian, a triangle of each that has two.

    None where first derivatives have branches, as that of x^y by y has.
    """
    nodes = straight.nodes
    (first,) = straight.slopes(straight.found.of_variable(of), wrt, "reverse")
    if not _are_differentiable(nodes, list(first.values())):
        return None
    elements = sorted(first)
    found = straight.slopes([first[element] for element in elements], wrt, "forward")
    second = dict(zip(elements, found))

    def entry(row: int, column: int) -> Node:
        row, column = min(row, column), max(row, column)
        return second.get(row, {}).get(column, nodes.zero)

    for (a, rows), (b, columns) in combinations_with_replacement(_pieces(straight, wrt), 2):
        block = Variable(straight.name(f"d{slope(of, a.name)}/d{b.name}"), a.shape + b.shape)
        places_ = ((rows + i, columns + j) for i in range(_size(a)) for j in range(_size(b)))
        straight.put(block, [entry(row, column) for row, column in places_])
    return straight.derived()


def _pieces(straight: Straight, wrt: Sequence[str]) -> list[tuple[Variable, int]]:
    """The variables to differentiate by, and the number of the first element of each."""
    found: list[tuple[Variable, int]] = []
    start = 0
    for name in wrt:
        found.append((straight.graph.variable(name), start))
        start += _size(found[-1][0])
    return found


def _size(variable: Variable) -> int:
    return prod(n for n in variable.shape if isinstance(n, int))
