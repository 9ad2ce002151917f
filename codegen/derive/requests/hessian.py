"""Second derivatives: Hessians, and the Gauss-Newton approximation of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations_with_replacement

from sympy import Add, Idx, Mul

from codegen.derive.edges import active_edges
from codegen.derive.forward import Tangents
from codegen.derive.requests import straight
from codegen.derive.requests.blocks import (
    Block,
    Blocks,
    axes_of,
    blocks_along,
    dense,
    forward_blocks,
    per_sample,
    put_out,
    reverse_blocks,
)
from codegen.derive.requests.request import Named, Wrt, asked, name_of, prepare
from codegen.derive.requests.straight import Straight
from codegen.derive.reverse import reverse
from codegen.derive.seeds import Direction
from codegen.derive.system import System
from codegen.errors import DerivationError
from codegen.ir.equation import over
from codegen.ir.graph import Equation, Graph, Variable
from codegen.ir.names import Names
from codegen.ir.summation import Summand, summand
from codegen.walk import reindex


def hessian(graph: Graph, of: Named, wrt: Wrt | None = None, *, samples: bool = False) -> Graph:
    """The graph with outputs ``of`` and its second derivatives: for ``wrt`` = [a, b], the blocks aa, ab, bb.

    The block of a and b has the shape of ``of``, of a and of b, in this order; that of b and a has the same numbers and
    is not computed. Forward over reverse: the gradient, and a forward sweep for each of ``wrt`` through what the
    gradient is computed from. A diagonal block is computed whole, so that its loops are rectangular. ``samples=True``
    leaves the axes of a and b out that are the samples of ``of``, as :func:`jacobian` does.

    >>> from codegen import from_expressions
    >>> from sympy import symbols
    >>> a, b = symbols("a b")
    >>> found = hessian(from_expressions({"e": a**2 * b}, [a, b]), "e")
    >>> found.outputs
    ('e', 'dde/da/da', 'dde/da/db', 'dde/db/db')
    """
    vertex, names = asked(graph, of, wrt)
    formulas = None if graph.variable(vertex).shape else Straight.of(graph, vertex, names)
    if formulas is not None and (derived := straight.hessian(formulas, vertex, names)) is not None:
        return derived
    prepared, of, names = prepare(graph, of, wrt)
    form = per_sample if samples else dense
    if prepared.variable(of).shape:
        system, found = reverse_blocks(prepared, of, names)
        slopes = put_out(prepared, system, of, found, form)
    else:
        slopes = reverse(prepared, of, names)
    by_name = dict(zip(names, slopes.outputs[1:]))
    pairs = [(by_name[a], b) for a, b in combinations_with_replacement(names, 2)]
    second, blocks = forward_blocks(slopes, pairs)
    return put_out(slopes, second, of, blocks, form)


def gauss_newton(graph: Graph, of: Named, wrt: Wrt | None = None, *, through: Named | None = None) -> Graph:
    """The graph with outputs ``of`` and the Gauss-Newton matrix Jᵀ·J of the residuals ``of``, J = ∂of/∂wrt.

    It approximates the Hessian of ½ Σ of². With ``through`` the scalar ``of`` is a loss of that vertex, the matrix is
    Jᵀ·H·J, J = ∂through/∂wrt and H the Hessian of the loss by ``through``: positive semidefinite for a convex loss.
    The blocks of entries i ≤ j in row order, each of the shape of entry i followed by that of entry j.

    Raises :class:`DerivationError` unless ``of`` depends on ``wrt`` through that vertex, and through it alone.

    >>> from sympy import exp
    >>> from codegen import Equation, Index, Variable
    >>> i, x, k, r = Index("i", 3), Variable("x", (3,)), Variable("k"), Variable("r", (3,))
    >>> graph = Graph((x, k), (Equation(r[i], exp(k.symbol * x[i])),), ("r",))
    >>> print(gauss_newton(graph, "r", ["k"]))
    inputs x[3], k
    r[i] = exp(k*x[i])
    ∂r/∂k[i] = r[i]*x[i]
    dr/dk·dr/dk = Σ_i ∂r/∂k[i]**2
    outputs r, dr/dk·dr/dk
    """
    prepared, of, names = prepare(graph, of, wrt)
    through = None if through is None else name_of(through, "through")
    if through is not None:
        prepared = prepare(graph, of, list(dict.fromkeys([*names, through])))[0]  # nothing is stabilised past it
        _require_between(prepared, of, names, through)
    inner = of if through is None else through
    whole = prepared if through is None else reverse(prepared, of, [through])
    tangents = Tangents(whole, keep=names)
    jacobians = [axes_of(whole, name) for name in names]
    for direction in jacobians:
        tangents.sweep_to([inner], direction)
    left = [
        _added_up(tangents.system, blocks_along(tangents, inner, whole.variable(n), d))
        for n, d in zip(names, jacobians)
    ]
    right = left
    if through is not None:
        curved = [_through(tangents, through, direction) for direction in jacobians]
        for direction in curved:
            tangents.sweep_to([whole.outputs[1]], direction)
        right = [_rows_of(b, tangents, whole.variable(whole.outputs[1]), d) for b, d in zip(left, curved)]
    pairs = combinations_with_replacement(range(len(names)), 2)
    found = [_product(tangents.system, left[i], right[j]) for i, j in pairs]
    return put_out(whole, tangents.system, of, found, dense)


def _require_between(graph: Graph, of: str, wrt: Sequence[str], through: str) -> None:
    """Raise :class:`DerivationError` unless ``of`` depends on ``wrt``, and does so through one vertex alone."""
    if through == of or not _depends(graph, of, [through]) or not _depends(graph, through, wrt):
        raise DerivationError(f"{through!r} is not between {', '.join(wrt)} and {of!r}: found no way through it")
    past = [name for name in wrt if name != through and _depends(graph, of, [name], without=through)]
    if past:
        raise DerivationError(
            f"{of!r} depends on {', '.join(past)} through {through!r} and past it: there is no Gauss-Newton matrix "
            "through it alone"
        )


def _depends(graph: Graph, of: str, wrt: Sequence[str], without: str | None = None) -> bool:
    """Whether a vertex has a derivative by others, if need be with another one held constant."""
    edges = active_edges(graph, of, wrt)[0]
    reached = {cell for name in wrt for cell in graph.cells[name]}
    for equation in graph.equations:
        read = (cell for reference in edges.get(equation.cell, ()) for cell in graph.read_at(equation, reference))
        if equation.name != without and any(cell in reached for cell in read):
            reached.add(equation.cell)
    return not reached.isdisjoint(graph.cells[of])


def _through(tangents: Tangents, vertex: str, along: Direction) -> Direction:
    """The direction in which the vertex moves along another direction, all else held constant."""
    return Direction(
        {vertex: lambda reference: list(tangents.at(reference, along))}, along.indices, lambda name: along.label(name)
    )


def _rows_of(like: Blocks, tangents: Tangents, of: Variable, direction: Direction) -> Blocks:
    """The derivatives of ``of`` along a direction, written with the rows of other blocks of the same shape."""
    blocks = [replace(block, terms=tuple(tangents.at(of[block.rows], direction))) for block in like.blocks]
    return replace(like, of=of, blocks=tuple(blocks))


def _added_up(system: System, blocks: Blocks) -> Blocks:
    """The derivative of a scalar as one vertex: products of its terms with each other would be n² for each pair."""

    def added(block: Block) -> Block:
        if len(block.terms) < 2 or block.row_indices:
            return block
        target = over(system.names.new(blocks.name), block.indices)
        return replace(block, terms=(system.append(Equation(target, Add(*block.terms))),))

    return replace(blocks, blocks=tuple(added(block) for block in blocks.blocks))


def _product(system: System, left: Blocks, right: Blocks) -> Blocks:
    """leftᵀ·right."""
    columns = left.blocks[0].columns
    names = Names(i.name for block in (*left.blocks, *right.blocks) for i in (*block.row_indices, *columns))
    renaming = {
        index: Idx(names.new(f"{index.name}'"), (index.lower, index.upper)) for index in right.blocks[0].columns
    }
    others = tuple(renaming.values())
    summands: list[Summand] = [
        summand(Mul(a, reindex(b, renaming)), one.row_indices)
        for one, other in zip(left.blocks, right.blocks)
        for a in one.terms
        for b in other.terms
    ]
    product = Variable(f"{left.name}·{right.name}")
    seeds = (*columns, *others)
    terms = system.collect(product.name, product.symbol, summands, seeds, seeds)
    return Blocks(left.wrt, right.wrt, (Block(columns, others, terms),), product.name)
