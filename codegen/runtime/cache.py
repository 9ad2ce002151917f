"""Compiled code on disk: one directory an entry, named by everything that shapes the machine code.

Vector code is one file, of which nothing is used unless its digest is right. Numba caches only functions that come from
a file, so the source of its modules is written to one; but what runs is always the text this process generated, never
what a file holds. Numba's own files are unpickled only if their digests are those that were recorded when they were
written. All of it lies inside a directory that belongs to the user and to nobody else.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import stat
import sys
import tempfile
import threading
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

CACHE_VARIABLE = "SYMNN_CACHE_DIR"
"""The environment variable that overrides the cache directory."""

DIGESTS = "digests"
LOCK = "lock"
SOURCE = "module.py"
OBJECT = "code"
FACTS = ("schedule", "emitter", "workspace", "calls")
"""What an entry says about its code."""

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
        # The home directory of somebody unknown stays as it is written, and cannot be used.
        return Path(os.path.expanduser(chosen)) / "modules"
    from platformdirs import user_cache_path

    return user_cache_path("symnn") / "modules"


def key(content: str) -> str:
    """The name of an entry: a hash of its content, or of what that follows from, of versions and processor."""
    return hashlib.sha256("\n".join([*_environment(), content]).encode()).hexdigest()[:40]


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
        _compiler(),
    )


def _compiler() -> str:
    """A hash of the code that turns graphs into instructions."""
    files = sorted(Path(__file__).parents[1].rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


@dataclass(frozen=True)
class Entry:
    """Machine code and what is known about it."""

    facts: Mapping[str, str]
    code: bytes


def entry(name: str, use_cache: bool, build: Callable[[], Entry]) -> tuple[Entry, bool]:
    """The entry of this name, from disk or built now, and whether it was there."""
    root = cache_directory()
    found = None
    if use_cache:
        try:
            _private(root)
            (root / name).mkdir(mode=0o700, exist_ok=True)
            with _exclusive(root / name / LOCK):
                if (found := _read_entry(root / name / OBJECT)) is not None:
                    return found, True
                found = build()
                _write(root / name / OBJECT, _entry_bytes(found))
        except OSError as error:
            _warn(root, error)
    return build() if found is None else found, False


def _entry_bytes(found: Entry) -> bytes:
    facts = json.dumps(dict(found.facts)).encode()
    content = len(facts).to_bytes(8, "little") + facts + found.code
    return hashlib.sha256(content).digest() + content


def _read_entry(path: Path) -> Entry | None:
    """What a file holds, or None if it is missing or not whole."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    digest, content = data[:32], data[32:]
    if hashlib.sha256(content).digest() != digest:
        return None
    size = int.from_bytes(content[:8], "little")
    try:
        facts = json.loads(content[8 : 8 + size])
    except ValueError:
        return None
    known = isinstance(facts, dict) and all(isinstance(facts.get(name), str) for name in FACTS)
    return Entry(facts, content[8 + size :]) if known else None


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
                _write(path, source.encode())
            module = _execute(name, source, str(path), True, namespace)
            # Of a C function Numba counts the hits itself, of others in statistics.
            hit = bool(getattr(module.run, "stats", module.run).cache_hits)
            if not hit:
                _write(entry / DIGESTS, _digests(entry).encode())
            return Loaded(module, hit, path)
    except OSError as error:
        _warn(root, error)
        return None


def _warn(root: Path, error: OSError) -> None:
    if str(root) not in _warned:
        _warned.add(str(root))
        warnings.warn(
            f"compiled functions are not cached: {root} cannot be used ({error}); "
            f"set {CACHE_VARIABLE} to a directory that can be written",
            RuntimeWarning,
            stacklevel=6,
        )


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


def _write(path: Path, content: bytes) -> None:
    """All or nothing: a reader sees the old file or the new one."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(content)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _digests(entry: Path) -> str:
    files = sorted((entry / "__pycache__").glob("*.nb?"))
    return "".join(f"{hashlib.sha256(f.read_bytes()).hexdigest()}  {f.name}\n" for f in files)
