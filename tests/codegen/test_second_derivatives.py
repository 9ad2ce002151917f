"""Hessians, Hessian-vector products and Gauss-Newton matrices are right, at kinks too."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache
from itertools import combinations_with_replacement

import numpy as np
import pytest
from sympy import Abs, Expr, Integer, exp, log, symbols, tanh

from codegen import (
    DerivationError,
    Equation,
    Graph,
    Index,
    Reduction,
    Variable,
    from_expressions,
    gauss_newton,
    hessian,
    hvp,
    jacobian,
)
from codegen.functions import absolute, clip, elu, leaky_relu, relu, select, sigmoid, silu, softplus
from codegen.numeric import evaluate_exactly
from codegen.passes import optimise
from tests.codegen.derivatives import (
    ARRAYS,
    LONG,
    MODES,
    A,
    by_complex_step,
    directions,
    i,
    j,
    q,
    reals,
    second_by_complex_step,
    system,
    total_of_squares,
    x,
    y,
)
from tests.codegen.networks import (
    ENDINGS,
    distance,
    index_graphs,
    mlp,
    outputs,
    parameters,
    random_values,
    s,
    squared_error,
)
from tests.properties import holds_for
from tests.sweeps import one_in

SUM, MAX = Reduction.SUM, Reduction.MAX

# --- second derivatives -------------------------------------------------------------------------------------------

SCALARS: Mapping[str, Graph] = {
    **{f"a network, {ending.__name__}": mlp([2, 3, 3], tanh, ending) for ending in ENDINGS},
    "a network, silu": mlp([2, 3, 2], silu, squared_error),
    "a network, relu": mlp([2, 3, 2], relu),
}


SECOND = {**SCALARS, **{case: total_of_squares(graph) for case, graph in ARRAYS.items()}}
SLOW = (*LONG, "a network, naive_cross_entropy", "a network, logistic", "a network, silu")
CASES = one_in(2, (pytest.param(case, marks=pytest.mark.slow) if case in SLOW else case for case in SECOND))


@cache
def hessian_of(case: str) -> Graph:
    graph = SECOND[case]
    return hessian(graph, graph.outputs[0], reals(graph))


@pytest.mark.parametrize("case", CASES)
def test_the_hessian_is_that_of_the_complex_step_of_the_gradient(case: str) -> None:
    graph = SECOND[case]
    of, wrt, values = graph.outputs[0], reals(graph), random_values(graph, seed=4, samples=3)
    expected = second_by_complex_step(graph, of, wrt, values)
    found = hessian_of(case)
    assert distance(outputs(found, values)[1:], expected) <= 1e-12
    assert distance(outputs(optimise(found)[0], values)[1:], expected) <= 1e-12


@pytest.mark.parametrize("case", CASES)
def test_the_hessian_vector_product_is_that_of_the_hessian(case: str) -> None:
    graph = SECOND[case]
    of, wrt, values = graph.outputs[0], reals(graph), random_values(graph, seed=4, samples=3)
    value, *blocks = outputs(hessian_of(case), values)
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


@holds_for(index_graphs(), quick=4, slow=25)
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
    for mode in MODES[:2]:
        np.testing.assert_allclose(outputs(jacobian(graph, "q", mode=mode), values)[1], expected)
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
def test_the_gauss_newton_matrix_of_a_loss_has_its_hessian_in_the_middle(
    ending: Callable[[Variable, Index], list[Equation]],
) -> None:
    graph = mlp([2, 3, 3], tanh, ending)
    wrt, values = parameters(graph), random_values(graph)
    _, *blocks = outputs(jacobian(graph, "u2", wrt), values)
    _, middle = outputs(hessian(graph, "loss", ["u2"]), values)
    curved = [np.tensordot(middle, block, ((2, 3), (0, 1))) for block in blocks]
    expected = [np.tensordot(a, b, ((0, 1), (0, 1))) for m, a in enumerate(blocks) for b in curved[m:]]
    found = gauss_newton(graph, "loss", wrt, through="u2")
    assert distance(outputs(found, values)[1:], expected) <= 1e-12
    assert distance(outputs(optimise(found)[0], values)[1:], expected) <= 1e-12


@pytest.mark.parametrize(
    ("through", "message"),
    [
        ("w", "'w' is not between a, b and 'L': found no way through it"),
        ("L", "'L' is not between a, b and 'L'"),
        ("c", "'c' is not between a, b and 'L'"),
        ("u", "'L' depends on b through 'u' and past it"),
    ],
)
def test_a_vertex_that_is_not_between_or_is_bypassed_has_no_gauss_newton_matrix(through: str, message: str) -> None:
    a, b, c, u = symbols("a b c u")
    graph = from_expressions({"u": a * b + c, "w": a**2, "L": u**2 + b**3}, [a, b, c])
    with pytest.raises(DerivationError, match=re.escape(message)):
        gauss_newton(graph, "L", ["a", "b"], through=through)


def test_nothing_is_stabilised_past_the_vertex_of_a_gauss_newton_matrix() -> None:
    a, p = symbols("a p")
    graph = from_expressions({"p": exp(2 * a), "q": log(p)}, [a])
    (_, found) = outputs(gauss_newton(graph, "q", ["a"], through="p"), {"a": np.array(0.3)})
    assert distance([found], [np.array(-4.0)]) <= 1e-14  # (2·p)²·(−1/p²)


# --- intermediate vertices ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("of", ["loss", "l", "p"])
def test_blocks_are_symmetric_whichever_vertex_comes_first(of: str) -> None:
    graph = mlp([2, 3, 3])
    values = random_values(graph)
    names = ["W1", "a1", "u2"]
    forth = outputs(hessian(graph, of, names), values)
    back = outputs(hessian(graph, of, names[::-1]), values)
    axes = np.ndim(forth[0])
    place = {(a, b): block for (a, b), block in zip(combinations_with_replacement(names[::-1], 2), back[1:])}
    for (a, b), block in zip(combinations_with_replacement(names, 2), forth[1:]):
        other = place[b, a]
        swapped = np.moveaxis(other, range(axes, axes + 2), range(-2, 0))
        assert distance([block], [swapped]) <= 1e-12, (a, b)
