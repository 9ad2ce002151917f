"""Formulas in steps: an elementary function inside a larger formula is a vertex of its own."""

from __future__ import annotations

import sympy
from sympy import Expr, Piecewise
from sympy.core.basic import Basic

from codegen.derive.names import Names
from codegen.equation import Equation, Variable
from codegen.expression import extent, indices, is_leaf, postorder, rebuild, references, rewrite
from codegen.functions import (
    Composite,
    expm1,
    log1p,
    log_cosh,
    normal_cdf,
    select,
    sigmoid,
    softplus,
)
from codegen.graph import Graph
from codegen.passes.stable_forms import stable

STEPS = (
    sympy.exp, sympy.log, sympy.tanh, sympy.sinh, sympy.cosh, sympy.sin, sympy.cos, sympy.tan, sympy.atan, sympy.erf,
    sigmoid, softplus, expm1, log1p, normal_cdf, log_cosh,
)  # fmt: skip
"""Not what decays without bound: the derivative of √sech is made of √sech, of its vertex it would be 0·∞."""


def in_steps(graph: Graph) -> Graph:
    """The graph with x·σ(x) as two equations, so that repeated derivatives of it are products of vertices.

    As one formula that is differentiated again and again it grows by a factor at every order. Formulas that choose
    stay as they are: what is not chosen may have no derivative.

    >>> from codegen import from_expressions
    >>> from codegen.functions import silu
    >>> from sympy import symbols
    >>> x = symbols("x", real=True)
    >>> print(in_steps(from_expressions({"y": silu(x)}, [x])))
    inputs x
    sigmoid of y = sigmoid(x)
    y = sigmoid of y*x
    outputs y
    """
    names = Names(graph)
    equations: list[Equation] = []
    for equation in graph.equations:
        equations += _steps(equation, names)
    return graph.with_equations(equations) if len(equations) > len(graph.equations) else graph


def _written_out(node: Basic) -> Expr | None:
    """What a function abbreviates, unless it knows its own derivative."""
    plain = isinstance(node, Composite) and type(node)._eval_derivative is Composite._eval_derivative
    return node.definition() if plain else None


def _steps(equation: Equation, names: Names) -> list[Equation]:
    body = rewrite(rewrite(equation.body, _written_out), stable)
    if is_leaf(body) or any(isinstance(node, (Piecewise, select)) for node in postorder(body)):
        return [equation]
    made: dict[Basic, Equation] = {}

    def step(node: Basic) -> Expr | None:
        if not isinstance(node, STEPS) or not references(node):
            return None
        if node not in made:
            used = indices(node)
            index = tuple(i for i in equation.domain if i in used)
            before = sum(isinstance(other, type(node)) for other in made)
            name = names(f"{type(node).__name__}{before + 1 if before else ''} of {equation.target}")
            made[node] = Equation(Variable(name, tuple(extent(i) for i in index))[index], node)
        return made[node].target

    whole = rebuild(body, [rewrite(argument, step) for argument in body.args])
    return [*made.values(), equation.with_body(whole)] if made else [equation]
