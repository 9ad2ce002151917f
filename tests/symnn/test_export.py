"""A network in C or JavaScript predicts what it predicts here, from raw rows."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from codegen.export import generate
from symnn import Network, dense, embedding
from symnn.checkpoint import Checkpoint
from symnn.export import gradient_request, prediction_request
from symnn.scaling import Scaling
from symnn.tables import Column, Features

pytestmark = pytest.mark.values

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
STRICT = ["gcc", "-std=c99", "-Wall", "-Wextra", "-pedantic", "-Wconversion", "-Werror", "-O2"]
ROWS = np.array([[1200.0, 0.5, -3.0], [900.0, 0.25, 7.0], [1100.0, 0.0, 0.0]])


def trained() -> Checkpoint:
    """A regression whose inputs and targets are scaled, and whose missing cells are means."""
    network = Network(3, (dense(4, "tanh"), dense(2)), "mean_squared_error")
    scaling = Scaling.of(np.vstack([ROWS, ROWS + 1]))
    features = Features((Column("width"), Column("*/ int main"), Column("δ")), fills=True)
    targets = Scaling(np.array([1e5, -2.0]), np.array([3e4, 0.5]))
    return Checkpoint(network, network.initial_parameters(1), scaling.mean, scaling.scale, None, targets, features)


def written(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


@needs_gcc
def test_raw_rows_go_in_and_predictions_in_the_units_of_the_targets_come_out(tmp_path: Path) -> None:
    found = trained()
    texts = generate(prediction_request(found, "flowers"), "c")
    assert "/* x[s, 1]: *%2f int main */" in texts["flowers.h"]
    written(tmp_path, texts)
    library = tmp_path / "flowers.so"
    subprocess.run([*STRICT, "-shared", "-fPIC", tmp_path / "flowers.c", "-o", library, "-lm"], check=True)
    for x in (ROWS, np.where(ROWS == 7.0, np.nan, ROWS)):
        output, workspace = np.empty((len(x), 2)), np.empty(10_000)
        addresses = [ctypes.c_void_p(array.ctypes.data) for array in (x, output, workspace)]
        assert ctypes.CDLL(str(library)).flowers(ctypes.c_ssize_t(len(x)), *addresses) == 0
        np.testing.assert_allclose(output, found.predict(x), rtol=1e-14)


@needs_gcc
def test_value_and_gradient_pass_their_self_test_in_float32(tmp_path: Path) -> None:
    network = Network(2, (dense(3, "relu"), dense(3)), "softmax_cross_entropy", weight_decay=0.01)
    written(tmp_path, generate(gradient_request(network, "net", "float32"), "c"))
    program = tmp_path / "test"
    subprocess.run([*STRICT, tmp_path / "net.c", tmp_path / "net_test.c", "-o", program, "-lm"], check=True)
    done = subprocess.run([program], capture_output=True, text=True)
    assert (done.returncode, done.stdout.split(":")[0]) == (0, "self-test")


@needs_gcc
def test_sequences_of_integers_predict_for_each_step(tmp_path: Path) -> None:
    network = Network({"time": 3}, (embedding(2, vocabulary=4), dense(2)), "mean_squared_error")
    written(tmp_path, generate(prediction_request(Checkpoint(network, network.initial_parameters()), "net"), "c"))
    program = tmp_path / "test"
    subprocess.run([*STRICT, tmp_path / "net.c", tmp_path / "net_test.c", "-o", program, "-lm"], check=True)
    done = subprocess.run([program], capture_output=True, text=True)
    assert (done.returncode, done.stdout.split(":")[0]) == (0, "self-test")


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
@pytest.mark.parametrize("what", ["prediction", "value and gradient"])
def test_modules_of_javascript_pass_their_self_test_and_fail_another(tmp_path: Path, what: str) -> None:
    network = Network(2, (dense(3, "gelu"), dense(3)), "softmax_cross_entropy", weight_decay=0.01)
    request = prediction_request(trained(), "net") if what == "prediction" else gradient_request(network, "net")
    texts = generate(request, "javascript")
    written(tmp_path, texts)
    test = tmp_path / "net_test.mjs"

    def status() -> int:
        return subprocess.run(["node", test], capture_output=True).returncode

    assert status() == 0
    test.write_text(test.read_text(encoding="utf-8").replace("const found = run(", "const found = wrong("))
    moved = "r[k].length ? r[k].map((v) => v + 1e-6) : r[k]"
    spoilt = f"const wrong = (x) => {{ const r = run(x); for (const k in r) r[k] = {moved}; return r; }};"
    test.write_text(test.read_text(encoding="utf-8").replace("const inputs", f"{spoilt}\nconst inputs"))
    assert status() == 1
