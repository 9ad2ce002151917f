"""Random large formulas, worked on as nodes, beside the chain rule: in fractions exactly, otherwise in mpmath."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from mpmath import mp
from sympy import (
    Abs,
    Add,
    Expr,
    Float,
    Indexed,
    IndexedBase,
    Integer,
    Max,
    Min,
    Mul,
    Ne,
    Piecewise,
    Pow,
    Rational,
    Symbol,
    atan,
    cosh,
    exp,
    log,
    sign,
    sin,
    sqrt,
    symbols,
    tanh,
)

from codegen import Graph, compile, from_expressions, gradient, hessian, hvp, jacobian, jvp, vjp
from codegen.passes import ON_NODES, straight
from codegen.read import straight as reading
from codegen.runtime.machine import host
from codegen.schedule import line
from tests.codegen.jets import Jet, Jets

x, y, z = symbols("x y z", real=True)
u = IndexedBase("u", shape=(3,), real=True)
Y = IndexedBase("Y", shape=(6,), real=True)
LEAVES: Sequence[Expr] = (x, y, z, *(u[n] for n in range(3)))
NUMBERS = [*map(Integer, (1, -1, 2, -3, 1000)), Rational(1, 3), Rational(-2, 7)]
TIMES = (1, 1, -1, 2)
INPUTS = {"x": [0], "y": [1], "z": [2], "u": [3, 4, 5]}
"""The numbers of what is derived by, by the names of the inputs."""

Draw = random.Random
Pick = Callable[[], Expr]
KINDS: Mapping[str, Callable[[Draw, Pick], Expr]] = {
    "sum": lambda draw, pick: Add(*[draw.choice([*TIMES, *NUMBERS]) * pick() for _ in range(4)], draw.choice(NUMBERS)),
    "multiples": lambda draw, pick: pick() * Add(*[draw.choice(TIMES) * pick() for _ in range(3)]) + pick(),
    "product": lambda draw, pick: Mul(*[pick() for _ in range(draw.randint(2, 4))], draw.choice(NUMBERS)),
    "quotient": lambda draw, pick: draw.choice(NUMBERS) * pick() / pick() ** draw.choice([1, 2, 3]),
    "power of a sum": lambda draw, pick: (pick() + draw.choice(TIMES) * pick()) ** draw.choice([2, 3, -1, -2]),
    "power": lambda draw, pick: pick() ** draw.choice([2, 3, 5, -1, -3]),
}
ROOTS = [Rational(1, 2), Rational(-3, 2), Rational(1, 3), Float("1.7")]
SMOOTH: Mapping[str, Callable[[Draw, Pick], Expr]] = {
    **KINDS,
    "over squares": lambda draw, pick: pick() * pick() / (draw.choice(LEAVES) ** 2 + u[1] ** 2) ** draw.choice([1, 2]),
    "root": lambda draw, pick: (pick() ** 2 + Rational(1, 4)) ** draw.choice(ROOTS),
    "root of a power": lambda draw, pick: ((pick() + 3) ** 2 * draw.choice([1, 3])) ** draw.choice(ROOTS),
    "number to a power": lambda draw, pick: draw.choice([Integer(2), Rational(1, 3)]) ** pick(),
    "function": lambda draw, pick: draw.choice([sin, exp, tanh, atan])(
        draw.choice(NUMBERS[:4]) + Float("0.3") * pick()
    ),
    "logarithm": lambda draw, pick: log(draw.choice([pick() ** 2 + 1, exp(pick()) + 1])) / cosh(pick()),
}
CHOOSING: Mapping[str, Callable[[Draw, Pick], Expr]] = {
    **SMOOTH,
    "extremum": lambda draw, pick: draw.choice([Max, Min])(pick(), pick(), draw.choice([pick(), *NUMBERS])),
    "size": lambda draw, pick: Abs(pick()) * draw.choice([1, sign(pick())]),
    "branches": lambda draw, pick: Piecewise(
        (pick() / x, Ne(x, 1) & (y > pick())), (pick(), pick() <= 1), (pick(), True)
    ),
    "guarded": lambda draw, pick: Piecewise((draw.choice([sqrt, log])(z) * pick(), z > 0), (pick(), True)),
}
FAMILIES = {"rational": KINDS, "smooth": SMOOTH, "choosing": CHOOSING}


@dataclass(frozen=True)
class Drawn:
    """Entries with names, some of which others read, and six results, of which some are equal, inputs or numbers."""

    named: Mapping[Expr, Expr]
    results: Sequence[Expr]

    def graph(self, results: Mapping[Any, Expr]) -> Graph:
        entries = {str(name): formula for name, formula in self.named.items()}
        graph = from_expressions({**entries, **results}, [x, y, z, u])
        assert graph.formulas is not None
        outputs = dict.fromkeys(cell.name for cell in graph.formulas.assigned if cell.name not in entries)
        return Graph.of_formulas(graph.inputs, graph.formulas, [*outputs])

    @property
    def array(self) -> Graph:
        return self.graph({Y[n]: result for n, result in enumerate(self.results)})

    @property
    def scalar(self) -> Graph:
        return self.graph({"f": self.total})

    @property
    def total(self) -> Expr:
        return Add(*[(n + 1) * result for n, result in enumerate(self.results)])


def drawn(family: str, seed: int) -> Drawn:
    draw = random.Random(seed)
    kinds, pool, named = [*FAMILIES[family].values()], [*LEAVES], dict[Expr, Expr]()

    def pick() -> Expr:
        return draw.choice(pool[-8:] if draw.random() < 0.5 else pool)

    for number in range(12):
        made = draw.choice(kinds)(draw, pick)
        if not made.is_number and made.is_finite is not False:
            named[name := Symbol(f"{draw.choice('Ant')}{number}", real=True)] = made
            pool.append(draw.choice([name, made]))
    results = [draw.choice(TIMES) * pick() + draw.choice([0, pick()]) for _ in range(5)]
    return Drawn(named, [*results, draw.choice([results[0], x, Integer(-2)])])


@pytest.fixture(autouse=True)
def as_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Formulas of any size are worked on as nodes."""
    for module in (straight, reading):
        monkeypatch.setattr(module, "LARGE", 1)


