"""Fuse equations into loop nests: what can run in one pass over an index does, and short-lived values stay local."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush

from sympy import Add, Expr, Idx

from codegen.functions.eliminations import Elimination
from codegen.ir.affine import Affine
from codegen.ir.graph import Cell, Equation, Graph
from codegen.ir.lookups import Limits, is_told, lookup
from codegen.ir.selection import Selection, selected
from codegen.schedule.cut import Part, parts
from codegen.schedule.program import (
    SERIAL,
    UNKNOWN_EXTENT,
    Accumulate,
    Fill,
    Loop,
    One,
    Routine,
    Scan,
    Set,
    Statement,
    Store,
)
from codegen.schedule.scan import Steps, sources, steps_of_scan
from codegen.schedule.units import units
from codegen.walk import base_name, extent, fresh_index, indices, is_sample, references, reindex, size, subscripts

MANY = 1024
"""Sums of rows of so many numbers take a row at a time: a column at a time 512 × 128 take three times as long."""


def nest(graph: Graph, equations: Sequence[Equation], whole: Idx | None = None) -> tuple[Statement, ...]:
    """The statements that compute these equations, given in an order in which they can be evaluated.

    An equation joins the first loop over the same range that it can: it must not read, at another value of the loop's
    index, what that loop computes, nor a reduction that the loop has not finished. The sample index is outermost. Loops
    are cut where conditions on their index change, but for those over the index that stays ``whole``. Equations that
    depend on each other share a loop over the steps of their scan, outside of all loops in which they are not
    independent.
    """
    items = [item for unit in units(graph, equations) for item in _items(graph, unit, whole)]
    return tuple(_level(items, graph, whole))


def step_of(graph: Graph, equations: Sequence[Equation], steps: Steps, part: Part, whole: Idx) -> tuple[Statement, ...]:
    """The statements of some of a scan's equations for one step."""
    loops = dict.fromkeys((equation.cell for equation in equations), (steps,))
    items = [item.entered(steps.index) for item in _items_of(graph, equations, loops, whole)]
    return tuple(_level([replace(item, body=part.at(item.body)) for item in items], graph, whole))


def within(graph: Graph, equation: Equation, outer: Sequence[Idx], whole: Idx) -> tuple[Statement, ...]:
    """The statements of one equation inside loops over some of its target's indices."""
    order = _loop_order(graph, equation, whole)
    remaining = tuple(i for i in order if i not in outer)
    return tuple(
        _level(
            [_Item(equation, equation.target, equation.body, remaining, equation.reduced, integers=graph.whole)],
            graph,
            whole,
        )
    )


def is_local(target: Expr, remaining: Sequence[Idx]) -> bool:
    """Whether a sum is accumulated in a local: none of the loops to come runs along the target."""
    return not any(i in remaining for i in indices(target))


