"""Integers that are read for subscripts written as sums over brackets, of which schedules run the one term."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sympy import Expr, Idx, Mul

from codegen.cached import once
from codegen.functions import equal
from codegen.ir.equation import Equation, over
from codegen.ir.graph import Graph
from codegen.ir.ranges import asked_of, guarded
from codegen.ir.reduction import Reduction
from codegen.walk import (
    data_in,
    extent,
    fresh_index,
    fresh_names,
    indices,
    references,
    reindex,
    samples_first,
    shape,
    subscripts,
    substitute,
)


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
    lookups = _Lookups(fresh_names("l", graph.variables))
    return graph.with_equations(part for equation in graph.equations for part in lookups.written_out(equation))


def _looks_up(reference: Expr) -> bool:
    return any(map(data_in, subscripts(reference)))


@dataclass
class _Lookups:
    """Gives what is looked up a vertex, one for all equations that read it."""

    names: Iterator[str]
    made: dict[Expr, Expr] = field(default_factory=dict)
    """The vertices, by what they hold where the indices are called by their place in it."""

    def written_out(self, equation: Equation) -> Iterator[Equation]:
        """An equation without lookups, after those of the vertices that it is the first to read."""
        found: dict[Expr, Expr] = {}
        for reference in filter(_looks_up, equation.references):
            if equation.is_map and equation.body == reference:
                yield _sum(equation.target, reference)
                return
            own = samples_first(indices(reference))
            what = reindex(reference, {i: Idx(f"i{place}", extent(i)) for place, i in enumerate(own)})
            if what in self.made:
                found[reference] = self.made[what].base[own] if own else self.made[what]
            else:
                found[reference] = self.made[what] = over(next(self.names), own)
                yield _sum(found[reference], reference)
        yield equation.with_body(substitute(equation.body, found)) if found else equation


def _sum(target: Expr, reference: Expr) -> Equation:
    """What is looked up, as a sum over all that could be."""
    key, chosen, brackets = list(subscripts(reference)), list[Idx](), list[Expr]()
    taken = {index.name for index in indices(reference)}
    for axis, (subscript, n) in enumerate(zip(key, shape(reference))):
        if data_in(subscript):
            key[axis] = fresh_index(Idx("j", n), taken)
            taken.add(key[axis].name)
            chosen.append(key[axis])
            brackets.append(equal(subscript, key[axis]))
    element = reference.base[tuple(key)]
    read = references(Mul(element, *brackets))
    body = guarded(Mul(element, *brackets), *(condition for one in read for condition in asked_of(one) or ()))
    return Equation(target, body, Reduction.SUM, tuple(chosen))
