"""``flatten``: all axes of a sample as one, of features; the last varies fastest."""

from __future__ import annotations

from math import prod

from symnn.errors import FieldError, SpecError
from symnn.given import called
from symnn.layers.layer import Layer
from symnn.layers.writing import Place, Value
from symnn.shapes import FEATURE, Axis, Shape, described, numbers


class Flatten(Layer):
    """Values (C, H, W) become C·H·W features. Nothing is moved: the next layer sums over all axes."""

    def shape(self, given: Shape) -> Shape:
        if numbers(given) is None:
            raise FieldError(f"flatten takes axes of known lengths, found values of shape {described(given)}")
        parts = tuple(int(extent) for axis in given for extent in axis.extents)
        return (Axis(FEATURE, prod(parts), parts if len(parts) > 1 else ()),)

    def write(self, place: Place, x: Value) -> Value:
        return x


@called(SpecError)
def flatten() -> Flatten:
    """All axes of a sample as one.

    >>> from symnn.network import Network, dense
    >>> print(Network((1, 8, 8), (flatten(), dense(10)), "softmax_cross_entropy").forward_graph)
    inputs W1[10, 1, 8, 8], b1[10], x[S, 1, 8, 8]
    z1[s, t] = Σ_c,i,j W1[t, c, i, j]*x[s, c, i, j]
    output[s, t] = b1[t] + z1[s, t]
    outputs output
    """
    return Flatten()
