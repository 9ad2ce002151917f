"""Sets of points: evenly spread over the ranges of the inputs, or at values of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from numbers import Real

import numpy as np

from symnn.errors import DataError, FieldError
from symnn.given import MOST, called, whole_number
from symnn.suggest import quote


@called(DataError)
def sample(ranges: Sequence[tuple[float, float] | Sequence[float]], count: int, seed: int = 0) -> np.ndarray:
    """``count`` points: each input from its range ``(low, high)``, or in turn from the values ``[v, …]`` of a list.

    A Latin hypercube (McKay, Beckman, Conover 1979): of ``count`` equal pieces of each range every one has a point.
    Lists of values go side by side: the first point has the first value of each.

    >>> sample([(-1.0, 1.0), [0.0]], 3).shape
    (3, 2)
    >>> np.sort(np.floor(sample([(0.0, 4.0)], 4)), axis=0).T
    array([[0., 1., 2., 3.]])

    Raises :class:`DataError` for a range whose ends are not finite numbers in increasing order, for values that are
    not finite numbers or more than there are points, and for a count below 1.

    >>> sample([(1, 0)], 3)
    Traceback (most recent call last):
    symnn.errors.DataError: sample: ranges[0]: expected a range [lowest, highest], found (1, 0)
    """
    count = whole_number("sample: count", count, 1, MOST, DataError)
    seed = whole_number("sample: seed", seed, refused=DataError)
    if not isinstance(ranges, (list, tuple)) or not ranges:
        raise DataError(f"sample: ranges: expected a range or a list of values an input, found {quote(ranges)}")
    generator = np.random.Generator(np.random.PCG64(seed))
    columns = []
    for position, given in enumerate(ranges):
        try:
            columns.append(_column(given, count, generator))
        except FieldError as error:
            raise DataError(f"sample: ranges[{position}]: {error}") from None
    return np.column_stack(columns)


def _column(given: object, count: int, generator: np.random.Generator) -> np.ndarray:
    if isinstance(given, tuple):
        low, high = checked_range(given)
        return low + (high - low) * (generator.permutation(count) + generator.random(count)) / count
    plain = given.tolist() if isinstance(given, np.ndarray) else given
    if not isinstance(plain, Sequence):
        raise FieldError(f"expected a range (lowest, highest) or a list of values, found {quote(given)}")
    return np.resize(np.array(few_values(checked_values(list(plain)), count)), count)


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
