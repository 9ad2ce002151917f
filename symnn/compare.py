"""Every derivative of a network, by every oracle and every emitter and schedule."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from codegen.compare import Row
from codegen.compare.functions import function_rows
from codegen.compare.ways import PLAIN
from codegen.emit.numba import Dtype
from symnn.network import Network, dense
from symnn.verify import example

DENSE_PARAMETERS = 40
"""Up to so many parameters a network is small: whole Jacobians and Hessians, and all schedules, are compared too."""

LARGE = ("evaluator", "passes", "numpy", "auto auto")
SMALL = (*PLAIN, "vector unrolled", "vector loops", "vector tiled", "vector blas")
"""Ways by the size of the network: compiling readable code takes seconds."""
SCHEDULED = ("gradient",)
"""What a small network is compiled for by every schedule."""


def network_rows(
    network: Network, name: str = "network", *, dtype: Dtype = "float64", samples: int = 5, seed: int = 0
) -> Iterator[Row]:
    """The derivatives of the loss and of the output of a network, at a random point.

    >>> rows = network_rows(Network(2, (dense(3, "tanh"), dense(2)), "mean_squared_error"))
    >>> [row.kind for row in rows if row.of == "loss"]
    ['gradient', 'jvp', 'hvp', 'gradient by tangents', 'hessian']
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    theta = network.initial_parameters(seed) + 0.05 * generator.normal(size=network.parameter_count)
    values = {**network.split(theta), **example(network, generator, samples)}
    weights, small = tuple(network.layout), network.parameter_count <= DENSE_PARAMETERS
    kinds = [
        ("gradient", "loss", weights),
        ("jvp", "loss", weights),
        ("hvp", "loss", weights),
        ("vjp", "output", (*weights, "x")),
        ("jacobian per sample", "output", ("x",)),
        ("mixed_partials", "output", ("x",)),
    ]
    if small:
        kinds += [
            ("gradient by tangents", "loss", weights),
            ("hessian", "loss", weights),
            ("per_sample_gradients", "output", weights),
            ("gauss_newton", "output", weights),
        ]
    for kind, of, wrt in kinds:
        ways = SMALL if small and kind in SCHEDULED else LARGE
        bounded = kind in ("gradient", "jvp", "hvp", "vjp")
        title = f"{name}, {of}"
        yield Row(title, network.graph, kind, of, wrt, values, dtype, ways=ways, bounded=bounded, seed=seed)


NETWORKS = {
    "2-3-2 tanh": Network(2, (dense(3, "tanh"), dense(2)), "softmax_cross_entropy"),
    "2-2-1 gelu": Network(2, (dense(2, "gelu", bias=False), dense(1)), "mean_squared_error", weight_decay=0.1),
}
"""Small networks that are compared unless another one is named."""

FUNCTIONS = ("tanh", "gelu", "Piecewise")
"""Functions that are compared unless a network is named."""


def default_rows(dtype: Dtype = "float64", samples: int = 5, seed: int = 0) -> Iterator[Row]:
    """Some functions and small networks."""
    yield from function_rows(FUNCTIONS, dtype)
    for name, network in NETWORKS.items():
        yield from network_rows(network, name, dtype=dtype, samples=samples, seed=seed)
