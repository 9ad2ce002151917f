"""Formulas from strangers: arithmetic read by Python's parser, checked node by node, built as a SymPy expression.

The text is never evaluated. It is parsed into Python's syntax tree, and a walk over that tree knows numbers, names,
``+ - * / **`` and calls of listed functions; anything else is an error that quotes the piece and its column.

SymPy evaluates while it builds: ``9**9**9`` would become an integer of 370 million digits, and so would
the coefficient of ``exp(9**9*log(9*x))``, which SymPy writes as a power. Hence numbers in exponents are bounded
before a power is built, and what came out is checked again, because ``(x**64)**64`` hides an exponent of 4096.
"""

from __future__ import annotations

import ast
import operator
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import sympy
from sympy import Expr, Float, Integer, Mul, Pow, Rational, exp, log
from sympy.core.basic import Basic
from sympy.core.function import AppliedUndef

from codegen import functions as real
from codegen.functions import special
from codegen.walk import postorder
from symnn.errors import SpecError
from symnn.suggest import listing, quote, suggest

MAX_CHARACTERS = 1_000
MAX_NODES = 200
MAX_DEPTH = 30

#: The largest number in an exponent.
MAX_EXPONENT = 64

#: The largest number; the largest float64 is 1.8e308, and a formula should not start at the edge.
MAX_MAGNITUDE = int(1e300)  # of the float, which is a little more than 10**300, so that the literal passes

_LEAKY_RELU_SLOPE = Rational(1, 100)
_ELU_ALPHA = Integer(1)
_ANY_NUMBER = MAX_NODES
_EXPECTED = "expected numbers, names, + - * / ** and calls of functions"


@dataclass(frozen=True)
class FormulaFunction:
    """A function that formulas may call: how to build it, and the least and the greatest number of arguments.

    ``build`` may refuse its arguments with a ``ValueError`` whose message continues the sentence "'exp(…)' …".

    >>> FUNCTIONS["tanh"].build(sympy.Symbol("x", real=True))
    tanh(x)
    >>> FUNCTIONS["leaky_relu"].arity
    (1, 2)
    """

    build: Callable[..., Expr]
    arity: tuple[int, int]


Array = Callable[[tuple[Expr, ...]], Expr]
"""The element of an array at subscripts."""


def parse_formula(
    text: str,
    variables: Mapping[str, Expr],
    functions: Mapping[str, FormulaFunction],
    where: str,
    arrays: Mapping[str, Array] = MappingProxyType({}),
) -> Expr:
    """The expression that ``text`` writes, over ``variables`` (symbols or references, all of them real), ``pi``,
    ``functions`` and elements ``x[i, j + 1]`` of ``arrays``.

    Integers stay exact, so 1/3 is a rational number; numbers with a point or an exponent become 53-bit floats, and so
    do other constants, such as sqrt(2/pi).

    >>> x = sympy.Symbol("x", real=True)
    >>> parse_formula("x*sigmoid(1.702*x)", {"x": x}, FUNCTIONS, "activation")
    x*sigmoid(1.702*x)
    >>> parse_formula("x + tahn(x)", {"x": x}, FUNCTIONS, "layers[0].activation")
    Traceback (most recent call last):
    symnn.errors.SpecError: layers[0].activation: column 5: 'tahn' is not a known function; did you mean 'tanh'? ...

    Raises:
        SpecError: the text is too long, not arithmetic, uses unknown names, or stands for something that is not a
            finite real number; the message begins with ``where`` and quotes the piece with its column.
    """
    line = "".join(" " if character in "\t\r\n" else character for character in text)
    reader = _Reader(line, variables, functions, where, arrays)
    _check_characters(reader)
    tree = _parse(reader)
    _check_size(reader, tree)
    return _build(reader, tree)


# --- reading ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Reader:
    """One formula being read, and how its errors are worded."""

    line: str
    variables: Mapping[str, Expr]
    functions: Mapping[str, FormulaFunction]
    where: str
    arrays: Mapping[str, Array]

    def error(self, node: ast.expr, problem: str) -> SpecError:
        """An error about the piece of text that ``node`` came from."""
        # every character is ASCII by now, so the parser's byte offsets are columns
        return self.error_at(node.col_offset, self.line[node.col_offset : node.end_col_offset], problem)

    def error_at(self, offset: int, piece: str, problem: str) -> SpecError:
        return SpecError(f"{self.where}: column {offset + 1}: {quote(piece)} {problem}")


