"""Where compiled code is kept: a directory an entry, held by one process at a time, the least recently used removed.

The user's cache is used if nobody else can write to it. One that may only be read, such as comes with a container, and
one that is refused are replaced by a private directory that lives as long as the process: the first hands on copies of
its entries, the second nothing.
"""

from __future__ import annotations

import atexit
import contextlib
import os
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

LOCK = "lock"
"""A file in each entry that processes lock; its time is when the entry was last used."""
STAMP = "pruned"
"""A file in the root whose time is when its size was last looked at."""
LOOK_AGAIN = 600.0
"""Seconds after which the size is looked at again: 25,000 entries take 0.3 s."""

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
    if not text.isdecimal():
        raise CacheError(f"{SIZE_VARIABLE}: expected a whole number of megabytes, found {text!r}")
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
        _warn(root, error)
    try:
        place = stack.enter_context(_exclusive(_private_directory() / name))
        if given is not None:
            _copy_missing(given, place)
        return place
    except OSError as error:
        _warn(root, error)
        return None


def _warn(root: Path, error: OSError) -> None:
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
    """A directory of this process, and of those forked from it, that goes when the process ends."""
    if not _made or not _made[0].is_dir():
        _made[:] = [Path(tempfile.mkdtemp(prefix="symnn-"))]
        atexit.register(_remove_own, _made[0], os.getpid())
    return _made[0]


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
        os.utime(entry / LOCK)
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
    """A private directory; what stands in its place and is none is removed."""
    with contextlib.suppress(FileExistsError):
        entry.mkdir(mode=0o700)
    if stat.S_ISREG(entry.lstat().st_mode):
        entry.unlink()
        entry.mkdir(mode=0o700, exist_ok=True)
    guard.check_tree(entry)
    if (entry / LOCK).is_dir():
        remove(entry / LOCK)


def keep(path: Path, content: bytes) -> bool:
    """Write a file, all or nothing, and whether that could be done: a reader sees the old file or the new one."""
    global _written
    temporary = None
    try:
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)
        if path.is_dir() and not path.is_symlink():
            remove(path)
        os.replace(temporary, path)
    except OSError as error:
        _discard(temporary)
        _warn(path.parent.parent, error)
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
    """The entries of a cache, the least recently used first."""
    found = []
    for entry in _children(root):
        files = list(_files(entry))
        used = max((f.st_mtime for f in files), default=0.0)
        with contextlib.suppress(OSError):
            used = (entry / LOCK).lstat().st_mtime
        found.append(Stored(entry, sum(f.st_size for f in files), used))
    return sorted(found, key=lambda entry: entry.used)


def _children(root: Path) -> list[Path]:
    try:
        return [Path(found.path) for found in os.scandir(root) if found.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _files(entry: Path) -> Iterator[os.stat_result]:
    """What is known of the files of an entry; another process may be removing them."""
    for folder, _, names in os.walk(entry):
        for name in names:
            with contextlib.suppress(OSError):
                yield Path(folder, name).lstat()


def prune(root: Path, limit: int) -> int:
    """Remove the least recently used entries until what is left is at most ``limit`` bytes; the bytes removed.

    An entry that a process holds stays.
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
        gone = entry.with_name(f".old-{os.getpid()}-{entry.name}")
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
    stamp = root / STAMP
    with contextlib.suppress(OSError):
        if _written <= limit // 8 and stamp.exists() and time.time() - stamp.stat().st_mtime < LOOK_AGAIN:
            return
        stamp.touch(mode=0o600)
        _written = 0
        # A tenth less than allowed, so that it is not done again at once.
        if sum(entry.size for entry in stored(root)) > limit:
            prune(root, limit - limit // 10)
