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
        """Have up to ``helpers`` threads do a job; fewer where no more can be started."""
        with self._lock:
            while self._started < helpers:
                try:
                    threading.Thread(target=self._work, name=f"symnn-{self._started + 1}", daemon=True).start()
                except RuntimeError:
                    break
                self._started += 1
            helpers = min(helpers, self._started)
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


class _Parts:
    """The parts of one call: who works at them, and what went wrong."""

    def __init__(self, parts: int, run: Callable[[int], object]) -> None:
        self._parts, self._run = parts, run
        self._numbers = count()
        self._state = threading.Condition()
        self._working = 0
        self._closed = False
        self.failure: BaseException | None = None

    def work(self) -> None:
        """Take parts until none is left, or one has failed; whoever comes too late takes none."""
        with self._state:
            if self._closed:
                return
            self._working += 1
        try:
            # Under the interpreter's lock each number is given once.
            for number in self._numbers:
                if number >= self._parts or self.failure is not None:
                    break
                self._run(number)
        except BaseException as error:
            self.failure = self.failure or error
        finally:
            with self._state:
                self._working -= 1
                self._state.notify_all()

    def close(self) -> None:
        """Wait for everybody who is at work: they use the caller's memory."""
        while True:
            try:
                with self._state:
                    self._closed = True
                    self._state.wait_for(lambda: not self._working)
                return
            except BaseException as error:  # Ctrl-C while waiting: raised by the caller afterwards
                self.failure = self.failure or error


def distribute(parts: int, threads: int, run: Callable[[int], object]) -> None:
    """``run(0)``, …, ``run(parts − 1)``, by up to ``threads`` threads at once, this one among them.

    No more threads than processors are used. An exception, Ctrl-C too, is raised here once nobody is at work any more.

    >>> found = []
    >>> distribute(3, 2, found.append)
    >>> sorted(found)
    [0, 1, 2]
    """
    shared = _Parts(parts, run)
    helpers = min(threads, parts, os.cpu_count() or 1) - 1
    try:
        if helpers > 0:
            _crew.offer(shared.work, helpers)
        shared.work()
    finally:
        shared.close()
    if shared.failure is not None:
        raise shared.failure
