"""Which side of every kink a point lies on, as a graph: its outputs are the signs that decide between branches.

Two points with equal outputs see the same smooth function. Where an output differs on both sides of a point, the
point lies on a kink: signs are −1, 0 and 1 and a tie of a maximum is seen as a tie, so that the kink itself is a value
of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from sympy import Basic, Expr, Indexed
from sympy.core.relational import Relational

from codegen import functions
from codegen.functions import Composite, canonical_node, equal, floor, sign, stop_gradient
from codegen.ir.graph import Equation, Graph
from codegen.walk import base_name, is_leaf, is_variable, references, rewrite


def _first(node: Expr) -> list[Expr]:
    return [sign(node.args[0])]


def _extremum(node: Expr) -> list[Expr]:
    # Not the sign of a difference, which is nan between infinities.
    return [equal(argument, node) for argument in node.args]


def _jumps(quotient: Expr) -> list[Expr]:
    """The whole numbers on both sides: at a jump they are further apart than beside it."""
    return [floor(quotient), floor(-quotient)]


#: What decides between the branches of a node.
DECISIONS: Mapping[type, Callable[[Expr], list[Expr]]] = {
    functions.step: _first,
    functions.relu: _first,
    functions.sign: _first,
    functions.absolute: _first,
    functions.select: _first,
    functions.clip: lambda node: [sign(node.args[0] - bound) for bound in node.args[1:]],
    functions.floor: lambda node: _jumps(node.args[0]),
    functions.modulo: lambda node: _jumps(node.args[0] / node.args[1]),
    functions.equal: lambda node: [sign(node.args[0] - node.args[1])],
    functions.maximum: _extremum,
    functions.minimum: _extremum,
    Relational: lambda node: [sign(node.args[0] - node.args[1])],
}


def ancestors_only(graph: Graph, of: str) -> Graph:
    """The graph without the equations that ``of`` does not need; the inputs stay."""
    needed = graph.upstream(of)
    return Graph(graph.inputs, tuple(e for e in graph.equations if e.cell in needed), (of,))


def branches(graph: Graph, of: str) -> Graph | None:
    """The graph of all decisions that the derivative of ``of`` depends on; None if there are none.

    A decision inside ``stop_gradient`` is not one of them, nor is the place of a maximum whose terms are all held
    constant (the shift of a softmax): the result does not depend on these.

    >>> from codegen import from_expressions
    >>> from sympy import Abs, symbols
    >>> x = symbols("x")
    >>> print(branches(from_expressions({"y": Abs(x - 1) * x}, [x]), "y"))
    inputs x
    y = x*absolute(x - 1)
    branch 1 of y = sign(x - 1)
    outputs branch 1 of y
    """
    inner = ancestors_only(graph, of)
    fixed = {variable.name for variable in graph.inputs if variable.kind != "real"}
    live = inner.upstream(of, through=_flows_from)
    found: list[Equation] = []
    for equation in inner.equations:
        if equation.cell in live:
            for decision in dict.fromkeys(_decisions(equation)):
                if any(base_name(reference) not in fixed for reference in references(decision)):
                    name = f"branch {len(found) + 1} of {equation.target}"
                    found.append(Equation.vertex(name, decision, equation.domain))
    return inner.with_equations([*inner.equations, *found], [e.name for e in found]) if found else None


def _decisions(equation: Equation) -> Iterator[Expr]:
    body = _written_out(equation.body)
    for node in _not_held(body):
        kind = next((kind for kind in DECISIONS if isinstance(node, kind)), None)
        if kind is not None:
            yield from DECISIONS[kind](node)
    if equation.selects and _flows_from(equation):
        yield equal(body, equation.target)


def _written_out(body: Expr) -> Expr:
    def rule(node: Basic) -> Basic | None:
        if isinstance(node, Composite):
            return _written_out(node.definition())
        return canonical_node(node)

    return rewrite(body, rule)


def _not_held(body: Basic) -> Iterator[Basic]:
    """Every node that is not inside a ``stop_gradient``."""
    seen: set[int] = set()
    stack = [body]
    while stack:
        node = stack.pop()
        if id(node) not in seen and not isinstance(node, stop_gradient):
            seen.add(id(node))
            yield node
            stack.extend(() if is_leaf(node) else node.args)


def _flows_from(equation: Equation) -> list[Expr]:
    """The references through which the derivative flows."""
    return [node for node in _not_held(_written_out(equation.body)) if isinstance(node, Indexed) or is_variable(node)]
