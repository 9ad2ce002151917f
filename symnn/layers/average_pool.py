"""``{average_pool: 2}``: the mean of each window, of each channel."""

from __future__ import annotations

from pydantic import Field
from sympy import Mul

from codegen.walk import extent
from symnn.errors import SpecError
from symnn.given import called
from symnn.layers.windows import Pool, Sizes, SizesField, Window, windows
from symnn.layers.writing import Place, Value
from symnn.shapes import Shape


class AveragePool(Pool):
    """``a[c, i, j] = Σ_p,q x[c, i·stride + p, j·stride + q] / (size of the window)``.

    The stride is the window's size unless said.
    """

    average_pool: SizesField = Field(description="the size of the window, such as 2 or [2, 3]")
    stride: SizesField | None = None

    def windows(self, given: Shape) -> list[Window]:
        return windows("average_pool", given, self.average_pool, self.stride or self.average_pool, "valid", 1)

    def write(self, place: Place, x: Value) -> Value:
        indices, element, inside = self.read(place, x)
        return place.sum("p", indices, element / Mul(*map(extent, inside)), inside)


@called(SpecError)
def average_pool(size: Sizes, *, stride: Sizes | None = None) -> AveragePool:
    """The mean of each window.

    >>> average_pool(2).to_plain(), average_pool((2, 3), stride=1).to_plain()
    ({'average_pool': 2}, {'average_pool': [2, 3], 'stride': 1})
    """
    return AveragePool(average_pool=size, stride=stride)
