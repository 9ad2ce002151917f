"""Windows that slide over the space of an image or a signal: where they stand, and what they read there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import PlainValidator
from sympy import And, Expr, Integer, Piecewise

from codegen import Index
from symnn.errors import FieldError
from symnn.layers.layer import Layer, misfit, plain_number
from symnn.layers.writing import Place, Value
from symnn.shapes import CHANNEL, SPACES, Shape, described, image, whole
from symnn.suggest import quote

Sizes: TypeAlias = int | tuple[int, ...]
"""One number for every axis of space, or one for each."""
Padding: TypeAlias = Literal["valid", "same"] | int | tuple[int, ...]
"""``valid``: none; ``same``: so that there is a window for every ``stride`` places; or so many zeros at both ends."""

MOST = 10_000


def read_sizes(value: object, least: int = 1) -> Sizes:
    """A whole number, or a list of one for each axis.

    >>> read_sizes(3), read_sizes([3, 5])
    (3, (3, 5))
    """
    several = isinstance(value, (list, tuple))
    given = tuple(value) if isinstance(value, (list, tuple)) else (value,)
    if not 1 <= len(given) <= max(SPACES):
        raise FieldError(f"expected a whole number, or one for each axis of space, found {quote(value)}")
    found = tuple(whole(plain_number(size), least, MOST) for size in given)
    return found if several else found[0]


def read_padding(value: object) -> Padding:
    """What a spec says of padding.

    >>> read_padding("same"), read_padding(2)
    ('same', 2)
    """
    if value == "valid" or value == "same":
        return value
    if isinstance(value, str):
        raise FieldError(f"expected valid, same or a number of zeros, found {quote(value)}")
    return read_sizes(value, 0)


SizesField: TypeAlias = Annotated[Sizes, PlainValidator(read_sizes)]
PaddingField: TypeAlias = Annotated[Padding, PlainValidator(read_padding)]


@dataclass(frozen=True)
class Window:
    """The windows along one axis: ``count`` of them, the place i of one reading i·stride + p·dilation − before."""

    length: int
    size: int
    stride: int
    dilation: int
    before: int
    count: int

    def place(self, i: Expr, p: Expr) -> Expr:
        """What the window at i reads at its own place p."""
        return self.stride * i + self.dilation * p - self.before

    def inside(self, i: Expr, p: Expr) -> Sequence[Any]:
        """The conditions under which that is no padding; none where it never is."""
        found = []
        if self.before:
            found.append(self.place(i, p) >= 0)
        if self.stride * (self.count - 1) + self.dilation * (self.size - 1) - self.before >= self.length:
            found.append(self.place(i, p) <= self.length - 1)
        return found


def windows(kind: str, given: Shape, size: Sizes, stride: Sizes, padding: Padding, dilation: Sizes) -> list[Window]:
    """Those along each axis of space. Raises :class:`FieldError` where nothing fits."""
    if given[0].name != CHANNEL or given[-1].parts:
        raise misfit(kind, "an image or a signal, channels first", given)
    lengths = [int(axis.extent) for axis in given[1:]]
    zeros = padding if not isinstance(padding, str) else 0
    named = {"kernel": size, "stride": stride, "padding": zeros, "dilation": dilation}
    sizes, strides, before, dilations = (_each(kind, name, value, given) for name, value in named.items())
    found = []
    for n, k, s, zeros, d in zip(lengths, sizes, strides, before, dilations):
        reach = d * (k - 1) + 1
        if padding == "same":
            count = -(-n // s)
            total = max(0, (count - 1) * s + reach - n)
            found.append(Window(n, k, s, d, total // 2, count))
            continue
        count = (n + 2 * zeros - reach) // s + 1
        if n + 2 * zeros < reach:
            at = f" and padding {zeros}" if zeros else ""
            raise FieldError(f"{kind} has a kernel that reaches over {reach} places{at}, found {described(given)}")
        found.append(Window(n, k, s, d, zeros, count))
    return found


class Pool(Layer):
    """What a layer has that makes one number of each window, of each channel; the stride is their size unless said."""

    def windows(self, given: Shape) -> list[Window]:
        """Those of this layer."""
        raise NotImplementedError

    def shape(self, given: Shape) -> Shape:
        return image(given[0].extent, tuple(window.count for window in self.windows(given)))

    def read(self, place: Place, x: Value) -> tuple[tuple[Index, ...], Expr, tuple[Index, ...]]:
        """The indices of what comes out, what it reads of x, and the indices inside a window."""
        found = self.windows(place.given)
        (_, *space), at = place.indices(self.shape(place.given)), offsets(found)
        channel = x.indices[1]
        reads = [window.place(i, p) for window, i, p in zip(found, space, at)]
        return (x.indices[0], channel, *space), x.at(channel, *reads), at


def _each(kind: str, name: str, value: Sizes, given: Shape) -> tuple[int, ...]:
    axes = len(given) - 1
    if isinstance(value, int):
        return (value,) * axes
    if len(value) != axes:
        raise FieldError(f"{kind} has {len(value)} numbers for {name}, found values of shape {described(given)}")
    return value


def inside(value: Expr, conditions: Sequence[Any]) -> Expr:
    """The value where all conditions hold, else 0."""
    return Piecewise((value, And(*conditions)), (Integer(0), True)) if conditions else value


def offsets(found: Sequence[Window]) -> tuple[Index, ...]:
    """The places inside a window, p and q."""
    return tuple(Index(letter, window.size) for letter, window in zip("pq", found))
