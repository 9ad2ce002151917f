"""Fuse equations into loop nests: what can run in one pass over an index does, and short-lived values stay local."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush

from sympy import Expr, Idx

from codegen.ir.affine import Affine
from codegen.ir.graph import Equation, Graph
from codegen.ir.selection import Selection, selected
from codegen.schedule import scan
from codegen.schedule.cut import Part, parts
from codegen.schedule.program import SERIAL, Accumulate, Fill, Loop, Mode, One, Scan, Set, Statement, Store
from codegen.walk import base_name, extent, fresh_index, indices, is_sample, references, reindex, subscripts


def nest(graph: Graph, equations: Sequence[Equation], whole: Idx | None = None) -> tuple[Statement, ...]:
    """The statements that compute these equations, given in an order in which they can be evaluated.

    An equation joins the first loop over the same range that it can: it must not read, at another value of the loop's
    index, what that loop computes, nor a reduction that the loop has not finished. The sample index is outermost. Loops
    are cut where conditions on their index change, but for those over the index that stays ``whole``. Equations that
    depend on each other share a loop over the steps of their scan, outside of all loops in which they are not
    independent.
    """
    found = [item for unit in scan.units(graph, equations) for item in _items(graph, unit)]
    return tuple(_level(graph, found, whole))


def steps(graph: Graph, found: scan.Scan, whole: Idx | None = None) -> tuple[Statement, ...]:
    """The statements for one step of a scan."""
    items = [_member(member, found) for member in found.members]
    return tuple(_level(graph, [item.entered(found.index) for item in items], whole))


def within(graph: Graph, equation: Equation, outer: Sequence[Idx], whole: Idx) -> tuple[Statement, ...]:
    """The statements of one equation inside loops over some of its target's indices."""
    order = _loop_order([*indices(equation.target), *equation.reduced])
    item = _Item(equation, equation.target, equation.body, tuple(i for i in order if i not in outer), equation.reduced)
    return tuple(_level(graph, [item], whole))


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
    reducing: bool = False
    scan: scan.Scan | None = None
    forms: tuple[Affine, ...] = ()
    """What is at least 0 at the steps of the scan at which it has a value."""

    @property
    def waits(self) -> bool:
        """Whether it is one of several that depend on each other, and the loop over their steps is still to come."""
        return self.scan is not None and self.scan.index in self.remaining

    def entered(self, index: Idx) -> _Item:
        """Inside the loop over an index."""
        return replace(self, remaining=tuple(i for i in self.remaining if i != index))

    @property
    def reads(self) -> tuple[Expr, ...]:
        """What has to be computed before it: inside its scan not what other steps compute."""
        found = references(self.body)
        if self.scan is None or self.waits:
            return found
        return tuple(r for r in found if not self.scan.is_other_step(r))

    def selection(self) -> Selection | None:
        """The one value of the next loop's index at which it adds anything, if the loops around say which."""
        if not self.equation.is_sum or not self.remaining or self.remaining[0] not in self.reduced:
            return None
        found = selected(self.body, self.remaining[0])
        return found if found is not None and not set(indices(found.value)) & set(self.remaining) else None

    def renamed(self, old: Idx, new: Idx) -> _Item:
        """Run over ``new`` where it ran over ``old``; another index that is called so steps aside."""
        if old == new:
            return self
        renaming = {old: new}
        names = {i.name for i in (*self.remaining, *indices(self.body), *indices(self.target))}
        if new in self.remaining:
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
    scan: scan.Scan | None = None
    items: list[_Item] = field(default_factory=list)


def _items(graph: Graph, unit: Sequence[Equation]) -> list[_Item]:
    found = scan.scan_of(graph, unit)
    if found is not None:
        return [_member(member, found) for member in found.members]
    return [_Item(e, e.target, e.body, _loop_order(e.domain), e.reduced) for e in unit]


def _member(member: scan.Member, found: scan.Scan) -> _Item:
    reduced = member.equation.reduced
    order = _loop_order((*indices(member.target), *reduced))
    return _Item(member.equation, member.target, member.body, order, reduced, False, found, member.forms)


def _loop_order(domain: Sequence[Idx]) -> tuple[Idx, ...]:
    """Symbolic extents outside, then the target's indices as they stand, then the reduced ones, then single values."""
    return tuple(sorted(domain, key=lambda i: (not is_sample(i), extent(i) == 1)))


def _level(graph: Graph, items: Sequence[_Item], whole: Idx | None) -> Iterator[Statement]:
    for cluster in _clusters(graph, items):
        if cluster.index is None:
            for item in cluster.items:
                yield (Accumulate if item.equation.reduction else Set)(item.equation, item.target, item.body)
            continue
        inner = []
        for item in cluster.items:
            reducing = cluster.index in item.reduced
            if reducing and not item.reducing:
                yield Fill(item.equation, item.target, tuple(i for i in item.remaining if i in indices(item.target)))
            chosen = item.selection()
            body = item.body if chosen is None else chosen.body
            inner.append(replace(item.entered(cluster.index), body=body, reducing=item.reducing or reducing))
        if cluster.only is not None:
            yield Loop(cluster.index, tuple(_level(graph, inner, whole)), One(cluster.only))
        else:
            mode = SERIAL if cluster.scan is None else Scan(cluster.scan.step)
            yield from _parts(graph, cluster.index, inner, whole, mode)
        for item in cluster.items:
            finished = cluster.index in item.reduced and not item.reducing
            stored = item.equation.name in graph.outputs and bool(subscripts(item.target))
            if finished and stored and is_local(item.target, item.remaining):
                yield Store(item.equation, item.target)


