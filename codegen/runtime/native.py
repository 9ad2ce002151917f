"""The entry points of compiled code as built-in functions of Python: no wrapper between a call and the code."""

from __future__ import annotations

import ctypes
import sys
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from codegen.emit.layout import Layout
from codegen.emit.vector.interface import Record, words
from codegen.runtime.threads import distribute

FASTCALL, KEYWORDS = 0x0080, 0x0002
"""``METH_FASTCALL`` and ``METH_KEYWORDS`` of methodobject.h."""


ALIGNMENT = 64
NUMBERS = (int, np.int64, float, np.float64, np.float32)
"""The types of numbers that are taken as they are."""
assert len(NUMBERS) == Record.LAST - Record.NUMBERS
OUT = sys.intern("out")


_new = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p, ctypes.c_void_p)(
    ("PyCMethod_New", ctypes.pythonapi)
)
_free = ctypes.PYFUNCTYPE(None, ctypes.c_size_t)(("PyMem_RawFree", ctypes.pythonapi))


class Held(tuple[Any, ...]):
    """What a bound function holds. Python pickles a built-in function as an attribute of its ``self``: as one of what
    stands in front of the arguments, which binds anew."""

    __slots__ = ()

    def __reduce__(self) -> Any:
        return self[1].__reduce__()


def builtin(
    name: str, address: int, self_: tuple[Any, ...], flags: int = FASTCALL, held: type[tuple[Any, ...]] = tuple
) -> Callable[..., Any]:
    """A built-in function at an address; ``self_`` is handed to it and lives as long as it does.

    Its ``PyMethodDef`` (name, function, flags, doc) is read once more when the function goes. It lies in an array that
    the garbage collector leaves alone: of a circle with a structure of ctypes in it, it may clear that first.
    """
    called = np.frombuffer(name.encode() + b"\0", np.uint8)
    definition = np.array([called.ctypes.data, address, flags, 0], np.uint64)
    found: Callable[..., Any] = _new(definition.ctypes.data, held((*self_, called, definition)), None, None)
    return found


class Pool:
    """Free workspaces, a linked list that compiled code takes from and gives back to; freed with the pool."""

    def __init__(self) -> None:
        head = np.zeros(1, np.int64)
        self.address = head.ctypes.data
        weakref.finalize(self, _release, head).atexit = False


def _release(head: np.ndarray) -> None:
    block = int(head[0])
    while block:
        following = ctypes.c_size_t.from_address(block).value
        _free(block)
        block = following


class Native:
    """The entry points of one module: ``call``, :meth:`bind`, and :meth:`in_threads`."""

    def __init__(self, code: object, addresses: Mapping[str, int], dtype: str, extents: int, layout: Layout) -> None:
        self._addresses = addresses
        self._words = words(extents, layout)
        self._pool = Pool()
        # What entry points must not outlive: their machine code, and the objects whose addresses a record holds.
        self._held = (code, self._pool, np.ndarray, np.dtype(dtype), np.dtype(np.int64))
        self.call = builtin("call", addresses["call"], (self._record(0), *self._held))
        """``call(*arguments, *arrays)``: the results, or False if anything is not as it should be."""

    def with_keyword(self, by_position: Callable[..., Any], otherwise: Callable[..., Any]) -> Callable[..., Any]:
        """``call(*arguments, out=arrays)`` without detours.

        ``by_position`` gets what is called without names, ``otherwise`` what is called or fits differently.
        """
        held = (self._record(0), by_position, otherwise, *self._held)
        return builtin("__call__", self._addresses["keyword"], held, FASTCALL | KEYWORDS)

    def bind(
        self, arguments: Sequence[Any], arrays: Sequence[np.ndarray], otherwise: Callable[[], Any]
    ) -> Callable[[], Any] | None:
        """A function without arguments on these arrays; None if anything is not as it should be.

        ``otherwise`` is called instead when they no longer are.
        """
        if self.call(*arguments, *arrays) is False:
            return None
        everything = (self._record(0), otherwise, *arguments, *arrays, *self._held)
        return builtin("bound", self._addresses["bound"], everything, held=Held)

    def in_threads(self, threads: int, arguments: Sequence[Any], arrays: Sequence[np.ndarray]) -> Any:
        """As ``call``, the chunks of samples shared among threads; a single chunk starts none."""
        held = self._tabulated(arguments, arrays)
        if held is None:
            return False
        record = held[0]
        chunks, shared, private, scratch = map(int, record[Record.CHUNKS : Record.SCRATCH + 1])
        if chunks == 1:
            return self.call(*arguments, *arrays)
        memory = np.empty(ALIGNMENT + shared + private + (chunks - 1) * scratch, np.uint8)
        start = -(-memory.ctypes.data // ALIGNMENT) * ALIGNMENT
        record[-3:] = start, start + shared, start + shared + private
        part = builtin("part", self._addresses["part"], held)
        if not part(-1, start + shared):
            return False
        free: list[np.ndarray] = []

        def run(number: int) -> None:
            # A variable of this frame holds it: what else holds memory (a thread's own, say) lets go of it at the
            # interpreter's end, while a thread that is not waited for may still be writing.
            try:
                own = free.pop()
            except IndexError:
                own = np.empty(ALIGNMENT + private, np.uint8)
            part(number, -(-own.ctypes.data // ALIGNMENT) * ALIGNMENT)
            free.append(own)

        distribute(chunks, threads, run)
        return builtin("finish", self._addresses["finish"], held)()

    def _tabulated(self, arguments: Sequence[Any], arrays: Sequence[np.ndarray]) -> tuple[Any, ...] | None:
        """What the parts of a call hold: a record with a table of these arrays, and the arrays."""
        record = self._record(self._words)
        held = (record, *arrays, *arguments, *self._held)
        return held if builtin("bind", self._addresses["bind"], held)(*arguments, *arrays) else None

    def _record(self, words: int) -> np.ndarray:
        record = np.zeros(Record.LAST + words, np.int64)
        record[Record.ARRAY_TYPE], record[Record.REAL], record[Record.INTEGER] = map(id, self._held[2:])
        record[Record.POOL] = self._pool.address
        record[Record.TUPLE_TYPE], record[Record.OUT], record[Record.FALSE] = id(tuple), id(OUT), id(False)
        record[Record.NUMBERS : Record.LAST] = [id(type_) for type_ in NUMBERS]
        return record
