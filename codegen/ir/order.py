"""An order in which equations can be evaluated; those that read each other's earlier values go step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, product
from typing import NamedTuple

from sympy import Expr, Idx, Integer

from codegen.errors import GraphError
from codegen.ir.affine import affine
from codegen.ir.cells import Cell, Pattern, overlap
from codegen.ir.equation import Equation
from codegen.ir.ranges import Known, at_least, elements_read, occurrences
from codegen.ir.validation import quote
from codegen.walk import Extent, as_extent, base_name, extent, fresh_index, indices, reindex, subscripts

ALIGNMENTS = 1000
"""So many choices of axes for some of the variables of a scan are looked at."""


@dataclass(frozen=True)
class Scan:
    """Equations that are evaluated at one place of an axis, in order, then at the next: a recurrence.

    ``axes`` says which axis of each variable it is, and ``shifts`` the place of its first element; ``step`` is 1 from
    the first place on, −1 from the last.

    >>> from codegen import Index, Variable, Graph
    >>> t, u = Index("t", 4), Variable("u", (5,))
    >>> graph = Graph((Variable("a"),), (Equation(u[0], Variable("a").symbol), Equation(u[t + 1], 2 * u[t])), ("u",))
    >>> scan = graph.steps[1]
    >>> scan.axes, scan.step, scan.index(graph.equations[1]), scan.shift(graph.equations[1]), scan.length
    ({'u': 0}, 1, t, 0, 4)
    """

    parts: tuple[Equation | Scan, ...]
    axes: Mapping[str, int]
    shifts: Mapping[str, int]
    step: int

    @property
    def equations(self) -> tuple[Equation, ...]:
        """The equations of all parts."""
        return tuple(chain.from_iterable(p.equations if isinstance(p, Scan) else (p,) for p in self.parts))

    def index(self, equation: Equation) -> Idx:
        """The index of an equation that counts its steps."""
        return _form(equation.target, self.axes[equation.name])[0]

    def shift(self, equation: Equation) -> int:
        """The place at which the index of an equation is 0."""
        return _form(equation.target, self.axes[equation.name])[1] + self.shifts[equation.name]

    @property
    def length(self) -> Extent:
        """The number of places."""
        ends = [as_extent(self.shift(e) + extent(self.index(e))) for e in self.equations]
        return max(ends, key=lambda n: n if isinstance(n, int) else int(n.as_coeff_Add()[0]))

    def over_steps(self, around: tuple[Scan, ...] = ()) -> Iterator[tuple[Cell, frozenset[Idx]]]:
        """The vertices that read several other steps, each with the indices that go along these."""
        scans = (*around, self)
        for part in self.parts:
            if isinstance(part, Scan):
                yield from part.over_steps(scans)
            else:
                steps = [
                    index
                    for scan in scans
                    for reference in part.references
                    if base_name(reference) in scan.axes
                    for index in indices(subscripts(reference)[scan.axes[base_name(reference)]])
                    if index != scan.index(part)
                ]
                if found := frozenset(steps) & {*part.domain}:
                    yield part.cell, found

    def at(self, equation: Equation, place: Expr) -> Equation:
        """One of its equations at a place of the axis, which takes the index's."""
        return moved_to(equation, self.index(equation), place - self.shift(equation))


def moved_to(equation: Equation, index: Idx, value: Expr) -> Equation:
    """An equation with a value for one of its target's indices."""
    at = {index: value}
    return Equation(reindex(equation.target, at), reindex(equation.body, at), equation.reduction, equation.reduced)


def running_over(equation: Equation, old: Idx, new: Idx) -> Equation:
    """The same equation with ``new`` for one of its indices; another of that name steps aside."""
    if old == new:
        return equation
    others = [i for i in equation.domain if i != old]
    renaming = {old: new}
    taken = {i.name for i in others} | {new.name}
    for index in others:
        if index.name == new.name:
            renaming[index] = fresh_index(index, taken)
    target, body = reindex(equation.target, renaming), reindex(equation.body, renaming)
    return Equation(target, body, equation.reduction, tuple(renaming.get(i, i) for i in equation.reduced))


