"""Attention: each place of a sequence takes a mean of all places, weighted by how they match."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sympy import And, Expr, Integer, Mul, Piecewise, Pow, Rational, exp, oo, tanh

from codegen import functions as f
from codegen.walk import Extent, extent
from symnn.onnx.arrays import Array, Value, number
from symnn.onnx.operators.places import gather
from symnn.onnx.operators.products import contracted
from symnn.onnx.operators.reductions import largest, softmax, total
from symnn.onnx.operators.row import Node, Operator, Result
from symnn.onnx.operators.views import joined, sliced, taken
from symnn.onnx.writing import shown

UNSEEN = Integer(-(10**30))
"""Less than any match of a place that is seen, in both precisions."""


def _heads(node: Node, value: Value | None, what: str, heads: int | None) -> Array:
    """An array of samples, heads, places and features; of three axes the last is that of heads and features."""
    array = node.vertex_of(value, what)
    if len(array.axes) == 3:
        width = array.shape[2]
        if not heads or not isinstance(width, int) or width % heads:
            node.refuse(f"found {what} of shape {shown(array.shape)} for {heads} heads")
        apart = node.writer.reshaped(array, [*array.shape[:2], heads, width // heads])
        array = replace(apart, axes=tuple(apart.axes[place] for place in (0, 2, 1, 3)))
    if len(array.axes) != 4:
        node.refuse(f"found {what} of shape {shown(array.shape)}, expected 3 or 4 axes")
    return node.writer.single(node.writer.single(array, 2), 3)


def _attention(
    node: Node,
    q: Value | None,
    k: Value | None,
    v: Value | None,
    mask: Value | None = None,
    past_k: Value | None = None,
    past_v: Value | None = None,
    counts: Value | None = None,
) -> Result:
    writer = node.writer
    query = _heads(node, q, "Q", node["q_num_heads"])
    keys, values = (_heads(node, x, name, node["kv_num_heads"]) for x, name in ((k, "K"), (v, "V")))
    past = 0
    if past_k is not None and past_v is not None:
        before = [node.vertex_of(x, "past") for x in (past_k, past_v)]
        past = before[0].shape[2]
        keys, values = (joined(node, [b, x], 2) for b, x in zip(before, (keys, values)))
    shape, heads = query.shape, keys.shape[1]
    if (
        not isinstance(shape[1], int)
        or not isinstance(heads, int)
        or shape[1] % heads
        or keys.shape[1] != values.shape[1]
    ):
        node.refuse(f"found shapes {shown(shape)} and {shown(keys.shape)}, expected a multiple of heads")
    # Several heads of Q share one of K and V.
    grouped = writer.reshaped(query, [shape[0], heads, shape[1] // heads, *shape[2:]])
    size = shape[3]
    if not isinstance(size, int):
        node.refuse(f"found Q of shape {shown(shape)}, expected a number of features")
    scale = Pow(Integer(size), Rational(-1, 2)) if node["scale"] is None else number(node["scale"])
    product = contracted(node, [grouped, keys], ["bhgqe", "bhke"], list("bhgqk"))
    plain = writer.vertex(product.axes, product.body * scale)
    whole = writer.reshaped(plain, [shape[0], shape[1], shape[2], keys.shape[2]])
    capped = whole
    if node["softcap"]:
        cap = number(node["softcap"])
        capped = whole.with_body(cap * tanh(whole.body / cap))
    matched, seen = _masked(node, capped, mask)
    if conditions := _seen(node, matched, past, counts):
        seen = [*seen, Piecewise((Integer(1), And(*conditions)), (Integer(0), True))]
    share = _shares(node, matched, Mul(*seen)) if seen else softmax(node, matched, [3])
    apart = writer.reshaped(writer.settled(share), [shape[0], heads, shape[1] // heads, *share.shape[2:]])
    found = contracted(node, [apart, values], ["bhgqk", "bhke"], list("bhgqe"))
    result = writer.reshaped(found, [shape[0], shape[1], shape[2], values.shape[3]])
    given = node.given(q, "Q")
    if len(given.shape) == 3:
        turned = replace(result, axes=tuple(result.axes[place] for place in (0, 2, 1, 3)))
        result = writer.reshaped(turned, [shape[0], shape[2], shape[1] * _number(node, values.shape[3])])
    biased = matched.with_body(f.select(Mul(*seen), matched.body, -oo)) if seen else matched
    stages = (whole, capped, biased, share)
    if node["qk_matmul_output_mode"] not in range(len(stages)):
        node.refuse(f"found qk_matmul_output_mode {node['qk_matmul_output_mode']}, expected 0, 1, 2 or 3")
    return [result, keys, values, stages[node["qk_matmul_output_mode"]]]


def _seen(node: Node, scores: Array, past: Extent, counts: Value | None) -> list[Any]:
    """The conditions under which a row sees a column: no later one, one within a window, one that is there."""
    row, column = (axis[0] if axis else Integer(0) for axis in scores.axes[2:])
    here: Expr = row + past
    found: list[Any] = []
    if counts is not None:
        there = node.matched(node.writer.fresh(node.writer.array(counts)), scores.axes[:1])
        if there.kind != "integer" or past != 0:
            node.refuse("found nonpad_kv_seqlen that is real, or beside past keys")
        found = [column <= there.body - 1]
        here = row + there.body - scores.shape[2]
    left, right = node["left_window_size"], node["right_window_size"]
    if min(left, right) < -1:
        node.refuse(f"found windows of {left} and {right}, expected -1 or more")
    ahead = [right] * (right >= 0) + [0] * bool(node["is_causal"])
    return found + [column <= here + n for n in ahead] + [column >= here - left] * (left >= 0)


def _shares(node: Node, matched: Array, seen: Expr) -> Array:
    """The softmax of what is seen along the last axis; 0 where nothing is."""
    score = node.writer.vertex(matched.axes, f.select(seen, matched.body, UNSEEN))
    m = largest(node, score.with_body(f.stop_gradient(score.body)), [3])
    weight = node.writer.vertex(score.axes, f.select(seen, exp(score.body - m.body), Integer(0)))
    below = total(node, weight, [3])
    return weight.with_body(f.ratio(weight.body, below.body))


def _number(node: Node, n: object) -> int:
    return n if isinstance(n, int) else node.refuse(f"found {n} features, expected a number")


def _masked(node: Node, scores: Array, mask: Value | None) -> tuple[Array, list[Expr]]:
    """The scores with what a mask adds, and where a mask of booleans is 1."""
    if mask is None:
        return scores, []
    array = node.writer.array(node.given(mask, "attn_mask"))
    if array.kind == "integer" or len(array.axes) > 4:
        node.refuse(f"found a mask of {array.kind}s of shape {shown(array.shape)}")
    last, columns = array.shape[-1], scores.shape[-1]
    if isinstance(last, int) and isinstance(columns, int) and last < columns:
        array = _widened(node, array, columns)
    elif last != columns:
        node.refuse(f"found a mask of shape {shown(array.shape)} for scores of shape {shown(scores.shape)}")
    if array.kind == "boolean":
        axes, (body, where) = node.broadcast([scores, array])
        return Array(axes, body.body), [where.body]
    axes, (body, added) = node.broadcast([scores, array])
    # What is added where nothing is seen is −∞, or a large number in its place.
    return Array(axes, body.body + added.body), [f.step(added.body - UNSEEN)]


def _widened(node: Node, mask: Array, columns: int) -> Array:
    """A mask of fewer columns: of the others none is seen."""
    mask = node.writer.single(node.writer.settled(mask), len(mask.axes) - 1)
    *outer, own = mask.axes
    (index,) = node.writer.axis(columns)
    inside = index <= (extent(own[0]) if own else 1) - 1
    body = mask.at({own[0]: index} if own else {}).body
    unseen = Integer(0) if mask.kind == "boolean" else UNSEEN
    return Array((*outer, (index,)), Piecewise((body, inside), (unseen, True)), mask.kind)


def _rotary(node: Node, x: Value | None, cosines: Value | None, sines: Value | None, at: Value | None = None) -> Result:
    """Pairs of features turned by angles that grow with the place in the sequence."""
    given = node.given(x, "input")
    array = _heads(node, x, "input", node["num_heads"])
    width = node["rotary_embedding_dim"] or array.shape[3]
    if not isinstance(width, int) or width % 2 or not 0 < width <= _number(node, array.shape[3]):
        node.refuse(f"found rotary_embedding_dim {width} of shape {shown(array.shape)}")
    turned, rest = sliced(node, array, 3, 0, width, 1), width < _number(node, array.shape[3])
    if node["interleaved"]:
        pairs = node.writer.reshaped(turned, [*array.shape[:3], width // 2, 2])
        first, second = (taken(node, pairs, 4, which) for which in (0, 1))
    else:
        first, second = (sliced(node, turned, 3, start, start + width // 2, 1) for start in (0, width // 2))
    second = node.writer.fresh(second)
    waves = []
    for table in (cosines, sines):
        found = node.real(table, "cache") if at is None else gather(node, node.given(table, "cache"), at, 0)
        if len(found.axes) != 3 or found.shape[2] != width // 2:
            node.refuse(f"found a cache of shape {shown(found.shape)} for rotary_embedding_dim {width}")
        waves.append(replace(found, axes=(found.axes[0], (), *found.axes[1:])))
    axes, (a, b, c, s) = node.broadcast([first, second, *waves])
    real, imaginary = (
        node.writer.settled(Array(axes, body))
        for body in (c.body * a.body - s.body * b.body, s.body * a.body + c.body * b.body)
    )
    if node["interleaved"]:
        parts = [replace(each, axes=(*each.axes, ())) for each in (real, imaginary)]
        made = node.writer.reshaped(joined(node, parts, 4), [*array.shape[:3], width])
    else:
        made = joined(node, [real, imaginary], 3)
    if rest:
        made = joined(node, [made, sliced(node, array, 3, width, array.shape[3], 1)], 3)
    if len(given.shape) == 3:
        made = node.writer.reshaped(replace(made, axes=tuple(made.axes[place] for place in (0, 2, 1, 3))), given.shape)
    return made


OPERATORS: dict[str, Operator] = {
    "Attention": Operator(
        _attention,
        {
            "is_causal": 0,
            "kv_num_heads": None,
            "left_window_size": -1,
            "q_num_heads": None,
            "qk_matmul_output_mode": 0,
            "right_window_size": -1,
            "scale": None,
            "softcap": 0.0,
            "softmax_precision": None,
        },
    ),
    "RotaryEmbedding": Operator(_rotary, {"interleaved": 0, "num_heads": None, "rotary_embedding_dim": 0}),
}
"""By their names."""