def seeds(quick: int, slow: int) -> list[Any]:
    return [pytest.param(n, marks=() if n < quick else pytest.mark.slow) for n in range(slow)]


# --- in fractions -------------------------------------------------------------------------------------------------


def in_fractions(graph: Graph, at: Mapping[Expr, Fraction]) -> dict[str, list[Fraction]]:
    """The outputs of formulas of sums, products and whole powers, element by element."""
    formulas = graph.formulas
    assert formulas is not None
    found: dict[int, Fraction] = {}
    for node in formulas.nodes.below(formulas.roots(graph.outputs)):
        head, given = formulas.nodes.heads[node], [found[operand] for operand in formulas.nodes.operands[node]]
        if head is Pow:
            found[node] = Fraction(given[0] ** given[1])
        elif given:
            assert head in (Add, Mul)
            found[node] = sum(given, Fraction(0)) if head is Add else math.prod(given, start=Fraction(1))
        else:
            found[node] = at[head] if isinstance(head, (Indexed, Symbol)) else Fraction(str(Rational(head)))
    return {name: [found[node] for node in formulas.of_variable(name)] for name in graph.outputs}


@pytest.mark.parametrize("seed", seeds(6, 150))
def test_every_pass_leaves_rational_formulas_and_their_derivatives_exactly_as_they_are(seed: int) -> None:
    case = drawn("rational", seed)
    at = {leaf: Fraction(3 * n + 2, 7 + n) * (-1) ** n for n, leaf in enumerate(LEAVES)}
    jets = Jets(at, case.named, Fraction)
    rows = [jets(result) for result in case.results]
    total = jets(case.total)
    second = [[total.second.get((row, column), 0) for column in range(6)] for row in range(6)]
    expected = {
        "Y": [row.value for row in rows],
        **{f"dY/d{name}": [row.first.get(n, 0) for row in rows for n in numbers] for name, numbers in INPUTS.items()},
        **{f"df/d{name}": [total.first.get(n, 0) for n in numbers] for name, numbers in INPUTS.items()},
        **{
            f"ddf/d{a}/d{b}": [second[n][m] for n in numbers for m in others]
            for a, numbers in INPUTS.items()
            for b, others in INPUTS.items()
        },
        "f": [total.value],
    }
    derived = [jacobian(case.array, "Y", mode=mode) for mode in ("forward", "reverse")]
    for graph in (*derived, gradient(case.scalar, "f"), hessian(case.scalar, "f")):
        for changed in (graph, ON_NODES["share"](graph), ON_NODES["factor"](graph)):
            for name, values in in_fractions(changed, at).items():
                assert values == expected[name]


# --- in mpmath ----------------------------------------------------------------------------------------------------

POINTS: Mapping[str, Sequence[float]] = {
    "ordinary": (0.7, 1.3, 0.4, 0.9, 0.6, 1.1),
    "of both signs": (-0.6, 0.45, -1.2, 0.8, -0.35, 1.4),
    "equal": (1.0, 0.5, 0.5, 1.0, 0.5, 1.0),
    "at kinks": (0.0, 1.0, -1.0, 0.0, 0.25, -1.0),
}
ALONG = (2.0, -1.0, 0.5, 1.0, 0.0, -3.0)


def first(jet: Jet) -> list[Any]:
    return [jet.first.get(n, 0) for n in range(6)]


def second(jet: Jet) -> list[list[Any]]:
    return [[jet.second.get((n, m), 0) for m in range(6)] for n in range(6)]


def along(rows: Sequence[Sequence[Any]]) -> list[Any]:
    return [sum(a * b for a, b in zip(row, ALONG)) for row in rows]


Found = Sequence[np.ndarray]


