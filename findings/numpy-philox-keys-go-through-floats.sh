#!/usr/bin/env bash
# NumPy's Philox takes a key of two words of 64 bits, "int, array_like[uint64]", for streams that are told apart by it.
# Expected: key=[2**63 + 1, 7] is the key (2**63 + 1, 7), as key=np.array([2**63 + 1, 7], np.uint64) is. Seen: a list with
# one word from 2**63 on and one below is made float64 first, so that up to 2,048 neighbouring seeds draw the same
# numbers, without a warning; a list of two such words is taken as it is.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import numpy as np

print("numpy", np.__version__)


def first(key):
    return int(np.random.Philox(key=key).random_raw())


seeds = (2**63, 2**63 + 1, 2**63 + 1000)
listed = [first([seed, 7]) for seed in seeds]
exact = [first(np.array([seed, 7], np.uint64)) for seed in seeds]
both = first([2**63 + 1, 2**63 + 7]), first(np.array([2**63 + 1, 2**63 + 7], np.uint64))
for seed, found, expected in zip(seeds, listed, exact):
    print(f"key [{seed}, 7]: first word {found}, expected {expected}")
sys.exit(0 if len(set(listed)) == 1 and len(set(exact)) == 3 and both[0] == both[1] else 1)
PYTHON
