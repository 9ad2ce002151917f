"""The base of every part of a spec, and the one sentence in which a part that is wrong is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, NoReturn, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.fields import FieldInfo

from symnn.arrays import plain
from symnn.errors import FieldError, SpecError
from symnn.suggest import canonical, quote, unknown

Steps = tuple[str | int, ...]
"""The way to a field: ``("layers", 0, "activation")``."""

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)  # pydantic's metaclass has no public name


class InOurWords(ModelMetaclass):
    """What is built in Python is refused in one sentence, as a spec is."""

    def __call__(self, *positional: object, **fields: object) -> Any:
        name = self.__name__
        if positional:
            raise SpecError(f"{name}: expected fields by name, found {quote(positional[0])}")
        try:
            return super().__call__(**{field: plain(value) for field, value in fields.items()})
        except ValidationError as error:
            raise SpecError(describe(name, cast(type[SpecModel], self), error)) from None


class SpecModel(BaseModel, metaclass=InOurWords):
    """A part of a spec; ``models`` are those of its fields that are models, in lists or mappings or alone.

    belonging_elsewhere: names that are looked for here, and where they are.
    """

    # strict: "32" is not a number and true is not 1
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
    models: ClassVar[Mapping[str | int, type[BaseModel]]] = {}
    belonging_elsewhere: ClassVar[Mapping[str, str]] = {}

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


def one_of(kind: str, names: Mapping[str, object]) -> AfterValidator:
    """A field that is the name of a row of a table, or a synonym of one."""

    def check(name: str | None) -> str | None:
        name = name if name is None else canonical(kind, name, names)
        if name is not None and name not in names:
            raise FieldError(unknown(kind, name, names))
        return name

    return AfterValidator(check)


# --- errors -------------------------------------------------------------------------------------------------------


class PartError(ValueError):
    """What pydantic finds wrong with a part of a spec whose model only its content tells."""

    def __init__(self, model: type[SpecModel], error: ValidationError, inside: Steps = ()) -> None:
        super().__init__(str(error))
        self.model, self.error, self.inside = model, error, inside


class _Mistake(NamedTuple):
    """One of pydantic's errors, the model that it is an error of, and the way to that model."""

    model: type[SpecModel]
    within: Steps
    error: Mapping[str, Any]

    @property
    def cause(self) -> object:
        """The exception of ours that it stands for."""
        return self.error.get("ctx", {}).get("error")


def sentence(source: str, path: Steps, message: str) -> str:
    """One line: file, field, message.

    >>> sentence("digits.yaml", ("layers", 0, "activation"), "unknown activation 'tahn'")
    "digits.yaml: layers[0].activation: unknown activation 'tahn'"
    """
    steps = (f"[{step}]" if isinstance(step, int) else f".{quote(step)[1:-1]}" for step in path)
    field = "".join(steps).removeprefix(".")
    return f"{source}: {field}: {message}" if field else f"{source}: {message}"


def describe(source: str, model: type[SpecModel], error: ValidationError, inside: Steps = ()) -> str:
    """The first error and the number of others; a misspelt field comes first, for it explains a missing one."""
    # A default that depends on a field which is wrong is none of the user's mistakes.
    found = [one for one in _mistakes(model, inside, error) if one.error["type"] != "default_factory_not_called"]
    found.sort(key=lambda one: one.error["type"] != "extra_forbidden")
    path, message = _explain(found[0])
    others = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return sentence(source, path, message) + others


def _mistakes(model: type[SpecModel], within: Steps, error: ValidationError) -> Iterator[_Mistake]:
    """Every error, those of parts in place of the one that the part is."""
    for one in error.errors(include_url=False):
        found = _Mistake(model, within, one)
        if isinstance(found.cause, PartError):
            yield from _mistakes(found.cause.model, (*within, *one["loc"], *found.cause.inside), found.cause.error)
        else:
            yield found


def _explain(mistake: _Mistake) -> tuple[Steps, str]:
    """Where an error is, and our words for it."""
    model, within, error = mistake
    path: Steps = error["loc"]
    if isinstance(mistake.cause, FieldError):
        return (*within, *path, *mistake.cause.path), str(mistake.cause)
    if error["type"] == "extra_forbidden":
        name, elsewhere = str(path[-1]), getattr(_model_at(model, path), "belonging_elsewhere", {})
        here = f"found {quote(name)}, expected it {elsewhere[name]}" if name in elsewhere else None
        return (*within, *path[:-1]), here or unknown("field", name, _fields_at(model, path))
    if error["type"] == "missing":
        field = _fields_at(model, path)[str(path[-1])]
        return (*within, *path[:-1]), f"missing field {quote(path[-1])}; expected {field.description}"
    expected = EXPECTED.get(error["type"], "another value").format(**error.get("ctx", {}))
    return (*within, *path), f"expected {expected}, found {quote(error['input'])}"


def _fields_at(model: type[SpecModel], path: Sequence[str | int]) -> dict[str, FieldInfo]:
    """The fields beside the last step of a path, by the names that a spec gives them."""
    return {field.alias or name: field for name, field in _model_at(model, path).model_fields.items()}


def _model_at(model: type[SpecModel], path: Sequence[str | int]) -> type[BaseModel]:
    return model.models.get(path[0], model) if len(path) > 1 else model


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
