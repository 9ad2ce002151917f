"""Random numbers in each language: Philox on words of 64 bits, and what becomes of a word.

:mod:`codegen.functions.random_numbers` says which number is which; in lanes they are in
:mod:`codegen.emit.vector.random_numbers`.
"""

from __future__ import annotations

from collections.abc import Mapping

from codegen.dtypes import Dtype
from codegen.functions.random_numbers import BITS, MULTIPLIERS, ROUNDS, SINGLE_BITS, WEYL, RandomNumber
from codegen.ir.graph import Graph
from codegen.walk import postorder

PRECISION: Mapping[Dtype, int] = {"float64": BITS, "float32": SINGLE_BITS}
"""The bits of a uniform number."""


def draws(graph: Graph) -> bool:
    """Whether a graph has random numbers."""
    return any(isinstance(node, RandomNumber) for e in graph.equations for node in postorder(e.body))


NUMPY = "from codegen.functions.random_numbers import reaching as random_reaches, uniform as random_uniform"
"""What a module of plain NumPy needs."""

# --- Python -------------------------------------------------------------------------------------------------------

PYTHON = f"""
@njit(inline="always")
def random_product(a0, a1, b):
    b0, b1 = b & np.uint64(0xFFFFFFFF), b >> np.uint64(32)
    middle = a1*b0 + (a0*b0 >> np.uint64(32))
    other = a0*b1 + (middle & np.uint64(0xFFFFFFFF))
    return a1*b1 + (middle >> np.uint64(32)) + (other >> np.uint64(32))


@njit
def random_word(seed, stream, row, place, width):
    # Philox4x64-10, as NumPy has it: the key (seed, stream), the counter (the number of the block, 0, 0, 0).
    k0, k1, position = np.uint64(seed), np.uint64(stream), np.uint64(place)
    blocks = (np.uint64(width) + np.uint64(3)) >> np.uint64(2)
    a = np.uint64(row)*blocks + (position >> np.uint64(2)) + np.uint64(1)
    b = c = d = np.uint64(0)
    for _ in range({ROUNDS}):
        high = random_product(np.uint64({MULTIPLIERS[0] % 2**32:#x}), np.uint64({MULTIPLIERS[0] >> 32:#x}), a)
        other = random_product(np.uint64({MULTIPLIERS[1] % 2**32:#x}), np.uint64({MULTIPLIERS[1] >> 32:#x}), c)
        low, rest = np.uint64({MULTIPLIERS[0]:#x})*a, np.uint64({MULTIPLIERS[1]:#x})*c
        a, b, c, d = other ^ b ^ k0, rest, high ^ d ^ k1, low
        k0, k1 = k0 + np.uint64({WEYL[0]:#x}), k1 + np.uint64({WEYL[1]:#x})
    word = position & np.uint64(3)
    return (a if word == 0 else b) if word < 2 else (c if word == 2 else d)


@njit
def random_uniform(seed, stream, row, place, width):
    return np.REAL(random_word(seed, stream, row, place, width) >> np.uint64(SHIFT))*np.REAL(UNIT)


@njit
def random_reaches(level, seed, stream, row, place, width):
    return np.REAL(random_word(seed, stream, row, place, width) >> np.uint64({64 - BITS}) >= np.uint64(level))


"""


def python(dtype: Dtype) -> str:
    """The functions as jitted ones of a module that has ``np`` and ``njit``."""
    return _filled(PYTHON, dtype, {"REAL": dtype})


# --- C ------------------------------------------------------------------------------------------------------------

C = f"""\
/* The upper half of a product of 128 bits. */
static inline uint64_t random_product(uint64_t a, uint64_t b)
{{
#ifdef __SIZEOF_INT128__
    __extension__ typedef unsigned __int128 wide;
    return (uint64_t)((wide)a * b >> 64);
#else
    const uint64_t a0 = a & UINT32_C(0xffffffff), a1 = a >> 32, b0 = b & UINT32_C(0xffffffff), b1 = b >> 32;
    const uint64_t middle = a1 * b0 + (a0 * b0 >> 32);
    const uint64_t other = a0 * b1 + (middle & UINT32_C(0xffffffff));
    return a1 * b1 + (middle >> 32) + (other >> 32);
#endif
}}

/* Philox4x64-10, as NumPy has it: the key (seed, stream), the counter (the number of the block, 0, 0, 0). */
static inline uint64_t random_word(int64_t seed, int64_t stream, int64_t row, int64_t place, int64_t width)
{{
    const uint64_t position = (uint64_t)place;
    uint64_t a = (uint64_t)row * (((uint64_t)width + 3) >> 2) + (position >> 2) + 1, b = 0, c = 0, d = 0;
    uint64_t k0 = (uint64_t)seed, k1 = (uint64_t)stream;
    for (int round = 0; round < {ROUNDS}; ++round) {{
        const uint64_t high = random_product(UINT64_C({MULTIPLIERS[0]:#x}), a);
        const uint64_t other = random_product(UINT64_C({MULTIPLIERS[1]:#x}), c);
        const uint64_t low = UINT64_C({MULTIPLIERS[0]:#x}) * a, rest = UINT64_C({MULTIPLIERS[1]:#x}) * c;
        a = other ^ b ^ k0;
        b = rest;
        c = high ^ d ^ k1;
        d = low;
        k0 += UINT64_C({WEYL[0]:#x});
        k1 += UINT64_C({WEYL[1]:#x});
    }}
    return position & 2 ? (position & 1 ? d : c) : (position & 1 ? b : a);
}}
"""
_WORDS = "int64_t seed, int64_t stream, int64_t row, int64_t place, int64_t width"
C_UNIFORM = f"""\
static inline REAL random_uniform({_WORDS})
{{
    return (REAL)(random_word(seed, stream, row, place, width) >> SHIFT) * (REAL)UNIT;
}}
"""
C_REACHES = f"""\
static inline REAL random_reaches(uint64_t level, {_WORDS})
{{
    return (REAL)(random_word(seed, stream, row, place, width) >> {64 - BITS} >= level);
}}
"""


