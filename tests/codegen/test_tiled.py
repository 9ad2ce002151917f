"""Tiles: samples come last, sums of products become kernels, and what cannot be tiled is left alone."""

from __future__ import annotations

import numpy as np
import pytest
from sympy import Expr, tanh

from codegen import Equation, Graph, Index, Reduction, Variable, compile, gradient, optimise, sample_extent
from codegen.dtypes import Dtype
from codegen.numeric.evaluate import evaluate
from codegen.schedule import schedule
from codegen.schedule.program import Kernel, KernelKind, Loop, Vector, walk
from codegen.schedule.target import Target
from codegen.schedule.tiled import COLUMNS, DEPTH, LONG, ROWS, TRANSPOSING, tile_graph
from codegen.walk import base_name, subscripts
from tests.codegen.networks import mlp, outputs, random_values

S = sample_extent()
s, r = Index("s", S), Index("r", S)


def total(target: Expr, body: Expr, *over: Index) -> Equation:
    return Equation(target, body, Reduction.SUM, over)


def layer(inputs: int, units: int) -> Graph:
    """Σ_s,h tanh(Σ_d W[h, d]·x[s, d])."""
    h, d = Index("h", units), Index("d", inputs)
    x, W, z, L = Variable("x", (S, inputs)), Variable("W", (units, inputs)), Variable("z", (S, units)), Variable("L")
    equations = (total(z[s, h], W[h, d] * x[s, d], d), total(L.symbol, tanh(z[s, h]), s, h))
    return Graph((x, W), equations, ("L",))


def product(rows: int, columns: int) -> Graph:
    """G[i, j] = Σ_s u[s, i]·v[s, j], of two maps of inputs."""
    i, j = Index("i", rows), Index("j", columns)
    x, y, G = Variable("x", (S, rows)), Variable("y", (S, columns)), Variable("G", (rows, columns))
    u, v = Variable("u", (S, rows)), Variable("v", (S, columns))
    maps = (Equation(u[s, i], tanh(x[s, i])), Equation(v[s, j], tanh(y[s, j])))
    return Graph((x, y), (*maps, total(G[i, j], u[s, i] * v[s, j], s)), ("G",))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("register", [16, 32, 64, 128, 256])
@pytest.mark.parametrize("cache", [1 << 10, 1 << 14, 1 << 20])
def test_a_tile_is_whole_vectors_long(cache: int, register: int, dtype: Dtype) -> None:
    graph = optimise(gradient(mlp([7, 13, 5]), "loss", ["W1", "W2"]))[0]
    program = schedule(graph, "tiled", Target(register=register, cache=cache), dtype)
    assert program.samples is not None
    tile = program.samples.tile
    widths = {v.mode.width for v, _ in walk(program.statements) if isinstance(v, Loop) and isinstance(v.mode, Vector)}
    assert tile is not None
    assert widths
    assert all(tile % width == 0 for width in widths)


def kinds(graph: Graph) -> list[KernelKind]:
    found = tile_graph(graph, S)
    assert found is not None
    return [kernel.kind for kernel in found[1].values()]


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (layer(DEPTH, 5), [KernelKind.TRANSPOSE, KernelKind.OVER_LANES]),
        (layer(DEPTH - 1, 5), [KernelKind.TRANSPOSE]),
        (layer(LONG * 5, 5), [KernelKind.ALONG_ROWS]),
        (layer(LONG * 5 - 1, 5), [KernelKind.TRANSPOSE, KernelKind.OVER_LANES]),
        (product(ROWS, COLUMNS), [KernelKind.TRANSPOSE] * 2 + [KernelKind.ACROSS_LANES]),
        (product(ROWS - 1, COLUMNS), [KernelKind.TRANSPOSE] * 2),
        (product(ROWS, COLUMNS - 1), [KernelKind.TRANSPOSE] * 2),
        (product(TRANSPOSING + 1, COLUMNS), [KernelKind.TRANSPOSE] * 3 + [KernelKind.OVER_SAMPLES]),
    ],
    ids=[
        *("deep enough", "too short a sum", "long rows", "too short rows"),
        *("large enough", "too few rows", "too few columns", "many rows"),
    ],
)
def test_sums_of_products_are_kernels_where_it_is_worth_it(graph: Graph, expected: list[KernelKind]) -> None:
    found = kinds(graph)
    assert sorted(kind.name for kind in found) == sorted(kind.name for kind in expected)


def test_a_gradient_is_set_by_the_kernel_of_the_first_tile() -> None:
    found = [statement for statement, _ in walk(schedule(product(3, 9), "tiled").statements)]
    assert [one.begins for one in found if isinstance(one, Kernel) and one.kind.adds] == [True]


def test_inside_a_tile_samples_are_the_last_axis() -> None:
    found = tile_graph(layer(8, 5), S)
    assert found is not None
    read = [r for equation in found[0].equations for r in (equation.target, *equation.references)]
    placed = {base_name(r): subscripts(r).index(s) for r in read if s in subscripts(r)}
    assert placed == {"x": 0, "xᵀ": 1, "z": 1}


NOT_TILED = {
    "no samples": Graph((Variable("a"),), (Equation(Variable("b").symbol, Variable("a").symbol ** 2),), ("b",)),
    "pairs of samples": Graph(
        (Variable("x", (S,)),),
        (
            Equation(Variable("K", (S, S))[s, r], Variable("x", (S,))[s] * Variable("x", (S,))[r]),
            total(Variable("L").symbol, Variable("K", (S, S))[s, r], s, r),
        ),
        ("L",),
    ),
    "a diagonal": Graph(
        (Variable("K", (S, S)),), (total(Variable("L").symbol, Variable("K", (S, S))[s, s], s),), ("L",)
    ),
}


@pytest.mark.parametrize("case", NOT_TILED)
def test_what_has_no_samples_of_its_own_is_not_tiled(case: str) -> None:
    assert tile_graph(NOT_TILED[case], S) is None


def test_the_graph_of_a_tile_has_the_values_of_the_given_one() -> None:
    graph = optimise(gradient(mlp([7, 13, 5]), "loss", ["x", "W1", "W2"]))[0]
    found = tile_graph(graph, S)
    assert found is not None
    tiled, kernels = found
    assert {kernel.kind for kernel in kernels.values()} >= {KernelKind.OVER_LANES, KernelKind.ACROSS_LANES}
    values = random_values(graph, samples=9)
    given = evaluate(tiled, values)
    for name, expected in zip(graph.outputs, outputs(graph, values), strict=True):
        np.testing.assert_allclose(given[name], expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("samples", [16, 35])
def test_small_tiles_have_the_same_values_in_both_precisions(samples: int) -> None:
    """9,000 units: the arrays of 16 samples are all that the second-level cache holds."""
    graph = gradient(mlp([3, 9_000, 3]), "loss", ["W1", "W2"])
    values = random_values(graph, samples=samples)
    found = []
    for dtype in ("float64", "float32"):
        given = [value if value.dtype.kind == "i" else (value / 50).astype(dtype) for value in values.values()]
        found.append(compile(graph, dtype=dtype, schedule="tiled", cache=False)(*given))
    for exact, single in zip(*found):
        np.testing.assert_allclose(single, exact, rtol=1e-4, atol=1e-5 * np.abs(exact).max())
