"""A sample of the hostile specs; thousands are slow."""

from __future__ import annotations

import pytest

from tests.attacks import specs


@pytest.mark.parametrize("tries", [18, pytest.param(2000, marks=pytest.mark.slow)])
def test_a_spec_is_loaded_or_refused_within_the_limits(tries: int) -> None:
    assert specs.attack(tries).failures == ()
