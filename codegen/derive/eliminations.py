"""The derivatives of what elimination makes of a matrix, in index notation with the inverse as a vertex.

With V = A⁻¹: dx = V·(db − dA·x), dV = −V·dA·V, d log |det A| = Σ V[q, p]·dA[p, q]. With W = L⁻¹ of A = L·Lᵀ, and ½ the
half of the diagonal and all below: dL = L·½(W·dA·Wᵀ), dW = −½(W·dA·Wᵀ)·W (Smith 1995, Murray 2016). Products with such
a vertex are carried out by solving: no inverse is computed where none is asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sympy import Eq, Expr, Idx, Integer, Mul, Piecewise, Rational
from sympy.core.basic import Basic

from codegen.errors import DerivationError
from codegen.functions.eliminations import (
    INVERSE,
    Elimination,
    cholesky_factor,
    cholesky_inverse,
    determinant_sign,
    inverted,
    log_determinant,
    solved,
)
from codegen.ir.equation import Equation, Variable, over
from codegen.ir.graph import Graph
from codegen.ir.names import Names
from codegen.ir.validation import quote
from codegen.walk import extent, fresh_index, indices, is_reference, reindex


def elimination_derivatives(equation: Equation, by: Collection[Expr] | None) -> dict[Expr, Expr]:
    """The derivatives of an element by those of the matrix and of the right side."""
    found: dict[Expr, Expr] = {}
    for operand, local in _derivatives(equation, equation.elimination):
        if is_reference(operand) and (by is None or operand in by):
            found[operand] = found.get(operand, Integer(0)) + local
    return found


def _derivatives(equation: Equation, body: Elimination) -> Iterator[tuple[Expr, Expr]]:
    p, q = body.rows, body.columns
    if isinstance(body, inverted):
        i, j = body.own
        yield body.matrix, -reindex(equation.target, {j: p}) * reindex(equation.target, {i: q})
    elif isinstance(body, cholesky_inverse):
        m, (i, j) = body.binds[2], body.own
        first, second, third = ({i: i, j: p}, {i: m, j: q}, {i: m})
        factors = (reindex(equation.target, places) for places in (first, second, third))
        yield body.matrix, -half(i, m) * Mul(*factors)
    elif not isinstance(body, determinant_sign):
        yield from _by_inverse(equation, body)


def _by_inverse(equation: Equation, body: Elimination) -> Iterator[tuple[Expr, Expr]]:
    """Derivatives that are written with the inverse of the matrix, or of its factor."""
    inverse = body.companion
    if inverse is None:
        raise DerivationError(f"equation {quote(equation)}: the inverse that its derivative needs is not there")
    match body:
        case solved():
            yield body.read[1], inverse
            yield body.matrix, -inverse * reindex(equation.target, {body.own[0]: body.columns})
        case log_determinant():
            yield body.matrix, inverse
        case cholesky_factor():
            m, (_, j) = body.binds[2], body.own
            left = reindex(equation.target, {j: m}) * half(m, j)
            yield body.matrix, left * inverse * reindex(inverse, {m: j, body.rows: body.columns})


def half(row: Idx, column: Idx) -> Expr:
    """What is left of a symmetric matrix of which half is taken: all below the diagonal, and half of that.

    >>> half(Idx("i", 3), Idx("j", 3))
    Piecewise((1, i > j), (1/2, Eq(i, j)), (0, True))
    """
    return Piecewise((1, row > column), (Rational(1, 2), Eq(row, column)), (0, True))


def with_inverses(graph: Graph) -> Graph:
    """The graph with the inverses that derivatives are written with, and matrices that are vertices.

    >>> from codegen.functions.eliminations import solved
    >>> p, q, i = (Idx(name, 3) for name in "pqi")
    >>> A, b, x = Variable("A", (3, 3)), Variable("b", (3,)), Variable("x", (3,))
    >>> print(with_inverses(Graph((A, b), (Equation.eliminating(x[i], solved(A[p, q], b[p], p, q, i)),), ("x",))))
    inputs A[3, 3], b[3]
    inverse in x[i_1, j] = inverted(A[p, q], p, q, i_1, j)
    x[i] = solved(A[p, q], b[p], p, q, i, inverse in x[i, p])
    outputs x
    """
    if not any(equation.eliminates for equation in graph.equations):
        return graph
    names, made = Names(graph.variables), dict[Basic, Expr]()
    equations: list[Equation] = []
    for equation in graph.equations:
        equations += _with_inverse(equation, names, made) if equation.eliminates else [equation]
    return graph.with_equations(equations)


def _with_inverse(equation: Equation, names: Names, made: dict[Basic, Expr]) -> Iterator[Equation]:
    read = []
    for operand in equation.elimination.read:
        if not is_reference(operand):
            target = over(names(f"argument of {equation.target}"), indices(operand))
            yield Equation(target, operand)
            operand = target
        read.append(operand)
    body = equation.elimination.with_read(*read)
    if isinstance(body, (solved, log_determinant, cholesky_factor)) and body.companion is None:
        inverse = _inverse(equation, body)
        if inverse not in made:
            variable = equation.variable.name
            row, column = inverse.own
            batch = [i for i in indices(body.matrix) if i not in (body.rows, body.columns)]
            axes = (*batch, row, column)
            target = Variable(names.new(f"inverse in {variable}"), tuple(map(extent, axes)))[axes]
            yield Equation.eliminating(target, inverse)
            made[inverse] = target
        row, column = inverse.own
        wanted = _places(body)
        body = body.with_companion(reindex(made[inverse], dict(zip((row, column), wanted))))
    yield Equation.eliminating(equation.target, body)


def _places(body: Elimination) -> tuple[Idx, Idx]:
    """Row and column at which an element of the inverse is read."""
    if isinstance(body, solved):
        return body.own[0], body.rows
    if isinstance(body, cholesky_factor):
        return body.binds[2], body.rows
    return body.columns, body.rows


def _inverse(equation: Equation, body: Elimination) -> Elimination:
    """The inverse that a derivative is written with, its own indices apart from all others."""
    taken = {index.name for index in equation.domain}
    row = fresh_index(Idx("i", extent(body.columns)), taken)
    column = fresh_index(Idx("j", extent(body.rows)), taken | {row.name})
    if isinstance(body, cholesky_factor):
        return cholesky_inverse(body.matrix, *body.binds, row, column)
    return INVERSE[body.structure](body.matrix, *body.binds, row, column)