def _check_characters(reader: _Reader) -> None:
    """Plain ASCII only: Python reads 'ｘ' and '𝐱' as 'x', and a reader of the spec cannot see that."""
    line = reader.line
    if not line.strip():
        raise SpecError(f"{reader.where}: the formula is empty; {_EXPECTED}")
    if len(line) > MAX_CHARACTERS:
        raise SpecError(
            f"{reader.where}: the formula {quote(line)} has {len(line):,} characters; "
            f"expected at most {MAX_CHARACTERS:,}"
        )
    for offset, character in enumerate(line):
        if not (character.isascii() and character.isprintable()) or character in "#\\":
            name = unicodedata.name(character, "a control character")
            raise reader.error_at(offset, character, f"({name}) has no meaning in a formula; {_EXPECTED}")


def _parse(reader: _Reader) -> ast.expr:
    indent = len(reader.line) - len(reader.line.lstrip())
    # blanks before an expression are an error to Python: cut off here, and given back to every offset below
    try:
        tree = ast.parse(reader.line[indent:], mode="eval").body
    except SyntaxError as error:
        offset = indent + max((error.offset or 1) - 1, 0)
        raise reader.error_at(offset, reader.line[offset:], f"cannot be read ({error.msg}); {_EXPECTED}") from None
    except (RecursionError, MemoryError, ValueError):
        problem = f"is nested too deeply; expected at most {MAX_DEPTH} levels"
        raise reader.error_at(indent, reader.line[indent:], problem) from None
    for node in ast.walk(tree):
        if isinstance(node, ast.expr):
            node.col_offset += indent
            node.end_col_offset = (node.end_col_offset or 0) + indent
    return tree


def _levels(tree: ast.expr) -> Iterator[tuple[ast.expr, int]]:
    """Every node with its depth, without recursion."""
    stack: list[tuple[ast.expr, int]] = [(tree, 1)]
    while stack:
        node, depth = stack.pop()
        yield node, depth
        stack.extend((child, depth + 1) for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr))


def _check_size(reader: _Reader, tree: ast.expr) -> None:
    depths = [depth for _, depth in _levels(tree)]
    for found, limit, noun in ((len(depths), MAX_NODES, "parts"), (max(depths), MAX_DEPTH, "levels")):
        if found > limit:
            raise SpecError(
                f"{reader.where}: the formula {quote(reader.line)} has {found} {noun}; expected at most {limit}"
            )


# --- building -----------------------------------------------------------------------------------------------------


def _build(reader: _Reader, node: ast.expr) -> Expr:
    build = _BUILDERS.get(type(node))
    if build is None:
        raise reader.error(node, f"{_FORBIDDEN.get(type(node), 'is not arithmetic')}; {_EXPECTED}")
    return build(reader, node)


def _evaluate(reader: _Reader, node: ast.expr, build: Callable[..., Expr], *arguments: object) -> Expr:
    """Let SymPy build one node, and refuse what is not a finite real number of reasonable size."""
    try:
        result = _settle(build(*arguments))
        problem = next(_problems(result), None)
    except ValueError as error:
        problem = str(error)
    except (ArithmeticError, TypeError, AttributeError, RecursionError, NotImplementedError) as error:
        problem = f"is beyond SymPy ({type(error).__name__}: {error}); expected another form"
    if problem is not None:
        raise reader.error(node, problem)
    return result


def _build_number(reader: _Reader, node: ast.expr) -> Expr:
    assert isinstance(node, ast.Constant)
    make = _NUMBERS.get(type(node.value))  # by exact type: True is an int to isinstance
    if make is None:
        raise reader.error(node, f"is {_LITERALS.get(type(node.value), 'not a number')}; {_EXPECTED}")
    return _evaluate(reader, node, make, node.value)


def _build_name(reader: _Reader, node: ast.expr) -> Expr:
    assert isinstance(node, ast.Name)
    known = {"pi": sympy.pi, **reader.variables}
    if node.id in known:
        return known[node.id]
    if node.id in reader.functions:
        raise reader.error(node, f"is a function; expected its arguments in brackets after it: {node.id}(…)")
    raise reader.error(node, f"is not a known name{suggest(node.id, known)} {listing(known)}")


