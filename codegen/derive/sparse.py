"""Jacobians as sparse matrices: the values that may not be 0, and where they stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sympy import Expr, Idx

from codegen.derive.blocks import Blocks
from codegen.derive.jacobian import MODES, Mode, cheapest
from codegen.derive.request import Named, Wrt, prepare
from codegen.derive.structure import split
from codegen.derive.system import System
from codegen.errors import DerivationError
from codegen.expression import Extent, extent
from codegen.graph import Equation, Graph, Variable

Integers = NDArray[np.int64]
Indices = NDArray[np.signedinteger[Any]]


@dataclass(frozen=True)
class Nonzeros:
    """One array of values: its indices, and the subscripts of ``of`` and ``wrt`` that each value belongs to."""

    wrt: Variable
    indices: tuple[Idx, ...]
    rows: tuple[Expr, ...]
    columns: tuple[Expr, ...]


@dataclass(frozen=True)
class Rows:
    """A pattern as compressed rows, sorted and without repetitions, and where the values go."""

    shape: tuple[int, int]
    indices: Indices
    """The columns, row after row."""
    ends: Indices
    """Where each row begins, and the last one ends."""
    order: Integers
    """The places in the order of rows and columns."""
    starts: Integers | None
    """Where the values of each place begin in that order, if some place has several."""

    @cached_property
    def empty(self) -> Any:
        """A matrix without values."""
        from scipy.sparse import csr_array

        matrix = csr_array((np.zeros(len(self.indices)), self.indices, self.ends), shape=self.shape)
        matrix.has_canonical_format = True
        return matrix

    def filled(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """A new array of the values of all places, in their order."""
        ordered = values[self.order]
        return ordered if self.starts is None else np.add.reduceat(ordered, self.starts)


def in_rows(rows: Integers, columns: Integers, shape: tuple[int, int]) -> Rows:
    """The pattern of a matrix with values at these rows and columns."""
    order = np.lexsort((columns, rows))
    rows, columns = rows[order], columns[order]
    new = np.ones(len(order), bool)
    new[1:] = (rows[1:] != rows[:-1]) | (columns[1:] != columns[:-1])
    starts = np.flatnonzero(new)
    # SciPy's own choice: what it is given otherwise it copies in each call.
    kind: type[np.signedinteger[Any]] = np.int32 if max(*shape, len(order)) < 2**31 else np.int64
    ends = np.searchsorted(rows[starts], np.arange(shape[0] + 1)).astype(kind)
    indices = columns[starts].astype(kind)
    indices.flags.writeable = ends.flags.writeable = False
    return Rows(shape, indices, ends, order, None if len(starts) == len(order) else starts)


@dataclass(frozen=True)
class SparseJacobian:
    """A graph with outputs ``of`` and arrays of nonzero values, and the places of these in a matrix.

    Row r of the matrix is element r of ``of``, flattened; the columns are the elements of each of ``wrt``, flattened
    and laid end to end.
    """

    graph: Graph
    of: Variable
    wrt: tuple[Variable, ...]
    nonzeros: tuple[Nonzeros, ...]

    def pattern(self, **extents: int) -> tuple[Integers, Integers]:
        """Row and column of every value, in the order of the outputs; symbolic extents by name, as in ``S=100``.

        A place that occurs twice holds the sum of its values.
        """
        sizes = self._sizes(extents)
        ends = accumulate((self._size(variable, sizes) for variable in self.wrt), initial=0)
        start = dict(zip((variable.name for variable in self.wrt), ends))
        found = [_places(part, self.of, start[part.wrt.name], sizes) for part in self.nonzeros]
        rows, columns = ([part[axis] for part in found] for axis in (0, 1))
        empty = np.zeros(0, np.int64)
        return np.concatenate([empty, *rows]), np.concatenate([empty, *columns])

    def assemble(self, *values: ArrayLike, **extents: int) -> Any:
        """The ``scipy.sparse.csr_array`` of what the compiled graph returns, ``of`` included, in canonical format.

        The pattern is worked out once: matrices share their indices, which are read-only, and each has data of its own.

        Extents have to be given, as for :meth:`pattern`, if none of these arrays has them.
        """
        arrays = [np.asarray(value) for value in values]
        if len(arrays) != len(self.graph.outputs):
            outputs = ", ".join(self.graph.outputs)
            raise DerivationError(f"assemble: found {len(arrays)} arrays, expected those of the outputs {outputs}")
        extents |= {
            str(n): m
            for name, array in zip(self.graph.outputs, arrays)
            for n, m in zip(self.graph.variable(name).shape, array.shape)
            if not isinstance(n, int)
        }
        rows = self._rows(tuple(self._sizes(extents).items()))
        found = np.concatenate([np.zeros(0), *(array.reshape(-1) for array in arrays[1:])])
        # SciPy's constructor takes 30 µs, and solvers keep matrices that they were given: the data is new each time.
        matrix = copy(rows.empty)
        matrix.data = rows.filled(found)
        return matrix

    @cached_property
    def _rows(self) -> Callable[[tuple[tuple[Extent, int], ...]], Rows]:
        """The pattern of the matrix in rows, worked out once for each choice of extents."""

        @lru_cache(maxsize=8)
        def rows(sizes: tuple[tuple[Extent, int], ...]) -> Rows:
            known = dict(sizes)
            shape = self._size(self.of, known), sum(self._size(variable, known) for variable in self.wrt)
            return in_rows(*self.pattern(**{str(n): size for n, size in sizes}), shape)

        return rows

    @cached_property
    def _symbols(self) -> Mapping[str, Extent]:
        return {str(n): n for v in (self.of, *self.wrt) for n in v.shape if not isinstance(n, int)}

    def _sizes(self, extents: Mapping[str, int]) -> Mapping[Extent, int]:
        for name in self._symbols:
            if name not in extents:
                raise DerivationError(f"the extent {name} is not known, expected {name}=…")
        return {n: extents[name] for name, n in self._symbols.items()}

    @staticmethod
    def _size(variable: Variable, sizes: Mapping[Extent, int]) -> int:
        return prod(n if isinstance(n, int) else sizes[n] for n in variable.shape)


def _places(part: Nonzeros, of: Variable, start: int, sizes: Mapping[Extent, int]) -> tuple[Integers, Integers]:
    """Row and column of each value, in C order."""
    counts = [n if isinstance(n := extent(i), int) else sizes[n] for i in part.indices]
    grid = dict(zip(part.indices, np.indices(counts, np.int64).reshape(len(counts), prod(counts))))

    def flat(key: Sequence[Expr], variable: Variable) -> Integers:
        place = np.zeros(prod(counts), np.int64)
        for subscript, n in zip(key, variable.shape):
            at = grid[subscript] if isinstance(subscript, Idx) else int(subscript)
            place = place * (n if isinstance(n, int) else sizes[n]) + at
        return place

    return flat(part.rows, of), start + flat(part.columns, part.wrt)


def sparse_jacobian(graph: Graph, of: Named, wrt: Wrt | None = None, *, mode: Mode = "auto") -> SparseJacobian:
    """The Jacobian of ``of`` as its nonzero values: what is known to be 0 is neither computed nor stored.

    Known are the zeros that follow from subscripts: of samples that do not meet, of the rows of a matrix that a row of
    its product does not read, of elements that are assigned singly.

    >>> from codegen import Index, compile
    >>> i, x, y = Index("i", 3), Variable("x", (3,)), Variable("y", (3,))
    >>> found = sparse_jacobian(Graph((x,), (Equation(y[i], x[i] ** 2),), ("y",)), "y")
    >>> [places.tolist() for places in found.pattern()]
    [[0, 1, 2], [0, 1, 2]]
    >>> found.assemble(*compile(found.graph)(np.array([1.0, 2.0, 3.0]))).toarray().tolist()
    [[2.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 6.0]]
    """
    prepared, of, names = prepare(graph, of, wrt)
    return cheapest(
        lambda name: _put_out(prepared, of, *MODES[name](prepared, of, names)), mode, lambda found: found.graph
    )


def _put_out(graph: Graph, of: str, system: System, found: Sequence[Blocks]) -> SparseJacobian:
    outputs, nonzeros = [of], []
    for blocks in found:
        for block in blocks.blocks:
            order = [i for i in (*block.rows, *block.columns) if isinstance(i, Idx)]
            for term in block.terms:
                parts = split(term, order, (), order)
                if parts is None:
                    continue
                structure, core = parts
                indices = tuple(i for i in order if structure.value(i) == i)
                name = system.name(f"values of {blocks.name}")
                system.append(Equation(Variable(name, tuple(extent(i) for i in indices))[indices], core))
                outputs.append(name)
                rows, columns = (
                    tuple(structure.value(i) if isinstance(i, Idx) else i for i in key)
                    for key in (block.rows, block.columns)
                )
                nonzeros.append(Nonzeros(blocks.wrt, indices, rows, columns))
    derived = graph.with_equations(system.equations, outputs)
    return SparseJacobian(derived, graph.variable(of), tuple(b.wrt for b in found), tuple(nonzeros))
