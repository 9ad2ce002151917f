"""Cases K to S: the graph of each row is what its peers compute."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from codegen.numeric.evaluate import evaluate
from tests.benchmarks import shifts
from tests.benchmarks.shifts import Row

SMALL = {
    "LSTM": shifts.lstm("M", 1, 2, 3, 3, 2),
    "neural ODE, one start": shifts.ode(1, None, 3),
    "neural ODE": shifts.ode(1, 2, 3),
    "integrator": Row(
        "R",
        "",
        1,
        lambda: shifts.integrator_arrays(5),
        ("a",),
        lambda: shifts.integrator_graph(5),
        shifts.integrator_in_jax,
        pytensor=shifts.integrator_in_pytensor,
    ),
    "differences": Row(
        "S",
        "",
        1,
        lambda: shifts.differences_arrays(5),
        ("x",),
        lambda: shifts.differences_graph(5),
        shifts.differences_of,
        pytensor=shifts.differences_of,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", SMALL)
def test_graphs_are_what_jax_computes(case: str) -> None:
    jax = pytest.importorskip("jax")
    row = SMALL[case]
    values = row.arrays()
    assert row.jax is not None
    with jax.enable_x64(True):
        expected = float(row.jax({name: jax.numpy.asarray(value) for name, value in values.items()}))
    assert evaluate(row.graph(), values)["loss"] == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("case", SMALL)
def test_graphs_are_what_pytensor_computes(case: str) -> None:
    pytest.importorskip("pytensor")
    from pytensor import function, tensor

    row = SMALL[case]
    values = row.arrays()
    given = {name: tensor.tensor(name, dtype=value.dtype, shape=value.shape) for name, value in values.items()}
    assert row.pytensor is not None
    loss = row.pytensor(given)
    call = function([*given.values()], loss, mode="FAST_COMPILE", on_unused_input="ignore")
    assert evaluate(row.graph(), values)["loss"] == pytest.approx(float(call(*values.values())), rel=1e-13)


def test_adbench_is_read_and_computed(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    counts, bits = (4, 3, 4, 3), 2
    rows = [rng.normal(size=(n, 4 * bits if number == 0 else bits)) for number, n in enumerate(counts)]
    lines = [" ".join(map(repr, line.tolist())) for part in rows for line in part]
    file = tmp_path / "lstm.txt"
    file.write_text("\n".join(["2 3 2", "", *lines]), encoding="ascii")
    arrays = shifts.adbench_arrays(file)
    for found, expected in zip(arrays.values(), rows):
        np.testing.assert_array_equal(found, expected)
    loss = evaluate(shifts.adbench_graph(2, 3, bits), arrays)["loss"]
    assert loss == pytest.approx(adbench_by_hand(*rows), rel=1e-14)
    file.write_text("2 3 3\n" + "\n".join(lines), encoding="ascii")
    with pytest.raises(ValueError, match="rows"):
        shifts.adbench_arrays(file)


def adbench_by_hand(main: np.ndarray, extra: np.ndarray, state: np.ndarray, text: np.ndarray) -> float:
    states, total = state.copy(), 0.0
    for now, following in pairwise(text):
        x = now * extra[0]
        for layer in (0, 1):
            w, v = np.split(main[2 * layer], 4), np.split(main[2 * layer + 1], 4)
            h, c = states[2 * layer : 2 * layer + 2]
            forget, ingate, outgate = (1 / (1 + np.exp(-(a * w[n] + v[n]))) for n, a in enumerate((x, h, x)))
            c = c * forget + ingate * np.tanh(h * w[3] + v[3])
            x = outgate * np.tanh(c)
            states[2 * layer : 2 * layer + 2] = x, c
        y = x * extra[1] + extra[2]
        total += float(np.sum(following * (y - np.log(2 + np.sum(np.exp(y))))))
    return -total / text[1:].size
