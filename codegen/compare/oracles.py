"""First and second derivatives of any vertex, by means that do not know how graphs are differentiated here.

Each oracle gives the derivatives of all elements of the vertex by the entries that are moved, and an estimate of the
error of each: where that is too large, the comparison is left undecided.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Integer

from codegen.compare.libraries import LIBRARIES, derivative, translates
from codegen.compare.problem import Problem
from codegen.derive import jacobian
from codegen.equation import Equation, Reduction, Variable
from codegen.functions import select
from codegen.graph import Graph, Index
from codegen.numeric.branches import ancestors_only
from codegen.numeric.inputs import bind
from codegen.numeric.lines import Lines
from codegen.numeric.oracle import LOCK, Oracle
from codegen.numeric.schemes import SCHEMES
from codegen.numeric.schemes import Problem as Scalar
from codegen.operations import count_operations

Array = NDArray[Any]

STEP_DIGITS = 60
"""Differences in mpmath are taken over 10⁻⁶⁰: what they leave out is of that size too."""
WORKING_DIGITS = 4 * STEP_DIGITS
"""A second difference over that step keeps half of them."""

EXACT_WORK = 20_000
"""Differences in mpmath of a graph of more operations take minutes."""


@dataclass(frozen=True, eq=False)
class Slopes:
    """Derivatives, the entries that are moved on the last axis (the last two), and the errors of them."""

    value: Array
    error: Array


Differentiate = Callable[[Problem], Slopes]


@dataclass(frozen=True)
class Method:
    """An oracle: how it takes first and second derivatives."""

    name: str
    first: Differentiate
    second: Differentiate
    limits: tuple[int, int] = (64, 64)
    """By how many entries it takes first and second derivatives in reasonable time."""
    applies: Callable[[Problem], bool] = lambda problem: True


# --- mpmath -------------------------------------------------------------------------------------------------------


class _Exact:
    """The vertex at points near the one given, in mpmath."""

    def __init__(self, problem: Problem) -> None:
        graph = ancestors_only(problem.graph, problem.of)
        inputs = bind(graph, problem.values, np.dtype(np.float64))
        sizes = [np.abs(array[np.isfinite(array) & (array != 0)]) for array in inputs.arrays.values()]
        smallest = min((float(size.min()) for size in sizes if size.size), default=1.0)
        # Short next to the distance from any singularity at 0.
        below = -int(np.floor(np.log10(min(1.0, smallest))))
        self.problem = problem
        self.oracle = Oracle(graph, inputs.extents, WORKING_DIGITS + 3 * below)
        self.arrays = {name: array.astype(object) for name, array in inputs.arrays.items()}
        self.step = self.oracle.ieee.mpf(10) ** -(STEP_DIGITS + below)

    def at(self, *moves: tuple[int, int]) -> Array:
        """The value where some entries are moved by multiples of the step."""
        arrays = dict(self.arrays)
        for entry, times in moves:
            name, place = self.problem.place(entry)
            arrays[name] = self.oracle.numbers(arrays[name])
            arrays[name][place] += times * self.step
        return self.oracle(arrays)[self.problem.of]


def _is_small(problem: Problem) -> bool:
    samples = max((n for value in problem.values.values() for n in np.shape(value)), default=1)
    return count_operations(ancestors_only(problem.graph, problem.of), samples).total() <= EXACT_WORK


def _exact_first(problem: Problem) -> Slopes:
    with LOCK:
        exact = _Exact(problem)
        here = exact.at()
        found = [[(exact.at((e, sign)) - here) / (sign * exact.step) for sign in (1, -1)] for e in problem.entries]
        value = _stacked([_floats(forward) for forward, _ in found], problem)
        error = _stacked([_floats(forward - backward) for forward, backward in found], problem)
    return Slopes(value, np.abs(error))


def _exact_second(problem: Problem) -> Slopes:
    n = len(problem.entries)
    value = np.empty((*problem.value.shape, n, n))
    error = np.empty_like(value)
    with LOCK:
        exact = _Exact(problem)
        here = exact.at()
        single = {(e, sign): exact.at((e, sign)) for e in problem.entries for sign in (1, -1)}
        jumps = [_jumps(exact, here, single[e, 1], single[e, -1]) for e in map(int, problem.entries)]
        for i, j in combinations_with_replacement(range(n), 2):
            a, b = int(problem.entries[i]), int(problem.entries[j])
            forward, backward = (
                (exact.at((a, sign), (b, sign)) - single[a, sign] - single[b, sign] + here) / exact.step**2
                for sign in (1, -1)
            )
            value[..., i, j] = value[..., j, i] = _floats(forward)
            doubt = np.where(jumps[i] | jumps[j], np.inf, np.abs(_floats(forward - backward)))
            error[..., i, j] = error[..., j, i] = doubt
    return Slopes(value, error)


def _jumps(exact: _Exact, here: Array, above: Array, below: Array) -> Any:
    """Where the first derivative is another one to the left: second differences of either side alone do not see it."""
    change = np.abs(_floats((above - 2 * here + below) / exact.step))
    return ~(change < 10.0 ** (-STEP_DIGITS / 2))


def _floats(numbers: Any) -> NDArray[np.float64]:
    return np.asarray(numbers, np.float64)


def _stacked(parts: list[Array], problem: Problem) -> Array:
    return np.stack(parts, axis=-1) if parts else np.zeros((*problem.value.shape, 0))


# --- the schemes of codegen.numeric -------------------------------------------------------------------------------


def _of_elements(method: str, problem: Problem, elements: NDArray[np.intp]) -> Slopes:
    """The derivatives of some elements of the vertex, which are the first axis."""
    graph, scalar, weights = _weighted(problem)
    given = bind(problem.graph, problem.values, np.dtype(np.float64)).arrays
    point = {**given, weights: np.zeros(problem.value.shape)}
    found = SCHEMES[method](Scalar(graph, scalar, point), _lines(problem, weights, elements), None)
    shape = (len(elements), len(problem.entries))
    return Slopes(found.value.reshape(shape), found.error.reshape(shape))


def _first_by(method: str) -> Differentiate:
    def first(problem: Problem) -> Slopes:
        found = _of_elements(method, problem, np.arange(problem.value.size))
        shape = (*problem.value.shape, len(problem.entries))
        return Slopes(found.value.reshape(shape), found.error.reshape(shape))

    return first


def _weighted(problem: Problem) -> tuple[Graph, str, str]:
    """The graph with the scalar that sums up the elements of ``of`` whose weight is 1, not 0."""
    of = problem.graph.variable(problem.of)
    weights = Variable(f"weights of {of.name}", of.shape)
    index = tuple(Index(f"w{axis}", n) for axis, n in enumerate(of.shape))
    scalar = Variable(f"element of {of.name}")
    # A choice, not a product: 0·nan would be nan.
    chosen = select(weights[index], of[index], Integer(0))
    picked = Equation(scalar.symbol, chosen, Reduction.SUM if index else None, index)
    return (
        Graph((*problem.graph.inputs, weights), (*problem.graph.equations, picked), (scalar.name,)),
        scalar.name,
        weights.name,
    )


def _lines(problem: Problem, weights: str, elements: NDArray[np.intp]) -> Lines:
    """A line for each element and each entry, the entries running faster."""
    count, n = problem.value.size, len(problem.entries)
    flat = problem.flat(problem.values)
    at = np.tile(flat[problem.entries], len(elements))

    def moved(lines: NDArray[np.intp], t: Array) -> dict[str, Array]:
        rows, entries = np.divmod(lines, max(n, 1))
        vectors = np.repeat(flat[None], len(lines), axis=0).astype(np.result_type(flat, t))
        vectors[np.arange(len(lines)), problem.entries[entries]] += t
        one_hot = np.zeros((len(lines), count))
        one_hot[np.arange(len(lines)), elements[rows]] = 1
        stacked = {
            name: vectors[:, start : start + int(np.prod(problem.shapes[name]))].reshape(-1, *problem.shapes[name])
            for name, start in problem.starts.items()
        }
        return {**stacked, weights: one_hot.reshape(len(lines), *problem.value.shape)}

    return Lines(moved, at, np.maximum(1.0, np.abs(at)))


def _second_by(method: str) -> Differentiate:
    """Second derivatives as first ones of the derived Jacobian, which is itself held to every oracle."""

    def second(problem: Problem) -> Slopes:
        derived = jacobian(problem.graph, problem.of, problem.wrt, mode="reverse")
        lead = problem.value.shape
        found = []
        for name, output in zip(problem.wrt, derived.outputs[1:]):
            start, size = problem.starts[name], int(np.prod(problem.shapes[name]))
            own = problem.entries[(problem.entries >= start) & (problem.entries < start + size)] - start
            elements = (np.arange(problem.value.size)[:, None] * size + own).reshape(-1)
            slopes = _of_elements(method, replace(problem, graph=derived, of=output), elements)
            shape = (*lead, len(own), len(problem.entries))
            found.append((slopes.value.reshape(shape), slopes.error.reshape(shape)))
        return Slopes(*(np.concatenate(parts, axis=-2) for parts in zip(*found)))

    return second


# --- libraries ----------------------------------------------------------------------------------------------------


def _by_library(library: str, order: int) -> Differentiate:
    def slopes(problem: Problem) -> Slopes:
        found = derivative(library, order, problem)
        return Slopes(found, np.zeros_like(found))

    return slopes


def _library(name: str) -> Method:
    def applies(problem: Problem) -> bool:
        return translates(name, problem.graph, problem.of)

    return Method(name, _by_library(name, 1), _by_library(name, 2), applies=applies)


ORACLES: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method("mpmath", _exact_first, _exact_second, limits=(24, 6), applies=_is_small),
        Method("complex step", _first_by("complex"), _second_by("complex")),
        Method("central", _first_by("central"), _second_by("central")),
        *map(_library, LIBRARIES),
    )
}
"""Every oracle by name."""
