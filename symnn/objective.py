"""A loss and its gradient as a function of the parameters alone, for whatever minimises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from codegen import CompiledFunction
from codegen.dtypes import Dtype
from symnn.arrays import read_array
from symnn.errors import DataError

Part: TypeAlias = tuple[CompiledFunction, Sequence[ArrayLike]]
"""``value_and_grad(theta, *arrays) -> (loss, gradient)``, and the arrays, or what a call converts to them."""


class Objective:
    """``fun(theta) -> (loss, gradient)``, the sum of parts that are bound to copies of their arrays.

    Loss and gradient are float64 whatever the dtype of the parts, and the gradient is a new array at every call, as
    SciPy's methods need it: they compare it with those of the steps before. Arrays are converted as in a call of the
    part, and copied, once. Calls must not run at once.
    """

    def __init__(self, parts: Sequence[Part], count: int, dtype: Dtype) -> None:
        self._theta = np.zeros(count, dtype)
        self._gradients = np.zeros((len(parts), count), dtype)
        self._parts = [(part, self._copied(part, arrays)) for part, arrays in parts]
        self._calls = [
            part.bind(self._theta, *arrays, out=row) for (part, arrays), row in zip(self._parts, self._gradients)
        ]

    def _copied(self, part: CompiledFunction, arrays: Sequence[ArrayLike]) -> list[np.ndarray]:
        _, *converted = part.convert(self._theta, *arrays)
        return [np.array(array) for array in converted]

    def __reduce__(self) -> tuple[Any, ...]:
        """Bound functions are of one process; another one binds its own."""
        return type(self), (self._parts, self._theta.size, self._theta.dtype.name)

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss and its gradient at these parameters.

        Raises :class:`DataError` if they are not so many real numbers.
        """
        self._theta[:] = checked_theta(theta, self._theta)
        loss = sum(call()[0] for call in self._calls)
        return float(loss), self._gradients.sum(axis=0, dtype=np.float64)


def checked_theta(given: object, like: np.ndarray) -> np.ndarray:
    """Theta itself, if it is a vector of real numbers of the right length, in that dtype."""
    found = given if type(given) is np.ndarray else read_array("theta", given, DataError)
    if found.dtype.kind not in "fiu" or found.shape != like.shape:
        what = f"an array of {found.dtype} with shape {found.shape}"
        raise DataError(f"theta: expected a vector of {like.size:,} real numbers, found {what}")
    if found.dtype == like.dtype:
        return found
    with np.errstate(over="ignore"):  # infinite, and so will be the loss
        return found.astype(like.dtype)
