"""This project: loss and gradient compiled from the equations."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numba import njit

from codegen import CompiledFunction
from symnn.network import Network, dense
from tests.benchmarks.cases import Problem, Result
from tests.benchmarks.peers import Prepared


def first_use() -> None:
    """What Numba and its linear algebra cost a process once, whatever is compiled."""
    njit("float64(float64[::1], float64[::1])")(lambda a, b: np.dot(a, b))


def compiled(problem: Problem) -> CompiledFunction:
    inputs, *hidden, outputs = problem.case.sizes
    layers = (*(dense(units, "tanh") for units in hidden), dense(outputs))
    return Network(inputs, layers, "softmax_cross_entropy").compile(problem.dtype).value_and_grad


def called(problem: Problem) -> Prepared:
    """``function(theta, x, y, out=gradient)``: everything is checked in every call."""
    function = compiled(problem)
    call = partial(function, problem.theta, problem.x, problem.y, out=np.empty_like(problem.theta))
    return Prepared(call, lambda returned: returned, function.report.schedule, function.report.seconds)


def bound(problem: Problem) -> Prepared:
    """``function.bind(theta, x, y, out=gradient)()``: checked once, over fixed buffers."""
    function = compiled(problem)
    gradient = np.empty_like(problem.theta)

    def read(returned: Any) -> Result:
        return (returned[0] if isinstance(returned, tuple) else returned), gradient

    call = function.bind(problem.theta, problem.x, problem.y, out=gradient)
    return Prepared(call, read, function.report.schedule, function.report.seconds)
