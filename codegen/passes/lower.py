"""Write functions that emitters do not know out as formulas over those they do."""

from __future__ import annotations

from sympy.core.basic import Basic

from codegen.expression import rewrite
from codegen.functions import Composite, canonical
from codegen.graph import Graph


def lower(graph: Graph) -> Graph:
    """Replace ``silu(u)`` by ``u*sigmoid(u)``, ``Abs(u)`` by ``absolute(u)`` and so on.

    Written out, a value and its derivative share their parts.

    >>> from codegen import from_expressions
    >>> from codegen.functions import silu
    >>> from sympy import symbols
    >>> a = symbols("a")
    >>> print(lower(from_expressions({"e": silu(a)}, [a])).equations[0])
    e = a*sigmoid(a)
    """
    return graph.with_equations(e.with_body(canonical(rewrite(e.body, _define))) for e in graph.equations)


def _define(node: Basic) -> Basic | None:
    # A definition may use further composites; each rewrite strictly descends, so this ends.
    return rewrite(node.definition(), _define) if isinstance(node, Composite) else None
