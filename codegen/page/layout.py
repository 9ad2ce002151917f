"""Where the vertices of a directed graph stand: in columns by their longest way from a source, with few crossings.

Three steps (Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system structures", 1981):
columns by longest paths, where a source stands just before what reads it first; orders by sweeps that put each vertex
at the mean of its neighbours; and rows by least squares, which keep order and distance.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

SWEEPS = 12
"""There and back through all columns; more change the order of few vertices."""
DENSE = 4_000
"""Above this number of places and pieces of edges there are two sweeps."""

Node = str | tuple[str, str, int]
"""A vertex, or the place where an edge passes through a column."""


@dataclass(frozen=True)
class Layout:
    """Rows (in units of the distance between two vertices) and columns, and the places that each edge passes."""

    places: Mapping[str, tuple[int, float]]
    ways: Mapping[tuple[str, str], Sequence[tuple[int, float]]]
    columns: int
    rows: float
    crossings: int


def layout(read: Mapping[str, Iterable[str]]) -> Layout:
    """Lay out a graph from what each vertex reads.

    What reads itself has no edge of that; where vertices read each other in a circle, as in a recurrence, one edge goes
    back to an earlier column, and one within a column is left out.

    >>> found = layout({"a": [], "b": [], "c": ["a", "b"], "d": ["b"], "e": ["c", "d"]})
    >>> [found.places[name][0] for name in "abcde"], found.crossings
    ([0, 0, 1, 1, 2], 0)
    """
    edges = [(source, name) for name, sources in read.items() for source in dict.fromkeys(sources) if source != name]
    column = columns(read)
    chains = {(a, b): _chain(a, b, column) for a, b in edges if column[a] != column[b]}
    links: dict[int, list[tuple[Node, Node]]] = defaultdict(list)
    for edge, chain in chains.items():
        for step, link in enumerate(pairwise(chain)):
            links[_first(edge, column) + step].append(link)
    levels = _levels(read, column, chains)
    order, crossings = _ordered(levels, links)
    rows = _rows(order, links)
    lowest = min(rows.values(), default=0.0)
    rows = {node: row - lowest for node, row in rows.items()}

    def places(edge: tuple[str, str]) -> list[tuple[int, float]]:
        found = [(_first(edge, column) + step, rows[node]) for step, node in enumerate(chains[edge])]
        return found if column[edge[0]] < column[edge[1]] else found[::-1]

    return Layout(
        {name: (column[name], rows[name]) for name in read},
        {edge: places(edge) for edge in chains},
        len(levels),
        max(rows.values(), default=0.0),
        crossings,
    )


def columns(read: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """The column of each vertex: behind all that it reads; a source just before the first that reads it.

    >>> columns({"x": [], "u": ["x"], "W": [], "z": ["u", "W"]})
    {'x': 0, 'u': 1, 'W': 1, 'z': 2}
    """
    found: dict[str, int] = {}
    for name, sources in read.items():  # in computing order; what a vertex reads of its own past does not count
        found[name] = max((found[source] + 1 for source in sources if source in found), default=0)
    first: dict[str, int] = {}
    for name, sources in read.items():
        for source in sources:
            first[source] = min(first.get(source, found[name]), found[name])
    for name, sources in read.items():
        if not list(sources) and name in first:
            found[name] = max(0, first[name] - 1)
    return found


def _first(edge: tuple[str, str], column: Mapping[str, int]) -> int:
    return min(column[name] for name in edge)


def _chain(a: str, b: str, column: Mapping[str, int]) -> list[Node]:
    """An edge with the places where it passes through the columns between, from left to right."""
    left, right = (a, b) if column[a] < column[b] else (b, a)
    return [left, *((a, b, level) for level in range(column[left] + 1, column[right])), right]


def _levels(
    read: Mapping[str, Iterable[str]], column: Mapping[str, int], chains: Mapping[tuple[str, str], Sequence[Node]]
) -> list[list[Node]]:
    levels: list[list[Node]] = [[] for _ in range(max(column.values(), default=-1) + 1)]
    for name in read:
        levels[column[name]].append(name)
    for chain in chains.values():
        for node in chain[1:-1]:
            assert isinstance(node, tuple)
            levels[node[2]].append(node)
    return levels


# --- order --------------------------------------------------------------------------------------------------------

Links = Mapping[int, Sequence[tuple[Node, Node]]]


def _ordered(levels: list[list[Node]], links: Links) -> tuple[list[list[Node]], int]:
    """The levels in the order with the fewest crossings that sweeps find."""
    before, after = _neighbours(links)
    best, fewest = levels, _crossings(levels, links)
    size = sum(map(len, levels)) + sum(map(len, links.values()))
    for sweep in range(SWEEPS if size <= DENSE else 2):
        if not fewest:
            break
        levels = list(levels)
        forward = sweep % 2 == 0
        for level in range(1, len(levels)) if forward else range(len(levels) - 2, -1, -1):
            side = before if forward else after
            rows = {node: row for row, node in enumerate(levels[level - 1 if forward else level + 1])}
            own = {node: row for row, node in enumerate(levels[level])}
            levels[level] = sorted(own, key=lambda node: _mean([rows[n] for n in side.get(node, ())], own[node]))
        found = _crossings(levels, links)
        if found < fewest:
            best, fewest = levels, found
    return best, fewest


def _neighbours(links: Links) -> tuple[dict[Node, list[Node]], dict[Node, list[Node]]]:
    before: dict[Node, list[Node]] = defaultdict(list)
    after: dict[Node, list[Node]] = defaultdict(list)
    for pairs in links.values():
        for a, b in pairs:
            before[b].append(a)
            after[a].append(b)
    return before, after


def _mean(rows: Sequence[float], otherwise: float) -> float:
    return sum(rows) / len(rows) if rows else otherwise


def _crossings(levels: Sequence[Sequence[Node]], links: Links) -> int:
    """The pairs of edges that cross between neighbouring levels: inversions, counted in a Fenwick tree."""
    total = 0
    for level, pairs in links.items():
        rows, beyond = ({node: row for row, node in enumerate(levels[side])} for side in (level, level + 1))
        total += _inversions([b for _, b in sorted((rows[a], beyond[b]) for a, b in pairs)], len(beyond))
    return total


def _inversions(numbers: Sequence[int], below: int) -> int:
    """The pairs of which the first is the larger.

    >>> _inversions([2, 0, 1], 3)
    2
    """
    tree, found = [0] * (below + 1), 0
    for seen, number in enumerate(numbers):
        at, smaller = number + 1, 0
        while at:  # how many up to this number were seen
            smaller += tree[at]
            at &= at - 1
        found += seen - smaller
        at = number + 1
        while at <= below:
            tree[at] += 1
            at += at & -at
    return found


# --- rows ---------------------------------------------------------------------------------------------------------


def _rows(order: Sequence[Sequence[Node]], links: Links) -> dict[Node, float]:
    """Rows near those of the neighbours: for each level in turn the least squares that keep order and distance."""
    before, after = _neighbours(links)
    rows = {node: row - (len(level) - 1) / 2 for level in order for row, node in enumerate(level)}
    for sweep in range(8):
        for level in order if sweep % 2 == 0 else reversed(order):
            wanted = [
                _mean([rows[n] for n in (*before.get(node, ()), *after.get(node, ()))], rows[node]) for node in level
            ]
            rows |= zip(level, apart(wanted, [_distance(a, b) for a, b in pairwise(level)]))
    return rows


def _distance(a: Node, b: Node) -> float:
    """Edges that pass may be nearer to each other than vertices."""
    return {0: 1.0, 1: 0.7, 2: 0.3}[isinstance(a, tuple) + isinstance(b, tuple)]


def apart(wanted: Sequence[float], distances: Sequence[float]) -> list[float]:
    """The rows nearest to those wanted that keep these distances: Σ (row − wanted)² is least (pool adjacent violators).

    >>> apart([0.0, 0.0, 5.0], [1.0, 1.0])
    [-0.5, 0.5, 5.0]
    """
    offsets = [0.0]
    for distance in distances:
        offsets.append(offsets[-1] + distance)
    pools: list[tuple[float, int]] = []
    for want, offset in zip(wanted, offsets):
        total, count = want - offset, 1
        while pools and pools[-1][0] / pools[-1][1] > total / count:
            more, others = pools.pop()
            total, count = total + more, count + others
        pools.append((total, count))
    means = [total / count for total, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets)]
