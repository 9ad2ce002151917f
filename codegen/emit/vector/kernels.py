"""Kernels of a schedule as calls of functions that one module shares, and matrix products as calls of BLAS."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from llvmlite import ir
from numba.core import cgutils
from sympy import Expr, Idx

from codegen.emit.lanes import Lanes
from codegen.emit.vector.contraction import (
    BLOCKING,
    Matrix,
    narrow_to_lanes,
    product_over_lanes,
    product_over_samples,
    sum_across_lanes,
    transpose_from_lanes,
    transpose_to_lanes,
)
from codegen.emit.vector.plan import register_bytes
from codegen.emit.vector.values import BYTE, INT
from codegen.emit.vector.writer import Writer
from codegen.schedule.program import Contract, Kernel, KernelKind, Place
from codegen.walk import base_name, extent, subscripts

NARROW = 4
"""Rows of up to so many numbers are taken apart as whole vectors; longer ones are transposed in squares."""


def emit_kernel(writer: Writer, kernel: Kernel) -> None:
    """Emit a kernel for the samples of the current tile."""
    _KERNELS[kernel.kind](writer, kernel)


def _over_lanes(writer: Writer, kernel: Kernel) -> None:
    (k,) = kernel.equation.reduced
    *rows, s = kernel.equation.free
    row = rows[0] if rows else None
    count = 1 if row is None else int(extent(row))
    _product(writer, kernel, product_over_lanes, (count, int(extent(k))), ((row, s), (row, k), (k, s)))


def _across_lanes(writer: Writer, kernel: Kernel) -> None:
    i, j = kernel.equation.free
    (s,) = kernel.equation.reduced
    pairs = [pair for _ in kernel.operands[::2] for pair in ((i, s), (j, s))]
    _product(writer, kernel, sum_across_lanes, (int(extent(i)), int(extent(j))), ((i, j), *pairs))


def _over_samples(writer: Writer, kernel: Kernel) -> None:
    i, j = kernel.equation.free
    (s,) = kernel.equation.reduced
    _product(writer, kernel, product_over_samples, (int(extent(i)), int(extent(j))), ((i, j), (i, s), (s, j)))


def _product(
    writer: Writer,
    kernel: Kernel,
    emit: Callable[..., None],
    sizes: tuple[int, int],
    axes: Sequence[tuple[Idx | None, Idx | None]],
) -> None:
    """Call the kernel ``emit`` of these sizes on target and operands, whose rows and columns ``axes`` name."""
    references = (kernel.equation.target, *kernel.operands)
    steps = [_static(writer, reference, pair) for reference, pair in zip(references, axes)]

    def body(lanes: Lanes, arguments: Sequence[ir.Value]) -> None:
        *pointers, samples = arguments
        matrices = [Matrix(pointer, row, column) for pointer, (row, column) in zip(pointers, steps)]
        emit(lanes, BLOCKING[register_bytes()], *sizes, matrices[0], matrices[1:], samples)

    numbers = [*sizes, *(step for pair in steps for step in pair)]
    _call(
        writer, f"{emit.__name__}_{_name(*numbers)}", [*(_start(writer, r) for r in references), _count(writer)], body
    )


def _transpose(writer: Writer, kernel: Kernel) -> None:
    target, source = kernel.equation.target, kernel.operands[0]
    assert writer.tile is not None
    to_lanes = subscripts(target)[-1] == writer.tile[0]
    feature = subscripts(target)[0 if to_lanes else 1]
    features = INT(int(extent(feature)))
    key = subscripts(target)
    out, given = _static(writer, target, key)[0], _static(writer, source, key[::-1])[0]
    bounded = writer.program.storage_of(target).place is not Place.TILE
    operands = [_start(writer, target), _start(writer, source)]
    arguments = [*operands, INT(out), INT(given), features, _count(writer)]

    if to_lanes and given == int(extent(feature)) <= NARROW:

        def narrow(lanes: Lanes, operands: Sequence[ir.Value]) -> None:
            narrow_to_lanes(lanes, given, *operands)

        _call(writer, f"narrow_to_lanes_{given}", [*operands, INT(out), _count(writer)], narrow)
        return

    def body(lanes: Lanes, given: Sequence[ir.Value]) -> None:
        if to_lanes:
            transpose_to_lanes(lanes, *given)
        else:
            transpose_from_lanes(lanes, bounded, *given)

    name = "transpose_to_lanes" if to_lanes else f"transpose_from_lanes_{int(bounded)}"
    _call(writer, name, arguments, body)


_KERNELS: dict[KernelKind, Callable[[Writer, Kernel], None]] = {
    KernelKind.OVER_LANES: _over_lanes,
    KernelKind.OVER_SAMPLES: _over_samples,
    KernelKind.ACROSS_LANES: _across_lanes,
    KernelKind.TRANSPOSE: _transpose,
}


def _count(writer: Writer) -> ir.Value:
    assert writer.tile is not None
    return writer.tile[2]


def _start(writer: Writer, reference: Expr) -> ir.Value:
    """The address of the element at index 0, at the first sample of the tile where samples are an axis."""
    storage, name = writer.program.storage_of(reference), base_name(reference)
    base = writer.base(storage, name)
    assert writer.tile is not None
    if storage.place is Place.TILE or writer.tile[0] not in subscripts(reference):
        return base
    axis = subscripts(reference).index(writer.tile[0])
    rest = [writer.extent(n) for n in storage.shape[axis + 1 :]]
    offset = writer.tile[1]
    for n in rest:
        offset = writer.builder.mul(offset, n)
    return writer.builder.gep(base, [offset])


def _static(writer: Writer, reference: Expr, axes: Sequence[Idx | None]) -> list[int]:
    """How far apart neighbours along each of these indices are, 0 for None; all but a first axis are integers."""
    storage, key = writer.program.storage_of(reference), subscripts(reference)
    steps: dict[Expr, int] = {}
    step = 1
    for axis, n in reversed(list(zip(storage.axes, storage.shape))):
        steps[key[axis]] = step
        step *= n if isinstance(n, int) else 0
    return [0 if index is None else steps[index] for index in axes]


def _name(*numbers: int) -> str:
    return "_".join(map(str, numbers))


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
        function = ir.Function(module, ir.FunctionType(ir.VoidType(), [a.type for a in arguments]), name)
        function.linkage = "internal"
        # Inlined into the function around it, register allocation takes longer and gives worse code.
        function.attributes.add("noinline")
        for argument in function.args:
            if isinstance(argument.type, ir.PointerType):
                argument.add_attribute("noalias")
        builder = ir.IRBuilder(function.append_basic_block("entry"))
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
    function = module.globals[name] if name in module.globals else ir.Function(module, function_type, name)
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
    return writer.builder.bitcast(cgutils.alloca_once_value(writer.builder, writer.scalar.real(value)), BYTE)