def _build_unary(reader: _Reader, node: ast.expr) -> Expr:
    assert isinstance(node, ast.UnaryOp)
    operate = _UNARY.get(type(node.op))
    if operate is None:
        raise reader.error(node, f"uses an operator that formulas do not have; {_EXPECTED}")
    return _evaluate(reader, node, operate, _build(reader, node.operand))


def _build_binary(reader: _Reader, node: ast.expr) -> Expr:
    assert isinstance(node, ast.BinOp)
    operate = _BINARY.get(type(node.op))
    if operate is None:
        hint = _OPERATOR_HINTS.get(type(node.op), "uses an operator that formulas do not have")
        raise reader.error(node, f"{hint}; {_EXPECTED}")
    return _evaluate(reader, node, operate, _build(reader, node.left), _build(reader, node.right))


def _build_call(reader: _Reader, node: ast.expr) -> Expr:
    assert isinstance(node, ast.Call)
    if not isinstance(node.func, ast.Name):
        raise reader.error(node.func, "is not the name of a function; products are written with *")
    name = node.func.id
    if name not in reader.functions:
        if name in reader.variables:
            raise reader.error(node, f"calls {quote(name)}, which is not a function; products are written with *")
        functions = reader.functions
        raise reader.error(node.func, f"is not a known function{suggest(name, functions)} {listing(functions)}")
    if node.keywords:
        raise reader.error(node, "names an argument; expected arguments in order, without names")
    function = reader.functions[name]
    least, most = function.arity
    if not least <= len(node.args) <= most:
        raise reader.error(node, f"has {_count(len(node.args))}; expected {_arity(least, most)}")
    return _evaluate(reader, node, function.build, *[_build(reader, argument) for argument in node.args])


def _build_element(reader: _Reader, node: ast.expr) -> Expr:
    assert isinstance(node, ast.Subscript)
    if not reader.arrays:
        raise reader.error(node, f"takes an element; {_EXPECTED}")
    if not isinstance(node.value, ast.Name) or node.value.id not in reader.arrays:
        raise reader.error(node.value, f"is no array {listing(reader.arrays)}")
    places = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    return _evaluate(reader, node, reader.arrays[node.value.id], tuple(_build(reader, place) for place in places))


def _count(number: int) -> str:
    return f"{number} argument" if number == 1 else f"{number} arguments"


def _arity(least: int, most: int) -> str:
    """The number of arguments as a phrase.

    >>> _arity(1, 1), _arity(1, 2), _arity(2, MAX_NODES)
    ('1 argument', '1 to 2 arguments', '2 arguments or more')
    """
    if least == most:
        return _count(least)
    return f"{_count(least)} or more" if most >= _ANY_NUMBER else f"{least} to {_count(most)}"


def _refuse(problem: str | None) -> None:
    if problem is not None:
        raise ValueError(problem)


def _power(base: Expr, exponent: Expr) -> Expr:
    _refuse(_large_exponent(exponent))
    if not isinstance(exponent, Integer):  # SymPy wants the angle of what is inside a power of a power
        for factor in Mul.make_args(base):
            if isinstance(factor, Pow):
                _refuse(_perhaps_complex(factor.base))
    if isinstance(base, exp):  # SymPy multiplies the exponents, and the product may be one that it evaluates
        _refuse(_large_exponent_of_exp(base.args[0] * exponent))
    return base**exponent


def _of_real(function: type[Expr]) -> Callable[[Expr], Expr]:
    """For hyperbolic functions, and those that hold one once they are differentiated."""

    def build(argument: Expr) -> Expr:
        _refuse(_perhaps_complex(argument))
        return function(argument)

    return build


def _of_float(function: type[Expr]) -> Callable[[Expr], Expr]:
    """For functions of which SymPy writes out the exact value at a number: (10**9)! inside a logarithm."""
    return lambda argument: function(Float(argument) if argument.is_number else argument)


def _exponential(argument: Expr) -> Expr:
    _refuse(_large_exponent_of_exp(argument))
    return exp(argument)


def _square_root(argument: Expr) -> Expr:
    return _power(argument, Rational(1, 2))


def _leaky_relu(x: Expr, slope: Expr = _LEAKY_RELU_SLOPE) -> Expr:
    return real.leaky_relu(x, slope)


