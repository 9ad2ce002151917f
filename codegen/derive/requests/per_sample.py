"""The gradient of each sample's own contribution to a loss."""

from __future__ import annotations

from collections.abc import Iterator, Set
from itertools import chain

from sympy import Add, Expr, Idx, Integer, Mul

from codegen.derive.requests.blocks import per_sample, put_out, reverse_blocks
from codegen.derive.requests.request import Named, Wrt, prepare
from codegen.errors import DerivationError
from codegen.ir.cells import Cell
from codegen.ir.graph import Equation, Graph, Reduction, Variable
from codegen.ir.names import Names
from codegen.ir.validation import QUOTED_NODES, quote
from codegen.walk import extent, fresh_name, is_large, is_reference, is_sample, is_symbolic, references

SAMPLES = "the number of samples is a symbol, as in IndexedBase('x', shape=(Symbol('n'),))"


def per_sample_gradients(graph: Graph, of: Named, wrt: Wrt | None = None) -> Graph:
    """The graph with outputs ``of`` and for each w of ``wrt`` an array of the shape (S, shape of w).

    ``of`` is an array over the samples, l[s], and row s of the result is the gradient of l[s]; or it is a scalar that
    is a sum over samples, and the rows are the gradients of its terms, which add up to its gradient. Such a sum may
    have a factor that no sample changes, as in ``Sum(…)/n``, and be several added. The samples are the axis of symbolic
    length; of several the one that all inputs with such axes begin with. The derivative by an array over the samples,
    such as the inputs, has that array's shape. One backward sweep; what a sample does not depend on is not computed.

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
            f"{prepared.variable(of).shape}; {SAMPLES}"
        )
    system, found = reverse_blocks(prepared, rows, names)
    return put_out(prepared, system, of, found, per_sample)


def _with_terms(graph: Graph, of: str, rows: str) -> Graph:
    """The graph with a vertex ``rows`` of which the scalar is the sum over samples.

    Each sum over samples that the scalar is made of becomes the sum of a vertex of its own.
    """
    sums = _sums(graph, of)
    lengths = {extent(sample) for equation, _ in sums for sample in _samples(graph, equation)}
    if len(lengths) > 1:
        raise _refusal(of, f"it adds sums over {' and over '.join(sorted(map(str, lengths)))} samples")
    shape, (first,) = tuple(lengths), _samples(graph, sums[0][0])
    names = Names([*graph.variables, rows])
    equations = {equation.cell: [equation] for equation in graph.equations}
    terms = []
    for equation, factor in sums:
        (sample,) = _samples(graph, equation)
        term = Variable(rows if equation.name == of else names.new(f"{equation.name} of s"), shape)
        inner = tuple(index for index in equation.reduced if index != sample)
        equations[equation.cell] = [
            Equation.over(term[sample], equation.body, Reduction.SUM, inner),
            Equation(equation.target, term[sample], Reduction.SUM, (sample,)),
        ]
        terms.append(factor * term[first])
    if sums[0][0].name != of:
        equations[graph.cells[of][0]].append(Equation(Variable(rows, shape)[first], Add(*terms)))
    return graph.with_equations(chain.from_iterable(equations.values()))


def _samples(graph: Graph, equation: Equation) -> list[Idx]:
    """The samples that an equation sums over; of several lengths those that all inputs with such axes begin with."""
    summed = [index for index in (equation.reduced if equation.is_sum else ()) if is_sample(index)]
    first = {variable.shape[0] for variable in graph.inputs if any(map(is_symbolic, variable.shape))}
    leading = [index for index in summed if {extent(index)} == first]
    return leading if len(summed) > 1 and leading else summed


def _sums(graph: Graph, of: str) -> list[tuple[Equation, Expr]]:
    """The sums over samples that a scalar is made of, each with its factor: the adjoint of a linear function."""
    sampled = _sampled(graph)
    factors: dict[Cell, Expr] = dict.fromkeys(graph.cells[of], Integer(1))
    if sampled.isdisjoint(factors):
        raise _refusal(of, f"no sample changes it; {SAMPLES}")
    found = []
    for equation in reversed(graph.equations):
        if equation.cell not in factors:
            continue
        if len(_samples(graph, equation)) == 1:
            found.append((equation, factors[equation.cell]))
            continue
        for reference, factor in _linear(graph, of, equation, sampled):
            (cell,) = graph.resolve(reference)
            factors[cell] = factors.get(cell, Integer(0)) + factors[equation.cell] * factor
    return found


def _sampled(graph: Graph) -> set[Cell]:
    """The vertices that samples change."""
    found = {cell for v in graph.inputs if set(v.shape) & {*graph.extents} for cell in graph.cells[v.name]}
    for equation in graph.equations:
        if any(cell in found for _, cells in graph.read_by(equation) for cell in cells):
            found.add(equation.cell)
    return found


def _linear(graph: Graph, of: str, equation: Equation, sampled: Set[Cell]) -> Iterator[tuple[Expr, Expr]]:
    """The vertices with samples that a body adds up, each with its factor."""

    def varies(part: Expr) -> bool:
        return any(cell in sampled for reference in references(part) for cell in graph.resolve(reference))

    stack: list[tuple[Expr, Expr]] = [(equation.body, Integer(1))]
    while stack:
        part, factor = stack.pop()
        varying = [own for own in Mul.make_args(part) if varies(own)]
        if not varying:
            term = "a term of" if is_large(part, QUOTED_NODES) else f"`{part}` in"
            raise _refusal(
                of, f"{term} {quote(equation)} belongs to no sample; a regulariser has its gradient by itself"
            )
        core, rest = varying[0], Mul(factor, *[own for own in Mul.make_args(part) if own not in varying])
        if len(varying) > 1 or not equation.is_map or not (is_reference(core) or isinstance(core, Add)):
            several = " and ".join(dict.fromkeys(str(extent(i)) for i in _samples(graph, equation)))
            raise _refusal(
                of,
                f"{quote(equation)} is {f'over {several} samples' if several else 'not linear in sums over samples'}",
            )
        if is_reference(core):
            yield core, rest
        else:
            stack += [(own, rest) for own in core.args]


def _refusal(of: str, found: str) -> DerivationError:
    return DerivationError(f"{of!r} is not a sum over samples: {found}")
