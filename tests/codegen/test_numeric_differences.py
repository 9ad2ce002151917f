"""Numerical derivatives, and that the error each one states is no smaller than the error it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from codegen import CheckError, GraphError, from_expressions, gradient
from codegen import functions as f
from codegen.numeric import (
    Estimate,
    central_difference,
    complex_step,
    directional_derivative,
    evaluate,
    exact_derivative,
    forward_difference,
    richardson,
    rounded,
)
from tests.codegen.networks import lecture, mlp, random_values
from tests.sweeps import one_in

METHODS: dict[str, Callable[..., Estimate]] = {
    "forward": forward_difference,
    "central": central_difference,
    "richardson": richardson,
    "complex": complex_step,
    "exact": exact_derivative,
}
ACCURACY = {"forward": 1e-6, "central": 1e-9, "richardson": 1e-11, "complex": 1e-15, "exact": 0}

x = sympy.Symbol("x", real=True)


def numbers(array: NDArray[Any]) -> NDArray[np.float64]:
    return rounded(array) if array.dtype == object else array


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("wrt", "derivative"), [("a", 2), ("b", 5)])
def test_the_graph_of_the_lecture(method: str, wrt: str, derivative: float) -> None:
    """e = (a + b)(b + 1) at (2, 1): ∂e/∂a = 2 and ∂e/∂b = 5."""
    found = METHODS[method](lecture(), "e", wrt, {"a": 2, "b": 1})
    assert abs(float(found.value) - derivative) <= ACCURACY[method]
    assert float(found.error) <= 10 * ACCURACY[method] + 1e-40


FUNCTIONS = (
    *(sympy.sin(x), sympy.exp(x), sympy.tanh(3 * x), x**3, f.sigmoid(5 * x), f.softplus(x), sympy.erf(x), x * 2),
    *(1 / (x**2 + sympy.Rational(1, 100)), (x + 1000) ** 2 - 1000**2, sympy.cos(1000 * x) / 1000),
)


@pytest.mark.parametrize(
    ("expression", "method"), one_in(2, product(FUNCTIONS, ("forward", "central", "richardson"))), ids=str
)
def test_the_estimated_error_bounds_the_error(expression: sympy.Expr, method: str) -> None:
    """Within a factor of 10, the safety factor of the gradient check: also where cancellation makes f noisy."""
    graph = from_expressions({"f": expression}, [x])
    for point in (0.0, 0.1, -0.7, 1.3, 2.0, -3.1, 17.0, 300.5):
        exact = float(exact_derivative(graph, "f", "x", {"x": point}).value[()])
        found = METHODS[method](graph, "f", "x", {"x": point})
        assert abs(found.value - exact) <= 10 * found.error + 1e-12 * max(1, abs(exact)), (point, found, exact)


@given(st.floats(-1e3, 1e3), st.sampled_from(["forward", "central", "richardson", "complex"]))
def test_the_estimated_error_bounds_the_error_anywhere(point: float, method: str) -> None:
    graph = from_expressions({"f": sympy.sin(x) * f.softplus(x) + x**2 / 7}, [x])
    exact = float(exact_derivative(graph, "f", "x", {"x": point}).value[()])
    found = METHODS[method](graph, "f", "x", {"x": point})
    assert abs(found.value - exact) <= 10 * found.error + 1e-12 * max(1, abs(exact))


def test_cancellation_inside_the_function_is_measured() -> None:
    """f is about 0.1, rounded to ten digits inside: eps·|f|/h would promise eleven digits of the derivative."""
    v = sympy.Symbol("v")
    graph = from_expressions({"v": x**2 + 10**6, "f": v - 10**6}, [x])
    found = central_difference(graph, "f", "x", {"x": 0.3})
    assert found.error > 1e-6
    assert abs(found.value - 0.6) <= 10 * found.error


@pytest.mark.parametrize("method", METHODS)
def test_an_array_has_the_shape_of_the_input_or_of_the_entries(method: str) -> None:
    graph, values = mlp([2, 3, 3]), random_values(mlp([2, 3, 3]), samples=2)
    expected = evaluate(gradient(graph, "loss", ["W1"]), values)["dloss/dW1"]
    whole = METHODS[method](graph, "loss", "W1", values)
    some = METHODS[method](graph, "loss", "W1", values, entries=[5, 0])
    assert whole.value.shape == whole.error.shape == (3, 2)
    np.testing.assert_allclose(numbers(whole.value), expected, atol=ACCURACY[method] + 1e-14)
    np.testing.assert_array_equal(some.value, whole.value.reshape(-1)[[5, 0]])


@pytest.mark.parametrize("method", METHODS)
def test_the_derivative_along_a_direction(method: str) -> None:
    graph, values = mlp([2, 3, 3]), random_values(mlp([2, 3, 3]))
    names = ["W1", "b2"]
    generator = np.random.Generator(np.random.PCG64(1))
    direction = {name: generator.standard_normal(values[name].shape) for name in names}
    found = evaluate(gradient(graph, "loss", names), values)
    expected = sum((found[f"dloss/d{name}"] * direction[name]).sum() for name in names)
    estimate = directional_derivative(graph, "loss", direction, values, method)
    assert estimate.value.shape == ()
    assert float(estimate.value[()]) == pytest.approx(expected, abs=10 * ACCURACY[method] + 1e-14)
    assert abs(float(estimate.value[()]) - expected) <= 10 * float(estimate.error[()]) + 1e-14


def test_a_function_takes_the_place_of_the_graph() -> None:
    calls: list[Mapping[str, NDArray[Any]]] = []

    def doubled(values: Mapping[str, NDArray[Any]]) -> float:
        calls.append(values)
        return 2 * float(evaluate(lecture(), values)["e"])

    found = central_difference(lecture(), "e", "b", {"a": 2, "b": 1}, function=doubled)
    assert found.value == pytest.approx(10)
    assert len(calls) == 7
    assert set(calls[0]) == {"a", "b"}
    along = directional_derivative(lecture(), "e", {"a": 1, "b": 1}, {"a": 2, "b": 1}, function=doubled)
    assert along.value == pytest.approx(14)


def test_a_step_can_be_given_and_a_negative_one_looks_backward() -> None:
    graph = from_expressions({"f": f.absolute(x)}, [x])
    assert forward_difference(graph, "f", "x", {"x": 0}, 2.0**-20).value == 1
    assert forward_difference(graph, "f", "x", {"x": 0}, -(2.0**-20)).value == -1
    assert central_difference(from_expressions({"f": x**3}, [x]), "f", "x", {"x": 0}, 0.5).value == 0.25


def test_at_a_kink_the_error_of_the_exact_derivative_is_the_jump() -> None:
    found = exact_derivative(from_expressions({"f": f.relu(x)}, [x]), "f", "x", {"x": 0})
    assert float(found.error[()]) == 1
    step = exact_derivative(from_expressions({"f": f.sign(x)}, [x]), "f", "x", {"x": 0})
    assert float(step.error[()]) > 1e40


def test_the_exact_derivative_is_local_even_at_a_subnormal_number() -> None:
    for expression, slope in ((f.relu(x), 1), (sympy.log(x) / 10**310, 1), (f.softplus(x), 0.5), (f.relu(-x), 0)):
        found = exact_derivative(from_expressions({"f": expression}, [x]), "f", "x", {"x": 1e-310})
        assert float(found.value[()]) == pytest.approx(slope, rel=1e-10)
        assert float(found.error[()]) < 1e-40


def test_the_exact_derivative_has_fifty_digits() -> None:
    found = exact_derivative(from_expressions({"f": sympy.sin(x)}, [x]), "f", "x", {"x": 1})
    assert abs(sympy.N(sympy.cos(1), 60) - sympy.Float(str(found.value[()]), 60)) < sympy.Float("1e-49")
    assert float(found.error[()]) < 1e-49


@pytest.mark.parametrize("method", METHODS)
def test_where_the_function_is_not_finite_the_difference_is_nan(method: str) -> None:
    found = METHODS[method](from_expressions({"f": sympy.log(x)}, [x]), "f", "x", {"x": -1})
    assert np.isnan(float(found.value[()]))
    assert np.isnan(float(found.error[()]))


def test_a_large_network_is_differenced_in_batches_that_fit_into_memory() -> None:
    graph, values = mlp([64, 40, 10]), random_values(mlp([64, 40, 10]), samples=64)
    found = complex_step(graph, "loss", "b1", values)
    expected = evaluate(gradient(graph, "loss", ["b1"]), values)["dloss/db1"]
    np.testing.assert_allclose(found.value, expected, rtol=0, atol=1e-13)


def test_misuse_is_named() -> None:
    graph, values = mlp([2, 3]), random_values(mlp([2, 3]))
    with pytest.raises(CheckError, match=r"'l' has shape \(S,\), expected a scalar to differentiate"):
        central_difference(graph, "l", "W1", values)
    with pytest.raises(CheckError, match=r"wrt: found 'y', expected a real input of the graph \(x, W1, b1\)"):
        central_difference(graph, "loss", "y", values)
    with pytest.raises(CheckError, match=r"entries: found \[6\], expected flat indices of 'W1' from 0 to 5"):
        central_difference(graph, "loss", "W1", values, entries=[6])
    with pytest.raises(CheckError, match=r"direction 'b1': found shape \(2,\), expected \(3,\)"):
        directional_derivative(graph, "loss", {"b1": [1, 2]}, values)
    with pytest.raises(CheckError, match="step: found 0, expected a number other than 0"):
        central_difference(graph, "loss", "W1", values, 0)
    with pytest.raises(CheckError, match="direction: found no input"):
        directional_derivative(graph, "loss", {}, values)
    with pytest.raises(CheckError, match="method: found 'magic', expected one of forward, central"):
        directional_derivative(graph, "loss", {"b1": [1, 2, 3]}, values, "magic")
    with pytest.raises(CheckError, match=r"function: found a result of shape \(3,\), expected a scalar"):
        central_difference(graph, "loss", "b1", values, function=lambda v: v["b1"])
    with pytest.raises(GraphError, match="no variable 'gone'"):
        central_difference(graph, "gone", "W1", values)
