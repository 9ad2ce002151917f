"""Where values may not be 0, as far as the branches and brackets that they are made of say so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sympy
from sympy import Add, And, Expr, Mul, Not, Or, Piecewise, Pow
from sympy.core.basic import Basic
from sympy.core.relational import Relational
from sympy.functions.elementary.piecewise import ExprCondPair

from codegen.functions import select
from codegen.ir.cells import Cell
from codegen.ir.equation import Equation
from codegen.ir.graph import cell_of
from codegen.walk import fold, indices, is_leaf, is_plain, is_reference, moved, postorder, references, subscripts

ALTERNATIVES = 64
"""What has more comparisons in its condition than these counts as never known to be 0."""


class Support:
    """The conditions under which the vertices of equations, and expressions in them, may not be 0.

    Of the conditions of choices those count that are ``known``; ``bracket`` may say it of a node.

    >>> from sympy import Symbol
    >>> n, m = Symbol("n", real=True), Symbol("m", real=True)
    >>> support = Support(lambda choice, condition: True)
    >>> support.add(Equation(m, Piecewise((1 / n, n >= 1), (0, True))))
    >>> support.of(n * m)
    n >= 1
    """

    def __init__(
        self, known: Callable[[Expr, Basic], bool], bracket: Callable[[Basic], Basic | None] = lambda node: None
    ) -> None:
        self._known, self._bracket = known, bracket
        self._equations: dict[Cell, Equation] = {}
        self._conditions: dict[Cell, Basic] = {}

    def add(self, equation: Equation) -> None:
        """Note the condition of a vertex; of what is summed over a condition says nothing about the sum."""
        condition = self.of(equation.body)
        if not equation.is_linear or not set(indices(condition)) <= set(equation.free):
            condition = sympy.true
        if condition != True:  # noqa: E712 - a SymPy boolean
            self._equations[equation.cell], self._conditions[equation.cell] = equation, condition

    def of(self, expression: Basic) -> Basic:
        """Where an expression may not be 0."""
        if not any(map(self._says_something, postorder(expression))):
            return sympy.true
        condition = fold(expression, self._step)
        return condition if len(condition.atoms(Relational)) <= ALTERNATIVES else sympy.true

    def _says_something(self, node: Basic) -> bool:
        if is_reference(node):
            return cell_of(node) in self._conditions
        return node == 0 or isinstance(node, (Piecewise, select)) or self._bracket(node) is not None

    def _step(self, node: Basic, arguments: list[Basic]) -> Basic:
        if is_reference(node):
            cell = cell_of(node)
            return self._at(self._conditions[cell], node) if cell in self._conditions else sympy.true
        if node == 0:
            return sympy.false
        if (found := self._bracket(node)) is not None:
            return found
        if isinstance(node, Piecewise):
            return self._branches(node, [condition for _, condition in node.args], arguments)
        if isinstance(node, select):
            return self._branches(node, [node.args[0] > 0, sympy.true], arguments[1:])
        if isinstance(node, ExprCondPair) or (isinstance(node, Pow) and node.exp.is_positive):
            return arguments[0]
        combine = next((combine for kind, combine in _COMBINED if isinstance(node, kind)), None)
        return sympy.true if combine is None or is_leaf(node) else combine(*arguments)

    def _at(self, condition: Any, reference: Expr) -> Any:
        """What is said about a vertex in the indices of its equation, in those of a reference to it."""
        return moved(condition, subscripts(self._equations[cell_of(reference)].target), subscripts(reference))

    def _branches(self, node: Expr, conditions: Sequence[Basic], values: Sequence[Basic]) -> Basic:
        """Where a branch is taken that may not be 0; of a condition that is not known nothing is said."""
        found: list[Basic] = []
        passed: Basic = sympy.true
        for condition, value in zip(conditions, values):
            known = self._known(node, condition)
            if not known and not all(map(is_plain, references(value))):
                value = sympy.true  # what it reads may be there under this condition alone
            found.append(And(passed, condition, value) if known else And(passed, value))
            passed = And(passed, Not(condition)) if known and value != True else passed  # noqa: E712 - a SymPy boolean
        return Or(*found)


_COMBINED: tuple[tuple[type[Basic], Callable[..., Basic]], ...] = ((Mul, And), (Add, Or))
