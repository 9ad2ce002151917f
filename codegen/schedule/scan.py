"""Equations that read earlier elements of what they compute: loops over one axis, step by step, forward or backward."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sympy import Expr, Idx, Integer, expand

from codegen.cached import cached_property
from codegen.errors import EmitError
from codegen.ir.affine import Affine, affine
from codegen.ir.graph import Cell, Equation, Graph
from codegen.ir.ranges import NOTHING
from codegen.walk import Extent, as_extent, base_name, extent, references, reindex, subscripts


@dataclass(frozen=True)
class Member:
    """One equation of a scan in terms of the index of its steps, and what is at least 0 where it has a value."""

    equation: Equation
    target: Expr
    body: Expr
    forms: tuple[Affine, ...]


@dataclass(frozen=True, eq=False)
class Scan:
    """Equations that read what steps before, or for a ``step`` of −1 behind, have computed."""

    index: Idx
    step: int
    axes: Mapping[str, int]
    """The axis of each variable along which it goes."""
    members: tuple[Member, ...]

    @cached_property
    def cells(self) -> frozenset[Cell]:
        """What it computes."""
        return frozenset(member.equation.cell for member in self.members)

    @cached_property
    def _written(self) -> frozenset[tuple[str, Expr]]:
        return frozenset((m.equation.name, self.place(m.target)) for m in self.members)

    def place(self, reference: Expr) -> Expr:
        """The subscript along the axis of the scan."""
        return subscripts(reference)[self.axes[base_name(reference)]]

    def is_other_step(self, reference: Expr) -> bool:
        """Whether a reference of a member is to what another step has computed."""
        name = base_name(reference)
        return name in self.axes and (name, self.place(reference)) not in self._written

    @property
    def directions(self) -> set[int] | None:
        """Where it reads what other steps compute: 1 before, −1 behind; None where one step is not in an order."""
        found: set[int] = set()
        same: list[set[int]] = []
        for member in self.members:
            needs: set[int] = set()
            for reference in references(member.body):
                for number, other in enumerate(self.members):
                    if base_name(reference) != other.equation.name:
                        continue
                    back = expand(self.place(other.target) - self.place(reference))
                    if back == 0:
                        needs.add(number)
                    else:
                        found.add(1 if back > 0 else -1)
            same.append(needs)
        alone = all(len(group) == 1 for group in _components([sorted(needs) for needs in same]))
        return found if alone and not any(n in needs for n, needs in enumerate(same)) else None


def units(graph: Graph, equations: Sequence[Equation]) -> list[tuple[Equation, ...]]:
    """Equations in an order in which they can be evaluated, those together that depend on each other."""
    position = {equation.cell: n for n, equation in enumerate(equations)}
    needs = [sorted({position[c] for _, cells in graph.read_by(e) for c in cells if c in position}) for e in equations]
    if all(n < own for own, read in enumerate(needs) for n in read):
        return [(equation,) for equation in equations]
    return [tuple(equations[n] for n in sorted(group)) for group in _components(needs)]


def _components(needs: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """The strongly connected components of a graph, each after those that it needs (Tarjan 1972)."""
    number: dict[int, int] = {}
    low: dict[int, int] = {}
    waiting: list[int] = []
    on_stack: set[int] = set()
    for root in range(len(needs)):
        path = [(root, iter(needs[root]))] if root not in number else []
        while path:
            node, rest = path[-1]
            if node not in number:
                number[node] = low[node] = len(number)
                waiting.append(node)
                on_stack.add(node)
            for other in rest:
                if other not in number:
                    path.append((other, iter(needs[other])))
                    break
                if other in on_stack:
                    low[node] = min(low[node], number[other])
            else:
                path.pop()
                if path:
                    low[path[-1][0]] = min(low[path[-1][0]], low[node])
                if low[node] == number[node]:
                    place = waiting.index(node)
                    group = waiting[place:]
                    del waiting[place:]
                    on_stack.difference_update(group)
                    yield group


def scan_of(graph: Graph, group: Sequence[Equation]) -> Scan | None:
    """The scan that equations are which depend on each other; None for one that does not depend on itself.

    Raises :class:`EmitError` for a group that is none.
    """
    cells = {equation.cell for equation in group}
    if len(group) == 1 and not any(c in cells for _, found in graph.read_by(group[0]) for c in found):
        return None
    for axis, subscript in enumerate(subscripts(group[0].target)):
        axes = _axes(group, group[0].name, axis) if affine(subscript) is not None else None
        found = None if axes is None else _along(group, axes)
        if found is not None:
            return found
    names = ", ".join(str(equation.target) for equation in group)
    raise EmitError(f"{names} depend on each other along no axis in one direction")


def _axes(group: Sequence[Equation], name: str, axis: int) -> dict[str, int] | None:
    """The axis of every variable of a group, from that of one of them; None if they do not fit each other."""
    axes = {name: axis}
    names = {equation.name for equation in group}
    changed = True
    while changed:
        changed = False
        for equation in group:
            if equation.name not in axes:
                continue
            time = _index(equation, axes[equation.name])
            if time is None:
                return None
            for reference in references(equation.body):
                other = base_name(reference)
                if other not in names:
                    continue
                fitting = [a for a, i in enumerate(subscripts(reference)) if _is_shifted(i, time)]
                if other in axes and axes[other] not in fitting:
                    return None
                if other not in axes:
                    if not fitting:
                        return None
                    axes[other] = fitting[0]
                    changed = True
    return axes if names == set(axes) else None


def _index(equation: Equation, axis: int) -> Idx | None:
    """The index along an axis of what an equation assigns."""
    form = affine(subscripts(equation.target)[axis])
    return form.indices[0] if form is not None and [f for _, f in form.coefficients] == [1] else None


def _is_shifted(subscript: Expr, index: Idx) -> bool:
    form = affine(subscript)
    return form is not None and form.coefficients == ((index, 1),) and form.constant.is_Integer


def _along(group: Sequence[Equation], axes: Mapping[str, int]) -> Scan | None:
    """The scan of a group along these axes; None if it reads in both directions.

    What equations compute at one value of their own index is one step, or else at one place along the axis.
    """
    times = [_index(equation, axes[equation.name]) for equation in group]
    if not all(times):
        return None
    names = {i.name for equation in group for i in equation.domain} - {time.name for time in times if time is not None}
    name = next(str(time.name) for time in times if time is not None)
    while name in names:
        name += "_"
    for by_place in (False, True):
        shifts = [_shift(e, axes[e.name]) if by_place else Integer(0) for e in group]
        length = _longest([extent(time) + shift for time, shift in zip(times, shifts) if time is not None])
        index = Idx(name, length)
        members = [_member(e, time, shift, index) for e, time, shift in zip(group, times, shifts) if time is not None]
        found = Scan(index, 1, axes, tuple(members))
        if (directions := found.directions) is not None and len(directions) == 1:
            return replace(found, step=directions.pop())
    return None


def _shift(equation: Equation, axis: int) -> Expr:
    """How far what an equation assigns is from the value of its index."""
    form = affine(subscripts(equation.target)[axis])
    assert form is not None
    return form.constant


def _longest(extents: Sequence[Expr]) -> Extent:
    longest = extents[0]
    for n in extents[1:]:
        form = affine(Integer(0) + n - longest)
        if form is not None and NOTHING.says(form):
            longest = n
    return as_extent(longest)


def _member(equation: Equation, time: Idx, shift: Expr, index: Idx) -> Member:
    moved = {time: expand(index - shift)}
    ends = (index - shift, Integer(0) + extent(time) - 1 + shift - index)
    forms = (form for end in ends if (form := affine(end)) is not None and not NOTHING.says(form))
    return Member(equation, reindex(equation.target, moved), reindex(equation.body, moved), tuple(forms))
