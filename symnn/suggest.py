"""How errors speak of what a user wrote: quoted, cut to a readable length, with the nearest known name beside it."""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Container, Iterable, Mapping

#: Characters of a user's text that an error repeats; the text may be a megabyte of somebody's mistake.
QUOTE_LENGTH = 60

#: Known names that an error lists before it says "…".
LISTED_NAMES = 24

_quoter = reprlib.Repr()
_quoter.maxstring = _quoter.maxother = _quoter.maxlong = QUOTE_LENGTH
_quoter.maxlevel = 3


def quote(value: object) -> str:
    """The value as Python writes it, on one line, at most about ``QUOTE_LENGTH`` characters of each part.

    >>> quote("tahn")
    "'tahn'"
    >>> quote({"slope": "0.1"})
    "{'slope': '0.1'}"
    """
    return re.sub(r"\s*\n\s*", " ", _quoter.repr(value))


SYNONYMS: Mapping[str, Mapping[str, str]] = {
    "activation": {"swish": "silu", "linear": "identity", "logistic": "sigmoid"},
    "loss": {
        "mse": "mean_squared_error",
        "cross_entropy": "softmax_cross_entropy",
        "softmax": "softmax_cross_entropy",
        "bce": "binary_cross_entropy",
    },
    "optimiser": {"sgd": "gradient_descent"},
    "field": {"optimizer": "optimiser", "lr": "learning_rate", "initializer": "initialiser"},
}
"""What others call a row of a table or a field, by kind: read everywhere, in specs and in Python, never written."""


def canonical(kind: str, name: str, known: Container[str] = ()) -> str:
    """The name that the tables have for a synonym; any other name as it is.

    Of those in a table, ``known``, case does not count.

    >>> canonical("loss", "mse"), canonical("loss", "MSE", ["mean_squared_error"]), canonical("loss", "Huber")
    ('mean_squared_error', 'mean_squared_error', 'Huber')
    """
    synonyms = SYNONYMS.get(kind, {})
    folded = synonyms.get(name.casefold(), name.casefold())
    return folded if folded in known else synonyms.get(name, name)


def suggest(name: str, known: Iterable[str]) -> str:
    """The nearest known name as the end of a sentence, or nothing where none is near; case does not count.

    Near is what is spelled alike, or else what has all words of the other.

    >>> suggest("tahn", ["tan", "tanh", "relu"])
    "; did you mean 'tanh'?"
    >>> suggest("ReLU", ["tanh", "relu"])
    "; did you mean 'relu'?"
    >>> suggest("weight_decay", ["momentum", "decay"])
    "; did you mean 'decay'?"
    >>> suggest("banana", ["tanh", "relu"])
    ''
    """
    if len(name) > QUOTE_LENGTH:  # difflib's time is the product of the lengths
        return ""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    folded = name.casefold()
    near = difflib.get_close_matches(folded, by_folded, n=3)
    # difflib puts 'tan' before 'tanh' for 'tahn'; swapped letters are the likelier slip
    near.sort(key=lambda candidate: sorted(candidate) != sorted(folded))
    near += [candidate for candidate in by_folded if _contains(folded, candidate) or _contains(candidate, folded)]
    return f"; did you mean {quote(by_folded[near[0]])}?" if near else ""


def _contains(longer: str, shorter: str) -> bool:
    """Whether a name has all words of another: weight_decay those of decay."""
    return set(longer.split("_")) >= set(shorter.split("_"))


def listing(known: Iterable[str]) -> str:
    """The known names in their own order, as a bracket after a message.

    >>> listing(["tanh", "relu"])
    '(known: tanh, relu)'
    """
    names = list(known)
    shown = [*names[:LISTED_NAMES], *(["…"] if len(names) > LISTED_NAMES else [])]
    return f"(known: {', '.join(shown) or 'none'})"


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """The whole sentence about a name that is not in a table.

    >>> unknown("activation", "tahn", ["tanh", "relu"])
    "unknown activation 'tahn'; did you mean 'tanh'? (known: tanh, relu)"
    """
    names = list(known)
    return f"unknown {kind} {quote(name)}{suggest(name, names)} {listing(names)}"
