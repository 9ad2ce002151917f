"""``layer_norm``: each sample, or each step of a sequence, shifted and scaled to mean 0 and variance 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import Field
from sympy import sqrt

from codegen.walk import elements
from symnn.activations import exact
from symnn.choices import ActivationLike
from symnn.errors import SpecError
from symnn.given import called
from symnn.layers.layer import Layer, misfit
from symnn.layers.writing import Parameter, Place, Value, filled
from symnn.shapes import CHANNEL, TIME, Shape, extents

Over: TypeAlias = Literal["all", "channels"]
"""What an image is normalised over."""


class LayerNorm(Layer):
    """``g·(x − mean)/√(variance + ε) + b`` over the features of a sample, or of a step; of an image over all of it, or
    ``over: channels`` over those of each place.

    The variance is the mean square, not the unbiased one. g1 is 1 at first and b1 0, one for each number that is
    normalised over (Ba, Kiros, Hinton 2016).
    """

    epsilon: Annotated[float, Field(gt=0)] = 1e-5
    over: Over = "all"

    def shape(self, given: Shape) -> Shape:
        if self.over == "channels" and given[0].name != CHANNEL:
            raise misfit("layer_norm over channels", "an image or a signal", given)
        return given

    def parameters(self, given: Shape, feeds: ActivationLike = None) -> Mapping[str, Parameter]:
        axes = self._normalised(given)
        return {"g": filled(axes, 1.0), "b": filled(axes)}

    def write(self, place: Place, x: Value) -> Value:
        axes = self._normalised(place.given)
        count = len([extent for axis in axes for extent in axis.extents])
        over = x.indices[1:2] if self.over == "channels" else x.indices[-count:]
        outer = tuple(index for index in x.indices if index not in over)
        size = elements(extents(axes))
        mean = place.sum("mean", outer, x.here / size, over)
        variance = place.sum("variance", outer, (x.here - mean.here) ** 2 / size, over)
        normal = place.map("n", x.indices, (x.here - mean.here) / sqrt(variance.here + exact(self.epsilon)))
        g, b = place.parameters["g"], place.parameters["b"]
        return place.map("u", x.indices, g[over] * normal.here + b[over])

    def _normalised(self, given: Shape) -> Shape:
        """The axes that are normalised over."""
        if self.over == "channels":
            return given[:1]
        return given[-1:] if given[0].name == TIME else given

    @property
    def unbounded(self) -> bool | None:
        return True


@called(SpecError)
def layer_norm(*, epsilon: float = 1e-5, over: Over = "all") -> LayerNorm:
    """``g·(x − mean)/√(variance + ε) + b``.

    >>> layer_norm().to_plain(), layer_norm(epsilon=0.001).to_plain()
    ('layer_norm', {'layer_norm': {'epsilon': 0.001}})
    """
    return LayerNorm(epsilon=epsilon, over=over)
