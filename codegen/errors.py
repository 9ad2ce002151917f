"""One family of errors for the compiler: each message names the thing, what was found and what was expected."""


class CodegenError(ValueError):
    """Base of every error raised by :mod:`codegen`.

    >>> issubclass(GraphError, CodegenError), issubclass(CodegenError, ValueError)
    (True, True)
    """


class GraphError(CodegenError):
    """A graph or one of its equations is not well formed.

    >>> from codegen import from_expressions
    >>> from sympy import symbols
    >>> a, b = symbols("a b")
    >>> from_expressions({"c": a * b}, [a])
    Traceback (most recent call last):
        ...
    codegen.errors.GraphError: ...
    """


class DerivationError(CodegenError):
    """A derivative cannot be taken, or would cost more than the caller allowed.

    >>> from codegen import from_expressions, gradient
    >>> from sympy import Idx, IndexedBase
    >>> i, x, y = Idx("i", 3), IndexedBase("x"), IndexedBase("y")
    >>> gradient(from_expressions({y[i]: x[i] ** 2}, [x]), "y")  # an array has a Jacobian
    Traceback (most recent call last):
        ...
    codegen.errors.DerivationError: ...
    """


class EmitError(CodegenError):
    """A construct has no translation into the target language.

    >>> from codegen import Equation, compile, from_expressions
    >>> from sympy import symbols
    >>> a = symbols("a")
    >>> compile(from_expressions({"c": a**2}, [a]), emitter="fortran")
    Traceback (most recent call last):
        ...
    codegen.errors.EmitError: ...
    """


class CheckError(CodegenError):
    """A numerical check cannot be carried out as asked.

    >>> from codegen import from_expressions
    >>> from codegen.numeric import central_difference
    >>> from sympy import symbols
    >>> a = symbols("a")
    >>> central_difference(from_expressions({"c": a**2}, [a]), "c", "a", {"a": 1.0}, step=0)
    Traceback (most recent call last):
        ...
    codegen.errors.CheckError: step: found 0, expected a number other than 0
    """


class PrecisionWarning(UserWarning):
    """An argument of a call loses digits on its way into the dtype of the function; said once an argument.

    >>> import warnings
    >>> from codegen import compile, from_expressions
    >>> from sympy import symbols
    >>> a = symbols("a")
    >>> f = compile(from_expressions({"c": a + 1}, [a]), tier="quick")
    >>> with warnings.catch_warnings(record=True) as said:
    ...     warnings.simplefilter("always")
    ...     found = f(2**53 + 1)
    >>> [warning.category.__name__ for warning in said]
    ['PrecisionWarning']
    """


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
