"""Jacobians, Hessians, products, Gauss-Newton matrices, gradients per sample and mixed partial derivatives are right.

The oracle is the complex step of first derivatives, which is exact to rounding; second derivatives are held to the
complex step of the gradient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray
from sympy import Abs, Expr, Integer, cos, exp, log, sin, sqrt, symbols, tanh

import codegen
from codegen import (
    DerivationError,
    Equation,
    Graph,
    Index,
    Reduction,
    Variable,
    from_expressions,
    gauss_newton,
    gradient,
    hessian,
    hvp,
    jacobian,
    jvp,
    mixed_partials,
    per_sample_gradients,
    vjp,
)
from codegen.functions import absolute, clip, elu, equal, leaky_relu, relu, select, sigmoid, silu, softplus
from codegen.numeric import evaluate, evaluate_exactly
from codegen.operations import count_operations
from codegen.passes import optimise
from tests.codegen.networks import (
    ENDINGS,
    Arrays,
    S,
    cross_entropy,
    distance,
    index_graphs,
    mlp,
    outputs,
    parameters,
    random_values,
    s,
    squared_error,
)

SUM, MAX = Reduction.SUM, Reduction.MAX
Array = NDArray[np.float64]
A, B, v, w, x = (Variable(n, e) for n, e in [("A", (3, 3)), ("B", (3, 3)), ("v", (3,)), ("w", (2,)), ("x", (S, 3))])
q, r, y = Variable("q", (3,)), Variable("r", (3, 3)), Variable("y", (S, 3))
i, j, k, n = Index("i", 3), Index("j", 3), Index("k", 3), Index("n", 2)


def system(*equations: Equation) -> Graph:
    """A graph over A, B, v, w and x whose output is the last equation's."""
    used = {str(reference).split("[")[0] for equation in equations for reference in equation.references}
    return Graph(tuple(u for u in (A, B, v, w, x) if u.name in used), equations, (equations[-1].name,))


def reals(graph: Graph) -> list[str]:
    return [variable.name for variable in graph.inputs if variable.kind == "real"]


# --- oracles ------------------------------------------------------------------------------------------------------


def by_complex_step(graph: Graph, of: Sequence[str], wrt: str, values: Arrays) -> list[Array]:
    """d of/d wrt for each of ``of``, column by column: Im f(x + i·h·e)/h."""
    shape = np.shape(values[wrt])
    columns: list[list[Array]] = [[] for _ in of]
    for entry in np.ndindex(*shape):
        moved = np.array(values[wrt], np.complex128)
        moved[entry] += 1e-30j
        found = evaluate(graph, {**values, wrt: moved}, np.complex128)
        for name, column in zip(of, columns):
            column.append(found[name].imag / 1e-30)
    return [np.stack(column, axis=-1).reshape((*np.shape(column[0]), *shape)) for column in columns]


def second_by_complex_step(graph: Graph, of: str, wrt: Sequence[str], values: Arrays) -> list[Array]:
    """The blocks i ≤ j of the Hessian, from the gradient."""
    slopes = gradient(graph, of, list(wrt))
    found = []
    for a, name in enumerate(slopes.outputs[1:]):
        found += [by_complex_step(slopes, [name], other, values)[0] for other in wrt[a:]]
    return found


def directions(graph: Graph, wrt: Sequence[str], values: Arrays, seed: int = 5) -> Arrays:
    """A random array ``v_NAME`` for each."""
    generator = np.random.Generator(np.random.PCG64(seed))
    return {f"v_{name}": generator.standard_normal(np.shape(values[name])) for name in wrt}


# --- arrays -------------------------------------------------------------------------------------------------------

