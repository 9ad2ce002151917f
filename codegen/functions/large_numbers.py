"""Products with a number out of the range of floating point: 199! and binomial coefficients of densities with numbers.

x¹⁹⁹·exp(−x)/199! and C(2000, 600)·x⁶⁰⁰·(1 − x)¹⁴⁰⁰ are in range where no factor is. They are taken by their logarithm,
that of a gamma or a beta density where they are multiples of one, times a number that is in range then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, combinations

from sympy import Add, Expr, Float, Integer, Mul, Number, Pow, Rational, S, exp, expand, gamma, log
from sympy.core.basic import Basic

from codegen.functions.densities import DIGITS, by_logarithm, exponential, log_dirichlet_density, log_gamma_density
from codegen.functions.formulas import xlog_size
from codegen.functions.kinks import minimum, select, sign
from codegen.functions.primitive import Composite
from codegen.functions.series import in_pairs
from codegen.functions.smooth import log_size, power

__all__ = [
    "has_large_number",
    "log_of_size",
    "logarithmic_product",
    "may_be_negative",
    "plain_logarithmic_product",
    "sign_of_powers",
    "without_large_number",
]

WIDEST, RANGE, NARROW = 1024, 960, 120
"""Numbers up to 2^±WIDEST are float64, up to 2^±RANGE their products with powers are, up to 2^±NARROW float32 too."""
LEAST = -746
"""The exponential of a smaller number is 0 in float64."""
MOST = 10**4
"""Up to this power densities are looked for, of which the factorial is made."""


class logarithm_of_powers(Composite):  # noqa: N801 - functions keep their mathematical names
    """l + n₁·log |b₁| + n₂·log |b₂| + … of l, b₁, n₁, b₂, n₂, …, where bᵢ is negative for whole nᵢ alone."""

    @classmethod
    def formula(cls, logarithm: Expr, *powers: Expr) -> Expr:
        return Add(logarithm, *[log_of_size(b, n) for b, n in in_pairs(powers)])


class logarithmic_product(Composite):  # noqa: N801
    """exp(l)·b₁^n₁·b₂^n₂·… of l, b₁, n₁, b₂, n₂, … by the sum of the logarithms, for whole nᵢ of either sign of bᵢ."""

    @classmethod
    def formula(cls, logarithm: Expr, *powers: Expr) -> Expr:
        return sign_of_powers(in_pairs(powers)) * exponential(logarithm_of_powers(logarithm, *powers))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        logarithm, *powers = self.args
        slope = self * logarithm.diff(symbol)
        for k in range(0, len(powers), 2):
            b, n = powers[k : k + 2]
            lowered = [*powers[:k], b, n - 1, *powers[k + 2 :]] if n != 1 else [*powers[:k], *powers[k + 2 :]]
            vanishes = not lowered and logarithm.is_number and logarithm < LEAST
            slope += S.Zero if vanishes else n * self.func(logarithm, *lowered) * b.diff(symbol)
            slope += self * log_size(b) * n.diff(symbol)
        return slope


class plain_logarithmic_product(logarithmic_product):  # noqa: N801
    """One that is to stay as it is."""


def log_of_size(b: Expr, n: Expr, logarithm: Callable[[Expr], Expr] = log) -> Expr:
    """log |bⁿ|"""
    if not (n.is_number or b.is_number):
        return xlog_size(n, b)
    return n * (log_size(b) if n.is_Integer and b.is_nonnegative is not True else logarithm(b))


def sign_of_powers(powers: Iterable[tuple[Expr, Expr]]) -> Expr:
    """1 or −1, nan of what is no real number."""
    return Mul(*[_sign(b, n) for b, n in powers if may_be_negative(b, n)])


def may_be_negative(b: Expr, n: Expr) -> bool:
    """Whether the sign of bⁿ is that of b, or unknown."""
    if n.is_number:
        return bool(n.is_Integer and n % 2) and b.is_nonnegative is not True
    return not b.is_number


def _sign(b: Expr, n: Expr) -> Expr:
    return select(b, Integer(1), Integer(-1) if n.is_number else power(sign(b), n))


def without_large_number(product: Mul) -> Expr | None:
    """A product whose number is out of range by its logarithm; None if that is in range.

    >>> from sympy import Symbol, binomial
    >>> x = Symbol("x")
    >>> without_large_number(x**199 * exp(-x) / gamma(200)).func
    by_logarithm
    >>> without_large_number(x**2 / 3)
    >>> without_large_number(binomial(5000, x) / 2**5000)
    logarithmic_product(-3465.7359027997265471, binomial(5000, x), 1)
    """
    if not has_large_number(product):
        return None
    number = Mul(*[value for factor in product.args if (value := _large(factor)) is not None])
    rest = [factor for factor in product.args if _large(factor) is None]
    exponents: list[Expr] = []
    powers: dict[Expr, Expr] = defaultdict(lambda: S.Zero)
    others: list[Expr] = []
    for factor in rest:
        if isinstance(factor, exp):
            exponents += Add.make_args(factor.args[0])
        elif isinstance(factor, Pow) and factor.exp.is_Rational and not factor.base.is_number:
            powers[factor.args[0]] += factor.args[1]
        else:
            others.append(factor)
    found = _density(number, exponents, powers)
    if found is None:
        inside = abs(_scale(number)) <= (RANGE if exponents or powers else WIDEST)
        return None if inside else _by_logarithm(number, rest)
    positive, logarithm = found
    written = logarithmic_product(Add(_logarithm(number), *exponents), *chain.from_iterable(powers.items()))
    condition = minimum(*positive) if len(positive) > 1 else positive[0]
    return Mul(_sense(number), by_logarithm(condition, logarithm, written), *others)


def _by_logarithm(number: Number, factors: Sequence[Expr]) -> Expr | None:
    """A number times factors, of which some vary."""
    constants = [factor for factor in factors if factor.is_number]
    logarithm = [_logarithm(number)]
    powers: list[Expr] = []
    for factor in factors:
        base, n = factor.args if isinstance(factor, power) else factor.as_base_exp()
        if isinstance(factor, exp):
            logarithm += factor.args
        elif base.is_number and base.is_positive and not n.is_number:
            logarithm.append(n * log(base))
        elif factor not in constants:
            powers += (base, n) if not base.is_number else (factor, S.One)
    varying = powers or len(logarithm) > 1
    return Mul(_sense(number), *constants, logarithmic_product(Add(*logarithm), *powers)) if varying else None


def _logarithm(number: Number) -> Expr:
    return log(abs(number)).evalf(DIGITS)


def _sense(number: Number) -> Expr:
    return S.NegativeOne if number.is_negative else S.One


def has_large_number(node: Basic) -> bool:
    """Whether a node is a product with a number that is out of the range of float32."""
    return isinstance(node, Mul) and any(_large(factor) is not None for factor in node.args)


def _large(factor: Expr) -> Number | None:
    """The value of a number that is out of the range of float32, also of 1/Γ(200); None of anything else."""
    if not isinstance(factor, Number) and not _is_constant(factor):
        return None
    value = factor if isinstance(factor, Number) else _value(factor)
    return value if isinstance(value, Number) and abs(_scale(value)) > NARROW else None


def _is_constant(factor: Expr) -> bool:
    """Whether a factor is a function of numbers, or of such functions."""
    parts = [part for argument in factor.args for part in argument.args or (argument,)]
    return bool(parts) and all(isinstance(part, Number) for part in parts)


@lru_cache(maxsize=1024)
def _value(constant: Expr) -> Expr:
    return constant.evalf(DIGITS)


def _scale(number: Number) -> int:
    """The power of two next to a number."""
    if isinstance(number, Rational):
        return int(number.p).bit_length() - int(number.q).bit_length()
    _, mantissa, exponent, size = number._mpf_ if isinstance(number, Float) else (0, 0, 0, 0)
    return int(exponent + size) if mantissa else 0


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
