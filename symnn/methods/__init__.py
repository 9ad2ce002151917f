"""The methods that ``solve`` knows, by the names that specs give them: one file each, and a row here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeAlias

from pydantic import PlainSerializer, PlainValidator, ValidationError

from symnn.errors import FieldError
from symnn.methods.adam import Adam
from symnn.methods.broyden import SelfScaledBFGS, SelfScaledBroyden
from symnn.methods.gauss_newton import GaussNewton
from symnn.methods.levenberg_marquardt import LevenbergMarquardt
from symnn.methods.limited_memory import Lbfgs
from symnn.methods.method import Method, Problem, Standing
from symnn.methods.sketched import SketchedGaussNewton
from symnn.methods.soap import Soap
from symnn.models import PartError
from symnn.suggest import quote, unknown

__all__ = ["METHODS", "Method", "MethodField", "Problem", "Standing", "method", "name_of", "plain"]

METHODS: Mapping[str, type[Method]] = {
    "adam": Adam,
    "soap": Soap,
    "lbfgs": Lbfgs,
    "ssbfgs": SelfScaledBFGS,
    "ssbroyden": SelfScaledBroyden,
    "gauss_newton": GaussNewton,
    "energy_natural_gradient": GaussNewton,
    "levenberg_marquardt": LevenbergMarquardt,
    "sketched_gauss_newton": SketchedGaussNewton,
}


def method(given: object) -> Method:
    """The method that a spec writes as ``adam``, ``{adam: 500}`` or ``{adam: {iterations: 500, seconds: 10}}``.

    >>> method({"adam": 500}).iterations, method("ssbroyden").iterations
    (500, None)

    Raises :class:`FieldError` for a name that is unknown, and pydantic's errors for settings out of their ranges.
    """
    if isinstance(given, Method):
        return given
    if isinstance(given, str):
        given = {given: {}}
    if not isinstance(given, Mapping) or len(given) != 1 or not isinstance(name := next(iter(given)), str):
        raise FieldError(
            f"expected the name of a method, {{name: iterations}} or {{name: settings}}, found {quote(given)}"
        )
    if name not in METHODS:
        raise FieldError(unknown("method", name, METHODS))
    settings = given[name]
    if isinstance(settings, int) and not isinstance(settings, bool):
        settings = {"iterations": settings}
    try:
        return METHODS[name].model_validate({} if settings is None else settings)
    except ValidationError as error:
        raise PartError(METHODS[name], error, (name,)) from None


def plain(given: Method) -> dict[str, Any]:
    """The method as a spec writes it.

    >>> plain(method({"adam": 500}))
    {'adam': {'iterations': 500, 'seconds': None, 'learning_rate': 0.001}}
    """
    return {name_of(given): given.model_dump()}


def name_of(given: Method) -> str:
    """The first of the names of a method."""
    return next(name for name, kind in METHODS.items() if type(given) is kind)


MethodField: TypeAlias = Annotated[Method, PlainValidator(method), PlainSerializer(plain)]
"""A method in a spec."""
