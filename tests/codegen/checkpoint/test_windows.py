"""What has windows, and what has none."""

from __future__ import annotations

import pytest
from sympy import tanh

import codegen
from codegen import EmitError, Equation, Graph, Index, Variable
from tests.codegen.checkpoint.graphs import programs, recurrence
from tests.codegen.test_scan import CASES, S, T

pytestmark = pytest.mark.values


def test_graphs_without_such_recurrences_are_as_without() -> None:
    forward = recurrence(37).with_outputs("last")
    for graph in (forward, codegen.gradient(recurrence(5), "all")):
        for way in ("unrolled",):
            whole, blocks = programs(graph, way, 4)
            assert blocks is whole
    rows, samples = Variable("x", (S, T)), Index("s", S)
    plain = Graph((rows,), (Equation(Variable("o", (S,))[samples], tanh(rows[samples, 0])),), ("o",))
    whole, blocks = programs(plain, "loops", 4)
    assert blocks is whole


def test_what_cannot_be_computed_again_is_refused_by_name() -> None:
    graph = CASES["by a condition"].with_outputs("L", "u", "dL/du")
    with pytest.raises(EmitError, match="'u', which the way back reads, is kept for all steps: it is an output"):
        codegen.compile(graph, schedule="loops", checkpoint=2, cache=False)
