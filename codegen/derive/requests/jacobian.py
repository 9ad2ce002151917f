"""Jacobians: forward, reverse, or whichever takes fewer operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from codegen.derive.requests import straight
from codegen.derive.requests.blocks import Blocks, dense, forward_blocks, per_sample, put_out, reverse_blocks
from codegen.derive.requests.request import Named, Wrt, asked, prepare
from codegen.derive.requests.straight import Straight
from codegen.derive.system import System
from codegen.errors import DerivationError
from codegen.ir.graph import Cell, Equation, Graph
from codegen.walk import elements, extent, is_sample, size

Mode = Literal["auto", "forward", "reverse"]

COUNTED_SAMPLES = 8
"""With this many samples operations are counted: more than one, so that what is done once a sample weighs more."""


def forward_jacobian(graph: Graph, of: str, wrt: Sequence[str]) -> tuple[System, list[Blocks]]:
    """One forward sweep for each of ``wrt``."""
    return forward_blocks(graph, [(of, name) for name in wrt])


MODES: Mapping[str, Callable[[Graph, str, Sequence[str]], tuple[System, list[Blocks]]]] = {
    "forward": forward_jacobian,
    "reverse": reverse_blocks,
}


def jacobian(graph: Graph, of: Named, wrt: Wrt | None = None, *, mode: Mode = "auto", samples: bool = False) -> Graph:
    """The graph with outputs ``of`` and d of/d w for each w of ``wrt``, of the shape of ``of`` followed by that of w.

    ``of`` and ``wrt`` are any vertices (``wrt`` all real inputs by default). ``mode`` is ``forward`` (tangents, a sweep
    for each w), ``reverse`` (adjoints of all elements of ``of`` at once), or ``auto``: by the number of equations and
    elements that each passes. What is known to be 0 takes none: ``W[h, d]·x[s, d]`` is differentiated by ``x[s', d']``
    for s = s' only. ``samples=True`` leaves the axes of w out that are samples of ``of``, of symbolic length and not
    mixed: u[s, t] by x[s, d] has the shape (S, t, d).

    Raises :class:`DerivationError` for vertices that hold integers, and with ``samples`` where samples are mixed.

    >>> from sympy import tanh
    >>> from codegen import Equation, Index, Variable
    >>> i, j, x, y = Index("i", 3), Index("j", 3), Variable("x", (3,)), Variable("y", (3,))
    >>> graph = Graph((x,), (Equation(y[i], tanh(x[i])),), ("y",))
    >>> print(jacobian(graph, "y", ["x"], mode="forward"))
    inputs x[3]
    y[i] = tanh(x[i])
    ∂y/∂x[i] = 1 - y[i]**2
    dy/dx[i, i'] = equal(i, i')*∂y/∂x[i]
    outputs y, dy/dx
    """
    require_mode(mode)
    vertex, names = asked(graph, of, wrt)
    if (formulas := Straight.of(graph, vertex, names)) is not None:
        return straight.jacobian(formulas, vertex, names, mode)
    prepared, of, names = prepare(graph, of, wrt)
    form = per_sample if samples else dense

    system, found = MODES[chosen(prepared, of, names, mode)](prepared, of, names)
    return put_out(prepared, system, of, found, form)


def chosen(graph: Graph, of: str, wrt: Sequence[str], mode: Mode) -> str:
    """The mode, or the one that takes less :func:`work`. Raises :class:`DerivationError` for one that is unknown."""
    require_mode(mode)
    if mode != "auto":
        return mode
    counted = work(graph, of, wrt)
    return min(counted, key=counted.__getitem__)


def work(graph: Graph, of: str, wrt: Sequence[str]) -> dict[str, int]:
    """What each mode takes, about: an equation once for each element that it is differentiated by, or that reads it.

    Samples meet their own only. The derivative by what an equation reads itself is there already.
    """
    reached: dict[str, set[Cell]] = {name: set(graph.cells[name]) for name in wrt}
    needed, last = graph.upstream(of), set(graph.cells[of])
    forward = reverse = 0
    for equation in graph.equations:
        if equation.cell not in needed:
            continue
        read = [set(cells) for _, cells in graph.read_by(equation)]
        passes = size(equation.domain, COUNTED_SAMPLES)
        active = False
        for name in wrt:
            if any(not cells.isdisjoint(reached[name]) for cells in read):
                inputs = set(graph.cells[name])
                if any(not cells.isdisjoint(reached[name] - inputs) for cells in read):
                    forward += passes * _elements_beside(graph, name, equation)
                reached[name].add(equation.cell)
                active = True
        if active and equation.cell not in last:
            reverse += passes * _elements_beside(graph, of, equation)
    return {"forward": forward, "reverse": reverse}


def _elements_beside(graph: Graph, name: str, equation: Equation) -> int:
    """The elements of a variable for each combination of the samples that an equation has."""
    own = {extent(index) for index in equation.domain if is_sample(index)}
    return elements([n for n in graph.variable(name).shape if n not in own], COUNTED_SAMPLES)


def require_mode(mode: str) -> None:
    """Raise :class:`DerivationError` for a mode that is unknown."""
    if mode not in ("auto", *MODES):
        raise DerivationError(f"unknown mode {mode!r}, expected one of auto, {', '.join(MODES)}")


def forward(graph: Graph, of: str, wrt: Sequence[str]) -> Graph:
    """The gradient of a scalar by forward accumulation, for a prepared graph."""
    system, found = forward_jacobian(graph, of, wrt)
    return put_out(graph, system, of, found, dense)
