"""Tables of text: the separator recognised, the header, and every cell read as a number or kept as a word.

The strict reader is Python's ``csv``; it names the line of whatever is wrong. A large file without quotes goes through
the compiled reader of :mod:`symnn.tables.scan` first, which gives the same bits.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

import numpy as np

from symnn.arrays import Floats, Integers
from symnn.errors import DataError
from symnn.files import COLUMNS_VARIABLE, column_limit, require_columns
from symnn.suggest import quote
from symnn.tables.scan import LARGE, scan
from symnn.tables.table import LabelList, Labels, Table, WordList, Words, check_columns

SEPARATORS: Mapping[str, str] = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|", "space": " "}
"""What may stand between two cells, by name, in the order in which they are tried; "space" is any number of blanks."""

_SAMPLE_LINES = 20
_CHUNK_CELLS = 1 << 14
_PART_CHARACTERS = 1 << 16
_PART_BYTES = 1 << 18
"""Of a large file, read at once by the compiled reader: what it notes of cells takes as much again as numbers."""

_Lines: TypeAlias = Sequence[int] | Integers
"""The line in the file of each row."""


@dataclass(frozen=True)
class Layout:
    """How a table is written. separator: a character or its name in SEPARATORS, or None: to be recognised.

    sequences: the column that says of which sequence each row is a step, or in an .npz the array of their lengths; None
    where rows are samples. texts: arrays of an .npz that may hold text, as targets may.
    """

    separator: str | None = None
    decimal: str = "."
    sequences: str | None = None
    texts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        said = self.separator
        if said is not None and not (isinstance(said, str) and self._character in SEPARATORS.values()):
            raise DataError(f"separator: found {quote(self.separator)}, expected one of {_SEPARATORS_LISTED}")
        if not isinstance(self.decimal, str) or self.decimal not in (".", ","):
            raise DataError(f"decimal: found {quote(self.decimal)}, expected '.' or ','")

    @property
    def _character(self) -> str | None:
        return None if self.separator is None else SEPARATORS.get(self.separator, self.separator)

    def separator_in(self, source: str, text: str) -> str:
        """The separator that was said, or the one that the header and the first rows show.

        >>> Layout().separator_in("example", "a;b\\n1,5;2\\n")
        ';'
        """
        return self._character or _recognised(source, text, self.decimal)


_SEPARATORS_LISTED = ", ".join(f"{quote(character)} ({name})" for name, character in SEPARATORS.items())


def read_text(source: str, data: bytes, targets: tuple[str, ...], layout: Layout, large: int = LARGE) -> Table:
    """The table in the bytes of a file; from ``large`` bytes on by the compiled reader, where that can read it.

    >>> table = read_text("flowers.csv", b"width,kind\\n0.5,rose\\n1.5,lily\\n", ("kind",), Layout())
    >>> table.numbers[:, 0].tolist(), table.labels.texts
    ([0.5, 1.5], ('rose', 'lily'))
    """
    data = _in_utf8(source, data)
    quick = len(data) >= large and b'"' not in data and b"\0" not in data
    # ASCII has no faults, and decoding 30 MB for the sake of a header takes a tenth of the time.
    opening = _opening(data) if quick and data.isascii() else data
    names, separator = _head(source, _decoded(source, opening), layout)
    check_columns(f"{source}: line 1", names, targets)
    label = names.index(targets[0]) if len(targets) == 1 else None
    columns = None
    if quick and separator not in (" ", layout.decimal):
        columns = _scanned(data, names, separator, layout.decimal, label)
    if columns is None:
        columns = _collected(source, _decoded(source, data), separator, names, layout.decimal, label)
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


def _in_utf8(source: str, data: bytes) -> bytes:
    """The bytes of a file, or those that say in UTF-8 what follows the byte order mark of UTF-16."""
    if not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data
    try:
        return data.decode("utf-16").encode()
    except UnicodeError:
        raise DataError(f"{source}: begins like UTF-16, but is not; {_SAVE}") from None


def _decoded(source: str, data: bytes) -> str:
    if (zero := data.find(b"\0")) >= 0:
        line = data.count(b"\n", 0, zero) + 1
        raise DataError(f"{source}: line {line}: found a zero byte, as in UTF-16 or in what is no text; {_SAVE}")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = data[error.start : error.start + 1]
        raise DataError(
            f"{source}: line {line}: found the byte 0x{byte.hex()} ({quote(byte.decode('cp1252', 'replace'))} in "
            f"Windows-1252, as Excel writes 'CSV'), expected UTF-8; {_SAVE}, or convert it: "
            "iconv -f windows-1252 -t utf-8"
        ) from None


_SAVE = "save the file as UTF-8 (in Excel 'CSV UTF-8')"


def _opening(data: bytes) -> bytes:
    """The lines by which the separator is recognised, of a file without quotes."""
    end = 0
    for _ in range(_SAMPLE_LINES):
        end = data.find(b"\n", end) + 1 or len(data)
    return data[:end]


def _head(source: str, text: str, layout: Layout) -> tuple[tuple[str, ...], str]:
    """The names of the columns, and what separates them."""
    separator = layout.separator_in(source, text)
    return _header(source, next(_csv_rows(source, text, separator), (1, []))[1]), separator


# --- separators ---------------------------------------------------------------------------------------------------


def _recognised(source: str, text: str, decimal: str) -> str:
    """The first separator that cuts the header in two or more and the first rows alike; else the header's own.

    A decimal comma is one too where cells are in quotes: the last.
    """
    cut = []
    others = [separator for separator in SEPARATORS.values() if separator != decimal]
    for separator in [*others, *([decimal] if decimal == "," and '"' in text else [])]:
        header, *widths = _widths(source, text, separator)
        if header > 1 and all(width == header for width in widths):
            return separator
        if separator != " ":
            cut.append((header, separator))
    # No separator fits every row: the one that cuts the header most, so that the row that differs is named.
    return max(cut, key=lambda found: found[0])[1]


def _widths(source: str, text: str, separator: str) -> list[int]:
    """The cells of the header and of the rows after it, as far as the sample goes; the header's first."""
    sample = islice(_lines(text, separator), _SAMPLE_LINES)
    widths = []
    try:
        for _, row in _rows(source, sample, separator, strict=False):
            if row:
                widths.append(len(row))
    except DataError:  # not with this separator
        widths.append(0)
    return widths or [0]


