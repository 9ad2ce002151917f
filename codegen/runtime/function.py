"""A compiled graph: checked calls from Python, kernels for a user's own jitted code, and a report."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from codegen.emit.layout import Layout, Slot, layout
from codegen.emit.numba import Dtype, emit
from codegen.errors import EmitError
from codegen.graph import Graph
from codegen.passes import PassReport, optimise
from codegen.runtime.cache import load
from codegen.schedule import ScheduleName
from codegen.schedule import schedule as scheduled
from codegen.schedule.program import Program

EmitterName = Literal["auto", "vector", "numba"]

DTYPES: Mapping[str, type[np.generic]] = {"float64": np.float64, "float32": np.float32}


@dataclass(frozen=True)
class CompileReport:
    """What was compiled and what it took."""

    schedule: str
    emitter: str
    dtype: str
    passes: PassReport
    workspace: str
    """Elements of scratch memory that a call allocates, as a formula of the symbolic extents."""
    generate_seconds: float
    """Passes, scheduling and source text."""
    compile_seconds: float
    """Machine code: compiled, or loaded from the cache."""
    cache_hit: bool

    def __str__(self) -> str:
        origin = "loaded from the cache" if self.cache_hit else "compiled"
        return (
            f"schedule {self.schedule}, {self.emitter} code, {self.dtype}, workspace {self.workspace} elements\n"
            f"generated in {self.generate_seconds * 1e3:.0f} ms, {origin} in {self.compile_seconds * 1e3:.0f} ms\n"
            f"operations for one sample, after each pass:\n{self.passes}"
        )


class CompiledFunction:
    """A graph as machine code.

    Calling it checks the arguments and returns the results in the order of the graph's outputs: scalars as numbers,
    arrays newly allocated, a single result by itself. ``out`` takes one array for each array result, to be filled and
    returned instead. Wrong arguments raise ``TypeError`` or ``ValueError`` that say which, what was found and what was
    expected. Calls release the GIL, share no state, and may run in several threads at once.
    """

    def __init__(self, module: Any, source: str, layout: Layout, report: CompileReport) -> None:
        self.kernel: Callable[..., Any] = module.kernel
        """The jitted function with the same arguments as a call, for use in jitted code."""
        self.fill: Callable[..., Any] = module.fill
        """Jitted: the arguments, then an array for each array result; returns the scalar results."""
        self.source = source
        self.layout = layout
        self._has_integer = any(slot.kind == "integer" and not slot.shape for slot in layout.arguments)
        self._is_array = tuple(bool(slot.shape) for slot in layout.results)
        self.report = report

    def __call__(self, *arguments: Any, out: np.ndarray | Sequence[np.ndarray] | None = None) -> Any:
        if self._has_integer:
            # Numba would turn 1.9 into the integer 1.
            self._check(arguments)
        if out is None:
            try:
                return self.kernel(*arguments)
            except (TypeError, ValueError, AttributeError):
                self._check(arguments)
                raise
        arrays = (out,) if isinstance(out, np.ndarray) else tuple(out)
        try:
            scalars = self.fill(*arguments, *arrays)
        except (TypeError, ValueError, AttributeError):
            self._check(arguments)
            self._check_out(arguments, arrays)
            raise
        return self._assemble(scalars, arrays)

    def _assemble(self, scalars: Any, arrays: Sequence[np.ndarray]) -> Any:
        values = iter(scalars if isinstance(scalars, tuple) else (scalars,))
        filled = iter(arrays)
        results = tuple([next(filled) if is_array else next(values) for is_array in self._is_array])
        return results[0] if len(results) == 1 else results

    def _check(self, arguments: Sequence[Any]) -> None:
        """Raise the error that says what is wrong with the arguments, if anything is."""
        slots = self.layout.arguments
        if len(arguments) != len(slots):
            names = ", ".join(slot.name for slot in slots)
            raise TypeError(f"expected {len(slots)} arguments ({names}), found {len(arguments)}")
        extents: dict[Any, tuple[int, str]] = {}
        for slot, value in zip(slots, arguments):
            self._check_array(slot, value, extents)

    def _check_out(self, arguments: Sequence[Any], arrays: Sequence[Any]) -> None:
        slots = self.layout.arrays
        if len(arrays) != len(slots):
            names = ", ".join(slot.name for slot in slots)
            raise TypeError(f"out needs {len(slots)} arrays ({names}), found {len(arrays)}")
        for slot, array in zip(slots, arrays):
            if not isinstance(array, np.ndarray) or not array.flags.writeable:
                raise TypeError(f"out for {slot.name!r} must be a writable numpy array, found {_describe(array)}")
            for argument in arguments:
                if isinstance(argument, np.ndarray) and np.may_share_memory(array, argument):
                    raise ValueError(f"out for {slot.name!r} shares memory with an argument")
        for n, array in enumerate(arrays):
            if any(np.may_share_memory(array, other) for other in arrays[:n]):
                raise ValueError(f"out for {slots[n].name!r} shares memory with another out array")
        extents: dict[Any, tuple[int, str]] = {}
        for slot, value in [*zip(self.layout.arguments, arguments), *zip(slots, arrays)]:
            self._check_array(slot, value, extents)

    def _check_array(self, slot: Slot, value: Any, extents: dict[Any, tuple[int, str]]) -> None:
        wanted = np.dtype(np.int64 if slot.kind == "integer" else DTYPES[self.report.dtype])
        if not slot.shape:
            if not isinstance(value, (int, float, np.integer, np.floating)) or (
                slot.kind == "integer" and not isinstance(value, (int, np.integer))
            ):
                raise TypeError(f"{slot.name!r} must be a number ({wanted}), found {_describe(value)}")
            return
        if not isinstance(value, np.ndarray):
            raise TypeError(f"{slot.name!r} must be a numpy array of {wanted}, found {_describe(value)}")
        if value.dtype != wanted:
            raise TypeError(f"{slot.name!r} must have dtype {wanted}, found {value.dtype}")
        if value.ndim != len(slot.shape):
            raise ValueError(f"{slot.name!r} must have shape {_shape(slot)}, found {value.shape}")
        if not (value.flags.c_contiguous and value.flags.aligned):
            raise ValueError(f"{slot.name!r} must be C-contiguous and aligned; use numpy.ascontiguousarray")
        limit = slot.variables[0].below
        if limit is not None and value.size and (value.min() < 0 or value.max() >= limit):
            worst = value.min() if value.min() < 0 else value.max()
            raise ValueError(f"{slot.name!r} must hold integers from 0 to {limit - 1}, found {worst}")
        for found, expected in zip(value.shape, slot.shape):
            if isinstance(expected, int):
                if found != expected:
                    raise ValueError(f"{slot.name!r} must have shape {_shape(slot)}, found {value.shape}")
            elif found < 1:
                wanted_shape = f"{_shape(slot)} with {expected} ≥ 1"
                raise ValueError(f"{slot.name!r} must have shape {wanted_shape}, found {value.shape}")
            else:
                first, owner = extents.setdefault(expected, (found, slot.name))
                if first != found:
                    raise ValueError(
                        f"{slot.name!r} has {expected} = {found} by its shape {value.shape}, "
                        f"but {owner!r} has {expected} = {first}"
                    )

    def __repr__(self) -> str:
        arguments = ", ".join(slot.name for slot in self.layout.arguments)
        results = ", ".join(slot.name for slot in self.layout.results)
        return f"<CompiledFunction ({arguments}) -> ({results}), {self.report.schedule}, {self.report.dtype}>"


def _shape(slot: Slot) -> str:
    return f"({', '.join(map(str, slot.shape))}{',' if len(slot.shape) == 1 else ''})"


def _describe(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} with shape {value.shape}{'' if value.flags.writeable else ', read-only'}"
    return f"a {type(value).__name__}"


@dataclass(frozen=True)
class _Emitted:
    """A generated module: which emitter wrote it, its text, its workspace, and what it expects to find."""

    emitter: str
    source: str
    workspace: str
    namespace: Mapping[str, Any]


def _emit(program: Program, convention: Layout, dtype: Dtype, emitter: EmitterName) -> _Emitted:
    """The module of a program, as vectors if that is asked for or worth it."""
    if emitter not in ("auto", "vector", "numba"):
        raise EmitError(f"unknown emitter {emitter!r}, expected one of auto, vector, numba")
    if emitter != "numba":
        from codegen.emit.vector.module import emit_vector, segments
        from codegen.emit.vector.nodes import unsupported
        from codegen.emit.vector.plan import fits, lanes, plan

        missing = next((name for e in program.graph.equations if (name := unsupported(e.body))), None)
        planned = plan(program, dtype, lanes(program, dtype))
        # Without a loop there is nothing to put in lanes, and LLVM takes long over thousands of inlined functions.
        worth = emitter == "vector" or bool(planned.vector_loops)
        if missing is None and worth and fits(planned):
            source = emit_vector(planned, convention)
            return _Emitted("vector", source, planned.workspace, segments(planned, convention))
        if emitter == "vector":
            what = missing or "an equation over pairs of samples, or the derivative of a maximum,"
            raise EmitError(f"{what} has no vector form")
    return _Emitted("numba", emit(program, convention, dtype), program.workspace, {})


def compile(
    graph: Graph,
    *,
    dtype: Dtype = "float64",
    schedule: ScheduleName = "auto",
    emitter: EmitterName = "auto",
    cache: bool = True,
    pack: Mapping[str, Sequence[str]] | None = None,
) -> CompiledFunction:
    """Compile a graph to a function of its inputs that returns its outputs.

    ``schedule`` is how: ``unrolled`` (straight-line code), ``loops`` (fused loops), ``blas`` (whole-batch matrix
    products, fused loops between them), or ``auto``, chosen by size. ``emitter`` is the code: ``vector`` (explicit
    SIMD), ``numba`` (the readable program itself), or ``auto``, vector wherever there is a loop and every function has
    a vector form. ``pack`` maps names to lists of inputs (or outputs) that are passed as one flat array, laid end to
    end in that order. Real arrays have the ``dtype``, integer ones are int64, all C-contiguous.

    Raises :class:`EmitError` for an unknown dtype, schedule or emitter, a bad pack, or a function that has no
    translation.

    >>> from codegen import from_expressions, gradient
    >>> from sympy import symbols
    >>> a, b = symbols("a b")
    >>> f = compile(gradient(from_expressions({"e": (a + b) * (b + 1)}, [a, b]), "e"))
    >>> f(2.0, 1.0)
    (6.0, 2.0, 5.0)
    """
    if dtype not in DTYPES:
        raise EmitError(f"unknown dtype {dtype!r}, expected one of {', '.join(DTYPES)}")
    started = time.perf_counter()
    optimised, passes = optimise(graph)
    convention = layout(optimised, pack or {})
    program = scheduled(optimised, schedule)
    emitted = _emit(program, convention, dtype, emitter)
    generated = time.perf_counter()
    loaded = load(emitted.source, cache, emitted.namespace)
    finished = time.perf_counter()
    report = CompileReport(
        schedule=program.schedule,
        emitter=emitted.emitter,
        dtype=dtype,
        passes=passes,
        workspace=emitted.workspace,
        generate_seconds=generated - started,
        compile_seconds=finished - generated,
        cache_hit=loaded.cache_hit,
    )
    return CompiledFunction(loaded.module, emitted.source, convention, report)
