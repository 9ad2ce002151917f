"""Plain SymPy expressions in, a graph of scalar equations out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count

import sympy
from sympy import Expr, Mul, NumberSymbol, Piecewise, Pow, Rational, Symbol
from sympy.core.basic import Basic
from sympy.core.function import AppliedUndef
from sympy.core.numbers import ImaginaryUnit
from sympy.logic.boolalg import BooleanAtom

from codegen.errors import GraphError
from codegen.expression import is_leaf, postorder
from codegen.functions import CANONICAL, SUPPORTED
from codegen.graph import Equation, Graph, Variable

BODY_DEPTH = 24
"""A body nested deeper than this is cut: SymPy recurses about six Python frames a level when it differentiates."""
SHARED_SIZE = 8
"""A subexpression of this many nodes that is used twice is cut, so that no body is exponentially larger than it looks."""
BRANCH_SIZE = 200
"""Up to this size a branch of a ``Piecewise`` stays whole."""


def from_expressions(outputs: Mapping[str, Expr], inputs: Sequence[Symbol], *, decompose: bool = False) -> Graph:
    """A graph with one scalar equation for each entry; an entry may refer to an earlier one by the symbol of its name.

    Larger subexpressions that are used twice, and all nested deeper than 24 levels, become vertices ``v1``, ``v2``, …
    of their own, so that no later stage meets a body that is exponential or deep. ``decompose=True`` cuts everything to
    one operation a vertex, the lecture's scalar graph (a sum or product of several terms counts as one). Branches of a ``Piecewise`` stay inside their vertex.

    Raises :class:`GraphError` for a symbol that is neither an input nor an entry, an entry that refers to itself, and
    a construct that is not a real scalar function.

    >>> from sympy import symbols
    >>> a, b = symbols("a b")
    >>> print(from_expressions({"e": (a + b) * (b + 1)}, [a, b], decompose=True))
    inputs a, b
    v1 = b + 1
    v2 = a + b
    e = v1*v2
    outputs e
    """
    names = [_name_of_input(symbol) for symbol in inputs]
    for name in outputs:
        if not isinstance(name, str) or not name:
            raise GraphError(f"the key {name!r} of outputs is not a name")
        if name in names:
            raise GraphError(f"the output {name!r} has the name of an input")
    if len(set(names)) != len(names):
        raise GraphError(f"an input is named twice: {', '.join(names)}")
    cutter = _Cutter(inputs, tuple(outputs), decompose)
    for name, expression in outputs.items():
        cutter.add(name, _as_expression(name, expression))
    variables = tuple(Variable(name) for name in names)
    return Graph(variables, tuple(cutter.equations), tuple(outputs))


def _name_of_input(symbol: object) -> str:
    if not isinstance(symbol, Symbol):
        raise GraphError(f"the input {symbol!r} is a {type(symbol).__name__}, expected a sympy.Symbol")
    return str(symbol.name)


def _as_expression(name: str, value: object) -> Expr:
    try:
        expression = sympy.sympify(value, strict=True)
    except sympy.SympifyError:
        expression = None
    if not isinstance(expression, Expr):
        raise GraphError(f"the output {name!r} is a {type(value).__name__}, expected a scalar SymPy expression")
    return expression


class _Cutter:
    """Builds the equations of successive expressions; a node that was cut is the vertex it became."""

    def __init__(self, inputs: Sequence[Symbol], outputs: Sequence[str], decompose: bool) -> None:
        self.equations: list[Equation] = []
        self.symbols: dict[str, Symbol] = {symbol.name: symbol for symbol in inputs}
        self.known: dict[str, Expr] = {name: Variable(name).symbol for name in self.symbols}
        self.outputs, self.decompose = tuple(outputs), decompose
        taken = {*self.symbols, *outputs}
        self.fresh = (name for n in count(1) if (name := f"v{n}") not in taken)
        self.cuts: dict[Expr, Expr] = {}

    def add(self, name: str, expression: Expr) -> None:
        """Append the equations of one entry."""
        uses = Counter(id(argument) for node in postorder(expression) if not is_leaf(node) for argument in node.args)
        inlined = _inside_branches(expression)
        rebuilt: dict[int, Basic] = {}
        size: dict[int, int] = {}
        depth: dict[int, int] = {}
        for node in postorder(expression):
            arguments = () if is_leaf(node) else node.args
            new = self._rebuild(name, node, [rebuilt[id(a)] for a in arguments])
            size[id(node)] = 1 + sum(size[id(a)] for a in arguments)
            depth[id(node)] = 1 + max((depth[id(a)] for a in arguments), default=0)
            shared = uses[id(node)] > 1 and size[id(node)] >= SHARED_SIZE
            deep = depth[id(node)] >= BODY_DEPTH
            branch = id(node) in inlined and size[id(node)] < BRANCH_SIZE
            operation = self.decompose and not _is_part(node)
            if node is not expression and _is_operation(new) and not branch and (shared or deep or operation):
                new = self._vertex(new)
                size[id(node)] = depth[id(node)] = 1
            rebuilt[id(node)] = new
        target = Variable(name).symbol
        body = rebuilt[id(expression)]
        self.equations.append(Equation(target, body))
        self.known[name] = target

    def _vertex(self, body: Expr) -> Expr:
        if body not in self.cuts:
            target = Variable(next(self.fresh)).symbol
            self.equations.append(Equation(target, body))
            self.cuts[body] = target
        return self.cuts[body]

    def _rebuild(self, name: str, node: Basic, arguments: list[Basic]) -> Basic:
        if isinstance(node, Symbol):
            return self._resolve(name, node)
        if node.is_Number or isinstance(node, NumberSymbol):
            if node.is_finite:
                return node
            raise GraphError(f"the output {name!r} contains {node}, which is not a finite real number")
        if isinstance(node, BooleanAtom):
            return node
        if not isinstance(node, SUPPORTED):
            raise GraphError(
                f"the output {name!r} contains {_describe(node)}, which has no translation into real scalar code"
            )
        return CANONICAL.get(node.func, node.func)(*arguments)

    def _resolve(self, name: str, symbol: Symbol) -> Expr:
        label = str(symbol.name)
        if label == name:
            raise GraphError(f"the output {name!r} refers to itself")
        if label not in self.known:
            if label in self.outputs:
                raise GraphError(f"the output {name!r} refers to {label!r}, which is defined after it")
            known = ", ".join(self.known)
            raise GraphError(
                f"the output {name!r} contains the symbol {label!r}, which is neither an input nor an entry ({known})"
            )
        if self.symbols.setdefault(label, symbol) != symbol:
            raise GraphError(f"the output {name!r} contains a second symbol named {label!r} with other assumptions")
        return self.known[label]


def _is_operation(node: Basic) -> bool:
    return isinstance(node, Expr) and bool(node.args) and not isinstance(node, Rational)


def _is_part(node: Basic) -> bool:
    """A negated or inverted atom is part of the difference or quotient it stands in: a - b and a/b are one operation."""
    if isinstance(node, Pow):
        return node.exp == -1 and is_leaf(node.base)
    return isinstance(node, Mul) and len(node.args) == 2 and node.args[0] == -1 and is_leaf(node.args[1])


def _inside_branches(expression: Basic) -> set[int]:
    """Nodes inside a ``Piecewise``: cut out, a branch not taken would be evaluated and could leak nan."""
    found: set[int] = set()
    for node in reversed(list(postorder(expression))):
        if isinstance(node, Piecewise) or id(node) in found:
            found.update(id(argument) for argument in node.args)
    return found


def _describe(node: Basic) -> str:
    if isinstance(node, ImaginaryUnit):
        return "the imaginary unit"
    name = type(node).__name__
    return f"the undefined function {name}" if isinstance(node, AppliedUndef) else f"sympy's {name}"
