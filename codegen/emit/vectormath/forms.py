"""Which function is the vector form of which function of SymPy, and how far it may be from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sympy.core.basic import Basic

from codegen.dtypes import Dtype
from codegen.emit.lanes import Value

Function = Callable[..., Value]
"""``function(lanes, x, …)``, the value in every lane."""

FORMS: dict[type[Basic], Function] = {}
"""The vector form of every function that has one."""

ULP_BOUNDS: dict[type[Basic], Mapping[Dtype, float]] = {}
"""Errors that the tests hold functions of one argument to, in units in the last place of the exact value.

The maxima in the docstrings, and a little more: found among 10⁷ points in float64 and a third of all float32 numbers
(all of them for exp, tanh and sigmoid), not proved.
"""


def form(kind: type[Basic], **bounds: float) -> Callable[[Function], Function]:
    """The function below is the vector form of a SymPy function, with errors within bounds by dtype."""

    def named(function: Function) -> Function:
        FORMS[kind] = function
        if bounds:
            ULP_BOUNDS[kind] = {"float64": bounds["float64"], "float32": bounds["float32"]}
        return function

    return named


def form_of(name: str) -> Function:
    """The vector form that is called so.

    >>> from codegen.emit import vectormath
    >>> vectormath.form_of("tanh").__doc__.partition(" with")[0]
    'tanh x = (1 − e)/(1 + e)'
    """
    return next(function for function in FORMS.values() if function.__name__ == name)
