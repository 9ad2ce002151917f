"""Where a derivative is 0 whatever the values are: which indices its equations ask for before they compute anything."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from itertools import product
from typing import Any

import sympy
from sympy import Add, And, Eq, Expr, Idx, Integer, Mul, Not, Or, Symbol
from sympy.core.basic import Basic
from sympy.logic.boolalg import BooleanAtom

from codegen.derive.narrow import WIDE
from codegen.derive.terms.support import Support
from codegen.functions import equal
from codegen.ir.cells import Cell
from codegen.ir.equation import Equation
from codegen.ir.graph import cell_of
from codegen.ir.selection import selected
from codegen.walk import fold, indices, is_reference, moved, postorder, references, subscripts


class Selections:
    """Vertices that are 0 but at few values of an index: sums of products with brackets, [j = i + 1]·a[i] + [j = i]·b.

    >>> from codegen.ir.equation import Variable
    >>> i, j, a, b = Idx("i", 5), Idx("j", 5), Variable("a", (5,)), Variable("b", (5, 5))
    >>> selections = Selections()
    >>> selections.add(Equation(b[i, j], equal(j, i + 1) * a[i]))
    >>> selections.opened(b[j, i] * a[i])
    [equal(i, j + 1)*a[i]*a[j]]
    """

    def __init__(self) -> None:
        self._found: dict[Cell, tuple[Sequence[Expr], list[Expr]]] = {}

    def add(self, equation: Equation) -> None:
        """Another equation, after those that it reads."""
        if not equation.is_map:
            return
        terms: list[Expr] = []
        for part in Add.make_args(equation.body):
            for term in self.opened(part):
                if len(terms) == WIDE or not _selects(term, equation.free):
                    return
                terms.append(term)
        self._found[equation.cell] = subscripts(equation.target), terms

    def opened(self, body: Expr) -> list[Expr]:
        """A product as a sum of products in which such vertices are written out."""
        options = [self._terms(factor) for factor in Mul.make_args(body)]
        return [Mul(*factors) for factors in product(*options)]

    def has(self, body: Expr, index: Idx) -> bool:
        """Whether a factor is such a vertex along an index."""
        factors = filter(is_reference, Mul.make_args(body))
        return any(cell_of(factor) in self._found and index in indices(factor) for factor in factors)

    def _terms(self, factor: Expr) -> list[Expr]:
        found = self._found.get(cell_of(factor)) if is_reference(factor) else None
        return [factor] if found is None else [moved(term, found[0], subscripts(factor)) for term in found[1]]


class Zeros:
    """The conditions on indices under which the vertices of some equations may not be 0.

    >>> from codegen.ir.equation import Variable
    >>> from sympy import Piecewise
    >>> i, j, a, b = Idx("i", 5), Idx("j", 5), Variable("a", (5,)), Variable("b", (5, 5))
    >>> zeros = Zeros([Equation(b[i, j], equal(j, i + 1) * a[i])])
    >>> zeros.condition(b[i, j] * Piecewise((a[i], i > 2), (0, True)))
    (i > 2) & Eq(j, i + 1)
    """

    def __init__(self, equations: Iterable[Equation]) -> None:
        self._support = Support(lambda _, condition: all(map(_is_known, postorder(condition))), _bracket)
        self._selections = Selections()
        for equation in equations:
            self._support.add(equation)
            self._selections.add(equation)

    def condition(self, expression: Basic) -> Basic:
        """Where an expression may not be 0: a condition on indices and lengths."""
        return self._support.of(expression)

    def opened(self, body: Expr) -> list[Expr]:
        """A product as a sum of products in which vertices that are 0 but at one value of an index are written out."""
        return self._selections.opened(body)


def _bracket(node: Basic) -> Basic | None:
    return Eq(*node.args) if isinstance(node, equal) and not references(node) else None


def _is_known(node: Basic) -> bool:
    """Whether :func:`integer_value` has a value for a node."""
    lengths = isinstance(node, Symbol) and node.is_integer
    return lengths or isinstance(node, (Idx, Integer, BooleanAtom, *(kind for kind, _ in _OPERATIONS)))


def _selects(term: Expr, free: Sequence[Idx]) -> bool:
    return any(selected(term, index) is not None for index in free)


# --- values -------------------------------------------------------------------------------------------------------


def integer_value(expression: Basic, values: Mapping[Basic, Any]) -> Any:
    """A condition on indices, or a sum of indices, for arrays of their values."""

    def step(node: Basic, arguments: list[Any]) -> Any:
        if node in values:
            return values[node]
        if isinstance(node, Integer):
            return int(node)
        if isinstance(node, BooleanAtom):
            return bool(node)
        compute = next((compute for kind, compute in _OPERATIONS if isinstance(node, kind)), None)
        if compute is None:
            raise TypeError(f"{node} is no condition on indices")
        return compute(arguments)

    return fold(expression, step)


_OPERATIONS: tuple[tuple[type[Basic], Callable[[Sequence[Any]], Any]], ...] = (
    (Add, lambda a: reduce(operator.add, a)),
    (Mul, lambda a: reduce(operator.mul, a)),
    (And, lambda a: reduce(operator.and_, a)),
    (Or, lambda a: reduce(operator.or_, a)),
    (Not, lambda a: a[0] ^ True),
    (sympy.Eq, lambda a: a[0] == a[1]),
    (sympy.Ne, lambda a: a[0] != a[1]),
    (sympy.StrictLessThan, lambda a: a[0] < a[1]),
    (sympy.LessThan, lambda a: a[0] <= a[1]),
    (sympy.StrictGreaterThan, lambda a: a[0] > a[1]),
    (sympy.GreaterThan, lambda a: a[0] >= a[1]),
)
