"""LLVM's instructions as text, each written once when it is asked for.

llvmlite's builder makes objects of them, whose names it keeps apart and which it prints afterwards: of a compilation
that was a third. :class:`Builder` has the methods of its builder that the writers here use, so that they write into
functions of either kind. Three things are known while it writes, so that LLVM neither reads nor finds out about them:
arithmetic on whole numbers that are constants, the value of an instruction that stands in a block before every way
there, and that a pointer is a pointer whatever it points to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from llvmlite import ir

TRUTH = ir.IntType(1)
RELATIONS: Mapping[str, str] = {"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
LIKELY: Mapping[bool, tuple[int, int]] = {True: (99, 1), False: (1, 99)}
"""How a branch is weighed."""
SETTLED = "settled"
"""The attribute of functions in which LLVM finds nothing but stack slots that are registers."""


class Value:
    """The value of an instruction: its type, and its name in the text."""

    __slots__ = ("name", "type")

    def __init__(self, type: ir.Type, name: str) -> None:
        self.type, self.name = type, name

    def get_reference(self) -> str:
        """As llvmlite's values have it, so that these can be operands of its instructions."""
        return self.name

    def __str__(self) -> str:
        return f"{self.type} {self.name}"


class Phi(Value):
    """A value that depends on the block before; where it comes from is known later."""

    __slots__ = ("incoming",)

    def __init__(self, type: ir.Type, name: str) -> None:
        super().__init__(type, name)
        self.incoming: list[tuple[Any, Block]] = []

    def add_incoming(self, value: Any, block: Block) -> None:
        self.incoming.append((value, block))

    def line(self) -> str:
        """The instruction."""
        ways = ", ".join(f"[{value.get_reference()}, %{block.name}]" for value, block in self.incoming)
        return f"  {self.name} = phi {self.type} {ways}"


class Block:
    """Instructions that run one after the other, and the terminator behind them.

    A block is made where the builder stands in one that each way to it goes through: what is known there is known here.
    """

    instructions = ()
    """There are no objects; Numba looks for those that it may make inexact."""

    def __init__(self, parent: Function, name: str, above: Block | None) -> None:
        self.parent, self.name = parent, name
        self.lines: list[str | Phi] = []
        self.terminator: str | None = None
        self._above, self._known = above, dict[str, Value]()

    def known(self, text: str) -> Value | None:
        """The value of an instruction that has run before."""
        block: Block | None = self
        while block is not None:
            if (found := block._known.get(text)) is not None:
                return found
            block = block._above
        return None

    def keep(self, text: str, value: Value) -> None:
        """Remember the value of an instruction."""
        self._known[text] = value

    def remark(self, kind: str, node: Any) -> None:
        """Metadata of the terminator."""
        self.terminator = f"{self.terminator}, !{kind} {_reference(node)}"

    def text(self) -> str:
        """Its label and its instructions."""
        lines = [line if isinstance(line, str) else line.line() for line in self.lines]
        return "\n".join([f"{self.name}:", *lines, f"  {self.terminator}\n"])


class Attributes(ir.values.FunctionAttributes):  # type: ignore[misc]
    """What is known of a function; in quotes, what LLVM does not know."""

    _known = ir.values.FunctionAttributes._known | {f'"{SETTLED}"'}


class Function(ir.Function):  # type: ignore[misc]
    """A function of a module whose body is text."""

    count = 0
    """The names that have been given."""

    def __init__(self, module: ir.Module, type: ir.FunctionType, name: str) -> None:
        super().__init__(module, type, name)
        self.attributes = Attributes()

    def fresh(self) -> str:
        """A name that no other value or block of the function has."""
        self.count += 1
        return f"v{self.count}"

    def append_basic_block(self, name: str = "", above: Block | None = None) -> Block:
        """A new block, which every way to goes through ``above``; without a name it has none to read."""
        block = Block(self, f"{name}.{self.fresh()}" if name else self.fresh(), above)
        self.blocks.append(block)
        return block

    def descr_body(self, buffer: list[str]) -> None:
        """What llvmlite prints between the braces."""
        buffer += [block.text() for block in self.blocks]


def function_of(module: ir.Module, signature: ir.FunctionType, name: str) -> ir.Function:
    """The function of this name in a module, declared if it is not there."""
    found = module.globals.get(name)
    return Function(module, signature, name) if found is None else found


def begun(function: Function) -> Builder:
    """A builder at the first block of a function that has none."""
    return Builder(function.append_basic_block("entry"))


def _reference(value: Any) -> str:
    return value.name if type(value) is Value else str(value.get_reference())


def _binary(operation: str) -> Callable[..., Any]:
    def write(self: Builder, a: Any, b: Any, flags: Sequence[str] = ()) -> Any:
        name = " ".join([operation, *flags])
        return self._value(a.type, f"{name} {a.type} {_reference(a)}, {_reference(b)}")

    return write


