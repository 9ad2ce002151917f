"""A network: layers and a loss written as one graph, the layout of its parameters, and its compiled functions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, prod
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from sympy import Expr, Mul, Rational, Symbol

from codegen import CompiledFunction, Graph, Index, Variable, compile, gradient
from codegen.cached import cached_property
from codegen.dtypes import Dtype, dtype_name
from codegen.functions import absolute
from codegen.schedule import ScheduleName
from symnn.activations import ACTIVATIONS, exact
from symnn.builder import Builder
from symnn.errors import DataError, SpecError
from symnn.formula import FUNCTIONS, parse_formula
from symnn.given import called, constructed, whole_number
from symnn.initialisers import INITIALISERS
from symnn.losses import LOSSES, ElementLoss, Loss, element_loss
from symnn.objective import Objective
from symnn.spec import Choice, Spec, choice, load_spec
from symnn.suggest import quote, unknown

Formula = Callable[[Expr], Expr]
ActivationLike = str | Choice | Mapping[str, Any] | Formula | None
LossLike = str | Choice | Mapping[str, Any] | ElementLoss


@constructed(SpecError)
@dataclass(frozen=True)
class Layer:
    """A dense layer of ``dense`` units, or none, followed by an activation, or none.

    ``activation`` is a name, a :class:`Choice` with parameters, or a function of one SymPy expression.
    """

    dense: int | None = None
    activation: ActivationLike = None
    bias: bool = True
    initialiser: str | None = None

    def __post_init__(self) -> None:
        if self.dense is not None:
            object.__setattr__(self, "dense", whole_number("dense", self.dense, 1, refused=SpecError))
        if not isinstance(self.bias, bool):
            raise SpecError(f"bias: found {quote(self.bias)}, expected True or False")
        if self.initialiser is not None and str(self.initialiser) not in INITIALISERS:
            raise SpecError(unknown("initialiser", str(self.initialiser), INITIALISERS))
        object.__setattr__(self, "activation", _checked("activation", self.activation, 1))

    @property
    def units(self) -> int:
        """The number of units, 0 for an activation alone."""
        return self.dense or 0


@called(SpecError)
def dense(units: int, activation: ActivationLike = None, *, bias: bool = True, initialiser: str | None = None) -> Layer:
    """``z = W·x``, ``u = z + b``, ``a = activation(u)``.

    >>> dense(32, "tanh").dense
    32
    """
    return Layer(units, activation, bias, initialiser)


@dataclass(frozen=True)
class ParameterSlice:
    """Where a parameter lies in the flat vector."""

    name: str
    where: slice
    shape: tuple[int, ...]


@constructed(SpecError)
@dataclass(frozen=True)
class Network:
    """Layers and a loss over ``inputs`` features.

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

    inputs: int
    layers: tuple[Layer, ...]
    loss: LossLike
    weight_decay: float | None = 0.0
    spec: Spec | None = None
    """The spec it came from, if it came from one."""
    l1: float | None = 0.0
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
        if not any(layer.dense for layer in self.layers):
            raise SpecError("a network needs at least one dense layer")
        object.__setattr__(self, "inputs", whole_number("inputs", self.inputs, 1, refused=SpecError))
        if self.loss is None:
            raise SpecError("loss: found None, expected the name of a loss or a function of output and target")
        object.__setattr__(self, "loss", _checked("loss", self.loss, 2))
        for name, *_ in _PENALTIES:
            value = getattr(self, name)
            known = value is None or (isinstance(value, (int, float)) and 0 <= value < inf)
            if isinstance(value, bool) or not known:
                raise SpecError(f"{name}: found {quote(value)}, expected a finite number of at least 0")

    @classmethod
    def from_spec(cls, source: str | Path | Mapping[str, Any] | Spec) -> Network:
        """The network of a spec: a path to YAML or JSON, a dict, or a loaded :class:`Spec`.

        Raises :class:`SpecError` naming file and field.
        """
        spec = source if isinstance(source, Spec) else load_spec(source)
        layers = tuple(Layer(x.dense, x.activation, x.bias, x.initialiser) for x in spec.layers)
        return cls(spec.inputs, layers, spec.loss, spec.weight_decay, spec, spec.l1)

    # --- the graph ------------------------------------------------------------------------------------------------

    @cached_property
    def graph(self) -> Graph:
        """Forward pass and loss."""
        b = Builder()
        output, t = self._write_layers(b)
        loss, parameters = resolve_loss(self.loss)
        y = self.target
        sample = loss.write(b, output, y, t, **{name: exact(value) for name, value in parameters.items()})
        penalised = any(getattr(self, name) != 0 for name, *_ in _PENALTIES)
        mean = b.sum("mean" if penalised else "loss", [], sample * self._share(b), [b.s])
        if penalised:
            b.map("loss", [], sum(self._penalties(b), mean.symbol))
        rows = (self._x(b), y, self._w(b)) if self.weighted else (self._x(b), y)
        numbers = (Variable(name) for name in self.numbers)
        return Graph((*b.parameters, *rows, *numbers), tuple(b.equations), ("loss",))

    @property
    def numbers(self) -> tuple[str, ...]:
        """The numbers that the loss takes as inputs, behind the rows."""
        return tuple(name for name, *_ in _PENALTIES if getattr(self, name) is None)

    def _penalties(self, b: Builder) -> list[Expr]:
        """What is added to the mean for the size of the weights."""
        found = []
        weights = [p for p in b.parameters if p.name.startswith("W")]
        for name, vertex, factor, size in _PENALTIES:
            strength = getattr(self, name)
            if strength == 0:
                continue
            given = Variable(name).symbol if strength is None else exact(strength)
            sizes = []
            for w in weights:
                i, j = Index("i", w.shape[0]), Index("j", w.shape[1])
                sizes.append(b.sum(f"{vertex}{w.name[1:]}", [], size(w[i, j]), [i, j]).symbol)
            found.append(Mul(factor, given, sum(sizes[1:], sizes[0])))
        return found

    @cached_property
    def forward_graph(self) -> Graph:
        """The forward pass alone: ``output`` from the parameters and ``x``."""
        b = Builder()
        self._write_layers(b)
        return Graph((*b.parameters, self._x(b)), tuple(b.equations), ("output",))

    @cached_property
    def gradient_graph(self) -> Graph:
        """The loss and its gradient with respect to every parameter, by backpropagation on the layer equations."""
        return gradient(self.graph, "loss", [p.name for p in self.layout.values()])

    @property
    def target(self) -> Variable:
        """The variable ``y``: integer labels (S,) or rows (S, outputs), as the loss wants it."""
        b = Builder()
        loss, _ = resolve_loss(self.loss)
        return (
            Variable("y", (b.S,), "integer", self.outputs)
            if loss.target == "labels"
            else Variable("y", (b.S, self.outputs))
        )

    @property
    def outputs(self) -> int:
        """The number of outputs."""
        return [layer.units for layer in self.layers if layer.dense][-1]

    @property
    def reading(self) -> str:
        """How outputs become predictions: ``classes``, ``logits`` or ``values``."""
        return resolve_loss(self.loss)[0].reading

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
        return _steps(self.layers)[-1][0] != "activation" and resolve_loss(self.loss)[0].of_difference

    def _x(self, b: Builder) -> Variable:
        return Variable("x", (b.S, self.inputs))

    def _share(self, b: Builder) -> Expr:
        """By how much the loss of sample s counts: 1/S, or its part of the weights."""
        if not self.weighted:
            return 1 / b.S
        w = self._w(b)
        return w[b.s] / b.sum("weight", [], w[b.s], [b.s]).symbol

    @staticmethod
    def _w(b: Builder) -> Variable:
        return Variable("w", (b.S,))

    def _write_layers(self, b: Builder) -> tuple[Variable, Index]:
        count = sum(1 for layer in self.layers if layer.dense)
        steps = _steps(self.layers)
        current, index, number = self._x(b), Index("d", self.inputs), 0
        taken: set[str] = set()
        for position, (kind, layer) in enumerate(steps):
            if kind == "dense":
                number += 1
                letter = "t" if number == count else "h" if count == 2 else f"h{number}"
                unit = Index(letter, layer.units)
                w = b.parameter(f"W{number}", layer.units, current.shape[1])
            name = self._vertex_name(kind, number, position == len(steps) - 1, taken)
            if kind == "dense":
                current = b.sum(name, [b.s, unit], w[unit, index] * current[b.s, index], [index])
                index = unit
            elif kind == "bias":
                bias = b.parameter(f"b{number}", layer.units)
                current = b.map(name, [b.s, index], current[b.s, index] + bias[index])
            else:
                activation = resolve_activation(layer.activation)
                current = b.map(name, [b.s, index], activation(current[b.s, index]))
        return current, index

    @staticmethod
    def _vertex_name(kind: str, number: int, last: bool, taken: set[str]) -> str:
        name = "output" if last else f"{ {'dense': 'z', 'bias': 'u', 'activation': 'a'}[kind] }{number}"
        while name in taken:
            name += "'"
        taken.add(name)
        return name

    # --- parameters -----------------------------------------------------------------------------------------------

    @cached_property
    def layout(self) -> Mapping[str, ParameterSlice]:
        """Where each parameter lies in the flat vector theta, by name and in order.

        >>> Network(2, (dense(3),), "mean_squared_error").layout["b1"]
        ParameterSlice(name='b1', where=slice(6, 9, None), shape=(3,))
        """
        found: dict[str, ParameterSlice] = {}
        start = 0
        for variable in self._parameters:
            shape = tuple(int(n) for n in variable.shape)
            found[variable.name] = ParameterSlice(variable.name, slice(start, start + prod(shape)), shape)
            start += prod(shape)
        return found

    @property
    def _parameters(self) -> Iterator[Variable]:
        """Weights and biases in the order of theta, as the graph declares them."""
        fan_in, number = self.inputs, 0
        for kind, layer in _steps(self.layers):
            if kind == "dense":
                number += 1
                yield Variable(f"W{number}", (layer.units, fan_in))
                fan_in = layer.units
            elif kind == "bias":
                yield Variable(f"b{number}", (layer.units,))

    @property
    def parameter_count(self) -> int:
        """The length of theta."""
        return sum(prod(p.shape) for p in self.layout.values())

    def split(self, theta: np.ndarray) -> dict[str, np.ndarray]:
        """Views of the parameters inside a flat vector of theirs, or of their gradients."""
        return {p.name: theta[p.where].reshape(p.shape) for p in self.layout.values()}

    def initial_parameters(self, seed: int = 0) -> np.ndarray:
        """Random weights by each layer's initialiser and zero biases, as one flat float64 vector.

        A layer without an initialiser of its own gets He's before relu and its relatives, otherwise Glorot's.
        """
        generator = np.random.Generator(np.random.PCG64(whole_number("seed", seed)))
        theta = np.zeros(self.parameter_count)
        parameters = self.split(theta)
        for number, (layer, activation) in enumerate(_dense_layers(self.layers), 1):
            weights = parameters[f"W{number}"]
            name = layer.initialiser or _default_initialiser(activation)
            if name not in INITIALISERS:
                raise SpecError(unknown("initialiser", name, INITIALISERS))
            weights[...] = INITIALISERS[name](generator, *weights.shape)
        return theta

    # --- compiled -------------------------------------------------------------------------------------------------

    def compile(
        self, dtype: DTypeLike = "float64", schedule: ScheduleName = "auto", cache: bool = True, threads: int = 1
    ) -> Model:
        """The compiled functions of this network; each is compiled when it is first used.

        ``threads`` may work at one call on large batches; the results are the same to the bit for any number.
        """
        return Model(self, dtype_name(dtype), schedule, cache, threads)


