"""Compiled modules on disk: loaded when they are ours and whole, compiled again when they are not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAM = """
import json, time, warnings
import numpy as np
warnings.simplefilter("always")
with warnings.catch_warnings(record=True) as caught:
    import codegen
    from sympy import symbols
    a, b = symbols("a b")
    graph = codegen.gradient(codegen.from_expressions({"e": (a + b) * (b + 1)}, [a, b]), "e")
    function = codegen.compile(graph)
    again = codegen.compile(graph)
    print(json.dumps({
        "values": function(2.0, 1.0), "hit": function.report.cache_hit, "again": again.report.cache_hit,
        "same": again.kernel is function.kernel, "warnings": [str(w.message) for w in caught],
    }))
"""


def process(directory: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "SYMNN_CACHE_DIR": str(directory), "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


def finish(running: subprocess.Popen[str]) -> dict[str, object]:
    output, errors = running.communicate(timeout=120)
    assert running.returncode == 0, errors
    return dict(json.loads(output))


def run(directory: Path) -> dict[str, object]:
    return finish(process(directory))


def entry(directory: Path) -> Path:
    (found,) = (directory / "modules").iterdir()
    return found


def test_a_second_process_loads_what_the_first_compiled(tmp_path: Path) -> None:
    first, second = run(tmp_path), run(tmp_path)
    assert (first["hit"], second["hit"]) == (False, True)
    assert first["values"] == second["values"] == [6.0, 2.0, 5.0]
    assert first["again"] is True
    assert first["same"] is True
    assert (tmp_path / "modules").stat().st_mode & 0o777 == 0o700


def test_two_processes_compiling_one_graph_both_succeed(tmp_path: Path) -> None:
    results = [finish(p) for p in [process(tmp_path) for _ in range(3)]]
    assert [r["values"] for r in results] == [[6.0, 2.0, 5.0]] * 3
    assert sorted(bool(r["hit"]) for r in results) == [False, True, True]
    assert run(tmp_path)["hit"] is True


def _each(pattern: str, change: Callable[[Path], object]) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        found = list(path.rglob(pattern))
        assert found
        for file in found:
            change(file)

    return damage


EVIL = b"cos\nsystem\n(S'touch pwned'\ntR."
DAMAGE = {
    "a truncated index": _each("*.nbi", lambda f: f.write_bytes(f.read_bytes()[:40])),
    "truncated machine code": _each("*.nbc", lambda f: f.write_bytes(f.read_bytes()[:100])),
    "an empty index": _each("*.nbi", lambda f: f.write_bytes(b"")),
    "a foreign pickle": _each("*.nbi", lambda f: f.write_bytes(EVIL)),
    "an extra file": lambda path: next(path.rglob("*.nbi")).with_name("module.other-1.py311.nbi").write_bytes(EVIL),
    "no digests": lambda path: (path / "digests").unlink(),
    "foreign source": lambda path: (path / "module.py").write_text("raise SystemExit('foreign code ran')"),
    "truncated source": lambda path: (path / "module.py").write_text(""),
    "a missing file": _each("*.nbc", Path.unlink),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_entry_is_compiled_again(what: str, tmp_path: Path) -> None:
    run(tmp_path)
    DAMAGE[what](entry(tmp_path))
    result = run(tmp_path)
    assert result["values"] == [6.0, 2.0, 5.0]
    assert result["hit"] is False
    assert result["warnings"] == []
    assert not Path("pwned").exists()
    assert run(tmp_path)["hit"] is True


def test_a_directory_that_others_can_write_is_closed_first(tmp_path: Path) -> None:
    (tmp_path / "modules").mkdir(mode=0o777)
    (tmp_path / "modules").chmod(0o777)
    assert run(tmp_path)["values"] == [6.0, 2.0, 5.0]
    assert (tmp_path / "modules").stat().st_mode & 0o777 == 0o700


def test_an_unusable_directory_means_no_cache_and_one_warning(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    result = run(blocked)
    assert result["values"] == [6.0, 2.0, 5.0]
    assert result["hit"] is False
    (warning,) = result["warnings"]  # type: ignore[misc]
    assert "not cached" in str(warning)
    assert "SYMNN_CACHE_DIR" in str(warning)
