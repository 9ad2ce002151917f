"""How far the noise of measured values moves what is found from them: the first order, by the Gauss-Newton Hessian."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from symnn.errors import DataError
from symnn.least_squares import LeastSquares

SMALLEST = 1e-13
"""Directions of parameters in which JᵀJ is below that part of its largest eigenvalue: rounding, which tells nothing."""


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """Parameters with the covariance that they have from the ``noise``, a standard deviation of what was measured."""

    theta: np.ndarray
    covariance: np.ndarray
    noise: float

    def deviation(self, number: int) -> float:
        """One standard deviation of a parameter."""
        return float(np.sqrt(self.covariance[number, number]))


def uncertainty(problem: LeastSquares, theta: np.ndarray, measured: Collection[int]) -> Uncertainty:
    """Of a minimum θ where some parts of the problem, by their numbers, have measured values in them.

    With H = JᵀJ, and J′ the rows of those parts, weighted by w, the minimum moves by −H⁻¹·J′ᵀ·w·e for errors e of what
    was measured: its covariance is σ²·H⁻¹·(w·J′)ᵀ·(w·J′)·H⁻¹. Equations have no errors. σ² is what is left over at the
    measured points, squared and summed, over their number less the parameters that they decide, tr(H⁻¹·J′ᵀJ′).

    Raises :class:`DataError` where as many parameters are decided as values measured.
    """
    from scipy.linalg import eigh

    _, jacobian = problem.jacobian(theta)
    rows = np.concatenate([np.arange(problem.size)[problem.where[number]] for number in measured])
    values, vectors = eigh(jacobian.T @ jacobian)
    kept = values > SMALLEST * values[-1]
    inverse = (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
    own, scale = jacobian[rows], problem.scale[rows]
    left = problem.unscaled(theta)[rows]
    decided = float(np.sum((inverse @ own.T) * own.T))
    if len(rows) - decided < 0.5:
        raise DataError(
            f"found {len(rows)} measured values, which decide {decided:.1f} parameters; expected more values"
        )
    noise = float(left @ left / (len(rows) - decided)) ** 0.5
    moved = inverse @ (own * scale[:, None]).T * noise
    return Uncertainty(np.array(theta), moved @ moved.T, noise)
