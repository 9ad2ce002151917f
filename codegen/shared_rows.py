"""Sparse matrices whose indices are shared with others of the same pattern."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from scipy.sparse import csr_array


class SharedRows(csr_array):  # type: ignore[misc] # SciPy has no types
    """A ``csr_array`` with read-only indices, copied before its pattern is changed in place.

    SciPy writes into the indices that it finds, and these are those of every other matrix of the pattern.

    >>> import numpy as np
    >>> indices, ends = np.array([0, 1]), np.array([0, 1, 2])
    >>> indices.flags.writeable = ends.flags.writeable = False
    >>> matrix = SharedRows((np.array([0.0, 1.0]), indices, ends), shape=(2, 2))
    >>> matrix.eliminate_zeros()
    >>> matrix.nnz, indices, ends
    (1, array([0, 1]), array([0, 1, 2]))
    """

    indices: NDArray[Any]
    indptr: NDArray[Any]

    def eliminate_zeros(self) -> None:
        self._separate()
        super().eliminate_zeros()

    def resize(self, *shape: Any) -> None:
        self._separate()
        super().resize(*shape)

    def _separate(self) -> None:
        self.indices, self.indptr = self.indices.copy(), self.indptr.copy()


__all__ = ["SharedRows"]
