"""What compiled code gives where a formula is 0/0 or ∞ − ∞ as it is written: the value of its stable form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codegen.ir.graph import Graph
from codegen.passes import ON_NODES, PASSES
from codegen.passes.straight import is_large

Values = dict[str, NDArray[Any]]


def with_limits(graph: Graph, values_of: Callable[[Graph], Values]) -> Values:
    """The values of a graph; where one is nan, and no input is, that of its stable form.

    That is worked out only then, so that everywhere else what is written is what is evaluated.
    """
    found = values_of(graph)
    inputs = {variable.name for variable in graph.inputs}
    nan = {name: array != array for name, array in found.items()}
    missing = {name for name, where in nan.items() if where.any()}
    if not missing or missing & inputs:
        return found
    stable = (ON_NODES if is_large(graph) else PASSES)["stabilise"](graph)
    if stable is graph:
        return found
    limits = values_of(stable)
    return {
        n: np.where(nan[n], limits[n], array) if n in missing & limits.keys() else array for n, array in found.items()
    }
