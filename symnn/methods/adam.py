"""Adam over all points at once: to come near, where second-order methods take over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from symnn.linesearch import Iterate
from symnn.methods.method import Method, Problem
from symnn.optimisers import OPTIMISERS
from symnn.resuming import Count, Expected, Strict, anything

GROWTH = 1.1
"""By how much the learning rate of Adam grows back at each step, after it had to be halved."""


@dataclass(frozen=True, eq=False)
class AdamStanding:
    """Where Adam stands: an iterate, its moments, the number of the next step since they were 0, and its rate."""

    here: Iterate
    moments: tuple[np.ndarray, ...]
    step: int
    rate: float


class AdamNumbers(Strict):
    """Those of :class:`AdamStanding`."""

    step: Annotated[Count, Field(ge=1)]
    rate: Annotated[float, Field(ge=0)]


class Adam(Method):
    """Steps of Adam with a ``learning_rate``.

    A step to where something is not finite is not taken: the rate is halved and the moments are forgotten, so that the
    next one is downhill. The rate then grows back.
    """

    learning_rate: Annotated[float, Field(gt=0)] = 1e-3

    standing: ClassVar[type] = AdamStanding
    numbers: ClassVar[type[Strict]] = AdamNumbers

    def steps(self, problem: Problem, start: Iterate | AdamStanding) -> Iterator[AdamStanding]:
        """Where it stands after each step from a finite ``start``; all are finite, without end."""
        rule = OPTIMISERS["adam"]
        update = rule.compile()
        first = self.learning_rate
        at = start if isinstance(start, AdamStanding) else AdamStanding(start, _moments(start), 1, first)
        while True:
            here, rate = at.here, at.rate
            theta, *moved = update(here.theta, here.gradient, *at.moments, float(at.step), rate, 0.9, 0.999, 1e-8)
            there = problem.evaluate(theta)
            if there.is_finite:
                at = AdamStanding(there, tuple(moved), at.step + 1, min(first, GROWTH * rate))
            else:
                at = AdamStanding(here, _moments(here), 1, rate / 2)
            yield at

    def moved(self, at: AdamStanding, here: Iterate) -> AdamStanding:
        """Moments and rate stay."""
        return AdamStanding(here, at.moments, at.step, at.rate)

    def written(self, at: AdamStanding) -> tuple[Strict, Mapping[str, np.ndarray]]:
        """The moments by their names."""
        moments = dict(zip(OPTIMISERS["adam"].state, at.moments, strict=True))
        return AdamNumbers(step=at.step, rate=at.rate), moments

    def expected(self, numbers: Any, size: int) -> Mapping[str, Expected]:
        """The moments by their names."""
        return {name: Expected("float64", (size,), anything) for name in OPTIMISERS["adam"].state}

    def read(self, here: Iterate, numbers: Any, tensors: Mapping[str, np.ndarray]) -> AdamStanding:
        """The standing that was written."""
        moments = tuple(tensors[name] for name in OPTIMISERS["adam"].state)
        return AdamStanding(here, moments, numbers.step, numbers.rate)

    def most(self, size: int) -> int:
        """The moments."""
        return size * len(OPTIMISERS["adam"].state)


def _moments(here: Iterate) -> tuple[np.ndarray, ...]:
    return tuple(OPTIMISERS["adam"].initial_state(here.theta))
