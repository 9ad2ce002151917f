"""Files of ONNX: networks of others as graphs, and graphs as files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import ArrayLike

from symnn.onnx.files import parsed
from symnn.onnx.reading import Imported, read
from symnn.onnx.saving import save, save_derivatives
from symnn.onnx.writing import OnnxError

__all__ = ["Imported", "OnnxError", "load", "save", "save_derivatives"]


def load(
    path: Any, lengths: Mapping[str, int] | None = None, constants: Mapping[str, ArrayLike] | None = None
) -> Imported:
    """Read a file of ONNX as a graph, with its weights.

    Axes without a length in the file are the call's to decide; ``lengths`` are those that shall be fixed, by their
    names, and ``constants`` inputs that shall be, such as shapes. Data beside the file has to be in its folder.

    Raises :class:`OnnxError`, which names the node and the operator, for what there is no formula for.

    >>> import tempfile
    >>> import numpy as np
    >>> from symnn.network import Network, dense
    >>> network = Network(2, (dense(1),), "mean_squared_error")
    >>> weights = network.split(np.array([1.0, 2.0, 3.0]))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(network.forward_graph, f"{folder}/line.onnx", constants=weights)
    ...     line = load(f"{folder}/line.onnx")
    >>> line.inputs, line([[10.0, 1.0]])
    (('x',), array([[15.]]))
    """
    model, folder = parsed(path)
    return read(model, folder, lengths, constants)
