"""Runs that are broken off and gone on with: the same bits, no other run, nothing hostile, and nothing lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from safetensors.numpy import load, save

from symnn import checkpoint, cli, descent, locks, resuming
from symnn.data import Dataset
from symnn.errors import CheckpointError, SymnnError
from symnn.files import write_atomically
from symnn.network import Model, Network, dense
from symnn.optimisers import OPTIMISERS
from symnn.resuming import DIGEST_BYTES, Keeping, Terminated, state_path
from symnn.solving import Solution, solve
from symnn.training import Epoch, TrainingResult, train
from tests.attacks.kill import LINE
from tests.attacks.kill import NETWORK as NETWORK_SPEC
from tests.attacks.kill import PHYSICS as PHYSICS_SPEC
from tests.symnn.valley import valley

pytestmark = pytest.mark.values

NETWORK = Network(2, (dense(8, "tanh"), dense(1)), "mean_squared_error")
MODELS: Mapping[str, Model] = {"float64": NETWORK.compile("float64"), "float32": NETWORK.compile("float32")}
X = np.random.default_rng(0).normal(size=(30, 2))
DATA = Dataset.from_arrays(X, X[:, 0] - X[:, 1] ** 2)  # 20 rows to train on
SETTINGS: dict[str, Any] = {"epochs": 3, "batch_size": 8, "learning_rate": 0.01}


@pytest.fixture(autouse=True)
def batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run can be broken off after every batch; no power cut is to be feared."""
    monkeypatch.setattr(descent, "CALL_SECONDS", 0.0)
    monkeypatch.setattr(os, "fsync", lambda _: None)


def after(calls: int) -> Callable[[], bool]:
    """Asked to end at the so many-th place where the run can be broken off."""
    numbers = count(1)
    return lambda: next(numbers) >= calls


def until_done(run: Callable[[Keeping], Any], path: Path, calls: int) -> tuple[Any, int]:
    """What a run gives that is ended again and again, and how often it was."""
    for ends in range(1000):
        try:
            return run(Keeping(path, asked=after(calls))), ends
        except Terminated:
            assert path.exists()
    raise AssertionError("it does not come to an end")


def figures(result: TrainingResult) -> tuple[Any, ...]:
    return result.theta.tobytes(), [replace(epoch, seconds=0.0) for epoch in result.history], result.best_epoch


# ------------------------------------------------------------------------------------------- the same bits


FEW = (("nesterov", "float64"), ("adam", "float32"))


@pytest.mark.parametrize(
    ("optimiser", "dtype"),
    [
        pytest.param(*pair, marks=() if pair in FEW else pytest.mark.slow)
        for pair in [(optimiser, dtype) for optimiser in OPTIMISERS for dtype in MODELS]
    ],
)
def test_training_that_is_ended_after_every_batch_gives_the_same_bits(
    optimiser: str, dtype: str, tmp_path: Path
) -> None:
    chosen, model = {**SETTINGS, "optimiser": optimiser}, MODELS[dtype]
    found, ends = until_done(
        lambda keeping: train(NETWORK, DATA, chosen, model=model, state=keeping, resume=True), tmp_path / "state", 1
    )
    assert ends == 9
    assert figures(found) == figures(train(NETWORK, DATA, chosen, model=model))
    assert found.position.steps == 9


def test_training_that_goes_on_from_another_can_be_ended_too(tmp_path: Path) -> None:
    model = MODELS["float64"]
    first = train(NETWORK, DATA, SETTINGS, model=model)
    found, ends = until_done(
        lambda keeping: train(NETWORK, DATA, SETTINGS, model=model, initial=first, state=keeping, resume=True),
        tmp_path / "state",
        2,
    )
    assert ends == 4
    assert figures(found) == figures(train(NETWORK, DATA, {**SETTINGS, "epochs": 6}, model=model))


def test_training_that_is_ended_loses_neither_patience_nor_the_first_parameters(tmp_path: Path) -> None:
    chosen = {**SETTINGS, "epochs": 50, "patience": 4, "learning_rate": 0.3}
    run = train(NETWORK, DATA, chosen, model=MODELS["float64"])
    assert run.stopped == "early"
    found, _ = until_done(
        lambda keeping: train(NETWORK, DATA, chosen, model=MODELS["float64"], state=keeping, resume=True),
        tmp_path / "state",
        4,
    )
    assert (found.stopped, *figures(found)) == ("early", *figures(run))


def walled(theta: np.ndarray) -> tuple[float, np.ndarray]:
    """Rosenbrock's, where a + b is above −1."""
    return valley(theta) if theta.sum() > -1 else (np.nan, np.full(2, np.nan))


def solved(solution: Solution) -> tuple[Any, ...]:
    return solution.theta.tobytes(), solution.loss, solution.iterations, solution.stopped


