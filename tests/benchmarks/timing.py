"""Medians of interleaved calls."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from itertools import repeat
from typing import Any

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

BLOCK_SECONDS = 0.002
"""Calls in a row, so that clock and caches count little; few enough that most blocks fit between two interruptions."""

FEWEST_ROUNDS = 7


def interleaved(
    calls: Mapping[str, Callable[[], Any]], seconds: float, clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """The median time of each call in microseconds, all of them in turn for about so many seconds, forth and back.

    Blocks in which another process took the core do not count, unless there are too few others; calls of milliseconds
    on a busy machine have none, and are told by the ``clock`` of the processor, ``time.process_time``.
    """
    counts = {name: _calls_a_block(call) for name, call in calls.items()}
    every: dict[str, list[float]] = {name: [] for name in calls}
    undisturbed: dict[str, list[float]] = {name: [] for name in calls}
    order, begun = list(calls), time.perf_counter()
    while len(every[order[0]]) < FEWEST_ROUNDS or time.perf_counter() - begun < seconds:
        for name in order:
            before = _interruptions()
            every[name].append(timed(calls[name], counts[name], clock))
            if _interruptions() == before:
                undisturbed[name].append(every[name][-1])
        order.reverse()
    chosen = {name: found if len(found) >= FEWEST_ROUNDS else every[name] for name, found in undisturbed.items()}
    return {name: statistics.median(found) * 1e6 for name, found in chosen.items()}


def timed(call: Callable[[], Any], count: int = 1, clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds a call, the mean of so many in a row."""
    started = clock()
    for _ in repeat(None, count):
        call()
    return (clock() - started) / count


def every_row(
    rows: Mapping[str, Callable[[], dict[str, str]]], say: Callable[[str], None]
) -> tuple[list[dict[str, str]], bool]:
    """What each row measures, and whether all could; a failure, which is said, is not worth the rest of a long run."""
    found, whole = [], True
    for name, measure in rows.items():
        try:
            found.append(measure())
        except Exception as error:
            whole = False
            say(f"{name}: {type(error).__name__}: {error}".splitlines()[0])
    return found, whole


def _calls_a_block(call: Callable[[], Any]) -> int:
    call()
    call()
    once = min(timed(call) for _ in range(3))
    return max(1, int(BLOCK_SECONDS / max(once, 1e-8)))


def _interruptions() -> int:
    """How often this thread has lost its core to another, where the system counts it."""
    thread = getattr(resource, "RUSAGE_THREAD", None)
    return 0 if thread is None else int(resource.getrusage(thread).ru_nivcsw)
