"""Functions of the user's own: a formula in known functions, and the derivative that the user gives it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import TypeAlias

import sympy
from sympy import Expr, Symbol

from codegen.errors import GraphError, of_type
from codegen.functions import Composite
from codegen.read.admission import check
from codegen.walk import references

Formula: TypeAlias = Callable[..., Expr]
"""SymPy expressions in, one expression out: a Python function or a ``sympy.Lambda``."""

_MADE: dict[tuple[object, ...], type[Composite]] = {}
"""The function of each definition: two of one definition are equal, also where one comes from another process."""


def function(name: str, formula: Formula, derivative: Formula | Sequence[Formula] | None = None) -> type[Composite]:
    """A SymPy function f(x, …) that is computed by ``formula`` and differentiated by ``derivative``.

    ``derivative`` gives ∂f/∂x for the same arguments; for a function of several arguments it is a sequence, one for
    each. It is taken as it is, for second derivatives too: those differentiate the formula of the first. Without one
    the derivative is that of the formula.

    Raises :class:`GraphError` for a name that is no identifier, a wrong number of derivatives, and a formula that
    cannot be compiled or contains symbols that are not its arguments.

    >>> from codegen import from_expressions, gradient
    >>> from sympy import sign, symbols
    >>> x, w = symbols("x w")
    >>> rounded = function("rounded", lambda x: sign(x), derivative=lambda x: 1)  # a straight-through estimator
    >>> print(gradient(from_expressions({"e": rounded(w * x)}, [w, x]), "e", ["w"]))
    inputs w, x
    e = rounded(w*x)
    de/de = 1
    de/dw = de/de*x
    outputs e, de/dw
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise GraphError(f"the function name {name!r} is not an identifier")
    arguments = _arguments(name, formula)
    given = _derivatives(name, derivative)
    if given and len(given) != len(arguments):
        expected = f"expected {len(arguments)}, one for each argument"
        raise GraphError(f"the function {name!r} has {len(given)} derivatives, {expected}")
    for part, what in [(formula, "formula"), *((d, "derivative") for d in given)]:
        _check(f"the {what} of the function {name!r}", part, arguments)
    symbolic = [sympy.Lambda(arguments, part(*arguments)) for part in (formula, *given)]
    members: dict[str, object] = {
        "__reduce_ex__": lambda self, protocol: (_remade, (name, symbolic[0], tuple(symbolic[1:]), self.args)),
        "nargs": len(arguments),
        "formula": classmethod(lambda cls, *values: sympy.sympify(formula(*values))),
        "__doc__": f"{name}: a function of {len(arguments)} arguments with a formula of its own.",
        "__module__": "custom",
    }
    if given:
        members["fdiff"] = lambda self, argindex=1: sympy.sympify(given[argindex - 1](*self.args))
        members["_eval_derivative"] = sympy.Function._eval_derivative
    made: type[Composite] = sympy.FunctionClass(name, (Composite,), members)
    return _MADE.setdefault((name, *symbolic), made)


def _remade(name: str, formula: Formula, derivatives: tuple[Formula, ...], values: tuple[Expr, ...]) -> Expr:
    """The value of a function that was pickled or copied."""
    return function(name, formula, derivatives or None)(*values)


def _derivatives(name: str, derivative: Formula | Sequence[Formula] | None) -> tuple[Formula, ...]:
    """The derivatives that were given, one or a sequence of them."""
    given = () if derivative is None else tuple(derivative) if isinstance(derivative, Sequence) else (derivative,)
    for found in given:
        if not callable(found):
            expected = "expected a function of the same arguments, or one for each argument"
            raise GraphError(f"a derivative of the function {name!r} is {of_type(found)}, {expected}")
    return given


def _arguments(name: str, formula: Formula) -> tuple[Symbol, ...]:
    """A real symbol for each argument of the formula."""
    if not callable(formula):
        raise GraphError(f"the formula of the function {name!r} is {of_type(formula)}, expected a function")
    if isinstance(formula, sympy.Lambda):
        names = [str(variable) for variable in formula.variables]
    else:
        parameters = inspect.signature(formula).parameters.values()
        if any(p.kind is not p.POSITIONAL_OR_KEYWORD for p in parameters):
            raise GraphError(f"the formula of the function {name!r} takes a variable number of arguments")
        names = [parameter.name for parameter in parameters]
    if not names:
        raise GraphError(f"the formula of the function {name!r} takes no argument")
    return tuple(Symbol(argument, real=True) for argument in names)


def _check(place: str, formula: Formula, arguments: Sequence[Symbol]) -> None:
    try:
        value = formula(*arguments)
    except TypeError as error:
        raise GraphError(f"{place} cannot be called with {', '.join(map(str, arguments))}: {error}") from error
    try:
        expression = sympy.sympify(value, strict=True)
    except sympy.SympifyError:
        expression = None
    if not isinstance(expression, Expr):
        raise GraphError(f"{place} gives {of_type(value)}, expected a scalar SymPy expression")
    check(place, expression)
    for reference in references(expression):
        if reference not in arguments:
            shown = ", ".join(map(str, arguments))
            raise GraphError(f"{place} contains {reference}, which is not one of its arguments ({shown})")
