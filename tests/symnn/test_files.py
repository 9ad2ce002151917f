"""Files that may be hostile: what is no file, what is too large, what claims to be larger than it is."""

from __future__ import annotations

import io
import os
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from symnn import checkpoint, files, load_file, load_spec
from symnn.errors import SymnnError
from symnn.files import SIZE_VARIABLE

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
