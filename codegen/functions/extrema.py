"""The largest and the smallest of the values of an expression over indices, which SymPy's Max and Min cannot say."""

from __future__ import annotations

from typing import Any

from sympy import Expr
from sympy.concrete.expr_with_limits import ExprWithLimits

from codegen.functions.kinks import equal, select


class Maximum(ExprWithLimits):  # type: ignore[misc]
    """The largest value of an expression over indices, written as a sum is: ``Maximum(x[i], (i, 0, n - 1))``.

    Values that are the largest share its derivative equally, 0 goes to the others.

    >>> from sympy import Idx, IndexedBase
    >>> from codegen import from_expressions
    >>> x, i = IndexedBase("x", shape=(3,)), Idx("i", 3)
    >>> print(from_expressions({"m": Maximum(x[i] ** 2, i)}, [x]))
    inputs x[3]
    m = max_i x[i]**2
    outputs m
    """

    def __new__(cls, function: Expr, *limits: Any) -> Maximum:
        return ExprWithLimits.__new__(cls, function, *limits)  # type: ignore[no-any-return]


class Minimum(ExprWithLimits):  # type: ignore[misc]
    """The smallest value of an expression over indices, as :class:`Maximum` is the largest.

    >>> from codegen import from_expressions
    >>> from codegen.numeric import evaluate
    >>> from sympy import Idx, IndexedBase, Symbol
    >>> i, x = Idx("i", Symbol("n", integer=True, positive=True)), IndexedBase("x")
    >>> evaluate(from_expressions({"low": Minimum(x[i], i)}, [x]), {"x": [3.0, 1.0, 2.0]})["low"].item()
    1.0
    """

    def __new__(cls, function: Expr, *limits: Any) -> Minimum:
        return ExprWithLimits.__new__(cls, function, *limits)  # type: ignore[no-any-return]


def argmax(function: Expr, limit: Any) -> Expr:
    """The first value of an index at which an expression is largest, a whole number; where it is nan, the last value.

    >>> from sympy import Idx, IndexedBase
    >>> from codegen import from_expressions
    >>> from codegen.numeric import evaluate
    >>> x, i = IndexedBase("x", shape=(4,)), Idx("i", 4)
    >>> float(evaluate(from_expressions({"a": argmax(x[i], i)}, [x]), {"x": [1.0, 5.0, 2.0, 5.0]})["a"])
    1.0
    """
    return _place_of(Maximum(function, limit))


def argmin(function: Expr, limit: Any) -> Expr:
    """The first value of an index at which an expression is smallest, as :func:`argmax` is where it is largest.

    >>> from codegen import from_expressions
    >>> from codegen.numeric import evaluate
    >>> from sympy import Idx, IndexedBase, Symbol
    >>> i, x = Idx("i", Symbol("n", integer=True, positive=True)), IndexedBase("x")
    >>> evaluate(from_expressions({"at": argmin(x[i], i)}, [x]), {"x": [3.0, 1.0, 2.0]})["at"].item()
    1.0
    """
    return _place_of(Minimum(function, limit))


def _place_of(extreme: Expr) -> Expr:
    ((index, first, last),) = extreme.limits
    return Minimum(select(equal(extreme.function, extreme), index, last), (index, first, last))
