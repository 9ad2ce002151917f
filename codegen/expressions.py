"""Plain SymPy expressions in, a graph of scalar equations out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sympy
from sympy import Expr, Mul, NumberSymbol, Piecewise, Pow, Symbol
from sympy.core.basic import Basic
from sympy.core.function import AppliedUndef
from sympy.core.numbers import ComplexInfinity, ImaginaryUnit, Number
from sympy.logic.boolalg import BooleanAtom

from codegen.equation import Equation, Variable
from codegen.errors import GraphError
from codegen.expression import annotate, fresh_names, is_leaf, postorder
from codegen.functions import CANONICAL, SUPPORTED, canonical
from codegen.graph import Graph
from codegen.validation import known_names

BODY_DEPTH = 24
"""A body nested deeper than this is cut: SymPy recurses about six Python frames a level when it differentiates."""
SHARED_SIZE = 8
"""A subexpression of this many nodes that is used twice is cut, lest a body be exponentially larger than it looks."""
BRANCH_SIZE, BRANCH_DEPTH = 200, 72
"""Up to this size and depth a branch of a ``Piecewise`` stays whole; SymPy fails on about 145 levels."""


def from_expressions(outputs: Mapping[str, Expr], inputs: Sequence[Symbol], *, decompose: bool = False) -> Graph:
    """A graph with one scalar equation for each entry; an entry may refer to an earlier one by the symbol of its name.

    Larger subexpressions that are used twice, and all nested deeper than 24 levels, become vertices ``v1``, ``v2``, …
    of their own, so that no later stage meets a body that is exponential or deep. ``decompose=True`` cuts everything to
    one operation a vertex, the lecture's scalar graph (a sum or product of several terms counts as one). Branches of a
    ``Piecewise`` stay inside their vertex, so that one that is not taken leaks nothing. All symbols become real ones;
    an input that is an integer symbol holds integers, and has no derivative.

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
    variables = tuple(_input(symbol) for symbol in inputs)
    names = [variable.name for variable in variables]
    if len(set(names)) != len(names):
        raise GraphError(f"an input is named twice: {', '.join(names)}")
    for name in outputs:
        if not isinstance(name, str) or not name:
            raise GraphError(f"the key {name!r} of outputs is not a name")
        if name in names:
            raise GraphError(f"the output {name!r} has the name of an input")
    cutter = _Cutter(inputs, tuple(outputs), decompose)
    for name, expression in outputs.items():
        cutter.add(name, _as_expression(name, expression))
    return Graph(variables, tuple(cutter.equations), tuple(outputs))


# --- what is let in -----------------------------------------------------------------------------------------------


def _input(symbol: object) -> Variable:
    if not isinstance(symbol, Symbol):
        raise GraphError(f"the input {symbol!r} is a {type(symbol).__name__}, expected a sympy.Symbol")
    return Variable(str(symbol.name), (), "integer" if symbol.is_integer else "real")


def _as_expression(name: str, value: object) -> Expr:
    try:
        expression = sympy.sympify(value, strict=True)
    except sympy.SympifyError:
        expression = None
    if not isinstance(expression, Expr) or expression.is_Matrix:
        raise GraphError(f"the output {name!r} is a {type(value).__name__}, expected a scalar SymPy expression")
    # From the outside in, so that the message names the integral and not the tuple inside it.
    for node in reversed(list(postorder(expression))):
        _check(name, node)
    return expression


def _check(name: str, node: Basic) -> None:
    if isinstance(node, (Number, NumberSymbol, ComplexInfinity)):
        if not node.is_finite:
            raise GraphError(f"the output {name!r} contains {node}, which is not a finite real number")
    elif not isinstance(node, (Symbol, BooleanAtom, *SUPPORTED)):
        found = _describe(node)
        raise GraphError(f"the output {name!r} contains {found}, which has no translation into real scalar code")


def _describe(node: Basic) -> str:
    if isinstance(node, ImaginaryUnit):
        return "the imaginary unit"
    name = type(node).__name__
    return f"the undefined function {name}" if isinstance(node, AppliedUndef) else f"sympy's {name}"


# --- cutting ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Part:
    """A rebuilt subexpression, how large and deep it makes the body it stands in, and whether it reads a vertex."""

    expression: Basic
    size: int = 1
    depth: int = 1
    reads: bool = True


class _Cutter:
    """Builds the equations of successive expressions; a node that was cut is the vertex it became."""

    def __init__(self, inputs: Sequence[Symbol], outputs: Sequence[str], decompose: bool) -> None:
        self.equations: list[Equation] = []
        self.symbols: dict[str, Symbol] = {symbol.name: symbol for symbol in inputs}
        self.known: dict[str, Expr] = {name: Variable(name).symbol for name in self.symbols}
        self.outputs, self.decompose = tuple(outputs), decompose
        self.fresh = fresh_names("v", {*self.symbols, *outputs})
        self.cuts: dict[Expr, Expr] = {}

    def add(self, name: str, expression: Expr) -> None:
        """Append the equations of one entry."""
        uses = Counter(id(argument) for node in postorder(expression) if not is_leaf(node) for argument in node.args)
        inlined = _inside_branches(expression)

        def step(node: Basic, arguments: list[_Part]) -> _Part:
            part = self._rebuilt(name, node, arguments)
            wanted = self._is_cut(node, part, shared=uses[id(node)] > 1, inlined=id(node) in inlined)
            return _Part(self._vertex(part.expression)) if wanted and node is not expression else part

        body = annotate(expression, step)[id(expression)].expression
        target = Variable(name).symbol
        self.equations.append(Equation(target, canonical(body)))
        self.known[name] = target

    def _rebuilt(self, name: str, node: Basic, arguments: list[_Part]) -> _Part:
        if isinstance(node, Symbol):
            return _Part(self._resolve(name, node))
        return _Part(
            node if is_leaf(node) else CANONICAL.get(node.func, node.func)(*[part.expression for part in arguments]),
            1 + sum(part.size for part in arguments),
            1 + max((part.depth for part in arguments), default=0),
            any(part.reads for part in arguments),
        )

    def _is_cut(self, node: Basic, part: _Part, *, shared: bool, inlined: bool) -> bool:
        if not isinstance(part.expression, Expr) or is_leaf(part.expression) or not part.reads:
            return False
        if inlined and part.size < BRANCH_SIZE and part.depth < BRANCH_DEPTH:
            return False
        operation = self.decompose and not _is_sign_or_reciprocal(node)
        return operation or (shared and part.size >= SHARED_SIZE) or part.depth >= BODY_DEPTH

    def _vertex(self, body: Expr) -> Expr:
        if body not in self.cuts:
            target = Variable(next(self.fresh)).symbol
            self.equations.append(Equation(target, canonical(body)))
            self.cuts[body] = target
        return self.cuts[body]

    def _resolve(self, name: str, symbol: Symbol) -> Expr:
        label = str(symbol.name)
        if label == name:
            raise GraphError(f"the output {name!r} refers to itself")
        if label not in self.known:
            if label in self.outputs:
                raise GraphError(f"the output {name!r} refers to {label!r}, which is defined after it")
            known = known_names([*self.known])
            raise GraphError(
                f"the output {name!r} contains the symbol {label!r}, which is neither an input nor an entry ({known})"
            )
        if self.symbols.setdefault(label, symbol) != symbol:
            raise GraphError(f"the output {name!r} contains a second symbol named {label!r} with other assumptions")
        return self.known[label]


def _is_sign_or_reciprocal(node: Basic) -> bool:
    """A negated or inverted symbol is part of the difference or quotient it is in: a − b and a/b are one operation."""
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
