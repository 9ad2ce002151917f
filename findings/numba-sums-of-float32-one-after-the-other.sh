#!/usr/bin/env bash
# Numba 0.68.1: np.sum, x.sum() and np.mean of a float32 array in jitted code.
# Expected: what the same lines give in NumPy, which adds in pairs, up to a few units in the last place.
# Seen: one float32 sum from the first element to the last. Of 2²⁵ ones it is 2²⁴, where adding 1 changes nothing any
# more, and the mean of ones is 0.5; the mean of a million numbers 0.1 is off by 1 %. Reductions over an axis too.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numba==0.68.1 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numba
import numpy as np


def reductions(x):
    return np.sum(x), x.sum(), np.mean(x)


jitted = numba.njit(reductions)
print("numba", numba.__version__, "numpy", np.__version__)
ones, tenths = np.ones(2**25, np.float32), np.full(10**6, 0.1, np.float32)
for name, x in (("2^25 ones", ones), ("a million 0.1", tenths)):
    print(f"{name}: NumPy {[float(v) for v in reductions(x)]}, in jitted code {[float(v) for v in jitted(x)]}")
columns = numba.njit(lambda x: np.sum(x, axis=0))(ones.reshape(-1, 1))
print("over an axis:", float(columns[0]), "NumPy's with one column:", float(ones.reshape(-1, 1).sum(axis=0)[0]))
halved = jitted(ones)[2] == 0.5 and reductions(ones)[2] == 1.0
sys.exit(0 if halved and abs(jitted(tenths)[2] / 0.1 - 1) > 5e-3 > 1e-5 > abs(reductions(tenths)[2] / 0.1 - 1) else 1)
PYTHON
