"""Rows of sparse matrices, made dense and standardised as many at a time as are worked on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from symnn.arrays import Floats, Integers
from symnn.scaling import Scaling

NUMBERS = 2**21
"""In a part that is made dense: 16 MB."""


@dataclass(frozen=True, eq=False)
class SparseRows:
    """Rows of a CSR matrix as a network takes them: the same numbers as those of the dense matrix."""

    matrix: Any
    scaling: Scaling
    dtype: DTypeLike

    def __len__(self) -> int:
        return int(self.matrix.shape[0])

    def __getitem__(self, rows: Integers) -> SparseRows:
        return replace(self, matrix=self.matrix[rows])

    def parts(self, order: Integers, together: int = 1) -> Iterator[tuple[Integers, NDArray[Any]]]:
        """These rows in parts, as numbers and as arrays: so many that 16 MB hold them, a multiple of ``together``.

        >>> from scipy.sparse import csr_array
        >>> rows = SparseRows(csr_array(np.eye(3)), Scaling(np.zeros(3), np.full(3, 0.5)), "float32")
        >>> [part.tolist() for _, part in rows.parts(np.array([2, 0]))]
        [[[0.0, 0.0, 2.0], [2.0, 0.0, 0.0]]]
        """
        size = max(1, NUMBERS // (self.matrix.shape[1] * together)) * together
        for start in range(0, len(order), size):
            numbers = order[start : start + size]
            dense = self.scaling.standardise(self.matrix[numbers].toarray())
            yield numbers, np.ascontiguousarray(dense, dtype=self.dtype)


def scaling_of(matrix: Any, weights: Floats | None) -> Scaling:
    """What :meth:`Scaling.of` gives of the dense matrix, some columns at a time.

    >>> from scipy.sparse import csr_array
    >>> scaling_of(csr_array([[1.0, 0.0], [3.0, 0.0]]), None)
    Scaling(mean=array([2., 0.]), scale=array([1., 1.]))
    """
    columns = matrix.tocsc()
    rows, count = columns.shape
    step = max(2, NUMBERS // rows)
    found = []
    for start in range(0, count, step):
        # In the order of a dense matrix, and never a column alone, which NumPy would add up in another one.
        before = min(start, 1)
        part = Scaling.of(columns[:, start - before : start + step].toarray(order="C"), weights)
        found.append((part.mean[before:], part.scale[before:]))
    means, scales = zip(*found)
    return Scaling(np.concatenate(means), np.concatenate(scales))
