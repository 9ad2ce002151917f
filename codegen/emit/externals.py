"""How generated code calls special functions: by which name, and which C functions of SciPy that takes.

One row a function, which both kinds of code use: vector code in its lanes, and the readable module, which calls it by
name, in one. What a row stands for is in :mod:`~codegen.emit.special_forms`: code of our own, or a C function of SciPy
in each lane. SciPy has these as pointers into a library that lies elsewhere in every process, so machine code refers to
them by a name, and :func:`require` makes the names known before the code is loaded. Everything is computed in float64
and rounded to the type of the arguments.

``scipy.special.cython_special`` differs from mpmath by at most so much of max(1, |value|) (swept at random): besselj
and bessely 8e-14 up to 10⁶, besseli and besselk 5e-14 up to 700, expint, Ei, Si, Ci and erfinv 2e-15, the incomplete
gamma functions 2e-13 for a ≤ 170, beta and binomial 1e-12 while their arguments add up to less than 500; beyond, these
lose digits (1.7e-11 at beta(8000, 0.007)).
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sympy
from sympy import Expr, Integer
from sympy.core.basic import Basic

from codegen.errors import EmitError
from codegen.functions import operation, special
from codegen.ir.graph import Graph
from codegen.walk import postorder


def operands(node: Expr) -> tuple[tuple[int, ...], tuple[Expr, ...]]:
    """The order of a special function, where it has a whole one, and what else it is called with."""
    family = type(node) in special.ORDERS or isinstance(node, special.Bessel)
    if family and isinstance(node.args[0], Integer):
        return (int(node.args[0]),), node.args[1:]
    return (), node.args


def symbols(graph: Graph) -> tuple[str, ...]:
    """The functions of SciPy that code of a graph calls, in order of their names."""
    return called_by(_special(graph))


def called_by(kinds: Iterable[type[Basic]]) -> tuple[str, ...]:
    """The functions of SciPy that code of these operations calls, in order of their names."""
    return tuple(sorted({name for kind in kinds for name in operation(kind).calls or ()}))


def uses_special(graph: Graph) -> bool:
    """Whether readable code of a graph calls a function of :mod:`~codegen.emit.special`; Γ is one of Python's."""
    return bool(_special(graph) - {sympy.gamma})


def _special(graph: Graph) -> set[type[Basic]]:
    """The special functions in a graph."""
    nodes = (node for equation in graph.equations for node in postorder(equation.body))
    return {type(node) for node in nodes if operation(type(node)).calls is not None and not node.is_number}


# --- functions of SciPy -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class External:
    """A C function of ``scipy.special.cython_special`` of so many numbers; one with outputs writes them to pointers."""

    arguments: int = 1
    outputs: int = 0

    @property
    def signature(self) -> str:
        """As Cython writes it."""
        numbers = ["double"] * self.arguments
        if self.outputs:
            return f"void ({', '.join([*numbers, *['double *'] * self.outputs])})"
        return f"double ({', '.join([*numbers, 'int __pyx_skip_dispatch'])})"


EXTERNALS: Mapping[str, External] = {
    **{
        name: External()
        for name in (
            *("j0", "j1", "y0", "y1", "i0", "i1", "k0", "k1", "i0e", "i1e"),
            *("expi", "erfi", "erfinv", "erfcinv"),
        )
    },
    **{name: External(2) for name in ("jv", "yv", "iv", "ive", "kv", "expn", "gammainc", "gammaincc", "beta", "binom")},
    "sici": External(1, outputs=2),
    "shichi": External(1, outputs=2),
    "fresnel": External(1, outputs=2),
    "airy": External(1, outputs=4),
}
"""Every function of SciPy that is called."""
LINEAR = ("getrf", "getrs", "potrf", "potrs", "trsm")
"""Functions of LAPACK and BLAS that are called, each for two types."""


def symbol(name: str) -> str:
    """The name by which machine code calls a function of SciPy."""
    return f"symnn_scipy_{name}"


def require(*names: str) -> None:
    """Make functions of SciPy known to machine code that is about to be loaded.

    Raises :class:`EmitError` for one that this version of SciPy does not have.
    """
    if not names:
        return
    from llvmlite import binding

    for name in names:
        binding.add_symbol(symbol(name), _address(name))


def _signature(capsule: Any) -> bytes:
    """What a pointer of Cython's says that it points to."""
    name_of = ctypes.pythonapi.PyCapsule_GetName
    name_of.restype, name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
    found: bytes = name_of(capsule)
    return found


def _pointer(capsule: Any) -> int:
    pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
    pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(pointer_of(capsule, _signature(capsule)))


@lru_cache(maxsize=64)
def _address(name: str) -> int:
    """Where a function lies in this process; of those for several types the one for float64."""
    import scipy

    if name[1:] in LINEAR:
        from scipy.linalg import cython_blas, cython_lapack

        found = cython_lapack.__pyx_capi__.get(name) or cython_blas.__pyx_capi__[name]
        return _pointer(found)
    from scipy.special import cython_special  # 0.2 s to import, and few graphs need it

    wanted = EXTERNALS[name].signature if name in EXTERNALS else ""
    for key, capsule in cython_special.__pyx_capi__.items():
        if re.fullmatch(rf"(__pyx_fuse_[\d_]+)?{name}", key) and _signature(capsule).decode() == wanted:
            return _pointer(capsule)
    raise EmitError(f"SciPy {scipy.__version__} has no C function {name!r}, which this code calls")
