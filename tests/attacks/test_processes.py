"""A sample of the attacks on the life of a process; all of them are slow."""

from __future__ import annotations

import pytest

from tests.attacks.processes import ATTACKS, attack


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("tries", [1, pytest.param(50, marks=pytest.mark.slow)])
def test_a_process_survives(name: str, tries: int) -> None:
    assert attack(name, tries).failures == ()
