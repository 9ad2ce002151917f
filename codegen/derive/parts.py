"""Parts of a formula as vertices of their own."""

from __future__ import annotations

from collections.abc import Callable

from sympy import Expr, Piecewise

from codegen.functions import canonical, select
from codegen.ir.equation import Equation
from codegen.ir.graph import Graph
from codegen.ir.names import Names
from codegen.walk import postorder, references


class Parts:
    """What is cut out of one equation; equal parts are one vertex."""

    def __init__(self, equation: Equation, names: Names) -> None:
        self.equation, self.names = equation, names
        self.found: dict[Expr, Equation] = {}

    def vertex(self, part: Expr, kind: str) -> Expr:
        """The reference that stands for a part, named by its kind and number."""
        if part not in self.found:
            name = self.names(f"{kind}{len(self.found) + 1} of {self.equation.target}")
            self.found[part] = Equation.vertex(name, canonical(part), self.equation.domain)
        return self.found[part].target

    def definition(self, reference: Expr) -> Expr:
        """What stands for a part, or the reference itself."""
        return next((part for part, equation in self.found.items() if equation.target == reference), reference)

    def equations(self, body: Expr) -> list[Equation]:
        """The parts that are read, then the equation with the body that is left."""
        body = canonical(body)  # of (x²)^½ SymPy makes |x| where x is a vertex now
        kept, read = [self.equation.with_body(body)], {*references(body)}
        for equation in reversed(self.found.values()):
            if equation.target in read:
                kept.append(equation)
                read.update(equation.references)
        return kept[::-1]


def with_parts(graph: Graph, cut: Callable[[Equation, Names], list[Equation]]) -> Graph:
    """The graph with each equation cut as said; as it is where nothing is."""
    names = Names(graph.variables)
    equations = [part for equation in graph.equations for part in cut(equation, names)]
    return graph.with_equations(equations) if len(equations) > len(graph.equations) else graph


def chooses(body: Expr) -> bool:
    """Whether a formula has branches: what is not chosen may have no value, so it is not cut."""
    return any(isinstance(node, (Piecewise, select)) for node in postorder(body))
