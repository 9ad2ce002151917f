"""Formulas that overflow or cancel in floating point, and the equal ones that do not: one rule a row."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import count, permutations
from typing import Any

from sympy import (
    Add,
    Chi,
    Dummy,
    Expr,
    Float,
    Idx,
    Integer,
    Mul,
    Poly,
    Pow,
    Rational,
    S,
    acosh,
    asin,
    asinh,
    atan,
    atanh,
    cos,
    cosh,
    erf,
    erfi,
    exp,
    expand,
    expint,
    factor_list,
    factorial,
    gamma,
    log,
    oo,
    pi,
    sin,
    sinh,
    sqrt,
    tan,
    tanh,
)
from sympy.core.basic import Basic

from codegen.functions import (
    absolute,
    bose,
    coth,
    csch,
    damped_power,
    erfc_pair,
    erfcx,
    expm1,
    hypot,
    inverse_erfcx,
    log1mexp,
    log1p,
    log_cosh,
    log_cosh_slope,
    log_erfc_pair,
    log_sigmoid,
    log_sum_exp,
    log_tanh,
    logistic,
    maximum,
    minimum,
    ratios,
    root_of_1_plus_exp,
    sech,
    select,
    sigmoid,
    sigmoid_slope,
    sign,
    softmax_part,
    softplus,
    softplus_intercept,
    stop_gradient,
    tanh_slope,
    tempered_maximum,
)
from codegen.functions.bessel import (
    bessel_ratio,
    besseli_over_power,
    besselj_over_power,
    damped_bessel,
    damped_besselk,
    log_bessel,
    log_besselk,
)
from codegen.functions.damped_integrals import (
    damped_chi,
    damped_ei,
    damped_erfi,
    damped_expint,
    damped_expint_line,
    damped_shi,
    log_upper_gamma,
)
from codegen.functions.densities import by_logarithm, gamma_density, log_gamma_density
from codegen.functions.digamma import log_beta, log_gamma
from codegen.functions.exponentials import (
    COSH,
    EXP,
    KINDS,
    SINH,
    acosh_exp,
    asinh_exp,
    atan_exp,
    gudermannian,
    log_cosh_intercept,
    log_distance_from_1,
    log_of_weighted_sum,
    part_of_weighted_sum,
    softened_ramp,
)
from codegen.functions.gammas import accurate_beta, beta_by_gammas, regularised_upper_gamma
from codegen.functions.gaussian import erf_difference, erfcx_line, log_erf_difference, log_erfcx, normal_cdf
from codegen.functions.improvement import improvement, log_improvement
from codegen.functions.incomplete import generalised_exponential_integral, upper_gamma
from codegen.functions.integrals import exponential_integral, hyperbolic_sine_integral
from codegen.functions.lambert import lambert_w_of_exponential
from codegen.functions.large_numbers import logarithmic_product
from codegen.functions.powers import is_reciprocal, is_whole
from codegen.functions.quotients import OVER_POWERS, exp_remainder
from codegen.functions.ratios import (
    LINES,
    NUMBERS,
    ROWS,
    complementary_log_log,
    line_over,
    line_over_quotient,
    log_of_quotient,
    ratio,
    reciprocal_gap,
    remainder_over_cube,
    remainder_over_square,
)
from codegen.functions.scaled import exponential_product, log_sinh, logarithm_of_product, vanishing_product
from codegen.functions.series import in_pairs
from codegen.functions.special import (
    besseli,
    besselj,
    besselk,
    beta,
    binomial,
    lambert_w,
    reciprocal_gamma,
    wright_omega,
)
from codegen.passes.densities import coefficient, density, logarithmic_density
from codegen.passes.differences import close_difference
from codegen.passes.half_orders import of_half_order
from codegen.passes.logged_powers import log_of_powers, logarithms
from codegen.passes.norms import (
    conjugate,
    directed,
    factored,
    log1p_squared,
    norm,
    norm_of_difference,
    over_squares,
    weighted,
)
from codegen.passes.overflowing import in_one_exponential
from codegen.passes.tails import LARGE, complemented, difference, log1p_of_tail, log_of_tail, without_decay
from codegen.walk import indices, is_large, postorder, rewrite

#: Functions that grow without bound, or vanish, and their reciprocals as functions whose derivatives are bounded
#: multiples of themselves: −sinh(x)/cosh²(x) is ∞/∞ where −sech(x)·tanh(x) is 0.
RECIPROCALS: Mapping[type[Expr], type[Expr]] = {cosh: sech, sinh: csch, tanh: coth, expm1: bose, erfcx: inverse_erfcx}


LOGISTIC = (sigmoid, logistic)
"""σ with derivatives of its value, and with those that have all digits."""


def _log_of_quotient(function: type[Expr], quotient: type[Expr]) -> Callable[..., Expr]:
    """log(f(b·c)/b); its derivatives have no other form."""

    def rule(n: Expr, b: Expr, c: Expr = S.One) -> Expr:
        return log(quotient(n, b, c)) if n else _stable_log(c) + log_of_quotient(NUMBERS[function], b * c)

    return rule


def _log1mexp(x: Expr) -> Expr:
    """log(1 − exp(−x)), also of x = c·exp(a) for a number c > 0, and of the complement of a part of Σ exp."""
    if (odds := _beside_others(-x)) is not None:
        return -softplus(odds)
    power = None if x.is_number else _exponent(x)
    return log1mexp(x) if power is None else complementary_log_log(power)


def _beside_others(a: Expr) -> Expr | None:
    """xᵢ − log Σ exp(xⱼ) without j = i for a = xᵢ − log Σ exp(xⱼ): exp(a) is σ of it."""
    total = next((-term for term in Add.make_args(a) if isinstance(-term, log_sum_exp)), None)
    if total is None or (own := a + total) not in total.args:
        return None
    others = [*total.args]
    others.remove(own)
    return own - (log_sum_exp(*others) if len(others) > 1 else others[0])


def _log_besseli(n: Expr, x: Expr) -> Expr:
    """log Iₙ(x) of a whole n, also where a power of x is out of range."""
    if not n.is_Integer:
        return log(besseli(n, x))
    return log_bessel(n, x) + n * log((x if n % 2 else absolute(x)) / 2) - log(factorial(n))


def _log_by_logarithm(condition: Expr, logarithm: Expr, product: Expr) -> Expr:
    return select(condition, logarithm, log(product))


#: log(f(x)) of what overflows, or has no sign, or is 1 to all digits: real for x > 0 alone, but for even ones.
LOGARITHMS: Mapping[type[Expr], Callable[..., Expr]] = {
    accurate_beta: log_beta,
    beta: log_beta,
    beta_by_gammas: log_beta,
    besseli: _log_besseli,
    besseli_over_power: lambda n, x: log_bessel(n, x) - log(2**n * factorial(n)),
    by_logarithm: _log_by_logarithm,
    cosh: log_cosh,
    coth: lambda x: -log_tanh(x),
    csch: lambda x: log(2) - x - log1mexp(2 * x),
    binomial: lambda n, k: _log_by_logarithm(*coefficient(binomial(n, k)).args),
    bose: lambda x: -x - log1mexp(x),
    erf_difference: log_erf_difference,
    erfc_pair: log_erfc_pair,
    damped_bessel: lambda n, x: log_bessel(n, x) - x if n == 0 else log(damped_bessel(n, x)),
    erfcx: log_erfcx,
    expm1: lambda x: x + _log1mexp(x),
    gamma: log_gamma,
    gamma_density: log_gamma_density,
    improvement: log_improvement,
    inverse_erfcx: lambda x: -log_erfcx(x),
    regularised_upper_gamma: log_upper_gamma,
    logarithmic_product: lambda l, *powers: Add(l, *logarithms([*in_pairs(powers)])),
    part_of_weighted_sum: lambda k, w, x, *terms: (
        _stable_log(w * KINDS[int(k)].function(x)) - log_of_weighted_sum(*terms)
    ),
    **dict.fromkeys(LOGISTIC, log_sigmoid),
    sigmoid_slope: lambda x: -2 * log_cosh(x / 2) - 2 * log(2),
    sinh: lambda x: x + log1mexp(2 * x) - log(2),
    softmax_part: lambda x, *arguments: x - log_sum_exp(*arguments),
    tanh: log_tanh,
    ratio: lambda f, g, n, x: log(ratio(f, g, n, x)) if n else log_of_quotient(f, x) - log_of_quotient(g, x),
    **{over[-1]: _log_of_quotient(f, over[-1]) for f, over in OVER_POWERS.items() if f in NUMBERS},
}

ODD = frozenset({sinh, tanh})
"""Of these |f(x)| = f(|x|)."""


def _all_of_it(logarithm: Callable[..., Expr]) -> Callable[..., tuple[Expr, Expr]]:
    """g is the logarithm, and the rest 1."""
    return lambda *arguments: (logarithm(*arguments), S.One)


#: What overflows or vanishes, and is positive.
ONLY_LOGARITHMS = (by_logarithm, erfcx, gamma_density, improvement, inverse_erfcx, regularised_upper_gamma)


def _where(condition: Expr, logarithm: Expr, function: Expr) -> tuple[Expr, Expr]:
    """The logarithm where a condition is above 0, and the function elsewhere."""
    return select(condition, logarithm, S.Zero), select(condition, S.One, function)


def _growth_of_beta(function: type[Expr]) -> Callable[[Expr, Expr], tuple[Expr, Expr]]:
    return lambda a, b: _where(minimum(a, b), log_beta(a, b), function(a, b))


#: f(…) = exp(g)·rest where f overflows or vanishes and the rest, which has its sign, does not: g and the rest.
GROWTH: Mapping[type[Expr], Callable[..., tuple[Expr, Expr]]] = {
    exp: lambda x: (x, Integer(1)),
    cosh: lambda x: (log_cosh(x), Integer(1)),
    sech: lambda x: (-log_cosh(x), Integer(1)),
    csch: lambda x: (-log_bessel(Rational(1, 2), x), 1 / x),
    bose: lambda x: (-x / 2 - log_bessel(Rational(1, 2), x / 2), 1 / x),
    **dict.fromkeys(LOGISTIC, lambda x: (log_sigmoid(x), Integer(1))),
    sinh: lambda x: (log_bessel(Rational(1, 2), x), x),
    expm1: lambda x: (x / 2 + log_bessel(Rational(1, 2), x / 2), x),
    besseli: lambda n, x: (log_bessel(n, x), (x / 2) ** n / factorial(n)),
    besseli_over_power: lambda n, x: (log_bessel(n, x), 1 / (2**n * factorial(n))),
    besselk: lambda n, x: (log_besselk(n, x), Integer(1)),
    exponential_integral: lambda x: (x, damped_ei(Integer(0), x)),
    expint: lambda p, x: (-x, damped_expint(Integer(0), p, x)),
    generalised_exponential_integral: lambda p, x: (-x, damped_expint(Integer(0), p, x)),
    hyperbolic_sine_integral: lambda x: (x, damped_shi(x)),
    Chi: lambda x: (x, damped_chi(x)),
    erfi: lambda x: (x**2, damped_erfi(Integer(0), x)),
    upper_gamma: lambda a, x: (-x, x**a * damped_expint(Integer(0), 1 - a, x)),
    damped_besselk: lambda n, x: (log_besselk(n, x) + x, Integer(1)),
    gamma: lambda x: _where(x, log_gamma(x), gamma(x)),
    reciprocal_gamma: lambda x: _where(x, -log_gamma(x), reciprocal_gamma(x)),
    binomial: lambda n, k: _where(*coefficient(binomial(n, k)).args),
    **{function: _growth_of_beta(function) for function in (accurate_beta, beta, beta_by_gammas)},
    exponential_product: _all_of_it(logarithm_of_product),
    vanishing_product: lambda front, *arguments: (logarithm_of_product(*arguments), front),
    **{function: _all_of_it(LOGARITHMS[function]) for function in ONLY_LOGARITHMS},
}

#: log |f(x)| of a function that is 0 or infinite at 0, with sign(x) as the rest where that is not divided out.
SIGNED: Mapping[type[Expr], Callable[[Expr], Expr]] = {
    expm1: log_distance_from_1,
    bose: lambda x: -log_distance_from_1(x),
    sinh: log_sinh,
    csch: lambda x: -log_sinh(x),
    tanh: lambda x: log_tanh(absolute(x)),
    coth: lambda x: -log_tanh(absolute(x)),
    vanishing_product: lambda front, *arguments: logarithm_of_product(*arguments, zeros=True),
}

#: A growing factor, a decaying one of the same argument, and what their product is.
QUOTIENTS: tuple[tuple[Callable[[Expr], Expr], type[Expr], Callable[[Expr], Expr]], ...] = (
    (sinh, sech, tanh),
    (cosh, csch, coth),
    (exp, sech, lambda x: 2 * logistic(2 * x)),
    (lambda x: exp(-x), sech, lambda x: 2 * logistic(-2 * x)),
    (exp, bose, lambda x: -bose(-x)),
    (lambda x: exp(-x), sigmoid, lambda x: sigmoid(-x)),
    (lambda x: exp(-x), logistic, lambda x: logistic(-x)),
    (lambda x: logistic(-x), logistic, sigmoid_slope),
    (lambda x: sigmoid(-x), sigmoid, sigmoid_slope),
)
#: f(x) − x·f′(x), the difference of what grows as x does: f′, and what the difference is.
INTERCEPTS: Mapping[type[Expr], tuple[type[Expr], Callable[[Expr], Expr]]] = {
    softplus: (logistic, softplus_intercept),
    log_cosh: (log_cosh_slope, log_cosh_intercept),
}

#: Of functions that grow their numbers in KINDS.
KINDS_BY_FUNCTION: Mapping[type[Expr], int] = {kind.function: number for number, kind in enumerate(KINDS)}

#: What decays too fast for any power of its argument, c·σ′(k·x): c and k.
DAMPING: Mapping[type[Expr], tuple[int, int]] = {sigmoid_slope: (1, 1), tanh_slope: (4, 2)}

INTEGRALS = frozenset(
    {Chi, erfi, exponential_integral, expint, generalised_exponential_integral, hyperbolic_sine_integral, upper_gamma}
)
"""Of ``GROWTH`` those whose products with exponentials are looked for."""
GROWING = frozenset({exp, *RECIPROCALS} - {tanh})
DECAYING = {decaying for _, decaying, _ in QUOTIENTS}


def stable(node: Basic) -> Basic | None:
    """The stable form of one node whose arguments are stable already; None if it is fine as it is."""
    rule = RULES.get(node.func)
    return None if rule is None else rule(node)


def is_whole_reciprocal(node: Basic) -> bool:
    """Whether a node is 1/xⁿ for a whole n."""
    return is_reciprocal(node) and is_whole(node.exp)


def exponents(total: Basic) -> tuple[Expr, ...]:
    """The aᵢ of exp(a₁) + exp(a₂) + …, where c·exp(a) counts as exp(a + log c); none if there is another term.

    A sum that is shifted by its maximum already has none either.
    """
    shifted = any(isinstance(node, stop_gradient) for node in postorder(total))
    return () if shifted else _exponents(total)


def _exponents(total: Basic) -> tuple[Expr, ...]:
    terms = exponential_terms(total)
    positive = all(factor.is_number and factor.is_positive for factor in terms.values())
    return tuple(power + log(factor) for power, factor in terms.items()) if positive else ()


def exponential_terms(total: Basic) -> Mapping[Expr, Expr]:
    """The cᵢ by the aᵢ of c₁·exp(a₁) + c₂·exp(a₂) + …, cosh and sinh as two each; none if no aᵢ varies."""
    found: dict[Expr, Expr] = {}
    for term in Add.make_args(total):
        for exponent, factor in _as_exponentials(term):
            found[exponent] = found.get(exponent, Integer(0)) + factor
    return found if any(not exponent.is_number for exponent in found) else {}


def weighted_terms(total: Basic) -> tuple[Expr, ...]:
    """The k₁, c₁, a₁, … of c₁·f₁(a₁) + c₂·f₂(a₂) + …, the kᵢ numbers of KINDS.

    There are none where a cᵢ would have such a function. Of cosh(a) and sinh(a) exponentials are made: their difference
    is one.
    """
    found: dict[tuple[int, Expr], Expr] = {}

    def add(kind: int, a: Expr, factor: Expr) -> None:
        found[kind, a] = found.get((kind, a), S.Zero) + factor

    for term in Add.make_args(total):
        growing = [factor for factor in Mul.make_args(term) if factor.func in KINDS_BY_FUNCTION]
        if len(growing) == 1:
            (one,) = growing
            others = [factor for factor in Mul.make_args(term) if factor is not one]
            add(KINDS_BY_FUNCTION[one.func], one.args[0], Mul(*others))
        else:
            for exponent, factor in _as_exponentials(term):
                add(EXP, exponent, factor)
    for kind, a in [*found]:
        if kind == COSH and (SINH, a) in found:
            even, odd = found.pop((COSH, a)), found.pop((SINH, a))
            add(EXP, a, (even + odd) / 2)
            add(EXP, -a, (even - odd) / 2)
    if any(factor.has(cosh, sinh, expm1) for factor in found.values()):
        return ()
    return tuple(part for (kind, a), factor in found.items() if factor != 0 for part in (Integer(kind), factor, a))


def _as_exponentials(term: Expr) -> list[tuple[Expr, Expr]]:
    """The a and c of a term that is a sum of c·exp(a)."""
    factors = Mul.make_args(term)
    power = Add(*[factor.args[0] for factor in factors if isinstance(factor, exp)])
    others = [factor for factor in factors if not isinstance(factor, exp)]
    hyperbolic = next((factor for factor in others if isinstance(factor, (cosh, sinh))), None)
    if hyperbolic is None:
        return [(power, Mul(*others))]
    others.remove(hyperbolic)
    half, (a,) = Mul(Rational(1, 2), *others), hyperbolic.args
    return [(power + a, half), (power - a, half if isinstance(hyperbolic, cosh) else -half)]


def _exponent(term: Expr) -> Expr | None:
    """The a of exp(a), the log c of a positive number c, their sum for a product; None for anything else."""
    factor, rest = term.as_coeff_Mul()
    if factor.is_positive is not True or not (rest == 1 or isinstance(rest, exp)):
        return None
    return Add(log(factor), *(rest.args if isinstance(rest, exp) else ()))


def _constant_and_power(total: Basic) -> tuple[Expr, Expr] | None:
    """The log c and the a of c + exp(a)."""
    powers = _exponents(total)
    constants = [power for power in powers if power.is_number]
    if len(powers) != 2 or len(constants) != 1:
        return None
    return constants[0], next(power for power in powers if not power.is_number)


def _log(node: log) -> Expr | None:
    (argument,) = node.args
    if isinstance(argument, Add):
        return _log_of_sum(argument)
    if isinstance(-argument, expm1):
        return _log1mexp(-(-argument).args[0])
    if argument.func in LOGARITHMS:
        return LOGARITHMS[argument.func](*argument.args)
    if (tail := log_of_tail(argument)) is not None:
        return tail
    if (squares := conjugate(argument)) is not None and (size := norm_of_difference(squares)) is not None:
        return 2 * log(size)
    if isinstance(argument, Pow) and (argument.exp == -1 or isinstance(argument.base, hypot)):
        return argument.exp * _stable_log(argument.base)
    return _log_of_product(argument)


def _log_of_sum(argument: Add) -> Expr | None:
    """log(1 + exp(a)) = softplus(a), log(1 − σ(a)) = log σ(−a), log Σ exp(aᵢ), log(1 + x) = log1p(x).

    log(exp(a) − exp(b)) = a + log(1 − exp(b − a)).
    """
    if pair := _constant_and_power(argument):
        constant, power = pair
        return constant + softplus(power - constant)
    if (found := _sum_of_cosh(argument)) is not None:
        return found
    if powers := exponents(argument):
        return log_sum_exp(*powers)
    if (inverse := _inverse_sinh(argument)) is not None:
        return inverse
    if pair := _difference_of_exponentials(argument):
        larger, smaller = pair
        return larger + _log1mexp(larger - smaller)
    rest = argument - 1
    if (-rest).func in LOGISTIC:
        return log_sigmoid(-(-rest).args[0])
    if (found := _weighted_logarithm(argument)) is not None:
        return found
    if 1 in argument.args:
        return stable(log1p(rest)) or log1p(rest)
    size = norm(argument) or norm_of_difference(argument)
    return None if size is None else 2 * log(size)


def _sum_of_cosh(total: Add) -> Expr | None:
    """log(c + d·cosh(a) + …) of numbers c, d, … > 0."""
    terms = [term.as_coeff_Mul() for term in total.args]
    plain = all(number.is_positive and (function == 1 or isinstance(function, cosh)) for number, function in terms)
    return log_of_weighted_sum(*weighted_terms(total)) if plain and total.has(cosh) else None


def _weighted_logarithm(total: Add) -> Expr | None:
    """log Σ cᵢ·fᵢ(aᵢ) for any cᵢ, by its factors where it is a polynomial of an exponential that has some."""
    if not total.has(*KINDS_BY_FUNCTION) or total.has(stop_gradient):
        return None
    terms = exponential_terms(total)
    if len(terms) > 1 and (factored := _log_of_factors(terms)) is not None:
        return factored
    written = weighted_terms(total) or tuple(part for power, factor in terms.items() for part in (EXP, factor, power))
    return log_of_weighted_sum(*written) if _is_sum_of_growths(written) else None


def _is_sum_of_growths(terms: Sequence[Expr]) -> bool:
    """Whether there are two terms or more, and one that varies exponentially."""
    return len(terms) > 3 and not all(a.is_number for a in terms[2::3])


DEGREE = 8
"""Up to this degree polynomials of an exponential are factored."""


def _log_of_factors(terms: Mapping[Expr, Expr]) -> Expr | None:
    """log Σ cₖ·exp(k·a) of numbers cₖ by the factors of the sum, of which one at most has an odd power, and that is 1.

    log(exp(2a) − 2·exp(a) + 1) = 2·log |exp(a) − 1| has digits where the sum has none.
    """
    a = min((power for power in terms if not power.is_number), key=lambda power: abs(power.as_coeff_Mul()[0]))
    orders = {power / a: factor for power, factor in terms.items()}
    if not all(isinstance(k, Integer) and c.is_Rational for k, c in orders.items()):
        return None
    least, z = min(orders), Dummy()
    if max(orders) - least > DEGREE:
        return None
    number, factors = factor_list(Add(*[c * z ** (k - least) for k, c in orders.items()]), z)
    odd = [power for _, power in factors if power % 2]
    if odd not in ([], [1]) or len(factors) == len(odd):
        return None
    logarithms = [least * a]
    for factor, multiplicity in factors:
        written = Add(*[c * exp(k * a) for (k,), c in Poly(factor, z).terms()])
        whole = (stable(written) or written) ** multiplicity * (number if multiplicity in odd else 1)
        logarithms.append(_stable_log(whole))
    return Add(*logarithms, *([] if odd else [log(number)]))


def _inverse_sinh(total: Add) -> Expr | None:
    """log(k·hypot(w, c) ± k·w) = log(k·c) ± asinh(w/c) for numbers k, c > 0, which cancels for one sign of w."""
    if len(total.args) != 2:
        return None
    for one, other in permutations(total.args):
        factor, size = one.as_coeff_Mul()
        if factor.is_positive and isinstance(size, hypot) and len(size.args) == 2:
            for c, w in permutations(size.args):
                if c.is_number and c.is_positive and other / factor in (w, -w):
                    return log(factor * c) + asinh(other / (factor * c))
    return None


def _difference_of_exponentials(total: Add) -> tuple[Expr, Expr] | None:
    """The a and the b of exp(a) − exp(b)."""
    if len(total.args) != 2:
        return None
    for one, other in permutations(total.args):
        a, b = _exponent(one), _exponent(-other)
        if a is not None and b is not None and not a.is_number:
            return a, b
    return None


def _log_of_product(argument: Expr) -> Expr | None:
    """log(c·f(a)); log(f(a)ⁿ·x) = n·g(a) + log(rest(a)ⁿ·x) for the f of ``GROWTH``; of powers a sum of logarithms."""
    number, product = argument.as_coeff_Mul()
    if number.is_positive and product.func in LOGARITHMS:
        return log(number) + LOGARITHMS[product.func](*product.args)
    base, power = product.as_base_exp()
    if number.is_positive and isinstance(power, Integer) and power % 2 == 0:
        if base.func in ODD:
            return log(number) + power * LOGARITHMS[base.func](absolute(base.args[0]))
        if isinstance(base, expm1):
            return log(number) + power * log_distance_from_1(base.args[0])
    growths: list[Expr] = []
    factors: list[Expr] = []
    for factor in Mul.make_args(argument):
        base, power = (factor, Integer(1)) if isinstance(factor, exp) else factor.as_base_exp()
        if base.func in SIGNED and isinstance(power, Integer) and not _is_divided(argument / factor, base, power):
            growths.append(power * SIGNED[base.func](*base.args))
            factors.append(sign(base.args[0]) ** power)
        elif _grows(base) and isinstance(power, Integer):
            growth, rest = GROWTH[base.func](*base.args)
            growths.append(power * growth)
            factors.append(rest**power)
        else:
            factors.append(factor)
    if growths:
        return Add(*growths, _stable_log(Mul(*factors)))
    terms = log_of_powers(argument, _stable_log)
    return None if terms is None else Add(*terms)


def _is_divided(others: Expr, base: Expr, power: Integer) -> bool:
    """Whether the zero of sinh(x)·y/x, or the pole of x/sinh(x), is none of the product with others."""
    sense = -1 if base.func in RECIPROCALS else 1
    return _has_power(others, base.args[0].as_coeff_Mul()[1] ** (sense * (1 if power > 0 else -1)))


def _grows(base: Expr) -> bool:
    """Whether there is a row for it; of Iᵥ and Kᵥ for whole orders alone."""
    return base.func in GROWTH and not (isinstance(base, (besseli, besselk)) and not base.args[0].is_Integer)


def _logarithmic_product(node: logarithmic_product) -> Expr | None:
    """With what overflows among the factors by its logarithm too."""
    if (found := logarithmic_density(node)) is not None:
        return found
    logarithm, *powers = node.args
    growths, rest = [], []
    for base, n in in_pairs(powers):
        growth, remaining = GROWTH[base.func](*base.args) if _grows(base) and n.is_Integer else (S.Zero, base)
        growths.append(n * growth)
        rest += [remaining, n] if remaining != 1 else []
    return logarithmic_product(Add(logarithm, *growths), *rest) if any(growths) else None


def _stable_log(argument: Expr) -> Expr:
    node = log(argument)
    replacement = stable(node)
    return node if replacement is None else replacement


def _log1p(node: log1p) -> Expr | None:
    """log(1 ± exp(a)) and log(1 − σ(a)) again, where the 1 was taken out before."""
    (argument,) = node.args
    if isinstance(argument, exp):
        return softplus(argument.args[0])
    if isinstance(-argument, exp):
        return _log1mexp(-(-argument).args[0])
    if (-argument).func in LOGISTIC:
        return log_sigmoid(-(-argument).args[0])
    return log1p_of_tail(argument) or log1p_squared(argument)


def _power(node: Pow) -> Expr | None:
    """√(a² + b² + …) = hypot(a, b, …) and its powers; reciprocals."""
    base, exponent = node.args
    is_root = isinstance(exponent, Rational) and exponent.q == 2
    if is_root and (size := norm(base)) is not None:
        return size ** (2 * exponent)
    is_reciprocal = exponent.is_Integer and exponent.is_negative
    if (is_root or is_reciprocal) and (product := factored(base)) is not None:
        return product**exponent
    if is_reciprocal and (product := factored(-base)) is not None:
        return (-product) ** exponent
    if is_root:
        if (difference_of_squares := conjugate(base)) is not None:
            return weighted(difference_of_squares**exponent)
        if isinstance(base, Add) and (root := _root_of_exponentials(base, exponent)) is not None:
            return root
    return weighted(node) or _reciprocal(node)


def _root_of_exponentials(base: Add, exponent: Expr) -> Expr | None:
    """√(c + exp(a)) and √Σ exp(aᵢ), which are in range where exp(a) is not, and their powers."""
    if pair := _constant_and_power(base):
        constant, power = pair
        return exp(exponent * constant) * root_of_1_plus_exp(power - constant) ** (2 * exponent)
    if (logarithm := _sum_of_cosh(base)) is None and (powers := exponents(base)):
        logarithm = log_sum_exp(*powers)
    return None if logarithm is None else exp(exponent * logarithm)


def _reciprocal(node: Pow) -> Expr | None:
    """1/cosh(a) = sech(a) and the like, 1/(1 + exp(a)) = σ(−a), 1/Σ exp(aᵢ) = exp(−log Σ exp(aᵢ)), and powers."""
    base, exponent = node.args
    if isinstance(exponent, Rational) and exponent.is_negative and base.func in RECIPROCALS:
        return RECIPROCALS[base.func](base.args[0]) ** -exponent
    if not is_whole_reciprocal(node) or not isinstance(base, Add):
        return None
    if pair := _constant_and_power(base):
        constant, power = pair
        return exp(exponent * constant) * logistic(constant - power) ** -exponent
    if not base.has(cosh, sinh) and (powers := exponents(base)):
        return exp(exponent * log_sum_exp(*powers))
    return _reciprocal_of_weighted(base, exponent)


def _reciprocal_of_weighted(base: Add, exponent: Expr) -> Expr | None:
    """(c₁·f₁(a₁) + c₂·f₂(a₂) + …)ⁿ for n < 0 and any cᵢ, whose derivatives are finite where fᵢ(aᵢ) is not."""
    if len(base.args) > LEVELS or base.has(stop_gradient) or not base.has(*KINDS_BY_FUNCTION):
        return None
    terms = weighted_terms(base)
    return part_of_weighted_sum(EXP, 1, 0, *terms) ** -exponent if _is_sum_of_growths(terms) else None


def _numerator(node: Mul) -> Expr | None:
    """c·f(b)·exp(a)/Σ cᵢ·fᵢ(aᵢ), which is no quotient where the sum grows as f(b)·exp(a) does; powers of it.

    Nor is c one if a cᵢ has it as a factor.
    """
    parts = [factor for factor in node.args if isinstance(factor.as_base_exp()[0], part_of_weighted_sum)]
    if len(parts) != 1:
        return None
    part, n = parts[0].as_base_exp()
    if not (isinstance(n, Integer) and n > 0):
        return None
    for other in node.args:
        if other is not parts[0] and (found := _with_numerator(part, n, other)) is not None:
            new = Mul(found, *[factor for factor in node.args if factor not in (parts[0], other)])
            return stable(new) or new
    return None


def _with_numerator(part: part_of_weighted_sum, n: Integer, above: Expr) -> Expr | None:
    """partⁿ times a factor with powers of another part of the same sum."""
    kind, w, x, *terms = part.args
    hyperbolic = {a for k, a in zip(terms[::3], terms[2::3]) if k in (COSH, SINH)}
    base, power = (above, S.One) if isinstance(above, exp) else above.as_base_exp()
    if isinstance(base, exp) and kind == EXP:
        (b,) = base.args
        rates = [*terms[2::3], *[-a for a in hyperbolic]]
        steps = [(k, a) for k in (n, S.One) for a in rates if a != x and b == k * (a - x)]
        for k, a in steps[:1]:
            return part ** (n - k) * part_of_weighted_sum(EXP, w, a, *terms) ** k
    elif not (isinstance(power, Integer) and power > 0):
        return None
    elif base.func in KINDS_BY_FUNCTION and kind == EXP and x == 0 and base.args[0] in terms[2::3]:
        k = min(n, power)
        grown = part_of_weighted_sum(KINDS_BY_FUNCTION[base.func], w, *base.args, *terms)
        return grown**k * part ** (n - k) * base ** (power - k)
    elif power % n == 0 and any(base in Mul.make_args(c) for c in terms[1::3] if not base.is_number):
        return part_of_weighted_sum(kind, w * base ** (power / n), x, *terms) ** n
    return None


def _product(node: Mul) -> Expr | None:
    """exp(a)·exp(b) = exp(a + b) where an exponent has an exponential itself, and what grows times what decays."""
    factors = [_without_reciprocal(factor) for factor in node.args]
    if any(new is not old for new, old in zip(factors, node.args)):
        product = Mul(*factors)
        return stable(product) or product
    powers = [factor for factor in factors if isinstance(factor, exp)]
    if len(powers) > 1 and any(isinstance(n, (exp, log_sum_exp)) for p in powers for n in postorder(p.args[0])):
        return merge_exponentials(node)
    for growing, decaying in permutations(factors, 2):
        if (orders := _ratio_of_orders(growing, decaying)) is not None:
            product = Mul(orders, *[factor for factor in factors if factor not in (growing, decaying)])
            return stable(product) or product
        quotient = _quotient(growing, *decaying.as_base_exp())
        if quotient is not None:
            product = Mul(quotient, *[factor for factor in factors if factor not in (growing, decaying)])
            return stable(product) or product
    return next((new for rule in PRODUCTS if (new := rule(node)) is not None), None)


def _without_decay(node: Mul) -> Expr | None:
    """x·exp(x²)·erfc(x) = x·erfcx(x) is one function more."""
    new = without_decay(node)
    return _line(new) or new if isinstance(new, Mul) else new


def _line(node: Mul) -> Expr | None:
    """x·erfcx(x), whose derivatives cancel far out as a product's."""
    for factor in node.args:
        if isinstance(factor, erfcx) and _has_power(rest := node / factor, factor.args[0].as_coeff_Mul()[1]):
            return erfcx_line(*factor.args) * (rest / factor.args[0])
    return None


