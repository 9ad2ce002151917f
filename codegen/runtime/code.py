"""From a graph to something that can be called: found on disk, or prepared, emitted and compiled."""

from __future__ import annotations

import ctypes
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol
from weakref import WeakValueDictionary

import numpy as np

from codegen.emit.externals import require, symbols
from codegen.emit.layout import Layout
from codegen.emit.numba import Dtype, emit, emit_fill, emit_kernel
from codegen.errors import EmitError
from codegen.ir.graph import Graph
from codegen.ir.operations import count_operations
from codegen.passes import PassReport, optimise
from codegen.runtime.cache import Entry, entry, key, load
from codegen.runtime.fingerprint import fingerprint
from codegen.runtime.forks import compiled_property, compiling
from codegen.runtime.machine import MachineCode, compile_module, load_object
from codegen.runtime.stages import Stages, stage
from codegen.schedule import ScheduleName, for_few_samples
from codegen.schedule import schedule as scheduled
from codegen.schedule.program import Contract, Loop, Program, Samples

if TYPE_CHECKING:
    from codegen.emit.vector.table import Table

EmitterName = Literal["auto", "vector", "numba"]
STRAIGHT_OPERATIONS = 4000
"""Straight-line code of up to so many operations is vector code too: 3,600 of 300 inputs take 9 s to compile, a third
of what Numba takes; 2,400 of one input, a third of them sines that are written out, 9 s where Numba takes 7."""


@dataclass(frozen=True)
class CFunction:
    """Machine code that compiled code may call: ``int64 fill(words, workspace, results)``.

    ``words`` are a table: for each argument and each array result the address of an array or the bits of a number, then
    the symbolic extents. Scalar results go to ``results``. It returns 0 if an integer is out of its range; that the
    arrays fit, and that results overlap nothing, is the caller's promise.
    """

    address: int
    words: int
    """The words of a table, some more than the caller fills in."""
    workspace: Callable[[int], int]
    """The bytes of the workspace for the table at an address, enough for smaller extents too."""
    held: object
    """What lives as long as the address is good."""


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
        """The jitted ``kernel`` and ``fill``."""

    @property
    def c_function(self) -> CFunction:
        """The code as other compiled code calls it."""

    def with_keyword(self, by_position: Callable[..., Any], otherwise: Callable[..., Any]) -> Callable[..., Any]:
        """``call(*arguments, out=arrays)`` by the shortest way.

        ``by_position`` gets calls without names, and ``otherwise`` those that do not fit.
        """

    def bind(
        self, arguments: Sequence[Any], arrays: Sequence[np.ndarray], otherwise: Callable[[], Any]
    ) -> Callable[[], Any] | None:
        """``call`` on these arguments as a function without any; None if anything is not as the layout says.

        ``otherwise`` is called instead once the contents of integer arrays no longer are.
        """


