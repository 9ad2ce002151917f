"""Lanes hold what lies next to each other; ``tests.benchmarks.emitters`` times what comes of it."""

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
from tests.benchmarks.emitters import ROWS
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
