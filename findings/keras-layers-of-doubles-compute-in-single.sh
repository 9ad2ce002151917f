#!/usr/bin/env bash
# Keras 3.15.1 with PyTorch: layers of dtype float64, or all of a model after set_floatx("float64").
# Expected: a Dense layer of float64 is a product of float64, as torch.nn.Linear's is: 16 digits.
# Seen: kernel, inputs and output are float64, but inputs and kernel are rounded to float32 for the product, so values
# have 7 digits; so have gradients, and a central difference of the loss with a step of 1e-6 is off by a percent.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet keras==3.15.1 torch==2.13.0 numpy==2.4.6
KERAS_BACKEND=torch "$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys

import keras
import numpy as np
import torch

print("keras", keras.__version__, "torch", torch.__version__)
keras.config.set_floatx("float64")
layer = keras.layers.Dense(3)
x = torch.tensor(np.random.default_rng(0).normal(size=(5, 4)))
found = layer(x)
kernel = layer.kernel.value
expected = torch.nn.functional.linear(x, kernel.T)
error = float((found - expected).abs().max())
print("kernel", kernel.dtype, "input", x.dtype, "output", found.dtype)
print(f"expected: an error below 1e-15; seen: {error:.1e}")
step = 1e-6
loss = lambda a: float((layer(a) ** 2).sum())
direction = torch.zeros_like(x)
direction[0, 0] = step
difference = (loss(x + direction) - loss(x - direction)) / (2 * step)
slope = float((2 * expected @ kernel.T)[0, 0])
print(f"derivative of the loss by one input: {slope:.9f}; by a central difference through the layer: {difference:.9f}")
sys.exit(0 if found.dtype == torch.float64 and 1e-9 < error < 1e-6 and abs(difference / slope - 1) > 1e-4 else 1)
PYTHON
