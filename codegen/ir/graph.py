"""The one data structure: an ordered, single-assignment, immutable list of equations in index notation.

A vertex is what one equation assigns. Its target is a scalar (``Symbol``), a whole array (``z1[s, h]``, every
subscript an index) or a family of elements of one (``z1[s, 3]``, some subscripts integers): the neuron-by-neuron view
of a network is the same graph with the same inputs and outputs, its equations assigning single elements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from sympy import Expr, Integer, Symbol
from sympy import Idx as Index

from codegen.cached import Fields, cached_property
from codegen.errors import CodegenError, GraphError, of_type
from codegen.ir.cells import Cell, cell_of, overlap
from codegen.ir.equation import Equation, Kind, Variable, sample_extent
from codegen.ir.formulas import Formulas
from codegen.ir.order import Scan, flat, in_steps
from codegen.ir.ranges import elements_read
from codegen.ir.reduction import Reduction
from codegen.ir.unrolling import unrolled
from codegen.ir.validation import known_names, validate
from codegen.ir.whole import whole_numbers
from codegen.markup import shown_by
from codegen.walk import (
    Extent,
    as_extent,
    data_in,
    extent,
    indices,
    is_plain,
    is_plain_on,
    is_symbolic,
    is_variable,
    lengths_in,
    shape,
    subscripts,
)


@dataclass(frozen=True)
class Graph(Fields):
    """Inputs, equations in an order in which they can be evaluated, and the names of the outputs.

    The constructor validates everything and puts the equations in order; it raises :class:`GraphError` naming the
    equation for a reference to nothing, a shape or range that does not fit, a double assignment, a cycle, an index that
    is free on the right but not on the left, a reduced index that the body does not have, and two indices of one name.

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
        validate(self.inputs, self.equations, self.outputs)
        steps = in_steps(self.equations)
        object.__setattr__(self, "equations", flat(steps))
        self.__dict__["steps"] = steps

    @staticmethod
    def of_formulas(
        inputs: Sequence[Variable],
        formulas: Formulas,
        outputs: Sequence[str],
        equations: Callable[[], Iterable[Equation]] | None = None,
    ) -> Graph:
        """The graph of formulas, of which some are outputs; its equations are written when they are asked for."""
        graph = object.__new__(Graph)
        graph.__dict__.update(inputs=tuple(inputs), outputs=tuple(outputs))
        graph.__dict__.update(formulas=formulas, ends=formulas.variables)
        graph.__dict__["_written"] = formulas.equations if equations is None else equations
        return graph

    def __getattr__(self, name: str) -> Any:
        if name != "equations" or "_written" not in self.__dict__:
            raise AttributeError(name)
        return self.__dict__.setdefault(name, tuple(self.__dict__["_written"]()))

    @cached_property
    def formulas(self) -> Formulas | None:
        """The equations as interned nodes; None if one of them has an index, or reads integers."""
        return Formulas.of(self.inputs, self.equations)

    @cached_property
    def ends(self) -> Mapping[str, Variable]:
        """The inputs and outputs by name."""
        names = {*self.outputs, *(variable.name for variable in self.inputs)}
        return {name: variable for name, variable in self.variables.items() if name in names}

    @cached_property
    def variables(self) -> Mapping[str, Variable]:
        """Every variable by name: the inputs, then those assigned, in order."""
        found = {variable.name: variable for variable in self.inputs}
        for equation in self.equations:
            if equation.name not in found:
                found[equation.name] = equation.variable
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
        found = {name: tuple([e.cell for e in equations]) for name, equations in self.definitions.items()}
        whole: dict[str, set[int]] = {variable.name: set() for variable in self.inputs}
        read: set[str] = set()
        for equation in self.equations:
            for access in equation.reads:
                name, pattern = access.cell
                if name in whole:
                    read.add(name)
                    whole[name].update([axis for axis, element in enumerate(pattern) if element is None])
        for name, uncut in whole.items():
            extents = self.variables[name].shape
            axes = [
                range(n) if name in read and a not in uncut and isinstance(n, int) else (None,)
                for a, n in enumerate(extents)
            ]
            found[name] = tuple(Cell(name, pattern) for pattern in product(*axes))
        return found

    @cached_property
    def _vertices(self) -> frozenset[Cell]:
        return frozenset(cell for cells in self.cells.values() for cell in cells)

    @cached_property
    def keys(self) -> Mapping[Cell, tuple[Expr, ...]]:
        """The subscripts to write each vertex with: its equation's, or for an input those it is first read with."""
        found = {e.cell: subscripts(e.target) for e in self.equations}
        for equation in self.equations:
            for reference, cell, *_ in equation.reads:
                if cell not in found and (key := _key_of(reference)) is not None:
                    found[cell] = key
        for variable in self.inputs:
            for cell in self.cells[variable.name]:
                found.setdefault(cell, _plain_key(variable, cell))
        return found

    @cached_property
    def extents(self) -> tuple[Symbol, ...]:
        """The symbolic extents, in order of first occurrence in the shapes of the inputs."""
        found = dict.fromkeys(symbol for v in self.inputs for n in v.shape for symbol in lengths_in(n))
        return tuple(found)

    @cached_property
    def integers(self) -> dict[str, Extent | None]:
        """What the integers of inputs are below, by the names of these."""
        return {variable.name: variable.below for variable in self.inputs if variable.kind == "integer"}

    @cached_property
    def whole(self) -> Mapping[str, Extent | None]:
        """How many values integers of inputs have, and vertices that are whole numbers, by the names of these."""
        found = whole_numbers(self.inputs, self.equations)
        return self.integers | {name: as_extent(last - first + 1) for name, (first, last) in found.items()}

    @cached_property
    def index_names(self) -> frozenset[str]:
        """The names of all indices in use."""
        return frozenset(i.name for e in self.equations for i in e.domain)

    def resolve(self, reference: Expr) -> tuple[Cell, ...]:
        """The vertices that a reference reads: one, unless it reads across elements that are assigned singly."""
        cell = cell_of(reference)
        return (cell,) if cell in self._vertices else self.meeting(Cell(cell.name, elements_read(reference)))

    def read_by(self, equation: Equation) -> Iterator[tuple[Expr, tuple[Cell, ...]]]:
        """The references of an equation, each with the vertices that it reads where its conditions hold."""
        return ((access.reference, self.read_at(equation, access.reference)) for access in equation.reads)

    def read_at(self, equation: Equation, reference: Expr) -> tuple[Cell, ...]:
        """The vertices that an equation reads by one of its references."""
        cells = self.resolve(reference)
        return cells if len(cells) == 1 else tuple(c for c in cells if equation.reads_of(reference, c.pattern))

    def meeting(self, cell: Cell) -> tuple[Cell, ...]:
        """The vertices that share elements with this piece of a variable: itself, if it is one."""
        if cell in self._vertices:
            return (cell,)
        return tuple(c for c in self.cells[cell.name] if overlap(cell.pattern, c.pattern))

    def upstream(self, *names: str, through: Callable[[Equation], Iterable[Expr]] | None = None) -> set[Cell]:
        """The vertices that these variables are computed from, their own included; ``through`` some references only."""
        found = {cell for name in names for cell in self.cells[name]}
        before = 0
        while len(found) > before:
            before = len(found)
            for equation in reversed(self.equations):
                if equation.cell in found:
                    if through is None:
                        found.update(cell for _, cells in self.read_by(equation) for cell in cells)
                    else:
                        found.update(cell for reference in through(equation) for cell in self.resolve(reference))
            if not self.scans:
                break
        return found

    @cached_property
    def steps(self) -> tuple[Equation | Scan, ...]:
        """The equations in order, those that depend on each other's earlier values as one scan."""
        return in_steps(self.equations)

    @cached_property
    def scans(self) -> Mapping[Cell, Scan]:
        """The scan that an equation is part of, by its vertex; none for most."""
        return {equation.cell: step for step in self.steps if isinstance(step, Scan) for equation in step.equations}

    @cached_property
    def over_steps(self) -> Mapping[Cell, frozenset[Index]]:
        """The indices over which sums in scans add up other steps: a vertex along them would need all steps at once."""
        return {cell: found for step in self.steps if isinstance(step, Scan) for cell, found in step.over_steps()}

    def variable(self, name: str) -> Variable:
        """The variable of this name; a :class:`GraphError` that lists the known names otherwise."""
        if name in self.ends:
            return self.ends[name]
        if name not in self.variables:
            raise GraphError(f"the graph has no variable {name!r} (it has: {known_names(list(self.variables))})")
        return self.variables[name]

    def with_equations(self, equations: Iterable[Equation], outputs: Sequence[str] | None = None) -> Graph:
        """The same inputs with other equations; the graph itself if nothing changes."""
        new, names = tuple(equations), self.outputs if outputs is None else tuple(outputs)
        same = len(new) == len(self.equations) and all(a is b for a, b in zip(new, self.equations))
        return self if same and names == self.outputs else Graph(self.inputs, new, names)

    def with_outputs(self, *names: str | Iterable[str]) -> Graph:
        """The same equations with other outputs: names, or one list of them."""
        listed: list[str] = []
        for given in names:
            if not isinstance(given, (str, Iterable)):
                raise GraphError(f"with_outputs: found {given!r}, expected names of variables, or one list of them")
            listed += [given] if isinstance(given, str) else given
        if "equations" not in self.__dict__ and self.formulas is not None and self.formulas.has(listed):
            return Graph.of_formulas(self.inputs, self.formulas, listed, self.__dict__["_written"])
        return Graph(self.inputs, self.equations, tuple(listed))

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
        return self.with_equations(unrolled(self.equations, limit))

    def __str__(self) -> str:
        inputs = ", ".join(variable.declaration for variable in self.inputs)
        return "\n".join([f"inputs {inputs}", *map(str, self.equations), f"outputs {', '.join(self.outputs)}"])

    def __repr__(self) -> str:
        counts = f"{len(self.inputs)} inputs, {len(self.equations)} equations"
        outputs = ", ".join(self.outputs[:4]) + (", …" if len(self.outputs) > 4 else "")
        return f"<Graph of {outputs}: {counts}>"

    _repr_html_ = shown_by("graph_html")
    _repr_latex_ = shown_by("graph_latex")
    _repr_svg_ = shown_by("graph_svg")


