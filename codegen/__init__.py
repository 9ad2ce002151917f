"""A compiler from systems of SymPy equations to gradients and Numba functions."""

from codegen.custom import function
from codegen.derive import PathCount, count_paths, gradient, partials
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
    "Variable",
    "compile",
    "count_paths",
    "from_expressions",
    "function",
    "gradient",
    "optimise",
    "partials",
    "sample_extent",
]
