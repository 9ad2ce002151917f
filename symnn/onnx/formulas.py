"""Bodies of equations as nodes: a table of functions, each written with what ONNX Runtime computes rightly.

It has float64 kernels for few functions, and some of those that it has are wrong where it matters: Sigmoid is 0 below
−37, and there is no Erf. What is written here is right to 10⁻¹² in float64 and 10⁻⁵ in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import log, pi, sqrt
from typing import Any

import numpy as np
import sympy
from sympy import Add, And, Expr, Idx, Indexed, Integer, Mul, Not, Or, Piecewise, Pow, Rational, Symbol
from sympy.core.basic import Basic
from sympy.core.relational import Relational
from sympy.logic.boolalg import BooleanAtom

from codegen import functions as f
from codegen.errors import EmitError
from codegen.functions import Composite, Primitive
from codegen.ir.affine import affine
from codegen.ir.constants import as_float
from codegen.walk import is_reference
from symnn.onnx.emitting import Emitter, Tensor

Read = Callable[[Expr], Tensor]
"""What a reference reads: real numbers, or integers as int64."""


class Formula:
    """One body, as tensors over the indices that its parts have."""

    def __init__(self, emitter: Emitter, read: Read, is_integer: Callable[[Expr], bool]) -> None:
        self.emitter, self.read, self.is_integer = emitter, read, is_integer
        self._done: dict[int, Tensor] = {}
        self._kept: list[Basic] = []

    def real(self, expression: Expr) -> Tensor:
        """The value of an expression; of each node once."""
        stack: list[tuple[Basic, bool]] = [(expression, False)]
        while stack:
            node, ready = stack.pop()
            if id(node) in self._done:
                continue
            if ready or not _inner(node):
                self._kept.append(node)
                self._done[id(node)] = self._node(node)
            else:
                stack.append((node, True))
                stack += [(argument, False) for argument in _inner(node)]
        return self._done[id(expression)]

    def _node(self, node: Basic) -> Tensor:
        e = self.emitter
        if isinstance(node, Idx):
            return e.as_real(e.range(node))
        if is_reference(node):
            found = self.read(node)
            return e.as_real(found) if self.is_integer(node) else found
        if isinstance(node, Symbol):
            return e.as_real(Tensor(e.size(node)))
        if node.is_number and not isinstance(node, (Primitive, Composite)):
            return e.number(as_float(node))
        if isinstance(node, Piecewise):
            return self._choice(node)
        if isinstance(node, Mul):
            return self._product(node)
        if isinstance(node, Pow):
            return self._power(node)
        arguments = [self.real(argument) for argument in node.args]
        if isinstance(node, Add):
            return self._sum(node)
        if isinstance(node, f.equal):
            return self.choose(self.condition(sympy.Eq(*node.args, evaluate=False)), e.number(1), e.number(0))
        written = FUNCTIONS.get(type(node))
        if written is not None:
            return written(self, *arguments)
        if isinstance(node, Composite):
            return self._kept_real(node.definition())
        if isinstance(node, Primitive) and node.row.written is not None:
            return self._kept_real(node.row.written(*node.args))
        name = type(node).__name__
        raise EmitError(f"{name}: found a function that no operator of ONNX computes in {self.emitter.real}")

    def _kept_real(self, expression: Expr) -> Tensor:
        self._kept.append(expression)
        return self.real(expression)

    # --- arithmetic -----------------------------------------------------------------------------------------------

    def _sum(self, node: Add) -> Tensor:
        e = self.emitter
        total: Tensor | None = None
        # What is positive first: −a + b is b − a.
        for term in sorted(node.args, key=lambda term: term.could_extract_minus_sign()):
            negative = total is not None and term.could_extract_minus_sign()
            value = self._kept_real(-term) if negative else self.real(term)
            total = value if total is None else e.combined("Sub" if negative else "Add", total, value)
        assert total is not None
        return total

    def _product(self, node: Mul) -> Tensor:
        e = self.emitter
        below = [Pow(a.base, -a.exp) for a in node.args if isinstance(a, Pow) and _is_negative(a.exp)]
        above = [a for a in node.args if not (isinstance(a, Pow) and _is_negative(a.exp))]
        if above and above[0] == -1 and len(above) > 1:
            return e.combined("Neg", self._kept_real(Mul(*above[1:], *(1 / b for b in below), evaluate=False)))
        top = self.multiplied([self.real(a) for a in above]) if above else e.number(1)
        if not below:
            return top
        return e.combined("Div", top, self.multiplied([self._kept_real(b) for b in below]))

    def multiplied(self, factors: Sequence[Tensor]) -> Tensor:
        """A product of elements, those of few axes first."""
        first, *others = sorted(factors, key=lambda factor: len(factor.axes))
        for other in others:
            first = self.emitter.combined("Mul", first, other)
        return first

    def _power(self, node: Pow) -> Tensor:
        e = self.emitter
        base, exponent = node.args
        if base == sympy.E:
            return e.combined("Exp", self.real(exponent))
        if exponent == Rational(1, 2):
            return e.combined("Sqrt", self.real(base))
        if _is_negative(exponent):
            return e.combined("Div", e.number(1), self._kept_real(Pow(base, -exponent)))
        if isinstance(exponent, Integer) and exponent <= 16:
            return self._repeated(self.real(base), int(exponent))
        if isinstance(exponent, Rational) and exponent.q == 2 and exponent.p <= 16:
            value = self.real(base)
            return e.combined("Mul", self._repeated(value, exponent.p // 2), e.combined("Sqrt", value))
        return e.combined("Pow", self.real(base), self.real(exponent))

    def _repeated(self, value: Tensor, times: int) -> Tensor:
        if times == 1:
            return value
        half = self._repeated(value, times // 2)
        square = self.emitter.combined("Mul", half, half)
        return self.emitter.combined("Mul", square, value) if times % 2 else square

    # --- choices --------------------------------------------------------------------------------------------------

    def choose(self, condition: Tensor | bool, one: Tensor, other: Tensor) -> Tensor:
        """One where the condition holds, else the other."""
        if isinstance(condition, bool):
            return one if condition else other
        return self.emitter.combined("Where", condition, one, other)

    def _choice(self, node: Piecewise) -> Tensor:
        found = self.emitter.number(np.nan)
        for value, condition in reversed([pair.args for pair in node.args]):
            found = self.choose(self.condition(condition), self.real(value), found)
        return found

    def condition(self, given: Basic) -> Tensor | bool:
        """Where a condition holds."""
        e = self.emitter
        if isinstance(given, BooleanAtom) or given in (True, False):
            return bool(given)
        if isinstance(given, (And, Or)):
            found: Tensor | bool = isinstance(given, And)
            for part in (self.condition(argument) for argument in given.args):
                if isinstance(part, bool):
                    if part is not isinstance(given, And):
                        return part
                else:
                    operator = "And" if isinstance(given, And) else "Or"
                    found = part if isinstance(found, bool) else e.combined(operator, found, part)
            return found
        if isinstance(given, Not):
            part = self.condition(given.args[0])
            return not part if isinstance(part, bool) else e.combined("Not", part)
        if isinstance(given, Relational) and type(given) in RELATIONS:
            left, right = given.args
            sides = [self.integer(left), self.integer(right)]
            if None in sides:
                return self.compared(type(given), self.real(left), self.real(right))
            return self.compared(type(given), *sides)  # type: ignore[arg-type]
        raise EmitError(f"found the condition {type(given).__name__}, expected comparisons")

    def compared(self, kind: type[Basic], left: Tensor, right: Tensor) -> Tensor:
        """A comparison of two tensors."""
        operator, negated = RELATIONS[kind]
        found = self.emitter.combined(operator, left, right)
        return self.emitter.combined("Not", found) if negated else found

    def integer(self, expression: Expr) -> Tensor | None:
        """The int64 numbers that a sum of indices, lengths and integers of inputs is; None if it is none."""
        e = self.emitter
        form = affine(expression)
        if form is not None:
            return e.places(form)
        found: Tensor | None = None
        for term in Add.make_args(expression):
            factor, leaf = term.as_coeff_Mul()
            if not factor.is_Integer:
                return None
            part = self.read(leaf) if isinstance(leaf, (Indexed, Symbol)) and self.is_integer(leaf) else None
            if part is None:
                rest = affine(term)
                part = None if rest is None else e.places(rest)
            elif factor != 1:
                part = e.combined("Mul", part, Tensor(e.integers(int(factor))))
            if part is None:
                return None
            found = part if found is None else e.combined("Add", found, part)
        return found

    # --- functions ------------------------------------------------------------------------------------------------

    def call(self, operator: str, *tensors: Tensor) -> Tensor:
        """An operator of elements."""
        return self.emitter.combined(operator, *tensors)

    def n(self, value: float) -> Tensor:
        """A number."""
        return self.emitter.number(value)


def _inner(node: Basic) -> Sequence[Basic]:
    """What is written before a node in any case; the rest is written when it is met."""
    if is_reference(node) or isinstance(node, (Idx, Symbol, Relational, And, Or, Not, BooleanAtom)) or not node.args:
        return ()
    if isinstance(node, Piecewise):
        return tuple(pair.args[0] for pair in node.args)
    if isinstance(node, f.equal) or (node.is_number and not isinstance(node, (Primitive, Composite))):
        return ()
    if isinstance(node, (Mul, Pow)):
        return tuple(
            a.base if isinstance(a, Pow) else a for a in (node.args if isinstance(node, Mul) else node.args[:1])
        )
    return node.args  # type: ignore[no-any-return]


def _is_negative(exponent: Expr) -> bool:
    return bool(exponent.is_number and exponent.could_extract_minus_sign())


RELATIONS: Mapping[type[Basic], tuple[str, bool]] = {
    sympy.StrictLessThan: ("Less", False),
    sympy.StrictGreaterThan: ("Greater", False),
    sympy.LessThan: ("LessOrEqual", False),
    sympy.GreaterThan: ("GreaterOrEqual", False),
    sympy.Eq: ("Equal", False),
    sympy.Ne: ("Equal", True),
}


# --- functions that are written out -------------------------------------------------------------------------------


def _plain(operator: str) -> Callable[..., Tensor]:
    return lambda w, *x: w.call(operator, *x)


def _sigmoid(w: Formula, x: Tensor) -> Tensor:
    e = w.call("Exp", w.call("Neg", w.call("Abs", x)))
    below = w.call("Add", w.n(1), e)
    return w.call("Where", w.call("Greater", x, w.n(0)), w.call("Div", w.n(1), below), w.call("Div", e, below))


def _log1p(w: Formula, x: Tensor) -> Tensor:
    # log(u)·x/(u − 1) with u = 1 + x loses nothing of x where u is rounded (Kahan).
    u = w.call("Add", w.n(1), x)
    near = w.call("Sub", u, w.n(1))
    safe = w.call("Where", w.call("Equal", near, w.n(0)), w.n(1), near)
    value = w.call("Mul", w.call("Log", u), w.call("Div", x, safe))
    far = w.call("Greater", w.call("Abs", x), w.n(1e15))
    value = w.call("Where", far, w.call("Log", u), value)
    return w.call("Where", w.call("Equal", near, w.n(0)), x, value)


def _expm1(w: Formula, x: Tensor) -> Tensor:
    u = w.call("Exp", x)
    plain = w.call("Sub", u, w.n(1))
    small = w.call("Less", w.call("Abs", x), w.n(0.5))
    held = w.call("Where", small, x, w.n(0.25))
    v = w.call("Exp", held)
    log = w.call("Log", v)
    flat = w.call("Equal", log, w.n(0))
    kept = w.call("Mul", w.call("Sub", v, w.n(1)), w.call("Div", held, w.call("Where", flat, w.n(1), log)))
    return w.call("Where", small, w.call("Where", flat, x, kept), plain)


def _softplus(w: Formula, x: Tensor) -> Tensor:
    e = w.call("Exp", w.call("Neg", w.call("Abs", x)))
    return w.call("Add", _relu(w, x), _log1p(w, e))


def _relu(w: Formula, x: Tensor) -> Tensor:
    return w.call("Where", w.call("LessOrEqual", x, w.n(0)), w.n(0), x)


def _step(w: Formula, x: Tensor) -> Tensor:
    return w.call("Where", w.call("Greater", x, w.n(0)), w.n(1), w.n(0))


def _maximum(w: Formula, *x: Tensor) -> Tensor:
    first, *others = x
    for other in others:
        first = w.call("Max", first, other)
    return first


def _minimum(w: Formula, *x: Tensor) -> Tensor:
    first, *others = x
    for other in others:
        first = w.call("Min", first, other)
    return first


def _clip(w: Formula, x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    return w.call("Min", w.call("Max", x, low), high)


def _select(w: Formula, c: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return w.call("Where", w.call("Greater", c, w.n(0)), a, b)


def _modulo(w: Formula, x: Tensor, y: Tensor) -> Tensor:
    return w.call("Sub", x, w.call("Mul", y, w.call("Floor", w.call("Div", x, y))))


def _tan(w: Formula, x: Tensor) -> Tensor:
    return w.call("Div", w.call("Sin", x), w.call("Cos", x))


def _sinh(w: Formula, x: Tensor) -> Tensor:
    a = _expm1(w, w.call("Abs", x))
    below = w.call("Add", a, w.n(1))
    # At the end of the range a/(a + 1) is inf/inf.
    part = w.call("Where", w.call("Greater", a, w.n(1e15)), w.n(1), w.call("Div", a, below))
    return w.call("Mul", w.call("Sign", x), w.call("Mul", w.n(0.5), w.call("Add", a, part)))


def _cosh(w: Formula, x: Tensor) -> Tensor:
    e = w.call("Exp", w.call("Abs", x))
    return w.call("Add", w.call("Mul", w.n(0.5), e), w.call("Div", w.n(0.5), e))


def _hypot(w: Formula, *x: Tensor) -> Tensor:
    sizes = [w.call("Abs", each) for each in x]
    most = _maximum(w, *sizes)
    safe = w.call("Where", w.call("Greater", most, w.n(0)), most, w.n(1))
    parts = [w.call("Div", size, safe) for size in sizes]
    total = w.call("Mul", parts[0], parts[0])
    for part in parts[1:]:
        total = w.call("Add", total, w.call("Mul", part, part))
    return w.call("Mul", most, w.call("Sqrt", total))


def _ratio(w: Formula, x: Tensor, size: Tensor) -> Tensor:
    none = w.call("Equal", size, w.n(0))
    return w.call("Where", none, x, w.call("Div", x, w.call("Where", none, w.n(1), size)))


def _asinh(w: Formula, x: Tensor) -> Tensor:
    a = w.call("Abs", x)
    square = w.call("Mul", a, a)
    root = w.call("Sqrt", w.call("Add", w.n(1), square))
    near = _log1p(w, w.call("Add", a, w.call("Div", square, w.call("Add", w.n(1), root))))
    far = w.call("Add", w.call("Log", a), w.n(log(2)))
    return w.call("Mul", w.call("Sign", x), w.call("Where", w.call("Greater", a, w.n(1e9)), far, near))


def _acosh(w: Formula, x: Tensor) -> Tensor:
    above = w.call("Sub", x, w.n(1))
    root = w.call("Sqrt", w.call("Mul", above, w.call("Add", x, w.n(1))))
    far = w.call("Add", w.call("Log", x), w.n(log(2)))
    return w.call("Where", w.call("Greater", x, w.n(1e9)), far, _log1p(w, w.call("Add", above, root)))


def _atanh(w: Formula, x: Tensor) -> Tensor:
    inner = w.call("Div", w.call("Add", x, x), w.call("Sub", w.n(1), x))
    return w.call("Mul", w.n(0.5), _log1p(w, inner))


def _atan(w: Formula, x: Tensor) -> Tensor:
    a = w.call("Abs", x)
    far = w.call("Greater", a, w.n(1))
    held = w.call("Where", far, w.call("Div", w.n(1), w.call("Where", far, a, w.n(1))), a)
    t = w.call("Sub", w.call("Mul", w.n(2), w.call("Mul", held, held)), w.n(1))
    near = w.call("Mul", held, _series(w, t, _of_atan()))
    return w.call("Mul", w.call("Sign", x), w.call("Where", far, w.call("Sub", w.n(pi / 2), near), near))


def _asin(w: Formula, x: Tensor) -> Tensor:
    left = w.call("Mul", w.call("Sub", w.n(1), x), w.call("Add", w.n(1), x))
    root = w.call("Sqrt", left)
    end = w.call("Equal", root, w.n(0))
    inside = _atan(w, w.call("Div", x, w.call("Where", end, w.n(1), root)))
    return w.call("Where", end, w.call("Mul", w.call("Sign", x), w.n(pi / 2)), inside)


def _acos(w: Formula, x: Tensor) -> Tensor:
    return w.call("Sub", w.n(pi / 2), _asin(w, x))


def _series(w: Formula, t: Tensor, coefficients: Sequence[float]) -> Tensor:
    """A series of Chebyshev polynomials, by Clenshaw's recurrence."""
    twice = w.call("Add", t, t)
    first, *lower, last = coefficients
    one, two = w.n(last), w.n(0)
    for c in reversed(lower):
        one, two = w.call("Add", w.call("Sub", w.call("Mul", twice, one), two), w.n(c)), one
    return w.call("Add", w.call("Sub", w.call("Mul", t, one), two), w.n(first))


