"""A spreadsheet's formulas, evaluated as they do: a sign binds more tightly than a power, powers go from the left."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

TOKEN = re.compile(r"\s*([0-9.]+(?:[eE][-+]?[0-9]+)?|[A-Za-z_][A-Za-z0-9_]*|<>|<=|>=|[-+*/^=<>(),])")
LEVELS: tuple[Mapping[str, Callable[[float, float], float]], ...] = (
    {"=": operator.eq, "<>": operator.ne, "<": operator.lt, ">": operator.gt, "<=": operator.le, ">=": operator.ge},
    {"+": operator.add, "-": operator.sub},
    {"*": operator.mul, "/": operator.truediv},
    {"^": math.pow},
)
"""Operators from the loosest to the tightest."""
FUNCTIONS: Mapping[str, Callable[..., float]] = {
    **{name.upper(): getattr(math, name) for name in ("exp", "tanh", "sinh", "cosh", "sin", "cos", "tan", "atan")},
    **{name.upper(): getattr(math, name) for name in ("erf", "erfc", "sqrt", "asin", "acos", "asinh", "acosh")},
    "ATANH": math.atanh,
    "LN": math.log,
    "ABS": abs,
    "MAX": max,
    "MIN": min,
    "INT": math.floor,
    "SIGN": lambda x: (x > 0) - (x < 0),
    "GAMMALN": math.lgamma,
    "PI": lambda: math.pi,
}


def evaluated(formula: str, cells: Mapping[str, float]) -> float:
    """The value of a formula that begins with =.

    >>> evaluated("=LET(a, 2, -a^2 - 2^3^2)", {})
    -60.0
    """
    assert formula.startswith("=")
    tokens, place = [], 1
    while place < len(formula):
        found = TOKEN.match(formula, place)
        assert found, f"found {formula[place:]!r}, expected a formula"
        tokens.append(found[1])
        place = found.end()
    value, rest = _operated(tokens, 0)
    assert not rest, f"{rest} is left of {formula}"
    return float(value(cells))


Value = Callable[[Mapping[str, float]], Any]


def _operated(tokens: list[str], level: int) -> tuple[Value, list[str]]:
    if level == len(LEVELS):
        return _atom(tokens)
    left, tokens = _operated(tokens, level + 1)
    while tokens and tokens[0] in LEVELS[level]:
        operation = LEVELS[level][tokens[0]]
        right, tokens = _operated(tokens[1:], level + 1)
        left = _applied(operation, [left, right])
    return left, tokens


def _applied(operation: Callable[..., float], arguments: list[Value]) -> Value:
    return lambda cells: operation(*(argument(cells) for argument in arguments))


def _atom(tokens: list[str]) -> tuple[Value, list[str]]:
    first, *tokens = tokens
    if first in ("-", "+"):
        inner, tokens = _atom(tokens)
        return _applied(operator.neg if first == "-" else operator.pos, [inner]), tokens
    if first == "(":
        inner, tokens = _operated(tokens, 0)
        assert tokens[0] == ")"
        return inner, tokens[1:]
    if first[0].isdigit() or first[0] == ".":
        return lambda _: float(first), tokens
    if tokens[:1] != ["("]:
        return lambda cells: cells[first], tokens
    arguments: list[Value] = []
    names = []
    tokens = tokens[1:]
    while tokens[0] != ")":
        names.append(tokens[0])
        argument, tokens = _operated(tokens, 0)
        arguments.append(argument)
        tokens = tokens[1:] if tokens[0] == "," else tokens
    return _called(first, names, arguments), tokens[1:]


def _called(name: str, names: list[str], arguments: list[Value]) -> Value:
    if name == "IF":
        condition, yes, no = arguments
        return lambda cells: (yes if condition(cells) else no)(cells)
    if name == "LET":
        return lambda cells: _let(dict(cells), names, arguments)
    return _applied(FUNCTIONS[name], arguments)


def _let(cells: dict[str, float], names: list[str], arguments: list[Value]) -> float:
    for name, argument in zip(names[:-1:2], arguments[1:-1:2]):
        cells[name] = argument(cells)
    return float(arguments[-1](cells))
