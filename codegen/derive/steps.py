"""Formulas in steps: an elementary function inside a larger formula is a vertex of its own."""

from __future__ import annotations

from sympy import Expr
from sympy.core.basic import Basic

from codegen.derive.parts import Parts, chooses, with_parts
from codegen.functions import Composite, operation
from codegen.ir.equation import Equation
from codegen.ir.graph import Graph
from codegen.ir.names import Names
from codegen.passes.stable_forms import is_whole_reciprocal, stable
from codegen.walk import is_leaf, postorder, rebuild, references, rewrite


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
    sigmoid1 of y = sigmoid(x)
    y = sigmoid1 of y*x
    outputs y
    """
    return with_parts(graph, _steps)


def _written_out(node: Basic) -> Expr | None:
    """What a function abbreviates, unless it knows its own derivative."""
    plain = isinstance(node, Composite) and type(node)._eval_derivative is Composite._eval_derivative
    return node.definition() if plain else None


def _steps(equation: Equation, names: Names) -> list[Equation]:
    body = rewrite(rewrite(equation.body, _written_out), stable)
    if is_leaf(body) or chooses(body):
        return [equation]
    parts = Parts(equation, names)

    def step(node: Basic) -> Expr | None:
        return parts.vertex(node, type(node).__name__) if _is_step(node) else None

    whole = rebuild(body, [rewrite(argument, step) for argument in body.args])
    return parts.equations(whole) if parts.found else [equation]


def _is_step(node: Basic) -> bool:
    """Whether a function becomes a vertex.

    Not one of a quotient: as x → 0 the parts of the derivatives of x·softplus(1/x) cancel, which whole formulas show.
    """
    of_quotient = any(map(is_whole_reciprocal, postorder(node)))
    return operation(type(node)).step and bool(references(node)) and not of_quotient
