"""The spec of a network: typed, immutable models, read from YAML, JSON or a mapping, with one error naming the field.

A spec is untrusted. YAML is read without tags, aliases and duplicate fields, JSON without duplicates and NaN, both
with limits on size and nesting; formulas go through :mod:`symnn.formula`. Numbers in YAML are those of YAML 1.2, so
``1e-3`` is a number and ``010`` is ten.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf, isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NoReturn, Protocol, TypeVar, cast

import numpy as np
import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic.fields import FieldInfo
from sympy import Symbol

from codegen.walk import postorder
from symnn.activations import ACTIVATIONS
from symnn.data import BUILTIN, Task
from symnn.errors import FieldError, SpecError
from symnn.files import read_regular
from symnn.formula import FUNCTIONS, parse_formula
from symnn.given import called
from symnn.initialisers import INITIALISERS
from symnn.losses import LOSSES
from symnn.optimisers import OPTIMISERS
from symnn.schedules import SCHEDULES
from symnn.suggest import canonical, quote, unknown
from symnn.tables import SEPARATORS, Missing

MAX_BYTES = 1_000_000
MAX_DEPTH = 16
MAX_VALUES = 20_000
"""PyYAML takes a second for so many."""
MAX_LAYERS = 1_000
MAX_FORMULAS = 20_000
"""Characters of all different formulas of the layers: one of a thousand may take a tenth of a second."""
MAX_UNITS = 1_000_000
MAX_PARAMETERS = 100_000_000

Steps = tuple[str | int, ...]
"""The way to a field: ``("layers", 0, "activation")``."""


# --- choices from tables ------------------------------------------------------------------------------------------


if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)  # pydantic's metaclass has no public name


class _InOurWords(ModelMetaclass):
    """What is built in Python is refused in one sentence, as a spec is."""

    def __call__(self, *positional: object, **fields: object) -> Any:
        name = self.__name__
        if positional:
            raise SpecError(f"{name}: expected fields by name, found {quote(positional[0])}")
        try:
            return super().__call__(**fields)
        except ValidationError as error:
            raise SpecError(_describe(name, cast(type[SpecModel], self), error)) from None


class SpecModel(BaseModel, metaclass=_InOurWords):
    """A part of a spec; ``models`` are those of its fields that are models, in lists or mappings or alone."""

    # strict: "32" is not a number and true is not 1
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    models: ClassVar[Mapping[str | int, type[BaseModel]]] = {}

    def __setattr__(self, name: str, value: object) -> None:
        self._refuse_change(name)

    def __delattr__(self, name: str) -> None:
        self._refuse_change(name)

    def _refuse_change(self, name: str) -> NoReturn:
        kind = type(self).__name__
        raise SpecError(f"{kind}: {name}: expected no change; a {kind} with other fields is a new one")

    @model_validator(mode="before")
    @classmethod
    def _by_canonical_names(cls, value: object) -> object:
        if not isinstance(value, Mapping):
            return value
        fields: dict[object, object] = {}
        for key, item in value.items():
            known = canonical("field", key) if isinstance(key, str) else key
            name = known if known in cls.model_fields else key
            if name in fields or (name != key and name in value):
                raise FieldError(f"found {quote(key)} and {quote(name)}, which are the same; expected one of them")
            fields[name] = item
        return fields


class Choice(SpecModel):
    """A row of a table with parameters of one's own, or a formula.

    A spec writes ``tanh``, ``{leaky_relu: {slope: 0.1}}`` or ``{formula: "x*sigmoid(x)"}``. Parameters that are not
    given keep the table's defaults and are not listed; the name of a formula is ``formula``.

    >>> Choice(name="leaky_relu", parameters=(("slope", 0.1),)).to_plain()
    {'leaky_relu': {'slope': 0.1}}
    """

    name: str
    parameters: tuple[tuple[str, float], ...] = ()
    formula: str | None = None

    @model_serializer
    def to_plain(self) -> str | dict[str, Any]:
        """The short form that specs are written in."""
        if self.formula is not None:
            return {"formula": self.formula}
        return {self.name: dict(self.parameters)} if self.parameters else self.name


class _Row(Protocol):
    @property
    def parameters(self) -> Mapping[str, float]: ...


@dataclass(frozen=True)
class _Table:
    """What a choice is made from, and over which variables its formulas are; the first of them must occur."""

    kind: str
    rows: Mapping[str, _Row]
    variables: tuple[str, ...] = ()
    """None where there are no formulas."""

    def choose(self, value: object) -> object:
        """The :class:`Choice` that a value of a spec stands for; None stays None."""
        if value is None:
            return None
        if isinstance(value, Choice):
            return self.choose(value.to_plain())
        if isinstance(value, str):
            return self._named(value, {})
        if isinstance(value, Mapping) and len(value) == 1 and isinstance(next(iter(value)), str):
            ((name, content),) = value.items()
            return self._formula(content) if name == "formula" and self.variables else self._named(name, content)
        formula = " or {formula: text}" if self.variables else ""
        raise FieldError(
            f"expected the name of {self._article} {self.kind}, {{name: {{parameter: number}}}}{formula}, "
            f"found {quote(value)}"
        )

    @property
    def _article(self) -> str:
        return "an" if self.kind[0] in "aeiou" else "a"

    def _named(self, name: str, parameters: object) -> Choice:
        name = canonical(self.kind, name)
        if name == "softmax":
            raise FieldError(
                "expected a function of one number, found 'softmax', which is part of the loss softmax_cross_entropy: "
                "with it the last layer needs no activation"
            )
        if name not in self.rows:
            raise FieldError(unknown(self.kind, name, [*self.rows, *(["formula"] if self.variables else [])]))
        known = self.rows[name].parameters
        if not isinstance(parameters, Mapping):
            raise FieldError(f"expected a mapping of parameters, found {quote(parameters)}", (name,))
        for parameter, value in parameters.items():
            if parameter not in known:
                raise FieldError(unknown("parameter", parameter, known), (name,))
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
                raise FieldError(f"expected a finite number, found {quote(value)}", (name, parameter))
        return Choice(name=name, parameters=tuple((key, float(parameters[key])) for key in sorted(parameters)))

    def _formula(self, text: object) -> Choice:
        path = ("formula",)
        if not isinstance(text, str):
            raise FieldError(f"expected a formula in quotes, found {quote(text)}", path)
        if (problem := _formula_problem(text, self.variables)) is not None:
            raise FieldError(problem, path)
        return Choice(name="formula", formula=text)


@lru_cache(maxsize=256)
def _formula_problem(text: str, variables: tuple[str, ...]) -> str | None:
    """What is wrong with a formula in these variables, worked out once however many layers have it."""
    symbols = {name: Symbol(name, real=True) for name in variables}
    try:
        expression = parse_formula(text, symbols, FUNCTIONS, "")
    except SpecError as error:
        return str(error).removeprefix(": ")
    if symbols[variables[0]] not in postorder(expression):
        return f"{quote(text)} does not depend on {variables[0]}; expected a formula in {variables[0]}"
    return None


_ACTIVATION = _Table("activation", ACTIVATIONS, ("x",))
_SCHEDULE = _Table("schedule", SCHEDULES)
_LOSS = _Table("loss", LOSSES, ("output", "target"))


def choice(kind: Literal["activation", "loss"], value: object) -> object:
    """What a spec's value for an activation or a loss stands for, given in Python: a :class:`Choice`, or None.

    >>> choice("activation", {"leaky_relu": {"slope": 0.1}}).parameters
    (('slope', 0.1),)
    """
    try:
        return (_ACTIVATION if kind == "activation" else _LOSS).choose(value)
    except FieldError as error:
        raise SpecError(_sentence(kind, error.path, str(error))) from None


def _one_of(kind: str, names: Mapping[str, object]) -> AfterValidator:
    def check(name: str | None) -> str | None:
        name = name if name is None else canonical(kind, name)
        if name is not None and name not in names:
            raise FieldError(unknown(kind, name, names))
        return name

    return AfterValidator(check)


def _printable(text: str | None) -> str | None:
    if text is not None and not (text and text.isprintable()):
        raise FieldError(f"expected a text of printable characters, found {quote(text)}")
    return text


def few_layers(value: object) -> object:
    """Layers and formulas are counted before each is looked at, for a formula may take a tenth of a second."""
    if not isinstance(value, (list, tuple)):
        return value
    if len(value) > MAX_LAYERS:
        raise FieldError(f"expected at most {MAX_LAYERS:,} layers, found {len(value):,}")
    characters = sum(len(text) for text in {text for layer in value for text in _formulas(layer)})
    if characters > MAX_FORMULAS:
        raise FieldError(f"expected formulas of at most {MAX_FORMULAS:,} characters in all, found {characters:,}")
    return value


def _formulas(layer: object) -> Iterator[str]:
    """The texts in a layer that are formulas."""
    activations = layer.values() if isinstance(layer, Mapping) else ()
    for activation in activations:
        if isinstance(activation, Mapping) and isinstance(text := activation.get("formula"), str):
            yield text


def _separator(text: str | None) -> str | None:
    """The name of a separator, which may be given as the character itself."""
    names = {character: name for name, character in SEPARATORS.items()}
    if text is not None and (text := names.get(text, text)) not in SEPARATORS:
        raise FieldError(unknown("separator", text, [*SEPARATORS, *SEPARATORS.values()]))
    return text


def _columns(value: object) -> object:
    if isinstance(value, (list, tuple)):
        if not value or not all(isinstance(name, str) for name in value):
            raise FieldError(f"expected one column or a list of columns, found {quote(value)}")
        return tuple(value)
    if value is None or isinstance(value, str):
        return value
    raise FieldError(f"expected one column or a list of columns, found {quote(value)}")


def _listed_columns(value: object) -> object:
    return () if value == [] else (value,) if isinstance(value, str) else _columns(value)


LBFGS = "lbfgs"
"""The optimiser that is no rule for one batch."""

# --- the models ---------------------------------------------------------------------------------------------------

_Units = Annotated[int, Field(ge=1, le=MAX_UNITS)]
_Fraction = Annotated[float, Field(ge=0, lt=1)]
_Momentum = Annotated[float, Field(ge=0, lt=1)]


class LayerSpec(SpecModel):
    """A dense layer of ``dense`` units, an activation, or a dense layer followed by an activation."""

    dense: _Units | None = None
    bias: bool = True
    activation: Annotated[Choice | None, BeforeValidator(_ACTIVATION.choose)] = None
    initialiser: Annotated[str | None, _one_of("initialiser", INITIALISERS)] = None

    @model_validator(mode="after")
    def _is_something(self) -> LayerSpec:
        if self.dense is None and self.activation is None:
            raise FieldError("expected a layer with 'dense', 'activation' or both, found neither")
        if self.dense is None and (self.initialiser is not None or not self.bias):
            raise FieldError("found 'bias' or 'initialiser' without weights; expected them beside 'dense'")
        return self


def _usual_rate(fields: Mapping[str, Any]) -> float:
    """The optimiser's own; any will do where there is none of the name, which is refused, and none is needed."""
    return OPTIMISERS[
        fields.get("optimiser", "nesterov") if fields.get("optimiser") != LBFGS else "nesterov"
    ].learning_rate


