"""Partial derivatives of any order by repeated forward accumulation, lower orders and local derivatives shared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from sympy import Expr, Mul

from codegen.derive.forward import Tangents
from codegen.derive.requests.blocks import Block, Blocks, dense, put_out
from codegen.derive.requests.request import Named, prepare
from codegen.derive.seeds import Direction, Seed
from codegen.derive.steps import in_steps
from codegen.errors import DerivationError
from codegen.functions import equal
from codegen.ir.graph import Cell, Equation, Graph, Variable
from codegen.walk import is_reference, is_symbolic, subscripts

Along = Mapping[str, tuple[str, tuple[int, ...]]]
"""By the letter of a direction, the variable and the element of it (of each sample) that moves."""


def mixed_partials(
    graph: Graph,
    of: Named,
    orders: str | Sequence[Sequence[str]],
    directions: Mapping[str, str | tuple[str | int, ...]] | None = None,
) -> Graph:
    """The graph with outputs ``of`` and its partial derivatives, ``["t", "xx"]`` for u_t and u_xx, of the shape of u.

    Each order is a sequence of names of directions, and a text by itself one order; a direction is the input of that
    name, or what ``directions`` says: ``{"x": ("X", 0)}`` is column 0 of ``X[s, d]``. Every sample is differentiated by
    its own inputs. Order matters to nobody: u_xt is computed, and called, as the directions stand in ``directions`` or
    among the inputs.

    ``v_x`` is a vertex as v is, and its equation is differentiated again for ``v_xx``. Local derivatives have vertices
    of their own, so that a product of them takes n + 1 products at order n (Leibniz) where repeated differentiation of
    the composed formula takes 2ⁿ. What is linear in x has no v_xx.

    Raises :class:`DerivationError` for a direction that is unknown or has axes besides the samples, and where ``of`` of
    one sample depends on the inputs of another.

    >>> from sympy import tanh
    >>> from codegen import Equation, Index, sample_extent
    >>> s, x, z, u = Index("s", sample_extent()), *(Variable(n, (sample_extent(),)) for n in "xzu")
    >>> graph = Graph((x,), (Equation(z[s], 3 * x[s]), Equation(u[s], tanh(z[s]))), ("u",))
    >>> print(mixed_partials(graph, "u", ["x", "xx"]))
    inputs x[S]
    z[s] = 3*x[s]
    u[s] = tanh(z[s])
    z_x = 3
    ∂u/∂z[s] = 1 - u[s]**2
    u_x[s] = z_x*∂u/∂z[s]
    ∂u/∂z_x[s] = -2*u[s]*u_x[s]
    u_xx[s] = z_x*∂u/∂z_x[s]
    outputs u, u_x, u_xx
    """
    orders = [orders] if isinstance(orders, str) else orders
    along = _directions(graph, orders, directions)
    prepared, of, _ = prepare(graph, of, list(dict.fromkeys(name for name, _ in along.values())))
    prepared = in_steps(prepared)
    for name, _ in along.values():
        require_own_samples(prepared, of, name)
    place = {letter: number for number, letter in enumerate(along)}
    wanted = list(dict.fromkeys(tuple(sorted(order, key=place.__getitem__)) for order in orders))
    prefixes = {order[:n] for order in wanted for n in range(1, len(order) + 1)}
    tangents, names = Tangents(prepared), _Letters()
    moving = {letter: Direction({name: _seed(e)}, (), names.by(letter)) for letter, (name, e) in along.items()}
    needed = prepared.upstream(of)
    levels: dict[tuple[str, ...], list[Equation]] = {(): [e for e in prepared.equations if e.cell in needed]}
    for prefix in sorted(prefixes, key=lambda prefix: (len(prefix), *map(place.__getitem__, prefix))):
        levels[prefix] = tangents.sweep(levels[prefix[:-1]], moving[prefix[-1]])
    target = prepared.variable(of)
    found = []
    for order in wanted:
        blocks = []
        for cell in prepared.cells[of]:
            key = prepared.keys[cell]
            terms = [target[key]]
            for letter in order:
                terms = [new for term in terms for new in _derivative(tangents, term, moving[letter])]
            blocks.append(Block(key, (), tuple(terms)))
        found.append(Blocks(target, Variable("·"), tuple(blocks), names.of(of, order)))
    return put_out(prepared, tangents.system, of, found, dense)


class _Letters:
    """v, v_x, v_xx, v_xxt: the letters are collected behind one underscore."""

    def __init__(self) -> None:
        self._origin: dict[str, tuple[str, tuple[str, ...]]] = {}

    def by(self, letter: str) -> Callable[[str], str]:
        """From the name of a vertex to that of its derivative by one more letter."""

        def label(name: str) -> str:
            base, letters = self._origin.get(name, (name, ()))
            found = self.of(base, (*letters, letter))
            self._origin[found] = base, (*letters, letter)
            return found

        return label

    @staticmethod
    def of(base: str, letters: Sequence[str]) -> str:
        """The name of a derivative."""
        return f"{base}_{('' if all(len(letter) == 1 for letter in letters) else '_').join(letters)}"


def _directions(
    graph: Graph, orders: Sequence[Sequence[str]], given: Mapping[str, str | tuple[str | int, ...]] | None
) -> Along:
    """The directions that are used, in the order in which they are given."""
    used = {letter for order in orders for letter in order}
    if not used or not all(orders):
        raise DerivationError("orders: found an empty one, expected at least one direction in each")
    known = {v.name: v.name for v in graph.inputs if v.kind == "real"} if given is None else given
    for letter in sorted(used):
        if letter not in known:
            raise DerivationError(f"unknown direction {letter!r}, expected one of {', '.join(known)}{_hint(known)}")
    found: dict[str, tuple[str, tuple[int, ...]]] = {}
    for letter, what in known.items():
        if letter not in used:
            continue
        name, *element = (what,) if isinstance(what, str) else what
        extents = [n for n in graph.variable(str(name)).shape if not is_symbolic(n)]
        fits = len(element) == len(extents) and all(isinstance(m, int) and 0 <= m < n for m, n in zip(element, extents))
        if not fits:
            raise DerivationError(
                f"the direction {letter!r} is {what!r}, expected an element of {name!r}, whose shape is "
                f"{graph.variable(str(name)).shape}: an integer for each axis but that of the samples"
            )
        found[letter] = str(name), tuple(int(m) for m in element)
    return found


def _hint(known: Iterable[str]) -> str:
    """How a direction is written whose name is longer than a letter."""
    name = next((name for name in known if len(name) > 1), None)
    return "" if name is None else f"; a text is read letter by letter, the order of a longer name is ({name!r},)"


def _seed(element: tuple[int, ...]) -> Seed:
    """1 for this element of every sample."""

    def seed(reference: Expr) -> list[Expr]:
        extents = reference.base.shape if subscripts(reference) else ()
        fixed = iter(element)
        return [Mul(*[equal(i, next(fixed)) for i, n in zip(subscripts(reference), extents) if n.is_Integer])]

    return seed


def _derivative(tangents: Tangents, term: Expr, direction: Direction) -> list[Expr]:
    """The derivative of a term: brackets are constants, the rest is one vertex."""
    factors = Mul.make_args(term)
    vertices = [f for f in factors if is_reference(f)]
    rest = Mul(*[f for f in factors if f not in vertices])
    return [rest * new for vertex in vertices for new in tangents.at(vertex, direction)]


def require_own_samples(graph: Graph, of: str, wrt: str) -> None:
    """Raise :class:`DerivationError` unless every vertex on the way has the samples of ``wrt`` on one axis."""
    symbolic = [axis for axis, n in enumerate(graph.variable(wrt).shape) if is_symbolic(n)]
    if not symbolic:
        return
    needed = graph.upstream(of)
    axes: dict[Cell, int] = dict.fromkeys(graph.cells[wrt], symbolic[0])
    for equation in graph.equations:
        if equation.cell in needed and equation.cell not in axes:
            samples = {
                subscripts(reference)[axes[cell]]
                for reference, cells in graph.read_by(equation)
                for cell in cells
                if cell in axes
            }
            if not samples:
                continue
            if len(samples) > 1 or not samples <= set(equation.free):
                raise DerivationError(
                    f"{of!r} of one sample depends on {wrt!r} of others, through `{equation.target}`: it has no "
                    "partial derivatives per sample"
                )
            axes[equation.cell] = subscripts(equation.target).index(next(iter(samples)))
