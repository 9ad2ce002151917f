"""A table as it was read: named columns whose cells are numbers or words, and where each row came from."""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import compress, count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnn.arrays import Floats, Integers
from symnn.errors import DataError
from symnn.sequences import firsts, runs
from symnn.suggest import quote, suggest

MAX_TEXTS = 1_000
"""Different words of one column that are kept: more than the categories that it may have, and less than memory."""

MAX_LABELS = 100_000
"""Different labels that are kept."""


# eq=False: comparing arrays gives an array, so the generated == would raise.
@dataclass(frozen=True, eq=False)
class Words:
    """The cells of one column that are no numbers: row ``rows[k]`` holds ``texts[codes[k]]``, no text twice.

    whole: whether these are all, or only those up to the first text too many.
    """

    rows: Integers
    codes: Integers
    texts: tuple[str, ...]
    whole: bool = True


@dataclass(frozen=True, eq=False)
class Labels:
    """The cells of one column as they are written: row k holds ``texts[codes[k]]``, no text twice.

    whole: whether these are all; of too many different ones there is none.

    >>> labels = Labels.of(["b", "a", "b"])
    >>> labels.codes.tolist(), labels.texts
    ([0, 1, 0], ('b', 'a'))
    """

    codes: NDArray[np.int32]
    texts: tuple[str, ...]
    whole: bool = True

    @classmethod
    def of(cls, cells: Iterable[str]) -> Labels:
        """Those of these cells."""
        found = LabelList()
        found.add(cells)
        return found.labels()

    def only(self, mask: NDArray[np.bool_]) -> Labels:
        """Those of the rows where ``mask`` is true."""
        if not self.whole:
            return self
        used, codes = np.unique(self.codes[mask], return_inverse=True)
        return Labels(codes.astype(np.int32), tuple(self.texts[code] for code in used))


@dataclass(frozen=True, eq=False)
class Table:
    """What a file or a frame holds, before anything is known about its use.

    numbers: float64 (S, N), nan where a cell is a word or is missing. words: of the columns that have some. labels:
    those of the single target, or None where there are several or they are floats. rows: where each row stands in the
    source, counted in ``unit``. groups: what a user may call a target, and the columns it means. lengths: how many rows
    each sequence has, where rows are steps of some. sequences: the column, or array, that says so. categorical: the
    columns whose kind says that they hold categories.
    """

    source: str
    unit: str
    rows: Sequence[int] | Integers
    names: tuple[str, ...]
    numbers: Floats
    words: Mapping[str, Words] = field(default_factory=dict)
    labels: Labels | None = None
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lengths: Integers | None = None
    sequences: str | None = None
    categorical: frozenset[str] = frozenset()

    def where(self, row: int, column: str) -> str:
        """The place of a cell, as errors name it."""
        return f"{self.source}: {self.unit} {self.rows[row]}, column {quote(column)}"

    @cached_property
    def places(self) -> Mapping[str, int]:
        """The number of each column."""
        return {name: place for place, name in enumerate(self.names)}

    def column(self, name: str) -> Floats:
        """The numbers of a column, a view (S,)."""
        return self.numbers[:, self.places[name]]

    def in_sequences(self, name: str) -> Table:
        """The same, its rows the steps of sequences: rows with the same entry in this column, one below the other.

        >>> table = Table("walks", "line", [2, 3, 4], ("walk", "x"), np.array([[1.0, 0.5], [1.0, 0.7], [2.0, 0.1]]))
        >>> table.in_sequences("walk").lengths
        array([2, 1])
        """
        find_columns(self.source, (name,), self.names)
        entries = self._codes(name)
        if bad := first(np.isnan(entries)):
            raise DataError(f"{self.where(bad[0], name)}: found an empty cell, expected the sequence of this row")
        lengths = runs(entries)
        begins = firsts(lengths)
        _, once = np.unique(entries[begins], return_index=True)
        if len(once) < len(begins):
            again = next(place for place in range(len(begins)) if place not in once)
            raise DataError(
                f"{self.where(int(begins[again]), name)}: found a sequence again, expected its rows one below the other"
            )
        return replace(self, lengths=lengths, sequences=name)

    def _codes(self, name: str) -> Floats:
        """A column with a number for each text, another than all that are there."""
        cells, words = self.column(name), self.words.get(name)
        if words is None:
            return cells
        if not words.whole:
            raise DataError(f"{self.source}: column {quote(name)}: found more than {MAX_TEXTS:,} texts, expected less")
        cells = cells.copy()
        cells[words.rows] = 1 + np.nanmax(cells, initial=0.0) + words.codes
        return cells

    def of_sequences(self, names: Sequence[str]) -> Table:
        """The table of one row for each sequence, all of whose steps say the same in these columns."""
        assert self.lengths is not None
        begins = firsts(self.lengths)
        for name in names:
            cells = self._codes(name)
            of_sequence = np.repeat(cells[begins], self.lengths)
            if bad := first((cells != of_sequence) & ~(np.isnan(cells) & np.isnan(of_sequence))):
                raise DataError(f"{self.where(bad[0], name)}: found another value than before, expected one a sequence")
        starts = np.zeros(len(self.rows), np.bool_)
        starts[begins] = True
        return replace(self.only(starts), lengths=None, sequences=None)

    def only(self, mask: NDArray[np.bool_]) -> Table:
        """The table of the rows where ``mask`` is true."""
        number = np.cumsum(mask) - 1
        words = {}
        for name, column in self.words.items():
            inside = mask[column.rows]
            used, codes = np.unique(column.codes[inside], return_inverse=True)
            texts = tuple(column.texts[code] for code in used)
            words[name] = Words(number[column.rows[inside]], codes.astype(np.int64), texts, column.whole)
        return replace(
            self,
            rows=np.fromiter(compress(self.rows, mask), np.int64),
            numbers=self.numbers[mask],
            words={name: column for name, column in words.items() if len(column.rows)},
            labels=None if self.labels is None else self.labels.only(mask),
        )

    def renamed(self, names: tuple[str, ...], where: str) -> Table:
        """The table with other names for its columns."""
        if len(names) != len(self.names) or len(set(names)) != len(names):
            raise DataError(
                f"{self.source}: {where}: found {listed(names)}, expected {len(self.names)} different names, "
                "one for each column"
            )
        news = dict(zip(self.names, names))
        return replace(
            self,
            names=names,
            words={news[old]: words for old, words in self.words.items()},
            groups={name: (name,) for name in names},
            categorical=frozenset(map(news.__getitem__, self.categorical)),
        )

    def beside(self, other: Table) -> Table:
        """The table with the columns of another of as many rows behind its own, and the labels of that."""
        if len(self.rows) != len(other.rows):
            raise DataError(
                f"{self.source}: column {quote(self.names[0])} has {len(self.rows)} rows and {quote(other.names[0])} "
                f"has {len(other.rows)}, expected as many"
            )
        return replace(
            self,
            names=self.names + other.names,
            numbers=np.hstack([self.numbers, other.numbers]),
            words={**self.words, **other.words},
            labels=other.labels,
            groups={**self.groups, **other.groups},
            categorical=self.categorical | other.categorical,
        )


