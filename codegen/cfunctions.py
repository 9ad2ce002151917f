"""Compiled graphs as C functions of any signature: for SciPy's low-level callables, solvers, and C itself."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from codegen.cached import cached_property
from codegen.compiler import compile
from codegen.errors import EmitError
from codegen.ir.graph import Graph, require_graph
from codegen.runtime.forks import compiling
from codegen.runtime.function import CompiledFunction

TYPES: Mapping[str, Any] = {
    "void": None,
    "double": ctypes.c_double,
    "float": ctypes.c_float,
    "int": ctypes.c_int,
    "unsigned": ctypes.c_uint,
    "int64_t": ctypes.c_int64,
    "intptr_t": ctypes.c_ssize_t,
    "npy_intp": ctypes.c_ssize_t,
}
"""Python's types for those of C that a signature may have."""
_SIGNATURE = re.compile(r"\s*(\w+)\s*\w*\s*\((.*)\)\s*;?\s*", re.DOTALL)
_PARAMETER = re.compile(r"\s*(?:const\s+)?(\w+)\s*(\*?)\s*(\w+)\s*")


@dataclass(frozen=True)
class Parameter:
    """One parameter of a signature."""

    type: str
    pointer: bool
    name: str


@dataclass(frozen=True)
class Signature:
    """A C function's: the type that it returns, and its parameters.

    >>> Signature.read("double f(int n, const double *x)").parameters[1]
    Parameter(type='double', pointer=True, name='x')
    """

    text: str
    returns: str
    parameters: tuple[Parameter, ...]

    @classmethod
    def read(cls, text: str) -> Signature:
        """Raises :class:`EmitError` for what is no signature of known types."""
        match = _SIGNATURE.fullmatch(text)
        if match is None:
            raise EmitError(f"signature: found {text!r}, expected one as in C: 'double (int n, double *x)'")
        given = [part for part in match[2].split(",") if part.strip() not in ("", "void")]
        found = [(part, _PARAMETER.fullmatch(part)) for part in given]
        for part, parameter in found:
            if parameter is None:
                raise EmitError(f"signature: found the parameter {part.strip()!r}, expected a type and a name")
        parameters = tuple(Parameter(m[1], bool(m[2]), m[3]) for _, m in found if m)
        for kind in (match[1], *(p.type for p in parameters)):
            if kind not in TYPES:
                raise EmitError(f"signature: found the type {kind!r}, expected one of {', '.join(TYPES)}")
        return cls(text, match[1], parameters)

    @property
    def ctypes(self) -> Any:
        """The type of functions of the signature."""

        def of(parameter: Parameter) -> Any:
            found = TYPES[parameter.type]
            if not parameter.pointer:
                return found
            return ctypes.c_void_p if found is None else ctypes.POINTER(found)

        parameters = map(of, self.parameters)
        return ctypes.CFUNCTYPE(TYPES[self.returns], *parameters)


@dataclass(frozen=True, eq=False)
class CFunc:
    """A C function by its ``address``, which is good as long as this lives. Any thread may call it at any time."""

    address: int
    signature: Signature
    function: CompiledFunction
    held: object = field(repr=False)

    @cached_property
    def ctypes(self) -> Any:
        """It as a function of Python's ctypes, which keeps it alive."""
        found = self.signature.ctypes(self.address)
        found.owner = self
        return found

    @property
    def low_level_callable(self) -> Any:
        """It as a ``scipy.LowLevelCallable``."""
        from scipy import LowLevelCallable

        return LowLevelCallable(self.ctypes)


@compiling()
def cfunc(
    graph: Graph, signature: str, *, pack: Mapping[str, str | Sequence[str]] | None = None, dtype: str = "float64"
) -> CFunc:
    """The graph as a C function of this signature.

    A parameter is what has its name: ``double a`` a scalar input, ``double *x`` the address of an input array or of an
    array for a result, C-contiguous, ``int n`` a symbolic length; others are ignored (``void *user_data``). ``pack``
    lays inputs or outputs end to end in one array, as for :func:`codegen.compile`. A function that returns ``double``
    returns the scalar output, which has no parameter; one that returns ``int`` returns 1, and 0 if an integer is out of
    its range. A result whose address is NULL is not wanted.

    =====================================================================  =========================================
    ``double (int n, double *xx)``                                         SciPy's quad, dblquad and nquad
    ``int (double *x, npy_intp n, double *y, void *user_data)``            SciPy's ndimage.generic_filter
    ``void (double t, double *u, double *du, double *p)``                  numbalsoda's lsoda and dop853
    ``double (unsigned n, const double *x, double *grad, void *data)``     NLopt's objectives
    =====================================================================  =========================================

    Raises :class:`EmitError` for a signature that leaves an input, a length or an output without a parameter.

    >>> from codegen import from_expressions
    >>> from scipy.integrate import dblquad
    >>> from sympy import symbols
    >>> x, y, a = symbols("x y a")
    >>> area = from_expressions({"f": a * x * y**2}, [y, x, a])
    >>> f = cfunc(area, "double (int n, double *xx)", pack={"xx": ["y", "x", "a"]})
    >>> round(dblquad(f.low_level_callable, 0, 2, 0, 1, args=(3.0,))[0], 12)  # 3 · ½·2² · ⅓
    2.0
    """
    require_graph(graph, EmitError)
    read = Signature.read(signature)
    function = compile(graph, dtype=dtype, pack=pack)
    from codegen.runtime.centry import load_entry  # brings Numba's code generation

    address, loaded = load_entry(read, function)
    return CFunc(address, read, function, (loaded, function.c_function))


__all__ = ["CFunc", "Signature", "cfunc"]