@dataclass(frozen=True)
class Model:
    """The functions of a network, each a :class:`codegen.CompiledFunction` with a ``.kernel`` for jitted code.

    ``theta`` is the flat parameter vector, ``x`` is (S, inputs), ``y`` is int64 (S,) or real (S, outputs).
    """

    network: Network
    dtype: Dtype = "float64"
    schedule: ScheduleName = "auto"
    cache: bool = True
    threads: int = 1

    @cached_property
    def predict(self) -> CompiledFunction:
        """``predict(theta, x) -> output``, the outputs (S, outputs): class scores, logits or values."""
        return self._compile(self.network.forward_graph)

    @cached_property
    def loss(self) -> CompiledFunction:
        """``loss(theta, x, y) -> float``."""
        return self._compile(self.network.graph)

    @cached_property
    def loss_and_output(self) -> CompiledFunction:
        """``loss_and_output(theta, x, y) -> (loss, output)``, both from one pass over the network.

        >>> model = Network(1, (dense(1),), "mean_squared_error").compile()
        >>> model.loss_and_output(np.array([2.0, 1.0]), np.array([[1.0], [3.0]]), np.array([[3.0], [5.0]]))
        (2.0, array([[3.],
               [7.]]))
        """
        graph, (output,) = self.network.graph, self.network.forward_graph.outputs
        return self._compile(graph.with_outputs(*graph.outputs, output))

    @cached_property
    def value_and_grad(self) -> CompiledFunction:
        """``value_and_grad(theta, x, y, out=None) -> (loss, gradient)``, the gradient laid out like theta."""
        graph = self.network.gradient_graph
        return self._compile(graph, {"gradient": list(graph.outputs[1:])})

    @cached_property
    def weighted(self) -> Model:
        """The same functions, each with a further argument after y: w (S,), how much each sample counts.

        The loss is Σ_s w·ℓ / Σ_s w, so that weights 2 and 1 are rows given twice and once.

        >>> model = Network(1, (dense(1),), "mean_squared_error").compile().weighted
        >>> model.loss(np.array([0.0, 0.0]), [[0.0], [0.0]], [[1.0], [4.0]], [2.0, 1.0])
        6.0
        """
        return replace(self, network=replace(self.network, weighted=True))

    @called(DataError)
    def objective(self, x: ArrayLike, y: ArrayLike, *others: ArrayLike) -> Objective:
        """``fun(theta) -> (loss, gradient)`` on these rows, for ``scipy.optimize.minimize(fun, theta, jac=True)``.

        others: what the loss takes besides, such as the weights for a :attr:`weighted` model. Both are float64, also of
        a float32 model, and every call gives a new gradient. The rows are converted as in a call of
        :attr:`value_and_grad`, which says what is refused, and copied, once.

        >>> from scipy.optimize import minimize
        >>> model = Network(1, (dense(1),), "mean_squared_error").compile("float32")
        >>> fun = model.objective([[0], [1], [2]], [[-1], [2], [5]])
        >>> minimize(fun, np.zeros(2), jac=True, method="SLSQP").x.round(2)
        array([ 3., -1.])
        """
        return Objective([(self.value_and_grad, (x, y, *others))], self.network.parameter_count, self.dtype)

    def _compile(self, graph: Graph, results: Mapping[str, list[str]] | None = None) -> CompiledFunction:
        """The graph as a function of theta; ``results`` are those that are laid end to end."""
        pack = {"theta": list(self.network.layout), **(results or {})}
        return compile(
            graph, dtype=self.dtype, schedule=self.schedule, cache=self.cache, threads=self.threads, pack=pack
        )