def written_out(step: Equation | Scan, size: Callable[[Extent], int]) -> Iterator[Equation]:
    """An equation; of a scan those of each place, in order."""
    if not isinstance(step, Scan):
        yield step
        return
    for place in range(size(step.length))[:: step.step]:
        for part in step.parts:
            at_place = _at_place(step, part, place, size)
            if at_place is not None:
                yield from written_out(at_place, size)


def _at_place(scan: Scan, part: Equation | Scan, place: int, size: Callable[[Extent], int]) -> Equation | Scan | None:
    """A part at one place of the axis; None if it has no value there."""
    if isinstance(part, Scan):
        inner = [found for one in part.parts if (found := _at_place(scan, one, place, size)) is not None]
        return replace(part, parts=tuple(inner)) if inner else None
    first = scan.shift(part)
    return scan.at(part, Integer(place)) if first <= place < first + size(extent(scan.index(part))) else None


def _form(reference: Expr, axis: int) -> tuple[Idx, int]:
    found = _step_of(reference, axis)
    assert found is not None, reference
    return found


def _step_of(reference: Expr, axis: int) -> tuple[Idx, int] | None:
    """Index and constant of t + 1; None for any other subscript."""
    form = affine(subscripts(reference)[axis])
    if form is None or [factor for _, factor in form.coefficients] != [1] or not form.constant.is_Integer:
        return None
    return form.indices[0], int(form.constant)


class _Read(NamedTuple):
    """An equation reads by a reference what another assigns."""

    reader: int
    reference: Expr
    read: int


def in_steps(equations: tuple[Equation, ...]) -> tuple[Equation | Scan, ...]:
    """A stable topological order: as given where that works, otherwise each equation after what it reads.

    Raises :class:`GraphError` for equations that depend on each other otherwise than step by step.
    """
    if _is_in_order(equations):
        return equations
    reads = list(_reads(equations))
    if all(read.read < read.reader for read in reads):
        return equations
    return _ordered(equations, range(len(equations)), [read for read in reads if _is_ever(read, equations)])


def flat(steps: Sequence[Equation | Scan]) -> tuple[Equation, ...]:
    """The equations of steps."""
    return tuple(chain.from_iterable(step.equations if isinstance(step, Scan) else (step,) for step in steps))


def _is_in_order(equations: Sequence[Equation]) -> bool:
    """Whether each equation reads inputs and whole vertices before it alone, as it does after most passes."""
    there: set[Cell] = set()
    assigned = {equation.name for equation in equations}
    for equation in equations:
        for access in equation.accesses[1:]:
            if access.cell not in there and access.cell[0] in assigned:
                return False
        there.add(equation.cell)
    return True


def _reads(equations: Sequence[Equation]) -> Iterator[_Read]:
    """What each equation reads of the others, and of itself."""
    positions: dict[str, dict[Pattern, int]] = {}
    for position, equation in enumerate(equations):
        name, pattern = equation.cell
        positions.setdefault(name, {})[pattern] = position
    for position, equation in enumerate(equations):
        for reference, (name, pattern), *_ in equation.reads:
            cells = positions.get(name, {})
            if pattern in cells:
                yield _Read(position, reference, cells[pattern])
                continue
            part = elements_read(reference)
            for other, read in cells.items():
                if overlap(part, other):
                    yield _Read(position, reference, read)


def _is_ever(read: _Read, equations: Sequence[Equation]) -> bool:
    """Whether some element that an equation reads where its conditions hold is one that the other assigns."""
    return equations[read.reader].reads_of(read.reference, equations[read.read].cell.pattern)


