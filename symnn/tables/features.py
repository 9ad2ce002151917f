"""What a network reads of a table: its columns by name and in order, text as one input for each category.

A :class:`Features` is found in the table a network is trained on and goes with it into its checkpoint; any later table
is read by it, whatever the order of its columns.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from symnn.arrays import Floats
from symnn.errors import DataError
from symnn.suggest import quote
from symnn.tables.lookalikes import advice, are_categories
from symnn.tables.table import MAX_TEXTS, Table, check_columns, find_columns, first, listed
from symnn.tables.text import is_number

Missing = Literal["refuse", "drop", "mean"]
"""What may be done about missing cells."""

MAX_CATEGORIES = 100
"""Categories of one column; a column of names or identifiers has more."""

MAX_CATEGORY_NUMBERS = 2**27
"""Numbers in all inputs that stand for categories, a gigabyte."""

_MISSING_TEXTS = frozenset({"", "?", "na", "n/a", "#n/a", "<na>", "nan", "null"})
_TRUTHS = {"true": 1.0, "false": 0.0}

REFUSED = " (missing: drop leaves such rows out, missing: mean fills them)"
"""What can be done about a missing cell that is refused."""

_NO_NUMBERS = "; if these are categories, say categorical: {}"


@dataclass(frozen=True)
class Column:
    """A column of numbers, or, with categories, of text: input k is 1 where the cell is category k, and 0 elsewhere."""

    name: str
    categories: tuple[str, ...] | None = None

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of its inputs.

        >>> Column("colour", ("blue", "red")).inputs
        ('colour=blue', 'colour=red')
        """
        return (self.name,) if self.categories is None else tuple(f"{self.name}={text}" for text in self.categories)


@dataclass(frozen=True)
class Features:
    """The columns that a network reads. fills: missing cells become nan, for the mean of the training part to fill.

    sequences: what says of which sequence a row is a step, where rows are steps of some.

    >>> from symnn.tables import from_frame
    >>> table = from_frame({"size": [1.5, 2.5], "colour": ["red", "blue"], "new": [True, False]})
    >>> features = Features.found(table, table.names)
    >>> features.inputs
    ('size', 'colour=blue', 'colour=red', 'new')
    >>> features.encode(table)
    array([[1.5, 0. , 1. , 1. ],
           [2.5, 1. , 0. , 0. ]])
    """

    columns: tuple[Column, ...]
    fills: bool = False
    sequences: str | None = None

    @classmethod
    def found(
        cls, table: Table, names: Sequence[str], categorical: Sequence[str] = (), fills: bool = False
    ) -> Features:
        """The columns of these names, text or ``categorical`` ones with the categories that the table holds.

        A column of text is one without a number in it: text among numbers is a slip, which :meth:`encode` reports.
        """
        find_columns(f"{table.source}: categorical", categorical, names)
        said = table.categorical.union(categorical)
        columns = tuple(Column(name, _categories(table, name, name in said)) for name in names)
        return cls(columns, fills, table.sequences)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of the network's inputs, in order."""
        return tuple(name for column in self.columns for name in column.inputs)

    def arranged(self, groups: Sequence[str]) -> Features:
        """The same columns in the order of what they are part of: the column of a group has its name, or ``m[0]``."""

        def place(column: Column) -> int:
            group, bracket, _ = column.name.rpartition("[")
            return groups.index(column.name if column.name in groups or not bracket else group)

        return replace(self, columns=tuple(sorted(self.columns, key=place)))

    def by_place(self, table: Table, apart: Sequence[str] = ()) -> Features:
        """The columns of the table in their order, where an array had no names for them and the table knows none.

        They have to be as many, without those of the names ``apart``, and to have names; a warning says what is taken
        for what. Raises :class:`DataError` where they are not.
        """
        names = [column.name for column in self.columns]
        others = [name for name in table.names if name not in {*apart, self.sequences}]
        is_unnamed = names == [f"x[{place}]" for place in range(len(names))]
        if not is_unnamed or {*names} & {*others}:
            return self
        expected = f"{len(names)} columns in the order of training, where they had no names, or {listed(names)}"
        if len(others) != len(names):
            raise DataError(f"{table.source}: found {len(others)} columns, {listed(others)}, expected {expected}")
        if all(map(is_number, others)):
            raise DataError(
                f"{table.source}: found numbers, {listed(others)}, for names of columns, expected {expected}"
            )
        taken = f"taking {listed(others)} for {listed(names)}, in this order: training had no names of columns"
        warnings.warn(f"{table.source}: {taken}", stacklevel=2)
        return replace(self, columns=tuple(replace(c, name=name) for c, name in zip(self.columns, others)))

    def encode(self, table: Table, refused: str = REFUSED) -> Floats:
        """The inputs (S, D) of every row of a table that has all the columns; others may be there and are not read.

        Raises :class:`DataError` naming a column that is lacking, or the row and column of a cell that is not as
        expected; if that is missing, the message ends in ``refused``. With ``fills`` the inputs of a missing cell are
        nan.
        """
        check_columns(table.source, table.names, ())
        find_columns(table.source, (column.name for column in self.columns), table.names)
        if all(column.categories is None for column in self.columns):
            return number_columns(table, [column.name for column in self.columns], self.fills, refused)
        wide = sum(len(column.categories or ()) for column in self.columns)
        if wide * len(table.rows) > MAX_CATEGORY_NUMBERS:
            raise DataError(
                f"{table.source}: found {wide:,} categories in {len(table.rows):,} rows, expected their product to be "
                f"at most {MAX_CATEGORY_NUMBERS:,}"
            )
        inputs = np.empty((len(table.rows), len(self.inputs)))
        end = 0
        for column in self.columns:
            start, end = end, end + len(column.inputs)
            inputs[:, start:end] = (
                number_columns(table, [column.name], self.fills, refused)
                if column.categories is None
                else _one_hot(table, column.name, column.categories, self.fills, refused)
            )
        return inputs


