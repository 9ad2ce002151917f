"""One sweep forward: a network's outputs and their derivatives by its inputs, at the points or at another place."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sympy import Indexed
from sympy.core.basic import Basic

from codegen import Equation, Graph, Variable, laplacian, mixed_partials
from codegen.walk import base_name, rewrite, subscripts
from symnn.residuals import LAPLACIAN


@dataclass(frozen=True)
class Sweep:
    """Equations, the vertex of each derivative by the inputs it is taken by, and which of them are 0 throughout."""

    equations: tuple[Equation, ...]
    vertices: Mapping[tuple[str, ...], Variable]
    zeros: frozenset[tuple[str, ...]]


def sweep(
    forward: Graph,
    inputs: Sequence[str],
    orders: Sequence[tuple[str, ...]],
    mark: str = "",
    prediction: Graph | None = None,
) -> Sweep:
    """The equations of ``output`` and of its derivatives of these ``orders``, which share what they have in common.

    A Laplacian is that of the output of ``prediction``, which goes on from the forward pass.

    With a ``mark`` every vertex has it at the end of its name, and so has ``x``, the place.

    >>> from symnn.network import Network, dense
    >>> forward = Network(1, (dense(2),), "mean_squared_error").forward_graph
    >>> for equation in sweep(forward, ["t"], [("t",)], "@1").equations:
    ...     print(equation)
    z1@1[s, t] = Σ_d W1[t, d]*x@1[s, d]
    output@1[s, t] = b1[t] + z1@1[s, t]
    output_t@1[s, t] = W1[t, 0]
    """
    columns = {name: ("x", column) for column, name in enumerate(inputs)}
    single = [letters for letters in orders if letters[0] != LAPLACIAN]
    graph = mixed_partials(forward, "output", single, columns) if single else forward
    vertices = dict(zip([(), *single], map(graph.variable, graph.outputs)))
    for letters in [letters for letters in orders if letters not in single]:
        later = prediction or forward
        more = [equation for equation in later.equations if equation.name not in graph.variables]
        outputs = tuple(dict.fromkeys((*graph.outputs, *later.outputs)))
        whole = Graph(graph.inputs, (*graph.equations, *more), outputs)
        graph = laplacian(whole, later.outputs[0], "x", [inputs.index(name) for name in letters[1:]])
        vertices[letters] = graph.variable(graph.outputs[-1])
    vanishing = {equation.name for equation in graph.equations if equation.body == 0}
    zeros = frozenset(letters for letters, vertex in vertices.items() if vertex.name in vanishing)
    if not mark:
        return Sweep(graph.equations, vertices, zeros)
    moved = {v.name: Variable(v.name + mark, v.shape) for v in graph.variables.values() if v.name not in _fixed(graph)}
    equations = tuple(renamed(equation, moved) for equation in graph.equations)
    return Sweep(equations, {letters: moved[vertex.name] for letters, vertex in vertices.items()}, zeros)


def _fixed(graph: Graph) -> Collection[str]:
    """The parameters, which are the same at every place."""
    return {variable.name for variable in graph.inputs} - {"x"}


def renamed(equation: Equation, moved: Mapping[str, Variable]) -> Equation:
    """An equation over other variables of the same shapes."""

    def rule(node: Basic) -> Basic | None:
        if not isinstance(node, Indexed) or base_name(node) not in moved:
            return None
        return moved[base_name(node)][subscripts(node)]

    return Equation(rewrite(equation.target, rule), rewrite(equation.body, rule), equation.reduction, equation.reduced)
