"""Jitted functions that look at what Python hands them, and can be pickled."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np


def with_care(function: Any, again: Callable[[], object]) -> Callable[..., Any]:
    """The jitted function itself, which from now on refuses masked arrays from Python; jitted callers have none.

    Numba refuses them only while it does not know the types of the arguments: once it has compiled for plain arrays, it
    takes a masked one for such and reads what is masked. So its dispatcher gets a class that looks first, and that is
    pickled as an attribute of what ``again`` makes.
    """
    dispatcher: Any = type(function)
    if not hasattr(dispatcher, "refuses_masks"):
        function.__class__, function.again = _looking_first(dispatcher), again
    found: Callable[..., Any] = function
    return found


@lru_cache
def _looking_first(dispatcher: Any) -> Any:
    def call(self: Any, *arguments: Any, **named: Any) -> Any:
        for argument in arguments:
            if isinstance(argument, np.ma.MaskedArray):
                raise TypeError(f"{self.__name__} takes numpy arrays, found a MaskedArray; fill it by .filled(…)")
        return dispatcher.__call__(self, *arguments, **named)

    def reduced(self: Any) -> tuple[Any, ...]:
        return _made_again, (self.again, self.__name__)

    members = {"__call__": call, "__reduce__": reduced, "refuses_masks": True}
    return type(dispatcher.__name__, (dispatcher,), members)


def _made_again(again: Callable[[], object], name: str) -> Any:
    return getattr(again(), name)
