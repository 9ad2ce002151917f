"""``{average_pool: 2}``: the mean of each window, of each channel."""

from __future__ import annotations

from math import prod

from pydantic import Field

from symnn.errors import SpecError
from symnn.given import called
from symnn.layers.layer import Layer
from symnn.layers.windows import Sizes, SizesField, Window, offsets, windows
from symnn.layers.writing import Place, Value
from symnn.shapes import Shape, image


class AveragePool(Layer):
    """``a[c, i, j] = Σ_p,q x[c, i·stride + p, j·stride + q] / (size of the window)``.

    The stride is the window's size unless said.
    """

    average_pool: SizesField = Field(description="the size of the window, such as 2 or [2, 3]")
    stride: SizesField | None = None

    def _windows(self, given: Shape) -> list[Window]:
        return windows("average_pool", given, self.average_pool, self.stride or self.average_pool, "valid", 1)

    def shape(self, given: Shape) -> Shape:
        return image(given[0].extent, tuple(window.count for window in self._windows(given)))

    def write(self, place: Place, x: Value) -> Value:
        found = self._windows(place.given)
        channel, (_, *space), at = x.indices[1], place.indices(self.shape(place.given)), offsets(found)
        reads = [window.place(i, p) for window, i, p in zip(found, space, at)]
        size = prod(window.size for window in found)
        return place.sum("p", (x.indices[0], channel, *space), x.at(channel, *reads) / size, at)


@called(SpecError)
def average_pool(size: Sizes, *, stride: Sizes | None = None) -> AveragePool:
    """The mean of each window.

    >>> average_pool(2).to_plain(), average_pool((2, 3), stride=1).to_plain()
    ({'average_pool': 2}, {'average_pool': [2, 3], 'stride': 1})
    """
    return AveragePool(average_pool=size, stride=stride)
