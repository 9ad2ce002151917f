"""Libraries that only some of the package needs: imported where they are used, with an error that names the extra."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def extra(module: str, name: str, library: str) -> Any:
    """The module, or an ImportError that says what to install.

    >>> extra("no_such_module", "sklearn", "scikit-learn")
    Traceback (most recent call last):
    ImportError: scikit-learn is not installed, expected it with: pip install 'symnn[sklearn]'
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise  # it is there, and lacks something itself
        raise ImportError(f"{library} is not installed, expected it with: pip install 'symnn[{name}]'") from None
