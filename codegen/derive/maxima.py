"""Give the argument of a maximum a vertex of its own, so that value and derivative compare the very same numbers."""

from __future__ import annotations

from codegen.derive.local import local_derivatives
from codegen.derive.names import Names
from codegen.equation import Equation, Reduction, Variable
from codegen.expression import extent, is_reference
from codegen.graph import Graph


def plain_maxima(graph: Graph) -> Graph:
    """Split ``m = max body`` into ``argument = body`` and ``m = max argument``, where the maximum has a derivative.

    Its derivative is shared among the arguments that equal it. Were they computed a second time, with the factors in
    another order or a fused multiply-add in one place and not in the other, none of them might.

    >>> from sympy import Idx
    >>> t, a, m = Idx("t", 3), Variable("a", (3,)), Variable("m")
    >>> graph = Graph((a,), (Equation(m.symbol, a[t] ** 2, Reduction.MAX, (t,)),), ("m",))
    >>> print(plain_maxima(graph))
    inputs a[3]
    argument of m[t] = a[t]**2
    m = max_t argument of m[t]
    outputs m
    """
    names = Names(graph)
    equations: list[Equation] = []
    for equation in graph.equations:
        if equation.reduction is Reduction.MAX and not is_reference(equation.body) and local_derivatives(equation):
            name = names(f"argument of {equation.target}")
            argument = Variable(name, tuple(extent(i) for i in equation.domain))[equation.domain]
            equations += [Equation(argument, equation.body), equation.with_body(argument)]
        else:
            equations.append(equation)
    return graph.with_equations(equations) if len(equations) > len(graph.equations) else graph
