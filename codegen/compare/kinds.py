"""Kinds of derivatives: the transformation, and what it has to give in terms of first or second derivatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.compare.problem import Problem
from codegen.derive import (
    PATH_LIMIT,
    Method,
    Mode,
    count_paths,
    gauss_newton,
    gradient,
    hessian,
    hvp,
    jacobian,
    jvp,
    mixed_partials,
    per_sample_gradients,
    vjp,
)
from codegen.graph import Graph

Array = NDArray[Any]
Names = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Part:
    """Some entries of one output after the value: which they are, what they should be, and how well that is known."""

    output: int
    place: tuple[Any, ...]
    value: Array
    error: Array


Expect = Callable[[Problem, Array, Array], list[Part]]
"""What follows from the derivatives by the entries that are moved, and from the errors of these."""


@dataclass(frozen=True)
class Kind:
    """A derivative: how it is derived, its order, and what it is."""

    name: str
    derive: Callable[[Graph, str, Names], Graph]
    order: int
    expect: Expect
    scalar: bool = False
    """Whether the vertex has to be a scalar."""
    bound: Callable[[int, int], int] | None = None
    """How many times the operations of the value it may take, for m elements of the vertex (of each sample, where it
    has samples) and n entries of what it is differentiated by."""
    applies: Callable[[Graph, str, Names], bool] = lambda graph, of, wrt: True


# --- what is expected ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Moved:
    """The entries of one of ``wrt`` that are moved: their places among all that are, and their indices."""

    number: int
    chosen: NDArray[np.intp]
    index: tuple[NDArray[np.intp], ...]


def _moved(problem: Problem) -> list[_Moved]:
    found = []
    for number, name in enumerate(problem.wrt):
        own, shape = problem.entries - problem.starts[name], problem.shapes[name]
        chosen = np.flatnonzero((own >= 0) & (own < int(np.prod(shape))))
        if len(chosen):
            found.append(_Moved(number, chosen, np.unravel_index(own[chosen], shape) if shape else ()))
    return found


def _by_inputs(problem: Problem, value: Array, error: Array) -> list[Part]:
    """d of/d w: the axes of ``of``, then those of w."""
    parts = []
    for w in _moved(problem):
        chosen = w.chosen if w.index else w.chosen[0]
        parts.append(Part(w.number, (..., *w.index), value[..., chosen], error[..., chosen]))
    return parts


def _along(problem: Problem, value: Array, error: Array) -> list[Part]:
    """d of along the direction."""
    v = problem.direction[problem.entries]
    return [Part(0, (...,), value @ v, error @ np.abs(v))]


def _weighed(problem: Problem, value: Array, error: Array) -> list[Part]:
    """The cotangent times d of/d w."""
    c, axes = problem.cotangent, problem.value.ndim
    return _by_inputs(problem, np.tensordot(c, value, axes), np.tensordot(np.abs(c), error, axes))


def _blocks(problem: Problem, value: Array, error: Array) -> list[Part]:
    """d² of/d w d u for w not after u: the axes of ``of``, of w, of u."""
    number = {pair: n for n, pair in enumerate(combinations_with_replacement(range(len(problem.wrt)), 2))}
    parts = []
    for w, u in combinations_with_replacement(_moved(problem), 2):
        # Indices of rows and columns broadcast to all pairs; a scalar has no axis.
        rows = w.chosen[:, None] if w.index and u.index else w.chosen if w.index else w.chosen[0]
        columns = u.chosen if u.index else u.chosen[0]
        place = (*(axis[:, None] if u.index else axis for axis in w.index), *u.index)
        taken = value[..., rows, columns], error[..., rows, columns]
        parts.append(Part(number[w.number, u.number], (..., *place), *taken))
    return parts


def _squares(problem: Problem, value: Array, error: Array) -> list[Part]:
    """Jᵀ·J."""
    axes = (range(problem.value.ndim),) * 2
    doubt = np.tensordot(np.abs(value), error, axes)
    return _blocks(problem, np.tensordot(value, value, axes), doubt + doubt.T)


def _curvature(problem: Problem, value: Array, error: Array) -> list[Part]:
    """The Hessian times the direction."""
    v = np.abs(problem.direction[problem.entries])
    return _by_inputs(problem, value @ problem.direction[problem.entries], error @ v)


def _by_samples(problem: Problem, value: Array, error: Array) -> list[Part]:
    """d of[s]/d w, of which an axis of w over the samples is left out."""
    parts = []
    for w in _moved(problem):
        axis = sample_axis(problem.graph, problem.wrt[w.number])
        if axis is None:
            parts += [part for part in _by_inputs(problem, value, error) if part.output == w.number]
        else:
            samples, rest = w.index[axis], (*w.index[:axis], *w.index[axis + 1 :])
            picked = value[samples, ..., w.chosen], error[samples, ..., w.chosen]
            parts.append(Part(w.number, (samples, ..., *rest) if rest else (samples, ...), *picked))
    return parts


def _mixed(problem: Problem, value: Array, error: Array) -> list[Part]:
    """The second derivatives of of[s] by the first columns of the first of ``wrt``, in the same sample."""
    columns = _columns(problem.graph, problem.wrt)
    position = {int(entry): n for n, entry in enumerate(problem.entries)}
    parts = []
    for number, (a, b) in enumerate(combinations_with_replacement(columns, 2)):
        for sample in range(problem.value.shape[0]):
            one, other = (position.get(_entry(problem, sample, column)) for column in (a, b))
            if one is not None and other is not None:
                parts.append(Part(number, (sample,), value[sample, ..., one, other], error[sample, ..., one, other]))
    return parts


def _entry(problem: Problem, sample: int, column: int) -> int:
    name = problem.wrt[0]
    index = (sample, column) if len(problem.shapes[name]) == 2 else (sample,)
    return problem.starts[name] + int(np.ravel_multi_index(index, problem.shapes[name]))


# --- transformations ----------------------------------------------------------------------------------------------


def sample_axis(graph: Graph, name: str) -> int | None:
    """The axis over the samples, if there is one."""
    return next((axis for axis, n in enumerate(graph.variable(name).shape) if not isinstance(n, int)), None)


def _columns(graph: Graph, wrt: Names) -> list[int]:
    """The columns that mixed derivatives are taken by; one if the input is a number a sample."""
    shape = graph.variable(wrt[0]).shape
    return list(range(min(2, int(shape[1])))) if len(shape) == 2 else [0]


def _derive_mixed(graph: Graph, of: str, wrt: Names) -> Graph:
    rank = len(graph.variable(wrt[0]).shape)
    letters = {"ab"[c]: (wrt[0], c) if rank == 2 else wrt[0] for c in _columns(graph, wrt)}
    orders = ["".join(pair) for pair in combinations_with_replacement(letters, 2)]
    return mixed_partials(graph, of, orders, letters)


def _gradient(method: Method) -> Callable[[Graph, str, Names], Graph]:
    return lambda graph, of, wrt: gradient(graph, of, wrt, method)


def _jacobian(mode: Mode, samples: bool) -> Callable[[Graph, str, Names], Graph]:
    return lambda graph, of, wrt: jacobian(graph, of, wrt, mode=mode, samples=samples)


def _has_samples(graph: Graph, of: str, wrt: Names) -> bool:
    return sample_axis(graph, of) == 0


def _sampled_first(graph: Graph, of: str, wrt: Names) -> bool:
    return _has_samples(graph, of, wrt) and sample_axis(graph, wrt[0]) == 0 and len(graph.variable(wrt[0]).shape) <= 2


def _few_paths(graph: Graph, of: str, wrt: Names) -> bool:
    return count_paths(graph, of).paths <= PATH_LIMIT


_TABLE = (
    Kind("gradient", _gradient("reverse"), 1, _by_inputs, scalar=True, bound=lambda m, n: 5),
    Kind("gradient by tangents", _gradient("forward"), 1, _by_inputs, scalar=True, bound=lambda m, n: 1 + 4 * n),
    Kind("gradient by paths", _gradient("paths"), 1, _by_inputs, scalar=True, applies=_few_paths),
    Kind("jvp", lambda graph, of, wrt: jvp(graph, of, wrt), 1, _along, bound=lambda m, n: 5),
    Kind("vjp", lambda graph, of, wrt: vjp(graph, of, wrt), 1, _weighed, bound=lambda m, n: 5),
    Kind("jacobian forward", _jacobian("forward", False), 1, _by_inputs, bound=lambda m, n: 1 + 4 * n),
    Kind("jacobian reverse", _jacobian("reverse", False), 1, _by_inputs, bound=lambda m, n: 1 + 4 * m),
    Kind("jacobian per sample", _jacobian("auto", True), 1, _by_samples, applies=_has_samples),
    Kind(
        "per_sample_gradients",
        lambda graph, of, wrt: per_sample_gradients(graph, of, wrt),
        1,
        _by_samples,
        applies=_has_samples,
    ),
    Kind("hessian", lambda graph, of, wrt: hessian(graph, of, wrt), 2, _blocks, bound=lambda m, n: 10 * m * n),
    Kind(
        "hvp",
        lambda graph, of, wrt: hvp(graph, of, wrt),
        2,
        _curvature,
        scalar=True,
        bound=lambda m, n: 10,
    ),
    Kind("gauss_newton", lambda graph, of, wrt: gauss_newton(graph, of, wrt), 1, _squares),
    Kind("mixed_partials", _derive_mixed, 2, _mixed, applies=_sampled_first),
)

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _TABLE}
"""Every kind of derivative by name."""
