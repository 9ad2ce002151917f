"""Tables in .npz archives. Nothing is unpickled."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnn.errors import DataError
from symnn.suggest import quote
from symnn.tables.arrays import from_arrays
from symnn.tables.table import Table, check_columns


def read_npz(source: str, data: bytes, targets: tuple[str, ...]) -> Table:
    """The table of the arrays in the bytes of an archive; see :func:`~symnn.tables.arrays.from_arrays`."""
    return from_arrays(source, dict(_arrays(source, data)), targets)


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
