"""Learning rates from epoch to epoch. Adding a schedule is adding a row."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field
from math import cos, inf, pi

Rates = Generator[float, float, None]
"""Gives the rate of each epoch; it is sent the :attr:`~symnn.course.Epoch.score` of the epoch that had it."""


@dataclass(frozen=True)
class Schedule:
    """``rates(first, epochs, **parameters)``: how the rate of a training of so many epochs goes on from the first."""

    name: str
    rates: Callable[..., Rates]
    parameters: Mapping[str, float] = field(default_factory=dict)
    """Default values of the parameters."""

    def start(self, first: float, epochs: int, scores: Iterable[float], **parameters: float) -> tuple[float, Rates]:
        """The rate of the epoch after those with these scores, and all after it.

        >>> rate, rates = SCHEDULES["step"].start(0.5, 100, [], every=2, factor=0.1)
        >>> [rate, *(rates.send(0.0) for _ in range(3))]
        [0.5, 0.5, 0.05, 0.05]
        """
        rates = self.rates(first, epochs, **{**self.parameters, **parameters})
        rate = next(rates)
        for score in scores:
            rate = rates.send(score)
        return rate, rates


def _constant(first: float, epochs: int) -> Rates:
    while True:
        yield first


def _step(first: float, epochs: int, every: float, factor: float) -> Rates:
    done = 0
    while True:
        yield first * factor ** (done // every)
        done += 1


def _cosine(first: float, epochs: int, final: float) -> Rates:
    # Loshchilov, Hutter 2017, one period: final + (first − final)·(1 + cos(π·done/epochs))/2.
    done = 0
    while True:
        yield final + (first - final) * (1 + cos(pi * min(1.0, done / epochs))) / 2
        done += 1


def _plateau(first: float, epochs: int, patience: float, factor: float) -> Rates:
    rate, best, idle = first, inf, 0
    while True:
        score = yield rate
        idle = 0 if score < best else idle + 1
        best = min(best, score)
        if idle >= patience:
            rate, idle = factor * rate, 0


_TABLE = [
    Schedule("constant", _constant),
    Schedule("step", _step, {"every": 10.0, "factor": 0.5}),
    Schedule("cosine", _cosine, {"final": 0.0}),
    Schedule("plateau", _plateau, {"patience": 5.0, "factor": 0.5}),
]

SCHEDULES: Mapping[str, Schedule] = {row.name: row for row in _TABLE}
"""Every schedule by name."""
