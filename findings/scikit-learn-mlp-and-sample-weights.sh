#!/usr/bin/env bash
# scikit-learn's MLPClassifier with sample_weight (new in 1.7): rows that weigh 0, and weights in another unit.
# Expected: a row of weight 0 is like a row that is not there, as scikit-learn's own estimator check asks; and the loss
# being an average, and the L2 term "divided by the sample size" (documentation of alpha), weights 1000 times as large
# give the same fit.
# Seen: where all rows of a minibatch weigh 0, fit raises ZeroDivisionError "Weights sum to zero, can't be normalized",
# for one seed and not for another; and all weights times 1000 make the L2 term 1000 times weaker, for it is divided by
# the sum of the weights: by L-BFGS the loss with alpha=1 is 0.119 for weights of 1 and 0.040 for weights of 1000.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.4.6 scipy==1.17.1 scikit-learn==1.9.1
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import sys

import numpy as np
import sklearn
from sklearn.datasets import load_iris
from sklearn.neural_network import MLPClassifier

print("numpy", np.__version__, "scikit-learn", sklearn.__version__)
x, y = load_iris(return_X_y=True)

weights = np.zeros(len(x))
weights[::5] = 1.0  # 30 rows of 150, ten of each class
found = []
for seed in range(8):
    try:
        MLPClassifier((8,), batch_size=20, max_iter=3, random_state=seed).fit(x, y, sample_weight=weights)
        found.append("fits")
    except ZeroDivisionError as error:
        found.append(str(error))
    print("seed", seed, found[-1])

losses = [
    MLPClassifier((8,), solver="lbfgs", alpha=1.0, max_iter=2000, random_state=0)
    .fit(x, y, sample_weight=np.full(len(x), unit))
    .loss_
    for unit in (1.0, 1000.0)
]
print("loss with weights of 1:", losses[0], "and of 1000:", losses[1])
seen = len(set(found)) == 2 and losses[1] < 0.5 * losses[0]
sys.exit(0 if seen else 1)
PYTHON
