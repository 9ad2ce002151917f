"""Numerical derivatives along lines t ↦ f(x + t·v), each with an estimate of its own error.

==========  ==========================================  ===================  ====================================
method      formula                                     step h / scale       estimated error
==========  ==========================================  ===================  ====================================
forward     (f(h) − f(0))/h                             eps^(1/2) = 1.5e-8   change when h is halved, and rounding
central     (f(h) − f(−h))/2h                           eps^(1/3) = 6.1e-6   the same
richardson  central differences extrapolated to h = 0   2⁻⁶, halved 6 times  spread of the extrapolation, and rounding
complex     Im f(ih)/h                                  1e-20                change when h is halved
exact       parabola through f(h), f(0), f(−h/2)        10^(−digits)         difference of forward and backward
==========  ==========================================  ===================  ====================================

scale = max(1, |x|), for the last two |x|. Rounding costs noise/h, where noise is at least eps·|f| and otherwise
measured as the scatter of f over some points within h, because cancellation inside f can exceed eps·|f| many times
(Moré and Wild, "Estimating computational noise", SIAM J. Sci. Comput. 33, 2011). No scheme knows of kinks:
:mod:`codegen.numeric.check` does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from codegen.cached import cached_property
from codegen.ir.graph import Graph
from codegen.numeric.branches import ancestors_only
from codegen.numeric.ieee import Ieee, Mpf
from codegen.numeric.inputs import bind
from codegen.numeric.lines import Array, Floats, Lines, Objective, UserFunction, of_function, of_graph
from codegen.numeric.oracle import LOCK, Oracle

EPS = float(np.finfo(np.float64).eps)
FORWARD_STEP = EPS ** (1 / 2)
CENTRAL_STEP = EPS ** (1 / 3)
RICHARDSON_STEP = 2.0**-6
RICHARDSON_LEVELS = 7
# Seven points as parts of h. Apart from those of the difference the distances are irregular: over equal ones the
# rounding errors of nearly linear values repeat themselves, and nothing is seen of them.
ONE_SIDE = (0.0, 0.13, 0.37, 0.5, 0.71, 0.89, 1.0)
BOTH_SIDES = (-1.0, -0.73, -0.5, 0.11, 0.5, 0.84, 1.0)
COMPLEX_STEP = 1e-20
COMPLEX_SMALLEST = 1e-220
COMPLEX_AT_ZERO = 1e-100


@dataclass(frozen=True, eq=False)
class Estimate:
    """Numerical derivatives and the estimated absolute error of each, in arrays of one shape.

    >>> from codegen import from_expressions
    >>> from codegen.numeric import central_difference
    >>> from sympy import symbols
    >>> a = symbols("a")
    >>> found = central_difference(from_expressions({"e": a**3}, [a]), "e", "a", {"a": 2.0})
    >>> found.value.round(6).item(), bool(found.error < 1e-6)
    (12.0, True)
    """

    value: Array
    error: Array


def _step(lines: Lines, step: float | None, default: float) -> Floats:
    return np.full(len(lines), step) if step is not None else default * lines.scale


def _stencil(f: Objective, lines: Lines, h: Floats, parts: Sequence[float]) -> tuple[Floats, Floats]:
    """Points on each line at these parts of h, rounded so that x + t is a float, and the values there."""
    offsets = np.array([(lines.at + part * h) - lines.at for part in parts])
    return offsets, np.array([f(lines, t) for t in offsets])


def noise(parts: Sequence[float], values: Floats) -> Floats:
    """The rounding error of f on each line, from values so close that a parabola ought to fit them.

    It is the root mean square of what the parabola leaves, and at least eps·|f|. A lucky line is given the median of
    all lines; where the function ends, values are not finite and tell nothing.
    """
    basis, _ = np.linalg.qr(np.vander(parts, 3))
    around = values - values.mean(axis=0)
    rest = around - np.einsum("ik,jk,jl->il", basis, basis, around)
    own = np.maximum(EPS * np.abs(values).max(axis=0), np.sqrt((rest**2).sum(axis=0) / (len(parts) - 3)))
    finite = own[np.isfinite(own)]
    return np.asarray(np.maximum(own, np.median(finite)) if len(finite) else own)


def forward(f: Objective, lines: Lines, step: float | None = None) -> Estimate:
    """(f(h) − f(0))/h; a negative step gives the backward difference. All points are on one side."""
    h = _step(lines, step, FORWARD_STEP)
    t, y = _stencil(f, lines, h, ONE_SIDE)
    value, finer = ((y[ONE_SIDE.index(part)] - y[0]) / (t[ONE_SIDE.index(part)] - t[0]) for part in (1, 0.5))
    return Estimate(value, 2 * np.abs(value - finer) + 2 * noise(ONE_SIDE, y) / np.abs(h))


def central(f: Objective, lines: Lines, step: float | None = None) -> Estimate:
    """(f(h) − f(−h))/2h."""
    h = _step(lines, step, CENTRAL_STEP)
    value, finer, rounding = _central(f, lines, h)
    return Estimate(value, np.abs(value - finer) * 4 / 3 + rounding)


def _central(f: Objective, lines: Lines, h: Floats) -> tuple[Floats, Floats, Floats]:
    """The central difference, the one of half the step, and their rounding error."""
    t, y = _stencil(f, lines, h, BOTH_SIDES)
    ends = [(BOTH_SIDES.index(-part), BOTH_SIDES.index(part)) for part in (1, 0.5)]
    value, finer = ((y[b] - y[a]) / (t[b] - t[a]) for a, b in ends)
    return value, finer, noise(BOTH_SIDES, y) / np.abs(h)


def richardson(f: Objective, lines: Lines, step: float | None = None) -> Estimate:
    """Central differences for h, h/2, h/4, … extrapolated to h = 0; the most consistent column wins (Ridders 1982).

    Over steps longer than a period the columns can agree on nonsense: they must also agree with a short step, and that
    one with its half to a percent or 10⁻⁶; otherwise the short one is the answer.
    """
    short = CENTRAL_STEP * lines.scale
    best, finer, rounding = _central(f, lines, short)
    error = np.abs(best - finer) * 4 / 3 + rounding
    resolved = np.abs(best - finer) <= np.maximum(np.abs(best) / 100, 1e-6)
    near, within = best, 10 * error
    h = _step(lines, step, RICHARDSON_STEP)
    above: list[Floats] = []
    for level in range(RICHARDSON_LEVELS):
        (a, b), (below, beyond) = _stencil(f, lines, h / 2**level, (-1, 1))
        row = [np.asarray((beyond - below) / (b - a))]
        for order, coarser in enumerate(above, 1):
            row.append(row[-1] + (row[-1] - coarser) / (4**order - 1))
            spread = np.maximum(np.abs(row[-1] - row[-2]), np.abs(row[-1] - coarser)) + 2 * rounding * short / b
            better = resolved & (spread < error) & (np.abs(row[-1] - near) <= within)
            best, error = np.where(better, row[-1], best), np.where(better, spread, error)
        above = row
    return Estimate(best, error)


def imaginary(f: Objective, lines: Lines, step: float | None = None) -> Estimate:
    """Im f(ih)/h: nothing is subtracted, so h can be as small as needed to make its square vanish.

    h is 10⁻²⁰·|x|, so that f is probed close to x even near a singularity at 0, but not so small that it is subnormal.
    """
    near = np.maximum(COMPLEX_STEP * np.abs(lines.at), COMPLEX_SMALLEST)
    h = np.full(len(lines), step) if step is not None else np.where(lines.at == 0, COMPLEX_AT_ZERO, near)
    found = f(lines, 1j * h)
    value = np.where(np.isnan(found.real), np.nan, found.imag / h)
    return Estimate(value, np.abs(value - f(lines, 0.5j * h).imag / (0.5 * h)))


def exact(graph: Graph, of: str, point: Mapping[str, Array], lines: Lines, digits: int = 50) -> Estimate:
    """A parabola through f(h), f(0) and f(−h/2) in mpmath, h/|x| = 10^(−digits), at three times the digits or more.

    h is that small a part of x, or where x is 0 of the smallest number of the point, so that it is short next to any
    kink or singularity, and the digits suffice for f(h) − f(0). The truncation error is of order h². The estimate, the
    difference of the forward and the backward quotient, is of order h for a smooth function and otherwise the jump of
    the slope; because the two steps differ, it sees a jump of f too. The result is rounded to ``digits`` digits.
    """
    trimmed, inputs = ancestors_only(graph, of), bind(graph, point, np.dtype(np.float64))
    arrays = {name: array.astype(object) for name, array in inputs.arrays.items()}
    smallest = min((float(size) for array in inputs.arrays.values() for size in _sizes(array)), default=1.0)
    value, error = np.empty(len(lines), object), np.empty(len(lines), object)
    with LOCK:
        working = 3 * digits - int(np.floor(np.log10(min(1.0, smallest))))
        function, result = Oracle(trimmed, inputs.extents, working), Ieee(digits)

        def at(line: int, t: Mpf) -> Mpf:
            moved = lines.moved(np.array([line]), np.array([t], object))
            return function({**arrays, **{name: array[0, ...] for name, array in moved.items()}})[of][()]

        for line in range(len(lines)):
            h = function.ieee.mpf(10) ** -digits * float(abs(lines.at[line]) or min(1.0, smallest))
            above, here, below = at(line, h), at(line, 0), at(line, -h / 2)
            forward_quotient, backward_quotient = (above - here) / h, (here - below) / (h / 2)
            value[line] = result.mpf((forward_quotient + 2 * backward_quotient) / 3)
            error[line] = result.mpf(abs(forward_quotient - backward_quotient))
    return Estimate(value, error)


def _sizes(array: Array) -> Array:
    """|x| of the finite numbers that are not 0."""
    return np.asarray(np.abs(array[np.isfinite(array) & (array != 0)]))


@dataclass(frozen=True, eq=False)
class Problem:
    """A scalar vertex of a graph as a function of the inputs, at a point; or another function in its place."""

    graph: Graph
    of: str
    point: Mapping[str, Array]
    function: UserFunction | None = None

    @cached_property
    def real(self) -> Objective:
        """The function along lines."""
        return self._objective(np.float64)

    @cached_property
    def continued(self) -> Objective:
        """The function along lines into the complex numbers."""
        return self._objective(np.complex128)

    def _objective(self, dtype: type[np.number[Any]]) -> Objective:
        if self.function is not None:
            return of_function(self.function, self.point)
        return of_graph(self.graph, self.of, self.point, dtype)


Scheme = Callable[[Problem, Lines, float | None], Estimate]


def _quietly(
    scheme: Callable[[Objective, Lines, float | None], Estimate], objective: Callable[[Problem], Objective]
) -> Scheme:
    def estimate(problem: Problem, lines: Lines, step: float | None) -> Estimate:
        # inf − inf where the function overflows: the estimate is nan, which is what the caller is to see.
        with np.errstate(all="ignore"):
            return scheme(objective(problem), lines, step)

    return estimate


#: How to differentiate a problem along lines, by name.
SCHEMES: Mapping[str, Scheme] = {
    "forward": _quietly(forward, lambda problem: problem.real),
    "central": _quietly(central, lambda problem: problem.real),
    "richardson": _quietly(richardson, lambda problem: problem.real),
    "complex": _quietly(imaginary, lambda problem: problem.continued),
    "exact": lambda problem, lines, step: exact(problem.graph, problem.of, problem.point, lines),
}
