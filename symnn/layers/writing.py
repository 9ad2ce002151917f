"""Writing layers down: what flows between them, the parameters they ask for, and the place where one is written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import prod
from typing import Protocol

import numpy as np
from sympy import Expr, Integer, exp

from codegen import Equation, Index, Reduction, Variable
from codegen.functions import equal, select, stop_gradient
from codegen.walk import base_name, extent, samples_first
from symnn.builder import Builder
from symnn.choices import ActivationLike, is_identity, name_of, resolve_activation
from symnn.errors import FieldError
from symnn.initialisers import INITIALISERS
from symnn.shapes import CHANNEL, TIME, Axis, Shape, indices


@dataclass(frozen=True)
class Value:
    """A vertex over samples that flows from layer to layer, and an index for each of its axes, the samples first."""

    variable: Variable
    indices: tuple[Index, ...]

    @property
    def here(self) -> Expr:
        """The element at the indices."""
        return self.variable[self.indices]

    def at(self, *subscripts: Expr | int) -> Expr:
        """The element of the same sample at other subscripts."""
        return self.variable[self.indices[0], *subscripts]


@dataclass(frozen=True)
class Parameter:
    """An array that training finds: its axes, its first values, and whether weight decay counts it."""

    axes: tuple[int | Axis, ...]
    fill: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
    decays: bool = False
    averages: bool = False
    """Whether it is no parameter but a running average of what each batch of a training has."""

    def __post_init__(self) -> None:
        for axis in self.axes:
            if isinstance(axis, Axis) and not isinstance(axis.extent, int):
                raise FieldError(f"found parameters for each {axis.name}, of which each call decides the number")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array."""
        return tuple(int(axis.extent) if isinstance(axis, Axis) else axis for axis in self.axes)

    @property
    def unmerged(self) -> tuple[int, ...]:
        """The shape in the graph, where an axis that was made of several is still these; in memory it is the same."""
        parts = (axis.extents if isinstance(axis, Axis) else (axis,) for axis in self.axes)
        return tuple(int(extent) for part in parts for extent in part)


def weights(
    axes: tuple[int | Axis, ...], fans: tuple[int, int], initialiser: str | None, feeds: ActivationLike
) -> Parameter:
    """Random weights; ``fans`` are the numbers each output is made of and each input goes to.

    Without an initialiser of its own a layer gets He's before relu and its relatives, otherwise Glorot's.
    """
    name = initialiser or ("he_normal" if name_of(feeds) in RECTIFIERS else "glorot_uniform")
    return Parameter(axes, partial(_drawn, name, fans), decays=True)


def filled(axes: tuple[int | Axis, ...], value: float = 0.0, *, averages: bool = False) -> Parameter:
    """An array that is the same number everywhere at first, such as a bias."""
    return Parameter(axes, partial(_constant, value), averages=averages)


