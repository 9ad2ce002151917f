"""Sums of products of two arrays, whose factors have the indices that a matrix product needs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence, Set

from sympy import Expr, Idx, Indexed, Mul

from codegen.ir.graph import Graph
from codegen.walk import base_name, indices


def uses(factors: Iterable[Expr]) -> set[Idx]:
    """The indices of some factors."""
    return {index for factor in factors for index in indices(factor)}


def parted(
    terms: Iterable[Expr], is_right: Callable[[Set[Idx]], bool], left: Collection[Idx], right: Collection[Idx]
) -> list[tuple[list[Expr], list[Expr]]] | None:
    """The left and the right factors of each term; None unless each side has these indices and no others."""
    found: list[tuple[list[Expr], list[Expr]]] = []
    for term in terms:
        sides: tuple[list[Expr], list[Expr]] = ([], [])
        for factor in Mul.make_args(term):
            sides[is_right(set(indices(factor)))].append(factor)
        if (uses(sides[0]), uses(sides[1])) != ({*left}, {*right}):
            return None
        found.append(sides)
    return found


def is_whole(graph: Graph, operand: Expr) -> bool:
    """Whether an operand is one array of real numbers, read along all of its axes, each by an index of its own."""
    if not isinstance(operand, Indexed) or not _are_distinct(operand.indices):
        return False
    variable = graph.variable(base_name(operand))
    return variable.kind == "real" and len(graph.definitions[variable.name]) <= 1


def _are_distinct(key: Sequence[Expr]) -> bool:
    return all(isinstance(i, Idx) for i in key) and len(set(key)) == len(key)
