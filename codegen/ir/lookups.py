"""Sums of which integers in the data say one term, or the one element that a term is added to.

E[y[s], d] is written Σ_j [y[s] = j]·E[j, d]; its derivative adds Σ_s [i = y[s]]·δ[s, d] to row i. All schedules keep
both as they are, for loops that run at the one value: nothing of the table is read or written but the rows of the data.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from sympy import Add, Expr, Idx, Mul

from codegen.ir.equation import Equation
from codegen.ir.selection import Selection, looked_up
from codegen.walk import Extent, base_name, extent, is_symbolic, references

Limits: TypeAlias = Mapping[str, "Extent | None"]
"""What the integers of inputs are below, by the names of these."""
LONG = 16
"""Of fewer values brackets cost no more than reading at an address that differs from lane to lane."""


def lookup(body: Expr, index: Idx, integers: Limits) -> Selection | None:
    """The one value of an index at which a term of a sum is not 0, by the data, where looking it up is worth it.

    Samples are not looked up, but for rows of a table of which the data say that they are such: a sum over samples is
    part of the pass over them, one sample read elsewhere is not.
    """
    n = extent(index)
    if not integers or not (is_symbolic(n) or n >= LONG):
        return None
    found = looked_up(body, index, integers)
    if found is None or not is_symbolic(n):
        return found
    limits = [integers.get(base_name(reference)) for reference in references(found.value)]
    return found if all(limit is not None and is_symbolic(limit) for limit in limits) else None


def is_told(body: Expr, index: Idx, integers: Limits) -> bool:
    """Whether the data say one value of an index for each of the terms that are added up."""
    return all(lookup(term, index, integers) is not None for term in Add.make_args(body))


def told(equation: Equation, integers: Limits) -> tuple[Idx, ...]:
    """The indices of a sum whose values the data say."""
    if not integers or not equation.is_sum:
        return ()
    return tuple(index for index in equation.domain if is_told(equation.body, index, integers))


def term_by_term(equation: Equation, integers: Limits) -> Equation:
    """A sum without a factor that all of its terms have, where the data say each of them; any other as it is.

    >>> from codegen.functions import equal
    >>> from codegen.ir.graph import Index, Reduction, Variable
    >>> s, j, y, g = Index("s", 2), Index("j", 50), Variable("y", (2, 2), "integer", 50), Variable("g", (50,))
    >>> both = (equal(y[s, 0], j) * (s + 1) + equal(y[s, 1], j)) * s
    >>> print(term_by_term(Equation(g[j], both, Reduction.SUM, (s,)), {"y": 50}))
    g[j] = Σ_s (s + 1)*equal(y[s, 0], j)*s + equal(y[s, 1], j)*s
    """
    factors = Mul.make_args(equation.body) if integers and equation.is_sum else ()
    for total in factors:
        if isinstance(total, Add):
            rest = Mul(*[factor for factor in factors if factor is not total])
            apart = equation.with_body(Add(*[Mul(term, rest) for term in total.args]))
            if told(apart, integers):
                return apart
    return equation


def looks_up(equation: Equation, integers: Limits) -> bool:
    """Whether the data say the values of some index of a sum.

    >>> from codegen.ir.graph import Index, Reduction, Variable
    >>> s, j, y, E = Index("s", 2), Index("j", 50), Variable("y", (2,), "integer", 50), Variable("E", (50,))
    >>> from codegen.functions import equal
    >>> looks_up(Equation(Variable("z", (2,))[s], equal(y[s], j) * E[j], Reduction.SUM, (j,)), {"y": 50})
    True
    """
    return bool(told(equation, integers))
