"""Numbers for a graph: evaluation in NumPy and mpmath, numerical derivatives, and the gradient check."""

from codegen.numeric.branches import branches
from codegen.numeric.check import check_gradient
from codegen.numeric.differences import (
    central_difference,
    complex_step,
    directional_derivative,
    exact_derivative,
    forward_difference,
    richardson,
)
from codegen.numeric.evaluate import evaluate
from codegen.numeric.oracle import evaluate_exactly, rounded
from codegen.numeric.report import CheckReport, CheckRow
from codegen.numeric.schemes import Estimate

__all__ = [
    "CheckReport",
    "CheckRow",
    "Estimate",
    "branches",
    "central_difference",
    "check_gradient",
    "complex_step",
    "directional_derivative",
    "evaluate",
    "evaluate_exactly",
    "exact_derivative",
    "forward_difference",
    "richardson",
    "rounded",
]
