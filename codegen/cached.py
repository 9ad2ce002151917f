"""What is worked out when it is first needed, and kept with the object that it is about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache, wraps
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")
Of = TypeVar("Of")


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


class Recent(Generic[T]):
    """A function of one argument with its last eight results, as ``lru_cache`` keeps them, which can be pickled.

    >>> size = Recent(abs)
    >>> size(-3), size(-3)
    (3, 3)
    """

    def __init__(self, function: Callable[[Any], T]) -> None:
        self.function = function
        self._kept = lru_cache(maxsize=8)(function)

    def __call__(self, argument: Any) -> T:
        return self._kept(argument)

    def __reduce__(self) -> tuple[type[Recent[T]], tuple[Callable[[Any], T]]]:
        return type(self), (self.function,)


@dataclass(frozen=True)
class Fields:
    """Copied and pickled by its fields alone: what was worked out is in part by the identity of nodes in them."""

    def __getstate__(self) -> dict[str, object]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


def once(function: Callable[[Of], T]) -> Callable[[Of], T]:
    """A function of one immutable object whose result stays with the object: as ``cached_property`` for other modules.

    The memo is by identity and goes when the object goes.

    >>> class Word(str):
    ...     pass
    >>> @once
    ... def length(word: Word) -> int:
    ...     print("counting")
    ...     return len(word)
    >>> word = Word("layer")
    >>> length(word), length(word)
    counting
    (5, 5)
    """
    name = f"{function.__module__}.{function.__qualname__}"

    @wraps(function)
    def remembered(instance: Of) -> T:
        results = instance.__dict__
        if name not in results:
            results.setdefault(name, function(instance))
        value: T = results[name]
        return value

    return remembered
