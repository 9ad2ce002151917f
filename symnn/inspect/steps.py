"""Forward and backward pass with numbers: every value, every local derivative, every contribution to the gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sympy import Expr, Integer

from codegen.derive import gradient
from codegen.ir.equation import Equation
from codegen.ir.graph import Cell, Graph
from codegen.notation.script import Binding, Factor
from codegen.notation.text import Text, derivative, number
from codegen.notation.vocabulary import Vocabulary
from codegen.notation.writing import write, write_body, write_equation
from codegen.numeric.evaluate import evaluate
from codegen.numeric.inputs import bind
from codegen.page.drawing import Box, picture
from codegen.passes import prune
from codegen.walk import base_name, is_leaf, subscripts
from symnn.inspect.errors import InspectError
from symnn.inspect.graphs import final_scalars, step_by_step, unrolled_size, with_sizes
from symnn.inspect.trace import Arrival, Edge, Trace, trace

SCALARS, SCALAR_EDGES = 200, 2_000
"""Graphs up to this size are shown neuron by neuron, larger ones array by array."""
ARRAYS = 500
"""Equations of a recurrence, array by array and step by step: those of 54 steps of an LSTM take 2.2 MB of a page."""

Value: TypeAlias = "float | NDArray[np.float64]"


class HasGraph(Protocol):
    """What is traced of a network."""

    @property
    def graph(self) -> Graph: ...

    @property
    def layout(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, eq=False)
class LocalDerivative:
    """∂c/∂a on the edge from a to c; ``sources`` are the vertices that the reference a reads."""

    name: str
    formula: str
    value: Value
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Contribution:
    """What arrives at a vertex over one edge: the derivative by the vertex ``through`` times the local derivative."""

    through: str
    local: str
    formula: str
    numbers: str
    value: Value


@dataclass(frozen=True, eq=False)
class Vertex:
    """One vertex: its equation with numbers and value, the edges into it, and its gradient with all that adds up to it.

    ``equation`` is empty for an input; ``gradient`` is None where nothing depends on it that a gradient is wanted of;
    ``reads`` are the vertices that the equation reads.
    """

    name: str
    equation: str
    numbers: str
    value: Value
    local_derivatives: tuple[LocalDerivative, ...]
    gradient_name: str
    gradient: Value | None
    contributions: tuple[Contribution, ...]
    reads: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Steps:
    """The vertices in the order in which they are computed; ``str`` shows them forward and then backward."""

    of: str
    vertices: tuple[Vertex, ...]

    def __getitem__(self, name: str) -> Vertex:
        """The vertex of this name, as it is written: ``c``, ``a1[0,1]``."""
        for vertex in self.vertices:
            if vertex.name == name:
                return vertex
        raise KeyError(name)

    def __str__(self) -> str:
        forward = [line for vertex in self.vertices for line in _forward(vertex)]
        backward = [_backward(vertex) for vertex in reversed(self.vertices) if vertex.gradient is not None]
        heading = f"Backward: {self.of} differentiated by each vertex, in reverse order"
        return "\n".join(["Forward", *_indented(forward), "", heading, *_indented(backward)])

    def _repr_svg_(self) -> str:
        return self.drawing()

    def drawing(self, *, standalone: bool = True) -> str:
        """The graph as SVG: in each box the equation, below it in blue the value and in orange the gradient.

        >>> from codegen import from_expressions
        >>> from sympy import symbols
        >>> a, b = symbols("a b")
        >>> found = steps(from_expressions({"c": a * b}, [a, b]), {"a": 2, "b": 3}).drawing()
        >>> found.count("<rect"), "c = a·b" in found, ">6<" in found
        (3, True, True)
        """
        boxes = [_box(vertex, self.of) for vertex in self.vertices]
        known = {box.name for box in boxes}
        read = {vertex.name: [name for name in vertex.reads if name in known] for vertex in self.vertices}
        return picture(boxes, read, title=f"{self.of} with values and gradients", standalone=standalone)


def steps(
    graph: Graph | HasGraph, values: Mapping[str, ArrayLike], of: str | None = None, wrt: Sequence[str] | None = None
) -> Steps:
    """Compute a graph and the derivative of ``of`` by each of its vertices, keeping everything.

    ``values`` has one array for each input; ``of`` is a scalar vertex, by default the last one; ``wrt`` are the inputs
    (or other vertices) that the gradient is taken to, by default all real inputs, and of a network its parameters. An
    index graph of up to 200 scalar equations is shown neuron by neuron and sample by sample, a larger one as arrays, of
    a recurrence those of each step.

    Raises :class:`InspectError` for a recurrence of more than 500 equations, and
    :class:`codegen.CheckError` naming the input whose value does not fit, :class:`codegen.GraphError` and
    :class:`codegen.DerivationError` for vertices that are unknown or have no derivative.

    >>> from codegen import from_expressions
    >>> from sympy import symbols
    >>> a, b, c, d = symbols("a b c d")
    >>> print(steps(from_expressions({"c": a + b, "d": b + 1, "e": c * d}, [a, b]), {"a": 2, "b": 1}))
    Forward
      a = 2
      b = 1
      c = a + b = 2 + 1 = 3
        ∂c/∂a = 1
        ∂c/∂b = 1
      d = b + 1 = 1 + 1 = 2
        ∂d/∂b = 1
      e = c·d = 3·2 = 6
        ∂e/∂c = d = 2
        ∂e/∂d = c = 3
    <BLANKLINE>
    Backward: e differentiated by each vertex, in reverse order
      ∂e/∂e = 1
      ∂e/∂d = c = 3
      ∂e/∂c = d = 2
      ∂e/∂b = ∂e/∂c·∂c/∂b + ∂e/∂d·∂d/∂b = 2·1 + 3·1 = 5
      ∂e/∂a = ∂e/∂c·∂c/∂a = 2·1 = 2
    """
    if not isinstance(graph, Graph):
        wrt = list(graph.layout) if wrt is None else wrt
        graph = graph.graph
    of = _last_scalar(graph) if of is None else of
    sources = [v.name for v in graph.inputs if v.kind == "real"] if wrt is None else list(wrt)
    gradient(graph, of, sources)  # for its refusals: an unknown vertex, one that is not scalar, integers
    sizes = bind(graph, values, np.dtype(np.float64)).extents
    computed = [name for name in sources if graph.definitions[name]]
    graph = prune(graph.with_outputs(*dict.fromkeys([of, *computed])))
    sized = with_sizes(graph, sizes)
    equations, edges = unrolled_size(sized)
    if equations <= SCALARS and edges <= SCALAR_EDGES:
        graph = sized.unroll()
    elif sized.scans:
        graph = step_by_step(sized)
        if (count := len(graph.equations)) > ARRAYS:
            raise InspectError(f"found a recurrence of {count:,} equations step by step, expected at most {ARRAYS}")
    traced = trace(graph, of, sources)
    vocabulary = Vocabulary.of(graph, traced.graph)
    script = Text(vocabulary)
    numbers = _Numbers(vocabulary, evaluate(traced.graph, values))
    pen = _Pen(traced, script.reference(graph.variable(of).symbol).text, script, numbers)
    return Steps(pen.of, tuple(pen.vertex(cell) for cell in _order(graph, of, sources)))


def _last_scalar(graph: Graph) -> str:
    found = final_scalars(graph, graph.outputs)
    if len(found) != 1:
        raise InspectError(f"of: the graph ends in {len(found)} real scalars ({', '.join(found)}): name one of them")
    return found[0]


def _order(graph: Graph, of: str, wrt: Sequence[str]) -> list[Cell]:
    """The vertices that ``of`` is computed from, and the inputs it is differentiated by, in computing order."""
    shown = graph.upstream(of) | {cell for name in wrt for cell in graph.cells[name]}
    inputs = [cell for variable in graph.inputs for cell in graph.cells[variable.name]]
    return [cell for cell in (*inputs, *(e.cell for e in graph.equations)) if cell in shown]


# --- writing the vertices -----------------------------------------------------------------------------------------


class _Numbers(Text):
    """Text in which every scalar vertex is its value."""

    def __init__(self, vocabulary: Vocabulary, values: Mapping[str, NDArray[Any]]) -> None:
        super().__init__(vocabulary)
        self.values = values

    def reference(self, node: Expr) -> Factor:
        written = _shown(_value(self.values, node))
        binding = Binding.SUM if written.startswith("−") else Binding.PRODUCT if "·" in written else Binding.ATOM
        return replace(super().reference(node), text=written, binding=binding)


@dataclass(frozen=True)
class _Pen:
    """Writes the vertices of one traced graph."""

    traced: Trace
    of: str
    script: Text
    numbers: _Numbers

    def vertex(self, cell: Cell) -> Vertex:
        equation = next((e for e in self.traced.graph.definitions[cell.name] if e.cell == cell), None)
        reference = self.traced.graph.variable(cell.name)[self.traced.graph.keys[cell]]
        name, total = self._name(reference), self.traced.totals.get(cell)
        arrivals = list(reversed(self.traced.arrivals.get(cell, ())))  # in computing order
        return Vertex(
            name,
            write_equation(equation, self.script) if equation else "",
            self._in_numbers(equation) if equation else "",
            self._value(reference),
            tuple(self._local(edge) for edge in self.traced.edges.get(cell, ())),
            derivative(self.of, name),
            None if total is None else self._value(total),
            tuple(self._contribution(arrival, alone=len(arrivals) == 1) for arrival in arrivals),
            tuple(dict.fromkeys(name for r in equation.references for name in self._sources(r))) if equation else (),
        )

    def _sources(self, reference: Expr) -> tuple[str, ...]:
        """The vertices that a reference reads, as they are written."""
        graph = self.traced.graph
        return tuple(self._name(graph.variable(cell.name)[graph.keys[cell]]) for cell in graph.resolve(reference))

    def _local(self, edge: Edge) -> LocalDerivative:
        name = derivative(self._name(edge.vertex.target), self._name(edge.reference))
        value = _plain(self._of(edge.local))
        return LocalDerivative(name, write(edge.formula, self.script).text, value, self._sources(edge.reference))

    def _contribution(self, arrival: Arrival, *, alone: bool) -> Contribution:
        edge, equation = arrival.edge, arrival.equation
        through, local = self._name(edge.vertex.target), self._local(edge)
        value = _plain(self._of(equation.name))
        if edge.vertex.domain or not isinstance(value, float):
            return Contribution(through, local.name, write_body(equation, self.script), "", value)
        assert isinstance(local.value, float)
        if through == self.of:
            # ∂e/∂e is 1, and the local derivative ∂e/∂d would be written like the total one.
            piece = write(edge.formula, self.script)
            formula = piece.text if alone else self.script.tight(piece, Binding.PRODUCT)
            return Contribution(through, local.name, formula, number(local.value), value)
        adjoint = self._value(self.traced.totals[edge.vertex.cell])
        assert isinstance(adjoint, float)
        formula = f"{derivative(self.of, through)}·{local.name}"
        return Contribution(through, local.name, formula, f"{_signed(adjoint)}·{_signed(local.value)}", value)

    def _in_numbers(self, equation: Equation) -> str:
        """The right side of a scalar equation with the values of what it reads."""
        return "" if equation.domain or is_leaf(equation.body) else write_body(equation, self.numbers)

    def _name(self, reference: Expr) -> str:
        return self.script.reference(reference).text

    def _value(self, reference: Expr) -> Value:
        return _value(self.numbers.values, reference)

    def _of(self, name: str) -> NDArray[Any]:
        return self.numbers.values[name]


def _value(values: Mapping[str, NDArray[Any]], reference: Expr) -> Value:
    """The value of a scalar, or of the elements of an array that a vertex consists of."""
    place = tuple(int(i) if isinstance(i, Integer) else slice(None) for i in subscripts(reference))
    return _plain(np.asarray(values[base_name(reference)][place]))


def _plain(array: NDArray[Any]) -> Value:
    return float(array) if array.ndim == 0 else array.astype(np.float64)


def _signed(value: Value) -> str:
    """A number as a factor: in brackets if it is negative."""
    written = _shown(value)
    return f"({written})" if written.startswith("−") else written


def _box(vertex: Vertex, of: str) -> Box:
    kind = "input" if not vertex.equation else "output" if vertex.name == of else "vertex"
    gradient = "" if vertex.gradient is None else _shown(vertex.gradient)
    return Box(
        vertex.name, vertex.equation or vertex.name, kind, (("value", _shown(vertex.value)), ("gradient", gradient))
    )


# --- writing lines ------------------------------------------------------------------------------------------------


def _forward(vertex: Vertex) -> list[str]:
    head = [vertex.equation, vertex.numbers] if vertex.equation else [vertex.name]
    lines = [_chain(head, vertex.value)]
    return lines + [f"  {_chain([d.name, d.formula], d.value)}" for d in vertex.local_derivatives]


def _backward(vertex: Vertex) -> str:
    assert vertex.gradient is not None
    formulas, numbers = ([getattr(c, part) for c in vertex.contributions] for part in ("formula", "numbers"))
    written = [_sum(formulas), _sum(numbers) if all(numbers) else ""]
    return _chain([vertex.gradient_name, *written], vertex.gradient)


def _sum(terms: Sequence[str]) -> str:
    if len(terms) == 1:
        return terms[0]
    return " + ".join(f"({term})" if term.startswith(("−", "Σ", "max")) else term for term in terms)


def _chain(pieces: Sequence[str], value: Value) -> str:
    """c = a + b = 2 + 1 = 3, nothing said twice; an array stands behind a colon."""
    said = [piece for piece in pieces if piece]
    if not isinstance(value, float):
        return f"{' = '.join(said)}: {_shown(value)}"
    shown = _shown(value)
    said = [piece for piece, following in zip(said, [*said[1:], shown]) if piece != following]
    line = " = ".join(said)
    return line if line.endswith(f" = {shown}") else f"{line} = {shown}"


def _shown(value: Value) -> str:
    """A number, or the shape and the range of an array."""
    if isinstance(value, float):
        return number(value)
    shape = "×".join(map(str, value.shape))
    return f"{shape} values from {number(value.min())} to {number(value.max())}, mean {number(value.mean())}"


def _indented(lines: Sequence[str]) -> list[str]:
    return [f"  {line}" for line in lines]
