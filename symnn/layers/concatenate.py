"""``{concatenate: [[{dense: 8}], [{dense: 4}]]}``: what several branches make of the same input, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, overload

from pydantic import Field
from sympy import Piecewise

from codegen import Index
from symnn.errors import FieldError, SpecError
from symnn.given import called
from symnn.layers.layer import Layer, LayersField, misfit, shape_after, unbounded_after
from symnn.layers.node import Node
from symnn.layers.writing import Place, Value
from symnn.shapes import CHANNEL, FEATURE, Axis, Shape, described, extents, names


class Concatenate(Layer):
    """The features of all branches one after the other, or their channels; a branch without layers is the input."""

    concatenate: Annotated[tuple[LayersField, ...], Field(strict=False)] = Field(
        description="a list of branches, each a list of layers"
    )

    @property
    def branches(self) -> Sequence[Sequence[Layer]]:
        return self.concatenate

    def _shapes(self, given: Shape) -> list[Shape]:
        found = []
        for number, branch in enumerate(self.concatenate):
            try:
                found.append(shape_after(branch, given))
            except FieldError as error:
                raise error.within("concatenate", number) from None
        return found

    def shape(self, given: Shape) -> Shape:
        return joined_shape(self._shapes(given))

    def write(self, place: Place, x: Value) -> Value:
        shapes = self._shapes(place.given)
        parts = [place.plain(place.chain(branch, x), shape) for branch, shape in zip(self.concatenate, shapes)]
        return joined(place, parts, shapes)

    @property
    def unbounded(self) -> bool | None:
        said = [unbounded_after(branch) for branch in self.branches]
        return None if None in said else all(said)


def joined_shape(shapes: Sequence[Shape]) -> Shape:
    """The shape of values side by side.

    Raises :class:`FieldError` where they differ in another axis than the one that they are joined along.
    """
    if not shapes:
        raise FieldError("concatenate: expected at least one branch, found none")
    first, *_ = shapes
    at = _joined(first)
    for other in shapes:
        if names(other) != names(first) or extents(_without(other, at)) != extents(_without(first, at)):
            both = f"{described(first)} and {described(other)}"
            raise FieldError(f"concatenate joins values that differ in one axis, found shapes {both}")
    axis = Axis(first[at].name, sum(int(shape[at].extent) for shape in shapes))
    return (*first[:at], axis, *first[at + 1 :])


def joined(place: Place, parts: Sequence[Value], shapes: Sequence[Shape]) -> Value:
    """Values side by side: {a[d] if d < n, else b[d − n]}."""
    at = 1 + _joined(shapes[0])
    whole = joined_shape(shapes)[at - 1]
    index = Index(f"{'c' if whole.name == CHANNEL else 'd'}{place.number}", whole.extent)
    indices = (*parts[0].indices[:at], index, *parts[0].indices[at + 1 :])
    pieces, start = [], 0
    for part, shape in zip(parts, shapes):
        stop = start + int(shape[at - 1].extent)
        value = part.variable[(*indices[:at], index - start, *indices[at + 1 :])]
        pieces.append((value, index < stop if stop < int(whole.extent) else True))
        start = stop
    return place.map("r", indices, Piecewise(*pieces))


def _joined(shape: Shape) -> int:
    """Which axis the branches are joined along."""
    found = [place for place, axis in enumerate(shape) if axis.name in (CHANNEL, FEATURE)]
    if not found:
        raise misfit("concatenate", "features or channels", shape)
    return found[0]


def _without(shape: Shape, at: int) -> Shape:
    return (*shape[:at], *shape[at + 1 :])


@overload
def concatenate(*branches: Sequence[Layer]) -> Concatenate: ...
@overload
def concatenate(*branches: Node) -> Node: ...
@called(SpecError)
def concatenate(*branches: Any) -> Any:
    """What several branches make of the same input, side by side; or values of a network that is no chain.

    They are given one after the other or in a list.

    >>> from symnn.layers.dense import dense
    >>> concatenate([dense(8), dense(4)], []).to_plain()
    {'concatenate': [[{'dense': 8}, {'dense': 4}], []]}
    >>> concatenate([[dense(8)], [dense(4)]]) == concatenate([dense(8)], [dense(4)])
    True
    """
    if len(branches) == 1 and isinstance(branches[0], (list, tuple)) and _are_branches(branches[0]):
        branches = tuple(branches[0])
    if branches and all(isinstance(branch, Node) for branch in branches):
        return Node(branches, joins=True)
    return Concatenate(concatenate=tuple(tuple(branch) for branch in branches))


def _are_branches(given: Sequence[object]) -> bool:
    return bool(given) and all(isinstance(one, (list, tuple, Node)) for one in given)
