"""Expressions up to the names of their indices, and the vertices that hold their values.

``tanh(u[s, h])`` in one equation and ``tanh(u[r, k])`` in another are the same array, if the ranges agree.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from sympy import Expr, Idx, Indexed
from sympy.core.basic import Basic
from sympy.core.operations import AssocOp, LatticeOp

from codegen.walk import fold, is_leaf, moved


class Patterns:
    """Numbers for patterns: two expressions have the same number if they have the same pattern.

    Nothing is built in SymPy, which takes 0.2 ms for a reference.

    >>> i, j = Idx("i", 3), Idx("j", 3)
    >>> patterns = Patterns()
    >>> patterns(i + j, (i, j)) == patterns(j + i, (j, i)), patterns(i, (i,)) == patterns(i + 1, (i,))
    (True, False)
    """

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}
        self._found: dict[tuple[Expr, tuple[Idx, ...]], int] = {}

    def __call__(self, expression: Expr, order: Sequence[Idx]) -> int:
        """The number of the pattern of an expression with these indices, all that it has."""
        key = expression, tuple(order)
        if key not in self._found:
            places = {index: (place, index.upper) for place, index in enumerate(order)}

            def place(subscript: Expr) -> Hashable:
                """What is no index of these: a sum of some by the number of its pattern, all else as it is."""
                # The number of a sum is no subscript: x[i + 2] is not x[5], whichever number i + 2 has.
                plain = is_leaf(subscript) and not isinstance(subscript, Indexed)
                return subscript if plain else (Indexed, fold(subscript, step))

            def step(node: Basic, arguments: list[int]) -> int:
                content: Hashable
                if isinstance(node, Indexed):
                    content = Indexed, node.base, *[places.get(i) or place(i) for i in node.indices]
                else:
                    content = _content(node, arguments, places)
                return self._numbers.setdefault(content, len(self._numbers))

            self._found[key] = fold(expression, step)
        return self._found[key]


def _content(node: Basic, arguments: list[int], places: Mapping[Expr, tuple[int, Expr]]) -> Hashable:
    """What nodes of one pattern have in common; sums and products are the same in any order."""
    if isinstance(node, Idx):
        return Idx, places.get(node, node)
    if not node.args:
        return Basic, node
    return type(node), *(sorted(arguments) if isinstance(node, (AssocOp, LatticeOp)) else arguments)


@dataclass(frozen=True)
class Vertex:
    """A target whose value a pattern has, and its indices in the order in which they occur in the pattern."""

    target: Expr
    order: tuple[Idx, ...]

    def at(self, actual: Sequence[Expr]) -> Expr:
        """The reference with other subscripts, in the same order."""
        return moved(self.target, self.order, actual)
