"""Minimising: settings out of their range are refused by name, and what is asked for is what is done."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import symnn


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
