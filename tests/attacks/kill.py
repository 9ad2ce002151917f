"""Kill −9 and SIGTERM in training: runs of the command line, ended at random moments, gone on with, compared by bits.

With other data, another seed, a damaged state, or beside a process that is at it, none goes on, and nothing is lost.

A run is a forked child of a process that has imported and compiled everything, so that most moments fall into training,
and into writing states and results. States are written between any two batches or points.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from io import StringIO
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.attacks.outcome import Outcome, answer

PROGRAM = """
import json, sys
from tests.attacks.kill import all_killed
print(json.dumps(all_killed(int(sys.argv[1]))))
"""

KILLS = 4
"""The most kills of a run, before it may come to its end."""
SECONDS = 120.0
"""After which a run counts as hanging."""

LINE = "".join(["a,b,price\n", *(f"{i % 7},{i % 5},{9 * (i % 7) - (i % 5) ** 2}\n" for i in range(60))])
"""The file that the network is trained on."""
NETWORK = """
inputs: 2
layers: [{dense: 8, activation: tanh}, {dense: 1}]
loss: mean_squared_error
data: {file: line.csv, target: price}
"""
PHYSICS = """
inputs: {x: [0, 1]}
unknowns: u
layers: [{dense: 6, activation: tanh}, {dense: 1}]
residuals:
  inside: {equation: "u_xx + 10*sin(3*x)", points: 40}
  ends: {equation: "u", at: {x: [0, 1]}, points: 2}
