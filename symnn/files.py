"""Files: their names, reading what may be hostile, and writing all or nothing."""

from __future__ import annotations

import contextlib
import glob
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from symnn.errors import SymnnError
from symnn.suggest import quote


def file_path(given: object, refused: type[SymnnError]) -> Path:
    """What a user gave as the name of a file; raises an error of the type ``refused`` for what is no name.

    >>> file_path(5, SymnnError)
    Traceback (most recent call last):
    symnn.errors.SymnnError: path: found 5, expected the name of a file
    """
    if not isinstance(given, (str, os.PathLike)) or not os.fspath(given) or "\0" in str(given):
        raise refused(f"path: found {quote(given)}, expected the name of a file")
    return Path(given)


SIZE_VARIABLE = "SYMNN_DATA_MEGABYTES"
"""The environment variable that says how large a data file or a checkpoint may be, and what is packed into it."""

MEGABYTES = 1_000
MEGABYTE = 1_000_000

NUMBER_BYTES = 8
"""What a number takes in memory, as a table has it, whatever it takes in a file."""

COLUMNS_VARIABLE = "SYMNN_DATA_COLUMNS"
"""The environment variable that says how many columns a table may have."""

COLUMNS = 10_000

_KINDS: Mapping[int, str] = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def size_limit(refused: type[SymnnError]) -> int:
    """How many bytes a file of data may have: ``$SYMNN_DATA_MEGABYTES`` of a million bytes, 1,000 unless it is set.

    >>> size_limit(SymnnError)
    1000000000
    """
    return MEGABYTE * _limit(SIZE_VARIABLE, MEGABYTES, "megabytes", refused)


def column_limit(refused: type[SymnnError]) -> int:
    """How many columns a table may have: ``$SYMNN_DATA_COLUMNS``, 10,000 unless it is set.

    >>> column_limit(SymnnError)
    10000
    """
    return _limit(COLUMNS_VARIABLE, COLUMNS, "columns", refused)


def _limit(variable: str, usual: int, unit: str, refused: type[SymnnError]) -> int:
    text = os.environ.get(variable, str(usual))
    if not text.isdecimal() or len(text) > 9:
        raise refused(f"{variable}: found {quote(text)}, expected a whole number of {unit}")
    return int(text)


def require_size(size: int, what: str, refused: type[SymnnError]) -> None:
    """Refuse what is larger than the user allows, before it takes any memory."""
    most = size_limit(refused)
    if size > most:
        found, allowed = (f"{bytes / MEGABYTE:,.0f}" for bytes in (size, most))
        raise refused(
            f"{what}: found {found} million bytes, expected at most {allowed}, which {SIZE_VARIABLE} can change"
        )


def require_columns(count: int, what: str, refused: type[SymnnError]) -> None:
    """Refuse more columns than the user allows, before each takes its time."""
    most = column_limit(refused)
    if count > most:
        raise refused(
            f"{what}: found {count:,} columns, expected at most {most:,}, which {COLUMNS_VARIABLE} can change"
        )


def out_of_memory(what: str, size: int, refused: type[SymnnError]) -> SymnnError:
    """What is said of a file that is not at fault: there is no room for what it holds.

    >>> str(out_of_memory("a.npz", 3_200_000_000, SymnnError))
    'a.npz: ran out of memory, with 3,200 million bytes to read'
    """
    return refused(f"{what}: ran out of memory, with {size / MEGABYTE:,.0f} million bytes to read")


def read_regular(path: Path, refused: type[SymnnError], most: int | None = None) -> bytes:
    """The content of a regular file of at most so many bytes, by default as many as :func:`size_limit` says.

    Raises an error of the type ``refused`` that begins with the path, also for a pipe, which would never end, a device,
    and a file that grows while it is read, whose end would be cut off.
    """
    limit = size_limit(refused) if most is None else most
    try:
        # A pipe that nobody writes to would not open otherwise.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise _unreadable(path, error, refused) from None
    try:
        status = os.fstat(descriptor)
        _require_regular(path, status.st_mode, refused)
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            # A reader asks for the memory first, so for no more than the file has.
            data = file.read(status.st_size + 1) if status.st_size <= limit else b""
    except OSError as error:
        raise _unreadable(path, error, refused) from None
    finally:
        os.close(descriptor)
    if status.st_size > limit and most is None:
        require_size(status.st_size, str(path), refused)
    if status.st_size > limit:
        raise refused(f"{path}: expected at most {limit:,} bytes, found more")
    if len(data) > status.st_size:
        raise refused(f"{path}: cannot be read: it grew meanwhile")
    return data


def require_regular(path: Path, refused: type[SymnnError]) -> None:
    """Refuse what is no regular file, or larger than :func:`size_limit` says, before another library opens it."""
    try:
        status = os.stat(path)
    except (OSError, ValueError) as error:
        raise _unreadable(path, error, refused) from None
    _require_regular(path, status.st_mode, refused)
    require_size(status.st_size, str(path), refused)


def _unreadable(path: Path, error: OSError | ValueError, refused: type[SymnnError]) -> SymnnError:
    return refused(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}")


def _require_regular(path: Path, mode: int, refused: type[SymnnError]) -> None:
    if not stat.S_ISREG(mode):
        found = _KINDS.get(stat.S_IFMT(mode), "something else")
        raise refused(f"{path}: cannot be read: found {found}, expected a regular file")


PART = ".part"
"""The end of the name of a file that is being written."""


def remove_leftovers(path: Path) -> None:
    """Remove what writers of a file that were killed have left beside it; there must be no other writer now.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     Path(folder, ".a.txt-x7.part").touch()
    ...     remove_leftovers(Path(folder, "a.txt"))
    ...     list(Path(folder).iterdir())
    []
    """
    for leftover in path.parent.glob(f".{glob.escape(path.name)}-*{PART}"):
        leftover.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name for a temporary file in the same directory, which in the end takes the place of ``path`` or is removed."""
    temporary = path.parent / f".{path.name}-{secrets.token_hex(4)}{PART}"
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError) and error.filename in (None, str(temporary)):
            error.filename = str(path)  # a full disk says nothing about what was written
        raise
    if os.name == "posix":  # else a power cut may leave the old contents
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def write_synced(path: Path, content: bytes) -> None:
    """Write a new file; when this returns, its contents are on the disk."""
    # Not by tempfile, which makes files that nobody else may read.
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())  # else a power cut may leave the name with no contents


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a failure half-way, sees the old content or the new, never a part.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_atomically(Path(folder) / "a.txt", b"new")
    ...     (Path(folder) / "a.txt").read_bytes()
    b'new'
    """
    with replacing(path) as temporary:
        write_synced(temporary, content)
