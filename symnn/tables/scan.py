"""The numbers of a large text table, read by compiled code: one pass over the bytes, the same bits as ``float``.

Decimal numbers are rounded as in Lemire, "Number parsing at a gigabyte per second", Software: Practice and Experience
51 (2021): one product with a power of five of 128 bits, and Clinger's exact way where the digits fit 53 bits. Whatever
is no plain number of at most 19 digits, or lies near the ends of float64, is left to the caller, cell by cell.
The function is written as text, by which the cache on disk knows it. Numba compiles it; what is kept is machine code
that needs no Numba, whose import and tables would take three times as long as the numbers of 30 MB.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGE = 1 << 23
"""From this many bytes on a file is worth the compiled reader: its first use compiles for 1 to 3 s, later ones load."""

_POWERS = range(-300, 291)


@dataclass(frozen=True, eq=False)
class Scanned:
    """The cells of a table of text without quotes.

    numbers: float64 (rows, columns), nan where a cell is odd: not a plain number. lines: the line of each row, the
    first of the bytes being line 1; next_line: the one that would follow. odd: the numbers of odd cells, counted along
    the rows; starts, ends: where they lie in the bytes. kept_starts, kept_ends: where the cells of the kept column lie,
    (rows,) or empty.
    """

    numbers: NDArray[np.float64]
    lines: NDArray[np.int64]
    next_line: int
    odd: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    kept_starts: NDArray[np.int64]
    kept_ends: NDArray[np.int64]


def scan(data: bytes, columns: int, separator: str, decimal: str, kept: int | None) -> Scanned | None:
    """Read a table whose rows end in line feeds; None where its form is not that of ``columns`` cells a row.

    Blank lines are passed over; a carriage return may stand before a line feed. ``kept``: the column whose bounds are
    returned, if any.

    >>> found = scan(b"1,-2.5e3\\n0.1,red\\n", 2, ",", ".", None)
    >>> found.numbers.tolist(), found.lines.tolist(), found.odd.tolist()
    ([[1.0, -2500.0], [0.1, nan]], [1, 2], [3])
    """
    # A cell takes a byte at least, with what ends it, and blank lines are no rows; the last row may break off.
    rows = (len(data) + 1) // columns + 1
    cells = rows * columns
    numbers, lines = np.empty((rows, columns)), np.empty(rows, dtype=np.int64)
    # Memory that is not written to is never taken from the system.
    odd, starts, ends = (np.empty(cells, dtype=np.int64) for _ in range(3))
    bounds = [np.empty(0 if kept is None else rows, dtype=np.int64) for _ in range(2)]
    found = np.zeros(3, dtype=np.int64)
    content = np.frombuffer(data, dtype=np.uint8)
    arrays = numbers, numbers, lines, odd, starts, ends, *bounds, found
    settings = len(data), ord(separator), ord(decimal), columns, -1 if kept is None else kept
    _compiled()(
        content.ctypes.data,
        *settings,
        *(powers.ctypes.data for powers in _powers_of_five()),
        *(array.ctypes.data for array in arrays),
    )
    count, odd_count, next_line = found.tolist()
    if count < 0:
        return None
    kept_starts, kept_ends = (values[:count] for values in bounds)
    odds = odd[:odd_count], starts[:odd_count], ends[:odd_count]
    return Scanned(numbers[:count], lines[:count], next_line, *odds, kept_starts, kept_ends)


@lru_cache(maxsize=1)
def _powers_of_five() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """The first 128 bits of 5**q, as two halves, for q in ``_POWERS``; reciprocals are rounded up."""
    powers = [_leading_bits(q) for q in _POWERS]
    high, low = ([p >> 64 for p in powers], [p & (2**64 - 1) for p in powers])
    return np.array(high, dtype=np.uint64), np.array(low, dtype=np.uint64)


def _leading_bits(q: int) -> int:
    """
    >>> _leading_bits(0) == _leading_bits(1) * 8 // 10 == 2**127
    True
    """
    power: int = 5 ** abs(q)
    if q < 0:
        power = 2 ** (2 * power.bit_length() + 128) // power + 1
    shift = power.bit_length() - 128
    return power >> shift if shift >= 0 else power << -shift


_SYMBOL = "symnn_scan"
_ARGUMENTS = [ctypes.c_void_p, *[ctypes.c_int64] * 5, *[ctypes.c_void_p] * 11]


@lru_cache(maxsize=1)
def _compiled() -> Callable[..., object]:
    """The function as C calls it, from the cache if it is there; a call releases the interpreter's lock."""
    from codegen.runtime.cache import Entry, entry, key
    from codegen.runtime.forks import compiling
    from codegen.runtime.machine import compile_module, load_object

    source = _SOURCE.replace("FIRST_POWER", str(_POWERS.start)).replace("LAST_POWER", str(_POWERS[-1]))

    def build() -> Entry:
        facts = {"schedule": "loops", "emitter": "numba", "workspace": "0", "calls": ""}
        return Entry(facts, compile_module(_without_numba(source)))

    @compiling()
    def loaded() -> Any:
        return load_object(entry(key(source), True, build)[0].code, [_SYMBOL])

    code = loaded()
    # Of a function without a result Numba's own convention has two places more, for a value and for an error.
    run = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, *_ARGUMENTS)(code.addresses[_SYMBOL])
    places = np.zeros(2, dtype=np.int64)
    held = code, places  # machine code lives as long as the function
    return lambda *arguments: run(held[1].ctypes.data, held[1].ctypes.data + 8, *arguments)


