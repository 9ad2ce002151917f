"""Rosenbrock's function, which several tests minimise."""

from __future__ import annotations

import numpy as np


def valley(theta: np.ndarray) -> tuple[float, np.ndarray]:
    """(1 − x)² + 100·(y − x²)² and its gradient: some fifty iterations from (−1.2, 1)."""
    x, y = theta
    slope = np.array([-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)])
    return float((1 - x) ** 2 + 100 * (y - x * x) ** 2), slope
