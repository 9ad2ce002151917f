"""``{max_pool: 2}``: the largest number in each window, of each channel."""

from __future__ import annotations

from pydantic import Field

from symnn.errors import SpecError
from symnn.given import called
from symnn.layers.windows import Pool, Sizes, SizesField, Window, windows
from symnn.layers.writing import Place, Value
from symnn.shapes import Shape


class MaxPool(Pool):
    """``a[c, i, j] = max_p,q x[c, i·stride + p, j·stride + q]``; the stride is the window's size unless said."""

    max_pool: SizesField = Field(description="the size of the window, such as 2 or [2, 3]")
    stride: SizesField | None = None

    def windows(self, given: Shape) -> list[Window]:
        return windows("max_pool", given, self.max_pool, self.stride or self.max_pool, "valid", 1)

    def write(self, place: Place, x: Value) -> Value:
        indices, element, inside = self.read(place, x)
        return place.max("p", indices, element, inside)


@called(SpecError)
def max_pool(size: Sizes, *, stride: Sizes | None = None) -> MaxPool:
    """The largest number in each window.

    >>> max_pool(2).to_plain(), max_pool((2, 3), stride=1).to_plain()
    ({'max_pool': 2}, {'max_pool': [2, 3], 'stride': 1})
    """
    return MaxPool(max_pool=size, stride=stride)
