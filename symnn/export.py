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
from symnn.network import Network
from symnn.parametrised import Parametrised, columns
from symnn.samples import example, example_inputs
from symnn.shapes import indices

ROWS = 5
"""Of the example in the self-test."""
SHOWN = 100
"""Features and classes that the header names at most."""


def gradient_request(network: Parametrised, name: str, dtype: DTypeLike = "float64") -> Request:
    """``loss, gradient`` of theta, x and y, or of what a graph takes, with a few random rows in its self-test.

    >>> from codegen.export import generate
    >>> from symnn.network import Network, dense
    >>> sorted(generate(gradient_request(Network(2, (dense(1),), "mean_squared_error"), "line"), "c"))
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

    >>> from codegen.export import generate
    >>> from symnn.network import Network, dense
    >>> network = Network(2, (dense(1),), "mean_squared_error")
    >>> files = generate(prediction_request(Checkpoint(network, np.ones(3)), "line"), "c")
    >>> print("int line(" + files["line.h"].split("int line(")[1].split(";")[0])
    int line(
        ptrdiff_t S,
        const double *x,
        double *output,
        double *workspace)
    """
    network = trained.layered
    found = _Prediction(trained, network)
    x = example_inputs(network, np.random.Generator(np.random.PCG64(0)), ROWS)
    for given, (mean, scale) in found.scaled.items():
        x[given] = mean + scale * x[given]
    real = trained.theta.dtype if dtype is None else dtype
    return Request(found.graph, name, real, constants=found.constants, example=x, notes=tuple(_notes(trained)))


@dataclass
class _Prediction:
    """The forward pass between the units of the data."""

    trained: Checkpoint
    network: Network
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    """The inputs of the graph but for those of predictions."""
    scaled: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    """Mean and scale of the inputs that are standardised, by name."""

    def __post_init__(self) -> None:
        forward = self.network.forward_graph
        self.constants.update(self.network.unmerged(self.trained.theta))
        (output,) = forward.outputs
        self._equations, self._inputs = list(forward.equations), list(forward.inputs)
        outputs = forward.outputs
        if (scaling := self.trained.scaling) is not None:
            ends = np.cumsum([columns(variable) for variable in self.network.input_variables])[:-1]
            parts = zip(*(np.split(values, ends) for values in (scaling.mean, scaling.scale)))
            for variable, (mean, scale) in zip(self.network.input_variables, parts):
                if variable.kind == "real":
                    self._standardise(variable, mean, scale)
        if (scaling := self.trained.target_scaling) is not None:
            mean, scale = self._given("target_mean", scaling.mean), self._given("target_scale", scaling.scale)
            S = forward.variable(output).shape[0]
            s, t = Index("s", S), Index("t", self.network.outputs)
            prediction = Variable("prediction", (S, self.network.outputs))
            restored = mean[t] + scale[t] * forward.variable(output)[s, t]
            self._equations.append(Equation(prediction[s, t], restored))
            outputs = ("prediction",)
        self.graph = Graph(tuple(self._inputs), tuple(self._equations), outputs)

    def _standardise(self, x: Variable, mean: np.ndarray, scale: np.ndarray) -> None:
        """Put (x − mean) / scale where the equations read x; of sequences the same at each step."""
        own = [place for place, n in enumerate(x.shape) if place and isinstance(n, int)]
        shape = [int(x.shape[place]) for place in own]
        self.scaled[x.name] = mean.reshape(shape), scale.reshape(shape)
        behind = "" if x.name == "x" else f" {x.name}"
        parts = zip(("mean", "scale"), self.scaled[x.name])
        centre, width = (self._given(f"{what}{behind}", part) for what, part in parts)
        at = (Index("s", x.shape[0]), *indices(self.network.input_shapes[x.name]))
        column = tuple(at[place] for place in own)
        value = (x[at] - centre[column]) / width[column]
        standardised = Variable(f"standardised{behind}", x.shape)
        features = self.trained.features
        if features is not None and features.fills:
            raw = Variable(f"given{behind}", x.shape)
            # A missing cell is nan, for which every comparison is false: it is taken for the mean.
            before = [Equation(raw[at], value), Equation(standardised[at], select(absolute(raw[at]), raw[at], 0))]
        else:
            before = [Equation(standardised[at], value)]
        self._equations = [*before, *(_reading(equation, x, standardised) for equation in self._equations)]

    def _given(self, name: str, values: np.ndarray) -> Variable:
        self.constants[name] = values
        variable = Variable(name, values.shape)
        self._inputs.append(variable)
        return variable


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
    names = [variable.name for variable in trained.network.input_variables]
    if trained.scaling is not None:
        rows = "steps" if trained.network.takes_sequences else "rows"
        notes.append(f"{', '.join(names)}: raw {rows}, which are scaled as in training")
    if trained.features is not None and len(names) == 1:
        at = "x[s, t, {}]" if trained.network.takes_sequences else "x[s, {}]"
        notes += [f"{at.format(number)}: {name}" for number, name in enumerate(trained.features.inputs[:SHOWN])]
    if trained.classes is not None:
        notes += [f"output[s, {number}]: {name}" for number, name in enumerate(trained.classes[:SHOWN])]
    if trained.target_scaling is not None:
        notes.append("prediction: in the units of the targets")
    return notes
