"""Writing files of ONNX: a graph, a trained network, a function with its derivatives."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from codegen import Graph
from codegen.errors import of_type
from codegen.export import Request, write_together
from symnn.checkpoint import Checkpoint
from symnn.export import prediction_request
from symnn.files import file_path, write_atomically
from symnn.onnx.exporting import OPSETS, model_of
from symnn.onnx.family import family
from symnn.onnx.reading import Imported
from symnn.onnx.writing import OnnxError

Saved: TypeAlias = "Graph | Imported | Checkpoint"
LARGEST = 2**31 - 1
"""Bytes that a file of protobuf may have."""


def save(
    saved: Saved,
    path: str | os.PathLike[str],
    *,
    constants: Mapping[str, ArrayLike] | None = None,
    dtype: DTypeLike | None = None,
    opset: int = OPSETS[0],
) -> None:
    """Write a graph, or what was trained or read, as a file of ONNX.

    A graph is written with its inputs and outputs, derivatives like any other; ``constants`` are inputs whose values
    the file holds. A trained network, :func:`symnn.load`, has its weights and its scaling inside, and takes raw rows.
    The dtype is that of the weights, float64 of a graph. Lengths that each call decides are so in the file.

    It is written with what ONNX Runtime computes rightly in both precisions. Raises :class:`codegen.EmitError` naming
    the equation for what there is nothing for: recurrences over a length that a call decides, eliminations of
    matrices, random numbers, Bessel and other special functions.

    >>> import tempfile
    >>> from symnn.onnx import load
    >>> from codegen import from_expressions, gradient
    >>> from sympy import symbols, tanh
    >>> a, b = symbols("a b")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(gradient(from_expressions({"e": a * tanh(b)}, [a, b]), "e"), f"{folder}/grad_e.onnx")
    ...     print(load(f"{folder}/grad_e.onnx").graph.outputs)
    ('e', 'de/da', 'de/db')
    """
    where = file_path(path, OnnxError)
    write_atomically(where, content_of(request_of(saved, where.stem, constants, dtype), opset))


def save_derivatives(
    saved: Saved,
    folder: str | os.PathLike[str],
    name: str,
    x: str,
    y: str,
    *,
    constants: Mapping[str, ArrayLike] | None = None,
    dtype: DTypeLike | None = None,
    opset: int = OPSETS[0],
) -> tuple[Path, ...]:
    """Write a function of an input x and an output y with its derivatives, as CasADi looks for them.

    The files are name.onnx, adj_name.onnx, fwd_name.onnx, jac_name.onnx and fwd_adj_name.onnx; x and y are columns, of
    one sample, as :func:`symnn.onnx.family.family` says. All other inputs have to be constants.

    >>> import tempfile
    >>> from sympy import Idx, IndexedBase
    >>> from codegen import from_expressions
    >>> i, x, y = Idx("i", 3), IndexedBase("x", shape=(3,)), IndexedBase("y")
    >>> squares = from_expressions({y[i]: x[i] ** 2}, [x])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in save_derivatives(squares, folder, "f", "x", "y")]
    ['f.onnx', 'adj_f.onnx', 'fwd_f.onnx', 'jac_f.onnx', 'fwd_adj_f.onnx']
    """
    request = request_of(saved, name, constants, dtype)
    given = request.constants or {}
    if open_ := [v.name for v in request.graph.inputs if v.name not in given and v.name != x]:
        raise OnnxError(f"constants: found no values for {', '.join(open_)}, expected them of all inputs but {x}")
    graphs = family(request.graph, x, y, name)
    files = {
        f"{each}.onnx": content_of(Request(graph, each, request.dtype, constants=given), opset)
        for each, graph in graphs.items()
    }
    return write_together(folder, files)


def generate(request: Request, target: str) -> dict[str, str | bytes]:
    """The file of what :mod:`symnn.export` asks for, ``target`` being "onnx": a prediction, or loss and gradient as
    grad_name."""
    name = f"grad_{request.name}" if request.pack else request.name
    return {f"{name}.onnx": content_of(request)}


def request_of(saved: Saved, name: str, constants: Mapping[str, ArrayLike] | None, dtype: DTypeLike | None) -> Request:
    """What is to be written."""
    if isinstance(saved, Checkpoint):
        return prediction_request(saved, name, dtype)
    if isinstance(saved, Imported):
        own = {**saved.parameters, **(constants or {})}
        return Request(saved.graph, name, dtype or saved.dtype, constants=own)
    if isinstance(saved, Graph):
        return Request(saved, name, dtype or "float64", constants=constants)
    raise OnnxError(f"found {of_type(saved)}, expected a graph, or what symnn.load or symnn.onnx.load gives")


def content_of(request: Request, opset: int = OPSETS[0]) -> bytes:
    """The bytes of a file."""
    notes = {"notes": "\n".join(request.notes)} if request.notes else {}
    model = model_of(request.graph, request.name, request.constants, np.dtype(request.dtype).name, opset, notes)
    if model.ByteSize() > LARGEST:
        raise OnnxError(f"found {model.ByteSize():,} bytes, expected at most {LARGEST:,} in a file")
    return bytes(model.SerializeToString())
