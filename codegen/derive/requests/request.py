"""What is asked to be differentiated, checked, and the graph in the form that derivatives are taken of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

from sympy import Derivative, IndexedBase, MatrixSymbol, Symbol
from sympy.core.function import AppliedUndef

from codegen.derive.eliminations import with_inverses
from codegen.derive.maxima import plain_maxima
from codegen.derive.narrow import narrow
from codegen.errors import DerivationError, of_type
from codegen.ir.graph import Graph, Variable, require_graph
from codegen.passes.stabilise import stabilise
from codegen.read.motions import is_motion, motion_name

Named: TypeAlias = "str | Symbol | IndexedBase | MatrixSymbol | Variable | AppliedUndef | Derivative"
"""A vertex: its name, or what has its name."""
Wrt: TypeAlias = "Named | Iterable[Named]"
"""Several vertices, or one; a text is one name, not its letters."""


def name_of(given: Any, what: str = "of") -> str:
    """The name of a vertex. Raises :class:`DerivationError` for what has none.

    >>> name_of(Symbol("x")), name_of(IndexedBase("W"))
    ('x', 'W')
    """
    if isinstance(given, str):
        return given
    if isinstance(given, (Symbol, MatrixSymbol, Variable)):
        return str(given.name)
    if is_motion(given):
        return motion_name(given)
    if isinstance(given, IndexedBase):
        return str(given.label)
    expected = "expected a name, or a Symbol, IndexedBase, MatrixSymbol or Variable that has it"
    raise DerivationError(f"{what}: found {given!r}, {of_type(given)}, {expected}")


def names_of(given: Wrt, what: str = "wrt") -> list[str]:
    """The names of one vertex or of several.

    >>> names_of("xy"), names_of([Symbol("x"), "y"])
    (['xy'], ['x', 'y'])
    """
    if isinstance(given, (str, Symbol, IndexedBase, MatrixSymbol, Variable)) or not isinstance(given, Iterable):
        return [name_of(given, what)]
    return [name_of(found, what) for found in given]


def prepare(graph: Graph, of: Named, wrt: Wrt | None) -> tuple[Graph, str, list[str]]:
    """The graph, stabilised and narrow, and the names that are :func:`asked` for."""
    vertex, names = asked(graph, of, wrt)
    return prepared(graph, [vertex, *names]), vertex, names


def prepared(graph: Graph, keep: Sequence[str]) -> Graph:
    """The graph, stabilised and narrow, in which these vertices are what they were."""
    return with_inverses(narrow(plain_maxima(stabilise(graph, keep=keep))))


def asked(graph: Graph, of: Named, wrt: Wrt | None) -> tuple[str, list[str]]:
    """The name of ``of``, and those to differentiate by: all real inputs by default.

    Raises :class:`DerivationError` for what is no graph and a vertex that holds integers or is named twice, and
    :class:`~codegen.errors.GraphError` for one that is unknown.
    """
    require_graph(graph, DerivationError)
    vertex = name_of(of)
    if graph.variable(vertex).kind != "real":
        raise DerivationError(f"{vertex!r} holds integers: it has no derivative")
    names = [v.name for v in graph.inputs if v.kind == "real"] if wrt is None else names_of(wrt)
    for name in names:
        if graph.variable(name).kind != "real":
            raise DerivationError(f"{name!r} holds integers: there is no derivative with respect to it")
    if len(set(names)) != len(names):
        raise DerivationError(f"wrt names a vertex twice: {', '.join(names)}")
    return vertex, names


def require_scalar(graph: Graph, of: str, what: str) -> None:
    """Raise :class:`DerivationError` if ``of`` has axes."""
    if shape := graph.variable(of).shape:
        raise DerivationError(f"the {what} of {of!r} needs a scalar, but it has shape {shape}")
