"""Passes, each Graph → Graph: the same values, computed stably and with fewer operations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from codegen.cached import cached_property
from codegen.errors import GraphError
from codegen.ir.graph import Graph, require_graph
from codegen.ir.operations import Operations, count_operations, summary
from codegen.passes.contract import contract
from codegen.passes.lower import lower
from codegen.passes.pairs import paired
from codegen.passes.prune import prune
from codegen.passes.share import share
from codegen.passes.simplify import simplify
from codegen.passes.stabilise import stabilise
from codegen.passes.straight import count_nodes, is_large, lowered, settled
from codegen.passes.sums import factored

PASSES: Mapping[str, Callable[[Graph], Graph]] = {
    "stabilise": stabilise,
    "lower": lower,
    "simplify": simplify,
    "contract": contract,
    "share": share,
    "prune": prune,
}
"""The pipeline, in order."""

ON_NODES: Mapping[str, Callable[[Graph], Graph]] = {
    "stabilise": settled,
    "factor": factored,
    "lower": lowered,
    "share": paired,
}
"""That of large formulas without indices: on nodes the others have nothing to do."""


@dataclass(frozen=True)
class PassReport:
    """The operations of a graph before the first pass and after each, for so many samples.

    >>> from codegen import from_expressions, gradient
    >>> from sympy import symbols, tanh
    >>> u = symbols("u")
    >>> _, report = optimise(gradient(from_expressions({"a": tanh(u)}, [u]), "a"))
    >>> {name: counts.total() for name, counts in report.counts if name in ("derived", "prune")}
    {'derived': 5, 'prune': 3}
    """

    graph: Graph
    samples: int

    @cached_property
    def counts(self) -> tuple[tuple[str, Operations], ...]:
        """Counted when somebody asks, by the passes anew: graphs that are kept keep all that was found about them."""
        count = count_nodes if is_large(self.graph) else partial(count_operations, samples=self.samples)
        return tuple((name, count(graph)) for name, graph in _stages(self.graph))

    def __str__(self) -> str:
        width = max(len(name) for name, _ in self.counts)
        return "\n".join(f"{name:<{width}}  {counts.total():>8,}  {summary(counts)}" for name, counts in self.counts)


def optimise(graph: Graph, samples: int = 1) -> tuple[Graph, PassReport]:
    """Run every pass and report the operations, counted for ``samples`` samples.

    >>> from codegen import from_expressions, gradient
    >>> from sympy import symbols, tanh
    >>> u = symbols("u")
    >>> graph, report = optimise(gradient(from_expressions({"a": tanh(u)}, [u]), "a"))
    >>> print(graph)
    inputs u
    a = tanh(u)
    da/du = 1 - a**2
    outputs a, da/du
    """
    require_graph(graph, GraphError)
    *_, (_, best) = _stages(graph)
    return best, PassReport(graph, samples)


def _stages(graph: Graph) -> Iterator[tuple[str, Graph]]:
    """The graph before the first pass and after each."""
    yield "derived", graph
    for name, apply in (ON_NODES if is_large(graph) else PASSES).items():
        graph = apply(graph)
        yield name, graph


__all__ = ["PASSES", "PassReport", "contract", "lower", "optimise", "prune", "share", "simplify", "stabilise"]
