"""One family of errors for users of networks: each names the field or row, what was found and what was expected."""

from __future__ import annotations


class SymnnError(ValueError):
    """Base of every error raised by :mod:`symnn`.

    >>> issubclass(SpecError, SymnnError), issubclass(SymnnError, ValueError)
    (True, True)
    """


class SpecError(SymnnError):
    """A spec, a setting or an equation is not valid; the message names file and field.

    >>> import symnn
    >>> symnn.Network.from_spec({"inputs": 2, "layers": [{"dense": 0}], "loss": "mean_squared_error"})
    Traceback (most recent call last):
        ...
    symnn.errors.SpecError: ...
    """


class DataError(SymnnError):
    """A data set, points or parameters are not usable; the message names file, row and column.

    >>> import symnn
    >>> symnn.load_file("nowhere.csv", "y")
    Traceback (most recent call last):
        ...
    symnn.errors.DataError: ...nowhere.csv...
    """


class CheckpointError(SymnnError):
    """A weights file is not what it claims to be.

    >>> import symnn
    >>> symnn.load("nowhere.safetensors")
    Traceback (most recent call last):
        ...
    symnn.errors.CheckpointError: ...nowhere.safetensors...
    """


class FieldError(ValueError):
    """Something is wrong with the field at ``path``, counted from wherever it is raised; it never reaches the user."""

    def __init__(self, message: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.path = path

    def within(self, *path: str | int) -> FieldError:
        """The same error, its path counted from further outside."""
        return FieldError(str(self), (*path, *self.path))
