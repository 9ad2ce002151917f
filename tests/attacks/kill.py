"""Kill −9 in training: runs of the command line, killed at random moments, gone on with, and compared bit by bit.

A run is a forked child of a process that has imported and compiled everything, so that most moments fall into training,
and into writing states and results. States are written between any two batches or points.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Mapping
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
    """So many runs, each killed up to ``KILLS`` times, in an interpreter of their own, which may fork."""
    kills, failures = answer(PROGRAM, tries, seconds=SECONDS * (3 + tries))
    return Outcome(tries, tuple(failures), f"{kills:,} kills")


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
            status = _run(name, out, chance.uniform(0, seconds) if kills < KILLS else SECONDS)
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


def _run(name: str, out: str, seconds: float = SECONDS) -> int | None:
    """The exit status of a run that goes on, or None if it was killed before it counts as hanging."""
    arguments = _arguments(name, out)
    child = os.fork()
    if not child:
        _child(["symnn", *arguments])
    until = time.monotonic() + seconds
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() >= until:
            os.kill(child, signal.SIGKILL)
            ended = os.waitpid(child, 0)
            break
        time.sleep(min(0.001, max(0.0, until - time.monotonic())))
    status = os.waitstatus_to_exitcode(ended[1])
    return None if status == -signal.SIGKILL and seconds < SECONDS else status


def _arguments(name: str, out: str) -> list[str]:
    Path(out).mkdir(exist_ok=True)
    return [*COMMANDS[name], "--out", out if name != "solve" else f"{out}/u.npz", "--resume"]


def _child(arguments: list[str]) -> None:
    from symnn.__main__ import main

    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
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
