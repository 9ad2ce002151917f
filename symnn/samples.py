"""Random samples for the functions of a network, to check and to show them with."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from codegen import Variable
from codegen.walk import length, lengths_in
from symnn.network import Network
from symnn.parametrised import Parametrised

STEPS = 6
"""Of a time axis whose length each call decides."""


def example_inputs(network: Parametrised, generator: np.random.Generator, samples: int) -> dict[str, np.ndarray]:
    """Random inputs, whole numbers where the network takes these; time is a few steps where a call decides.

    >>> from symnn.layers.dense import dense
    >>> from symnn.network import Network
    >>> example_inputs(Network(3, (dense(1),), "huber"), np.random.default_rng(0), 2)["x"].shape
    (2, 3)
    """
    return _drawn(network.input_variables, generator, samples)


def example(network: Parametrised, generator: np.random.Generator, samples: int) -> dict[str, np.ndarray]:
    """The same, and targets of the kind that the loss wants, and a seed."""
    found = example_inputs(network, generator, samples)
    if isinstance(network, Network):
        found |= _targets(network, generator, samples)
    else:
        found |= _drawn(network.target_variables, generator, samples)
    if network.weighted:
        found["w"] = generator.uniform(0.5, 2.0, samples)
    found |= {name: np.array(0.1) for name in network.numbers}
    return found | ({"seed": np.array(0), "first": np.array(0)} if network.draws else {})


def _drawn(variables: Iterable[Variable], generator: np.random.Generator, samples: int) -> dict[str, np.ndarray]:
    """Normal numbers, and integers that a variable may hold."""
    found: dict[str, np.ndarray] = {}
    for v in variables:
        shape = _shape(v, samples)
        integers = v.kind == "integer"
        below = 2 if v.below is None else length(v.below, dict.fromkeys(lengths_in(v.below), STEPS))
        found[v.name] = generator.integers(below, size=shape) if integers else generator.normal(size=shape)
    return found


def _targets(network: Network, generator: np.random.Generator, samples: int) -> dict[str, np.ndarray]:
    y, *which = network.target_variables
    found = {variable.name: _counted(variable, _shape(y, samples)[:2]) for variable in which}
    if y.kind == "integer":
        return found | {y.name: generator.integers(0, network.outputs, _shape(y, samples))}
    rows = generator.uniform(0.05, 1.0, _shape(y, samples))
    return found | {y.name: rows / rows.sum(axis=-1, keepdims=True) if network.reading == "classes" else rows}


def _counted(variable: Variable, shape: tuple[int, ...]) -> np.ndarray:
    """As many steps as there are of the first sample, one less of the next, and so on: as a mask, or in numbers."""
    samples, steps = shape
    lengths = steps - np.arange(samples) % steps
    return lengths if variable.kind == "integer" else (np.arange(steps) < lengths[:, None]).astype(np.float64)


def _shape(variable: Variable, samples: int) -> tuple[int, ...]:
    """Samples and, where a call decides, some steps."""
    first, *others = variable.shape or (1,)
    found = [first if isinstance(first, int) else samples, *(n if isinstance(n, int) else STEPS for n in others)]
    return tuple(found[: len(variable.shape)])
