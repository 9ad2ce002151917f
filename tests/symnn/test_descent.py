"""Descent: what compiled epochs compute, bit by bit, when they stop, and what they refuse."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import product
from types import FrameType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sympy import Expr, sign

from codegen.dtypes import Dtype
from symnn import descent as module
from symnn.data import minibatches
from symnn.descent import Descent
from symnn.errors import DataError, SymnnError
from symnn.network import Model, Network, dense
from symnn.optimisers import OPTIMISERS, Optimiser
from tests.sweeps import one_in

pytestmark = pytest.mark.values

Array = NDArray[Any]


@lru_cache
def compiled(network: Network, dtype: Dtype = "float64") -> Model:
    """One model for all examples of a property: deriving its gradient takes longer than an epoch."""
    return network.compile(dtype)


LAYERS = (dense(5, "tanh"), dense(3))
LABELS = Network(4, LAYERS, "softmax_cross_entropy")
ROWS = Network(4, LAYERS, "mean_squared_error", weight_decay=0.01)
SMALL = Network(1, (dense(1, bias=False),), "mean_squared_error")
NUMBERS = {
    "learning_rate": 0.05,
    "momentum": 0.9,
    "beta1": 0.8,
    "beta2": 0.95,
    "epsilon": 1e-8,
    "decay": 0.1,
    "rho": 0.9,
}


def data(model: Model, rows: int = 45) -> tuple[Array, Array]:
    random = np.random.Generator(np.random.PCG64(1))
    x = random.normal(size=(rows, model.network.inputs)).astype(model.dtype)
    if model.network.target.kind == "integer":
        return x, random.integers(0, model.network.outputs, rows)
    return x, random.normal(size=(rows, model.network.outputs)).astype(model.dtype)


def descent(model: Model, optimiser: str | Optimiser = "nesterov", **changes: float) -> Descent:
    row = OPTIMISERS[optimiser] if isinstance(optimiser, str) else optimiser
    numbers = {name: NUMBERS[name] for name in row.settings} | changes
    return Descent(model, model.network.initial_parameters(0), optimiser, **numbers)


def by_steps(start: Descent, x: Array, y: Array, batches: Iterator[Array]) -> tuple[Array, ...]:
    """The loss, the parameters and the state after the same epoch step by step: gather, gradient, update."""
    model, optimiser = start.model, start.optimiser
    update = optimiser.compile(model.dtype)
    now = (start.theta.copy(), *(vector.copy() for vector in start.state.values()))
    new = tuple(np.empty_like(vector) for vector in now)
    gradient = np.empty_like(start.theta)
    total, count = 0.0, 0
    for step, rows in enumerate(batches, start.steps + 1):
        theta, *state = now
        loss, _ = model.value_and_grad(theta, x[rows], y[rows], out=gradient)
        update(theta, gradient, *state, step, *start.numbers.values(), out=new)
        now, new = new, now
        total, count = total + float(loss) * len(rows), count + len(rows)
    return np.float64(total / count), *now


def figures(loss: float, found: Descent) -> tuple[Array, ...]:
    return np.float64(loss), found.theta, *found.state.values()


def assert_same_bits(found: tuple[Array, ...], expected: tuple[Array, ...]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


# ------------------------------------------------------------------------------------------- what is computed


@pytest.mark.parametrize(
    ("optimiser", "dtype", "network"), one_in(3, product(OPTIMISERS, ("float64", "float32"), (LABELS, ROWS)))
)
def test_an_epoch_is_its_steps_to_the_last_bit(optimiser: str, dtype: Dtype, network: Network) -> None:
    """45 rows by 8: six updates an epoch, the last of them on five rows."""
    model = compiled(network, dtype)
    x, y = data(model)
    fused = descent(model, optimiser)
    orders, batches = (np.random.Generator(np.random.PCG64(0)) for _ in range(2))
    for epoch in range(1, 4):
        expected = by_steps(fused, x, y, minibatches(45, 8, batches))
        assert_same_bits(figures(fused.epoch(x, y, orders.permutation(45), 8), fused), expected)
        assert (fused.steps, fused.samples) == (6 * epoch, 45 * epoch)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_weights_of_rows_and_numbers_of_the_loss_go_along(dtype: Dtype) -> None:
    network = replace(LABELS, weight_decay=None, l1=None, weighted=True)
    model = compiled(network, dtype)
    x, y = data(model)
    w = np.random.Generator(np.random.PCG64(2)).uniform(0.5, 2, 45).astype(dtype)
    start = network.initial_parameters(0)
    found = Descent(model, start, "gradient_descent", learning_rate=0.25, weight_decay=0.125, l1=0.0625)
    loss = found.epoch(x, y, batch_size=20, weights=w)
    theta, total, rate = start.astype(dtype), 0.0, np.dtype(dtype).type(0.25)
    for rows in (slice(0, 20), slice(20, 40), slice(40, 45)):
        value, gradient = model.value_and_grad(theta, x[rows], y[rows], w[rows], 0.125, 0.0625)
        theta, total = theta - rate * gradient, total + value * len(x[rows])
    np.testing.assert_allclose(found.theta, theta, rtol=1e-14 if dtype == "float64" else 1e-6)
    assert loss == pytest.approx(total / 45, rel=1e-12 if dtype == "float64" else 1e-6)
    with pytest.raises(DataError, match="weights: found no weights, expected weights, as the model takes them"):
        found.epoch(x, y)


@given(
    order=st.lists(st.integers(0, 44), min_size=1, max_size=60),
    size=st.integers(1, 70),
    seconds=st.sampled_from([0.0, 1e-5, 1.0]),
)
def test_any_rows_in_any_order_and_batches_in_any_number_of_calls(order: list[int], size: int, seconds: float) -> None:
    model = compiled(LABELS)
    x, y = data(model)
    fused = descent(model, "adam")
    cuts = [np.array(order[start : start + size]) for start in range(0, len(order), size)]
    done: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CALL_SECONDS", seconds)
        for _ in range(2):
            expected = by_steps(fused, x, y, iter(cuts))
            found = figures(fused.epoch(x, y, np.array(order), size, advance=done.append), fused)
            assert_same_bits(found, expected)
    assert sum(done) == fused.samples == 2 * len(order)


def test_all_rows_at_once_unless_said_otherwise() -> None:
    model = compiled(ROWS)
    x, y = data(model)
    fused = descent(model)
    expected = by_steps(fused, x, y, iter([np.arange(45)]))
    assert_same_bits(figures(fused.epoch(x, y), fused), expected)
    assert fused.steps == 1


def test_parameters_and_state_change_in_place() -> None:
    model = compiled(SMALL)
    x, y = np.ones((3, 1)), np.zeros((3, 1))
    fused = Descent(model, np.array([1]), "momentum", learning_rate=0.25, momentum=0.5)
    theta, velocity = fused.theta, fused.state["velocity"]
    for expected in [(0.5, -0.5), (0.0, -0.5), (-0.25, -0.25)]:  # v = v/2 - 2·theta/4, theta = theta + v
        fused.epoch(x, y)
        assert (theta[0], velocity[0]) == expected
    assert theta is fused.theta


def test_numbers_may_change_between_calls() -> None:
    fused = Descent(compiled(SMALL), np.ones(1), "gradient_descent", learning_rate=0.25)
    fused.epoch(np.ones((1, 1)), np.zeros((1, 1)))
    fused.numbers["learning_rate"] = 0.5
    fused.epoch(np.ones((1, 1)), np.zeros((1, 1)))
    assert fused.theta[0] == 0


def test_an_optimiser_of_ones_own() -> None:
    def toward(theta: Expr, g: Expr, learning_rate: Expr, **_: Expr) -> dict[str, Expr]:
        return {"theta": theta - learning_rate * sign(g)}

    fused = Descent(compiled(SMALL), np.ones(1), Optimiser("mine", toward, ("learning_rate",)), learning_rate=0.25)
    fused.epoch(np.ones((5, 1)), np.zeros((5, 1)), batch_size=2)
    assert fused.theta[0] == 0.25


# ------------------------------------------------------------------------------------------- where it stops


@pytest.mark.parametrize("seconds", [0.0, 1.0])
def test_a_loss_that_is_not_finite_stops_before_its_update(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows 0 and 1 are harmless, the square of row 2 overflows; no batch after it counts."""
    monkeypatch.setattr(module, "CALL_SECONDS", seconds)
    x, y = np.array([[1.0], [1], [1e200], [1]]), np.zeros((4, 1))
    fused, before = (Descent(compiled(SMALL), np.ones(1), "momentum", learning_rate=0.1, momentum=0.5) for _ in "ab")
    for one in (fused, before):
        one.epoch(x[:2], y[:2], batch_size=1)
    assert fused.epoch(x, y, np.array([0, 2, 1]), batch_size=1) == np.inf
    before.epoch(x, y, np.array([0]))
    assert fused.steps == fused.samples == before.steps == 3
    assert_same_bits(figures(0, fused), figures(0, before))


