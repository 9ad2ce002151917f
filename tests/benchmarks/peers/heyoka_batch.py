"""heyoka: one compiled function of a sample, evaluated over the batch in SIMD lanes, its results summed.

Its variables are the parameters, the inputs and the label as zeros and a one, each a row with a column for every
sample: a call spreads the parameters over the columns and averages the loss and the gradient over them, by BLAS.
"""

from __future__ import annotations

from collections.abc import Callable

import heyoka
import numpy as np

from tests.benchmarks.cases import Problem, split
from tests.benchmarks.peers import LeftOut, Prepared

MAX_PARAMETERS = 3_000
"""Every parameter is a variable and every derivative an expression of its own."""

CHUNK = 128
"""Columns at a time, so that they stay in the cache: 4,096 at once take 1.4 times as long."""


def batch(problem: Problem) -> Prepared:
    case, dtype = problem.case, problem.dtype
    count, inputs, outputs = case.parameters, case.sizes[0], case.sizes[-1]
    if count > MAX_PARAMETERS:
        raise LeftOut(f"above its limit here, {MAX_PARAMETERS:,} parameters")
    theta, x, hot = (_variables(*given) for given in (("p", count), ("x", inputs), ("y", outputs)))
    loss = _loss(theta, x, hot, case.shapes)
    gradient = heyoka.diff_tensors([loss], diff_args=theta, diff_order=1).gradient
    # Compact code calls functions instead of inlining them: for sizes that LLVM would take long over.
    function = heyoka.cfunc(
        [loss, *gradient], vars=[*theta, *x, *hot], fp_type=np.dtype(dtype).type, compact_mode=count > 500
    )
    columns = np.concatenate([problem.x.T, np.arange(outputs)[:, None] == problem.y]).astype(dtype)
    parts = [np.ascontiguousarray(columns[:, n : n + CHUNK]) for n in range(0, case.samples, CHUNK)]
    call = _whole(function, problem.theta, parts[0]) if len(parts) == 1 else _chunked(function, problem.theta, parts)
    return Prepared(call, lambda returned: (float(returned[0]), returned[1:]))


def _whole(function: Callable, theta: np.ndarray, columns: np.ndarray) -> Callable[[], np.ndarray]:
    """All columns in one evaluation, in memory that holds them from the start."""
    count, samples = len(theta), columns.shape[1]
    variables = np.concatenate([np.empty((count, samples), theta.dtype), columns])
    spread, column = variables[:count], theta[:, None]
    results, mean = np.empty((count + 1, samples), theta.dtype), np.empty(count + 1, theta.dtype)
    weights = np.full(samples, 1 / samples, theta.dtype)

    def one() -> np.ndarray:
        function(variables, outputs=results)
        return results[:, 0]

    def many() -> np.ndarray:
        spread[...] = column
        function(variables, outputs=results)
        return np.dot(results, weights, out=mean)

    spread[...] = column
    return one if samples == 1 else many


def _chunked(function: Callable, theta: np.ndarray, parts: list[np.ndarray]) -> Callable[[], np.ndarray]:
    """One part of the columns after the other, in the same memory for all parts of a size."""
    count, samples = len(theta), sum(part.shape[1] for part in parts)
    memory = {
        size: tuple(np.empty((rows, size), theta.dtype) for rows in (count + len(parts[0]), count + 1))
        for size in {part.shape[1] for part in parts}
    }
    weights, column, mean = np.full(CHUNK, 1 / samples, theta.dtype), theta[:, None], np.empty(count + 1, theta.dtype)
    steps = [(part, *memory[part.shape[1]], weights[: part.shape[1]]) for part in parts]

    def call() -> np.ndarray:
        for variables, _ in memory.values():
            variables[:count] = column
        mean[...] = 0
        for part, variables, results, weight in steps:
            variables[count:] = part
            function(variables, outputs=results)
            mean[...] += results @ weight
        return mean

    return call


def _variables(letter: str, count: int) -> list[heyoka.expression]:
    return [heyoka.expression(f"{letter}{n}") for n in range(count)]


def _loss(theta: list, x: list, hot: list, shapes: list[tuple[int, int]]) -> heyoka.expression:
    """The cross-entropy of one sample."""
    a = x
    for layer, (w, b) in enumerate(split(np.array(theta, dtype=object), shapes)):
        a = [heyoka.sum([*(weight * value for weight, value in zip(row, a)), bias]) for row, bias in zip(w, b)]
        if layer < len(shapes) - 1:
            a = [heyoka.tanh(value) for value in a]
    return heyoka.log(heyoka.sum([heyoka.exp(value) for value in a])) - heyoka.sum([h * v for h, v in zip(hot, a)])
