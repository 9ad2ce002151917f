"""Functions of the user's that are called while something runs: they may end it, and what they raise loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np

State = TypeVar("State")


def asks_to_stop(callback: Callable[[State], object], state: State) -> bool:
    """Call it, and whether it asks to stop: it returns True or, as SciPy's callbacks do, raises ``StopIteration``.

    Any other answer means to go on, so that a method such as ``list.append`` or ``dict.setdefault`` serves too.

    >>> asks_to_stop(lambda loss: loss < 0.1, 0.05), asks_to_stop([].append, 0.05)
    (True, False)
    """
    try:
        answer = callback(state)
    except StopIteration:
        return True
    return isinstance(answer, (bool, np.bool_)) and bool(answer)


def hand_over(error: BaseException, name: str, found: object) -> None:
    """Give an error that ends a run an attribute with what the run has found, and say so in a note.

    The error stays of its own kind: who catches it by its class still does.

    >>> try:
    ...     raise ZeroDivisionError("division by zero")
    ... except ZeroDivisionError as error:
    ...     hand_over(error, "result", 42)
    ...     print(error.result, error.__notes__)
    42 ['What was found until then is in the attribute `result` of this error.']
    """
    setattr(error, name, found)
    error.add_note(f"What was found until then is in the attribute `{name}` of this error.")
