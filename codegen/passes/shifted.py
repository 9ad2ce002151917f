"""Values of functions at a shifted index: tanh(u[t + 1]) is a[t + 1] where a[t] = tanh(u[t])."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from sympy import Expr, Idx, Indexed, Piecewise, expand

from codegen.ir.affine import affine
from codegen.ir.equation import Equation
from codegen.ir.ranges import NOTHING, Known, conditions_of, is_natural
from codegen.passes.patterns import Patterns
from codegen.walk import extent, indices, leaves, moved, postorder, reindex, shape, subscripts


class _Vertex(NamedTuple):
    """What a map equation assigns, and what is added to its indices in the body."""

    equation: Equation
    offsets: Mapping[Idx, int]


class Shifted:
    """The vertices of equations by what they are up to what is added to each of their indices, if that is wanted.

    What a vertex needs is needed by whoever reads its value, so that nothing goes round in circles that did not before;
    what stands in one recurrence with it goes without, since its steps would be others.
    """

    def __init__(self, equations: Iterable[Equation], patterns: Patterns, wanted: Callable[[Expr], bool]) -> None:
        self._patterns, self._wanted = patterns, wanted
        self._vertices: dict[int, _Vertex] = {}
        self._reads: dict[str, set[str]] = {}
        for equation in equations:
            self._reads.setdefault(equation.name, set()).update(access.cell.name for access in equation.reads)
            if equation.is_map and wanted(equation.body) and (found := self._number(equation.body)) is not None:
                number, offsets = found
                if offsets.keys() == {*equation.free}:
                    self._vertices.setdefault(number, _Vertex(equation, offsets))
        self._functions = {type(vertex.equation.body) for vertex in self._vertices.values()}

    def at(self, value: Expr, reader: Equation) -> Expr | None:
        """The vertex that has a value which an equation needs; None if there is none at all the places."""
        found = self._number(value) if type(value) in self._functions and self._wanted(value) else None
        vertex = None if found is None else self._vertices.get(found[0])
        if found is None or vertex is None or reader.name in self._needed(vertex.equation.name):
            return None
        own = dict(zip(vertex.offsets, found[1].items()))
        places = {index: other + (offset - vertex.offsets[index]) for index, (other, offset) in own.items()}
        if not _is_there(vertex.equation.body, places, value, reader.body):
            return None
        return moved(vertex.equation.target, [*places], [*places.values()])

    def _number(self, value: Expr) -> tuple[int, Mapping[Idx, int]] | None:
        """The number of the pattern of a value with the least of what is added to each index taken off, and that."""
        if not indices(value) or any(isinstance(node, Piecewise) for node in postorder(value)):
            return None
        least: dict[Idx, int] = {}
        for index, offset in _offsets(value):
            if index is None:
                return None
            least[index] = min(offset, least.get(index, offset))
        # Ranges do not matter: those of a reader begin and end elsewhere.
        order = [Idx(f"{place}") for place, _ in enumerate(least)]
        bare = reindex(value, {index: new - offset for new, (index, offset) in zip(order, least.items())})
        return self._patterns(bare, order), least

    def _needed(self, name: str) -> set[str]:
        """The variables that one depends on, with itself."""
        found: set[str] = set()
        left = [name]
        while left:
            one = left.pop()
            if one not in found:
                found.add(one)
                left += self._reads.get(one, ())
        return found


def _offsets(value: Expr) -> Iterator[tuple[Idx | None, int]]:
    """What is added to indices in subscripts; None for an index that stands anywhere else."""
    for leaf in leaves(value):
        if isinstance(leaf, Idx):
            yield None, 0
        for subscript in subscripts(leaf) if isinstance(leaf, Indexed) else ():
            form = affine(subscript)
            if form is not None and not form.coefficients:
                continue
            if form is None or [factor for _, factor in form.coefficients] != [1] or not form.constant.is_Integer:
                yield None, 0
            else:
                yield form.indices[0], int(form.constant)


def _is_there(body: Expr, places: Mapping[Idx, Expr], value: Expr, around: Expr) -> bool:
    """Whether a vertex with this body has an element at these places of its indices wherever the like is computed.

    What is read there is on its axis, the indices of the reader are in their ranges, and conditions say the rest.
    """
    read = [pair for leaf in leaves(body) if isinstance(leaf, Indexed) for pair in zip(subscripts(leaf), shape(leaf))]
    asked: list[Expr] = []
    for index, place in places.items():
        n, own = extent(index), [(expand(subscript - index), axis) for subscript, axis in read if subscript.has(index)]
        if not any(is_natural(-offset) for offset, _ in own):
            asked.append(place)
        if not any(is_natural(n + offset - axis) for offset, axis in own):
            asked.append(n - 1 - place)
    forms = [form for form in map(affine, asked) if form is not None]
    if all(map(NOTHING.says, forms)):
        return True
    computed = conditions_of(around, lambda node: node is value)
    return all(all(map(Known.of(*conditions).says, forms)) for _, conditions in computed)
