"""Sums of products: matrices, and Einstein's summation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sympy import Mul

from symnn.onnx.arrays import Array, Value, number
from symnn.onnx.operators.row import Node, Operator, Result
from symnn.onnx.writing import shown

DOTS = "."
"""What an axis of the ellipsis is called, with its number from the end."""


def contracted(node: Node, operands: Sequence[Array], labels: Sequence[Sequence[str]], out: Sequence[str]) -> Array:
    """The sum of products over the labels that the result does not have.

    Axes of one label have one length, or 1 and are repeated.
    """
    operands = [node.writer.settled(node.writer.fresh(array)) for array in operands]
    order = list(dict.fromkeys(label for of in labels for label in of))
    spread = []
    for array, of in zip(operands, labels):
        if len(array.axes) != len(of):
            node.refuse(f"found an array of shape {shown(array.shape)}, expected {len(of)} axes")
        array = _diagonal(node, array, of)
        own = dict(zip(of, array.axes))
        spread.append(Array(tuple(own.get(label, ()) for label in order), array.body))
    axes, found = node.broadcast(spread)
    at = dict(zip(order, axes))
    over = [index for label in order if label not in out for index in at[label]]
    return node.writer.vertex([at[label] for label in out], Mul(*(array.body for array in found)), over)


def _diagonal(node: Node, array: Array, labels: Sequence[str]) -> Array:
    """The array where axes of the same label are at the same place."""
    first: dict[str, int] = {}
    for place, label in enumerate(labels):
        if label in first:
            one, other = first[label], place
            if array.shape[one] != array.shape[other]:
                node.refuse(f"found a diagonal of shape {shown(array.shape)}")
            array = node.writer.single(node.writer.single(array, one), other)
            if array.axes[one]:
                axes = (*array.axes[:other], array.axes[one], *array.axes[other + 1 :])
                array = array.at({array.axes[other][0]: array.axes[one][0]}, axes)
        first.setdefault(label, place)
    return array


def matmul(node: Node, a: Array, b: Array) -> Array:
    """NumPy's product of matrices, the axes in front repeated."""
    if not a.axes or not b.axes:
        node.refuse("found a number, expected vectors or matrices")
    left = a if len(a.axes) > 1 else replace(a, axes=((), *a.axes))
    right = b if len(b.axes) > 1 else replace(b, axes=(*b.axes, ()))
    if left.shape[-1] != right.shape[-2]:
        node.refuse(f"found shapes {shown(a.shape)} and {shown(b.shape)}, expected matrices that fit")
    batch = max(len(left.axes), len(right.axes)) - 2
    dots = [f"{DOTS}{place}" for place in range(batch, 0, -1)]
    labels = [[*dots[batch - len(x.axes) + 2 :], *names] for x, names in ((left, "ik"), (right, "kj"))]
    found = contracted(node, [left, right], labels, [*dots, "i", "j"])
    axes = list(found.axes)
    if len(b.axes) == 1:
        del axes[-1]
    if len(a.axes) == 1:
        del axes[len(dots)]
    return replace(found, axes=tuple(axes))


def _matmul(node: Node, a: Value | None, b: Value | None) -> Result:
    return matmul(node, node.real(a), node.real(b))


def _gemm(node: Node, a: Value | None, b: Value | None, c: Value | None = None) -> Result:
    left, right = node.real(a), node.real(b)
    if len(left.axes) != 2 or len(right.axes) != 2:
        node.refuse(f"found shapes {shown(left.shape)} and {shown(right.shape)}, expected matrices")
    left, right = (
        replace(x, axes=x.axes[::-1]) if node[name] else x for x, name in ((left, "transA"), (right, "transB"))
    )
    found = matmul(node, left, right)
    body = number(node["alpha"]) * found.body
    if c is None or node["beta"] == 0:
        return found.with_body(body)
    shift = node.matched(node.real(c, "C"), found.axes)
    return found.with_body(body + number(node["beta"]) * shift.body)


def _einsum(node: Node, *inputs: Value | None) -> Result:
    arrays = [node.real(value) for value in inputs]
    text = node["equation"]
    if not isinstance(text, str) or len(text) > 200:
        node.refuse("found no equation of at most 200 letters")
    left, arrow, right = text.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(arrays):
        node.refuse(f"found {len(arrays)} arrays for {text!r}")
    labels = [_letters(node, term, len(array.axes)) for term, array in zip(terms, arrays)]
    if arrow:
        most = max((sum(label.startswith(DOTS) for label in of) for of in labels), default=0)
        out = _letters(node, right, sum(letter.isalpha() for letter in right) + most if "..." in right else len(right))
    else:
        every = [label for of in labels for label in of]
        dots = sorted({label for label in every if label.startswith(DOTS)}, key=lambda label: -int(label[1:]))
        out = dots + sorted(label for label in {*every} if every.count(label) == 1 and not label.startswith(DOTS))
    if len({*out}) != len(out) or not {*out} <= {label for of in labels for label in of}:
        node.refuse(f"found the equation {text!r}")
    return contracted(node, arrays, labels, out)


def _letters(node: Node, term: str, rank: int) -> list[str]:
    """A name for each axis; those of the ellipsis are counted from the end."""
    before, dots, after = term.partition("...")
    if not all(letter.isascii() and letter.isalpha() for letter in before + after):
        node.refuse(f"found {term!r} in an equation, expected letters and an ellipsis")
    more = rank - len(before) - len(after)
    if more < 0 or (more and not dots):
        node.refuse(f"found {term!r} for an array of {rank} axes")
    return [*before, *(f"{DOTS}{place}" for place in range(more, 0, -1)), *after]


OPERATORS: dict[str, Operator] = {
    "Einsum": Operator(_einsum, {"equation": None}),
    "Gemm": Operator(_gemm, {"alpha": 1.0, "beta": 1.0, "transA": 0, "transB": 0}),
    "MatMul": Operator(_matmul),
}
"""By their names."""
