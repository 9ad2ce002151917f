"""Unstable forms among interned nodes: the rules that know SymPy see what may be one, and what it stands on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain

from sympy import Add, And, Expr, Mul, Not, Or, Piecewise, Pow, exp, log
from sympy.core.relational import Relational
from sympy.functions.elementary.piecewise import ExprCondPair
from sympy.logic.boolalg import BooleanAtom

from codegen.functions import canonical, log1p, logistic
from codegen.ir.equation import Equation, Variable
from codegen.ir.formulas import Formulas
from codegen.ir.names import Names
from codegen.ir.nodes import Head, Node, Nodes
from codegen.passes.stabilise import stable_equations
from codegen.passes.stable_forms import RECIPROCALS
from codegen.passes.unsettled import (
    ABOVE,
    BELOW,
    CLOSED,
    SHARED,
    exponentials,
    factors,
    has_nested_exponentials,
    has_one,
    is_logged_otherwise,
    is_product_otherwise,
    log1p_squared,
    over_squares,
    plain_forms,
    terms,
    unsettled,
)
from codegen.walk import references

CHOOSING = (Piecewise, ExprCondPair, Relational, And, Or, Not, BooleanAtom)
"""What is no number, or is made of what is none: no part of a graph of numbers."""


def stabilised(formulas: Formulas, keep: Collection[str] = ()) -> Formulas:
    """The formulas without unstable forms, see :func:`~codegen.passes.stabilise.stabilise`.

    >>> from sympy import Symbol, exp, log
    >>> x, y = Symbol("x", real=True), Symbol("y", real=True)
    >>> read = Formulas.of([Variable("x")], [Equation(y, (1 + log(1 + exp(x))) ** 2)])
    >>> [(cell, node)] = stabilised(read).assigned.items()
    >>> stabilised(read).nodes.written(node)
    (softplus(x) + 1)**2
    """
    formulas = _with_plain_forms(formulas)
    nodes = formulas.nodes
    roots = list(dict.fromkeys(formulas.assigned.values()))
    order = nodes.below(roots)
    some = unsettled(nodes, order)
    if not some:
        return replace(formulas, stable=True)
    part = _part(formulas, order, _around(nodes, order, some))
    ends = [node for cell, node in formulas.assigned.items() if cell.name in keep and node in part.inside]
    names = Names(str(name) for name in part.names.values())
    stable = stable_equations(part.equations, [part.names[node].name for node in ends], part.outputs, names)
    if len(stable) == len(part.equations) and all(new is old for new, old in zip(stable, part.equations)):
        return replace(formulas, stable=True)
    new, found = _replaced(nodes, roots, part, {e.target: e.body for e in stable})
    return replace(formulas, nodes=new, assigned={c: found[n] for c, n in formulas.assigned.items()}, stable=True)


def _with_plain_forms(formulas: Formulas) -> Formulas:
    """The forms that take no look around, of which some formulas are full: SymPy takes 1 ms for one.

    1/(1 + exp(a))ⁿ = σ(−a)ⁿ, 1/cosh(a)ⁿ = sech(a)ⁿ and the like, log(1 + a) = log1p(a), and exp(a)·exp(b) = exp(a + b)
    where an exponent has an exponential itself, x/(x² + y²) and log(1 + x² + y²).
    """
    nodes, new = formulas.nodes, formulas.nodes.copy()
    roots = list(dict.fromkeys(formulas.assigned.values()))
    own = set(plain_forms(nodes, nodes.reached(roots)))
    if all(_plain_form(new, node) == node for node in own):
        return formulas
    new = nodes.copy()

    def made(node: Node, given: tuple[Node, ...], found: Sequence[Node]) -> Node:
        head = nodes.heads[node]
        assert isinstance(head, type)
        now = new.made(head, given) if given != nodes.operands[node] else node
        return _plain_form(new, now) if node in own else now

    plain, found = new.rebuilt(roots, own, made)
    return replace(formulas, nodes=plain, assigned={cell: found[node] for cell, node in formulas.assigned.items()})


def _plain_form(nodes: Nodes, node: Node) -> Node:
    head, operands = nodes.heads[node], nodes.operands[node]
    if head is log and has_one(nodes, operands[0]) and not is_logged_otherwise(nodes, operands[0]):
        rest = [term for term in nodes.operands[operands[0]] if term != nodes.one]
        argument = nodes.total(rest)
        return log1p_squared(nodes, argument) or nodes.made(log1p, (argument,))
    if head is Mul and has_nested_exponentials(nodes, node):
        exponents = exponentials(nodes, node)
        total = nodes.total([nodes.scaled(power, exponent) for power, exponent in exponents.values()])
        return nodes.product([nodes.made(exp, (total,)), *[o for o in operands if o not in exponents]])
    if head is Mul:
        while (shorter := _over_squares(nodes, node)) is not None:
            node = shorter
        return node
    if head is Pow:
        base, power = nodes.as_power(node)
        if power.is_Integer and power.is_negative:
            reciprocal = RECIPROCALS.get(nodes.heads[base])
            if reciprocal is not None:
                return nodes.power(nodes.made(reciprocal, nodes.operands[base]), -power)
            if (exponent := _exponent(nodes, base)) is not None:
                return nodes.power(nodes.made(logistic, (nodes.negative(exponent),)), -power)
    return node


def _over_squares(nodes: Nodes, node: Node) -> Node | None:
    is_plain = nodes.heads[node] is Mul and (found := over_squares(nodes, node)) is not None
    return found if is_plain and not is_product_otherwise(nodes, node) else None


def _exponent(nodes: Nodes, total: Node) -> Node | None:
    """The a of 1 + exp(a); None for anything else."""
    if nodes.heads[total] is not Add:
        return None
    terms = [operand for operand in nodes.operands[total] if operand != nodes.one]
    is_one = len(nodes.operands[total]) == 2 and len(terms) == 1 and nodes.heads[terms[0]] is exp
    return nodes.operands[terms[0]][0] if is_one else None


def _around(nodes: Nodes, order: Sequence[Node], some: Sequence[Node]) -> set[Node]:
    """Some operations, what they stand on, and what stands on them."""
    readers: dict[Node, list[Node]] = {}
    for node in order:
        head = nodes.heads[node]
        if head not in CLOSED and not _chooses(head):  # type: ignore[arg-type]
            for operand in nodes.operands[node]:
                readers.setdefault(operand, []).append(node)

    def above(node: Node) -> Sequence[Node]:
        return readers.get(node, ())

    inside = (rest for node in some if nodes.heads[node] is Add for _, rest in terms(nodes, node))
    whole = chain((node for node in some if nodes.heads[node] is Mul), inside)
    opened = {*some, *(base for node in whole for base, power in factors(nodes, node) if power.is_Integer)}

    def below(node: Node) -> Sequence[Node]:
        inside = nodes.operands[node] if nodes.heads[node] not in CLOSED or node in opened else ()
        return [operand for operand in inside if nodes.operands[operand] and not _chooses(nodes.heads[operand])]  # type: ignore[arg-type]

    return _within(_within(some, above, ABOVE), below, BELOW)


@cache
def _chooses(head: Head) -> bool:
    return issubclass(head, CHOOSING) if isinstance(head, type) else isinstance(head, BooleanAtom)


def _within(some: Collection[Node], neighbours: Callable[[Node], Sequence[Node]], distance: int) -> set[Node]:
    found, last = set(some), list(some)
    for _ in range(distance):
        last = [node for node in dict.fromkeys(n for node in last for n in neighbours(node)) if node not in found]
        found.update(last)
    return found


@dataclass(frozen=True)
class _Part:
    """Operations cut out of a table: their equations, and the symbols of what these read and assign."""

    equations: Sequence[Equation]
    outputs: Sequence[str]
    inside: set[Node]
    names: Mapping[Node, Expr]


def _part(formulas: Formulas, order: Iterable[Node], inside: set[Node]) -> _Part:
    nodes = formulas.nodes
    prefix = "v"
    while any(name.startswith(prefix) for name in formulas.variables):
        prefix += "'"
    uses = nodes.uses(inside)
    assigned = set(formulas.assigned.values())
    read = assigned.union(o for node in order if node not in inside for o in nodes.operands[node])
    names: dict[Node, Expr] = {}
    hidden: dict[Node, Expr] = {}
    sizes: dict[Node, int] = {}
    equations: list[Equation] = []
    outputs: list[str] = []

    def name(node: Node) -> Variable:
        variable = Variable(f"{prefix}{node}")
        names[node] = variable.symbol
        return variable

    for node in order:
        if node not in inside:
            if node in uses and nodes.constant(node) is None:
                hidden[node] = name(node).symbol
            continue
        size = 1 + sum(sizes.get(operand, 1) for operand in nodes.operands[node])
        if node in read or (uses.get(node, 0) > 1 and size >= SHARED):
            body = canonical(nodes.written(node, hidden.get))
            variable = name(node)
            equations.append(Equation(variable.symbol, body))
            if size >= SHARED:  # Rules see what is in a small one: Γ(a)/Γ(a + b) where others read a + b.
                hidden[node], size = variable.symbol, 1
            if node in read:
                outputs.append(variable.name)
        sizes[node] = size
    return _Part(equations, outputs, inside, names)


def _replaced(
    nodes: Nodes, roots: Sequence[Node], part: _Part, bodies: Mapping[Expr, Expr]
) -> tuple[Nodes, Mapping[Node, Node]]:
    """A table with other formulas for a part of another one; by root the node of its value."""
    new = nodes.copy()

    def made(node: Node, given: tuple[Node, ...], found: Sequence[Node]) -> Node:
        name, head = part.names.get(node), nodes.heads[node]
        if node in part.inside:
            return node if name is None else _read(new, name, bodies)
        is_same = given == nodes.operands[node] or not isinstance(head, type)
        now = node if is_same else new.made(head, given)
        if name is not None:
            new.name(name, now)
        return now

    return new.rebuilt(roots, part.inside.union(part.names), made)


def _read(nodes: Nodes, target: Expr, bodies: Mapping[Expr, Expr]) -> Node:
    """The node of a vertex, which it stands for from now on, as do those that it reads."""
    stack = [target]
    while stack:
        body = bodies[stack[-1]]
        waiting = [leaf for leaf in references(body) if leaf in bodies and not nodes.has_name(leaf)]
        if not waiting:
            nodes.name(stack.pop(), nodes.read(body))
        stack += waiting
    return nodes.leaf(target)
