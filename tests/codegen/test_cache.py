"""Compiled modules on disk: loaded when they are ours and whole, compiled again when they are not."""

from __future__ import annotations

import errno
import gc
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary, ref

import pytest
from numba.core.caching import IndexDataCacheFile
from sympy import symbols

import codegen
from codegen import compiler
from codegen.runtime import cache

PROGRAM = """
import json, time, warnings
import numpy as np
warnings.simplefilter("always")
with warnings.catch_warnings(record=True) as caught:
    import codegen
    from sympy import symbols
    a, b = symbols("a b")
    graph = codegen.gradient(codegen.from_expressions({"e": (a + b) * (b + 1)}, [a, b]), "e")
    found = {}
    for emitter in EMITTERS:
        function = codegen.compile(graph, emitter=emitter)
        again = codegen.compile(graph, emitter=emitter)
        found[emitter] = {
            "values": function(2.0, 1.0), "hit": function.report.cache_hit, "again": again.report.cache_hit,
        }
    print(json.dumps({**found, "warnings": [str(w.message) for w in caught]}))
"""


def process(directory: Path, *emitters: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "SYMNN_CACHE_DIR": str(directory), "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-c", f"EMITTERS = {emitters!r}\n{PROGRAM}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def finish(running: subprocess.Popen[str]) -> dict[str, Any]:
    output, errors = running.communicate(timeout=120)
    assert running.returncode == 0, errors
    return dict(json.loads(output))


def test_of_two_processes_at_once_one_loads_what_the_other_has_compiled(tmp_path: Path) -> None:
    results = [finish(running) for running in [process(tmp_path, "vector", "numba") for _ in range(2)]]
    for emitter in ("vector", "numba"):
        first, second = sorted((result[emitter] for result in results), key=lambda found: bool(found["hit"]))
        assert (first["hit"], second["hit"]) == (False, True)
        assert first["values"] == second["values"] == [6.0, 2.0, 5.0]
        assert first["again"] is second["again"] is True
    assert (tmp_path / "modules").stat().st_mode & 0o777 == 0o700


def _each(pattern: str, change: Callable[[Path], object]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        found = list(path.rglob(pattern))
        assert found
        for file in found:
            change(file)

    return damage


def _flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))


EVIL = b"cos\nsystem\n(S'touch pwned'\ntR."
DAMAGE = {
    "vector: truncated code": _each("code", lambda f: f.write_bytes(f.read_bytes()[:100])),
    "vector: a flipped bit": _each("code", _flip),
    "vector: an empty file": _each("code", lambda f: f.write_bytes(b"")),
    "numba: a truncated index": _each("*.nbi", lambda f: f.write_bytes(f.read_bytes()[:40])),
    "numba: truncated machine code": _each("*.nbc", lambda f: f.write_bytes(f.read_bytes()[:100])),
    "numba: a foreign pickle": _each("*.nbi", lambda f: f.write_bytes(EVIL)),
    "numba: an extra file": lambda path: (
        next(path.rglob("*.nbi")).with_name("module.other-1.py311.nbi").write_bytes(EVIL)
    ),
    "numba: no digests": _each("digests", Path.unlink),
    "numba: foreign source": _each("module.py", lambda f: f.write_text("raise SystemExit('foreign code ran')")),
    "numba: a missing file": _each("*.nbc", Path.unlink),
}


a, b = symbols("a b")
GRAPH = codegen.gradient(codegen.from_expressions({"e": (a + b) * (b + 1)}, [a, b]), "e")


