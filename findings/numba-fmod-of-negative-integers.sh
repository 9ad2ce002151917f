#!/usr/bin/env bash
# Numba 0.68.1: np.fmod of signed integers in jitted code, scalars and arrays. NumPy's has the sign of the dividend, -1 for (-7, 3) and
# 1 for (7, -3). Expected: the same, or the sign of the divisor, as of %, which Numba has right. Seen: neither, but the remainder of the
# bits read as unsigned numbers: 0 for (-7, 3), 9 for (-7, 10), 7 for (7, -3), 2^40 for (2^40, -3), in int8 as in int64. Of floats it is
# right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 numba==0.68.1
"$folder/venv/bin/python" - <<'PYTHON'
import numba
import numpy as np

print("numba", numba.__version__, "numpy", np.__version__)
fmod, remainder = numba.njit(lambda x, y: np.fmod(x, y)), numba.njit(lambda x, y: x % y)
for dtype in (np.int8, np.int32, np.int64, np.float64):
    x, y = np.array([7, -7, 7, -7, -7], dtype), np.array([3, 3, -3, -3, 10], dtype)
    print(np.dtype(dtype), "fmod", fmod(x, y), "NumPy", np.fmod(x, y), "| %", remainder(x, y), "NumPy", x % y)
    assert (remainder(x, y) == x % y).all(), "the behaviour has changed"
    right = fmod(x, y) == np.fmod(x, y)
    assert right.all() if dtype is np.float64 else right[0] and not right[1:].any(), "the behaviour has changed"
print("fmod(2**40, -3):", fmod(2**40, -3), "NumPy", np.fmod(2**40, -3))
assert fmod(2**40, -3) == 2**40 and np.fmod(2**40, -3) == 1, "the behaviour has changed"
PYTHON
