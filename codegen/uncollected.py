"""Work without Python's search for circles of values, which walks through all that there is again and again.

Large formulas are some hundred thousand tuples with no circles among them, and the search was a quarter of the time; of
importing SymPy and what stands on it, whose objects stay, it was a third.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

MANY = 50_000
"""So many values that were made and are still there have no circles among them: a search takes 0.3 µs for each."""

_others = Event()
"""Somebody keeps values frozen. To ask is to walk through all of them, up to 40 ms for a million: once is enough."""


@contextmanager
def uncollected() -> Iterator[None]:
    """No search for circles until it is left; of threads that are inside, the first one begins it again.

    If much was made it is not searched afterwards either, until the search comes to all that there is.

    >>> with uncollected():
    ...     gc.isenabled()
    False
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was and gc.get_count()[0] > MANY:
            _keep()
        if was:
            gc.enable()


@contextmanager
def made_to_stay() -> Iterator[None]:
    """The same, and what was made counts afterwards as what has been there for long: the search seldom comes to it.

    >>> with made_to_stay():
    ...     gc.isenabled()
    False
    """
    with uncollected():
        yield
        _keep()


def _keep() -> None:
    """What was made counts as what has been there for long, unless somebody wants values of his own to stay frozen."""
    if _others.is_set():
        return
    if gc.get_freeze_count():
        _others.set()
        return
    gc.freeze()
    gc.unfreeze()
