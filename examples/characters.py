"""A small transformer that learns to continue a text, the licence, character by character: causal attention."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import symnn

STEPS, FEATURES = 16, 16
text = Path(__file__).parent.parent.joinpath("LICENSE").read_text()
alphabet = sorted(set(text))
codes = np.array([alphabet.index(character) for character in text])
windows = np.lib.stride_tricks.sliding_window_view(codes, STEPS + 1)
x, y = np.ascontiguousarray(windows[:, :-1]), np.ascontiguousarray(windows[:, 1:])

network = symnn.Network(
    {"time": STEPS},
    [
        symnn.embedding(FEATURES, vocabulary=len(alphabet)),
        symnn.residual(symnn.layer_norm(), symnn.attention(4, causal=True)),
        symnn.residual(symnn.layer_norm(), symnn.dense(32, "gelu"), symnn.dense(FEATURES)),
        symnn.layer_norm(),
        symnn.dense(len(alphabet)),
    ],
    "softmax_cross_entropy",
)
print(network.summary())

numbers = {"learning_rate": 0.01, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}
descent = symnn.Descent(network.compile("float32"), network.initial_parameters(), "adam", **numbers)
generator = np.random.default_rng(0)
for epoch in range(1, 6):
    loss = descent.epoch(x, y, generator.permutation(len(x)), batch_size=32)
    print(f"epoch {epoch}: {loss / np.log(2):.2f} bits a character of {np.log2(len(alphabet)):.2f}")

written = text[:STEPS]
for _ in range(60):
    context = np.array([[alphabet.index(character) for character in written[-STEPS:]]])
    written += alphabet[int(descent.model.predict(descent.theta, context)[0, -1].argmax())]
print(written.replace("\n", " "))
