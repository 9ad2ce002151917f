"""The state of a run in a file beside what it makes, so that one that was killed goes on to the same bits.

A state is numbers, as JSON, and tensors, as a safetensors file, and a digest over both, which shows what damage the
checks of the numbers may miss. It is untrusted like any other file: nothing is unpickled, and every number and tensor
is checked before it is used.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from math import inf, isfinite, prod
from pathlib import Path
from time import monotonic
from typing import Annotated, Any, Final, NamedTuple, TypeAlias, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save as to_bytes

from symnn.errors import CheckpointError
from symnn.files import file_path, read_regular, remove_leftovers, write_atomically
from symnn.locks import Taken, locked
from symnn.safetensors_header import CODES, header, header_end
from symnn.suggest import quote

FORMAT = "symnn state 2"
INTERRUPTED: Final = "interrupted"
"""Why a run has stopped that Ctrl-C has broken off."""
EVERY = 60.0
"""Seconds between two writings of a state."""
MAX_NUMBER_BYTES = 1_000_000
"""What the JSON of a state may have, and the header of its tensors."""

Count: TypeAlias = Annotated[int, Field(ge=0, lt=2**53)]
"""How often something has happened: far from where counting on would leave the numbers that a file may hold."""
DIGEST_BYTES = 32
"""A state ends in the digest of all before it: what differs from what was written in a single bit is no state."""

Seconds: TypeAlias = Annotated[float, Field(ge=0)]
Digest: TypeAlias = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Strict(BaseModel):
    """Numbers of a file, none of another type, infinite, or nan, and no others beside them."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Numbers(Strict):
    """The numbers of a state, and what the run was begun with: digests by what they are of."""

    begun_with: dict[str, Digest]


AnyNumbers = TypeVar("AnyNumbers", bound=Numbers)
Holds: TypeAlias = Callable[[np.ndarray], Any]
"""Which entries of a tensor may be as they are."""


def none_for_infinity(value: float) -> float | None:
    """A number as a state has it, which holds no infinity."""
    return value if isfinite(value) else None


def infinity_for_none(value: float | None) -> float:
    """The number that it stands for.

    >>> infinity_for_none(none_for_infinity(inf)), infinity_for_none(none_for_infinity(0.5))
    (inf, 0.5)
    """
    return inf if value is None else value


def finite(values: np.ndarray) -> Any:
    """Numbers that are finite."""
    return np.isfinite(values)


def finite_or_nan(values: np.ndarray) -> Any:
    """Numbers that are not infinite."""
    return ~np.isinf(values)


def anything(values: np.ndarray) -> Any:
    """All numbers."""
    return np.True_


class Expected(NamedTuple):
    """What a tensor has to be."""

    dtype: str
    shape: tuple[int, ...]
    holds: Holds = finite


@dataclass(frozen=True, eq=False)
class State:
    """All that the rest of a run depends on; its arrays are never written into again."""

    numbers: Numbers
    tensors: Mapping[str, np.ndarray]

    def to_bytes(self) -> bytes:
        """The content of the file."""
        text = json.dumps({"format": FORMAT, **self.numbers.model_dump()})
        data = to_bytes(dict(self.tensors), {"state": text})
        return data + sha256(data).digest()


class Terminated(Exception):  # noqa: N818 - no error
    """The process was asked to end, and the state of the run is written."""


