"""Graphs as files of ONNX: each equation as nodes on tensors whose axes are its indices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from sympy import And, Dummy, Eq, Expr, Idx, Integer, Mul, Symbol, expand

from codegen import EmitError, Equation, Graph, Reduction, Variable, optimise
from codegen.dtypes import dtype_name
from codegen.ir.affine import Affine, affine, data_of
from codegen.ir.cells import Pattern, overlap, target_cell
from codegen.ir.order import Scan, written_out
from codegen.ir.ranges import guard_of, is_natural
from codegen.ir.validation import quote
from codegen.walk import Extent, as_extent, base_name, extent, indices, is_plain_on, shape, subscripts
from symnn.onnx.emitting import Body, Emitter, Tensor, helper
from symnn.onnx.formulas import Formula
from symnn.onnx.recurrences import Cell, equations_written_out

LETTERS = "abcdefghijklmnopqrstuvwxyz"
WRITTEN_OUT = 256
"""Recurrences of so many equations are written step by step, which every reader takes; longer ones as a Scan."""
MOST = 4096
"""As many equations as a recurrence in two directions may be written out to, and values of earlier steps."""
WIDEST_MAXIMUM = 16
"""Of so many values a maximum is taken one by one: ReduceMax of ONNX Runtime drops nan."""
OPSETS = range(18, 25)


def model_of(
    graph: Graph,
    name: str,
    constants: Mapping[str, ArrayLike] | None = None,
    dtype: DTypeLike = "float64",
    opset: int = 18,
    notes: Mapping[str, str] | None = None,
) -> Any:
    """A graph as a model of ONNX; ``constants`` are inputs whose values the file holds.

    Raises :class:`EmitError` naming the equation for what ONNX, or ONNX Runtime, has no operator for.
    """
    if opset not in OPSETS:
        raise EmitError(f"opset: found {opset}, expected {OPSETS[0]} to {OPSETS[-1]}")
    return _Export(graph, name, dict(constants or {}), dtype_name(dtype), opset).model(dict(notes or {}))


class _Export:
    def __init__(self, graph: Graph, name: str, constants: dict[str, Any], dtype: str, opset: int) -> None:
        self.given, self.name, self.constants, self.opset = graph, name, constants, opset
        self.graph, _ = optimise(graph)
        self.emitter = Emitter(dtype, [v.name for v in graph.inputs] + list(graph.outputs))
        self.whole: dict[str, str] = {}
        self.pieces: dict[str, dict[Pattern, str]] = {}
        self.open: set[str] = set()
        """What the recurrence at hand assigns, of which only single elements are there."""
        self.steps: dict[Symbol, Extent | None] = {}
        """The places of recurrences, which are below these lengths; None where there may be no step."""
        self.reads = [(step, _names_read(step)) for step in self.graph.steps]
        self.kinds = {variable.name: variable.kind for variable in graph.inputs}
        for variable in graph.inputs:
            self.whole[variable.name] = variable.name
            if variable.name in constants:
                self._hold(variable)
            for axis, n in enumerate(variable.shape):
                if isinstance(n, Symbol) and n not in self.emitter.lengths:
                    found = self.emitter.node("Shape", variable.name, start=axis, end=axis + 1)
                    self.emitter.lengths[n] = self.emitter.node("Squeeze", found, self.emitter.integers([0]))

    def _hold(self, variable: Variable) -> None:
        values = np.asarray(
            self.constants[variable.name], np.int64 if variable.kind == "integer" else self.emitter.real
        )
        if values.shape != variable.shape:
            raise EmitError(f"constants: {variable.name}: found shape {values.shape}, expected {variable.shape}")
        self.emitter.initialisers[variable.name] = values

    def model(self, notes: dict[str, str]) -> Any:
        for step, _ in self.reads:
            try:
                self._step(step)
            except EmitError as error:
                first = step.equations[0] if isinstance(step, Scan) else step
                raise EmitError(f"equation {quote(first)}: {error}") from None
        inputs = [self._info(v, v.name) for v in self.given.inputs if v.name not in self.constants]
        outputs = []
        for output in self.graph.outputs:
            made = self._made(output)
            self.emitter.node("Identity", made, result=output) if made != output else None
            outputs.append(self._info(self.given.variable(output), output))
        return self.emitter.model(self.name, inputs, outputs, self.opset, notes)

    def _info(self, variable: Variable, name: str) -> Any:
        kind = np.dtype(np.int64) if self.kinds.get(name) == "integer" else self.emitter.real
        dims = [n if isinstance(n, int) else str(n) if isinstance(n, Symbol) else None for n in variable.shape]
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(kind), dims)

    # --- equations ------------------------------------------------------------------------------------------------

    def _step(self, step: Equation | Scan) -> None:
        if not isinstance(step, Scan):
            self._keep(step, self._value(step).name)
            return
        self.open = {equation.name for equation in step.equations}
        for name in self.open:
            self.whole.pop(name, None)
        count = equations_written_out(step)
        nested = any(isinstance(part, Scan) for part in step.parts)
        if count is not None and count <= (MOST if nested else WRITTEN_OUT):
            for equation in written_out(step, int):
                self._keep(equation, self._value(equation).name)
        elif nested:
            found = "lengths that each call decides" if count is None else f"{count:,} equations"
            raise EmitError(f"found a recurrence in two directions of {found}, expected at most {MOST:,} equations")
        else:
            self._scan(step)
        self.open = set()

    def _keep(self, equation: Equation, made: str) -> None:
        pattern = target_cell(equation.target).pattern
        if all(part is None for part in pattern):
            self.whole[equation.name] = made
        else:
            self.pieces.setdefault(equation.name, {})[pattern] = made
            self.whole.pop(equation.name, None)

    def _value(self, equation: Equation) -> Tensor:
        if equation.eliminates:
            raise EmitError("found the elimination of a matrix, which no operator of ONNX does")
        self.emitter.order(equation.domain)
        formula = self._formula()
        if equation.is_sum:
            value = self._sum(equation, formula)
        elif equation.reduction is Reduction.MAX:
            value = self._maximum(equation, formula)
        else:
            value = formula.real(equation.body)
        return self.emitter.spread(value, equation.free)

    def _formula(self) -> Formula:
        return Formula(self.emitter, self._read, self._is_integer)

    def _sum(self, equation: Equation, formula: Formula) -> Tensor:
        factors = list(Mul.make_args(equation.body))
        condition = None
        if len(factors) == 1 and (found := guard_of(factors[0])) is not None:
            factors, condition = list(Mul.make_args(found[0])), found[1]
        over = {*equation.reduced}
        numbers = [factor for factor in factors if not indices(factor)]
        others = [factor for factor in factors if indices(factor)]
        if len(others) < 2:
            return self._added(formula.real(equation.body), equation.reduced)
        tensors = [formula.real(factor) for factor in others]
        where = True if condition is None else formula.condition(condition)
        if isinstance(where, Tensor) and (axes := {*where.axes}):
            # The factor that has most of the indices is the one that the condition is about.
            most = max(range(len(tensors)), key=lambda k: len({*tensors[k].axes} & axes))
            tensors[most], where = formula.choose(where, tensors[most], formula.n(0)), True
        while len(tensors) > 1:
            tensors.sort(key=lambda tensor: len(tensor.axes))
            one, other, rest = tensors[0], tensors[1], tensors[2:]
            needed = {index for tensor in rest for index in tensor.axes} | {*equation.free}
            tensors = [*rest, self._contracted(formula, one, other, over - needed)]
        value = self._added(tensors[0], [index for index in tensors[0].axes if index in over])
        # An index that no factor has is a multiple.
        for number in numbers:
            value = formula.multiplied([value, formula.real(number)])
        return formula.choose(where, value, formula.n(0))

    def _contracted(self, formula: Formula, one: Tensor, other: Tensor, over: set[Idx]) -> Tensor:
        """The product of two, summed over indices that nothing else has."""
        pairs = ((one, other), (other, one))
        one, other = (self._added(t, [i for i in t.axes if i in over and i not in u.axes]) for t, u in pairs)
        shared = [index for index in one.axes if index in other.axes]
        summed = [index for index in shared if index in over]
        if not summed:
            return formula.multiplied([one, other])
        rows = [index for index in one.axes if index not in shared]
        columns = [index for index in other.axes if index not in shared]
        batch = [index for index in shared if index not in over]
        if len(summed) == 1 and not batch and len(rows) <= 1 and len(columns) <= 1:
            return self._matrices(one, other, rows, summed, columns)
        out = [*batch, *rows, *columns]
        letters = {index: LETTERS[n] for n, index in enumerate([*out, *summed])}
        terms = ["".join(letters[index] for index in t.axes) for t in (one, other)]
        equation = f"{','.join(terms)}->{''.join(letters[index] for index in out)}"
        return Tensor(self.emitter.node("Einsum", one.name, other.name, equation=equation), tuple(out))

    def _matrices(self, one: Tensor, other: Tensor, rows: list[Idx], over: list[Idx], columns: list[Idx]) -> Tensor:
        """The product of two matrices, or vectors as such: ONNX Runtime is wrong for a transposed one and a vector."""
        e = self.emitter
        order = [*e.sorted([*rows, *columns])]
        if not rows or (columns and [*rows, *columns] != order):
            one, other, rows, columns = other, one, columns, rows
        left, right = e.aligned(one, [*rows, *over]), e.aligned(other, [*over, *columns])
        left = left if rows else e.node("Unsqueeze", left, e.integers([0]))
        right = right if columns else e.node("Unsqueeze", right, e.integers([1]))
        # CasADi's importer has no Squeeze, and takes a row for a vector of length 1.
        found = e.node("MatMul", left, right)
        found = found if columns else e.node("Reshape", found, e.integers([-1] if rows else []))
        return Tensor(found, (*rows, *columns))

    def _added(self, tensor: Tensor, over: Sequence[Idx]) -> Tensor:
        """The sum along axes; a product with ones where the length is known, as CasADi reads it."""
        e = self.emitter
        here = [index for index in tensor.axes if index in over]
        if not here:
            return tensor
        kept = tuple(index for index in tensor.axes if index not in over)
        if len(here) == len(tensor.axes):
            return Tensor(e.node("ReduceSum", tensor.name, keepdims=0))
        if len(here) == 1 and len(kept) == 1 and isinstance(n := extent(here[0]), int):
            return self._matrices(tensor, Tensor(e.constant(np.ones(n)), (here[0],)), [*kept], here, [])
        axes = e.integers([tensor.axes.index(index) for index in here])
        return Tensor(e.node("ReduceSum", tensor.name, axes, keepdims=0), kept)

    def _maximum(self, equation: Equation, formula: Formula) -> Tensor:
        e = self.emitter
        value = formula.real(equation.body)
        for index in equation.reduced:
            if index not in value.axes:
                continue
            axis, n = value.axes.index(index), extent(index)
            kept = tuple(other for other in value.axes if other != index)
            if isinstance(n, int) and n <= WIDEST_MAXIMUM:
                parts = [Tensor(e.node("Gather", value.name, e.integers(place), axis=axis), kept) for place in range(n)]
                found = parts[0]
                for part in parts[1:]:
                    found = e.combined("Max", found, part)
            else:
                found = Tensor(e.node("ReduceMax", value.name, e.integers([axis]), keepdims=0), kept)
                wrong = e.combined("Where", e.combined("Equal", value, value), e.number(0), e.number(1))
                lost = Tensor(e.node("ReduceMax", wrong.name, e.integers([axis]), keepdims=0), kept)
                found = e.combined("Where", e.combined("Greater", lost, e.number(0)), e.number(np.nan), found)
            value = found
        return value

    # --- recurrences ----------------------------------------------------------------------------------------------

    def _scan(self, scan: Scan) -> None:
        """A recurrence as one body for all steps, whose place is a length like any other."""
        outer, place = self.emitter, Dummy("place", integer=True, nonnegative=True)
        before = {name: self.pieces.get(name, {}) for name in self.open}
        self.pieces |= {name: {**before[name]} for name in self.open}
        # A Scan of no steps fails in ONNX Runtime: where there may be none, one more follows, which is cut away.
        maybe_none = not is_natural(Integer(-1) + scan.length)
        count = outer.size(as_extent(scan.length + int(maybe_none)))
        # The reference of ONNX has no Scan from the last place on: the places are given in the order of the steps.
        last = outer.node("Sub", outer.size(scan.length), outer.integers(1))
        ends = [outer.integers(0), count] if scan.step == 1 else [last, outer.integers(-1 - maybe_none)]
        places = outer.node("Range", *ends, outer.integers(scan.step))
        self.steps[place] = None if maybe_none else scan.length
        cells = [Cell(scan, equation, place) for equation in scan.equations]
        back = {name: max(cell.back(name) for cell in cells) for name in self.open}
        earlier = [(cell, steps) for cell in cells for steps in range(1, back[cell.name] + 1)]
        if len(earlier) > MOST:
            raise EmitError(f"found {len(earlier):,} values of steps before, expected at most {MOST:,}")
        start = Integer(0) if scan.step == 1 else Integer(-1) + scan.length
        first = []
        for cell, steps in earlier:
            outer.order(cell.placed.free)
            zero = outer.spread(outer.number(0), cell.placed.free)
            first.append(self._elsewhere(cell, before[cell.name], cell.subscript(start, steps), zero))
        self.emitter = body = Body(outer, place)
        for cell, steps in earlier:
            self.pieces[cell.name][cell.key(steps)] = body.given()
        for cell in cells:
            value = self._value(cell.placed)
            made = self._elsewhere(cell, before[cell.name], cell.subscript(place), value)
            self.pieces[cell.name][cell.key(0)] = made
        kept = [cell for cell in cells if self._is_read_beyond(scan, cell.name)]
        for cell, steps in [*((cell, steps - 1) for cell, steps in earlier), *((cell, 0) for cell in kept)]:
            body.gives(self.pieces[cell.name][cell.key(steps)])
        self.emitter = outer
        self.pieces |= before
        for cell, found in zip(kept, body.scan(first, places)):
            self._keep(cell.equation, self._stacked(cell, found, whole=not maybe_none))

    def _is_read_beyond(self, scan: Scan, name: str) -> bool:
        return name in self.graph.outputs or any(name in names for step, names in self.reads if step is not scan)

    def _elsewhere(self, cell: Cell, before: Mapping[Pattern, str], at: Expr, value: Tensor) -> str:
        """A value, but where other equations have assigned this place of the axis theirs."""
        e, formula = self.emitter, self._formula()
        groups: dict[Any, dict[Pattern, str]] = {}
        for pattern, tensor in before.items():
            if overlap(cell.rest(pattern), cell.rest(cell.pattern)):
                groups.setdefault(pattern[cell.axis], {})[pattern] = tensor
        for part, pieces in groups.items():
            start, stop = (part, part + 1) if isinstance(part, int) else part
            inside = Eq(at, part) if isinstance(part, int) else And(at >= start, at < stop)
            condition = formula.condition(inside)
            if condition is False:
                continue
            found = {}
            for pattern, tensor in pieces.items():
                if not isinstance(part, int):
                    place = e.held(Tensor(e.size(as_extent(at - start))), as_extent(stop - start)).name
                    axis = cell.axis - sum(isinstance(p, int) for p in pattern[: cell.axis])
                    tensor = e.node("Gather", tensor, place, axis=axis)
                found[cell.rest(pattern)] = tensor
            own = cell.rest(cell.pattern)
            if own not in found and any(p is not None for p in own):
                raise EmitError(f"found elements of {cell.name} that overlap")
            extents = self.graph.variable(cell.name).shape
            other = found.get(own) or self._joined(found, cell.rest(extents), 0, 0)
            value = formula.choose(condition, Tensor(other, cell.placed.free), value)
        return value.name

    def _stacked(self, cell: Cell, found: str, whole: bool) -> str:
        """What a Scan has collected, in the order of the axis, and what its equation assigns of that."""
        e, scan = self.emitter, cell.scan
        index, first = scan.index(cell.equation), scan.shift(cell.equation)
        if not whole:
            found = e.node("Slice", found, e.integers([0]), e.shape([scan.length]), e.integers([0]))
        if scan.step == -1:
            most = np.iinfo(np.int64).max
            found = e.node("Slice", found, *(e.integers([n]) for n in (-1, -most, 0, -1)))
        if first or extent(index) != scan.length:
            ends = (e.shape([first]), e.shape([as_extent(first + extent(index))]))
            found = e.node("Slice", found, *ends, e.integers([0]))
        axes = (index, *(other for other in cell.equation.free if other != index))
        return e.aligned(Tensor(found, axes), cell.equation.free)

    # --- reading --------------------------------------------------------------------------------------------------

    def _is_integer(self, leaf: Expr) -> bool:
        return self.kinds.get(base_name(leaf)) == "integer"

    def _read(self, reference: Expr) -> Tensor:
        """What a reference reads: axes are kept or taken from, an axis at a time."""
        name, e = base_name(reference), self.emitter
        key, extents = subscripts(reference), shape(reference)
        found = None if name in self.whole else self._piece(name, key)
        if found is None:
            made = self._made(name)
        else:
            made, pattern = found
            rest = [(i, n) for i, n, part in zip(key, extents, pattern) if part is None]
            key, extents = tuple(i for i, _ in rest), tuple(n for _, n in rest)
        free = [index for subscript in key for index in indices(subscript)]
        if len({*free}) < len(free):
            return self._gathered(made, key, extents)
        axes: list[tuple[Idx, ...]] = [(i,) if isinstance(i, Idx) else () for i in key]
        # From the last axis on, so that those in front stay where they are.
        for axis in reversed(range(len(key))):
            if isinstance(key[axis], Idx) and is_plain_on(key[axis], extents[axis]):
                continue
            places = self._places(key[axis], extents[axis])
            if self._may_be_empty(key[axis], extents[axis]):
                made = e.node("Pad", made, e.integers([0, 1]), "", e.integers([axis]))
            made = e.node("Gather", made, places.name, axis=axis)
            axes[axis] = places.axes
        return Tensor(made, tuple(index for axis in axes for index in axis))

    def _piece(self, name: str, key: Sequence[Expr]) -> tuple[str, Pattern] | None:
        """What one equation assigned, where nothing but elements of that are read."""
        for pattern, tensor in self.pieces.get(name, {}).items():
            if not all(part is None or part == n or _is_within(part, n) for part, n in zip(pattern, key)):
                continue
            for axis in reversed(range(len(key))):
                if isinstance(part := pattern[axis], tuple):
                    there = axis - sum(isinstance(other, int) for other in pattern[:axis])
                    tensor = self.emitter.node(
                        "Gather", tensor, self.emitter.integers(int(key[axis]) - part[0]), axis=there
                    )
                    pattern = (*pattern[:axis], int(key[axis]), *pattern[axis + 1 :])
            return tensor, pattern
        return None

    def _places(self, subscript: Expr, n: Extent) -> Tensor:
        """The places of an axis that a subscript has, int64."""
        e = self.emitter
        form = affine(subscript)
        if form is not None:
            if (
                form.constant.is_Integer
                and all(isinstance(extent(i), int) for i in form.indices)
                and isinstance(n, int)
            ):
                plain = e.places(form)
                low, high = form.ends()
                return plain if low >= 0 and high < n else self._clipped(plain, n)
            places = e.places(form)
            return places if self._is_on(form, n) else e.held(places, n)
        read = data_of(subscript)
        if read is None:
            raise EmitError(f"found the subscript {subscript}")
        data = self._read(read.integer)
        if read.factor != 1:
            data = e.combined("Mul", data, Tensor(e.integers(read.factor)))
        if read.rest.constant == 0 and not read.rest.coefficients:
            return data
        return e.combined("Add", data, e.places(read.rest))

    def _steps_of(self, subscript: Expr) -> list[Extent]:
        """How many steps the recurrences have whose places are in a subscript."""
        return [steps for place, steps in self.steps.items() if steps is not None and subscript.has(place)]

    def _is_on(self, form: Affine, n: Extent) -> bool:
        """Whether a place of a recurrence, and what is added to it, is on an axis at each step."""
        added = form.constant.as_coeff_Add()[0]
        return not form.indices and any(
            (form.constant - added).is_Symbol and added >= 0 and is_natural(expand(n - steps - added))
            for steps in self._steps_of(form.constant)
        )

    def _may_be_empty(self, subscript: Expr, n: Extent) -> bool:
        """Whether there may be places that are looked for, behind a condition, on an axis without elements."""
        lengths = [*map(extent, indices(subscript)), *self._steps_of(subscript)]
        return not any(is_natural(expand(Integer(0) + n - least)) for least in (1, *lengths))

    def _clipped(self, places: Tensor, n: int) -> Tensor:
        values = self.emitter.initialisers[places.name]
        return Tensor(self.emitter.integers(np.clip(values, 0, n - 1)), places.axes)

    def _gathered(self, found: str, key: Sequence[Expr], extents: Sequence[Extent]) -> Tensor:
        """What is read where one index says places of two axes: along all axes laid end to end."""
        e = self.emitter
        place: Tensor | None = None
        stride: Extent = 1
        for subscript, n in reversed([*zip(key, extents)]):
            part = self._places(subscript, n)
            part = part if stride == 1 else e.combined("Mul", part, Tensor(e.size(stride)))
            place = part if place is None else e.combined("Add", place, part)
            stride = as_extent(stride * n)
            if not isinstance(stride, int) and not (stride.is_Symbol or stride.is_Add or stride.is_Mul):
                raise EmitError("found a diagonal of several lengths that each call decides")
        assert place is not None
        flat = e.node("Reshape", found, e.integers([-1]))
        return Tensor(e.node("Gather", flat, place.name, axis=0), place.axes)

    # --- arrays that several equations assign ---------------------------------------------------------------------

    def _made(self, name: str) -> str:
        """The whole of a variable."""
        if name in self.open:
            raise EmitError(f"found {name} read beyond the step at hand, expected elements of single steps")
        if name not in self.whole:
            self.whole[name] = self._joined(self.pieces[name], self.graph.variable(name).shape, 0, 0)
        return self.whole[name]

    def _joined(self, pieces: Mapping[Pattern, str], extents: Sequence[Extent], axis: int, absent: int) -> str:
        """Pieces put side by side along the first axis that cuts them, and so on; so many axes they lack in front."""
        e = self.emitter
        if len(pieces) == 1 and all(part is None for part in next(iter(pieces))[axis:]):
            return next(iter(pieces.values()))
        groups: dict[Any, dict[Pattern, str]] = {}
        for pattern, tensor in pieces.items():
            groups.setdefault(pattern[axis], {})[pattern] = tensor
        if [*groups] == [None]:
            return self._joined(pieces, extents, axis + 1, absent)
        if None in groups:
            raise EmitError("found elements of an array that overlap")
        parts, place = [], 0
        for part in sorted(groups, key=lambda part: part if isinstance(part, int) else part[0]):
            start, stop = (part, part + 1) if isinstance(part, int) else part
            if start > place:
                parts.append(self._unassigned(pieces, extents, axis, start - place))
            single = isinstance(part, int)
            inner = self._joined(groups[part], extents, axis + 1, absent + single)
            parts.append(e.node("Unsqueeze", inner, e.integers([axis - absent])) if single else inner)
            place = stop
        if (rest := expand(extents[axis] - place)) != 0:
            parts.append(self._unassigned(pieces, extents, axis, rest))
        return parts[0] if len(parts) == 1 else e.node("Concat", *parts, axis=axis - absent)

    def _unassigned(self, pieces: Mapping[Pattern, str], extents: Sequence[Extent], axis: int, n: Any) -> str:
        """Elements that nothing assigns, and nobody reads."""
        before = [
            length if part is None else part[1] - part[0]
            for length, part in zip(extents[:axis], next(iter(pieces)))
            if not isinstance(part, int)
        ]
        shape = [as_extent(length) for length in (*before, n, *extents[axis + 1 :])]
        return self.emitter.node("Expand", self.emitter.number(np.nan).name, self.emitter.shape(shape))


def _names_read(step: Equation | Scan) -> frozenset[str]:
    equations = step.equations if isinstance(step, Scan) else (step,)
    return frozenset(access.cell.name for equation in equations for access in equation.reads)


def _is_within(part: Any, subscript: Expr) -> bool:
    """Whether a number is in a range, for all lengths."""
    if not isinstance(part, tuple) or not subscript.is_Integer:
        return False
    return bool(subscript >= part[0]) and is_natural(part[1] - 1 - subscript)
