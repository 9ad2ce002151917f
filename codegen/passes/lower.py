"""Write composite functions out as the formulas over primitives that they abbreviate."""

from __future__ import annotations

from sympy.core.basic import Basic

from codegen.expression import postorder, rewrite
from codegen.functions import Composite
from codegen.graph import Graph


def lower(graph: Graph) -> Graph:
    """Replace ``silu(u)`` by ``u*sigmoid(u)`` and so on, so that value and derivative share their parts.

    >>> from codegen import from_expressions
    >>> from codegen.functions import silu
    >>> from sympy import symbols
    >>> a = symbols("a")
    >>> print(lower(from_expressions({"e": silu(a)}, [a])).equations[0])
    e = a*sigmoid(a)
    """
    return graph.with_equations(
        e.with_body(rewrite(e.body, _define)) if any(isinstance(n, Composite) for n in postorder(e.body)) else e
        for e in graph.equations
    )


def _define(node: Basic) -> Basic | None:
    # A definition may use further composites; each rewrite strictly descends, so this ends.
    return rewrite(node.definition(), _define) if isinstance(node, Composite) else None
