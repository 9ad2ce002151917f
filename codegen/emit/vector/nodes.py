"""Expressions as vector instructions: a table from SymPy nodes to what they become."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from itertools import pairwise
from typing import TypeAlias

from llvmlite import ir
from sympy import Add, And, Expr, Idx, Indexed, Mul, Not, Number, Or, Piecewise, Pow, Symbol
from sympy.core.basic import Basic
from sympy.core.relational import Relational
from sympy.functions.elementary.piecewise import ExprCondPair
from sympy.logic.boolalg import BooleanAtom

from codegen import functions as f
from codegen.emit import externals, special_forms, vectormath
from codegen.emit.lanes import Lanes
from codegen.emit.scalars import product_factors
from codegen.emit.vector.random_numbers import drawn
from codegen.emit.vector.values import Scope, Value
from codegen.emit.vector.writer import Writer
from codegen.errors import EmitError
from codegen.functions.powers import is_inverse, is_multiplied, is_root, raised
from codegen.functions.random_numbers import RandomNumber
from codegen.ir.constants import as_float
from codegen.schedule.cut import is_guard, is_sum_of_indices
from codegen.schedule.lanes import is_mixed
from codegen.schedule.program import Program
from codegen.walk import Extent, base_name, extent, is_leaf, postorder

_Of = Callable[[Basic], Value]

SHORT = 2**31
"""Integers below are as long as a real number of float32."""
CHOSEN = 5
"""Up to so many brackets are counted by n(n + 1)/2 choices among reciprocals; more are added, 1 is divided by that."""


def evaluate(w: Writer, expression: Expr, scope: Scope) -> Value:
    """The value of an expression that has been through the passes, each shared node computed once."""
    results: dict[int, Value] = {}
    for node in postorder(expression, _ends):
        if is_guard(node):
            results[id(node)] = _branches(w, list(node.args), scope)
        else:
            results[id(node)] = _node(w, node, scope, lambda part: results[id(part)])
    return results[id(expression)]


def _ends(node: Basic) -> bool:
    """Whether what a node consists of is not evaluated before it."""
    return is_leaf(node) or is_guard(node) or isinstance(node, RandomNumber)


def _branches(w: Writer, branches: list[Basic], scope: Scope) -> Value:
    """A choice of which each branch is evaluated under its condition alone."""
    (value, condition), *rest = (branches[0].args, *branches[1:])
    if condition == True:  # noqa: E712 - a SymPy boolean
        return evaluate(w, value, scope)
    otherwise = (lambda: _branches(w, rest, scope)) if rest else (lambda: w.real(float("nan")))
    return w.where(evaluate(w, condition, scope), lambda: evaluate(w, value, scope), otherwise)


def obstacle(program: Program) -> str | None:
    """What in a program no vector code is known for; None if there is nothing."""
    missing = next((name for e in program.graph.equations if not e.eliminates and (name := unsupported(e.body))), None)
    if missing is not None:
        return missing
    return "an array that holds vectors in one loop and numbers in another" if is_mixed(program) else None


def unsupported(expression: Expr) -> str | None:
    """The name of a function in an expression that has no vector form, or None."""
    for node in postorder(expression):
        if node.is_number or isinstance(node, (Indexed, Idx, Symbol, BooleanAtom)):
            continue
        if type(node) in special_forms.CODE or any(isinstance(node, kind) for kind, _ in _NODES):
            continue
        if type(node) not in vectormath.FORMS and f.operation(type(node)).instructions is None:
            return type(node).__name__
    return None


def _node(w: Writer, node: Basic, scope: Scope, of: _Of) -> Value:
    if isinstance(node, Expr) and node.is_number:
        return w.real(as_float(node))
    if isinstance(node, BooleanAtom):
        return Value(ir.IntType(1)(int(bool(node))), False)
    if (integer := w.integer(node, scope)) is not None:
        return w.as_real(integer)
    if isinstance(node, (Indexed, Symbol)):
        return w.load(node, scope)
    for kind, write in _NODES:
        if isinstance(node, kind):
            return write(w, node, scope, of)
    if type(node) in special_forms.CODE:
        return _special(w, node, of)
    if type(node) in vectormath.FORMS:
        return w.apply(vectormath.FORMS[type(node)], *[of(a) for a in node.args])
    if (row := f.operation(type(node)).instructions) is None:
        raise EmitError(f"{type(node).__name__} has no vector form")
    code = _Instructions(w, scope, of)
    return code.value(row(code, *node.args))


def _special(w: Writer, node: Basic, of: _Of) -> Value:
    orders, arguments = externals.operands(node)
    return w.apply(lambda lanes, *values: special_forms.apply(type(node), lanes, orders, values), *map(of, arguments))


def _add(w: Writer, node: Basic, scope: Scope, of: _Of) -> Value:
    """A sum; products after the first term are fused to it."""
    terms = sorted(node.args, key=lambda term: product_factors(term) is not None)
    total = of(terms[0])
    for term in terms[1:]:
        factors = product_factors(term)
        if factors is None:
            total = w.apply(Lanes.add, total, of(term))
        else:
            *leading, last = (of(factor) for factor in factors)
            total = w.apply(Lanes.fma, reduce(partial(w.apply, Lanes.mul), leading), last, total)
    return total


def _multiply(w: Writer, node: Basic, scope: Scope, of: _Of) -> Value:
    above = [of(a) for a in node.args if a != -1 and not is_inverse(a)]
    below = [of(a.base) for a in node.args if is_inverse(a)]
    times = partial(w.apply, Lanes.mul)
    value = reduce(times, above) if above else w.real(1.0)
    if -1 in node.args:
        value = w.apply(Lanes.neg, value)
    return w.apply(Lanes.div, value, reduce(times, below)) if below else value


def _power(w: Writer, node: Basic, scope: Scope, of: _Of) -> Value:
    if is_inverse(node) and (counted := _counted(node.base)) is not None:
        return _inverse_count(w, counted[0], list(map(of, counted[1])))
    base, exponent = of(node.base), node.exp
    if is_root(exponent):
        value = w.apply(Lanes.sqrt, base)
    elif is_multiplied(exponent):
        value = raised(partial(w.apply, Lanes.mul), base, abs(int(exponent)))
    else:
        return w.apply(vectormath.power, base, of(exponent))
    return value if exponent > 0 else w.apply(lambda lanes, x: lanes.div(1.0, x), value)


def _counted(total: Basic) -> tuple[int, Sequence[Basic]] | None:
    """A whole number and the few brackets that are added to it."""
    first, terms = total.as_coeff_Add()
    brackets = Add.make_args(terms)
    few = len(brackets) <= CHOSEN and first in (0, 1)
    return (int(first), brackets) if few and all(isinstance(term, f.equal) for term in brackets) else None


def _inverse_count(w: Writer, first: int, brackets: Sequence[Value]) -> Value:
    """1/(first + a + b + …) of numbers that are 0 or 1, chosen among the possible ones by one after the other."""
    found = [w.real(1 / n if n else math.inf) for n in range(first, first + len(brackets) + 1)]
    for bracket in brackets:
        holds = w.compare(">", bracket, w.real(0.0))
        found = [w.choose(holds, more, as_many) for as_many, more in pairwise(found)]
    return found[0]


def _same(lanes: Lanes, a: ir.Value, b: ir.Value, short: bool) -> ir.Value:
    """Where integers are equal; as many of them as real numbers are compared at once if they are short."""
    if short and lanes.width > 1:
        a, b = (lanes.builder.trunc(x, lanes.integer_type) for x in (a, b))
    return lanes.builder.icmp_signed("==", a, b)


def _relation(w: Writer, node: Basic, scope: Scope, of: _Of) -> Value:
    integers = [w.values(w.counter(a, scope)) for a in node.args if is_sum_of_indices(a)]
    if len(integers) < 2:
        return w.compare(node.rel_op, of(node.args[0]), of(node.args[1]))
    return w.apply(lambda lanes, x, y: w.builder.icmp_signed(node.rel_op, x, y), *integers)


_Operand: TypeAlias = Basic | Value | float


@dataclass(frozen=True)
class _Instructions:
    """What rows of functions are written with, as vector instructions."""

    w: Writer
    scope: Scope
    of: _Of

    def value(self, operand: _Operand) -> Value:
        if isinstance(operand, Basic):
            return self.of(operand)
        return self.w.real(operand) if isinstance(operand, float) else operand

    def positive(self, x: Basic) -> Value:
        """x > 0; a > b for the difference of two, which with subnormal numbers and infinities says the same."""
        if (pair := self._difference(x)) is not None:
            return self.w.compare(">", *pair)
        if isinstance(x, f.absolute) and (pair := self._difference(x.args[0])) is not None:
            return self.w.apply(lambda lanes, a, b: lanes.builder.fcmp_ordered("!=", a, b), *pair)
        return self.compare(">", x, 0.0)

    def compare(self, relation: str, a: Basic, b: _Operand) -> Value:
        if relation == "==" and isinstance(b, Basic):
            # Labels and indices are compared as the integers they are.
            integers = [value for x in (a, b) if (value := self.w.integer(x, self.scope)) is not None]
            if len(integers) == 2:
                short = all(map(self._is_short, (a, b)))
                return self.w.apply(lambda lanes, x, y: _same(lanes, x, y, short), *integers)
        return self.w.compare(relation, self.value(a), self.value(b))

    def _is_short(self, node: Basic) -> bool:
        """Whether an integer is one of few: an index or a label."""
        if isinstance(node, Idx):
            n: Extent | None = extent(node)
        else:
            n = self.w.program.graph.variable(base_name(node)).below if isinstance(node, Indexed) else None
        return isinstance(n, int) and n < SHORT

    def choose(self, condition: Value, a: _Operand, b: _Operand) -> Value:
        return self.w.choose(condition, self.value(a), self.value(b))

    def extreme(self, relation: str, numbers: Sequence[Basic]) -> Value:
        return self.w.apply(lambda lanes, *values: lanes.extreme(relation, values), *map(self.of, numbers))

    def divide(self, a: Basic, b: Value) -> Value:
        return self.w.apply(Lanes.div, self.of(a), b)

    def magnitude(self, x: Basic) -> Value:
        return self.w.apply(Lanes.abs, self.of(x))

    def _difference(self, node: Basic) -> tuple[Value, Value] | None:
        """a and b of a − b."""
        if not isinstance(node, Add) or len(node.args) != 2:
            return None
        for a, negated in (node.args, node.args[::-1]):
            if isinstance(negated, Mul) and len(negated.args) == 2 and negated.args[0] == -1:
                return self.of(a), self.of(negated.args[1])
        if isinstance(node.args[0], Number):
            return self.of(node.args[1]), self.w.real(as_float(-node.args[0]))
        return None


def _piecewise(w: Writer, node: Basic, scope: Scope, of: _Of) -> Value:
    value = w.real(float("nan"))
    for branch in reversed(node.args):
        value = w.choose(of(branch.args[1]), of(branch.args[0]), value)
    return value


def _logic(operation: str) -> Callable[[Writer, Basic, Scope, _Of], Value]:
    def write(w: Writer, node: Basic, scope: Scope, of: _Of) -> Value:
        combine = getattr(w.builder, operation)
        return reduce(lambda a, b: w.apply(lambda lanes, x, y: combine(x, y), a, b), [of(a) for a in node.args])

    return write


_NODES: tuple[tuple[type | tuple[type, ...], Callable[[Writer, Basic, Scope, _Of], Value]], ...] = (
    (RandomNumber, lambda w, node, scope, of: drawn(w, node, scope)),
    (Add, _add),
    (Mul, _multiply),
    (Pow, _power),
    (Piecewise, _piecewise),
    (ExprCondPair, lambda w, node, scope, of: of(node.args[0])),
    (Relational, _relation),
    (And, _logic("and_")),
    (Or, _logic("or_")),
    (Not, lambda w, node, scope, of: w.apply(lambda lanes, x: w.builder.not_(x), of(node.args[0]))),
)
