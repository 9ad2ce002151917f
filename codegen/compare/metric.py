"""How far results are from what they should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Deviation:
    """The worst entry of some arrays."""

    metric: float
    """|a − b|/max(1, |a|, |b|); infinite where a shape or the pattern of values that are not finite differs."""
    ulp: float
    """The largest |a − b| in units in the last place."""
    array: int
    """Which array."""
    place: tuple[int, ...]
    """Which entry of it has the largest metric."""


def deviation(
    found: Sequence[Array],
    expected: Sequence[Array],
    unit: np.dtype[Any] | None = None,
    elementwise: bool = False,
    sizes: Sequence[Array] | None = None,
) -> Deviation:
    """The largest deviation of arrays from expected ones, which may hold mpmath numbers.

    ``unit`` is the dtype whose units in the last place count (float64), those of the largest number of an array, or
    ``elementwise`` of each one. ``sizes`` of the terms that an entry is the sum of are a further scale of its error.
    nan equals nan, an infinity itself alone.

    >>> deviation([np.array([1.0, 2.0])], [np.array([1.0, 2.5])])
    Deviation(metric=0.2, ulp=1125899906842624.0, array=0, place=(1,))
    """
    dtype = np.dtype(np.float64 if unit is None else unit)
    worst = Deviation(0.0, 0.0, 0, ())
    scales = [np.array(1.0)] * len(expected) if sizes is None else sizes
    for number, (a, b, scale) in enumerate(zip(found, expected, scales, strict=True)):
        b = _within_range(np.asarray(b), dtype)
        metric, difference = _distances(np.asarray(a), b, np.maximum(1.0, scale))
        if metric.size == 0:
            continue
        place = np.unravel_index(int(metric.argmax()), metric.shape)
        with np.errstate(over="ignore"):  # a rounding error beside 0 is beyond any number of units
            units = difference / _units(b.astype(np.float64), dtype, elementwise)
        ulp = max(worst.ulp, float(np.max(units)))
        if metric[place] >= worst.metric:
            worst = Deviation(float(metric[place]), ulp, number, tuple(int(i) for i in place))
        worst = replace(worst, ulp=ulp)
    return worst


def _within_range(expected: Array, dtype: np.dtype[Any]) -> Array:
    """What is too large for the dtype as an infinity, as arithmetic in it has it."""
    limit = float(np.finfo(dtype).max)
    return np.where(expected > limit, np.inf, np.where(expected < -limit, -np.inf, expected))


def _units(expected: Array, dtype: np.dtype[Any], elementwise: bool) -> Array:
    """Units in the last place; numbers that all vanish are taken for 1."""
    size = np.where(np.isfinite(expected), np.abs(expected), 0.0)
    largest = float(size.max(initial=0.0)) or 1.0
    size = np.clip(
        size if elementwise else np.full_like(size, largest), float(np.finfo(dtype).tiny), float(np.finfo(dtype).max)
    )
    return np.asarray(np.spacing(size.astype(dtype)), np.float64)


def _distances(found: Array, expected: Array, scale: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The metric and the absolute difference of every entry."""
    if found.shape != expected.shape:
        return np.full(max(found.shape, expected.shape, key=len) or (), np.inf), np.array(np.inf)
    near = np.asarray(expected, np.float64)
    given = np.asarray(found, np.float64)
    with np.errstate(all="ignore"):
        # Subtracted before rounding where the expected numbers are more precise than floats.
        apart = np.abs(np.asarray(given - expected, np.float64)) if expected.dtype == object else np.abs(given - near)
        metric = apart / np.maximum(scale, np.maximum(np.abs(given), np.abs(near)))
    finite = np.isfinite(given) & np.isfinite(near)
    same = (given == near) | (np.isnan(given) & np.isnan(near))
    return np.where(finite, metric, np.where(same, 0.0, np.inf)), np.where(finite, apart, np.where(same, 0.0, np.inf))