def _lines(text: str, separator: str) -> Iterator[str]:
    """The lines of a text as csv counts them, from a part of it at a time: StringIO holds four bytes a character."""
    start = 0
    while start < len(text):
        end = text.find("\n", start + _PART_CHARACTERS) + 1 or len(text)
        for line in io.StringIO(text[start:end], newline=""):
            yield line if separator != " " else line.strip(" \t\r\n").replace("\t", " ") + "\n"
        start = end


def _rows(source: str, lines: Iterable[str], separator: str, strict: bool) -> Iterator[tuple[int, list[str]]]:
    """Every row with its first line: a quoted cell may span several. No row has many more cells than are allowed."""
    begun, found = 1, 0
    # A quoted cell may hold separators, so a row may have more of them than cells.
    most = _SEPARATORS_A_COLUMN * column_limit(DataError)

    def counted() -> Iterator[str]:
        nonlocal found
        for line in lines:
            found += line.count(separator)
            if found > most:
                raise DataError(
                    f"{source}: line {begun}: found more than {most:,} separators, expected at most "
                    f"{most // _SEPARATORS_A_COLUMN:,} columns, which {COLUMNS_VARIABLE} can change"
                )
            yield line

    # csv takes a run of blanks for one separator when those after the first are skipped.
    reader = csv.reader(counted(), delimiter=separator, skipinitialspace=separator == " ", strict=strict)
    try:
        for row in reader:
            yield begun, row
            begun, found = reader.line_num + 1, 0
    except csv.Error as error:
        raise DataError(f"{source}: line {begun}: not valid CSV: {error}") from None


_SEPARATORS_A_COLUMN = 16


# --- the strict reader --------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Columns:
    lines: _Lines
    numbers: Floats
    words: Mapping[str, Words]
    labels: Labels | None


def _joined(parts: Sequence[_Lines]) -> _Lines:
    """The lines of rows, one part after the other; where each follows the one before, they take no memory.

    >>> _joined([[2, 3], range(4, 9)]), _joined([[2, 3], [5]])
    (range(2, 9), array([2, 3, 5]))
    """
    if not parts:
        return range(0)
    first, last = int(parts[0][0]), int(parts[-1][-1])
    if last - first == sum(map(len, parts)) - 1:
        return range(first, last + 1)
    return np.concatenate([np.asarray(part, np.int64) for part in parts])


