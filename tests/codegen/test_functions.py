"""Every function is what its definition says, its derivative too, and at a kink the derivative is the convention."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sympy import Expr, Float, Integer, Rational, Symbol, exp, sqrt, tanh
from sympy import sign as sympy_sign

from codegen import from_expressions, gradient
from codegen import functions as f
from codegen.functions import CANONICAL, SUPPORTED, SYMPY_FUNCTIONS, Composite, Primitive, canonical
from codegen.numeric.evaluate import evaluate
from codegen.passes import lower

x, y, z = (Symbol(name, real=True) for name in "xyz")
INF, NAN = np.inf, np.nan

#: name → (the expression, its definition in mpmath, kinks)
UNARY: dict[str, tuple[Expr, Callable[[Any], Any], tuple[float, ...]]] = {
    "sigmoid": (f.sigmoid(x), lambda v: 1 / (1 + mpmath.exp(-v)), ()),
    "softplus": (f.softplus(x), lambda v: mpmath.log(1 + mpmath.exp(v)), ()),
    "expm1": (f.expm1(x), lambda v: mpmath.exp(v) - 1, ()),
    "log1p": (f.log1p(x), lambda v: mpmath.log(1 + v), ()),
    "normal_cdf": (f.normal_cdf(x), lambda v: mpmath.ncdf(v), ()),
    "step": (f.step(x), lambda v: v > 0, (0,)),
    "relu": (f.relu(x), lambda v: max(v, 0), (0,)),
    "sign": (f.sign(x), mpmath.sign, (0,)),
    "absolute": (f.absolute(x), abs, (0,)),
    "clip": (f.clip(x, -1, 2), lambda v: min(max(v, -1), 2), (-1, 2)),
    "leaky_relu": (f.leaky_relu(x, Rational(1, 10)), lambda v: v if v > 0 else v / 10, (0,)),
    "elu": (f.elu(x, 2), lambda v: v if v > 0 else 2 * (mpmath.exp(v) - 1), (0,)),
    "silu": (f.silu(x), lambda v: v / (1 + mpmath.exp(-v)), ()),
    "gelu": (f.gelu(x), lambda v: v * mpmath.ncdf(v), ()),
    "gelu_tanh": (
        f.gelu_tanh(x),
        lambda v: v / 2 * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (v + mpmath.mpf("0.044715") * v**3))),
        (),
    ),
    "log_sigmoid": (f.log_sigmoid(x), lambda v: -mpmath.log(1 + mpmath.exp(-v)), ()),
    "relu6": (f.relu6(x), lambda v: min(max(v, 0), 6), (0, 6)),
    "hard_tanh": (f.hard_tanh(x), lambda v: min(max(v, -1), 1), (-1, 1)),
    "maximum": (f.maximum(x, 1), lambda v: max(v, 1), (1,)),
    "minimum": (f.minimum(x, 1, -x), lambda v: min(v, 1, -v), (0,)),
    "select": (f.select(x - 1, x**2, 3 * x), lambda v: v**2 if v > 1 else 3 * v, (1,)),
    "sech": (f.sech(x), mpmath.sech, ()),
    "csch": (f.csch(x - 100), lambda v: mpmath.csch(v - 100), ()),
    "coth": (f.coth(x + 100), lambda v: mpmath.coth(v + 100), ()),
    "acot": (f.acot(x + 100), lambda v: mpmath.acot(v + 100), ()),
    "log_sum_exp": (f.log_sum_exp(x, 2 * x, 0), lambda v: mpmath.log(mpmath.exp(v) + mpmath.exp(2 * v) + 1), ()),
}
POINTS = (-30.5, -3.0, -0.75, -1e-9, 0.0, 1e-9, 0.5, 1.5, 4.0, 25.0)


def value_and_slope(expression: Expr, at: float) -> tuple[float, float]:
    found = evaluate(gradient(from_expressions({"e": expression}, [x]), "e"), {"x": at})
    return float(found["e"]), float(found["de/dx"])


@pytest.mark.parametrize(("name", "at"), [(name, at) for name in UNARY for at in POINTS if name != "log1p" or at > -1])
def test_value_and_derivative_are_those_of_the_definition(name: str, at: float) -> None:
    expression, definition, kinks = UNARY[name]
    with mpmath.workdps(60):
        value = float(definition(mpmath.mpf(at)))
        slope = float(mpmath.diff(lambda v: mpmath.mpf(definition(v)), mpmath.mpf(at), h=mpmath.mpf(10) ** -15))
    found = value_and_slope(expression, at)
    # The logarithm of a sum that is nearly 1 is exact to an absolute error only.
    assert found[0] == pytest.approx(value, rel=1e-14, abs=1e-15 if name == "log_sum_exp" else 1e-300)
    if at not in kinks:
        assert found[1] == pytest.approx(slope, rel=1e-13, abs=1e-15)


@pytest.mark.parametrize("name", UNARY)
def test_the_definition_that_the_oracle_evaluates_agrees(name: str) -> None:
    expression, definition, _ = UNARY[name]
    for at in (Rational(-1, 3), Rational(1, 7), Rational(9, 4)):
        with mpmath.workdps(40):
            expected = definition(mpmath.mpf(at.p) / at.q)
            found = mpmath.mpf(str(expression.subs(x, at).evalf(30)))
            assert abs(found - expected) <= mpmath.mpf("1e-28") * max(1, abs(expected))


@pytest.mark.parametrize(
    ("expression", "at", "slope"),
    [
        (f.relu(x), 0, 0),
        (f.leaky_relu(x, Rational(1, 10)), 0, 0.1),
        (f.elu(x, 2), 0, 2),
        (f.absolute(x), 0, 0),
        (f.sign(x), 0, 0),
        (f.step(x), 0, 0),
        (f.relu6(x), 0, 0),
        (f.relu6(x), 6, 0),
        (f.hard_tanh(x), -1, 0),
        (f.hard_tanh(x), 1, 0),
        (f.clip(x, -2, 3), 3, 0),
        (f.maximum(x, 0), 0, 0.5),
        (f.minimum(x, 0), 0, 0.5),
        (f.maximum(x, 2 * x, 0), 0, 1),
        (f.select(x, x, -x), 0, -1),
        (f.equal(x, 0), 0, 0),
    ],
    ids=str,
)
def test_at_a_kink_the_derivative_follows_the_convention(expression: Expr, at: float, slope: float) -> None:
    assert value_and_slope(expression, at)[1] == slope


@pytest.mark.parametrize(
    ("expression", "at", "value", "slope"),
    [
        (f.sigmoid(x), 800, 1, 0),
        (f.sigmoid(x), -800, 0, 0),
        (f.softplus(x), 800, 800, 1),
        (f.softplus(x), -800, 0, 0),
        (f.log_sigmoid(x), -800, -800, 1),
        (f.log_sigmoid(x), 800, 0, 0),
        (f.silu(x), -800, 0, 0),
        (f.silu(x), 800, 800, 1),
        (f.gelu(x), -800, 0, 0),
        (f.gelu(x), 800, 800, 1),
        (f.gelu_tanh(x), 800, 800, 1),
        (f.elu(x, 1), -800, -1, 0),
        (f.elu(x, 1), 800, 800, 1),
        (f.leaky_relu(x, Rational(1, 10)), -1000, -100, 0.1),
        (f.log_sum_exp(x, 0), 1000, 1000, 1),
        (f.log_sum_exp(x, 0), -1000, 0, 0),
        (f.log_sum_exp(x, -x), 1000, 1000, 1),
        (tanh(x), 1000, 1, 0),
        (f.sech(x), 1000, 0, 0),
        (f.sech(x), -INF, 0, 0),
        (f.csch(x), -1000, 0, 0),
        (f.coth(x), 1000, 1, 0),
        (f.acot(x), 0, np.pi / 2, -1),
        (f.relu(x), INF, INF, 1),
        (f.sigmoid(x), -INF, 0, 0),
        (f.relu(x), NAN, NAN, 0),
        (f.maximum(x, 0), NAN, NAN, 0),
        (f.softplus(x), NAN, NAN, NAN),
    ],
    ids=str,
)
def test_far_out_value_and_derivative_are_finite_and_right(
    expression: Expr, at: float, value: float, slope: float
) -> None:
    np.testing.assert_array_equal(value_and_slope(expression, at), (value, slope))


def test_functions_of_several_arguments_have_all_their_derivatives() -> None:
    assert f.clip(x, y, z).diff(y) == f.select(x - y, 0, 1)
    assert f.clip(x, y, z).diff(z) == f.select(z - x, 0, 1)
    assert f.select(x, y, z).diff(x) == 0
    assert f.select(x, y**2, y).diff(y) == f.select(x, 2 * y, 1)
    assert f.maximum(x, y).diff(y) == f.select(x - y, 0, f.select(f.equal(x, y), Rational(1, 2), 1))
    assert f.stop_gradient(x**2).diff(x) == 0
    assert f.equal(x, y).diff(x) == 0
    assert f.elu(x, y).diff(y) == f.select(x, 0, f.expm1(x))


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ((2.0, 3.0), (8, 12, 8 * np.log(2))),
        ((0.0, 2.0), (0, 0, 0)),
        ((0.0, 1.0), (0, 1, 0)),
        ((0.0, 0.0), (1, 0, -INF)),
        ((-2.0, 3.0), (-8, 12, NAN)),
        ((-2.0, 0.5), (NAN, NAN, NAN)),
        ((0.0, -1.0), (INF, -INF, -INF)),
    ],
)
def test_a_power_with_a_variable_exponent(at: tuple[float, float], expected: tuple[float, float, float]) -> None:
    found = evaluate(gradient(from_expressions({"e": x**y}, [x, y]), "e"), {"x": at[0], "y": at[1]})
    np.testing.assert_allclose([found[name] for name in ("e", "de/dx", "de/dy")], expected, rtol=1e-15)


def test_iverson_brackets_of_numbers_are_numbers() -> None:
    assert (f.equal(2, 2), f.equal(2, 3), f.equal(x, x)) == (1, 0, 1)
    assert f.equal(x, y).args == (x, y)


def test_functions_stay_unevaluated_and_are_real() -> None:
    for expression in (f.relu(Integer(-1)), f.maximum(1, 2), f.absolute(-x), f.sigmoid(0), f.silu(x), f.sign(2)):
        assert isinstance(expression, (Primitive, Composite))
    assert all(expression.is_extended_real for expression, _, _ in UNARY.values())


@pytest.mark.parametrize(
    ("expression", "value"),
    [(f.relu6(7), 6), (f.silu(0), 0), (f.log_sum_exp(0, 0), np.log(2)), (f.maximum(1, 2.5), 2.5), (f.gelu(0), 0)],
    ids=str,
)
def test_a_function_of_numbers_has_a_numerical_value(expression: Expr, value: float) -> None:
    assert float(expression.evalf()) == pytest.approx(value)


def test_a_function_of_a_symbol_has_no_numerical_value() -> None:
    assert f.sigmoid(x).evalf() == f.sigmoid(x)
    assert f.sigmoid(x + Float(1)).evalf(subs={x: 0}) == f.sigmoid(1).evalf()


def test_a_wrong_number_of_arguments_is_an_error() -> None:
    for build in (lambda: f.sigmoid(x, y), lambda: f.clip(x), lambda: f.leaky_relu(x)):
        with pytest.raises(TypeError, match="takes exactly"):
            build()


@pytest.mark.parametrize("name", [name for name, (e, _, _) in UNARY.items() if isinstance(e, Composite)])
def test_a_composite_function_is_lowered_to_primitives(name: str) -> None:
    (equation,) = lower(from_expressions({"e": UNARY[name][0]}, [x])).equations
    assert not equation.body.atoms(Composite)
    assert float(evaluate(from_expressions({"e": UNARY[name][0]}, [x]), {"x": 0.7})["e"]) == pytest.approx(
        float(UNARY[name][1](0.7)), rel=1e-14
    )


def test_every_function_of_the_module_is_supported() -> None:
    functions = [kind for name in f.__all__ if name.islower() and isinstance(kind := getattr(f, name), type)]
    assert all(issubclass(function, (Primitive, Composite)) for function in functions)
    assert all(issubclass(function, SUPPORTED) for function in (*functions, *SYMPY_FUNCTIONS, *CANONICAL))


def test_canonical_replaces_what_sympy_makes_by_itself() -> None:
    assert canonical(sqrt(x**2) + sympy_sign(x)) == f.absolute(x) + f.sign(x)
    assert canonical(f.relu(x)) == f.relu(x)


@given(st.floats(-700, 700), st.floats(-700, 700), st.floats(-700, 700))
def test_log_sum_exp_lies_between_its_largest_argument_and_that_plus_log_n(p: float, q: float, r: float) -> None:
    found = float(evaluate(from_expressions({"e": f.log_sum_exp(x, y, z)}, [x, y, z]), {"x": p, "y": q, "z": r})["e"])
    assert max(p, q, r) <= found <= max(p, q, r) + np.log(3) + 1e-12


@given(st.floats(-700, 700))
def test_sigmoid_is_symmetric_and_the_slope_of_softplus(at: float) -> None:
    left, right = value_and_slope(f.sigmoid(-x), at)[0], value_and_slope(f.sigmoid(x), at)[0]
    assert left + right == pytest.approx(1, rel=1e-15)
    assert value_and_slope(f.softplus(x), at)[1] == right
    assert value_and_slope(f.log_sigmoid(x), at)[0] == pytest.approx(-value_and_slope(f.softplus(-x), at)[0])


def test_a_derivative_of_exp_does_not_leak_out_of_the_branch_that_is_not_taken() -> None:
    assert value_and_slope(f.select(x, x, exp(-x)), 1000.0) == (1000, 1)
    assert value_and_slope(f.select(-x, exp(x), x), 1000.0) == (1000, 1)
