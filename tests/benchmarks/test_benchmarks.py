"""The benchmark measures what it says: right results, and tables that hold them."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tests.benchmarks import __main__ as command
from tests.benchmarks import derivatives, training
from tests.benchmarks.cases import CASES, TOLERANCE, Case, Problem, difference, problem, reference
from tests.benchmarks.measure import Note, Row, Run, measure_case
from tests.benchmarks.peers import PEERS, Peer, Prepared, WrongResult
from tests.benchmarks.rendering import calls_table, compile_table, figure, import_table, markdown, speeds_table
from tests.benchmarks.roofline import roofline
from tests.benchmarks.startup import Start, Startup
from tests.benchmarks.startup import measure as measure_startup
from tests.benchmarks.timing import interleaved

pytestmark = pytest.mark.values

SMALL = [CASES["A"], CASES["odd"], Case("linear", (5, 4), 3), Case("two hidden", (3, 9, 5, 2), 11)]
RATES = {"flop": 1e-10, "tanh": 1e-9, "exp": 2e-9, "log": 3e-9}


@pytest.mark.parametrize(
    ("case", "dtype"),
    list(zip(SMALL, ["float32", "float32", "float64", "float64"])),
    ids=["A", "odd", "linear", "two hidden"],
)
def test_our_own_gradient_is_the_reference(case, dtype):
    data = problem(case, dtype)
    prepared, seconds = PEERS["symnn"].prepare(data)
    assert difference(prepared.read(prepared.call()), reference(data)) <= TOLERANCE[dtype]
    assert seconds > 0
    assert prepared.schedule


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_numpy_by_hand_is_the_reference_every_time(case, dtype):
    data = problem(case, dtype)
    prepared, _ = PEERS["NumPy"].prepare(data)
    results = [prepared.read(prepared.call()) for _ in range(2)]
    assert all(difference(result, reference(data)) <= TOLERANCE[dtype] for result in results)


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_the_reference_is_the_slope_of_its_loss(case):
    data = problem(case)
    direction = np.random.default_rng(1).normal(size=data.theta.shape)
    step = 1e-6
    ahead, behind = (reference(replace(data, theta=data.theta + sign * step * direction))[0] for sign in (1, -1))
    assert (ahead - behind) / (2 * step) == pytest.approx(reference(data)[1] @ direction, rel=1e-7)


def test_case_names_are_their_keys_and_peers_have_unique_names():
    assert all(name == case.name for name, case in CASES.items())
    assert [name for name, peer in PEERS.items() if peer.ours] == ["symnn", "bound"]


def test_the_contractions_are_counted_without_the_gradient_of_the_data():
    # 784·128 twice, 128·10 three times, two operations each.
    assert CASES["F"].flops == 2 * 128 * (2 * 784 * 128 + 3 * 128 * 10)


def test_the_roofline_adds_products_and_functions():
    functions = 32 * (32 * 1e-9 + 10 * 2e-9 + 3e-9)
    expected = (CASES["D"].flops * 1e-10 + functions) * 1e6
    assert roofline(CASES["D"], RATES) == pytest.approx(expected)
    assert roofline(CASES["D"], RATES, threads=2) == pytest.approx(expected / 2)


@pytest.mark.parametrize(
    ("loss", "gradient"),
    [(1.0 + 1e-9, [0.0, 2.0]), (1.0, [0.0, 2.0 + 1e-9]), (1.0, [0.0, np.nan]), (1.0, [0.0]), (np.inf, [0.0, 2.0])],
)
def test_a_difference_is_seen_wherever_it_is(loss, gradient):
    assert not difference((loss, np.array(gradient)), (1.0, np.array([0.0, 2.0]))) <= 1e-12


def a_peer(builder: Callable[[Problem], Prepared]) -> Peer:
    class Given(Peer):
        def load(self):
            return SimpleNamespace(build=builder)

    return Given("given", "", "build", "")


def slightly_wrong(data: Problem) -> Prepared:
    loss, gradient = reference(data)
    return Prepared(lambda: (loss, gradient * (1 + 1e-9)), lambda returned: returned)


def test_a_wrong_result_is_not_timed():
    with pytest.raises(WrongResult, match=r"differs by .*e-1\d, allowed 1e-12: not timed"):
        a_peer(slightly_wrong).prepare(problem(CASES["odd"]))
    row, notes = measure_case(CASES["odd"], "float64", [a_peer(slightly_wrong), PEERS["NumPy"]], seconds=0)
    assert list(row.times) == ["NumPy"]
    assert [(note.peer, note.failed) for note in notes] == [("given", True)]


def test_a_library_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "casadi", None)
    monkeypatch.delitem(sys.modules, "tests.benchmarks.peers.casadi_c", raising=False)
    row, notes = measure_case(CASES["A"], "float64", [PEERS["CasADi"]], seconds=0)
    assert not row.times
    assert notes == [Note("CasADi", "A", "float64", "casadi is not installed")]


def test_calls_are_interleaved_forth_and_back():
    called = []
    calls = {name: lambda name=name: (called.append(name), time.sleep(0.003)) for name in "ab"}
    times = interleaved(calls, seconds=0)
    assert "".join(called).endswith("abbaabbaabbaab")
    assert all(3e3 <= found < 1e5 for found in times.values())


# --- tables -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def run() -> Run:
    """Two cases; the second one without a time for everyone."""
    times = {"symnn": 2.0, "bound": 1.0, "NumPy": 26.0, "JAX": 10.0}
    start = Start(0.5, 0.3, 0.9, 0.8)
    return Run(
        "a machine",
        1,
        {"float64": RATES, "float32": RATES},
        [Row(CASES["A"], "float64", "loops", times), Row(CASES["odd"], "float32", "blas", {"symnn": 3.0})],
        [
            Startup("symnn", "A", "float64", start, start),
            Startup("JAX", "A", "float64", start, replace(start, code=None)),
        ],
        [Note("bound", case, "float64", "it rests") for case in ("A", "odd")]
        + [Note("JAX", "odd", "float32", "it fails")],
    )


def cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


@pytest.mark.parametrize("table", [calls_table, compile_table, import_table, speeds_table], ids=lambda f: f.__name__)
def test_every_row_of_a_table_has_every_column(run, table):
    header, line, *rows = cells(table(run))
    assert rows
    assert set(line) == {"---"}
    assert all(len(row) == len(header) and all(row) for row in [line, *rows])


def test_the_table_holds_what_was_measured(run):
    header, _, *rows = cells(calls_table(run))
    first, second = (dict(zip(header, row)) for row in rows)
    least = roofline(CASES["A"], RATES)
    assert (first["best peer"], first["symnn × best"], first["bound × best"]) == ("JAX", "5.00", "10.0")
    assert float(first["symnn × roofline"]) == pytest.approx(2 / least, rel=5e-3)
    assert (second["best peer"], second["symnn × best"], second["NumPy"], second["symnn"]) == ("–", "–", "–", "3.00")
    assert "PyTorch" not in header  # nobody asked it


def test_the_report_says_who_is_left_out_and_why(run):
    lines = markdown(run).splitlines()
    assert "* JAX, left out of odd float32: it fails." in lines
    assert "* bound, left out of every case: it rests." in lines


@pytest.mark.slow
def test_the_figure_is_drawn(run, tmp_path):
    pytest.importorskip("matplotlib")
    figure(run, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


# --- the command ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_writes_its_tables(tmp_path):
    pytest.importorskip("matplotlib")
    options = ["--quick", "--cases=a", "--peers=numpy", "--seconds=0", "--startup=none", f"--out={tmp_path}"]
    command_line = [sys.executable, "-m", "tests.benchmarks", *options]
    printed = subprocess.run(command_line, check=True, capture_output=True, text=True).stdout
    assert printed.strip() == (tmp_path / "threads-1.md").read_text(encoding="utf-8").strip()
    (row,) = json.loads((tmp_path / "threads-1.json").read_text(encoding="utf-8"))["rows"]
    assert {"symnn", "NumPy"} <= set(row["times"])
    assert (tmp_path / "threads-1.png").exists()


def test_a_start_is_measured_in_processes_of_their_own():
    found = measure_startup(PEERS["NumPy"], CASES["A"], "float64", threads=1)
    assert (found.peer, found.case) == ("NumPy", "A")
    assert found.cold.result > 0
    assert found.warm.result > 0


def test_names_are_chosen_in_any_case_and_order():
    assert command.chosen("b, A", ["A", "B", "C"], "--cases") == ["B", "A"]
    assert command.chosen("", ["A", "B"], "--cases") == ["A", "B"]
    with pytest.raises(SystemExit, match="--cases: found x, expected some of A, B"):
        command.chosen("A,X", ["A", "B"], "--cases")


def test_what_is_said_overrides_quick():
    found = command.options(["--quick", "--cases", "G"])
    assert (found.cases, found.dtypes, found.startup) == ("G", "float64", "ours")


# --- training ---------------------------------------------------------------------------------------------------------


def test_the_same_updates_must_reach_the_same_loss(monkeypatch):
    pytest.importorskip("sklearn")
    losses = {"symnn": 1.0, training.SAME_UPDATES[1]: 1.0, "scikit-learn": 2.0}
    monkeypatch.setattr(
        training, "CONTENDERS", {name: lambda _, loss=loss: lambda _: loss for name, loss in losses.items()}
    )
    given = training.setting("float64", "nesterov")
    assert len(given.x) % training.BATCH == 0
    assert {one.name: one.loss for one in training.measure(given, epochs=2)} == losses
    losses[training.SAME_UPDATES[1]] = 1.001
    monkeypatch.setattr(
        training, "CONTENDERS", {name: lambda _, loss=loss: lambda _: loss for name, loss in losses.items()}
    )
    with pytest.raises(ArithmeticError, match=r"JAX, a step a call: loss 1\.001"):
        list(training.measure(given, epochs=2))


# --- derivatives ------------------------------------------------------------------------------------------------------


def differences(function, at, step=1e-5):
    """Central differences, a column for each entry."""
    return np.stack([(function(at + d) - function(at - d)) / (2 * step) for d in step * np.eye(len(at))], axis=-1)


def test_our_hessian_is_the_slope_of_the_gradient():
    data = problem(Case("small", (1, 2, 2), 5))
    derived = derivatives.our_hessian(data, bound=True)
    loss, *second = derived.read(derived.call())
    expected = differences(lambda theta: reference(replace(data, theta=theta))[1], data.theta)
    assert loss == pytest.approx(reference(data)[0])
    assert second == pytest.approx(expected.ravel(), abs=1e-8)


def test_our_jacobian_is_the_slope_of_the_outputs():
    data = problem(Case("small", (3, 4, 2), 1))
    (w, b), (w2, b2) = data.split(data.theta)

    def outputs(x):
        return w2 @ np.tanh(w @ x + b) + b2

    derived = derivatives.our_jacobian(data, bound=False)
    expected = np.append(outputs(data.x[0]), differences(outputs, data.x[0]))
    assert derived.read(derived.call()) == pytest.approx(expected, abs=1e-8)


def test_derivatives_that_differ_are_not_timed(monkeypatch):
    def contender(*numbers):
        return lambda _: derivatives.Derived(lambda: None, lambda _: np.array(numbers), 0.0, 0.0)

    def missing(_):
        raise ModuleNotFoundError(name="casadi")

    contenders = {"symnn bound": contender(1.0, 2.0), "CasADi": missing, "JAX": contender(1.0, 2.0 + 1e-9)}
    monkeypatch.setitem(derivatives.CONTENDERS, derivatives.JACOBIAN, contenders)
    found = derivatives.prepared(derivatives.JACOBIAN)
    assert next(found)[0] == "symnn bound"
    assert next(found) == ("CasADi", "casadi is not installed")
    with pytest.raises(ArithmeticError, match=r"I: JAX differs from symnn bound by 5\.0e-10"):
        next(found)


def test_the_fastest_way_of_a_library_is_its_column(monkeypatch):
    def contender(pause):
        return lambda _: derivatives.Derived(lambda: time.sleep(pause), lambda _: np.ones(2), pause, 0.0)

    contenders = {"symnn bound": contender(0.001), "JAX, slow": contender(0.02), "JAX, fast": contender(0.01)}
    monkeypatch.setitem(derivatives.CONTENDERS, derivatives.JACOBIAN, contenders)
    row = derivatives.measure(derivatives.JACOBIAN, 0.0, lambda _: None)
    assert float(row["JAX"]) >= 10_000
    assert row["JAX: derive + compile, s"] == "0.01 + 0.00"
    assert row["CasADi"] == "–"
