"""Terms of a derivative that are sums over the same indices, written as fewer sums."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sympy import Add, Expr, Idx, Mul

from codegen.derive.terms.structure import Structure
from codegen.ir.summation import Summand, over_present
from codegen.passes.contract import ASSUMED_SAMPLES
from codegen.walk import indices, is_reference, is_sample, references, size

Groups = Mapping[Structure, Sequence[Summand]]
"""The terms of a derivative by their structure."""


def fewest(groups: Groups) -> dict[Structure, list[Summand]]:
    """One map and as few sums as pays for each structure, and diagonals added to a full sum where they can be.

    Σ_s x·A + Σ_s x·B is Σ_s x·(A + B). Σ_s x[s]·A[s, h, h'] + [h = h']·Σ_s x[s]·b[s, h] is one sum as well, of
    x[s]·(A[s, h, h'] + [h = h']·b[s, h]). That does not pay where A is a product that would not be formed otherwise.
    """
    merged = {structure: _merged(terms) for structure, terms in groups.items()}
    full = merged.get(Structure())
    if full is None:
        return merged
    for structure in [structure for structure in merged if structure.brackets and not structure.outer]:
        for term in list(merged[structure]):
            for place, target in enumerate(full):
                total = _with_diagonal(target, term, structure)
                if total is not None:
                    full[place] = total
                    merged[structure].remove(term)
                    break
    return {structure: terms for structure, terms in merged.items() if terms}


def _merged(terms: Sequence[Summand]) -> list[Summand]:
    """Sums over the same indices as one, if they have a common factor or one of them has no product to be."""
    found: dict[tuple[Idx, ...], list[Expr]] = defaultdict(list)
    for term in terms:
        found[term.reduced].append(term.body)
    merged: list[Summand] = []
    for reduced, bodies in found.items():
        factors = [Mul.make_args(body) for body in bodies]
        common = [f for f in dict.fromkeys(factors[0]) if references(f) and all(f in other for other in factors)]
        if not reduced:
            merged.append(Summand(Add(*bodies)))
        elif common or any(is_reference(body) for body in bodies):
            rest = Add(*[Mul(*[f for f in own if f not in common]) for own in factors])
            merged.append(over_present(Mul(*common, rest), reduced))
        else:
            merged += [Summand(body, reduced) for body in bodies]
    return merged


def _with_diagonal(full: Summand, diagonal: Summand, structure: Structure) -> Summand | None:
    """Σ common·(rest + brackets·other), if the rest is one factor that has all indices of the other."""
    samples = any(is_sample(i) for i in full.reduced)
    if not samples or full.reduced != diagonal.reduced:
        return None
    factors, others = Mul.make_args(full.body), Mul.make_args(diagonal.body)
    common = [f for f in factors if f in others and references(f)]
    rest = Mul(*[f for f in factors if f not in common])
    other = Mul(*structure.brackets, *[f for f in others if f not in common])
    if not set(indices(other)) <= set(indices(rest)):
        return None
    if isinstance(rest, Mul) and not _pays(rest, full, diagonal):
        return None
    return Summand(Mul(*common, rest + other), full.reduced)


def _pays(rest: Expr, full: Summand, diagonal: Summand) -> bool:
    """Whether a product, a bracket and a sum for each element of the rest cost less than the sum of the diagonal."""
    result = set(indices(full.body)) - set(full.reduced)
    inside, alone, added = (size(of, ASSUMED_SAMPLES) for of in (indices(rest), indices(diagonal.body), result))
    return 3 * inside <= 2 * (alone + added)