def _ordered(
    equations: Sequence[Equation],
    among: Sequence[int],
    reads: Sequence[_Read],
    around: Sequence[Mapping[str, int]] = (),
) -> tuple[Equation | Scan, ...]:
    """These equations, each after what it reads; those that read each other as scans, inside of those ``around``."""
    needs: dict[int, list[int]] = {position: [] for position in among}
    for read in reads:
        needs[read.reader].append(read.read)
    found: list[Equation | Scan] = []
    for component in _components(needs):
        if len(component) == 1 and component[0] not in needs[component[0]]:
            found.append(equations[component[0]])
        else:
            inside = [read for read in reads if read.reader in component and read.read in component]
            found.append(_scan(equations, sorted(component), inside, around))
    return tuple(found)


def _components(needs: Mapping[int, Sequence[int]]) -> Iterator[list[int]]:
    """Those that need each other, each group after what it needs (Tarjan 1972)."""
    number: dict[int, int] = {}
    lowest: dict[int, int] = {}
    waiting: list[int] = []
    placed: set[int] = set()
    for start in needs:
        if start in number:
            continue
        stack = [(start, iter(needs[start]))]
        number[start] = lowest[start] = len(number)
        waiting.append(start)
        while stack:
            position, remaining = stack[-1]
            new = next((n for n in remaining if n not in placed), None)
            if new is None:
                stack.pop()
                if stack:
                    lowest[stack[-1][0]] = min(lowest[stack[-1][0]], lowest[position])
                if lowest[position] == number[position]:
                    component = waiting[waiting.index(position) :]
                    del waiting[-len(component) :]
                    placed.update(component)
                    yield component
            elif new in number:
                lowest[position] = min(lowest[position], number[new])
            else:
                number[new] = lowest[new] = len(number)
                waiting.append(new)
                stack.append((new, iter(needs[new])))


# --- scans --------------------------------------------------------------------------------------------------------


def _scan(
    equations: Sequence[Equation], among: Sequence[int], reads: Sequence[_Read], around: Sequence[Mapping[str, int]]
) -> Scan:
    """The equations as a scan along an axis on which all that they read of each other lies on one side."""
    names = [(equations[read.reader].name, equations[read.read].name) for read in reads]
    distances = _Distances(equations, around)
    first = equations[among[0]]
    targets = [equations[p].target for p in among if equations[p].name == first.name]
    axes_of_first = [a for a in range(len(subscripts(first.target))) if all(_step_of(target, a) for target in targets)]
    for axis, step in product(axes_of_first, (1, -1)):
        for axes in _alignments(equations, among, reads, {first.name: axis}, step, distances):
            offsets = [offset for read in reads if (offset := distances.ahead(read, axes, step)) is not None]
            shifts = _shifts(names, offsets, step)
            if shifts is None:
                continue
            left = [
                read
                for read, offset, (reader, other) in zip(reads, offsets, names)
                if offset + shifts[other] == shifts[reader]
            ]
            if len(left) < len(reads):
                first_place = min(
                    _form(e.target, axes[e.name])[1] + shifts[e.name] for e in (equations[p] for p in among)
                )
                shifts = {name: shift - first_place for name, shift in shifts.items()}
                return Scan(_ordered(equations, among, left, (*around, axes)), axes, shifts, step)
    one = next((read for read in reads if read.read <= read.reader), reads[0])
    target = equations[one.read].target
    group = ", ".join(str(equations[position].target) for position in among)
    how = "at fixed distances, or over all steps before, all on one side"
    why = f"; there is no axis along which {group} read each other {how}"
    why = why if subscripts(target) else ""
    raise GraphError(f"equation {quote(equations[one.reader])}: cycle, {target} depends on itself{why}")


