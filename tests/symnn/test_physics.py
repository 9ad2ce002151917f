"""Residuals of differential equations: what they may say, that loss and gradient are right, that they solve."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from sympy import (
    Abs,
    Derivative,
    Eq,
    Function,
    Heaviside,
    I,
    Integral,
    Limit,
    Matrix,
    Piecewise,
    Rational,
    Symbol,
    diff,
    exp,
    floor,
    pi,
    sin,
    symbols,
    zoo,
)

import symnn
from codegen import mixed_partials
from codegen.numeric import check_gradient, evaluate
from codegen.operations import count_operations
from codegen.passes import optimise
from symnn.physics_spec import load_physics
from symnn.residuals import Language
from symnn.solving import solve_spec

x, t = symbols("x t")
u, v = Function("u")(x, t), Function("v")(x, t)
a1, k, m, n = symbols("a1 k m n")
LAYERS = (symnn.dense(5, "tanh"), symnn.dense(4, "tanh"), symnn.dense(1))
BURGERS = Derivative(u, t) + u * Derivative(u, x) - Derivative(u, x, 2) / 100

# --- what is written ----------------------------------------------------------------------------------------------

SAME = {
    "Burgers": ("u_t + u*u_x - u_xx/100", BURGERS),
    "an equality": ("u_t + u*u_x - u_xx/100", Eq(Derivative(u, t) + u * Derivative(u, x), Derivative(u, x, 2) / 100)),
    "conservative form": ("u*u_x + u_t", Derivative(u**2 / 2, x) + Derivative(u, t)),
    "inputs and constants": ("u + sin(pi*x)*exp(-t)", u + sin(pi * x) * exp(-t)),
    "the order of a mixed derivative": ("u_xt - u_tx + v_xtxt", Derivative(v, x, t, x, t)),
    "two unknowns": ("u*v_x + v*u_x", diff(u * v, x)),
    "functions of functions": ("cos(u)*u_x", diff(sin(u), x)),
    "a periodic boundary": ("u(-1, t) - u(1, t)", Eq(Function("u")(-1, t), Function("u")(1, t))),
    "another place": ("u(x + 1, t/2) - u", Function("u")(x + 1, t / 2) - u),
    "a derivative at one place": (
        "u_x(0, t) - v_xt(0, 1)",
        (Derivative(u, x) - Derivative(v, x, t).subs(t, 1)).subs(x, 0),
    ),
    "the derivative of a value elsewhere": ("x*u_x(t*x, t) + u_t(t*x, t)", u.subs(x, x * t).diff(t)),
    "on a diagonal": ("u_t(x, x) + u_x(x, x)", Function("u")(x, x).diff(x)),
}


@pytest.mark.parametrize("case", SAME)
def test_text_and_sympy_say_the_same(case: str) -> None:
    text, expression = SAME[case]
    language = Language(("x", "t"), ("u", "v"))
    assert language.read(expression, "here") == language.parse(text, "here")


def test_inputs_of_several_letters_are_set_apart() -> None:
    language = Language(("x", "time"), ("u",))
    assert str(language.parse("u_time + u_time_x - u_xx", "here")) == "u_time + u_x_time - u_xx"
    assert language.derivatives["u_time_x"] == ("u", ("x", "time"))


REFUSED: dict[str, tuple[Any, str]] = {
    "an unknown name": ("u_t + w", "residuals.interior.equation: column 7: 'w' is not a known name"),
    "too high an order": ("u_xxxxx", "'u_xxxxx' is not a known name"),
    "code": ("__import__('os')", "is not a known function"),
    "no unknown": ("sin(x) - t", "has none of the unknowns u"),
    "an unknown function": (Function("w")(x, t), "unknown function 'w'"),
    "too few inputs": (Function("u")(x), r"found u\(x\), expected u\(x, t\), or numbers in place of the inputs"),
    "too few inputs in a text": ("u(1)", r"column 1: 'u\(1\)' has 1 argument; expected 2 arguments"),
    "inputs in another order": (Function("u")(t, x), r"found u\(t, x\), expected the inputs in their order, x, t"),
    "inputs in another order in a text": ("u(t, x)", r"found u\(t, x\), expected the inputs in their order, x, t"),
    "a place that is unknown": ("u(u, t)", r"found u\(u, t\), expected a place that depends on x, t alone"),
    "a place that is a derivative": (Function("u")(u, t).diff(x), r"expected a place that depends on x, t alone"),
    "a place that is not real": (Function("u")(I, t), "the equation contains the imaginary unit"),
    "a place by another name": (Function("u")(Symbol("y"), t), "unknown symbol 'y'"),
    "a symbol": (u - Symbol("nu"), "unknown symbol 'nu'"),
    "a high derivative": (Derivative(u, x, 5), "expected derivatives of order 4 at most"),
    "no expression": (sin(x) < u, "expected an expression or an equality"),
    "nothing": (None, r"interior\.equation: expected an expression or an equality, found a NoneType"),
    "a matrix": (Matrix([u]), r"interior\.equation: expected an expression or an equality"),
    "a symbol instead of the function": (Symbol("u"), r"found the symbol u, expected the function u\(x, t\)"),
    "a derivative by something else": (u + Derivative(u, Symbol("y")), r"interior\.equation: .*unknown input 'y'"),
    "an integral": (
        Integral(u, (x, 0, 1)),
        r"interior\.equation: found sympy's Integral, expected functions of u\(x, t",
    ),
    "a limit": (Limit(u, x, 0), r"interior\.equation: found sympy's Limit"),
    "what is not real": (u + I, r"interior\.equation: the equation contains the imaginary unit"),
    "what is not finite": (u * zoo, r"interior\.equation: the equation contains zoo"),
    "what has no translation": (floor(u), r"interior\.equation: the equation contains sympy's floor"),
    "the second of two": ((u, u + I), r"interior\.equation\[1\]: the equation contains the imaginary unit"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_refused_by_name(case: str) -> None:
    equation, message = REFUSED[case]
    with pytest.raises(symnn.SpecError, match=message):
        symnn.Physics((x, t), "u", LAYERS, (symnn.Residual("interior", equation),))


BAD_NAMES = [
    ("x x", "u", "'x' has two meanings"),
    ("x t", "x", "'x' has two meanings"),
    ("x t", "exp", "has a meaning in formulas"),
    ("x t", "u_x", "expected letters and digits that begin with a letter"),
    ("x xx", "u", "'u_xx' has two meanings"),
    ("", "u", "expected at least one name"),
]


@pytest.mark.parametrize(("inputs", "unknowns", "message"), BAD_NAMES)
def test_names_that_clash_are_refused(inputs: str, unknowns: str, message: str) -> None:
    with pytest.raises(symnn.SpecError, match=message):
        Language(tuple(inputs.split()), tuple(unknowns.split()))


def test_one_output_an_unknown_and_one_name_a_residual() -> None:
    with pytest.raises(symnn.SpecError, match="found 1 outputs for the unknowns u, v"):
        symnn.Physics("x t", "u v", LAYERS, (symnn.Residual("interior", "u_t - v"),))
    with pytest.raises(symnn.SpecError, match="each with a name of its own, found a, a"):
        symnn.Physics("x t", "u", LAYERS, (symnn.Residual("a", "u"), symnn.Residual("a", "u_t")))


# --- the graph ----------------------------------------------------------------------------------------------------


def test_burgers_takes_the_work_of_taylor_mode() -> None:
    """Four products a layer forward, two for each of them backward; what they need in between is next to nothing."""
    hidden, units = 20 * 20 + 20 * 20 + 20, 60
    layers = (*(symnn.dense(20, "tanh") for _ in range(3)), symnn.dense(1))
    physics = symnn.Physics("x t", "u", layers, (symnn.Residual("interior", BURGERS),))
    graph, _ = optimise(physics.gradient_graph(physics.residuals[0]))
    found = count_operations(graph, 2) - count_operations(graph, 1)  # of one more sample
    assert found["tanh"] == units
    assert 3 * 4 * hidden <= found["multiply"] <= 3 * 4 * hidden + 30 * units
    assert found["add"] <= 3 * 4 * hidden + 15 * units


RESIDUALS: dict[str, Any] = {
    "Burgers": BURGERS,
    "the value alone": u + sin(pi * x),
    "a constant in the unknown": "u_t - u_xx",
    "a third order": "u_t + 6*u*u_x + u_xxx",
    "several equations": ("u_t - u_xx", "u_x*cos(t)"),
    "what is not linear": "exp(-u)*u_xt**2 - sigmoid(u_x)",
    "other places": "u(x + 1, abs(t))*u_x(-1, t) - u_xx*u(t, t) + u(0, 0)",
    "one place alone": ("u(0, 0) - 1", "u_x(0, 0)"),
    "pieces": Piecewise((Derivative(u, x), x > Rational(1, 5)), (u**2, True)) + Abs(u) + Heaviside(x - 2),
}


@pytest.mark.parametrize("case", RESIDUALS)
def test_loss_and_gradient_of_a_residual_are_right(case: str) -> None:
    residual = symnn.Residual("interior", RESIDUALS[case], weight=0.5)
    physics = symnn.Physics((x, t), "u", LAYERS, (residual,))
    generator = np.random.default_rng(0)
    theta = physics.initial_parameters() + 0.1 * generator.normal(size=physics.network.parameter_count)
    points = symnn.sample([(-1.0, 1.0), (0.0, 1.0)], 7)
    loss, gradient = physics.compile().value_and_grad(theta, points)
    values = {**physics.network.split(theta), "x": points}
    graph = physics.graph(residual)
    assert loss == pytest.approx(float(evaluate(graph, values)["loss"]), rel=1e-12)
    named = physics.network.split(gradient)
    check_gradient(graph, "loss", values, list(named), gradient=named, methods=("central", "complex")).raise_if_failed()


def test_the_loss_is_the_mean_of_what_the_equation_leaves_over() -> None:
    """A network without hidden layers is u = a·x + b·t + c, for which Burgers leaves b + (a·x + b·t + c)·a."""
    physics = symnn.Physics((x, t), "u", (symnn.dense(1),), (symnn.Residual("interior", BURGERS, weight=3),))
    a, b, c = theta = np.array([0.5, -2.0, 0.25])
    points = symnn.sample([(-1.0, 1.0), (0.0, 1.0)], 20)
    left = b + (points @ theta[:2] + c) * a
    with pytest.warns(UserWarning, match=r"u_xx is 0 for every network with these activations \(none\)"):
        losses = physics.compile().losses(theta, points)
    assert losses["interior"] == pytest.approx(3 * np.mean(left**2), rel=1e-14)


def test_two_unknowns_are_two_outputs() -> None:
    layers = (symnn.dense(2),)
    physics = symnn.Physics("x t", "u v", layers, (symnn.Residual("coupled", ("u_x - v_t", "v + 1")),))
    theta = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])  # u = x + 2t + 5, v = 3x + 4t + 6
    points = np.array([[0.5, 1.0]])
    assert physics.compile().losses(theta, points)["coupled"] == pytest.approx((1 - 4) ** 2 + (1.5 + 4 + 6 + 1) ** 2)


# --- several point sets -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def heat() -> tuple[symnn.PhysicsModel, list[np.ndarray]]:
    residuals = (
        symnn.Residual("interior", "u_t - u_xx/10"),
        symnn.Residual("initial", Eq(u, sin(pi * x)), weight=10),
        symnn.Residual("ends", u),
    )
    points = [
        symnn.sample([(0.0, 1.0), (0.0, 1.0)], 100),
        symnn.sample([(0.0, 1.0), [0.0]], 30),
        symnn.sample([[0.0, 1.0], (0.0, 1.0)], 31),
    ]
    return symnn.Physics((x, t), "u", LAYERS, residuals).compile(), points


def test_the_loss_and_its_gradient_are_the_sums_of_the_parts(heat: tuple[symnn.PhysicsModel, list[np.ndarray]]) -> None:
    model, points = heat
    theta = model.physics.initial_parameters()
    loss, gradient = model.value_and_grad(theta, *points)
    parts = [part(theta, where) for part, where in zip(model.parts.values(), points)]
    assert loss == sum(value for value, _ in parts) == sum(model.losses(theta, *points).values())
    np.testing.assert_allclose(gradient, sum(slope for _, slope in parts), rtol=1e-14, atol=1e-16)
    fun = model.objective(*points)
    bound_loss, bound_gradient = fun(theta)
    assert bound_loss == loss
    np.testing.assert_array_equal(bound_gradient, gradient)


def test_each_residual_has_its_points(heat: tuple[symnn.PhysicsModel, list[np.ndarray]]) -> None:
    model, points = heat
    with pytest.raises(TypeError, match=re.escape("expected 3 arrays of points (interior, initial, ends), found 2")):
        model.objective(*points[:2])


def test_scipy_minimises_it(heat: tuple[symnn.PhysicsModel, list[np.ndarray]]) -> None:
    model, points = heat
    theta = model.physics.initial_parameters()
    fun = model.objective(*points)
    found = minimize(fun, theta, jac=True, method="L-BFGS-B", options={"maxiter": 300})
    ours = symnn.solve(fun, theta, iterations=300)
    assert found.fun < 0.01 * fun(theta)[0]
    assert ours.loss < 0.01 * fun(theta)[0]
    assert ours.iterations <= 300


def test_adam_comes_first_and_time_ends_it(heat: tuple[symnn.PhysicsModel, list[np.ndarray]]) -> None:
    model, points = heat
    theta = model.physics.initial_parameters()
    fun = model.objective(*points)
    warmed = symnn.solve(fun, theta, adam=50, learning_rate=1e-2, iterations=0)
    assert warmed.loss < fun(theta)[0]
    stopped = symnn.solve(fun, theta, iterations=10_000, seconds=1e-6)
    assert stopped.stopped == "out of time"
    assert stopped.iterations <= 2


def test_a_loss_that_is_not_finite_is_refused() -> None:
    physics = symnn.Physics("x", "u", (symnn.dense(1),), (symnn.Residual("interior", "u_x - 1/x"),))
    fun = physics.compile().objective(np.zeros((3, 1)))
    with pytest.raises(symnn.DataError, match="not finite"):
        symnn.solve(fun, physics.initial_parameters())


def test_samples_fill_every_range_evenly() -> None:
    points = symnn.sample([(-1.0, 1.0), [0.0, 5.0], (2.0, 4.0)], 50, seed=3)
    for column, (low, high) in ((0, (-1, 1)), (2, (2, 4))):
        pieces = np.floor((points[:, column] - low) / (high - low) * 50)
        assert sorted(pieces) == list(range(50))
    assert points[:, 1].tolist() == [0.0, 5.0] * 25
    np.testing.assert_array_equal(points, symnn.sample([(-1.0, 1.0), [0.0, 5.0], (2.0, 4.0)], 50, seed=3))


# --- specs --------------------------------------------------------------------------------------------------------


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
    written = symnn.Physics((x, t), "u", layers, (residual,))
    points = symnn.sample([(-1.0, 1.0), (0.0, 1.0)], 10)
    theta = physics.initial_parameters()
    assert physics.compile().parts["interior"](theta, points)[0] == pytest.approx(
        written.compile().value_and_grad(theta, points)[0], rel=1e-14
    )


INSIDE = {"equation": "u_xx", "points": 9}
WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a range": ({"inputs": {"x": [1, 0]}}, r"inputs\.x: expected a range \[lowest, highest\], found \[1, 0\]"),
    "no inputs": ({"inputs": {}}, "inputs: expected 1 to 4 of them, found 0"),
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


def test_derivatives_share_one_sweep() -> None:
    """u, u_x and u_xx of three layers: one tanh a unit, whatever the number of equations that use them."""
    one = symnn.Physics("x t", "u", LAYERS, (symnn.Residual("a", ("u_t - u_xx", "u_x*u_xx", "u_t*u")),))
    found = count_operations(optimise(one.graph(one.residuals[0]))[0], 1)
    alone = mixed_partials(one.network.forward_graph, "output", ["t", "x", "xx"], {"x": ("x", 0), "t": ("x", 1)})
    assert found["tanh"] == 9
    assert found["multiply"] <= count_operations(optimise(alone)[0], 1)["multiply"] + 10


@pytest.mark.parametrize("weight", [-1, 0, float("nan"), float("inf"), "1", True, None, 10**400])
def test_a_weight_is_a_positive_number(weight: object) -> None:
    with pytest.raises(symnn.SpecError, match="the residual 'r': weight: found"):
        symnn.Residual("r", "u", weight=weight)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\x1b[31m", "a\u202eb", "a" * 61, 3, None])
def test_a_name_fits_on_a_line_of_a_report(name: object) -> None:
    with pytest.raises(symnn.SpecError, match="residual: expected a name of 1 to 60 printable characters, found "):
        symnn.Residual(name, "u")  # type: ignore[arg-type]


VANISHING: list[tuple[str | None, str, str | None]] = [
    ("relu", "u_t - u_xx", "u_xx is 0 for every network with these activations (relu)"),
    ("hard_tanh", "u_tt - u_xx", "u_xx, u_tt are 0 for every network with these activations (hard_tanh)"),
    (None, "u_xt + u", "u_xt is 0 for every network with these activations (none)"),
    ("relu", "u_x + u", None),
    ("tanh", "u_xxxx", None),
    ("elu", "u_xx", None),
]


@pytest.mark.parametrize(("activation", "equation", "message"), VANISHING)
def test_a_derivative_that_vanishes_is_warned_of_by_name(
    activation: str | None, equation: str, message: str | None
) -> None:
    layers = (symnn.dense(4, activation), symnn.dense(1))
    physics = symnn.Physics("x t", "u", layers, (symnn.Residual("inside", equation),))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        physics.graph(physics.residuals[0])
    if message is None:
        assert not caught
    else:
        (warning,) = caught
        assert str(warning.message).startswith(f"residuals.inside: {message}")


@pytest.mark.filterwarnings("ignore:residuals.inside. u_xx is 0")
def test_a_residual_without_parameters_has_the_gradient_zero() -> None:
    physics = symnn.Physics("x", "u", (symnn.dense(3, "relu"), symnn.dense(1)), (symnn.Residual("inside", "u_xx + 1"),))
    loss, gradient = physics.compile().value_and_grad(physics.initial_parameters(), np.ones((2, 1)))
    assert loss == 1
    assert not gradient.any()


WRITTEN: dict[str, dict[str, Any]] = {
    "a name with commas": {"inputs": "x, t"},
    "symbols": {"inputs": symbols("x t")},
    "a function": {"unknowns": Function("u")},
    "a function of the inputs": {"unknowns": [u]},
    "a residual alone": {"residuals": symnn.Residual("inside", ["u_t - u_x"])},
}


@pytest.mark.parametrize("case", WRITTEN)
def test_names_may_be_written_in_several_ways(case: str) -> None:
    plain: dict[str, Any] = {
        "inputs": "x t",
        "unknowns": "u",
        "layers": [symnn.dense(1)],
        "residuals": [symnn.Residual("inside", "u_t - u_x")],
    }
    expected, found = symnn.Physics(**plain), symnn.Physics(**plain | WRITTEN[case])
    assert (found.inputs, found.unknowns) == (("x", "t"), ("u",))
    assert str(found.graph(found.residuals[0])) == str(expected.graph(expected.residuals[0]))


OBJECTS: dict[str, tuple[dict[str, Any], str]] = {
    "residuals by name": ({"residuals": {"inside": "u"}}, "residuals: expected Residual objects, found 'inside'"),
    "no residuals": ({"residuals": ()}, "residuals: expected at least one, each with a name of its own, found none"),
    "layers": ({"layers": (8, 1)}, r"layers\[0\]: expected a layer, such as dense\(8, 'tanh'\), found 8"),
    "inputs": ({"inputs": 3}, "inputs: expected letters and digits that begin with a letter, found '3'"),
}


@pytest.mark.parametrize("case", OBJECTS)
def test_an_argument_of_another_kind_is_refused_by_name(case: str) -> None:
    changes, message = OBJECTS[case]
    plain = {"inputs": "x t", "unknowns": "u", "layers": LAYERS, "residuals": symnn.Residual("inside", "u")}
    with pytest.raises(symnn.SpecError, match=message):
        symnn.Physics(**plain | changes)


def test_a_residual_has_an_equation() -> None:
    with pytest.raises(symnn.SpecError, match="the residual 'r': equations: expected at least one, found none"):
        symnn.Residual("r", ())


POINTS: list[tuple[object, str]] = [
    (np.zeros((3, 3)), "expected an array (points, 2), a column for each of x, t, found one of shape (3, 3)"),
    (np.zeros(2), "found one of shape (2,)"),
    (np.zeros((0, 2)), "found one of shape (0, 2)"),
    ([[0.0, float("nan")]], "row 0: expected finite numbers, found "),
    ("ab", "expected an array of numbers, found 'ab'"),
]


@pytest.mark.parametrize(("points", "message"), POINTS, ids=lambda value: str(value)[:30])
def test_points_that_fit_no_residual_are_refused_by_its_name(points: Any, message: str) -> None:
    model = symnn.Physics("x t", "u", LAYERS, (symnn.Residual("inside", "u"),)).compile()
    with pytest.raises(symnn.DataError, match="the points of inside: .*" + re.escape(message)):
        model.objective(points)


def test_float32_takes_the_points_of_float64() -> None:
    physics = symnn.Physics("x t", "u", LAYERS, (symnn.Residual("inside", BURGERS),))
    theta, points = physics.initial_parameters(), symnn.sample([(-1.0, 1.0), (0.0, 1.0)], 20)
    loss, gradient = physics.compile().value_and_grad(theta, points)
    narrow = physics.compile("float32")
    narrow_loss, narrow_gradient = narrow.value_and_grad(theta, points)
    assert narrow_gradient.dtype == np.float32
    assert narrow_loss == pytest.approx(loss, rel=1e-4)
    np.testing.assert_allclose(narrow_gradient, gradient, atol=5e-4)
    fun = narrow.objective(points)
    assert fun(theta)[0] == narrow_loss
    assert symnn.solve(fun, theta, iterations=20).loss < narrow_loss


# --- coefficients and data ----------------------------------------------------------------------------------------


def decay(rate: float = 1.0) -> symnn.Physics:
    residuals = (symnn.Residual("decay", "u_t + k*u"), symnn.Residual("measured", "u - m", data="m", weight=10))
    return symnn.Physics("t", "u", (symnn.dense(8, "tanh"), symnn.dense(1)), residuals, {"k": rate})


def test_a_coefficient_is_found_from_measurements() -> None:
    physics, times = decay(), np.linspace(0, 2, 20)[:, None]
    model = physics.compile()
    fun = model.objective(symnn.sample([(0.0, 2.0)], 50), np.hstack([times, np.exp(-1.7 * times)]))
    found = symnn.solve(fun, physics.initial_parameters(), iterations=500)
    assert physics.split(found.theta)["k"] == pytest.approx(1.7, abs=1e-3)
    np.testing.assert_allclose(model.predict(found.theta, times), np.exp(-1.7 * times), atol=1e-3)


def test_the_gradient_by_a_coefficient_is_right() -> None:
    """A coefficient may have the name of a vertex."""
    equations = (k * u * Derivative(u, x) - a1 * Derivative(u, x, 2) + a1**2, Derivative(u, t) - m * k - n)
    residual = symnn.Residual("interior", equations, data=(m, n))
    physics = symnn.Physics((x, t), "u", LAYERS, (residual,), {k: 0.3, a1: -2})
    theta = physics.initial_parameters() + 0.1
    points = np.random.default_rng(0).normal(size=(7, 4))
    loss, gradient = physics.compile().value_and_grad(theta, points)
    assert physics.split(theta)["a1"] == -1.9
    values = {**named(physics, theta), "x": points[:, :2], "data": points[:, 2:]}
    graph, slopes = physics.graph(residual), named(physics, gradient)
    assert loss == pytest.approx(float(evaluate(graph, values)["loss"]), rel=1e-12)
    report = check_gradient(graph, "loss", values, list(slopes), gradient=slopes, methods=("central", "complex"))
    report.raise_if_failed()


def named(physics: symnn.Physics, theta: np.ndarray) -> dict[str, np.ndarray]:
    """The parameters by the names of the graph's inputs."""
    return dict(zip(physics.parameters, physics.split(theta).values()))


