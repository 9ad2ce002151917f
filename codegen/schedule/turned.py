"""Matrices turned round before the steps of a scan read them at every step: neighbours in lanes lie side by side."""

from __future__ import annotations

from collections.abc import Iterator

from sympy import Expr, Idx, Indexed

from codegen.ir.equation import over
from codegen.ir.graph import Equation, Graph
from codegen.walk import base_name, extent, fresh_names, indices, is_sample, subscripts, substitute

NARROW = 4
"""Fewer rows do not fill the lanes."""


def turned(graph: Graph) -> Graph:
    """The graph with Σ_j A[i, j]·h[j] in scans as Σ_j Aᵀ[j, i]·h[j].

    >>> from codegen.ir.graph import Index, Reduction, Variable
    >>> t, i, j = Index("t", 9), Index("i", 8), Index("j", 8)
    >>> A, h, v = Variable("A", (8, 8)), Variable("h", (10, 8)), Variable("v", (9, 8))
    >>> first, product = Equation(h[0, i], i), Equation(v[t, i], A[i, j] * h[t, j], Reduction.SUM, (j,))
    >>> print(turned(Graph((A,), (first, product, Equation(h[t + 1, i], v[t, i])), ("h",))))
    inputs A[8, 8]
    h[0, i] = i
    turned1[j, i] = A[i, j]
    h[t + 1, i] = v[t, i]
    v[t, i] = Σ_j h[t, j]*turned1[j, i]
    outputs h
    """
    if not graph.scans:
        return graph
    names = fresh_names("turned", graph.variables)
    found: dict[Expr, Expr] = {}
    equations: list[Equation] = []
    for equation in graph.equations:
        hits = {}
        for reference, row, column in _across(graph, equation):
            if reference not in found:
                found[reference] = over(next(names), (column, row))
                equations.append(Equation(found[reference], reference))
            hits[reference] = found[reference]
        equations.append(equation.with_body(substitute(equation.body, hits)) if hits else equation)
    return graph.with_equations(equations)


def _across(graph: Graph, equation: Equation) -> Iterator[tuple[Expr, Idx, Idx]]:
    """What each step reads across the rows of a matrix that no step changes, with its row and its column."""
    row = subscripts(equation.target)[-1] if equation.free else None
    steps = [i for i in indices(equation.target) if i != row and not is_sample(i)]
    if not steps or not equation.is_sum or not isinstance(row, Idx):
        return
    if not isinstance(n := extent(row), int) or n < NARROW:
        return
    for reference in equation.references:
        column = subscripts(reference)[-1] if isinstance(reference, Indexed) else None
        variable = graph.variable(base_name(reference))
        given = variable.kind == "real" and not graph.definitions[variable.name]
        if given and column in equation.reduced and {*indices(reference)} == {row, column}:
            yield reference, row, column
