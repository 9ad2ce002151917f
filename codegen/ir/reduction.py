"""How the values over the reduced indices of an equation are combined: monoids, a row each."""

from __future__ import annotations

import enum
from collections.abc import Callable

from sympy import Add, Expr, Integer, nan, oo

from codegen.errors import GraphError
from codegen.functions import maximum


def _nothing(*values: Expr) -> Expr:
    """The elements of a matrix are not combined one by one."""
    raise GraphError("what eliminates a matrix takes it whole: it cannot be written out by elements")


class Reduction(enum.Enum):
    """A monoid: an associative and commutative combination of values, and what changes nothing in it.

    How numbers are combined is looked up by it: a table each in :mod:`codegen.numeric` and the emitters.

    >>> Reduction.MAX.sign, Reduction.MAX.neutral, Reduction.SUM.linear
    ('max', -oo, True)
    """

    SUM = "sum", "Σ", Integer(0), Add, "add", True, False
    MAX = "max", "max", -oo, maximum, "compare", False, True
    ELIMINATION = "elimination", "", nan, _nothing, "elimination", False, False
    """No monoid: the body is one of :mod:`codegen.functions.eliminations`, whose matrix has the reduced indices."""

    sign: str
    """What stands in front of the body."""
    neutral: Expr
    """The result of no value at all."""
    combine: Callable[..., Expr]
    """The result of several values."""
    operation: str
    """What combining two values counts as, among :data:`codegen.ir.operations.Operations`."""
    linear: bool
    """Whether it is a sum: it can be split into several, and factors without its indices be taken out of it."""
    selects: bool
    """Whether the result is one of the values, which may have equals: its derivative is theirs, in shares."""

    def __new__(
        cls,
        word: str,
        sign: str,
        neutral: Expr,
        combine: Callable[..., Expr],
        operation: str,
        linear: bool,
        selects: bool,
    ) -> Reduction:
        self = object.__new__(cls)
        self._value_ = word
        self.sign, self.neutral, self.combine, self.operation = sign, neutral, combine, operation
        self.linear, self.selects = linear, selects
        return self
