"""Minimising: settings out of their range are refused by name, and what is asked for is what is done."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symnn
from tests.symnn.valley import valley

pytestmark = pytest.mark.values


def square(theta: np.ndarray) -> tuple[float, np.ndarray]:
    return float(theta @ theta), 2 * theta


SETTINGS: list[tuple[str, object, str]] = [
    ("iterations", -1, "a number of at least 0, found -1"),
    ("iterations", 2.5, "a whole number, found 2.5"),
    ("iterations", True, "a whole number, found True"),
    ("adam", -1, "a number of at least 0, found -1"),
    ("adam", "3", "a whole number, found '3'"),
    ("memory", 0, "a number of at least 1, found 0"),
    ("learning_rate", 0, "a number above 0.0, found 0"),
    ("learning_rate", float("nan"), "a finite number, found nan"),
    ("learning_rate", None, "a number, found None"),
    ("seconds", -1.0, "a number above 0.0, found -1.0"),
    ("seconds", float("inf"), "a finite number, found inf"),
]


@pytest.mark.parametrize(("name", "value", "message"), SETTINGS)
def test_a_setting_out_of_its_range_is_refused_by_name(name: str, value: object, message: str) -> None:
    with pytest.raises(symnn.SpecError, match=re.escape(f"solve: {name}: expected {message}")):
        symnn.solve(square, np.ones(3), **{name: value})  # type: ignore[arg-type]


STARTS: list[tuple[object, str]] = [
    (np.ones((2, 2)), "found an array of shape (2, 2)"),
    (np.ones(0), "found an array of shape (0,)"),
    (1.0, "found an array of shape ()"),
    ([1.0, float("nan")], "found one that is not finite"),
    ("ab", "found 'ab'"),
    (None, "found "),
]


@pytest.mark.parametrize(("theta", "message"), STARTS, ids=lambda value: str(value)[:30])
def test_parameters_that_are_no_vector_of_numbers_are_refused(theta: Any, message: str) -> None:
    with pytest.raises(symnn.DataError, match=r"theta: expected a vector of .*numbers, " + re.escape(message)):
        symnn.solve(square, theta)


OBJECTIVES: list[Any] = [
    lambda theta: theta,
    lambda theta: float(theta @ theta),
    lambda theta: (theta, theta),
    lambda theta: (1.0, theta[:-1]),
    lambda theta: (1.0, theta, theta),
    lambda theta: None,
]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_an_objective_gives_a_loss_and_a_gradient(objective: Any) -> None:
    with pytest.raises(symnn.DataError, match="objective: expected a loss and a gradient of 3 numbers, found "):
        symnn.solve(objective, np.ones(3))


def test_no_iterations_are_none() -> None:
    found = symnn.solve(square, np.ones(3), iterations=0)
    assert found.iterations == 0
    assert found.loss == 3
    assert found.theta.tolist() == [1, 1, 1]
    assert symnn.solve(square, np.ones(3), iterations=0, adam=7).iterations == 7
    assert symnn.solve(square, np.ones(3), iterations=np.int64(1)).iterations == 1


def test_time_ends_the_steps_of_adam_too() -> None:
    found = symnn.solve(square, np.ones(3), adam=10**9, seconds=0.05)
    assert found.stopped == "out of time"
    assert 0 < found.iterations < 10**9
    assert found.loss < 3


def test_the_parameters_at_the_beginning_stay_as_they_are() -> None:
    theta = np.ones(3)
    symnn.solve(square, theta, adam=3, iterations=3)
    assert theta.tolist() == [1, 1, 1]


# ------------------------------------------------------------------------------------------- what is not finite

Z = np.linspace(0, 1, 50)


def roots(theta: np.ndarray) -> tuple[float, np.ndarray]:
    """mean((√A − log A − 2)²) of A = p0·z + p1, which is nan where A is not positive; 0 at p0 = 0, p1 = 0.2152…"""
    with np.errstate(all="ignore"):
        a = theta[0] * Z + theta[1]
        residual = np.sqrt(a) - np.log(a) - 2
        slope = 2 * residual * (0.5 / np.sqrt(a) - 1 / a)
        return float(np.mean(residual**2)), np.array([np.mean(slope * Z), np.mean(slope)])


@pytest.mark.parametrize("start", [(-0.9, 1.0), (5, 0.02), (-4, 4.1), (3, 1e-3), (0.5, 3)])
@pytest.mark.parametrize("adam", [0, 100])
def test_a_minimum_is_reached_beside_the_edge_of_what_is_finite(start: tuple[float, float], adam: int) -> None:
    found = symnn.solve(roots, np.array(start), adam=adam, learning_rate=0.5)
    assert found.loss <= 1e-10
    assert found.loss == roots(found.theta)[0]
    assert found.stopped == "converged: no entry of the gradient is above 1e-09"


@pytest.mark.parametrize("start", [(5, 0.02), (3, 1e-3), (0.5, 3)])
def test_a_step_of_adam_to_what_is_not_finite_is_not_taken(start: tuple[float, float]) -> None:
    tried: list[float] = []

    def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
        found = roots(theta)
        tried.append(found[0])
        return found

    found = symnn.solve(objective, np.array(start), adam=300, learning_rate=0.3, iterations=0)
    assert not np.isfinite(tried).all()
    assert len(tried) == 301
    assert found.loss == roots(found.theta)[0] == np.nanmin(tried) < 1e-10


def test_a_network_under_a_root_comes_to_its_minimum() -> None:
    """u′ = √u with u(0) = 1: u = (1 + x/2)². The root is nan where a trial makes u negative."""
    physics = symnn.Physics(
        "x",
        "u",
        (symnn.dense(8, "tanh"), symnn.dense(1)),
        (symnn.Residual("interior", "u_x = sqrt(u)"), symnn.Residual("beginning", "u(0) = 1")),
    )
    points = [symnn.sample([(0.0, 2.0)], 40), np.zeros((1, 1))]
    model = physics.compile()
    fun = model.objective(*points)
    for seed, least in ((0, 0.01), (4, 0.01), (1, 0.5)):  # the first leads into the edge and along it
        theta = physics.initial_parameters(seed)
        theta[-1] = least - model.predict(theta, points[0]).min()
        found = symnn.solve(fun, theta, iterations=200)
        assert found.loss == fun(found.theta)[0] < 1e-5 * fun(theta)[0]
    np.testing.assert_allclose(model.predict(found.theta, points[0]), (1 + points[0] / 2) ** 2, rtol=0.01)


def edge(theta: np.ndarray) -> tuple[float, np.ndarray]:
    """Falls towards 1, beyond which it is nan: its lowest loss lies at the edge."""
    x = theta[0]
    return (float(-x), np.array([-1.0])) if x < 1 else (float("nan"), np.array([float("nan")]))


def test_an_edge_is_approached_and_the_reason_says_so() -> None:
    found = symnn.solve(edge, np.zeros(1))
    assert -1 < found.loss < -1 + 1e-12
    assert found.loss == edge(found.theta)[0]
    assert re.fullmatch(
        r"no lower loss was found up to the edge of where it is finite, nor along it; "
        r"\d+ of the points tried had no finite loss and gradient",
        found.stopped,
    )


def test_a_gradient_that_is_not_finite_is_no_step() -> None:
    """The loss is finite everywhere, its gradient only outside the unit circle and in the middle."""

    def kinks(theta: np.ndarray) -> tuple[float, np.ndarray]:
        loss, slope = float(theta @ theta), 2 * theta
        return loss, slope if loss > 1 or loss == 0 else np.full(2, np.inf)

    found = symnn.solve(kinks, np.array([3.0, 4.0]))
    assert np.isfinite(found.theta).all()
    assert found.loss == found.theta @ found.theta <= 25
    assert found.loss < 1 + 1e-9


@pytest.mark.parametrize("scale", [1e-12, 1e-8, 1.0, 1e8])
def test_the_scale_of_theta_does_not_matter(scale: float) -> None:
    def scaled(theta: np.ndarray) -> tuple[float, np.ndarray]:
        with np.errstate(over="ignore", invalid="ignore"):
            residual = theta / scale - np.array([1.0, -2.0])
            return float(residual @ residual), 2 * residual / scale

    assert symnn.solve(scaled, np.zeros(2)).loss < 1e-12


def test_a_start_without_a_gradient_is_refused() -> None:
    def root(theta: np.ndarray) -> tuple[float, np.ndarray]:
        with np.errstate(divide="ignore"):
            return float(np.sqrt(theta).sum()), 0.5 / np.sqrt(theta)

    with pytest.raises(symnn.DataError, match=r"the gradient .* is not finite, though the loss is 1: entry 1 is inf"):
        symnn.solve(root, np.array([1.0, 0.0]))


def test_rounding_ends_a_run() -> None:
    """A loss near 1 shows no decrease below 1e-16, a float32 one none below 1e-7."""

    def offset(theta: np.ndarray) -> tuple[float, np.ndarray]:
        return 1 + float(theta @ theta), 2 * theta

    def single(theta: np.ndarray) -> tuple[float, np.ndarray]:
        found = offset(theta.astype(np.float32))
        return np.float32(found[0]), found[1]  # type: ignore[return-value]

    for objective, most in ((offset, 1e-15), (single, 1e-6)):
        found = symnn.solve(objective, np.array([3.0, 0.3, 2.0]))
        assert found.loss <= 1 + most
        assert isinstance(found.loss, float)
        assert found.iterations < 50


# ------------------------------------------------------------------------------------------- callbacks and Ctrl-C


START = np.array([-1.2, 1.0])


def raises(error: type[BaseException]) -> object:
    raise error("from the callback")


def test_a_callback_sees_every_step_and_the_best_so_far() -> None:
    seen: list[symnn.Solution] = []
    found = symnn.solve(valley, START, adam=5, learning_rate=0.5, iterations=10, callback=seen.append)
    assert [state.iterations for state in seen] == list(range(1, 16))
    losses = [state.loss for state in seen]
    assert losses == sorted(losses, reverse=True)
    assert all(valley(state.theta)[0] == state.loss for state in seen)
    assert {state.stopped for state in seen} == {"running"}
    assert found.loss == losses[-1]
    seen[-1].theta[:] = 0  # its own
    assert found.theta.any()


@pytest.mark.parametrize("wish", [lambda: True, lambda: np.True_, lambda: raises(StopIteration)])
@pytest.mark.parametrize("adam", [0, 100])
def test_a_callback_may_end_a_run(wish: Callable[[], object], adam: int) -> None:
    found = symnn.solve(valley, START, adam=adam, callback=lambda state: wish() if state.iterations == 7 else None)
    assert (found.iterations, found.stopped) == (7, "stopped by the callback")
    assert found.loss < valley(START)[0]


@pytest.mark.parametrize("error", [RuntimeError, SystemExit])
@pytest.mark.parametrize("where", ["callback", "objective"])
def test_an_error_carries_the_best_so_far(error: type[BaseException], where: str) -> None:
    calls = iter(range(1000))

    def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
        if where == "objective" and next(calls) == 20:
            raises(error)
        return valley(theta)

    def callback(state: symnn.Solution) -> object:
        return where == "callback" and state.iterations == 7 and raises(error)

    with pytest.raises(error, match="from the callback") as raised:
        symnn.solve(objective, START, callback=callback)
    found = raised.value.solution  # type: ignore[attr-defined]
    assert found.stopped == "ended by an error"
    assert found.loss == valley(found.theta)[0] < valley(START)[0]
    assert "attribute `solution`" in raised.value.__notes__[0]


@pytest.mark.parametrize("adam", [0, 1000])
@pytest.mark.parametrize("call", [2, 3, 30])
def test_ctrl_c_keeps_the_best_so_far(call: int, adam: int) -> None:
    calls = iter(range(1, 10_000))

    def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
        if next(calls) == call:
            raise KeyboardInterrupt
        return valley(theta)

    found = symnn.solve(objective, START, adam=adam)
    assert found.stopped == "interrupted"
    assert found.loss == valley(found.theta)[0] <= valley(START)[0]


def test_an_objective_may_return_the_same_array_and_write_to_its_argument() -> None:
    memory = np.empty(2)

    def objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
        loss, memory[:] = valley(theta)
        theta[:] = 0
        return loss, memory

    found, fresh = symnn.solve(objective, START), symnn.solve(valley, START)
    assert found.theta.tolist() == fresh.theta.tolist()
    assert found.loss < 1e-18