def _sensible(schedule: Choice) -> Choice:
    """Counts of epochs are at least 1, and no rate is below 0."""
    for name, value in schedule.parameters:
        least = 1 if name in ("every", "patience") else 0
        if value < least:
            raise FieldError(f"expected a number of at least {least}, found {value:g}", (schedule.name, name))
    return schedule


def _by_class(value: object) -> object:
    """Names of classes may be written as numbers."""
    if isinstance(value, Mapping):
        for name, weight in value.items():
            if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 < weight < inf:
                raise FieldError(f"expected a number above 0, found {quote(weight)}", (str(name),))
        return {str(name): float(weight) for name, weight in value.items()}
    if value in (None, "balanced"):
        return value
    raise FieldError(f"expected 'balanced' or {{class: number}}, found {quote(value)}")


class TrainingSpec(SpecModel):
    """How a network is trained. ``patience``: epochs without a better validation loss before training stops.

    optimiser: a name of :data:`symnn.optimisers.OPTIMISERS`, or ``lbfgs``, whose epochs are steps on all rows at once.
    gradient_clip: gradients that are longer are shortened to this length. schedule: of the learning rate, a name of
    :data:`symnn.schedules.SCHEDULES`, or with parameters, as in ``{"step": {"every": 10, "factor": 0.5}}``.
    class_weights: how much the rows of each class count, by its name; "balanced" makes all classes count as much.

    The learning rate is that of the optimiser's row in :data:`symnn.optimisers.OPTIMISERS` unless given.

    >>> TrainingSpec().learning_rate, TrainingSpec(optimiser="adam").learning_rate
    (0.05, 0.02)
    """

    optimiser: Annotated[str, _one_of("optimiser", {**OPTIMISERS, LBFGS: None})] = "nesterov"
    learning_rate: Annotated[float, Field(gt=0)] = Field(default_factory=_usual_rate)
    momentum: _Momentum = 0.9
    beta1: _Momentum = 0.9
    beta2: _Momentum = 0.999
    epsilon: Annotated[float, Field(gt=0)] = 1e-8
    rho: _Momentum = 0.9
    decay: Annotated[float, Field(ge=0)] = 0.01
    gradient_clip: Annotated[float, Field(gt=0)] | None = None
    schedule: Annotated[Choice, BeforeValidator(_SCHEDULE.choose), AfterValidator(_sensible)] = Choice(name="constant")
    class_weights: Annotated[Literal["balanced"] | dict[str, float] | None, BeforeValidator(_by_class)] = None
    batch_size: Annotated[int, Field(ge=1)] = 32
    epochs: Annotated[int, Field(ge=1)] = 30
    seed: Annotated[int, Field(ge=0)] = 0
    patience: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _momentum_is_meant(cls, value: object) -> object:
        """Others' sgd has a momentum, which gradient_descent would leave out without a word."""
        if isinstance(value, Mapping) and value.get("momentum"):
            renamed = {"optimiser": "momentum", "optimizer": "momentum"}
            return {key: renamed[key] if key in renamed and item == "sgd" else item for key, item in value.items()}
        return value


