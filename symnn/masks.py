"""The masks of dropout: random numbers that depend on the seed, the layer, the sample and the place alone.

They come from a counter-based generator, Philox (Salmon et al. 2011, NumPy's), at the place that the number of the
sample says: a training that is broken off and gone on with, in pieces of whatever size, draws the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import DTypeLike

from symnn.layers.writing import Mask

WORDS = 4
"""Of 64 bits in a block, which is what the generator's counter counts."""


def draw(
    masks: Sequence[Mask], rows: int, seed: int = 0, first: int = 0, dtype: DTypeLike = "float64", steps: int = 1
) -> list[np.ndarray]:
    """The masks of ``rows`` samples, of which the first is sample number ``first`` of the training, from 0.

    Each number is 0 with the probability that the mask's layer says, and else 1/(1 − rate). ``steps`` is the length of
    a time axis that each call decides; samples of another length have other numbers.

    >>> from symnn.layers.dense import dense
    >>> from symnn.layers.dropout import dropout
    >>> from symnn.network import Network
    >>> masks = Network(2, (dense(3), dropout(0.5), dense(1)), "huber").masks
    >>> draw(masks, 4)[0]
    array([[0., 0., 0.],
           [2., 0., 2.],
           [0., 0., 2.],
           [2., 0., 2.]])
    >>> draw(masks, 2, first=2)[0]
    array([[0., 0., 2.],
           [2., 0., 2.]])
    """
    found = []
    for number, mask in enumerate(masks):
        extents = mask.variable.shape[1:]
        shape = tuple(n if isinstance(n, int) else steps for n in extents)
        blocks = -(-prod(shape) // WORDS)
        # Of 256 bits, the last 64 say the length: else samples of different lengths would meet at one place.
        place = first * blocks + (0 if shape == extents else steps << 192)
        key = np.array([seed, number], dtype=np.uint64)
        generator = np.random.Generator(np.random.Philox(key=key, counter=place))
        kept = generator.random((rows, blocks * WORDS))[:, : prod(shape)] >= mask.rate
        found.append(np.where(kept, 1 / (1 - mask.rate), 0.0).astype(dtype).reshape(rows, *shape))
    return found
