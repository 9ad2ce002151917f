"""Sums of indices as subscripts written as sums of which a condition selects a term, for schedules without them."""

from __future__ import annotations

from collections.abc import Iterator

import sympy
from sympy import Eq, Expr, Idx, Integer, Piecewise

from codegen.cached import once
from codegen.ir.equation import Equation, over
from codegen.ir.graph import Graph
from codegen.ir.reduction import Reduction
from codegen.walk import (
    fresh_index,
    fresh_names,
    indices,
    is_plain,
    is_plain_on,
    samples_first,
    shape,
    subscripts,
    substitute,
)


@once
def gather(graph: Graph) -> Graph:
    """Give x[i + 1] a vertex of its own, v[i] = Σ_j {x[j] if j = i + 1}, which is 0 where there is none.

    >>> from codegen import Index, Variable
    >>> i, x, y = Index("i", 2), Variable("x", (3,)), Variable("y", (2,))
    >>> print(gather(Graph((x,), (Equation(y[i], x[i + 1] - x[i]),), ("y",))))
    inputs x[3]
    g1[i] = Σ_j Piecewise((x[j], Eq(i, j)), (0, True))
    g2[i] = Σ_j Piecewise((x[j], Eq(j, i + 1)), (0, True))
    y[i] = -g1[i] + g2[i]
    outputs y
    """
    if all(is_plain(reference) for equation in graph.equations for reference in equation.references):
        return graph
    names = fresh_names("g", graph.variables)
    found: dict[Expr, Expr] = {}
    return graph.with_equations(part for e in graph.equations for part in _with_gathers(e, names, found))


def _with_gathers(equation: Equation, names: Iterator[str], found: dict[Expr, Expr]) -> Iterator[Equation]:
    for reference in equation.references:
        if is_plain(reference) or reference in found:
            continue
        key, chosen, conditions = list(subscripts(reference)), list[Idx](), list[Expr]()
        taken = {index.name for index in equation.domain}
        for axis, (subscript, n) in enumerate(zip(key, shape(reference))):
            if not is_plain_on(subscript, n):
                key[axis] = fresh_index(Idx("j", n), taken)
                taken.add(key[axis].name)
                chosen.append(key[axis])
                conditions.append(Eq(key[axis], subscript))
        target = over(next(names), samples_first(i for i in equation.domain if i in indices(reference)))
        body = Piecewise((reference.base[tuple(key)], sympy.And(*conditions)), (Integer(0), True))
        found[reference] = target
        yield Equation(target, body, Reduction.SUM, tuple(chosen))
    hits = {reference: found[reference] for reference in equation.references if reference in found}
    yield equation.with_body(substitute(equation.body, hits)) if hits else equation
