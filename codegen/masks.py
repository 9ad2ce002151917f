"""Arrays with masks, of which NumPy takes what is masked for numbers, also where they lie in lists."""

from __future__ import annotations

from typing import Any

import numpy as np


def is_masked(given: Any) -> bool:
    """Whether it is a masked array, or has one, or a masked entry, anywhere in its lists.

    >>> row = np.ma.masked_array([1.0, 2.0], [True, False])
    >>> is_masked([[3.0, 4.0], row]), is_masked([[1.0, np.ma.masked]]), is_masked([[3.0, 4.0], row.filled(0)])
    (True, True, False)
    """
    waiting, seen = [given], set()
    while waiting:
        part = waiting.pop()
        if isinstance(part, np.ma.MaskedArray):
            return True
        if isinstance(part, (list, tuple)) and id(part) not in seen:
            seen.add(id(part))  # a list may hold itself
            if not set(map(type, part)) <= _NUMBERS:  # by types at once: numbers one by one took twice as long
                waiting.extend(part)
    return False


_NUMBERS = frozenset({int, float, bool, str, type(None), np.float64, np.float32, np.int64})
