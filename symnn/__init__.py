"""Neural networks as SymPy graphs: visible gradient formulas, compiled functions, proofs that they are right.

>>> import symnn
>>> network = symnn.Network(2, [symnn.dense(16, "tanh"), symnn.dense(3)], "softmax_cross_entropy")
>>> network.parameter_count
99
"""

from symnn.data import Dataset, Split, load_digits, load_file, load_frame
from symnn.descent import Descent
from symnn.errors import CheckpointError, DataError, SpecError, SymnnError
from symnn.network import Layer, Model, Network, dense
from symnn.physics import Physics, PhysicsModel, Residual
from symnn.points import sample
from symnn.solving import Solution, solve
from symnn.spec import Spec, TrainingSpec, load_spec
from symnn.training import TrainingResult, train
from symnn.verify import check

__version__ = "0.1.0"

__all__ = [
    "CheckpointError",
    "DataError",
    "Dataset",
    "Descent",
    "Layer",
    "Model",
    "Network",
    "Physics",
    "PhysicsModel",
    "Residual",
    "Solution",
    "Spec",
    "SpecError",
    "Split",
    "SymnnError",
    "TrainingResult",
    "TrainingSpec",
    "check",
    "dense",
    "load_digits",
    "load_file",
    "load_frame",
    "load_spec",
    "sample",
    "solve",
    "train",
]
