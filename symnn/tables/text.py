"""Tables of text: the separator recognised, the header, and every cell read as a number or kept as a word.

The strict reader is Python's ``csv``; it names the line of whatever is wrong. A large file without quotes goes through
the compiled reader of :mod:`symnn.tables.scan` first, which gives the same bits.
"""

from __future__ import annotations

import csv
import io
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from symnn.arrays import Floats, Integers
from symnn.errors import DataError
from symnn.suggest import quote
from symnn.tables.scan import LARGE, scan
from symnn.tables.table import Table, WordList, Words, check_columns

SEPARATORS: Mapping[str, str] = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|", "space": " "}
"""What may stand between two cells, by name, in the order in which they are tried; "space" is any number of blanks."""

_SAMPLE_LINES = 20
_CHUNK_ROWS = 1_000
_PART_CHARACTERS = 1 << 16


@dataclass(frozen=True)
class Layout:
    """How a table is written. separator: a character or its name in SEPARATORS, or None: to be recognised."""

    separator: str | None = None
    decimal: str = "."

    def __post_init__(self) -> None:
        said = self.separator
        if said is not None and not (isinstance(said, str) and self._character in SEPARATORS.values()):
            raise DataError(f"separator: found {quote(self.separator)}, expected one of {_SEPARATORS_LISTED}")
        if not isinstance(self.decimal, str) or self.decimal not in (".", ","):
            raise DataError(f"decimal: found {quote(self.decimal)}, expected '.' or ','")
        if self._character == self.decimal:
            raise DataError(f"separator: found {quote(self.separator)}, expected another character than the decimal")

    @property
    def _character(self) -> str | None:
        return None if self.separator is None else SEPARATORS.get(self.separator, self.separator)

    def separator_in(self, text: str) -> str:
        """The separator that was said, or the one that the header and the first rows show.

        >>> Layout().separator_in("a;b\\n1,5;2\\n")
        ';'
        """
        return self._character or _recognised(text, self.decimal)


_SEPARATORS_LISTED = ", ".join(f"{quote(character)} ({name})" for name, character in SEPARATORS.items())


def read_text(source: str, data: bytes, targets: tuple[str, ...], layout: Layout, large: int = LARGE) -> Table:
    """The table in the bytes of a file; from ``large`` bytes on by the compiled reader, where that can read it.

    >>> table = read_text("flowers.csv", b"width,kind\\n0.5,rose\\n1.5,lily\\n", ("kind",), Layout())
    >>> table.numbers[:, 0].tolist(), table.labels
    ([0.5, 1.5], ['rose', 'lily'])
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{source}: line {line}: found {error.reason}, expected UTF-8 text") from None
    separator = layout.separator_in(text)
    rows = _csv_rows(source, text, separator)
    names = _header(source, next(rows, (1, []))[1])
    check_columns(f"{source}: line 1", names, targets)
    label = names.index(targets[0]) if len(targets) == 1 else None
    columns = None
    if len(data) >= large and b'"' not in data and separator != " ":
        columns = _scanned(data, names, separator, layout.decimal, label)
    if columns is None:
        columns = _collected(source, rows, names, layout.decimal, label, underscores="_" in text)
    if not len(columns.lines):
        raise DataError(f"{source}: found a header but no rows, expected rows of data below it")
    return Table(
        source,
        "line",
        columns.lines,
        names,
        columns.numbers,
        columns.words,
        columns.labels,
        {name: (name,) for name in names},
    )


# --- separators ---------------------------------------------------------------------------------------------------


def _recognised(text: str, decimal: str) -> str:
    """The first separator that cuts the header in two or more and the first rows alike; else the header's own."""
    cut = []
    for separator in SEPARATORS.values():
        if separator != decimal:
            header, *widths = _widths(text, separator)
            if header > 1 and all(width == header for width in widths):
                return separator
            if separator != " ":
                cut.append((header, separator))
    # No separator fits every row: the one that cuts the header most, so that the row that differs is named.
    return max(cut, key=lambda found: found[0])[1]


def _widths(text: str, separator: str) -> list[int]:
    """The cells of the header and of the rows after it, as far as the sample goes; the header's first."""
    sample = islice(_lines(text, separator), _SAMPLE_LINES)
    try:
        rows = [len(row) for row in _reader(sample, separator, strict=False) if row]
    except csv.Error:
        return [0]
    return rows or [0]


def _lines(text: str, separator: str) -> Iterator[str]:
    """The lines of a text as csv counts them, from a part of it at a time: StringIO holds four bytes a character."""
    start = 0
    while start < len(text):
        end = text.find("\n", start + _PART_CHARACTERS) + 1 or len(text)
        for line in io.StringIO(text[start:end], newline=""):
            yield line if separator != " " else line.strip(" \t\r\n").replace("\t", " ") + "\n"
        start = end


