"""The least time that a case can take: its contractions at the speed of a large product, and its transcendentals.

Both speeds are those of one core, measured in the same run: ``np.dot`` of 1024×1024 matrices, and our own vector
mathematics over an array in the first-level cache. Nothing else counts, neither the memory nor the other operations.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from codegen.emit.vectormath import form_of
from codegen.vectormath import elementwise
from tests.benchmarks.cases import Case, Dtype
from tests.benchmarks.timing import timed
from tests.benchmarks.vectormath import CALLS, RANGES, REGISTER, repeat

ORDER = 1024
ELEMENTS = 1024
FUNCTIONS = ("tanh", "exp", "log")

Rates = Mapping[str, float]
"""Seconds a floating-point operation of a product (``flop``) and an element of each function, for one dtype."""


class Speeds:
    """The rates of one dtype, measured now and then through a run."""

    def __init__(self, dtype: Dtype) -> None:
        generator = np.random.Generator(np.random.PCG64(0))
        matrices = [generator.normal(size=(ORDER, ORDER)).astype(dtype) for _ in range(2)]
        self._measures = {"flop": (partial(np.dot, *matrices, out=np.empty_like(matrices[0])), 2 * ORDER**3)}
        for name in FUNCTIONS:
            x = generator.uniform(*RANGES.get(name, (-3, 3)), ELEMENTS).astype(dtype)
            function = elementwise(form_of(name), dtype, REGISTER[dtype])
            self._measures[name] = (partial(repeat, function, x, np.empty_like(x)), CALLS * ELEMENTS)
        self._samples: dict[str, list[float]] = {name: [] for name in self._measures}
        for call, _ in self._measures.values():
            call()  # compiles

    def sample(self) -> None:
        """Measure once more: the fastest of five, because a large product lasts longer than a core is left alone."""
        with threadpool_limits(1):
            for name, (call, count) in self._measures.items():
                self._samples[name].append(min(timed(call) for _ in range(5)) / count)

    @property
    def rates(self) -> Rates:
        """The medians of what was measured."""
        return {name: statistics.median(found) for name, found in self._samples.items()}


def roofline(case: Case, rates: Rates, threads: int = 1) -> float:
    """Microseconds.

    >>> from tests.benchmarks.cases import CASES
    >>> round(roofline(CASES["D"], {"flop": 0.02e-9, "tanh": 1e-9, "exp": 1e-9, "log": 1e-9}), 2)
    7.85
    """
    _, *hidden, outputs = case.sizes
    elements = {"tanh": sum(hidden), "exp": outputs, "log": 1}
    functions = sum(rates[name] * count for name, count in elements.items())
    return (case.flops * rates["flop"] + case.samples * functions) / threads * 1e6
