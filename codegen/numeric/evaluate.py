"""Every vertex of a graph in NumPy: one equation at a time, broadcasting over the indices it runs over.

Arrays carry one more axis in front, of length 1 or the number of points: differences evaluate a graph at hundreds of
points at once, and what does not depend on the point is computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray
from sympy import Basic, Expr, Idx, Indexed, Integer, Mul, Symbol
from sympy.logic.boolalg import BooleanAtom

from codegen.errors import CheckError
from codegen.functions.random_numbers import RandomNumber, weighted_sum, words
from codegen.ir.affine import Affine, affine, data_of
from codegen.ir.graph import Equation, Graph, Reduction, require_graph
from codegen.ir.order import Scan
from codegen.numeric.elementwise import numpy_function
from codegen.numeric.eliminations import NUMPY, eliminated
from codegen.numeric.inputs import bind
from codegen.numeric.limits import with_limits
from codegen.numeric.program import Program, compile_bodies
from codegen.walk import Extent, base_name, extent, indices, is_plain, is_variable, length, references, subscripts

Array = NDArray[Any]

DTYPES = (np.dtype(np.float64), np.dtype(np.float32), np.dtype(np.complex128))
"""What a graph can be evaluated in; complex numbers serve the complex step only."""


def evaluate(graph: Graph, values: Mapping[str, ArrayLike], dtype: DTypeLike = np.float64) -> dict[str, NDArray[Any]]:
    """The value of every variable of the graph, the inputs included, computed in ``dtype``.

    An element that no equation assigns is nan; what is 0/0 as it is written is its limit where compiled code has that.
    Raises :class:`CheckError` naming the input for values that do not fit
    the graph's inputs, and for a function that has no translation.

    >>> from codegen import from_expressions
    >>> from sympy import symbols
    >>> a, b = symbols("a b")
    >>> found = evaluate(from_expressions({"e": (a + b) * (b + 1)}, [a, b], decompose=True), {"a": 2, "b": 1})
    >>> {name: float(value) for name, value in found.items()}
    {'a': 2.0, 'b': 1.0, 'v1': 2.0, 'v2': 3.0, 'e': 6.0}
    """
    require_graph(graph, CheckError)

    def values_of(written: Graph) -> dict[str, NDArray[Any]]:
        evaluator = Evaluator.of(written, dtype)
        inputs = bind(written, values, evaluator.dtype)
        found = evaluator(inputs.extents, {name: array[None] for name, array in inputs.arrays.items()})
        return {name: inputs.arrays.get(name, array[0, ...]) for name, array in found.items()}

    return with_limits(graph, values_of)


@dataclass(frozen=True, eq=False)
class Frame:
    """What a program reads: the variables so far, each with the axis of points in front, and the extents."""

    arrays: dict[str, Array]
    extents: Mapping[Symbol, int]
    dtype: np.dtype[Any]
    integers: Mapping[str, Array]
    """Those of integers as they are: a real number has not all of their bits."""

    def size(self, n: Extent) -> int:
        """The value of an extent."""
        return length(n, self.extents)

    def value(self, number: Expr) -> int:
        """The value of a sum of extents and integers."""
        return int(number if number.is_Integer else number.xreplace(self.extents))


Load = Callable[[Frame], Any]
Step = tuple[Callable[..., Any], tuple[int, ...] | None]


@dataclass(frozen=True, eq=False)
class Factor:
    """One factor of a contraction: the position of its value, and the axes of the domain that it has."""

    position: int
    axes: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Plan:
    """One equation, ready to run: a body of one factor is computed whole, one of several is contracted."""

    equation: Equation
    shape: tuple[Extent, ...]
    steps: tuple[Step, ...]
    factors: tuple[Factor, ...]
    within: tuple[tuple[Symbol, int, Extent], ...] = ()
    """The places of an axis, from the first on so many, at which an equation of a recurrence has values."""

    @property
    def plans(self) -> tuple[Plan, ...]:
        """Itself."""
        return (self,)


@dataclass(frozen=True, eq=False)
class Steps:
    """A recurrence, ready to run: its parts at one place of an axis, a symbol, then at the next."""

    scan: Scan
    place: Symbol
    parts: tuple[Plan | Steps, ...]

    @property
    def plans(self) -> tuple[Plan, ...]:
        """Those of its parts."""
        return tuple(plan for part in self.parts for plan in part.plans)


@dataclass(frozen=True, eq=False)
class Evaluator:
    """A graph compiled for evaluation at many points; ``Evaluator.of(graph, dtype)`` makes one."""

    plans: tuple[Plan | Steps, ...]
    dtype: np.dtype[Any]

    @staticmethod
    def of(graph: Graph, dtype: DTypeLike = np.float64) -> Evaluator:
        """Compile the graph; :class:`CheckError` for another dtype and for a body that has no translation."""
        chosen = np.dtype(dtype)
        if chosen not in DTYPES:
            raise CheckError(f"dtype: found {chosen}, expected one of {', '.join(map(str, DTYPES))}")
        return Evaluator(tuple(_step(graph, step, chosen) for step in graph.steps), chosen)

    def __call__(self, extents: Mapping[Symbol, int], arrays: Mapping[str, Array]) -> dict[str, Array]:
        """All variables at the points; each array has an axis of points in front, of length 1 where they share it."""
        given = {n: a if a.dtype == self.dtype else a.astype(self.dtype) for n, a in arrays.items()}
        integers = {name: array for name, array in arrays.items() if array.dtype.kind in "iu"}
        frame = Frame(given, extents, self.dtype, integers)
        points = max((array.shape[0] for array in given.values()), default=1)
        # Overflow, 0/0 and the branches that are not taken are part of IEEE arithmetic, not events to warn of.
        with np.errstate(all="ignore"):
            for plan in self.plans:
                _run(plan, frame, points)
        return frame.arrays

    def largest(self, extents: Mapping[Symbol, int]) -> int:
        """The number of elements of the largest array at one point; a contraction does not store its domain."""
        frame = Frame({}, extents, self.dtype, {})
        plans = [plan for step in self.plans for plan in step.plans]
        wide = (len(p.factors) == 1 and not p.equation.eliminates for p in plans)
        stored = ([*map(extent, p.equation.domain)] if w else p.shape for p, w in zip(plans, wide))
        return max((prod(map(frame.size, shape)) for shape in stored), default=1)


def _run(step: Plan | Steps, frame: Frame, points: int) -> None:
    if isinstance(step, Plan):
        if all(first <= frame.extents[place] < first + frame.size(n) for place, first, n in step.within):
            _assign(step, frame, points)
        return
    for plan in step.plans:  # under a condition values may be asked for that are not there yet
        if plan.equation.name not in frame.arrays:
            frame.arrays[plan.equation.name] = _nothing(plan, frame, points)
    for place in range(frame.size(step.scan.length))[:: step.scan.step]:
        here = replace(frame, extents={**frame.extents, step.place: place})
        for part in step.parts:
            _run(part, here, points)


def _assign(plan: Plan, frame: Frame, points: int) -> None:
    value = _value(plan, frame)
    equation = plan.equation
    key = tuple(_elements(i, n, frame) for i, n in zip(subscripts(equation.target), plan.shape))
    whole = all(k == slice(None) for k in key)
    if equation.name not in frame.arrays:
        frame.arrays[equation.name] = _nothing(plan, frame, value.shape[0] if whole else points)
    frame.arrays[equation.name][(slice(None), *key)] = value


def _nothing(plan: Plan, frame: Frame, points: int) -> Array:
    return np.full((points, *map(frame.size, plan.shape)), np.nan, frame.dtype)


def _elements(subscript: Expr, axis: Extent, frame: Frame) -> int | slice:
    """The elements along an axis that are assigned."""
    form = affine(subscript)
    assert form is not None, subscript
    start = frame.value(form.constant)
    if not form.coefficients:
        return start
    stop = start + frame.size(extent(form.indices[0]))
    return slice(None) if start == 0 and stop == frame.size(axis) else slice(start, stop)


def _value(plan: Plan, frame: Frame) -> Array:
    """The right side, with the axis of points and the axes of the target's indices."""
    registers: list[Any] = []
    for function, arguments in plan.steps:
        registers.append(function(frame) if arguments is None else function(*[registers[a] for a in arguments]))
    if len(plan.factors) > 1 and not plan.equation.eliminates:
        return _contract(plan, registers, frame)
    if plan.equation.eliminates:
        return _eliminated(plan, registers, frame)
    domain = [frame.size(extent(i)) for i in plan.equation.domain]
    body = np.asarray(registers[plan.factors[0].position], frame.dtype)
    if body.ndim == 0:
        body = body.reshape((1,) * (1 + len(domain)))
    if plan.equation.is_map:
        return body
    body = np.broadcast_to(body, (body.shape[0], *domain))
    kept = 1 + len(plan.equation.free)
    return REDUCE[plan.equation.monoid](body.reshape(*body.shape[:kept], prod(body.shape[kept:])))


