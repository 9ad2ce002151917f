"""∂P(a, x)/∂a in SIMD lanes of float64; what is computed is said in :mod:`codegen.functions.gamma_slope`."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce

from llvmlite import ir

from codegen.emit.instructions import begun, function_of
from codegen.emit.lanes import Lanes, Value
from codegen.emit.vectormath.exponential import exp, expm1
from codegen.emit.vectormath.logarithm import log, log1p
from codegen.emit.vectormath.parts import polynomial_at
from codegen.functions import gamma_slope as rule

__all__ = ["slope_by_shape"]


def slope_by_shape(lanes: Lanes, a: Value, x: Value, digamma: Callable[[Lanes, Value], Value]) -> Value:
    """∂P(a, x)/∂a for a > 0 and x ≥ 0, nan elsewhere."""
    inside = lanes.both(lanes.compare(">", a, 0.0), lanes.compare(">=", x, 0.0))
    small = lanes.both(inside, lanes.compare("<=", x, 1.0))
    large = lanes.both(inside, lanes.compare(">", x, 1.0))
    value = lanes.where_any(small, lambda: _near(lanes, a, lanes.at_most(x, 1.0), digamma), lanes.real(math.nan))
    kept = lanes.at_least(lanes.at_most(x, rule.BEYOND), 1.0)
    value = lanes.where_any(large, lambda: _far(lanes, a, kept, digamma), value)
    ended = lanes.either(lanes.compare("==", x, 0.0), lanes.compare(">", x, rule.BEYOND))
    return lanes.select(lanes.both(inside, ended), 0.0, value)


def _near(lanes: Lanes, a: Value, x: Value, digamma: Callable[[Lanes, Value], Value]) -> Value:
    term, first, second = lanes.real(1.0), lanes.real(0.0), lanes.real(0.0)
    for k in range(1, rule.SERIES + 1):
        term = lanes.mul(term, lanes.mul(x, -1 / k))
        inverse = lanes.div(1.0, lanes.add(a, float(k)))
        part = lanes.mul(term, inverse)
        first, second = lanes.add(first, part), lanes.fma(part, inverse, second)
    one_more, logarithm = lanes.add(a, 1.0), log(lanes, x)
    distance = lanes.sub(logarithm, digamma(lanes, one_more))
    bracket = lanes.fma(distance, lanes.fma(a, first, 1.0), lanes.fma(lanes.neg(a), second, first))
    power = exp(lanes, lanes.mul(a, logarithm))
    return lanes.mul(lanes.div(power, lanes.libm("tgamma", one_more)), bracket)


def _far(lanes: Lanes, a: Value, x: Value, digamma: Callable[[Lanes, Value], Value]) -> Value:
    is_large = lanes.compare(">=", a, rule.LARGE)
    small, large = lanes.select(is_large, 1.0, a), lanes.select(is_large, a, rule.LARGE)
    inverse, logarithm = lanes.div(1.0, large), log(lanes, x)
    square = lanes.mul(inverse, inverse)
    near = lanes.compare(">", x, lanes.mul(large, 0.125))
    moved = log1p(lanes, lanes.div(lanes.sub(x, large), large))
    moved = lanes.select(near, moved, lanes.sub(logarithm, log(lanes, large)))
    corrected = lanes.fma(large, _phi(lanes, moved), lanes.mul(inverse, polynomial_at(lanes, square, rule.STIRLING)))
    of_large = lanes.mul(lanes.sqrt(lanes.mul(large, 0.5 / math.pi)), exp(lanes, lanes.neg(corrected)))
    of_small = lanes.mul(exp(lanes, lanes.mul(small, logarithm)), exp(lanes, lanes.neg(x)))
    of_small = lanes.div(of_small, lanes.libm("tgamma", small))
    beside = lanes.fma(square, polynomial_at(lanes, square, rule.DIGAMMA), lanes.fma(inverse, 0.5, moved))
    distance = lanes.select(is_large, beside, lanes.sub(logarithm, digamma(lanes, small)))
    above = lanes.compare(">", distance, 0.0)
    sign = lanes.select(above, 1.0, -1.0)
    slope, far = lanes.mul(sign, lanes.sub(x, a)), lanes.abs(distance)
    end = lanes.select(above, _end_above(lanes, a, x, slope), _end_below(lanes, a, x, slope))
    term, total = _integrand(lanes), lanes.real(0.0)
    for node, weight in zip(rule.NODES, rule.WEIGHTS):
        value = lanes.builder.call(term, [lanes.mul(end, node), x, slope, far, sign])
        total = lanes.fma(value, weight, total)
    return lanes.neg(lanes.mul(lanes.select(is_large, of_large, of_small), lanes.mul(end, total)))


def _integrand(lanes: Lanes) -> ir.Function:
    """(δ + |log x − ψ(a)|)·exp(−E(δ)), a function of its own: it is called for every node."""
    signature = ir.FunctionType(lanes.real_type, [lanes.real_type] * 5)
    function = function_of(lanes.builder.module, signature, f"codegen.gamma_slope.{lanes.width}xf64")
    if function.is_declaration:
        function.linkage = "internal"
        function.attributes.add("noinline")
        builder = begun(function)
        inner = Lanes(builder, lanes.width, "float64")
        at, x, slope, far, sign = function.args
        exponent = inner.fma(x, _phi(inner, inner.mul(sign, at)), inner.mul(slope, at))
        builder.ret(inner.mul(inner.add(at, far), exp(inner, inner.neg(exponent))))
    return function


def _end_above(lanes: Lanes, a: Value, x: Value, slope: Value) -> Value:
    end = _quadratic(lanes, slope, lanes.mul(2 * rule.END, x))
    for _ in range(rule.STEPS):
        end = lanes.at_most(end, log1p(lanes, lanes.div(lanes.fma(a, end, rule.END), x)))
    return end


def _end_below(lanes: Lanes, a: Value, x: Value, slope: Value) -> Value:
    short = _quadratic(lanes, slope, lanes.mul(4 * rule.END / 3, x))
    start = lanes.div(lanes.add(x, rule.END), a)

    def nearer(end: Value, _: int) -> Value:
        return lanes.div(lanes.sub(rule.END, lanes.mul(x, expm1(lanes, lanes.neg(end)))), a)

    end = reduce(nearer, range(rule.STEPS), start)
    return lanes.select(lanes.compare("<=", short, 1.0), lanes.at_most(end, short), end)


def _quadratic(lanes: Lanes, slope: Value, curved: Value) -> Value:
    """Where slope·δ + ½·curvature·δ² is END."""
    return lanes.div(2 * rule.END, lanes.add(slope, lanes.sqrt(lanes.fma(slope, slope, curved))))


def _phi(lanes: Lanes, x: Value) -> Value:
    """exp(x) − 1 − x."""
    near = lanes.mul(lanes.mul(x, x), polynomial_at(lanes, x, rule.PHI))
    far = lanes.sub(lanes.sub(exp(lanes, x), 1.0), x)
    return lanes.select(lanes.compare("<=", lanes.abs(x), 1.0), near, far)
