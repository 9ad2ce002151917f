"""Files of ONNX as they are on the disk: parsed, held to bounds, and the arrays in them and beside them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from symnn.extras import extra
from symnn.files import file_path, read_regular, require_size
from symnn.onnx.arrays import Kind, Known
from symnn.onnx.writing import OnnxError
from symnn.suggest import quote

onnx: Any = extra("onnx", "onnx", "ONNX")

NODES = 20_000
"""As many a file may have."""
DEPTH = 8
"""Graphs inside each other."""
AXES = 16
LENGTH = 200
"""Letters of a name."""
KINDS: Mapping[int, Kind] = {
    onnx.TensorProto.FLOAT: "real",
    onnx.TensorProto.DOUBLE: "real",
    onnx.TensorProto.INT32: "integer",
    onnx.TensorProto.INT64: "integer",
    onnx.TensorProto.BOOL: "boolean",
}
"""What the elements of arrays may be."""
EXTERNAL = onnx.TensorProto.EXTERNAL


def parsed(path: object) -> tuple[Any, Path]:
    """The model of a file, and the folder that its arrays may be in."""
    where = file_path(path, OnnxError)
    return parsed_bytes(read_regular(where, OnnxError), str(where)), where.parent


def parsed_bytes(content: bytes, what: str) -> Any:
    """The model that bytes say."""
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)
    except Exception as error:  # protobuf's own class of error is its implementation's
        raise OnnxError(f"{what}: found no model of ONNX: {error}") from None
    if not model.graph.node and not model.graph.output:
        raise OnnxError(f"{what}: found no graph, expected a model of ONNX")
    if (count := sum(1 for _ in nodes_of(model.graph))) > NODES:
        raise OnnxError(f"{what}: found {count:,} nodes, expected at most {NODES:,}")
    return model


def name_of(given: str | bytes) -> str:
    """A name, as it is in messages and as a variable is called; protobuf gives bytes for what is no text."""
    if not isinstance(given, str) or len(given) > LENGTH or not given.isprintable():
        raise OnnxError(f"found the name {quote(given)}, expected at most {LENGTH} printable letters")
    return given


def kind_of(element: int, what: str) -> Kind:
    """What an element is by its number."""
    if element not in KINDS:
        names = {number: name for name, number in onnx.TensorProto.DataType.items()}
        raise OnnxError(
            f"{what}: found elements of type {names.get(element, element)}, "
            "expected FLOAT, DOUBLE, INT32, INT64 or BOOL"
        )
    return KINDS[element]


def numbers(tensor: Any, what: str, folder: Path | None) -> Known:
    """The array that a file holds, or that is beside it in the same folder."""
    kind = kind_of(tensor.data_type, what)
    shape = tuple(tensor.dims)
    if len(shape) > AXES or any(n < 0 for n in shape):
        raise OnnxError(f"{what}: found shape {shape}, expected at most {AXES} axes of positive length")
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))
    require_size(prod(shape) * dtype.itemsize, what, OnnxError)
    if tensor.data_location == EXTERNAL:
        values = np.frombuffer(_outside(tensor, what, folder, prod(shape) * dtype.itemsize), dtype.newbyteorder("<"))
    elif tensor.HasField("raw_data"):
        values = np.frombuffer(tensor.raw_data, dtype.newbyteorder("<"))
    else:
        field = onnx.helper.tensor_dtype_to_field(tensor.data_type)
        values = np.array(getattr(tensor, field), dtype)
    if values.size != prod(shape):
        raise OnnxError(f"{what}: found {values.size:,} numbers, expected {prod(shape):,} of shape {shape}")
    return Known(values.astype(dtype).reshape(shape), kind, tensor.name)


def _outside(tensor: Any, what: str, folder: Path | None, size: int) -> bytes:
    """The bytes of a file beside the model; no link and no path leads out of its folder."""
    said = {entry.key: entry.value for entry in tensor.external_data}
    location = said.get("location", "")
    if folder is None:
        raise OnnxError(
            f"{what}: found data in {quote(location)}, expected a model with a path, or with its data inside"
        )
    inside = Path(os.path.realpath(folder))
    path = Path(os.path.realpath(inside / location)) if location and "\0" not in location else inside
    if not path.is_relative_to(inside) or path == inside or Path(location).is_absolute():
        raise OnnxError(f"{what}: found data in {quote(location)}, expected a file in the folder of the model")
    try:
        offset, count = int(said.get("offset", "0")), int(said.get("length", str(size)))
    except ValueError:
        raise OnnxError(f"{what}: found no number for the offset or the length of its data") from None
    content = read_regular(path, OnnxError)
    if offset < 0 or count != size or offset + count > len(content):
        raise OnnxError(
            f"{what}: found {count:,} bytes from {offset:,} in {quote(location)}, expected {size:,} that are there"
        )
    return content[offset : offset + count]


def attributes(node: Any, what: str) -> dict[str, Any]:
    """The attributes of a node as Python's values; arrays as what they hold, graphs as they are."""
    found: dict[str, Any] = {}
    kinds = onnx.AttributeProto
    for attribute in node.attribute:
        if attribute.type == kinds.TENSOR:
            found[attribute.name] = numbers(attribute.t, what, None)
        elif attribute.type == kinds.STRING:
            found[attribute.name] = attribute.s.decode("utf-8", "replace")
        elif attribute.type == kinds.STRINGS:
            found[attribute.name] = [text.decode("utf-8", "replace") for text in attribute.strings]
        elif attribute.type == kinds.FLOAT:
            found[attribute.name] = float(attribute.f)
        elif attribute.type == kinds.INT:
            found[attribute.name] = int(attribute.i)
        elif attribute.type == kinds.FLOATS:
            found[attribute.name] = [float(value) for value in attribute.floats]
        elif attribute.type == kinds.INTS:
            found[attribute.name] = [int(value) for value in attribute.ints]
        elif attribute.type == kinds.GRAPH:
            found[attribute.name] = attribute.g
        else:
            raise OnnxError(
                f"{what}: found the attribute {quote(attribute.name)}, which holds several graphs or something else"
            )
    return found


def nodes_of(graph: Any) -> Iterator[Any]:
    """The nodes of a graph and of the graphs in them, at most :data:`DEPTH` inside each other."""
    open_ = [(node, 0) for node in graph.node]
    while open_:
        node, depth = open_.pop()
        yield node
        inside = [n for attribute in node.attribute if attribute.HasField("g") for n in attribute.g.node]
        if inside and depth == DEPTH:
            raise OnnxError(f"found graphs inside each other, expected at most {DEPTH}")
        open_ += [(n, depth + 1) for n in inside]
