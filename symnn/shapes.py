"""Shapes of what one sample has between layers: named axes, so that a layer can say what it expects and what it found.

A table row has features; an image channels, rows and columns, a signal channels and positions, channels first; a
sequence times and features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from math import prod
from typing import Any, Literal, TypeAlias, get_args

from sympy import Symbol

from codegen import Index, sample_extent
from codegen.walk import Extent
from symnn.errors import FieldError
from symnn.suggest import quote, unknown

FEATURE, CHANNEL, TIME = "feature", "channel", "time"
SPACES: Mapping[int, tuple[str, ...]] = {1: ("position",), 2: ("row", "column")}
"""The axes behind the channels, by their number."""

LETTERS: Mapping[str, str] = {FEATURE: "d", CHANNEL: "c", TIME: "t", "position": "i", "row": "i", "column": "j"}
"""The index of each axis of the inputs; one of another layer has its number behind the letter."""

ANY = "any"
"""The length of a time axis that each call decides."""
STEPS = sample_extent("T")
"""That length."""

MAX_NUMBERS = 100_000_000
"""Of one sample between two layers."""


@dataclass(frozen=True)
class Axis:
    """A named axis; its extent is a number, or the symbol of a length that each call decides.

    ``parts``: the extents of the axes that were made one, which no equation does: where a layer sums over this axis it
    sums over all of them.
    """

    name: str
    extent: Extent
    parts: tuple[int, ...] = ()

    @property
    def extents(self) -> tuple[Extent, ...]:
        """Those of the arrays in the graph."""
        return self.parts or (self.extent,)

    def __str__(self) -> str:
        return f"{self.name} {ANY if isinstance(self.extent, Symbol) else self.extent}"


Shape: TypeAlias = tuple[Axis, ...]

Inputs: TypeAlias = int | tuple[int, ...] | tuple[tuple[str, int | str], ...]
"""How a network's inputs are said: features; channels and space; or ``(("time", 50), ("features", 16))``."""


@dataclass(frozen=True)
class Named:
    """Inputs by their names."""

    each: tuple[tuple[str, Inputs], ...]


MAX_INPUTS = 100
SLIP = 0.75
"""How near a name has to be to that of an axis to be taken for it."""
MAX_NAME = 60
RESERVED = ("y", "mask", "lengths", "w", "seed", "first", "output", "loss", "theta", "gradient")
"""Names that others of a network's graph have."""


def checked_name(name: object) -> str:
    """The name of an input. Raises :class:`FieldError` for one that something else has, and for no identifier."""
    if not isinstance(name, str) or name in RESERVED or not name.isidentifier() or len(name) > MAX_NAME:
        raise FieldError(f"found the name {quote(name)}, expected another one, of letters and digits")
    return name


def described(shape: Shape) -> str:
    """The axes with their extents.

    >>> described((Axis("time", 50), Axis("feature", 16)))
    '(time 50, feature 16)'
    """
    return f"({', '.join(map(str, shape))})"


def extents(shape: Shape) -> tuple[Extent, ...]:
    """The extents alone."""
    return tuple(axis.extent for axis in shape)


def numbers(shape: Shape) -> int | None:
    """How many numbers a sample has; None where a call decides it.

    >>> numbers((Axis("channel", 3), Axis("position", 100)))
    300
    """
    sizes = [axis.extent for axis in shape if isinstance(axis.extent, int)]
    return prod(sizes) if len(sizes) == len(shape) else None


def names(shape: Shape) -> tuple[str, ...]:
    """The names of the axes."""
    return tuple(axis.name for axis in shape)


def features(count: Extent) -> Shape:
    """So many features."""
    return (Axis(FEATURE, count),)


def feature_axis(shape: Shape) -> Axis:
    """The axis along which numbers mean different things: features, or the channels of an image.

    >>> str(feature_axis(image(3, (8, 8))))
    'channel 3'
    """
    return shape[0] if shape[0].name == CHANNEL else shape[-1]


def image(channels: Extent, space: tuple[Extent, ...]) -> Shape:
    """Channels over one or two axes of space."""
    return (Axis(CHANNEL, channels), *map(Axis, SPACES[len(space)], space))


def indices(shape: Shape, number: int | None = None) -> tuple[Index, ...]:
    """An index for each axis, named as those of the inputs, or with the number of a layer.

    >>> indices(image(3, (8, 8))), indices(image(3, (8, 8)), 2)
    ((c, i, j), (c2, i2, j2))
    """
    return tuple(Index(f"{LETTERS[axis.name]}{'' if number is None else number}", axis.extent) for axis in shape)


# --- how inputs are said ------------------------------------------------------------------------------------------


