"""What elimination makes of whole matrices: in NumPy, and in any numbers that can be divided, for the oracle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sympy import Idx

from codegen.functions.eliminations import (
    Elimination,
    cholesky_factor,
    cholesky_inverse,
    determinant_sign,
    inverted,
    inverted_symmetric,
    log_determinant,
    log_determinant_symmetric,
    solved,
    solved_symmetric,
)

Array: TypeAlias = NDArray[Any]
Labelled: TypeAlias = tuple[Array, Sequence[Idx]]
"""An array and the indices of its axes behind the first, which is one of points."""
Core: TypeAlias = Callable[..., Array]
"""From matrices (…, n, n), and right sides (…, n, m), to what elimination makes of them."""


def eliminated(
    body: Elimination, free: Sequence[Idx], operands: Sequence[Labelled], cores: Mapping[type[Elimination], Core]
) -> Array:
    """The value of an equation that eliminates, with an axis of points and the axes of the target's indices."""
    batch, rows = body.batch, body.rows
    matrices = _in_order(*operands[0], (*batch, rows, body.columns))
    n = max(matrices.shape[-2:])
    matrices = np.broadcast_to(matrices, (*matrices.shape[:-2], n, n))
    core = next(cores[kind] for kind in type(body).__mro__ if kind in cores)
    if not isinstance(body, solved):
        return _in_order(core(matrices), (*batch, *body.own), free)
    right, labels = operands[1]
    columns = [index for index in labels if index not in batch and index != rows]
    sides = _in_order(right, labels, (*batch, rows, *columns))
    place, lengths = len(batch) + 1, sides.shape[len(batch) + 2 :]
    sides = np.broadcast_to(sides, (*sides.shape[:place], n, *lengths))
    found = core(matrices, sides.reshape(*sides.shape[: len(batch) + 2], prod(lengths)))
    return _in_order(found.reshape(*found.shape[:-1], *lengths), (*batch, *body.own, *columns), free)


def _in_order(array: Array, labels: Sequence[Idx], wanted: Sequence[Idx]) -> Array:
    """The array with its axes in another order, of length 1 where it lacks an index."""
    present = [index for index in wanted if index in labels]
    turned = array.transpose(0, *(1 + list(labels).index(index) for index in present))
    return turned[(slice(None), *(slice(None) if index in present else None for index in wanted))]


# --- NumPy --------------------------------------------------------------------------------------------------------


def _each(core: Core) -> Core:
    """One matrix after the other where NumPy refuses one of them: that one has no numbers."""

    def call(*operands: Array) -> Array:
        try:
            return core(*operands)
        except np.linalg.LinAlgError:
            n = operands[0].shape[-1]
            batch = np.broadcast_shapes(*(operand.shape[:-2] for operand in operands))
            whole = [np.broadcast_to(operand, (*batch, *operand.shape[-2:])) for operand in operands]
            found = np.full((*batch, n, whole[-1].shape[-1]), np.nan, operands[0].dtype)
            for place in np.ndindex(*batch):
                try:
                    found[place] = core(*(operand[place] for operand in whole))
                except np.linalg.LinAlgError:
                    continue
            return found

    return call


def _cholesky(matrices: Array) -> Array:
    """The factor; of complex matrices, which the complex step makes, with A = L·Lᵀ as for real ones."""
    if matrices.dtype.kind != "c":
        return np.linalg.cholesky(matrices)
    real = np.linalg.cholesky(matrices.real)
    return np.asarray(_factor_columns(matrices, real), matrices.dtype)


def _factor_columns(matrices: Array, real: Array) -> Array:
    factor = np.zeros_like(matrices)
    for j in range(matrices.shape[-1]):
        left = matrices[..., j:, j] - (factor[..., j:, :j] @ factor[..., j, :j, None])[..., 0]
        factor[..., j:, j] = left / np.sqrt(left[..., :1])
    return factor


def _identity(matrices: Array) -> Array:
    return np.broadcast_to(np.eye(matrices.shape[-1], dtype=matrices.dtype), matrices.shape)


def _solve_symmetric(matrices: Array, sides: Array) -> Array:
    factor = _cholesky(matrices)
    return np.linalg.solve(np.swapaxes(factor, -1, -2), np.linalg.solve(factor, sides))


