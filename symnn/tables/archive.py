"""Tables in .npz archives. Nothing is unpickled."""

from __future__ import annotations

import io
import math
import zipfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnn.errors import DataError
from symnn.files import require_size
from symnn.suggest import quote
from symnn.tables.arrays import from_arrays
from symnn.tables.table import Table, check_columns


def read_npz(source: str, data: bytes, targets: tuple[str, ...]) -> Table:
    """The table of the arrays in the bytes of an archive; see :func:`~symnn.tables.arrays.from_arrays`."""
    return from_arrays(source, dict(_arrays(source, data)), targets)


def _arrays(source: str, data: bytes) -> list[tuple[str, NDArray[Any]]]:
    """Every array of the archive, in its order, after its directory has been found to be of a bearable size."""
    if data.startswith(np.lib.format.MAGIC_PREFIX):
        raise DataError(f"{source}: found a single array (.npy), expected an archive of named arrays (.npz)")
    member = None
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            require_size(sum(entry.file_size for entry in entries), f"{source}: its arrays", DataError)
            arrays = []
            for entry in entries:
                member = entry.filename.removesuffix(".npy")
                if member == entry.filename:
                    raise DataError(f"{source}: member {quote(member)} is not an array, expected .npy members only")
                arrays.append((member, _array(archive, entry)))
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
    check_columns(source, [name for name, _ in arrays], ())
    return arrays


def _array(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> NDArray[Any]:
    """An array, if it is as long as the directory says: NumPy makes room for all that the array's header claims."""
    with archive.open(entry) as file:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = header(file)
        if not dtype.hasobject and file.tell() + math.prod(shape) * dtype.itemsize != entry.file_size:
            raise ValueError("expected as many entries as the archive holds")
    with archive.open(entry) as file:
        return np.lib.format.read_array(file, allow_pickle=False)
