"""Files of Keras are untrusted: what is not as Keras writes it is refused in one line, and nothing else is read."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("h5py")

import h5py

from symnn.errors import CheckpointError, SpecError
from symnn.keras import load, load_weights, save_weights
from symnn.keras.files import written
from symnn.layers.attention import attention
from symnn.layers.flatten import flatten
from symnn.layers.gru import gru
from symnn.layers.residual import residual
from symnn.network import Network, dense

DENSE = "layers/dense/vars"
NETWORK = Network(2, (dense(3, "tanh"),), "mean_squared_error")
ARRAYS = {DENSE: {"kernel": np.ones((2, 3), np.float32), "bias": np.zeros(3, np.float32)}}


def described(*layers: Mapping[str, Any]) -> dict[str, Any]:
    given = {"class_name": "InputLayer", "config": {"batch_shape": [None, 2], "name": "x"}}
    return {"class_name": "Sequential", "config": {"layers": [given, *layers]}}


def a_dense(**settings: Any) -> dict[str, Any]:
    return {"class_name": "Dense", "config": {"name": "d", "units": 3, **settings}}


def archive(config: Any, weights: bytes = b"", names: tuple[str, ...] = ("config.json", "model.weights.h5")) -> bytes:
    made = io.BytesIO()
    text = config if isinstance(config, bytes) else json.dumps(config).encode()
    with zipfile.ZipFile(made, "w") as file:
        for name, content in zip(names, (text, weights)):
            file.writestr(name, content)
    return made.getvalue()


def changed(change: Callable[[Any], None]) -> bytes:
    made = io.BytesIO(written(ARRAYS))
    with h5py.File(made, "r+") as file:
        change(file)
    return made.getvalue()


def replaced(**given: Any) -> bytes:
    def change(file: Any) -> None:
        del file[f"{DENSE}/0"]
        file.create_dataset(f"{DENSE}/0", **given)

    return changed(change)


def link_out(file: Any) -> None:
    del file[f"{DENSE}/0"]
    file[f"{DENSE}/0"] = h5py.ExternalLink("/etc/hostname", "/x")


def link_in(file: Any) -> None:
    del file["layers"]
    file["layers"] = h5py.SoftLink("/")


def virtual(file: Any) -> None:
    del file[f"{DENSE}/0"]
    layout = h5py.VirtualLayout((2, 3), "f4")
    layout[...] = h5py.VirtualSource("elsewhere.h5", "x", (2, 3))
    file.create_virtual_dataset(f"{DENSE}/0", layout)


def test_weights_of_a_network_are_read_as_they_were_written(tmp_path: Path) -> None:
    network = Network({"time": 3, "features": 2}, (gru(2, output="all"), flatten(), dense(1)), "huber")
    theta = network.initial_parameters()
    save_weights(tmp_path / "a.weights.h5", network, theta)
    np.testing.assert_array_equal(load_weights(tmp_path / "a.weights.h5", network), theta)
    other = Network({"time": 3, "features": 2}, (residual(attention(1)), gru(1)), "huber")
    with pytest.raises(SpecError, match="found 'residual', expected a chain of dense"):
        save_weights(tmp_path / "b", other, other.initial_parameters())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no HDF5 file"),
        (written(ARRAYS)[:700], "no HDF5 file"),
        (written({}), "found no layers, expected the weights of a Keras 3 model"),
        (written({DENSE: {"kernel": np.ones((2, 3))}}), "found 1 arrays, expected 2: kernel, bias"),
        (written({**ARRAYS, "layers/gru/vars": {"a": np.ones(1)}}), "found weights in 'layers/gru'"),
        (replaced(data=np.ones((3, 2), np.float32)), r"shape \(3, 2\), expected kernel, real numbers with shape"),
        (replaced(shape=(1 << 40, 1 << 20), dtype="f4", chunks=(1, 1)), "found float32 with shape"),
        (replaced(data=np.ones((2, 3), np.int32)), "found int32"),
        (replaced(shape=(2, 3), dtype=h5py.special_dtype(vlen=bytes)), "found object"),
        (replaced(data=np.ones((2, 3), np.float32), compression="gzip"), "found packed or outer data"),
        (replaced(shape=(2, 3), dtype="f4", external=[("/etc/hostname", 0, 24)]), "found packed or outer data"),
        (changed(virtual), "found packed or outer data"),
        (changed(link_out), "layers/dense/vars/0: found a link"),
        (changed(link_in), "layers: found a link"),
    ],
)  # fmt: skip
def test_weights_that_are_otherwise_are_refused(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.weights.h5"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=f"a.weights.h5: .*{message}"):
        load_weights(path, NETWORK)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK", "not a .keras file"),
        (written(ARRAYS), "found no zip archive"),
        (archive({}, names=("config.json",)), "found 0 members model.weights.h5"),
        (archive(b"[" * 100_000 + b"]" * 100_000), r"the description of the model cannot be read \(RecursionError\)"),
        (archive(b"PK\x03\x04\xff"), r"\(UnicodeDecodeError\), expected the text of model.to_json\(\)"),
        (archive(b" " * 5_000_000), "config.json: found 5,000,000 bytes"),
        (archive(b"[1]"), r"found \[1\], expected a layer with class_name and config"),
        (archive(described(a_dense(units="3"))), r"layer 'd' \(Dense\): dense: found '3', expected a whole number"),
        (archive(described(a_dense(units=10**9))), r"layer 'd' \(Dense\): "),
        (archive(described(a_dense(activation={"class_name": "function"}))), "found the activation"),
        (archive(described({**a_dense(), "module": "builtins"})), "found the class 'Dense' of 'builtins'"),
        (archive(described({"class_name": "Lambda", "config": {"function": "…"}})), "unknown layer 'Lambda'"),
        (archive(described({"class_name": "Dense", "config": {}})), r"\(Dense\): its settings are not as Keras 3"),
        (archive({"class_name": "Custom", "config": {}}), "found a model 'Custom', expected Sequential or Functional"),
        (archive({"class_name": "Functional", "config": {"output_layers": ["d", 0, 0], "layers": [
            {**a_dense(), "inbound_nodes": [{"args": [
                {"class_name": "__keras_tensor__", "config": {"keras_history": ["d", 0, 0]}}]}]}]}}),
         "layer 'd' .Dense.: found the input 'd', expected a layer before it"),
    ],
)  # fmt: skip
def test_models_that_are_otherwise_are_refused(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.keras"
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=f"a.keras: .*{message}"):
        load(path)


def test_damaged_bytes_are_refused_or_give_finite_time(tmp_path: Path) -> None:
    good = archive(described(a_dense()), written(ARRAYS))
    path = tmp_path / "a.keras"
    path.write_bytes(good)
    assert load(path).network.parameter_count == 9
    generator = np.random.default_rng(0)
    for _ in range(150):
        bad = bytearray(good)
        for at in generator.integers(0, len(bad), 3):
            bad[at] = generator.integers(256)
        path.write_bytes(bytes(bad))
        with contextlib.suppress(CheckpointError):
            load(path)
