"""The equations of a derivative as they are made: each value once, each vertex with the indices that it depends on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence

from sympy import Add, Expr, Idx, Integer, Mul
from sympy.core.basic import Basic

from codegen.derive.accumulation import Accumulator, Terms, Together
from codegen.derive.seeds import Direction
from codegen.derive.terms.fewest import fewest
from codegen.derive.terms.structure import Structure, split
from codegen.functions import equal
from codegen.ir.equation import Equation, Variable
from codegen.ir.graph import Cell, Graph
from codegen.ir.ranges import guard_of, guarded
from codegen.ir.summation import Summand
from codegen.passes.patterns import Patterns, Vertex
from codegen.walk import (
    Extent,
    base_name,
    extent,
    fold,
    indices,
    is_leaf,
    is_reference,
    rebuild,
    references,
    shape,
    subscripts,
)


class System(Accumulator):
    """What one of the equations computes already is not computed again.

    Vertices named in ``keep`` do not count: what is differentiated by a later on must not read a instead of what a is.
    """

    def __init__(self, graph: Graph, keep: Collection[str] = ()) -> None:
        super().__init__(graph)
        self._keep = frozenset(keep)
        self._integers = graph.whole
        self._over_steps = graph.over_steps
        self._layout: dict[str, Hashable] = {}
        self._assigned: set[Hashable] = set()
        self._values: dict[Hashable, Vertex] = {}
        self._patterns = Patterns()
        for equation in graph.equations:
            self._register(equation)

    def append(self, equation: Equation) -> Expr:
        self._register(equation)
        return super().append(equation)

    def named(self, wanted: str) -> str:
        return self.names.new(wanted)

    def settle(self, vertex: Expr, contributions: Sequence[Summand], direction: Direction) -> Terms:
        wanted, seeds = direction.label(base_name(vertex)), direction.indices
        return self.collect(wanted, vertex, contributions, seeds, seeds, seeds_first=True)

    def collect(
        self,
        wanted: str,
        target: Expr,
        summands: Iterable[Summand],
        seeds: Sequence[Idx] = (),
        within: Collection[Idx] = (),
        *,
        seeds_first: bool = False,
    ) -> Terms:
        """Add up a derivative of the vertex ``target``: one vertex a structure, and the terms that they stand for.

        The axes are those of ``target``, then the seeds, or the other way round. Of two indices that are equal the
        first is kept; what does not depend on an index has no axis for it.
        """
        axes = _axes(target, seeds, seeds_first)
        order = [index for subscript, _ in axes for index in indices(subscript)]
        groups: dict[Structure, list[Summand]] = defaultdict(list)
        for term in summands:
            found = split(term.body, order, seeds, within)
            if found is not None:
                structure, core = found
                groups[structure].append(Summand(core, term.reduced))
        parts = []
        for structure, terms in fewest(groups).items():
            core = self._total(wanted, structure, axes, terms)
            if core != 0:
                parts.append(structure.times(core))
        return tuple(parts)

    def settle_together(
        self, vertices: Mapping[Cell, Expr], contributions: Together, direction: Direction
    ) -> Mapping[Cell, Terms]:
        wanted = {cell: (direction.label(base_name(vertex)), vertex) for cell, vertex in vertices.items()}
        return self.collect_together(wanted, contributions, direction.indices, lambda _: direction.indices, True)

    def collect_together(
        self,
        wanted: Mapping[Cell, tuple[str, Expr]],
        contributions: Together,
        seeds: Sequence[Idx],
        within: Callable[[Expr], Collection[Idx]],
        seeds_first: bool,
    ) -> Mapping[Cell, Terms]:
        """Derivatives that depend on each other, each one vertex under the brackets that all parts of it have.

        Which these are is found by going round: those of what comes from elsewhere, less those that do not come back.
        """
        axes = {cell: _axes(target, seeds, seeds_first) for cell, (_, target) in wanted.items()}
        known: dict[Cell, frozenset[Expr] | None] = dict.fromkeys(wanted)

        def parts(terms: Mapping[Cell, Terms]) -> dict[Cell, list[tuple[Structure, Summand]]]:
            found: dict[Cell, list[tuple[Structure, Summand]]] = {}
            for cell, summands in contributions(terms).items():
                order = [index for subscript, _ in axes[cell] for index in indices(subscript)]
                pieces = ((split(s.body, order, seeds, within(wanted[cell][1])), s.reduced) for s in summands)
                found[cell] = [(piece[0], Summand(piece[1], reduced)) for piece, reduced in pieces if piece is not None]
            return found

        def vertex(cell: Cell, name: str) -> Expr:
            structure = Structure(tuple(known[cell] or ()))
            kept = [(i, n) for i, n in axes[cell] if not isinstance(i, Idx) or structure.value(i) == i]
            return Variable(name, tuple(n for _, n in kept))[tuple(i for i, _ in kept)]

        def terms_of(names: Mapping[Cell, str]) -> dict[Cell, Terms]:
            return {
                cell: () if known[cell] is None else (Mul(*(known[cell] or ()), vertex(cell, names[cell])),)
                for cell in wanted
            }

        trial = {cell: f"?{number}" for number, cell in enumerate(wanted)}
        while True:
            found = parts(terms_of(trial))
            new: dict[Cell, frozenset[Expr] | None] = {}
            for cell in wanted:
                brackets = [frozenset(structure.brackets) for structure, _ in found[cell]]
                new[cell] = frozenset.intersection(*brackets) if brackets else None
            if new == known:
                break
            known = new
        names = {cell: self.names.new(label) for cell, (label, _) in wanted.items() if known[cell] is not None}
        terms = terms_of(names)
        for cell, pieces in parts(terms).items():
            shared = known[cell]
            if shared is not None:
                target = vertex(cell, names[cell])
                left = [
                    Summand(
                        Mul(*[b for b in structure.brackets if b not in shared], *structure.outer, s.body), s.reduced
                    )
                    for structure, s in pieces
                ]
                self._add_up(names[cell], target, Structure(tuple(shared)), axes[cell], left)
        return terms

    def _add_up(
        self,
        name: str,
        target: Expr,
        structure: Structure,
        axes: Sequence[tuple[Expr, Extent]],
        summands: Sequence[Summand],
    ) -> None:
        """The equation of a target that has its name already."""
        if len(summands) == 1:
            self.append(Equation.total(target, summands[0]))
            return
        parts = [
            self._vertex(f"{name}#{n}", structure, axes, term) if term.reduced else term.body
            for n, term in enumerate(summands, 1)
        ]
        self.append(Equation(target, Add(*parts)))

    def _total(
        self, wanted: str, structure: Structure, axes: Sequence[tuple[Expr, Extent]], terms: Sequence[Summand]
    ) -> Expr:
        if len(terms) == 1:
            return self._vertex(wanted, structure, axes, terms[0])
        parts = [
            self._vertex(f"{wanted}#{n}", structure, axes, term) if term.reduced else term.body
            for n, term in enumerate(terms, 1)
        ]
        return self._vertex(wanted, structure, axes, Summand(Add(*parts)))

    def _vertex(self, wanted: str, structure: Structure, axes: Sequence[tuple[Expr, Extent]], term: Summand) -> Expr:
        """The vertex of a sum, a new one or one that has the value already; it lacks the axes that the sum lacks."""
        if term.body == 0 or (is_reference(term.body) and not term.reduced):
            return term.body
        existing = self._values.get(self._right_side(term))
        if existing is not None:
            return existing.at([i for i in indices(term.body) if i not in term.reduced])
        present = set(indices(term.body)) - set(term.reduced)
        kept = {
            axis: (value, n)
            for axis, (subscript, n) in enumerate(axes)
            if not isinstance(value := structure.value(subscript), Idx) or (value == subscript and value in present)
        }
        key = tuple(value for value, _ in kept.values())
        layout = (tuple(kept), tuple(isinstance(value, Idx) for value in key))
        name = self._place(wanted, layout, tuple(v if isinstance(v, Integer) else None for v in key))
        target = Variable(name, tuple(n for _, n in kept.values()))[key]
        return self.append(Equation.total(target, term))

    def _place(self, wanted: str, layout: Hashable, pattern: Hashable) -> str:
        """A variable of this layout in which the vertex is not assigned yet; elements of one array share it."""
        while (wanted in self.names and self._layout.get(wanted) != layout) or (wanted, pattern) in self._assigned:
            wanted += "'"
        self._layout[wanted] = layout
        self._assigned.add((wanted, pattern))
        return wanted

    def factor(self, equation: Equation, reference: Expr, local: Expr) -> Expr:
        """A local derivative as a vertex, so that it is computed once for all directions and orders.

        Left as it is if it is a single reference or none. Brackets stay outside, to be carried out; so do those of
        integers in the data, where a vertex would hold a whole table of zeros for each, and conditions on what is
        summed over or read at other steps, which say how far a recurrence reads.
        """
        apart = {*equation.reduced, *self._over_steps.get(equation.cell, ())}
        guard = guard_of(_without_brackets(guarded(local))) if apart else None
        if guard is not None and {*indices(guard[1])} & apart:
            alone = is_reference(guard[0]) or not references(guard[0])
            return local if alone else guarded(self._multiple(equation, reference, local), guard[1])
        return self._multiple(equation, reference, local)

    def _multiple(self, equation: Equation, reference: Expr, local: Expr) -> Expr:
        local = self._with_vertices(local)
        factors = Mul.make_args(local)
        outside = [f for f in factors if f.is_number or (isinstance(f, equal) and self._is_of_integers(f))]
        rest = Mul(*[f for f in factors if f not in outside])
        if is_reference(rest) or not references(rest):
            return local
        existing = self._values.get(self._right_side(Summand(rest)))
        if existing is not None:
            return Mul(*outside, existing.at(indices(rest)))
        name = self.names.new(f"∂{base_name(equation.target)}/∂{base_name(reference)}")
        return Mul(*outside, self.append(Equation.vertex(name, rest, equation.domain)))

    def _is_of_integers(self, bracket: equal) -> bool:
        """Whether what it compares are indices and inputs of integers."""
        return all(base_name(reference) in self._integers for reference in references(bracket))

    def _with_vertices(self, expression: Expr) -> Expr:
        """The expression with references in place of what vertices have the value of."""

        def step(node: Basic, arguments: list[Basic]) -> Basic:
            new = rebuild(node, arguments)
            if is_leaf(node) or not isinstance(node, Expr):
                return new
            vertex = self._values.get(self._right_side(Summand(node)))
            return new if vertex is None else vertex.at(indices(node))

        return fold(expression, step)

    def _register(self, equation: Equation) -> None:
        """Remember the value of a vertex; that of a maximum is found by its own name only."""
        plain = is_leaf(equation.body) and equation.is_map
        unusable = not equation.is_linear or equation.name in self._keep
        if unusable or plain or not equation.references:
            return
        order = [i for i in indices(equation.body) if i not in equation.reduced]
        if set(order) == set(equation.free):
            key = self._right_side(Summand(equation.body, equation.reduced))
            self._values.setdefault(key, Vertex(equation.target, tuple(order)))

    def _right_side(self, term: Summand) -> Hashable:
        """What two equations of one value have in common: the body up to the names of its indices."""
        order = indices(term.body)
        free = [i for i in order if i not in term.reduced]
        summed = [i for i in order if i in term.reduced]
        return self._patterns(term.body, (*free, *summed)), len(summed)


def _axes(target: Expr, seeds: Sequence[Idx], seeds_first: bool) -> list[tuple[Expr, Extent]]:
    """Subscripts and lengths of a derivative's axes: those of the vertex and those of the direction."""
    own = [*zip(subscripts(target), shape(target))]
    new = [(i, extent(i)) for i in seeds]
    return [*new, *own] if seeds_first else [*own, *new]


def _without_brackets(product: Expr) -> Expr:
    """The factors that are no brackets of indices, which :func:`guarded` leaves outside."""
    return Mul(*[f for f in Mul.make_args(product) if not isinstance(f, equal) or references(f)])
