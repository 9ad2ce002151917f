"""Random numbers as functions of integers: the seed, and the place of a number among those that the seed gives.

They are those of NumPy's ``Philox`` (Philox4x64-10: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as
1, 2, 3", 2011), a function of a key and a counter that has no state. So a number is the same in every emitter, in any
order, on any number of threads, and however a sequence is cut into pieces. As functions of integers their derivatives
are 0, and equal calls are one number.

A block of four words of 64 bits has the key (seed, stream) and the counter (number, 0, 0, 0), blocks being numbered
from 1 as NumPy does. Rows of ``width`` numbers begin with a block each, so number ``place`` of a row is word
place mod 4 of block row·⌈width/4⌉ + ⌊place/4⌋ + 1. All integers are taken modulo 2⁶⁴.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sympy import Add, Expr, Float, Idx, Indexed, Integer, Rational, Symbol, cos, expand, log, pi, sqrt
from sympy.printing.printer import Printer

from codegen.errors import GraphError
from codegen.functions.operation import Operation
from codegen.functions.primitive import Primitive
from codegen.walk import is_leaf, postorder, symbol_of

Words = NDArray[np.uint64]

MULTIPLIERS = 0xD2E7470EE14C6C93, 0xCA5A826395121157
WEYL = 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B
"""What is added to the two words of the key from round to round."""
ROUNDS = 10
WORDS = 4
"""Of 64 bits in a block."""
BITS = 53
"""Of a number: the upper ones of its word."""
SINGLE_BITS = 24
"""Of a number in float32."""


class RandomNumber(Primitive):
    """A number that is drawn: of ``own`` arguments, a seed, a stream, and a row, a place and a width.

    The last three are sums of multiples of indices, lengths and integers. They are kept in parts, so that every
    argument is a leaf and nothing takes a sum of integers for a real number: three constants, and by fours a leaf and
    its multiples in the row, the place and the width.
    """

    own: ClassVar[int] = 0
    spelled: ClassVar[str]
    """The name of the function that makes one, which emitters give it too."""
    # Not the number that SymPy would evaluate: float32 has fewer bits of it, and does not round it.
    is_number = False

    @classmethod
    def eval(cls, *arguments: Expr) -> Expr | None:
        first, forms = arguments[: cls.own + 2], arguments[cls.own + 2 :]
        head = [*first[: cls.own], *map(_key, first[cls.own :])]
        constants = [int(number) for number in forms[:3]]
        factors: dict[Expr, list[int]] = {}
        for leaf, *numbers in zip(*(forms[3 + n :: 4] for n in range(4))):
            for part, multiple in _parts(leaf):
                total = constants if part is None else factors.setdefault(part, [0, 0, 0])
                total[:] = [a + multiple * int(b) for a, b in zip(total, numbers)]
        rows = sorted((pair for pair in factors.items() if any(pair[1])), key=lambda pair: (pair[1], str(pair[0])))
        flat = (*head, *map(Integer, constants), *(a for leaf, row in rows for a in (leaf, *map(Integer, row))))
        return None if flat == arguments else cls(*flat)

    @classmethod
    def of(cls, *own: Expr, seed: Any, stream: Any, row: Any, place: Any, width: Any) -> Expr:
        """The number at integers as they are written."""
        forms = [_whole(form) for form in (row, place, width)]
        units = [[int(n == form) for n in range(3)] for form in range(3)]
        terms = [argument for form, unit in zip(forms, units) for argument in (form, *unit)]
        return cls(*own, _whole(seed), _whole(stream), 0, 0, 0, *terms)

    def form(self, number: int) -> Expr:
        """The row, the place or the width."""
        forms = self.args[self.own + 2 :]
        return Add(forms[number], *[factor * leaf for leaf, factor in zip(forms[3::4], forms[4 + number :: 4])])

    @property
    def integers(self) -> tuple[Expr, Expr, Expr, Expr, Expr]:
        """The seed, the stream, the row, the place and the width, each a sum of leaves."""
        seed, stream = self.args[self.own : self.own + 2]
        return seed, stream, self.form(0), self.form(1), self.form(2)

    @property
    def read(self) -> Iterable[Expr]:
        """What is no number among the arguments."""
        return (argument for argument in self.args if not isinstance(argument, Integer))

    def of_words(self, found: Words, dtype: np.dtype[Any]) -> NDArray[Any]:
        """The number that words are, in a type of real or complex numbers."""
        raise NotImplementedError

    def _eval_derivative(self, symbol: Expr) -> Expr:
        return Integer(0)

    def fdiff(self, argindex: int = 1) -> Expr:
        return Integer(0)

    def _eval_evalf(self, prec: int) -> Expr | None:
        if any(True for _ in self.read):
            return None
        drawn = words(*map(int, self.integers))
        return Float(float(self.of_words(drawn, np.dtype(np.float64))))

    def _sympystr(self, printer: Printer) -> str:
        return f"{self.spelled}({', '.join(map(printer._print, self.shown))})"

    def _latex(self, printer: Printer, exp: str | None = None) -> str:
        name = self.spelled.replace("_", r"\_")
        text = rf"\operatorname{{{name}}}\left({', '.join(map(printer._print, self.shown))}\right)"
        return text if exp is None else f"{text}^{{{exp}}}"

    @property
    def shown(self) -> tuple[Expr, ...]:
        """The arguments as they are written, without those at the end that are 0."""
        seed, stream, row, place, width = self.integers
        found = [seed, place, stream, row, width]
        while found[-1] == 0 and len(found) > 2:
            found.pop()
        return tuple(found)


class uniform_number(RandomNumber):  # noqa: N801
    """A number in [0, 1): the upper 53 bits of the word, in float32 the upper 24, so never 1."""

    row = Operation()
    spelled = "random_uniform"

    def of_words(self, found: Words, dtype: np.dtype[Any]) -> NDArray[Any]:
        return fractions(found, dtype)


class reaches(RandomNumber):  # noqa: N801
    """1 where the uniform number is not below a level, else 0: of 53 bits in either type.

    The first argument is the level in units of 2⁻⁵³.
    """

    own = 1
    row = Operation()
    spelled = "random_reaches"

    def of_words(self, found: Words, dtype: np.dtype[Any]) -> NDArray[Any]:
        return np.asarray(found >> np.uint64(64 - BITS) >= np.uint64(int(self.args[0])), dtype)

    @property
    def shown(self) -> tuple[Expr, ...]:
        return (Float(float(Rational(self.args[0], 2**BITS))), *super().shown)


def drawn_from(expressions: Iterable[Expr]) -> frozenset[str]:
    """The names of the integers that are seeds and streams in formulas and nothing else: words of 64 bits, no numbers.

    >>> from sympy import Symbol
    >>> a, b = Symbol("a", integer=True), Symbol("b", integer=True)
    >>> sorted(drawn_from([random_uniform(a, 0) + random_uniform(b, 0, row=b)]))
    ['a']
    """
    keys: set[str] = set()
    numbers: set[str] = set()
    for expression in expressions:
        for node in postorder(expression, lambda node: is_leaf(node) or isinstance(node, RandomNumber)):
            if isinstance(node, RandomNumber):
                words = node.args[node.own : node.own + 2]
                keys.update(str(symbol_of(word)) for word in words if is_leaf(word) and not word.is_number)
                others = [*node.args[node.own + 2 :], *(s for word in words for s in word.args[1:])]
            else:
                others = [node] if is_leaf(node) else []
            numbers.update(symbol.name for other in others for symbol in other.atoms(Symbol))
    return frozenset(keys - numbers)


def random_uniform(seed: Any, place: Any, stream: Any = 0, row: Any = 0, width: Any = 0) -> Expr:
    """A uniform random number in [0, 1): ``Generator(Philox(key=[seed, stream])).random()``, number ``place`` of it.

    In a row of its own, of rows with ``width`` numbers that begin with a block of four words each, it is
    ``Generator(Philox(key=[seed, stream], counter=row·⌈width/4⌉)).random(width)[place]``. The seed and the stream are
    an integer, an index or an integer input, of 64 bits; the others are sums of multiples of these and of lengths, at
    least 0. In float32 it is rounded down to 24 bits. Its derivative is 0.

    >>> from sympy import Idx, IndexedBase, Symbol
    >>> from codegen import from_expressions
    >>> from codegen.numeric import evaluate
    >>> i, x, seed = Idx("i", 3), IndexedBase("x", shape=(3,)), Symbol("seed", integer=True)
    >>> noisy = from_expressions({IndexedBase("y")[i]: x[i] + random_uniform(seed, i)}, [x, seed])
    >>> evaluate(noisy, {"x": [0, 0, 0], "seed": 5})["y"]
    array([0.73374596, 0.59052064, 0.20780894])
    >>> np.random.Generator(np.random.Philox(key=[5, 0])).random(3)
    array([0.73374596, 0.59052064, 0.20780894])
    """
    return uniform_number.of(seed=seed, stream=stream, row=row, place=place, width=width)


def random_reaches(level: float, seed: Any, place: Any, stream: Any = 0, row: Any = 0, width: Any = 0) -> Expr:
    """1 where :func:`random_uniform` of the same integers is at least ``level``, else 0: so with probability 1 − level.

    The comparison is that of float64 in float32 too.

    >>> random_reaches(0.25, 7, 0)
    random_reaches(0.25, 7, 0)
    """
    if not 0 <= level <= 1:
        raise GraphError(f"the level of a random number: found {level}, expected a number from 0 to 1")
    return reaches.of(Integer(math.ceil(level * 2**BITS)), seed=seed, stream=stream, row=row, place=place, width=width)


def random_normal(seed: Any, place: Any, stream: Any = 0, row: Any = 0, width: Any = 0) -> Expr:
    """A normal random number of mean 0 and variance 1, from the uniform numbers u at 2·place and 2·place + 1.

    √(−2 log(1 − u))·cos(2πu′), after Box and Muller 1958: at most 8.6 in size, in float32 5.8. A row has as many words
    as 2·width uniform numbers take. They are not those of NumPy's ``standard_normal``, which takes as many as it needs.

    >>> random_normal(7, 0)
    sqrt(2)*sqrt(-log(1 - random_uniform(7, 0)))*cos(2*pi*random_uniform(7, 1))
    """
    radius, angle = (random_uniform(seed, 2 * _whole(place) + n, stream, row, 2 * _whole(width)) for n in (0, 1))
    return sqrt(-2 * log(1 - radius)) * cos(2 * pi * angle)


# --- the arguments ------------------------------------------------------------------------------------------------


def _whole(value: Any) -> Expr:
    return value if isinstance(value, Expr) else Integer(int(value))


def _key(value: Expr) -> Expr:
    """A word of the key, an integer as a signed one of 64 bits."""
    if isinstance(value, Integer):
        return Integer((int(value) + 2**63) % 2**64 - 2**63)
    if isinstance(value, (Idx, Indexed, Symbol)):
        return value
    raise GraphError(f"the seed of random numbers: found {value}, expected an integer, an index or an integer input")


def _parts(value: Expr) -> Iterable[tuple[Expr | None, int]]:
    """The leaves of a sum with their multiples; nothing for a constant."""
    if isinstance(value, (Idx, Indexed, Symbol)):
        return [(value, 1)]
    found: list[tuple[Expr | None, int]] = []
    for term in Add.make_args(expand(value)):
        multiple, leaf = term.as_coeff_Mul()
        constant = leaf == 1
        if not isinstance(multiple, Integer) or not (constant or isinstance(leaf, (Idx, Indexed, Symbol))):
            raise GraphError(
                f"the place of a random number: found {value}, expected a sum of multiples of indices, lengths and "
                "integer inputs"
            )
        found.append((None if constant else leaf, int(multiple)))
    return found


# --- their values in NumPy ----------------------------------------------------------------------------------------


def words(seed: Any, stream: Any, row: Any, place: Any, width: Any) -> Words:
    """The word at each place, for integers and arrays of integers of 64 bits.

    >>> found = words(5, 7, 0, np.arange(6), 0)
    >>> bool((found == np.random.Philox(key=[5, 7]).random_raw(6)).all())
    True
    """
    key0, key1, rows, places, widths = (_unsigned(value) for value in (seed, stream, row, place, width))
    with np.errstate(over="ignore"):
        number = rows * ((widths + np.uint64(WORDS - 1)) >> np.uint64(2)) + (places >> np.uint64(2)) + np.uint64(1)
        block = _philox(key0, key1, number)
    last = (places & np.uint64(3)).astype(np.intp)
    return np.asarray(np.choose(last, np.broadcast_arrays(*block, last)[:WORDS]), np.uint64)


def uniform(*integers: Any) -> NDArray[np.float64]:
    """The uniform numbers of the words at some places."""
    return fractions(words(*integers), np.dtype(np.float64))


def reaching(level: int, *integers: Any) -> NDArray[np.float64]:
    """1 where they are not below a level in units of 2⁻⁵³, else 0."""
    return np.asarray(words(*integers) >> np.uint64(64 - BITS) >= np.uint64(level), np.float64)


def fractions(found: Words, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Words as numbers in [0, 1)."""
    bits = SINGLE_BITS if dtype == np.float32 else BITS
    return np.asarray((found >> np.uint64(64 - bits)).astype(dtype) * dtype.type(0.5**bits), dtype)