@dataclass
class _Item:
    """One equation under way: target and body with the indices of the loops it has joined, and the loops to come."""

    equation: Equation
    target: Expr
    body: Expr
    remaining: tuple[Idx, ...]
    reduced: tuple[Idx, ...]
    """The indices it sums over, under their present names."""
    sources: Mapping[str, frozenset[Cell]] = field(default_factory=dict)
    """The vertices that it reads, by their variables."""
    reducing: bool = False
    scans: tuple[Steps, ...] = ()
    """The loops over the steps of the scans that it is in, from the outside in."""
    integers: Limits = field(default_factory=dict)
    """What the integers of inputs are below."""
    columns: tuple[int, ...] = ()
    """For what eliminates: the axes of right sides, which no loops are over."""
    range: tuple[Affine, ...] = ()
    """For a sum over the steps of a scan that it is not in: what is at least 0 where it has terms."""

    @property
    def waits(self) -> Steps | None:
        """The next loop over the steps of what it is in, if there is one still to come."""
        return next((steps for steps in self.scans if steps.index in self.remaining), None)

    def entered(self, index: Idx) -> _Item:
        """Inside the loop over an index."""
        return replace(self, remaining=tuple(i for i in self.remaining if i != index))

    def forms(self, steps: Steps) -> tuple[Affine, ...]:
        """What is at least 0 at the steps at which it has a value."""
        return steps.forms.get(self.equation.cell, self.range)

    def over_steps(self, steps: Steps) -> _Item | None:
        """A sum over what the steps of a scan compute as one that each step adds to; None where it cannot be."""
        if not self.equation.is_sum or self.scans:
            return None
        for index in self.reduced:
            shift = steps.shift_of(self.body, index) if index in self.remaining else None
            form = None if shift is None else steps.range_of(index, shift)
            if shift is not None and form is not None:
                moved = self.renamed(index, steps.index)
                return replace(
                    moved,
                    body=reindex(moved.body, {steps.index: steps.index + shift}),
                    remaining=(steps.index, *moved.entered(steps.index).remaining),
                    range=form,
                )
        return None

    @property
    def reads(self) -> Iterator[tuple[Expr, Cell]]:
        """What has to be computed before it, by its references: inside its scan not what other steps compute."""
        passed = [steps for steps in self.scans if steps.index not in self.remaining]
        for reference in references(self.body):
            if not any(steps.is_other_step(reference) for steps in passed):
                yield from ((reference, cell) for cell in self.sources.get(base_name(reference), ()))

    def terms(self) -> tuple[_Item, ...]:
        """The terms that are added to elements which the data say, each by itself; anything else as it is."""
        terms = Add.make_args(self.body)
        if len(terms) == 1 or not self.reducing or not self.remaining:
            return (self,)
        apart = is_told(self.body, self.remaining[0], self.integers)
        return tuple(replace(self, body=term) for term in terms) if apart else (self,)

    def selection(self) -> Selection | None:
        """The one value of the next loop's index at which it adds anything, if the loops around say which."""
        if not self.equation.is_sum or not self.remaining:
            return None
        index = self.remaining[0]
        found = selected(self.body, index) if index in self.reduced else None
        if found is None and (self.reducing or index in self.reduced):
            found = lookup(self.body, index, self.integers)
        return found if found is not None and not set(indices(found.value)) & set(self.remaining) else None

    def renamed(self, old: Idx, new: Idx) -> _Item:
        """Run over ``new`` where it ran over ``old``; another index that is called so steps aside."""
        if old == new:
            return self
        renaming = {old: new}
        names = {i.name for i in (*self.remaining, *indices(self.body), *indices(self.target))}
        if new in self.remaining or (isinstance(self.body, Elimination) and new in indices(self.body)):
            renaming[new] = fresh_index(new, names | {new.name})
        return replace(
            self,
            target=reindex(self.target, renaming),
            body=reindex(self.body, renaming),
            remaining=tuple(renaming.get(i, i) for i in self.remaining),
            reduced=tuple(renaming.get(i, i) for i in self.reduced),
        )


@dataclass
class _Cluster:
    index: Idx | None
    only: Expr | None
    steps: Steps | None = None
    items: list[_Item] = field(default_factory=list)


def _items(graph: Graph, unit: Sequence[Equation], whole: Idx | None) -> Iterator[_Item]:
    return _items_of(graph, unit, steps_of_scan(graph, unit), whole)


def _items_of(
    graph: Graph, unit: Sequence[Equation], loops: Mapping[Cell, tuple[Steps, ...]], whole: Idx | None
) -> Iterator[_Item]:
    for equation in unit:
        scans = loops.get(equation.cell, ())
        form = scans[-1].equations[equation.cell] if scans else equation
        order, read = _loop_order(graph, form, whole), sources(graph, equation)
        # A sum that the steps add to has been begun before them.
        begun = bool(scans) and scans[-1].index in form.reduced
        item = _Item(equation, form.target, form.body, order, form.reduced, read, begun, scans, integers=graph.whole)
        yield replace(item, reduced=(), columns=_columns(form, order)) if form.eliminates else item


def _columns(equation: Equation, order: Sequence[Idx]) -> tuple[int, ...]:
    """The axes of what eliminates that are neither gone through by loops nor those of the matrix."""
    apart = (*order, *equation.elimination.own)
    return tuple(axis for axis, i in enumerate(subscripts(equation.target)) if isinstance(i, Idx) and i not in apart)


def _loop_order(graph: Graph, equation: Equation, whole: Idx | None) -> tuple[Idx, ...]:
    """Samples outside, then the target's indices as they stand, then the reduced ones, then single values.

    Samples are what the index that stays ``whole`` runs over; without one they are all symbolic extents.
    Inside of them all is what the data say; where they say which element is added to, the sum is outside. So it is
    where nothing else is, and matrices have their rows along it: each is added to the target as a whole.
    """
    if equation.eliminates:
        # Right sides are gone through at once, but for those of samples, of which there are some at a time.
        own = [i for i in equation.free if whole is not None and extent(i) == extent(whole)]
        batch = [i for i in equation.free if i in equation.elimination.batch and i not in own]
        return (*own, *sorted(batch, key=lambda i: not is_sample(i)))
    said = [i for i in equation.domain if equation.is_sum and is_told(equation.body, i, graph.whole)]
    apart = whole is None and equation.cell not in graph.scans and _adds_rows(equation)
    outside = equation.reduced if apart or set(said) & set(equation.free) else ()
    domain = [*(i for i in equation.domain if i not in said), *said]
    samples = [i for i in domain if (is_sample(i) if whole is None else extent(i) == extent(whole))]
    order = sorted(domain, key=lambda i: (i in said, i not in samples, i not in outside, extent(i) == 1))
    return tuple(dict.fromkeys(order))


