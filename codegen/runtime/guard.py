"""Files and directories that nobody but the user can have changed: machine code is run only from such.

What is not the user's or root's, can be written by others, or is a symbolic link, is refused, and left as it was found.
Where the platform has no owners (Windows), only links are refused.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

OTHERS_MAY_WRITE = 0o022


class RefusedError(PermissionError):
    """A file or directory that somebody else may have changed."""


def _owners() -> set[int]:
    return {0, os.geteuid()} if hasattr(os, "geteuid") else set()


def _refuse_foreign(path: Path, found: os.stat_result) -> None:
    owners = _owners()
    if owners and found.st_uid not in owners:
        raise RefusedError(f"{path} belongs to another user")
    if os.name == "posix" and found.st_mode & OTHERS_MAY_WRITE:
        raise RefusedError(f"{path} can be written by others; `chmod go-w` would close it")


def check_directory(path: Path) -> None:
    """Raise :class:`RefusedError` unless it is a directory, no link, that only the user or root owns and can write."""
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise RefusedError(f"{path} is {'a symbolic link' if stat.S_ISLNK(found.st_mode) else 'no directory'}")
    _refuse_foreign(path, found)


def check_tree(path: Path) -> None:
    """Raise :class:`RefusedError` unless a directory and all in it is the user's or root's alone, none of it a link."""
    check_directory(path)
    for name in os.listdir(path):
        child = path / name
        mode = child.lstat().st_mode
        if stat.S_ISDIR(mode):
            check_tree(child)
        elif stat.S_ISLNK(mode):
            raise RefusedError(f"{child} is a symbolic link")
        else:
            _refuse_foreign(child, child.lstat())


def secure(root: Path) -> bool:
    """Make sure that a directory and the one above it are private; whether the user may write there.

    Both are made if they are missing. Whoever can write further up could exchange them: there, what is open to others
    must be sticky, as /tmp is.

    Raises :class:`RefusedError`, and other :class:`OSError` where nothing can be made.
    """
    above = root.parent.parent
    above.mkdir(parents=True, exist_ok=True)
    for path in (root.parent, root):
        path.mkdir(mode=0o700, exist_ok=True)
        check_directory(path)
    above = above.resolve()
    for path in (above, *above.parents):
        found = path.stat()
        if not found.st_mode & stat.S_ISVTX:
            _refuse_foreign(path, found)
    return os.access(root, os.W_OK)


def read(path: Path) -> bytes | None:
    """What a file holds; None if there is no regular file.

    Raises :class:`RefusedError` for a file that others may have changed.
    """
    descriptor = _open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if descriptor is None:
        return None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return None
        _refuse_foreign(path, found)
        with open(descriptor, "rb", closefd=False) as handle:
            return handle.read()
    finally:
        os.close(descriptor)


def _open(path: Path, flags: int) -> int | None:
    """A descriptor of a file that is no link; None if there is none."""
    try:
        return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError:
        if path.is_symlink():
            raise RefusedError(f"{path} is a symbolic link") from None
        raise


def open_lock(path: Path, wait: bool = True) -> int:
    """Open a lock file, made if it is missing, and lock it where the platform has such locks; closing it unlocks it.

    Raises :class:`FileNotFoundError` if the file is removed meanwhile, :class:`BlockingIOError` if it is locked and not
    to be waited for.
    """
    descriptor = _open(path, os.O_RDWR | os.O_CREAT)
    if descriptor is None:
        raise FileNotFoundError(f"{path} cannot be made")
    try:
        _refuse_foreign(path, os.fstat(descriptor))
        with contextlib.suppress(ImportError):
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        if not os.path.samestat(os.fstat(descriptor), os.stat(path)):
            raise FileNotFoundError(f"{path} was exchanged")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
