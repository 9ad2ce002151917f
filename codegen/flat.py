"""Several inputs of a graph as one flat vector, the values of the others beside it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise, starmap
from math import prod
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sympy import Symbol

from codegen.cached import cached_property
from codegen.compiler import compile
from codegen.derive.requests.request import Named, Wrt, name_of, names_of
from codegen.errors import EmitError
from codegen.ir.graph import Graph
from codegen.masks import is_masked
from codegen.runtime.function import CompiledFunction
from codegen.walk import Extent, is_symbolic, length, lengths_in

Array = NDArray[Any]

LAYOUTS = 64
"""So many lengths of the vector are kept in mind."""


@dataclass(frozen=True)
class Layout:
    """The inputs that lie end to end in a flat vector, and their shapes."""

    shapes: Mapping[str, tuple[int, ...]]

    @cached_property
    def pieces(self) -> tuple[slice, ...]:
        """Where each of them lies."""
        return tuple(starmap(slice, pairwise(accumulate(map(prod, self.shapes.values()), initial=0))))

    @cached_property
    def size(self) -> int:
        """The length of the vector."""
        return sum(map(prod, self.shapes.values()))

    def split(self, what: str, vector: ArrayLike) -> dict[str, Array]:
        """The inputs by name: views of the vector."""
        return self.named(self.checked(what, vector))

    def checked(self, what: str, vector: ArrayLike) -> Array:
        """The vector as an array, if it has this length."""
        flat = as_real(what, vector, np.float64)
        if flat.shape != (self.size,):
            if (flat.shape, self.size) != ((), 1):
                raise EmitError(f"{what} must have shape ({self.size},), found {flat.shape}")
            return flat.reshape(-1)
        return flat

    def named(self, flat: Array) -> dict[str, Array]:
        """The inputs by name: views of a flat vector."""
        return dict(zip(self.shapes, cut(flat, zip(self.pieces, self.shapes.values()))))


class Point(NamedTuple):
    """The arguments of a call: the flat x, values of the other inputs, the symbolic lengths, and how x was given."""

    flat: Array
    data: Mapping[str, Array]
    lengths: Mapping[Extent, int]
    layout: Layout
    shape: tuple[int, ...]

    @property
    def values(self) -> dict[str, Array]:
        """A value for every input."""
        return {**self.data, **self.layout.named(self.flat)}


class FlatArguments:
    """The inputs ``wrt`` of a graph, laid end to end in a flat vector, and values of the others: ``data``, copied.

    Inputs with neither are arguments of a call, ``args``. A length that no data has is taken from that of the vector.

    Raises :class:`EmitError` for data that is missing, unknown or of the wrong shape.

    >>> from codegen import from_expressions
    >>> from sympy import symbols
    >>> a, b, c = symbols("a b c")
    >>> flat = FlatArguments(from_expressions({"e": a * b * c}, [a, b, c]), ["c", "a"], {})
    >>> flat.pack({"a": 1.0, "c": 3.0}), flat.size, flat.args
    (array([3., 1.]), 2, ('b',))
    """

    def __init__(self, graph: Graph, wrt: Wrt | None, data: Mapping[Named, ArrayLike]) -> None:
        given = {name_of(name, "data"): value for name, value in data.items()}
        inputs = {variable.name: variable for variable in graph.inputs}
        if wrt is None:
            wrt = [v.name for v in graph.inputs if v.kind == "real" and v.name not in given]
        self.wrt = tuple(names_of(wrt))
        for name in (*self.wrt, *given):
            if name not in inputs:
                raise EmitError(f"{name!r} is not an input of the graph (it has: {', '.join(inputs)})")
            if name in self.wrt and name in given:
                raise EmitError(f"the input {name!r} is both in wrt and in data")
        self._inputs = inputs
        self._others = tuple(name for name in inputs if name not in self.wrt)
        checked, self._lengths = self._checked(given)
        self._data = {name: array.copy() for name, array in checked.items()}
        self.args = tuple(name for name in self._others if name not in given)  # the inputs that are arguments after x
        self._layouts: dict[tuple[int, tuple[tuple[Extent, int], ...]], tuple[dict[Extent, int], Layout]] = {}

    # --- the flat vector ------------------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """The length of x; :class:`EmitError` if it is not the same in every call."""
        return self._layout(self._lengths).size

    def pack(self, values: Mapping[str, ArrayLike]) -> Array:
        """The flat vector of these inputs."""
        for name in self.wrt:
            if name not in values:
                raise EmitError(f"the input {name!r} is missing (x holds {', '.join(self.wrt)})")
        checked, _ = self._checked({**self._data, **{name: values[name] for name in self.wrt}})
        return joined([np.ravel(checked[name]) for name in self.wrt])

    def unpack(self, x: ArrayLike, /) -> dict[str, Array]:
        """The inputs in a flat vector, by name: views of it."""
        return self._layout(self._lengths | self._length_of_x(np.size(x), self._lengths)).split("x", x)

    # --- the arguments of a call ----------------------------------------------------------------------------------

    def _point(self, x: ArrayLike, args: Sequence[ArrayLike], named: Mapping[str, ArrayLike]) -> Point:
        if args or named or self.args or self._fixed is None:
            data, lengths = self._checked(self._bound(args, named))
            lengths, layout = self._laid_out(np.size(x), lengths)
        else:
            data, lengths, layout = self._data, self._lengths, self._fixed
        return Point(layout.checked("x", x), data, lengths, layout, np.shape(x))

    def _bound(self, args: Sequence[ArrayLike], named: Mapping[str, ArrayLike]) -> dict[str, ArrayLike]:
        """The value of every input that x does not hold."""
        for name in named:
            if name not in self._others:
                raise EmitError(self._not_data(name))
        expected = [name for name in self.args if name not in named]
        if len(args) > len(expected):
            raise EmitError(f"found {len(args)} arguments after x, expected {len(expected)} ({', '.join(expected)})")
        if missing := expected[len(args) :]:
            raise EmitError(
                f"the input {missing[0]!r} has no value: expected it in wrt, in data, after x (SciPy's args) or by "
                f"name; ode({missing[0]!r}) takes it for the time"
            )
        return {**self._data, **dict(zip(expected, args)), **named}

    def _checked(self, values: Mapping[str, ArrayLike]) -> tuple[dict[str, Array], dict[Extent, int]]:
        """These inputs as arrays, and the symbolic lengths they have."""
        lengths: dict[Extent, int] = {}
        for name, value in values.items():
            for n, found in zip(self._inputs[name].shape, np.shape(value)):
                if isinstance(n, Symbol):
                    lengths.setdefault(n, found)
        checked = {}
        for name, value in values.items():
            integer = self._inputs[name].kind == "integer"
            array = checked[name] = as_real(repr(name), value, np.int64 if integer else np.float64)
            if array.shape != (expected := self._shape(name, lengths)):
                raise EmitError(f"{name!r} must have shape {expected}, found {array.shape}")
            if integer and not np.array_equal(array, value):
                raise EmitError(f"{name!r} must hold integers")
        return checked, lengths

    def _laid_out(self, size: int, lengths: dict[Extent, int]) -> tuple[dict[Extent, int], Layout]:
        """All lengths, that of x among them, and the layout; worked out once, as they are the same in most calls."""
        key = size, tuple(lengths.items())
        found = self._layouts.get(key)
        if found is None:
            every = lengths | self._length_of_x(size, lengths)
            found = every, self._layout(every)
            if len(self._layouts) >= LAYOUTS:
                self._layouts.clear()
            self._layouts[key] = found
        return found

    def _length_of_x(self, size: int, lengths: Mapping[Extent, int]) -> dict[Extent, int]:
        """The length that only x has, if it is one."""
        unknown = self._unknown(lengths)
        if len(unknown) != 1:
            return {}
        (n,) = unknown

        def size_for(length: int) -> int:
            return self._layout({**lengths, n: length}).size

        found = bisect_left(range(size), size, key=size_for)
        if size_for(found) != size:
            shapes = ", ".join(f"{name} {self._shape(name, lengths)}" for name in self.wrt)
            raise EmitError(f"x has length {size}, which is that of {shapes} for no {n}")
        return {n: found}

    @cached_property
    def _fixed(self) -> Layout | None:
        """The layout of x, if it is the same in every call."""
        return None if self._unknown(self._lengths) else self._layout(self._lengths)

    def _unknown(self, lengths: Mapping[Extent, int]) -> set[Extent]:
        """The lengths in x that are not among these."""
        return {symbol for name in self.wrt for n in self._shape(name, lengths) for symbol in lengths_in(n)}

    def _layout(self, lengths: Mapping[Extent, int]) -> Layout:
        shapes = {name: self._shape(name, lengths) for name in self.wrt}
        for name, shape in shapes.items():
            for n in shape:
                if is_symbolic(n):
                    raise EmitError(f"the length {n} of {name!r} is not that of any data")
        return Layout(cast("dict[str, tuple[int, ...]]", shapes))

    def _shape(self, name: str, lengths: Mapping[Extent, int]) -> tuple[Extent, ...]:
        return tuple(length(n, lengths) if lengths.keys() >= {*lengths_in(n)} else n for n in self._inputs[name].shape)

    def _not_data(self, name: str) -> str:
        return f"{name!r} is not among the data ({', '.join(self._others)}); x holds {', '.join(self.wrt)}"


def as_real(what: str, value: ArrayLike, dtype: type[np.float64 | np.int64]) -> Array:
    """An array of this type and the shape of the value, which has to hold real numbers."""
    if type(value) is np.ndarray and value.dtype == dtype and value.flags.c_contiguous:
        return value
    if is_masked(value):
        raise EmitError(f"{what} must hold real numbers, found a masked array; fill what is masked by .filled(…)")
    found = np.asarray(value)
    if found.dtype.kind not in "biuf":
        raise EmitError(f"{what} must hold real numbers, found {found.dtype.name}")
    return np.ascontiguousarray(found, dtype).reshape(found.shape)


Piece: TypeAlias = "tuple[slice, tuple[int, ...]]"
"""Where an array lies among others that are laid end to end, and its shape."""


def end_to_end(
    shapes: Iterable[Sequence[Extent]], lengths: tuple[tuple[Extent, int], ...]
) -> tuple[int, Sequence[Piece]]:
    """How many numbers arrays of these shapes hold together, and where each lies."""
    known = dict(lengths)
    found = [tuple(length(n, known) for n in shape) for shape in shapes]
    ends = list(accumulate(map(prod, found), initial=0))
    return ends[-1], [(slice(*between), shape) for between, shape in zip(pairwise(ends), found)]


def cut(flat: Array, pieces: Iterable[Piece]) -> list[Array]:
    """Views of these pieces of a flat array in their shapes; what has one axis has its shape, and half the time."""
    return [flat[piece] if len(shape) == 1 else flat[piece].reshape(shape) for piece, shape in pieces]


def joined(parts: Sequence[Array]) -> Array:
    """Flat arrays, end to end."""
    return np.concatenate([np.empty(0), *parts])


Target: TypeAlias = "tuple[Graph, CompiledFunction]"


def compiled(graph: Graph, pack: Mapping[str, Sequence[str]] | None = None) -> Target:
    """A graph and its function."""
    return graph, compile(graph, pack=pack)


def call(target: Target, values: Mapping[str, Array], out: Sequence[Array] | None = None) -> tuple[Any, ...]:
    """The outputs of a graph for the values of its inputs, by name; arrays of them go into these, if any are given."""
    function = target[1]
    slots = function.layout.arguments
    given = [values[slot.name] if slot.shape else values[slot.name].item() for slot in slots]
    found = function(*given, out=out) if out else function(*given)
    return found if isinstance(found, tuple) else (found,)
