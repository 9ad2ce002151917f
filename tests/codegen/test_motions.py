"""Equations of motion as sympy.physics.mechanics writes them: q(t) and its derivatives are variables."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
from sympy import Derivative, Expr, Function, Matrix, Symbol, cos, sin, symbols
from sympy.physics.mechanics import (
    KanesMethod,
    LagrangesMethod,
    Particle,
    Point,
    ReferenceFrame,
    dynamicsymbols,
)
from sympy.utilities.lambdify import lambdify

import codegen
from codegen import FlatFunction, GraphError, from_expressions, gradient, jacobian

pytestmark = pytest.mark.values

t = dynamicsymbols._t
q1, q2, u1, u2 = dynamicsymbols("q1 q2 u1 u2")
q = Function("q")
m, g, l = symbols("m g l")


def kane() -> KanesMethod:
    """Two particles, one hung from the other."""
    inertial = ReferenceFrame("N")
    origin = Point("O")
    origin.set_vel(inertial, 0)
    bodies, loads, before = [], [], origin
    for number, (angle, speed) in enumerate([(q1, u1), (q2, u2)]):
        rod = inertial.orientnew(f"A{number}", "Axis", [angle, inertial.z])
        rod.set_ang_vel(inertial, speed * inertial.z)
        point = before.locatenew(f"P{number}", l * rod.x)
        point.v2pt_theory(before, inertial, rod)
        bodies.append(Particle(f"B{number}", point, m))
        loads.append((point, m * g * inertial.x))
        before = point
    found = KanesMethod(inertial, q_ind=[q1, q2], u_ind=[u1, u2], kd_eqs=[q1.diff(t) - u1, q2.diff(t) - u2])
    found.kanes_equations(bodies, loads)
    return found


def lagrange() -> LagrangesMethod:
    a, b = q1.diff(t), q2.diff(t)
    kinetic = m * l**2 * (a**2 + b**2 / 2 + a * b * cos(q1 - q2))
    found = LagrangesMethod(kinetic + m * g * l * (2 * cos(q1) + cos(q2)), [q1, q2])
    found.form_lagranges_equations()
    return found


POINT = [0.3, -0.8, 1.2, -0.4, 2.0, 9.81, 0.7]


def exact(expression: Expr, by: list[Expr], at: list[float], wrt: Expr | None = None) -> float:
    """The value, or a derivative, at 40 digits, of an expression whose functions SymPy has replaced by symbols."""
    plain = dict(zip(by, symbols(f"s:{len(by)}")))
    replaced = expression.xreplace(plain)
    replaced = replaced if wrt is None else replaced.diff(plain[wrt])
    with mpmath.workdps(40):
        return float(lambdify(list(plain.values()), replaced, "mpmath")(*map(mpmath.mpf, at)))


def test_kanes_equations_work_as_they_are() -> None:
    method = kane()
    inputs = [q1, q2, u1, u2, m, g, l]
    mass, forcing = method.mass_matrix_full, method.forcing_full
    function = codegen.compile(from_expressions({"M": mass, "f": forcing}, inputs), cache=False)
    found = function(*POINT)
    for values, expected in zip(found, (mass, forcing)):
        flat = [exact(e, inputs, POINT) for e in expected]
        np.testing.assert_allclose(values.ravel(), flat, rtol=1e-13, atol=1e-14)
    assert function(q1=0.3, q2=-0.8, u1=1.2, u2=-0.4, m=2, g=9.81, l=0.7)[1].tolist() == found[1].tolist()


def test_accelerations_are_differentiated_by_angles_and_speeds() -> None:
    method = kane()
    inputs, wrt = [q1, q2, u1, u2, m, g, l], [q1, q2, u1, u2]
    accelerations = method.mass_matrix.LUsolve(method.forcing)
    graph = from_expressions({"a": Matrix(accelerations)}, inputs)
    found = codegen.compile(jacobian(graph, "a", wrt), cache=False)(*POINT)
    for by, column in zip(wrt, found[1:]):
        np.testing.assert_allclose(
            column.ravel(), [exact(e, inputs, POINT, by) for e in accelerations], rtol=1e-11, atol=1e-11
        )
    x = FlatFunction(graph, "a", wrt, {m: 2.0, g: 9.81, l: 0.7})
    np.testing.assert_allclose(x.jac(POINT[:4]), np.column_stack([c.ravel() for c in found[1:]]), rtol=1e-13)


def test_lagranges_equations_have_derivatives_of_any_order() -> None:
    method = lagrange()
    rates = [q1.diff(t), q2.diff(t), q1.diff(t, 2), q2.diff(t, 2)]
    inputs, point = [q1, q2, *rates, m, g, l], [0.3, -0.8, 1.2, -0.4, 0.9, -2.0, 2.0, 9.81, 0.7]
    residuals = method.eom
    graph = from_expressions({"r": residuals, "f": method.forcing}, inputs)
    assert [v.name for v in graph.inputs] == ["q1", "q2", "q1_t", "q2_t", "q1_tt", "q2_tt", "m", "g", "l"]
    found = codegen.compile(jacobian(graph, "r", [q1, Derivative(q2, t), rates[2]]), cache=False)(*point)
    for by, values in zip([None, q1, rates[1], rates[2]], found):
        expected = [exact(e, inputs, point, by) for e in residuals]
        np.testing.assert_allclose(values.ravel(), expected, rtol=1e-12, atol=1e-12)


def test_an_entry_may_be_a_function_of_time_and_time_itself_an_input() -> None:
    graph = from_expressions({q(t): sin(2 * t), "e": q(t) ** 2 + t}, [t])
    assert codegen.compile(gradient(graph, "e", t), cache=False)(0.3)[0] == pytest.approx(np.sin(0.6) ** 2 + 0.3)


REFUSED = {
    "an input that has the name of a function": ([q(t), Symbol("q")], q(t), r"named twice: q, q \('q' is q\(t\)\)"),
    "the name of a derivative": (
        [q(t).diff(t), Symbol("q_t")],
        q(t),
        r"twice: q_t, q_t \('q_t' is Derivative\(q\(t\), t\)\)",
    ),
    "a symbol instead of the function": ([Symbol("q")], q(t), r"contains q\(t\), but 'q' is q"),
    "a function instead of the symbol": ([q(t)], Symbol("q"), "a second symbol named 'q'"),
    "another argument": ([q(t)], q(Symbol("s")), r"contains q\(s\), but 'q' is q\(t\)"),
    "a derivative that is no input": ([q(t)], q(t).diff(t), r"Derivative\(q\(t\), t\), which is neither an input"),
    "a delay": ([q(t)], q(t - 1), "the undefined function q, which has no translation"),
    "an input that is a delay": ([q(t - 1)], q(t), r"the input q\(t - 1\) is a q, expected .* or q\(t\)"),
    "a function that is not real": ([Function("z", imaginary=True)(t)], t, "which is not real by its assumptions"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_meant_is_not_guessed(name: str) -> None:
    inputs, body, words = REFUSED[name]
    with pytest.raises(GraphError, match=words):
        from_expressions({"e": body}, inputs)
