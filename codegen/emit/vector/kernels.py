"""Kernels of a schedule as calls of functions that one module shares, and matrix products as calls of BLAS."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import reduce
from math import prod

from llvmlite import ir
from sympy import Expr, Idx, Integer

from codegen.emit.control import value_on_stack
from codegen.emit.instructions import SETTLED, Function, begun
from codegen.emit.lanes import Lanes
from codegen.emit.vector.contraction import (
    Array,
    narrow_to_lanes,
    product_along_rows,
    product_over_lanes,
    product_over_samples,
    sum_across_lanes,
    transpose_from_lanes,
    transpose_to_lanes,
)
from codegen.emit.vector.values import BYTE, INT, Counter, Scope
from codegen.emit.vector.writer import TRUE, Writer
from codegen.schedule.lanes import steps_of
from codegen.schedule.program import Contract, Kernel, KernelKind, Loop, Place
from codegen.walk import base_name, extent, is_symbolic, size, subscripts

NARROW = 4
"""Rows of up to so many numbers are taken apart as whole vectors; longer ones are transposed in squares."""


def emit_kernel(writer: Writer, kernel: Kernel, scope: Scope) -> None:
    """Emit a kernel for the samples of the current tile."""
    _KERNELS[kernel.kind](writer, kernel, scope)


def _over_lanes(writer: Writer, kernel: Kernel, scope: Scope) -> None:
    target, left, right = kernel.equation.target, *kernel.operands
    row, (s,) = kernel.rows[0] if kernel.rows else None, kernel.columns
    sums = _collapsed(writer, kernel.sums, (left, right))
    depth = [one.steps for one in sums]
    arrays = [
        (target, [_step(writer, target, row), _step(writer, target, s)]),
        (left, [_step(writer, left, row), *(l for l, _ in depth)]),
        (right, [*(r for _, r in depth), _step(writer, right, s)]),
    ]
    _product(writer, kernel, scope, product_over_lanes, [size(kernel.rows)], sums, arrays, single=[1])


def _across_lanes(writer: Writer, kernel: Kernel, scope: Scope) -> None:
    target, operands = kernel.equation.target, kernel.operands
    (i,), s = kernel.rows, writer.tile[0] if writer.tile else None
    sums = _collapsed(writer, kernel.sums, operands)
    columns = _collapsed(writer, [Loop(j, ()) for j in kernel.columns], (target, *operands[1::2]))
    # Neighbours in the target are added to it as a vector.
    columns.sort(key=lambda one: (one.steps[0] == 1, one.extent))
    arrays = [(target, [_step(writer, target, i), *(one.steps[0] for one in columns)])]
    for number, operand in enumerate(operands):
        place, side = divmod(number, 2)
        own = [one.steps[1 + place] for one in columns] if side else [_step(writer, operand, i)]
        arrays.append((operand, [*own, *(one.steps[number] for one in sums), _step(writer, operand, s)]))
    _product(writer, kernel, scope, sum_across_lanes, [size([i]), [one.extent for one in columns]], sums, arrays)


def _over_samples(writer: Writer, kernel: Kernel, scope: Scope) -> None:
    (i,), (j,), s = kernel.rows, kernel.columns, writer.tile[0] if writer.tile else None
    arrays = _matrices(writer, kernel, (i, j), (i, s), (s, j))
    _product(writer, kernel, scope, product_over_samples, [size([i]), size([j])], None, arrays)


def _along_rows(writer: Writer, kernel: Kernel, scope: Scope) -> None:
    (i,), (s,), (k,) = kernel.rows, kernel.columns, (loop.index for loop in kernel.sums)
    arrays = _matrices(writer, kernel, (i, s), (i, k), (s, k))
    _product(writer, kernel, scope, product_along_rows, [size([i]), size([k])], None, arrays)


def _matrices(writer: Writer, kernel: Kernel, *axes: tuple[Idx, Idx | None]) -> list[tuple[Expr, Sequence[int]]]:
    """The target and the operands, and how far apart neighbours along their axes are."""
    references = (kernel.equation.target, *kernel.operands)
    return [(one, [_step(writer, one, index) for index in pair]) for one, pair in zip(references, axes, strict=True)]


@dataclass(frozen=True)
class Axis:
    """An index, or several that follow each other as one, and how far apart its neighbours are in some arrays."""

    loop: Loop
    extent: int
    steps: tuple[int, ...]


def _collapsed(writer: Writer, loops: Sequence[Loop], references: Sequence[Expr]) -> list[Axis]:
    """Indices as axes; those that lie behind each other in all arrays as one."""
    found: list[Axis] = []
    for loop in loops:
        n = size([loop.index])
        axis = Axis(loop, n, tuple(_step(writer, reference, loop.index) for reference in references))
        if found and loop.is_whole and found[-1].loop.is_whole:
            before = found[-1]
            if before.steps == tuple(n * step for step in axis.steps):
                axis = Axis(loop, before.extent * n, axis.steps)
                found.pop()
        found.append(axis)
    return found


def _product(
    writer: Writer,
    kernel: Kernel,
    scope: Scope,
    emit: Callable[..., None],
    sizes: Sequence[int | Sequence[int]],
    sums: Sequence[Axis] | None,
    arrays: Sequence[tuple[Expr, Sequence[int]]],
    single: Collection[int] = (),
) -> None:
    """Call the kernel ``emit`` of these sizes on arrays, whose neighbours along its axes are so many apart.

    ``single`` are the arrays that it reads number by number: how far apart these are, it is given.
    """
    own = {*kernel.rows, *kernel.columns, *(loop.index for loop in kernel.sums), *(writer.tile or ())[:1]}
    ends = [
        end
        for axis in sums or ()
        for end in (
            (INT(0), INT(axis.extent)) if axis.loop.is_whole else writer.bounds(axis.loop, INT(axis.extent), scope)
        )
    ]
    # A function for each length and distance would take its time to compile; LLVM knows those that all calls share.
    distances = [INT(step) for number in single for step in arrays[number][1]]

    def body(lanes: Lanes, arguments: Sequence[ir.Value]) -> None:
        *given, samples = arguments
        pointers, others = given[: len(arrays)], iter(given[len(arrays) :])
        begun = (next(others),) if kernel.kind.adds else ()
        summed = () if sums is None else ([(next(others), next(others)) for _ in sums],)
        found = [
            Array(pointer, tuple(next(others) if number in single else step for step in steps))
            for number, (pointer, (_, steps)) in enumerate(zip(pointers, arrays))
        ]
        emit(lanes, writer.program.target, *sizes, *summed, found[0], found[1:], samples, *begun)

    flat = [n for part in sizes for n in (part if isinstance(part, Sequence) else [part])]
    known = [step for number, (_, steps) in enumerate(arrays) if number not in single for step in steps]
    shape = "x".join(str(len(steps)) for _, steps in arrays)
    plain = [len(steps) for _, steps in arrays] == [2] * len(arrays)
    name = f"{emit.__name__}_{_name(*flat, *known)}" + ("" if plain else f"_{shape}")
    starts = [_start(writer, reference, own, scope) for reference, _ in arrays]
    begun = [writer.begun if kernel.begins else TRUE] if kernel.kind.adds else []
    _call(writer, name, [*starts, *begun, *ends, *distances, _count(writer)], body)


def _transpose(writer: Writer, kernel: Kernel, scope: Scope) -> None:
    target, source = kernel.equation.target, kernel.operands[0]
    assert writer.tile is not None
    to_lanes = subscripts(target)[-1] == writer.tile[0]
    key = subscripts(target)[-2:]
    feature = key[0 if to_lanes else 1]
    features = writer.extent(extent(feature))
    out, given = _distance(writer, target, key[0]), _distance(writer, source, key[1])
    bounded = writer.program.storage_of(target).place is not Place.TILE
    operands = [_start(writer, reference, {*key}, scope) for reference in (target, source)]
    arguments = [*operands, out, given, features, _count(writer)]

    n = extent(feature)
    if to_lanes and isinstance(n, int) and n <= NARROW and given == INT(n):

        def narrow(lanes: Lanes, operands: Sequence[ir.Value]) -> None:
            narrow_to_lanes(lanes, n, *operands)

        _call(writer, f"narrow_to_lanes_{n}", [*operands, out, _count(writer)], narrow)
        return

    def body(lanes: Lanes, given: Sequence[ir.Value]) -> None:
        if to_lanes:
            transpose_to_lanes(lanes, *given)
        else:
            transpose_from_lanes(lanes, bounded, *given)

    name = "transpose_to_lanes" if to_lanes else f"transpose_from_lanes_{int(bounded)}"
    _call(writer, name, arguments, body)


_KERNELS: dict[KernelKind, Callable[[Writer, Kernel, Scope], None]] = {
    KernelKind.OVER_LANES: _over_lanes,
    KernelKind.ALONG_ROWS: _along_rows,
    KernelKind.OVER_SAMPLES: _over_samples,
    KernelKind.ACROSS_LANES: _across_lanes,
    KernelKind.TRANSPOSE: _transpose,
}


def _count(writer: Writer) -> ir.Value:
    assert writer.tile is not None
    return writer.tile[2]


def _start(writer: Writer, reference: Expr, own: Collection[Expr], scope: Scope) -> ir.Value:
    """The address of the element where a kernel's ``own`` indices are 0, at the first sample of the tile."""
    storage, name = writer.program.storage_of(reference), base_name(reference)
    base = writer.base(storage, name)
    assert writer.tile is not None
    key = [subscripts(reference)[axis] for axis in storage.axes]
    if not all(subscript in own for subscript in key):
        zeros = {index: Counter(INT(0)) for index in own if isinstance(index, Idx)}
        return writer.builder.gep(base, [writer.offset(reference, storage, {**scope, **zeros})])
    if storage.place is Place.TILE or writer.tile[0] not in subscripts(reference):
        return base
    axis = subscripts(reference).index(writer.tile[0])
    rest = [writer.extent(n) for n in storage.shape[axis + 1 :]]
    offset = writer.tile[1]
    for n in rest:
        offset = writer.builder.mul(offset, n)
    return writer.builder.gep(base, [offset])


