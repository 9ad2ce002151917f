"""Conditions that are built in hold for any parameters, and equations are over the unknowns all the same."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from sympy import lambdify, symbols

import symnn
from symnn.conditions import form, read_condition
from symnn.physics_spec import load_physics
from symnn.residuals import Language

pytestmark = pytest.mark.values

LAYERS: list[Any] = [{"dense": 3, "activation": "tanh"}, {"dense": 1}]
WAVE: dict[str, Any] = {
    "inputs": {"x": [0, 2], "t": [0, 1]},
    "unknowns": "u",
    "layers": LAYERS,
    "residuals": {
        "inside": {"equation": "u_tt = u_xx", "points": 9},
        "start": {"equation": ["2*u = 2*x*(2 - x)", "u_t = sin(pi*x)"], "at": {"t": 0}, "hard": True},
        "left": {"equation": "u = t*0", "at": {"x": 0}, "hard": True},
        "right": {"equation": "u = t**2", "at": {"x": 2}, "hard": True},
    },
}


def values(physics: symnn.Physics, x: object, t: object, seed: int = 0) -> np.ndarray:
    theta = physics.initial_parameters(seed) + 0.3
    points = np.column_stack(np.broadcast_arrays(np.asarray(x, float), np.asarray(t, float)))
    return np.asarray(physics.compile().predict(theta, points)[:, 0])


def test_what_is_hard_holds_for_every_network_and_is_no_residual() -> None:
    physics = symnn.Physics.from_spec(WAVE)
    assert [residual.name for residual in physics.residuals] == ["inside"]
    x, t = np.linspace(0, 2, 9), np.linspace(0, 1, 9)
    assert values(physics, x, 0.0) == pytest.approx(x * (2 - x), abs=1e-14)
    assert values(physics, 0.0, t) == pytest.approx(0.0, abs=1e-14)
    assert values(physics, 2.0, t) == pytest.approx(t**2, abs=1e-14)
    slope = (values(physics, x, 1e-6) - values(physics, x, -1e-6)) / 2e-6
    assert slope == pytest.approx(np.sin(np.pi * x), abs=1e-8)
    assert abs(values(physics, 1.0, 0.5) - values(physics, 1.0, 0.5, seed=1)) > 1e-3  # and inside the network counts


def test_an_equation_is_one_of_the_unknown_and_not_of_the_network() -> None:
    physics = symnn.Physics.from_spec(WAVE)
    point, h = np.array([[0.7, 0.4]]), 1e-4
    found = physics.compile().rows["inside"](physics.initial_parameters(0) + 0.3, point)

    def second(dx: float, dt: float) -> float:
        x, t = point[0]
        before, here, after = (values(physics, x + n * dx, t + n * dt)[0] for n in (-1, 0, 1))
        return float(after - 2 * here + before) / h**2

    assert found == pytest.approx([second(0, h) - second(h, 0)], abs=1e-6)


def test_a_periodic_network_is_the_same_one_period_on() -> None:
    physics = symnn.Physics(
        "x t", "u", [symnn.dense(4, "tanh"), symnn.dense(1)], [symnn.Residual("inside", "u_t + u_x")],
        forms={"u": ("sin(pi*x)", "t")}, periods={"x": 2.0},
    )  # fmt: skip
    assert physics.parameter_count == 4 * 3 + 4 + 4 + 1
    x = np.array([-1.0, -0.3, 0.8])
    assert values(physics, x, 0.7) == pytest.approx(values(physics, x + 2, 0.7), abs=1e-13)
    assert values(physics, x, 0.0) == pytest.approx(np.sin(np.pi * x), abs=1e-15)


def test_a_network_may_get_formulas_of_the_inputs() -> None:
    given = {**WAVE, "features": ["log1p(3*x)", "t", "x*t"]}
    physics = symnn.Physics.from_spec(given)
    assert physics.parameter_count == 3 * 3 + 3 + 3 + 1
    theta, (x, t) = physics.initial_parameters(0) + 0.3, np.array([[0.7, 0.2], [0.4, 0.9]]).T
    inside = np.tanh(physics.split(theta)["W1"] @ [np.log1p(3 * x), t, x * t] + physics.split(theta)["b1"][:, None])
    plain = physics.split(theta)["W2"][0] @ inside + physics.split(theta)["b2"]
    (found,) = physics.compile().predict(theta, np.column_stack([x, t])).T
    form = physics.forms["u"]
    g, d = (lambdify(symbols("x t", real=True), part) for part in (form.values, form.multiplier))
    assert found == pytest.approx(g(x, t) + d(x, t) * plain, abs=1e-14)


def changed(**residuals: Any) -> dict[str, Any]:
    return {**WAVE, "residuals": {**WAVE["residuals"], **residuals}}


REFUSED: Mapping[str, tuple[dict[str, Any], str]] = {
    "two values": (
        changed(left={"equation": "u + u_x", "at": {"x": 0}, "hard": True}),
        "residuals.left.hard: expected an equation of one value, such as 'u = sin(pi*x)', found",
    ),
    "no place": (
        changed(left={"equation": "u", "hard": True}),
        "residuals.left.hard: expected values of one input in at, found none",
    ),
    "a square": (
        changed(left={"equation": "u**2 = 1", "at": {"x": 0}, "hard": True}),
        "residuals.left.hard: expected u on one side, times a number at most, found u**2 - 1",
    ),
    "another slope": (
        changed(left={"equation": "u_t = 1", "at": {"x": 0}, "hard": True}),
        "residuals.left.hard: expected u or its derivative by x, found u_t",
    ),
    "a slope alone": (
        changed(left={"equation": "u_x = 1", "at": {"x": 0}, "hard": True}),
        "residuals: found a derivative without those below it at 'x = 0'",
    ),
    "twice": (
        changed(left={"equation": "u = 1", "at": {"x": [0, 2]}, "hard": True}),
        "residuals: found the same twice at 'x = 2'",
    ),
    "another value in a corner": (
        changed(right={"equation": "u = t + 1", "at": {"x": 2}, "hard": True}),
        "residuals.start.hard: found u = 0 at t = 0, x = 2, where 'right' has u = 1; expected hard conditions that",
    ),
    "another slope in a corner": (
        changed(right={"equation": "u = t", "at": {"x": 2}, "hard": True}),
        "residuals.start.hard: found u_t = 0 at t = 0, x = 2, where 'right' has u_t = 1",
    ),
    "nothing soft": (
        {**WAVE, "residuals": {"left": {"equation": "u", "at": {"x": 0}, "hard": True}}},
        "residuals: expected at least one that is not hard",
    ),
    "points": ({**WAVE, "residuals": {"inside": {"equation": "u_t"}}}, "residuals.inside: missing field 'points'"),
    "a period": ({**WAVE, "periodic": "z"}, "periodic: unknown input 'z'"),
    "a feature": ({**WAVE, "features": ["x", "sin(y)"]}, "features[1]: column 5: 'y' is not a known name"),
    "features of a period": ({**WAVE, "features": ["x"], "periodic": "x"}, "features: found features beside periodic"),
    "a solution": ({**WAVE, "solution": {"u": "sin(y)"}}, "solution.u: column 5: 'y' is not a known name"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_built_in_is_refused_by_its_field(what: str) -> None:
    spec, message = REFUSED[what]
    with pytest.raises(symnn.SpecError, match=re.escape(f"spec: {message}")):
        load_physics(spec)


FORMS: Mapping[str, tuple[dict[str, Any], str]] = {
    "another unknown": ({"forms": {"v": ("0", "x")}}, "forms: unknown unknown 'v'"),
    "no pair": ({"forms": {"u": "x"}}, "forms.u: expected (g, d) of u = g + d·N, found 'x'"),
    "another name": ({"forms": {"u": ("0", "y")}}, "forms.u: column 1: 'y' is not a known name"),
    "a feature": ({"features": ["x", "y"]}, "features[1]: column 1: 'y' is not a known name"),
    "no features": ({"features": 3}, "features: expected a list of formulas, found 3"),
    "a period": ({"periods": {"x": 0}}, "periods.x: expected a number above 0, found 0"),
}


@pytest.mark.parametrize("what", FORMS)
def test_forms_from_python_are_checked(what: str) -> None:
    given, message = FORMS[what]
    with pytest.raises(symnn.SpecError, match=re.escape(message)):
        symnn.Physics("x", "u", [symnn.dense(1)], [symnn.Residual("a", "u_x")], **given)


def test_values_are_met_from_both_sides_and_the_multiplier_is_about_1() -> None:
    language = Language(("x",), ("u",))
    left = read_condition(language.parse("u = 3", ""), language, {"x": [-1.0]})[1]
    right = read_condition(language.parse("u = x", ""), language, {"x": [1.0]})[1]
    found = form([*left, *right], {"x": (-1.0, 1.0)})
    x = language.home[0]
    assert [found.values.subs(x, at) for at in (-1, 1)] == [3, 1]
    assert abs(found.multiplier.subs(x, 0)) == 1
