"""Decide where each vertex lives: a local where loops let it be one, a shared work array where they do not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from sympy import Expr, Idx, expand

from codegen.ir.graph import Graph, cell_of
from codegen.schedule.program import (
    Loop,
    Place,
    Samples,
    Scan,
    Set,
    Statement,
    Storage,
    StorageKey,
    Store,
    Use,
    uses,
    walk,
)
from codegen.walk import Extent, base_name, extent, indices, subscripts

Loops: TypeAlias = tuple[tuple[int, Idx, int], ...]
"""The loops around a statement: where each begins in the text, its index, and its step if it is a scan, else 0."""


@dataclass(frozen=True)
class _Access:
    """One read or write: in which loops, in which step, whether inside the pass over the samples.

    A step is a statement at the top level or at that of the samples; ``order`` is the rank in the text. ``parts`` are
    where the parts of the loops begin that it is in.
    """

    loops: Loops
    parts: tuple[int, ...]
    statement: int
    order: int
    reference: Expr
    inside: bool


@dataclass
class _Life:
    writes: list[_Access] = field(default_factory=list)
    reads: list[_Access] = field(default_factory=list)
    accumulated: bool = False

    @property
    def first(self) -> int:
        return min(a.statement for a in self.writes)

    @property
    def last(self) -> int:
        return max(a.statement for a in (*self.writes, *self.reads))

    @property
    def private(self) -> bool:
        """Whether only the pass over the samples knows it, so that each such pass can have its own."""
        return all(a.inside for a in (*self.writes, *self.reads))


def allocate(
    graph: Graph, statements: Sequence[Statement]
) -> tuple[dict[StorageKey, Storage], tuple[tuple[Extent, ...], ...], int]:
    """The storage of every vertex, the shapes of the work arrays, and the number of locals.

    The axes along which a vertex is written and read within one pass of the same loop need no storage. What is left of
    it is a scalar, or a work array, which it shares with vertices of the same shape that are dead by then, or that
    its own equation reads element by element for the last time.
    """
    split = _split(graph)
    lives = _lives(graph, statements, split)
    storage: dict[StorageKey, Storage] = {}
    for number, variable in enumerate(graph.inputs):
        storage[variable.name, ()] = Storage(Place.INPUT, number, tuple(range(len(variable.shape))), variable.shape)
    arrays = [name for name in graph.outputs if graph.variable(name).shape]
    for number, name in enumerate(arrays):
        shape = graph.variable(name).shape
        storage[name, ()] = Storage(Place.OUTPUT, number, tuple(range(len(shape))), shape)
    locals_ = 0
    kept: list[tuple[StorageKey, Place, tuple[int, ...], tuple[Extent, ...]]] = []
    for key, life in lives.items():
        if key in storage:
            continue
        axes = _axes(graph, key, life)
        shape = tuple(graph.variable(key[0]).shape[a] for a in axes)
        if shape:
            kept.append((key, *_work(axes, shape, life, statements)))
        else:
            storage[key] = Storage(Place.LOCAL, locals_, (), ())
            locals_ += 1
    work: list[tuple[Place, tuple[Extent, ...]]] = []
    owner: list[StorageKey] = []
    for key, place, axes, shape in sorted(kept, key=lambda k: lives[k[0]].first):
        number = next(
            (n for n, old in enumerate(owner) if work[n] == (place, shape) and _dead(lives[old], lives[key])),
            len(work),
        )
        if number == len(work):
            work.append((place, shape))
            owner.append(key)
        owner[number] = key
        storage[key] = Storage(place, number, axes, shape)
    return storage, tuple(shape for _, shape in work), locals_


def shared(
    graph: Graph,
    statements: Sequence[Statement],
    storage: Mapping[StorageKey, Storage],
    vectors: Collection[StorageKey],
) -> tuple[dict[StorageKey, Storage], tuple[tuple[Extent, ...], ...]]:
    """The storage of what statements name, and the shapes of the work arrays, which are numbered anew.

    Two have one if their shapes are the same, one is dead in every statement that knows the other, and the elements of
    both are ``vectors`` or numbers.
    """
    lives = _lives(graph, statements, _split(graph))
    found = {key: where for key, where in storage.items() if where.place not in (Place.WORK, Place.TILE)}
    kept = [key for key in lives if key not in found]
    work: list[tuple[Place, tuple[Extent, ...], bool]] = []
    last: list[int] = []
    for key in sorted(kept, key=lambda key: lives[key].first):
        kind = (storage[key].place, storage[key].shape, key in vectors)
        free = (n for n, end in enumerate(last) if work[n] == kind and end < lives[key].first)
        number = next(free, len(work))
        if number == len(work):
            work.append(kind)
            last.append(0)
        last[number] = lives[key].last
        found[key] = replace(storage[key], number=number)
    return found, tuple(shape for _, shape, _ in work)


def _work(
    axes: tuple[int, ...], shape: tuple[Extent, ...], life: _Life, statements: Sequence[Statement]
) -> tuple[Place, tuple[int, ...], tuple[Extent, ...]]:
    """A tile, if only the pass over the samples knows the array and a tile bounds it; else a work array."""
    samples = next((s for s in statements if isinstance(s, Samples)), None)
    across = None if samples is None else extent(samples.index)
    tile = None if samples is None else samples.tile
    if not life.private or not (tile or across not in shape):
        return Place.WORK, axes, shape
    return Place.TILE, axes, tuple(tile if tile and n == across else n for n in shape)


def _split(graph: Graph) -> frozenset[str]:
    """Variables assigned element by element and only read so: each element is stored singly."""
    candidates = {e.name for e in graph.equations if any(i is not None for i in e.cell.pattern)}
    for equation in graph.equations:
        for reference in equation.references:
            if base_name(reference) in candidates and graph.resolve(reference) != (cell_of(reference),):
                candidates.discard(base_name(reference))
    return frozenset(candidates)


def _lives(graph: Graph, statements: Sequence[Statement], split: frozenset[str]) -> Mapping[StorageKey, _Life]:
    lives: dict[StorageKey, _Life] = defaultdict(_Life)
    outputs = set(graph.outputs)
    stored = {cell_of(s.target) for s, _ in walk(statements) if isinstance(s, Store)}

    def key_of(reference: Expr) -> StorageKey:
        name, pattern = cell_of(reference)
        single = (name in split and name not in outputs) or (name, pattern) in stored
        return (name, pattern) if single else (name, ())

    order = step = 0

    parts: list[int] = []

    def note(statement: Statement, loops: Loops, inside: bool) -> None:
        for reference, use in uses(statement):
            life = lives[key_of(reference)]
            known = life.writes if use is Use.WRITE else life.reads
            known.append(_Access(loops, tuple(parts), step, order, reference, inside))

    def visit(block: Sequence[Statement], loops: Loops, inside: bool, top: bool) -> None:
        nonlocal order, step
        last = 0
        for statement in block:
            order += 1
            step += top
            match statement:
                case Loop():
                    # What a further part of a range reads, it has written before, as the first part has.
                    first = last if statement.follows else order
                    note(statement, loops, inside)
                    pace = statement.mode.step if isinstance(statement.mode, Scan) else 0
                    parts.append(order)
                    visit(statement.body, (*loops, (first, statement.index, pace)), inside, False)
                    parts.pop()
                    last = first
                case Samples():
                    visit((*statement.fills, *statement.body, *statement.stores), (), True, True)
                case _:
                    note(statement, loops, inside)
                    lives[key_of(statement.target)].accumulated |= not isinstance(statement, Set)

    visit(statements, (), False, True)
    for name in outputs:
        if not graph.variable(name).shape and (name, ()) in lives:
            # A scalar result is read once more, on return.
            lives[name, ()].reads.append(_Access((), (), step + 1, order + 1, graph.variable(name).symbol, False))
    return lives


def _axes(graph: Graph, key: StorageKey, life: _Life) -> tuple[int, ...]:
    """The axes that need storage: not those fixed by the pattern, nor those of a loop that holds every access.

    Neither that of a scan each of whose steps reads what it has written itself, or, before that, the step before it.
    """
    accesses = [*life.writes, *life.reads]
    shared = accesses[0].loops
    for access in accesses:
        shared = tuple(a for a, b in zip(shared, access.loops) if a == b)
    rank = len(graph.variable(key[0]).shape)
    places = [{subscripts(access.reference)[axis] for access in accesses} for axis in range(rank)]
    # What another pass of a loop reads is there for all passes of the loops inside of that.
    apart = [axis for axis in range(rank) if len(places[axis]) > 1]
    across = {i for write in life.writes for axis in apart for i in indices(subscripts(write.reference)[axis])}
    last = next((depth for depth, (_, index, _) in enumerate(shared) if index in across), len(shared))
    inside = {index for _, index, _ in shared[: last + 1]}
    pattern = key[1] or (None,) * rank

    def in_one_pass(axis: int) -> bool:
        first, *others = places[axis]
        return not others and bool(indices(first)) and inside.issuperset(indices(first))

    axes = tuple(axis for axis in range(rank) if pattern[axis] is None and not in_one_pass(axis))
    for depth, (_, index, step) in enumerate(shared):
        left = tuple(axis for axis in axes if step == 0 or not _is_carried(life, axis, depth, index, step))
        axes = left or axes  # a number that one step leaves to the next is an array of one
    return axes


def _is_carried(life: _Life, axis: int, depth: int, index: Idx, step: int) -> bool:
    """Whether the steps of a scan leave each other what is in one place along an axis.

    A step reads what the one before it has left before it writes the same element, or all of that kind, anew.
    """
    first, *others = {subscripts(a.reference)[axis] for a in life.writes}
    if others or index not in indices(first):
        return False
    for read in life.reads:
        ago = expand(step * (first - subscripts(read.reference)[axis]))
        if ago not in (0, 1):
            return False
        for write in life.writes if ago == 1 else ():
            if write.parts[: depth + 1] != read.parts[: depth + 1]:
                continue
            together = read.parts[depth + 1 :][:1] == write.parts[depth + 1 :][:1] != ()
            same = _others(read.reference, axis) == _others(write.reference, axis)
            if read.order > write.order or (not same and (together or read.order == write.order)):
                return False
    return True


def _others(reference: Expr, axis: int) -> tuple[Expr, ...]:
    """The subscripts along the other axes."""
    key = subscripts(reference)
    return (*key[:axis], *key[axis + 1 :])


def _dead(old: _Life, new: _Life) -> bool:
    """Whether ``old`` is dead when ``new`` is first written, or is read there for the last time, element by element."""
    if old.last < new.first:
        return True
    if old.last > new.first or old.first == new.first or new.accumulated:
        return False
    write = min(new.writes, key=lambda a: a.order)
    final = [a for a in old.reads if a.statement == new.first]
    return len(new.writes) == 1 and all(
        a.order <= write.order and subscripts(a.reference) == subscripts(write.reference) for a in final
    )
