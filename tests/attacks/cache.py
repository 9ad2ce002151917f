"""Attacks on the cache of compiled code: what others have planted, where pruning and clearing reach, what is broken.

Each is tried as in a process of its own: on a copy of a cache that somebody has been at, with nothing loaded yet. It is
survived if the values are those of the formula, the planted code has not run, nothing changed that is not the cache's
own, and what is refused was left as it was found, with one warning.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import io
import json
import os
import random
import shutil
import stat
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from tests.attacks.outcome import Outcome, answer

RIGHT = (6.0, 2.0, 5.0)
PLANTED = (1006.0, 2.0, 5.0)
SOMEBODY = 12345
ENTRY = "0" * 40
EMITTERS = ("vector", "numba")
SIZE, DIRECTORY = "SYMNN_CACHE_MEGABYTES", "SYMNN_CACHE_DIR"

is_root = hasattr(os, "geteuid") and os.geteuid() == 0


class SkippedError(Exception):
    """What cannot be tried on this machine or by this user."""


def cache(tries: int) -> Outcome:
    """Every attack there is, and so many entries with errors strewn in."""
    program = "import sys; from tests.attacks import cache; cache.main(int(sys.argv[1]))"
    tried, failures, skipped = answer(program, tries, seconds=3600)
    return Outcome(tried, tuple(failures), f"left out: {', '.join(skipped)}" if skipped else "")


def main(tries: int) -> None:
    """Try all, and print as JSON how many were tried, which were not survived, and which were left out."""
    tried, failures, skipped = 0, [], []
    with tempfile.TemporaryDirectory() as folder, _silence():
        os.chmod(folder, 0o755)  # as for the others who read a cache of root's
        filled = {emitter: _filled(Path(folder, emitter), emitter) for emitter in EMITTERS}
        filled["evil"] = _filled(Path(folder, "evil"), "vector", 1000)
        attacks = {**ATTACKS, **{f"errors strewn in, {n}": partial(errors_strewn_in, n) for n in range(tries)}}
        for number, (name, attack) in enumerate(attacks.items()):
            base = Path(folder, f"attack{number}")
            base.mkdir(mode=0o755)
            try:
                attack(Scene(base, filled))
                tried += 1
            except SkippedError as reason:
                skipped.append(f"{name} ({reason})")
            except Exception as error:
                tried += 1
                failures.append(f"{name}: {type(error).__name__}: {error}")
            finally:
                shutil.rmtree(base, ignore_errors=True)
    print(json.dumps([tried, failures, skipped]))


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("always")
        yield


# --- a cache, and what it computes --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scene:
    """A directory of an attack: ``up`` holds the cache, ``outside`` what is nobody's business; and filled caches."""

    base: Path
    filled: Mapping[str, Path]

    @property
    def up(self) -> Path:
        """The directory that the cache lies in."""
        return self.base / "up"

    @property
    def outside(self) -> Path:
        """A directory with a file of the user's, and what looks like an entry."""
        path = self.base / "outside"
        if not path.exists():
            (path / ENTRY).mkdir(parents=True)
            (path / "work").write_bytes(b"years of it")
            (path / ENTRY / "lock").touch()
            (path / ENTRY / "code").write_bytes(bytes(3_000_000))
        return path

    @property
    def pwned(self) -> Path:
        """A file that planted code makes."""
        return self.base / "pwned"

    def copied(self, emitter: str) -> Path:
        """The root of a copy of a filled cache."""
        shutil.copytree(self.filled[emitter], self.up / "cache")
        return self.up / "cache" / "modules"

    def planted(self, emitter: str) -> Path:
        """The root of a cache whose digests are right, and whose code is somebody else's."""
        root = self.copied(emitter)
        if emitter == "vector":
            shutil.copyfile(_only(self.filled["evil"], "code"), _only(root, "code"))
        else:
            from codegen.runtime import cache

            file = _only(root, "*.nbi")
            file.write_bytes(f"cbuiltins\nopen\n(S'{self.pwned}'\nS'w'\ntR.".encode())
            entry = file.parent.parent
            (entry / "digests").write_text(cache._digests(entry))
        return root

    def require(self, emitter: str, hit: bool | None = None, refused: int = 0) -> None:
        """The cache gives what is right, from where it should be, with so many warnings; nothing planted has run."""
        values, found, messages = self.compiled(emitter)
        _equal("values", values, RIGHT)
        _equal("planted code that has run", self.pwned.exists(), False)
        _equal("warnings", [m for m in messages if "cannot be used" not in m] or len(messages), refused)
        if hit is not None:
            _equal("whether it came from the cache", found, hit)

    def compiled(self, emitter: str) -> tuple[object, bool, list[str]]:
        """What a process that has compiled nothing yet computes, whether from the cache, and of what it warns."""
        return _compiled(self.up / "cache", emitter)


