"""Random samples for the functions of a network, to check and to show them with."""

from __future__ import annotations

import numpy as np

from codegen import Variable
from symnn.masks import draw
from symnn.network import Network

STEPS = 6
"""Of a time axis whose length each call decides."""


def example(network: Network, generator: np.random.Generator, samples: int) -> dict[str, np.ndarray]:
    """Random inputs, targets of the kind that the loss wants, and masks; time is a few steps where a call decides."""

    def shape(variable: Variable) -> tuple[int, ...]:
        return (samples, *(n if isinstance(n, int) else STEPS for n in variable.shape[1:]))

    found: dict[str, np.ndarray] = {}
    for v in network.input_variables:
        found[v.name] = (
            generator.normal(size=shape(v)) if v.below is None else generator.integers(v.below, size=shape(v))
        )
    y = network.target
    if y.kind == "integer":
        found[y.name] = generator.integers(0, network.outputs, shape(y))
    else:
        rows = generator.uniform(0.05, 1.0, shape(y))
        found[y.name] = rows / rows.sum(axis=-1, keepdims=True) if network.reading == "classes" else rows
    if network.weighted:
        found["w"] = generator.uniform(0.5, 2.0, samples)
    found |= {name: np.array(0.1) for name in network.numbers}
    masks = draw(network.masks, samples, steps=STEPS)
    return found | {mask.variable.name: values for mask, values in zip(network.masks, masks)}
