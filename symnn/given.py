"""What a user gives beside arrays and files, checked: numbers, names and functions, each refused in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from inspect import Parameter, signature
from math import inf
from numbers import Integral
from typing import Any, ParamSpec, TypeVar

from symnn.errors import SymnnError
from symnn.suggest import quote, unknown

MOST = 2**31
"""The largest number of things that is believed."""

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C")
Function = TypeVar("Function", bound=Callable[..., object])


def whole_number(
    name: str, given: object, least: int = 0, most: float = inf, refused: type[SymnnError] = SymnnError
) -> int:
    """A whole number, of Python or NumPy; raises an error of the type ``refused`` for anything else.

    >>> whole_number("samples", "x")
    Traceback (most recent call last):
    symnn.errors.SymnnError: samples: found 'x', expected a whole number of at least 0
    """
    if not isinstance(given, Integral) or isinstance(given, bool) or int(given) < least:
        raise refused(f"{name}: found {quote(given)}, expected a whole number of at least {least}")
    if int(given) > most:
        raise refused(f"{name}: found {quote(given)}, expected a whole number of at most {most:,}")
    return int(given)


def one_of(name: str, given: object, known: Sequence[str], refused: type[SymnnError] = SymnnError) -> None:
    """One of some words.

    >>> one_of("task", 3, ("auto", "regression"))
    Traceback (most recent call last):
    symnn.errors.SymnnError: task: found 3, expected one of 'auto', 'regression'
    """
    if not isinstance(given, str) or given not in known:
        raise refused(f"{name}: found {quote(given)}, expected one of {', '.join(map(quote, known))}")


def names(name: str, given: object, what: str, refused: type[SymnnError] = SymnnError) -> tuple[str, ...]:
    """One text, or several; ``what`` they are.

    >>> names("ignore", "id", "columns"), names("ignore", ["id", "name"], "columns")
    (('id',), ('id', 'name'))
    """
    found = (given,) if isinstance(given, str) else tuple(given) if isinstance(given, Iterable) else (given,)
    if not all(isinstance(text, str) for text in found):
        raise refused(f"{name}: found {quote(given)}, expected the names of {what}")
    return found


def function(name: str, given: Function, what: str, refused: type[SymnnError] = SymnnError) -> Function:
    """Something that can be called; ``what`` it is.

    >>> function("callback", True, "a function of a Solution")
    Traceback (most recent call last):
    symnn.errors.SymnnError: callback: found True, expected a function of a Solution
    """
    if not callable(given):
        raise refused(f"{name}: found {quote(given)}, expected {what}")
    return given


# --- arguments that are missing or unknown ------------------------------------------------------------------------


def called(refused: type[SymnnError]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A function whose calls without an argument that it needs, or with one too many, raise ``refused``.

    Nothing is looked at unless a call has failed.

    >>> @called(SymnnError)
    ... def train(network, *, epochs=10):
    ...     pass
    >>> train(epochs=3)
    Traceback (most recent call last):
    symnn.errors.SymnnError: train: network is missing, expected train(network, epochs=…)
    """

    def decorate(inner: Callable[P, R]) -> Callable[P, R]:
        @wraps(inner)
        def outer(*arguments: P.args, **named: P.kwargs) -> R:
            try:
                return inner(*arguments, **named)
            except TypeError:
                if problem := _misfit(inner, arguments, named):
                    raise refused(problem) from None
                raise

        return outer

    return decorate


def constructed(refused: type[SymnnError]) -> Callable[[type[C]], type[C]]:
    """The same for the construction of a class."""

    def decorate(cls: type[C]) -> type[C]:
        cls.__init__ = called(refused)(cls.__init__)  # type: ignore[method-assign]
        return cls

    return decorate


def _misfit(function: Callable[..., Any], arguments: Sequence[object], named: Mapping[str, object]) -> str | None:
    """What is wrong with a call of a function, if it is the number or the names of its arguments."""
    found = signature(function)
    try:
        found.bind(*arguments, **named)
    except TypeError as error:
        reason = str(error)
    else:
        return None
    known = {key: p for key, p in found.parameters.items() if key not in ("self", "cls") and p.kind not in _ALL_OTHERS}
    name = function.__qualname__.removesuffix(".__init__").rpartition(".")[2]
    if not any(p.kind is Parameter.VAR_KEYWORD for p in found.parameters.values()):
        for given in named:
            if given not in known:
                return f"{name}: {unknown('argument', given, known)}"
    expected = ", ".join(key if p.default is Parameter.empty else f"{key}=…" for key, p in known.items())
    in_place = [*found.parameters][: len(arguments)]
    missing = [
        key for key, p in known.items() if p.default is Parameter.empty and key not in named and key not in in_place
    ]
    if missing:
        reason = f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing"
    return f"{name}: {reason}, expected {name}({expected})"


_ALL_OTHERS = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
