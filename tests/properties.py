"""Properties of random inputs: few of them in the quick suite, the rest in the slow one."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

Check = Callable[..., None]


def holds_for(*strategies: st.SearchStrategy[object], quick: int, slow: int) -> Callable[[Check], Check]:
    """The property holds for ``quick`` examples; in a slow test, whose first ones are the same, for ``slow``."""

    def decorate(check: Check) -> Check:
        @pytest.mark.parametrize("examples", [quick, pytest.param(slow, marks=pytest.mark.slow)])
        def test(examples: int) -> None:
            settings(max_examples=examples)(given(*strategies)(check))()

        test.__name__, test.__doc__ = check.__name__, check.__doc__
        return test

    return decorate
