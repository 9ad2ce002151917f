"""Where compiled code is kept: a directory an entry, held by one process at a time, the least recently used removed.

The user's cache is used if nobody else can write to it. One that may only be read, such as comes with a container, and
one that is refused are replaced by a private directory that lives as long as the process: the first hands on copies of
its entries, the second nothing.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import reprlib
import shutil
import stat
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from codegen.errors import CacheError
from codegen.runtime import guard

CACHE_VARIABLE = "SYMNN_CACHE_DIR"
"""The environment variable that overrides the cache directory."""
SIZE_VARIABLE = "SYMNN_CACHE_MEGABYTES"
"""The environment variable that says how large the cache may become."""
MEGABYTES = 512
MEGABYTE = 1_000_000
DIGITS = 12
"""The number of megabytes has so many digits at most."""

NAME = re.compile(r"[0-9a-f]{40}")
"""What an entry is called: the hash of what it follows from."""
REMOVED = re.compile(rf"\.old-[0-9]+-{NAME.pattern}")
"""What it is called while it is removed."""
NEW = ".new-"
"""How the name of a file begins while it is written."""
LOCK = "lock"
"""A file in each entry that processes lock; its time is when the entry was last used."""
OBJECT = "code"
DIGESTS = "digests"
SOURCE = "module.py"
MACHINE_CODE = "__pycache__"
FILES = frozenset({LOCK, OBJECT, DIGESTS, SOURCE, MACHINE_CODE})
"""All that an entry may hold."""
STAMP = "pruned"
"""A file in the root whose time is when its size was last looked at."""
LOOK_AGAIN = 600.0
"""Seconds after which the size is looked at again: 25,000 entries take a second."""

TRIES = 100
"""Another process may remove an entry before it is locked: it is made again, so often at most."""

_warned: set[str] = set()
_written = 0


def cache_directory() -> Path:
    """Where compiled modules are kept: ``$SYMNN_CACHE_DIR``, or the platform's cache directory for the user.

    Raises :class:`CacheError` for the home directory of somebody unknown.
    """
    if chosen := os.environ.get(CACHE_VARIABLE):
        path = os.path.expanduser(chosen)
        if path.startswith("~"):
            raise CacheError(f"{CACHE_VARIABLE}: expected a directory, found {chosen!r}, and no such user is known")
        return Path(path).absolute() / "modules"
    from platformdirs import user_cache_path

    return user_cache_path("symnn") / "modules"


def size_limit() -> int:
    """How many bytes the cache may hold: ``$SYMNN_CACHE_MEGABYTES`` of a million bytes each, 512 unless it is set."""
    text = os.environ.get(SIZE_VARIABLE, str(MEGABYTES))
    if not text.isdecimal() or len(text) > DIGITS:
        raise CacheError(
            f"{SIZE_VARIABLE}: expected a whole number of megabytes of at most {DIGITS} digits, "
            f"found {reprlib.repr(text)}"
        )
    return int(text) * MEGABYTE


@contextlib.contextmanager
def locked(name: str) -> Iterator[Path | None]:
    """The directory of an entry, made if it is missing, for this process alone; None where there is no place at all."""
    before = _written
    with contextlib.ExitStack() as stack:
        place = _enter(stack, name)
        yield place
    if place is not None and _written != before:
        _prune_now_and_then(place.parent)


def _enter(stack: contextlib.ExitStack, name: str) -> Path | None:
    root = cache_directory()
    given: Path | None = None
    try:
        if guard.secure(root):
            return stack.enter_context(_exclusive(root / name))
        given = root / name
    except OSError as error:
        warn(root, error)
    try:
        place = stack.enter_context(_exclusive(_private_directory() / name))
        if given is not None:
            _copy_missing(given, place)
        return place
    except OSError as error:
        warn(root, error)
        return None


def warn(root: Path, error: OSError) -> None:
    """Say once of a cache that it cannot be used, and why."""
    if str(root) not in _warned:
        _warned.add(str(root))
        warnings.warn(
            f"compiled functions are not cached beyond this process: {root} cannot be used ({error}); "
            f"set {CACHE_VARIABLE} to a directory of your own",
            RuntimeWarning,
            stacklevel=8,
        )


_made: list[Path] = []


def _private_directory() -> Path:
    """A directory of this process, and of those forked from it, that goes when the process ends.

    Raises :class:`RefusedError` where others may exchange what is temporary.
    """
    if not _made or not _made[0].is_dir():
        _made[:] = [Path(tempfile.mkdtemp(prefix="symnn-"))]
        atexit.register(_remove_own, _made[0], os.getpid())
    root = _made[0] / "modules"
    guard.secure(root)
    return root


def _remove_own(path: Path, process: int) -> None:
    if os.getpid() == process:
        shutil.rmtree(path, ignore_errors=True)


def _copy_missing(given: Path, place: Path) -> None:
    """Copy the files of an entry that may only be read; a module keeps its time, by which Numba knows it."""
    if not given.exists():
        return
    guard.check_tree(given)
    for path in given.rglob("*"):
        copy = place / path.relative_to(given)
        if path.is_dir():
            copy.mkdir(exist_ok=True)
        elif path.name != LOCK and not copy.exists() and (content := guard.read(path)) is not None:
            keep(copy, content)
            os.utime(copy, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))


@contextlib.contextmanager
def _exclusive(entry: Path) -> Iterator[Path]:
    """Make an entry and hold it, one process at a time where the platform has file locks."""
    descriptor = _lock(entry)
    try:
        guard.touch_open(descriptor, entry / LOCK)
        yield entry
    finally:
        os.close(descriptor)


def _lock(entry: Path) -> int:
    for _ in range(TRIES):
        with contextlib.suppress(FileNotFoundError):
            _make(entry)
            return guard.open_lock(entry / LOCK)
    raise FileNotFoundError(f"{entry} was removed {TRIES} times while it was opened")


def _make(entry: Path) -> None:
    """A private directory; what is ours and stands in its place, or in its lock's, but is no such thing, is removed."""
    with contextlib.suppress(FileExistsError):
        entry.mkdir(mode=guard.PRIVATE)
    if not stat.S_ISDIR(guard.check_own(entry).st_mode):
        entry.unlink()
        entry.mkdir(mode=guard.PRIVATE, exist_ok=True)
    folders = guard.check_content(entry)
    # Without digests nothing in them is used: a process may have been killed before it closed them to others.
    if (entry / DIGESTS).exists():
        for folder in folders:
            guard.check_tree(folder)
    lock = entry / LOCK
    if lock.exists() and not lock.is_file():
        remove(lock)


