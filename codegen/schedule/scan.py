"""The loops of scans: what one step is of equations that read what earlier steps of theirs compute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sympy import Expr, Idx, Integer, expand

from codegen.cached import cached_property, once
from codegen.ir import order
from codegen.ir.affine import Affine, affine
from codegen.ir.cells import Cell
from codegen.ir.graph import Equation, Graph
from codegen.ir.ranges import NOTHING
from codegen.walk import Extent, as_extent, base_name, extent, indices, is_sample, references, reindex, subscripts


@dataclass(frozen=True, eq=False)
class Steps:
    """The loop of a scan, over ``index``, forward or for a ``step`` of −1 backward."""

    index: Idx
    step: int
    axes: Mapping[str, int]
    """The axis of each variable along which it goes."""
    equations: Mapping[Cell, Equation]
    """Its equations in terms of the index, by what they assign."""
    values: Mapping[Cell, Mapping[Idx, Expr]]
    """What their own index is in terms of it, and what others are called that had its name."""
    forms: Mapping[Cell, tuple[Affine, ...]]
    """What is at least 0 at the steps at which each of them has a value."""

    @cached_property
    def _written(self) -> frozenset[tuple[str, Expr]]:
        return frozenset((e.name, self.place(e.target)) for e in self.equations.values() if e.name in self.axes)

    def place(self, reference: Expr) -> Expr:
        """The subscript along the axis of the scan."""
        return subscripts(reference)[self.axes[base_name(reference)]]

    def is_other_step(self, reference: Expr) -> bool:
        """Whether a reference is to what another step has computed."""
        name = base_name(reference)
        return name in self.axes and (name, self.place(reference)) not in self._written

    def shift_of(self, body: Expr, index: Idx) -> Expr | None:
        """How far an index is from that of the step that has all that a body reads; None if there is none."""
        shift: Expr | None = None
        for reference in references(body):
            for equation in self.equations.values():
                if equation.name != base_name(reference):
                    continue
                place, written = affine(self.place(reference)), self.place(equation.target)
                if place is None or place.coefficients != ((index, 1),):
                    return None
                own = expand(written - self.index - place.constant)
                if not own.is_Integer:
                    return None
                later = shift is None or self.step * (own - shift) < 0
                shift = own if later else shift
        return shift

    def range_of(self, index: Idx, shift: Expr) -> tuple[Affine, ...] | None:
        """What is at least 0 where an index so far from that of the steps has a value; None if some are missing."""
        first, last = affine(-shift), affine(expand(self.index.upper - index.upper + shift))
        if first is None or last is None or not (NOTHING.says(first) and NOTHING.says(last)):
            return None
        return _within(self.index + shift, index.upper)

    def with_sum(self, equation: Equation) -> Steps | None:
        """With a sum over the samples and over these steps, to which each of them adds; None for anything else."""
        over_samples = equation.is_sum and any(map(is_sample, equation.reduced))
        if not over_samples or any(map(is_sample, indices(equation.target))):
            return None
        for index in equation.reduced:
            shift = self.shift_of(equation.body, index)
            form = None if shift is None else self.range_of(index, shift)
            if shift is not None and form is not None:
                value = self.index + shift
                own = order.running_over(equation, index, self.index)
                moved = own.with_body(reindex(own.body, {self.index: value}))
                return self._with(equation, moved, _values(equation, own, self.index, value), form)
        return None

    def with_part(self, equation: Equation) -> Steps | None:
        """With an equation of which each step reads what is at one place; None for any other."""
        read = [r for e in self.equations.values() for r in references(e.body) if base_name(r) == equation.name]
        for axis, index in enumerate(subscripts(equation.target)):
            first, *others = {subscripts(reference)[axis] for reference in read}
            shift = expand(first - self.index)
            if isinstance(index, Idx) and not is_sample(index) and not others and shift.is_Integer:
                value = self.index + shift
                own = order.running_over(equation, index, self.index)
                moved = order.moved_to(own, self.index, value)
                steps = self._with(
                    equation, moved, _values(equation, own, self.index, value), _within(value, index.upper)
                )
                return replace(steps, axes={**self.axes, equation.name: axis})
        return None

    def _with(
        self, equation: Equation, moved: Equation, values: Mapping[Idx, Expr], forms: tuple[Affine, ...]
    ) -> Steps:
        cell = equation.cell
        return replace(
            self,
            equations={**self.equations, cell: moved},
            values={**self.values, cell: values},
            forms={**self.forms, cell: forms},
        )

    def keeps_order(self) -> bool:
        """Whether no equation reads what a later step computes, or what one step cannot have computed yet."""
        needs: dict[Cell, set[Cell]] = {}
        for cell, equation in self.equations.items():
            needs[cell] = set()
            for reference in references(equation.body):
                for other, source in self.equations.items():
                    if base_name(reference) == source.name:
                        back = expand(self.step * (self.place(source.target) - self.place(reference)))
                        if back == 0:
                            needs[cell].add(other)
                        elif back.is_negative:
                            return False
        return _has_order(needs)


def _values(equation: Equation, own: Equation, index: Idx, value: Expr) -> Mapping[Idx, Expr]:
    """What the indices of an equation are where, under other names, it runs over that of the steps."""
    pairs = zip(equation.domain, own.domain)
    return {old: value if new == index else new for old, new in pairs if old != new or new == index}


def _has_order(needs: Mapping[Cell, set[Cell]]) -> bool:
    left = dict(needs)
    while left:
        ready = [cell for cell, before in left.items() if not before & left.keys()]
        if not ready:
            return False
        for cell in ready:
            del left[cell]
    return True


def sources(graph: Graph, equation: Equation) -> Mapping[str, frozenset[Cell]]:
    """The vertices that an equation reads, by the variables that they are of."""
    found: dict[str, frozenset[Cell]] = {}
    for reference, cells in graph.read_by(equation):
        name = base_name(reference)
        found[name] = found.get(name, frozenset()) | frozenset(cells)
    return found


def steps_of_scan(graph: Graph, unit: Sequence[Equation]) -> Mapping[Cell, tuple[Steps, ...]]:
    """The loops of the scan that equations are around each of them, from the outside in; none around those of no scan.

    What stands before the equations of the scan is read by its steps, what stands after them is what these add to.
    """
    if not any(equation.cell in graph.scans for equation in unit):
        return {}
    known, key = _known(graph), tuple(map(id, unit))
    if key not in known:
        known[key] = unit, _steps_of(graph, unit)
    return known[key][1]


def one_loop(loops: Mapping[Cell, tuple[Steps, ...]]) -> Steps | None:
    """The loop around the equations of a scan; None if some have others inside of it."""
    found = {id(steps): steps for around in loops.values() for steps in around}
    return next(iter(found.values())) if len(found) == 1 else None


@once
def _known(graph: Graph) -> dict[tuple[int, ...], tuple[Sequence[Equation], Mapping[Cell, tuple[Steps, ...]]]]:
    """What has been found of a graph, by the identity of the equations, which are kept beside it."""
    return {}


def _steps_of(graph: Graph, unit: Sequence[Equation]) -> Mapping[Cell, tuple[Steps, ...]]:
    members = [place for place, equation in enumerate(unit) if equation.cell in graph.scans]
    first, last = members[0], members[-1]
    scan = graph.scans[unit[first].cell]
    loops = dict(_loops(scan, {equation.cell: equation for equation in unit[first : last + 1]}))
    others = (*unit[last + 1 :], *unit[:first][::-1])
    if not others:
        return loops
    steps = one_loop(loops)
    assert steps is not None
    for equation in others:
        joined = steps.with_sum(equation) or steps.with_part(equation)
        assert joined is not None
        steps = joined
    return dict.fromkeys((equation.cell for equation in unit), (steps,))


def _loops(
    scan: order.Scan, equations: Mapping[Cell, Equation], around: tuple[Steps, ...] = ()
) -> Iterator[tuple[Cell, tuple[Steps, ...]]]:
    """The loops around each equation of a scan, which are given in terms of the indices of those ``around`` it."""
    by_index = _steps(scan, equations, by_place=False)
    inner = any(isinstance(part, order.Scan) for part in scan.parts)
    steps = by_index if not inner and by_index.keeps_order() else _steps(scan, equations, by_place=True)
    for part in scan.parts:
        if isinstance(part, order.Scan):
            yield from _loops(part, {e.cell: steps.equations[e.cell] for e in part.equations}, (*around, steps))
        else:
            yield part.cell, (*around, steps)


def _steps(scan: order.Scan, equations: Mapping[Cell, Equation], by_place: bool) -> Steps:
    """What equations compute at one value of their own index is one step, or at one place of the scan."""
    times = {cell: scan.index(equation) for cell, equation in equations.items()}
    names = {i.name for cell, equation in equations.items() for i in equation.domain if i != times[cell]}
    name = next(iter(times.values())).name
    while name in names:
        name += "_"
    shifts = {cell: Integer(scan.shift(e) if by_place else 0) for cell, e in equations.items()}
    index = Idx(name, _longest([extent(time) + shifts[cell] for cell, time in times.items()]))
    values = {cell: {time: expand(index - shifts[cell])} for cell, time in times.items()}
    moved: dict[Cell, Equation] = {}
    forms: dict[Cell, tuple[Affine, ...]] = {}
    for cell, time in times.items():
        moved[cell] = order.moved_to(equations[cell], time, values[cell][time])
        forms[cell] = _within(index - shifts[cell], extent(time) - 1)
    return Steps(index, scan.step, scan.axes, moved, values, forms)


def _within(value: Expr, last: Expr) -> tuple[Affine, ...]:
    """What has to be at least 0, and is not anyway, for a value to be from 0 to ``last``."""
    ends = (affine(expand(value)), affine(expand(last - value)))
    return tuple(form for form in ends if form is not None and not NOTHING.says(form))


def _longest(extents: Sequence[Expr]) -> Extent:
    longest = extents[0]
    for n in extents[1:]:
        form = affine(expand(n - longest))
        if form is not None and NOTHING.says(form):
            longest = n
    return as_extent(longest)
