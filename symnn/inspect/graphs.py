"""Preparing a graph to be shown: its symbolic extents as numbers, its size when unrolled, what it ends in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from sympy import Expr, Idx, Indexed, Integer, Symbol
from sympy.core.basic import Basic

from codegen.ir.equation import Equation, Variable
from codegen.ir.graph import Graph
from codegen.ir.order import written_out
from codegen.ir.summation import summand
from codegen.ir.unrolling import scalar_equations
from codegen.walk import Extent, as_extent, base_name, extent, rewrite_leaves, shape, size, subscripts


def with_sizes(graph: Graph, sizes: Mapping[Symbol, int]) -> Graph:
    """The graph in which these extents have these values.

    >>> from codegen import Index, Reduction, sample_extent
    >>> S = sample_extent()
    >>> s, y = Index("s", S), Variable("y", (S,))
    >>> mean = Graph((y,), (Equation(Variable("loss").symbol, y[s] / S, Reduction.SUM, (s,)),), ("loss",))
    >>> print(with_sizes(mean, {S: 2}).unroll())
    inputs y[2]
    loss = y[0]/2 + y[1]/2
    outputs loss
    """
    inputs = tuple(replace(v, shape=tuple(_size(n, sizes) for n in v.shape)) for v in graph.inputs)
    return Graph(inputs, tuple(_with_sizes(e, sizes) for e in graph.equations), graph.outputs)


def step_by_step(graph: Graph) -> Graph:
    """The graph in which each step of a recurrence is equations of its own, over all of its neurons.

    >>> from codegen import Index
    >>> t, h, u, a = Index("t", 2), Index("h", 9), Variable("u", (3, 9)), Variable("a", (9,))
    >>> print(step_by_step(Graph((a,), (Equation(u[0, h], a[h]), Equation(u[t + 1, h], 2 * u[t, h])), ("u",))))
    inputs a[9]
    u[0, h] = a[h]
    u[1, h] = 2*u[0, h]
    u[2, h] = 2*u[1, h]
    outputs u
    """
    return graph.with_equations([e for step in graph.steps for e in written_out(step, int)])


def unrolled_size(graph: Graph) -> tuple[int, int]:
    """The number of equations and of references in them after unrolling, a symbolic extent counted as 1.

    >>> from codegen import Reduction
    >>> i, x = Idx("i", 3), Variable("x", (3,))
    >>> unrolled_size(Graph((x,), (Equation(Variable("e").symbol, x[i], Reduction.SUM, (i,)),), ("e",)))
    (1, 3)
    """
    return (
        scalar_equations(graph.equations),
        sum(size(e.domain) * len(e.references) for e in graph.equations),
    )


def final_scalars(graph: Graph, names: Iterable[str]) -> tuple[str, ...]:
    """Those of these vertices that are real scalars and from which none of the others is computed.

    >>> from codegen import from_expressions
    >>> from sympy import symbols
    >>> a, c = symbols("a c")
    >>> final_scalars(from_expressions({"c": 2 * a, "e": c**2}, [a]), ["c", "e"])
    ('e',)
    """
    wanted = list(names)
    used = {cell.name for name in wanted for cell in graph.upstream(name) if cell.name != name}
    variables = [graph.variable(name) for name in wanted]
    return tuple(v.name for v in variables if not v.shape and v.kind == "real" and v.name not in used)


def _size(n: Extent, sizes: Mapping[Symbol, int]) -> Extent:
    """A length with these values: a number, or a sum such as T − 1."""
    return n if isinstance(n, int) else as_extent(n.subs(sizes))


def _with_sizes(equation: Equation, sizes: Mapping[Symbol, int]) -> Equation:
    def index(i: Expr) -> Expr:
        if isinstance(i, Idx):
            return i if (n := _size(extent(i), sizes)) == extent(i) else Idx(i.label, n)
        return rewrite_leaves(i, rule)

    def rule(node: Basic) -> Basic | None:
        if isinstance(node, Indexed):
            extents = tuple(_size(n, sizes) for n in shape(node))
            return Variable(base_name(node), extents)[tuple(index(i) for i in subscripts(node))]
        if isinstance(node, Idx):
            return index(node)
        return Integer(sizes[node]) if isinstance(node, Symbol) and node in sizes else None

    target, body = (rewrite_leaves(side, rule) for side in (equation.target, equation.body))
    reduced = tuple(index(i) for i in equation.reduced)
    if equation.is_sum:
        # With a number for S a factor such as S − 1 may vanish, and the indices with it.
        return Equation.total(target, summand(body, reduced))
    return Equation.over(target, body, equation.reduction, reduced)
