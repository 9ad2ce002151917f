"""Jacobians as sparse matrices: the values that may not be 0, and where they stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from math import prod
from typing import Any

import numpy as np
import sympy
from numpy.typing import ArrayLike, NDArray
from sympy import Expr, Idx, expand
from sympy.core.basic import Basic

from codegen.cached import cached_property
from codegen.derive.requests import straight
from codegen.derive.requests.blocks import Blocks
from codegen.derive.requests.jacobian import MODES, Mode, chosen, require_mode
from codegen.derive.requests.request import Named, Wrt, asked, prepare
from codegen.derive.requests.straight import Straight
from codegen.derive.system import System
from codegen.derive.terms.structure import split
from codegen.derive.terms.zeros import Zeros, integer_value
from codegen.errors import DerivationError
from codegen.ir.equation import over
from codegen.ir.graph import Equation, Graph, Variable
from codegen.ir.selection import selected
from codegen.walk import Extent, extent, indices, is_symbolic, length, reindex

Integers = NDArray[np.int64]
Indices = NDArray[np.signedinteger[Any]]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Nonzeros:
    """One array of values: its indices, and the subscripts of ``of`` and ``wrt`` that each value belongs to.

    ``condition`` says of the indices where the array holds what is not 0 anyway; subscripts are sums of indices.
    """

    wrt: Variable
    indices: tuple[Idx, ...]
    rows: tuple[Expr, ...]
    columns: tuple[Expr, ...]
    condition: Basic = sympy.true

    def places(self, of: Variable, start: int, sizes: Mapping[Extent, int]) -> tuple[Integers, Integers, Flags]:
        """Row and column of each value, in C order, and whether it is in the matrix; ``wrt`` has columns from start."""
        counts = [length(extent(i), sizes) for i in self.indices]
        grid: dict[Basic, Any] = {n: size for n, size in sizes.items() if isinstance(n, Basic)}
        grid.update(zip(self.indices, np.indices(counts, np.int64).reshape(len(counts), prod(counts))))
        kept = np.zeros(prod(counts), bool) | integer_value(self.condition, grid)

        def flat(key: Sequence[Expr], variable: Variable) -> Integers:
            place = np.zeros(prod(counts), np.int64)
            for subscript, n in zip(key, variable.shape):
                size = length(n, sizes)
                at = integer_value(subscript, grid)
                kept[:] &= (at >= 0) & (at < size)
                place = place * size + at
            return place

        return flat(self.rows, of), start + flat(self.columns, self.wrt), kept


@dataclass(frozen=True)
class Listed:
    """One array of values whose rows and columns are listed."""

    wrt: Variable
    rows: Integers
    columns: Integers

    def places(self, of: Variable, start: int, sizes: Mapping[Extent, int]) -> tuple[Integers, Integers, Flags]:
        """Row and column of each value, and whether it is in the matrix, as all are."""
        return self.rows, start + self.columns, np.ones(len(self.rows), bool)


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

    def matrix(self, values: NDArray[np.float64]) -> Any:
        """A matrix of these values, which has this pattern's indices and data of its own."""
        # SciPy's constructor takes 30 µs, copy.copy 6; solvers keep matrices that they were given, so the data is new.
        matrix = object.__new__(type(self.empty))
        matrix.__dict__.update(self.empty.__dict__)
        ordered = values.take(self.order)
        matrix.data = ordered if self.starts is None else np.add.reduceat(ordered, self.starts)
        return matrix


