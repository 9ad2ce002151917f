"""Locks that a process holds as long as it lives: what it writes is nobody else's meanwhile."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

try:
    from fcntl import LOCK_EX, LOCK_NB, flock
except ImportError:  # Windows
    flock = None  # type: ignore[assignment]


class Taken(Exception):  # noqa: N818 - whoever wants the lock makes an error of it
    """Somebody else holds the lock."""


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file, which need not be there: another one beside it is locked, and removed in the end.

    The system lets go of it when the process ends, however it does. Where there are no locks, nothing happens.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     with locked(Path(folder, "state")):
    ...         print([path.name for path in Path(folder).iterdir()])
    ...     list(Path(folder).iterdir())
    ['.state.lock']
    []
    """
    beside = path.parent / f".{path.name}.lock"
    descriptor = _taken(beside)
    if descriptor is None:
        yield
        return
    _held.add(descriptor)
    try:
        yield
    finally:
        if descriptor in _held:  # else this is a child, which has let go of it
            _held.remove(descriptor)
            with contextlib.suppress(OSError):
                beside.unlink()  # before the lock goes: who waits for it looks whether the file is still there
            os.close(descriptor)


_held: set[int] = set()


def _taken(beside: Path) -> int | None:
    """An open file that is locked, None where that cannot be; raises :class:`Taken`."""
    while flock is not None:
        try:
            descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        except OSError:  # a directory that is not there or not ours: whoever writes into it will say so
            return None
        try:
            flock(descriptor, LOCK_EX | LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), os.lstat(beside)):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            raise Taken(str(beside)) from None
        except FileNotFoundError:  # removed by the one before: the next one is another file
            pass
        except OSError:  # a file system without locks
            os.close(descriptor)
            return None
        os.close(descriptor)
    return None


def _let_go() -> None:
    """A child has the descriptors of its parent, and would hold the locks of one that is killed."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)
