"""Self-scaled BFGS and Broyden methods: quasi-Newton with the whole matrix, scaled before each update.

Al-Baali, Numerical experience with a class of self-scaling quasi-Newton algorithms, 1998; for differential equations
Urbán, Stefanou, Pons, Unveiling the optimization process of physics informed neural networks, 2025: these updates come
orders of magnitude further than BFGS.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import sqrt
from sys import float_info
from typing import Any, ClassVar

import numpy as np

from symnn.lbfgs import Pair, steepest
from symnn.linesearch import Iterate, line_search
from symnn.methods.method import Method, Problem
from symnn.resuming import Expected, Strict


@dataclass(frozen=True, eq=False)
class MatrixStanding:
    """An iterate, and H, the approximation of the inverse of the Hessian matrix; None before the first step."""

    here: Iterate
    inverse: np.ndarray | None = None


class MatrixNumbers(Strict):
    """Whether there is a matrix."""

    matrix: bool


@dataclass(frozen=True)
class Curvature:
    """What the scaling and the member of Broyden's class are chosen by, for a step s and a change y of the gradient.

    b = s·B·s / y·s, h = y·H·y / y·s, a = b·h − 1 ≥ 0, with B the inverse of H.
    """

    b: float
    h: float
    size: int

    @property
    def a(self) -> float:
        """0 where y is B·s already."""
        return max(self.b * self.h - 1, 0.0)


class SelfScaled(Method):
    """H ← (H − Hy·yᵀH/yᵀHy + φ·v·vᵀ)/τ + s·sᵀ/yᵀs, v = √(yᵀHy)·(s/yᵀs − Hy/yᵀHy); each update has a τ and φ of its own.

    H has as many entries as the square of the number of parameters: 7 MB for 921.
    """

    standing: ClassVar[type] = MatrixStanding
    numbers: ClassVar[type[Strict]] = MatrixNumbers

    @abstractmethod
    def scaling(self, at: Curvature) -> tuple[float, float]:
        """τ and φ."""

    def steps(self, problem: Problem, start: Iterate | MatrixStanding) -> Iterator[MatrixStanding]:
        """Where it stands after each step; before they end the matrix is forgotten and the steepest descent tried."""
        at = MatrixStanding(start) if isinstance(start, Iterate) else start
        while True:
            here, inverse = at.here, at.inverse
            if not here.gradient.any():
                return
            direction = steepest(here.gradient) if inverse is None else -(inverse @ here.gradient)
            step = 1.0 if inverse is not None else min(1.0, float(np.linalg.norm(here.gradient)))
            found = line_search(problem.evaluate, here, direction, step)
            if found is None and inverse is None:
                return
            at = MatrixStanding(here) if found is None else MatrixStanding(found, self._updated(inverse, here, found))
            if found is not None:
                yield at

    def _updated(self, inverse: np.ndarray | None, before: Iterate, after: Iterate) -> np.ndarray | None:
        """H after a step; as it was, where the loss does not bend upward along it."""
        pair = Pair.between(before, after)
        if not pair.bends(before):
            return inverse
        s, y, sy = pair.step, pair.change, pair.curvature
        if inverse is None:
            inverse = np.eye(s.size) * (sy / pair.square)
        image = inverse @ y
        curved = float(y @ image)
        if not 0 < curved < float("inf"):
            return None
        # B·s = −t·gradient where s = −t·H·gradient; the step may be any along the direction.
        slope = float(before.gradient @ s)
        length = sqrt(float(s @ s)) / max(sqrt(float(np.square(inverse @ before.gradient).sum())), float_info.min)
        tau, phi = self.scaling(Curvature(-length * slope / sy, curved / sy, s.size))
        v = sqrt(curved) * (s / sy - image / curved)
        # One product of (size, 3) matrices instead of three of vectors: 2 ms instead of 7 for 921.
        left = np.column_stack([image / (-curved * tau), v * (phi / tau), s / sy])
        found: np.ndarray = left @ np.vstack([image, v, s])
        found += inverse / tau
        return found if np.isfinite(found).all() else None

    def moved(self, at: MatrixStanding, here: Iterate) -> MatrixStanding:
        """The matrix stays."""
        return MatrixStanding(here, at.inverse)

    def written(self, at: MatrixStanding) -> tuple[Strict, Mapping[str, np.ndarray]]:
        """The matrix, if there is one."""
        tensors = {} if at.inverse is None else {"inverse": at.inverse}
        return MatrixNumbers(matrix=at.inverse is not None), tensors

    def expected(self, numbers: Any, size: int) -> Mapping[str, Expected]:
        """The matrix, if there is one."""
        return {"inverse": Expected("float64", (size, size))} if numbers.matrix else {}

    def read(self, here: Iterate, numbers: Any, tensors: Mapping[str, np.ndarray]) -> MatrixStanding:
        """The standing that was written."""
        return MatrixStanding(here, tensors.get("inverse"))

    def most(self, size: int) -> int:
        """The matrix."""
        return size * size


class SelfScaledBFGS(SelfScaled):
    """BFGS, φ = 1, whose matrix is scaled by τ = min(1, 1/b).

    >>> SelfScaledBFGS().scaling(Curvature(b=2.0, h=3.0, size=9))
    (0.5, 1.0)
    """

    def scaling(self, at: Curvature) -> tuple[float, float]:
        """τ = min(1, 1/b), φ = 1."""
        return _first(at), 1.0


class SelfScaledBroyden(SelfScaled):
    """The member of Broyden's class that Al-Baali's conditions choose, SSBroyden, and its τ.

    >>> tau, phi = SelfScaledBroyden().scaling(Curvature(b=2.0, h=3.0, size=9))
    >>> round(tau, 4), round(phi, 4)
    (0.2614, 4.3909)
    """

    def scaling(self, at: Curvature) -> tuple[float, float]:
        """The scaling of the paper: θ within its bounds, σ = 1 + θ·a, φ = (1 − θ)/(1 + θ·a)."""
        a, b, h = at.a, at.b, at.h
        if a <= float_info.epsilon:  # the update changes nothing that the choice could matter for
            return _first(at), 1.0
        rho = min(1.0, h * (1 - sqrt(a / (1 + a))))
        theta = max((rho - 1) / a, min(1 / rho, (1 - b) / b))
        sigma = 1 + theta * a
        power = abs(sigma) ** (1 / (1 - at.size)) if at.size > 1 else 1.0
        tau = _first(at) * min(power, 1 / theta) if theta > 0 else min(_first(at) * power, sigma)
        return tau, (1 - theta) / sigma


def _first(at: Curvature) -> float:
    return min(1.0, 1 / at.b)
