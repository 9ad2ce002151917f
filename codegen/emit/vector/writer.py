"""Statements of a scheduled graph as LLVM instructions, one level of each loop nest in lanes.

The last vector of a loop is masked, so nothing is read or written out of bounds. Sums over the lane index are kept as
vectors and combined after the loop in the order of a fixed tree: the result depends on the width and on nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import reduce
from itertools import zip_longest

from llvmlite import ir
from numba.core import cgutils
from sympy import Add, Expr, Idx, Indexed, Integer, Mul, Symbol
from sympy.core.basic import Basic

from codegen.dtypes import ITEM
from codegen.emit.lanes import Lanes
from codegen.emit.scalars import product_factors
from codegen.emit.vector.contraction import aligned_steps, steps
from codegen.emit.vector.plan import Plan, Region
from codegen.emit.vector.values import INT, Address, Counter, Places, Scope, Sum, Value, length
from codegen.ir.affine import affine
from codegen.ir.graph import Cell, Reduction, cell_of
from codegen.schedule.program import (
    Accumulate,
    Bound,
    Contract,
    Fill,
    Kernel,
    Loop,
    One,
    Place,
    Routine,
    Samples,
    Scan,
    Serial,
    Set,
    Statement,
    Storage,
    Store,
    Vector,
)
from codegen.walk import Extent, base_name, extent, indices, is_plain, is_variable, references, size, subscripts

ROWS = 4
"""So many rows of a matrix are added to a vector at a time: Pᵀ·v of 512 × 128 takes 5.7 µs, with one at a time 10.7."""


@dataclass(frozen=True)
class Forms:
    """How what is no statement is written: the value of an expression, a step on a tile, a product of whole arrays."""

    evaluate: Callable[[Writer, Expr, Scope], Value]
    kernel: Callable[[Writer, Kernel, Scope], None]
    contract: Callable[[Writer, Contract], None]
    routine: Callable[[Writer, Routine, Scope], None]


@dataclass(frozen=True)
class Combination:
    """How the numbers of a reduction are combined."""

    accumulate: Callable[[Lanes, ir.Value, ir.Value], ir.Value]
    """A total and one more."""
    totals: Callable[[Lanes, ir.Value, ir.Value], ir.Value]
    """Two totals."""
    across: Callable[[Lanes, ir.Value], ir.Value]
    """The lanes of a vector."""


COMBINED: Mapping[Reduction, Combination] = {
    Reduction.SUM: Combination(Lanes.add, Lanes.add, Lanes.sum),
    Reduction.MAX: Combination(lambda lanes, total, new: lanes.larger(new, total), Lanes.larger, Lanes.max),
}


@dataclass(frozen=True)
class Bindings:
    """What code refers to: inputs and outputs (pointers, or values of scalars), extents, the two workspaces."""

    arrays: Mapping[str, ir.Value]
    extents: Mapping[Symbol, ir.Value]
    shared: ir.Value
    private: ir.Value


class Writer:
    """Emits the statements of a plan at the place where ``builder`` stands.

    ``sums`` are the places of what the samples are summed into, where these are not the usual ones.
    """

    def __init__(
        self,
        builder: ir.IRBuilder,
        plan: Plan,
        names: Bindings,
        forms: Forms,
        sums: Mapping[Storage, ir.Value] | None = None,
    ) -> None:
        self.builder, self.plan, self.program, self.names = builder, plan, plan.program, names
        self._forms, self._sums = forms, sums or {}
        self.scalar = Lanes(builder, 1, plan.dtype)
        self.wide = Lanes(builder, plan.width, plan.dtype)
        self.native = Lanes(builder, plan.native, plan.dtype)
        self.pointers = {
            **lay_out(builder, plan.shared, names.extents, names.shared),
            **lay_out(builder, plan.private, names.extents, names.private),
        }
        self.locals: dict[int, Value] = {}
        self.under_way: dict[Cell, Sum] = {}
        self.lane: Idx | None = None
        self.count: ir.Value | None = None
        self.mask: ir.Value | None = None
        self.some_lanes = False
        """Whether a condition has chosen among the lanes: those that count are no longer the first ``count``."""
        self.tile: tuple[Idx, ir.Value, ir.Value] | None = None
        """The index of the samples, the first of the tile and how many there are."""

    def extent(self, n: Extent) -> ir.Value:
        return length(self.builder, n, self.names.extents)

    # --- statements -----------------------------------------------------------------------------------------------

    def block(self, statements: Sequence[Statement], scope: Scope) -> None:
        """The statements of one block; what they fill is finished after the loop that follows."""
        filled: list[Fill] = []
        for statement, following in zip_longest(statements, statements[1:]):
            match statement:
                case Set():
                    self.store(statement.target, self._forms.evaluate(self, statement.value, scope), scope)
                case Accumulate():
                    self.accumulate(statement, scope)
                case Fill():
                    self.fill(statement, scope)
                    filled.append(statement)
                case Loop():
                    self.loop(statement, scope)
                case Store():
                    self.store_output(statement, scope)
                case Contract():
                    self._forms.contract(self, statement)
                case Kernel():
                    self._forms.kernel(self, statement, scope)
                case Routine():
                    self._forms.routine(self, statement, scope)
            # Where nothing is added to a sum, no loop follows.
            if not isinstance(following, (Fill, Loop)) or (isinstance(statement, Loop) and not _goes_on(following)):
                for fill in filled:
                    self.finish(fill, scope)
                filled = []

    def samples(self, samples: Samples, first: ir.Value, last: ir.Value) -> None:
        """The samples from ``first`` up to, but not including, ``last``."""
        for fill in samples.fills:
            self.fill(fill, {})
        if samples.tile is None:
            self.tile = samples.index, first, self.builder.sub(last, first)
            self.block(samples.body, {})
        else:
            with self.range(first, last, samples.tile) as start:
                left = self.builder.sub(last, start)
                size = INT(samples.tile)
                self.tile = (
                    samples.index,
                    start,
                    self.builder.select(self.builder.icmp_signed("<", left, size), left, size),
                )
                self.block(samples.body, {})
        self.tile = None
        for fill in samples.fills:
            self.finish(fill, {})
        for store in samples.stores:
            self.store_output(store, {})

    def loop(self, loop: Loop, scope: Scope) -> None:
        over_tile = self.tile is not None and self.tile[0] == loop.index
        n = self.tile[2] if self.tile is not None and over_tile else self.extent(extent(loop.index))
        match loop.mode:
            case One(value):
                self.at_the_one(loop, value, n, scope)
            case Serial():
                first, last = self.bounds(loop, n, scope)
                if (row := _row_added(loop)) is not None:
                    first = self.rows_together(loop, row, first, last, scope)
                with self.range(first, last, 1) as i:
                    self.block(loop.body, {**scope, loop.index: Counter(i)})
            case Scan(step):
                first, last = self.bounds(loop, n, scope)
                with self.range(first, last, 1) as i:
                    if step < 0:
                        i = self.builder.sub(self.builder.add(first, self.builder.sub(last, INT(1))), i)
                    self.block(loop.body, {**scope, loop.index: Counter(i)})
            case Vector(width):
                self.in_vectors(loop, width, over_tile, self.bounds(loop, n, scope), scope)

    def rows_together(self, loop: Loop, row: Loop, first: ir.Value, last: ir.Value, scope: Scope) -> ir.Value:
        """Add some rows at a time to what is loaded and stored once for all of them; returns the first that is left."""
        n = self.builder.select(self.builder.icmp_signed(">", last, first), self.builder.sub(last, first), INT(0))
        whole = self.builder.add(first, self.builder.and_(n, INT(-ROWS)))
        with self.range(first, whole, ROWS) as i:
            places = (self.builder.add(i, INT(ahead)) for ahead in range(ROWS))
            scopes = [{**scope, loop.index: Counter(place)} for place in places]
            assert isinstance(row.mode, Vector)
            self.in_vectors(row, row.mode.width, False, (INT(0), self.extent(extent(row.index))), *scopes)
        return whole

    def bounds(self, loop: Loop, n: ir.Value, scope: Scope) -> tuple[ir.Value, ir.Value]:
        """Where a loop over a range of ``n`` values begins and what it ends before."""
        if loop.is_whole:
            return INT(0), n
        starts, stops = ([self.bound(b, scope) for b in bounds] for bounds in (loop.starts, loop.stops))
        return reduce(self.larger, starts), reduce(lambda a, b: self.larger(a, b, "<"), stops)

    def bound(self, bound: Bound, scope: Scope) -> ir.Value:
        over = self.counter(bound.over, scope).base
        if bound.divisor == 1:
            return over
        if isinstance(over, ir.Constant):
            return INT(int(over.constant / bound.divisor))
        return self.builder.sdiv(over, INT(bound.divisor))

    def larger(self, a: ir.Value, b: ir.Value, relation: str = ">") -> ir.Value:
        """The larger of two integers, or with the other relation the smaller."""
        if isinstance(a, ir.Constant) and isinstance(b, ir.Constant):
            return a if (a.constant > b.constant) == (relation == ">") else b
        return self.builder.select(self.builder.icmp_signed(relation, a, b), a, b)

    def in_vectors(
        self, loop: Loop, width: int, over_tile: bool, bounds: tuple[ir.Value, ir.Value], *scopes: Scope
    ) -> None:
        """A loop ``width`` values at a time, the last of them masked; of several rows, each in its scope."""
        first, last = bounds
        if not over_tile and loop.is_whole and isinstance(known := extent(loop.index), int):
            rest = known % width
            if known > rest:
                with self.range(first, INT(known - rest), width) as i:
                    self.in_lanes(loop, i, None, *scopes)
            if rest:
                self.in_lanes(loop, INT(known - rest), INT(rest), *scopes)
            return
        if not loop.is_whole:
            last = self.larger(first, last)
        n = last if loop.is_whole else self.builder.sub(last, first)
        whole = self.builder.and_(n, INT(-width))
        whole = whole if loop.is_whole else self.builder.add(first, whole)
        with aligned_steps(self.builder, first, whole, width) as i:
            self.in_lanes(loop, i, None, *scopes)
        rest = self.builder.sub(last, whole)
        with self.builder.if_then(self.builder.icmp_signed(">", rest, INT(0)), likely=False):
            self.in_lanes(loop, whole, rest, *scopes)

    def in_lanes(self, loop: Loop, first: ir.Value, count: ir.Value | None, *scopes: Scope) -> None:
        """The body of a loop for the values from ``first`` on, one a lane, in ``count`` lanes or in all."""
        self.lane, self.count, self.mask = loop.index, count, None
        if count is not None:
            width = self.plan.width
            iota = ir.Constant(ir.VectorType(INT, width), list(range(width)))
            self.mask = self.builder.icmp_signed("<", iota, self.spread(count, width))
        inner, *others = ({**scope, loop.index: Counter(first, 1)} for scope in scopes)
        assert isinstance(loop.mode, Vector)
        for name in loop.mode.copied:
            self.gather_rows(name, inner)
        if others:
            (statement,) = loop.body
            assert isinstance(statement, Accumulate)
            self.add_rows(statement, (inner, *others))
        else:
            self.block(loop.body, inner)
        self.lane = self.count = self.mask = None

    def at_the_one(self, loop: Loop, value: Expr, n: ir.Value, scope: Scope) -> None:
        """The body of a loop at one value of its index, where that is in the range; lanes have one value each."""
        where = self.counter(value, scope)
        if self.tile is not None and self.tile[0] == loop.index:
            where = Counter(self.builder.sub(where.base, self.tile[1]), where.step)
        elif loop.certain:
            self.block(loop.body, {**scope, loop.index: where})
            return
        inner = {**scope, loop.index: where}
        every = self.values(where)
        # As unsigned numbers, those below 0 are beyond every n.
        if not every.lanes:
            with self.builder.if_then(self.builder.icmp_unsigned("<", every.llvm, n)):
                self.block(loop.body, inner)
            return
        inside = self.builder.icmp_unsigned("<", every.llvm, self.spread(n, self.plan.width))
        outer, self.mask = (self.mask, self.some_lanes), self.masked(inside)
        self.some_lanes = True
        self.block(loop.body, inner)
        self.mask, self.some_lanes = outer

    def masked(self, inside: ir.Value) -> ir.Value:
        """The lanes that count, of those where ``inside`` holds."""
        return inside if self.mask is None else self.builder.and_(self.mask, inside)

    def range(self, start: ir.Value, stop: ir.Value, step: int) -> AbstractContextManager[ir.Value]:
        """``for i in range(start, stop, step)``."""
        return steps(self.builder, start, stop, step)

    def gather_rows(self, name: str, scope: Scope) -> None:
        """Copy ``width`` rows of an input to vectors, one for each element of a row."""
        columns = self.elements(self.plan.private[name].shape)
        assert self.lane is not None
        row = self.position(self.lane, scope, Place.INPUT)
        with self.range(INT(0), columns, 1) as column:
            first = self.builder.gep(
                self.names.arrays[name], [self.builder.add(self.builder.mul(row, columns), column)]
            )
            values = self.gather(first, columns, self.scalar.format.real)
            self.wide.store(values, self.element(name, column))

    # --- sums -----------------------------------------------------------------------------------------------------

    def fill(self, statement: Fill, scope: Scope) -> None:
        """Make room for a sum: a register, an array of native vectors, or the target itself."""
        key, value = cell_of(statement.target), float(statement.equation.monoid.neutral)
        if key in self.plan.lane_sums:
            with self.range(INT(0), self.elements(self.plan.private[key].shape), 1) as n:
                self.native.store(value, self.element(key, n))
        elif statement.over:
            self.over(statement.over, scope, lambda inner: self.store(statement.target, self.real(value), inner))
        else:
            inside = self.lane is not None
            lanes = inside or key in self.plan.lane_totals
            type_ = (self.wide if lanes else self.scalar).real_type
            slot = cgutils.alloca_once(self.builder, type_)
            self.builder.store((self.wide if lanes else self.scalar).real(value), slot)
            self.under_way[key] = Sum(slot, lanes, combine=lanes and not inside)

    def accumulate(self, statement: Accumulate, scope: Scope) -> None:
        """Add a value to a sum, products fused to it, or keep the larger; lanes beyond the end change nothing."""
        key = cell_of(statement.target)
        values = self.summands(statement, scope)
        if key in self.under_way:
            total = self.under_way[key]
            lanes = self.wide if total.lanes else self.scalar
            before = self.builder.load(total.slot)
            after = self.combined(statement, lanes, before, [self.spread_real(v, total.lanes) for v in values])
            if self.counting is not None and (total.combine or self.some_lanes):
                after = self.wide.select(self.counting, after, before)
            self.builder.store(after, total.slot)
        elif key in self.plan.lane_sums:
            place = self.element(key, self.offset(statement.target, self.program.storage_of(statement.target), scope))
            sum_ = self.native.load(place)
            vectors = [self.spread_real(v, True) for v in values]
            masks = [None] * self.plan.width if self.counting is None else list(self.parts(self.counting))
            for mask, *parts in zip(masks, *(self.parts(v) for v in vectors)):
                added = self.combined(statement, self.native, sum_, parts)
                sum_ = added if mask is None else self.native.select(mask, added, sum_)
            self.native.store(sum_, place)
        elif self.is_said_by_data(statement.target, self.program.storage_of(statement.target), scope):
            self.one_after_the_other(statement, [self.spread_real(v, True) for v in values], scope)
        else:
            old = self.load(statement.target, scope)
            in_lanes = self.some_lanes or old.lanes or any(v.lanes for v in values)
            lanes = self.wide if in_lanes else self.scalar
            before, *added = (self.spread_real(v, in_lanes) for v in (old, *values))
            after = self.combined(statement, lanes, before, added)
            if self.some_lanes:
                after = lanes.select(self.mask, after, before)
            self.store(statement.target, Value(after, in_lanes), scope)

    def add_rows(self, statement: Accumulate, scopes: Sequence[Scope]) -> None:
        """Add what each of some rows has to what all of them are added to, in their order."""
        rows = [[self.spread_real(v, True) for v in self.summands(statement, scope)] for scope in scopes]
        total = self.spread_real(self.load(statement.target, scopes[0]), True)
        for row in rows:
            total = self.combined(statement, self.wide, total, row)
        self.store(statement.target, Value(total, True), scopes[0])

    def one_after_the_other(self, statement: Accumulate, values: Sequence[ir.Value], scope: Scope) -> None:
        """Add what each lane has to an element of its own, in the order of the lanes: several may have the same."""
        width, nowhere = self.plan.width, cgutils.alloca_once(self.builder, self.scalar.real_type)
        places = self.address(statement.target, scope)
        assert isinstance(places, Places)
        pointers = places.pointers
        if self.mask is not None:
            self.builder.store(self.scalar.real(0.0), nowhere)
            pointers = self.builder.select(self.mask, pointers, self.spread(nowhere, width))
        for lane in range(width):
            here = ir.IntType(32)(lane)
            place, *new = (self.builder.extract_element(vector, here) for vector in (pointers, *values))
            self.builder.store(self.combined(statement, self.scalar, self.builder.load(place), new), place)

    @property
    def counting(self) -> ir.Value | None:
        """The lanes that count in a sum of all lanes: outside of lanes, where a part of it may be, the first."""
        if self.lane is not None:
            return self.mask
        flags = [1] + [0] * (self.plan.width - 1)
        return ir.Constant(ir.VectorType(ir.IntType(1), self.plan.width), flags)

    def summands(self, statement: Accumulate, scope: Scope) -> list[Value]:
        """What is added: a value, or the two factors of a product."""
        factors = product_factors(statement.value) if statement.equation.is_sum else None
        if factors is None:
            return [self._forms.evaluate(self, statement.value, scope)]
        *leading, last = (self._forms.evaluate(self, factor, scope) for factor in factors)
        return [reduce(lambda a, b: self.apply(lambda lanes, x, y: lanes.mul(x, y), a, b), leading), last]

    def combined(self, statement: Accumulate, lanes: Lanes, total: ir.Value, new: Sequence[ir.Value]) -> ir.Value:
        if len(new) == 2 and new[0] is new[1]:
            # Of a square only an addition waits for the total of the step before: 3 cycles on Zen 3 instead of 4, which
            # is what a sum of squares takes.
            return lanes.add(total, lanes.mul(*new))
        if len(new) == 2:
            return lanes.fma(new[0], new[1], total)
        return COMBINED[statement.equation.monoid].accumulate(lanes, total, new[0])

    def finish(self, statement: Fill, scope: Scope) -> None:
        """After its loop, a sum moves to where it belongs; sums over lanes are combined first."""
        key = cell_of(statement.target)
        if key in self.plan.lane_sums:
            self.over(statement.over, scope, lambda inner: self._finish_element(statement, inner))
        elif key in self.under_way:
            total = self.under_way.pop(key)
            value = Value(self.builder.load(total.slot), total.lanes)
            if total.combine:
                value = Value(COMBINED[statement.equation.monoid].across(self.wide, value.llvm), False)
            self.store(statement.target, value, scope)

    def _finish_element(self, statement: Fill, scope: Scope) -> None:
        storage = self.program.storage_of(statement.target)
        place = self.element(cell_of(statement.target), self.offset(statement.target, storage, scope))
        total = COMBINED[statement.equation.monoid].across(self.native, self.native.load(place))
        self.store(statement.target, Value(total, False), scope)

    def over(self, over: Sequence[Idx], scope: Scope, body: Callable[[Scope], None]) -> None:
        """Scalar loops over some indices."""
        if not over:
            body(scope)
            return
        with self.range(INT(0), self.extent(extent(over[0])), 1) as i:
            self.over(over[1:], {**scope, over[0]: Counter(i)}, body)

    def parts(self, value: ir.Value) -> Iterator[ir.Value]:
        """A wide vector as native ones."""
        index = ir.IntType(32)
        for start in range(0, self.plan.width, self.native.width):
            places = list(range(start, start + self.native.width))
            yield self.builder.shuffle_vector(
                value, value, ir.Constant(ir.VectorType(index, self.native.width), places)
            )

    # --- memory ---------------------------------------------------------------------------------------------------

    def elements(self, shape: Sequence[Extent]) -> ir.Value:
        return reduce(self.builder.mul, [self.extent(n) for n in shape], INT(1))

    def region(self, key: object) -> Region:
        return self.plan.private[key] if key in self.plan.private else self.plan.shared[key]

    def element(self, key: object, position: ir.Value) -> ir.Value:
        """The address of an element of a region of the workspace."""
        lanes = self.region(key).lanes
        return self.builder.gep(
            self.pointers[key], [position if lanes == 1 else self.builder.mul(position, INT(lanes))]
        )

    def base(self, storage: Storage, name: str) -> ir.Value:
        """Where an array begins."""
        if storage in self._sums:
            return self._sums[storage]
        return self.pointers[storage.number] if storage.place in (Place.WORK, Place.TILE) else self.names.arrays[name]

    def local(self, storage: Storage) -> ir.Value | None:
        """The place of a local that outlives this function."""
        if storage in self._sums:
            return self._sums[storage]
        place = self.plan.shared_locals.get(storage.number)
        return None if place is None else self.element("locals", INT(place))

    def position(self, subscript: Expr, scope: Scope, place: Place) -> ir.Value:
        """The value of a subscript, of the first lane if there are lanes; tiles count samples from their first."""
        if not isinstance(subscript, Idx):
            return INT(int(subscript)) if subscript.is_Integer else self.counter(subscript, scope).base
        here = scope[subscript].base
        if self.tile is not None and subscript == self.tile[0] and place is not Place.TILE:
            return self.builder.add(self.tile[1], here)
        return here

    def offset(self, reference: Expr, storage: Storage, scope: Scope) -> ir.Value:
        """The position of an element in row-major order, of the first lane if the lane index is one of the axes."""
        position: ir.Value = INT(0)
        for axis, n in zip(storage.axes, storage.shape):
            here = self.position(subscripts(reference)[axis], scope, storage.place)
            position = self.builder.add(self.builder.mul(position, self.extent(n)), here)
        return position

    def stride(self, reference: Expr, storage: Storage, scope: Scope) -> ir.Value | int:
        """How far apart the elements of neighbouring lanes are: 0 where all lanes read one element."""
        stride: ir.Value | int = 0
        step: ir.Value | int = 1
        for axis, n in reversed(list(zip(storage.axes, storage.shape))):
            if (apart := self.apart(subscripts(reference)[axis], scope)) != 0:
                stride = _add(self.builder, stride, _multiply(self.builder, apart, step))
            step = _multiply(self.builder, step, n if isinstance(n, int) else self.extent(n))
        return stride

    def apart(self, subscript: Expr, scope: Scope) -> ir.Value | int:
        """How much more a subscript is in each lane than in the one before."""
        if not any(scope[index].lanes for index in indices(subscript)):
            return 0
        return scope[subscript].step if isinstance(subscript, Idx) else self.counter(subscript, scope).step

    def is_said_by_data(self, reference: Expr, storage: Storage, scope: Scope) -> bool:
        """Whether each lane has an element of its own."""
        key = (subscripts(reference)[axis] for axis in storage.axes)
        return any(scope[index].each is not None for subscript in key for index in indices(subscript))

    def offsets(self, reference: Expr, storage: Storage, scope: Scope) -> ir.Value | None:
        """The position of each lane's element in row-major order, where data say it; None where they do not."""
        if not self.is_said_by_data(reference, storage, scope):
            return None
        position: ir.Value | None = None
        for axis, n in zip(storage.axes, storage.shape):
            subscript = subscripts(reference)[axis]
            here = self.spread_real(self.values(self.placed(subscript, scope, storage.place)), True)
            if position is not None:
                here = self.builder.add(self.builder.mul(position, self.spread(self.extent(n), self.plan.width)), here)
            position = here
        return position

    def places(self, base: ir.Value, offsets: ir.Value) -> Places:
        """So many numbers from where an array begins, in each lane."""
        width = self.plan.width
        size, _ = self.layout_of(base.type.pointee)
        start = self.spread(self.builder.ptrtoint(base, INT), width)
        distance = self.builder.mul(offsets, self.spread(INT(size), width))
        pointers = ir.VectorType(base.type, width)
        return Places(self.builder.inttoptr(self.builder.add(start, distance), pointers))

    def address(self, reference: Expr, scope: Scope) -> Address | Places:
        """Where a vertex is kept, of the first lane, and how its lanes lie."""
        storage, name = self.program.storage_of(reference), base_name(reference)
        if name in self.plan.private and self.lane is not None and subscripts(reference)[0] == self.lane:
            return self.vector_address(name, reference, storage.row, scope)
        if storage.number in self.plan.lane_elements and storage.place in (Place.WORK, Place.TILE):
            return self.vector_address(storage.number, reference, storage, scope)
        if (offsets := self.offsets(reference, storage, scope)) is not None:
            return self.places(self.base(storage, name), offsets)
        offset = self.offset(reference, storage, scope)
        stride = self.stride(reference, storage, scope)
        # A tile is whole vectors long.
        whole = storage.place is Place.TILE and self.tile is not None and self.lane == self.tile[0]
        return Address(self.builder.gep(self.base(storage, name), [offset]), stride, whole)

    def vector_address(self, key: object, reference: Expr, storage: Storage, scope: Scope) -> Address | Places:
        """Where a vertex is kept whose elements are vectors; each lane may be in another one."""
        if (offsets := self.offsets(reference, storage, scope)) is not None:
            width = self.plan.width
            first = self.builder.mul(offsets, self.spread(INT(self.region(key).lanes), width))
            return self.places(self.pointers[key], self.builder.add(first, self.iota(width)))
        apart = _multiply(self.builder, self.stride(reference, storage, scope), self.region(key).lanes)
        place = self.element(key, self.offset(reference, storage, scope))
        return Address(place, _add(self.builder, apart, 1), whole=True)

    def load(self, reference: Expr, scope: Scope) -> Value:
        """The value of a vertex, from wherever it is kept."""
        storage, name = self.program.storage_of(reference), base_name(reference)
        if (total := self.under_way.get(cell_of(reference))) is not None:
            return Value(self.builder.load(total.slot), total.lanes)
        if storage.place is Place.LOCAL:
            if storage.number in self.locals:
                return self.locals[storage.number]
            return Value(self.builder.load(self.local(storage)), False)
        if storage.place is Place.INPUT and not storage.shape:
            return Value(self.names.arrays[name], False)
        found = self.address(reference, scope)
        element = INT if name in self.program.graph.integers else self.scalar.format.real
        if isinstance(found, Places):
            return Value(self.gathered(found.pointers, element), True)
        # Where lanes have been chosen, the others may be anywhere.
        apart = self.some_lanes and (not is_plain(reference) or any(scope[i].lanes for i in indices(reference)))
        if found.stride == 0 and not apart:
            return Value(self.builder.load(found.pointer), False)
        if found.stride == -1:
            return Value(self.load_backwards(found.pointer, element), True)
        if found.stride != 1:
            return Value(self.gather(found.pointer, _value(found.stride), element), True)
        if element is INT or apart:
            return Value(self.load_neighbours(found.pointer, element, self.mask), True)
        all_lanes = found.whole or self.count is None
        whole = self.wide.load(found.pointer) if all_lanes else self.wide.load_first(found.pointer, self.count)
        return Value(whole, True)

    def load_backwards(self, pointer: ir.Value, element: ir.Type) -> ir.Value:
        """As :meth:`load_neighbours`, each lane one element before the last: gathering takes several times as long."""
        first = self.builder.gep(pointer, [INT(1 - self.plan.width)])
        mask = None if self.mask is None else self.backwards(self.mask)
        return self.backwards(self.load_neighbours(first, element, mask))

    def backwards(self, vector: ir.Value) -> ir.Value:
        """The lanes in the other order."""
        places = list(reversed(range(self.plan.width)))
        index = ir.VectorType(ir.IntType(32), self.plan.width)
        return self.builder.shuffle_vector(vector, vector, ir.Constant(index, places))

    def load_neighbours(self, pointer: ir.Value, element: ir.Type, mask: ir.Value | None) -> ir.Value:
        """Neighbouring numbers, one a lane; for lanes that do not count nothing is read."""
        size, kind = self.layout_of(element)
        vector = ir.VectorType(element, self.plan.width)
        place = self.builder.bitcast(pointer, vector.as_pointer())
        if mask is None:
            return self.builder.load(place, align=size)
        zeros = ir.Constant(vector, [element(0)] * self.plan.width)
        arguments = [place, ir.IntType(32)(size), mask, zeros]
        signature = ir.FunctionType(vector, [a.type for a in arguments])
        name = f"llvm.masked.load.v{self.plan.width}{kind}.p0"
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, signature, name), arguments)

    def layout_of(self, element: ir.Type) -> tuple[int, str]:
        """The bytes of a number, and what LLVM calls it in the names of intrinsics."""
        return (8, "i64") if element is INT else (ITEM[self.plan.dtype], self.scalar.format.suffix)

    def store(self, target: Expr, value: Value, scope: Scope) -> None:
        storage = self.program.storage_of(target)
        if storage.place is not Place.LOCAL:
            self.write(self.address(target, scope), value)
            return
        self.locals[storage.number] = value
        if (place := self.local(storage)) is not None:
            self.builder.store(value.llvm, place)

    def store_output(self, statement: Store, scope: Scope) -> None:
        """Copy what was accumulated elsewhere to the element of the output that it is."""
        value = self.load(statement.target, scope)
        name = base_name(statement.target)
        storage = self.program.storage[name, ()]
        pointer = self.builder.gep(self.base(storage, name), [self.offset(statement.target, storage, scope)])
        self.write(Address(pointer, self.stride(statement.target, storage, scope), False), value)

    def write(self, place: Address | Places, value: Value) -> None:
        if isinstance(place, Places):
            self.scattered(self.spread_real(value, True), place.pointers)
        elif place.stride == 0:
            self.builder.store(value.llvm, place.pointer)
        elif place.stride != 1:
            self.scatter(self.spread_real(value, True), place.pointer, _value(place.stride))
        elif place.whole or self.count is None:
            self.wide.store(self.spread_real(value, True), place.pointer)
        else:
            self.wide.store_first(self.spread_real(value, True), place.pointer, self.count)

    def lane_pointers(self, pointer: ir.Value, stride: ir.Value, size: int) -> ir.Value:
        """A pointer for each lane; through integers, since llvmlite has no vector of offsets from one pointer."""
        width = self.plan.width
        iota = ir.Constant(ir.VectorType(INT, width), list(range(width)))
        distance = self.builder.mul(iota, self.spread(self.builder.mul(stride, INT(size)), width))
        base = self.spread(self.builder.ptrtoint(pointer, INT), width)
        return self.builder.inttoptr(self.builder.add(base, distance), ir.VectorType(pointer.type, width))

    def gather(self, pointer: ir.Value, stride: ir.Value, element: ir.Type) -> ir.Value:
        """Every ``stride``-th element, one a lane; for lanes that do not count nothing is read."""
        return self.gathered(self.lane_pointers(pointer, stride, self.layout_of(element)[0]), element)

    def gathered(self, pointers: ir.Value, element: ir.Type) -> ir.Value:
        """What is in each place; for lanes that do not count nothing is read."""
        vector = ir.VectorType(element, self.plan.width)
        zero = ir.Constant(vector, [element(0)] * self.plan.width)
        return self._masked("gather", vector, pointers, self.layout_of(element)[0], element, (), (zero,))

    def scatter(self, value: ir.Value, pointer: ir.Value, stride: ir.Value) -> None:
        self.scattered(value, self.lane_pointers(pointer, stride, ITEM[self.plan.dtype]))

    def scattered(self, value: ir.Value, pointers: ir.Value) -> None:
        size, element = ITEM[self.plan.dtype], self.scalar.format.real
        self._masked("scatter", ir.VoidType(), pointers, size, element, (value,), ())

    def _masked(
        self,
        name: str,
        result: ir.Type,
        pointers: ir.Value,
        size: int,
        element: ir.Type,
        first: tuple[ir.Value, ...],
        last: tuple[ir.Value, ...],
    ) -> ir.Value:
        _, kind = self.layout_of(element)
        every = ir.Constant(ir.VectorType(ir.IntType(1), self.plan.width), [1] * self.plan.width)
        mask = every if self.mask is None else self.mask
        arguments = [*first, pointers, ir.IntType(32)(size), mask, *last]
        signature = ir.FunctionType(result, [a.type for a in arguments])
        full = f"llvm.masked.{name}.v{self.plan.width}{kind}.v{self.plan.width}p0"
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, signature, full), arguments)

    def spread(self, scalar: ir.Value, width: int) -> ir.Value:
        """A scalar of any type in every lane."""
        vector, index = ir.VectorType(scalar.type, width), ir.IntType(32)
        one = self.builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, index(0))
        return self.builder.shuffle_vector(one, one, ir.Constant(ir.VectorType(index, width), [0] * width))

    def spread_real(self, value: Value, lanes: bool) -> ir.Value:
        return self.spread(value.llvm, self.plan.width) if lanes and not value.lanes else value.llvm

    def real(self, value: float) -> Value:
        return Value(self.scalar.real(value), False)

    # --- expressions ----------------------------------------------------------------------------------------------

    def apply(self, operation: Callable[..., ir.Value], *operands: Value) -> Value:
        """An operation on scalars, or on vectors as soon as one operand is one."""
        lanes = any(v.lanes for v in operands)
        return Value(
            operation(self.wide if lanes else self.scalar, *(self.spread_real(v, lanes) for v in operands)), lanes
        )

    def is_integer(self, node: Basic) -> bool:
        return isinstance(node, (Indexed, Symbol)) and base_name(node) in self.program.graph.integers

    def integer(self, node: Basic, scope: Scope) -> Value | None:
        """The value of an index, an extent, an integer or an integer input, as an integer."""
        if isinstance(node, Integer):
            return Value(INT(int(node)), False)
        if isinstance(node, Idx):
            return self.values(self.placed(node, scope, Place.INPUT))
        if isinstance(node, Symbol) and node.is_integer:
            return Value(self.names.extents[node], False)
        return self.load(node, scope) if self.is_integer(node) else None

    def counter(self, value: Expr, scope: Scope) -> Counter:
        """A sum of indices, lengths and integers, also of those that are data."""
        base: ir.Value | int = 0
        step: ir.Value | int = 0
        each: list[ir.Value] = []
        for term in Add.make_args(value):
            here, more = 1, 0
            for factor in sorted(Mul.make_args(term), key=lambda factor: isinstance(factor, (Idx, Indexed))):
                if isinstance(factor, (Idx, Indexed)):
                    where = self.placed(factor, scope, Place.INPUT)
                    if where.each is not None:
                        every = self.spread(_value(here), self.plan.width)
                        each.append(self.builder.mul(every, where.each))
                        here = 0
                        continue
                    more, number = _multiply(self.builder, here, where.step), where.base
                else:
                    number = self.factor(factor, scope)
                here = _multiply(self.builder, here, number)
            base, step = _add(self.builder, base, here), _add(self.builder, step, more)
        if not each:
            return Counter(_value(base), step)
        rest = self.spread_real(self.values(Counter(_value(base), step)), True)
        return Counter(_value(base), step, reduce(self.builder.add, each, rest))

    def factor(self, factor: Expr, scope: Scope) -> ir.Value | int:
        """A number, a length or an integer that is given."""
        if isinstance(factor, Integer):
            return int(factor)
        return self.whole(factor, scope).llvm if is_variable(factor) else self.extent(factor)

    def whole(self, reference: Expr, scope: Scope) -> Value:
        """An input of integers, or a vertex that is a whole number, as an integer."""
        read = self.load(reference, scope)
        if self.is_integer(reference):
            return read
        integer, of = INT, f"i64.{self.scalar.format.suffix}"
        if read.lanes:
            width = self.plan.width
            integer, of = ir.VectorType(INT, width), f"v{width}i64.v{width}{self.scalar.format.suffix}"
        # Lanes that do not count may have anything: what is beyond the integers is the last of them.
        signature = ir.FunctionType(integer, [read.llvm.type])
        saturated = cgutils.get_or_insert_function(self.builder.module, signature, f"llvm.fptosi.sat.{of}")
        return Value(self.builder.call(saturated, [read.llvm]), read.lanes)

    def placed(self, subscript: Expr, scope: Scope, place: Place) -> Counter:
        """A subscript, or an integer of the data, in all lanes."""
        if isinstance(subscript, Indexed):
            read = self.whole(subscript, scope)
            return Counter(INT(0), 0, read.llvm) if read.lanes else Counter(read.llvm)
        if isinstance(subscript, Idx):
            return Counter(self.position(subscript, scope, place), scope[subscript].step, scope[subscript].each)
        return self.counter(subscript, scope)

    def values(self, counter: Counter) -> Value:
        """The value of an index, as an integer or as one a lane."""
        if not counter.lanes:
            return Value(counter.base, False)
        if counter.each is not None:
            return Value(counter.each, True)
        width = self.plan.width
        iota = self.iota(width)
        if counter.step != 1:
            iota = self.builder.mul(iota, self.spread(_value(counter.step), width))
        return Value(self.builder.add(self.spread(counter.base, width), iota), True)

    def iota(self, width: int) -> ir.Value:
        """The numbers of the lanes."""
        return ir.Constant(ir.VectorType(INT, width), list(range(width)))

    def as_real(self, value: Value) -> Value:
        return Value(
            self.builder.sitofp(value.llvm, (self.wide if value.lanes else self.scalar).real_type), value.lanes
        )

    def choose(self, condition: Value, a: Value, b: Value) -> Value:
        return self.apply(lambda lanes, m, x, y: self.builder.select(m, x, y), condition, a, b)

    def where(self, condition: Value, then: Callable[[], Value], otherwise: Callable[[], Value]) -> Value:
        """One of two values, of which the other is not evaluated, or in no lane that counts."""
        if not condition.lanes:
            lanes = self.lane is not None
            slot = cgutils.alloca_once(self.builder, (self.wide if lanes else self.scalar).real_type)
            with self.builder.if_else(condition.llvm) as branches:
                for branch, value in zip(branches, (then, otherwise)):
                    with branch:
                        self.builder.store(self.spread_real(value(), lanes), slot)
            return Value(self.builder.load(slot), lanes)
        outer = self.mask, self.some_lanes
        values = []
        for holds, value in ((condition.llvm, then), (self.builder.not_(condition.llvm), otherwise)):
            self.mask, self.some_lanes = self.masked(holds), True
            values.append(value())
            self.mask, self.some_lanes = outer
        return self.choose(condition, *values)

    def compare(self, relation: str, a: Value, b: Value) -> Value:
        return self.apply(lambda lanes, x, y: lanes.compare(relation, x, y), a, b)