FILE_FIELDS = ("separator", "decimal", "missing", "ignore", "categorical")
"""What a spec says about reading a file."""


class DataSpec(SpecModel):
    """A data set that comes with the package, by ``name``, or a ``file`` and the column or columns to predict.

    How the file is read, from ``separator`` to ``categorical``, is as for :func:`symnn.load_file`.

    >>> DataSpec.model_validate("digits").name
    'digits'
    """

    name: Annotated[str | None, _one_of("data set", BUILTIN)] = None
    file: Annotated[str | None, AfterValidator(_printable)] = None
    target: Annotated[str | tuple[str, ...] | None, BeforeValidator(_columns)] = None
    task: Task = "auto"
    separator: Annotated[str | None, AfterValidator(_separator)] = None
    decimal: Literal[".", ","] = "."
    missing: Missing = "refuse"
    ignore: Annotated[tuple[str, ...], BeforeValidator(_listed_columns)] = ()
    categorical: Annotated[tuple[str, ...], BeforeValidator(_listed_columns)] = ()
    test_fraction: _Fraction = 0.2
    validation_fraction: _Fraction = 0.15
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _is_one_source(self) -> DataSpec:
        if (self.name is None) == (self.file is None):
            found = "neither" if self.name is None else "both"
            raise FieldError(f"expected either 'name', of a built-in data set, or 'file', found {found}")
        if (self.file is None) != (self.target is None):
            raise FieldError("expected 'file' and 'target', the column to predict, together")
        if self.name is not None and self.task != "auto":
            raise FieldError(f"expected no 'task', which {quote(self.name)} decides, found {quote(self.task)}")
        for field in FILE_FIELDS:
            if self.name is not None and getattr(self, field) != type(self).model_fields[field].default:
                raise FieldError(f"expected no {field!r}, which is for files, found {quote(getattr(self, field))}")
        if self.separator is not None and SEPARATORS[self.separator] == self.decimal:
            raise FieldError("expected a separator other than the decimal comma, found 'comma'", ("separator",))
        if self.test_fraction + self.validation_fraction >= 1:
            total = self.test_fraction + self.validation_fraction
            raise FieldError(f"expected test_fraction + validation_fraction below 1, found {total:g}")
        return self


