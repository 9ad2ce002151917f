"""Kinds of derivatives: the transformation, and what it has to give in terms of first or second derivatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations_with_replacement
from math import comb
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
    sparse_jacobian,
    vjp,
)
from codegen.ir.graph import Graph
from codegen.walk import is_symbolic

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
Named = list[tuple[str, Array]]


@dataclass(frozen=True)
class Size:
    """What a bound of operations is stated in."""

    work: int
    """The operations of the value."""
    elements: int
    """Elements of the vertex."""
    entries: int
    """Entries of what it is differentiated by."""
    own_elements: int
    """Elements of one sample."""
    own_entries: int
    """Entries of one sample, and those that all samples share."""


def _as_they_are(problem: Problem, outputs: Named) -> Named:
    return outputs


@dataclass(frozen=True)
class Kind:
    """A derivative: how it is derived, its order, and what it is."""

    name: str
    derive: Callable[[Graph, str, Names], Graph]
    order: int
    expect: Expect
    scalar: bool = False
    """Whether the vertex has to be a scalar."""
    bound: Callable[[Size], float] | None = None
    """How many operations it may take."""
    read: Callable[[Problem, Named], Named] = _as_they_are
    """The arrays that are expected, from the outputs after the value."""
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


def _dense(problem: Problem, outputs: Named) -> Named:
    """The blocks of a sparse Jacobian by w, with the axes of a dense one."""
    derived = sparse_jacobian(problem.graph, problem.of, problem.wrt)
    extents = {str(n): m for v in problem.graph.inputs for n, m in zip(v.shape, np.shape(problem.values[v.name]))}
    matrix = derived.assemble(problem.value, *(array for _, array in outputs), **extents).toarray()
    return [
        (f"d{problem.of}/d{name}", matrix[:, start : start + size].reshape(*problem.value.shape, *shape))
        for (name, start), shape in zip(problem.starts.items(), problem.shapes.values())
        for size in [int(np.prod(shape))]
    ]


def _mixed(problem: Problem, value: Array, error: Array) -> list[Part]:
    """The second derivatives of of[s] by the first columns of the first of ``wrt``, in the same sample.

    The first ones are the outputs before them.
    """
    columns = _columns(problem.graph, problem.wrt)
    position = {int(entry): n for n, entry in enumerate(problem.entries)}
    parts = []
    for number, (a, b) in enumerate(combinations_with_replacement(columns, 2), len(columns)):
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
    return next((axis for axis, n in enumerate(graph.variable(name).shape) if is_symbolic(n)), None)


def _columns(graph: Graph, wrt: Names) -> list[int]:
    """The columns that mixed derivatives are taken by; one if the input is a number a sample."""
    shape = graph.variable(wrt[0]).shape
    return list(range(min(2, int(shape[1])))) if len(shape) == 2 else [0]


def _derive_mixed(graph: Graph, of: str, wrt: Names) -> Graph:
    rank = len(graph.variable(wrt[0]).shape)
    letters = {"ab"[c]: (wrt[0], c) if rank == 2 else wrt[0] for c in _columns(graph, wrt)}
    orders = [*letters, *("".join(pair) for pair in combinations_with_replacement(letters, 2))]
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


# --- bounds -------------------------------------------------------------------------------------------------------

# A product costs one operation, its tangent three more and its adjoints four more: two products, two additions.
# Samples do not depend on each other, so that one sweep serves them all; an entry between two of them, which is 0,
# costs a comparison and a product.


def _forward(size: Size) -> int:
    return size.work * (1 + 3 * size.own_entries) + 2 * size.elements * size.entries


def _reverse(size: Size) -> int:
    return size.work * (1 + 4 * size.own_elements) + 2 * size.elements * size.entries


def _nonzeros(size: Size) -> int:
    """No zeros between samples are stored."""
    return size.work * (1 + min(3 * size.own_entries, 4 * size.own_elements))


def _second(size: Size) -> float:
    """A gradient, and its tangent once for every entry; half of these by symmetry."""
    columns = size.own_elements * (size.own_entries + 1) / 2
    return size.work * (5 + 5 * columns) + 2 * size.elements * size.entries**2


def _products(size: Size) -> int:
    return min(_forward(size), _reverse(size)) + 2 * size.elements * size.entries**2


def _taylor(size: Size) -> int:
    """Series in two variables up to degree 2, whose product takes 15 products of coefficients and their sum."""
    return size.work * 2 * comb(2 * 2 + 2, 2)


_TABLE = (
    Kind("gradient", _gradient("reverse"), 1, _by_inputs, scalar=True, bound=lambda size: 5 * size.work),
    Kind("gradient by tangents", _gradient("forward"), 1, _by_inputs, scalar=True, bound=_forward),
    Kind("gradient by paths", _gradient("paths"), 1, _by_inputs, scalar=True, applies=_few_paths),
    Kind("jvp", lambda graph, of, wrt: jvp(graph, of, wrt), 1, _along, bound=lambda size: 4 * size.work),
    Kind("vjp", lambda graph, of, wrt: vjp(graph, of, wrt), 1, _weighed, bound=lambda size: 5 * size.work),
    Kind("jacobian forward", _jacobian("forward", False), 1, _by_inputs, bound=_forward),
    Kind("jacobian reverse", _jacobian("reverse", False), 1, _by_inputs, bound=_reverse),
    Kind("jacobian per sample", _jacobian("auto", True), 1, _by_samples, applies=_has_samples, bound=_nonzeros),
    Kind(
        "sparse_jacobian",
        lambda graph, of, wrt: sparse_jacobian(graph, of, wrt).graph,
        1,
        _by_inputs,
        bound=_nonzeros,
        read=_dense,
    ),
    Kind(
        "per_sample_gradients",
        lambda graph, of, wrt: per_sample_gradients(graph, of, wrt),
        1,
        _by_samples,
        applies=_has_samples,
        bound=lambda size: size.work * (1 + 4 * size.own_elements),
    ),
    Kind(
        "hessian",
        lambda graph, of, wrt: hessian(graph, of, wrt),
        2,
        _blocks,
        bound=_second,
    ),
    Kind(
        "hvp",
        lambda graph, of, wrt: hvp(graph, of, wrt),
        2,
        _curvature,
        scalar=True,
        bound=lambda size: 10 * size.work,
    ),
    Kind(
        "gauss_newton",
        lambda graph, of, wrt: gauss_newton(graph, of, wrt),
        1,
        _squares,
        bound=_products,
    ),
    Kind(
        "mixed_partials",
        _derive_mixed,
        2,
        _mixed,
        applies=_sampled_first,
        bound=_taylor,
    ),
)

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _TABLE}
"""Every kind of derivative by name."""
