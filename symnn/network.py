"""A network: layers and a loss written as one graph, the layout of its parameters, and its compiled functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sympy import Expr, Integer, Mul, Rational

from codegen import Graph, Index, Variable
from codegen.cached import Fields, cached_property
from codegen.functions import absolute, select
from codegen.walk import as_extent, elements, extent
from symnn.activations import exact
from symnn.builder import Builder
from symnn.choices import Choice, Formula, LossLike, given, resolve_loss
from symnn.errors import FieldError, SpecError
from symnn.given import constructed, whole_number
from symnn.layers.dense import dense
from symnn.layers.flatten import flatten
from symnn.layers.flow import Flow
from symnn.layers.layer import Layer, require_scores, shape_after, unbounded_after
from symnn.layers.node import Node
from symnn.layers.reading import first_shape, written
from symnn.layers.summary import summary
from symnn.layers.writing import FIRST, SEED, Parameter, Place, Value, Writer, placed
from symnn.losses import Loss
from symnn.models import sentence
from symnn.parametrised import Model, ParameterSlice, Parametrised
from symnn.shapes import Counting, Inputs, Named, Shape, check_steps, extents, input_shape, read_inputs
from symnn.shown import shows
from symnn.suggest import quote

if TYPE_CHECKING:
    from symnn.spec import Spec

__all__ = ["Layer", "Model", "Network", "ParameterSlice", "dense", "flatten"]


@constructed(SpecError)
@dataclass(frozen=True)
class Network(Parametrised, Fields):
    """Layers and a loss over ``inputs``: a number of features, ``(channels, rows, columns)``, or ``{"time": 50, …}``.

    The graph names its vertices as the lecture does: inputs ``x[s, d]`` and ``y``, parameters ``W1``, ``b1``, ``W2``,
    …, weighted sums ``z1``, with the bias ``u1``, activations ``a1``, the last of them ``output``, and the scalar
    ``loss`` = mean over the samples + weight_decay/2 · Σ W² + l1 · Σ |W|. Where one of these numbers is None it is an
    input of that name, and given with each call.

    >>> network = Network(2, (dense(3, "tanh"), dense(2)), "softmax_cross_entropy")
    >>> print(network.forward_graph)
    inputs W1[3, 2], b1[3], W2[2, 3], b2[2], x[S, 2]
    z1[s, h] = Σ_d W1[h, d]*x[s, d]
    u1[s, h] = b1[h] + z1[s, h]
    a1[s, h] = tanh(u1[s, h])
    z2[s, t] = Σ_h W2[t, h]*a1[s, h]
    output[s, t] = b2[t] + z2[s, t]
    outputs output
    >>> network.parameter_count
    17
    """

    inputs: Inputs | Named
    layers: tuple[Layer, ...]
    loss: LossLike
    weight_decay: float | None = 0.0
    spec: Spec | None = None
    """The spec it came from, if it came from one."""
    l1: float | None = 0.0
    steps: Counting = "all"
    """Which steps of a sequence count: all, as much as a further input mask (S, T) says, or the first lengths (S,)."""
    weighted: bool = False
    """Whether the loss takes a weight for each sample, a further input w (S,): Σ_s w·ℓ / Σ_s w instead of Σ_s ℓ / S."""

    def __post_init__(self) -> None:
        if isinstance(self.layers, Layer) or not isinstance(self.layers, Iterable):
            raise SpecError(
                f"layers: expected a list of layers, such as [dense(8), dense(1)], found {quote(self.layers)}"
            )
        object.__setattr__(self, "layers", tuple(self.layers))
        for number, layer in enumerate(self.layers):
            if not isinstance(layer, Layer):
                raise SpecError(f"layers[{number}]: expected a layer, such as dense(8, 'tanh'), found {quote(layer)}")
        object.__setattr__(self, "inputs", _checked_inputs(self.inputs))
        if self.loss is None:
            raise SpecError("loss: found None, expected the name of a loss or a function of output and target")
        object.__setattr__(self, "loss", _checked_loss(self.loss))
        try:
            shape_after(self.written, self.input_shape)
            if not self.layout:
                raise FieldError("expected at least one layer with weights, such as dense(8), found none")
            require_scores(self.layers, self.reading)
        except FieldError as error:
            raise SpecError(sentence("Network", ("layers", *error.path), str(error))) from None
        for name in self.input_shapes:
            if name in self.layout:
                raise SpecError(f"inputs: found the name {quote(name)}, which parameters have, expected another one")
        for name, *_ in _PENALTIES:
            value = getattr(self, name)
            known = value is None or (isinstance(value, (int, float)) and 0 <= value < inf)
            if isinstance(value, bool) or not known:
                raise SpecError(f"{name}: found {quote(value)}, expected a finite number of at least 0")
        try:
            check_steps(self.steps, self.output_shape)
        except FieldError as error:
            raise SpecError(f"steps: {error}") from None

    @classmethod
    def of(
        cls,
        output: Node,
        loss: LossLike,
        weight_decay: float | None = 0.0,
        *,
        l1: float | None = 0.0,
        steps: Counting = "all",
    ) -> Network:
        """The network of a value that layers have been called for, which may be no chain of them.

        Its inputs are those that the value is made of: :func:`symnn.inputs` makes them. A layer has the same weights
        wherever it is called. Predictions take the inputs in the order in which the value meets them.

        >>> from symnn.layers.node import inputs
        >>> x, z = inputs(x=2, z=2)
        >>> shared = dense(3, "tanh")
        >>> network = Network.of(dense(1)(shared(x) + shared(z)), "mean_squared_error")
        >>> network.parameter_count, [variable.name for variable in network.data]
        (13, ['x', 'z', 'y'])
        """
        if not isinstance(output, Node):
            raise SpecError(f"output: found {quote(output)}, expected what a layer gives that is called")
        flow = Flow(flow=output)
        inputs = Named(tuple((node.name, node.inputs) for node in flow.inputs))
        return cls(inputs, (flow,), loss, weight_decay, l1=l1, steps=steps)

    @classmethod
    def from_spec(cls, source: str | Path | Mapping[str, Any] | Spec) -> Network:
        """The network of a spec: a path to YAML or JSON, a dict, or a loaded :class:`Spec`.

        Raises :class:`SpecError` naming file and field.
        """
        from symnn.spec import Spec, load_spec  # with YAML a tenth of importing what a network in Python needs

        spec = source if isinstance(source, Spec) else load_spec(source)
        return cls(spec.inputs, spec.layers, spec.loss, spec.weight_decay, spec, spec.l1, spec.steps)

    # --- the graph ------------------------------------------------------------------------------------------------

    @cached_property
    def graph(self) -> Graph:
        """Forward pass and loss, as predictions are made: without dropout, with running averages."""
        return self._with_loss(*self._written())

    @cached_property
    def training_graph(self) -> Graph:
        """Forward pass and loss as gradients are taken of them; another graph where a layer has a form for training."""
        return self._with_loss(*self._trained) if self.differs else self.graph

    @cached_property
    def forward_graph(self) -> Graph:
        """The forward pass alone: ``output`` from the parameters and ``x``."""
        writer, _ = self._written()
        return Graph((*self._inputs, *self.input_variables), tuple(writer.builder.equations), ("output",))

    @cached_property
    def written(self) -> tuple[Layer, ...]:
        """The layers as they are written down, one after the other: one flow where they are no chain."""
        return written(self.inputs, self.layers)

    @property
    def differs(self) -> bool:
        """Whether a layer is written otherwise for training than for predictions."""
        return any(layer.differs for layer in self.written)

    @property
    def draws(self) -> bool:
        return self.differs and self._trained[0].streams > 0

    @property
    def averaged(self) -> Mapping[str, str]:
        return {name: vertex.name for name, vertex in self._trained[0].batch.items()} if self.differs else {}

    def _with_loss(self, writer: Writer, output: Value) -> Graph:
        b = writer.builder
        loss, parameters = resolve_loss(self.loss)
        y = self.target
        *at, t = output.indices
        settings = {name: exact(value) for name, value in parameters.items()}
        sample = loss.write(b, output.variable, y, tuple(at), t, **settings)
        penalised = any(getattr(self, name) != 0 for name, *_ in _PENALTIES)
        result, steps = "mean" if penalised else "loss", at[1:]
        if self.steps == "all":
            if steps:
                sample = b.sum("sample", [b.s], sample / Mul(*map(extent, steps)), steps)[b.s]
            mean = b.sum(result, [], sample * self._share(b), [b.s])
        else:
            count = self._counted(b, at)
            # select, not a product alone: what padding makes of the outputs may be infinite.
            total = b.sum("total", [], select(count, count * sample, Integer(0)), at)
            mean = b.map(result, [], total.symbol / b.sum("steps", [], count, at).symbol)
        if penalised:
            b.map("loss", [], sum(self._penalties(b), mean.symbol))
        rows = (*self.input_variables, *self.target_variables, *([_weight_of_samples(b)] if self.weighted else []))
        given = [*rows, *((SEED, FIRST) if writer.streams else ()), *map(Variable, self.numbers)]
        return Graph((*self._inputs, *given), tuple(b.equations), ("loss",))

    @property
    def numbers(self) -> tuple[str, ...]:
        """The numbers that the loss takes as inputs, behind the rows."""
        return tuple(name for name, *_ in _PENALTIES if getattr(self, name) is None)

    def _share(self, b: Builder) -> Expr:
        """By how much the loss of sample s counts: 1/S, or its part of the weights."""
        if not self.weighted:
            return 1 / b.S
        w = _weight_of_samples(b)
        return w[b.s] / b.sum("weight", [], w[b.s], [b.s]).symbol

    def _counted(self, b: Builder, at: Sequence[Index]) -> Expr:
        """How much a step counts: as the mask says, or 1 for so many of the first, times the weight of the sample."""
        s, t = at
        which = self.target_variables[1]
        found = which[s, t] if self.steps == "mask" else select(which[s] - t, Integer(1), Integer(0))
        weight = _weight_of_samples(b)[s] if self.weighted else Integer(1)
        return found if found.is_Indexed and not self.weighted else b.map("counts", at, found * weight)[s, t]

    def _penalties(self, b: Builder) -> list[Expr]:
        """What is added to the mean for the size of the weights."""
        found = []
        weights = [variable for variable, p in zip(self._inputs, self._parameters.values()) if p.decays]
        for name, vertex, factor, size in _PENALTIES:
            strength = getattr(self, name)
            if strength == 0:
                continue
            given = Variable(name).symbol if strength is None else exact(strength)
            sizes = [_total(b, vertex, w, size) for w in weights]
            found.append(Mul(factor, given, sum(sizes[1:], sizes[0])))
        return found

    @property
    def target_variables(self) -> tuple[Variable, ...]:
        """``y``, and what says which of its steps count."""
        y = self.target
        if self.steps == "mask":
            return y, Variable("mask", y.shape[:2])
        if self.steps == "lengths":
            return y, Variable("lengths", y.shape[:1], "integer", as_extent(y.shape[1] + 1))
        return (y,)

    @property
    def target(self) -> Variable:
        """The variable ``y``: integer labels (S,) or rows (S, outputs), as the loss wants it.

        Of a sequence a label or a row for each step.
        """
        shape = (Builder().S, *extents(self.output_shape))
        labels = self.loss_row.target == "labels"
        return Variable("y", shape[:-1], "integer", self.outputs) if labels else Variable("y", shape)

    @property
    def outputs(self) -> int:
        """The number of outputs; of an array of them, the length of its last axis."""
        found = extents(self.output_shape)[-1]
        assert isinstance(found, int)
        return found

    def shaped(self, rows: np.ndarray) -> np.ndarray:
        """Rows of features (S, features) as the arrays that x holds.

        >>> Network((1, 2, 3), (flatten(), dense(1)), "huber").shaped(np.arange(6.0)[None]).shape
        (1, 1, 2, 3)
        """
        return rows.reshape(len(rows), *extents(self.input_shape))

    @property
    def input_shape(self) -> Shape:
        """The axes of one sample of x; none where there are several inputs."""
        return first_shape(self.inputs)

    @property
    def input_shapes(self) -> Mapping[str, Shape]:
        """The axes of one sample of each input, by name."""
        given = self.inputs.each if isinstance(self.inputs, Named) else (("x", self.inputs),)
        return {name: input_shape(each) for name, each in given}

    @cached_property
    def output_shape(self) -> Shape:
        """The axes of one sample of the output."""
        return shape_after(self.written, self.input_shape)

    @cached_property
    def width(self) -> int:
        """The numbers that a sample has between all layers, a length that a call decides taken for 1."""
        shapes = [here.given for here in placed(self.written, self.input_shape)] + [self.output_shape]
        return sum(elements(extents(shape)) for shape in shapes)

    @cached_property
    def loss_row(self) -> Loss:
        return resolve_loss(self.loss)[0]

    @property
    def plain_targets(self) -> bool:
        return len(self.output_shape) == 1

    def counts(self, targets: Sequence[np.ndarray], weights: np.ndarray | None = None) -> np.ndarray:
        if self.steps == "all":
            return super().counts(targets, weights)
        y, which = targets
        steps = which if self.steps == "mask" else np.arange(y.shape[1]) < which[:, None]
        return steps.astype(np.float64) if weights is None else steps * weights[:, None]

    @property
    def is_mean(self) -> bool:
        return True

    @property
    def standardises_inputs(self) -> bool:
        return self.steps == "all"  # what pads the others would count

    @cached_property
    def standardises_targets(self) -> bool:
        """Whether training may standardise the targets of a regression, for predictions to undo it.

        So it is where the outputs can be any number, the last layer having no activation, and the loss is of
        output − target alone. A loss such as ``exp(output) - target*output`` means the targets as they are.

        >>> Network(2, (dense(3, "tanh"), dense(1)), "mean_squared_error").standardises_targets
        True
        >>> Network(2, (dense(3, "tanh"), dense(1, "sigmoid")), "mean_squared_error").standardises_targets
        False
        """
        return self.plain_targets and unbounded_after(self.written) is not False and self.loss_row.of_difference

    @property
    def input_variables(self) -> tuple[Variable, ...]:
        """The variables that predictions are made of: ``x``, or those of its inputs by their names."""
        shapes = {name: (Builder().S, *extents(shape)) for name, shape in self.input_shapes.items()}
        below = self._below
        return tuple(
            Variable(name, shape, "integer", below[name]) if name in below else Variable(name, shape)
            for name, shape in shapes.items()
        )

    @property
    def _below(self) -> Mapping[str, int]:
        """The inputs that are integers, and what they are below."""
        first, *_ = self.written
        if isinstance(first, Flow):
            return first.integers
        return {} if first.below is None else {"x": first.below}

    @cached_property
    def _trained(self) -> tuple[Writer, Value]:
        return self._written(training=True)

    def _written(self, training: bool = False) -> tuple[Writer, Value]:
        """The equations of the layers, the last of which is ``output``."""
        given = self.input_shape
        writer = Writer(self.written, given, self.input_variables, self._inputs, training)
        x = writer.input(self.input_variables[0].name, given)
        last = writer.chain(self.written, x, given)
        output = Place(writer, self.output_shape, {}, "").plain(last, self.output_shape)
        return writer, writer.called("output", output)

    def summary(self) -> str:
        """A table of the layers as predictions are made: the shapes between them, parameters, operations of a sample.

        >>> print(Network((1, 4, 4), (flatten(), dense(3, "tanh"), dense(2)), "softmax_cross_entropy").summary())
        layer                       values of a sample          parameters            operations
        inputs                      channel 1, row 4, column 4
        flatten                     feature 16                               0           0
        dense: 3, activation: tanh  feature 3                   W1 3×16, b1 3  51        102
        dense: 2                    feature 2                   W2 2×3, b2 2    8         14
        total                                                                  59        116
        """
        writer, _ = self._written()
        return summary(writer, self.input_shapes)

    def __repr__(self) -> str:
        loss = getattr(self.loss, "name", self.loss)
        named = loss if isinstance(loss, str) else getattr(loss, "__name__", "a loss of its own")
        given = ", ".join(" ".join(map(str, extents(shape))) for shape in self.input_shapes.values())
        sizes = f"{len(self.layers)} layers, {given} inputs, {self.outputs} outputs"
        return f"<Network of {sizes}, {named}, {self.parameter_count:,} parameters>"

    _repr_html_ = shows("network_html")
    _repr_latex_ = shows("network_latex")
    _repr_svg_ = shows("network_svg")

    @cached_property
    def _parameters(self) -> Mapping[str, Parameter]:
        found = [named for here in placed(self.written, self.input_shape) for named in here.named]
        return dict(sorted(found, key=lambda named: named[1].averages))

    @property
    def with_weights(self) -> Network:
        return replace(self, weighted=True)


# --- what is given in Python ---------------------------------------------------------------------------------------


def _checked_inputs(inputs: Any) -> Inputs | Named:
    if isinstance(inputs, Named):
        return inputs
    if isinstance(inputs, (list, tuple, Mapping)):
        try:
            return read_inputs(inputs)
        except FieldError as error:
            raise SpecError(sentence("inputs", error.path, str(error))) from None
    return whole_number("inputs", inputs, 1, refused=SpecError)


def _checked_loss(loss: Any) -> LossLike:
    """A name stays a name, and a function has to be one of SymPy expressions."""
    try:
        found = given("loss", loss)
    except FieldError as error:
        raise SpecError(sentence("loss", error.path, str(error))) from None
    return found.name if isinstance(found, Choice) and isinstance(loss, str) else found


def _weight_of_samples(b: Builder) -> Variable:
    return Variable("w", (b.S,))


def _total(b: Builder, vertex: str, weights: Variable, size: Formula) -> Expr:
    """The sum of the sizes of weights."""
    over = [Index(letter, extent) for letter, extent in zip("ijklmnop", weights.shape)]
    return b.sum(f"{vertex}{weights.name.removeprefix('W')}", [], size(weights[tuple(over)]), over).symbol


_PENALTIES: Sequence[tuple[str, str, Rational, Formula]] = (
    ("weight_decay", "norm", Rational(1, 2), lambda w: w**2),
    ("l1", "size", Rational(1), absolute),
)
"""Field, name of the vertex of each array of weights, factor, and what is summed over its entries."""
