"""Integers that are read for subscripts: E[y[s], d] is row y[s] of a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from sympy import Expr, Idx, IndexedBase, Piecewise, Sum, Symbol, exp, sin

import codegen
from codegen import Equation, Graph, GraphError, Reduction, Variable, from_expressions
from codegen.emit.numpy import numpy_function
from codegen.functions import equal
from codegen.ir.operations import count_operations
from codegen.numeric.evaluate import evaluate
from codegen.numeric.oracle import evaluate_exactly, rounded
from codegen.passes.lookup import without_lookups
from codegen.schedule import ScheduleName
from codegen.schedule import schedule as scheduled
from codegen.schedule.lanes import said_by_data
from codegen.schedule.program import Accumulate, One, walk
from codegen.schedule.target import PORTABLE
from codegen.walk import base_name, subscripts, substitute
from tests.codegen.derivatives import by_complex_step
from tests.codegen.networks import distance
from tests.sweeps import one_in

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
    "rows from the end": (lambda: sin(E[4 - y[s], d]) * E[y[s], d], 5),
    "rows beyond the ends": (lambda: sin(codegen.padded(E[3 * y[s] - 4, d], 2)) * W[d, 0], None),
    "rows before the first": (lambda: sin(codegen.padded(E[y[s] - 2, d], W[d, 1])) + E[y[s] + 1, d], 4),
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


def test_multiples_of_integers_say_what_these_are_below() -> None:
    table = IndexedBase("E", shape=(9, 2))
    graph = from_expressions({"L": Sum(table[2 * y[s] + k + 1, d] ** 2, s, (k, 0, 1), d)}, [table, y])
    values = {"E": np.arange(18.0).reshape(9, 2), "y": np.array([3, 0, 3])}
    assert graph.variable("y").below == 4
    found = codegen.compile(codegen.gradient(graph, "L", ["E"]))(**values)[1]
    rows = [0, 1, 1, 0, 0, 0, 0, 2, 2]
    np.testing.assert_array_equal(found, 2 * values["E"] * np.array(rows)[:, None])
    gradients = codegen.row_gradients(graph, "L", "E")
    results = [evaluate(gradients.graph, values)[name] for name in gradients.graph.outputs]
    np.testing.assert_array_equal(gradients.collect(results, values)["E"].dense(), found)


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


N, ANY, ROWS, D = codegen.sample_extent(), codegen.sample_extent("V"), 40, 6
n, f, t, h = Idx("n", N), Idx("f", D), Idx("t", 3), Idx("h", 8)
table, weights, mixing = Variable("E", (ROWS, D)), Variable("w", (D,)), Variable("W", (8, D))
g, narrow, pair = Idx("g", 2), Variable("E", (ROWS, 2)), Variable("w", (2,))
label, steps = Variable("y", (N,), "integer", ROWS), Variable("y", (N, 3), "integer", ROWS)
below, mixed, loss = Variable("y", (N,), "integer", ROWS - 1), Variable("z", (N, 8)), Variable("L")


def summed(body: Expr, *over: Idx) -> Equation:
    return Equation(loss.symbol, body, Reduction.SUM, over)


LONG: dict[str, tuple[tuple[Variable, ...], tuple[Equation, ...]]] = {
    "rows": ((table, weights, label), (summed((table[label[n], f] * weights[f]) ** 2, n, f),)),
    "rows beside each other": (
        (table, weights, below),
        (summed(sin(table[below[n] + 1, f] * table[below[n], f]) * weights[f], n, f),),
    ),
    "rows of steps": ((table, weights, steps), (summed(sin(table[steps[n, t], f]) * weights[f], n, t, f),)),
    "short rows": ((narrow, pair, label), (summed(sin(exp(narrow[label[n], g]) * pair[g]), n, g),)),
    "rows of a product": (
        (table, mixing, label),
        (Equation(mixed[n, h], mixing[h, f] * table[label[n], f], Reduction.SUM, (f,)), summed(sin(mixed[n, h]), n, h)),
    ),
}
"""Inputs and equations."""


def long_values(graph: Graph, samples: int = 21) -> dict[str, np.ndarray]:
    """Random numbers, of the rows some several times."""
    generator = np.random.default_rng(5)
    shapes = {v: tuple(m if isinstance(m, int) else samples for m in v.shape) for v in graph.inputs}
    return {
        v.name: 4 * generator.integers(0, 10, shape) % ROWS if v.kind == "integer" else generator.normal(size=shape)
        for v, shape in shapes.items()
    }


def long(case: str) -> Graph:
    inputs, equations = LONG[case]
    return Graph(inputs, equations, ("L",))


@pytest.mark.parametrize("case", LONG)
def test_rows_of_a_long_table_are_read_and_added_to(case: str) -> None:
    graph = codegen.gradient(long(case), "L", [variable.name for variable in LONG[case][0][:2]])
    values = long_values(graph)
    expected = [evaluate(graph, values)[name] for name in graph.outputs]
    for schedule in ("loops", "tiled", "unrolled"):
        function = codegen.compile(graph, schedule=schedule, emitter="vector")  # type: ignore[arg-type]
        assert distance([np.asarray(found) for found in function(**values)], expected) <= 1e-13


def any_number_of_rows(graph: Graph) -> Graph:
    """A graph whose table has as many rows as each call says."""

    def moved(variable: Variable) -> Variable:
        limit = variable.below
        return replace(
            variable,
            shape=tuple(ANY if length == ROWS else length for length in variable.shape),
            below=None if limit is None else ANY + limit - ROWS,
        )

    inputs = {variable.name: moved(variable) for variable in graph.inputs}

    def element(reference: Expr) -> Expr:
        return inputs[base_name(reference)][subscripts(reference)] if base_name(reference) == "E" else reference

    bodies = (substitute(e.body, {r: element(r) for r in e.references}) for e in graph.equations)
    equations = [equation.with_body(body) for equation, body in zip(graph.equations, bodies)]
    return Graph(tuple(inputs.values()), tuple(equations), graph.outputs)


@pytest.mark.parametrize("case", ["rows beside each other", "rows of a product"])
def test_a_table_may_have_any_number_of_rows(case: str) -> None:
    graph = any_number_of_rows(long(case))
    derived = codegen.gradient(graph, "L", ["E"])
    values = long_values(long(case))
    expected = [evaluate(derived, values)[name] for name in derived.outputs]
    for schedule in ("loops", "tiled"):
        function = codegen.compile(derived, schedule=schedule, emitter="vector", threads=2)  # type: ignore[arg-type]
        assert distance([np.asarray(found) for found in function(**values)], expected) <= 1e-13
        program = function.report.compilation.program  # type: ignore[union-attr]
        loops = [loop for _, around in walk(program.statements) for loop in around]
        assert all(isinstance(loop.mode, One) for loop in loops if loop.index.upper + 1 == ANY)
        wrong = {**values, "y": np.full(21, ROWS)}
        with pytest.raises(ValueError, match=r"'y' must hold integers from 0 to \d+, as V.* is \d+, found 40"):
            function(**wrong)


@pytest.mark.parametrize("case", ["rows", "rows beside each other", "rows of steps"])
def test_gradients_of_the_rows_that_are_read_alone(case: str) -> None:
    """What they add up to is the gradient by the table; the table itself is not gone through."""
    graph = any_number_of_rows(long(case))
    values = long_values(long(case))
    found = codegen.row_gradients(graph, "L", "E", ["w"])
    assert not any(ANY in variable.shape for variable in map(found.graph.variable, found.graph.outputs))
    results = codegen.compile(found.graph)(**values)
    rows = found.collect(results, values)["E"]
    expected = evaluate(codegen.gradient(graph, "L", ["E", "w"]), values)
    given = [expected[name] for name in ("dL/dE", "dL/dE", "dL/dw")]
    assert distance([rows.dense(), rows.coalesced().dense(), results[-1]], given) <= 1e-13
    assert rows.coalesced().rows.tolist() == sorted(set(rows.rows.tolist()))


def test_a_table_that_is_read_otherwise_has_no_rows_of_its_own() -> None:
    graph = Graph((table,), (summed(table[Idx("i", ROWS), f] ** 2, Idx("i", ROWS), f),), ("L",))
    with pytest.raises(codegen.DerivationError, match=r"'E' is read as E\[i, f\], expected whole rows"):
        codegen.row_gradients(graph, "L", "E")
    unread = Graph((table, weights), (summed(weights[f], f),), ("L",))
    with pytest.raises(codegen.DerivationError, match="no row of 'E' is read"):
        codegen.row_gradients(unread, "L", "E")


def test_rows_are_collected_from_what_belongs_together_alone() -> None:
    graph = from_expressions({"L": Sum(E[y[s], d] ** 2, s, d)}, [E, y])
    found = codegen.row_gradients(graph, "L", "E")
    inputs = {"E": VALUES["E"], "y": np.array([1, 3, 1])}
    results = [evaluate(found.graph, inputs)[name] for name in found.graph.outputs]
    assert found.collect(results, inputs)["E"].rows.tolist() == [1, 3, 1]
    wrong: list[tuple[object, object, str]] = [
        (results[:1], inputs, "found 1 results, expected those of the outputs L, "),
        (results, {"E": VALUES["E"]}, "the input 'y' is missing"),
        (results, [VALUES["E"]], "inputs is a list, expected a mapping of names to arrays"),
        (results, {**inputs, "y": np.array([1, 5, 1])}, "'y' says row 5 of 'E', which has 5"),
        (results, {**inputs, "y": np.array([1, -1, 1])}, "'y' says row -1 of 'E', which has 5"),
        (results, {**inputs, "y": np.array([1, 3])}, r"found \(3, 2\) values for 2 rows of 'E'"),
        (results, {**inputs, "y": 1}, r"'y' must have shape \(S,\), found \(\)"),
    ]
    for given, named, message in wrong:
        with pytest.raises(codegen.DerivationError, match=message):
            found.collect(given, named)  # type: ignore[arg-type]


def test_operations_are_those_of_the_rows_that_are_read() -> None:
    known, unknown = (
        count_operations(codegen.optimise(codegen.gradient(graph, "L", ["E"]))[0], samples=21)
        for graph in (long("rows"), any_number_of_rows(long("rows")))
    )
    assert known == unknown
    assert known.total() < 12 * 21 * D


def test_the_readable_program_reads_and_adds_to_rows() -> None:
    graph = codegen.gradient(long("rows beside each other"), "L", ["E"])
    values = long_values(graph)
    function = codegen.compile(graph, schedule="loops", emitter="numba")
    expected = [evaluate(graph, values)[name] for name in graph.outputs]
    assert distance([np.asarray(found) for found in function(**values)], expected) <= 1e-13


@pytest.mark.parametrize("case", LONG)
@pytest.mark.parametrize("schedule", ["loops", "unrolled"])
def test_a_table_is_not_gone_through(case: str, schedule: ScheduleName) -> None:
    graph = codegen.optimise(codegen.gradient(long(case), "L", ["E"]))[0]
    statements = list(walk(scheduled(graph, schedule).statements))
    loops = [loop for _, around in statements for loop in around if loop.index.upper + 1 == ROWS]
    assert loops
    assert all(isinstance(loop.mode, One) for loop in loops)


def test_rows_are_added_to_with_features_in_lanes_and_with_samples_in_lanes() -> None:
    said = set[bool]()
    for case in ("rows", "short rows"):
        graph = codegen.optimise(codegen.gradient(long(case), "L", ["E"]))[0]
        placed = walk(scheduled(graph, "loops", replace(PORTABLE, vectors=True)).statements)
        said |= {bool(said_by_data(a)) for s, a in placed if isinstance(s, Accumulate) and "dL/dE" in str(s.target)}
    assert said == {False, True}


@pytest.mark.parametrize("schedule", ["loops", "tiled"])
def test_samples_that_the_data_say_are_summed_over(schedule: str) -> None:
    picked, places, r = Variable("p", (20, 8)), Variable("y", (20,), "integer"), Idx("r", 20)
    given, numbers = Variable("x", (N, 8)), np.random.default_rng(1).normal(size=(150, 8))
    body = equal(places[r], n) * sin(given[n, h])
    graph = Graph((given, places), (Equation(picked[r, h], body, Reduction.SUM, (n,)),), ("p",))
    values = {"x": numbers, "y": np.arange(-2, 158, 8)}
    found = codegen.compile(graph, schedule=schedule)(**values)  # type: ignore[arg-type]
    assert distance([np.asarray(found)], [evaluate(graph, values)["p"]]) <= 1e-13


def test_second_derivatives_have_no_vertex_for_all_rows_of_all_samples() -> None:
    graph = codegen.hvp(long("rows of a product"), "L", ["E"])
    assert max(len(variable.shape) for variable in graph.variables.values()) == 2


def test_second_derivatives_of_rows() -> None:
    graph = codegen.hvp(long("rows of a product"), "L", ["E"])
    values = long_values(graph)
    found = codegen.compile(graph)(**values)
    assert distance([np.asarray(part) for part in found], [evaluate(graph, values)[n] for n in graph.outputs]) <= 1e-13


def test_rows_are_added_to_in_one_order_for_any_number_of_threads() -> None:
    graph = codegen.gradient(long("rows of a product"), "L", ["E", "W"])
    values = long_values(graph, 20_000)
    one, two = (codegen.compile(graph, threads=threads)(**values) for threads in (1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, two))


def test_what_several_equations_read_is_looked_up_once() -> None:
    again = Equation(Variable("k").symbol, table[label[n], f] ** 2, Reduction.SUM, (n, f))
    graph = Graph((table, mixing, label), (*long("rows of a product").equations, again), ("L", "k"))
    assert [str(e) for e in without_lookups(graph).equations if "equal" in str(e)] == [
        "l1[n, f] = Σ_j equal(y[n], j)*E[j, f]"
    ]


# --- places of maxima ---------------------------------------------------------------------------------------------

score, long_table, row = IndexedBase("x", shape=(S, 30)), IndexedBase("E", shape=(30, 2)), Idx("r", 30)
best, lowest = codegen.argmax(score[s, row], (row, 0, 29)), codegen.argmin(score[0, row] ** 2, (row, 0, 29))
PLACES: dict[str, tuple[Callable[[], Expr], Callable[[np.ndarray], np.ndarray]]] = {
    "a row": (lambda: long_table[best, d], lambda x: x.argmax(1)),
    "rows from the end": (lambda: long_table[29 - best, d], lambda x: 29 - x.argmax(1)),
    "rows before the first": (lambda: codegen.padded(long_table[best - 7, d], 2), lambda x: x.argmax(1) - 7),
    "one row": (lambda: long_table[lowest, d] + score[s, d] * 0, lambda x: np.full(len(x), (x[0] ** 2).argmin())),
}
"""Elements, and the rows that they are of."""


@pytest.mark.parametrize(
    ("case", "emitter"),
    [*((case, "vector") for case in PLACES), *one_in(len(PLACES), ((case, "numba") for case in PLACES))],
)
def test_rows_are_read_at_places_of_maxima_and_added_to(case: str, emitter: Any) -> None:
    element, places = PLACES[case]
    loss = Sum(sin(z[s, d]) * score[s, d], s, d)
    graph = from_expressions({z[s, d]: element(), "L": loss}, [long_table, score]).with_outputs("L")
    graph = codegen.gradient(graph, "L", ["E", "x"])
    numbers = np.random.default_rng(3)
    values = {"E": numbers.normal(size=(30, 2)), "x": numbers.normal(size=(21, 30))}
    at, x = places(values["x"]), values["x"][:, :2]
    read = np.where((at >= 0)[:, None], values["E"][at], 2.0)
    added, moved = np.zeros((30, 2)), np.zeros((21, 30))
    np.add.at(added, at[at >= 0], (np.cos(read) * x)[at >= 0])
    moved[:, :2] = np.sin(read)
    expected = [np.sum(np.sin(read) * x), added, moved]
    assert distance([evaluate(graph, values)[name] for name in graph.outputs], expected) <= 1e-14
    function = codegen.compile(graph, schedule="loops", emitter=emitter)
    assert distance([np.asarray(found) for found in function(**values)], expected) <= 1e-13
    statements = walk(scheduled(codegen.optimise(graph)[0], "loops").statements)
    sums = [around for statement, around in statements if isinstance(statement, Accumulate)]
    over_rows = [loop for around in sums for loop in around if loop.index.name == "j"]
    assert over_rows
    assert all(isinstance(loop.mode, One) for loop in over_rows)


@pytest.mark.parametrize(
    ("read", "length", "rows"), [("e", 4, 6), ("E", Symbol("n", integer=True), Symbol("V", integer=True))]
)
def test_a_recurrence_that_reads_a_table(read: str, length: Expr, rows: Expr) -> None:
    """Its adjoints read the table at the step after, where there is one."""
    t, q = Idx("t", length), IndexedBase("q", shape=(length,), integer=True)
    h, table = IndexedBase("h", shape=(length,)), IndexedBase(read, shape=(rows, 3)[: 1 + (read == "E")])
    element = table[q[t], 1] if read == "E" else table[q[t]]
    body = {h[t]: sin(element + codegen.padded(h[t - 1]) / 2), "L": Sum(h[t] ** 2, (t, 0, length - 1))}
    graph = from_expressions(body, [table, q]).with_outputs("L")
    given = np.sin(np.arange(1.0, 19.0)).reshape(6, 3)
    values = {read: given if read == "E" else given[:, 0], "q": np.array([2, 0, 5, 2])}
    expected = by_complex_step(graph, ["L"], read, values)[0]
    for derived in (codegen.gradient(graph, "L", [read]), codegen.hvp(graph, "L", [read])):
        held = values | {f"v_{read}": values[read]}
        held = {variable.name: held[variable.name] for variable in derived.inputs}
        found = dict(zip(derived.outputs, codegen.compile(derived, cache=False)(**held)))
        exact = evaluate(derived, held)
        assert distance([found[name] for name in found], [exact[name] for name in found]) <= 1e-13
        if f"dL/d{read}" in found:
            assert distance([found[f"dL/d{read}"]], [np.asarray(expected)]) <= 1e-13


BEYOND = {
    "a row before": lambda e, q, t: codegen.padded(e[q[t] - 1]),
    "inside a function": lambda e, q, t: sin(codegen.padded(e[2 * q[t] - 3], 2)) * e[q[t]],
    "a row before that of the step before": lambda e, q, t: sin(codegen.padded(e[q[t - 1] - 1], 2)),
}


@pytest.mark.parametrize("case", BEYOND)
def test_products_of_what_may_be_beyond_the_table(case: str) -> None:
    t, e, q = Idx("t", 4), IndexedBase("e", shape=(6,)), IndexedBase("q", shape=(4,), integer=True)
    h = IndexedBase("h", shape=(4,))
    graph = from_expressions({h[t]: BEYOND[case](e, q, t), "L": Sum(h[t] ** 3, (t, 0, 3))}, [e, q]).with_outputs("L")
    values = {"e": np.sin(np.arange(1.0, 7.0)), "v_e": np.cos(np.arange(6.0)), "q": np.array([2, 0, 5, 2])}
    inputs = {name: values[name] for name in ("e", "q")}
    slope = by_complex_step(graph, ["L"], "e", inputs)[0]
    along = codegen.compile(codegen.jvp(graph, "L", ["e"]), cache=False)(**values)[1]
    assert distance([along], [np.asarray(slope @ values["v_e"])]) <= 1e-13
    second = codegen.hessian(graph, "L", ["e"])
    hessian = evaluate(second, inputs)[second.outputs[-1]]
    product = codegen.compile(codegen.hvp(graph, "L", ["e"]), cache=False)(**values)[1]
    assert distance([product], [hessian @ values["v_e"]]) <= 1e-13
    rows = codegen.row_gradients(graph, "L", ["e"])
    results = codegen.compile(rows.graph, cache=False)(**inputs)
    assert distance([rows.collect(results, inputs)["e"].dense()], [slope]) <= 1e-13


STEPS = 4
STEP, OF_STEPS = Idx("t", STEPS), (S, STEPS)
TABLE, ROW = IndexedBase("e", shape=(6,)), IndexedBase("y", shape=OF_STEPS, integer=True)
GIVEN, STATE = IndexedBase("x", shape=OF_STEPS), IndexedBase("h", shape=OF_STEPS)
READ_FROM = [TABLE, ROW, GIVEN]


def _away(row: Expr, of: int) -> Expr:
    return codegen.padded(TABLE[row + of])


A_STEP_AWAY: dict[str, Expr] = {
    "a row before": Piecewise(
        (_away(ROW[s, STEP - 1], -1) * GIVEN[s, STEP] + sin(STATE[s, STEP - 1]), STEP >= 1), (GIVEN[s, STEP], True)
    ),
    "a row after, times the step before": sin(
        _away(ROW[s, STEP], 1) * codegen.padded(STATE[s, STEP - 1]) + TABLE[ROW[s, STEP]] * GIVEN[s, STEP]
    ),
    "the row itself": Piecewise((TABLE[ROW[s, STEP - 1]] ** 2 * STATE[s, STEP - 1], STEP >= 1), (GIVEN[s, STEP], True)),
}
TRANSFORMED: dict[str, Callable[[Graph], Graph]] = {
    "backward": lambda graph: codegen.gradient(graph, "L", ["e", "x"]),
    "forward": lambda graph: codegen.gradient(graph, "L", ["e", "x"], method="forward"),
    "by paths": lambda graph: codegen.gradient(graph.unroll(), "L", ["e", "x"], method="paths"),
    "jvp": lambda graph: codegen.jvp(graph, "h", ["e", "x"]),
    "vjp": lambda graph: codegen.vjp(graph, "h", ["e", "x"]),
    "hvp": lambda graph: codegen.hvp(graph, "L", ["e", "x"]),
    "Jacobian, forward": lambda graph: codegen.jacobian(graph, "h", ["e", "x"], mode="forward"),
    "Jacobian, backward": lambda graph: codegen.jacobian(graph, "h", ["e", "x"], mode="reverse"),
    "Jacobian by samples": lambda graph: codegen.jacobian(graph, "h", ["x"], samples=True),
    "Hessian": lambda graph: codegen.hessian(graph, "L", ["e", "x"]),
    "mixed": lambda graph: codegen.mixed_partials(graph, "h", ["a", "ab", "aab"], {"a": ("x", 0), "b": ("x", 2)}),
    "by sample": lambda graph: codegen.per_sample_gradients(graph, "L", ["e"]),
}
QUICK = {("a row after, times the step before", "backward", "vector"), ("a row before", "jvp", "numba")}


@pytest.mark.parametrize(
    ("case", "kind", "emitter"),
    [
        pytest.param(*row, marks=() if row in QUICK else pytest.mark.slow)
        for row in product(A_STEP_AWAY, TRANSFORMED, ("vector", "numba"))
    ],
)
def test_integers_a_step_away_in_every_transformation(case: str, kind: str, emitter: Any) -> None:
    """Step by step and written out, as vector code and as readable code; the slopes are those of complex steps."""
    looped = from_expressions(
        {STATE[s, STEP]: A_STEP_AWAY[case], "L": Sum(STATE[s, STEP] ** 3, s, STEP)}, [TABLE, ROW, GIVEN]
    )
    derived, written = TRANSFORMED[kind](looped), TRANSFORMED[kind](looped.unroll())
    given = {"e": np.sin(np.arange(1.0, 7)), "x": np.cos(np.arange(8.0)).reshape(2, STEPS)}
    given |= {f"v_{name}": values + 0.3 for name, values in given.items()}
    given |= {"v_h": np.sin(np.arange(8.0)).reshape(2, STEPS), "y": np.array([[2, 0, 5, 4], [0, 5, 1, 3]])}
    values = {variable.name: given[variable.name] for variable in derived.inputs}
    found, expected = evaluate(derived, values), evaluate(written, values)
    assert distance([found[name] for name in derived.outputs], [expected[name] for name in written.outputs]) <= 1e-14
    function = codegen.compile(derived, emitter=emitter, cache=False)
    computed = dict(zip(derived.outputs, function(**values)))
    assert distance([computed[name] for name in computed], [found[name] for name in computed]) <= 1e-14
    if "dL/de" in found:
        slope = by_complex_step(looped, ["L"], "e", {name: given[name] for name in "eyx"})[0]
        assert distance([found["dL/de"]], [np.asarray(slope)]) <= 1e-14


def test_a_place_may_have_a_name() -> None:
    at, o = IndexedBase("a", shape=(S,), integer=True), IndexedBase("o")
    graph = from_expressions({at[s]: best, o[s, d]: long_table[at[s], d]}, [long_table, score])
    assert str(graph.equations[-1]) == "o[s, d] = Σ_j equal(a[s], j)*E[j, d]"


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
        "the subscript y[s] - 1 is not on an axis of 5 whatever y[s] is; padded(…)",
    ),
    "a row behind the last place": (
        lambda: from_expressions({"L": Sum(long_table[best + 1, 0], s)}, [long_table, score]),
        "a subscript has values from 1 to 30 on an axis of 30",
    ),
    "a place that is no whole number": (
        lambda: from_expressions({"L": long_table[codegen.Maximum(score[0, row], row), 0]}, [long_table, score]),
        "a subscript is no multiple of an argmax or argmin with indices and numbers added",
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