# --- what is given in Python ---------------------------------------------------------------------------------------


def _checked(kind: Literal["activation", "loss"], given: Any, arguments: int) -> Any:
    """An activation or a loss: a name stays a name, a function has to be one of SymPy expressions."""
    if callable(given) and not isinstance(given, Choice):
        names = ["x"] if arguments == 1 else ["output", "target"]
        where = f"{kind}: found the function {getattr(given, '__name__', quote(given))}"
        expected = f"expected a name or a function of {' and '.join(names)} that gives a SymPy expression"
        try:
            body = given(*(Symbol(name, real=True) for name in names))
        except Exception as error:  # whatever the function makes of a symbol, it is not a formula
            name = getattr(given, "__name__", "")
            by_name = f"; {name!r} is the name of one" if kind == "activation" and name in ACTIVATIONS else ""
            raise SpecError(f"{where}, {expected}{by_name}") from error
        if not isinstance(body, Expr):
            raise SpecError(f"{where}, which gives a {type(body).__name__}, {expected}")
        return given
    found = choice(kind, given)
    if isinstance(found, Choice) and isinstance(given, str):
        return found.name
    return found


# --- resolving names ----------------------------------------------------------------------------------------------


def _steps(layers: Sequence[Layer]) -> list[tuple[str, Layer]]:
    """The vertices that the layers ask for: weighted sum, bias, activation."""
    steps: list[tuple[str, Layer]] = []
    for layer in layers:
        if layer.dense:
            steps += [("dense", layer)] + ([("bias", layer)] if layer.bias else [])
        if layer.activation is not None and _name(layer.activation) != "identity":
            steps.append(("activation", layer))
    return steps


