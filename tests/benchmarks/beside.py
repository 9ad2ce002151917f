"""This tree beside another one, such as the last release's: ``python -m tests.benchmarks --against REVISION``.

Processes of the two trees take turns, forth and back, each with the cases of its own benchmark and with empty caches.
Of every process the fastest block of bound calls counts, and of all processes the fastest again: interruptions by other
work only ever add. Compiling counts in processor time, also that of the fastest process. What is printed is other /
this, so above 1 this tree is the faster one.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import geometric_mean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.benchmarks.cases import Problem

HERE = Path(__file__).resolve().parents[2]
DTYPES = ("float64", "float32")
BLOCK_SECONDS = 0.0005
CASES = "A,B,C,D,E,F,G,J,deep,wide,single,tall"

Times = dict[str, tuple[float, float]]
"""Seconds of a call, and of compiling, by case and dtype."""


def _fastest(call: Callable[[], Any], seconds: float) -> float:
    call()
    begun = time.perf_counter()
    call()
    count = max(1, int(BLOCK_SECONDS / (time.perf_counter() - begun)))
    fastest, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end:
        begun = time.perf_counter()
        for _ in range(count):
            call()
        fastest = min(fastest, (time.perf_counter() - begun) / count)
    return fastest


def _measure(cases: Sequence[str], seconds: float) -> Times:
    """What the tree on the path takes, in this process; the first compilation of all pays for Numba and is not told."""
    from tests.benchmarks.cases import CASES, problem
    from tests.benchmarks.derivatives import HESSIAN
    from tests.benchmarks.peers import ours

    ours.bound(problem(CASES["odd"], "float64"))
    found: Times = {}
    for name in cases:
        for dtype in DTYPES:
            if name == HESSIAN.name:
                found[f"{name}, {dtype}"] = _second(problem(HESSIAN, dtype), seconds)  # type: ignore[arg-type]
                continue
            data = problem(CASES[name], dtype)  # type: ignore[arg-type]
            begun = time.process_time()
            prepared = ours.bound(data)
            compiled = time.process_time() - begun
            found[f"{name}, {dtype}"] = _fastest(prepared.call, seconds), compiled
    return found


def _second(data: Problem, seconds: float) -> tuple[float, float]:
    """The same of a Hessian, whose formula is there before."""
    import numpy as np

    import codegen
    from tests.benchmarks.derivatives import hessian_graph

    graph, parameters = hessian_graph(data)
    begun = time.process_time()
    function = codegen.compile(graph, dtype=data.dtype, pack={"theta": parameters})
    compiled = time.process_time() - begun
    known = {"theta": data.theta, "x": data.x, "y": data.y}
    out = [np.empty(slot.shape, data.dtype) for slot in function.layout.arrays]
    call = function.bind(*(known[slot.name] for slot in function.layout.arguments), out=out)
    return _fastest(call, seconds), compiled


def _in_process(tree: Path, cases: Sequence[str], seconds: float) -> Times:
    with tempfile.TemporaryDirectory() as cache:
        # This file is run by its path, so that the other tree need not have it.
        command = [
            sys.executable,
            __file__,
            str(tree),
            "--cases",
            ",".join(cases),
            "--seconds",
            str(seconds),
            "--inside",
        ]
        variables = os.environ | {"PYTHONPATH": str(tree), "SYMNN_CACHE_DIR": cache, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=variables, cwd=tree, check=True, capture_output=True, text=True)
    return {name: (call, code) for name, (call, code) in json.loads(done.stdout.splitlines()[-1]).items()}


def _best(runs: Sequence[Times], name: str) -> tuple[float, float]:
    return min(run[name][0] for run in runs), min(run[name][1] for run in runs)


@contextmanager
def tree_of(other: str) -> Iterator[Path]:
    """A working tree by its path, or the files of a revision of this repository in a folder of their own."""
    if Path(other).is_dir():
        yield Path(other).resolve()
        return
    with tempfile.TemporaryDirectory() as folder:
        files = subprocess.run(["git", "archive", "--format=tar", other], cwd=HERE, capture_output=True, check=False)
        if files.returncode:
            raise SystemExit(f"{other}: expected a working tree or a revision: {files.stderr.decode().strip()}")
        with tarfile.open(fileobj=io.BytesIO(files.stdout)) as archive:
            archive.extractall(folder, filter="data")
        yield Path(folder)


def table(this: Sequence[Times], other: Sequence[Times]) -> str:
    """A line a case: microseconds of a call and seconds of compiling, with their ratios and the ratios' means.

    >>> print(table([{"A": (1e-6, 0.4)}, {"A": (2e-6, 0.5)}], [{"A": (3e-6, 0.2)}]))
    case              call, µs: other     this  ratio    compile, s: other   this  ratio
    A                           3.000    1.000   3.00                 0.20   0.40   0.50
    geometric mean                              3.00                               0.50
    """
    lines = ["case              call, µs: other     this  ratio    compile, s: other   this  ratio"]
    for name in this[0]:
        (call, code), (other_call, other_code) = _best(this, name), _best(other, name)
        lines.append(
            f"{name:20} {other_call * 1e6:12.3f} {call * 1e6:8.3f} {other_call / call:6.2f}"
            f" {other_code:20.2f} {code:6.2f} {other_code / code:6.2f}"
        )
    best = [(_best(this, name), _best(other, name)) for name in this[0]]
    call, code = (geometric_mean([b[n] / a[n] for a, b in best]) for n in range(2))
    return "\n".join([*lines, f"{'geometric mean':20} {call:28.2f} {code:34.2f}"])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", help="a revision of this repository, or the root of another working tree")
    parser.add_argument("--cases", default=CASES, help="names, with commas between them")
    parser.add_argument("--rounds", type=int, default=2, help="processes of each tree")
    parser.add_argument("--seconds", type=float, default=0.5, help="how long each case is called")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    cases = chosen.cases.split(",")
    if chosen.inside:
        print(json.dumps(_measure(cases, chosen.seconds)))
        return
    with tree_of(chosen.other) as other:
        trees: Mapping[Path, list[Times]] = {HERE: [], other: []}
        for turn in range(chosen.rounds):
            for tree in list(trees)[:: -1 if turn % 2 else 1]:
                trees[tree].append(_in_process(tree, cases, chosen.seconds))
    print(table(*trees.values()))


if __name__ == "__main__":
    main()