ARRAYS: Mapping[str, Graph] = {
    "a network, all outputs": mlp([3, 4, 3]).with_outputs("u2"),
    "a network, three layers": mlp([2, 3, 3, 2], sigmoid).with_outputs("u3"),
    "the softmax of a network": mlp([2, 3, 3]).with_outputs("p"),
    "extents of 1": mlp([1, 1, 1]).with_outputs("u2"),
    "the loss of each sample": mlp([3, 4, 3]).with_outputs("l"),
    "a matrix product": system(Equation(r[i, j], A[i, k] * B[k, j], SUM, (k,))),
    "a transposed one": system(Equation(r[i, j], A[k, i] * B[j, k], SUM, (k,))),
    "itself and its transpose": system(Equation(r[i, j], A[i, j] * sin(A[j, i]))),
    "the diagonal": system(Equation(q[i], A[i, i] * v[i])),
    "onto the diagonal": system(Equation(r[i, j], equal(i, j) * v[i] ** 2)),
    "columns by number": system(Equation(q[i], x[s, 0] * sin(x[s, 1]) * v[i], SUM, (s,))),
    "a column by number": system(Equation(r[i, j], A[i, 1] * v[j])),
    "assigned by rows, of which one does not depend on v": system(
        Equation(r[0, j], A[0, j]),
        Equation(r[1, j], v[j] ** 2),
        Equation(r[2, j], A[j, 2] * v[2]),
        Equation(q[i], r[i, i] * r[i, 1]),
    ),
    "a maximum": system(Equation(q[i], A[i, j] * v[j], MAX, (j,))),
    "samples that are mixed": system(
        Equation(q[i], x[s, i] ** 2, SUM, (s,)), Equation(y[s, i], x[s, i] * q[i] + q[0])
    ),
    "a bracket of two ranges": system(Equation(q[i], equal(i, n) * v[i] * w[n], SUM, (n,))),
    "a bracket out of range": system(Equation(q[i], (1 + equal(i, 2)) * w[n] * v[i], SUM, (n,))),
    "indices in a body": system(Equation(r[i, j], v[i] ** (i + 1) * (j + 2))),
    "broadcasting": system(Equation(r[i, j], v[i]), Equation(y[s, i], r[i, j] * x[s, j] ** 2, SUM, (j,))),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_the_jacobian_is_that_of_the_complex_step(case: str) -> None:
    graph = ARRAYS[case]
    of, wrt, values = graph.outputs[0], reals(graph), random_values(graph, seed=1)
    expected = [evaluate(graph, values)[of]]
    expected += [by_complex_step(graph, [of], name, values)[0] for name in wrt]
    for mode in ("forward", "reverse", "auto"):
        found = jacobian(graph, of, wrt, mode=mode)  # type: ignore[arg-type]
        assert distance(outputs(found, values), expected) <= 1e-12, mode
        assert distance(outputs(optimise(found)[0], values), expected) <= 1e-12, mode
        assert distance(outputs(jacobian(graph.unroll(), of, wrt, mode=mode), values), expected) <= 1e-12  # type: ignore[arg-type]


@pytest.mark.parametrize("case", ARRAYS)
def test_products_with_a_vector_are_those_of_the_jacobian(case: str) -> None:
    graph = ARRAYS[case]
    of, wrt, values = graph.outputs[0], reals(graph), random_values(graph, seed=2)
    value, *blocks = outputs(jacobian(graph, of, wrt), values)
    along = directions(graph, wrt, values)
    forward = sum(np.tensordot(b, along[f"v_{name}"], np.ndim(along[f"v_{name}"])) for name, b in zip(wrt, blocks))
    across = np.random.Generator(np.random.PCG64(3)).standard_normal(np.shape(value))
    backward = [np.tensordot(across, block, np.ndim(across)) for block in blocks]
    for one in (graph, graph.unroll()):
        assert distance(outputs(jvp(one, of, wrt), {**values, **along}), [value, np.asarray(forward)]) <= 1e-12
        assert distance(outputs(vjp(one, of, wrt), {**values, f"v_{of}": across}), [value, *backward]) <= 1e-12


@settings(max_examples=40)
@given(index_graphs())
def test_jacobians_of_random_graphs(graph: Graph) -> None:
    of = graph.equations[-2].name
    values = random_values(graph, samples=2)
    expected = [by_complex_step(graph, [of], name, values)[0] for name in reals(graph)]
    for mode in ("forward", "reverse"):
        found = jacobian(graph, of, mode=mode)  # type: ignore[arg-type]
        assert distance(outputs(found, values)[1:], expected) <= 1e-11
        assert distance(outputs(optimise(found)[0], values)[1:], expected) <= 1e-11


# --- second derivatives -------------------------------------------------------------------------------------------

SCALARS: Mapping[str, Graph] = {
    **{f"a network, {ending.__name__}": mlp([2, 3, 3], tanh, ending) for ending in ENDINGS},
    "a network, silu": mlp([2, 3, 2], silu, squared_error),
    "a network, relu": mlp([2, 3, 2], relu),
}


def total_of_squares(graph: Graph) -> Graph:
    """½ Σ out²."""
    of = graph.variable(graph.outputs[0])
    index = tuple(Index(f"o{axis}", extent) for axis, extent in enumerate(of.shape))
    half = Equation(Variable("half").symbol, of[index] ** 2 / 2, SUM, index)
    return graph.with_equations([*graph.equations, half], ["half"])


SECOND = {**SCALARS, **{case: total_of_squares(graph) for case, graph in ARRAYS.items()}}


@pytest.mark.parametrize("case", SECOND)
def test_the_hessian_is_that_of_the_complex_step_of_the_gradient(case: str) -> None:
    graph = SECOND[case]
    of, wrt, values = graph.outputs[0], reals(graph), random_values(graph, seed=4, samples=3)
    expected = second_by_complex_step(graph, of, wrt, values)
    found = hessian(graph, of, wrt)
    assert distance(outputs(found, values)[1:], expected) <= 1e-12
    assert distance(outputs(optimise(found)[0], values)[1:], expected) <= 1e-12


@pytest.mark.parametrize("case", SECOND)
def test_the_hessian_vector_product_is_that_of_the_hessian(case: str) -> None:
    graph = SECOND[case]
    of, wrt, values = graph.outputs[0], reals(graph), random_values(graph, seed=4, samples=3)
    value, *blocks = outputs(hessian(graph, of, wrt), values)
    along = directions(graph, wrt, values)
    expected = [np.zeros_like(values[name]) for name in wrt]
    pairs = [(a, b) for a in range(len(wrt)) for b in range(a, len(wrt))]
    for (a, b), block in zip(pairs, blocks):
        right, left = along[f"v_{wrt[b]}"], along[f"v_{wrt[a]}"]
        expected[a] = expected[a] + np.tensordot(block, right, np.ndim(right))
        if a != b:
            expected[b] = expected[b] + np.tensordot(left, block, np.ndim(left))
    for one in (graph, graph.unroll()):
        assert distance(outputs(hvp(one, of, wrt), {**values, **along}), [value, *expected]) <= 1e-12


@settings(max_examples=25)
@given(index_graphs())
def test_hessians_of_random_graphs(graph: Graph) -> None:
    values = random_values(graph, samples=2)
    expected = second_by_complex_step(graph, "L", reals(graph), values)
    assert distance(outputs(optimise(hessian(graph, "L"))[0], values)[1:], expected) <= 1e-11


def test_the_hessian_agrees_with_mpmath() -> None:
    graph = mlp([2, 3, 2])
    names = parameters(graph)
    values = random_values(graph, seed=6)
    derived = hessian(graph, "loss", names)
    exact = evaluate_exactly(derived, values)
    found = outputs(optimise(derived)[0], values)
    assert distance(found, [np.asarray(exact[name], np.float64) for name in derived.outputs]) <= 1e-13


def test_the_hessian_of_an_array_has_its_axes_first() -> None:
    graph = system(Equation(y[s, i], tanh(A[i, j] * x[s, j]), SUM, (j,)))
    values = random_values(graph)
    _, block = outputs(hessian(graph, "y", ["A"]), values)
    first = jacobian(graph, "y", ["A"])
    (expected,) = by_complex_step(first, [first.outputs[1]], "A", values)
    assert distance([block], [expected]) <= 1e-12


# --- the table of kinks: first and second derivatives ------------------------------------------------------------

a = symbols("a", real=True)
KINKS = [
    (relu(a), 0, 0, 0),
    (leaky_relu(a, Integer(2)), 0, 2, 0),
    (Abs(a), 0, 0, 0),
    (absolute(a) * a, 0, 0, 0),
    (clip(a, Integer(-1), Integer(1)), 1, 0, 0),
    (elu(a, Integer(1)), 0, 1, 1),
    (relu(a) ** 2, 0, 0, 0),
    (select(a, log(a), a**3), 0, 0, 0),
    (softplus(a), 800, 1, 0),
    (sigmoid(a), -800, 0, 0),
    (tanh(a), 1000, 0, 0),
]


@pytest.mark.parametrize(("body", "at", "first", "second"), KINKS, ids=[str(row[0]) for row in KINKS])
def test_derivatives_at_kinks_follow_the_table(body: Expr, at: float, first: float, second: float) -> None:
    graph = from_expressions({"e": body}, [a])
    values = {"a": np.float64(at)}
    for one in (graph, optimise(graph)[0]):
        assert [float(f) for f in outputs(jacobian(one, "e", mode="forward"), values)[1:]] == [first]
        assert [float(f) for f in outputs(optimise(hessian(one, "e"))[0], values)[1:]] == [second]
        product = outputs(hvp(one, "e"), {**values, "v_a": np.float64(3)})
        assert float(product[1]) == 3 * second


def test_tied_maxima_share_first_derivatives_and_have_no_second() -> None:
    graph = system(Equation(q[i], A[i, j] ** 2, MAX, (j,)))
    values = {"A": np.array([[2.0, -2, 0], [1, 1, 1], [5, 0, 1]])}
    expected = np.zeros((3, 3, 3))
    expected[0, 0, :2], expected[1, 1], expected[2, 2, 0] = [2, -2], 2 / 3, 10
    for mode in ("forward", "reverse"):
        np.testing.assert_allclose(outputs(jacobian(graph, "q", mode=mode), values)[1], expected)  # type: ignore[arg-type]
    second = outputs(hessian(graph, "q"), values)[1]
    assert second[0, 0, 0, 0, 0] == 1  # half of (A²)'' = 2
    assert second[2, 2, 0, 2, 0] == 2


# --- Gauss-Newton -------------------------------------------------------------------------------------------------


def test_the_gauss_newton_matrix_is_the_product_of_jacobians() -> None:
    graph = mlp([2, 3, 2], tanh, squared_error)
    wrt, values = parameters(graph), random_values(graph)
    _, *blocks = outputs(jacobian(graph, "u2", wrt), values)
    expected = [np.tensordot(a, b, ((0, 1), (0, 1))) for m, a in enumerate(blocks) for b in blocks[m:]]
    for one in (graph, graph.unroll()):
        assert distance(outputs(gauss_newton(one, "u2", wrt), values)[1:], expected) <= 1e-12


@pytest.mark.parametrize("ending", ENDINGS[:4], ids=lambda ending: ending.__name__)
def test_the_gauss_newton_matrix_of_a_loss_has_its_hessian_in_the_middle(ending: object) -> None:
    graph = mlp([2, 3, 3], tanh, ending)  # type: ignore[arg-type]
    wrt, values = parameters(graph), random_values(graph)
    _, *blocks = outputs(jacobian(graph, "u2", wrt), values)
    _, middle = outputs(hessian(graph, "loss", ["u2"]), values)
    curved = [np.tensordot(middle, block, ((2, 3), (0, 1))) for block in blocks]
    expected = [np.tensordot(a, b, ((0, 1), (0, 1))) for m, a in enumerate(blocks) for b in curved[m:]]
    found = gauss_newton(graph, "loss", wrt, through="u2")
    assert distance(outputs(found, values)[1:], expected) <= 1e-12
    assert distance(outputs(optimise(found)[0], values)[1:], expected) <= 1e-12


# --- samples ------------------------------------------------------------------------------------------------------


def test_the_jacobian_of_each_sample() -> None:
    graph = mlp([3, 4, 2])
    values = random_values(graph)
    _, full, weights = outputs(jacobian(graph, "u2", ["x", "W1"]), values)
    for mode in ("forward", "reverse"):
        _, own, same = outputs(jacobian(graph, "u2", ["x", "W1"], mode=mode, samples=True), values)  # type: ignore[arg-type]
        assert own.shape == (4, 2, 3)
        np.testing.assert_allclose(own, np.einsum("stsd->std", full), rtol=1e-13)
        np.testing.assert_allclose(same, weights, rtol=1e-12, atol=1e-14)
    _, curvature = outputs(hessian(graph, "u2", ["x"], samples=True), values)
    _, whole = outputs(hessian(graph, "u2", ["x"]), values)
    np.testing.assert_allclose(curvature, np.einsum("stsdse->stde", whole), rtol=1e-12, atol=1e-14)


def test_the_jacobian_of_each_sample_takes_work_in_proportion_to_the_samples() -> None:
    found = optimise(jacobian(mlp([3, 4, 2]), "u2", ["x"], samples=True))[0]
    once, many = (count_operations(found, samples).total() for samples in (1, 101))
    assert many - once <= 100 * once


@pytest.mark.parametrize("mode", ["forward", "reverse"])
def test_mixed_samples_have_no_jacobian_per_sample(mode: str) -> None:
    graph = ARRAYS["samples that are mixed"]
    with pytest.raises(DerivationError, match="'y' of one sample depends on 'x' of others"):
        jacobian(graph, "y", ["x"], mode=mode, samples=True)  # type: ignore[arg-type]


def test_gradients_per_sample_add_up_to_the_gradient() -> None:
    graph = mlp([3, 4, 3])
    wrt, values = parameters(graph), random_values(graph)
    loss, *rows = outputs(per_sample_gradients(graph, "loss", wrt), values)
    expected, *slopes = outputs(gradient(graph, "loss", wrt), values)
    assert [row.shape for row in rows] == [(4, *slope.shape) for slope in slopes]
    assert distance([loss, *(row.sum(axis=0) for row in rows)], [expected, *slopes]) <= 1e-13
    one = {name: value[1:2] if name in "xy" else value for name, value in values.items()}
    _, *single = outputs(gradient(graph, "loss", wrt), one)
    assert distance([4 * row[1] for row in rows], single) <= 1e-13
    _, *each = outputs(per_sample_gradients(graph, "l", [*wrt, "x"]), values)
    assert distance(each[:-1], [4 * row for row in rows]) <= 1e-13
    assert each[-1].shape == (4, 3)


def test_what_is_no_sum_over_samples_has_no_gradients_per_sample() -> None:
    graph = system(Equation(q[i], A[i, j] * v[j], SUM, (j,)), Equation(Variable("L").symbol, q[i] ** 2, SUM, (i,)))
    with pytest.raises(DerivationError, match="'L' is not a sum over samples"):
        per_sample_gradients(graph, "L")
    with pytest.raises(DerivationError, match="'q' need an array over the samples"):
        per_sample_gradients(graph, "q")


# --- mixed partial derivatives ------------------------------------------------------------------------------------


def of_two_inputs(hidden: Sequence[int]) -> Graph:
    """A network of X = (t, x), whose output is u[s]."""
    graph = mlp([2, *hidden, 1])
    last = f"u{len(hidden) + 1}"
    u = Variable("u", (S,))
    kept = [e for e in graph.equations if e.name[1:].isdigit() and len(e.name) == 2]
    equations = [*kept, Equation(u[s], graph.variable(last)[s, 0])]
    return Graph(tuple(variable for variable in graph.inputs if variable.name != "y"), tuple(equations), ("u",))


TX = {"t": ("x", 0), "x": ("x", 1)}


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
def test_the_cost_of_an_order_grows_polynomially(activation: object) -> None:
    graph = mlp([2, 4, 4, 1], activation, squared_error)  # type: ignore[arg-type]
    work = []
    for order in (1, 2, 4, 8):
        derived = mixed_partials(graph, "u3", ["x" * m for m in range(1, order + 1)], TX)
        work.append(count_operations(optimise(derived)[0], 1).total())
    assert all(later <= 6 * earlier for earlier, later in zip(work, work[1:])), work


def test_second_order_takes_the_work_of_taylor_mode() -> None:
    """u, u_t, u_x, u_xx by Taylor mode: four passes through each contraction but the first, and 13 operations a unit."""
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
        mixed_partials(of_two_inputs([2]), "u", orders, directions)  # type: ignore[arg-type]


def test_mixed_samples_have_no_partial_derivatives() -> None:
    with pytest.raises(DerivationError, match="'y' of one sample depends on 'x' of others, through `q"):
        mixed_partials(ARRAYS["samples that are mixed"], "y", ["x"], {"x": ("x", 0)})


# --- work ---------------------------------------------------------------------------------------------------------

NETWORKS = {
    "2-16-3": mlp([2, 16, 3]),
    "64-32-10": mlp([64, 32, 10]),
    "20-20-20-4": mlp([20, 20, 20, 4], sigmoid, squared_error),
    "6-10-5 silu": mlp([6, 10, 5], silu),
}


@pytest.mark.parametrize("case", NETWORKS)
def test_gradient_and_hessian_vector_product_are_within_their_bounds(case: str) -> None:
    graph = NETWORKS[case]
    wrt = parameters(graph)

    def work(of: Graph) -> int:
        return count_operations(optimise(of)[0], 16).total()

    forward = work(graph)
    assert work(gradient(graph, "loss", wrt)) <= 5 * forward
    assert work(hvp(graph, "loss", wrt)) <= 10 * forward


def test_the_jacobian_takes_the_cheaper_mode() -> None:
    narrow, wide = mlp([2, 8, 20]).with_outputs("u2"), mlp([20, 8, 2]).with_outputs("u2")
    for graph, mode in ((narrow, "forward"), (wide, "reverse")):
        assert jacobian(graph, "u2", ["x"], samples=True) == jacobian(graph, "u2", ["x"], samples=True, mode=mode)  # type: ignore[arg-type]


def test_the_hessian_of_a_small_network_is_dominated_by_its_entries() -> None:
    """1,172 entries of the blocks i ≤ j, a multiplication and an addition for each of 16 samples."""
    entries = 2 * 16 * 1172
    for ending, factor in ((squared_error, 1.25), (cross_entropy, 1.75)):
        graph = mlp([2, 8, 2], tanh, ending)
        found = optimise(hessian(graph, "loss", parameters(graph)))[0]
        assert count_operations(found, 16).total() <= factor * entries


# --- compiled -----------------------------------------------------------------------------------------------------

COMPILED = {
    "jacobian": lambda: jacobian(mlp([3, 4, 3]), "u2", ["x", "W1"]),
    "jacobian per sample": lambda: jacobian(mlp([3, 4, 3]), "u2", ["x"], samples=True),
    "hessian": lambda: hessian(mlp([2, 3, 2]), "loss", ["W1", "b1", "W2", "b2"]),
    "hvp": lambda: hvp(mlp([2, 3, 2]), "loss", ["W1", "b1", "W2", "b2"]),
    "jvp": lambda: jvp(mlp([2, 3, 2]), "u2"),
    "vjp": lambda: vjp(mlp([2, 3, 2]), "u2"),
    "gauss_newton": lambda: gauss_newton(mlp([2, 3, 2]), "loss", ["W1", "b1"], through="u2"),
    "per_sample_gradients": lambda: per_sample_gradients(mlp([2, 3, 2]), "loss", ["W1", "b1"]),
    "mixed_partials": lambda: mixed_partials(of_two_inputs([4, 4]), "u", ["t", "x", "xx"], TX),
}


@pytest.mark.parametrize("schedule", ["loops", "unrolled"])
@pytest.mark.parametrize("case", COMPILED)
def test_every_transformation_compiles(case: str, schedule: str) -> None:
    if schedule == "unrolled" and case in ("jacobian", "hessian", "gauss_newton"):
        pytest.skip("thousands of statements")
    derived = COMPILED[case]()
    values = random_values(derived)
    function = codegen.compile(derived, emitter="numba", schedule=schedule)  # type: ignore[arg-type]
    found = function(*(values[variable.name] for variable in derived.inputs))
    assert distance([np.asarray(one) for one in found], outputs(derived, values)) <= 1e-12
