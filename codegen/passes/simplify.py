"""Remove what differentiation leaves behind: aliases, constants, brackets under sums, factors written twice."""

from __future__ import annotations

from collections import Counter

from sympy import Add, Expr, Integer, Mul, Number, Pow
from sympy.core.basic import Basic

from codegen.cached import once
from codegen.functions import canonical, equal, select
from codegen.functions.powers import is_inverse
from codegen.ir.graph import Cell, Equation, Graph
from codegen.ir.ranges import guard_of, guarded
from codegen.ir.reduction import Reduction
from codegen.ir.summation import summand
from codegen.walk import base_name, indices, rewrite

INLINE_REFERENCES = 4
"""A product of up to this many references is written into the one equation that uses it."""
MODERATE = 10**60
"""Written into another, a product with a larger or smaller factor could become one that no float holds."""
FACTOR_TERMS = 32
"""Sums with more terms are not searched for common factors."""


def simplify(graph: Graph) -> Graph:
    """Write trivial vertices into their users, carry out sums over brackets, take common factors out of sums.

    A vertex is written into its users if it is a constant, another vertex or its negative, or a short product or the
    share of a maximum with a single user. Outputs keep their equations.

    >>> from codegen import from_expressions, gradient
    >>> from sympy import symbols
    >>> a, b, c, d = symbols("a b c d")
    >>> print(simplify(gradient(from_expressions({"c": a + b, "d": b + 1, "e": c * d}, [a, b]), "e")))
    inputs a, b
    c = a + b
    d = b + 1
    e = c*d
    de/da = d
    de/db = c + d
    outputs e, de/da, de/db
    """
    uses, whole = _uses(graph)
    outputs = set(graph.outputs)
    inlined: dict[Cell, Equation] = {}
    kept: list[Equation] = []
    for equation in graph.equations:
        new = tidy(_inline(equation, inlined))
        if equation.cell in graph.scans:  # elsewhere a product would be computed at another step
            goes = _is_plain(new) and not any(base_name(reference) == equation.name for reference in new.references)
        else:
            goes = _is_trivial(new, uses[equation.cell])
        if goes and equation.name not in outputs and equation.cell in whole:
            inlined[equation.cell] = new
        else:
            kept.append(new)
    if inlined.keys() & graph.scans.keys():  # an equation before an alias may read it, at an earlier step
        kept = [tidy(_inline(equation, inlined)) for equation in kept]
    return graph.with_equations(kept)


def _uses(graph: Graph) -> tuple[Counter[Cell], set[Cell]]:
    """How many map equations use a vertex (a reduction counts twice), and the vertices never read across."""
    uses: Counter[Cell] = Counter()
    whole = {equation.cell for equation in graph.equations}
    for equation in graph.equations:
        for access in equation.reads:
            cells = graph.meeting(access.cell)
            for cell in cells:
                uses[cell] += 1 if equation.is_map else 2
            if cells != (access.cell,):
                whole.difference_update(cells)
    return uses, whole


def _is_trivial(equation: Equation, uses: int) -> bool:
    if _is_plain(equation):
        return True
    references = equation.references
    if not equation.is_map or not references:
        return False
    factors = Mul.make_args(equation.body)
    plain = all(f in references or _is_moderate(f) or _is_power(f, references) for f in factors)
    return uses == 1 and ((plain and len(references) <= INLINE_REFERENCES) or _is_share(equation.body))


def _is_share(body: Expr) -> bool:
    """Whether a value is 1 divided by how many of some brackets hold."""
    return is_inverse(body) and all(isinstance(term, equal) for term in Add.make_args(body.base))


def _is_plain(equation: Equation) -> bool:
    """Whether a vertex is a constant, another one, or its negative; the maximum of no value stays where it is."""
    references, body = equation.references, equation.body
    if not equation.is_map or body is Reduction.MAX.neutral:
        return False
    return body in (references[0], -references[0]) if references else not indices(body)


