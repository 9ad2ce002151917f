"""The one data structure: an ordered, single-assignment, immutable list of equations in index notation.

A vertex is what one equation assigns. Its target is a scalar (``Symbol``), a whole array (``z1[s, h]``, every
subscript an index) or a family of elements of one (``z1[s, 3]``, some subscripts integers): the neuron-by-neuron view
of a network is the same graph with the same inputs and outputs, its equations assigning single elements.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product
from typing import Literal

from sympy import Add, Expr, IndexedBase, Integer, Symbol, sympify
from sympy import Idx as Index

from codegen.errors import GraphError
from codegen.expression import (
    Extent,
    base_name,
    extent,
    indices,
    is_variable,
    postorder,
    references,
    reindex,
    shape,
    subscripts,
)
from codegen.functions import maximum

Kind = Literal["real", "integer"]

Cell = tuple[str, tuple[int | None, ...]]
"""A vertex as a key: the variable's name and, an axis at a time, the integer subscript or None for a whole axis."""


class Reduction(enum.Enum):
    """How the values over the reduced indices are combined."""

    SUM = "sum"
    MAX = "max"


@dataclass(frozen=True)
class Variable:
    """A named array: its shape has integers and at most symbols for the number of samples.

    >>> S = sample_extent()
    >>> x = Variable("x", (S, 2))
    >>> x[Index("s", S), 1]
    x[s, 1]
    """

    name: str
    shape: tuple[Extent, ...] = ()
    kind: Kind = "real"

    @cached_property
    def symbol(self) -> Expr:
        """The SymPy object that references are made of: a symbol, or an ``IndexedBase``."""
        return IndexedBase(self.name, shape=self.shape, real=True) if self.shape else Symbol(self.name, real=True)

    def __getitem__(self, key: Expr | int | tuple[Expr | int, ...]) -> Expr:
        """The reference with these subscripts; ``v[()]`` is the scalar itself."""
        key = key if isinstance(key, tuple) else (key,)
        if len(key) != len(self.shape):
            raise GraphError(f"{self.name} has {len(self.shape)} axes, found {len(key)} subscripts {list(key)}")
        return self.symbol[key] if key else self.symbol


def sample_extent(name: str = "S") -> Symbol:
    """The symbolic number of samples, a positive integer."""
    return Symbol(name, integer=True, positive=True)


@dataclass(frozen=True)
class Equation:
    """``target = body``, or ``target = Σ body`` / ``max body`` over the reduced indices.

    >>> h, d = Index("h", 3), Index("d", 2)
    >>> W, x, z = Variable("W", (3, 2)), Variable("x", (2,)), Variable("z", (3,))
    >>> print(Equation(z[h], W[h, d] * x[d], Reduction.SUM, (d,)))
    z[h] = Σ_d W[h, d]*x[d]
    """

    target: Expr
    body: Expr
    reduction: Reduction | None = None
    reduced: tuple[Index, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.body, Expr):
            object.__setattr__(self, "body", sympify(self.body))

    @cached_property
    def name(self) -> str:
        """The name of the variable that is assigned."""
        return base_name(self.target)

    @cached_property
    def cell(self) -> Cell:
        """The vertex that is assigned."""
        return cell_of(self.target)

    @cached_property
    def free(self) -> tuple[Index, ...]:
        """The indices of the target."""
        return tuple(i for i in subscripts(self.target) if isinstance(i, Index))

    @cached_property
    def domain(self) -> tuple[Index, ...]:
        """All indices the equation runs over: the target's, then the reduced ones."""
        return self.free + self.reduced

    @cached_property
    def references(self) -> tuple[Expr, ...]:
        """The vertices that the body reads, in order of first occurrence."""
        return references(self.body)

    def with_body(self, body: Expr) -> Equation:
        """The same target and reduction with another body."""
        return Equation(self.target, body, self.reduction, self.reduced)

    def __str__(self) -> str:
        sign = {None: "", Reduction.SUM: "Σ", Reduction.MAX: "max"}[self.reduction]
        over = f"{sign}_{','.join(str(i) for i in self.reduced)} " if self.reduction else ""
        return f"{self.target} = {over}{self.body}"


