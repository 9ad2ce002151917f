"""Statements of a scheduled graph as LLVM instructions, one level of each loop nest in lanes.

The last vector of a loop is masked, so nothing is read or written out of bounds. Sums over the lane index are kept as
vectors and combined after the loop in the order of a fixed tree: the result depends on the width and on nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial, reduce
from itertools import takewhile, zip_longest

from llvmlite import ir
from sympy import Expr, Idx

from codegen.emit.control import on_stack, value_on_stack
from codegen.emit.lanes import Lanes, lane_numbers
from codegen.emit.scalars import product_factors
from codegen.emit.vector.contraction import aligned_steps, steps
from codegen.emit.vector.memory import Bindings, Memory
from codegen.emit.vector.plan import Plan
from codegen.emit.vector.values import INT, Counter, Places, Scope, Sum, Value
from codegen.ir.affine import affine
from codegen.ir.graph import Reduction, cell_of
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
    walk,
)
from codegen.walk import extent, indices, references, size, subscripts

TRUE, FALSE = ir.IntType(1)(1), ir.IntType(1)(0)
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


class Writer(Memory):
    """Emits the statements of a plan at the place where ``builder`` stands."""

    def __init__(
        self,
        builder: ir.IRBuilder,
        plan: Plan,
        names: Bindings,
        forms: Forms,
        sums: Mapping[Storage, ir.Value] | None = None,
    ) -> None:
        super().__init__(builder, plan, names, sums)
        self._forms = forms
        self.begun = TRUE
        """Whether the tile is not the first of those whose sums are added up."""

    # --- statements -----------------------------------------------------------------------------------------------

    def block(self, statements: Sequence[Statement], scope: Scope) -> None:
        """The statements of one block; what they fill is finished after the loop that follows."""
        filled: list[Fill] = []
        for number, (statement, following) in enumerate(zip_longest(statements, statements[1:])):
            if not isinstance(statement, (Set, Accumulate)):
                self.stored.clear()
            if isinstance(statement, Loop) and filled:
                parts = [statement, *takewhile(_goes_on, statements[number + 1 :])]
                added = {cell_of(inner.target) for inner, _ in walk(parts) if isinstance(inner, Accumulate)}
                # What no part adds to, as at some steps of a scan, the loop may read.
                for fill in filled:
                    if cell_of(fill.target) not in added:
                        self.finish(fill, scope)
                filled = [fill for fill in filled if cell_of(fill.target) in added]
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
            if not isinstance(statement, (Set, Accumulate)):
                self.stored.clear()

    def samples(self, samples: Samples, first: ir.Value, last: ir.Value) -> None:
        """The samples from ``first`` up to, but not including, ``last``."""
        set_by_kernels = {s.equation.cell for s, _ in walk(samples.body) if isinstance(s, Kernel) and s.begins}
        with self.builder.if_then(self.builder.icmp_signed(">=", first, last), likely=False):
            for fill in samples.fills:
                if fill.equation.cell in set_by_kernels:
                    self.fill(fill, {})
        for fill in samples.fills:
            if fill.equation.cell not in set_by_kernels:
                self.fill(fill, {})
        if samples.tile is None:
            self.begun = FALSE
            self.tile = samples.index, first, self.builder.sub(last, first)
            self.block(samples.body, {})
        else:
            with self.range(first, last, samples.tile) as start:
                left = self.builder.sub(last, start)
                size = INT(samples.tile)
                self.begun = self.builder.icmp_signed(">", start, first)
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
            case Serial(counted=False):
                for place in range(size([loop.index])):
                    self.block(loop.body, {**scope, loop.index: Counter(INT(place))})
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
        """A loop ``width`` values at a time, those left over masked; of several rows, each in its scope."""
        first, last = bounds
        if not over_tile and loop.is_whole and isinstance(known := extent(loop.index), int):
            rest = known % width
            if known > rest:
                with self.range(first, INT(known - rest), width) as i:
                    self.in_lanes(loop, i, None, *scopes)
            if rest:
                fitting = min(width, max(2, 1 << (rest - 1).bit_length()))
                self.left_over(loop, INT(known - rest), INT(rest), [fitting], *scopes)
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
            widths = dict.fromkeys((min(width, max(2, self.native.width // 2)), width))
            self.left_over(loop, whole, rest, list(widths), *scopes)

    def left_over(self, loop: Loop, first: ir.Value, count: ir.Value, widths: Sequence[int], *scopes: Scope) -> None:
        """The last values of a loop, in the narrowest of some vectors that holds them.

        Half of a register takes half the time on some processors, and each lane adds to the sums that it would add to
        in a whole vector: the width changes no bits.
        """
        width, *wider = widths
        if wider:
            with self.builder.if_else(self.builder.icmp_signed("<=", count, INT(width))) as (fits, more):
                with more:
                    self.left_over(loop, first, count, wider, *scopes)
                with fits:
                    self.left_over(loop, first, count, [width], *scopes)
            return
        wide, sums = self.wide, {key: total for key, total in self.under_way.items() if total.combine}
        self.wide = Lanes(self.builder, width, wide.dtype)
        for key, total in sums.items():
            slot = value_on_stack(self.builder, wide.first(self.builder.load(total.slot), self.wide))
            self.under_way[key] = replace(total, slot=slot)
        self.in_lanes(loop, first, count, *scopes)
        for key, total in sums.items():
            part = self.builder.load(self.under_way[key].slot)
            self.builder.store(wide.with_first(self.builder.load(total.slot), part, self.wide), total.slot)
            self.under_way[key] = total
        self.wide = wide

    def in_lanes(self, loop: Loop, first: ir.Value, count: ir.Value | None, *scopes: Scope) -> None:
        """The body of a loop for the values from ``first`` on, one a lane, in ``count`` lanes or in all."""
        self.lane, self.count, self.mask = loop.index, count, None
        if count is not None:
            width = self.wide.width
            self.mask = self.builder.icmp_signed("<", lane_numbers(range(width), 64), self.spread(count, width))
        inner, *others = ({**scope, loop.index: Counter(first, 1)} for scope in scopes)
        self.begins, self.labels = (self.builder.block, first, self.mask), {}
        assert isinstance(loop.mode, Vector)
        for name in loop.mode.copied:
            self.gather_rows(name, inner)
        if others:
            (statement,) = loop.body
            assert isinstance(statement, Accumulate)
            self.add_rows(statement, (inner, *others))
        else:
            self.block(loop.body, inner)
        self.lane = self.count = self.mask = self.begins = None
        self.stored.clear()

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
        inside = self.builder.icmp_unsigned("<", every.llvm, self.spread(n, self.wide.width))
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
            slot = on_stack(self.builder, type_)
            self.builder.store((self.wide if lanes else self.scalar).real(value), slot)
            self.under_way[key] = Sum(statement.target, slot, lanes, combine=lanes and not inside)

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
            lanes = min(self.wide, self.native, key=lambda lanes: lanes.width)
            sum_ = lanes.load(place)
            vectors = [self.spread_real(v, True) for v in values]
            masks = [None] * self.wide.width if self.counting is None else list(self.parts(self.counting, lanes.width))
            for mask, *parts in zip(masks, *(self.parts(v, lanes.width) for v in vectors)):
                added = self.combined(statement, lanes, sum_, parts)
                sum_ = added if mask is None else lanes.select(mask, added, sum_)
            lanes.store(sum_, place)
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
        width, nowhere = self.wide.width, on_stack(self.builder, self.scalar.real_type)
        places = self.address(statement.target, scope)
        assert isinstance(places, Places)
        pointers = places.pointers
        if self.mask is not None:
            self.builder.store(self.scalar.real(0.0), nowhere)
            pointers = self.builder.select(self.mask, pointers, self.spread(nowhere, width))
        self.stored.clear()
        for lane in range(width):
            here = ir.IntType(32)(lane)
            place, *new = (self.builder.extract_element(vector, here) for vector in (pointers, *values))
            self.builder.store(self.combined(statement, self.scalar, self.builder.load(place), new), place)

    @property
    def counting(self) -> ir.Value | None:
        """The lanes that count in a sum of all lanes: outside of lanes, where a part of it may be, the first."""
        if self.lane is not None:
            return self.mask
        flags = [1] + [0] * (self.wide.width - 1)
        return ir.Constant(ir.VectorType(ir.IntType(1), self.wide.width), flags)

    def summands(self, statement: Accumulate, scope: Scope) -> list[Value]:
        """What is added: a value, or the two factors of a product."""
        factors = product_factors(statement.value) if statement.equation.is_sum else None
        if factors is None:
            return [self._forms.evaluate(self, statement.value, scope)]
        *leading, last = (self._forms.evaluate(self, factor, scope) for factor in factors)
        return [reduce(partial(self.apply, Lanes.mul), leading), last]

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

    def parts(self, value: ir.Value, width: int) -> Iterator[ir.Value]:
        """A wide vector as vectors of ``width`` lanes."""
        for start in range(0, self.wide.width, width):
            yield self.builder.shuffle_vector(value, value, lane_numbers(range(start, start + width)))

    # --- expressions ----------------------------------------------------------------------------------------------

    def apply(self, operation: Callable[..., ir.Value], *operands: Value) -> Value:
        """An operation on scalars, or on vectors as soon as one operand is one."""
        lanes = any(v.lanes for v in operands)
        return Value(
            operation(self.wide if lanes else self.scalar, *(self.spread_real(v, lanes) for v in operands)), lanes
        )

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
            slot = on_stack(self.builder, (self.wide if lanes else self.scalar).real_type)
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
