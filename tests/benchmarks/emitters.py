"""Vector code beside the readable form on the graphs of the schedule tests: ``python -m tests.benchmarks.emitters``.

A row is a graph by one schedule: microseconds a bound call of both, and their ratio. The exit status is 1 where vector
code takes more than :data:`LIMIT` times as long. Names with commas between them, or parts of them, choose rows.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from functools import partial

from sympy import Eq, Expr, Piecewise, tanh

import codegen
from codegen import Equation, Graph, Index, Reduction, Variable, gradient, sample_extent
from codegen.functions import equal
from codegen.ir.unrolling import scalar_equations
from codegen.schedule import UNROLLED_STATEMENTS
from tests.benchmarks.timing import interleaved
from tests.codegen.networks import Lazy, parameters, random_values
from tests.codegen.test_compile import NETWORKS
from tests.codegen.test_selection import PRUNED, X, w

LIMIT = 3.0
SAMPLES = 64
SCHEDULES = ("auto", "unrolled", "loops", "tiled", "blas")

S = sample_extent()
s, i, j, p, q = Index("s", S), Index("i", 512), Index("j", 512), Index("p", 2), Index("q", 2)
x, y, z = Variable("x", (S, 512)), Variable("y", (S, 512)), Variable("z", (S,))
pairs, two, matrix = Variable("pairs", (S, 2)), Variable("two", (S, 2)), Variable("A", (2, 2))


def _sum(target: Expr, body: Expr, *reduced: Index) -> Equation:
    return Equation(target, body, Reduction.SUM, reduced)


def _graph(inputs: Sequence[Variable], *equations: Equation) -> Graph:
    return Graph(tuple(inputs), equations, (equations[-1].name,))


ROWS: Mapping[str, Graph] = {
    "a map of rows": _graph([x], Equation(y[s, i], x[s, i] ** 2)),
    "a map of rows with a function": _graph([x], Equation(y[s, i], tanh(x[s, i]))),
    "rows reversed": _graph([x], _sum(y[s, i], Piecewise((x[s, j] ** 2, Eq(j, 511 - i)), (0, True)), j)),
    "neighbours in a row": _graph([x], _sum(y[s, i], equal(j, i + 1) * tanh(x[s, j]), j)),
    "sums of rows": _graph([x], _sum(z[s], x[s, i] ** 2, i)),
    "sums of columns": _graph([x], _sum(Variable("c", (512,))[i], x[s, i] ** 2, s)),
    "rows divided by their sums": _graph([x], _sum(z[s], x[s, i] ** 2, i), Equation(y[s, i], x[s, i] / z[s])),
    "pairs": _graph([pairs], Equation(z[s], tanh(pairs[s, 0] * pairs[s, 1]))),
    "products of pairs with a matrix": _graph([pairs, matrix], _sum(two[s, p], tanh(matrix[p, q] * pairs[s, q]), q)),
    "a vector of samples": _graph([z], Equation(Variable("w", (S,))[s], tanh(z[s]) * z[s])),
}
"""Arrays in rows, the features of each sample next to each other."""


def _differentiated(network: Graph) -> Graph:
    return gradient(network, "loss", parameters(network))


def _selecting(equations: Sequence[Equation], of: str) -> Graph:
    inputs = (X,) if any("X" in str(equation.body) for equation in equations) else (w,)
    return Graph(inputs, tuple(equations), (of,))


GRAPHS = Lazy(
    {
        **{name: partial(ROWS.__getitem__, name) for name in ROWS},
        **{name: partial(_differentiated, network) for name, network in NETWORKS.items()},
        **{f"selected: {name}": partial(_selecting, *pruned) for name, pruned in PRUNED.items()},
    }
)


def suiting(graph: Graph) -> list[str]:
    """The schedules for a graph: written out if there are few statements, in tiles if there are samples."""
    few = scalar_equations(graph.equations) <= UNROLLED_STATEMENTS and all(
        not isinstance(n, int) or n <= UNROLLED_STATEMENTS for v in graph.inputs for n in v.shape
    )
    unsuited = {"unrolled": not few, "tiled": not graph.extents}
    return [chosen for chosen in SCHEDULES if not unsuited.get(chosen)]


def measured(graph: Graph, chosen: str, seconds: float) -> dict[str, float]:
    """Microseconds a bound call by each emitter."""
    values = random_values(graph, samples=SAMPLES)
    calls = {}
    for emitter in ("vector", "numba"):
        function = codegen.compile(graph, schedule=chosen, emitter=emitter)  # type: ignore[arg-type]
        calls[emitter] = function.bind(*[values[v.name] if v.shape else values[v.name].item() for v in graph.inputs])
    return interleaved(calls, seconds)


def main(wanted: str = "") -> int:
    """Print the table."""
    parts = [part.strip() for part in wanted.split(",")]
    worst = 0.0
    print("| graph | schedule | vector, µs | readable, µs | ratio |")
    print("| --- | --- | --- | --- | --- |")
    for name in (name for name in GRAPHS if any(part in name for part in parts)):
        for chosen in suiting(GRAPHS[name]):
            # Another process may take the core for one of the attempts.
            attempts = [measured(GRAPHS[name], chosen, 0.2) for _ in range(3)]
            ratio, times = min(((t["vector"] / t["numba"], t) for t in attempts), key=lambda found: found[0])
            worst = max(worst, ratio)
            print(f"| {name} | {chosen} | {times['vector']:.3g} | {times['numba']:.3g} | {ratio:.2f} |", flush=True)
    print(f"\nThe worst ratio is {worst:.2f}; at most {LIMIT:g} is expected.")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
