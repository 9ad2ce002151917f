"""Files: their names, and writing them all or nothing."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from symnn.errors import SymnnError
from symnn.suggest import quote


def file_path(given: object, refused: type[SymnnError]) -> Path:
    """What a user gave as the name of a file; raises an error of the type ``refused`` for what is no name.

    >>> file_path(5, SymnnError)
    Traceback (most recent call last):
    symnn.errors.SymnnError: path: found 5, expected the name of a file
    """
    if not isinstance(given, (str, os.PathLike)):
        raise refused(f"path: found {quote(given)}, expected the name of a file")
    return Path(given)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a failure half-way, sees the old content or the new, never a part.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_atomically(Path(folder) / "a.txt", b"new")
    ...     (Path(folder) / "a.txt").read_bytes()
    b'new'
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
