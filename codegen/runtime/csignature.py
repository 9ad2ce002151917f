"""The signature of a C function, read from its text."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from codegen.errors import EmitError

TYPES: Mapping[str, Any] = {
    "void": None,
    "double": ctypes.c_double,
    "float": ctypes.c_float,
    "int": ctypes.c_int,
    "unsigned": ctypes.c_uint,
    "int64_t": ctypes.c_int64,
    "intptr_t": ctypes.c_ssize_t,
    "npy_intp": ctypes.c_ssize_t,
}
"""Python's types for those of C that a signature may have."""
_SIGNATURE = re.compile(r"\s*(\w+)\s*\w*\s*\((.*)\)\s*;?\s*", re.DOTALL)
_PARAMETER = re.compile(r"\s*(?:const\s+)?(\w+)\s*(\*?)\s*(\w+)\s*")


@dataclass(frozen=True)
class Parameter:
    """One parameter of a signature."""

    type: str
    pointer: bool
    name: str


@dataclass(frozen=True)
class Signature:
    """A C function's: the type that it returns, and its parameters.

    >>> Signature.read("double f(int n, const double *x)").parameters[1]
    Parameter(type='double', pointer=True, name='x')
    """

    text: str
    returns: str
    parameters: tuple[Parameter, ...]

    @classmethod
    def read(cls, text: str) -> Signature:
        """Raises :class:`EmitError` for what is no signature of known types."""
        match = _SIGNATURE.fullmatch(text)
        if match is None:
            raise EmitError(f"signature: found {text!r}, expected one as in C: 'double (int n, double *x)'")
        given = [part for part in match[2].split(",") if part.strip() not in ("", "void")]
        found = [(part, _PARAMETER.fullmatch(part)) for part in given]
        for part, parameter in found:
            if parameter is None:
                raise EmitError(f"signature: found the parameter {part.strip()!r}, expected a type and a name")
        parameters = tuple(Parameter(m[1], bool(m[2]), m[3]) for _, m in found if m)
        for kind in (match[1], *(p.type for p in parameters)):
            if kind not in TYPES:
                raise EmitError(f"signature: found the type {kind!r}, expected one of {', '.join(TYPES)}")
        return cls(text, match[1], parameters)

    @property
    def ctypes(self) -> Any:
        """The type of functions of the signature."""

        def of(parameter: Parameter) -> Any:
            found = TYPES[parameter.type]
            if not parameter.pointer:
                return found
            return ctypes.c_void_p if found is None else ctypes.POINTER(found)

        parameters = map(of, self.parameters)
        return ctypes.CFUNCTYPE(TYPES[self.returns], *parameters)