def weighted_sum(form: Expr, value: Callable[[Expr], Any]) -> Any:
    """A sum of multiples of leaves, by the values of these, that of 1 among them."""
    terms = (term.as_coeff_Mul() for term in Add.make_args(form))
    return sum(int(multiple) * value(leaf) for multiple, leaf in terms)


def _unsigned(value: Any) -> Words:
    if isinstance(value, np.ndarray):
        return value.astype(np.uint64) if value.dtype != np.int64 else value.view(np.uint64)
    return np.asarray(int(value) % 2**64, np.uint64)


def _philox(key0: Words, key1: Words, number: Words) -> tuple[Words, Words, Words, Words]:
    zero = np.zeros_like(number)
    a, b, c, d = number, zero, zero, zero
    first, second = map(np.uint64, MULTIPLIERS)
    for _ in range(ROUNDS):
        (high, low), (other_high, other_low) = _product(first, a), _product(second, c)
        a, b, c, d = other_high ^ b ^ key0, other_low, high ^ d ^ key1, low
        key0, key1 = key0 + np.uint64(WEYL[0]), key1 + np.uint64(WEYL[1])
    return a, b, c, d


def _product(a: np.uint64, b: Words) -> tuple[Words, Words]:
    """The upper and the lower half of a product of 128 bits, from products of halves."""
    half, mask = np.uint64(32), np.uint64(2**32 - 1)
    a0, a1, b0, b1 = a & mask, a >> half, b & mask, b >> half
    middle = a1 * b0 + (a0 * b0 >> half)
    other = a0 * b1 + (middle & mask)
    return a1 * b1 + (middle >> half) + (other >> half), a * b
