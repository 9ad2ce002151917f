"""``{scale: 0.5}``: everything times a number, or each feature or channel times a number that is learnt."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from symnn.activations import exact
from symnn.choices import ActivationLike
from symnn.errors import SpecError
from symnn.given import called
from symnn.layers.layer import Layer
from symnn.layers.writing import Parameter, Place, Value, filled
from symnn.shapes import Shape, feature_axis


class Scale(Layer):
    """``scale·x``; with ``learned`` ``g·x``, where g1 has a number for each feature or channel and begins as scale."""

    scale: float = Field(description="the factor")
    learned: bool = False

    def parameters(self, given: Shape, feeds: ActivationLike = None) -> Mapping[str, Parameter]:
        return {"g": filled((feature_axis(given),), self.scale)} if self.learned else {}

    def write(self, place: Place, x: Value) -> Value:
        factor = place.parameters["g"][place.together(x)] if self.learned else exact(self.scale)
        return place.map("r", x.indices, factor * x.here)


@called(SpecError)
def scale(factor: float, *, learned: bool = False) -> Scale:
    """``factor·x``, or with a factor for each feature that begins as this one and is learnt.

    >>> scale(0.5, learned=True).to_plain()
    {'scale': 0.5, 'learned': True}
    """
    return Scale(scale=factor, learned=learned)
