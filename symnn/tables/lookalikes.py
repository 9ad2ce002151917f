"""Texts that mean a number or a date without being written as one, and what to write instead.

``float`` has refused every text that comes here. A cell alone says little, "5G" may be grams or a network and ">50K" a
bound or a class, so :func:`are_numbers` judges a column as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_BLANK = "[ \u00a0\u2009\u202f]"
_SIGN = "[+\\-−]?"
_DIGITS = (
    rf"(?:\d{{1,3}}(?:(?:{_BLANK}|['_])\d{{3}})+(?:[.,]\d+)?|\d{{1,3}}(?:[,'_]\d{{2,3}})+\.\d+|"
    r"\d{1,3}(?:\.\d{3})+(?:,\d+)?|\d{1,3}(?:,\d{2,3}){2,}|\d+(?:[.,]\d*)?|[.,]\d+)"
)
_POWER = rf"(?:[eE][+\-−]?\d+|[dD][+\-−]\d+|{_BLANK}?[x×·*]{_BLANK}?10(?:\^[+\-−]?\d+|[⁺⁻]?[⁰¹²³⁴-⁹]+))?"
_NUMBER = _DIGITS + _POWER
_CURRENCY = (
    r"(?:(?:US|HK|NT|NZ|[ACRS])?\$|[€£¥₹₽₩₺₪฿₫₦¢]|Rs\.?|kr|zł|"
    "USD|EUR|GBP|CHF|JPY|CNY|INR|BRL|MXN|ZAR|CAD|AUD|NZD|SGD|HKD|KRW|SEK|NOK|DKK|PLN|CZK|HUF|TRY|ILS)"
)
_UNITS = (
    "%|‰|pct|percent|ppm|ppb|bp|bps|°|'|′|″|\"|deg|rad|dB|dBA|dBm|k|thousand|tsd|mn|mm|mio|"
    "million|millions|mrd|bn|billion|billions|trillion|lakh|crore|nm|µm|μm|um|mm|cm|dm|km|in|"
    "inch|inches|ft|feet|foot|yd|yards|mi|mile|miles|nmi|ha|acres|sqm|sqft|sqkm|µg|μg|ug|mg|"
    "kg|lb|lbs|oz|ton|tons|tonnes|µl|μl|ul|ml|cl|dl|hl|litre|litres|liter|liters|cc|gal|"
    "gallons|ns|µs|μs|us|ms|sec|secs|second|seconds|min|mins|minute|minutes|hr|hrs|hour|hours|"
    "day|days|week|weeks|month|months|yr|yrs|year|years|Hz|kHz|MHz|GHz|rpm|mph|kmh|kph|kmpl|"
    "mpg|knots|byte|bytes|kB|MB|GB|TB|KiB|MiB|GiB|TiB|bit|bits|px|dpi|pts|mol|mmol|µmol|nmol|"
    "nM|µM|mM|IU|Pa|hPa|kPa|MPa|GPa|bar|mbar|psi|atm|mmHg|mV|kV|mA|Ah|mAh|kW|MW|GW|Wh|kWh|"
    "MWh|GWh|hp|bhp|PS|VA|kVA|ohm|Ω|kΩ|MΩ|eV|keV|MeV|GeV|kJ|MJ|cal|kcal|Nm|kN|lx|lm|pF|"
    "nF|µF|nH|µH"
)
_NAMED = rf"{_BLANK}?(?:°{_BLANK}?[CFNSEWK]|{_CURRENCY}|(?i:{_UNITS}))"
# Other letters behind a whole number are as often part of a name: 12B, 3D, 5G, the 90s.
_LETTER = rf"(?:{_BLANK}?[kKMmghlLVW]|{_BLANK}[sNJt])"
_UNIT = rf"(?:{_NAMED}|{_LETTER})(?:[²³]|\^[23])?(?![^\W\d_])(?:{_BLANK}?/{_BLANK}?[^\W\d_]{{1,5}}[²³]?)?"
# $1.5M, 5 ft 7 in, 1.5 ± 0.2 kg
_QUANTITY = (
    rf"{_SIGN}(?:{_CURRENCY}{_BLANK}?)?{_SIGN}(?:{_NUMBER}{_UNIT}{_BLANK}?){{0,2}}{_NUMBER}(?:{_UNIT}){{0,2}}"
    rf"(?:{_BLANK}?(?:±|\+/-){_BLANK}?{_NUMBER}(?:{_UNIT})?)?"
)
_LONGEST = 64  # characters of a number with all that is written around it; a cell may be a megabyte
_BOUND = "[<≤]|[>≥]"
_MONTH = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"

# Texts, which ``re`` compiles at their first use and keeps: most tables need none, and that takes 50 ms.
_NUMBERS = (
    (r"[+-]?\d+,\d+", "expected a number; if its comma is a decimal comma, say decimal: ','"),
    (r"[+-]?\d+\.\d+", "expected a number with a decimal comma, as decimal: ',' says"),
    (
        rf"(?:[<>≤≥]=?|[~≈∼±])?{_BLANK}?"
        rf"(?:{_QUANTITY}|\({_QUANTITY}\)|\[{_QUANTITY}\]|'{_QUANTITY}'|\"{_QUANTITY}\")[*†‡]*",
        "expected a number; write it without signs between thousands, units, currency and other marks",
    ),
)
_OTHERS = (
    (
        r"(?i:(\d{4}([-/.])\d{1,2}\2\d{1,2}|\d{1,2}([-/.])\d{1,2}\3(\d{2}|\d{4}))([T ].*)?|"
        r"\d{1,2}:\d{2}(:\d{2}.*)?( ?[ap]\.?m\.?)?|"
        rf"(\d{{1,2}}[ ./-]*)?{_MONTH}[ ./-]*(\d{{1,2}},? )?\d{{2,4}})",
        "expected a number; write a date as one, such as days since a first day, or as year, month and day in columns "
        "of their own",
    ),
    (r"(?i:true|false)", "expected a number; write 1 for True and 0 for False"),
)
_WITH_SUFFIX = rf"{_SIGN}(?P<number>{_NUMBER}){_BLANK}?(?P<suffix>[^\W\d_][^\d]*)"


def advice(text: str) -> str | None:
    """What to write instead of a text that means a number, a date, or whether something holds.

    >>> advice("true")
    'expected a number; write 1 for True and 0 for False'
    """
    return _found(text, _NUMBERS) or _found(text, _OTHERS)


def _found(text: str, kinds: Sequence[tuple[str, str]]) -> str | None:
    return next((advice for kind, advice in kinds if len(text) <= _LONGEST and re.fullmatch(kind, text)), None)


def are_numbers(texts: Sequence[str]) -> bool:
    """Whether the different texts of a column mean numbers.

    Each is one with thousands, units, currency or marks, or has a unit of the user's own: the same behind all of them,
    or single letters, and some have a fraction. Bounds below and above are classes.

    >>> are_numbers(["$1,100.5", "12 %"]), are_numbers(["1.5 stars", "2 stars"]), are_numbers(["1.5B", "2T"])
    (True, True, True)
    >>> are_numbers(["12A", "12B"]), are_numbers(["5-9 years", "10 years"]), are_numbers(["<=50K", ">50K"])
    (False, False, False)
    """
    others = [text for text in texts if not _found(text, _NUMBERS)]
    if not others:
        ways = [re.match(_BOUND, text) for text in texts]
        return not all(ways) or len({way[0] in "<≤" for way in ways if way}) < 2
    found = [match for text in others if (match := re.fullmatch(_WITH_SUFFIX, text[: _LONGEST + 1]))]
    suffixes = {match["suffix"].casefold() for match in found}
    return (
        len(found) == len(others)
        and (len(suffixes) == 1 or all(len(suffix) == 1 for suffix in suffixes))
        and any(re.search(r"[.,]\d", match["number"]) for match in found)
    )


def are_categories(texts: Sequence[str]) -> bool:
    """Whether the different texts of a column mean neither numbers nor dates nor truths.

    >>> are_categories(["3rd floor", "4th floor"]), are_categories(["Jan 2024", "Feb 2024"])
    (True, False)
    """
    numbers = [text for text in texts if not _found(text, _OTHERS)]
    return bool(numbers) and not are_numbers(numbers)