def number_columns(
    table: Table, names: Sequence[str], fills: bool = False, refused: str = REFUSED, hint: str = ""
) -> Floats:
    """The numbers (S, len(names)) of columns; True and False in a column of nothing else are 1 and 0.

    Raises :class:`DataError` naming row and column of the first cell that is no finite number, its message ending in
    ``hint``, after ``refused`` if it is missing; with ``fills`` a missing cell is nan.
    """
    places = [table.places[name] for name in names]
    # Columns side by side are a view.
    run = slice(places[0], places[0] + len(places))
    numbers = table.numbers[:, run] if places == list(range(run.start, run.stop)) else table.numbers[:, places]
    if any(name in table.words for name in names):
        numbers = numbers.copy()
        for j, name in enumerate(names):
            _put_words(table, name, numbers[:, j], hint)
    place = _first_bad(numbers, np.isinf if fills else _is_not_finite)
    if place is None:
        return numbers
    row, j = place
    text = _text_at(table, names[j], row)
    if text is not None:
        raise DataError(f"{table.where(row, names[j])}: found {quoted(text)}, expected a number{refused}{hint}")
    choice = refused if np.isnan(numbers[place]) else ""
    raise DataError(f"{table.where(row, names[j])}: found {numbers[place]}, expected a finite number{choice}{hint}")


def missing_rows(table: Table, names: Sequence[str]) -> NDArray[np.bool_]:
    """The rows (S,) in which one of the columns has no cell: it is empty, or says ?, NA, NaN or null."""
    missing = np.zeros(len(table.rows), dtype=np.bool_)
    for name in names:
        missing |= _missing(table, name)
    return missing


def is_missing(text: str) -> bool:
    """Whether a cell says that there is none.

    >>> [is_missing(text) for text in ("", "NA", "none")]
    [True, True, False]
    """
    return text.casefold() in _MISSING_TEXTS


_PART_NUMBERS = 1 << 16


