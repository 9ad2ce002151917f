"""What is let in: everything else is refused by name, before anything is built."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto

from sympy import (
    Add,
    Determinant,
    Expr,
    Function,
    Idx,
    Indexed,
    IndexedBase,
    Mul,
    NumberSymbol,
    Piecewise,
    Product,
    Sum,
    Symbol,
    Trace,
    exp,
)
from sympy.core.basic import Basic
from sympy.core.function import AppliedUndef
from sympy.core.numbers import ComplexInfinity, ImaginaryUnit, Number
from sympy.core.relational import Relational
from sympy.functions.elementary.piecewise import ExprCondPair
from sympy.logic.boolalg import Boolean, BooleanAtom, BooleanFunction
from sympy.matrices.expressions.matexpr import MatrixElement

from codegen.errors import GraphError, of_type
from codegen.functions import SUPPORTED
from codegen.functions.extrema import Maximum, Minimum
from codegen.functions.matrices import Eliminated
from codegen.functions.special import ORDERS
from codegen.ir.constants import faulty_constant, is_undefined, parted
from codegen.read.motions import is_motion
from codegen.read.suggestions import suggestion
from codegen.walk import is_large, is_leaf, postorder

REDUCTIONS = (Sum, Product, Maximum, Minimum)
"""Nodes with variables of their own."""
CONSTANTS = (Number, NumberSymbol, ComplexInfinity, ImaginaryUnit)
CONDITIONS = "conditions are relations such as a > 0, joined by And, Or, Not, Xor and ITE"
OPAQUE = (*REDUCTIONS, MatrixElement, Trace, Determinant, Eliminated)
"""Nodes that are not operations on the values of their arguments."""


def is_opaque(node: Basic) -> bool:
    """Whether a walk over operations stops at the node."""
    return isinstance(node, OPAQUE) or is_leaf(node) or is_motion(node)


def check(place: str, expression: Expr) -> None:
    """Raise :class:`GraphError` for the first construct that has no translation; the outermost is named.

    So is the first number that is not real, or not within the range of float64. A branch of a choice may have an
    infinite one or, as its value, a term or a factor, one that is not real.
    """
    nodes = list(_nodes(expression))
    for node, position in nodes:
        if isinstance(node, ImaginaryUnit) and not position.admits(node):
            function = _function_around(node, expression)
            hint = "" if function is None else f"; it is in {function}"
            raise GraphError(f"{place} contains {describe(node)}, which has no translation into real scalar code{hint}")
        if not (isinstance(node, CONSTANTS) and position.admits(node)):
            _check(place, node)
    for part in (expression, *(node.function for node, _ in nodes if isinstance(node, REDUCTIONS))):
        fault = faulty_constant(part, is_opaque)
        if fault is not None:
            raise GraphError(f"{place} contains {fault}")


SHOWN = 60
"""A function of so many nodes is not shown."""


def _function_around(part: Basic, expression: Expr) -> Basic | None:
    """The innermost function of which something is a part, if it is short."""
    functions = (node for node in postorder(expression, is_opaque) if isinstance(node, (Function, exp)))
    found = next((node for node in functions if any(inner is part for inner in postorder(node, is_opaque))), None)
    return None if found is None or is_large(found, SHOWN) else found


class Position(Enum):
    """Where a node stands with respect to the branches of choices."""

    OUTSIDE = auto()
    BRANCH = auto()
    """The value of a branch, or a term or factor of it."""
    INSIDE = auto()

    def admits(self, constant: Basic) -> bool:
        """Whether a constant that is no finite real number may stand here.

        log(−2)·x is nan, and so is √−2·x; but exp(√−2·x) is what exp(I·k·x) is, a complex formula.
        """
        return self is Position.BRANCH or (self is Position.INSIDE and not isinstance(constant, ImaginaryUnit))

    def below(self, node: Basic) -> Iterator[tuple[Basic, Position]]:
        """Where the arguments of a node stand that stands here."""
        others, values = parted(node)
        kept = self is Position.OUTSIDE or isinstance(node, (Add, Mul, Piecewise))
        yield from ((part, self if kept else Position.INSIDE) for part in others)
        yield from ((part, Position.BRANCH) for part in values)


def _nodes(expression: Expr) -> Iterator[tuple[Basic, Position]]:
    """Every distinct node that has a value, and where it stands, from the outside in."""
    seen: set[tuple[int, Position]] = set()
    level: list[tuple[Basic, Position]] = [(expression, Position.OUTSIDE)]
    while level:
        new = list(
            {(id(node), place): (node, place) for node, place in level if (id(node), place) not in seen}.values()
        )
        yield from new
        seen.update((id(node), place) for node, place in new)
        level = [entry for node, place in new for entry in _parts(node, place)]


def _parts(node: Basic, place: Position) -> Iterator[tuple[Basic, Position]]:
    if isinstance(node, REDUCTIONS):
        yield node.function, Position.OUTSIDE
    elif not is_opaque(node) and not (place is not Position.OUTSIDE and _is_not_real(node)):
        yield from place.below(node)


def _is_not_real(node: Basic) -> bool:
    return isinstance(node, Expr) and node.is_number and is_undefined(node)


def _check(place: str, node: Basic) -> None:
    if isinstance(node, CONSTANTS):
        if not node.is_finite:
            raise GraphError(f"{place} contains {node}, which is not a finite real number")
    elif isinstance(node, Indexed):
        if not isinstance(node.base, IndexedBase):
            raise GraphError(f"{place} contains {node}, an element of {of_type(node.base)}, expected IndexedBase")
        check_subscripts(place, node)
    elif isinstance(node, Symbol):
        require_real(f"{place} contains the symbol", node)
    elif is_motion(node):
        require_real(f"{place} contains", node)
    elif type(node) in ORDERS:
        if (fault := ORDERS[type(node)].fault(node)) is not None:
            raise GraphError(f"{place} contains {fault}")
    elif not isinstance(node, (Idx, BooleanAtom, *OPAQUE, *SUPPORTED)):
        hint = f"; {CONDITIONS}" if isinstance(node, Boolean) else suggestion(node)
        raise GraphError(f"{place} contains {describe(node)}, which has no translation into real scalar code{hint}")
    for condition in _conditions(node):
        if isinstance(condition, Expr):
            raise GraphError(f"{place} contains the condition {condition}, which is no relation; {CONDITIONS}")


def check_subscripts(place: str, node: Indexed) -> None:
    """Raise :class:`GraphError` for an element at a place that is read from an array."""
    read = (leaf for i in node.indices for leaf in postorder(i, is_opaque) if isinstance(leaf, Indexed))
    data = next((leaf for leaf in read if not leaf.base.is_integer), None)
    if data is not None:
        raise GraphError(
            f"{place} contains {node}: the subscript {data} is real, expected sums of indices, lengths and numbers, or "
            "an element of IndexedBase(…, integer=True), argmax or argmin"
        )


def require_real(what: str, symbol: Expr) -> None:
    """Raise :class:`GraphError` for a symbol or array whose assumptions contradict real numbers.

    SymPy simplifies by them before anything is compiled: k² < 0 is true of an imaginary k.
    """
    if symbol.is_real is False or symbol.is_commutative is False:
        kind = "not commutative" if symbol.is_commutative is False else "not real"
        raise GraphError(f"{what} {symbol}, which is {kind} by its assumptions, expected a real symbol")


def _conditions(node: Basic) -> tuple[Basic, ...]:
    """The arguments of a node that have to be true or false."""
    if isinstance(node, ExprCondPair):
        return (node.cond,)
    return tuple(node.args) if isinstance(node, BooleanFunction) and not isinstance(node, Relational) else ()


def describe(node: Basic) -> str:
    """A construct by name."""
    if isinstance(node, ImaginaryUnit):
        return "the imaginary unit"
    name = type(node).__name__
    return f"the undefined function {name}" if isinstance(node, AppliedUndef) else f"sympy's {name}"