class Spec(SpecModel):
    """A network, its loss and how to train it.

    >>> spec = load_spec({"inputs": 2, "layers": [{"dense": 3, "activation": "tanh"}], "loss": "mean_squared_error"})
    >>> spec.layers[0].activation.name, spec.training.optimiser, spec.parameter_count
    ('tanh', 'nesterov', 9)
    """

    models = {"layers": LayerSpec, "training": TrainingSpec, "data": DataSpec}

    inputs: _Units = Field(description="the number of features of a sample")
    layers: Annotated[tuple[LayerSpec, ...], Field(strict=False), BeforeValidator(few_layers)] = Field(
        description="a list of layers"
    )
    loss: Annotated[Choice, BeforeValidator(_LOSS.choose)] = Field(description="the name of a loss or a formula")
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    l1: Annotated[float, Field(ge=0)] = 0.0
    training: TrainingSpec = TrainingSpec()
    data: DataSpec | None = None

    @model_validator(mode="after")
    def _has_reasonable_size(self) -> Spec:
        if all(layer.dense is None for layer in self.layers):
            raise FieldError("expected at least one layer with 'dense', found none", ("layers",))
        if self.parameter_count > MAX_PARAMETERS:
            raise FieldError(
                f"expected at most {MAX_PARAMETERS:,} parameters, found {self.parameter_count:,}", ("layers",)
            )
        return self

    @property
    def parameter_count(self) -> int:
        """The number of weights and biases."""
        dense = [layer for layer in self.layers if layer.dense is not None]
        widths = [self.inputs, *(layer.dense or 0 for layer in dense)]
        return sum((fan_in + layer.bias) * fan_out for layer, fan_in, fan_out in zip(dense, widths, widths[1:]))

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold and :func:`load_spec` reads back to an equal spec.

        Settings of training and data are written out even where they are defaults.

        >>> spec = load_spec({"inputs": 2, "layers": [{"dense": 1, "bias": False}], "loss": "huber"})
        >>> plain = spec.to_dict()
        >>> plain["layers"], plain["loss"], load_spec(plain) == spec
        ([{'dense': 1, 'bias': False}], 'huber', True)
        """
        plain = self.model_dump(mode="json", exclude_none=True)
        return {**plain, "layers": [layer.model_dump(mode="json", exclude_defaults=True) for layer in self.layers]}


# --- reading ------------------------------------------------------------------------------------------------------


@called(SpecError)
def load_spec(source: str | Path | Mapping[str, Any]) -> Spec:
    """The spec in a ``.yaml``, ``.yml`` or ``.json`` file, or in a mapping of plain values.

    >>> load_spec({"inputs": 2, "layers": [{"dense": 3, "activation": "tahn"}], "loss": "huber"})
    Traceback (most recent call last):
    symnn.errors.SpecError: spec: layers[0].activation: unknown activation 'tahn'; did you mean 'tanh'? (known: ...)

    Raises:
        SpecError: the file cannot be read, or is no valid spec; one line that names file and field, what was found
            and what was expected. Of several mistakes it describes the first and counts the others.
    """
    return read_spec(Spec, source)


_Read = TypeVar("_Read", bound=SpecModel)


def read_spec(model: type[_Read], source: str | Path | Mapping[str, Any], name: str = "spec") -> _Read:
    """What :func:`load_spec` does, for a spec of this model; errors in a mapping begin with ``name``."""
    if not isinstance(source, (str, Path, Mapping)):
        raise SpecError(f"{name}: found {quote(source)}, expected the name of a file, or a mapping of fields")
    name = name if isinstance(source, Mapping) else str(source)
    try:
        content = _plain(source if isinstance(source, Mapping) else _read(Path(source)))
        _require_purpose(model, content)
        return model.model_validate(content)
    except FieldError as error:
        raise SpecError(_sentence(name, error.path, str(error))) from None
    except ValidationError as error:
        raise SpecError(_describe(name, model, error)) from None


@dataclass(frozen=True)
class Purpose:
    """What a kind of spec describes, the commands that read it, and the fields that no other kind has."""

    what: str
    read_by: str
    fields: frozenset[str]


PURPOSES = (
    Purpose(
        "a network",
        "symnn train, formulas, check, compare, steps and compile",
        frozenset({"loss", "weight_decay", "l1", "training", "data"}),
    ),
    Purpose("differential equations", "symnn solve", frozenset({"unknowns", "residuals", "solver"})),
)


def _require_purpose(model: type[SpecModel], content: object) -> None:
    """Refuse a spec of another kind as a whole, before each of its fields is called unknown."""
    if not isinstance(content, Mapping):
        return
    read = [purpose for purpose in PURPOSES if purpose.fields <= model.model_fields.keys()]
    found = [purpose for purpose in PURPOSES if purpose.fields & content.keys()]
    if read and found and read[0] not in found:
        raise FieldError(f"expected a spec of {read[0].what}, found one of {found[0].what}, for '{found[0].read_by}'")


def _read(path: Path) -> object:
    parse = _PARSERS.get(path.suffix.lower())
    if parse is None:
        found = "a directory" if os.path.isdir(path) else quote(path.suffix)
        raise FieldError(f"expected a file that ends in {', '.join(_PARSERS)}, found {found}")
    data = read_regular(path, SpecError, MAX_BYTES)
    if not data.strip():
        raise FieldError("expected a mapping of fields, found an empty file")
    try:
        return parse(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise FieldError(f"expected UTF-8 text, found byte 0x{data[error.start]:02x} at {error.start}") from None


def _plain(content: object) -> object:
    """A copy in dicts, lists, texts, finite numbers, booleans and None, within the limits on size and nesting."""
    count = iter(range(MAX_VALUES))

    def copy(value: object, path: Steps) -> object:
        if isinstance(value, np.generic):
            value = value.item()
        if next(count, None) is None:
            raise FieldError(f"expected at most {MAX_VALUES:,} values, found more")
        if len(path) > MAX_DEPTH:
            raise FieldError(f"expected at most {MAX_DEPTH} levels of nesting, found more", path[:3])
        if isinstance(value, Mapping):
            for key in value:
                if not isinstance(key, str):
                    raise FieldError(f"expected the name of a field, found {quote(key)}", path)
            return {str(key): copy(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [copy(item, (*path, index)) for index, item in enumerate(value)]
        if isinstance(value, int) and abs(value) > _LARGEST_INTEGER:
            raise FieldError("expected a whole number below 2**63, found a larger one", path)
        if isinstance(value, float) and not isfinite(value):
            raise FieldError(f"expected a finite number, found {value}", path)
        if value is not None and not isinstance(value, (str, int, float)):
            raise FieldError(f"expected a plain value, found an object of type {type(value).__name__}", path)
        return value

    return copy(content, ())


_LARGEST_INTEGER = 2**63 - 1


# --- YAML and JSON ------------------------------------------------------------------------------------------------


class _Loader(yaml.SafeLoader):
    """YAML 1.2's plain values and nothing else: no aliases, no merging, no dates, no duplicate fields."""

    depth = 0
    nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        self.nodes += 1
        if isinstance(event, yaml.AliasEvent):
            _refuse("expected a value, found an alias", event.start_mark)
        if self.depth > MAX_DEPTH:
            _refuse(f"expected at most {MAX_DEPTH} levels of nesting, found more", event.start_mark)
        if self.nodes > MAX_VALUES:
            _refuse(f"expected at most {MAX_VALUES:,} values, found more", event.start_mark)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        if not isinstance(node, yaml.MappingNode):  # after a tag !!map
            _refuse("expected a mapping, found a text or a list", node.start_mark)
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                _refuse("expected the name of a field, found a list or a mapping", key.start_mark)
            if key.value in seen:
                _refuse(f"found the field {quote(key.value)} twice", key.start_mark)
            seen.add(key.value)
        return yaml.constructor.BaseConstructor.construct_mapping(self, node, deep=deep)


