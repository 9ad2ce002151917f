"""What a user gives beside arrays and files, checked: numbers, names and functions, each refused in one sentence."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import inf
from numbers import Integral
from typing import TypeVar

from symnn.errors import SymnnError
from symnn.suggest import quote

MOST = 2**31
"""The largest number of things that is believed."""

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