@dataclass(frozen=True)
class Preparation:
    """What is worked out about a graph on the way to code, each part when it is first needed.

    Its attributes raise :class:`EmitError` for what cannot be compiled as it is wished.
    """

    graph: Graph
    layout: Layout
    dtype: Dtype
    schedule: ScheduleName
    wish: EmitterName
    stages: Stages = field(default_factory=Stages, compare=False, repr=False)

    @property
    @stage("key")
    def key(self) -> str:
        """The name of its code in the cache."""
        slots = [
            [s.name, [v.name for v in s.variables], s.packed] for s in (*self.layout.arguments, *self.layout.results)
        ]
        return key("\n".join([fingerprint(self.graph), self.dtype, self.schedule, self.wish, json.dumps(slots)]))

    @compiled_property
    @stage("passes")
    def optimised(self) -> tuple[Graph, PassReport]:
        """The graph after the passes, and their report."""
        return optimise(self.graph)

    @compiled_property
    @stage("schedule")
    def program(self) -> Program:
        """The scheduled graph."""
        return scheduled(self.optimised[0], self.schedule)

    @compiled_property
    @stage("schedule")
    def table(self) -> Table | None:
        """The plan of vector code, or None where the readable program runs."""
        if self.wish == "numba":
            return None
        from codegen.emit.vector.nodes import unsupported
        from codegen.emit.vector.plan import fits, plan
        from codegen.emit.vector.table import Table

        program = self.program
        missing = next((name for e in program.graph.equations if (name := unsupported(e.body))), None)
        missing = missing or (None if fits(program) else "an equation over pairs of samples")
        suits = missing is None and (self.wish == "vector" or _is_worth(program))
        planned = plan(program, self.dtype) if suits else None
        if planned is not None:
            few = for_few_samples(self.optimised[0], program) if planned.samples_in_lanes else None
            return Table(planned, self.layout, None if few is None else plan(few, self.dtype, few=True))
        if self.wish == "vector":
            what = missing or "an array that holds vectors in one loop and numbers in another"
            raise EmitError(f"{what} has no vector form")
        return None

    @compiled_property
    def source(self) -> str:
        """The readable program."""
        if self.table is None:
            return emit(self.program, self.layout, self.dtype)
        from codegen.emit.vector.module import readable_source

        return readable_source(self.table)

    @compiled_property
    def facts(self) -> Mapping[str, str]:
        """The schedule, the emitter, the numbers in the workspace, and the functions of SciPy that the code calls."""
        if self.table is None:
            emitter, workspace = "numba", self.program.workspace
        else:
            emitter, workspace = "vector", self.table.plan.workspace
        called = " ".join(symbols(self.program.graph))
        return {"schedule": self.program.schedule, "emitter": emitter, "workspace": workspace, "calls": called}

    def build(self) -> Entry:
        """The machine code of vector code; nothing where the readable program runs."""
        if self.table is None:
            return Entry(self.facts, b"")
        from codegen.emit.vector.module import native_module

        with self.stages.stage("write"):
            module = native_module(self.table)
        with self.stages.stage("LLVM"):
            return Entry(self.facts, compile_module(module))


def _is_worth(program: Program) -> bool:
    """Whether vector code has a loop to put in lanes, or little to write out."""
    if any(isinstance(s, (Loop, Samples, Contract)) for s in program.statements):
        return True
    return count_operations(program.graph).total() <= STRAIGHT_OPERATIONS


_loaded: WeakValueDictionary[str, MachineCode] = WeakValueDictionary()
"""The machine code in this process that some function still holds."""


@compiling()
def load_code(preparation: Preparation, cache: bool) -> tuple[Code, Mapping[str, str]]:
    """The code of a graph, and what is known about it; from this process or the cache if it is there."""
    name = preparation.key
    machine_code = _loaded.get(name)
    if machine_code is not None:
        return _VectorCode(preparation, name, machine_code, True, cache), machine_code.facts
    found, hit = entry(name, cache, preparation.build)
    if not found.code:
        return _NumbaCode(preparation, cache), found.facts
    with preparation.stages.stage("load"):
        machine_code = _machine_code(found)
    _loaded[name] = machine_code
    return _VectorCode(preparation, name, machine_code, hit, cache), found.facts


def _machine_code(found: Entry) -> MachineCode:
    from codegen.emit.vector.interface import NAMES, NATIVE

    if found.facts["schedule"] == "blas":
        # The first call would import it otherwise, and nobody could limit its threads before.
        import scipy.linalg.cython_blas  # noqa: F401

        # Numba's target makes the symbols of its BLAS functions known.
        from numba.core.registry import cpu_target

        cpu_target.target_context.refresh()
    require(*found.facts["calls"].split())
    return load_object(found.code, [f"{NATIVE}_{name}" for name in NAMES], found.facts)


