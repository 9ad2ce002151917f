"""Coefficients to be found, data at the points, and values of the unknowns at other places."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from sympy import Derivative, Eq, Function, Integral, Rational, exp, symbols, tanh

import symnn
from codegen.numeric import check_gradient, evaluate
from symnn.residuals import Language

pytestmark = pytest.mark.values

x, t = symbols("x t")
u = Function("u")(x, t)
a1, k, m, n = symbols("a1 k m n")
LAYERS = (symnn.dense(5, "tanh"), symnn.dense(4, "tanh"), symnn.dense(1))


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


@pytest.mark.parametrize(
    ("whole", "one_by_one", "forms"),
    [
        pytest.param("laplacian(u)", "u_xx + u_yy + u_tt", {}, marks=pytest.mark.slow),
        ("u_t - laplacian(u, x, y)", "u_t - u_xx - u_yy", {"u": ("sin(x)*t", "x*(1 - y)*t")}),
    ],
    ids=["as it is", "conditions built in"],
)
def test_a_laplacian_is_the_sum_of_second_derivatives(whole: str, one_by_one: str, forms: dict[str, Any]) -> None:
    found = []
    for equation in (whole, one_by_one):
        residual = symnn.Residual("interior", equation)
        layers = (symnn.dense(3, "tanh"), symnn.dense(1))
        physics = symnn.Physics("x y t", "u", layers, residual, forms=forms)
        theta, points = physics.initial_parameters() + 0.1, symnn.sample([(0, 1)] * 3, 5)
        found.append(physics.compile().value_and_grad(theta, points))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-12)
    assert found[0][1] == pytest.approx(found[1][1], rel=1e-11, abs=1e-14)


@pytest.mark.parametrize("text", ["laplacian(u, x, t)", "laplacian(v)", "laplacian(u, y, x)", "laplacian(u_x)"])
def test_a_laplacian_of_what_is_not_there_is_refused(text: str) -> None:
    with pytest.raises(symnn.SpecError, match=r"residuals\.r\.equation: .*column 1"):
        symnn.Physics("x y t", "u", LAYERS, symnn.Residual("r", text))


def test_derivatives_go_up_to_order_8() -> None:
    one = symnn.Physics("x", "u", (symnn.dense(1, "tanh"), symnn.dense(1)), symnn.Residual("r", "u_xxxxxxxx")).compile()
    points = np.linspace(-1, 1, 5)[:, None]
    exact = [float(tanh(x / 2).diff(x, 8).subs(x, Rational(k, 2))) for k in range(-2, 3)]
    assert one.rows["r"](np.array([0.5, 0.0, 1.0, 0.0]), points) == pytest.approx(exact, rel=1e-10, abs=1e-13)


def test_an_integral_is_the_sum_over_the_nodes_of_gauss_and_legendre() -> None:
    given = (symnn.Residual("r", "u = 1 + integral(u(s), s, 0, x, 4)"),)  # exp(x)
    physics = symnn.Physics("x", "u", (symnn.dense(5, "tanh"), symnn.dense(1)), given)
    model, at = physics.compile(), symnn.sample([(0, 1)], 12, kind="sobol")
    found = symnn.solve(
        model.least_squares(at), physics.initial_parameters(), methods=[{"levenberg_marquardt": 40}], progress=False
    )
    assert model.predict(found.theta, at)[:, 0] == pytest.approx(np.exp(at[:, 0]), abs=1e-3)


def test_an_integral_of_sympy_is_that_of_a_text() -> None:
    language, s = Language(("x",), ("u",)), symbols("s")
    f = Function("u")
    written = language.parse("u = integral(exp(x - s)*u_x(s), s, 0, 2*x)", "r")
    read = language.read(Eq(f(x), Integral(exp(x - s) * f(s).diff(s), (s, 0, 2 * x))), "r")
    assert len(language.values(written)) == 17
    assert (written - read).expand() == 0


@pytest.mark.parametrize(
    ("text", "message"),
    {
        "u + integral(u(x), x, 0, 1)": "expected a name that is no input, unknown or number",
        "u + integral(u(s), s, 0, s)": "expected such that do not depend on it",
        "u + integral(u(s), s, 0, 1, 99)": "has 99 nodes; expected 1 to 64",
        "u + integral(integral(u(s*q), s, 0, 1, 64), q, 0, 1, 64)": "operations at its nodes; expected at most 10,000",
        "u + s + integral(u(s), s, 0, 1)": "contains the symbol 's', which is neither an input nor an entry",
    }.items(),
)
def test_integrals_that_are_none_are_refused(text: str, message: str) -> None:
    with pytest.raises(symnn.SpecError, match=re.escape(message)):
        Language(("x",), ("u",)).parse(text, "r")
