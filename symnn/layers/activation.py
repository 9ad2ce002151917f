"""``{activation: tanh}``: the function of every element, whatever the shape."""

from __future__ import annotations

from pydantic import Field

from symnn.choices import ActivationLike, is_identity
from symnn.errors import FieldError, SpecError
from symnn.given import called
from symnn.layers.layer import ActivationField, Layer
from symnn.layers.writing import Place, Value


class Activation(Layer):
    """``a = activation(x)``."""

    activation: ActivationField = Field(description="the name of an activation or a formula")

    def model_post_init(self, context: object) -> None:
        if self.activation is None:
            raise FieldError("expected the name of an activation or a formula, found none", ("activation",))

    @property
    def applies(self) -> ActivationLike:
        return self.activation

    def write(self, place: Place, x: Value) -> Value:
        return place.activated(x, self.activation, place.together(x))

    @property
    def unbounded(self) -> bool | None:
        return None if is_identity(self.activation) else False


@called(SpecError)
def activation(function: ActivationLike) -> Activation:
    """``a = function(x)``.

    >>> activation("tanh").activation.name
    'tanh'
    """
    return Activation(activation=function)
