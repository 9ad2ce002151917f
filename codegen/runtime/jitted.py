"""Jitted functions that look at what Python hands them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np


def without_masks(function: Any) -> Any:
    """The jitted function itself, which from now on refuses masked arrays from Python; jitted callers have none.

    Numba refuses them only while it does not know the types of the arguments: once it has compiled for plain arrays, it
    takes a masked one for such and reads what is masked. So its dispatcher gets a class that looks first.
    """
    dispatcher: Any = type(function)
    if not hasattr(dispatcher, "refuses_masks"):
        function.__class__ = _looking_first(dispatcher)
    return function


@lru_cache
def _looking_first(dispatcher: Any) -> Any:
    def call(self: Any, *arguments: Any, **named: Any) -> Any:
        for argument in arguments:
            if isinstance(argument, np.ma.MaskedArray):
                raise TypeError(f"{self.__name__} takes numpy arrays, found a MaskedArray; fill it by .filled(…)")
        return dispatcher.__call__(self, *arguments, **named)

    return type(dispatcher.__name__, (dispatcher,), {"__call__": call, "refuses_masks": True})
