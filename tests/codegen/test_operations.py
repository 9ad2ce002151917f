"""Operations are counted once for each combination of the indices that a subexpression depends on."""

from __future__ import annotations

from collections import Counter

import pytest
from sympy import Expr, Integer, Piecewise, Rational, exp, pi, sin, sqrt, symbols, tanh

from codegen import Equation, Graph, Index, Reduction, Variable, from_expressions
from codegen.functions import equal, gelu, maximum, relu, select, silu, step, stop_gradient
from codegen.ir.operations import Operations, count_operations, summary
from tests.codegen.networks import S, linear_classifier, mlp, s

a, b, c = symbols("a b c")

COUNTS: dict[str, tuple[Expr, dict[str, int]]] = {
    "a symbol": (a, {}),
    "a number": (pi / 2, {}),
    "a sum of three": (a + b + c, {"add": 2}),
    "a difference": (a - b, {"add": 1}),
    "a negation": (-a, {}),
    "a product of three": (a * b * c, {"multiply": 2}),
    "a multiple": (2 * a, {"multiply": 1}),
    "a multiple by a product of constants": (sqrt(2) * a / sqrt(pi), {"multiply": 1}),
    "a quotient": (a / b, {"divide": 1}),
    "a negated quotient": (-a / b, {"divide": 1}),
    "a quotient of products": (a * b / (c * (a + 1)), {"add": 1, "multiply": 1, "divide": 2}),
    "a reciprocal": (1 / a, {"divide": 1}),
    "a sum of reciprocals": (1 / a + 1 / b, {"add": 1, "divide": 2}),
    "a reciprocal inside a function": (sin(1 / a), {"divide": 1, "sin": 1}),
    "a square": (a**2, {"multiply": 1}),
    "a seventh power": (a**7, {"multiply": 4}),
    "a reciprocal square": (a**-2, {"multiply": 1, "divide": 1}),
    "a quotient by a square": (b / a**2, {"multiply": 1, "divide": 1}),
    "a root": (sqrt(a), {"sqrt": 1}),
    "a quotient by a root": (b / sqrt(a), {"sqrt": 1, "divide": 1}),
    "a power": (a**b, {"power": 1}),
    "a root of another kind": (a ** Rational(1, 3), {"power": 1}),
    "a function": (tanh(a + b), {"add": 1, "tanh": 1}),
    "a shared part": (sin(a * b) + sin(a * b) ** 2, {"add": 1, "multiply": 2, "sin": 1}),
    "a composite function": (silu(a), {"sigmoid": 1, "multiply": 1}),
    "gelu": (gelu(a), {"normal_cdf": 1, "multiply": 1}),
    "comparisons": (select(a, b, c) + step(a) + equal(a, b), {"add": 2, "compare": 3}),
    "a primitive function": (relu(a) + maximum(a, b, c), {"add": 1, "relu": 1, "maximum": 2}),
    "what is held constant": (stop_gradient(a * b), {"multiply": 1}),
    "a piecewise": (Piecewise((a, a > b), (b, True)), {"compare": 2}),
}


@pytest.mark.parametrize("case", COUNTS)
def test_operations_of_an_expression(case: str) -> None:
    expression, expected = COUNTS[case]
    assert count_operations(from_expressions({"e": expression}, [a, b, c])) == expected


x, v, w = Variable("x", (S, 3)), Variable("v", (3,)), Variable("w", (S,))
j, k = Index("j", 3), Index("k", 4)
u, r, L = Variable("u", (S, 3)), Variable("r", (4,)), Variable("L")

INDEXED: dict[str, tuple[Equation, Operations]] = {
    "an elementwise product": (Equation(u[s, j], x[s, j] * v[j]), Counter(multiply=30)),
    "a factor a sample is computed once a sample": (
        Equation(u[s, j], exp(w[s]) * x[s, j]),
        Counter(exp=10, multiply=30),
    ),
    "a factor a column is computed once a column": (
        Equation(u[s, j], exp(v[j]) * x[s, j]),
        Counter(exp=3, multiply=30),
    ),
    "a constant is computed once": (Equation(r[k], sin(Integer(1)) + 2), Counter()),
    "a contraction": (
        Equation(w.__class__("q", (S,))[s], x[s, j] * v[j], Reduction.SUM, (j,)),
        Counter(add=30, multiply=30),
    ),
    "a maximum": (Equation(L.symbol, v[j], Reduction.MAX, (j,)), Counter(compare=3)),
    "a mean": (Equation(L.symbol, w[s] / S, Reduction.SUM, (s,)), Counter(add=10, divide=10)),
    "an index": (Equation(r[k], v[0] * k), Counter(multiply=4)),
}


@pytest.mark.parametrize("case", INDEXED)
def test_operations_of_an_equation_for_ten_samples(case: str) -> None:
    equation, expected = INDEXED[case]
    graph = Graph((x, v, w), (equation,), (equation.name,))
    assert count_operations(graph, samples=10) == expected


def test_a_dense_layer_costs_its_contraction_bias_and_activation() -> None:
    hidden, loss = count_operations(mlp([64, 32, 10])), count_operations(linear_classifier(32, 10))
    assert hidden - loss == Counter(multiply=64 * 32, add=64 * 32 + 32, tanh=32)


def test_the_sum_of_the_samples_is_linear_in_their_number() -> None:
    one, ten = (count_operations(mlp([4, 3, 2]), samples) for samples in (1, 10))
    assert ten == Counter({kind: 10 * number for kind, number in one.items()})


def test_an_unrolled_graph_costs_what_the_graph_costs() -> None:
    graph = mlp([4, 3, 2])
    vectorised, unrolled = count_operations(graph), count_operations(graph.unroll())
    for kind in ("multiply", "divide", "tanh", "exp", "log"):
        assert unrolled[kind] == vectorised[kind]
    assert unrolled["add"] < vectorised["add"]  # n terms written out are n − 1 additions


def test_the_summary_begins_with_the_most_frequent() -> None:
    assert summary(Counter(tanh=1, add=1200, multiply=30)) == "1,200 add, 30 multiply, 1 tanh"
    assert summary(Counter()) == "none"