def _goes_on(following: Statement) -> bool:
    """Whether the statement after a loop is a further part of its range."""
    return isinstance(following, Loop) and following.follows


def lay_out(
    builder: ir.IRBuilder, regions: Mapping[object, Region], extents: Mapping[Symbol, ir.Value], start: ir.Value
) -> dict[object, ir.Value]:
    """Where each region begins; all are as aligned as the workspace, to 64 bytes."""
    pointers: dict[object, ir.Value] = {}
    for key, region in regions.items():
        pointers[key] = start
        start = builder.gep(start, [region_size(builder, region, extents)])
    return pointers


def region_size(builder: ir.IRBuilder, region: Region, extents: Mapping[Symbol, ir.Value]) -> ir.Value:
    """The numbers that a region takes, in whole vectors of 64 bytes."""
    known = region.lanes
    unknown: list[ir.Value] = []
    for n in region.shape:
        if isinstance(n, int):
            known *= n
        else:
            unknown.append(length(builder, n, extents))
    if not unknown:
        return INT((known + 15) & -16)
    size = reduce(builder.mul, unknown, INT(known))
    return builder.and_(builder.add(size, INT(15)), INT(-16))


def _value(stride: ir.Value | int) -> ir.Value:
    return INT(stride) if isinstance(stride, int) else stride


def _add(builder: ir.IRBuilder, a: ir.Value | int, b: ir.Value | int) -> ir.Value | int:
    return a + b if isinstance(a, int) and isinstance(b, int) else builder.add(_value(a), _value(b))


def _multiply(builder: ir.IRBuilder, a: ir.Value | int, b: ir.Value | int) -> ir.Value | int:
    if isinstance(a, int) and isinstance(b, int):
        return a * b
    for factor, other in ((a, b), (b, a)):
        if isinstance(factor, int) and factor in (0, 1):
            return other if factor else 0
    return builder.mul(_value(a), _value(b))


def _row_added(loop: Loop) -> Loop | None:
    """The loop in lanes by which each pass of a loop adds a row to a sum that lies along it; None for other loops."""
    match loop.body:
        case (Loop(mode=Vector(copied=()), body=(Accumulate() as statement,)) as row,):
            along, read = indices(statement.target), references(statement.value)
            fits = row.is_whole and statement.equation.is_sum and loop.index not in along and row.index in along
            plain = all(
                affine(key) is not None for reference in (statement.target, *read) for key in subscripts(reference)
            )
            return row if fits and plain and size([loop.index], 2 * ROWS) >= 2 * ROWS else None
    return None
