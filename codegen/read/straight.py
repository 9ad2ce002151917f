"""Large systems of plain formulas, read into interned nodes: each of SymPy's objects is visited once, in 10 µs.

Their equations, which take twenty times as long, are written when somebody asks for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sympy import And, Expr, Indexed, IndexedBase, Integer, Mul, Not, Or, Piecewise, Pow, Symbol, atan2, exp, log
from sympy.core.basic import Basic
from sympy.core.relational import Relational
from sympy.functions.elementary.piecewise import ExprCondPair
from sympy.logic.boolalg import BooleanAtom
from sympy.matrices.matrixbase import MatrixBase

from codegen.functions import CANONICAL
from codegen.ir.cells import Cell
from codegen.ir.equation import Variable
from codegen.ir.formulas import LARGE, Formulas, places
from codegen.ir.nodes import Node, Nodes
from codegen.read.declare import Key
from codegen.read.motions import is_motion, motion_name
from codegen.read.simple import OPERATIONS, is_simple_constant
from codegen.uncollected import uncollected
from codegen.walk import base_name, is_fixed


@uncollected()
def formulas(
    inputs: Sequence[Variable],
    written: Mapping[str, Expr],
    entries: Mapping[Key, object],
    arrays: Mapping[str, Variable],
) -> Formulas | None:
    """The formulas of entries of sums, products, powers, elementary functions and choices; None of all others.

    ``written`` are inputs that are symbols, and functions of time, as the user wrote them. Of few operations None, too:
    people read them. Whatever is at fault is not found here but where equations are read.
    """
    if any(v.kind == "integer" or not is_fixed(v.shape) for v in (*inputs, *arrays.values())):
        return None
    reading = _Reading(inputs, written)
    for key, value in entries.items():
        for cell, variable, expression in _elements(key, value, arrays):
            if not isinstance(expression, Expr) or not reading.assign(cell, variable, expression):
                return None
    elements = (Cell(name, place) for name, variable in arrays.items() for place in places(variable))
    if not all(cell in reading.assigned for cell in elements) or len(reading.nodes) < LARGE:
        return None
    return Formulas(reading.nodes, reading.variables, reading.assigned)


def _elements(
    key: Key, value: object, arrays: Mapping[str, Variable]
) -> Iterator[tuple[Cell | None, Variable, object]]:
    """The scalars that an entry assigns; those without a cell are none."""
    if isinstance(key, Indexed):
        yield _place(arrays[base_name(key)], key), arrays[base_name(key)], value
    elif isinstance(value, MatrixBase):
        variable = Variable(key, value.shape if value.shape != (1, 1) else ())
        for place, element in zip(places(variable), value.flat()):
            yield Cell(key, place), variable, element
    else:
        yield Cell(key, ()), Variable(key), value


def _place(variable: Variable, element: Indexed) -> Cell | None:
    """The element of a variable that is at integers."""
    if len(element.indices) != len(variable.shape):
        return None
    for place, n in zip(element.indices, variable.shape):
        if not isinstance(place, Integer) or not isinstance(n, int) or not 0 <= place < n:
            return None
    return Cell(variable.name, tuple(map(int, element.indices)))


RENAMED: Mapping[type[Basic], type[Basic]] = {
    kind: ours for kind, ours in CANONICAL.items() if isinstance(ours, type) and issubclass(ours, Expr)
}
"""Functions of SymPy that are ours on entry, argument by argument."""
CHOSEN_BY = (Relational, And, Or, Not, BooleanAtom)
"""What conditions are made of."""


def _is_choice(node: Basic, arguments: Sequence[Basic]) -> bool:
    """Whether a node chooses by conditions on numbers, or is part of what does."""
    if isinstance(node, Piecewise):
        return True
    if isinstance(node, ExprCondPair):
        return isinstance(node.expr, Expr) and isinstance(node.cond, CHOSEN_BY)
    expected = Expr if isinstance(node, Relational) else CHOSEN_BY
    return isinstance(node, CHOSEN_BY) and all(isinstance(argument, expected) for argument in arguments)


class _Reading:
    """A table of nodes, and what the leaves of expressions are in it."""

    def __init__(self, inputs: Sequence[Variable], written: Mapping[str, Expr]) -> None:
        self.nodes = Nodes()
        self.inputs = frozenset(variable.name for variable in inputs)
        self.variables = {variable.name: variable for variable in inputs}
        self.assigned: dict[Cell, Node] = {}
        self.written = dict(written)
        self._found: dict[int, Node] = {}
        self._constants: set[int] = set()
        self._bases: dict[int, bool] = {}
        self._is_real, self._needs_reality = True, False
        """Whether all leaves are real, as the graph's are; whether SymPy says more of something if they are."""

    def assign(self, cell: Cell | None, variable: Variable, expression: Expr) -> bool:
        """Read one formula; False if it is not for here."""
        if cell is None or cell in self.assigned or cell.name in self.inputs:
            return False
        node = self._read(expression)
        if node is None or self.nodes.is_long(node):
            return False
        self.assigned[cell] = node
        self.variables.setdefault(variable.name, variable)
        return self._is_real or not self._needs_reality

    def _read(self, expression: Basic) -> Node | None:
        """The node of an expression; None if something in it is not as it is in the graph."""
        found = self._found
        stack = [expression]
        while stack:
            node = stack.pop()
            if id(node) in found:
                continue
            if type(node) not in OPERATIONS and (isinstance(node, (Symbol, Indexed)) or is_motion(node)):
                made = self._leaf(node)
            else:
                arguments = node.args
                waiting = [argument for argument in arguments if id(argument) not in found]
                if waiting:
                    stack.append(node)
                    waiting.reverse()
                    stack += waiting
                    continue
                made = self._operation(node, arguments)
            if made is None:
                return None
            found[id(node)] = made
        return found[id(expression)]

    def _operation(self, node: Basic, arguments: Sequence[Basic]) -> Node | None:
        """The node of an operation, of which the operands are known, or of a constant; None for anything else."""
        kind, found = type(node), self._found
        if isinstance(node, BooleanAtom):
            return self.nodes.leaf(node)
        numbers = [*map(id, arguments)]
        if self._constants.issuperset(numbers):
            self._constants.add(id(node))
            return self.nodes.read(node) if isinstance(node, Expr) and is_simple_constant(node) else None
        operands = tuple([found[number] for number in numbers])
        if kind in OPERATIONS:
            if kind is Pow and self._constants.isdisjoint(numbers):
                return None
            self._needs_reality = self._needs_reality or _needs_reality(node)
            return self.nodes.taken(node, operands)
        if kind in RENAMED:
            return self.nodes.made(RENAMED[kind], operands)
        return self.nodes.operation(node.func, operands) if _is_choice(node, arguments) else None

    def _leaf(self, leaf: Expr) -> Node | None:
        """The node of an input, or of what was assigned before; None for anything else."""
        if isinstance(leaf, Indexed):
            variable = self.variables.get(base_name(leaf))
            cell = None if variable is None else _place(variable, leaf)
            if variable is None or cell is None or not isinstance(leaf.base, IndexedBase):
                return None
            if variable.name not in self.inputs:
                self._is_real &= leaf.is_real is True
                return self.assigned.get(cell)
            own = self._is_own(leaf.base, variable)
            self._is_real &= own
            return self.nodes.leaf(leaf if own else variable[leaf.indices])
        name = leaf.name if isinstance(leaf, Symbol) else motion_name(leaf)
        if (not isinstance(leaf, Symbol) and name not in self.written) or self.written.setdefault(name, leaf) != leaf:
            return None
        self._is_real &= leaf.is_real is True
        if name in self.inputs and not self.variables[name].shape:
            return self.nodes.leaf(self.variables[name].symbol)
        return self.assigned.get(Cell(name, ()))

    def _is_own(self, base: IndexedBase, variable: Variable) -> bool:
        """Whether an array is that of the graph: SymPy takes longer to compare than to read an element."""
        if id(base) not in self._bases:
            self._bases[id(base)] = bool(base == variable.symbol)
        return self._bases[id(base)]


def _needs_reality(node: Basic) -> bool:
    """Whether SymPy may write an operation otherwise if symbols are real: of √(x²) it makes |x|."""
    kind = type(node)
    if kind is Pow:
        return not node.exp.is_Integer and isinstance(node.base, (Pow, Mul))
    return kind is atan2 or (kind is log and isinstance(node.args[0], exp))
