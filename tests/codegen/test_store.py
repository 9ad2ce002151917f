"""The cache's directories: refused where somebody else may have written, repaired where broken, kept at a size."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from codegen.errors import CacheError
from codegen.runtime import guard, store

ENTRY = "0123456789" * 4
SOMEBODY = 12345


def _name(number: int) -> str:
    return f"{number:040x}"


posix = pytest.mark.skipif(os.name != "posix", reason="links, owners and modes are those of POSIX")
as_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture(autouse=True)
def _afresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As a process begins and ends: nothing has been warned of, and the private directory goes."""
    monkeypatch.setattr(store, "_warned", set())
    monkeypatch.setattr(store, "_made", [])
    yield
    for made in store._made:
        store.remove(made)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with one entry."""
    monkeypatch.setenv(store.CACHE_VARIABLE, str(tmp_path / "cache"))
    root = store.cache_directory()
    with store.locked(ENTRY) as place:
        assert place is not None
        assert store.keep(place / "code", b"ours")
    return root


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


@as_root
def test_a_directory_further_up_that_is_sticky_must_belong_to_root_or_the_user(cache: Path) -> None:
    cache.parent.parent.chmod(0o1777)
    os.chown(cache.parent.parent, SOMEBODY, -1)
    with pytest.warns(RuntimeWarning, match="belongs to another user"):
        assert _use(b"new") is None


@as_root
def test_links_further_up_are_followed_if_nobody_else_can_exchange_them(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "open"
    place.mkdir()
    (tmp_path / "link").symlink_to("open/../open/link")
    (place / "link").symlink_to(tmp_path)
    monkeypatch.setenv(store.CACHE_VARIABLE, str(tmp_path / "link" / "cache"))
    assert _use(b"new") == b"ours"
    place.chmod(0o1777)
    assert _use(b"new") == b"ours"
    os.lchown(place / "link", SOMEBODY, -1)
    with pytest.warns(RuntimeWarning, match="open/link belongs to another user"):
        assert _use(b"new") is None


@posix
def test_links_in_a_circle_end_in_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "circle").symlink_to("circle")
    monkeypatch.setenv(store.CACHE_VARIABLE, str(tmp_path / "circle" / "a" / "b"))
    with pytest.warns(RuntimeWarning, match="cannot be used"):
        assert _use(b"new") is None


@posix
@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022])
def test_what_is_made_is_for_the_user_alone_at_each_level(
    umask: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(store.CACHE_VARIABLE, str(tmp_path / "a" / "b" / "c"))
    before = os.umask(umask)
    try:
        assert [_use(b"new"), _use(b"new")] == [None, b"new"]
    finally:
        os.umask(before)
    made = list(tmp_path.rglob("*"))
    assert {path.stat().st_mode & 0o777 for path in made if path.is_dir()} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in made if path.is_file()} == {0o600}
    assert (tmp_path / "a" / "b" / "c" / "modules" / ENTRY / "code").exists()


@as_root
def test_nothing_is_made_where_others_could_exchange_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(store.CACHE_VARIABLE, str(tmp_path / "open" / "a" / "b"))
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with pytest.warns(RuntimeWarning, match="open can be written by others"):
        assert _use(b"new") is None
    assert list((tmp_path / "open").iterdir()) == []


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
    "a pipe instead of the entry": lambda entry: (store.remove(entry), os.mkfifo(entry, 0o600)),
    "a pipe instead of the lock": lambda entry: ((entry / "lock").unlink(), os.mkfifo(entry / "lock", 0o600)),
    "a pipe instead of the file": lambda entry: ((entry / "code").unlink(), os.mkfifo(entry / "code", 0o600)),
    "nothing": lambda entry: store.remove(entry),
}


@pytest.mark.parametrize("what", [pytest.param(what, marks=posix if "pipe" in what else ()) for what in BROKEN])
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
        with store.locked(_name(1)) as place:
            assert place is not None
            assert store.keep(place / "code", b"more")
    assert _listing(cache) == before


@as_root
def test_a_cache_that_root_has_filled_is_read_by_others_once_they_may(monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory() as folder:  # which others can enter
        monkeypatch.setenv(store.CACHE_VARIABLE, f"{folder}/cache")
        os.chmod(folder, 0o755)
        _use(b"root's")
        with _as(SOMEBODY), pytest.warns(RuntimeWarning, match="Permission denied"):
            assert [_use(b"new"), _use(b"new")] == [None, b"new"]
        store.remove(store._made.pop())
        subprocess.run(["chmod", "-R", "a+rX", f"{folder}/cache"], check=True)
        with _as(SOMEBODY), warnings.catch_warnings():
            warnings.simplefilter("error")
            assert _use(b"new") == b"root's"
        store.remove(store._made.pop())


@contextlib.contextmanager
def _as(user: int) -> Iterator[None]:
    os.seteuid(user)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_instead_of_the_root_is_named(cache: Path) -> None:
    store.remove(cache)
    cache.write_bytes(b"mine")
    with pytest.warns(RuntimeWarning, match=f"{cache} cannot be used .*modules is no directory"):
        assert _use(b"new") is None
    assert cache.read_bytes() == b"mine"


def test_a_home_directory_of_nobody_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(store.CACHE_VARIABLE, "~nobody-of-this-name/cache")
    with pytest.raises(CacheError, match=r"found '~nobody-of-this-name/cache', and no such user"):
        store.cache_directory()


@pytest.mark.parametrize("text", ["a lot", "-1", "1e3", "9" * 5000, "x" * 5000, ""])
def test_a_size_that_is_no_number_is_an_error(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(store.SIZE_VARIABLE, text)
    shown = re.escape(repr(text[:5])[:-1])
    with pytest.raises(CacheError, match=f"expected a whole number of megabytes .*, found {shown}") as caught:
        store.size_limit()
    assert len(str(caught.value)) < 150


def _fill(count: int, size: int) -> None:
    for number in range(count):
        with store.locked(_name(number)) as place:
            assert place is not None
            store.keep(place / "code", bytes(size))
        os.utime(place / store.LOCK, (number, number))


def test_the_least_recently_used_entries_go_first(cache: Path) -> None:
    store.remove(cache / ENTRY)
    _fill(6, 1000)
    with store.locked(_name(0)):
        pass
    assert store.prune(cache, 2500) == 4000
    assert [entry.path.name for entry in store.stored(cache)] == [_name(5), _name(0)]


def test_an_entry_in_use_stays(cache: Path) -> None:
    _fill(3, 1000)
    with store.locked(_name(1)):
        store.prune(cache, 0)
        assert [entry.path.name for entry in store.stored(cache)] == [_name(1)]


def test_writing_keeps_the_cache_at_its_size(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(store.SIZE_VARIABLE, "1")
    _fill(30, 100_000)
    assert sum(entry.size for entry in store.stored(cache)) <= 1_100_000


STRANGERS: dict[str, Callable[[Path], object]] = {
    "a directory": lambda path: path.mkdir(),
    "a directory of the name of an entry": lambda path: path.rename(path.with_name(_name(9))),
    "one with a lock that is not ours": lambda path: (
        (path / "lock").write_bytes(b"42"),
        path.rename(path.with_name(_name(9))),
    ),
    "a link to a directory": _link,
    "a link of the name of an entry": lambda path: (
        path.rename(path.with_name("elsewhere")),
        path.with_name(_name(9)).symlink_to(path.with_name("elsewhere")),
    ),
    "a file": lambda path: path.with_name(_name(9)).write_bytes(bytes(100)),
    "somebody else's entry": lambda path: (
        (path / "lock").touch(),
        os.chown(path, SOMEBODY, -1),
        path.rename(path.with_name(_name(9))),
    ),
}


@pytest.mark.parametrize(
    "what",
    [
        pytest.param(what, marks=as_root if "somebody" in what else posix if "link" in what else ())
        for what in STRANGERS
    ],
)
def test_what_else_lies_in_the_root_is_neither_counted_nor_removed(what: str, cache: Path) -> None:
    (cache / "mine").mkdir()
    (cache / "mine" / "work").write_bytes(bytes(3000))
    os.utime(cache / "mine", (0, 0))
    if what != "a directory":
        STRANGERS[what](cache / "mine")
    ours = {cache / ENTRY, *(cache / ENTRY).rglob("*")}
    before = set(cache.rglob("*")) - ours
    assert [entry.size for entry in store.stored(cache)] == [4]
    assert store.prune(cache, 0) == 4
    assert set(cache.rglob("*")) == before


def test_what_a_process_has_left_is_cleared_away(cache: Path) -> None:
    (cache / _name(1)).mkdir()  # killed before it made the lock
    (cache / ENTRY).rename(cache / f".old-123-{ENTRY}")  # killed while it removed it
    assert len(store.stored(cache)) == 2
    store.prune(cache, 0)
    assert store.stored(cache) == []
    assert [path.name for path in cache.iterdir()] == [store.STAMP]


@pytest.mark.parametrize("place", ["the root", "the directory above"])
@pytest.mark.parametrize("how", [pytest.param(how, marks=as_root if how == "somebody else's" else ()) for how in OPEN])
def test_a_cache_that_is_refused_is_neither_listed_nor_pruned(how: str, place: str, cache: Path) -> None:
    OPEN[how](PLACES[place](cache))
    before = _listing(cache)
    for look in (store.stored, lambda root: store.prune(root, 0)):
        with pytest.raises(guard.RefusedError):
            look(cache)
    assert _listing(cache) == before


STAMPS: dict[str, Callable[[Path, Path], object]] = {
    "a link": lambda stamp, other: stamp.symlink_to(other),
    "a pipe": lambda stamp, other: os.mkfifo(stamp, 0o600),
    "a directory": lambda stamp, other: (stamp / "x").mkdir(parents=True),
}


@posix
@pytest.mark.parametrize("what", STAMPS)
def test_only_a_file_is_stamped(what: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = cache.parent / "other"
    store.remove(cache / store.STAMP)
    STAMPS[what](cache / store.STAMP, other)
    monkeypatch.setattr(store, "LOOK_AGAIN", 0.0)
    monkeypatch.setenv(store.SIZE_VARIABLE, "0")
    before = (cache / store.STAMP).lstat()
    store.remove(cache / ENTRY / "code")
    _use(b"new")
    assert store.stored(cache) == []
    assert (cache / store.STAMP).lstat() == before
    assert not other.exists()


PRUNING = """
import sys
from pathlib import Path
from codegen.runtime import store
print("begins", flush=True)
for _ in range(300):
    store.prune(store.cache_directory(), 0)
"""


def test_entries_can_be_removed_by_another_process_at_any_time(cache: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    other = subprocess.Popen([sys.executable, "-c", PRUNING], env=environment, stdout=subprocess.PIPE)
    assert other.stdout is not None
    with other.stdout as output:
        output.readline()
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
