"""The wall: the edge of where an objective is finite, and the way along it where the gradient points across it.

Nothing is known of a wall but on which side of it a point lies. Near a point beside a smooth wall that is the side of
a plane, whose normal can be found by halving, one number for each parameter. Along that plane the descent goes on with
the part of the gradient that lies in it, at some depths inside, as an active set does with constraints that are known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import sqrt

import numpy as np

from symnn.linesearch import Evaluate, Iterate

BESIDE = 1e-6
"""What is nearer to a wall than this part of the reach is beside it."""
FLAT = 1e-6
"""Where no more of the gradient than this part lies along a wall, the loss is lowest there; normals are no better."""
DEPTHS = tuple(10.0**-power for power in range(2, 14, 2))
"""How far inside the wall the descent goes, as parts of the reach: far enough to stay clear of one that curves."""
FINEST = 1e-12
"""The least width to which the slope of a plane is found."""
STEEPEST = 2.0**20
"""A plane whose slope is more than this is not one that the gradient crosses."""
MOST_PARAMETERS = 1000
"""Walls of so many parameters are followed at most: to find a normal takes some 30 points for each of them."""

Normals = tuple[np.ndarray, ...]
"""Unit vectors, at right angles to each other, across the walls that a point is beside, outwards."""

Descent = Callable[[Evaluate, Iterate], Iterator[Iterate]]


def follow(evaluate: Evaluate, here: Iterate, reach: float, descent: Descent) -> Iterate | None:
    """An iterate with a lower loss along the walls beside an iterate, or None if there is none.

    ``reach`` is how far the descent has come, and ``descent`` gives the iterates after one, for another objective too.
    """
    if here.theta.size > MOST_PARAMETERS:
        return None
    normals: Normals = ()
    best = point = here
    # In a corner the descent along one wall ends at the next.
    while (normal := wall_normal(evaluate, point, reach, normals)) is not None:
        normals = (*normals, normal)
        point = _lowest_along(evaluate, point, normals, reach, descent)
        best = min(best, point, key=lambda iterate: iterate.loss)
    return best if best.loss < here.loss else None


def is_beside(evaluate: Evaluate, here: Iterate, reach: float, normals: Normals = ()) -> bool:
    """Whether the steepest descent leads through a wall at once."""
    gradient = _along(here.gradient, normals)
    length = _norm(gradient)
    return length > 0 and not evaluate(here.theta - BESIDE * reach / length * gradient).is_finite


def wall_normal(evaluate: Evaluate, here: Iterate, reach: float, normals: Normals = ()) -> np.ndarray | None:
    """The unit vector across the wall beside an iterate, outwards; None where there is none that is like a plane.

    With g the gradient and v at right angles to it, here + r·(v + t·g/|g|) is inside for t > n·v, if n is scaled to
    n·g/|g| = −1; halving finds the t at which it comes to be. All of it is at right angles to ``normals``.

    >>> def evaluate(theta):  # a + b, where a + b/2 is above 0
    ...     return Iterate(theta, theta.sum() if theta[0] + theta[1] / 2 > 0 else np.nan, np.ones(2))
    >>> wall_normal(evaluate, evaluate(np.array([1e-12, 0.0])), reach=1.0).round(4)  # (−1, −1/2) of length 1
    array([-0.8944, -0.4472])
    """
    gradient = _along(here.gradient, normals)
    length = _norm(gradient)
    if length <= FLAT * _norm(here.gradient) or not is_beside(evaluate, here, reach, normals):
        return None
    inward = gradient / length

    def is_inside(offset: np.ndarray) -> bool:
        return evaluate(here.theta + offset).is_finite

    distance = BESIDE * reach
    while distance > 0 and not is_inside(-distance * inward):
        distance /= 2
    # Between the two: from here the wall must look near, and as flat as it can.
    radius = sqrt(distance * reach)
    if radius == 0 or not is_inside(radius * inward):
        return None
    normal = -inward
    for position in range(len(inward)):
        across = _along(_unit(position, len(inward)), (*normals, inward))
        if _norm(across) > FLAT:
            slope = _turn(lambda t, v=across: is_inside(radius * (v + t * inward)), max(FINEST, distance / radius))  # type: ignore[misc]
            if slope is None:
                return None
            normal[position] += slope
    normal = _along(normal, normals)
    unit: np.ndarray = normal / _norm(normal)
    return unit


def _turn(is_inside: Callable[[float], bool], width: float) -> float | None:
    """The number above which something holds, to within ``width`` or that part of it; None if it is not there."""
    if is_inside(width) and not is_inside(-width):
        return 0.0  # most parameters have nothing to do with a wall
    low, high = -1.0, 1.0
    while not is_inside(high):
        low, high = high, 2 * high
        if high > STEEPEST:
            return None
    while is_inside(low):
        low, high = 2 * low, low
        if low < -STEEPEST:
            return None
    while high - low > width * max(1.0, abs(low + high)):
        middle = (low + high) / 2
        low, high = (low, middle) if is_inside(middle) else (middle, high)
    return (low + high) / 2


def _lowest_along(evaluate: Evaluate, here: Iterate, normals: Normals, reach: float, descent: Descent) -> Iterate:
    """The lowest iterate found in the planes at several depths; from one to the next it goes straight outwards."""
    outward = sum(normals)
    foot, best = here.theta, here

    def within(theta: np.ndarray) -> Iterate:
        found = evaluate(theta)
        return Iterate(theta, found.loss, _along(found.gradient, normals)) if found.is_finite else found

    for depth in DEPTHS:
        start = within(foot - depth * reach * outward)
        if not start.is_finite:  # the wall has come nearer there
            start = within(here.theta - depth * reach * outward)
        if start.is_finite:
            *_, lowest = start, *descent(within, start)
            foot = lowest.theta + depth * reach * outward
            if lowest.loss < best.loss:
                best = lowest
    return evaluate(best.theta)


def _along(vector: np.ndarray, normals: Normals) -> np.ndarray:
    """What of a vector is at right angles to the normals."""
    for normal in normals:
        vector = vector - np.dot(vector, normal) * normal
    return vector


def _unit(position: int, size: int) -> np.ndarray:
    vector = np.zeros(size)
    vector[position] = 1.0
    return vector


def _norm(vector: np.ndarray) -> float:
    return float(np.linalg.norm(vector))
