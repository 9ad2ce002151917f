"""Sets of points: what is refused, in which words, and that numbers of every kind are numbers."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

import symnn

NAN, INF = float("nan"), float("inf")

RANGES: list[tuple[object, str]] = [
    ((1, 0), "expected a range [lowest, highest], found (1, 0)"),
    ((0, 0), "expected a range"),
    ((0, NAN), "expected a range [lowest, highest], found (0, nan)"),
    ((-INF, 0), "expected a range"),
    ((-1.7e308, 1.7e308), "expected a range"),  # too long for a float
    ((0, 10**400), "expected a range"),
    ((0,), "expected a range [lowest, highest], found (0,)"),
    ((0, 1, 2), "expected a range"),
    (("a", "b"), "expected a range [lowest, highest], found ('a', 'b')"),
    ((True, 2), "expected a range"),
    ((1j, 2), "expected a range"),
    ([], "expected a number or a list of numbers, found []"),
    ([NAN], "expected a number or a list of numbers, found [nan]"),
    ([[1, 2]], "expected a number or a list of numbers, found [[1, 2]]"),
    ([None], "expected a number"),
    ([0, 1, 2, 3], "expected at most 3 values, one a point, found 4"),
    (0.5, "expected a range (lowest, highest) or a list of values, found 0.5"),
    (None, "expected a range (lowest, highest) or a list of values, found None"),
    (np.array(2.0), "expected a range (lowest, highest) or a list of values"),
]


@pytest.mark.parametrize(("given", "message"), RANGES, ids=lambda value: str(value)[:40])
def test_a_range_that_is_none_is_refused_by_its_position(given: Any, message: str) -> None:
    with pytest.raises(symnn.DataError, match=re.escape(f"sample: ranges[1]: {message}")):
        symnn.sample([(0.0, 1.0), given], 3)


ARGUMENTS: list[tuple[dict[str, Any], str]] = [
    *(({"count": count}, f"count: found {count!r}, expected a whole number of at least 1")
      for count in (0, -1, 3.5, True, "3", None, NAN)),
    *(({"seed": seed}, f"seed: found {seed!r}, expected a whole number of at least 0") for seed in (-1, 1.5, None)),
    ({"ranges": []}, "ranges: expected a range or a list of values an input, found []"),
    ({"ranges": 5}, "ranges: expected a range or a list of values an input, found 5"),
    ({"ranges": (0, 1)}, "ranges[0]: expected a range (lowest, highest) or a list of values, found 0"),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "message"), ARGUMENTS, ids=lambda value: str(value)[:40])
def test_an_argument_that_makes_no_sense_is_refused_by_name(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(symnn.DataError, match=re.escape(f"sample: {message}")):
        symnn.sample(**{"ranges": [(0.0, 1.0)], "count": 3} | changes)


def test_numbers_may_be_of_any_kind() -> None:
    expected = symnn.sample([(0.0, 0.5), [0.0, 1.0]], 4)
    given = [(np.int64(0), Fraction(1, 2)), np.array([0, 1], np.float32)]
    np.testing.assert_array_equal(symnn.sample(given, np.int64(4)), expected)  # type: ignore[arg-type]


def test_lists_of_values_go_side_by_side() -> None:
    assert symnn.sample([[1.0, 2.0], [3.0, 4.0]], 3).tolist() == [[1, 3], [2, 4], [1, 3]]
