"""Where the values of a program in lanes lie, and how they are read and written there.

The last vector of a loop is masked, so nothing is read or written out of bounds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

from llvmlite import ir
from sympy import Add, Expr, Idx, Indexed, Integer, Mul, Symbol
from sympy.core.basic import Basic

from codegen.dtypes import ITEM
from codegen.emit.instructions import Block, function_of
from codegen.emit.lanes import Lanes, lane_numbers
from codegen.emit.vector.plan import Plan, Region
from codegen.emit.vector.values import INT, Address, Counter, Places, Scope, Sum, Value, length
from codegen.ir.graph import Cell, cell_of
from codegen.schedule.program import Place, Storage, Store
from codegen.walk import Extent, base_name, indices, is_plain, is_variable, subscripts


@dataclass(frozen=True)
class Bindings:
    """What code refers to: inputs and outputs (pointers, or values of scalars), extents, the two workspaces."""

    arrays: Mapping[str, ir.Value]
    extents: Mapping[Symbol, ir.Value]
    shared: ir.Value
    private: ir.Value


class Memory:
    """The place where ``builder`` stands: the loops around it, and what lies in registers and in memory.

    ``sums`` are the places of what the samples are summed into, where these are not the usual ones.
    """

    def __init__(
        self,
        builder: ir.IRBuilder,
        plan: Plan,
        names: Bindings,
        sums: Mapping[Storage, ir.Value] | None = None,
    ) -> None:
        self.builder, self.plan, self.program, self.names = builder, plan, plan.program, names
        self._sums = sums or {}
        self.scalar = Lanes(builder, 1, plan.dtype)
        self.wide = Lanes(builder, plan.width, plan.dtype)
        self.native = Lanes(builder, plan.native, plan.dtype)
        self.pointers = {
            **lay_out(builder, plan.shared, names.extents, names.shared),
            **lay_out(builder, plan.private, names.extents, names.private),
        }
        self.locals: dict[int, Value] = {}
        self.under_way: dict[Cell, Sum] = {}
        self.stored: dict[int, tuple[Expr | None, Value]] = {}
        """What this block has just stored in some of the lanes, by storage: no processor forwards such a store to a
        load, which then waits for the cache: 15 ns of the 265 of a network with a softmax of three classes."""
        self.lane: Idx | None = None
        self.count: ir.Value | None = None
        self.mask: ir.Value | None = None
        self.some_lanes = False
        """Whether a condition has chosen among the lanes: those that count are no longer the first ``count``."""
        self.begins: tuple[Block, ir.Value, ir.Value | None] | None = None
        """Where the body of the loop in lanes begins, the value of its index in the first lane, and the lanes that
        count."""
        self.labels: dict[Expr, Value] = {}
        """The integers that have been read there."""
        self.tile: tuple[Idx, ir.Value, ir.Value] | None = None
        """The index of the samples, the first of the tile and how many there are."""

    def extent(self, n: Extent) -> ir.Value:
        return length(self.builder, n, self.names.extents)

    # --- places ---------------------------------------------------------------------------------------------------

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
                here = self.builder.add(self.builder.mul(position, self.spread(self.extent(n), self.wide.width)), here)
            position = here
        return position

    def places(self, base: ir.Value, offsets: ir.Value) -> Places:
        """So many numbers from where an array begins, in each lane."""
        width = self.wide.width
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
            width = self.wide.width
            first = self.builder.mul(offsets, self.spread(INT(self.region(key).lanes), width))
            return self.places(self.pointers[key], self.builder.add(first, self.iota(width)))
        apart = _multiply(self.builder, self.stride(reference, storage, scope), self.region(key).lanes)
        place = self.element(key, self.offset(reference, storage, scope))
        return Address(place, _add(self.builder, apart, 1), whole=True)

    def load(self, reference: Expr, scope: Scope) -> Value:
        """The value of a vertex, from wherever it is kept."""
        storage, name = self.program.storage_of(reference), base_name(reference)
        if storage.place in (Place.WORK, Place.TILE):
            target, value = self.stored.get(storage.number, (None, None))
            if value is not None and target == reference:
                return value
        total = self.under_way.get(cell_of(reference))
        if total is not None and total.target == reference:  # what earlier steps have added up is in memory
            return Value(self.builder.load(total.slot), total.lanes)
        if storage.place is Place.LOCAL:
            if storage.number in self.locals:
                return self.locals[storage.number]
            return Value(self.builder.load(self.local(storage)), False)
        if storage.place is Place.INPUT and not storage.shape:
            return Value(self.names.arrays[name], False)
        element = INT if name in self.program.graph.integers else self.scalar.format.real
        # Others may stand under a condition that keeps them on their axis.
        if element is INT and self.begins is not None and is_plain(reference) and indices(reference) == (self.lane,):
            block, first, mask = self.begins
            if scope[self.lane].base is first:
                return self.read_once(reference, scope, block, mask)
        return self.read(reference, element, scope)

    def read_once(self, reference: Expr, scope: Scope, block: Block, mask: ir.Value | None) -> Value:
        """Integers of the lanes, before the loops inside: LLVM would read them again after whatever these store."""
        if reference not in self.labels:
            outer, (self.mask, self.some_lanes) = (self.mask, self.some_lanes), (mask, False)
            with self.builder.goto_block(block):
                self.labels[reference] = self.read(reference, INT, scope)
            self.mask, self.some_lanes = outer
        return self.labels[reference]

    def read(self, reference: Expr, element: ir.Type, scope: Scope) -> Value:
        """The value of a vertex in memory."""
        found = self.address(reference, scope)
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
        all_lanes = self.has_room(found)
        whole = self.wide.load(found.pointer) if all_lanes else self.wide.load_first(found.pointer, self.count)
        return Value(whole, True)

    def load_backwards(self, pointer: ir.Value, element: ir.Type) -> ir.Value:
        """As :meth:`load_neighbours`, each lane one element before the last: gathering takes several times as long."""
        first = self.builder.gep(pointer, [INT(1 - self.wide.width)])
        mask = None if self.mask is None else self.backwards(self.mask)
        return self.backwards(self.load_neighbours(first, element, mask))

    def backwards(self, vector: ir.Value) -> ir.Value:
        """The lanes in the other order."""
        return self.builder.shuffle_vector(vector, vector, lane_numbers(reversed(range(self.wide.width))))

    def load_neighbours(self, pointer: ir.Value, element: ir.Type, mask: ir.Value | None) -> ir.Value:
        """Neighbouring numbers, one a lane; for lanes that do not count nothing is read."""
        size, kind = self.layout_of(element)
        vector = ir.VectorType(element, self.wide.width)
        place = self.builder.bitcast(pointer, vector.as_pointer())
        if mask is None:
            return self.builder.load(place, align=size)
        zeros = ir.Constant(vector, [element(0)] * self.wide.width)
        arguments = [place, ir.IntType(32)(size), mask, zeros]
        signature = ir.FunctionType(vector, [a.type for a in arguments])
        name = f"llvm.masked.load.v{self.wide.width}{kind}.p0"
        return self.builder.call(function_of(self.builder.module, signature, name), arguments)

    def layout_of(self, element: ir.Type) -> tuple[int, str]:
        """The bytes of a number, and what LLVM calls it in the names of intrinsics."""
        return (8, "i64") if element is INT else (ITEM[self.plan.dtype], self.scalar.format.suffix)

    def store(self, target: Expr, value: Value, scope: Scope) -> None:
        storage = self.program.storage_of(target)
        if storage.place is not Place.LOCAL:
            where = self.address(target, scope)
            self.write(where, value)
            if storage.place in (Place.WORK, Place.TILE):
                partial = isinstance(where, Address) and where.stride == 1 and not self.has_room(where)
                self.stored[storage.number] = (target if partial and not self.some_lanes else None), value
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
        elif self.has_room(place):
            self.wide.store(self.spread_real(value, True), place.pointer)
        else:
            self.wide.store_first(self.spread_real(value, True), place.pointer, self.count)

    def has_room(self, place: Address) -> bool:
        """Whether all lanes may be read and written, also those that do not count."""
        return place.whole or self.count is None

    def lane_pointers(self, pointer: ir.Value, stride: ir.Value, size: int) -> ir.Value:
        """A pointer for each lane; through integers, since llvmlite has no vector of offsets from one pointer."""
        width = self.wide.width
        iota = lane_numbers(range(width), 64)
        distance = self.builder.mul(iota, self.spread(self.builder.mul(stride, INT(size)), width))
        base = self.spread(self.builder.ptrtoint(pointer, INT), width)
        return self.builder.inttoptr(self.builder.add(base, distance), ir.VectorType(pointer.type, width))

    def gather(self, pointer: ir.Value, stride: ir.Value, element: ir.Type) -> ir.Value:
        """Every ``stride``-th element, one a lane; for lanes that do not count nothing is read."""
        return self.gathered(self.lane_pointers(pointer, stride, self.layout_of(element)[0]), element)

    def gathered(self, pointers: ir.Value, element: ir.Type) -> ir.Value:
        """What is in each place; for lanes that do not count nothing is read."""
        vector = ir.VectorType(element, self.wide.width)
        zero = ir.Constant(vector, [element(0)] * self.wide.width)
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
        every = ir.Constant(ir.VectorType(ir.IntType(1), self.wide.width), [1] * self.wide.width)
        mask = every if self.mask is None else self.mask
        arguments = [*first, pointers, ir.IntType(32)(size), mask, *last]
        signature = ir.FunctionType(result, [a.type for a in arguments])
        full = f"llvm.masked.{name}.v{self.wide.width}{kind}.v{self.wide.width}p0"
        return self.builder.call(function_of(self.builder.module, signature, full), arguments)

    def spread(self, scalar: ir.Value, width: int) -> ir.Value:
        """A scalar of any type in every lane."""
        vector = ir.VectorType(scalar.type, width)
        one = self.builder.insert_element(ir.Constant(vector, ir.Undefined), scalar, ir.IntType(32)(0))
        return self.builder.shuffle_vector(one, one, lane_numbers([0] * width))

    def spread_real(self, value: Value, lanes: bool) -> ir.Value:
        return self.spread(value.llvm, self.wide.width) if lanes and not value.lanes else value.llvm

    def real(self, value: float) -> Value:
        return Value(self.scalar.real(value), False)

    # --- integers -------------------------------------------------------------------------------------------------

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
                        every = self.spread(_value(here), self.wide.width)
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
            width = self.wide.width
            integer, of = ir.VectorType(INT, width), f"v{width}i64.v{width}{self.scalar.format.suffix}"
        # Lanes that do not count may have anything: what is beyond the integers is the last of them.
        signature = ir.FunctionType(integer, [read.llvm.type])
        saturated = function_of(self.builder.module, signature, f"llvm.fptosi.sat.{of}")
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
        width = self.wide.width
        iota = self.iota(width)
        if counter.step != 1:
            iota = self.builder.mul(iota, self.spread(_value(counter.step), width))
        return Value(self.builder.add(self.spread(counter.base, width), iota), True)

    def iota(self, width: int) -> ir.Value:
        """The numbers of the lanes."""
        return lane_numbers(range(width), 64)


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