@lru_cache
def _of_atan() -> tuple[float, ...]:
    """Chebyshev's coefficients of atan(x)/x in 2x² − 1, 0 ≤ x ≤ 1."""

    def value(t: Any) -> Any:
        x = np.sqrt((1 + t) / 2)
        return np.arctan(x) / x

    return _interpolated(value, 26)


TURN = 3.75


@lru_cache
def _of_erfcx() -> tuple[float, ...]:
    """Those of (1 + 2x)·erfcx(x) in (x − 3.75)/(x + 3.75), x ≥ 0 (Shepherd, Laframboise 1981)."""
    from scipy.special import erfcx

    def value(t: Any) -> Any:
        x = TURN * (1 + t) / (1 - t)
        return (1 + 2 * x) * erfcx(x)

    return _interpolated(value, 30)


def _interpolated(value: Callable[[Any], Any], degree: int) -> tuple[float, ...]:
    from numpy.polynomial import chebyshev

    interpolate: Any = chebyshev.chebinterpolate
    return tuple(float(c) for c in interpolate(value, degree))


def _scaled_erfc(w: Formula, x: Tensor) -> Tensor:
    """erfcx(x) = exp(x²)·erfc(x) of x ≥ 0."""
    t = w.call("Div", w.call("Sub", x, w.n(TURN)), w.call("Add", x, w.n(TURN)))
    return w.call("Div", _series(w, t, _of_erfcx()), w.call("Add", w.n(1), w.call("Add", x, x)))


