"""The lecture's example by all three methods; the number of paths, which is exponential where that of edges is not."""

from __future__ import annotations

import re
from functools import cache

import numpy as np
import pytest
from sympy import Function, Idx, IndexedBase, Symbol, sin, symbols

from codegen import (
    DerivationError,
    Equation,
    Graph,
    GraphError,
    Index,
    Reduction,
    Variable,
    count_paths,
    from_expressions,
    gradient,
    partials,
)
from codegen.derive.paths import PathCount, paths
from codegen.functions import step, stop_gradient
from codegen.numeric.evaluate import evaluate
from tests.codegen.networks import distance, lecture, linear_classifier, mlp

a, b, c = symbols("a b c")
f = Function("f")


def derived(graph: Graph, *of: object, **options: object) -> list[str]:
    """The equations that the gradient adds."""
    return [str(equation) for equation in gradient(graph, *of, **options).equations[len(graph.equations) :]]  # type: ignore[arg-type]


# --- the lecture's example ----------------------------------------------------------------------------------------


def test_backpropagation_touches_each_edge_once() -> None:
    assert derived(lecture(), "e") == [
        "de/de = 1",
        "de/dd = c*de/de",
        "de/dc = d*de/de",
        "de/da = de/dc",
        "de/db = de/dc + de/dd",
    ]


def test_forward_accumulation_sweeps_once_for_each_input() -> None:
    assert derived(lecture(), "e", method="forward") == [
        "dc/da = 1",
        "de/da = d*dc/da",
        "dc/db = 1",
        "dd/db = 1",
        "de/db = c*dd/db + d*dc/db",
    ]


def test_the_sum_over_paths_multiplies_the_local_derivatives_on_each() -> None:
    assert derived(lecture(), "e", method="paths") == ["de/da = d", "de/db = c + d"]


def test_the_local_derivatives_are_one_an_edge() -> None:
    assert str(partials(lecture())).splitlines()[4:] == [
        "∂c/∂a = 1",
        "∂c/∂b = 1",
        "∂d/∂b = 1",
        "∂e/∂c = d",
        "∂e/∂d = c",
        "outputs ∂c/∂a, ∂c/∂b, ∂d/∂b, ∂e/∂c, ∂e/∂d",
    ]


def test_the_paths_of_the_example() -> None:
    counted = count_paths(lecture(), "e")
    assert (counted.by_input, counted.paths, counted.edges) == ({"a": 1, "b": 2}, 3, 5)
    assert str(counted) == "3 paths to e over 5 edges"


def test_local_derivatives_of_equations_in_index_notation() -> None:
    found = partials(linear_classifier(3, 2))
    printed = [str(equation) for equation in found.equations if equation.name.startswith("∂")]
    assert printed[:4] == [
        "∂z1[s, t]/∂W1[t, d][s, t, d] = x[s, d]",
        "∂z1[s, t]/∂x[s, d][s, t, d] = W1[t, d]",
        "∂u1[s, t]/∂b1[t][s, t] = 1",
        "∂u1[s, t]/∂z1[s, t][s, t] = 1",
    ]


# --- counting -----------------------------------------------------------------------------------------------------


@cache
def doubling(levels: int) -> Graph:
    """Each vertex reads the one before through two edges' worth of paths: 2^levels in all."""
    outputs, last = {}, a
    for n in range(levels):
        left, right, joined = Symbol(f"l{n}"), Symbol(f"r{n}"), f"j{n}"
        outputs |= {f"l{n}": 2 * last, f"r{n}": 3 * last, joined: left * right}
        last = Symbol(joined)
    return from_expressions(outputs, [a]).with_outputs(f"j{levels - 1}")


def test_paths_are_counted_without_walking_them() -> None:
    counted = count_paths(doubling(1000), "j999")
    assert counted.paths == 2**1000
    assert counted.edges == 4000
    assert str(counted) == "about 10^301 paths to j999 over 4,000 edges"


def test_so_many_paths_that_python_would_not_print_their_number() -> None:
    counted = PathCount("q9999", {"a": 2**20_000}, 30_000)
    with pytest.raises(ValueError, match="Exceeds the limit"):
        str(counted.paths)
    assert str(counted) == "about 10^6020 paths to q9999 over 30,000 edges"


def test_counting_from_other_vertices_than_the_inputs() -> None:
    assert count_paths(lecture(), "e", ["c", "b"]).by_input == {"c": 1, "b": 2}
    assert count_paths(lecture(), "d").by_input == {"a": 0, "b": 1}
    assert count_paths(lecture(), "a").by_input == {"a": 1, "b": 0}
    with pytest.raises(GraphError, match="no variable 'z'"):
        count_paths(lecture(), "z")
    with pytest.raises(GraphError, match="no variable 'z'"):
        count_paths(lecture(), "e", ["z"])


def test_edges_with_derivative_0_lead_nowhere() -> None:
    graph = from_expressions({"c": step(a) + b, "e": c * b + stop_gradient(a)}, [a, b])
    assert count_paths(graph, "e").by_input == {"a": 0, "b": 2}


def test_a_network_has_as_many_paths_in_index_notation_as_layers_and_as_weights_when_unrolled() -> None:
    graph = mlp([3, 4, 4, 2])
    assert count_paths(graph, "loss", ["W1"]).by_input["W1"] < 10
    assert count_paths(graph.unroll(), "loss", ["b1"]).by_input["b1"] > 4 * 4 * 2