def _in_one_exponential(node: Mul) -> Expr | None:
    """What overflows as one exponential, what does not as one function where that is 0/0."""
    found = in_one_exponential(node)
    return None if found is None else rewrite(found, stable)


def _damped_bessel(node: Mul) -> Expr | None:
    """exp(−x)·Iₙ(x), where one is infinite and the other 0; of another exponent by the logarithms, of Kₙ too."""
    exponent = Add(*[factor.args[0] for factor in node.args if isinstance(factor, exp)])
    if exponent == 0:
        return None
    for factor in node.args:
        base, k = factor.as_base_exp() if not isinstance(factor, exp) else (factor, S.One)
        if not (isinstance(base, (besseli, besselk)) and base.args[0].is_Integer and k.is_Integer):
            continue
        n, x = base.args
        others = [f for f in node.args if f is not factor and not isinstance(f, exp)]
        for sense in (1, -1):
            if k == 1 and isinstance(base, besseli) and -sense * x in Add.make_args(exponent):
                return Mul(sense**n, damped_bessel(n, sense * x), exp(exponent + sense * x), *others)
        if isinstance(base, besselk):
            return Mul(damped_besselk(n, x) ** k, exp(exponent - k * x), *others)
        growth, rest = GROWTH[base.func](n, x)
        return Mul(exp(exponent + k * growth), rest**k, *others)
    return None


