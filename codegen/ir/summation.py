"""Sums carried out as they are written: over an Iverson bracket, and over an index that the body does not have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sympy import Expr, Idx, Integer, Mul, Piecewise
from sympy.core.basic import Basic

from codegen.functions import equal
from codegen.ir.ranges import guarded, missing, on_axis
from codegen.ir.selection import selected
from codegen.walk import extent, indices, is_sample, reindex


@dataclass(frozen=True)
class Summand:
    """One term of a derivative: ``Σ_reduced body``, or ``body`` itself when nothing is reduced."""

    body: Expr
    reduced: tuple[Idx, ...] = ()


def summand(body: Expr, reduced: Sequence[Idx]) -> Summand:
    """Simplify a sum as it is written: brackets on a summed index are carried out, absent indices become factors.

    >>> from sympy import IndexedBase
    >>> i, j, A = Idx("i", 4), Idx("j", 4), IndexedBase("A", shape=(4,))
    >>> summand(A[i] * equal(i, j), [i])
    Summand(body=A[j], reduced=())
    >>> summand(A[j] * equal(i + 1, j), [j])
    Summand(body=Piecewise((A[i + 1], i <= 2), (0, True)), reduced=())
    """
    remaining = list(reduced)
    for index in reduced:
        factors = Mul.make_args(body)
        bracket = next((f for f in factors if isinstance(f, equal) and index in f.args), None)
        value = None if bracket is None else _only_value(bracket, index)
        if value is not None:
            body = reindex(Mul(*[f for f in factors if f is not bracket]), {index: value})
            remaining.remove(index)
        elif (found := _chosen(body, index)) is not None:
            body = found
            remaining.remove(index)
    return over_present(body, remaining)


def _chosen(body: Expr, index: Idx) -> Expr | None:
    """What a sum over an index is whose terms are 0 but for the value that a bracket or a condition says."""
    if not any(isinstance(f, (equal, Piecewise)) for f in Mul.make_args(body)):
        return None
    found = selected(body, index)
    if found is None or (is_sample(index) and not any(map(is_sample, indices(found.value)))):
        return None  # a sum over the samples is part of the pass over them, one sample read elsewhere is not
    within = missing(on_axis(found.value, extent(index)) or ())
    return Integer(0) if within is None else placed(found.body, {index: found.value}, within)


def placed(body: Expr, values: Mapping[Idx, Expr], conditions: Sequence[Basic]) -> Expr:
    """A body with other values for indices, 0 but under the conditions that these need."""
    new = reindex(body, values)
    return guarded(new, *conditions) if conditions else new


def over_present(body: Expr, reduced: Sequence[Idx]) -> Summand:
    """A sum over an index that the body does not have is a multiple.

    >>> over_present(Idx("j", 3) + 1, [Idx("i", 4), Idx("j", 3)])
    Summand(body=4*j + 4, reduced=(j,))
    """
    if not reduced:
        return Summand(body)
    present = indices(body)
    absent = [extent(i) for i in reduced if i not in present]
    return Summand(Mul(body, *absent) if absent else body, tuple(i for i in reduced if i in present))


def _only_value(bracket: equal, index: Idx) -> Expr | None:
    """The one value of the index at which the bracket is 1; None if it may have none within the index's range."""
    a, b = bracket.args
    other = b if a == index else a
    n = extent(index)
    if isinstance(other, Idx):
        return other if extent(other) == n else None
    return other if isinstance(other, Integer) and isinstance(n, int) and 0 <= int(other) < n else None
