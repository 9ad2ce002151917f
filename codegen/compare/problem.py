"""What is differentiated: an array vertex by some entries of some inputs, at a point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.cached import cached_property
from codegen.ir.graph import Graph
from codegen.numeric import evaluate

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Problem:
    """The vertex ``of`` as a function of the chosen entries of ``wrt``, all laid end to end."""

    graph: Graph
    of: str
    wrt: tuple[str, ...]
    values: Mapping[str, Array]
    limit: int
    """At most so many entries are moved."""
    seed: int

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each of ``wrt``."""
        return {name: np.shape(self.values[name]) for name in self.wrt}

    @cached_property
    def size(self) -> int:
        """The number of entries there are."""
        return sum(int(np.prod(shape)) for shape in self.shapes.values())

    @cached_property
    def starts(self) -> dict[str, int]:
        """Where each of ``wrt`` begins."""
        sizes = [int(np.prod(shape)) for shape in self.shapes.values()]
        return dict(zip(self.wrt, np.cumsum([0, *sizes[:-1]]).tolist()))

    @cached_property
    def entries(self) -> NDArray[np.intp]:
        """The entries that are moved: all, or random ones, in order."""
        if self.size <= self.limit:
            return np.arange(self.size)
        generator = np.random.Generator(np.random.PCG64(self.seed))
        return np.sort(generator.choice(self.size, self.limit, replace=False))

    @cached_property
    def value(self) -> Array:
        """The value of the vertex."""
        return np.asarray(evaluate(self.graph, self.values)[self.of])

    @cached_property
    def direction(self) -> NDArray[np.float64]:
        """A random vector, 0 but in the entries that are moved."""
        found = np.zeros(self.size)
        found[self.entries] = np.random.Generator(np.random.PCG64(self.seed + 1)).standard_normal(len(self.entries))
        return found

    @cached_property
    def cotangent(self) -> NDArray[np.float64]:
        """A random array of the shape of the value."""
        return np.random.Generator(np.random.PCG64(self.seed + 2)).standard_normal(self.value.shape)

    def place(self, entry: int) -> tuple[str, tuple[int, ...]]:
        """The input and the index of an entry."""
        name = next(name for name in reversed(self.wrt) if self.starts[name] <= entry)
        return name, tuple(int(i) for i in np.unravel_index(entry - self.starts[name], self.shapes[name]))

    def flat(self, parts: Mapping[str, Array]) -> Array:
        """Arrays of the shapes of ``wrt`` as one vector."""
        return np.concatenate([np.reshape(parts[name], -1) for name in self.wrt])

    def split(self, vector: Array) -> dict[str, Array]:
        """A vector as arrays of the shapes of ``wrt``."""
        return {
            name: vector[self.starts[name] : self.starts[name] + int(np.prod(shape))].reshape(shape)
            for name, shape in self.shapes.items()
        }
