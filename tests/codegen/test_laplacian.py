"""The Laplacian in one sweep is the sum of the second derivatives one by one."""

from __future__ import annotations

import numpy as np
import pytest
from sympy import exp, sin, tanh

from codegen import (
    DerivationError,
    Equation,
    Graph,
    Index,
    Reduction,
    Variable,
    compile,
    laplacian,
    mixed_partials,
    sample_extent,
)

S, D = sample_extent(), 4
s, d, h = Index("s", S), Index("d", D), Index("h", 3)
x, w, v = Variable("x", (S, D)), Variable("w", (3, D)), Variable("v", (3,))
z, a, u = Variable("z", (S, 3)), Variable("a", (S, 3)), Variable("u", (S,))
DOT = Equation(z[s, h], w[h, d] * x[s, d], Reduction.SUM, (d,))
OUT = Equation(u[s], v[h] * a[s, h], Reduction.SUM, (h,))
GRAPHS = {
    "a layer": Graph((w, v, x), (DOT, Equation(a[s, h], tanh(z[s, h])), OUT), ("u",)),
    "products": Graph((w, v, x), (DOT, Equation(a[s, h], z[s, h] ** 2 * z[s, 0] + x[s, 1] * z[s, h]), OUT), ("u",)),
    "a softmax": Graph(
        (w, v, x),
        (
            DOT,
            Equation(Variable("n", (S,))[s], exp(z[s, h]), Reduction.SUM, (h,)),
            Equation(a[s, h], exp(z[s, h]) / Variable("n", (S,))[s]),
            OUT,
        ),
        ("u",),
    ),
    "a formula of the columns": Graph((x,), (Equation(u[s], sin(x[s, 0] * x[s, 2]) * x[s, 1] ** 3),), ("u",)),
    "a reduction that is not linear": Graph((x,), (Equation(u[s], sin(x[s, d]) ** 3, Reduction.SUM, (d,)),), ("u",)),
    "what is linear": Graph((w, v, x), (DOT, Equation(a[s, h], 2 * z[s, h]), OUT), ("u",)),
}


@pytest.mark.values
@pytest.mark.parametrize(
    ("name", "columns"),
    [
        *((name, None) for name in GRAPHS),
        pytest.param("a softmax", [1, 2], marks=pytest.mark.slow),
        ("a layer", [1, 2]),
    ],
)
def test_it_is_the_sum_of_the_second_derivatives(name: str, columns: list[int] | None) -> None:
    graph, generator = GRAPHS[name], np.random.default_rng(0)
    given = [generator.standard_normal([5 if n == S else int(n) for n in v.shape]) for v in graph.inputs]
    letters = {f"c{k}": ("x", k) for k in (range(D) if columns is None else columns)}
    _, *each = compile(mixed_partials(graph, "u", [(c, c) for c in letters], letters))(*given)
    value, found = compile(laplacian(graph, "u", "x", columns))(*given)
    assert value == pytest.approx(compile(graph)(*given), rel=1e-14)
    assert found == pytest.approx(sum(each), rel=1e-12, abs=1e-13)


def test_the_graph_is_of_one_size_for_every_number_of_inputs() -> None:
    def equations(inputs: int) -> int:
        i = Index("i", inputs)
        many, weight = Variable("x", (S, inputs)), Variable("w", (3, inputs))
        dot = Equation(z[s, h], weight[h, i] * many[s, i], Reduction.SUM, (i,))
        graph = Graph((weight, v, many), (dot, Equation(a[s, h], tanh(z[s, h])), OUT), ("u",))
        return len(laplacian(graph, "u", "x").equations)

    assert equations(2) == equations(50)


@pytest.mark.parametrize("columns", [[0, 2], [3, 4], [], [-1, 0]])
def test_columns_that_are_not_there_are_refused(columns: list[int]) -> None:
    with pytest.raises(DerivationError, match="expected columns of 'x'"):
        laplacian(GRAPHS["a layer"], "u", "x", columns)


def test_samples_that_depend_on_each_other_are_refused() -> None:
    total = Equation(Variable("n", (D,))[d], x[s, d], Reduction.SUM, (s,))
    mean = Equation(u[s], Variable("n", (D,))[d] * x[s, d], Reduction.SUM, (d,))
    with pytest.raises(DerivationError, match="of one sample depends on 'x' of others"):
        laplacian(Graph((x,), (total, mean), ("u",)), "u", "x")
