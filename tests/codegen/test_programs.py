"""Nonlinear programs: derivatives against differences, known optima by every solver, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sympy import Eq, Ge, Idx, IndexedBase, Le, MatrixSymbol, Sum, Symbol, cos, exp, sin, symbols, true

import codegen
from codegen import DerivationError, EmitError, GraphError, NonlinearProgram, from_expressions

n = Symbol("n", integer=True)
a, b, h, p = symbols("a b h p")
x, u, v = IndexedBase("x", shape=(n,)), IndexedBase("u", shape=(n,)), IndexedBase("v", shape=(n,))
i, k = Idx("i", n - 1), Idx("k", n - 2)

chain = Sum(100 * (x[i] ** 2 - x[i + 1]) ** 2 + (x[i] - 1) ** 2, i)
trigonometric = (
    3 * x[k + 1] ** 3
    + 2 * x[k + 2]
    - 5
    + sin(x[k + 1] - x[k + 2]) * sin(x[k + 1] + x[k + 2])
    + 4 * x[k + 1]
    - x[k] * exp(x[k] - x[k + 1])
    - 3
)
LUKSAN_VLCEK = NonlinearProgram(chain, [Eq(trigonometric, 0)], [x])
"""Problem 5.1 of Lukšan and Vlček (1999), the chained Rosenbrock function with trigonometric-exponential constraints.

