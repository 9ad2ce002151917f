"""``{noise: 0.1}``: in training normal numbers of this standard deviation are added."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from codegen import random_normal
from symnn.activations import exact
from symnn.errors import SpecError
from symnn.given import called
from symnn.layers.layer import Layer
from symnn.layers.writing import Place, Value


class Noise(Layer):
    """``x + σ·ε`` in training with normal ε, another for each number; predictions are without.

    ε is a formula of uniform random numbers: :func:`codegen.random_normal`. They depend on the arguments ``seed`` and
    ``first`` of the compiled gradient, behind y, and on the place in the network.
    """

    noise: Annotated[float, Field(ge=0)] = Field(description="the standard deviation")

    two_forms: ClassVar = True

    def write(self, place: Place, x: Value) -> Value:
        if not place.training or not self.noise:
            return x
        return place.map("n", x.indices, x.here + exact(self.noise) * place.drawn(x, random_normal))


@called(SpecError)
def noise(deviation: float) -> Noise:
    """``x + σ·ε`` in training.

    >>> noise(0.1).to_plain()
    {'noise': 0.1}
    """
    return Noise(noise=deviation)
