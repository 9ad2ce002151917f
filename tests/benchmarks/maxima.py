"""Max and Min beside Piecewise: ``python -m tests.benchmarks.maxima``.

A row is one formula written in both ways, its value and gradient by x for 10,000 numbers: microseconds a bound call,
and processor seconds to compile it, the shortest of :data:`COMPILED`. Piecewise shares nothing among equal arguments,
which saves a comparison and a choice for each of them. The exit status is 1 where Max and Min take more than
:data:`LIMIT` times as long.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import product

import numpy as np
from sympy import And, Expr, Idx, IndexedBase, Max, Min, Piecewise, Sum, Symbol, tanh

import codegen
from codegen import Graph
from tests.benchmarks.timing import interleaved

LIMIT = 1.3
NUMBERS = 10_000
SECONDS = 1.0
COMPILED = 3
PAGE = 4096
DTYPES = "float64", "float32"

n = Symbol("n", integer=True, positive=True)
i = Idx("i", n)
x, y, z, v, w, clipped = (IndexedBase(name)[i] for name in ("x", "y", "z", "v", "w", "clipped"))

CLIPS = {"Max": Max(-1, Min(1, x)), "Piecewise": Piecewise((-1, x < -1), (1, x > 1), (x, True))}
POSITIVE = {"Max": Max(x, 0), "Piecewise": Piecewise((x, x > 0), (0, True))}
SMALLER = {"Max": Min(x, y), "Piecewise": Piecewise((x, x <= y), (y, True))}


def _largest(numbers: Sequence[Expr]) -> Mapping[str, Expr]:
    branches = [
        (number, And(*[number >= other for other in numbers[place + 1 :]])) for place, number in enumerate(numbers)
    ]
    return {"Max": Max(*numbers), "Piecewise": Piecewise(*branches)}


def _total(value: Expr) -> Expr:
    return Sum(value, (i, 0, n - 1))


ROWS: Mapping[str, tuple[Mapping[str, Expr], Callable[[Expr], Mapping[object, Expr]]]] = {
    "clip": (CLIPS, lambda clip: {"e": _total(clip)}),
    # Of the square of a Piecewise SymPy makes one whose outer branches are the number 1.
    "clip²": (CLIPS, lambda clip: {"e": _total(clip**2)}),
    "clip², by its name": (CLIPS, lambda clip: {clipped: clip, "e": _total(clipped**2)}),
    "(clip − y)²": (CLIPS, lambda clip: {"e": _total((clip - y) ** 2)}),
    "tanh(clip)": (CLIPS, lambda clip: {"e": _total(tanh(clip))}),
    "max(x, 0)": (POSITIVE, lambda positive: {"e": _total(positive)}),
    "max(x, 0)²": (POSITIVE, lambda positive: {"e": _total(positive**2)}),
    "min(x, y)²": (SMALLER, lambda smaller: {"e": _total(smaller**2)}),
    "the largest of three": (_largest((x, y, z)), lambda largest: {"e": _total(largest**2)}),
    "the largest of five": (_largest((x, y, z, v, w)), lambda largest: {"e": _total(largest**2)}),
}


def derived(outputs: Mapping[object, Expr]) -> Graph:
    """The value e and its gradient by x."""
    read = set().union(*(value.free_symbols for value in outputs.values()))
    inputs = [number for number in (x, y, z, v, w) if number in read]
    return codegen.gradient(codegen.from_expressions(outputs, inputs).with_outputs("e"), "e", ["x"])


def at_page(numbers: np.ndarray) -> np.ndarray:
    """A copy that begins with a page of memory."""
    room = np.empty(numbers.nbytes + PAGE, np.uint8)
    begin = -room.ctypes.data % PAGE
    found = room[begin : begin + numbers.nbytes].view(numbers.dtype)
    found[:] = numbers
    return found


def main(wanted: str = "") -> int:
    """Print the table."""
    parts = [part.strip() for part in wanted.split(",")]
    generator = np.random.Generator(np.random.PCG64(0))
    worst: list[float] = []
    print("| formula | dtype | Max, µs | Piecewise, µs | ratio | Max, s to compile | Piecewise, s to compile | ratio |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    for (name, (ways, outputs)), dtype in product(ROWS.items(), DTYPES):
        if not any(part in name for part in parts):
            continue
        graphs = {way: derived(outputs(formula)) for way, formula in ways.items()}
        compiling = dict.fromkeys(graphs, np.inf)
        for way, graph in [*graphs.items()] * COMPILED:
            gc.collect()  # code that is still held is found again
            begun = time.process_time()
            codegen.compile(graph, dtype=dtype, cache=False)
            compiling[way] = min(compiling[way], time.process_time() - begun)
        # The same arrays for both: a result that lies 64 to 256 bytes above what is read, but for whole pages of 4,096,
        # takes 1.2 to 6 times as long, since the processor takes its stores for those that the next loads wait for.
        arrays = {v.name: at_page(generator.normal(size=NUMBERS).astype(dtype)) for v in graphs["Max"].inputs}
        slope = at_page(np.empty(NUMBERS, dtype))
        calls = {
            way: codegen.compile(graph, dtype=dtype, cache=False).bind(
                *[arrays[v.name] for v in graph.inputs], out=slope
            )
            for way, graph in graphs.items()
        }
        times = interleaved(calls, SECONDS)
        ratios = [found["Max"] / found["Piecewise"] for found in (times, compiling)]
        worst += ratios
        figures = (*times.values(), ratios[0], *compiling.values(), ratios[1])
        print(f"| {name} | {dtype} | {' | '.join(f'{found:.3g}' for found in figures)} |", flush=True)
    print(f"\nThe worst ratio is {max(worst):.2f}; at most {LIMIT:g} is expected.")
    return int(max(worst) > LIMIT)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
