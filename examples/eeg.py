"""A recurrent network on a real series: the next sample of an electroencephalogram from those before it.

800 samples of four channels come with matplotlib (pip install 'symnn[plot]'). The first 600 are trained on, the last
200 predicted one by one. The series is short and nearly linear: least squares on four samples is better still.
"""

from __future__ import annotations

import matplotlib.cbook
import numpy as np

import symnn

STEPS, TRAINED = 16, 600

with matplotlib.cbook.get_sample_data("eeg.dat") as file:
    series = np.frombuffer(file.read()).reshape(800, 4)
windows = np.lib.stride_tricks.sliding_window_view(series, STEPS + 1, axis=0).transpose(0, 2, 1)
x, y = windows[:, :-1], windows[:, -1]
train, test = slice(0, TRAINED - STEPS), slice(TRAINED - STEPS, None)


def error(predicted: np.ndarray) -> float:
    """The mean square of the error, where the mean of the series has 1."""
    return float(((predicted - y[test]) ** 2).mean() / series[:TRAINED].var(axis=0).mean())


def linear(windows: np.ndarray) -> np.ndarray:
    return np.hstack([windows[:, -4:].reshape(len(windows), -1), np.ones((len(windows), 1))])


network = symnn.Network(
    {"time": STEPS, "features": 4}, [symnn.gru(8), symnn.dense(4)], "mean_squared_error", weight_decay=0.002
)
print(network.summary())
# Rows in the order of time: none of what is predicted later is trained on.
data = symnn.Dataset.from_arrays({"x": x[train]}, y[train], validation_fraction=0, test_fraction=0)
settings = {"optimiser": "adam", "learning_rate": 0.01, "schedule": "cosine", "epochs": 60}
result = symnn.train(network, data, settings)
coefficients = np.linalg.lstsq(linear(x[train]), y[train], rcond=None)[0]
print(f"the sample before: {error(x[test][:, -1]):.3f}")
print(f"gated recurrent unit: {error(result.predict({'x': x[test]})):.3f}")
print(f"least squares on four samples: {error(linear(x[test]) @ coefficients):.3f}")