@pytest.mark.parametrize(
    ("objective", "chosen", "calls"),
    [
        (valley, {"adam": 12, "learning_rate": 0.05, "iterations": 100, "memory": 3}, 12),
        (walled, {"adam": 12, "learning_rate": 0.5, "iterations": 30, "memory": 3}, 5),
        (valley, {"adam": 30, "iterations": 0}, 2),
    ],
    ids=["valley", "wall", "adam"],
)
def test_solving_that_is_ended_gives_the_same_bits(
    objective: Any, chosen: dict[str, Any], calls: int, tmp_path: Path
) -> None:
    start = np.array([-0.4, -0.55])
    found, ends = until_done(
        lambda keeping: solve(objective, start, **chosen, state=keeping, resume=True), tmp_path / "state", calls
    )
    assert ends > 0
    assert solved(found) == solved(solve(objective, start, **chosen))


def test_after_ctrl_c_a_run_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "state"

    def stop(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise KeyboardInterrupt

    broken = train(NETWORK, DATA, SETTINGS, model=MODELS["float64"], state=path, on_epoch=stop)
    assert (broken.stopped, path.exists()) == ("interrupted", True)
    whole = train(NETWORK, DATA, SETTINGS, model=MODELS["float64"], state=path, resume=True)
    assert figures(whole) == figures(train(NETWORK, DATA, SETTINGS, model=MODELS["float64"]))
    assert list(tmp_path.iterdir()) == []

    steps = iter([False, False, True])

    def interrupt(_: Solution) -> None:
        if next(steps, False):
            raise KeyboardInterrupt

    assert solve(valley, np.zeros(2), iterations=9, callback=interrupt, state=path).iterations == 3
    assert solved(solve(valley, np.zeros(2), iterations=9, state=path, resume=True)) == solved(
        solve(valley, np.zeros(2), iterations=9)
    )
    assert list(tmp_path.iterdir()) == []


def test_a_state_is_written_every_so_often_and_not_in_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(10**6))
    monkeypatch.setattr(resuming, "monotonic", lambda: float(next(now)))
    written: list[int] = []
    monkeypatch.setattr(resuming, "write_atomically", lambda path, content: written.append(len(content)))
    keeping = Keeping(tmp_path / "state", every=10.0)
    train(NETWORK, DATA, {**SETTINGS, "epochs": 11}, model=MODELS["float64"], state=keeping)
    assert len(written) == 3  # of 33 batches, each a second
    train(NETWORK, DATA, SETTINGS, model=MODELS["float64"])
    assert len(written) == 3


def test_when_a_state_cannot_be_written_the_one_before_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state"
    broken_off(path)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match="state: cannot be written: No space left on device") as raised:
        train(NETWORK, DATA, SETTINGS, model=MODELS["float64"], state=Keeping(path, every=0.0), resume=True)
    assert raised.value.result.position is not None  # type: ignore[attr-defined]
    assert (path.read_bytes(), list(tmp_path.iterdir())) == (before, [path])


# ------------------------------------------------------------------------------------------- no other run


def broken_off(path: Path) -> None:
    with pytest.raises(Terminated):
        train(NETWORK, DATA, SETTINGS, model=MODELS["float64"], state=Keeping(path, asked=after(5)))


