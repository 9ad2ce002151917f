"""Sequences of unequal lengths as one array: their steps one below the other, and how many each has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symnn.arrays import Integers, as_array
from symnn.errors import DataError
from symnn.suggest import quote

MOST = 2**31
"""The longest sequence that is believed."""


def one_below_the_other(where: str, given: Any) -> tuple[NDArray[Any], Integers]:
    """The steps (N, …) of sequences, and their lengths (S,), from a list of arrays (T, …) or from an array (S, T, …).

    >>> one_below_the_other("x", [[[1.0], [2.0]], [[3.0]]])
    (array([[1.],
           [2.],
           [3.]]), array([2, 1]))

    Raises :class:`DataError` for sequences without a step, and for steps that differ in shape.
    """
    if not isinstance(given, (list, tuple)):
        whole = as_array(where, given)
        if whole.ndim < 2:
            raise DataError(f"{where}: found shape {whole.shape}, expected a list of sequences, or an array (S, T, …)")
        given = [*whole]
    parts = [as_array(f"{where}[{number}]", part) for number, part in enumerate(given)]
    if not parts:
        raise DataError(f"{where}: found no sequences, expected at least one")
    for number, part in enumerate(parts):
        if part.ndim == 0 or len(part) == 0 or part.shape[1:] != parts[0].shape[1:]:
            like = ", ".join(("T", *map(str, parts[0].shape[1:])))
            raise DataError(
                f"{where}[{number}]: found shape {part.shape}, expected ({like}) with T of at least 1, as that of the "
                "first sequence"
            )
    return np.concatenate(parts), np.array([len(part) for part in parts], np.int64)


def steps_of(where: str, given: Any, lengths: Integers | None) -> NDArray[Any]:
    """The steps (N, …) of sequences that have these lengths, where they are known.

    >>> steps_of("y", [[0, 1], [1]], np.array([1, 1]))
    Traceback (most recent call last):
    symnn.errors.DataError: y[0]: found 2 steps, expected 1, as many as x has
    """
    steps, found = one_below_the_other(where, given)
    if lengths is not None and len(found) != len(lengths):
        raise DataError(f"{where}: found {len(found):,} sequences, expected {len(lengths):,}, as many as x has")
    if lengths is not None and (wrong := np.flatnonzero(found != lengths)).size:
        at = int(wrong[0])
        raise DataError(f"{where}[{at}]: found {found[at]} steps, expected {lengths[at]}, as many as x has")
    return steps


def is_sequences(given: Any) -> bool:
    """Whether this is a list of arrays that no one array holds, for they have different lengths.

    >>> is_sequences([np.zeros((2, 3)), np.zeros((4, 3))]), is_sequences([[0, 1], [1, 0]])
    (True, False)
    """
    if not isinstance(given, (list, tuple)) or not all(isinstance(part, np.ndarray) and part.ndim for part in given):
        return False
    return len({len(part) for part in given}) > 1


def checked_lengths(where: str, given: Any, steps: int | None = None) -> Integers:
    """How many steps each sequence has, of so many in all.

    >>> checked_lengths("lengths", [2, 2], 3)
    Traceback (most recent call last):
    symnn.errors.DataError: lengths: found 4 steps in all, expected 3, as there are rows
    """
    found = as_array(where, given)
    whole = found.dtype.kind in "iuf" and found.ndim == 1 and bool((found == np.rint(found)).all())
    if not whole or not len(found) or found.min() < 1 or found.max() > MOST:
        raise DataError(f"{where}: found {quote(given)}, expected a whole number of at least 1 for each sequence")
    total = sum(map(int, found.tolist()))
    if steps is not None and total != steps:
        raise DataError(f"{where}: found {total:,} steps in all, expected {steps:,}, as there are rows")
    return found.astype(np.int64)


def rows_of(samples: Integers, lengths: Integers) -> Integers:
    """The rows at which the steps of these samples stand, one sample after the other.

    >>> rows_of(np.array([2, 0]), np.array([2, 1, 3]))
    array([3, 4, 5, 0, 1])
    """
    ends, counts = np.cumsum(lengths), lengths[samples]
    begins = np.cumsum(counts) - counts
    found: Integers = np.repeat((ends - lengths)[samples] - begins, counts) + np.arange(counts.sum())
    return found


def by_length(lengths: Integers) -> Iterator[tuple[int, Integers]]:
    """Each length, from the shortest, and the numbers of the samples that have it.

    >>> [(length, samples.tolist()) for length, samples in by_length(np.array([3, 1, 3]))]
    [(1, [1]), (3, [0, 2])]
    """
    order = np.argsort(lengths, kind="stable")
    found, begins = np.unique(lengths[order], return_index=True)
    return zip(found.tolist(), np.split(order, begins[1:]))


def firsts(lengths: Integers) -> Integers:
    """The rows of the first steps.

    >>> firsts(np.array([3, 1, 3]))
    array([0, 3, 4])
    """
    found: Integers = np.cumsum(lengths) - lengths
    return found


def runs(names: Sequence[Any] | NDArray[Any]) -> Integers:
    """The lengths of the runs of equal entries.

    >>> runs(np.array([4, 4, 7, 7, 7, 4]))
    array([2, 3, 1])
    """
    values = np.asarray(names)
    begins = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    found: Integers = np.diff(np.append(begins, len(values)))
    return found
