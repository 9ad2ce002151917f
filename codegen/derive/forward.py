"""Forward accumulation: the total derivative of every vertex with respect to each of ``wrt``, in evaluation order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sympy import Expr, Idx, Integer, Mul

from codegen.derive.local import Summand, accumulate, summand, ties, total_name
from codegen.derive.reverse import active_edges
from codegen.expression import base_name, fresh_index, reindex, subscripts
from codegen.functions import equal
from codegen.graph import Cell, Equation, Graph, Variable


def forward(graph: Graph, of: str, wrt: Sequence[str]) -> Graph:
    """Append, for every vertex v between ``wrt`` and ``of``, the equation of d v/d w, one sweep for each w.

    d v/d w has the subscripts of v followed by those of w; the seed d w/d w is an Iverson bracket, which is never
    stored: sums over it are carried out as they are written.
    """
    derived = [equation for name in wrt for equation in _sweep(graph, of, name)]
    return graph.with_equations([*graph.equations, *derived], [of, *(total_name(of, name) for name in wrt)])


def _sweep(graph: Graph, of: str, wrt: str) -> list[Equation]:
    edges, active = active_edges(graph, of, [wrt])
    source = graph.variable(wrt)
    seed = _seed_indices(graph, source)
    derived: list[Equation] = []

    def tangent(reference: Expr) -> Expr:
        name, key = base_name(reference), subscripts(reference)
        if name == wrt:
            return Mul(*[equal(a, b) for a, b in zip(key, seed)])
        variable = graph.variable(name)
        return Variable(total_name(name, wrt), variable.shape + source.shape)[(*key, *seed)]

    for equation in graph.equations:
        if equation.name == wrt:
            continue
        terms: list[Summand] = []
        if equation.cell in edges:
            share, counting = ties(equation, wrt)
            derived.extend(counting)
            for reference, local in edges[equation.cell].items():
                for body, domain in _by_cell(graph, equation, reference, share * local * tangent(reference), active):
                    term = summand(body, domain)
                    if term.body != 0:
                        terms.append(term)
        if terms or equation.name == of:
            derived.extend(accumulate(tangent(equation.target), terms))
    if of == wrt or not graph.definitions[of]:
        derived.append(Equation(Variable(total_name(of, wrt), source.shape)[seed], Integer(int(of == wrt))))
    return derived


def _by_cell(
    graph: Graph, equation: Equation, reference: Expr, body: Expr, active: set[Cell]
) -> Iterator[tuple[Expr, tuple[Idx, ...]]]:
    """The term over the elements that depend on ``wrt``; one piece unless the reference crosses single elements."""
    cells = graph.resolve(reference)
    if all(cell in active for cell in cells):
        yield body, equation.reduced
        return
    for cell in cells:
        if cell in active:
            crossed = [
                (i, Integer(m)) for i, m in zip(subscripts(reference), cell[1]) if isinstance(i, Idx) and m is not None
            ]
            fixed = {i: m for i, m in crossed if i in equation.reduced}
            brackets = [equal(i, m) for i, m in crossed if i not in fixed]
            yield Mul(reindex(body, fixed), *brackets), tuple(i for i in equation.reduced if i not in fixed)


def _seed_indices(graph: Graph, source: Variable) -> tuple[Idx, ...]:
    taken = set(graph.index_names)
    found: list[Idx] = []
    for axis, n in enumerate(source.shape):
        index = fresh_index(Idx(f"{'ijklmn'[axis % 6]}", n), taken)
        taken.add(str(index.label))
        found.append(index)
    return tuple(found)
