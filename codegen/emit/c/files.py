"""The files of C99: source and header, with an example a self-test and what builds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from codegen.emit.c import module, selftest
from codegen.emit.c.dialect import refused as refused
from codegen.emit.c.function import CFunction

ABOUT = """\
Write a graph as one C99 function, ``name.c`` and ``name.h``; gives the paths of the files.

The header says formulas, shapes, operations and how it is called: ``int name(extents, inputs, outputs,
workspace)``, arrays flat, numbers by value, outputs by pointer, labels int64. It needs libm alone and allocates
nothing. ``pack`` and ``checkpoint`` are as for :func:`codegen.compile`. ``constants`` are inputs whose values
stand in the file. ``example`` are values of the other inputs: with it come ``name_test.c``, a program that compares
the function at these values with the compiled one and ends with status 1 if they differ, and a ``CMakeLists.txt``.

The directory is made if need be. All files are written, or none: what is there under their names stays until all
texts are made, and so does a ``CMakeLists.txt`` that is somebody else's. ``name`` and the names in the graph are
turned into identifiers that are safe: what C's libraries or CMake have gets an underscore behind it. Raises
:class:`EmitError` for what :func:`codegen.compile` raises it for, for functions that are SciPy's (Bessel functions
and others), and for constants and examples that do not fit.

>>> from codegen import from_expressions, gradient
>>> from sympy import symbols
>>> a, b = symbols("a b")
>>> with tempfile.TemporaryDirectory() as folder:
...     header, source = write_c(gradient(from_expressions({"e": a * b}, [a, b]), "e"), folder, name="product")
...     print(header.read_text().split("*/")[-1])
int product(
    double a,
    double b,
    double *e,
    double *de_da,
    double *de_db);
<BLANKLINE>
#ifdef __cplusplus
}
#endif
<BLANKLINE>
#endif
<BLANKLINE>
"""

LANGUAGE = "C"
function = CFunction


def files(found: CFunction, notes: Sequence[str]) -> dict[str, str | bytes]:
    return {
        f"{found.name}.h": module.header(found.name, [found], notes),
        f"{found.name}.c": module.source(found.name, [found]),
    }


def trial(
    found: CFunction,
    values: Mapping[str, np.ndarray],
    expected: Mapping[str, np.ndarray],
    cmake: Callable[[str], str] = selftest.cmake,
) -> dict[str, str | bytes]:
    return {f"{found.name}_test.c": selftest.program(found, values, expected), "CMakeLists.txt": cmake(found.name)}
