"""Our estimators beside scikit-learn's: scores on held-out rows, and the time of a fit, warm and in a new process.

``python -m tests.benchmarks.estimators`` prints the table. Scikit-learn's stand behind a ``StandardScaler``, for ours
standardise by themselves; the hidden layers are the same, everything else is as each has it by default. Times are of
the processor, with one thread of BLAS.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from statistics import mean, median, stdev
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

Data = tuple[np.ndarray, np.ndarray]
SEEDS = 5
HIDDEN = (32, 32)
COLD_RUNS = 5


def data_sets() -> Mapping[str, tuple[str, Callable[[], Data]]]:
    """Name → kind, and rows and targets."""
    from sklearn import datasets

    def bundled(load: Callable[..., Any]) -> Callable[[], Data]:
        return lambda: load(return_X_y=True)

    return {
        "iris": ("classifier", bundled(datasets.load_iris)),
        "wine": ("classifier", bundled(datasets.load_wine)),
        "breast_cancer": ("classifier", bundled(datasets.load_breast_cancer)),
        "digits": ("classifier", bundled(datasets.load_digits)),
        "moons": ("classifier", lambda: datasets.make_moons(2000, noise=0.2, random_state=0)),
        "classification": (
            "classifier",
            lambda: datasets.make_classification(4000, 20, n_informative=8, n_classes=3, random_state=0),
        ),
        "diabetes": ("regressor", bundled(datasets.load_diabetes)),
        "friedman1": ("regressor", lambda: datasets.make_friedman1(2000, noise=1.0, random_state=0)),
        "friedman2": ("regressor", lambda: datasets.make_friedman2(2000, noise=100.0, random_state=0)),
    }


def ours(kind: str, seed: int) -> Any:
    """Our estimator as it is."""
    from symnn.sklearn import NetworkClassifier, NetworkRegressor

    return (NetworkClassifier if kind == "classifier" else NetworkRegressor)(
        hidden_layer_sizes=HIDDEN, random_state=seed
    )


def theirs(kind: str, seed: int) -> Any:
    """Scikit-learn's behind a scaler."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    made = (MLPClassifier if kind == "classifier" else MLPRegressor)(hidden_layer_sizes=HIDDEN, random_state=seed)
    return make_pipeline(StandardScaler(), made)


MAKERS = {"symnn": ours, "scikit-learn": theirs}


def compared(name: str) -> str:
    """One row of the table."""
    from sklearn.model_selection import train_test_split

    kind, load = data_sets()[name]
    x, y = load()
    scores: dict[str, list[float]] = {maker: [] for maker in MAKERS}
    seconds: dict[str, list[float]] = {maker: [] for maker in MAKERS}
    epochs = []
    for seed in range(SEEDS):
        stratify = y if kind == "classifier" else None
        train_x, test_x, train_y, test_y = train_test_split(x, y, random_state=seed, stratify=stratify)
        for maker, make in MAKERS.items():
            if maker == "symnn" and seed == 0:
                make(kind, seed).set_params(max_iter=1).fit(train_x, train_y)  # warm
            estimator = make(kind, seed)
            started = time.process_time()
            estimator.fit(train_x, train_y)
            seconds[maker].append(time.process_time() - started)
            scores[maker].append(float(estimator.score(test_x, test_y)))
            if maker == "symnn":
                epochs.append(estimator.n_iter_)
    differences = [a - b for a, b in zip(scores["symnn"], scores["scikit-learn"])]
    own, other = (1e3 * median(seconds[maker]) for maker in MAKERS)
    cells = [
        f"{name} ({len(x):,} × {x.shape[1]})",
        *(f"{mean(scores[maker]):.4f}" for maker in MAKERS),
        f"{mean(differences):+.4f} ± {stdev(differences) / SEEDS**0.5:.4f}",
        f"{mean(epochs):.0f}",
        f"{own:.1f}",
        f"{other:.0f}",
        f"{other / own:.1f}",
    ]
    return "| " + " | ".join(cells) + " |"


def cold(maker: str, rows: int) -> float:
    """Processor seconds in a new process until a network is fitted, importing and compiling included."""
    from sklearn.datasets import make_classification

    x, y = make_classification(rows, 20, n_informative=8, n_classes=3, random_state=0)
    before = time.process_time()
    MAKERS[maker]("classifier", 0).fit(x, y)
    return time.process_time() - before


def in_new_process(maker: str, rows: int, bytecode: str) -> float:
    """The same of a process of its own, with an empty cache, and bytecode as pip leaves it of installed packages."""
    with TemporaryDirectory() as folder:
        environment = {
            **os.environ, "SYMNN_CACHE_DIR": folder, "OPENBLAS_NUM_THREADS": "1",
            "PYTHONPYCACHEPREFIX": bytecode, "PYTHONDONTWRITEBYTECODE": "",
        }  # fmt: skip
        command = [sys.executable, "-m", "tests.benchmarks.estimators", "--cold", maker, str(rows)]
        return float(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)


def cold_rows(rows: int, bytecode: str) -> str:
    """One row of the second table."""
    runs = [[in_new_process(maker, rows, bytecode) for maker in MAKERS] for _ in range(COLD_RUNS)]
    own, other = map(median, zip(*runs))
    return f"| {rows:,} | {own:.2f} | {other:.2f} | {own / other:.2f} |"


def warm(only: str) -> None:
    """Print the first table."""
    from threadpoolctl import threadpool_limits

    print(f"hidden layers {HIDDEN}, {SEEDS} seeds; accuracy, or R² of the last three; ms of the processor a fit\n")
    print("| data | symnn | scikit-learn | difference ± its error | epochs | symnn, ms | scikit-learn, ms | ratio |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    with threadpool_limits(1, user_api="blas"):
        for name in data_sets():
            if only in name:
                print(compared(name), flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cold", nargs=2, metavar=("MAKER", "ROWS"))
    parser.add_argument("--only", default="")
    parser.add_argument("--cold-alone", action="store_true")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    if given.cold:
        print(cold(given.cold[0], int(given.cold[1])))
        return
    if not given.cold_alone:
        warm(given.only)
    if given.only:
        return
    print("\nIn a new process with an empty cache of ours, importing the estimator included, processor seconds\n")
    print("| rows | symnn | scikit-learn | ratio |\n| --- | --- | --- | --- |")
    with TemporaryDirectory() as bytecode:
        for maker in MAKERS:
            in_new_process(maker, 100, bytecode)
        for rows in (500, 2000, 8000):
            print(cold_rows(rows, bytecode), flush=True)


if __name__ == "__main__":
    main()