def _log_determinant(matrices: Array) -> Array:
    sign, logarithm = np.linalg.slogdet(matrices)
    return np.asarray(logarithm + np.log(sign) if matrices.dtype.kind == "c" else logarithm)


def _log_determinant_symmetric(matrices: Array) -> Array:
    diagonal = np.diagonal(_each(_cholesky)(matrices), axis1=-2, axis2=-1)
    return np.asarray(2 * np.log(diagonal).sum(axis=-1))


NUMPY: Mapping[type[Elimination], Core] = {
    inverted: _each(np.linalg.inv),
    inverted_symmetric: _each(lambda matrices: _solve_symmetric(matrices, _identity(matrices))),
    solved: _each(np.linalg.solve),
    solved_symmetric: _each(_solve_symmetric),
    log_determinant: _log_determinant,
    log_determinant_symmetric: _log_determinant_symmetric,
    determinant_sign: lambda matrices: np.asarray(np.sign(np.linalg.slogdet(matrices.real)[0]), matrices.dtype),
    cholesky_factor: _each(_cholesky),
    cholesky_inverse: _each(lambda matrices: np.linalg.inv(_cholesky(matrices))),
}
"""LAPACK's; triangular matrices are solved for as any others."""


# --- any numbers --------------------------------------------------------------------------------------------------


def exact_cores(context: Any) -> Mapping[type[Elimination], Core]:
    """The same for matrices of numbers of an mpmath context, with its square root and logarithm."""

    def one_by_one(of_one: Callable[..., Any]) -> Core:
        def call(*operands: Array) -> Array:
            batch = np.broadcast_shapes(*(operand.shape[:-2] for operand in operands))
            whole = [np.broadcast_to(operand, (*batch, *operand.shape[-2:])) for operand in operands]
            found = [of_one(*(operand[place] for operand in whole)) for place in np.ndindex(*batch)]
            inner = np.shape(found[0])
            result = np.empty((len(found), *inner), object)
            for number, value in enumerate(found):
                result[number] = value
            return result.reshape(*batch, *inner)

        return call

    def eliminate(matrix: Array, sides: Array) -> tuple[Array, list[Any], int]:
        """The solution, the pivots and the sign of their order, by Gauss and Jordan."""
        n, work, sign = len(matrix), np.concatenate([matrix, sides], axis=1), 1
        pivots = []
        for k in range(n):
            best = max(range(k, n), key=lambda row: abs(work[row, k]))
            if best != k:
                work[[k, best]] = work[[best, k]]
                sign = -sign
            pivots.append(work[k, k])
            if pivots[-1] == 0:
                return np.full(sides.shape, context.nan, object), [context.mpf(0)], 0
            work[k] = work[k] / pivots[-1]
            for row in range(n):
                if row != k:
                    work[row] = work[row] - work[k] * work[row, k]
        return work[:, n:], pivots, sign

    def identity(n: int) -> Array:
        return np.array([[context.mpf(int(i == j)) for j in range(n)] for i in range(n)], object)

    def factor(matrix: Array) -> Array:
        n = len(matrix)
        found = np.array([[context.mpf(0)] * n for _ in range(n)], object)
        for j in range(n):
            for i in range(j, n):
                left = matrix[i, j] - sum((found[i, k] * found[j, k] for k in range(j)), context.mpf(0))
                if i == j:
                    found[i, j] = context.sqrt(left) if left > 0 else context.nan
                else:
                    found[i, j] = left / found[j, j]
        return found

    def inverse(matrix: Array) -> Array:
        return eliminate(matrix, identity(len(matrix)))[0]

    def logarithm(matrix: Array) -> Any:
        pivots = eliminate(matrix, identity(len(matrix)))[1]
        return sum((context.log(abs(pivot)) for pivot in pivots), context.mpf(0))

    def sign(matrix: Array) -> Any:
        _, pivots, order = eliminate(matrix, identity(len(matrix)))
        return context.mpf(order * prod(1 if pivot > 0 else -1 for pivot in pivots))

    return {
        inverted: one_by_one(inverse),
        solved: one_by_one(lambda matrix, sides: eliminate(matrix, sides)[0]),
        log_determinant: one_by_one(logarithm),
        determinant_sign: one_by_one(sign),
        cholesky_factor: one_by_one(factor),
        cholesky_inverse: one_by_one(lambda matrix: inverse(factor(matrix))),
    }
