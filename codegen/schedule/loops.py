"""Fuse equations into loop nests: what can run in one pass over an index does, and short-lived values stay local."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from heapq import heapify, heappop, heappush

from sympy import Expr, Idx

from codegen.ir.graph import Equation, Graph
from codegen.ir.selection import Selection, selected
from codegen.schedule.cut import Part, parts
from codegen.schedule.program import SERIAL, Accumulate, Fill, Loop, One, Set, Statement, Store
from codegen.walk import extent, fresh_index, indices, is_sample, references, reindex, subscripts


def nest(graph: Graph, equations: Sequence[Equation], whole: Idx | None = None) -> tuple[Statement, ...]:
    """The statements that compute these equations, given in an order in which they can be evaluated.

    An equation joins the first loop over the same range that it can: it must not read, at another value of the loop's
    index, what that loop computes, nor a reduction that the loop has not finished. The sample index is outermost. Loops
    are cut where conditions on their index change, but for those over the index that stays ``whole``.
    """
    return tuple(_level(graph, [_Item(e, e.target, e.body, _loop_order(e), e.reduced) for e in equations], whole))


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
        return _Item(
            self.equation,
            reindex(self.target, renaming),
            reindex(self.body, renaming),
            tuple(renaming.get(i, i) for i in self.remaining),
            tuple(renaming.get(i, i) for i in self.reduced),
            self.reducing,
        )


@dataclass
class _Cluster:
    index: Idx | None
    only: Expr | None
    items: list[_Item] = field(default_factory=list)


def _loop_order(equation: Equation) -> tuple[Idx, ...]:
    """Symbolic extents outside, then the target's indices as they stand, then the reduced ones, then single values."""
    return tuple(sorted(equation.domain, key=lambda i: (not is_sample(i), extent(i) == 1)))


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
            rest = tuple(i for i in item.remaining if i != cluster.index)
            chosen = item.selection()
            body = item.body if chosen is None else chosen.body
            inner.append(replace(item, body=body, remaining=rest, reducing=item.reducing or reducing))
        if cluster.only is not None:
            yield Loop(cluster.index, tuple(_level(graph, inner, whole)), One(cluster.only))
        else:
            yield from _parts(graph, cluster.index, inner, whole)
        for item in cluster.items:
            finished = cluster.index in item.reduced and not item.reducing
            stored = item.equation.name in graph.outputs and bool(subscripts(item.target))
            if finished and stored and is_local(item.target, item.remaining):
                yield Store(item.equation, item.target)


def _parts(graph: Graph, index: Idx, items: Sequence[_Item], whole: Idx | None) -> Iterator[Loop]:
    """The loop over an index, cut where conditions on it change; sums are left out where they add nothing."""
    bodies = [(item.body, item.equation.is_sum and index in item.reduced) for item in items]
    # Bounds that differ from sample to sample would differ from lane to lane.
    inside = {other for item in items for other in (*item.remaining, whole) if other is not None}
    begun = False
    for part in (Part(index),) if index == whole else parts(index, bodies, inside):
        inner = [replace(item, body=part.at(item.body)) for item in items] if part.forms else items
        inner = [item for item in inner if item.body != 0 or not item.equation.is_sum or not item.reducing]
        if inner:
            yield Loop(index, tuple(_level(graph, inner, whole)), SERIAL, part.start, part.stop, begun)
            begun = True


def _clusters(graph: Graph, items: Sequence[_Item]) -> list[_Cluster]:
    clusters: list[_Cluster] = []
    place: dict[object, tuple[int, _Item]] = {}
    for item in _scalars_first(graph, items):
        head = item.remaining[0] if item.remaining else None
        lowest = 0
        for reference in _reads(item):
            for cell in graph.resolve(reference):
                if cell in place:
                    number, producer = place[cell]
                    fits = _fusable(producer, clusters[number].index, reference, head)
                    lowest = max(lowest, number if fits else number + 1)
        chosen = item.selection()
        only = None if chosen is None else chosen.value
        numbers = range(lowest, len(clusters))
        number = next((n for n in numbers if _matches(clusters[n], head, only)), len(clusters))
        if number == len(clusters):
            clusters.append(_Cluster(head, only))
        index = clusters[number].index
        if head is not None and index is not None:
            item = item.renamed(head, index)
        clusters[number].items.append(item)
        place[item.equation.cell] = (number, item)
    return clusters


def _reads(item: _Item) -> tuple[Expr, ...]:
    return references(item.body)


def _scalars_first(graph: Graph, items: Sequence[_Item]) -> Iterator[_Item]:
    """The items in an order that respects what they read, those without a loop as early as they can be."""
    position = {item.equation.cell: n for n, item in enumerate(items)}
    waiting: list[int] = []
    readers: dict[int, list[int]] = {}
    ready: list[tuple[bool, int]] = []
    for n, item in enumerate(items):
        needs = {position[c] for r in _reads(item) for c in graph.resolve(r) if c in position}
        waiting.append(len(needs))
        for needed in needs:
            readers.setdefault(needed, []).append(n)
        if not needs:
            ready.append((bool(item.remaining), n))
    heapify(ready)
    while ready:
        _, n = heappop(ready)
        yield items[n]
        for reader in readers.get(n, ()):
            waiting[reader] -= 1
            if not waiting[reader]:
                heappush(ready, (bool(items[reader].remaining), reader))


def _matches(cluster: _Cluster, head: Idx | None, only: Expr | None) -> bool:
    if cluster.index is None or head is None:
        return cluster.index is head
    return extent(cluster.index) == extent(head) and cluster.only == only


def _fusable(producer: _Item, index: Idx | None, reference: Expr, head: Idx | None) -> bool:
    """Whether what the producer stores in one pass of its loop is what a pass of the reader's loop reads."""
    if index is None:
        return head is None
    if index in producer.reduced:
        return False
    return any(
        written == index and read == head for written, read in zip(subscripts(producer.target), subscripts(reference))
    )
