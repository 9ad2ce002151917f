"""Mixed partial derivatives of any order are right and their cost grows polynomially."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise

import mpmath
import numpy as np
import pytest
from sympy import Expr, Rational, cos, cosh, exp, log, sin, sqrt, symbols, tanh

from codegen import (
    DerivationError,
    Equation,
    Graph,
    Index,
    Reduction,
    Variable,
    compile,
    from_expressions,
    gradient,
    mixed_partials,
)
from codegen.functions import sigmoid, silu, softplus
from codegen.ir.operations import count_operations
from codegen.numeric import evaluate
from codegen.passes import optimise
from tests.codegen.derivatives import (
    ARRAYS,
    TX,
    by_complex_step,
    of_two_inputs,
    reals,
)
from tests.codegen.networks import (
    Arrays,
    S,
    distance,
    mlp,
    outputs,
    random_values,
    s,
    squared_error,
)

pytestmark = pytest.mark.values

SUM, MAX = Reduction.SUM, Reduction.MAX
a = symbols("a", real=True)

# --- mixed partial derivatives ------------------------------------------------------------------------------------


def exact_derivative(graph: Graph, order: str, values: Arrays, sample: int) -> float:
    """By mpmath's numerical differentiation of the exactly evaluated u at 60 digits."""
    counts = tuple(order.count(letter) for letter in TX)

    def u(t: mpmath.mpf, x: mpmath.mpf) -> mpmath.mpf:
        return forward_pass(graph, values, t, x)

    with mpmath.workdps(60):
        point = tuple(mpmath.mpf(float(number)) for number in values["x"][sample])
        return float(mpmath.diff(u, point, counts))


def forward_pass(graph: Graph, values: Arrays, t: mpmath.mpf, x: mpmath.mpf) -> mpmath.mpf:
    """The network by hand."""
    a = [t, x]
    layers = len([variable for variable in graph.inputs if variable.name.startswith("W")])
    for layer in range(1, layers + 1):
        W, b = values[f"W{layer}"].tolist(), values[f"b{layer}"].tolist()
        u = [sum((mpmath.mpf(m) * c for m, c in zip(row, a)), mpmath.mpf(bias)) for row, bias in zip(W, b)]
        a = u if layer == layers else [mpmath.tanh(one) for one in u]
    return a[0]


def test_mixed_partials_agree_with_mpmath() -> None:
    graph = of_two_inputs([3, 3])
    values = random_values(graph, samples=2)
    orders = ["t", "x", "xx", "tx", "xt", "xxx", "txx", "ttxx"]
    derived = mixed_partials(graph, "u", orders, TX)
    assert derived.outputs == ("u", "u_t", "u_x", "u_xx", "u_tx", "u_xxx", "u_txx", "u_ttxx")
    for one in (derived, optimise(derived)[0]):
        found = evaluate(one, values)
        for name in derived.outputs[1:]:
            for sample in range(2):
                expected = exact_derivative(graph, name.removeprefix("u_"), values, sample)
                assert found[name][sample] == pytest.approx(expected, rel=1e-11, abs=1e-12), name


SMOOTH = {
    "sin and cos": sin(a) * cos(2 * a),
    "a logarithm": log(1 + a**2),
    "a quotient": (1 + a) / (2 + a**2),
    "a root": sqrt(3 + a) * exp(-a),
    "softplus of a square": softplus(a**2),
    "silu": silu(a),
}


@pytest.mark.parametrize("case", SMOOTH)
def test_derivatives_of_scalar_functions_to_the_fifth_order(case: str) -> None:
    body = SMOOTH[case]
    derived = mixed_partials(from_expressions({"e": body}, [a]), "e", ["a" * m for m in range(1, 6)])
    found = evaluate(optimise(derived)[0], {"a": 0.7})
    b = symbols("b", real=True)
    written = body.replace(softplus, lambda z: log(1 + exp(z))).replace(silu, lambda z: z / (1 + exp(-z)))
    for m, name in enumerate(derived.outputs[1:], 1):
        expected = written.subs(a, b).diff(b, m).evalf(30, subs={b: 0.7})
        assert found[name] == pytest.approx(float(expected), rel=1e-11)


@pytest.mark.parametrize("activation", [tanh, sigmoid, sin, exp, lambda z: log(2 + z**2)])
def test_the_cost_of_an_order_grows_polynomially(activation: Callable[[Expr], Expr]) -> None:
    graph = mlp([2, 4, 4, 1], activation, squared_error)
    work = []
    for order in (1, 2, 4, 8):
        derived = mixed_partials(graph, "u3", ["x" * m for m in range(1, order + 1)], TX)
        work.append(count_operations(optimise(derived)[0], 1).total())
    assert all(later <= 6 * earlier for earlier, later in pairwise(work)), work


def test_second_order_takes_the_work_of_taylor_mode() -> None:
    """u, u_t, u_x, u_xx by Taylor mode: four passes through all contractions but the first."""
    graph = of_two_inputs([20, 20, 20])
    derived, _ = optimise(mixed_partials(graph, "u", ["t", "x", "xx"], TX))
    found = count_operations(derived, 1)
    products = 2 * 20 + 20 + 4 * (20 * 20 * 2 + 20)
    assert found["tanh"] == 60
    assert found["multiply"] <= products + 9 * 60
    assert found.total() <= 2 * products + 16 * 60


