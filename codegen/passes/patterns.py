"""Expressions up to the names of their indices, and the vertices that hold their values.

``tanh(u[s, h])`` in one equation and ``tanh(u[r, k])`` in another are the same array, if the ranges agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from sympy import Expr, Idx, Integer
from sympy.core.basic import Basic

from codegen.expression import annotate, is_leaf, leaf_indices, reindex


def node_indices(body: Expr) -> dict[int, tuple[Idx, ...]]:
    """The indices of every node of a body, in order of first occurrence, by the node's identity."""

    def step(node: Basic, arguments: list[tuple[Idx, ...]]) -> tuple[Idx, ...]:
        return leaf_indices(node) if is_leaf(node) else tuple(dict.fromkeys(i for found in arguments for i in found))

    return annotate(body, step)


def pattern(expression: Expr, order: Sequence[Idx]) -> Expr:
    """The expression with these indices, all that it has, renamed by their position.

    >>> i, j = Idx("i", 3), Idx("j", 3)
    >>> pattern(i + j, (i, j)) == pattern(j + i, (j, i))
    True
    """
    return reindex(expression, {index: _blank(n, index.upper) for n, index in enumerate(order)})


@lru_cache(maxsize=512)
def _blank(position: int, upper: Expr) -> Idx:
    return Idx(f"_{position}", (Integer(0), upper))


@dataclass(frozen=True)
class Vertex:
    """A target whose value a pattern has, and its indices in the order in which they occur in the pattern."""

    target: Expr
    order: tuple[Idx, ...]

    def at(self, actual: Sequence[Idx]) -> Expr:
        """The reference with other indices, in the same order."""
        return reindex(self.target, {old: new for old, new in zip(self.order, actual) if old != new})
