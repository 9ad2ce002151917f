"""Products of powers, exponentials and gamma functions whose factors are out of range far earlier than they are.

A density is one, and so is a quotient of gamma functions. Where all bases and all arguments of Γ are positive it is the
exponential of the sum of the logarithms, in which what is large and cancels is taken together: xᵃ⁻¹·exp(−x)/Γ(a), the
same of several on a simplex (beta, binomial, F, Dirichlet), Γ(v + h)/Γ(v). Elsewhere it is the product.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sympy import Add, Expr, Integer, Mul, Pow, S, exp, expand, gamma, log, loggamma, together

from codegen.functions.densities import (
    DIGITS,
    by_logarithm,
    gamma_density,
    log_dirichlet_density,
    log_gamma_density,
    log_gamma_ratio,
    plain_product,
)
from codegen.functions.digamma import log_beta
from codegen.functions.gammas import accurate_beta, beta_by_gammas
from codegen.functions.kinks import maximum, minimum
from codegen.functions.large_numbers import logarithmic_product, plain_logarithmic_product
from codegen.functions.series import in_pairs
from codegen.functions.smooth import log1p, power
from codegen.functions.special import beta, binomial, reciprocal_gamma
from codegen.walk import is_large

__all__ = ["GAMMAS", "coefficient", "density", "logarithmic_density"]

GAMMAS = frozenset({gamma, reciprocal_gamma, accurate_beta, beta, beta_by_gammas, binomial})
"""Functions made of Γ: by one of these a product is known."""
LARGE = 400
"""Products of so many nodes are looked at."""
MOST = 4
"""So many gamma functions may be on one simplex, and so many factors of each kind are looked at together."""
FACTORS = 16
"""Powers of more than so many equal factors are taken by their logarithm too: x¹⁵⁰ is out of range from 113 on."""
LARGEST = 100
"""Γ of a number from here on is out of the range of float32."""
NEAR = 2
"""The argument of their sum's Γ may be off by so much: of a negative binomial it is n = a + b − 1."""


@dataclass
class _Factors:
    """exp(Σ exponents)·Π bᵖ·Π Γ(g)ⁿ, and the factors that it is made of; what is taken out of it is ``found``.

    Numbers g are by themselves.
    """

    exponents: list[Expr] = field(default_factory=list)
    powers: dict[Expr, Expr] = field(default_factory=lambda: defaultdict(lambda: S.Zero))
    gammas: dict[Expr, int] = field(default_factory=lambda: defaultdict(int))
    numbers: dict[Expr, int] = field(default_factory=lambda: defaultdict(int))
    written: list[Expr] = field(default_factory=list)
    found: list[Expr] = field(default_factory=list)

    def add(self, factor: Expr) -> bool:
        """Whether a factor is of these kinds, and has been taken up."""
        taken = self._add(factor, S.One)
        if taken:
            self.written.append(factor)
        return taken

    def _add(self, factor: Expr, n: Expr) -> bool:
        if isinstance(factor, exp):
            self.exponents += [n * term for term in Add.make_args(factor.args[0])]
        elif isinstance(factor, power):
            self.powers[factor.args[0]] += n * factor.args[1]
        elif isinstance(factor, Pow) and factor.exp.is_number and abs(factor.exp) > FACTORS:
            self.powers[factor.base] += n * factor.exp
        elif isinstance(factor, Pow) and factor.exp.is_number and factor.exp != 1:
            inner = factor.base
            if isinstance(inner, Mul) and any(isinstance(f, power) for f in inner.args):
                # √(xᵃ·y) = x^(a/2)·√y where all are positive.
                return all(self._add(f, n * factor.exp) or self._raise(f, n * factor.exp) for f in inner.args)
            return (inner.func in GAMMAS or isinstance(inner, power)) and self._add(inner, n * factor.exp)
        elif isinstance(factor, Pow) and factor.base.is_number and factor.base.is_positive:
            self.powers[factor.base] += n * factor.exp
        elif factor.func in GAMMAS and n.is_Integer:
            for g, sense in _gammas(factor):
                if not g.is_number:
                    self.gammas[g] += sense * int(n)
                else:
                    self.numbers[g] += sense * int(n)
        else:
            return False
        return True

    def _raise(self, base: Expr, n: Expr) -> bool:
        self.powers[base] += n
        return True

    def positive(self) -> list[Expr]:
        """What has to be positive."""
        return [b for b in (*self.gammas, *self.powers) if not b.is_number]

    def over(self) -> list[Expr]:
        return [g for g, n in self.gammas.items() if n > 0]

    def under(self) -> list[Expr]:
        return [g for g, n in self.gammas.items() if n < 0]

    def take(self, logarithm: Expr, over: Iterable[Expr] = (), under: Iterable[Expr] = ()) -> None:
        """Γ of some over Γ of others, with what belongs to it."""
        self.found.append(logarithm)
        for g in over:
            self.gammas[g] -= 1
        for g in under:
            self.gammas[g] += 1

    def rest(self) -> Expr:
        """The logarithm of what has not been taken out."""
        sizes = [p * (log1p(b - 1) if 1 in Add.make_args(b) else log(b)) for b, p in self.powers.items()]
        return Add(*self.exponents, *sizes, *[n * loggamma(g) for g, n in self.gammas.items()], self.constant())

    def constant(self) -> Expr:
        """The logarithm of what does not vary, of large factorials as a decimal: they are out of range."""
        return Add(*[n * loggamma(g) if g < LARGEST else n * _decimal(loggamma(g)) for g, n in self.numbers.items()])


