"""Integers that are read for subscripts: E[y[s], d] is row y[s] of a table."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sympy import Idx, IndexedBase, Sum, Symbol, sin

import codegen
from codegen import Equation, Graph, GraphError, Variable, from_expressions
from codegen.emit.numpy import numpy_function
from codegen.numeric.evaluate import evaluate
from codegen.numeric.oracle import evaluate_exactly, rounded
from tests.codegen.derivatives import by_complex_step
from tests.codegen.networks import distance

pytestmark = pytest.mark.values

S, d = Symbol("S"), Idx("d", 2)
s, k = Idx("s", S), Idx("k", 2)
E, W = IndexedBase("E", shape=(5, 2)), IndexedBase("W", shape=(2, 2))
y, z = IndexedBase("y", shape=(S,), integer=True), IndexedBase("z")
VALUES = {"E": np.arange(1.0, 11.0).reshape(5, 2) / 7, "W": np.array([[0.5, -1.0], [0.25, 2.0]]), "y": [1, 3, 1]}

READ = {
    "a row": (lambda: sin(E[y[s], d]) * W[d, 0], 5),
    "the row after": (lambda: E[y[s] + 1, d] * E[y[s], d], 4),
    "one of two rows": (lambda: Sum(E[y[s] + k, d] * W[k, d], (k, 0, 1)), 4),
}


def graph_of(case: str) -> Graph:
    """z[s, d] as formulas, and half the sum of its squares."""
    body = READ[case][0]()
    loss = Sum(z[s, d] ** 2 / 2, (s, 0, S - 1), (d, 0, 1))
    return from_expressions({z[s, d]: body, "L": loss}, [E, W, y]).with_outputs("L")


@pytest.mark.parametrize("case", READ)
def test_values_and_derivatives(case: str) -> None:
    graph = graph_of(case)
    assert graph.variable("y").below == READ[case][1]
    value = evaluate(graph, VALUES)["L"]
    assert distance([rounded(evaluate_exactly(graph, VALUES, 30)["L"])], [value]) <= 1e-15
    expected = [by_complex_step(graph, ["L"], name, VALUES)[0] for name in ("E", "W")]  # type: ignore[arg-type]
    for method in ("reverse", "forward"):
        derived = codegen.gradient(graph, "L", ["E", "W"], method=method)  # type: ignore[arg-type]
        found = evaluate(codegen.optimise(derived)[0], VALUES)
        assert distance([found[name] for name in derived.outputs[1:]], expected) <= 1e-14
    derived = codegen.gradient(graph, "L", ["E", "W"])
    given = [np.asarray(VALUES[v.name], np.int64 if v.kind == "integer" else float) for v in derived.inputs]
    assert distance(list(numpy_function(derived)(*given)), [value, *expected]) <= 1e-14


def test_what_is_compiled_checks_the_integers() -> None:
    graph = codegen.gradient(graph_of("the row after"), "L", ["E"])
    function = codegen.compile(graph)
    expected = evaluate(graph, VALUES)
    found = function(**{v.name: VALUES[v.name] for v in graph.inputs})
    assert distance([np.asarray(f) for f in found], [expected[name] for name in graph.outputs]) <= 1e-13
    with pytest.raises(ValueError, match="'y' must hold integers from 0 to 3, found 4"):
        function(**{**{v.name: VALUES[v.name] for v in graph.inputs}, "y": [1, 4, 1]})


def test_the_gradient_is_a_sum_over_what_reads_a_row() -> None:
    derived = codegen.optimise(codegen.gradient(graph_of("a row"), "L", ["E"]))[0]
    rows = [str(equation) for equation in derived.equations if equation.is_sum]
    assert rows[1:] == ["q1[i0, i1] = Σ_s cos(E[y[s], i1])*equal(i0, y[s])*z[s, i1]"]


T, i = Variable("T", (5,)), Idx("i", 3)
REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "without a limit": (
        lambda: _table(Variable("n", (3,), "integer")),
        "T[n[i]] needs integers below 5 in n[i], found n below None",
    ),
    "too large a limit": (
        lambda: _table(Variable("n", (3,), "integer", 6)),
        "T[n[i]] needs integers below 5 in n[i], found n below 6",
    ),
    "real data": (lambda: _table(Variable("n", (3,))), "the subscript n[i] of T[n[i]] is no input of integers"),
    "a row before the first": (
        lambda: from_expressions({"L": Sum(E[y[s] - 1, 0], (s, 0, S - 1))}, [E, y]),
        "the subscript y[s] - 1 is not on an axis of 5 whatever y[s] is",
    ),
}


def _table(n: Variable) -> Graph:
    return Graph((T, n), (Equation(Variable("r", (3,))[i], T[n[i]]),), ("r",))


@pytest.mark.parametrize("case", REFUSED)
def test_what_may_be_beyond_the_table_is_refused(case: str) -> None:
    build, message = REFUSED[case]
    with pytest.raises(GraphError) as raised:
        build()
    assert message in str(raised.value)
