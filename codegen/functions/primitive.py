"""What a real function of one's own derives from: one that emitters translate, or a formula over such functions."""

from __future__ import annotations

from typing import Any, ClassVar

import mpmath
import sympy
from sympy import Expr

from codegen.functions.operation import Operation


class RealFunction(sympy.Function):  # type: ignore[misc]
    """A real function of real arguments that SymPy leaves alone."""

    row: ClassVar[Operation] = Operation()

    def _eval_is_extended_real(self) -> bool | None:
        return True if all(argument.is_extended_real for argument in self.args) else None

    def _eval_evalf(self, prec: int) -> Expr | None:
        try:
            arguments = [argument._to_mpmath(prec) for argument in self.args]
        except (ValueError, TypeError, AttributeError):
            return None
        with mpmath.workprec(prec):
            value = self.value(mpmath.mp, *arguments)
            return None if isinstance(value, mpmath.mpc) else sympy.Expr._from_mpmath(mpmath.mpf(value), prec)

    @staticmethod
    def value(mp: Any, *arguments: Any) -> Any:
        """The function on mpmath numbers of the context ``mp``."""
        raise NotImplementedError


class Primitive(RealFunction):
    """A function with code of its own: what its row says, and a vector form, without which readable code runs.

    >>> from codegen.functions import sigmoid
    >>> sigmoid.row.written(sympy.Symbol("x", real=True))
    select(x, 1/(1 + exp(-absolute(x))), exp(-absolute(x))/(1 + exp(-absolute(x))))
    """


class Composite(RealFunction):
    """A function that is a formula over primitives: ``definition`` is what is compiled and differentiated.

    >>> from codegen.functions import silu
    >>> silu(sympy.Symbol("x", real=True)).definition()
    x*sigmoid(x)
    """

    @classmethod
    def formula(cls, *arguments: Expr) -> Expr:
        raise NotImplementedError

    def definition(self) -> Expr:
        """The formula over primitives that this function abbreviates."""
        return self.formula(*self.args)

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return self.definition().diff(symbol)

    def _eval_evalf(self, prec: int) -> Expr | None:
        return self.definition()._eval_evalf(prec)


class Approximation(Composite):
    """A formula with the digits of float64, which is compiled; the oracle evaluates ``value``, which is exact."""

    def _eval_evalf(self, prec: int) -> Expr | None:
        return RealFunction._eval_evalf(self, prec)
