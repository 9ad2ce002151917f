"""The values in a scheduled program as text: what its printers have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from sympy import Add, Expr, Idx, Indexed, Integer, Mul, Symbol
from sympy.core.basic import Basic

from codegen.cached import cached_property
from codegen.emit.integers import Integers
from codegen.emit.scalars import SCALAR, Dialect, ExpressionWriter, Text
from codegen.schedule.cut import is_sum_of_indices
from codegen.schedule.program import Bound, Place, Program
from codegen.walk import Extent, base_name, is_reference, subscripts

Scope = Mapping[Idx, str]
"""The names of the indices of the loops around."""


class ValueWriter(ABC):
    """Writes the right-hand sides of a program's statements, in the dialect of its language."""

    program: Program
    temporaries: int
    tile: Idx | None
    dialect: Dialect = SCALAR
    integers: Integers

    def temporary(self) -> str:
        """A new name."""
        self.temporaries += 1
        return f"u{self.temporaries}"

    @cached_property
    def _parts(self) -> dict[Basic, Text]:
        return {}

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

        def choose(node: Basic) -> str:
            name = self.temporary()
            lines.extend([*self.beginning(name), *self.branches(name, list(node.args), scope)])
            return name

        def whole(node: Expr) -> str:
            return self.integer_text(node, scope)

        text = ExpressionWriter(
            name_of, integer_of, self.number, assign, self.dialect, choose, whole, self._parts
        ).write(value)
        return lines, text

    def branches(self, name: str, branches: Sequence[Basic], scope: Scope) -> list[str]:
        """The statements that set a name to one of several values, of which the others are not evaluated."""
        value, condition = branches[0].args
        lines, text = self.expression(value, scope)
        then = [*lines, self.changing(name, text)]
        if condition == True:  # noqa: E712 - a SymPy boolean
            return then
        before, test = self.expression(condition, scope)
        rest = self.branches(name, branches[1:], scope) if branches[1:] else []
        return [*before, *self.choosing(test, then, rest)]

    def integer_of(self, node: Expr, scope: Scope) -> str | None:
        """The text of an index, a length, an integer or an input of integers; None for what is real."""
        if isinstance(node, Integer):
            return str(int(node))
        if isinstance(node, Idx):
            return self.position(node, scope, Place.INPUT)
        if isinstance(node, Symbol) and node.is_integer:
            return self.extent_name(node)
        if isinstance(node, (Add, Mul)) and is_sum_of_indices(node):
            return self.integer_text(node, scope)
        if isinstance(node, (Indexed, Symbol)) and base_name(node) in self.program.graph.integers:
            return self.text_of(node, scope)
        return None

    def integer_text(self, value: Expr, scope: Scope) -> str:
        """A sum of indices, lengths and integers, also of those that are data."""

        def named(part: Expr) -> str | None:
            if is_reference(part):
                text = self.text_of(part, scope)
                return text if base_name(part) in self.program.graph.integers else self.as_whole(text)
            if isinstance(part, Idx):
                name = self.position(part, scope, Place.INPUT)
                return f"({name})" if part == self.tile else name
            return self.length_name(part)

        return self.integers.text(value, named)

    def bound_text(self, bound: Bound, scope: Scope) -> str:
        """Where a loop begins or ends."""
        return self.integers.divided(self.integer_text(bound.over, scope), bound.divisor)

    def extent_name(self, n: Extent) -> str:
        """A length."""
        text = str(n) if isinstance(n, int) else self.integers.text(n, self.length_name)
        return f"({text})" if " " in text else text

    @abstractmethod
    def length_name(self, n: Expr) -> str | None:
        """The name of a length, if it has one."""

    @abstractmethod
    def setting(self, name: str, text: str) -> str:
        """The statement that sets a temporary."""

    @abstractmethod
    def beginning(self, name: str) -> list[str]:
        """What stands before the statements that change a name."""

    @abstractmethod
    def changing(self, name: str, text: str) -> str:
        """The statement that sets a name to something else."""

    @abstractmethod
    def choosing(self, condition: str, then: Sequence[str], otherwise: Sequence[str]) -> list[str]:
        """Statements that are carried out where a condition holds, and where it does not."""

    @abstractmethod
    def as_real(self, integer: str) -> str:
        """An integer in the type of the computation."""

    @abstractmethod
    def as_whole(self, real: str) -> str:
        """A whole number in the type of the computation as an integer."""

    @abstractmethod
    def number(self, value: float) -> str:
        """A constant in the type of the computation, exact to the last bit."""

    def position(self, subscript: Expr, scope: Scope, place: Place) -> str:
        """A subscript of what is kept in a place; work arrays of a tile count samples from its first."""
        if not isinstance(subscript, Idx):
            return str(int(subscript)) if subscript.is_Integer else self.integer_text(subscript, scope)
        name = scope[subscript]
        if subscript != self.tile or place is Place.TILE:
            return name
        return "first" if name == "0" else f"first + {name}"

    def key(self, reference: Expr) -> list[Expr]:
        """The subscripts along the axes that are stored."""
        return [subscripts(reference)[axis] for axis in self.program.storage_of(reference).axes]

    @abstractmethod
    def text_of(self, reference: Expr, scope: Scope) -> str:
        """A reference or target as it is stored."""
