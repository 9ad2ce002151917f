"""The Laplacian of every sample in one sweep: value, gradient and the sum of second derivatives go forward together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sympy import Expr, Idx, Mul, Pow

from codegen.derive.forward import Tangents
from codegen.derive.local import local_derivatives
from codegen.derive.requests.blocks import Block, Blocks, dense, put_out
from codegen.derive.requests.mixed import require_own_samples
from codegen.derive.requests.request import Named, prepare
from codegen.derive.seeds import LETTERS, Direction
from codegen.errors import DerivationError
from codegen.functions import equal
from codegen.ir.graph import Equation, Graph, Variable
from codegen.ir.names import Names
from codegen.ir.summation import Summand, summand
from codegen.walk import base_name, is_reference, is_symbolic, subscripts


def laplacian(graph: Graph, of: Named, wrt: str, columns: Sequence[int] | None = None) -> Graph:
    """The graph with outputs ``of`` and its Laplacian Δ of = Σ_i ∂²of/∂x_i², of the shape of ``of``.

    x is the input ``wrt``, ``x[s, d]``; the sum is over its columns, or over those from ``columns[0]`` to
    ``columns[-1]``. Every sample is differentiated by its own inputs.

    Of every vertex v its gradient ∇v, with an axis for i, and Δv are computed from those of what it reads r:
    Δv = Σ_r ∂v/∂r·Δr + Σ_r ∇(∂v/∂r)·∇r. So d columns take d + 2 products with a matrix instead of the 2d + 1 of second
    derivatives one by one, and the graph is of one size for every d: Li et al., A computational framework for neural
    network-based variational Monte Carlo with Forward Laplacian, 2024.

    Raises :class:`DerivationError` for columns that are not there, and where ``of`` of one sample depends on the inputs
    of another.

    >>> from codegen import Equation, Index, sample_extent
    >>> from sympy import tanh
    >>> s, x, u = Index("s", sample_extent()), Variable("x", (sample_extent(), 3)), Variable("u", (sample_extent(),))
    >>> print(laplacian(Graph((x,), (Equation(u[s], tanh(2 * x[s, 1])),), ("u",)), "u", "x"))
    inputs x[S, 3]
    u[s] = tanh(2*x[s, 1])
    ∂u/∂x[s] = 2 - 2*u[s]**2
    Δu[s] = -4*u[s]*∂u/∂x[s]
    outputs u, Δu
    """
    prepared, of, _ = prepare(graph, of, [wrt])
    extents = [n for n in prepared.variable(wrt).shape if not is_symbolic(n)]
    first, last = (0, extents[0] - 1) if columns is None and len(extents) == 1 else _ends(columns)
    if len(extents) != 1 or not 0 <= first <= last < extents[0]:
        shape = prepared.variable(wrt).shape
        raise DerivationError(f"laplacian: expected columns of {wrt!r}, whose shape is {shape}, found {columns}")
    require_own_samples(prepared, of, wrt)
    index = Idx(Names(prepared.index_names).new(LETTERS[0]), last - first + 1)

    def seed(reference: Expr) -> list[Expr]:
        column = next(i for i, n in zip(subscripts(reference), reference.base.shape) if n.is_Integer)
        return [equal(column, index + first)]

    slopes = Direction({wrt: seed}, (index,), "∇{}".format)
    sweep = _Forward(prepared, slopes, Direction({}, (), "Δ{}".format))
    needed = prepared.upstream(of)
    for equation in [e for e in prepared.equations if e.cell in needed]:
        sweep.of(equation.cell, slopes)
        sweep.of(equation.cell, sweep.sums)
    target = prepared.variable(of)
    keys = [prepared.keys[cell] for cell in prepared.cells[of]]
    blocks = tuple(Block(key, (), tuple(sweep.at(target[key], sweep.sums))) for key in keys)
    found = Blocks(target, Variable("·"), blocks, sweep.sums.label(of))
    return put_out(prepared, sweep.system, of, [found], dense)


def _ends(columns: Sequence[int] | None) -> tuple[int, int]:
    given = list(columns or ())
    whole = given and given == list(range(given[0], given[-1] + 1))
    return (given[0], given[-1]) if whole else (0, -1)


class _Forward(Tangents):
    """Tangents along all columns, and the sums of second derivatives as those of a direction of their own."""

    def __init__(self, graph: Graph, slopes: Direction, sums: Direction) -> None:
        super().__init__(graph)
        self.slopes, self.sums = slopes, sums

    def _summands(self, equation: Equation, direction: Direction) -> list[Summand]:
        found = super()._summands(equation, direction)
        return found if direction is self.slopes else [*found, *self._curvature(equation)]

    def _curvature(self, equation: Equation) -> Iterable[Summand]:
        """Σ_r ∇(∂v/∂r)·∇r."""
        active = {r: terms for r in equation.references if (terms := list(self.at(r, self.slopes, equation)))}
        edges = local_derivatives(equation, active.keys()) if active else {}
        for reference, local in edges.items():
            for outer, inner in self._slopes_of(self.system.multiplier(equation, reference, local)):
                for term in active[reference]:
                    yield from self._product(equation, outer, inner, term)

    def _slopes_of(self, factor: Expr) -> Iterable[tuple[Expr, Expr]]:
        """The gradient of a local derivative: products of what has no index i, and of one term that has it."""
        vertices = [f for f in Mul.make_args(factor) if is_reference(f)]
        for vertex in vertices:
            rest = Mul(*[f for f in Mul.make_args(factor) if f is not vertex])
            one = self._cells(base_name(vertex))
            made = [e for cell, e in one.items() if cell not in self.graph.cells.get(base_name(vertex), ())]
            if len(made) == 1 and made[0].is_map and made[0].target == vertex:
                # The local derivative is a vertex of its own: its gradient has no need to be one.
                for inner, slope in local_derivatives(made[0]).items():
                    for term in self.at(inner, self.slopes):
                        yield rest * self.system.multiplier(made[0], inner, slope), term
            else:
                for term in self.at(vertex, self.slopes):
                    yield rest, term

    def _product(self, equation: Equation, outer: Expr, inner: Expr, term: Expr) -> Iterable[Summand]:
        """outer·Σ_i inner·term; the sum is a vertex, as it is used with all of the second derivatives."""
        summed = self.slopes.indices
        product = Mul(*[f.base if isinstance(f, Pow) and isinstance(f.base, equal) else f
                        for f in Mul.make_args(inner * term)])  # fmt: skip
        if not equation.is_map:
            yield summand(outer * product, (*equation.reduced, *summed))
            return
        name = f"{self.slopes.label(equation.name)}²"
        for part in self.system.collect(name, equation.target, [summand(product, summed)], (), equation.free):
            yield summand(outer * part, ())
