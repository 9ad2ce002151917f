"""Elimination of matrices beside JAX: ``python -m tests.benchmarks.matrices [PART …]``.

Microseconds a call, value and gradient, all in one process by the clock of the processor, one thread each; JAX's values
are compared first. Derived and compiled is what both take before the first call, in seconds of the processor.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.linalg.cython_lapack  # noqa: F401 - so that its threads can be limited
from sympy import Idx, IndexedBase, KroneckerDelta, Sum, Symbol, exp, log, symbols
from threadpoolctl import threadpool_limits

import codegen
from codegen import Graph, from_expressions, gradient
from tests.benchmarks.timing import interleaved

SECONDS = 4.0
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Case:
    """A value and its gradient: ours, JAX's function of the same arguments, and by which of these."""

    graph: Callable[[], Graph]
    arguments: Callable[[np.random.Generator], tuple[Any, ...]]
    jax: Callable[..., Any] | None
    by: tuple[int, ...]


# --- the marginal likelihood of a Gaussian process ------------------------------------------------------------------


def gaussian_process(n: int, features: int = 4) -> Graph:
    """−log p(y) of n points by length scales, amplitude and noise (Rasmussen and Williams 2006, 2.30)."""
    i, j, d = Idx("i", n), Idx("j", n), Idx("d", features)
    X, y, scale = (IndexedBase(k, shape=s) for k, s in (("X", (n, features)), ("y", (n,)), ("scale", (features,))))
    amplitude, noise = symbols("amplitude noise")
    K, a = IndexedBase("K"), IndexedBase("a")
    distance = Sum((X[i, d] - X[j, d]) ** 2 * exp(-2 * scale[d]), (d, 0, features - 1))
    kernel = exp(2 * amplitude - distance / 2) + exp(2 * noise) * KroneckerDelta(i, j)
    outputs = {
        K[i, j]: kernel,
        a[j]: codegen.solve(K[i, j], y[i], (i, j), assume="positive definite"),
        "L": Sum(y[i] * a[i], i) / 2 + codegen.logdet(K[i, j], (i, j), assume="positive definite") / 2,
    }
    graph = from_expressions(outputs, [X, y, scale, amplitude, noise]).with_outputs("L")
    return gradient(graph, "L", ["scale", "amplitude", "noise"])


def gaussian_process_in_jax(X: Any, y: Any, scale: Any, amplitude: Any, noise: Any) -> Any:
    import jax
    import jax.numpy as jnp

    distance = ((X[:, None, :] - X[None, :, :]) ** 2 * jnp.exp(-2 * scale)).sum(-1)
    kernel = jnp.exp(2 * amplitude - distance / 2) + jnp.exp(2 * noise) * jnp.eye(len(y))
    factor = jnp.linalg.cholesky(kernel)
    return y @ jax.scipy.linalg.cho_solve((factor, True), y) / 2 + jnp.log(jnp.diag(factor)).sum()


def points(n: int, generator: np.random.Generator) -> tuple[Any, ...]:
    return generator.normal(size=(n, 4)), generator.normal(size=n), np.full(4, 0.3), 0.1, -1.0


# --- batches of small systems ---------------------------------------------------------------------------------------


def systems(n: int) -> Graph:
    """Σ x² of the solutions of any number of systems."""
    i, j, s = Idx("i", n), Idx("j", n), Idx("s", Symbol("S"))
    A, b, x = IndexedBase("A", shape=(Symbol("S"), n, n)), IndexedBase("b", shape=(Symbol("S"), n)), IndexedBase("x")
    graph = from_expressions(
        {x[s, j]: codegen.solve(A[s, i, j], b[s, i], (i, j)), "L": Sum(x[s, j] ** 2, j, s)}, [A, b]
    )
    return gradient(graph.with_outputs("L"), "L")


def systems_in_jax(A: Any, b: Any) -> Any:
    import jax.numpy as jnp

    return (jnp.linalg.solve(A, b[..., None]) ** 2).sum()


def batches(n: int, samples: int, generator: np.random.Generator) -> tuple[Any, ...]:
    return generator.normal(size=(samples, n, n)) + n * np.eye(n), generator.normal(size=(samples, n))


# --- mixtures of Gaussians ------------------------------------------------------------------------------------------


