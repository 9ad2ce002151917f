"""A trained network as a formula: every language computes what the network does, and each step has its price."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy

from symnn.checkpoint import Checkpoint
from symnn.closed_form import STYLES, changes, closed_form, outputs, price, simplified
from symnn.data import Dataset, load_frame
from symnn.errors import SymnnError
from symnn.evaluation import probabilities
from symnn.network import Network, dense
from symnn.tables import from_frame
from tests.spreadsheet import evaluated

X = np.random.default_rng(0).normal(size=(60, 2)) * 3 + 1
Y = np.where((X[:, 0] - 1) * (X[:, 1] - 1) > 0, "same", "*/ other")
DATA = Dataset.from_arrays(X, Y, task="classification")
ACTIVATIONS = ("tanh", "sigmoid", "relu", "leaky_relu", "elu", "softplus", "silu", "gelu", "relu6")
SAMPLES = X[:10]


def trained(activation: str | dict[str, str], units: int = 3) -> Checkpoint:
    network = Network(2, (dense(units, activation), dense(2)), "softmax_cross_entropy")
    return Checkpoint.of(network, np.random.default_rng(1).normal(size=network.parameter_count), DATA)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_formula_is_the_network(activation: str) -> None:
    model = trained(activation)
    exact = simplified(model)[0]
    np.testing.assert_allclose(outputs(exact, SAMPLES), model.evaluated(SAMPLES), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_python_and_sympy_and_spreadsheets_compute_the_formula(activation: str) -> None:
    model = trained(activation)
    step = simplified(model, digits=4)[-1]
    expected = outputs(step, SAMPLES)
    space: dict[str, object] = {}
    exec(closed_form(model, step, "python"), space)  # of our own making
    exec(closed_form(model, step, "sympy"), space)
    for row, wanted in zip(SAMPLES, expected):
        assert space["predict"](*row) == pytest.approx(wanted, abs=1e-12)  # type: ignore[operator]
        for text, value in zip(closed_form(model, step, "spreadsheet").splitlines(), wanted):
            assert evaluated(text, dict(zip(("A2", "B2"), row))) == pytest.approx(value, abs=1e-12)
    point = dict(zip(sympy.symbols("x0 x1", real=True), SAMPLES[0]))
    for number, value in enumerate(expected[0]):
        assert float(space[f"output_{number}"].subs(point)) == pytest.approx(value, abs=1e-9)  # type: ignore[attr-defined]


@pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no gcc")
def test_c_computes_the_formula(tmp_path: Path) -> None:
    undefined = {name: {"formula": f"{name}(1, log(x), 2)"} for name in ("maximum", "minimum")}
    models = {name: trained(name) for name in ACTIVATIONS} | {name: trained(f) for name, f in undefined.items()}
    steps = {name: simplified(model, digits=3)[-1] for name, model in models.items()}
    flags = ["-std=c99", "-Wall", "-Werror", "-shared", "-fPIC"]
    for name, step in steps.items():
        source, library = tmp_path / f"{name}.c", tmp_path / f"{name}.so"
        source.write_text(closed_form(models[name], step, "c"))
        subprocess.run(["gcc", *flags, "-o", library, source, "-lm"], check=True, capture_output=True)
        predict = ctypes.CDLL(str(library)).predict
        expected = outputs(step, SAMPLES)
        assert np.isnan(expected).any() == (name in undefined)
        for row, wanted in zip(SAMPLES, expected):
            given, found = (ctypes.c_double * 2)(*row), (ctypes.c_double * 2)()
            predict(given, found)
            assert list(found) == pytest.approx(wanted, abs=1e-12, nan_ok=True)


def test_every_style_writes_a_softmax_between_layers() -> None:
    model = trained("softmax")
    step = simplified(model)[0]
    assert all(closed_form(model, step, style) for style in STYLES)
    written: dict[str, Any] = {}
    exec(closed_form(model, step, "python"), written)
    for row, expected in zip(SAMPLES, model.evaluated(SAMPLES)):
        assert written["predict"](*row) == pytest.approx(list(expected), rel=1e-14)


def test_every_style_writes_the_small_network() -> None:
    model = trained("tanh")
    step = simplified(model, digits=3)[-1]
    for style in STYLES:
        assert "anh" in closed_form(model, step, style).lower()
    with pytest.raises(SymnnError, match="format"):
        closed_form(model, step, "fortran")


def test_what_is_left_out_and_rounded_has_a_price() -> None:
    model = trained("tanh", 8)
    steps = simplified(model, digits=2, smallest=0.3)
    assert [step.title for step in steps] == [
        "as trained",
        "without weights below 0.3 of the largest",
        "rounded to 2 digits",
    ]
    assert steps[1].numbers < steps[0].numbers
    assert steps[2].numbers <= steps[1].numbers
    first, *rest = changes(model, steps)
    assert first == 0 < min(rest)
    table = from_frame({"a": X[:, 0], "b": X[:, 1], "kind": Y}, ("kind",))
    dataset = load_frame({"a": X[:, 0], "b": X[:, 1], "kind": Y}, "kind", task="classification")
    checkpoint = Checkpoint.of(model.layered, model.theta, dataset)
    lines = price(checkpoint, simplified(checkpoint, digits=1), table).splitlines()
    assert lines[0].split() == ["step", "numbers", "loss", "accuracy"]
    by_hand = probabilities(checkpoint.evaluated(X), model.network.reading)
    truth = np.array([dataset.classes.index(kind) for kind in Y])  # type: ignore[union-attr]
    assert lines[1].split()[-2] == f"{-np.log(by_hand[np.arange(len(X)), truth]).mean():.6g}"


def test_a_sign_does_not_slip_into_a_power() -> None:
    square = Network(1, (dense(1, lambda x: -(x**2)),), "mean_squared_error")
    model = Checkpoint(square, np.array([1.0, 0.0]))
    (text,) = closed_form(model, simplified(model)[-1], "spreadsheet").splitlines()
    assert text == "=-(A2^2)"  # =-A2^2 is positive in spreadsheets
    model = Checkpoint(square, np.array([1.0, -2.0]))
    assert closed_form(model, simplified(model)[-1], "spreadsheet") == "=-((A2 - 2)^2)"


def test_linear_steps_are_put_into_each_other() -> None:
    model = trained("tanh")
    assert [str(equation.target) for equation in simplified(model)[0].graph.equations] == [
        *(f"a1[s, {unit}]" for unit in range(3)),
        *(f"output[s, {unit}]" for unit in range(2)),
    ]


def test_rounding_is_to_significant_digits() -> None:
    model = trained("tanh")
    text = closed_form(model, simplified(model, digits=2)[-1])
    for number in re.findall(r"\d+\.\d+", text):
        assert len(number.replace(".", "").strip("0")) <= 2


def test_what_nobody_reads_is_refused() -> None:
    network = Network(64, (dense(32, "tanh"), dense(10)), "softmax_cross_entropy")
    with pytest.raises(SymnnError, match="found a network of 2,410 parameters, expected at most 2,000"):
        simplified(Checkpoint(network, network.initial_parameters(0)))
