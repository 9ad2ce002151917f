"""The numbers in an expression: each has to be a real number within the range of float64."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import sympy
from sympy import Expr, Number
from sympy.core.basic import Basic

from codegen.expression import is_leaf, postorder

SHOWN_NODES = 20
"""A constant with more nodes is shown by its value."""


def constants(expression: Basic, stop: Callable[[Basic], bool] = is_leaf) -> tuple[Expr, ...]:
    """The largest parts that have no variables, in order of first occurrence; none below where ``stop`` says so.

    >>> from sympy import log, symbols
    >>> x = symbols("x")
    >>> sorted(constants(2 * x ** (1 + log(3)) + 5), key=str)
    [1 + log(3), 2, 5]
    """
    constant: set[int] = set()
    found: dict[Basic, None] = {}
    for node in postorder(expression, stop):
        arguments = () if stop(node) else node.args
        if not isinstance(node, Expr) or not all(id(argument) in constant for argument in arguments):
            found.update(dict.fromkeys(argument for argument in arguments if id(argument) in constant))
        elif arguments or (not node.args and node.is_number):
            constant.add(id(node))
    return (expression,) if id(expression) in constant else tuple(found)


def faulty_constant(expression: Basic, stop: Callable[[Basic], bool] = is_leaf) -> str | None:
    """The first number or constant that is no float64, and why, for a message; None if there is none.

    >>> from sympy import Integer, asin, symbols
    >>> x = symbols("x")
    >>> faulty_constant(x * asin(2))
    'asin(2), which is not a real number'
    >>> faulty_constant(x * Integer(10) ** 400)
    'the number 1.00000E+400, which is beyond the range of float64'
    """
    found = constants(expression, stop)
    numbers = (leaf for constant in found for leaf in postorder(constant) if isinstance(leaf, Number))
    return next((fault for value in (*numbers, *found) if (fault := _fault(value)) is not None), None)


@lru_cache(maxsize=4096)
def _fault(constant: Expr) -> str | None:
    value = constant.evalf()
    if value.is_extended_real is not True:
        return f"{_shown(constant)}, which is not a real number"
    if not value.is_finite:
        return f"{_shown(constant)}, which is not a finite real number"
    number = float(value)
    if math.isinf(number):
        return f"the number {value.evalf(6)}, which is beyond the range of float64"
    if number == 0 and value != 0:
        return f"the number {value.evalf(6)}, which is 0 in float64"
    return None


def _shown(constant: Expr) -> str:
    if constant is sympy.I:
        return "the imaginary unit"
    return str(constant if sum(1 for _ in postorder(constant)) <= SHOWN_NODES else constant.evalf(6))
