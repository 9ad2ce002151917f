"""What holds a body together as NumPy functions: sums, products, powers, choices and conditions."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy
from sympy import Add, And, Mul, Not, Or, Piecewise, Pow
from sympy.functions.elementary.piecewise import ExprCondPair

from codegen.functions import operation
from codegen.functions.arrays import RELATIONS, Array, Function, chosen, folded, integer_power, power, root
from codegen.numeric.program import IntegerPower, Quotient, Root


def numpy_function(kind: type) -> Function | None:
    """The NumPy function of an operation of a program, if there is one."""
    if kind in STRUCTURE:
        return STRUCTURE[kind]
    row = operation(kind)
    return chosen(row.instructions) if row.array is None and row.instructions is not None else row.array


def _piecewise(*pairs: tuple[Array, Array]) -> Any:
    """The value of the first pair whose condition holds; nan where none does."""
    result: Any = pairs[0][0].dtype.type(np.nan)
    for value, condition in reversed(pairs):
        result = np.where(condition, value, result)
    return result


def _relation(holds: Function) -> Function:
    return lambda a, b: holds(a.real, b.real)


RELATIONAL = (sympy.Eq, sympy.Ne, sympy.StrictLessThan, sympy.LessThan, sympy.StrictGreaterThan, sympy.GreaterThan)
STRUCTURE: Mapping[type, Function] = {
    Add: folded(operator.add),
    Mul: folded(operator.mul),
    Quotient: operator.truediv,
    Pow: power,
    IntegerPower: integer_power,
    Root: root,
    ExprCondPair: lambda value, condition: (value, condition),
    Piecewise: _piecewise,
    And: folded(np.logical_and),
    Or: folded(np.logical_or),
    Not: np.logical_not,
    **{kind: _relation(RELATIONS[kind.rel_op]) for kind in RELATIONAL},
}
"""Whatever is no function."""
