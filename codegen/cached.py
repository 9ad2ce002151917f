"""Attributes that are worked out when they are first needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class cached_property(Generic[T]):  # noqa: N801 (as functools has it)
    """As :class:`functools.cached_property`, without the lock that Python 3.11 holds meanwhile, one for all instances.

    A process that is forked while another thread of its parent is inside inherits that lock, and waits for it for ever.
    Two threads may work the same value out at once; both get the one that was ready first.

    >>> class Answer:
    ...     @cached_property
    ...     def value(self) -> int:
    ...         print("thinking")
    ...         return 42
    >>> answer = Answer()
    >>> answer.value, answer.value
    thinking
    (42, 42)
    """

    def __init__(self, function: Callable[[Any], T]) -> None:
        self.function = function
        self.__doc__ = function.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, instance: None, owner: type) -> cached_property[T]: ...

    @overload
    def __get__(self, instance: object, owner: type) -> T: ...

    def __get__(self, instance: object | None, owner: type) -> T | cached_property[T]:
        if instance is None:
            return self
        value: T = instance.__dict__.setdefault(self.name, self.function(instance))
        return value
