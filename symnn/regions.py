"""Regions that are no boxes: balls of any dimension and polygons, with points inside, points on the boundary, normals.

A region places points that are even between 0 and 1: those of any sequence, so that a Sobol or a Halton set of a disc
is the image of one of the square.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import gamma, pi
from typing import Any

import numpy as np

from codegen.cached import cached_property
from symnn.arrays import Floats
from symnn.errors import DataError
from symnn.suggest import quote

MOST_CORNERS = 1000
"""Of a polygon with its holes: each edge is held to each other."""
LEAST_PART = 1e-3
"""Of the smallest box around a region, which it has to fill: the points of the rest are drawn in vain."""


class Region(ABC):
    """A bounded part of a space of ``dimension`` inputs."""

    @property
    @abstractmethod
    def box(self) -> tuple[tuple[float, float], ...]:
        """The smallest box around it, a range an input."""

    @property
    def dimension(self) -> int:
        """The number of its inputs."""
        return len(self.box)

    @property
    @abstractmethod
    def filled(self) -> float:
        """The part of the box that it fills."""

    @property
    def part(self) -> float:
        """The part of what :meth:`inside` places that is inside."""
        return 1.0

    @abstractmethod
    def inside(self, even: Floats) -> Floats:
        """Points, (N, dimension), for as many of the unit cube; nan where one falls outside."""

    @abstractmethod
    def boundary(self, even: Floats) -> tuple[Floats, Floats]:
        """Points of the boundary and the unit normals there, outward, for (N, dimension − 1) even numbers."""

    @abstractmethod
    def contains(self, points: Floats) -> np.ndarray:
        """Which of the points, (N, dimension), lie inside."""


@dataclass(frozen=True)
class Ball(Region):
    """|x − centre| ≤ radius: a disc with two inputs.

    Points go one coordinate after the other (Rosenblatt's transformation): given those before it the next one of a
    ball of radius ρ that m coordinates are left of is ρ·(2·B − 1), B distributed as Beta((m + 1)/2, (m + 1)/2).

    >>> disc = Ball((1.0, 0.0), 2.0)
    >>> disc.inside(np.array([[0.5, 0.5], [0.5, 1.0]])).round(12)
    array([[1., 0.],
           [1., 2.]])
    >>> points, normals = disc.boundary(np.array([[0.0], [0.25]]))
    >>> points.round(12).tolist(), normals.round(12).tolist()
    ([[3.0, 0.0], [1.0, 2.0]], [[1.0, 0.0], [0.0, 1.0]])
    """

    centre: Sequence[float]
    radius: float

    def __post_init__(self) -> None:
        centre, radius = _numbers(self.centre, "ball: centre"), _numbers(self.radius, "ball: radius")
        if centre.ndim != 1 or len(centre) < 2:
            raise DataError(f"ball: centre: expected two numbers or more, found {quote(self.centre)}")
        if radius.ndim or not radius > 0:
            raise DataError(f"ball: radius: expected a number above 0, found {quote(self.radius)}")
        object.__setattr__(self, "centre", tuple(centre.tolist()))
        object.__setattr__(self, "radius", float(radius))

    @property
    def box(self) -> tuple[tuple[float, float], ...]:
        """The cube around it."""
        return tuple((at - self.radius, at + self.radius) for at in self.centre)

    @property
    def filled(self) -> float:
        """π^(n/2)/(2ⁿ·Γ(n/2 + 1)) with n inputs."""
        half = self.dimension / 2
        return float(pi**half / gamma(half + 1) / 2**self.dimension)

    def inside(self, even: Floats) -> Floats:
        """One coordinate after the other."""
        left, found = np.ones(len(even)), np.empty_like(even)
        for number, column in enumerate(even.T):
            found[:, number], left = _coordinate(column, left, (self.dimension - number + 1) / 2)
        return self.centre + self.radius * found

    def boundary(self, even: Floats) -> tuple[Floats, Floats]:
        """One coordinate after the other, the last two by their angle."""
        left, normals = np.ones(len(even)), np.empty((len(even), self.dimension))
        for number, column in enumerate(even.T[:-1]):
            normals[:, number], left = _coordinate(column, left, (self.dimension - number - 1) / 2)
        angle = 2 * np.pi * even[:, -1]
        normals[:, -2], normals[:, -1] = left * np.cos(angle), left * np.sin(angle)
        return self.centre + self.radius * normals, normals

    def contains(self, points: Floats) -> np.ndarray:
        """Those at a distance of at most the radius."""
        found: np.ndarray = np.linalg.norm(points - self.centre, axis=1) <= self.radius
        return found


def _coordinate(even: Floats, left: Floats, shape: float) -> tuple[Floats, Floats]:
    """A coordinate in a ball of the radius ``left``, and what radius it leaves for those after it."""
    from scipy.special import betaincinv

    found = left * (2 * betaincinv(shape, shape, even) - 1)
    return found, np.sqrt(np.maximum(left**2 - found**2, 0.0))


@dataclass(frozen=True, eq=False)
class Polygon(Region):
    """What lies within ``corners``, (N, 2), in either direction, and not within the ``holes``.

    Its points are those of the box around it that lie inside; those of its boundary go along it by its length.

    >>> bend = Polygon([(0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2)])
    >>> bend.area, bend.contains(np.array([[0.5, 1.5], [1.5, 1.5]]))
    (3.0, array([ True, False]))
    >>> points, normals = bend.boundary(np.array([[0.125], [0.9375]]))
    >>> points.tolist(), normals.tolist()
    ([[1.0, 0.0], [0.0, 0.5]], [[0.0, -1.0], [-1.0, 0.0]])

    :meth:`of` takes shapes of shapely. Raises :class:`DataError` for corners that are less than three or not finite,
    for edges that cross and holes outside, and for a polygon that fills less than a thousandth of the box around it.
    """

    corners: Any
    holes: Sequence[Any] = ()

    def __post_init__(self) -> None:
        outer = _oriented(_ring(self.corners, "polygon: corners"), 1)
        holes = [_oriented(_ring(hole, f"polygon: holes[{number}]"), -1) for number, hole in enumerate(self.holes)]
        object.__setattr__(self, "corners", outer)
        object.__setattr__(self, "holes", tuple(holes))
        if sum(map(len, self.rings)) > MOST_CORNERS:
            raise DataError(f"polygon: expected at most {MOST_CORNERS:,} corners, found {sum(map(len, self.rings)):,}")
        if (crossing := _crossing(*self._edges)) is not None:
            first, second = (self._edges[0][number].tolist() for number in crossing)
            raise DataError(
                f"polygon: expected edges that do not cross, found those that begin at {first} and {second}"
            )
        for number, hole in enumerate(holes):
            if not _odd(hole, *_edges_of([outer])).any():
                raise DataError(f"polygon: holes[{number}]: expected a hole inside the corners, found one outside")
        if not self.filled >= LEAST_PART:
            expected = f"a polygon that fills at least {LEAST_PART:g} of the box around it"
            raise DataError(f"polygon: expected {expected}, found one that fills {self.filled:.2g}")

    @classmethod
    def of(cls, shape: Any) -> Polygon:
        """The polygon of an object with a ``__geo_interface__``, as those of shapely have one.

        >>> class Square:
        ...     __geo_interface__ = {"type": "Polygon", "coordinates": [[(0, 0), (1, 0), (1, 1), (0, 1), (0, 0)]]}
        >>> Polygon.of(Square()).area
        1.0
        """
        given = getattr(shape, "__geo_interface__", None)
        if not isinstance(given, Mapping) or given.get("type") != "Polygon" or not given.get("coordinates"):
            kind = given.get("type") if isinstance(given, Mapping) else type(shape).__name__
            raise DataError(f"polygon: expected a shape that is one Polygon, found {quote(kind)}")
        corners, *holes = given["coordinates"]
        return cls(corners, holes)

    @property
    def rings(self) -> tuple[Floats, ...]:
        """The corners counter-clockwise, then those of each hole clockwise: the inside is on the left."""
        return self.corners, *self.holes

    @cached_property
    def _edges(self) -> tuple[Floats, Floats]:
        """Where each edge begins and ends."""
        return _edges_of(self.rings)

    @property
    def area(self) -> float:
        """Its area."""
        return sum(map(_signed_area, self.rings))

    @property
    def box(self) -> tuple[tuple[float, float], ...]:
        """The box around the corners."""
        low, high = self.corners.min(axis=0).tolist(), self.corners.max(axis=0).tolist()
        return tuple(zip(low, high))

    @property
    def filled(self) -> float:
        """Its area over that of the box."""
        return self.area / float(np.prod(np.ptp(self.corners, axis=0)))

    @property
    def part(self) -> float:
        """All that is placed in the box."""
        return self.filled

    def inside(self, even: Floats) -> Floats:
        """Points of the box; nan where one is outside."""
        low, high = np.transpose(self.box)
        found: Floats = low + (high - low) * even
        found[~self.contains(found)] = np.nan
        return found

    def boundary(self, even: Floats) -> tuple[Floats, Floats]:
        """Points along all edges one after the other."""
        starts, ends = self._edges
        along = ends - starts
        lengths = np.hypot(*along.T)
        passed = np.concatenate([[0.0], np.cumsum(lengths)])
        at = even[:, 0] * passed[-1]
        edge = np.clip(np.searchsorted(passed, at, side="right") - 1, 0, len(lengths) - 1)
        share = np.clip((at - passed[edge]) / lengths[edge], 0.0, 1.0)
        normals = np.column_stack([along[:, 1], -along[:, 0]]) / lengths[:, None] + 0.0
        return starts[edge] + share[:, None] * along[edge], normals[edge]

    def contains(self, points: Floats) -> np.ndarray:
        """Those from which a ray crosses an odd number of edges."""
        return _odd(points, *self._edges)


def _numbers(given: object, where: str) -> Floats:
    try:
        found = np.array(given, dtype=float)
    except (TypeError, ValueError, OverflowError):
        found = np.array(np.nan)
    if not np.isfinite(found).all():
        raise DataError(f"{where}: expected finite numbers, found {quote(given)}")
    return found


def _ring(given: Any, where: str) -> Floats:
    """The corners of a polygon, without the first once more at the end."""
    found = _numbers(given, where)
    if found.ndim == 2 and len(found) > 1 and (found[0] == found[-1]).all():
        found = found[:-1]
    if found.ndim != 2 or found.shape[1] != 2 or len(found) < 3:
        raise DataError(f"{where}: expected three corners [x, y] or more, found {quote(given)}")
    if (found == np.roll(found, -1, axis=0)).all(axis=1).any():
        raise DataError(f"{where}: expected corners that differ from those beside them, found one twice")
    return found


def _signed_area(ring: Floats) -> float:
    """Above 0 where the corners go counter-clockwise."""
    x, y = (ring - ring[0]).T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def _oriented(ring: Floats, sign: int) -> Floats:
    return ring if _signed_area(ring) * sign > 0 else ring[::-1].copy()


def _edges_of(rings: Sequence[Floats]) -> tuple[Floats, Floats]:
    return np.concatenate(rings), np.concatenate([np.roll(ring, -1, axis=0) for ring in rings])


def _crossing(starts: Floats, ends: Floats) -> tuple[int, int] | None:
    """The numbers of two edges that cross between their ends, if there are any."""

    def sides(points: Floats) -> Floats:
        """On which side of each edge, a row, each point is."""
        along = ends - starts
        away = points[None] - starts[:, None]
        return np.sign(along[:, None, 0] * away[..., 1] - along[:, None, 1] * away[..., 0])

    apart = sides(starts) * sides(ends) < 0
    found = np.argwhere(apart & apart.T)
    return (int(found[0, 0]), int(found[0, 1])) if len(found) else None


def _odd(points: Floats, starts: Floats, ends: Floats) -> np.ndarray:
    """Whether a ray to the right crosses an odd number of edges."""
    found = np.zeros(len(points), dtype=bool)
    x, y = points.T
    for (x0, y0), (x1, y1) in zip(starts.tolist(), ends.tolist()):
        if y0 != y1:
            found ^= ((y0 <= y) != (y1 <= y)) & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))
    return found