def _decimal(logarithm: Expr) -> Expr:
    return logarithm.evalf(DIGITS)


def _gammas(function: Expr) -> list[tuple[Expr, int]]:
    """The arguments of the Γ that a function consists of, and their powers."""
    if isinstance(function, (accurate_beta, beta)):
        a, b = function.args
        return [(a, 1), (b, 1), (a + b, -1)]
    if isinstance(function, binomial):
        n, k = function.args
        return [(n + 1, 1), (k + 1, -1), (n - k + 1, -1)]
    return [(function.args[0], 1 if isinstance(function, gamma) else -1)]


def density(node: Mul) -> Expr | None:
    """A product in range wherever its value is; None if it has no gamma function with another such factor.

    >>> from sympy import symbols
    >>> a, x, y = symbols("a x y", real=True)
    >>> density(power(x, a - 1) * exp(-x / y) * power(y, -a) * reciprocal_gamma(a))
    gamma_density(a, x/y)/y
    >>> density(y * gamma(a) * reciprocal_gamma(a + 1 / S(2))).has(log_gamma_ratio)
    True
    """
    if not any(_is_gamma(factor) for factor in node.args) or is_large(node, LARGE):
        return None
    factors = _Factors()
    others = [factor for factor in node.args if not factors.add(factor)]
    if len(factors.written) < 2:
        return None
    if (alone := _gamma_density(factors) or _quotient(factors)) is not None:
        return Mul(alone, *others)
    return Mul(_in_range(factors, plain_product(*factors.written)), *others)


def logarithmic_density(node: logarithmic_product) -> Expr | None:
    """The same of a product with a number that is out of range."""
    logarithm, *powers = node.args
    factors = _Factors()
    for base, n in in_pairs(powers):
        if not (base.func in GAMMAS and n.is_Integer and factors.add(base**n)):
            factors.powers[base] += n
    if not factors.written:
        return None
    factors.found.append(logarithm)
    return _in_range(factors, plain_logarithmic_product(*node.args))


def coefficient(node: binomial) -> Expr:
    """A binomial coefficient, whose logarithm is in range where it is not."""
    factors = _Factors()
    factors.add(node)
    return _in_range(factors, plain_product(node))


def _in_range(factors: _Factors, written: Expr) -> Expr:
    """The exponential of the sum of the logarithms where that is one, elsewhere what is written."""
    positive = factors.positive()
    _simplices(factors)
    _gamma_densities(factors)
    _betas(factors)
    _ratios(factors)
    logarithm = Add(*factors.found, factors.rest())
    condition = minimum(*positive) if len(positive) > 1 else positive[0]
    return by_logarithm(condition, logarithm, written)


