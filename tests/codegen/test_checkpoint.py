"""Checkpoints: what is computed again is the same to the bit, and memory no longer grows with the steps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numba.core.config
import numpy as np
import pytest
from sympy import Integer, sin, tanh

import codegen
from codegen import EmitError, Equation, Graph, Index, Reduction, Variable, sample_extent
from codegen.export import Request, c_files
from codegen.schedule import Program, schedule
from codegen.schedule.checkpoint import checkpointed
from codegen.walk import elements
from tests.benchmarks.shifts import lstm_graph, ode_graph
from tests.codegen.networks import random_values
from tests.codegen.test_c import COMPILERS, built, needs_compiler, sources
from tests.codegen.test_cut import by_python, inside_a_fence
from tests.codegen.test_scan import CASES, S, T

pytestmark = pytest.mark.values


def recurrence(steps: Any) -> Graph:
    """h[t + 1] = tanh(a·h[t] + y[t]), h[0] = h0, and the sum of squares of all, or of the last two."""
    t, a, h0, y = Index("t", steps), Variable("a"), Variable("h0"), Variable("y", (steps,))
    h, all_, last = Variable("h", (steps + 1,)), Variable("all"), Variable("last")
    return Graph(
        (a, h0, y),
        (
            Equation(h[0], h0.symbol),
            Equation(h[t + 1], tanh(a.symbol * h[t] + y[t])),
            Equation(all_.symbol, h[t + 1] ** 2, Reduction.SUM, (t,)),
            Equation(last.symbol, h[steps] ** 2 + h[steps - 1]),
        ),
        ("all", "last"),
    )


def two_layers(steps: int) -> Graph:
    """One recurrent layer on the other, an error at every step."""
    units = 3
    s, t, i, j = Index("s", S), Index("t", steps), Index("i", units), Index("j", units)
    x, y, w = Variable("x", (S, steps, units)), Variable("y", (S, steps)), Variable("w", (units,))
    error, loss = Variable("error", (S, steps)), Variable("loss")
    equations, matrices, below = [], [], x[s, t, i]
    for layer in "pq":
        U, V = Variable(f"U{layer}", (units, units)), Variable(f"V{layer}", (units, units))
        h, z, v = Variable(f"h{layer}", (S, steps + 1, units)), *(Variable(n + layer, (S, steps, units)) for n in "zv")
        matrices += [U, V]
        equations += [
            Equation(h[s, 0, i], Integer(0)),
            Equation(z[s, t, i], V[i, j] * below.subs(i, j), Reduction.SUM, (j,)),
            Equation(v[s, t, i], U[i, j] * h[s, t, j], Reduction.SUM, (j,)),
            Equation(h[s, t + 1, i], tanh(z[s, t, i] + v[s, t, i])),
        ]
        below = h[s, t + 1, i]
    equations += [
        Equation(error[s, t], w[i] * below, Reduction.SUM, (i,)),
        Equation(loss.symbol, (error[s, t] - y[s, t]) ** 2 / S, Reduction.SUM, (s, t)),
    ]
    return Graph((x, y, w, *matrices), tuple(equations), ("loss",))


def two_lengths() -> Graph:
    """Samples and steps of lengths that each call decides, two recurrences that read each other."""
    s, t, i, j = Index("s", S), Index("t", N), Index("i", 2), Index("j", 2)
    x, w, loss = Variable("x", (S, N, 2)), Variable("w", (2, 2)), Variable("loss")
    h, c, v = Variable("h", (S, N + 1, 2)), Variable("c", (S, N + 1, 2)), Variable("v", (S, N, 2))
    equations = (
        Equation(h[s, 0, i], Integer(0)),
        Equation(c[s, 0, i], Integer(1)),
        Equation(v[s, t, i], w[i, j] * c[s, t, j], Reduction.SUM, (j,)),
        Equation(h[s, t + 1, i], tanh(v[s, t, i] + x[s, t, i])),
        Equation(c[s, t + 1, i], sin(h[s, t, i]) * c[s, t, i]),
        Equation(loss.symbol, h[s, t + 1, i] ** 2 * c[s, t + 1, i], Reduction.SUM, (s, t, i)),
    )
    return Graph((x, w), equations, ("loss",))


N = sample_extent("N")
SCALAR = codegen.gradient(recurrence(37), "all", ["a", "h0"])
TWO_LENGTHS = codegen.gradient(two_lengths(), "loss")
LONG: dict[str, Graph] = {
    "all steps": SCALAR,
    "each step's own": codegen.gradient(recurrence(37), "all"),
    "the last step": codegen.gradient(recurrence(37).with_outputs("last"), "last", ["a", "h0"]),
    "any length": codegen.gradient(recurrence(N), "all"),
    "a neural equation": codegen.gradient(ode_graph(11, True), "loss", ["W", "b", "V"]),
    "an LSTM": codegen.gradient(lstm_graph(3, 8, 11), "loss", ["W", "U", "b"]),
    "two layers": codegen.gradient(two_layers(9), "loss"),
    "samples apart": codegen.per_sample_gradients(two_layers(9), "loss", ["Up"]),
    "curvature": codegen.hvp(recurrence(37), "all", ["a", "y"]),
    "a direction": codegen.jvp(recurrence(37), "all", ["a", "y"]),
}
QUICK = ("each step's own", "curvature")
FEW = ("two steps back", "two steps from the end", "two layers", "any length", "alone")
READABLE = [case for case in (*CASES, "two layers", "all steps") if case != "in two directions"]


def ways(graph: Graph) -> tuple[str, ...]:
    return ("loops", "tiled") if S in graph.extents else ("loops",)


def programs(graph: Graph, way: str, every: int) -> tuple[Program, Program]:
    """A program without and with checkpoints."""
    whole = schedule(codegen.optimise(graph)[0], way)  # type: ignore[arg-type]
    return whole, checkpointed(whole, every)


def numbers(program: Program, samples: int = 1) -> int:
    return sum(elements(shape, samples) for shape in program.work)


def assert_same(found: list[Any], expected: list[Any]) -> None:
    assert [np.asarray(one).tobytes() for one in found] == [np.asarray(one).tobytes() for one in expected]


@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(7, marks=pytest.mark.slow)])
@pytest.mark.parametrize("case", [c if c in FEW else pytest.param(c, marks=pytest.mark.slow) for c in READABLE])
def test_the_readable_program_computes_the_same_bits(case: str, every: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.core.config, "DISABLE_JIT", 1)
    graph = {**LONG, **CASES}[case]
    values = random_values(graph, samples=3)
    for way in ways(graph):
        whole, blocks = programs(graph, way, every)
        assert blocks.statements != whole.statements
        assert_same(by_python(blocks, values), by_python(whole, values))


@pytest.mark.parametrize("case", [c if c in QUICK else pytest.param(c, marks=pytest.mark.slow) for c in LONG])
def test_vector_code_computes_the_same_bits(case: str) -> None:
    graph = LONG[case]
    for way in ways(graph)[-1:] if case in QUICK else ways(graph):
        for dtype in ("float32",) if case in QUICK else ("float64", "float32"):
            options: dict[str, Any] = {"schedule": way, "emitter": "vector", "dtype": dtype, "cache": False}
            whole = codegen.compile(graph, **options)
            for every in (4,) if case in QUICK else (1, 7):
                blocks = codegen.compile(graph, checkpoint=every, **options)
                for samples in (1, 5, 67) if graph.extents else (1,):
                    values = random_values(graph, samples=samples)
                    assert_same(inside_a_fence(blocks, values, dtype), inside_a_fence(whole, values, dtype))


@needs_compiler
def test_c_code_computes_the_same_bits(tmp_path: Path) -> None:
    rows = [(LONG[case], "float64", ways(LONG[case])[-1]) for case in ("any length", "all steps")]
    whole, again = tmp_path / "whole", tmp_path / "again"
    whole.mkdir()
    again.mkdir()
    written = sources(again, rows)
    for number, (graph, dtype, way) in enumerate(rows):
        request = Request(graph, f"g{number}", dtype, way, checkpoint=4)  # type: ignore[arg-type]
        written[number].write_text(str(c_files(request)[f"g{number}.c"]), encoding="utf-8")
    flags = (COMPILERS[0], "-O0", "-ffp-contract=off", "-fsanitize=undefined")
    for one, other in zip(built(rows, sources(whole, rows), *flags), built(rows, written, *flags)):
        values = random_values(one.graph, samples=21)
        assert_same(list(other(values)[1]), list(one(values)[1]))


@pytest.mark.parametrize("case", ["all steps", "the last step", "a neural equation", "an LSTM", "curvature"])
def test_memory_does_not_grow_with_the_steps(case: str) -> None:
    """Of each block what it takes over, of one all: √T blocks of √T steps."""
    steps = {"a neural equation": 11, "an LSTM": 11}.get(case, 37)
    graph = {
        "a neural equation": lambda n: codegen.gradient(ode_graph(n, True), "loss", ["W", "b", "V"]),
        "an LSTM": lambda n: codegen.gradient(lstm_graph(3, 8, n), "loss", ["U"]),
        "all steps": lambda n: codegen.gradient(recurrence(n), "all", ["a", "h0"]),
        "the last step": lambda n: codegen.gradient(recurrence(n).with_outputs("last"), "last", ["a", "h0"]),
        "curvature": lambda n: codegen.hvp(recurrence(n), "all", ["a", "h0"]),
    }[case](100 * steps)
    whole, blocks = programs(graph, "loops", "sqrt")  # type: ignore[arg-type]
    assert numbers(blocks, 1) * 10 < numbers(whole, 1)


def test_a_million_steps_take_a_few_kilobytes() -> None:
    graph = codegen.gradient(recurrence(1_000_000), "all", ["a", "h0"])
    _, blocks = programs(graph, "loops", "sqrt")  # type: ignore[arg-type]
    assert numbers(blocks) < 4_000


def test_a_block_may_be_longer_than_all_steps() -> None:
    whole, blocks = programs(SCALAR, "loops", 10_000)
    assert numbers(blocks) < numbers(whole) + 10


def test_graphs_without_such_recurrences_are_as_without() -> None:
    forward = recurrence(37).with_outputs("last")
    for graph in (forward, codegen.gradient(recurrence(5), "all")):
        for way in ("unrolled",):
            whole, blocks = programs(graph, way, 4)
            assert blocks is whole
    rows, samples = Variable("x", (S, T)), Index("s", S)
    plain = Graph((rows,), (Equation(Variable("o", (S,))[samples], tanh(rows[samples, 0])),), ("o",))
    whole, blocks = programs(plain, "loops", 4)
    assert blocks is whole


def test_what_cannot_be_computed_again_is_refused_by_name() -> None:
    with pytest.raises(EmitError, match="'q', which the way back reads, is kept for all steps"):
        codegen.compile(CASES["in two directions"], schedule="loops", checkpoint=2, cache=False)


@pytest.mark.parametrize(
    "given", [0, -1, 1.5, "cubic", True, [2], np.array(["sqrt", "sqrt"]), pytest.param(-(10**5000), id="far below 0")]
)
def test_what_is_no_number_of_steps_is_refused(given: Any) -> None:
    with pytest.raises(EmitError, match="checkpoint: found"):
        codegen.compile(SCALAR, checkpoint=given)


def test_the_square_root_needs_a_known_number_of_steps() -> None:
    with pytest.raises(EmitError, match="the number of steps, N"):
        codegen.compile(LONG["any length"], checkpoint="sqrt", cache=False)


def test_code_with_checkpoints_has_a_name_of_its_own() -> None:
    plain = codegen.compile(SCALAR, schedule="loops", emitter="vector", cache=False).report.compilation
    assert plain is not None
    names = {replace(plain, checkpoint=one).key for one in (None, 3, 4, "sqrt")}
    assert len(names) == 4


@pytest.mark.parametrize(("way", "every"), [("unrolled", 2), ("loops", 2), ("tiled", 2), ("loops", 2**48)])
def test_samples_and_steps_of_any_length_compute_the_same_bits(
    way: str, every: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each element of a vertex is stored singly where features are written out."""
    monkeypatch.setattr(numba.core.config, "DISABLE_JIT", 1)
    whole, blocks = programs(TWO_LENGTHS, way, every)
    for steps in (1, 5):
        shapes = {"x": (3, steps, 2), "w": (2, 2)}
        values = {name: np.sin(1 + np.arange(np.prod(shape)).reshape(shape)) for name, shape in shapes.items()}
        assert_same(by_python(blocks, values), by_python(whole, values))


def test_buffers_of_longer_blocks_hold_the_steps_of_a_call() -> None:
    """A block of more steps than there is memory for is one of all steps."""
    graph = LONG["any length"]
    values = random_values(graph, samples=5)
    options: dict[str, Any] = {"schedule": "loops", "emitter": "vector", "cache": False}
    whole = codegen.compile(graph, **options)
    for every in (10**30, 2**31):
        blocks = codegen.compile(graph, checkpoint=every, **options)
        assert_same(inside_a_fence(blocks, values, "float64"), inside_a_fence(whole, values, "float64"))
