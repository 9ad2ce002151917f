"""Max and Min beside Piecewise: ``python -m tests.benchmarks.maxima``.

A row is one formula written in both ways, its value and its gradient for 10,000 numbers: microseconds a bound call, and
processor seconds to compile it. Piecewise shares nothing among equal arguments, which saves a comparison and a choice
for each of them. The exit status is 1 where Max and Min take more than :data:`LIMIT` times as long.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping

import numpy as np
from sympy import Expr, Idx, IndexedBase, Max, Min, Piecewise, Sum, Symbol, tanh

import codegen
from codegen import Graph
from tests.benchmarks.timing import interleaved

LIMIT = 1.3
NUMBERS = 10_000
SECONDS = 1.0

n = Symbol("n", integer=True, positive=True)
i = Idx("i", n)
x, y, z, clipped = (IndexedBase(name)[i] for name in ("x", "y", "z", "clipped"))

CLIPS = {"Max": Max(-1, Min(1, x)), "Piecewise": Piecewise((-1, x < -1), (1, x > 1), (x, True))}
LARGEST = {"Max": Max(x, y, z), "Piecewise": Piecewise((x, (x >= y) & (x >= z)), (y, y >= z), (z, True))}


def _total(value: Expr) -> Expr:
    return Sum(value, (i, 0, n - 1))


ROWS: Mapping[str, tuple[Mapping[str, Expr], Callable[[Expr], Mapping[object, Expr]]]] = {
    "clip": (CLIPS, lambda clip: {"e": _total(clip)}),
    # Of the square of a Piecewise SymPy makes one whose outer branches are the number 1.
    "clip²": (CLIPS, lambda clip: {"e": _total(clip**2)}),
    "clip², by its name": (CLIPS, lambda clip: {clipped: clip, "e": _total(clipped**2)}),
    "(clip − y)²": (CLIPS, lambda clip: {"e": _total((clip - y) ** 2)}),
    "tanh(clip)": (CLIPS, lambda clip: {"e": _total(tanh(clip))}),
    "the largest of three": (LARGEST, lambda largest: {"e": _total(largest**2)}),
}


def derived(outputs: Mapping[object, Expr]) -> Graph:
    """The value e and its gradient by x."""
    read = set().union(*(value.free_symbols for value in outputs.values()))
    inputs = [number for number in (x, y, z) if number in read]
    return codegen.gradient(codegen.from_expressions(outputs, inputs).with_outputs("e"), "e", ["x"])


def main(wanted: str = "") -> int:
    """Print the table."""
    parts = [part.strip() for part in wanted.split(",")]
    generator = np.random.Generator(np.random.PCG64(0))
    worst = 0.0
    print("| formula | Max, µs | Piecewise, µs | ratio | Max, s to compile | Piecewise, s to compile |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name, (ways, outputs) in ROWS.items():
        if not any(part in name for part in parts):
            continue
        calls, compiling = {}, {}
        for way, formula in ways.items():
            graph = derived(outputs(formula))
            begun = time.process_time()
            function = codegen.compile(graph, cache=False)
            compiling[way] = time.process_time() - begun
            calls[way] = function.bind(*[generator.normal(size=NUMBERS) for _ in graph.inputs])
        times = interleaved(calls, SECONDS)
        ratio = times["Max"] / times["Piecewise"]
        worst = max(worst, ratio)
        figures = " | ".join(f"{found:.3g}" for found in (*times.values(), ratio, *compiling.values()))
        print(f"| {name} | {figures} |", flush=True)
    print(f"\nThe worst ratio is {worst:.2f}; at most {LIMIT:g} is expected.")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
