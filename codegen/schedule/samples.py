"""Cut a graph at its samples: what comes before them, what runs over them, what follows from sums over them."""

from __future__ import annotations

from dataclasses import dataclass

from sympy import Idx, Symbol

from codegen.cached import once
from codegen.ir.graph import Cell, Equation, Graph
from codegen.ir.lookups import told
from codegen.ir.order import running_over
from codegen.schedule.program import UNKNOWN_EXTENT
from codegen.walk import (
    Extent,
    extent,
    is_plain_on,
    is_symbolic,
    lengths_in,
    size,
    subscripts,
)


@dataclass(frozen=True)
class Phases:
    """The equations of a graph by phase; those inside all run over the one ``index``."""

    index: Idx
    before: tuple[Equation, ...]
    inside: tuple[Equation, ...]
    after: tuple[Equation, ...]


def phases(graph: Graph, n: Extent) -> Phases | None:
    """Split a graph whose samples depend on nothing but inputs and on what needs no samples; None for any other.

    ``n`` is the number of samples. Others have equations over pairs of samples, samples that read others, or that
    depend on a sum over samples.
    """
    index = next((i for equation in graph.equations for i in equation.domain if extent(i) == n), None)
    if index is None:
        return None
    before: list[Equation] = []
    inside: list[Equation] = []
    after: list[Equation] = []
    place: dict[Cell, list[Equation]] = {}
    for equation in graph.equations:
        own = [i for i in equation.domain if extent(i) == n]
        read = [cell for _, cells in graph.read_by(equation) for cell in cells if cell in place]
        found = [place[cell] for cell in read]
        summed = any(_is_sum(graph, cell, n) for cell in read)
        if len(own) > 1 or (own and (summed or any(where is after for where in found))) or _reads_others(equation, n):
            return None
        if own:
            equation = running_over(equation, own[0], index)
            where = inside
        else:
            where = after if any(one is not before for one in found) else before
        where.append(equation)
        place[equation.cell] = where
    return Phases(index, tuple(before), tuple(inside), tuple(after)) if inside else None


@once
def samples_of(graph: Graph) -> Symbol | None:
    """The symbolic extent at which a graph is cut: that of the outer axis of its largest loops; None if it has none.

    Of those at which it can be cut the one with most work inside, and then that which is in front of others in most
    arrays, as then each sample has its numbers side by side. What a call's lengths are has no part in it, and the rows
    of a table that the data say are no samples.

    >>> from codegen.ir.graph import Index, Reduction, Variable, sample_extent
    >>> m, n = sample_extent("m"), sample_extent("n")
    >>> i, j = Index("i", m), Index("j", n)
    >>> x, P, y = Variable("x", (n,)), Variable("P", (m, n)), Variable("y", (m,))
    >>> samples_of(Graph((x, P), (Equation(y[i], P[i, j] * x[j], Reduction.SUM, (j,)),), ("y",)))
    m
    """
    if len(graph.extents) < 2:
        return next(iter(graph.extents), None)
    rows = {extent(index) for equation in graph.equations for index in told(equation, graph.whole)}
    found = [(n, split) for n in graph.extents if n not in rows and (split := phases(graph, n)) is not None]
    return max(found, key=lambda one: _preference(graph, *one), default=(None,))[0]


def _preference(graph: Graph, n: Symbol, split: Phases) -> tuple[int, int]:
    """The work inside, and how often its samples are in front of another symbolic axis."""
    shapes = [access.shape for equation in graph.equations for access in equation.accesses]
    axes = [[extent for extent in shape if is_symbolic(extent)] for shape in shapes]
    work = sum(size(equation.domain, UNKNOWN_EXTENT) for equation in split.inside)
    return work, sum(len(symbols) > 1 and symbols[0] == n for symbols in axes)


def _is_sum(graph: Graph, cell: Cell, n: Extent) -> bool:
    """Whether a vertex is a reduction over the samples."""
    return any(extent(i) == n for e in graph.definitions[cell.name] if e.cell == cell for i in e.reduced)


def _reads_others(equation: Equation, n: Extent) -> bool:
    """Whether an equation reads samples by anything else than an index along all of them."""
    of_samples = set(lengths_in(n))
    axes = (
        (subscript, along)
        for access in equation.accesses
        for subscript, along in zip(subscripts(access.reference), access.shape)
        if of_samples & set(lengths_in(along))
    )
    return any(not is_plain_on(subscript, along) for subscript, along in axes)
