"""Every vertex of a graph at any precision, element by element in mpmath: what all other results are held to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial, reduce
from itertools import product
from operator import add, mul
from typing import Any

import numpy as np
import sympy
from numpy.typing import ArrayLike, NDArray
from sympy import Add, And, Basic, Expr, Idx, Indexed, Integer, Mul, Not, Or, Piecewise, Pow, Rational, Symbol
from sympy.functions.elementary.piecewise import ExprCondPair
from sympy.logic.boolalg import BooleanAtom

from codegen import functions
from codegen.errors import CheckError
from codegen.functions import Primitive, operation
from codegen.functions.primitive import Approximation
from codegen.functions.random_numbers import RandomNumber, weighted_sum, words
from codegen.ir.affine import Affine, affine, data_of
from codegen.ir.graph import Equation, Graph, Reduction
from codegen.ir.order import written_out
from codegen.numeric.eliminations import eliminated, exact_cores
from codegen.numeric.evaluate import untranslated
from codegen.numeric.ieee import Ieee, Mpf
from codegen.numeric.inputs import bind
from codegen.numeric.limits import with_limits
from codegen.numeric.program import IntegerPower, Quotient, Root, compile_bodies
from codegen.walk import base_name, extent, indices, is_plain, is_variable, length, subscripts

Objects = NDArray[np.object_]

# mpmath memoises constants such as π and log 2 with two separate assignments, so two threads that raise the precision
# at the same time can read the one of the other. Pure Python gains nothing from threads anyway.
LOCK = threading.Lock()

FLOAT_DIGITS = 17
"""With fewer digits the inputs would be rounded."""

#: SymPy's numbers that are not finite; its unsigned infinity stands for 1/0 of unknown sign.
SPECIAL: Mapping[Basic, str] = {sympy.oo: "inf", -sympy.oo: "-inf", sympy.nan: "nan", sympy.zoo: "nan"}

KEPT = (Primitive, Approximation)
"""Functions that are computed by their ``value``; all others of our own are written out."""
MEMORY = 1024
"""So many values of a function are remembered: differences move one element, and the others stay what they were."""


def evaluate_exactly(graph: Graph, values: Mapping[str, ArrayLike], digits: int = 50) -> dict[str, Objects]:
    """The value of every variable of the graph at ``digits`` decimal digits, as arrays of mpmath numbers.

    The inputs are the floats' exact values. Infinities and nan behave as IEEE says (see :mod:`codegen.numeric.ieee`),
    but nothing overflows or underflows: round the result to compare it with a float. An element that no equation
    assigns is nan. Raises :class:`CheckError` for values that do not fit, as :func:`~codegen.numeric.evaluate`.

    >>> from codegen import from_expressions
    >>> from sympy import symbols
    >>> x = symbols("x")
    >>> print(evaluate_exactly(from_expressions({"y": x / 3}, [x]), {"x": 0.1}, digits=25)["y"][()])
    0.03333333333333333518370504
    """
    inputs = bind(graph, values, np.dtype(np.float64))
    arrays = {name: array.astype(object) for name, array in inputs.arrays.items()}
    with LOCK:
        return with_limits(graph, lambda written: Oracle(written, inputs.extents, digits)(arrays))


Element = tuple[int, ...]
Load = Callable[[Mapping[str, Objects], Element], Any]
Step = tuple[Callable[..., Any], tuple[int, ...] | None]


@dataclass(frozen=True, eq=False)
class Plan:
    """One equation, ready to run for each value of the indices of its target and its reduction."""

    equation: Equation
    steps: tuple[Step, ...]
    free: tuple[int, ...]
    reduced: tuple[int, ...]


class Oracle:
    """A graph compiled for evaluation at one precision and fixed extents."""

    def __init__(self, graph: Graph, extents: Mapping[Symbol, int], digits: int) -> None:
        if digits < FLOAT_DIGITS:
            raise CheckError(f"digits: found {digits}, expected at least {FLOAT_DIGITS}, which a float has")
        self.ieee = Ieee(digits)
        self.combine: Mapping[Reduction, Callable[[Sequence[Mpf]], Mpf]] = {
            Reduction.SUM: partial(reduce, add),
            Reduction.MAX: lambda terms: functions.maximum.value(self.ieee, *terms),
        }
        self.cores = exact_cores(self.ieee)
        self.table = _table(self.ieee)
        self.functions: dict[type, Callable[..., Any] | None] = {}
        self.shapes = {
            name: tuple(length(n, extents) for n in variable.shape) for name, variable in graph.variables.items()
        }
        self.extents = extents
        sizes = partial(length, known=extents)
        self.plans = tuple(self._plan(one, extents) for step in graph.steps for one in written_out(step, sizes))

    def __call__(self, arrays: Mapping[str, Objects]) -> dict[str, Objects]:
        """All variables; the inputs are arrays of floats, integers or numbers of this oracle's own context."""
        found = {name: self.numbers(array) for name, array in arrays.items()}
        for plan in self.plans:
            if plan.equation.name not in found:
                found[plan.equation.name] = np.full(self.shapes[plan.equation.name], self.ieee.nan, object)
        for plan in self.plans:
            name, key = plan.equation.name, subscripts(plan.equation.target)
            values = self._eliminated(plan, found) if plan.equation.eliminates else None
            parts = [_part(affine(i), plan.equation, self.extents) for i in key]
            for outer in product(*map(range, plan.free)):
                place = tuple(
                    constant + sum(outer[axis] * factor for axis, factor in terms) for constant, terms in parts
                )
                found[name][place] = self._element(plan, found, outer) if values is None else values[outer]
        return found

    def numbers(self, array: Objects) -> Objects:
        """The same values as numbers of this oracle's context, unrounded."""
        result = np.empty(array.shape, object)
        result.reshape(-1)[:] = [self.ieee.mpf(value) for value in array.reshape(-1)]
        return result

    def _element(self, plan: Plan, found: Mapping[str, Objects], outer: Element) -> Mpf:
        if plan.equation.is_map:
            return _run(plan.steps, found, outer)
        terms = [_run(plan.steps, found, outer + inner) for inner in product(*map(range, plan.reduced))]
        return self.combine[plan.equation.monoid](terms)

    def _eliminated(self, plan: Plan, found: Mapping[str, Objects]) -> Objects:
        """What elimination makes of a matrix: an array with the axes of the target's indices."""
        equation, operands = plan.equation, []
        for number, operand in enumerate(equation.elimination.read):
            labels = indices(operand)
            lengths = [length(extent(index), self.extents) for index in labels]
            array = np.empty(lengths, object)
            for place in np.ndindex(*lengths):
                at = dict(zip(labels, place))
                array[place] = _run(plan.steps, found, tuple(at.get(index, 0) for index in equation.domain))[number]
            operands.append((array[None], labels))
        result = eliminated(equation.elimination, equation.free, operands, self.cores)[0]
        return np.broadcast_to(result, plan.free)

    def _plan(self, equation: Equation, extents: Mapping[Symbol, int]) -> Plan:
        bodies = equation.elimination.read if equation.eliminates else (equation.body,)
        program = compile_bodies(*bodies, kept=KEPT)
        steps: list[Step] = []
        for instruction in program.instructions:
            kind = instruction.operation
            if kind is None:
                steps.append((self._loader(instruction.node, equation, extents), None))
            elif (function := self._function(kind)) is not None:
                steps.append((function, instruction.arguments))
            else:
                raise untranslated(instruction.node, equation, "mpmath")
        # The result of a single leaf, or of a node written early, need not be the last instruction.
        steps.append((_all if equation.eliminates else _only, program.results))
        free, reduced = (tuple(length(extent(i), extents) for i in part) for part in (equation.free, equation.reduced))
        return Plan(equation, tuple(steps), free, reduced)

    def _function(self, kind: type) -> Callable[..., Any] | None:
        """What computes an operation; functions that take mpmath long remember what they were asked."""
        if kind in self.table:
            return self.table[kind]
        if kind not in self.functions:
            known = _with_context(kind, self.ieee) if issubclass(kind, KEPT) else self._of_mpmath(kind)
            self.functions[kind] = known and lru_cache(MEMORY)(known)
        return self.functions[kind]

    def _of_mpmath(self, kind: type[Basic]) -> Callable[..., Any] | None:
        name = operation(kind).mpmath
        return getattr(self.ieee, name) if name else None

    def _loader(self, leaf: Basic, equation: Equation, extents: Mapping[Symbol, int]) -> Load:
        if isinstance(leaf, RandomNumber):
            return self._drawer(leaf, equation, extents)
        if isinstance(leaf, Indexed) or is_variable(leaf):
            if not is_plain(leaf):
                return self._gatherer(leaf, equation, extents)
            return _reader(base_name(leaf), subscripts(leaf), equation)
        if isinstance(leaf, Idx):
            axis = equation.domain.index(leaf)
            return lambda found, element: self.ieee.mpf(element[axis])
        constant = self._constant(leaf, equation, extents)
        return lambda found, element: constant

    def _drawer(self, number: RandomNumber, equation: Equation, extents: Mapping[Symbol, int]) -> Load:
        """The numbers of float64, which are exact ones."""
        loaders = {a: self._loader(a, equation, extents) for a in number.read}

        def load(found: Mapping[str, Objects], element: Element) -> Any:
            def value(leaf: Expr) -> Any:
                return np.asarray(int(loaders[leaf](found, element)) if leaf in loaders else int(leaf), object)

            drawn = words(*(int(weighted_sum(integer, value)) % 2**64 for integer in number.integers))
            return self.ieee.mpf(float(number.of_words(drawn, np.dtype(np.float64))))

        return load

    def _gatherer(self, leaf: Expr, equation: Equation, extents: Mapping[Symbol, int]) -> Load:
        """Elements at sums of indices; one that is not there is nan, and under a condition that does not hold."""
        name, nan = base_name(leaf), self.ieee.nan
        read = [data_of(subscript) for subscript in subscripts(leaf)]
        data = [None if one is None else (one.factor, self._loader(one.integer, equation, extents)) for one in read]
        forms = (affine(i) if one is None else one.rest for i, one in zip(subscripts(leaf), read))
        parts = [_part(form, equation, extents) for form in forms]

        def load(found: Mapping[str, Objects], element: Element) -> Any:
            place = tuple(
                constant
                + sum(element[axis] * factor for axis, factor in terms)
                + (0 if integer is None else integer[0] * int(integer[1](found, element)))
                for (constant, terms), integer in zip(parts, data)
            )
            array = found[name]
            return array[place] if all(0 <= p < n for p, n in zip(place, array.shape)) else nan

        return load

    def _constant(self, leaf: Basic, equation: Equation, extents: Mapping[Symbol, int]) -> Any:
        if isinstance(leaf, BooleanAtom):
            return bool(leaf)
        if isinstance(leaf, Symbol):
            return self.ieee.mpf(extents[leaf])
        if isinstance(leaf, Rational):
            return self.ieee.mpf(leaf.p) / leaf.q if leaf.q else self.ieee.mpf(leaf.p) * self.ieee.inf
        if isinstance(leaf, sympy.Float):
            return self.ieee.context.make_mpf(leaf._mpf_)
        if isinstance(leaf, sympy.NumberSymbol):
            return self.ieee.context.make_mpf(leaf._as_mpf_val(self.ieee.context.prec))
        if leaf in SPECIAL:
            return self.ieee.mpf(SPECIAL[leaf])
        raise untranslated(leaf, equation, "mpmath")


