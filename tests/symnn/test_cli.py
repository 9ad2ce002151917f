"""The command line: what it prints, its exit statuses, and one line for every mistake."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from math import nan
from pathlib import Path
from typing import NoReturn
from unittest.mock import patch

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from codegen.errors import CacheError
from codegen.numeric import evaluate
from codegen.runtime.linker import linker
from codegen.runtime.store import keep, locked
from symnn import __version__, checkpoint, cli
from symnn.cli import app
from symnn.data import Dataset
from symnn.errors import DataError, SpecError
from symnn.lbfgs import Standing, lbfgs
from symnn.methods import limited_memory
from symnn.network import Network, dense
from symnn.physics import Physics
from symnn.physics_spec import load_physics
from symnn.training import Epoch, Fit, TrainingResult

pytestmark = pytest.mark.values

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "examples" / "digits.yaml"
XOR = ROOT / "examples" / "xor.yaml"
BURGERS = ROOT / "examples" / "burgers.yaml"


def process(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "symnn", *map(str, arguments)],
        capture_output=True, text=True, cwd=ROOT, timeout=300, check=False, env={**os.environ, **environment},
    )  # fmt: skip


def symnn(*arguments: object) -> subprocess.CompletedProcess[str]:
    """As ``process``, in this one: importing takes longer than most commands."""
    given = ["symnn", *map(str, arguments)]
    output, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(errors):
        patch.chdir(ROOT)
        patch.setattr(sys, "argv", given)
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            with pytest.raises(SystemExit) as end:
                cli.main()
    return subprocess.CompletedProcess(given, int(end.value.code or 0), output.getvalue(), errors.getvalue())


def invoke(*arguments: object) -> str:
    """What the command line prints, run in this process."""
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def test_train_reaches_96_percent_on_held_out_digits_and_saves(tmp_path: Path) -> None:
    result = symnn("train", DIGITS, "--out", tmp_path / "run")
    assert result.returncode == 0, result.stderr
    accuracy = float(result.stdout.split("accuracy ")[1].split("%")[0])
    assert accuracy >= 96.0
    assert result.stderr == ""  # no progress bar outside a terminal
    assert (tmp_path / "run" / "history.csv").read_text().startswith("number,training_loss")
    again = symnn("steps", XOR, "--input", "1,0", "--label", "1", "--weights", tmp_path / "run" / "model.safetensors")
    assert again.returncode == 2
    assert "another network" in again.stderr


def test_train_takes_data_from_a_file(tmp_path: Path) -> None:
    rows = "\n".join(f"{i % 7},{(i * i) % 5},{'yes' if i % 2 else 'no'}" for i in range(60))
    (tmp_path / "d.csv").write_text(f"a,b,label\n{rows}\n")
    result = symnn("train", XOR, "--data", tmp_path / "d.csv", "--target", "label", "--epochs", 3)
    assert result.returncode == 0, result.stderr
    assert "held-out data" in result.stdout


def test_how_a_file_is_read_is_said_beside_it(tmp_path: Path) -> None:
    rows = "\n".join(f"{i % 7},5;{'' if i == 9 else (i * i) % 5};{'yes' if i % 2 else 'no'}" for i in range(60))
    (tmp_path / "d.csv").write_text(f"a;b;label\n{rows}\n")
    given = ("train", XOR, "--data", tmp_path / "d.csv", "--target", "label", "--epochs", 3, "--decimal", ",")
    refused = symnn(*given)
    assert refused.returncode == 2
    assert "line 11, column 'b': found an empty cell" in refused.stderr
    result = symnn(*given, "--missing", "drop", "--separator", "semicolon")
    assert result.returncode == 0, result.stderr
    assert "(rows with missing cells left out: 1)" in result.stdout


SPEC = "inputs: 2\nlayers: [{dense: 8, activation: tanh}, {dense: 1}]\nloss: mean_squared_error\n"


def line(tmp_path: Path, extra: str = "") -> Path:
    """A spec beside its data: 60 rows of a straight line with targets around 300,000."""
    rows = "\n".join(f"{i % 7},{i % 5},{300_000 + 9_000 * (i % 7) - 500 * (i % 5)}" for i in range(60))
    (tmp_path / "d.csv").write_text(f"a,b,price\n{rows}\n")
    (tmp_path / "s.yaml").write_text(f"{SPEC}data: {{file: d.csv, target: price}}\n{extra}")
    return tmp_path / "s.yaml"


def test_a_regression_says_how_much_better_it_is_than_the_mean(tmp_path: Path) -> None:
    result = symnn("train", line(tmp_path), "--out", tmp_path)
    assert result.returncode == 0, result.stderr
    found = re.search(r"R² (\S+), root mean square error (\S+); predicting the mean: (\S+)", result.stdout)
    assert found
    r2, error, baseline = map(float, found.groups())
    assert 0.95 < r2 <= 1
    assert 1.3e4 < baseline < 2.5e4  # the deviation of 9,000 · (0 … 6) is 18,000
    assert (error / baseline) ** 2 == pytest.approx(1 - r2, abs=0.02)  # the test rows have a mean of their own
    price = checkpoint.load(tmp_path / "model.safetensors").predict(np.array([[3.0, 2.0]]))
    assert price == pytest.approx(326_000, rel=0.02)


@pytest.mark.parametrize(
    ("learning_rate", "epochs", "words"), [(1e6, 30, "diverged in epoch"), (10, 1, "none of 1 ep")]
)
def test_training_that_is_no_improvement_is_exit_status_1_and_saves_nothing(
    learning_rate: float, epochs: int, words: str, tmp_path: Path
) -> None:
    for name in ("model.safetensors", "history.csv"):
        (tmp_path / name).write_text("precious")
    spec = line(tmp_path, f"training: {{learning_rate: {learning_rate:f}, epochs: {epochs}}}\n")
    result = symnn("train", spec, "--out", tmp_path)
    assert result.returncode == 1, (result.stdout, result.stderr)
    assert result.stderr.count("\n") == 1
    assert result.stdout.count("\n") == 1  # what it trains on, and not that it has finished
    assert f"s.yaml: {words}" in result.stderr
    assert "try a learning_rate below" in result.stderr
    assert {(tmp_path / name).read_text() for name in ("model.safetensors", "history.csv")} == {"precious"}


@pytest.mark.parametrize(
    ("loss", "text"),
    [(1.2e300, "1.2e+300"), (3e-18, "3e-18"), (0.10762, "0.1076"), (0.0, "0"), (41234.6, "4.123e+04"), (nan, "nan")],
)
def test_losses_are_readable_at_any_size(loss: float, text: str) -> None:
    data = Dataset.from_arrays(np.eye(9, 2), np.arange(9.0), test_fraction=0)
    network = Network(2, (dense(1),), "mean_squared_error")
    fit = Fit(np.array([-loss]), np.array([loss]), np.array([loss]))
    epoch = Epoch(1, loss, None, None, 0.1, loss)
    result = TrainingResult(
        np.zeros(3), (epoch,), 1, "finished", loss, None, fit, 1.0, network.compile(), data, position=None
    )
    shown = cli._held_out(result)
    assert shown[0] == f"held-out data: loss {text}"
    assert f"root mean square error {text}; predicting the mean: {text}" in shown[1]
    assert max(map(len, shown)) <= 80
    unheld = replace(result, test_loss=None, test_fit=None)
    assert cli._held_out(unheld) == [f"no held-out data; training rows: loss {text}"]


def test_every_row_of_a_file_is_predicted_as_in_training(tmp_path: Path) -> None:
    """The columns in another order, categories, a decimal comma and a missing cell; against the checkpoint itself."""
    kinds, sizes = ("big", "small"), ("red", "blue")
    rows = [(i % 10, i % 2, kinds[i % 10 < 5]) for i in range(60)]
    cells = "".join(f"{'' if i == 7 else a};{sizes[b]};{i % 3};{kind}\n" for i, (a, b, kind) in enumerate(rows))
    (tmp_path / "d.csv").write_text("a;colour;zip;kind\n" + cells)
    spec = "inputs: 6\nlayers: [{dense: 8, activation: tanh}, {dense: 2}]\nloss: softmax_cross_entropy\n"
    (tmp_path / "s.yaml").write_text(f"{spec}data: {{file: d.csv, target: kind}}\n")
    options = ("--missing", "mean", "--categorical", "zip", "--out", tmp_path)
    shown = invoke("train", tmp_path / "s.yaml", *options)
    assert "accuracy 100.00%" in shown
    model = tmp_path / "model.safetensors"
    (tmp_path / "new.csv").write_text('zip\tcolour\ta\n2\tred\t"8,5"\n0\tblue\t0\n1\tblue\t\n')
    asked = (model, tmp_path / "new.csv", "--decimal", ",")
    header, *lines = invoke("predict", *asked, "--separator", "tab").splitlines()
    assert header == "class,big,small"
    assert [line.split(",")[0] for line in lines[:2]] == ["big", "small"]
    columns = {"zip": [2, 0, 1], "colour": ["red", "blue", "blue"], "a": [8.5, 0, None]}
    outputs = checkpoint.load(model).predict(columns)
    expected = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    np.testing.assert_allclose([[float(p) for p in line.split(",")[1:]] for line in lines], expected, rtol=1e-12)
    assert "(3 rows)" in invoke("predict", *asked, "--out", tmp_path / "p.csv")
    assert (tmp_path / "p.csv").read_text().splitlines() == [header, *lines]
    (tmp_path / "new.csv").write_text("zip,colour\n2,red\n")
    refused = symnn("predict", *asked[:2])
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert "found no column 'a'; the table has 'zip', 'colour'" in refused.stderr


def test_predictions_are_compared_with_the_column_they_were_trained_on(tmp_path: Path) -> None:
    rows = "".join(f"{i % 5},{i % 3},{'few' if i % 5 < 2 else 'many'}\n" for i in range(60))
    (tmp_path / "d.csv").write_text("a,b,kind\n" + rows)
    layers = "[{dense: 4, activation: tanh}, {dense: 2}]"
    spec = f"inputs: 2\nlayers: {layers}\nloss: softmax_cross_entropy\ndata: {{file: d.csv, target: kind}}\n"
    (tmp_path / "s.yaml").write_text(spec)
    invoke("train", tmp_path / "s.yaml", "--out", tmp_path)
    model = tmp_path / "model.safetensors"
    shown = invoke("evaluate", model, tmp_path / "d.csv")
    assert shown.splitlines()[0].endswith("d.csv: 60 rows")
    assert "accuracy 100.00%; always 'many': 60.00%" in shown
    few, many = (line.split() for line in shown.splitlines()[-2:])
    assert (few, many) == (["few", "24", "0"], ["many", "0", "36"])
    (tmp_path / "e.csv").write_text("a,b,other\n4,1,many\n0,1,many\n")
    assert "accuracy 50.00%" in invoke("evaluate", model, tmp_path / "e.csv", "--target", "other")
    refused = symnn("evaluate", model, tmp_path / "e.csv")
    assert refused.returncode == 2
    assert "found no column 'kind'" in refused.stderr
    assert invoke("predict", model, tmp_path / "e.csv", "--no-proba").splitlines() == ["class", "many", "few"]


def test_a_regression_is_predicted_in_the_units_of_its_targets(tmp_path: Path) -> None:
    assert "R²" in invoke("train", line(tmp_path), "--out", tmp_path)
    header, price, *_ = invoke("predict", tmp_path / "model.safetensors", tmp_path / "d.csv").splitlines()
    assert header == "output"
    assert float(price) == pytest.approx(300_000, rel=0.03)


@pytest.mark.parametrize("arguments", [[], ["--format", "latex"]])
def test_formulas_show_the_textbook_gradient(arguments: list[str]) -> None:
    result = symnn("formulas", DIGITS, *arguments)
    assert result.returncode == 0, result.stderr
    wanted = r"\frac{\partial" if arguments else "∂loss/∂W1[h,d] = Σ_s δ1[s,h]·x[s,d]"
    assert wanted in result.stdout


def test_solve_says_what_is_left_and_saves(tmp_path: Path) -> None:
    result = symnn("solve", ROOT / "examples" / "heat.yaml", "--iterations", 5, "--out", tmp_path / "u.npz")
    assert result.returncode == 0, result.stderr
    assert "337 parameters, points: interior 400, initial 50, ends 50" in result.stdout
    assert "after 5 iterations" in result.stdout
    assert result.stdout.count("root mean square of the residual") == 3
    with np.load(tmp_path / "u.npz") as saved:
        assert saved["W1"].shape == (16, 2)


def test_ctrl_c_in_solve_writes_the_best_so_far(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*arguments: object, **options: object) -> Iterator[Standing]:
        for number, iterate in enumerate(lbfgs(*arguments, **options)):  # type: ignore[arg-type]
            if number == 3:
                signal.raise_signal(signal.SIGINT)
            yield iterate

    monkeypatch.setattr(limited_memory, "lbfgs", interrupted)
    # A shell that starts the tests in the background has them ignore the signal.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        cli.solve(ROOT / "examples" / "heat.yaml", tmp_path / "u.npz", iterations=1000)
    finally:
        signal.signal(signal.SIGINT, handler)
    shown = capsys.readouterr().out
    assert re.search(r"loss \S+ after 3 iterations in \S+ s \(interrupted\)", shown)
    physics = Physics.from_spec(ROOT / "examples" / "heat.yaml")
    with np.load(tmp_path / "u.npz") as saved:
        assert set(saved) == set(physics.layout)
        assert not np.array_equal(saved["W1"], physics.split(physics.initial_parameters(0))["W1"])


def test_a_format_that_needs_numbers_says_so() -> None:
    with pytest.raises(SpecError, match="--format: found 'c', expected --numbers beside it, or text or latex"):
        cli.formulas(XOR, cli.Style.c)


def interrupted(*arguments: object, **options: object) -> NoReturn:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("command", "spec", "broken", "out"),
    [
        (cli.solve, "heat.yaml", "symnn.physics.Physics.from_spec", "u.npz"),
        (cli.solve, "heat.yaml", "symnn.physics.Physics.compile", "u.npz"),
        (cli.solve, "heat.yaml", "symnn.solving._descend", "u.npz"),
        (cli.train, "digits.yaml", "symnn.cli._network", "run"),
        (cli.train, "digits.yaml", "symnn.network.Network.compile", "run"),
        (cli.train, "digits.yaml", "symnn.training.Run.__call__", "run"),
    ],
)
def test_ctrl_c_before_the_first_step_says_so_and_overwrites_nothing(
    command: Callable[..., None],
    spec: str,
    broken: str,
    out: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(broken, interrupted)
    (tmp_path / "u.npz").write_text("of before")
    with pytest.raises(typer.Exit) as raised:
        command(ROOT / "examples" / spec, out=tmp_path / out)
    assert raised.value.exit_code == 130
    assert re.search("nothing was computed yet|interrupted before the first epoch .*saved", capsys.readouterr().err)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["u.npz"]
    assert (tmp_path / "u.npz").read_text() == "of before"


def test_solve_makes_no_iterations_where_none_are_asked_for_and_warns_in_one_line(tmp_path: Path) -> None:
    text = FIRST_ORDER.replace("tanh", "relu").replace("u_x = u", "u_xx = u")
    (tmp_path / "relu.yaml").write_text(text, encoding="utf-8")
    result = symnn("solve", tmp_path / "relu.yaml", "--iterations", 0)
    assert result.returncode == 0, result.stderr
    assert "after 0 iterations" in result.stdout
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("symnn: warning: residuals.inside: u_xx is 0 for every network")


FILES: dict[str, tuple[bytes, str]] = {
    "an empty file": (b"", "expected a mapping of fields, found an empty file"),
    "blanks": (b" \n\n", "expected a mapping of fields, found an empty file"),
    "what is not text": (b"\x7fELF\xff\x00", "expected UTF-8 text, found byte 0xff at 4"),
    "what is not YAML": (b"inputs: [", "line 1, column 10"),
}


@pytest.mark.parametrize("what", FILES)
def test_a_file_without_equations_is_one_line_and_exit_status_2(what: str, tmp_path: Path) -> None:
    content, message = FILES[what]
    (tmp_path / "s.yaml").write_bytes(content)
    result = symnn("solve", tmp_path / "s.yaml")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert f"s.yaml: {message}" in result.stderr


def test_a_file_that_may_not_be_read_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "s.yaml").write_text("inputs: 1")
    monkeypatch.setattr(os, "open", refuse)  # root may read everything
    with pytest.raises(SpecError, match=r"s\.yaml: cannot be read: Permission denied"):
        load_physics(tmp_path / "s.yaml")


def test_a_wrong_equation_is_one_line_and_exit_status_2(tmp_path: Path) -> None:
    text = (ROOT / "examples" / "burgers.yaml").read_text(encoding="utf-8")
    (tmp_path / "wrong.yaml").write_text(text.replace("u*u_x", "u*u_y"), encoding="utf-8")
    result = symnn("solve", tmp_path / "wrong.yaml")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "wrong.yaml: residuals.interior.equation: column 9: 'u_y' is not a known name" in result.stderr


def test_formulas_neuron_by_neuron() -> None:
    result = symnn("formulas", XOR, "--level", "neurons")
    assert result.returncode == 0, result.stderr
    assert "W1[0,1]" in result.stdout


@pytest.mark.slow
def test_compare_writes_a_table(tmp_path: Path) -> None:
    result = symnn("compare", XOR, "--out", tmp_path / "table.md")
    assert result.returncode == 0, result.stderr + result.stdout
    assert "xor, loss, hessian" in result.stdout
    assert "all agree" in (tmp_path / "table.md").read_text()


def test_compare_has_rows_by_name() -> None:
    result = symnn("compare", "--quick", "--only", "tanh at special points, jacobian")
    assert result.returncode == 0, result.stderr + result.stdout
    assert "1 rows, 4 comparisons, all agree" in result.stdout
    result = symnn("compare", "--quick", "--only", "sigmoid")
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "--only: no row's name contains 'sigmoid', expected a part of one like 'tanh, jac" in result.stderr


def test_check_passes_on_a_right_gradient() -> None:
    result = symnn("check", XOR, "--exact")
    assert result.returncode == 0, result.stderr
    assert "complex" in result.stdout
    assert "exact" in result.stdout


def test_check_has_exit_status_1_on_a_wrong_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    from symnn import verify

    right = verify.check_gradient

    def wrong(*positional, gradient, **named):  # type: ignore[no-untyped-def]
        planted = {name: np.array(value) for name, value in gradient.items()}
        planted["W1"][1, 0] *= 1.001
        return right(*positional, gradient=planted, **named)

    monkeypatch.setattr(verify, "check_gradient", wrong)
    result = CliRunner().invoke(app, ["check", str(XOR)])
    assert result.exit_code == 1
    assert "FAILED" in result.stdout
    assert "W1[1, 0]" in result.stdout


def test_steps_show_values_and_gradients() -> None:
    result = symnn("steps", XOR, "--input", "1,0", "--label", "1")
    assert result.returncode == 0, result.stderr
    assert "W1" in result.stdout
    assert "∂loss" in result.stdout


def test_steps_give_every_iris_the_class_that_the_checkpoint_predicts(tmp_path: Path) -> None:
    iris = pytest.importorskip("sklearn.datasets").load_iris()
    table = np.column_stack([iris.data, iris.target])
    np.savetxt(tmp_path / "d.csv", table, "%g", ",", header="a,b,c,d,kind", comments="")
    (tmp_path / "s.yaml").write_text(
        "inputs: 4\nlayers: [{dense: 8, activation: tanh}, {dense: 3}]\nloss: softmax_cross_entropy\n"
        "data: {file: d.csv, target: kind}\n"
    )
    assert symnn("train", tmp_path / "s.yaml", "--out", tmp_path).returncode == 0
    weights = tmp_path / "model.safetensors"
    trained = checkpoint.load(weights)
    predicted = trained.predict(iris.data).argmax(axis=1)
    assert (predicted == iris.target).mean() > 0.9
    given = [",".join(map(str, row)) for row in iris.data]
    # What the command shows; to show it takes half a second a row.
    samples = [cli._sample(trained, row, "0", None) for row in given]
    values = {**samples[0], "x": np.concatenate([sample["x"] for sample in samples])}
    del values["y"]
    np.testing.assert_array_equal(evaluate(trained.network.forward_graph, values)["output"].argmax(axis=1), predicted)
    for row, kind in zip(given[::75], predicted[::75], strict=True):
        shown = invoke("steps", tmp_path / "s.yaml", "--input", row, "--label", 0, "--weights", weights)
        assert shown.startswith("x is standardised as in training")
        outputs = re.findall(r"^ *output\[0,\d\] = .* = (\S+)$", shown, re.MULTILINE)
        assert np.argmax([float(number.replace("−", "-")) for number in outputs]) == kind


LABELS: dict[str, tuple[tuple[str, ...] | None, int | str]] = {
    "1": (("daisy", "rose"), 1),
    "rose": (("daisy", "rose"), 1),
    "2": (("2", "3"), 0),  # a name before a number
    "lily": (("daisy", "rose"), "expected a class from 0 to 1, found 'lily', or its name (known: daisy, rose)"),
    "²": (None, "expected a class from 0 to 1, found '²'"),
    "9" * 5000: (None, "expected a class from 0 to 1, found '999"),
}


@pytest.mark.parametrize("label", LABELS, ids=lambda label: label[:9])
def test_a_label_is_the_name_of_a_class_or_its_number(label: str) -> None:
    classes, expected = LABELS[label]
    network = Network.from_spec(XOR)
    trained = checkpoint.Checkpoint(network, network.initial_parameters(), classes=classes)
    if isinstance(expected, int):
        assert cli._target(trained, label, None) == [expected]
    else:
        with pytest.raises(DataError, match=re.escape(f"--label: {expected}")):
            cli._target(trained, label, None)


def test_steps_standardise_the_target_too(tmp_path: Path) -> None:
    spec = line(tmp_path)
    assert symnn("train", spec, "--out", tmp_path).returncode == 0
    weights = tmp_path / "model.safetensors"
    shown = invoke("steps", spec, "--input", "3,2", "--target", 326_000, "--weights", weights)
    (loss,) = re.findall(r"^ *loss = .* = (\S+)$", shown, re.MULTILINE)
    plain = loss.replace("·10", "e").translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
    assert float(plain) < 0.01  # of standardised targets; 1e11 of those as they are


def test_compile_writes_onnx(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from symnn.onnx import load

    assert "grad_xor.onnx" in invoke("compile", XOR, "--target", "onnx", "--out", tmp_path)
    assert load(tmp_path / "grad_xor.onnx").graph.outputs[0] == "loss"


@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
def test_compile_writes_a_module_that_tests_itself(dtype: str, tmp_path: Path) -> None:
    result = symnn("compile", XOR, "--out", tmp_path / "xor.py", "--dtype", dtype)
    assert result.returncode == 0, result.stderr
    # Without the packages of this project, and without SciPy, which only BLAS would need.
    program = (
        "import sys, runpy; sys.modules.update(dict.fromkeys(['scipy', 'sympy', 'symnn', 'codegen']));"
        f"runpy.run_path({str(tmp_path / 'xor.py')!r}, run_name='__main__')"
    )
    test = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert test.returncode == 0, test.stderr
    assert "largest deviation" in test.stdout


def test_compile_writes_what_a_model_needs_into_each_target(tmp_path: Path) -> None:
    model = tmp_path / "model.safetensors"
    network = Network.from_spec(XOR)
    checkpoint.save(model, network, network.initial_parameters(0))
    assert "model.py" in invoke("compile", model, "--out", tmp_path / "model.py")
    assert "def predict(x):" in (tmp_path / "model.py").read_text(encoding="utf-8")
    invoke("compile", XOR, "--model", model, "--out", tmp_path / "same.py")
    assert (tmp_path / "same.py").read_bytes() == (tmp_path / "model.py").read_bytes()
    invoke("compile", model, "--target", "c", "--out", tmp_path)
    assert "theta" not in (tmp_path / "model.h").read_text(encoding="utf-8").split("*/")[-1]


def test_compile_writes_c_with_a_self_test(tmp_path: Path) -> None:
    result = symnn("compile", XOR, "--target", "c", "--out", tmp_path / "made")
    assert result.returncode == 0, result.stderr
    assert {p.name for p in (tmp_path / "made").iterdir()} == {"xor_.c", "xor_.h", "xor__test.c", "CMakeLists.txt"}
    assert "cmake -S" in result.stdout


@pytest.mark.skipif(linker() is None, reason="there is no linker for WebAssembly")
def test_compile_writes_webassembly_with_a_self_test(tmp_path: Path) -> None:
    result = symnn("compile", XOR, "--target", "webassembly", "--out", tmp_path)
    assert result.returncode == 0, result.stderr
    assert {p.name for p in tmp_path.iterdir()} == {"xor_.wasm", "xor_.mjs", "xor__test.mjs"}
    assert f"test: node {tmp_path}/xor__test.mjs" in result.stdout


BAD = {
    "no such file": (["train", "nope.yaml"], "nope.yaml"),
    "not a spec": (["formulas", "README.md"], "README.md"),
    "too few inputs": (["steps", XOR, "--input", "1", "--label", "0"], "--input: expected 2 numbers, found 1"),
    "not numbers": (["steps", XOR, "--input", "1,x", "--label", "0"], "--input: expected numbers"),
    "no label": (["steps", XOR, "--input", "1,0"], "--label: expected a class from 0 to 1, found none"),
    "a label that is no class": (["steps", XOR, "--input", "1,0", "--label", "2"], "expected a class from 0 to 1"),
    "a label below all": (["steps", XOR, "--input", "1,0", "--label", "-1"], "--label: expected a class from 0 to 1"),
    "a name for a label": (
        ["steps", XOR, "--input", "1,0", "--label", "rose"],
        "--label: expected a class from 0 to 1, found 'rose'; --weights knows the names",
    ),
    "no data": (["train", XOR], "data: expected a data set"),
    "no target": (["train", XOR, "--data", "x.csv"], "--target"),
    "no data file": (["train", XOR, "--data", "x.csv", "--target", "y"], "x.csv"),
    "a machine for C": (
        ["compile", XOR, "--target", "c", "--out", "x", "--triple", "wasm32"],
        "--triple: expected",
    ),
    "an unknown machine": (
        ["compile", XOR, "--target", "object", "--out", "x", "--triple", "z80"],
        "triple: found 'z80', exp",
    ),
    "two models": (
        ["compile", "a.safetensors", "--out", "x.py", "--model", "m"],
        "--model: found m beside the model a.safetensors, expected one of them",
    ),
    "C into a file": (["compile", XOR, "--target", "c", "--out", XOR], "--out: expected a directory, found the file"),
    "weights that are none": (
        ["compile", XOR, "--target", "c", "--out", "x", "--model", XOR],
        "xor.yaml: damaged, or not",
    ),
    "not a python file": (["compile", XOR, "--out", "x.txt"], "--out: expected a file that ends in .py"),
    "equations for a network": (["formulas", BURGERS], "expected a spec of a network, found one of differential equat"),
    "equations to train": (["train", BURGERS], "found one of differential equations, for 'symnn solve'"),
    "equations to compare": (["compare", BURGERS], "found one of differential equations, for 'symnn solve'"),
    "a network to solve": (["solve", XOR], "expected a spec of differential equations, found one of a network"),
    "nothing to solve": (["solve", "nope.yaml"], "nope.yaml: cannot be read: No such file or directory"),
    "a directory": (["solve", ROOT], "expected a file that ends in .yaml, .yml, .json, found a directory"),
    "an archive that is a directory": (["solve", BURGERS, "--out", "."], "--out: expected a file that ends in .npz"),
    "no such directory": (["compile", XOR, "--out", "nowhere/x.py"], "nowhere"),
    "no model": (["predict", "nope.safetensors", "x.csv"], "nope.safetensors: cannot be read: No such file"),
    "a model that is none": (["predict", XOR, "x.csv"], "xor.yaml: damaged, or not a safetensors file"),
    "predictions into no file": (["predict", XOR, "x.csv", "--out", "x"], "--out: expected a file that ends in .csv"),
    "not weights": (["steps", XOR, "--input", "1,0", "--label", "0", "--weights", XOR], "xor.yaml"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_one_line_and_exit_status_2(what: str) -> None:
    arguments, words = BAD[what]
    result = symnn(*arguments)
    assert result.returncode == 2, (result.stdout, result.stderr)
    assert words in result.stderr
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr


def test_a_network_too_large_to_write_out_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(DIGITS.read_text().replace("dense: 32", "dense: 3200"))
    result = symnn("formulas", tmp_path / "s.yaml", "--level", "neurons")
    assert result.returncode == 2
    assert "equations" in result.stderr


def test_debug_shows_the_traceback() -> None:
    """Python does, of an error that nobody catches."""
    with pytest.raises(SpecError, match=r"nope\.yaml"):
        symnn("train", "nope.yaml", "--debug")


def test_a_misspelt_name_is_named_with_its_field(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(DIGITS.read_text().replace("tanh", "tahn"))
    result = symnn("check", tmp_path / "s.yaml")
    assert result.returncode == 2
    assert "layers[0].activation: unknown activation 'tahn'; did you mean 'tanh'?" in result.stderr


@pytest.mark.parametrize("command", ["train", "predict", "solve", "formulas", "check", "steps", "compile"])
def test_every_command_has_help_with_an_example(command: str) -> None:
    result = symnn(command, "--help")
    assert result.returncode == 0
    assert f"Example: symnn {command} " in " ".join(result.stdout.split())
    assert result.stdout.count("\n") <= 50  # a screen


@pytest.mark.parametrize(
    "encoding", ["cp1252", *(pytest.param(name, marks=pytest.mark.slow) for name in ("ascii", "latin-1", "shift_jis"))]
)
def test_what_an_encoding_cannot_show_is_written_in_ascii(encoding: str) -> None:
    arguments = [sys.executable, "-m", "symnn", "formulas", str(XOR)]
    result = subprocess.run(
        arguments, capture_output=True, cwd=ROOT, check=True, env={**os.environ, "PYTHONIOENCODING": encoding}
    )
    text = result.stdout.decode(encoding)
    product = {"ascii": "*", "latin-1": "·", "cp1252": "·"}.get(encoding, "*")
    assert re.search(rf"[d∂]loss/[d∂]W1\[h,d\] = (sum|Σ)_s (delta|δ)1\[s,h\]{re.escape(product)}x\[s,d\]", text)
    assert result.stderr == b""


def test_what_a_program_prints_itself_comes_in_ascii_where_it_is_asked_for() -> None:
    program = "import symnn; print(symnn.Network(2, [symnn.dense(1)], 'mse').forward_graph)"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii:symnn.ascii_notation"}
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, env=environment)
    assert "z1[s, t] = sum_d W1[t, d]*x[s, d]" in result.stdout, result.stderr


@pytest.mark.skipif(os.name != "posix", reason="pipes of another kind")
@pytest.mark.parametrize("unbuffered", ["", pytest.param("1", marks=pytest.mark.slow)])
def test_a_reader_that_has_gone_is_no_failure(unbuffered: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    result = subprocess.run(
        [sys.executable, "-m", "symnn", "formulas", str(XOR)],
        stdout=writing, stderr=subprocess.PIPE, cwd=ROOT, check=False,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )  # fmt: skip
    os.close(writing)
    assert (result.returncode, result.stderr) == (0, b"")


FIRST_ORDER = """
inputs: {x: [0, 1]}
unknowns: u
layers: [{dense: 2, activation: tanh}, {dense: 1}]
residuals: {inside: {equation: "u_x = u", points: 5}}
"""


@pytest.mark.skipif(os.name != "posix", reason="pipes of another kind")
@pytest.mark.parametrize(
    ("rest", "status", "saved"),
    [
        pytest.param(["train", "{spec}", "--out", "{here}"], 0, "model.safetensors", id="train"),
        pytest.param(
            ["train", "{spec}", "--out", "{here}", "--epochs", "1"],
            1,
            None,
            marks=pytest.mark.slow,
            id="no improvement",
        ),
        pytest.param(
            ["solve", "{here}/first.yaml", "--iterations", "2", "--out", "{here}/u.npz"],
            0,
            "u.npz",
            marks=pytest.mark.slow,
            id="solve",
        ),
    ],
)
def test_nothing_is_lost_when_the_reader_has_gone(
    rest: list[object], status: int, saved: str | None, tmp_path: Path
) -> None:
    spec = line(tmp_path, "" if saved else "training: {learning_rate: 10}\n")
    (tmp_path / "first.yaml").write_text(FIRST_ORDER)
    reading, writing = os.pipe()
    os.close(reading)
    result = subprocess.run(
        [sys.executable, "-um", "symnn", *(str(part).format(spec=spec, here=tmp_path) for part in rest)],
        stdout=writing, stderr=writing, cwd=ROOT, check=False,
    )  # fmt: skip
    os.close(writing)
    assert result.returncode == status
    assert [path.name for path in tmp_path.iterdir() if path.suffix in (".safetensors", ".npz")] == [saved] * bool(
        saved
    )


USAGE = {
    "an unknown command": (["tran"], "symnn: No such command 'tran'"),
    "an unknown option": (["train", XOR, "--epoch", "3"], "No such option: --epoch"),
    "no spec": (["train"], "symnn: Missing argument 'SPEC'"),
    "no number": (["train", XOR, "--epochs", "many"], "'--epochs'"),
    "a number out of range": (["train", XOR, "--epochs", "0"], "'--epochs'"),
    "an unknown choice": (["train", XOR, "--dtype", "float16"], "float16"),
    "one argument too many": (["formulas", XOR, XOR], "unexpected extra argument"),
}


@pytest.mark.parametrize("what", USAGE)
def test_wrong_usage_is_one_line_and_exit_status_2(what: str) -> None:
    arguments, words = USAGE[what]
    result = symnn(*arguments)
    assert (result.returncode, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert words in result.stderr
    assert "--help)" in result.stderr


def test_the_version_and_what_is_said_without_a_command() -> None:
    assert process("--version").stdout == f"symnn {__version__}\n"
    result = symnn()
    assert result.returncode == 0
    assert "solve" in result.stdout


def test_a_shell_completes_commands() -> None:
    result = process(_SYMNN_COMPLETE="complete_bash", COMP_WORDS="symnn tr", COMP_CWORD="1")
    assert result.stdout.split() == ["train"]


def test_the_cache_is_shown_and_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMNN_CACHE_DIR", str(tmp_path))
    with locked("0" * 40) as place:
        assert place is not None
        keep(place / "code", bytes(2_000_000))
    mine = tmp_path / "modules" / "mycode" / "file"
    mine.parent.mkdir()
    mine.write_bytes(bytes(1_000_000))
    run = CliRunner().invoke
    size = "2.0 million bytes, at most 512 (SYMNN_CACHE_MEGABYTES)"
    assert run(app, ["cache"]).stdout == f"{tmp_path}/modules: 1 compiled functions, {size}\n"
    assert "removed 2.0 million bytes" in run(app, ["cache", "--clear"]).stdout
    assert run(app, ["cache"]).stdout.startswith(f"{tmp_path}/modules: 0 compiled functions, 0.0 million")
    assert mine.exists()


@pytest.mark.skipif(os.name != "posix", reason="links are for everyone")
def test_a_cache_that_is_refused_is_not_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMNN_CACHE_DIR", str(tmp_path / "cache"))
    file = tmp_path / "victim" / ("0" * 40) / "code"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"somebody's")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "modules").symlink_to(tmp_path / "victim")
    with pytest.raises(CacheError, match=r"the cache is refused and left as it is: .*modules is a symbolic link"):
        CliRunner().invoke(app, ["cache", "--clear"], catch_exceptions=False)
    assert file.exists()


@pytest.mark.skipif(not Path("/bin/sh").exists(), reason="a shell closes the output")
def test_an_output_that_is_closed_from_the_start_is_no_failure() -> None:
    command = ["/bin/sh", "-c", f"{sys.executable} -m symnn --version >&-"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert (result.returncode, result.stderr) == (0, "")


INTERRUPTED_WHILE_IMPORTING = """
import os, signal, sys
from symnn.__main__ import main

