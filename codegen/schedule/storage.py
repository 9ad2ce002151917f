"""Decide where each vertex lives: a local where loops let it be one, a shared work array where they do not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sympy import Expr, Idx

from codegen.expression import Extent, base_name, references, subscripts
from codegen.graph import Graph, cell_of
from codegen.schedule.program import (
    Accumulate,
    Contract,
    Fill,
    Loop,
    Place,
    Set,
    Statement,
    Storage,
    StorageKey,
    Store,
    walk,
)


@dataclass(frozen=True)
class _Access:
    """One read or write: in which loops (number and index), in which top-level statement, and its rank in the text."""

    loops: tuple[tuple[int, Idx], ...]
    statement: int
    order: int
    reference: Expr


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


def plan(
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
    kept: list[tuple[StorageKey, tuple[int, ...], tuple[Extent, ...]]] = []
    for key, life in lives.items():
        if key in storage:
            continue
        axes = _axes(graph, key, life)
        shape = tuple(graph.variable(key[0]).shape[a] for a in axes)
        if shape:
            kept.append((key, axes, shape))
        else:
            storage[key] = Storage(Place.LOCAL, locals_, (), ())
            locals_ += 1
    work: list[tuple[Extent, ...]] = []
    owner: list[StorageKey] = []
    for key, axes, shape in sorted(kept, key=lambda k: lives[k[0]].first):
        number = next(
            (n for n, old in enumerate(owner) if work[n] == shape and _dead(lives[old], lives[key])), len(work)
        )
        if number == len(work):
            work.append(shape)
            owner.append(key)
        owner[number] = key
        storage[key] = Storage(Place.WORK, number, axes, shape)
    return storage, tuple(work), locals_


def _split(graph: Graph) -> frozenset[str]:
    """Variables assigned element by element and only read so: each element is stored singly."""
    candidates = {e.name for e in graph.equations if any(i is not None for i in e.cell[1])}
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

    order = 0

    def visit(block: Sequence[Statement], loops: tuple[tuple[int, Idx], ...], top: int | None) -> None:
        nonlocal order
        for position, statement in enumerate(block):
            order += 1
            at = position if top is None else top
            if isinstance(statement, Loop):
                visit(statement.body, (*loops, (order, statement.index)), at)
                continue
            if isinstance(statement, Contract):
                for operand in (statement.left, statement.right):
                    lives[key_of(operand)].reads.append(_Access(loops, at, order, operand))
                lives[key_of(statement.equation.target)].writes.append(
                    _Access(loops, at, order, statement.equation.target)
                )
                lives[key_of(statement.equation.target)].accumulated = True
                continue
            if isinstance(statement, (Set, Accumulate)):
                for reference in references(statement.value):
                    lives[key_of(reference)].reads.append(_Access(loops, at, order, reference))
            life = lives[key_of(statement.target)]
            if isinstance(statement, (Set, Fill)):
                life.writes.append(_Access(loops, at, order, statement.target))
            else:
                life.reads.append(_Access(loops, at, order, statement.target))
            life.accumulated |= not isinstance(statement, Set)

    visit(statements, (), None)
    for name in outputs:
        if not graph.variable(name).shape and (name, ()) in lives:
            # A scalar result is read once more, on return.
            lives[name, ()].reads.append(_Access((), len(statements), order + 1, graph.variable(name).symbol))
    return lives


def _axes(graph: Graph, key: StorageKey, life: _Life) -> tuple[int, ...]:
    """The axes that need storage: not those fixed by the pattern, nor those of a loop that holds every access."""
    accesses = [*life.writes, *life.reads]
    shared = accesses[0].loops
    for access in accesses:
        shared = tuple(a for a, b in zip(shared, access.loops) if a == b)
    inside = {index for _, index in shared}
    rank = len(graph.variable(key[0]).shape)
    pattern = key[1] or (None,) * rank
    return tuple(
        axis
        for axis in range(rank)
        if pattern[axis] is None and not all(subscripts(a.reference)[axis] in inside for a in accesses)
    )


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
