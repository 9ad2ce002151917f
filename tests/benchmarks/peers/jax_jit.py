"""JAX: jitted ``value_and_grad``, its arguments on the device beforehand."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from tests.benchmarks.cases import Problem, Result, split
from tests.benchmarks.peers import PACKED_PARAMETERS, Prepared

jax.config.update("jax_enable_x64", True)
# A call handed to another thread costs some 40 µs; batches of 64 are twice as fast without.
jax.config.update("jax_cpu_enable_async_dispatch", False)


def first_use() -> None:
    """What starting the backend costs a process once."""
    jax.block_until_ready(jax.jit(lambda x: x + 1)(jnp.zeros(1)))


def loss_of_layers(layers: Any, x: Any, y: Any) -> Any:
    """The mean cross-entropy of a tanh network given as (weights, biases) of each layer."""
    a = x
    for w, b in layers[:-1]:
        a = jnp.tanh(a @ w.T + b)
    w, b = layers[-1]
    a = a @ w.T + b
    return jnp.mean(jax.nn.logsumexp(a, axis=1) - a[jnp.arange(len(x)), y])


def jitted(problem: Problem) -> Prepared:
    packed = problem.case.parameters <= PACKED_PARAMETERS

    def loss(parameters: Any, x: Any, y: Any) -> Any:
        return loss_of_layers(split(parameters, problem.case.shapes) if packed else parameters, x, y)

    function = jax.jit(jax.value_and_grad(loss))
    parameters = problem.theta if packed else problem.split(problem.theta)
    arguments = jax.tree.map(jnp.asarray, (parameters, problem.x, problem.y))

    def call() -> Any:
        returned = function(*arguments)
        returned[0].block_until_ready()
        return returned

    def read(returned: Any) -> Result:
        value, gradient = returned
        return float(value), np.concatenate([np.ravel(part) for part in jax.tree.leaves(gradient)])

    return Prepared(call, read)
