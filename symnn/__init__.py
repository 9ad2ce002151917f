"""Neural networks as SymPy graphs: visible gradient formulas, compiled functions, proofs that they are right.

>>> import symnn
>>> network = symnn.Network(2, [symnn.dense(16, "tanh"), symnn.dense(3)], "softmax_cross_entropy")
>>> network.parameter_count
99

Each public name is imported at its first use, so that the command line can speak, or stop without a word, before SymPy
and Numba have been read.
"""

from __future__ import annotations

from importlib import import_module

import symnn.terminal  # noqa: F401 - what PYTHONIOENCODING may ask for is known from here on
from symnn.layers import KINDS

TYPE_CHECKING = False  # typing's own would cost its import
if TYPE_CHECKING:
    from symnn.checkpoint import Checkpoint, load
    from symnn.data import Dataset, Split, load_digits, load_file, load_frame
    from symnn.descent import Descent
    from symnn.ensembles import Ensemble, ensemble
    from symnn.errors import CheckpointError, DataError, SpecError, SymnnError
    from symnn.layers.activation import activation as activation
    from symnn.layers.dense import dense as dense
    from symnn.layers.layer import Layer
    from symnn.layers.node import inputs
    from symnn.least_squares import LeastSquares
    from symnn.marching import March, march
    from symnn.network import Network
    from symnn.parametrised import Model
    from symnn.physics import Physics, PhysicsModel, Residual
    from symnn.points import Towards, sample, sample_boundary
    from symnn.regions import Ball, Polygon
    from symnn.solving import Solution, solve
    from symnn.spec import Spec, TrainingSpec, load_spec
    from symnn.stages import Tangent, tangent
    from symnn.training import train
    from symnn.training.result import TrainingResult
    from symnn.verify import check

__version__ = "0.1.0"

_HOMES = {
    "Checkpoint": "checkpoint",
    "CheckpointError": "errors",
    "DataError": "errors",
    "Dataset": "data",
    "Descent": "descent",
    "Ensemble": "ensembles",
    "ensemble": "ensembles",
    "Layer": "layers.layer",
    "inputs": "layers.node",
    "March": "marching",
    "Tangent": "stages",
    "tangent": "stages",
    "march": "marching",
    "Model": "parametrised",
    "Network": "network",
    "Physics": "physics",
    "PhysicsModel": "physics",
    "Residual": "physics",
    "LeastSquares": "least_squares",
    "Solution": "solving",
    "Spec": "spec",
    "SpecError": "errors",
    "Split": "data",
    "SymnnError": "errors",
    "TrainingResult": "training.result",
    "TrainingSpec": "spec",
    "check": "verify",
    "load": "checkpoint",
    "load_digits": "data",
    "load_file": "data",
    "load_frame": "data",
    "load_spec": "spec",
    "Towards": "points",
    "sample": "points",
    "sample_boundary": "points",
    "Ball": "regions",
    "Polygon": "regions",
    "solve": "solving",
    "train": "training",
    **{kind: f"layers.{kind}" for kind in KINDS},
}
"""The module of each public name."""

__all__ = [
    "Ball",
    "Checkpoint",
    "CheckpointError",
    "DataError",
    "Dataset",
    "Descent",
    "Ensemble",
    "Layer",
    "March",
    "Model",
    "Network",
    "Physics",
    "PhysicsModel",
    "Polygon",
    "Residual",
    "LeastSquares",
    "Solution",
    "Spec",
    "SpecError",
    "Split",
    "SymnnError",
    "Tangent",
    "Towards",
    "TrainingResult",
    "TrainingSpec",
    "check",
    "ensemble",
    "inputs",
    "load",
    "load_digits",
    "load_file",
    "load_frame",
    "load_spec",
    "march",
    "sample",
    "sample_boundary",
    "solve",
    "tangent",
    "train",
    *KINDS,
]


if not TYPE_CHECKING:  # a checker would believe every name

    def __getattr__(name: str) -> object:
        if name in _HOMES:
            found = globals()[name] = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
            return found
        from importlib.util import find_spec

        if name.startswith("_") or find_spec(f"{__name__}.{name}") is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
