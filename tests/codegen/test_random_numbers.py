"""Random numbers are NumPy's Philox to the bit in every emitter, functions of integers, and constants to calculus."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sympy import Expr, IndexedBase, Symbol

import codegen
from codegen import (
    Equation,
    Graph,
    GraphError,
    Index,
    Reduction,
    Variable,
    from_expressions,
    gradient,
    random_normal,
    random_reaches,
    random_uniform,
    sample_extent,
    write_javascript,
)
from codegen.emit.numpy import numpy_function
from codegen.functions import equal
from codegen.functions.random_numbers import words
from codegen.numeric import check_gradient, evaluate, evaluate_exactly
from tests.codegen.test_c import COMPILERS, built, needs_compiler, sources
from tests.codegen.test_javascript import ran

pytestmark = pytest.mark.values

S = sample_extent()
s, h = Index("s", S), Index("h", 6)
X, SEED, FIRST = Variable("x", (S, 6)), Variable("seed", (), "integer"), Variable("first", (), "integer")
PLACE: dict[str, Any] = {"row": FIRST.symbol + s, "width": 6, "stream": 3}
LEVEL = 0.3
Y, M, Z, K = (Variable(name, (S, 6)) for name in "ymzk")
GRAPH = Graph(
    (X, SEED, FIRST),
    (
        Equation(Y[s, h], X[s, h] + random_uniform(SEED.symbol, h, **PLACE)),
        Equation(M[s, h], X[s, h] + random_reaches(LEVEL, SEED.symbol, h, **PLACE)),
        Equation(Z[s, h], X[s, h] + random_normal(SEED.symbol, h, **PLACE)),
        Equation(K[s, h], X[s, h] + random_uniform(2**64 - 3, 6 * FIRST.symbol + 6 * s + h, 2**32 + 1)),
    ),
    ("y", "m", "z", "k"),
)
SEEDS = (0, 1, 2**32 - 1, 2**32, 2**53 - 1, 2**62 + 987654321, 2**63 - 1, -1)
FIRSTS = (0, 1, 2, 2**31 - 3, 2**32 - 3, 2**40 + 1)
ROWS = 19
Values = Mapping[str, np.ndarray]


def values(seed: int, first: int, dtype: str = "float64") -> dict[str, np.ndarray]:
    return {"x": np.zeros((ROWS, 6), dtype), "seed": np.array(seed), "first": np.array(first)}


def numpys(seed: int, stream: int, counter: int, shape: tuple[int, ...]) -> np.ndarray:
    key = np.array([seed % 2**64, stream], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=counter)).random(shape)


def expected(seed: int, first: int, dtype: str) -> list[np.ndarray]:
    """y, m and k."""
    rows = numpys(seed, 3, 2 * first, (ROWS, 8))[:, :6]
    start = 6 * first
    flat = numpys(2**64 - 3, 2**32 + 1, start // 4, (4 + 6 * ROWS,))[start % 4 :][: 6 * ROWS].reshape(ROWS, 6)
    kept = (rows >= LEVEL).astype(float)
    return [cut(rows, dtype), kept, cut(flat, dtype)]


def cut(numbers: np.ndarray, dtype: str) -> np.ndarray:
    return numbers if dtype == "float64" else np.floor(numbers * 2**24) / 2**24


def normals(seed: int, first: int) -> np.ndarray:
    u = numpys(seed, 3, 3 * first, (ROWS, 12)).reshape(ROWS, 6, 2)
    return np.sqrt(-2 * np.log1p(-u[..., 0])) * np.cos(2 * np.pi * u[..., 1])


def require(found: list[np.ndarray], seed: int, first: int, dtype: str) -> None:
    y, m, z, k = found
    for one, other in zip((y, m, k), expected(seed, first, dtype), strict=True):
        assert (one == other).all(), (seed, first, dtype)
    if dtype == "float64":
        assert abs(z - normals(seed, first)).max() < 1e-13
    assert abs(z).max() < 8.6


@pytest.mark.parametrize(
    "way",
    ["numba loops float32"] + [f"vector {way}" for way in ("loops float64", "tiled float32", "unrolled float64")],
)
def test_compiled_code_has_the_numbers_of_numpy(way: str) -> None:
    emitter, schedule, dtype = way.split()
    function = codegen.compile(GRAPH, dtype=dtype, emitter=emitter, schedule=schedule)
    for seed in SEEDS:
        for first in FIRSTS:
            given = values(seed, first, dtype)
            require(list(function(given["x"], seed, first)), seed, first, dtype)


def test_threads_draw_the_same() -> None:
    graph = GRAPH.with_outputs("y")
    one, two = (codegen.compile(graph, threads=threads) for threads in (1, 2))
    x = np.zeros((5000, 6))
    assert (one(x, 5, 0) == two(x, 5, 0)).all()
    assert (two(x, 5, 0) == numpys(5, 3, 0, (5000, 8))[:, :6]).all()


def test_so_have_numpy_and_mpmath() -> None:
    for seed, first in zip(SEEDS, (*FIRSTS, 7, 8)):
        for dtype in ("float64", "float32"):
            found = evaluate(GRAPH, values(seed, first), dtype)
            require([found[name] for name in GRAPH.outputs], seed, first, dtype)
        require(list(numpy_function(GRAPH)(*values(seed, first).values())), seed, first, "float64")
    exact = evaluate_exactly(GRAPH, values(-1, 2**40))
    require([exact[name].astype(float) for name in GRAPH.outputs], -1, 2**40, "float64")


@needs_compiler
def test_so_has_c(tmp_path: Path) -> None:
    rows = [(GRAPH, "float64", "loops"), (GRAPH, "float32", "tiled")]
    for flags in (["-O1"], ["-O1", "-U__SIZEOF_INT128__"]):
        for function in built(rows, sources(tmp_path, rows), COMPILERS[0], *flags):
            for seed, first in zip(SEEDS, (*FIRSTS, 7, 8)):
                status, found = function(values(seed, first, function.dtype))
                assert status == 0
                require(found, seed, first, function.dtype)


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_so_has_javascript(tmp_path: Path) -> None:
    cases = [(seed, first, dtype) for seed in SEEDS[:5] for first in FIRSTS for dtype in ("float64", "float32")]
    paths = {dtype: write_javascript(GRAPH, tmp_path, name=dtype, dtype=dtype)[0] for dtype in ("float64", "float32")}
    found = ran(tmp_path, [(paths[dtype], values(seed, first)) for seed, first, dtype in cases])
    for case, results in zip(cases, found):
        require([np.reshape(result, (ROWS, 6)) for result in results], *case)


def test_a_seed_of_its_own_for_each_sample_and_places_that_are_data() -> None:
    seeds, at = Variable("seeds", (S,), "integer"), Variable("at", (S,), "integer", 100)
    body = X[s, h] + random_uniform(seeds[s], h + 2 * at[s])
    graph = Graph((X, seeds, at), (Equation(Y[s, h], body),), ("y",))
    given = np.array([3, 2**62, -1, 3, 7] * 4), np.arange(20) % 13
    wanted = [numpys(seed, 0, 0, (40,))[2 * place :][:6] for seed, place in zip(*map(np.ndarray.tolist, given))]
    for schedule in ("loops", "tiled"):
        assert (codegen.compile(graph, schedule=schedule)(np.zeros((20, 6)), *given) == wanted).all()
    names = dict(zip(("x", "seeds", "at"), (np.zeros((20, 6)), *given)))
    assert (evaluate(graph, names)["y"] == wanted).all()
    assert (numpy_function(graph)(*names.values())[0] == wanted).all()


@pytest.mark.parametrize("schedule", ["loops", "tiled"])
def test_a_block_that_is_kept_is_that_of_the_place(schedule: str) -> None:
    """Samples in lanes and places from step to step: every one, every third, some twice, and of several seeds."""
    total, other, k = Variable("total", (S,)), Variable("other", (S,)), Index("k", 3)
    one = random_uniform(SEED.symbol, 3 * h + 2, row=s, width=20)
    two = random_uniform(k, h + k + 1, row=FIRST.symbol + s, width=9)
    graph = Graph(
        (X, SEED, FIRST),
        (
            Equation(total[s], X[s, h] * one, Reduction.SUM, (h,)),
            Equation(other[s], X[s, h] * two * (k + 1), Reduction.SUM, (h, k)),
        ),
        ("total", "other"),
    )
    found = codegen.compile(graph, schedule=schedule)(np.ones((21, 6)), 5, 3)
    wanted = numpys(5, 0, 0, (21, 20))[:, 2::3].sum(axis=1)
    seeds = [(n + 1) * numpys(n, 0, 9, (21, 12))[:, n + 1 : n + 7].sum(axis=1) for n in range(3)]
    assert found[0] == pytest.approx(wanted, rel=1e-14)
    assert found[1] == pytest.approx(sum(seeds), rel=1e-14)


def test_numbers_of_one_seed_without_an_index_and_written_out() -> None:
    a, x, i, seed = Symbol("a"), IndexedBase("x", shape=(3,)), Index("i", 3), Symbol("seed", integer=True)
    graph = from_expressions({"e": a + random_uniform(5, 2) + random_uniform(5, 3)}, [a])
    assert codegen.compile(graph)(0.0) == sum(numpys(5, 0, 0, (4,))[2:])
    assert evaluate(graph, {"a": 0})["e"] == sum(numpys(5, 0, 0, (4,))[2:])
    graph = from_expressions({"y": sum(x[n] * random_uniform(seed, n) for n in range(3))}, [x, seed])
    assert codegen.compile(graph)(np.ones(3), 5) == pytest.approx(sum(numpys(5, 0, 0, (3,))), rel=1e-15)
    body = Equation(Variable("y", (3,))[i], random_uniform(SEED.symbol, 3 * (i + 1) - i))
    graph = Graph((SEED,), (body,), ("y",)).unroll()
    assert (codegen.compile(graph)(5) == numpys(5, 0, 0, (8,))[3::2]).all()


def test_a_walk_draws_at_each_step() -> None:
    n = Symbol("n", integer=True, positive=True)
    x, y, t = IndexedBase("x", shape=(n,)), IndexedBase("y", shape=(n,)), Index("t", n)
    seed = Symbol("seed", integer=True)
    walk = from_expressions({y[t]: y[t - 1] + x[t] + random_uniform(seed, t), y[0]: x[0]}, [x, seed])
    steps = numpys(5, 0, 0, (30,))
    wanted = np.concatenate([[0], np.cumsum(steps[1:])])
    assert codegen.compile(walk)(np.zeros(30), 5) == pytest.approx(wanted, rel=1e-14)
    assert evaluate(walk, {"x": np.zeros(30), "seed": 5})["y"] == pytest.approx(wanted, rel=1e-14)


def test_numbers_lie_in_the_unit_interval_and_have_the_moments_that_they_should() -> None:
    graph = Graph((X, SEED), tuple(e.with_body(e.body.subs(FIRST.symbol, 0)) for e in GRAPH.equations), ("y", "m", "z"))
    for dtype in ("float64", "float32"):
        found = evaluate(graph, {"x": np.zeros((20_000, 6)), "seed": 11}, dtype)
        y, m, z = (found[name] for name in graph.outputs)
        n = y.size
        assert y.min() >= 0
        assert y.max() < 1
        for found, mean, variance, fourth in ((y, 1 / 2, 1 / 12, 1 / 80), (m, 0.7, 0.21, 0.0777), (z, 0, 1, 3)):
            found = found.astype(float)
            assert abs(found.mean() - mean) < 4 * np.sqrt(variance / n)
            assert abs(found.var() - variance) < 4 * np.sqrt((fourth - variance**2) / n)
        assert abs(np.corrcoef(z[:, 0], z[:, 1])[0, 1]) < 4 / np.sqrt(len(z))


def test_the_largest_word_is_no_1_in_float32() -> None:
    numbers = random_uniform(0, 0)
    for dtype in (np.float32, np.float64):
        largest = numbers.of_words(np.array([2**64 - 1], np.uint64), np.dtype(dtype))
        assert largest.dtype == dtype
        assert 1 - 1e-7 < largest[0] < 1


def test_derivatives_are_those_of_a_constant() -> None:
    w, loss = Variable("w", (6,)), Variable("loss")
    mask = random_reaches(LEVEL, SEED.symbol, h, row=s, width=6) + random_normal(SEED.symbol, h, 9)
    body = (w[h] * X[s, h] * mask) ** 2
    graph = Graph((w, X, SEED), (Equation(loss.symbol, body, Reduction.SUM, (s, h)),), ("loss",))
    assert mask.diff(h) == 0
    generator = np.random.default_rng(0)
    given = {"w": generator.normal(size=6), "x": generator.normal(size=(8, 6)), "seed": np.array(4)}
    derived = gradient(graph, "loss")
    assert derived.outputs == ("loss", "dloss/dw", "dloss/dx")
    report = check_gradient(graph, "loss", given)
    assert report.passed, report
    drawn = numpys(4, 0, 0, (8, 8))[:, :6] >= LEVEL
    noise = evaluate(Graph((SEED,), (Equation(w[h], random_normal(SEED.symbol, h, 9)),), ("w",)), {"seed": 4})["w"]
    wanted = 2 * given["w"] * ((given["x"] * (drawn + noise)) ** 2).sum(axis=0)
    assert codegen.compile(derived)(*given.values())[1] == pytest.approx(wanted, rel=1e-13)


def test_equal_calls_are_one_number_and_other_calls_are_not() -> None:
    one, other = random_uniform(SEED.symbol, 2 * h + 1), random_uniform(SEED.symbol, 1 + h + h)
    assert one == other
    assert one.func(*one.args) == one
    assert str(one) == "random_uniform(seed, 2*h + 1)"
    assert one.subs(h, 4) == random_uniform(SEED.symbol, 9)
    assert len({random_uniform(SEED.symbol, h, n) for n in (0, 1, 2**64)} - {None}) == 2
    graph = Graph(
        (X, SEED),
        tuple(
            Equation(v[s, h], (X[s, h] + random_uniform(SEED.symbol, h, n)) ** 2) for v, n in ((Y, 0), (M, 1), (Z, 0))
        ),
        ("y", "m", "z"),
    )
    y, m, z = codegen.compile(graph)(np.zeros((3, 6)), 1)
    assert (y == z).all()
    assert (y != m).any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: random_uniform(1, h * s), "found h\\*s, expected a sum of multiples of indices"),
        (lambda: random_uniform(1, h / 2), "found h/2, expected a sum of multiples"),
        (lambda: random_uniform(2 * h, 0), "the seed of random numbers: found 2\\*h"),
        (lambda: random_reaches(1.5, 1, 0), "found 1.5, expected a number from 0 to 1"),
        (lambda: Graph((X,), (Equation(Y[s, h], random_uniform(X[s, h], h)),), ("y",)), "no input of integers"),
        (
            lambda: Graph(
                (X, SEED), (Equation(Y[s, h], X[s, h] + random_uniform(SEED.symbol, h, row=s, width=3)),), ("y",)
            ),
            "at place h of a row of 3 numbers goes 3 beyond its end",
        ),
    ],
)
def test_what_is_no_sum_of_integers_is_refused(make: Any, message: str) -> None:
    with pytest.raises(GraphError, match=message):
        make()


def test_words_are_those_of_the_published_generator() -> None:
    # The known answers of Random123 for philox4x64 with 10 rounds: a key and a counter of zeros, blocks from 1.
    block = words(0, 0, -1, np.arange(4), 4)
    assert [f"{word:x}" for word in block] == [
        "16554d9eca36314c",
        "db20fe9d672d0fdc",
        "d7e772cee186176b",
        "7e68b68aec7ba23b",
    ]
    assert isinstance(random_uniform(1, 2), Expr)


def test_seeds_may_be_unsigned_words_and_other_integers_may_not() -> None:
    """2⁶³ + 5 as NumPy has it; where the integer is a number too, it is none of 64 bits."""
    word = 2**63 + 5
    wanted = np.random.Generator(np.random.Philox(key=np.array([word, 0], np.uint64))).random(6)
    row = X[s, h] + random_uniform(SEED.symbol, h)
    drawn = codegen.compile(Graph((X, SEED), (Equation(Y[s, h], row),), ("y",)))
    for seed in (word, np.uint64(word), word - 2**64):
        np.testing.assert_array_equal(drawn(np.zeros((1, 6)), seed)[0], wanted)
    counted = codegen.compile(Graph((X, SEED), (Equation(Y[s, h], row * equal(SEED.symbol, h)),), ("y",)))
    for function, seed in ((counted, word), (drawn, 2**64)):
        with pytest.raises(ValueError, match="must be an integer from -2\\*\\*63 to 2\\*\\*63 - 1, found"):
            function(np.zeros((1, 6)), seed)
    seeds = Variable("seeds", (S,), "integer")
    several = Graph((X, seeds), (Equation(Y[s, h], X[s, h] + random_uniform(seeds[s], h)),), ("y",))
    found = codegen.compile(several)(np.zeros((2, 6)), np.array([word, 7], np.uint64))
    np.testing.assert_array_equal(found[0], wanted)
