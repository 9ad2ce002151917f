"""From a program to something that can be called: which emitter writes it, and how its modules are loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from codegen.emit.layout import Layout
from codegen.emit.numba import Dtype, emit
from codegen.errors import EmitError
from codegen.runtime.cache import load
from codegen.schedule.program import Contract, Loop, Program, Samples

if TYPE_CHECKING:
    from codegen.emit.vector.table import Table

EmitterName = Literal["auto", "vector", "numba"]


class Code(Protocol):
    """Machine code, or what will be compiled when it is first asked for."""

    @property
    def cache_hit(self) -> bool:
        """Whether it came from the cache."""

    @property
    def call(self) -> Callable[..., Any]:
        """``call(*arguments, *arrays)``: the results, or False if anything is not as the layout says."""

    def in_threads(self, threads: int, arguments: Sequence[Any], arrays: Sequence[np.ndarray]) -> Any:
        """As ``call``, with the work shared among threads where it can be."""

    @property
    def jitted(self) -> Any:
        """A module with the jitted ``kernel`` and ``fill``."""

    def bind(self, arguments: Sequence[Any], arrays: Sequence[np.ndarray]) -> Callable[[], Any] | None:
        """``call`` on these arguments as a function without any; None if anything is not as the layout says."""


@dataclass(frozen=True)
class Emitted:
    """What an emitter has written."""

    emitter: str
    source: str
    workspace: str
    load: Callable[[bool], Code]
    """Compile it, or load it from the cache, which the argument allows."""


def emit_code(
    program: Program, layout: Layout, dtype: Dtype, emitter: EmitterName, few: Program | None = None
) -> Emitted:
    """The code of a program, as vectors if that is asked for or worth it; ``few`` is one for few samples.

    Raises :class:`EmitError` for an unknown emitter, and for ``vector`` where there is no vector form.
    """
    if emitter not in ("auto", "vector", "numba"):
        raise EmitError(f"unknown emitter {emitter!r}, expected one of auto, vector, numba")
    if emitter != "numba":
        from codegen.emit.vector.nodes import unsupported
        from codegen.emit.vector.plan import fits

        missing = next((name for e in program.graph.equations if (name := unsupported(e.body))), None)
        # Without a loop there is nothing to put in lanes, and LLVM takes long over thousands of inlined functions.
        worth = emitter == "vector" or any(isinstance(s, (Loop, Samples, Contract)) for s in program.statements)
        if missing is None and worth and fits(program) and (emitted := _vector(program, few, layout, dtype)):
            return emitted
        if emitter == "vector":
            what = missing or "an equation over pairs of samples, or the derivative of a maximum,"
            raise EmitError(f"{what} has no vector form")
    source = emit(program, layout, dtype)
    return Emitted("numba", source, program.workspace, lambda cache: _NumbaCode(source, layout, cache))


def _vector(program: Program, few: Program | None, layout: Layout, dtype: Dtype) -> Emitted | None:
    """Vector code, or None if the storage of the program does not suit lanes."""
    from codegen.emit.vector import module
    from codegen.emit.vector.plan import plan
    from codegen.emit.vector.table import Table

    if (planned := plan(program, dtype)) is None:
        return None
    table = Table(planned, layout, None if few is None else plan(few, dtype, few=True))
    source = module.native_source(table)

    def native(cache: bool) -> Code:
        return _VectorCode(
            loaded := load(source, cache, module.native_namespace(table, source)),
            _native(loaded.module, module.symbol_of(source), dtype, table.words),
            lambda: _jitted(table, source, cache),
        )

    return Emitted("vector", source, planned.workspace, native)


def _native(module: Any, symbol: str, dtype: Dtype, words: int) -> Any:
    from codegen.emit.vector.entry import NAMES
    from codegen.runtime.native import Native

    (compiled,) = module.run.overloads.values()
    return Native({n: compiled.library.get_pointer_to_function(f"{symbol}_{n}") for n in NAMES}, dtype, words)


def _jitted(table: Table, native_source: str, cache: bool) -> Any:
    from codegen.emit.vector import module

    source = module.jitted_source(table, native_source)
    return load(source, cache, module.jitted_namespace(table, source)).module


class _VectorCode:
    """Vector code: entry points of its own, and a copy for jitted code that is compiled when it is asked for."""

    def __init__(self, loaded: Any, native: Any, jitted: Callable[[], Any]) -> None:
        self.cache_hit = loaded.cache_hit
        self.call = native.call
        self.bind = native.bind
        self.in_threads = native.in_threads
        self._module = loaded.module
        self._compile_jitted = jitted

    @cached_property
    def jitted(self) -> Any:
        return self._compile_jitted()


class _NumbaCode:
    """The readable module, called through Numba's own wrappers."""

    def __init__(self, source: str, layout: Layout, cache: bool) -> None:
        loaded = load(source, cache, {})
        self.cache_hit, self.jitted, self._layout = loaded.cache_hit, loaded.module, layout
        self._fill = loaded.module.fill
        self._integers = [n for n, slot in enumerate(layout.arguments) if slot.kind == "integer" and not slot.shape]

    def call(self, *everything: Any) -> Any:
        # Numba would turn 1.9 into the integer 1.
        if not all(isinstance(everything[n], (int, np.integer)) for n in self._integers if n < len(everything)):
            return False
        try:
            scalars = self._fill(*everything)
        except (TypeError, ValueError, AttributeError):
            return False
        values = iter(scalars if isinstance(scalars, tuple) else (scalars,))
        filled = iter(everything[len(self._layout.arguments) :])
        results = tuple([next(filled) if slot.shape else next(values) for slot in self._layout.results])
        return results[0] if len(results) == 1 else results

    def in_threads(self, threads: int, arguments: Sequence[Any], arrays: Sequence[np.ndarray]) -> Any:
        return self.call(*arguments, *arrays)

    def bind(self, arguments: Sequence[Any], arrays: Sequence[np.ndarray]) -> Callable[[], Any] | None:
        everything = (*arguments, *arrays)
        return None if self.call(*everything) is False else lambda: self.call(*everything)