def _adds_rows(equation: Equation) -> bool:
    """Whether a sum is of long rows of matrices, as in Σ_i P[i, j]·g[i]."""
    if not equation.is_sum or len(equation.reduced) != 1 or not equation.free:
        return False
    (row,), column = equation.reduced, subscripts(equation.target)[-1]
    read = [subscripts(reference) for reference in references(equation.body)]
    matrices = [key for key in read if row in key and column in key]
    along = all(key[-1] == column for key in matrices)
    return bool(matrices) and along and size(equation.domain, UNKNOWN_EXTENT) >= MANY


def _level(items: Sequence[_Item], graph: Graph, whole: Idx | None) -> Iterator[Statement]:
    for cluster in _clusters([part for item in items for part in item.terms()]):
        if cluster.index is None:
            for item in cluster.items:
                yield _step(item)
            continue
        inner = []
        for item in cluster.items:
            reducing = cluster.index in item.reduced
            if reducing and not item.reducing:
                yield Fill(item.equation, item.target, tuple(i for i in indices(item.target) if i in item.remaining))
            chosen = None if cluster.only is None else item.selection()  # a step of a scan is for others too
            body = item.body if chosen is None else chosen.body
            inner.append(replace(item.entered(cluster.index), body=body, reducing=item.reducing or reducing))
        if cluster.only is not None:
            yield Loop(cluster.index, tuple(_level(inner, graph, whole)), One(cluster.only))
        else:
            yield from _parts(graph, cluster.index, inner, whole, cluster.steps)
        for item in cluster.items:
            finished = cluster.index in item.reduced and not item.reducing
            stored = item.equation.name in graph.outputs and bool(subscripts(item.target))
            if finished and stored and is_local(item.target, item.remaining):
                yield Store(item.equation, item.target)


def _step(item: _Item) -> Statement:
    """What is done with one equation inside all its loops."""
    if isinstance(item.body, Elimination):
        return Routine(item.equation, item.target, item.body, tuple(subscripts(item.target)[a] for a in item.columns))
    return (Accumulate if item.equation.reduction else Set)(item.equation, item.target, item.body)


def _parts(graph: Graph, index: Idx, items: Sequence[_Item], whole: Idx | None, steps: Steps | None) -> Iterator[Loop]:
    """The loop over an index, cut where conditions on it change; sums are left out where they add nothing."""
    bodies = [(item.body, item.equation.is_sum and index in item.reduced) for item in items]
    # Bounds that differ from sample to sample would differ from lane to lane.
    inside = {other for item in items for other in (*item.remaining, whole) if other is not None}
    ranges = [] if steps is None else [form for item in items for form in item.forms(steps)]
    found = (Part(index),) if index == whole else parts(index, bodies, inside, ranges)
    mode = SERIAL if steps is None else Scan(steps.step)
    begun = False
    for part in found if steps is None or steps.step > 0 else found[::-1]:
        inner = [replace(item, body=part.at(item.body)) for item in items] if part.forms else items
        inner = [item for item in inner if not _adds_nothing(item)]
        if steps is not None:
            inner = [item for item in inner if all(map(part.says, item.forms(steps)))]
        if inner:
            yield Loop(index, tuple(_level(inner, graph, whole)), mode, part.start, part.stop, begun)
            begun = True


def _adds_nothing(item: _Item) -> bool:
    return item.body == 0 and item.equation.is_sum and item.reducing


