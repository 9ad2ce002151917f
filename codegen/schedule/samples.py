"""Cut a graph at its samples: what comes before them, what runs over them, what follows from sums over them."""

from __future__ import annotations

from dataclasses import dataclass

from sympy import Idx

from codegen.ir.graph import Cell, Equation, Graph
from codegen.walk import fresh_index, is_plain_on, is_sample, is_symbolic, reindex, subscripts


@dataclass(frozen=True)
class Phases:
    """The equations of a graph by phase; those inside all run over the one ``index``."""

    index: Idx
    before: tuple[Equation, ...]
    inside: tuple[Equation, ...]
    after: tuple[Equation, ...]


def phases(graph: Graph) -> Phases | None:
    """Split a graph whose samples depend on nothing but inputs and on what needs no samples; None for any other.

    Others have several symbolic extents, equations over pairs of samples, samples that read others, or that depend on
    a sum over samples.
    """
    index = _sample_index(graph)
    if index is None:
        return None
    before: list[Equation] = []
    inside: list[Equation] = []
    after: list[Equation] = []
    place: dict[Cell, list[Equation]] = {}
    for equation in graph.equations:
        own = [i for i in equation.domain if is_sample(i)]
        read = [cell for _, cells in graph.read_by(equation) for cell in cells if cell in place]
        found = [place[cell] for cell in read]
        summed = any(_is_sum(graph, cell) for cell in read)
        if len(own) > 1 or (own and (summed or any(where is after for where in found))) or _reads_others(equation):
            return None
        if own:
            equation = _over(equation, own[0], index)
            where = inside
        else:
            where = after if any(one is not before for one in found) else before
        where.append(equation)
        place[equation.cell] = where
    return Phases(index, tuple(before), tuple(inside), tuple(after)) if inside else None


def _sample_index(graph: Graph) -> Idx | None:
    if len(graph.extents) != 1:
        return None
    found = (i for e in graph.equations for i in e.domain if is_sample(i))
    return next(found, None)


def _is_sum(graph: Graph, cell: Cell) -> bool:
    """Whether a vertex is a reduction over the samples."""
    return any(is_sample(i) for e in graph.definitions[cell.name] if e.cell == cell for i in e.reduced)


def _reads_others(equation: Equation) -> bool:
    """Whether an equation reads samples by anything else than an index along all of them."""
    axes = (
        (subscript, n)
        for access in equation.accesses
        for subscript, n in zip(subscripts(access.reference), access.shape)
        if is_symbolic(n)
    )
    return any(not is_plain_on(subscript, n) for subscript, n in axes)


def _over(equation: Equation, old: Idx, new: Idx) -> Equation:
    """The same equation with ``new`` for its sample index; another index of that name steps aside."""
    if old == new:
        return equation
    others = [i for i in equation.domain if i != old]
    renaming = {old: new}
    taken = {i.name for i in others} | {new.name}
    for index in others:
        if index.name == new.name:
            renaming[index] = fresh_index(index, taken)
    target, body = reindex(equation.target, renaming), reindex(equation.body, renaming)
    return Equation(target, body, equation.reduction, tuple(renaming.get(i, i) for i in equation.reduced))
