"""Networks 2-16-3 trained together in lanes, beside one after the other: ``python -m tests.benchmarks.ensembles``.

An argument is the number of epochs, over which what is not done anew each time counts more or less.

Microseconds of processor time an epoch of 2,048 rows, all members; medians of interleaved runs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import symnn
from codegen.dtypes import Dtype

ROWS, ROUNDS = 2048, 5
BATCHES = (16, 32, 64, 256)
MEMBERS = (8, 16)


def data() -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).normal(size=(ROWS, 2))
    return x, np.digitize(np.hypot(*x.T), [0.8, 1.4])


def medians(calls: Sequence[Callable[[], Any]]) -> list[float]:
    times: list[list[float]] = [[] for _ in calls]
    for call in calls:
        call()  # compiles
    for _ in range(ROUNDS):
        for call, found in zip(calls, times):
            start = time.process_time_ns()
            call()
            found.append((time.process_time_ns() - start) / 1e3)
    return [float(np.median(found)) for found in times]


def measured(members: int, batch: int, dtype: Dtype, epochs: int) -> tuple[float, float]:
    network = symnn.Network(2, (symnn.dense(16, "tanh"), symnn.dense(3)), "softmax_cross_entropy")
    x, y = data()
    settings = {"batch_size": batch, "optimiser": "adam", "epochs": epochs}

    def together() -> object:
        return symnn.ensemble(network, x, y, settings, members=members, dtype=dtype)

    def apart() -> object:
        model = network.compile(dtype)
        return [symnn.train(model, x, y, {**settings, "seed": n}, progress=False) for n in range(members)]

    found = medians([together, apart])
    return found[0] / epochs, found[1] / epochs


def main(epochs: int) -> None:
    print(f"{'members':>7s} {'batch':>6s} {'dtype':8s} {'together':>9s} {'apart':>9s} {'ratio':>6s}   µs an epoch")
    for members in MEMBERS:
        for batch in BATCHES:
            for dtype in ("float64", "float32"):
                together, apart = measured(members, batch, dtype, epochs)
                times = f"{together:9.0f} {apart:9.0f} {apart / together:6.2f}"
                print(f"{members:7d} {batch:6d} {dtype:8s} {times}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 30)
