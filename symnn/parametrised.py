"""What training works at: a graph with parameters and a loss, the layout of its parameters, its compiled functions.

A :class:`~symnn.network.Network` writes its graph from layers; :meth:`Model.from_graph` takes any.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from codegen import CompiledFunction, Graph, Variable, compile, gradient
from codegen.cached import cached_property
from codegen.compiler import TierName
from codegen.dtypes import Dtype, dtype_name
from codegen.errors import of_type
from codegen.passes import prune
from codegen.schedule import ScheduleName
from codegen.schedule.checkpoint import Checkpoint, checkpoint_of
from codegen.walk import elements, is_plain_on, is_symbolic, lengths_in, shape, subscripts
from symnn.arrays import read_array
from symnn.errors import DataError, SymnnError
from symnn.given import called, names, one_of, whole_number
from symnn.initialisers import INITIALISERS
from symnn.layers.writing import FIRST, SEED, Parameter, weights
from symnn.losses import Loss
from symnn.objective import Objective
from symnn.shown import shows
from symnn.suggest import canonical, quote, unknown

if TYPE_CHECKING:
    from symnn.data import Dataset
    from symnn.spec import Spec


@dataclass(frozen=True)
class ParameterSlice:
    """Where a parameter lies in the flat vector."""

    name: str
    where: slice
    shape: tuple[int, ...]


class Parametrised(ABC):
    """Equations with parameters, and a loss of theirs that training makes small.

    The parameters stand first among the inputs of its graphs, and together they are the flat vector theta. Behind them
    are what predictions are made of, what the loss takes besides, and weights, the seed and numbers.
    """

    weighted: bool

    @property
    @abstractmethod
    def graph(self) -> Graph:
        """The loss, as predictions are made."""

    @property
    def training_graph(self) -> Graph:
        """The loss as gradients are taken of it."""
        return self.graph

    @property
    @abstractmethod
    def forward_graph(self) -> Graph:
        """What is predicted, from the parameters and :attr:`input_variables` alone."""

    @property
    @abstractmethod
    def _parameters(self) -> Mapping[str, Parameter]:
        """By name, in the order of theta, as the graph declares them."""

    @property
    @abstractmethod
    def input_variables(self) -> tuple[Variable, ...]:
        """The variables that predictions are made of."""

    @property
    @abstractmethod
    def target_variables(self) -> tuple[Variable, ...]:
        """The variables that the loss takes besides."""

    @property
    @abstractmethod
    def loss_row(self) -> Loss:
        """How outputs and targets are read."""

    @property
    @abstractmethod
    def width(self) -> int:
        """The numbers that a sample has between all equations, a length that a call decides taken for 1."""

    spec: Spec | None = None
    """The spec it came from, if it came from one."""

    @property
    def plain_targets(self) -> bool:
        """Whether the target is a label, or a row of numbers, of each sample and nothing else."""
        return False

    @property
    def is_mean(self) -> bool:
        """Whether the loss is a mean over samples, so that the losses of parts, by what counts, make that of all."""
        return False

    def require_samples(self) -> None:  # noqa: B027 - layers are written over samples
        """Raise :class:`DataError` unless the data are samples, each of which is one by itself."""

    @property
    def has_output(self) -> bool:
        """Whether there is anything to predict."""
        return True

    @property
    def output_variable(self) -> Variable:
        """What is predicted."""
        (output,) = self.forward_graph.outputs
        return self.forward_graph.variable(output)

    @property
    def outputs(self) -> int:
        """The number of outputs; of an array of them, the length of its last axis."""
        shape = self.output_variable.shape
        found = shape[-1] if len(shape) > 1 else 1
        assert isinstance(found, int)
        return found

    def counts(self, targets: Sequence[np.ndarray], weights: np.ndarray | None = None) -> np.ndarray:
        """How much each sample counts in the loss (S,), or each of its steps (S, T)."""
        return np.ones(len(targets[0])) if weights is None else weights

    @property
    def standardises_inputs(self) -> bool:
        """Whether training may standardise what predictions are made of."""
        return False

    @property
    def standardises_targets(self) -> bool:
        """Whether training may standardise what is to be predicted."""
        return False

    @property
    def draws(self) -> bool:
        """Whether training draws random numbers: then its inputs behind the rows are ``seed`` and ``first``."""
        return False

    @property
    def numbers(self) -> tuple[str, ...]:
        """The numbers that the loss takes as inputs, behind the rows."""
        return ()

    @property
    def differs(self) -> bool:
        """Whether training is written otherwise than predictions."""
        return False

    @property
    def averaged(self) -> Mapping[str, str]:
        """What each running average takes from a batch: a vertex, by the name of the average."""
        return {}

    # --- the graph ------------------------------------------------------------------------------------------------

    @cached_property
    def gradient_graph(self) -> Graph:
        """The loss and its gradient with respect to every parameter, by backpropagation on the equations."""
        graph = self.training_graph
        return gradient(graph, graph.outputs[0], [p.name for p in self.layout.values()])

    @cached_property
    def step_graph(self) -> Graph:
        """The same with what running averages take from a batch in the place of their gradient, which is 0."""
        graph, batch = self.gradient_graph, self.averaged
        outputs = [batch.get(name, found) for name, found in zip(self.layout, graph.outputs[1:])]
        return prune(graph.with_outputs(graph.outputs[0], *outputs)) if batch else graph

    @property
    def data(self) -> tuple[Variable, ...]:
        """The variables that are given at each call of the gradient: inputs, targets, weights, seed and numbers."""
        return self.training_graph.inputs[len(self.layout) :]

    @property
    def reading(self) -> str:
        """How outputs become predictions: ``classes``, ``logits`` or ``values``."""
        return self.loss_row.reading

    # --- rows of numbers ------------------------------------------------------------------------------------------

    @property
    def features(self) -> int:
        """The numbers in one sample of all inputs, or in a step: as many columns as a table of them has.

        It is a step where each call decides how many a sample has.
        """
        return sum(map(columns, self.input_variables))

    @property
    def takes_rows(self) -> bool:
        """Whether inputs and output are of samples, of as many numbers in every call but for the number of steps."""
        shapes = [variable.shape for variable in (*self.input_variables, self.output_variable)]
        samples = {shape[0] if shape else 1 for shape in shapes}
        lengths = {n for shape in shapes for n in shape[1:2] if is_symbolic(n)}
        fixed = len(lengths) < 2 and all(isinstance(n, int) for shape in shapes for n in shape[2:])
        return len(shapes) > 1 and fixed and len(samples) == 1 and not any(isinstance(n, int) for n in samples)

    @property
    def takes_sequences(self) -> bool:
        """Whether each call decides how many steps its samples have."""
        return any(map(varies, self.input_variables))

    @property
    def whole(self) -> np.ndarray:
        """Which of these are whole numbers, (features,)."""
        return np.repeat([v.kind == "integer" for v in self.input_variables], [*map(columns, self.input_variables)])

    def inputs_of(
        self, rows: np.ndarray, dtype: DTypeLike = "float64", steps: int | None = None
    ) -> tuple[np.ndarray, ...]:
        """Rows of features (S, features) as the arrays that the inputs are, side by side in the rows.

        With ``steps`` so many rows are those of one sample.

        >>> from symnn.layers.node import inputs
        >>> from symnn.network import Network, dense
        >>> x, z = inputs(x=2, z=1)
        >>> network = Network.of(dense(1)(x) + dense(1)(z), "mean_squared_error")
        >>> [array.tolist() for array in network.inputs_of(np.array([[1.0, 2.0, 3.0]]))]
        [[[1.0, 2.0]], [[3.0]]]
        """
        return apart(rows, self.input_variables, dtype, steps)

    def arranged(self, dataset: Dataset) -> Dataset:
        """The data set with its features in the order of the inputs, where there are several.

        Raises :class:`DataError` unless its features are those.
        """
        if len(self.input_variables) == 1:
            return dataset
        return dataset.arranged([(variable.name, columns(variable)) for variable in self.input_variables])

    # --- parameters -----------------------------------------------------------------------------------------------

    @cached_property
    def layout(self) -> Mapping[str, ParameterSlice]:
        """Where each parameter lies in the flat vector theta, by name and in order.

        >>> from symnn.network import Network, dense
        >>> Network(2, (dense(3),), "mean_squared_error").layout["b1"]
        ParameterSlice(name='b1', where=slice(6, 9, None), shape=(3,))
        """
        found: dict[str, ParameterSlice] = {}
        start = 0
        for name, parameter in self._parameters.items():
            stop = start + prod(parameter.shape)
            found[name], start = ParameterSlice(name, slice(start, stop), parameter.shape), stop
        return found

    @cached_property
    def _inputs(self) -> tuple[Variable, ...]:
        """The parameters as the graphs declare them, in the order of theta."""
        return tuple(Variable(name, parameter.unmerged) for name, parameter in self._parameters.items())

    @property
    def parameter_count(self) -> int:
        """The length of theta."""
        return sum(prod(p.shape) for p in self.layout.values())

    @property
    def averages(self) -> slice:
        """Where the running averages lie in theta: at its end."""
        count = sum(prod(p.shape) for p in self._parameters.values() if p.averages)
        return slice(self.parameter_count - count, self.parameter_count)

    def split(self, theta: np.ndarray) -> dict[str, np.ndarray]:
        """Views of the parameters inside a flat vector of theirs, or of their gradients."""
        return {p.name: theta[p.where].reshape(p.shape) for p in self.layout.values()}

    def unmerged(self, theta: np.ndarray) -> dict[str, np.ndarray]:
        """The same views as the graphs take them: weights behind ``flatten`` have an axis for each that it made one."""
        return {name: theta[self.layout[name].where].reshape(p.unmerged) for name, p in self._parameters.items()}

    def initial_parameters(self, seed: int = 0) -> np.ndarray:
        """Random weights by each layer's initialiser and zero biases, as one flat float64 vector.

        A layer without an initialiser of its own gets He's before relu and its relatives, otherwise Glorot's.
        """
        generator = np.random.Generator(np.random.PCG64(whole_number("seed", seed)))
        theta = np.zeros(self.parameter_count)
        parameters = self.split(theta)
        for name, parameter in self._parameters.items():
            parameters[name][...] = parameter.fill(generator, parameter.shape)
        return theta

    @property
    @abstractmethod
    def with_weights(self) -> Parametrised:
        """The same with a further input behind the targets: w (S,), how much each sample counts."""

    # --- compiled -------------------------------------------------------------------------------------------------

    def compile(
        self,
        dtype: DTypeLike = "float64",
        schedule: ScheduleName = "auto",
        cache: bool = True,
        threads: int = 1,
        checkpoint: Checkpoint = None,
        tier: TierName = "full",
    ) -> Model:
        """The compiled functions of these equations; each is compiled when it is first used.

        ``threads`` may work at one call on large batches; the results are the same to the bit for any number, and for
        any ``checkpoint``: recurrent layers keep every so-manieth step for the way back and compute the rest again, as
        :func:`codegen.compile` says; so it says what a ``tier`` is, by which the bits are the same too.
        """
        one_of("schedule", schedule, get_args(ScheduleName))
        threads = whole_number("threads", threads, 1)
        return Model(self, dtype_name(dtype), schedule, cache, threads, checkpoint_of(checkpoint), tier)


@dataclass(frozen=True)
class Model:
    """The functions of a network, each a :class:`codegen.CompiledFunction` with a ``.kernel`` for jitted code.

    ``theta`` is the flat parameter vector, ``x`` is (S, inputs), ``y`` is int64 (S,) or real (S, outputs). Of a graph
    that is given they are its inputs and what its loss takes besides, in its own order.

    >>> from symnn.network import Network, dense
    >>> model = Network(1, (dense(1),), "mean_squared_error").compile()
    >>> loss, gradient = model.value_and_grad(np.array([2.0, 0.0]), np.array([[1.0]]), np.array([[3.0]]))
    >>> loss, gradient
    (1.0, array([-2., -2.]))
    """

    network: Parametrised
    dtype: Dtype = "float64"
    schedule: ScheduleName = "auto"
    cache: bool = True
    threads: int = 1
    checkpoint: Checkpoint = None
    tier: TierName = "full"

    _repr_html_ = shows("model_html")

    @classmethod
    @called(SymnnError)
    def from_graph(
        cls,
        graph: Graph,
        parameters: Sequence[str] | Mapping[str, Initial],
        inputs: Sequence[str],
        *,
        loss: str | None = None,
        output: str | None = None,
        dtype: DTypeLike = "float64",
        schedule: ScheduleName = "auto",
        cache: bool = True,
        threads: int = 1,
        checkpoint: Checkpoint = None,
    ) -> Model:
        """The functions of any graph that has a scalar loss: what a network has, a graph has by this.

        parameters: the inputs of the graph that training finds, by name, in the order of theta; in a mapping with
        their first values: a number, an array, or the name of an initialiser, for which the first axis are the outputs.
        Unless said, arrays of two axes and more begin as ``glorot_uniform`` and all others as 0.
        inputs: those that predictions are made of. What is left are the targets of the loss.
        loss, output: the vertices that are made small and predicted; the graph's outputs, one a scalar, unless said.

        The graph is taken as it is: nothing is standardised. To be trained in batches, its data need one symbolic
        extent in common, that of their first axes.

        Raises :class:`SymnnError` for names that the graph does not have, and for an output that reads targets.

        >>> from codegen import from_expressions
        >>> from sympy import Idx, IndexedBase, Sum, exp, symbols
        >>> a, b, S = symbols("a b S")
        >>> s, x, y, u = Idx("s", S), IndexedBase("x"), IndexedBase("y"), IndexedBase("u")
        >>> decay = {u[s]: a * exp(-b * x[s]), "loss": Sum((u[s] - y[s]) ** 2, s) / S}
        >>> model = Model.from_graph(from_expressions(decay, [a, b, x, y]), {"a": 1.0, "b": 0.5}, ["x"], output="u")
        >>> theta = model.network.initial_parameters()
        >>> model.predict(theta, [0.0, 2.0]).round(4), [variable.name for variable in model.network.target_variables]
        (array([1.    , 0.3679]), ['y'])
        """
        found = GivenGraph.of(graph, parameters, inputs, loss, output)
        return found.compile(dtype, schedule, cache, threads, checkpoint)

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
        # Called once an epoch: what LLVM's passes on loops take would not come back.
        tier: TierName = "light" if self.tier == "full" else self.tier
        return replace(self, tier=tier)._compile(graph.with_outputs(*graph.outputs, output))

    @cached_property
    def value_and_grad(self) -> CompiledFunction:
        """``value_and_grad(theta, x, y, out=None) -> (loss, gradient)``, the gradient laid out like theta."""
        graph = self.network.gradient_graph
        return self._compile(graph, {"gradient": list(graph.outputs[1:])})

    @cached_property
    def step(self) -> CompiledFunction:
        """The same, with what running averages take from a batch in the place of their gradient, which is 0."""
        graph = self.network.step_graph
        same = graph is self.network.gradient_graph
        return self.value_and_grad if same else self._compile(graph, {"gradient": list(graph.outputs[1:])})

    @cached_property
    def weighted(self) -> Model:
        """The same functions, each with a further argument after y: w (S,), how much each sample counts.

        The loss is Σ_s w·ℓ / Σ_s w, so that weights 2 and 1 are rows given twice and once.

        >>> model = Network(1, (dense(1),), "mean_squared_error").compile().weighted
        >>> model.loss(np.array([0.0, 0.0]), [[0.0], [0.0]], [[1.0], [4.0]], [2.0, 1.0])
        6.0
        """
        return replace(self, network=self.network.with_weights)

    @called(DataError)
    def objective(self, x: ArrayLike, y: ArrayLike | None = None, *others: ArrayLike) -> Objective:
        """``fun(theta) -> (loss, gradient)`` on these rows, for ``scipy.optimize.minimize(fun, theta, jac=True)``.

        y: not where the loss has no targets. others: what it takes besides, such as the weights for a :attr:`weighted`
        model. Both are float64, also of a float32 model, and every call gives a new gradient. The rows are converted as
        in a call of :attr:`value_and_grad`, which says what is refused, and copied, once.

        >>> from scipy.optimize import minimize
        >>> from symnn.network import Network, dense
        >>> model = Network(1, (dense(1),), "mean_squared_error").compile("float32")
        >>> fun = model.objective([[0], [1], [2]], [[-1], [2], [5]])
        >>> minimize(fun, np.zeros(2), jac=True, method="SLSQP").x.round(2)
        array([ 3., -1.])
        """
        if self.network.differs:
            raise DataError(
                "objective: found a network with dropout or batch_norm, whose loss in training differs from "
                "step to step; expected one without, or symnn.Descent"
            )
        arrays = (x, *(() if y is None else (y,)), *others)
        return Objective([(self.value_and_grad, arrays)], self.network.parameter_count, self.dtype)

    def _compile(self, graph: Graph, results: Mapping[str, list[str]] | None = None) -> CompiledFunction:
        """The graph as a function of theta; ``results`` are those that are laid end to end."""
        pack = {"theta": list(self.network.layout), **(results or {})}
        options: dict[str, Any] = {"schedule": self.schedule, "cache": self.cache, "threads": self.threads}
        return compile(graph, dtype=self.dtype, pack=pack, checkpoint=self.checkpoint, tier=self.tier, **options)


# --- graphs that are given ----------------------------------------------------------------------------------------

Initial: TypeAlias = Any
"""The first values of a parameter: the name of an initialiser, a number, an array, or the usual ones."""


_DRAWN = {SEED.name: 0, FIRST.name: 1}
"""The integers that random numbers depend on, in their order."""


@dataclass(frozen=True)
class GivenGraph(Parametrised):
    """Any graph as what training works at.

    ``stated`` has the loss as its only output, and the inputs in the order of parameters, inputs, targets and numbers.
    """

    stated: Graph
    initial: tuple[tuple[str, Initial], ...]
    inputs: tuple[str, ...]
    output: str | None
    weighted: bool = False

    @classmethod
    def of(
        cls,
        graph: Graph,
        parameters: Sequence[str] | Mapping[str, Initial],
        inputs: Sequence[str],
        loss: str | None = None,
        output: str | None = None,
    ) -> GivenGraph:
        """The graph with its inputs in the order in which they are taken; see :meth:`Model.from_graph`."""
        if not isinstance(graph, Graph):
            raise SymnnError(f"graph: found {of_type(graph)}, expected a Graph of codegen")
        if not isinstance(parameters, Mapping):
            parameters = dict.fromkeys(names("parameters", parameters, "inputs of the graph"))
        initial = {**parameters}
        taken = names("inputs", inputs, "inputs of the graph")
        known = {variable.name: variable for variable in graph.inputs}
        for field, given in (("parameters", (*initial,)), ("inputs", taken)):
            for name in given:
                if name not in known:
                    raise SymnnError(f"{field}: {unknown('input of the graph', name, known)}")
        if not initial:
            raise SymnnError("parameters: found none, expected the inputs of the graph that training finds")
        if both := [name for name in initial if name in taken]:
            raise SymnnError(f"inputs: {quote(both[0])} is a parameter; expected inputs that are not")
        ends = _ends(graph, loss, output)
        rest = [name for name in known if name not in initial and name not in taken]
        targets = [name for name in rest if known[name].shape]
        numbers = sorted((name for name in rest if not known[name].shape), key=lambda name: _DRAWN.get(name, 2))
        ordered = Graph(tuple(known[n] for n in (*initial, *taken, *targets, *numbers)), graph.equations, ends[:1])
        found = cls(ordered, tuple((name, _plain(value)) for name, value in initial.items()), taken, ends[1])
        _ = found._parameters  # refuses those that no parameters can be
        if (foreign := found._foreign) is None:
            return found
        if output is None:  # what is left of the outputs was no prediction
            return replace(found, output=None)
        raise SymnnError(
            f"output: {quote(output)} is made of {quote(foreign)}, expected the inputs alone: "
            f"{', '.join(taken) or 'there are none'}"
        )

    @property
    def graph(self) -> Graph:
        """The graph that was given, its loss the output."""
        return self.stated

    @cached_property
    def forward_graph(self) -> Graph:
        """What the output needs. Raises :class:`SymnnError` where there is none."""
        if self.output is None:
            raise SymnnError("output: found none, expected the name of a vertex of the graph to predict")
        inputs = self.stated.inputs[: len(self.initial) + len(self.inputs)]
        return Graph(inputs, prune(self.stated.with_outputs(self.output)).equations, (self.output,))

    @property
    def _foreign(self) -> str | None:
        """A target, or a number, that the output is made of, which no prediction knows."""
        if self.output is None:
            return None
        needed = self.stated.upstream(self.output)
        beside = self._rest[len(self.inputs) :]
        return next((variable.name for variable in beside if any(cell.name == variable.name for cell in needed)), None)

    @cached_property
    def _parameters(self) -> Mapping[str, Parameter]:
        pairs = zip(self.stated.inputs, self.initial)
        return {variable.name: _parameter(variable, initial) for variable, (_, initial) in pairs}

    @property
    def input_variables(self) -> tuple[Variable, ...]:
        return self._rest[: len(self.inputs)]

    @property
    def target_variables(self) -> tuple[Variable, ...]:
        return tuple(variable for variable in self._rest[len(self.inputs) :] if variable.shape)

    @property
    def numbers(self) -> tuple[str, ...]:
        return tuple(v.name for v in self._scalars if not (self.draws and v.name in _DRAWN))

    @property
    def draws(self) -> bool:
        return _DRAWN.keys() <= {variable.name for variable in self._scalars if variable.kind == "integer"}

    @property
    def _scalars(self) -> tuple[Variable, ...]:
        return tuple(variable for variable in self._rest[len(self.inputs) :] if not variable.shape)

    @property
    def _rest(self) -> tuple[Variable, ...]:
        return self.stated.inputs[len(self.initial) :]

    @property
    def loss_row(self) -> Loss:
        return _GIVEN

    @cached_property
    def width(self) -> int:
        cells = sum(elements(equation.variable.shape) for equation in self.stated.equations)
        return cells + sum(elements(variable.shape) for variable in self.data)

    def require_samples(self) -> None:
        """A series may be cut into batches as little as the rows of a matrix: only first axes in common are samples."""
        rows = [variable for variable in self.data if variable.shape]
        firsts = {variable.name: variable.shape[0] for variable in rows}
        found = ", ".join(variable.declaration for variable in rows) or "none"
        instead = "expected samples along the first axis of all data; objective() gives a function for any minimiser"
        if len({*firsts.values()}) != 1 or not all(is_symbolic(n) for n in firsts.values()):
            raise DataError(f"data: found {found}, {instead}")
        (samples,) = {*firsts.values()}
        for equation in self.stated.equations:
            for reference in (equation.target, *equation.references):
                for subscript, n in zip(subscripts(reference), shape(reference)):
                    if samples in lengths_in(n) and not is_plain_on(subscript, n):
                        raise DataError(f"equation {equation.target}: found {reference}, {instead}")

    @property
    def has_output(self) -> bool:
        return self.output is not None

    @property
    def with_weights(self) -> GivenGraph:
        raise DataError("weights: found weights for a graph that is given, expected them to be among its inputs")

    def __repr__(self) -> str:
        return f"<{repr(self.stated)[1:-1]}, {self.parameter_count:,} parameters>"


_GIVEN = Loss("the graph's own", "rows", lambda *_: None)


def varies(variable: Variable) -> bool:
    """Whether each call decides how many steps a sample has of a variable, whose first axis are the samples."""
    return any(map(is_symbolic, variable.shape[1:]))


def columns(variable: Variable) -> int:
    """How many numbers a sample has of a variable, or a step where each call decides how many steps it has.

    >>> from codegen import sample_extent
    >>> S, T = sample_extent(), sample_extent("T")
    >>> columns(Variable("x", (S, 2, 3))), columns(Variable("x", (S, T, 3)))
    (6, 3)
    """
    first, *others = variable.shape or (None,)
    if first is None or isinstance(first, int):
        raise DataError(f"{variable.name}: found shape {variable.shape}, expected samples, as many as each call gives")
    if others and is_symbolic(others[0]):
        del others[0]
    if not all(isinstance(n, int) for n in others):
        found = f"{variable.name}: found shape ({', '.join(map(str, variable.shape))})"
        raise DataError(f"{found}, expected samples, or steps of them, of as many numbers in every call")
    return elements(others)


def apart(
    rows: np.ndarray, variables: Sequence[Variable], dtype: DTypeLike, steps: int | None = None
) -> tuple[np.ndarray, ...]:
    """Rows of numbers as the arrays that stand side by side in them, integers where a variable is one.

    With ``steps`` so many rows one below the other are a sample, and what is no variable of steps is in the first.
    """
    ends = np.cumsum([columns(variable) for variable in variables], dtype=np.int64)
    return tuple(
        np.ascontiguousarray(_shaped(part, variable, steps), np.int64 if variable.kind == "integer" else dtype)
        for variable, part in zip(variables, np.split(rows, ends[:-1], axis=1))
    )


def _shaped(part: np.ndarray, variable: Variable, steps: int | None) -> np.ndarray:
    if steps is None:
        return part.reshape(len(part), *variable.shape[1:])
    samples = len(part) // steps
    if varies(variable):
        return part.reshape(samples, steps, *variable.shape[2:])
    return part[::steps].reshape(samples, *variable.shape[1:])


def _ends(graph: Graph, loss: str | None, output: str | None) -> tuple[str, str | None]:
    """The names of what is made small and what is predicted."""
    scalars = [name for name in graph.outputs if not graph.variable(name).shape]
    if loss is None and len(scalars) != 1:
        found = f"the scalar outputs {', '.join(scalars)}" if scalars else "no scalar output"
        raise SymnnError(f"loss: found {found}, expected the name of the one that training makes small")
    loss = scalars[0] if loss is None else loss
    others = [name for name in graph.outputs if name != loss]
    output = others[0] if output is None and len(others) == 1 else output
    vertices = [name for name, equations in graph.definitions.items() if equations]
    for field, name in (("loss", loss), ("output", output)):
        if name is not None and name not in vertices:
            raise SymnnError(f"{field}: {unknown('vertex', str(name), vertices)}")
    if graph.variable(loss).shape:
        raise SymnnError(f"loss: {quote(loss)} has shape {graph.variable(loss).shape}, expected a scalar")
    return loss, output


def _plain(initial: Initial) -> Initial:
    """First values that compare and hash: arrays become tuples."""
    if initial is None or isinstance(initial, (str, int, float)):
        return initial
    return _tuples(read_array("parameters", initial, SymnnError).tolist())


def _tuples(values: Any) -> Any:
    return tuple(map(_tuples, values)) if isinstance(values, list) else values


def _parameter(variable: Variable, initial: Initial) -> Parameter:
    """A parameter of a graph. Raises :class:`SymnnError` for what no parameter can be, or begin as."""
    where, axes = f"parameters: {variable.name}", variable.shape
    if variable.kind == "integer" or not all(isinstance(n, int) for n in axes):
        found = "integers" if variable.kind == "integer" else f"shape ({', '.join(map(str, axes))})"
        raise SymnnError(f"{where}: found {found}, expected real numbers, as many in every call")
    if isinstance(initial, str) or (initial is None and len(axes) > 1):
        name = canonical("initialiser", initial or "glorot_uniform", INITIALISERS)
        if name not in INITIALISERS:
            raise SymnnError(f"{where}: {unknown('initialiser', name, INITIALISERS)}")
        return weights(axes, (elements(axes[1:]), elements(axes[:1])), name, None)
    values = read_array(where, 0.0 if initial is None else initial, SymnnError)
    if values.dtype.kind not in "biuf" or values.shape not in ((), axes) or not np.isfinite(values).all():
        raise SymnnError(f"{where}: found {quote(initial)}, expected a finite number, {axes} of them or an initialiser")
    return Parameter(axes, partial(_given, values))


def _given(values: np.ndarray, _: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return np.broadcast_to(values, shape)
