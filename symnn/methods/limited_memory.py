"""L-BFGS as a method among others: :mod:`symnn.lbfgs` with its settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import Annotated, Any, ClassVar, TypeAlias

import numpy as np
from pydantic import Field

from symnn.lbfgs import Pair, Standing, lbfgs
from symnn.linesearch import Iterate
from symnn.methods.method import Method, Problem
from symnn.resuming import Count, Expected, Strict, infinity_for_none, none_for_infinity

Positive: TypeAlias = Annotated[float, Field(gt=0)]


class LbfgsNumbers(Strict):
    """Those of :class:`~symnn.lbfgs.Standing`; None stands for infinity."""

    length: Annotated[float, Field(ge=0)] | None
    cut: Count
    patience: Count | None
    moved: bool
    curvatures: list[Positive]
    squares: list[Positive]


class Lbfgs(Method):
    """L-BFGS (Liu, Nocedal 1989) with the last ``memory`` pairs of steps and changes of the gradient."""

    memory: Annotated[int, Field(ge=1)] = 50

    standing: ClassVar[type] = Standing
    numbers: ClassVar[type[Strict]] = LbfgsNumbers

    def steps(self, problem: Problem, start: Iterate | Standing) -> Iterator[Standing]:
        """Where it stands after each step."""
        return lbfgs(problem.evaluate, start, self.memory)

    def moved(self, at: Standing, here: Iterate) -> Standing:
        """The pairs are forgotten, which told of another loss."""
        return Standing(here, at.start)

    def written(self, at: Standing) -> tuple[Strict, Mapping[str, np.ndarray]]:
        """The pairs, and where it began."""
        numbers = LbfgsNumbers(
            length=none_for_infinity(at.length),
            cut=at.cut,
            patience=int(at.patience) if isfinite(at.patience) else None,
            moved=at.moved,
            curvatures=[pair.curvature for pair in at.pairs],
            squares=[pair.square for pair in at.pairs],
        )
        shape = (len(at.pairs), at.here.theta.size)
        steps = np.array([pair.step for pair in at.pairs]).reshape(shape)
        changes = np.array([pair.change for pair in at.pairs]).reshape(shape)
        return numbers, {"start": at.start, "steps": steps, "changes": changes}

    def expected(self, numbers: Any, size: int) -> Mapping[str, Expected]:
        """The pairs, and where it began."""
        count = len(numbers.curvatures)
        if not count == len(numbers.squares) <= self.memory:
            raise ValueError(f"{count} pairs, expected at most {self.memory}")
        pairs = {name: Expected("float64", (count, size)) for name in ("steps", "changes")}
        return {"start": Expected("float64", (size,)), **pairs}

    def read(self, here: Iterate, numbers: Any, tensors: Mapping[str, np.ndarray]) -> Standing:
        """The standing that was written."""
        patience, length = map(infinity_for_none, (numbers.patience, numbers.length))
        pairs = tuple(map(Pair, tensors["steps"], tensors["changes"], numbers.curvatures, numbers.squares))
        return Standing(here, tensors["start"], pairs, length, numbers.cut, patience, numbers.moved)

    def most(self, size: int) -> int:
        """The pairs, and where it began."""
        return size * (2 * self.memory + 1)
