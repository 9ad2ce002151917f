"""Gauss-Newton with a line search: for residuals of differential equations the energy natural gradient.

Müller, Zeinhofer, Achieving high accuracy with PINNs via energy natural gradient descent, 2023: the metric of the
residuals' energy on the parameters is JᵀJ, so that the natural gradient is the Gauss-Newton step, and its length is the
best of a geometric grid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from sys import float_info
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from symnn.least_squares import LeastSquares, Normal
from symnn.linesearch import Iterate
from symnn.methods.method import Method, Problem
from symnn.resuming import Expected, Strict

HALVINGS = 40
"""The shortest step of the search is a direction halved so often."""
STRONGEST = 1e3
"""No more regularisation than so many times the largest entry of the diagonal of JᵀJ is tried."""


@dataclass(frozen=True, eq=False)
class GaussNewtonStanding:
    """An iterate; nothing else is remembered."""

    here: Iterate


class GaussNewtonNumbers(Strict):
    """There are none but its kind."""

    gauss_newton: bool = True


class GaussNewton(Method):
    """Steps t·d with d = −(JᵀJ + ε·max diag(JᵀJ)·I)⁻¹·Jᵀr and t the best of 1, ½, ¼, … as long as the loss falls.

    ε is the ``regularisation``; it is multiplied by ten until JᵀJ has a Cholesky factor and the step a lower loss.
    """

    regularisation: Annotated[float, Field(gt=0)] = 1e-13

    needs_rows: ClassVar[bool] = True
    standing: ClassVar[type] = GaussNewtonStanding
    numbers: ClassVar[type[Strict]] = GaussNewtonNumbers

    def steps(self, problem: Problem, start: Iterate | GaussNewtonStanding) -> Iterator[GaussNewtonStanding]:
        """Where it stands after each step, each of a lower loss than the one before."""
        here = start if isinstance(start, Iterate) else start.here
        while True:
            found = self._step(problem, here)
            if found is None:
                return
            here = found
            yield GaussNewtonStanding(here)

    def _step(self, problem: Problem, here: Iterate) -> Iterate | None:
        rows = problem.rows
        strength = self.regularisation
        normal = rows.normal(here.theta)
        while strength <= STRONGEST:
            direction = _direction(normal, strength)
            theta = None if direction is None else _searched(problem, rows, here, direction)
            if theta is not None:
                normal = rows.normal(theta)
                found = Iterate(theta, normal.loss, normal.gradient)
                if found.is_finite and found.loss < here.loss:
                    return problem.seen(found)
                normal = rows.normal(here.theta)
            strength *= 10
        return None

    def moved(self, at: GaussNewtonStanding, here: Iterate) -> GaussNewtonStanding:
        """It goes on from there."""
        return GaussNewtonStanding(here)

    def written(self, at: GaussNewtonStanding) -> tuple[Strict, Mapping[str, np.ndarray]]:
        """Nothing beside the iterate."""
        return GaussNewtonNumbers(), {}

    def expected(self, numbers: Any, size: int) -> Mapping[str, Expected]:
        """No tensors."""
        return {}

    def read(self, here: Iterate, numbers: Any, tensors: Mapping[str, np.ndarray]) -> GaussNewtonStanding:
        """The standing that was written."""
        return GaussNewtonStanding(here)


def _direction(normal: Normal, strength: float) -> np.ndarray | None:
    from scipy.linalg.lapack import dpotrf, dpotrs

    matrix = np.array(normal.matrix, order="F")
    largest = max(float(matrix.diagonal().max()), float_info.min)
    matrix[np.diag_indices_from(matrix)] += strength * largest
    factor, failed = dpotrf(matrix, lower=1, overwrite_a=1)
    if failed:
        return None
    direction: np.ndarray = dpotrs(factor, -normal.projected, lower=1)[0]
    return direction if np.isfinite(direction).all() else None


def _searched(problem: Problem, rows: LeastSquares, here: Iterate, direction: np.ndarray) -> np.ndarray | None:
    """The best of the points along a direction: the longest first, until the loss rises again."""
    best, lowest = None, here.loss
    for halving in range(HALVINGS):
        problem.pause()
        theta = here.theta + 0.5**halving * direction
        with np.errstate(over="ignore", invalid="ignore"):
            loss = rows.loss(theta)
        if isfinite(loss) and loss < lowest:
            best, lowest = theta, loss
        elif best is not None:
            break
    return best
