"""A recurrent network on a real series: the voltage across the membrane of a nerve cell, 2 ms ahead.

12,000 samples of a recording, 0.5 ms apart, come with matplotlib (pip install 'symnn[plot]'). For 5 s a current makes
the cell fire. Networks and least squares are given 8 ms of it and say what comes 2 ms later. The first 3 s are trained
on, the 4th says which setting is taken, and the last, in which the cell fires irregularly, is looked at once.

Both kinds of network have less than half of the error that least squares has, for a spike is nothing linear. Recurrence
itself gains nothing here: dense layers that see the same 16 samples at once do as well with fewer parameters.
"""

from __future__ import annotations

from collections.abc import Callable

import matplotlib.cbook
import numpy as np

import symnn

STEPS, AHEAD = 16, 4
ON, TRAINED, VALIDATED, OFF = 1_000, 7_000, 9_000, 11_000
UNITS, RATES = (8, 16), (0.01, 0.02)

with matplotlib.cbook.get_sample_data("membrane.dat") as file:
    volts = np.frombuffer(file.read(), np.float32).astype(np.float64)
series = (volts - volts[ON:TRAINED].mean()) / volts[ON:TRAINED].std()


def part(first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
    """Windows that lie between two samples as a whole, and what comes behind each."""
    windows = np.lib.stride_tricks.sliding_window_view(series[first:last], STEPS + AHEAD)
    return windows[:, :STEPS], windows[:, -1:]


train, validation, test = part(ON, TRAINED), part(TRAINED, VALIDATED), part(VALIDATED, OFF)


def error(predict: Callable[[np.ndarray], np.ndarray], rows: tuple[np.ndarray, np.ndarray]) -> float:
    """The mean square of the error, where always saying the mean of the training part has about 1."""
    x, y = rows
    return float(((predict(x) - y) ** 2).mean())


def least_squares(count: int) -> Callable[[np.ndarray], np.ndarray]:
    """The best linear formula of the last samples."""

    def columns(x: np.ndarray) -> np.ndarray:
        return np.hstack([x[:, -count:], np.ones((len(x), 1))])

    weights = np.linalg.lstsq(columns(train[0]), train[1], rcond=None)[0]
    return lambda x: columns(x) @ weights


def trained(network: symnn.Network, rate: float) -> Callable[[np.ndarray], np.ndarray]:
    """What a network predicts that is trained on the whole of the training part."""
    data = symnn.Dataset.from_arrays(*train, standardise=False, validation_fraction=0, test_fraction=0)
    settings = {"optimiser": "adam", "schedule": "cosine", "learning_rate": rate, "epochs": 20, "batch_size": 64}
    result = symnn.train(network, data, settings)
    return lambda x: result.predict(x.reshape(len(x), *network.input_variables[0].shape[1:]))


def gated(units: int) -> symnn.Network:
    layers = [symnn.gru(units), symnn.dense(1)]
    return symnn.Network({"time": STEPS, "features": 1}, layers, "mean_squared_error")


def dense(units: int) -> symnn.Network:
    layers = [symnn.dense(units, "tanh"), symnn.dense(units, "tanh"), symnn.dense(1)]
    return symnn.Network(STEPS, layers, "mean_squared_error")


print(gated(8).summary())
candidates = {
    "the sample before": {"": lambda x: x[:, -1:]},
    "least squares": {f"of {count} samples": least_squares(count) for count in (4, 8, 16)},
    **{
        name: {f"of {units} units, rate {rate}": trained(network(units), rate) for units in UNITS for rate in RATES}
        for name, network in (("gated recurrent unit", gated), ("dense layers", dense))
    },
}
print("validation   test")
for name, settings in candidates.items():
    chosen = min(settings, key=lambda setting: error(settings[setting], validation))
    errors = (error(settings[chosen], rows) for rows in (validation, test))
    print("{:10.3f} {:6.3f}  {}".format(*errors, f"{name} {chosen}".strip()))
