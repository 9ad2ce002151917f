"""Parts of a formula as vertices of their own."""

from __future__ import annotations

from sympy import Expr, Piecewise

from codegen.functions import select
from codegen.ir.equation import Equation
from codegen.ir.names import Names
from codegen.walk import postorder


class Parts:
    """What is cut out of one equation; equal parts are one vertex."""

    def __init__(self, equation: Equation, names: Names) -> None:
        self.equation, self.names = equation, names
        self.found: dict[Expr, Equation] = {}

    def vertex(self, part: Expr, kind: str) -> Expr:
        """The reference that stands for a part, named by its kind and number."""
        if part not in self.found:
            name = self.names(f"{kind}{len(self.found) + 1} of {self.equation.target}")
            self.found[part] = Equation.vertex(name, part, self.equation.domain)
        return self.found[part].target

    def equations(self, body: Expr) -> list[Equation]:
        """The parts, then the equation with the body that is left."""
        return [*self.found.values(), self.equation.with_body(body)]


def chooses(body: Expr) -> bool:
    """Whether a formula has branches: what is not chosen may have no value, so it is not cut."""
    return any(isinstance(node, (Piecewise, select)) for node in postorder(body))