def _only(value: Any) -> Any:
    return value


def _all(*values: Any) -> Any:
    return values


def _run(steps: Sequence[Step], found: Mapping[str, Objects], element: Element) -> Any:
    registers: list[Any] = []
    for function, arguments in steps:
        if arguments is None:
            registers.append(function(found, element))
        else:
            registers.append(function(*[registers[a] for a in arguments]))
    return registers[-1]


def _reader(name: str, key: Sequence[Basic], equation: Equation) -> Load:
    parts = tuple((int(i), True) if isinstance(i, Integer) else (equation.domain.index(i), False) for i in key)
    return lambda found, element: found[name][tuple(n if fixed else element[n] for n, fixed in parts)]


def _part(
    form: Affine | None, equation: Equation, extents: Mapping[Symbol, int]
) -> tuple[int, tuple[tuple[int, int], ...]]:
    """The constant of a sum of indices, and the axes of the domain with their multiples."""
    assert form is not None
    constant = form.constant if form.constant.is_Integer else form.constant.xreplace(extents)
    return int(constant), tuple((equation.domain.index(index), factor) for index, factor in form.coefficients)


def _with_context(primitive: type[Primitive] | type[Approximation], ieee: Ieee) -> Callable[..., Any]:
    return lambda *arguments: primitive.value(ieee, *arguments)


