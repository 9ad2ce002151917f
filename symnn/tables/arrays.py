"""Tables of arrays: one of one axis is a column, one of two axes several."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnn.arrays import Floats, Integers, as_array, real
from symnn.errors import DataError
from symnn.files import NUMBER_BYTES, require_columns, require_size
from symnn.sequences import checked_lengths
from symnn.suggest import quote
from symnn.tables.frames import read_cells
from symnn.tables.table import Labels, Table, Words, check_columns, find_columns


def from_arrays(source: str, given: Mapping[str, Any], targets: tuple[str, ...] = ()) -> Table:
    """The table of arrays by name; an array ``m`` of two axes has the columns ``m[0]``, ``m[1]``, …

    All hold real numbers; a target may hold text instead.

    >>> from_arrays("example", {"m": np.zeros((3, 2)), "kind": ["a", "b", "a"]}, ("kind",)).names
    ('m[0]', 'm[1]', 'kind')
    """
    return consumed(source, {name: as_array(_where(source, name), values) for name, values in given.items()}, targets)


def consumed(
    source: str, arrays: dict[str, NDArray[Any]], targets: tuple[str, ...], texts: Collection[str] = ()
) -> Table:
    """The same of arrays that nobody else needs: one after the other is taken out, and makes room for the next.

    Those in ``texts`` may hold text too, if they are there.
    """
    check_columns(source, tuple(arrays), targets)
    for name, values in arrays.items():
        if values.ndim not in (1, 2):
            raise DataError(f"{_where(source, name)} has shape {values.shape}, expected (rows,) or (rows, columns)")
    if not arrays:
        raise DataError(f"{source}: found no arrays, expected some")
    reference = targets[0] if targets else next(iter(arrays))
    rows = len(arrays[reference])
    for name, values in arrays.items():
        if len(values) != rows:
            raise DataError(
                f"{_where(source, name)} has {len(values)} rows, "
                f"expected {rows} as in {'the target ' if targets else ''}{quote(reference)}"
            )
    if rows == 0:
        raise DataError(f"{source}: the arrays have no rows, expected at least one")
    words: dict[str, Words] = {}
    labels = _labels(arrays[targets[0]]) if len(targets) == 1 else None
    require_columns(sum(values.size // rows for values in arrays.values()), source, DataError)
    groups = {name: _names(source, name, values) for name, values in arrays.items()}
    columns = tuple(name for names in groups.values() for name in names)
    numbers, end = np.empty((rows, len(columns))), 0
    for name, names in groups.items():
        start, end = end, end + len(names)
        values = arrays.pop(name)
        is_text = name in {*targets, *texts} and values.dtype.kind == "U" and values.size == rows
        numbers[:, start:end] = (
            _text_column(source, name, values, words)
            if is_text
            else real(_where(source, name), values).reshape(rows, -1)
        )
        del values
    return Table(source, "row (from 0)", range(rows), columns, numbers, words, labels, groups)


def steps_of(source: str, arrays: dict[str, NDArray[Any]], name: str) -> Integers:
    """The lengths (S,) of sequences, which are taken out; every other array becomes one of their steps (N, …).

    One with N rows is that already, (S, T, D) is padded behind each sequence to the longest, as is (S, T) of that T,
    and what has a number, or a row of them, for each sequence is that of all its steps.

    >>> arrays = {"x": np.array([[[1.0], [2.0]], [[3.0], [0.0]]]), "kind": np.array([7, 8]), "n": np.array([2, 1])}
    >>> steps_of("example", arrays, "n"), arrays["x"].tolist(), arrays["kind"].tolist()
    (array([2, 1]), [[1.0], [2.0], [3.0]], [7, 7, 8])
    """
    find_columns(source, (name,), (*arrays,))
    where = _where(source, name)
    lengths = checked_lengths(where, arrays.pop(name))
    steps = sum(lengths.tolist())
    wide = next((values.shape[1] for values in arrays.values() if values.ndim == 3), int(lengths.max()))
    for other, values in arrays.items():
        rows = len(values) if values.ndim else 0
        if rows not in (steps, len(lengths)):
            raise DataError(
                f"{_where(source, other)} has shape {values.shape}, expected {len(lengths):,} sequences, or their "
                f"{steps:,} steps one below the other"
            )
        if rows == steps:
            continue
        require_size(NUMBER_BYTES * steps * (values.size // rows), f"{_where(source, other)}: its steps", DataError)
        is_padded = values.ndim > 1 and values.shape[1] == wide
        if is_padded and lengths.max() > wide:
            raise DataError(f"{where}: found {lengths.max():,} steps, expected at most {wide:,}, which {other!r} has")
        arrays[other] = values[np.arange(wide) < lengths[:, None]] if is_padded else np.repeat(values, lengths, axis=0)
    return lengths


def _where(source: str, name: str) -> str:
    return f"{source}: array {quote(name)}"


def _labels(values: NDArray[Any]) -> Labels | None:
    """A target of one column of whole numbers or text, as it is written."""
    if values.dtype.kind not in "biuU" or values.size != len(values):
        return None
    values = values.astype(np.int64) if values.dtype.kind == "b" else values
    return Labels.of(str(value).strip() for value in values.ravel().tolist())


def _text_column(source: str, name: str, values: NDArray[Any], words: dict[str, Words]) -> Floats:
    """The column that a target of text stands for; what is no number in it is put into ``words``."""
    numbers, found = read_cells(_where(source, name), values.ravel())
    if found is not None:
        words[name] = found
    return numbers[:, None]


def _names(source: str, name: str, values: NDArray[Any]) -> tuple[str, ...]:
    """Those of the columns that an array stands for."""
    if values.ndim == 1:
        return (name,)
    if values.shape[1] == 0:
        raise DataError(f"{_where(source, name)} has shape {values.shape}, expected at least one column")
    return tuple(f"{name}[{j}]" for j in range(values.shape[1]))
