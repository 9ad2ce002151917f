"""Gradients by tables of which integers say the rows: those rows and their gradients, nothing for all others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sympy import Expr, Idx
from sympy.core.basic import Basic

from codegen.derive.requests.request import Named, Wrt, asked, names_of, prepare, require_scalar
from codegen.derive.reverse import reverse
from codegen.derive.terms.zeros import integer_value
from codegen.errors import DerivationError, of_type
from codegen.ir.affine import data_of
from codegen.ir.equation import over
from codegen.ir.graph import Equation, Graph, Variable
from codegen.ir.names import Names
from codegen.ir.ranges import defined, guarded, said_of_integers
from codegen.walk import (
    base_name,
    extent,
    indices,
    is_plain_on,
    is_symbolic,
    length,
    reindex,
    shape,
    subscripts,
    substitute,
)


@dataclass(frozen=True)
class Reading:
    """One place where rows of a table are read: row ``factor·data + offset`` for all values of ``indices``."""

    table: Variable
    data: Expr
    """The integers that are read."""
    factor: int
    offset: Expr
    indices: tuple[Idx, ...]
    guarded: bool = False
    """Whether conditions say where a row is read: elsewhere its gradient is 0, and the row may be none of the table."""

    def rows(self, integers: NDArray[np.int64], sizes: Mapping[Expr, int]) -> NDArray[np.int64]:
        """The number of each row that is read, in C order of the indices; ``sizes`` are the symbolic lengths.

        −1 where the integer is not there.
        """
        counts = [length(extent(i), sizes) for i in self.indices]
        grid: dict[Basic, object] = dict(sizes)
        grid.update(zip(self.indices, np.indices(counts, np.int64)))
        at = [integer_value(subscript, grid) for subscript in subscripts(self.data)]
        there = np.all([(one >= 0) & (one < n) for one, n in zip(at, integers.shape)], axis=0)
        read = integers[tuple(np.where(there, one, 0) for one in at)] if np.any(there) else 0
        found = np.where(there, self.factor * read + integer_value(self.offset, grid), -1)
        places: NDArray[np.int64] = np.broadcast_to(found, counts).reshape(-1)
        return places


@dataclass(frozen=True)
class SparseRows:
    """Rows of a table and values for each; a row that occurs several times has the sum of them.

    As the coordinates and values of ``scipy.sparse.coo_array`` and of PyTorch's sparse tensors, those of whole rows.

    >>> import numpy as np
    >>> found = SparseRows(np.array([1, 1]), np.array([[1.0, 2.0], [3.0, 4.0]]), (3, 2))
    >>> found.rows.tolist(), found.values.tolist()
    ([1, 1], [[1.0, 2.0], [3.0, 4.0]])
    """

    rows: NDArray[np.int64]
    """(n,)"""
    values: NDArray[np.floating]
    """(n, …), the shape of a row behind."""
    shape: tuple[int, ...]
    """Of the table."""

    def coalesced(self) -> SparseRows:
        """Each row once, in ascending order, with the sum of its values in the order in which they are."""
        rows, place = np.unique(self.rows, return_inverse=True)
        values = np.zeros((len(rows), *self.values.shape[1:]), self.values.dtype)
        np.add.at(values, place, self.values)
        return SparseRows(rows, values, self.shape)

    def dense(self) -> NDArray[np.floating]:
        """The array of the table's shape, 0 in all other rows."""
        found = np.zeros(self.shape, self.values.dtype)
        np.add.at(found, self.rows, self.values)
        return found


@dataclass(frozen=True)
class RowGradients:
    """A graph with outputs ``of``, the values of each reading of the tables, and derivatives by other vertices."""

    graph: Graph
    readings: tuple[Reading, ...]

    def collect(self, results: Sequence[ArrayLike], inputs: Mapping[str, ArrayLike]) -> dict[str, SparseRows]:
        """The rows of each table and their gradients, of all that the compiled graph returned for some ``inputs``.

        ``inputs`` are by name; the integers are read, and the lengths of the tables. Raises :class:`DerivationError`
        for what is missing, of other lengths, or says rows that the table has not.
        """
        self._check(results, inputs)
        sizes: dict[Expr, int] = {}
        for variable in self.graph.inputs:
            if variable.name in inputs:
                found = np.shape(inputs[variable.name])
                sizes.update((n, size) for n, size in zip(variable.shape, found) if is_symbolic(n))
        rows: dict[str, list[NDArray[np.int64]]] = {}
        values: dict[str, list[NDArray[np.floating]]] = {}
        for reading, result in zip(self.readings, results[1:]):
            integers = np.asarray(inputs[base_name(reading.data)], np.int64)
            array, name = np.asarray(result), reading.table.name
            places, count = reading.rows(integers, sizes), length(reading.table.shape[0], sizes)
            there = (places >= 0) & (places < count)
            if not reading.guarded and not there.all():
                wrong = places[~there][0]
                raise DerivationError(
                    f"collect: {base_name(reading.data)!r} says row {wrong} of {name!r}, which has {count}"
                )
            if prod(array.shape[: len(reading.indices)]) != len(places):
                raise DerivationError(f"collect: found {array.shape} values for {len(places)} rows of {name!r}")
            rows.setdefault(name, []).append(places[there])
            behind = array.shape[len(reading.indices) :]
            values.setdefault(reading.table.name, []).append(array.reshape(-1, *behind)[there])
        shapes = {r.table.name: tuple(length(n, sizes) for n in r.table.shape) for r in self.readings}
        return {
            name: SparseRows(np.concatenate(rows[name]), np.concatenate(values[name]), shapes[name]) for name in rows
        }

    def _check(self, results: Sequence[ArrayLike], inputs: Mapping[str, ArrayLike]) -> None:
        if not isinstance(inputs, Mapping):
            raise DerivationError(f"collect: inputs is {of_type(inputs)}, expected a mapping of names to arrays")
        if len(results) != len(self.graph.outputs):
            outputs = ", ".join(self.graph.outputs)
            raise DerivationError(f"collect: found {len(results)} results, expected those of the outputs {outputs}")
        for name in (name for r in self.readings for name in (r.table.name, base_name(r.data))):
            variable = self.graph.variable(name)
            if name not in inputs:
                raise DerivationError(f"collect: the input {name!r} is missing")
            if np.ndim(inputs[name]) != len(variable.shape):
                raise DerivationError(
                    f"collect: {name!r} must have shape {variable.shape}, found {np.shape(inputs[name])}"
                )


