"""Vector code: every remainder of a loop, nothing beyond the ends of arrays, the same bits each time."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from itertools import pairwise

import llvmlite.binding as llvm
import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from numpy.typing import NDArray

import codegen
from codegen import CompiledFunction, EmitError, Equation, Graph, Index, Reduction, Variable, from_expressions, gradient
from codegen.emit.layout import layout
from codegen.emit.vector import plan as planning
from codegen.emit.vector.module import native_module
from codegen.emit.vector.plan import pieces
from codegen.emit.vector.table import table
from codegen.functions import relu
from codegen.passes import optimise
from codegen.runtime.machine import compile_module
from codegen.schedule import Target, schedule
from codegen.schedule.lanes import in_lanes
from codegen.schedule.program import Fill, Loop, Vector, walk
from tests.codegen.networks import (
    S,
    cut,
    distance,
    index_graphs,
    indices_in_lanes,
    mlp,
    outputs,
    parameters,
    random_values,
    s,
)

Sizes = tuple[int, ...]
SIZES: Sizes = (3, 9, 4)
BLOCKED: Sizes = (13, 40, 11)
"""More rows than a block of accumulators has, and columns that do not fill a vector."""
NARROWING: Sizes = (43, 5, 4)
"""Rows so long that a product reads them as they lie, and that do not fill a vector."""


@cache
def graph_of(sizes: Sizes) -> Graph:
    network = mlp(sizes)
    return gradient(network, "loss", ["x", *parameters(network)])


@lru_cache(maxsize=16)
def compiled(chosen: str, dtype: str = "float64", sizes: Sizes = SIZES) -> CompiledFunction:
    network = mlp(sizes)
    names = parameters(network)
    packs = {"theta": names, "gradient": [f"dloss/d{name}" for name in names]}
    return codegen.compile(graph_of(sizes), schedule=chosen, emitter="vector", dtype=dtype, pack=packs)  # type: ignore[arg-type]


def arguments(samples: int, sizes: Sizes = SIZES) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    generator = np.random.Generator(np.random.PCG64(samples))
    theta = generator.normal(size=sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(sizes)))
    return generator.normal(size=(samples, sizes[0])), generator.integers(0, sizes[-1], samples), theta


def evaluated(x: NDArray[np.float64], y: NDArray[np.int64], theta: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """What the evaluator says of the same arguments."""
    loss, dx, *slopes = outputs(graph_of(SIZES), {**cut(theta, mlp(SIZES)), "x": x, "y": y})
    return [loss, dx, np.concatenate([slope.ravel() for slope in slopes])]


@cache
def expected_of(samples: int) -> list[NDArray[np.float64]]:
    return evaluated(*arguments(samples))


@pytest.mark.parametrize("chosen", ["unrolled", "loops", "tiled", "blas"])
@pytest.mark.parametrize("samples", [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 100])
def test_every_number_of_samples_fits(chosen: str, samples: int) -> None:
    loss, dx, slope = compiled(chosen)(*arguments(samples))
    assert distance([np.asarray(loss), dx, slope], expected_of(samples)) <= 1e-12


@pytest.mark.parametrize(
    ("sizes", "chosen"),
    [
        *((SIZES, chosen) for chosen in ("unrolled", "loops", "tiled", "blas")),
        *((BLOCKED, "loops"), (BLOCKED, "tiled"), (NARROWING, "tiled")),
    ],
)
@pytest.mark.parametrize("samples", [1, 5, 8, 13, 131])
def test_nothing_beyond_the_ends_of_arrays_is_read_or_written(sizes: Sizes, chosen: str, samples: int) -> None:
    x, y, theta = arguments(samples, sizes)
    guarded = [np.concatenate([np.full(64, np.nan), a.ravel(), np.full(64, np.nan)]) for a in (x, theta)]
    inner = [g[64:-64] for g in guarded]
    labels = np.concatenate([np.full(64, 10**9), y, np.full(64, 10**9)])
    dx, out = np.full(x.size + 128, 7.0), np.full(theta.size + 128, 7.0)
    dx[64:-64] = out[64:-64] = np.nan  # what was there before is nowhere added to
    function = compiled(chosen, sizes=sizes)
    loss, *_ = function(
        inner[0].reshape(x.shape), labels[64:-64], inner[1], out=(dx[64:-64].reshape(x.shape), out[64:-64])
    )
    assert np.isfinite(loss)
    for written in (dx, out):
        assert np.isfinite(written).all()
        assert (written[:64] == 7.0).all()
        assert (written[-64:] == 7.0).all()


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-12), ("float32", 5e-4)])
@pytest.mark.parametrize("samples", [1, 9, 67])
def test_rows_of_any_length_are_summed(dtype: str, tolerance: float, samples: int) -> None:
    given = arguments(samples, NARROWING)
    expected = compiled("loops", sizes=NARROWING)(*given)
    found = compiled("tiled", dtype, NARROWING)(*(a.astype(dtype) if a.dtype == float else a for a in given))
    assert distance([np.asarray(v, float) for v in found], [np.asarray(v) for v in expected]) <= tolerance


@pytest.mark.parametrize("chosen", ["unrolled", "loops", "tiled", "blas"])
def test_the_same_call_gives_the_same_bits(chosen: str) -> None:
    first, second = (compiled(chosen)(*arguments(33)) for _ in range(2))
    assert first[0] == second[0]
    assert all((a == b).all() for a, b in zip(first[1:], second[1:]))


@pytest.mark.parametrize("chosen", ["loops", "tiled", "blas"])
def test_float32_is_within_rounding_of_float64(chosen: str) -> None:
    x, y, theta = arguments(21)
    found = compiled(chosen, "float32")(x.astype(np.float32), y, theta.astype(np.float32))
    expected = compiled(chosen)(x, y, theta)
    assert distance([np.asarray(v, float) for v in found], [np.asarray(v) for v in expected]) <= 5e-4


def test_samples_run_in_lanes_unless_a_matrix_product_divides_the_nest() -> None:
    graph, _ = optimise(gradient(mlp([40, 30, 20]), "loss"))
    for chosen, expected in (("loops", {"s"}), ("tiled", {"s"}), ("blas", {"h1", "t"})):
        found = indices_in_lanes(in_lanes(schedule(graph, chosen), 8))  # type: ignore[arg-type]
        assert found >= expected
        assert ("s" in found) == (chosen != "blas")


def test_a_function_without_a_vector_form_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from codegen.emit import vectormath

    x = sympy.Symbol("x", real=True)
    graph = from_expressions({"f": sympy.atan(x)}, [x])
    monkeypatch.delitem(vectormath.FORMS, sympy.atan)
    with pytest.raises(EmitError, match="atan has no vector form"):
        codegen.compile(graph, emitter="vector")
    assert codegen.compile(graph).report.emitter == "numba"


def test_a_loop_copies_only_the_inputs_that_it_reads() -> None:
    """The norm of the weights runs in lanes of its own; x must not be read along it, for it has fewer rows."""
    from symnn.network import Network, dense

    network = Network(3, (dense(40, "tanh"), dense(2)), "softmax_cross_entropy", weight_decay=0.1)
    program = schedule(optimise(network.gradient_graph)[0], "loops", Target())
    modes = [(str(s.index), s.mode) for s, _ in walk(program.statements) if isinstance(s, Loop)]
    copied = {index: mode.copied for index, mode in modes if isinstance(mode, Vector)}
    assert (copied["s"], copied["j"]) == (("x",), ())


# --- every graph --------------------------------------------------------------------------------------------------

SCHEDULES = ("unrolled", "loops", "tiled", "blas")


@pytest.mark.parametrize("chosen", ["unrolled", "loops", "blas"])  # one sample is read: there are no tiles of them
@pytest.mark.parametrize("samples", [1, 5, 200])
def test_a_sum_that_nobody_reads_is_no_failure(chosen: str, samples: int) -> None:
    x, v, L, j = Variable("x", (S,)), Variable("v", (2,)), Variable("L"), Index("j", 2)
    chosen_sum = Equation(v[j], codegen.functions.equal(s, j) * x[s], Reduction.SUM, (s,))
    graph = Graph((x,), (chosen_sum, Equation(L.symbol, sympy.tanh(v[0]))), ("L",))
    values = random_values(graph, samples=samples)
    found = codegen.compile(graph, schedule=chosen, emitter="vector")(values["x"])  # type: ignore[arg-type]
    assert distance([np.asarray(found)], outputs(graph, values)) <= 1e-12


@pytest.mark.slow
@settings(max_examples=40)
@given(index_graphs())
def test_every_graph_is_compiled_or_refused(graph: Graph) -> None:
    derived = gradient(graph, "L")
    values = random_values(derived, samples=5)
    for chosen in SCHEDULES:
        try:
            function = codegen.compile(derived, schedule=chosen, emitter="vector", cache=False)  # type: ignore[arg-type]
        except EmitError:
            continue  # pairs of samples, or none
        found = function(*(values[variable.name] for variable in derived.inputs))
        arrays = [np.asarray(value) for value in (found if isinstance(found, tuple) else (found,))]
        assert distance(arrays, outputs(derived, values)) <= 1e-9


def test_long_straight_line_code_is_several_functions_with_the_same_results(monkeypatch: pytest.MonkeyPatch) -> None:
    v, a, b, total = Variable("v", (5,)), Variable("a"), Variable("b"), Variable("total")
    i = Index("i", 5)
    first = (Equation(a.symbol, sympy.tanh(v[0] * v[1])), Equation(total.symbol, v[i] ** 2, Reduction.SUM, (i,)))
    graph = Graph((v,), (*first, Equation(b.symbol, sympy.sin(a.symbol * total.symbol))), ("b",))
    graph = gradient(gradient(graph, "b", ["v"]), "b", ["v"])
    point = np.array([0.3, 0.4, -0.2, 1.1, 0.7])
    whole = codegen.compile(graph, cache=False, emitter="vector")(point)
    monkeypatch.setattr(planning, "PIECE", 1)
    cut = codegen.compile(graph, cache=False, emitter="auto")
    statements = cut.report.compilation.program.statements
    parts = pieces(statements)
    assert len(parts) > 3
    assert sum(parts, ()) == tuple(statements)
    for piece in parts:
        kinds = [type(statement) for statement in piece]
        assert Fill not in kinds or Loop in kinds[kinds.index(Fill) :]
    for found, expected in zip(cut(point), whole, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_llvms_pass_managers_are_freed() -> None:
    from llvmlite.binding.newpassmanagers import FunctionPassManager, ModulePassManager, NewPassManager

    compile_module("define i64 @three() { ret i64 3 }")
    assert {ModulePassManager._dispose, FunctionPassManager._dispose} == {NewPassManager._dispose}


def test_loops_whose_length_each_call_decides_begin_where_a_line_of_code_is_fetched() -> None:
    x, e = Variable("x", (S,)), Variable("e", ())
    program = schedule(Graph((x,), (Equation(e.symbol, relu(x[s]), Reduction.SUM, (s,)),), ("e",)), "loops")
    module = llvm.parse_assembly(
        native_module(table(in_lanes(program, program.native), layout(program.graph, {})), parted=False)
    )
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine()
    assert re.search(r"\.p2align\s+6\b", machine.emit_assembly(module))


@pytest.mark.parametrize("chosen", ["unrolled", "loops"])
def test_how_wide_the_last_vector_is_changes_no_bits(chosen: str) -> None:
    i = Index("i", 2)
    x, total, rows = Variable("x", (S, 2)), Variable("total"), Variable("rows", (2,))
    square = sympy.tanh(x[s, i]) ** 2
    equations = (
        Equation(total.symbol, square, Reduction.SUM, (s, i)),
        Equation(rows[i], square, Reduction.SUM, (s,)),
    )
    graph = Graph((x,), equations, ("total", "rows"))
    function = codegen.compile(graph, schedule=chosen, cache=False)  # type: ignore[arg-type]
    values = np.random.Generator(np.random.PCG64(0)).normal(size=(40, 2))
    for n in range(4, 40):
        longer = np.zeros((40, 2))
        longer[:n] = values[:n]
        for found, expected in zip(function(values[:n]), function(longer)):
            np.testing.assert_array_equal(found, expected)
