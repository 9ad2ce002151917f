"""Operators that are a formula of each element."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce
from math import isfinite
from typing import Any

import numpy as np
import sympy
from sympy import Expr, Integer, Rational, exp, expand, log, sqrt, tanh

from codegen import functions as f
from codegen.ir.constants import as_float
from symnn.onnx.arrays import Array, Kind, Known, Value, below, greater, is_place, lesser, number
from symnn.onnx.operators.row import Fold, Node, Operator, Result

HALF = Rational(1, 2)


BROADCAST = {"axis": None, "broadcast": 0}
"""Before version 7 of the standard: whether the second of two arrays is repeated, and from which axis on it lies."""


def _laid(node: Node, inputs: Sequence[Value | None]) -> Sequence[Value | None]:
    """Two arrays as that standard lays them beside each other: the last axes of both, or those from one on."""
    first = node.attributes.get("axis")
    if first is None or len(inputs) != 2 or node.opset > 6:
        if node.opset > 6 and (first is not None or node.attributes.get("broadcast")):
            node.refuse("found axis or broadcast, which are from before version 7 of the standard")
        return inputs
    one, other = (node.writer.array(node.given(value, "input")) for value in inputs)
    behind = len(one.axes) - node.axis(first, max(1, len(one.axes))) - len(other.axes)
    if behind < 0:
        node.refuse(f"found an array of {len(other.axes)} axes from axis {first} on of one of {len(one.axes)}")
    return one, replace(other, axes=(*other.axes, *((),) * behind))


def formula(of: Callable[..., Expr], fold: Fold | None = None, laid: bool = False, **defaults: Any) -> Operator:
    """A function of real numbers; its attributes are further arguments. What folds is one of places too."""

    def write(node: Node, *inputs: Value | None) -> Result:
        inputs = tuple(_laid(node, inputs))
        if fold is not None and inputs and all(value is not None and value.kind == "integer" for value in inputs):
            return _of_places(node, fold, [node.given(value, "input") for value in inputs])
        axes, arrays = node.broadcast([node.real(value) for value in inputs])
        return Array(axes, _plain(node, of(*(a.body for a in arrays), *(number(node[name]) for name in defaults))))

    return Operator(write, {**defaults, **(BROADCAST if laid else {})}, fold)


def _of_places(node: Node, fold: Fold, values: Sequence[Value]) -> Array:
    """A function of integers that are sums of indices, which is one of them again."""
    axes, arrays = node.broadcast([node.writer.array(value) for value in values])
    if any(not is_place(array.body) for array in arrays):
        node.refuse("found integers of an input, expected real numbers, or the places of steps")
    found = expand(fold(node, *(array.body for array in arrays)))
    return Array(axes, found, "integer") if is_place(found) else node.refuse(f"found the place {found}")


def _plain(node: Node, body: Expr) -> Expr:
    """A formula; of numbers alone it is one, lest a tower of exponentials is built."""
    if not body.is_number or body.is_Rational:
        return body
    value = as_float(body)
    return number(value) if isfinite(value) else node.refuse(f"found a constant that is {value}")


def together(of: Callable[..., Expr], fold: Callable[[Any, Any], Any] | None = None, laid: bool = False) -> Operator:
    """A function of any number of real numbers."""
    folded = None if fold is None else lambda _, *given: reduce(fold, given)
    return formula(lambda *arguments: of(*arguments), folded, laid)


def comparison(of: Callable[[Expr, Expr], Expr], fold: Callable[[Any, Any], Any]) -> Operator:
    """A relation of two numbers, or of two booleans; 1 where it holds."""

    def decided(a: Any, b: Any) -> Any:
        """Of lengths and places what holds for all of them; None where it depends on them."""
        if not isinstance(a, Expr) and not isinstance(b, Expr):
            return fold(a, b)
        a, b = (sympy.sympify(each, strict=True) for each in (a, b))
        signs = {-1: below(b, a), 0: below(a + 1, b) or below(b + 1, a), 1: below(a, b)}
        found = {fold(sign, 0) for sign, is_excluded in signs.items() if not is_excluded}
        return found.pop() if len(found) == 1 else None

    def folded(a: Any, b: Any) -> Any:
        if np.asarray(a).dtype != object and np.asarray(b).dtype != object:
            return fold(a, b)
        found = np.asarray(np.frompyfunc(decided, 2, 1)(a, b))
        return None if None in found.ravel().tolist() else found.astype(bool)

    def write(node: Node, *inputs: Value | None) -> Result:
        one, other = (node.given(value, "input") for value in _laid(node, inputs))
        if one.kind != other.kind:
            node.refuse(f"found a {one.kind} and a {other.kind} array, expected two of a kind")
        axes, (a, b) = node.broadcast([node.writer.array(value) for value in (one, other)])
        return Array(axes, of(a.body, b.body), "boolean")

    return Operator(write, BROADCAST, lambda _, a, b: folded(a, b))


def logical(of: Callable[..., Expr], fold: Callable[..., Any]) -> Operator:
    """A function of booleans."""

    def write(node: Node, *inputs: Value | None) -> Result:
        found = [node.given(value, "input") for value in _laid(node, inputs)]
        if any(value.kind != "boolean" for value in found):
            node.refuse(f"found {', '.join(value.kind for value in found)}, expected booleans")
        axes, arrays = node.broadcast([node.writer.array(value) for value in found])
        return Array(axes, of(*(array.body for array in arrays)), "boolean")

    return Operator(write, BROADCAST, lambda _, *given: fold(*given))


def _above(a: Expr, b: Expr) -> Expr:
    # The difference of two equal infinities is nan, which is not above 0.
    return f.step(a - b)


def _at_least(a: Expr, b: Expr) -> Expr:
    return f.select(f.equal(a, b), Integer(1), f.step(a - b))


def rounded(x: Expr) -> Expr:
    """To the nearest whole number, halves to the even one."""
    below = f.floor(x)
    beyond = x - below
    return f.select(f.equal(beyond, HALF), 2 * f.floor(x / 2 + Rational(1, 4)), below + f.step(beyond - HALF))


def _divided(a: Any, b: Any) -> Any:
    """The quotient of integers, rounded towards 0 as C does; of lengths where it is one."""
    return np.frompyfunc(_quotient, 2, 1)(a, b)


def _quotient(a: Any, b: Any) -> Any:
    if isinstance(a, Expr) or isinstance(b, Expr):
        found = sympy.expand(a / b)
        if all(factor.is_Integer for factor in found.as_coefficients_dict().values()):
            return found
        raise ValueError(f"found {a} divided by {b}, which is no length")
    if b == 0:
        raise ValueError("found a division by 0")
    return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)


# --- those that are no plain formula ------------------------------------------------------------------------------


def _power(node: Node, base: Value | None, exponent: Value | None) -> Result:
    base, exponent = _laid(node, (base, exponent))
    found = node.given(exponent, "exponent")
    if found.kind == "integer" and isinstance(found, Array):
        found = replace(found, kind="real")
    if isinstance(found, Known) and found.values.size == 1:
        x = node.real(base)
        axes, (x, _) = node.broadcast([x, node.writer.constant(0, (1,) * len(found.shape))])
        y = Array((), number(float(found.values.ravel()[0])))
    else:
        axes, (x, y) = node.broadcast([node.real(base), node.real(found, "exponent")])
    if x.body.is_number and y.body.is_number:  # SymPy would write all digits of it
        with np.errstate(all="ignore"):
            value = float(np.power(float(x.body), float(y.body)))
        return Array(axes, number(value) if isfinite(value) else node.refuse(f"found a constant that is {value}"))
    return Array(axes, f.power(x.body, y.body))


def _clip(node: Node, x: Value | None, low: Value | None = None, high: Value | None = None) -> Result:
    limits = [node["min"], node["max"]]
    found = [limit if limit is None else node.real(limit, name) for limit, name in ((low, "min"), (high, "max"))]
    arrays = [node.real(x), *(a for a in found if a is not None)]
    axes, (here, *others) = node.broadcast(arrays)
    bounds = iter(others)
    ends = [
        next(bounds).body if array is not None else None if limit is None else number(limit)
        for array, limit in zip(found, limits)
    ]
    # min(max(x, low), high) of the standard, also where low is above high.
    body = here.body
    lowest, highest = ends
    if lowest is not None and highest is not None and lowest.is_number and highest.is_number and lowest < highest:
        return Array(axes, f.clip(body, lowest, highest))
    for end, function in zip(ends, (f.maximum, f.minimum)):
        if end is not None and not (end.is_number and abs(end) > 3 * 10**38):
            body = function(body, end)
    return Array(axes, body)


def _where(node: Node, condition: Value | None, x: Value | None, y: Value | None) -> Result:
    chosen, one, other = (node.given(value, "input") for value in (condition, x, y))
    if chosen.kind != "boolean" or one.kind != other.kind:
        node.refuse(f"found {chosen.kind}, {one.kind} and {other.kind}, expected a boolean and two of a kind")
    axes, (c, a, b) = node.broadcast([node.writer.array(value) for value in (chosen, one, other)])
    return Array(axes, f.select(c.body, a.body, b.body), one.kind)


def _same(node: Node, x: Value | None) -> Result:
    return node.given(x, "input")


def _dropout(node: Node, x: Value | None, ratio: Value | None = None, training: Value | None = None) -> Result:
    if node.scalar(training, "training_mode", 0) and node.scalar(ratio, "ratio", 0.5):
        node.refuse("found training_mode, expected a network in evaluation mode")
    found = node.given(x, "input")
    return [found, node.writer.constant(1, found.shape, "boolean")]


KINDS: dict[int, Kind] = {1: "real", 11: "real", 6: "integer", 7: "integer", 9: "boolean"}
"""By the numbers that files have for float32, float64, int32, int64 and bool."""
_TYPES: dict[int, Any] = {1: np.float32, 11: np.float64, 6: np.int32, 7: np.int64, 9: np.bool_}


def _cast(node: Node, x: Value | None) -> Result:
    value, to = node.given(x, "input"), node["to"]
    if to not in KINDS:
        node.refuse(f"found a cast to the type {to}, expected float32, float64, int32, int64 or bool")
    kind = KINDS[to]
    if value.kind == kind and not isinstance(value, Known):
        return value
    if isinstance(value, Known):
        if value.values.dtype == object:
            if kind == "real" and value.values.size == 1:  # a mean is over a length
                return Array(((),) * len(value.shape), sympy.sympify(value.values.item(), strict=True))
            if kind != "integer":
                node.refuse("found the lengths of axes where numbers are computed with")
            return Known(value.values, kind, value.name)
        if value.kind == "real" and kind == "integer" and not (np.abs(value.values) < 2**31).all():
            node.refuse("found a number that no int32 is")
        return Known(value.values.astype(_TYPES[to]), kind, value.name)
    if value.kind == kind or kind == "real":
        return Array(value.axes, value.body, kind)
    if kind == "boolean":
        return Array(value.axes, 1 - f.equal(value.body, Integer(0)), kind)
    whole = value.body if value.kind == "boolean" else f.sign(value.body) * f.floor(f.absolute(value.body))
    return Array(value.axes, whole, kind)


def _cast_like(node: Node, x: Value | None, like: Value | None) -> Result:
    value, kind = node.given(x, "input"), node.given(like, "target_type").kind
    if value.kind != kind and kind == "integer":
        node.refuse(f"found a cast of {value.kind}s to integers, whose type the graph decides")
    return _cast(replace(node, attributes={"to": {"real": 11, "integer": 7, "boolean": 9}[kind]}), x)


def _gelu(node: Node, x: Value | None) -> Result:
    forms = {"none": f.gelu, "tanh": f.gelu_tanh}
    if node["approximate"] not in forms:
        node.refuse(f"found approximate {node['approximate']!r}, expected none or tanh")
    array = node.real(x)
    return array.with_body(forms[node["approximate"]](array.body))


def _mod(node: Node, x: Value | None, y: Value | None) -> Result:
    axes, (a, b) = node.broadcast([node.real(x), node.real(y)])
    if node["fmod"]:
        return Array(axes, f.sign(a.body) * f.modulo(f.absolute(a.body), f.absolute(b.body)))
    return Array(axes, f.modulo(a.body, b.body))


def is_nan(x: Expr) -> Expr:
    return 1 - f.step(x) - f.step(-x) - f.equal(x, Integer(0))


def _is_infinite(node: Node, x: Value | None) -> Result:
    """At 0 the reciprocal is infinite too, so that what is not 0 has to be asked for."""
    array = node.real(x)
    body = array.body
    signs = [side for side, wanted in ((body, "detect_positive"), (-body, "detect_negative")) if node[wanted]]
    return Array(
        array.axes, sum((f.step(side) * f.equal(1 / side, Integer(0)) for side in signs), Integer(0)), "boolean"
    )


def _boolean(operator: Operator) -> Operator:
    """The operator with 1 and 0 as truth values."""

    def write(node: Node, *inputs: Value | None) -> Result:
        found = operator.write(node, *inputs)
        return replace(found, kind="boolean") if isinstance(found, Array) else found

    return replace(operator, write=write)


def _prelu(node: Node, x: Value | None, slope: Value | None) -> Result:
    array, factor = node.real(x), node.real(slope, "slope")
    if node.opset < 7 and len(factor.axes) == 1 and factor.axes[0]:  # of the channels
        factor = replace(factor, axes=(*factor.axes, *((),) * (len(array.axes) - 2)))
    axes, (here, by) = node.broadcast([array, factor])
    return Array(axes, f.select(here.body, here.body, by.body * here.body))


def _swiglu(gate: Expr, x: Expr, alpha: Expr) -> Expr:
    return gate * f.sigmoid(alpha * gate) * x


def _eye_like(node: Node, x: Value | None) -> Result:
    shape = node.given(x, "input").shape
    if len(shape) != 2 or node["dtype"] not in (None, *KINDS):
        node.refuse(f"found shape {shape} and type {node['dtype']}, expected a matrix of numbers")
    found = node.writer.constant(1, shape)
    row, column = (axis[0] if axis else Integer(0) for axis in found.axes)
    return Array(found.axes, f.equal(column, row + node["k"]), KINDS[node["dtype"] or 1])


def _softsign(x: Expr) -> Expr:
    return x / (1 + f.absolute(x))


def _mish(x: Expr) -> Expr:
    return x * tanh(f.softplus(x))


def _celu(x: Expr, alpha: Expr) -> Expr:
    return f.select(x, x, alpha * f.expm1(x / alpha))


def _shrink(x: Expr, bias: Expr, lambd: Expr) -> Expr:
    return f.step(x - lambd) * (x - bias) + f.step(-lambd - x) * (x + bias)


OPERATORS: dict[str, Operator] = {
    "Abs": formula(f.absolute, lambda _, x: abs(x)),
    "Acos": formula(sympy.acos),
    "Acosh": formula(sympy.acosh),
    "Add": together(sympy.Add, lambda a, b: a + b, laid=True),
    "And": logical(lambda a, b: a * b, np.logical_and),
    "Asin": formula(sympy.asin),
    "Asinh": formula(sympy.asinh),
    "Atan": formula(sympy.atan),
    "Atanh": formula(sympy.atanh),
    "Cast": Operator(_cast, {"to": None, "saturate": 1, "round_mode": "up"}),
    "CastLike": Operator(_cast_like, {"saturate": 1, "round_mode": "up"}),
    "Ceil": formula(f.ceiling),
    "Celu": formula(_celu, alpha=1.0),
    "Clip": Operator(_clip, {"min": None, "max": None}),
    "Cos": formula(sympy.cos),
    "Cosh": formula(sympy.cosh),
    "Div": formula(lambda a, b: a / b, lambda _, a, b: _divided(a, b), laid=True),
    "Dropout": Operator(_dropout, {"ratio": 0.5, "seed": None}),
    "Elu": formula(f.elu, alpha=1.0),
    "Equal": comparison(f.equal, lambda a, b: a == b),
    "Erf": formula(sympy.erf),
    "Exp": formula(exp),
    "Floor": formula(f.floor),
    "Gelu": Operator(_gelu, {"approximate": "none"}),
    "Greater": comparison(_above, lambda a, b: a > b),
    "GreaterOrEqual": comparison(_at_least, lambda a, b: a >= b),
    "HardSigmoid": formula(
        lambda x, alpha, beta: f.clip(alpha * x + beta, Integer(0), Integer(1)), alpha=0.2, beta=0.5
    ),
    "HardSwish": formula(lambda x: x * f.clip(x / 6 + HALF, Integer(0), Integer(1))),
    "EyeLike": Operator(_eye_like, {"dtype": None, "k": 0}),
    "Identity": Operator(_same),
    "IsInf": Operator(_is_infinite, {"detect_negative": 1, "detect_positive": 1}),
    "IsNaN": _boolean(formula(is_nan)),
    "LeakyRelu": formula(f.leaky_relu, alpha=0.01),
    "Less": comparison(lambda a, b: _above(b, a), lambda a, b: a < b),
    "LessOrEqual": comparison(lambda a, b: _at_least(b, a), lambda a, b: a <= b),
    "Log": formula(log),
    "Max": together(f.maximum, np.frompyfunc(greater, 2, 1)),
    "Mean": formula(lambda *arguments: sympy.Add(*arguments) / len(arguments)),
    "Min": together(f.minimum, np.frompyfunc(lesser, 2, 1)),
    "Mish": formula(_mish),
    "Mod": Operator(_mod, {"fmod": 0}, lambda node, a, b: (np.fmod if node["fmod"] else np.mod)(a, b)),
    "Mul": together(sympy.Mul, lambda a, b: a * b, laid=True),
    "Neg": formula(lambda x: -x, lambda _, x: -x),
    "Not": logical(lambda a: 1 - a, np.logical_not),
    "Or": logical(lambda a, b: a + b - a * b, np.logical_or),
    "PRelu": Operator(_prelu),
    "Pow": Operator(_power, BROADCAST),
    "Reciprocal": formula(lambda x: 1 / x),
    "Relu": formula(f.relu),
    "Round": formula(rounded),
    "Selu": formula(
        lambda x, alpha, gamma: gamma * f.select(x, x, alpha * f.expm1(x)),
        alpha=1.67326319217681884765625,
        gamma=1.05070102214813232421875,
    ),
    "Shrink": formula(_shrink, bias=0.0, lambd=0.5),
    "Sigmoid": formula(f.sigmoid),
    "Sign": formula(f.sign),
    "Sin": formula(sympy.sin),
    "Sinh": formula(sympy.sinh),
    "Softplus": formula(f.softplus),
    "Softsign": formula(_softsign),
    "Sqrt": formula(sqrt),
    "Sub": formula(lambda a, b: a - b, lambda _, a, b: a - b, laid=True),
    "Sum": together(sympy.Add),
    "SwiGLU": formula(_swiglu, alpha=1.0),
    "Swish": formula(lambda x, alpha: x * f.sigmoid(alpha * x), alpha=1.0),
    "Tan": formula(sympy.tan),
    "Tanh": formula(tanh),
    "ThresholdedRelu": formula(lambda x, alpha: f.select(x - alpha, x, Integer(0)), alpha=1.0),
    "Where": Operator(_where, {}, lambda _, c, a, b: np.where(c, a, b)),
    "Xor": logical(lambda a, b: a + b - 2 * a * b, np.logical_xor),
}
"""By their names."""
