"""The computational graph as a drawing: Graphviz's DOT text, which ``dot -Tsvg`` turns into a picture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from sympy import Expr

from codegen.derive.accumulation import granted, ties
from codegen.derive.local import local_derivatives
from codegen.ir.equation import Equation
from codegen.ir.graph import Graph
from codegen.notation.text import Text, derivative
from codegen.notation.vocabulary import Vocabulary
from codegen.notation.writing import write, write_equation

LABEL = 120
"""A longer formula is cut: it would make its box wider than a screen."""


class HasGraph(Protocol):
    """What is drawn of a network."""

    @property
    def graph(self) -> Graph: ...


def draw(graph: Graph | HasGraph) -> str:
    """A box for each vertex with its equation, an arrow for each edge with its local derivative, in DOT.

    Inputs are ellipses, outputs have a double line; an arrow without derivative is dashed.

    >>> from codegen import from_expressions
    >>> from sympy import symbols
    >>> a, b = symbols("a b")
    >>> print(draw(from_expressions({"c": a * b}, [a, b])))
    digraph {
      rankdir=LR
      node [shape=box]
      v0 [label="a" shape=ellipse]
      v1 [label="b" shape=ellipse]
      v2 [label="c = a·b" peripheries=2]
      v0 -> v2 [label="∂c/∂a = b"]
      v1 -> v2 [label="∂c/∂b = a"]
    }
    """
    graph = graph if isinstance(graph, Graph) else graph.graph
    script = Text(Vocabulary.of(graph))
    return "\n".join(["digraph {", "  rankdir=LR", "  node [shape=box]", *_lines(graph, script), "}"])


def _lines(graph: Graph, script: Text) -> Iterator[str]:
    inputs = [cell for variable in graph.inputs for cell in graph.cells[variable.name]]
    numbers = {cell: number for number, cell in enumerate([*inputs, *(e.cell for e in graph.equations)])}
    for cell in inputs:
        reference = graph.variable(cell.name)[graph.keys[cell]]
        yield f"  v{numbers[cell]} [label={quoted(script.reference(reference).text)} shape=ellipse]"
    for equation in graph.equations:
        output = " peripheries=2" if equation.name in graph.outputs else ""
        yield f"  v{numbers[equation.cell]} [label={quoted(write_equation(equation, script))}{output}]"
    for equation in graph.equations:
        share, _ = ties(equation, str)
        local = local_derivatives(equation)
        for reference in equation.references:
            formula = granted(equation, share, local[reference]) if reference in local else None
            look = _edge(equation, reference, formula, script)
            for source in graph.resolve(reference):
                yield f"  v{numbers[source]} -> v{numbers[equation.cell]} [{look}]"


def _edge(equation: Equation, reference: Expr, formula: Expr | None, script: Text) -> str:
    if formula is None:
        return "style=dashed"
    name = derivative(script.reference(equation.target).text, script.reference(reference).text)
    return f"label={quoted(f'{name} = {write(formula, script).text}')}"


def quoted(label: str) -> str:
    r"""A label as a DOT string: nothing in it can end the string or is an escape of DOT's own.

    >>> print(quoted('a "b" \\n'))
    "a \"b\" \\n"
    """
    cut = label if len(label) <= LABEL else label[: LABEL - 1] + "…"
    return '"' + cut.replace("\\", "\\\\").replace('"', '\\"') + '"'
