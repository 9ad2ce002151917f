"""Derivatives of large formulas without indices, taken on interned nodes.

What people read is derived as equations, a vertex each; of more operations than anybody reads only their number counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations_with_replacement
from math import prod
from typing import TypeAlias

from sympy import (
    Add,
    And,
    Equality,
    GreaterThan,
    LessThan,
    Mul,
    Not,
    Or,
    Piecewise,
    Pow,
    StrictGreaterThan,
    StrictLessThan,
    Unequality,
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    cos,
    exp,
    log,
    sin,
    tan,
    tanh,
)
from sympy.functions.elementary.piecewise import ExprCondPair

from codegen.derive.accumulation import slope
from codegen.derive.choices import derivation_of
from codegen.derive.nodes import Slopes, is_differentiable
from codegen.functions import (
    absolute,
    direction_cosine,
    equal,
    hypot,
    log1p,
    logistic,
    maximum,
    minimum,
    power,
    ratio,
    select,
    sigmoid,
    sigmoid_slope,
    sign,
    silu,
    softplus,
    step,
)
from codegen.functions.smooth import reciprocal_of_squares, square_share
from codegen.ir.cells import Cell
from codegen.ir.equation import Variable
from codegen.ir.formulas import Formulas, places
from codegen.ir.graph import Graph
from codegen.ir.nodes import Node, Nodes
from codegen.passes.stable_nodes import stabilised
from codegen.passes.straight import is_large
from codegen.uncollected import uncollected
from codegen.walk import fresh_name, is_fixed

CALM = frozenset(
    {Add, Mul, Pow, exp, log, sin, cos, tan, asin, acos, atan, atan2, tanh, asinh, acosh, atanh}
    | {absolute, direction_cosine, hypot, log1p, power, ratio, sigmoid, silu, softplus, logistic, sigmoid_slope}
    | {reciprocal_of_squares, square_share}
    | {maximum, minimum, select, sign, step, equal, Piecewise, ExprCondPair, And, Or, Not}
    | {Equality, Unequality, StrictLessThan, LessThan, StrictGreaterThan, GreaterThan}
)
"""What has no tails: of these alone derivatives are made that need no other form."""


class Straight:
    """Large formulas, in a table of their own that derivatives are appended to."""

    def __init__(self, graph: Graph, formulas: Formulas) -> None:
        self.graph, self.found = graph, formulas
        self.nodes: Nodes = formulas.nodes.copy()
        self.inputs, self.outputs = [*graph.inputs], list[Variable]()
        self._names = {*formulas.variables}
        self.assigned: dict[Cell, Node] = {}

    @staticmethod
    @uncollected()
    def of(graph: Graph, of: str, wrt: Sequence[str]) -> Straight | None:
        """The formulas of a graph that are differentiated here; None for all others."""
        given = graph.formulas
        inputs = {variable.name for variable in graph.inputs}
        if given is None or not is_large(graph) or of in inputs or not inputs.issuperset(wrt):
            return None
        if not is_fixed(graph.variable(of).shape):
            return None
        formulas = given if given.stable else stabilised(given, keep=[of])
        roots = formulas.of_variable(of)
        if not _are_differentiable(formulas.nodes, roots):
            return None
        straight = Straight(graph, formulas)
        straight.put(graph.variable(of), roots)
        return straight

    def put(self, variable: Variable, elements: Iterable[Node]) -> None:
        """Another output."""
        self.outputs.append(variable)
        self._names.add(variable.name)
        self.assigned.update((Cell(variable.name, place), node) for place, node in zip(places(variable), elements))

    def read(self, variable: Variable) -> list[Node]:
        """The elements of another input."""
        self.inputs.append(variable)
        self._names.add(variable.name)
        return [self.nodes.leaf(variable[place]) for place in places(variable)]

    def derived(self) -> Graph:
        """The graph of the outputs."""
        known = {**self.found.variables, **{variable.name: variable for variable in (*self.inputs, *self.outputs)}}
        roots = list(dict.fromkeys(self.assigned.values()))
        calm = CALM.issuperset(self.nodes.operations(roots))
        formulas = Formulas(self.nodes, known, {**self.found.assigned, **self.assigned}, stable=calm)
        return Graph.of_formulas(self.inputs, formulas, [variable.name for variable in self.outputs])

    def name(self, wanted: str) -> str:
        return fresh_name(wanted, self._names)

    def columns(self, wrt: Sequence[str]) -> list[tuple[Variable, tuple[int, ...]]]:
        """The elements of some inputs, one after the other."""
        variables = [self.graph.variable(name) for name in wrt]
        return [(variable, place) for variable in variables for place in places(variable)]

    @uncollected()
    def slopes(self, results: Sequence[Node], wrt: Sequence[str], mode: str) -> list[Slopes]:
        """The derivatives of each result by the elements of some inputs, by number."""
        leaves = self.found.leaves
        cells = [Cell(variable.name, place) for variable, place in self.columns(wrt)]
        numbers = [number for number, cell in enumerate(cells) if cell in leaves]
        derivation = derivation_of(self.nodes, results, [leaves[cells[number]] for number in numbers])
        return [{numbers[n]: node for n, node in row.items()} for row in derivation.slopes(mode)]


def _are_differentiable(nodes: Nodes, roots: Sequence[Node]) -> bool:
    edges, reached = nodes.edges, nodes.reached(roots)
    plain = edges.has(Add) | edges.has(Mul) | (edges.has(Pow) & (edges.exponents != 1)) | (edges.lengths == 0)
    return all(is_differentiable(nodes, node) for node in reached[~plain[reached]].tolist())


def gradient(straight: Straight, of: str, wrt: Sequence[str]) -> Graph:
    """The graph with outputs ``of`` and d of/d w for each w of ``wrt``."""
    (row,) = straight.slopes(straight.found.of_variable(of), wrt, "reverse")
    for variable, columns in _pieces(straight, wrt):
        elements = [row.get(column, straight.nodes.zero) for column in columns]
        straight.put(Variable(straight.name(slope(of, variable.name)), variable.shape), elements)
    return straight.derived()


def jacobian(straight: Straight, of: str, wrt: Sequence[str], mode: str) -> Graph:
    """The graph with outputs ``of`` and d of/d w for each w of ``wrt``, zeros included."""
    rows = straight.slopes(straight.found.of_variable(of), wrt, mode)
    for variable, columns in _pieces(straight, wrt):
        target = Variable(straight.name(slope(of, variable.name)), straight.graph.variable(of).shape + variable.shape)
        straight.put(target, [row.get(column, straight.nodes.zero) for row in rows for column in columns])
    return straight.derived()


Entries: TypeAlias = "tuple[Variable, Variable, list[tuple[tuple[int, int], Node]]]"
"""The derivatives of one variable by another that are not 0, each with its row and column."""


def entries(straight: Straight, of: str, wrt: Sequence[str], mode: str) -> list[Entries]:
    """The derivatives of ``of`` by each input."""
    rows = dict(enumerate(straight.slopes(straight.found.of_variable(of), wrt, mode)))
    target = straight.graph.variable(of)
    return [
        (target, variable, _within(rows, range(len(rows)), columns)) for variable, columns in _pieces(straight, wrt)
    ]


def hessian(straight: Straight, of: str, wrt: Sequence[str]) -> Graph | None:
    """The graph with outputs ``of`` and the blocks of its Hessian, a triangle of each that has two.

    None where first derivatives have branches, as that of x^y by y has.
    """
    second = _second(straight, of, wrt)
    if second is None:
        return None

    def entry(row: int, column: int) -> Node:
        row, column = min(row, column), max(row, column)
        return second.get(row, {}).get(column, straight.nodes.zero)

    for (a, rows), (b, columns) in combinations_with_replacement(_pieces(straight, wrt), 2):
        block = Variable(straight.name(f"d{slope(of, a.name)}/d{b.name}"), a.shape + b.shape)
        straight.put(block, [entry(row, column) for row in rows for column in columns])
    return straight.derived()


def hessian_product(straight: Straight, of: str, wrt: Sequence[str]) -> Graph | None:
    """The graph with outputs ``of`` and its Hessian times a direction, the gradient of the slope along it.

    None as for :func:`hessian`.
    """
    (first,) = straight.slopes(straight.found.of_variable(of), wrt, "reverse")
    if not _are_differentiable(straight.nodes, list(first.values())):
        return None
    pieces = _pieces(straight, wrt)
    direction = [v for w, _ in pieces for v in straight.read(Variable(straight.name(f"v_{w.name}"), w.shape))]
    along = straight.nodes.total(
        [straight.nodes.times(first[element], direction[element]) for element in sorted(first)]
    )
    (row,) = straight.slopes([along], wrt, "reverse")
    for variable, columns in pieces:
        target = Variable(straight.name(f"d{slope(of, variable.name)}/dv"), variable.shape)
        straight.put(target, [row.get(column, straight.nodes.zero) for column in columns])
    return straight.derived()


def lower_triangle(straight: Straight, of: str, wrt: Sequence[str]) -> list[Entries] | None:
    """The second derivatives on the diagonal and below it; None as for :func:`hessian`."""
    second = _second(straight, of, wrt)
    if second is None:
        return None
    lower = {row: {column: node for column, node in found.items() if column <= row} for row, found in second.items()}
    pieces = _pieces(straight, wrt)
    return [
        (a, b, _within(lower, rows, columns))
        for number, (a, rows) in enumerate(pieces)
        for b, columns in pieces[: number + 1]
    ]


def _second(straight: Straight, of: str, wrt: Sequence[str]) -> dict[int, Slopes] | None:
    (first,) = straight.slopes(straight.found.of_variable(of), wrt, "reverse")
    if not _are_differentiable(straight.nodes, list(first.values())):
        return None
    elements = sorted(first)
    return dict(zip(elements, straight.slopes([first[element] for element in elements], wrt, "forward")))


def _within(found: Mapping[int, Slopes], rows: range, columns: range) -> list[tuple[tuple[int, int], Node]]:
    """The derivatives in a block, by rows and columns from 0."""
    return [
        ((row - rows.start, column - columns.start), found[row][column])
        for row in rows
        if row in found
        for column in sorted(found[row])
        if column in columns
    ]


def _pieces(straight: Straight, wrt: Sequence[str]) -> list[tuple[Variable, range]]:
    """The variables to differentiate by, and the numbers of the elements of each."""
    found: list[tuple[Variable, range]] = []
    start = 0
    for name in wrt:
        variable = straight.graph.variable(name)
        found.append((variable, range(start, start + _size(variable))))
        start += _size(variable)
    return found


def _size(variable: Variable) -> int:
    return prod(n for n in variable.shape if isinstance(n, int))
