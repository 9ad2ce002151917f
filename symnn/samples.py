"""Random samples for the functions of a network, to check and to show them with."""

from __future__ import annotations

import numpy as np

from codegen import Variable
from symnn.masks import draw
from symnn.network import Network

STEPS = 6
"""Of a time axis whose length each call decides."""


def example_inputs(network: Network, generator: np.random.Generator, samples: int) -> dict[str, np.ndarray]:
    """Random inputs, whole numbers where the network takes these; time is a few steps where a call decides.

    >>> from symnn.layers.dense import dense
    >>> example_inputs(Network(3, (dense(1),), "huber"), np.random.default_rng(0), 2)["x"].shape
    (2, 3)
    """
    found: dict[str, np.ndarray] = {}
    for v in network.input_variables:
        shape = _shape(v, samples)
        found[v.name] = generator.normal(size=shape) if v.below is None else generator.integers(v.below, size=shape)
    return found


def example(network: Network, generator: np.random.Generator, samples: int) -> dict[str, np.ndarray]:
    """The same, and targets of the kind that the loss wants, and masks."""
    found = example_inputs(network, generator, samples)
    y = network.target
    if y.kind == "integer":
        found[y.name] = generator.integers(0, network.outputs, _shape(y, samples))
    else:
        rows = generator.uniform(0.05, 1.0, _shape(y, samples))
        found[y.name] = rows / rows.sum(axis=-1, keepdims=True) if network.reading == "classes" else rows
    if network.weighted:
        found["w"] = generator.uniform(0.5, 2.0, samples)
    found |= {name: np.array(0.1) for name in network.numbers}
    masks = draw(network.masks, samples, steps=STEPS)
    return found | {mask.variable.name: values for mask, values in zip(network.masks, masks)}


def _shape(variable: Variable, samples: int) -> tuple[int, ...]:
    return (samples, *(n if isinstance(n, int) else STEPS for n in variable.shape[1:]))
