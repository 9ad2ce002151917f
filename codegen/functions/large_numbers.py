"""Products with a number out of the range of floating point: 199! and binomial coefficients of densities with numbers.

x¹⁹⁹·exp(−x)/199! and C(2000, 600)·x⁶⁰⁰·(1 − x)¹⁴⁰⁰ are in range where no factor is. They are taken by their logarithm,
that of a gamma or a beta density where they are multiples of one, times a number that is in range then.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, combinations

from sympy import Add, Expr, Float, Integer, Mul, Number, Pow, Rational, S, exp, expand, gamma, log
from sympy.core.basic import Basic

from codegen.functions.densities import DIGITS, by_logarithm, exponential, log_dirichlet_density, log_gamma_density
from codegen.functions.kinks import minimum, select
from codegen.functions.primitive import Composite
from codegen.functions.series import in_pairs
from codegen.functions.smooth import log_size

__all__ = ["has_large_number", "logarithmic_product", "without_large_number"]

RANGE, NARROW = 960, 120
"""Numbers up to 2^±RANGE are float64, those up to 2^±NARROW are float32 too."""
MOST = 10**4
"""Up to this power densities are looked for, of which the factorial is made."""


class logarithm_of_powers(Composite):  # noqa: N801 - functions keep their mathematical names
    """l + n₁·log |b₁| + n₂·log |b₂| + … of l, b₁, n₁, b₂, n₂, …, where bᵢ is negative for whole nᵢ alone."""

    @classmethod
    def formula(cls, logarithm: Expr, *powers: Expr) -> Expr:
        return Add(logarithm, *[n * (log_size(b) if n.is_Integer else log(b)) for b, n in in_pairs(powers)])


class logarithmic_product(Composite):  # noqa: N801
    """exp(l)·b₁^n₁·b₂^n₂·… of l, b₁, n₁, b₂, n₂, … by the sum of the logarithms, for whole nᵢ of either sign of bᵢ."""

    @classmethod
    def formula(cls, logarithm: Expr, *powers: Expr) -> Expr:
        return _sign(*powers) * exponential(logarithm_of_powers(logarithm, *powers))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        logarithm, *powers = self.args
        slope = self * logarithm.diff(symbol)
        for k in range(0, len(powers), 2):
            b, n = powers[k : k + 2]
            lowered = [*powers[:k], b, n - 1, *powers[k + 2 :]] if n != 1 else [*powers[:k], *powers[k + 2 :]]
            slope += n * logarithmic_product(logarithm, *lowered) * b.diff(symbol)
        return slope


def _sign(*powers: Expr) -> Expr:
    odd = [b for b, n in in_pairs(powers) if n.is_Integer and n % 2]
    return Mul(*[select(b, Integer(1), Integer(-1)) for b in odd])


def without_large_number(product: Mul) -> Expr | None:
    """A product whose number is out of range by its logarithm; None if that is in range, or nothing has a power.

    >>> from sympy import Symbol, binomial
    >>> x = Symbol("x")
    >>> without_large_number(x**199 * exp(-x) / gamma(200)).func
    by_logarithm
    >>> without_large_number(x**2 / 3)
    """
    if not has_large_number(product):
        return None
    number = product.args[0]
    exponents: list[Expr] = []
    powers: dict[Expr, Expr] = defaultdict(lambda: S.Zero)
    others: list[Expr] = []
    for factor in product.args[1:]:
        if isinstance(factor, exp):
            exponents += Add.make_args(factor.args[0])
        elif isinstance(factor, Pow) and factor.exp.is_Rational and not factor.base.is_number:
            powers[factor.args[0]] += factor.args[1]
        else:
            others.append(factor)
    found = _density(number, exponents, powers)
    if found is None and (abs(_scale(number)) <= RANGE or not (exponents or powers)):
        return None
    logarithm = Add(log(abs(number)).evalf(DIGITS), *exponents)
    written = logarithmic_product(logarithm, *chain.from_iterable(powers.items()))
    if found is None:
        found = written
    else:
        positive, logarithm = found
        found = by_logarithm(minimum(*positive) if len(positive) > 1 else positive[0], logarithm, written)
    return Mul(S.NegativeOne if number.is_negative else S.One, found, *others)


def has_large_number(node: Basic) -> bool:
    """Whether a node is a product with a number that is out of the range of float32."""
    return isinstance(node, Mul) and isinstance(node.args[0], Number) and abs(_scale(node.args[0])) > NARROW


def _scale(number: Number) -> int:
    """The power of two next to a number."""
    if isinstance(number, Rational):
        return int(number.p).bit_length() - int(number.q).bit_length()
    return math.frexp(number)[1] if isinstance(number, Float) and math.isfinite(float(number)) and number else 0


_Density = tuple[Sequence[Expr], Expr]


def _density(number: Number, exponents: Sequence[Expr], powers: Mapping[Expr, Expr]) -> _Density | None:
    """What has to be positive for it, and the logarithm of a density times a number in range."""
    for positive, logarithm, constant in (*_gamma(exponents, powers), *_beta(exponents, powers)):
        whole = abs(number) * constant
        if whole.is_Rational and abs(_scale(whole)) <= NARROW:
            return positive, logarithm + log(whole)
    return None


def _gamma(exponents: Sequence[Expr], powers: Mapping[Expr, Expr]) -> Iterator[tuple[Sequence[Expr], Expr, Expr]]:
    """xᵃ⁻¹·exp(−x), where it is Γ(a) times its density; what is left has powers that are small."""
    for term in exponents:
        number, varying = (-term).as_coeff_Mul()
        factors = dict(f.as_base_exp() for f in Mul.make_args(varying))
        for base, n in factors.items():
            b = powers.get(base, S.Zero) / n
            if not (b.is_Integer and 0 < b <= MOST and number.is_Rational and number > 0):
                continue
            left = {k: powers.get(k, S.Zero) - b * factors.get(k, S.Zero) for k in {**powers, **factors}}
            if all(p.is_Rational and abs(p) <= 2 for p in left.values()):
                rest = [e for e in exponents if e is not term]
                logs = [p * log(k) for k, p in left.items() if p]
                positive = [*dict.fromkeys((*powers, *factors))]
                yield positive, Add(log_gamma_density(b + 1, -term), *rest, *logs), gamma(b + 1) / number**b


def _beta(exponents: Sequence[Expr], powers: Mapping[Expr, Expr]) -> Iterator[tuple[Sequence[Expr], Expr, Expr]]:
    """xᵃ⁻¹·(1 − x)ᵇ⁻¹, which is B(a, b) times its density."""
    for (x, m), (y, n) in combinations(powers.items(), 2):
        shapes = all(p.is_Integer and 0 <= p <= MOST for p in (m, n))
        if len(powers) == 2 and shapes and expand(x + y - 1) == 0:
            constant = gamma(m + 1) * gamma(n + 1) / gamma(m + n + 2)
            yield [x, y], Add(log_dirichlet_density(m + 1, x, n + 1, y), *exponents), constant
