"""Arrays that users give."""

from __future__ import annotations

from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnn.errors import DataError, SymnnError
from symnn.suggest import quote

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def read_array(where: str, given: Any, refused: type[SymnnError]) -> NDArray[Any]:
    """What NumPy makes of an argument; raises an error of the type ``refused``, which begins with ``where``.

    Of a masked array NumPy would take the masked entries too, also of one in a list.

    >>> read_array("x", [1, 2], SymnnError)
    array([1, 2])
    >>> read_array("x", np.ma.masked_array([1, 2], [True, False]), SymnnError)
    Traceback (most recent call last):
    symnn.errors.SymnnError: x: found a masked array, expected one without a mask: write x.filled(…)
    """
    if _is_masked(given):
        name = where.rpartition(": ")[-1]
        raise refused(f"{where}: found a masked array, expected one without a mask: write {name}.filled(…)")
    try:
        return np.asarray(given)
    except ValueError:  # lists of different lengths
        raise refused(f"{where}: found {quote(given)}, expected an array of numbers") from None
    except Exception as error:  # what __array__ of other libraries raises
        raise refused(f"{where}: cannot be read as an array: {' '.join(str(error).split())}") from None


def _is_masked(given: Any) -> bool:
    if not isinstance(given, (list, tuple)):
        return isinstance(given, np.ma.MaskedArray)
    from codegen.masks import is_masked  # tables alone need no compiler, whose import takes a while

    return is_masked(given)


def read_vector(where: str, given: Any, count: int, refused: type[SymnnError]) -> NDArray[Any]:
    """So many numbers in a row, of whatever dtype they are.

    >>> read_vector("theta", [1, 2], 3, SymnnError)
    Traceback (most recent call last):
    symnn.errors.SymnnError: theta: found an array of int64 with shape (2,), expected numbers with shape (3,)
    """
    values = read_array(where, given, refused)
    if values.dtype.kind not in "iuf" or values.shape != (count,):
        raise refused(
            f"{where}: found an array of {values.dtype} with shape {values.shape}, "
            f"expected numbers with shape ({count},)"
        )
    return values


# --- data ---------------------------------------------------------------------------------------------------------


def as_array(where: str, given: Any) -> NDArray[Any]:
    """What NumPy makes of data; texts that are objects become texts, and numbers that are numbers.

    >>> from fractions import Fraction
    >>> as_array("example", [Fraction(1, 2), None])
    array([0.5, nan])
    """
    values = read_array(where, given, DataError)
    if values.dtype.kind != "O" or not values.shape:
        return values
    if all(isinstance(value, str) for value in values.flat):
        return values.astype(str)
    cells = [plain(value) for value in values.flat]
    if not all(cell is None or isinstance(cell, (Real, Decimal)) for cell in cells):
        return values
    try:
        return np.array([np.nan if cell is None else float(cell) for cell in cells]).reshape(values.shape)
    except OverflowError:
        raise DataError(f"{where}: found a number beyond the range of float64") from None


def real(where: str, given: Any) -> Floats:
    """The same as C-contiguous float64, if it holds real numbers."""
    values = as_array(where, given)
    if values.dtype.kind not in "biuf":
        raise DataError(f"{where} has dtype {values.dtype}, expected real numbers")
    with np.errstate(over="ignore"):  # a longdouble beyond float64 becomes inf, and is reported as that
        return np.ascontiguousarray(values, dtype=np.float64)


def plain(value: Any) -> Any:
    """NumPy's scalars as Python's; what stands for nothing as None."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if type(value).__name__ in _MISSING_TYPES else value


_MISSING_TYPES = frozenset({"NoneType", "NAType", "NaTType"})
