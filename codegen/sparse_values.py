"""The values of a sparse derivative, computed into one array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from codegen.cached import Recent
from codegen.derive.requests.sparse import Rows, SparseDerivative
from codegen.flat import Array, Piece, Point, call, compiled, cut, end_to_end
from codegen.walk import Extent, fresh_name, is_fixed

Lengths: TypeAlias = "tuple[tuple[Extent, int], ...]"


class SparseValues:
    """A sparse derivative, compiled, with those of ``outputs`` that are asked for beside it.

    What follows from lengths alone is worked out once for each choice of them. Where none is symbolic, the inputs
    ``wrt`` and the values are one flat array each for the compiled function: views of ten arrays take 4 µs a call.
    """

    def __init__(self, found: SparseDerivative, outputs: Sequence[str] = (), wrt: Sequence[str] = ()) -> None:
        names = found.graph.outputs[len(found.graph.outputs) - len(found.nonzeros) :]
        everything = (*outputs, *names)
        graph = found.graph.with_outputs(everything) if everything else found.graph
        self._flat = bool(wrt and names) and all(is_fixed(graph.variable(name).shape) for name in (*wrt, *names))
        self._x, values = (fresh_name(name, graph.variables) for name in ("x", "values"))
        pack = {self._x: wrt, values: names} if self._flat else None
        self._target = compiled(graph, pack) if everything else None
        given, shapes = ([found.graph.variable(name).shape for name in part] for part in (outputs, names))
        self._found, self._shapes = found, (given, shapes)
        self._given = len(given)
        self._room, self._kept, self._rows = Recent(self._find_room), Recent(self._find_kept), Recent(self._find_rows)

    def _find_room(self, lengths: Lengths) -> tuple[Sequence[tuple[int, ...]], int, Sequence[Piece]]:
        (_, before), (size, pieces) = (end_to_end(part, lengths) for part in self._shapes)
        return [shape for _, shape in before if shape], size, [piece for piece in pieces if piece[1]]

    def _find_kept(self, lengths: Lengths) -> tuple[Array, Array, Array | None]:
        named = {str(n): size for n, size in lengths}
        numbers = self._found.stored(**named)
        whole = np.array_equal(numbers, np.arange(self._room(lengths)[1]))
        return *self._found.pattern(**named), None if whole else numbers

    def _find_rows(self, lengths: Lengths) -> Rows:
        return self._found.rows(**{str(n): size for n, size in lengths})

    def matrix(self, values: Mapping[str, Array], lengths: Mapping[Extent, int]) -> Any:
        """The whole matrix."""
        _, every = self._computed(values, key := tuple(lengths.items()))
        return self._rows(key).matrix(every)

    def beside(self, point: Point) -> tuple[Sequence[Any], Any]:
        """The outputs, with others behind them, and the whole matrix."""
        key = tuple(point.lengths.items())
        if self._flat and self._target is not None:
            found = call(self._target, {self._x: point.flat, **point.data})
            return found, self._rows(key).matrix(found[-1])
        outputs, every = self._computed(point.values, key)
        return outputs, self._rows(key).matrix(every)

    def places(self, lengths: Mapping[Extent, int]) -> tuple[Array, Array]:
        """Row and column of each value that is stored."""
        rows, columns, _ = self._kept(tuple(lengths.items()))
        return rows, columns

    def stored(self, values: Mapping[str, Array], lengths: Mapping[Extent, int]) -> Array:
        """The values at those places."""
        *_, numbers = self._kept(key := tuple(lengths.items()))
        _, every = self._computed(values, key)
        return every if numbers is None else every.take(numbers)

    def _computed(self, values: Mapping[str, Array], lengths: Lengths) -> tuple[Sequence[Any], Array]:
        """The outputs, and what all arrays of values hold: they are parts of one, so that nothing is copied."""
        before, size, pieces = self._room(lengths)
        every = np.empty(size)
        if self._target is None:
            return (), every
        results = call(self._target, values, (*map(np.empty, before), *cut(every, pieces)))
        if len(pieces) + self._given < len(results):
            number = 0
            for result in results[self._given :]:
                if not np.shape(result):
                    every[number] = result
                number += np.size(result)
        return results[: self._given], every


__all__ = ["SparseValues"]