def _damped_integral(node: Mul) -> Expr | None:
    """exp(x)·Eₚ(x) and exp(−x)·Ei(x), where one factor is infinite and the other 0, and x·exp(x)·Eₚ(x)."""
    exponent = Add(*[factor.args[0] for factor in node.args if isinstance(factor, exp)])
    for factor in node.args if exponent != 0 else ():
        base, k = factor.as_base_exp()
        if base.func in INTEGRALS and isinstance(k, Integer):
            growth, rest = GROWTH[base.func](*base.args)
            left = exponent + k * growth
            if left == 0 or len(Add.make_args(left)) < len(Add.make_args(exponent)):
                others = [f for f in node.args if f is not factor and not isinstance(f, exp)]
                product = Mul(exp(left), rest**k, *others)
                return _integral_line(product) or product
    return None


def _integral_line(product: Expr) -> Expr | None:
    """x·exp(x)·Eₚ(x), whose derivatives cancel far out as a product's."""
    for factor in Mul.make_args(product):
        if isinstance(factor, damped_expint):
            _, p, x = factor.args
            if _has_power(rest := product / factor, x.as_coeff_Mul()[1]):
                return damped_expint_line(p, x) * (rest / x)
    return None


ROUNDED = 8 * 2.0**-53
"""How far proportions of decimals may be apart: of 0.01·55/5.5, and of 0.01/0.1, each number and each result is
rounded, seven times by half a unit at most."""