@dataclass(frozen=True)
class Graph:
    """Inputs, equations in an order in which they can be evaluated, and the names of the outputs.

    The constructor validates everything and puts the equations in order; it raises :class:`GraphError` naming the
    equation for a reference to nothing, a shape or range that does not fit, a double assignment, a cycle, an index that
    is free on the right but not on the left, and a reduced index that the body does not have.

    >>> a, b = Variable("a"), Variable("b")
    >>> c = Variable("c")
    >>> graph = Graph((a, b), (Equation(c.symbol, a.symbol + b.symbol),), ("c",))
    >>> print(graph)
    inputs a, b
    c = a + b
    outputs c
    """

    inputs: tuple[Variable, ...]
    equations: tuple[Equation, ...]
    outputs: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in ("inputs", "equations", "outputs"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        _validate(self)
        object.__setattr__(self, "equations", _in_order(self))

    @cached_property
    def variables(self) -> Mapping[str, Variable]:
        """Every variable by name: the inputs, then those assigned, in order."""
        found = {variable.name: variable for variable in self.inputs}
        for equation in self.equations:
            if equation.name not in found:
                found[equation.name] = Variable(equation.name, shape(equation.target))
        return found

    @cached_property
    def definitions(self) -> Mapping[str, tuple[Equation, ...]]:
        """The equations that assign a variable, by its name; none for an input."""
        found: dict[str, list[Equation]] = {name: [] for name in self.variables}
        for equation in self.equations:
            found[equation.name].append(equation)
        return {name: tuple(equations) for name, equations in found.items()}

    @cached_property
    def cells(self) -> Mapping[str, tuple[Cell, ...]]:
        """The vertices that make up each variable.

        An input has the granularity at which it is read: an axis that every reference subscripts by an integer is
        cut into its elements, any other is one piece.
        """
        found = {name: tuple(e.cell for e in equations) for name, equations in self.definitions.items()}
        patterns: dict[str, list[tuple[bool, ...]]] = {variable.name: [] for variable in self.inputs}
        for equation in self.equations:
            for reference in equation.references:
                if (name := base_name(reference)) in patterns:
                    patterns[name].append(tuple(isinstance(i, Integer) for i in subscripts(reference)))
        for variable in self.inputs:
            cut = [bool(flags) and all(flags) for flags in zip(*patterns[variable.name])] or [False] * len(
                variable.shape
            )
            axes = [range(n) if whole and isinstance(n, int) else (None,) for n, whole in zip(variable.shape, cut)]
            found[variable.name] = tuple((variable.name, pattern) for pattern in product(*axes))
        return found

    @cached_property
    def _vertices(self) -> frozenset[Cell]:
        return frozenset(cell for cells in self.cells.values() for cell in cells)

    @cached_property
    def keys(self) -> Mapping[Cell, tuple[Expr, ...]]:
        """The subscripts to write each vertex with: its equation's, or for an input those it is first read with."""
        found = {e.cell: subscripts(e.target) for e in self.equations}
        for equation in self.equations:
            for reference in equation.references:
                cell, key = cell_of(reference), subscripts(reference)
                free = [i for i in key if isinstance(i, Index)]
                if cell not in found and len(set(free)) == len(free):
                    found[cell] = key
        for variable in self.inputs:
            for cell in self.cells[variable.name]:
                found.setdefault(cell, _plain_key(variable, cell))
        return found

    @cached_property
    def extents(self) -> tuple[Symbol, ...]:
        """The symbolic extents, in order of first occurrence in the shapes of the inputs."""
        found = dict.fromkeys(e for v in self.variables.values() for e in v.shape if not isinstance(e, int))
        return tuple(found)

    @cached_property
    def index_names(self) -> frozenset[str]:
        """The names of all indices in use."""
        return frozenset(str(i.label) for e in self.equations for i in (*e.domain, *indices(e.body)))

    def resolve(self, reference: Expr) -> tuple[Cell, ...]:
        """The vertices that a reference reads: one, unless it reads across elements that are assigned singly."""
        cell = cell_of(reference)
        if cell in self._vertices:
            return (cell,)
        return tuple(c for c in self.cells[cell[0]] if overlap(cell[1], c[1]))

    def variable(self, name: str) -> Variable:
        """The variable of this name; a :class:`GraphError` that lists the known names otherwise."""
        if name not in self.variables:
            known = ", ".join(list(self.variables)[:20])
            raise GraphError(f"the graph has no variable {name!r} (it has: {known})")
        return self.variables[name]

    def with_equations(self, equations: Iterable[Equation], outputs: Sequence[str] | None = None) -> Graph:
        """The same inputs with other equations."""
        return Graph(self.inputs, tuple(equations), self.outputs if outputs is None else tuple(outputs))

    def with_outputs(self, *names: str) -> Graph:
        """The same equations with other outputs."""
        return Graph(self.inputs, self.equations, names)

    def unroll(self, limit: int = 100_000) -> Graph:
        """Rewrite every index but the symbolic ones away: one equation an element, reductions written out.

        Inputs and outputs keep their names and shapes. Raises :class:`GraphError` above ``limit`` equations.

        >>> h, d = Index("h", 2), Index("d", 2)
        >>> W, x, z = Variable("W", (2, 2)), Variable("x", (2,)), Variable("z", (2,))
        >>> print(Graph((W, x), (Equation(z[h], W[h, d] * x[d], Reduction.SUM, (d,)),), ("z",)).unroll())
        inputs W[2, 2], x[2]
        z[0] = W[0, 0]*x[0] + W[0, 1]*x[1]
        z[1] = W[1, 0]*x[0] + W[1, 1]*x[1]
        outputs z
        """
        return unroll(self, limit)

    def __str__(self) -> str:
        inputs = ", ".join(v.name + (f"[{', '.join(map(str, v.shape))}]" if v.shape else "") for v in self.inputs)
        return "\n".join([f"inputs {inputs}", *map(str, self.equations), f"outputs {', '.join(self.outputs)}"])


def cell_of(reference: Expr) -> Cell:
    """The key of a target or reference: integer subscripts kept, indices blanked.

    >>> cell_of(Variable("W", (3, 2))[1, Index("d", 2)])
    ('W', (1, None))
    """
    pattern = tuple(int(i) if isinstance(i, Integer) else None for i in subscripts(reference))
    return base_name(reference), pattern


def _plain_key(variable: Variable, cell: Cell) -> tuple[Expr, ...]:
    return tuple(
        Integer(m) if m is not None else Index(f"i{axis}", n)
        for axis, (m, n) in enumerate(zip(cell[1], variable.shape))
    )


def overlap(a: tuple[int | None, ...], b: tuple[int | None, ...]) -> bool:
    """Whether two patterns of one variable share an element."""
    return all(m is None or n is None or m == n for m, n in zip(a, b))


# --- validation ---------------------------------------------------------------------------------------------------


def _validate(graph: Graph) -> None:
    declared: dict[str, tuple[Extent, ...]] = {}
    for variable in graph.inputs:
        if variable.name in declared:
            raise GraphError(f"input {variable.name!r} is declared twice")
        for n in variable.shape:
            if isinstance(n, int) and n < 1:
                raise GraphError(f"input {variable.name!r} has shape {variable.shape}: an extent must be at least 1")
        declared[variable.name] = variable.shape
    assigned: dict[str, set[tuple[int | None, ...]]] = {}
    for equation in graph.equations:
        name, pattern = equation.cell
        if name in declared and name not in assigned:
            raise GraphError(f"equation {_quote(equation)}: {name!r} is an input and cannot be assigned")
        others = assigned.setdefault(name, set())
        if pattern in others:
            raise GraphError(f"equation {_quote(equation)}: {equation.target} is assigned twice")
        others.add(pattern)
        if declared.setdefault(name, shape(equation.target)) != shape(equation.target):
            raise GraphError(
                f"equation {_quote(equation)}: {name} has shape {shape(equation.target)} here and {declared[name]} before"
            )
    for name, patterns in assigned.items():
        _validate_disjoint(name, patterns)
    for equation in graph.equations:
        _validate_equation(equation, declared, assigned)
    if not graph.outputs:
        raise GraphError("a graph needs at least one output")
    for name in graph.outputs:
        if name not in declared:
            raise GraphError(
                f"output {name!r} is not a variable of the graph (it has: {', '.join(list(declared)[:20])})"
            )
    if len(set(graph.outputs)) != len(graph.outputs):
        raise GraphError(f"an output is named twice: {', '.join(graph.outputs)}")


def _validate_disjoint(name: str, patterns: set[tuple[int | None, ...]]) -> None:
    # Patterns of one granularity are disjoint when they differ; only mixed ones need the pairwise test.
    if len({tuple(p is None for p in pattern) for pattern in patterns}) > 1:
        for a, b in combinations(sorted(patterns, key=str), 2):
            if overlap(a, b):
                raise GraphError(
                    f"variable {name!r}: two equations assign elements in common, {_show(a)} and {_show(b)}"
                )


def _show(pattern: tuple[int | None, ...]) -> str:
    return "[" + ", ".join(":" if p is None else str(p) for p in pattern) + "]"


def _validate_equation(
    equation: Equation, declared: Mapping[str, tuple[Extent, ...]], assigned: Mapping[str, set[tuple[int | None, ...]]]
) -> None:
    if len(set(equation.domain)) != len(equation.domain):
        raise GraphError(f"equation {_quote(equation)}: an index occurs twice in the target or the reduction")
    if (equation.reduction is None) != (not equation.reduced):
        raise GraphError(f"equation {_quote(equation)}: a reduction and its reduced indices go together")
    _validate_reference(equation, equation.target, declared)
    in_body = set(indices(equation.body))
    for index in equation.reduced:
        if index not in in_body:
            raise GraphError(f"equation {_quote(equation)}: the reduced index {index} does not occur in the body")
    for index in in_body.difference(equation.domain):
        raise GraphError(
            f"equation {_quote(equation)}: the index {index} (range {extent(index)}) is neither in the target nor reduced"
        )
    for reference in equation.references:
        name, pattern = cell_of(reference)
        if name not in declared:
            raise GraphError(
                f"equation {_quote(equation)}: {reference} refers to {name!r}, which is neither an input nor assigned"
            )
        _validate_reference(equation, reference, declared)
        if name in assigned and pattern not in assigned[name] and not any(overlap(pattern, c) for c in assigned[name]):
            raise GraphError(f"equation {_quote(equation)}: no equation assigns {reference}")


def _validate_reference(equation: Equation, reference: Expr, declared: Mapping[str, tuple[Extent, ...]]) -> None:
    name, key, extents = base_name(reference), subscripts(reference), declared[base_name(reference)]
    if shape(reference) != extents:
        raise GraphError(
            f"equation {_quote(equation)}: {reference} has shape {shape(reference)}, but {name} is declared with {extents}"
        )
    if len(key) != len(extents):
        raise GraphError(f"equation {_quote(equation)}: {reference} has {len(key)} subscripts, expected {len(extents)}")
    for subscript, n in zip(key, extents):
        if isinstance(subscript, Index):
            if extent(subscript) != n:
                raise GraphError(
                    f"equation {_quote(equation)}: in {reference} the index {subscript} has range {extent(subscript)}, "
                    f"but that axis of {name} has extent {n}"
                )
        elif not isinstance(subscript, Integer):
            raise GraphError(
                f"equation {_quote(equation)}: the subscript {subscript} of {reference} is neither an index nor an integer"
            )
        elif not isinstance(n, int) or not 0 <= int(subscript) < n:
            raise GraphError(
                f"equation {_quote(equation)}: the subscript {subscript} of {reference} is outside 0 … {n} - 1"
            )


def _quote(equation: Equation, width: int = 120) -> str:
    text = str(equation) if sum(1 for _ in postorder(equation.body)) < 60 else f"{equation.target} = …"
    return f"`{text if len(text) <= width else text[: width - 1] + '…'}`"


def _in_order(graph: Graph) -> tuple[Equation, ...]:
    """A stable topological order: as given where that works, otherwise each equation after what it reads."""
    by_name: dict[str, dict[tuple[int | None, ...], int]] = {}
    for position, equation in enumerate(graph.equations):
        by_name.setdefault(equation.name, {})[equation.cell[1]] = position
    needs = [_positions(equation, by_name) for equation in graph.equations]
    if all(n < position for position, before in enumerate(needs) for n in before):
        return graph.equations
    order: list[int] = []
    state = [0] * len(needs)  # 0 not seen, 1 being visited, 2 placed
    for start in range(len(needs)):
        stack = [(start, False)]
        while stack:
            position, done = stack.pop()
            if done:
                state[position] = 2
                order.append(position)
            elif state[position] == 0:
                state[position] = 1
                stack.append((position, True))
                for n in reversed(needs[position]):
                    if state[n] == 1:
                        raise GraphError(
                            f"equation {_quote(graph.equations[position])}: cycle, {graph.equations[n].target} depends on itself"
                        )
                    stack.append((n, False))
    return tuple(graph.equations[position] for position in order)


def _positions(equation: Equation, by_name: Mapping[str, Mapping[tuple[int | None, ...], int]]) -> list[int]:
    found = []
    for reference in equation.references:
        name, pattern = cell_of(reference)
        cells = by_name.get(name, {})
        if pattern in cells:
            found.append(cells[pattern])
        else:
            found.extend(position for other, position in cells.items() if overlap(pattern, other))
    return found


# --- the neuron-by-neuron view ------------------------------------------------------------------------------------


def unroll(graph: Graph, limit: int = 100_000) -> Graph:
    """See :meth:`Graph.unroll`."""
    count = sum(_product(i for i in e.free) for e in graph.equations)
    if count > limit:
        raise GraphError(f"unrolling gives {count} scalar equations, more than the limit of {limit}")
    return graph.with_equations(scalar for equation in graph.equations for scalar in _scalars(equation))


def _product(of: Iterable[Index]) -> int:
    result = 1
    for index in of:
        n = extent(index)
        result *= n if isinstance(n, int) else 1
    return result


def _assignments(of: Sequence[Index]) -> Iterable[dict[Index, Integer]]:
    counted = [i for i in of if isinstance(extent(i), int)]
    for values in product(*(range(int(extent(i))) for i in counted)):
        yield {i: Integer(v) for i, v in zip(counted, values)}


def _scalars(equation: Equation) -> Iterable[Equation]:
    combine = {None: lambda *terms: terms[0], Reduction.SUM: Add, Reduction.MAX: maximum}[equation.reduction]
    remaining = tuple(i for i in equation.reduced if not isinstance(extent(i), int))
    for outer in _assignments(equation.free):
        target = reindex(equation.target, outer)
        terms = [reindex(equation.body, {**outer, **inner}) for inner in _assignments(equation.reduced)]
        body = combine(*terms) if len(terms) > 1 else terms[0]
        if remaining and not set(remaining) <= set(indices(body)):
            body, remaining_here = _scaled(body, remaining, equation.reduction)
        else:
            remaining_here = remaining
        yield Equation(target, body, equation.reduction if remaining_here else None, remaining_here)


def _scaled(body: Expr, reduced: tuple[Index, ...], reduction: Reduction | None) -> tuple[Expr, tuple[Index, ...]]:
    """Take out the reduced indices that the body no longer has: a sum over them is a multiple."""
    present = set(indices(body))
    missing = [i for i in reduced if i not in present]
    if reduction is Reduction.SUM:
        for index in missing:
            body = body * extent(index)
    return body, tuple(i for i in reduced if i in present)


__all__ = [
    "Cell",
    "Equation",
    "Graph",
    "Index",
    "Kind",
    "Reduction",
    "Variable",
    "cell_of",
    "is_variable",
    "overlap",
    "sample_extent",
    "unroll",
]
