"""Sparse Jacobians from Python: ``python -m tests.benchmarks.sparse``.

The Brusselator on a line of N points, 8·N − 4 values that are not 0: ``FlatFunction.jac``, which makes a matrix of its
own in each call, beside a call of the compiled function and the filling of ``data`` from what that returns, and SciPy's
constructor from the same arrays. Values are held to the dense Jacobian before times count.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

import numpy as np
from sympy import Idx, IndexedBase, Piecewise, Rational

from tests.benchmarks import machine

POINTS = (50, 500, 5_000)
DENSE = 500
"""Up to so many points the dense Jacobian is worked out, too."""


def measure(points: int, seconds: float) -> dict[str, str]:
    """One row of the table."""
    from scipy.sparse import csr_array

    import codegen
    from codegen.flat import call
    from tests.benchmarks.timing import interleaved

    i, f = Idx("i", points), IndexedBase("f", shape=(2, points))
    u, v = (IndexedBase(name, shape=(points,)) for name in "uv")

    def diffused(s: IndexedBase, beyond: int) -> object:
        left, right = (
            Piecewise((s[i - 1], i > 0), (beyond, True)),
            Piecewise((s[i + 1], i < points - 1), (beyond, True)),
        )
        return Rational(1, 50) * (points + 1) ** 2 * (left - 2 * s[i] + right)

    change = {
        f[0, i]: 1 + u[i] ** 2 * v[i] - 4 * u[i] + diffused(u, 1),
        f[1, i]: 3 * u[i] - u[i] ** 2 * v[i] + diffused(v, 3),
    }
    graph = codegen.from_expressions(change, [u, v])
    function = codegen.FlatFunction(graph, "f", sparse=True)
    x = np.random.default_rng(0).uniform(0.5, 2, 2 * points)
    matrix = function.jac(x)
    if points <= DENSE and not np.array_equal(matrix.toarray(), codegen.FlatFunction(graph, "f").jac(x)):
        raise ArithmeticError(f"{points} points: the sparse Jacobian differs from the dense one")
    derived = codegen.sparse_jacobian(graph, "f")
    target, values, rows = (derived.graph, codegen.compile(derived.graph)), function.unpack(x), derived.rows()
    found = np.concatenate([array.reshape(-1) for array in call(target, values)[1:]])
    times = interleaved(
        {
            "jac": lambda: function.jac(x),
            "function": lambda: target[1](*values.values()),
            "data": lambda: rows.data(found),
            "csr_array": lambda: csr_array((rows.data(found), rows.indices, rows.ends), shape=rows.shape),
        },
        seconds,
        time.process_time,
    )
    row = {"points": f"{points:,}", "values": f"{matrix.nnz:,}", **{name: f"{t:,.1f}" for name, t in times.items()}}
    return row | {"jac / (function + data)": f"{times['jac'] / (times['function'] + times['data']):.2f}"}


def main(arguments: Sequence[str], say: Callable[[str], None]) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.sparse", description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="about how long each row is timed (2)")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as caches:
        machine.prepare(1, caches)
        from tests.benchmarks.rendering import table

        rows = [measure(points, chosen.seconds) for points in POINTS]
        say(f"Processor time in µs, medians of interleaved calls; load of the machine: {os.getloadavg()[0]:.1f}.\n")
        say(table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], lambda text: print(text, flush=True)))
