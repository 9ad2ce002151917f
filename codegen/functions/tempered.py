"""T·log Σ exp(xᵢ/T), a maximum softened by a temperature, as one function of T and the xᵢ.

As a product of T and a function of the xᵢ/T its derivatives are differences of powers of 1/T: from T = 10⁻¹⁰³ on these
overflow, and where T is large the differences have no digits. Here they are entropies and sums over pairs of states,
whose terms decay faster than any power of (xᵢ − xⱼ)/T grows.
"""

from __future__ import annotations

from itertools import combinations

from sympy import Add, Expr, Integer, exp, log

from codegen.functions.kinks import clip, equal, maximum, minimum, select, stop_gradient
from codegen.functions.primitive import Composite
from codegen.functions.smooth import FLAT


def _shift(temperature: Expr, levels: tuple[Expr, ...]) -> Expr:
    """The x of the largest x/T."""
    return stop_gradient(select(temperature, maximum(*levels), minimum(*levels)))


def _weights(temperature: Expr, levels: tuple[Expr, ...]) -> list[Expr]:
    """exp((x − shift)/T), of which the largest is 1."""
    shift = _shift(temperature, levels)
    return [exp((x - shift) / temperature) for x in levels]


class tempered_maximum(Composite):  # noqa: N801
    """T·log Σ exp(xᵢ/T) of T, x₁, x₂, …, in range wherever the xᵢ are: their largest as T falls to 0.

    The derivative by xᵢ is the part of exp(xᵢ/T) in the sum, that by T the entropy of these parts.

    >>> tempered_maximum("x", "y").diff("y"), tempered_maximum(0.5, 0.25).evalf(8)
    (tempered_part(y, x, y), 0.25000000)
    """

    @classmethod
    def formula(cls, temperature: Expr, *levels: Expr) -> Expr:
        return _shift(temperature, levels) + temperature * log(Add(*_weights(temperature, levels)))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        temperature, *levels = self.args
        parts = [tempered_part(x, *self.args) * x.diff(symbol) for x in levels]
        return Add(tempered_entropy(*self.args) * temperature.diff(symbol), *parts)


class tempered_part(Composite):  # noqa: N801
    """p = exp(x/T)/Σ exp(xᵢ/T) of x, T, x₁, x₂, … for an x among them.

    The derivative by T and the xᵢ is Σⱼ p·pⱼ·d((x − xⱼ)/T).

    >>> tempered_part("x", "y").diff("y")
    0
    """

    @classmethod
    def formula(cls, x: Expr, temperature: Expr, *levels: Expr) -> Expr:
        return exp((x - _shift(temperature, levels)) / temperature) / Add(*_weights(temperature, levels))

    def _eval_derivative(self, symbol: Expr) -> Expr:
        x, *rest = self.args
        return Add(*[_pair_slope(0, x, y, rest, symbol) for y in rest[1:] if y != x])


class tempered_entropy(Composite):  # noqa: N801
    """−Σ pᵢ·log pᵢ of T, x₁, x₂, …: its derivative is −Σ pᵢ·pⱼ·v·dv over pairs i < j, of v = (xᵢ − xⱼ)/T.

    >>> tempered_entropy("x", "y").diff("y"), tempered_entropy(0.5, 0.25).evalf(8)
    (0, 0)
    """

    @classmethod
    def formula(cls, temperature: Expr, *levels: Expr) -> Expr:
        weights, shift = _weights(temperature, levels), _shift(temperature, levels)
        total = Add(*weights)
        lost = [_damped(weight, (x - shift) / temperature) for weight, x in zip(weights, levels)]
        return log(total) - Add(*lost) / total

    def _eval_derivative(self, symbol: Expr) -> Expr:
        levels = dict.fromkeys(self.args[1:])
        # Levels that are written twice are two states: their pairs have v = 0, and each counts with any other.
        count = {x: self.args[1:].count(x) for x in levels}
        return -Add(
            *[count[x] * count[y] * _pair_slope(1, x, y, list(self.args), symbol) for x, y in combinations(levels, 2)]
        )


class tempered_pair(Composite):  # noqa: N801
    """p·q·((x − y)/T)ⁿ for the parts p of x and q of y, of n, x, y, T, x₁, x₂, …; 0 where p·q is.

    >>> tempered_pair(1, 0.5, 0.25, 0.25, 0.5, 0.25).evalf(8)  # σ(1)·σ(−1), since both levels are one T apart
    0.19661193
    """

    @classmethod
    def formula(cls, n: Expr, x: Expr, y: Expr, temperature: Expr, *levels: Expr) -> Expr:
        both = tempered_part(x, temperature, *levels) * tempered_part(y, temperature, *levels)
        # Held, so that it stays a quotient: (x − y)²/T² is 0/0 where both squares are out of range. Below 746 where
        # neither part is 0.
        return _damped(both, clip((x - y) / temperature, -FLAT, FLAT) ** n) if n else both


class tempered_weight(Composite):  # noqa: N801
    """exp(x/T) of x and T for x/T ≤ 0: a term of a sum over an index.

    >>> tempered_weight("x", "y").diff("y"), tempered_weight(0.5, 0.25).evalf(8)
    (-tempered_rate(1, x, y), 7.3890561)
    """

    nargs = 2

    @classmethod
    def formula(cls, x: Expr, temperature: Expr) -> Expr:
        return exp(x / temperature)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        x, temperature = self.args
        cooled, warmed = (tempered_rate(Integer(n), x, temperature) for n in (0, 1))
        return cooled * x.diff(symbol) - warmed * temperature.diff(symbol)


class tempered_rate(Composite):  # noqa: N801
    """exp(x/T)·(x/T)ⁿ/T of n, x, T for x/T ≤ 0, 0 where the exponential is.

    A choice, so that of its derivatives, which have another 1/T, no square of that is made: it is out of range from
    10⁻¹⁵⁴ on, where the second derivatives of T·log Σ exp(x/T) are not.

    >>> tempered_rate(0.5, 0.25, 0.75).evalf(8)
    1.0743429
    """

    nargs = 3

    @classmethod
    def formula(cls, n: Expr, x: Expr, temperature: Expr) -> Expr:
        return _damped(exp(x / temperature), clip(x / temperature, -FLAT, FLAT) ** n / temperature)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        n, x, temperature = self.args
        before, here, after = (tempered_rate(n + k, x, temperature) if n + k >= 0 else Integer(0) for k in (-1, 0, 1))
        cooled, warmed = here + n * before, after + (n + 1) * here
        return (cooled * x.diff(symbol) - warmed * temperature.diff(symbol)) / temperature


def _damped(weight: Expr, growing: Expr) -> Expr:
    """weight·growing, 0 where the weight is, however large the other is."""
    return select(equal(weight, 0), Integer(0), weight * growing)


def _pair_slope(n: int, x: Expr, y: Expr, rest: list[Expr], symbol: Expr) -> Expr:
    """p·q·vⁿ·dv for v = (x − y)/T: dv = (dx − dy − v·dT)/T."""
    temperature, apart = rest[0], x.diff(symbol) - y.diff(symbol)
    warmed = tempered_pair(Integer(n + 1), x, y, *rest) * temperature.diff(symbol)
    return (tempered_pair(Integer(n), x, y, *rest) * apart - warmed) / temperature
