"""What an operator is: its attributes with their defaults, and the function that writes it down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias

from codegen import Index
from codegen.walk import Extent, extent
from symnn.onnx.arrays import Array, Axis, Known, Value, length, plain_values, refined, split
from symnn.onnx.writing import RefusedError, Writer, shown

Result: TypeAlias = "Value | Sequence[Value | None]"
LARGEST_FOLD = 1_000_000
"""Numbers of a file that are computed while it is read."""
LONGEST_AXIS = 100_000
"""Of lengths, strides, pads and dilations that a file says."""


@dataclass(frozen=True)
class Node:
    """One node of a file: its attributes, and the writer of the graph that it is in."""

    operator: str
    opset: int
    attributes: Mapping[str, Any]
    outputs: int
    """How many of its results are read."""
    writer: Writer

    def __getitem__(self, name: str) -> Any:
        return self.attributes[name]

    def refuse(self, message: str) -> NoReturn:
        """Raise what becomes the error that names this node."""
        raise RefusedError(message)

    def given(self, value: Value | None, what: str) -> Value:
        """An input that has to be there."""
        return value if value is not None else self.refuse(f"found no {what}")

    def real(self, value: Value | None, what: str = "input") -> Array:
        """An input that has to be of real numbers."""
        found = self.given(value, what)
        if found.kind != "real":
            self.refuse(f"found a {found.kind} {what}, expected real numbers")
        return self.writer.array(found)

    def vertex_of(self, value: Value | None, what: str = "input") -> Array:
        """The same as a variable: what products and windows read."""
        return self.writer.settled(self.real(value, what))

    def numbers(self, value: Value | None, what: str) -> list[Any]:
        """An input that the file itself has to say: a list of integers or lengths."""
        found = self.given(value, what)
        if not isinstance(found, Known):
            self.refuse(f"found {what} that is computed from data, expected one that the file says")
        if found.values.ndim > 1:
            self.refuse(f"found {what} of shape {shown(found.shape)}, expected a list")
        return plain_values(found)

    def integers(self, value: Value | None, what: str) -> list[int]:
        """The same without lengths that each call decides."""
        found = self.numbers(value, what)
        if not all(isinstance(number, int) for number in found):
            self.refuse(f"found {what} {shown(found)}, expected integers")
        return found

    def scalar(self, value: Value | None, what: str, default: float) -> float:
        """A number that the file says; the default where it says none."""
        if value is None:
            return default
        if not isinstance(value, Known) or value.values.size != 1:
            self.refuse(f"found {what} that is computed from data, expected a number that the file says")
        return float(value.values.ravel()[0])

    def axis(self, axis: int, rank: int) -> int:
        """The number of an axis that may be counted from the end."""
        if not -rank <= axis < rank:
            self.refuse(f"found axis {axis} of an array of {rank} axes")
        return axis % rank

    def axes(self, listed: Sequence[int], rank: int) -> list[int]:
        """The same of several, each of which is named once."""
        found = [self.axis(axis, rank) for axis in listed]
        if len({*found}) != len(found):
            self.refuse(f"found axes {shown(listed)}, one of which is there twice")
        return found

    # --- arrays of one shape --------------------------------------------------------------------------------------

    def broadcast(self, arrays: Sequence[Array], rank: int = 0) -> tuple[tuple[Axis, ...], list[Array]]:
        """Common axes for arrays, and each at their indices; lengths of 1 are repeated."""
        rank = max(rank, *(len(array.axes) for array in arrays))
        arrays = [Array(((),) * (rank - len(array.axes)) + array.axes, array.body, array.kind) for array in arrays]
        for place in range(rank):
            arrays = self._mended(arrays, place)
        taken: set[Index] = set()
        common: list[Axis] = []
        for place in range(rank):
            there = [array.axes[place] for array in arrays if array.axes[place]]
            lengths = refined_all([[extent(i) for i in axis] for axis in there]) or []
            fits = (a for a in there if [extent(i) for i in a] == lengths and not taken & {*a})
            common.append(next(fits, ()) or tuple(map(self.writer.index, lengths)))
            taken |= {*common[-1]}
        found = []
        for array in arrays:
            values = {}
            for old, new in zip(array.axes, common):
                values.update(split(old, new) or {})
            found.append(array.at(values, [new if old else () for old, new in zip(array.axes, common)]))
        return tuple(common), found

    def _mended(self, arrays: Sequence[Array], place: int) -> list[Array]:
        """The arrays with axes there that have parts in common; where they have none they become one index each."""
        there = [array.axes[place] for array in arrays if array.axes[place]]
        lengths = {length(axis) for axis in there}
        if len(lengths) > 1:
            self.refuse(f"found shapes {' and '.join(shown(a.shape) for a in arrays)}, which do not fit each other")
        if refined_all([[extent(i) for i in axis] for axis in there]) is not None:
            return list(arrays)
        return [self.writer.single(array, place) for array in arrays]

    def matched(self, array: Array, axes: Sequence[Axis]) -> Array:
        """An array of the same shape, or one that is repeated to it, at given indices; these stay as they are."""
        target = Array(tuple(axes), self.writer.constant(0, ()).body)
        common, (_, found) = self.broadcast([target, array])
        if common != target.axes:
            self.refuse(f"found shapes {shown(target.shape)} and {shown(array.shape)}, which do not fit each other")
        return found


def refined_all(listed: Sequence[Sequence[Extent]]) -> list[Extent] | None:
    """The fewest lengths that all are made of."""
    found: list[Extent] | None = list(listed[0]) if listed else []
    for lengths in listed[1:]:
        if found is None:
            return None
        found = refined(found, lengths)
    return found


Write: TypeAlias = Callable[..., Result]
Fold: TypeAlias = Callable[..., Any]


@dataclass(frozen=True)
class Operator:
    """A row of the table: how an operator is written, and how numbers of the file are computed."""

    write: Write
    """``write(node, *inputs)``: None for an input that is not there."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """All that it may have, with their defaults."""
    fold: Fold | None = None
    """``fold(node, *arrays)`` in NumPy, of integers, lengths and booleans that the file says."""
    since: int = 1
    """The first version of the standard in which it is what it is here."""
