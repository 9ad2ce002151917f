"""What is timed: tanh networks with softmax cross-entropy, their data, and the reference that all are held to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Dtype = Literal["float64", "float32"]

Result = tuple[float, np.ndarray]
"""The loss and its gradient, laid out W1, b1, W2, b2, …, each W with a row for each unit."""

TOLERANCE: dict[Dtype, float] = {"float64": 1e-12, "float32": 5e-4}
"""By how much loss and gradient may differ from the float64 reference, in the metric of :func:`difference`."""


@dataclass(frozen=True)
class Case:
    """A network, by the sizes of its layers from the inputs on, and the number of samples a call."""

    name: str
    sizes: tuple[int, ...]
    samples: int

    @property
    def network(self) -> str:
        """
        >>> CASES["D"].network
        '64-32-10'
        """
        return "-".join(map(str, self.sizes))

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """The shapes of the weights: (units, inputs) of each layer.

        >>> CASES["D"].shapes
        [(32, 64), (10, 32)]
        """
        return list(zip(self.sizes[1:], self.sizes))

    @property
    def parameters(self) -> int:
        """
        >>> CASES["D"].parameters
        2410
        """
        return sum(units * inputs + units for units, inputs in self.shapes)

    @property
    def flops(self) -> int:
        """Floating-point operations of the contractions: each layer's product, its weights' gradient, and that of its
        inputs unless they are the data.

        >>> CASES["A"].flops == 2 * (2 * 2 * 16 + 3 * 16 * 3)
        True
        """
        products = [2 * self.samples * units * inputs for units, inputs in self.shapes]
        return 3 * sum(products) - products[0]


_TABLE = (
    Case("A", (2, 16, 3), 1),
    Case("B", (2, 16, 3), 64),
    Case("C", (2, 16, 3), 4096),
    Case("D", (64, 32, 10), 32),
    Case("E", (64, 64, 64, 10), 256),
    Case("F", (784, 128, 10), 128),
    Case("G", (784, 512, 256, 10), 256),
    Case("odd", (7, 19, 5), 37),
    Case("deep", (10, 20, 20, 20, 20, 20, 20, 4), 50),
    Case("wide", (20, 1000, 5), 33),
    Case("prime", (101, 67, 43, 11), 129),
    Case("single", (30, 50, 7), 1),
    Case("tall", (13, 24, 24, 2), 10_000),
    Case("bottleneck", (200, 6, 200), 64),
)

CASES: dict[str, Case] = {case.name: case for case in _TABLE}
"""Every case by name: A to G, then sizes that fit no vector width."""


@dataclass(frozen=True)
class Problem:
    """A case in one dtype with its data: ``theta`` flat, ``x`` (S, inputs), ``y`` labels, int64 (S,)."""

    case: Case
    dtype: Dtype
    theta: np.ndarray
    x: np.ndarray
    y: np.ndarray

    def split(self, theta: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
        """Views of each layer's weights and biases inside a flat vector."""
        return split(theta, self.case.shapes)


def problem(case: Case, dtype: Dtype = "float64") -> Problem:
    """The data of a case: the same numbers in every process, rounded to the dtype."""
    generator = np.random.Generator(np.random.PCG64(0))
    theta = np.concatenate([_layer(generator, *shape) for shape in case.shapes])
    x = generator.normal(size=(case.samples, case.sizes[0]))
    y = generator.integers(0, case.sizes[-1], case.samples)
    return Problem(case, dtype, theta.astype(dtype), x.astype(dtype), y)


def _layer(generator: np.random.Generator, units: int, inputs: int) -> np.ndarray:
    weights = generator.normal(size=units * inputs) / np.sqrt(inputs)
    return np.concatenate([weights, generator.normal(size=units) * 0.1])


def split(theta: np.ndarray, shapes: Sequence[tuple[int, int]]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Each layer's weights and biases out of a flat vector: of any library whose arrays slice and reshape."""
    layers, start = [], 0
    for units, inputs in shapes:
        middle, end = start + units * inputs, start + units * inputs + units
        layers.append((theta[start:middle].reshape((units, inputs)), theta[middle:end]))
        start = end
    return layers


def reference(problem: Problem) -> Result:
    """Loss and gradient as one writes them in NumPy, in float64 whatever the dtype."""
    x, y = problem.x.astype(float), problem.y
    layers = problem.split(problem.theta.astype(float))
    activations = [x]
    for w, b in layers[:-1]:
        activations.append(np.tanh(activations[-1] @ w.T + b))
    w, b = layers[-1]
    u = activations[-1] @ w.T + b
    u -= u.max(axis=1, keepdims=True)
    p = np.exp(u)
    total = p.sum(axis=1, keepdims=True)
    rows = np.arange(len(x))
    loss = np.mean(np.log(total[:, 0]) - u[rows, y])
    delta = p / total
    delta[rows, y] -= 1
    delta /= len(x)
    parts: list[np.ndarray] = []
    for (w, _), a in zip(reversed(layers), reversed(activations)):
        parts += [delta.sum(axis=0), (delta.T @ a).ravel()]
        delta = (delta @ w) * (1 - a * a)
    return float(loss), np.concatenate(parts[::-1])


def difference(found: Result, expected: Result) -> float:
    """max |a − b| / max(1, |a|, |b|) over loss and gradient; nan if an entry is missing or not finite.

    >>> difference((1.0, np.array([1.0, 2.0])), (1.0, np.array([1.0, 4.0])))
    0.5
    """
    a, b = (np.append(np.asarray(gradient, dtype=float), loss) for loss, gradient in (found, expected))
    if a.shape != b.shape:
        return float("nan")
    with np.errstate(invalid="ignore"):
        return float(np.max(np.abs(a - b) / np.maximum(1, np.maximum(np.abs(a), np.abs(b)))))
