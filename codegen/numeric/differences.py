"""Numerical derivatives of a scalar, each with an estimate of its own error.

All of them look at the function along straight lines t ↦ f(x + t·v) through one point: v is a unit vector for an entry
of a gradient, any vector for a directional derivative. A scheme sees only the function of t.

==========  ==========================================  ===================  ====================================
method      formula                                     step h / scale       estimated error
==========  ==========================================  ===================  ====================================
forward     (f(h) − f(0))/h                             eps^(1/2) = 1.5e-8   change when h is halved, and rounding
central     (f(h) − f(−h))/2h                           eps^(1/3) = 6.1e-6   the same
richardson  central differences extrapolated to h = 0   2⁻⁴, halved 7 times  spread of the extrapolation, and rounding
complex     Im f(ih)/h                                  1e-20                change when h is halved
exact       (f(h) − f(−h))/2h at three times the digits 10^(−digits)         difference of forward and backward
==========  ==========================================  ===================  ====================================

scale = max(1, |x|). Rounding costs noise/h, where noise is at least eps·|f| and otherwise measured: it is the scatter of
f over points a few ulp apart, because cancellation inside f can exceed eps·|f| many times (Moré and Wild, "Estimating
computational noise", SIAM J. Sci. Comput. 33, 2011). None of the schemes knows of kinks: see
:func:`~codegen.numeric.check.check_gradient`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from codegen.errors import CheckError
from codegen.graph import Graph
from codegen.numeric import oracle
from codegen.numeric.branches import ancestors_only
from codegen.numeric.evaluate import Evaluator
from codegen.numeric.inputs import bind

Array = NDArray[Any]
Floats = NDArray[np.float64]

EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class Estimate:
    """Numerical derivatives and the estimated absolute error of each, in arrays of one shape."""

    value: Array
    error: Array


UserFunction = Callable[[Mapping[str, Array]], Any]
"""A scalar function of the inputs by name, such as a compiled one."""


# --- lines through a point ----------------------------------------------------------------------------------------


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
    """Lines along vectors that may move several inputs; the scale is max(1, largest |x|/largest |v|)."""
    names = list(directions[0])
    stacks = {name: np.stack([np.asarray(direction[name]) for direction in directions]) for name in names}

    def moved(lines: NDArray[np.intp], t: Array) -> dict[str, Array]:
        return {
            name: point[name][None] + t.reshape(-1, *[1] * point[name].ndim) * stack[lines]
            for name, stack in stacks.items()
        }

    length = np.array([max(np.abs(direction[name]).max() for name in names) for direction in directions])
    largest = max(np.abs(point[name]).max() for name in names)
    scale = np.maximum(1.0, largest / np.where(length > 0, length, 1.0))
    return Lines(moved, np.zeros(len(directions)), scale)


Objective = Callable[[Lines, Array], Array]
"""The function at one t on each line."""


def of_graph(graph: Graph, of: str, point: Mapping[str, Array], dtype: Any = np.float64) -> Objective:
    """A scalar vertex of a graph along lines, many lines at a time."""
    trimmed = ancestors_only(graph, of)
    evaluator, inputs = Evaluator.of(trimmed, dtype), bind(graph, point, np.dtype(dtype))
    chunk = points_at_once(trimmed, inputs.extents)

    def along(lines: Lines, t: Array) -> Array:
        found = np.empty(len(lines), dtype)
        for start in range(0, len(lines), chunk):
            rows = np.arange(start, min(start + chunk, len(lines)))
            arrays = {name: array[None] for name, array in inputs.arrays.items()} | lines.moved(rows, t[rows])
            found[rows] = evaluator(inputs.extents, arrays)[of]
        return found

    return along


POINTS_ELEMENTS = 2**21
"""About as many elements (16 MB) the largest array of a batch of points may have."""


def points_at_once(graph: Graph, extents: Mapping[Any, int]) -> int:
    """How many points to evaluate together: many for a small graph, one for a large one."""
    sizes = [
        int(np.prod([n if isinstance(n, int) else extents[n] for n in variable.shape], dtype=np.int64))
        for variable in graph.variables.values()
    ]
    return int(np.clip(POINTS_ELEMENTS // max(sizes), 1, 256))


def of_function(function: UserFunction, point: Mapping[str, Array]) -> Objective:
    """A user's function along lines, one call a point."""

    def along(lines: Lines, t: Array) -> Array:
        found = []
        for line in range(len(lines)):
            moved = lines.moved(np.array([line]), t[[line]])
            value = np.asarray(function({**point, **{name: array[0] for name, array in moved.items()}}))
            if value.size != 1:
                raise CheckError(f"function: found a result of shape {value.shape}, expected a scalar")
            found.append(value.reshape(()))
        return np.array(found)

    return along


