"""The cache's directories: refused where somebody else may have written, repaired where broken, kept at a size."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from codegen.errors import CacheError
from codegen.runtime import guard, store

ENTRY = "0123456789"
SOMEBODY = 12345
as_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache with one entry."""
    monkeypatch.setenv(store.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(store, "_warned", set())
    root = store.cache_directory()
    with store.locked(ENTRY) as place:
        assert place is not None
        assert store.keep(place / "code", b"ours")
    yield root
    if store._made:
        store.remove(store._made[0])


def _link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


OPEN: dict[str, Callable[[Path], object]] = {
    "writable by the group": lambda path: path.chmod(path.stat().st_mode | 0o020),
    "writable by all": lambda path: path.chmod(path.stat().st_mode | 0o002),
    "a symbolic link": _link,
    "somebody else's": lambda path: os.chown(path, SOMEBODY, -1),
}
PLACES: dict[str, Callable[[Path], Path]] = {
    "the directory above": lambda root: root.parent,
    "the root": lambda root: root,
    "the entry": lambda root: root / ENTRY,
    "the lock": lambda root: root / ENTRY / store.LOCK,
    "the file": lambda root: root / ENTRY / "code",
}


def _listing(root: Path) -> list[tuple[str, int, int]]:
    found = sorted(root.parent.parent.rglob("*"))
    return [(str(path), path.lstat().st_mode, path.lstat().st_uid) for path in found]


def _use(content: bytes) -> bytes | None:
    """What an entry's file holds, written anew if there is none, as the cache of compiled code does it."""
    with store.locked(ENTRY) as place:
        assert place is not None
        found = guard.read(place / "code")
        if found is None:
            store.keep(place / "code", content)
        return found


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("how", [pytest.param(how, marks=as_root if how == "somebody else's" else ()) for how in OPEN])
def test_what_somebody_else_may_have_written_is_refused_and_left_alone(place: str, how: str, cache: Path) -> None:
    OPEN[how](PLACES[place](cache))
    before = _listing(cache)
    with pytest.warns(RuntimeWarning, match="cannot be used") as caught:
        assert [_use(b"new"), _use(b"new")] == [None, b"new"]
    assert len(caught) == 1
    assert _listing(cache) == before


@as_root
def test_a_directory_further_up_that_is_open_to_others_is_refused(cache: Path) -> None:
    cache.parent.parent.chmod(0o777)
    with pytest.warns(RuntimeWarning, match="can be written by others"):
        assert _use(b"new") is None
    cache.parent.parent.chmod(0o1777)
    assert _use(b"new") == b"ours"


def _to_directory(path: Path) -> None:
    path.unlink()
    (path / "not empty").mkdir(parents=True)


BROKEN: dict[str, Callable[[Path], object]] = {
    "a directory instead of the file": lambda entry: _to_directory(entry / "code"),
    "a directory that is not empty": lambda entry: (
        (entry / "code").unlink(),
        (entry / "code" / "x").mkdir(parents=True),
    ),
    "a file instead of the entry": lambda entry: (store.remove(entry), entry.write_bytes(b"x")),
    "a directory instead of the lock": lambda entry: (
        (entry / "lock").unlink(),
        (entry / "lock" / "x").mkdir(parents=True),
    ),
    "nothing": lambda entry: store.remove(entry),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_entry_is_repaired(what: str, cache: Path) -> None:
    BROKEN[what](cache / ENTRY)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = _use(b"new"), _use(b"new")
    assert second == (b"ours" if "lock" in what else b"new")
    assert first in (None, second)


def test_a_cache_that_may_only_be_read_is_read(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _listing(cache)
    monkeypatch.setattr(guard.os, "access", lambda path, mode: False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert _use(b"new") == b"ours"
        with store.locked("other") as place:
            assert place is not None
            assert store.keep(place / "code", b"more")
    assert _listing(cache) == before


def test_a_home_directory_of_nobody_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(store.CACHE_VARIABLE, "~nobody-of-this-name/cache")
    with pytest.raises(CacheError, match=r"found '~nobody-of-this-name/cache', and no such user"):
        store.cache_directory()


def test_a_size_that_is_no_number_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(store.SIZE_VARIABLE, "a lot")
    with pytest.raises(CacheError, match="expected a whole number of megabytes, found 'a lot'"):
        store.size_limit()


def _fill(count: int, size: int) -> None:
    for number in range(count):
        with store.locked(f"entry{number}") as place:
            assert place is not None
            store.keep(place / "code", bytes(size))
        os.utime(place / store.LOCK, (number, number))


def test_the_least_recently_used_entries_go_first(cache: Path) -> None:
    store.remove(cache / ENTRY)
    _fill(6, 1000)
    with store.locked("entry0"):
        pass
    assert store.prune(cache, 2500) == 4000
    assert [entry.path.name for entry in store.stored(cache)] == ["entry5", "entry0"]


def test_an_entry_in_use_stays(cache: Path) -> None:
    _fill(3, 1000)
    with store.locked("entry1"):
        store.prune(cache, 0)
        assert [entry.path.name for entry in store.stored(cache)] == ["entry1"]


def test_writing_keeps_the_cache_at_its_size(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(store.SIZE_VARIABLE, "1")
    _fill(30, 100_000)
    assert sum(entry.size for entry in store.stored(cache)) <= 1_100_000


PRUNING = """
import sys
from pathlib import Path
from codegen.runtime import store
for _ in range(300):
    store.prune(store.cache_directory(), 0)
"""


def test_entries_can_be_removed_by_another_process_at_any_time(cache: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    other = subprocess.Popen([sys.executable, "-c", PRUNING], env=environment)
    results: list[bytes | None] = []

    def use() -> None:
        while other.poll() is None:
            results.append(_use(b"ours"))

    threads = [threading.Thread(target=use) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert other.returncode == 0
    assert set(results) <= {b"ours", None}
    assert len(results) > 10