def held(path: Path) -> bytes | None:
    """What a file of an entry holds, None if it is missing or cannot be read."""
    try:
        return guard.read(path)
    except OSError as error:
        warn(path.parent.parent, error)
        return None


def keep(path: Path, content: bytes) -> bool:
    """Write a file, all or nothing, and whether that could be done: a reader sees the old file or the new one."""
    global _written
    temporary = None
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=NEW)
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)
        if path.is_dir() and not path.is_symlink():
            remove(path)
        os.replace(temporary, path)
    except OSError as error:
        _discard(temporary)
        warn(path.parent.parent, error)
        return False
    except BaseException:
        _discard(temporary)
        raise
    _written += len(content)
    return True


def _discard(path: str | None) -> None:
    if path is not None:
        with contextlib.suppress(OSError):
            os.unlink(path)


def remove(path: Path) -> None:
    """Remove a file or a whole directory, as far as that can be done."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


@dataclass(frozen=True)
class Stored:
    """An entry: its directory, its size in bytes, and when it was last used (seconds since 1970)."""

    path: Path
    size: int
    used: float


def stored(root: Path) -> list[Stored]:
    """The entries of a cache, the least recently used first; nothing else that lies there.

    Raises :class:`RefusedError` if it may not be only the user's.
    """
    try:
        guard.check(root)
        names = os.listdir(root)
    except FileNotFoundError:
        return []
    found = []
    for entry in (root / name for name in names if NAME.fullmatch(name) or REMOVED.fullmatch(name)):
        if not _is_entry(entry):
            continue
        files = list(_files(entry))
        used = max((f.st_mtime for f in files), default=0.0)
        with contextlib.suppress(OSError):
            used = (entry / LOCK).lstat().st_mtime
        found.append(Stored(entry, sum(f.st_size for f in files), used))
    return sorted(found, key=lambda entry: entry.used)


def _is_entry(path: Path) -> bool:
    """Whether a directory is of our making: it holds our lock, which is empty, or none and nothing but our files."""
    try:
        guard.check_directory(path)
        lock = (path / LOCK).lstat()
    except FileNotFoundError:
        return path.exists() and all(name in FILES or name.startswith(NEW) for name in os.listdir(path))
    except OSError:
        return False
    return stat.S_ISREG(lock.st_mode) and lock.st_size == 0


def _files(entry: Path) -> Iterator[os.stat_result]:
    """What is known of the files of an entry; another process may be removing them."""
    folders = [str(entry)]
    while folders:
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as children:
            for child in children:
                with contextlib.suppress(OSError):
                    if child.is_dir(follow_symlinks=False):
                        folders.append(child.path)
                    else:
                        yield child.stat(follow_symlinks=False)


def prune(root: Path, limit: int) -> int:
    """Remove the least recently used entries until what is left is at most ``limit`` bytes; the bytes removed.

    An entry that a process holds stays.

    Raises :class:`RefusedError` if the cache may not be only the user's.
    """
    entries = stored(root)
    excess = sum(entry.size for entry in entries) - limit
    removed = 0
    for entry in entries:
        if removed >= excess:
            break
        if _remove_entry(entry.path):
            removed += entry.size
    return removed


def _remove_entry(entry: Path) -> bool:
    """Remove an entry unless a process holds it. It gets another name first, so that nobody finds a part of it."""
    try:
        descriptor = guard.open_lock(entry / LOCK, wait=False)
    except OSError:
        return False
    try:
        gone = entry.with_name(f".old-{os.getpid()}-{entry.name[-40:]}")
        entry.rename(gone)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    shutil.rmtree(gone, ignore_errors=True)
    return True


def _prune_now_and_then(root: Path) -> None:
    """Keep the cache at its size: looked at every ten minutes, and once this process alone wrote an eighth of it."""
    global _written
    limit = size_limit()
    if _written <= limit // 8 and _age(root / STAMP) < LOOK_AGAIN:
        return
    _written = 0
    with contextlib.suppress(OSError):
        guard.touch(root / STAMP)
    with contextlib.suppress(OSError):
        # A tenth less than allowed, so that it is not done again at once.
        if sum(entry.size for entry in stored(root)) > limit:
            prune(root, limit - limit // 10)


def _age(path: Path) -> float:
    """The seconds since something was changed; infinitely many if it is missing."""
    try:
        return time.time() - path.lstat().st_mtime
    except OSError:
        return float("inf")
