"""Values on the way through a network that is no chain: its inputs, and what layers that are called make of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from symnn.errors import FieldError, SpecError
from symnn.shapes import Inputs, checked_name, read_one


@dataclass(frozen=True, eq=False)
class Node:
    """A value on the way through a network: an input, what a layer makes of a value, or several values as one."""

    sources: tuple[Node, ...] = ()
    layer: Any = None
    name: str = ""
    inputs: Inputs = 0
    joins: bool = False
    """Whether the sources stand side by side; else they are added."""

    def __add__(self, other: Node) -> Node:
        if not isinstance(other, Node):
            return NotImplemented
        return Node((self, other))

    @property
    def order(self) -> list[Node]:
        """This node and all that it is made of, each behind its sources."""
        found: dict[int, Node] = {}
        stack: list[tuple[Node, bool]] = [(self, False)]
        while stack:
            node, done = stack.pop()
            if done:
                found.setdefault(id(node), node)
            elif id(node) not in found:
                stack.append((node, True))
                stack += [(source, False) for source in reversed(node.sources)]
        return list(found.values())


def inputs(**given: Any) -> tuple[Node, ...]:
    """The named inputs of a network, each said as a network's are: ``inputs(image=(1, 8, 8), age=1)``.

    Raises :class:`SpecError` for what is no shape, and for a name that the graph has anyway.

    >>> found = inputs(image=(1, 8, 8), age=1)
    >>> len(found)
    2
    """
    found = []
    for name, shape in given.items():
        try:
            checked_name(name)
        except FieldError as error:
            raise SpecError(f"inputs: {error}") from None
        try:
            found.append(Node(name=name, inputs=read_one(shape)))
        except FieldError as error:
            raise SpecError(f"inputs: {name}: {error}") from None
    return tuple(found)
