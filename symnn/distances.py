"""What is 0 on the boundary of a region and above 0 inside: the d of u = g + d·N where u is given there.

A polygon is a formula of the half-planes left of its edges, in which each edge stands once: what lies left of all edges
of a convex chain, or of any of them where it bends the other way (Dobkin, Guibas, Hershberger, Snoeyink, An efficient
algorithm for finding the CSG representation of a simple polygon, 1993). "All" of positive numbers is their product;
below that "all" is a + b − √(a² + b²) and "any" is a + b + √(a² + b²), which have derivatives of every order but in
corners (Rvachev's functions: Shapiro, Theory of R-functions and applications, 1991).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from itertools import pairwise
from operator import mul
from typing import Any

import numpy as np
from sympy import Add, Expr, Symbol, sqrt

from symnn.activations import exact
from symnn.arrays import Floats
from symnn.errors import FieldError
from symnn.regions import Ball, Polygon, Region

MOST_CORNERS = 64
"""Of a polygon on whose boundary values are built in: each stands in the formula, and its derivatives are long."""
GRID = 64
"""The largest value is looked for on so many places of each side of the box."""


def distance(region: Region, names: Sequence[str]) -> Expr:
    """0 on the boundary of a region, above 0 inside, and 1 at most or about, over the real symbols of its inputs.

    >>> distance(Ball((0, 1), 2), "xy")
    -x**2/4 - (y - 1)**2/4 + 1
    >>> distance(Polygon([(0, 0), (2, 0), (0, 2)]), "xy")
    400*x*y*(-2*x - 2*y + 4)/237

    Raises :class:`FieldError` for a polygon of more than 64 corners.
    """
    symbols = [Symbol(name, real=True) for name in names]
    if isinstance(region, Ball):
        away = [(symbol - exact(at)) ** 2 for symbol, at in zip(symbols, region.centre)]
        return 1 - Add(*away) / exact(region.radius) ** 2
    assert isinstance(region, Polygon)
    if (count := sum(map(len, region.rings))) > MOST_CORNERS:
        raise FieldError(f"expected a polygon of at most {MOST_CORNERS} corners, found one of {count:,}")
    low, high = np.transpose(region.box)
    grid = np.array(np.meshgrid(*np.linspace(low, high, GRID + 2)[1:-1].T)).reshape(2, -1)
    largest = float(_of_rings(region.rings, grid, float, np.sqrt).max())
    return _of_rings(region.rings, symbols, exact, sqrt) / exact(float(f"{largest:.3g}"))


def _of_rings(
    rings: Sequence[Floats], at: Iterable[Any], number: Callable[[float], Any], root: Callable[..., Any]
) -> Any:
    """The product over what each chain of the corners leaves on its left, and what each hole leaves outside."""

    def left(start: Floats, end: Floats) -> Any:
        (x, y), (dx, dy) = at, (float(n) for n in end - start)
        return number(dx) * (y - number(float(start[1]))) - number(dy) * (x - number(float(start[0])))

    def both(a: Any, b: Any) -> Any:
        return a + b - root(a**2 + b**2)

    def either(a: Any, b: Any) -> Any:
        return a + b + root(a**2 + b**2)

    def parts(chain: Floats, inner: Callable[[Any, Any], Any], outer: Callable[[Any, Any], Any]) -> list[Any]:
        """What lies left of each of the chains between the corners of its hull, which the ends are among."""
        ends = _hull(chain)
        if len(ends) == 2:
            return [left(chain[0], chain[-1])]
        return [reduce(inner, parts(chain[a : b + 1], outer, inner)) for a, b in pairwise(ends)]

    outer, *holes = (_closed(ring) for ring in rings)
    outside = [reduce(either, parts(hole, both, either)) for hole in holes]
    return reduce(mul, [*parts(outer, either, both), *outside])


def _closed(ring: Floats) -> Floats:
    """The corners from the leftmost one to itself, which is one of the hull."""
    first = np.lexsort(ring.T[::-1])[0]
    turned = np.roll(ring, -first, axis=0)
    return np.concatenate([turned, turned[:1]])


def _hull(chain: Floats) -> list[int]:
    """The numbers of the corners of a chain's convex hull, as they come along it, its first and its last among them.

    Andrew's monotone chain; of corners in one line the outer ones.
    """
    closed = bool((chain[0] == chain[-1]).all())
    order = np.lexsort(chain[: len(chain) - closed].T[::-1]).tolist()
    found = {0, len(chain) - 1}
    for way in (order, order[::-1]):
        kept: list[int] = []
        for number in way:
            while len(kept) > 1 and not _turns(*chain[[*kept[-2:], number]]):
                kept.pop()
            kept.append(number)
        found.update(kept)
    return sorted(found)


def _turns(first: Floats, second: Floats, third: Floats) -> bool:
    """Whether the way from the first over the second to the third point goes left."""
    (ax, ay), (bx, by) = second - first, third - second
    return bool(ax * by - ay * bx > 0)
