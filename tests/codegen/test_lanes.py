"""Lanes hold what lies next to each other; ``tests.benchmarks.emitters`` times what comes of it."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import codegen
from codegen import Equation, Graph, Index, Reduction, Variable, sample_extent
from codegen.emit.layout import layout
from codegen.emit.vector.module import native_module
from codegen.emit.vector.table import table
from codegen.passes import optimise
from codegen.runtime.machine import host
from codegen.schedule import Target, schedule
from codegen.schedule.cost import counts, estimate
from codegen.schedule.lanes import in_lanes, in_turn
from tests.benchmarks.emitters import GRAPHS, ROWS, SAMPLES, suiting
from tests.codegen.networks import distance, indices_in_lanes, outputs, random_values
from tests.codegen.test_compile import NETWORKS
from tests.codegen.test_cut import inside_a_fence

LANES = {
    "a map of rows": {"i"},
    "a map of rows with a function": {"i"},
    "rows reversed": {"i"},
    "neighbours in a row": {"i"},
    "sums of rows": {"i"},
    "sums of columns": {"i"},
    "rows divided by their sums": {"i"},
    "pairs": {"s"},
    "products of pairs with a matrix": {"s"},
    "a vector of samples": {"s"},
}
"""Which loops run in lanes where nothing is a kernel."""


@pytest.mark.parametrize("case", LANES)
def test_lanes_hold_neighbours(case: str) -> None:
    program = schedule(optimise(ROWS[case])[0], "loops")
    assert indices_in_lanes(in_lanes(program, 16)) == LANES[case]


@pytest.mark.parametrize("case", [name for name, lanes in LANES.items() if "s" not in lanes])
def test_nothing_is_gathered_that_lies_in_rows(case: str) -> None:
    program = schedule(optimise(ROWS[case])[0], target=host())
    assert not re.search(
        r"masked\.(gather|scatter)", native_module(table(program, layout(program.graph, {})), parted=False)
    )
    assert counts(program, 64).get("gathered", 0) == 0


@pytest.mark.slow
@pytest.mark.parametrize("case", GRAPHS)
def test_lanes_take_at_most_twice_the_work_of_one_number_after_the_other(case: str) -> None:
    """Counted and priced, not timed: ``python -m tests.benchmarks.emitters`` times it. A row of five numbers in vectors
    of sixteen is the worst."""
    for chosen in suiting(GRAPHS[case]):
        program = schedule(optimise(GRAPHS[case])[0], chosen, Target())  # type: ignore[arg-type]
        assert estimate(program, SAMPLES) <= 2 * estimate(in_turn(program), SAMPLES), chosen


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in GRAPHS if case not in NETWORKS])
def test_vector_code_of_rows_has_the_values_of_its_graph(case: str) -> None:
    graph = GRAPHS[case]
    values = random_values(graph, samples=SAMPLES)
    for chosen in suiting(graph):
        function = codegen.compile(graph, schedule=chosen, emitter="vector")  # type: ignore[arg-type]
        found = function(*[values[v.name] if v.shape else values[v.name].item() for v in graph.inputs])
        assert distance([np.asarray(found)], outputs(graph, values)) <= 1e-12, chosen


M, N = sample_extent("M"), sample_extent("N")
SOME_ROWS = [(203, 37, [(203, 37)]), (M, N, [(1, 3), (3, 5), (6, 33), (203, 37)])]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("m", "n", "sizes"), SOME_ROWS)
def test_rows_that_are_added_some_at_a_time_are_added_in_their_order(m: Any, n: Any, sizes: Any, dtype: Any) -> None:
    """Σ_i v[i]·P[i, j] of small whole numbers, which are exact, and of 1e20, ones and −1e20, where the order tells."""
    i, j = Index("i", m), Index("j", n)
    P, v, y = Variable("P", (m, n)), Variable("v", (m,)), Variable("y", (n,))
    graph = Graph((P, v), (Equation(y[j], P[i, j] * v[i], Reduction.SUM, (i,)),), ("y",))
    function = codegen.compile(graph, emitter="vector", schedule="loops", dtype=dtype, cache=False)
    for rows, columns in sizes:
        whole, given = np.arange(rows * columns).reshape(rows, columns) % 7 - 3.0, np.arange(rows) % 5 - 2.0
        (found,) = inside_a_fence(function, {"P": whole, "v": given}, dtype)
        assert np.array_equal(found, given @ whole)
        large = np.ones((rows, columns), dtype)
        large[0], large[-1] = 1e20, -1e20
        (found,) = inside_a_fence(function, {"P": large, "v": np.ones(rows)}, dtype)
        assert np.array_equal(found, large[-1] if rows == 1 else np.zeros(columns))
