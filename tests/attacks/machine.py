"""Attacks on compiled code: arrays between pages that may not be touched, threads at once, seeds of Python's hashes."""

from __future__ import annotations

from tests.attacks.graphs import digests
from tests.attacks.outcome import Outcome, answer

GRAPHS = """
import json, os, random, sys
import numpy as np
import codegen
from tests.attacks.graphs import digests, some_graphs
from tests.codegen.networks import random_values
"""

GUARD = (
    GRAPHS
    + """
import ctypes, mmap

def guarded(shape, dtype, at_end):
    # The first and the last page may not be touched: who reads or writes one number too many ends the process.
    dtype, page = np.dtype(dtype), mmap.PAGESIZE
    size = int(np.prod(shape)) * dtype.itemsize
    inside = -(-max(size, 1) // page) * page
    memory = mmap.mmap(-1, inside + 2 * page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for address in (start, start + page + inside):
        if libc.mprotect(ctypes.c_void_p(address), ctypes.c_size_t(page), 0):
            raise OSError(ctypes.get_errno(), "mprotect")
    offset = page + (inside - size if at_end else 0)
    return np.frombuffer(memory, dtype, int(np.prod(shape)), offset).reshape(shape)

libc = ctypes.CDLL(None, use_errno=True)
tries, chance, failures = int(sys.argv[1]), random.Random(0), []
functions = [
    (f"{name}, {schedule}, {dtype}", graph, codegen.compile(graph, schedule=schedule, dtype=dtype))
    for name, graph in some_graphs(tries) for schedule, dtype in chance.sample(
        [(s, d) for s in ("loops", "tiled", "auto", "unrolled", "blas") for d in ("float64", "float32")], 2)
]
for number in range(tries):
    name, graph, function = functions[number % len(functions)]
    samples = chance.choice([1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 63, 64, 65, 127, 130])
    values = random_values(graph, number, samples)
    given = [values[slot.name] for slot in function.layout.arguments]
    given = [value.astype(function.report.dtype) if np.asarray(value).dtype.kind == "f" else value for value in given]
    plain = function(*given)
    at_end = chance.random() < 0.5
    arguments = [guarded(v.shape, v.dtype, at_end) if np.ndim(v) else v for v in given]
    for argument, value in zip(arguments, given):
        if np.ndim(value):
            argument[...] = value
    results = plain if isinstance(plain, tuple) else (plain,)
    out = [guarded(r.shape, r.dtype, at_end) for r in results if np.ndim(r)]
    found = function(*arguments, out=out[0] if len(out) == 1 else tuple(out)) if out else function(*arguments)
    found = found if isinstance(found, tuple) else (found,)
    if not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(found, results, strict=True)):
        failures.append(f"number {number}, {name}, {samples} samples: other values")
print(json.dumps(failures))
"""
)

THREADS = (
    GRAPHS
    + """
from concurrent.futures import ThreadPoolExecutor
tries, failures = int(sys.argv[1]), []
known = []
for name, graph in some_graphs(tries * 100):
    function = codegen.compile(graph, threads=2 if name in ("mlp", "wide") else 1)
    values = random_values(graph, 3, 1100)
    arguments = [values[slot.name] for slot in function.layout.arguments]
    known.append((name, graph, function, arguments, function(*arguments)))

def work(number):
    chance = random.Random(number)
    for _ in range(tries * 100):
        name, graph, function, arguments, expected = chance.choice(known)
        if chance.random() < 0.01:
            function = codegen.compile(graph, cache=chance.random() < 0.5)
        found = function(*arguments)
        found, expected = (values if isinstance(values, tuple) else (values,) for values in (found, expected))
        same = all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
        if not same:
            failures.append(f"thread {number}, {name}: other values")

with ThreadPoolExecutor(8) as pool:
    list(pool.map(work, range(8)))  # raises what a thread has raised
print(json.dumps(failures))
"""
)

SEEDS = f"{GRAPHS}print(json.dumps(digests(int(sys.argv[1]))))"


BATCHES = """
import json, random, sys
import numpy as np
import symnn
chance, worst, failures = random.Random(0), 0.0, []
for number in range(int(sys.argv[1])):
    sizes = [chance.choice([1, 2, 3, 5, 8, 13, 33, 64, 100, 300]) for _ in range(chance.choice([2, 3, 4]))]
    *hidden, outputs = sizes[1:]
    dtype, activation = chance.choice(["float64", "float32"]), chance.choice(["tanh", "relu", "gelu", "softplus"])
    layers = [*(symnn.dense(units, activation) for units in hidden), symnn.dense(outputs)]
    network = symnn.Network(sizes[0], layers, "mean_squared_error")
    model, theta = network.compile(dtype), network.initial_parameters(number).astype(dtype)
    x = np.random.default_rng(number).normal(size=(999, sizes[0])).astype(dtype)
    whole = model.predict(theta, x)
    for rows in (1, 2, 3, 4, 5, 17, 64, 65, 333):
        parts = np.concatenate([model.predict(theta, x[n : n + rows]) for n in range(0, min(999, 40 * rows), rows)])
        same = whole[: len(parts)]
        ulp = float((np.abs(parts - same) / np.spacing(np.abs(whole).max())).max())
        worst = max(worst, ulp)
        if rows > 3 and ulp or ulp > 4 * sum(sizes[:-1]):
            failures.append(f"number {number}, {sizes}, {dtype}, {activation}, {rows} rows: {ulp:.3g} ULP")
print(json.dumps([failures, worst]))
"""


def batches(tries: int) -> Outcome:
    """Rows predicted a few at a time beside all at once.

    From four rows on the bits are the same. Calls of one to three rows sum in another order: they may differ by a few
    ULP of the largest output of all rows for each input and unit that was summed.
    """
    failures, worst = answer(BATCHES, tries, seconds=3600)
    return Outcome(tries, tuple(failures), f"at most {worst:.3g} ULP of the largest output")


def guard(tries: int) -> Outcome:
    """Calls with every array, given and filled, right beside a page that ends the process when it is touched."""
    return Outcome(tries, tuple(answer(GUARD, tries, seconds=3600)))


def threads(tries: int) -> Outcome:
    """800 calls a try by eight threads at once, some of functions just compiled, some with threads of their own."""
    return Outcome(tries, tuple(answer(THREADS, tries, seconds=3600)))


def seeds(tries: int) -> Outcome:
    """The generated code, the graphs and the formulas for seeds of Python's hashes, beside those of this process."""
    expected = digests(tries * 50)
    found = ((seed, answer(SEEDS, tries * 50, PYTHONHASHSEED=str(seed))) for seed in range(1, tries + 1))
    return Outcome(tries, tuple(f"seed {seed}: other code" for seed, code in found if code != expected))
