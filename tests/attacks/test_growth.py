"""What compiling and calling leave in memory."""

from __future__ import annotations

import pytest

from tests.attacks import growth


@pytest.mark.slow
def test_little_stays_of_graphs_and_calls() -> None:
    assert growth.attack(150).failures == ()
