"""Solutions, inverses, determinants and factors of matrices as vertices of what elimination makes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from sympy import Add, Expr, Idx, Integer, Piecewise, log, sqrt

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
from codegen.walk import Extent, indices, is_leaf, references, reindex

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


# --- formulas -----------------------------------------------------------------------------------------------------

WRITTEN = 16
"""A positive definite matrix of formulas with up to so many rows is eliminated by formulas, which need no exchanges."""


class Formulas:
    """L·D·Lᵀ of a symmetric matrix whose lower triangle is given, element by element, D on a diagonal."""

    def __init__(self, maker: Maker, element: Element, n: int) -> None:
        self.maker, self.n = maker, n
        self.pivots: list[Expr] = []
        self.lower: dict[tuple[int, int], Expr] = {}
        for i in range(n):
            # The row times D first, which is what the pivot needs as well.
            row: list[Expr] = []
            for j in range(i + 1):
                products = [row[k] * (self.lower[j, k] if j < i else self.lower[i, k]) for k in range(j)]
                if j == i:
                    self.pivots.append(self.value(element(Integer(i), Integer(i)) - Add(*products)))
                else:
                    row.append(self.value(element(Integer(i), Integer(j)) - Add(*products)))
                    self.lower[i, j] = self.value(row[j] / self.pivots[j])

    def value(self, body: Expr) -> Expr:
        """A vertex of what is computed."""
        return self.maker.vertex(body) if references(body) and not is_leaf(body) else body

    def solution(self, sides: list[Expr]) -> list[Expr]:
        """The solution for one right side."""
        x = list(sides)
        for i in range(self.n):
            x[i] = self.value(x[i] - Add(*[self.lower[i, k] * x[k] for k in range(i)]))
        for i in reversed(range(self.n)):
            rest = Add(*[self.lower[k, i] * x[k] for k in range(i + 1, self.n)])
            x[i] = self.value(x[i] / self.pivots[i] - rest)
        return x

    def element(self, what: str, sides: Callable[[int], Expr] | None, i: int, j: int) -> Expr:
        """An element of a solution, of the inverse, or of the factor of Cholesky's method."""
        if what == "cholesky":
            return self.lower.get((i, j), Integer(int(i == j))) * sqrt(self.pivots[j]) if i >= j else Integer(0)
        columns = [Integer(int(k == j)) if sides is None else sides(k) for k in range(self.n)]
        return self.solution(columns)[i]

    def log_determinant(self) -> Expr:
        """The logarithm of the determinant."""
        return Add(*[log(pivot) for pivot in self.pivots])


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
