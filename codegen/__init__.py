"""A compiler from systems of SymPy equations to gradients and Numba functions."""

from codegen.derive import (
    PathCount,
    SparseJacobian,
    count_paths,
    gauss_newton,
    gradient,
    hessian,
    hvp,
    jacobian,
    jvp,
    mixed_partials,
    partials,
    per_sample_gradients,
    sparse_jacobian,
    vjp,
)
from codegen.errors import CheckError, CodegenError, DerivationError, EmitError, GraphError
from codegen.expressions import from_expressions
from codegen.graph import Equation, Graph, Index, Reduction, Variable, sample_extent
from codegen.passes import PassReport, optimise
from codegen.runtime.function import CompiledFunction, CompileReport, compile

__all__ = [
    "CheckError",
    "CodegenError",
    "CompileReport",
    "CompiledFunction",
    "DerivationError",
    "EmitError",
    "Equation",
    "Graph",
    "GraphError",
    "Index",
    "PassReport",
    "PathCount",
    "Reduction",
    "SparseJacobian",
    "Variable",
    "compile",
    "count_paths",
    "from_expressions",
    "gauss_newton",
    "gradient",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "mixed_partials",
    "optimise",
    "partials",
    "per_sample_gradients",
    "sample_extent",
    "sparse_jacobian",
    "vjp",
]