def _dense_layers(layers: Sequence[Layer]) -> Iterator[tuple[Layer, ActivationLike]]:
    """The layers with weights, each with the activation it feeds: its own, or that of the layer after it."""
    for layer, after in zip(layers, [*layers[1:], Layer()]):
        if layer.dense:
            yield layer, after.activation if layer.activation is None and not after.dense else layer.activation


def resolve_activation(given: ActivationLike) -> Formula:
    """The scalar function of a name, a choice with parameters, or a function as it is."""
    if callable(given) and not isinstance(given, Choice):
        return given
    chosen = Choice(name=given) if isinstance(given, str) else given
    assert isinstance(chosen, Choice)
    if (formula := chosen.formula) is not None:
        return lambda x: parse_formula(formula, {"x": x}, FUNCTIONS, "activation")
    return lambda x: ACTIVATIONS[chosen.name](x, **dict(chosen.parameters))


def resolve_loss(given: LossLike) -> tuple[Loss, Mapping[str, float]]:
    """The loss of a name, a choice with parameters, or a function of output and target; and its parameters."""
    if callable(given) and not isinstance(given, Choice):
        return element_loss("custom", given), {}
    chosen = Choice(name=given) if isinstance(given, str) else given
    assert isinstance(chosen, Choice)
    if chosen.formula is not None:
        return element_loss("formula", _parsed_loss(chosen.formula)), {}
    loss = LOSSES[chosen.name]
    return loss, {**loss.parameters, **dict(chosen.parameters)}


def _parsed_loss(text: str) -> ElementLoss:
    return lambda output, target: parse_formula(text, {"output": output, "target": target}, FUNCTIONS, "loss")


def _name(activation: ActivationLike) -> str | None:
    """The activation's name in the table, or None for a function."""
    choice = activation.name if isinstance(activation, Choice) else activation
    return choice if isinstance(choice, str) else None


def _default_initialiser(activation: ActivationLike) -> str:
    return "he_normal" if _name(activation) in _RECTIFIERS else "glorot_uniform"


_PENALTIES: Sequence[tuple[str, str, Rational, Formula]] = (
    ("weight_decay", "norm", Rational(1, 2), lambda w: w**2),
    ("l1", "size", Rational(1), absolute),
)
"""Field, name of the vertex of each matrix, factor, and what is summed over its entries."""

_RECTIFIERS = frozenset({"relu", "leaky_relu", "elu", "relu6", "softplus", "silu", "gelu", "gelu_tanh"})
