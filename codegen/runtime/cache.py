"""Compiled code on disk: one directory an entry, named by everything that shapes the machine code.

Vector code is one file, of which nothing is used unless its digest is right. Numba caches only functions that come from
a file, so the source of its modules is written to one; but what runs is always the text this process generated, never
what a file holds. Numba's own files are unpickled only if their digests are those that were recorded when they were
written. All of it lies where nobody but the user can write (:mod:`codegen.runtime.guard`).
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
import threading
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary, finalize, ref

from codegen.runtime import guard
from codegen.runtime.forks import compiling
from codegen.runtime.machine import free_pass_managers
from codegen.runtime.store import DIGESTS, MACHINE_CODE, OBJECT, SOURCE, held, keep, locked, remove, warn

GENERATED = "symnn_generated_"
"""How the names of our modules begin."""
FACTS = ("schedule", "emitter", "workspace", "calls")
"""What an entry says about its code."""


class LoadedFunctions(types.SimpleNamespace):
    """Functions of a generated module by name."""


_loaded: WeakValueDictionary[str, LoadedFunctions] = WeakValueDictionary()
"""The functions of generated modules that this process still holds."""
_lock = threading.RLock()


@dataclass(frozen=True)
class Loaded:
    """The functions of a module, and whether their machine code came from the cache."""

    functions: LoadedFunctions
    cache_hit: bool


def key(content: str) -> str:
    """The name of an entry: a hash of its content, or of what that follows from, of versions and processor."""
    return hashlib.sha256("\n".join([*_environment(), content]).encode()).hexdigest()[:40]


@lru_cache(maxsize=1)
def _environment() -> tuple[str, ...]:
    import llvmlite
    import llvmlite.binding
    import numpy as np

    return (
        platform.python_version(),
        np.__version__,
        version("numba"),
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
    if not use_cache:
        return build(), False
    with locked(name) as place:
        if place is None:
            return build(), False
        found = _read_entry(place / OBJECT)
        if found is not None:
            return found, True
        found = build()
        keep(place / OBJECT, _entry_bytes(found))
    return found, False


def _entry_bytes(found: Entry) -> bytes:
    facts = json.dumps(dict(found.facts)).encode()
    content = len(facts).to_bytes(8, "little") + facts + found.code
    return hashlib.sha256(content).digest() + content


def _read_entry(path: Path) -> Entry | None:
    """What a file holds, or None if it is missing or not whole."""
    data = held(path)
    if data is None:
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


@compiling()
def load(source: str, use_cache: bool, namespace: Mapping[str, Any], names: Sequence[str]) -> Loaded:
    """The functions of these names in a module of this source, compiled now or loaded from disk.

    ``namespace`` holds what the source expects to find, and may hold some of the functions.
    """
    name = key(source)
    with _lock:
        if (known := _loaded.get(name)) is not None:
            return Loaded(known, True)
        loaded = _from_disk(name, source, namespace, names) if use_cache else None
        if loaded is None:
            loaded = Loaded(_execute(name, source, f"<symnn {name}>", False, namespace, names), False)
        _loaded[name] = loaded.functions
        return loaded


def _execute(
    name: str, source: str, filename: str, cache: bool, namespace: Mapping[str, Any], names: Sequence[str]
) -> LoadedFunctions:
    free_pass_managers()
    module = types.ModuleType(f"{GENERATED}{name}")
    module.__file__ = filename
    # Each of its functions holds the module, and nothing else does.
    module.__dict__.update(namespace, CACHE=cache, MODULE=module)
    sys.modules[module.__name__] = stand_in = _StandIn(module)
    finalize(module, _forget, stand_in)
    exec(compile(source, filename, "exec"), module.__dict__)
    # Numba frees a function when nobody holds it, and holds its globals until then: it must not be one of them.
    return LoadedFunctions(**{name: module.__dict__.pop(name) for name in names})


class _StandIn(types.ModuleType):
    """A module's place in ``sys.modules``, where Numba looks its names up, that does not keep the module alive."""

    def __init__(self, module: types.ModuleType) -> None:
        super().__init__(module.__name__)
        self.stands_for = ref(module)

    @property
    def __dict__(self) -> dict[str, Any]:  # type: ignore[override]
        module = self.stands_for()
        return {} if module is None else module.__dict__


def _forget(stand_in: types.ModuleType) -> None:
    if sys.modules.get(stand_in.__name__) is stand_in:
        del sys.modules[stand_in.__name__]


def _from_disk(name: str, source: str, namespace: Mapping[str, Any], names: Sequence[str]) -> Loaded | None:
    """The functions of a module whose machine code Numba keeps beside its file; None where there is no place for it."""
    with locked(name) as place:
        if place is None:
            return None
        try:
            return _beside(place, name, source, namespace, names)
        except OSError as error:  # also Numba's, where the disk is full
            warn(place.parent, error)
            _clear(place)
            return None


def _beside(place: Path, name: str, source: str, namespace: Mapping[str, Any], names: Sequence[str]) -> Loaded | None:
    path = place / SOURCE
    digests = guard.read(place / DIGESTS)
    # Truncated or foreign files must not be unpickled: unless all are as recorded, none is used. Those of a process
    # that was killed before it recorded them may be as its umask had them.
    if digests is None or guard.read(path) != source.encode() or digests != _digests(place).encode():
        _clear(place)
        if not keep(path, source.encode()):
            return None
        (place / MACHINE_CODE).mkdir(mode=guard.PRIVATE)
    functions = _execute(name, source, str(path), _numba_keeps_beside(), namespace, names)
    # Of a C function Numba counts the hits itself, of others in statistics.
    last = getattr(functions, names[-1])
    hit = bool(getattr(last, "stats", last).cache_hits)
    if not hit:
        for file in (place / MACHINE_CODE).iterdir():  # Numba's, made just now, as the umask would have them
            file.chmod(0o600)
        keep(place / DIGESTS, _digests(place).encode())
    return Loaded(functions, hit)


def _numba_keeps_beside() -> bool:
    """Make Numba keep the machine code of our modules beside their files, wherever else ``NUMBA_CACHE_DIR`` says.

    There and in its directory for the user nobody looks at what it unpickles. Whether it does so: a list of places that
    the user has set goes before ours.
    """
    from numba import config

    _beside_first()
    return not getattr(config, "CACHE_LOCATOR_CLASSES", "")


@lru_cache(maxsize=1)
def _beside_first() -> None:
    from numba.core import caching

    def from_function(cls: Any, function: Any, file: str) -> Any:
        return cls(function, file) if function.__module__.startswith(GENERATED) else None

    beside = type("Beside", (caching.InTreeCacheLocator,), {"from_function": classmethod(from_function)})
    caching.CompileResultCacheImpl._locator_classes.insert(0, beside)


def _clear(place: Path) -> None:
    """Remove Numba's files, the digests first: without them no other is used."""
    remove(place / DIGESTS)
    remove(place / MACHINE_CODE)


def _digests(entry: Path) -> str:
    """The digests of Numba's files, each read once that nobody else may have written it."""
    folder = entry / MACHINE_CODE
    if not folder.is_dir():
        return ""
    guard.check_directory(folder)
    files = sorted(folder.glob("*.nb?"))
    return "".join(f"{hashlib.sha256(guard.read(f) or b'').hexdigest()}  {f.name}\n" for f in files)
