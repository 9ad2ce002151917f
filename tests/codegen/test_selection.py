"""A sum of which a condition selects one term takes one step: formulas with shifted subscripts take n steps, not n²."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from scipy.optimize import rosen, rosen_der
from sympy import Eq, Expr, Idx, IndexedBase, Piecewise, Sum, Symbol, symbols, tanh

import codegen
from codegen import Equation, Graph, Index, Reduction, Variable, from_expressions, gradient
from codegen.emit.layout import layout
from codegen.emit.vector.module import native_module
from codegen.emit.vector.table import table
from codegen.functions import equal
from codegen.ir.graph import sample_extent
from codegen.ir.selection import selected
from codegen.schedule import schedule
from codegen.schedule.lanes import in_lanes
from codegen.schedule.program import Loop, One, Program, Samples, Serial, Statement, walk
from tests.codegen.networks import distance, outputs, random_values

pytestmark = pytest.mark.values

n = sample_extent("n")
i, j, k = Index("i", n), Index("j", n), Index("k", 7)
x, y = Variable("x", (n,)), Variable("y", (n,), "integer")

SELECTED: dict[str, tuple[Expr, Expr | None]] = {
    "a neighbour": (equal(j, i + 1) * x[j], i + 1),
    "the other way round": (equal(i - 2, j) * x[j], i - 2),
    "from the end": (Piecewise((x[j], Eq(j, n - 1 - i)), (0, True)), n - 1 - i),
    "a factor of a product": (x[i] * Piecewise((1, Eq(i, j + 3)), (0, True)) * x[j], i - 3),
    "every second": (equal(i, 2 * j) * x[j], None),
    "a product of indices": (equal(j, i * k) * x[j], None),
    "an inequality": (Piecewise((x[j], j < i), (0, True)), None),
    "something else otherwise": (Piecewise((x[j], Eq(j, i)), (1, True)), None),
    "a label": (equal(y[i], j) * x[j], None),
    "the index on both sides": (equal(2 * j, j + i) * x[j], i),
}


@pytest.mark.parametrize("case", SELECTED)
def test_the_selected_value_is_found(case: str) -> None:
    body, value = SELECTED[case]
    found = selected(body, j)
    assert (None if found is None else found.value) == value
    assert found is None or not found.body.has(equal, Eq)


def rosenbrock() -> Graph:
    size, step = Symbol("n"), Symbol("i", integer=True)
    x = IndexedBase("x", shape=(size,))
    terms = 100 * (x[step + 1] - x[step] ** 2) ** 2 + (1 - x[step]) ** 2
    return from_expressions({"f": Sum(terms, (step, 0, size - 2))}, [x])


def test_a_shifted_subscript_takes_one_step() -> None:
    program = schedule(codegen.optimise(gradient(rosenbrock(), "f"))[0])
    inner = [loop for loop, around in walk(program.statements) if isinstance(loop, Loop) and around]
    assert not inner


@pytest.mark.parametrize("size", [2, 3, 50])
def test_rosenbrock(size: int) -> None:
    value = np.random.Generator(np.random.PCG64(size)).normal(size=size)
    found = codegen.compile(gradient(rosenbrock(), "f"))(value)
    assert distance([np.asarray(v) for v in found], [np.asarray(rosen(value)), rosen_der(value)]) <= 1e-12


@pytest.mark.parametrize("emitter", ["auto", "numba"])
@pytest.mark.parametrize("size", [1, 2, 3, 10])
def test_elements_that_are_not_there_are_not_read(size: int, emitter: str) -> None:
    length = symbols("n")
    here, x, r = Idx("k", length), IndexedBase("x", shape=(length,)), IndexedBase("r")
    second = Piecewise((x[here + 1] - 2 * x[here] + x[here - 1], (here > 0) & (here < length - 1)), (x[here], True))
    graph = codegen.jvp(from_expressions({r[here]: second}, [x]), "r", ["x"])
    values = {v.name: np.random.Generator(np.random.PCG64(len(v.name))).normal(size=size) for v in graph.inputs}
    guarded = [np.concatenate([[np.nan] * 8, values[v.name], [np.nan] * 8])[8:-8] for v in graph.inputs]
    found = codegen.compile(graph, emitter=emitter)(*guarded)  # type: ignore[arg-type]
    assert distance([np.asarray(v) for v in found], outputs(graph, values)) <= 1e-12


# --- both emitters run what is printed ----------------------------------------------------------------------------

c, d, e = Index("c", 5), Index("d", 5), Index("e", 11)
X, a, b, total = Variable("X", (n, 5)), Variable("a", (n, 5)), Variable("b", (n, 5)), Variable("total", ())
w, v = Variable("w", (11,)), Variable("v", (5,))


def summed(target: Expr, body: Expr, *reduced: Index) -> Equation:
    return Equation(target, body, Reduction.SUM, reduced)


PRUNED: dict[str, tuple[list[Equation], str]] = {
    "reversed": ([summed(a[i, c], Piecewise((X[i, d] ** 2, Eq(d, 4 - c)), (0, True)), d)], "a"),
    "a neighbour that may be missing": ([summed(a[i, c], equal(d, c - 1) * X[i, d], d)], "a"),
    "every second": ([summed(v[c], equal(e, 2 * c) * w[e] ** 2, e)], "v"),
    "one after the other": ([summed(v[c], equal(d, c + 2) * w[e] * equal(e, 1 + d), d, e)], "v"),
    "a column by the row": ([summed(Variable("z", (n,))[i], equal(c, i - 1) * X[i, c], c)], "z"),
    "one sample": ([summed(total.symbol, equal(i, 70) * tanh(X[i, 2]), i)], "total"),
    "one of what was computed before": (
        [Equation(a[i, c], tanh(X[i, c])), summed(b[i, c], equal(d, 3 - c) * a[i, d], d)],
        "b",
    ),
    "one of a sum over samples": (
        [
            Equation(a[i, c], tanh(X[i, c])),
            summed(Variable("q", (5,))[c], a[i, d] * equal(d, 4 - c) * X[i, c], i, d),
        ],
        "q",
    ),
}


TILED = [("reversed", "tiled"), ("one sample", "tiled")]
WAYS = [
    pytest.param(case, chosen, marks=() if chosen == "loops" or (case, chosen) in TILED else pytest.mark.slow)
    for case in PRUNED
    for chosen in ("unrolled", "loops", "tiled", "blas")
]
"""Loops are what the other schedules make of a selection too."""


@pytest.mark.parametrize(("case", "chosen"), WAYS)
def test_what_is_printed_is_what_runs(case: str, chosen: str) -> None:
    equations, of = PRUNED[case]
    inputs = (X,) if any("X" in str(equation.body) for equation in equations) else (w,)
    graph = Graph(inputs, tuple(equations), (of,))
    if chosen == "tiled" and (not graph.extents or case == "one sample"):
        pytest.skip("no samples, or one that is read by its number")
    for samples in (1, 3, 4, 17, 130) if graph.extents else (1,):
        values = random_values(graph, samples=samples)
        guarded = [np.concatenate([[np.nan] * 40, array.ravel(), [np.nan] * 40])[40:-40] for array in values.values()]
        given = [inner.reshape(array.shape) for inner, array in zip(guarded, values.values())]
        for emitter in ("vector", "numba"):
            found = compiled(graph, chosen, emitter)(*given)
            assert distance([np.asarray(found)], outputs(graph, values)) <= 1e-13


@lru_cache(maxsize=64)
def compiled(graph: Graph, chosen: str, emitter: str) -> codegen.CompiledFunction:
    return codegen.compile(graph, schedule=chosen, emitter=emitter)  # type: ignore[arg-type]


@pytest.mark.parametrize("case", ["reversed", "one of what was computed before", "one sample"])
def test_vector_code_has_no_loop_over_a_selected_index(case: str) -> None:
    equations, of = PRUNED[case]
    program = schedule(Graph((X,), tuple(equations), (of,)), "loops")

    def loops(program: Program) -> int:
        found = _counted(in_lanes(program, program.native))
        text = native_module(table(found, layout(program.graph, {})), parted=False)
        return len(re.findall(r"^for\.cond\.v\d+:", text, re.MULTILINE))

    selecting = [loop for loop, _ in walk(program.statements) if isinstance(loop, Loop) and isinstance(loop.mode, One)]
    assert len(selecting) == 1
    assert loops(program) < loops(_as_loops(program))


def _as_loops(program: Program) -> Program:
    """The same program with every loop over all of its values."""
    return _each(program, lambda loop: Loop(loop.index, loop.body))


def _counted(program: Program) -> Program:
    """The same program with no loop written out."""
    return _each(program, lambda loop: replace(loop, mode=Serial()) if isinstance(loop.mode, Serial) else loop)


def _each(program: Program, changed: Callable[[Loop], Loop]) -> Program:
    def full(statement: Statement) -> Statement:
        if isinstance(statement, Loop):
            return changed(replace(statement, body=tuple(map(full, statement.body))))
        if isinstance(statement, Samples):
            return replace(statement, body=tuple(map(full, statement.body)))
        return statement

    return replace(program, statements=tuple(map(full, program.statements)))