def _csv_rows(source: str, text: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    return _rows(source, _lines(text, separator), separator, strict=True)


def _header(source: str, header: list[str]) -> tuple[str, ...]:
    names = tuple(name.strip() for name in header)
    if not names:
        raise DataError(f"{source}: line 1 is empty, expected a header with the names of the columns")
    require_columns(len(names), f"{source}: line 1", DataError)
    if "" in names:
        raise DataError(
            f"{source}: line 1, column {names.index('') + 1} has no name, expected one "
            "(if it is an index that pandas wrote: to_csv(..., index=False))"
        )
    return names


def _collected(
    source: str, text: str, separator: str, names: tuple[str, ...], decimal: str, label: int | None
) -> _Columns:
    """All rows, some thousand cells at a time, column by column."""
    parse = float if decimal == "." and "_" not in text else number_reader(decimal)
    ends = text.count("\n") + text.count("\r") - text.count("\r\n")
    numbers = _room(ends, len(text), len(names))
    words, labels, count = [WordList() for _ in names], LabelList(), 0
    lines: list[_Lines] = []
    rows = _csv_rows(source, text, separator)
    next(rows, None)
    filled = ((line, row) for line, row in rows if row)  # the others are blank lines
    while chunk := list(islice(filled, max(1, _CHUNK_CELLS // len(names)))):
        for line, row in chunk:
            if len(row) != len(names):
                raise DataError(f"{source}: line {line} has {len(row)} cells, expected {len(names)} as in line 1")
        lines.append(_joined([[line for line, _ in chunk]]))
        start, count = count, count + len(chunk)
        for j, cells in enumerate(zip(*(row for _, row in chunk))):
            numbers[start:count, j] = _numbers(cells, parse, words[j], start)
            if j == label:
                labels.add(map(str.strip, cells))
    kept = None if label is None else labels.labels()
    return _Columns(_joined(lines), numbers[:count], _by_name(names, words), kept)


def _room(ends: int, size: int, columns: int) -> Floats:
    """Room for the numbers of a text of so many ends of lines and characters, or bytes.

    A cell takes one of them at least, with what ends it. Memory that is not written to is never taken from the system.
    """
    return np.empty((min(ends, (size + 1) // columns) + 1, columns))


def _numbers(cells: Sequence[str], parse: Callable[[str], float], words: WordList, start: int) -> Sequence[float]:
    """The numbers of cells of a column, nan for what is none, which is added to the words; start: their first row."""
    try:
        return list(map(parse, cells))
    except ValueError:
        found = []
        for row, cell in enumerate(cells, start):
            try:
                found.append(parse(cell))
            except ValueError:
                found.append(np.nan)
                words.add(row, cell.strip())
        return found


def _by_name(names: Sequence[str], words: Sequence[WordList]) -> dict[str, Words]:
    return {name: found for name, listed in zip(names, words) if (found := listed.words())}


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


def is_number(cell: str) -> bool:
    """Whether a cell is read as a number.

    >>> is_number("-1.5e3"), is_number("1_5"), is_number("x")
    (True, False, False)
    """
    try:
        number_reader()(cell)
    except ValueError:
        return False
    return True


# --- the compiled reader ------------------------------------------------------------------------------------------


def _line_ends(data: bytes) -> int:
    """How many line feeds there are; bytes.count takes three times as long."""
    content = np.frombuffer(data, np.uint8)
    starts = range(0, len(content), _PART_BYTES)
    return sum(int(np.count_nonzero(content[start : start + _PART_BYTES] == 10)) for start in starts)


def _scanned(data: bytes, names: tuple[str, ...], separator: str, decimal: str, label: int | None) -> _Columns | None:
    """What the strict reader gives, or None where only that can tell what is there."""
    body = data.find(b"\n") + 1
    # A carriage return alone ends a line for csv.
    if body == 0 or b"\r" in data[: body - 1].removesuffix(b"\r"):
        return None
    numbers = _room(_line_ends(data), len(data), len(names))
    parse, words, labels = number_reader(decimal), [WordList() for _ in names], LabelList()
    lines: list[_Lines] = []
    count, line = 0, 1
    while body < len(data):
        end = data.find(b"\n", body + _PART_BYTES) + 1 or len(data)
        part, body = data[body:end], end
        found = scan(part, len(names), separator, decimal, label)
        if found is None:
            return None
        start, count = count, count + len(found.numbers)
        numbers[start:count] = found.numbers
        if count > start:
            lines.append(_joined([found.lines + line]))
        line += found.next_line - 1
        flat = numbers[start:count].reshape(-1)
        for place, first, last in zip(found.odd.tolist(), found.starts.tolist(), found.ends.tolist()):
            cell = part[first:last].decode()
            try:
                flat[place] = parse(cell)
            except ValueError:
                row, column = divmod(place, len(names))
                words[column].add(start + row, cell.strip())
        if label is not None and count > start:
            bounds = zip(found.kept_starts.tolist(), found.kept_ends.tolist())
            # Decoded at once: a call for each of 70,000 rows takes as long as the numbers.
            labels.add(map(str.strip, b"\n".join([part[first:last] for first, last in bounds]).decode().split("\n")))
    kept = None if label is None else labels.labels()
    return _Columns(_joined(lines), numbers[:count], _by_name(names, words), kept)
