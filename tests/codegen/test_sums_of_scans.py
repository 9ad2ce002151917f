"""Sums over what a recurrence computes, to, from and around another index: no step adds to its own element alone."""

from __future__ import annotations

import random

import numpy as np
import pytest
from sympy import Expr, Idx, IndexedBase, Integer, Piecewise, Rational, Sum, Symbol, sin

import codegen
from codegen import Equation, Graph, Index, Reduction, Variable, padded, sample_extent
from codegen.numeric.evaluate import evaluate
from tests.codegen.networks import distance, random_values

pytestmark = pytest.mark.values

RANGES = {
    "to": lambda t, n: (0, t),
    "before": lambda t, n: (0, t - 1),
    "from": lambda t, n: (t, n - 1),
    "after": lambda t, n: (t + 1, n - 1),
    "all": lambda t, n: (0, n - 1),
}
TERMS = {
    "plain": lambda h, x, t, q: h[q],
    "weighted": lambda h, x, t, q: h[q] * x[q],
    "convolved": lambda h, x, t, q: h[q] * padded(x[t - q], 0),
    "a step back": lambda h, x, t, q: padded(h[q - 1], 0) * x[q],
    "of pairs": lambda h, x, t, q: sin(h[q]) * h[t],
}


def _before(h: IndexedBase, x: IndexedBase, t: Idx, n: Expr, way: str) -> Expr:
    back, inside, other = (h[t + 1], t <= n - 2, x[t]) if way == "backward" else (h[t - 1], t >= 1, Rational(3, 10))
    return Piecewise((back, inside), (other, True)) if way == "bracket" else padded(back, 0)


def system(way: str, bounds: str, term: str, n: Expr, target: str = "t", outputs: tuple[str, ...] = ()) -> Graph:
    """A recurrence, the sums of it that are asked for, and a loss of both."""
    t, q, p = Idx("t", n), Idx("q", n), Idx(target, n)
    h, x, c = (IndexedBase(name, shape=(n,), real=True) for name in "hxc")
    body = Sum(TERMS[term](h, x, p, q), (q, *RANGES[bounds](p, n)))
    values: dict[Expr | str, Expr] = {h[t]: _before(h, x, t, n, way) / 2 + sin(x[t]), c[p]: body}
    graph = codegen.from_expressions({**values, "loss": Sum(c[t] ** 2 * h[t], (t, 0, n - 1))}, [x])
    return graph.with_equations(graph.equations, outputs) if outputs else graph


def assert_equal_to_evaluation(graph: Graph, steps: int, ways: tuple[tuple[str, str], ...]) -> None:
    values = random_values(graph, samples=steps)
    expected = [np.asarray(evaluate(graph, values)[name]) for name in graph.outputs]
    for way, emitter in ways:
        function = codegen.compile(graph, schedule=way, emitter=emitter, cache=False)  # type: ignore[arg-type]
        found = function(**values)
        assert distance(list(found) if isinstance(found, tuple) else [found], expected) <= 1e-12, (way, emitter)


LENGTH = Symbol("n", integer=True)
ALL = tuple((way, emitter) for way in ("auto", "loops", "unrolled") for emitter in ("vector", "numba"))
TABLE = [
    ("padded", "to", "plain", LENGTH),
    ("bracket", "before", "weighted", LENGTH),
    ("backward", "from", "plain", LENGTH),
    ("padded", "to", "convolved", Integer(4)),
    ("bracket", "after", "of pairs", Integer(4)),
    ("backward", "before", "a step back", Integer(4)),
]


@pytest.mark.parametrize(("way", "bounds", "term", "n"), TABLE)
def test_values(way: str, bounds: str, term: str, n: Expr) -> None:
    ways = ALL if n.is_Integer else tuple(one for one in ALL if one[0] != "unrolled")
    assert_equal_to_evaluation(system(way, bounds, term, n), 4, ways[:: 1 if term == "plain" else 3])


@pytest.mark.parametrize(("way", "bounds", "term", "n"), TABLE)
def test_gradients(way: str, bounds: str, term: str, n: Expr) -> None:
    graph = codegen.gradient(system(way, bounds, term, n, outputs=("loss",)), "loss")
    assert_equal_to_evaluation(graph, 4, (("loops", "vector"),))


def test_the_steps_kept_do_not_matter() -> None:
    graph = codegen.gradient(system("padded", "to", "plain", LENGTH, outputs=("loss",)), "loss")
    values = random_values(graph, samples=5)
    expected = [np.asarray(evaluate(graph, values)[name]) for name in graph.outputs]
    assert distance(list(codegen.compile(graph, checkpoint=2, cache=False)(**values)), expected) <= 1e-12


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_any_system(seed: int) -> None:
    draw = random.Random(seed)
    way, bounds, term = (draw.choice(list(names)) for names in (("padded", "bracket", "backward"), RANGES, TERMS))
    steps, target = draw.choice((1, 2, 5)), draw.choice("tp")
    n = draw.choice((LENGTH, Integer(steps)))
    assert_equal_to_evaluation(system(way, bounds, term, n, target), steps, ALL[:4])
    loss = codegen.gradient(system(way, bounds, term, n, target, ("loss",)), "loss")
    assert_equal_to_evaluation(loss, steps, ALL[:4])


@pytest.mark.parametrize("way", ["loops", pytest.param("tiled", marks=pytest.mark.slow)])
def test_sums_over_samples_and_steps(way: str) -> None:
    """With an index of their own, and before the scan a product, that are called as its steps are."""
    S, T, H = sample_extent("S"), 5, 8
    s, i, j, t, w, m = Index("s", S), Index("i", H), Index("j", H), Index("t", T - 1), Index("w", T), Index("m", T)
    x, U, P = Variable("x", (S, T, H)), Variable("U", (H, H)), Variable("P", (T, T - 1))
    h, v, z, G = (
        Variable("h", (S, T, H)),
        Variable("v", (S, T - 1, H)),
        Variable("z", (S, T, H)),
        Variable("G", (T - 1, H)),
    )
    graph = Graph(
        (x, U, P),
        (
            Equation(h[s, 0, i], sin(x[s, 0, i])),
            Equation(z[s, m, i], P[m, t] * x[s, t, i], Reduction.SUM, (t,)),
            Equation(v[s, t, i], U[i, j] * h[s, t, j], Reduction.SUM, (j,)),
            Equation(h[s, t + 1, i], sin(v[s, t, i] + z[s, t + 1, i])),
            Equation(G[t, i], P[w, t] * h[s, w, j] * U[j, i], Reduction.SUM, (s, w, j)),
        ),
        ("G",),
    )
    assert_equal_to_evaluation(graph, 7, ((way, "vector"),))
