"""Keras's files: HDF5 with an array for each variable, and the zip archive of a whole model. Both are untrusted.

Arrays are read only from where they are expected and in the shape that is expected, from the bytes of the file alone:
neither links out of it, nor data in other files, nor packed data, which could be of any size.
"""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from symnn.errors import CheckpointError
from symnn.extras import extra
from symnn.files import file_path, read_regular, require_size
from symnn.suggest import quote

h5py = extra("h5py", "keras", "h5py")

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
MOST_CONFIG = 4_000_000
"""Bytes; that of ResNet152 has 400,000."""
MOST_MEMBERS = 10_000
OF_THE_MODEL = "config=, the path of a file of what model.to_json() gives"
_ENTRY = b"PK\1\2"


@dataclass(frozen=True)
class Members:
    """What a ``.keras`` file holds."""

    config: bytes
    weights: bytes


def members_of(source: str, data: bytes) -> Members:
    """The description of the model and its weights. Raises :class:`CheckpointError`."""
    if not data.startswith(b"PK"):
        raise CheckpointError(f"{source}: found no zip archive, expected a .keras file")
    if (count := data.count(_ENTRY)) > MOST_MEMBERS:
        raise CheckpointError(f"{source}: found {count:,} members, expected at most {MOST_MEMBERS:,}")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return Members(*(_member(source, archive, name) for name in (CONFIG, WEIGHTS)))
    except CheckpointError:
        raise
    except Exception as error:  # BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, …
        raise CheckpointError(f"{source}: damaged, or not a .keras file ({type(error).__name__})") from None


def _member(source: str, archive: zipfile.ZipFile, name: str) -> bytes:
    found = [entry for entry in archive.infolist() if entry.filename == name]
    if len(found) != 1:
        raise CheckpointError(f"{source}: found {len(found)} members {name}, expected one, as Keras 3 writes it")
    (entry,) = found
    require_size(entry.file_size, f"{source}: {name}", CheckpointError)
    if name == CONFIG:
        _require_short(f"{source}: {name}", entry.file_size)
    return archive.read(entry)


def config_of(path: str | os.PathLike[str]) -> bytes:
    """The description of a model in a file of its own. Raises :class:`CheckpointError`."""
    given = file_path(path, CheckpointError)
    data = read_regular(given, CheckpointError)
    _require_short(str(given), len(data))
    return data


def _require_short(where: str, size: int) -> None:
    if size > MOST_CONFIG:
        raise CheckpointError(f"{where}: found {size:,} bytes, expected at most {MOST_CONFIG:,}")


# --- arrays ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class WeightFile:
    """An open file of weights."""

    source: str
    file: Any

    def arrays(
        self, path: str, shapes: Mapping[str, tuple[int, ...]], may_lack: Collection[str] = ()
    ) -> dict[str, np.ndarray]:
        """The arrays 0, 1, … of a group by their names, with or without all that it may lack.

        Raises :class:`CheckpointError` unless they are all of it.
        """
        group = self._group(path)
        least = {name: shape for name, shape in shapes.items() if name not in may_lack}
        if len(group) not in (len(shapes), len(least)):
            between = len(least) < len(group) < len(shapes)
            raise CheckpointError(
                f"{self.source}: {path}: found {len(group)} arrays, expected {len(shapes)}: {', '.join(shapes)}"
                + (f"; which of them the model does without says {OF_THE_MODEL}" if between else "")
            )
        shapes = shapes if len(group) == len(shapes) else least
        return {name: self._array(group, path, n, name, shape) for n, (name, shape) in enumerate(shapes.items())}

    def require_no_others(self, paths: Sequence[str]) -> None:
        """Raise :class:`CheckpointError` for arrays of layers that are not at these paths."""
        known = {path.split("/")[1] for path in paths}
        for name in self._layers():
            if name not in known and self._has_more(name):
                raise CheckpointError(
                    f"{self.source}: found weights in {quote(f'layers/{name}')}, which the network has no layer for"
                )

    @property
    def classes(self) -> Collection[str]:
        """The classes of the layers, as files have them."""
        return {re.sub(r"_\d+$", "", name) for name in self._layers()}

    def _layers(self) -> Any:
        layers = self._group("layers")
        if len(layers) > MOST_MEMBERS:
            raise CheckpointError(f"{self.source}: found {len(layers):,} layers, expected at most {MOST_MEMBERS:,}")
        return layers

    def _has_more(self, name: str) -> bool:
        """Whether a layer has arrays, or layers inside, which a layer without weights has not."""
        group = self._group(f"layers/{name}")
        return any(inside != "vars" or len(self._group(f"layers/{name}/vars")) for inside in group)

    def _group(self, path: str) -> Any:
        """The group at a path, which goes through no link out of the file."""
        found, names = self.file, path.split("/")
        for number, name in enumerate(names):
            found = self._inside(found, name, "/".join(names[: number + 1]))
            if not isinstance(found, h5py.Group):
                raise CheckpointError(f"{self.source}: {'/'.join(names[: number + 1])}: found no group, expected one")
        return found

    def _inside(self, group: Any, name: str, path: str) -> Any:
        link = group.get(name, getlink=True)
        if link is None:
            raise CheckpointError(f"{self.source}: found no {path}, expected the weights of a Keras 3 model")
        if not isinstance(link, h5py.HardLink):
            raise CheckpointError(f"{self.source}: {path}: found a link, expected what it leads to")
        return group[name]

    def _array(self, group: Any, path: str, number: int, name: str, shape: tuple[int, ...]) -> np.ndarray:
        where = f"{path}/{number}"
        found = self._inside(group, str(number), where)
        if not isinstance(found, h5py.Dataset):
            raise CheckpointError(f"{self.source}: {where}: found no array, expected {name}")
        if found.shape != shape or found.dtype.kind != "f" or found.dtype.itemsize > 8:
            raise CheckpointError(
                f"{self.source}: {where}: found {found.dtype} with shape {found.shape}, expected {name}, real numbers "
                f"with shape {shape}"
            )
        if found.external or found.is_virtual or found.chunks is not None:
            raise CheckpointError(f"{self.source}: {where}: found packed or outer data, expected it as Keras writes it")
        return np.asarray(found[()])


@contextmanager
def reading(source: str, data: bytes) -> Iterator[WeightFile]:
    """The file of weights in these bytes. Raises :class:`CheckpointError` for what is none."""
    try:
        with h5py.File(io.BytesIO(data), "r") as file:
            yield WeightFile(source, file)
    except CheckpointError:
        raise
    except MemoryError:
        raise
    except Exception as error:  # OSError, KeyError, RuntimeError, … of damaged bytes
        raise CheckpointError(f"{source}: damaged, or no HDF5 file ({type(error).__name__})") from None


def written(layers: Mapping[str, Mapping[str, np.ndarray]]) -> bytes:
    """The bytes of a file with these arrays at these paths."""
    made = io.BytesIO()
    with h5py.File(made, "w") as file:
        file.create_group("vars")
        for path, arrays in layers.items():
            for number, array in enumerate(arrays.values()):
                file.create_dataset(f"{path}/{number}", data=np.ascontiguousarray(array))
    return made.getvalue()
