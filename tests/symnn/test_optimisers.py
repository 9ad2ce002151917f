"""Optimisers: each compiled rule is the textbook's, step by step."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sympy import Expr, sign

from codegen.dtypes import Dtype
from symnn.optimisers import OPTIMISERS, Optimiser
from symnn.spec import TrainingSpec

pytestmark = pytest.mark.values

Vector = NDArray[np.float64]
Gradient = Callable[[Vector], Vector]

SETTINGS = {
    "learning_rate": 0.05,
    "momentum": 0.9,
    "beta1": 0.8,
    "beta2": 0.95,
    "epsilon": 1e-8,
    "decay": 0.1,
    "rho": 0.9,
}
START = np.array([1.5, -0.5, 0.25, -2.0, 0.0])


def quartic(theta: Vector) -> Vector:
    """The gradient of Σ θ⁴/4 − θ."""
    return theta**3 - 1


def compiled_steps(
    optimiser: Optimiser,
    gradient: Gradient,
    start: Vector,
    settings: dict[str, float],
    dtype: Dtype = "float64",
) -> Iterator[tuple[Vector, ...]]:
    """The parameters and the state after each step, by the compiled update from one buffer into another."""
    update = optimiser.compile(dtype)
    now = (start.astype(dtype), *optimiser.initial_state(start.astype(dtype)))
    new = tuple(np.empty_like(vector) for vector in now)
    numbers = [settings[name] for name in optimiser.settings]
    for step in range(1, 8):
        theta, *state = now
        update(theta, gradient(theta).astype(dtype), *state, step, *numbers, out=new)
        now, new = new, now
        yield tuple(vector.copy() for vector in now)


# ------------------------------------------------------------------------------------------- textbook loops


def gradient_descent(gradient: Gradient, theta: Vector) -> Iterator[Vector]:
    while True:
        theta = theta - SETTINGS["learning_rate"] * gradient(theta)
        yield theta


def momentum(gradient: Gradient, theta: Vector) -> Iterator[Vector]:
    v = np.zeros_like(theta)
    while True:
        v = SETTINGS["momentum"] * v - SETTINGS["learning_rate"] * gradient(theta)
        theta = theta + v
        yield theta


def nesterov(gradient: Gradient, theta: Vector) -> Iterator[Vector]:
    """The look-ahead form, whose compiled counterpart keeps θ + μ·v instead of θ."""
    v = np.zeros_like(theta)
    while True:
        v = SETTINGS["momentum"] * v - SETTINGS["learning_rate"] * gradient(theta + SETTINGS["momentum"] * v)
        theta = theta + v
        yield theta + SETTINGS["momentum"] * v


def adam(gradient: Gradient, theta: Vector) -> Iterator[Vector]:
    beta1, beta2 = SETTINGS["beta1"], SETTINGS["beta2"]
    m, v, t = np.zeros_like(theta), np.zeros_like(theta), 0
    while True:
        t += 1
        g = gradient(theta)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        theta = theta - SETTINGS["learning_rate"] * m_hat / (np.sqrt(v_hat) + SETTINGS["epsilon"])
        yield theta


def adamw(gradient: Gradient, theta: Vector) -> Iterator[Vector]:
    """Adam's step, and a part of the parameters themselves."""
    rate, beta1, beta2 = SETTINGS["learning_rate"], SETTINGS["beta1"], SETTINGS["beta2"]
    m, v, t = np.zeros_like(theta), np.zeros_like(theta), 0
    while True:
        t += 1
        g = gradient(theta)
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        theta = (1 - rate * SETTINGS["decay"]) * theta
        theta = theta - rate * m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + SETTINGS["epsilon"])
        yield theta


def rmsprop(gradient: Gradient, theta: Vector) -> Iterator[Vector]:
    v = np.zeros_like(theta)
    while True:
        g = gradient(theta)
        v = SETTINGS["rho"] * v + (1 - SETTINGS["rho"]) * g**2
        theta = theta - SETTINGS["learning_rate"] * g / (np.sqrt(v) + SETTINGS["epsilon"])
        yield theta


TEXTBOOK = {
    "gradient_descent": gradient_descent,
    "momentum": momentum,
    "nesterov": nesterov,
    "adam": adam,
    "adamw": adamw,
    "rmsprop": rmsprop,
}


