"""Write functions that emitters do not know out as formulas over those they do."""

from __future__ import annotations

from collections.abc import Iterator

from sympy import Expr
from sympy.core.basic import Basic

from codegen.cached import once
from codegen.functions import Composite, canonical, canonical_node
from codegen.ir.equation import Equation
from codegen.ir.graph import Graph
from codegen.walk import fold, fresh_names, is_leaf, postorder, rebuild, references


def lower(graph: Graph) -> Graph:
    """Replace ``silu(u)`` by ``u*sigmoid(u)``, ``Abs(u)`` by ``absolute(u)`` and so on.

    Written out, a value and its derivative share their parts. One such function inside another becomes a vertex:
    written into each other they grow exponentially, and SymPy solves the conditions of a ``Piecewise`` in the other's.

    >>> from codegen import from_expressions
    >>> from codegen.functions import silu
    >>> from sympy import symbols
    >>> a = symbols("a")
    >>> print(lower(from_expressions({"e": silu(silu(a))}, [a])))
    inputs a
    f1 = a*sigmoid(a)
    e = f1*sigmoid(f1)
    outputs e
    """
    names = fresh_names("f", graph.variables)
    return graph.with_equations(part for equation in graph.equations for part in _lowered(equation, names))


def _lowered(equation: Equation, names: Iterator[str]) -> Iterator[Equation]:
    """The equation, after those of the vertices that it reads now."""
    if _is_low(equation):
        yield equation
        return
    vertices: dict[Expr, Equation] = {}

    def vertex(expression: Expr) -> Expr:
        if is_leaf(expression) or not references(expression):
            return expression
        if expression not in vertices:
            vertices[expression] = Equation.vertex(next(names), canonical(expression), equation.domain)
        return vertices[expression].target

    def step(node: Basic, arguments: list[tuple[Basic, bool]]) -> tuple[Basic, bool]:
        """The node written out, and whether there was anything to write out in it."""
        composite = isinstance(node, Composite)
        new = rebuild(node, [vertex(a) if composite and written else a for a, written in arguments])
        if isinstance(new, Composite):
            return fold(new.definition(), step)[0], True
        return new, any(written for _, written in arguments)

    body = canonical(fold(equation.body, step)[0])
    yield from vertices.values()
    yield equation.with_body(body)


@once
def _is_low(equation: Equation) -> bool:
    """Whether there is nothing to write out."""
    nodes = postorder(equation.body)
    return all(is_leaf(node) or (not isinstance(node, Composite) and canonical_node(node) is None) for node in nodes)
