"""The row of a function: all that is said about it beside its value, its derivative and its vector form."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

from sympy import Expr

EXPONENT_LIMIT = 10**6
"""Beyond ±10⁶ an exponential has its value at ±inf."""
EXPONENTIAL = EXPONENT_LIMIT.bit_length()
PERIODIC = 2**14
"""Beyond 2^(2^14) a trigonometric function is nan, as at inf: its argument would have to be known to that many bits."""


class Price(Enum):
    """What a function costs, its arguments not included."""

    NOTHING = "nothing"
    COMPARISON = "a comparison, and a choice by it"
    INSTRUCTIONS = "a few instructions"
    FUNCTION = "an exponential, more or less"


@dataclass(frozen=True)
class Ends:
    """What a function is at ±inf, where it is real, and its poles; numbers are written as text for any precision."""

    below: str
    above: str
    low: float = -math.inf
    high: float = math.inf
    poles: Mapping[int, str] = field(default_factory=dict)
    limit: int | None = None
    """Beyond ±2^limit it has its value at ±inf."""

    @property
    def bounded(self) -> bool:
        """Whether it is real everywhere and between two numbers."""
        everywhere = self.low == -math.inf and self.high == math.inf and not self.poles
        return everywhere and not any("inf" in end for end in (self.below, self.above))


ORDINARY = (-5.3, -1.7, -0.31, 0.0078125, 0.62, 1.9, 4.4)
WITH_ZERO = (-5.3, -1.7, -0.31, 0.0, 0.62, 1.9, 4.4)
"""Where a formula through |x| would have a wrong derivative: libraries answer there with functions of their own."""
POSITIVE = (1e-3, 0.31, 1.0, 2.7, 55.0)
UNIT = (-0.93, -0.4, 0.01, 0.55, 0.99)
BEYOND = (-55.0, -2.7, -1.02, 1.01, 1.9, 9.0)
SMALL = (0.0, 5e-324, -1e-310, 1e-8)
LARGE = (1000.0, -1000.0)
ENDS = (math.inf, -math.inf)
NAN = (math.nan,)
EVERYWHERE = (*SMALL, *LARGE, *ENDS, *NAN)
INF = math.inf


@dataclass(frozen=True)
class Points:
    """Where the derivatives of a function of one argument are compared with those of others."""

    ordinary: tuple[float, ...] = ORDINARY
    """Apart from kinks."""
    special: tuple[float, ...] = (*SMALL, *LARGE, *NAN)
    """Where value and derivatives have to be right too, the pattern of inf and nan included."""
    conventions: Mapping[float, float] = field(default_factory=dict)
    """The first derivative at points where there is none and one is agreed upon."""
    elsewhere: Mapping[str, Mapping[float, float]] = field(default_factory=dict)
    """By library, and versions if they differ, what its own function has there, if that is another one: at such a point
    it is no oracle."""


class Instructions(Protocol):
    """What a function that chooses among numbers is written with, for all who read it: vectors, lines, text, NumPy.

    Operands are its arguments, numbers, and what these give.
    """

    def positive(self, x: Any) -> Any:
        """Whether x > 0."""

    def compare(self, relation: str, a: Any, b: Any) -> Any:
        """Whether ``a relation b``; with nan it is false but for ``!=``. Integers are the same where they are equal."""

    def choose(self, condition: Any, a: Any, b: Any) -> Any:
        """a where the condition holds, else b."""

    def extreme(self, relation: str, numbers: Sequence[Any]) -> Any:
        """The largest (">") or the smallest ("<"); nan wins."""

    def divide(self, a: Any, b: Any) -> Any:
        """a/b."""

    def magnitude(self, x: Any) -> Any:
        """|x|; text has a word for it."""


@dataclass(frozen=True, eq=False)
class Operation:
    """One function. Everything has a default: a formula over other functions needs nothing said.

    >>> Operation(python="math.tanh", numpy="np.tanh").price
    <Price.FUNCTION: 'an exponential, more or less'>
    """

    array: Callable[..., Any] | None = None
    """In NumPy, for real arrays and the complex step; without it ``instructions`` or ``written`` are evaluated."""
    python: str = ""
    """In readable code: the name of a function of numbers that Numba knows."""
    numpy: str = ""
    """In plain NumPy: the name of a function of arrays, or a text around those of the arguments, {0} and so on."""
    library: str = ""
    """The same for libraries that differentiate, which have a function of their own for what is written through |x|."""
    written: Callable[..., Expr] | None = None
    """A formula over other functions, for code that has neither."""
    instructions: Callable[..., Any] | None = None
    """``instructions(code, x, …)``: what a choice among numbers consists of; a vector form goes before."""
    calls: tuple[str, ...] | None = None
    """Of a special function the C functions of SciPy that its code calls, for one number after the other."""
    mpmath: str = ""
    """The function of mpmath that has its name, or is behind its ``value``; ``ends`` is what mpmath lacks of it."""
    ends: Ends | None = None
    price: Price = Price.FUNCTION
    counted: Callable[[int], dict[str, int]] | None = None
    """Its operations by kind for so many arguments, where it is not one that has its name."""
    step: bool = False
    """Whether it is a vertex of its own before a formula is differentiated repeatedly. Not what decays without bound:
    the derivative of √sech is made of √sech, of its vertex it would be 0·∞."""
    decisions: Callable[[Expr], list[Expr]] | None = None
    """What decides between its branches: the signs that are the same where it is one smooth function."""
    points: Points | None = None
    """Where it is compared with other libraries, if it is."""


def called_by_name(array: Callable[..., Any], name: str, *calls: str, numpy: str = "", **more: Any) -> Operation:
    """The row of a special function: readable code calls it by our name, plain NumPy by one of SciPy's."""
    return Operation(array, f"special.{name}", numpy or f"special.{name}", calls=calls, **more)
