"""Names from a graph inside C: identifiers made safe and unique, comments that nothing can end."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from zlib import crc32

from codegen.emit.c.reserved import HEADERS, PATTERNS, PLATFORM, TARGETS
from codegen.emit.text import escape

KEYWORDS = """
    auto break case char const continue default do double else enum extern float for goto if inline int long register
    restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
    alignas alignof bool constexpr false nullptr static_assert thread_local true typeof typeof_unqual asm fortran
    and and_eq bitand bitor catch char8_t char16_t char32_t class co_await co_return co_yield compl concept const_cast
    consteval constinit decltype delete dynamic_cast explicit export friend import module mutable namespace new noexcept
    not not_eq operator or or_eq private protected public reinterpret_cast requires static_cast template this throw try
    typeid typename using virtual wchar_t xor xor_eq
"""
"""Of C up to C23, and of C++, which may include the header."""
LIBRARY = """
    acos acosh asin asinh atan atan2 atanh cbrt ceil copysign cos cosh erf erfc exp exp2 expm1 fabs fdim floor fma fmax
    fmin fmod frexp hypot ilogb ldexp lgamma llrint llround log log10 log1p log2 logb lrint lround modf nan nearbyint
    nextafter nexttoward pow remainder remquo rint round scalbln scalbn signbit sin sinh sqrt tan tanh tgamma trunc
    isfinite isinf isnan isnormal isgreater isgreaterequal isless islessequal islessgreater isunordered fpclassify
    j0 j1 jn y0 y1 yn gamma signgam drem significand exp10 pow10 sincos
    int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t size_t ptrdiff_t intptr_t uintptr_t intmax_t
    uintmax_t offsetof memcpy memset main printf puts errno assert abs labs llabs abort exit malloc free
    linux unix i386 near far small huge interface min max complex imaginary index div time clock
"""
"""Of the standard library, with what common systems define as macros besides."""
OWN = """
    bits_of_double bits_of_float double_of float_of add_product add_dots dot sum transpose first size place
    larger deviation worst status random_product random_word random_uniform random_reaches
    triangular_factors by_factors by_factors_transposed cholesky_factor by_lower by_lower_transposed by_cholesky
"""
"""What the code around the names uses."""

_MATHEMATICS = {word + suffix for word in LIBRARY.split() for suffix in ("", "f", "l")}
RESERVED = frozenset([*KEYWORDS.split(), *_MATHEMATICS, *PLATFORM.split(), *OWN.split()])
FILES = frozenset([*HEADERS.split(), *TARGETS.split()])
"""Names that a file or a target must not have, in small letters: there are systems where case makes no difference."""
# f_… are functions, and a letter with a number what the code counts.
_RESERVED = re.compile("|".join([*PATTERNS, "f_.*", "wide_.*", "[tuwvkp][0-9]+", "I"]))
_LONGEST = 40


def comment(text: str, width: int = 150) -> str:
    """Text that is safe in a comment: one line that neither ends nor begins one, and has no trigraphs.

    >>> comment("*/ int x; /*")
    '*%2f int x; %2f*'
    """
    safe = escape(text, width).replace("??", "?%3f")
    return safe.replace("*/", "*%2f").replace("/*", "%2f*")


def sanitised(name: str) -> str:
    """A name as an identifier that is neither reserved nor a name that the code itself may use.

    Greek letters are spelled out, everything else that an identifier cannot have becomes an underscore.

    >>> [sanitised(name) for name in ("W1", "dloss/dW1", "δ1", "int", "*/ int x; /*", "1st", "t3", "__x", "NAN")]
    ['W1', 'dloss_dW1', 'delta1', 'int_', 'int_x', 'v_1st', 't3_', 'v_x', 'NAN_']
    """
    text = re.sub("[^A-Za-z0-9_]+", "_", "".join(map(_spelled, name)))
    text = re.sub("_+", "_", text).strip("_")[:_LONGEST].rstrip("_") or "v"
    if text[0].isdigit() or name.startswith("_"):
        text = f"v_{text}"
    return f"{text}_" if text in RESERVED or _RESERVED.fullmatch(text) else text


def file_name(name: str) -> str:
    """A name as that of a function and of its files and targets.

    >>> [file_name(name) for name in ("model", "Math", "test", "m")]
    ['model', 'Math_', 'test_', 'm_']
    """
    text = sanitised(name)
    return f"{text}_" if text.lower() in FILES else text


def macro_name(name: str) -> str:
    """What the macros of a function begin with: in capitals, and another for each of the names in different cases.

    >>> macro_name("model"), macro_name("Model")
    ('MODEL', 'MODEL_16545DDD')
    """
    return name.upper() if name.islower() else f"{name.upper()}_{crc32(name.encode()):08X}"


def _spelled(character: str) -> str:
    """The letter that a Greek one is called by, a decorated one without its decoration."""
    if character.isascii():
        return character
    found = re.fullmatch("GREEK (SMALL|CAPITAL) LETTER ([A-Z]+)( WITH .*)?", unicodedata.name(character, ""))
    if found:
        return found[2].lower() if found[1] == "SMALL" else found[2].capitalize()
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return plain or "_"


@dataclass
class Names:
    """Identifiers of one scope, no two the same."""

    taken: set[str] = field(default_factory=set)

    def new(self, name: str) -> str:
        """An identifier for a name, with a number behind it where it is taken.

        >>> names = Names()
        >>> names.new("a b"), names.new("a/b"), names.new("a_b_2")
        ('a_b', 'a_b_2', 'a_b_2_2')
        """
        base = sanitised(name)
        found, number = base, 1
        while found in self.taken:
            number += 1
            found = f"{base}_{number}"
        self.taken.add(found)
        return found

    def all(self, names: Iterable[str]) -> list[str]:
        """Identifiers for several."""
        return [self.new(name) for name in names]
