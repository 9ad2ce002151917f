"""mpmath with the answers of IEEE arithmetic where mpmath raises, leaves the real line, or is silent about infinity.

mpmath computes what lies in between; the rows of the functions say what it is at ±∞, where it is real, and its poles.

Every function of nan is nan. a/0 is inf with the sign of a, and 0/0 is nan; powers follow ``pow`` of C (x⁰ = 1 and
1ʸ = 1 even for nan), the angle of infinite coordinates ``atan2`` of C. Γ and its logarithmic derivatives are ±inf at
0, nan at the negative integers (inf where they have the same sign on both sides), and nan at −inf. mpmath agrees
already that 0·inf, inf − inf and inf/inf are nan and that comparisons with nan are false. It has no signed zero: a zero
counts as +0.

mpmath's exponents are unbounded, so exp(1000) is 1.97e434 and becomes inf only when it is rounded to a float. The
limits below keep a tower of exponentials from filling memory; they lie far beyond the range of any float.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import mpmath
import numpy as np

from codegen.functions import operations
from codegen.functions.operation import EXPONENT_LIMIT, Ends

Mpf = Any
"""A number of an mpmath context; mpmath has no type hints."""


ENDS: Mapping[str, Ends] = {
    "sqrt": Ends("nan", "inf", low=0),
    **{row.mpmath: row.ends for _, row in operations() if row.ends is not None},
}
"""By the names of mpmath; a root is a power to SymPy, and has no row."""


class Ieee:
    """Real arithmetic at a number of digits: the functions of the rows, ``divide``, ``power`` and ``atan2``.

    It stands in for an mpmath context where a :class:`~codegen.functions.Primitive` expects one. Its context is its
    own, so that the precision of ``mpmath.mp`` is neither read nor changed.

    >>> ieee = Ieee(50)
    >>> ieee.log(ieee.mpf(0)), ieee.divide(ieee.mpf(-1), ieee.mpf(0)), ieee.log(ieee.mpf(-1))
    (mpf('-inf'), mpf('-inf'), mpf('nan'))
    """

    def __init__(self, digits: int) -> None:
        self.context = mpmath.mp.clone()
        self.context.dps = digits
        self.mpf: Callable[[Any], Mpf] = self.context.mpf
        self.nan: Mpf = self.context.nan
        self.inf: Mpf = self.context.inf
        derivatives = {
            "airyaiprime": partial(self.context.airyai, derivative=1),
            "airybiprime": partial(self.context.airybi, derivative=1),
        }
        for name, ends in ENDS.items():
            setattr(self, name, self._completed(derivatives.get(name) or getattr(self.context, name), ends))

    def __getattr__(self, name: str) -> Any:
        """Whatever no row mentions is mpmath's own."""
        return getattr(self.context, name)

    def _completed(self, function: Callable[[Mpf], Mpf], ends: Ends) -> Callable[[Mpf], Mpf]:
        below, above = self._constant(ends.below), self._constant(ends.above)
        poles = {self.mpf(at): self.mpf(value) for at, value in ends.poles.items()}
        low, high = self.mpf(ends.low), self.mpf(ends.high)
        limit = self.inf if ends.limit is None else self.context.ldexp(1, ends.limit)

        def completed(x: Mpf) -> Mpf:
            if abs(x) >= limit:
                return below if x < 0 else above
            if not low <= x <= high:  # or nan
                return self.nan
            return poles[x] if x in poles else function(x)

        return completed

    def _constant(self, text: str) -> Mpf:
        return {"pi/2": self.context.pi / 2, "-pi/2": -self.context.pi / 2}.get(text) or self.mpf(text)

    def divide(self, a: Mpf, b: Mpf) -> Mpf:
        """a/b; by zero inf with the sign of a, or nan for 0/0."""
        return a / b if b else a * self.inf

    def power(self, x: Mpf, y: Mpf) -> Mpf:
        """xʸ as C's ``pow``: real for negative x only where y is a whole number."""
        if not x or x == 1 or not y or not (self.context.isfinite(x) and self.context.isfinite(y)):
            # In all these cases the result is 0, 1, inf or nan and depends on little: NumPy knows it.
            with np.errstate(all="ignore"):
                return self.mpf(float(np.power(_base_class(x), _exponent_class(y))))
        if x < 0 and not self.context.isint(y):
            return self.nan
        size = 0 if abs(y) <= 64 else y * self.context.log(abs(x))
        if abs(size) < EXPONENT_LIMIT:
            return x**y
        sign = -1 if x < 0 and y % 2 else 1
        return sign * self.inf if size > 0 else self.mpf(0)

    def atan2(self, y: Mpf, x: Mpf) -> Mpf:
        """The angle of (x, y); of two infinite coordinates that of (±1, ±1)."""
        if x != x or y != y:
            return self.nan
        if self.context.isinf(x) and self.context.isinf(y):
            return self.context.atan2(self.context.sign(y), self.context.sign(x))
        return self.context.atan2(y, x)

    def gamma(self, x: Mpf) -> Mpf:
        """Γ(x), too large for any float from 10⁶ on."""
        if x == 0:
            return self.inf
        if self._is_pole(x):
            return self.nan
        return self.inf if x >= EXPONENT_LIMIT else self.context.gamma(x)

    def polygamma(self, n: Mpf, x: Mpf) -> Mpf:
        """ψ⁽ⁿ⁾(x), the n-th derivative of Γ'/Γ."""
        odd = bool(n % 2)
        if self._is_pole(x):
            return self.inf if odd and x > -self.inf else -self.inf if x == 0 else self.nan
        if x == self.inf:
            return self.mpf(0) if n else self.inf
        return self.context.psi(int(n), x) if x == x else self.nan

    def expint(self, n: Mpf, x: Mpf) -> Mpf:
        """Eₙ(x) for x ≥ 0 and n ≥ 1; at 0 it is 1/(n − 1)."""
        if x == 0 or x == self.inf:
            return self.mpf(0) if x else self.divide(self.mpf(1), n - 1)
        return self.context.expint(n, x) if x > 0 else self.nan

    def _is_pole(self, x: Mpf) -> bool:
        return bool(x <= 0 and self.context.isint(x)) or x == -self.inf


def _base_class(x: Mpf) -> np.float64:
    """A float that raised to 0 or ±inf, or as 0, ±inf or nan itself, behaves as x does."""
    if x != x or abs(x) in (0, 1, math.inf):
        return np.float64(x)
    return np.float64(math.copysign(0.5 if abs(x) < 1 else 2.0, x))


def _exponent_class(y: Mpf) -> np.float64:
    """A float of the sign and parity of y."""
    if y != y or abs(y) in (0, math.inf):
        return np.float64(y)
    size = 1.5 if y != int(y) else 1.0 if int(y) % 2 else 2.0
    return np.float64(math.copysign(size, y))
