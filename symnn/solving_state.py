"""What a run of :func:`symnn.solve` has come to after a step, and as numbers and tensors in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isclose
from typing import Any

import numpy as np
from pydantic import ValidationError

from symnn.least_squares import LeastSquares
from symnn.linesearch import Iterate
from symnn.methods import Method, Standing
from symnn.resuming import Count, Expected, Keeping, Numbers, Seconds, State
from symnn.suggest import quote

SAME = 1e-6
"""Losses at the first parameters that differ by no more than this part are of one objective, on whatever processor."""


@dataclass(frozen=True, eq=False)
class Renewed:
    """How often points and weights have been renewed, after how many steps the last time, and what they were then."""

    count: int = 0
    after: int = 0
    content: Mapping[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Reached:
    """Where a method stands, and what the run has come to.

    ``phase`` is the number of the method in the schedule, ``steps`` and ``seconds`` those that it has made; the best
    point seen, all steps, and the points without a finite loss and gradient. ``renewed`` says how points and weights
    have changed.
    """

    at: Standing
    phase: int
    steps: int
    seconds: float
    best: Iterate
    iterations: int
    refused: int
    renewed: Renewed = Renewed()

    def state(
        self,
        schedule: Sequence[Method],
        begun_with: Mapping[str, str],
        first_loss: float,
        seconds: float,
    ) -> State:
        """What is kept of it in a file."""
        own, tensors = schedule[self.phase].written(self.at)
        numbers = ReachedNumbers(
            begun_with=dict(begun_with),
            first_loss=first_loss,
            seconds=seconds,
            phase=self.phase,
            steps=self.steps,
            phase_seconds=self.seconds,
            iterations=self.iterations,
            refused=self.refused,
            renewals=self.renewed.count,
            renewed=self.renewed.after,
            best_loss=self.best.loss,
            here_loss=self.at.here.loss,
            method=own.model_dump(),
        )
        points = {"best": self.best, "here": self.at.here}
        return State(
            numbers,
            {
                **tensors,
                **{f"{name}.theta": point.theta for name, point in points.items()},
                **{f"{name}.gradient": point.gradient for name, point in points.items()},
                **self.renewed.content,
            },
        )

    @classmethod
    def read(
        cls,
        keeping: Keeping,
        resume: bool,
        begun_with: Mapping[str, str],
        first: Iterate,
        schedule: Sequence[Method],
        problem: LeastSquares | None,
    ) -> tuple[Reached, float] | None:
        """What is kept of a run that began at ``first``, and the seconds it took; None where there is no file.

        The problem gets the points and weights that it had.
        """
        size = first.theta.size
        held = {} if problem is None else problem.content
        most = 8 * (4 * size + max(one.most(size) for one in schedule)) + sum(array.nbytes for array in held.values())
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
        keeping.require(numbers.phase < len(schedule), f"method {numbers.phase} of {len(schedule)}")
        method = schedule[numbers.phase]
        expected = {f"{name}.{part}": Expected("float64", (size,)) for name in ("best", "here") for part in _PARTS}
        try:
            own = method.numbers.model_validate(numbers.method)
            expected |= method.expected(own, size)
        except ValidationError as error:
            keeping.require(False, f"method: {quote(numbers.method)}: {error.errors()[0]['msg']}")
        except ValueError as error:
            keeping.require(False, str(error))
        if numbers.renewals:
            expected |= {name: Expected(str(array.dtype), array.shape) for name, array in held.items()}
        tensors = keeping.tensors(raw, expected)
        best, here = (
            Iterate(tensors[f"{name}.theta"], loss, tensors[f"{name}.gradient"])
            for name, loss in (("best", numbers.best_loss), ("here", numbers.here_loss))
        )
        renewed = Renewed()
        if problem is not None and numbers.renewals:
            renewed = Renewed(numbers.renewals, numbers.renewed, {name: tensors[name] for name in held})
            problem.take(renewed.content)
        at = method.read(here, own, tensors)
        reached = cls(
            at, numbers.phase, numbers.steps, numbers.phase_seconds, best, numbers.iterations, numbers.refused,
            renewed,
        )  # fmt: skip
        return reached, numbers.seconds


_PARTS = ("theta", "gradient")


class ReachedNumbers(Numbers):
    """Those of :class:`Reached`; those of the method are checked by what it expects."""

    first_loss: float
    seconds: Seconds
    phase: Count
    steps: Count
    phase_seconds: Seconds
    iterations: Count
    refused: Count
    renewals: Count
    renewed: Count
    best_loss: float
    here_loss: float
    method: dict[str, Any]
