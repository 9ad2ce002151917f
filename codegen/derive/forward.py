"""Forward accumulation: the derivative of every vertex along a direction, in evaluation order."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from sympy import Expr, Idx, Integer, Mul, expand
from sympy.core.basic import Basic

from codegen.derive.accumulation import Terms
from codegen.derive.local import local_derivatives
from codegen.derive.seeds import Direction
from codegen.derive.system import System
from codegen.derive.terms.zeros import Selections
from codegen.functions import equal
from codegen.ir.cells import overlap
from codegen.ir.graph import Cell, Equation, Graph, cell_of
from codegen.ir.order import Scan, in_steps
from codegen.ir.ranges import asked_of, elements_read, guarded, missing, on_axis, said_of_integers
from codegen.ir.summation import Summand, summand
from codegen.walk import base_name, data_in, extent, indices, is_plain, moved, references, subscripts


class Tangents:
    """The derivatives of the vertices of a graph, along any number of directions, and again of those.

    ``d v`` is Σ (local derivative) × ``d reference``. A term that does not depend on an index has none, one that is 0
    but on a diagonal is kept as that diagonal; local derivatives and sums are shared by all directions and orders.
    """

    def __init__(self, graph: Graph, keep: Collection[str] = ()) -> None:
        self.graph, self.system = graph, System(graph, keep)
        self._definitions: dict[str, dict[Cell, Equation]] = {}
        self._defined = 0
        self._looked_at = 0
        self._selections, self._read = Selections(), 0
        self._in_scans: Mapping[Cell, Scan] = {}
        self._found: dict[tuple[Cell, Direction], Terms] = {}

    def sweep(self, equations: Iterable[Equation], direction: Direction) -> list[Equation]:
        """Differentiate these equations, each after what it reads; the equations that come of it."""
        before = len(self.system.equations)
        for equation in equations:
            self.of(equation.cell, direction)
        return self.system.equations[before:]

    def sweep_to(self, of: Sequence[str], direction: Direction) -> None:
        """Differentiate what these vertices of the graph are computed from."""
        needed = self.graph.upstream(*of)
        self.sweep((equation for equation in self.graph.equations if equation.cell in needed), direction)

    def of(self, cell: Cell, direction: Direction) -> Terms:
        """The derivative of a vertex, written with the subscripts of its own equation, the seed not included."""
        key = (cell, direction)
        if key not in self._found:
            equation = self._cells(cell.name).get(cell)
            if cell in self._scans():
                self._together(self._scans()[cell], direction)
            else:
                self._found[key] = () if equation is None else self._derivative(equation, direction)
        return self._found[key]

    def _scans(self) -> Mapping[Cell, Scan]:
        """The scans that vertices are part of, those made since included."""
        if self.graph.scans and self._looked_at < len(self.system.equations):
            self._looked_at = len(self.system.equations)
            steps = in_steps(tuple(self.system.equations))
            self._in_scans = {e.cell: step for step in steps if isinstance(step, Scan) for e in step.equations}
        return self._in_scans

    def _together(self, scan: Scan, direction: Direction) -> None:
        """The derivatives of equations that read each other: they read each other the same way."""

        def contributions(terms: Mapping[Cell, Terms]) -> Mapping[Cell, Sequence[Summand]]:
            self._found.update({(cell, direction): found for cell, found in terms.items()})
            return {e.cell: self._summands(e, direction) for e in scan.equations}

        wanted = {e.cell: (direction.label(e.name), e.target) for e in scan.equations}
        found = self.system.collect_together(
            wanted, contributions, direction.indices, lambda target: (*indices(target), *direction.indices), False
        )
        self._found.update({(cell, direction): terms for cell, terms in found.items()})

    def at(self, reference: Expr, direction: Direction, by: Equation | None = None) -> Iterator[Expr]:
        """The terms of the derivative of what a reference reads, ``by`` an equation only where its conditions hold.

        Where only some of the elements that it reads have a term, a bracket says which. Where the reference is under a
        condition because it may not be there, so is each term.
        """
        asked = asked_of(reference) or ()
        for term in self._at(reference, direction, by):
            yield guarded(term, *asked) if asked and references(term) else term

    def _at(self, reference: Expr, direction: Direction, by: Equation | None) -> Iterator[Expr]:
        name, cell = base_name(reference), cell_of(reference)
        if name in direction.seeds:
            yield from (term for term in direction.seeds[name](reference) if term != 0)
        cells = self._cells(name)
        met = [cell] if cell in cells else [c for c in cells if overlap(elements_read(reference), c.pattern)]
        for one in met if by is None or len(met) == 1 else [c for c in met if by.reads_of(reference, c.pattern)]:
            terms = self.of(one, direction)
            element = _element(reference, one) if terms else None
            if element is None:
                continue
            place = [element.get(i, i) for i in subscripts(reference)]
            own, picked = subscripts(cells[one].target), [equal(i, m) for i, m in element.items()]
            asked = _asked_of_cell(own, place)
            if asked is not None:
                new = (Mul(moved(term, own, place), *picked) for term in terms)
                yield from (guarded(term, *asked) if asked else term for term in new if term != 0)

    def _cells(self, name: str) -> Mapping[Cell, Equation]:
        """The equations that assign a variable, those made since included."""
        for equation in self.system.equations[self._defined :]:
            self._definitions.setdefault(equation.name, {})[equation.cell] = equation
        self._defined = len(self.system.equations)
        return self._definitions.get(name, {})

    def _derivative(self, equation: Equation, direction: Direction) -> Terms:
        summands = self._summands(equation, direction)
        within = (*equation.free, *direction.indices)
        wanted = direction.label(equation.name)
        return self.system.collect(wanted, equation.target, summands, direction.indices, within) if summands else ()

    def _summands(self, equation: Equation, direction: Direction) -> list[Summand]:
        active = {r: found for r in equation.references if (found := list(self._there(equation, r, direction)))}
        edges = local_derivatives(equation, active.keys()) if active else {}
        if not edges:
            return []
        whole = not equation.reduced and equation.cell not in self.graph.over_steps
        return [
            summand(new if is_plain(reference) and whole else guarded(new), _summed(equation, new))
            for reference, local in edges.items()
            for factor in [self.system.multiplier(equation, reference, local)]
            for given in active[reference]
            for term in self._opened(given, equation.reduced)
            for new in [self.system.guards.product(factor, term)]
        ]

    def _there(self, equation: Equation, reference: Expr, direction: Direction) -> Iterator[Expr]:
        """The terms of what an equation reads, under what it says of integers that may be beyond a table."""
        known = said_of_integers(equation.body, reference) if any(map(data_in, subscripts(reference))) else ()
        for term in self.at(reference, direction, equation):
            yield guarded(term, *known) if known and references(term) else term

    def _opened(self, term: Expr, reduced: Sequence[Idx]) -> list[Expr]:
        """A derivative that is 0 but at few values of an index that is summed over, as terms with a bracket each.

        As one vertex it would have the axes of a matrix: 4,001² numbers for the time that a trajectory of 4,001 steps
        takes, of which 8,000 are not 0.
        """
        if not reduced:
            return [term]
        for equation in self.system.equations[self._read :]:
            self._selections.add(equation)
        self._read = len(self.system.equations)
        along = any(self._selections.has(term, index) for index in reduced)
        return self._selections.opened(term) if along else [term]


def _summed(equation: Equation, term: Expr) -> tuple[Idx, ...]:
    """The indices that a derivative is summed over: of what eliminates those that it has."""
    return tuple(i for i in equation.reduced if i in indices(term)) if equation.eliminates else equation.reduced


def _asked_of_cell(own: Sequence[Expr], place: Sequence[Expr]) -> tuple[Basic, ...] | None:
    """Where a reference with some subscripts reads a vertex that is written with others; None if it never does."""
    asked: list[Basic] = []
    for mine, other in zip(own, place):
        index = mine if isinstance(mine, Idx) else next(iter(indices(mine)), None)
        if index is None or (isinstance(other, Idx) and mine == index and extent(other) == extent(index)):
            continue
        found = missing(on_axis(expand(other - (mine - index)), extent(index)) or ())
        if found is None:
            return None
        asked += found
    return tuple(asked)


def _element(reference: Expr, cell: Cell) -> dict[Expr, Integer] | None:
    """The values of a reference's subscripts at which it reads this vertex; None if a diagonal passes it by."""
    values: dict[Expr, Integer] = {}
    for index, m in zip(subscripts(reference), cell.pattern):
        if not isinstance(index, Integer) and isinstance(m, int) and values.setdefault(index, Integer(m)) != m:
            return None
    return values