def test_parameters_that_overflow_in_the_last_update_give_nan() -> None:
    fused = Descent(compiled(SMALL), np.ones(1), "gradient_descent", learning_rate=1.7e308)
    assert np.isnan(fused.epoch(np.full((1, 1), 3.0), np.zeros((1, 1))))


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers that send signals")
def test_ctrl_c_takes_effect_within_moments_and_between_updates() -> None:
    """Four million updates take seconds; what is there after Ctrl-C are so many whole steps."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    def count(theta: Expr, learning_rate: Expr, **_: Expr) -> dict[str, Expr]:
        return {"theta": theta + learning_rate}

    order = np.zeros(4_000_000, np.int64)
    model = compiled(Network(1, (dense(64, "tanh"), dense(1)), "mean_squared_error"))
    theta = np.zeros(model.network.parameter_count)
    fused = Descent(model, theta, Optimiser("count", count, ("learning_rate",)), learning_rate=1)
    timers = iter([0.1])

    def start(rows: int) -> None:
        for seconds in timers:
            signal.setitimer(signal.ITIMER_REAL, seconds)

    handler = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            fused.epoch(np.zeros((1, 1)), np.zeros((1, 1)), order, 1, advance=start)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
    assert 0 < fused.steps < len(order)
    assert (fused.theta == fused.steps).all()


# ------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": [[1.0] * 4]}, "x: found a list, expected a C-contiguous array of float64 with shape .S, 4., S ≥ 1"),
        ({"x": np.ones((45, 4), np.float32)}, "x: found an array of float32 with shape .45, 4., expected"),
        ({"x": np.ones((45, 3))}, "x: found an array of float64 with shape .45, 3., expected"),
        ({"x": np.ones(())}, "x: found an array of float64 with shape .., expected"),
        ({"x": np.ones((4, 45)).T}, "x: found .*, not C-contiguous, expected"),
        ({"x": np.ones((0, 4)), "y": np.ones(0, np.int64)}, "x: found an array of float64 with shape .0, 4., expected"),
        ({"y": np.zeros(44, np.int64)}, "y: found .* shape .44,., expected .* array of int64 with shape .45,."),
        ({"y": np.zeros((45, 3))}, "y: found an array of float64"),
        ({"y": np.array([0] * 44 + [3])}, "y, row 44: found label 3, expected 0 to 2"),
        ({"y": np.array([-1] * 45)}, "y, row 0: found label -1, expected 0 to 2"),
        ({"order": np.array([0, 45])}, "order, entry 1: found 45, expected a row from 0 to 44"),
        ({"order": np.array([-1])}, "order, entry 0: found -1"),
        ({"order": np.array([2**64 - 1], np.uint64)}, "order, entry 0: found 18446744073709551615"),
        ({"order": np.array([0.0])}, "order: found an array of float64 with shape .1,., expected .* row number"),
        ({"order": np.array([], np.int64)}, "order: found an array of int64 with shape .0,."),
        ({"batch_size": 0}, "batch_size: found 0, expected a whole number of at least 1"),
        ({"batch_size": 2.5}, "batch_size: found 2.5"),
    ],
)
def test_rows_that_do_not_fit_are_refused(arguments: dict[str, Any], message: str) -> None:
    model = compiled(LABELS)
    x, y = data(model)
    fused = descent(model)
    with pytest.raises(DataError, match=f"^{message}"):
        fused.epoch(**{"x": x, "y": y, **arguments})
    assert fused.steps == 0


@pytest.mark.parametrize(
    ("theta", "optimiser", "numbers", "message"),
    [
        (
            [1.0, 2.0],
            "gradient_descent",
            {"learning_rate": 0.1},
            "theta: found an array of float64 with shape .2,., expected .* shape .1,.",
        ),
        ([np.inf], "gradient_descent", {"learning_rate": 0.1}, "theta: entry 0: found inf"),
        ([1.0], "momenta", {}, "optimiser.*'momenta'.*did you mean 'momentum'"),
        (
            [1.0],
            "momentum",
            {"momentum": 0.5},
            "momentum: found the numbers momentum, expected learning_rate, momentum",
        ),
        ([1.0], "gradient_descent", {}, "gradient_descent: found the numbers none, expected learning_rate"),
    ],
)
def test_a_descent_that_cannot_begin_is_refused(
    theta: list[float], optimiser: str, numbers: dict[str, float], message: str
) -> None:
    with pytest.raises(SymnnError, match=message):
        Descent(compiled(SMALL), np.array(theta), optimiser, **numbers)


# ------------------------------------------------------------------------------------------- the cache


PROGRAM = """
import sys
import numpy as np
from codegen.runtime import machine
from symnn import Descent, Network, dense

