"""Elements beyond the ends of an array: what they count as."""

from __future__ import annotations

from sympy import And, Expr, Indexed, Piecewise, sympify
from sympy.core.basic import Basic

from codegen.errors import GraphError, of_type
from codegen.walk import subscripts


def padded(element: Indexed, value: Expr | float = 0) -> Expr:
    """The element where it is there, and a value where a subscript is beyond an end of its axis.

    So it is where an integer that is read for the subscript is not there.

    Raises :class:`GraphError` for what is no element of an array with a shape.

    >>> from sympy import Idx, IndexedBase
    >>> i, x = Idx("i", 5), IndexedBase("x", shape=(5,))
    >>> padded(x[i - 1])
    Piecewise((x[i - 1], i >= 1), (0, True))
    """
    if not isinstance(element, Indexed) or element.base.shape is None:
        found = f"found {element!r}, {of_type(element)}"
        raise GraphError(f"padded: {found}, expected an element of an array with a shape, IndexedBase('x', shape=…)")
    given = sympify(value)
    chosen: Expr = Piecewise((element, _is_there(element)), (given, True))
    for read in sorted(element.atoms(Indexed) - {element}, key=str):
        if read.base.shape is not None:
            chosen = Piecewise((chosen, _is_there(read)), (given, True))
    return chosen


def _is_there(element: Indexed) -> Basic:
    ends = [(subscript >= 0, subscript <= n - 1) for subscript, n in zip(subscripts(element), element.base.shape)]
    return And(*(condition for pair in ends for condition in pair))
