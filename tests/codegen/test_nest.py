"""Loop nests: which equations share a loop, what is outermost, where sums begin and where they end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from sympy import Expr, tanh

from codegen import Equation, Graph, Index, Reduction, Variable, sample_extent
from codegen.functions import equal
from codegen.schedule.loops import nest
from codegen.schedule.program import Accumulate, Fill, Loop, One, Set, Statement, Store

S = sample_extent()
s, i, j, h, d = Index("s", S), Index("i", 4), Index("j", 4), Index("h", 3), Index("d", 2)
x, y, z, A = Variable("x", (4,)), Variable("y", (4,)), Variable("z", (4,)), Variable("A", (4, 4))
X, W, U, B = Variable("X", (S, 2)), Variable("W", (3, 2)), Variable("U", (S, 3)), Variable("B", (3, S))
m, n, t = Variable("m"), Variable("n"), Variable("t")


def total(target: Expr, body: Expr, *over: Index) -> Equation:
    return Equation(target, body, Reduction.SUM, over)


def lines(statements: Sequence[Statement], depth: int = 0) -> Iterator[str]:
    for statement in statements:
        match statement:
            case Loop():
                only = f" = {statement.mode.value}" if isinstance(statement.mode, One) else ""
                yield f"{'  ' * depth}{statement.index.name}{only}:"
                yield from lines(statement.body, depth + 1)
            case Set() | Accumulate() | Fill() | Store():
                word = {Set: "=", Accumulate: "+=", Fill: "= 0", Store: "stored"}[type(statement)]
                yield f"{'  ' * depth}{statement.target} {word}"


E, V, place = Variable("E", (50, 3)), Variable("V", (50, 2)), Variable("place", (S,), "integer", 50)
row, few = Index("row", 50), Index("few", 3)

NESTS: dict[str, tuple[list[Variable], list[Equation], str]] = {
    "maps over one range share a loop": (
        [x],
        [Equation(y[i], x[i] ** 2), Equation(z[j], tanh(y[j]))],
        "i: | y[i] = | z[i] =",
    ),
    "what reads a finished sum has a loop of its own": (
        [x],
        [Equation(y[i], x[i] ** 2), total(m.symbol, y[i], i), Equation(z[i], y[i] * m.symbol)],
        "m = 0 | i: | y[i] = | m += | i: | z[i] =",
    ),
    "what reads another element has a loop of its own": (
        [x],
        [Equation(y[i], x[i] ** 2), Equation(z[i], y[i] + y[0])],
        "i: | y[i] = | i: | z[i] =",
    ),
    "two sums of one pass share it": (
        [x],
        [total(m.symbol, x[i], i), total(n.symbol, x[j] ** 2, j)],
        "m = 0 | n = 0 | i: | m += | n +=",
    ),
    "a row that the data say is read where it is": (
        [E, place],
        [total(U[s, h], equal(place[s], row) * E[row, h], row)],
        "s: | h: | U[s, h] = 0 | row = place[s]: | U[s, h] += | U[s, h] stored",
    ),
    "a row that the data say is added to where it is": (
        [X, place],
        [total(V[row, d], equal(row, place[s]) * X[s, d], s)],
        "V[row, d] = 0 | s: | d: | row = place[s]: | V[row, d] +=",
    ),
    "one of a few is told by its bracket": (
        [U, place],
        [total(m.symbol, equal(few, place[s]) * U[s, few], s, few)],
        "m = 0 | s: | few: | m +=",
    ),
    "numbers come before the loops that do not need them": (
        [x, t],
        [Equation(y[i], x[i] ** 2), Equation(m.symbol, t.symbol**2), Equation(z[i], x[i] * m.symbol)],
        "m = | i: | y[i] = | z[i] =",
    ),
    "samples are outermost, wherever they stand": (
        [X, W],
        [total(B[h, s], W[h, d] * X[s, d], d)],
        "s: | h: | B[h, s] = 0 | d: | B[h, s] += | B[h, s] stored",
    ),
    "a layer goes from sum to function in one pass over its units": (
        [X, W],
        [total(U[s, h], W[h, d] * X[s, d], d), total(m.symbol, tanh(U[s, h]), s, h)],
        "m = 0 | s: | h: | U[s, h] = 0 | d: | U[s, h] += | m +=",
    ),
    "of a sum that has one term the loop runs once": (
        [x],
        [total(y[i], equal(j, 3 - i) * x[j], j)],
        "i: | y[i] = 0 | j = 3 - i: | y[i] += | y[i] stored",
    ),
}


@pytest.mark.parametrize("case", NESTS)
def test_equations_are_nested(case: str) -> None:
    inputs, equations, expected = NESTS[case]
    graph = Graph(tuple(inputs), tuple(equations), (equations[-1].name,))
    assert [line.strip() for line in lines(nest(graph, graph.equations))] == expected.split(" | ")


def test_a_sum_outside_of_its_targets_loop_is_begun_over_the_whole_target() -> None:
    """Σ_s of a row: the sum stays under way while the samples pass, so every element of it is filled before them."""
    graph = Graph((X,), (total(Variable("c", (2,))[d], X[s, d], s),), ("c",))
    first, loop = nest(graph, graph.equations)
    assert isinstance(first, Fill)
    assert first.over == (d,)
    assert isinstance(loop, Loop)
    assert loop.index == s
    assert list(lines([loop])) == ["s:", "  d:", "    c[d] +="]


def test_an_index_of_the_same_name_steps_aside() -> None:
    """z[j] = Σ_i A[j, i] joins the loop over i of y: its own i becomes another one."""
    graph = Graph((x, A), (Equation(y[i], x[i] ** 2), total(z[j], A[j, i] * x[i], i)), ("y", "z"))
    outer = nest(graph, graph.equations)[0]
    assert isinstance(outer, Loop)
    names = [line.strip() for line in lines([outer])]
    assert names[:3] == ["i:", "y[i] =", "z[i] = 0"]
    inner = next(statement for statement in outer.body if isinstance(statement, Loop))
    assert inner.index.name not in ("i", "j")
