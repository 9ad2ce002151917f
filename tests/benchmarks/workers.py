"""How a loss over partitions would scale with workers: ``python -m tests.benchmarks.workers [--plot FILE.svg]``.

A simulation. Measured here are, for each partition by itself, what a worker computes, and what it costs beside that
(its part of a task that is submitted and scheduled, bringing its gradient back) through a cluster of one worker. Of
these times partitions are given out one after the other to so many workers, each to the one that is free first. No
network between machines is in it.
"""

from __future__ import annotations

import argparse
import heapq
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from codegen.page.charts import Axis, chart
from symnn.distributed import Objective, _gradient, in_pairs
from symnn.network import Network, dense

PARTITIONS, ROUNDS = 64, 5
WORKERS = (1, 2, 4, 8, 16, 32, 64)
ROWS = (4_000, 32_000, 256_000)
NETWORK = Network(8, (dense(64, "tanh"), dense(64, "tanh"), dense(1)), "mean_squared_error")


def median(call: Callable[[], object]) -> float:
    """Seconds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def cost_of_a_task(client: Any, theta: np.ndarray) -> float:
    """Seconds of a partition beside its computing, which is that of one row."""
    one = np.zeros((1, 8)), np.zeros((1, 1))
    objective = Objective(client, NETWORK, [one] * PARTITIONS)
    return median(lambda: objective(theta)) / PARTITIONS


def simulated(workers: int, compute: Sequence[float], task: float, combining: float) -> float:
    """Seconds of an evaluation."""
    free = [0.0] * workers
    for number, seconds in enumerate(compute):
        ready = (number + 1) * task
        heapq.heappush(free, max(heapq.heappop(free), ready) + seconds)
    return max(free) + combining


def measured() -> Mapping[int, tuple[float, float, float]]:
    """Of each size of partitions the seconds of computing one, of a task, and of adding the gradients up."""
    from distributed import Client, LocalCluster

    theta = NETWORK.initial_parameters(0)
    generator = np.random.default_rng(0)
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        task = cost_of_a_task(client, theta)
    found = {}
    for rows in ROWS:
        arrays = generator.normal(size=(rows, 8)), generator.normal(size=(rows, 1))
        part = _gradient(NETWORK, "float64", 1 / PARTITIONS, theta, arrays)
        compute = median(lambda arrays=arrays: _gradient(NETWORK, "float64", 1 / PARTITIONS, theta, arrays))  # type: ignore[misc]
        found[rows] = compute, task, median(lambda part=part: in_pairs([part] * PARTITIONS))  # type: ignore[misc]
    return found


def main(plot: Path | None) -> None:
    print(f"{PARTITIONS} partitions, {NETWORK.parameter_count:,} parameters; simulated from measured times")
    print(f"{'rows each':>10s} {'compute':>9s} {'task':>8s} {'adding':>8s} ms   speedup at {WORKERS} workers")
    curves = {}
    for rows, (compute, task, combining) in measured().items():
        times = [simulated(workers, [compute] * PARTITIONS, task, combining) for workers in WORKERS]
        speedups = [times[0] / each for each in times]
        print(
            f"{rows:10,d} {1e3 * compute:9.2f} {1e3 * task:8.2f} {1e3 * combining:8.2f}      "
            + " ".join(f"{speedup:6.1f}" for speedup in speedups)
        )
        curves[f"{rows:,} rows each"] = [*zip(map(float, WORKERS), speedups)]
    if plot is not None:
        curves["as many times"] = [(float(n), float(n)) for n in WORKERS]
        title = "Speedup against workers, simulated from measured times"
        axes = Axis("workers", logarithmic=True), Axis("speedup", logarithmic=True)
        plot.write_text(chart(curves, *axes, title=title, standalone=True), encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plot", type=Path)
    main(parser.parse_args().plot)