def _largest(body: Array) -> Array:
    """The maximum over the last axis; of complex numbers the one with the largest real part."""
    if body.dtype.kind != "c":
        return np.asarray(body.max(axis=-1))
    return np.take_along_axis(body, body.real.argmax(axis=-1)[..., None], axis=-1)[..., 0]


REDUCE: Mapping[Reduction, Callable[[Array], Array]] = {
    Reduction.SUM: lambda body: np.asarray(body.sum(axis=-1)),
    Reduction.MAX: _largest,
}


def _contract(plan: Plan, registers: Sequence[Any], frame: Frame) -> Array:
    """Sum a product whose full domain would be larger than any of its factors: never stored, so memory stays small."""
    rank = len(plan.equation.domain)
    operands: list[Any] = []
    for factor in plan.factors:
        array = np.asarray(registers[factor.position], frame.dtype)
        array = array.reshape((1,) * (1 + rank - array.ndim) + array.shape)
        labels = [*([0] if array.shape[0] > 1 else []), *(1 + axis for axis in factor.axes)]
        operands += [array.squeeze(tuple(axis for axis in range(1 + rank) if axis not in labels)), labels]
    # The indices of the target that no factor has: the equation broadcasts over them, which einsum does not.
    present = {axis for labels in operands[1::2] for axis in labels}
    kept = range(1 + len(plan.equation.free))
    result = np.asarray(np.einsum(*operands, [axis for axis in kept if axis in present], optimize=True))
    return np.expand_dims(result, tuple(axis for axis in kept if axis not in present))


