"""Work without Python's search for circles of values, which walks through all that there is again and again.

Large formulas are some hundred thousand tuples with no circles among them, and the search was a quarter of the time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """No search for circles until it is left; of threads that are inside, the first one begins it again.

    >>> with uncollected():
    ...     gc.isenabled()
    False
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