def in_rows(rows: Integers, columns: Integers, stored: Integers, shape: tuple[int, int]) -> Rows:
    """The pattern of a matrix with the values of these numbers at these rows and columns."""
    order = np.lexsort((columns, rows))
    rows, columns, order = rows[order], columns[order], stored[order]
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
    nonzeros: tuple[Nonzeros | Listed, ...]

    def pattern(self, **extents: int) -> tuple[Integers, Integers]:
        """Row and column of every value, in the order of the outputs; symbolic extents by name, as in ``S=100``.

        A place that occurs twice holds the sum of its values. What an output holds beyond the end of an axis, or where
        a condition on indices makes it 0, is not among them: :meth:`stored` says which of the numbers are.
        """
        rows, columns, _ = self._places(extents)
        return rows, columns

    def stored(self, **extents: int) -> Integers:
        """The numbers of the values of :meth:`pattern` among all that the outputs hold, laid end to end.

        >>> from codegen import from_expressions
        >>> from sympy import IndexedBase, Piecewise, symbols
        >>> i, x, y = Idx("i", 3), IndexedBase("x", shape=(3,)), IndexedBase("y")
        >>> found = sparse_jacobian(from_expressions({y[i]: Piecewise((x[i] ** 2, i > 0), (0, True))}, [x]), "y")
        >>> [places.tolist() for places in (*found.pattern(), found.stored())]
        [[1, 2], [1, 2], [1, 2]]
        """
        return self._places(extents)[2]

    def _places(self, extents: Mapping[str, int]) -> tuple[Integers, Integers, Integers]:
        """Row, column and number of every value."""
        sizes = self._sizes(extents)
        ends = accumulate((self._size(variable, sizes) for variable in self.wrt), initial=0)
        start = dict(zip((variable.name for variable in self.wrt), ends))
        found = [part.places(self.of, start[part.wrt.name], sizes) for part in self.nonzeros]
        empty = np.zeros(0, np.int64)
        rows, columns, kept = (np.concatenate([empty, *(part[axis] for part in found)]) for axis in range(3))
        stored = np.flatnonzero(kept)
        return rows[stored], columns[stored], stored

    def assemble(self, *values: ArrayLike, **extents: int) -> Any:
        """The ``scipy.sparse.csr_array`` of what the compiled graph returns, ``of`` included, in canonical format.

        The pattern is worked out once: matrices share their indices, which are read-only, and each has data of its own.
        What changes a pattern in place, such as ``eliminate_zeros``, is for a ``copy()``.

        Extents have to be given, as for :meth:`pattern`, if none of these arrays has them.
        """
        if len(values) != len(self.graph.outputs):
            outputs = ", ".join(self.graph.outputs)
            raise DerivationError(f"assemble: found {len(values)} arrays, expected those of the outputs {outputs}")
        arrays = [np.asarray(value) for value in values]
        for name, number, axis in self._seen:
            extents[name] = arrays[number].shape[axis]
        rows = self._rows(tuple(self._sizes(extents).items()))
        return rows.matrix(np.concatenate([array.reshape(-1) for array in arrays[1:]] or [np.zeros(0)]))

    @cached_property
    def _rows(self) -> Callable[[tuple[tuple[Extent, int], ...]], Rows]:
        """The pattern of the matrix in rows, worked out once for each choice of extents."""

        @lru_cache(maxsize=8)
        def rows(sizes: tuple[tuple[Extent, int], ...]) -> Rows:
            known = dict(sizes)
            shape = self._size(self.of, known), sum(self._size(variable, known) for variable in self.wrt)
            return in_rows(*self._places({str(n): size for n, size in sizes}), shape)

        return rows

    @cached_property
    def _seen(self) -> Sequence[tuple[str, int, int]]:
        """Where the arrays have the symbolic extents: the name, the number of the output, the axis."""
        shapes = (self.graph.variable(name).shape for name in self.graph.outputs)
        axes = ((n, number, axis) for number, shape in enumerate(shapes) for axis, n in enumerate(shape))
        return tuple((str(n), number, axis) for n, number, axis in axes if is_symbolic(n))

    @cached_property
    def _symbols(self) -> Mapping[str, Extent]:
        return {str(n): n for v in (self.of, *self.wrt) for n in v.shape if is_symbolic(n)}

    def _sizes(self, extents: Mapping[str, int]) -> Mapping[Extent, int]:
        for name in self._symbols:
            if name not in extents:
                raise DerivationError(f"the extent {name} is not known, expected {name}=…")
        return {n: extents[name] for name, n in self._symbols.items()}

    @staticmethod
    def _size(variable: Variable, sizes: Mapping[Extent, int]) -> int:
        return prod(length(n, sizes) for n in variable.shape)


