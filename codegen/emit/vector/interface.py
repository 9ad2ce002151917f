"""What loading machine code has to know about it: the names of its entry points, and the words that they read.

Apart from the code that writes them, so that a process which only loads does not import that.
"""

from __future__ import annotations

from enum import IntEnum

from codegen.emit.layout import Layout

NATIVE = "symnn"
"""What the names of the entry points begin with."""
NAMES = ("call", "keyword", "bound", "workspace", "fill")
"""The entry points: of Python's C interface, but for the last two, which are plain C."""
NAMES_FOR_THREADS = ("bind", "part", "finish")
"""The entry points by which several threads share a call: a tenth of what compiling a small network takes, so code for
one thread has none."""
FEW, LATER = f"{NATIVE}_few", f"{NATIVE}_later"
"""Where code for few samples is compiled when it is first needed: the variable that holds its address from then on, and
the one with the address of ``void later()``, which compiles it and enters it there."""
FEW_RUN = f"{NATIVE}_few_run"
"""That code: ``run(words, results)``."""


class Record(IntEnum):
    """The words that an entry point needs to know, by position; bound calls have a table behind them."""

    ARRAY_TYPE = 0
    """The address of ``numpy.ndarray``."""
    REAL = 1
    """The address of the dtype of real arrays, and next to it of integer arrays."""
    INTEGER = 2
    POOL = 3
    """The address of the address of the first free workspace; each begins with that of the next and its own size."""
    CHUNKS = 4
    """Into how many chunks the samples are cut, and next to it the bytes of the three workspaces."""
    SHARED, PRIVATE, SCRATCH = 5, 6, 7
    TUPLE_TYPE, OUT, FALSE = 8, 9, 10
    """The addresses of ``tuple``, of the interned name ``"out"`` and of ``False``."""
    NUMBERS, REAL_NUMBERS = 11, 13
    """The addresses of the types of numbers that are taken as they are, whole ones first."""
    LAST = 16
    """Where a table begins."""


WORKSPACES = ("shared", "private", "scratch")


def words(extents: int, layout: Layout) -> int:
    """The number of words in the table of a layout with so many symbolic extents."""
    return len(layout.arguments) + len(layout.arrays) + extents + len(WORKSPACES)


class Batches(IntEnum):
    """The words that a loop over minibatches needs to know, by position."""

    EVALUATE, EVALUATE_TABLE, EVALUATE_WORKSPACE = 0, 1, 2
    """The address of the function that is called on a batch, and next to it of its table and its workspace."""
    UPDATE, UPDATE_TABLE, UPDATE_WORKSPACE = 3, 4, 5
    """The same of the function that is called on the gradient."""
    SIZE = 6
    """The rows of a batch."""
    VECTOR_BYTES = 7
    COUNTERS = 8
    """The address of the number of steps made and, next to it, of the rows they were made on."""
    REFUSED = 9
    """1 if the integers of the last batch were out of range, else 0."""
    FIRST_SOURCE, FIRST_ROW = 10, 11
    """The address of an array whose rows are gathered and the bytes of a row, and so on for each array."""
