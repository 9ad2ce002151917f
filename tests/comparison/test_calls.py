"""However compiled code is called, it returns the same bits: samples, threads, bound, from jitted code."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np
import pytest
from numba import njit

from codegen import Graph, compile, gradient, hvp, jacobian, per_sample_gradients
from codegen.compare import deviation
from codegen.compare.rows import TOLERANCE
from codegen.compare.ways import arguments, results
from codegen.numeric import evaluate
from codegen.runtime.function import CompiledFunction
from codegen.schedule import ScheduleName
from tests.codegen.networks import mlp, parameters, random_values

pytestmark = pytest.mark.values

SAMPLES = (1, 2, 3, 4, 5, 63, 64, 65, 127, 128, 129, 1025)
"""Around the sizes of vectors, tiles and chunks."""

GRAPHS: Mapping[str, Graph] = {
    "gradient of 7-19-5": gradient(net := mlp([7, 19, 5]), "loss", parameters(net)),
    "outputs of every rank": mlp([9, 10, 12]).with_outputs("l", "u2", "loss", "a1"),
    "gradients per sample": per_sample_gradients(mlp([6, 8, 5]), "loss", ["W1", "b1", "x"]),
    "jacobian per sample": jacobian(mlp([6, 9, 7]), "u2", ["x"], samples=True),
    "hvp of three layers": hvp(net := mlp([8, 16, 7, 3]), "loss", parameters(net)),
    "extents of 1": gradient(net := mlp([1, 1, 3]), "loss", parameters(net)),
}
QUICK = {("outputs of every rank", "float64"), ("outputs of every rank", "float32"), ("hvp of three layers", "float64")}


@cache
def compiled(name: str, schedule: ScheduleName, dtype: str, threads: int) -> CompiledFunction:
    return compile(GRAPHS[name], schedule=schedule, emitter="vector", dtype=dtype, threads=threads)  # type: ignore[arg-type]


def cases() -> list[object]:
    found: list[object] = []
    for name in GRAPHS:
        for schedule in ("tiled", "loops", "blas"):
            for dtype in ("float64", "float32"):
                quick = (name, dtype) in QUICK and schedule == "tiled"
                found.append(pytest.param(name, schedule, dtype, marks=() if quick else (pytest.mark.slow,)))
    return found


@pytest.mark.parametrize(("name", "schedule", "dtype"), cases())
def test_any_number_of_samples_and_threads(name: str, schedule: ScheduleName, dtype: str) -> None:
    graph, real = GRAPHS[name], np.dtype(dtype)
    for samples in SAMPLES:
        values = {
            n: (0.5 * v).astype(real) if v.dtype.kind == "f" else v
            for n, v in random_values(graph, seed=samples, samples=samples).items()
        }
        expected = evaluate(graph, values)
        given = arguments(graph, values, dtype)  # type: ignore[arg-type]
        found = results(graph, compiled(name, schedule, dtype, 1)(*given))
        assert deviation(found, [expected[n] for n in graph.outputs]).metric <= TOLERANCE[dtype], samples  # type: ignore[index]
        for threads in (1, 2, 3):
            function = compiled(name, schedule, dtype, threads)
            for again in (function(*given), function.bind(*given)()):
                assert all(a.tobytes() == b.tobytes() for a, b in zip(results(graph, again), found)), (samples, threads)


def test_jitted_code_calls_what_python_calls() -> None:
    network = mlp([7, 19, 5])
    graph = gradient(network, "loss", names := parameters(network))
    packs = {"theta": names, "slope": [f"dloss/d{name}" for name in names]}
    function = compile(graph, pack=packs, emitter="vector", schedule="tiled")
    kernel, fill = function.kernel, function.fill

    @njit
    def both(x, y, theta, slope):  # type: ignore[no-untyped-def]
        value = fill(x, y, theta, slope)
        again, other = kernel(x, y, theta)
        return value, again, other

    for samples in SAMPLES:
        values = random_values(network, samples=samples)
        theta = np.concatenate([values[name].ravel() for name in names])
        expected = function(values["x"], values["y"], theta)
        slope = np.empty_like(theta)
        value, again, other = both(values["x"], values["y"], theta, slope)
        assert value == again == expected[0]
        assert slope.tobytes() == other.tobytes() == expected[1].tobytes()
