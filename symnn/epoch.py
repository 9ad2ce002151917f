"""A pass over minibatches as one compiled function: the rows gathered, the gradient, the update, the next batch.

The function calls the compiled gradient and the compiled update, which Numba links into it. It is written as text so
that the cache on disk keeps it like everything else that is compiled; what it calls is named in the text by the keys of
their modules, and is thereby part of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from codegen import CompiledFunction
from codegen.runtime.cache import key, load

Run = Callable[..., float]
"""The jitted function that :func:`epoch_function` describes."""


def epoch_function(value_and_grad: CompiledFunction, update: CompiledFunction, cache: bool = True) -> Run:
    """A pass over the rows ``order`` of ``x`` and ``y``, an update for each ``batch_size`` of them, as one function.

    ``value_and_grad(theta, x, y) -> (loss, gradient)`` and ``update(theta, g, *state, step, *numbers) -> (theta,
    *state)`` are as :class:`~symnn.network.Model` and :class:`~symnn.optimisers.Optimiser` compile them, for one dtype.

    ``run(x, y, order, batch_size, batch_x, batch_y, gradient, *now, *new, counters, total, *numbers)`` changes ``now``,
    the parameters and the optimiser's state, and ``counters``, int64: the updates made so far and the rows they were
    made on. ``batch_x`` and ``batch_y``, with ``batch_size`` rows, ``gradient`` and ``new`` are memory to work in. It
    returns ``total`` + Σ loss·rows over the batches, the loss before each update; it stops before the update of a batch
    whose loss is not finite, and then returns no finite number. The last batch may be smaller. Nothing is checked but
    what ``value_and_grad`` and ``update`` check themselves: an entry of ``order`` that is no row reads foreign memory.
    """
    namespace = {"gradient_of": value_and_grad.fill, "update": update.fill}
    run: Run = load(epoch_source(value_and_grad, update), cache, namespace).module.run
    return run


def epoch_source(value_and_grad: CompiledFunction, update: CompiledFunction) -> str:
    """The text of the module with ``run``."""
    target = value_and_grad.layout.arguments[2]
    vectors = range(len(update.layout.arrays))
    numbers = range(sum(1 for slot in update.layout.arguments if not slot.shape) - 1)  # all but the step
    now, new = _names("v", vectors), _names("w", vectors)
    return _TEMPLATE.format(
        gradient_key=key(value_and_grad.source),
        update_key=key(update.source),
        dtype=value_and_grad.report.dtype,
        target_scalar="int64" if target.kind == "integer" else value_and_grad.report.dtype,
        target_axes=len(target.shape),
        gather_target=_GATHER_TARGET[len(target.shape)],
        vector_types="VECTOR, " * (2 * len(vectors)),
        number_types="REAL, " * len(numbers),
        vectors=f"{now}, {new}",
        swapped=f"{new}, {now}",
        state="".join(f"v{n}, " for n in vectors[1:]),
        new=new,
        numbers="".join(f", c{n}" for n in numbers),
        copies="\n".join(f"            w{n}[i] = v{n}[i]" for n in vectors),
    )


def _names(letter: str, count: range) -> str:
    return ", ".join(f"{letter}{n}" for n in count)


_GATHER_TARGET: Mapping[int, str] = {
    1: "batch_y[i] = y[row]",
    2: "for j in range(y.shape[1]):\n                batch_y[i, j] = y[row, j]",
}
"""One row of the targets into the batch, by their number of axes."""

# No fast flag: the sum of the losses is that of a loop in Python, to the last bit.
_TEMPLATE = '''"""A pass over minibatches.

It calls gradient_of, of the module {gradient_key},
and update, of the module {update_key}.
"""

import math

import numpy as np
from numba import njit, types

CACHE = globals().get("CACHE", False)  # set by a loader that keeps this file for Numba's cache
REAL = types.{dtype}
ROWS = types.Array(REAL, 2, "C")
TARGETS = types.Array(types.{target_scalar}, {target_axes}, "C")
VECTOR = types.Array(REAL, 1, "C")
COUNTERS = types.Array(types.int64, 1, "C")
GIVEN = (ROWS.copy(readonly=True), TARGETS.copy(readonly=True), COUNTERS.copy(readonly=True), types.int64)
WORK = (ROWS, TARGETS, VECTOR)


@njit(
    [types.float64(*GIVEN, *WORK, {vector_types}COUNTERS, types.float64, {number_types})],
    nogil=True,
    cache=CACHE,
    error_model="numpy",
)
def run(x, y, order, batch_size, batch_x, batch_y, gradient, {vectors}, counters, total{numbers}):
    steps = 0
    for start in range(0, len(order), batch_size):
        rows = min(batch_size, len(order) - start)
        for i in range(rows):
            row = order[start + i]
            {gather_target}
            for j in range(x.shape[1]):
                batch_x[i, j] = x[row, j]
        loss = np.float64(gradient_of(v0, batch_x[:rows], batch_y[:rows], gradient))
        total += loss * rows
        if not math.isfinite(loss):
            break
        steps += 1
        counters[0] += 1
        counters[1] += rows
        update(v0, gradient, {state}np.{dtype}(counters[0]){numbers}, {new})
        {vectors} = {swapped}
    # After an odd number of steps what was last written is in the memory to work in, and has to go where it came from.
    if steps % 2 == 1:
        for i in range(len(v0)):
{copies}
    return total
'''