def _removed(node: Mul) -> Expr | None:
    """f(x)/x and f(x)/g(x) of what is 0 at 0, also of multiples and powers: what has derivatives there too."""
    for factor in node.args:
        if (new := _over_argument(node, factor) or _over_function(node, factor)) is not None:
            return stable(new) or new
    return None


#: Of Jₙ(x) and Iₙ(x) that over xⁿ.
OVER_POWER_OF_ORDER: Mapping[type[Expr], type[Expr]] = {besselj: besselj_over_power, besseli: besseli_over_power}


def _over_power_of_order(node: Mul) -> Expr | None:
    """Jₙ(x)·xᵏ = xⁿ⁺ᵏ·(Jₙ(x)/xⁿ) for k < 0, also where x is a product and k the power of a factor of it."""
    for factor in node.args:
        base, k = factor.as_base_exp()
        if base.func in OVER_POWER_OF_ORDER and isinstance(k, Integer) and k > 0:
            n, x = base.args
            rest = node / factor
            present = rest.as_powers_dict()
            powers = [(present.get(b, S.Zero), p) for b, p in x.as_coeff_Mul()[1].as_powers_dict().items()]
            if n.is_Integer and n > 0 and any(isinstance(q, Integer) and (q * p).is_negative for q, p in powers):
                return OVER_POWER_OF_ORDER[base.func](n, x) ** k * (x ** (n * k) * rest)
    return None


