"""Drop the equations that no output needs."""

from __future__ import annotations

from codegen.ir.graph import Graph


def prune(graph: Graph) -> Graph:
    """Keep what the outputs are computed from; inputs stay, they are the signature.

    >>> from codegen import from_expressions
    >>> from sympy import symbols
    >>> a, b = symbols("a b")
    >>> print(prune(from_expressions({"c": a + b, "d": a * b}, [a, b]).with_outputs("d")))
    inputs a, b
    d = a*b
    outputs d
    """
    needed = graph.upstream(*graph.outputs)
    return graph.with_equations(equation for equation in graph.equations if equation.cell in needed)