def sparse_jacobian(graph: Graph, of: Named, wrt: Wrt | None = None, *, mode: Mode = "auto") -> SparseJacobian:
    """The Jacobian of ``of`` as its nonzero values: what is known to be 0 is neither computed nor stored.

    Known are the zeros that follow from subscripts and from conditions on them: of samples that do not meet, of the
    rows of a matrix that a row of its product does not read, of elements that are assigned singly, of all but the
    neighbours in a difference x[i + 1] − x[i], of what a branch of a ``Piecewise`` does not read where it is taken.

    >>> from codegen import Index, compile
    >>> i, x, y = Index("i", 3), Variable("x", (3,)), Variable("y", (3,))
    >>> found = sparse_jacobian(Graph((x,), (Equation(y[i], x[i] ** 2),), ("y",)), "y")
    >>> [places.tolist() for places in found.pattern()]
    [[0, 1, 2], [0, 1, 2]]
    >>> found.assemble(*compile(found.graph)(np.array([1.0, 2.0, 3.0]))).toarray().tolist()
    [[2.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 6.0]]
    """
    require_mode(mode)
    vertex, names = asked(graph, of, wrt)
    if (formulas := Straight.of(graph, vertex, names)) is not None:
        return _of_formulas(formulas, vertex, names, mode)
    prepared, of, names = prepare(graph, of, wrt)
    return _put_out(prepared, of, *MODES[chosen(prepared, of, names, mode)](prepared, of, names))


def _of_formulas(formulas: Straight, of: str, wrt: Sequence[str], mode: Mode) -> SparseJacobian:
    """One array of values for each input."""
    graph, target = formulas.graph, formulas.graph.variable(of)
    parts: list[Listed] = []
    for variable, entries in straight.entries(formulas, of, wrt, mode):
        places = np.array([place for place, _ in entries], np.int64).reshape(len(entries), 2)
        parts.append(Listed(variable, places[:, 0], places[:, 1]))
        if entries:
            values = Variable(formulas.name(f"values of d{of}/d{variable.name}"), (len(entries),))
            formulas.put(values, [node for _, node in entries])
    return SparseJacobian(formulas.derived(), target, tuple(map(graph.variable, wrt)), tuple(parts))


def _put_out(graph: Graph, of: str, system: System, found: Sequence[Blocks]) -> SparseJacobian:
    outputs, nonzeros, zeros = [of], [], Zeros(system.equations)
    for blocks in found:
        for block in blocks.blocks:
            order = block.indices
            for term in block.terms:
                parts = split(term, order, (), order)
                if parts is None:
                    continue
                structure, whole = parts
                for core in zeros.opened(whole):
                    core, places = _placed(core, {i: v for i in order if (v := structure.value(i)) != i}, order)
                    if (condition := zeros.condition(core)) == False:  # noqa: E712 - a SymPy boolean
                        continue
                    kept = tuple(i for i in order if i not in places)
                    name = system.names.new(f"values of {blocks.name}")
                    system.append(Equation(over(name, kept), core))
                    outputs.append(name)
                    rows, columns = (
                        tuple(expand(reindex(subscript, places)) for subscript in key)
                        for key in (block.rows, block.columns)
                    )
                    nonzeros.append(Nonzeros(blocks.wrt, kept, rows, columns, condition))
    derived = graph.with_equations(system.equations, outputs)
    return SparseJacobian(derived, graph.variable(of), tuple(b.wrt for b in found), tuple(nonzeros))


def _placed(core: Expr, places: dict[Idx, Expr], order: Sequence[Idx]) -> tuple[Expr, dict[Idx, Expr]]:
    """A product without the brackets that say what an index is, and these indices in terms of the others."""
    for index in reversed(order):
        found = None if index in places else selected(core, index)
        if found is not None and not {index, *places} & {*indices(found.body), *indices(found.value)}:
            core, value = found.body, found.value
            places = {i: reindex(place, {index: value}) for i, place in places.items()} | {index: value}
    return core, places