class _VectorCode:
    """Vector code: entry points of its own, and a copy for jitted code that is compiled when it is asked for."""

    def __init__(self, preparation: Preparation, name: str, code: Any, hit: bool, cache: bool) -> None:
        from codegen.emit.vector.interface import NATIVE, words
        from codegen.runtime.native import Native

        addresses = {n.removeprefix(f"{NATIVE}_"): address for n, address in code.addresses.items()}
        native = Native(code, addresses, preparation.dtype, len(preparation.graph.extents), preparation.layout)
        self.cache_hit = hit
        self.call = native.call
        self.bind = native.bind
        self.in_threads = native.in_threads
        self.with_keyword = native.with_keyword
        workspace = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(addresses["workspace"])
        count = words(len(preparation.graph.extents), preparation.layout)
        self.c_function = CFunction(addresses["fill"], count, workspace, code)
        self._preparation, self._name, self._cache = preparation, name, cache

    @compiled_property
    def jitted(self) -> Any:
        from codegen.emit.vector import module

        table = self._preparation.table
        assert table is not None
        source, namespace = module.jitted_source(table, self._name), module.jitted_namespace(table, self._name)
        return load(source, self._cache, namespace, ("fill", "kernel")).functions


class _NumbaCode:
    """The readable module, called through Numba's own wrappers; its ``kernel`` is compiled when it is asked for."""

    def __init__(self, preparation: Preparation, cache: bool) -> None:
        layout = preparation.layout
        with preparation.stages.stage("write"):
            source = emit_fill(preparation.program, layout, preparation.dtype)
        with preparation.stages.stage("Numba"):
            loaded = load(source, cache, {}, ("fill",))
        self.cache_hit, self._layout = loaded.cache_hit, layout
        self._preparation, self._cache, self._module = preparation, cache, key(source)
        self._functions, self._fill = loaded.functions, loaded.functions.fill
        slots = [*layout.arguments, *layout.arrays]
        self._integers = [n for n, slot in enumerate(slots) if slot.kind == "integer" and not slot.shape]
        self._arrays = [n for n, slot in enumerate(slots) if slot.shape]

    def call(self, *everything: Any) -> Any:
        # Numba would turn 1.9 into the integer 1.
        if not all(isinstance(everything[n], (int, np.integer)) for n in self._integers if n < len(everything)):
            return False
        # It would ignore the mask of a masked array.
        if not all(type(everything[n]) is np.ndarray for n in self._arrays if n < len(everything)):
            return False
        try:
            scalars = self._fill(*everything)
        except (TypeError, ValueError, AttributeError):
            return False
        values = iter(scalars if isinstance(scalars, tuple) else (scalars,))
        filled = iter(everything[len(self._layout.arguments) :])
        results = tuple([next(filled) if slot.shape else next(values) for slot in self._layout.results])
        return results[0] if len(results) == 1 else results

    @compiled_property
    def jitted(self) -> Any:
        prepared = self._preparation
        source = emit_kernel(prepared.program, self._layout, prepared.dtype, self._module)
        return load(source, self._cache, {"fill": self._fill}, ("fill", "kernel")).functions

    @compiled_property
    def c_function(self) -> CFunction:
        from codegen.emit.c_entry import c_source, pointer
        from codegen.emit.vector.interface import words

        extents = self._preparation.graph.extents
        source = c_source(self._layout, extents, self._preparation.dtype, self._module)
        functions = load(source, self._cache, {"fill": self._fill, "pointer": pointer}, ("run",)).functions
        return CFunction(functions.run.address, words(len(extents), self._layout), lambda _: 0, functions)

    def in_threads(self, threads: int, arguments: Sequence[Any], arrays: Sequence[np.ndarray]) -> Any:
        return self.call(*arguments, *arrays)

    def with_keyword(self, by_position: Callable[..., Any], otherwise: Callable[..., Any]) -> Callable[..., Any]:
        return otherwise

    def bind(
        self, arguments: Sequence[Any], arrays: Sequence[np.ndarray], otherwise: Callable[[], Any]
    ) -> Callable[[], Any] | None:
        everything = (*arguments, *arrays)
        if self.call(*everything) is False:
            return None

        def bound() -> Any:
            results = self.call(*everything)
            return otherwise() if results is False else results

        return bound
