"""Minimax polynomials of codegen/emit/vectormath/numbers.py, by the Remez exchange in 70 digits.

``python -m tests.benchmarks.coefficients`` prints the table ``COEFFICIENTS`` as it stands in that module, with the
error of each polynomial after rounding in ULP of the function; about two minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby

import numpy as np
from mpmath import mp, mpf

from codegen.dtypes import Dtype

Real = Callable[[mpf], mpf]

DIGITS = 70
EXCHANGES = 12
"""Enough by far where the error alternates; it need not once the coefficients before are rounded."""
NODES = 40
"""Grid points for each coefficient: the error is searched on a Chebyshev grid this many times finer than its wiggles."""


@dataclass(frozen=True)
class Fit:
    """What a polynomial p(t) approximates, between which bounds, and with how many coefficients.

    The largest ``weight(t)·|function(t) − p(t)|`` is made as small as it can be; the weight turns it into the relative error of
    the function that p is a part of.
    """

    function: Real
    weight: Real
    bounds: Mapping[Dtype, tuple[mpf, mpf]]
    counts: Mapping[Dtype, int]


def minimax(points: Sequence[tuple[mpf, mpf, mpf]], count: int) -> list[mpf]:
    """The polynomial of ``count`` coefficients, lowest first, with the least weighted error (Remez 1934).

    ``points`` are arguments, values and weights; those that weigh next to nothing would only make the system singular.
    """
    heaviest = max(weight for _, _, weight in points)
    nodes, values, weights = zip(*(point for point in points if point[2] > heaviest * mpf(2) ** -80))
    reference = [(len(nodes) - 1) * i // count for i in range(count + 1)]
    best: tuple[mpf, list[mpf]] = (mp.inf, [])
    for _ in range(EXCHANGES):
        rows = [[nodes[i] ** n for n in range(count)] + [(-1) ** row / weights[i]] for row, i in enumerate(reference)]
        *coefficients, level = mp.lu_solve(mp.matrix(rows), mp.matrix([values[i] for i in reference]))
        errors = [w * (v - mp.polyval(coefficients[::-1], t)) for t, v, w in zip(nodes, values, weights)]
        largest = max(abs(error) for error in errors)
        best = min(best, (largest, coefficients), key=lambda pair: pair[0])
        reference = _exchange(errors, count + 1)
        if largest < abs(level) * mpf("1.001") or len(reference) <= count:
            break
    return best[1]


def _exchange(errors: Sequence[mpf], count: int) -> list[int]:
    """The places of at most ``count`` extrema of alternating sign, the largest among them."""
    runs = [list(run) for _, run in groupby(range(len(errors)), key=lambda i: bool(errors[i] > 0))]
    peaks = [max(run, key=lambda i: abs(errors[i])) for run in runs]
    while len(peaks) > count:
        first, last = abs(errors[peaks[0]]), abs(errors[peaks[-1]])
        pairs = [max(abs(errors[a]), abs(errors[b])) for a, b in zip(peaks, peaks[1:])]
        if len(peaks) == count + 1 or min(first, last) <= min(pairs):
            peaks.pop(0 if first < last else -1)
        else:
            place = pairs.index(min(pairs))
            del peaks[place : place + 2]  # an inner pair, so that the signs go on alternating
    return peaks


def _everywhere(low: object, high: object) -> dict[Dtype, tuple[mpf, mpf]]:
    return {"float64": (mpf(low), mpf(high)), "float32": (mpf(low), mpf(high))}


def _root(function: Real) -> Real:
    """A function of √t, for the polynomials in the square of the argument."""
    return lambda t: function(mp.sqrt(t))


mp.dps = DIGITS
MARGIN = 1 + mpf(2) ** -12
"""A rounded quotient of the range reduction may lie a little outside its half unit."""
HALF = mp.log(2) / 2 * MARGIN
"""sinh, cosh: |r| ≤ ln 2/2."""
WIDE = mpf("0.352")
"""tanh: its first steps of ln 2 are moved by 1 %; weighted to be good for exp r and for exp r − 1."""
EIGHTH = mp.pi / 4 * MARGIN
"""sin, cos: |r| ≤ π/4."""
TAIL = mpf("3.078125")
"""erfcx: K of t = (a − K)/(a + K); of the numbers near 3 the one whose first two coefficients are almost float64s."""
ERFC_TAIL, NORMAL_TAIL = mpf("2.8671875"), mpf("3.9765625")
"""K of erfc and Φ: the first two coefficients are almost float64s; of erfc also K·(1/K) and p(−1) as computed are exact."""


def _tail_bound(a: object, centre: mpf = TAIL) -> mpf:
    return (mpf(a) - centre) / (mpf(a) + centre)


def _from_zero(centre: mpf, float64: object, float32: object) -> dict[Dtype, tuple[mpf, mpf]]:
    return {"float64": (mpf(-1), _tail_bound(float64, centre)), "float32": (mpf(-1), _tail_bound(float32, centre))}


def _to_infinity(a: object) -> dict[Dtype, tuple[mpf, mpf]]:
    return _everywhere(_tail_bound(a), 1)


def _of_tail(function: Real, power: int, centre: mpf = TAIL) -> Real:
    """function(a)·(a + K)ᵖᵒʷᵉʳ by t = (a − K)/(a + K)."""
    return lambda t: function(centre * (1 + t) / (1 - t)) * (2 * centre / (1 - t)) ** power


def _relative(function: Real) -> Real:
    return lambda t: 1 / abs(function(t))


FAR = 30
"""Beyond, exp(a²)·erfc(a) is taken from its continued fraction (Abramowitz, Stegun 1964, 7.1.14)."""


def _fraction(a: mpf, first: int) -> mpf:
    """2n/(2a + 2(n + 1)/(2a + …)) from n = first: what the n-th derivative of erfcx is to the one before, negated."""
    value = mpf(0)
    for n in range(200, first - 1, -1):
        value = 2 * n / (2 * a + value)
    return value


def _erfcx(a: mpf) -> mpf:
    return mp.exp(a * a) * mp.erfc(a) if a < FAR else 2 / mp.sqrt(mp.pi) / (2 * a + _fraction(a, 1))


def _mills(a: mpf) -> mpf:
    """exp(a²/2)·Φ(−a)."""
    return _erfcx(a / mp.sqrt(2)) / 2


def _rate(a: mpf) -> mpf:
    return 2 / mp.sqrt(mp.pi) / _erfcx(a) - 2 * a if a < FAR else _fraction(a, 1)


def _curvature(a: mpf) -> mpf:
    rate = _rate(a)
    return 2 - (2 * a + rate) * rate if a < FAR else rate * (_fraction(a, 2) - rate)


FITS: dict[str, Fit] = {
    # exp r = 1 + r + r²·p(r)
    "exp": Fit(
        lambda r: (mp.expm1(r) - r) / r**2, lambda r: r**2 / (abs(mp.expm1(r)) + mpf("0.1")), _everywhere(-WIDE, WIDE),
        {"float64": 10, "float32": 5},
    ),
    # log((1 + s)/(1 − s)) = 2s + s·z·p(z), z = s²
    "log": Fit(
        _root(lambda s: (2 * mp.atanh(s) / s - 2) / s**2), lambda z: z, _everywhere(0, (3 - mp.sqrt(8)) ** 2 * MARGIN),
        {"float64": 7, "float32": 3},
    ),
    # sin r = r + r·z·p(z), z = r²
    "sin": Fit(_root(lambda r: (mp.sin(r) / r - 1) / r**2), lambda z: z, _everywhere(0, EIGHTH**2), {"float64": 6, "float32": 3}),
    # cos r = 1 − z/2 + z²·p(z), z = r²
    "cos": Fit(
        _root(lambda r: (mp.cos(r) - 1 + r**2 / 2) / r**4), lambda z: z**2, _everywhere(0, EIGHTH**2), {"float64": 6, "float32": 3}
    ),
    # sinh r = r + r·z·p(z), cosh r = 1 + z·p(z), z = r²
    "sinh": Fit(_root(lambda r: (mp.sinh(r) / r - 1) / r**2), lambda z: z, _everywhere(0, HALF**2), {"float64": 5, "float32": 3}),
    "cosh": Fit(_root(lambda r: (mp.cosh(r) - 1) / r**2), lambda z: z, _everywhere(0, HALF**2), {"float64": 5, "float32": 3}),
    # asin s = s + s·z·p(z), z = s²
    "asin": Fit(_root(lambda s: (mp.asin(s) / s - 1) / s**2), lambda z: z, _everywhere(0, 0.25), {"float64": 13, "float32": 5}),
    # atan t = t + t·z·p(z), z = t²
    "atan": Fit(_root(lambda t: (mp.atan(t) / t - 1) / t**2), lambda z: z, _everywhere(0, 1), {"float64": 20, "float32": 9}),
    # erf x = x + x·p(x²) for |x| ≤ 1
    "erf": Fit(_root(lambda x: mp.erf(x) / x - 1), _root(lambda x: x / mp.erf(x)), _everywhere(0, 1), {"float64": 12, "float32": 7}),
    # erf x = 1 − exp(−p(x)) for x ≥ 1
    "erf_tail": Fit(
        lambda x: -mp.log(mp.erfc(x)), mp.erfc, {"float64": (mpf(1), mpf(6)), "float32": (mpf(1), mpf(4))}, {"float64": 18, "float32": 7}
    ),
    # erfc a = exp(−a²)·p(t)/(a + K), t = (a − K)/(a + K), a ≥ 0
    "erfc": Fit(
        _of_tail(_erfcx, 1, ERFC_TAIL), _relative(_of_tail(_erfcx, 1, ERFC_TAIL)), _from_zero(ERFC_TAIL, 27.5, 10.25),
        {"float64": 24, "float32": 11},
    ),
    # Φ(−a) = exp(−a²/2)·p(t)/(a + K), t = (a − K)/(a + K), a ≥ 0
    "normal_tail": Fit(
        _of_tail(_mills, 1, NORMAL_TAIL), _relative(_of_tail(_mills, 1, NORMAL_TAIL)), _from_zero(NORMAL_TAIL, *(mp.sqrt(2) * a for a in (27.5, 10.25))),
        {"float64": 24, "float32": 11},
    ),
    # erfcx a = exp(a²)·erfc(a) = p(t)/(a + K), a ≥ 0
    "erfcx": Fit(
        _of_tail(_erfcx, 1), _relative(_of_tail(_erfcx, 1)), _to_infinity(0), {"float64": 25, "float32": 11},
    ),
    # −erfcx'(a)/erfcx(a) = p(t)/(a + K), a ≥ ½
    "erfcx_rate": Fit(
        _of_tail(_rate, 1), _relative(_of_tail(_rate, 1)), _to_infinity(0.5), {"float64": 26, "float32": 12},
    ),
    # the second derivative of log erfcx(a) = p(t)/(a + K)², a ≥ 1
    "erfcx_curvature": Fit(
        _of_tail(_curvature, 2), _relative(_of_tail(_curvature, 2)), _to_infinity(1), {"float64": 26, "float32": 12},
    ),
}  # fmt: skip


def rounded(fit: Fit, dtype: Dtype) -> tuple[str, ...]:
    """The coefficients as the shortest decimals that read back as numbers of the dtype.

    They are rounded one by one, the lowest first, each time fitting the others anew: they make up for its error. Where
    that system becomes singular, all at once.
    """
    points = _points(fit, dtype)
    at_once = tuple(_rounded(c, dtype) for c in minimax(points, fit.counts[dtype]))
    return min((_one_by_one(points, fit.counts[dtype], dtype), at_once), key=partial(_error, points, dtype))


def first(fit: Fit, dtype: Dtype) -> tuple[str]:
    """The lowest coefficient, which is the same either way."""
    return (_rounded(minimax(_points(fit, dtype), fit.counts[dtype])[0], dtype),)


def _points(fit: Fit, dtype: Dtype) -> list[tuple[mpf, mpf, mpf]]:
    """Arguments, values and weights on a Chebyshev grid."""
    low, high = fit.bounds[dtype]
    size = NODES * fit.counts[dtype]
    # Cosines put the nodes where the error oscillates fastest; they leave out the ends and 0, where
    # functions such as (exp t − 1 − t)/t² cannot be evaluated.
    nodes = [(low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * (2 * i + 1) / (2 * size)) for i in range(size)]
    return [(t, fit.function(t), fit.weight(t)) for t in nodes]


def _one_by_one(points: Sequence[tuple[mpf, mpf, mpf]], count: int, dtype: Dtype) -> tuple[str, ...]:
    texts: list[str] = []
    for terms in range(count, 0, -1):
        first = _rounded(minimax(points, terms)[0], dtype)
        texts.append(first)
        points = [(t, (v - _read(first, dtype)) / t, w * abs(t)) for t, v, w in points]
    return tuple(texts)


def _rounded(number: mpf, dtype: Dtype) -> str:
    # mpmath rounds to float64 first; a second rounding to float32 differs in one case of 2²⁹.
    return str(np.dtype(dtype).type(float(number)))


def _read(text: str, dtype: Dtype) -> mpf:
    """The number that compiled code has: 0.1 as a float32 is 1.5e-9 more than as a float64."""
    return mpf(float(np.dtype(dtype).type(text)))


def _error(points: Sequence[tuple[mpf, mpf, mpf]], dtype: Dtype, texts: Sequence[str]) -> mpf:
    coefficients = [_read(text, dtype) for text in reversed(texts)]
    return max(w * abs(v - mp.polyval(coefficients, t)) for t, v, w in points)


def table() -> dict[str, dict[Dtype, tuple[str, ...]]]:
    """The coefficients of every fit, lowest first, as they are written in ``COEFFICIENTS``."""
    return {name: {dtype: rounded(fit, dtype) for dtype in fit.counts} for name, fit in FITS.items()}


def main() -> None:
    for name, dtypes in table().items():
        print(f'    "{name}": {{')
        for dtype, texts in dtypes.items():
            print(f'        "{dtype}": (')
            for start in range(0, len(texts), 4):
                print(f"            {', '.join(texts[start : start + 4])},")
            print("        ),")
        print("    },")


if __name__ == "__main__":
    main()
