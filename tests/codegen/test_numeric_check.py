"""The gradient check: right gradients pass, planted mistakes are found and named, kinks are recognised."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy
from functools import cache

import numpy as np
import pytest
import sympy
from hypothesis import strategies as st
from numpy.typing import NDArray
from sympy import Expr, Integer, Piecewise, tanh

from codegen import CheckError, Equation, Graph, Index, Reduction, Variable, from_expressions, gradient
from codegen import functions as f
from codegen.numeric import CheckReport, branches, check_gradient, evaluate
from codegen.numeric.check import JUDGES
from tests.codegen.networks import (
    ENDINGS,
    Arrays,
    hinge,
    index_graphs,
    lecture,
    mlp,
    naive_cross_entropy,
    parameters,
    random_values,
)
from tests.properties import holds_for
from tests.sweeps import one_in

ALL = tuple(JUDGES)
x, y = sympy.symbols("x y", real=True)


def claim(graph: Graph, values: Arrays) -> dict[str, NDArray[np.float64]]:
    """The derived gradient, to be spoiled."""
    names = parameters(graph)
    derived = gradient(graph, "loss", names)
    found = evaluate(derived, values)
    return {name: found[output].copy() for name, output in zip(names, derived.outputs[1:])}


# --- right gradients pass -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ALL)
def test_the_graph_of_the_lecture_passes(method: str) -> None:
    report = check_gradient(lecture(), "e", {"a": 2, "b": 1}, methods=[method])
    assert report.passed
    assert [(row.parameter, row.analytic) for row in report.rows] == [("a", 2), ("b", 5)]
    report.raise_if_failed()


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("activation", one_in(2, [tanh, f.relu, f.gelu, f.leaky_relu, f.hard_tanh]), ids=str)
def test_networks_pass(ending: Callable[[Variable, Index], list[Equation]], activation: Callable[..., Expr]) -> None:
    slope = [sympy.Rational(1, 10)] if activation is f.leaky_relu else []
    graph = mlp([2, 4, 3], lambda u: activation(u, *slope), ending)
    report = check_gradient(graph, "loss", random_values(graph, seed=3), methods=("central", "complex"))
    assert report.passed, str(report)
    assert {row.parameter for row in report.rows} == {"x", "W1", "b1", "W2", "b2"}


def test_every_method_agrees_on_a_network() -> None:
    graph = mlp([2, 3, 3], f.softplus)
    report = check_gradient(graph, "loss", random_values(graph, samples=2), methods=ALL)
    assert report.passed, str(report)
    worst = {method: max(row.metric for row in report.rows if row.method == method) for method in ALL}
    assert worst["exact"] < 1e-14
    assert worst["complex"] < 1e-14
    assert worst["richardson"] < 1e-11
    assert worst["central"] < 1e-9
    assert worst["forward"] < 1e-6


@holds_for(index_graphs(), st.integers(0, 2**32), quick=8, slow=80)
def test_random_systems_never_fail(graph: Graph, seed: int) -> None:
    report = check_gradient(graph, "L", random_values(graph, seed, samples=2), methods=("central", "complex", "exact"))
    assert not report.failures, str(report)


def test_a_second_derivative_is_checked_like_a_first() -> None:
    graph = mlp([2, 2, 3])
    derived = gradient(graph, "loss", ["b1"])
    index = Index("i", 2)
    total = Variable("total")
    pieces = Equation(total.symbol, Variable("dloss/db1", (2,))[index] * (1 + index), Reduction.SUM, (index,))
    report = check_gradient(
        derived.with_equations([*derived.equations, pieces], ["total"]), "total", random_values(graph)
    )
    assert report.passed, str(report)


def test_softmax_cross_entropy_at_large_logits_passes() -> None:
    graph = mlp([1, 3])
    values = {"x": np.zeros((1, 1)), "y": np.array([0]), "W1": np.zeros((3, 1)), "b1": np.array([0.0, 1000.0, 0.0])}
    report = check_gradient(graph, "loss", values, ["b1"], methods=ALL)
    assert report.passed, str(report)


def test_a_formula_that_overflows_tells_floats_nothing_but_the_oracle_everything() -> None:
    """−log(exp(z)/Σexp(z)) at the same logits is inf and nan in floats, with the same gradient in truth."""
    graph = mlp([1, 3], ending=naive_cross_entropy)
    values = {"x": np.zeros((1, 1)), "y": np.array([0]), "W1": np.zeros((3, 1)), "b1": np.array([0.0, 1000.0, 0.0])}
    right, naive = {"b1": [-1.0, 1.0, 0.0]}, {"b1": [np.nan, np.nan, 0.0]}
    assert check_gradient(graph, "loss", values, gradient=right, methods=["exact"]).passed
    assert check_gradient(graph, "loss", values, gradient=right).undecided == ("b1[0]", "b1[1]", "b1[2]")
    assert check_gradient(graph, "loss", values, gradient=naive, methods=["exact"]).failures


# --- planted mistakes are found -----------------------------------------------------------------------------------


def one_entry(gradients: Arrays) -> None:
    gradients["W1"][2, 1] *= 1.001


def sign_of_one(gradients: Arrays) -> None:
    gradients["b2"][1] *= -1


def missing_term(gradients: Arrays) -> None:
    gradients["b2"] += 0.25  # as if the labels were not subtracted


def transposed(gradients: Arrays) -> None:
    gradients["W2"] = np.ascontiguousarray(gradients["W2"].T)


def forgotten(gradients: Arrays) -> None:
    gradients["b1"][:] = 0


def not_finite(gradients: Arrays) -> None:
    gradients["W2"][1, 0] = np.nan


MISTAKES: dict[Callable[[Arrays], None], str] = {
    one_entry: r"W1\[2, 1\]",
    sign_of_one: r"b2\[1\]",
    missing_term: r"b2\[\d\]",
    transposed: r"W2\[\d, \d\]",
    forgotten: r"b1\[\d\]",
    not_finite: r"W2\[1, 0\]",
}


@cache
def passed(activation: Callable[[Expr], Expr], method: str) -> tuple[Graph, Arrays, Arrays]:
    """A network, its values and its gradient, which is right by the method."""
    graph = mlp([2, 3, 3], activation)
    values = random_values(graph, seed=5, samples=2 if method == "exact" else 4)
    right = claim(graph, values)
    assert check_gradient(graph, "loss", values, gradient=right, methods=[method]).passed
    return graph, values, right


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("activation", [tanh, pytest.param(f.relu, marks=pytest.mark.slow)], ids=str)
def test_planted_mistakes_are_found_by_every_method(
    mistake: Callable[[Arrays], None], method: str, activation: Callable[[Expr], Expr]
) -> None:
    graph, values, right = passed(activation, method)
    wrong = deepcopy(right)
    mistake(wrong)
    report = check_gradient(graph, "loss", values, gradient=wrong, methods=[method])
    assert not report.passed
    assert [row.parameter for row in report.failures] == [MISTAKES[mistake].split("\\")[0]]
    with pytest.raises(
        CheckError, match=rf"the gradient of 'loss' is wrong at {MISTAKES[mistake]}: analytic .*, numeric"
    ):
        report.raise_if_failed()


@cache
def passed_by_directions(method: str) -> tuple[Graph, Arrays, Arrays]:
    """A network of 2,410 parameters, its values and its gradient, which is right by the method."""
    graph = mlp([64, 32, 10])
    values = random_values(graph, samples=3)
    values["W1"] *= 0.1
    right = claim(graph, values)
    report = check_gradient(graph, "loss", values, gradient=right, methods=[method])
    assert report.passed, str(report)
    assert sum(row.entries for row in report.rows) == 64 + 8
    return graph, values, right


@pytest.mark.parametrize("method", ["central", "complex"])
@pytest.mark.parametrize("place", [("W1", (17, 33)), ("b1", (5,)), ("W2", (3, 20)), ("b2", (9,))], ids=str)
def test_one_wrong_entry_among_2410_is_found_and_named(method: str, place: tuple[str, tuple[int, ...]]) -> None:
    """Among more than 2,000 parameters the random directions find it, and halving them names it."""
    graph, values, right = passed_by_directions(method)
    wrong = deepcopy(right)
    name, index = place
    wrong[name][index] += 1e-3 * max(1e-2, abs(wrong[name][index]))
    report = check_gradient(graph, "loss", values, gradient=wrong, methods=[method])
    assert [row.place for row in report.failures if row.parameter != "direction"] == [
        f"{name}[{', '.join(map(str, index))}]"
    ]


def test_a_gradient_that_is_finite_where_the_truth_is_not_is_undecided_and_the_reverse_fails() -> None:
    graph = from_expressions({"f": sympy.log(x)}, [x])
    assert check_gradient(graph, "f", {"x": 0.0}).passed
    finite = check_gradient(graph, "f", {"x": 0.0}, gradient={"x": 0.0})
    assert not finite.passed
    assert finite.undecided == ("x",)
    with pytest.raises(CheckError, match=r"the gradient of 'f' is undecided: no method is accurate enough at x"):
        finite.raise_if_failed()
    assert check_gradient(graph, "f", {"x": 1.0}, gradient={"x": np.inf}).failures


def test_an_estimate_that_is_too_coarse_decides_nothing() -> None:
    """A staircase of 1e-4 under a slope of 1: differences see the stairs, and must not pass a wrong slope."""
    v = sympy.Symbol("v")
    graph = from_expressions({"v": x + 10**9, "f": (v - 10**9) * 3}, [x])
    for slope in (3.0, 3.05):
        report = check_gradient(graph, "f", {"x": 0.3}, gradient={"x": slope}, methods=["forward"])
        assert not report.passed
        assert report.undecided == ("x",)
    assert check_gradient(graph, "f", {"x": 0.3}, methods=["forward", "complex"]).passed


def test_a_function_is_checked_in_place_of_the_graph() -> None:
    graph, values = mlp([2, 3, 3]), random_values(mlp([2, 3, 3]))
    right = check_gradient(graph, "loss", values, function=lambda v: evaluate(graph, v)["loss"])
    wrong = check_gradient(graph, "loss", values, function=lambda v: 1.01 * evaluate(graph, v)["loss"])
    assert right.passed
    assert {row.method for row in wrong.failures} == {"central"}


# --- kinks --------------------------------------------------------------------------------------------------------

KINKS: dict[str, tuple[Expr, float, str]] = {
    "relu at 0": (f.relu(x), 0.0, "kink"),
    "relu beside 0": (f.relu(x), 1e-6, "passed"),
    "relu on the other side": (f.relu(x), -1e-6, "passed"),
    "relu far away": (f.relu(x), 0.3, "passed"),
    "absolute value at 0": (f.absolute(x) * sympy.exp(x), 0.0, "kink"),
    "absolute value beside 0": (f.absolute(x) * sympy.exp(x), 2e-6, "passed"),
    "absolute value of SymPy": (sympy.Abs(x - 1), 1 + 1e-7, "passed"),
    "leaky relu at 0": (f.leaky_relu(x, sympy.Rational(1, 10)), 0.0, "kink"),
    "clip at its end": (f.clip(x, Integer(-1), Integer(2)), 2.0, "kink"),
    "clip beside its end": (f.clip(x, Integer(-1), Integer(2)), 2 - 1e-6, "passed"),
    "a tie": (f.maximum(x, 1 - x, Integer(0)), 0.5, "kink"),
    "almost a tie": (f.minimum(x, 1 - x), 0.5 + 1e-6, "passed"),
    "a jump": (f.step(x) + x, 0.0, "kink"),
    "beside a jump": (f.sign(x) + x, -1e-6, "passed"),
    "a piecewise function at its seam": (Piecewise((x**2, x < 1), (2 * x, True)), 1.0, "kink"),
    "a piecewise function beside its seam": (Piecewise((x**2, x < 1), (2 * x, True)), 1 - 1e-7, "passed"),
    "a selection": (f.select(x - 1, x**2, x), 1 + 1e-9, "passed"),
    "equality": (f.equal(x, Integer(1)) + x, 1.0, "kink"),
    "the end of the domain": (x ** sympy.Rational(5, 2), 0.0, "passed"),
    "a constant at the kink": (f.relu(y) + x, 0.0, "passed"),
}


@pytest.mark.parametrize("case", KINKS)
@pytest.mark.parametrize("method", ["forward", "central", "richardson", "complex", "exact"])
def test_kinks_are_recognised(case: str, method: str) -> None:
    expression, point, expected = KINKS[case]
    graph = from_expressions({"f": expression}, [x, y])
    report = check_gradient(graph, "f", {"x": point, "y": 0.0}, ["x"], methods=[method])
    assert not report.failures, str(report)
    if expected == "kink":
        assert report.kinks == ("x",)
        assert not report.passed
        assert "kink at x: neither passed nor failed" in str(report)
        with pytest.raises(CheckError, match="every entry is on a kink, x"):
            report.raise_if_failed()
    elif case == "the end of the domain" and method in ("complex", "exact"):
        assert report.undecided == ("x",)
    else:
        assert report.passed, str(report)


def test_a_mistake_beside_a_kink_is_found() -> None:
    graph = from_expressions({"f": f.relu(x) * sympy.exp(x)}, [x])
    for point, slope in ((1e-6, 1.001), (-1e-6, 0.001)):
        assert check_gradient(graph, "f", {"x": point}, gradient={"x": slope}, methods=["central"]).failures


def test_a_dead_unit_is_named_entry_by_entry_and_the_rest_passes() -> None:
    graph = mlp([2, 4, 3], f.relu)
    values = random_values(graph, seed=1)
    values["W1"][3], values["b1"][3] = 0, 0
    report = check_gradient(graph, "loss", values)
    assert report.passed, str(report)
    assert set(report.kinks) == {"W1[3, 0]", "W1[3, 1]", "b1[3]"}
    assert "kink at W1[3, 0], W1[3, 1], b1[3]" in str(report)


def test_the_shift_of_a_softmax_is_no_kink() -> None:
    """With all weights 0 every logit ties for the maximum; the loss does not depend on which one is subtracted."""
    graph = mlp([2, 3])
    values = {name: np.zeros_like(array) if name != "y" else array for name, array in random_values(graph).items()}
    assert branches(graph, "loss") is None
    assert check_gradient(graph, "loss", values).passed


def test_ties_of_a_reduction_are_kinks() -> None:
    graph = mlp([2, 3], ending=hinge)
    values = random_values(graph)
    assert check_gradient(graph, "loss", values).passed
    values["W1"][:], values["b1"][:] = 0, [1.0, 1.0, 0.0]
    report = check_gradient(graph, "loss", values, ["b1"])
    assert report.kinks == ("b1[0]", "b1[1]")


def test_branches_are_signs_that_the_derivative_depends_on() -> None:
    u = sympy.Symbol("u")
    graph = from_expressions(
        {
            "unused": f.absolute(x),
            "u": f.relu(x) + f.stop_gradient(f.relu(y)),
            "f": f.maximum(u, y) + f.silu(x) + f.relu6(y),
        },
        [x, y],
    )
    found = branches(graph, "f")
    assert found is not None
    assert [str(equation.body) for equation in found.equations if equation.name in found.outputs] == [
        "sign(x)",
        "equal(u, maximum(u, y))",
        "equal(y, maximum(u, y))",
        "sign(y)",
        "sign(y - 6)",
    ]


# --- float32 ------------------------------------------------------------------------------------------------------


def test_float32_is_held_to_float64() -> None:
    graph = mlp([2, 4, 3], f.gelu)
    values = random_values(graph)
    report = check_gradient(graph, "loss", values, dtype="float32")
    assert report.passed, str(report)
    single = [row for row in report.rows if row.method == "float64"]
    assert all(1e-9 < row.metric < 1e-6 for row in single)
    wrong = {name: array.astype(np.float32) for name, array in claim(graph, values).items()}
    assert check_gradient(graph, "loss", values, gradient=wrong, dtype="float32").passed
    wrong["W2"][1, 2] += 1e-3
    report = check_gradient(graph, "loss", values, gradient=wrong, dtype="float32")
    assert [(row.place, row.method) for row in report.failures] == [("W2[1, 2]", "float64")]


def test_what_overflows_in_float32_only_is_wrong() -> None:
    graph = from_expressions({"f": sympy.exp(x)}, [x])
    assert check_gradient(graph, "f", {"x": 5.0}, dtype="float32").passed
    assert check_gradient(graph, "f", {"x": 100.0}, dtype="float32").failures


def test_a_branch_that_float32_decides_differently_decides_nothing() -> None:
    graph = from_expressions({"f": f.relu(x + y)}, [x, y])
    values = {"x": 1.0, "y": -1.0 + 2**-24}  # in float32 the same number, and the sum of both exactly 2⁻²⁴
    assert check_gradient(graph, "f", values, dtype="float32", methods=()).passed
    graph = from_expressions({"f": f.relu(x * x - y)}, [x, y])
    values = {"x": 1 + 2**-12, "y": 1 + 2**-11}  # x² = y + 2⁻²⁴, which float32 rounds away
    report = check_gradient(graph, "f", values, dtype="float32", methods=())
    assert not report.failures
    assert report.undecided == ("x", "y")


# --- the report ---------------------------------------------------------------------------------------------------


def test_the_report_is_a_table() -> None:
    report = check_gradient(lecture(), "e", {"a": 2, "b": 1}, methods=["complex"])
    assert str(report) == "\n".join(
        [
            "parameter  method   entries  worst  analytic  numeric  error    metric   kinks  undecided",
            "a          complex  1        a      2         2        0.0e+00  0.0e+00  0      0          passed",
            "b          complex  1        b      5         5        0.0e+00  0.0e+00  0      0          passed",
            "gradient of e: passed",
        ]
    )


def test_the_sample_is_drawn_with_the_seed() -> None:
    graph = mlp([64, 32, 10])
    values = random_values(graph, samples=2)

    def places(seed: int) -> list[tuple[str, float]]:
        report: CheckReport = check_gradient(graph, "loss", values, parameters(graph), seed=seed, methods=["complex"])
        return [(row.place, row.analytic) for row in report.rows]

    assert places(0) == places(0)
    assert places(0) != places(1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"methods": ["magic"]},
            "methods: found 'magic', expected some of forward, central, richardson, complex, exact",
        ),
        ({"dtype": "float16"}, "dtype: found 'float16', expected 'float64' or 'float32'"),
        ({"wrt": ["y"]}, "wrt: found 'y', expected a real input of the graph (x, W1, b1)"),
        (
            {"gradient": {"W1": np.zeros((3, 2))}, "wrt": ["b1"]},
            "gradient: found nothing for 'b1', expected an array of",
        ),
        ({"gradient": {"W1": np.zeros((2, 3))}}, "gradient of 'W1': found shape (2, 3), expected (3, 2)"),
        ({"gradient": {"z": 1}}, "wrt: found 'z', expected a real input"),
        ({"wrt": []}, "wrt: found no parameter, expected at least one"),
        ({"of": "l"}, "'l' has shape (S,), expected a scalar to differentiate"),
    ],
    ids=str,
)
def test_misuse_is_named(arguments: dict[str, object], message: str) -> None:
    graph = mlp([2, 3])
    with pytest.raises(CheckError, match=re.escape(message)):
        check_gradient(graph, **{"of": "loss", "values": random_values(graph), **arguments})  # type: ignore[arg-type]
