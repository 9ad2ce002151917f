"""Every derivative of networks and functions, by every oracle and every emitter and schedule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from codegen.compare import ORACLES, Row
from codegen.compare.functions import FUNCTIONS, function_rows
from codegen.compare.ways import PLAIN
from codegen.dtypes import Dtype
from symnn.network import Network, dense
from symnn.samples import example

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
    ['gradient', 'jvp', 'hvp', 'gradient by tangents', 'gradient by paths', 'hessian']
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    theta = network.initial_parameters(seed) + 0.05 * generator.normal(size=network.parameter_count)
    values = {**network.unmerged(theta), **example(network, generator, samples)}
    weights, small = tuple(network.layout), network.parameter_count <= DENSE_PARAMETERS
    inputs = tuple(variable.name for variable in network.input_variables if variable.kind == "real")
    shapes = [variable.shape for variable in network.input_variables]
    kinds = [
        ("gradient", "loss", weights),
        ("jvp", "loss", weights),
        ("hvp", "loss", weights),
        ("vjp", "output", (*weights, *inputs)),
    ]
    if inputs:
        kinds += [("jacobian per sample", "output", inputs), ("sparse_jacobian", "output", inputs)]
    if len(inputs) == 1 and [len(shape) for shape in shapes] == [2]:  # their directions are columns
        kinds.append(("mixed_partials", "output", inputs))
    if small:
        kinds += [
            ("gradient by tangents", "loss", weights),
            ("gradient by paths", "loss", weights),
            ("hessian", "loss", weights),
            ("jacobian forward", "output", inputs),
            ("jacobian reverse", "output", inputs),
            ("per_sample_gradients", "output", weights),
            ("gauss_newton", "output", weights),
        ]
    # Oracles judge what is derived, which is the same for every dtype.
    oracles = tuple(ORACLES) if dtype == "float64" else ()
    for kind, of, wrt in kinds:
        ways = SMALL if small and kind in SCHEDULED else LARGE
        title = f"{name}, {of}"
        yield Row(
            title, network.graph, kind, of, wrt, values, dtype, oracles=oracles, ways=ways, bounded=True, seed=seed
        )


NETWORKS: Mapping[str, Network] = {
    "2-3-2 tanh": Network(2, (dense(3, "tanh"), dense(2)), "softmax_cross_entropy"),
    "3-2-2 sigmoid": Network(3, (dense(2, "sigmoid"), dense(2)), "binary_cross_entropy"),
    "2-3-2 silu": Network(2, (dense(3, "silu"), dense(2)), "softmax_cross_entropy_rows"),
    "2-2-1 gelu": Network(2, (dense(2, "gelu", bias=False), dense(1)), "mean_squared_error", weight_decay=0.1),
    "1-3-2-1 softplus": Network(1, (dense(3, "softplus"), dense(2, "tanh"), dense(1)), "huber"),
    "3-3-2 relu": Network(3, (dense(3, "relu"), dense(2)), "softmax_cross_entropy"),
    "4-3": Network(4, (dense(3),), "softmax_cross_entropy"),
}
"""Small networks that are compared unless another one is named."""

QUICK = ("tanh", "gelu", "Piecewise", "2-3-2 tanh")
"""What a quick comparison is left with."""
DTYPES: tuple[Dtype, ...] = ("float64", "float32")


def default_rows(
    names: Sequence[str] = (*FUNCTIONS, *NETWORKS),
    dtypes: Sequence[Dtype] = DTYPES,
    samples: int = 5,
    seed: int = 0,
) -> Iterator[Row]:
    """The rows of functions and small networks by name, all unless some are named.

    >>> {row.kind for row in default_rows(["tanh"])} == {"jacobian per sample", "mixed_partials"}
    True
    """
    for dtype in dtypes:
        yield from function_rows([name for name in names if name in FUNCTIONS], dtype)
        for name in names:
            if name in NETWORKS:
                yield from network_rows(NETWORKS[name], name, dtype=dtype, samples=samples, seed=seed)
