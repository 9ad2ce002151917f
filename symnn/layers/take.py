"""``{take: left}``: what flows on is the input of this name, or what the layer of this name has made."""

from __future__ import annotations

from pydantic import Field

from symnn.errors import FieldError, SpecError
from symnn.given import called
from symnn.layers.layer import Layer
from symnn.shapes import Shape


class Take(Layer):
    """An input by its name, or the value of an earlier layer that has a ``name``; see :mod:`symnn.layers.reading`."""

    take: str = Field(description="the name of an input or of a layer")

    def shape(self, given: Shape) -> Shape:
        raise FieldError("take: expected a network whose inputs have names, found one whose layers are a chain")


@called(SpecError)
def take(name: str) -> Take:
    """The input, or what the layer has made, of this name.

    >>> take("left").to_plain()
    {'take': 'left'}
    """
    return Take(take=name)
