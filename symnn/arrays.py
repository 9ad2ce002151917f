"""Arrays that users give."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnn.errors import SymnnError
from symnn.suggest import quote


def read_array(where: str, given: Any, refused: type[SymnnError]) -> NDArray[Any]:
    """What NumPy makes of an argument; raises an error of the type ``refused``, which begins with ``where``.

    Of a masked array NumPy would take the masked entries too.

    >>> read_array("x", [1, 2], SymnnError)
    array([1, 2])
    >>> read_array("x", np.ma.masked_array([1, 2], [True, False]), SymnnError)
    Traceback (most recent call last):
    symnn.errors.SymnnError: x: found a masked array, expected one without a mask: write x.filled(…)
    """
    if isinstance(given, np.ma.MaskedArray):
        name = where.rpartition(": ")[-1]
        raise refused(f"{where}: found a masked array, expected one without a mask: write {name}.filled(…)")
    try:
        return np.asarray(given)
    except ValueError:  # lists of different lengths
        raise refused(f"{where}: found {quote(given)}, expected an array of numbers") from None
    except Exception as error:  # what __array__ of other libraries raises
        raise refused(f"{where}: cannot be read as an array: {' '.join(str(error).split())}") from None
