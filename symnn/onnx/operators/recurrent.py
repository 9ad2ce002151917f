"""RNN, GRU and LSTM: what goes from step to step, in one direction, the other or both."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import sympy
from sympy import Expr, Integer, expand

from codegen import Index
from codegen import functions as f
from codegen.walk import as_extent, extent
from symnn.onnx.arrays import Array, Axis, Known, Value, number
from symnn.onnx.operators.row import Node, Operator, Result
from symnn.onnx.operators.views import joined, taken
from symnn.onnx.writing import Writer, shown

Activation: TypeAlias = Callable[[Expr], Expr]

ACTIVATIONS: Mapping[str, tuple[Callable[..., Expr], tuple[float, ...]]] = {
    "affine": (lambda x, a, b: a * x + b, (1.0, 0.0)),
    "elu": (lambda x, a: f.elu(x, a), (1.0,)),
    "hardsigmoid": (lambda x, a, b: f.clip(a * x + b, Integer(0), Integer(1)), (0.2, 0.5)),
    "leakyrelu": (lambda x, a: f.leaky_relu(x, a), (0.01,)),
    "relu": (f.relu, ()),
    "scaledtanh": (lambda x, a, b: a * sympy.tanh(b * x), (1.0, 1.0)),
    "sigmoid": (f.sigmoid, ()),
    "softplus": (f.softplus, ()),
    "softsign": (lambda x: x / (1 + f.absolute(x)), ()),
    "tanh": (sympy.tanh, ()),
    "thresholdedrelu": (lambda x, a: f.select(x - a, x, Integer(0)), (1.0,)),
}
"""By their names in small letters: the formula, and the usual values of alpha and beta."""


def _activations(node: Node, usual: Sequence[str], directions: int) -> list[Activation]:
    """The functions of all directions, each after a clip."""
    names = list(node["activations"] or [*usual] * directions)
    alphas, betas = list(node["activation_alpha"] or ()), list(node["activation_beta"] or ())
    if len(names) != len(usual) * directions:
        node.refuse(f"found {len(names)} activations, expected {len(usual) * directions}")
    found: list[Activation] = []
    for name in names:
        if name.lower() not in ACTIVATIONS:
            node.refuse(f"found the activation {name!r}, expected one of {', '.join(ACTIVATIONS)}")
        formula, defaults = ACTIVATIONS[name.lower()]
        given = [queue.pop(0) if queue else default for queue, default in zip((alphas, betas), defaults)]
        found.append(_clipped(formula, given, node["clip"]))
    return found


def _clipped(formula: Callable[..., Expr], given: Sequence[float], limit: float | None) -> Activation:
    end = None if limit is None else number(limit)

    def applied(x: Expr) -> Expr:
        return formula(x if end is None else f.clip(x, -end, end), *map(number, given))

    return applied


def earlier(
    writer: Writer,
    time: Axis,
    axes: Sequence[Axis],
    state: Array,
    first: Array | None,
    of: Callable[[Expr], Expr] = lambda value: value,
    over: Sequence[Index] = (),
) -> Array:
    """The sum of what is made of a state at the step before, and at the first step of what it is there."""
    start = (Integer(0), ()) if first is None else (of(first.body), over)
    if not time:
        return writer.vertex(axes, *start)
    target = writer.declared(axes)
    (t,) = time
    before = writer.index(as_extent(expand(extent(t) - 1)))
    writer.assign(target.at({t: Integer(0)}).body, *start)
    writer.assign(target.at({t: before + 1}).body, of(state.at({t: before}).body), over)
    return target


@dataclass(frozen=True)
class Direction:
    """The arrays of one direction, at common indices: time t, sample s, gate g, unit u and another unit j."""

    node: Node
    time: Axis
    sample: Axis
    unit: Axis
    given: Array
    """W·x + b of all gates, with axes (t, s, g, u)."""
    recurrent: Array
    """R, with axes (g, u, j)."""
    bias: Array | None
    """The bias of R, with axes (g, u)."""
    first: tuple[Array | None, ...]
    """States before the first step, with axes (s, u)."""
    lengths: Array | None

    @property
    def at(self) -> tuple[Axis, ...]:
        """The axes of a state."""
        return (self.time, self.sample, self.unit)

    def gate(self, array: Array | None, number: int) -> Expr:
        """One gate of an array with an axis of them; 0 of none."""
        axis = () if array is None else array.axes[-2 if len(array.axes) != 3 else 0]
        found = Integer(0) if array is None else array.body
        return found if array is None or not axis else array.at({axis[0]: Integer(number)}).body

    def before(self, state: Array, first: Array | None) -> Array:
        """A state of the step before, and at the first step what it is there; 0 unless that is said."""
        return earlier(self.node.writer, self.time, self.at, state, first)

    def product(self, state: Array, first: Array | None, gates: Axis) -> Array:
        """R·h of the step before, for all gates."""
        *_, other = self.recurrent.axes
        renamed = dict(zip(self.unit, other))
        axes = (self.time, self.sample, gates, self.unit)
        initial = None if first is None else first.at(renamed)
        return earlier(
            self.node.writer, self.time, axes, state.at(renamed), initial, lambda h: self.recurrent.body * h, other
        )

    def end(self, state: Array, new: Expr, old: Callable[[], Array]) -> Array:
        """Say what a state is, and what comes out: behind the end of a sequence it stays, and 0 comes out."""
        writer = self.node.writer
        if self.lengths is None:
            writer.assign(state.body, new)
            return state
        made = writer.vertex(self.at, new)
        left = self.lengths.body - (self.time[0] if self.time else 0)
        writer.assign(state.body, f.select(left, made.body, old().body))
        return state.with_body(f.select(left, made.body, Integer(0)))


Step: TypeAlias = Callable[[Direction, Sequence[Activation], "Array | None"], Sequence[Array]]
"""What comes out of each step, then the states."""


def _rnn(d: Direction, activations: Sequence[Activation], peep: Array | None) -> Sequence[Array]:
    act = activations[0]
    state = d.node.writer.declared(d.at)
    v = d.product(state, d.first[0], d.given.axes[2])
    new = act(d.gate(d.given, 0) + d.gate(v, 0) + d.gate(d.bias, 0))
    return d.end(state, new, lambda: d.before(state, d.first[0])), state


def _gru(d: Direction, activations: Sequence[Activation], peep: Array | None) -> Sequence[Array]:
    sigma, act = activations
    writer = d.node.writer
    state = writer.declared(d.at)
    v = d.product(state, d.first[0], d.given.axes[2])
    z, r = (writer.vertex(d.at, sigma(d.gate(d.given, k) + d.gate(v, k) + d.gate(d.bias, k))) for k in (0, 1))
    old = d.before(state, d.first[0])
    if d.node["linear_before_reset"]:
        inner = r.body * (d.gate(v, 2) + d.gate(d.bias, 2))
    else:
        other = d.recurrent.axes[-1]
        kept = writer.vertex(d.at, r.body * old.body).at(dict(zip(d.unit, other)))
        inner = writer.vertex(d.at, d.gate(d.recurrent, 2) * kept.body, other).body + d.gate(d.bias, 2)
    n = writer.vertex(d.at, act(d.gate(d.given, 2) + inner))
    return d.end(state, (1 - z.body) * n.body + z.body * old.body, lambda: old), state


def _lstm(d: Direction, activations: Sequence[Activation], peep: Array | None) -> Sequence[Array]:
    sigma, act, out = activations
    writer = d.node.writer
    h, c = writer.declared(d.at), writer.declared(d.at)
    v = d.product(h, d.first[0], d.given.axes[2])
    # One vertex of all gates has one adjoint, a matrix that R, W and B share.
    u = writer.vertex(d.given.axes, d.given.body + v.body + (d.bias.body if d.bias is not None else 0))
    old = d.before(c, d.first[1])

    def gate(number: int, cell: Array) -> Expr:
        return sigma(d.gate(u, number) + (0 if peep is None else d.gate(peep, number) * cell.body))

    i = writer.vertex(d.at, gate(0, old)).body
    keep = (1 - i) if d.node["input_forget"] else writer.vertex(d.at, gate(2, old)).body
    g = writer.vertex(d.at, act(d.gate(u, 3))).body
    d.end(c, keep * old.body + i * g, lambda: old)
    o = writer.vertex(d.at, gate(1, c)).body
    return d.end(h, o * out(c.body), lambda: d.before(h, d.first[0])), h, c


def _recurrent(gates: int, usual: Sequence[str], states: int, step: Step) -> Callable[..., Result]:
    def write(node: Node, *inputs: Value | None) -> Result:
        ways = {"forward": [1], "reverse": [-1], "bidirectional": [1, -1]}.get(node["direction"])
        if ways is None:
            node.refuse(f"found the direction {node['direction']!r}")
        functions = _activations(node, usual, len(ways))
        x, w, r, bias, counted, *first = (*inputs, *[None] * 8)[:8]
        array, weights, recurrent = _operands(node, x, w, r, len(ways), gates)
        lengths = _counts(node, counted, array)
        if lengths is not None and -1 in ways:
            node.refuse("found sequence_lens of sequences that are read backwards, expected full ones")
        found = []
        for place, way in enumerate(ways):
            held = [None if value is None else taken(node, value, 0, place) for value in (weights, recurrent)]
            both = None if bias is None else taken(node, node.vertex_of(bias, "bias"), 0, place)
            starts = [_start(node, value, place) for value in first[:states]]
            one = _direction(node, array, way, gates, (*held, both), starts, lengths)
            peepholes = _peepholes(node, first[2], place, one) if states == 2 else None
            y, *ends = step(one, functions[place * len(usual) : (place + 1) * len(usual)], peepholes)
            found.append((turned(y, one.time, way), *(last(end, one.time) for end in ends)))
        return [_stacked(node, parts) for parts in zip(*found)]

    return write


def _operands(
    node: Node, x: Value | None, w: Value | None, r: Value | None, ways: int, gates: int
) -> tuple[Array, Array, Array]:
    """The sequence with its steps first, and the weights."""
    array = node.vertex_of(x)
    if len(array.axes) != 3:
        node.refuse(f"found shape {shown(array.shape)}, expected steps, samples and features")
    if node["layout"]:
        array = replace(array, axes=(array.axes[1], array.axes[0], array.axes[2]))
    for axis in range(3):
        array = node.writer.single(array, axis)
    weights, recurrent = (node.vertex_of(value, "weights") for value in (w, r))
    units = recurrent.shape[-1] if recurrent.axes else 0
    expected = (ways, gates * units, array.shape[2]), (ways, gates * units, units)
    if (weights.shape, recurrent.shape) != expected or node["hidden_size"] not in (None, units):
        node.refuse(f"found weights of shapes {shown(weights.shape)} and {shown(recurrent.shape)}")
    return array, weights, recurrent


def _start(node: Node, value: Value | None, place: int) -> Array | None:
    """A state before the first step, with axes of samples and units."""
    if value is None:
        return None
    state = node.vertex_of(value, "initial state")
    if node["layout"]:
        state = replace(state, axes=(state.axes[1], state.axes[0], *state.axes[2:]))
    return taken(node, state, 0, place)


def _stacked(node: Node, parts: Sequence[Array]) -> Array:
    """What both directions give, along an axis of directions in front of samples."""
    spot = len(parts[0].axes) - 2
    apart = [replace(part, axes=(*part.axes[:spot], (), *part.axes[spot:])) for part in parts]
    whole = joined(node, apart, spot)
    if not node["layout"]:
        return whole
    order = (2, 0, 1, 3) if spot else (1, 0, 2)
    return replace(whole, axes=tuple(whole.axes[axis] for axis in order))


def _counts(node: Node, lengths: Value | None, array: Array) -> Array | None:
    if lengths is None:
        return None
    steps = array.shape[0]
    if isinstance(lengths, Known) and isinstance(steps, int) and (lengths.values == steps).all():
        return None
    if lengths.kind != "integer":
        node.refuse("found real numbers for sequence_lens")
    return node.matched(node.writer.array(lengths), (array.axes[1],))


def _direction(
    node: Node,
    array: Array,
    way: int,
    gates: int,
    held: Sequence[Array | None],
    first: Sequence[Array | None],
    lengths: Array | None,
) -> Direction:
    """The arrays of one direction at common indices; ``held`` are W, R and B."""
    writer = node.writer
    w, r, both = held
    assert w is not None
    assert r is not None
    time, sample, feature = array.axes
    units = r.shape[-1]
    W = writer.fresh(writer.reshaped(w, [gates, units, array.shape[2]]))
    gate, unit, at = W.axes
    z = writer.vertex(
        (time, sample, gate, unit), W.at(dict(zip(at, feature))).body * turned(array, time, way).body, feature
    )
    R = writer.fresh(writer.reshaped(r, [gates, units, units]))
    R = R.at({**dict(zip(R.axes[0], gate)), **dict(zip(R.axes[1], unit))}, (gate, unit, R.axes[2]))
    inner = None
    if both is not None:
        if both.shape != (2 * gates * int(units),):
            node.refuse(f"found a bias of shape {shown(both.shape)}")
        split = writer.fresh(writer.reshaped(both, [2, gates, units]))
        outer, inner = (node.matched(taken(node, split, 0, part), (gate, unit)) for part in (0, 1))
        z = writer.vertex(z.axes, z.body + outer.body)
    starts = tuple(None if state is None else node.matched(state, (sample, unit)) for state in first)
    return Direction(node, time, sample, unit, z, R, inner, starts, lengths)


def _peepholes(node: Node, value: Value | None, place: int, d: Direction) -> Array | None:
    """P of an LSTM, with axes (g, u)."""
    if value is None:
        return None
    found = taken(node, node.vertex_of(value, "P"), 0, place)
    found = node.writer.fresh(node.writer.reshaped(found, [3, d.recurrent.shape[-1]]))
    return found.at(dict(zip(found.axes[1], d.unit)), (found.axes[0], d.unit))


def turned(array: Array, time: Axis, way: int) -> Array:
    """The array with its steps in the other order, where it is read backwards."""
    if way > 0 or not time:
        return array
    (t,) = time
    return array.at({t: expand(extent(t) - 1 - t)})


def last(state: Array, time: Axis) -> Array:
    """The state after the last step."""
    if not time:
        return replace(state, axes=state.axes[1:])
    (t,) = time
    return state.at({t: Integer(0) + extent(t) - 1}, state.axes[1:])


_FIELDS: dict[str, Any] = {
    "activations": None,
    "activation_alpha": None,
    "activation_beta": None,
    "clip": None,
    "direction": "forward",
    "hidden_size": None,
    "layout": 0,
}

OPERATORS: dict[str, Operator] = {
    "GRU": Operator(_recurrent(3, ("Sigmoid", "Tanh"), 1, _gru), {**_FIELDS, "linear_before_reset": 0}),
    "LSTM": Operator(_recurrent(4, ("Sigmoid", "Tanh", "Tanh"), 2, _lstm), {**_FIELDS, "input_forget": 0}),
    "RNN": Operator(_recurrent(1, ("Tanh",), 1, _rnn), _FIELDS),
}
"""By their names."""