def test_every_optimiser_has_a_textbook_loop() -> None:
    assert set(TEXTBOOK) == set(OPTIMISERS)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-14), ("float32", 1e-6)])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_compiled_steps_are_the_textbooks(name: str, dtype: Dtype, tolerance: float) -> None:
    found = compiled_steps(OPTIMISERS[name], quartic, START, SETTINGS, dtype)
    for (theta, *_), expected in zip(found, TEXTBOOK[name](quartic, START)):
        np.testing.assert_allclose(theta, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("scale", [0.0, 1e-3, 1.0, 1e3])
def test_a_gradient_longer_than_the_clip_is_shortened_to_it(scale: float) -> None:
    clipped = OPTIMISERS["gradient_descent"].clipped
    g = scale * np.array([3.0, -4.0])
    theta = clipped.compile()(np.zeros(2), g, 1.0, 0.5, 2.0)
    np.testing.assert_allclose(theta, -0.5 * g * min(1.0, 2.0 / (5 * scale or 1.0)), rtol=1e-15)


@given(
    curvature=st.lists(st.floats(0.1, 10), min_size=1, max_size=4),
    rate=st.floats(1e-3, 0.1),
    mu=st.floats(0, 0.99),
)
def test_nesterov_on_a_quadratic_is_the_look_ahead_form(curvature: list[float], rate: float, mu: float) -> None:
    """θ ← θ + v, v ← μ·v − η·∇L(θ + μ·v); the kept vector is θ + μ·v, from which θ comes back."""
    a = np.array(curvature)
    theta, v = np.ones_like(a), np.zeros_like(a)
    settings = {"learning_rate": rate, "momentum": mu}
    for ahead, velocity in compiled_steps(OPTIMISERS["nesterov"], lambda x: a * x, theta, settings):
        v = mu * v - rate * a * (theta + mu * v)
        theta = theta + v
        np.testing.assert_allclose(velocity, v, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(ahead - mu * velocity, theta, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["momentum", "nesterov"])
def test_without_momentum_there_is_only_gradient_descent(name: str) -> None:
    settings = {**SETTINGS, "momentum": 0.0}
    plain = compiled_steps(OPTIMISERS["gradient_descent"], quartic, START, settings)
    for (theta, *_), (expected,) in zip(compiled_steps(OPTIMISERS[name], quartic, START, settings), plain):
        np.testing.assert_allclose(theta, expected, rtol=1e-14, atol=1e-14)


def test_adams_first_step_is_the_learning_rate_against_the_sign_of_the_gradient() -> None:
    theta, *_ = next(compiled_steps(OPTIMISERS["adam"], quartic, START, SETTINGS))
    np.testing.assert_allclose(theta, START - 0.05 * np.sign(quartic(START)), rtol=1e-6)


def test_a_gradient_of_zero_moves_nothing() -> None:
    for optimiser in OPTIMISERS.values():
        for theta, *_ in compiled_steps(optimiser, np.zeros_like, START, {**SETTINGS, "decay": 0.0}):
            np.testing.assert_array_equal(theta, START)


# ------------------------------------------------------------------------------------------- the table


def test_the_settings_of_every_optimiser_are_fields_of_the_spec() -> None:
    for optimiser in OPTIMISERS.values():
        assert set(optimiser.settings) <= set(TrainingSpec.model_fields)


@pytest.mark.parametrize("optimiser", OPTIMISERS.values(), ids=OPTIMISERS)
def test_state_begins_at_zero_in_the_dtype_of_the_parameters(optimiser: Optimiser) -> None:
    state = optimiser.initial_state(START.astype(np.float32))
    assert len(state) == len(optimiser.state)
    assert all(vector.dtype == np.float32 and not vector.any() for vector in state)


def test_an_update_into_its_own_arguments_is_refused() -> None:
    update = OPTIMISERS["gradient_descent"].compile()
    theta, g = START.copy(), np.ones(5)
    with pytest.raises(ValueError, match="shares memory"):
        update(theta, g, 1, 0.1, out=theta)
    np.testing.assert_array_equal(theta, START)


def test_a_rule_of_ones_own_compiles_whatever_it_is_called() -> None:
    def toward(theta: Expr, g: Expr, learning_rate: Expr, **_: Expr) -> dict[str, Expr]:
        return {"theta": theta - learning_rate * sign(g)}

    update = Optimiser("gradient_descent", toward, ("learning_rate",)).compile()
    np.testing.assert_array_equal(update(np.zeros(2), np.array([5.0, -3.0]), 1, 0.5), [-0.5, 0.5])
