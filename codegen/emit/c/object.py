"""The files of machine code for C: an object and its header, with an example a self-test and what builds it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from codegen.emit.c import files as files_of_c
from codegen.emit.c import module, selftest
from codegen.emit.c.function import CFunction

ABOUT = """\
Write the vector code of a graph as a relocatable object file, ``name.o`` and ``name.h``; no compiler is needed.

The function has the calling convention of C on that platform and the parameters that :func:`write_c` gives it; only
its workspace has another size. ``triple`` names another machine than the one at hand, with no more than the
instructions that every processor of its kind has: ``x86_64-…``, ``aarch64-…``, ``riscv64-…`` or ``wasm32-…``. Where
these have no fused multiply-add, of x86_64 libm's is called and the code is slow, C is better there; of wasm32 the
product is rounded too. The code is position-independent and calls at most functions of libm, ``memcpy``,
``memset`` and the run-time support of the platform's compilers. Everything else is as for :func:`write_c`.

Raises :class:`EmitError` for what :func:`write_c` raises it for, for a triple that is not known, and for a graph
that has no vector form.

>>> from codegen import from_expressions
>>> from sympy import symbols
>>> a, b = symbols("a b")
>>> with tempfile.TemporaryDirectory() as folder:
...     files = write_object(from_expressions({"e": a * b}, [a, b]), folder, name="product")
...     sorted(file.name for file in files)
['product.h', 'product.o']
"""

function = CFunction
trial = partial(files_of_c.trial, cmake=selftest.cmake_object)


def files(found: CFunction, notes: Sequence[str], code: bytes, triple: str) -> dict[str, str | bytes]:
    said = f"machine code for {triple}; it calls at most libm, memcpy, memset and what compilers there call"
    return {f"{found.name}.h": module.header(found.name, [found], [said, *notes]), f"{found.name}.o": code}
