"""Sums that are only added up become one, with a single running total."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from sympy import Add, Expr, Idx

from codegen.ir.graph import Cell, Equation, Graph, Reduction
from codegen.ir.lookups import looks_up
from codegen.walk import base_name, is_reference, subscripts


def merge_sums(graph: Graph, keep: Collection[Cell] = ()) -> Graph:
    """Write a + b, where a and b are sums over the same indices that nobody else reads, as one sum of both bodies.

    Sums in ``keep`` stay as they are. Those whose terms the data say become one with others of the kind.

    >>> from codegen.ir.graph import Index, Variable
    >>> i, x, y, a, b, c = Index("i", 3), Variable("x", (3,)), Variable("y", (3,)), *map(Variable, "abc")
    >>> sums = [Equation(a.symbol, x[i] ** 2, Reduction.SUM, (i,)), Equation(b.symbol, y[i], Reduction.SUM, (i,))]
    >>> print(merge_sums(Graph((x, y), (*sums, Equation(c.symbol, a.symbol + b.symbol)), ("c",))))
    inputs x[3], y[3]
    c = Σ_i x[i]**2 + y[i]
    outputs c
    """
    readers = Counter(base_name(reference) for equation in graph.equations for reference in equation.references)
    merged: set[Cell] = set()
    found: dict[Cell, Equation] = {}

    def mergeable(term: Expr) -> Equation | None:
        """The sum that a term is, if it can become a part of another."""
        if not is_reference(term) or readers[base_name(term)] != 1 or base_name(term) in graph.outputs:
            return None
        definitions = graph.definitions[base_name(term)]
        if len(definitions) != 1 or not definitions[0].is_sum or definitions[0].cell in keep:
            return None
        return definitions[0] if all(isinstance(i, Idx) for i in subscripts(term)) else None

    for equation in graph.equations:
        terms = Add.make_args(equation.body)
        sums = [mergeable(term) for term in terms]
        if equation.is_map and len(terms) > 1 and all(sums):
            reduced = {one.reduced for one in sums if one is not None}
            if len(reduced) == 1:
                parts = [one.at(term) for term, one in zip(terms, sums) if one is not None]
                new = Equation(equation.target, Add(*parts), Reduction.SUM, next(iter(reduced)))
                if {looks_up(one, graph.whole) for one in sums if one is not None} == {looks_up(new, graph.whole)}:
                    found[equation.cell] = new
                    merged.update(one.cell for one in sums if one is not None)
    return graph.with_equations(found.get(e.cell, e) for e in graph.equations if e.cell not in merged)
