"""Entry points for Python, as functions of its C interface: checked calls, and calls on arrays that are bound.

They take what CPython hands a built-in function (``METH_FASTCALL``), read the fields of ``numpy.ndarray`` that its C
interface documents (numpy/ndarraytypes.h, stable since 1.7), and check everything before the unchecked program runs. A
call through Numba's own wrappers costs 0.25 µs and 0.1 µs an array; this one 0.1 µs in all.

``self`` is a tuple whose first item is an array of 64-bit words: a :class:`Record`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from llvmlite import ir

from codegen.cached import cached_property
from codegen.emit.control import on_stack, value_on_stack
from codegen.emit.instructions import Function, begun, function_of
from codegen.emit.lanes import FORMATS
from codegen.emit.layout import Slot
from codegen.emit.vector.checks import Checks, View
from codegen.emit.vector.functions import VOID, ProgramFunctions, functions_of
from codegen.emit.vector.interface import FEW, LATER, Record
from codegen.emit.vector.straight import StraightFunctions
from codegen.emit.vector.table import Table
from codegen.emit.vector.values import BYTE, INT

INT32 = ir.IntType(32)
NULL = ir.Constant(BYTE, None)
HEAD = object.__basicsize__
"""Bytes of a PyObject: the number of references, and at the end the type."""


class ArrayField(IntEnum):
    """Offsets in a ``PyArrayObject`` behind its head."""

    DATA = 0
    RANK = 8
    LENGTHS = 16
    DTYPE = 40
    FLAGS = 48


CONTIGUOUS, ALIGNED, WRITEABLE = 0x0001, 0x0100, 0x0400
INLINED = 12
"""Checks of more arguments and results are a function of their own, which calls and bindings share."""
FIRST_ITEM = HEAD + 8
"""Where the items of a tuple begin: behind its head and its length."""


@dataclass(frozen=True)
class Entries:
    """Defines ``<symbol>_call``, and so on for each of ``NAMES``, in a module; ``parted``: also those for threads."""

    module: ir.Module
    table: Table
    symbol: str
    parted: bool

    def define(self) -> None:
        functions = functions_of(self.module, replace(self.table, few=None), self.symbol)
        run = functions.run()
        if self.table.few is not None and (some := self.table.few.samples) is not None and some.most is not None:
            run = self._run(run, some.most)
        call = self._call(run)
        self._keyword(call)
        self._bound(call)
        self._workspace()
        self._fill(run)
        if self.parted:
            self._bind()
            self._part(functions)
            self._finish_parts(functions)

    def _run(self, many: ir.Function, most: int) -> ir.Function:
        """``run(table, results)``: code of its own for up to ``most`` samples, compiled when it is first needed."""
        few, later = (ir.GlobalVariable(self.module, INT, name) for name in (FEW, LATER))
        for variable in (few, later):
            variable.initializer = INT(0)
        function = Function(self.module, many.type.pointee, f"{self.symbol}_any")
        function.linkage = "internal"
        builder = begun(function)
        words, results = function.args
        with builder.if_then(builder.icmp_signed("<=", self.table.samples(builder, words), INT(most))):
            with builder.if_then(builder.icmp_signed("==", builder.load(few), INT(0)), likely=False):
                builder.call(builder.inttoptr(builder.load(later), ir.FunctionType(VOID, []).as_pointer()), [])
            # What a function of Python's answers after an exception may be anything.
            found = builder.load(few)
            with builder.if_then(builder.icmp_signed("!=", found, INT(0)), likely=True):
                builder.call(builder.inttoptr(found, many.type), [words, results])
                builder.ret_void()
        builder.call(many, [words, results])
        builder.ret_void()
        return function

    # --- the entry points --------------------------------------------------------------------------------------------

    def _call(self, run: ir.Function) -> ir.Function:
        """``call(*arguments, *arrays)``: the results, or False where anything is not as it should be."""
        builder, (_, args, count), (record, refuse) = self._entry("call")
        checks = Checks(builder, refuse)
        words = on_stack(builder, INT, size=INT(self.table.words))
        objects = self._fill_table(checks, record, words, args, count)
        checks.integers(self.table, words)
        self._finish(builder, run, record, words, objects[len(self.table.layout.arguments) :])
        return builder.function

    def _keyword(self, call: ir.Function) -> None:
        """``keyword(*arguments, out=arrays)``, an array or a tuple of them: ``call``, or else another function.

        The second item of ``self`` is handed every call without names, the third every other that does not look like
        this one or that ``call`` refuses.
        """
        signature = ir.FunctionType(BYTE, [BYTE, BYTE.as_pointer(), INT, BYTE])
        function = Function(self.module, signature, f"{self.symbol}_keyword")
        builder = begun(function)
        other, plain = function.append_basic_block("other"), function.append_basic_block("plain")
        self_, args, count, names = function.args
        for item, block in enumerate((plain, other), 1):
            with builder.goto_block(block):
                builder.ret(self._hand_over(builder, item, self_, args, count, names))
        record = self._record(builder, self_)
        Checks(builder, plain).require(builder.icmp_unsigned("!=", names, NULL))
        checks = Checks(builder, other)
        arguments, arrays = len(self.table.layout.arguments), len(self.table.layout.arrays)
        checks.require(builder.icmp_signed("==", count, INT(arguments)))
        checks.require(builder.icmp_signed("==", self._at(builder, names, HEAD, INT), INT(1)))
        name = self._at(builder, names, FIRST_ITEM, INT)
        checks.require(builder.icmp_signed("==", name, builder.load(builder.gep(record, [INT(Record.OUT)]))))
        objects = on_stack(builder, BYTE, size=INT(arguments + max(arrays, 1)))
        for number in range(arguments + 1):
            builder.store(builder.load(builder.gep(args, [INT(number)])), builder.gep(objects, [INT(number)]))
        if arrays != 1:
            given = builder.load(builder.gep(args, [INT(arguments)]))
            wanted = builder.load(builder.gep(record, [INT(Record.TUPLE_TYPE)]))
            checks.require(builder.icmp_signed("==", self._at(builder, given, HEAD - 8, INT), wanted))
            checks.require(builder.icmp_signed("==", self._at(builder, given, HEAD, INT), INT(arrays)))
            for number in range(arrays):
                item = self._at(builder, given, FIRST_ITEM + 8 * number, BYTE)
                builder.store(item, builder.gep(objects, [INT(arguments + number)]))
        result = builder.call(call, [self_, objects, INT(arguments + arrays)])
        self._return_unless_refused(builder, result, other)

    def _bind(self) -> None:
        """``bind(*arguments, *arrays)`` on a record with room for a table, for parts: fills it; True, or False."""
        builder, (_, args, count), (record, refuse) = self._entry("bind")
        words = builder.gep(record, [INT(Record.LAST)])
        self._fill_table(Checks(builder, refuse), record, words, args, count)
        builder.store(self.table.chunks(builder, words), builder.gep(record, [INT(Record.CHUNKS)]))
        for place, size in enumerate(self.table.sizes(builder, words), Record.SHARED):
            builder.store(builder.mul(size, INT(self.table.item)), builder.gep(record, [INT(place)]))
        builder.ret(self._python(builder, "PyBool_FromLong", INT(1)))

    def _bound(self, call: ir.Function) -> None:
        """``bound()``: ``call`` on the arguments and arrays that ``self`` holds, or else the function in front of them.

        They are checked in each call: a few nanoseconds, against arrays that have been resized or given other labels.
        """
        signature = ir.FunctionType(BYTE, [BYTE, BYTE.as_pointer(), INT])
        function = Function(self.module, signature, f"{self.symbol}_bound")
        builder = begun(function)
        other = function.append_basic_block("other")
        self_, args, count = function.args
        with builder.goto_block(other):
            builder.ret(self._hand_over(builder, 1, self_, args, count, NULL))
        Checks(builder, other).require(builder.icmp_signed("==", count, INT(0)))
        objects = builder.bitcast(builder.gep(self_, [INT(FIRST_ITEM + 16)]), BYTE.as_pointer())
        self._return_unless_refused(builder, builder.call(call, [self_, objects, INT(len(self.table.slots))]), other)

    def _hand_over(self, builder: ir.IRBuilder, item: int, self_: ir.Value, *arguments: ir.Value) -> ir.Value:
        """Hand a call over to an item of ``self``."""
        function = self._at(builder, self_, FIRST_ITEM + 8 * item, BYTE)
        return self._python(builder, "PyObject_Vectorcall", function, *arguments)

    def _return_unless_refused(self, builder: ir.IRBuilder, result: ir.Value, other: ir.Block) -> None:
        """Return a result; go on to ``other`` if it is False."""
        record = self._record(builder, builder.function.args[0])
        refused = builder.load(builder.gep(record, [INT(Record.FALSE)]))
        with builder.if_then(builder.icmp_signed("!=", builder.ptrtoint(result, INT), refused), likely=True):
            builder.ret(result)
        self._python(builder, "Py_DecRef", result, result=ir.VoidType())
        builder.branch(other)

    def _part(self, functions: ProgramFunctions | StraightFunctions) -> None:
        """``part(n, private)`` on a bound record: what comes before the samples for −1, else one chunk of them.

        Checks integers for −1 and answers False if they do not fit. ``private`` is the address of a workspace.
        """
        builder, (_, args, count), (record, refuse) = self._entry("part")
        checks = Checks(builder, refuse)
        checks.require(builder.icmp_signed("==", count, INT(2)))
        words = builder.gep(record, [INT(Record.LAST)])
        number, private = (
            self._python(builder, "PyLong_AsLongLong", builder.load(builder.gep(args, [INT(n)])), result=INT)
            for n in range(2)
        )
        first = builder.icmp_signed("<", number, INT(0))
        with builder.if_then(first):
            checks.integers(self.table, words)
        state = self._python(builder, "PyEval_SaveThread")
        functions.part(builder, words, number, private)
        self._python(builder, "PyEval_RestoreThread", state, result=ir.VoidType())
        builder.ret(self._python(builder, "PyBool_FromLong", INT(1)))

    def _finish_parts(self, functions: ProgramFunctions | StraightFunctions) -> None:
        """``finish()`` on a bound record whose parts have all run: combines their sums and gives the results."""
        builder, (self_, _, _), (record, _) = self._entry("finish")
        words = builder.gep(record, [INT(Record.LAST)])
        results = self._results_place(builder)
        state = self._python(builder, "PyEval_SaveThread")
        functions.finish(builder, words, results)
        self._python(builder, "PyEval_RestoreThread", state, result=ir.VoidType())
        self._return(builder, results, self._bound_arrays(builder, self_))

    def _workspace(self) -> None:
        """``int64 workspace(words)``: the bytes that :meth:`_fill` needs for these extents, and for smaller ones."""
        function = Function(self.module, ir.FunctionType(INT, [INT.as_pointer()]), f"{self.symbol}_workspace")
        builder = begun(function)
        builder.ret(self.table.workspace(builder, function.args[0]))

    def _fill(self, run: ir.Function) -> None:
        """``int64 fill(words, workspace, results)`` on a table of arrays that fit: 1, or 0 if an integer does not.

        For compiled code that is handed its address; it needs neither Python nor the interpreter's lock.
        """
        real = FORMATS[self.table.plan.dtype].real
        signature = ir.FunctionType(INT, [INT.as_pointer(), BYTE, real.as_pointer()])
        function = Function(self.module, signature, f"{self.symbol}_fill")
        builder = begun(function)
        refuse = function.append_basic_block("refuse")
        with builder.goto_block(refuse):
            builder.ret(INT(0))
        words, block, results = function.args
        Checks(builder, refuse).integers(self.table, words)
        self.table.put_workspaces(builder, words, block)
        builder.call(run, [words, results])
        builder.ret(INT(1))

    # --- pieces ------------------------------------------------------------------------------------------------------

    def _entry(self, name: str) -> tuple[ir.IRBuilder, Sequence[ir.Value], tuple[ir.Value, ir.Block]]:
        """A function of Python's C interface, its parameters, its record, and a block that answers False."""
        signature = ir.FunctionType(BYTE, [BYTE, BYTE.as_pointer(), INT])
        function = Function(self.module, signature, f"{self.symbol}_{name}")
        builder = begun(function)
        refuse = function.append_basic_block("refuse")
        with builder.goto_block(refuse):
            builder.ret(self._python(builder, "PyBool_FromLong", INT(0)))
        return builder, function.args, (self._record(builder, function.args[0]), refuse)

    def _record(self, builder: ir.IRBuilder, self_: ir.Value) -> ir.Value:
        """The record in the first item of ``self``."""
        return self._at(builder, self._at(builder, self_, FIRST_ITEM, BYTE), HEAD + ArrayField.DATA, INT.as_pointer())

    def _fill_table(
        self, checks: Checks, record: ir.Value, words: ir.Value, args: ir.Value, count: ir.Value
    ) -> list[ir.Value]:
        """Check every argument and write the table; gives the objects."""
        if len(self.table.slots) <= INLINED:
            return self._filled(checks, record, words, args, count)
        checks.require(checks.builder.call(self._filling, [record, words, args, count]))
        return [checks.builder.load(checks.builder.gep(args, [INT(n)])) for n in range(len(self.table.slots))]

    @cached_property
    def _filling(self) -> ir.Function:
        """``fill_table(record, words, args, count)`` as a function: whether everything is as it should be."""
        flag = ir.IntType(1)
        signature = ir.FunctionType(flag, [INT.as_pointer(), INT.as_pointer(), BYTE.as_pointer(), INT])
        function = Function(self.module, signature, f"{self.symbol}_fill_table")
        function.linkage = "internal"
        function.attributes.add("noinline")
        builder = begun(function)
        refuse = function.append_basic_block("refuse")
        with builder.goto_block(refuse):
            builder.ret(flag(0))
        self._filled(Checks(builder, refuse), *function.args)
        builder.ret(flag(1))
        return function

    def _filled(
        self, checks: Checks, record: ir.Value, words: ir.Value, args: ir.Value, count: ir.Value
    ) -> list[ir.Value]:
        builder, table = checks.builder, self.table
        checks.require(builder.icmp_signed("==", count, INT(len(table.slots))))
        objects = [builder.load(builder.gep(args, [INT(n)])) for n in range(len(table.slots))]
        # Numbers first: reading one may run code, and arrays must not change once they have been looked at.
        for number, (slot, found) in enumerate(zip(table.slots, objects)):
            if not slot.shape:
                table.put(builder, words, number, self._number(checks, record, slot, found))
        views: list[View | None] = []
        for number, (slot, found) in enumerate(zip(table.slots, objects)):
            written = number >= len(table.layout.arguments)
            views.append(self._array(checks, record, slot, found, written) if slot.shape else None)
            if (view := views[-1]) is not None:
                table.put(builder, words, number, view.address)
        table.put_extents(builder, words, checks.arrays(table, views))
        return objects

    def _array(self, checks: Checks, record: ir.Value, slot: Slot, found: ir.Value, written: bool) -> View:
        """The data and the lengths of an object that is an array of the right type and rank, contiguous and aligned."""
        builder = checks.builder
        type_ = self._at(builder, found, HEAD - 8, INT)
        checks.require(builder.icmp_signed("==", type_, builder.load(builder.gep(record, [INT(Record.ARRAY_TYPE)]))))
        dtype = Record.INTEGER if slot.kind == "integer" else Record.REAL
        wanted = builder.load(builder.gep(record, [INT(dtype)]))
        flags = CONTIGUOUS | ALIGNED | (WRITEABLE if written else 0)
        present = builder.and_(self._at(builder, found, HEAD + ArrayField.FLAGS, INT32), INT32(flags))
        checks.require(
            builder.and_(
                builder.and_(
                    builder.icmp_signed("==", self._at(builder, found, HEAD + ArrayField.DTYPE, INT), wanted),
                    builder.icmp_signed("==", present, INT32(flags)),
                ),
                builder.icmp_signed(
                    "==", self._at(builder, found, HEAD + ArrayField.RANK, INT32), INT32(len(slot.shape))
                ),
            )
        )
        lengths = self._at(builder, found, HEAD + ArrayField.LENGTHS, INT.as_pointer())
        return View(
            self._at(builder, found, HEAD + ArrayField.DATA, INT),
            [builder.load(builder.gep(lengths, [INT(axis)])) for axis in range(len(slot.shape))],
        )

    def _require_number(self, checks: Checks, record: ir.Value, slot: Slot, found: ir.Value) -> None:
        """The object is of a type of numbers, or an array without axes of the right type."""
        builder, integer = checks.builder, slot.kind == "integer"
        type_ = self._at(builder, found, HEAD - 8, INT)
        known = ir.IntType(1)(0)
        for place in range(Record.NUMBERS, Record.REAL_NUMBERS if integer else Record.LAST):
            same = builder.icmp_signed("==", type_, builder.load(builder.gep(record, [INT(place)])))
            known = builder.or_(known, same)
        number, array = builder.append_basic_block("number"), builder.append_basic_block("array")
        builder.cbranch(known, number, array)
        builder.position_at_end(array)
        checks.require(builder.icmp_signed("==", type_, builder.load(builder.gep(record, [INT(Record.ARRAY_TYPE)]))))
        wanted = builder.load(builder.gep(record, [INT(Record.INTEGER if integer else Record.REAL)]))
        same = builder.icmp_signed("==", self._at(builder, found, HEAD + ArrayField.DTYPE, INT), wanted)
        rank = self._at(builder, found, HEAD + ArrayField.RANK, INT32)
        checks.require(builder.and_(same, builder.icmp_signed("==", rank, INT32(0))))
        builder.branch(number)
        builder.position_at_end(number)

    def _number(self, checks: Checks, record: ir.Value, slot: Slot, found: ir.Value) -> ir.Value:
        """A Python or NumPy number as a double or an integer; one that is too large is a refusal.

        Of other types the slow way makes a number: half of those with ``__float__`` are no real numbers.
        """
        builder = checks.builder
        self._require_number(checks, record, slot, found)
        if slot.kind == "integer":
            value = self._python(builder, "PyLong_AsLongLong", found, result=INT)
            suspicious = builder.icmp_signed("==", value, INT(-1))
        else:
            value = self._python(builder, "PyFloat_AsDouble", found, result=ir.DoubleType())
            suspicious = builder.fcmp_ordered("==", value, ir.DoubleType()(-1.0))
            self._require_digits(checks, record, found, value)
        failed = value_on_stack(builder, ir.IntType(1)(0))
        builder.store(ir.IntType(1)(0), failed)
        with builder.if_then(suspicious, likely=False):
            raised = builder.icmp_unsigned("!=", self._python(builder, "PyErr_Occurred"), NULL)
            with builder.if_then(raised):
                self._python(builder, "PyErr_Clear", result=ir.VoidType())
                builder.store(ir.IntType(1)(1), failed)
        checks.require(builder.not_(builder.load(failed)))
        if slot.kind != "integer" and self.table.plan.dtype == "float32":
            return builder.fptrunc(value, ir.FloatType())
        return value

    def _require_digits(self, checks: Checks, record: ir.Value, found: ir.Value, value: ir.Value) -> None:
        """A whole number so large that it may have been rounded is a refusal: the slow way looks at its digits."""
        builder, real = checks.builder, ir.DoubleType()
        limit = real(2.0 ** (np.finfo(self.table.plan.dtype).nmant + 1))
        size = builder.select(builder.fcmp_ordered("<", value, real(0.0)), builder.fneg(value), value)
        rounded = value_on_stack(builder, ir.IntType(1)(0))
        builder.store(ir.IntType(1)(0), rounded)
        with builder.if_then(builder.fcmp_ordered(">=", size, limit), likely=False):
            type_ = self._at(builder, found, HEAD - 8, INT)
            for place in range(Record.NUMBERS, Record.REAL_NUMBERS):
                whole = builder.icmp_signed("==", type_, builder.load(builder.gep(record, [INT(place)])))
                builder.store(builder.or_(builder.load(rounded), whole), rounded)
        checks.require(builder.not_(builder.load(rounded)))

    def _finish(
        self, builder: ir.IRBuilder, run: ir.Function, record: ir.Value, words: ir.Value, arrays: Sequence[ir.Value]
    ) -> None:
        """Run the program on a table, without the interpreter's lock, and return its results."""
        results = self._results_place(builder)
        workspace = Workspace(self.module, self.table)
        block = workspace.take(builder, record, words)
        state = self._python(builder, "PyEval_SaveThread")
        builder.call(run, [words, results])
        self._python(builder, "PyEval_RestoreThread", state, result=ir.VoidType())
        workspace.give_back(builder, record, block)
        self._return(builder, results, arrays)

    def _bound_arrays(self, builder: ir.IRBuilder, self_: ir.Value) -> list[ir.Value]:
        """The arrays of the results, which stand behind the record."""
        return [self._at(builder, self_, FIRST_ITEM + 8 * (1 + n), BYTE) for n in range(len(self.table.layout.arrays))]

    def _results_place(self, builder: ir.IRBuilder) -> ir.Value:
        real = FORMATS[self.table.plan.dtype].real
        return on_stack(builder, real, size=INT(max(len(self.table.layout.scalars), 1)))

    def _return(self, builder: ir.IRBuilder, results: ir.Value, arrays: Sequence[ir.Value]) -> None:
        """Return the scalar results as numbers and the arrays, in the order of the outputs."""
        real = FORMATS[self.table.plan.dtype].real
        values: list[ir.Value] = []
        numbers, filled = iter(range(len(self.table.layout.scalars))), iter(arrays)
        for slot in self.table.layout.results:
            if slot.shape:
                values.append(next(filled))
                self._python(builder, "Py_IncRef", values[-1], result=ir.VoidType())
            else:
                value = builder.load(builder.gep(results, [INT(next(numbers))]))
                if real != ir.DoubleType():
                    value = builder.fpext(value, ir.DoubleType())
                values.append(self._python(builder, "PyFloat_FromDouble", value))
        if len(values) == 1:
            builder.ret(values[0])
            return
        result = self._python(builder, "PyTuple_New", INT(len(values)))
        for number, value in enumerate(values):
            place = builder.gep(result, [INT(FIRST_ITEM + 8 * number)])
            builder.store(value, builder.bitcast(place, BYTE.as_pointer()))
        builder.ret(result)

    def _at(self, builder: ir.IRBuilder, start: ir.Value, offset: int, type_: ir.Type) -> ir.Value:
        """A field of an object."""
        place = builder.gep(start, [INT(offset)])
        return builder.load(builder.bitcast(place, type_.as_pointer()))

    def _python(self, builder: ir.IRBuilder, name: str, *arguments: ir.Value, result: ir.Type = BYTE) -> ir.Value:
        """Call a function of Python's C interface."""
        signature = ir.FunctionType(result, [a.type for a in arguments])
        return builder.call(function_of(self.module, signature, name), arguments)


