"""Learning a spiral: the decision boundary before, during and after training, saved as spiral.png.

Run it: python examples/spiral.py [output.png]
"""

import sys
from pathlib import Path

import numpy as np
from inside_numba import spiral

from symnn.network import Network, dense
from symnn.optimisers import OPTIMISERS

STAGES = (0, 3, 10, 100)


def train(network: Network, x: np.ndarray, y: np.ndarray) -> dict[int, np.ndarray]:
    """The parameters before training and after some epochs of minibatch descent with Nesterov momentum."""
    gradient = network.compile().value_and_grad
    optimiser = OPTIMISERS["nesterov"]
    update = optimiser.compile()
    generator = np.random.Generator(np.random.PCG64(1))
    theta = network.initial_parameters(seed=1)
    (velocity,) = optimiser.initial_state(theta)
    found = {0: theta}
    step = 0
    for epoch in range(1, STAGES[-1] + 1):
        for batch in np.array_split(generator.permutation(len(x)), len(x) // 30):
            step += 1
            _, g = gradient(theta, x[batch], y[batch])
            theta, velocity = update(theta, g, velocity, float(step), 0.1, 0.9)
        if epoch in STAGES:
            found[epoch] = theta
    return found


def draw(network: Network, x: np.ndarray, y: np.ndarray, stages: dict[int, np.ndarray], path: Path) -> None:
    """One panel a stage: the class of every point of the plane, and the data."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    model = network.compile()
    axis = np.linspace(-1.3, 1.3, 300)
    grid = np.array(np.meshgrid(axis, axis)).reshape(2, -1).T.copy()
    figure, panels = plt.subplots(1, len(stages), figsize=(4 * len(stages), 4.2), layout="constrained")
    for panel, (epoch, theta) in zip(panels, stages.items(), strict=True):
        plane = model.predict(theta, grid).argmax(axis=1).reshape(300, 300)
        accuracy = np.mean(model.predict(theta, x).argmax(axis=1) == y)
        panel.contourf(axis, axis, plane, levels=[-0.5, 0.5, 1.5, 2.5], cmap="Set3", alpha=0.7)
        panel.scatter(*x.T, c=y, cmap="Dark2", s=9)
        panel.set_title(f"epoch {epoch}: accuracy {accuracy:.0%}, loss {model.loss(theta, x, y):.3f}")
        panel.set_aspect("equal")
        panel.set_xticks([])
        panel.set_yticks([])
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "spiral.png")
    x, y = spiral(100, 3, seed=0)
    network = Network(2, (dense(24, "tanh"), dense(24, "tanh"), dense(3)), "softmax_cross_entropy")
    stages = train(network, x, y)
    draw(network, x, y, stages, target)
    accuracy = np.mean(network.compile().predict(stages[STAGES[-1]], x).argmax(axis=1) == y)
    print(f"accuracy {accuracy:.1%} after {STAGES[-1]} epochs; boundaries saved as {target}")
