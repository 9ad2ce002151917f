"""What the safetensors library does not say of its files: their types by name, and their header as it stands.

A file is eight bytes with the length of a header, that header as JSON, and the tensors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

CODES: Mapping[str, str] = {"float64": "F64", "float32": "F32"}
"""How a file calls the types that we write."""


def header_end(data: bytes) -> int:
    """Where the header ends and the tensors begin, in what the library has written or read."""
    return 8 + int.from_bytes(data[:8], "little")


def header(data: bytes) -> dict[str, Any]:
    """The header.

    >>> import numpy as np
    >>> from safetensors.numpy import save
    >>> header(save({"x": np.ones(2)}, {"format": "example"}))["__metadata__"]
    {'format': 'example'}
    """
    found: dict[str, Any] = json.loads(data[8 : header_end(data)])
    return found


def canonical(data: bytes) -> bytes:
    """The bytes of a file with its metadata in order; the library writes them in a random one."""
    content = header(data)
    content["__metadata__"] = dict(sorted(content["__metadata__"].items()))
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the tensors begin at a multiple of eight bytes
    return len(text).to_bytes(8, "little") + text + data[header_end(data) :]
