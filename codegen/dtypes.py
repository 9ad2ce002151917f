"""The kinds of real numbers that compiled code computes with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast

import numpy as np
from numpy.typing import DTypeLike

from codegen.errors import EmitError

Dtype = Literal["float64", "float32"]
DTYPES: Mapping[str, type[np.generic]] = {"float64": np.float64, "float32": np.float32}
ITEM: Mapping[Dtype, int] = {"float64": 8, "float32": 4}
"""Bytes of a number."""


def dtype_name(given: DTypeLike) -> Dtype:
    """The name of a dtype that real numbers may have. Raises :class:`EmitError` for any other.

    >>> dtype_name(np.float32), dtype_name("f8"), dtype_name(np.dtype("float64"))
    ('float32', 'float64', 'float64')
    """
    try:
        found = None if given is None else np.dtype(given)
    except (TypeError, ValueError):  # a ValueError for a mapping
        found = None
    for name, type_ in DTYPES.items():
        if found == type_:
            return cast(Dtype, name)
    raise EmitError(f"unknown dtype {' '.join(repr(given).split())}, expected one of {', '.join(DTYPES)}")
