"""A process does not fork while one of its threads compiles: the child would wait for ever for locks it inherited.

``os.fork`` waits until no thread is inside :func:`compiling` (nor, for a moment, importing), and then holds the locks
of Numba's compiler and of llvmlite while it forks. If they do not become free, the child says so instead of compiling.
What other code does in LLVM past these locks cannot be waited for: programs with such threads start processes by
``spawn`` or ``forkserver``.
"""

from __future__ import annotations

import _frozen_importlib
import contextlib
import logging  # noqa: F401 - see register_at_fork below
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from codegen.cached import cached_property
from codegen.errors import EmitError

PATIENCE = 120.0
"""Seconds that a fork waits for compilers at most: longer than anything takes to compile."""
IMPORT_PATIENCE = 5.0
"""Seconds that it waits for imports at most: a program may well run inside one."""
INTERVAL = 0.001

T = TypeVar("T")

_state = threading.RLock()
_inside: dict[int, int] = {}
"""How often each thread is inside ``compiling``."""
_held: list[Any] = []
"""What the thread that is forking holds."""
_cut = False
"""Whether this process was forked from one that compiled at that moment."""


@contextlib.contextmanager
def compiling() -> Iterator[None]:
    """What must not be cut in two by a fork: other threads' forks wait until it is left.

    Raises :class:`EmitError` in a process whose fork did not wait long enough.
    """
    if _cut:
        raise EmitError(
            "this process was forked while another thread of its parent compiled, and cannot compile itself; "
            "start processes by spawn or forkserver"
        )
    thread = threading.get_ident()
    with _state:
        _inside[thread] = _inside.get(thread, 0) + 1
    try:
        yield
    finally:
        with _state:
            _inside[thread] -= 1
            if not _inside[thread]:
                del _inside[thread]


class compiled_property(cached_property[T]):  # noqa: N801
    """A :class:`cached_property` that is worked out inside :func:`compiling`.

    >>> class Answer:
    ...     @compiled_property
    ...     def value(self):
    ...         print("thinking")
    ...         return 42
    >>> answer = Answer()
    >>> answer.value, answer.value
    thinking
    (42, 42)
    """

    def __init__(self, function: Callable[[Any], T]) -> None:
        def inside(instance: Any) -> T:
            with compiling():
                return function(instance)

        super().__init__(inside)
        self.__doc__ = function.__doc__


def _foreign_locks() -> Iterator[Any]:
    """The locks of compilers that have been imported."""
    if numba := sys.modules.get("numba.core.compiler_lock"):
        yield numba.global_compiler_lock._lock
    if llvmlite := sys.modules.get("llvmlite.binding.ffi"):
        yield llvmlite.lib._lock._lock


def _others_import() -> bool:
    """Whether another thread is importing: Python does not free the locks of single modules in a child."""
    locks = [lock for found in list(getattr(_frozen_importlib, "_module_locks", {}).values()) if (lock := found())]
    return any(getattr(lock, "owner", None) not in (None, threading.get_ident()) for lock in locks)


def _acquired() -> bool:
    """Take all locks, or none: a thread that holds one of them may be waiting for another."""
    taken: list[Any] = []
    for lock in (_state, *_foreign_locks()):
        if not lock.acquire(blocking=False):
            break
        taken.append(lock)
    else:
        if _inside.keys() <= {threading.get_ident()}:
            _held.extend(taken)
            return True
    for lock in reversed(taken):
        lock.release()
    return False


def _before() -> None:
    started = time.monotonic()
    while (waited := time.monotonic() - started) < PATIENCE:
        if not (waited < IMPORT_PATIENCE and _others_import()) and _acquired():
            return
        time.sleep(INTERVAL)


def _after_in_parent() -> None:
    while _held:
        _held.pop().release()


def _after_in_child() -> None:
    global _cut
    _cut = _cut or not _held
    _after_in_parent()


# What was registered last runs first: logging's hook takes the lock that Numba's compiler logs under, so it has to run
# after this one, and logging must have been imported before. It kept forks waiting for PATIENCE in vain.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