OTHERS: Mapping[str, tuple[dict[str, Any], str]] = {
    "settings": ({"settings": {**SETTINGS, "epochs": 4}}, "with other settings, expected"),
    "data": ({"data": replace(DATA, train=replace(DATA.train, x=DATA.train.x + 1e-12))}, "with other data, expected"),
    "parameters": ({"initial": np.zeros(NETWORK.parameter_count)}, "with other parameters, expected"),
    "a type": ({"model": MODELS["float32"]}, "with other settings and parameters and data, expected"),
    "a network": (
        {"network": Network(2, (dense(8, "relu"), dense(1)), "mean_squared_error"), "model": None},
        "with other network and parameters",
    ),
    "a new one": ({"resume": False}, "found the state of a run that has not ended, expected resume"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_training_is_gone_on_with_by_none_but_its_like(what: str, tmp_path: Path) -> None:
    path, (changes, message) = tmp_path / "state", OTHERS[what]
    broken_off(path)
    before = path.read_bytes()
    given = {"network": NETWORK, "data": DATA, "settings": SETTINGS, "model": MODELS["float64"], "resume": True}
    with pytest.raises(CheckpointError, match=f"^{path}: .*{message}"):
        train(**{**given, **changes}, state=path)  # type: ignore[call-overload]
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("objective", "changes", "message"),
    [
        (walled, {"iterations": 8}, "other settings"),
        (walled, {"theta": np.ones(2)}, "other parameters"),
        (lambda theta: (2.0, np.ones(2)), {}, "first loss was 1, expected that of this objective, 2"),
    ],
)
def test_a_solve_is_gone_on_with_by_none_but_its_like(
    objective: Any, changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "state"
    given: dict[str, Any] = {"theta": np.zeros(2), "iterations": 9}
    with pytest.raises(Terminated):
        solve(valley, **given, state=Keeping(path, asked=after(8)))
    with pytest.raises(CheckpointError, match=message):
        solve(objective, **{**given, **changes}, state=path, resume=True)


# ------------------------------------------------------------------------------------------- one at a time


HOLDING = """
import sys, time
from pathlib import Path
from symnn.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that is training into it."""
    command = [sys.executable, "-c", HOLDING, str(tmp_path / "state")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.mark.skipif(locks.flock is None, reason="no locks")
def test_a_state_is_one_process_s_as_long_as_that_lives(other: subprocess.Popen[str], tmp_path: Path) -> None:
    path, part = tmp_path / "state", tmp_path / ".state-1234.part"
    part.touch()
    runs: list[Callable[[], object]] = [
        lambda: train(NETWORK, DATA, SETTINGS, model=MODELS["float64"], state=path),
        lambda: solve(valley, np.zeros(2), state=Keeping(path)),
    ]
    for run in runs:
        with pytest.raises(CheckpointError, match=f"^{path}: found another process that is training into it, expected"):
            run()
    assert part.exists()
    other.kill()
    other.wait()
    for run in runs:
        run()
    assert list(tmp_path.iterdir()) in ([], [part])


@pytest.mark.skipif(locks.flock is None, reason="no locks")
def test_nobody_else_begins_while_a_run_saves(
    tmp_path: Path, specs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def save(path: Path, *_: object, **__: object) -> None:
        with (
            pytest.raises(CheckpointError, match=r"model.safetensors.state: found another process"),
            Keeping(state_path(path)),
        ):
            pass

    monkeypatch.setattr(checkpoint, "save", save)
    cli.app(["train", "train.yaml", "--out", "out"], standalone_mode=False)


def test_where_there_are_no_locks_runs_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    for flock in (None, unsupported):
        monkeypatch.setattr(locks, "flock", flock)
        with Keeping(tmp_path / "state"), Keeping(tmp_path / "state"):
            pass


# ------------------------------------------------------------------------------------------- nothing hostile


def edited(
    path: Path, tensors: Callable[[dict[str, Any]], object], numbers: Callable[[dict[str, Any]], object]
) -> None:
    data = path.read_bytes()[:-DIGEST_BYTES]
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    content, arrays = json.loads(header["__metadata__"]["state"]), load(data)
    arrays = {name: array.copy() for name, array in arrays.items()}
    tensors(arrays)
    numbers(content)
    data = save(arrays, {"state": json.dumps(content)})
    path.write_bytes(data + sha256(data).digest())


def nothing(_: dict[str, Any]) -> None:
    """As it was."""


HOSTILE: Mapping[str, tuple[Callable[[dict[str, Any]], object], Callable[[dict[str, Any]], object], str]] = {
    "nan": (lambda t: t["theta"].__setitem__(0, np.nan), nothing, "tensor 'theta': found numbers that are not finite"),
    "a shape": (lambda t: t.update(best=np.zeros(3)), nothing, r"tensor 'best': found F64 with shape \(3,\), expected"),
    "a type": (lambda t: t.update(best=t["best"].astype("f4")), nothing, "tensor 'best': found F32 with shape"),
    "a lack": (lambda t: t.pop("state.velocity"), nothing, "found no tensor 'state.velocity'"),
    "a surplus": (lambda t: t.update(more=np.zeros(3)), nothing, "found an unexpected tensor 'more'"),
    "no loss": (lambda t: t["history"].__setitem__((0, 0), np.nan), nothing, "an epoch without a training loss"),
    "epochs": (nothing, lambda n: n.update(epochs=10**6), "found 1000000 epochs, expected at most 3"),
    "no number": (nothing, lambda n: n.update(steps="5"), "steps: found '5'"),
    "below 0": (nothing, lambda n: n.update(rows=-8), "rows: found -8"),
    "beyond the rows": (nothing, lambda n: n.update(rows=24), "found 24 rows of an epoch of 20"),
    "too many": (
        nothing,
        lambda n: n.update(samples=2**63 - 1),
        "samples: found 9223372036854775807",
    ),
    "infinite": (nothing, lambda n: n.update(total=float("inf")), "total: found inf"),
    "no odd number": (nothing, lambda n: n["generator"].update(inc=2), "an even increment"),
    "too many bits": (nothing, lambda n: n["generator"].update(state=2**128), "generator.state: found 3402"),
    "a surplus field": (nothing, lambda n: n.update(more=1), "more: found 1: Extra inputs"),
    "a format": (nothing, lambda n: n.update(format="symnn 1"), "expected JSON with format 'symnn state 2'"),
    "the other kind": (nothing, lambda n: n.update(method={}), "method: found {}"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_state_is_checked_before_it_is_used(what: str, tmp_path: Path) -> None:
    path, (tensors, numbers, message) = tmp_path / "state", HOSTILE[what]
    broken_off(path)
    edited(path, tensors, numbers)
    with pytest.raises(CheckpointError, match=message) as raised:
        train(NETWORK, DATA, SETTINGS, model=MODELS["float64"], state=path, resume=True)
    assert "\n" not in str(raised.value)


def test_every_damage_ends_in_one_error(tmp_path: Path) -> None:
    """Bits changed anywhere, and the file cut off, also to what was a state before there were digests."""
    path = tmp_path / "state"
    broken_off(path)
    data = path.read_bytes()
    hostile = [data[:n] + bytes([data[n] ^ 1 << n % 8]) + data[n + 1 :] for n in range(0, len(data), 31)]
    for content in [*hostile, *(data[:n] for n in range(0, len(data), 200)), data[:-DIGEST_BYTES], data + b" ", b""]:
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=f"^{path}: found the state of a run that is damaged, or .*[^\\n]$"):
            train(NETWORK, DATA, SETTINGS, model=MODELS["float64"], state=Keeping(path), resume=True)


@pytest.mark.skipif(os.name != "posix", reason="no named pipes")
def test_a_pipe_is_no_state(tmp_path: Path) -> None:
    os.mkfifo(path := tmp_path / "state")
    with pytest.raises(CheckpointError, match="found a pipe, expected a regular file"):
        train(NETWORK, DATA, SETTINGS, model=MODELS["float64"], state=path, resume=True)


# ------------------------------------------------------------------------------------------- the command line


@pytest.fixture
def specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_atomically(tmp_path / "line.csv", LINE.encode())
    write_atomically(tmp_path / "train.yaml", f"{NETWORK_SPEC}training: {{epochs: 4, batch_size: 8}}".encode())
    write_atomically(tmp_path / "solve.yaml", f"{PHYSICS_SPEC}solver: {{iterations: 12}}".encode())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def signalled(monkeypatch: pytest.MonkeyPatch, number: int, call: int) -> None:
    """The signal comes when the clock is asked for the so many-th time, which is between two batches or points."""
    numbers, real = count(1), resuming.monotonic

    def clock() -> float:
        if next(numbers) == call:
            signal.raise_signal(number)
        return real()

    monkeypatch.setattr(resuming, "monotonic", clock)


RUNS: Mapping[str, tuple[Callable[..., None], str, str, str]] = {
    "train": (cli.train, "train.yaml", "{}", "{}/model.safetensors"),
    "solve": (cli.solve, "solve.yaml", "{}.npz", "{}.npz"),
}


@pytest.fixture(params=[signal.SIGTERM, signal.SIGINT])
def number(request: pytest.FixtureRequest) -> Iterator[int]:
    """A signal, with Python's own handler."""
    own = {signal.SIGTERM: signal.SIG_DFL, signal.SIGINT: signal.default_int_handler}[request.param]
    handler = signal.signal(request.param, own)
    yield int(request.param)
    assert signal.signal(request.param, handler) == own


@pytest.mark.parametrize("name", RUNS)
def test_a_command_that_a_signal_ends_goes_on_with_resume(
    name: str, number: int, specs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command, spec, out, made = RUNS[name]
    state = Path(made.format("b") + ".state")
    command(Path(spec), out=Path(out.format("a")))
    with monkeypatch.context() as patch:
        signalled(patch, number, 14)
        if number == signal.SIGTERM:
            with pytest.raises(typer.Exit) as raised:
                command(Path(spec), out=Path(out.format("b")))
            assert raised.value.exit_code == 143
            assert f"symnn: terminated: the same command with --resume goes on, from {state}" in capsys.readouterr().err
        else:
            command(Path(spec), out=Path(out.format("b")))
            assert f"the same command with --resume goes on, from {state}" in capsys.readouterr().out
    assert state.exists()
    with pytest.raises(SymnnError, match="has not ended, expected resume"):
        command(Path(spec), out=Path(out.format("b")))
    capsys.readouterr()
    command(Path(spec), out=Path(out.format("b")), resume=True)
    assert f"going on from {state}" in capsys.readouterr().out
    assert not state.exists()
    whole, gone_on = (Path(made.format(run)).read_bytes() for run in "ab")
    assert whole == gone_on
    command(Path(spec), out=Path(out.format("b")), resume=True)
    assert f"there is no {state} to go on from" in capsys.readouterr().out


def test_resume_needs_a_place(specs: Path) -> None:
    with pytest.raises(SymnnError, match="--resume: expected --out beside it"):
        cli.train(Path("train.yaml"), resume=True)
