"""How long each stage of a compilation takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar

T = TypeVar("T")
ORDER = ("key", "passes", "schedule", "write", "LLVM", "Numba", "load")
"""Stages call each other as they need them, so that one may begin before another that comes first ends."""


class Stages:
    """Seconds by stage; those of a stage are without the ones that it began.

    >>> stages = Stages()
    >>> with stages.stage("write"):
    ...     with stages.stage("schedule"):
    ...         pass
    >>> list(stages.taken)
    ['schedule', 'write']
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._of_others = [0.0]

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what happens inside to a stage."""
        self._of_others.append(0.0)
        begun = time.perf_counter()
        try:
            yield
        finally:
            whole = time.perf_counter() - begun
            self.seconds[name] = self.seconds.get(name, 0.0) + whole - self._of_others.pop()
            self._of_others[-1] += whole

    @property
    def taken(self) -> dict[str, float]:
        """What each has taken until now, in the order in which a compilation goes through them."""
        return {name: self.seconds[name] for name in ORDER if name in self.seconds}


def stage(name: str) -> Callable[[Callable[[Any], T]], Callable[[Any], T]]:
    """A method of an object with ``stages``, counted to one of them."""

    def counted(method: Callable[[Any], T]) -> Callable[[Any], T]:
        @wraps(method)
        def inside(self: Any) -> T:
            with self.stages.stage(name):
                return method(self)

        return inside

    return counted