def _refuse(problem: str, mark: Any) -> NoReturn:
    raise yaml.constructor.ConstructorError(None, None, problem, mark)


_TAG = "tag:yaml.org,2002:"

# How each kind of value is written, the letters that it begins with, and its conversion. YAML 1.1, PyYAML's own, takes
# 1e-3 for a text, 010 for eight, 1:30 for ninety and no for false.
_SCALARS: Mapping[str, tuple[re.Pattern[str], str, Callable[[str], object]]] = {
    "null": (re.compile(r"~|null|Null|NULL|"), "~nN", lambda text: None),
    "bool": (re.compile(r"true|True|TRUE|false|False|FALSE"), "tTfF", lambda text: text[0] in "tT"),
    "int": (re.compile(r"[-+]?[0-9]+"), "-+0123456789", int),
    "float": (
        re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"),
        "-+.0123456789",
        lambda text: float(text.replace(".", "") if text[-1] in "fFnN" else text),  # float knows no dot before inf
    ),
    "str": (re.compile(r".*", re.DOTALL), "", str),
}


def _construct_scalar(loader: _Loader, node: yaml.Node) -> object:
    kind = node.tag.removeprefix(_TAG)
    pattern, _, convert = _SCALARS[kind]
    if not isinstance(node, yaml.ScalarNode) or not pattern.fullmatch(node.value):  # after a tag such as !!int
        _refuse(f"expected a value of kind {kind}, found another one", node.start_mark)
    return convert(node.value)


