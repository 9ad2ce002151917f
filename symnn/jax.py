"""Compiled graphs as functions of JAX: under jit, grad, jvp and vmap, of any order, without leaving compiled code.

>>> import codegen
>>> from sympy import symbols, sin
>>> x, a = symbols("x a")
>>> f = function(codegen.from_expressions({"f": sin(a * x)}, [x, a]))
>>> import jax
>>> with jax.enable_x64(True):
...     print(round(float(jax.jit(jax.grad(jax.grad(f)))(0.5, 2.0)), 12), round(-4 * float(jax.numpy.sin(1.0)), 12))
-3.365883939232 -3.365883939232
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from codegen import Graph
from codegen.cached import cached_property
from codegen.dtypes import Dtype, dtype_name
from codegen.runtime.xla import handler
from codegen.walk import is_symbolic
from symnn.derivatives import Differentiable, check_count
from symnn.errors import SymnnError
from symnn.extras import extra

jax = extra("jax", "jax", "JAX")
ad, batching, mlir = (extra(f"jax.interpreters.{name}", "jax", "JAX") for name in ("ad", "batching", "mlir"))

_numbers = count()


def function(graph: Graph, *, dtype: Any = None) -> Callable[..., Any]:
    """The graph as a function of arrays of JAX: its inputs in their order, its outputs, a single one by itself.

    It is called through XLA's foreign-function interface on the CPU, compiled for each dtype and derivative when it is
    first traced. Derivatives of any order and mode are graphs of their own, derived and compiled like all others;
    ``vmap`` calls it for each entry within one call. dtype: float64 where ``jax_enable_x64`` is on, else float32,
    unless given.

    Raises :class:`SymnnError` for arrays of the wrong number or shape, and for integer inputs without 64 bits.
    """
    by_dtype: dict[str, _Call] = {}

    def called(*arguments: Any) -> Any:
        name: Dtype = dtype_name(dtype) if dtype is not None else "float64" if jax.config.jax_enable_x64 else "float32"
        if name not in by_dtype:
            by_dtype[name] = _Call(Differentiable(graph, name))
        found = call.bind(*_checked(by_dtype[name], arguments), program=by_dtype[name])
        return tuple(found) if len(found) > 1 else found[0]

    called.__name__ = called.__qualname__ = f"function of {', '.join(v.name for v in graph.inputs)}"
    return called


@dataclass(frozen=True, eq=False)
class _Call:
    """A function as the primitive calls it. linear: the output and inputs of which function it is the pushforward."""

    function: Differentiable
    linear: tuple[_Call, str, tuple[str, ...]] | None = None

    @cached_property
    def target(self) -> str:
        """The name under which XLA knows it, from the first time on that it is asked for."""
        name = f"symnn_{next(_numbers)}"
        found = handler(self.function.compiled)
        capsule = _capsule(found.address)
        _held.append((found, capsule))  # XLA keeps the address for good
        jax.ffi.register_ffi_target(name, capsule, platform="cpu")
        return name

    @cached_property
    def _derived(self) -> dict[Differentiable, _Call]:
        return {}

    def pushforward(self, of: str, wrt: tuple[str, ...]) -> _Call:
        """That of its function, always the same call: JAX compiles for each anew."""
        function = self.function.pushforward(of, wrt)
        return self._derived.setdefault(function, _Call(function, (self, of, wrt)))

    def pullback(self, of: str, wrt: tuple[str, ...]) -> _Call:
        """That of its function, always the same call."""
        function = self.function.pullback(of, wrt)
        return self._derived.setdefault(function, _Call(function))


_held: list[Any] = []


def _capsule(address: int) -> Any:
    import ctypes

    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
    return new(address, b"xla._CUSTOM_CALL_TARGET", None)


def _checked(program: _Call, arguments: Sequence[Any]) -> list[Any]:
    """The arguments as arrays of the right type, if their shapes fit each other."""
    graph = program.function.graph
    check_count(graph, arguments)
    extents: dict[Any, int] = {}
    found = []
    for variable, given in zip(graph.inputs, arguments):
        array = jax.numpy.asarray(given)
        integer = variable.kind == "integer"
        if integer and not jax.config.jax_enable_x64:
            raise SymnnError(f"{variable.name}: integers have 64 bits, which JAX takes with jax_enable_x64 alone")
        if (array.dtype.kind in "iub") < integer or array.dtype.kind not in "fiub":
            raise SymnnError(f"{variable.name}: found an array of {array.dtype}, expected {variable.kind} numbers")
        expected = tuple(extents.setdefault(n, m) if is_symbolic(n) else n for n, m in zip(variable.shape, array.shape))
        if array.ndim != len(variable.shape) or array.shape != expected or 0 in array.shape:
            shape = ", ".join(map(str, variable.shape))
            raise SymnnError(f"{variable.name}: found an array with shape {array.shape}, expected ({shape})")
        found.append(array.astype(np.int64 if integer else program.function.dtype))
    return found


# --- the primitive and its rules -----------------------------------------------------------------------------------

call = extra("jax.extend.core", "jax", "JAX").Primitive("symnn_call")
call.multiple_results = True


def _shapes(program: _Call, arguments: Sequence[Any]) -> list[Any]:
    """What it gives for arguments of these shapes; axes in front are those of vmap."""
    function = program.function
    front: tuple[int, ...] = ()
    extents: dict[Any, int] = {}
    for variable, argument in zip(function.graph.inputs, arguments):
        axes = len(argument.shape) - len(variable.shape)
        front = tuple(argument.shape[:axes])
        extents |= {n: m for n, m in zip(variable.shape, argument.shape[axes:]) if is_symbolic(n)}
    return [
        jax.ShapeDtypeStruct((*front, *(extents.get(n, n) for n in v.shape)), function.dtype) for v in function.outputs
    ]


@call.def_abstract_eval
def _abstract(*arguments: Any, program: _Call) -> list[Any]:
    return [jax.core.ShapedArray(found.shape, found.dtype) for found in _shapes(program, arguments)]


@call.def_impl
def _run(*arguments: Any, program: _Call) -> Any:
    return jax.jit(lambda *given: call.bind(*given, program=program))(*arguments)


def _lower(context: Any, *arguments: Any, program: _Call) -> Any:
    return jax.ffi.ffi_lowering(program.target)(context, *arguments)


mlir.register_lowering(call, _lower, platform="cpu")


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], *, program: _Call) -> tuple[Any, list[Any]]:
    """Of each output the value, and its tangent by a call that is linear in the tangents."""
    graph = program.function.graph
    moving = [(v.name, t) for v, t in zip(graph.inputs, tangents) if v.kind == "real" and not isinstance(t, ad.Zero)]
    values = call.bind(*primals, program=program)
    names, directions = tuple(name for name, _ in moving), [t for _, t in moving]
    if not names:
        return values, [ad.Zero.from_primal_value(value) for value in values]
    return values, [call.bind(*primals, *directions, program=program.pushforward(of, names))[0] for of in graph.outputs]


ad.primitive_jvps[call] = _jvp


def _transpose(cotangents: Sequence[Any], *arguments: Any, program: _Call) -> list[Any]:
    """Of a pushforward, by the pullback of the same function."""
    assert program.linear is not None
    parent, of, wrt = program.linear
    count = len(parent.function.graph.inputs)
    primals, directions = arguments[:count], arguments[count:]
    wanted = tuple(name for name, d in zip(wrt, directions) if ad.is_undefined_primal(d))
    found: list[Any] = [None] * len(arguments)
    if isinstance(cotangents[0], ad.Zero):
        return found
    results = iter(call.bind(*primals, cotangents[0], program=parent.pullback(of, wanted)))
    for number, direction in enumerate(directions):
        if ad.is_undefined_primal(direction):
            found[count + number] = next(results)
    return found


ad.primitive_transposes[call] = _transpose


def _batch(arguments: Sequence[Any], axes: Sequence[Any], *, program: _Call) -> tuple[Any, list[int]]:
    """The new axis in front of all arguments: the handler goes through it."""
    size = next(x.shape[axis] for x, axis in zip(arguments, axes) if axis is not None)
    moved = [
        jax.numpy.broadcast_to(x, (size, *x.shape)) if axis is None else jax.numpy.moveaxis(x, axis, 0)
        for x, axis in zip(arguments, axes)
    ]
    found = call.bind(*moved, program=program)
    return found, [0] * len(found)


batching.primitive_batchers[call] = _batch