def _over_argument(node: Mul, factor: Expr) -> Expr | None:
    """f(b·c)/bᵏ for an f of ``OVER_POWERS``, b all of the argument that is divided by; for what grows 1/b too."""
    base, power = factor.as_base_exp()
    if base.func not in OVER_POWERS or not (isinstance(power, Integer) and power > 0):
        return None
    (argument,), rest = base.args, node / factor
    for quotient in OVER_POWERS[base.func]:
        divided, left = _shared(rest, argument, -quotient.power)
        if divided == 1 or (quotient.limit != oo and any(is_reciprocal(b) for b in Mul.make_args(divided))):
            continue
        number, product = argument.as_coeff_Mul()
        if divided == product:
            found = quotient.of(argument, S.One) * number**quotient.power
        else:
            found = quotient.of(divided, argument / divided)
        return found * base ** (power - 1) * left
    return None


def _over_function(node: Mul, factor: Expr) -> Expr | None:
    """f(x)/g(x), x/g(x) and log(x)/(x − 1), of functions that have numbers."""
    base, power = factor.as_base_exp()
    if isinstance(base, part_of_weighted_sum):
        return _over_decimals(node / factor, base, power)
    if (one := _numbered(base)) is None or not isinstance(power, Integer):
        return None
    number, sense, argument = one
    row, rest, left = ROWS[number], node / factor, base ** (power - (1 if power > 0 else -1))
    above = sense * power > 0
    for other in node.args if above else ():
        below, exponent = other.as_base_exp()
        two = _numbered(below)
        divides = two is not None and isinstance(exponent, Integer) and two[1] * exponent < 0
        if two is not None and divides and two[2] == argument and ROWS[two[0]].place == row.place:
            return ratio(number, two[0], 0, argument) * left * (rest / below ** -two[1])
    if above and row.function in OVER_POWERS:
        return None
    line, distance = LINES[row.place], argument - row.place
    shared, others = _shared(rest, distance, -1 if above else 1)
    coefficient, whole = distance.as_coeff_Mul()
    if shared == 1:
        return None
    if shared != whole:
        if above or row.place != 0 or any(is_reciprocal(b) for b in Mul.make_args(shared)):
            return None
        c = distance / shared
        if all(is_reciprocal(factor) for factor in Mul.make_args(c)):
            return line_over_quotient(number, 0, 0, shared, 1 / c) * left * others
        return line_over(number, 0, 0, shared, c) * left * others
    found = ratio(number, line, 0, argument) * coefficient if above else ratio(line, number, 0, argument) / coefficient
    return found * left * others