def _is_gamma(factor: Expr) -> bool:
    base = factor.base if isinstance(factor, Pow) else factor
    return base.func in GAMMAS and not base.is_number


# --- xᵃ⁻¹·exp(−x)/Γ(a) --------------------------------------------------------------------------------------------


def _gamma_density(factors: _Factors) -> Expr | None:
    """A single one with nothing else but powers that are numbers, which takes no condition."""
    if len(factors.gammas) != 1 or factors.numbers:
        return None
    for a, x, left in _matches(factors):
        if all(p.is_number for p in left.values()):
            rest = Add(*[term for term in factors.exponents if term != -x])
            return Mul(gamma_density(a, x), exp(rest), *[b**p for b, p in left.items()])
    return None


def _gamma_densities(factors: _Factors) -> None:
    while (match := next(_matches(factors), None)) is not None:
        a, x, left = match
        factors.exponents.remove(-x)
        factors.powers = left
        factors.take(log_gamma_density(a, x), under=[a])


def _matches(factors: _Factors) -> Iterator[tuple[Expr, Expr, dict[Expr, Expr]]]:
    """a and x of 1/Γ(a) and exp(−x) of which the varying factors are to the power of a − 1, and the powers left."""
    for a, term in itertools.product(factors.under(), factors.exponents):
        left = dict(factors.powers)
        varying = False
        for factor in Mul.make_args(-term):
            base, n = factor.as_base_exp() if not isinstance(factor, exp) else (factor, S.One)
            left[base] = expand(left.get(base, S.Zero) - n * (a - 1))
            varying = varying or base.is_number is False
            if not (base.is_positive if base.is_number else left[base].is_number):
                break
        else:
            if varying:
                yield a, -term, {b: p for b, p in _merged(left).items() if p != 0}


def _merged(powers: dict[Expr, Expr]) -> dict[Expr, Expr]:
    """With 2⁻ᵃ and (1/2)⁻ᵃ in one."""
    found: dict[Expr, Expr] = defaultdict(lambda: S.Zero)
    for base, exponent in powers.items():
        turned = base.is_Rational and base.p == 1 and base.q > 1
        found[1 / base if turned else base] += -exponent if turned else exponent
    return found


# --- Γ(Σ aᵢ)·Π xᵢ^(aᵢ − 1)/Γ(aᵢ) for Σ xᵢ = 1 ---------------------------------------------------------------------


def _simplices(factors: _Factors) -> None:
    for total in factors.over():
        for shapes in _parts(total, factors.under()):
            places = _places(shapes, factors.powers)
            if places is not None:
                xs, left = places
                factors.powers = left
                whole = Add(*shapes)
                pairs = itertools.chain.from_iterable(zip(shapes, xs))
                factors.take(Add(log_dirichlet_density(*pairs), _shifted(whole, total - whole)), [total], shapes)
                break

    for total in [g for g, n in factors.numbers.items() if n > 0]:
        for shapes in _parts(total, factors.under()):
            whole, k = expand(Add(*shapes)), len(shapes)
            xs, factors.powers = _places(shapes, factors.powers) or ([1 / Integer(k)] * k, factors.powers)
            even = _decimal((whole - k) * log(k)) if xs == [1 / Integer(k)] * k else S.Zero
            pairs = itertools.chain.from_iterable(zip(shapes, xs))
            factors.take(Add(log_dirichlet_density(*pairs), _shifted(whole, total - whole), even), under=shapes)
            factors.numbers[total] -= 1
            break


def _parts(total: Expr, candidates: Sequence[Expr]) -> Iterator[Sequence[Expr]]:
    """Arguments whose sum is another one, or so nearly that their gamma functions differ by a factor or two."""
    for size in range(2, MOST + 1):
        for some in itertools.combinations(candidates[: 2 * MOST], size):
            off = expand(total - Add(*some))
            if off.is_Integer and abs(off) <= NEAR:
                yield some


