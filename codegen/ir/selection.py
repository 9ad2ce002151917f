"""Sums of which a condition selects one term: Σ_j {x[j] if j = i + 1, else 0} is x[i + 1], or 0 where there is none."""

from __future__ import annotations

from dataclasses import dataclass

from sympy import Add, And, Eq, Expr, Idx, Integer, Mul, Piecewise, expand
from sympy.core.basic import Basic

from codegen.functions import equal
from codegen.walk import is_leaf, is_reference, leaves


@dataclass(frozen=True)
class Selection:
    """The one value of an index at which a body is not 0, in terms of other indices, and what the body is there."""

    value: Expr
    body: Expr


def selected(body: Expr, index: Idx) -> Selection | None:
    """The term that a condition selects of a sum over an index; None if that is not known.

    >>> from codegen.ir.graph import Index, Variable, sample_extent
    >>> n = sample_extent("n")
    >>> i, j, x = Index("i", n), Index("j", n), Variable("x", (n,))
    >>> selected(equal(j, i + 1) * x[j], j), selected(x[j], j)
    (Selection(value=i + 1, body=x[j]), None)
    """
    if isinstance(body, Mul):
        for factor in body.args:
            if (found := selected(factor, index)) is not None:
                rest = Mul(*[other for other in body.args if other is not factor])
                return Selection(found.value, found.body * rest)
        return None
    if isinstance(body, equal):
        return _at(_solved(body, index), Integer(1))
    if isinstance(body, Piecewise) and len(body.args) == 2 and body.args[1] == (0, True):
        then, condition = body.args[0].args
        for part in And.make_args(condition):
            if (value := _solved(part, index)) is not None:
                rest = And(*[other for other in And.make_args(condition) if other is not part])
                return Selection(value, then if rest == True else Piecewise((then, rest), (0, True)))  # noqa: E712
    return None


def _at(value: Expr | None, body: Expr) -> Selection | None:
    return None if value is None else Selection(value, body)


def _solved(condition: Basic, index: Idx) -> Expr | None:
    """The value of an index by an equation between sums of indices, lengths and integers."""
    if not isinstance(condition, (Eq, equal)) or not all(_is_sum_of_integers(side) for side in condition.args):
        return None
    difference = expand(condition.args[0] - condition.args[1])
    factor = difference.coeff(index)
    value: Expr = expand(index - factor * difference)
    return value if abs(factor) == 1 and index not in leaves(value) else None


def _is_sum_of_integers(side: Basic) -> bool:
    """Whether it is a sum of indices, each perhaps times integers and lengths, and of such numbers."""
    terms = [Mul.make_args(term) for term in Add.make_args(expand(side))]
    plain = all(is_leaf(f) and f.is_integer and not is_reference(f) for factors in terms for f in factors)
    return plain and all(sum(isinstance(f, Idx) for f in factors) <= 1 for factors in terms)
