"""Elimination on one matrix as C functions, each defined in the file that calls it."""

from __future__ import annotations

import re

from codegen.dtypes import Dtype
from codegen.emit.c.dialect import C_TYPES
from codegen.emit.routines import ROUTINES, Braces, is_written, parameters


def definitions(text: str, dtype: Dtype) -> list[str]:
    """The lines that define the routines which a text calls.

    >>> definitions("by_lower(a, 0, b, 0, x, 0, 3, 1);", "float64")[1]
    '                    double *x, ptrdiff_t x0, ptrdiff_t n, ptrdiff_t m)'
    """
    kind = C_TYPES[dtype]
    braces = Braces("ptrdiff_t", kind.name, f"fabs{kind.suffix}", f"sqrt{kind.suffix}", "(ptrdiff_t)", f"({kind.name})")
    lines: list[str] = []
    for name in ROUTINES:
        if not re.search(rf"\b{name}\(", text):
            continue
        given = [
            f"{'' if is_written(name, a) else 'const '}{kind.name} *{a}" if is_array else f"ptrdiff_t {a}"
            for a, is_array in parameters(name)
        ]
        head = f"static void {name}("
        lines += [f"{head}{', '.join(given[:4])},", " " * len(head) + f"{', '.join(given[4:])})", "{"]
        lines += [*braces.body(name), "}", ""]
    return lines
