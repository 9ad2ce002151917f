"""What is let in: everything else is refused by name, before anything is built."""

from __future__ import annotations

from collections.abc import Iterator

from sympy import Determinant, Expr, Idx, Indexed, IndexedBase, NumberSymbol, Product, Sum, Symbol, Trace
from sympy.core.basic import Basic
from sympy.core.function import AppliedUndef
from sympy.core.numbers import ComplexInfinity, ImaginaryUnit, Number
from sympy.core.relational import Relational
from sympy.functions.elementary.piecewise import ExprCondPair
from sympy.logic.boolalg import Boolean, BooleanAtom, BooleanFunction
from sympy.matrices.expressions.matexpr import MatrixElement

from codegen.constants import faulty_constant
from codegen.errors import GraphError
from codegen.expression import is_leaf, postorder
from codegen.expressions.suggestions import suggestion
from codegen.functions import SUPPORTED
from codegen.motions import is_motion
from codegen.special import ORDERS

REDUCTIONS = (Sum, Product)
"""Nodes with variables of their own."""
CONDITIONS = "conditions are relations such as a > 0, joined by And, Or, Not, Xor and ITE"
OPAQUE = (*REDUCTIONS, MatrixElement, Trace, Determinant)
"""Nodes that are not operations on the values of their arguments."""


def is_opaque(node: Basic) -> bool:
    """Whether a walk over operations stops at the node."""
    return isinstance(node, OPAQUE) or is_leaf(node) or is_motion(node)


def check(place: str, expression: Expr) -> None:
    """Raise :class:`GraphError` for the first construct that has no translation; the outermost is named.

    So is the first number that is not real, or not within the range of float64.
    """
    nodes = list(_nodes(expression))
    for node in nodes:
        _check(place, node)
    for part in (expression, *(node.function for node in nodes if isinstance(node, REDUCTIONS))):
        fault = faulty_constant(part, is_opaque)
        if fault is not None:
            raise GraphError(f"{place} contains {fault}")


def _nodes(expression: Expr) -> Iterator[Basic]:
    """Every distinct node that has a value, from the outside in."""
    seen: set[int] = set()
    level: list[Basic] = [expression]
    while level:
        new = list({id(node): node for node in level if id(node) not in seen}.values())
        yield from new
        seen.update(map(id, new))
        level = [part for node in new for part in _parts(node)]


def _parts(node: Basic) -> tuple[Basic, ...]:
    if isinstance(node, REDUCTIONS):
        return (node.function,)
    return () if is_opaque(node) else node.args


def _check(place: str, node: Basic) -> None:
    if isinstance(node, (Number, NumberSymbol, ComplexInfinity)):
        if not node.is_finite:
            raise GraphError(f"{place} contains {node}, which is not a finite real number")
    elif isinstance(node, Indexed):
        if not isinstance(node.base, IndexedBase):
            raise GraphError(
                f"{place} contains {node}, an element of a {type(node.base).__name__}, expected IndexedBase"
            )
        check_subscripts(place, node)
    elif isinstance(node, Symbol):
        require_real(f"{place} contains the symbol", node)
    elif is_motion(node):
        require_real(f"{place} contains", node)
    elif type(node) in ORDERS:
        if (fault := ORDERS[type(node)].fault(node)) is not None:
            raise GraphError(f"{place} contains {fault}")
    elif not isinstance(node, (Symbol, Idx, BooleanAtom, *OPAQUE, *SUPPORTED)):
        hint = f"; {CONDITIONS}" if isinstance(node, Boolean) else suggestion(node)
        raise GraphError(f"{place} contains {describe(node)}, which has no translation into real scalar code{hint}")
    for condition in _conditions(node):
        if isinstance(condition, Expr):
            raise GraphError(f"{place} contains the condition {condition}, which is no relation; {CONDITIONS}")


def check_subscripts(place: str, node: Indexed) -> None:
    """Raise :class:`GraphError` for an element at a place that is read from an array."""
    data = next((leaf for i in node.indices for leaf in postorder(i) if isinstance(leaf, Indexed)), None)
    if data is not None:
        raise GraphError(
            f"{place} contains {node}: the subscript {data} is data, expected sums of indices, lengths and numbers; "
            "an element is selected by a sum of Piecewise((x[j], Eq(j, …)), (0, True)) over j"
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