def _whole(operation: str, neutral: int, of_constants: Callable[[int, int], int]) -> Callable[..., Any]:
    """An operation on whole numbers, which is done here where both are constants, or one is neutral on the right."""
    write = _binary(operation)

    def fold(self: Builder, a: Any, b: Any, flags: Sequence[str] = ()) -> Any:
        if isinstance(b, ir.Constant) and isinstance(b.type, ir.IntType):
            if isinstance(a, ir.Constant):
                half = 1 << (b.type.width - 1)
                return b.type((of_constants(a.constant, b.constant) + half) % (2 * half) - half)
            if b.constant == neutral:
                return a
        return write(self, a, b, flags)

    return fold


def _cast(operation: str) -> Callable[..., Any]:
    def write(self: Builder, value: Any, type: ir.Type) -> Any:
        if value.type == type:
            return value
        return self._value(type, f"{operation} {value.type} {_reference(value)} to {type}")

    return write


def _comparison(operation: str, prefix: str, equal: str) -> Callable[..., Any]:
    names = {sign: (equal if sign in ("==", "!=") else prefix) + name for sign, name in RELATIONS.items()}

    def write(self: Builder, relation: str, a: Any, b: Any) -> Any:
        type = ir.VectorType(TRUTH, a.type.count) if isinstance(a.type, ir.VectorType) else TRUTH
        sign = names.get(relation, relation)
        return self._value(type, f"{operation} {sign} {a.type} {_reference(a)}, {_reference(b)}")

    return write


