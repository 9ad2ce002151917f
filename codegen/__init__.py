"""A compiler from systems of SymPy equations to gradients and Numba functions."""

from codegen.compiler import compile
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
from codegen.errors import CheckError, CodegenError, DerivationError, EmitError, GraphError, PrecisionWarning
from codegen.export import write_c, write_javascript, write_object
from codegen.ir.graph import Equation, Graph, Index, Reduction, Variable, sample_extent
from codegen.passes import PassReport, optimise
from codegen.read import from_expressions
from codegen.read.custom import function
from codegen.runtime.function import CompiledFunction, CompileReport
from codegen.solvers import FlatFunction, low_level_callable

__all__ = [
    "CheckError",
    "CodegenError",
    "CompileReport",
    "CompiledFunction",
    "DerivationError",
    "EmitError",
    "Equation",
    "FlatFunction",
    "Graph",
    "GraphError",
    "Index",
    "PassReport",
    "PathCount",
    "PrecisionWarning",
    "Reduction",
    "SparseJacobian",
    "Variable",
    "compile",
    "count_paths",
    "from_expressions",
    "function",
    "gauss_newton",
    "gradient",
    "hessian",
    "hvp",
    "jacobian",
    "jvp",
    "low_level_callable",
    "mixed_partials",
    "optimise",
    "partials",
    "per_sample_gradients",
    "sample_extent",
    "sparse_jacobian",
    "vjp",
    "write_c",
    "write_javascript",
    "write_object",
]
