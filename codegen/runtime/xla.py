"""Compiled functions as handlers of XLA's typed foreign-function interface, whose address JAX registers.

The structures are those of xla/ffi/api/c_api.h, version 0.x: a pointer or a size is a word of 8 bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from llvmlite import binding, ir

from codegen.dtypes import dtype_name
from codegen.emit.control import constant_bytes, counted, value_on_stack
from codegen.emit.instructions import function_of
from codegen.emit.lanes import FORMATS
from codegen.emit.layout import Slot
from codegen.emit.vector.values import BYTE, INT, length
from codegen.runtime.entry import aligned_memory, called, freed, is_null, put, workspace_size
from codegen.runtime.forks import compiling
from codegen.runtime.function import CompiledFunction
from codegen.runtime.machine import compile_module, load_object

SYMBOL = "symnn_xla_handler"
VERSION = 0, 3
"""Of the interface that the handler is written for."""
INVALID_ARGUMENT, RESOURCE_EXHAUSTED = 3, 8
LONGEST = 96
"""Bytes of a message."""
I32 = ir.IntType(32)


class Frame(IntEnum):
    """The words of ``XLA_FFI_CallFrame``, and of what it points to."""

    EXTENSION, API = 1, 2
    ARGUMENTS, RESULTS = 9, 14
    """Each the address of an array of the addresses of buffers."""


class Buffer(IntEnum):
    """The words of ``XLA_FFI_Buffer``."""

    DATA, RANK, DIMENSIONS = 3, 4, 5


class Api(IntEnum):
    """The words of ``XLA_FFI_Api``."""

    ERROR_CREATE = 6


@dataclass(frozen=True)
class Handler:
    """A handler by its address, and what lives as long as that is good."""

    address: int
    held: object


@compiling()
def handler(function: CompiledFunction) -> Handler:
    """The handler of a function: its arguments are buffers in their order, its results in theirs.

    Buffers may have further axes in front, the same in all: then it is called for each entry of those. That shapes and
    types fit is the caller's promise; integers that are out of their range end as an error of XLA.
    """
    module = ir.Module("handler")
    module.triple = binding.get_process_triple()
    code = function.c_function
    code.prepare()  # a thread of XLA's may call while the interpreter waits for it
    _Writer(module, function).write()
    loaded = load_object(compile_module(str(module)), [SYMBOL])
    return Handler(loaded.addresses[SYMBOL], (loaded, code))


class _Writer:
    def __init__(self, module: ir.Module, function: CompiledFunction) -> None:
        self.module, self.code = module, function.c_function
        self.layout, self.extents = function.layout, function.report.compilation.graph.extents
        self.real = FORMATS[dtype_name(function.report.dtype)].real
        signature = ir.FunctionType(BYTE, [INT.as_pointer()])
        self.function = ir.Function(module, signature, SYMBOL)
        self.builder = ir.IRBuilder(self.function.append_basic_block("entry"))

    def write(self) -> None:
        """``XLA_FFI_Error* handler(XLA_FFI_CallFrame*)``."""
        builder, frame = self.builder, self.function.args[0]
        extension = self._word(frame, Frame.EXTENSION)
        with builder.if_then(builder.icmp_signed("!=", extension, INT(0)), likely=False):
            self._answer_metadata(extension)
        # Arguments and array results are words of one table; behind them the extents.
        slots = (*self.layout.arguments, *self.layout.arrays)
        table = builder.alloca(INT, self.code.words)
        results = builder.alloca(self.real, max(1, len(self.layout.scalars)))
        given = [self._buffer(frame, Frame.ARGUMENTS, n) for n in range(len(self.layout.arguments))]
        made = {slot.name: self._buffer(frame, Frame.RESULTS, n) for n, slot in enumerate(self.layout.results)}
        buffers = [*given, *(made[slot.name] for slot in self.layout.arrays)]
        for number, extent in enumerate(self.extents):
            put(builder, table, len(slots) + number, self._extent(extent, given))
        batch = self._batch(given[0], self.layout.arguments[0]) if given else INT(1)
        for number, (slot, buffer) in enumerate(zip(slots, buffers)):
            if slot.shape:
                put(builder, table, number, self._word(buffer, Buffer.DATA))
        size = workspace_size(builder, self.code, table, is_fixed=not self.extents)
        block, memory = aligned_memory(builder, self.module, size)
        with builder.if_then(is_null(builder, memory), likely=False):
            builder.ret(self._error(frame, RESOURCE_EXHAUSTED, b"found no memory for a workspace of %lld bytes", size))
        error = value_on_stack(builder, ir.Constant(BYTE, None))
        with counted(builder, batch) as (row, end):
            for number, (slot, buffer) in enumerate(zip(slots, buffers)):
                if slot.shape:
                    first = self._word(buffer, Buffer.DATA)
                    put(builder, table, number, builder.add(first, builder.mul(row, self._bytes(slot, table))))
                else:
                    self._copy_number(slot, buffer, row, table, number)
            fits = called(builder, self.code.address, INT, [table, memory, results])
            with builder.if_then(builder.icmp_signed("==", fits, INT(0)), likely=False):
                builder.store(self._error(frame, INVALID_ARGUMENT, b"found integers out of their range"), error)
                builder.branch(end)
            for number, slot in enumerate(self.layout.scalars):
                value = builder.load(builder.gep(results, [INT(number)]))
                target = builder.inttoptr(self._word(made[slot.name], Buffer.DATA), self.real.as_pointer())
                builder.store(value, builder.gep(target, [row]))
        freed(builder, self.module, block)
        builder.ret(builder.load(error))

    def _answer_metadata(self, extension: ir.Value) -> None:
        """Tell the version of the interface: ``Metadata_Extension`` is three words and the address of ``Metadata``."""
        builder = self.builder
        place = builder.inttoptr(extension, INT.as_pointer())
        kind = builder.trunc(self._word(place, 1), I32)
        with builder.if_then(builder.icmp_signed("==", kind, I32(1))):
            metadata = builder.inttoptr(self._word(place, 3), INT.as_pointer())
            version = builder.bitcast(builder.gep(metadata, [INT(3)]), I32.as_pointer())
            for number, value in enumerate((*VERSION, 0)):  # the traits behind it
                builder.store(I32(value), builder.gep(version, [INT(number)]))
            builder.ret(ir.Constant(BYTE, None))

    def _batch(self, buffer: ir.Value, slot: Slot) -> ir.Value:
        """The product of the axes in front of those of the slot."""
        builder = self.builder
        axes = builder.sub(self._word(buffer, Buffer.RANK), INT(len(slot.shape)))
        total = value_on_stack(builder, INT(1))
        dimensions = builder.inttoptr(self._word(buffer, Buffer.DIMENSIONS), INT.as_pointer())
        with counted(builder, axes) as (axis, _):
            size = builder.load(builder.gep(dimensions, [axis]))
            builder.store(builder.mul(builder.load(total), size), total)
        return builder.load(total)

    def _extent(self, extent: object, given: list[ir.Value]) -> ir.Value:
        builder = self.builder
        for buffer, slot in zip(given, self.layout.arguments):
            if extent in slot.shape:
                place = builder.add(
                    self._word(buffer, Buffer.RANK),
                    INT(slot.shape.index(extent) - len(slot.shape)),
                )
                dimensions = builder.inttoptr(self._word(buffer, Buffer.DIMENSIONS), INT.as_pointer())
                return builder.load(builder.gep(dimensions, [place]))
        raise AssertionError(f"{extent} is no extent of an argument")

    def _bytes(self, slot: Slot, table: ir.Value) -> ir.Value:
        """Those of one array of the slot."""
        builder, slots = self.builder, len(self.layout.arguments) + len(self.layout.arrays)
        size = INT(8 if slot.kind == "integer" or self.real == ir.DoubleType() else 4)
        extents = {n: self._word(table, slots + number) for number, n in enumerate(self.extents)}
        for n in slot.shape:
            size = builder.mul(size, length(builder, n, extents))
        return size

    def _copy_number(self, slot: Slot, buffer: ir.Value, index: ir.Value, table: ir.Value, number: int) -> None:
        """A number is the beginning of its word."""
        builder = self.builder
        kind = INT if slot.kind == "integer" else self.real
        source = builder.inttoptr(self._word(buffer, Buffer.DATA), kind.as_pointer())
        target = builder.bitcast(builder.gep(table, [INT(number)]), kind.as_pointer())
        builder.store(builder.load(builder.gep(source, [index])), target)

    def _error(self, frame: ir.Value, kind: int, message: bytes, *numbers: ir.Value) -> ir.Value:
        """An error with a message in the form of ``printf``."""
        builder = self.builder
        api = builder.inttoptr(self._word(frame, Frame.API), INT.as_pointer())
        form = builder.bitcast(constant_bytes(self.module, f"message {kind}", message + b"\0"), BYTE)
        text = builder.bitcast(builder.alloca(ir.ArrayType(BYTE.pointee, LONGEST)), BYTE)
        prints = function_of(self.module, ir.FunctionType(I32, [BYTE, INT, BYTE], var_arg=True), "snprintf")
        builder.call(prints, [text, INT(LONGEST), form, *numbers])
        arguments = builder.alloca(INT, 4)
        put(builder, arguments, 0, INT(28))
        put(builder, arguments, 1, INT(0))
        put(builder, arguments, 2, builder.ptrtoint(text, INT))
        put(builder, arguments, 3, INT(kind))
        signature = ir.FunctionType(BYTE, [INT.as_pointer()])
        create = builder.inttoptr(self._word(api, Api.ERROR_CREATE), signature.as_pointer())
        return builder.call(create, [arguments])

    # --- pieces -------------------------------------------------------------------------------------------------------

    def _buffer(self, frame: ir.Value, field: Frame, number: int) -> ir.Value:
        addresses = self.builder.inttoptr(self._word(frame, field), INT.as_pointer())
        return self.builder.inttoptr(self._word(addresses, number), INT.as_pointer())

    def _word(self, place: ir.Value, number: int) -> ir.Value:
        return self.builder.load(self.builder.gep(place, [INT(number)]))
