"""The base of every kind of layer, and the way from an entry of a spec to the kind that it is of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from typing import Annotated, Any, ClassVar, Self, TypeAlias, cast

import numpy as np
from pydantic import BeforeValidator, Field, PlainValidator, ValidationError
from sympy import Expr

from symnn import layers as table
from symnn.activations import ACTIVATIONS
from symnn.choices import TOGETHER, ActivationLike, Choice, given, name_of
from symnn.errors import FieldError, SpecError
from symnn.initialisers import INITIALISERS
from symnn.layers.node import Node
from symnn.layers.writing import Parameter, Place, Value
from symnn.models import InOurWords, PartError, SpecModel, Steps, describe, one_of, sentence
from symnn.shapes import MAX_EXTENT, MAX_NUMBERS, Shape, described, numbers
from symnn.suggest import canonical, quote, unknown


class _Kinds(InOurWords):
    """``Layer(dense=3, activation="tanh")`` is the layer that a spec describes so."""

    def __call__(self, *positional: object, **fields: object) -> Any:
        if self is not Layer:
            return super().__call__(*positional, **fields)
        if len(positional) > len(_FIRST):
            raise SpecError(f"Layer: found {len(positional)} values, expected {', '.join(_FIRST)} and others by name")
        named = {**dict(zip(_FIRST, positional)), **fields}
        try:
            return read_layer({name: value for name, value in named.items() if value is not None})
        except (FieldError, PartError) as error:
            raise SpecError(refusal("Layer", error)) from None


_FIRST = ("dense", "activation", "bias", "initialiser")
"""What a :class:`Layer` is built from in place."""


class Layer(SpecModel, metaclass=_Kinds):
    """A layer of a network, of one of the kinds in :data:`symnn.layers.KINDS`.

    >>> Layer(dense=3, activation="tanh"), Layer(activation="relu").kind()
    (Dense(dense=3, bias=True, activation=Choice(name='tanh', parameters=(), formula=None), initialiser=None),
     'activation')
    """

    @classmethod
    def kind(cls) -> str:
        """The name of the kind: that of its module."""
        return cls.__module__.rpartition(".")[2]

    name: Annotated[str | None, Field(min_length=1, max_length=60, repr=False)] = None
    """By which others take its value, or use it again."""

    two_forms: ClassVar[bool] = False
    """Whether it is written otherwise for training than for predictions."""

    # --- what a kind says of itself -------------------------------------------------------------------------------

    def shape(self, given: Shape) -> Shape:
        """The shape of what comes out; raises :class:`FieldError` where this layer cannot take what it is given."""
        return given

    def parameters(self, given: Shape, feeds: ActivationLike = None) -> Mapping[str, Parameter]:
        """The parameters by letter. ``feeds``: the activation that the layer after this one begins with."""
        return {}

    def write(self, place: Place, x: Value) -> Value:
        """Add the equations; what comes out."""
        raise NotImplementedError

    @property
    def applies(self) -> ActivationLike:
        """The activation that this layer begins with, of a layer that does."""
        return None

    @property
    def activations(self) -> Iterator[ActivationLike]:
        """Those of the layer and of the layers inside."""
        own = getattr(self, "activation", None)
        yield from () if own is None else (own,)
        for layer in (layer for branch in self.branches for layer in branch):
            yield from layer.activations

    @property
    def below(self) -> int | None:
        """One more than the largest integer that this layer takes; None for one that takes real numbers."""
        return None

    @property
    def differs(self) -> bool:
        """Whether it, or a layer inside, is written otherwise for training than for predictions."""
        return self.two_forms or any(layer.differs for branch in self.branches for layer in branch)

    def visits(self, given: Shape) -> Iterable[tuple[Sequence[Layer], Shape]]:
        """The layers inside that are written one after the other, and the shape of what the first is given."""
        return ((branch, given) for branch in self.branches)

    @property
    def branches(self) -> Sequence[Sequence[Layer]]:
        """The layers inside, one after the other, of each branch."""
        return ()

    @property
    def unbounded(self) -> bool | None:
        """Whether what comes out can be any number whatever comes in; None: whether that can."""
        return None

    def named(self, name: str) -> Self:
        """The same layer with a name, by which others take its value, or use it again.

        >>> Layer(dense=1).named("scores").to_plain()
        {'dense': 1, 'name': 'scores'}
        """
        return self.model_copy(update={"name": name})

    def __call__(self, x: Node) -> Node:
        """What the layer makes of a value, in a network that is no chain: the same weights at every call."""
        return Node((x,), self)

    # --- plain values ---------------------------------------------------------------------------------------------

    def to_plain(self, write: Writes | None = None, within: Steps = ()) -> Any:
        """The entry of a spec that is read as this layer; what are defaults is left out.

        ``write(function, place)`` gives the text of an activation that is a function.

        >>> Layer(dense=1, bias=False).to_plain()
        {'dense': 1, 'bias': False}
        """
        kind, content = self.kind(), {}
        inside = () if kind in type(self).model_fields else (kind,)
        fields = dict(sorted(type(self).model_fields.items(), key=lambda named: named[0] == "name"))
        for name, field in fields.items():
            if (value := getattr(self, name)) != field.default:
                content[name] = _plain(value, write, (*within, *inside, name))
        if not inside:
            return content
        return {kind: content} if content else kind


Writes: TypeAlias = Callable[[Callable[..., Expr], Steps], Any]


def _plain(value: object, write: Writes | None, path: Steps) -> Any:
    if isinstance(value, Layer):
        return value.to_plain(write, path)
    if isinstance(value, tuple):
        return [_plain(item, write, (*path, number)) for number, item in enumerate(value)]
    if isinstance(value, Choice):
        return value.to_plain()
    if callable(value):
        if write is None:
            raise SpecError(sentence("layer", path, f"found {quote(value)}, a function, which no spec holds"))
        return write(value, path)
    return value


# --- reading ------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def kind_of(name: str) -> type[Layer]:
    """The class of a kind in the table.

    >>> kind_of("dense").__name__
    'Dense'
    """
    return cast(type[Layer], getattr(import_module(f"{table.__name__}.{name}"), name.title().replace("_", "")))


def read_layer(value: object) -> Layer:
    """The layer that an entry of a spec stands for: ``{dense: 3, bias: false}``, or ``flatten`` alone.

    Raises :class:`FieldError` and :class:`PartError`.
    """
    if isinstance(value, Layer):
        return value
    if isinstance(value, str):
        value = {value: None}
    if not isinstance(value, Mapping):
        raise FieldError(f"expected a layer, such as {{dense: 32, activation: tanh}}, found {quote(value)}")
    found = [kind for kind in table.KINDS if kind in value]
    if not found:
        raise FieldError(_no_kind(value))
    kind = kind_of(found[0])
    if others := [name for name in found[1:] if name not in kind.model_fields]:
        raise FieldError(f"found {quote(found[0])} and {quote(others[0])}, expected an entry of its own for each layer")
    try:
        return kind.model_validate(_fields(found[0], kind, value))
    except ValidationError as error:
        inside = () if found[0] in kind.model_fields else (found[0],)
        raise PartError(kind, error, inside) from None


def _no_kind(value: Mapping[Any, Any]) -> str:
    if not value:
        return "expected a layer, such as {dense: 32, activation: tanh}, found {}"
    name = str(next(iter(value)))
    if canonical("activation", name, ACTIVATIONS) in ACTIVATIONS:
        return f"unknown layer {quote(name)}; did you mean {{activation: {name}}}?"
    return unknown("layer", name, table.KINDS)


def _fields(name: str, kind: type[Layer], value: Mapping[Any, Any]) -> object:
    """The fields of a kind: beside the one of its own name, or else in a mapping behind the name."""
    if name in kind.model_fields:
        return {} if value[name] is None and len(value) == 1 else value
    if others := [other for other in value if other != name]:
        known = [*kind.model_fields]
        inside = f"; expected {{{name}: {{{known[0]}: …}}}}" if known else ""
        raise FieldError(unknown("field", str(others[0]), [name]) + inside)
    content = value[name]
    if content is not None and not isinstance(content, Mapping):
        raise FieldError(f"expected a mapping of fields, found {quote(content)}", (name,))
    return content or {}


def refusal(source: str, error: FieldError | PartError) -> str:
    """The sentence about a layer that cannot be read."""
    if isinstance(error, PartError):
        return describe(source, error.model, error.error, error.inside)
    return sentence(source, error.path, str(error))


# --- layers one after the other -----------------------------------------------------------------------------------


def shape_after(layers: Iterable[Layer], given: Shape) -> Shape:
    """The shape behind the last layer; an error of a layer is that of its place.

    Raises :class:`FieldError` that says which layer, what shape it is given and what it takes.
    """
    for number, layer in enumerate(layers):
        try:
            given = layer.shape(given)
            if (numbers(given) or 0) > MAX_NUMBERS:
                raise FieldError(f"expected at most {MAX_NUMBERS:,} numbers a sample, found {described(given)}")
        except FieldError as error:
            raise error.within(number) from None
    return given


def unbounded_after(layers: Sequence[Layer]) -> bool | None:
    """Whether what comes out of the last layer can be any number whatever comes in; None: whether what goes in can.

    >>> from symnn.layers.dense import dense
    >>> from symnn.layers.flatten import flatten
    >>> unbounded_after([dense(3), flatten()]), unbounded_after([flatten()])
    (True, None)
    """
    return next((u for u in (layer.unbounded for layer in reversed(layers)) if u is not None), None)


def require_scores(layers: Sequence[Layer], reading: str) -> None:
    """Raise :class:`FieldError` for a softmax before a loss that has it already."""
    if reading == "classes" and layers and name_of(getattr(layers[-1], "activation", None)) == "softmax":
        raise FieldError(
            "found the activation 'softmax' before a loss that is softmax_cross_entropy, of which it is part: with it "
            "the last layer needs no activation",
            (len(layers) - 1,),
        )


def misfit(kind: str, expected: str, given: Shape) -> FieldError:
    """The error of a layer that is given another shape than it takes.

    >>> from symnn.shapes import image
    >>> str(misfit("dense", "features last", image(3, (8, 8))))
    'dense takes features last, found values of shape (channel 3, row 8, column 8)'
    """
    return FieldError(f"{kind} takes {expected}, found values of shape {described(given)}")


# --- fields that several kinds have -------------------------------------------------------------------------------


def plain_number(value: object) -> object:
    """A scalar of NumPy as Python's; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def _activation(value: object) -> object:
    return given("activation", value)


def _element_activation(value: object) -> object:
    found = given("activation", value)
    if (name := name_of(found)) in TOGETHER:
        raise FieldError(f"expected a function of one number, found {quote(name)}, which is of all features together")
    return found


UnitsField: TypeAlias = Annotated[int, BeforeValidator(plain_number), Field(ge=1, le=MAX_EXTENT)]
"""A number of units."""
ActivationField: TypeAlias = Annotated[ActivationLike, PlainValidator(_activation)]
"""None, a row of the table or a formula, and in Python a function of a SymPy expression."""
ElementActivationField: TypeAlias = Annotated[ActivationLike, PlainValidator(_element_activation)]
"""The same without those of several numbers together."""
InitialiserField: TypeAlias = Annotated[str | None, one_of("initialiser", INITIALISERS)]
"""The name of one."""
LayersField: TypeAlias = Annotated[tuple[Annotated[Layer, BeforeValidator(read_layer)], ...], Field(strict=False)]
"""Layers one after the other."""