def _construct_undefined(loader: _Loader, node: yaml.Node) -> NoReturn:
    _refuse(f"expected a plain value, found the tag {quote(node.tag)}", node.start_mark)


_Loader.yaml_constructors = {
    None: _construct_undefined,
    f"{_TAG}map": lambda loader, node: loader.construct_mapping(node, deep=True),
    f"{_TAG}seq": lambda loader, node: loader.construct_sequence(node, deep=True),
    **{f"{_TAG}{kind}": _construct_scalar for kind in _SCALARS},
}
_Loader.yaml_implicit_resolvers = {}
for _kind, (_pattern, _first, _) in _SCALARS.items():
    if _first:
        _Loader.add_implicit_resolver(
            f"{_TAG}{_kind}", re.compile(rf"^(?:{_pattern.pattern})$"), [*_first, *([""] * (_kind == "null"))]
        )


def _parse_yaml(text: str) -> object:
    try:
        return yaml.load(text, Loader=_Loader)  # a SafeLoader with less in it
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise FieldError(place + _brief(", ".join(filter(None, (error.context, error.problem))))) from None
    except Exception as error:  # PyYAML lets through whatever its scanner meets: thousands of digits, chr of too much
        raise FieldError(f"cannot be read as YAML: {_brief(str(error))}") from None


