"""From a graph to a function, stage by stage, each timed.

1. key: everything that shapes the code has a name; code of that name in this process or in the cache is loaded.
2. passes: the graph with the same values, computed stably and with fewer operations.
3. schedule: loops, tiles and products over named storage, and how each of the loops runs.
4. write: the program as instructions, or as the readable module.
5. LLVM: machine code, which the cache keeps; readable code is compiled by Numba.
6. load: the addresses of its entry points, behind a function that checks what it is given.

For up to three samples networks have code of their own, which is written and compiled when one is first called with
so few. Functions that several threads may share have entry points more, and code of their own.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakValueDictionary

from numpy.typing import DTypeLike

from codegen.dtypes import Dtype, dtype_name
from codegen.emit.externals import called_by, symbols
from codegen.emit.layout import Layout, layout
from codegen.errors import EmitError, ReadableCodeWarning, of_type
from codegen.ir.graph import Graph, require_graph
from codegen.passes import PassReport, optimise
from codegen.passes.straight import heads, is_large
from codegen.runtime.cache import Entry, entry, key
from codegen.runtime.code import Code, NumbaCode, VectorCode, load_machine_code
from codegen.runtime.fingerprint import fingerprint
from codegen.runtime.forks import compiled_property, compiling
from codegen.runtime.function import CompiledFunction, CompileReport
from codegen.runtime.machine import LINE_TIERS, TIERS, MachineCode, feasible, host, load_object
from codegen.runtime.stages import Stages, stage
from codegen.schedule import SCHEDULES, ScheduleName, Target, written_out
from codegen.schedule import schedule as scheduled
from codegen.schedule.checkpoint import Checkpoint, checkpoint_of, checkpointed
from codegen.schedule.lanes import in_turn
from codegen.schedule.program import Program
from codegen.uncollected import uncollected

if TYPE_CHECKING:
    from codegen.emit.vector.plan import StraightPlan
    from codegen.emit.vector.table import Table

EmitterName = Literal["auto", "vector", "numba"]
TierName = Literal["full", "light", "quick"]
QUICK_INSTRUCTIONS = 30_000
"""Straight lines of more instructions are compiled in the quick tier: LLVM takes 20 µs for one instead of 90."""


@dataclass(frozen=True)
class Compilation:
    """What is worked out about a graph on the way to code, each part when it is first needed.

    Its attributes raise :class:`EmitError` for what cannot be compiled as it is wished.
    """

    graph: Graph
    layout: Layout
    dtype: Dtype
    schedule: ScheduleName
    wish: EmitterName
    tier: TierName = "full"
    target: Target = field(default_factory=host)
    checkpoint: Checkpoint = None
    parted: bool = False
    """Whether several threads may share a call."""
    stages: Stages = field(default_factory=Stages, compare=False, repr=False)

    @property
    @stage("key")
    def key(self) -> str:
        """The name of its code in the cache."""
        slots = [
            [s.name, [v.name for v in s.variables], s.packed] for s in (*self.layout.arguments, *self.layout.results)
        ]
        wished = [self.dtype, self.schedule, self.wish, self.tier, repr(self.target)]
        if self.checkpoint is not None:
            wished.append(f"checkpoint {self.checkpoint}")
        if self.parted:
            wished.append("parted")
        return key("\n".join([fingerprint(self.graph), *wished, json.dumps(slots)]))

    @compiled_property
    @stage("passes")
    def optimised(self) -> tuple[Graph, PassReport]:
        """The graph after the passes, and their report."""
        return optimise(self.graph)

    @compiled_property
    @stage("schedule")
    def decided(self) -> tuple[Program, str | None]:
        """The scheduled graph, and what in it no vector code is known for."""
        best = self.optimised[0]
        if self.wish == "numba":
            found = scheduled(best, self.schedule, replace(self.target, vectors=False), self.dtype)
            return checkpointed(found, self.checkpoint), None
        from codegen.emit.vector.nodes import obstacle

        found = checkpointed(scheduled(best, self.schedule, self.target, self.dtype), self.checkpoint)
        reason = obstacle(found)
        return (found if reason is None else in_turn(found)), reason

    @property
    def program(self) -> Program:
        """The scheduled graph."""
        return self.decided[0]

    @compiled_property
    def straight(self) -> StraightPlan | None:
        """The plan of a large formula without loops; None for any other graph."""
        if self.wish == "numba":
            return None
        best, _ = self.optimised
        if self.schedule == "unrolled" and not best.extents:
            best = written_out(best)
        if self.schedule in ("tiled", "blas") or not is_large(best):
            return None
        from codegen.emit.vector.plan import StraightPlan
        from codegen.emit.vector.straight import missing

        return None if missing(heads(best)) else StraightPlan(best, self.dtype, self.target, self.layout)

    @compiled_property
    @stage("schedule")
    def table(self) -> Table | None:
        """The plan of vector code, or None where the readable program runs."""
        if self.wish == "numba":
            return None
        from codegen.emit.vector.table import Table, table

        if (straight := self.straight) is not None:
            return Table(straight, self.layout)
        program, obstacle = self.decided
        if obstacle is None:
            return table(program, self.layout)
        if self.wish == "vector":
            raise EmitError(f"{obstacle} has no vector form")
        return None

    @compiled_property
    def source(self) -> str:
        """The readable program."""
        if self.table is None:
            from codegen.emit.numba import emit

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
        if self.straight is not None:
            called, schedule = " ".join(called_by(heads(self.straight.graph))), "unrolled"
        else:
            called, schedule = " ".join([*symbols(self.program.graph), *self.library]), self.program.schedule
        found = {"schedule": schedule, "emitter": emitter, "workspace": workspace, "calls": called}
        if self.table is not None and self.table.few is not None:
            found["few"] = "later"
        if self.table is None and self.wish == "auto":
            found["reason"] = str(self.decided[1])
        return found

    @property
    def library(self) -> list[str]:
        """The functions of LAPACK that vector code calls."""
        if self.table is None:
            return []
        from codegen.emit.vector.routines import lapack_names

        return lapack_names(self.program)

    def build(self) -> Entry:
        """The machine code of vector code; nothing where the readable program runs."""
        if self.table is None:
            return Entry(self.facts, b"")
        from codegen.emit.vector.module import native_module

        return self._written(partial(native_module, parted=self.parted))

    def build_few(self) -> Entry:
        """The machine code for few samples, of a program that has some of its own."""
        from codegen.emit.vector.module import few_module

        return self._written(few_module)

    def _written(self, write: Callable[[Table], str]) -> Entry:
        assert self.table is not None
        with self.stages.stage("write"):
            module = write(self.table)
        with self.stages.stage("LLVM"):
            if self.straight is None:
                return Entry(self.facts, TIERS[self.tier](module))
            long = self.straight.assembly is None and len(self.straight.line.groups) > QUICK_INSTRUCTIONS
            return Entry(self.facts, LINE_TIERS["quick" if long else self.tier](module))


_loaded: WeakValueDictionary[str, MachineCode] = WeakValueDictionary()
"""The machine code in this process that some function still holds."""


@compiling()
@uncollected()
def load_code(compilation: Compilation, cache: bool) -> tuple[Code, Mapping[str, str]]:
    """The code of a graph, and what is known about it; from this process or the cache if it is there."""
    name = compilation.key
    machine_code = _loaded.get(name)
    if machine_code is not None:
        return VectorCode(compilation, name, machine_code, True, cache), machine_code.facts
    found, hit = entry(name, cache, compilation.build)
    if not found.code:
        return NumbaCode(compilation, cache), found.facts
    with compilation.stages.stage("load"):
        machine_code = load_machine_code(found, compilation.parted)
    if "few" in found.facts:
        from codegen.runtime.later import Later

        machine_code.later = Later(machine_code, partial(_few_code, compilation, name, cache))
    _loaded[name] = machine_code
    return VectorCode(compilation, name, machine_code, hit, cache), found.facts


def _few_code(compilation: Compilation, name: str, cache: bool) -> MachineCode:
    """The code for few samples of the code of this name."""
    from codegen.emit.vector.interface import FEW_RUN

    found, _ = entry(key(f"few samples of {name}"), cache, compilation.build_few)
    return load_object(found.code, [FEW_RUN], found.facts)


def compile(
    graph: Graph,
    *,
    dtype: DTypeLike = "float64",
    schedule: ScheduleName = "auto",
    emitter: EmitterName = "auto",
    tier: TierName = "full",
    cache: bool = True,
    threads: int = 1,
    pack: Mapping[str, str | Sequence[str]] | None = None,
    target: Target | None = None,
    checkpoint: Checkpoint = None,
) -> CompiledFunction:
    """Compile a graph to a function of its inputs that returns its outputs.

    ``schedule`` is how: ``unrolled`` (straight-line code), ``loops`` (fused loops), ``tiled`` (tiles of samples go
    through the whole graph, with matrix kernels), ``blas`` (whole-batch matrix products, fused loops between them), or
    ``auto``, the one that costs least. ``emitter`` is the code: ``vector`` (explicit SIMD), ``numba`` (the readable
    program itself), or ``auto``, vector wherever every function has a vector form; a :class:`ReadableCodeWarning` says
    what has none. ``tier`` is how much time LLVM may take, for the same bits: ``light`` leaves out half of its passes,
    ``quick`` leaves the code as it is written. ``threads`` may work at one call, on chunks of samples;
    the results are the same to the bit for any number. Where up to three samples
    have code of their own, the first call with so few compiles it. ``pack`` maps names to lists
    of inputs (or outputs) that are passed as one flat array, laid end to end in that order. ``target`` are the sizes of
    registers and caches to decide for, if not this machine's; the instructions are. ``checkpoint`` is for recurrences
    whose way back reads what all of their steps compute: of that only every so-manieth step is kept (or ``"sqrt"``: as
    many as the square root of all), the rest is computed again from there, for the same bits. Outputs, and what is read
    at all steps by something else than loops over them, are kept; graphs without such recurrences are as without it.
    Real arrays have the ``dtype`` (``"float64"`` or ``"float32"``, or NumPy's), integer ones are int64, all
    C-contiguous.

    Raises :class:`EmitError` for an unknown dtype, schedule, emitter or tier, a bad pack, a function that has no
    translation, or a recurrence of which nothing can be computed again.

    >>> from codegen import from_expressions, gradient
    >>> from sympy import symbols
    >>> a, b = symbols("a b")
    >>> f = compile(gradient(from_expressions({"e": (a + b) * (b + 1)}, [a, b]), "e"))
    >>> f(2.0, 1.0)
    (6.0, 2.0, 5.0)
    """
    require_graph(graph, EmitError)
    if pack is not None and not isinstance(pack, Mapping):
        raise EmitError(f"pack: found {of_type(pack)}, expected a mapping of names to lists of names")
    real = dtype_name(dtype)
    if type(threads) is not int or threads < 1:
        raise EmitError(f"threads: found {threads!r}, expected a whole number of at least 1")
    if schedule not in ("auto", *SCHEDULES):
        raise EmitError(f"unknown schedule {schedule!r}, expected one of auto, {', '.join(SCHEDULES)}")
    if emitter not in ("auto", "vector", "numba"):
        raise EmitError(f"unknown emitter {emitter!r}, expected one of auto, vector, numba")
    if tier not in TIERS:
        raise EmitError(f"unknown tier {tier!r}, expected one of {', '.join(TIERS)}")
    if target is not None and not isinstance(target, Target):
        raise EmitError(f"target: found {of_type(target)}, expected a codegen.Target")
    wish = checkpoint_of(checkpoint)
    started = time.perf_counter()
    members = {name: [held] if isinstance(held, str) else held for name, held in (pack or {}).items()}
    convention = layout(graph, members)
    machine = host() if target is None else feasible(target)
    compilation = Compilation(graph, convention, real, schedule, emitter, tier, machine, wish, threads > 1)
    code, facts = load_code(compilation, cache)
    reason = str(facts.get("reason", ""))
    if reason:
        said = f"{reason} has no vector form: this graph runs as readable code, which Numba compiles"
        warnings.warn(said, ReadableCodeWarning, stacklevel=2)
    report = CompileReport(
        schedule=facts["schedule"],
        emitter=facts["emitter"],
        dtype=real,
        workspace=facts["workspace"],
        seconds=time.perf_counter() - started,
        cache_hit=code.cache_hit,
        compilation=compilation,
        reason=reason,
        stages=compilation.stages.taken,
    )
    options: dict[str, Any] = {
        "dtype": real, "schedule": schedule, "emitter": emitter, "tier": tier, "cache": cache, "target": target,
        "checkpoint": wish,
    }  # fmt: skip
    again = partial(compile, graph, **options, threads=threads, pack=None if pack is None else dict(pack))
    return CompiledFunction(code, convention, report, threads, again)
