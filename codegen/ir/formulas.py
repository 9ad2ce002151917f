"""Equations without indices as one table of interned nodes: vertices are read through, equal values are one node."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from sympy import Expr, Idx, Indexed, Symbol

from codegen.cached import cached_property
from codegen.functions import canonical
from codegen.functions.random_numbers import RandomNumber
from codegen.ir.cells import Cell, cell_of
from codegen.ir.equation import Equation, Variable
from codegen.ir.nodes import Node, Nodes
from codegen.walk import fresh_names, subscripts

LARGE = 200
"""Graphs of so many nodes without an index are worked on as nodes."""


@dataclass(frozen=True)
class Formulas:
    """What is assigned to scalars and to single elements, in order, as nodes."""

    nodes: Nodes
    variables: Mapping[str, Variable]
    assigned: Mapping[Cell, Node]
    stable: bool = False
    """Whether unstable forms have been replaced."""

    @staticmethod
    def of(inputs: Sequence[Variable], equations: Iterable[Equation]) -> Formulas | None:
        """The formulas of equations in an order in which they can be evaluated.

        None if one of them has an index, or a number longer than floats have.

        >>> from sympy import symbols
        >>> a, b, c = symbols("a b c", real=True)
        >>> found = Formulas.of([Variable("a")], [Equation(b, a**2), Equation(c, b + a * a)])
        >>> found.nodes.written(found.assigned[cell_of(c)])
        2*a**2
        """
        nodes = Nodes()
        variables = {variable.name: variable for variable in inputs}
        integers = {variable.name for variable in inputs if variable.kind == "integer"}
        assigned: dict[Cell, Node] = {}
        for equation in equations:
            if equation.reduction is not None or any(isinstance(i, Idx) for i in subscripts(equation.target)):
                return None
            assigned[cell_of(equation.target)] = node = nodes.read(equation.body)
            if nodes.is_long(node):
                return None
            nodes.name(equation.target, node)
            variables.setdefault(equation.name, equation.variable)
        if not all(_is_real(head, integers) for head, operands in zip(nodes.heads, nodes.operands) if not operands):
            return None
        if any(isinstance(head, type) and issubclass(head, RandomNumber) for head in nodes.heads):
            return None  # what they are functions of are integers
        return Formulas(nodes, variables, assigned)

    @cached_property
    def leaves(self) -> Mapping[Cell, Node]:
        """The nodes of what is read."""
        leaves = [(self.nodes.heads[node], node) for node in np.flatnonzero(self.nodes.edges.lengths == 0).tolist()]
        return {cell_of(head): node for head, node in leaves if isinstance(head, (Indexed, Symbol))}

    def has(self, names: Iterable[str]) -> bool:
        """Whether all elements of these variables are assigned."""
        return self.names.issuperset(names)

    @cached_property
    def names(self) -> frozenset[str]:
        """The variables that are assigned."""
        return frozenset([name for name, _ in self.assigned])

    def roots(self, names: Collection[str]) -> list[Node]:
        """The nodes of all elements of these variables, each once."""
        return list(dict.fromkeys(node for cell, node in self.assigned.items() if cell.name in names))

    def of_variable(self, name: str) -> list[Node]:
        """The nodes of the elements of a variable that is assigned, in row-major order."""
        return [self.assigned[Cell(name, place)] for place in places(self.variables[name])]

    def equations(self) -> Iterator[Equation]:
        """Written back: what is used several times has an equation of its own."""
        nodes = self.nodes
        order = nodes.postorder(list(dict.fromkeys(self.assigned.values())))
        uses = nodes.uses(order)
        fresh = fresh_names("v", {*self.variables, *(cell.name for cell in self.leaves)})
        first: dict[Node, Expr] = {}
        targets = {cell: self.variables[cell.name][cell.pattern] for cell in self.assigned}
        for cell, node in self.assigned.items():
            first.setdefault(node, targets[cell])
        named: dict[Node, Expr] = {}
        for node in order:
            head = nodes.heads[node]
            # A comparison is no vertex.
            shared = uses.get(node, 0) > 1 and not (isinstance(head, type) and not issubclass(head, Expr))
            if nodes.operands[node] and (node in first or shared):
                target = first[node] if node in first else Variable(next(fresh)).symbol
                # Of (x²)^½ SymPy makes |x| where x has a name now, which is real.
                yield Equation(target, canonical(nodes.written(node, named.get)))
                named[node] = target
        for cell, node in self.assigned.items():
            if named.get(node) is not targets[cell]:
                yield Equation(targets[cell], nodes.written(node) if node not in named else named[node])


def places(variable: Variable) -> Iterator[tuple[int, ...]]:
    """The subscripts of all elements of an array of known shape, in row-major order.

    >>> list(places(Variable("a", (2, 2))))
    [(0, 0), (0, 1), (1, 0), (1, 1)]
    """
    return product(*(range(n) for n in variable.shape if isinstance(n, int)))


def _is_real(leaf: object, integers: set[str]) -> bool:
    """Whether a leaf is a constant, or a real scalar or element."""
    if isinstance(leaf, Indexed):
        known = all(n.is_Integer for n in (*leaf.indices, *leaf.base.shape))
        return known and str(leaf.base.label) not in integers
    if isinstance(leaf, Symbol):
        return not leaf.is_integer and leaf.name not in integers
    return not isinstance(leaf, Idx)
