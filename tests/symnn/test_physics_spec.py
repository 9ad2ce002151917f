"""Specs of differential equations: what is read and solved, and what is refused by its field."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sympy import Derivative, Function, pi, sin, symbols

import symnn
from codegen.numeric import evaluate
from symnn.physics_spec import load_physics
from symnn.solving import solve_spec

pytestmark = pytest.mark.values

x, t = symbols("x t")
u = Function("u")(x, t)


def spec(**changes: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "inputs": {"x": [0, 1]},
        "unknowns": "u",
        "layers": [{"dense": 8, "activation": "tanh"}, {"dense": 1}],
        "residuals": {
            "inside": {"equation": "u_xx + pi**2*sin(pi*x)", "points": 40},
            "ends": {"equation": "u", "at": {"x": [0, 1]}, "points": 2, "weight": 10},
        },
        "solver": {"iterations": 500},
    }
    return plain | changes


def test_a_spec_solves_poisson() -> None:
    physics = symnn.Physics.from_spec(spec())
    found, losses = solve_spec(physics)
    assert list(losses) == ["inside", "ends"]
    assert sum(losses.values()) == pytest.approx(found.loss)
    grid = np.linspace(0, 1, 50)[:, None].copy()
    assert np.abs(physics.compile().predict(found.theta, grid) - np.sin(np.pi * grid)).max() < 0.01


def test_the_example_and_python_write_the_same_graph() -> None:
    physics = symnn.Physics.from_spec(Path(__file__).parents[2] / "examples" / "burgers.yaml")
    nu = symnn.activations.exact(0.01) / pi
    layers = (*(symnn.dense(20, "tanh") for _ in range(3)), symnn.dense(1))
    residual = symnn.Residual("interior", Derivative(u, t) + u * Derivative(u, x) - nu * Derivative(u, x, 2))
    written = symnn.Physics((x, t), "u", layers, (residual,), forms={"u": (-sin(pi * x), t * (1 - x**2))})
    (interior,) = (one for one in physics.residuals if one.name == "interior")
    points, weights = symnn.sample([(-1.0, 1.0), (0.0, 1.0)], 10), physics.split(physics.initial_parameters())
    both = (evaluate(one, {**weights, "x": points}) for one in (physics.graph(interior), written.graph(residual)))
    assert next(both)["loss"] == pytest.approx(next(both)["loss"], rel=1e-14)


INSIDE = {"equation": "u_xx", "points": 9}
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a range": ({"inputs": {"x": [1, 0]}}, r"inputs\.x: expected a range \[lowest, highest\], found \[1, 0\]"),
    "no inputs": ({"inputs": {}}, "inputs: expected 1 to 32 of them, found 0"),
    "a clash": ({"unknowns": ["x"]}, "unknowns: 'x' has two meanings"),
    "a width": ({"unknowns": ["u", "v"]}, "layers: expected 2 units last, one an unknown, found 1"),
    "a formula": (
        {"residuals": {"inside": {"equation": "u_yy", "points": 9}}},
        r"residuals\.inside\.equation: column 1: 'u_yy' is not a known name",
    ),
    "code": (
        {"residuals": {"inside": {"equation": "u.__class__", "points": 9}}},
        r"residuals\.inside\.equation: column 1: 'u.__class__' reads an attribute",
    ),
    "a place": (
        {"residuals": {"inside": {**INSIDE, "at": {"y": 0}}}},
        r"residuals\.inside\.at: unknown input 'y'",
    ),
    "a value": (
        {"residuals": {"inside": {**INSIDE, "at": {"x": "left"}}}},
        r"residuals\.inside\.at\.x: expected a number or a list of numbers, found 'left'",
    ),
    "a field": (
        {"residuals": {"inside": {**INSIDE, "wieght": 2}}},
        r"residuals\.inside: unknown field 'wieght'; did you mean 'weight'\?",
    ),
    "a value outside": (
        {"residuals": {"inside": {**INSIDE, "at": {"x": [0, 1.5]}}}},
        r"residuals\.inside\.at\.x: expected values from 0 to 1, the range of x, found 1\.5",
    ),
    "more values than points": (
        {"residuals": {"inside": {"equation": "u_xx", "points": 2, "at": {"x": [0, 0.5, 1]}}}},
        r"residuals\.inside\.at\.x: expected at most 2 values, one a point, found 3",
    ),
    "a name that breaks the line": (
        {"residuals": {"in\nside": INSIDE}},
        r"residuals: expected a name of 1 to 60 printable characters, found 'in\\nside'",
    ),
    "a blank name": ({"residuals": {" ": INSIDE}}, "residuals: expected a name of 1 to 60 printable characters"),
    "no equation": ({"residuals": {"inside": {"points": 9}}}, r"residuals\.inside: missing field 'equation'"),
    "negative iterations": ({"solver": {"iterations": -1}}, r"solver\.iterations: expected a number of at least 0"),
    "a method without a list": (
        {"solver": "levenberg_marquardt"},
        r"solver: expected a list of methods, such as solver: \[{levenberg_marquardt: 300}\], found",
    ),
    "a method as a setting": (
        {"solver": {"ssbroyden": 9}},
        r"such as solver: \[{ssbroyden: 300}\], found {'ssbroyden': 9}",
    ),
    "no memory": ({"solver": {"memory": 0}}, r"solver\.memory: expected a number of at least 1, found 0"),
    "points": ({"residuals": {"inside": {"equation": "u_xx"}}}, r"residuals\.inside: missing field 'points'"),
    "no points": ({"residuals": {"inside": {**INSIDE, "points": 0}}}, r"residuals\.inside\.points: expected .*least 1"),
    "a setting": ({"solver": {"iteration": 9}}, "solver: unknown field 'iteration'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_spec_is_one_line_that_names_the_field(case: str) -> None:
    changes, message = WRONG[case]
    with pytest.raises(symnn.SpecError, match=message) as caught:
        load_physics(spec(**changes))
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_waves_run_round() -> None:
    plain = spec(
        inputs={"x": [-1, 1], "t": [0, 0.5]},
        layers=[{"dense": 16, "activation": "tanh"}, {"dense": 16, "activation": "tanh"}, {"dense": 1}],
        residuals={
            "inside": {"equation": "u_t + u_x", "points": 200},
            "beginning": {"equation": "u - sin(pi*x)", "at": {"t": 0}, "points": 50},
            "round": {"equation": ["u(-1, t) - u(1, t)", "u_x(-1, t) - u_x(1, t)"], "points": 30},
        },
        solver={"iterations": 1500},
    )
    physics = symnn.Physics.from_spec(plain)
    found, _ = solve_spec(physics)
    points = symnn.sample([(-1.0, 1.0), (0.0, 0.5)], 100)
    exact = np.sin(np.pi * (points[:, 0] - points[:, 1]))
    assert np.abs(physics.compile().predict(found.theta, points)[:, 0] - exact).max() < 0.02


def test_points_of_a_boundary_are_at_each_end_of_each_input() -> None:
    spec = load_physics({
        "inputs": {"x": [0, 1], "t": [2, 3], "y": [4, 5]}, "unknowns": "u", "layers": [{"dense": 1}],
        "residuals": {"faces": {"equation": "u", "boundary": ["x", "y"], "points": 22, "sampling": "sobol"}},
    })  # fmt: skip
    points = spec.points("faces", 22, 0)
    assert points.shape == (22, 3)
    counts = [int((points[:, column] == end).sum()) for column, end in ((0, 0), (0, 1), (2, 4), (2, 5))]
    assert sorted(counts) == [5, 5, 6, 6]
    assert ((points[:, 1] > 2) & (points[:, 1] < 3)).all()
