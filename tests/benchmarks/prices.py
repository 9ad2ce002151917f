"""The prices of codegen/schedule/cost.py, fitted to networks timed by every schedule.

``python -m tests.benchmarks.prices`` prints them.

Prices are at least 0 and fitted to relative errors, so that small networks count as much as large ones. Those that the
networks hardly tell apart stay near what counting instructions suggests.
"""

from __future__ import annotations

import os

for _variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"

from collections.abc import Iterator  # noqa: E402

import numpy as np  # noqa: E402
from scipy.optimize import nnls  # noqa: E402

from codegen import compile, optimise  # noqa: E402
from codegen.runtime.machine import host  # noqa: E402
from codegen.schedule import schedule  # noqa: E402
from codegen.schedule.cost import PRICES, counts  # noqa: E402
from symnn import Network, dense  # noqa: E402
from tests.benchmarks.timing import interleaved  # noqa: E402

NETWORKS = (
    (2, 16, 3),
    (4, 8, 8, 2),
    (7, 19, 5),
    (20, 20, 20, 4),
    (64, 32, 10),
    (100, 40, 10),
    (30, 200, 5),
    (64, 64, 64, 10),
)
SAMPLES = (8, 33, 64, 256, 1024)
EXPECTED = {
    "call": 80.0,
    "kernel": 25.0,
    "kernel_product": 0.3,
    "transposed": 0.5,
    "lane_operation": 0.3,
    "lane_function": 6.0,
    "lane_loop": 5.0,
    "gathered": 1.0,
    "scalar_operation": 0.3,
    "scalar_function": 6.0,
    "external_function": 60.0,
    "blas": 300.0,
    "blas_product": 0.33,
}
"""Nanoseconds at 3.5 GHz with one product of vectors a cycle."""
WEIGHT = 0.3
"""Of a price at twice what is expected, beside that of a network timed at twice what the model says."""


def network(sizes: tuple[int, ...]) -> Network:
    """A tanh network with softmax cross-entropy."""
    return Network(sizes[0], (*(dense(n, "tanh") for n in sizes[1:-1]), dense(sizes[-1])), "softmax_cross_entropy")


def measured(sizes: tuple[int, ...], samples: int, names: tuple[str, ...]) -> dict[str, float]:
    """Nanoseconds a call by schedule, interleaved medians."""
    given = network(sizes)
    generator = np.random.Generator(np.random.PCG64(0))
    x, y = generator.normal(size=(samples, sizes[0])), generator.integers(0, sizes[-1], samples)
    theta = given.initial_parameters(0)
    graph = given.gradient_graph
    packs = {"theta": list(given.layout), "gradient": list(graph.outputs[1:])}
    calls = {name: compile(graph, schedule=name, pack=packs).bind(theta, x, y) for name in names}  # type: ignore[arg-type]
    return {name: 1e3 * microseconds for name, microseconds in interleaved(calls, 0.15).items()}


def rows() -> Iterator[tuple[str, dict[str, float], float]]:
    """What each network costs by each schedule: a name, what it does, and its nanoseconds."""
    for sizes in NETWORKS:
        graph, _ = optimise(network(sizes).gradient_graph)
        programs = {name: schedule(graph, name, host()) for name in ("loops", "tiled", "blas")}  # type: ignore[arg-type]
        for samples in SAMPLES:
            for name, nanoseconds in measured(sizes, samples, tuple(programs)).items():
                yield f"{sizes} × {samples} {name}", counts(programs[name], samples), nanoseconds


def main() -> None:
    """Print the fitted prices and how far the model is off."""
    found = list(rows())
    matrix = np.array([[row.get(kind, 0.0) / time for kind in PRICES] for _, row, time in found])
    expected = np.array([EXPECTED[kind] for kind in PRICES])
    near = np.diag(WEIGHT / expected)
    prices, _ = nnls(np.vstack([matrix, near]), np.concatenate([np.ones(len(found)), near @ expected]))
    for kind, price in zip(PRICES, prices):
        print(f'    "{kind}": {price:.3g},')
    for (name, _, time), ratio in zip(found, matrix @ prices):
        print(f"{name:<40} measured {time / 1e3:10.2f} µs, model × {ratio:.2f}")


if __name__ == "__main__":
    main()
