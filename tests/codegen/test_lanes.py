"""Lanes hold what lies next to each other, so that vector code is never far behind the readable form."""

from __future__ import annotations

import re

import pytest

from codegen.emit.layout import layout
from codegen.emit.vector.module import native_module
from codegen.emit.vector.plan import plan
from codegen.emit.vector.table import Table
from codegen.passes import optimise
from codegen.schedule import schedule
from codegen.schedule.cost import counts
from codegen.schedule.lanes import in_lanes
from tests.benchmarks.emitters import GRAPHS, ROWS, SCHEDULES, measured, suits
from tests.codegen.networks import indices_in_lanes

LANES = {
    "a map of rows": {"i"},
    "a map of rows with a function": {"i"},
    "rows reversed": {"i"},
    "neighbours in a row": {"i", "j"},
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
    program = schedule(optimise(ROWS[case])[0])
    planned = plan(program, "float64")
    assert planned is not None
    assert not re.search(r"masked\.(gather|scatter)", native_module(Table(planned, layout(program.graph, {}))))
    assert counts(program, 64, "float64").get("gathered", 0) == 0


@pytest.mark.slow
@pytest.mark.parametrize("chosen", ["auto", *SCHEDULES])
@pytest.mark.parametrize("case", GRAPHS)
def test_vector_code_takes_at_most_three_times_as_long_as_the_readable_form(case: str, chosen: str) -> None:
    if not suits(GRAPHS[case], chosen):
        pytest.skip("not written out, or no samples to tile")
    # Another process may take the core for one of the attempts.
    ratios = []
    while len(ratios) < 3 and min(ratios, default=9.0) > 3:
        times = measured(GRAPHS[case], chosen, 0.2)
        ratios.append(times["vector"] / times["numba"])
    assert min(ratios) <= 3, ratios
