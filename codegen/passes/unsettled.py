"""Where among interned nodes a rule of :mod:`codegen.passes.stable_forms` may apply, by integers alone.

SymPy takes milliseconds for a rule. It is asked where the parts that a rule is about are there; where they are not, it
would have found nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from sympy import (
    Add,
    Expr,
    Integer,
    Mul,
    Piecewise,
    Pow,
    Rational,
    S,
    acos,
    asin,
    atan,
    atan2,
    cos,
    cosh,
    erf,
    erfc,
    exp,
    log,
    sin,
    sinh,
    tan,
    tanh,
)

from codegen.cached import cached_property
from codegen.functions import (
    absolute,
    bose,
    expm1,
    hypot,
    log1mexp,
    log1p,
    log_sum_exp,
    maximum,
    minimum,
    sech,
    select,
    sigmoid,
    sign,
    smooth,
    step,
)
from codegen.functions.large_numbers import logarithmic_product
from codegen.functions.ratios import NUMBERS
from codegen.functions.ratios import RECIPROCALS as RECIPROCALS_OF_VANISHING
from codegen.functions.special import besseli, besselk, lambert_w
from codegen.ir.nodes import Head, Node, Nodes
from codegen.passes.densities import GAMMAS
from codegen.passes.norms import SHORT, Squares, log1p_squared_of, over_squares_of
from codegen.passes.overflowing import DAMPED, OVERFLOWING, RATIOS, SCALES
from codegen.passes.overflowing import VANISHING as VANISHING_BESIDE
from codegen.passes.stable_forms import (
    DAMPING,
    DECAYING,
    GROWTH,
    INTERCEPTS,
    INVERSES,
    KINDS_BY_FUNCTION,
    LOGARITHMS,
    LOGISTIC,
    RECIPROCALS,
    REMAINING,
    SIGNED,
)
from codegen.passes.tails import (
    COMPLEMENTS,
    DECAY_OF_TAILS,
    LOGARITHMS_OF_COMPLEMENTED_SQUARES,
    LOGARITHMS_OF_COMPLEMENTS,
    LOGARITHMS_OF_TAILS,
)

ABOVE, BELOW = 4, 6
"""How far apart parts of one form may be: log ← product ← reciprocal ← sum ← exp are five operations."""
CLOSED = frozenset(
    {tanh, sin, cos, tan, asin, acos, atan, atan2, erf, erfc, sech, smooth.log1p_of_squares}
    | {absolute, maximum, minimum, select, sign, step, Piecewise}
)
"""No form says what these are taken of, unless they are factors or terms of one."""
SHARED = 8
"""A part of so many operations that is used twice has an equation of its own, as where equations are read."""
DEEP = 3
"""Sums in sums and products in products are looked into so many times."""
FIELD = (1 << 31) - 1
"""Exponents p/q are added up as elements of the field of this prime, in which sums and products of theirs are exact."""
HALF = 1 << 30
"""½ in that field."""
INSIDE = 64
"""So many parts of an exponent are looked at."""
SATURATING = frozenset({tanh, *LOGISTIC})
LOGGED = frozenset({*LOGARITHMS, *LOGARITHMS_OF_TAILS, *GROWTH, *SIGNED, hypot, smooth.power})
"""Factors that a logarithm is taken of otherwise."""
LOGGED_1P = frozenset({exp, *LOGISTIC, *LOGARITHMS_OF_COMPLEMENTS})
SUMMED = frozenset({exp, cosh, *COMPLEMENTS, *INTERCEPTS})
"""What a sum is written otherwise for."""
IN_DENSITIES = frozenset({exp, smooth.power, Pow, *GAMMAS})
"""Factors of a density, of which one is a gamma function."""
MULTIPLIED = frozenset(
    {exp, sinh, cosh, *DECAYING, *DAMPING, *DECAY_OF_TAILS, expm1, besseli, besselk, log_sum_exp, hypot, *GAMMAS}
)
"""What a product is written otherwise for."""
ALWAYS = frozenset({besseli, log_sum_exp, bose, hypot})
"""Factors with so many forms that SymPy is asked at once; of hypot its reciprocals."""

IN_ONE_EXPONENTIAL = frozenset({exp, *SCALES, *RATIOS, *VANISHING_BESIDE})
"""Factors that may be part of one exponential."""

DIFFERING: Mapping[Any, Head] = {log: log, log1p: log, hypot: hypot, Rational(1, 2): Pow}
"""By the function or the power, what differences of it are of."""

INVERSE = frozenset(RECIPROCALS_OF_VANISHING)
VANISHING = frozenset({*NUMBERS, *INVERSE})
"""What vanishes where its argument does, or is the reciprocal of such a function."""

Factor = tuple[Node, Expr]
"""A base and its exponent."""
Rule = Callable[[Nodes, Node], bool]


def unsettled(nodes: Nodes, order: Sequence[Node]) -> list[Node]:
    """The nodes at which a rule may apply.

    >>> from sympy import Symbol
    >>> x, y = Symbol("x"), Symbol("y")
    >>> nodes = Nodes()
    >>> formulas = x * exp(-y) + y, exp(x) - 1, exp(x) * exp(y), exp(x) * exp(exp(y)), log(x * y), log(x * exp(y))
    >>> formulas += x / (2 + y**2) - y / (2 + x**2), x / (2 + y**2) - x / (2 + y)
    >>> [bool(unsettled(nodes, nodes.below([nodes.read(formula)]))) for formula in formulas]
    [False, True, False, True, False, True, False, True]
    """
    asked = np.array(order, np.int64)
    near = _Near(nodes, asked)
    apart = {*np.flatnonzero(near.apart(asked)).tolist()}
    found: set[Node] = set()
    for head, name, where in _RULES:
        rule = _seeing(name, apart)
        some = asked[near.edges.has(head)[asked]]
        if len(some):
            found.update([node for node in some[where(near)[some]].tolist() if node not in found and rule(nodes, node)])
    return [node for node in order if node in found]


class _Near:
    """What stands in the terms and factors of all nodes of a table, as arrays: no less than there is."""

    def __init__(self, nodes: Nodes, order: np.ndarray) -> None:
        self.nodes, self.edges = nodes, nodes.edges
        products, self.asked = self.edges.has(Mul), self.chosen(order)
        self.products = products & self.asked
        """The products among the nodes in ``order``: those of others are not asked for."""
        self.scaled = scaled = products & (self.edges.lengths == 2) & self.edges.constant[self.edges.first]
        self.to_terms, self.to_factors = (self.edges.has(Add) | scaled,), (products, self.edges.has(Pow))

    def __call__(self, heads: Iterable[Head]) -> np.ndarray:
        """Whether each node is one of some functions."""
        found: np.ndarray = np.isin(self.edges.heads, [*map(id, heads)])
        return found

    def reading(self, some: np.ndarray) -> np.ndarray:
        """Whether each node has one of some as an operand."""
        found = np.zeros(len(some), bool)
        found[self.edges.readers[some[self.edges.operands]]] = True
        return found

    def powers(self, some: np.ndarray) -> np.ndarray:
        """Whether each node is a power of one of some."""
        found: np.ndarray = self.edges.has(Pow) & some[self.edges.first]
        return found

    def factors(self, some: np.ndarray) -> np.ndarray:
        """Whether each node has one of some, or a power of it, as a factor, or is one."""
        found: np.ndarray = some | self.powers(some)
        for _ in range(DEEP + 3):
            found = found | (self.edges.has(Mul) & self.reading(found))
        return found

    def terms(self, some: np.ndarray) -> np.ndarray:
        """Whether each node is a sum with one of some as a term, whatever its number is."""
        found: np.ndarray = some.copy()
        for _ in range(2 * DEEP + 2):
            found |= (self.edges.has(Add) | self.edges.has(Mul)) & self.reading(found)
        found &= self.edges.has(Add)
        return found

    def pairs_of_terms(self, some: np.ndarray) -> np.ndarray:
        """Whether each node is a sum of which two terms have one of some as a factor; of sums in it all may have."""
        factors = self.factors(some)
        sums = self.terms(factors)
        inside = sums | (self.to_terms[0] & self.reading(sums))
        each = (factors.astype(np.int64) + 2 * inside)[self.edges.operands]
        found: np.ndarray = sums & (np.bincount(self.edges.readers, each, len(some)) >= 2)
        return found

    def apart(self, order: np.ndarray) -> np.ndarray:
        """Whether each node is large and used twice, and so has an equation of its own where rules are asked.

        It may have one though this says no: counted is what certainly stands in that equation.
        """
        edges, count = self.edges, len(self.edges.heads)
        several = np.bincount(edges.operands_of(order), minlength=count) > 1
        one = (several | self(CLOSED))[edges.operands]
        sizes: np.ndarray = np.ones(count)
        for _ in range(BELOW - DEEP):
            sizes = 1.0 + np.bincount(edges.readers, np.where(one, 1, sizes[edges.operands]), count)
        found: np.ndarray = several & (sizes >= SHARED)
        return found

    # --- two factors of one product -------------------------------------------------------------------------------

    def pairs(self, products: np.ndarray, own: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Each of some products, each of its factors that is in ``own``, and each other one."""
        count = len(self.edges.heads)
        owners = inside = np.flatnonzero(products & self.products & self.factors(own))
        ends: list[tuple[np.ndarray, np.ndarray]] = []
        for _ in range(DEEP + 3):
            owners, inside = self._spread(owners, inside)
            owners, inside = np.divmod(np.unique(owners * count + inside), count)
            ends.append((owners, inside))
            deeper = self.edges.has(Mul)[inside]
            owners, inside = owners[deeper], inside[deeper]
        owners, found = (np.concatenate(column) for column in zip(*ends))
        varying = ~self.edges.constant[found]
        owners, found = owners[varying], found[varying]
        order = np.argsort(owners, kind="stable")
        owners, found = owners[order], found[order]
        rows = np.flatnonzero(own[found])
        starts, stops = np.searchsorted(owners, owners[rows]), np.searchsorted(owners, owners[rows], "right")
        rows = np.repeat(rows, stops - starts)
        others = np.arange(len(rows)) + np.repeat(stops - np.cumsum(stops - starts), stops - starts)
        rows, others = rows[rows != others], others[rows != others]
        return owners[rows], found[rows], found[others]

    def bases(self, some: np.ndarray) -> np.ndarray:
        """The bases of powers, and all other nodes as they are."""
        found: np.ndarray = np.where(self.edges.has(Pow)[some], self.edges.first[some], some)
        return found

    def inside(self, whole: np.ndarray, parts: np.ndarray, ways: Sequence[np.ndarray]) -> np.ndarray:
        """The nodes in ``whole`` beside all parts of theirs, each pair as one number, in order.

        ``ways`` are the operations that are looked into, those of each way only inside of the ways before.
        """
        count = len(self.edges.heads)
        known = np.unique(whole * count + parts)
        for through in ways:
            found = [known]
            for _ in range(2 * DEEP + 2):
                whole, parts = np.divmod(found[-1], count)
                opened = through[parts]
                if not opened.any():
                    break
                whole, parts = self._spread(whole[opened], parts[opened])
                found.append(np.unique(whole * count + parts))
            known = np.unique(np.concatenate(found)) if len(found) > 1 else known
        return known

    def among(self, known: np.ndarray, whole: np.ndarray, parts: np.ndarray) -> np.ndarray:
        """Whether pairs are among those that :meth:`inside` found; constants count as none."""
        wanted = whole * len(self.edges.heads) + parts
        found: np.ndarray = np.append(known, -1)[np.searchsorted(known, wanted)] == wanted
        found &= ~self.edges.constant[parts]
        return found

    # --- terms and factors of some nodes, as :func:`terms` and :func:`_as_product` have them ----------------------

    @cached_property
    def rests(self) -> np.ndarray:
        """What each node is a multiple of."""
        last = np.append(self.edges.operands, 0)[self.edges.starts[1:] - 1]
        found: np.ndarray = np.where(self.scaled, last, np.arange(len(last)))
        found[self.edges.constant] = self.nodes.one
        return found

    @cached_property
    def exponents(self) -> tuple[np.ndarray, np.ndarray]:
        """The base and the exponent of each node, p/q as an element of a finite field."""
        edges, powers = self.edges, self.edges.has(Pow)
        bases, exponents = np.where(powers, edges.first, np.arange(len(powers))), edges.exponents % FIELD
        for node in np.flatnonzero(powers & (edges.exponents == 0)).tolist():
            bases[node], exponent = self.nodes.as_power(node)
            exponents[node] = exponent.p * pow(int(exponent.q), -1, FIELD) % FIELD
        return bases, exponents

    def terms_of(self, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Sums beside what each of their terms is a multiple of."""
        return self._opened(sums, sums, self.edges.has(Add), lambda parts: self.rests[parts])

    def powers_of(self, some: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The place of each node in ``some`` beside a base in it and its exponent, each base once."""
        products, (bases, exponents) = self.edges.has(Mul), self.exponents
        places, parts = self._opened(np.arange(len(some)), some, products, lambda parts: parts)
        powers, parts = exponents[parts], bases[parts]
        inside = np.flatnonzero(products[parts])
        which, inner = self._opened(inside, parts[inside], products, lambda parts: parts)
        rest = np.delete(np.arange(len(parts)), inside)
        places = np.concatenate([places[rest], places[which]])
        powers = np.concatenate([powers[rest], powers[which] * exponents[inner] % FIELD])
        parts = np.concatenate([parts[rest], bases[inner]])
        varying = ~self.edges.constant[parts]
        keys, which = np.unique(places[varying] * len(products) + parts[varying], return_inverse=True)
        totals = np.bincount(which, powers[varying], len(keys)).astype(np.int64) % FIELD
        return *np.divmod(keys, len(products)), totals

    def _opened(
        self, owners: np.ndarray, some: np.ndarray, kind: np.ndarray, of: Callable[[np.ndarray], np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Owners beside the operands of their nodes, those of one kind as far open as :data:`DEEP` says."""
        done: list[tuple[np.ndarray, np.ndarray]] = []
        for _ in range(DEEP + 1):
            opened = kind[some]
            done.append((owners[~opened], some[~opened]))
            owners, some = self._spread(owners[opened], some[opened])
            some = of(some)
        whole, parts = (np.concatenate(column) for column in zip(*done, (owners, some)))
        return whole, parts

    def signatures(self, some: np.ndarray) -> np.ndarray:
        """A number for each node, the same for sums of multiples of the same."""
        numbers = np.random.default_rng(0).integers(1, FIELD, len(self.edges.heads))
        found: np.ndarray = numbers[some]
        sums = np.flatnonzero(self.edges.has(Add)[some])
        rows, inside = self._spread(sums, some[sums])
        of_sums = np.bincount(rows, numbers[self.rests[inside]], len(some)).astype(np.int64) % FIELD
        found[sums] = of_sums[sums]
        return found

    def leading(self, some: np.ndarray) -> np.ndarray:
        """What the first term of sums that is no number is a multiple of."""
        for _ in range(2 * DEEP + 2):
            scaled = self.edges.constant[self.edges.first[some]] & (self.edges.lengths[some] > 1)
            opened = self.edges.has(Add)[some] | (self.edges.has(Mul)[some] & scaled & (self.edges.lengths[some] == 2))
            at = self.edges.starts[some] + scaled
            some = np.where(opened, np.append(self.edges.operands, [0, 0])[at], some)
        return some

    def _spread(self, owners: np.ndarray, some: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Owners of nodes beside the operands of these."""
        return np.repeat(owners, self.edges.lengths[some]), self.edges.operands_of(some)

    def chosen(self, some: np.ndarray) -> np.ndarray:
        """Whether each node is one of some."""
        found = np.zeros(len(self.edges.heads), bool)
        found[some] = True
        return found


def _everywhere(near: _Near) -> np.ndarray:
    return np.ones(len(near.edges.heads), bool)


def _divides_or_roots(near: _Near) -> np.ndarray:
    found: np.ndarray = near.edges.has(Pow) & (near.edges.exponents < 1)
    return found


def _may_be_close(near: _Near) -> np.ndarray:
    """Whether two terms of a sum stand beside the same, but for a root, a logarithm or a reciprocal in each."""
    edges = near.edges
    possible = np.flatnonzero(near.pairs_of_terms(near([log, log1p, hypot]) | _divides_or_roots(near)) & near.asked)
    sums, rests = near.terms_of(possible)
    rows, bases, powers = near.powers_of(rests)
    head = edges.heads[bases]
    kinds = np.select(
        [powers > FIELD // 2, powers == HALF, np.isin(head, [id(log), id(log1p)]), head == id(hypot)], [1, 2, 3, 4]
    )
    beside = near.signatures(bases) * powers % FIELD
    whole = np.bincount(rows, beside, len(rests)).astype(np.int64)
    some = np.flatnonzero(kinds)
    keys = np.stack([sums[rows], kinds, powers, (whole[rows] - beside) % FIELD])[:, some]
    order = np.lexsort(keys)
    alike = (np.diff(keys[:, order]) == 0).all(0)
    return near.chosen(keys[0, order[1:][alike]])


def _may_vanish(near: _Near) -> np.ndarray:
    """Whether there are factors that :func:`_vanishes` asks for: f(x) beside g(x), or beside what x consists of."""
    vanishing, decimal = near(VANISHING), near.edges.has(Add) & near.terms(near([exp]))
    some = vanishing | decimal
    products, own, others = near.pairs(near.factors(near.edges.divides | near(INVERSE)), some | near.powers(some))
    own, bases = near.bases(own), near.bases(others)
    arguments = near.edges.first[own]
    about = vanishing[bases] & (near.edges.first[bases] == arguments)
    known = near.inside(arguments, arguments, (*near.to_factors, *near.to_terms))
    for parts in (others, bases, near.leading(bases)):
        about |= near.among(known, arguments, parts)
    return near.chosen(products[about | decimal[own]])


def _may_remain(near: _Near) -> np.ndarray:
    """Whether there are sums that :func:`_remains` asks for, and divisors that are part of them."""
    remaining, divides = near(REMAINING), near.edges.divides
    sums = near.terms(near.factors(remaining)) & (near.edges.lengths == 2)
    products, own, others = near.pairs(near.factors(divides), sums | near.powers(sums))
    below = divides[others]
    products, own, others = products[below], near.bases(own[below]), near.bases(others[below])
    known = near.inside(own, own, (*near.to_terms, *near.to_factors))
    whole, parts = np.divmod(known, len(remaining))
    arguments = near.inside(whole[remaining[parts]], near.edges.first[parts[remaining[parts]]], near.to_factors)
    return near.chosen(products[near.among(arguments, own, others)])


def _is_divided_by_squares(near: _Near) -> np.ndarray:
    """Whether there is a divisor that may be a sum of squares, one of which is that of another factor."""
    edges = near.edges
    other = ~(edges.constant | (edges.exponents % 2 == 0) | edges.has(Mul) | edges.has(Add))
    divisors = edges.divides & near.powers(edges.has(Add) & ~near.reading(other) & (edges.lengths <= SHORT))
    products, own, others = near.pairs(near.factors(divisors), divisors)
    own, bases = near.bases(own), near.bases(others)
    known = near.inside(own, own, (*near.to_terms, *near.to_factors))
    return near.chosen(products[near.among(known, own, others) | near.among(known, own, bases)])


def plain_forms(nodes: Nodes, order: np.ndarray) -> list[Node]:
    """The nodes in ``order`` that may have one of the forms that take no look around."""
    near, edges = _Near(nodes, order), nodes.edges
    exponentials = near([exp])
    reciprocals = edges.divides & near.powers(near(RECIPROCALS) | (edges.has(Add) & near.reading(exponentials)))
    powers = exponentials | near.powers(exponentials)
    products = edges.has(Mul) & (near.reading(powers) | _is_divided_by_squares(near))
    found: list[Node] = order[(edges.has(log) | reciprocals | products)[order]].tolist()
    return found


# --- parts --------------------------------------------------------------------------------------------------------


def terms(nodes: Nodes, node: Node, deep: int = DEEP) -> Iterator[tuple[Expr, Node]]:
    """The numbers and the rests of the terms of a sum."""
    for operand in nodes.operands[node]:
        number, rest = nodes.parted(operand)
        if nodes.heads[rest] is Add and deep:
            yield from ((number * inner, part) for inner, part in terms(nodes, rest, deep - 1))
        else:
            yield number, rest


def factors(nodes: Nodes, node: Node, deep: int = DEEP, apart: Collection[Node] = ()) -> Iterator[Factor]:
    """The factors of a node but for its number, as powers; products that stand apart are one."""
    return map(nodes.as_power, multiplied(nodes, node, deep, apart))


def multiplied(nodes: Nodes, node: Node, deep: int = DEEP, apart: Collection[Node] = ()) -> Iterator[Node]:
    """The same as nodes."""
    _, rest = nodes.parted(node)
    for operand in nodes.operands[rest] if nodes.heads[rest] is Mul else (rest,):
        if nodes.heads[operand] is Mul and deep and operand not in apart:
            yield from multiplied(nodes, operand, deep - 1, apart)
        else:
            yield operand


def _argument(nodes: Nodes, node: Node) -> Node:
    return nodes.operands[node][0]


def _multiple(nodes: Nodes, node: Node) -> tuple[Expr, Node]:
    """A node as a number times another one that all its multiples share: of a sum the number of its least term."""
    number, rest = nodes.parted(node)
    if nodes.heads[rest] is Add:
        first, _ = min((nodes.parted(term) for term in nodes.operands[rest]), key=lambda parts: parts[1])
        return number * first, nodes.total([nodes.scaled(1 / first, term) for term in nodes.operands[rest]])
    return number, rest


def _are_opposite(nodes: Nodes, one: Node, other: Node) -> bool:
    (p, a), (q, b) = _multiple(nodes, one), _multiple(nodes, other)
    return a == b and p == -q


def _are_up_to_sign(nodes: Nodes, one: Node, other: Node) -> bool:
    return one == other or _are_opposite(nodes, one, other)


# --- rules --------------------------------------------------------------------------------------------------------


def _sum(nodes: Nodes, node: Node) -> bool:
    found = list(terms(nodes, node))
    present = {rest for _, rest in found}
    if len(found) == 2 and _is_of_two(nodes, found):
        return True
    for _, rest in found:
        powers = list(factors(nodes, rest))
        inside = [base for base, _ in powers]
        tails = [base for base, power in powers if nodes.heads[base] in COMPLEMENTS and power == 1]
        if any(_is_completed(nodes, inside, tail, present) for tail in tails):
            return True
    if any(head in INTERCEPTS for head in _bases(nodes, found)):
        slopes = {slope for slope, _ in INTERCEPTS.values()}
        return not slopes.isdisjoint(_bases(nodes, found))
    return _is_of_half_order(nodes, found)


def _is_of_half_order(nodes: Nodes, found: Sequence[tuple[Expr, Node]]) -> bool:
    """Whether there are erfc(√a) and exp(b)."""
    bases = [base for _, rest in found for base, _ in factors(nodes, rest)]
    roots = [_argument(nodes, base) for base in bases if nodes.heads[base] is erfc]
    powers = [power for root in roots for _, power in factors(nodes, root)]
    return Rational(1, 2) in powers and any(nodes.heads[base] is exp for base in bases)


def _saturates(nodes: Nodes, node: Node) -> bool:
    """A number and a function that rounds to ±1."""
    operands = nodes.operands[node]
    if not any(nodes.constant(operand) is not None for operand in operands):
        return False
    return any(nodes.heads[nodes.parted(operand)[1]] in SATURATING for operand in operands)


def _rectifies(nodes: Nodes, node: Node) -> bool:
    """c·|a| beside the terms of a."""
    found = [rest for _, rest in terms(nodes, node)]
    sizes = [base for rest in found for base, _ in factors(nodes, rest) if nodes.heads[base] is absolute]
    inside = (nodes.parted(_argument(nodes, size))[1] for size in sizes)
    parts = ({r for _, r in terms(nodes, a)} if nodes.heads[a] is Add else _bases_of(nodes, a) for a in inside)
    return any(some <= {*found, *(b for rest in found for b in _bases_of(nodes, rest))} for some in parts)


def _bases_of(nodes: Nodes, product: Node) -> set[Node]:
    return {base for base, _ in factors(nodes, product)}


def _bases(nodes: Nodes, found: Sequence[tuple[Expr, Node]]) -> set[Head]:
    return {nodes.heads[base] for _, rest in found for base in _bases_of(nodes, rest)}


def _is_of_two(nodes: Nodes, found: Sequence[tuple[Expr, Node]]) -> bool:
    """exp(a) ± exp(−a), 1 − exp(a), 1 − erf(a)² and cosh(a) − 1."""
    (p, a), (q, b) = found
    if a == nodes.one:
        (p, a), (q, b) = (q, b), (p, a)
    head = nodes.heads[a]
    if b != nodes.one:
        exponentials = head is exp and nodes.heads[b] is exp and abs(p) == abs(q)
        return exponentials and _are_opposite(nodes, _argument(nodes, a), _argument(nodes, b))
    base, power = nodes.as_power(a)
    return p == -q and (head in (exp, cosh) or (nodes.heads[base] is erf and power == 2))


def _is_completed(nodes: Nodes, inside: Sequence[Node], tail: Node, present: set[Node]) -> bool:
    """Whether beside c·f(w) there is c alone, or the terms of c."""
    others = [base for base in inside if base != tail]
    if not others:
        return nodes.one in present
    if len(others) == 1 and nodes.heads[others[0]] is Add:
        return all(rest in present for _, rest in terms(nodes, others[0]))
    wanted = set(others)
    return any({base for base, _ in factors(nodes, rest)} == wanted and rest != tail for rest in present)


def is_product_otherwise(nodes: Nodes, node: Node, apart: Collection[Node] = ()) -> bool:
    """Whether a product may have another form than :func:`over_squares`, where some nodes stand apart."""
    return any(_seeing(rule, apart)(nodes, node) for rule in _OF_PRODUCTS)


def may_have_form(nodes: Nodes, node: Node, apart: Collection[Node]) -> bool:
    """Whether a rule that may apply still may where these nodes stand apart, and no more than these."""
    if nodes.heads[node] is not Mul:
        return True
    return is_product_otherwise(nodes, node, apart) or over_squares(nodes, node) is not None


def scaled_factors(nodes: Nodes, node: Node, apart: Collection[Node]) -> Sequence[Node] | None:
    """The factors that :func:`~codegen.passes.overflowing.in_one_exponential` is about, if no other rule may apply."""
    others = (rule for rule in _OF_PRODUCTS if rule is not _is_in_one_exponential)
    if nodes.heads[node] is not Mul or any(rule(nodes, node) for rule in others) or over_squares(nodes, node):
        return None
    powers = [(factor, nodes.as_power(factor)[0]) for factor in multiplied(nodes, node, apart=apart)]
    arguments = [_argument(nodes, base) for _, base in powers if nodes.heads[base] in SCALES]
    zeros = {*arguments, *(base for argument in arguments for base, _ in factors(nodes, argument))}
    return [factor for factor, base in powers if nodes.heads[base] in IN_ONE_EXPONENTIAL or base in zeros]


def _seeing(rule: Rule, apart: Collection[Node]) -> Rule:
    """A rule that does not look into what stands apart."""
    return partial(_is_in_one_exponential, apart=apart) if rule is _is_in_one_exponential else rule


def _is_multiplied_otherwise(nodes: Nodes, node: Node) -> bool:
    """Whether there are factors in :data:`MULTIPLIED` that belong together."""
    found = list(factors(nodes, node))
    heads = [nodes.heads[base] for base, _ in found]
    about = [(head, base, power) for head, (base, power) in zip(heads, found) if head in MULTIPLIED]
    if not about:
        return False
    if any(head in ALWAYS and (head is not hypot or power.is_negative) for head, _, power in about):
        return True
    if has_nested_exponentials(nodes, node):
        return True
    if besselk in heads and exp in heads:
        return True
    if any(head in GAMMAS for head in heads) and sum(head in IN_DENSITIES for head in heads) > 1:
        return True
    exponents = [_argument(nodes, base) for head, base, _ in about if head is exp]
    growing = [_argument(nodes, base) for head, base, power in about if head in (exp, sinh, cosh)]
    for head, base, _ in about:
        argument = _argument(nodes, base)
        if head in DECAYING and any(_are_up_to_sign(nodes, argument, other) for other in growing):
            return True
        if head in DECAY_OF_TAILS and any(_may_cancel(nodes, exponent, argument) for exponent in exponents):
            return True
        if head in DAMPING and _has_power(nodes, found, argument, 1):
            return True
        if head is expm1 and _has_power(nodes, found, argument, -1):
            return True
    return False


def _is_in_one_exponential(nodes: Nodes, node: Node, apart: Collection[Node] = ()) -> bool:
    """Whether what overflows stands beside what decays, or an exponential beside what has terms of its exponent."""
    about = [(nodes.heads[base], base) for base, _ in factors(nodes, node, apart=apart)]
    damped = [_argument(nodes, base) for head, base in about if head in DAMPED]
    exponents = [_argument(nodes, base) for head, base in about if head is exp]
    if any(head in OVERFLOWING for head, _ in about) and (damped or exponents):
        return True
    inside = {rest for exponent in exponents for rest in _rests(nodes, exponent)}
    return any(not inside.isdisjoint(_rests(nodes, argument)) for argument in damped)


def _rests(nodes: Nodes, node: Node) -> set[Node]:
    """What the terms of a sum, or a node, are multiples of."""
    return {rest for _, rest in terms(nodes, node)} if nodes.heads[node] is Add else {nodes.parted(node)[1]}


def _decays(nodes: Nodes, node: Node) -> bool:
    """log(1 − exp(a)) in a sum beside what is not in :data:`MULTIPLIED`."""
    found = [base for base, _ in factors(nodes, node)]
    if any(nodes.heads[base] in MULTIPLIED for base in found):
        return False
    return any(nodes.heads[base] is Add and _has(nodes, base, log1mexp) for base in found)


def _vanishes(nodes: Nodes, node: Node) -> bool:
    """f(x)/x, x/f(x) and f(x)/g(x), where x may be a sum that is a multiple of another one."""
    found = list(factors(nodes, node))
    heads = [nodes.heads[base] for base, _ in found]
    if INVERSE.isdisjoint(heads) and not any(power.is_negative for _, power in found):
        return False
    whole = [(base, power, head) for (base, power), head in zip(found, heads) if power.is_Integer]
    vanishing = [(base, _sense(head, power)) for base, power, head in whole if head in VANISHING]
    sums = [(base, power) for base, power, head in whole if head is Add]
    for base, power, head in whole:
        decimal = head is Add and heads.count(Add) > 1 and power.is_negative
        if not (head in VANISHING or decimal):
            continue
        argument = _argument(nodes, base) if head in VANISHING else _exponent(nodes, base)
        if argument is None:
            continue
        sense = _sense(head, power)
        if any(own != sense and other != base and _argument(nodes, other) == argument for other, own in vanishing):
            return True
        parts = [(part, own.p * sense) for part, own in factors(nodes, argument) if isinstance(own, Rational)]
        if any(other == part and own * exponent.p < 0 for part, own in parts for other, exponent, _ in whole):
            return True
        for other, exponent in sums:
            divided = (part for part, own in parts if other != base and own * exponent.p < 0)
            if any(_agree(nodes, other, part, decimal or head is log) for part in divided):
                return True
    return False


def _remains(nodes: Nodes, node: Node) -> bool:
    """(f(x) − x)/x³."""
    found = list(factors(nodes, node))
    below = {base for base, power in found if power.is_negative}
    for base, _ in found if below else ():
        if nodes.heads[base] is Add and len(nodes.operands[base]) == 2:
            inside = [part for _, rest in terms(nodes, base) for part, _ in factors(nodes, rest)]
            arguments = (_argument(nodes, part) for part in inside if nodes.heads[part] in REMAINING)
            if any(not below.isdisjoint(_bases_of(nodes, a)) for a in arguments):
                return True
    return False


def _sense(head: Head, power: Expr) -> int:
    """Whether a power of a function is above or below."""
    return 1 if bool(power.is_positive) != (head in INVERSE) else -1


def _exponent(nodes: Nodes, total: Node) -> Node | None:
    """The a of a number and a multiple of exp(a)."""
    rests = [nodes.parted(operand)[1] for operand in nodes.operands[total]]
    growing = [rest for rest in rests if nodes.heads[rest] is exp]
    return _argument(nodes, growing[0]) if len(rests) == 2 and growing and nodes.one in rests else None


def _agree(nodes: Nodes, one: Node, other: Node, shifted: bool) -> bool:
    """Whether two sums have the same terms but for their numbers, and for what stands alone if they are shifted."""
    alone = {nodes.one} if shifted else set()
    wanted = _rests(nodes, other) | alone
    return all(rest in wanted for _, rest in terms(nodes, one)) and wanted - alone <= _rests(nodes, one)


def _gap(nodes: Nodes, node: Node) -> bool:
    """c/f(x) − c/x."""
    found = [list(factors(nodes, operand)) for operand in nodes.operands[node]]
    for powers in found:
        for base, power in powers:
            head = nodes.heads[base]
            if head in VANISHING and abs(power) == 1 and _sense(head, power) < 0:
                parts = dict(factors(nodes, _argument(nodes, base)))
                others = (part for other in found if other is not powers for part in other)
                if any(p.is_negative and (b in parts or nodes.heads[b] is Add) for b, p in others):
                    return True
    return False


def _is_close(nodes: Nodes, node: Node) -> bool:
    """c·f(u) − c·f(v) of two roots, logarithms or reciprocals, whose arguments have a term in common."""
    found: dict[tuple[Head, Expr, object], list[tuple[Expr, set[Node]]]] = {}
    for number, rest in terms(nodes, node):
        product = _as_product(nodes, rest)
        for base, power in product.items():
            kind = Mul if power.is_Integer and power < 0 else DIFFERING.get(power, DIFFERING.get(nodes.heads[base]))
            if kind is not None:
                argument = base if power != 1 or nodes.heads[base] is hypot else _argument(nodes, base)
                rests = _rests(nodes, argument) if kind is not hypot else set(nodes.operands[argument])
                factor, others = _beside(nodes, number, product, base)
                if kind is Pow:  # 2·√x is √(4·x)
                    factor = S.One if factor.is_positive else S.NegativeOne
                same = found.setdefault((kind, power, others), [])
                if any(factor == -opposite and not rests.isdisjoint(other) for opposite, other in same):
                    return True
                same.append((factor, rests))
    return False


def _beside(nodes: Nodes, number: Expr, product: Mapping[Node, Expr], base: Node) -> tuple[Expr, object]:
    """What a factor stands beside: a number, and bases with their exponents or a sum, which SymPy multiplies out."""
    rest = {other: power for other, power in product.items() if other not in (base, nodes.one)}
    if [*rest.values()] == [1] and nodes.heads[total := next(iter(rest))] is Add:
        factor, total = _multiple(nodes, total)
        return number * factor, total
    return number, frozenset(rest.items())


def over_squares(nodes: Nodes, node: Node) -> Node | None:
    """A product with x/(x² + y²) as one function, :func:`~codegen.passes.norms.over_squares`; None for any other."""
    found = list(factors(nodes, node))
    if not any(power.p < 0 and nodes.heads[base] is Add for base, power in found):
        return None
    powers: dict[Node, Expr] = {}
    for base, power in found:
        powers[base] = powers[base] + power if base in powers else power
    for total, power in powers.items():
        if power.is_negative and power.is_Integer and nodes.heads[total] is Add and is_norm(nodes, total):
            squares, inside = _squares(nodes, total)
            above = tuple([powers.get(base, S.Zero) for base in inside])
            if any(above) and (form := over_squares_of(squares, power, above)) is not None:
                rest = [nodes.power(b, p) for b, p in powers.items() if b != total and b not in inside]
                product = nodes.product([*rest, nodes.filled(form, inside)])
                return nodes.scaled(nodes.parted(node)[0], product)
    return None


def log1p_squared(nodes: Nodes, argument: Node) -> Node | None:
    """log(1 + x² + y²) as one function, :func:`~codegen.passes.norms.log1p_squared`; None for any other."""
    if not is_norm(nodes, argument):
        return None
    squares, inside = _squares(nodes, argument)
    if any(nodes.heads[base] is exp for base in inside):
        return None
    found = log1p_squared_of(squares, len(inside))
    return None if found is None else nodes.filled(found, inside)


def _squares(nodes: Nodes, total: Node) -> tuple[Squares, Sequence[Node]]:
    """The terms of a sum of squares, and the nodes whose squares they are."""
    found = terms(nodes, total) if nodes.heads[total] is Add else iter([nodes.parted(total)])
    squares = [(number, [(b, p) for b, p in factors(nodes, rest) if b != nodes.one]) for number, rest in found]
    inside = sorted({base for _, powers in squares for base, _ in powers})
    place = {base: number for number, base in enumerate(inside)}
    return tuple([(number, tuple([(place[b], p) for b, p in powers])) for number, powers in squares]), inside


def _has(nodes: Nodes, total: Node, head: type[Expr]) -> bool:
    return any(nodes.heads[base] is head for _, rest in terms(nodes, total) for base, _ in factors(nodes, rest))


def exponentials(nodes: Nodes, product: Node) -> Mapping[Node, tuple[Expr, Node]]:
    """The exponentials among the factors of a product, and their exponents as a number times a node."""
    heads = nodes.heads
    powers = {o: nodes.as_power(o) for o in nodes.operands[product] if heads[o] is exp or heads[o] is Pow}
    return {o: (power, _argument(nodes, base)) for o, (base, power) in powers.items() if nodes.heads[base] is exp}


def has_nested_exponentials(nodes: Nodes, product: Node) -> bool:
    """Whether of several exponentials one has another in its exponent."""
    found = exponentials(nodes, product)
    return len(found) > 1 and any(_has_exponential(nodes, exponent) for _, exponent in found.values())


def _has_exponential(nodes: Nodes, exponent: Node) -> bool:
    """Whether an exponent is a sum or a product with an exponential, among its first parts."""
    found = [exponent]
    for node in found:
        if nodes.heads[node] in (exp, log_sum_exp):
            return True
        if nodes.heads[node] in (Add, Mul, Pow) and len(found) < INSIDE:
            found += nodes.operands[node]
    return False


def _may_cancel(nodes: Nodes, exponent: Node, argument: Node) -> bool:
    """Whether an exponent may have a term in common with the square of an argument."""
    if nodes.heads[argument] is Add or nodes.heads[nodes.parted(argument)[1]] is Add:
        return True
    squared = {base: 2 * power for base, power in factors(nodes, argument)}
    _, rest = nodes.parted(exponent)
    found = terms(nodes, rest) if nodes.heads[rest] is Add else iter([(Integer(1), rest)])
    return any(_as_product(nodes, part) == squared for _, part in found)


def _as_product(nodes: Nodes, node: Node) -> Mapping[Node, Expr]:
    """Bases and exponents, those of powers of products too."""
    found: dict[Node, Expr] = {}
    for base, power in factors(nodes, node):
        inside = factors(nodes, base) if nodes.heads[base] is Mul else iter([(base, Integer(1))])
        for inner, own in inside:
            found[inner] = found.get(inner, Integer(0)) + own * power
    return found


def _has_power(nodes: Nodes, found: Sequence[Factor], argument: Node, sense: int) -> bool:
    """Whether the factors of an argument, or their reciprocals, are among those of a product."""
    present = dict(found)
    wanted = list(factors(nodes, argument))
    return all(present.get(base, Integer(0)) * power * sense > 0 for base, power in wanted if power.is_Rational)


def _power(nodes: Nodes, node: Node) -> bool:
    base, power = nodes.operands[node]
    exponent, head = nodes.constant(power), nodes.heads[base]
    if exponent is None:
        return False
    if head in RECIPROCALS or head is sigmoid:
        return bool(exponent.is_negative)
    if head is not Add or not isinstance(exponent, Rational):
        return False
    if exponent.q == 2 and is_norm(nodes, base):
        return True
    if (exponent.q == 2 or exponent.is_negative) and _is_number_less_a_square(nodes, base):
        return True
    if exponent.is_Integer and exponent.is_negative:
        return any(_has(nodes, base, head) for head in KINDS_BY_FUNCTION) or _are_exponentials(nodes, base)
    return (exponent.q == 2 or bool(exponent.is_negative)) and _are_exponentials(nodes, base)


def _are_exponentials(nodes: Nodes, total: Node) -> bool:
    """Whether all terms are exponentials or cosh, or positive numbers."""
    return all(nodes.heads[rest] in (exp, cosh) or rest == nodes.one for _, rest in terms(nodes, total))


def is_norm(nodes: Nodes, total: Node) -> bool:
    """Whether there are squares and positive numbers alone, and few."""
    found = list(terms(nodes, total)) if nodes.heads[total] is Add else [nodes.parted(total)]
    return len(found) <= SHORT and all(
        number.is_positive and all(power.is_Integer and power % 2 == 0 for base, power in factors(nodes, rest))
        for number, rest in found
        if rest != nodes.one
    )


def _is_number_less_a_square(nodes: Nodes, total: Node) -> bool:
    """Whether a sum may be c² − d²·x² or d²·x² − c²."""
    found = list(terms(nodes, total))
    if len(found) != 2 or found[0][0].is_negative == found[1][0].is_negative:
        return False
    (one, other) = found if found[0][1] == nodes.one else found[::-1]
    return one[1] == nodes.one and all(power.is_Integer and power % 2 == 0 for _, power in factors(nodes, other[1]))


def _log(nodes: Nodes, node: Node) -> bool:
    argument = _argument(nodes, node)
    if not nodes.operands[argument]:
        return False
    if nodes.heads[argument] is Add:
        return is_logged_otherwise(nodes, argument) or is_norm(nodes, argument) or has_one(nodes, argument)
    found = list(factors(nodes, argument))
    if any(abs(power) != 1 for _, power in found) or all(power == -1 for _, power in found):
        return True
    return any(nodes.heads[base] in LOGGED for base, _ in found)


def is_logged_otherwise(nodes: Nodes, total: Node) -> bool:
    """Whether the logarithm of a sum may be that of exponentials, or of a hypot."""
    return any(nodes.heads[rest] in LOGGED or nodes.heads[rest] is log_sum_exp for _, rest in terms(nodes, total))


def has_one(nodes: Nodes, total: Node) -> bool:
    """Whether a node is a sum with a term of 1."""
    return nodes.heads[total] is Add and nodes.one in nodes.operands[total]


def _log1p(nodes: Nodes, node: Node) -> bool:
    number, rest = nodes.parted(_argument(nodes, node))
    base, power = nodes.as_power(rest)
    if power == 2 and number == -1:
        return nodes.heads[base] in LOGARITHMS_OF_COMPLEMENTED_SQUARES
    if is_norm(nodes, _argument(nodes, node)):
        return True
    return nodes.heads[base] in LOGGED_1P


def _inverse(nodes: Nodes, node: Node) -> bool:
    """f(g(x)), and of exp that of a multiple."""
    argument = _argument(nodes, node)
    return (nodes.heads[node], nodes.heads[nodes.parted(argument)[1]]) in INVERSES


_OF_PRODUCTS: Mapping[Rule, Callable[[_Near], np.ndarray]] = {
    _vanishes: _may_vanish,
    _remains: _may_remain,
    _is_multiplied_otherwise: lambda near: near.factors(near(MULTIPLIED)),
    _is_in_one_exponential: lambda near: near.factors(near((*OVERFLOWING, *DAMPED))),
    _decays: lambda near: near.factors(near.terms(near.factors(near([log1mexp])))),
}
"""Beside what a product may have another form than :func:`over_squares`."""
_RULES: Sequence[tuple[Head, Rule, Callable[[_Near], np.ndarray]]] = (
    (Add, _saturates, lambda near: near.reading(near.edges.constant) & near.terms(near(SATURATING))),
    (Add, _sum, lambda near: near.terms(near.factors(near(SUMMED)))),
    (Add, _rectifies, lambda near: near.terms(near.factors(near([absolute])))),
    (
        Add,
        _gap,
        lambda near: near.reading(near.factors(near(VANISHING))) & near.reading(near.factors(near.edges.divides)),
    ),
    (Add, _is_close, _may_be_close),
    *((Mul, rule, where) for rule, where in _OF_PRODUCTS.items()),
    (Mul, lambda nodes, node: over_squares(nodes, node) is not None, _is_divided_by_squares),
    (Pow, _power, lambda near: near.edges.exponents < 1),
    (log, _log, _everywhere),
    (log1p, _log1p, _everywhere),
    (lambert_w, lambda nodes, node: True, _everywhere),
    (logarithmic_product, lambda nodes, node: True, _everywhere),
    *((function, _inverse, _everywhere) for function in {function for function, _ in INVERSES}),
)
"""By the operation at which a rule begins, whether it may apply, and beside what it may."""