def _is_moderate(factor: Expr) -> bool:
    """Whether a factor is a number whose product with those of other vertices is within the range of the floats."""
    return isinstance(factor, Number) and 1 <= MODERATE * abs(factor) <= MODERATE**2


def _is_power(factor: Expr, references: tuple[Expr, ...]) -> bool:
    return (
        isinstance(factor, Pow)
        and isinstance(factor.exp, Integer)
        and (factor.base in references or factor.base.is_integer)
    )


def _inline(equation: Equation, inlined: dict[Cell, Equation]) -> Equation:
    while hits := {access.reference: inlined[access.cell] for access in equation.reads if access.cell in inlined}:
        replacements = {reference: source.at(reference) for reference, source in hits.items()}
        # A square written into a root becomes SymPy's Abs.
        written = canonical(rewrite(equation.body, replacements.get))
        equation = equation.with_body(rewrite(written, _decided))
    return equation


def _decided(node: Basic) -> Basic | None:
    """A choice by a bracket, which holds in one branch and not in the other."""
    if not isinstance(node, select) or not isinstance(node.args[0], equal):
        return None
    bracket, *branches = node.args
    given = (rewrite(b, {bracket: Integer(holds)}.get) for b, holds in zip(branches, (1, 0)))
    return select(bracket, *given)


@once
def tidy(equation: Equation) -> Equation:
    """One equation with its sum carried out as far as it can be and common factors taken out."""
    if equation.is_sum:
        equation = Equation.total(equation.target, summand(equation.body, equation.reduced))
    return equation.with_body(rewrite(rewrite(rewrite(_in_front(equation.body), _factor), _scaled), _chosen))


def _in_front(body: Expr) -> Expr:
    """The conditions on indices around factors of a product around the whole of it."""
    terms = Add.make_args(body)
    if not any(isinstance(term, Mul) and any(map(guard_of, term.args)) for term in terms):
        return body
    return Add(*[guarded(term) if isinstance(term, Mul) else term for term in terms])


def _scaled(node: Basic) -> Basic | None:
    """2·{a if x > 0, else b} of numbers a and b → {2·a if x > 0, else 2·b}."""
    if not isinstance(node, Mul) or not isinstance(node.args[0], Number) or node.args[0] == -1:
        return None
    number, *factors = node.args
    scaled = ((n, new) for n, f in enumerate(factors) if (new := _times(number, f)) is not None)
    place, new = next(scaled, (None, None))
    return None if place is None else Mul(*factors[:place], new, *factors[place + 1 :])


def _times(number: Expr, choice: Expr) -> Expr | None:
    """A number times a choice among numbers, None for anything else."""
    if not isinstance(choice, select):
        return None
    condition, *branches = choice.args
    products = [number * b if isinstance(b, Number) else _times(number, b) for b in branches]
    return None if None in products else select(condition, *products)


def _chosen(node: Basic) -> Basic | None:
    """b·{0 if x > 0, else a} → {0 if x > 0, else a·b}: an instruction less, and 0 whatever b is there."""
    if not isinstance(node, Mul):
        return None
    for place, choice in enumerate(node.args):
        if isinstance(choice, select) and choice.args[1] == 0:
            condition, nothing, other = choice.args
            return select(condition, nothing, Mul(*node.args[:place], other, *node.args[place + 1 :]))
    return None


def _factor(node: Basic) -> Basic | None:
    """c·x + c·y → c·(x + y)."""
    if not isinstance(node, Add) or len(node.args) > FACTOR_TERMS:
        return None
    terms = [dict(term.as_powers_dict()) for term in node.args]
    common = [
        (base, power)
        for base, power in terms[0].items()
        if not base.is_number and isinstance(power, Integer) and all(term.get(base) == power for term in terms)
    ]
    if not common:
        return None
    for base, _ in common:
        for term in terms:
            del term[base]
    rest = Add(*[Mul(*[Pow(b, p) for b, p in term.items()]) for term in terms])
    return Mul(*[Pow(base, power) for base, power in common], rest)
