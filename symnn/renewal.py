"""Points and weights that change while a problem is solved: more points where more is left, parts that keep in step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeAlias

import numpy as np
from pydantic import Field

from symnn.least_squares import LeastSquares
from symnn.models import SpecModel

Sampler: TypeAlias = Callable[[int, int], np.ndarray]
"""``points(count, seed)`` of one residual."""


class Resampling(SpecModel):
    """All points anew after ``every`` so many steps, drawn from ``candidates`` times as many.

    The probability of a candidate is in proportion to |r|ᵏ/mean |r|ᵏ + c, r what its equations leave over, k the
    ``power`` and c the ``offset``: RAD (Wu, Zhu, Tan, Kartha, Lu, A comprehensive study of non-adaptive and
    residual-based adaptive sampling for physics-informed neural networks, 2023). With an offset of 0 and a large power
    all points gather where most is left, with a large offset they stay evenly spread.
    """

    every: Annotated[int, Field(ge=1)] = 50
    candidates: Annotated[int, Field(ge=2, le=100)] = 4
    power: Annotated[float, Field(ge=0)] = 1.0
    offset: Annotated[float, Field(ge=0)] = 1.0


@dataclass(frozen=True)
class Resampled:
    """A :class:`Resampling` with the samplers of the residuals; None for one whose points are to stay."""

    settings: Resampling
    samplers: Sequence[Sampler | None]
    seed: int = 0

    @property
    def every(self) -> int:
        """After so many steps."""
        return self.settings.every

    def renew(self, problem: LeastSquares, theta: np.ndarray, number: int) -> None:
        """Draw points for the so many-th time."""
        for place, (part, sampler) in enumerate(zip(problem.parts, self.samplers)):
            if sampler is None:
                continue
            seed = [self.seed, number, place]
            generator = np.random.Generator(np.random.PCG64(seed))
            candidates = sampler(self.settings.candidates * part.points, int(generator.integers(2**31)))
            candidates = candidates.astype(part.arrays[0].dtype)
            ends = np.cumsum([array.shape[1] for array in part.arrays])
            arrays = [np.ascontiguousarray(columns) for columns in np.split(candidates, ends[:-1], axis=1)]
            left = np.abs(part.value(theta.astype(candidates.dtype), *arrays)).reshape(len(candidates), -1)
            chosen = generator.choice(
                len(candidates), part.points, replace=False, p=self._probabilities(left.sum(axis=1))
            )
            problem.replace(place, [array[np.sort(chosen)] for array in arrays])

    def _probabilities(self, left: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            weights = (left / left.max()) ** self.settings.power
            found: np.ndarray = weights / weights.mean() + self.settings.offset
        # Fewer candidates than points may be above 0, where there is nothing left or nothing finite.
        found = np.where(np.isfinite(found), found, self.settings.offset) + 1e-12
        probabilities: np.ndarray = found / found.sum()
        return probabilities


class Balance(SpecModel, ABC):
    """A rule for the weights of the rows, applied after ``every`` so many steps."""

    every: Annotated[int, Field(ge=1)] = 50

    @abstractmethod
    def renew(self, problem: LeastSquares, theta: np.ndarray, number: int) -> None:
        """Set the scale of the rows anew."""


class GradientNorms(Balance):
    """Weights of parts whose gradients have norms that are alike: Wang, Sankaran, Wang, Perdikaris, 2023.

    The weight of part k becomes (1 − rate)·weight + rate·Σ ‖∇L_j‖/‖∇L_k‖, with L the unweighted mean squares.
    """

    rate: Annotated[float, Field(gt=0, le=1)] = 0.5

    def renew(self, problem: LeastSquares, theta: np.ndarray, number: int) -> None:
        """Set the scale of each part."""
        weights, norms = weights_of(problem), []
        r = problem.residuals(theta)
        for rows, weight in zip(problem.where, weights):
            alone = np.zeros(problem.size)
            alone[rows] = r[rows]
            norms.append(float(np.linalg.norm(problem.transposed_times(theta, alone))) / weight)
        move_weights(problem, self.rate, norms)


class TangentKernel(Balance):
    """Weights of parts that are learnt as fast: Wang, Yu, Perdikaris, When and why PINNs fail to train, 2022.

    The weight of part k becomes (1 − rate)·weight + rate·Σ m_j/m_k, m the mean of ‖∂r/∂θ‖² over its unweighted rows:
    of the diagonal of the neural tangent kernel, the rate at which gradient descent brings a row to 0.
    """

    rate: Annotated[float, Field(gt=0, le=1)] = 0.5

    def renew(self, problem: LeastSquares, theta: np.ndarray, number: int) -> None:
        """Set the scale of each part."""
        squares = problem.squares(theta)
        means = [squares[rows].sum() / weight for rows, weight in zip(problem.where, weights_of(problem))]
        move_weights(problem, self.rate, means)


def weights_of(problem: LeastSquares) -> list[float]:
    """The weights that the parts have."""
    return [float(problem.scale[rows][0]) ** 2 * part.points for part, rows in zip(problem.parts, problem.where)]


def move_weights(problem: LeastSquares, rate: float, sizes: Sequence[float]) -> None:
    """Each weight to (1 − rate)·weight + rate·Σ sizes/size, but where the size of a part is 0."""
    total = sum(sizes)
    for part, rows, weight, size in zip(problem.parts, problem.where, weights_of(problem), sizes):
        if size > 0:
            problem.rescale(rows, (((1 - rate) * weight + rate * total / size) / part.points) ** 0.5)


class Attention(Balance):
    """Weights of single rows that remember where much was left: Anagnostopoulos et al., Residual-based attention, 2024.

    λ ← decay·λ + rate·|r|/max |r| for each row of a part, and its residual counts λ times. λ is 1 at the beginning.
    """

    decay: Annotated[float, Field(gt=0, lt=1)] = 0.9
    rate: Annotated[float, Field(gt=0)] = 0.1

    def renew(self, problem: LeastSquares, theta: np.ndarray, number: int) -> None:
        """Set the scale of each row."""
        left = np.abs(problem.unscaled(theta))
        for part, rows in zip(problem.parts, problem.where):
            first = (part.weight / part.points) ** 0.5
            largest = float(left[rows].max())
            if 0 < largest < float("inf"):
                attention = self.decay * problem.scale[rows] / first + self.rate * left[rows] / largest
                problem.rescale(rows, first * attention)


BALANCES: Mapping[str, type[Balance]] = {
    "gradient_norms": GradientNorms,
    "tangent_kernel": TangentKernel,
    "attention": Attention,
}
"""By the names that specs give them."""
