"""Walls: where the gradient points out of where the objective is finite, the descent goes on along the edge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import exp, sqrt

import numpy as np
import pytest

import symnn
from symnn.linesearch import Iterate
from symnn.walls import wall_normal
from tests.symnn.valley import valley

Loss = Callable[[np.ndarray], tuple[float, np.ndarray]]


def distance(*to: float) -> Loss:
    """The square of the distance."""
    return lambda theta: (float((theta - to) @ (theta - to)), 2 * (theta - to))


def root(theta: np.ndarray) -> tuple[float, np.ndarray]:
    """√(a + b) + (a − 3)², which falls towards the edge without end to its slope."""
    u = np.sqrt(theta.sum())
    return float(u + (theta[0] - 3) ** 2), np.array([0.5 / u + 2 * (theta[0] - 3), 0.5 / u])


def entropy(theta: np.ndarray) -> tuple[float, np.ndarray]:
    """u·log u + 10·u + (a − 3)² with u = a + 2·b, the gradient of which the logarithm turns only below e⁻¹¹."""
    u = theta[0] + 2 * theta[1]
    turn = np.log(u) + 11
    return float(u * np.log(u) + 10 * u + (theta[0] - 3) ** 2), np.array([turn + 2 * (theta[0] - 3), 2 * turn])


CURVATURE = 2.0 ** -np.arange(10)


def hill(theta: np.ndarray) -> tuple[float, np.ndarray]:
    """Ten parameters, of very different curvature."""
    return float(CURVATURE @ (theta - 3) ** 2), 2 * CURVATURE * (theta - 3)


@dataclass(frozen=True)
class Case:
    """A loss, where it is finite, where to begin, the least loss there, and how near one has to come to it."""

    loss: Loss
    inside: Callable[[np.ndarray], bool]
    start: tuple[float, ...]
    least: float
    within: float = 1e-8


EDGE_OF_VALLEY = 0.0313282872521  # of x + y = 1.5, by golden section
CASES = {
    "two walls beside a valley": Case(valley, lambda t: t[0] >= -0.5 and t[1] >= -0.1, (-0.49, 2), 0),
    "from beside the other": Case(valley, lambda t: t[0] >= -0.5 and t[1] >= -0.1, (1.9, -0.09), 0),
    "a slanted wall across a valley": Case(valley, lambda t: t.sum() <= 1.5, (-1.2, 1), EDGE_OF_VALLEY),
    "a half plane": Case(distance(-3, 1), lambda t: t[0] + t[1] / 2 >= 0, (2, 1), 5),
    "a flat half plane": Case(distance(-3, 1), lambda t: 1e-3 * t[0] + t[1] >= 5, (2, 7), 4.003**2 / (1 + 1e-6)),
    "a corner": Case(distance(-3, -1), lambda t: t[0] + 0.1 * t[1] >= 0 and t[1] >= 0, (2, 3), 10),
    "ten parameters and two walls": Case(
        hill,
        lambda t: t[:2].sum() <= 1 and t[3:].sum() <= 6,
        (0,) * 10,
        5**2 / (1 / CURVATURE[:2]).sum() + 15**2 / (1 / CURVATURE[3:]).sum(),
    ),
    "a disc": Case(distance(2, 1), lambda t: t @ t <= 1, (-0.3, 0.2), (sqrt(5) - 1) ** 2),
    "a root": Case(root, lambda t: t.sum() > 0, (1, 1), 0, within=1e-7),
    "a logarithm": Case(entropy, lambda t: t[0] + 2 * t[1] > 0, (1, 1), -exp(-11)),
}


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        *((name, 1.0) if name != "a root" else pytest.param(name, 1.0, marks=pytest.mark.slow) for name in CASES),
        *(("a half plane", scale) for scale in (1e-6, 1e6)),
    ],
)
def test_the_least_loss_at_an_edge_is_reached(name: str, scale: float) -> None:
    case = CASES[name]

    def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
        theta = theta / scale
        if not case.inside(theta):
            return float("nan"), np.full(len(theta), np.nan)
        loss, gradient = case.loss(theta)
        return loss, gradient / scale

    found = symnn.solve(objective, scale * np.array(case.start, dtype=float), iterations=200)
    assert found.loss == objective(found.theta)[0]
    assert case.least - 1e-9 <= found.loss <= case.least + case.within


def test_a_normal_is_found_among_many_parameters() -> None:
    wall = np.array([0.0, 3.0, 0.0, -4.0, 0.0])

    def evaluate(theta: np.ndarray) -> Iterate:
        return Iterate(theta, float(theta.sum()) if theta @ wall < 1e-12 else np.nan, np.array([1.0, -1, 1, 1, 1]))

    found = wall_normal(evaluate, evaluate(np.zeros(5)), reach=1.0)
    assert found is not None
    np.testing.assert_allclose(found, wall / 5, atol=1e-5)
    assert wall_normal(evaluate, evaluate(-wall), reach=1.0) is None  # far away


def test_many_parameters_are_not_followed_and_the_reason_says_so() -> None:
    def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
        return (float(theta.sum()) if theta[0] > -1 else float("nan")), np.ones(1001)

    found = symnn.solve(objective, np.zeros(1001), iterations=100)
    assert "up to the edge of where it is finite, which is not followed above 1,000 parameters;" in found.stopped