def _erfc(w: Formula, x: Tensor) -> Tensor:
    a = w.call("Abs", x)
    tail = w.call("Mul", w.call("Exp", w.call("Neg", w.call("Mul", a, a))), _scaled_erfc(w, a))
    return w.call("Where", w.call("Greater", x, w.n(0)), tail, w.call("Sub", w.n(2), tail))


def _erf(w: Formula, x: Tensor) -> Tensor:
    return w.call("Mul", w.call("Sign", x), w.call("Sub", w.n(1), _erfc(w, w.call("Abs", x))))


def _normal_cdf(w: Formula, x: Tensor) -> Tensor:
    return w.call("Mul", w.n(0.5), _erfc(w, w.call("Mul", w.n(-sqrt(0.5)), x)))


def _same(w: Formula, x: Tensor) -> Tensor:
    return x


FUNCTIONS: Mapping[type[Basic], Callable[..., Tensor]] = {
    sympy.exp: _plain("Exp"),
    sympy.log: _plain("Log"),
    sympy.sin: _plain("Sin"),
    sympy.cos: _plain("Cos"),
    sympy.tan: _tan,
    sympy.tanh: _plain("Tanh"),
    sympy.sinh: _sinh,
    sympy.cosh: _cosh,
    sympy.erf: _erf,
    sympy.erfc: _erfc,
    sympy.atan: _atan,
    sympy.asin: _asin,
    sympy.acos: _acos,
    sympy.asinh: _asinh,
    sympy.acosh: _acosh,
    sympy.atanh: _atanh,
    sympy.Abs: _plain("Abs"),
    f.hypot: _hypot,
    f.ratio: _ratio,
    f.absolute: _plain("Abs"),
    f.sign: _plain("Sign"),
    f.floor: _plain("Floor"),
    f.relu: _relu,
    f.step: _step,
    f.sigmoid: _sigmoid,
    f.softplus: _softplus,
    f.log1p: _log1p,
    f.expm1: _expm1,
    f.maximum: _maximum,
    f.minimum: _minimum,
    f.clip: _clip,
    f.select: _select,
    f.modulo: _modulo,
    f.power: _plain("Pow"),
    f.normal_cdf: _normal_cdf,
    f.stop_gradient: _same,
}
"""Every other function is written out by the formula that its row has, or refused."""