def _shifted(whole: Expr, by: Expr) -> Expr:
    """log(Γ(n + k)/Γ(n)) for a small whole k."""
    k = int(expand(by))
    logs = [log(whole + j) for j in range(min(k, 0), max(k, 0))]
    return Add(*logs) if k > 0 else -Add(*logs)


def _places(shapes: Sequence[Expr], powers: dict[Expr, Expr]) -> tuple[list[Expr], dict[Expr, Expr]] | None:
    """The xᵢ of some aᵢ, products of bases by the multiples of aᵢ in their exponents, and the powers left."""
    xs = [S.One] * len(shapes)
    left = {}
    for base, exponent in powers.items():
        senses = _multiples(exponent, shapes)
        if senses is None:
            left[base] = exponent
            continue
        xs = [x * base**sense for x, sense in zip(xs, senses)]
        left[base] = expand(exponent - Add(*[sense * (a - 1) for sense, a in zip(senses, shapes)]))
    if any(x == 1 for x in xs) or expand(together(Add(*xs) - 1).as_numer_denom()[0]) != 0:
        return None
    return xs, {base: exponent for base, exponent in left.items() if exponent != 0}


def _multiples(exponent: Expr, shapes: Sequence[Expr]) -> Sequence[int] | None:
    for senses in sorted(itertools.product((0, 1, -1), repeat=len(shapes)), key=lambda some: some.count(-1)):
        if any(senses) and expand(exponent - Add(*[sense * a for sense, a in zip(senses, shapes)])).is_number:
            return senses
    return None


# --- Γ(a)·Γ(b)/Γ(a + b) and Γ(v + h)/Γ(v) ------------------------------------------------------------------------


def _quotient(factors: _Factors) -> Expr | None:
    """A single one with nothing else but numbers, which takes no condition and has its own derivatives."""
    if factors.exponents or factors.powers or any(g >= LARGEST for g in factors.numbers):
        return None
    over, under = factors.over(), factors.under()
    if sum(map(abs, factors.gammas.values())) > len(over) + len(under):
        return None
    found = None
    if len(under) == 1 and len(over) == 2 and expand(under[0] - Add(*over)) == 0:
        found = beta_by_gammas(*over)
    if len(under) == len(over) == 1:
        found = _gamma_ratio(over[0], under[0])
    return found and Mul(exp(factors.constant()), found)


def _gamma_ratio(over: Expr, under: Expr) -> Expr:
    """Γ(u)/Γ(v), by v·Γ(u)/Γ(v + 1) beside the zero at v = 0, where the derivatives of the logarithm are poles."""
    v, h = _step(over, under)
    if v is over:
        return by_logarithm(
            minimum(over, under), -log_gamma_ratio(v, h), plain_product(gamma(over), reciprocal_gamma(under))
        )
    raised = plain_product(v, gamma(over), reciprocal_gamma(v + 1))
    return by_logarithm(minimum(over, v, maximum(v - 1, v - h)), log_gamma_ratio(v, h), raised)


def _betas(factors: _Factors) -> None:
    """Γ(a)·Γ(b)/Γ(a + b) and its reciprocal."""
    for sense in (1, -1):
        two, one = (factors.over(), factors.under())[::sense]
        for a, b in itertools.combinations(two[: 2 * MOST], 2):
            for total in one:
                if expand(total - a - b) == 0:
                    logarithm = sense * log_beta(a, b)
                    factors.take(logarithm, *([a, b], [total])[::sense])
                    return


def _step(over: Expr, under: Expr) -> tuple[Expr, Expr]:
    """v and h of two arguments v and v + h, v the smaller one: (a + ½) − ½ has none of the digits of a small a."""
    h = expand(over - under)
    return (over, -h) if h.could_extract_minus_sign() else (under, h)


def _ratios(factors: _Factors) -> None:
    """What differs least by each other, first."""
    while factors.over() and factors.under():
        u, v = min(
            itertools.product(factors.over(), factors.under()),
            key=lambda pair: len(Add.make_args(expand(pair[0] - pair[1]))),
        )
        least, h = _step(u, v)
        factors.take((1 if least is v else -1) * log_gamma_ratio(least, h), over=[u], under=[v])
