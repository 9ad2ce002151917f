"""A sample of the attacks on what is read, written and touched; a larger one of every attack is slow."""

from __future__ import annotations

import pytest

from tests.attacks.table import ATTACKS, tried

SAMPLES = {"data": 12, "weights": 30, "guard": 2, "specs": 6}
"""How many tries a sample has; of those of data every other one is crafted, the largest ones behind them."""

MORE = {
    "data": 2_000,
    "weights": 1_000,
    "guard": 1_000,
    "threads": 5,
    "seeds": 3,
    "cache": 50,
    "batches": 30,
    "specs": 150,
    "growth": 60,
}
"""How many tries the slow suite has, minutes altogether; 10 unless said. ``python -m tests.attacks --tries`` takes any
number."""


@pytest.mark.parametrize("name", [name for name in ATTACKS if name in SAMPLES])
def test_a_sample_is_survived(name: str) -> None:
    assert tried(name, SAMPLES[name]).failures == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", ATTACKS)
def test_more_of_it_is_survived(name: str) -> None:
    assert tried(name, MORE.get(name, 10)).failures == ()
