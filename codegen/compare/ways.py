"""Ways to compute a derivative: the evaluator before and after the passes, the unrolled graph, emitters, schedules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.compiler import EmitterName, compile
from codegen.dtypes import DTYPES, Dtype
from codegen.emit.numpy import numpy_function
from codegen.ir.graph import Graph
from codegen.numeric import evaluate
from codegen.passes import optimise
from codegen.schedule import SCHEDULES, ScheduleName

Array = NDArray[Any]
Values = Mapping[str, Array]

Way = Callable[[Graph, Values, Dtype], list[Array]]
"""The outputs of a graph. Raises :class:`~codegen.errors.EmitError` for a graph that it refuses."""


def arguments(graph: Graph, values: Values, dtype: Dtype) -> list[Any]:
    """The inputs in order, as a compiled function takes them."""
    found: list[Any] = []
    for variable in graph.inputs:
        value = np.asarray(values[variable.name], np.int64 if variable.kind == "integer" else DTYPES[dtype])
        found.append(np.ascontiguousarray(value) if variable.shape else value.item())
    return found


def results(graph: Graph, returned: Any) -> list[Array]:
    """What a compiled function returned, as arrays."""
    return [np.asarray(one) for one in (returned if len(graph.outputs) > 1 else [returned])]


def _evaluated(graph: Graph, values: Values, dtype: Dtype) -> list[Array]:
    found = evaluate(graph, values, dtype)
    return [found[name] for name in graph.outputs]


def _by_numpy(graph: Graph, values: Values, dtype: Dtype) -> list[Array]:
    optimised = optimise(graph)[0]
    cast = {v.name: np.asarray(values[v.name], DTYPES[dtype] if v.kind == "real" else np.int64) for v in graph.inputs}
    return [np.asarray(one) for one in numpy_function(optimised)(*[cast[v.name] for v in graph.inputs])]


def _compiled(emitter: EmitterName, schedule: ScheduleName) -> Way:
    def run(graph: Graph, values: Values, dtype: Dtype) -> list[Array]:
        function = compile(graph, dtype=dtype, emitter=emitter, schedule=schedule)
        return results(graph, function(*arguments(graph, values, dtype)))

    return run


def _names() -> Sequence[tuple[EmitterName, ScheduleName]]:
    emitters: tuple[EmitterName, ...] = ("vector", "numba")
    schedules: list[ScheduleName] = list(SCHEDULES)  # type: ignore[arg-type]
    return [("auto", "auto"), *((emitter, schedule) for emitter in emitters for schedule in schedules)]


WAYS: Mapping[str, Way] = {
    "evaluator": _evaluated,
    "passes": lambda graph, values, dtype: _evaluated(optimise(graph)[0], values, dtype),
    "unrolled": lambda graph, values, dtype: _evaluated(graph.unroll(), values, dtype),
    "numpy": _by_numpy,
    **{f"{emitter} {schedule}": _compiled(emitter, schedule) for emitter, schedule in _names()},
}
"""Every way by name; those of compiled code are the emitter and the schedule."""

PLAIN = ("evaluator", "passes", "unrolled", "numpy")
"""The ways that compile nothing."""
