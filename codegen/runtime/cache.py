"""Compiled modules on disk: one directory an entry, named by everything that shapes the machine code.

Numba caches only functions that come from a file, so the source is written to one; but what runs is always the text
this process generated, never what a file holds. Numba's own files are unpickled only if their digests are those that
were recorded when they were written, inside a directory that belongs to the user and to nobody else.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
import stat
import sys
import tempfile
import threading
import types
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

CACHE_VARIABLE = "SYMNN_CACHE_DIR"
"""The environment variable that overrides the cache directory."""

DIGESTS = "digests"
LOCK = "lock"
SOURCE = "module.py"

_modules: dict[str, types.ModuleType] = {}
_lock = threading.RLock()
_warned: set[str] = set()


@dataclass(frozen=True)
class Loaded:
    """A module and whether its machine code came from the cache."""

    module: types.ModuleType
    cache_hit: bool
    path: Path | None


def cache_directory() -> Path:
    """Where compiled modules are kept: ``$SYMNN_CACHE_DIR``, or the platform's cache directory for the user."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).expanduser() / "modules"
    from platformdirs import user_cache_path

    return user_cache_path("symnn") / "modules"


def key(source: str) -> str:
    """The name of an entry: a hash of the source, of the versions that compile it and of the processor."""
    return hashlib.sha256("\n".join([*_environment(), source]).encode()).hexdigest()[:40]


@lru_cache(maxsize=1)
def _environment() -> tuple[str, ...]:
    import llvmlite
    import llvmlite.binding
    import numba
    import numpy as np

    return (
        platform.python_version(),
        np.__version__,
        numba.__version__,
        llvmlite.__version__,
        platform.machine(),
        llvmlite.binding.get_host_cpu_name(),
        str(llvmlite.binding.get_host_cpu_features().flatten()),
        os.environ.get("NUMBA_CPU_NAME", ""),
        os.environ.get("NUMBA_CPU_FEATURES", ""),
        os.environ.get("NUMBA_OPT", ""),
        _emitters(),
    )


def _emitters() -> str:
    """A hash of the code that turns programs into instructions: the source text does not show all it does."""
    import codegen.emit

    files = sorted(Path(codegen.emit.__file__).parent.rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def load(source: str, use_cache: bool, namespace: Mapping[str, Any]) -> Loaded:
    """The module of this source, compiled now or loaded from disk; ``namespace`` holds what it expects to find."""
    name = key(source)
    with _lock:
        if name in _modules:
            return Loaded(_modules[name], True, None)
        loaded = _from_disk(name, source, namespace) if use_cache else None
        if loaded is None:
            loaded = Loaded(_execute(name, source, f"<symnn {name}>", False, namespace), False, None)
        _modules[name] = loaded.module
        return loaded


def _execute(name: str, source: str, filename: str, cache: bool, namespace: Mapping[str, Any]) -> types.ModuleType:
    module = types.ModuleType(f"symnn_generated_{name}")
    module.__file__ = filename
    module.__dict__.update(namespace, CACHE=cache)
    # Numba looks a function's module up by name when it loads machine code.
    sys.modules[module.__name__] = module
    exec(compile(source, filename, "exec"), module.__dict__)
    return module


def _from_disk(name: str, source: str, namespace: Mapping[str, Any]) -> Loaded | None:
    root = cache_directory()
    try:
        _private(root)
        entry = root / name
        entry.mkdir(mode=0o700, exist_ok=True)
        with _exclusive(entry / LOCK):
            path = entry / SOURCE
            # Truncated or foreign files must not be unpickled: unless all are as recorded, none is used.
            if not (_holds(path, source) and _holds(entry / DIGESTS, _digests(entry))):
                shutil.rmtree(entry / "__pycache__", ignore_errors=True)
                _write(path, source)
            module = _execute(name, source, str(path), True, namespace)
            hit = bool(module.run.stats.cache_hits)
            if not hit:
                _write(entry / DIGESTS, _digests(entry))
            return Loaded(module, hit, path)
    except OSError as error:
        if str(root) not in _warned:
            _warned.add(str(root))
            warnings.warn(
                f"compiled functions are not cached: {root} cannot be used ({error}); "
                f"set {CACHE_VARIABLE} to a directory that can be written",
                RuntimeWarning,
                stacklevel=5,
            )
        return None


def _private(root: Path) -> None:
    """Make sure that the directory exists, is the user's, and that nobody else can write to it."""
    root.parent.mkdir(parents=True, exist_ok=True)
    root.mkdir(mode=0o700, exist_ok=True)
    found = root.stat()
    if hasattr(os, "getuid") and found.st_uid != os.getuid():
        raise PermissionError("it belongs to another user")
    if os.name == "posix" and stat.S_IMODE(found.st_mode) & 0o077:
        root.chmod(0o700)
    if not os.access(root, os.W_OK):
        raise PermissionError("it is not writable")


@contextlib.contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """One process at a time in an entry, where the platform has file locks."""
    with path.open("a") as handle:
        try:
            import fcntl
        except ImportError:
            yield
            return
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _holds(path: Path, text: str) -> bool:
    try:
        return path.read_bytes() == text.encode()
    except FileNotFoundError:
        return False


def _write(path: Path, text: str) -> None:
    """All or nothing: a reader sees the old file or the new one."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(text.encode())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _digests(entry: Path) -> str:
    files = sorted((entry / "__pycache__").glob("*.nb?"))
    return "".join(f"{hashlib.sha256(f.read_bytes()).hexdigest()}  {f.name}\n" for f in files)