def _step(writer: Writer, reference: Expr, index: Expr | None) -> int:
    """How far apart neighbours along an index are, 0 without one; all but a first axis are integers."""
    if index is None:
        return 0
    storage, found, step = writer.program.storage_of(reference), 0, 1
    for axis, n in reversed(list(zip(storage.axes, storage.shape))):
        (more,) = steps_of([subscripts(reference)[axis]], {index: Integer(1)})
        found += int(more) * step
        step *= n if isinstance(n, int) else 0
    return found


def _distance(writer: Writer, reference: Expr, index: Expr) -> ir.Value:
    """How far apart neighbours along an index are, of which each axis has its own."""
    storage = writer.program.storage_of(reference)
    key = [subscripts(reference)[axis] for axis in storage.axes]
    inside = storage.shape[key.index(index) + 1 :]
    unknown = [writer.extent(n) for n in inside if is_symbolic(n)]
    return reduce(writer.builder.mul, unknown, INT(prod(n for n in inside if isinstance(n, int))))


def _name(*numbers: int | str) -> str:
    return "_".join(str(number).replace("-", "m") for number in numbers)


def _call(
    writer: Writer,
    name: str,
    arguments: Sequence[ir.Value],
    body: Callable[[Lanes, Sequence[ir.Value]], None],
) -> None:
    """Call a function of the module, which is defined when it is first called."""
    module, dtype = writer.builder.module, writer.plan.dtype
    name = f"symnn_{name}_{dtype}"
    if name in module.globals:
        function = module.globals[name]
    else:
        function = Function(module, ir.FunctionType(ir.VoidType(), [a.type for a in arguments]), name)
        function.linkage = "internal"
        # Inlined into the function around it, register allocation takes longer and gives worse code.
        function.attributes.add("noinline")
        function.attributes.add(f'"{SETTLED}"')
        for argument in function.args:
            if isinstance(argument.type, ir.PointerType):
                argument.add_attribute("noalias")
        builder = begun(function)
        body(Lanes(builder, writer.plan.native, dtype), function.args)
        builder.ret_void()
    writer.builder.call(function, arguments)