def _eliminated(plan: Plan, registers: Sequence[Any], frame: Frame) -> Array:
    """What elimination makes of a matrix, its operands with the axes that they have."""
    domain, operands = plan.equation.domain, []
    for factor in plan.factors:
        array = np.asarray(registers[factor.position], frame.dtype)
        others = tuple(1 + axis for axis in range(len(domain)) if axis not in factor.axes)
        operands.append((array.squeeze(others), [domain[axis] for axis in factor.axes]))
    return eliminated(plan.equation.elimination, plan.equation.free, operands, NUMPY)


# --- compiling an equation ----------------------------------------------------------------------------------------


def _step(
    graph: Graph, step: Equation | Scan, dtype: np.dtype[Any], inside: tuple[tuple[Scan, Symbol], ...] = ()
) -> Plan | Steps:
    if isinstance(step, Scan):
        place = Symbol(f"place {len(inside)}", integer=True, nonnegative=True)
        return Steps(step, place, tuple(_step(graph, part, dtype, (*inside, (step, place))) for part in step.parts))
    within = tuple((place, scan.shift(step), extent(scan.index(step))) for scan, place in inside)
    for scan, place in inside:
        step = scan.at(step, place)
    return replace(_plan(graph, step, dtype), within=within)


def _plan(graph: Graph, equation: Equation, dtype: np.dtype[Any]) -> Plan:
    groups = _groups(equation)
    program = compile_bodies(*groups)
    positions = {index: axis for axis, index in enumerate(equation.domain)}
    factors = tuple(
        Factor(position, tuple(sorted(positions[i] for i in indices(group))))
        for position, group in zip(program.results, groups)
    )
    shape = graph.variables[equation.name].shape
    return Plan(equation, shape, _steps(program, equation, dtype), factors)


def _groups(equation: Equation) -> tuple[Expr, ...]:
    """The factors of a contraction, or the body whole where one factor runs over the entire domain anyway.

    A denominator stays with a factor that has its indices, since x·(1/y) is not x/y at the ends of the range.
    """
    if equation.eliminates:
        return equation.elimination.read
    whole = (equation.body,)
    if not equation.is_sum or not isinstance(equation.body, Mul):
        return whole
    groups: dict[frozenset[Idx], list[Expr]] = {}
    for factor in sorted(equation.body.args, key=lambda f: -len(indices(f))):
        own = frozenset(indices(factor))
        home = own if own in groups else next((key for key in groups if own < key), own)
        groups.setdefault(home, []).append(factor)
    if len(groups) == 1 or frozenset(equation.domain) in groups:
        return whole
    return tuple(Mul(*factors) for factors in groups.values())


def _steps(program: Program, equation: Equation, dtype: np.dtype[Any]) -> tuple[Step, ...]:
    steps: list[Step] = []
    for instruction in program.instructions:
        if instruction.operation is None:
            steps.append((_loader(instruction.node, equation, dtype), None))
        elif (function := numpy_function(instruction.operation)) is not None:
            steps.append((function, instruction.arguments))
        else:
            raise untranslated(instruction.node, equation, "NumPy")
    return tuple(steps)


def untranslated(node: Basic, equation: Equation, language: str) -> CheckError:
    """The error for a construct that an evaluator does not know."""
    return CheckError(f"equation of {equation.target}: {type(node).__name__} has no translation into {language}")


