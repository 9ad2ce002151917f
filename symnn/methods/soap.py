"""SOAP: Adam in the eigenbases of Shampoo's factors, over all points at once; to come near, as Adam does.

Vyas, Morwani, Zhao, Shapira, Brandfonbrener, Janson, Kakade, SOAP: Improving and stabilizing Shampoo using Adam, 2024.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from symnn.linesearch import Iterate
from symnn.methods.method import Method, Problem
from symnn.resuming import Count, Expected, Strict, anything

DECAY = 0.95
"""Of both moments and of the factors, as in the paper."""
SMALLEST = 1e-8
"""What is added to the root of the second moment."""
LONGEST = 1024
"""A side of a matrix that is longer keeps its own basis."""
GROWTH = 1.1
"""By how much the learning rate grows back at each step, after it had to be halved."""

Place = tuple[slice, tuple[int, int]]
"""Where a matrix lies in theta, and its shape."""


@dataclass(frozen=True, eq=False)
class SoapStanding:
    """Where SOAP stands: an iterate, its moments, the second in the bases; factors and bases, side after side."""

    here: Iterate
    first: np.ndarray
    second: np.ndarray
    factors: np.ndarray
    bases: np.ndarray
    step: int
    rate: float


class SoapNumbers(Strict):
    """Those of :class:`SoapStanding`, and how many its factors are."""

    step: Annotated[Count, Field(ge=1)]
    rate: Annotated[float, Field(ge=0)]
    factors: Count


class Soap(Method):
    """Steps of Adam on Q_Lᵀ·G·Q_R, G the gradient by a matrix, Q the eigenvectors of the averages of G·Gᵀ and Gᵀ·G.

    The bases follow these averages ``every`` so many steps, by a power iteration and a QR decomposition. Vectors, such
    as biases, keep their own basis, which is Adam. A step to where something is not finite is not taken: the rate is
    halved, all averages are forgotten, and the rate then grows back.
    """

    learning_rate: Annotated[float, Field(gt=0)] = 1e-2
    every: Annotated[int, Field(ge=1)] = 10

    needs_rows: ClassVar[bool] = True  # which know where the matrices are
    standing: ClassVar[type] = SoapStanding
    numbers: ClassVar[type[Strict]] = SoapNumbers

    def steps(self, problem: Problem, start: Iterate | SoapStanding) -> Iterator[SoapStanding]:
        """Where it stands after each step from a finite ``start``; all are finite, without end."""
        places = problem.rows.matrices
        at = start if isinstance(start, SoapStanding) else _begun(start, places, self.learning_rate)
        while True:
            moved = self._moved(at, places)
            there = problem.evaluate(moved.here.theta)
            if there.is_finite:
                rate = min(self.learning_rate, GROWTH * at.rate)
                at = SoapStanding(
                    there, moved.first, moved.second, moved.factors, moved.bases, at.step + 1, rate
                )  # fmt: skip
            else:
                at = _begun(at.here, places, at.rate / 2)
            yield at

    def _moved(self, at: SoapStanding, places: Sequence[Place]) -> SoapStanding:
        """One step; its iterate has the loss and the gradient of before."""
        gradient = at.here.gradient
        factors = DECAY * at.factors + (1 - DECAY) * _products(gradient, places) if at.step > 1 else at.factors
        bases = _followed(factors, at.bases, places) if at.step % self.every == 0 else at.bases
        first = DECAY * at.first + (1 - DECAY) * gradient
        rotated = _turned(gradient, bases, places)
        second = DECAY * at.second + (1 - DECAY) * rotated**2
        unbiased = 1 - DECAY**at.step
        direction = _turned(first, bases, places) / unbiased / (np.sqrt(second / unbiased) + SMALLEST)
        theta = at.here.theta - at.rate * _turned(direction, bases, places, back=True)
        here = Iterate(theta, at.here.loss, gradient)
        return SoapStanding(here, first, second, factors, bases, at.step, at.rate)

    def moved(self, at: SoapStanding, here: Iterate) -> SoapStanding:
        """All averages stay."""
        return SoapStanding(here, at.first, at.second, at.factors, at.bases, at.step, at.rate)

    def written(self, at: SoapStanding) -> tuple[Strict, Mapping[str, np.ndarray]]:
        """The averages and the bases."""
        tensors = {"first": at.first, "second": at.second, "factors": at.factors, "bases": at.bases}
        return SoapNumbers(step=at.step, rate=at.rate, factors=at.factors.size), tensors

    def expected(self, numbers: Any, size: int) -> Mapping[str, Expected]:
        """The averages and the bases."""
        if numbers.factors > 2 * size * LONGEST:
            raise ValueError(f"{numbers.factors} numbers in factors, expected at most {2 * size * LONGEST}")
        shapes = {"first": size, "second": size, "factors": numbers.factors, "bases": numbers.factors}
        return {name: Expected("float64", (count,), anything) for name, count in shapes.items()}

    def read(self, here: Iterate, numbers: Any, tensors: Mapping[str, np.ndarray]) -> SoapStanding:
        """The standing that was written."""
        first, second, factors, bases = (tensors[name] for name in ("first", "second", "factors", "bases"))
        return SoapStanding(here, first, second, factors, bases, numbers.step, numbers.rate)

    def most(self, size: int) -> int:
        """The averages and the bases."""
        return size * (2 + 4 * LONGEST)


def _begun(here: Iterate, places: Sequence[Place], rate: float) -> SoapStanding:
    """No moments; the bases are the eigenvectors of the first products."""
    factors, nothing = _products(here.gradient, places), np.zeros_like(here.theta)
    vectors = [np.linalg.eigh(factor)[1] for factor in _sides(factors, places)]
    return SoapStanding(here, nothing, nothing, factors, _flat(vectors), 1, rate)


def _lengths(places: Sequence[Place]) -> list[int]:
    """Of each side of each matrix that has a basis of its own."""
    return [length for _, shape in places for length in shape if length <= LONGEST]


def _sides(flat: np.ndarray, places: Sequence[Place]) -> Iterator[np.ndarray]:
    """The square matrix of each side."""
    first = 0
    for length in _lengths(places):
        yield flat[first : first + length**2].reshape(length, length)
        first += length**2


def _flat(squares: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.zeros(0), *(square.ravel() for square in squares)])


def _products(gradient: np.ndarray, places: Sequence[Place]) -> np.ndarray:
    """G·Gᵀ and Gᵀ·G of each matrix."""
    found = []
    for where, shape in places:
        G = gradient[where].reshape(shape)
        found += [product for product in (G @ G.T, G.T @ G) if len(product) <= LONGEST]
    return _flat(found)


def _followed(factors: np.ndarray, bases: np.ndarray, places: Sequence[Place]) -> np.ndarray:
    """Bases nearer to the eigenvectors: one power iteration, and orthogonal again."""
    pairs = zip(_sides(factors, places), _sides(bases, places))
    return _flat([np.linalg.qr(factor @ basis)[0] for factor, basis in pairs])


def _turned(vector: np.ndarray, bases: np.ndarray, places: Sequence[Place], back: bool = False) -> np.ndarray:
    """Each matrix in the bases of its sides, or from there back."""
    found, sides = vector.copy(), _sides(bases, places)
    for where, shape in places:
        matrix = vector[where].reshape(shape)
        for transposed, length in enumerate(shape):
            if length <= LONGEST:
                basis = next(sides) if back else next(sides).T
                matrix = matrix @ basis.T if transposed else basis @ matrix
        found[where] = matrix.ravel()
    return found
