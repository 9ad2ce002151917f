#!/usr/bin/env bash
# Dask 2026.8.0: variances of groups in a dask.dataframe whose numbers are far from 0 (times in seconds, coordinates).
# Expected: groupby(...).x.var() as pandas has it, and as Dask's own x.var() of the whole column, right to eight digits.
# Seen: of numbers of mean 1e8 and standard deviation 1 the variances of the groups are 0 or 2, of mean 1e9 all are 0;
# std, cov and corr of groups likewise (corr 0.7 where it is −0.03, or nan). They are made of sums of squares.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet "dask[dataframe]==2026.8.0" pandas==3.1.1 numpy==2.4.6
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys

import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd

print("dask", dask.__version__, "pandas", pd.__version__)
generator = np.random.default_rng(0)
wrong = []
for mean in (1e6, 1e8, 1e9):
    frame = pd.DataFrame({"k": generator.integers(0, 3, 3000), "x": generator.normal(size=3000) + mean})
    parts = dd.from_pandas(frame, npartitions=4)
    found, expected = parts.groupby("k").x.var().compute().to_numpy(), frame.groupby("k").x.var().to_numpy()
    whole = abs(parts.x.var().compute() / frame.x.var() - 1)
    print(f"mean {mean:g}: pandas {expected.round(4)}, dask {found.round(4)}; error of all in one {whole:.0e}")
    wrong.append(np.abs(found / expected - 1).max())
    assert whole < 1e-8
sys.exit(0 if wrong[0] > 1e-6 and min(wrong[1:]) > 0.5 else 1)
PYTHON