def read_inputs(given: object) -> Inputs | Named:
    """Inputs as a spec says them: one of :func:`read_one`, or several by their names.

    >>> read_inputs({"left": 64, "right": [1, 8, 8]})
    Named(each=(('left', 64), ('right', (1, 8, 8))))

    Raises :class:`FieldError` for anything else.
    """
    if not isinstance(given, Mapping) or not given or any(name in given for name in _LENGTHS):
        return read_one(given)
    if len(given) > MAX_INPUTS:
        raise FieldError(f"expected at most {MAX_INPUTS} inputs, found {len(given):,}")
    found = []
    for name, each in given.items():
        if get_close_matches(str(name)[:MAX_NAME], _LENGTHS, cutoff=SLIP):
            raise FieldError(unknown("axis", str(name), _LENGTHS))
        try:
            found.append((checked_name(name), read_one(each)))
        except FieldError as error:
            raise error.within(str(name)) from None
    return Named(tuple(found))


def read_one(given: object) -> Inputs:
    """One input as a spec says it: a number of features, ``[1, 28, 28]``, or ``{time: 50, features: 16}``.

    >>> read_one([1, 28, 28]), read_one({"time": "any", "features": 16}), read_one([8])
    ((1, 28, 28), (('time', 'any'), ('features', 16)), 8)

    Raises :class:`FieldError` for anything else.
    """
    if isinstance(given, Mapping):
        return _sequence(given)
    if isinstance(given, (list, tuple)):
        if given and all(isinstance(pair, tuple) and len(pair) == 2 for pair in given):
            return _sequence(dict(given))
        return _channels_first(given)
    return _whole(given)


def _channels_first(given: Any) -> Inputs:
    if len(given) == 1:
        return _whole(given[0], (0,))
    if not 2 <= len(given) <= 1 + max(SPACES):
        expected = "channels and positions, such as [3, 100], or channels, rows and columns, such as [1, 28, 28]"
        raise FieldError(f"expected {expected}, found {quote(given)}")
    return tuple(_whole(extent, (place,)) for place, extent in enumerate(given))


_LENGTHS = ("time", "features")


def _sequence(given: Mapping[Any, Any]) -> Inputs:
    for name in given:
        if name not in _LENGTHS:
            raise FieldError(unknown("axis", str(name), _LENGTHS))
    if "time" not in given:
        raise FieldError("expected 'time', the number of steps or any, beside 'features', found none")
    time = given["time"]
    found: list[tuple[str, int | str]] = [("time", ANY if time == ANY else _whole(time, ("time",), " or any"))]
    if "features" in given:
        found.append(("features", _whole(given["features"], ("features",))))
    return tuple(found)


def _whole(given: object, path: tuple[str | int, ...] = (), other: str = "") -> int:
    return whole(given, 1, MAX_EXTENT, path, other)


def whole(value: object, least: int, most: int, path: tuple[str | int, ...] = (), other: str = "") -> int:
    """A whole number of a spec.

    >>> whole(0, 1, 9)
    Traceback (most recent call last):
    symnn.errors.FieldError: expected a number of at least 1, found 0

    Raises :class:`FieldError` at the path, which says that ``other`` would do too.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise FieldError(f"expected a whole number{other}, found {quote(value)}", path)
    if not least <= value <= most:
        bound = f"at least {least}" if value < least else f"at most {most}"
        raise FieldError(f"expected a number of {bound}, found {value}", path)
    return value


Counting: TypeAlias = Literal["all", "mask", "lengths"]
"""Which steps of a sequence count in a loss."""


def check_steps(steps: object, output: Shape) -> None:
    """Raise :class:`FieldError` unless these may be the steps that count in a loss of such an output."""
    if steps not in get_args(Counting):
        raise FieldError(f"found {quote(steps)}, expected one of {', '.join(get_args(Counting))}")
    if steps != "all" and names(output)[:-1] != (TIME,):
        found = f"found {quote(steps)} for outputs {described(output)}"
        raise FieldError(f"{found}, expected those of each step, as output: all of a recurrent layer gives them")


MAX_EXTENT = 1_000_000
"""Of an axis."""


def plain_inputs(inputs: Inputs | Named) -> Any:
    """Inputs as a spec writes them."""
    if isinstance(inputs, Named):
        return {name: plain_inputs(each) for name, each in inputs.each}
    if isinstance(inputs, int):
        return inputs
    pairs = [pair for pair in inputs if isinstance(pair, tuple)]
    return dict(pairs) if pairs else list(inputs)


def input_shape(inputs: Inputs) -> Shape:
    """The axes of inputs.

    >>> described(input_shape((("time", "any"), ("features", 16))))
    '(time any, feature 16)'
    """
    if isinstance(inputs, int):
        return features(inputs)
    found: list[Axis] = []
    for entry in inputs:
        if isinstance(entry, tuple):
            name, length = entry
            found.append(Axis(FEATURE if name == "features" else TIME, STEPS if isinstance(length, str) else length))
    return tuple(found) or image(inputs[0], tuple(inputs[1:]))
