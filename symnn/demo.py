"""The main job on real data: formulas, check, training and speed of the handwritten-digits network. `make demo`."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from symnn.data import load_digits
from symnn.inspect import formulas
from symnn.network import Network
from symnn.terminal import printing
from symnn.training import train
from symnn.verify import check

SPEC: Mapping[str, Any] = {
    "inputs": 64,
    "layers": [{"dense": 32, "activation": "tanh"}, {"dense": 10}],
    "loss": "softmax_cross_entropy",
    "training": {
        "optimiser": "nesterov",
        "learning_rate": 0.1,
        "momentum": 0.9,
        "batch_size": 32,
        "epochs": 30,
        "seed": 0,
    },
    "data": "digits",
}
"""The spec of examples/digits.yaml."""


def by_hand(theta: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[float, np.ndarray]:
    """Loss and gradient of the digits network as one would write them in NumPy.

    >>> by_hand(np.zeros(2410), np.ones((1, 64)), np.array([3]))[0].round(6)
    np.float64(2.302585)
    """
    w1, b1 = theta[:2048].reshape(32, 64), theta[2048:2080]
    w2, b2 = theta[2080:2400].reshape(10, 32), theta[2400:]
    rows = np.arange(len(x))
    a = np.tanh(x @ w1.T + b1)
    u = a @ w2.T + b2
    u -= u.max(axis=1, keepdims=True)
    p = np.exp(u)
    total = p.sum(axis=1, keepdims=True)
    loss = np.mean(np.log(total[:, 0]) - u[rows, y])
    p /= total
    p[rows, y] -= 1.0
    p /= len(x)
    delta = (p @ w2) * (1.0 - a * a)
    gradient = np.empty_like(theta)
    gradient[:2048] = (delta.T @ x).ravel()
    gradient[2048:2080] = delta.sum(axis=0)
    gradient[2080:2400] = (p.T @ a).ravel()
    gradient[2400:] = p.sum(axis=0)
    return loss, gradient


def microseconds(calls: Mapping[str, Callable[[], object]], rounds: int = 21) -> dict[str, float]:
    """The median time of each call, all of them interleaved, so that a busy machine slows all alike.

    >>> list(microseconds({"nothing": lambda: None}, rounds=3))
    ['nothing']
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            for _ in range(100):
                call()
            times[name].append((time.perf_counter() - start) * 1e4)
    return {name: statistics.median(found) for name, found in times.items()}


def main() -> int:
    """Run the demonstration; the exit status is 1 if the gradient check fails."""
    network = Network.from_spec(SPEC)
    print("1. The network and its gradient, derived by backpropagation on the layer equations\n")
    print(formulas(network))
    print("\n2. The compiled gradient against numerical derivatives\n")
    report = check(network)
    print(report)
    print("\n3. Training on 1,797 scans of handwritten digits\n")
    result = train(network, load_digits())
    for epoch in result.history[:: max(1, len(result.history) // 6)]:
        print(
            f"   epoch {epoch.number:>2}: training loss {epoch.training_loss:.4g}, "
            f"validation loss {epoch.validation_loss:.4g}, accuracy {epoch.validation_accuracy:.2%}"
        )
    seconds = sum(epoch.seconds for epoch in result.history)
    print(f"   {len(result.history)} epochs in {seconds:.2f} s; best epoch {result.best_epoch}")
    print(f"   held-out data: loss {result.test_loss:.4g}, accuracy {result.test_accuracy:.2%}")
    print("\n4. Loss and gradient of a batch of 32, one thread if OPENBLAS_NUM_THREADS=1\n")
    _speed(network, result.theta)
    return 0 if report.passed else 1


def _speed(network: Network, theta: np.ndarray) -> None:
    train_rows = load_digits().train
    x, y = train_rows.x[:32].copy(), train_rows.y[:32].copy()
    function = network.compile().value_and_grad
    difference = np.abs(function(theta, x, y)[1] - by_hand(theta, x, y)[1]).max()
    out = np.empty_like(theta)
    found = microseconds(
        {
            "compiled": lambda: function(theta, x, y, out=out),
            "NumPy by hand": lambda: by_hand(theta, x, y),
        }
    )
    for name, value in found.items():
        print(f"   {name:<14} {value:7.1f} µs a call")
    print(f"   {found['NumPy by hand'] / found['compiled']:.1f} times faster; largest difference {difference:.0e}")
    print(f"   {function.report}".replace("\n", "\n   ").split("operations")[0].rstrip())


if __name__ == "__main__":
    status = 0
    with printing():
        status = main()
    sys.exit(status)
