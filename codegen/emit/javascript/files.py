"""The files of JavaScript: a module, with an example a self-test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from codegen.dtypes import Dtype
from codegen.emit.javascript.dialect import KEYWORDS
from codegen.emit.javascript.dialect import refused as refused
from codegen.emit.javascript.library import FUNCTIONS
from codegen.emit.javascript.module import module, self_test
from codegen.emit.javascript.writer import JavaScriptFunction
from codegen.emit.layout import Layout
from codegen.errors import EmitError
from codegen.schedule.program import Program
from codegen.walk import Extent

ABOUT = """\
Write a graph as a module of JavaScript without dependencies, ``name.mjs``; gives the paths of the files.

It exports the function ``name(extents, inputs, outputs, workspace)`` over flat typed arrays, outputs that are
numbers in arrays of one; ``run({input: …}, {length: …})``, which makes the arrays and gives the outputs by name;
lengths that do not follow from one array after the other, as both of x[A, B] alone, are its second argument;
``ARGUMENTS``, ``RESULTS``, ``workspaceSize``. Arithmetic is in float64; with ``dtype="float32"`` arrays are
Float32Array, and what is stored in them is rounded. With ``example`` comes a self-test for Node, ``name_test.mjs``.
Everything else is as for :func:`write_c`, but that special functions other than erf and erfc are refused too.

>>> from codegen import from_expressions, gradient
>>> from sympy import symbols
>>> a, b = symbols("a b")
>>> with tempfile.TemporaryDirectory() as folder:
...     (module,) = write_javascript(gradient(from_expressions({"e": a * b}, [a, b]), "e"), folder, name="product")
...     text = module.read_text()
>>> print(text[text.index("export function product") : text.index("/** Lengths that are sums")])
export function product(a, b, e, de_da, de_db) {
    // e = a*b
    const t0 = a*b;
    // de/da = b
    const t1 = b;
    // de/db = a
    const t2 = a;
    e[0] = t0;
    de_da[0] = t1;
    de_db[0] = t2;
    return 0;
}
<BLANKLINE>
<BLANKLINE>
"""

LANGUAGE = "JavaScript"


def named(
    own: frozenset[str],
    program: Program,
    convention: Layout,
    real: Dtype,
    name: str,
    constants: Mapping[str, np.ndarray],
    work: tuple[tuple[Extent, ...], ...] | None = None,
) -> JavaScriptFunction:
    """The function of a program under a name that JavaScript has not, and not the module, which has its own."""
    taken = KEYWORDS | FUNCTIONS | own
    if name in taken:
        raise EmitError(f"name: found {name!r}, which JavaScript or the module has already")
    return JavaScriptFunction(program, convention, real, name, constants, work, taken)


function = partial(named, frozenset({"SUMS", "addUp"}))


def files(found: JavaScriptFunction, notes: Sequence[str]) -> dict[str, str | bytes]:
    return {f"{found.name}.mjs": module(found, notes)}


def trial(
    found: JavaScriptFunction, values: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]
) -> dict[str, str | bytes]:
    return {f"{found.name}_test.mjs": self_test(found, values, expected)}
