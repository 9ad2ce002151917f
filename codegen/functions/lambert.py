"""W·exp(W) = x and ω + log ω = x, solved for W and ω."""

from __future__ import annotations

from typing import Any

from sympy import Expr, exp, log

from codegen.functions import special_arrays as arrays
from codegen.functions.kinks import select
from codegen.functions.operation import called_by_name
from codegen.functions.primitive import Composite, Primitive
from codegen.functions.special_arrays import BRANCH_POINT, to_first_order


class lambert_w(Primitive):  # noqa: N801
    """W(x) ≥ −1 with W·exp(W) = x, for x ≥ −1/e, with derivative exp(−W)/(1 + W); SymPy's W/(x·(1 + W)) is nan at 0."""

    nargs = 1
    row = called_by_name(
        to_first_order(arrays.lambert_w(0), arrays.slope_of_lambert_w(0)),
        "lambert_w",
        numpy=f"np.where({{0}} < {BRANCH_POINT}, np.nan, np.real(special.lambertw({{0}})))",
    )

    def fdiff(self, argindex: int = 1) -> Expr:
        return exp(-self) / (1 + self)

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        if mp.isinf(x) and x > 0:
            return x
        return _lambert_w(mp, x, 0) if x >= BRANCH_POINT else mp.nan


class lower_lambert_w(lambert_w):  # noqa: N801
    """W₋₁(x) ≤ −1 with W·exp(W) = x, for −1/e ≤ x < 0."""

    row = called_by_name(
        to_first_order(arrays.lambert_w(-1), arrays.slope_of_lambert_w(-1)),
        "lower_lambert_w",
        numpy=f"np.where(({{0}} < {BRANCH_POINT}) | ({{0}} > 0), np.nan, np.real(special.lambertw({{0}}, -1)))",
    )

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        if x == 0:
            return -mp.inf
        return _lambert_w(mp, x, -1) if BRANCH_POINT <= x < 0 else mp.nan


def _lambert_w(mp: Any, x: Any, branch: int) -> Any:
    return mp.lambertw(x, branch).real if x != BRANCH_POINT else mp.mpf(-1)


class wright_omega(Primitive):  # noqa: N801
    """ω(x) = W(exp(x)), the ω > 0 with ω + log ω = x, where exp(x) is out of range too; its derivative is ω/(1 + ω)."""

    nargs = 1
    row = called_by_name(
        to_first_order(lambda s, x: s.wrightomega(x), lambda s, x: s.wrightomega(x) / (1 + s.wrightomega(x))),
        "wright_omega",
        numpy="special.wrightomega",
    )

    def fdiff(self, argindex: int = 1) -> Expr:
        return share_of_odds(self)

    @staticmethod
    def value(mp: Any, x: Any) -> Any:
        if x != x or x == mp.inf:
            return x
        if x <= NEWTON_FROM:
            return mp.lambertw(mp.exp(x)).real
        w = x - mp.log(x)
        for _ in range(STEPS):
            w -= (w + mp.log(w) - x) / (1 + 1 / w)
        return w


class lambert_w_of_exponential(Composite):  # noqa: N801
    """W(c·exp(x)) of c and x, ω(x + log c) where that is large: it is as large as x where exp(x) is out of range."""

    nargs = 2

    @classmethod
    def formula(cls, c: Expr, x: Expr) -> Expr:
        exponent = x + log(c)
        return select(exponent - 1, wright_omega(exponent), lambert_w(c * exp(x)))


class share_of_odds(Composite):  # noqa: N801
    """w/(1 + w), with derivative (1 + w)⁻², which does not cancel for large w."""

    nargs = 1

    @classmethod
    def formula(cls, w: Expr) -> Expr:
        return w / (1 + w)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        (w,) = self.args
        return (1 + w) ** -2 * w.diff(symbol)


NEWTON_FROM = 1000
"""Beyond, the oracle takes ω by Newton's method."""
STEPS = 12
"""Of Newton's method, from a start with three digits: 10⁴ digits."""
