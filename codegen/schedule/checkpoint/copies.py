"""What blocks leave to each other, and places that are written or read by themselves: loops that copy them."""

from __future__ import annotations

from collections.abc import Iterator

from sympy import Expr, Idx, Integer, expand, sympify

from codegen.ir.equation import Equation
from codegen.schedule.checkpoint.places import Places
from codegen.schedule.checkpoint.windows import Window
from codegen.schedule.program import Bound, Loop, Set, Statement, nested
from codegen.walk import extent, subscripts, symbol_of


def taken_over(places: Places, window: Window, block: Idx) -> Iterator[Statement]:
    """Put what the block before has left where this one expects it."""
    if window.back:
        before = block if window.run.step >= 0 else block + 1
        start = window.offset - window.back if window.run.step >= 0 else places.size(window) + window.offset
        yield _copied(places, window, start, before, out=False)


def left(places: Places, window: Window, block: Idx) -> Iterator[Statement]:
    """Keep what the next block takes over."""
    if window.back:
        after = block + 1 if window.run.step >= 0 else block
        start = places.size(window) + window.offset - window.back if window.run.step >= 0 else window.offset
        yield _copied(places, window, start, after, out=True)


def _copied(places: Places, window: Window, start: Expr, block: Expr, out: bool) -> Statement:
    """Copy the places from ``start`` on, seen from the first step of a block, to or from a checkpoint."""
    first = start - window.first
    place = places.index("place", places.most(window) + window.last - window.first)
    key, around = _others(places, window)
    kept_key, there = list(key), list(key)
    kept_key[window.axis], there[window.axis] = place - first, place
    slot = block if window.run in places.windows.again else Integer(0)
    kept = places.kept[window.key][(slot, *kept_key)]
    inside = symbol_of(window.target)[tuple(there)]
    target, value = (kept, inside) if out else (inside, kept)
    body = nested(around, Set(Equation(target, value), target, value))
    return Loop(place, (body,), start=(Bound(sympify(first)),), stop=(Bound(sympify(first + window.back)),))


def put(places: Places, window: Window, start: Expr, order: int) -> Iterator[Statement]:
    """Put the places that are written by themselves before a scan where its block may read them."""
    for place, rank in window.outside.items():
        if rank <= order:
            stop = start + places.size(window) + window.last
            yield _at(places, window, place, start, (start + window.first, stop), out=False)


def taken_out(places: Places, window: Window, start: Expr) -> Iterator[Statement]:
    """Copy the places that are read by themselves where the block of a scan has computed them."""
    for place in sorted(window.single - (window.outside.keys() - window.shared), key=str):
        if window.run.step >= 0:
            ends = start + window.first, start + places.size(window) + window.offset
        else:
            ends = start + window.offset, start + places.size(window) + window.last
        yield _at(places, window, place, start, ends, out=True)


def _at(places: Places, window: Window, place: Expr, start: Expr, ends: tuple[Expr, Expr], out: bool) -> Statement:
    """Copy one place, where it is one of those from the first of ``ends`` to before the second."""
    here = places.index("place", places.shape(window)[window.axis])
    key, around = _others(places, window)
    single, there = list(key), list(key)
    single[window.axis], there[window.axis] = Integer(0), expand(here - start - window.first)
    alone = places.alone[window.key][place][tuple(single)]
    inside = symbol_of(window.target)[tuple(there)]
    target, value = (alone, inside) if out else (inside, alone)
    body = nested(around, Set(Equation(target, value), target, value))
    first, last, end = (Bound(expand(e)) for e in (*ends, start + places.most(window) + window.last))
    return Loop(here, (body,), start=(first, Bound(place)), stop=tuple(dict.fromkeys((last, end, Bound(place + 1)))))


def _others(places: Places, window: Window) -> tuple[tuple[Expr, ...], tuple[Idx, ...]]:
    """Subscripts along all axes of a window, and the indices of loops for those along stored ones."""
    samples = window.run.level.samples
    key = list(subscripts(window.target))
    around: list[Idx] = []
    for axis, n in enumerate(places.shape(window)):
        if axis != window.axis and axis in places.storage[window.key].axes:
            over_samples = samples is not None and n == extent(samples.index)
            key[axis] = samples.index if samples is not None and over_samples else places.index(f"axis{axis}", n)
            around.append(key[axis])
    return tuple(key), tuple(around)
