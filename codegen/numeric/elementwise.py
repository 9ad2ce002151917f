"""Every operation of a body as a NumPy function, for real arrays and for the complex step.

On complex arrays each function is the analytic continuation of its real branch: a condition looks at the real part,
the real part of a result is the real function, and outside the open domain (``log`` at 0 and below) the imaginary
part, which carries the derivative, is nan.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Add, And, Mul, Not, Or, Piecewise, Pow
from sympy.functions.elementary.piecewise import ExprCondPair

from codegen import functions
from codegen.functions import special
from codegen.numeric.program import IntegerPower, Quotient, Root

Array = NDArray[Any]
Function = Callable[..., Any]


def _scipy(name: str) -> Function:
    def call(x: Array) -> Any:
        from scipy import special  # 0.15 s to import, and few graphs need it

        return getattr(special, name)(x)

    return call


def _smooth(real: Function, analytic: Function | None = None, low: float = -np.inf, high: float = np.inf) -> Function:
    """A function with its continuation to the complex numbers whose real part lies between ``low`` and ``high``."""
    continued = real if analytic is None else analytic

    def call(z: Array) -> Any:
        if z.dtype.kind != "c":
            return real(z)
        x = z.real
        inside = np.where((x > low) & (x < high), continued(z).imag, np.nan)
        return _complex(real(x), np.where(z.imag == 0, 0, inside))

    return call


def _complex(real: Array, imaginary: Array) -> Array:
    """The two parts put together; real + 1j·imaginary would carry a nan from one to the other."""
    result = np.empty(np.broadcast_shapes(real.shape, imaginary.shape), np.complex128)
    result.real, result.imag = real, imaginary
    return result


exp = _smooth(np.exp)
log = _smooth(np.log, low=0)
root = _smooth(np.sqrt, low=0)
log1p = _smooth(np.log1p, _scipy("log1p"), low=-1)
erfc = _smooth(_scipy("erfc"))


def power(x: Array, y: Array) -> Any:
    """xʸ, real for negative x only where y is a whole number."""
    if x.dtype.kind != "c":
        return np.power(x, y)
    inside = np.where(x.real > 0, np.exp(y * np.log(x)).imag, np.nan)
    return _complex(np.power(x.real, y.real), np.where((x.imag == 0) & (y.imag == 0), 0, inside))


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
    return _complex(angle, np.where((y.imag == 0) & (x.imag == 0), 0, turned.imag))


def _to_first_order(value: Function, *slopes: Function) -> Function:
    """A function of SciPy's with its slopes by its last arguments, which are all that the complex step uses.

    SciPy has no continuation of some, and loses the imaginary part in that of others. All functions are called as
    ``value(special, x, …)`` on real arrays.
    """

    def call(*arguments: Array) -> Any:
        from scipy import special  # 0.15 s to import, and few graphs need it

        at = [a.real for a in arguments]
        found = value(special, *at)
        if np.result_type(*arguments).kind != "c":
            return found
        moved = list(zip(arguments, [None] * (len(arguments) - len(slopes)) + list(slopes)))
        terms = [np.where(z.imag == 0, 0, z.imag * slope(special, *at)) for z, slope in moved if slope is not None]
        return _complex(np.asarray(found), np.asarray(reduce(operator.add, terms)))

    return call


def _loggamma(special: Any, x: Array) -> Any:
    """log Γ(x), nan for negative x; −log x where SciPy has inf already."""
    return np.where(x < 0, np.nan, np.where((x > 0) & (x < 1e-300), -np.log(x), special.gammaln(x)))


def _polygamma(special: Any, n: Array, x: Array) -> Any:
    """ψ⁽ⁿ⁾(x); SciPy has −inf also where an even derivative changes its sign."""
    order = np.asarray(n, int)
    undefined = (x == np.floor(x)) & ((x < 0) & (order % 2 == 0) | (x == -np.inf))
    return np.where(undefined, np.nan, special.polygamma(order, x))


def _bessel(letter: str, before: float, after: float) -> Function:
    """A Bessel function, whose slope is a combination of its neighbours."""

    def value(special: Any, order: Array, x: Array) -> Any:
        order, x = np.broadcast_arrays(order, x)
        found = getattr(special, f"{letter}v")(order, x)
        for whole in (0, 1):  # which are more accurate
            at = order == whole
            found = np.where(at, getattr(special, f"{letter}{whole}")(np.where(at, x, 1)), found) if at.any() else found
        if letter in "jy":  # which die away, where SciPy has nan
            found = np.where((np.abs(x) if letter == "j" else x) == np.inf, 0, found)
        half = x / 2
        if letter in "ji":  # SciPy has 0 or nan near 0
            return np.where((np.abs(x) < 1e-10) & (order != 0), half**order / special.gamma(order + 1), found)
        factor = 0.5 if letter == "k" else -1 / np.pi
        near = (x > 0) & (x < 1e-300) & (order > 0) & (order != np.floor(order))
        return np.where(near, factor * special.gamma(order) * half**-order, found)

    return _to_first_order(value, lambda s, n, x: before * value(s, n - 1, x) + after * value(s, n + 1, x))


def _spherical_bessel(special: Any, n: Array | int, x: Array) -> Any:
    """jₙ(x); near 0, where SciPy has nan at subnormal numbers, the first term of its series."""
    order = int(n)
    return np.where(np.abs(x) < 1e-100, _first_term(order, x), special.spherical_jn(order, x))


def _modified_spherical_bessel(special: Any, n: Array | int, x: Array) -> Any:
    """iₙ(x), likewise, and far out by a scaled function."""
    order, size = int(n), np.abs(x)
    scaled = np.sqrt(np.pi / 2 / size) * special.ive(order + 0.5, size)
    found = np.where(size == np.inf, np.inf, scaled * np.exp(size / 2) * np.exp(size / 2))
    signed = np.copysign(found, x) if order % 2 else found
    return np.where(size < 1e-10, _first_term(order, x), signed)


def _first_term(n: int, x: Array) -> Any:
    return x**n / float(np.prod(np.arange(1.0, 2 * n + 2, 2)))


def _spherical_slope(value: Function, sign: int) -> Function:
    def slope(special: Any, n: Array, x: Array) -> Any:
        above = (n + 1) * value(special, n + 1, x)
        return ((n * value(special, n - 1, x) if n > 0 else 0) + sign * above) / (2 * n + 1)

    return slope


def _lambert_w(branch: int) -> Function:
    """A branch of W; near −1/e, where SciPy loses half its digits, as a series in √(2·(e·x + 1))."""

    def value(scipy: Any, x: Array) -> Any:
        distance = np.maximum(x - special.BRANCH_POINT - special.ABOVE_IT, 0)
        root = np.sqrt(2 * np.e * distance) * (1 if branch == 0 else -1)
        series = np.polynomial.Polynomial(special.NEAR_BRANCH_POINT)(root)
        real = (x >= special.BRANCH_POINT) & ((branch == 0) | (x <= 0))
        found = np.where(np.abs(root) < 0.05, series, scipy.lambertw(x, branch).real)
        if branch and (tiny := (x < 0) & (x > -1e-300)).any():  # SciPy has −inf at subnormal numbers
            moved = np.log(np.where(tiny, -x, 1))
            found = np.where(tiny, reduce(lambda w, _: moved - np.log(np.maximum(-w, 1)), range(8), moved), found)
        return np.where(real, found, np.nan)

    return value


def _slope_of_lambert_w(branch: int) -> Function:
    def slope(special: Any, x: Array) -> Any:
        w = _lambert_w(branch)(special, x)
        return np.exp(-w) / (1 + w)

    return slope


def _slope_of_erfcinv(special: Any, x: Array) -> Any:
    w = special.erfcinv(x)
    return -np.sqrt(np.pi) / 2 * np.where(x > 0, special.erfcx(w) / x, np.exp(w * w))


def _airy(number: int) -> Function:
    """Ai, Ai', Bi or Bi', whose slopes are Ai', x·Ai, Bi' and x·Bi."""

    def slope(special: Any, x: Array) -> Any:
        return special.airy(x)[number + 1] if number % 2 == 0 else x * special.airy(x)[number - 1]

    return _to_first_order(lambda s, x: s.airy(x)[number], slope)


def _cosine_integral(name: str, slope: Function) -> Function:
    """Ci or Chi, the second of the two that SciPy has under one name; nan below 0."""
    return _to_first_order(lambda s, x: np.where(x < 0, np.nan, getattr(s, name)(x)[1]), slope)


def _density(special: Any, a: Array, x: Array) -> Any:
    return np.exp(special.xlogy(a - 1, x) - x - special.gammaln(a))


def _is_pole(x: Array) -> Any:
    return (x <= 0) & (x == np.floor(x))


def _regular_digamma(special: Any, x: Array) -> Any:
    return special.digamma(np.where(_is_pole(x), 1 - x, x))


def _crossing(special: Any, x: Array) -> Any:
    return np.where(_is_pole(x), np.cos(np.pi * x) * special.gamma(1 - x), 0)


def _beta_crossing(special: Any, a: Array, b: Array) -> Any:
    return np.where(_is_pole(a + b), special.gamma(a) * special.gamma(b) * _crossing(special, a + b), 0)


def _binomial(special: Any, n: Array, k: Array) -> Any:
    turned = _is_pole(n + 1) & (k >= 0) & (k == np.floor(k))
    return np.where(turned, np.cos(np.pi * k) * special.binom(k - n - 1, k), special.binom(n, k))


def _binomial_crossing(special: Any, n: Array, k: Array) -> Any:
    below = n - k + 1
    size = np.cos(np.pi * below) * special.beta(n + 1, k - n)
    return np.where(_is_pole(below) & ~_is_pole(n + 1), size, 0)


def _by_upper(special: Any, n: Array, k: Array) -> Any:
    return _regular_digamma(special, n + 1) - _regular_digamma(special, n - k + 1)


def _by_lower(special: Any, n: Array, k: Array) -> Any:
    return _regular_digamma(special, n - k + 1) - _regular_digamma(special, k + 1)


#: Special functions: a value, and the slopes by its last arguments.
SPECIAL: Mapping[type, Function] = {
    sympy.gamma: _to_first_order(lambda s, x: s.gamma(x), lambda s, x: s.gamma(x) * s.digamma(x)),
    sympy.loggamma: _to_first_order(_loggamma, lambda s, x: s.digamma(x)),
    sympy.polygamma: _to_first_order(_polygamma, lambda s, n, x: s.polygamma(np.asarray(n, int) + 1, x)),
    special.reciprocal_gamma: _to_first_order(
        lambda s, x: s.rgamma(x), lambda s, x: _crossing(s, x) - s.rgamma(x) * _regular_digamma(s, x)
    ),
    special.reciprocal_gamma_crossing: _to_first_order(
        lambda s, x: _crossing(s, x), lambda s, x: -_crossing(s, x) * _regular_digamma(s, x)
    ),
    special.beta: _to_first_order(
        lambda s, a, b: s.beta(a, b),
        lambda s, a, b: s.beta(a, b) * (s.digamma(a) - _regular_digamma(s, a + b)) + _beta_crossing(s, a, b),
        lambda s, a, b: s.beta(a, b) * (s.digamma(b) - _regular_digamma(s, a + b)) + _beta_crossing(s, a, b),
    ),
    special.beta_crossing: _to_first_order(
        lambda s, a, b: _beta_crossing(s, a, b),
        lambda s, a, b: _beta_crossing(s, a, b) * (s.digamma(a) - _regular_digamma(s, a + b)),
        lambda s, a, b: _beta_crossing(s, a, b) * (s.digamma(b) - _regular_digamma(s, a + b)),
    ),
    special.binomial: _to_first_order(
        lambda s, n, k: _binomial(s, n, k),
        lambda s, n, k: _binomial(s, n, k) * _by_upper(s, n, k) + _binomial_crossing(s, n, k),
        lambda s, n, k: (
            _binomial(s, n, k) * _by_lower(s, n, k) - _binomial_crossing(s, n, k) + _binomial_crossing(s, n, n - k)
        ),
    ),
    special.binomial_crossing: _to_first_order(
        lambda s, n, k: _binomial_crossing(s, n, k),
        lambda s, n, k: _binomial_crossing(s, n, k) * _by_upper(s, n, k),
        lambda s, n, k: _binomial_crossing(s, n, k) * _by_lower(s, n, k),
    ),
    special.besselj: _bessel("j", 0.5, -0.5),
    special.bessely: _bessel("y", 0.5, -0.5),
    special.besseli: _bessel("i", 0.5, 0.5),
    special.besselk: _bessel("k", -0.5, -0.5),
    special.spherical_bessel: _to_first_order(_spherical_bessel, _spherical_slope(_spherical_bessel, -1)),
    special.modified_spherical_bessel: _to_first_order(
        _modified_spherical_bessel, _spherical_slope(_modified_spherical_bessel, 1)
    ),
    special.sinc: _to_first_order(lambda s, x: _spherical_bessel(s, 0, x), lambda s, x: -_spherical_bessel(s, 1, x)),
    sympy.expint: _to_first_order(lambda s, n, x: s.expn(n, x), lambda s, n, x: -s.expn(n - 1, x)),
    sympy.Ei: _to_first_order(lambda s, x: s.expi(x), lambda s, x: np.exp(x) / x),
    special.sine_integral: _to_first_order(lambda s, x: s.sici(x)[0], lambda s, x: _spherical_bessel(s, 0, x)),
    sympy.Ci: _cosine_integral("sici", lambda s, x: np.cos(x) / x),
    sympy.erfinv: _to_first_order(lambda s, x: s.erfinv(x), lambda s, x: np.sqrt(np.pi) / 2 * np.exp(s.erfinv(x) ** 2)),
    special.hyperbolic_sine_integral: _to_first_order(
        lambda s, x: s.shichi(x)[0], lambda s, x: _modified_spherical_bessel(s, 0, x)
    ),
    sympy.Chi: _cosine_integral("shichi", lambda s, x: np.cosh(x) / x),
    sympy.erfi: _to_first_order(lambda s, x: s.erfi(x), lambda s, x: 2 / np.sqrt(np.pi) * np.exp(x * x)),
    functions.erfcinv: _to_first_order(lambda s, x: s.erfcinv(x), _slope_of_erfcinv),
    sympy.fresnels: _to_first_order(lambda s, x: s.fresnel(x)[0], lambda s, x: np.sin(np.pi / 2 * x * x)),
    sympy.fresnelc: _to_first_order(lambda s, x: s.fresnel(x)[1], lambda s, x: np.cos(np.pi / 2 * x * x)),
    sympy.airyai: _airy(0),
    sympy.airyaiprime: _airy(1),
    sympy.airybi: _airy(2),
    sympy.airybiprime: _airy(3),
    special.lambert_w: _to_first_order(_lambert_w(0), _slope_of_lambert_w(0)),
    special.lower_lambert_w: _to_first_order(_lambert_w(-1), _slope_of_lambert_w(-1)),
    special.wright_omega: _to_first_order(
        lambda s, x: s.wrightomega(x), lambda s, x: s.wrightomega(x) / (1 + s.wrightomega(x))
    ),
    special.scaled_bessel: _to_first_order(
        lambda s, n, x: s.ive(n, x),
        lambda s, n, x: (s.ive(abs(n - 1), x) + s.ive(n + 1, x)) / 2 - np.sign(x) * s.ive(n, x),
    ),
    special.regularised_lower_gamma: _to_first_order(lambda s, a, x: s.gammainc(a, x), _density),
    special.regularised_upper_gamma: _to_first_order(
        lambda s, a, x: s.gammaincc(a, x), lambda s, a, x: -_density(s, a, x)
    ),
}


def _decay(x: Array) -> Any:
    """exp(−|x|), which cannot overflow."""
    return exp(np.where(x.real >= 0, -x, x))


def sigmoid(x: Array) -> Any:
    """1/(1 + exp(−x))."""
    decay = _decay(x)
    return np.where(x.real >= 0, 1, decay) / (1 + decay)


def softplus(x: Array) -> Any:
    """max(x, 0) + log1p(exp(−|x|)); the sides meet smoothly only if both terms change at the same x."""
    return np.where(x.real >= 0, x, 0) + log1p(_decay(x))


def normal_cdf(x: Array) -> Any:
    """erfc(−x/√2)/2."""
    return erfc(-x / x.dtype.type(np.sqrt(2))) / 2


erfcx = _smooth(_scipy("erfcx"))


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


def ratio(x: Array, size: Array) -> Any:
    """x/size, and 0 where both are 0."""
    return x / np.where(size == 0, 1, size)


def step(x: Array) -> Any:
    """1 where x > 0, else 0."""
    return (x.real > 0).astype(x.dtype)


def relu(x: Array) -> Any:
    """0 where x ≤ 0, else x."""
    return np.where(x.real <= 0, 0, x)


def sign(x: Array) -> Any:
    """−1, 0 or 1."""
    return np.sign(x.real).astype(x.dtype)


def absolute(x: Array) -> Any:
    """|x|."""
    return np.where(x.real < 0, -x, x) if x.dtype.kind == "c" else np.abs(x)


def floor(x: Array) -> Any:
    """The largest whole number not above x."""
    return np.floor(x.real).astype(x.dtype)


def modulo(x: Array, y: Array) -> Any:
    """x − y·⌊x/y⌋; the multiple of y is constant in the complex step."""
    rest = np.mod(x.real, y.real)
    if np.result_type(x, y).kind != "c":
        return rest
    times = (rest - x.real) / y.real
    return _complex(rest, np.where(x.imag == 0, 0, x.imag) + np.where(y.imag == 0, 0, y.imag * times))


def clip(x: Array, low: Array, high: Array) -> Any:
    """x between low and high."""
    return np.where(x.real < low.real, low, np.where(x.real > high.real, high, x))


def equal(a: Array, b: Array) -> Any:
    """1 where a = b, else 0."""
    return (a.real == b.real).astype(np.result_type(a, b))


def maximum(a: Array, b: Array) -> Any:
    """The larger one; nan wins."""
    return np.where((a.real >= b.real) | np.isnan(a.real), a, b)


def minimum(a: Array, b: Array) -> Any:
    """The smaller one; nan wins."""
    return np.where((a.real <= b.real) | np.isnan(a.real), a, b)


def select(condition: Array, a: Array, b: Array) -> Any:
    """a where the condition is positive, else b."""
    return np.where(condition.real > 0, a, b)


def piecewise(*pairs: tuple[Array, Array]) -> Any:
    """The value of the first pair whose condition holds; nan where none does."""
    result: Any = pairs[0][0].dtype.type(np.nan)
    for value, condition in reversed(pairs):
        result = np.where(condition, value, result)
    return result


def folded(combine: Function) -> Function:
    """The function of any number of arguments that combines them one after the other."""
    return lambda first, *rest: reduce(combine, rest, first)


def _relation(holds: Function) -> Function:
    return lambda a, b: holds(a.real, b.real)


#: The NumPy function of every operation of a program.
NUMPY: Mapping[type, Function] = {
    Add: folded(operator.add),
    Mul: folded(operator.mul),
    Quotient: operator.truediv,
    Pow: power,
    IntegerPower: integer_power,
    Root: root,
    sympy.exp: exp,
    sympy.log: log,
    sympy.tanh: _smooth(np.tanh),
    sympy.sinh: _smooth(np.sinh),
    sympy.cosh: _smooth(np.cosh),
    sympy.sin: _smooth(np.sin),
    sympy.cos: _smooth(np.cos),
    sympy.tan: _smooth(np.tan),
    sympy.asin: _smooth(np.arcsin, low=-1, high=1),
    sympy.acos: _smooth(np.arccos, low=-1, high=1),
    sympy.atan: _smooth(np.arctan),
    sympy.asinh: _smooth(np.arcsinh),
    sympy.acosh: _smooth(np.arccosh, low=1),
    sympy.atanh: _smooth(np.arctanh, low=-1, high=1),
    sympy.atan2: atan2,
    sympy.erf: _smooth(_scipy("erf")),
    sympy.erfc: erfc,
    **SPECIAL,
    functions.power: power,
    functions.sigmoid: sigmoid,
    functions.softplus: softplus,
    functions.expm1: _smooth(np.expm1, _scipy("expm1")),
    functions.log1p: log1p,
    functions.normal_cdf: normal_cdf,
    functions.erfcx: erfcx,
    functions.erfcx_rate: erfcx_rate,
    functions.erfcx_curvature: erfcx_curvature,
    functions.hypot: hypot,
    functions.ratio: ratio,
    functions.step: step,
    functions.relu: relu,
    functions.sign: sign,
    functions.absolute: absolute,
    functions.floor: floor,
    functions.modulo: modulo,
    functions.clip: clip,
    functions.equal: equal,
    functions.maximum: folded(maximum),
    functions.minimum: folded(minimum),
    functions.select: select,
    functions.stop_gradient: lambda x: x,
    ExprCondPair: lambda value, condition: (value, condition),
    Piecewise: piecewise,
    And: folded(np.logical_and),
    Or: folded(np.logical_or),
    Not: np.logical_not,
    sympy.Eq: _relation(np.equal),
    sympy.Ne: _relation(np.not_equal),
    sympy.StrictLessThan: _relation(np.less),
    sympy.LessThan: _relation(np.less_equal),
    sympy.StrictGreaterThan: _relation(np.greater),
    sympy.GreaterThan: _relation(np.greater_equal),
}
