"""How expressions are written in JavaScript, and the numbers in them."""

from __future__ import annotations

import math
from dataclasses import replace

import sympy
from sympy.core.basic import Basic

from codegen import functions as f
from codegen.emit.scalars import Dialect, Level, Text
from codegen.functions.special import written_name

_WORDS = """
    arguments async await break case catch class const continue debugger default delete do else enum eval export extends
    false finally for function get if implements import in instanceof interface let new null of package private
    protected public return set static super switch this throw true try typeof undefined var void while with yield
    Array ARGUMENTS BigInt Boolean Date Error EXTENTS Float32Array Float64Array Function Infinity JSON Map Math NaN
    Number Object Promise Proxy RESULTS RangeError Real Reflect Set String Symbol SyntaxError TypeError document
    globalThis isFinite isNaN run self window workspaceSize
"""
KEYWORDS = frozenset(_WORDS.split())
"""What a name in JavaScript must not be, since the language or the module has it."""

_MATH = "acos acosh asin asinh atan atan2 atanh cos cosh exp expm1 log log1p sin sinh tan tanh"
MATH = frozenset(_MATH.split())
"""Functions that JavaScript has under the same name."""

OWN = {sympy.erf: "erf", sympy.erfc: "erfc"}
"""Functions that the module defines."""

OTHERS = {f.absolute: "Math.abs", f.floor: "Math.floor"}


def literal(value: float) -> str:
    """A constant that reads back as the same number, the shortest such.

    >>> literal(0.1), literal(-math.inf), literal(math.nan)
    ('0.1', '-Infinity', 'NaN')
    """
    if math.isfinite(value):
        return repr(float(value))
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def calls(kind: type[Basic]) -> str:
    """How a function is called, or nothing."""
    if kind in OWN:
        return OWN[kind]
    row = f.operation(kind)
    name = row.python.removeprefix("math.")
    return f"Math.{name}" if row.calls is None and name in MATH else OTHERS.get(kind, "")


DIALECT = Dialect(
    calls=calls,
    choose=lambda condition, a, b: Text(f"({condition}) ? {a} : {b}", Level.CHOICE),
    square_root="Math.sqrt",
    hypot="Math.hypot",
    erfc="erfc",
    both=" && ",
    either=" || ",
    negation="!",
    power=lambda x, y: Text(f"power({x.text}, {y.text})", Level.CALL),
    modulo=lambda x, y: Text(f"modulo({x.text}, {y.text})", Level.CALL),
    truth=("false", "true"),
)


SINGLE = replace(DIALECT, calls=lambda kind: "single_tanh" if kind is sympy.tanh else calls(kind))
"""For float32: Math.tanh takes a dozen times as long as a rational function that is as good there."""


def refused(node: Basic) -> str | None:
    """What a user calls a function that has no form in JavaScript, or None."""
    return None if f.operation(type(node)).calls is None else written_name(node)
