"""A compiler from systems of SymPy equations to gradients and Numba functions."""

from codegen.derive import PathCount, count_paths, gradient, partials
from codegen.errors import CheckError, CodegenError, DerivationError, EmitError, GraphError
from codegen.expressions import from_expressions
from codegen.graph import Equation, Graph, Index, Reduction, Variable, sample_extent

__all__ = [
    "CheckError",
    "CodegenError",
    "DerivationError",
    "EmitError",
    "Equation",
    "Graph",
    "GraphError",
    "Index",
    "PathCount",
    "Reduction",
    "Variable",
    "count_paths",
    "from_expressions",
    "gradient",
    "partials",
    "sample_extent",
]
