"""Choices from tables in specs and in Python: an activation or a loss by its name, with numbers, or as a formula."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from math import isfinite
from typing import Any, Literal, Protocol

from pydantic import model_serializer
from sympy import Expr, Symbol

from codegen.errors import of_type
from codegen.walk import postorder
from symnn.activations import ACTIVATIONS
from symnn.errors import FieldError, SpecError
from symnn.formula import FUNCTIONS, parse_formula
from symnn.losses import LOSSES, ElementLoss, Loss, element_loss
from symnn.models import SpecModel
from symnn.schedules import SCHEDULES
from symnn.suggest import canonical, quote, unknown


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
        name = canonical(self.kind, name, self.rows)
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


@dataclass(frozen=True)
class Together:
    """An activation of all features of a sample, or of a step, together: several equations make it."""

    name: str
    parameters: Mapping[str, float] = field(default_factory=dict)


TOGETHER: Mapping[str, Together] = {"softmax": Together("softmax")}
"""Those, by name; :mod:`symnn.layers.writing` writes them down."""

_BOTH: Mapping[str, Any] = ChainMap(TOGETHER, ACTIVATIONS)  # type: ignore[arg-type]  # only read
ACTIVATION = _Table("activation", _BOTH, ("x",))
LOSS = _Table("loss", LOSSES, ("output", "target"))
SCHEDULE = _Table("schedule", SCHEDULES)
TABLES: Mapping[str, _Table] = {table.kind: table for table in (ACTIVATION, LOSS)}


# --- what is given in Python --------------------------------------------------------------------------------------

Formula = Callable[[Expr], Expr]
ActivationLike = str | Choice | Mapping[str, Any] | Formula | None
LossLike = str | Choice | Mapping[str, Any] | ElementLoss


def given(kind: Literal["activation", "loss"], value: Any) -> Any:
    """The same, where a function of SymPy expressions is one too and stays as it is.

    Raises :class:`FieldError`.
    """
    if not callable(value) or isinstance(value, Choice):
        return TABLES[kind].choose(value)
    names = TABLES[kind].variables
    found = f"found the function {getattr(value, '__name__', quote(value))}"
    expected = f"expected a name or a function of {' and '.join(names)} that gives a SymPy expression"
    try:
        body = value(*(Symbol(name, real=True) for name in names))
    except Exception as error:  # whatever the function makes of a symbol, it is not a formula
        name = getattr(value, "__name__", "")
        by_name = f"; {name!r} is the name of one" if name in TABLES[kind].rows else ""
        raise FieldError(f"{found}, {expected}{by_name}") from error
    if not isinstance(body, Expr):
        raise FieldError(f"{found}, which gives {of_type(body)}, {expected}")
    return value


def name_of(activation: ActivationLike) -> str | None:
    """The name of an activation, None of one without."""
    found = getattr(activation, "name", activation)
    return found if isinstance(found, str) else None


def is_identity(activation: ActivationLike) -> bool:
    """Whether an activation leaves everything as it is."""
    return name_of(activation) in (None, "identity") and not callable(activation)


def resolve_activation(given: ActivationLike) -> Formula:
    """The scalar function of a name, a choice with parameters, or a function as it is; of None x itself."""
    if given is None:
        return lambda x: x
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
