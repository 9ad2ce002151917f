"""Multiply the factors of a sum in a good order: what has few indices first, and sums as early as they can be."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import prod

from sympy import Expr, Idx, Mul

from codegen.expression import extent, fresh_names, indices, is_leaf, references
from codegen.functions import equal
from codegen.graph import Equation, Graph, Reduction, Variable

ASSUMED_SAMPLES = 64
"""The number of samples that a symbolic extent is taken for when products are compared."""


def contract(graph: Graph) -> Graph:
    """Give products of factors that have fewer indices than the sum they are in a vertex of their own.

    Σ_s x[s, d]·x[s, e]·q[s, h, k] takes two multiplications for each s, d, e, h, k; with the product of the two x first
    it takes one. Σ_ij v[i]·A[i, j]·w[j] sums over j before it multiplies by v.

    >>> from codegen.graph import Index
    >>> i, j = Index("i", 3), Index("j", 4)
    >>> v, A, w, e = Variable("v", (3,)), Variable("A", (3, 4)), Variable("w", (4,)), Variable("e")
    >>> sum_ = Equation(e.symbol, v[i] * A[i, j] * w[j], Reduction.SUM, (i, j))
    >>> print(contract(Graph((v, A, w), (sum_,), ("e",))))
    inputs v[3], A[3, 4], w[4]
    q1[i] = Σ_j A[i, j]*w[j]
    e = Σ_i q1[i]*v[i]
    outputs e
    """
    names = fresh_names("q", graph.variables)
    return graph.with_equations(part for equation in graph.equations for part in _steps(equation, names))


@dataclass(frozen=True)
class _Operand:
    """A factor, or several that stay together, and their indices."""

    expression: Expr
    indices: frozenset[Idx]


def _steps(equation: Equation, names: Iterator[str]) -> Iterator[Equation]:
    """The equation, after those of the products that it no longer has."""
    if equation.reduction is not Reduction.SUM:
        yield equation
        return
    factors = Mul.make_args(equation.body)
    constants = [f for f in factors if not indices(f)]
    operands = [_Operand(f, frozenset(indices(f))) for f in factors if indices(f)]
    domain = frozenset().union(*(operand.indices for operand in operands))
    remaining = list(equation.reduced)
    changed = False

    def vertex(expression: Expr, free: frozenset[Idx], reduced: Sequence[Idx]) -> tuple[_Operand, Equation]:
        order = tuple(sorted((i for i in equation.domain if i in free), key=lambda i: isinstance(extent(i), int)))
        target = Variable(next(names), tuple(extent(i) for i in order))[order]
        made = Equation(target, expression, Reduction.SUM if reduced else None, tuple(reduced))
        return _Operand(target, free), made

    while (pair := _cheapest(operands, domain, remaining)) is not None:
        one, other, reduced = pair
        union = one.indices | other.indices
        operands = [operand for operand in operands if operand not in (one, other)]
        made, new = vertex(one.expression * other.expression, union - set(reduced), reduced)
        remaining = [i for i in remaining if i not in reduced]
        operands.append(made)
        changed = True
        yield new
    for position, operand in enumerate(operands):
        if len(operands) > 1 and operand.indices < domain and _is_compound(operand.expression):
            operands[position], new = vertex(operand.expression, operand.indices, ())
            changed = True
            yield new
    if changed:
        body = Mul(*constants, *[operand.expression for operand in operands])
        equation = Equation.over(equation.target, body, Reduction.SUM, tuple(remaining))
    yield equation


def _cheapest(
    operands: Sequence[_Operand], domain: frozenset[Idx], reduced: Sequence[Idx]
) -> tuple[_Operand, _Operand, tuple[Idx, ...]] | None:
    """Two operands whose product is worth a vertex, the smallest, and the indices that are summed in it."""
    if len(operands) < 3:
        return None
    found: list[tuple[int, int, int, _Operand, _Operand, tuple[Idx, ...]]] = []
    for one, other in combinations(operands, 2):
        union = one.indices | other.indices
        rest = frozenset().union(*(o.indices for o in operands if o not in (one, other)))
        summed = tuple(i for i in reduced if i in union and i not in rest)
        if (union < domain or summed) and references(one.expression * other.expression):
            found.append((_size(union - set(summed)), _size(union), len(found), one, other, summed))
    return min(found, key=lambda entry: entry[:3])[3:] if found else None


def _size(of: frozenset[Idx]) -> int:
    return prod(n if isinstance(n := extent(i), int) else ASSUMED_SAMPLES for i in of)


def _is_compound(expression: Expr) -> bool:
    """Whether an operand is computed; a bracket is a comparison, which is nothing beside a load."""
    return not is_leaf(expression) and not isinstance(expression, equal) and bool(references(expression))
