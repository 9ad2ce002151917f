"""Loops over parts of their ranges: every writer has the value, and none reads or writes beyond an array."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numba.core.config
import numpy as np
import pytest
from sympy import And, Expr, Idx, Integer, Piecewise, tanh

import codegen
from codegen import Equation, Graph, Index, Reduction, Variable, sample_extent
from codegen.emit.layout import layout
from codegen.emit.numba import emit
from codegen.numeric.evaluate import evaluate
from codegen.schedule import schedule
from codegen.schedule.lanes import in_lanes
from codegen.schedule.program import Accumulate, Bound, Loop, One, Program, Vector, walk
from tests.codegen.networks import Arrays, distance, random_values
from tests.codegen.test_affine import GRAPHS, scalar
from tests.codegen.test_c import COMPILERS, built, needs_compiler, sources
from tests.sweeps import one_in

pytestmark = pytest.mark.values

S, n = sample_extent("S"), sample_extent("n")
s, t, i, j, p = Index("s", S), Index("t", n), Index("i", 7), Index("j", 7), Index("p", 14)
X, A, v, y, x = (
    Variable("X", (S, 7)),
    Variable("A", (7, 7)),
    Variable("v", (7,)),
    Variable("y", (7,)),
    Variable("x", (n,)),
)
Y, B, u = Variable("Y", (S, 7)), Variable("B", (S, 14)), Variable("u", (n,))


def within(value: Expr, condition: Any, otherwise: Expr | int = 0) -> Expr:
    return Piecewise((value, condition), (otherwise, True))


def summed(target: Expr, body: Expr, *over: Idx) -> Equation:
    return Equation(target, body, Reduction.SUM, over)


def _graph(inputs: Sequence[Variable], *equations: Equation) -> Graph:
    return Graph(tuple(inputs), equations, (equations[-1].name,))


MORE = {
    "a triangle": _graph([A, v], summed(y[i], within(A[i, j] * v[j], j <= i), j)),
    "every second": _graph(
        [X, v], summed(B[s, p], within(X[s, i] * v[p - 2 * i], And(p - 2 * i >= 0, p - 2 * i <= 1)), i)
    ),
    "a choice of neighbours": _graph(
        [X], Equation(Y[s, i], tanh(within(X[s, i - 2], i >= 2, X[s, i + 1])) * X[s, 6 - i])
    ),
    "a choice of too many": _graph(
        [X, v],
        Equation(Y[s, i], sum(within(tanh(X[s, i - k]) * v[i - k] ** k, i >= k) for k in range(1, 6))),
    ),
    "an axis of any length": _graph(
        [x],
        Equation(
            u[t], within(x[t + 1] - x[t], t < n - 1) + within(x[t] * x[t + 2], t < n - 2) + within(x[t - 1], t > 0)
        ),
    ),
    "a total of differences": _graph(
        [x], summed(Variable("L").symbol, within((x[t + 1] - x[t]) ** 2, t < n - 1), t)
    ),
}  # fmt: skip
LENGTHS = (1, 2, 3, 19, 70)


def derived(case: str) -> Graph:
    return codegen.gradient(scalar(GRAPHS[case]), "L")


def fenced(value: Any) -> Any:
    """The same numbers with such as spoil every result before and behind them."""
    array = np.asarray(value)
    if not array.ndim or array.dtype.kind != "f":
        return value
    memory = np.full(array.size + 128, np.nan, array.dtype)
    memory[64 : 64 + array.size] = array.ravel()
    return memory[64 : 64 + array.size].reshape(array.shape)


def inside_a_fence(function: Any, values: Arrays, dtype: str = "float64") -> list[Any]:
    """What a compiled function gives, its arguments and results inside fences that it leaves as they are."""
    given = [values[slot.name] for slot in function.layout.arguments]
    given = [value.astype(dtype) if np.asarray(value).dtype.kind == "f" else value for value in given]
    plain = function(*given)
    plain = plain if isinstance(plain, tuple) else (plain,)
    out = [fenced(r) for r in plain if np.ndim(r)]
    for result in out:
        result[...] = 0
    found = function(*map(fenced, given), **({"out": out[0] if len(out) == 1 else tuple(out)} if out else {}))
    assert all(np.isnan(result.base[:64]).all() and np.isnan(result.base[-64:]).all() for result in out)
    assert distance(list(found if isinstance(found, tuple) else (found,)), list(plain)) == 0
    return list(plain)


class Watched(np.ndarray[Any, Any]):
    """An array that has no elements before its first."""

    def __getitem__(self, key: Any) -> Any:
        assert np.all(np.asarray(key) >= 0)
        return super().__getitem__(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        assert np.all(np.asarray(key) >= 0)
        super().__setitem__(key, value)


def by_python(program: Program, values: Arrays) -> list[Any]:
    """What the readable program gives as Python runs it, which notices a subscript beyond an axis."""
    names: dict[str, Any] = {}
    plan = layout(program.graph, {})
    exec(emit(program, plan, "float64"), names)
    given = [values[slot.name] for slot in plan.arguments]
    lengths = {n: values[v.name].shape[a] for v in program.graph.inputs for a, n in enumerate(v.shape)}
    out = [np.zeros([lengths.get(n, n) for n in slot.shape]).view(Watched) for slot in plan.arrays]
    scalars = names["fill"](*[g.view(Watched) if np.ndim(g) else g for g in given], *out)
    alone = iter(scalars if isinstance(scalars, tuple) else (scalars,))
    arrays = iter(out)
    return [np.asarray(next(arrays) if slot.shape else next(alone)) for slot in plan.results]


def loops_of(program: Program) -> list[Loop]:
    return [one for one, _ in walk(program.statements) if isinstance(one, Loop) and not isinstance(one.mode, One)]


# --- values -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["loops", "tiled", pytest.param("unrolled", marks=pytest.mark.slow)])
@pytest.mark.parametrize("case", one_in(2, GRAPHS))
def test_the_readable_program_stays_on_its_axes(case: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = codegen.optimise(derived(case))[0]
    if way == "tiled" and S not in graph.extents:
        return
    monkeypatch.setattr(numba.core.config, "DISABLE_JIT", 1)
    for length in (1, 3) if graph.extents else (1,):
        values = random_values(graph, samples=length)
        expected = [np.asarray(evaluate(graph, values)[name]) for name in graph.outputs]
        assert distance(by_python(schedule(graph, way), values), expected) <= 1e-13  # type: ignore[arg-type]


FEW = ["padded", "samples of a layer", "a sum to an index", "a maximum"]
"""Cases whose gradients are compiled in every test run; the rest takes ten times as long."""


@pytest.mark.parametrize("case", [c if c in FEW else pytest.param(c, marks=pytest.mark.slow) for c in GRAPHS])
def test_vector_code_of_gradients(case: str) -> None:
    graph = derived(case)
    values = random_values(graph, samples=21)
    expected = [np.asarray(evaluate(graph, values)[name]) for name in graph.outputs]
    for way in ("tiled", "loops") if S in graph.extents else ("loops", "unrolled"):
        function = codegen.compile(graph, schedule=way, emitter="vector", cache=False)  # type: ignore[arg-type]
        assert distance(inside_a_fence(function, values), expected) <= 1e-13


@pytest.mark.parametrize("case", MORE)
def test_vector_code_stays_inside_its_arrays(case: str) -> None:
    graph = MORE[case]
    for dtype, way, tolerance in (("float64", "auto", 1e-14), ("float32", "loops", 1e-5)):
        function = codegen.compile(graph, schedule=way, dtype=dtype, emitter="vector", cache=False)  # type: ignore[arg-type]
        for length in LENGTHS if graph.extents else (1,):
            values = random_values(graph, samples=length)
            expected = [np.asarray(evaluate(graph, values)[name]) for name in graph.outputs]
            assert distance(inside_a_fence(function, values, dtype), expected) <= tolerance, (dtype, length)


@needs_compiler
def test_c_code(tmp_path: Path) -> None:
    graphs = [*MORE.values(), *map(derived, FEW)]
    rows = [(graph, "float64", "tiled" if S in graph.extents else "loops") for graph in graphs]
    for function in built(rows, sources(tmp_path, rows), COMPILERS[0], "-O0", "-fsanitize=undefined"):
        values = random_values(function.graph, samples=5)
        status, found = function(values)
        assert status == 0
        expected = [np.asarray(evaluate(function.graph, values)[name]) for name in function.graph.outputs]
        assert distance([np.asarray(a) for a in found], expected) <= 1e-13, function.graph


# --- loops --------------------------------------------------------------------------------------------------------


def test_a_sum_to_an_index_has_a_bound_and_no_test() -> None:
    program = schedule(MORE["a triangle"], "loops")
    outer, inner = loops_of(program)
    assert outer.is_whole
    assert (inner.start, inner.stop) == ((), (Bound(outer.index + 1),))
    assert not any(s.value.has(Piecewise) for s, _ in walk(program.statements) if isinstance(s, Accumulate))


def test_every_second_element_is_a_loop_over_those() -> None:
    loops = loops_of(schedule(MORE["every second"], "loops"))
    assert [loop.passes(4) for loop in loops] == [4, 14, 1]


def test_the_middle_of_an_axis_runs_in_lanes_without_masks() -> None:
    first, middle, *_ = loops_of(in_lanes(schedule(MORE["an axis of any length"], "loops"), 4))
    assert isinstance(middle.mode, Vector)
    assert (first.follows, middle.follows) == (False, True)
    assert (middle.start, middle.stop) == ((Bound(Integer(1)),), (Bound(n - 2),))


def test_a_loop_with_too_many_conditions_stays_whole() -> None:
    program = schedule(MORE["a choice of too many"], "loops")
    assert all(loop.is_whole for loop in loops_of(program))
