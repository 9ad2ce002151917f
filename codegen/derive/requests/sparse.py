"""Jacobians and Hessians as sparse matrices: the values that may not be 0, and where they stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from math import prod
from typing import Any, TypeAlias

import numpy as np
import sympy
from numpy.typing import ArrayLike, NDArray
from sympy import Add, Expr, Idx, Symbol, expand
from sympy.core.basic import Basic

from codegen.cached import Recent, cached_property
from codegen.derive.accumulation import slope
from codegen.derive.requests import straight
from codegen.derive.requests.blocks import Blocks, forward_blocks
from codegen.derive.requests.jacobian import MODES, Mode, chosen, require_mode
from codegen.derive.requests.request import Named, Wrt, asked, names_of, prepared, require_scalar
from codegen.derive.requests.straight import Straight
from codegen.derive.reverse import reverse
from codegen.derive.system import System
from codegen.derive.terms.structure import split
from codegen.derive.terms.zeros import Zeros, integer_value
from codegen.errors import DerivationError
from codegen.ir.equation import over
from codegen.ir.graph import Equation, Graph, Variable
from codegen.ir.selection import selected
from codegen.walk import Extent, extent, indices, length, lengths_in, reindex

Integers = NDArray[np.int64]
Indices = NDArray[np.signedinteger[Any]]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Nonzeros:
    """One array of values: its indices, and the subscripts of ``of`` and ``wrt`` that each value belongs to.

    ``condition`` says of the indices where the array holds what is not 0 anyway; subscripts are sums of indices.
    """

    of: Variable
    wrt: Variable
    indices: tuple[Idx, ...]
    rows: tuple[Expr, ...]
    columns: tuple[Expr, ...]
    condition: Basic = sympy.true

    def places(self, sizes: Mapping[Extent, int]) -> tuple[Integers, Integers, Flags]:
        """Row and column of each value in its block, in C order, and whether it is in the block."""
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

        return flat(self.rows, self.of), flat(self.columns, self.wrt), kept


@dataclass(frozen=True)
class Listed:
    """One array of values whose rows and columns are listed."""

    of: Variable
    wrt: Variable
    rows: Integers
    columns: Integers

    def places(self, sizes: Mapping[Extent, int]) -> tuple[Integers, Integers, Flags]:
        """Row and column of each value in its block, and whether it is in the block, as all are."""
        return self.rows, self.columns, np.ones(len(self.rows), bool)


Part: TypeAlias = "Nonzeros | Listed"


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

    @property
    def places(self) -> tuple[Indices, Indices]:
        """Row and column of everything stored."""
        return np.repeat(np.arange(self.shape[0], dtype=self.ends.dtype), np.diff(self.ends)), self.indices

    @cached_property
    def empty(self) -> Any:
        """A matrix without values."""
        from codegen.shared_rows import SharedRows

        matrix = SharedRows((np.zeros(len(self.indices)), self.indices, self.ends), shape=self.shape)
        matrix.has_canonical_format = True
        return matrix

    def matrix(self, values: NDArray[np.float64]) -> Any:
        """A matrix of these values, which has this pattern's indices and data of its own."""
        # SciPy's constructor takes 30 µs, copy.copy 6; solvers keep matrices that they were given, so the data is new.
        empty = self.empty
        matrix = object.__new__(type(empty))
        matrix.__dict__.update(empty.__dict__)
        matrix.data = self.data(values)
        return matrix

    def data(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """What a matrix of these values stores, row after row."""
        if self.starts is None:
            return values.take(self.order)
        data, *more = (values.take(numbers) for numbers, _ in self.layers)
        for added, (_, places) in zip(more, self.layers[1:]):
            data[places] += added
        return data

    @cached_property
    def layers(self) -> Sequence[tuple[Integers, Integers]]:
        """The numbers of the first values of all places, of the second values of those that have any, and so on.

        Each with the places that they go to. Sums by ``np.add.reduceat`` take 10 ns a place.
        """
        starts = np.arange(len(self.order)) if self.starts is None else self.starts
        counts = np.diff(starts, append=len(self.order))
        layers = range(int(counts.max(initial=1)))
        places = [np.flatnonzero(counts > layer) for layer in layers]
        return [(self.order[starts[at] + layer], at) for layer, at in zip(layers, places)]


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
class SparseDerivative:
    """A graph with arrays of nonzero values among its outputs, the last of them, and their places in a matrix."""

    graph: Graph
    of: tuple[Variable, ...]
    """What the rows are, flattened and laid end to end."""
    wrt: tuple[Variable, ...]
    """What the columns are, in the same way."""
    nonzeros: tuple[Part, ...]

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
        first_row, first_column = _starts(self.of, sizes), _starts(self.wrt, sizes)
        found = []
        for part in self.nonzeros:
            rows, columns, kept = part.places(sizes)
            found.append((first_row[part.of.name] + rows, first_column[part.wrt.name] + columns, kept))
        empty = np.zeros(0, np.int64)
        rows, columns, kept = (np.concatenate([empty, *(part[axis] for part in found)]) for axis in range(3))
        stored = np.flatnonzero(kept)
        return rows[stored], columns[stored], stored

    def assemble(self, *values: ArrayLike, **extents: int) -> Any:
        """The ``scipy.sparse.csr_array`` of what the compiled graph returns, all of it, in canonical format.

        The pattern is worked out once: matrices share their indices, which are read-only until one changes its pattern,
        and each has data of its own.

        Extents have to be given, as for :meth:`pattern`, if none of these arrays has them.
        """
        if len(values) != len(self.graph.outputs):
            outputs = ", ".join(self.graph.outputs)
            raise DerivationError(f"assemble: found {len(values)} arrays, expected those of the outputs {outputs}")
        arrays = [np.asarray(value) for value in values]
        for name, number, axis in self._seen:
            extents[name] = arrays[number].shape[axis]
        first = len(arrays) - len(self.nonzeros)
        stored = np.concatenate([array.reshape(-1) for array in arrays[first:]] or [np.zeros(0)])
        return self.rows(**extents).matrix(stored)

    def rows(self, **extents: int) -> Rows:
        """The pattern of the matrix in rows, worked out once for each choice of extents."""
        return self._rows(tuple(self._sizes(extents).items()))

    @cached_property
    def _rows(self) -> Callable[[tuple[tuple[Extent, int], ...]], Rows]:
        return self._worked_out(self._places)

    def _worked_out(
        self, entries: Callable[[Mapping[str, int]], tuple[Integers, Integers, Integers]]
    ) -> Callable[[tuple[tuple[Extent, int], ...]], Rows]:
        """Rows of these entries: the row and column of each, and the number of the value there."""

        return Recent(partial(self._in_rows, entries))

    def _in_rows(
        self,
        entries: Callable[[Mapping[str, int]], tuple[Integers, Integers, Integers]],
        sizes: tuple[tuple[Extent, int], ...],
    ) -> Rows:
        known = dict(sizes)
        shape = _elements(self.of, known), _elements(self.wrt, known)
        return in_rows(*entries({str(n): size for n, size in sizes}), shape)

    @cached_property
    def _seen(self) -> Sequence[tuple[str, int, int]]:
        """Where the arrays have the symbolic extents: the name, the number of the output, the axis."""
        shapes = (self.graph.variable(name).shape for name in self.graph.outputs)
        axes = ((n, number, axis) for number, shape in enumerate(shapes) for axis, n in enumerate(shape))
        return tuple((str(n), number, axis) for n, number, axis in axes if isinstance(n, Symbol))

    @cached_property
    def _symbols(self) -> Mapping[str, Extent]:
        shapes = (v.shape for v in (*self.of, *self.wrt))
        return {str(n): n for shape in shapes for axis in shape if not isinstance(axis, int) for n in lengths_in(axis)}

    def _sizes(self, extents: Mapping[str, int]) -> Mapping[Extent, int]:
        for name in self._symbols:
            if name not in extents:
                raise DerivationError(f"the extent {name} is not known, expected {name}=…")
        return {n: extents[name] for name, n in self._symbols.items()}


def _starts(variables: Sequence[Variable], sizes: Mapping[Extent, int]) -> dict[str, int]:
    """Where each variable begins, all being laid end to end."""
    ends = accumulate((_elements([variable], sizes) for variable in variables), initial=0)
    return dict(zip((variable.name for variable in variables), ends))


def _elements(variables: Sequence[Variable], sizes: Mapping[Extent, int]) -> int:
    return sum(prod(length(n, sizes) for n in variable.shape) for variable in variables)


@dataclass(frozen=True)
class SparseJacobian(SparseDerivative):
    """A graph with outputs ``of`` and arrays of nonzero values, and the places of these in the Jacobian.

    Its rows are the elements of each of ``of``, flattened and laid end to end; its columns those of each of ``wrt``.

    >>> from codegen import from_expressions, sparse_jacobian
    >>> from sympy import Idx, IndexedBase
    >>> i, x, y = Idx("i", 3), IndexedBase("x"), IndexedBase("y")
    >>> found = sparse_jacobian(from_expressions({y[i]: x[i] ** 2}, [x]), "y", ["x"])
    >>> rows, columns = found.pattern()
    >>> rows.tolist(), columns.tolist()
    ([0, 1, 2], [0, 1, 2])
    """


@dataclass(frozen=True)
class SparseHessian(SparseDerivative):
    """A graph with the scalar and arrays of nonzero values of its Hessian's lower triangle, and their places in it.

    Rows and columns are the elements of each of ``wrt``, flattened and laid end to end. :meth:`pattern` is that of the
    lower triangle, diagonal included, which is what Ipopt takes; :meth:`assemble` gives the whole symmetric matrix.

    >>> from codegen import from_expressions, sparse_hessian
    >>> from sympy import symbols
    >>> a, b = symbols("a b")
    >>> found = sparse_hessian(from_expressions({"e": a**2 * b}, [a, b]), "e", ["a", "b"])
    >>> rows, columns = found.pattern()
    >>> list(zip(rows.tolist(), columns.tolist()))
    [(0, 0), (1, 0)]
    """

    def _places(self, extents: Mapping[str, int]) -> tuple[Integers, Integers, Integers]:
        rows, columns, stored = super()._places(extents)
        lower = rows >= columns
        return rows[lower], columns[lower], stored[lower]

    def lower(self, **extents: int) -> Rows:
        """The pattern of the lower triangle in rows, worked out once for each choice of extents."""
        return self._lower(tuple(self._sizes(extents).items()))

    @cached_property
    def _lower(self) -> Callable[[tuple[tuple[Extent, int], ...]], Rows]:
        return self._worked_out(self._places)

    @cached_property
    def _rows(self) -> Callable[[tuple[tuple[Extent, int], ...]], Rows]:
        return self._worked_out(self._both)

    def _both(self, extents: Mapping[str, int]) -> tuple[Integers, Integers, Integers]:
        rows, columns, stored = self._places(extents)
        off = rows > columns
        mirrored = (columns[off], rows[off], stored[off])
        first, second, numbers = map(np.concatenate, zip((rows, columns, stored), mirrored))
        return first, second, numbers


def sparse_jacobian(graph: Graph, of: Wrt, wrt: Wrt | None = None, *, mode: Mode = "auto") -> SparseJacobian:
    """The Jacobian of ``of`` as its nonzero values: what is known to be 0 is neither computed nor stored.

    ``of`` is a vertex or several, whose rows lie end to end. Known are the zeros that follow from subscripts and from
    conditions on them: of samples that do not meet, of the rows of a matrix that a row of its product does not read, of
    elements that are assigned singly, of all but the neighbours in a difference x[i + 1] − x[i], of what a branch of a
    ``Piecewise`` does not read where it is taken.

    >>> from codegen import Index, compile
    >>> i, x, y = Index("i", 3), Variable("x", (3,)), Variable("y", (3,))
    >>> found = sparse_jacobian(Graph((x,), (Equation(y[i], x[i] ** 2),), ("y",)), "y")
    >>> [places.tolist() for places in found.pattern()]
    [[0, 1, 2], [0, 1, 2]]
    >>> found.assemble(*compile(found.graph)(np.array([1.0, 2.0, 3.0]))).toarray().tolist()
    [[2.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 6.0]]
    """
    require_mode(mode)
    vertices = list(dict.fromkeys(names_of(of, "of")))
    if not vertices:
        raise DerivationError("of names no vertex, expected one or several")
    for vertex in vertices:
        _, names = asked(graph, vertex, wrt)
    derived, outputs, nonzeros = graph, list(vertices), list[Part]()
    alone = [Straight.of(graph, vertex, names) for vertex in vertices]
    if all(alone):
        for vertex, first in zip(vertices, alone):
            formulas = first if derived is graph else Straight.of(derived, vertex, names)
            assert formulas is not None  # the graph has the same formulas and more
            nonzeros += _put_entries(formulas, straight.entries(formulas, vertex, names, mode), lambda row: row.name)
            derived = formulas.derived()
            outputs += derived.outputs[1:]
    else:
        derived = prepared(graph, [*vertices, *names])
        for vertex in vertices:
            system, found = MODES[chosen(derived, vertex, names, mode)](derived, vertex, names)
            derived, parts = _put_out(derived, system, found, vertex)
            nonzeros += parts
            outputs += derived.outputs[1:]
    rows, columns = tuple(map(graph.variable, vertices)), tuple(map(graph.variable, names))
    return SparseJacobian(derived.with_outputs(outputs), rows, columns, tuple(nonzeros))


def sparse_hessian(graph: Graph, of: Named, wrt: Wrt | None = None) -> SparseHessian:
    """The Hessian of the scalar ``of`` as the nonzero values of its lower triangle.

    Rows and columns are the elements of each of ``wrt``, flattened and laid end to end (all real inputs by default).
    Forward over reverse; zeros are those that :func:`sparse_jacobian` knows. What lies above the diagonal is not
    computed where subscripts say that it does. The Hessian of a Lagrangian σ·f + Σ λ·c takes its multipliers as inputs.

    Raises :class:`DerivationError` if ``of`` has axes.

    >>> from codegen import compile, from_expressions
    >>> from sympy import IndexedBase, Sum, symbols
    >>> n, x = symbols("n"), IndexedBase("x", shape=(symbols("n"),))
    >>> i = Idx("i", n - 1)
    >>> found = sparse_hessian(from_expressions({"f": Sum((x[i + 1] - x[i] ** 2) ** 2, i)}, [x]), "f")
    >>> found.assemble(*compile(found.graph)(np.array([1.0, 2.0, 3.0]))).toarray().tolist()
    [[4.0, -4.0, 0.0], [-4.0, 38.0, -8.0], [0.0, -8.0, 2.0]]
    >>> [places.tolist() for places in found.pattern(n=3)]
    [[0, 1, 2, 1, 2], [0, 1, 2, 0, 1]]
    """
    vertex, names = asked(graph, of, wrt)
    require_scalar(graph, vertex, "Hessian matrix")
    variables = tuple(map(graph.variable, names))
    formulas = Straight.of(graph, vertex, names)
    if formulas is not None and (second := straight.lower_triangle(formulas, vertex, names)) is not None:
        parts = _put_entries(formulas, second, lambda row: slope(vertex, row.name))
        return SparseHessian(formulas.derived(), variables, variables, tuple(parts))
    slopes = reverse(prepared(graph, [vertex, *names]), vertex, names)
    by_name = dict(zip(names, slopes.outputs[1:]))
    pairs = [(a, b) for number, a in enumerate(names) for b in names[: number + 1]]
    system, found = forward_blocks(slopes, [(by_name[a], b) for a, b in pairs])
    blocks = [replace(one, of=graph.variable(a)) for one, (a, _) in zip(found, pairs)]
    derived, nonzeros = _put_out(slopes, system, blocks, vertex, lower=True)
    return SparseHessian(derived, variables, variables, tuple(nonzeros))


def _put_entries(formulas: Straight, found: Sequence[straight.Entries], name: Callable[[Variable], str]) -> list[Part]:
    """One array of values for each pair of variables that has any."""
    parts: list[Part] = []
    for row, column, entries in found:
        places = np.array([place for place, _ in entries], np.int64).reshape(len(entries), 2)
        if entries:
            parts.append(Listed(row, column, places[:, 0], places[:, 1]))
            values = Variable(formulas.name(f"values of {slope(name(row), column.name)}"), (len(entries),))
            formulas.put(values, [node for _, node in entries])
    return parts


def _put_out(
    graph: Graph, system: System, found: Sequence[Blocks], vertex: str, *, lower: bool = False
) -> tuple[Graph, list[Part]]:
    """The graph whose outputs are the vertex and the arrays of values of these blocks, and where the values stand.

    With ``lower`` rows and columns are the same variables, and what is above the diagonal for sure is left out.
    """
    outputs, nonzeros, zeros = [vertex], list[Part](), Zeros(system.equations)
    for blocks in found:
        arrays: dict[tuple[tuple[Expr, ...], ...], list[tuple[Expr, Basic]]] = {}
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
                    rows, columns = (
                        tuple(expand(reindex(subscript, places)) for subscript in key)
                        for key in (block.rows, block.columns)
                    )
                    if lower and blocks.of == blocks.wrt and _is_above(rows, columns):
                        continue
                    kept = tuple(i for i in order if i not in places)
                    arrays.setdefault((kept, rows, columns), []).append((core, condition))
        for (kept, rows, columns), terms in arrays.items():
            name = system.names.new(f"values of {blocks.name}")
            system.append(Equation(over(name, kept), Add(*[core for core, _ in terms])))
            outputs.append(name)
            condition = sympy.Or(*[condition for _, condition in terms])
            nonzeros.append(Nonzeros(blocks.of, blocks.wrt, kept, rows, columns, condition))
    return graph.with_equations(system.equations, outputs), nonzeros


def _is_above(rows: Sequence[Expr], columns: Sequence[Expr]) -> bool:
    """Whether an element comes before another of the same array wherever the indices are."""
    for row, column in zip(rows, columns):
        if (difference := column - row) != 0:
            return bool(difference.is_Integer and difference > 0)
    return False


def _placed(core: Expr, places: dict[Idx, Expr], order: Sequence[Idx]) -> tuple[Expr, dict[Idx, Expr]]:
    """A product without the brackets that say what an index is, and these indices in terms of the others."""
    for index in reversed(order):
        found = None if index in places else selected(core, index)
        if found is not None and not {index, *places} & {*indices(found.body), *indices(found.value)}:
            core, value = found.body, found.value
            places = {i: reindex(place, {index: value}) for i, place in places.items()} | {index: value}
    return core, places
