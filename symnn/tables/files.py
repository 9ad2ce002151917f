"""A table by its file's name."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from symnn.errors import DataError
from symnn.files import out_of_memory, read_regular
from symnn.tables.archive import read_npz
from symnn.tables.frames import read_parquet
from symnn.tables.table import Table
from symnn.tables.text import Layout, read_text


def read_table(path: str | os.PathLike[str], targets: tuple[str, ...] = (), layout: Layout | None = None) -> Table:
    """The table in a file that ends in .csv, .tsv, .npz or .parquet.

    Raises :class:`DataError` for anything that is wrong with the file.
    """
    path = Path(path)
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise DataError(f"{path}: found the ending {path.suffix!r}, expected one of {', '.join(_READERS)}")
    layout = layout or Layout()
    try:
        table = read(str(path), read_regular(path, DataError), targets, layout)
    except MemoryError:
        raise out_of_memory(str(path), path.stat().st_size, DataError) from None
    return table if layout.sequences is None or table.lengths is not None else table.in_sequences(layout.sequences)


def _read_tsv(source: str, data: bytes, targets: tuple[str, ...], layout: Layout) -> Table:
    return read_text(source, data, targets, replace(layout, separator=layout.separator or "\t"))


_READERS: Mapping[str, Callable[[str, bytes, tuple[str, ...], Layout], Table]] = {
    ".csv": read_text,
    ".tsv": _read_tsv,
    ".npz": read_npz,
    ".parquet": read_parquet,
}