def test_what_is_linear_has_no_second_derivative() -> None:
    graph = of_two_inputs([3])
    derived, _ = optimise(mixed_partials(graph, "u", ["xx"], TX))
    assert not any(equation.name.startswith(("z1_xx", "u1_xx")) for equation in derived.equations)
    (z1_x,) = [equation for equation in derived.equations if "W1[h1, 1]" in str(equation)][:1] or [None]
    assert z1_x is not None
    linear = mixed_partials(from_expressions({"e": 3 * a}, [a]), "e", ["aa"])
    assert str(linear.equations[-1]) == "e_aa = 0"


def test_a_normalised_input_keeps_its_columns_apart() -> None:
    d, h, N, W, z = Index("d", 2), Index("h", 3), Variable("N", (2,)), Variable("W", (3, 2)), Variable("z", (S, 3))
    X, scaled = Variable("X", (S, 2)), Variable("scaled", (S, 2))
    graph = Graph(
        (X, N, W),
        (
            Equation(scaled[s, d], X[s, d] / N[d]),
            Equation(z[s, h], tanh(W[h, d] * scaled[s, d]), SUM, (d,)),
        ),
        ("z",),
    )
    derived = mixed_partials(graph, "z", ["x", "xt"], {"x": ("X", 0), "t": ("X", 1)})
    assert derived.outputs == ("z", "z_x", "z_xt")
    found = evaluate(derived, random_values(graph))
    assert not found["z_xt"].any()
    assert np.abs(found["z_x"]).min() > 0


def test_the_parameter_gradient_of_a_loss_over_derivatives_is_right() -> None:
    graph = mixed_partials(of_two_inputs([3, 3]), "u", ["t", "x", "xx"], TX)
    u, u_t, u_x, u_xx = (Variable(name, (S,))[s] for name in graph.outputs)
    residual, loss = Variable("f", (S,)), Variable("loss")
    burgers = [
        Equation(residual[s], u_t + u * u_x - u_xx / 100),
        Equation(loss.symbol, residual[s] ** 2 / S, SUM, (s,)),
    ]
    graph = graph.with_equations([*graph.equations, *burgers], ["loss"])
    wrt = [name for name in reals(graph) if name != "x"]
    values = random_values(graph)
    derived = gradient(graph, "loss", wrt)
    for one in (derived, optimise(derived)[0]):
        for name, slope in zip(wrt, outputs(one, values)[1:]):
            assert distance([slope], by_complex_step(graph, ["loss"], name, values)) <= 1e-12


BAD = [
    (["z"], None, "unknown direction 'z'"),
    (["x"], None, "expected an element of 'x'"),
    ([""], None, "orders: found an empty one"),
    (["x"], {"x": ("x", 2)}, "expected an element of 'x'"),
]


@pytest.mark.parametrize(("orders", "directions", "message"), BAD)
def test_bad_directions_are_refused(orders: list[str], directions: object, message: str) -> None:
    with pytest.raises(DerivationError, match=message):
        mixed_partials(of_two_inputs([2]), "u", orders, directions)


def test_the_order_of_a_longer_name_is_a_sequence() -> None:
    alpha = symbols("alpha")
    graph = from_expressions({"u": alpha**3}, [alpha])
    with pytest.raises(DerivationError, match=re.escape("unknown direction 'a', expected one of alpha; a text is")):
        mixed_partials(graph, "u", ["alpha"])
    assert mixed_partials(graph, "u", [("alpha", "alpha")]).outputs == ("u", "u_alpha_alpha")


def test_mixed_samples_have_no_partial_derivatives() -> None:
    with pytest.raises(DerivationError, match="'y' of one sample depends on 'x' of others, through `q"):
        mixed_partials(ARRAYS["samples that are mixed"], "y", ["x"], {"x": ("x", 0)})


x = symbols("x", real=True)
OF_TWO_ARGUMENTS = {
    "sin·sin": sin(x) * sin(2 * x),
    "tanh + tanh": tanh(x) + tanh(2 * x) / 10,
    "difference of bells": exp(-(x**2)) - exp(-2 * x**2),
    "log of a sum": log(exp(x) + exp(2 * x)),
    "log cosh": log(cosh(x)),
    "log of two exponentials": log(exp(x) + exp(-x)),
}


@pytest.mark.parametrize("name", OF_TWO_ARGUMENTS)
@pytest.mark.parametrize("point", [0.0, 0.7])
def test_derivatives_of_formulas_with_one_function_at_two_arguments(name: str, point: float) -> None:
    formula = OF_TWO_ARGUMENTS[name]
    orders = ["x" * order for order in range(1, 5)]
    derived = mixed_partials(from_expressions({"e": formula}, [x]), "e", orders)
    found = compile(derived)(point)
    for order, value in enumerate(found):
        assert value == pytest.approx(float(formula.diff(x, order).subs(x, Rational(point))), rel=1e-12, abs=1e-12)
