"""What reads any of its earlier steps, not those at fixed distances alone, is what its unrolled graph is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from sympy import Eq, Expr, Idx, IndexedBase, Piecewise, Product, Sum, Symbol, exp, sin, sqrt, tanh

import codegen
from codegen import Graph
from codegen.ir.order import Scan
from codegen.numeric.evaluate import evaluate
from tests.codegen.derivatives import by_complex_step, directions, reals
from tests.codegen.networks import distance, random_values

pytestmark = pytest.mark.values

D, STEPS = 2, 4
d, e, f = Idx("d", D), Idx("e", D), Idx("f", D)
FEATURES = (e, 0, D - 1)
W = IndexedBase("W", shape=(D, D))
Entries = Mapping[Expr, Expr]


class Names:
    """Arrays and indices of n steps."""

    def __init__(self, n: int | Symbol) -> None:
        self.t, self.j, self.k = (Idx(name, n) for name in "tjk")
        self.y, self.x, self.z = (IndexedBase(name, shape=(n,)) for name in "yxz")
        self.A, self.B = (IndexedBase(name, shape=(n, n)) for name in "AB")
        self.Y, self.X, self.K, self.Q = (IndexedBase(name, shape=(n, D)) for name in "YXKQ")
        self.earlier, self.n = (self.j, 0, self.t - 1), n


def attention(o: Names) -> Entries:
    """Queries from the step before, keys and values from all earlier ones, weights that add up to 1."""
    score = Sum(o.Q[o.t, e] * o.K[o.j, e], FEATURES)
    largest = codegen.Maximum(score, o.earlier)
    mean = Sum(exp(score - largest) * o.Y[o.j, d], o.earlier) / Sum(exp(score - largest), o.earlier)
    return {
        o.K[o.t, d]: Sum(W[d, e] * o.Y[o.t, e], FEATURES),
        o.Q[o.t, d]: codegen.padded(o.Y[o.t - 1, d], 0) + o.X[o.t, d],
        o.Y[o.t, d]: o.X[o.t, d] + Piecewise((mean, o.t > 0), (0, True)),
    }


def weights(o: Names) -> Entries:
    """Unequal scores of features, as an entry of their own that is there for all pairs of steps."""
    return {
        o.A[o.t, o.j]: o.x[o.t] * o.y[o.j],
        o.y[o.t]: o.x[o.t] + Sum(tanh(o.A[o.t, o.j]) * o.y[o.j], o.earlier),
    }


def cholesky(o: Names) -> Entries:
    t, j, k, A, B = o.t, o.j, o.k, o.A, o.B
    diagonal = sqrt(A[t, t] ** 2 + 9 - Sum(B[t, k] ** 2, (k, 0, t - 1)))
    below = (A[t, j] - Sum(B[t, k] * B[j, k], (k, 0, j - 1))) / B[j, j]
    return {B[t, j]: Piecewise((diagonal, Eq(t, j)), (below, j < t), (0, True))}


def step_and_past(o: Names) -> Entries:
    """What the step before and all earlier ones add, whose adjoints are the same."""
    step = Sum(W[d, e] * codegen.padded(o.Y[o.t - 1, e], 0), FEATURES)
    past = Sum(tanh(Sum(o.Y[o.j, e] * o.X[o.t, e], FEATURES)) * o.Y[o.j, d], o.earlier)
    return {o.Y[o.t, d]: tanh(o.X[o.t, d] + step + past)}


CASES: Mapping[str, Callable[[Names], Entries]] = {
    "attention": attention,
    "weights": weights,
    "the step before and the past": step_and_past,
    "scores of the step before": lambda o: {
        o.y[0]: o.x[0],
        o.y[o.t]: o.x[o.t] + Sum(tanh(o.y[o.t - 1] * o.y[o.j]) * o.y[o.j], o.earlier),
    },
    "the largest": lambda o: {
        o.y[o.t]: o.x[o.t] + Piecewise((codegen.Maximum(o.y[o.j] * o.x[o.j], o.earlier), o.t > 0), (0, True))
    },
    "sums in sums": lambda o: {
        o.y[o.t]: o.x[o.t] + Sum(o.A[o.t, o.j] * Sum(o.A[o.j, o.k] * o.y[o.k] * o.y[o.j], (o.k, 0, o.j)), o.earlier) / 4
    },
    "sums in sums before": lambda o: {
        o.y[o.t]: o.x[o.t] + Sum(o.A[o.t, o.j] * Sum(sin(o.y[o.k]), (o.k, 0, o.j - 1)), o.earlier)
    },
    "turned round": lambda o: {o.y[o.t]: o.x[o.t] + Sum(o.y[o.t - 1 - o.j] * o.y[o.j], o.earlier) / 4},
    "all later ones": lambda o: {
        o.y[o.t]: o.x[o.t] + Sum(sin(o.x[o.t] * o.y[o.j]) * o.y[o.j], (o.j, o.t + 1, o.n - 1))
    },
    "products": lambda o: {o.y[o.t]: o.x[o.t] + Product(sin(o.y[o.j]), o.earlier) / 2},
    "products of pairs": lambda o: {
        o.y[o.t]: o.x[o.t] + Sum(o.A[o.t, o.j] * Product(o.A[o.j, o.k] * o.y[o.k], (o.k, 0, o.j - 1)), o.earlier)
    },
    "sums alone": lambda o: {o.y[o.t]: Sum(o.A[o.t, o.j] * (o.y[o.j] + o.x[o.j]), o.earlier)},
    "rows and columns": lambda o: {
        o.B[o.t, o.j]: o.A[o.t, o.j]
        + Sum(o.B[o.k, o.j] * o.x[o.k], (o.k, 0, o.t - 1)) / 4
        + Sum(o.B[o.t, o.k] * o.x[o.k], (o.k, 0, o.j - 1)) / 4
    },
    "Cholesky": cholesky,
    "two steps back, of two variables": lambda o: {
        o.z[o.t]: sin(o.y[o.t]),
        o.y[0]: 0,
        o.y[1]: W[0, 1],
        o.y[o.t]: W[1, 0] * o.y[o.t - 2] + o.z[o.t - 1] * o.x[o.t],
    },
    "a first value of one variable of two": lambda o: {
        o.z[0]: o.x[0] ** 2,
        o.z[o.t]: o.y[o.t] * o.x[o.t],
        o.y[o.t]: o.x[o.t] + Sum(o.z[o.j] * o.x[o.j], o.earlier),
    },
    "a first value of one variable, and steps across": lambda o: {
        o.Y[0, d]: o.x[0],
        o.Y[o.t, d]: o.K[o.t - 1, 1 - d] + o.K[o.t, 0],
        o.K[o.t, d]: Piecewise((sin(o.Y[o.t - 1, 0]), o.t > 0), (o.x[o.t], True)),
    },
    "the past of one feature": lambda o: {
        o.Y[o.t, d]: codegen.padded(o.y[o.t - 1], 0) * o.x[o.t],
        o.y[o.t]: o.x[o.t] + Sum(exp(o.Y[o.j, 0] * o.x[o.t] / 4), o.earlier),
    },
}
QUICK = ("sums in sums before", "products", "two steps back, of two variables")


def of(case: str, n: int | Symbol) -> Graph:
    """The recurrence, and a sum of squares."""
    names = Names(n)
    entries = dict(CASES[case](names))
    out = [*entries][-1]
    index = tuple(Idx(f"o{axis}", length) for axis, length in enumerate(out.base.shape))
    squares = Sum(out.base[index] ** 2, *((i, 0, i.upper) for i in index))
    assigned = {key.base for key in entries}
    inputs = [a for a in (names.x, names.A, names.X, W) if a not in assigned]
    graph = codegen.from_expressions({**entries, "L": squares}, inputs)
    read = [v for v in graph.inputs if any(a.cell.name == v.name for e in graph.equations for a in e.reads)]
    return Graph(tuple(read), graph.equations, graph.outputs)


@pytest.mark.parametrize("case", CASES)
def test_values_and_gradients(case: str) -> None:
    graph = of(case, STEPS)
    values = random_values(graph)
    assert any(isinstance(step, Scan) for step in graph.steps)
    expected = evaluate(graph.unroll(), values)
    found = evaluate(graph, values)
    assert distance([found[n] for n in graph.outputs], [expected[n] for n in graph.outputs]) <= 1e-15
    derived = codegen.gradient(graph, "L")
    slopes = evaluate(derived, values)
    for name in reals(graph):
        assert distance([slopes[f"dL/d{name}"]], by_complex_step(graph, ["L"], name, values)) <= 1e-13


@pytest.mark.parametrize(
    "case", [case if case in QUICK else pytest.param(case, marks=pytest.mark.slow) for case in CASES]
)
def test_all_derivatives_compiled(case: str) -> None:
    """Along any number of steps, against those of the unrolled graph."""
    graph, fixed = of(case, Symbol("n", integer=True)), of(case, STEPS)
    values = random_values(fixed)
    along = directions(fixed, reals(fixed), values)
    for transform, given in [(codegen.gradient, {}), (codegen.jvp, along), (codegen.hvp, along)]:
        derived, written = transform(graph, "L"), transform(fixed.unroll(), "L")  # type: ignore[operator]
        expected = evaluate(written, values | given)
        found = codegen.compile(derived, cache=False)(**values, **given)
        pairs = zip(map(np.asarray, found), written.outputs)
        assert distance(*zip(*((one, expected[name]) for one, name in pairs))) <= 1e-13


@pytest.mark.slow
@pytest.mark.parametrize("case", [*CASES][-5:])
def test_second_derivatives_by_every_schedule(case: str) -> None:
    graph = of(case, STEPS)
    values = random_values(graph)
    along = directions(graph, reals(graph), values)
    for transform, given in [(codegen.hvp, along), (codegen.hessian, {})]:
        derived, written = transform(graph, "L"), transform(graph.unroll(), "L")
        expected = evaluate(written, values | given)
        for schedule in ("loops", "unrolled"):
            found = codegen.compile(derived, schedule=schedule, cache=False)(**values, **given)  # type: ignore[arg-type]
            pairs = zip(map(np.asarray, found), derived.outputs)
            assert distance(*zip(*((one, expected[name]) for one, name in pairs))) <= 1e-12