def _brief(message: str) -> str:
    """The first line of somebody else's message, cut: it may quote a tag of a million characters."""
    return message.split("\n", 1)[0][:200]


def _parse_json(text: str) -> object:
    try:
        # NaN and Infinity become floats, which are refused with the field that they stand in
        return json.loads(text, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise FieldError(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except FieldError:
        raise
    except (ValueError, RecursionError) as error:  # thousands of digits, or of brackets
        raise FieldError(f"cannot be read as JSON: {error}") from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise FieldError(f"found the field {quote(key)} twice")
        found[key] = value
    return found


_PARSERS: Mapping[str, Callable[[str], object]] = {
    ".yaml": _parse_yaml,
    ".yml": _parse_yaml,
    ".json": _parse_json,
}


# --- errors -------------------------------------------------------------------------------------------------------


def _sentence(source: str, path: Steps, message: str) -> str:
    """One line: file, field, message.

    >>> _sentence("digits.yaml", ("layers", 0, "activation"), "unknown activation 'tahn'")
    "digits.yaml: layers[0].activation: unknown activation 'tahn'"
    """
    steps = (f"[{step}]" if isinstance(step, int) else f".{quote(step)[1:-1]}" for step in path)
    field = "".join(steps).removeprefix(".")
    return f"{source}: {field}: {message}" if field else f"{source}: {message}"


def _describe(source: str, model: type[SpecModel], error: ValidationError) -> str:
    """The first error and the number of others; a misspelt field comes first, for it explains a missing one."""
    # A default that depends on a field which is wrong is none of the user's mistakes.
    errors = [one for one in error.errors(include_url=False) if one["type"] != "default_factory_not_called"]
    errors.sort(key=lambda one: one["type"] != "extra_forbidden")
    path, message = _explain(model, errors[0])
    others = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return _sentence(source, path, message) + others


def _explain(model: type[SpecModel], error: Mapping[str, Any]) -> tuple[Steps, str]:
    """Where an error of pydantic's is, and our words for it."""
    path: Steps = error["loc"]
    context: Mapping[str, Any] = error.get("ctx", {})
    cause = context.get("error")
    if isinstance(cause, FieldError):
        return (*path, *cause.path), str(cause)
    if error["type"] == "extra_forbidden":
        return path[:-1], unknown("field", str(path[-1]), _fields_at(model, path))
    if error["type"] == "missing":
        field = _fields_at(model, path)[str(path[-1])]
        return path[:-1], f"missing field {quote(path[-1])}; expected {field.description}"
    expected = EXPECTED.get(error["type"], "another value").format(**context)
    return path, f"expected {expected}, found {quote(error['input'])}"


def _fields_at(model: type[SpecModel], path: Sequence[str | int]) -> dict[str, FieldInfo]:
    """The fields beside the last step of a path, by the names that a spec gives them."""
    fields = (model.models.get(path[0], model) if len(path) > 1 else model).model_fields
    return {field.alias or name: field for name, field in fields.items()}


#: What pydantic's kinds of error expected, in the words of the spec.
EXPECTED: Mapping[str, str] = {
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a text",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping of fields",
    "model_attributes_type": "a mapping of fields",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than": "a number below {lt}",
    "less_than_equal": "a number of at most {le}",
    "literal_error": "{expected}",
}
