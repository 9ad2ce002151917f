"""Standardisation: between the units of the data and numbers around 0. The one place that computes it."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from sys import float_info
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnn.arrays import Floats

SMALLEST = sqrt(float_info.min)
"""A smaller deviation is a sum of squares that have lost their bits, or all of them."""


# eq=False: comparing arrays gives an array, so the generated == would raise.
@dataclass(frozen=True, eq=False)
class Scaling:
    """What is taken from columns, and what they are then divided by: float64 (D,) both, ``scale`` above 0.

    >>> scaling = Scaling.of(np.array([[1.0, 5.0], [3.0, 5.0]]))
    >>> scaling.standardise(np.array([[1.0, 5.0], [5.0, 6.0]]))
    array([[-1.,  0.],
           [ 3.,  1.]])
    >>> scaling.restore(np.array([[3.0, 1.0]]))
    array([[5., 6.]])
    """

    mean: Floats
    scale: Floats

    @classmethod
    def of(cls, values: Floats, weights: Floats | None = None) -> Scaling:
        """Mean and standard deviation of each column, of rows that count by their weights; a constant one has scale 1.

        >>> Scaling.of(np.array([[1.0], [4.0]]), np.array([2.0, 1.0])).mean
        array([2.])
        """
        # Compared, not measured: the rounded mean of a constant column gives it a deviation of 1e-17.
        constant = (values == values[0]).all(axis=0)
        with np.errstate(all="ignore"):
            if weights is None:
                mean, deviation = values.mean(axis=0), values.std(axis=0)
            else:
                mean = np.average(values, axis=0, weights=weights)
                deviation = np.sqrt(np.average((values - mean) ** 2, axis=0, weights=weights))
            return cls(np.where(constant, values[0], mean), np.where(constant, 1.0, deviation))

    def only(self, columns: NDArray[np.bool_] | None) -> Scaling:
        """The same for these columns (D,), all unless given; the others stay as they are.

        >>> Scaling(np.array([3.0, 5.0]), np.array([2.0, 4.0])).only(np.array([True, False]))
        Scaling(mean=array([3., 0.]), scale=array([2., 1.]))
        """
        if columns is None or columns.all():
            return self
        return Scaling(np.where(columns, self.mean, 0.0), np.where(columns, self.scale, 1.0))

    @property
    def is_representable(self) -> NDArray[np.bool_]:
        """Which columns have a mean and a deviation that float64 can hold, (D,): else all would be 0, or nan.

        >>> Scaling.of(np.array([[1e200, 1e-200, 1.0], [2e200, 3e-200, 3.0]])).is_representable
        array([False, False,  True])
        """
        return np.isfinite(self.mean) & np.isfinite(self.scale) & (self.scale >= SMALLEST)

    def standardise(self, values: NDArray[Any], out: Floats | None = None) -> Floats:
        """(values − mean) / scale in float64, in ``out`` if it is given; what overflows does so as IEEE says."""
        with np.errstate(all="ignore"):
            standardised: Floats = np.subtract(values, self.mean, out=out, dtype=np.float64)
            standardised /= self.scale
        return standardised

    def restore(self, values: NDArray[Any]) -> Floats:
        """mean + scale · values in float64, the values that :meth:`standardise` had been given."""
        with np.errstate(all="ignore"):
            restored: Floats = self.mean + self.scale * values.astype(np.float64)
        return restored
