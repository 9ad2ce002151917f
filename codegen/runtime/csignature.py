"""The signature of a C function, read from its text."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

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
_PARAMETER = re.compile(r"\s*(?:const\s+)?(?:struct\s+)?(\w+)\s*(\*?)\s*(\w+)\s*")
FIELDS: Mapping[str, str] = {
    "float64": "double",
    "float32": "float",
    "int32": "int",
    "uint32": "unsigned",
    "int64": "int64_t",
}
"""The types of C that fields of structs may have, by NumPy's names."""


@dataclass(frozen=True)
class Field:
    """A number, or an array of a shape, so many bytes behind the beginning of a struct."""

    dtype: np.dtype[Any]
    offset: int
    shape: tuple[int, ...]

    def c_type(self, where: str) -> str:
        """Raises :class:`EmitError` for one that C functions do not read, and for an array that is not aligned."""
        if self.dtype.name not in FIELDS or not self.dtype.isnative:
            raise EmitError(f"structs: {where}: found {self.dtype}, expected one of {', '.join(FIELDS)}")
        if self.shape and self.offset % self.dtype.itemsize:
            raise EmitError(f"structs: {where}: found an array at byte {self.offset}, expected np.dtype(…, align=True)")
        return FIELDS[self.dtype.name]


def dtype_of(name: str, struct: Any) -> np.dtype[Any]:
    """A struct as a dtype with named fields: it is one, or becomes one, as a structure of ctypes does.

    Raises :class:`EmitError` for what is none.
    """
    try:
        found = _laid_out(struct) if _is_structure(struct) else np.dtype(struct)
    except (TypeError, ValueError) as error:
        raise EmitError(f"structs: {name}: found {struct!r}, expected a dtype with named fields") from error
    if found.fields is None:
        raise EmitError(f"structs: {name}: found {found}, expected a dtype with named fields")
    return found


def _is_structure(struct: Any) -> bool:
    return isinstance(struct, type) and issubclass(struct, ctypes.Structure | ctypes.Union)


def _laid_out(struct: Any) -> np.dtype[Any]:
    """NumPy has no dtype for one with pointers or bits, and loses what one inherits.

    See findings/numpy-structures-of-ctypes-lose-their-base.sh.
    """
    declared = [field for base in reversed(struct.__mro__) for field in vars(base).get("_fields_", ())]
    members = [field for field in declared if len(field) == 2]  # three are bits, which have no address
    return np.dtype(
        {
            "names": [name for name, _ in members],
            "formats": [_member(kind) for _, kind in members],
            "offsets": [getattr(struct, name).offset for name, _ in members],
            "itemsize": ctypes.sizeof(struct),
        }
    )


def _member(kind: Any) -> np.dtype[Any]:
    try:
        return _laid_out(kind) if _is_structure(kind) else np.dtype(kind)
    except (TypeError, NotImplementedError):  # pointers, of data and of functions
        return np.dtype((np.void, ctypes.sizeof(kind)))


def fields_of(name: str, struct: Any) -> dict[str, Field]:
    """Those of a struct, of any types.

    >>> fields_of("p", [("a", "f8"), ("w", "f8", 3)])["w"]
    Field(dtype=dtype('float64'), offset=8, shape=(3,))
    """
    fields = {}
    for own, (dtype, offset, *_) in (dtype_of(name, struct).fields or {}).items():
        base, shape = dtype.subdtype or (dtype, ())
        fields[own] = Field(base, offset, shape)
    return fields


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
    structs: Mapping[str, Mapping[str, Field]] = field(default_factory=dict)
    """The fields of what parameters are addresses of."""

    @classmethod
    def read(cls, text: str, structs: Mapping[str, Any] | None = None) -> Signature:
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
        if structs is not None and not isinstance(structs, Mapping):
            raise EmitError(f"structs: found {structs!r}, expected a mapping of parameters' names to dtypes")
        fields = {name: fields_of(name, struct) for name, struct in (structs or {}).items()}
        pointers = {p.name for p in parameters if p.pointer}
        if beside := [name for name in fields if name not in pointers]:
            raise EmitError(f"structs: found {beside[0]!r}, which is no parameter that {text!r} has a pointer for")
        for kind in (match[1], *(p.type for p in parameters if p.name not in fields)):
            if kind not in TYPES:
                raise EmitError(f"signature: found the type {kind!r}, expected one of {', '.join(TYPES)}, or structs=")
        return cls(text, match[1], parameters, fields)

    @property
    def ctypes(self) -> Any:
        """The type of functions of the signature."""

        def of(parameter: Parameter) -> Any:
            found = None if parameter.name in self.structs else TYPES[parameter.type]
            if not parameter.pointer:
                return found
            return ctypes.c_void_p if found is None else ctypes.POINTER(found)

        parameters = map(of, self.parameters)
        return ctypes.CFUNCTYPE(TYPES[self.returns], *parameters)
