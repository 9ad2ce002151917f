"""The gradient of each sample's own contribution to a loss."""

from __future__ import annotations

from sympy import Idx

from codegen.derive.blocks import per_sample, put_out, reverse_blocks
from codegen.derive.request import Named, Wrt, prepare
from codegen.equation import Reduction
from codegen.errors import DerivationError
from codegen.expression import extent, fresh_name
from codegen.graph import Equation, Graph, Variable


def per_sample_gradients(graph: Graph, of: Named, wrt: Wrt | None = None) -> Graph:
    """The graph with outputs ``of`` and for each w of ``wrt`` an array of the shape (S, shape of w).

    ``of`` is an array over the samples, l[s], and row s of the result is the gradient of l[s]; or it is a scalar that
    is a sum over samples, and the rows are the gradients of its terms, which add up to its gradient. The derivative by
    an array over the samples, such as the inputs, has that array's shape. One backward sweep; what a sample does not
    depend on is not computed.

    Raises :class:`DerivationError` if ``of`` is neither, and where samples are mixed.

    >>> from sympy import tanh
    >>> from codegen import Index, sample_extent
    >>> s, x, w = Index("s", sample_extent()), Variable("x", (sample_extent(),)), Variable("w")
    >>> graph = Graph((x, w), (Equation(Variable("L").symbol, tanh(w.symbol * x[s]), Reduction.SUM, (s,)),), ("L",))
    >>> print(per_sample_gradients(graph, "L", ["w"]))
    inputs x[S], w
    L of s[s] = tanh(w*x[s])
    L = Σ_s L of s[s]
    dL of s/dL of s = 1
    ∂L of s/∂w[s] = (1 - L of s[s]**2)*x[s]
    dL of s/dw[s'] = dL of s/dL of s*∂L of s/∂w[s']
    outputs L, dL of s/dw
    """
    prepared, of, names = prepare(graph, of, wrt)
    rows = of
    if not prepared.variable(of).shape:
        rows = fresh_name(f"{of} of s", prepared.variables)
        prepared = _with_terms(prepared, of, rows)
    if isinstance(prepared.variable(rows).shape[0], int):
        raise DerivationError(
            f"the gradients per sample of {of!r} need an array over the samples, but it has shape "
            f"{prepared.variable(of).shape}"
        )
    system, found = reverse_blocks(prepared, rows, names)
    return put_out(prepared, system, of, found, per_sample)


def _with_terms(graph: Graph, of: str, rows: str) -> Graph:
    """The scalar as the sum over samples of a vertex ``rows``."""
    (equation,) = graph.definitions[of] or (None,)
    summed = [] if equation is None or equation.reduction is not Reduction.SUM else list(equation.reduced)
    samples = [i for i in summed if not isinstance(extent(i), int)]
    if equation is None or len(samples) != 1:
        raise DerivationError(f"{of!r} is not a sum over samples: it has no gradients per sample")
    inner: tuple[Idx, ...] = tuple(i for i in summed if i not in samples)
    term = Variable(rows, (extent(samples[0]),))[samples[0]]
    parts = [
        Equation.over(term, equation.body, Reduction.SUM, inner),
        Equation(equation.target, term, Reduction.SUM, tuple(samples)),
    ]
    return graph.with_equations(p for e in graph.equations for p in (parts if e is equation else [e]))
