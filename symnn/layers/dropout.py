"""``{dropout: 0.2}``: in training a random fifth of the numbers is left out, and the others make up for them."""

from __future__ import annotations

from functools import partial
from typing import Annotated, ClassVar

from pydantic import Field

from codegen import random_reaches
from symnn.activations import exact
from symnn.errors import SpecError
from symnn.given import called
from symnn.layers.layer import Layer
from symnn.layers.writing import Place, Value


class Dropout(Layer):
    """``x·mask`` in training, where the mask is 0 at this rate and else 1/(1 − rate); predictions are without.

    Srivastava et al. 2014. The mask is a vertex, drawn where it is used: it depends on the arguments ``seed`` and
    ``first`` of the compiled gradient, behind y, and on the place in the network.
    """

    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(description="the fraction that is left out")

    two_forms: ClassVar = True

    def write(self, place: Place, x: Value) -> Value:
        if not place.training or not self.dropout:
            return x
        kept = place.drawn(x, partial(random_reaches, self.dropout))
        mask = place.map("mask", x.indices, kept * exact(1 / (1 - self.dropout)))
        return place.map("d", x.indices, x.here * mask.here)


@called(SpecError)
def dropout(rate: float) -> Dropout:
    """``x·mask`` in training.

    >>> dropout(0.2).to_plain()
    {'dropout': 0.2}
    """
    return Dropout(dropout=rate)