def _parts(graph: Graph, index: Idx, items: Sequence[_Item], whole: Idx | None, mode: Mode) -> Iterator[Loop]:
    """The loop over an index, cut where conditions on it change; sums are left out where they add nothing."""
    bodies = [(item.body, item.equation.is_sum and index in item.reduced) for item in items]
    # Bounds that differ from sample to sample would differ from lane to lane.
    inside = {other for item in items for other in (*item.remaining, whole) if other is not None}
    ranges = [form for item in items for form in item.forms] if isinstance(mode, Scan) else []
    found = (Part(index),) if index == whole else parts(index, bodies, inside, ranges)
    begun = False
    for part in found if not isinstance(mode, Scan) or mode.step > 0 else found[::-1]:
        inner = [replace(item, body=part.at(item.body)) for item in items] if part.forms else items
        inner = [item for item in inner if not _adds_nothing(item)]
        if isinstance(mode, Scan):
            inner = [item for item in inner if all(map(part.says, item.forms))]
        if inner:
            yield Loop(index, tuple(_level(graph, inner, whole)), mode, part.start, part.stop, begun)
            begun = True


def _adds_nothing(item: _Item) -> bool:
    return item.body == 0 and item.equation.is_sum and item.reducing


def _clusters(graph: Graph, items: Sequence[_Item]) -> list[_Cluster]:
    clusters: list[_Cluster] = []
    place: dict[object, tuple[int, _Item]] = {}
    for unit in _scalars_first(graph, _units(items)):
        together = unit[0].scan if unit[0].waits else None
        if together is not None and not all(_is_apart(unit)):
            unit = [replace(item, remaining=(together.index, *item.entered(together.index).remaining)) for item in unit]
        lowest = 0
        for item in unit:
            head = item.remaining[0] if item.remaining else None
            for reference in item.reads:
                for cell in graph.resolve(reference):
                    if cell in place:
                        number, producer = place[cell]
                        fits = _fusable(producer, clusters[number].index, reference, head)
                        lowest = max(lowest, number if fits else number + 1)
        head = unit[0].remaining[0] if unit[0].remaining else None
        at_steps = together if together is not None and head == together.index else None
        chosen = unit[0].selection()
        only = None if chosen is None else chosen.value
        numbers = range(lowest, len(clusters)) if at_steps is None else ()
        number = next((n for n in numbers if _matches(clusters[n], head, only)), len(clusters))
        if number == len(clusters):
            clusters.append(_Cluster(head, only, at_steps))
        index = clusters[number].index
        for item in unit:
            if index is not None:
                item = item.renamed(item.remaining[0], index)
            clusters[number].items.append(item)
            place[item.equation.cell] = (number, item)
    return clusters


def _units(items: Sequence[_Item]) -> list[list[_Item]]:
    """The items, those of a scan whose steps are still to come together."""
    found: dict[int, list[_Item]] = {}
    for item in items:
        found.setdefault(id(item.scan) if item.waits else id(item), []).append(item)
    return list(found.values())


def _is_apart(unit: Sequence[_Item]) -> Iterator[bool]:
    """Whether each value of the next index of a scan's members is independent of the others."""
    heads = {item.equation.name: item.remaining[0] for item in unit}
    for item in unit:
        head = item.remaining[0]
        yield item.scan is not None and head != item.scan.index and head in subscripts(item.target)
        yield extent(head) == extent(unit[0].remaining[0])
        for reference in references(item.body):
            for producer in unit:
                if producer.equation.name == base_name(reference):
                    pairs = zip(subscripts(producer.target), subscripts(reference))
                    yield any(written == heads[producer.equation.name] and read == head for written, read in pairs)


def _scalars_first(graph: Graph, units: Sequence[list[_Item]]) -> Iterator[list[_Item]]:
    """The items in an order that respects what they read, those without a loop as early as they can be."""
    position = {item.equation.cell: n for n, unit in enumerate(units) for item in unit}
    waiting: list[int] = []
    readers: dict[int, list[int]] = {}
    ready: list[tuple[bool, int]] = []
    for n, unit in enumerate(units):
        needs = {position[c] for item in unit for r in item.reads for c in graph.resolve(r) if c in position} - {n}
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


def _matches(cluster: _Cluster, head: Idx | None, only: Expr | None) -> bool:
    if cluster.index is None or head is None:
        return cluster.index is head
    return cluster.scan is None and extent(cluster.index) == extent(head) and cluster.only == only


def _fusable(producer: _Item, index: Idx | None, reference: Expr, head: Idx | None) -> bool:
    """Whether what the producer stores in one pass of its loop is what a pass of the reader's loop reads."""
    if index is None:
        return head is None
    if index in producer.reduced:
        return False
    return any(
        written == index and read == head for written, read in zip(subscripts(producer.target), subscripts(reference))
    )
