"""The values in a scheduled program as text: what its printers have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from sympy import Expr, Idx, Indexed, Integer, Symbol

from codegen.emit.scalars import SCALAR, Dialect, ExpressionWriter
from codegen.schedule.program import Place, Program
from codegen.walk import Extent, base_name

Scope = Mapping[Idx, str]
"""The names of the indices of the loops around."""


class ValueWriter(ABC):
    """Writes the right-hand sides of a program's statements, in the dialect of its language."""

    program: Program
    temporaries: int
    dialect: Dialect = SCALAR

    def temporary(self) -> str:
        """A new name."""
        self.temporaries += 1
        return f"u{self.temporaries}"

    def expression(self, value: Expr, scope: Scope) -> tuple[list[str], str]:
        """The text of a value, and the statements before it that set what it uses twice."""
        lines: list[str] = []

        def assign(text: str) -> str:
            name = self.temporary()
            lines.append(self.setting(name, text))
            return name

        def integer_of(node: Expr) -> str | None:
            return self.integer_of(node, scope)

        def name_of(node: Expr) -> str:
            integer = integer_of(node)
            return self.text_of(node, scope) if integer is None else self.as_real(integer)

        text = ExpressionWriter(name_of, integer_of, self.number, assign, self.dialect).write(value)
        return lines, text

    def integer_of(self, node: Expr, scope: Scope) -> str | None:
        """The text of an index, a length, an integer or an input of integers; None for what is real."""
        if isinstance(node, Integer):
            return str(int(node))
        if isinstance(node, Idx):
            return self.position(node, scope, Place.INPUT)
        if isinstance(node, Symbol) and node.is_integer:
            return self.extent_name(node)
        if isinstance(node, (Indexed, Symbol)) and self.program.graph.variable(base_name(node)).kind == "integer":
            return self.text_of(node, scope)
        return None

    @abstractmethod
    def setting(self, name: str, text: str) -> str:
        """The statement that sets a temporary."""

    @abstractmethod
    def as_real(self, integer: str) -> str:
        """An integer in the type of the computation."""

    @abstractmethod
    def number(self, value: float) -> str:
        """A constant in the type of the computation, exact to the last bit."""

    @abstractmethod
    def extent_name(self, n: Extent) -> str:
        """A length."""

    @abstractmethod
    def position(self, subscript: Expr, scope: Scope, place: Place) -> str:
        """A subscript of what is kept in a place."""

    @abstractmethod
    def text_of(self, reference: Expr, scope: Scope) -> str:
        """A reference or target as it is stored."""