STACK = 16 * 1024
"""A workspace of up to so many bytes is part of the stack."""
HEADER = 16
"""Bytes at the beginning of a block of a pool."""


@dataclass(frozen=True)
class Workspace:
    """Memory for the run of a program: on the stack if it is small, else a block of a pool that calls share.

    The pool is a list of free blocks that only the holder of the interpreter's lock touches; a block begins with the
    address of the next one and its own size. Once as many are there as calls have run at the same time, no more are
    allocated.
    """

    module: ir.Module
    table: Table

    @property
    def small(self) -> int | None:
        """The size of a workspace that is part of the stack."""
        size = self.table.fixed_bytes()
        return size if size is not None and size <= STACK else None

    def take(self, builder: ir.IRBuilder, record: ir.Value, words: ir.Value) -> ir.Value | None:
        """Enter a workspace in a table; gives the block to give back."""
        if (small := self.small) is not None:
            self.table.put_workspaces(builder, words, on_stack(builder, ir.IntType(8), size=INT(small)))
            return None
        size = builder.add(self.table.workspace(builder, words), INT(HEADER))
        head = self._head(builder, record)
        block = value_on_stack(builder, builder.load(head))
        first = builder.load(block)
        usable = value_on_stack(builder, ir.IntType(1)(0))
        with builder.if_then(builder.icmp_signed("!=", first, INT(0))):
            fields = builder.inttoptr(first, INT.as_pointer())
            builder.store(builder.load(fields), head)
            enough = builder.icmp_unsigned(">=", builder.load(builder.gep(fields, [INT(1)])), size)
            builder.store(enough, usable)
            with builder.if_then(builder.not_(enough), likely=False):
                free = ir.FunctionType(ir.VoidType(), [INT])
                builder.call(function_of(self.module, free, "PyMem_RawFree"), [first])
        with builder.if_then(builder.not_(builder.load(usable)), likely=False):
            allocate = ir.FunctionType(INT, [INT])
            new = builder.call(function_of(self.module, allocate, "PyMem_RawMalloc"), [size])
            with builder.if_then(builder.icmp_signed("==", new, INT(0)), likely=False):
                failure = function_of(self.module, ir.FunctionType(BYTE, []), "PyErr_NoMemory")
                builder.ret(builder.call(failure, []))
            fields = builder.inttoptr(new, INT.as_pointer())
            builder.store(size, builder.gep(fields, [INT(1)]))
            builder.store(new, block)
        start = builder.add(builder.load(block), INT(HEADER))
        self.table.put_workspaces(builder, words, builder.inttoptr(start, BYTE))
        return builder.load(block)

    def give_back(self, builder: ir.IRBuilder, record: ir.Value, block: ir.Value | None) -> None:
        """Put a block in front of the free ones."""
        if block is not None:
            head = self._head(builder, record)
            builder.store(builder.load(head), builder.inttoptr(block, INT.as_pointer()))
            builder.store(block, head)

    def _head(self, builder: ir.IRBuilder, record: ir.Value) -> ir.Value:
        return builder.inttoptr(builder.load(builder.gep(record, [INT(Record.POOL)])), INT.as_pointer())