def _over_decimals(rest: Expr, part: part_of_weighted_sum, power: Expr) -> Expr | None:
    """u/(1 − r·exp(a)) of a number r, and u = a + log r: of 2.5 − 0.1·V SymPy makes 12.18·exp(−0.1·V)."""
    kind, w, x, *terms = part.args
    if len(terms) != 6 or (kind, w, x) != (EXP, 1, 0) or {*terms[::3]} != {EXP}:
        return None
    (constant, at), (scale, a) = sorted(zip(terms[1::3], terms[2::3]), key=lambda term: term[1] != 0)
    if at != 0 or not (constant.is_number and scale.is_number and (-scale / constant).is_positive):
        return None
    logarithm = log(-scale / constant)
    argument = a + logarithm
    # The exponential was rounded by half a unit, which is so much of its logarithm.
    shared, left = _shared(rest, argument, 1, ROUNDED + 2.0**-53 / abs(logarithm))
    if shared != argument:
        return None
    return ratio(LINES[S.Zero], NUMBERS[expm1], 0, argument) * left / -constant * part ** (power - 1)


def _over_powers(node: Mul) -> Expr | None:
    """c·(f(x) − x)/x³ of an odd f, and its quotient by x²."""
    for total in node.args:
        if isinstance(total, Add) and len(total.args) == 2:
            rest = node / total
            for term, line in permutations(total.args):
                for factor in Mul.make_args(term):
                    x = factor.args[0] if factor.func in REMAINING else None
                    if x is None or line != -term / factor * x:
                        continue
                    for quotient in REMAINING[factor.func]:
                        if _has_power(rest, x.as_coeff_Mul()[1] ** -quotient.power):
                            kept = rest * x**quotient.power * (term / factor)
                            return kept * quotient(NUMBERS[factor.func], 0, x)
    return None


def _numbered(base: Expr) -> tuple[int, int, Expr] | None:
    """The number of f, the power of f, and the x, of f(x) and 1/f(x)."""
    function = ratios.RECIPROCALS.get(base.func, base.func)
    return None if function not in NUMBERS else (NUMBERS[function], 1 if function is base.func else -1, base.args[0])


def _shared(product: Expr, argument: Expr, power: int, rounded: Any = ROUNDED) -> tuple[Expr, Expr]:
    """All factors of an argument whose powers, to this one, are factors of a product, and what is left without them.

    Sums may be numbers times each other: a power of that number is left then.
    """
    shared = []
    present = product.as_powers_dict()
    for base, exponent in argument.as_coeff_Mul()[1].as_powers_dict().items():
        wanted = exponent * power
        for other, found in present.items() if isinstance(exponent, Integer) else ():
            if (
                isinstance(found, Integer)
                and found / wanted >= 1
                and (number := _proportion(other, base, rounded)) is not None
            ):
                shared.append(base**exponent)
                product = product / other**wanted * number**wanted
                break
    return Mul(*shared), product


