"""The target columns of a table: numbers, or classes by the labels that stand there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from symnn.arrays import Floats, Integers
from symnn.errors import DataError
from symnn.suggest import quote
from symnn.tables.features import is_missing, missing_rows, number_columns, quoted
from symnn.tables.lookalikes import are_numbers
from symnn.tables.table import MAX_LABELS, Labels, Table, first, listed
from symnn.tables.text import is_number

# Eighteen digits fit int64, and int() refuses to parse thousands of them.
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")

# `task="auto"` takes a column for labels when it has at most this many distinct values.
_MOST_CLASSES = 20


def missing_targets(table: Table, names: Sequence[str]) -> NDArray[np.bool_]:
    """The rows without a target."""
    if table.labels is None or not table.labels.whole:
        return missing_rows(table, names)
    return np.array([is_missing(text) for text in table.labels.texts])[table.labels.codes]


def looks_like_labels(table: Table) -> bool:
    """Whether the targets are classes, if nobody says what they are."""
    if table.labels is None or not table.labels.whole:
        return False
    distinct = table.labels.texts
    few = len(distinct) <= _MOST_CLASSES and 2 * len(distinct) < len(table.rows)
    # Text with numbers among it is more likely a column of numbers with a slip in it than labels:
    # taken for regression, the slip is reported by its row.
    said = [text for text in distinct if not is_missing(text)]
    return few and (_all_integers(distinct) or not (any(map(is_number, distinct)) or are_numbers(said)))


def refuse_either(table: Table) -> None:
    """Refuse integers of an array that are so few that they say nothing."""
    labels, rows = table.labels, len(table.rows)
    distinct = len(labels.texts) if labels is not None and labels.whole else rows
    if distinct <= _MOST_CLASSES and 2 * distinct >= rows:
        raise DataError(
            f"{table.source}: y: found {distinct} different integers in {rows} rows, which may be labels or numbers; "
            "say task='classification' or task='regression', or give y as floats"
        )


def _all_integers(cells: Iterable[str]) -> bool:
    return all(_INTEGER.fullmatch(cell) for cell in cells)


def numbers_of(table: Table, names: tuple[str, ...]) -> Floats:
    """Regression targets, float64 (S, T)."""
    if not names:
        return np.empty((len(table.rows), 0))
    hint = "; if these are labels, say task='classification'" if table.labels is not None else ""
    return number_columns(table, names, hint=hint)


def labels_of(table: Table, names: tuple[str, ...], classes: Sequence[str] | None) -> tuple[Integers, tuple[str, ...]]:
    """Class numbers, int64 (S,), and the classes they count through."""
    labels = _found_labels(table, names, classes)
    cells = labels.texts
    # Labels 1, +1 and 01 are one integer, but "01" is itself among labels such as "01" and "3a".
    if _all_integers(set(cells) if classes is None else [str(name) for name in classes]):
        cells = tuple(str(int(cell)) if _INTEGER.fullmatch(cell) else cell for cell in cells)
    if classes is None:
        distinct = set(cells)
        known = tuple(sorted(distinct, key=int) if _all_integers(distinct) else sorted(distinct))
    else:
        known = tuple(map(str, classes))
    if len(set(known)) != len(known) or len(known) < 2:
        raise DataError(
            f"{table.source}: column {quote(names[0])}: found the classes {listed(known)}, "
            "expected at least two different ones"
        )
    numbers = {name: number for number, name in enumerate(known)}
    found = np.array([numbers.get(cell, -1) for cell in cells], dtype=np.int64)[labels.codes]
    if bad := first(found < 0):
        label = quote(cells[labels.codes[bad]])
        raise DataError(f"{table.where(bad[0], names[0])}: found label {label}, expected one of {listed(known)}")
    return found, known


def _found_labels(table: Table, names: tuple[str, ...], classes: Sequence[str] | None) -> Labels:
    """The target as one label a row; what says that there is none may be one of the classes that are given."""
    if len(names) > 1:
        raise DataError(
            f"{table.source}: found {len(names)} target columns, expected one column of labels for classification; "
            "of one-hot rows that is their argmax"
        )
    name, labels = names[0], table.labels
    if labels is None:
        values = number_columns(table, names)[:, 0]
        if bad := first(values != np.rint(values)):
            raise DataError(f"{table.where(bad[0], name)}: found {values[bad]}, expected a whole number as label")
        labels = Labels.of(str(int(value)) for value in values.tolist())
    if not labels.whole:
        raise DataError(
            f"{table.source}: column {quote(name)}: found more than {MAX_LABELS:,} different labels, expected no more"
        )
    known = [] if classes is None else [*map(str, classes)]
    if (none := np.array([is_missing(text) and text not in known for text in labels.texts])).any():
        row = int(none[labels.codes].argmax())
        found = quoted(labels.texts[labels.codes[row]])
        choice = "" if known else " (missing: drop leaves such rows out)"
        raise DataError(f"{table.where(row, name)}: found {found}, expected a label{choice}")
    return labels