# --- schemes ------------------------------------------------------------------------------------------------------


def _step(lines: Lines, step: float | None, default: float) -> Floats:
    return np.full(len(lines), step) if step is not None else default * lines.scale


def _exact_step(lines: Lines, h: Floats) -> Floats:
    """h rounded so that x + h is a float."""
    return (lines.at + h) - lines.at


def _slope(f: Objective, lines: Lines, a: Floats, b: Floats) -> Floats:
    return np.asarray((f(lines, a) - f(lines, b)) / (a - b))


def noise(f: Objective, lines: Lines) -> Floats:
    """The rounding error of f near the point: at least eps·|f|, otherwise the scatter of eight values some ulp apart.

    The k-th differences of a smooth function over such small steps vanish; those of independent errors of size σ have the
    variance (2k over k)·σ².
    """
    ulps = 16 * EPS * lines.scale
    values = np.array([f(lines, k * ulps) for k in range(8)])
    measured = [
        np.sqrt((np.diff(values, k, axis=0) ** 2).mean(axis=0) / comb(2 * k, k)) for k in (3, 4, 5)
    ]
    return np.asarray(np.max([EPS * np.abs(values[0]), *measured], axis=0))


def _noise_once(f: Objective, lines: Lines) -> Floats:
    """The noise measured on a few of the lines: it is a property of the function, not of the entry."""
    chosen = np.unique(np.linspace(0, len(lines) - 1, min(4, len(lines))).astype(np.intp))
    return np.full(len(lines), noise(f, lines.take(chosen)).max()) if len(lines) else np.zeros(0)


def forward(f: Objective, lines: Lines, step: float | None = None) -> Estimate:
    """(f(h) − f(0))/h; a negative step gives the backward difference."""
    h = _step(lines, step, FORWARD_STEP)
    zero, whole, half = np.zeros(len(lines)), _exact_step(lines, h), _exact_step(lines, h / 2)
    value, finer = _slope(f, lines, whole, zero), _slope(f, lines, half, zero)
    return Estimate(value, 2 * np.abs(value - finer) + 2 * _noise_once(f, lines) / np.abs(h))


def central(f: Objective, lines: Lines, step: float | None = None) -> Estimate:
    """(f(h) − f(−h))/2h."""
    h = _step(lines, step, CENTRAL_STEP)
    value, finer = (_slope(f, lines, _exact_step(lines, k), _exact_step(lines, -k)) for k in (h, h / 2))
    return Estimate(value, np.abs(value - finer) * 4 / 3 + _noise_once(f, lines) / np.abs(h))


def richardson(f: Objective, lines: Lines, step: float | None = None) -> Estimate:
    """Central differences for h, h/2, h/4, … extrapolated to h = 0; the most consistent column wins (Ridders 1982)."""
    h, scatter = _step(lines, step, RICHARDSON_STEP), _noise_once(f, lines)
    best, error = np.full(len(lines), np.nan), np.full(len(lines), np.inf)
    above: list[Floats] = []
    for level in range(RICHARDSON_LEVELS):
        width = h / 2**level
        row = [_slope(f, lines, _exact_step(lines, width), _exact_step(lines, -width))]
        for order, coarser in enumerate(above, 1):
            row.append(row[-1] + (row[-1] - coarser) / (4**order - 1))
            spread = np.maximum(np.abs(row[-1] - row[-2]), np.abs(row[-1] - coarser)) + 2 * scatter / width
            better = spread < error
            best, error = np.where(better, row[-1], best), np.where(better, spread, error)
        above = row
    return Estimate(best, np.where(np.isnan(best), np.nan, error))


def complex_(f: Objective, lines: Lines, step: float | None = None) -> Estimate:
    """Im f(ih)/h: nothing is subtracted, so h can be as small as needed to make its square vanish.

    h is 10⁻²⁰·|x|, so that f is probed close to x even near a singularity at 0, and never below 10⁻²²⁰.
    """
    h = np.full(len(lines), step) if step is not None else COMPLEX_STEP * np.maximum(np.abs(lines.at), 1e-200)
    if step is None:
        h = np.where(lines.at == 0, COMPLEX_AT_ZERO, h)
    value, finer = (f(lines, 1j * k).imag / k for k in (h, h / 2))
    return Estimate(value, np.abs(value - finer))


FORWARD_STEP = EPS ** (1 / 2)
CENTRAL_STEP = EPS ** (1 / 3)
RICHARDSON_STEP = 2.0**-4
RICHARDSON_LEVELS = 8
COMPLEX_STEP = 1e-20
COMPLEX_AT_ZERO = 1e-100
