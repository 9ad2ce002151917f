"""Training throughput on Digits, 64-32-10, batches of 32: ``python -m tests.benchmarks.training``.

An epoch of :class:`symnn.Descent` beside the same update in JAX, as a jitted step called for each batch and as one
jitted ``lax.scan`` over the epoch, and beside scikit-learn's MLPClassifier, whose update is the same too (it shuffles
and initialises by itself). Epochs are interleaved, medians; the first three take the same batches from the same
parameters, and their losses are compared.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks import machine

SIZES = (64, 32, 10)
BATCH = 32
SETTINGS = {"learning_rate": 0.1, "momentum": 0.9}
TOLERANCE = {"float64": 1e-9, "float32": 5e-3}
"""How far the last epoch's losses may be apart, relatively, after rounding differently for hundreds of steps."""

Epoch = Callable[[np.ndarray], Any]
"""``epoch(order)``: an update for each batch of the rows in that order; returns the mean of the losses before them."""


@dataclass(frozen=True)
class Setting:
    """The data, the first parameters and the update: ``momentum`` or ``nesterov``."""

    x: np.ndarray
    y: np.ndarray
    theta: np.ndarray
    optimiser: str


def ours(given: Setting) -> Epoch:
    """One call an epoch."""
    import symnn

    inputs, *hidden, outputs = SIZES
    layers = (*(symnn.dense(units, "tanh") for units in hidden), symnn.dense(outputs))
    model = symnn.Network(inputs, layers, "softmax_cross_entropy").compile(given.x.dtype.name)
    descent = symnn.Descent(model, given.theta, given.optimiser, **SETTINGS)
    return lambda order: descent.epoch(given.x, given.y, order, BATCH)


def _jax_step(given: Setting) -> tuple[Callable[..., Any], Any, tuple[Any, Any]]:
    """The update of one batch, not yet jitted, the first state, and the data on the device."""
    import jax
    import jax.numpy as jnp

    from tests.benchmarks.cases import split
    from tests.benchmarks.peers.jax_jit import loss_of_layers

    rate, momentum = SETTINGS["learning_rate"], SETTINGS["momentum"]
    shapes = list(zip(SIZES[1:], SIZES))
    gradient_of = jax.value_and_grad(lambda layers, x, y: loss_of_layers(layers, x, y))

    def updated(theta: Any, velocity: Any, gradient: Any) -> tuple[Any, Any]:
        new = momentum * velocity - rate * gradient
        return (theta + momentum * new - rate * gradient if given.optimiser == "nesterov" else theta + new), new

    def step(state: Any, rows: Any, x: Any, y: Any) -> tuple[Any, Any]:
        theta, velocity = state
        loss, gradient = gradient_of(theta, x[rows], y[rows])
        pairs = [updated(*leaves) for leaves in zip(*map(jax.tree.leaves, (theta, velocity, gradient)))]
        tree = jax.tree.structure(theta)
        return tuple(jax.tree.unflatten(tree, part) for part in zip(*pairs)), loss

    theta = jax.tree.map(jnp.array, split(given.theta, shapes))
    return step, (theta, jax.tree.map(jnp.zeros_like, theta)), (jnp.asarray(given.x), jnp.asarray(given.y))


def jax_steps(given: Setting) -> Epoch:
    """A jitted step, called from Python for each batch; parameters and velocity are donated."""
    import jax

    step, state, data = _jax_step(given)
    jitted = jax.jit(step, donate_argnums=0)

    def epoch(order: np.ndarray) -> float:
        nonlocal state
        losses = []
        for rows in order.reshape(-1, BATCH):
            state, loss = jitted(state, rows, *data)
            losses.append(loss)
        return float(np.mean([float(loss) for loss in losses]))

    return epoch


def jax_scan(given: Setting) -> Epoch:
    """An epoch as one jitted scan."""
    import jax

    step, state, data = _jax_step(given)

    @jax.jit
    def run(state: Any, batches: Any, x: Any, y: Any) -> Any:
        return jax.lax.scan(lambda now, rows: step(now, rows, x, y), state, batches)

    def epoch(order: np.ndarray) -> float:
        nonlocal state
        state, losses = run(state, order.reshape(-1, BATCH), *data)
        return float(losses.mean())

    return epoch


