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
from math import inf, isfinite, prod
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NoReturn, TypeAlias, TypeVar

import numpy as np
import yaml
from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, ValidationError, model_validator

from symnn.arrays import plain as plain_value
from symnn.choices import LOSS, SCHEDULE, Choice, resolve_loss
from symnn.data import BUILTIN, Task
from symnn.errors import FieldError, SpecError
from symnn.files import read_regular
from symnn.given import called
from symnn.layers.layer import Layer, LayersField, require_scores, shape_after
from symnn.layers.reading import first_shape, written
from symnn.layers.writing import placed
from symnn.models import SpecModel, Steps, describe, one_of, sentence
from symnn.optimisers import OPTIMISERS
from symnn.shapes import Counting, Inputs, Named, Shape, check_steps, plain_inputs, read_inputs
from symnn.suggest import quote, unknown
from symnn.tables import SEPARATORS, Missing

MAX_BYTES = 1_000_000
MAX_DEPTH = 16
MAX_VALUES = 20_000
"""PyYAML takes a second for so many."""
MAX_LAYERS = 1_000
MAX_FORMULAS = 20_000
"""Characters of all different formulas of the layers: one of a thousand may take a tenth of a second."""
MAX_PARAMETERS = 100_000_000


# --- fields -------------------------------------------------------------------------------------------------------


def _printable(text: str | None) -> str | None:
    if text is not None and not (text and text.isprintable()):
        raise FieldError(f"expected a text of printable characters, found {quote(text)}")
    return text


def few_layers(value: object) -> object:
    """Layers and formulas are counted before each is looked at, for a formula may take a tenth of a second."""
    if not isinstance(value, (list, tuple)):
        return value
    if (count := _count(value)) > MAX_LAYERS:
        raise FieldError(f"expected at most {MAX_LAYERS:,} layers, found {count:,}")
    characters = sum(len(text) for text in {text for layer in value for text in _texts(layer)})
    if characters > MAX_FORMULAS:
        raise FieldError(f"expected formulas of at most {MAX_FORMULAS:,} characters in all, found {characters:,}")
    return value


def _texts(layer: object) -> Iterator[str]:
    """The texts in a layer, and in the layers inside, that are formulas."""
    if isinstance(layer, Mapping):
        if isinstance(text := layer.get("formula"), str):
            yield text
        for content in layer.values():
            yield from _texts(content)
    elif isinstance(layer, (list, tuple)):
        for content in layer:
            yield from _texts(content)


def _count(layers: object) -> int:
    """How many layers there are in a list of them, those inside others too."""
    if isinstance(layers, Mapping):
        return 1 + sum(_count(content) for content in layers.values() if isinstance(content, (list, tuple)))
    if isinstance(layers, (list, tuple)):
        return sum(map(_count, layers))
    return int(isinstance(layers, str))


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

