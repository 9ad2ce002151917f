"""Threads that wait for parts of calls: the caller works too, and whoever is free takes the next part.

The threads are Python's own; compiled code runs in them without the interpreter's lock. They are started when they are
first needed, live as long as the process, and serve all compiled functions. A call never waits for a thread to become
free: what nobody else takes, the caller does.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from itertools import count
from queue import SimpleQueue

Job = Callable[[], None]


class _Crew:
    """Threads that take jobs from one queue."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[Job] = SimpleQueue()
        self._started = 0
        self._lock = threading.Lock()

    def offer(self, job: Job, helpers: int) -> None:
        """Have up to ``helpers`` threads do a job."""
        with self._lock:
            for number in range(self._started, helpers):
                threading.Thread(target=self._work, name=f"symnn-{number + 1}", daemon=True).start()
            self._started = max(self._started, helpers)
        for _ in range(helpers):
            self._jobs.put(job)

    def _work(self) -> None:
        while True:
            self._jobs.get()()


_crew = _Crew()


def _after_fork() -> None:
    """A forked process has none of its parent's threads."""
    global _crew
    _crew = _Crew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def share(parts: int, threads: int, run: Callable[[int], object]) -> None:
    """``run(0)``, …, ``run(parts − 1)``, by up to ``threads`` threads at once, this one among them.

    >>> found = []
    >>> share(3, 2, found.append)
    >>> sorted(found)
    [0, 1, 2]
    """
    numbers, finished = count(), count(1)
    done = threading.Event()

    def job() -> None:
        # Under the interpreter's lock each number is given once.
        for number in numbers:
            if number >= parts:
                return
            run(number)
            if next(finished) == parts:
                done.set()

    helpers = min(threads, parts) - 1
    if helpers > 0:
        _crew.offer(job, helpers)
    job()
    done.wait()
