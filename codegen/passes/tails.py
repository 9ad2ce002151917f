"""Tails of the normal distribution: what cancels, underflows or overflows there, and the form that does not.

SymPy turns erfc(−u) into 2 − erfc(u), which is 0 where erfc(−u) is 10⁻¹⁷; Φ is not turned. So 1 + erf(w) becomes
2·Φ(√2·w) here, and everything else follows from functions that keep their digits: erfc, Φ, erfcx and their logarithms.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import combinations

from sympy import Add, Expr, Integer, Mul, Rational, S, erf, erfc, exp, expand, log, sqrt, tanh
from sympy.core.basic import Basic

from codegen.functions import (
    erfcx,
    inverse_erfcx,
    log_cosh,
    log_erfc,
    log_erfc_pair,
    log_normal_cdf,
    log_sigmoid,
    logistic,
    normal_cdf,
    sigmoid,
    sigmoid_slope,
)
from codegen.functions.gaussian import erf_difference
from codegen.functions.smooth import part_of_sum
from codegen.walk import is_large

Form = Callable[..., Expr]
Complements = Mapping[type[Expr], Mapping[Rational, Form]]


def complementary(w: Expr) -> Expr:
    """erfc(w): as Φ where SymPy would write it with erfc(−w), and where √2·w is simpler than w.

    >>> from sympy import symbols
    >>> x = symbols("x", real=True)
    >>> complementary(x), complementary(-x), complementary(x / sqrt(2))
    (erfc(x), 2*normal_cdf(sqrt(2)*x), 2*normal_cdf(-x))
    """
    terms = Add.make_args(w)
    kept = erfc(w)
    if isinstance(kept, erfc) and not all(sqrt(2) in Mul.make_args(term) for term in terms):
        return kept
    return 2 * normal_cdf(Add(*[-sqrt(2) * term for term in terms]))


#: f(w) + offset, which cancels in a tail, or where w is small, and what it is.
COMPLEMENTS: Complements = {
    erf: {Integer(-1): lambda w: -complementary(w), Integer(1): lambda w: complementary(-w)},
    erfc: {Integer(-2): lambda w: -complementary(-w), Integer(-1): lambda w: -erf(w)},
    logistic: {Integer(-1): lambda x: -logistic(-x)},
    normal_cdf: {Integer(-1): lambda x: -normal_cdf(-x), Rational(-1, 2): lambda x: erf(x / sqrt(2)) / 2},
    part_of_sum: {Integer(-1): lambda u, v: -part_of_sum(v, u)},
}

#: The same of functions that derivatives are made of, σ' = σ·(1 − σ): another one is worth it if that is the only one.
COMPLEMENTS_OF_ACTIVATIONS: Complements = {
    tanh: {Integer(-1): lambda x: -2 * sigmoid(-2 * x), Integer(1): lambda x: 2 * sigmoid(2 * x)},
    sigmoid: {Integer(-1): lambda x: -sigmoid(-x)},
}

#: log(c·f(w)) of a positive f that underflows, for numbers c that have a form of their own; any other c is taken out.
LOGARITHMS_OF_TAILS: Mapping[type[Expr], Mapping[Rational, Form]] = {
    erfc: {Integer(1): log_erfc, Rational(1, 2): lambda w: log_normal_cdf(-sqrt(2) * w)},
    normal_cdf: {Integer(1): log_normal_cdf, Integer(2): lambda x: log_erfc(-x / sqrt(2))},
}

#: log(1 + c·f(w)) where that is the logarithm of a complement.
LOGARITHMS_OF_COMPLEMENTS: Mapping[type[Expr], Mapping[Rational, Form]] = {
    erf: {Integer(-1): log_erfc, Integer(1): lambda w: log_erfc(-w)},
    normal_cdf: {Integer(-1): lambda x: log_normal_cdf(-x)},
    tanh: {
        Integer(-1): lambda x: log(2) + log_sigmoid(-2 * x),
        Integer(1): lambda x: log(2) + log_sigmoid(2 * x),
    },
}

#: What decays as exp(−g): that g, the factor that remains, f(w) = exp(−g)·factor, and its reciprocal.
DECAY_OF_TAILS: Mapping[type[Expr], tuple[Form, Form, Form]] = {
    erfc: (lambda w: w**2, erfcx, inverse_erfcx),
    normal_cdf: (
        lambda x: x**2 / 2,
        lambda x: erfcx(-x / sqrt(2)) / 2,
        lambda x: 2 * inverse_erfcx(-x / sqrt(2)),
    ),
}

#: log(1 − f(w)²), where f(w) rounds to ±1 far out.
LOGARITHMS_OF_COMPLEMENTED_SQUARES: Mapping[type[Expr], Form] = {
    erf: log_erfc_pair,
    tanh: lambda x: -2 * log_cosh(x),
}


# --- sums ---------------------------------------------------------------------------------------------------------


def complemented(node: Add, complements: Complements = COMPLEMENTS) -> Expr | None:
    """A sum with every c·f(w) + c·offset in one term, whatever the common factor c is; None if there is none.

    An offset may be part of several terms: 1 + erf(u)/2 + erf(w)/2 is two of them. What is left of a term that gave
    an offset must be nothing: 2 + erf(w) does not cancel.
    """
    candidates = sorted(_saturating(node, complements), key=lambda found: -abs(found[1].as_coeff_Mul()[0]))
    if not candidates:
        return None
    taken = {term for term, _, _ in candidates}
    rest = {key: number for number, key in (t.as_coeff_Mul() for t in node.args if t not in taken)}
    found: list[Expr] = []
    touched: set[Expr] = set()
    for term, factor, function in candidates:
        for offset, form in complements[function.func].items():
            needed = [t.as_coeff_Mul() for t in Add.make_args(expand(offset * factor, deep=False))]
            if all(_is_part(number, rest.get(key)) for number, key in needed):
                for number, key in needed:
                    rest[key] -= number
                    touched.add(key)
                found.append(factor * form(*function.args))
                break
        else:
            found.append(term)
    if not touched or any(rest[key] != 0 for key in touched):
        return None
    return Add(*[number * key for key, number in rest.items() if key not in touched], *found)


def complemented_square(node: Add) -> Expr | None:
    """c − c·tanh²(x) = 4c·σ(2x)·σ(−2x), one function for another."""
    terms = dict(reversed(term.as_coeff_Mul()) for term in node.args)
    if len(terms) != 2 or S.One not in terms:
        return None
    ((square, number),) = [term for term in terms.items() if term[0] != 1]
    base, power = square.as_base_exp()
    if not isinstance(base, tanh) or power != 2 or number != -terms[S.One]:
        return None
    return 4 * terms[S.One] * sigmoid_slope(2 * base.args[0])


#: c·f(u) − c·f(w) of what saturates.
DIFFERENCES: Mapping[type[Expr], Callable[[Expr, Expr], Expr]] = {
    erf: erf_difference,
    erfc: lambda u, w: erf_difference(w, u),
    normal_cdf: lambda u, w: erf_difference(u / sqrt(2), w / sqrt(2)) / 2,
}


def difference(node: Add) -> Expr | None:
    """A sum with two such terms as one, in both tails."""
    found = list(_saturating(node, DIFFERENCES))
    for (one, c, f), (other, d, g) in combinations(found, 2):
        if f.func is g.func and c == -d:
            if c.could_extract_minus_sign():
                c, f, g = d, g, f
            rest = [term for term in node.args if term not in (one, other)]
            return Add(c * DIFFERENCES[f.func](f.args[0], g.args[0]), *rest)
    return None


def _saturating(node: Add, complements: Collection[type[Expr]]) -> Iterator[tuple[Expr, Expr, Expr]]:
    """The terms c·f(w), their c and f(w)."""
    for term in node.args:
        for factor in Mul.make_args(term):
            if factor.func in complements:
                yield term, Mul(*[f for f in Mul.make_args(term) if f is not factor]), factor
                break


def _is_part(number: Expr, whole: Expr | None) -> bool:
    return whole is not None and whole * number > 0 and abs(number) <= abs(whole)


# --- logarithms ---------------------------------------------------------------------------------------------------


def log_of_tail(argument: Expr) -> Expr | None:
    """log(c·f(w)ⁿ·rest) = n·log f(w) + log(c·rest) for the positive functions of ``LOGARITHMS_OF_TAILS``."""
    number, product = argument.as_coeff_Mul()
    form = LOGARITHMS_OF_TAILS.get(product.func, {}).get(Rational(number))
    if form is not None:
        return form(product.args[0])
    powers = [factor.as_base_exp() for factor in Mul.make_args(argument)]
    tails = [(base, power) for base, power in powers if base.func in LOGARITHMS_OF_TAILS]
    if not tails:
        return None
    rest = Mul(*[base**power for base, power in powers if base.func not in LOGARITHMS_OF_TAILS])
    return Add(*[power * LOGARITHMS_OF_TAILS[base.func][Integer(1)](base.args[0]) for base, power in tails], log(rest))


def log1p_of_tail(argument: Expr) -> Expr | None:
    """log(1 − erf(w)), log(1 − erf(w)²) and the like, where the 1 was taken out before."""
    number, function = argument.as_coeff_Mul()
    base, power = function.as_base_exp()
    if number == -1 and power == 2 and base.func in LOGARITHMS_OF_COMPLEMENTED_SQUARES:
        return LOGARITHMS_OF_COMPLEMENTED_SQUARES[base.func](base.args[0])
    form = LOGARITHMS_OF_COMPLEMENTS.get(function.func, {}).get(Rational(number))
    return None if form is None else form(function.args[0])


# --- products -----------------------------------------------------------------------------------------------------

LARGE = 200
"""Exponents of so many nodes are compared as they stand."""


def without_decay(node: Mul) -> Expr | None:
    """exp(a)·f(w)ⁿ = exp(a − n·g)·factorⁿ where n·g cancels terms of a: φ(x)/Φ(x) is 0/0 in a tail, 1/erfcx is not."""
    power = Add(*[factor.args[0] for factor in node.args if isinstance(factor, exp)])
    if power == 0:
        return None
    for factor in node.args:
        base, n = factor.as_base_exp()
        if base.func in DECAY_OF_TAILS and isinstance(n, Integer):
            decay, remaining, reciprocal = DECAY_OF_TAILS[base.func]
            left = _difference(power, n * decay(base.args[0]))
            if left is not None:
                others = [f for f in node.args if f is not factor and not isinstance(f, exp)]
                kept = remaining(base.args[0]) if n > 0 else reciprocal(base.args[0])
                return Mul(exp(left), kept ** abs(n), *others)
    return None


def _difference(power: Expr, decay: Expr) -> Expr | None:
    """power − decay if that has fewer terms than power."""
    left = power - decay
    if _count(left) < _count(power):
        return left
    if is_large(left, LARGE):
        return None
    whole, left = expand(power), expand(left)
    return left if _count(left) < _count(whole) else None


def _count(total: Basic) -> int:
    return 0 if total == 0 else len(Add.make_args(total))
