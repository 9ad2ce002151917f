"""Tables in memory: pandas and polars frames, mappings of columns, and Parquet files, which pandas reads.

None of these libraries is imported but for a file that needs it; frames are known by what they can do.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnn.arrays import Floats, plain, read_array
from symnn.errors import DataError
from symnn.files import NUMBER_BYTES, out_of_memory, require_columns, require_size
from symnn.suggest import quote
from symnn.tables.table import Labels, Table, WordList, Words, check_columns
from symnn.tables.text import Layout, number_reader

_DATES = "which are no numbers: write days since a first one, or year, month and day in columns of their own"
_REFUSED = {"M": f"dates, {_DATES}", "m": "times that passed, expected them as numbers", "c": "complex numbers"}
"""What a column may not hold, by NumPy's letter for it."""


def is_frame(value: object) -> bool:
    """Whether :func:`from_frame` takes it.

    >>> is_frame({"a": [1, 2]}), is_frame(np.ones((2, 2)))
    (True, False)
    """
    # Of the type: a lazy frame warns of each question that is put to it.
    return isinstance(value, Mapping) or (hasattr(type(value), "columns") and hasattr(type(value), "dtypes"))


def from_frame(frame: Any, targets: tuple[str, ...] = (), source: str = "the frame") -> Table:
    """The table in a frame of pandas or polars, or in a mapping from names to columns.

    In a mapping an array ``m`` of several axes, the first of them the rows, has the columns ``m[0]``, ``m[1]``, …
    Numbers and truths are numbers; text is read as in a file, but a categorical column is words even where these are
    numbers. None, NaN and NA are missing.

    >>> table = from_frame({"width": [0.5, 1.5], "kind": ["rose", "lily"]})
    >>> table.names, table.words["kind"].texts
    (('width', 'kind'), ('rose', 'lily'))
    """
    if not is_frame(frame):
        raise DataError(f"{source}: found {type(frame).__name__}, expected a frame or a mapping from names to columns")
    if not hasattr(type(frame), "__len__"):
        raise DataError(f"{source}: found a {type(frame).__name__}, expected what its collect() gives")
    keys = list(frame) if isinstance(frame, Mapping) else list(frame.columns)
    parts = [(str(key), _spread(str(key), frame[key], isinstance(frame, Mapping))) for key in keys]
    check_columns(source, [name for name, _ in parts], ())
    columns = [(name, column) for _, part in parts for name, column in part.items()]
    names = tuple(name for name, _ in columns)
    require_columns(len(names), source, DataError)
    check_columns(source, names, targets)
    if not names:
        raise DataError(f"{source}: found no columns, expected some")
    for name, column in columns:
        if isinstance(column, str) or not hasattr(column, "__len__"):
            raise DataError(f"{source}: column {quote(name)}: found {quote(column)}, expected a number or text a row")
    rows = len(columns[0][1])
    if rows == 0:
        raise DataError(f"{source}: found no rows, expected at least one")
    numbers, words, labels = np.empty((rows, len(names))), {}, None
    for j, (name, column) in enumerate(columns):
        if len(column) != rows:
            raise DataError(
                f"{source}: column {quote(name)} has {len(column)} rows, expected {rows} as in {quote(names[0])}"
            )
        where = f"{source}: column {quote(name)}"
        values = _values(where, column)
        numbers[:, j], found = read_cells(where, values, _is_categorical(column))
        if found is not None:
            words[name] = found
        if targets == (name,):
            labels = _labels(values)
    groups = {name: tuple(part) for name, part in parts}
    said = frozenset(name for name, column in columns if _is_categorical(column))
    return Table(source, "row (from 0)", range(rows), names, numbers, words, labels, groups, categorical=said)


def _spread(name: str, given: Any, spreads: bool) -> Mapping[str, Any]:
    """The columns by name that a column is, which is itself unless it is an array of several axes."""
    axes = getattr(given, "ndim", 1)
    if not spreads or axes < 2:
        return {name: given}
    values = read_array(name, given, DataError)
    rows = values.reshape(len(values), -1)
    return {f"{name}[{number}]": rows[:, number] for number in range(rows.shape[1])}


def read_cells(where: str, values: NDArray[Any], categorical: bool = False) -> tuple[Floats, Words | None]:
    """The numbers of a column, nan where it has none, and its words; a categorical one has words alone."""
    if values.dtype.kind in _REFUSED:
        raise DataError(f"{where}: found {_REFUSED[values.dtype.kind]}")
    if values.dtype.kind in "biuf" and not categorical:
        with np.errstate(over="ignore"):
            return values.astype(np.float64), None
    found, words = np.full(len(values), np.nan), WordList()
    for row, value in enumerate(values.tolist()):
        cell = plain(value)
        if categorical and cell is not None and cell == cell:
            words.add(row, str(cell).strip())
        elif type(cell) not in _CELLS:
            said = f"{where}, row {row} (from 0): found {quote(value)} of type {type(value).__name__}"
            date = f", one of {_REFUSED['M']}" if hasattr(cell, "year") else ", expected a number, a text or a truth"
            raise DataError(said + date)
        else:
            try:
                found[row] = _CELLS[type(cell)](cell)
            except (ValueError, OverflowError):
                words.add(row, str(cell).strip())
    return found, words.words()


def read_parquet(source: str, data: bytes, targets: tuple[str, ...], layout: Layout) -> Table:
    """The table in the bytes of a Parquet file."""
    try:
        import pandas
        from pyarrow import parquet  # what pandas reads them with
    except ImportError:
        raise DataError(
            f"{source}: Parquet files are read by pandas and pyarrow, which are not installed: "
            "pip install 'symnn[frames]'"
        ) from None
    size = len(data)
    try:
        groups = parquet.read_metadata(io.BytesIO(data))
        require_columns(groups.num_columns, source, DataError)
        # Besides the cells: a column of one value in all rows takes next to nothing in the file.
        cells = groups.num_rows * groups.num_columns
        unpacked = sum(groups.row_group(number).total_byte_size for number in range(groups.num_row_groups))
        size = max(unpacked, NUMBER_BYTES * cells)
        require_size(size, f"{source}: its columns", DataError)
        frame = pandas.read_parquet(io.BytesIO(data), engine="pyarrow")
    except DataError:
        raise
    except MemoryError:  # ArrowMemoryError is one too
        raise out_of_memory(source, size, DataError) from None
    except Exception as error:  # damaged bytes surface as ArrowInvalid, OSError, UnicodeDecodeError, …
        raise DataError(f"{source}: damaged, or not a Parquet file ({type(error).__name__})") from None
    return from_frame(frame, targets, source)


def _is_categorical(column: Any) -> bool:
    return getattr(getattr(column, "dtype", None), "categories", None) is not None


def _values(where: str, column: Any) -> NDArray[Any]:
    values = read_array(where, column, DataError)
    if values.ndim != 1:
        raise DataError(f"{where}: found {values.ndim} axes, expected one number or text a row")
    return values


_CELLS: Mapping[type, Callable[[Any], float]] = {
    float: float,
    int: float,
    bool: float,
    str: number_reader(),
    Fraction: float,
    Decimal: float,
    type(None): lambda _: float("nan"),
}
"""The number of a cell, by its type."""


def _labels(values: NDArray[Any]) -> Labels | None:
    """The cells of a column as labels, or None if they are floats."""
    if values.dtype.kind not in "biuUO":
        return None
    cells = [plain(value) for value in values.tolist()]
    if any(isinstance(cell, float) and cell == cell for cell in cells):
        return None
    return Labels.of("" if cell is None or cell != cell else str(cell).strip() for cell in cells)
