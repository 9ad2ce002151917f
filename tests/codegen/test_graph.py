"""A graph is valid, ordered and immutable, or its constructor says what is wrong with which equation."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError
from itertools import pairwise

import numpy as np
import pytest
from sympy import Idx, Indexed, Piecewise, Symbol

from codegen import Equation, Graph, GraphError, Index, Reduction, Variable
from codegen.emit import numba
from codegen.emit.c import writer as c_writer
from codegen.emit.vector import writer
from codegen.numeric.evaluate import REDUCE
from tests.codegen.networks import S, distance, index_graphs, lecture, mlp, outputs, random_values, s
from tests.properties import holds_for

A, v, x, y = Variable("A", (2, 3)), Variable("v", (3,)), Variable("x", (S, 3)), Variable("y", (S,))
a, b, c, d = (Variable(name) for name in "abcd")
w, M = Variable("w", (2,)), Variable("M", (2, 2))
i, j, k = Index("i", 2), Index("j", 3), Index("k", 3)
SUM, MAX = Reduction.SUM, Reduction.MAX


def graph(*equations: Equation, inputs: tuple[Variable, ...] = (A, v, x, a, b), output: str | None = None) -> Graph:
    return Graph(inputs, equations, (output or equations[-1].name,))


def scalar(target: Variable, body: object) -> Equation:
    return Equation(target.symbol, body)


ERRORS: dict[str, tuple[Callable[[], object], str]] = {
    "a reference to nothing": (
        lambda: graph(scalar(c, a.symbol + d.symbol)),
        "equation `c = a + d`: d refers to 'd', which is neither an input nor assigned",
    ),
    "a shape that is not the declared one": (
        lambda: graph(Equation(w[i], Variable("A", (2, 2))[i, i])),
        "equation `w[i] = A[i, i]`: A[i, i] has shape (2, 2), but A is declared with (2, 3)",
    ),
    "two shapes of one assigned variable": (
        lambda: graph(Equation(w[0], a.symbol), Equation(Variable("w", (3,))[1], a.symbol), output="w"),
        "equation `w[1] = a`: w[1] has shape (3,), but w is declared with (2,)",
    ),
    "an array as a scalar": (
        lambda: graph(scalar(c, Symbol("v", real=True))),
        "equation `c = v`: v has shape (), but v is declared with (3,)",
    ),
    "too few subscripts": (
        lambda: graph(Equation(w[i], Indexed(A.symbol, i))),
        "equation `w[i] = A[i]`: A[i] has 1 subscripts, expected 2",
    ),
    "an index with another range": (
        lambda: graph(Equation(w[j], v[j])),
        "equation `w[j] = v[j]`: in w[j] the index j has range 3, but that axis of w has extent 2",
    ),
    "an index over the samples where an integer is expected": (
        lambda: graph(Equation(y[s], v[s])),
        "the subscript s of v[s] has values from 0 to S - 1 on an axis of 3; a condition on indices around it, or",
    ),
    "an index without a range": (
        lambda: graph(scalar(c, v[Idx("n")])),
        "the index n has the range None … None, expected one from 0",
    ),
    "an index that starts at 1": (
        lambda: graph(Equation(Variable("u", (3,))[Idx("n", (1, 3))], v[Idx("n", (1, 3))])),
        "the index n has the range 1 … 3, expected one from 0",
    ),
    "a subscript out of range": (
        lambda: graph(scalar(c, v[3])),
        "equation `c = v[3]`: the subscript 3 of v[3] is outside 0 … 2",
    ),
    "a negative subscript": (lambda: graph(scalar(c, v[-1])), "the subscript -1 of v[-1] is outside 0 … 2"),
    "one sample of unknown many": (
        lambda: graph(scalar(c, x[1, 1])),
        "the subscript 1 of x[1, 1] is 1 on an axis of S",
    ),
    "a target out of range": (
        lambda: graph(Equation(w[0], a.symbol), Equation(w[2], a.symbol)),
        "equation `w[2] = a`: the subscript 2 of w[2] is outside 0 … 1",
    ),
    "a subscript that is an expression": (
        lambda: graph(Equation(w[i], v[i * i])),
        "equation `w[i] = v[i**2]`: the subscript i**2 of v[i**2] is no sum of multiples of indices and integers",
    ),
    "a sum of indices that is out of range": (
        lambda: graph(Equation(w[i], v[2 * i + 1])),
        "the subscript 2*i + 1 of v[2*i + 1] has values from 1 to 3 on an axis of 3; a condition on indices around it",
    ),
    "a condition that does not go far enough": (
        lambda: graph(Equation(w[i], Piecewise((v[i - 1], i >= 0), (a.symbol, True)))),
        "the subscript i - 1 of v[i - 1] has values from -1 to 0 on an axis of 3; a condition on indices around it",
    ),
    "an input assigned": (
        lambda: graph(scalar(a, b.symbol)),
        "equation `a = b`: 'a' is an input and cannot be assigned",
    ),
    "an input declared twice": (
        lambda: graph(scalar(c, a.symbol), inputs=(a, b, Variable("a", (3,)))),
        "the input 'a' is declared twice",
    ),
    "a double assignment": (
        lambda: graph(scalar(c, a.symbol), scalar(c, b.symbol)),
        "equation `c = b`: c is assigned twice",
    ),
    "the same equation twice": (lambda: graph(*[scalar(c, a.symbol)] * 2), "equation `c = a`: c is assigned twice"),
    "a double assignment under another index": (
        lambda: graph(Equation(M[i, 0], w[i]), Equation(M[Index("n", 2), 0], a.symbol), inputs=(a, w)),
        "equation `M[n, 0] = a`: M[n, 0] is assigned twice",
    ),
    "overlapping elements": (
        lambda: graph(Equation(M[i, 0], a.symbol), Equation(M[1, i], b.symbol)),
        "equation `M[1, i] = b`: M[:, 0] and M[1, :] have elements in common, so these are assigned twice",
    ),
    "an element and the whole": (
        lambda: graph(Equation(w[1], a.symbol), Equation(w[i], b.symbol)),
        "equation `w[i] = b`: w[1] and w[:] have elements in common",
    ),
    "an element that nothing assigns": (
        lambda: graph(Equation(w[1], a.symbol), scalar(c, w[0])),
        "equation `c = w[0]`: w[0] has elements that no equation assigns",
    ),
    "an array of which only a part is assigned": (
        lambda: graph(Equation(w[1], a.symbol), Equation(c.symbol, w[i], SUM, (i,))),
        "equation `c = Σ_i w[i]`: w[i] has elements that no equation assigns",
    ),
    "an output of which only a part is assigned": (
        lambda: graph(Equation(w[1], a.symbol)),
        "the output 'w' has elements that no equation assigns",
    ),
    "a self-reference": (
        lambda: graph(scalar(c, a.symbol + c.symbol)),
        "equation `c = a + c`: cycle, c depends on itself",
    ),
    "a cycle": (
        lambda: graph(scalar(c, a.symbol + d.symbol), scalar(d, 2 * c.symbol)),
        "equation `d = 2*c`: cycle, c depends on itself",
    ),
    "a cycle through elements": (
        lambda: graph(Equation(w[0], w[1]), Equation(w[1], w[0])),
        "equation `w[1] = w[0]`: cycle, w[0] depends on itself",
    ),
    "a reduced index that the body lacks": (
        lambda: graph(Equation(c.symbol, a.symbol, SUM, (j,))),
        "equation `c = Σ_j a`: the reduced index j does not occur in the body",
    ),
    "an index that is free on the right only": (
        lambda: graph(Equation(w[i], A[i, j])),
        "equation `w[i] = A[i, j]`: the index j (range 3) is neither in the target nor reduced",
    ),
    "an index of the body that is free on the right only": (
        lambda: graph(scalar(c, a.symbol * j)),
        "equation `c = a*j`: the index j (range 3) is neither in the target nor reduced",
    ),
    "an index that is both kept and summed": (
        lambda: graph(Equation(w[i], A[i, j], SUM, (i, j))),
        "an index name occurs twice in the target and the reduction: i, i, j",
    ),
    "a diagonal as a target": (lambda: graph(Equation(M[i, i], a.symbol)), "an index name occurs twice"),
    "one name for two indices": (
        lambda: graph(Equation(w[i], A[i, j] * v[Index("i", 3)], SUM, (j, Index("i", 3)))),
        "an index name occurs twice in the target and the reduction: i, j, i",
    ),
    "a reduction without indices": (
        lambda: graph(Equation(w[i], A[i, 0], MAX)),
        "equation `w[i] = max_ A[i, 0]`: a reduction and its reduced indices go together",
    ),
    "reduced indices without a reduction": (
        lambda: graph(Equation(w[i], A[i, j], None, (j,))),
        "equation `w[i] = A[i, j]`: a reduction and its reduced indices go together",
    ),
    "an extent that no input has": (
        lambda: graph(scalar(c, a.symbol / Symbol("T", integer=True))),
        "equation `c = a/T`: the integer T is not the extent of any input; add one of shape (T,)",
    ),
    "a shape that no input has": (
        lambda: graph(Equation(y[s], a.symbol), inputs=(a,)),
        "equation `y[s] = a`: the integer S is not the extent of any input",
    ),
    "a symbol of the same name": (
        lambda: graph(scalar(c, Symbol("a") + b.symbol)),
        "equation `c = a + b`: a and the declared a are two symbols with different assumptions",
    ),
    "an unknown output": (
        lambda: graph(scalar(c, a.symbol), output="e"),
        "the output 'e' is not a variable of the graph (it has: A, v, x, a, b, c)",
    ),
    "no output": (lambda: Graph((a,), (scalar(c, a.symbol),), ()), "a graph needs at least one output"),
    "an output named twice": (
        lambda: Graph((a,), (scalar(c, a.symbol),), ("c", "c")),
        "an output is named twice: c, c",
    ),
    "an extent of 0": (lambda: Variable("z", (2, 0)), "the variable 'z' has shape (2, 0): 0 is neither"),
    "an extent that is real": (lambda: Variable("z", (Symbol("r"),)), "r is neither a positive integer nor an integer"),
    "a body that is a condition": (
        lambda: scalar(c, a.symbol > 0),
        "the body of c is a StrictGreaterThan, expected a scalar expression",
    ),
    "a target that is an expression": (
        lambda: Equation(a.symbol + 1, b.symbol),
        "the target a + 1 is neither a scalar nor an indexed variable",
    ),
    "too many subscripts of a variable": (lambda: v[i, j], "v has 1 axes, found 2 subscripts [i, j]"),
    "a number of outputs": (lambda: lecture().with_outputs(3), "with_outputs: found 3, expected names of variables"),  # type: ignore[arg-type]
    "an unknown variable": (lambda: lecture().variable("z"), "the graph has no variable 'z' (it has: a, b, c, d, e)"),
    "too many equations to unroll": (
        lambda: mlp([30, 40, 2]).unroll(limit=50),
        "unrolling gives 134 scalar equations, more than the limit of 50",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_an_error_names_the_equation_what_was_found_and_what_was_expected(case: str) -> None:
    build, message = ERRORS[case]
    with pytest.raises(GraphError, match=re.escape(message)):
        build()


def test_a_long_equation_is_cut_in_a_message() -> None:
    body = sum(Variable(f"a_long_name_{n}").symbol for n in range(20))
    with pytest.raises(GraphError, match=r"equation `c = a_long_name_.{100,120}…`: a_long_name_\d+ refers to"):
        graph(scalar(c, body))


def test_a_huge_equation_is_not_printed_in_a_message() -> None:
    body = sum(Variable(f"a{n}").symbol for n in range(100))
    with pytest.raises(GraphError, match=r"equation `c = …`: a\d+ refers to"):
        graph(scalar(c, body))


@pytest.mark.parametrize(
    ("thing", "field"),
    [(lecture(), "equations"), (lecture(), "outputs"), (lecture().equations[0], "body"), (a, "shape")],
)
def test_nothing_can_be_changed(thing: object, field: str) -> None:
    with pytest.raises(FrozenInstanceError):
        setattr(thing, field, ())


def test_lists_are_accepted_and_become_tuples() -> None:
    found = Graph([a, b], [scalar(c, a.symbol + b.symbol)], ["c"])  # type: ignore[arg-type]
    assert (found.inputs, found.outputs) == ((a, b), ("c",))
    assert found == Graph((a, b), (scalar(c, a.symbol + b.symbol),), ("c",))


# --- order --------------------------------------------------------------------------------------------------------


def test_equations_in_a_possible_order_stay_as_they_are() -> None:
    found = graph(scalar(d, b.symbol), scalar(c, a.symbol), scalar(Variable("e"), c.symbol + d.symbol))
    assert [equation.name for equation in found.equations] == ["d", "c", "e"]


def test_an_equation_moves_to_before_the_first_that_reads_it_and_the_others_keep_their_order() -> None:
    e, f = Variable("e"), Variable("f")
    given = [scalar(c, a.symbol), scalar(e, f.symbol + d.symbol), scalar(d, a.symbol), scalar(f, b.symbol)]
    assert [equation.name for equation in graph(*given).equations] == ["c", "d", "f", "e"]


def test_elements_come_before_what_reads_across_them() -> None:
    found = graph(Equation(c.symbol, w[i], SUM, (i,)), Equation(w[1], w[0]), Equation(w[0], a.symbol), output="c")
    assert [str(equation.target) for equation in found.equations] == ["w[0]", "w[1]", "c"]


def test_two_thousand_equations_in_reverse_are_ordered_without_recursion() -> None:
    names = [Variable(f"v{n}") for n in range(2_001)]
    chain = [scalar(later, earlier.symbol + 1) for earlier, later in pairwise(names)]
    assert Graph((names[0],), tuple(reversed(chain)), ("v2000",)).equations == tuple(chain)


# --- vertices -----------------------------------------------------------------------------------------------------


def test_an_input_that_is_read_by_elements_only_is_cut_into_them() -> None:
    found = graph(scalar(c, v[0] * v[2]), scalar(d, A[0, 1]), output="c")
    assert found.cells["v"] == (("v", (0,)), ("v", (1,)), ("v", (2,)))
    assert found.cells["A"] == tuple(("A", (m, n)) for m in range(2) for n in range(3))
    assert found.cells["x"] == (("x", (None, None)),)  # not read at all


def test_an_input_that_is_also_read_whole_is_one_vertex() -> None:
    found = graph(scalar(c, A[0, 1]), Equation(w[i], A[i, 1]), output="c")
    assert found.cells["A"] == (("A", (None, 0)), ("A", (None, 1)), ("A", (None, 2)))
    assert found.resolve(A[0, 1]) == (("A", (None, 1)),)
    assert found.resolve(A[i, j]) == found.cells["A"]


def test_a_graph_that_does_not_change_stays_the_same_object() -> None:
    found = lecture()
    assert found.with_equations(found.equations) is found


# --- unrolling ----------------------------------------------------------------------------------------------------


def test_the_neuron_by_neuron_view_of_a_layer() -> None:
    assert str(mlp([2, 2, 1]).unroll()).splitlines()[1:7] == [
        "z1[s, 0] = W1[0, 0]*x[s, 0] + W1[0, 1]*x[s, 1]",
        "z1[s, 1] = W1[1, 0]*x[s, 0] + W1[1, 1]*x[s, 1]",
        "u1[s, 0] = b1[0] + z1[s, 0]",
        "u1[s, 1] = b1[1] + z1[s, 1]",
        "a1[s, 0] = tanh(u1[s, 0])",
        "a1[s, 1] = tanh(u1[s, 1])",
    ]


def test_a_maximum_becomes_one_of_its_elements_and_a_bracket_becomes_a_number() -> None:
    found = graph(
        Equation(c.symbol, v[j], MAX, (j,)), Equation(w[i], A[i, j] * Index("j", 3), SUM, (j,)), output="w"
    ).unroll()
    assert [str(equation) for equation in found.equations] == [
        "c = maximum(v[0], v[1], v[2])",
        "w[0] = A[0, 1] + 2*A[0, 2]",
        "w[1] = A[1, 1] + 2*A[1, 2]",
    ]


def test_a_sum_over_the_samples_stays_and_is_a_multiple_where_they_vanish() -> None:
    found = graph(Equation(w[i], x[s, 0] * i + 2, SUM, (s,)), Equation(Variable("m", (2,))[i], x[s, 0] * i, MAX, (s,)))
    assert [str(equation) for equation in found.unroll().equations] == [
        "w[0] = 2*S",
        "w[1] = Σ_s x[s, 0] + 2",
        "m[0] = 0",
        "m[1] = max_s x[s, 0]",
    ]


@holds_for(index_graphs(), quick=10, slow=100)
def test_unrolling_keeps_every_value(found: Graph) -> None:
    everything = found.with_outputs(*dict.fromkeys(equation.name for equation in found.equations))
    values = random_values(found)
    assert distance(outputs(everything, values), outputs(everything.unroll(), values)) <= 1e-12


def test_a_variable_accepts_sympy_and_numpy_integers_as_extents() -> None:
    assert Variable("z", (np.int64(3), Index("n", 4).upper)).shape == (3, 3)  # type: ignore[arg-type]


def test_outputs_are_names_or_a_list_of_them() -> None:
    graph = lecture()
    assert graph.with_outputs(["e", "c"]) == graph.with_outputs("e", "c")
    assert graph.with_outputs(name for name in ("e",)) == graph.with_outputs("e")


def test_a_variable_is_copied_without_the_references_that_were_made() -> None:
    used = Variable("v", (200,))
    made = [used[n] for n in range(200)]
    assert pickle.dumps(used) == pickle.dumps(Variable("v", (200,)))
    assert [copy.deepcopy(used)[n] for n in range(200)] == made


def test_equal_numbers_of_two_types_are_two_subscripts() -> None:
    v = Variable("v", (3,))
    assert [str(v[key]) for key in (1, 1.0, 1)] == ["v[1]", "v[1.0]", "v[1]"]


# --- reductions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", [SUM, MAX])
def test_a_neutral_element_changes_nothing(reduction: Reduction) -> None:
    assert [REDUCE[reduction](np.array([x, float(reduction.neutral)])) for x in (-3.0, 7.0)] == [-3.0, 7.0]


@pytest.mark.parametrize("table", [REDUCE, numba.ACCUMULATE, writer.COMBINED, c_writer.ACCUMULATE])
def test_every_language_combines_by_every_reduction(table: Mapping[Reduction, object]) -> None:
    assert set(table) == {SUM, MAX}
