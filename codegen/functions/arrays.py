"""Elementary functions of NumPy arrays, real ones and those of the complex step.

On complex arrays each function is the analytic continuation of its real branch: a condition looks at the real part,
the real part of a result is the real function, and outside the open domain (``log`` at 0 and below) the imaginary
part, which carries the derivative, is nan.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Function = Callable[..., Any]


def of_scipy(name: str) -> Function:
    def call(x: Array) -> Any:
        from scipy import special  # 0.15 s to import, and few graphs need it

        return getattr(special, name)(x)

    return call


def smooth(real: Function, analytic: Function | None = None, low: float = -np.inf, high: float = np.inf) -> Function:
    """A function with its continuation to the complex numbers whose real part lies between ``low`` and ``high``."""
    continued = real if analytic is None else analytic

    def call(z: Array) -> Any:
        if z.dtype.kind != "c":
            return real(z)
        x = z.real
        inside = np.where((x > low) & (x < high), continued(z).imag, np.nan)
        return complex_array(real(x), np.where(z.imag == 0, 0, inside))

    return call


def complex_array(real: Array, imaginary: Array) -> Array:
    """The two parts put together; real + 1j·imaginary would carry a nan from one to the other."""
    result = np.empty(np.broadcast_shapes(real.shape, imaginary.shape), np.complex128)
    result.real, result.imag = real, imaginary
    return result


exp = smooth(np.exp)
log = smooth(np.log, low=0)
root = smooth(np.sqrt, low=0)
expm1 = smooth(np.expm1, of_scipy("expm1"))
log1p = smooth(np.log1p, of_scipy("log1p"), low=-1)
erfc = smooth(of_scipy("erfc"))


def power(x: Array, y: Array) -> Any:
    """xʸ, real for negative x only where y is a whole number."""
    if x.dtype.kind != "c":
        return np.power(x, y)
    inside = np.where(x.real > 0, np.exp(y * np.log(x)).imag, np.nan)
    return complex_array(np.power(x.real, y.real), np.where((x.imag == 0) & (y.imag == 0), 0, inside))


def integer_power(x: Array, n: Array) -> Any:
    """xⁿ for n > 1; by multiplication if complex, because a logarithm would mix real and imaginary part."""
    exponent = int(n.real)
    if exponent == 2:
        return x * x
    if x.dtype.kind != "c":
        return np.power(x, n)
    result, square = None, x
    while exponent:
        if exponent & 1:
            result = square if result is None else result * square
        square, exponent = square * square, exponent >> 1
    return result


def atan2(y: Array, x: Array) -> Any:
    """The angle of (x, y); if complex, the real angle plus that of the point turned back by it."""
    if np.result_type(y, x).kind != "c":
        return np.arctan2(y, x)
    angle = np.arctan2(y.real, x.real)
    radius = np.hypot(x.real, y.real)
    across, along = x.real / radius, y.real / radius
    turned = (y * across - x * along) / (x * across + y * along)
    return complex_array(angle, np.where((y.imag == 0) & (x.imag == 0), 0, turned.imag))


def _decay(x: Array) -> Any:
    """exp(−|x|), which cannot overflow."""
    return exp(np.where(x.real >= 0, -x, x))


def sigmoid(x: Array) -> Any:
    """1/(1 + exp(−x))."""
    decay = _decay(x)
    return np.where(x.real >= 0, 1, decay) / (1 + decay)


def sigmoid_slope(x: Array) -> Any:
    """σ(x)·σ(−x)."""
    decay = _decay(x)
    return decay / (1 + decay) ** 2


def softplus(x: Array) -> Any:
    """max(x, 0) + log1p(exp(−|x|)); the sides meet smoothly only if both terms change at the same x."""
    return np.where(x.real >= 0, x, 0) + log1p(_decay(x))


def normal_cdf(x: Array) -> Any:
    """erfc(−x/√2)/2."""
    return erfc(-x / x.dtype.type(np.sqrt(2))) / 2


erfcx = smooth(of_scipy("erfcx"))


def erfcx_rate(x: Array) -> Any:
    """2/(√π·erfcx(x)) − 2x, by its continued fraction where that cancels."""
    return np.where(x.real > TAIL, _fraction(x, 1), _hazard(x) - 2 * x)


def erfcx_curvature(x: Array) -> Any:
    """2 − rate·(2x + rate), by continued fractions where that cancels."""
    far, hazard = _fraction(x, 1), _hazard(x)
    return np.where(x.real > TAIL, far * (_fraction(x, 2) - far), 2 - hazard * (hazard - 2 * x))


TAIL, TERMS = 3, 60
"""Where the continued fraction takes over, and its terms: as good as exact."""


def _hazard(x: Array) -> Any:
    return 2 / (np.sqrt(np.pi) * erfcx(x))


def _fraction(x: Array, first: int) -> Any:
    """2n/(2x + 2(n + 1)/(2x + …)) from n = first."""
    return reduce(lambda value, n: 2 * n / (2 * x + value), range(TERMS, first - 1, -1), 0 * x)


def hypot(*arguments: Array) -> Any:
    """√(x₁² + x₂² + …); if complex, of the arguments divided by the real result."""
    size = reduce(np.hypot, (x.real for x in arguments))
    if np.result_type(*arguments).kind != "c":
        return size
    return size * root(reduce(operator.add, ((x / size) ** 2 for x in arguments)))


def sign(x: Array) -> Any:
    """−1, 0 or 1."""
    return np.sign(x.real).astype(x.dtype)


def floor(x: Array) -> Any:
    """The largest whole number not above x."""
    return np.floor(x.real).astype(x.dtype)


def modulo(x: Array, y: Array) -> Any:
    """x − y·⌊x/y⌋; the multiple of y is constant in the complex step."""
    rest = np.mod(x.real, y.real)
    if np.result_type(x, y).kind != "c":
        return rest
    times = (rest - x.real) / y.real
    return complex_array(rest, np.where(x.imag == 0, 0, x.imag) + np.where(y.imag == 0, 0, y.imag * times))


def folded(combine: Function) -> Function:
    """The function of any number of arguments that combines them one after the other."""
    return lambda first, *rest: reduce(combine, rest, first)


RELATIONS = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


class _Instructions:
    """What rows of functions are written with, as arrays; of complex numbers the real part decides."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._number = dtype.type

    def positive(self, x: Array) -> Any:
        return x.real > 0

    def compare(self, relation: str, a: Array, b: Array | float) -> Any:
        return RELATIONS[relation](a.real, b.real)

    def choose(self, condition: Array, a: Array | float, b: Array | float) -> Any:
        return np.where(condition, *(self._number(v) if isinstance(v, float) else v for v in (a, b)))

    def extreme(self, relation: str, numbers: Sequence[Array]) -> Any:
        def better(best: Array, other: Array) -> Any:
            return np.where(self.compare(relation, other, best) | np.isnan(other.real), other, best)

        return reduce(better, numbers)

    def divide(self, a: Array, b: Array) -> Any:
        return a / b

    def magnitude(self, x: Array) -> Any:
        return np.where(x.real < 0, -x, x) if x.dtype.kind == "c" else np.abs(x)


def chosen(instructions: Function) -> Function:
    """The function of arrays that is written so in the row of a function."""
    return lambda *arguments: instructions(_Instructions(np.result_type(*arguments)), *arguments)