def afresh(directory: Path, emitter: Any) -> tuple[object, bool]:
    """What the program computes in a process that has compiled nothing yet, and whether it came from the cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYMNN_CACHE_DIR", str(directory))
        patch.setattr(cache, "_loaded", WeakValueDictionary())
        patch.setattr(compiler, "_loaded", WeakValueDictionary())
        function = codegen.compile(GRAPH, emitter=emitter)
        return function(2.0, 1.0), function.report.cache_hit


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """What one process leaves behind, by emitter."""
    found = {emitter: tmp_path_factory.mktemp(emitter) for emitter in ("vector", "numba")}
    for emitter, directory in found.items():
        afresh(directory, emitter)
    return found


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_entry_is_compiled_again(what: str, caches: dict[str, Path], tmp_path: Path) -> None:
    emitter = what.split(":")[0]
    directory = tmp_path / "cache"
    shutil.copytree(caches[emitter], directory)
    DAMAGE[what](directory)
    assert afresh(directory, emitter) == ((6.0, 2.0, 5.0), False)
    assert not Path("pwned").exists()


@pytest.mark.parametrize("emitter", ["vector", "numba"])
def test_an_entry_that_is_whole_is_loaded(emitter: str, caches: dict[str, Path]) -> None:
    assert afresh(caches[emitter], emitter) == ((6.0, 2.0, 5.0), True)


@pytest.mark.parametrize("emitter", ["vector", "numba"])
def test_the_kernel_of_a_graph_is_compiled_once(emitter: Any) -> None:
    first, second = codegen.compile(GRAPH, emitter=emitter), codegen.compile(GRAPH, emitter=emitter)
    assert first.kernel is second.kernel


@pytest.mark.parametrize("emitter", ["vector", "numba"])
def test_what_was_compiled_goes_with_its_last_function(emitter: Any) -> None:
    graph = codegen.gradient(codegen.from_expressions({"e": (a - 7 * b) * (b + 3)}, [a, b]), "e")
    kernels: list[Any] = [codegen.compile(graph, emitter=emitter, cache=False).kernel]
    held, module = ref(kernels[0]), kernels[0].__module__
    gc.collect()
    assert kernels[0](9.0, 1.0)[0] == 8.0  # a kernel lives on without the function it is of
    assert module in sys.modules
    kernels.clear()
    gc.collect()
    gc.collect()  # Numba lets go of the module once the kernel is gone
    assert (held(), module in sys.modules) == (None, False)


def test_the_kernel_of_readable_code_is_compiled_when_it_is_asked_for(tmp_path: Path) -> None:
    for hits in (0, 1):  # the second time it comes from the cache
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SYMNN_CACHE_DIR", str(tmp_path))
            patch.setattr(cache, "_loaded", WeakValueDictionary())
            function = codegen.compile(GRAPH, emitter="numba")
            assert len(cache._loaded) == 1
            assert function.kernel(2.0, 1.0) == function(2.0, 1.0) == (6.0, 2.0, 5.0)
            assert len(cache._loaded) == 2
            assert sum(function.kernel.stats.cache_hits.values()) == hits  # type: ignore[attr-defined]


def test_a_full_disk_means_no_cache_and_one_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(IndexDataCacheFile, "_save_index", full)
    with pytest.warns(RuntimeWarning, match="not cached .* No space left") as caught:
        assert [afresh(tmp_path, "numba") for _ in range(2)] == [((6.0, 2.0, 5.0), False)] * 2
    assert len(caught) == 1
    assert not list(tmp_path.rglob("*.nb?"))


def test_numba_keeps_our_machine_code_where_it_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path / "elsewhere"))
    assert [afresh(tmp_path / "cache", "numba")[1] for _ in range(2)] == [False, True]
    assert not (tmp_path / "elsewhere").exists()
    assert list((tmp_path / "cache").rglob("*.nbi"))


def test_a_process_that_was_killed_while_numba_wrote_leaves_what_can_be_repaired(
    caches: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(caches["numba"], tmp_path / "cache")
    _each("digests", Path.unlink)(tmp_path)
    _each("*.nbi", lambda file: file.chmod(0o664))(tmp_path)  # as the umask would have it
    assert [afresh(tmp_path / "cache", "numba")[1] for _ in range(2)] == [False, True]


def test_an_unusable_directory_means_no_cache_and_one_warning(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    result = finish(process(blocked, "vector"))
    assert result["vector"]["values"] == [6.0, 2.0, 5.0]
    assert result["vector"]["hit"] is False
    (warning,) = result["warnings"]
    assert "not cached" in str(warning)
    assert "SYMNN_CACHE_DIR" in str(warning)
