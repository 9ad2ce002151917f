"""``{again: encoder}``: the layer of this name once more, with the same weights."""

from __future__ import annotations

from pydantic import Field

from symnn.errors import FieldError, SpecError
from symnn.given import called
from symnn.layers.layer import Layer
from symnn.shapes import Shape


class Again(Layer):
    """An earlier layer that has a ``name``, or all layers of one that holds some; see :mod:`symnn.layers.reading`."""

    again: str = Field(description="the name of a layer")

    def shape(self, given: Shape) -> Shape:
        raise FieldError("again: expected a network whose layers have names, found one whose layers are a chain")


@called(SpecError)
def again(name: str) -> Again:
    """The layer of this name once more.

    >>> again("encoder").to_plain()
    {'again': 'encoder'}
    """
    return Again(again=name)