"""
SPECS: Mapping[str, str] = {
    "nesterov": f"{NETWORK}training: {{epochs: 6, batch_size: 8, learning_rate: 0.002}}",
    "adam": f"{NETWORK}training: {{optimiser: adam, epochs: 6, batch_size: 8, learning_rate: 0.002}}",
    "solve": f"{PHYSICS}solver: {{adam: 10, iterations: 20, memory: 8}}",
}
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "nesterov": ("train", "nesterov.yaml"),
    "solve": ("solve", "solve.yaml"),
    "adam": ("train", "adam.yaml", "--dtype", "float32"),
}


def kill(tries: int) -> Outcome:
    """So many runs, each ended up to ``KILLS`` times, and each refusal, in an interpreter that may fork."""
    kills, failures = answer(PROGRAM, tries, seconds=SECONDS * (3 + tries + len(REFUSALS)))
    return Outcome(tries + len(REFUSALS), tuple(failures), f"{kills:,} kills and terminations")


def all_killed(tries: int) -> tuple[int, list[str]]:
    """How many kills there were, and what went wrong."""
    from symnn import descent, resuming
    from symnn.cli import app

    descent.CALL_SECONDS = resuming.EVERY = 0.0
    with TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("line.csv").write_text(LINE)
        for name, text in SPECS.items():
            Path(f"{name}.yaml").write_text(text)
        whole = {}
        for name in list(COMMANDS)[:tries]:
            with redirect_stdout(StringIO()):
                app(_arguments(name, f"{name}.first"), standalone_mode=False)  # imports and compiles for all children
            started = time.monotonic()
            if (status := _run(name, name)) != 0:
                raise RuntimeError(f"{name} ends with status {status}")
            whole[name] = _made(name), time.monotonic() - started
        found = [_killed(number, whole) for number in range(tries)]
        expected, seconds = whole["nesterov"]
        found += [(1, _refused(what, expected, seconds)) for what in REFUSALS]
        os.chdir("/")
    return sum(kills for kills, _ in found), [text for _, text in found if text]


def _killed(number: int, whole: Mapping[str, tuple[Mapping[str, bytes], float]]) -> tuple[int, str]:
    """How often a run was killed, at least once, and what went wrong with it, or nothing."""
    chance = random.Random(number)
    name = list(COMMANDS)[number % len(COMMANDS)]
    (expected, seconds), kills = whole[name], 0
    for attempt in count():
        out = f"run{number}.{attempt}"
        while True:
            started = time.monotonic()
            sent = chance.choice([signal.SIGKILL, signal.SIGTERM])
            status = _run(name, out, chance.uniform(0, seconds) if kills < KILLS else SECONDS, sent)
            if status is not None:
                break
            kills += 1
        made = _made(out)
        if status or made != expected:
            other = ", ".join(file for file in made | expected if made.get(file) != expected.get(file))
            return kills, f"number {number}, {name}: status {status}; other bits: {other}"
        if kills:
            return kills, ""
        seconds = time.monotonic() - started  # so long it takes on this machine just now
    raise AssertionError


def _refused(what: str, expected: Mapping[str, bytes], seconds: float) -> str:
    """What went wrong with a run that must not go on, and with the one after it that has to; or nothing."""
    out, line = what.replace(" ", "-"), Path("line.csv").read_bytes()
    state = Path(out, "model.safetensors.state")
    chance = random.Random(what)
    child = None
    while not state.exists():
        if child is not None:
            _ended(child, 0.0, signal.SIGKILL)
        child = _started("nesterov", out)
        time.sleep(chance.uniform(0, seconds))
        os.kill(child, signal.SIGSTOP)  # at a random moment, in which it stays
    assert child is not None
    if what != "two processes":
        _ended(child, 0.0, signal.SIGKILL)
    before = state.read_bytes()
    options = REFUSALS[what](state, chance)
    told = Path(f"{out}.errors")
    status = _ended(_started("nesterov", out, *options, errors=str(told)), SECONDS, signal.SIGKILL)
    said = told.read_text()
    if status != 2 or said.count("\n") != 1 or str(state) not in said:
        return f"{what}: status {status}, {said[-300:]!r}"
    Path("line.csv").write_bytes(line)
    if what == "a damaged state":
        state.write_bytes(before)
    if state.read_bytes() != before:
        return f"{what}: the state was changed"
    if what == "two processes":
        os.kill(child, signal.SIGCONT)
        status = _ended(child, SECONDS, signal.SIGKILL)
    else:
        status = _run("nesterov", out)
    return "" if status == 0 and _made(out) == expected else f"{what}: afterwards status {status}, or other bits"


def _other_data(state: Path, chance: random.Random) -> tuple[str, ...]:
    rows = LINE.splitlines(keepends=True)
    rows[chance.randrange(1, len(rows))] = "3,4,5.5\n"
    Path("line.csv").write_text("".join(rows))
    return ()


def _damaged(state: Path, chance: random.Random) -> tuple[str, ...]:
    data = bytearray(state.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    state.write_bytes(data)
    return ()


REFUSALS: Mapping[str, Callable[[Path, random.Random], tuple[str, ...]]] = {
    "other data": _other_data,
    "another seed": lambda *_: ("--seed", "7"),
    "a damaged state": _damaged,
    "two processes": lambda *_: (),
}
"""What makes a run refuse to go on from a state, and what else it is told."""


def _run(name: str, out: str, seconds: float = SECONDS, sent: signal.Signals = signal.SIGKILL) -> int | None:
    """The exit status of a run that goes on, or None if a signal has ended it before it counts as hanging."""
    status = _ended(_started(name, out), seconds, sent)
    return None if status in (-sent, 128 + sent) and seconds < SECONDS else status


def _started(name: str, out: str, *options: str, errors: str = os.devnull) -> int:
    arguments = _arguments(name, out)
    child = os.fork()
    if not child:
        _child(["symnn", *arguments, *options], errors)
    return child


def _ended(child: int, seconds: float, sent: signal.Signals) -> int:
    """The exit status of a child, to which a signal is sent after so many seconds, and the last one when it hangs."""
    until, last = time.monotonic() + seconds, time.monotonic() + SECONDS
    signals = [sent]
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        if signals and time.monotonic() >= until:
            os.kill(child, signals.pop())
        elif time.monotonic() >= last:
            os.kill(child, signal.SIGKILL)
        time.sleep(min(0.001, max(0.0001, until - time.monotonic())))
    return os.waitstatus_to_exitcode(ended[1])


def _arguments(name: str, out: str) -> list[str]:
    Path(out).mkdir(exist_ok=True)
    return [*COMMANDS[name], "--out", out if name != "solve" else f"{out}/u.npz", "--resume"]


def _child(arguments: list[str], errors: str) -> None:
    from symnn.__main__ import main

    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), 2)
    sys.argv = arguments
    status = 1
    try:
        main()
    except SystemExit as ended:
        status = int(ended.code or 0)
    finally:
        os._exit(status)


def _made(out: str) -> dict[str, bytes]:
    """The files that a run has left, without the seconds that its epochs took."""
    files = {path.name: path.read_bytes() for path in Path(out).iterdir()}
    if "history.csv" in files:
        rows = files["history.csv"].splitlines()
        files["history.csv"] = b"\n".join(row.rpartition(b",")[0] for row in rows)
    return files
