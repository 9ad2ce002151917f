"""The derivative as the sum over all paths: exponential, kept to teach and to test; and the number of paths, linear."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sympy import Integer

from codegen.derive.local import (
    Summand,
    accumulate,
    pull_back,
    ties,
    total_name,
)
from codegen.derive.reverse import active_edges
from codegen.errors import DerivationError
from codegen.expression import references, shape, subscripts
from codegen.graph import Cell, Equation, Graph, Variable

PATH_LIMIT = 10_000
"""The number of paths above which :func:`paths` refuses."""


@dataclass(frozen=True)
class PathCount:
    """How many paths lead from each input to a vertex, and over how many edges."""

    of: str
    by_input: Mapping[str, int]
    edges: int

    @property
    def paths(self) -> int:
        """Paths from any input."""
        return sum(self.by_input.values())

    def __str__(self) -> str:
        return f"{self.paths:,} paths to {self.of} over {self.edges:,} edges"


def count_paths(graph: Graph, of: str, wrt: Sequence[str] | None = None) -> PathCount:
    """Count the paths from the inputs to ``of`` without walking them: one pass over the edges.

    >>> from codegen import from_expressions
    >>> from sympy import symbols
    >>> a, b, c, d = symbols("a b c d")
    >>> print(count_paths(from_expressions({"c": a + b, "d": b + 1, "e": c * d}, [a, b]), "e"))
    3 paths to e over 5 edges
    """
    graph.variable(of)
    sources = [v.name for v in graph.inputs if v.kind == "real"] if wrt is None else list(wrt)
    edges, active = active_edges(graph, of, sources)
    count: dict[Cell, int] = defaultdict(int)
    for cell in graph.cells[of]:
        count[cell] = 1
    touched = 0
    for equation in reversed(graph.equations):
        if equation.cell in edges and count[equation.cell]:
            for reference in edges[equation.cell]:
                for cell in graph.resolve(reference):
                    if cell in active:
                        count[cell] += count[equation.cell]
                        touched += 1
    return PathCount(of, {name: sum(count[cell] for cell in graph.cells[name]) for name in sources}, touched)


def paths(graph: Graph, of: str, wrt: Sequence[str], limit: int = PATH_LIMIT) -> Graph:
    """Append d of/d w as the sum, over every path from w to ``of``, of the product of the local derivatives on it.

    Nothing is shared between paths that meet: that is the point. Raises :class:`DerivationError` above ``limit`` paths.
    """
    found = count_paths(graph, of, wrt)
    if found.paths > limit:
        raise DerivationError(
            f"the sum over all paths has {_number(found.paths)} paths from {', '.join(wrt)} to {of}, more than the limit of "
            f"{limit:,}; the reverse method touches {found.edges:,} edges instead"
        )
    edges, active = active_edges(graph, of, wrt)
    equations = {equation.cell: equation for equation in graph.equations}
    collected: dict[Cell, list[Summand]] = defaultdict(list)
    derived: list[Equation] = []
    walked = 0
    stack: list[tuple[Cell, Summand]] = [((of, ()), Summand(Integer(1)))]
    while stack:
        cell, product = stack.pop()
        if cell[0] in wrt:
            collected[cell].append(product)
        if cell not in edges:
            continue
        equation = equations[cell]
        adjoint = product.body
        if product.reduced or len(references(adjoint)) > 8:
            # A sum, or a long product, is a vertex of its own: SymPy flattens nested products at quadratic cost.
            walked += 1
            name = f"d{of}/d{cell[0]} on path {walked}"
            target = Variable(name, shape(equation.target))[subscripts(equation.target)]
            derived.extend(accumulate(target, [product]))
            adjoint = target
        share, counting = ties(equation, f"path {walked} of {of}")
        derived.extend(counting)
        for reference, local in reversed(edges[cell].items()):
            for source in graph.resolve(reference):
                if source in active:
                    key = graph.keys[source]
                    term = pull_back(adjoint * share * local, equation.domain, reference, source, key)
                    if term is not None:
                        stack.append((source, term))
    for name in wrt:
        variable = Variable(total_name(of, name), graph.variable(name).shape)
        for cell in graph.cells[name]:
            derived.extend(accumulate(variable[graph.keys[cell]], collected[cell]))
    return graph.with_equations([*graph.equations, *derived], [of, *(total_name(of, name) for name in wrt)])


def _number(count: int) -> str:
    return (
        f"{count:,}"
        if count < 10**15
        else f"about 10^{len(str(count)) - 1 if count < 10**4000 else count.bit_length() * 3 // 10}"
    )