compiled = []
def counting(compile_module):
    def counted(text):
        compiled.append(text)
        return compile_module(text)
    return counted
sys.modules["codegen.runtime.minibatches"].compile_module = counting(machine.compile_module)
machine.TIERS.update({tier: counting(compile_module) for tier, compile_module in machine.TIERS.items()})

x = np.arange(5.0)[:, None]
for width in map(int, sys.argv[1:]):
    compiled.clear()
    model = Network(1, (dense(width, "tanh"), dense(1)), "mean_squared_error").compile()
    descent = Descent(model, np.ones(model.network.parameter_count), "nesterov", learning_rate=0.1, momentum=0.9)
    print(descent.epoch(x, 2 * x, batch_size=2).hex(), *(v.hex() for v in descent.theta.tolist()))
    print(len(compiled))
print([name for name in sys.modules if name == "numba" or name == "scipy.linalg"])
"""


def test_the_loop_and_the_update_are_compiled_once_for_all_networks(tmp_path: Any) -> None:
    """What is compiled: the gradient, the update and the loop; another network's gradient alone; nothing. No Numba."""
    environment = {**os.environ, "SYMNN_CACHE_DIR": str(tmp_path)}
    first, second = (
        subprocess.run(
            [sys.executable, "-c", PROGRAM, *widths], capture_output=True, text=True, check=True, env=environment
        ).stdout.splitlines()
        for widths in (["1"], ["2", "1"])
    )
    assert (first[1], second[1], second[3]) == ("3", "1", "0")
    assert first[0] == second[2]
    assert first[2] == second[4] == "[]"
