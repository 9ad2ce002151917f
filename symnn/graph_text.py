"""A graph as plain values: every equation a text of the formulas that specs hold, with subscripts.

What such a text cannot say is refused by the equation that has it; what is read is data of a stranger's, parsed within
limits and never evaluated.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from types import NoneType
from typing import Any

import numpy as np
from sympy import Expr, Indexed, Symbol

from codegen import CodegenError, Equation, Graph, Index, Reduction, Variable, sample_extent
from codegen import functions as real
from codegen.numeric.evaluate import evaluate
from codegen.passes.stabilise import stabilise
from codegen.walk import Extent, extent, lengths_in
from symnn.errors import SpecError
from symnn.formula import FUNCTIONS, FormulaFunction, parse_formula
from symnn.given import MOST
from symnn.parametrised import GivenGraph
from symnn.portable import write_formula
from symnn.shapes import MAX_EXTENT
from symnn.suggest import quote

MAX_EQUATIONS = 300
MAX_NAME = 60
MAX_CHARACTERS = 40_000
"""Of all equations together, which SymPy takes 1.5 s to build."""
MAX_CELLS = 10_000_000
"""Elements that all equations have together, where each call decides a length that of a few."""

MAX_STEPS = 5_000
"""Of all recurrences together, for outputs to be worth the time that evaluating them takes, 0.15 ms a step."""

SAMPLES = 4
"""For a length that each call decides."""

TOLERANCE = 1e-12
"""By how much the loss of the text may differ from the graph's: constants such as log(2·π) are rounded in text."""

_OF_GRAPHS: Mapping[str, FormulaFunction] = {
    "select": FormulaFunction(real.select, (3, 3)),
    "equal": FormulaFunction(real.equal, (2, 2)),
    "stop_gradient": FormulaFunction(real.stop_gradient, (1, 1)),
}
_FUNCTIONS = {**FUNCTIONS, **_OF_GRAPHS}
_NAMES = {function.build: name for name, function in _OF_GRAPHS.items()}


# --- writing ------------------------------------------------------------------------------------------------------


def plain_graph(given: GivenGraph) -> dict[str, Any]:
    """The graph as JSON can hold it, which :func:`read_graph` reads to one of the same values.

    >>> from codegen import from_expressions
    >>> from sympy import Idx, IndexedBase, Sum
    >>> s, x, a = Idx("s", Symbol("S")), IndexedBase("x"), Symbol("a")
    >>> graph = from_expressions({"loss": Sum((x[s] - a) ** 2, s)}, [a, x])
    >>> plain_graph(GivenGraph.of(graph, {"a": 0.5}, ["x"]))["equations"]
    [{'target': 'loss', 'body': '(-a + x[s])**2', 'reduction': 'sum', 'over': ['s'], 'indices': {'s': 'S'}}]

    Raises :class:`SpecError` naming the equation, or the variable, that has no such text.
    """
    graph = given.stated
    for name in (*graph.variables, *map(str, graph.extents)):
        if not _is_name(name) or name in _FUNCTIONS or name == "pi":
            raise SpecError(f"found the name {quote(name)}, expected letters and digits that mean nothing else")
    assigned = [name for name, equations in graph.definitions.items() if equations]
    found = {
        "lengths": [str(symbol) for symbol in graph.extents],
        "inputs": [_variable(variable) for variable in graph.inputs],
        "vertices": [_variable(graph.variables[name]) for name in assigned],
        "equations": [_equation(equation) for equation in graph.equations],
        "parameters": [[name, initial] for name, initial in given.initial],
        "predicts_from": list(given.inputs),
        "loss": graph.outputs[0],
        "output": given.output,
    }
    _check_loss(given, read_graph(found))
    return found


def _variable(variable: Variable) -> dict[str, Any]:
    if not isinstance(variable.below, (int, NoneType)):
        raise SpecError(f"{variable.name}: its integers are below {variable.below}, expected a number in a file")
    shape = [n if isinstance(n, int) else str(n) for n in variable.shape]
    return {"name": variable.name, "shape": shape, "kind": variable.kind, "below": variable.below}