def in_columns(found: Found) -> np.ndarray:
    """The derivatives by all inputs, side by side."""
    return np.concatenate([np.reshape(block, (6, -1)) for block in found], axis=1)


def triangle(found: Found) -> np.ndarray:
    """A Hessian of its blocks on and above the diagonal."""
    blocks, whole, sizes = iter(found), np.zeros((6, 6)), [*INPUTS.values()]
    for n, rows in enumerate(sizes):
        for columns in sizes[n:]:
            block = np.reshape(next(blocks), (len(rows), len(columns)))
            whole[np.ix_(rows, columns)], whole[np.ix_(columns, rows)] = block, block.T
    return whole


@dataclass(frozen=True)
class Request:
    """A derivative, what its outputs are beside the first, and what they should be by the jets of Y and f."""

    derive: Callable[[Drawn], Graph]
    found: Callable[[Found], Any]
    expected: Callable[[Sequence[Jet], Jet], Any]
    extra: Sequence[Any] = ()


DIRECTION = (*ALONG[:3], np.array(ALONG[3:]))
REQUESTS: Mapping[str, Request] = {
    "jacobian, forward": Request(
        lambda case: jacobian(case.array, "Y", mode="forward"), in_columns, lambda rows, f: list(map(first, rows))
    ),
    "jacobian, reverse": Request(
        lambda case: jacobian(case.array, "Y", mode="reverse"), in_columns, lambda rows, f: list(map(first, rows))
    ),
    "gradient": Request(lambda case: gradient(case.scalar, "f"), np.hstack, lambda rows, f: first(f)),
    "hessian": Request(lambda case: hessian(case.scalar, "f"), triangle, lambda rows, f: second(f)),
    "by the hessian": Request(
        lambda case: hvp(case.scalar, "f"), np.hstack, lambda rows, f: along(second(f)), DIRECTION
    ),
    "along": Request(
        lambda case: jvp(case.array, "Y"), lambda found: found[0], lambda rows, f: along(map(first, rows)), DIRECTION
    ),
    "across": Request(
        lambda case: vjp(case.array, "Y"),
        np.hstack,
        lambda rows, f: [sum(a * b for a, b in zip(column, ALONG)) for column in zip(*map(first, rows))],
        (np.array(ALONG),),
    ),
}


def jets_at(case: Drawn, point: Sequence[float], exact: bool) -> tuple[list[Jet], Jet]:
    at = dict(zip(LEAVES, point))
    jets = Jets(at, case.named, mp.mpf) if exact else Jets(at, case.named, float, "math")
    return [jets(result) for result in case.results], jets(case.total)


@pytest.mark.parametrize("seed", seeds(1, 12))
@pytest.mark.parametrize("request_", REQUESTS)
@pytest.mark.parametrize("family", ["smooth", "choosing"])
def test_derivatives_are_those_of_the_chain_rule(family: str, request_: str, seed: int) -> None:
    """To 1e-12, or as far as the chain rule itself is right in float64 anywhere in the array."""
    case, request = drawn(family, seed), REQUESTS[request_]
    function = compile(request.derive(case), tier="quick", cache=False)
    compared = 0
    for point in POINTS.values():
        with mp.workdps(40):
            try:
                (rows, total), (near, near_total) = (jets_at(case, point, exact) for exact in (True, False))
            except (ZeroDivisionError, OverflowError, ValueError, TypeError):  # no value, or a complex one
                continue
            expected = np.array(request.expected(rows, total)).astype(float)
            inexact = np.array(request.expected(near, near_total)).astype(float)
        found = request.found(function(*point[:3], np.array(point[3:]), *request.extra)[1:])
        known = np.isfinite(expected) & (abs(expected) < 1e100)
        tolerance = 1e-12 * np.maximum(1, abs(expected)) + 100 * np.nanmax(abs(expected - inexact)[known], initial=0)
        assert (abs(found - expected) <= tolerance)[known].all(), point
        compared += known.sum()
    assert compared > 0


# --- as code ------------------------------------------------------------------------------------------------------

WIDE = host()
NARROW = replace(WIDE, register=32, registers=16)


@pytest.mark.parametrize("seed", seeds(2, 20))
def test_the_bits_are_the_same_however_a_line_is_cut_and_written(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = jacobian(drawn(("smooth", "choosing")[seed % 2], seed).array, "Y")
    for target in (WIDE, NARROW):
        found = []
        for block, assembly, tier in (
            (200, True, "full"),
            (7, True, "quick"),
            (200, False, "light"),
            (7, False, "quick"),
        ):
            monkeypatch.setattr(line, "BLOCK", block)
            monkeypatch.setattr(line, "WHOLE", 4 * block)
            function = compile(graph, target=replace(target, assembly=assembly), tier=tier, cache=False)
            values = [function(*point[:3], np.array(point[3:])) for point in POINTS.values()]
            found.append(np.hstack([np.ravel(value) for row in values for value in row]))
        for other in found[1:]:
            np.testing.assert_array_equal(other, found[0])
