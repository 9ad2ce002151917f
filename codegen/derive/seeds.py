"""What a derivative starts from: the axes of a variable as directions, or given arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sympy import Expr, Idx, Mul

from codegen.functions import equal
from codegen.ir.graph import Graph, Variable
from codegen.ir.names import Names
from codegen.walk import subscripts

LETTERS = "ijklmn"
"""Names of indices along axes that a graph has none for, being cut into their elements."""

Seed = Callable[[Expr], Sequence[Expr]]
"""From a reference to the terms of the derivative of what it reads, along a direction."""


@dataclass(frozen=True, eq=False)
class Direction:
    """A direction of differentiation."""

    seeds: Mapping[str, Seed]
    """By the name of the variable."""
    indices: tuple[Idx, ...] = ()
    """The indices that the seeds bring in."""
    label: Callable[[str], str] = "d{}".format
    """From the name of a vertex to that of its derivative."""


def seed_indices(graph: Graph, variable: Variable) -> tuple[Idx, ...]:
    """An index for every axis of a variable, called as the vertex's own with a prime: W[h', d'] beside W[h, d]."""
    names = Names(graph.index_names)
    found: list[Idx] = []
    key = graph.keys[graph.cells[variable.name][0]]
    for axis, (subscript, n) in enumerate(zip(key, variable.shape)):
        stem = subscript.name if isinstance(subscript, Idx) else LETTERS[axis % len(LETTERS)]
        found.append(Idx(names.new(stem.rstrip("'") + "'"), n))
    return tuple(found)


def bracket_seed(indices: Sequence[Idx]) -> Seed:
    """d w[key]/d w[indices], the product of the brackets [key = index]."""
    return lambda reference: [Mul(*[equal(a, b) for a, b in zip(subscripts(reference), indices)])]


def array_seed(variable: Variable) -> Seed:
    """The entries of an array of the same shape."""
    return lambda reference: [variable[subscripts(reference)]]
