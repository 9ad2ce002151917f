"""A sample of every attack; a larger one is slow."""

from __future__ import annotations

import pytest

from tests.attacks.table import ATTACKS, tried

SAMPLES = {"data": 100, "weights": 100, "guard": 50, "batches": 3, "specs": 18}
"""How many tries a sample has; one unless said. Those of data begin with what is crafted; kill adds refusals."""

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


# What a single graph leaves says nothing.
@pytest.mark.parametrize("name", [name for name in ATTACKS if name != "growth"])
def test_a_sample_is_survived(name: str) -> None:
    assert tried(name, SAMPLES.get(name, 1)).failures == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", ATTACKS)
def test_more_of_it_is_survived(name: str) -> None:
    assert tried(name, MORE.get(name, 10)).failures == ()
