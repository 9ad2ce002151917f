"""What SymPy makes of Γ(a, w) for a = 3/2, 5/2, …, and of it and E₁₋ₐ(w) for a = −½, −3/2, …: a sum with erfc(√w).

Its digits are lost far out, and those of its derivatives for positive a beside 0.
"""

from __future__ import annotations

from sympy import Add, Dummy, Expr, Mul, Rational, S, erfc, exp, expand, gamma

from codegen.functions.gammas import regularised_upper_gamma
from codegen.functions.incomplete import generalised_exponential_integral, upper_gamma
from codegen.walk import is_large

LARGE = 200
"""Sums of so many nodes are looked at."""


def of_half_order(node: Add) -> Expr | None:
    """c·Γ(a, w)/Γ(a) for c·erfc(√w) − c·exp(−w)·(w⁻¹ᐟ²/Γ(½) + … + wᵃ/Γ(a + 1)), and what else there is.

    For a > 0 it is c·erfc(√w) + c·exp(−w)·(w¹ᐟ²/Γ(3/2) + … + wᵃ⁻¹/Γ(a)).

    >>> from sympy import Symbol, expint, uppergamma
    >>> x = Symbol("x", real=True)
    >>> of_half_order(uppergamma(Rational(-5, 2), x)), of_half_order(1 - expint(Rational(7, 2), x).expand())
    (upper_gamma(-5/2, x), 1 - generalised_exponential_integral(7/2, x))
    """
    for term in node.args:
        for factor in Mul.make_args(term):
            if isinstance(factor, erfc) and _is_root(factor.args[0]) and not is_large(node, LARGE):
                return _of_half_order(node, term, factor.args[0])
    return None


def _is_root(u: Expr) -> bool:
    """Whether it is √(c·x·y·…) for a number c > 0, as SymPy takes it apart."""
    powers = [factor.as_base_exp() for factor in Mul.make_args(u) if not factor.is_number]
    return bool(powers) and all(power == S.Half for _, power in powers)


def _of_half_order(node: Add, term: Expr, u: Expr) -> Expr | None:
    w, z = u**2, Dummy(positive=True)
    decaying = [t for t in node.args if t is not term and exp(-w) in Mul.make_args(t)]
    first, *others = (factor.as_base_exp()[0] for factor in Mul.make_args(u) if not factor.is_number)
    positive = {base: Dummy(positive=True) for base in others}
    number = Mul(*[factor for factor in Mul.make_args(u) if factor.is_number]) ** 2
    replacements = {**positive, first: z / (number * Mul(*positive.values()))}

    def in_z(part: Expr) -> Expr:
        return part.subs(replacements)

    c = in_z(term / erfc(u))
    terms = Add.make_args(expand(in_z(Add(*decaying)) * exp(z) / c))
    n = len(terms)
    back = {z: w, **{dummy: base for base, dummy in positive.items()}}
    left = [t for t in node.args if t is not term and t not in decaying]
    if set(terms) == {z ** (k - S.Half) / gamma(k + S.Half) for k in range(1, n + 1)}:
        return Add(c.subs(back) * regularised_upper_gamma(n + S.Half, w), *left)
    if set(terms) != {-(z ** (S.Half - k)) / gamma(Rational(3, 2) - k) for k in range(1, n + 1)}:
        return None
    a = S.Half - n
    rest = c / gamma(a)
    kind, order = upper_gamma, a
    if not (rest * z**a).has(z):
        rest, kind, order = rest * z**a, generalised_exponential_integral, 1 - a
    return Add(rest.subs(back) * kind(order, w), *left)