def _elu(x: Expr, alpha: Expr = _ELU_ALPHA) -> Expr:
    return real.elu(x, alpha)


_NUMBERS: Mapping[type, Callable[..., Expr]] = {int: Integer, float: Float}

_UNARY: Mapping[type[ast.unaryop], Callable[..., Expr]] = {ast.UAdd: operator.pos, ast.USub: operator.neg}

_BINARY: Mapping[type[ast.operator], Callable[..., Expr]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: _power,
}

_BUILDERS: Mapping[type[ast.expr], Callable[[_Reader, ast.expr], Expr]] = {
    ast.Constant: _build_number,
    ast.Name: _build_name,
    ast.UnaryOp: _build_unary,
    ast.BinOp: _build_binary,
    ast.Call: _build_call,
    ast.Subscript: _build_element,
}

_OPERATOR_HINTS: Mapping[type[ast.operator], str] = {
    ast.BitXor: "uses ^, but powers are written **",
    ast.FloorDiv: "uses //, but divisions are written /",
    ast.Mod: "uses %, which formulas do not have",
    ast.MatMult: "uses @, but products are written *",
}

_LITERALS: Mapping[type, str] = {
    bool: "a truth value",
    str: "a text",
    bytes: "a text",
    complex: "a complex number",
}

_COMPREHENSION = "is a comprehension"
_FORBIDDEN: Mapping[type[ast.expr], str] = {
    ast.Compare: "is a comparison; kinks are written with maximum, minimum, relu, abs or sign",
    ast.IfExp: "is a condition; kinks are written with maximum, minimum, relu, abs or sign",
    ast.BoolOp: "is a condition; kinks are written with maximum, minimum, relu, abs or sign",
    ast.Attribute: "reads an attribute",
    ast.Lambda: "is a lambda",
    ast.NamedExpr: "is an assignment",
    ast.JoinedStr: "is a text",
    ast.ListComp: _COMPREHENSION,
    ast.SetComp: _COMPREHENSION,
    ast.DictComp: _COMPREHENSION,
    ast.GeneratorExp: _COMPREHENSION,
    ast.Tuple: "is a list (a decimal point is written '.')",
    ast.List: "is a list",
    ast.Set: "is a set",
    ast.Dict: "is a mapping",
    ast.Starred: "unpacks its value",
}


# --- what may come out --------------------------------------------------------------------------------------------


def _problems(expression: Expr) -> Iterator[str]:
    """What is wrong with a value, as ends of the sentence "'1/0' …"."""
    for node in postorder(expression):
        for kind, problem_of in _RULES:
            if isinstance(node, kind):
                problem = problem_of(node)
                if problem is not None:
                    yield problem


def _settle(expression: Expr) -> Expr:
    """A constant becomes a float, unless it is a rational number or a rational multiple of π.

    SymPy keeps √(2/π) or sin(2) as a formula and reasons about its sign and its powers whenever something is built
    on it; ``exp(sin(10**20*log(9))*(sin(2) + 1/10))`` keeps it busy for longer than 20 s.
    """
    if not expression.is_number or expression.is_Number or (expression / sympy.pi).is_Rational:
        return expression
    return expression.evalf(15)  # 15 digits are 53 bits to SymPy


def _large_exponent(exponent: Expr) -> str | None:
    numbers, _ = _arithmetic_parts(exponent)
    if any(abs(number) > MAX_EXPONENT for number in numbers):
        return f"has a number above {MAX_EXPONENT} in an exponent; expected at most {MAX_EXPONENT}"
    return None


def _large_exponent_of_exp(argument: Expr) -> str | None:
    """SymPy writes exp(n·log(a)) as the power aⁿ, so next to a logarithm an exponent is one of a power."""
    _, functions = _arithmetic_parts(argument)
    return _large_exponent(argument) if any(isinstance(function, log) for function in functions) else None


def _perhaps_complex(expression: Expr) -> str | None:
    """SymPy splits what it cannot prove real into real and imaginary part, and these again, and so on.

    ``log(cosh((sqrt(x) + 1)**64))`` takes it 4 s, ``cosh(sqrt(…))`` within itself ten times takes hours.
    """
    if expression.is_extended_real:
        return None
    return (
        "holds a part that may not be real; "
        "expected roots and logarithms only of what cannot be negative, as in sqrt(x**2 + 1)"
    )


