"""Files that may be hostile: what is no file, what is too large, what claims to be larger than it is."""

from __future__ import annotations

import errno
import io
import os
import re
import tracemalloc
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from symnn import checkpoint, files, load_file, load_spec
from symnn.errors import DataError, SymnnError
from symnn.files import COLUMNS_VARIABLE, SIZE_VARIABLE, write_atomically
from symnn.tables import archive as archive_module
from symnn.tables import files as tables_files

MEGABYTE = 1_000_000

READERS: dict[str, Callable[[Path], object]] = {
    "spec.yaml": load_spec,
    "spec.json": load_spec,
    "model.safetensors": checkpoint.load,
    "table.csv": lambda path: load_file(path, "y"),
    "table.tsv": lambda path: load_file(path, "y"),
    "table.npz": lambda path: load_file(path, "y"),
}
PLACES = {
    "a pipe": lambda path: os.mkfifo(path),  # Windows, where these tests are skipped, has none
    "a device": lambda path: os.symlink("/dev/zero", path),
    "a directory": os.mkdir,
}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", PLACES)
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, kind: str, name: str) -> None:
    PLACES[kind](tmp_path / name)
    path = tmp_path / name
    assert refusal(path, name) == f"{path}: cannot be read: found {kind}, expected a regular file"


def test_a_full_disk_is_told_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*history\.csv'"):
        write_atomically(tmp_path / "history.csv", b"1")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", READERS)
def test_what_is_too_large_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(SIZE_VARIABLE, "2")
    with open(tmp_path / name, "wb") as file:
        file.truncate(3 * MEGABYTE)
    message = refusal(tmp_path / name, name)
    assert "found 3 million bytes, expected at most 2" in message or "expected at most 1,000,000 bytes" in message


def test_the_limit_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.csv"
    path.write_text("x,y\n1,2\n3,4\n")
    monkeypatch.setenv(SIZE_VARIABLE, "0")
    assert f"expected at most 0, which {SIZE_VARIABLE} can change" in refusal(path, path.name)
    monkeypatch.setenv(SIZE_VARIABLE, "many")
    assert refusal(path, path.name) == f"{SIZE_VARIABLE}: found 'many', expected a whole number of megabytes"
    monkeypatch.setenv(SIZE_VARIABLE, "1")
    assert len(load_file(path, "y").train.x) == 2


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "table.csv"
    path.write_text("x,y\n1,2\n3,4\n")

    def grow(*_: object) -> None:
        """Called when the size of the open file is known."""
        with path.open("a") as file:
            file.write("5,6\n")

    monkeypatch.setattr(files, "_require_regular", grow)
    assert refusal(path, path.name) == f"{path}: cannot be read: it grew meanwhile"


def archive(path: Path, *, shape: tuple[int, ...], bytes_held: int) -> None:
    """An archive of one array of zeros, which claims a shape and holds so many bytes."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("y.npy", header.getvalue() + bytes(bytes_held))


LIES = {
    "a small file of many zeros": ((4 * MEGABYTE,), 32 * MEGABYTE, "its arrays: found 32 million bytes"),
    "a header that claims more than there is": ((400 * MEGABYTE,), 8, "array 'y': damaged, or not an .npz file"),
    "a header that claims less": ((1,), 16, "array 'y': damaged, or not an .npz file"),
    "negative lengths": ((-1, -1), 8, "array 'y': damaged, or not an .npz file"),
}


def npz(path: Path, members: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


def header(descr: Any, shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue()


@pytest.mark.parametrize("descr", ["<U0", "|S0", "|V0", [], [("f", "<f8", (0,))]], ids=str)
def test_entries_of_no_width_are_refused_however_many_they_are(tmp_path: Path, descr: Any) -> None:
    path = npz(tmp_path / "table.npz", {name: header(descr, (20_000_000,)) for name in "ya"})
    assert "array 'y': found entries of no width" in refusal(path, path.name)


def test_entries_are_counted_as_the_numbers_they_become(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SIZE_VARIABLE, "20")
    path = npz(tmp_path / "table.npz", {"y": header("|i1", (4 * MEGABYTE,)) + bytes(4 * MEGABYTE)})
    assert "array 'y': its numbers: found 32 million bytes" in refusal(path, path.name)


def test_a_directory_claims_no_more_than_can_be_packed(tmp_path: Path) -> None:
    path = npz(tmp_path / "table.npz", {"y": header("<f8", (1,)) + bytes(8)})
    data = path.read_bytes()
    entry = data.rindex(b"PK\1\2") + 24
    path.write_bytes(data[:entry] + (500 * MEGABYTE).to_bytes(4, "little") + data[entry + 4 :])
    assert refusal(path, path.name) == f"{path}: damaged, or not an .npz file (ValueError)"


def test_columns_are_counted_before_each_takes_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(COLUMNS_VARIABLE, "100")
    few, many = (",".join(f"c{n}" for n in range(count)) + ",y" for count in (99, 100))
    (tmp_path / "few.csv").write_text(f"{few}\n{'1,' * 99}2\n")
    assert load_file(tmp_path / "few.csv", "y").features == 99
    (tmp_path / "wide.csv").write_text(f"{many}\n{'1,' * 100}2\n")
    (tmp_path / "long.csv").write_text("a,y\n1,2\n" + "1," * 1_601)
    np.savez(tmp_path / "arrays.npz", **dict.fromkeys(many.split(","), np.ones(3)))
    np.savez(tmp_path / "wide.npz", x=np.ones((3, 100)), y=np.ones(3))
    allowed = f"expected at most 100, which {COLUMNS_VARIABLE} can change"
    for name, found in {
        "wide.csv": f"line 1: found 101 columns, {allowed}",
        "arrays.npz": f"its directory: found 101 columns, {allowed}",
        "wide.npz": f"found 101 columns, {allowed}",
        "long.csv": "line 3: found more than 1,600 separators, expected at most 100 columns",
    }.items():
        path = tmp_path / name
        with pytest.raises(DataError, match=re.escape(f"{path}: {found}")):
            load_file(path, "y")


def test_where_memory_ends_the_file_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = npz(tmp_path / "table.npz", {"y": header("<f8", (4 * MEGABYTE,)) + bytes(32 * MEGABYTE)})

    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(archive_module, "np", SimpleNamespace(lib=np.lib, empty=full))
    assert refusal(path, path.name) == f"{path}: array 'y': ran out of memory, with 32 million bytes to read"
    monkeypatch.setattr(tables_files, "read_regular", full)
    assert refusal(path, path.name) == f"{path}: ran out of memory, with 0 million bytes to read"


@pytest.mark.parametrize(("shape", "held", "words"), LIES.values(), ids=LIES)
def test_an_archive_is_judged_by_its_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], held: int, words: str
) -> None:
    monkeypatch.setenv(SIZE_VARIABLE, "20")
    path = tmp_path / "table.npz"
    archive(path, shape=shape, bytes_held=held)
    tracemalloc.start()
    try:
        message = refusal(path, path.name)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert words in message
    assert peak < MEGABYTE


def refusal(path: Path, name: str) -> str:
    with pytest.raises(SymnnError) as caught:
        READERS[name](path)
    assert "\n" not in str(caught.value)
    return str(caught.value)
