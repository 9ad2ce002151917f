"""How many steps lie between checkpoints: a number, or the square root of all."""

from __future__ import annotations

from reprlib import repr as short
from typing import Literal

from codegen.errors import EmitError

Checkpoint = int | Literal["sqrt"] | None
"""The number of steps from one checkpoint to the next, or its square root of all; None keeps all steps."""


LONGEST = 2**48
"""More steps than an address space has numbers: a block of so many has all of them."""


def checkpoint_of(given: object) -> Checkpoint:
    """A user's wish, checked; raises :class:`EmitError` for what is none.

    >>> checkpoint_of(100), checkpoint_of("sqrt"), checkpoint_of(10**30) == LONGEST
    (100, 'sqrt', True)
    """
    if given is None:
        return None
    if isinstance(given, str) and given == "sqrt":
        return "sqrt"
    if isinstance(given, int) and not isinstance(given, bool) and given >= 1:
        return min(given, LONGEST)
    # Python writes no integer of more than 4,300 digits.
    shown = "a number below 0" if isinstance(given, int) and given < -LONGEST else short(given)
    raise EmitError(f"checkpoint: found {shown}, expected a whole number of steps of at least 1, 'sqrt' or None")
