"""The numbers in an expression: each has to be a real number within the range of float64.

In a branch of a choice a constant may also be infinite, or undefined among the real numbers, as log(−2) is: there its
value is ±inf or nan, and no other branch sees it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache

import sympy
from sympy import Expr, Number
from sympy.core.basic import Basic
from sympy.functions.elementary.piecewise import ExprCondPair

from codegen.functions import select
from codegen.walk import is_large, is_leaf, postorder

LARGE = 21
"""A constant of so many nodes is shown by its value."""
CARRIED = "unless it is a factor of what varies"
"""There it is carried by its logarithm."""


def constants(expression: Basic, stop: Callable[[Basic], bool] = is_leaf) -> tuple[Expr, ...]:
    """The largest parts that have no variables, in order of first occurrence; none below where ``stop`` says so.

    >>> from sympy import log, symbols
    >>> x = symbols("x")
    >>> sorted(constants(2 * x ** (1 + log(3)) + 5), key=str)
    [1 + log(3), 2, 5]
    """
    return tuple(dict.fromkeys(constant for _, constant in _places(expression, stop)))


def _places(expression: Basic, stop: Callable[[Basic], bool]) -> Iterator[tuple[Basic | None, Expr]]:
    """Each of the largest parts without variables and the node of which it is an argument; None for the whole."""
    constant: set[int] = set()
    for node in postorder(expression, stop):
        arguments = () if stop(node) else node.args
        if not isinstance(node, Expr) or not all(id(argument) in constant for argument in arguments):
            yield from ((node, argument) for argument in arguments if id(argument) in constant)
        elif arguments or (not node.args and node.is_number):
            constant.add(id(node))
    if id(expression) in constant:
        yield None, expression


def parted(node: Basic) -> tuple[tuple[Basic, ...], tuple[Basic, ...]]:
    """The arguments of a node that always count, and those that are branches, of which one is chosen."""
    if isinstance(node, ExprCondPair):
        return node.args[1:], node.args[:1]
    return (node.args[:1], node.args[1:]) if isinstance(node, select) else (node.args, ())


def faulty_constant(expression: Basic, stop: Callable[[Basic], bool] = is_leaf) -> str | None:
    """The first number or constant that is no float64, and why, for a message; None if there is none.

    In a branch, a constant that is infinite or not real is no fault.

    >>> from sympy import Integer, asin, symbols
    >>> x = symbols("x")
    >>> faulty_constant(x * asin(2))
    'asin(2), which is not a real number'
    >>> faulty_constant(x * Integer(10) ** 400)
    'the number 1.00000e+400, which is beyond the range of float64 unless it is a factor of what varies'
    >>> faulty_constant(sympy.Piecewise((-sympy.oo, x < 0), (x, True)))
    """
    found = constants(expression, stop)
    numbers = (leaf for constant in found for leaf in postorder(constant) if isinstance(leaf, Number))
    faulty = [value for value in (*numbers, *found) if _fault(value) is not None]
    if any(map(is_undefined, faulty)):
        outside = _outside_branches(expression, stop)
        faulty = [value for value in faulty if value in outside or not is_undefined(value)]
    return _fault(faulty[0]) if faulty else None


def _outside_branches(expression: Basic, stop: Callable[[Basic], bool]) -> set[Expr]:
    """The constants, and the numbers in them, with a place that is in no branch."""
    seen: set[int] = set()
    stack = [expression]
    while stack:
        node = stack.pop()
        if id(node) not in seen:
            seen.add(id(node))
            stack.extend(() if stop(node) else parted(node)[0])
    places = _places(expression, stop)
    found = {part for node, part in places if node is None or (id(node) in seen and part in parted(node)[0])}
    return found | {leaf for constant in found for leaf in postorder(constant) if isinstance(leaf, Number)}


def is_undefined(constant: Expr) -> bool:
    """Whether a constant is no real number: infinite, nan, or complex."""
    value = constant.evalf()
    return value.is_extended_real is not True or not value.is_finite


def as_float(constant: Expr) -> float:
    """The value of a constant; nan where it is no real number.

    >>> as_float(sympy.Rational(1, 4)), as_float(-sympy.oo), as_float(sympy.log(-2))
    (0.25, -inf, nan)
    """
    try:
        return float(constant)
    except TypeError:  # SymPy's answer for a complex number
        return math.nan


@lru_cache(maxsize=4096)
def _fault(constant: Expr) -> str | None:
    value = constant.evalf()
    if value.is_extended_real is not True:
        return f"{_shown(constant)}, which is not a real number"
    if not value.is_finite:
        return f"{_shown(constant)}, which is not a finite real number"
    number = float(value)
    if math.isinf(number):
        return f"the number {value.evalf(6)!s}, which is beyond the range of float64 {CARRIED}"
    if number == 0 and value != 0:
        return f"the number {value.evalf(6)!s}, which is 0 in float64 {CARRIED}"
    return None


def _shown(constant: Expr) -> str:
    if constant is sympy.I:
        return "the imaginary unit"
    return str(constant.evalf(6) if is_large(constant, LARGE) else constant)