def c(text: str, dtype: Dtype) -> list[str]:
    """The definitions of the functions that a text in C calls."""
    parts = [
        part for part, name in ((C_UNIFORM, "random_uniform"), (C_REACHES, "random_reaches")) if f"{name}(" in text
    ]
    real = "double" if dtype == "float64" else "float"
    return _filled("\n".join([C, *parts, ""]), dtype, {"REAL": real}).split("\n") if parts else []


# --- JavaScript ---------------------------------------------------------------------------------------------------

_JAVASCRIPT_WORD = f"""\
/** The lower and the upper 32 bits of an integer, which may be a BigInt. */
function halves(n) {{
  if (typeof n === 'bigint') return [Number(BigInt.asUintN(32, n)), Number(BigInt.asUintN(32, n >> 32n))];
  return [n >>> 0, Math.floor(n/4294967296) >>> 0];
}}
/** The product of two integers of 32 bits: its upper half; Math.imul is the lower one. */
function upper(a, b) {{
  const a0 = a & 65535, a1 = a >>> 16, b0 = b & 65535, b1 = b >>> 16;
  const middle = a1*b0 + (a0*b0 >>> 16);
  const other = a0*b1 + (middle & 65535);
  return a1*b1 + Math.floor(middle/65536) + Math.floor(other/65536) >>> 0;
}}
/** Philox4x64-10, as NumPy has it: the key (seed, stream), the counter (the number of the block, 0, 0, 0). */
function random_word(seed, stream, row, place, width) {{
  let [s, S] = halves(seed), [t, T] = halves(stream);
  let [a, A] = halves(row*Math.floor((width + 3)/4) + Math.floor(place/4) + 1);
  let b = 0, B = 0, c = 0, C = 0, d = 0, D = 0;
  for (let round = 0; round < {ROUNDS}; ++round) {{
    // 64 times 64 bits by halves: the words of 32 bits from the lowest, each with its carry.
    const [p0, p1, p2, p3] = wide({MULTIPLIERS[0] % 2**32}, {MULTIPLIERS[0] >> 32}, a, A);
    const [q0, q1, q2, q3] = wide({MULTIPLIERS[1] % 2**32}, {MULTIPLIERS[1] >> 32}, c, C);
    a = (q2 ^ b ^ s) >>> 0, A = (q3 ^ B ^ S) >>> 0, b = q0, B = q1;
    c = (p2 ^ d ^ t) >>> 0, C = (p3 ^ D ^ T) >>> 0, d = p0, D = p1;
    s += {WEYL[0] % 2**32}, S = S + {WEYL[0] >> 32} + (s > 4294967295) >>> 0, s >>>= 0;
    t += {WEYL[1] % 2**32}, T = T + {WEYL[1] >> 32} + (t > 4294967295) >>> 0, t >>>= 0;
  }}
  return [[a, A], [b, B], [c, C], [d, D]][place % 4];
}}
/** The product of two integers of 64 bits in halves, as four words of 32 bits. */
function wide(a, A, b, B) {{
  const low = upper(a, b) + (Math.imul(a, B) >>> 0) + (Math.imul(A, b) >>> 0);
  const middle = upper(a, B) + upper(A, b) + (Math.imul(A, B) >>> 0) + Math.floor(low/4294967296);
  return [Math.imul(a, b) >>> 0, low >>> 0, middle >>> 0, upper(A, B) + Math.floor(middle/4294967296) >>> 0];
}}
"""
JAVASCRIPT: Mapping[str, str] = {
    "random_word": _JAVASCRIPT_WORD,
    "random_uniform": f"""\
/** A number in [0, 1) of {BITS} bits, of {SINGLE_BITS} where arrays are of 32. */
function random_uniform(seed, stream, row, place, width) {{
  const [low, high] = random_word(seed, stream, row, place, width);
  if (Real.BYTES_PER_ELEMENT === 4) return (high >>> 8)/{2**SINGLE_BITS};
  return (high*{2**21} + (low >>> 11))/{2**BITS};
}}
""",
    "random_reaches": f"""\
/** 1 where a number of {BITS} bits is not below a level, else 0. */
function random_reaches(level, seed, stream, row, place, width) {{
  const [low, high] = random_word(seed, stream, row, place, width);
  return high*{2**21} + (low >>> 11) >= level ? 1 : 0;
}}
""",
}
"""By the name of each function."""


def _filled(text: str, dtype: Dtype, words: Mapping[str, str]) -> str:
    bits = PRECISION[dtype]
    for name, value in {**words, "SHIFT": str(64 - bits), "UNIT": repr(0.5**bits)}.items():
        text = text.replace(name, value)
    return text
