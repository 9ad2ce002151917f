"""The derivative as the sum over all paths: exponential, kept to teach and to test; and the number of paths, linear."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from math import log10

from sympy import Expr, Integer

from codegen.derive.accumulation import Totals, slope
from codegen.derive.edges import active_edges
from codegen.derive.eliminations import with_inverses
from codegen.derive.local import pull_back
from codegen.derive.requests.request import Named, Wrt, name_of, names_of
from codegen.errors import DerivationError
from codegen.ir.equation import called
from codegen.ir.graph import Cell, Equation, Graph, Variable, require_graph
from codegen.ir.summation import Summand
from codegen.walk import references

PATH_LIMIT = 10_000
"""The number of paths above which :func:`paths` refuses."""
LONG_PRODUCT = 8
"""A product of more references is a vertex of its own: SymPy flattens nested products at quadratic cost."""


@dataclass(frozen=True)
class PathCount:
    """How many paths lead from each input to a vertex, and over how many edges.

    >>> count = PathCount("e", {"a": 1, "b": 2}, 5)
    >>> count.paths, str(count)
    (3, '3 paths to e over 5 edges')
    """

    of: str
    by_input: Mapping[str, int]
    edges: int

    @property
    def paths(self) -> int:
        """Paths from any input."""
        return sum(self.by_input.values())

    def __str__(self) -> str:
        return f"{_number(self.paths)} paths to {self.of} over {self.edges:,} edges"


def count_paths(graph: Graph, of: Named, wrt: Wrt | None = None) -> PathCount:
    """Count the paths from the inputs to ``of`` without walking them: one pass over the edges.

    >>> from codegen import from_expressions
    >>> from sympy import symbols
    >>> a, b, c, d = symbols("a b c d")
    >>> print(count_paths(from_expressions({"c": a + b, "d": b + 1, "e": c * d}, [a, b]), "e"))
    3 paths to e over 5 edges
    """
    require_graph(graph, DerivationError)
    of = name_of(of)
    sources = [v.name for v in graph.inputs if v.kind == "real"] if wrt is None else names_of(wrt)
    for name in (of, *sources):
        graph.variable(name)  # an error that lists the known names
    graph = _without_scans(with_inverses(graph))
    edges, active = active_edges(graph, of, sources)
    found: dict[Cell, int] = defaultdict(int, dict.fromkeys(graph.cells[of], 1))
    touched = 0
    for equation in reversed(graph.equations):
        if equation.cell in edges and found[equation.cell]:
            for reference in edges[equation.cell]:
                for cell in graph.read_at(equation, reference):
                    if cell in active:
                        found[cell] += found[equation.cell]
                        touched += 1
    return PathCount(of, {name: sum(found[cell] for cell in graph.cells[name]) for name in sources}, touched)


def paths(graph: Graph, of: str, wrt: Sequence[str], limit: int = PATH_LIMIT) -> Graph:
    """Append d of/d w as the sum, over every path from w to ``of``, of the product of the local derivatives on it.

    Nothing is shared between paths that meet: that is the point. Raises :class:`DerivationError` above ``limit`` paths.
    """
    graph = _without_scans(graph)
    counted = count_paths(graph, of, wrt)
    if counted.paths > limit:
        raise DerivationError(
            f"the sum over all paths has {_number(counted.paths)} paths from {', '.join(wrt)} to {of}, more than the "
            f"limit of {limit:,}; the reverse method touches {counted.edges:,} edges instead"
        )
    walk = _Walk(graph, of, wrt)
    return graph.with_equations(walk.equations(), [of, *(walk.total(name) for name in wrt)])


def _without_scans(graph: Graph) -> Graph:
    """What reads its own earlier values written out: the paths go through each step. Any other graph as it is."""
    written = graph.unroll() if graph.scans else graph
    if written.scans:
        one = next(iter(written.scans)).name
        raise DerivationError(
            f"{one!r} reads its own earlier values, and each call decides of how many steps: paths go through each, so "
            "their number has to be known"
        )
    return written


class _Walk:
    """All paths, from ``of`` towards the inputs, depth first."""

    def __init__(self, graph: Graph, of: str, wrt: Sequence[str]) -> None:
        self.graph, self.of, self.wrt, self.totals = graph, of, wrt, Totals(graph)
        self.edges, self.active = active_edges(graph, of, wrt)
        self.definition = {equation.cell: equation for equation in graph.equations}
        self.numbers = count(1)

    def total(self, name: str) -> str:
        return self.totals.named(slope(self.of, name))

    def equations(self) -> list[Equation]:
        ended: dict[Cell, list[Summand]] = defaultdict(list)
        stack: list[tuple[Cell, Summand]] = [(Cell(self.of, ()), Summand(Integer(1)))]
        while stack:
            cell, product = stack.pop()
            if cell.name in self.wrt:
                ended[cell].append(product)
            if cell in self.edges:
                stack.extend(reversed(list(self._steps(self.definition[cell], product))))
        for name in self.wrt:
            variable = Variable(self.total(name), self.graph.variable(name).shape)
            for cell in self.graph.cells[name]:
                self.totals.total(variable[self.graph.keys[cell]], ended[cell])
        return self.totals.equations

    def _steps(self, equation: Equation, product: Summand) -> Iterator[tuple[Cell, Summand]]:
        """The vertices that one vertex reads, each with the product of the path prolonged by that edge."""
        adjoint = self._adjoint(equation, product)
        for reference, local in self.edges[equation.cell].items():
            longer = self.totals.guards.product(self.totals.multiplier(equation, reference, local), adjoint)
            for cell in self.graph.read_at(equation, reference):
                if cell in self.active:
                    term = pull_back(
                        longer, equation.domain_of(reference, local), reference, cell, self.graph.keys[cell]
                    )
                    if term is not None:
                        yield cell, term

    def _adjoint(self, equation: Equation, product: Summand) -> Expr:
        """The product so far; a sum, or a long product, becomes a vertex."""
        if not product.reduced and len(references(product.body)) <= LONG_PRODUCT:
            return product.body
        name = self.totals.named(f"{self.total(equation.name)} on path {next(self.numbers)}")
        return self.totals.total(called(name, equation.target), [product])


def _number(n: int) -> str:
    """Exact as long as it can be read; Python refuses to print more than 4,300 digits."""
    return f"{n:,}" if n < 10**15 else f"about 10^{int(log10(n))}"