def _reader(lines: Iterable[str], separator: str, strict: bool) -> Any:
    # csv takes a run of blanks for one separator when those after the first are skipped.
    return csv.reader(lines, delimiter=separator, skipinitialspace=separator == " ", strict=strict)


# --- the strict reader --------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Columns:
    lines: Sequence[int] | Integers
    numbers: Floats
    words: Mapping[str, Words]
    labels: list[str] | None


def _csv_rows(source: str, text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Every row with its first line: a quoted cell may span several."""
    reader = _reader(_lines(text, separator), separator, strict=True)
    line = 1
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            raise DataError(f"{source}: line {line}: not valid CSV: {error}") from None
        if row is None:
            return
        yield line, row
        line = reader.line_num + 1


def _header(source: str, header: list[str]) -> tuple[str, ...]:
    names = tuple(name.strip() for name in header)
    if not names:
        raise DataError(f"{source}: line 1 is empty, expected a header with the names of the columns")
    if "" in names:
        raise DataError(
            f"{source}: line 1, column {names.index('') + 1} has no name, expected one "
            "(if it is an index that pandas wrote: to_csv(..., index=False))"
        )
    return names


def _collected(
    source: str,
    rows: Iterator[tuple[int, list[str]]],
    names: tuple[str, ...],
    decimal: str,
    label: int | None,
    underscores: bool,
) -> _Columns:
    """All rows, a thousand at a time, column by column."""
    parse = float if decimal == "." and not underscores else number_reader(decimal)
    columns = [_Collector(parse) for _ in names]
    lines, labels = array("q"), []
    filled = ((line, row) for line, row in rows if row)  # the others are blank lines
    while chunk := list(islice(filled, _CHUNK_ROWS)):
        for line, row in chunk:
            if len(row) != len(names):
                raise DataError(f"{source}: line {line} has {len(row)} cells, expected {len(names)} as in line 1")
            lines.append(line)
        for column, cells in zip(columns, zip(*(row for _, row in chunk))):
            column.add(cells)
        if label is not None:
            labels += [row[label].strip() for _, row in chunk]
    numbers = np.empty((len(lines), len(names)))
    for j, column in enumerate(columns):
        numbers[:, j] = column.numbers
    words = {name: found for name, column in zip(names, columns) if (found := column.words.words())}
    return _Columns(lines, numbers, words, None if label is None else labels)


class _Collector:
    """A column while it is being read."""

    def __init__(self, parse: Callable[[str], float]) -> None:
        self.parse = parse
        self.numbers = array("d")
        self.words = WordList()

    def add(self, cells: Sequence[str]) -> None:
        start = len(self.numbers)
        try:
            self.numbers.extend(map(self.parse, cells))
        except ValueError:
            del self.numbers[start:]
            for row, cell in enumerate(cells, start):
                try:
                    self.numbers.append(self.parse(cell))
                except ValueError:
                    self.numbers.append(np.nan)
                    self.words.add(row, cell.strip())


def number_reader(decimal: str = ".") -> Callable[[str], float]:
    """What reads a cell as a number, or raises ValueError.

    >>> number_reader(",")("-1,5")
    -1.5
    """

    def number(cell: str) -> float:
        if "_" in cell:  # float() reads 1_5 as Python does: 15
            raise ValueError(cell)
        if decimal == ".":
            return float(cell)
        if "." in cell:
            raise ValueError(cell)
        return float(cell.replace(decimal, "."))

    return number


# --- the compiled reader ------------------------------------------------------------------------------------------


def _scanned(data: bytes, names: tuple[str, ...], separator: str, decimal: str, label: int | None) -> _Columns | None:
    """What the strict reader gives, or None where only that can tell what is there."""
    body = data.find(b"\n") + 1
    # A carriage return alone ends a line for csv.
    if body == 0 or b"\r" in data[: body - 1].removesuffix(b"\r"):
        return None
    data = data[body:]
    found = scan(data, len(names), separator, decimal, label)
    if found is None:
        return None
    parse, words = number_reader(decimal), [WordList() for _ in names]
    flat = found.numbers.reshape(-1)
    for place, start, end in zip(found.odd.tolist(), found.starts.tolist(), found.ends.tolist()):
        cell = data[start:end].decode()
        try:
            flat[place] = parse(cell)
        except ValueError:
            row, column = divmod(place, len(names))
            words[column].add(row, cell.strip())
    labels = None
    if label is not None:
        bounds = zip(found.kept_starts.tolist(), found.kept_ends.tolist())
        # Decoded at once: a call for each of 70,000 rows takes as long as the numbers.
        cells = b"\n".join([data[start:end] for start, end in bounds]).decode().split("\n")
        labels = [cell.strip() for cell in cells]
    by_name = {name: column for name, listed in zip(names, words) if (column := listed.words())}
    return _Columns(found.lines + 1, found.numbers, by_name, labels)
