"""Give maxima and their arguments vertices of their own, so that value and derivative compare the very same numbers."""

from __future__ import annotations

from sympy.core.basic import Basic

from codegen.derive.local import local_derivatives
from codegen.derive.parts import Parts, chooses
from codegen.functions.kinks import Extremum
from codegen.ir.equation import Equation, over
from codegen.ir.graph import Graph
from codegen.ir.names import Names
from codegen.walk import is_leaf, is_reference, postorder, rebuild, references, rewrite


def plain_maxima(graph: Graph) -> Graph:
    """Split ``m = max body`` into ``argument = body`` and ``m = max argument``, where the maximum has a derivative.

    Its derivative is shared among the arguments that equal it. Were they computed a second time, with the factors in
    another order or a fused multiply-add in one place and not in the other, none of them might. The same holds for a
    maximum or minimum of several arguments inside a formula; as a vertex it hands one number to each of them, and what
    the derivatives cost is linear in their number.

    >>> from sympy import Idx
    >>> from codegen import Reduction, Variable
    >>> t, a, m = Idx("t", 3), Variable("a", (3,)), Variable("m")
    >>> graph = Graph((a,), (Equation(m.symbol, a[t] ** 2, Reduction.MAX, (t,)),), ("m",))
    >>> print(plain_maxima(graph))
    inputs a[3]
    argument of m[t] = a[t]**2
    m = max_t argument of m[t]
    outputs m
    """
    names = Names(graph.variables)
    equations: list[Equation] = []
    for given in graph.equations:
        *parts, equation = _with_extrema_cut(given, names)
        equations += parts
        if equation.selects and not is_reference(equation.body) and local_derivatives(equation):
            argument = over(names(f"argument of {equation.target}"), equation.domain)
            equations += [Equation(argument, equation.body), equation.with_body(argument)]
        else:
            equations.append(equation)
    return graph.with_equations(equations) if len(equations) > len(graph.equations) else graph


def _with_extrema_cut(equation: Equation, names: Names) -> list[Equation]:
    """The arguments of the maxima and minima in a formula, these themselves, and what is left of it."""
    body = equation.body
    if not any(isinstance(node, Extremum) for node in postorder(body)) or chooses(body):
        return [equation]
    parts = Parts(equation, names)

    def plain(node: Basic) -> Basic:
        """A maximum of vertices and constants, or of a constant and a minimum that keep a vertex between two."""
        kept = [a if is_leaf(a) or not references(a) else parts.vertex(a, "argument") for a in node.args]
        inner = parts.definition(kept[-1])
        return rebuild(node, [*kept[:-1], inner if node.limited(inner) else kept[-1]])

    def cut(node: Basic) -> Basic | None:
        if not isinstance(node, Extremum) or not references(node):
            return None
        return parts.vertex(plain(node), type(node).__name__)

    rest = rebuild(body, [rewrite(argument, cut) for argument in body.args])
    return parts.equations(plain(rest) if isinstance(rest, Extremum) else rest)
