"""Residuals of differential equations: what they may say, that loss and gradient are right, that they solve."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
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
    Integer,
    Integral,
    Limit,
    Matrix,
    Piecewise,
    Rational,
    Symbol,
    diff,
    exp,
    pi,
    sin,
    symbols,
    zeta,
    zoo,
)

import symnn
from codegen import mixed_partials
from codegen.ir.operations import count_operations
from codegen.numeric import check_gradient, evaluate
from codegen.passes import optimise
from symnn.residuals import Language

pytestmark = pytest.mark.values

x, t = symbols("x t")
u, v = Function("u")(x, t), Function("v")(x, t)
a1, k, m, n = symbols("a1 k m n")
LAYERS = (symnn.dense(5, "tanh"), symnn.dense(4, "tanh"), symnn.dense(1))
FEW_LAYERS = (symnn.dense(6, "tanh"), symnn.dense(1))
"""Half the time to compile."""
BURGERS = Derivative(u, t) + u * Derivative(u, x) - Derivative(u, x, 2) / 100

# --- what is written ----------------------------------------------------------------------------------------------

SAME = {
    "Burgers": ("u_t + u*u_x - u_xx/100", BURGERS),
    "an equality": ("u_t + u*u_x - u_xx/100", Eq(Derivative(u, t) + u * Derivative(u, x), Derivative(u, x, 2) / 100)),
    "conservative form": ("u*u_x + u_t", Derivative(u**2 / 2, x) + Derivative(u, t)),
    "two sides in a text": ("u_t + u*u_x = u_xx/100", BURGERS),
    "two sides as Python compares them": ("u_t + u*u_x == u_xx/100", BURGERS),
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
    "an unknown name on the right": ("u_t = w", "residuals.interior.equation: column 7: 'w' is not a known name"),
    "no right side": ("u_t =", "the formula is empty"),
    "three sides": ("u = u_t = 0", "column 9: '= 0' cannot be read"),
    "an inequality": ("u_t <= 1", "cannot be read"),
    "too high an order": ("u_xxxxxxxxx", "'u_xxxxxxxxx' is not a known name"),
    "code": ("__import__('os')", "is not a known function"),
    "no unknown": ("sin(x) - t", "has none of the unknowns u"),
    "what SymPy makes 0": ("u_tx - u_xt", "'u_tx - u_xt', which is 0, has none of the unknowns u"),
    "an equation that holds": (Eq(u, u), "found an equation that is True whatever the unknowns are"),
    "a number beyond float64": (u + Integer(10) ** 400, "the number 1.00000e.400, which is beyond the range"),
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
    "a derivative of no certain order": (Derivative(u, (x, Symbol("n"))), "expected derivatives of an order that is a"),
    "a high derivative": (Derivative(u, x, 9), "expected derivatives of order 8 at most"),
    "no expression": (sin(x) < u, "expected an expression or an equality"),
    "nothing": (None, r"interior\.equation: expected an expression or an equality, found a NoneType"),
    "a matrix": (Matrix([u]), r"interior\.equation: expected an expression or an equality"),
    "a symbol instead of the function": (Symbol("u"), r"found the symbol u, expected the function u\(x, t\)"),
    "a derivative by something else": (u + Derivative(u, Symbol("y")), r"interior\.equation: .*unknown input 'y'"),
    "an integral without ends": (
        Integral(u, x),
        r"interior\.equation: found sympy's Integral, expected functions of u\(x, t",
    ),
    "a limit": (Limit(u, x, 0), r"interior\.equation: found sympy's Limit"),
    "what is not real": (u + I, r"interior\.equation: the equation contains the imaginary unit"),
    "what is not finite": (u * zoo, r"interior\.equation: the equation contains zoo"),
    "what has no translation": (zeta(u), r"interior\.equation: the equation contains sympy's zeta"),
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

OFTEN = ("the value alone", "a constant in the unknown", "several equations")
"""What every other test solves too."""


@pytest.mark.parametrize(
    ("case", "layers"),
    [
        *((case, FEW_LAYERS) for case in RESIDUALS if case not in OFTEN),
        *(pytest.param(case, FEW_LAYERS, marks=pytest.mark.slow) for case in OFTEN),
        *(pytest.param(case, LAYERS, marks=pytest.mark.slow) for case in RESIDUALS),
    ],
)
def test_loss_and_gradient_of_a_residual_are_right(case: str, layers: Sequence[symnn.Layer]) -> None:
    residual = symnn.Residual("interior", RESIDUALS[case], weight=0.5)
    physics = symnn.Physics((x, t), "u", layers, (residual,))
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
    return symnn.Physics((x, t), "u", FEW_LAYERS, residuals).compile(), points


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
        model.objective(points[:2])


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
    ("ab", "expected an array of real numbers, found 'ab'"),
]


@pytest.mark.parametrize(("points", "message"), POINTS, ids=lambda value: str(value)[:30])
def test_points_that_fit_no_residual_are_refused_by_its_name(points: Any, message: str) -> None:
    model = symnn.Physics("x t", "u", LAYERS, (symnn.Residual("inside", "u"),)).compile()
    with pytest.raises(symnn.DataError, match="the points of inside: .*" + re.escape(message)):
        model.objective(points)


def test_float32_takes_the_points_of_float64() -> None:
    physics = symnn.Physics("x t", "u", FEW_LAYERS, (symnn.Residual("inside", BURGERS),))
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


def test_scipy_may_keep_the_gradients_of_an_objective() -> None:
    equations = (symnn.Residual("inside", "u_t - u_xx"), symnn.Residual("start", "u", weight=np.float64(3)))
    physics = symnn.Physics((x, t), "u", FEW_LAYERS, equations)
    points = symnn.sample([(0, 1), (0, 1)], 20), symnn.sample([(0, 1), [0.0]], 5)
    fun, start = physics.compile().objective(*points), physics.initial_parameters(seed=0)
    first, second = fun(start)[1], fun(start + 0.1)[1]
    assert not np.shares_memory(first, second)
    found = minimize(fun, start, jac=True, method="BFGS", options={"maxiter": 50})
    assert found.fun < 1e-4 * fun(start)[0]


@pytest.mark.parametrize("theta", [0.5, np.ones(1), np.ones((2, 2)), np.ones(2, complex), ["a"]])
def test_theta_that_does_not_fit_is_refused(theta: Any) -> None:
    physics = symnn.Physics((x, t), "u", FEW_LAYERS, symnn.Residual("inside", "u_t - u_xx"))
    model, points = physics.compile(), np.zeros((3, 2))
    for call in (model.objective(points), lambda given: model.value_and_grad(given, points)):
        with pytest.raises(symnn.DataError, match="theta: expected a vector of"):
            call(theta)


@pytest.mark.parametrize("name", ["residual", "gradient", "output", "W1"])
def test_a_coefficient_has_a_name_of_its_own(name: str) -> None:
    with pytest.raises(symnn.SpecError, match=f"coefficients: '{name}' .*expected another name"):
        symnn.Physics((x, t), "u", LAYERS, symnn.Residual("inside", f"u_t - {name}*u_xx"), coefficients={name: 1.0})
