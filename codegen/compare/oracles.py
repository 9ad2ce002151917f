"""First and second derivatives of any vertex, by means that do not know how graphs are differentiated here.

Each oracle gives the derivatives of all elements of the vertex by the entries that are moved, and an estimate of the
error of each: where that is too large, the comparison is left undecided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Integer

from codegen.compare.libraries import LIBRARIES, derivative, translates
from codegen.compare.problem import Problem
from codegen.derive import jacobian
from codegen.functions import select
from codegen.ir.equation import Equation, Variable
from codegen.ir.graph import Graph, Index
from codegen.ir.operations import count_operations
from codegen.ir.reduction import Reduction
from codegen.numeric.branches import ancestors_only
from codegen.numeric.inputs import bind
from codegen.numeric.lines import Lines
from codegen.numeric.oracle import LOCK, Oracle
from codegen.numeric.schemes import SCHEMES
from codegen.numeric.schemes import Problem as Scalar

Array = NDArray[Any]

STEP_DIGITS = 60
"""Differences in mpmath are taken over 10⁻⁶⁰: what they leave out is of that size too."""
WORKING_DIGITS = 4 * STEP_DIGITS
"""A second difference over that step keeps half of them."""

EXACT_WORK = 20_000
"""Differences in mpmath of a graph of more operations take minutes."""

TELLING = 1e-3
"""An oracle that doubts its own value by more than this says nothing."""

FAR = (309, 310)
"""Powers of 10 beyond the range of floats; a limit at infinity is what the derivative is at both."""
FAR_DIGITS = 4 * FAR[1]
"""Further ones: the cube of such a number is moved by the step."""
NUMBERS = ((-0.6, -0.61), (0.3, 0.31), (1.3, 1.31), (2.9, 2.91))
"""Where a derivative may vary, some inside of the domain of every function, between its kinks."""


@dataclass(frozen=True, eq=False)
class Slopes:
    """Derivatives, the entries that are moved on the last axis (the last two), and the errors of them.

    A derivative is known to be infinite, or nan, only where its error is 0.
    """

    value: Array
    error: Array


def finite(value: Array, error: Array) -> Slopes:
    """Of a method that cannot tell what is not finite from what it has not the range for."""
    return Slopes(value, np.where(np.isfinite(value), error, np.inf))


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
        self.with_digits = cache(partial(Oracle, graph, inputs.extents))
        self.oracle = self.with_digits(WORKING_DIGITS + 3 * below)
        self.arrays = {name: self.oracle.numbers(array.astype(object)) for name, array in inputs.arrays.items()}
        self.step = self.oracle.ieee.mpf(10) ** -(STEP_DIGITS + below)
        self.known: dict[tuple[tuple[int, int], ...], Array] = {}
        self.visited: dict[tuple[object, ...], _Exact] = {}

    def at(self, *moves: tuple[int, int]) -> Array:
        """The value where some entries are moved by multiples of the step."""
        if moves not in self.known:
            moved = self._with(lambda number, times: number + times * self.step, moves)
            self.known[moves] = self.oracle(moved)[self.problem.of]
        return self.known[moves]

    def near(self, number: float, entries: Iterable[int]) -> _Exact:
        """The vertex where some entries are near to another number."""
        return self._elsewhere(WORKING_DIGITS, dict.fromkeys(entries, (number, 0)))

    def far(self, power: int, signs: Mapping[int, int]) -> _Exact:
        """The vertex where some entries are large."""
        return self._elsewhere(WORKING_DIGITS + FAR_DIGITS, {e: (sign, power) for e, sign in signs.items()})

    def _elsewhere(self, digits: int, places: Mapping[int, tuple[float, int]]) -> _Exact:
        """Where some entries are a number times a power of 10, at the digits which that takes."""
        key = tuple(places.items())
        if key in self.visited:
            return self.visited[key]
        self.visited[key] = other = copy(self)
        other.oracle, other.known = self.with_digits(digits), {}
        ten = other.oracle.ieee.mpf(10)
        other.step = ten**-STEP_DIGITS
        other.arrays = self._with(lambda number, place: place[0] * ten ** place[1], places.items())
        return other

    def _with(self, change: Callable[[Any, Any], Any], changes: Iterable[tuple[int, Any]]) -> dict[str, Array]:
        arrays = dict(self.arrays)
        for entry, argument in changes:
            name, place = self.problem.place(int(entry))
            arrays[name] = arrays[name].copy()
            arrays[name][place] = change(arrays[name][place], argument)
        return arrays


def _is_small(problem: Problem) -> bool:
    samples = max((n for value in problem.values.values() for n in np.shape(value)), default=1)
    return count_operations(ancestors_only(problem.graph, problem.of), samples).total() <= EXACT_WORK


Difference = Callable[..., tuple[Array, Array]]
"""A derivative by some entries, and how far that to the other side is from it, as mpmath numbers."""


def _first_difference(exact: _Exact, e: int) -> tuple[Array, Array]:
    here = exact.at()
    forward, backward = ((exact.at((e, sign)) - here) / (sign * exact.step) for sign in (1, -1))
    return forward, np.abs(forward - backward)


def _second_difference(exact: _Exact, a: int, b: int) -> tuple[Array, Array]:
    here = exact.at()
    forward, backward = (
        (exact.at((a, sign), (b, sign)) - exact.at((a, sign)) - exact.at((b, sign)) + here) / exact.step**2
        for sign in (1, -1)
    )
    return forward, np.where(_jumps(exact, a) | _jumps(exact, b), exact.oracle.ieee.inf, np.abs(forward - backward))


def _jumps(exact: _Exact, e: int) -> Any:
    """Where the first derivative is another one to the left: second differences of either side alone do not see it.

    Told by the size of the derivative, which far out is a large one.
    """
    slope, change = _first_difference(exact, e)
    scale = np.maximum(np.abs(slope), exact.oracle.ieee.mpf(1))
    return ~np.asarray(change < scale * exact.oracle.ieee.mpf(10) ** (-STEP_DIGITS // 2), bool)


def _exact(difference: Difference, order: int) -> Differentiate:
    """The derivatives of an order by all entries that are moved."""

    def slopes(problem: Problem) -> Slopes:
        n = len(problem.entries)
        value = np.zeros((*problem.value.shape, *[n] * order))
        error = np.zeros_like(value)
        with LOCK:
            exact = _Exact(problem)
            for chosen in combinations_with_replacement(range(n), order):
                found = _anywhere(difference, exact, [int(problem.entries[c]) for c in chosen])
                for places in {chosen, chosen[::-1]}:
                    place: Any = (..., *places)
                    value[place], error[place] = found
        return Slopes(value, error)

    return slopes


def _anywhere(difference: Difference, exact: _Exact, entries: Sequence[int]) -> tuple[Array, Array]:
    """The derivative by some entries, also where these are infinite or nan."""
    value, error = _rounded(*difference(exact, *entries))
    given = exact.problem.flat(exact.problem.values)
    strange = {e: float(given[e]) for e in entries if not np.isfinite(given[e])}
    unknown = np.isnan(value)
    if not strange or not unknown.any():
        return value, error
    if any(np.isnan(number) for number in strange.values()):
        return value, np.where(unknown & _varies(difference, exact, entries, strange), 0.0, error)
    limit, doubt = _limit(difference, exact, entries, {e: int(np.sign(number)) for e, number in strange.items()})
    # Where the value is inf − inf there is no derivative to speak of.
    unknown &= ~np.isnan(_floats(exact.at()))
    return np.where(unknown, limit, value), np.where(unknown, doubt, error)


def _varies(difference: Difference, exact: _Exact, entries: Sequence[int], strange: Iterable[int]) -> Any:
    """Whether a derivative by entries that are nan is nan too: it is nowhere the same at two numbers side by side.

    If it is, as that of relu, it may be the constant of the branch that is taken where no comparison holds.
    """
    varies, constant = False, False
    for pair in NUMBERS:
        (a, doubt), (b, other) = (_rounded(*difference(exact.near(x, strange), *entries)) for x in pair)
        told = np.maximum(doubt, other) < TELLING**2
        differs = np.abs(a - b) > TELLING**2
        varies, constant = varies | (told & differs), constant | (told & ~differs)
    return varies & ~constant


def _limit(
    difference: Difference, exact: _Exact, entries: Sequence[int], signs: Mapping[int, int]
) -> tuple[Array, Array]:
    """A derivative far out, and how much it still changes there; overflow is infinite and does not change."""
    (a, doubt), (b, other) = (_rounded(*difference(exact.far(power, signs), *entries)) for power in FAR)
    with np.errstate(invalid="ignore"):
        return b, np.where(a == b, 0.0, np.abs(a - b)) + doubt + other


def _rounded(value: Array, error: Array) -> tuple[Array, Array]:
    """As floats; a number beyond their range is known to be infinite."""
    rounded, doubt = _floats(value), _floats(error)
    return rounded, np.where(np.isinf(rounded) & np.asarray(error < np.abs(value) * TELLING, bool), 0.0, doubt)


def _floats(numbers: Any) -> NDArray[np.float64]:
    return np.asarray(numbers, np.float64)


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
        return finite(found.value.reshape(shape), found.error.reshape(shape))

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
        return finite(*(np.concatenate(parts, axis=-2) for parts in zip(*found)))

    return second


# --- libraries ----------------------------------------------------------------------------------------------------


def _by_library(library: str, order: int) -> Differentiate:
    def slopes(problem: Problem) -> Slopes:
        found = derivative(library, order, problem)
        return finite(found, np.zeros_like(found))

    return slopes


def _library(name: str) -> Method:
    def applies(problem: Problem) -> bool:
        return translates(name, problem.graph, problem.of)

    return Method(name, _by_library(name, 1), _by_library(name, 2), applies=applies)


ORACLES: Mapping[str, Method] = {
    method.name: method
    for method in (
        Method(
            "mpmath", _exact(_first_difference, 1), _exact(_second_difference, 2), limits=(24, 6), applies=_is_small
        ),
        Method("complex step", _first_by("complex"), _second_by("complex")),
        Method("central", _first_by("central"), _second_by("central")),
        *map(_library, LIBRARIES),
    )
}
"""Every oracle by name."""
