"""Code that is compiled when it is first needed, by the code that needs it.

Machine code has two variables for it: the address of the code that it lacks, and that of a function which compiles it.
A quarter of what a network takes to compile is for up to three samples, and training never has so few.
"""

from __future__ import annotations

import _thread
import ctypes
import threading
import weakref
from collections.abc import Callable
from functools import partial

from codegen.emit.vector.interface import FEW, FEW_RUN, LATER
from codegen.runtime.forks import compiling
from codegen.runtime.machine import MachineCode


class Later:
    """The code for few samples of some machine code; the interpreter's lock is taken by whoever asks for it."""

    def __init__(self, code: MachineCode, compiled: Callable[[], MachineCode]) -> None:
        self._place = code.variable(FEW)
        self._compiled: Callable[[], MachineCode] | None = compiled
        self._made: MachineCode | None = None
        self._lock = threading.RLock()
        # It must not keep alive what keeps it alive.
        self._asked = ctypes.CFUNCTYPE(None)(partial(_prepare, weakref.ref(self)))
        code.variable(LATER).value = ctypes.cast(self._asked, ctypes.c_void_p).value or 0

    def prepare(self) -> None:
        """Compile it now: for callers that cannot wait for the interpreter."""
        with compiling(), self._lock:
            if self._compiled is not None:
                self._made, self._compiled = self._compiled(), None
                self._place.value = self._made.addresses[FEW_RUN]


def _prepare(reference: weakref.ref[Later]) -> None:
    """Compile it for code that needs it, whose holder holds what is referred to.

    Ctrl-C is raised behind the call: code for any number of samples runs instead.
    """
    later = reference()
    assert later is not None
    try:
        later.prepare()
    except KeyboardInterrupt:
        # From here it would be ignored; another thread runs when the interpreter's lock has been given back.
        _thread.start_new_thread(_thread.interrupt_main, ())
