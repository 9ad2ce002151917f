"""The C of a network beside its vector code: ``python -m tests.benchmarks.c [--cases B,D,E] [--flags "-O3 …"]``.

Loss and gradient, one thread, the C compiled by gcc. Blocks of calls take turns, and of each the fastest counts:
interruptions by other work only ever add. The C is called in a loop of C, the vector code as a bound function. Both
have to give the loss and gradient of the float64 reference before their time counts. The exit status is 1 where C takes
more than :data:`LIMIT` times as long.
"""

from __future__ import annotations

import argparse
import ctypes
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from codegen.export import generate
from symnn.export import gradient_request
from symnn.network import Network, dense
from tests.benchmarks.cases import CASES, TOLERANCE, Problem, difference, problem, reference
from tests.benchmarks.peers.ours import bound

LIMIT = 2.5
BLOCK_SECONDS = 0.0005

REPEATED = """
#include "model.h"

int repeat(ptrdiff_t count, ptrdiff_t S, const {real} *theta, const {real} *x, const int64_t *y,
           {real} *loss, {real} *gradient, {real} *workspace)
{{
    int status = 0;
    while (count-- > 0)
        status |= {name}(S, theta, x, y, loss, gradient, workspace);
    return status;
}}
"""


def in_c(given: Problem, flags: str) -> tuple[Callable[[int], None], np.ndarray, np.ndarray]:
    """A function that calls the C so many times, and where loss and gradient are."""
    inputs, *hidden, outputs = given.case.sizes
    layers = (*(dense(units, "tanh") for units in hidden), dense(outputs))
    texts = generate(gradient_request(Network(inputs, layers, "softmax_cross_entropy"), "model", given.dtype), "c")
    order = [line.split()[1] for line in texts["model.h"].splitlines() if line.startswith("    ") and line[4].isdigit()]
    assert order == ["S", "theta", "x", "y", "loss", "gradient", "workspace"], order
    real = "double" if given.dtype == "float64" else "float"
    with tempfile.TemporaryDirectory() as folder:
        for name, text in {**texts, "repeat.c": REPEATED.format(real=real, name="model")}.items():
            Path(folder, name).write_text(text, encoding="utf-8")
        library = Path(folder, "model.so")
        sources = [Path(folder, name) for name in ("model.c", "repeat.c")]
        subprocess.run(["gcc", *flags.split(), "-shared", "-fPIC", *sources, "-o", library, "-lm"], check=True)
        repeat = ctypes.CDLL(str(library)).repeat
    loss, gradient = np.empty(1, given.dtype), np.empty_like(given.theta)
    arrays = [given.theta, given.x, given.y, loss, gradient, np.empty(2_000_000, given.dtype)]
    addresses = [ctypes.c_void_p(array.ctypes.data) for array in arrays]

    def call(count: int) -> None:
        assert repeat(ctypes.c_ssize_t(count), ctypes.c_ssize_t(len(given.x)), *addresses) == 0, arrays

    return call, loss, gradient


def fastest(calls: Mapping[str, Callable[[int], None]], seconds: float) -> dict[str, float]:
    """Microseconds of the fastest block of each."""
    counts: dict[str, int] = {}
    for name, call in calls.items():
        call(1)
        begun = time.perf_counter()
        call(1)
        counts[name] = max(1, int(BLOCK_SECONDS / (time.perf_counter() - begun)))
    best, end = dict.fromkeys(calls, float("inf")), time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, call in calls.items():
            begun = time.perf_counter()
            call(counts[name])
            best[name] = min(best[name], (time.perf_counter() - begun) / counts[name])
    return {name: 1e6 * found for name, found in best.items()}


def main() -> int:
    """Print a row for each case and dtype."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.c", description=__doc__)
    parser.add_argument("--cases", default="B,D,E", help="names, with commas between them (B,D,E)")
    parser.add_argument("--flags", default="-O3 -march=native", help="of gcc (-O3 -march=native)")
    parser.add_argument("--seconds", type=float, default=2.0, help="about how long each row is timed (2)")
    found = parser.parse_args()
    worst = 0.0
    print("| case | network | samples | dtype | vector code, µs | C, µs | ratio |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for case in (CASES[name] for name in found.cases.split(",")):
        for dtype in ("float64", "float32"):
            given = problem(case, dtype)  # type: ignore[arg-type]
            call, loss, gradient = in_c(given, found.flags)
            call(1)
            assert difference((float(loss[0]), gradient), reference(given)) <= TOLERANCE[given.dtype]
            ours = bound(given).call

            def repeated(count: int, ours: Callable[[], object] = ours) -> None:
                for _ in range(count):
                    ours()

            times = fastest({"vector": repeated, "c": call}, found.seconds)
            ratio = times["c"] / times["vector"]
            worst = max(worst, ratio)
            sizes = f"| {case.name} | {case.network} | {case.samples} | {dtype} "
            print(f"{sizes}| {times['vector']:.3g} | {times['c']:.3g} | {ratio:.2f} |", flush=True)
    print(f"\nThe worst ratio is {worst:.2f}; at most {LIMIT:g} is wanted.")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
