"""Unstable forms among interned nodes: the rules that know SymPy see what may be one, and what it stands on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import cache
from itertools import chain

from sympy import Add, And, Mul, Not, Or, Piecewise, Pow, exp, log
from sympy.core.relational import Relational
from sympy.functions.elementary.piecewise import ExprCondPair
from sympy.logic.boolalg import BooleanAtom

from codegen.functions import log1p, logistic
from codegen.ir.formulas import Formulas
from codegen.ir.nodes import Head, Node, Nodes
from codegen.passes.stable_forms import RECIPROCALS
from codegen.passes.stable_parts import Part
from codegen.passes.unsettled import (
    ABOVE,
    BELOW,
    CLOSED,
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

CHOOSING = (Piecewise, ExprCondPair, Relational, And, Or, Not, BooleanAtom)
"""What is no number, or is made of what is none: no part of a graph of numbers."""


def stabilised(formulas: Formulas, keep: Collection[str] = ()) -> Formulas:
    """The formulas without unstable forms, see :func:`~codegen.passes.stabilise.stabilise`.

    >>> from codegen.ir.equation import Equation, Variable
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
    inside = _around(nodes, order, some)
    kept = {node for cell, node in formulas.assigned.items() if cell.name in keep}
    forms = Part.of(nodes, order, inside, formulas.assigned.values(), kept).forms(some)
    if not forms:
        return replace(formulas, stable=True)
    new = nodes.copy()

    def made(node: Node, given: tuple[Node, ...], found: Sequence[Node]) -> Node:
        if node in forms:
            pattern, leaves = forms[node]
            return new.filled(pattern, [found[leaf] for leaf in leaves])
        head = nodes.heads[node]
        assert isinstance(head, type)
        return new.made(head, given)

    stable, found = new.rebuilt(roots, forms, made)
    return replace(formulas, nodes=stable, assigned={c: found[n] for c, n in formulas.assigned.items()}, stable=True)


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
