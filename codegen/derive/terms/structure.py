"""The structure of one term of a derivative: where it is not 0, and what it is a multiple of.

The derivative of ``u[s, h] = Σ_d W[h, d]·x[s, d]`` by ``W[h', d']`` is ``[h = h']·x[s, d']``: 0 unless h = h', and a
multiple of x whatever h is. Neither the zeros nor the factor need storage or work until the very end.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sympy import Expr, Idx, Integer, Mul

from codegen.functions import equal
from codegen.walk import extent, indices, is_reference, is_sample, reindex


@dataclass(frozen=True)
class Structure:
    """Iverson brackets and outer factors; terms of one structure add up.

    ``brackets`` are equations between indices, the index that is kept first. ``outer`` are the factors that alone have
    some seed index, and otherwise seed indices and samples only.
    """

    brackets: tuple[Expr, ...] = ()
    outer: tuple[Expr, ...] = ()

    def value(self, index: Idx) -> Expr:
        """What an index is replaced by where the brackets are 1."""
        return next((kept for kept, dropped in (b.args for b in self.brackets) if dropped == index), index)

    def times(self, core: Expr) -> Expr:
        """The term with this core."""
        return Mul(*self.brackets, *self.outer, core)


def split(
    body: Expr, order: Sequence[Idx], seeds: Sequence[Idx], within: Collection[Idx]
) -> tuple[Structure, Expr] | None:
    """A product as structure and core, the core written with as few indices as the brackets allow; None if it is 0.

    ``order`` are the indices of the vertex and of the direction; of two that are equal the first is kept. ``seeds`` are
    those of the direction. Brackets with an index of ``within`` are taken out, the others remain factors.

    >>> from sympy import IndexedBase
    >>> s, h, h1, d1 = Idx("s", 9), Idx("h", 4), Idx("h'", 4), Idx("d'", 2)
    >>> x, w = IndexedBase("x", shape=(9, 2)), IndexedBase("w", shape=(9, 4))
    >>> structure, core = split(equal(h, h1) * w[s, h1] * x[s, d1], [s, h, h1, d1], [h1, d1], [h1, d1])
    >>> structure.brackets, core
    ((equal(h, h'),), w[s, h]*x[s, d'])
    """
    rank = {index: number for number, index in enumerate(order)}
    value: dict[Idx, Expr] = {}
    rest: list[Expr] = []
    for factor in Mul.make_args(body):
        if not _is_bracket(factor, within, rank):
            rest.append(factor)
            continue
        kept, dropped = sorted((value.get(a, a) for a in factor.args), key=lambda a: rank.get(a, -1))
        if kept == dropped:
            continue
        if not isinstance(dropped, Idx) or not _in_range(kept, dropped):
            return None
        value = {index: kept if old == dropped else old for index, old in value.items()} | {dropped: kept}
    factors = Mul.make_args(reindex(Mul(*rest), value))
    outer = _outer(factors, order, seeds)
    brackets = [equal(value[index], index, evaluate=False) for index in sorted(value, key=lambda i: rank[i])]
    return Structure(tuple(brackets), outer), Mul(*[factor for factor in factors if factor not in outer])


def _is_bracket(factor: Expr, within: Collection[Idx], known: Collection[Idx]) -> bool:
    """Whether a factor says that an index of ``within`` has a value of its own range."""
    if not isinstance(factor, equal) or not any(a in within for a in factor.args):
        return False
    a, b = factor.args
    if isinstance(a, Integer) or isinstance(b, Integer):
        return all(isinstance(i, Integer) or (i in known and not is_sample(i)) for i in (a, b))
    return a in known and b in known and extent(a) == extent(b)


def _in_range(kept: Expr, dropped: Idx) -> bool:
    n = extent(dropped)
    return isinstance(kept, Idx) or not isinstance(n, int) or 0 <= int(kept) < n


def _outer(factors: Sequence[Expr], free: Sequence[Idx], seeds: Sequence[Idx]) -> tuple[Expr, ...]:
    """The references that alone have some seed index, and no index that is summed over here or in the next layer.

    Samples remain until the loss, so a factor x[s, d'] meets no sum on its way; W[t', h] does, in the layer of h.
    """

    def passes(factor: Expr) -> bool:
        return is_reference(factor) and all(i in seeds or (i in free and is_sample(i)) for i in indices(factor))

    candidates = [factor for factor in factors if passes(factor) and any(i in seeds for i in indices(factor))]
    elsewhere = set(indices(Mul(*[factor for factor in factors if factor not in candidates])))
    found = [f for f in candidates if any(i in seeds and i not in elsewhere for i in indices(f))]
    return tuple(sorted(found, key=str))
