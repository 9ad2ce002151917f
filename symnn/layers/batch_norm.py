"""``batch_norm``: each feature, or each channel, shifted and scaled to mean 0 and variance 1 over a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field
from sympy import Mul, sqrt

from codegen.walk import extent
from symnn.activations import exact
from symnn.choices import ActivationLike
from symnn.errors import SpecError
from symnn.given import called
from symnn.layers.layer import Layer
from symnn.layers.writing import Parameter, Place, Value, filled
from symnn.shapes import Shape, feature_axis


class BatchNorm(Layer):
    """``g·(x − m)/√(v + ε) + b``, g1 and b1 for each feature or channel (Ioffe, Szegedy 2015).

    In training m and v are mean and variance of the batch, over steps and places too, and after each step the running
    averages, mean1 and variance1, have moved towards them: new = (1 − momentum)·old + momentum·m. Predictions take
    these. They are kept with the weights, behind all parameters. The variance is the mean square, here and there.
    """

    epsilon: Annotated[float, Field(gt=0)] = 1e-5

    two_forms: ClassVar = True

    def parameters(self, given: Shape, feeds: ActivationLike = None) -> Mapping[str, Parameter]:
        axes = (feature_axis(given),)
        averages = {"mean": filled(axes, averages=True), "variance": filled(axes, 1.0, averages=True)}
        return {"g": filled(axes, 1.0), "b": filled(axes), **averages}

    def write(self, place: Place, x: Value) -> Value:
        p = place.parameters
        kept = place.together(x)
        mean, variance = p["mean"][kept], p["variance"][kept]
        if place.training:
            over = [index for index in x.indices if index not in kept]
            size = Mul(*map(extent, over))
            batch = place.sum("m", kept, x.here / size, over)
            spread = place.sum("v", kept, (x.here - batch.here) ** 2 / size, over)
            place.average("mean", batch)
            place.average("variance", spread)
            mean, variance = batch.here, spread.here
        normal = place.map("n", x.indices, (x.here - mean) / sqrt(variance + exact(self.epsilon)))
        return place.map("u", x.indices, p["g"][kept] * normal.here + p["b"][kept])

    @property
    def unbounded(self) -> bool | None:
        return True


@called(SpecError)
def batch_norm(*, epsilon: float = 1e-5) -> BatchNorm:
    """``g·(x − m)/√(v + ε) + b`` with mean and variance of the batch, or in predictions their running averages.

    >>> from symnn.network import Network, dense
    >>> [*Network(2, (dense(3), batch_norm(), dense(1)), "huber").layout]
    ['W1', 'b1', 'g2', 'b2', 'W3', 'b3', 'mean2', 'variance2']
    """
    return BatchNorm(epsilon=epsilon)