def _equation(equation: Equation) -> dict[str, Any]:
    where = f"equation {equation.target}"
    if equation.eliminates:
        raise SpecError(f"{where}: found a matrix that is eliminated, which has no form as text")
    over, reduction = [index.name for index in equation.reduced], equation.reduction
    lengths = {index.name: _extent(index, where) for index in equation.domain}
    return {
        "target": write_formula(equation.target, where, _NAMES),
        "body": write_formula(equation.body, where, _NAMES),
        "reduction": None if reduction is None else reduction.value,
        "over": over,
        "indices": lengths,
    }


def _extent(index: Index, where: str) -> int | str:
    try:
        found = extent(index)
    except CodegenError as error:
        raise SpecError(f"{where}: {error}") from None
    return found if isinstance(found, int) else str(found)


def _check_loss(given: GivenGraph, rebuilt: GivenGraph) -> None:
    """The two losses are equal, or as near as constants rounded to float64 allow."""
    if rebuilt.stated == given.stated:
        return
    generator = np.random.Generator(np.random.PCG64(0))
    values = given.unmerged(given.initial_parameters())
    for variable in given.data:
        shape = tuple(n if isinstance(n, int) else SAMPLES for n in variable.shape)
        integers = variable.kind == "integer"
        drawn = generator.integers(variable.below or 2, size=shape) if integers else generator.normal(size=shape)
        values[variable.name] = np.asarray(drawn)
    loss = given.stated.outputs[0]
    expected, found = (float(evaluate(stabilise(each.stated), values)[loss]) for each in (given, rebuilt))
    if not (abs(found - expected) <= TOLERANCE * max(1.0, abs(expected)) or (found != found and expected != expected)):
        raise SpecError(f"{loss}: found {found} by its formulas, expected {expected} as the graph gives")


def is_quick(graph: Graph) -> bool:
    """Whether evaluating a graph that may be a stranger's is a matter of a second."""
    steps = [
        max((n for n in map(extent, equation.domain) if isinstance(n, int)), default=1)
        for equation in graph.equations
        if equation.cell in graph.scans
    ]
    return sum(steps) <= MAX_STEPS


# --- reading ------------------------------------------------------------------------------------------------------


def read_graph(content: object) -> GivenGraph:
    """The graph that :func:`plain_graph` wrote.

    Raises :class:`SymnnError`, or one of the compiler's, naming the part that is not as it writes it.
    """
    plain = _mapping(content, _FIELDS, "graph")
    lengths = {name: sample_extent(name) for name in _identifiers(plain["lengths"], "lengths")}
    inputs, vertices = (
        [_read_variable(item, f"{field}[{number}]", lengths) for number, item in enumerate(_list(plain[field], field))]
        for field in ("inputs", "vertices")
    )
    known = {variable.name: variable for variable in (*inputs, *vertices)}
    listed = _list(plain["equations"], "equations")
    if len(listed) > MAX_EQUATIONS:
        raise SpecError(f"equations: found {len(listed):,}, expected at most {MAX_EQUATIONS:,}")
    if (characters := len(str(listed))) > MAX_CHARACTERS:
        raise SpecError(f"equations: found {characters:,} characters, expected at most {MAX_CHARACTERS:,}")
    equations = [_read_equation(item, f"equations[{number}]", lengths, known) for number, item in enumerate(listed)]
    cells = sum(prod(_few(extent(index)) for index in equation.domain) for equation in equations)
    if cells > MAX_CELLS:
        raise SpecError(f"equations: found {cells:,} elements, expected at most {MAX_CELLS:,}")
    loss, output = plain["loss"], plain["output"]
    if not _is_name(loss) or not (output is None or _is_name(output)):
        raise SpecError(f"loss, output: found {quote(loss)} and {quote(output)}, expected names")
    graph = Graph(tuple(inputs), tuple(equations), (loss, *([] if output is None else [output])))
    return GivenGraph.of(
        graph, _initial(plain["parameters"]), _identifiers(plain["predicts_from"], "inputs"), loss, output
    )


_FIELDS = ("lengths", "inputs", "vertices", "equations", "parameters", "predicts_from", "loss", "output")


def _few(n: Extent) -> int:
    if isinstance(n, int) and n > MAX_EXTENT:
        raise SpecError(f"equations: found a range of {n:,}, expected at most {MAX_EXTENT:,}")
    return n if isinstance(n, int) else SAMPLES


