"""What a call makes of its arguments: their order, and arrays and numbers as compiled code takes them.

Whatever NumPy converts without loss and without guessing is converted. What would lose digits is said by a
warning, what would lose more is refused with what to write instead.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from functools import cache
from inspect import Parameter, Signature
from keyword import iskeyword
from numbers import Integral, Real
from types import FrameType
from typing import Any
from unicodedata import normalize

import numpy as np

from codegen.emit.layout import Layout, Slot
from codegen.errors import PrecisionWarning, of_type
from codegen.masks import is_masked
from codegen.walk import fresh_name

NUMBERS = (int, float, np.integer, np.floating)
INTEGER = np.dtype(np.int64)
MISSING = ("NAType", "NaTType")
"""The types of what pandas puts where there is no number."""
DROPS = (("dropna", "fillna"), ("drop_nulls", "fill_null"))
"""How frames of pandas and of polars leave out what is missing, and fill it."""
READ_ERRORS = (TypeError, ValueError, RuntimeError, BufferError)
"""What ``__array__`` and ``__dlpack__`` of other libraries raise; PyTorch's is a RuntimeError."""

NUMERIC = "write np.asarray({name}, dtype=float)"
TEXT = f"{NUMERIC} if it says numbers, or number the classes by np.unique({{name}}, return_inverse=True)[1]"
INSTEAD: Mapping[str, str] = {
    "c": "write {name}.real if the imaginary part does not matter",
    "O": f"{NUMERIC} if all of them are numbers",
    "U": TEXT,
    "S": TEXT,
    "T": TEXT,
    "M": "write it in a unit: ({name} - {name}[0]) / np.timedelta64(1, 's')",
    "m": "write it in a unit: {name} / np.timedelta64(1, 's')",
    "V": "write its columns side by side, or convert it by .astype(float)",
}
"""What to write instead of an array whose dtype is of a kind that holds no real numbers."""


def describe(value: Any) -> str:
    """A value by its type, for a message."""
    if is_masked(value):
        return "a masked array"
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} with shape {value.shape}{'' if value.flags.writeable else ', read-only'}"
    return of_type(value)


# --- names and order ----------------------------------------------------------------------------------------------


def parameters(layout: Layout) -> tuple[str, ...]:
    """A name for each argument that Python can write; one whose name it cannot is called by its number."""
    names = [slot.name for slot in layout.arguments]
    plain: list[str] = []
    for number, name in enumerate(names):
        writable = name.isidentifier() and not iskeyword(name) and name != "out" and name not in plain
        plain.append(name if writable else fresh_name(f"argument{number}", {*names, *plain}).replace("'", "_"))
    return tuple(plain)


def signature(layout: Layout) -> Signature:
    """The arguments, by position or by name, and ``out``."""
    found = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in parameters(layout)]
    return Signature([*found, Parameter("out", Parameter.KEYWORD_ONLY, default=None)])


def ordered(layout: Layout, positional: Sequence[Any], named: Mapping[str, Any]) -> tuple[Any, ...]:
    """The arguments in their order, of which some are given by name. Raises ``TypeError`` as Python does.

    A name is that of the input, or what the signature has instead.
    """
    names = [slot.name for slot in layout.arguments]
    # Python normalises the names that a source file has: µ, the micro sign, arrives as the Greek letter.
    place = {normalize("NFKC", name): n for n, name in enumerate(names)}
    place |= {name: n for n, name in enumerate(parameters(layout))} | {name: n for n, name in enumerate(names)}
    found: dict[int, Any] = dict(enumerate(positional))
    for name, value in named.items():
        if (number := place.get(name)) is None:
            raise TypeError(f"unknown argument {name!r}, expected {', '.join(names)}")
        if number in found:
            raise TypeError(f"the argument {names[number]!r} is given twice")
        found[number] = value
    if missing := [name for n, name in enumerate(names) if n not in found]:
        raise TypeError(f"missing {', '.join(map(repr, missing))}, expected {', '.join(names)}")
    return tuple(found[n] for n in sorted(found))


# --- numbers and arrays -------------------------------------------------------------------------------------------


