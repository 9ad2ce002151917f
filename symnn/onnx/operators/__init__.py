"""Every operator of the standard that can be read, by its name."""

from __future__ import annotations

from collections.abc import Mapping

from symnn.onnx.operators import (
    attention,
    elementwise,
    loops,
    places,
    products,
    recurrent,
    reductions,
    resampling,
    signals,
    views,
    windows,
)
from symnn.onnx.operators.row import Operator

OPERATORS: Mapping[str, Operator] = {
    **attention.OPERATORS,
    **elementwise.OPERATORS,
    **loops.OPERATORS,
    **places.OPERATORS,
    **products.OPERATORS,
    **recurrent.OPERATORS,
    **reductions.OPERATORS,
    **resampling.OPERATORS,
    **signals.OPERATORS,
    **views.OPERATORS,
    **windows.OPERATORS,
}