def _arithmetic_parts(expression: Expr) -> tuple[list[Basic], list[Basic]]:
    """The numbers and the functions of an expression that sums, products and powers alone stand above."""
    numbers: list[Basic] = []
    functions: list[Basic] = []
    stack: list[Basic] = [expression]
    while stack:
        node = stack.pop()
        if node.is_Number:
            numbers.append(node)
        elif isinstance(node, sympy.Function):
            functions.append(node)
        else:
            stack.extend(node.args)
    return numbers, functions


def _not_finite(_: Basic) -> str:
    return "is not a finite number; expected no division by zero and no logarithm of zero"


def _not_real(_: Basic) -> str:
    return "is not a real number; expected no root or logarithm of a negative number"


def _size_problem(number: Basic) -> str | None:
    parts = (number.p, number.q) if isinstance(number, Rational) else (number,)
    if any(abs(part) > MAX_MAGNITUDE for part in parts):
        return "makes a number too large; expected numbers, and both parts of fractions, up to 1e300"
    return None


def _power_problem(power: Basic) -> str | None:
    base, exponent = power.args
    if base.is_number and base.is_negative and not isinstance(exponent, Integer):
        return "is not a real number; expected a whole exponent over a negative number"
    if base.is_Number and base.is_zero:  # not == 0, which Float(0) is not
        return "is a power of zero; expected a base other than zero"
    return _large_exponent(exponent)


def _function_problem(function: Basic) -> str | None:
    if isinstance(function, (AppliedUndef, *real.SUPPORTED)):  # what is not defined here is the caller's
        return None
    return f"becomes {type(function).__name__}(…), which cannot be compiled; expected another form"


_INFINITE = (*map(type, (sympy.oo, -sympy.oo, sympy.zoo, sympy.nan)), sympy.AccumBounds)

#: What is wrong with a node of each kind, or None.
_RULES: tuple[tuple[type[Basic] | tuple[type[Basic], ...], Callable[[Basic], str | None]], ...] = (
    (_INFINITE, _not_finite),
    (type(sympy.I), _not_real),
    ((Rational, Float), _size_problem),
    (Pow, _power_problem),
    (exp, lambda function: _large_exponent_of_exp(function.args[0])),
    (sympy.Function, _function_problem),
)


def _unary(build: Callable[[Expr], Expr]) -> FormulaFunction:
    return FormulaFunction(build, (1, 1))


#: Every function that a formula may call.
FUNCTIONS: Mapping[str, FormulaFunction] = MappingProxyType(
    {
        "exp": _unary(_exponential),
        "log": _unary(log),
        "sqrt": _unary(_square_root),
        "sin": _unary(sympy.sin),
        "cos": _unary(sympy.cos),
        "tan": _unary(sympy.tan),
        "tanh": _unary(_of_real(sympy.tanh)),
        "sinh": _unary(_of_real(sympy.sinh)),
        "cosh": _unary(_of_real(sympy.cosh)),
        "atan": _unary(sympy.atan),
        "erf": _unary(sympy.erf),
        "floor": _unary(real.floor),
        "ceiling": _unary(real.ceiling),
        "frac": _unary(real.frac),
        "sinc": _unary(special.sinc),
        "erfinv": _unary(_of_float(sympy.erfinv)),
        "loggamma": _unary(_of_float(sympy.loggamma)),
        "digamma": _unary(_of_float(sympy.digamma)),
        "log1p": _unary(real.log1p),
        "expm1": _unary(real.expm1),
        "abs": _unary(real.absolute),
        "sign": _unary(real.sign),
        "sigmoid": _unary(real.sigmoid),
        "softplus": _unary(real.softplus),
        "relu": _unary(real.relu),
        "leaky_relu": FormulaFunction(_leaky_relu, (1, 2)),
        "elu": FormulaFunction(_elu, (1, 2)),
        "silu": _unary(real.silu),
        "gelu": _unary(real.gelu),
        "gelu_tanh": _unary(_of_real(real.gelu_tanh)),
        "xlogy": FormulaFunction(real.xlogy, (2, 2)),
        "xlog1py": FormulaFunction(real.xlog1py, (2, 2)),
        "maximum": FormulaFunction(real.maximum, (2, _ANY_NUMBER)),
        "minimum": FormulaFunction(real.minimum, (2, _ANY_NUMBER)),
    }
)