def _piecewise(nan: Mpf) -> Callable[..., Any]:
    return lambda *pairs: next((value for value, condition in pairs if condition), nan)


def _table(ieee: Ieee) -> Mapping[type, Callable[..., Any]]:
    """What holds a body together: sums, products, powers, choices and conditions."""
    return {
        Add: lambda first, *rest: reduce(add, rest, first),
        Mul: lambda first, *rest: reduce(mul, rest, first),
        Quotient: ieee.divide,
        Root: ieee.sqrt,
        IntegerPower: ieee.power,
        Pow: ieee.power,
        ExprCondPair: lambda value, condition: (value, condition),
        Piecewise: _piecewise(ieee.nan),
        And: lambda *conditions: all(conditions),
        Or: lambda *conditions: any(conditions),
        Not: lambda condition: not condition,
        sympy.Eq: lambda a, b: a == b,
        sympy.Ne: lambda a, b: a != b,
        sympy.StrictLessThan: lambda a, b: a < b,
        sympy.LessThan: lambda a, b: a <= b,
        sympy.StrictGreaterThan: lambda a, b: a > b,
        sympy.GreaterThan: lambda a, b: a >= b,
    }


def rounded(array: Objects) -> NDArray[np.float64]:
    """The nearest floats; what is too large for one is inf.

    >>> ieee = Ieee(20)
    >>> rounded(np.array([ieee.exp(ieee.mpf(1000)), ieee.mpf(2)]))
    array([inf,  2.])
    """
    return np.array([float(value) for value in array.reshape(-1)]).reshape(array.shape)
