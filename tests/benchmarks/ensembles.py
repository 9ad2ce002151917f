"""Networks 2-16-3 trained together in lanes, beside one after the other: ``python -m tests.benchmarks.ensembles``.

An argument is the number of epochs, over which what is not done anew each time counts more or less. ``--widths`` has
eight members of other widths: as parts of the widest, in lanes with those of their own width alone, and apart.
``--parts`` has what an epoch is made of.

Microseconds of processor time an epoch of 2,048 rows, all members; medians of interleaved runs. Behind them the least
times of the gradient on one batch alone, bound, of all members together and one after the other: where these are
alike, the arithmetic fills the lanes either way, and only what else an epoch costs can be shared.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any
from unittest import mock

import numpy as np

import symnn
from codegen.dtypes import Dtype
from symnn.ensembles import lanes_of, of_members

ROWS, ROUNDS = 2048, 5
NETWORK = symnn.Network(2, (symnn.dense(16, "tanh"), symnn.dense(3)), "softmax_cross_entropy")
BATCHES = (16, 32, 64, 256)
MEMBERS = (8, 16)
WIDTHS = ((10, 12, 14, 16, 18, 20, 22, 24), (8, 8, 16, 16, 24, 24, 32, 32), (4, 8, 12, 16, 20, 24, 28, 32))


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
    network, (x, y) = NETWORK, data()
    settings = {"batch_size": batch, "optimiser": "adam", "epochs": epochs}

    def together() -> object:
        return symnn.ensemble(network, x, y, settings, members=members, dtype=dtype)

    def apart() -> object:
        model = network.compile(dtype)
        return [symnn.train(model, x, y, {**settings, "seed": n}, progress=False) for n in range(members)]

    found = medians([together, apart])
    return found[0] / epochs, found[1] / epochs


def of_widths(widths: Sequence[int], batch: int, dtype: Dtype, epochs: int) -> list[float]:
    """As parts of the widest, those of one width together, and one after the other."""
    networks = [
        symnn.Network(2, (symnn.dense(width, "tanh"), symnn.dense(3)), "softmax_cross_entropy") for width in widths
    ]
    settings = {"batch_size": batch, "optimiser": "adam", "epochs": epochs}
    x, y = data()
    models = [network.compile(dtype) for network in networks]

    def together() -> object:
        return symnn.ensemble(networks, x, y, settings, dtype=dtype)

    def by_width() -> object:
        with mock.patch("symnn.ensembles.widest", tuple):
            return together()

    def apart() -> object:
        return [symnn.train(model, x, y, settings, progress=False) for model in models]

    return [found / epochs for found in medians([together, by_width, apart])]


def main_of_widths(epochs: int) -> None:
    print(f"{'widths':26s}  batch dtype      widest by width    apart  ratio   µs an epoch")
    for widths in WIDTHS:
        for batch in (16, 64, 256):
            for dtype in ("float64", "float32"):
                found = of_widths(widths, batch, dtype, epochs)
                times = " ".join(f"{each:8.0f}" for each in found)
                named = " ".join(map(str, widths))
                print(f"{named:26s} {batch:6d} {dtype:8s} {times} {found[2] / found[0]:6.2f}", flush=True)


def gradients(members: int, batch: int, dtype: Dtype) -> tuple[float, float]:
    """Those of all members together, and one after the other."""
    x, y = data()
    rows = np.ascontiguousarray(x[:batch], dtype), y[:batch].astype(np.int64)
    theta = NETWORK.initial_parameters().astype(dtype)
    graph = of_members(NETWORK.training_graph, NETWORK.layout, members).with_outputs("total")
    together = symnn.Model.from_graph(graph, [*NETWORK.layout], ["x"], loss="total", dtype=dtype)
    bound = (
        together.value_and_grad.bind(np.repeat(theta, members), *rows),
        NETWORK.compile(dtype).value_and_grad.bind(theta, *rows),
    )
    times: list[list[float]] = [[], []]
    for _ in range(200):
        for call, found in zip(bound, times):
            start = time.perf_counter_ns()
            for _ in range(20):
                call()
            found.append((time.perf_counter_ns() - start) / 20e3)
    return min(times[0]), members * min(times[1])


def parts(dtype: Dtype, members: int = 8, batch: int = 64) -> dict[str, float]:
    """What an epoch of 1,433 rows, judged by 205 others, is made of."""
    x, y = data()
    rows, judged = ((x[part].astype(dtype), y[part].astype(np.int64)) for part in (slice(1433), slice(1433, 1638)))
    every, settings = range(members), symnn.TrainingSpec(optimiser="adam", batch_size=batch)
    group = lanes_of(NETWORK, [NETWORK] * members, every, every, np.full(members, 0.02), rows, settings, dtype)
    generator, better = np.random.default_rng(0), np.ones(members, bool)
    order = generator.permutation(len(rows[0]))
    timed: dict[str, Callable[[], object]] = {
        "order": lambda: generator.permutation(len(order)),
        "through all rows": lambda: group.epoch(1.0, order, batch),
        "losses": lambda: group.losses_of(group.descent.theta, *judged),
        "keep the best": lambda: group.keep(better),
    }
    found: dict[str, list[float]] = {name: [] for name in timed}
    for _ in range(300):
        for name, call in timed.items():
            start = time.perf_counter_ns()
            call()
            found[name].append((time.perf_counter_ns() - start) / 1e3)
    alone = gradients(members, batch, dtype)[0] * len(order) / batch
    return {"gradients": alone, **{name: float(np.median(times)) for name, times in found.items()}}


def main_of_parts(_: int) -> None:
    print("µs an epoch; the gradients are a part of the way through all rows")
    for dtype in ("float64", "float32"):
        print(f"{dtype}  " + "  ".join(f"{name} {took:.0f}" for name, took in parts(dtype).items()), flush=True)


def main(epochs: int) -> None:
    print(
        f"{'members':>7s} {'batch':>6s} {'dtype':8s} {'together':>9s} {'apart':>9s} {'ratio':>6s}   µs an epoch;"
        " the gradient alone"
    )
    for members in MEMBERS:
        for batch in BATCHES:
            for dtype in ("float64", "float32"):
                together, apart = measured(members, batch, dtype, epochs)
                times = f"{together:9.0f} {apart:9.0f} {apart / together:6.2f}"
                alone = "{:12.1f} {:6.1f}".format(*gradients(members, batch, dtype))
                print(f"{members:7d} {batch:6d} {dtype:8s} {times} {alone}", flush=True)


if __name__ == "__main__":
    ways = {"--widths": main_of_widths, "--parts": main_of_parts}
    chosen = [ways[each] for each in sys.argv[1:] if each in ways]
    given = [int(each) for each in sys.argv[1:] if each not in ways]
    (chosen or [main])[0](given[0] if given else 30)
