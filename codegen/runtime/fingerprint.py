"""A text that two graphs share only if they are the same: what machine code on disk is found by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256

import numpy as np
from sympy import Float, Idx, Indexed, Integer, Rational, Symbol
from sympy.core.basic import Basic

from codegen.functions import Composite
from codegen.ir.equation import Equation
from codegen.ir.graph import Graph
from codegen.ir.nodes import Node, Nodes
from codegen.passes.straight import is_large
from codegen.walk import extent, is_leaf


def fingerprint(graph: Graph) -> str:
    """Inputs, equations and outputs, each node of an expression written once.

    >>> from codegen import from_expressions
    >>> from sympy import symbols
    >>> a = symbols("a")
    >>> print(fingerprint(from_expressions({"e": a * a + 1}, [a])))
    input 'a' () real None
    equation
    0 Integer 1
    1 variable 'a'
    2 Integer 2
    3 Pow 1 2
    4 Add 0 3
    'e' () = None () 4
    output 'e'
    """
    lines = [f"input {v.name!r} {_shape(v.shape)} {v.kind} {v.below}" for v in graph.inputs]
    if is_large(graph):
        lines += _formulas(graph)
    else:
        for equation in graph.equations:
            lines += _equation(equation)
    return "\n".join([*lines, *(f"output {name!r}" for name in graph.outputs)])


def _formulas(graph: Graph) -> Iterator[str]:
    """Interned nodes as a hash, and what each of their heads is; which of them are the elements of the outputs."""
    formulas = graph.formulas
    assert formulas is not None
    nodes, edges, outputs = formulas.nodes, formulas.nodes.edges, set(graph.outputs)
    assigned = [(cell, node) for cell, node in formulas.assigned.items() if cell.name in outputs]
    order = nodes.reached([node for _, node in assigned])
    _, first, heads = np.unique(edges.heads[order], return_index=True, return_inverse=True)
    met = np.argsort(first)
    for node in order[first[met]]:
        head = nodes.heads[node]
        yield _leaf(head) if isinstance(head, Basic) else head.__name__
        if isinstance(head, type) and issubclass(head, Composite):
            yield from _definitions(nodes, order[edges.heads[order] == id(head)])
    numbers = np.zeros(len(nodes), np.int64)
    numbers[order] = np.arange(len(order))
    taken = np.zeros(len(nodes), bool)
    taken[order] = True
    table = np.argsort(met)[heads], edges.lengths[order], numbers[edges.operands[taken[edges.readers]]]
    yield sha256(b"".join(array.tobytes() for array in table)).hexdigest()
    for cell, node in assigned:
        yield f"{cell.name!r} {cell.pattern} = {numbers[node]}"


def _definitions(nodes: Nodes, composites: Sequence[Node]) -> Iterator[str]:
    """The formulas of a function, one for each order of a derivative: that is a part of the formula."""
    head = nodes.heads[composites[0]]
    assert isinstance(head, type)
    assert issubclass(head, Composite)
    found = (tuple(map(nodes.heads.__getitem__, nodes.operands[node])) for node in composites)
    for orders in dict.fromkeys(tuple(order if isinstance(order, Integer) else None for order in of) for of in found):
        given = [Symbol(f"_{n}", real=True) if order is None else order for n, order in enumerate(orders)]
        yield from _equation(Equation(Symbol(head.__name__, real=True), head.formula(*given)))


def _shape(shape: tuple[object, ...]) -> str:
    return f"({', '.join(repr(str(n)) if not isinstance(n, int) else str(n) for n in shape)})"


def _equation(equation: Equation) -> Iterator[str]:
    yield "equation"
    numbers: dict[int, int] = {}
    seen: dict[str, int] = {}
    for node in _nodes(equation.body):
        text = _node(node, numbers)
        if text not in seen:
            seen[text] = len(seen)
            yield f"{seen[text]} {text}"
        numbers[id(node)] = seen[text]
    reduced = ", ".join(_leaf(i) for i in equation.reduced)
    kind = equation.reduction and equation.reduction.value
    subscripts = ", ".join(_subscript(i) for i in getattr(equation.target, "indices", ()))
    yield f"{equation.name!r} ({subscripts}) = {kind} ({reduced}) {numbers[id(equation.body)]}"


def _nodes(expression: Basic) -> Iterator[Basic]:
    """Every node once, arguments first, and before a function that is defined by a formula the nodes of the formula."""
    seen: dict[int, Basic] = {}  # formulas are made anew each time they are asked for: kept, so that no number recurs
    stack: list[tuple[Basic, bool]] = [(expression, False)]
    while stack:
        node, done = stack.pop()
        if done:
            yield node
        elif id(node) not in seen:
            seen[id(node)] = node
            stack.append((node, True))
            if not is_leaf(node):
                stack += [(argument, False) for argument in reversed(node.args)]
            if isinstance(node, Composite):
                stack.append((node.definition(), False))


def _node(node: Basic, numbers: dict[int, int]) -> str:
    if is_leaf(node) or not node.args:
        return _leaf(node)
    return " ".join([type(node).__name__, *(str(numbers[id(a)]) for a in node.args)])


def _subscript(subscript: Basic) -> str:
    if is_leaf(subscript):
        return _leaf(subscript)
    return f"({type(subscript).__name__} {', '.join(map(_subscript, subscript.args))})"


def _leaf(leaf: Basic) -> str:
    match leaf:
        case Integer():
            return f"Integer {int(leaf)}"
        case Float():
            return f"Float {leaf._mpf_} {leaf._prec}"
        case Rational():
            return f"Rational {leaf.p}/{leaf.q}"
        case Idx():
            return f"index {leaf.name!r} {_shape((extent(leaf),))}"
        case Indexed():
            return f"{str(leaf.base.label.name)!r}[{', '.join(map(_subscript, leaf.indices))}]"
        case Symbol():
            return f"{'extent' if leaf.is_integer else 'variable'} {leaf.name!r}"
        case _:
            return f"{type(leaf).__name__} {leaf}"
