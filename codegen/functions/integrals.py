"""sin(x)/x and the spherical Bessel functions, and the integrals of such quotients."""

from __future__ import annotations

from typing import Any

import numpy as np
from sympy import Expr, Integer
from sympy.core.function import ArgumentIndexError

from codegen.functions import special_arrays as arrays
from codegen.functions.exponentials import exponential_over
from codegen.functions.operation import EXPONENTIAL, LARGE, NAN, Ends, Points, called_by_name
from codegen.functions.primitive import Primitive
from codegen.functions.special_arrays import to_first_order


class sinc(Primitive):  # noqa: N801 - functions keep their mathematical names
    """sin(x)/x, and 1 at 0, with derivative −j₁(x), which does not cancel near 0 as (cos x − sinc x)/x does."""

    nargs = 1
    row = called_by_name(
        to_first_order(lambda s, x: arrays.spherical_bessel(s, 0, x), lambda s, x: -arrays.spherical_bessel(s, 1, x)),
        "sinc",
        numpy="special.spherical_jn(0, {0})",
        points=Points(special=(0.0, 1e-8, *LARGE, *NAN)),
    )

    def fdiff(self, argindex: int = 1) -> Expr:
        return -spherical_bessel(Integer(1), self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return mp.mpf(0) if mp.isinf(x) else mp.sinc(x) if x == x else x


class spherical_bessel(Primitive):  # noqa: N801
    """jₙ(x) = √(π/2x)·Jₙ₊½(x) for whole n ≥ 0, with jₙ' = (n·jₙ₋₁ − (n + 1)·jₙ₊₁)/(2n + 1)."""

    nargs = 2
    row = called_by_name(
        to_first_order(arrays.spherical_bessel, arrays.spherical_slope(arrays.spherical_bessel, -1)),
        "spherical_bessel",
        "jv",
        numpy="special.spherical_jn",
    )

    @classmethod
    def eval(cls, n: Expr, x: Expr) -> Expr | None:
        return sinc(x) if n == 0 else None

    def fdiff(self, argindex: int = 2) -> Expr:
        n, x = self.args
        if argindex == 1:
            raise ArgumentIndexError(self, argindex)
        return (n * spherical_bessel(n - 1, x) - (n + 1) * spherical_bessel(n + 1, x)) / (2 * n + 1)

    @staticmethod
    def value(mp: Any, n: Any, x: Any) -> Any:
        if x == 0 or mp.isinf(x) or x != x:
            return x if x != x else mp.mpf(0)
        size = mp.sqrt(mp.pi / 2 / abs(x)) * mp.besselj(n + mp.mpf(1) / 2, abs(x))
        return -size if x < 0 and n % 2 else size


class modified_spherical_bessel(Primitive):  # noqa: N801
    """iₙ(x) = √(π/2x)·Iₙ₊½(x) for whole n ≥ 0, i₀ = sinh(x)/x, with iₙ' = (n·iₙ₋₁ + (n + 1)·iₙ₊₁)/(2n + 1)."""

    nargs = 2
    row = called_by_name(
        to_first_order(arrays.modified_spherical_bessel, arrays.spherical_slope(arrays.modified_spherical_bessel, 1)),
        "modified_spherical_bessel",
        "ive",
        numpy="special.spherical_in",
    )

    def fdiff(self, argindex: int = 2) -> Expr:
        n, x = self.args
        if argindex == 1:
            raise ArgumentIndexError(self, argindex)
        above = (n + 1) * modified_spherical_bessel(n + 1, x)
        return (above + (n * modified_spherical_bessel(n - 1, x) if n != 0 else 0)) / (2 * n + 1)

    @staticmethod
    def value(mp: Any, n: Any, x: Any) -> Any:
        if x == 0 or x != x:
            return x if x != x else mp.mpf(n == 0)
        size = mp.sqrt(mp.pi / 2 / abs(x)) * mp.besseli(n + mp.mpf(1) / 2, abs(x)) if not mp.isinf(x) else mp.inf
        return -size if x < 0 and n % 2 else size


class sine_integral(Primitive):  # noqa: N801
    """Si(x), the integral of sinc from 0 to x; SymPy's derivative sin(x)/x is nan at 0."""

    nargs = 1
    row = called_by_name(
        to_first_order(lambda s, x: s.sici(x)[0], lambda s, x: arrays.spherical_bessel(s, 0, x)),
        "sine_integral",
        "sici",
        numpy="special.sici({0})[0]",
    )

    def fdiff(self, argindex: int = 1) -> Expr:
        return sinc(self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return mp.si(x) if x == x else x


class exponential_integral(Primitive):  # noqa: N801
    """Ei(x), with a derivative that is in range up to 716; SymPy's exp(x)/x is not from 710 on, and its own is nan."""

    nargs = 1
    row = called_by_name(
        to_first_order(lambda s, x: s.expi(x), lambda s, x: np.exp(x) / x),
        "exponential_integral",
        "expi",
        numpy="special.expi",
        mpmath="ei",
        ends=Ends("0", "inf", poles={0: "-inf"}, limit=EXPONENTIAL),
    )

    def fdiff(self, argindex: int = 1) -> Expr:
        return exponential_over(0, self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return mp.ei(x)


class hyperbolic_sine_integral(Primitive):  # noqa: N801
    """Shi(x), the integral of sinh(t)/t from 0 to x; SymPy's derivative sinh(x)/x is nan at 0."""

    nargs = 1
    row = called_by_name(
        to_first_order(lambda s, x: s.shichi(x)[0], lambda s, x: arrays.modified_spherical_bessel(s, 0, x)),
        "hyperbolic_sine_integral",
        "shichi",
        numpy="special.shichi({0})[0]",
        mpmath="shi",
        ends=Ends("-inf", "inf", limit=EXPONENTIAL),
    )

    def fdiff(self, argindex: int = 1) -> Expr:
        return modified_spherical_bessel(Integer(0), self.args[0])

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        return mp.shi(x) if mp.isfinite(x) else x
