"""``{convolution: 16, kernel: 5, activation: tanh}``: the same weighted sum at every place of an image or a signal."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from pydantic import Field

from codegen import Index
from symnn.choices import ActivationLike, is_identity
from symnn.errors import FieldError, SpecError
from symnn.given import called, whole_number
from symnn.layers.layer import ActivationField, InitialiserField, Layer, UnitsField
from symnn.layers.windows import Padding, PaddingField, Sizes, SizesField, Window, inside, offsets, windows
from symnn.layers.writing import Parameter, Place, Value, filled, weights
from symnn.shapes import Shape, image


class Convolution(Layer):
    """``z[o, i, j] = Σ_c,p,q W[o, c, p, q]·x[c, i·stride + p·dilation − padding, …]``, ``u = z + b``, an activation.

    W1 (channels out, channels in / groups, kernel…), b1 (channels out,), as PyTorch has them. ``kernel``, ``stride``,
    ``padding`` and ``dilation`` are one number for every axis of space, or one for each. ``padding``: valid for none,
    same for as many places as before (divided by the stride), or how many zeros are added at both ends. With ``groups``
    each part of the channels that come out sees its part of those that come in.
    """

    convolution: UnitsField = Field(description="the number of channels that come out")
    kernel: SizesField = Field(description="the size of the kernel, such as 3 or [3, 5]")
    stride: SizesField = 1
    padding: PaddingField = "valid"
    dilation: SizesField = 1
    groups: UnitsField = 1
    bias: bool = True
    activation: ActivationField = None
    initialiser: InitialiserField = None

    def _windows(self, given: Shape) -> list[Window]:
        return windows("convolution", given, self.kernel, self.stride, self.padding, self.dilation)

    def shape(self, given: Shape) -> Shape:
        found = self._windows(given)
        channels = int(given[0].extent)
        if channels % self.groups or self.convolution % self.groups:
            both = f"{channels} channels that come in and {self.convolution} that come out"
            raise FieldError(f"convolution has {self.groups} groups, found {both}; expected multiples of it")
        return image(self.convolution, tuple(window.count for window in found))

    def parameters(self, given: Shape, feeds: ActivationLike = None) -> Mapping[str, Parameter]:
        kernel = tuple(window.size for window in self._windows(given))
        channels = int(given[0].extent) // self.groups
        feeds = feeds if self.activation is None else self.activation
        fans = (channels * prod(kernel), self.convolution // self.groups * prod(kernel))
        found = {"W": weights((self.convolution, channels, *kernel), fans, self.initialiser, feeds)}
        return {**found, "b": filled((self.convolution,))} if self.bias else found

    def write(self, place: Place, x: Value) -> Value:
        W, found = place.parameters["W"], self._windows(place.given)
        out, *space = place.indices(self.shape(place.given))
        over = [Index(x.indices[1].name, W.shape[1]), *offsets(found)]
        channel, *at = over
        conditions = [condition for window, i, p in zip(found, space, at) for condition in window.inside(i, p)]
        source = channel
        if self.groups > 1:
            group, size = Index("g", self.groups), self.convolution // self.groups
            source = W.shape[1] * group + channel
            conditions += [out >= size * group, out <= size * group + size - 1]
            over.insert(0, group)
        reads = [window.place(i, p) for window, i, p in zip(found, space, at)]
        body = inside(W[out, channel, *at] * x.at(source, *reads), conditions)
        result = place.sum("z", (x.indices[0], out, *space), body, over)
        if self.bias:
            result = place.map("u", result.indices, result.here + place.parameters["b"][out])
        return place.activated(result, self.activation, [out])

    @property
    def unbounded(self) -> bool | None:
        return is_identity(self.activation)


@called(SpecError)
def convolution(
    channels: int,
    kernel: Sizes,
    activation: ActivationLike = None,
    *,
    stride: Sizes = 1,
    padding: Padding = "valid",
    dilation: Sizes = 1,
    groups: int = 1,
    bias: bool = True,
    initialiser: str | None = None,
) -> Convolution:
    """The same weighted sum at every place, for each of the ``channels`` that come out.

    >>> from symnn.network import Network, dense, flatten
    >>> layers = convolution(16, 3, "tanh", padding="same"), flatten(), dense(10)
    >>> print(Network((1, 8, 8), layers, "softmax_cross_entropy").layout["W1"])
    ParameterSlice(name='W1', where=slice(0, 144, None), shape=(16, 1, 3, 3))
    """
    return Convolution(
        convolution=whole_number("channels", channels, 1, refused=SpecError),
        kernel=kernel,
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
        bias=bias,
        activation=activation,
        initialiser=initialiser,
    )
