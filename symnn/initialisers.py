"""Initial weights: name, distribution, variance. Adding one is adding a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

Draw = Callable[[np.random.Generator, float, tuple[int, ...]], np.ndarray]


def _normal(generator: np.random.Generator, variance: float, shape: tuple[int, ...]) -> np.ndarray:
    return generator.normal(0.0, np.sqrt(variance), shape)


def _uniform(generator: np.random.Generator, variance: float, shape: tuple[int, ...]) -> np.ndarray:
    # A uniform variable on (−a, a) has variance a²/3.
    bound = np.sqrt(3.0 * variance)
    return generator.uniform(-bound, bound, shape)


def _zeros(generator: np.random.Generator, variance: float, shape: tuple[int, ...]) -> np.ndarray:
    return np.zeros(shape)


@dataclass(frozen=True)
class Initialiser:
    """Independent weights of mean 0 and ``variance(fan_in, fan_out)``."""

    name: str
    draw: Draw
    variance: Callable[[int, int], float]
    parameters: Mapping[str, float] = field(default_factory=dict)

    def __call__(
        self, generator: np.random.Generator, fan_out: int, fan_in: int, shape: tuple[int, ...] | None = None
    ) -> np.ndarray:
        """Weights of a shape, (fan_out, fan_in) unless given.

        >>> INITIALISERS["zeros"](np.random.default_rng(0), 1, 2)
        array([[0., 0.]])
        """
        return self.draw(generator, self.variance(fan_in, fan_out), shape or (fan_out, fan_in))


_TABLE = [
    # Glorot, Bengio 2010: 2/(fan_in + fan_out), for tanh and sigmoid.
    Initialiser("glorot_uniform", _uniform, lambda fan_in, fan_out: 2 / (fan_in + fan_out)),
    Initialiser("glorot_normal", _normal, lambda fan_in, fan_out: 2 / (fan_in + fan_out)),
    # He et al. 2015: 2/fan_in, for relu and its relatives.
    Initialiser("he_uniform", _uniform, lambda fan_in, fan_out: 2 / fan_in),
    Initialiser("he_normal", _normal, lambda fan_in, fan_out: 2 / fan_in),
    # LeCun et al. 1998: 1/fan_in.
    Initialiser("lecun_uniform", _uniform, lambda fan_in, fan_out: 1 / fan_in),
    Initialiser("lecun_normal", _normal, lambda fan_in, fan_out: 1 / fan_in),
    Initialiser("zeros", _zeros, lambda fan_in, fan_out: 0.0),
]

INITIALISERS: Mapping[str, Initialiser] = {row.name: row for row in _TABLE}
"""Every initialiser by name."""
