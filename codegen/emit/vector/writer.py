"""Statements of a scheduled graph as LLVM instructions, one level of each loop nest in lanes.

The last vector of a loop is masked, so nothing is read or written out of bounds. Sums over the lane index are kept as
vectors and combined after the loop in the order of a fixed tree: the result depends on the width and on nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import reduce

from llvmlite import ir
from numba.core import cgutils
from sympy import Expr, Idx, Indexed, Integer, Symbol
from sympy.core.basic import Basic

from codegen.emit.lanes import Lanes
from codegen.emit.vector.plan import Plan
from codegen.emit.vector.values import INT, Counter, Scope, Sum, Value
from codegen.errors import EmitError
from codegen.expression import Extent, base_name, extent, subscripts
from codegen.graph import Cell, Reduction, cell_of
from codegen.schedule.program import Accumulate, Fill, Loop, Place, Set, Statement, Storage, Store

Evaluate = Callable[["Writer", Expr, Scope], Value]


class Writer:
    """Emits the statements of a plan at the place where ``builder`` stands.

    ``arrays`` are the pointers (or, for scalar arguments, values) of inputs and outputs by name, ``extents`` the values
    of the symbolic extents, ``work`` the workspace.
    """

    def __init__(
        self,
        builder: ir.IRBuilder,
        plan: Plan,
        arrays: Mapping[str, ir.Value],
        extents: Mapping[Symbol, ir.Value],
        work: ir.Value,
        evaluate: Evaluate,
    ) -> None:
        self.builder, self.plan, self.program, self.arrays = builder, plan, plan.program, arrays
        self.extents, self._evaluate = extents, evaluate
        self.scalar = Lanes(builder, 1, plan.dtype)
        self.wide = Lanes(builder, plan.width, plan.dtype)
        self.native = Lanes(builder, plan.native, plan.dtype)
        self.pointers = self._lay_out(work)
        self.locals: dict[int, Value] = {}
        self.sums: dict[Cell, Sum] = {}
        self.lane: Idx | None = None
        self.count: ir.Value | None = None
        self.mask: ir.Value | None = None

    def _lay_out(self, work: ir.Value) -> list[ir.Value]:
        """Where each region begins; all are as aligned as the workspace, to 64 bytes."""
        pointers = []
        for region in self.plan.regions:
            pointers.append(work)
            size = self.builder.mul(self.elements(region.shape), INT(region.lanes))
            whole = self.builder.and_(self.builder.add(size, INT(15)), INT(-16))
            work = self.builder.gep(work, [whole])
        return pointers

    def extent(self, n: Extent) -> ir.Value:
        return INT(n) if isinstance(n, int) else self.extents[n]

    # --- statements -----------------------------------------------------------------------------------------------

    def block(self, statements: Sequence[Statement], scope: Scope) -> None:
        """The statements of one block; what they fill is finished after the loop that follows."""
        filled: list[Fill] = []
        for statement in statements:
            match statement:
                case Set():
                    self.store(statement.target, self._evaluate(self, statement.value, scope), scope)
                case Accumulate():
                    self.accumulate(statement, scope)
                case Fill():
                    self.fill(statement, scope)
                    filled.append(statement)
                case Loop():
                    self.loop(statement, scope)
                    for fill in filled:
                        self.finish(fill, scope)
                    filled = []
                case Store():
                    value = self.locals[self.program.storage_of(statement.target).number]
                    self.write(self.output(statement.target), statement.target, value, scope)
                case _:
                    raise EmitError(f"{type(statement).__name__} cannot stand inside vector code")

    def loop(self, loop: Loop, scope: Scope) -> None:
        n = self.extent(extent(loop.index))
        if id(loop) not in self.plan.vector_loops:
            with self.range(n, 1) as i:
                self.block(loop.body, {**scope, loop.index: Counter(i, False)})
            return
        width = self.plan.width
        iota = ir.Constant(ir.VectorType(INT, width), list(range(width)))
        with self.range(n, width) as i:
            self.lane, self.count = loop.index, self.builder.sub(n, i)
            self.mask = self.builder.icmp_signed("<", iota, self.spread(self.count, width))
            inner = {**scope, loop.index: Counter(i, True)}
            for name in self.plan.tiles.get(id(loop), ()):
                self.copy_tile(name, inner)
            self.block(loop.body, inner)
        self.lane = self.count = self.mask = None

    @contextmanager
    def range(self, stop: ir.Value, step: int) -> Iterator[ir.Value]:
        """``for i in range(0, stop, step)``."""
        with cgutils.for_range_slice(self.builder, INT(0), stop, INT(step), intp=INT) as (i, _):
            yield i

    def copy_tile(self, name: str, scope: Scope) -> None:
        """Copy ``width`` rows of an input to vectors, one for each element of a row."""
        number = self.plan.region_of_tile(name)
        columns = self.elements(self.plan.regions[number].shape)
        row = scope[self.lane].base
        with self.range(columns, 1) as column:
            first = self.builder.gep(self.arrays[name], [self.builder.add(self.builder.mul(row, columns), column)])
            values = self.gather(first, columns, self.scalar.format.real)
            self.wide.store(values, self.element(number, column))

    # --- sums -----------------------------------------------------------------------------------------------------

    def neutral(self, statement: Fill | Accumulate) -> float:
        return 0.0 if statement.equation.reduction is Reduction.SUM else float("-inf")

    def fill(self, statement: Fill, scope: Scope) -> None:
        """Make room for a sum: a register, an array of native vectors, or the target itself."""
        key, value = cell_of(statement.target), self.neutral(statement)
        if key in self.plan.lane_sums:
            number = self.plan.region_of_sum(key)
            with self.range(self.elements(self.plan.regions[number].shape), 1) as n:
                self.native.store(value, self.element(number, n))
        elif statement.over:
            self.over(statement.over, scope, lambda inner: self.store(statement.target, self.real(value), inner))
        else:
            inside = self.lane is not None
            lanes = inside or key in self.plan.lane_totals
            type_ = (self.wide if lanes else self.scalar).real_type
            slot = cgutils.alloca_once(self.builder, type_)
            self.builder.store((self.wide if lanes else self.scalar).real(value), slot)
            self.sums[key] = Sum(slot, lanes, combine=lanes and not inside)

    def accumulate(self, statement: Accumulate, scope: Scope) -> None:
        key = cell_of(statement.target)
        value = self._evaluate(self, statement.value, scope)
        if key in self.sums:
            under_way = self.sums[key]
            lanes = self.wide if under_way.lanes else self.scalar
            new = (
                self.masked(value, self.neutral(statement))
                if under_way.combine
                else self.spread_real(value, under_way.lanes)
            )
            self.builder.store(self.combined(statement, lanes, self.builder.load(under_way.slot), new), under_way.slot)
        elif key in self.plan.lane_sums:
            place = self.element(self.plan.region_of_sum(key), self.offset(statement.target, scope))
            total = self.native.load(place)
            for part in self.parts(self.masked(value, self.neutral(statement))):
                total = self.combined(statement, self.native, total, part)
            self.native.store(total, place)
        else:
            old = self.load(statement.target, scope)
            lanes = self.wide if value.lanes or old.lanes else self.scalar
            both = [self.spread_real(v, lanes is self.wide) for v in (old, value)]
            self.store(statement.target, Value(self.combined(statement, lanes, *both), lanes is self.wide), scope)

    def combined(self, statement: Accumulate, lanes: Lanes, total: ir.Value, new: ir.Value) -> ir.Value:
        return lanes.add(total, new) if statement.equation.reduction is Reduction.SUM else lanes.larger(new, total)

    def finish(self, statement: Fill, scope: Scope) -> None:
        """After its loop, a sum moves to where it belongs; sums over lanes are combined first."""
        key = cell_of(statement.target)
        if key in self.plan.lane_sums:
            self.over(statement.over, scope, lambda inner: self._finish_element(statement, inner))
        elif key in self.sums:
            under_way = self.sums.pop(key)
            value = Value(self.builder.load(under_way.slot), under_way.lanes)
            if under_way.combine:
                value = Value(self.across(statement, self.wide, value.llvm), False)
            self.store(statement.target, value, scope)

    def _finish_element(self, statement: Fill, scope: Scope) -> None:
        number = self.plan.region_of_sum(cell_of(statement.target))
        place = self.element(number, self.offset(statement.target, scope))
        total = self.across(statement, self.native, self.native.load(place))
        self.store(statement.target, Value(total, False), scope)

    def across(self, statement: Fill, lanes: Lanes, value: ir.Value) -> ir.Value:
        return lanes.sum(value) if statement.equation.reduction is Reduction.SUM else lanes.max(value)

    def over(self, over: Sequence[Idx], scope: Scope, body: Callable[[Scope], None]) -> None:
        """Scalar loops over some indices."""
        if not over:
            body(scope)
            return
        with self.range(self.extent(extent(over[0])), 1) as i:
            self.over(over[1:], {**scope, over[0]: Counter(i, False)}, body)

    def masked(self, value: Value, neutral: float) -> ir.Value:
        """A vector whose lanes beyond the end of the loop do not count."""
        return self.wide.select(self.mask, self.spread_real(value, True), neutral)

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

    def element(self, region: int, position: ir.Value) -> ir.Value:
        """The address of an element of a region."""
        return self.builder.gep(self.pointers[region], [self.times(position, self.plan.regions[region].lanes)])

    def times(self, value: ir.Value, factor: int) -> ir.Value:
        return value if factor == 1 else self.builder.mul(value, INT(factor))

    def output(self, target: Expr) -> Storage:
        return self.program.storage[base_name(target), ()]

    def offset(self, reference: Expr, scope: Scope, storage: Storage | None = None) -> ir.Value:
        """The position of an element in row-major order, of the first lane if the lane index is one of the axes."""
        storage = storage or self.program.storage_of(reference)
        position: ir.Value = INT(0)
        for axis, n in zip(storage.axes, storage.shape):
            subscript = subscripts(reference)[axis]
            here = scope[subscript].base if isinstance(subscript, Idx) else INT(int(subscript))
            position = self.builder.add(self.builder.mul(position, self.extent(n)), here)
        return position

    def lane_stride(self, reference: Expr, storage: Storage, scope: Scope) -> ir.Value | int:
        """How far apart the elements of neighbouring lanes are: 0 where all lanes read one element."""
        stride: ir.Value | int = 0
        step: ir.Value | int = 1
        for axis, n in reversed(list(zip(storage.axes, storage.shape))):
            subscript = subscripts(reference)[axis]
            if isinstance(subscript, Idx) and scope[subscript].lanes:
                stride = step if isinstance(stride, int) and stride == 0 else self.add_int(stride, step)
            step = (
                self.extent(n)
                if isinstance(step, int) and step == 1
                else self.builder.mul(self.as_int(step), self.extent(n))
            )
        return stride

    def as_int(self, value: ir.Value | int) -> ir.Value:
        return INT(value) if isinstance(value, int) else value

    def add_int(self, a: ir.Value | int, b: ir.Value | int) -> ir.Value:
        return self.builder.add(self.as_int(a), self.as_int(b))

    def load(self, reference: Expr, scope: Scope) -> Value:
        """The value of a vertex, from wherever it is kept."""
        storage = self.program.storage_of(reference)
        key = cell_of(reference)
        if key in self.sums:
            under_way = self.sums[key]
            return Value(self.builder.load(under_way.slot), under_way.lanes)
        if storage.place is Place.LOCAL:
            if storage.number in self.locals:
                return self.locals[storage.number]
            # Computed by an earlier segment.
            return Value(self.builder.load(self.element(0, INT(self.plan.shared[storage.number]))), False)
        name = base_name(reference)
        if storage.place is Place.INPUT and not storage.shape:
            return Value(self.arrays[name], False)
        if name in self.plan.tiled and self.lane is not None and subscripts(reference)[0] == self.lane:
            rest = Storage(Place.WORK, 0, storage.axes[1:], storage.shape[1:])
            place = self.element(self.plan.region_of_tile(name), self.offset(reference, scope, rest))
            return Value(self.wide.load(place), True)
        position = self.offset(reference, scope)
        if storage.place is Place.WORK and storage.number in self.plan.lane_elements:
            return Value(self.wide.load(self.element(self.plan.region_of_work(storage.number), position)), True)
        integer = self.program.graph.variable(name).kind == "integer"
        element = INT if integer else self.scalar.format.real
        pointer = self.builder.gep(self.pointer(reference, storage), [position])
        stride = self.lane_stride(reference, storage, scope)
        if isinstance(stride, int) and stride == 0:
            return Value(self.builder.load(pointer), False)
        if isinstance(stride, int) and stride == 1 and not integer:
            return Value(self.wide.load_first(pointer, self.count), True)
        return Value(self.gather(pointer, self.as_int(stride), element), True)

    def pointer(self, reference: Expr, storage: Storage) -> ir.Value:
        if storage.place is Place.WORK:
            return self.pointers[self.plan.region_of_work(storage.number)]
        return self.arrays[base_name(reference)]

    def store(self, target: Expr, value: Value, scope: Scope) -> None:
        storage = self.program.storage_of(target)
        if storage.place is Place.LOCAL:
            self.locals[storage.number] = value
            if storage.number in self.plan.shared:
                self.builder.store(value.llvm, self.element(0, INT(self.plan.shared[storage.number])))
        else:
            self.write(storage, target, value, scope)

    def write(self, storage: Storage, target: Expr, value: Value, scope: Scope) -> None:
        position = self.offset(target, scope, storage)
        if storage.place is Place.WORK and storage.number in self.plan.lane_elements:
            place = self.element(self.plan.region_of_work(storage.number), position)
            self.wide.store(self.spread_real(value, True), place)
            return
        pointer = self.builder.gep(self.pointer(target, storage), [position])
        stride = self.lane_stride(target, storage, scope)
        if isinstance(stride, int) and stride == 0:
            self.builder.store(value.llvm, pointer)
        elif isinstance(stride, int) and stride == 1:
            self.wide.store_first(self.spread_real(value, True), pointer, self.count)
        else:
            self.scatter(self.spread_real(value, True), pointer, self.as_int(stride))

    def lane_pointers(self, pointer: ir.Value, stride: ir.Value, size: int) -> ir.Value:
        """A pointer for each lane; through integers, since llvmlite has no vector of offsets from one pointer."""
        width = self.plan.width
        iota = ir.Constant(ir.VectorType(INT, width), list(range(width)))
        steps = self.builder.mul(iota, self.spread(self.builder.mul(stride, INT(size)), width))
        base = self.spread(self.builder.ptrtoint(pointer, INT), width)
        return self.builder.inttoptr(self.builder.add(base, steps), ir.VectorType(pointer.type, width))

    def gather(self, pointer: ir.Value, stride: ir.Value, element: ir.Type) -> ir.Value:
        """Every ``stride``-th element, one a lane; for lanes beyond the end of the loop nothing is read."""
        width = self.plan.width
        kind = {INT: "i64"}.get(element, self.scalar.format.suffix)
        vector = ir.VectorType(element, width)
        size = 8 if element is INT else self.scalar.format.integer.width // 8
        pointers = self.lane_pointers(pointer, stride, size)
        zero = ir.Constant(vector, [element(0)] * width)
        signature = ir.FunctionType(vector, [pointers.type, ir.IntType(32), self.mask.type, vector])  # type: ignore[union-attr]
        function = cgutils.get_or_insert_function(
            self.builder.module, signature, f"llvm.masked.gather.v{width}{kind}.v{width}p0"
        )
        return self.builder.call(function, [pointers, ir.IntType(32)(size), self.mask, zero])

    def scatter(self, value: ir.Value, pointer: ir.Value, stride: ir.Value) -> None:
        width, kind = self.plan.width, self.scalar.format.suffix
        size = self.scalar.format.integer.width // 8
        pointers = self.lane_pointers(pointer, stride, size)
        signature = ir.FunctionType(
            ir.VoidType(),
            [value.type, pointers.type, ir.IntType(32), self.mask.type],  # type: ignore[union-attr]
        )
        function = cgutils.get_or_insert_function(
            self.builder.module, signature, f"llvm.masked.scatter.v{width}{kind}.v{width}p0"
        )
        self.builder.call(function, [value, pointers, ir.IntType(32)(size), self.mask])

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
        return isinstance(node, (Indexed, Symbol)) and self.program.graph.variable(base_name(node)).kind == "integer"

    def integer(self, node: Basic, scope: Scope) -> Value | None:
        """The value of an index, an extent, an integer or an integer input, as an integer."""
        if isinstance(node, Integer):
            return Value(INT(int(node)), False)
        if isinstance(node, Idx):
            counter = scope[node]
            if not counter.lanes:
                return Value(counter.base, False)
            iota = ir.Constant(ir.VectorType(INT, self.plan.width), list(range(self.plan.width)))
            return Value(self.builder.add(self.spread(counter.base, self.plan.width), iota), True)
        if isinstance(node, Symbol) and node.is_integer:
            return Value(self.extents[node], False)
        return self.load(node, scope) if self.is_integer(node) else None

    def as_real(self, value: Value) -> Value:
        return Value(
            self.builder.sitofp(value.llvm, (self.wide if value.lanes else self.scalar).real_type), value.lanes
        )

    def choose(self, condition: Value, a: Value, b: Value) -> Value:
        return self.apply(lambda lanes, m, x, y: self.builder.select(m, x, y), condition, a, b)

    def compare(self, relation: str, a: Value, b: Value) -> Value:
        return self.apply(lambda lanes, x, y: lanes.compare(relation, x, y), a, b)
