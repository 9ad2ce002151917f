"""Residuals as one weighted vector r(θ), and what second-order methods take of its Jacobian J: JᵀJ, Jᵀr, J·v, Jᵀ·w.

A compiled function gives r and J of some rows at a time. These rows are weighted and written into one table [J r];
[J r]ᵀ[J r] by BLAS is JᵀJ, Jᵀr and rᵀr at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from codegen import CompiledFunction
from codegen.cached import cached_property
from symnn.errors import DataError
from symnn.objective import checked_theta

TILE = 256
"""Points whose Jacobian is computed at once: with 921 parameters 1.9 MB."""
KEPT = 1 << 29
"""Bytes of J that are kept for further products; of a larger one each product computes the tiles anew."""


@dataclass(frozen=True)
class Rows:
    """One residual on its points: ``value(θ, *arrays) -> r`` and ``jacobian(θ, *arrays) -> (r, ∂r/∂W, …)``.

    r has the shape (points,) or (points, equations). ``weight`` is that of the mean of r² in the loss.
    """

    value: CompiledFunction
    jacobian: CompiledFunction
    arrays: tuple[np.ndarray, ...]
    weight: float = 1.0

    @property
    def points(self) -> int:
        """The number of points."""
        return len(self.arrays[0])

    @property
    def equations(self) -> int:
        """The rows of J for each point."""
        return prod(int(n) for n in self.value.layout.results[0].shape[1:])


@dataclass(frozen=True, eq=False)
class Normal:
    """What a Gauss-Newton step is made of at one θ: rᵀr, Jᵀr and the lower triangle of JᵀJ.

    The arrays are those of the problem, and overwritten when it is asked again.
    """

    loss: float
    projected: np.ndarray
    matrix: np.ndarray

    @property
    def gradient(self) -> np.ndarray:
        """∂(rᵀr)/∂θ = 2·Jᵀr, a new array."""
        return 2.0 * self.projected


@dataclass(frozen=True)
class _Tile:
    """Some rows: where they are, what computes them, and what it leaves in which columns."""

    rows: slice
    call: Callable[[], Any]
    parts: Sequence[tuple[np.ndarray, slice]]


class LeastSquares:
    """``loss(θ) = rᵀr`` of the weighted residuals of all parts, r = √(weight/points)·residual, and products with J.

    >>> import symnn
    >>> growth = symnn.Physics("t", "u", [symnn.dense(4, "tanh"), symnn.dense(1)], [symnn.Residual("rate", "u_t - u")])
    >>> problem = growth.compile().least_squares(symnn.sample([(0, 1)], 10))
    >>> theta = growth.initial_parameters(0)
    >>> r, J = problem.jacobian(theta)
    >>> r.shape, J.shape
    ((10,), (10, 13))
    >>> normal = problem.normal(theta)
    >>> np.allclose(normal.projected, J.T @ r), np.allclose(np.tril(normal.matrix), np.tril(J.T @ J))
    (True, True)

    Called itself it is an objective: ``problem(θ) -> (loss, gradient)``. The points are copied;
    :meth:`replace` changes them, and :meth:`rescale` what each row is multiplied by. Calls must not run at once.
    """

    def __init__(
        self, parts: Sequence[Rows], count: int, matrices: Sequence[tuple[slice, tuple[int, int]]] = ()
    ) -> None:
        self.parts = tuple(
            Rows(part.value, part.jacobian, tuple(map(np.array, part.arrays)), part.weight) for part in parts
        )
        self.count = count
        """The number of parameters, the columns of J."""
        self.matrices = tuple(matrices)
        """Where parameters that are the entries of one matrix lie in θ, and its shape."""
        sizes = [part.points * part.equations for part in self.parts]
        ends = np.cumsum([0, *sizes])
        self.where = tuple(slice(a, b) for a, b in zip(ends.tolist(), ends[1:].tolist()))
        """The rows of each part."""
        self.size = int(ends[-1])
        """The number of rows of J."""
        self.scale = np.concatenate(
            [np.full(n, (part.weight / part.points) ** 0.5) for n, part in zip(sizes, self.parts)]
        )
        self._theta = np.zeros(count, np.dtype(self.parts[0].value.report.dtype))
        self._values = [self._bound_value(part) for part in self.parts]
        self._kept = self.size * (count + 1) * 8 <= KEPT
        self._at: np.ndarray | None = None
        """The parameters that the table of J belongs to."""

    def _bound_value(self, part: Rows) -> tuple[Callable[[], Any], np.ndarray]:
        out = np.empty((part.points, part.equations) if len(part.value.layout.results[0].shape) > 1 else part.points,
                       self._theta.dtype)  # fmt: skip
        return part.value.bind(self._theta, *part.arrays, out=out), out.reshape(-1)

    # --- values -------------------------------------------------------------------------------------------------------

    def residuals(self, theta: np.ndarray) -> np.ndarray:
        """r(θ), (rows,), a new array."""
        self._set(theta)
        found = np.empty(self.size)
        for (call, values), rows in zip(self._values, self.where):
            call()
            np.multiply(values, self.scale[rows], out=found[rows])
        return found

    def loss(self, theta: np.ndarray) -> float:
        """rᵀr at θ."""
        r = self.residuals(theta)
        return float(r @ r)

    def losses(self, theta: np.ndarray) -> list[float]:
        """The parts of the loss."""
        r = self.residuals(theta)
        return [float(r[rows] @ r[rows]) for rows in self.where]

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """The loss and its gradient 2·Jᵀr, float64, a new array."""
        self._set(theta)
        loss, projected = 0.0, np.zeros(self.count)
        for rows in self._sweep():
            r = rows[:, -1]
            loss += float(r @ r)
            projected += rows[:, :-1].T @ r
        return loss, 2.0 * projected

    # --- the Jacobian -------------------------------------------------------------------------------------------------

    def jacobian(self, theta: np.ndarray, out: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """r, (rows,), and J, (rows, parameters), float64: views of ``out``, (rows, parameters + 1), if it is given.

        Raises :class:`DataError` for an ``out`` of another shape or type.
        """
        self._set(theta)
        table = np.empty((self.size, self.count + 1)) if out is None else out
        if table.shape != (self.size, self.count + 1) or table.dtype != float or not table.flags.c_contiguous:
            found = f"an array of {table.dtype} with shape {table.shape}"
            raise DataError(
                f"out: expected a C-contiguous array of float64, {(self.size, self.count + 1)}, found {found}"
            )
        for tile in self._tiles:
            self._fill(tile, table[tile.rows])
        return table[:, -1], table[:, :-1]

    def normal(self, theta: np.ndarray) -> Normal:
        """rᵀr, Jᵀr and JᵀJ at θ. J itself is kept for :meth:`times` and :meth:`transposed_times` if it is not large."""
        from scipy.linalg.blas import dsyrk

        self._set(theta)
        gram = self._gram
        gram[:] = 0.0
        # One product of all rows: 7 % of the time less than one a tile, which is for tables that are not kept.
        for rows in self._whole() if self._kept else self._sweep():
            dsyrk(1.0, rows.T, beta=1.0, c=gram, overwrite_c=1, lower=1)
        last = self.count
        return Normal(float(gram[last, last]), gram[last, :last].copy(), gram[:last, :last])

    def times(self, theta: np.ndarray, vector: np.ndarray) -> np.ndarray:
        """J·v, (rows,)."""
        found, first = np.empty(self.size), 0
        for rows in self._rows_at(theta):
            np.matmul(rows[:, :-1], vector, out=found[first : first + len(rows)])
            first += len(rows)
        return found

    def transposed_times(self, theta: np.ndarray, vector: np.ndarray) -> np.ndarray:
        """Jᵀ·w, (parameters,)."""
        found, first = np.zeros(self.count), 0
        for rows in self._rows_at(theta):
            found += rows[:, :-1].T @ vector[first : first + len(rows)]
            first += len(rows)
        return found

    def squares(self, theta: np.ndarray) -> np.ndarray:
        """Σ over the parameters of J², (rows,): the diagonal of the neural tangent kernel J·Jᵀ."""
        return np.concatenate([np.einsum("sp,sp->s", rows[:, :-1], rows[:, :-1]) for rows in self._rows_at(theta)])

    def sketch(self, theta: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
        """S·[J r], (count, parameters + 1), of a sparse S of random signs, for which ‖S·v‖ is about ‖v‖.

        Every row of [J r] is added to two rows, with signs of its own and over √2. The same seed gives the same S.
        """
        found, first = np.zeros((count, self.count + 1)), 0
        for rows in self._rows_at(theta):
            found += _signs(count, first, len(rows), seed) @ rows
            first += len(rows)
        return found

    # --- points and weights -------------------------------------------------------------------------------------------

    def replace(self, number: int, arrays: Sequence[np.ndarray]) -> None:
        """Other points, as many, for the part of this number."""
        for held, new in zip(self.parts[number].arrays, arrays, strict=True):
            held[:] = new
        self._at = None

    def rescale(self, rows: slice, scale: np.ndarray | float) -> None:
        """What the residuals of some rows are multiplied by from now on."""
        self.scale[rows] = scale
        self._at = None

    @property
    def content(self) -> dict[str, np.ndarray]:
        """All that may change of it: the arrays of each part, and the scale of the rows."""
        arrays = {f"points.{n}.{m}": a for n, part in enumerate(self.parts) for m, a in enumerate(part.arrays)}
        return {**arrays, "scale": self.scale}

    def take(self, content: Mapping[str, np.ndarray]) -> None:
        """Have what another such problem had."""
        for name, array in self.content.items():
            array[:] = content[name]
        self._at = None

    def unscaled(self, theta: np.ndarray) -> np.ndarray:
        """What the equations leave over at each point, without weights, (rows,)."""
        self._set(theta)
        found = np.empty(self.size)
        for (call, values), rows in zip(self._values, self.where):
            call()
            found[rows] = values
        return found

    # --- tiles --------------------------------------------------------------------------------------------------------

    def _set(self, theta: np.ndarray) -> None:
        self._theta[:] = checked_theta(theta, self._theta)

    def _sweep(self) -> Iterator[np.ndarray]:
        """[J r] of one tile after the other, at the parameters that are set."""
        self._at = None
        for tile in self._tiles:
            rows = self._table[tile.rows if self._kept else slice(0, tile.rows.stop - tile.rows.start)]
            self._fill(tile, rows)
            yield rows
        self._at = self._theta.copy() if self._kept else None

    def _whole(self) -> Iterator[np.ndarray]:
        """[J r] of all rows at the parameters that are set."""
        for _ in self._sweep():
            pass
        yield self._table

    def _rows_at(self, theta: np.ndarray) -> Iterator[np.ndarray]:
        """[J r] at θ, as it is kept or tile by tile."""
        self._set(theta)
        if self._at is not None and np.array_equal(self._at, self._theta):
            yield self._table
        else:
            yield from self._sweep()

    def _fill(self, tile: _Tile, rows: np.ndarray) -> None:
        tile.call()
        scale = self.scale[tile.rows, None]
        for part, columns in tile.parts:
            np.multiply(part, scale, out=rows[:, columns])

    @cached_property
    def _table(self) -> np.ndarray:
        """Memory for [J r], of all rows or of one tile."""
        most = max(tile.rows.stop - tile.rows.start for tile in self._tiles)
        return np.empty((self.size if self._kept else most, self.count + 1))

    @cached_property
    def _gram(self) -> np.ndarray:
        """Memory for [J r]ᵀ[J r]."""
        return np.zeros((self.count + 1, self.count + 1), order="F")

    @cached_property
    def _tiles(self) -> list[_Tile]:
        return [tile for part, rows in zip(self.parts, self.where) for tile in self._tiles_of(part, rows)]

    def _tiles_of(self, part: Rows, rows: slice) -> Iterator[_Tile]:
        """The tiles of one part; all leave their results in the same arrays."""
        most, each = min(TILE, part.points), part.equations
        shapes = [tuple(int(n) for n in slot.shape[1:]) for slot in part.jacobian.layout.results]
        results = [np.empty((most, *shape), self._theta.dtype) for shape in shapes]
        for first in range(0, part.points, TILE):
            last = min(first + TILE, part.points)
            arrays = [array[first:last] for array in part.arrays]
            found = [result[: last - first] for result in results]
            parts, column = [], 0
            for result in found[1:]:
                matrix = result.reshape((last - first) * each, -1)
                parts.append((matrix, slice(column, column + matrix.shape[1])))
                column += matrix.shape[1]
            parts.append((found[0].reshape(-1, 1), slice(column, column + 1)))
            call = part.jacobian.bind(self._theta, *arrays, out=found)
            yield _Tile(slice(rows.start + first * each, rows.start + last * each), call, parts)


SIGNS = 2
"""Of each column of a sketch: 4 and 8 take 25 and 60 % more of a step's time for a third of what is left over."""


def _signs(count: int, first: int, columns: int, seed: int) -> Any:
    """Columns of the sparse matrix of a sketch, (count, columns), from column ``first``."""
    from scipy.sparse import csr_array

    generator = np.random.Generator(np.random.PCG64([seed, first]))
    each = min(SIGNS, count)
    places = generator.integers(count, size=(columns, each))
    signs = generator.integers(2, size=(columns, each)) * 2.0 - 1.0
    where = (places.ravel(), np.repeat(np.arange(columns), each))
    return csr_array((signs.ravel() / each**0.5, where), shape=(count, columns))