def sklearn_classifier(given: Setting) -> Epoch:
    """``partial_fit`` makes one pass, batch by batch."""
    from sklearn.neural_network import MLPClassifier

    classifier = MLPClassifier(
        SIZES[1:-1], activation="tanh", solver="sgd", alpha=0.0, batch_size=BATCH, random_state=0, shuffle=True,
        learning_rate_init=SETTINGS["learning_rate"], momentum=SETTINGS["momentum"],
        nesterovs_momentum=given.optimiser == "nesterov",
    )  # fmt: skip
    classes = np.arange(SIZES[-1])

    def epoch(_: np.ndarray) -> float:
        classifier.partial_fit(given.x, given.y, classes=classes)
        return float(classifier.loss_)

    return epoch


CONTENDERS: dict[str, Callable[[Setting], Epoch]] = {
    "symnn": ours,
    "JAX, a step a call": jax_steps,
    "JAX, scan over the epoch": jax_scan,
    "scikit-learn": sklearn_classifier,
}
SAME_UPDATES = tuple(CONTENDERS)[:3]
"""Whose losses must agree: they take the same batches from the same parameters."""


@dataclass(frozen=True)
class Throughput:
    """Samples a second, and the last epoch's mean loss."""

    name: str
    samples_a_second: float
    loss: float


def setting(dtype: str, optimiser: str) -> Setting:
    """Digits, standardised by its largest value, as many rows as fill batches."""
    from sklearn.datasets import load_digits

    from tests.benchmarks.cases import Case, problem

    digits = load_digits()
    rows = len(digits.data) // BATCH * BATCH
    theta = problem(Case("digits", SIZES, 1)).theta
    return Setting(
        (digits.data[:rows] / 16).astype(dtype), digits.target[:rows].astype(np.int64), theta.astype(dtype), optimiser
    )


def measure(given: Setting, epochs: int) -> Iterator[Throughput | str]:
    """Interleaved epochs after one that compiles; a contender, or a line saying why one is left out.

    Raises :class:`ArithmeticError` if the same updates led to different losses.
    """
    running: dict[str, Epoch] = {}
    for name, prepare in CONTENDERS.items():
        try:
            running[name] = prepare(given)
        except ModuleNotFoundError as error:
            yield f"{name} is left out: {error.name} is not installed"
    generator = np.random.Generator(np.random.PCG64(0))
    seconds: dict[str, list[float]] = {name: [] for name in running}
    losses: dict[str, float] = {}
    for _ in range(epochs + 1):
        order = generator.permutation(len(given.x))
        for name, epoch in running.items():
            started = time.perf_counter()
            losses[name] = epoch(order)
            seconds[name].append(time.perf_counter() - started)
    for name in SAME_UPDATES:
        if name in losses and not abs(losses[name] / losses["symnn"] - 1) <= TOLERANCE[given.x.dtype.name]:
            raise ArithmeticError(f"{name}: loss {losses[name]} after {epochs + 1} epochs, symnn {losses['symnn']}")
    for name, found in seconds.items():
        yield Throughput(name, len(given.x) / statistics.median(found[1:]), losses[name])


def report(dtypes: Sequence[str], optimiser: str, epochs: int) -> str:
    """A Markdown table, and the lines of who is left out."""
    from tests.benchmarks.rendering import table

    rows, notes = [], {}
    for dtype in dtypes:
        found = list(measure(setting(dtype, optimiser), epochs))
        measured = [one for one in found if isinstance(one, Throughput)]
        notes.update(dict.fromkeys(one for one in found if isinstance(one, str)))
        for one in measured:
            rows.append(
                {
                    "training": one.name,
                    "dtype": dtype,
                    "samples a second": f"{one.samples_a_second:,.0f}",
                    "symnn's ×": f"{measured[0].samples_a_second / one.samples_a_second:.1f}",
                    f"loss after {epochs + 1} epochs": f"{one.loss:.6f}",
                }
            )
    return "\n".join([table(rows), *(f"\n* {note}." for note in notes)])


def main(arguments: Sequence[str]) -> None:
    """Print the table and write it to ``training.md``."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.training", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="5 epochs in float64 instead of 40 in both dtypes")
    parser.add_argument("--optimiser", choices=["nesterov", "momentum"], default="nesterov")
    parser.add_argument("--out", type=Path, default=Path("build/bench"), help="where the table goes (build/bench)")
    found = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as caches:
        machine.prepare(1, caches)
        warnings.filterwarnings("ignore", category=UserWarning, module="sklearn")
        described = machine.described(["numba", "numpy", "jax", "scikit-learn"])
        dtypes, epochs = (["float64"], 5) if found.quick else (["float64", "float32"], 40)
        text = f"Digits, 64-32-10, batches of {BATCH}, {found.optimiser}, one thread, {described}.\n\n"
        text += report(dtypes, found.optimiser, epochs) + "\n"
    print(text)
    found.out.mkdir(parents=True, exist_ok=True)
    (found.out / "training.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