def require_graph(given: Any, error: type[CodegenError]) -> None:
    """Raise the error for what is no graph; what has one is said to have it.

    >>> require_graph(5, GraphError)
    Traceback (most recent call last):
    codegen.errors.GraphError: graph: found an int, expected a Graph
    """
    if not isinstance(given, Graph):
        hint = "; write .graph after it" if isinstance(getattr(given, "graph", None), Graph) else ""
        raise error(f"graph: found {of_type(given)}, expected a Graph{hint}")


def _key_of(reference: Expr) -> tuple[Expr, ...] | None:
    """The subscripts of a reference, on an axis with a sum of indices one of these; None where one occurs twice."""
    key = list(subscripts(reference))
    if not is_plain(reference):
        for axis, (subscript, n) in enumerate(zip(key, shape(reference))):
            if not is_plain_on(subscript, n):
                inside = () if data_in(subscript) else indices(subscript)
                if not inside:
                    return None
                key[axis] = Index(max(inside, key=_longest).name, n)
    free = [i.name for i in key if isinstance(i, Index)]
    return tuple(key) if len(set(free)) == len(free) else None


def _longest(index: Index) -> tuple[bool, int]:
    n = extent(index)
    return is_symbolic(n), 0 if is_symbolic(n) else n


def _plain_key(variable: Variable, cell: Cell) -> tuple[Expr, ...]:
    axes = enumerate(zip(cell.pattern, variable.shape))
    return tuple(Index(f"i{axis}", n) if m is None else Integer(m) for axis, (m, n) in axes)


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
    "require_graph",
    "sample_extent",
]
