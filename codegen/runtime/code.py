"""Code that can be called: machine code of our own, or a module that Numba compiles."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import numpy as np

from codegen.dtypes import DTYPES, Dtype
from codegen.emit.externals import require
from codegen.emit.layout import Layout
from codegen.ir.graph import Graph
from codegen.passes import PassReport
from codegen.runtime.arguments import is_rounded
from codegen.runtime.cache import Entry, key, load
from codegen.runtime.forks import compiled_property
from codegen.runtime.machine import MachineCode, load_object
from codegen.runtime.stages import Stages
from codegen.schedule.program import Program

if TYPE_CHECKING:
    from codegen.emit.vector.table import Table


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
    prepare: Callable[[], None] = lambda: None
    """Compiles now what would be at its first use, for callers that cannot wait for the interpreter then."""

    def __reduce__(self) -> NoReturn:
        raise TypeError("an address of machine code is good in its own process only; pickle the compiled function")


class Prepared(Protocol):
    """What is worked out about a graph on the way to code, each part when it is first needed."""

    @property
    def graph(self) -> Graph: ...

    @property
    def layout(self) -> Layout: ...

    @property
    def dtype(self) -> Dtype: ...

    @property
    def stages(self) -> Stages:
        """What each stage took."""

    @property
    def optimised(self) -> tuple[Graph, PassReport]:
        """The graph after the passes, and their report."""

    @property
    def program(self) -> Program:
        """The scheduled graph."""

    @property
    def table(self) -> Table | None:
        """The plan of vector code, or None where the readable program runs."""

    @property
    def source(self) -> str:
        """The readable program."""


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


def load_machine_code(found: Entry, parted: bool) -> MachineCode:
    from codegen.emit.vector.interface import NAMES, NAMES_FOR_THREADS, NATIVE

    if found.facts["schedule"] == "blas":
        # The first call would import it otherwise, and nobody could limit its threads before.
        import scipy.linalg.cython_blas  # noqa: F401

        # Numba's target makes the symbols of its BLAS functions known.
        from numba.core.registry import cpu_target

        cpu_target.target_context.refresh()
    require(*found.facts["calls"].split())
    names = (*NAMES, *NAMES_FOR_THREADS) if parted else NAMES
    return load_object(found.code, [f"{NATIVE}_{name}" for name in names], found.facts)


class VectorCode:
    """Vector code: entry points of its own, and a copy for jitted code that is compiled when it is asked for."""

    def __init__(self, prepared: Prepared, name: str, code: Any, hit: bool, cache: bool) -> None:
        from codegen.emit.vector.interface import NATIVE, words
        from codegen.runtime.native import Native

        addresses = {n.removeprefix(f"{NATIVE}_"): address for n, address in code.addresses.items()}
        native = Native(code, addresses, prepared.dtype, len(prepared.graph.extents), prepared.layout)
        self.cache_hit = hit
        self.call = native.call
        self.bind = native.bind
        self.in_threads = native.in_threads
        self.with_keyword = native.with_keyword
        workspace = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)(addresses["workspace"])
        count = words(len(prepared.graph.extents), prepared.layout)
        prepare = {} if code.later is None else {"prepare": code.later.prepare}
        self.c_function = CFunction(addresses["fill"], count, workspace, code, **prepare)
        self._prepared, self._name, self._cache = prepared, name, cache

    @compiled_property
    def jitted(self) -> Any:
        from codegen.emit.vector import jitted

        table = self._prepared.table
        assert table is not None
        source, namespace = jitted.jitted_source(table, self._name), jitted.jitted_namespace(table, self._name)
        return load(source, self._cache, namespace, ("fill", "kernel")).functions


class NumbaCode:
    """The readable module, called through Numba's own wrappers; its ``kernel`` is compiled when it is asked for."""

    def __init__(self, prepared: Prepared, cache: bool) -> None:
        from codegen.emit.numba import emit_fill

        layout = prepared.layout
        with prepared.stages.stage("write"):
            source = emit_fill(prepared.program, layout, prepared.dtype)
        with prepared.stages.stage("Numba"):
            loaded = load(source, cache, {}, ("fill",))
        self.cache_hit, self._layout = loaded.cache_hit, layout
        self._prepared, self._cache, self._module = prepared, cache, key(source)
        self._functions, self._fill = loaded.functions, loaded.functions.fill
        slots = [*layout.arguments, *layout.arrays]
        self._real = np.dtype(DTYPES[prepared.dtype])
        self._integers = [n for n, slot in enumerate(slots) if slot.kind == "integer" and not slot.shape]
        self._reals = [n for n, slot in enumerate(layout.arguments) if slot.kind != "integer" and not slot.shape]
        self._arrays = [n for n, slot in enumerate(slots) if slot.shape]

    def call(self, *everything: Any) -> Any:
        # Numba would turn 1.9 into the integer 1.
        if not all(isinstance(everything[n], (int, np.integer)) for n in self._integers if n < len(everything)):
            return False
        # What is beyond its range is refused where it is converted.
        if any(
            type(v := everything[n]) is int and is_rounded(v, self._real) for n in self._reals if n < len(everything)
        ):
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
        from codegen.emit.numba import emit_kernel

        prepared = self._prepared
        source = emit_kernel(prepared.program, self._layout, prepared.dtype, self._module)
        return load(source, self._cache, {"fill": self._fill}, ("fill", "kernel")).functions

    @compiled_property
    def c_function(self) -> CFunction:
        from codegen.emit.c_entry import c_source, pointer
        from codegen.emit.vector.interface import words

        extents = self._prepared.graph.extents
        source = c_source(self._layout, extents, self._prepared.dtype, self._module)
        functions = load(source, self._cache, {"fill": self._fill, "pointer": pointer}, ("run",)).functions
        return CFunction(functions.run.address, words(len(extents), self._layout), lambda _: 0, functions)

    def in_threads(self, threads: int, arguments: Sequence[Any], arrays: Sequence[np.ndarray]) -> Any:
        return self.call(*arguments, *arrays)

    def with_keyword(self, by_position: Callable[..., Any], otherwise: Callable[..., Any]) -> Callable[..., Any]:
        return otherwise

    def bind(
        self, arguments: Sequence[Any], arrays: Sequence[np.ndarray], otherwise: Callable[[], Any]
    ) -> Callable[[], Any] | None:
        return None if self.call(*arguments, *arrays) is False else otherwise
