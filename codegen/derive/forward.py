"""Forward accumulation: the total derivative of every vertex with respect to each of ``wrt``, in evaluation order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sympy import Expr, Idx, Integer, Mul

from codegen.derive.edges import active_edges
from codegen.derive.local import accumulate, ties
from codegen.derive.names import Names
from codegen.expression import base_name, fresh_index, reindex, subscripts
from codegen.functions import equal
from codegen.graph import Cell, Equation, Graph, Variable
from codegen.summation import Summand, summand


def forward(graph: Graph, of: str, wrt: Sequence[str]) -> Graph:
    """Append, for every vertex v between ``wrt`` and ``of``, the equation of d v/d w, one sweep for each w.

    d v/d w has the subscripts of v followed by those of w; the seed d w/d w is an Iverson bracket, which is never
    stored: sums over it are carried out as they are written.
    """
    names = Names(graph)
    derived = [equation for name in wrt for equation in _Sweep(graph, of, name, names).equations()]
    return graph.with_equations([*graph.equations, *derived], [of, *(names.total(of, name) for name in wrt)])


class _Sweep:
    """The derivatives with respect to one variable."""

    def __init__(self, graph: Graph, of: str, wrt: str, names: Names) -> None:
        self.graph, self.of, self.wrt, self.names = graph, of, wrt, names
        self.edges, self.active = active_edges(graph, of, [wrt])
        self.source = graph.variable(wrt)
        self.seed = _seed_indices(graph, self.source)

    def equations(self) -> Iterator[Equation]:
        for equation in self.graph.equations:
            if equation.name != self.wrt and equation.cell in self.edges:
                yield from self._derivative(equation)
        if self.of == self.wrt or (self.of, ()) not in self.edges:
            target = Variable(self.names.total(self.of, self.wrt), self.source.shape)[self.seed]
            yield Equation(target, Integer(self.of == self.wrt))

    def _derivative(self, equation: Equation) -> Iterator[Equation]:
        share, counting = ties(equation, self.names(f"ties({equation.name})/d{self.wrt}"))
        yield from counting
        terms = [
            term
            for reference, local in self.edges[equation.cell].items()
            for term in self._terms(equation, reference, share * local)
        ]
        yield from accumulate(self._tangent(equation.target), terms, self.names)

    def _tangent(self, reference: Expr) -> Expr:
        """The derivative of what a reference reads."""
        name, key = base_name(reference), subscripts(reference)
        if name == self.wrt:
            return Mul(*[equal(a, b) for a, b in zip(key, self.seed)])
        shape = self.graph.variable(name).shape + self.source.shape
        return Variable(self.names.total(name, self.wrt), shape)[(*key, *self.seed)]

    def _terms(self, equation: Equation, reference: Expr, factor: Expr) -> Iterator[Summand]:
        """Σ factor × tangent: one term, or one an element where only some of those that are read depend on ``wrt``."""
        cells = self.graph.resolve(reference)
        if all(cell in self.active for cell in cells):
            yield summand(factor * self._tangent(reference), equation.reduced)
            return
        for cell in cells:
            element = _element(reference, cell)
            if cell in self.active and element is not None:
                summed = {i: m for i, m in element.items() if i in equation.reduced}
                picked = [equal(i, m) for i, m in element.items() if i not in summed]
                body = Mul(reindex(factor, summed), self._tangent(reindex(reference, element)), *picked)
                yield summand(body, [i for i in equation.reduced if i not in summed])


def _element(reference: Expr, cell: Cell) -> dict[Idx, Integer] | None:
    """The values of a reference's indices at which it reads this vertex; None if a diagonal passes it by."""
    values: dict[Idx, Integer] = {}
    for index, m in zip(subscripts(reference), cell[1]):
        if isinstance(index, Idx) and m is not None and values.setdefault(index, Integer(m)) != m:
            return None
    return values


def _seed_indices(graph: Graph, source: Variable) -> tuple[Idx, ...]:
    """Indices for the axes of ``wrt``, under names that the graph does not use."""
    taken = set(graph.index_names)
    found: list[Idx] = []
    for letter, n in zip("ijklmn" * len(source.shape), source.shape):
        found.append(fresh_index(Idx(letter, n), taken))
        taken.add(str(found[-1].label))
    return tuple(found)
