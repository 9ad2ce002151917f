"""Formulas that need no second look: what most entries of large systems are."""

from __future__ import annotations

from itertools import islice

from sympy import Add, Expr, Float, Indexed, IndexedBase, Integer, Mul, Pow, Rational, Symbol
from sympy.core.basic import Basic

from codegen.functions import SYMPY_FUNCTIONS
from codegen.ir.constants import faulty_constant
from codegen.walk import is_large, is_leaf, postorder

OPERATIONS = frozenset({Add, Mul, Pow, *SYMPY_FUNCTIONS})
"""What is real wherever it has a value, and has one form."""
SMALL = 2**53
"""Integers below are numbers of a float64."""
SHORT = 20
"""Constants of so many nodes are looked at as all formulas are."""


def is_simple(expression: Expr) -> bool:
    """Whether an expression has only operations on real symbols, elements at known places and numbers.

    It is seen in one walk that nothing in it is refused, rewritten or a choice. No operation is on numbers alone: such
    constants are looked at one by one.

    >>> from sympy import Abs, I, exp, log, symbols
    >>> x, y = symbols("x y")
    >>> [is_simple(e) for e in (x * exp(-y), log(x) ** 2 / 3, Abs(x), exp(I * x), x * log(3))]
    [True, True, False, False, False]
    """
    return all(map(_is_simple, postorder(expression)))


def is_simple_constant(constant: Expr) -> bool:
    """Whether a short constant is a number of float64.

    >>> from sympy import I, oo, pi, sqrt
    >>> [is_simple_constant(c) for c in (Integer(3), pi / sqrt(2), I, oo, Integer(10) ** 400)]
    [True, True, False, False, False]
    """
    if isinstance(constant, Integer):
        return bool(-SMALL < constant.p < SMALL)
    operations = (node.func for node in islice(postorder(constant), SHORT) if node.args)
    return (
        not is_large(constant, SHORT)
        and all(operation in OPERATIONS for operation in operations)
        and faulty_constant(constant) is None
    )


def _is_simple(node: Basic) -> bool:
    if is_leaf(node):
        if isinstance(node, Symbol):
            return node.is_real is not False and node.is_commutative is not False
        if isinstance(node, Indexed):
            return isinstance(node.base, IndexedBase) and all(isinstance(place, Integer) for place in node.indices)
        if isinstance(node, Integer):
            return bool(-SMALL < node.p < SMALL)
        return isinstance(node, (Rational, Float)) and faulty_constant(node) is None
    if node.func not in OPERATIONS or (node.func is Pow and not node.exp.is_Number):
        return False
    return not all(argument.is_Number for argument in node.args)
