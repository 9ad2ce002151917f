"""Tables in .npz archives. Nothing is unpickled."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from symnn.errors import DataError
from symnn.files import NUMBER_BYTES, out_of_memory, require_columns, require_size
from symnn.suggest import quote
from symnn.tables.arrays import consumed, steps_of
from symnn.tables.table import Table, check_columns
from symnn.tables.text import Layout


def read_npz(source: str, data: bytes, targets: tuple[str, ...], layout: Layout) -> Table:
    """The table of the arrays in the bytes of an archive; see :func:`~symnn.tables.arrays.from_arrays`.

    With an array of lengths its rows are the steps of sequences; see :func:`~symnn.tables.arrays.steps_of`.
    """
    arrays = dict(_arrays(source, data))
    del data  # the arrays have memory of their own
    if layout.sequences is None:
        return consumed(source, arrays, targets, layout.texts)
    lengths = steps_of(source, arrays, layout.sequences)
    return replace(consumed(source, arrays, targets, layout.texts), lengths=lengths, sequences=layout.sequences)


def _arrays(source: str, data: bytes) -> list[tuple[str, NDArray[Any]]]:
    """Every array of the archive, in its order, after its directory has been found to be of a bearable size."""
    if data.startswith(np.lib.format.MAGIC_PREFIX):
        raise DataError(f"{source}: found a single array (.npy), expected an archive of named arrays (.npz)")
    require_columns(data.count(_ENTRY), f"{source}: its directory", DataError)
    where, size, arrays = source, len(data), []
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            size = sum(map(_claimed, entries))
            require_size(size, f"{source}: its arrays", DataError)
            for entry in entries:
                member = entry.filename.removesuffix(".npy")
                if member == entry.filename:
                    raise DataError(f"{source}: member {quote(member)} is not an array, expected .npy members only")
                where = f"{source}: array {quote(member)}"
                arrays.append((member, _array(archive, entry, where)))
    except DataError:
        raise
    except MemoryError:
        raise out_of_memory(where, size, DataError) from None
    except Exception as error:
        # Damaged bytes surface as BadZipFile, zlib.error, EOFError, struct.error, ValueError, RuntimeError,
        # NotImplementedError, OverflowError, SyntaxError, … from three libraries.
        raise DataError(f"{where}: damaged, or not an .npz file ({type(error).__name__})") from None
    check_columns(source, [name for name, _ in arrays], ())
    return arrays


_ENTRY = b"PK\1\2"
"""What an entry of a directory begins with: they are counted before any is read, for each takes half a kilobyte."""

_MOST_PACKED: Mapping[int, int] = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: 1_032}
"""The most bytes that one byte can stand for, by the way of packing; NumPy packs in no other way."""


def _claimed(entry: zipfile.ZipInfo) -> int:
    """The bytes that an entry unpacks to, if so many can be in it."""
    if entry.compress_type not in _MOST_PACKED:
        raise NotImplementedError("expected a way of packing that NumPy has")
    if entry.file_size > _MOST_PACKED[entry.compress_type] * entry.compress_size:
        raise ValueError("expected no more than what is packed can stand for")
    return entry.file_size


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, where: str) -> NDArray[Any]:
    """An array, if it is as long as the directory says: its header may claim anything."""
    with archive.open(entry) as file:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, in_columns, dtype = header(file)
        count = math.prod(shape)
        if dtype.hasobject:
            raise DataError(f"{where}: it holds Python objects, which are never unpickled; expected numbers or text")
        if dtype.itemsize == 0:  # of nothing any number takes no space at all
            raise DataError(f"{where}: found entries of no width ({dtype}), expected numbers or text")
        if file.tell() + count * dtype.itemsize != entry.file_size:
            raise ValueError("expected as many entries as the archive holds")
        require_size(NUMBER_BYTES * count, f"{where}: its numbers", DataError)
        values = np.empty(count, dtype)
        content = values.view(np.uint8)
        for start in range(0, len(content), _PART_BYTES):
            part = content[start : start + _PART_BYTES]
            if cast(zipfile.ZipExtFile, file).readinto(part.data) != len(part):
                raise EOFError("expected as many bytes as the directory says")
    return values.reshape(shape, order="F" if in_columns else "C")


_PART_BYTES = 1 << 20
