"""Sums of which a condition selects one term: Σ_j {x[j] if j = i + 1, else 0} is x[i + 1], or 0 where there is none."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sympy import Add, And, Eq, Expr, Idx, Indexed, Integer, Mul, Piecewise, expand
from sympy.core.basic import Basic

from codegen.functions import equal
from codegen.walk import base_name, indices, is_leaf, is_reference, leaves


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
    return _selected(body, index, ())


def looked_up(body: Expr, index: Idx, integers: Collection[str]) -> Selection | None:
    """The term that inputs of integers select of a sum over an index, or the one element that is added to.

    >>> from codegen.ir.graph import Index, Variable
    >>> s, j, y, E = Index("s", 2), Index("j", 5), Variable("y", (2,), "integer", 5), Variable("E", (5,))
    >>> looked_up(equal(y[s], j) * E[j], j, ["y"]), looked_up(equal(j, s) * E[j], j, ["y"])
    (Selection(value=y[s], body=E[j]), None)
    """
    found = _selected(body, index, integers)
    return found if found is not None and any(map(is_reference, leaves(found.value))) else None


def _selected(body: Expr, index: Idx, data: Collection[str]) -> Selection | None:
    """The term that a condition selects between indices, lengths and what is read of these variables."""
    if isinstance(body, Mul):
        for factor in body.args:
            if (found := _selected(factor, index, data)) is not None:
                rest = Mul(*[other for other in body.args if other is not factor])
                return Selection(found.value, found.body * rest)
        return None
    if isinstance(body, equal):
        return _at(_solved(body, index, data), Integer(1))
    if isinstance(body, Piecewise) and len(body.args) == 2 and body.args[1] == (0, True):
        then, condition = body.args[0].args
        for part in And.make_args(condition):
            if (value := _solved(part, index, data)) is not None:
                rest = And(*[other for other in And.make_args(condition) if other is not part])
                return Selection(value, then if rest == True else Piecewise((then, rest), (0, True)))  # noqa: E712
    return None


def _at(value: Expr | None, body: Expr) -> Selection | None:
    return None if value is None else Selection(value, body)


def _solved(condition: Basic, index: Idx, data: Collection[str]) -> Expr | None:
    """The value of an index by an equation between sums of integers."""
    if not isinstance(condition, (Eq, equal)) or not all(_is_sum_of_integers(side, data) for side in condition.args):
        return None
    difference = expand(condition.args[0] - condition.args[1])
    factor = difference.coeff(index)
    value: Expr = expand(index - factor * difference)
    return value if abs(factor) == 1 and index not in indices(value) else None


def _is_sum_of_integers(side: Basic, data: Collection[str]) -> bool:
    """Whether it is a sum of indices, or of other integers, each perhaps times integers and lengths."""
    terms = [Mul.make_args(term) for term in Add.make_args(expand(side))]
    plain = all(_is_integer(f, data) for factors in terms for f in factors)
    return plain and all(sum(isinstance(f, (Idx, Indexed)) for f in factors) <= 1 for factors in terms)


def _is_integer(leaf: Basic, data: Collection[str]) -> bool:
    return base_name(leaf) in data if is_reference(leaf) else bool(is_leaf(leaf) and leaf.is_integer)
