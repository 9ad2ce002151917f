"""From SymPy to a formula: order of terms and factors, signs, fractions and brackets, in any script.

Each node is written once, by the row of a table for its class, from what its arguments became; so a deep or shared
expression takes neither recursion nor repetition.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import TypeAlias

import sympy
from sympy import Add, And, Expr, Float, Idx, Indexed, Mul, Not, Or, Piecewise, Pow, Rational, Symbol
from sympy.core.basic import Basic
from sympy.core.relational import Relational
from sympy.functions.elementary.piecewise import ExprCondPair
from sympy.logic.boolalg import BooleanAtom

from codegen import functions as f
from codegen.functions.powers import is_root
from codegen.ir.equation import Equation
from codegen.notation.numerals import floating, rational
from codegen.notation.script import Binding, Factor, Key, Quotient, Rank, Script
from codegen.walk import base_name, fold, is_leaf, is_reference, postorder, subscripts

LONGEST = 50_000
"""A piece with more characters is written as …: a body that shares its parts may be exponentially longer as a text."""
KEY_PARTS = 24
"""As many parts of names decide the order of two factors."""

Handler: TypeAlias = Callable[[Script, Basic, Sequence[Quotient]], Quotient]


def write(expression: Basic, script: Script) -> Factor:
    """The expression as one piece."""
    return script.compose(_quotient(expression, script))


def write_target(equation: Equation, script: Script) -> str:
    """The left side of an equation."""
    return script.reference(equation.target).text


def write_body(equation: Equation, script: Script) -> str:
    """The right side of an equation, with numbers taken out of its sum: 1/S Σ_s (lse[s] − score[s])."""
    quotient = _quotient(equation.body, script)
    if equation.reduction is None or equation.eliminates:
        return script.compose(quotient).text
    front, rest = _split_constants(quotient) if equation.is_sum else (Quotient(), quotient)
    sign = script.reduction(equation.reduction, [script.subscript(i) for i in equation.reduced])
    pieces = [sign, script.tight(script.compose(rest), Binding.PRODUCT)]
    if front.factors or front.divisors:
        pieces.insert(0, script.compose(replace(front, negative=False)).text)
    return (script.sign if front.negative else "") + " ".join(pieces)


def write_equation(equation: Equation, script: Script) -> str:
    """The whole equation on one line."""
    return write_target(equation, script) + script.equals + write_body(equation, script)


def _split_constants(quotient: Quotient) -> tuple[Quotient, Quotient]:
    def parts(constant: bool, factors: Sequence[Factor]) -> tuple[Factor, ...]:
        return tuple(factor for factor in factors if (factor.rank <= Rank.CONSTANT) is constant)

    front, rest = (Quotient(parts(c, quotient.factors), parts(c, quotient.divisors)) for c in (True, False))
    return replace(front, negative=quotient.negative), rest


def _quotient(expression: Basic, script: Script) -> Quotient:
    def step(node: Basic, arguments: list[Quotient]) -> Quotient:
        return _elided(script, _handler(type(node))(script, node, arguments))

    return fold(expression, step)


def _elided(script: Script, quotient: Quotient) -> Quotient:
    pieces = (*quotient.factors, *quotient.divisors)
    if sum(len(piece.text) + len(piece.statement) for piece in pieces) <= LONGEST:
        return quotient
    return Quotient((Factor(script.ellipsis, rank=Rank.SUM),))


def _handler(kind: type[Basic]) -> Handler:
    return next((NODES[base] for base in kind.__mro__ if base in NODES), _function)


# --- order --------------------------------------------------------------------------------------------------------


def natural(name: str) -> Key:
    """A sort key in which 10 comes after 2.

    >>> sorted(["W10", "W2", "W1"], key=natural)
    ['W1', 'W2', 'W10']
    """
    pieces = re.split(r"([0-9]{1,18})", name)
    return tuple((0, int(p), "") if n % 2 else (1, 0, p) for n, p in enumerate(pieces) if p)


def _key(arguments: Sequence[Quotient]) -> Key:
    """The names that occur first in these pieces: what orders them among others of their kind."""
    keys = (piece.key for q in arguments for piece in (*q.factors, *q.divisors))
    return tuple(islice(chain.from_iterable(keys), KEY_PARTS))


def _leaf_name(reference: Basic) -> str:
    return " ".join([base_name(reference), *(i.name if isinstance(i, Idx) else str(i) for i in subscripts(reference))])


def _term_order(node: Basic, quotient: Quotient) -> tuple[object, ...]:
    """Positive terms, derivatives first and numbers last; of equal rank the one with more axes, then the larger."""
    ranks = [piece.rank for piece in (*quotient.factors, *quotient.divisors)]
    constant = all(rank <= Rank.CONSTANT for rank in ranks)
    scaled = Rank.NUMBER in ranks
    nodes = list(postorder(node))
    axes = max(len(subscripts(n)) for n in nodes)
    operations = sum(1 for n in nodes if not is_leaf(n))
    return quotient.negative, constant, Rank.DERIVATIVE not in ranks, -axes, scaled, -operations, _key([quotient])


# --- arithmetic ---------------------------------------------------------------------------------------------------


def _add(script: Script, node: Basic, arguments: Sequence[Quotient]) -> Quotient:
    terms = [q for _, q in sorted(zip(node.args, arguments), key=lambda pair: _term_order(*pair))]
    text = ""
    for position, term in enumerate(terms):
        piece = script.compose(replace(term, negative=False))
        if position == 0 and not term.negative:
            text = piece.text
            continue
        sign = (script.minus if term.negative else script.plus) if position else script.sign
        text += sign + script.tight(piece, Binding.PRODUCT)
    return Quotient((Factor(text, Binding.SUM, Rank.SUM, _key(terms)),))


def _mul(script: Script, node: Basic, arguments: Sequence[Quotient]) -> Quotient:
    factors = tuple(factor for q in arguments for factor in q.factors)
    divisors = tuple(divisor for q in arguments for divisor in q.divisors)
    negative = sum(q.negative for q in arguments) % 2 == 1
    return Quotient(factors, divisors, negative)


def _pow(script: Script, node: Basic, arguments: Sequence[Quotient]) -> Quotient:
    """A negative number in the exponent makes a divisor."""
    base, exponent = script.compose(arguments[0]), node.args[1]
    if not (exponent.is_Number and arguments[1].negative):
        return Quotient((_power(script, base, exponent, script.compose(arguments[1])),))
    size = script.compose(replace(arguments[1], negative=False))
    return Quotient((), (_power(script, base, -exponent, size),))


def _power(script: Script, base: Factor, exponent: Expr, written: Factor) -> Factor:
    if exponent == 1:
        return base
    root = is_root(exponent)
    text = script.root(base) if root else script.power(base, written)
    return Factor(text, Binding.POWER, max(Rank.CONSTANT, base.rank, written.rank), base.key)


# --- leaves -------------------------------------------------------------------------------------------------------


def _reference(script: Script, node: Basic, _: Sequence[Quotient]) -> Quotient:
    return Quotient((replace(script.reference(node), key=natural(_leaf_name(node))),))


def _symbol(script: Script, node: Basic, arguments: Sequence[Quotient]) -> Quotient:
    if is_reference(node):
        return _reference(script, node, arguments)
    return Quotient((Factor(script.plain(str(node.name)), rank=Rank.CONSTANT, key=natural(str(node.name))),))


def _index(script: Script, node: Basic, _: Sequence[Quotient]) -> Quotient:
    return Quotient((Factor(script.subscript(node), key=natural(str(node.label))),))


def _constant(script: Script, node: Basic, _: Sequence[Quotient]) -> Quotient:
    text = script.constants.get(node) or script.plain(str(node))
    return Quotient((Factor(text, rank=Rank.CONSTANT),))


def _truth(script: Script, node: Basic, _: Sequence[Quotient]) -> Quotient:
    statement = str(node).lower()
    return Quotient((Factor(script.iverson(statement), statement="" if node == sympy.true else statement),))


# --- functions ----------------------------------------------------------------------------------------------------


def _function(script: Script, node: Basic, arguments: Sequence[Quotient]) -> Quotient:
    written = [script.compose(q).text for q in arguments]
    found = script.function(type(node), written)
    piece = Factor(found) if isinstance(found, str) else found
    rank = Rank.SUM if piece.binding is Binding.SUM else Rank.FUNCTION
    return Quotient((replace(piece, rank=rank, key=_key(arguments)),))


def _bracket(script: Script, arguments: Sequence[Quotient], statement: str) -> Quotient:
    return Quotient((Factor(script.iverson(statement), rank=Rank.BRACKET, key=_key(arguments), statement=statement),))


def _relation(script: Script, left: Quotient, symbol: str, right: Quotient) -> str:
    return script.related(script.compose(left).text, symbol, script.compose(right).text)


def _equal(script: Script, node: Basic, arguments: Sequence[Quotient]) -> Quotient:
    return _bracket(script, arguments, _relation(script, arguments[0], "==", arguments[1]))


def _step(script: Script, node: Basic, arguments: Sequence[Quotient]) -> Quotient:
    return _bracket(script, arguments, _positive(script, node.args[0], arguments[0]))


def _positive(script: Script, node: Basic, condition: Quotient) -> str:
    """That a condition is positive: what a bracket asserts, x < 1 for 1 − x, otherwise c > 0."""
    if condition.single is not None and condition.single.statement:
        return condition.single.statement
    if isinstance(node, Add) and len(node.args) == 2 and node.args[0].is_Number:
        bound, term = node.args
        for side, symbol, limit in ((term, ">", -bound), (-term, "<", bound)):
            if is_leaf(side):
                return _relation(script, _quotient(side, script), symbol, _quotient(limit, script))
    return _relation(script, condition, ">", Quotient((Factor(script.digits("0"), rank=Rank.NUMBER),)))


def _select(script: Script, node: Basic, arguments: Sequence[Quotient]) -> Quotient:
    statement = _positive(script, node.args[0], arguments[0])
    if node.args[1:] == (1, 0):
        return _bracket(script, arguments, statement)
    chosen, other = (script.compose(q).text for q in arguments[1:])
    return Quotient((Factor(script.cases([(chosen, statement), (other, "")]), rank=Rank.SUM, key=_key(arguments)),))


def _piecewise(script: Script, node: Basic, arguments: Sequence[Quotient]) -> Quotient:
    branches = [(piece.text, piece.statement) for q in arguments for piece in q.factors]
    return Quotient((Factor(script.cases(branches), rank=Rank.SUM, key=_key(arguments)),))


def _branch(script: Script, node: Basic, arguments: Sequence[Quotient]) -> Quotient:
    statement = arguments[1].factors[0].statement if arguments[1].factors else ""
    return Quotient((Factor(script.compose(arguments[0]).text, statement=statement),))


def _relational(script: Script, node: Basic, arguments: Sequence[Quotient]) -> Quotient:
    return _bracket(script, arguments, _relation(script, arguments[0], str(node.rel_op), arguments[1]))


def _connective(word: str) -> Handler:
    def write_connective(script: Script, node: Basic, arguments: Sequence[Quotient]) -> Quotient:
        statements = [_positive(script, *pair) for pair in zip(node.args, arguments)]
        return _bracket(script, arguments, script.connected(word, statements))

    return write_connective


#: How a node is written, by its class or the nearest base class of it; any other is a function.
NODES: Mapping[type[Basic], Handler] = {
    Add: _add,
    Mul: _mul,
    Pow: _pow,
    f.power: _pow,
    Indexed: _reference,
    Symbol: _symbol,
    Idx: _index,
    Rational: rational,
    Float: floating,
    sympy.NumberSymbol: _constant,
    type(sympy.oo): _constant,
    type(-sympy.oo): _constant,
    type(sympy.zoo): _constant,
    type(sympy.nan): _constant,
    type(sympy.I): _constant,
    f.equal: _equal,
    sympy.KroneckerDelta: _equal,
    f.step: _step,
    f.select: _select,
    Piecewise: _piecewise,
    ExprCondPair: _branch,
    Relational: _relational,
    BooleanAtom: _truth,
    And: _connective("and"),
    Or: _connective("or"),
    Not: _connective("not"),
}
