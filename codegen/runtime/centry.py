"""A compiled function behind a C signature, in LLVM's language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from llvmlite import binding, ir

from codegen.dtypes import ITEM, dtype_name
from codegen.emit.lanes import FORMATS
from codegen.emit.layout import Slot
from codegen.emit.vector.values import BYTE, INT
from codegen.errors import EmitError
from codegen.runtime.csignature import Field, Parameter, Signature
from codegen.runtime.entry import ALIGNMENT, aligned_memory, called, freed, is_null, put, workspace_size
from codegen.runtime.function import CompiledFunction
from codegen.runtime.machine import MachineCode, compile_module, load_object
from codegen.walk import Extent, elements, is_fixed, is_symbolic, parts

SYMBOL = "symnn_cfunc"
COUNT = "n"
"""What says how many numbers the array beside it has, in signatures of SciPy and NLopt, if it is no input or length."""
TYPES: Mapping[str, ir.Type] = {
    "void": ir.VoidType(),
    "double": ir.DoubleType(),
    "float": ir.FloatType(),
    "int": ir.IntType(32),
    "unsigned": ir.IntType(32),
    "int64_t": INT,
    "intptr_t": INT,
    "npy_intp": INT,
}


def load_entry(signature: Signature, function: CompiledFunction) -> tuple[int, MachineCode]:
    """The address of the function behind the signature, and what lives as long as it is good.

    Raises :class:`EmitError` for a signature that does not fit.
    """
    module = ir.Module("cfunc")
    module.triple = binding.get_process_triple()
    function.c_function.prepare()  # the caller may not have the interpreter to compile with
    Writer(module, signature, function).write()
    loaded = load_object(compile_module(str(module)), [SYMBOL])
    return loaded.addresses[SYMBOL], loaded


class Writer:
    """Writes the function into a module."""

    def __init__(self, module: ir.Module, signature: Signature, function: CompiledFunction) -> None:
        self.module, self.signature, self.code = module, signature, function.c_function
        self.layout, self.extents = function.layout, function.report.compilation.graph.extents
        self.dtype = dtype_name(function.report.dtype)
        self.real = FORMATS[self.dtype].real
        types = [BYTE if p.pointer else TYPES[p.type] for p in signature.parameters]
        self.function = ir.Function(module, ir.FunctionType(TYPES[signature.returns], types), SYMBOL)
        self.builder = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.given = {p.name: (p, value) for p, value in zip(signature.parameters, self.function.args)}
        for struct, fields in signature.structs.items():
            self._open(struct, fields)

    def write(self) -> None:
        """Fill the table, call the function, hand on what it returns."""
        builder = self.builder
        slots = (*self.layout.arguments, *self.layout.arrays)
        table = builder.alloca(INT, self.code.words)
        results = builder.alloca(self.real, max(1, len(self.layout.scalars)))
        lengths = {extent: self._length(str(extent)) for extent in self.extents}
        for number, length in enumerate(lengths.values()):
            put(builder, table, len(slots) + number, length)
        for number, slot in enumerate(self.layout.arguments):
            self._argument(table, number, slot)
        returned = [slot for slot in self.layout.scalars if slot.name not in self.given]
        self._check_results(returned)
        self._refuse_negative(lengths, slots)
        self._refuse_short()
        unwanted = self._sizes()
        size = workspace_size(builder, self.code, table, is_fixed=not self.extents)
        block, memory = aligned_memory(builder, self.module, builder.add(size, INT(sum(unwanted.values()))))
        with builder.if_then(is_null(builder, memory), likely=False):
            self._return(INT(0), self.real(float("nan")))
        place = builder.add(builder.ptrtoint(memory, INT), size)
        for number, slot in enumerate(self.layout.arrays, len(self.layout.arguments)):
            address = builder.ptrtoint(self._pointer(slot), INT)
            if slot.name in unwanted:
                address = builder.select(builder.icmp_signed("==", address, INT(0)), place, address)
                place = builder.add(place, INT(unwanted[slot.name]))
            put(builder, table, number, address)
        fits = called(builder, self.code.address, INT, [table, memory, results])
        is_computed = builder.icmp_signed("!=", fits, INT(0))
        for number, slot in enumerate(self.layout.scalars):
            if slot.name in self.given:
                target = builder.bitcast(self._pointer(slot), self.real.as_pointer())
                is_wanted = builder.icmp_signed("!=", builder.ptrtoint(target, INT), INT(0))
                with builder.if_then(builder.and_(is_computed, is_wanted)):
                    builder.store(builder.load(builder.gep(results, [INT(number)])), target)
        freed(builder, self.module, block)
        value = self.real(float("nan"))
        for slot in returned:
            found = builder.load(builder.gep(results, [INT(self.layout.scalars.index(slot))]))
            value = builder.select(is_computed, found, value)
        self._return(fits, value)

    def _refuse_negative(self, lengths: Mapping[Extent, ir.Value], slots: Sequence[Slot]) -> None:
        """Return before anything is computed where an axis would have a negative length."""
        if not lengths:
            return
        builder = self.builder
        axes = dict.fromkeys((*lengths, *(n for slot in slots for n in slot.shape if is_symbolic(n))))
        least = INT(0)
        for axis in axes:
            constant, terms = parts(axis)
            length = INT(constant)
            for symbol, factor in terms:
                length = builder.add(length, builder.mul(INT(factor), lengths[symbol]))
            least = builder.or_(least, length)  # its sign is that of any negative one
        with builder.if_then(builder.icmp_signed("<", least, INT(0)), likely=False):
            self._return(INT(0), self.real(float("nan")))

    def _refuse_short(self) -> None:
        """Return before anything is read where the caller says that an array has fewer numbers than are read."""
        builder, names = self.builder, [parameter.name for parameter in self.signature.parameters]
        known = {*(slot.name for slot in self.layout.arguments), *map(str, self.extents)}
        if COUNT in known or COUNT not in names:
            return
        (parameter, count), place = self.given[COUNT], names.index(COUNT)
        beside = names[max(0, place - 1) : place + 2]
        read = [slot for slot in self.layout.arguments if slot.shape and slot.name in beside and is_fixed(slot.shape)]
        if isinstance(count.type, ir.IntType) and read:
            least = INT(max(elements(slot.shape) for slot in read))
            is_short = builder.icmp_signed("<", self._widened(parameter, count), least)
            with builder.if_then(is_short, likely=False):
                self._return(INT(0), self.real(float("nan")))

    def _open(self, struct: str, fields: Mapping[str, Field]) -> None:
        """What has the name of a field is in the struct: numbers that are read, places of arrays and results."""
        builder, (_, base) = self.builder, self.given[struct]
        arrays = {slot.name: slot for slot in (*self.layout.arguments, *self.layout.arrays) if slot.shape}
        read = {slot.name for slot in self.layout.arguments} | {str(extent) for extent in self.extents}
        written = {slot.name for slot in self.layout.scalars}
        for name, field in fields.items():
            if name not in {*arrays, *read, *written}:
                continue
            if name in self.given:
                raise EmitError(f"structs: {struct}.{name}: found the name {name!r} twice")
            expected = arrays[name].shape if name in arrays else ()
            if field.shape != expected:
                raise EmitError(f"structs: {struct}.{name}: found shape {field.shape}, expected {expected}")
            place = builder.gep(base, [INT(field.offset)])
            is_read = name in read and name not in arrays
            value, kind = place, field.c_type(f"{struct}.{name}")
            if is_read:
                value = builder.load(builder.bitcast(place, TYPES[kind].as_pointer()))
                value.align = 1  # fields may be packed
            self.given[name] = Parameter(kind, not is_read, name), value

    def _check_results(self, returned: Sequence[Slot]) -> None:
        expected = 1 if self.signature.returns in ("double", "float") else 0
        if len(returned) != expected:
            names = ", ".join(repr(slot.name) for slot in returned) or "none"
            raise EmitError(
                f"signature: {self.signature.text!r} returns {self.signature.returns}, and scalar outputs without a "
                f"parameter are {names}, expected {expected} of them"
            )

    def _return(self, fits: ir.Value, value: ir.Value) -> None:
        builder, kind = self.builder, self.function.ftype.return_type
        if self.signature.returns == "void":
            builder.ret_void()
        elif isinstance(kind, ir.IntType):
            builder.ret(builder.trunc(fits, kind) if kind.width < 64 else fits)
        else:
            builder.ret(self._converted(value, kind))

    def _converted(self, value: ir.Value, kind: ir.Type) -> ir.Value:
        if value.type == kind:
            return value
        return self.builder.fpext(value, kind) if kind == ir.DoubleType() else self.builder.fptrunc(value, kind)

    def _argument(self, table: ir.Value, number: int, slot: Slot) -> None:
        builder = self.builder
        if slot.shape:
            put(builder, table, number, builder.ptrtoint(self._pointer(slot), INT))
            return
        parameter, value = self._named(slot.name, "the input")
        kind = INT if slot.kind == "integer" else self.real
        if parameter.pointer:
            raise EmitError(
                f"signature: found a pointer for the scalar input {slot.name!r}, expected a number, or a pack"
            )
        if isinstance(kind, ir.IntType) != isinstance(value.type, ir.IntType):
            raise EmitError(f"signature: found {parameter.type} for the {slot.kind} input {slot.name!r}")
        wide = self._widened(parameter, value) if isinstance(value.type, ir.IntType) else self._converted(value, kind)
        builder.store(wide, builder.bitcast(builder.gep(table, [INT(number)]), kind.as_pointer()))

    def _length(self, name: str) -> ir.Value:
        parameter, value = self._named(name, "the length")
        if parameter.pointer or not isinstance(value.type, ir.IntType):
            raise EmitError(f"signature: found {parameter.type} for the length {name!r}, expected a whole number")
        return self._widened(parameter, value)

    def _widened(self, parameter: Parameter, value: ir.Value) -> ir.Value:
        if value.type == INT:
            return value
        return (self.builder.zext if parameter.type == "unsigned" else self.builder.sext)(value, INT)

    def _pointer(self, slot: Slot) -> ir.Value:
        parameter, value = self._named(slot.name, "the array" if slot.shape else "the output")
        wanted = "int64_t" if slot.kind == "integer" else "float" if self.dtype == "float32" else "double"
        same = wanted == parameter.type or (wanted == "int64_t" and parameter.type in ("npy_intp", "intptr_t"))
        if not (parameter.pointer and same):
            star = " *" if parameter.pointer else " "
            raise EmitError(
                f"signature: found '{parameter.type}{star}{slot.name}', expected '{wanted} *{slot.name}', an array"
            )
        return value

    def _named(self, name: str, what: str) -> tuple[Parameter, ir.Value]:
        if name not in self.given:
            raise EmitError(f"signature: {self.signature.text!r} has no parameter for {what} {name!r}")
        found: tuple[Parameter, ir.Value] = self.given[name]
        return found

    def _sizes(self) -> dict[str, int]:
        """The bytes of results of a fixed size, in case they are not wanted: whole lines of memory."""
        fixed = (slot for slot in self.layout.arrays if is_fixed(slot.shape))
        return {slot.name: -(-elements(slot.shape) * ITEM[self.dtype] // ALIGNMENT) * ALIGNMENT for slot in fixed}
