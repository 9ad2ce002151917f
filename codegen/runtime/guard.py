"""Files and directories that nobody but the user can have changed: machine code is run only from such.

What is not the user's or root's, can be written by others, or is a symbolic link, is refused, and left as it was found.
Where the platform has no owners (Windows), only links are refused.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

OTHERS_MAY_WRITE = 0o022
PRIVATE = 0o700
LINKS = 40
"""So many symbolic links on the way to a directory at most, as Linux has it."""


class RefusedError(PermissionError):
    """A file or directory that somebody else may have changed."""


def _owners() -> set[int]:
    return {0, os.geteuid()} if hasattr(os, "geteuid") else set()


def _refuse_owner(path: Path, found: os.stat_result) -> None:
    owners = _owners()
    if owners and found.st_uid not in owners:
        raise RefusedError(f"{path} belongs to another user")


def _refuse_foreign(path: Path, found: os.stat_result) -> None:
    _refuse_owner(path, found)
    if os.name == "posix" and found.st_mode & OTHERS_MAY_WRITE:
        raise RefusedError(f"{path} can be written by others; `chmod go-w` would close it")


def _refuse_exchangeable(path: Path, found: os.stat_result) -> None:
    """Refuse a directory in which others could exchange what is ours.

    In one that is sticky, as /tmp is, only the owners of what is in it can, and its own.
    """
    (_refuse_owner if found.st_mode & stat.S_ISVTX else _refuse_foreign)(path, found)


def check_own(path: Path) -> os.stat_result:
    """What is known of a file; raises :class:`RefusedError` for a link, what is another's or others can write."""
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise RefusedError(f"{path} is a symbolic link")
    _refuse_foreign(path, found)
    return found


def check_directory(path: Path) -> None:
    """Raise :class:`RefusedError` unless it is a directory, no link, that only the user or root owns and can write."""
    if not stat.S_ISDIR(check_own(path).st_mode):
        raise RefusedError(f"{path} is no directory")


def check_content(path: Path) -> list[Path]:
    """The directories in a directory; raises :class:`RefusedError` unless it and what it holds are ours, and no link.

    What is in those directories is not looked at.
    """
    check_directory(path)
    return [child for name in os.listdir(path) if stat.S_ISDIR(check_own(child := path / name).st_mode)]


def check_tree(path: Path) -> None:
    """Raise :class:`RefusedError` unless a directory and all in it is the user's or root's alone, none of it a link."""
    folders = [path]
    while folders:
        folders += check_content(folders.pop())


def check(root: Path) -> None:
    """Raise :class:`RefusedError` unless a directory and that above it are private, and nobody else can exchange them.

    Raises :class:`FileNotFoundError` if it is missing.
    """
    _check_way(root.parent.parent)
    for path in (root.parent, root):
        check_directory(path)


def _check_way(path: Path) -> None:
    """Refuse what others could exchange of the directories and links that are passed on the way to a directory."""
    if not _owners():
        return
    at = Path(path.anchor)
    _refuse_exchangeable(at, at.lstat())
    rest, links = list(path.parts[:0:-1]), 0
    while rest:
        step = at / rest.pop()
        if step.name == "..":
            at = at.parent
            continue
        found = step.lstat()
        if not stat.S_ISLNK(found.st_mode):
            _refuse_exchangeable(step, found)
            at = step
            continue
        _refuse_owner(step, found)
        links += 1
        if links > LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        target = Path(os.readlink(step))
        at = Path(target.anchor) if target.is_absolute() else at
        rest += target.parts[:0:-1] if target.is_absolute() else target.parts[::-1]


def secure(root: Path) -> bool:
    """Make sure that a directory and the one above it are private; whether the user may write there.

    What is missing is made, for the user alone at each level. Whoever can write further up could exchange it: there,
    what is open to others must be sticky, as /tmp is, and root's or the user's.

    Raises :class:`RefusedError`, and other :class:`OSError` where nothing can be made.
    """
    try:
        check(root)
    except FileNotFoundError:
        _make(root)
        check(root)
    effective = {"effective_ids": True} if os.access in os.supports_effective_ids else {}
    return os.access(root, os.W_OK, **effective)


def _make(path: Path) -> None:
    missing = [level for level in (path, *path.parents) if not os.path.lexists(level)]
    _check_way(missing[-1].parent)
    for level in reversed(missing):
        level.mkdir(mode=PRIVATE, exist_ok=True)


def read(path: Path) -> bytes | None:
    """What a file holds; None if there is no regular file.

    Raises :class:`RefusedError` for a file that others may have changed.
    """
    descriptor = _open(path, os.O_RDONLY)
    if descriptor is None:
        return None
    with open(descriptor, "rb") as handle:
        return handle.read()


def touch(path: Path) -> None:
    """Make a file, or give it the time of now; nothing happens to what is no regular file.

    Raises :class:`RefusedError` for a link, and for a file that others may have changed.
    """
    descriptor = _open(path, os.O_WRONLY | os.O_CREAT)
    if descriptor is not None:
        try:
            touch_open(descriptor, path)
        finally:
            os.close(descriptor)


def touch_open(descriptor: int, path: Path) -> None:
    """Give an open file the time of now."""
    os.utime(descriptor if os.utime in os.supports_fd else path)


def _open(path: Path, flags: int) -> int | None:
    """A descriptor of a regular file that nobody else can have changed; None if there is none."""
    # Opening a pipe, a socket or a device could wait or do something.
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            raise RefusedError(f"{path} is a symbolic link")
        if not stat.S_ISREG(mode):
            return None
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"):
        flags |= getattr(os, name, 0)
    try:
        descriptor = os.open(path, flags, 0o600)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise RefusedError(f"{path} was exchanged")
        _refuse_foreign(path, found)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def open_lock(path: Path, wait: bool = True) -> int:
    """Open a lock file, made if it is missing, and lock it where the platform has such locks; closing it unlocks it.

    Raises :class:`FileNotFoundError` if the file is removed meanwhile or cannot be one, :class:`BlockingIOError` if it
    is locked and not to be waited for.
    """
    descriptor = _open(path, os.O_RDWR | os.O_CREAT)
    if descriptor is None:
        raise FileNotFoundError(f"{path} cannot be made")
    try:
        with contextlib.suppress(ImportError):
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        if not os.path.samestat(os.fstat(descriptor), os.lstat(path)):
            raise FileNotFoundError(f"{path} was exchanged")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
