"""Tables of which the quick suite has some rows and the slow suite all."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import Any

import pytest
from _pytest.mark import ParameterSet


def one_in(step: int, rows: Iterable[Any]) -> list[ParameterSet]:
    """The rows of a table, of which the first of every ``step`` is quick: neighbours in a table are much alike.

    Rows with marks are left as they are and not counted.

    >>> [len(row.marks) for row in one_in(2, ["a", "b", ("c", "d")])]
    [0, 1, 0]
    """
    place, found = count(), []
    for row in rows:
        if not isinstance(row, ParameterSet):
            row = pytest.param(*(row if isinstance(row, tuple) else (row,)))
        quick = row.marks or next(place) % step == 0
        found.append(row if quick else row._replace(marks=(pytest.mark.slow,)))
    return found
