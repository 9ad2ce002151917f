"""Tables of arrays: one of one axis is a column, one of two axes several."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnn.arrays import Floats, as_array, real
from symnn.errors import DataError
from symnn.suggest import quote
from symnn.tables.frames import read_cells
from symnn.tables.table import Table, Words, check_columns


def from_arrays(source: str, given: Mapping[str, Any], targets: tuple[str, ...] = ()) -> Table:
    """The table of arrays by name; an array ``m`` of two axes has the columns ``m[0]``, ``m[1]``, …

    All hold real numbers; a target may hold text instead.

    >>> from_arrays("example", {"m": np.zeros((3, 2)), "kind": ["a", "b", "a"]}, ("kind",)).names
    ('m[0]', 'm[1]', 'kind')
    """
    arrays = {name: as_array(f"{source}: array {quote(name)}", values) for name, values in given.items()}
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
    words: dict[str, Words] = {}
    columns = {
        name: _text_column(source, name, values, words)
        if name in targets and values.dtype.kind == "U" and values.size == rows
        else _columns(source, name, values)
        for name, values in arrays.items()
    }
    return Table(
        source,
        "row (from 0)",
        range(rows),
        tuple(name for names, _ in columns.values() for name in names),
        np.hstack([values for _, values in columns.values()]),
        words,
        labels=_labels(arrays[targets[0]]) if len(targets) == 1 else None,
        groups={name: names for name, (names, _) in columns.items()},
    )


def _labels(values: NDArray[Any]) -> list[str] | None:
    """A target of one column of whole numbers or text, as it is written."""
    if values.dtype.kind not in "biuU" or values.size != len(values):
        return None
    values = values.astype(np.int64) if values.dtype.kind == "b" else values
    return [str(value).strip() for value in values.ravel().tolist()]


def _text_column(
    source: str, name: str, values: NDArray[Any], words: dict[str, Words]
) -> tuple[tuple[str, ...], Floats]:
    """The column that a target of text stands for; what is no number in it is put into ``words``."""
    numbers, found = read_cells(f"{source}: array {quote(name)}", values.ravel())
    if found is not None:
        words[name] = found
    return (name,), numbers[:, None]


def _columns(source: str, name: str, values: NDArray[Any]) -> tuple[tuple[str, ...], Floats]:
    """The columns that an array stands for: their names, and float64 (S, number of names)."""
    numbers = real(f"{source}: array {quote(name)}", values)
    if numbers.ndim == 1:
        return (name,), numbers[:, None]
    if numbers.shape[1] == 0:
        raise DataError(f"{source}: array {quote(name)} has shape {numbers.shape}, expected at least one column")
    return tuple(f"{name}[{j}]" for j in range(numbers.shape[1])), numbers