def _first_bad(numbers: Floats, bad: Callable[[Floats], NDArray[np.bool_]]) -> tuple[int, ...] | None:
    """The place of the first of the numbers (S, N) that are bad, some rows at a time."""
    rows = max(1, _PART_NUMBERS // numbers.shape[1])
    for start in range(0, len(numbers), rows):
        if (place := first(bad(numbers[start : start + rows]))) is not None:
            return start + place[0], *place[1:]
    return None


def _is_not_finite(numbers: Floats) -> NDArray[np.bool_]:
    return ~np.isfinite(numbers)


# --- one column ---------------------------------------------------------------------------------------------------


def _missing(table: Table, name: str) -> NDArray[np.bool_]:
    missing = np.isnan(table.column(name))
    if (words := table.words.get(name)) is not None:
        if not words.whole:
            raise _too_many_texts(table, name, words.texts)
        said = np.array([is_missing(text) for text in words.texts])
        missing[words.rows] = said[words.codes]
    return missing


def _put_words(table: Table, name: str, numbers: Floats, hint: str) -> None:
    """Write the truths of a column over the nan that stand for them; refuse any other word that is not missing."""
    words = table.words.get(name)
    if words is None:
        return
    truths = np.array([_TRUTHS.get(text.casefold(), np.nan) for text in words.texts])
    if not np.isfinite(numbers).any():  # among numbers, True is a slip
        numbers[words.rows] = truths[words.codes]
    wrong = np.isnan(numbers[words.rows]) & ~np.array([is_missing(text) for text in words.texts])[words.codes]
    if wrong.any():
        entry = int(wrong.argmax())
        text = words.texts[words.codes[entry]]
        expected = advice(text) or "expected a number"
        raise DataError(f"{table.where(int(words.rows[entry]), name)}: found {quoted(text)}, {expected}{hint}")


def quoted(text: str) -> str:
    """A cell as errors show it."""
    return quote(text) if text else "an empty cell"


def _text_at(table: Table, name: str, row: int) -> str | None:
    words = table.words.get(name)
    if words is None or not (here := words.rows == row).any():
        return None
    return words.texts[int(words.codes[here.argmax()])]


def _categories(table: Table, name: str, said: bool) -> tuple[str, ...] | None:
    """The categories of a column of text, or of one that is said to hold some; None for a column of numbers."""
    words = table.words.get(name)
    present = [] if words is None else [text for text in words.texts if not is_missing(text)]
    numbers = table.column(name)
    if not said:
        if not present or np.isfinite(numbers).any() or all(text.casefold() in _TRUTHS for text in present):
            return None
        if not are_categories(present):
            number_columns(table, [name], fills=True, hint=_NO_NUMBERS.format(quote(name)))
        texts = sorted(present)
    else:
        distinct = np.unique(numbers[np.isfinite(numbers)])[: MAX_CATEGORIES + 1]
        texts = [*map(_number_text, distinct.tolist()), *sorted(present)]
    if not 1 <= len(texts) <= MAX_CATEGORIES:
        raise _too_many_texts(table, name, texts)
    return tuple(texts)


def _too_many_texts(table: Table, name: str, texts: Sequence[str]) -> DataError:
    """Too many, or none."""
    count = f"{len(texts):,}" if len(texts) <= MAX_TEXTS else f"more than {MAX_TEXTS:,}"
    shown = f", such as {quote(texts[0])}" if texts else ""
    return DataError(
        f"{table.source}: column {quote(name)}: found {count} different texts{shown}, expected numbers or at most "
        f"{MAX_CATEGORIES} categories (ignore: leaves a column out)"
    )


def _number_text(value: float) -> str:
    """
    >>> _number_text(3.0), _number_text(0.5)
    ('3', '0.5')
    """
    return str(int(value)) if value.is_integer() else repr(value)


def _one_hot(table: Table, name: str, categories: tuple[str, ...], fills: bool, refused: str) -> Floats:
    """The inputs (S, len(categories)) of a column of categories."""
    known = {text: number for number, text in enumerate(categories)}
    numbers, words = table.column(name), table.words.get(name)
    codes = np.full(len(table.rows), -1)
    if np.isfinite(numbers).any():
        distinct, inverse = np.unique(numbers, return_inverse=True)
        texts = [_number_text(value) if np.isfinite(value) else "" for value in distinct.tolist()]
        codes = np.array([known.get(text, -1) for text in texts])[inverse]
    if words is not None:
        codes[words.rows] = np.array([known.get(text, -1) for text in words.texts])[words.codes]
    missing = _missing(table, name)
    wrong = (codes < 0) & ~(missing if fills else np.zeros_like(missing))
    if place := first(wrong):
        row = place[0]
        text = _text_at(table, name, row)
        found = quoted(text) if text is not None else f"{numbers[row]:g}"
        choice = refused if missing[row] else ""
        raise DataError(f"{table.where(row, name)}: found {found}, expected one of {listed(categories)}{choice}")
    inputs = np.zeros((len(codes), len(categories)))
    inputs[np.arange(len(codes)), codes] = 1.0
    inputs[missing] = np.nan
    return inputs