def _shifts(names: Sequence[tuple[str, str]], offsets: Sequence[int], step: int) -> dict[str, int] | None:
    """How far each variable is moved along the axis so that all reads look back; None if there is no way to.

    A system of differences, σ(read) + offset ≤ σ(reader), solved by as many rounds as there are variables.
    """
    shifts = {name: 0 for pair in names for name in pair}
    for _ in range(len(shifts) + 1):
        changed = False
        for (reader, other), offset in zip(names, offsets):
            excess = step * (shifts[other] + offset - shifts[reader])
            if excess > 0:
                shifts[other] -= step * excess
                changed = True
        if not changed:
            return shifts
    return None


class _Distances:
    """How far ahead of an element an equation reads another along two of their axes, each found once.

    They are not those of scans ``around``, at one step of which all of this is.
    """

    def __init__(self, equations: Sequence[Equation], around: Sequence[Mapping[str, int]]) -> None:
        self._equations, self._around = equations, around
        self._found: dict[tuple[_Read, int, int, int], int | None] = {}
        self._known: dict[tuple[int, Expr], list[Known]] = {}

    def ahead(self, read: _Read, axes: Mapping[str, int], step: int) -> int | None:
        """The number of places, or of several the one furthest along the step; None where there is no bound."""
        names = self._equations[read.reader].name, self._equations[read.read].name
        key = read, axes[names[0]], axes[names[1]], step
        if key not in self._found:
            back = self._back(*key)
            self._found[key] = None if back is None else -step * back
        return self._found[key]

    def _back(self, read: _Read, axis: int, other: int, step: int) -> int | None:
        names = self._equations[read.reader].name, self._equations[read.read].name
        if any(axes[name] == at for axes in self._around for name, at in zip(names, (axis, other))):
            return None
        own, place = (
            affine(subscripts(reference)[at])
            for reference, at in ((self._equations[read.reader].target, axis), (read.reference, other))
        )
        distance = None if own is None or place is None else affine(step * (own.expression - place.expression))
        if distance is None:
            return None
        if not distance.coefficients:
            return int(distance.constant) if distance.constant.is_Integer else None
        ends = [at_least(distance, known) for known in self._where(read)]
        return None if None in ends else min(end for end in ends if end is not None)

    def _where(self, read: _Read) -> list[Known]:
        """What is known wherever an equation has a reference."""
        key = read.reader, read.reference
        if key not in self._known:
            found = occurrences(self._equations[read.reader].body, lambda reference: reference == read.reference)
            self._known[key] = [known for _, known in found]
        return self._known[key]


def _alignments(
    equations: Sequence[Equation],
    among: Sequence[int],
    reads: Sequence[_Read],
    first: dict[str, int],
    step: int,
    distances: _Distances,
) -> Iterator[dict[str, int]]:
    """Axes of all variables beside that of the first, so that there is a bound to how far ahead each read is.

    Tried first is what is read at the same index.
    """
    targets: dict[str, list[Expr]] = {}
    for position in among:
        targets.setdefault(equations[position].name, []).append(equations[position].target)
    waiting = [first]
    for _ in range(ALIGNMENTS):
        if not waiting:
            return
        axes = waiting.pop()
        names = [(equations[read.reader].name, equations[read.read].name) for read in reads]
        known = [read for read, pair in zip(reads, names) if all(name in axes for name in pair)]
        if any(distances.ahead(read, axes, step) is None for read in known):
            continue
        open_ = next(((read, pair) for read, pair in zip(reads, names) if sum(n in axes for n in pair) == 1), None)
        if open_ is None:
            yield axes
            continue
        read, pair = open_
        (new,) = (name for name in pair if name not in axes)
        given = equations[read.reader].target, read.reference
        here, there = given if new == pair[1] else given[::-1]
        index = _step_of(here, axes[base_name(here)])
        places = [a for a in range(len(subscripts(there))) if all(_step_of(target, a) for target in targets[new])]
        places.sort(key=lambda a: index is None or not _has(there, a, index[0]))
        waiting += [{**axes, new: place} for place in reversed(places)]


def _has(reference: Expr, axis: int, index: Idx) -> bool:
    found = _step_of(reference, axis)
    return found is not None and found[0] == index