def _loader(leaf: Basic, equation: Equation, dtype: np.dtype[Any]) -> Load:
    if isinstance(leaf, RandomNumber):
        return _drawer(leaf, equation)
    if isinstance(leaf, Indexed) or is_variable(leaf):
        return _reader(leaf, equation)
    if isinstance(leaf, Idx):
        shape = [-1 if i == leaf else 1 for i in equation.domain]
        return lambda frame: np.arange(frame.size(extent(leaf)), dtype=np.float64).astype(dtype).reshape(1, *shape)
    if isinstance(leaf, Symbol):
        return lambda frame: np.asarray(frame.extents[leaf], dtype)
    constant = np.asarray(bool(leaf)) if isinstance(leaf, BooleanAtom) else np.asarray(_number(leaf, equation), dtype)
    return lambda frame: constant


def _drawer(number: RandomNumber, equation: Equation) -> Load:
    """Random numbers at sums of integers, with the axes of the domain."""
    axes = {index: axis for axis, index in enumerate(equation.domain)}
    leaves = {leaf: _reader(leaf, equation) for leaf in references(number)}

    def load(frame: Frame) -> Array:
        whole = replace(frame, arrays=dict(frame.integers))

        def value(leaf: Expr) -> Array:
            if leaf in leaves:
                return np.asarray(leaves[leaf](whole))
            if isinstance(leaf, Idx):
                shape = [-1 if axis == axes[leaf] else 1 for axis in range(len(axes))]
                return np.arange(frame.size(extent(leaf))).reshape(1, *shape)
            return np.full((1,) * (1 + len(axes)), frame.value(leaf), np.int64)

        found = words(*(weighted_sum(integer, value) for integer in number.integers))
        return number.of_words(found, frame.dtype)

    return load


def _gatherer(reference: Expr, equation: Equation) -> Load:
    """Load elements at sums of indices; one that is not there is asked for under a condition that does not hold."""
    name = base_name(reference)
    read = [data_of(subscript) for subscript in subscripts(reference)]
    data = [None if one is None else (one.factor, _reader(one.integer, equation)) for one in read]
    forms = [affine(i) if one is None else one.rest for i, one in zip(subscripts(reference), read)]
    axes = {index: axis for axis, index in enumerate(equation.domain)}

    def load(frame: Frame) -> Array:
        array = frame.arrays[name]
        key = []
        for form, integers, n in zip(forms, data, array.shape[1:]):
            assert form is not None, reference
            place = _places(form, axes, frame)
            if integers is not None:
                place = place + integers[0] * integers[1](frame)[0].real.astype(np.int64)
            key.append(np.clip(place, 0, n - 1))
        if 0 in array.shape:  # an axis of T − 1 elements where T is 1
            return np.full((array.shape[0], *np.broadcast_shapes(*(place.shape for place in key))), np.nan, frame.dtype)
        everywhere: tuple[Any, ...] = (slice(None), *key)
        return np.asarray(array[everywhere])

    return load


def _places(form: Affine, axes: Mapping[Idx, int], frame: Frame) -> Array:
    """The values of a sum of indices, with the axes of the domain."""
    total = np.full((1,) * len(axes), frame.value(form.constant))
    for index, factor in form.coefficients:
        shape = [-1 if axis == axes[index] else 1 for axis in range(len(axes))]
        total = total + factor * np.arange(frame.size(extent(index))).reshape(shape)
    return total


def _number(leaf: Basic, equation: Equation) -> float:
    if not leaf.is_number or leaf.is_extended_real is False:
        raise untranslated(leaf, equation, "real numbers")
    try:
        return float(leaf)
    except OverflowError:
        return np.inf if leaf.is_positive else -np.inf
    except TypeError:  # zoo, the unsigned infinity that SymPy gives for 1/0
        return np.nan


def _reader(reference: Expr, equation: Equation) -> Load:
    """Load a reference with its axes in the order of the domain, of length 1 where it lacks an index."""
    if not is_plain(reference):
        return _gatherer(reference, equation)
    name, key = base_name(reference), subscripts(reference)
    select = (slice(None), *(int(i) if isinstance(i, Integer) else slice(None) for i in key))
    free = [equation.domain.index(i) for i in key if isinstance(i, Idx)]
    present = sorted(set(free))
    repeated = len(present) < len(free)
    order = (0, *(1 + free.index(axis) for axis in present))
    expand = (slice(None), *(slice(None) if axis in present else None for axis in range(len(equation.domain))))

    def load(frame: Frame) -> Array:
        array = frame.arrays[name][select]
        if repeated:  # A[i, i] is the diagonal
            array = np.einsum(array, [0, *(1 + axis for axis in free)], [0, *(1 + axis for axis in present)])
        else:
            array = array.transpose(order)
        return array[expand]

    return load
