"""Sets of points: evenly spread over ranges and regions of the inputs, at values of theirs, or on a boundary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, isfinite, prod
from numbers import Real
from types import MappingProxyType
from typing import TypeAlias

import numpy as np

from symnn.errors import DataError, FieldError
from symnn.given import MOST, called, one_of, whole_number
from symnn.regions import LEAST_PART, Region
from symnn.suggest import quote


@dataclass(frozen=True)
class Towards:
    """Points gather at a place of a range: their density is that of asinh, ``strength`` is 0 for none at all.

    >>> ends = Towards(0.0, 4.0).spread(np.array([0.0, 0.25, 0.5, 1.0]), -1.0, 1.0)
    >>> ends.round(3)
    array([-1.   , -0.133,  0.   ,  1.   ])
    """

    at: float
    strength: float

    def spread(self, even: np.ndarray, low: float, high: float) -> np.ndarray:
        """Numbers from low to high for such that are even between 0 and 1."""
        if not self.strength:
            return low + (high - low) * even
        half, scale = (high - low) / 2, np.sinh(self.strength)
        first, last = (np.arcsinh((end - self.at) / half * scale) for end in (low, high))
        found: np.ndarray = self.at + half * np.sinh(first + (last - first) * even) / scale
        inside: np.ndarray = np.clip(found, low, high)
        return inside


ROUNDS = 6
"""Each of twice as many points: one may be short of some by chance, all where edges of a polygon lie on each other."""

Given: TypeAlias = tuple[float, float] | Sequence[float] | Region
"""A range, values in turn, or a region of several inputs."""


@called(DataError)
def sample(
    ranges: Sequence[Given],
    count: int,
    seed: int = 0,
    kind: str = "latin_hypercube",
    towards: Mapping[int, Towards] = MappingProxyType({}),
) -> np.ndarray:
    """``count`` points: each input from its range ``(low, high)``, or in turn from the values ``[v, …]`` of a list.

    A region, such as ``Ball((0, 0), 1)``, stands for as many inputs as it has; see :mod:`symnn.regions`.

    ``kind`` is ``latin_hypercube`` (McKay, Beckman, Conover 1979: of ``count`` equal pieces of each range every one has
    a point), ``sobol`` or ``halton`` (sequences of low discrepancy, scrambled), or ``uniform``. Lists of values go side
    by side: the first point has the first value of each. ``towards`` has points gather at a place of an input, by its
    number. Those of a region are then the points of the box around it that lie inside.

    >>> sample([(-1.0, 1.0), [0.0]], 3).shape
    (3, 2)
    >>> np.sort(np.floor(sample([(0.0, 4.0)], 4)), axis=0).T
    array([[0., 1., 2., 3.]])
    >>> np.sort(np.floor(sample([(0.0, 4.0)], 4, kind="sobol")), axis=0).T
    array([[0., 1., 2., 3.]])
    >>> from symnn.regions import Ball
    >>> disc = sample([Ball((0.0, 0.0), 2.0), (0.0, 1.0)], 64, kind="sobol")  # x, y and a third input
    >>> disc.shape, bool((np.hypot(disc[:, 0], disc[:, 1]) < 2).all()), int((disc[:, 0] < 0).sum())
    ((64, 3), True, 32)

    Raises :class:`DataError` for a range whose ends are not finite numbers in increasing order, for values that are
    not finite numbers or more than there are points, for a count below 1, and for a kind that is unknown.

    >>> sample([(1, 0)], 3)
    Traceback (most recent call last):
    symnn.errors.DataError: sample: ranges[0]: expected a range [lowest, highest], found (1, 0)
    """
    pieces = _gathered(_pieces("sample", ranges, count, seed, kind), towards)
    part = prod(piece.part for piece in pieces if isinstance(piece, Region))
    drawn = count if part == 1 else ceil(count / part)
    starts = np.cumsum([0, *(piece.dimension if isinstance(piece, Region) else 1 for piece in pieces)]).tolist()
    found: np.ndarray
    for _ in range(ROUNDS):
        even = _even(drawn, [_width(piece) for piece in pieces], seed, kind)
        placed = zip(pieces, even, starts)
        found = np.concatenate([_inside(piece, e, towards.get(first)) for piece, e, first in placed], axis=1)
        found = found[np.isfinite(found).all(axis=1)][:count]
        if len(found) == count:
            break
        drawn = 2 * drawn
    else:
        raise DataError(
            f"sample: ranges: found {len(found):,} of {drawn // 2:,} points inside; expected edges that do not overlap"
        )
    for piece, first in zip(pieces, starts):
        if isinstance(piece, np.ndarray):
            found[:, first] = np.resize(piece, count)
    return found


@called(DataError)
def sample_boundary(
    ranges: Sequence[Given], count: int, seed: int = 0, kind: str = "latin_hypercube"
) -> tuple[np.ndarray, np.ndarray]:
    """``count`` points on the boundary of the one region among ``ranges``, and its outward normals there.

    Both have a column an input; normals are 0 along the inputs of ranges and lists. With the boundary go all that these
    give: of a disc and a range of times it is the side of a cylinder.

    >>> from symnn.regions import Ball
    >>> points, normals = sample_boundary([Ball((0.0, 0.0), 2.0), (0.0, 1.0)], 5)
    >>> np.allclose(points[:, :2], 2 * normals[:, :2]), normals[:, 2].tolist()
    (True, [0.0, 0.0, 0.0, 0.0, 0.0])

    Raises :class:`DataError` as :func:`sample` does, and where there is no region or more than one.
    """
    pieces = _pieces("sample_boundary", ranges, count, seed, kind)
    if (number := sum(isinstance(piece, Region) for piece in pieces)) != 1:
        raise DataError(f"sample_boundary: ranges: expected one region among them, found {number}")
    widths = [_width(piece) - isinstance(piece, Region) for piece in pieces]
    columns, normals = [], []
    for piece, even in zip(pieces, _even(count, widths, seed, kind)):
        if isinstance(piece, Region):
            at, outward = piece.boundary(even)
        else:
            at = _inside(piece, even, None)
            outward = np.zeros_like(at)
        columns.append(at)
        normals.append(outward)
    return np.concatenate(columns, axis=1), np.concatenate(normals, axis=1)


_Piece: TypeAlias = tuple[float, float] | np.ndarray | Region
"""A range, the values of all points, or a region."""


def _pieces(what: str, ranges: object, count: object, seed: object, kind: object) -> list[_Piece]:
    """What the inputs are taken from, checked."""
    number = whole_number(f"{what}: count", count, 1, MOST, DataError)
    whole_number(f"{what}: seed", seed, refused=DataError)
    one_of(f"{what}: kind", kind, tuple(KINDS), DataError)
    if not isinstance(ranges, (list, tuple)) or not ranges:
        raise DataError(f"{what}: ranges: expected a range or a list of values an input, found {quote(ranges)}")
    pieces: list[_Piece] = []
    for position, given in enumerate(ranges):
        try:
            if isinstance(given, Region):
                pieces.append(given)
            else:
                pieces.append(checked_range(given) if isinstance(given, tuple) else _in_turn(given, number))
        except FieldError as error:
            raise DataError(f"{what}: ranges[{position}]: {error}") from None
    return pieces


@dataclass(frozen=True)
class _Gathered(Region):
    """A region with other points inside: those of the box around it, each input spread towards a place."""

    region: Region
    towards: Mapping[int, Towards]

    @property
    def box(self) -> tuple[tuple[float, float], ...]:
        return self.region.box

    @property
    def filled(self) -> float:
        return self.region.filled

    @property
    def part(self) -> float:
        return self.filled

    def inside(self, even: np.ndarray) -> np.ndarray:
        columns = zip(even.T, self.box)
        found = np.column_stack(
            [_spread(column, ends, self.towards.get(n)) for n, (column, ends) in enumerate(columns)]
        )
        found[~self.contains(found)] = np.nan
        return found

    def boundary(self, even: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.region.boundary(even)

    def contains(self, points: np.ndarray) -> np.ndarray:
        return self.region.contains(points)


def _gathered(pieces: Sequence[_Piece], towards: Mapping[int, Towards]) -> list[_Piece]:
    """The pieces, of which regions have their points gather as they should."""
    found, first = list[_Piece](), 0
    for piece in pieces:
        width = piece.dimension if isinstance(piece, Region) else 1
        own = {number - first: place for number, place in towards.items() if first <= number < first + width}
        if isinstance(piece, Region) and own:
            if not piece.filled >= LEAST_PART:
                expected = f"a region that fills {LEAST_PART:g} of the box around it or more"
                raise DataError(f"sample: towards: expected {expected}, found one that fills {piece.filled:.2g}")
            piece = _Gathered(piece, own)
        found.append(piece)
        first += width
    return found


def _spread(even: np.ndarray, ends: tuple[float, float], towards: Towards | None) -> np.ndarray:
    return (towards or Towards(0.0, 0.0)).spread(even, *ends)


def _width(piece: _Piece) -> int:
    """How many even numbers it takes a point."""
    if isinstance(piece, Region):
        return piece.dimension
    return int(isinstance(piece, tuple))


def _even(count: int, widths: Sequence[int], seed: int, kind: str) -> list[np.ndarray]:
    """Even numbers, an array (count, width) a piece."""
    every = KINDS[kind](count, sum(widths), int(seed)) if sum(widths) else np.empty((count, 0))
    return np.split(every, np.cumsum(widths)[:-1], axis=1)


def _inside(piece: _Piece, even: np.ndarray, towards: Towards | None) -> np.ndarray:
    """The columns of a piece."""
    if isinstance(piece, Region):
        return piece.inside(even)
    if isinstance(piece, tuple):
        return _spread(even, piece, towards)
    return np.resize(piece, len(even))[:, None]


def _in_turn(given: object, count: int) -> np.ndarray:
    plain = given.tolist() if isinstance(given, np.ndarray) else given
    if not isinstance(plain, Sequence):
        raise FieldError(f"expected a range (lowest, highest) or a list of values, found {quote(given)}")
    return np.array(few_values(checked_values(list(plain)), count))


def _latin_hypercube(count: int, inputs: int, seed: int) -> np.ndarray:
    generator = np.random.Generator(np.random.PCG64(seed))
    columns = [(generator.permutation(count) + generator.random(count)) / count for _ in range(inputs)]
    return np.column_stack(columns)


def _uniform(count: int, inputs: int, seed: int) -> np.ndarray:
    return np.random.Generator(np.random.PCG64(seed)).random((count, inputs))


def _sobol(count: int, inputs: int, seed: int) -> np.ndarray:
    from scipy.stats import qmc

    # SciPy warns of counts that are no power of two: the first of the next larger power are as good as any.
    found: np.ndarray = qmc.Sobol(inputs, seed=seed).random_base2((count - 1).bit_length())[:count]
    return found


def _halton(count: int, inputs: int, seed: int) -> np.ndarray:
    from scipy.stats import qmc

    found: np.ndarray = qmc.Halton(inputs, seed=seed).random(count)
    return found


KINDS: Mapping[str, Callable[[int, int, int], np.ndarray]] = {
    "latin_hypercube": _latin_hypercube,
    "sobol": _sobol,
    "halton": _halton,
    "uniform": _uniform,
}
"""``even(count, inputs, seed)``, (count, inputs) between 0 and 1."""


def checked_range(value: object) -> tuple[float, float]:
    """Two finite numbers, the first below the second."""
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(map(_is_finite, value)):
        low, high = map(float, value)
        if low < high and isfinite(high - low):
            return low, high
    raise FieldError(f"expected a range [lowest, highest], found {quote(value)}")


def checked_values(value: object) -> list[float]:
    """Finite numbers; one alone is a list of one."""
    values = value if isinstance(value, (list, tuple)) else [value]
    if not values or not all(map(_is_finite, values)):
        raise FieldError(f"expected a number or a list of numbers, found {quote(value)}")
    return list(map(float, values))


def checked_number(value: object) -> float:
    """A finite number."""
    if not _is_finite(value):
        raise FieldError(f"expected a finite number, found {quote(value)}")
    return float(value)  # type: ignore[arg-type]


def few_values(values: list[float], count: int) -> list[float]:
    """The values themselves, if each has a point."""
    if len(values) > count:
        raise FieldError(f"expected at most {count:,} values, one a point, found {len(values):,}")
    return values


def _is_finite(value: object) -> bool:
    if not isinstance(value, Real) or isinstance(value, bool):
        return False
    try:
        return isfinite(value)
    except OverflowError:  # an integer of 400 digits
        return False
