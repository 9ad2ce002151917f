"""Derivatives of nodes that choose, or have tails, beside those of the same formulas as equations."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from sympy import (
    Abs,
    Eq,
    Expr,
    IndexedBase,
    Max,
    Min,
    Ne,
    Piecewise,
    Symbol,
    cosh,
    erf,
    erfc,
    exp,
    log,
    sign,
    sin,
    sinh,
    sqrt,
    symbols,
)

import codegen
from codegen.functions import clip, select
from codegen.ir.graph import Graph
from codegen.passes import straight
from tests.codegen.test_guards import CASES
from tests.sweeps import one_in

x, y, z = symbols("x y z", real=True)
FORMULAS: Mapping[str, Expr] = {
    "the larger of two": Max(x * y, sin(z)) * x,
    "the smallest of four": Min(x, y, z, x * y) ** 2,
    "a maximum of minima": Max(Min(x, y), Min(y, z), z - 1) * Max(x, y),
    "a number kept between two": Min(1, Max(-1, x * y)) + clip(y, x, z),
    "absolute values": Abs(x - y) ** 3 + sign(z) * Abs(x) * y,
    "two branches": Piecewise((x * y, x > y), (sqrt(y - x) * z, True)) * y,
    "three branches": Piecewise((x**2, x < 0), (x * y, (y > 1) & (z > 0)), (log(x) + z, Ne(x, 0)), (z, True)),
    "no branch for some": Piecewise((x * y, x > 0), (z * y, y > 0)) + z**2,
    "a branch in a branch": Piecewise((Piecewise((1 / x, Ne(x, 0)), (y, True)) * z, z > 0), (exp(x), True)),
    "a condition on an entry": Piecewise((exp(-x) / y, Eq(x, y) | (x > 1)), (y * x, True)),
    "select": select(x - y, x**2 * y, z / y) * z,
    "errors": erf(x * y) * erfc(z) + log(erfc(x)),
    "Mills' ratio": exp(-(x**2)) / erfc(x) * y,
    "a reciprocal of a tail": y / erfc(x * z) ** 2,
    "hyperbolic": log(cosh(x)) * y + sinh(x * y) / cosh(x * y) + 1 / cosh(z) ** 2,
    "logarithms": log(1 + x**2 * y**2) + log(2 + Abs(x)) * log(1 + exp(x - z)),
    "exponentials of exponentials": exp(-exp(x)) * exp(x - y) * z,
    "a tail in a branch": Piecewise((log(erfc(x)), x > y), (cosh(y), True)) * Max(erf(x), z),
}
POINTS: Mapping[str, tuple[float, float, float]] = {
    "ordinary": (0.7, 1.3, 0.4),
    "below": (-0.6, 0.4, -1.2),
    "equal": (1.0, 1.0, 1.0),
    "nought": (0.0, 0.0, 0.0),
    "far out": (30.0, 27.5, 3.0),
    "infinite": (np.inf, 1.0, 2.0),
    "none": (np.nan, 1.0, 2.0),
}


def derived(derive: Callable[[Graph], Graph], formula: Expr, monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """All derivatives at all points, as nodes and as equations."""
    found = []
    for large in (1, 10**9):
        monkeypatch.setattr(straight, "LARGE", large)
        graph = codegen.from_expressions({"f": formula}, [x, y, z])
        graph = derive(graph)
        assert ("equations" in vars(graph)) == (large > 1)
        function = codegen.compile(graph, tier="quick", cache=False)
        given = [(*point, 0.3, -1.2, 0.7)[: len(graph.inputs)] for point in POINTS.values()]
        found.append(np.array([np.ravel(function(*values)) for values in given]))
    return found


DERIVATIVES: Mapping[str, Callable[[Graph], Graph]] = {
    "gradient": lambda graph: codegen.gradient(graph, "f"),
    "tangents": lambda graph: codegen.jacobian(graph, "f", mode="forward"),
    "hessian": lambda graph: codegen.hessian(graph, "f"),
    "its product": lambda graph: codegen.hvp(graph, "f"),
}


@pytest.mark.parametrize("kind", DERIVATIVES)
@pytest.mark.parametrize("name", one_in(3, FORMULAS))
def test_nodes_have_the_derivatives_of_equations(name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever value and derivative are numbers: of what is not chosen equations may have 0·∞."""
    ours, theirs = derived(DERIVATIVES[kind], FORMULAS[name], monkeypatch)
    for point, one, other in zip(POINTS, ours, theirs):
        known = ~(np.isnan(other) | np.isnan(other[0]))
        np.testing.assert_allclose(one[known], other[known], rtol=1e-11, atol=1e-13, err_msg=point)
    assert np.isfinite(theirs[0]).all()