# --- refusing -----------------------------------------------------------------------------------------------------


def test_too_many_paths_are_refused_with_their_number_and_the_alternative() -> None:
    message = (
        r"the sum over all paths has 16,384 paths from a to j13, more than the limit of 10,000; "
        r"the reverse method touches 56 edges instead"
    )
    with pytest.raises(DerivationError, match=message):
        gradient(doubling(14), "j13", method="paths")


def test_an_astronomical_number_of_paths_is_refused_at_once() -> None:
    with pytest.raises(DerivationError, match=r"has about 10\^301 paths from a to j999"):
        gradient(doubling(1000), "j999", method="paths")


def test_the_limit_on_paths_can_be_set() -> None:
    graph = doubling(3)
    assert paths(graph, "j2", ["a"], limit=8).outputs == ("j2", "dj2/da")
    with pytest.raises(DerivationError, match="has 8 paths from a to j2, more than the limit of 7"):
        paths(graph, "j2", ["a"], limit=7)


def test_a_long_path_is_cut_into_vertices() -> None:
    outputs, last = {}, a
    for n in range(60):
        outputs[f"e{n}"] = last * b
        last = Symbol(f"e{n}")
    graph = from_expressions(outputs, [a, b])
    found = gradient(graph, "e59", ["a"], method="paths")
    assert max(len(equation.references) for equation in found.equations) <= 9


# --- all refusals of the gradient ---------------------------------------------------------------------------------

i = Index("i", 2)
v, n = Variable("v", (2,)), Variable("n", (), "integer")
L = Variable("L")
vector = Graph(
    (v, n),
    (Equation(Variable("w", (2,))[i], v[i] ** 2), Equation(L.symbol, n.symbol * v[i], Reduction.SUM, (i,))),
    ("L",),
)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("w",), DerivationError, r"the gradient of 'w' needs a scalar, but it has shape \(2,\)"),
        (("n",), DerivationError, "'n' holds integers: it has no derivative"),
        (("L", ["n"]), DerivationError, "'n' holds integers: there is no derivative with respect to it"),
        (("L", ["v", "v"]), DerivationError, "wrt names a vertex twice: v, v"),
        (
            ("L", ["v"], "sideways"),
            DerivationError,
            "unknown method 'sideways', expected one of reverse, forward, paths",
        ),
        (("z",), GraphError, "the graph has no variable 'z'"),
        (("L", ["z"]), GraphError, "the graph has no variable 'z'"),
    ],
)
def test_a_gradient_that_does_not_exist_is_refused(
    arguments: tuple[object, ...], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        gradient(vector, *arguments)  # type: ignore[arg-type]


def test_a_function_without_a_derivative_is_refused_by_name() -> None:
    graph = Graph((v, n), (Equation(L.symbol, 2 * v[i] + f(n.symbol * v[i]), Reduction.SUM, (i,)),), ("L",))
    message = "equation `L = Σ_i f(n*v[i]) + 2*v[i]`: SymPy has no derivative of f(n*v[i]) by v[i]; give its function"
    with pytest.raises(DerivationError, match=re.escape(message)):
        gradient(graph, "L")


def test_a_function_without_a_derivative_does_no_harm_where_none_is_needed() -> None:
    graph = from_expressions({"e": a**2}, [a])
    graph = graph.with_equations(
        [*graph.equations, Equation(L.symbol, f(Variable("a").symbol) + graph.equations[0].target)], ["L"]
    )
    with pytest.raises(DerivationError, match="SymPy has no derivative of"):
        gradient(graph, "L", ["a"])
    assert gradient(graph, "L", ["e"]).outputs == ("L", "dL/de")


def recurrence(steps: Idx) -> Graph:
    """h[t] = sin(h[t − 1]·x[t]), h[0] = x[0]; the last of them."""
    n = steps.upper + 1
    h, x = IndexedBase("h"), IndexedBase("x", shape=(n,))
    return from_expressions({h[0]: x[0], h[steps]: sin(h[steps - 1] * x[steps]), "L": h[n - 1]}, [x])


def test_paths_of_a_recurrence_go_through_each_step() -> None:
    graph = recurrence(Idx("t", 3))
    assert str(count_paths(graph, "L")) == "3 paths to L over 6 edges"
    found = gradient(graph, "L", method="paths")
    assert [str(equation) for equation in found.equations if equation.name == "dL/dx"] == [
        "dL/dx[0] = cos(h[0]*x[1])*cos(h[1]*x[2])*x[1]*x[2]",
        "dL/dx[1] = cos(h[0]*x[1])*cos(h[1]*x[2])*h[0]*x[2]",
        "dL/dx[2] = cos(h[1]*x[2])*h[1]",
    ]
    values = {"x": np.array([0.5, -1.5, 2.0])}
    expected = evaluate(gradient(graph, "L"), values)["dL/dx"]
    assert distance([evaluate(found, values)["dL/dx"]], [expected]) <= 1e-15


def test_paths_of_any_number_of_steps_are_refused() -> None:
    for asked in (lambda graph: count_paths(graph, "L"), lambda graph: gradient(graph, "L", method="paths")):
        with pytest.raises(DerivationError, match="'h' reads its own earlier values, and each call decides"):
            asked(recurrence(Idx("t", Symbol("T"))))
