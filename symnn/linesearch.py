"""A step along a direction to a lower loss, that stays where the objective is finite.

A trial whose loss or gradient is not finite is too far, like one whose loss is too high: it bounds the steps that come
into question, and the next is nearer. The conditions are those of Wolfe in the strong form: Nocedal, Wright, Numerical
Optimization, 2006, section 3.1; the bracket is kept as in algorithm 3.5 of Moré, Thuente 1994, its lower end always
downhill.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isfinite, nan, sqrt
from sys import float_info
from typing import TypeAlias

import numpy as np

from codegen.cached import cached_property

DECREASE = 1e-4
"""The part of the decrease promised by the slope at the beginning that is enough."""
SLOPE = 0.9
"""The part of the slope at the beginning that may be left."""
WIDTH = 0.1
"""A bracket narrower than this part of its upper end is searched no further."""
TRIALS = 60
"""The most trials along one direction; so many halvings take a step below the last bit of what it is added to."""
CUBICS = 8
"""The trials that follow a cubic; where they have not helped, the middle of the bracket is next."""
NEAR, FAR = 2.0, 10.0
"""A step that was too short grows by a factor between these."""


@dataclass(frozen=True, eq=False)
class Iterate:
    """A point where the objective was evaluated. Nothing is ever written into its arrays again."""

    theta: np.ndarray
    loss: float
    gradient: np.ndarray

    @cached_property
    def is_finite(self) -> bool:
        """Whether its loss is finite, and its whole gradient."""
        return isfinite(self.loss) and bool(np.isfinite(self.gradient).all())


Evaluate: TypeAlias = Callable[[np.ndarray], Iterate]


@dataclass(frozen=True, eq=False)
class _Trial:
    """What was found at a step along the direction: the iterate, its loss and its slope in that direction."""

    step: float
    iterate: Iterate
    loss: float
    slope: float

    @property
    def is_finite(self) -> bool:
        return isfinite(self.slope)


def line_search(evaluate: Evaluate, start: Iterate, direction: np.ndarray, step: float) -> Iterate | None:
    """An iterate at start + t·direction with a lower loss, t > 0, or None if none is found; ``step`` is tried first.

    Wanted is L(t) ≤ L(0) + 10⁻⁴·t·L′(0) and |L′(t)| ≤ 0.9·|L′(0)|. If the search ends without it, the lowest loss seen
    has to do: between what is not finite and a slope that still falls there may be no such place.

    >>> from math import log, nan
    >>> def evaluate(theta):  # t − log(t), which is nan where t ≤ 0
    ...     t = float(theta[0])
    ...     return Iterate(theta, t - log(t) if t > 0 else nan, np.array([1 - 1 / t]))
    >>> found = line_search(evaluate, evaluate(np.array([3.0])), np.array([-1.0]), step=8.0)
    >>> found.theta, found.loss
    (array([1.]), 1.0)
    """
    first = _Trial(0.0, start, start.loss, float(np.dot(start.gradient, direction)))
    if not -inf < first.slope < 0:
        return None
    before = low = lowest = first
    high: _Trial | None = None
    for number in range(TRIALS):
        if -step * first.slope <= float_info.epsilon * abs(first.loss):
            break  # no decrease is left that the loss could show
        trial = _at(evaluate, start, direction, step)
        if trial.loss < lowest.loss:
            lowest = trial
        promised = first.loss + DECREASE * step * first.slope
        if not (trial.loss <= promised and trial.loss < first.loss):
            high = trial
        elif abs(trial.slope) <= -SLOPE * first.slope:
            return trial.iterate
        elif trial.slope > 0:
            high = trial
        else:
            before, low = low, trial
        if high is not None and high.step - low.step <= WIDTH * high.step:
            break
        step = _longer(before, low) if high is None else _between(low, high, number)
    return None if lowest is first else lowest.iterate


def _at(evaluate: Evaluate, start: Iterate, direction: np.ndarray, step: float) -> _Trial:
    with np.errstate(over="ignore", invalid="ignore"):  # too far
        theta = start.theta + step * direction
    found = evaluate(theta)
    if not found.is_finite:
        return _Trial(step, found, inf, nan)
    return _Trial(step, found, found.loss, float(np.dot(found.gradient, direction)))


def _longer(before: _Trial, low: _Trial) -> float:
    """The next step where the loss still falls at the longest."""
    least, most = NEAR * low.step, FAR * low.step
    guess = _cubic(before, low)
    return min(max(guess, least), most) if guess > low.step else most


def _between(low: _Trial, high: _Trial, number: int) -> float:
    """The next step within the bracket, not too near to either end."""
    width = high.step - low.step
    guess = _cubic(low, high) if number < CUBICS and high.is_finite else nan
    if not isfinite(guess):
        return low.step + width / 2
    return min(max(guess, low.step + 0.1 * width), high.step - 0.1 * width)


def _cubic(a: _Trial, b: _Trial) -> float:
    """Where the cubic that has the losses and slopes of both has its minimum; nan if it has none.

    >>> at = [_Trial(t, None, (t - 1) ** 2, 2 * (t - 1)) for t in (0.0, 3.0)]
    >>> _cubic(*at)
    1.0
    """
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.step - b.step)
    square = d1 * d1 - a.slope * b.slope
    if not 0 <= square < inf:
        return nan
    d2 = sqrt(square)
    below = b.slope - a.slope + 2 * d2
    return b.step - (b.step - a.step) * (b.slope + d2 - d1) / below if below else nan
