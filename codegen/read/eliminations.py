"""Solutions, inverses, determinants and factors of matrices as vertices of what elimination makes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sympy import Expr, Idx, Integer, Piecewise, log, sqrt

from codegen.functions import absolute, sign
from codegen.functions.eliminations import (
    INVERSE,
    LOG_DETERMINANT,
    SOLUTION,
    Elimination,
    cholesky_factor,
    determinant_sign,
)
from codegen.functions.matrices import STRUCTURES
from codegen.read.scope import Scope, axis_length
from codegen.walk import Extent, indices, is_leaf, reindex

Element = Callable[[Expr, Expr], Expr]
"""The element of a matrix at two subscripts."""


class Maker(Protocol):
    """What makes vertices."""

    def vertex(self, body: Expr, reduced: tuple[Idx, ...] = ()) -> Expr:
        """A vertex of this value."""

    def eliminated(self, body: Elimination) -> Expr:
        """A vertex of what elimination makes of a matrix, its own indices behind all others."""


def determinant(maker: Maker, what: str, assumption: str, element: Element, length: Expr, scope: Scope) -> Expr:
    """The sign or the logarithm of a determinant."""
    n = axis_length(length)
    if n == 1:
        value = element(Integer(0), Integer(0))
        return log(absolute(value)) if what == "logdet" else sign(value)
    structure = STRUCTURES[assumption]
    if what == "logdet" and structure in ("lower", "upper"):
        k = scope.fresh("k", n)
        return maker.vertex(log(absolute(element(k, k))), (k,))
    p, q = _axes(scope, n, "p", "q")
    matrix = _matrix(maker, structure, element, p, q)
    kind = determinant_sign if what == "sign" else LOG_DETERMINANT[structure]
    return maker.eliminated(kind(matrix, p, q))


def element_at(
    maker: Maker,
    what: str,
    assumption: str,
    element: Element,
    right: Callable[[Expr], Expr] | None,
    length: Expr,
    at: tuple[Expr, ...],
    scope: Scope,
) -> Expr:
    """The element of an inverse or a factor at two subscripts, of a solution at one."""
    n = axis_length(length)
    if n == 1:
        value = element(Integer(0), Integer(0))
        if right is not None:
            return right(Integer(0)) / value
        return 1 / value if what == "inverse" else sqrt(value)
    structure = STRUCTURES[assumption]
    taken = [index for value in at for index in indices(value)]
    p, q, m, *own = _axes(scope, n, *"pqm", *"ij"[: len(at)], taken=taken)
    if all(isinstance(index, Idx) for index in at) and len(set(at)) == len(at):
        own = list(at)  # the vertex can have the name of what it is assigned to
    matrix = _matrix(maker, structure, element, p, q)
    body: Elimination
    if right is not None:
        body = SOLUTION[structure](matrix, _value(maker, right(p)), p, q, *own)
    elif what == "inverse":
        body = INVERSE[structure](matrix, p, q, *own)
    else:
        body = cholesky_factor(matrix, p, q, m, *own)
    return reindex(maker.eliminated(body), dict(zip(body.own, at)))


def _axes(scope: Scope, n: Extent, *labels: str, taken: list[Idx] | None = None) -> list[Idx]:
    """New indices along the axes of a matrix."""
    found: list[Idx] = list(taken or ())
    new: list[Idx] = []
    for label in labels:
        new.append(scope.fresh(label, n, [*found, *new]))
    return new


def _matrix(maker: Maker, structure: str, element: Element, p: Idx, q: Idx) -> Expr:
    """The element of the matrix that is eliminated: symmetric, or with zeros in the triangle that is not read."""
    match structure:
        case "symmetric":
            value = (element(p, q) + element(q, p)) / 2
        case "lower":
            value = Piecewise((element(p, q), p >= q), (0, True))
        case "upper":
            value = Piecewise((element(p, q), p <= q), (0, True))
        case _:
            value = element(p, q)
    return _value(maker, value)


def _value(maker: Maker, value: Expr) -> Expr:
    """A value that is read as it stands, or as a vertex."""
    return value if is_leaf(value) and not value.is_number else maker.vertex(value)
