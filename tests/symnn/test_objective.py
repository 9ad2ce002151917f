"""Objectives: what a minimiser keeps stays as it was, in float64, whatever the dtype of the model."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize

import symnn
from symnn.objective import Objective

pytestmark = pytest.mark.values

X = np.random.Generator(np.random.PCG64(0)).normal(size=(40, 2))
NETWORK = symnn.Network(2, [symnn.dense(3, "tanh"), symnn.dense(1)], "mean_squared_error")
PHYSICS = symnn.Physics(
    "x",
    "u",
    (symnn.dense(4, "tanh"), symnn.dense(1)),
    (symnn.Residual("interior", "u_x = u"), symnn.Residual("data", "u - m", data="m")),
    {"k": 1.0},
)


def network(dtype: Any) -> tuple[Objective, np.ndarray]:
    model = NETWORK.compile(dtype)
    x = X.astype(dtype)
    return model.objective(x, np.sin(x[:, :1])), NETWORK.initial_parameters(1)


def physics(dtype: Any) -> tuple[Objective, np.ndarray]:
    points = [np.linspace(0, 1, 20)[:, None], np.array([[0.0, 1.0], [1.0, np.e]])]
    return PHYSICS.compile(dtype).objective(*points), PHYSICS.initial_parameters(1)


OBJECTIVES: dict[str, Callable[[Any], tuple[Objective, np.ndarray]]] = {"network": network, "physics": physics}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_call_gives_new_float64_arrays(name: str, dtype: str) -> None:
    fun, theta = OBJECTIVES[name](dtype)
    loss, slope = fun(theta)
    kept = slope.copy()
    other_loss, other = fun(theta + 0.1)
    assert type(loss) is type(other_loss) is float
    assert slope.dtype == other.dtype == np.float64
    assert not np.shares_memory(slope, other)
    assert slope.tolist() == kept.tolist() != other.tolist()
    slope[:] = 0
    assert fun(theta)[1].tolist() == kept.tolist()


METHODS = ["BFGS", "CG", "L-BFGS-B", "SLSQP", "TNC", "trust-constr"]


@pytest.mark.parametrize(
    ("method", "dtype"),
    # Newton-CG takes differences of gradients over 1e-8, which float32 does not show.
    [
        *((method, "float64") for method in (*METHODS, "Newton-CG")),
        *(
            # These two fail on gradients that are float32.
            pytest.param(method, "float32", marks=() if method in ("SLSQP", "TNC") else pytest.mark.slow)
            for method in METHODS
        ),
    ],
)
def test_scipy_minimises_it(method: str, dtype: str) -> None:
    fun, theta = network(dtype)
    found = minimize(fun, theta, jac=True, method=method, options={"maxfun" if method == "TNC" else "maxiter": 200})
    assert found.fun < 0.05 * fun(theta)[0]
    assert fun(found.x)[0] == found.fun


def test_labels_are_bound_too() -> None:
    classifier = symnn.Network(2, [symnn.dense(2)], "softmax_cross_entropy")
    fun = classifier.compile().objective(X, (X[:, 0] > 0).astype(np.int64))
    assert symnn.solve(fun, classifier.initial_parameters(), iterations=50).loss < 0.01


@pytest.mark.parametrize(
    ("theta", "message"),
    [
        (np.zeros(12), "an array of float64 with shape (12,)"),
        (np.zeros(13, complex), "an array of complex128 with shape (13,)"),
        ("theta", "an array of <U5 with shape ()"),
    ],
)
def test_what_are_no_parameters_is_refused(theta: Any, message: str) -> None:
    fun, _ = network("float64")
    with pytest.raises(
        symnn.DataError, match=re.escape(f"theta: expected a vector of 13 real numbers, found {message}")
    ):
        fun(theta)


def test_numbers_beyond_float32_are_no_error() -> None:
    fun, theta = network("float32")
    assert not np.isfinite(fun(np.full(theta.shape, 1e300))[0])


GIVEN: dict[str, Callable[[np.ndarray], Any]] = {
    "lists": lambda values: values.tolist(),
    "float64": lambda values: values,
    "strided": lambda values: np.repeat(values, 2, axis=0)[::2],
    "columns first": np.asfortranarray,
}


@pytest.mark.filterwarnings("ignore::codegen.PrecisionWarning")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("given", GIVEN)
def test_rows_are_converted_as_in_a_call_and_copied_once(given: str, dtype: str) -> None:
    model, theta = NETWORK.compile(dtype), NETWORK.initial_parameters(1).astype(dtype)
    x, y = X.copy(), np.sin(X[:, :1])
    loss, gradient = model.value_and_grad(theta, x, y)
    rows = GIVEN[given](x), GIVEN[given](y)
    fun = model.objective(*rows)
    for array in (x, y, *rows):
        if isinstance(array, np.ndarray):
            array[:] = 0
    assert fun(theta)[0] == loss
    assert fun(theta)[1].tolist() == gradient.tolist()


def test_points_are_copied() -> None:
    points, theta = [X[:, :1].copy(), X.copy()], PHYSICS.initial_parameters(1)
    fun = PHYSICS.compile().objective(*points)
    before = fun(theta)[0]
    for array in points:
        array[:] = 0
    assert fun(theta)[0] == before


def test_another_process_may_have_it() -> None:
    fun, theta = PHYSICS.compile().objective(X[:, :1], X), PHYSICS.initial_parameters(1)
    again = pickle.loads(pickle.dumps(fun))
    assert again(theta)[0] == fun(theta)[0]
    assert again(theta)[1].tolist() == fun(theta)[1].tolist()


def test_rows_that_a_call_refuses_are_refused() -> None:
    model = NETWORK.compile()
    with pytest.raises(TypeError, match=re.escape("'x' must be a numpy array of float64, found a list of <U1")):
        model.objective([["a", "b"]], [[1]])
    with pytest.raises(ValueError, match=re.escape("'y' has S = 2 by its shape (2, 1), but 'x' has S = 1")):
        model.objective([[1, 2]], [[1], [2]])