def row_gradients(graph: Graph, of: Named, tables: Wrt, wrt: Wrt = ()) -> RowGradients:
    """The gradient of a scalar by tables that are read at ``E[y[s], …]``, for the rows that are read alone.

    Its graph has as outputs ``of``, for each place where a table is read an array of the gradients of what is read
    there, and d of/d w for each w of ``wrt``. An evaluation costs what the rows read cost, whatever the length of the
    tables, which the gradient by :func:`~codegen.gradient` fills with zeros. :meth:`RowGradients.collect` gives the
    rows and their gradients; rows that are read several times occur as often, those that ``padded`` or a condition
    leaves out not at all.

    Raises :class:`DerivationError` for a table that is read otherwise than by rows which integers say.

    >>> from codegen import from_expressions
    >>> from sympy import IndexedBase, Sum, Symbol
    >>> S, V = Symbol("S"), Symbol("V")
    >>> s, d = Idx("s", S), Idx("d", 2)
    >>> E, y = IndexedBase("E", shape=(V, 2)), IndexedBase("y", shape=(S,), integer=True)
    >>> found = row_gradients(from_expressions({"e": Sum(E[y[s], d] ** 2, s, d)}, [E, y]), "e", "E")
    >>> print(found.graph.with_outputs(*found.graph.outputs[1:]))
    inputs E[V, 2], y[S]
    E of y[s, d] = E[y[s], d]
    e = Σ_d,s E of y[s, d]**2
    de/de = 1
    de/dE of y[s, d] = 2*de/de*E of y[s, d]
    outputs de/dE of y
    >>> results = [3.0, [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]]
    >>> rows = found.collect(results, {"E": np.zeros((9, 2)), "y": [7, 0, 7]})["E"].coalesced()
    >>> rows.rows.tolist(), rows.values.tolist(), rows.shape
    ([0, 7], [[3.0, 4.0], [6.0, 8.0]], (9, 2))
    """
    names = names_of(tables, "tables")
    vertex, others = asked(graph, of, wrt)
    asked(graph, of, names)
    require_scalar(graph, vertex, "gradient")
    reader = _Reader(graph, names)
    equations = [part for equation in graph.equations for part in reader.apart(equation)]
    apart = graph.with_equations(equations)
    readings = sorted(reader.readings.items(), key=lambda one: names.index(one[1].table.name))
    if unread := [name for name in names if name not in {reading.table.name for _, reading in readings}]:
        raise DerivationError(f"row_gradients: no row of {unread[0]!r} is read")
    prepared, vertex, wanted = prepare(apart, vertex, [*(name for name, _ in readings), *others])
    return RowGradients(reverse(prepared, vertex, wanted), tuple(reading for _, reading in readings))


class _Reader:
    """Gives the rows that are read vertices of their own, one for all equations that read the same."""

    def __init__(self, graph: Graph, tables: Sequence[str]) -> None:
        self._graph, self._tables = graph, frozenset(tables)
        self._names = Names(graph.variables)
        self._made: dict[Expr, Expr] = {}
        self.readings: dict[str, Reading] = {}
        """By the name of the vertex."""

    def apart(self, equation: Equation) -> Iterator[Equation]:
        """An equation after those of the vertices that it is the first to read."""
        hits: dict[Expr, Expr] = {}
        for reference in equation.references:
            if base_name(reference) not in self._tables:
                continue
            reading, behind = self._reading(reference)
            own = (*reading.indices, *behind)
            read = defined(guarded(reference, *said_of_integers(equation.body, reference)))
            reading = replace(reading, guarded=read != reference)
            what = reindex(read, {i: Idx(f"i{place}", extent(i)) for place, i in enumerate(own)})
            if what not in self._made:
                name = self._names.new(f"{base_name(reference)} of {base_name(reading.data)}")
                self.readings[name] = reading
                self._made[what] = over(name, own)
                yield Equation(self._made[what], read)
            hits[reference] = self._made[what].base[own]
        yield equation.with_body(substitute(equation.body, hits)) if hits else equation

    def _reading(self, reference: Expr) -> tuple[Reading, tuple[Idx, ...]]:
        """How a table is read, and the indices along a row of it."""
        row, *behind = subscripts(reference)
        data, leading = data_of(row), indices(row)
        along = tuple(index for index in behind if isinstance(index, Idx))
        whole = len(along) == len(behind) and all(map(is_plain_on, behind, shape(reference)[1:]))
        if data is None or not whole or len({*along, *leading}) < len(along) + len(leading):
            raise DerivationError(
                f"row_gradients: {base_name(reference)!r} is read as {reference}, expected whole rows that integers say"
            )
        table = self._graph.variable(base_name(reference))
        return Reading(table, data.integer, data.factor, data.rest.expression, leading), along
