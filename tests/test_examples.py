"""Each example runs and says what it should; so does the demonstration."""

from __future__ import annotations

import io
import re
import runpy
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import symnn
from symnn.cli import app

ROOT = Path(__file__).parents[1]


def process(*arguments: object) -> str:
    """What a process of its own prints."""
    result = subprocess.run(
        [sys.executable, "-W", "error", *map(str, arguments)],
        capture_output=True, text=True, cwd=ROOT, timeout=300, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout


def run(example: str, *arguments: object) -> str:
    """What an example prints, run in this process: importing takes two seconds."""
    path, printed = ROOT / "examples" / example, io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(printed):
        patch.chdir(ROOT)
        patch.syspath_prepend(path.parent)
        patch.setattr(sys, "argv", [str(path), *map(str, arguments)])
        runpy.run_path(str(path), run_name="__main__")
    return printed.getvalue()


def test_the_lecture() -> None:
    text = run("lecture.py")
    for method in ("paths", "forward", "reverse"):
        assert f"{method:>8}: e = 6, ∂e/∂a = 2, ∂e/∂b = 5" in text
    assert "3 paths to e over 5 edges" in text
    assert "depth 40: 1,099,511,627,776 paths" in text
    assert "FAILED" not in text


@pytest.mark.slow
def test_jitted_code_calls_the_gradient() -> None:
    assert "accuracy 100.0%" in run("inside_numba.py")


@pytest.mark.slow
def test_the_spiral_is_learnt_and_drawn(tmp_path: Path) -> None:
    assert "accuracy 100.0%" in run("spiral.py", tmp_path / "spiral.png")
    assert (tmp_path / "spiral.png").read_bytes().startswith(b"\x89PNG")


def test_the_regression_finds_the_certified_values() -> None:
    text = run("regression.py")
    found = {name: float(value) for name, value in re.findall(r"(b1|b2) = (\S+) ±", text)}
    assert found == pytest.approx({"b1": 238.94212918, "b2": 5.5015643181e-4}, rel=1e-7)
    errors = [float(value) for value in re.findall(r"± (\S+)", text)]
    assert errors == pytest.approx([2.7070075241, 7.2668688436e-6], rel=1e-4)
    assert float(re.findall(r"sum of squares (\S+)", text)[0]) == pytest.approx(0.12455138894, rel=1e-8)
    assert "dr/db1·dr/db1 = Σ_i ∂r/∂b1[i]**2" in text
    by_scipy = [float(value) for value in re.findall(r"Marquardt: (\S+), (\S+) after", text)[0]]
    assert by_scipy == pytest.approx(list(found.values()), rel=1e-7)


def test_the_stiff_system_is_solved_with_its_jacobian() -> None:
    text = run("stiff.py")
    states = [[float(v) for v in line.split(", ")] for line in re.findall(r"y = (.*), total", text)]
    assert states[0] == pytest.approx([0.7158271, 9.185535e-6, 0.2841637], rel=1e-5)
    assert re.findall(r"total (\S+)", text) == ["1.000000000"] * 2
    exact, differences = (int(n) for n in re.findall(r"(\d+) with", text))
    assert exact < differences


@pytest.mark.slow
def test_burgers_is_the_exact_solution() -> None:
    text = run("burgers.py", 0.1, 60)
    assert float(text.split("exact solution: ")[1]) <= 1e-3


SOLUTIONS = {
    "heat": lambda x, t: np.exp(-(np.pi**2) * t / 10) * np.sin(np.pi * x),
    "wave": lambda x, t: np.sin(np.pi * x) * np.cos(np.pi * t),
    "poisson": lambda x, y: np.sin(np.pi * x) * np.sin(np.pi * y),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SOLUTIONS)
def test_a_spec_is_solved(name: str, tmp_path: Path) -> None:
    spec = ROOT / "examples" / f"{name}.yaml"
    result = CliRunner().invoke(app, ["solve", str(spec), "--out", str(tmp_path / "u.npz")])
    assert "root mean square of the residual" in result.stdout
    physics, points = symnn.Physics.from_spec(spec), symnn.sample([(0.0, 1.0), (0.0, 1.0)], 1000, seed=1)
    with np.load(tmp_path / "u.npz") as found:
        theta = np.concatenate([found[parameter].ravel() for parameter in physics.layout])
    exact = SOLUTIONS[name](*points.T)
    error = physics.compile().predict(theta, points)[:, 0] - exact
    assert np.linalg.norm(error) <= 0.02 * np.linalg.norm(exact)


@pytest.mark.slow
def test_heat_wave_and_poisson() -> None:
    errors = re.findall(r"(\w+): relative L2 error ([0-9.]+)%", run("differential_equations.py"))
    assert [name for name, _ in errors] == ["heat", "wave", "Poisson"]
    assert all(float(error) <= 2.0 for _, error in errors)


@pytest.mark.parametrize(("name", "parameters"), [("lenet", 1_898), ("rows", 4_362), ("lenet5", 61_706)])
def test_a_spec_of_other_layers_is_a_network(name: str, parameters: int) -> None:
    network = symnn.Network.from_spec(ROOT / "examples" / f"{name}.yaml")
    assert network.parameter_count == parameters
    assert network.gradient_graph.outputs[0] == "loss"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), [("lenet", 95.0), ("rows", 97.0)])
def test_other_layers_learn_the_digits(name: str, least: float) -> None:
    text = process("-m", "symnn", "train", ROOT / "examples" / f"{name}.yaml")
    assert float(text.split("accuracy ")[1].split("%")[0]) >= least


@pytest.mark.slow
def test_the_characters_are_learnt() -> None:
    bits = re.findall(r"epoch [0-9]+: ([0-9.]+) bits", run("characters.py"))
    assert float(bits[-1]) < 3.0 < float(bits[0])


def test_the_noise_of_a_kalman_filter_is_learnt() -> None:
    text = run("kalman.py")
    assert float(re.findall(r"differs by (\S+)", text)[0]) <= 1e-12
    pairs = re.findall(r"∂loss/∂\w+ = (\S+), by differences (\S+)", text)
    assert [float(ours) for ours, _ in pairs] == pytest.approx([float(found) for _, found in pairs], abs=1e-8)
    found = [float(value) for value in re.findall(r"a = (\S+), q = (\S+), r = (\S+);", text)[0]]
    assert found == pytest.approx([0.95, 0.25, 1.0], abs=0.15)
    assert float(re.findall(r"known to (\S+);", text)[0]) < 0.65


@pytest.mark.slow
def test_a_neural_differential_equation_goes_on_beyond_what_it_was_trained_on() -> None:
    text = run("neural_ode.py")
    assert "24 equations for 20 steps, 24 for 200" in text
    assert float(re.findall(r"over 200 steps: largest error (\S+)", text)[0]) < 0.2


@pytest.mark.slow
def test_what_a_nerve_cell_does_next() -> None:
    pytest.importorskip("matplotlib")
    text = run("neuron.py")
    names = ("the sample before", "least squares", "gated recurrent unit", "dense layers")
    before, linear, recurrent, dense = (float(re.findall(rf"(\S+)  {name}", text)[0]) for name in names)
    assert linear < before
    assert max(recurrent, dense) < 0.6 * linear


def test_the_demonstration() -> None:
    text = process("-m", "symnn.demo")
    assert "∂loss/∂W1[h,d] = Σ_s δ1[s,h]·x[s,d]" in text
    assert "gradient of loss: passed" in text
    assert float(text.split("held-out data: loss ")[1].split("accuracy ")[1].split("%")[0]) >= 96.0
