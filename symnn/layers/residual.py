"""``{residual: [{dense: 32, activation: tanh}, {dense: 32}]}``: what goes in, added to what the layers make of it."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import Field

from symnn.errors import FieldError, SpecError
from symnn.given import called
from symnn.layers.layer import Layer, LayersField, shape_after, unbounded_after
from symnn.layers.writing import Place, Value
from symnn.shapes import Shape, described, extents, names


class Residual(Layer):
    """``x + f(x)``, f being the layers one after the other (He et al. 2016)."""

    residual: LayersField = Field(description="a list of layers")

    @property
    def branches(self) -> Sequence[Sequence[Layer]]:
        return (self.residual,)

    def shape(self, given: Shape) -> Shape:
        try:
            found = shape_after(self.residual, given)
        except FieldError as error:
            raise error.within("residual") from None
        return summed_shape(found, given)

    def write(self, place: Place, x: Value) -> Value:
        found, shape = place.chain(self.residual, x), shape_after(self.residual, place.given)
        if shape != place.given:  # one of them has several axes in place of one
            x, found = place.plain(x, place.given), place.plain(found, shape)
        return place.map("r", found.indices, x.variable[found.indices] + found.here)

    @property
    def unbounded(self) -> bool | None:
        return unbounded_after(self.residual) or None


def summed_shape(found: Shape, given: Shape) -> Shape:
    """The shape of what layers give, added to what they are given.

    Raises :class:`FieldError` where the shapes differ.
    """
    if (names(found), extents(found)) != (names(given), extents(given)):
        raise FieldError(
            f"residual adds what its layers give, values of shape {described(found)}, to what they are given, "
            f"values of shape {described(given)}; expected the same shape"
        )
    return found


@called(SpecError)
def residual(*layers: Layer | Sequence[Layer]) -> Residual:
    """``x + f(x)``, f being the layers one after the other, given so or in a list.

    >>> from symnn.layers.dense import dense
    >>> residual(dense(8, "tanh"), dense(8)).to_plain()
    {'residual': [{'dense': 8, 'activation': 'tanh'}, {'dense': 8}]}
    >>> residual([dense(8)]) == residual(dense(8))
    True
    """
    return Residual(residual=layers[0] if len(layers) == 1 and isinstance(layers[0], (list, tuple)) else layers)  # type: ignore[arg-type]