class WordList:
    """The words of a column while it is being read."""

    def __init__(self) -> None:
        self._numbers = _numbered()
        self._rows, self._codes = array("q"), array("q")

    def add(self, row: int, text: str) -> None:
        if len(self._numbers) <= MAX_TEXTS:
            self._rows.append(row)
            self._codes.append(self._numbers[text])

    def words(self) -> Words | None:
        """What was added, or None if nothing was."""
        if not self._rows:
            return None
        whole = len(self._numbers) <= MAX_TEXTS
        return Words(np.array(self._rows, np.int64), np.array(self._codes, np.int64), tuple(self._numbers), whole)


class LabelList:
    """The labels of a table while it is being read."""

    def __init__(self) -> None:
        self._numbers = _numbered()
        self._codes: list[NDArray[np.int32]] = []

    def add(self, cells: Iterable[str]) -> None:
        if len(self._numbers) <= MAX_LABELS:
            self._codes.append(np.fromiter(map(self._numbers.__getitem__, cells), np.int32))

    def labels(self) -> Labels:
        """What was added."""
        if len(self._numbers) > MAX_LABELS:
            return Labels(np.empty(0, np.int32), (), whole=False)
        return Labels(np.concatenate([np.empty(0, np.int32), *self._codes]), tuple(self._numbers))


def _numbered() -> defaultdict[str, int]:
    """Numbers of texts in the order in which they are asked for, without a line of Python for each."""
    return defaultdict(count().__next__)


def check_columns(where: str, names: Sequence[str], targets: Sequence[str]) -> None:
    """Names are unique and every target is one of them."""
    for sort, group in (("column", names), ("target", targets)):
        for name, times in Counter(group).items():
            if times > 1:
                raise DataError(f"{where}: found {sort} {quote(name)} {times} times, expected it once")
    find_columns(where, targets, names)


def find_columns(where: str, wanted: Iterable[str], names: Sequence[str]) -> None:
    """Each name that is wanted is that of a column."""
    known = frozenset(names)
    for name in wanted:
        if name not in known:
            raise DataError(
                f"{where}: found no column {quote(name)}; the table has {listed(names)}{suggest(str(name), names)}"
            )


def listed(names: Sequence[str]) -> str:
    """The first names, quoted, and how many there are.

    >>> listed(["a", "b"])
    "'a', 'b'"
    """
    shown = ", ".join(map(quote, names[:12]))
    return shown if len(names) <= 12 else f"{shown}, … ({len(names)} in all)"


def first(mask: Any) -> tuple[int, ...] | None:
    """The index of the first true entry."""
    if not mask.any():
        return None
    return tuple(int(i) for i in np.unravel_index(mask.argmax(), mask.shape))
