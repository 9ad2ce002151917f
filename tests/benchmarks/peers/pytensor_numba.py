"""PyTensor by its Numba backend, arguments trusted, results borrowed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as tensor

from tests.benchmarks.cases import Problem, Result, split
from tests.benchmarks.peers import PACKED_PARAMETERS, Prepared
from tests.benchmarks.peers.ours import first_use

__all__ = ["compiled", "first_use"]


def compiled(problem: Problem) -> Prepared:
    case, dtype = problem.case, problem.dtype
    packed = case.parameters <= PACKED_PARAMETERS
    values = [problem.theta] if packed else [part for layer in problem.split(problem.theta) for part in layer]
    parameters = [tensor.tensor(dtype=dtype, shape=value.shape) for value in values]
    x, y = (tensor.tensor(dtype=array.dtype, shape=array.shape) for array in (problem.x, problem.y))
    layers = split(parameters[0], case.shapes) if packed else list(zip(parameters[::2], parameters[1::2]))
    a = x
    for w, b in layers[:-1]:
        a = tensor.tanh(a @ w.T + b)
    w, b = layers[-1]
    a = a @ w.T + b
    with pytensor.config.change_flags(floatX=dtype):
        loss = tensor.mean(tensor.logsumexp(a, axis=1) - a[tensor.arange(case.samples), y])
        results = [loss, *tensor.grad(loss, parameters)]
        function = pytensor.function(
            [pytensor.In(given, borrow=True) for given in (*parameters, x, y)],
            [pytensor.Out(result, borrow=True) for result in results],
            mode="NUMBA",
        )
    function.trust_input = True
    arguments = (*values, problem.x, problem.y)

    def read(returned: Any) -> Result:
        value, *gradients = returned
        return float(value), np.concatenate([np.ravel(part) for part in gradients])

    return Prepared(lambda: function(*arguments), read)
