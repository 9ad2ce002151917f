#!/usr/bin/env bash
# np.dtype of a ctypes.Structure is its layout in memory: names, formats, offsets and size.
# Expected: of a structure that extends another, as Python's ctypes documents for _fields_ of subclasses, the dtype has
# the base's fields and then its own, at the offsets that ctypes tells. Seen: the base's fields are missing, the own ones
# begin at byte 0, and the size is theirs alone, so that an array over the structure's memory reads the base's values
# under the names of the derived fields, without a warning.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import ctypes
import sys

import numpy as np

print("numpy", np.__version__)


class Base(ctypes.Structure):
    _fields_ = [("a", ctypes.c_double)]


class Derived(Base):
    _fields_ = [("b", ctypes.c_double)]


value = Derived(a=1.0, b=2.0)
dtype = np.dtype(Derived)
read = np.frombuffer(value, dtype, count=1)["b"][0]
print(f"fields {dtype.names}, expected ('a', 'b')")
print(f"offset of b {dtype.fields['b'][1]}, expected {Derived.b.offset}")
print(f"size {dtype.itemsize}, expected {ctypes.sizeof(Derived)}")
print(f"b {read}, expected {value.b}")
seen = dtype.names == ("b",) and dtype.fields["b"][1] == 0 and dtype.itemsize == 8 and read == 1.0
sys.exit(0 if seen else 1)
PYTHON
# numpy 2.4.6
# fields ('b',), expected ('a', 'b')
# offset of b 0, expected 8
# size 8, expected 16
# b 1.0, expected 2.0
