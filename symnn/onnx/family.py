"""A function of columns and its derivatives, as CasADi looks for them: beside f adj_f, fwd_f, jac_f and fwd_adj_f."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sympy import Idx, Indexed, Integer, Symbol
from sympy.core.basic import Basic

from codegen import Equation, Graph, Index, Variable, jacobian, jvp, sample_extent, vjp
from codegen.passes import prune
from codegen.walk import Extent, base_name, extent, is_variable, lengths_in, rewrite_leaves, shape, subscripts
from symnn.errors import SymnnError

Rewrite = Callable[[Basic], "Basic | None"]
FORWARD, REVERSE = "nfwd", "nadj"
"""How many directions a call gives: the names that CasADi binds of the last axis of what begins with fwd or adj."""


def family(graph: Graph, x: str, y: str, name: str) -> dict[str, Graph]:
    """The graphs by the names of their files.

    Of x (n, 1) and y (m, 1), the columns that an input and an output of the graph become, they are

    * ``name``: x to y,
    * ``adj_name``: x, adj_y (m, nadj) to adj_x (n, nadj),
    * ``fwd_name``: x, fwd_x (n, nfwd) to fwd_y (m, nfwd),
    * ``jac_name``: x to jac_y_x (m, n),
    * ``fwd_adj_name``: x, adj_y (m, 1), fwd_x (n, nfwd), fwd_adj_y (m, nfwd) to fwd_adj_x (n, nfwd).

    Samples are taken to be one.

    >>> from codegen import from_expressions
    >>> from sympy import IndexedBase
    >>> x, y, i = IndexedBase("x", shape=(2,)), IndexedBase("y"), Idx("i", 2)
    >>> graphs = family(from_expressions({y[i]: x[i] ** 2}, [x]), "x", "y", "f")
    >>> print(graphs["adj_f"])
    inputs x[2, 1], adj_y[2, nadj]
    adj_x[i, k] = 2*adj_y[i, k]*x[i, 0]
    outputs adj_x
    """
    plain = of_columns(graph.with_outputs(y), (x, y))
    adjoint = _only(vjp(plain, y, [x]))
    slope = _only(jvp(plain, y, [x]))
    given = adjoint.inputs[-1].name
    mixed = _only(jvp(adjoint, adjoint.outputs[0], [x, given]))
    first, second = (variable.name for variable in mixed.inputs[-2:])
    return {
        name: plain,
        f"adj_{name}": _renamed(
            _spread(adjoint, [given], REVERSE), {given: f"adj_{y}", adjoint.outputs[0]: f"adj_{x}"}
        ),
        f"fwd_{name}": _renamed(
            _spread(slope, [slope.inputs[-1].name], FORWARD),
            {slope.inputs[-1].name: f"fwd_{x}", slope.outputs[0]: f"fwd_{y}"},
        ),
        f"jac_{name}": _matrix(plain, x, y),
        f"fwd_adj_{name}": _renamed(
            _spread(mixed, [first, second], FORWARD),
            {given: f"adj_{y}", first: f"fwd_{x}", second: f"fwd_adj_{y}", mixed.outputs[0]: f"fwd_adj_{x}"},
        ),
    }


def _only(graph: Graph) -> Graph:
    """The derivative without the function."""
    return prune(graph.with_outputs(*graph.outputs[1:]))


def _matrix(graph: Graph, x: str, y: str) -> Graph:
    found = _only(jacobian(graph, y, [x]))
    (whole,) = found.outputs
    rows, columns = Index("i", graph.variable(y).shape[0]), Index("j", graph.variable(x).shape[0])
    matrix = Variable(f"jac_{y}_{x}", (rows.upper + 1, columns.upper + 1))
    element = found.variable(whole)[rows, 0, columns, 0]
    return Graph(found.inputs, (*found.equations, Equation(matrix[rows, columns], element)), (matrix.name,))


# --- graphs with other references ---------------------------------------------------------------------------------


def _rewritten(
    graph: Graph, inputs: Sequence[Variable], rule: Rewrite, keep: Callable[[Idx], bool] = lambda _: True
) -> Graph:
    """The graph with other leaves; indices that are not kept are gone."""
    equations = []
    for equation in graph.equations:
        target, body = (rewrite_leaves(side, rule) for side in (equation.target, equation.body))
        over = tuple(rewrite_leaves(index, rule) for index in equation.reduced if keep(index))
        equations.append(Equation.over(target, body, equation.reduction, over))
    targets = dict(zip((equation.name for equation in graph.equations), (equation.name for equation in equations)))
    return Graph(tuple(inputs), tuple(equations), tuple(targets.get(name, name) for name in graph.outputs))


def of_columns(graph: Graph, columns: Sequence[str]) -> Graph:
    """The graph of one sample, in which these vectors are columns.

    Raises :class:`SymnnError` for what is no vector, and for lengths besides the number of samples.
    """
    if len(graph.extents) > 1:
        raise SymnnError(f"found lengths {', '.join(map(str, graph.extents))}, expected at most the number of samples")
    long = {}
    for name in columns:
        variable = graph.variable(name)
        axes = [axis for axis, n in enumerate(variable.shape) if isinstance(n, int) and n > 1]
        if len(axes) > 1 or (name in graph.integers):
            raise SymnnError(f"{name}: found {variable.kind}s of shape {variable.shape}, expected one vector")
        long[name] = axes[0] if axes else None

    def length(n: Extent) -> int:
        return n if isinstance(n, int) else int(n.subs(dict.fromkeys(lengths_in(n), 1)))

    def sizes(name: str, given: Sequence[Extent]) -> tuple[int, ...]:
        if name in long:
            axis = long[name]
            return (1 if axis is None else length(given[axis]), 1)
        return tuple(map(length, given))

    def rule(leaf: Basic) -> Basic | None:
        if isinstance(leaf, Idx):
            n = extent(leaf)
            return Integer(0) if length(n) == 1 else leaf if isinstance(n, int) else Index(leaf.name, length(n))
        if isinstance(leaf, Symbol) and leaf.is_integer:
            return Integer(1)
        if isinstance(leaf, Indexed) or is_variable(leaf):
            name = base_name(leaf)
            key = [rewrite_leaves(subscript, rule) for subscript in subscripts(leaf)]
            if name in long:
                axis = long[name]
                key = [Integer(0) if axis is None else key[axis], Integer(0)]
            return Variable(name, sizes(name, shape(leaf)))[tuple(key)]
        return None

    inputs = [Variable(v.name, sizes(v.name, v.shape), v.kind, v.below) for v in graph.inputs]
    return _rewritten(graph, inputs, rule, lambda index: length(extent(index)) > 1)


def _spread(graph: Graph, names: Sequence[str], length: str) -> Graph:
    """The graph with an axis of directions behind what is linear in these columns, in place of their own last one."""
    directions = Index("k", sample_extent(length))
    spread = {*names}
    for equation in graph.equations:
        if any(base_name(reference) in spread for reference in equation.references):
            spread.add(equation.name)
    ends = {*names, *graph.outputs}

    def rule(leaf: Basic) -> Basic | None:
        if not (isinstance(leaf, Indexed) or is_variable(leaf)) or base_name(leaf) not in spread:
            return None
        name, key, extents = base_name(leaf), subscripts(leaf), shape(leaf)
        if name in ends:  # a column
            key, extents = key[:-1], extents[:-1]
        return Variable(name, (*extents, extent(directions)))[(*key, directions)]

    inputs = [
        Variable(v.name, (*v.shape[:-1], extent(directions)), v.kind) if v.name in names else v for v in graph.inputs
    ]
    return _rewritten(graph, inputs, rule)


def _renamed(graph: Graph, names: Mapping[str, str]) -> Graph:
    """The graph with other names for variables."""

    def rule(leaf: Basic) -> Basic | None:
        if not (isinstance(leaf, Indexed) or is_variable(leaf)) or base_name(leaf) not in names:
            return None
        return Variable(names[base_name(leaf)], shape(leaf))[subscripts(leaf)]

    inputs = [Variable(names.get(v.name, v.name), v.shape, v.kind, v.below) for v in graph.inputs]
    return _rewritten(graph, inputs, rule)
