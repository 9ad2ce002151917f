"""``{embedding: 16, vocabulary: 2000}``: a row of numbers for each integer of a sequence."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from codegen import Index
from symnn.choices import ActivationLike
from symnn.errors import SpecError
from symnn.given import called, whole_number
from symnn.layers.layer import InitialiserField, Layer, UnitsField, misfit
from symnn.layers.writing import Parameter, Place, Value, weights
from symnn.shapes import FEATURE, TIME, Axis, Shape, names


class Embedding(Layer):
    """``a[t] = E[x[t]]``: the first layer of a network whose x are integers (S, T) from 0 to vocabulary − 1.

    E1 is (vocabulary, features). Inputs are said without features: ``{time: 50}``.
    """

    embedding: UnitsField = Field(description="the number of features")
    vocabulary: UnitsField = Field(description="how many different integers there are")
    initialiser: InitialiserField = None

    @property
    def below(self) -> int | None:
        return self.vocabulary

    def shape(self, given: Shape) -> Shape:
        if names(given) != (TIME,):
            raise misfit("embedding", "the inputs of a network that are said as {time: 50}, without features", given)
        return (*given, Axis(FEATURE, self.embedding))

    def parameters(self, given: Shape, feeds: ActivationLike = None) -> Mapping[str, Parameter]:
        shape = (self.vocabulary, self.embedding)
        return {"E": weights(shape, (self.vocabulary, self.embedding), self.initialiser, None)}

    def write(self, place: Place, x: Value) -> Value:
        if x.variable.kind != "integer":  # of which it would silently make zeros
            raise SpecError("embedding: found real numbers, expected the integers of inputs: it has to come first")
        feature = Index(f"d{place.number}", self.embedding)
        return place.map("a", (*x.indices, feature), place.parameters["E"][x.here, feature])


@called(SpecError)
def embedding(features: int, vocabulary: int, *, initialiser: str | None = None) -> Embedding:
    """A row of numbers for each integer.

    >>> embedding(16, vocabulary=2000).to_plain()
    {'embedding': 16, 'vocabulary': 2000}
    """
    return Embedding(
        embedding=whole_number("features", features, 1, refused=SpecError),
        vocabulary=whole_number("vocabulary", vocabulary, 1, refused=SpecError),
        initialiser=initialiser,
    )