def _without_numba(source: str) -> str:
    """The function in LLVM's language, without the wrapper by which it would tell Python of errors that it has not."""
    namespace: dict[str, Any] = {}
    exec(compile(source, "<symnn scan>", "exec"), namespace)
    wrapped = namespace["run"]
    text = re.sub(r"^define (?=[^@]*@cfunc\.)", "define internal ", wrapped.inspect_llvm(), flags=re.MULTILINE)
    # Longest first: the wrapper's name ends in the function's.
    name = wrapped.native_name
    return text.replace(name, f"{_SYMBOL}_wrapper").replace(name.removeprefix("cfunc."), _SYMBOL)


_SOURCE = '''"""The numbers of a table of text."""

import numpy as np
from numba import cfunc, njit, types, uint64

BYTES, REALS, BITS, PLACES = map(types.CPointer, (types.uint8, types.float64, types.uint64, types.int64))
EXACT = np.array([10.0**n for n in range(23)])


@njit
def rounded_bits(w, q, high, low):
    """The bits of the float64 nearest to w·10**q, for 0 < w, or 0 where this cannot tell."""
    lead = 0
    while w >> uint64(56) == uint64(0):
        w <<= uint64(8)
        lead += 8
    while w >> uint64(63) == uint64(0):
        w <<= uint64(1)
        lead += 1
    half = uint64(32)
    mask = uint64(0xFFFFFFFF)
    upper, lower = uint64(0), uint64(0)
    for step in range(2):
        factor = high[q - FIRST_POWER] if step == 0 else low[q - FIRST_POWER]
        a, b, c, d = w >> half, w & mask, factor >> half, factor & mask
        middle = (b * d >> half) + (a * d & mask) + b * c
        top = a * c + (a * d >> half) + (middle >> half)
        if step == 0:
            upper, lower = top, (middle << half) | (b * d & mask)
            if upper & uint64(0x1FF) != uint64(0x1FF):
                break
        else:
            lower += top
            if lower < top:
                upper += uint64(1)
    if lower == ~uint64(0) and not -27 <= q <= 55:
        return uint64(0)
    carry = upper >> uint64(63)
    shift = carry + uint64(9)
    mantissa = upper >> shift
    exponent = ((217706 * q) >> 16) + 63 + types.int64(carry) - lead + 1023
    if exponent < 1 or exponent > 2045:
        return uint64(0)
    if lower <= uint64(1) and -4 <= q <= 23 and mantissa & uint64(3) == uint64(1) and mantissa << shift == upper:
        mantissa &= ~uint64(1)  # halfway between two: to the even one
    mantissa = (mantissa + (mantissa & uint64(1))) >> uint64(1)
    if mantissa >= uint64(1 << 53):
        mantissa = uint64(1 << 52)
        exponent += 1
    return (mantissa & uint64((1 << 52) - 1)) | (uint64(exponent) << uint64(52))


@cfunc(types.void(BYTES, *[types.int64] * 5, BITS, BITS, REALS, BITS, *[PLACES] * 7), error_model="numpy")
def run(
    data, size, separator, decimal, columns, kept, high, low, numbers, bits, lines, odd, starts, ends, kept_starts,
    kept_ends, found,
):
    """Fill the arrays; found: rows, odd cells and the next line, or −1 rows where a row has not ``columns`` cells."""
    at, row, odd_count, line = 0, 0, 0, 1
    while at < size:
        if data[at] == 10 or (data[at] == 13 and at + 1 < size and data[at + 1] == 10):
            at += 1 if data[at] == 10 else 2
            line += 1
            continue
        lines[row] = line
        for column in range(columns):
            start = at
            negative = at < size and data[at] == 45
            if at < size and (data[at] == 45 or data[at] == 43):
                at += 1
            w, digits, point, first = uint64(0), 0, -1, at
            while at < size:
                digit = data[at] - 48
                if 0 <= digit <= 9:
                    w = w * uint64(10) + uint64(digit)
                    digits += 1
                elif data[at] == decimal and point < 0:
                    point = at
                else:
                    break
                at += 1
            q = 0 if point < 0 else point + 1 - at
            plain = digits > 0
            if digits > 19:  # leading zeros are no digits that count
                skipped = first
                while skipped < at and (data[skipped] == 48 or data[skipped] == decimal):
                    digits -= data[skipped] == 48
                    skipped += 1
                plain = digits <= 19
            if plain and at < size and (data[at] == 101 or data[at] == 69):
                at += 1
                minus = at < size and data[at] == 45
                if at < size and (data[at] == 45 or data[at] == 43):
                    at += 1
                exponent, exponent_digits = 0, 0
                while at < size and 48 <= data[at] <= 57:
                    if exponent < 10000:
                        exponent = exponent * 10 + data[at] - 48
                    exponent_digits += 1
                    at += 1
                plain = exponent_digits > 0
                q += -exponent if minus else exponent
            stop = at
            if at < size and data[at] == 13 and at + 1 < size and data[at + 1] == 10:
                at += 1
            if plain and (at == size or data[at] == separator or data[at] == 10):
                place = row * columns + column
                if w == uint64(0):
                    numbers[place] = -0.0 if negative else 0.0
                elif w < uint64(1 << 53) and -22 <= q <= 22:
                    value = float(w) * EXACT[q] if q >= 0 else float(w) / EXACT[-q]
                    numbers[place] = -value if negative else value
                else:
                    nearest = uint64(0)
                    if FIRST_POWER <= q <= LAST_POWER:
                        nearest = rounded_bits(w, q, high, low)
                    plain = nearest != uint64(0)
                    if plain:
                        bits[place] = nearest | (uint64(negative) << uint64(63))
            else:
                plain = False
            if not plain:
                at = start
                while at < size and data[at] != separator and data[at] != 10:
                    if data[at] == 13 and not (at + 1 < size and data[at + 1] == 10):
                        found[0] = -1
                        return
                    at += 1
                stop = at - 1 if at > start and at < size and data[at] == 10 and data[at - 1] == 13 else at
                numbers[row * columns + column] = np.nan
                odd[odd_count] = row * columns + column
                starts[odd_count] = start
                ends[odd_count] = stop
                odd_count += 1
            if column == kept:
                kept_starts[row] = start
                kept_ends[row] = stop
            last = column == columns - 1
            if at == size:
                if not last:
                    found[0] = -1
                    return
            elif (data[at] == 10) != last:
                found[0] = -1
                return
            at += 1
        row += 1
        line += 1
    found[0] = row
    found[1] = odd_count
    found[2] = line
'''