# Whoever starts the tests in the background has them ignore the signal.
signal.signal(signal.SIGINT, signal.default_int_handler)

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
sys.argv[1:] = ["formulas", "examples/xor.yaml"]
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")
@pytest.mark.parametrize(("name", "status"), [("typer", -signal.SIGINT), ("symnn.inspect.formulas", 130)])
def test_an_interruption_of_the_imports_is_silent(name: str, status: int) -> None:
    program = INTERRUPTED_WHILE_IMPORTING.format(name=name)
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert (ended.returncode, ended.stdout, ended.stderr) == (status, "", "")


@patch.multiple("symnn.report.counts", DEPTHS=(1, 2), WIDTHS=(1, 2))
def test_report_writes_a_page_of_a_trained_network(tmp_path: Path) -> None:
    rows = "".join(f"{x / 10},{x / 5 + 1}\n" for x in range(20))
    (tmp_path / "line.csv").write_text("x,y\n" + rows)
    spec = tmp_path / "line.yaml"
    spec.write_text(
        "{inputs: 1, layers: [{dense: 1}], loss: mean_squared_error, data: {file: line.csv, target: y}, "
        "training: {epochs: 2}}"
    )
    invoke("train", spec, "--out", tmp_path / "run")
    said = invoke("report", spec, "--model", tmp_path / "run" / "model.safetensors", "--out", tmp_path / "line.html")
    assert re.fullmatch(r"wrote .*line\.html \([0-9,]+ bytes\)\n", said)
    page = (tmp_path / "line.html").read_text()
    assert page.count("<section ") == 8  # network, formulas, steps, paths, code, check, training, learning here
    assert "2 epochs" in page


def test_report_wants_a_page_to_write() -> None:
    result = symnn("report", XOR, "--out", "page.txt")
    assert result.returncode == 2
    assert result.stderr.startswith("symnn: --out: expected a file that ends in .html")