class Converter:
    """Converts the arguments of one function; that an argument loses digits is said once."""

    def __init__(self, layout: Layout, real: np.dtype[Any], words: Callable[[], Collection[str]]) -> None:
        """``words`` names the integers that are seeds: where one has its highest bit it may be unsigned too."""
        self._layout, self._real, self._words = layout, real, words
        self._said: set[str] = set()

    def __call__(self, arguments: Sequence[Any]) -> list[Any]:
        """The arguments as numbers of Python and arrays of NumPy; shapes and ranges are as they were.

        Raises ``TypeError`` for what is not real numbers, ``ValueError`` for numbers that the dtype does not have.
        """
        return list(map(self._converted, self._layout.arguments, arguments))

    def _converted(self, slot: Slot, value: Any) -> Any:
        name = slot.name
        if not slot.shape:
            return self._whole_number(name, value) if slot.kind == "integer" else self._real_number(name, value)
        if slot.kind == "integer":
            found = _read(name, value, INTEGER)
            return found.view(INTEGER) if self._is_word(name, found) else _whole_numbers(name, found)
        given = _read(name, value, self._real)
        found = _in_range(name, _numbers(name, given) if given.dtype == object else given, self._real)
        # Numbers of Python have no dtype that they could lose, but whole ones have digits.
        if isinstance(value, (list, tuple)):
            if (rounded := _rounded(value, given, self._real)) is not None:
                self._say(name, str(rounded), f"write np.asarray({name}, dtype=float) if that is meant")
        elif not _is_exact(given, self._real):
            self._say(name, str(given.dtype), f"convert it once, {name}.astype({self._real})")
        return found

    def _whole_number(self, name: str, value: Any) -> int:
        """A whole number; a seed of 64 bits as the signed one of the same bits."""
        found = _whole_number(name, value)
        return found - 2**64 if 2**63 <= found < 2**64 and name in self._words() else found

    def _is_word(self, name: str, found: np.ndarray) -> bool:
        return bool(found.dtype == np.uint64 and found.size and found.max() >= 2**63 and name in self._words())

    def _real_number(self, name: str, value: Any) -> float:
        """A number as a double."""
        given = _scalar(name, value, "a number")
        try:
            found = float(given)
        except OverflowError as error:
            raise TypeError(f"{name!r} must be a number (float64), found {describe(value)}: {error}") from error
        if is_rounded(given, self._real):
            self._say(name, str(given), f"write float({name}) if that is meant")
        return found

    def _say(self, name: str, found: str, instead: str) -> None:
        if name not in self._said:
            self._said.add(name)
            message = f"{name!r} is rounded from {found} to {self._real}; {instead}"
            if self._real != np.float64:
                message += ", or compile with dtype='float64'"
            warnings.warn(message, PrecisionWarning, stacklevel=_users_level())


def is_rounded(value: Any, wanted: np.dtype[Any]) -> bool:
    """Whether a whole number has more digits than a dtype, or is beyond its range."""
    if not isinstance(value, Integral):
        return False
    try:
        with np.errstate(over="ignore"):
            return float(wanted.type(value)) != int(value)
    except OverflowError:
        return True


def _rounded(value: Sequence[Any], read: np.ndarray, wanted: np.dtype[Any]) -> Integral | None:
    """The first whole number in lists that a dtype does not hold; they are searched if there is a large one at all."""
    if read.dtype != object and (not read.size or np.abs(read).max() < _largest_whole(wanted)):
        return None
    return next((item for item in np.asarray(value, object).flat if is_rounded(item, wanted)), None)


def _users_level() -> int:
    """How many frames above the caller of this function the first one outside of the compiler is."""
    frame: FrameType | None = sys._getframe(1)
    level = 1
    while frame is not None and frame.f_globals.get("__name__", "").startswith("codegen."):
        frame, level = frame.f_back, level + 1
    return level


def _read(name: str, value: Any, wanted: np.dtype[Any]) -> np.ndarray:
    """A value as an array of real numbers, of whatever dtype."""
    expected = f"{name!r} must be a numpy array of {wanted}"
    if is_masked(value):
        raise TypeError(f"{expected}, found a masked array; fill what is masked by {name}.filled(…)")
    try:
        foreign = hasattr(value, "__dlpack__") and not hasattr(value, "__array__")
        found: np.ndarray = np.from_dlpack(value) if foreign else np.asarray(value)
    except READ_ERRORS as error:
        raise TypeError(f"{expected}, found {describe(value)} that cannot be read as one: {error}") from error
    if found.dtype.kind in "biuf" or np.can_cast(found.dtype, wanted, "safe"):
        if found.dtype.kind == "f" and found.shape and _may_lack(value) and np.isnan(found).any():
            place = ", ".join(map(str, np.argwhere(np.isnan(found))[0]))
            raise TypeError(
                f"{expected}, found nothing at [{place}], which is no number; {_without_missing(name, value)}"
            )
        return found
    if found.shape and found.dtype == object and _are_numbers(name, expected, value, found):
        return found
    if not found.shape and found.dtype == object:
        hint = f"; write {name}.toarray()" if hasattr(value, "toarray") else ""
        raise TypeError(f"{expected}, found {describe(value)}{hint}")
    texts = found.dtype == object and all(isinstance(item, str) for item in found.flat)
    kind = "texts" if texts else "Python objects" if found.dtype == object else str(found.dtype)
    what = describe(value) if isinstance(value, np.ndarray) else f"{describe(value)} of {kind}"
    raise TypeError(f"{expected}, found {what}; {INSTEAD['U' if texts else found.dtype.kind].format(name=name)}")


