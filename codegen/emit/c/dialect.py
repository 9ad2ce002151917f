"""How expressions are written in C, and the numbers in them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import sympy
from sympy.core.basic import Basic

from codegen import functions as f
from codegen.dtypes import Dtype
from codegen.emit.scalars import Dialect, Level, Text
from codegen.functions.special import written_name


@dataclass(frozen=True)
class CType:
    """The words of C for one type of real numbers."""

    name: str
    suffix: str
    """Of the functions of libm and of constants."""
    integer: str
    """An unsigned integer of the same size."""
    signed: str
    constant: str
    """The macro of its constants."""
    fast: str
    """The macro that says that a processor has a fused multiply-add."""


C_TYPES: Mapping[Dtype, CType] = {
    "float64": CType("double", "", "uint64_t", "int64_t", "UINT64_C", "FP_FAST_FMA"),
    "float32": CType("float", "f", "uint32_t", "int32_t", "UINT32_C", "FP_FAST_FMAF"),
}


def literal(value: float, dtype: Dtype) -> str:
    """A constant that reads back as the same number, the shortest such.

    >>> literal(0.1, "float64"), literal(0.1, "float32"), literal(-math.inf, "float64"), literal(1e300, "float32")
    ('0.1', '0.1f', '-INFINITY', 'INFINITY')
    """
    if dtype == "float32":
        with np.errstate(all="ignore"):
            number = np.float32(value)
        value, text = float(number), f"{number!s}f"
    else:
        text = repr(float(value))
    if math.isfinite(value):
        return text
    return "NAN" if math.isnan(value) else "INFINITY" if value > 0 else "-INFINITY"


PREFIX = "f_"
"""What the names of functions begin with that :mod:`~codegen.emit.c.mathematics` defines."""


def in_libm(kind: type[Basic]) -> bool:
    """Whether C99 has the function, under the same name as Python."""
    row = f.operation(kind)
    return row.python == f"math.{kind.__name__}" and row.calls is None


def is_formula(kind: type[Basic]) -> bool:
    """Whether it is a formula over those."""
    return kind is f.normal_cdf or f.operation(kind).written is not None


def is_special(kind: type[Basic]) -> bool:
    """Whether it is a special function with code of our own; the others are SciPy's, which C cannot call."""
    return f.operation(kind).calls == ()


def portable(dtype: Dtype) -> Dialect:
    """C with the functions of libm alone."""
    suffix = C_TYPES[dtype].suffix
    others = {f.absolute: f"fabs{suffix}", f.floor: f"floor{suffix}"}
    return Dialect(
        calls=lambda kind: kind.__name__ + suffix if in_libm(kind) else others.get(kind, ""),
        # clang warns of | and & that stand before ? without parentheses.
        choose=lambda condition, a, b: Text(f"({condition}) ? {a} : {b}", Level.CHOICE),
        square_root=f"sqrt{suffix}",
        hypot=f"hypot{suffix}",
        erfc=f"erfc{suffix}",
        # Both sides are evaluated: without branches a loop becomes vectors.
        both=" & ",
        either=" | ",
        negation="!",
        call=lambda name, orders, texts: f"{'_'.join([name, *map(str, orders)])}({', '.join(texts)})",
        power=lambda x, y: Text(f"pow{suffix}({x.text}, {y.text})", Level.CALL),
        modulo=lambda x, y: Text(f"{PREFIX}modulo({x.text}, {y.text})", Level.CALL),
        truth=("0", "1"),
    )


def dialect(dtype: Dtype) -> Dialect:
    """C with functions of our own, which loops over arrays can have in vectors."""
    plain = portable(dtype)

    def calls(kind: type[Basic]) -> str:
        # The angle is that of libm in lanes too.
        own = kind is not sympy.atan2 and (in_libm(kind) or is_formula(kind) or is_special(kind))
        return PREFIX + kind.__name__ if own else plain.calls(kind)

    return replace(plain, calls=calls, erfc=f"{PREFIX}erfc")


def refused(node: Basic) -> str | None:
    """What a user calls a function that has no form in C, or None."""
    return written_name(node) if f.operation(type(node)).calls else None
