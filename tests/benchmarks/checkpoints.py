"""Memory and time of long recurrences with checkpoints: ``python -m tests.benchmarks.checkpoints``.

Value and gradient of a scalar recurrence of a million steps, by its parameter and its first value, and of a neural ODE
of 64 starts; all steps kept, and every √T-th. Each line is a process of its own: what its memory grows by at the first
call (the peak of the resident set, which leaves out the arrays that are given), and the best of some calls in processor
time. Values and gradients have to be those of the form that keeps everything, to the bit.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.benchmarks.shifts import Arrays, ode_arrays, ode_graph

if TYPE_CHECKING:
    from codegen import Graph

ASKED = 64.0
"""Megabytes that a million steps of a scalar recurrence may take, gradient included."""


@dataclass(frozen=True)
class Long:
    """A recurrence of any number of steps."""

    what: str
    steps: int
    parameters: Sequence[str]
    graph: Callable[[int], Graph]
    arrays: Callable[[int], Arrays]


def scalar_graph(steps: int) -> Graph:
    """The sum of squares of h[t + 1] = tanh(a·h[t] + y[t]), h[0] = h0."""
    from sympy import tanh

    from codegen import Equation, Graph, Index, Reduction, Variable

    t, a, h0, y = Index("t", steps), Variable("a"), Variable("h0"), Variable("y", (steps,))
    h, loss = Variable("h", (steps + 1,)), Variable("loss")
    step = Equation(h[t + 1], tanh(a.symbol * h[t] + y[t]))
    total = Equation(loss.symbol, h[t + 1] ** 2, Reduction.SUM, (t,))
    return Graph((a, h0, y), (Equation(h[0], h0.symbol), step, total), ("loss",))


def scalar_arrays(steps: int) -> Arrays:
    return {"a": np.array(0.7), "h0": np.array(0.1), "y": np.random.default_rng(7).normal(size=steps)}


CASES = {
    "scalar": Long("scalar, 1,000,000 steps", 1_000_000, ("a", "h0"), scalar_graph, scalar_arrays),
    "ode": Long(
        "neural ODE 2-16-2, 64 starts, 10,000 steps",
        10_000,
        ("W", "b", "V"),
        lambda steps: ode_graph(steps, True),
        lambda steps: ode_arrays(64),
    ),
}
LINES = [("scalar", "vector"), ("scalar", "numba"), ("ode", "vector")]


def one(case: Long, emitter: str, checkpoint: str, seconds: float) -> dict[str, Any]:
    """What one form takes, in this process."""
    import codegen

    def compiled(steps: int) -> Any:
        graph = codegen.gradient(case.graph(steps), "loss", case.parameters)
        every: Any = "sqrt" if checkpoint == "sqrt" else None
        options: dict[str, Any] = {"emitter": emitter, "checkpoint": every, "cache": False}
        function = codegen.compile(graph, **options)
        values = case.arrays(steps)
        return function, [values[slot.name] for slot in function.layout.arguments]

    small, few = compiled(100)
    small(*few)
    function, arguments = compiled(case.steps)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    results = function(*arguments)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    times = []
    end = time.monotonic() + seconds
    while not times or time.monotonic() < end:
        started = time.process_time()
        function(*arguments)
        times.append(time.process_time() - started)
    bits = [np.asarray(result).tobytes().hex() for result in results]
    return {"megabytes": grown / 1024, "milliseconds": 1e3 * min(times), "bits": bits}


def main(arguments: Sequence[str], say: Callable[[str], None]) -> int:
    """Prints the table; returns 1 where results differ or a scalar recurrence takes more than is asked."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.checkpoints", description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="about how long each form is timed (2)")
    parser.add_argument("--one", nargs=3, metavar=("CASE", "EMITTER", "CHECKPOINT"), help="one form, as JSON")
    chosen = parser.parse_args(arguments)
    if chosen.one:
        case, emitter, checkpoint = chosen.one
        say(json.dumps(one(CASES[case], emitter, checkpoint, chosen.seconds)))
        return 0
    from tests.benchmarks.rendering import table

    failed, lines = False, []
    for case, emitter in LINES:
        command = [sys.executable, "-m", "tests.benchmarks.checkpoints", "--seconds", str(chosen.seconds), "--one"]
        forms = [
            json.loads(subprocess.run([*command, case, emitter, form], check=True, capture_output=True).stdout)
            for form in ("none", "sqrt")
        ]
        whole, blocks = forms
        failed |= whole["bits"] != blocks["bits"] or (case == "scalar" and blocks["megabytes"] > ASKED)
        lines.append(
            {
                "what": CASES[case].what,
                "form": emitter,
                "all steps, MB": f"{whole['megabytes']:.1f}",
                "√T, MB": f"{blocks['megabytes']:.1f}",
                "all steps, ms": f"{whole['milliseconds']:.1f}",
                "√T, ms": f"{blocks['milliseconds']:.1f}",
                "× time": f"{blocks['milliseconds'] / whole['milliseconds']:.2f}",
                "same bits": "yes" if whole["bits"] == blocks["bits"] else "no",
            }
        )
    say(table(lines))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], lambda text: print(text, flush=True)))
