"""A table as it was read: named columns whose cells are numbers or words, and where each row came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnn.arrays import Floats, Integers
from symnn.errors import DataError
from symnn.suggest import quote, suggest


# eq=False: comparing arrays gives an array, so the generated == would raise.
@dataclass(frozen=True, eq=False)
class Words:
    """The cells of one column that are no numbers: row ``rows[k]`` holds ``texts[codes[k]]``, no text twice."""

    rows: Integers
    codes: Integers
    texts: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Table:
    """What a file or a frame holds, before anything is known about its use.

    numbers: float64 (S, N), nan where a cell is a word or is missing. words: of the columns that have some. labels: the
    cells of the single target as they are written, or None where there are several or they are floats. rows: where each
    row stands in the source, counted in ``unit``. groups: what a user may call a target, and the columns it means.
    """

    source: str
    unit: str
    rows: Sequence[int] | Integers
    names: tuple[str, ...]
    numbers: Floats
    words: Mapping[str, Words] = field(default_factory=dict)
    labels: list[str] | None = None
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def where(self, row: int, column: str) -> str:
        """The place of a cell, as errors name it."""
        return f"{self.source}: {self.unit} {self.rows[row]}, column {quote(column)}"

    def column(self, name: str) -> Floats:
        """The numbers of a column, a view (S,)."""
        return self.numbers[:, self.names.index(name)]

    def only(self, mask: NDArray[np.bool_]) -> Table:
        """The table of the rows where ``mask`` is true."""
        number = np.cumsum(mask) - 1
        words = {}
        for name, column in self.words.items():
            inside = mask[column.rows]
            used, codes = np.unique(column.codes[inside], return_inverse=True)
            texts = tuple(column.texts[code] for code in used)
            words[name] = Words(number[column.rows[inside]], codes.astype(np.int64), texts)
        return replace(
            self,
            rows=np.asarray(self.rows)[mask],
            numbers=self.numbers[mask],
            words={name: column for name, column in words.items() if len(column.rows)},
            labels=None if self.labels is None else [cell for cell, stays in zip(self.labels, mask) if stays],
        )

    def renamed(self, names: tuple[str, ...], where: str) -> Table:
        """The table with other names for its columns."""
        if len(names) != len(self.names) or len(set(names)) != len(names):
            raise DataError(
                f"{self.source}: {where}: found {listed(names)}, expected {len(self.names)} different names, "
                "one for each column"
            )
        words = {new: self.words[old] for old, new in zip(self.names, names) if old in self.words}
        return replace(self, names=names, words=words, groups={name: (name,) for name in names})

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
        )


class WordList:
    """The words of a column while it is being read."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}
        self._entries: list[tuple[int, int]] = []

    def add(self, row: int, text: str) -> None:
        self._entries.append((row, self._codes.setdefault(text, len(self._codes))))

    def words(self) -> Words | None:
        """What was added, or None if nothing was."""
        if not self._entries:
            return None
        rows, codes = np.array(self._entries, dtype=np.int64).T
        return Words(np.ascontiguousarray(rows), np.ascontiguousarray(codes), tuple(self._codes))


def check_columns(where: str, names: Sequence[str], targets: Sequence[str]) -> None:
    """Names are unique and every target is one of them."""
    for sort, group in (("column", names), ("target", targets)):
        for name, count in Counter(group).items():
            if count > 1:
                raise DataError(f"{where}: found {sort} {quote(name)} {count} times, expected it once")
    for target in targets:
        require_column(where, target, names)


def require_column(where: str, name: str, names: Sequence[str]) -> None:
    """The name is that of a column."""
    if name not in names:
        raise DataError(
            f"{where}: found no column {quote(name)}, expected one of {listed(names)}{suggest(str(name), names)}"
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
