"""The line search: the conditions of Wolfe where they can be had, the lowest loss seen where they cannot."""

from __future__ import annotations

from collections.abc import Callable
from math import exp, inf, log, nan, sqrt

import numpy as np
import pytest

from symnn.linesearch import Iterate, line_search

Line = Callable[[float], tuple[float, float]]
"""t → (loss, slope)"""

SMOOTH: dict[str, Line] = {
    "a parabola": lambda t: ((t - 1) ** 2, 2 * (t - 1)),
    "a far parabola": lambda t: ((t / 1e6 - 1) ** 2, 2e-6 * (t / 1e6 - 1)),
    "a near parabola": lambda t: ((t * 1e6 - 1) ** 2, 2e6 * (t * 1e6 - 1)),
    "a quartic": lambda t: (t**4 - 2 * t**2 - t, 4 * t**3 - 4 * t - 1),
    "a decay": lambda t: (exp(-t), -exp(-t)),
    "Moré and Thuente's": lambda t: (-t / (t * t + 2), (t * t - 2) / (t * t + 2) ** 2),
}

BOUNDED: dict[str, Line] = {
    "a logarithm": lambda t: (-t - log(3 - t) / 2, -1 + 0.5 / (3 - t)) if t < 3 else (inf, nan),
    "a root": lambda t: (sqrt(3 - t), -0.5 / sqrt(3 - t)) if t < 3 else (nan, nan),
    "a gradient without a number": lambda t: (-t, -1.0 if t < 3 else nan),
    "a narrow edge": lambda t: (-t, -1.0) if t < 1e-12 else (nan, nan),
}


def searched(line: Line, step: float) -> tuple[float, list[float]]:
    tried: list[float] = []

    def evaluate(theta: np.ndarray) -> Iterate:
        tried.append(float(theta[0]))
        loss, slope = line(tried[-1])
        return Iterate(theta, loss, np.array([slope]))

    found = line_search(evaluate, Iterate(np.zeros(1), line(0.0)[0], np.array([line(0.0)[1]])), np.ones(1), step)
    assert found is not None
    return float(found.theta[0]), tried


@pytest.mark.parametrize("step", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("name", SMOOTH)
def test_the_conditions_of_wolfe_hold(name: str, step: float) -> None:
    line = SMOOTH[name]
    t, tried = searched(line, step)
    (loss, slope), (first, descent) = line(t), line(0.0)
    assert loss <= first + 1e-4 * t * descent
    assert abs(slope) <= 0.9 * abs(descent)
    assert len(tried) <= 15


@pytest.mark.parametrize("step", [1e-3, 1.0, 2.9, 1e3])
@pytest.mark.parametrize("name", BOUNDED)
def test_the_step_stays_where_it_is_finite(name: str, step: float) -> None:
    t, tried = searched(BOUNDED[name], step)
    loss, slope = BOUNDED[name](t)
    assert np.isfinite([loss, slope]).all()
    assert loss < BOUNDED[name](0.0)[0]
    assert tried[0] == step
    assert len(set(tried)) == len(tried)


@pytest.mark.parametrize(
    "line",
    [lambda t: (1 + t, 1.0), lambda t: (1.0, 0.0), lambda t: (1.0, -inf), lambda t: (1.0, -1e-17 if t == 0 else 1.0)],
    ids=["uphill", "flat", "infinitely steep", "no decrease that the loss could show"],
)
def test_where_there_is_no_descent_nothing_is_found(line: Line) -> None:
    with pytest.raises(AssertionError):
        searched(line, 1.0)
