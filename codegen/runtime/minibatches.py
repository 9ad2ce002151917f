"""Descent by minibatches as one call of compiled code: nothing returns to Python between the updates."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from codegen.dtypes import Dtype
from codegen.emit.layout import Slot
from codegen.emit.vector.interface import NATIVE, Batches
from codegen.runtime.cache import Entry, entry, key
from codegen.runtime.forks import compiling
from codegen.runtime.function import CompiledFunction
from codegen.runtime.machine import MachineCode, compile_module, load_object
from codegen.walk import lengths_in

SYMBOL = f"{NATIVE}_minibatches"
Loop = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_double)
"""``total = loop(record, order, count, total)``; calls release the interpreter's lock."""


class Minibatches:
    """For each batch of rows: value, gradient ← evaluate(θ, *rows), then θ, state ← update(θ, gradient, state).

    ``evaluate(theta, *rows, *scalars) -> (value, gradient)`` takes arrays with as many rows as there are samples, the
    first of its symbolic extents, and then numbers, of which the one called ``counted``, an integer, is that of the
    rows that there were before the batch; other extents are those of the arrays that memory is allocated for.
    ``update(theta, gradient, *state, step, *numbers) -> (theta, *state)`` takes
    vectors of any length and the number of the step, from 1. Both are of one dtype. ``vectors``, which are theta and
    the state, are changed in place; so are ``counters``, int64: the steps made so far and the rows they were made on.

    >>> import codegen
    >>> from codegen.ir.graph import Equation, Index, Reduction, Variable
    >>> from sympy import Symbol
    >>> S, P = (Symbol(name, integer=True, positive=True) for name in "SP")
    >>> s, p = Index("s", S), Index("p", P)
    >>> x, w, a, g, step, rate = (Variable(n, shape) for n, shape in
    ...     [("x", (S,)), ("w", (1,)), ("a", (P,)), ("g", (P,)), ("step", ()), ("rate", ())])
    >>> body = (w[0] - x[s]) ** 2 / S
    >>> loss = codegen.Graph((w, x), (Equation(Variable("loss").symbol, body, Reduction.SUM, (s,)),), ("loss",))
    >>> step_down = Equation(Variable("new a", (P,))[p], a[p] - rate.symbol * g[p])
    >>> mean, counters = np.zeros(1), np.zeros(2, np.int64)
    >>> descent = Minibatches(
    ...     codegen.compile(codegen.gradient(loss, "loss", ["w"])),
    ...     codegen.compile(codegen.Graph((a, g, step, rate), (step_down,), ("new a",))), [mean], counters)
    >>> descent.allocate([np.array([1.0, 2.0, 6.0])], size=3)
    >>> for _ in range(50):
    ...     total = descent.run([np.array([1.0, 2.0, 6.0])], np.arange(3), [0.1], 0.0)
    >>> mean.round(3), counters
    (array([3.]), array([ 50, 150]))
    """

    def __init__(
        self,
        evaluate: CompiledFunction,
        update: CompiledFunction,
        vectors: Sequence[np.ndarray],
        counters: np.ndarray,
        cache: bool = True,
        counted: str = "",
    ) -> None:
        theta = vectors[0]
        arguments = evaluate.layout.arguments[1:]
        gathered = sum(1 for argument in arguments if argument.shape)
        others, numbers = arguments[gathered:], len(update.layout.arguments) - 1 - len(vectors)
        self._integers = [slot.kind == "integer" for slot in others if slot.name != counted]
        places = [n for n, slot in enumerate(others) if slot.name != counted]
        count = next((n for n, slot in enumerate(others) if slot.name == counted), None)
        self._functions = evaluate.c_function, update.c_function
        self._tables = tuple(np.zeros(function.words, np.int64) for function in self._functions)
        self._record = np.zeros(Batches.FIRST_SOURCE + 2 * gathered, np.int64)
        self._code = _loop(evaluate.report.dtype, gathered, len(others), count, len(vectors), numbers, cache)
        self._run = Loop(self._code.addresses[SYMBOL])
        self._sources = [int(Batches.FIRST_SOURCE) + 2 * n for n in range(gathered)]
        self._lengths = _lengths(arguments)
        # Memory that compiled code finds by its address lives as long as this.
        gradient, new = np.empty_like(theta), [np.empty_like(vector) for vector in vectors]
        self._held = (*vectors, gradient, *new, counters)
        self._batch: tuple[np.ndarray, ...] = ()

        evaluated, updated = self._tables
        evaluated[0], evaluated[len(arguments) + 1] = theta.ctypes.data, gradient.ctypes.data
        arrays = (theta, gradient, *vectors[1:])
        updated[: len(arrays)] = [array.ctypes.data for array in arrays]
        written = len(arrays) + numbers
        updated[written : written + len(new)] = [array.ctypes.data for array in new]
        updated[written + len(new)] = theta.size
        first = len(arrays) + 1  # behind the step
        self._numbers = _words(updated, theta.dtype)[first : first + numbers - 1]
        self._scalars = [evaluated[gathered + 1 + n : gathered + 2 + n] for n in places]
        self._others = len(others)

        self._set_function(Batches.EVALUATE, 0)
        self._set_function(Batches.UPDATE, 1)
        self._work = [np.empty(0, np.uint8), self._workspace(Batches.UPDATE_WORKSPACE, 1)]
        self._record[Batches.VECTOR_BYTES] = theta.nbytes
        self._record[Batches.COUNTERS] = counters.ctypes.data

    def allocate(self, data: Sequence[np.ndarray], size: int) -> None:
        """Memory for batches of up to ``size`` rows of arrays like these."""
        self._batch = tuple(np.empty((size, *array.shape[1:]), array.dtype) for array in data)
        evaluated = self._tables[0]
        evaluated[1 : len(data) + 1] = [array.ctypes.data for array in self._batch]
        extents = len(data) + self._others + 2
        evaluated[extents] = size
        for number, (argument, axis) in enumerate(self._lengths, extents + 1):
            evaluated[number] = data[argument].shape[axis]
        self._work[0] = self._workspace(Batches.EVALUATE_WORKSPACE, 0)
        self._record[Batches.SIZE] = size
        self._record[[field + 1 for field in self._sources]] = [array[0].nbytes for array in self._batch]

    def run(
        self,
        data: Sequence[np.ndarray],
        order: np.ndarray,
        numbers: Sequence[float],
        total: float,
        scalars: Sequence[float | int] = (),
    ) -> float:
        """Go through the rows ``order``, int64, of C-contiguous arrays like those that memory was allocated for.

        Returns ``total`` + Σ value·rows over the batches, the value before each update; the last batch may be smaller.
        It stops before the update of a batch whose value is not finite, and then returns no finite number. An entry of
        ``order`` that is no row reads foreign memory.

        Raises ``ValueError`` for integers that ``evaluate`` refuses.
        """
        for field, array in zip(self._sources, data):
            self._record[field] = array.ctypes.data
        self._numbers[:] = numbers
        for word, value, integer in zip(self._scalars, scalars, self._integers, strict=True):
            _words(word, word.dtype if integer else self._numbers.dtype)[:] = value
        found = float(self._run(self._record.ctypes.data, order.ctypes.data, len(order), total))
        if self._record[Batches.REFUSED]:
            raise ValueError("found integers out of range in a batch")
        return found

    def _set_function(self, field: int, number: int) -> None:
        self._record[field] = self._functions[number].address
        self._record[field + 1] = self._tables[number].ctypes.data

    def _workspace(self, field: int, number: int) -> np.ndarray:
        memory = np.empty(self._functions[number].workspace(self._tables[number].ctypes.data), np.uint8)
        self._record[field] = memory.ctypes.data
        return memory


