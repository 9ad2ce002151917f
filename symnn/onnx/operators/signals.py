"""Operators on signals: Fourier transforms, and the windows that go before them."""

from __future__ import annotations

from collections.abc import Sequence

from sympy import Expr, Integer, Piecewise, cos, pi, sin

from symnn.onnx.arrays import Array, Axis, Value, number
from symnn.onnx.operators.row import LONGEST_AXIS, Node, Operator, Result
from symnn.onnx.operators.views import joined
from symnn.onnx.writing import shown


def _dft(node: Node, x: Value | None, length: Value | None = None, axis: Value | None = None) -> Result:
    """Σ_j x[j]·exp(∓2πi·j·k/N), and with the plus sign 1/N of it; the last axis has real and imaginary parts."""
    array = node.vertex_of(x)
    rank, parts = len(array.axes), array.shape[-1] if array.axes else 0
    given = node.integers(axis, "axis")[0] if axis is not None else (1 if node.opset < 20 else -2)
    place = node.axis(node["axis"] if node["axis"] is not None else given, rank)
    array = node.writer.single(node.writer.single(array, place), rank - 1)
    n, inverse, onesided = array.shape[place], bool(node["inverse"]), bool(node["onesided"])
    if parts not in (1, 2) or place == rank - 1 or not isinstance(n, int) or (onesided and inverse != (parts == 2)):
        node.refuse(f"found shape {shown(array.shape)}, expected real or complex numbers along an axis of known length")
    usual = 2 * (n - 1) if onesided and inverse else n
    count = usual if length is None else node.integers(length, "dft_length")[0]
    if not 1 <= count <= LONGEST_AXIS:
        node.refuse(f"found dft_length {count}, expected one from 1 to {LONGEST_AXIS:,}")
    read = min(n, count // 2 + 1 if onesided and inverse else count)
    out = node.writer.axis(count // 2 + 1 if onesided and not inverse else count)
    over = node.writer.axis(read)
    j, k = (index[0] if index else Integer(0) for index in (over, out))
    angle = [node.writer.vertex([over, out], wave(2 * pi * j * k / count)).body for wave in (cos, sin)]
    kept = (*array.axes[:place], out, *array.axes[place + 1 : -1], ())

    def part(which: int) -> Expr:
        values = {array.axes[place][0]: j} if array.axes[place] else {}
        return array.at(values | ({array.axes[-1][0]: Integer(which)} if array.axes[-1] else {})).body

    def summed(body: Expr) -> Array:
        return node.writer.vertex(kept, body / (count if inverse else 1), over)

    turn = -1 if inverse else 1
    re, im = part(0), part(1) if parts == 2 else Integer(0)
    if onesided and inverse:
        # All but the first and, of an even number, the middle one stand for two.
        ends = [(Integer(1), j <= 0), *([(Integer(1), j >= count // 2)] if count % 2 == 0 else [])]
        return summed(Piecewise(*ends, (Integer(2), True)) * (re * angle[0] - im * angle[1]))
    real, imaginary = summed(re * angle[0] + turn * im * angle[1]), summed(im * angle[0] - turn * re * angle[1])
    return joined(node, [real, imaginary], rank - 1)


def _window(*factors: float) -> Operator:
    """a₀ − a₁·cos(2πn/N) + a₂·cos(4πn/N), where N is the number of places, or for a symmetric one the last of them."""

    def write(node: Node, size: Value | None) -> Result:
        (count,) = node.integers(size, "size")
        if not 1 <= count <= LONGEST_AXIS:
            node.refuse(f"found size {count}, expected one from 1 to {LONGEST_AXIS:,}")
        axis: Axis = node.writer.axis(count)
        turn = 2 * pi * (axis[0] if axis else 0) / max(1, count if node["periodic"] else count - 1)
        terms: Sequence[Expr] = [number(a) * (-1) ** m * cos(m * turn) for m, a in enumerate(factors)]
        return Array((axis,), sum(terms, Integer(0)))

    return Operator(write, {"output_datatype": 1, "periodic": 1})


OPERATORS: dict[str, Operator] = {
    "BlackmanWindow": _window(0.42, 0.5, 0.08),
    "DFT": Operator(_dft, {"axis": None, "inverse": 0, "onesided": 0}),
    "HammingWindow": _window(0.543478260869565, 0.456521739130435),
    "HannWindow": _window(0.5, 0.5),
}
"""By their names."""
