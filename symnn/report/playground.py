"""Networks that learn in a page, on data that everybody knows: circle, xor, spirals, moons, a surface, a curve."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from symnn.data import Dataset
from symnn.network import Network, dense
from symnn.report.document import Section, document
from symnn.report.live import live

ROWS = 240
NOISE = 0.05

Rows = tuple[np.ndarray, np.ndarray]
"""Inputs (S, 1 or 2), and classes or numbers (S,)."""


def _circle(random: np.random.Generator) -> Rows:
    x = random.uniform(-1, 1, (ROWS, 2))
    return x, (np.hypot(*x.T) < 0.65).astype(int)


def _xor(random: np.random.Generator) -> Rows:
    x = random.uniform(-1, 1, (ROWS, 2))
    return x + 0.06 * np.sign(x), (x[:, 0] * x[:, 1] > 0).astype(int)


def _gaussians(random: np.random.Generator) -> Rows:
    centres = np.array([[-0.6, -0.4], [0.6, -0.4], [0.0, 0.65]])
    y = np.arange(ROWS) % 3
    return centres[y] + 0.22 * random.normal(size=(ROWS, 2)), y


def _spirals(random: np.random.Generator) -> Rows:
    y = np.arange(ROWS) % 2
    turn = np.sqrt(random.uniform(0.02, 1, ROWS)) * 2.6 * np.pi
    x = (turn / 8.5)[:, None] * np.stack([np.cos(turn + np.pi * y), np.sin(turn + np.pi * y)], axis=1)
    return x + NOISE / 2 * random.normal(size=x.shape), y


def _moons(random: np.random.Generator) -> Rows:
    y = np.arange(ROWS) % 2
    turn = random.uniform(0, np.pi, ROWS)
    above, below = (np.cos(turn), np.sin(turn)), (1 - np.cos(turn), 0.5 - np.sin(turn))
    x = np.where(y[:, None] == 0, np.stack(above, axis=1), np.stack(below, axis=1))
    return x + 1.6 * NOISE * random.normal(size=x.shape), y


def _plane(random: np.random.Generator) -> Rows:
    x = random.uniform(-1, 1, (ROWS, 2))
    return x, np.sin(2.5 * x[:, 0]) + 0.8 * x[:, 1] ** 2 + NOISE * random.normal(size=ROWS)


def _curve(random: np.random.Generator) -> Rows:
    x = random.uniform(-1, 1, (ROWS // 3, 1))
    return x, np.sin(6 * x[:, 0]) * np.exp(-x[:, 0]) + NOISE * random.normal(size=len(x))


@dataclass(frozen=True)
class Preset:
    """Data, and hidden layers of tanh that can learn them."""

    title: str
    rows: Callable[[np.random.Generator], Rows]
    hidden: tuple[int, ...]


PRESETS: Mapping[str, Preset] = {
    "circle": Preset("Circle", _circle, (4,)),
    "xor": Preset("Exclusive or", _xor, (4, 4)),
    "gaussians": Preset("Three Gaussians", _gaussians, (4,)),
    "spirals": Preset("Two spirals", _spirals, (8, 8, 8)),
    "moons": Preset("Two moons", _moons, (8,)),
    "plane": Preset("A surface", _plane, (8, 8)),
    "curve": Preset("A curve", _curve, (20,)),
}


def playground() -> str:
    """The page: each preset learns by code that was emitted for its network."""
    sections = [preset(name) for name in PRESETS]
    lead = "Seven small networks on data that everybody knows. Each learns in your browser, by its own compiled code."
    return document("Playground", lead, {"presets": str(len(PRESETS)), "rows": f"{ROWS} at most"}, sections, NOTE)


NOTE = "Made by symnn. It loads nothing: data, networks and code are in this page."


def _task(y: np.ndarray) -> Literal["classification", "regression"]:
    return "classification" if y.dtype.kind == "i" else "regression"


def preset(name: str) -> Section:
    """One of them."""
    found = PRESETS[name]
    x, y = found.rows(np.random.Generator(np.random.PCG64(0)))
    network, dataset = network_of(name), Dataset.from_arrays(x, y, task=_task(y))
    lead = f"Hidden layers of {', '.join(map(str, found.hidden))} tanh units; {network.parameter_count} parameters."
    return live(network, dataset, name, found.title, lead)


def network_of(name: str) -> Network:
    """Its network."""
    found = PRESETS[name]
    x, y = found.rows(np.random.Generator(np.random.PCG64(0)))
    layers = [dense(units, "tanh") for units in found.hidden]
    if _task(y) == "regression":
        return Network(x.shape[1], (*layers, dense(1)), "mean_squared_error")
    return Network(x.shape[1], (*layers, dense(int(y.max()) + 1)), "softmax_cross_entropy")
