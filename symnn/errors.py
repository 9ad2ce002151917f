"""One family of errors for users of networks: each names the field or row, what was found and what was expected."""


class SymnnError(ValueError):
    """Base of every error raised by :mod:`symnn`."""


class SpecError(SymnnError):
    """A network spec is not valid; the message names file and field."""


class DataError(SymnnError):
    """A data set is not usable; the message names file, row and column."""


class CheckpointError(SymnnError):
    """A weights file is not what it claims to be."""
