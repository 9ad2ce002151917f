"""Sums of products are multiplied in an order that does little, and stay what they were."""

from __future__ import annotations

import pytest
from sympy import Expr

from codegen import Equation, Graph, Index, Reduction, Variable
from codegen.ir.operations import count_operations
from codegen.passes import contract, optimise
from tests.codegen.networks import S, cross_entropy, distance, mlp, outputs, random_values, s

d, e, h, k = Index("d", 2), Index("e", 2), Index("h", 8), Index("k", 8)
x, a, q, v = (Variable(n, shape) for n, shape in [("x", (S, 2)), ("a", (S, 8)), ("q", (S, 8, 8)), ("v", (8,))])
M, N, r, c = Variable("M", (8, 8)), Variable("N", (8, 8)), Variable("r", (2, 2, 8, 8)), Variable("c")


def total(target: Variable, free: tuple[Index, ...], body: Expr, *reduced: Index) -> Graph:
    equation = Equation(target[free], body, Reduction.SUM, reduced)
    used = {str(reference).split("[")[0] for reference in equation.references}
    return Graph(tuple(w for w in (x, a, q, v, M) if w.name in used), (equation,), (target.name,))


CASES = {
    "the small factors first": (
        total(r, (d, e, h, k), x[s, d] * x[s, e] * q[s, h, k], s),
        ["q1[s, d, e] = x[s, d]*x[s, e]", "r[d, e, h, k] = Σ_s q1[s, d, e]*q[s, h, k]"],
    ),
    "a sum as early as it can be": (
        total(c, (), v[h] * M[h, k] * v[k], h, k),
        ["q1[k] = Σ_h M[h, k]*v[h]", "c = Σ_k q1[k]*v[k]"],
    ),
    "a factor that is computed is computed once": (
        total(r, (d, e, h, k), x[s, d] * x[s, e] * (a[s, h] + a[s, k]), s),
        [
            "q1[s, d, e] = x[s, d]*x[s, e]",
            "q2[s, h, k] = a[s, h] + a[s, k]",
            "r[d, e, h, k] = Σ_s q1[s, d, e]*q2[s, h, k]",
        ],
    ),
    "a matrix product is left alone": (
        total(N, (h, k), a[s, h] * a[s, k] / S, s),
        ["N[h, k] = Σ_s a[s, h]*a[s, k]/S"],
    ),
    "factors that all have every index are left alone": (
        total(c, (), M[h, k] * M[k, h] * (1 + M[h, k]), h, k),
        ["c = Σ_h,k (M[h, k] + 1)*M[h, k]*M[k, h]"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_order_of_products(case: str) -> None:
    graph, expected = CASES[case]
    found = contract(graph)
    assert [str(equation) for equation in found.equations] == expected
    values = random_values(graph)
    assert distance(outputs(found, values), outputs(graph, values)) <= 1e-13
    assert count_operations(found, 64).total() <= count_operations(graph, 64).total()


def test_the_loss_of_a_network_has_nothing_to_contract() -> None:
    graph = mlp([4, 5, 3], ending=cross_entropy)
    assert contract(graph) is graph
    assert "contract" in str(optimise(graph)[1])
