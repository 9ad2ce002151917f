"""A body as a postfix program: SymPy is walked once, then a flat list runs as often as there are values."""

from __future__ import annotations

from dataclasses import dataclass

from sympy import Basic, Expr, Integer, Mul, Pow, nan

from codegen.functions import CANONICAL, Composite, operation
from codegen.functions.powers import is_reciprocal, is_root, is_whole
from codegen.functions.primitive import RealFunction
from codegen.functions.random_numbers import RandomNumber
from codegen.walk import is_leaf, postorder


class Quotient:
    """The operation a / b. SymPy writes a·b⁻¹, which overflows where the quotient does not (b subnormal)."""


class Root:
    """The square root, which is correctly rounded where a power is not."""


class IntegerPower:
    """xⁿ for an integer n > 1; its argument may be negative, also in the complex step."""


@dataclass(frozen=True)
class Instruction:
    """One value of a program: a leaf to load, or an operation on earlier values."""

    node: Basic
    operation: type | None = None
    arguments: tuple[int, ...] = ()


@dataclass(frozen=True)
class Program:
    """Instructions in the order in which they run, and the positions of the results."""

    instructions: tuple[Instruction, ...]
    results: tuple[int, ...]


def compile_bodies(*bodies: Basic, kept: tuple[type[RealFunction], ...] = ()) -> Program:
    """One program for several expressions that may share nodes.

    Abbreviations (:class:`~codegen.functions.Composite`), and functions that NumPy has only as a formula, are written
    out, except for those that are ``kept``; the other operations are SymPy's classes or the three above.

    >>> from sympy import symbols
    >>> x, y = symbols("x y", real=True)
    >>> program = compile_bodies(x / y**2)
    >>> for position, step in enumerate(program.instructions):
    ...     print(position, step.operation.__name__ if step.operation else step.node, step.arguments)
    0 x ()
    1 y ()
    2 2 ()
    3 IntegerPower (1, 2)
    4 Quotient (0, 3)
    """
    writer = _Writer(kept)
    return _without_unused(writer.instructions, tuple(writer.position(body) for body in bodies))


class _Writer:
    def __init__(self, kept: tuple[type[RealFunction], ...]) -> None:
        self.kept = kept
        self.instructions: list[Instruction] = []
        self.positions: dict[int, int] = {}
        self.alive: list[Basic] = []  # positions are kept by identity, which must not be reused

    def position(self, expression: Basic) -> int:
        """Where the value of the expression is, its instructions written if they are new."""
        self.alive.append(expression)
        for node in postorder(expression, _ends):
            if id(node) not in self.positions:
                self.positions[id(node)] = self._write(node)
        return self.positions[id(expression)]

    def _append(self, node: Basic, operation: type | None = None, *arguments: int) -> int:
        self.instructions.append(Instruction(node, operation, arguments))
        return len(self.instructions) - 1

    def _write(self, node: Basic) -> int:
        if isinstance(node, Expr) and node.is_number and node.is_extended_real is False:
            return self._append(nan)  # such as log(−2), in a branch
        if _ends(node):
            return self._append(node)
        if (
            isinstance(node, RealFunction)
            and not isinstance(node, self.kept)
            and (formula := _formula(node)) is not None
        ):
            return self.position(formula)
        if node.func in CANONICAL:
            return self.position(CANONICAL[node.func](*node.args))
        if isinstance(node, Mul):
            return self._product(node)
        if isinstance(node, Pow):
            return self._power(node)
        return self._append(node, node.func, *(self.positions[id(argument)] for argument in node.args))

    def _product(self, node: Mul) -> int:
        over = [self.positions[id(a)] for a in node.args if not is_reciprocal(a)]
        result = self._append(node, Mul, *over) if len(over) > 1 else over[0] if over else self._number(1)
        for factor in node.args:
            if is_reciprocal(factor):
                result = self._append(node, Quotient, result, self._raised(factor, -factor.exp))
        return result

    def _power(self, node: Pow) -> int:
        if is_reciprocal(node):
            return self._append(node, Quotient, self._number(1), self._raised(node, -node.exp))
        return self._raised(node, node.exp)

    def _raised(self, node: Pow, exponent: Basic) -> int:
        base = self.positions[id(node.base)]
        if exponent == 1:
            return base
        if is_root(exponent):
            return self._append(node, Root, base)
        if is_whole(exponent):
            return self._append(node, IntegerPower, base, self._number(int(exponent)))
        return self._append(node, Pow, base, self.position(exponent))

    def _number(self, value: int) -> int:
        return self.position(Integer(value))


def _ends(node: Basic) -> bool:
    """Whether a node is loaded as a whole: what a random number is a function of are integers."""
    return is_leaf(node) or isinstance(node, RandomNumber)


def _formula(node: Basic) -> Expr | None:
    if isinstance(node, Composite):
        return node.definition()
    row = operation(type(node))
    return row.written(*node.args) if row.array is None and row.written is not None else None


def _without_unused(instructions: list[Instruction], results: tuple[int, ...]) -> Program:
    """Drop what no result needs, such as the reciprocal of a quotient, and number the rest anew."""
    needed = set(results)
    for position in range(len(instructions) - 1, -1, -1):
        if position in needed:
            needed.update(instructions[position].arguments)
    number = {old: new for new, old in enumerate(sorted(needed))}
    kept = tuple(
        Instruction(step.node, step.operation, tuple(number[a] for a in step.arguments))
        for position, step in enumerate(instructions)
        if position in needed
    )
    return Program(kept, tuple(number[position] for position in results))
