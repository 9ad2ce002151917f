"""A sample of every attack; all of them are slow."""

from __future__ import annotations

import pytest

from tests.attacks.table import ATTACKS, tried

SAMPLES = {"data": 100, "weights": 100, "guard": 50, "batches": 3, "specs": 18}
"""How many tries a sample has; one unless said. Those of data begin with what is crafted; kill adds refusals."""

EVERYTHING = {
    "data": 20_000,
    "weights": 5_000,
    "guard": 20_000,
    "threads": 20,
    "seeds": 20,
    "cache": 1_000,
    "batches": 300,
    "specs": 2_000,
    "growth": 150,
    "kill": 100,
}
"""How many tries are all; 50 unless said."""


# What a single graph leaves says nothing.
@pytest.mark.parametrize("name", [name for name in ATTACKS if name != "growth"])
def test_a_sample_is_survived(name: str) -> None:
    assert tried(name, SAMPLES.get(name, 1)).failures == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", ATTACKS)
def test_everything_is_survived(name: str) -> None:
    assert tried(name, EVERYTHING.get(name, 50)).failures == ()
