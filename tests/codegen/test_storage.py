"""Where vertices are kept: in locals, in work arrays that they share, in tiles, in what is returned."""

from __future__ import annotations

import pytest
from sympy import Expr, Piecewise, tanh

from codegen import Equation, Graph, Index, Reduction, Variable, gradient, optimise, sample_extent
from codegen.schedule import TILE, schedule
from codegen.schedule.program import Place, Program
from tests.codegen.networks import mlp

S = sample_extent()
s, i = Index("s", S), Index("i", 4)
k, m, n, o = (Variable(name) for name in "kmno")
a, b, x = (Variable(name, (4,)) for name in "abx")


def total(target: Expr, body: Expr) -> Equation:
    return Equation(target, body, Reduction.SUM, (i,))


def program(*equations: Equation, outputs: tuple[str, ...] = ("o",)) -> Program:
    return schedule(Graph((x,), equations, outputs), "loops")


def place(found: Program, name: str) -> tuple[Place, tuple[object, ...]]:
    storage = found.storage[name, ()]
    return storage.place, storage.shape


SQUARES = (Equation(a[i], x[i] ** 2), total(m.symbol, a[i]))
"""a is read where it is written, and its sum is complete after the loop."""


def test_what_is_read_in_the_pass_that_writes_it_is_a_number() -> None:
    found = program(*SQUARES, Equation(o.symbol, tanh(m.symbol)))
    assert {name: place(found, name) for name in "xamo"} == {
        "x": (Place.INPUT, (4,)),
        "a": (Place.LOCAL, ()),
        "m": (Place.LOCAL, ()),
        "o": (Place.LOCAL, ()),
    }
    assert found.work == ()


def test_what_is_read_in_a_later_pass_is_an_array() -> None:
    found = program(*SQUARES, total(o.symbol, a[i] * m.symbol))
    assert place(found, "a") == (Place.WORK, (4,))


def test_an_array_that_is_returned_is_where_it_is_returned() -> None:
    found = program(Equation(a[i], x[i] ** 2), outputs=("a",))
    assert place(found, "a") == (Place.OUTPUT, (4,))
    assert found.work == ()


t, j, w = Index("t", 9), Index("j", 4), Index("w", 9)
X, q, v, L, M = *(Variable(name, (9, 4)) for name in "Xqv"), Variable("L"), Variable("M", (4, 4))


def past(body: Expr, steps: int = 1) -> Expr:
    return Piecewise((body, t >= steps), (0, True))


LEFT: dict[str, tuple[tuple[Equation, ...], tuple[int, ...]]] = {
    "the same element": ((Equation(q[t, i], past(q[t - 1, i]) + X[t, i]),), (4,)),
    "others, of which some have been written anew": (
        (
            Equation(v[t, i], past(M[i, j] * q[t - 1, j]), Reduction.SUM, (j,)),
            Equation(q[t, i], tanh(v[t, i] + X[t, i])),
        ),
        (9, 4),
    ),
    "two steps ago": ((Equation(q[t, i], past(q[t - 2, i], 2) + X[t, i]),), (9, 4)),
}
"""What a step of a recurrence reads of those before it, and the shape of what is kept."""


@pytest.mark.parametrize("case", LEFT)
def test_what_a_step_leaves_to_the_next_is_kept_for_one_step(case: str) -> None:
    equations, shape = LEFT[case]
    found = Equation(L.symbol, q[w, i] * X[w, i], Reduction.SUM, (w, i))
    program = schedule(Graph((X, M), (*equations, found), ("L",)), "loops")
    assert place(program, "q") == (Place.WORK, shape)


SHARED: dict[str, tuple[tuple[Equation, ...], bool]] = {
    "a is dead where b is written": (
        (
            total(n.symbol, a[i] * m.symbol),
            Equation(b[i], x[i] * n.symbol),
            total(k.symbol, b[i]),
            total(o.symbol, b[i] * k.symbol),
        ),
        True,
    ),
    "b is made of a element by element": (
        (Equation(b[i], a[i] * m.symbol), total(n.symbol, b[i]), total(o.symbol, b[i] * n.symbol)),
        True,
    ),
    "a is read again beside b": (
        (Equation(b[i], a[i] * m.symbol), total(n.symbol, b[i]), total(o.symbol, a[i] * b[i] * n.symbol)),
        False,
    ),
}


@pytest.mark.parametrize("case", SHARED)
def test_arrays_share_memory_where_their_lives_allow_it(case: str) -> None:
    equations, shared = SHARED[case]
    found = program(*SQUARES, *equations)
    assert (found.storage["a", ()].number == found.storage["b", ()].number) == shared
    assert found.work == ((4,),) * (1 if shared else 2)


def test_elements_that_are_assigned_and_read_one_by_one_are_numbers() -> None:
    pair = Variable("p", (2,))
    equations = (
        Equation(pair[0], x[0] * x[1]),
        Equation(pair[1], x[2] * x[3]),
        Equation(o.symbol, pair[0] * tanh(pair[1])),
    )
    found = program(*equations)
    assert [found.storage["p", (n,)].place for n in (0, 1)] == [Place.LOCAL] * 2
    assert found.storage["p", (0,)].number != found.storage["p", (1,)].number


def test_a_tile_bounds_what_only_the_samples_know() -> None:
    graph = optimise(gradient(mlp([7, 20, 9]), "loss"))[0]
    found = schedule(graph, "tiled")
    tiles = [storage for storage in found.storage.values() if storage.place is Place.TILE]
    assert tiles
    assert all(isinstance(length, int) and length <= max(TILE, 20) for storage in tiles for length in storage.shape)
    assert found.workspace.isdigit(), "no array has the length of the samples"


def test_straight_line_code_of_a_network_has_no_arrays() -> None:
    assert schedule(optimise(gradient(mlp([2, 5, 3]), "loss"))[0], "unrolled").workspace == "0"
