"""A network to be written as C or machine code: its prediction with trained weights inside, or value and gradient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import DTypeLike

from codegen import Equation, Graph, Index, Variable
from codegen.export import Request
from codegen.functions import absolute, select
from codegen.walk import base_name, references, subscripts, substitute
from symnn.checkpoint import Checkpoint
from symnn.parametrised import Parametrised
from symnn.samples import example, example_inputs
from symnn.shapes import indices

ROWS = 5
"""Of the example in the self-test."""
SHOWN = 100
"""Features and classes that the header names at most."""


def gradient_request(network: Parametrised, name: str, dtype: DTypeLike = "float64") -> Request:
    """``loss, gradient`` of theta, x and y, or of what a graph takes, with a few random rows in its self-test.

    >>> from codegen.export import c_files
    >>> from symnn.network import Network, dense
    >>> sorted(c_files(gradient_request(Network(2, (dense(1),), "mean_squared_error"), "line")))
    ['CMakeLists.txt', 'line.c', 'line.h', 'line_test.c']
    """
    graph = network.gradient_graph
    pack = {"theta": list(network.layout), "gradient": list(graph.outputs[1:])}
    data = example(network, np.random.Generator(np.random.PCG64(0)), ROWS)
    at = {**network.unmerged(network.initial_parameters(0)), **data}
    return Request(graph, name, dtype, pack=pack, example=at)


def prediction_request(trained: Checkpoint, name: str, dtype: DTypeLike | None = None) -> Request:
    """The outputs for raw rows, which are scaled as in training, with the weights as constants.

    Unless it is given, the dtype is that of the weights.

    >>> from codegen.export import c_files
    >>> from symnn.network import Network, dense
    >>> network = Network(2, (dense(1),), "mean_squared_error")
    >>> files = c_files(prediction_request(Checkpoint(network, np.ones(3)), "line"))
    >>> print("int line(" + files["line.h"].split("int line(")[1].split(";")[0])
    int line(
        ptrdiff_t S,
        const double *x,
        double *output,
        double *workspace)
    """
    found = _Prediction(trained)
    network = trained.layered
    x = example_inputs(network, np.random.Generator(np.random.PCG64(0)), ROWS)["x"]
    if trained.scaling is not None:
        x = network.shaped(trained.scaling.restore(x.reshape(ROWS, -1)))
    real = trained.theta.dtype if dtype is None else dtype
    return Request(found.graph, name, real, constants=found.constants, example={"x": x}, notes=tuple(_notes(trained)))


@dataclass
class _Prediction:
    """The forward pass between the units of the data."""

    trained: Checkpoint
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    """The inputs of the graph but for x."""

    def __post_init__(self) -> None:
        network = self.trained.layered
        forward = network.forward_graph
        self.constants.update(network.unmerged(self.trained.theta))
        x, (output,) = forward.variable("x"), forward.outputs
        equations, inputs, outputs = list(forward.equations), list(forward.inputs), forward.outputs
        s, t = Index("s", x.shape[0]), Index("t", network.outputs)
        d = indices(network.input_shape)
        if (scaling := self.trained.scaling) is not None:
            mean, scale = (
                self._given(name, values.reshape(x.shape[1:]))
                for name, values in (("mean", scaling.mean), ("scale", scaling.scale))
            )
            inputs += [mean, scale]
            standardised = Variable("standardised", x.shape)
            value = (x[s, *d] - mean[d]) / scale[d]
            features = self.trained.features
            if features is not None and features.fills:
                given = Variable("given", x.shape)
                # A missing cell is nan, for which every comparison is false: it is taken for the mean.
                filled = Equation(standardised[s, *d], select(absolute(given[s, *d]), given[s, *d], 0))
                before = [Equation(given[s, *d], value), filled]
            else:
                before = [Equation(standardised[s, *d], value)]
            equations = [*before, *(_reading(equation, x, standardised) for equation in equations)]
        if (scaling := self.trained.target_scaling) is not None:
            mean, scale = self._given("target_mean", scaling.mean), self._given("target_scale", scaling.scale)
            inputs += [mean, scale]
            prediction = Variable("prediction", (x.shape[0], network.outputs))
            restored = mean[t] + scale[t] * forward.variable(output)[s, t]
            equations.append(Equation(prediction[s, t], restored))
            outputs = ("prediction",)
        self.graph = Graph(tuple(inputs), tuple(equations), outputs)

    def _given(self, name: str, values: np.ndarray) -> Variable:
        self.constants[name] = values
        return Variable(name, values.shape)


def _reading(equation: Equation, old: Variable, new: Variable) -> Equation:
    """An equation that reads another variable."""
    found: Mapping[object, object] = {
        reference: new[subscripts(reference)]
        for reference in references(equation.body)
        if base_name(reference) == old.name
    }
    return equation.with_body(substitute(equation.body, found)) if found else equation


def _notes(trained: Checkpoint) -> list[str]:
    """What x and the outputs are, for the header."""
    notes = []
    if trained.scaling is not None:
        notes.append("x: raw rows, which are scaled as in training")
    if trained.features is not None:
        notes += [f"x[s, {number}]: {name}" for number, name in enumerate(trained.features.inputs[:SHOWN])]
    if trained.classes is not None:
        notes += [f"output[s, {number}]: {name}" for number, name in enumerate(trained.classes[:SHOWN])]
    if trained.target_scaling is not None:
        notes.append("prediction: in the units of the targets")
    return notes
