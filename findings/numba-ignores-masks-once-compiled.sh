#!/usr/bin/env bash
# Numba refuses NumPy's masked arrays: "Unsupported array type: numpy.ma.MaskedArray". Expected: at every call. Seen: at
# the first call only. Once a function has been compiled for a plain array of the same type, or has its types declared,
# a masked array is taken for a plain one, and what is masked is counted, without a word.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 numba==0.68.1
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numba
import numpy as np
from numba import njit

print("numpy", np.__version__, "numba", numba.__version__)
plain, masked = np.ones(3), np.ma.masked_array([1.0, 1000.0, 1.0], mask=[False, True, False])


def total(array):
    return array.sum()


def tried(function):
    try:
        return float(function(masked))
    except numba.core.errors.NumbaTypeError as error:
        return str(error).splitlines()[0]


lazy, declared = njit(total), njit("float64(float64[::1])")(total)
before = tried(lazy)
lazy(plain)
after, eager = tried(lazy), tried(declared)
print("the masked sum, by NumPy:", masked.sum())
print("before it was compiled:  ", before)
print("after a plain array:     ", after)
print("with declared types:     ", eager)
sys.exit(0 if ("MaskedArray" in str(before), after, eager) == (True, 1002.0, 1002.0) else 1)
PYTHON
