"""What is computed again is the same to the bit."""

from __future__ import annotations

from collections import ChainMap
from math import prod
from pathlib import Path
from typing import Any

import numba.core.config
import pytest

import codegen
from codegen import EmitError, Index
from codegen.export import Request, generate
from tests.codegen.checkpoint.graphs import LONG, M, N, apart, assert_same, field, programs, recurrence, sines, ways
from tests.codegen.networks import random_values
from tests.codegen.test_c import COMPILERS, built, needs_compiler, sources
from tests.codegen.test_cut import by_python, inside_a_fence
from tests.codegen.test_scan import CASES, S

pytestmark = pytest.mark.values


QUICK = ("each step's own", "a solution each step", "curvature")
FEW = ("two steps back", "two steps from the end", "two layers", "any length", "alone", "in two directions", "a field")
WHOLE = "functions of all later steps"
"""Each step reads all that come after it: what these compute is kept."""
READABLE = (*(c for c in CASES if c != WHOLE), "two layers", "all steps", "a field", "curvature of a field")


@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(7, marks=pytest.mark.slow)])
@pytest.mark.parametrize("case", [c if c in FEW else pytest.param(c, marks=pytest.mark.slow) for c in READABLE])
def test_the_readable_program_computes_the_same_bits(case: str, every: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.core.config, "DISABLE_JIT", 1)
    graph = ChainMap(CASES, LONG)[case]
    values = random_values(graph, samples=3)
    for way in ways(graph):
        whole, blocks = programs(graph, way, every)
        assert blocks.statements != whole.statements
        assert_same(by_python(blocks, values), by_python(whole, values))


def test_what_every_step_reads_is_not_computed_again() -> None:
    with pytest.raises(EmitError, match=r"checkpoint: 'u', which the way back reads, is kept for all steps"):
        programs(CASES[WHOLE], ways(CASES[WHOLE])[0], 2)


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
    graphs = [ChainMap(LONG, CASES)[case] for case in ("any length", "all steps", "from the end")]
    rows = [(graph, "float64", ways(graph)[-1]) for graph in graphs]
    whole, again = tmp_path / "whole", tmp_path / "again"
    whole.mkdir()
    again.mkdir()
    written = sources(again, rows)
    for number, (graph, dtype, way) in enumerate(rows):
        every = 4 if number == 1 else "sqrt"
        request = Request(graph, f"g{number}", dtype, way, checkpoint=every)  # type: ignore[arg-type]
        written[number].write_text(str(generate(request, "c")[f"g{number}.c"]), encoding="utf-8")
    assert written[0].read_text(encoding="utf-8").count("ceil(sqrt(") == 1
    flags = (COMPILERS[0], "-O0", "-ffp-contract=off", "-fsanitize=undefined")
    for one, other in zip(built(rows, sources(whole, rows), *flags), built(rows, written, *flags)):
        values = random_values(one.graph, samples=21)
        assert_same(list(other(values)[1]), list(one(values)[1]))


@pytest.mark.parametrize(
    ("way", "every"), [("unrolled", 2), ("loops", 2), ("tiled", 2), ("loops", 2**48), ("loops", "sqrt")]
)
def test_samples_and_steps_of_any_length_compute_the_same_bits(
    way: str, every: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each element of a vertex is stored singly where features are written out."""
    monkeypatch.setattr(numba.core.config, "DISABLE_JIT", 1)
    whole, blocks = programs(LONG["two lengths"], way, every)
    for steps in (1, 5):
        values = sines(LONG["two lengths"], {S: 3, N: steps})
        assert_same(by_python(blocks, values), by_python(whole, values))


@pytest.mark.parametrize("every", [2, "sqrt"])
@pytest.mark.parametrize("case", ["a field of samples", "a field", "apart"])
def test_recurrences_over_two_lengths_compute_the_same_bits(
    case: str, every: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a pass over the samples one axis has their length, and no other of those that a call decides."""
    monkeypatch.setattr(numba.core.config, "DISABLE_JIT", 1)
    graph = {
        "a field of samples": lambda: codegen.gradient(field(5, N, (Index("s", S),)), "loss", ["a", "left"]),
        "a field": lambda: codegen.gradient(field(N, M), "loss"),
        "apart": lambda: codegen.gradient(apart(), "loss"),
    }[case]()
    whole, blocks = programs(graph, "loops", every)
    for steps, along in ((1, 6), (7, 2)):
        values = sines(graph, {S: 3, N: steps, M: along})
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


@pytest.mark.parametrize("case", ["any length", "second derivatives of any length"])
def test_blocks_are_as_long_as_the_square_root_of_the_steps_of_a_call(case: str) -> None:
    graph = LONG["any length"] if case == "any length" else codegen.hvp(recurrence(N), "all", ["a", "y"])
    options: dict[str, Any] = {"schedule": "loops", "emitter": "vector", "cache": False}
    whole, blocks = (codegen.compile(graph, checkpoint=every, **options) for every in (None, "sqrt"))
    for samples in (1, 2, 5, 16, 17, 90):
        values = random_values(graph, samples=samples)
        assert_same(inside_a_fence(blocks, values, "float64"), inside_a_fence(whole, values, "float64"))
    shapes = blocks.report.compilation.program.work  # type: ignore[union-attr]
    sizes = [prod(n if isinstance(n, int) else int(n.subs(N, 10**6)) for n in shape) for shape in shapes]
    assert sum(sizes) < 50 * 10**3