@pytest.mark.parametrize("case", CASES)
def test_what_no_branch_takes_contributes_nothing(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(straight, "LARGE", 1)
    entries, at, slope, second = CASES[case]
    graph = codegen.from_expressions(entries, symbols("a b", real=True))
    for derive in (codegen.gradient, codegen.jacobian):
        assert codegen.compile(derive(graph, "f"), tier="quick", cache=False)(*at)[1:] == slope
    found = codegen.compile(codegen.hessian(graph, "f"), tier="quick", cache=False)(*at)
    assert list(found[1:]) == second
    along = codegen.compile(codegen.hvp(graph, "f"), tier="quick", cache=False)(*at, 2.0, -1.0)
    assert list(along[1:]) == [2 * second[0] - second[1], 2 * second[1] - second[2]]


def test_an_infinite_slope_of_what_is_not_the_largest_is_no_part_of_the_gradient(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(straight, "LARGE", 1)
    graph = codegen.gradient(codegen.from_expressions({"f": Max(log(x), -10) + Min(y, sqrt(y))}, [x, y]), "f")
    assert codegen.compile(graph, tier="quick", cache=False)(0.0, 0.0) == (-10.0, 0.0, np.inf)


def chain(length: int) -> Graph:
    """Choices and tails one after the other, on the last value and on others long before it."""
    values: list[Expr] = [x, y, z]
    entries: dict[str, Expr] = {}
    kinds: tuple[Callable[[Expr, Expr], Expr], ...] = (
        Max,
        lambda a, b: erf(a) * b,
        lambda a, b: Piecewise((sqrt(a) * b, a > b), (a / 2, True)),
        lambda a, b: Abs(a) / cosh(b),
        lambda a, b: log(1 + a**2) + erfc(b),
    )
    for n in range(length):
        entries[f"t{n}"] = kinds[n % len(kinds)](values[-1], values[-1 - (7 * n) % min(len(values), 40)])
        values.append(Symbol(f"t{n}", real=True))
    entries["f"] = values[-1] * x
    return codegen.from_expressions(entries, [x, y, z])


def test_derivatives_grow_as_their_formulas() -> None:
    sizes = []
    for length in (250, 500):
        formulas = codegen.gradient(chain(length), "f").formulas
        assert formulas is not None
        sizes.append(len(formulas.nodes.below(list(formulas.assigned.values()))))
    assert sizes[1] < 2.1 * sizes[0]


@pytest.mark.parametrize("derive", [codegen.hessian, codegen.hvp])
def test_second_derivatives_of_a_maximum_grow_with_its_numbers(derive: Callable[[Graph, str], Graph]) -> None:
    sizes = []
    for count in (80, 160):
        v = IndexedBase("v", shape=(count,), real=True)
        entries: dict[str, Expr] = {f"t{n}": sin(v[n]) * v[n] for n in range(count)}
        entries["f"] = Max(*(Symbol(name, real=True) for name in entries), evaluate=False)
        formulas = derive(codegen.from_expressions(entries, [v]), "f").formulas
        assert formulas is not None
        sizes.append(len(formulas.nodes.below(list(formulas.assigned.values()))))
    assert sizes[1] < 2.1 * sizes[0]