def _drawn(name: str, fans: tuple[int, int], generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    fan_in, fan_out = fans
    return INITIALISERS[name](generator, fan_out, fan_in, shape)


def _constant(value: float, _: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return np.full(shape, value)


SEED, FIRST = (Variable(name, (), "integer") for name in ("seed", "first"))
"""What the numbers of a training that are drawn depend on: its seed, and how many samples there were before."""


class Drawn(Protocol):
    """A random number, by the integers that it is a function of: see :func:`codegen.random_uniform`."""

    def __call__(self, seed: Expr, place: Expr, stream: int, row: Expr, width: Expr) -> Expr: ...


RECTIFIERS = frozenset({"relu", "leaky_relu", "elu", "relu6", "softplus", "silu", "gelu", "gelu_tanh"})


# --- layers in their order ----------------------------------------------------------------------------------------


class Written(Protocol):
    """A layer, as far as writing it down is concerned."""

    @property
    def applies(self) -> ActivationLike: ...

    @property
    def branches(self) -> Sequence[Sequence[Written]]: ...

    def visits(self, given: Shape) -> Iterable[tuple[Sequence[Written], Shape]]: ...

    def shape(self, given: Shape) -> Shape: ...

    def parameters(self, given: Shape, feeds: ActivationLike) -> Mapping[str, Parameter]: ...

    def write(self, place: Place, x: Value) -> Value: ...


@dataclass(frozen=True)
class Placed:
    """A layer in a network: its number, which is that of the last layer with parameters, and its own parameters."""

    layer: Written
    number: int
    given: Shape
    own: Mapping[str, Parameter]
    """By letter; in the network each has the layer's number behind it."""

    @property
    def named(self) -> Iterator[tuple[str, Parameter]]:
        """The parameters by their names in the network."""
        return ((f"{letter}{self.number}", parameter) for letter, parameter in self.own.items())


def placed(layers: Sequence[Written], given: Shape) -> Iterator[Placed]:
    """The layers that hold no others, in the order in which they are written down.

    Raises :class:`~symnn.errors.FieldError` where a shape does not fit.
    """
    number = 0
    for layer, shape, feeds in _visited(layers, given):
        own = layer.parameters(shape, feeds)
        number += bool(own)
        yield Placed(layer, number, shape, own)


def _visited(layers: Sequence[Written], given: Shape) -> Iterator[tuple[Written, Shape, ActivationLike]]:
    """Each layer, the shape of what it is given, and the activation that the next layer begins with."""
    for layer, after in zip(layers, [*layers[1:], None]):
        if layer.branches:
            for branch, shape in layer.visits(given):
                yield from _visited(branch, shape)
        else:
            yield layer, given, None if after is None else after.applies
        given = layer.shape(given)


# --- equations ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Span:
    """What a layer has become: what comes out, its parameters by name, and the equations of its own."""

    layer: Written
    depth: int
    """In how many other layers it is."""
    shape: Shape
    parameters: tuple[tuple[str, Parameter], ...]
    own: list[Equation] = field(default_factory=list)


class Writer:
    """The equations of layers, as they are written one after the other."""

    def __init__(
        self,
        layers: Sequence[Written],
        given: Shape,
        inputs: Iterable[Variable],
        parameters: Iterable[Variable],
        training: bool,
    ) -> None:
        self._inputs = {variable.name: variable for variable in inputs}
        self._parameters = {variable.name: variable for variable in parameters}
        self.builder = Builder(self._inputs)
        self.training = training
        self.number = 0
        self.spans: list[Span] = []
        self._depth = 0
        self.streams = 0
        """In how many places random numbers are drawn."""
        self.batch: dict[str, Variable] = {}
        """What each running average takes from a batch, by its name."""
        self._taken: set[str] = set()
        self._placed = list(placed(layers, given))
        self._at = 0
        self._letters = _letters(self._placed)
        self._written: dict[int, int] = {}
        """Where the parameters of a layer that was called begin, by its identity."""

    def chain(self, layers: Iterable[Written], x: Value, given: Shape) -> Value:
        """What comes out of the last layer, each taking what the one before it gives."""
        for layer in layers:
            span = Span(layer, self._depth, layer.shape(given), () if layer.branches else self._next_parameters())
            self.spans.append(span)
            own = {name.removesuffix(str(self.number)): self._parameters[name] for name, _ in span.parameters}
            self._depth += 1
            x = layer.write(Place(self, given, own, self._letters.get(self.number, "h"), span.own), x)
            self._depth -= 1
            given = span.shape
        return x

    def _next_parameters(self) -> tuple[tuple[str, Parameter], ...]:
        """Those of the next layer that holds no others, by name."""
        here = self._placed[self._at]
        self._at += 1
        self.number = here.number
        return tuple(here.named)

    def again(self, layer: Written, x: Value, given: Shape) -> Value:
        """What comes out of a layer, which has the same parameters whenever it is written."""
        begins, stands = self._written.setdefault(id(layer), self._at), self._at
        self._at = begins
        found = self.chain([layer], x if begins == stands else self._apart(x, self._placed[begins].number), given)
        self._at = max(stands, self._at)
        return found

    def _apart(self, x: Value, number: int) -> Value:
        """The value with other indices than those that a layer of this number makes, which may have made it."""
        own, samples = self._letters.get(number, "h"), x.indices[:1]
        return Value(
            x.variable,
            samples
            + tuple(
                Index(f"{index.name}'", extent(index))
                if index.name == own or index.name.endswith(str(number))
                else index
                for index in x.indices[1:]
            ),
        )

    def input(self, name: str, shape: Shape) -> Value:
        """An input of the network."""
        return Value(self._inputs[name], (self.builder.s, *indices(shape)))

    def name(self, stem: str) -> str:
        """A name with the number of the layer, and with primes where another vertex has it."""
        name = f"{stem}{self.number}"
        while name in self._taken or name in self._inputs:
            name += "'"
        self._taken.add(name)
        return name

    def called(self, name: str, value: Value) -> Value:
        """The value under another name, as a whole that nothing else reads: the last vertex is renamed if it is it."""
        equations, old = self.builder.equations, value.variable.name
        last = equations[-1] if equations else None
        read = {base_name(reference) for equation in equations for reference in equation.references}
        if last is None or last.name != old or old in read:
            return Value(self.builder.map(name, value.indices, value.here), value.indices)
        variable = Variable(name, value.variable.shape)
        self.builder.equations[-1] = Equation(variable[value.indices], last.body, last.reduction, last.reduced)
        return Value(variable, value.indices)


def _letters(layers: Sequence[Placed]) -> Mapping[int, str]:
    """The index of the units of each layer with weights: t of the last, h of a single hidden one, else h1, h2, …

    Where t is time, the last has o.
    """
    output = "o" if any(axis.name == TIME for here in layers for axis in here.given) else "t"
    numbers = [here.number for here in layers if "W" in here.own]
    last = numbers[-1:]
    return {number: output if number in last else "h" if len(numbers) == 2 else f"h{number}" for number in numbers}


@dataclass(frozen=True)
class Place:
    """Where a layer is written: what it is given, its parameters, the letter of its units, the vertices it adds."""

    writer: Writer
    given: Shape
    parameters: Mapping[str, Variable]
    letter: str
    equations: list[Equation] = field(default_factory=list)
    """Those that have been added here."""

    @property
    def number(self) -> int:
        """The number of the last layer with parameters, which this one may be."""
        return self.writer.number

    def unit(self, count: int) -> Index:
        """The index of the units of this layer."""
        return Index(self.letter, count)

    def indices(self, shape: Shape) -> tuple[Index, ...]:
        """The indices of what this layer makes, named by its number."""
        return indices(shape, self.writer.number)

    def split(self, x: Value) -> tuple[tuple[Index, ...], tuple[Index, ...]]:
        """The indices of what comes in: those in front, and those that make up the last axis, one or more."""
        count = len(self.given[-1].extents)
        return x.indices[:-count], x.indices[-count:]

    def together(self, x: Value) -> tuple[Index, ...]:
        """The indices of the features, or of the channels of an image: what a softmax goes over."""
        if self.given[0].name == CHANNEL:
            return x.indices[1:2]
        return self.split(x)[1]

    def map(self, stem: str, indices: Sequence[Index], body: Expr) -> Value:
        """The vertex ``stem[indices] = body``; the layer's number stands behind the stem."""
        return self._added(self.writer.builder.map(self.writer.name(stem), indices, body), indices)

    def sum(self, stem: str, indices: Sequence[Index], body: Expr, over: Sequence[Index]) -> Value:
        """The vertex ``stem[indices] = Σ_over body``."""
        return self._added(self.writer.builder.sum(self.writer.name(stem), indices, body, over), indices)

    def max(self, stem: str, indices: Sequence[Index], body: Expr, over: Sequence[Index]) -> Value:
        """The vertex ``stem[indices] = max_over body``."""
        return self._added(self.writer.builder.max(self.writer.name(stem), indices, body, over), indices)

    def declared(self, stem: str, indices: Sequence[Index]) -> Value:
        """A vertex that is read before :meth:`assign` says what it is: one that goes from step to step."""
        return Value(Variable(self.writer.name(stem), tuple(map(extent, indices))), tuple(indices))

    def assign(self, target: Expr, body: Expr, over: Sequence[Index] = ()) -> None:
        """The equation ``target = body``, or ``target = Σ_over body``, of elements of a vertex that was declared."""
        equation = Equation(target, body, Reduction.SUM if over else None, tuple(over))
        self.writer.builder.equations.append(equation)
        self.equations.append(equation)

    def _added(self, variable: Variable, indices: Sequence[Index]) -> Value:
        self.equations.append(self.writer.builder.equations[-1])
        return Value(variable, tuple(indices))

    def activated(self, x: Value, activation: ActivationLike, over: Sequence[Index]) -> Value:
        """The activation of every element, or of those at all values of ``over`` together; x where there is none."""
        if is_identity(activation):
            return x
        name = name_of(activation)
        if name is not None and name in TOGETHER:
            return TOGETHER[name](self, x, over)
        return self.map("a", x.indices, resolve_activation(activation)(x.here))

    def chain(self, layers: Iterable[Written], x: Value) -> Value:
        """Layers inside this one."""
        return self.writer.chain(layers, x, self.given)

    def plain(self, x: Value, shape: Shape) -> Value:
        """The value with one index for its last axis, also if several axes were made that one."""
        if not (parts := shape[-1].parts):
            return x
        outer, over = x.indices[: -len(parts)], x.indices[-len(parts) :]
        feature, place = Index("d", prod(parts)), Integer(0)
        for index, size in zip(over, parts):
            place = size * place + index
        # Σ over all places of the one at which the feature is.
        return self.sum("f", (*outer, feature), select(equal(feature, place), x.here, Integer(0)), over)

    @property
    def training(self) -> bool:
        """Whether this is the form of a training, for layers that have one of their own."""
        return self.writer.training

    def drawn(self, x: Value, number: Drawn) -> Expr:
        """A random number for each element of x: its own for each place in a network and each sample of a training.

        The samples of a training are counted from its beginning, each as often as it is used, so one that is broken off
        and gone on with, in pieces of whatever size, draws the same.
        """
        s, *rest = x.indices
        place, width = Integer(0), Integer(1)
        # The last axis varies fastest; one whose length each call decides is the slowest.
        for index in samples_first(rest)[::-1]:
            place, width = place + width * index, width * extent(index)
        self.writer.streams += 1
        return number(SEED.symbol, place, self.writer.streams - 1, FIRST.symbol + s, width)

    def average(self, letter: str, batch: Value) -> None:
        """Say what the running average of this letter takes from each batch."""
        self.writer.batch[self.parameters[letter].name] = batch.variable


def softmax(place: Place, x: Value, over: Sequence[Index]) -> Value:
    """``a = exp(x − m)/Z``: the largest is taken out, and held constant under differentiation."""
    outer = [index for index in x.indices if index not in over]
    m = place.max("m", outer, stop_gradient(x.here), over)
    e = place.map("e", x.indices, exp(x.here - m.here))
    total = place.sum("Z", outer, e.here, over)
    return place.map("a", x.indices, e.here / total.here)


TOGETHER: Mapping[str, Callable[[Place, Value, Sequence[Index]], Value]] = {"softmax": softmax}
"""Activations that several equations make."""
