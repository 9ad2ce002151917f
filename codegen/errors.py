"""One family of errors for the compiler: each message names the thing, what was found and what was expected."""


class CodegenError(ValueError):
    """Base of every error raised by :mod:`codegen`."""


class GraphError(CodegenError):
    """A graph or one of its equations is not well formed."""


class DerivationError(CodegenError):
    """A derivative cannot be taken, or would cost more than the caller allowed."""


class EmitError(CodegenError):
    """A construct has no translation into the target language."""


class CheckError(CodegenError):
    """A numerical check cannot be carried out as asked."""


class PrecisionWarning(UserWarning):
    """An argument of a call loses digits on its way into the dtype of the function; said once an argument."""


class ReadableCodeWarning(UserWarning):
    """A graph runs as readable code, which takes Numba long to compile, because something in it has no vector form."""


class CacheError(CodegenError):
    """The cache of compiled code is set up in a way that cannot be."""


def of_type(value: object) -> str:
    """A value by its type and the article before it, for a message.

    >>> of_type(3), of_type("three")
    ('an int', 'a str')
    """
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeioAEIO' else 'a'} {name}"
