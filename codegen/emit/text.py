"""Names from a graph inside generated source: only in comments and strings, and escaped."""

from __future__ import annotations

COMMENT_WIDTH = 150


def escape(text: str, width: int = COMMENT_WIDTH) -> str:
    """Text that is safe in a comment or a string: one printable line without quotes, backslashes or braces.

    >>> escape('a"\\n b')
    'a%22%0a b'
    """
    safe = "".join(c if c.isprintable() and c not in "\\\"'" else f"%{ord(c):02x}" for c in text)
    return safe if len(safe) <= width else safe[: width - 1] + "…"