class Builder:
    """Writes instructions at the end of a block, before its terminator; its methods are those of llvmlite's."""

    debug_metadata: None = None

    def __init__(self, block: Block) -> None:
        self.block = block

    # --- where it stands ------------------------------------------------------------------------------------------

    @property
    def basic_block(self) -> Block:
        return self.block

    @property
    def function(self) -> Function:
        return self.block.parent

    @property
    def module(self) -> ir.Module:
        return self.block.parent.module

    def append_basic_block(self, name: str = "") -> Block:
        """A new block; every way to it has to go through where the builder stands."""
        return self.function.append_basic_block(name, self.block)

    def position_at_end(self, block: Block) -> None:
        self.block = block

    @contextmanager
    def goto_block(self, block: Block) -> Iterator[None]:
        """Stand in another block for a while."""
        before, self.block = self.block, block
        try:
            yield
        finally:
            self.block = before

    def goto_entry_block(self) -> AbstractContextManager[None]:
        return self.goto_block(self.function.blocks[0])

    @contextmanager
    def if_then(self, condition: Any, likely: bool | None = None) -> Iterator[Block]:
        """What is written inside runs where the condition holds."""
        inside, after = self.append_basic_block("then"), self.append_basic_block("after")
        self.cbranch(condition, inside, after, likely)
        with self._branch(inside, after):
            yield after
        self.block = after

    @contextmanager
    def if_else(
        self, condition: Any, likely: bool | None = None
    ) -> Iterator[tuple[AbstractContextManager[Block], ...]]:
        """What is written in one of two runs."""
        then, otherwise, after = map(self.append_basic_block, ("then", "else", "after"))
        self.cbranch(condition, then, otherwise, likely)
        yield self._branch(then, after), self._branch(otherwise, after)
        self.block = after

    @contextmanager
    def _branch(self, inside: Block, after: Block) -> Iterator[Block]:
        self.block = inside
        yield after
        if self.block.terminator is None:
            self.branch(after)

    # --- instructions ---------------------------------------------------------------------------------------------

    def _write(self, text: str) -> None:
        self.block.lines.append(f"  {text}")

    def _put(self, type: ir.Type, text: str) -> Value:
        """An instruction that may do more than give a value."""
        value = Value(type, f"%{self.function.fresh()}")
        self.block.lines.append(f"  {value.name} = {text}")
        return value

    def _value(self, type: ir.Type, text: str) -> Value:
        """An instruction that gives the same value wherever it stands."""
        found = self.block.known(text)
        if found is None:
            found = self._put(type, text)
            self.block.keep(text, found)
        return found

    add = _whole("add", 0, lambda a, b: a + b)
    sub = _whole("sub", 0, lambda a, b: a - b)
    mul = _whole("mul", 1, lambda a, b: a * b)
    sdiv, udiv = _binary("sdiv"), _binary("udiv")
    srem, urem = _binary("srem"), _binary("urem")
    and_, or_, xor = _binary("and"), _binary("or"), _binary("xor")
    shl, lshr, ashr = _binary("shl"), _binary("lshr"), _binary("ashr")
    fadd, fsub, fmul, fdiv = _binary("fadd"), _binary("fsub"), _binary("fmul"), _binary("fdiv")
    trunc, zext, sext = _cast("trunc"), _cast("zext"), _cast("sext")
    fptrunc, fpext = _cast("fptrunc"), _cast("fpext")
    sitofp, uitofp, fptosi, fptoui = _cast("sitofp"), _cast("uitofp"), _cast("fptosi"), _cast("fptoui")
    inttoptr, ptrtoint, _bitcast = _cast("inttoptr"), _cast("ptrtoint"), _cast("bitcast")
    icmp_signed = _comparison("icmp", "s", "")
    icmp_unsigned = _comparison("icmp", "u", "")
    fcmp_ordered = _comparison("fcmp", "o", "o")
    fcmp_unordered = _comparison("fcmp", "u", "u")

    def bitcast(self, value: Any, type: ir.Type) -> Any:
        if isinstance(type, ir.PointerType) and isinstance(value.type, ir.PointerType):
            return value if value.type == type else Value(type, _reference(value))
        return self._bitcast(value, type)

    def fneg(self, a: Any) -> Value:
        return self._value(a.type, f"fneg {a.type} {_reference(a)}")

    def not_(self, a: Any) -> Value:
        vector = isinstance(a.type, ir.VectorType)
        return self.xor(a, ir.Constant(a.type, (-1,) * a.type.count if vector else -1))  # type: ignore[no-any-return]

    def select(self, condition: Any, a: Any, b: Any) -> Value:
        choice = f"{condition.type} {_reference(condition)}"
        return self._value(a.type, f"select {choice}, {a.type} {_reference(a)}, {b.type} {_reference(b)}")

    def fma(self, a: Any, b: Any, c: Any) -> Value:
        return self.call(self.module.declare_intrinsic("llvm.fma", [a.type] * 3), [a, b, c])

    def extract_element(self, vector: Any, place: Any) -> Value:
        where = f"{vector.type} {_reference(vector)}, {place.type} {_reference(place)}"
        return self._value(vector.type.element, f"extractelement {where}")

    def insert_element(self, vector: Any, value: Any, place: Any) -> Value:
        text = ", ".join(f"{a.type} {_reference(a)}" for a in (vector, value, place))
        return self._value(vector.type, f"insertelement {text}")

    def shuffle_vector(self, a: Any, b: Any, mask: Any) -> Value:
        type = ir.VectorType(a.type.element, mask.type.count)
        return self._value(type, "shufflevector " + ", ".join(f"{v.type} {_reference(v)}" for v in (a, b, mask)))

    def extract_value(self, whole: Any, place: int) -> Value:
        return self._value(whole.type.elements[place], f"extractvalue {whole.type} {_reference(whole)}, {place}")

    def insert_value(self, whole: Any, value: Any, place: int) -> Value:
        parts = f"{whole.type} {_reference(whole)}, {value.type} {_reference(value)}"
        return self._value(whole.type, f"insertvalue {parts}, {place}")

    # --- memory ---------------------------------------------------------------------------------------------------

    def alloca(self, type: ir.Type, size: Any = None, name: str = "") -> Value:
        count = "" if size is None else f", {size.type} {_reference(size)}"
        return self._put(type.as_pointer(), f"alloca {type}{count}")

    def gep(self, pointer: Any, places: Sequence[Any]) -> Any:
        (place,) = places
        if isinstance(place, ir.Constant) and place.constant == 0:
            return pointer
        text = f"getelementptr {pointer.type.pointee}, {pointer.type} {_reference(pointer)}"
        return self._value(pointer.type, f"{text}, {place.type} {_reference(place)}")

    def load(self, pointer: Any, align: int | None = None) -> Value:
        type = pointer.type.pointee
        aligned = "" if align is None else f", align {align}"
        return self._put(type, f"load {type}, {pointer.type} {_reference(pointer)}{aligned}")

    def store(self, value: Any, pointer: Any, align: int | None = None) -> None:
        aligned = "" if align is None else f", align {align}"
        self._write(f"store {value.type} {_reference(value)}, {pointer.type} {_reference(pointer)}{aligned}")

    # --- control --------------------------------------------------------------------------------------------------

    def call(self, function: Any, arguments: Sequence[Any]) -> Value:
        type = function.type.pointee.return_type
        given = ", ".join(f"{a.type} {_reference(a)}" for a in arguments)
        text = f"call {type} {_reference(function)}({given})"
        if isinstance(type, ir.VoidType):
            self._write(text)
            return Value(type, "")
        return self._put(type, text)

    def phi(self, type: ir.Type, name: str = "") -> Phi:
        value = Phi(type, f"%{self.function.fresh()}")
        self.block.lines.append(value)
        return value

    def branch(self, block: Block) -> None:
        self.block.terminator = f"br label %{block.name}"

    def cbranch(self, condition: Any, then: Block, otherwise: Block, likely: bool | None = None) -> None:
        ways = f"label %{then.name}, label %{otherwise.name}"
        self.block.terminator = f"br i1 {_reference(condition)}, {ways}"
        if likely is not None:
            weights = map(ir.IntType(32), LIKELY[likely])
            self.block.remark("prof", self.module.add_metadata(["branch_weights", *weights]))

    def ret(self, value: Any) -> None:
        self.block.terminator = f"ret {value.type} {_reference(value)}"

    def ret_void(self) -> None:
        self.block.terminator = "ret void"
