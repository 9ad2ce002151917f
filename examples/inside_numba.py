"""A training loop in a user's own jitted code, calling the compiled gradient: no Python between the steps.

Run it: python examples/inside_numba.py
"""

import time

import numpy as np
from numba import njit

from symnn.network import Network, dense
from symnn.terminal import printing

network = Network(2, (dense(16, "tanh"), dense(3)), "softmax_cross_entropy")
value_and_grad = network.compile().value_and_grad
fill = value_and_grad.fill  # fill(theta, x, y, gradient) -> loss


@njit
def descend(theta, x, y, learning_rate, momentum, steps):
    """Gradient descent with momentum on the whole batch; changes theta and returns the loss before each step."""
    gradient = np.empty_like(theta)
    velocity = np.zeros_like(theta)
    losses = np.empty(steps)
    for step in range(steps):
        losses[step] = fill(theta, x, y, gradient)
        for i in range(len(theta)):
            velocity[i] = momentum * velocity[i] - learning_rate * gradient[i]
            theta[i] += velocity[i]
    return losses


def spiral(samples_per_arm: int, arms: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points on interleaved spiral arms, one class an arm."""
    generator = np.random.Generator(np.random.PCG64(seed))
    radius = np.tile(np.linspace(0.05, 1.0, samples_per_arm), arms)
    arm = np.repeat(np.arange(arms), samples_per_arm)
    angle = 4.0 * radius + 2.0 * np.pi * arm / arms + 0.1 * generator.normal(size=radius.size)
    return np.column_stack((radius * np.cos(angle), radius * np.sin(angle))), arm


if __name__ == "__main__":
    with printing():  # also where symbols cannot be shown
        x, y = spiral(100, 3, seed=0)
        theta = network.initial_parameters(seed=0)
        descend(theta.copy(), x, y, 0.5, 0.9, 1)  # compile
        start = time.perf_counter()
        losses = descend(theta, x, y, 0.5, 0.9, 3000)
        seconds = time.perf_counter() - start
        accuracy = np.mean(network.compile().predict(theta, x).argmax(axis=1) == y)
        print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f} in 3,000 steps, accuracy {accuracy:.1%}")
        print(f"{seconds / 3000 * 1e6:.0f} µs a step of {len(x)} samples, all of it inside jitted code")