def mixture(features: int, components: int, packed: bool) -> Graph:
    """The log likelihood of ADBench's mixture, the triangle of each component packed, or in a square."""
    d, k = features, components
    n, c, i, j = Idx("n", Symbol("N")), Idx("c", k), Idx("i", d), Idx("j", d)
    x, mean, weight, q = (
        IndexedBase(name, shape=shape)
        for name, shape in (("x", (Symbol("N"), d)), ("mean", (k, d)), ("weight", (k,)), ("q", (k, d)))
    )
    T = IndexedBase("T", shape=(k, d * (d - 1) // 2) if packed else (k, d, d))
    z, e = IndexedBase("z"), IndexedBase("e")
    element = T[c, i * (i - 1) / 2 + j] if packed else T[c, i, j]
    below = Sum(element * (x[n, j] - mean[c, j]), (j, 0, i - 1))
    outputs = {
        z[n, c, i]: exp(q[c, i]) * (x[n, i] - mean[c, i]) + below,
        e[n, c]: weight[c] + Sum(q[c, i], i) - Sum(z[n, c, i] ** 2, i) / 2,
        "L": Sum(log(Sum(exp(e[n, c]), c)), n),
    }
    graph = from_expressions(outputs, [x, mean, weight, q, T]).with_outputs("L")
    return gradient(graph, "L", ["mean", "weight", "q", "T"])


def mixed(features: int, components: int, packed: bool, generator: np.random.Generator) -> tuple[Any, ...]:
    d, k = features, components
    drawn = generator.normal(size=(1000, d)), generator.normal(size=(k, d)), generator.normal(size=k)
    packing, below = generator.normal(size=(k, d * (d - 1) // 2)), np.tril_indices(d, -1)
    square = np.zeros((k, d, d))
    square[:, below[0], below[1]] = packing
    return (*drawn, generator.normal(size=(k, d)) / 10, packing if packed else square)


CASES: Mapping[str, Case] = {
    **{
        f"Gaussian process, {n} points": Case(
            partial(gaussian_process, n), partial(points, n), gaussian_process_in_jax, (2, 3, 4)
        )
        for n in (50, 200)
    },
    **{
        f"{samples} systems of {n}": Case(partial(systems, n), partial(batches, n, samples), systems_in_jax, (0, 1))
        for n, samples in ((3, 1000), (6, 1000), (12, 200), (40, 20))
    },
    **{
        f"mixture of {k} in {d}, {'packed' if packed else 'square'}": Case(
            partial(mixture, d, k, packed), partial(mixed, d, k, packed), None, ()
        )
        for d, k in ((10, 5), (20, 10))
        for packed in (True, False)
    },
}


def measured(case: Case) -> tuple[float, dict[str, float]]:
    """Seconds to derive and compile, microseconds a call of ours and of JAX."""
    arguments = case.arguments(np.random.default_rng(0))
    begun = time.process_time()
    function = codegen.compile(case.graph(), cache=False)
    seconds = time.process_time() - begun
    calls: dict[str, Callable[[], Any]] = {"ours": function.bind(*arguments)}
    if case.jax is not None:
        import jax

        jax.config.update("jax_enable_x64", True)
        compiled = jax.jit(jax.value_and_grad(case.jax, argnums=case.by))
        placed = tuple(map(jax.numpy.asarray, arguments))
        value, slopes = compiled(*placed)
        for ours, theirs in zip(calls["ours"](), (value, *slopes)):
            worst = np.max(np.abs(ours - np.asarray(theirs)) / np.maximum(1, np.abs(ours)))
            if not worst <= TOLERANCE:
                raise ValueError(f"JAX differs by {worst:.1e}")
        calls["JAX"] = lambda: jax.block_until_ready(compiled(*placed))
    return seconds, interleaved(calls, SECONDS, time.process_time)


def main(*parts: str) -> None:
    """Print the table."""
    os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1")
    print("| value and gradient | derived and compiled, s | call, µs | JAX, µs | ratio |")
    print("| --- | --- | --- | --- | --- |")
    for name, case in CASES.items():
        if parts and not any(part in name for part in parts):
            continue
        with threadpool_limits(1):
            seconds, times = measured(case)
        peer = times.get("JAX")
        beside = "– | –" if peer is None else f"{peer:,.0f} | {peer / times['ours']:.1f}"
        print(f"| {name} | {seconds:.1f} | {times['ours']:,.1f} | {beside} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
