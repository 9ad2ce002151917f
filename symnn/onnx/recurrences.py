"""What a Scan of ONNX has to know of an equation of a recurrence: its place, and how far back it reads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sympy import Expr, Symbol, expand

from codegen import Equation
from codegen.ir.cells import Pattern, target_cell
from codegen.ir.order import Scan
from codegen.walk import extent, is_fixed, subscripts


def equations_written_out(step: Equation | Scan) -> int | None:
    """As many equations as a recurrence is, step by step; None over a length that each call decides."""
    if not isinstance(step, Scan):
        return 1
    parts = [equations_written_out(part) for part in step.parts]
    lengths = [step.length, *(extent(step.index(equation)) for equation in step.equations)]
    return int(step.length) * sum(map(int, parts)) if None not in parts and is_fixed(lengths) else None  # type: ignore[arg-type]


@dataclass(frozen=True, eq=False)
class Cell:
    """What one equation of a recurrence assigns, at a place that is a symbol."""

    scan: Scan
    equation: Equation
    place: Symbol

    @cached_property
    def name(self) -> str:
        """The variable."""
        return self.equation.name

    @cached_property
    def axis(self) -> int:
        """The axis along which the steps go."""
        return self.scan.axes[self.name]

    @cached_property
    def placed(self) -> Equation:
        """The equation at the place."""
        return self.scan.at(self.equation, self.place)

    @cached_property
    def pattern(self) -> Pattern:
        """Which elements it assigns at all places."""
        return target_cell(self.equation.target).pattern

    def subscript(self, place: Expr, back: int = 0) -> Expr:
        """What stands on the axis so many steps before a place."""
        return expand(place - self.scan.shifts[self.name] - self.scan.step * back)

    def key(self, back: int) -> tuple[Any, ...]:
        """Its elements so many steps back, as references read them."""
        return _with(self.pattern, self.axis, self.subscript(self.place, back))

    def rest(self, pattern: Pattern) -> Pattern:
        """A pattern of the variable without the axis."""
        return pattern[: self.axis] + pattern[self.axis + 1 :]

    def back(self, name: str) -> int:
        """From how many steps before it reads a variable of the recurrence."""
        found = [0]
        for access in self.placed.reads:
            if access.cell.name == name:
                distance = expand(
                    self.place - self.scan.shifts[name] - subscripts(access.reference)[self.scan.axes[name]]
                )
                found += [self.scan.step * int(distance)] if distance.is_Integer else []
        return max(found)


def _with(pattern: Pattern, axis: int, part: Any) -> tuple[Any, ...]:
    return (*pattern[:axis], part, *pattern[axis + 1 :])
