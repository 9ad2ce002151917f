"""What is asked to be differentiated, checked, and the graph in the form that derivatives are taken of."""

from __future__ import annotations

from collections.abc import Sequence

from codegen.derive.maxima import plain_maxima
from codegen.errors import DerivationError
from codegen.graph import Graph
from codegen.passes.stabilise import stabilise


def prepare(graph: Graph, of: str, wrt: Sequence[str] | None) -> tuple[Graph, list[str]]:
    """The stabilised graph, and the names to differentiate by: all real inputs by default.

    Raises :class:`DerivationError` for a vertex that holds integers or is named twice, and
    :class:`~codegen.errors.GraphError` for one that is unknown.
    """
    if graph.variable(of).kind != "real":
        raise DerivationError(f"{of!r} holds integers: it has no derivative")
    names = [v.name for v in graph.inputs if v.kind == "real"] if wrt is None else list(wrt)
    for name in names:
        if graph.variable(name).kind != "real":
            raise DerivationError(f"{name!r} holds integers: there is no derivative with respect to it")
    if len(set(names)) != len(names):
        raise DerivationError(f"wrt names a vertex twice: {', '.join(names)}")
    return plain_maxima(stabilise(graph, keep=[of, *names])), names


def require_scalar(graph: Graph, of: str, what: str) -> None:
    """Raise :class:`DerivationError` if ``of`` has axes."""
    if shape := graph.variable(of).shape:
        raise DerivationError(f"the {what} of {of!r} needs a scalar, but it has shape {shape}")
