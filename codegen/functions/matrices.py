"""Matrices as people have them: what is solved, inverted or factorised, as SymPy nodes that wait to be read.

SymPy carries ``M.LUsolve(f)`` and ``M.inv()`` of a written-out matrix out at once, by formulas that grow exponentially
with its rows. These nodes stay as they are until :func:`codegen.from_expressions` makes a vertex of each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import sympy
from sympy import Expr, Idx, IndexedBase
from sympy.core.symbol import Str
from sympy.matrices.expressions.matexpr import MatrixElement, MatrixExpr
from sympy.matrices.matrixbase import MatrixBase

from codegen.errors import GraphError, of_type
from codegen.functions.eliminations import Structure

Assumption: TypeAlias = Literal["general", "positive definite", "lower", "upper"]
"""What is known about a matrix; of a triangular one the other triangle is not read."""
STRUCTURES: Mapping[str, Structure] = {
    "general": "general",
    "positive definite": "symmetric",
    "lower": "lower",
    "upper": "upper",
}
Over: TypeAlias = Sequence[Idx] | None
"""The indices of rows and columns, where a matrix is written by its elements."""


class _Elimination:
    """What is computed of a matrix, and what is known about it."""

    args: tuple[Any, ...]

    @property
    def what(self) -> str:
        """What is computed."""
        return str(self.args[0])

    @property
    def assumption(self) -> str:
        """What is known about the matrix."""
        return str(self.args[1])

    @property
    def matrix(self) -> Expr:
        """The matrix, or its element at two indices."""
        matrix: Expr = self.args[2]
        return matrix


class Eliminated(_Elimination, Expr):  # type: ignore[misc]
    """A number: a determinant, or an element of what elimination makes of a matrix of indexed elements."""

    @property
    def over(self) -> tuple[Idx, ...]:
        """The indices of its rows and columns; none where it is a matrix."""
        return tuple(self.args[3])

    @property
    def right(self) -> Expr | None:
        """The element of the right side at the index of the rows."""
        return self.args[4] if len(self.args) > 4 else None

    def _eval_is_extended_real(self) -> bool:
        return True


class EliminatedMatrix(_Elimination, MatrixExpr):  # type: ignore[misc]
    """A matrix: a solution, an inverse, or a factor."""

    @property
    def right(self) -> Expr | None:
        """The right side."""
        return self.args[3] if len(self.args) > 3 else None

    @property
    def shape(self) -> tuple[Expr, Expr]:
        """That of the right side, or of the matrix."""
        return self.args[-1].shape  # type: ignore[no-any-return]

    def _entry(self, i: Expr, j: Expr, **kwargs: object) -> Expr:
        return MatrixElement(self, i, j)


def solve(a: object, b: object, over: Over = None, *, assume: Assumption = "general") -> Expr:
    """The x with a·x = b, by Gaussian elimination with partial pivoting, or by what is assumed about a.

    Of matrices (``MatrixSymbol``, ``Matrix`` with any formulas, matrix expressions, ``IndexedBase`` of two axes) it
    is a matrix of the shape of b. Of elements it is one: with ``over=(i, j)`` the x[j] with Σ_j a[i, j]·x[j] = b[i] for
    all i; every other index is one of samples, or of columns. ``assume`` is ``"general"``, ``"positive definite"`` (a
    is taken as (a + aᵀ)/2, by Cholesky's method), ``"lower"`` or ``"upper"`` (only that triangle is read). Where a is
    singular values are inf or nan, where it is not positive definite nan. A positive definite ``Matrix`` of formulas
    with up to 16 rows, of which only the lower triangle is read, becomes formulas itself, L·D·Lᵀ element by element,
    derived and compiled with those around it; where it is indefinite they go on without exchanges.

    >>> from sympy import Idx, IndexedBase
    >>> from codegen import from_expressions
    >>> i, j, x = Idx("i", 5), Idx("j", 5), IndexedBase("x")
    >>> A, b = IndexedBase("A", shape=(5, 5)), IndexedBase("b", shape=(5,))
    >>> print(from_expressions({x[j]: solve(A[i, j], b[i], (i, j))}, [A, b]))
    inputs A[5, 5], b[5]
    x[j] = solved(A[p, q], b[p], p, q, j)
    outputs x
    """
    return _node("solve", assume, a, over, b)


def inverse(a: object, over: Over = None, *, assume: Assumption = "general") -> Expr:
    """The inverse of a; of elements a[i, j] that at row j and column i. See :func:`solve`, which takes less.

    >>> from codegen import from_expressions
    >>> from codegen.numeric import evaluate
    >>> from sympy import Idx, IndexedBase
    >>> i, j, a, b = Idx("i", 2), Idx("j", 2), IndexedBase("a"), IndexedBase("b")
    >>> evaluate(from_expressions({b[i, j]: inverse(a[i, j], over=(i, j))}, [a]), {"a": [[2.0, 0.0], [0.0, 4.0]]})["b"]
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    return _node("inverse", assume, a, over)


def cholesky(a: object, over: Over = None) -> Expr:
    """The lower triangular L with L·Lᵀ = (a + aᵀ)/2; of elements a[i, j] that at i and j. See :func:`solve`.

    >>> from codegen import from_expressions
    >>> from codegen.numeric import evaluate
    >>> from sympy import Idx, IndexedBase
    >>> i, j, a, L = Idx("i", 2), Idx("j", 2), IndexedBase("a"), IndexedBase("L")
    >>> graph = from_expressions({L[i, j]: cholesky(a[i, j], over=(i, j))}, [a])
    >>> evaluate(graph, {"a": [[4.0, 2.0], [2.0, 10.0]]})["L"]
    array([[2., 0.],
           [1., 3.]])
    """
    return _node("cholesky", "positive definite", a, over)


def logdet(a: object, over: Over = None, *, assume: Assumption = "general") -> Expr:
    """log |det a|, −∞ where a is singular. See :func:`solve`; :func:`det_sign` is the sign.

    >>> from sympy import Idx, IndexedBase
    >>> from codegen import from_expressions, gradient
    >>> i, j, K = Idx("i", 3), Idx("j", 3), IndexedBase("K", shape=(3, 3))
    >>> print(gradient(from_expressions({"l": logdet(K[i, j], (i, j))}, [K]), "l"))
    inputs K[3, 3]
    inverse in l[i, j] = inverted(K[p, q], p, q, i, j)
    l = log_determinant(K[p, q], p, q, inverse in l[q, p])
    dl/dl = 1
    dl/dK[p, q] = dl/dl*inverse in l[q, p]
    outputs l, dl/dK
    """
    return _node("logdet", assume, a, over)


def det_sign(a: object, over: Over = None) -> Expr:
    """The sign of the determinant of a: 1, −1, or 0. Its derivative is 0. See :func:`solve`.

    >>> from codegen import from_expressions
    >>> from codegen.numeric import evaluate
    >>> from sympy import Idx, IndexedBase
    >>> i, j, a = Idx("i", 2), Idx("j", 2), IndexedBase("a")
    >>> graph = from_expressions({"sign": det_sign(a[i, j], over=(i, j))}, [a])
    >>> evaluate(graph, {"a": [[0.0, 1.0], [1.0, 0.0]]})["sign"].item()
    -1.0
    """
    return _node("sign", "general", a, over)


NUMBERS = ("logdet", "sign")
"""What is a number whatever the form of the matrix."""


def _node(what: str, assume: str, a: object, over: Over, *right: object) -> Expr:
    if assume not in STRUCTURES:
        raise GraphError(f"assume: found {assume!r}, expected one of {', '.join(STRUCTURES)}")
    kinds = Str(what), Str(assume)
    if over is not None:
        return _of_elements(kinds, a, over, right)
    matrix, *sides = (_matrix(value) for value in (a, *right))
    if matrix.shape[0] != matrix.shape[1]:
        raise GraphError(f"{what}: found a matrix of shape {matrix.shape}, expected a square one")
    for side in sides:
        if side.shape[0] != matrix.shape[0]:
            raise GraphError(f"{what}: found {side.shape[0]} rows on the right side, expected {matrix.shape[0]}")
    if what in NUMBERS:
        return Eliminated(*kinds, matrix, sympy.Tuple())
    return EliminatedMatrix(*kinds, matrix, *sides)


def _of_elements(kinds: tuple[Str, Str], a: object, over: Sequence[Idx], right: Sequence[object]) -> Expr:
    if len(over) != 2 or not all(isinstance(index, Idx) for index in over) or over[0] == over[1]:
        raise GraphError(f"{kinds[0]}: found over={over!r}, expected the indices of rows and columns")
    rows, columns = over
    if rows.upper is None or rows.upper != columns.upper or rows.lower != 0 or columns.lower != 0:
        raise GraphError(f"{kinds[0]}: found indices {over!r} of different ranges, expected a square matrix")
    return Eliminated(*kinds, sympy.sympify(a), sympy.Tuple(*over), *map(sympy.sympify, right))


def _matrix(value: object) -> Expr:
    """A matrix as SymPy has it; an array of two axes by the matrix symbol of its name."""
    if isinstance(value, IndexedBase) and value.shape and len(value.shape) == 2:
        return sympy.MatrixSymbol(str(value.label), *value.shape)
    found = sympy.sympify(value)
    if isinstance(found, MatrixBase):
        return found.as_immutable()
    if not isinstance(found, MatrixExpr):
        raise GraphError(f"found {of_type(value)}, expected a matrix, or elements and over=(i, j)")
    return found