def _read_variable(content: object, where: str, lengths: Mapping[str, Symbol]) -> Variable:
    plain = _mapping(content, ("name", "shape", "kind", "below"), where)
    name, kind, below = plain["name"], plain["kind"], plain["below"]
    if not _is_name(name) or kind not in ("real", "integer"):
        raise SpecError(f"{where}: found {quote(content)}, expected a name and its kind")
    if below is not None and (isinstance(below, bool) or not isinstance(below, int) or not 1 <= below <= MOST):
        raise SpecError(f"{where}: below: found {quote(below)}, expected a whole number")
    shape = tuple(_read_extent(n, where, lengths) for n in _list(plain["shape"], where))
    if prod(map(_few, shape)) > MAX_CELLS:
        raise SpecError(f"{where}: found shape {shape}, expected at most {MAX_CELLS:,} elements")
    return Variable(name, shape, kind, below)


def _read_extent(content: object, where: str, lengths: Mapping[str, Symbol]) -> Extent:
    if isinstance(content, str):
        found: Expr = parse_formula(content, lengths, {}, where)
        if found.is_Integer or not lengths_in(found):
            raise SpecError(f"{where}: found the extent {quote(content)}, expected a number or a length")
        return found
    if isinstance(content, bool) or not isinstance(content, int) or not 1 <= content <= MAX_EXTENT:
        raise SpecError(f"{where}: found the extent {quote(content)}, expected a number from 1 to {MAX_EXTENT:,}")
    return content


def _read_equation(
    content: object, where: str, lengths: Mapping[str, Symbol], known: Mapping[str, Variable]
) -> Equation:
    plain = _mapping(content, ("target", "body", "reduction", "over", "indices"), where)
    texts = {field: plain[field] for field in ("target", "body")}
    if not all(isinstance(text, str) for text in texts.values()) or not isinstance(plain["indices"], Mapping):
        raise SpecError(f"{where}: found {quote(content)}, expected target, body and indices")
    named = zip(_identifiers(list(plain["indices"]), where), plain["indices"].values())
    indices = {name: Index(name, _read_extent(n, where, lengths)) for name, n in named}
    over = _texts(plain["over"], where)
    if plain["reduction"] not in (None, *(row.value for row in Reduction)) or not {*over} <= {*indices}:
        raise SpecError(f"{where}: found {quote(content)}, expected a reduction over indices of the equation")
    scalars = {name: variable.symbol for name, variable in known.items() if not variable.shape}
    arrays = {name: variable.__getitem__ for name, variable in known.items() if variable.shape}
    target, body = (
        parse_formula(text, {**lengths, **indices, **scalars}, _FUNCTIONS, f"{where}: {field}", arrays)
        for field, text in texts.items()
    )
    if not isinstance(target, (Symbol, Indexed)) or (isinstance(target, Symbol) and target.name not in scalars):
        raise SpecError(f"{where}: target: found {quote(plain['target'])}, expected a vertex")
    reduction = next((row for row in Reduction if row.value == plain["reduction"]), None)
    return Equation(target, body, reduction, tuple(indices[name] for name in over))


def _initial(content: object) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in _list(content, "parameters"):
        if not (isinstance(item, list) and len(item) == 2 and _is_name(item[0])):
            raise SpecError(f"parameters: found {quote(item)}, expected a name and its first value")
        found[item[0]] = item[1]
    return found


def _mapping(content: object, fields: tuple[str, ...], where: str) -> Mapping[str, Any]:
    if not isinstance(content, Mapping) or {*content} != {*fields}:
        raise SpecError(f"{where}: found {quote(content)}, expected the fields {', '.join(fields)}")
    return content


def _list(content: object, where: str) -> list[Any]:
    if not isinstance(content, (list, tuple)):
        raise SpecError(f"{where}: found {quote(content)}, expected a list")
    return list(content)


def _texts(content: object, where: str) -> list[str]:
    found = _list(content, where)
    if not all(isinstance(text, str) for text in found):
        raise SpecError(f"{where}: found {quote(content)}, expected a list of names")
    return found


def _identifiers(content: object, where: str) -> list[str]:
    found = _texts(content, where)
    for name in found:
        if not _is_name(name):
            raise SpecError(f"{where}: found {quote(name)}, expected a name of at most {MAX_NAME} letters and digits")
    return found


def _is_name(text: object) -> bool:
    return isinstance(text, str) and text.isidentifier() and text.isascii() and len(text) <= MAX_NAME
