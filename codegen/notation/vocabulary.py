"""What the name of a vertex stands for: ``dloss/dW1`` is the total derivative ∂loss/∂W1.

Names come from users and may contain anything, "d" and "/" included; so a name is read as a derivative only where its
parts are variables that are known, and as a plain name otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from codegen.cached import cached_property
from codegen.ir.graph import Graph, Variable


@dataclass(frozen=True)
class Plain:
    """A name as the user wrote it."""

    name: str


@dataclass(frozen=True)
class Delta:
    """δ of a layer: the derivative by its weighted sums."""

    layer: str


@dataclass(frozen=True)
class Total:
    """The total derivative ∂of/∂wrt; the first ``rank`` subscripts are those of ``of``."""

    of: Name
    wrt: Name
    rank: int

    def parts(self, subscripts: Sequence[str]) -> list[tuple[Name, Sequence[str]]]:
        """What is differentiated, then by what in the order of the derivatives, each with its own subscripts."""
        own, rest = subscripts[: self.rank], subscripts[self.rank :]
        found = [(self.wrt, rest)]
        of = self.of
        while isinstance(of, Total):
            own, rest = own[: of.rank], own[of.rank :]
            found.append((of.wrt, rest))
            of = of.of
        return [(of, own), *reversed(found)]


@dataclass(frozen=True)
class Partial:
    """The local derivative ∂vertex/∂reference of one edge, both with their subscripts already printed."""

    of: Name
    of_subscripts: str
    wrt: Name
    wrt_subscripts: str


@dataclass(frozen=True)
class Ties:
    """The number of arguments that are equal to a maximum, or the share that each of them has in its derivative."""

    word: str
    maximum: Name


@dataclass(frozen=True)
class Noted:
    """One summand of a derivative that needs several, its value along one path, or the second one of that name."""

    whole: Name
    note: str


Name: TypeAlias = Plain | Delta | Total | Partial | Ties | Noted

DEEPEST = 8
"""A name with more slashes is plain: the ways to read it grow as their power, and no derivative is of that order."""


@dataclass(frozen=True)
class Vocabulary:
    """The known variables with their ranks, and the names that have a letter of their own.

    >>> vocabulary = Vocabulary({"loss": 0, "W1": 2})
    >>> vocabulary.read("dloss/dW1")
    Total(of=Plain(name='loss'), wrt=Plain(name='W1'), rank=0)
    >>> vocabulary.read("data/day")
    Plain(name='data/day')
    """

    ranks: Mapping[str, int] = field(default_factory=dict)
    letters: Mapping[str, Name] = field(default_factory=dict)

    @classmethod
    def of(cls, *graphs: Graph) -> Vocabulary:
        """The variables of these graphs."""
        return cls.over([v for graph in graphs for v in graph.variables.values()])

    @classmethod
    def over(cls, variables: Sequence[Variable]) -> Vocabulary:
        """These variables."""
        return cls({variable.name: len(variable.shape) for variable in variables})

    def with_letters(self, letters: Mapping[str, Name]) -> Vocabulary:
        """The same variables, and these names with a letter of their own."""
        return Vocabulary(self.ranks, letters)

    def read(self, name: str) -> Name:
        """What the name stands for."""
        if name not in self._read:
            self._read[name] = self.letters.get(name) or _read(self, name)
        return self._read[name]

    def is_derived(self, name: str) -> bool:
        """Whether a derivation made this vertex."""
        return not isinstance(self.read(name), Plain)

    @cached_property
    def _read(self) -> dict[str, Name]:
        return {}


def _read(vocabulary: Vocabulary, name: str) -> Name:
    if name.count("/") <= DEEPEST:
        for rule in RULES:
            if (found := rule(vocabulary, name)) is not None:
                return found
    return Plain(name)


def _total(vocabulary: Vocabulary, name: str) -> Name | None:
    """``dloss/dW1``; in ``ddloss/dW1/dx`` the first part is itself a derivative."""
    for of, wrt in _splits(vocabulary, name):
        return Total(vocabulary.read(of), vocabulary.read(wrt), _rank(vocabulary, of))
    return None


def _splits(vocabulary: Vocabulary, name: str) -> Iterator[tuple[str, str]]:
    """The ways to read a name as d of/d wrt with both parts known; a known variable goes before a nested derivative."""
    if not name.startswith("d"):
        return
    found = [(name[1 : m.start()], name[m.end() :]) for m in re.finditer("/d", name)]
    yield from sorted(
        ((of, wrt) for of, wrt in found if _is_known(vocabulary, of) and _is_known(vocabulary, wrt)),
        key=lambda parts: [part not in vocabulary.ranks for part in parts],
    )


def _is_known(vocabulary: Vocabulary, name: str) -> bool:
    return name in vocabulary.ranks or next(_splits(vocabulary, name), None) is not None


def _rank(vocabulary: Vocabulary, name: str) -> int:
    if name in vocabulary.ranks:
        return vocabulary.ranks[name]
    return sum(_rank(vocabulary, part) for part in next(_splits(vocabulary, name)))


REFERENCE = re.compile(r"(?P<name>.+?)(?:\[(?P<subscripts>[^\[\]]*)\])?", re.DOTALL)


def _partial(vocabulary: Vocabulary, name: str) -> Name | None:
    """``∂z1[s, h]/∂W1[h, d]``."""
    if not name.startswith("∂"):
        return None
    for m in re.finditer("/∂", name):
        of, wrt = REFERENCE.fullmatch(name[1 : m.start()]), REFERENCE.fullmatch(name[m.end() :])
        if of and wrt and all(_is_known(vocabulary, part["name"]) for part in (of, wrt)):
            names = [vocabulary.read(part["name"]) for part in (of, wrt)]
            return Partial(names[0], of["subscripts"] or "", names[1], wrt["subscripts"] or "")
    return None


def _ties(vocabulary: Vocabulary, name: str) -> Name | None:
    """``ties(m)``: as many arguments of the maximum m are equal to it; ``share(m)``: 1 divided by that."""
    m = re.fullmatch(r"(ties|share)\((.+)\)'*", name, re.DOTALL)
    return Ties(m[1], vocabulary.read(m[2])) if m and _is_known(vocabulary, m[2]) else None


def _noted(vocabulary: Vocabulary, name: str) -> Name | None:
    """``dloss/dW1#2``, ``dloss/dW1 on path 3``, and ``dloss/dW1'`` where the name was taken."""
    m = re.fullmatch(r"(.+?)(?:#([0-9]+'*)| on (path [0-9]+'*)|('+))", name, re.DOTALL)
    whole = vocabulary.read(m[1]) if m else None
    if m is None or whole is None or isinstance(whole, Plain):
        return None
    return Noted(whole, m[2] or m[3] or m[4])


RULES: Sequence[Callable[[Vocabulary, str], Name | None]] = (_total, _partial, _ties, _noted)
"""Names that the derivations make, in the order in which they are tried."""
