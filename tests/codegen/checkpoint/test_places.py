"""Memory no longer grows with the steps."""

from __future__ import annotations

import pytest

import codegen
from tests.benchmarks.shifts import lstm_graph, ode_graph
from tests.codegen.checkpoint.graphs import LONG, field, numbers, programs, recurrence

pytestmark = pytest.mark.values


@pytest.mark.parametrize("case", ["all steps", "the last step", "a neural equation", "an LSTM", "curvature", "a field"])
def test_memory_does_not_grow_with_the_steps(case: str) -> None:
    """Of each block what it takes over, of one all: √T blocks of √T steps."""
    steps = {"a neural equation": 11, "an LSTM": 11}.get(case, 37)
    graph = {
        "a neural equation": lambda n: codegen.gradient(ode_graph(n, True), "loss", ["W", "b", "V"]),
        "an LSTM": lambda n: codegen.gradient(lstm_graph(3, 8, n), "loss", ["U"]),
        "all steps": lambda n: codegen.gradient(recurrence(n), "all", ["a", "h0"]),
        "the last step": lambda n: codegen.gradient(recurrence(n).with_outputs("last"), "last", ["a", "h0"]),
        "a field": lambda n: codegen.gradient(field(n, 3), "loss"),
        "curvature": lambda n: codegen.hvp(recurrence(n), "all", ["a", "h0"]),
    }[case](100 * steps)
    whole, blocks = programs(graph, "loops", "sqrt")  # type: ignore[arg-type]
    assert numbers(blocks, 1) * 10 < numbers(whole, 1)


def test_a_million_steps_take_a_few_kilobytes() -> None:
    graph = codegen.gradient(recurrence(1_000_000), "all", ["a", "h0"])
    _, blocks = programs(graph, "loops", "sqrt")  # type: ignore[arg-type]
    assert numbers(blocks) < 4_000


def test_a_block_may_be_longer_than_all_steps() -> None:
    whole, blocks = programs(LONG["all steps"], "loops", 10_000)
    assert numbers(blocks) < numbers(whole) + 10
