"""The proof that a network's compiled gradient is right: the numerical checks on its own data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from codegen import Variable
from codegen.dtypes import dtype_name
from codegen.errors import of_type
from codegen.numeric import CheckReport, check_gradient
from symnn.arrays import read_array
from symnn.descent import checked_parameters
from symnn.errors import DataError, SymnnError
from symnn.given import MOST, called, names, whole_number
from symnn.parametrised import Model, Parametrised
from symnn.samples import example

METHODS = ("forward", "central", "complex")


@called(SymnnError)
def check(
    network: Parametrised | Model,
    x: ArrayLike | Mapping[str, ArrayLike] | None = None,
    y: ArrayLike | Mapping[str, ArrayLike] | None = None,
    theta: ArrayLike | None = None,
    *,
    methods: Sequence[str] = METHODS,
    dtype: DTypeLike = "float64",
    samples: int = 8,
    seed: int = 0,
) -> CheckReport:
    """Hold the compiled gradient to numerical derivatives of the graph, parameter by parameter.

    ``x`` and ``y`` are ``samples`` random ones unless given, several of them by name; ``theta`` is a random point near
    the initial parameters, with biases that are not 0, since errors hide at 0. Every entry is checked up to
    2,000 parameters, above that 64 entries and 8 directions.

    >>> from symnn.network import Network, dense
    >>> check(Network(2, (dense(3, "tanh"), dense(2)), "softmax_cross_entropy")).passed
    True
    """
    network = network.network if isinstance(network, Model) else network
    if not isinstance(network, Parametrised):
        raise SymnnError(
            f"network: found {of_type(network)}, expected a Network; "
            "codegen.numeric.check_gradient checks the gradient of a graph"
        )
    samples, seed = whole_number("samples", samples, 1, MOST), whole_number("seed", seed)
    methods, dtype = names("methods", methods, "methods"), dtype_name(dtype)
    model = network.compile(dtype)
    generator = np.random.Generator(np.random.PCG64(seed))
    given = _named(network.input_variables, x) | _named(network.target_variables, y)
    values = example(network, generator, samples) | given
    if theta is None:
        theta = network.initial_parameters(seed) + 0.05 * generator.normal(size=network.parameter_count)
    theta = checked_parameters(model, theta, "theta").astype(np.float64)
    narrow = {name: value.astype(dtype) if value.dtype.kind == "f" else value for name, value in values.items()}
    try:
        _, gradient = model.value_and_grad(theta.astype(dtype), *(narrow[variable.name] for variable in network.data))
    except (TypeError, ValueError) as error:  # the call says which array does not fit, and how
        raise DataError(str(error)) from None
    return check_gradient(
        network.training_graph,
        network.graph.outputs[0],
        {**network.unmerged(theta), **values},
        list(network.layout),
        gradient=network.unmerged(gradient),
        methods=methods,
        seed=seed,
        dtype=dtype,
    )


def _named(variables: Sequence[Variable], given: ArrayLike | Mapping[str, ArrayLike] | None) -> dict[str, np.ndarray]:
    """What is given of these variables, by name; one array is the first."""
    if given is None:
        return {}
    arrays = given if isinstance(given, Mapping) else {variable.name: given for variable in variables[:1]}
    return {name: read_array(name, value, DataError) for name, value in arrays.items()}