def _proportion(one: Expr, other: Expr, rounded: Any) -> Expr | None:
    """The number that one sum is times another one, 1 of what is equal."""
    if one == other:
        return S.One
    if not (isinstance(one, Add) and isinstance(other, Add) and len(one.args) == len(other.args)):
        return None
    numbers, others = one.as_coefficients_dict(), other.as_coefficients_dict()
    if numbers.keys() != others.keys():
        return None
    found = [numbers[term] / others[term] for term in numbers if term != 1]
    found += [numbers[S.One] / others[S.One]] if S.One in numbers else []
    close = all(abs(proportion - found[0]) <= rounded * abs(found[0]) for proportion in found)
    exact = all(proportion == found[0] for proportion in found)
    decimal = any(isinstance(proportion, Float) for proportion in found)
    return found[0] if exact or (decimal and close) else None


def _hyperbolic(node: Mul) -> Expr | None:
    """x·bose(x)·bose(−x) = −½·(z/sinh(z))/sinh(z) for z = x/2, also of x²: no factor grows, wherever x is."""
    for factor in node.args:
        if isinstance(factor, bose) and bose(-factor.args[0]) in node.args:
            (x,) = factor.args
            rest = node / (factor * bose(-x))
            n = next(n for n in (2, 1, 0) if not n or _has_power(rest, x.as_coeff_Mul()[1] ** n))
            if n:
                size = exp(-log_bessel(Rational(1, 2), x / 2))
                return -(Integer(2) ** (n - 2)) * size**n * csch(x / 2) ** (2 - n) * (rest / x**n)
    return None


def _damped(node: Mul) -> Expr | None:
    """c²·σ′(c/x)/x³ = (c/x)²·σ′(c/x)/x, which is 0 where a power is infinite and the slope is 0."""
    for factor in node.args:
        if factor.func in DAMPING:
            multiple, scale = DAMPING[factor.func]
            number, base = factor.args[0].as_coeff_Mul()
            rest = Mul(*[other for other in node.args if other is not factor])
            n = next(n for n in count() if not _has_power(rest, base ** (n + 1)))
            if n:
                whole = scale * number
                product = multiple * damped_power(n, whole * base) * (rest / base**n) / whole**n
                return stable(product) or product
    return None


def _has_power(product: Expr, wanted: Expr) -> bool:
    """Whether the factors of one product are among those of another, as powers of the same sign."""
    present = product.as_powers_dict()
    pairs = [(present.get(base, Integer(0)), power) for base, power in wanted.as_powers_dict().items()]
    return all(
        isinstance(found, Integer) and isinstance(power, Integer) and found / power >= 1 for found, power in pairs
    )


LEVELS = 8
"""Up to so many exponents of a common temperature are taken together: second derivatives have a term for each pair."""


def _tempered(node: Mul) -> Expr | None:
    """T·log Σ exp(xᵢ/T), where T is what of the product is in a denominator of an exponent, and none is left then."""
    for total in node.args:
        if not isinstance(total, log_sum_exp) or len(total.args) > LEVELS:
            continue
        temperature, levels = tempered(total.args)
        others = Mul(*[factor for factor in node.args if factor is not total])
        if temperature != 1 and _has_power(others, temperature):
            return others / temperature * tempered_maximum(temperature, *levels)
    return None


def tempered(powers: Sequence[Expr], over: Collection[Idx] = ()) -> tuple[Expr, list[Expr]]:
    """The T and the levels xᵢ of exponents xᵢ/T that have no other denominators, T without the indices summed over.

    Exponents of any other kind are their own levels, at a temperature of 1.
    """
    below = {1 / d for power in powers for term in Add.make_args(power) for d in _denominators(term)}
    temperature = Mul(*[base for base in below if not set(indices(base)) & set(over)])
    levels = [Add(*[temperature * term for term in Add.make_args(power)]) for power in powers]
    plain = not any(_denominators(term) for level in levels for term in Add.make_args(level))
    return (temperature, levels) if below and plain else (Integer(1), list(powers))


def _ramp(node: Mul) -> Expr | None:
    """softplus(b·x)/b as one function of b and x."""
    for factor in node.args:
        if isinstance(factor, softplus):
            parts = factor.args[0].as_powers_dict().items()
            scale = Mul(*[b**n for b, n in parts if not b.is_number and _has_power(node / factor, b**-n)])
            if scale != 1 and not is_reciprocal(scale):
                return node / factor * scale * softened_ramp(scale, factor.args[0] / scale)
    return None


def _distributed(node: Mul) -> Expr | None:
    """T·(c/T + log(1 − exp(−c/T))) = c + T·log(1 − exp(−c/T)): c/T overflows, and its derivative cancels, as T → 0."""
    logarithms = (isinstance(t, log1mexp) for total in node.args if isinstance(total, Add) for t in total.args)
    return undivided(node) if any(logarithms) else None


def undivided(node: Mul) -> Expr | None:
    """A product with a sum, multiplied out where a factor cancels a denominator of one of its terms."""
    for total in node.args:
        if isinstance(total, Add):
            factor = Mul(*[f for f in node.args if f is not total])
            terms = [factor * term for term in total.args]
            if any(len(_denominators(new)) < len(_denominators(old)) for old, new in zip(total.args, terms)):
                return Add(*terms)
    return None


def _denominators(term: Expr) -> list[Expr]:
    return [factor for factor in Mul.make_args(term) if is_whole_reciprocal(factor)]


def _without_reciprocal(factor: Expr) -> Expr:
    """SymPy takes the number out of (2·cosh(a))⁻¹, so that a reciprocal may be met inside a product first."""
    replacement = _reciprocal(factor) if isinstance(factor, Pow) else None
    return factor if replacement is None else replacement


def _quotient(growing: Expr, base: Expr, exponent: Expr) -> Expr | None:
    """The product of a growing factor, the k-th power of one in the table, and baseⁿ, if n is at least k."""
    if not (base.func in DECAYING and isinstance(exponent, Rational) and exponent >= 1):
        return None
    (argument,) = base.args
    for factor, decaying, product in QUOTIENTS:
        for k in range(1, int(exponent) + 1) if base.func is decaying else ():
            if growing == factor(argument) ** k:
                return product(argument) ** k * base ** (exponent - k)
    return None


def _ratio_of_orders(one: Expr, other: Expr) -> Expr | None:
    """I_m(x)/I_n(x) as ratios of neighbouring orders, which do not overflow; powers of these too."""
    (f, p), (g, q) = one.as_base_exp(), other.as_base_exp()
    if not (isinstance(f, besseli) and isinstance(g, besseli) and f.args[1] == g.args[1]):
        return None
    if not (f.args[0].is_Integer and g.args[0].is_Integer):
        return None
    if not (isinstance(p, Integer) and isinstance(q, Integer) and p > 0 > q):
        return None
    k, (m, n), x = min(p, -q), (f.args[0], g.args[0]), f.args[1]
    steps = Mul(*[bessel_ratio(Integer(order), x) for order in range(min(m, n), max(m, n))])
    return steps ** (k if m > n else -k) * f ** (p - k) * g ** (q + k)


def merge_exponentials(node: Mul) -> Expr:
    """exp(a)·exp(b) = exp(a + b), which SymPy leaves alone."""
    powers = [factor.args[0] for factor in node.args if isinstance(factor, exp)]
    return Mul(exp(Add(*powers)), *[factor for factor in node.args if not isinstance(factor, exp)])


