"""Derivatives, each a transformation Graph → Graph."""

from __future__ import annotations

from typing import Literal

from codegen.derive.eliminations import with_inverses
from codegen.derive.local import local_derivatives
from codegen.derive.paths import PATH_LIMIT, PathCount, count_paths, paths
from codegen.derive.requests import straight
from codegen.derive.requests.hessian import gauss_newton, hessian
from codegen.derive.requests.jacobian import Mode, forward, jacobian
from codegen.derive.requests.laplacian import laplacian
from codegen.derive.requests.mixed import mixed_partials
from codegen.derive.requests.per_sample import per_sample_gradients
from codegen.derive.requests.products import hvp, jvp, vjp
from codegen.derive.requests.request import Named, Wrt, asked, prepare, require_scalar
from codegen.derive.requests.rows import RowGradients, SparseRows, row_gradients
from codegen.derive.requests.sparse import SparseHessian, SparseJacobian, sparse_hessian, sparse_jacobian
from codegen.derive.requests.straight import Straight
from codegen.derive.reverse import reverse
from codegen.errors import DerivationError
from codegen.ir.equation import over
from codegen.ir.graph import Equation, Graph, require_graph

Method = Literal["reverse", "forward", "paths"]
METHODS = {"reverse": reverse, "forward": forward, "paths": paths}


def gradient(graph: Graph, of: Named, wrt: Wrt | None = None, method: Method = "reverse") -> Graph:
    """The graph with outputs ``of`` and d of/d w for each w of ``wrt``, in that order.

    ``of`` is a scalar vertex; ``wrt`` are names of inputs or of any other vertices (all real inputs by default), or
    their symbols.
    ``reverse`` is backpropagation, every edge once; ``forward`` carries d v/d w through every vertex v, a sweep for
    each w; ``paths`` writes out the sum over all paths and refuses above 10,000 of them. The intermediate derivatives
    are vertices too, named ``d of/d v`` as in ``dloss/dW1``, with a prime where that name is taken.

    The graph is stabilised first, because the derivative of an unstable formula is unstable: that of log Σ exp(u) is
    exp(u)/Σ exp(u), which is nan for large u. Vertices of ``wrt`` stay on the way from themselves to ``of``.

    Large formulas without indices are derived as interned nodes (:mod:`codegen.ir.nodes`), where equal values are one:
    their intermediate derivatives have no names, and equations are written when somebody asks for them.

    Raises :class:`DerivationError` for a vertex that is not scalar or integer valued, :class:`GraphError` for one that
    is unknown.

    >>> from codegen import from_expressions
    >>> from sympy import symbols
    >>> a, b, c, d = symbols("a b c d")
    >>> print(gradient(from_expressions({"c": a + b, "d": b + 1, "e": c * d}, [a, b]), "e"))
    inputs a, b
    c = a + b
    d = b + 1
    e = c*d
    de/de = 1
    de/dd = c*de/de
    de/dc = d*de/de
    de/da = de/dc
    de/db = de/dc + de/dd
    outputs e, de/da, de/db
    """
    if method not in METHODS:
        raise DerivationError(f"unknown method {method!r}, expected one of {', '.join(METHODS)}")
    vertex, names = asked(graph, of, wrt)
    require_scalar(graph, vertex, "gradient")
    if method == "reverse" and (formulas := Straight.of(graph, vertex, names)) is not None:
        return straight.gradient(formulas, vertex, names)
    prepared, of, names = prepare(graph, of, wrt)
    return METHODS[method](prepared, of, names)


def partials(graph: Graph) -> Graph:
    """A graph whose outputs are the local derivatives, one an edge, named ``∂vertex/∂reference``.

    >>> from codegen import from_expressions
    >>> from sympy import symbols
    >>> a, b, c, d = symbols("a b c d")
    >>> print(partials(from_expressions({"c": a * b, "e": c**2}, [a, b])))
    inputs a, b
    c = a*b
    e = c**2
    ∂c/∂a = b
    ∂c/∂b = a
    ∂e/∂c = 2*c
    outputs ∂c/∂a, ∂c/∂b, ∂e/∂c
    """
    require_graph(graph, DerivationError)
    graph = with_inverses(graph)
    equations = [
        Equation(over(f"∂{e.target}/∂{reference}", e.domain_of(reference, local)), local)
        for e in graph.equations
        for reference, local in local_derivatives(e).items()
    ]
    return graph.with_equations([*graph.equations, *equations], [e.name for e in equations])


__all__ = [
    "METHODS",
    "PATH_LIMIT",
    "Method",
    "Mode",
    "PathCount",
    "RowGradients",
    "SparseHessian",
    "SparseJacobian",
    "SparseRows",
    "count_paths",
    "gauss_newton",
    "gradient",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "laplacian",
    "mixed_partials",
    "partials",
    "per_sample_gradients",
    "row_gradients",
    "sparse_hessian",
    "sparse_jacobian",
    "vjp",
]