def _clusters(items: Sequence[_Item]) -> list[_Cluster]:
    clusters: list[_Cluster] = []
    place: dict[object, tuple[int, _Item]] = {}
    for unit in _scalars_first(_units(items)):
        steps = unit[0].waits
        if steps is not None and not all(_is_apart(unit)):
            unit = [replace(item, remaining=(steps.index, *item.entered(steps.index).remaining)) for item in unit]
        head = unit[0].remaining[0] if unit[0].remaining else None
        lowest = 0
        for item in unit:
            own = item.remaining[0] if item.remaining else None
            for reference, cell in item.reads:
                if cell in place:
                    number, producer = place[cell]
                    fits = _fusable(producer, clusters[number].index, reference, own)
                    lowest = max(lowest, number if fits else number + 1)
        if (found := _at_steps(unit[0], clusters, place)) is not None:
            number, item = found
            clusters[number].items.append(item)
            place[item.equation.cell] = (number, item)
            continue
        chosen = unit[0].selection()
        only = None if chosen is None else chosen.value
        alone = steps is not None and head == steps.index
        # The index of a scan keeps its name: its steps are known by it.
        ahead = {passed.index for item in unit for passed in item.scans if passed.index in item.remaining} - {head}
        numbers = () if alone else [n for n in range(lowest, len(clusters)) if clusters[n].index not in ahead]
        number = next((n for n in numbers if _matches(clusters[n], head, only)), len(clusters))
        if number == len(clusters):
            clusters.append(_Cluster(head, only, steps if alone else None))
        index = clusters[number].index
        for item in unit:
            if index is not None:
                item = item.renamed(item.remaining[0], index)
            clusters[number].items.append(item)
            place[item.equation.cell] = (number, item)
    return clusters


def _at_steps(
    item: _Item, clusters: Sequence[_Cluster], place: Mapping[object, tuple[int, _Item]]
) -> tuple[int, _Item] | None:
    """The scan whose steps can add to a sum, and the sum in its terms; what else it reads is computed before."""
    for number, cluster in enumerate(clusters):
        if cluster.steps is None or (moved := item.over_steps(cluster.steps)) is None:
            continue
        others = (place[cell][0] for _, cell in item.reads if cell in place and cell not in cluster.steps.equations)
        if all(other < number for other in others):
            return number, moved
    return None


def _units(items: Sequence[_Item]) -> list[list[_Item]]:
    """The items, those of a scan whose steps are still to come together."""
    found: dict[int, list[_Item]] = {}
    for item in items:
        found.setdefault(id(item.waits) if item.waits else id(item), []).append(item)
    return list(found.values())


def _is_apart(unit: Sequence[_Item]) -> Iterator[bool]:
    """Whether each value of the next index of what is in a scan is independent of the others."""
    heads = {item.equation.name: item.remaining[0] for item in unit}
    for item in unit:
        head = item.remaining[0]
        yield not any(head == steps.index for steps in item.scans) and head in subscripts(item.target)
        yield extent(head) == extent(unit[0].remaining[0])
        for reference in references(item.body):
            for producer in unit:
                if producer.equation.name == base_name(reference):
                    pairs = zip(subscripts(producer.target), subscripts(reference))
                    yield any(written == heads[producer.equation.name] and read == head for written, read in pairs)


def _scalars_first(units: Sequence[list[_Item]]) -> Iterator[list[_Item]]:
    """The items in an order that respects what they read, those without a loop as early as they can be."""
    position = {item.equation.cell: n for n, unit in enumerate(units) for item in unit}
    waiting: list[int] = []
    readers: dict[int, list[int]] = {}
    ready: list[tuple[bool, int]] = []
    for n, unit in enumerate(units):
        needs = {position[cell] for item in unit for _, cell in item.reads if cell in position} - {n}
        waiting.append(len(needs))
        for needed in needs:
            readers.setdefault(needed, []).append(n)
        if not needs:
            ready.append((bool(unit[0].remaining), n))
    heapify(ready)
    while ready:
        _, n = heappop(ready)
        yield units[n]
        for reader in readers.get(n, ()):
            waiting[reader] -= 1
            if not waiting[reader]:
                heappush(ready, (bool(units[reader][0].remaining), reader))
    assert not any(waiting), "equations that read each other at one step"


def _matches(cluster: _Cluster, head: Idx | None, only: Expr | None) -> bool:
    if cluster.index is None or head is None:
        return cluster.index is head
    return cluster.steps is None and extent(cluster.index) == extent(head) and cluster.only == only


def _fusable(producer: _Item, index: Idx | None, reference: Expr, head: Idx | None) -> bool:
    """Whether what the producer stores in one pass of its loop is what a pass of the reader's loop reads."""
    if index is None:
        return head is None
    if index in producer.reduced:
        return False
    return any(
        written == index and read == head for written, read in zip(subscripts(producer.target), subscripts(reference))
    )