def _sum(node: Add) -> Expr | None:
    """exp(a) − 1 = expm1(a), exp(a) ∓ exp(−a) = 2·sinh(a) and 2·cosh(a), cosh(a) − 1 = 2·sinh²(a/2), 1 − cos(a)."""
    for rule in SUMS:
        if (new := rule(node)) is not None:
            return _improvement(new) or new if isinstance(new, Add) else new
    if len(node.args) != 2:
        return None
    (c, one), (d, other) = (term.as_coeff_Mul() for term in node.args)
    if isinstance(one, exp) and isinstance(other, exp) and one.args[0] == -other.args[0] and abs(c) == abs(d):
        return 2 * c * (cosh if c == d else sinh)(one.args[0])
    if one == 1 and isinstance(other, exp) and (abs(c) - 1).is_zero and (c + d).is_zero:
        odds = _beside_others(other.args[0])
        return d * expm1(other.args[0]) if odds is None else -d * logistic(-odds)
    if one == 1 and isinstance(other, Pow) and other.exp == 2 and isinstance(other.base, erf) and d == -c:
        return c * erfc_pair(other.base.args[0])
    if one == 1 and isinstance(other, cosh) and d == -c:
        return 2 * d * sinh(other.args[0] / 2) ** 2
    if one == 1 and isinstance(other, cos) and d == -c:
        return 2 * c * sin(other.args[0] / 2) ** 2
    return None


def _improvement(node: Add) -> Expr | None:
    """a·Φ(z) + b·exp(−z²/2) for a = √(2π)·b·z, which cancels far below 0."""
    for one, other in permutations(node.args, 2):
        tails = [factor for factor in Mul.make_args(one) if isinstance(factor, normal_cdf)]
        powers = [factor for factor in Mul.make_args(other) if isinstance(factor, exp)]
        if len(tails) != 1 or len(powers) != 1 or is_large(node, LARGE):
            continue
        (z,) = tails[0].args
        size = sqrt(2 * pi) * other / powers[0]
        if expand(powers[0].args[0] + z**2 / 2) == 0 and expand(one / tails[0] - size * z) == 0:
            return Add(size * improvement(z), *[term for term in node.args if term not in (one, other)])
    return None


def _remainder(node: Add) -> Expr | None:
    """c·(exp(a) − 1 − a), of which the first terms cancel."""
    powers = [term.as_coeff_Mul() for term in node.args if isinstance(term.as_coeff_Mul()[1], exp)]
    for c, growing in powers if len(powers) == 1 else ():
        (a,) = growing.args
        if node - c * growing == -c - c * a:
            return c * exp_remainder(a)
    return None


def _gap(node: Add) -> Expr | None:
    """c/f(x) − c/x, of log x that with x − 1."""
    for term in node.args:
        for factor in Mul.make_args(term):
            base, power = factor.as_base_exp()
            one = _numbered(base)
            if one is not None and one[1] * power == -1 and ROWS[one[0]].function is not erf:
                number, _, x = one
                c = term / factor
                line = -c / (x - ROWS[number].place)
                if line in node.args:
                    rest = [other for other in node.args if other not in (term, line)]
                    return Add(c * reciprocal_gap(number, 0, x), *rest)
    return None


def _intercept(node: Add) -> Expr | None:
    """c·f(a) − c·a·f′(a) for an f of ``INTERCEPTS``."""
    for term in node.args:
        for function in Mul.make_args(term):
            if function.func in INTERCEPTS:
                slope, intercept = INTERCEPTS[function.func]
                (a,) = function.args
                factor = term / function
                line = -factor * a * slope(a)
                if line in node.args:
                    rest = [other for other in node.args if other not in (term, line)]
                    return Add(factor * intercept(a), *rest)
    return None


def _rectified(node: Add) -> Expr | None:
    """c·|a| ± c·a = 2c·max(±a, 0), which is 0 by choice, as its derivatives are, and not by a difference."""
    for term in node.args:
        for size in Mul.make_args(term):
            if isinstance(size, absolute):
                (a,), factor = size.args, term / size
                rest = [other for other in node.args if other is not term]
                for sense in (1, -1):
                    line = Add.make_args(factor * sense * a)
                    if all(part in rest for part in line):
                        return Add(2 * factor * maximum(Integer(0), sense * a), *[r for r in rest if r not in line])
    return None


def _lambert_w(node: lambert_w) -> Expr | None:
    """W(c·exp(a)) = ω(a + log c) for c > 0."""
    (argument,) = node.args
    if (exponent := _exponent(argument)) is not None:
        return None if exponent.is_number else wright_omega(exponent)
    powers = [factor.args[0] for factor in Mul.make_args(argument) if isinstance(factor, exp)]
    c = Mul(*[factor for factor in Mul.make_args(argument) if not isinstance(factor, exp)])
    if not powers or c.is_number:
        return None
    return lambert_w_of_exponential(c, Add(*powers))


#: f(g(x)) of what g overflows in, or is ±1 to all digits in.
INVERSES: Mapping[tuple[type[Expr], type[Expr]], Callable[[Expr], Expr]] = {
    (atan, sinh): gudermannian,
    (asin, tanh): gudermannian,
    (atan, exp): atan_exp,
    (acosh, exp): acosh_exp,
    (asinh, exp): asinh_exp,
}


def _inverse(node: Expr) -> Expr | None:
    """atan(sinh(a)) and the like; of exp(a) that of c·exp(a) for a number c > 0 too."""
    (argument,) = node.args
    exponent = _exponent(argument)
    inside, head = (argument.args, argument.func) if exponent is None else ((exponent,), exp)
    found = INVERSES.get((node.func, head))
    return None if found is None or argument.is_number else found(*inside)


ODD_FUNCTIONS = (sinh, tanh, sin, tan, asin, atan, asinh, atanh)
REMAINING: Mapping[type[Expr], tuple[type[remainder_over_square], ...]] = {
    log1p: (remainder_over_square,),
    **dict.fromkeys(ODD_FUNCTIONS, (remainder_over_cube, remainder_over_square)),
}
"""Functions that are x beside 0, and what of f(x) − x is divided by powers of x."""

SUMS: Sequence[Callable[[Add], Expr | None]] = (
    _improvement,
    complemented,
    _intercept,
    _remainder,
    difference,
    _gap,
    of_half_order,
    _rectified,
    close_difference,
)
"""What a sum may be instead, the first that is."""

PRODUCTS: Sequence[Callable[[Mul], Expr | None]] = (
    _line,
    _without_decay,
    density,
    _damped_bessel,
    _damped_integral,
    _tempered,
    _ramp,
    _distributed,
    _numerator,
    directed,
    over_squares,
    _in_one_exponential,
    _hyperbolic,
    _over_powers,
    _removed,
    _over_power_of_order,
    _damped,
)
"""What a product may be instead, the first that is."""

RULES: Mapping[type[Basic], Callable[..., Expr | None]] = {
    log: _log,
    log1p: _log1p,
    Pow: _power,
    **{function: _inverse for function, _ in INVERSES},
    Mul: _product,
    Add: _sum,
    beta: lambda node: accurate_beta(*node.args),
    logarithmic_product: _logarithmic_product,
    lambert_w: _lambert_w,
}
