"""Scans: every writer computes what the unrolled graph does, step by step."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numba.core.config
import numpy as np
import pytest
import sympy
from sympy import Eq, Piecewise, tanh

import codegen
from codegen import Equation, Graph, Index, Reduction, Variable, sample_extent
from codegen.emit.layout import layout
from codegen.emit.numba import emit
from codegen.numeric.evaluate import evaluate
from codegen.schedule import Target, contraction, schedule
from codegen.schedule.cost import counts
from codegen.schedule.program import Kernel, Loop, Scan, walk
from tests.codegen.networks import Lazy, distance, random_values
from tests.codegen.test_c import COMPILERS, built, needs_compiler, sources
from tests.codegen.test_cut import by_python, inside_a_fence
from tests.codegen.test_recurrences import GRAPHS, scalar
from tests.sweeps import one_in

pytestmark = pytest.mark.values

S, T, H = sample_extent("S"), 5, 8
s, t, w, i, j = Index("s", S), Index("t", T - 1), Index("w", T), Index("i", H), Index("j", H)
x, U, b = Variable("x", (S, T, H)), Variable("U", (H, H)), Variable("b", (H,))
h, v, L = Variable("h", (S, T, H)), Variable("v", (S, T - 1, H)), Variable("L")
LAYER = Graph(
    (x, U, b),
    (
        Equation(h[s, 0, i], tanh(x[s, 0, i])),
        Equation(v[s, t, i], U[i, j] * h[s, t, j], Reduction.SUM, (j,)),
        Equation(h[s, t + 1, i], tanh(v[s, t, i] + x[s, t + 1, i] + b[i])),
        Equation(L.symbol, h[s, w, i] ** 2, Reduction.SUM, (s, w, i)),
    ),
    ("L",),
)
"""A layer that is large enough for kernels."""
G, D = 13, 9
g, f, p = Index("g", G), Index("f", G), Index("p", D)
A, B, X = Variable("A", (G, D)), Variable("B", (G, G)), Variable("X", (S, T - 1, D))
q, o, a, c = Variable("q", (S, T, G)), *(Variable(name, (S, T - 1, G)) for name in "oac")
WIDE = Graph(
    (X, A, B),
    (
        Equation(q[s, 0, g], sympy.Integer(0)),
        Equation(o[s, t, g], A[g, p] * X[s, t, p], Reduction.SUM, (p,)),
        Equation(a[s, t, g], B[g, f] * q[s, t, f], Reduction.SUM, (f,)),
        Equation(c[s, t, g], a[s, t, g]),
        Equation(q[s, t + 1, g], tanh(o[s, t, g] + c[s, t, g])),
        Equation(L.symbol, q[s, T - 1, g] ** 2, Reduction.SUM, (s, g)),
    ),
    ("L",),
)
"""Whose gradients have columns in lanes, and rows that do not fill them; each step alone needs what it reads of X."""
W, V, start = Variable("W", (3, 2)), Variable("V", (2, 3)), Variable("start", (2,))
r, z = Variable("r", (T, 2)), Variable("z", (T - 1, 3))
k, d, e = Index("k", 3), Index("d", 2), Index("e", 2)
ALONE = Graph(
    (W, V, start),
    (
        Equation(r[0, d], start[d]),
        Equation(z[t, k], W[k, d] * r[t, d], Reduction.SUM, (d,)),
        Equation(r[t + 1, e], V[e, k] * tanh(z[t, k]), Reduction.SUM, (k,)),
        Equation(L.symbol, r[T - 1, d] ** 2, Reduction.SUM, (d,)),
    ),
    ("L",),
)
"""Products with the axes of a matrix, one of which is that of the steps."""
N = sample_extent("N")
n, m, y, u = Index("n", N - 1), Index("m", N), Variable("y", (N,)), Variable("u", (N,))
ANY_LENGTH = Graph(
    (y,),
    (
        Equation(u[0], y[0]),
        Equation(u[n + 1], u[n] + tanh(u[n] * y[n + 1])),
        Equation(L.symbol, u[m] ** 2, Reduction.SUM, (m,)),
    ),
    ("L",),
)


def of_all(graph: Graph) -> Graph:
    return codegen.gradient(scalar(graph), "L")


CASES = Lazy(
    {
        "alone": lambda: codegen.gradient(ALONE, "L"),
        **{name: partial(of_all, graph) for name, graph in GRAPHS.items()},
        "kernels": lambda: codegen.gradient(LAYER, "L"),
        "wide": lambda: codegen.gradient(WIDE, "L", ["A", "B"]),
        "any length": lambda: codegen.gradient(ANY_LENGTH, "L"),
    }
)
FEW = ("kernels", "wide", "in two directions", "any length")
"""Cases that are compiled in every test run."""


def expected(graph: Graph, values: dict[str, np.ndarray]) -> list[np.ndarray]:
    return [np.asarray(evaluate(graph, values)[name]) for name in graph.outputs]


@pytest.mark.parametrize("case", CASES)
def test_products_inside_a_scan_are_none_of_whole_arrays(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contraction, "BLAS_WORK", 1)
    # With the limit where it is small cases would be no products at all.
    graph = codegen.optimise(CASES[case])[0]
    isolated, products = contraction.isolate(graph)
    assert set(isolated.scans).isdisjoint(products)


@pytest.mark.parametrize("way", ["loops", "tiled"])
@pytest.mark.parametrize("case", one_in(2, CASES))
def test_the_readable_program(case: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = codegen.optimise(CASES[case])[0]
    if way == "tiled" and S not in graph.extents:
        return
    monkeypatch.setattr(numba.core.config, "DISABLE_JIT", 1)
    values = random_values(graph, samples=3)
    program = schedule(graph, way)  # type: ignore[arg-type]
    assert any(isinstance(one, Loop) and isinstance(one.mode, Scan) for one, _ in walk(program.statements))
    assert distance(by_python(program, values), expected(graph, values)) <= 1e-13


@pytest.mark.parametrize("case", [c if c in FEW else pytest.param(c, marks=pytest.mark.slow) for c in CASES])
def test_vector_code(case: str) -> None:
    graph = CASES[case]
    for way in ("tiled", "loops") if S in graph.extents else ("loops",):
        function = codegen.compile(graph, schedule=way, emitter="vector", cache=False)  # type: ignore[arg-type]
        for samples in (2, 7, 70) if graph.extents else (1,):
            values = random_values(graph, samples=samples)
            assert distance(inside_a_fence(function, values), expected(graph, values)) <= 1e-12, (way, samples)


@needs_compiler
def test_c_code(tmp_path: Path) -> None:
    rows = [(CASES[case], "float64", "tiled" if S in CASES[case].extents else "loops") for case in FEW]
    for function in built(rows, sources(tmp_path, rows), COMPILERS[0], "-O0", "-fsanitize=undefined"):
        values = random_values(function.graph, samples=5)
        status, found = function(values)
        assert status == 0
        assert distance([np.asarray(a) for a in found], expected(function.graph, values)) <= 1e-12


def test_products_of_a_step_are_kernels_inside_its_loop() -> None:
    program = schedule(codegen.optimise(CASES["kernels"])[0], "tiled")
    found = [around[0].mode for one, around in walk(program.statements) if isinstance(one, Kernel) and around]
    assert {mode.step for mode in found if isinstance(mode, Scan)} == {1, -1}


def test_what_only_one_step_needs_is_kept_for_one_step() -> None:
    program = schedule(codegen.optimise(CASES["wide"])[0], "tiled")
    kept = {name for (name, _), where in program.storage.items() if {T, T - 1} & {*where.shape}}
    assert kept == {"q", "X"}
    assert all(around or isinstance(one, Loop) for one, around in walk(program.statements) if isinstance(one, Kernel))


def test_few_samples_gather_nothing_at_each_step() -> None:
    few = schedule(codegen.optimise(CASES["wide"])[0], "tiled", Target()).few
    assert few is not None
    assert few.samples is not None
    assert counts(replace(few, statements=(few.samples,)), 1).get("gathered", 0) == 0


def test_the_program_does_not_depend_on_the_number_of_steps() -> None:
    texts = set()
    for length in (3001, 5001):
        a, c, k = Variable("a", (length,)), Variable("c", (length,)), Index("k", length - 1)
        graph = Graph((c,), (Equation(a[0], c[0]), Equation(a[k + 1], a[k] * c[k + 1])), ("a",))
        text = emit(schedule(graph, "loops"), layout(graph, {}), "float64")
        texts.add(text.replace(str(length), "T").replace(str(length - 1), "T - 1").replace(f"{length - 1:,}", "T - 1"))
    assert len(texts) == 1


def test_a_sum_that_steps_add_to_may_have_one_term() -> None:
    """Σ_n {u[n + 1] if n = N − 2} of a scan: the other steps add nothing."""
    last = Equation(Variable("e").symbol, Piecewise((u[n + 1], Eq(n, N - 2)), (0, True)), Reduction.SUM, (n,))
    graph = Graph((y,), (*ANY_LENGTH.equations, last), ("L", "e"))
    given = np.sin(np.arange(1.0, 6.0))
    expected = evaluate(graph, {"y": given})
    assert distance(list(codegen.compile(graph, schedule="loops")(given)), [expected["L"], expected["e"]]) <= 1e-14
