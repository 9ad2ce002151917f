"""Sets of points: evenly spread over the ranges of the inputs, or at values of theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from numbers import Real
from types import MappingProxyType

import numpy as np

from symnn.errors import DataError, FieldError
from symnn.given import MOST, called, one_of, whole_number
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


@called(DataError)
def sample(
    ranges: Sequence[tuple[float, float] | Sequence[float]],
    count: int,
    seed: int = 0,
    kind: str = "latin_hypercube",
    towards: Mapping[int, Towards] = MappingProxyType({}),
) -> np.ndarray:
    """``count`` points: each input from its range ``(low, high)``, or in turn from the values ``[v, …]`` of a list.

    ``kind`` is ``latin_hypercube`` (McKay, Beckman, Conover 1979: of ``count`` equal pieces of each range every one has
    a point), ``sobol`` or ``halton`` (sequences of low discrepancy, scrambled), or ``uniform``. Lists of values go side
    by side: the first point has the first value of each. ``towards`` has points of a range, by the number of its input,
    gather at a place.

    >>> sample([(-1.0, 1.0), [0.0]], 3).shape
    (3, 2)
    >>> np.sort(np.floor(sample([(0.0, 4.0)], 4)), axis=0).T
    array([[0., 1., 2., 3.]])
    >>> np.sort(np.floor(sample([(0.0, 4.0)], 4, kind="sobol")), axis=0).T
    array([[0., 1., 2., 3.]])

    Raises :class:`DataError` for a range whose ends are not finite numbers in increasing order, for values that are
    not finite numbers or more than there are points, for a count below 1, and for a kind that is unknown.

    >>> sample([(1, 0)], 3)
    Traceback (most recent call last):
    symnn.errors.DataError: sample: ranges[0]: expected a range [lowest, highest], found (1, 0)
    """
    count = whole_number("sample: count", count, 1, MOST, DataError)
    seed = whole_number("sample: seed", seed, refused=DataError)
    one_of("sample: kind", kind, tuple(KINDS), DataError)
    if not isinstance(ranges, (list, tuple)) or not ranges:
        raise DataError(f"sample: ranges: expected a range or a list of values an input, found {quote(ranges)}")
    columns: list[np.ndarray | tuple[float, float]] = []
    for position, given in enumerate(ranges):
        try:
            columns.append(checked_range(given) if isinstance(given, tuple) else _in_turn(given, count))
        except FieldError as error:
            raise DataError(f"sample: ranges[{position}]: {error}") from None
    free = [number for number, column in enumerate(columns) if isinstance(column, tuple)]
    even = dict(zip(free, KINDS[kind](count, len(free), seed).T)) if free else {}
    none = Towards(0.0, 0.0)
    return np.column_stack(
        [
            towards.get(number, none).spread(even[number], *column) if isinstance(column, tuple) else column
            for number, column in enumerate(columns)
        ]
    )


def _in_turn(given: object, count: int) -> np.ndarray:
    plain = given.tolist() if isinstance(given, np.ndarray) else given
    if not isinstance(plain, Sequence):
        raise FieldError(f"expected a range (lowest, highest) or a list of values, found {quote(given)}")
    return np.resize(np.array(few_values(checked_values(list(plain)), count)), count)


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
