"""Elimination on one matrix in LLVM's language: routines of our own for small matrices, LAPACK for others."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from functools import reduce

from llvmlite import ir

from codegen.dtypes import Dtype
from codegen.emit.control import on_stack
from codegen.emit.externals import require, symbol
from codegen.emit.instructions import Builder, Function, begun, function_of
from codegen.emit.lanes import FORMATS
from codegen.emit.routines import is_integer, parameters, parsed, ranged
from codegen.emit.vector.contraction import steps
from codegen.emit.vector.values import INT, Address, Counter, Scope
from codegen.emit.vector.writer import Writer
from codegen.schedule.program import Program, Routine, walk
from codegen.walk import extent

SMALL = 16
"""Up to so many rows a routine of our own takes less than LAPACK, which looks at its arguments for 0.2 µs a call."""
INTEGER = ir.IntType(32)


def emit_routine(writer: Writer, routine: Routine, scope: Scope) -> None:
    """Call what eliminates one matrix."""
    builder = writer.builder
    inside = {**scope, **dict.fromkeys(routine.along, Counter(INT(0)))}
    places = []
    for reference in (*routine.operands, routine.target):
        found = writer.address(reference, inside)
        assert isinstance(found, Address), reference
        places.append(found.pointer)
    sizes = [writer.extent(routine.order)]
    if len(routine.operands) > 1:
        sizes.append(reduce(builder.mul, [writer.extent(extent(i)) for i in routine.columns], INT(1)))
    if calls_lapack(writer.program, routine):
        LAPACK[routine.name](Linear(builder, writer.plan.dtype), *places, *sizes)
    else:
        builder.call(_defined(builder.module, routine.name, writer.plan.dtype), [*places, *sizes])


def calls_lapack(program: Program, routine: Routine) -> bool:
    """Whether LAPACK carries a routine out."""
    return program.target.lapack and not (isinstance(routine.order, int) and routine.order <= SMALL)


def lapack_names(program: Program) -> list[str]:
    """The functions of LAPACK and BLAS that code of a program calls."""
    routines = (s for s, _ in walk(program.statements) if isinstance(s, Routine) and calls_lapack(program, s))
    letter = {"float64": "d", "float32": "s"}[program.dtype]
    return [letter + name for name in sorted({name for routine in routines for name in CALLED[routine.name]})]


# --- routines of our own ------------------------------------------------------------------------------------------


def _defined(module: ir.Module, name: str, dtype: Dtype) -> ir.Function:
    """The routine as a function of a module; arrays are pointers to where they begin."""
    label = f"symnn_{name}_{dtype}"
    if label in module.globals:
        return module.globals[label]
    pointer = FORMATS[dtype].real.as_pointer()
    arguments = [(given, is_array) for given, is_array in parameters(name) if not _is_start(given, name)]
    kinds = [pointer if is_array else INT for _, is_array in arguments]
    function = Function(module, ir.FunctionType(ir.VoidType(), kinds), label)
    function.linkage = "internal"
    builder = begun(function)
    values = {given: argument for (given, _), argument in zip(arguments, function.args)}
    _Printer(builder, dtype, {**{g: INT(0) for g, _ in parameters(name) if _is_start(g, name)}, **values}).block(
        parsed(name).body
    )
    builder.ret_void()
    return function


def _is_start(given: str, name: str) -> bool:
    return given.endswith("0") and (given[:-1], True) in parameters(name)


class _Printer:
    """Statements of a routine as instructions; what is assigned has a slot, which LLVM turns into registers."""

    def __init__(self, builder: ir.IRBuilder, dtype: Dtype, values: Mapping[str, ir.Value]) -> None:
        self.builder, self.values, self.dtype = builder, dict(values), dtype
        self.real = FORMATS[dtype].real
        self.slots: dict[str, ir.Value] = {}

    @property
    def integers(self) -> set[str]:
        known = {name for name, value in self.values.items() if value.type == INT}
        return known | {name for name, slot in self.slots.items() if slot.type.pointee == INT}

    def block(self, statements: list[ast.stmt]) -> None:
        builder = self.builder
        for statement in statements:
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    found = self.value(value)
                    if name not in self.slots:
                        self.slots[name] = on_stack(builder, found.type)
                    builder.store(found, self.slots[name])
                case ast.Assign(targets=[ast.Subscript() as target], value=value):
                    builder.store(self.value(value), self.place(target))
                case ast.AugAssign(target=target, value=ast.BinOp(left=left, op=ast.Mult(), right=right)):
                    place = self.slots[target.id] if isinstance(target, ast.Name) else self.place(target)
                    factors = builder.fneg(self.value(left)), self.value(right)
                    builder.store(builder.fma(*factors, builder.load(place)), place)
                case ast.If(test=test, body=body):
                    with builder.if_then(self.value(test)):
                        self.block(body)
                case ast.For(target=ast.Name(id=name), iter=ast.Call(args=bounds), body=body):
                    first, stop, down = ranged(bounds)
                    start = INT(0) if first is None else self.value(first)
                    low, high = (INT(0), builder.add(start, INT(1))) if down else (start, self.value(stop))
                    with steps(builder, low, high, 1) as counter:
                        self.values[name] = builder.sub(start, counter) if down else counter
                        self.block(body)
                        del self.values[name]
                case _:
                    raise TypeError(ast.unparse(statement))

    def place(self, node: ast.expr) -> ir.Value:
        assert isinstance(node, ast.Subscript)
        return self.builder.gep(self.value(node.value), [self.value(node.slice)])

    def value(self, node: ast.expr) -> ir.Value:
        builder = self.builder
        match node:
            case ast.Name(id=name):
                return self.values[name] if name in self.values else builder.load(self.slots[name])
            case ast.Constant(value=value):
                return (INT if isinstance(value, int) else self.real)(value)
            case ast.Subscript():
                return builder.load(self.place(node))
            case ast.UnaryOp(operand=operand):
                return builder.fneg(self.value(operand))
            case ast.BinOp(left=left, op=op, right=right):
                whole = is_integer(node, self.integers)
                return self.operations[type(op), whole](builder, self.value(left), self.value(right))
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                sign = COMPARED[type(op)]
                compare = builder.icmp_signed if is_integer(left, self.integers) else builder.fcmp_ordered
                if sign == "!=" and compare == builder.fcmp_ordered:
                    return builder.fcmp_unordered(sign, self.value(left), self.value(right))
                return compare(sign, self.value(left), self.value(right))
            case ast.Call(func=ast.Name(id="int"), args=[argument]):
                return builder.fptosi(self.value(argument), INT)
            case ast.Call(func=ast.Name(id="float"), args=[argument]):
                return builder.sitofp(self.value(argument), self.real)
            case ast.Call(func=ast.Name(id=name), args=[argument]):
                function = builder.module.declare_intrinsic(f"llvm.{INTRINSICS[name]}", [self.real])
                return builder.call(function, [self.value(argument)])
        raise TypeError(ast.unparse(node))

    operations: Mapping[tuple[type[ast.AST], bool], Callable[[ir.IRBuilder, ir.Value, ir.Value], ir.Value]] = {
        (ast.Add, True): Builder.add,
        (ast.Sub, True): Builder.sub,
        (ast.Mult, True): Builder.mul,
        (ast.Mult, False): Builder.fmul,
        (ast.Div, False): Builder.fdiv,
    }


COMPARED: Mapping[type[ast.AST], str] = {ast.Lt: "<", ast.Gt: ">", ast.Eq: "==", ast.NotEq: "!="}
INTRINSICS: Mapping[str, str] = {"abs": "fabs", "sqrt": "sqrt"}


# --- LAPACK -------------------------------------------------------------------------------------------------------


class Linear:
    """Calls of LAPACK and BLAS, whose matrices lie column after column: ours are their transposes."""

    def __init__(self, builder: ir.IRBuilder, dtype: Dtype) -> None:
        self.builder, self.real = builder, FORMATS[dtype].real
        self.letter = {"float64": "d", "float32": "s"}[dtype]

    def call(self, name: str, *arguments: ir.Value) -> None:
        """A function, each of whose arguments is a pointer."""
        require(self.letter + name)
        kinds = ir.FunctionType(ir.VoidType(), [argument.type for argument in arguments])
        function = function_of(self.builder.module, kinds, symbol(self.letter + name))
        self.builder.call(function, arguments)

    def number(self, value: ir.Value) -> ir.Value:
        """The place of an integer."""
        return self.at(self.builder.trunc(value, INTEGER))

    def character(self, text: str) -> ir.Value:
        """The place of a character."""
        return self.at(ir.IntType(8)(ord(text)))

    def at(self, value: ir.Value) -> ir.Value:
        """The place of a value, which is read alone."""
        slot = on_stack(self.builder, value.type)
        self.builder.store(value, slot)
        return slot

    def copied(self, source: ir.Value, target: ir.Value, count: ir.Value) -> None:
        """So many numbers from one place to another."""
        with steps(self.builder, INT(0), count, 1) as i:
            self.builder.store(self.builder.load(self.builder.gep(source, [i])), self.builder.gep(target, [i]))

    def info(self) -> ir.Value:
        """Where a function says what went wrong, 0 at first."""
        return self.at(INTEGER(0))


def _triangular_factors(to: Linear, a: ir.Value, f: ir.Value, n: ir.Value) -> None:
    builder = to.builder
    wide = builder.add(n, INT(1))
    with steps(builder, INT(0), n, 1) as i:
        to.copied(builder.gep(a, [builder.mul(i, n)]), builder.gep(f, [builder.mul(i, wide)]), n)
    exchanged = builder.bitcast(builder.gep(f, [builder.mul(n, wide)]), INTEGER.as_pointer())
    to.call("getrf", to.number(n), to.number(n), f, to.number(wide), exchanged, to.info())
    sign = on_stack(builder, to.real)
    builder.store(to.real(1.0), sign)
    with steps(builder, INT(0), n, 1) as i:
        pivot = builder.load(builder.gep(f, [builder.mul(i, builder.add(wide, INT(1)))]))
        row = builder.sext(builder.load(builder.gep(exchanged, [i])), INT)
        moved = builder.icmp_signed("!=", row, builder.add(i, INT(1)))
        turns = builder.xor(moved, builder.fcmp_ordered("<", pivot, to.real(0.0)))
        before = builder.load(sign)
        after = builder.select(turns, builder.fneg(before), before)
        nothing = builder.fcmp_ordered("==", pivot, to.real(0.0))
        builder.store(builder.select(nothing, to.real(0.0), after), sign)
    builder.store(builder.load(sign), builder.gep(f, [builder.add(builder.mul(n, wide), n)]))


def _by_factors(transposed: str) -> Callable[..., None]:
    def call(to: Linear, f: ir.Value, b: ir.Value, x: ir.Value, n: ir.Value, m: ir.Value) -> None:
        builder = to.builder
        to.copied(b, x, builder.mul(n, m))
        wide = builder.add(n, INT(1))
        exchanged = builder.bitcast(builder.gep(f, [builder.mul(n, wide)]), INTEGER.as_pointer())
        order, sides = to.number(n), to.number(m)
        to.call("getrs", to.character(transposed), order, sides, f, to.number(wide), exchanged, x, order, to.info())

    return call


def _cholesky_factor(to: Linear, a: ir.Value, f: ir.Value, n: ir.Value) -> None:
    builder, info, order = to.builder, to.info(), to.number(n)
    to.copied(a, f, builder.mul(n, n))
    to.call("potrf", to.character("U"), order, f, order, info)
    nan = to.real(float("nan"))
    right = builder.icmp_signed("==", builder.load(info), INTEGER(0))
    with steps(builder, INT(0), n, 1) as i:
        row = builder.gep(f, [builder.mul(i, n)])
        with builder.if_then(builder.not_(right), likely=False), steps(builder, INT(0), builder.add(i, INT(1)), 1) as j:
            builder.store(nan, builder.gep(row, [j]))
        with steps(builder, builder.add(i, INT(1)), n, 1) as j:
            builder.store(to.real(0.0), builder.gep(row, [j]))


def _by_cholesky(to: Linear, f: ir.Value, b: ir.Value, x: ir.Value, n: ir.Value, m: ir.Value) -> None:
    to.copied(b, x, to.builder.mul(n, m))
    order, sides = to.number(n), to.number(m)
    to.call("potrs", to.character("U"), order, sides, f, order, x, order, to.info())


def _by_lower(transposed: str) -> Callable[..., None]:
    def call(to: Linear, f: ir.Value, b: ir.Value, x: ir.Value, n: ir.Value, m: ir.Value) -> None:
        to.copied(b, x, to.builder.mul(n, m))
        order, sides, kinds = to.number(n), to.number(m), [to.character(c) for c in ("L", "U", transposed, "N")]
        to.call("trsm", *kinds, order, sides, to.at(to.real(1.0)), f, order, x, order)

    return call


LAPACK: Mapping[str, Callable[..., None]] = {
    "triangular_factors": _triangular_factors,
    "by_factors": _by_factors("T"),
    "by_factors_transposed": _by_factors("N"),
    "cholesky_factor": _cholesky_factor,
    "by_cholesky": _by_cholesky,
    "by_lower": _by_lower("T"),
    "by_lower_transposed": _by_lower("N"),
}
CALLED: Mapping[str, tuple[str, ...]] = {
    "triangular_factors": ("getrf",),
    "by_factors": ("getrs",),
    "by_factors_transposed": ("getrs",),
    "cholesky_factor": ("potrf",),
    "by_cholesky": ("potrs",),
    "by_lower": ("trsm",),
    "by_lower_transposed": ("trsm",),
}
"""What each calls, without the letter of the type."""
