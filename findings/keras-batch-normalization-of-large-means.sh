#!/usr/bin/env bash
# Keras 3.15.1 with PyTorch: BatchNormalization in training of a feature of mean 5,000 and standard deviation 1, and
# GroupNormalization of values of mean 3,000 (a year, a temperature in kelvin, a price).
# Expected: what torch.nn.functional.batch_norm gives of the same float32 numbers, right to 0.001.
# Seen: nan for a part of the features, and where it is none up to 66 times too large: the variance is taken as
# mean(x²) − mean(x)², which float32 has no digits for, and may be negative. keras.layers.Normalization has it right.
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
seen = []
for mean in (1e3, 3e3, 5e3):
    x = (np.random.default_rng(0).normal(size=(64, 8)) + mean).astype("float32")
    wide = x.astype("float64")
    expected = (wide - wide.mean(0)) / np.sqrt(wide.var(0) + 1e-3)
    peer = torch.nn.functional.batch_norm(torch.tensor(x), None, None, training=True, eps=1e-3).numpy()
    found = keras.ops.convert_to_numpy(keras.layers.BatchNormalization()(x, training=True))
    group = keras.ops.convert_to_numpy(keras.layers.GroupNormalization(2)(x))
    bad = int(np.isnan(found).any(axis=0).sum())
    print(
        f"mean {mean:g}: error of PyTorch's {np.abs(peer - expected).max():.1e}, of Keras's "
        f"{np.nanmax(np.abs(found - expected)):.1e}; nan in {bad} of 8 features, and with groups in "
        f"{int(np.isnan(group).any(axis=1).sum())} of 64 rows"
    )
    seen.append((np.abs(peer - expected).max() < 1e-2, np.nanmax(np.abs(found - expected)), bad))
sys.exit(0 if all(right for right, *_ in seen) and seen[1][1] > 1 and seen[2][2] > 0 else 1)
PYTHON