_Fraction = Annotated[float, Field(ge=0, lt=1)]
_Momentum = Annotated[float, Field(ge=0, lt=1)]


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
    (0.03, 0.02)
    """

    belonging_elsewhere: ClassVar = {
        name: f"with the network, whose loss it is part of: Network(…, {name}=0.01), or {name} beside layers in a spec"
        for name in ("weight_decay", "l1")
    }
    optimiser: Annotated[str, one_of("optimiser", {**OPTIMISERS, LBFGS: None})] = "nesterov"
    learning_rate: Annotated[float, Field(gt=0)] = Field(default_factory=_usual_rate)
    momentum: _Momentum = 0.9
    beta1: _Momentum = 0.9
    beta2: _Momentum = 0.999
    epsilon: Annotated[float, Field(gt=0)] = 1e-8
    rho: _Momentum = 0.9
    decay: Annotated[float, Field(ge=0)] = 0.01
    gradient_clip: Annotated[float, Field(gt=0)] | None = None
    schedule: Annotated[Choice, BeforeValidator(SCHEDULE.choose), AfterValidator(_sensible)] = Choice(name="constant")
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


FILE_FIELDS = ("separator", "decimal", "missing", "ignore", "categorical", "sequences", "weights")
"""What a spec says about reading a file."""


class DataSpec(SpecModel):
    """A data set that comes with the package, by ``name``, or a ``file`` and the column or columns to predict.

    How the file is read, from ``separator`` to ``weights``, is as for :func:`symnn.load_file`.

    >>> DataSpec.model_validate("digits").name
    'digits'
    """

    name: Annotated[str | None, one_of("data set", BUILTIN)] = None
    file: Annotated[str | None, AfterValidator(_printable)] = None
    target: Annotated[str | tuple[str, ...] | None, BeforeValidator(_columns)] = None
    task: Task = "auto"
    separator: Annotated[str | None, AfterValidator(_separator)] = None
    decimal: Literal[".", ","] = "."
    missing: Missing = "refuse"
    ignore: Annotated[tuple[str, ...], BeforeValidator(_listed_columns)] = ()
    categorical: Annotated[tuple[str, ...], BeforeValidator(_listed_columns)] = ()
    sequences: Annotated[str | None, AfterValidator(_printable)] = None
    weights: Annotated[str | None, AfterValidator(_printable)] = None
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


Layers: TypeAlias = Annotated[LayersField, BeforeValidator(few_layers)]
"""The entries of a spec that are its layers, one after the other."""


class Spec(SpecModel):
    """A network, its loss and how to train it.

    >>> spec = load_spec({"inputs": 2, "layers": [{"dense": 3, "activation": "tanh"}], "loss": "mean_squared_error"})
    >>> spec.layers[0].activation.name, spec.training.optimiser, spec.parameter_count
    ('tanh', 'nesterov', 9)
    """

    models: ClassVar = {"training": TrainingSpec, "data": DataSpec}

    inputs: Annotated[Inputs | Named, PlainValidator(read_inputs)] = Field(
        description="the number of features of a sample"
    )
    layers: Layers = Field(description="a list of layers")
    loss: Annotated[Choice, BeforeValidator(LOSS.choose)] = Field(description="the name of a loss or a formula")
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    l1: Annotated[float, Field(ge=0)] = 0.0
    steps: Counting = "all"
    training: TrainingSpec = TrainingSpec()
    data: DataSpec | None = None

    @model_validator(mode="after")
    def _has_reasonable_size(self) -> Spec:
        count = self.parameter_count
        reading = resolve_loss(self.loss)[0].reading
        try:
            require_scores(self.layers, reading)
        except FieldError as error:
            raise error.within("layers") from None
        try:
            check_steps(self.steps, shape_after(self._written, first_shape(self.inputs)))
        except FieldError as error:
            raise error.within("steps") from None
        if not count:
            raise FieldError("expected at least one layer with weights, such as 'dense', found none", ("layers",))
        return self

    @property
    def parameter_count(self) -> int:
        """The number of weights and biases."""
        return checked_parameters(self._written, first_shape(self.inputs))

    @property
    def _written(self) -> tuple[Layer, ...]:
        try:
            return written(self.inputs, self.layers)
        except FieldError as error:
            raise error.within("layers") from None

    def to_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold and :func:`load_spec` reads back to an equal spec.

        Settings of training and data are written out even where they are defaults.

        >>> spec = load_spec({"inputs": 2, "layers": [{"dense": 1, "bias": False}], "loss": "huber"})
        >>> plain = spec.to_dict()
        >>> plain["layers"], plain["loss"], load_spec(plain) == spec
        ([{'dense': 1, 'bias': False}], 'huber', True)
        """
        rest = self.model_dump(mode="json", exclude_none=True, exclude={"inputs", "layers"})
        return {
            "inputs": plain_inputs(self.inputs),
            "layers": [layer.to_plain(within=("layers", number)) for number, layer in enumerate(self.layers)],
            **rest,
        }


def checked_parameters(layers: Sequence[Layer], given: Shape) -> int:
    """The number of weights and biases of layers.

    Raises :class:`FieldError` at the field ``layers`` for shapes that do not fit and for more than a hundred million.
    """
    try:
        shape_after(layers, given)
        count = sum(prod(p.shape) for here in placed(layers, given) for p in here.own.values())
        if count > MAX_PARAMETERS:
            raise FieldError(f"expected at most {MAX_PARAMETERS:,} parameters, found {count:,}")
    except FieldError as error:
        raise error.within("layers") from None
    return count


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
        raise SpecError(sentence(name, error.path, str(error))) from None
    except ValidationError as error:
        raise SpecError(describe(name, model, error)) from None


@dataclass(frozen=True)
class Purpose:
    """What a kind of spec describes, the commands that read it, and the fields that no other kind has."""

    what: str
    read_by: str
    fields: frozenset[str]


PURPOSES = (
    Purpose(
        "a network",
        "symnn train, formulas, summary, check, compare, steps and compile",
        frozenset({"loss", "weight_decay", "l1", "steps", "training", "data"}),
    ),
    Purpose(
        "differential equations",
        "symnn solve",
        frozenset(
            (
                "balance",
                "coefficients",
                "features",
                "domain",
                "periodic",
                "reference",
                "resampling",
                "residuals",
                "slabs",
                "solution",
                "solver",
                "tangent",
                "unknowns",
            )
        ),
    ),
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
                if not isinstance(key, str) and not (path[-1:] == ("class_weights",) and type(plain_value(key)) is int):
                    raise FieldError(f"expected the name of a field, found {quote(key)}", path)
            return {str(key): copy(item, (*path, str(key))) for key, item in value.items()}
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
