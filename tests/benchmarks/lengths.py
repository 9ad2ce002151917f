"""Several lengths that each call decides: ``python -m tests.benchmarks.lengths``.

Products of matrices of any size with vectors and with each other, their gradients, and recurrent networks whose
sequences are of any length: one thread and two, beside the same formula with all lengths but one in it, and beside
NumPy. Everybody's results are held to each other before their times count; medians of interleaved calls.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from tests.benchmarks import machine

ROWS, COLUMNS = 16_392, 128
TOLERANCE = {"float64": 1e-9, "float32": 2e-3}
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """A formula whose lengths are ``sizes``, the first of which stays one of each call where the others are in it."""

    what: str
    sizes: Mapping[str, int]
    graph: Callable[..., Any]
    """Of the lengths, by name."""
    numpy: Callable[[Arrays], Sequence[Any]] | None = None
    """The same results; without a peer only lengths are compared."""


# --- formulas -----------------------------------------------------------------------------------------------------


def product(m: Any, n: Any) -> Any:
    """y[i] = Σ_j P[i, j]·x[j]."""
    from sympy import Idx, IndexedBase, Sum

    import codegen

    i, j = Idx("i", m), Idx("j", n)
    P, x, y = IndexedBase("P", shape=(m, n)), IndexedBase("x", shape=(n,)), IndexedBase("y")
    return codegen.from_expressions({y[i]: Sum(P[i, j] * x[j], j)}, [P, x])


def transposed(m: Any, n: Any) -> Any:
    """The vector times the derivative of that: Σ_i v[i]·P[i, j]."""
    import codegen

    derived = codegen.vjp(product(m, n), "y", ["x"])
    return derived.with_outputs(derived.outputs[1])


def squares(m: Any, n: Any) -> Any:
    """Σ_i (Σ_j P[i, j]·x[j] − w[i])²."""
    from sympy import Idx, IndexedBase, Sum

    import codegen

    i, j = Idx("i", m), Idx("j", n)
    P, x, w, y = (
        *(IndexedBase(name, shape=shape) for name, shape in zip("Pxw", ((m, n), (n,), (m,)))),
        IndexedBase("y"),
    )
    outputs = {y[i]: Sum(P[i, j] * x[j], j), "e": Sum((y[i] - w[i]) ** 2, i)}
    return codegen.from_expressions(outputs, [P, x, w]).with_outputs("e")


def derived_squares(by: str, m: Any, n: Any) -> Any:
    import codegen

    return codegen.gradient(squares(m, n), "e", [by])


def matrices(m: Any, n: Any, k: Any) -> Any:
    """C[i, l] = Σ_j A[i, j]·B[j, l]."""
    from sympy import Idx, IndexedBase, Sum

    import codegen

    i, j, l = Idx("i", m), Idx("j", n), Idx("l", k)
    A, B, C = IndexedBase("A", shape=(m, n)), IndexedBase("B", shape=(n, k)), IndexedBase("C")
    return codegen.from_expressions({C[i, l]: Sum(A[i, j] * B[j, l], j)}, [A, B])


def lstm(S: Any, T: Any) -> Any:
    """An LSTM 16-32; the number of sequences is S."""
    import codegen
    from tests.benchmarks.shifts import lstm_graph

    graph = lstm_graph(16, 32, T)
    return codegen.gradient(graph, "loss", ["W", "U", "b"])


def points(S: Any, n: Any) -> Any:
    """The mean over n points of 32 units each of 3 numbers, of each of S clouds."""
    from sympy import Idx, IndexedBase, Sum, tanh

    import codegen

    s, p, h, d = Idx("s", S), Idx("p", n), Idx("h", 32), Idx("d", 8)
    X, W, z, g = IndexedBase("X", shape=(S, n, 8)), IndexedBase("W", shape=(32, 8)), IndexedBase("z"), IndexedBase("g")
    outputs = {
        z[s, p, h]: tanh(Sum(W[h, d] * X[s, p, d], d)),
        g[s, h]: Sum(z[s, p, h], p) / n,
        "e": Sum(g[s, h] ** 2, s, h),
    }
    return codegen.gradient(codegen.from_expressions(outputs, [X, W]), "e", ["W"])


def by_numpy(by: str, given: Arrays) -> Sequence[Any]:
    residuals = given["P"] @ given["x"] - given["w"]
    slope = 2 * residuals
    return residuals @ residuals, slope @ given["P"] if by == "x" else np.outer(slope, given["x"])


CASES = (
    *(
        case
        for size in ({"m": 512, "n": COLUMNS}, {"m": ROWS, "n": COLUMNS})
        for case in (
            Case("P·x", size, product, lambda given: (given["P"] @ given["x"],)),
            Case("Pᵀ·v", size, transposed, lambda given: (given["v_y"] @ given["P"],)),
            Case("‖P·x − w‖², gradient by x", size, partial(derived_squares, "x"), partial(by_numpy, "x")),
            Case("‖P·x − w‖², gradient by P", size, partial(derived_squares, "P"), partial(by_numpy, "P")),
        )
    ),
    Case("A·B", {"m": 300, "n": 200, "k": 100}, matrices, lambda given: (given["A"] @ given["B"],)),
    Case("LSTM 16-32, value and gradient", {"S": 256, "T": 50}, lstm),
    Case("mean of 32 units of points, gradient", {"S": 256, "n": 100}, points),
)


# --- the table ----------------------------------------------------------------------------------------------------


def compiled(case: Case, lengths: Mapping[str, Any], dtype: str, threads: int, values: dict[str, np.ndarray]) -> Any:
    """A bound call, and how it runs; inputs that are not there yet are drawn."""
    import codegen

    graph = case.graph(**lengths)
    function = codegen.compile(graph, dtype=dtype, threads=threads)
    generator = np.random.Generator(np.random.PCG64(0))
    for variable in graph.inputs:
        if variable.name not in values:
            shape = [case.sizes.get(str(n), n) for n in variable.shape]
            values[variable.name] = (generator.normal(size=shape) / 4).astype(dtype)
    arguments = [values[slot.name] for slot in function.layout.arguments]
    out = tuple(np.empty([case.sizes.get(str(n), n) for n in slot.shape], dtype) for slot in function.layout.arrays)
    return function.bind(*arguments, out=out[0] if len(out) == 1 else out), function.report.schedule


def distance(found: Any, expected: Any) -> float:
    """Relative to the largest number of each result."""
    pairs = zip(_parts(found), _parts(expected), strict=True)
    return max(float(np.max(np.abs(a - b)) / np.max(np.abs(b))) for a, b in pairs)


def _parts(results: Any) -> list[np.ndarray]:
    several = results if isinstance(results, (tuple, list)) else (results,)
    return [np.array(part, np.float64) for part in several]


def measure(case: Case, dtype: str, seconds: float) -> dict[str, str]:
    """A line of the table; raises :class:`ArithmeticError` if somebody's results are others."""
    from codegen import sample_extent
    from tests.benchmarks.rendering import NOTHING
    from tests.benchmarks.timing import interleaved

    values: dict[str, np.ndarray] = {}
    any_length = {name: sample_extent(name) for name in case.sizes}
    one_length = {**case.sizes, (first := next(iter(case.sizes))): any_length[first]}
    calls: dict[str, Callable[[], Any]] = {}
    calls["any"], how = compiled(case, any_length, dtype, 1, values)
    calls["two threads"], _ = compiled(case, any_length, dtype, 2, values)
    calls["one"], how_one = compiled(case, one_length, dtype, 1, values)
    if (peer := case.numpy) is not None:
        calls["NumPy"] = lambda: peer(values)
    expected = _parts(calls["any"]())
    for name, call in calls.items():
        if not (off := distance(call(), expected)) <= TOLERANCE[dtype]:
            raise ArithmeticError(f"{case.what}, {dtype}: {name} differs by {off:.1e}")
    times = interleaved(calls, seconds)
    given = "NumPy" in times
    return {
        "what": case.what,
        "lengths": " × ".join(f"{n:,}" for n in case.sizes.values()),
        "dtype": dtype,
        "µs": f"{times['any']:,.1f}",
        "how": how,
        "two threads": f"{times['two threads']:,.1f}",
        "one length": f"{times['one']:,.1f}",
        "how then": how_one,
        "× one length": f"{times['one'] / times['any']:.2f}",
        "NumPy": f"{times['NumPy']:,.1f}" if given else NOTHING,
        "× NumPy": f"{times['NumPy'] / times['any']:.2f}" if given else NOTHING,
    }


def main(arguments: Sequence[str], say: Callable[[str], None]) -> int:
    """Prints the table; returns 1 if a row could not be measured or a value was another."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.lengths", description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0, help="about how long each row is timed (2)")
    parser.add_argument("--only", default="", help="rows that contain this")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as caches:
        machine.prepare(2, caches)
        os.environ["OPENBLAS_NUM_THREADS"] = "1"
        from tests.benchmarks.rendering import table
        from tests.benchmarks.timing import every_row

        rows = {
            f"{case.what}, {dtype}": partial(measure, case, dtype, chosen.seconds)
            for case in CASES
            for dtype in TOLERANCE
            if chosen.only in case.what
        }
        lines, whole = every_row(rows, say)
        say(f"\nMicroseconds a call; load of the machine: {os.getloadavg()[0]:.1f}.\n")
        say(table(lines))
    return int(not whole)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], lambda text: print(text, flush=True)))
