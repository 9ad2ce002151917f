"""``layer_norm``: each sample, or each step of a sequence, shifted and scaled to mean 0 and variance 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field
from sympy import sqrt

from codegen.walk import elements
from symnn.activations import exact
from symnn.choices import ActivationLike
from symnn.errors import SpecError
from symnn.given import called
from symnn.layers.layer import Layer
from symnn.layers.writing import Parameter, Place, Value, filled
from symnn.shapes import TIME, Shape, extents


class LayerNorm(Layer):
    """``g·(x − mean)/√(variance + ε) + b`` over the features of a sample, or of a step; of an image over all of it.

    The variance is the mean square, not the unbiased one. g1 is 1 at first and b1 0, one for each number that is
    normalised over (Ba, Kiros, Hinton 2016).
    """

    epsilon: Annotated[float, Field(gt=0)] = 1e-5

    def parameters(self, given: Shape, feeds: ActivationLike = None) -> Mapping[str, Parameter]:
        axes = _normalised(given)
        return {"g": filled(axes, 1.0), "b": filled(axes)}

    def write(self, place: Place, x: Value) -> Value:
        count = len([extent for axis in _normalised(place.given) for extent in axis.extents])
        outer, over = x.indices[:-count], x.indices[-count:]
        size = elements(extents(_normalised(place.given)))
        mean = place.sum("mean", outer, x.here / size, over)
        variance = place.sum("variance", outer, (x.here - mean.here) ** 2 / size, over)
        normal = place.map("n", x.indices, (x.here - mean.here) / sqrt(variance.here + exact(self.epsilon)))
        g, b = place.parameters["g"], place.parameters["b"]
        return place.map("u", x.indices, g[over] * normal.here + b[over])

    @property
    def unbounded(self) -> bool | None:
        return True


def _normalised(given: Shape) -> Shape:
    """The axes that are normalised over."""
    return given[-1:] if given[0].name == TIME else given


@called(SpecError)
def layer_norm(*, epsilon: float = 1e-5) -> LayerNorm:
    """``g·(x − mean)/√(variance + ε) + b``.

    >>> layer_norm().to_plain(), layer_norm(epsilon=0.001).to_plain()
    ('layer_norm', {'layer_norm': {'epsilon': 0.001}})
    """
    return LayerNorm(epsilon=epsilon)