def test_equations_of_one_residual_may_share_what_they_compute() -> None:
    shared = "sin(u*u_x + x*t)*exp(sin(u*u_x + x*t)) + sin(u*u_x + x*t)"
    both = symnn.Residual("both", (shared, f"{shared} - u_t"))
    physics = symnn.Physics(
        "x t", "u", LAYERS, (both, symnn.Residual("one", shared), symnn.Residual("two", f"{shared} - u_t"))
    )
    points = symnn.sample([(0.0, 1.0), (0.0, 1.0)], 5)
    losses = physics.compile().losses(physics.initial_parameters(), points, points, points)
    assert losses["both"] == pytest.approx(losses["one"] + losses["two"], rel=1e-13)


WRONG_NUMBERS: dict[str, tuple[dict[str, Any], str]] = {
    "no mapping": ({"coefficients": 3}, "coefficients: expected a mapping of names to numbers, found 3"),
    "not finite": ({"coefficients": {"k": float("nan")}}, "coefficients: expected a finite number, found nan"),
    "no number": ({"coefficients": {"k": "1"}}, "coefficients: expected a finite number, found '1'"),
    "no name": ({"coefficients": {"k l": 1}}, "numbers: expected letters and digits that begin with a letter"),
    "an input": ({"coefficients": {"x": 1}}, "'x' has two meanings"),
    "a weight": ({"coefficients": {"W1": 1}}, "coefficients: 'W1' is a parameter of the network"),
    "data and coefficient": (
        {"coefficients": {"k": 1}, "residuals": symnn.Residual("a", "u - k", data="k")}, "'k' has two meanings",
    ),
    "data of another": (
        {"residuals": (symnn.Residual("a", "u - m", data="m"), symnn.Residual("b", "u_t - m"))},
        r"residuals\.b\.equation: column 7: 'm' is not a known name",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG_NUMBERS)
def test_coefficients_and_data_that_make_no_sense_are_refused(case: str) -> None:
    changes, message = WRONG_NUMBERS[case]
    plain = {"inputs": "x t", "unknowns": "u", "layers": LAYERS, "residuals": symnn.Residual("inside", "u")}
    with pytest.raises(symnn.SpecError, match=message):
        symnn.Physics(**plain | changes)


def test_points_with_data_have_a_column_more() -> None:
    model = decay().compile()
    expected = (
        "the points of measured: expected an array (points, 2), a column for each of t, m, found one of shape (3, 1)"
    )
    with pytest.raises(symnn.DataError, match=re.escape(expected)):
        model.objective(np.zeros((3, 1)), np.zeros((3, 1)))


def test_a_value_elsewhere_is_the_value_there() -> None:
    """u = a·x + b·t + c without hidden layers."""
    equations = ("u(x + 1, 2*t)", "u_t(0, 0)*u(x, x)")
    physics = symnn.Physics("x t", "u", (symnn.dense(1),), (symnn.Residual("there", equations),))
    a, b, c = theta = np.array([0.5, -2.0, 0.25])
    points = symnn.sample([(-1.0, 1.0), (0.0, 1.0)], 20)
    x, t = points.T
    left = (a * (x + 1) + b * 2 * t + c) ** 2 + (b * (a * x + b * x + c)) ** 2
    assert physics.compile().losses(theta, points)["there"] == pytest.approx(np.mean(left), rel=1e-14)


def test_a_place_may_depend_on_a_coefficient() -> None:
    physics = symnn.Physics("x", "u", (symnn.dense(1),), (symnn.Residual("root", "u(c)"),), {"c": 3.0})
    loss, gradient = physics.compile().value_and_grad(np.array([2.0, 1.0, 3.0]), np.zeros((1, 1)))
    assert loss == 7**2  # (a·c + b)²
    assert gradient.tolist() == [2 * 7 * 3, 2 * 7, 2 * 7 * 2]


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
