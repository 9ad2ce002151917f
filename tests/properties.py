"""Properties of random inputs, few of them in the quick suite, the rest in the slow one; and work that is counted."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

Check = Callable[..., None]
T = TypeVar("T")


def holds_for(*strategies: st.SearchStrategy[object], quick: int, slow: int) -> Callable[[Check], Check]:
    """The property holds for ``quick`` examples; in a slow test, whose first ones are the same, for ``slow``."""

    def decorate(check: Check) -> Check:
        @pytest.mark.parametrize("examples", [quick, pytest.param(slow, marks=pytest.mark.slow)])
        def test(examples: int) -> None:
            settings(max_examples=examples)(given(*strategies)(check))()

        test.__name__, test.__doc__ = check.__name__, check.__doc__
        return test

    return decorate


def counted(function: Callable[..., T], *arguments: object) -> tuple[int, T]:
    """The calls of functions that one call makes, and its result: other than its time, the same under any load."""
    number = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal number
        number += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        result = function(*arguments)
    finally:
        sys.setprofile(None)
    return number, result
