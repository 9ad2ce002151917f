"""Elimination on one matrix: routines that every target has, written once as plain Python on flat arrays.

Each array comes with the place where it begins. Readable code contains them as they stand; C, JavaScript and LLVM are
printed from what Python parses, which is loops, numbers and comparisons and nothing else. Right sides, m of them, lie
one after the other. A pivot that is 0 is not divided by, as in LAPACK: of a singular matrix the determinant is 0, and
what is solved for is not finite. The root of a negative pivot is nan.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache
from math import sqrt
from textwrap import dedent
from typing import Any

from codegen.schedule.program import Routine, Statement, walk

Numbers = Any
"""A flat array of real numbers."""


def triangular_factors(a: Numbers, a0: int, f: Numbers, f0: int, n: int) -> None:
    w = n + 1
    sign = 1.0
    for i in range(n):
        for j in range(n):
            f[f0 + i * w + j] = a[a0 + i * n + j]
        f[f0 + i * w + n] = 0.0
    for k in range(n):
        best = k
        for i in range(k + 1, n):
            if abs(f[f0 + i * w + k]) > abs(f[f0 + best * w + k]):
                best = i
        f[f0 + n * w + k] = float(best)
        if best != k:
            sign = -sign
            for j in range(n):
                exchanged = f[f0 + k * w + j]
                f[f0 + k * w + j] = f[f0 + best * w + j]
                f[f0 + best * w + j] = exchanged
        pivot = f[f0 + k * w + k]
        if pivot < 0.0:
            sign = -sign
        if pivot == 0.0:
            sign = 0.0
        if pivot != 0.0:
            for i in range(k + 1, n):
                factor = f[f0 + i * w + k] / pivot
                f[f0 + i * w + k] = factor
                for j in range(k + 1, n):
                    f[f0 + i * w + j] -= factor * f[f0 + k * w + j]
    f[f0 + n * w + n] = sign


def by_factors(f: Numbers, f0: int, b: Numbers, b0: int, x: Numbers, x0: int, n: int, m: int) -> None:
    w = n + 1
    for c in range(m):
        o = x0 + c * n
        for i in range(n):
            x[o + i] = b[b0 + c * n + i]
        for k in range(n):
            best = int(f[f0 + n * w + k])
            exchanged = x[o + k]
            x[o + k] = x[o + best]
            x[o + best] = exchanged
        for i in range(n):
            total = x[o + i]
            for j in range(i):
                total -= f[f0 + i * w + j] * x[o + j]
            x[o + i] = total
        for i in range(n - 1, -1, -1):
            total = x[o + i]
            for j in range(i + 1, n):
                total -= f[f0 + i * w + j] * x[o + j]
            x[o + i] = total / f[f0 + i * w + i]


def by_factors_transposed(f: Numbers, f0: int, b: Numbers, b0: int, x: Numbers, x0: int, n: int, m: int) -> None:
    w = n + 1
    for c in range(m):
        o = x0 + c * n
        for i in range(n):
            x[o + i] = b[b0 + c * n + i]
        for i in range(n):
            total = x[o + i] / f[f0 + i * w + i]
            x[o + i] = total
            for j in range(i + 1, n):
                x[o + j] -= f[f0 + i * w + j] * total
        for i in range(n - 1, -1, -1):
            total = x[o + i]
            for j in range(i):
                x[o + j] -= f[f0 + i * w + j] * total
        for k in range(n - 1, -1, -1):
            best = int(f[f0 + n * w + k])
            exchanged = x[o + k]
            x[o + k] = x[o + best]
            x[o + best] = exchanged


def cholesky_factor(a: Numbers, a0: int, f: Numbers, f0: int, n: int) -> None:
    for i in range(n):
        for j in range(i + 1):
            total = a[a0 + i * n + j]
            for k in range(j):
                total -= f[f0 + i * n + k] * f[f0 + j * n + k]
            if i == j:
                f[f0 + i * n + i] = sqrt(total)
            if i != j:
                f[f0 + i * n + j] = total / f[f0 + j * n + j]
        for j in range(i + 1, n):
            f[f0 + i * n + j] = 0.0


def by_lower(f: Numbers, f0: int, b: Numbers, b0: int, x: Numbers, x0: int, n: int, m: int) -> None:
    for c in range(m):
        o = x0 + c * n
        for i in range(n):
            total = b[b0 + c * n + i]
            for j in range(i):
                total -= f[f0 + i * n + j] * x[o + j]
            x[o + i] = total / f[f0 + i * n + i]


def by_lower_transposed(f: Numbers, f0: int, b: Numbers, b0: int, x: Numbers, x0: int, n: int, m: int) -> None:
    for c in range(m):
        o = x0 + c * n
        for i in range(n):
            x[o + i] = b[b0 + c * n + i]
        for i in range(n - 1, -1, -1):
            total = x[o + i] / f[f0 + i * n + i]
            x[o + i] = total
            for j in range(i):
                x[o + j] -= f[f0 + i * n + j] * total


def by_cholesky(f: Numbers, f0: int, b: Numbers, b0: int, x: Numbers, x0: int, n: int, m: int) -> None:
    for c in range(m):
        o = x0 + c * n
        for i in range(n):
            total = b[b0 + c * n + i]
            for j in range(i):
                total -= f[f0 + i * n + j] * x[o + j]
            x[o + i] = total / f[f0 + i * n + i]
        for i in range(n - 1, -1, -1):
            total = x[o + i] / f[f0 + i * n + i]
            x[o + i] = total
            for j in range(i):
                x[o + j] -= f[f0 + i * n + j] * total


ROUTINES: Mapping[str, Callable[..., None]] = {
    routine.__name__: routine
    for routine in (
        triangular_factors,
        by_factors,
        by_factors_transposed,
        cholesky_factor,
        by_lower,
        by_lower_transposed,
        by_cholesky,
    )
}
"""By the names of the classes of bodies."""


def called(statements: tuple[Statement, ...]) -> tuple[str, ...]:
    """The routines that statements call, in the order of the table."""
    found = {statement.name for statement, _ in walk(statements) if isinstance(statement, Routine)}
    return tuple(name for name in ROUTINES if name in found)


@lru_cache(maxsize=16)
def parsed(name: str) -> ast.FunctionDef:
    """A routine as Python parses it."""
    (definition,) = ast.parse(dedent(inspect.getsource(ROUTINES[name]))).body
    assert isinstance(definition, ast.FunctionDef)
    return definition


def parameters(name: str) -> list[tuple[str, bool]]:
    """The names of the parameters, and whether each is an array."""
    return [(a.arg, ast.unparse(a.annotation or a) == "Numbers") for a in parsed(name).args.args]


def is_written(name: str, array: str) -> bool:
    """Whether a routine writes to an array."""
    stores = (node for node in ast.walk(parsed(name)) if isinstance(node, ast.Subscript))
    return any(isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == array for node in stores)


# --- Python -------------------------------------------------------------------------------------------------------


def python_text(name: str, prefix: str = "") -> str:
    """The routine for a readable module, which knows ``math``; a prefix stands before its name."""
    definition = parsed(name)
    names = ", ".join(argument.arg for argument in definition.args.args)
    body = "\n".join(f"    {line}" for part in definition.body for line in ast.unparse(part).splitlines())
    return f"def {prefix}{name}({names}):\n{body}".replace("sqrt(", "math.sqrt(")


# --- C and JavaScript ---------------------------------------------------------------------------------------------


class Braces:
    """A routine in a language with braces: how it declares numbers, and calls the two functions there are."""

    def __init__(self, integer: str, real: str, absolute: str, root: str, to_integer: str, to_real: str) -> None:
        self.integer, self.real = integer, real
        self.functions = {"abs": absolute, "sqrt": root, "int": to_integer, "float": to_real}

    def body(self, name: str) -> list[str]:
        """The lines between the braces."""
        integers = {argument for argument, is_array in parameters(name) if not is_array}
        return self._block(parsed(name).body, integers, set(), 1)

    def _block(self, statements: list[ast.stmt], integers: set[str], reals: set[str], depth: int) -> list[str]:
        pad, lines = "    " * depth, list[str]()
        integers, reals = set(integers), set(reals)
        for statement in statements:
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    known, whole = name in integers or name in reals, is_integer(value, integers)
                    kind = self.integer if whole else self.real
                    if not known:
                        (integers if whole else reals).add(name)
                    lines.append(f"{pad}{'' if known else f'{kind} '}{name} = {self._text(value)};")
                case ast.Assign(targets=[ast.Subscript() as target], value=value):
                    lines.append(f"{pad}{self._text(target)} = {self._text(value)};")
                case ast.AugAssign(target=target, op=ast.Sub(), value=value):
                    lines.append(f"{pad}{self._text(target)} -= {self._text(value)};")
                case ast.If(test=test, body=body):
                    lines.append(f"{pad}if ({self._text(test)}) {{")
                    lines += [*self._block(body, integers, reals, depth + 1), f"{pad}}}"]
                case ast.For(target=ast.Name(id=name), iter=ast.Call(args=bounds), body=body):
                    first, stop, down = ranged(bounds)
                    ends = f"{name} {'>' if down else '<'} {self._text(stop)}; {'--' if down else '++'}{name}"
                    start = "0" if first is None else self._text(first)
                    lines.append(f"{pad}for ({self.integer} {name} = {start}; {ends}) {{")
                    lines += [*self._block(body, {*integers, name}, reals, depth + 1), f"{pad}}}"]
                case _:
                    raise TypeError(ast.unparse(statement))
        return lines

    def _text(self, node: ast.expr) -> str:
        match node:
            case ast.Name(id=name):
                return name
            case ast.Constant(value=value):
                return repr(value)
            case ast.Subscript(value=array, slice=place):
                return f"{self._text(array)}[{self._text(place)}]"
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return f"-{self._text(operand)}"
            case ast.BinOp(left=left, op=op, right=right):
                inner = [f"({self._text(p)})" if _binds_less(p, op) else self._text(p) for p in (left, right)]
                return f"{inner[0]}{SIGNS[type(op)]}{inner[1]}"
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return f"{self._text(left)} {SIGNS[type(op)]} {self._text(right)}"
            case ast.Call(func=ast.Name(id=name), args=[argument]):
                return f"{self.functions[name]}({self._text(argument)})"
        raise TypeError(ast.unparse(node))


SIGNS: Mapping[type[ast.AST], str] = {
    ast.Add: " + ", ast.Sub: " - ", ast.Mult: "*", ast.Div: "/",
    ast.Lt: "<", ast.Gt: ">", ast.Eq: "==", ast.NotEq: "!=",
}  # fmt: skip


def _binds_less(part: ast.expr, op: ast.operator) -> bool:
    return (
        isinstance(part, ast.BinOp) and isinstance(op, (ast.Mult, ast.Div)) and isinstance(part.op, (ast.Add, ast.Sub))
    )


def ranged(bounds: list[ast.expr]) -> tuple[ast.expr | None, ast.expr, bool]:
    """Start, end and whether it goes down, of the arguments of a range; no start is 0."""
    return (None, bounds[0], False) if len(bounds) == 1 else (bounds[0], bounds[1], len(bounds) == 3)


def is_integer(node: ast.expr, integers: set[str]) -> bool:
    """Whether an expression is a place or a count, and no real number."""
    match node:
        case ast.Name(id=name):
            return name in integers
        case ast.Constant(value=value):
            return isinstance(value, int)
        case ast.BinOp(left=left, right=right):
            return is_integer(left, integers) and is_integer(right, integers)
        case ast.Call(func=ast.Name(id=name)):
            return name == "int"
        case ast.UnaryOp(operand=operand):
            return is_integer(operand, integers)
    return False