Its optimum for 20 variables is 6.232458632437989, by CasADi with Ipopt as well.
"""

PENDULUM = NonlinearProgram(
    Sum(h * v[i] ** 2, i) + a**2,
    [
        Eq(x[i + 1] - x[i], h * (u[i] + u[i + 1]) / 2),
        Eq(u[i + 1] - u[i], h * (v[i] - sin(x[i]) * b)),
        Eq(x[0], 0),
        (-0.5, x[n - 1] - a, 0.5),
        Ge(a, 1),
    ],
    {x: (-4, 4), u: (None, None), v: (-9, 9), a: (None, 3)},
    {h: 0.1, b: 1.5},
)
"""A pendulum that is swung up to an angle near a, by a torque v; several variables, one of them a number, and data."""

PROGRAMS = {"Lukšan and Vlček 5.1": (LUKSAN_VLCEK, 7), "pendulum": (PENDULUM, 16)}


def differences(function: Callable[[np.ndarray], np.ndarray], at: np.ndarray) -> np.ndarray:
    steps = 1e-6 * np.eye(len(at))
    return np.stack([(function(at + e) - function(at - e)) / 2e-6 for e in steps], axis=-1)


@pytest.mark.parametrize("name", PROGRAMS)
def test_derivatives_agree_with_differences(name: str) -> None:
    program, size = PROGRAMS[name]
    at = np.sin(np.arange(size)) + 0.3
    multipliers = np.cos(np.arange(len(program.constraints(at))))

    def slope(x: np.ndarray) -> np.ndarray:
        return 0.7 * program.gradient(x) + program.jacobian(x).T @ multipliers

    np.testing.assert_allclose(
        program.gradient(at), differences(lambda x: np.array(program.objective(x)), at), rtol=1e-7, atol=1e-5
    )
    np.testing.assert_allclose(program.jacobian(at).toarray(), differences(program.constraints, at), atol=1e-6)
    found = program.hessian(at, multipliers, 0.7)
    np.testing.assert_allclose(found.toarray(), differences(slope, at), rtol=1e-6, atol=1e-5)
    np.testing.assert_array_equal(found.toarray(), found.toarray().T)


@pytest.mark.parametrize("name", PROGRAMS)
def test_values_by_structure_are_the_matrices(name: str) -> None:
    program, size = PROGRAMS[name]
    at = np.sin(np.arange(size)) + 0.3
    multipliers = np.cos(np.arange(len(program.constraints(at))))
    for (rows, columns), values, whole in (
        (program.jacobian_structure(at), program.jacobian_values(at), program.jacobian(at)),
        (program.hessian_structure(at), program.hessian_values(at, multipliers), program.hessian(at, multipliers)),
    ):
        matrix = np.zeros(whole.shape)
        matrix[rows, columns] = values
        expected = whole.toarray()
        np.testing.assert_array_equal(matrix, np.tril(expected) if len(expected) == size else expected)


def test_nothing_but_neighbours_is_stored() -> None:
    at = np.ones(1000)
    assert LUKSAN_VLCEK.jacobian(at).nnz == 3 * 998
    assert len(LUKSAN_VLCEK.hessian_values(at, np.ones(998))) == 2 * 1000 - 1
    assert len(codegen.sparse_jacobian(LUKSAN_VLCEK.graph, ["objective", "c1"]).graph.equations) < 20


def test_what_all_stages_share_is_derived_along_them() -> None:
    """By the length of a step, which every stage has, and an argument of a stage: no sum over all pairs of stages."""
    stage = {IndexedBase("u")[i]: sin(x[i]) * x[i + 1] + exp(x[i + 1]) * x[i]}
    bent = NonlinearProgram(x[0], [Eq(a * IndexedBase("u")[i], 1)], [x, a], definitions=stage)
    found = codegen.sparse_hessian(bent._lagrangian[0], "Lagrangian", ["x", "a"])
    assert not [e for e in codegen.optimise(found.graph)[0].equations if len(e.domain) > 1]


SOLVERS = {"trust-constr": {"gtol": 1e-10, "maxiter": 2000}, "SLSQP": {"ftol": 1e-12}, "ipopt": {"tol": 1e-10}}


@pytest.mark.parametrize("method", SOLVERS)
def test_every_solver_finds_the_optimum(method: str) -> None:
    if method == "ipopt":
        pytest.importorskip("cyipopt")
    start = np.where(np.arange(20) % 2 == 0, -1.2, 1.0)
    found = LUKSAN_VLCEK.minimize(start, method, **SOLVERS[method])
    assert found.fun == pytest.approx(6.232458632437989, rel=1e-9)
    assert np.abs(LUKSAN_VLCEK.constraints(found.x)).max() < 1e-8


def test_limits_hold_and_data_may_be_replaced() -> None:
    start = {"x": np.zeros(5), "u": np.zeros(5), "v": np.zeros(5), "a": 2.0}
    found = PENDULUM.minimize(start, "SLSQP", ftol=1e-10)
    parts = PENDULUM.unpack(found.x)
    least, most = PENDULUM.constraint_bounds(found.x)
    values = PENDULUM.constraints(found.x)
    assert (least - 1e-8 <= values).all()
    assert (values <= most + 1e-8).all()
    assert parts["a"] == pytest.approx(1.0, abs=1e-6)
    assert parts["x"][-1] == pytest.approx(0.5, abs=1e-3)
    longer = PENDULUM.minimize(start, "SLSQP", data={"h": 0.2}, ftol=1e-10)
    assert np.abs(PENDULUM.constraints(longer.x, h=0.2)[:9]).max() < 1e-8
    assert np.abs(PENDULUM.constraints(longer.x)[:9]).max() > 1e-3
    lower, upper = PENDULUM.bounds(found.x)
    assert (lower[:5].tolist(), upper[-1]) == ([-4.0] * 5, 3.0)


def test_a_program_without_constraints_or_with_an_objective_that_is_constant() -> None:
    free = NonlinearProgram((a - 1) ** 2 + (a * b - 2) ** 2, [], [a, b])
    assert free.jacobian([0.0, 0.0]).shape == (0, 2)
    for method in ("trust-constr", "SLSQP"):
        np.testing.assert_allclose(free.minimize([0.5, 0.5], method).x, [1, 2], atol=1e-3)
    feasible = NonlinearProgram(0, [Eq(a**2 + b**2, 1), Le(a, b)], [a, b])
    found = feasible.minimize([0.3, 0.9], "SLSQP").x
    assert np.hypot(*found) == pytest.approx(1, abs=1e-6)
    assert feasible.hessian([0.3, 0.9], [1.0, 0.0]).toarray().tolist() == [[2.0, 0.0], [0.0, 2.0]]


def test_variables_are_one_or_several_in_any_form() -> None:
    forms = (x, [x], (v for v in [x]), {x: (None, None)})
    programs = [NonlinearProgram(Sum(x[i] ** 2, i), [], form) for form in forms]
    programs += [NonlinearProgram.from_graph(programs[0].graph, "objective", {}, form) for form in ("x", ["x"], x)]
    assert [program.wrt for program in programs] == [("x",)] * 7


def test_what_formulas_share_is_defined_once() -> None:
    M = MatrixSymbol("M", 2, 2)
    program = NonlinearProgram(Symbol("r") ** 2, [Le(M[0, 0], Symbol("r"))], [a, M], definitions={"r": a * M[1, 0]})
    point = program.pack({"a": 3.0, "M": [[1.0, 2.0], [5.0, 0.0]]})
    assert (program.objective(point), program.constraints(point).tolist()) == (225.0, [-14.0])


REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "a strict relation": (lambda: NonlinearProgram(a, [a < 1], [a]), EmitError, "constraint 1 is a < 1, a Strict"),
    "a truth": (
        lambda: NonlinearProgram(a, [true], [a]),
        EmitError,
        "constraint 1 is True, a BooleanTrue, expected Eq",
    ),
    "no variables": (lambda: NonlinearProgram(a, [], []), EmitError, "variables is empty"),
    "an unknown symbol": (lambda: NonlinearProgram(a, [Eq(a, p)], [a]), GraphError, "'c1' contains the symbol 'p'"),
    "an array": (lambda: NonlinearProgram(x[i], [], [x]), GraphError, "index i, which is neither in its key nor"),
    "crossed": (lambda: NonlinearProgram(a, [(1, a, 0)], [a]), EmitError, "a lower limit of 'c1' is above the upper"),
    "nan": (lambda: NonlinearProgram(a, [], {a: (np.nan, 0)}), EmitError, "a limit of 'a' is nan"),
    "no pair": (lambda: NonlinearProgram(a, [], {a: 3}), EmitError, "the limits of 'a' are 3, expected a pair"),  # type: ignore[dict-item]
    "shapes": (
        lambda: NonlinearProgram(chain, [], {x: (0, [1, 2])}).bounds([0.0, 0.0, 0.0]),
        EmitError,
        r"the limits of 'x' have shapes \(\) and \(2,\), expected \(3,\)",
    ),
    "multipliers": (
        lambda: LUKSAN_VLCEK.hessian(np.ones(5), np.ones(5)),
        EmitError,
        r"multipliers must have shape \(3,\)",
    ),
    "no data": (
        lambda: NonlinearProgram.from_graph(LUKSAN_VLCEK.graph, "c1", {}, ["x"]),
        DerivationError,
        "needs a scalar",
    ),
    "a method": (
        lambda: LUKSAN_VLCEK.minimize(np.ones(5), "newton"),
        EmitError,
        "unknown method 'newton', expected one of",
    ),
    "few variables": (lambda: LUKSAN_VLCEK.constraints(np.ones(1)), ValueError, "none for n = 1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case: str) -> None:
    made, kind, message = REFUSED[case]
    with pytest.raises(kind, match=message):
        made()


def test_inputs_of_a_graph_that_have_no_value_are_named() -> None:
    graph = from_expressions({"f": a * b + cos(p)}, [a, b, p])
    with pytest.raises(EmitError, match="the input 'p' is neither among the variables nor in data"):
        NonlinearProgram.from_graph(graph, "f", {}, ["a", "b"])
    assert NonlinearProgram.from_graph(graph, "f", {}, [a], {"b": 2.0, p: 0.0}).objective([3.0]) == 7.0
