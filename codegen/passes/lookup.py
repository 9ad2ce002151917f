"""Integers that are read for subscripts written as sums over brackets, for schedules that do not look them up."""

from __future__ import annotations

from collections.abc import Iterator

from sympy import Expr, Idx, Mul

from codegen.cached import once
from codegen.functions import equal
from codegen.ir.equation import Equation, over
from codegen.ir.graph import Graph
from codegen.ir.ranges import asked_of, guarded
from codegen.ir.reduction import Reduction
from codegen.walk import data_in, fresh_index, fresh_names, indices, samples_first, shape, subscripts, substitute


@once
def without_lookups(graph: Graph) -> Graph:
    """Give E[y[s], d] a vertex of its own, v[s, d] = Σ_j [y[s] = j]·E[j, d].

    >>> from codegen import Index, Variable
    >>> s, y, E, z = Index("s", 2), Variable("y", (2,), "integer", 5), Variable("E", (5,)), Variable("z", (2,))
    >>> print(without_lookups(Graph((y, E), (Equation(z[s], E[y[s]] ** 2),), ("z",))))
    inputs y[2], E[5]
    l1[s] = Σ_j equal(y[s], j)*E[j]
    z[s] = l1[s]**2
    outputs z
    """
    if not any(map(_looks_up, (reference for equation in graph.equations for reference in equation.references))):
        return graph
    names = fresh_names("l", graph.variables)
    return graph.with_equations(part for equation in graph.equations for part in _with_sums(equation, names))


def _looks_up(reference: Expr) -> bool:
    return any(map(data_in, subscripts(reference)))


def _with_sums(equation: Equation, names: Iterator[str]) -> Iterator[Equation]:
    found: dict[Expr, Expr] = {}
    for reference in filter(_looks_up, equation.references):
        key, chosen, brackets = list(subscripts(reference)), list[Idx](), list[Expr]()
        taken = {index.name for index in equation.domain}
        for axis, (subscript, n) in enumerate(zip(key, shape(reference))):
            if data_in(subscript):
                key[axis] = fresh_index(Idx("j", n), taken)
                taken.add(key[axis].name)
                chosen.append(key[axis])
                brackets.append(equal(subscript, key[axis]))
        element = reference.base[tuple(key)]
        target = over(next(names), samples_first(i for i in equation.domain if i in indices(reference)))
        body = guarded(Mul(element, *brackets), *(asked_of(element) or ()))
        found[reference] = target
        yield Equation(target, body, Reduction.SUM, tuple(chosen))
    yield equation.with_body(substitute(equation.body, found)) if found else equation