class Keeping:
    """Where the state of a run is kept, if anywhere, and when it is written: every so many seconds, and at the end.

    every: seconds; 0 writes wherever the run can be broken off. asked: whether the run shall end, as a handler of
    SIGTERM may have noted; then its state is written and :class:`Terminated` raised.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None, every: float | None = None, asked: Callable[[], bool] = lambda: False
    ) -> None:
        self.path = None if path is None else file_path(path, CheckpointError)
        self._every = EVERY if every is None else every
        self._asked = asked
        self._next = monotonic() + self._every
        self._inside, self._lock = 0, ExitStack()

    def __enter__(self) -> Keeping:
        """From now on no other run writes there, until this one and whoever began it are done.

        Raises :class:`CheckpointError` where another one does.
        """
        if self._inside == 0 and self.path is not None:
            try:
                self._lock.enter_context(locked(self.path))
            except Taken:
                raise CheckpointError(
                    f"{self.path}: found another process that is training into it, expected one at a time"
                ) from None
        self._inside += 1
        return self

    def __exit__(self, *_: object) -> None:
        self._inside -= 1
        if self._inside == 0:
            self._lock.close()

    def content(self, resume: bool, numbers: type[AnyNumbers], most: int) -> tuple[AnyNumbers, dict[str, Raw]] | None:
        """The checked numbers of the state that is there, and its tensors as they stand; None where none is.

        Raises :class:`CheckpointError` for a state that nobody wants to go on with, and for anything else than one.
        """
        if self.path is None or not os.path.lexists(self.path):
            return None
        if not resume:
            raise CheckpointError(
                f"{self.path}: found the state of a run that has not ended, expected resume to go on with it, "
                "or no such file to begin anew"
            )
        content = read_regular(self.path, CheckpointError, most + 2 * MAX_NUMBER_BYTES + DIGEST_BYTES)
        return _parsed(_whole(content, str(self.path)), numbers, str(self.path))

    def tensors(self, raw: Mapping[str, Raw], expected: Mapping[str, Expected]) -> dict[str, np.ndarray]:
        """The tensors as they should be, and no others."""
        return _tensors(raw, expected, str(self.path))

    def require(self, holds: bool, what: str) -> None:
        """Refuse numbers that do not fit each other."""
        if not holds:
            raise CheckpointError(f"{self.path}: found {what}")

    def require_same(self, found: Mapping[str, str], expected: Mapping[str, str]) -> None:
        """Refuse the state of a run that was begun with something else."""
        if other := [name for name in expected if found.get(name) != expected[name]]:
            raise CheckpointError(
                f"{self.path}: found the state of a run with other {' and '.join(other)}, expected one of the same "
                f"{', '.join(expected)}"
            )

    def pause(self, state: Callable[[], State | None]) -> None:
        """Called wherever the run can be broken off: write its state if it is time to, and end it if that was asked.

        Raises :class:`Terminated` then, and :class:`CheckpointError` if the state cannot be written.
        """
        if self.path is None:
            return
        asked = self._asked()
        if (asked or monotonic() >= self._next) and (found := state()) is not None:
            self.write(found)
        if asked:
            raise Terminated(str(self.path))

    def write(self, state: State) -> None:
        """Replace the state by another one; whatever happens meanwhile, one of the two is there.

        Raises :class:`CheckpointError` if it cannot be written.
        """
        if self.path is None:
            return
        try:
            write_atomically(self.path, state.to_bytes())
        except OSError as error:
            raise CheckpointError(f"{self.path}: cannot be written: {error.strerror or error}") from None
        self._next = monotonic() + self._every

    def end(self, stopped: str) -> None:
        """The run has stopped: remove its state, and what was left of one that was being written.

        They stay where it was interrupted, for then it can go on.
        """
        if self.path is not None and stopped != INTERRUPTED:
            remove_leftovers(self.path)
            self.path.unlink(missing_ok=True)


def keeping_for(state: str | os.PathLike[str] | Keeping | None) -> Keeping:
    """Where a user wants the state of a run to be kept."""
    return state if isinstance(state, Keeping) else Keeping(state)


def state_path(output: Path) -> Path:
    """Where the command line keeps the state of a run that makes a file.

    >>> state_path(Path("runs/model.safetensors")).name
    'model.safetensors.state'
    """
    return output.with_name(f"{output.name}.state")


def digest(*parts: str | np.ndarray) -> str:
    """A digest of texts and arrays, their types and shapes.

    >>> digest("a", "b") != digest("ab", "")
    True
    """
    found = sha256()
    for part in parts:
        kind = f"text {len(part)}" if isinstance(part, str) else f"{part.dtype} {part.shape}"
        found.update(f"{kind}\n".encode())
        found.update(part.encode() if isinstance(part, str) else np.ascontiguousarray(part).data)
    return found.hexdigest()


# --- reading ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Raw:
    """A tensor as it stands in a file: checked to lie within it, and no more."""

    code: str
    shape: tuple[int, ...]
    data: bytes


def _whole(content: bytes, name: str) -> bytes:
    """What a state is without its digest, which has to be right."""
    data = content[:-DIGEST_BYTES]
    if sha256(data).digest() != content[-DIGEST_BYTES:]:
        raise CheckpointError(
            f"{name}: found the state of a run that is damaged, or of another version: its digest is not that of its "
            "content"
        )
    return data


def _parsed(data: bytes, numbers: type[AnyNumbers], name: str) -> tuple[AnyNumbers, dict[str, Raw]]:
    try:
        entries = deserialize(data)  # type: ignore[no-untyped-call]
    except SafetensorError as error:
        raise CheckpointError(f"{name}: damaged, or not the state of a run: {quote(str(error))}") from None
    size = header_end(data) - 8
    if size > 2 * MAX_NUMBER_BYTES:
        raise CheckpointError(f"{name}: found a header of {size:,} bytes, expected at most {2 * MAX_NUMBER_BYTES:,}")
    text = (header(data).get("__metadata__") or {}).get("state")
    try:
        content = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise CheckpointError(f"{name}: metadata 'state': found {quote(text)}, expected JSON with format {FORMAT!r}")
    try:
        found = numbers.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise CheckpointError(f"{name}: {where}: found {quote(first['input'])}: {first['msg']}") from None
    return found, {key: Raw(entry["dtype"], tuple(entry["shape"]), entry["data"]) for key, entry in entries}


def _tensors(raw: Mapping[str, Raw], expected: Mapping[str, Expected], name: str) -> dict[str, np.ndarray]:
    if other := sorted(raw.keys() ^ expected.keys()):
        found = "an unexpected tensor" if other[0] in raw else "no tensor"
        raise CheckpointError(f"{name}: found {found} {quote(other[0])}, expected {', '.join(expected)}")
    tensors = {}
    for key, (dtype, shape, holds) in expected.items():
        entry = raw[key]
        if (entry.code, entry.shape) != (CODES[dtype], shape):
            raise CheckpointError(
                f"{name}: tensor {key!r}: found {entry.code} with shape {entry.shape}, expected {CODES[dtype]} with "
                f"shape {shape}"
            )
        values = np.frombuffer(entry.data, dtype, prod(shape)).reshape(shape)
        if not np.all(holds(values)):
            raise CheckpointError(f"{name}: tensor {key!r}: found numbers that are not {holds.__name__}")
        tensors[key] = values
    return tensors