def _are_numbers(name: str, expected: str, value: Any, found: np.ndarray) -> bool:
    """Whether every object of an array is a real number; refuses what stands for none, as pandas has it in Int64."""
    for place, item in np.ndenumerate(found):
        if item is None or type(item).__name__ in MISSING:
            at = ", ".join(map(str, place))
            raise TypeError(f"{expected}, found {item} at [{at}], which is no number; {_without_missing(name, value)}")
    return all(isinstance(item, (Real, Decimal)) for item in found.flat)


def _may_lack(value: Any) -> bool:
    """Whether nan may stand for no number: in columns of pandas that NumPy has no dtype for, in any of polars."""
    if hasattr(value, "null_count"):
        return bool(np.any(np.asarray(value.null_count())))
    dtypes = getattr(value, "dtypes", None)
    return dtypes is not None and not all(isinstance(d, np.dtype) for d in np.ravel(np.asarray(dtypes, object)))


def _without_missing(name: str, value: Any) -> str:
    drop, fill = next(((a, b) for a, b in DROPS if hasattr(value, a) and hasattr(value, b)), ("", ""))
    if not drop:
        return "leave such rows out, or fill them"
    return f"leave such rows out, {name}.{drop}(), or fill them, {name}.{fill}(…)"


def _numbers(name: str, found: np.ndarray) -> np.ndarray:
    """An array of objects that are real numbers: int64 if all are whole numbers of Python's, else float64."""
    whole = all(isinstance(value, Integral) for value in found.flat)
    try:
        return found.astype(INTEGER if whole else np.float64)
    except OverflowError as error:
        raise ValueError(f"{name!r} holds a number beyond the range of {'int64' if whole else 'float64'}") from error


def _is_exact(found: np.ndarray, wanted: np.dtype[Any]) -> bool:
    """Whether a dtype holds the numbers of an array: all of a narrower one, whole numbers as far as its digits go."""
    if found.dtype == object:
        return all(value != value or float(wanted.type(value)) == value for value in found.flat)
    if found.dtype.kind in "iu" and found.size:
        limit = _largest_whole(wanted)
        return bool(-limit <= int(found.min()) and int(found.max()) <= limit)
    return np.can_cast(found.dtype, wanted, "safe")


@cache
def _largest_whole(dtype: np.dtype[Any]) -> int:
    """Up to it a dtype of real numbers holds every whole number."""
    digits = int(np.finfo(dtype).nmant) + 1
    return int(2**digits)


def _in_range(name: str, found: np.ndarray, wanted: np.dtype[Any]) -> np.ndarray:
    """An array in another dtype, C-contiguous and aligned; a finite number stays finite."""
    with np.errstate(over="ignore"):
        array = np.require(found, wanted, ("C", "A"))
    if array.dtype != found.dtype and (lost := np.isinf(array) & np.isfinite(found)).any():
        raise ValueError(f"{name!r} holds {found[lost].flat[0]}, which is beyond the range of {wanted}")
    return array


def _whole_numbers(name: str, found: np.ndarray) -> np.ndarray:
    """An array of whole numbers as integers of 64 bits."""
    found = _numbers(name, found) if found.dtype == object else found
    if found.dtype != INTEGER:
        numbers = found.astype(np.result_type(found, np.float64)) if found.dtype.kind == "f" else found
        wrong = (numbers < -(2**63)) | (numbers > 2**63 - 1)
        if numbers.dtype.kind == "f":
            wrong |= (numbers != np.floor(numbers)) | (numbers == 2.0**63)
        if wrong.any():
            place = tuple(map(int, np.argwhere(wrong)[0]))
            at = ", ".join(map(str, place))
            raise ValueError(f"{name!r} must hold whole numbers of 64 bits, found {found[place]} at [{at}]")
    return np.require(found, INTEGER, ("C", "A"))


def _whole_number(name: str, value: Any) -> int:
    found = _scalar(name, value, "a whole number")
    if not isinstance(found, (int, np.integer)) and not float(found).is_integer():
        raise TypeError(f"{name!r} must be a whole number (int64), found {value}")
    return int(found)


def _scalar(name: str, value: Any, what: str) -> Any:
    """A value that is one real number: a number, an array without axes, or what says which number it is."""
    if isinstance(value, NUMBERS):
        return value
    expected = f"{name!r} must be {what}"
    if hasattr(value, "__array__") or hasattr(value, "__dlpack__"):
        found = _read(name, value, np.dtype(np.float64))
        if found.shape:
            shape = "" if isinstance(value, np.ndarray) else f" with shape {found.shape}"
            hint = f"; write {name}.item()" if found.size == 1 else ""
            raise TypeError(f"{expected}, found {describe(value)}{shape}{hint}")
        return found.item()
    if isinstance(value, (str, bytes)) or not hasattr(value, "__float__"):
        raise TypeError(f"{expected}, found {describe(value)}")
    try:
        return float(value)
    except TypeError as error:
        raise TypeError(f"{expected}, found {describe(value)}: {error}") from error
