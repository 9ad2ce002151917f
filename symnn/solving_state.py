"""What a run of :func:`symnn.solve` has come to after a step, and as numbers and tensors in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isclose, isfinite
from typing import Annotated, TypeAlias

import numpy as np
from pydantic import Field

from symnn.lbfgs import Pair, Standing
from symnn.linesearch import Iterate
from symnn.optimisers import OPTIMISERS
from symnn.resuming import (
    Count,
    Expected,
    Keeping,
    Numbers,
    Seconds,
    State,
    Strict,
    anything,
    infinity_for_none,
    none_for_infinity,
)

SAME = 1e-6
"""Losses at the first parameters that differ by no more than this part are of one objective, on whatever processor."""


@dataclass(frozen=True, eq=False)
class AdamStanding:
    """Where Adam stands: an iterate, its moments, the number of the next step since they were 0, and its rate."""

    here: Iterate
    moments: tuple[np.ndarray, ...]
    step: int
    rate: float


@dataclass(frozen=True, eq=False)
class Reached:
    """Where a method stands, the best point seen, the steps made, and the points without a finite loss and gradient."""

    at: Standing | AdamStanding
    best: Iterate
    iterations: int
    refused: int

    def state(self, begun_with: Mapping[str, str], first_loss: float, seconds: float) -> State:
        """What is kept of it in a file."""
        own, tensors = _lbfgs(self.at) if isinstance(self.at, Standing) else _adam(self.at)
        numbers = ReachedNumbers(
            begun_with=dict(begun_with),
            first_loss=first_loss,
            seconds=seconds,
            iterations=self.iterations,
            refused=self.refused,
            best_loss=self.best.loss,
            here_loss=self.at.here.loss,
            method=own,
        )
        points = {"best": self.best, "here": self.at.here}
        tensors |= {f"{name}.theta": point.theta for name, point in points.items()}
        return State(numbers, tensors | {f"{name}.gradient": point.gradient for name, point in points.items()})

    @classmethod
    def read(
        cls, keeping: Keeping, resume: bool, begun_with: Mapping[str, str], first: Iterate, memory: int
    ) -> tuple[Reached, float] | None:
        """What is kept of a run that began at ``first``, and the seconds it took; None where there is no file."""
        most = first.theta.nbytes * (2 * memory + 5)
        found = keeping.content(resume, ReachedNumbers, most)
        if found is None:
            return None
        numbers, raw = found
        keeping.require_same(numbers.begun_with, begun_with)
        keeping.require(
            isclose(numbers.first_loss, first.loss, rel_tol=SAME),
            f"the state of a run whose first loss was {numbers.first_loss:.15g}, expected that of this objective, "
            f"{first.loss:.15g}",
        )
        shape = first.theta.shape
        expected = {f"{name}.{part}": Expected("float64", shape) for name in ("best", "here") for part in _PARTS}
        own = numbers.method
        if isinstance(own, LbfgsNumbers):
            count = len(own.curvatures)
            keeping.require(count == len(own.squares) <= memory, f"{count} pairs, expected at most {memory}")
            expected["start"] = Expected("float64", shape)
            expected |= {name: Expected("float64", (count, *shape)) for name in ("steps", "changes")}
        else:
            expected |= {name: Expected("float64", shape, anything) for name in OPTIMISERS["adam"].state}
        tensors = keeping.tensors(raw, expected)
        best, here = (
            Iterate(tensors[f"{name}.theta"], loss, tensors[f"{name}.gradient"])
            for name, loss in (("best", numbers.best_loss), ("here", numbers.here_loss))
        )
        at: Standing | AdamStanding
        if isinstance(own, LbfgsNumbers):
            patience, length = map(infinity_for_none, (own.patience, own.length))
            pairs = tuple(map(Pair, tensors["steps"], tensors["changes"], own.curvatures, own.squares))
            at = Standing(here, tensors["start"], pairs, length, own.cut, patience, own.moved)
        else:
            moments = tuple(tensors[name] for name in OPTIMISERS["adam"].state)
            at = AdamStanding(here, moments, own.step, own.rate)
        return cls(at, best, numbers.iterations, numbers.refused), numbers.seconds


_PARTS = ("theta", "gradient")


def _lbfgs(at: Standing) -> tuple[LbfgsNumbers, dict[str, np.ndarray]]:
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


def _adam(at: AdamStanding) -> tuple[AdamNumbers, dict[str, np.ndarray]]:
    moments = dict(zip(OPTIMISERS["adam"].state, at.moments, strict=True))
    return AdamNumbers(step=at.step, rate=at.rate), moments


# --- numbers ------------------------------------------------------------------------------------------------------

Positive: TypeAlias = Annotated[float, Field(gt=0)]


class AdamNumbers(Strict):
    """Those of :class:`AdamStanding`."""

    step: Annotated[Count, Field(ge=1)]
    rate: Annotated[float, Field(ge=0)]


class LbfgsNumbers(Strict):
    """Those of :class:`~symnn.lbfgs.Standing`; None stands for infinity."""

    length: Annotated[float, Field(ge=0)] | None
    cut: Count
    patience: Count | None
    moved: bool
    curvatures: list[Positive]
    squares: list[Positive]


class ReachedNumbers(Numbers):
    """Those of :class:`Reached`."""

    first_loss: float
    seconds: Seconds
    iterations: Count
    refused: Count
    best_loss: float
    here_loss: float
    method: AdamNumbers | LbfgsNumbers
