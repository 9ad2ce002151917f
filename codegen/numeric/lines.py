"""A scalar function along straight lines through one point, which is all that a difference scheme needs to see."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from codegen.errors import CheckError
from codegen.ir.graph import Graph
from codegen.numeric.branches import ancestors_only, branches
from codegen.numeric.evaluate import Evaluator, evaluate
from codegen.numeric.inputs import bind

Array = NDArray[Any]
Floats = NDArray[np.float64]

BATCH_ELEMENTS = 2**21
"""About as many elements (16 MB) the largest array of a batch of points may have."""
BATCH_POINTS = 256
"""More points at once gain nothing: a small graph takes as long for 256 as for ten."""

UserFunction = Callable[[Mapping[str, Array]], Any]
"""A scalar function of the inputs by name, such as a compiled one."""


@dataclass(frozen=True, eq=False)
class Lines:
    """K straight lines x + t·v through one point.

    ``moved(lines, t)`` are the inputs that differ from the point on some of the lines, each with an axis of lines in
    front. ``at`` is the coordinate that moves (0 where several do): h is rounded so that x + h has no rounding error.
    """

    moved: Callable[[NDArray[np.intp], Array], dict[str, Array]]
    at: Floats
    scale: Floats

    def __len__(self) -> int:
        return len(self.at)

    def take(self, chosen: NDArray[np.intp]) -> Lines:
        """Some of the lines."""
        return Lines(lambda lines, t: self.moved(chosen[lines], t), self.at[chosen], self.scale[chosen])


def entry_lines(point: Mapping[str, Array], wrt: str, entries: NDArray[np.intp]) -> Lines:
    """The axes of some entries of one input, given by their flat indices."""
    base = np.asarray(point[wrt])

    def moved(lines: NDArray[np.intp], t: Array) -> dict[str, Array]:
        stacked = np.repeat(base.reshape(1, -1), len(lines), axis=0).astype(np.result_type(base, t))
        stacked[np.arange(len(lines)), entries[lines]] += t
        return {wrt: stacked.reshape(len(lines), *base.shape)}

    at = np.real(base.reshape(-1)[entries])
    return Lines(moved, at, np.maximum(1.0, np.abs(at)))


def direction_lines(point: Mapping[str, Array], directions: Sequence[Mapping[str, Array]]) -> Lines:
    """Lines along vectors that may move several inputs; the scale is max(1, largest |x|)/(largest |v|)."""
    names = list(directions[0])
    stacks = {name: np.stack([np.asarray(direction[name]) for direction in directions]) for name in names}

    def moved(lines: NDArray[np.intp], t: Array) -> dict[str, Array]:
        return {
            name: point[name][None] + t.reshape(-1, *[1] * point[name].ndim) * stack[lines]
            for name, stack in stacks.items()
        }

    length = np.array([max(np.abs(direction[name]).max() for name in names) for direction in directions])
    largest = max(np.abs(point[name]).max() for name in names)
    return Lines(moved, np.zeros(len(directions)), np.maximum(1.0, largest) / np.where(length > 0, length, 1.0))


Objective = Callable[[Lines, Array], Array]
"""The function at one t on each line."""


def of_graph(graph: Graph, of: str, point: Mapping[str, Array], dtype: DTypeLike = np.float64) -> Objective:
    """A scalar vertex of a graph along lines, many lines at a time."""
    run = _batches(ancestors_only(graph, of), point, dtype)

    def along(lines: Lines, t: Array) -> Array:
        found = np.empty(len(lines), dtype)
        for rows, arrays in run(lines, t):
            found[rows] = arrays[of]
        return found

    return along


def same_branches(graph: Graph, of: str, point: Mapping[str, Array]) -> Objective:
    """Whether every branch that ``of`` depends on is decided on the lines at t as it is at the point itself."""
    decisions = branches(graph, of)
    if decisions is None:
        return lambda lines, t: np.ones(len(lines), bool)
    here = evaluate(decisions, point)
    run = _batches(decisions, point, np.float64)

    def along(lines: Lines, t: Array) -> Array:
        same = np.ones(len(lines), bool)
        for rows, arrays in run(lines, t):
            for name in decisions.outputs:
                differ = (arrays[name] != here[name]) & ~(np.isnan(arrays[name]) & np.isnan(here[name]))
                same[rows] &= ~differ.reshape(len(differ), -1).any(axis=1)
        return same

    return along


Batches = Callable[[Lines, Array], Iterator[tuple[NDArray[np.intp], dict[str, Array]]]]


def _batches(graph: Graph, point: Mapping[str, Array], dtype: DTypeLike) -> Batches:
    """Every variable of the graph at one t on each line, in batches of lines that fit into memory."""
    evaluator, inputs = Evaluator.of(graph, dtype), bind(graph, point, np.dtype(dtype))
    largest = max(evaluator.largest(inputs.extents), *(array.size for array in inputs.arrays.values()), 1)
    size = int(np.clip(BATCH_ELEMENTS // largest, 1, BATCH_POINTS))

    def run(lines: Lines, t: Array) -> Iterator[tuple[NDArray[np.intp], dict[str, Array]]]:
        for start in range(0, len(lines), size):
            rows = np.arange(start, min(start + size, len(lines)))
            arrays = {name: array[None] for name, array in inputs.arrays.items()} | lines.moved(rows, t[rows])
            yield rows, evaluator(inputs.extents, arrays)

    return run


def of_function(function: UserFunction, point: Mapping[str, Array]) -> Objective:
    """A user's function along lines, one call a point."""

    def along(lines: Lines, t: Array) -> Array:
        found = []
        for line in range(len(lines)):
            moved = lines.moved(np.array([line]), t[[line]])
            value = np.asarray(function({**point, **{name: array[0, ...] for name, array in moved.items()}}))
            if value.size != 1:
                raise CheckError(f"function: found a result of shape {value.shape}, expected a scalar")
            found.append(value.reshape(()))
        return np.array(found)

    return along
