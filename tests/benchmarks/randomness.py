"""Random numbers in compiled code beside NumPy's, and a gradient with dropout beside one that is given its masks.

``python -m tests.benchmarks.randomness [row]``, processor time of one thread. The first table is nanoseconds a number
of an array (4,000, 64) to which they are added; samples in lanes are those of an array (64, 4,000), each sample a row
of random numbers. The second is microseconds of value and gradient of dense networks, drawing the masks in the
equations, or by NumPy for each call, as inputs. The exit status is 1 where a number takes longer than NumPy's, or the
masks in the equations longer than those that are given.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import numpy as np
from sympy import Expr

import codegen
import symnn
from codegen import Equation, Graph, Index, Variable
from tests.benchmarks.timing import interleaved

ROWS, WIDTH = 4000, 64
SECONDS = 1.0
DTYPES = "float64", "float32"
SEED = Variable("seed", (), "integer")

KINDS: Mapping[str, Callable[..., Expr]] = {
    "uniform": codegen.random_uniform,
    "reaches": lambda *place, **more: codegen.random_reaches(0.2, *place, **more),
    "normal": codegen.random_normal,
}
NETWORKS: Mapping[str, tuple[tuple[int, ...], float, int]] = {
    "64-64-64-10, 64 samples": ((64, 64, 64, 10), 0.2, 64),
    "784-512-256-10, 256 samples": ((784, 512, 256, 10), 0.5, 256),
    "2-16-3, 64 samples": ((2, 16, 3), 0.2, 64),
}


def numbers(kind: str, turned: bool) -> Graph:
    """y = x + a random number."""
    s, h = Index("s", ROWS), Index("h", WIDTH)
    at = (h, s) if turned else (s, h)
    x, y = (Variable(name, (WIDTH, ROWS) if turned else (ROWS, WIDTH)) for name in "xy")
    drawn = KINDS[kind](SEED.symbol, h, row=s, width=WIDTH)
    return Graph((x, SEED), (Equation(y[at], x[at] + drawn),), ("y",))


def numpys(kind: str, dtype: str) -> Callable[[], Any]:
    """As many numbers by NumPy."""
    generator, shape = np.random.Generator(np.random.Philox(0)), (ROWS, WIDTH)
    if kind == "normal":
        return lambda: generator.standard_normal(shape, dtype=dtype)
    if kind == "uniform":
        return lambda: generator.random(shape, dtype=dtype)
    return lambda: (generator.random(shape) >= 0.2).astype(dtype)


def with_masks_given(graph: Graph) -> Graph:
    """The graph with its masks as inputs in the place of the seed."""
    masks = [e for e in graph.equations if e.name.startswith("mask")]
    inputs = [v for v in graph.inputs if v.name not in ("seed", "first")]
    kept = [e for e in graph.equations if e not in masks]
    return Graph((*inputs, *(e.variable for e in masks)), tuple(kept), graph.outputs)


def steps(sizes: tuple[int, ...], rate: float, samples: int, dtype: str) -> Mapping[str, Callable[[], Any]]:
    """Value and gradient of a network, the ways to have the masks."""
    first, *hidden, last = sizes
    layers = [layer for n in hidden for layer in (symnn.dense(n, "relu"), symnn.dropout(rate))]
    network = symnn.Network(first, (*layers, symnn.dense(last)), "softmax_cross_entropy")
    generator = np.random.default_rng(0)
    theta = network.initial_parameters().astype(dtype)
    x, y = generator.normal(size=(samples, first)).astype(dtype), generator.integers(last, size=samples)
    pack = {"theta": list(network.layout), "gradient": list(network.gradient_graph.outputs[1:])}
    own = codegen.compile(network.gradient_graph, dtype=dtype, pack=pack)
    graph = with_masks_given(network.training_graph)
    given = codegen.gradient(graph, "loss", list(network.layout))
    other = codegen.compile(given, dtype=dtype, pack=pack)

    def drawn() -> Any:
        masks = []
        for number, n in enumerate(hidden):
            philox = np.random.Generator(np.random.Philox(key=np.array([5, number], np.uint64)))
            masks.append(np.where(philox.random((samples, n)) >= rate, 1 / (1 - rate), 0.0).astype(dtype))
        return other(theta, x, y, *masks)

    found, expected = own(theta, x, y, 5, 0), drawn()
    assert abs(found[1] - expected[1]).max() <= 1e-4 * abs(expected[1]).max()
    return {"drawn": lambda: own(theta, x, y, 5, 0), "given": drawn}


def main(wanted: str = "") -> int:
    """Print the tables."""
    worst: list[float] = []
    print("| numbers | dtype | features in lanes, ns | samples in lanes, ns | NumPy, ns | ratio |")
    print("| --- | --- | --- | --- | --- | --- |")
    for kind, dtype in product(KINDS, DTYPES):
        if wanted not in kind:
            continue
        calls: dict[str, Callable[[], Any]] = {}
        for turned in (False, True):
            graph = numbers(kind, turned)
            x = np.zeros([int(str(n)) for n in graph.inputs[0].shape], dtype)
            calls[str(turned)] = codegen.compile(graph, dtype=dtype).bind(x, 5)
        calls["NumPy"] = numpys(kind, dtype)
        times = [found * 1e3 / (ROWS * WIDTH) for found in interleaved(calls, SECONDS, time.process_time).values()]
        worst.append(times[0] / times[2])
        print(f"| {kind} | {dtype} | {' | '.join(f'{found:.2f}' for found in (*times, worst[-1]))} |", flush=True)
    print("\n| network | dtype | drawn in the equations, µs | by NumPy, given, µs | ratio |")
    print("| --- | --- | --- | --- | --- |")
    for (name, (sizes, rate, samples)), dtype in product(NETWORKS.items(), DTYPES):
        if wanted not in name:
            continue
        times = [*interleaved(steps(sizes, rate, samples, dtype), SECONDS, time.process_time).values()]
        worst.append(times[0] / times[1])
        print(f"| {name} | {dtype} | {' | '.join(f'{found:.3g}' for found in (*times, worst[-1]))} |", flush=True)
    print(f"\nThe worst ratio is {max(worst):.2f}; at most 1 is expected.")
    return int(max(worst) > 1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
