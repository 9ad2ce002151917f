"""``auto`` beside every schedule by name: ``python -m tests.benchmarks.schedules [SIZES,…]``.

A row is the gradient of a network for so many samples: microseconds a bound call by each schedule, what ``auto`` is,
and its time divided by the least. The exit status is 1 where that is more than :data:`LIMIT`. Sizes with commas between
them (``64-32-10``), or parts of them, choose rows.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import codegen
from codegen import Graph, gradient
from tests.benchmarks.timing import interleaved
from tests.codegen.networks import mlp, parameters, random_values

LIMIT = 1.15
SECONDS = 0.2
NETWORKS = ((2, 16, 3), (9, 30, 7), (33, 20, 20, 5), (64, 32, 10), (120, 90, 3), (17, 300, 4), (64, 64, 64, 10))
SAMPLES = (32, 100, 512)
SCHEDULES = ("auto", "loops", "tiled", "blas")


def derived(sizes: Sequence[int]) -> Graph:
    """The gradient of a tanh network with softmax cross-entropy."""
    network = mlp(list(sizes))
    return gradient(network, "loss", parameters(network))


def main(wanted: str = "") -> int:
    """Print the table."""
    parts = [part.strip() for part in wanted.split(",")]
    worst = 0.0
    print(f"| network | samples | {', µs | '.join(SCHEDULES)}, µs | auto is | ratio |")
    print("| --- " * (4 + len(SCHEDULES)) + "|")
    for sizes in NETWORKS:
        if not any(part in "-".join(map(str, sizes)) for part in parts):
            continue
        graph = derived(sizes)
        functions = {name: codegen.compile(graph, schedule=name) for name in SCHEDULES}  # type: ignore[arg-type]
        for samples in SAMPLES:
            values = random_values(graph, samples=samples)
            arguments = [values[variable.name] for variable in graph.inputs]
            calls = {name: function.bind(*arguments) for name, function in functions.items()}
            times = interleaved(calls, SECONDS)
            ratio = times["auto"] / min(times.values())
            worst = max(worst, ratio)
            figures = " | ".join(f"{times[name]:.3g}" for name in SCHEDULES)
            title = f"{'-'.join(map(str, sizes))} | {samples}"
            print(f"| {title} | {figures} | {functions['auto'].report.schedule} | {ratio:.2f} |", flush=True)
    print(f"\nThe worst ratio is {worst:.2f}; at most {LIMIT:g} is expected.")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
