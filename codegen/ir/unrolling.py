"""The neuron-by-neuron view of a graph: every index but the symbolic ones written out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import product

from sympy import Idx, Integer

from codegen.errors import GraphError
from codegen.ir.equation import Equation
from codegen.walk import extent, reindex, size

TERMS = 1_000_000
"""What all equations that are written out may have together: each term takes some 20 µs and 1 kB."""


def scalar_equations(equations: Iterable[Equation]) -> int:
    """How many equations of single elements there are, those of all samples counted once."""
    return sum(size(equation.free) for equation in equations)


def terms(equations: Iterable[Equation]) -> int:
    """How many terms these have, those of all samples counted once: a sum of n numbers has n."""
    return sum(size(equation.domain) for equation in equations)


def none(equation: Equation) -> Collection[Idx]:
    """No index stays."""
    return ()


def unrolled(
    equations: Sequence[Equation], limit: int, stays: Callable[[Equation], Collection[Idx]] = none
) -> Iterator[Equation]:
    """The equations of single elements, at most so many; see :meth:`codegen.Graph.unroll`.

    ``stays`` gives the indices of an equation that are not written out, besides symbolic ones.
    """
    one = next((equation for equation in equations if equation.eliminates), None)
    if one is not None:
        raise GraphError(f"{one.name!r} eliminates a matrix as a whole: its elements are not written out one by one")
    parts = [(equation, stays(equation)) for equation in equations]
    count = sum(size(i for i in equation.free if i not in kept) for equation, kept in parts)
    if count > limit:
        raise GraphError(f"unrolling gives {count:,} scalar equations, more than the limit of {limit:,}")
    count = sum(size(i for i in equation.domain if i not in kept) for equation, kept in parts)
    if count > TERMS:
        raise GraphError(f"unrolling gives equations of {count:,} terms in all, more than the limit of {TERMS:,}")
    return (scalar for equation, kept in parts for scalar in _scalars(equation, kept))


def _counted(of: Iterable[Idx], kept: Collection[Idx]) -> dict[Idx, range]:
    """The indices that can be written out, with their values."""
    return {index: range(n) for index in of if isinstance(n := extent(index), int) and index not in kept}


def _assignments(of: Iterable[Idx], kept: Collection[Idx]) -> Iterator[dict[Idx, Integer]]:
    counted = _counted(of, kept)
    for values in product(*counted.values()):
        yield {index: Integer(value) for index, value in zip(counted, values)}


def _scalars(equation: Equation, kept: Collection[Idx]) -> Iterator[Equation]:
    """One equation for each value of the target's indices, the reduction over integer extents written out."""
    symbolic = tuple(i for i in equation.reduced if i not in _counted(equation.reduced, kept))
    for outer in _assignments(equation.free, kept):
        terms = [reindex(equation.body, {**outer, **inner}) for inner in _assignments(equation.reduced, kept)]
        if equation.reduction is not None:
            terms = [term for term in terms if term is not equation.monoid.neutral] or terms[:1]
        body = terms[0] if len(terms) == 1 else equation.monoid.combine(*terms)
        yield Equation.over(reindex(equation.target, outer), body, equation.reduction, symbolic)
