"""What the operators of a file become: variables, equations between them, and the constants that they read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count, product
from math import prod

import numpy as np
from sympy import Expr, Integer

from codegen import Equation, Index, Reduction, Variable
from codegen.functions import equal
from codegen.ir.names import Names
from codegen.walk import Extent, base_name, extent, indices, is_fixed, is_large, is_symbolic
from symnn.errors import SymnnError
from symnn.onnx.arrays import Array, Axis, Kind, Known, Value, cut, is_place, length, number, refined, split

WRITTEN_OUT = 256
"""As many equations as one operator may be written out to, where elements have to be said one by one."""
MOST = 20_000
"""As many equations as a file may become."""
LARGE = 40
"""A formula of so many nodes becomes a vertex, whoever reads it."""
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789_ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LONGEST = 40
"""Letters of a name of the file that a vertex keeps."""


class OnnxError(SymnnError):
    """A file of ONNX is not what it claims to be, or has what there is no formula for; the message names the node."""


class RefusedError(ValueError):
    """What is wrong with a node; it becomes an :class:`OnnxError` that names the node."""


class Writer:
    """The equations of a graph, while its operators are read one after the other."""

    def __init__(self, reserved: Iterable[str], initialisers: Iterable[str]) -> None:
        self._initialisers = {*initialisers}
        self.equations: list[Equation] = []
        self.constants: dict[str, Known] = {}
        self.limits: dict[str, Extent] = {}
        """What the integers of inputs are below, as far as something is read at them."""
        self._names = Names({*reserved, *self._initialisers})
        self._numbers = count(1)
        self._variables: dict[int, Variable] = {}
        self.stem = "v"
        """What the vertices of the operator at hand are called."""
        self.parts: dict[Value, tuple[Array, ...]] = {}
        """What stands side by side on the last axis of integers, one place each, to be read as what it is."""
        self._steps: Axis = ()
        """The indices of the steps of the Scans at hand, which what is written may depend on beside its axes."""

    @contextmanager
    def within(self, steps: Axis) -> Iterator[None]:
        """While the body of a Scan is written."""
        self._steps += steps
        yield
        self._steps = self._steps[: len(self._steps) - len(steps)]

    # --- indices and names ----------------------------------------------------------------------------------------

    def index(self, n: Extent) -> Index:
        """An index that nothing has: s1 over as many places as each call decides, i1 over a number of them."""
        if not isinstance(n, int) and indices(n):
            raise RefusedError("found an axis whose length changes from step to step")
        return Index(f"{'s' if is_symbolic(n) else 'i'}{next(self._numbers)}", n)

    def axis(self, n: Extent) -> Axis:
        """A new axis of this length."""
        return () if n == 1 else (self.index(n),)

    def name(self, wanted: str) -> str:
        """A name that no variable has, made of plain letters."""
        plain = "".join(letter if letter in LETTERS else "_" for letter in wanted[-LONGEST:])
        free = (
            name for number in count() if (name := f"{plain}_{number}" if number else plain or "v") not in self._names
        )
        return self._names.new(next(free))

    # --- arrays ---------------------------------------------------------------------------------------------------

    def array(self, value: Value) -> Array:
        """The elements of a value; of numbers that the file holds, a variable, or the number that all of them are."""
        if isinstance(value, Array):
            return value
        if value.values.size == 1:
            (found,) = value.values.ravel().tolist()
            if isinstance(found, Expr) or (not value.shape and np.isfinite(float(found))):
                axes = ((),) * len(value.shape)
                return Array(axes, found if isinstance(found, Expr) else number(found), value.kind)
        if any(isinstance(element, Expr) for element in value.values.ravel().tolist()):
            raise RefusedError("found the lengths of axes where numbers are computed with")
        return self.read(self._variable(value), value.kind)

    def _variable(self, known: Known) -> Variable:
        if id(known) not in self._variables:
            if not known.values.size:
                raise RefusedError("found an array without elements")
            own = known.name in self._initialisers and known.name not in self.constants
            name = known.name if own else self._names.new(known.name)
            self.constants[name] = known
            self._variables[id(known)] = Variable(name, known.shape)
        return self._variables[id(known)]

    def read(self, variable: Variable, kind: Kind = "real") -> Array:
        """An array of its own for a variable."""
        axes = tuple(self.axis(n) for n in variable.shape)
        return Array(axes, variable[tuple(axis[0] if axis else Integer(0) for axis in axes)], kind)

    def constant(self, value: float, shape: Sequence[Extent], kind: Kind = "real") -> Array:
        """The same number everywhere."""
        return Array(tuple(map(self.axis, shape)), number(value), kind)

    def fresh(self, array: Array) -> Array:
        """The same array at other indices, so that it can be read twice in one formula."""
        new = {index: self.index(extent(index)) for index in array.indices}
        return array.at(new, [tuple(new[index] for index in axis) for axis in array.axes])

    # --- equations ------------------------------------------------------------------------------------------------

    def vertex(
        self, axes: Iterable[Axis], body: Expr, over: Sequence[Index] = (), reduction: Reduction = Reduction.SUM
    ) -> Array:
        """The vertex ``v[axes] = body``, or with ``over`` its sum, or another reduction."""
        axes = tuple(axes)
        own = {*indices(body)}
        free = (*(step for step in self._steps if step in own), *(index for axis in axes for index in axis))
        variable = Variable(self.name(self.stem), tuple(map(extent, free)))
        self._add(Equation.over(variable[free], body, reduction if over else None, tuple(over)))
        return Array(axes, variable[free])

    def _add(self, equation: Equation) -> None:
        if len(self.equations) >= MOST:
            raise RefusedError(f"found more than {MOST:,} equations")
        self.equations.append(equation)

    def declared(self, axes: Iterable[Axis]) -> Array:
        """A vertex that is read before :meth:`assign` says what it is: one that goes from step to step."""
        axes = tuple(axes)
        free = (*self._steps, *(index for axis in axes for index in axis))
        return Array(axes, Variable(self.name(self.stem), tuple(map(extent, free)))[free])

    def assign(self, target: Expr, body: Expr, over: Sequence[Index] = ()) -> None:
        """The equation ``target = body``, or ``target = Σ_over body``."""
        self._add(Equation.over(target, body, Reduction.SUM if over else None, tuple(over)))

    def settled(self, value: Value) -> Array:
        """The array as a variable, or a number."""
        array = self.array(value)
        return array if array.is_plain else replace(self.vertex(array.axes, array.body), kind=array.kind)

    def shared(self, value: Value, uses: int) -> Value:
        """A value that so many nodes read: a vertex, unless it is one or its formula is small and read once."""
        if isinstance(value, Known) or value.is_plain or (value.kind == "integer" and is_place(value.body)):
            return value
        return self.settled(value) if uses > 1 or is_large(value.body, LARGE) else value

    # --- axes -----------------------------------------------------------------------------------------------------

    def reshaped(self, array: Array, shape: Sequence[Extent], merged: Iterable[int] = ()) -> Array:
        """The elements in their order with other axes; ``merged`` are axes that shall have one index.

        Raises :class:`RefusedError` where neither subscripts nor a bounded number of equations can say it.
        """
        found = self._regrouped(array, shape) or self._regrouped(self._flat(array), shape)
        if found is None:
            raise RefusedError(
                f"found shapes {shown(array.shape)} and {shown(shape)}, expected lengths of which one divides the other"
            )
        for axis in merged:
            found = self.single(found, axis)
        return found

    def _regrouped(self, array: Array, shape: Sequence[Extent]) -> Array | None:
        old = [extent(index) for index in array.indices]
        lengths = refined(old, shape)
        if lengths is None:
            return None
        indices = array.indices if old == lengths else tuple(map(self.index, lengths))
        values, axes = split(array.indices, indices), cut(indices, shape)
        return None if values is None or axes is None else array.at(values, axes)

    def _flat(self, array: Array) -> Array:
        """All elements along one axis."""
        return self.single(Array((array.indices,), array.body, array.kind), 0)

    def single(self, array: Array, axis: int) -> Array:
        """The array with at most one index on an axis: elements of one that is made of several are laid end to end."""
        parts = array.axes[axis]
        if len(parts) < 2:
            return array
        *leading, last = parts
        counts = [extent(index) for index in leading]
        if not is_fixed(counts):
            raise RefusedError(
                f"found an axis of {length(parts)} elements made of several whose lengths each call decides"
            )
        merged = self.index(length(parts))
        axes = (*array.axes[:axis], (merged,), *array.axes[axis + 1 :])
        if prod(counts) > WRITTEN_OUT:
            (place,) = (split([merged], parts) or {}).values()
            return replace(self.vertex(axes, equal(merged, place) * self.settled(array).body, parts), kind=array.kind)
        target = self.declared(axes)
        for turn, at in enumerate(product(*map(range, counts))):
            place = last + turn * extent(last)
            self.assign(target.at({merged: place}).body, array.at(dict(zip(leading, map(Integer, at)))).body)
        return replace(target, kind=array.kind)

    # --- ends -----------------------------------------------------------------------------------------------------

    def outputs(self, values: Mapping[str, Value]) -> None:
        """Call values by the names of the outputs of the file, with the shapes that they have there."""
        for name, value in values.items():
            array = self.array(value)
            for axis in range(len(array.axes)):
                array = self.single(array, axis)
            variable = Variable(name, array.shape)
            target = variable[tuple(axis[0] if axis else Integer(0) for axis in array.axes)]
            last = self.equations[-1] if self.equations else None
            # The last vertex becomes the output itself, where it is that and nothing else reads it.
            if last is not None and len(values) == 1 and last.target == array.body and self._is_alone(last):
                self.equations[-1] = Equation(target, last.body, last.reduction, last.reduced)
            else:
                self.equations.append(Equation(target, array.body))

    def _is_alone(self, last: Equation) -> bool:
        used = [base_name(reference) for equation in self.equations for reference in equation.references]
        return [*used, *(equation.name for equation in self.equations)].count(last.name) == 1


def shown(shape: Iterable[Extent]) -> str:
    """A shape for a message."""
    return f"({', '.join(map(str, shape))})"