def _lengths(arguments: Sequence[Slot]) -> list[tuple[int, int]]:
    """Where each symbolic extent but that of the rows is found first: the number of an array, and its axis."""
    axes = [(n, place) for place, argument in enumerate(arguments) for n in enumerate(argument.shape)]
    symbols = dict.fromkeys(symbol for (_, extent), _ in axes for symbol in lengths_in(extent))
    places = {extent: (place, axis) for (axis, extent), place in reversed(axes)}
    return [places[symbol] for symbol in [*symbols][1:]]


def _words(table: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The words of a table as numbers, each of which is the beginning of one."""
    return table.view(dtype)[:: table.itemsize // dtype.itemsize]


@lru_cache
@compiling()
def _loop(
    dtype: Dtype, gathered: int, scalars: int, counted: int | None, vectors: int, numbers: int, cache: bool
) -> MachineCode:
    """The machine code of the loop, from the cache if it is there."""
    shape = dtype, gathered, scalars, counted, vectors, numbers

    def build() -> Entry:
        from codegen.emit.vector.minibatches import Shape, minibatches_module

        facts = {"schedule": "loops", "emitter": "vector", "workspace": "0", "calls": ""}
        return Entry(facts, compile_module(minibatches_module(Shape(*shape))))

    name = key(f"minibatches {' '.join(map(str, shape))}")
    return load_object(entry(name, cache, build)[0].code, [SYMBOL])
