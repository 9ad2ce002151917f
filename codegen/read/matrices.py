"""The entries of matrix expressions: sums over indices instead of matrices, one rule for each construct.

A product of several matrices is taken from the side of the vector, if there is one, one product at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Protocol

import sympy
from sympy import Expr, Idx, Integer, MatrixSymbol
from sympy.core.basic import Basic
from sympy.core.symbol import Str
from sympy.matrices.expressions.applyfunc import ElementwiseApplyFunction
from sympy.matrices.expressions.hadamard import HadamardPower, HadamardProduct
from sympy.matrices.expressions.matexpr import MatrixExpr
from sympy.matrices.expressions.special import Identity, OneMatrix, ZeroMatrix
from sympy.matrices.matrixbase import MatrixBase

from codegen.errors import GraphError
from codegen.functions import equal
from codegen.functions.eliminations import Elimination
from codegen.functions.matrices import NUMBERS, STRUCTURES, Eliminated, EliminatedMatrix, solve
from codegen.read import eliminations
from codegen.read.admission import check, describe
from codegen.read.complex_forms import made_real
from codegen.read.rewriting import rewritten
from codegen.read.scope import Scope, axis_length
from codegen.walk import extent, is_reference, references, reindex

CRAMER = 4
"""Determinants and inverses of matrices with more rows are eliminated: cofactors multiply, and lose digits."""


class Reader(Protocol):
    """What makes vertices of the entries."""

    factors: dict[object, eliminations.Formulas]
    """Those of matrices of formulas."""

    def body(self, expression: Basic, scope: Scope) -> Basic:
        """What an expression becomes."""

    def vertex(self, body: Expr, reduced: tuple[Idx, ...] = ()) -> Expr:
        """A vertex of this value, or of the sum over the reduced indices."""

    def eliminated(self, body: Elimination) -> Expr:
        """A vertex of what elimination makes of a matrix."""

    def reference(self, name: str, key: Sequence[Expr], shown: str, scope: Scope) -> Expr:
        """An element of a variable."""

    def guarded(self, body: Expr, scope: Scope, otherwise: Expr) -> Expr:
        """A value where the conditions around it hold."""

    def total(self, body: Expr, index: Expr, scope: Scope) -> Expr:
        """The sum over an index."""

    def family(self, elements: Mapping[tuple[int, ...], Expr], moving: Sequence[Idx]) -> Expr:
        """A vertex with these elements, at the moving indices."""


def is_matrix(value: object) -> bool:
    """Whether a value is a matrix, written out or symbolic."""
    return isinstance(value, (MatrixBase, MatrixExpr))


def entry(reader: Reader, matrix: Basic, i: Expr, j: Expr, scope: Scope) -> Expr:
    """The entry of a matrix expression at two subscripts, each an index or an integer."""
    for kind, rule in RULES.items():
        if isinstance(matrix, kind):
            return rule(reader, matrix, i, j, scope)
    raise GraphError(f"{scope.place} contains {describe(matrix)}, a matrix that has no translation into index notation")


def trace(reader: Reader, matrix: Basic, scope: Scope) -> Expr:
    """Σᵢ of the entries on the diagonal."""
    i = axis(matrix.shape[0], "i", scope)
    return reader.total(entry(reader, matrix, i, i, scope), i, scope)


def axis(length: Expr, label: str, scope: Scope, *taken: Expr) -> Expr:
    """A new index along an axis; 0 if the axis has one element."""
    n = axis_length(length)
    return Integer(0) if n == 1 else scope.fresh(label, n, [t for t in taken if isinstance(t, Idx)])


def _symbol(reader: Reader, matrix: MatrixSymbol, i: Expr, j: Expr, scope: Scope) -> Expr:
    return reader.reference(str(matrix.name), (i, j), f"{matrix.name}[{i}, {j}]", scope)


def _explicit(reader: Reader, matrix: MatrixBase, i: Expr, j: Expr, scope: Scope) -> Expr:
    """An element that is written out; at an index, one of a family of them."""
    for subscript, n in zip((i, j), matrix.shape):
        of_axis = isinstance(subscript, Idx) and extent(subscript) == n
        if not of_axis and not (isinstance(subscript, Integer) and 0 <= subscript < n):
            raise GraphError(f"{scope.place} contains a matrix with {n} rows or columns at the subscript {subscript}")
    moving = [subscript for subscript in (i, j) if isinstance(subscript, Idx)]
    elements: dict[tuple[int, ...], tuple[int, ...]]
    if len(set(moving)) < len(moving):
        elements = {(k,): (k, k) for k in range(matrix.shape[0])}
        moving = moving[:1]
    else:
        axes = [range(n) if isinstance(s, Idx) else [int(s)] for s, n in zip((i, j), matrix.shape)]
        places = list(product(*axes))
        elements = {tuple(k for k, s in zip(place, (i, j)) if isinstance(s, Idx)): place for place in places}
    bodies: dict[tuple[int, ...], Expr] = {}
    for key, place in elements.items():
        check(scope.place, matrix[place])
        bodies[key] = reader.body(matrix[place], scope)
    return reader.family(bodies, moving) if moving else bodies[()]


def _sum(reader: Reader, matrix: Basic, i: Expr, j: Expr, scope: Scope) -> Expr:
    return sympy.Add(*[entry(reader, term, i, j, scope) for term in matrix.args])


def _product(reader: Reader, matrix: Basic, i: Expr, j: Expr, scope: Scope) -> Expr:
    coefficient, _ = matrix.as_coeff_matrices()
    factors = _solutions([factor for factor in matrix.args if is_matrix(factor)])
    check(scope.place, coefficient)
    return sympy.Mul(reader.body(coefficient, scope), _contracted(reader, factors, i, j, scope))


def _solutions(factors: list[Basic]) -> list[Basic]:
    """A large inverse in front of other factors as the solution with these on the right side: less is computed."""
    for number, factor in enumerate(factors[:-1]):
        if isinstance(factor, sympy.Inverse) and _is_large(factor):
            right = sympy.MatMul(*factors[number + 1 :]) if number + 2 < len(factors) else factors[-1]
            return [*factors[:number], solve(factor.arg, right)]
    return factors


def _is_large(matrix: Basic) -> bool:
    n = axis_length(matrix.shape[0])
    return not isinstance(n, int) or n > CRAMER


def _contracted(reader: Reader, factors: list[Basic], i: Expr, j: Expr, scope: Scope) -> Expr:
    if len(factors) == 1:
        return entry(reader, factors[0], i, j, scope)
    cut = 1 if factors[-1].shape[1] == 1 else len(factors) - 1
    left, right = factors[:cut], factors[cut:]
    k = axis(right[0].shape[0], "k", scope, i, j)
    terms = _contracted(reader, left, i, k, scope) * _contracted(reader, right, k, j, scope)
    return reader.total(terms, k, scope)


def _power(reader: Reader, matrix: Basic, i: Expr, j: Expr, scope: Scope) -> Expr:
    base, exponent = matrix.args
    if not isinstance(exponent, Integer) or exponent == 0:
        raise GraphError(f"{scope.place} contains the matrix power {exponent}, expected a whole number other than 0")
    factor = base if exponent > 0 else sympy.Inverse(base)
    return _contracted(reader, [factor] * abs(int(exponent)), i, j, scope)


def _transpose(reader: Reader, matrix: Basic, i: Expr, j: Expr, scope: Scope) -> Expr:
    return entry(reader, matrix.arg, j, i, scope)


def _hadamard(reader: Reader, matrix: Basic, i: Expr, j: Expr, scope: Scope) -> Expr:
    return sympy.Mul(*[entry(reader, factor, i, j, scope) for factor in matrix.args])


def _hadamard_power(reader: Reader, matrix: Basic, i: Expr, j: Expr, scope: Scope) -> Expr:
    base, exponent = matrix.args
    check(scope.place, exponent)
    return entry(reader, base, i, j, scope) ** reader.body(exponent, scope)


def _applied(reader: Reader, matrix: Basic, i: Expr, j: Expr, scope: Scope) -> Expr:
    """f(entry): the function is applied inside a scope in which its variable stands for the entry."""
    variable = matrix.function.variables[0]
    check(scope.place, matrix.function.expr)
    return reader.body(matrix.function.expr, scope.at(variable, entry(reader, matrix.expr, i, j, scope)))


# --- determinants and inverses ------------------------------------------------------------------------------------

Rows = tuple[int, ...]
Minors = dict[tuple[Rows, Rows], Expr]
"""Determinants of the elements in some rows and columns."""


def determinant(reader: Reader, matrix: Basic, scope: Scope) -> Expr:
    """The determinant; of a small matrix by cofactors, each of which is computed once."""
    if _is_large(matrix):
        sign, size = (Eliminated(Str(what), Str("general"), matrix, sympy.Tuple()) for what in ("sign", "logdet"))
        return elimination(reader, sign, scope) * sympy.exp(elimination(reader, size, scope))
    rows = tuple(range(_small(matrix, "determinant", scope)))
    return _minor(reader, _elements(reader, matrix, scope), rows, rows)


def _inverse(reader: Reader, matrix: Basic, i: Expr, j: Expr, scope: Scope) -> Expr:
    """Cofactors over the determinant (Cramer) for small matrices; the whole inverse is one array."""
    if _is_large(matrix):
        return _eliminated(reader, EliminatedMatrix(Str("inverse"), Str("general"), matrix.arg), i, j, scope)
    n = _small(matrix, "inverse", scope)
    rows, minors = tuple(range(n)), _elements(reader, matrix.arg, scope)
    whole = _minor(reader, minors, rows, rows)
    bodies: dict[Rows, Expr] = {}
    for row, column in product(rows, repeat=2):
        others = _without(rows, column), _without(rows, row)
        quotient = (-1) ** (row + column) * _minor(reader, minors, *others) / whole
        bodies[row, column] = reader.guarded(quotient, scope, Integer(0))
    k, m = (scope.fresh(label, n, [t for t in (i, j) if isinstance(t, Idx)]) for label in ("k", "m"))
    return reindex(reader.family(bodies, (k, m)), {k: i, m: j})


def elimination(reader: Reader, node: Eliminated, scope: Scope) -> Expr:
    """A determinant, or an element of what elimination makes of a matrix that is written by its elements."""
    if is_written_out(node) and node.what == "logdet":
        return _formulas(reader, node.matrix, scope).log_determinant()
    if not node.over:
        return eliminations.determinant(
            reader, node.what, node.assumption, _element_of(reader, node.matrix, scope), node.matrix.shape[0], scope
        )
    rows, columns = node.over
    body, right = (None if part is None else rewritten(made_real(part)) for part in (node.matrix, node.right))
    for part in (body, right):
        if part is not None:
            check(scope.place, part)

    def element(i: Expr, j: Expr) -> Expr:
        return reader.body(body, scope.at(rows, i).at(columns, j))

    def side(i: Expr) -> Expr:
        return reader.body(right, scope.at(rows, i))

    length = rows.upper + 1
    if node.what in NUMBERS:
        return eliminations.determinant(reader, node.what, node.assumption, element, length, scope)
    at = {"solve": (columns,), "inverse": (columns, rows), "cholesky": (rows, columns)}[node.what]
    places = tuple(reader.body(index, scope) for index in at)
    given = None if right is None else side
    return eliminations.element_at(reader, node.what, node.assumption, element, given, length, places, scope)


def is_written_out(matrix: Basic) -> bool:
    """Whether the elements of a matrix are formulas of their own."""
    if isinstance(matrix, (Eliminated, EliminatedMatrix)):
        small = isinstance(matrix.matrix, MatrixBase) and 1 < matrix.matrix.shape[0] <= eliminations.WRITTEN
        definite = STRUCTURES[matrix.assumption] == "symmetric"
        return small and definite and isinstance(matrix.right, (MatrixBase, type(None)))
    return isinstance(matrix, MatrixBase)


def _formulas(reader: Reader, matrix: MatrixBase, scope: Scope) -> eliminations.Formulas:
    """The factors of a matrix of formulas, written once."""
    memo = "factors", matrix
    if memo not in reader.factors:
        read = _element_of(reader, matrix, scope)
        reader.factors[memo] = eliminations.Formulas(reader, lambda i, j: _shared(reader, read(i, j)), matrix.shape[0])
    return reader.factors[memo]


def _eliminated(reader: Reader, matrix: EliminatedMatrix, i: Expr, j: Expr, scope: Scope) -> Expr:
    if is_written_out(matrix):
        return _of_formulas(reader, matrix, i, j, scope)
    element, length = _element_of(reader, matrix.matrix, scope), matrix.matrix.shape[0]
    if matrix.right is None:
        return eliminations.element_at(reader, matrix.what, matrix.assumption, element, None, length, (i, j), scope)
    right = matrix.right

    def side(row: Expr) -> Expr:
        return entry(reader, right, row, j, scope)

    return eliminations.element_at(reader, matrix.what, matrix.assumption, element, side, length, (i,), scope)


def _of_formulas(reader: Reader, matrix: EliminatedMatrix, i: Expr, j: Expr, scope: Scope) -> Expr:
    """An element of what elimination makes of a matrix of formulas; at an index, one of a family of them."""
    factors, right = _formulas(reader, matrix.matrix, scope), matrix.right

    def at(row: int, column: int) -> Expr:
        def side(k: int) -> Expr:
            return _shared(reader, entry(reader, right, Integer(k), Integer(column), scope))

        return factors.element(matrix.what, None if right is None else side, row, column)

    axes = [range(int(n)) if isinstance(s, Idx) else [int(s)] for s, n in zip((i, j), matrix.shape)]
    moving = [s for s in (i, j) if isinstance(s, Idx)]
    bodies = {tuple(k for k, s in zip(place, (i, j)) if isinstance(s, Idx)): at(*place) for place in product(*axes)}
    return reader.family(bodies, moving) if moving else bodies[()]


def _element_of(reader: Reader, matrix: Basic, scope: Scope) -> Callable[[Expr, Expr], Expr]:
    return lambda i, j: entry(reader, matrix, i, j, scope)


def _small(matrix: Basic, what: str, scope: Scope) -> int:
    n = axis_length(matrix.shape[0] if isinstance(matrix, MatrixExpr) else matrix.arg.shape[0])
    if not isinstance(n, int) or n > CRAMER:
        raise GraphError(f"{scope.place} contains the {what} of a matrix of {n} rows, expected at most {CRAMER}")
    return n


def _elements(reader: Reader, matrix: Basic, scope: Scope) -> Minors:
    """The minors of one row: the elements, each a vertex if it is computed."""
    places = product(range(axis_length(matrix.shape[0])), repeat=2)
    return {
        ((row,), (column,)): _shared(reader, entry(reader, matrix, Integer(row), Integer(column), scope))
        for row, column in places
    }


def _minor(reader: Reader, minors: Minors, rows: Rows, columns: Rows) -> Expr:
    if not rows:
        return Integer(1)
    if (rows, columns) not in minors:
        terms = [
            (-1) ** n * minors[rows[:1], (column,)] * _minor(reader, minors, rows[1:], _without(columns, column))
            for n, column in enumerate(columns)
        ]
        minors[rows, columns] = _shared(reader, sympy.Add(*terms))
    return minors[rows, columns]


def _without(rows: Rows, row: int) -> Rows:
    return tuple(k for k in rows if k != row)


def _shared(reader: Reader, body: Expr) -> Expr:
    return reader.vertex(body) if references(body) and not is_reference(body) else body


#: The entry of each kind of matrix.
RULES: Mapping[type[Basic], Callable[..., Expr]] = {
    MatrixSymbol: _symbol,
    MatrixBase: _explicit,
    sympy.MatAdd: _sum,
    sympy.MatMul: _product,
    sympy.Inverse: _inverse,
    EliminatedMatrix: _eliminated,
    sympy.MatPow: _power,
    sympy.Transpose: _transpose,
    HadamardProduct: _hadamard,
    HadamardPower: _hadamard_power,
    ElementwiseApplyFunction: _applied,
    Identity: lambda reader, matrix, i, j, scope: equal(i, j),
    ZeroMatrix: lambda reader, matrix, i, j, scope: Integer(0),
    OneMatrix: lambda reader, matrix, i, j, scope: Integer(1),
}
