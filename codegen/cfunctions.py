"""Compiled graphs as C functions of any signature: for SciPy's low-level callables, solvers, and C itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ctypes import c_void_p
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from codegen.cached import cached_property
from codegen.compiler import compile
from codegen.errors import EmitError
from codegen.ir.graph import Graph, require_graph
from codegen.runtime.csignature import Signature, dtype_of
from codegen.runtime.forks import compiling
from codegen.runtime.function import CompiledFunction


@dataclass(frozen=True, eq=False)
class CFunc:
    """A C function by its ``address``, which is good as long as this lives. Any thread may call it at any time.

    >>> from codegen import from_expressions
    >>> from sympy import symbols
    >>> x = symbols("x")
    >>> f = cfunc(from_expressions({"f": x**2}, [x]), "double (double x)")
    >>> f.ctypes(3.0)
    9.0
    """

    address: int
    signature: Signature
    function: CompiledFunction
    held: object = field(repr=False)
    structs: Mapping[str, np.dtype[Any]] = field(default_factory=dict)

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

    def with_user_data(self, data: np.ndarray) -> Any:
        """The same with the struct that it is called with: one element of its dtype, read anew at each call.

        Raises :class:`EmitError` for another array than one element of the dtype of the only struct.
        """
        from scipy import LowLevelCallable

        wanted = [*self.structs.values()]
        fits = isinstance(data, np.ndarray) and len(wanted) == 1 and data.dtype == wanted[0] and data.size == 1
        if not fits:
            expected = f"one element of {wanted[0]}" if len(wanted) == 1 else "a function with one struct"
            raise EmitError(f"user_data: found {getattr(data, 'dtype', type(data))}, expected {expected}")
        return LowLevelCallable(self.ctypes, data.ctypes.data_as(c_void_p))


@compiling()
def cfunc(
    graph: Graph,
    signature: str,
    *,
    pack: Mapping[str, str | Sequence[str]] | None = None,
    structs: Mapping[str, Any] | None = None,
    dtype: str = "float64",
) -> CFunc:
    """The graph as a C function of this signature.

    Keep what this gives as long as its ``address`` is used: the code goes with it, and a call to it then crashes.

    A parameter is what has its name: ``double a`` a scalar input, ``double *x`` the address of an input array or of an
    array for a result, C-contiguous, ``int n`` a symbolic length; others are ignored (``void *user_data``), but an
    ``n`` that is neither and stands beside an input array says how many numbers lie there. ``pack`` lays inputs or
    outputs end to end in one array, as for :func:`codegen.compile`. A function that returns ``double`` returns the
    scalar output, which has no parameter; one that returns ``int`` returns 1. If an integer is out of its range, a
    length is negative, fewer numbers lie there than are read or there is no memory to compute in, no scalar is
    written, and they return nan and 0. A result whose address is NULL is not wanted.

    ``structs`` says what a pointer is the address of, ``void *user_data`` or ``Parameters *p``: a dtype of NumPy with
    named fields, as Numba's records and structured arrays have it, or a structure of ctypes. A field is then what has
    its name, as a parameter is: a number, an array of a fixed shape, or the place of a result; others are
    ignored, whatever they are. The address must not be NULL.

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
    >>> from scipy.integrate import quad
    >>> settings = np.dtype([("count", np.int32), ("a", np.float64), ("y", np.float64)], align=True)
    >>> f = cfunc(area, "double (double x, void *user_data)", structs={"user_data": settings})
    >>> round(quad(f.with_user_data(np.array((0, 3.0, 2.0), settings)), 0, 1)[0], 12)  # 3 · 2² · ½
    6.0
    """
    require_graph(graph, EmitError)
    read = Signature.read(signature, structs)
    function = compile(graph, dtype=dtype, pack=pack)
    from codegen.runtime.centry import load_entry  # brings Numba's code generation

    address, loaded = load_entry(read, function)
    dtypes = {name: dtype_of(name, struct) for name, struct in (structs or {}).items()}
    return CFunc(address, read, function, (loaded, function.c_function), dtypes)


__all__ = ["CFunc", "Signature", "cfunc"]
