"""Tables in .npz archives: an array of one axis is a column, one of two axes several. Nothing is unpickled."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnn.errors import DataError
from symnn.suggest import quote
from symnn.tables.table import Floats, Table, check_columns


def read_npz(source: str, data: bytes, targets: tuple[str, ...]) -> Table:
    """The table in the bytes of an archive; an array ``m`` of two axes has the columns ``m[0]``, ``m[1]``, …"""
    arrays = dict(_arrays(source, data))
    check_columns(source, tuple(arrays), targets)
    for name, values in arrays.items():
        if values.ndim not in (1, 2):
            raise DataError(
                f"{source}: array {quote(name)} has shape {values.shape}, expected (rows,) or (rows, columns)"
            )
    if not arrays:
        raise DataError(f"{source}: found no arrays, expected some")
    reference = targets[0] if targets else next(iter(arrays))
    rows = len(arrays[reference])
    for name, values in arrays.items():
        if len(values) != rows:
            raise DataError(
                f"{source}: array {quote(name)} has {len(values)} rows, "
                f"expected {rows} as in {'the target ' if targets else ''}{quote(reference)}"
            )
    if rows == 0:
        raise DataError(f"{source}: the arrays have no rows, expected at least one")
    labels = _labels(arrays[targets[0]]) if len(targets) == 1 else None
    words = {name for name in targets if arrays[name].dtype.kind == "U"}
    columns = {
        name: _text_column(name, values) if name in words else _columns(source, name, values)
        for name, values in arrays.items()
    }
    return Table(
        source,
        "row (from 0)",
        range(rows),
        tuple(name for names, _ in columns.values() for name in names),
        np.hstack([values for _, values in columns.values()]),
        labels=labels,
        groups={name: names for name, (names, _) in columns.items()},
    )


def _arrays(source: str, data: bytes) -> list[tuple[str, NDArray[Any]]]:
    """Every array of the archive, in its order."""
    member = None
    try:
        archive = np.load(io.BytesIO(data), allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise DataError(f"{source}: found a single array (.npy), expected an archive of named arrays (.npz)")
        arrays = []
        with archive:
            for member in archive.files:
                arrays.append((member, archive[member]))
    except DataError:
        raise
    except Exception as error:
        # Damaged bytes surface as BadZipFile, zlib.error, EOFError, struct.error, ValueError, RuntimeError,
        # NotImplementedError, OverflowError, MemoryError, SyntaxError, … from three libraries.
        if "Object arrays" in str(error):
            reason = "it holds Python objects, which are never unpickled; expected numbers or text"
        else:
            reason = f"damaged, or not an .npz file ({type(error).__name__})"
        raise DataError(f"{source}: {f'array {quote(member)}: ' if member else ''}{reason}") from None
    for name, values in arrays:
        if not isinstance(values, np.ndarray):
            raise DataError(f"{source}: member {quote(name)} is not an array, expected .npy members only")
    check_columns(source, [name for name, _ in arrays], ())
    return arrays


def _labels(values: NDArray[Any]) -> list[str] | None:
    """A target of one column of whole numbers or text, as it is written."""
    if values.dtype.kind not in "biuU" or values.size != len(values):
        return None
    values = values.astype(np.int64) if values.dtype.kind == "b" else values
    return [str(value).strip() for value in values.ravel().tolist()]


def _text_column(name: str, values: NDArray[Any]) -> tuple[tuple[str, ...], Floats]:
    """A target of text, which has no numbers, and is read as labels alone."""
    return (name,), np.full((len(values), 1), np.nan)


def _columns(source: str, name: str, values: NDArray[Any]) -> tuple[tuple[str, ...], Floats]:
    """The columns that an array stands for: their names, and float64 (S, number of names)."""
    numbers = real(f"{source}: array {quote(name)}", values)
    if numbers.ndim == 1:
        return (name,), numbers[:, None]
    if numbers.shape[1] == 0:
        raise DataError(f"{source}: array {quote(name)} has shape {numbers.shape}, expected at least one column")
    return tuple(f"{name}[{j}]" for j in range(numbers.shape[1])), numbers


def real(where: str, values: Any) -> Floats:
    """The array as C-contiguous float64, if it holds real numbers."""
    try:
        values = np.asarray(values)
    except ValueError:  # nested lists of different lengths
        raise DataError(f"{where}: not a rectangular array of numbers") from None
    if values.dtype.kind not in "biuf":
        raise DataError(f"{where} has dtype {values.dtype}, expected real numbers")
    with np.errstate(over="ignore"):  # a longdouble beyond float64 becomes inf, and is reported as that
        return np.ascontiguousarray(values, dtype=np.float64)
