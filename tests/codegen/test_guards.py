"""What a branch does not take contributes nothing, whether or not what it is made of has a name."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from sympy import (
    Abs,
    Expr,
    Heaviside,
    Idx,
    IndexedBase,
    Integer,
    Max,
    Min,
    Piecewise,
    Rational,
    Sum,
    Symbol,
    exp,
    log,
    sin,
    sqrt,
    symbols,
)

from codegen import Graph, Maximum, Minimum, from_expressions, gradient, hessian, hvp, jvp, optimise, vjp
from codegen.emit.numpy import numpy_function
from codegen.functions import clip, maximum, relu, select

pytestmark = pytest.mark.values

a, b, n, m, k = symbols("a b n m k", real=True)

#: What is 0 below 0.
FLAT: dict[str, Callable[[Expr], Expr]] = {
    "a maximum": lambda x: Max(x, 0),
    "relu": relu,
    "clip": lambda x: clip(x, Integer(0), Integer(9)),
    "select": lambda x: select(x, x, Integer(0)),
    "a branch": lambda x: Piecewise((x, x > 0), (0, True)),
    "a product with a step": lambda x: x * Heaviside(x),
    "x + |x|": lambda x: (x + Abs(x)) / 2,
}

Case = tuple[dict[str, Expr], tuple[float, float], tuple[float, float], list[float]]
CASES: dict[str, Case] = {
    "a direction at rest": (
        {"n": sqrt(a**2 + b**2), "f": Piecewise((a / n, n >= 1e-4), (0, True))},
        (0.0, 0.0),
        (0.0, 0.0),
        [0.0, 0.0, 0.0],
    ),
    "sin(n)/n at rest": (
        {"n": sqrt(a**2 + b**2), "k": sin(n) / n, "f": Piecewise((k * b, n > 1e-8), (b, True))},
        (0.0, 0.0),
        (0.0, 1.0),
        [0.0, 0.0, 0.0],
    ),
    "an exponential beyond all numbers": (
        {"n": exp(a), "m": n * b, "f": Piecewise((m, a < 100), (a * b, True))},
        (1000.0, 2.0),
        (2.0, 1000.0),
        [0.0, 1.0, 0.0],
    ),
    "a logarithm at 0": (
        {"n": log(a), "m": n**2, "f": Piecewise((m, a > 0.5), (b**2, True))},
        (0.0, 3.0),
        (0.0, 6.0),
        [0.0, 0.0, 2.0],
    ),
    "a root behind the branch": (
        {"n": a * b, "m": Piecewise((n, n > 1), (0, True)), "f": sqrt(m) + a},
        (0.5, 1.0),
        (1.0, 0.0),
        [0.0, 0.0, 0.0],
    ),
    **{
        f"the root of {name}": (
            {"n": a * b, "f": sqrt(kept(n)) * b + sqrt(kept(a * b))},
            (-1.5, 0.5),
            (0.0, 0.0),
            [0.0] * 3,
        )
        for name, kept in FLAT.items()
    },
}
"""Successive formulas, the point, the gradient there, and the second derivatives by aa, ab and bb."""


@pytest.mark.parametrize("method", ["reverse", "forward", "paths"])
@pytest.mark.parametrize("case", CASES)
def test_first_derivatives_are_those_of_the_branch_that_is_taken(case: str, method: str) -> None:
    formulas, at, slope, _ = CASES[case]
    graph = gradient(from_expressions(formulas, [a, b]), "f", method=method)
    assert list(map(float, evaluated(graph, at)[1:])) == list(slope)


def _products(transform: Callable[..., Graph]) -> Callable[[Graph], Graph]:
    return lambda graph: transform(graph, "f", ["a", "b"])


@pytest.mark.parametrize("case", CASES)
def test_second_derivatives_are_those_of_the_branch_that_is_taken(case: str) -> None:
    formulas, at, _, second = CASES[case]
    graph = hessian(from_expressions(formulas, [a, b]), "f")
    assert list(map(float, evaluated(graph, at)[1:])) == second


@pytest.mark.parametrize("case", CASES)
def test_products_are_those_of_the_branch_that_is_taken(case: str) -> None:
    formulas, at, slope, (aa, ab, bb) = CASES[case]
    graph = from_expressions(formulas, [a, b])
    forward = evaluated(jvp(graph, "f", ["a", "b"]), (*at, 2.0, -1.0))
    assert float(forward[-1]) == 2 * slope[0] - slope[1]
    back = evaluated(vjp(graph, "f", ["a", "b"]), (*at, 3.0))
    assert list(map(float, back[1:])) == [3 * slope[0], 3 * slope[1]]
    twice = evaluated(hvp(graph, "f", ["a", "b"]), (*at, 2.0, -1.0))
    assert list(map(float, twice[-2:])) == [2 * aa - ab, 2 * ab - bb]


REST = -20 - a
EXTREMA: dict[str, tuple[Expr, float, float, float]] = {
    "a logarithm kept above a number": (Max(log(a), -10), 0.0, 0.0, 0.0),
    "an exponential kept below one": (Min(exp(a), 100), 1000.0, 0.0, 0.0),
    "a root of what is kept above 0": (sqrt(Max(a, 0)), -1.0, 0.0, 0.0),
    "a logarithm kept between two": (Max(-1, Min(1, log(a))), 0.0, 0.0, 0.0),
    "a reciprocal kept below a number": (Min(1 / a, 5), 0.0, 0.0, 0.0),
    "two maxima of one logarithm": (Max(log(a), -10) + Max(log(a), -20), 0.0, 0.0, 0.0),
    "a maximum and what it is multiplied by": (Max(log(a), -10) ** 2 * a, 0.0, 100.0, 0.0),
    "the largest of three": (maximum(log(a), Integer(-10), REST), 0.0, 0.0, 0.0),
    "the largest of four": (maximum(log(a), REST, a - 10, 3 * a - 5), 0.0, 3.0, 0.0),
    "a rectified logarithm": (relu(log(a)), 0.0, 0.0, 0.0),
    "a clipped logarithm": (clip(log(a), Integer(-1), Integer(1)), 0.0, 0.0, 0.0),
    "a power of what is kept above 0": (Max(a, 0) ** Rational(3, 2), -1.0, 0.0, 0.0),
    "a root at its end": (sqrt(Max(a, 0)), 0.0, math.inf, -math.inf),
    "nothing chosen": (sqrt(Max(log(a), -10) + 11), -1.0, math.nan, math.nan),
}
"""A formula of a, a, and the first and second derivative there."""


@pytest.mark.parametrize("case", EXTREMA)
def test_what_a_maximum_does_not_choose_contributes_nothing(case: str) -> None:
    value, at, *expected = EXTREMA[case]
    graph = from_expressions({"f": value}, [a])
    for method in ("reverse", "forward", "paths"):
        found = evaluated(optimise(gradient(graph, "f", method=method))[0], (at,))[-1]
        np.testing.assert_array_equal(found, expected[0])
    np.testing.assert_array_equal(evaluated(optimise(hessian(graph, "f"))[0], (at,))[-1], expected[1])


def test_what_a_maximum_over_an_index_does_not_choose_contributes_nothing() -> None:
    size = Symbol("n", integer=True, positive=True)
    x, i = IndexedBase("x"), Idx("i", size)
    at = np.array([0.0, 1, 2, 2])
    for value, first, second in (
        (Maximum(log(x[i]), (i, 0, size - 1)), [0, 0, 0.25, 0.25], [0, 0, -0.125, -0.125]),
        (Minimum(exp(1000 * x[i]), (i, 0, size - 1)) ** 2, [2000, 0, 0, 0], [4e6, 0, 0, 0]),
    ):
        graph = from_expressions({"f": value}, [x[i]])
        for method in ("reverse", "forward"):
            np.testing.assert_array_equal(evaluated(gradient(graph, "f", method=method), (at,))[-1], first)
        np.testing.assert_array_equal(evaluated(hvp(graph, "f"), (at, np.ones(4)))[-1], second)


def test_neighbours_of_a_maximum_are_read_where_they_are() -> None:
    x, i, k = IndexedBase("x", shape=(4,)), Idx("i", 3), Idx("k", 2)
    of_two = Sum(Maximum(x[i + k], (k, 0, 1)) ** 2, (i, 0, 2)) / 2
    found = evaluated(hessian(from_expressions({"f": of_two}, [x]), "f"), (np.array([1.0, 3, 2, 5]),))[-1]
    np.testing.assert_array_equal(found, np.diag([0.0, 2, 0, 1]))


def test_networks_do_not_pay_for_the_exponentials_of_their_losses() -> None:
    s, h, t = Idx("s", 4), Idx("h", 3), Idx("t", 2)
    shapes = {"u": (4, 3), "r": (4, 3), "out": (4, 2), "v": (2, 3)}
    u, r, out, v = (IndexedBase(name, shape=shape) for name, shape in shapes.items())
    loss = Sum(exp(out[s, t]) / (1 + exp(-out[s, t])), s, t)
    formulas = {r[s, h]: relu(u[s, h]), out[s, t]: Sum(v[t, h] * r[s, h], h), "f": loss}
    graph = gradient(from_expressions(formulas, [u, v]).with_outputs("f"), "f")
    assert not any(equation.branches for equation in graph.equations)


def test_each_row_has_its_own_branch() -> None:
    size = Symbol("S", integer=True, positive=True)
    s, d = Idx("s", size), Idx("d", 2)
    x, length = IndexedBase("x", shape=(size, 2)), IndexedBase("r", shape=(size,))
    formulas = {
        length[s]: sqrt(Sum(x[s, d] ** 2, (d, 0, 1))),
        "f": Sum(Piecewise((x[s, 0] / length[s], length[s] > 1e-3), (0, True)), (s, 0, size - 1)),
    }
    graph = gradient(from_expressions(formulas, [x]), "f")
    found = evaluated(graph, (np.array([[0.0, 0.0], [3.0, 4.0]]),))[1]
    assert np.allclose(found, [[0, 0], [16 / 125, -12 / 125]], rtol=1e-14, atol=0)


def test_without_branches_nothing_is_guarded() -> None:
    graph = gradient(from_expressions({"n": sqrt(a), "f": n * b}, [a, b]), "f")
    assert not any(equation.branches for equation in graph.equations)


def evaluated(graph: Graph, values: tuple[object, ...]) -> list[object]:
    with np.errstate(all="ignore"):
        return list(numpy_function(graph)(*map(np.asarray, values)))
