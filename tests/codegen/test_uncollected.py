"""Work without the search for circles of values."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from threading import Event

import pytest

from codegen import uncollected

LITTLE = 100


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many frozen values there were whenever it was asked, with nothing known of them before."""
    answers: list[int] = []
    monkeypatch.setattr(uncollected, "MANY", LITTLE)
    monkeypatch.setattr(uncollected, "_others", Event())
    frozen = gc.get_freeze_count

    def counted() -> int:
        answers.append(frozen())
        return answers[-1]

    monkeypatch.setattr(gc, "get_freeze_count", counted)
    frozen_before = frozen() > 0
    gc.unfreeze()
    yield answers
    gc.unfreeze()
    if frozen_before:
        gc.freeze()


def made() -> list[list[int]]:
    with uncollected.uncollected():
        return [[k] for k in range(10 * LITTLE)]


def test_what_others_froze_stays_frozen_and_is_counted_once(asked: list[int]) -> None:
    gc.freeze()
    kept = [made() for _ in range(3)]
    assert len(asked) == 1
    assert asked[0] > LITTLE
    assert gc.get_freeze_count() > LITTLE
    assert len(kept) == 3


def test_much_that_was_made_is_not_searched_afterwards(asked: list[int]) -> None:
    kept = made()
    assert asked == [0]
    assert gc.get_freeze_count() == 0
    assert any(found is kept for found in gc.get_objects(generation=2))


def test_the_search_goes_on_as_it_was() -> None:
    with uncollected.uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()
