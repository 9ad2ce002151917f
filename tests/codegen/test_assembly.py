"""Straight lines in machine code of ours have the bits of those that LLVM writes."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import sympy
from sympy import Expr, IndexedBase, Integer, Max, Min, Piecewise, Symbol, atan2, cos, erf, exp, sin, sqrt, tanh

from codegen import compile, from_expressions, gradient
from codegen.emit.vector.assembly import BIAS, Assembly
from codegen.functions import clip, hypot, relu, sign
from codegen.ir.graph import Graph
from codegen.runtime.machine import feasible, host
from codegen.schedule.target import Target
from tests.codegen.networks import Lazy
from tests.codegen.test_encoding import text
from tests.sweeps import one_in

pytestmark = pytest.mark.skipif(not host().assembly, reason="the processor has another language")

WIDE = host()
NARROW = replace(host(), register=32, registers=16)
x, y = IndexedBase("x", shape=(40,), real=True), IndexedBase("y", shape=(3, 4), real=True)
a, b = Symbol("a", real=True), Symbol("b", real=True)
ARRAYS = [IndexedBase(f"p{n}", shape=(5,), real=True) for n in range(9)]


def arithmetic(count: int, seed: int, first: Sequence[Expr], inputs: Sequence[Any]) -> Graph:
    """The gradient of operations on two or three of many values, more than registers; all that is left is summed."""
    draw = random.Random(seed)
    values, found = list(first), dict[str, Expr]()
    for number in range(count):
        p, q, r = (values[-1 - draw.randrange(min(len(values), 60))] for _ in range(3))
        made = (p * q + r, r - p * q, p**2 + q, p - q, p / (2 + q**2), p * q * r / 4, -p, p**3 - p, p + p * q)
        found[f"t{number}"] = made[draw.randrange(len(made))] / 2
        values.append(Symbol(f"t{number}", real=True))
    found["e"] = sympy.Add(*values)
    return gradient(from_expressions(found, inputs), "e")


FUNCTIONS = [
    f(x[n] / (1 + n)) * x[n + 1]
    for f, count in ((sin, 9), (cos, 3), (exp, 17), (tanh, 2), (erf, 5))
    for n in range(count)
]


def choices() -> Graph:
    made = [
        Piecewise((x[n] * a, (x[n] > b) & (x[n + 1] <= 1)), (x[n] ** 2, (a < x[n]) | ~(b >= x[n])), (sqrt(x[n]), True))
        + Max(x[n], x[n + 2]) * Min(a, x[n], b)
        + clip(x[n], a, b)
        + sign(x[n] - a)
        + relu(x[n + 1] - b)
        for n in range(12)
    ]
    return from_expressions({"f": sum(made), **{f"g{n}": g * n + sin(g) for n, g in enumerate(made)}}, [x, a, b])


def repeated() -> Graph:
    """Results of which most are one of a few numbers, some of them there before these, some after."""
    few, c = (sin(x[3]) * a, Integer(0), x[5] * b - a), IndexedBase("c", shape=(3, 70), real=True)
    entries = {c[m, n]: few[m] if n % 9 else few[m] * x[n % 40] + m * n for m in range(3) for n in range(70)}
    return from_expressions({**entries, **{f"s{n}": few[0] for n in range(20)}, **MANY}, [x, a, b])


MANY = {f"m{n}": x[n % 9] * (n + x[n % 7]) - x[n % 11] for n in range(120)}
"""Enough for a straight line."""

GRAPHS = Lazy(
    {
        "arithmetic": lambda: arithmetic(500, 1, [*(x[n] for n in range(30)), y[1, 2], a, b], [x, y, a, b]),
        "many arrays": lambda: arithmetic(300, 2, [p[n] for p in ARRAYS for n in range(5)], ARRAYS),
        "many arrays and functions": lambda: from_expressions(
            {"f": sum((sin(p[n] * ARRAYS[n][0]) for p in ARRAYS for n in range(5)), x[0]), **MANY}, [x, *ARRAYS]
        ),
        "functions": lambda: from_expressions(
            {"f": sum((g * h for g, h in pairwise(FUNCTIONS)), atan2(a, b)), "g": hypot(a, b) * FUNCTIONS[0], **MANY},
            [x, a, b],
        ),
        "choices": choices,
        "repeated": repeated,
    }
)


def called(graph: Graph, target: Target, dtype: Any) -> tuple[Any, bool]:
    """The results at some numbers, and whether it ran in assembly language."""
    function = compile(graph, schedule="unrolled", target=target, dtype=dtype, cache=False, tier="quick")
    draw = np.random.default_rng(5)
    values = [np.asarray(draw.uniform(0.2, 1.4, v.shape), dtype) for v in graph.inputs]
    results = function(*(value if value.shape else value.item() for value in values))
    straight = function.report.compilation.straight
    assert straight is not None
    return results if isinstance(results, tuple) else (results,), straight.assembly is not None


def written_out(assembly: Assembly) -> list[str]:
    """Its instructions."""
    return [text(row, assembly.dtype) for row in assembly.rows]


WIDTHS = ((WIDE, "float64"), (NARROW, "float32"))


@pytest.mark.parametrize(
    ("name", "target", "dtype"),
    one_in(2, ((name, *way) for number, name in enumerate(GRAPHS) for way in WIDTHS[:: (1, -1)[number % 2]])),
)
def test_the_bits_are_those_of_llvm(name: str, target: Target, dtype: Any) -> None:
    graph = GRAPHS[name]
    ours, is_assembly = called(graph, target, dtype)
    others, _ = called(graph, replace(target, assembly=False), dtype)
    assert is_assembly
    for value, other in zip(ours, others, strict=True):
        assert np.isfinite(value).all()
        assert np.array_equal(value, other)


def test_registers_are_given_up_for_what_is_needed_first() -> None:
    """Of 60 values in 16 registers most are stored once; what lies in memory is read where it lies."""
    function = compile(GRAPHS["arithmetic"], target=NARROW, cache=False)
    straight = function.report.compilation.straight
    assert straight is not None
    assembly = straight.assembly
    assert assembly is not None
    written = sum("(%rbp)" in line and line.startswith("vmovsd %xmm") for line in written_out(assembly))
    assert written < 0.4 * len(assembly.line.groups)


def test_long_sums_of_many_numbers_have_an_end() -> None:
    """What is being made keeps its place among what is needed; writing went on for ever once nothing else had one."""
    u, draw = IndexedBase("u", shape=(200,), real=True), random.Random(3)
    terms = [u[draw.randrange(200)] * u[draw.randrange(200)] ** 2 * u[draw.randrange(200)] for _ in range(800)]
    signed = sympy.Add(*[term * draw.choice([1, -1, 2, -3]) for term in terms])
    ours, is_assembly = called(gradient(from_expressions({"f": signed}, [u]), "f"), NARROW, "float64")
    at = dict(zip((u[n] for n in range(200)), np.random.default_rng(5).uniform(0.2, 1.4, 200).tolist()))
    assert is_assembly
    assert ours[0] == pytest.approx(float(signed.xreplace(at)), rel=1e-12)


@pytest.mark.parametrize("name", GRAPHS)
def test_all_that_is_kept_lies_in_the_workspace(name: str) -> None:
    function = compile(GRAPHS[name], target=WIDE, cache=False)
    straight = function.report.compilation.straight
    assert straight is not None
    assembly = straight.assembly
    assert assembly is not None
    ends = [0]
    for line in written_out(assembly):
        for offset in re.findall(r"(-?\d+)\(%rbp\)", line):
            size = WIDE.register if line.startswith("vmovups") else assembly.item
            ends.append(BIAS + int(offset) + size)
            assert BIAS + int(offset) >= 0
    assert max(ends) == assembly.room * assembly.item


@pytest.mark.parametrize("target", [WIDE, NARROW], ids=["wide", "narrow"])
def test_what_many_results_are_is_stored_a_register_at_a_time(target: Target) -> None:
    """Of 230 elements 206 are one of three numbers; 24 others lie among them."""
    straight = compile(GRAPHS["repeated"], target=target, cache=False).report.compilation.straight
    assert straight is not None
    assembly = straight.assembly
    assert assembly is not None
    assert sum(cell.name[0] in "cs" for cell in assembly.elements) == 230
    stores = re.compile(r"vmov(sd|ups) %[xyz]mm\d+, \d*\(%r1[2-5]\)")
    written = sum(1 for line in written_out(assembly) if stores.match(line)) - len(MANY)
    assert written <= 24 + 1.5 * 206 / assembly.lanes


def test_functions_of_more_numbers_than_registers_are_llvms() -> None:
    entries = {"e": hypot(*(sin(x[n]) for n in range(12))), **MANY}
    ours, is_assembly = called(from_expressions(entries, [x]), WIDE, "float64")
    assert not is_assembly
    sines = np.sin(np.random.default_rng(5).uniform(0.2, 1.4, 40)[:12])
    assert ours[0] == pytest.approx(np.linalg.norm(sines), rel=1e-15)


def test_a_target_that_this_machine_is_not_has_no_assembly() -> None:
    assert feasible(WIDE) == WIDE
    assert not feasible(replace(WIDE, registers=64)).assembly
    assert not feasible(replace(WIDE, register=16)).assembly