def _filled(directory: Path, emitter: str, more: int = 0) -> Path:
    _compiled(directory, emitter, more)
    return directory


def _compiled(directory: Path, emitter: Any, more: int = 0) -> tuple[object, bool, list[str]]:
    import codegen
    from codegen import compiler
    from codegen.runtime import cache, store

    for known in (cache._loaded, compiler._loaded, store._warned):
        known.clear()
    with _set(**{DIRECTORY: str(directory)}), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function = codegen.compile(_graph(more), emitter=emitter)
        return function(2.0, 1.0), function.report.cache_hit, [str(warning.message) for warning in caught]


@lru_cache
def _graph(more: int) -> Any:
    from sympy import symbols

    import codegen

    a, b = symbols("a b")
    return codegen.gradient(codegen.from_expressions({"e": (a + b) * (b + 1) + more}, [a, b]), "e")


@contextlib.contextmanager
def _set(**variables: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _only(root: Path, pattern: str) -> Path:
    (found,) = root.rglob(pattern)
    return found


def _equal(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise AssertionError(f"{what}: found {found}, expected {expected}")


def listing(*places: Path) -> dict[str, tuple[object, ...]]:
    """All that can be seen of what lies in directories, except when it was read."""
    found = {}
    for path in (path for place in places for path in (place, *place.rglob("*"))):
        status = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if stat.S_ISREG(status.st_mode) else ""
        found[str(path)] = (status.st_mode, status.st_uid, status.st_ino, status.st_size, status.st_mtime_ns, content)
    return found


@contextlib.contextmanager
def unchanged(*places: Path, apart: Sequence[Path] = ()) -> Iterator[None]:
    """Nothing in these directories, apart from some, is changed, made or removed meanwhile."""
    before = listing(*places)
    yield
    after = listing(*places)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    _equal("changed", changed - set(map(str, apart)), set())


# --- code that somebody has planted -------------------------------------------------------------------------------


def _give_away(path: Path) -> None:
    _as_root()
    os.lchown(path, SOMEBODY, -1)


def _as_root() -> None:
    if not is_root:
        raise SkippedError("only root gives files away")


def _link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def _sticky(path: Path) -> None:
    path.chmod(0o1777)
    _give_away(path)


OPEN: Mapping[str, Callable[[Path], object]] = {
    "writable by the group": lambda path: path.chmod(path.stat().st_mode | 0o020),
    "writable by all": lambda path: path.chmod(path.stat().st_mode | 0o002),
    "a link": _link,
    "a foreign link": lambda path: (_link(path), _give_away(path)),
    "somebody else's": _give_away,
    "somebody else's and sticky": _sticky,
}
LEVELS: Mapping[str, Callable[[Path], Path]] = {
    "further up": lambda root: root.parent.parent,
    "the directory above": lambda root: root.parent,
    "the root": lambda root: root,
    "the entry": lambda root: _planted_file(root, "lock").parent,
    "the lock": lambda root: _planted_file(root, "lock"),
    "the file": lambda root: next(iter([*root.rglob("*.nbi"), *root.rglob("code")])),
    "the digests": lambda root: _only(root, "digests"),
    "Numba's directory": lambda root: _only(root, "__pycache__"),
}


def _planted_file(root: Path, name: str) -> Path:
    """The file of this name in the entry that holds what was planted."""
    (folder,) = {path.parent.parent for path in root.rglob("*.nbi")} or {path.parent for path in root.rglob("code")}
    return folder / name


OF_ALL = ("further up", "the directory above", "the root")
"""The levels at which all entries are refused."""
ONLY_NUMBA = {"the digests", "Numba's directory"}
USUAL = {("further up", "a link")}
"""That a home directory lies behind a link of root's or the user's is nobody's attack."""


def planted_and_open(emitter: str, level: str, how: str, scene: Scene) -> None:
    """Code with a right digest lies where others can write, or have written."""
    root = scene.planted(emitter)
    OPEN[how](LEVELS[level](root))
    # Beside a bad entry a good one is used: the readable form has one more, with what is known about the graph.
    apart = [] if level in OF_ALL else [path for path in root.rglob("lock") if not (path.parent / "digests").exists()]
    with unchanged(scene.up, scene.outside, apart=apart if emitter == "numba" else []):
        scene.require(emitter, refused=1)


def planting_works(emitter: str, scene: Scene) -> None:
    """The same code where nobody else can write runs: what is refused elsewhere would have run."""
    scene.planted(emitter)
    values, _, _ = scene.compiled(emitter)
    _equal("planted code that has run", scene.pwned.exists() or values == PLANTED, True)


def planted_for_numba_elsewhere(scene: Scene) -> None:
    """``NUMBA_CACHE_DIR`` names a directory: nothing in it is unpickled."""
    import numba

    scene.copied("numba")
    elsewhere = scene.base / "elsewhere"
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(elsewhere)
    try:
        scene.require("numba", hit=True)
    finally:
        numba.config.CACHE_DIR = before
    _equal("made elsewhere", elsewhere.exists(), False)


# --- what pruning and clearing reach ------------------------------------------------------------------------------


def _old(path: Path, *files: str) -> Path:
    for file in files or ("work",):
        path.mkdir(exist_ok=True)
        (path / file).write_bytes(b"" if file == "empty/lock" else bytes(3_000_000))
        os.utime(path / file, (0, 0))
    os.utime(path, (0, 0))
    return path


def _foreign_entry(root: Path) -> None:
    entry = _old(root / ENTRY, "code")
    (entry / "lock").touch()
    _give_away(entry)


STRANGERS: Mapping[str, Callable[[Path, Path], object]] = {
    "the user's directory": lambda root, outside: _old(root / "mycode"),
    "one of the name of an entry": lambda root, outside: _old(root / ENTRY, "work", "code"),
    "one with a lock of its own": lambda root, outside: _old(root / ENTRY, "lock"),
    "one of the name of what is removed": lambda root, outside: _old(root / f".old-1-{ENTRY}"),
    "a link to a directory": lambda root, outside: (root / "mycode").symlink_to(outside),
    "a link of the name of an entry": lambda root, outside: (root / ENTRY).symlink_to(outside / ENTRY),
    "an entry of somebody else": lambda root, outside: _foreign_entry(root),
    "a link for a stamp": lambda root, outside: (
        (root / "pruned").unlink(missing_ok=True),
        (root / "pruned").symlink_to(outside / "work"),
    ),
    "a directory for a stamp": lambda root, outside: ((root / "pruned").unlink(missing_ok=True), _old(root / "pruned")),
}


def pruning_beside(stranger: str, scene: Scene) -> None:
    """The cache is pruned, because it is full, beside what is not its own."""
    root = scene.copied("vector")
    shutil.rmtree(_planted_file(root, "lock").parent)
    theirs = _beside(stranger, root, scene)
    with unchanged(scene.outside, *theirs), _set(**{SIZE: "0"}):
        scene.require("vector", hit=False)
    _equal("entries", set(root.iterdir()) - {root / "pruned", *theirs}, set())


def clearing_beside(stranger: str, scene: Scene) -> None:
    """``symnn cache --clear`` beside what is not the cache's own."""
    root = scene.copied("vector")
    theirs = _beside(stranger, root, scene)
    with unchanged(scene.outside, *theirs):
        said = _command(scene, clear=True)
    _equal("entries in what is said", "1 compiled functions" in said, True)
    _equal("entries", set(root.iterdir()) - {root / "pruned", *theirs}, set())


def _beside(stranger: str, root: Path, scene: Scene) -> list[Path]:
    before = {path: path.lstat().st_ino for path in root.iterdir()}
    STRANGERS[stranger](root, scene.outside)
    return [path for path in root.iterdir() if before.get(path) != path.lstat().st_ino]


def clearing_what_is_refused(level: str, how: str, scene: Scene) -> None:
    """``symnn cache`` and ``symnn cache --clear`` where others can write, or have written."""
    root = scene.copied("vector")
    OPEN[how](LEVELS[level](root))
    with unchanged(scene.up, scene.outside):
        for clear in (False, True):
            _refused(scene, clear)


def clearing_behind_a_link(scene: Scene) -> None:
    """The cache is a link to a directory that looks like one."""
    (scene.up / "cache").mkdir(parents=True)
    (scene.up / "cache" / "modules").symlink_to(scene.outside)
    with unchanged(scene.up, scene.outside):
        _refused(scene, clear=True)


def _refused(scene: Scene, clear: bool) -> None:
    said = _command(scene, clear)
    _equal("what is said", ("error: the cache is refused" in said, said.count("\n")), (True, 0))


def _command(scene: Scene, clear: bool) -> str:
    """What ``symnn cache`` says, or the error that the command line makes a line of."""
    from codegen.errors import CacheError
    from symnn import cli

    with _set(**{DIRECTORY: str(scene.up / "cache")}), contextlib.redirect_stdout(io.StringIO()) as printed:
        try:
            cli.cache(clear)
        except CacheError as error:
            return f"{printed.getvalue()}error: {error}"
    return printed.getvalue()


def a_size_of_many_digits(scene: Scene) -> None:
    """``SYMNN_CACHE_MEGABYTES`` has more digits than Python reads."""
    with _set(**{SIZE: "9" * 5000}):
        said = _command(scene, clear=False)
    _equal("what is said", (said.count("\n"), len(said) < 200, "at most 12 digits" in said), (0, True, True))


# --- what is broken, full, or may only be read --------------------------------------------------------------------


def _instead(make: Callable[[Path], object], path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    make(path)


THINGS: Mapping[str, Callable[[Path], object]] = {
    "a pipe": lambda path: os.mkfifo(path, 0o600),
    "a file": lambda path: path.write_bytes(b"x"),
    "a directory": lambda path: (path / "inside").mkdir(parents=True),
    "nothing": lambda path: None,
}


REPLACED = (
    ("vector", ("the entry", "the lock", "the file"), THINGS),
    ("numba", ("the file", "the digests", "Numba's directory"), ("a pipe", "a directory")),
)


def something_instead(emitter: str, level: str, thing: str, scene: Scene) -> None:
    """An entry, its lock or its file has become something else: it is repaired in silence."""
    root = scene.copied(emitter)
    _instead(THINGS[thing], LEVELS[level](root))
    with unchanged(scene.outside):
        scene.require(emitter)
        scene.require(emitter, hit=True)


def a_file_instead_of_the_root(scene: Scene) -> None:
    """``modules`` is a file: nobody's entry, so that it stays, and is named."""
    root = scene.copied("vector")
    _instead(THINGS["a file"], root)
    with unchanged(scene.up):
        scene.require("vector", refused=1)


def an_open_umask(umask: int, scene: Scene) -> None:
    """Nothing that is made is open to others, and what was made is used the next time."""
    before = os.umask(umask)
    try:
        for emitter in EMITTERS:
            scene.require(emitter, hit=False)
            scene.require(emitter, hit=True)
    finally:
        os.umask(before)
    _equal("open", [str(path) for path in scene.up.rglob("*") if path.lstat().st_mode & 0o077], [])


def only_to_be_read(emitter: str, scene: Scene) -> None:
    """A cache that was filled beforehand may only be read, by somebody else if root has filled it."""
    scene.copied(emitter)
    subprocess.run(["chmod", "-R", "a+rX" if is_root else "a-w", str(scene.up)], check=True)
    try:
        with unchanged(scene.up), _somebody():
            scene.require(emitter, hit=True)
    finally:
        subprocess.run(["chmod", "-R", "u+w", str(scene.up)], check=True)


@contextlib.contextmanager
def _somebody() -> Iterator[None]:
    """As another user with a private directory of his own, where that can be."""
    _forget_private()
    if is_root:
        os.seteuid(SOMEBODY)
    try:
        yield
    finally:
        _forget_private()
        if is_root:
            os.seteuid(0)


def _forget_private() -> None:
    """The private directory goes, as it does when a process ends."""
    from codegen.runtime import store

    while store._made:
        store.remove(store._made.pop())


def a_full_disk(emitter: str, scene: Scene) -> None:
    """The disk of the cache takes nothing more, or takes less than the entry."""
    page, pages = 4096, 6
    with tempfile.TemporaryDirectory() as elsewhere:
        entry = _filled(Path(elsewhere, "cache"), emitter).rglob("*")
        needed = sum(-(-path.stat().st_size // page) for path in entry if path.is_file())
    scene.up.mkdir()
    with _small_disk(scene.up, page * pages):
        for free in sorted({0, min(needed, pages) - 1, 3}):
            shutil.rmtree(scene.up / "cache", ignore_errors=True)
            (scene.up / "filling").write_bytes(bytes(page * (pages - free)))
            _forget_private()
            scene.require(emitter, hit=False, refused=int(free < needed))
            _equal("what is left of Numba's", [*scene.up.rglob("*.nb?")], [])


@contextlib.contextmanager
def _small_disk(path: Path, size: int) -> Iterator[None]:
    """A file system of a few pages that nobody else sees, and that goes with this process at the latest."""
    mount = shutil.which("mount")
    new_mount_namespace = 0x00020000
    if mount is None or not is_root or ctypes.CDLL(None).unshare(new_mount_namespace):
        raise SkippedError("no small file system can be mounted")
    subprocess.run([mount, "--make-rprivate", "/"], check=False, capture_output=True)
    command = [mount, "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", str(path)]
    if subprocess.run(command, capture_output=True).returncode:
        raise SkippedError("no small file system can be mounted")
    try:
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)


# --- errors strewn in ---------------------------------------------------------------------------------------------


def errors_strewn_in(number: int, scene: Scene) -> None:
    """Bits flipped, cut short, turned into directories, pipes and links, open to everyone, longer than they were."""
    emitter = EMITTERS[number % 2]
    scene.copied(emitter)
    chance = random.Random(number)
    for _ in range(chance.choice([1, 1, 3])):
        _strew(scene.up / "cache", chance)
    with unchanged(scene.outside):
        values, _, messages = scene.compiled(emitter)
    _equal("values", values, RIGHT)
    _equal("at most one warning", len(messages) <= 1, True)


def _strew(folder: Path, chance: random.Random) -> None:
    how = chance.randrange(7)
    path = chance.choice(sorted(path for path in folder.rglob("*") if how in (3, 4) or path.is_file()))
    if how == 0:
        data = bytearray(path.read_bytes() or b"x")
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
    elif how == 1:
        path.write_bytes(path.read_bytes()[: chance.randrange(path.stat().st_size + 1)])
    elif how == 2:
        path.unlink()
        path.mkdir()
    elif how == 3:
        _link(path)
    elif how == 4:
        path.chmod(0o777)
    elif how == 5:
        path.unlink()
        os.mkfifo(path, 0o600)
    else:
        path.write_bytes(path.read_bytes() + b"raise SystemExit(3)")


ATTACKS: Mapping[str, Callable[[Scene], None]] = {
    **{f"planting works, {emitter}": partial(planting_works, emitter) for emitter in EMITTERS},
    **{
        f"planted, {emitter}: {level} {how}": partial(planted_and_open, emitter, level, how)
        for emitter in EMITTERS
        for level in LEVELS
        for how in OPEN
        if (level, how) not in USUAL and (emitter == "numba" or level not in ONLY_NUMBA)
    },
    "planted where NUMBA_CACHE_DIR says": planted_for_numba_elsewhere,
    **{f"pruning beside {stranger}": partial(pruning_beside, stranger) for stranger in STRANGERS},
    **{f"clearing beside {stranger}": partial(clearing_beside, stranger) for stranger in STRANGERS},
    **{
        f"clearing: {level} {how}": partial(clearing_what_is_refused, level, how)
        for level in OF_ALL
        for how in OPEN
        if (level, how) not in USUAL
    },
    "clearing behind a link": clearing_behind_a_link,
    "a size of many digits": a_size_of_many_digits,
    **{
        f"{emitter}: {thing} instead of {level}": partial(something_instead, emitter, level, thing)
        for emitter, levels, things in REPLACED
        for level in levels
        for thing in things
    },
    "a file instead of the root": a_file_instead_of_the_root,
    **{f"umask {umask:03o}": partial(an_open_umask, umask) for umask in (0o000, 0o002)},
    **{f"only to be read, {emitter}": partial(only_to_be_read, emitter) for emitter in EMITTERS},
    **{f"a full disk, {emitter}": partial(a_full_disk, emitter) for emitter in EMITTERS},
}