# --- BLAS ---------------------------------------------------------------------------------------------------------


def matrix_product(writer: Writer, statement: Contract) -> None:
    """``target = left·right`` by the BLAS function that Numba's own ``np.dot`` calls."""
    builder, equation = writer.builder, statement.equation
    (k,) = equation.reduced
    i, *j = equation.free
    extents = [writer.extent(extent(index)) for index in (i, k)]
    columns = writer.extent(extent(j[0])) if j else INT(1)
    rows, depth = extents
    left, right = subscripts(statement.left) == (i, k), subscripts(statement.right) == (k, *j)
    byte, flag = BYTE, ir.IntType(8)
    signature = [flag, flag, flag, INT, INT, INT, byte, byte, INT, byte, INT, byte, byte, INT]
    function_type = ir.FunctionType(ir.IntType(32), signature)
    name = "numba_xxgemm"
    module = builder.module
    function = module.globals[name] if name in module.globals else Function(module, function_type, name)
    letter = flag(ord("d" if writer.plan.dtype == "float64" else "s"))
    one, zero = (_constant(writer, value) for value in (1.0, 0.0))
    a, b, c = (
        builder.bitcast(writer.base(writer.program.storage_of(r), base_name(r)), byte)
        for r in (statement.left, statement.right, equation.target)
    )
    plain, turned = flag(ord("n")), flag(ord("t"))
    # BLAS counts columns first: it is given the transposed product, right·left.
    right_step = columns if right else depth
    builder.call(
        function,
        [
            letter,
            plain if right else turned,
            plain if left else turned,
            columns,
            rows,
            depth,
            one,
            b,
            right_step,
            a,
            depth if left else rows,
            zero,
            c,
            columns,
        ],
    )


def _constant(writer: Writer, value: float) -> ir.Value:
    return writer.builder.bitcast(value_on_stack(writer.builder, writer.scalar.real(value)), BYTE)
