"""Vector mathematics beside scalar libm through Numba: ``python -m tests.benchmarks.vectormath [name …]``.

Nanoseconds of processor time an element over 2,048 elements in cache; medians of interleaved runs, each right after
one that is not timed: a processor may switch its wide units off, and then the first calls after 5 ms of other work took
90 µs more.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numba import njit

from codegen.dtypes import Dtype
from codegen.emit.vectormath import form_of
from codegen.vectormath import NAMES, elementwise

SIZE = 2048
CALLS = 100
ROUNDS = 21
REGISTER: Mapping[Dtype, int] = {"float64": 8, "float32": 16}
"""Lanes of a 512-bit register."""

#: Where a function is timed; the others from −3 to 3.
RANGES: Mapping[str, tuple[float, float]] = {
    "log": (0.1, 10), "log1p": (-0.9, 10), "asin": (-1, 1), "acos": (-1, 1), "atanh": (-0.99, 0.99),
    "acosh": (1, 10),
}  # fmt: skip

#: What Numba compiles in place of a function that ``math`` does not have.
FORMULAS: Mapping[str, str] = {
    "sigmoid": "1 / (1 + math.exp(-x[i]))",
    "softplus": "max(x[i], x.dtype.type(0)) + math.log1p(math.exp(-abs(x[i])))",
    "normal_cdf": "math.erfc(x[i] * -0.7071067811865476) * 0.5",
}


def scalar(name: str) -> Any:
    """A loop that Numba compiles as it stands; LLVM may vectorise what does not call libm."""
    formula = FORMULAS.get(name, f"math.{name}(x[i])")
    source = f"import math\ndef loop(x, out):\n    for i in range(x.size):\n        out[i] = {formula}\n"
    scope: dict[str, Any] = {}
    exec(source, scope)
    return njit(scope["loop"], error_model="numpy", fastmath={"contract"})


@njit
def repeat(function: Any, x: Any, out: Any) -> None:
    for _ in range(CALLS):
        function(x, out)


def interleaved(calls: Sequence[Callable[[], object]]) -> list[float]:
    """The median time of each call in nanoseconds."""
    times: list[list[float]] = [[] for _ in calls]
    for call in calls:
        call()  # compiles
    for _ in range(ROUNDS):
        for call, found in zip(calls, times):
            call()  # wakes the wide units
            start = time.process_time_ns()
            call()
            found.append(time.process_time_ns() - start)
    return [float(np.median(found)) for found in times]


def measure(name: str, dtype: Dtype) -> tuple[float, float]:
    """Nanoseconds an element: in lanes, and by scalar libm."""
    x = np.random.Generator(np.random.PCG64(0)).uniform(*RANGES.get(name, (-3, 3)), SIZE).astype(dtype)
    out = np.empty_like(x)
    functions = [elementwise(form_of(name), dtype, REGISTER[dtype]), scalar(name)]
    return tuple(t / CALLS / SIZE for t in interleaved([lambda f=f: repeat(f, x, out) for f in functions]))  # type: ignore[misc, return-value]


def main(names: Sequence[str]) -> None:
    print(f"{'function':12s} {'dtype':8s} {'lanes':>8s} {'libm':>8s} {'ratio':>7s}   ns an element")
    for name in names or NAMES:
        for dtype in REGISTER:
            lanes, libm = measure(name, dtype)
            print(f"{name:12s} {dtype:8s} {lanes:8.3f} {libm:8.3f} {libm / lanes:7.1f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
